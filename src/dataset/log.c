/* dataset/log.c - the log's writing side: records into `metadata.meseta`, older ones sealed into segments, checkpoints
 * made when replaying would cost more than a document, what no rule keeps trimmed. Also finds a commit by its id. May
 * call: base, store, dataset's own headers. */
#include "dataset/history.h"
#include "dataset/key.h"
#include "dataset/ours.h"

enum {
  INLINE_BODY_MAX = 4096, /* bytes of a delta inside the document */
  TAIL_RECORDS_MAX = 48,  /* records inside the document before the older ones are sealed */
  TAIL_RECORDS_KEPT = 16, /* and how many then stay */
  TAIL_BYTES_MAX = 24 << 10,
  MERGED_SEGMENTS = 8,     /* of one size that become one */
  SIZE_CLASSES = 3,        /* beyond which they are left as they are */
  CHECKPOINT_RECORDS = 512 /* records between checkpoints at most */
};
static const int64_t IDS_KEPT_US = INT64_C(86400) * 1000000;

static const char what[] = "metadata.meseta";

/* ---- small helpers -------------------------------------------------------------------------------------------------
 */

static mst_status append(json_t *array, json_t *value, mst_error *err) {
  return value != NULL && json_array_append_new(array, value) == 0 ? MST_OK : mst_fail_memory(err);
}

/* The array called `name`, made when it is not there. Borrowed. */
static mst_status array_of(json_t *section, const char *name, json_t **out, mst_error *err) {
  json_t *array = json_object_get(section, name);
  if (array == NULL || !json_is_array(array)) {
    mst_status status = mst_json_set(section, name, json_array(), err);
    if (status != MST_OK) return status;
    array = json_object_get(section, name);
  }
  *out = array;
  return MST_OK;
}

static uint64_t number_of(const json_t *object, const char *name) {
  json_int_t v = json_integer_value(json_object_get(object, name));
  return v > 0 ? (uint64_t)v : 0;
}

static mst_status size_of(const json_t *value, const mst_allocator *mem, size_t *n, mst_error *err) {
  mst_buf text;
  mst_buf_init(&text, mem, SIZE_MAX);
  mst_status status = mst_json_print(value, &text, err);
  *n = text.size;
  mst_buf_free(&text);
  return status;
}

/* ---- deltas --------------------------------------------------------------------------------------------------------
 */

static mst_status put_labels(json_t *delta, const char *name, const char *const *labels, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  if (n == 0) return MST_OK;
  json_t *list = json_array();
  for (size_t i = 0; i < n && status == MST_OK; i++) status = append(list, json_string(labels[i]), err);
  if (status == MST_OK) return mst_json_set(delta, name, list, err);
  json_decref(list);
  return status;
}

/* The user's own part of the map. */
static json_t *user_map(const mst_document *d) {
  json_t *map = json_copy(mst_document_metadata(d));
  if (map != NULL) (void)json_object_del(map, MST_SECTION);
  return map;
}

static mst_status indices_of(const mst_document *d, json_t **out, mst_error *err) {
  mst_status status = MST_OK;
  json_t *map = json_object();
  for (size_t i = 0; i < mst_document_n_indices(d) && status == MST_OK; i++) {
    const char *key = mst_document_index_key(d, i);
    if (key != NULL) status = mst_json_set_text(map, mst_document_index_column(d, i), key, err);
  }
  if (map == NULL) return mst_fail_memory(err);
  if (status == MST_OK) *out = map;
  else json_decref(map);
  return status;
}

static mst_status keys_of(const mst_document *d, json_t **out, mst_error *err) {
  mst_status status = MST_OK;
  json_t *list = json_array();
  for (size_t i = 0; i < mst_document_n_keys(d) && status == MST_OK; i++)
    status = append(list, json_string(mst_document_key(d, i)), err);
  if (list == NULL) return mst_fail_memory(err);
  if (status == MST_OK) *out = list;
  else json_decref(list);
  return status;
}

/* A member of the rest, when it differs from what was. Takes both over. */
static mst_status put_changed(json_t *rest, const char *name, json_t *now, json_t *before, mst_error *err) {
  mst_status status = MST_OK;
  if (now == NULL) status = mst_fail_memory(err);
  else if (before == NULL || !json_equal(now, before)) status = mst_json_set(rest, name, json_incref(now), err);
  json_decref(now);
  json_decref(before);
  return status;
}

static mst_status put_rest(json_t *rest, const mst_log_commit *c, mst_error *err) {
  mst_status status = MST_OK;
  json_t *now = NULL, *before = NULL;
  MST_TRY(put_changed(rest, "metadata", user_map(c->to), c->from == NULL ? NULL : user_map(c->from), err));
  MST_TRY(indices_of(c->to, &now, err));
  if (c->from != NULL) MST_TRY(indices_of(c->from, &before, err));
  status = put_changed(rest, "indices", now, before, err);
  now = before = NULL;
  if (status != MST_OK) return status;
  if (c->to_schema != NULL && !mst_text_equal(c->to_schema, c->from_schema))
    MST_TRY(mst_json_set_text(rest, "schema", c->to_schema, err));
  if (c->from != NULL) return MST_OK;
  MST_TRY(keys_of(c->to, &now, err));
  MST_TRY(mst_json_set(rest, "keys", now, err));
  now = NULL;
  if (mst_document_table(c->to) != NULL) MST_TRY(mst_json_set_text(rest, "table", mst_document_table(c->to), err));
done:
  json_decref(now);
  json_decref(before);
  return status;
}

static mst_status make_delta(const mst_log_commit *c, json_t **out, mst_error *err) {
  mst_status status = MST_OK;
  json_t *delta = json_object(), *rest = json_object();
  if (delta == NULL || rest == NULL) {
    status = mst_fail_memory(err);
    goto done;
  }
  MST_TRY(put_labels(delta, "add", c->added, c->n_added, err));
  MST_TRY(put_labels(delta, "remove", c->removed, c->n_removed, err));
  MST_TRY(put_rest(rest, c, err));
  if (json_object_size(rest) > 0) MST_TRY(mst_json_set(delta, "rest", json_incref(rest), err));
  *out = delta;
  delta = NULL;
done:
  json_decref(delta);
  json_decref(rest);
  return status;
}

/* Into the record when it is small, else as an object of its own. Takes nothing over. */
static mst_status put_delta(json_t *record, const mst_log_commit *c, json_t *delta, mst_cancel *cancel,
                            mst_error *err) {
  mst_status status = MST_OK;
  mst_buf key;
  size_t n = 0;
  mst_buf_init(&key, c->mem, MST_KEY_MAX);
  MST_TRY(size_of(delta, c->mem, &n, err));
  if (n <= INLINE_BODY_MAX) return mst_json_set(record, "delta", json_incref(delta), err);
  MST_TRY(mst_ours_put_json(c->store, c->uuid, "commits", delta, &key, cancel, err));
  MST_TRY(mst_json_set_text(record, "body", mst_buf_text(&key), err));
done:
  mst_buf_free(&key);
  return status;
}

/* ---- checkpoints ---------------------------------------------------------------------------------------------------
 */

static mst_status put_checkpoint(json_t *section, mst_store *store, const mst_allocator *mem, const char *uuid,
                                 mst_document *document, const char *schema, uint64_t version, mst_cancel *cancel,
                                 mst_error *err) {
  mst_status status = MST_OK;
  mst_edit *e = NULL;
  mst_document *plain = NULL;
  json_t *map = NULL, *list = NULL, *item = NULL;
  mst_buf text, key;
  mst_buf_init(&text, mem, MST_DOCUMENT_BYTES_MAX);
  mst_buf_init(&key, mem, MST_KEY_MAX);
  MST_TRY_ALLOC(map = user_map(document));
  if (schema != NULL)
    MST_TRY(mst_json_set(
        map, MST_SECTION,
        json_pack("{s:i,s:I,s:s}", "format", MST_SECTION_FORMAT, "version", (json_int_t)version, "schema", schema),
        err));
  MST_TRY(mst_edit_open(mem, document, NULL, NULL, &e, err));
  MST_TRY(mst_edit_metadata(e, map, err));
  MST_TRY(mst_edit_finish(e, &plain, err));
  MST_TRY(mst_document_print(plain, MST_DOCUMENT_MSGPACK, &text, err));
  MST_TRY(mst_ours_put(store, uuid, "checkpoints", text.data, text.size, &key, cancel, err));
  MST_TRY_ALLOC(item = json_pack("[I,s]", (json_int_t)version, mst_buf_text(&key)));
  MST_TRY(array_of(section, "checkpoints", &list, err));
  MST_TRY(append(list, json_incref(item), err));
  MST_TRY(mst_json_set_u64(section, "pending", 0, err));
done:
  json_decref(item);
  json_decref(map);
  mst_edit_free(e);
  mst_document_unref(plain);
  mst_buf_free(&text);
  mst_buf_free(&key);
  return status;
}

static uint64_t checkpoint_version(const json_t *item) {
  json_int_t v = json_integer_value(json_array_get(item, 0));
  return v > 0 ? (uint64_t)v : 0;
}

/* ---- sealing and trimming ------------------------------------------------------------------------------------------
 */

static mst_status seal(json_t *section, const mst_log_commit *c, json_t *tail, size_t keep, mst_cancel *cancel,
                       mst_error *err) {
  mst_status status = MST_OK;
  json_t *records = json_array(), *segments = NULL, *segment = NULL;
  mst_buf key;
  mst_buf_init(&key, c->mem, MST_KEY_MAX);
  MST_TRY_ALLOC(records);
  while (json_array_size(tail) > keep) {
    json_t *first = json_array_get(tail, 0);
    MST_TRY(append(records, json_incref(first), err));
    (void)json_array_remove(tail, 0);
  }
  size_t n = json_array_size(records);
  if (n == 0) goto done;
  json_t *first = json_array_get(records, 0), *last = json_array_get(records, n - 1);
  MST_TRY(mst_ours_put_json(c->store, c->uuid, "log", records, &key, cancel, err));
  MST_TRY_ALLOC(segment =
                    json_pack("{s:s,s:I,s:I,s:I,s:I}", "key", mst_buf_text(&key), "first",
                              (json_int_t)number_of(first, "version"), "last", (json_int_t)number_of(last, "version"),
                              "to", (json_int_t)number_of(last, "time"), "n", (json_int_t)n));
  MST_TRY(array_of(section, "segments", &segments, err));
  MST_TRY(append(segments, json_incref(segment), err));
done:
  json_decref(segment);
  json_decref(records);
  mst_buf_free(&key);
  return status;
}

/* Segments of about one size: sixteen records, eight times as many, and so on. */
static int size_class(const json_t *segment) {
  int class = 0;
  for (uint64_t n = number_of(segment, "n") / (2 * TAIL_RECORDS_KEPT); n >= MERGED_SEGMENTS; n /= MERGED_SEGMENTS)
    class ++;
  return class;
}

static bool worth_merging(const json_t *segments) {
  const size_t n = json_array_size(segments);
  if (n < MERGED_SEGMENTS) return false;
  const int class = size_class(json_array_get(segments, n - 1));
  for (size_t i = n - MERGED_SEGMENTS; i < n; i++)
    if (size_class(json_array_get(segments, i)) != class) return false;
  return class < SIZE_CLASSES;
}

/* Makes the last segments one, so that their list stays short however many commits come. */
static mst_status merge_segments(json_t *section, const mst_log_commit *c, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  json_t *segments = json_object_get(section, "segments"), *all = json_array(), *one = NULL, *segment = NULL;
  mst_buf key;
  mst_buf_init(&key, c->mem, MST_KEY_MAX);
  MST_TRY_ALLOC(all);
  const size_t n = json_array_size(segments), from = n - MERGED_SEGMENTS;
  const json_t *first = json_array_get(segments, from), *last = json_array_get(segments, n - 1);
  for (size_t i = from; i < n; i++) {
    const char *name = json_string_value(json_object_get(json_array_get(segments, i), "key"));
    if (name == NULL) {
      status = mst_fail(err, MST_E_CORRUPT, "%s: a segment of the log has no key", what);
      goto done;
    }
    MST_TRY(mst_ours_get_json(c->store, c->uuid, name, &one, cancel, err));
    if (json_array_extend(all, one) != 0) {
      status = mst_fail_memory(err);
      goto done;
    }
    json_decref(one);
    one = NULL;
  }
  MST_TRY(mst_ours_put_json(c->store, c->uuid, "log", all, &key, cancel, err));
  MST_TRY_ALLOC(segment = json_pack("{s:s,s:I,s:I,s:I,s:I}", "key", mst_buf_text(&key), "first",
                                    (json_int_t)number_of(first, "first"), "last", (json_int_t)number_of(last, "last"),
                                    "to", (json_int_t)number_of(last, "to"), "n", (json_int_t)json_array_size(all)));
  while (json_array_size(segments) > from) (void)json_array_remove(segments, from);
  MST_TRY(append(segments, json_incref(segment), err));
done:
  json_decref(one);
  json_decref(all);
  json_decref(segment);
  mst_buf_free(&key);
  return status;
}

/* The oldest version that must be possible to make again: versions are kept by age or number, beginning at a
 * checkpoint. */
static uint64_t floor_of(json_t *section, const mst_log_commit *c) {
  mst_keep keep;
  uint64_t oldest = c->version;
  const char *history = json_string_value(json_object_get(section, "history"));
  if (history == NULL || mst_keep_parse(history, &keep, NULL) != MST_OK) keep = (mst_keep){.versions = 1};
  if (!keep.by_age) {
    oldest = c->version >= keep.versions ? c->version - keep.versions + 1 : 1;
  } else {
    size_t i;
    json_t *item;
    const int64_t since = c->now_us - keep.age_us;
    /* what a segment ends with tells enough: trimming later than could be is fine */
    json_array_foreach(json_object_get(section, "commits"), i, item) {
      if ((int64_t)number_of(item, "time") < since) continue;
      const uint64_t v = number_of(item, "version");
      oldest = mst_min_u64(oldest, v > 0 ? v - 1 : 0);
      break;
    }
    json_array_foreach(json_object_get(section, "segments"), i, item) {
      if ((int64_t)number_of(item, "to") < since) continue;
      const uint64_t v = number_of(item, "first");
      oldest = mst_min_u64(oldest, v > 0 ? v - 1 : 0);
      break;
    }
  }
  return mst_max_u64(oldest, number_of(section, "oldest"));
}

static void drop_first(json_t *array, size_t n) {
  for (size_t i = 0; i < n; i++) (void)json_array_remove(array, 0);
}

static void trim(json_t *section, const mst_log_commit *c) {
  json_t *checkpoints = json_object_get(section, "checkpoints"), *segments = json_object_get(section, "segments");
  const uint64_t oldest = floor_of(section, c);
  const int64_t ids_since = c->now_us - IDS_KEPT_US;
  size_t base = 0, i, n = 0;
  json_t *item;
  json_array_foreach(checkpoints, i, item) if (checkpoint_version(item) <= oldest) base = i;
  const bool has_base =
      json_array_size(checkpoints) > 0 && checkpoint_version(json_array_get(checkpoints, base)) <= oldest;
  if (!has_base && oldest < c->version) return; /* all begins with the first record */
  const uint64_t floor = has_base ? checkpoint_version(json_array_get(checkpoints, base)) : c->version;
  drop_first(checkpoints, base);
  json_array_foreach(segments, i, item) {
    if (number_of(item, "last") > floor || (int64_t)number_of(item, "to") >= ids_since) break;
    n++;
  }
  drop_first(segments, n);
}

static mst_status tidy(json_t *section, const mst_log_commit *c, size_t delta_bytes, mst_cancel *cancel,
                       mst_error *err) {
  mst_status status = MST_OK;
  json_t *tail = NULL, *checkpoints = NULL;
  size_t n = 0;
  const char *history = json_string_value(json_object_get(section, "history"));
  const uint64_t pending = number_of(section, "pending") + delta_bytes;
  MST_TRY(mst_json_set_u64(section, "pending", mst_min_u64(pending, INT64_MAX), err));
  MST_TRY(array_of(section, "commits", &tail, err));
  MST_TRY(array_of(section, "checkpoints", &checkpoints, err));
  MST_TRY(size_of(tail, c->mem, &n, err));
  if (json_array_size(tail) > TAIL_RECORDS_MAX || n > TAIL_BYTES_MAX)
    MST_TRY(seal(section, c, tail, json_array_size(tail) > TAIL_RECORDS_KEPT ? TAIL_RECORDS_KEPT : 1, cancel, err));
  while (worth_merging(json_object_get(section, "segments"))) MST_TRY(merge_segments(section, c, cancel, err));
  size_t last = json_array_size(checkpoints);
  const uint64_t since = last == 0 ? 0 : checkpoint_version(json_array_get(checkpoints, last - 1));
  const bool kept = history != NULL && strcmp(history, "0") != 0;
  if (kept && since < c->version &&
      (c->version - since >= CHECKPOINT_RECORDS || pending > mst_max_u64(65536, c->document_bytes)))
    MST_TRY(put_checkpoint(section, c->store, c->mem, c->uuid, c->to, c->to_schema, c->version, cancel, err));
  trim(section, c);
done:
  return status;
}

/* ---- records -------------------------------------------------------------------------------------------------------
 */

static mst_status put_count(json_t *record, const char *name, int64_t n, mst_error *err) {
  return mst_json_set(record, name, n < 0 ? json_null() : json_integer(n), err);
}

static mst_status make_record(const mst_log_commit *c, json_t **out, mst_error *err) {
  mst_status status = MST_OK;
  json_t *r = json_object();
  MST_TRY_ALLOC(r);
  MST_TRY(mst_json_set_text(r, "id", c->id, err));
  MST_TRY(mst_json_set_u64(r, "version", c->version, err));
  MST_TRY(mst_json_set_u64(r, "time", (uint64_t)c->now_us, err));
  MST_TRY(mst_json_set_text(r, "operation", c->operation, err));
  MST_TRY(put_count(r, "rows_added", c->rows_added, err));
  MST_TRY(put_count(r, "rows_removed", c->rows_removed, err));
  MST_TRY(put_count(r, "files_added", (int64_t)c->n_added, err));
  MST_TRY(put_count(r, "files_removed", (int64_t)c->n_removed, err));
  *out = r;
  r = NULL;
done:
  json_decref(r);
  return status;
}

mst_status mst_log_push(json_t *section, const mst_log_commit *c, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  json_t *record = NULL, *delta = NULL, *tail = NULL;
  size_t n = 0;
  MST_TRY(make_record(c, &record, err));
  const char *history = json_string_value(json_object_get(section, "history"));
  const bool kept = history != NULL && strcmp(history, "0") != 0;
  if (!c->whole) {
    MST_TRY(make_delta(c, &delta, err));
    MST_TRY(size_of(delta, c->mem, &n, err));
    MST_TRY(put_delta(record, c, delta, cancel, err));
  } else if (kept) {
    MST_TRY(put_checkpoint(section, c->store, c->mem, c->uuid, c->to, c->to_schema, c->version, cancel, err));
  }
  MST_TRY(array_of(section, "commits", &tail, err));
  MST_TRY(append(tail, json_incref(record), err));
  MST_TRY(tidy(section, c, n, cancel, err));
done:
  json_decref(delta);
  json_decref(record);
  return status;
}

mst_status mst_log_push_foreign(json_t *section, mst_store *store, const mst_allocator *mem, const char *uuid,
                                mst_document *document, const char *schema, uint64_t version, int64_t time_us,
                                bool checkpoint, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  json_t *tail = NULL;
  MST_TRY(array_of(section, "commits", &tail, err));
  MST_TRY(append(tail,
                 json_pack("{s:s,s:I,s:I,s:s}", "id", "", "version", (json_int_t)version, "time", (json_int_t)time_us,
                           "operation", "external"),
                 err));
  if (checkpoint) MST_TRY(put_checkpoint(section, store, mem, uuid, document, schema, version, cancel, err));
done:
  return status;
}

/* ---- finding a commit ----------------------------------------------------------------------------------------------
 */

static uint64_t find_in(const json_t *records, const char *id) {
  size_t i;
  json_t *r;
  json_array_foreach(records, i, r) {
    const char *other = json_string_value(json_object_get(r, "id"));
    if (other != NULL && strcmp(other, id) == 0) return number_of(r, "version");
  }
  return 0;
}

mst_status mst_log_find(mst_store *store, const char *uuid, const mst_section *s, const char *id, uint64_t since,
                        uint64_t *version, bool *complete, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  json_t *tail = json_object_get(s->map, "commits"), *segments = json_object_get(s->map, "segments"), *records = NULL;
  uint64_t first = json_array_size(tail) > 0 ? number_of(json_array_get(tail, 0), "version") : s->version + 1;
  *complete = false;
  *version = find_in(tail, id);
  for (size_t i = json_array_size(segments); i > 0 && *version == 0 && first > since + 1; i--) {
    const json_t *segment = json_array_get(segments, i - 1);
    const char *key = json_string_value(json_object_get(segment, "key"));
    if (key == NULL) return mst_fail(err, MST_E_CORRUPT, "%s: a segment of the log has no key", what);
    MST_TRY(mst_ours_get_json(store, uuid, key, &records, cancel, err));
    *version = find_in(records, id);
    first = number_of(segment, "first");
    json_decref(records);
    records = NULL;
  }
  *complete = first <= since + 1;
done:
  json_decref(records);
  return status;
}
