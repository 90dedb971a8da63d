/* dataset/history.c - the log's reading side: records, which versions are kept, and documents of the past made from a
 * checkpoint and the deltas behind it. May call: base, store, dataset's own headers. */
#include "dataset/history.h"

#include "dataset/dataset.h"
#include "dataset/key.h"
#include "dataset/ours.h"

static unsigned long long ull(uint64_t v) { return v; }

static uint64_t number_of(const json_t *object, const char *name) {
  json_int_t v = json_integer_value(json_object_get(object, name));
  return v > 0 ? (uint64_t)v : 0;
}

/* ---- records -------------------------------------------------------------------------------------------------------
 */

static mst_status take_records(const json_t *from, uint64_t since, uint64_t *last, json_t *into, mst_error *err) {
  size_t i;
  json_t *r;
  json_array_foreach(from, i, r) {
    const uint64_t version = number_of(r, "version");
    if (!json_is_object(r) || version == 0 || (*last > 0 && version <= *last))
      return mst_fail(err, MST_E_CORRUPT, "metadata.meseta: the log is out of order at version %llu", ull(version));
    *last = version;
    if (version > since && json_array_append(into, r) != 0) return mst_fail_memory(err);
  }
  return MST_OK;
}

static mst_status put_external(const mst_dataset *d, uint64_t version, json_t *into, mst_error *err) {
  const mst_env *env = mst_context_env(d->ctx);
  const int64_t time = d->head.modified_ns > 0 ? d->head.modified_ns / 1000 : env->now_us(env->self);
  json_t *r = json_pack("{s:s,s:I,s:I,s:s}", "id", "", "version", (json_int_t)version, "time", (json_int_t)time,
                        "operation", "external");
  return r != NULL && json_array_append_new(into, r) == 0 ? MST_OK : mst_fail_memory(err);
}

mst_status mst_log_records(mst_dataset *d, uint64_t since, json_t **out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_section s;
  json_t *all = json_array(), *sealed = NULL, *segment;
  uint64_t last = 0;
  size_t i;
  MST_TRY_ALLOC(all);
  MST_TRY(mst_section_of(d->document, d->uuid, &s, err));
  json_array_foreach(json_object_get(s.map, "segments"), i, segment) {
    const char *key = json_string_value(json_object_get(segment, "key"));
    if (number_of(segment, "last") <= since) continue;
    if (key == NULL) {
      status = mst_fail(err, MST_E_CORRUPT, "metadata.meseta: a segment of the log has no key");
      goto done;
    }
    MST_TRY(mst_ours_get_json(d->store, d->uuid, key, &sealed, cancel, err));
    MST_TRY(take_records(sealed, since, &last, all, err));
    json_decref(sealed);
    sealed = NULL;
  }
  MST_TRY(take_records(json_object_get(s.map, "commits"), since, &last, all, err));
  if (!d->past && d->version > last && d->version > since) MST_TRY(put_external(d, d->version, all, err));
  *out = all;
  all = NULL;
done:
  json_decref(sealed);
  json_decref(all);
  return status;
}

mst_status mst_log_delta(mst_dataset *d, const json_t *record, json_t **out, mst_cancel *cancel, mst_error *err) {
  json_t *inside = json_object_get(record, "delta");
  const char *key = json_string_value(json_object_get(record, "body"));
  if (key != NULL) return mst_ours_get_json(d->store, d->uuid, key, out, cancel, err);
  *out = json_incref(inside);
  return MST_OK;
}

/* ---- which versions are kept ---------------------------------------------------------------------------------------
 */

mst_status mst_history_oldest(mst_dataset *d, const json_t *records, int64_t now_us, uint64_t *version,
                              mst_error *err) {
  mst_status status = MST_OK;
  mst_section s;
  mst_keep keep;
  size_t i;
  json_t *r;
  uint64_t oldest = d->version;
  MST_TRY(mst_section_of(d->document, d->uuid, &s, err));
  if (mst_keep_parse(s.history, &keep, NULL) != MST_OK) keep = (mst_keep){.versions = 1};
  if (keep.by_age) {
    /* a version lasts as long as the one that superseded it is younger than the age */
    json_array_foreach(records, i, r) {
      const uint64_t v = number_of(r, "version");
      if ((int64_t)number_of(r, "time") < now_us - keep.age_us || v > d->version) continue;
      oldest = mst_min_u64(oldest, v > 1 ? v - 1 : 1);
      break;
    }
  } else {
    oldest = d->version >= keep.versions ? d->version - keep.versions + 1 : 1;
  }
  oldest = mst_max_u64(oldest, s.oldest);
  const uint64_t first = json_array_size(records) > 0 ? number_of(json_array_get(records, 0), "version") : d->version;
  *version = mst_min_u64(mst_max_u64(oldest, first), d->version);
done:
  return status;
}

/* ---- documents of the past -----------------------------------------------------------------------------------------
 */

/* What remains of the deltas between a base and a version, read from the newest to the oldest: the newest word on a
 * label counts. */
typedef struct replay {
  const mst_allocator *mem;
  json_t *decided; /* label → true: there, false: gone */
  json_t *added;   /* labels that are there, newest first */
  json_t *rest;    /* members, the newest word on each */
} replay;

static mst_status decide(replay *p, const char *label, bool there, mst_error *err) {
  if (json_object_get(p->decided, label) != NULL) return MST_OK;
  if (json_object_set_new(p->decided, label, json_boolean(there)) != 0) return mst_fail_memory(err);
  if (there && json_array_append_new(p->added, json_string(label)) != 0) return mst_fail_memory(err);
  return MST_OK;
}

static mst_status replay_delta(replay *p, const json_t *delta, mst_error *err) {
  const json_t *added = json_object_get(delta, "add"), *removed = json_object_get(delta, "remove");
  json_t *rest = json_object_get(delta, "rest"), *value;
  const char *name;
  mst_status status = MST_OK;
  for (size_t i = json_array_size(added); i > 0 && status == MST_OK; i--) {
    const char *label = json_string_value(json_array_get(added, i - 1));
    status = label == NULL ? mst_fail(err, MST_E_CORRUPT, "a delta of the log adds what is no label")
                           : decide(p, label, true, err);
  }
  for (size_t i = 0; i < json_array_size(removed) && status == MST_OK; i++) {
    const char *label = json_string_value(json_array_get(removed, i));
    status = label == NULL ? mst_fail(err, MST_E_CORRUPT, "a delta of the log removes what is no label")
                           : decide(p, label, false, err);
  }
  json_object_foreach(rest, name, value) {
    if (status == MST_OK && json_object_get(p->rest, name) == NULL && json_object_set(p->rest, name, value) != 0)
      status = mst_fail_memory(err);
  }
  return status;
}

/* The newest checkpoint at or before a version. Borrowed; version 0: none. */
static uint64_t base_of(const json_t *checkpoints, uint64_t version, const char **key) {
  uint64_t found = 0;
  size_t i;
  json_t *item;
  *key = NULL;
  json_array_foreach(checkpoints, i, item) {
    const json_int_t v = json_integer_value(json_array_get(item, 0));
    const char *k = json_string_value(json_array_get(item, 1));
    if (v <= 0 || (uint64_t)v > version || k == NULL) continue;
    found = (uint64_t)v;
    *key = k;
  }
  return found;
}

static mst_status gone(const mst_dataset *d, uint64_t version, const char *why, mst_error *err) {
  return mst_fail(err, MST_E_NOT_FOUND, "version %llu of the dataset '%s' is gone: %s", ull(version), d->uuid, why);
}

/* The deltas of versions (base, version]; each must be there. */
static mst_status replay_all(mst_dataset *d, const json_t *records, uint64_t base, uint64_t version, replay *p,
                             mst_cancel *cancel, mst_error *err) {
  uint64_t expected = version;
  for (size_t i = json_array_size(records); i > 0 && expected > base; i--) {
    const json_t *r = json_array_get(records, i - 1);
    const uint64_t v = number_of(r, "version");
    json_t *delta = NULL;
    if (v > version) continue;
    if (v != expected) break;
    mst_status status = mst_log_delta(d, r, &delta, cancel, err);
    if (status == MST_OK && delta == NULL)
      status = gone(d, version, "another program committed in between, which keeps no log", err);
    if (status == MST_OK) status = replay_delta(p, delta, err);
    json_decref(delta);
    if (status != MST_OK) return status;
    expected--;
  }
  return expected == base ? MST_OK : gone(d, version, "the log does not reach back so far", err);
}

static mst_status get_checkpoint(mst_dataset *d, const char *key, mst_document **out, mst_cancel *cancel,
                                 mst_error *err) {
  mst_status status = MST_OK;
  mst_bytes bytes = {0};
  mst_pin pin;
  if (!mst_ours_is_key(key, d->uuid))
    return mst_fail(err, MST_E_CORRUPT, "the checkpoint '%.200s' lies outside of the dataset", key);
  MST_TRY(mst_state_get(d->store, key, MST_DOCUMENT_BYTES_MAX, &bytes, &pin, cancel, err));
  MST_TRY(mst_document_parse(d->mem, bytes.data, bytes.size, MST_DOCUMENT_MSGPACK, key, out, err));
done:
  mst_bytes_release(&bytes);
  return status;
}

static mst_status apply_indices(mst_edit *e, const mst_document *base, json_t *indices, mst_error *err) {
  mst_status status = MST_OK;
  const char *column;
  json_t *key;
  if (indices == NULL) return MST_OK;
  for (size_t i = 0; base != NULL && i < mst_document_n_indices(base); i++)
    MST_TRY(mst_edit_index(e, mst_document_index_column(base, i), NULL, err));
  json_object_foreach(indices, column, key) if (json_is_string(key))
      MST_TRY(mst_edit_index(e, column, json_string_value(key), err));
done:
  return status;
}

static mst_status apply(mst_dataset *d, const replay *p, mst_document *base, mst_document **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_edit *e = NULL;
  const char *label;
  json_t *there, *keys = json_object_get(p->rest, "keys");
  const char *table = json_string_value(json_object_get(p->rest, "table"));
  MST_TRY(mst_edit_open(d->mem, base, base == NULL ? d->uuid : NULL, base == NULL ? table : NULL, &e, err));
  for (size_t i = 0; base == NULL && i < json_array_size(keys); i++) {
    const char *column = json_string_value(json_array_get(keys, i));
    if (column != NULL) MST_TRY(mst_edit_partition_key(e, column, err));
  }
  json_object_foreach(p->decided, label, there) {
    size_t at = base == NULL ? MST_DOCUMENT_NONE : mst_document_find(base, label);
    if (at != MST_DOCUMENT_NONE) mst_edit_remove(e, at); /* also when it came back later: then it stands at the end */
  }
  for (size_t i = json_array_size(p->added); i > 0; i--)
    MST_TRY(mst_edit_add(e, json_string_value(json_array_get(p->added, i - 1)), NULL, err));
  if (json_object_get(p->rest, "metadata") != NULL)
    MST_TRY(mst_edit_metadata(e, json_object_get(p->rest, "metadata"), err));
  MST_TRY(apply_indices(e, base, json_object_get(p->rest, "indices"), err));
  MST_TRY(mst_edit_finish(e, out, err));
done:
  mst_edit_free(e);
  return status;
}

/* The schema object: of the newest delta that names one, of the checkpoint, or of the records before it. */
static mst_status schema_of(mst_dataset *d, const replay *p, const mst_document *base, char **out, mst_error *err) {
  mst_section s = {0};
  const char *key = json_string_value(json_object_get(p->rest, "schema"));
  if (key == NULL && base != NULL) {
    mst_status status = mst_section_of(base, d->uuid, &s, err);
    if (status != MST_OK) return status;
    key = s.schema;
  }
  if (key != NULL && !mst_ours_is_key(key, d->uuid))
    return mst_fail(err, MST_E_CORRUPT, "the schema '%.200s' lies outside of the dataset", key);
  *out = key == NULL ? NULL : mst_text_copy(d->mem, key);
  return key != NULL && *out == NULL ? mst_fail_memory(err) : MST_OK;
}

static mst_status of_head(mst_dataset *d, mst_document **out, char **schema, mst_error *err) {
  char *key = NULL;
  if (d->schema_key != NULL && mst_ours_is_key(d->schema_key, d->uuid)) {
    key = mst_text_copy(d->mem, d->schema_key);
    if (key == NULL) return mst_fail_memory(err);
  }
  *schema = key;
  *out = mst_document_ref(d->document);
  return MST_OK;
}

mst_status mst_history_document(mst_dataset *d, const json_t *records, uint64_t version, mst_document **out,
                                char **schema, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_section s;
  mst_document *base = NULL;
  const char *key;
  replay p = {.mem = d->mem};
  if (version == d->version) return of_head(d, out, schema, err);
  if (version > d->version || version == 0)
    return mst_fail(err, MST_E_NOT_FOUND, "the dataset '%s' has no version %llu; the newest is %llu", d->uuid,
                    ull(version), ull(d->version));
  p.decided = json_object();
  p.added = json_array();
  p.rest = json_object();
  if (p.decided == NULL || p.added == NULL || p.rest == NULL) {
    status = mst_fail_memory(err);
    goto done;
  }
  MST_TRY(mst_section_of(d->document, d->uuid, &s, err));
  const uint64_t from = base_of(json_object_get(s.map, "checkpoints"), version, &key);
  MST_TRY(replay_all(d, records, from, version, &p, cancel, err));
  if (from > 0) MST_TRY(get_checkpoint(d, key, &base, cancel, err));
  MST_TRY(schema_of(d, &p, base, schema, err));
  status = apply(d, &p, base, out, err);
  if (status != MST_OK) {
    mst_free(d->mem, *schema);
    *schema = NULL;
  }
done:
  json_decref(p.decided);
  json_decref(p.added);
  json_decref(p.rest);
  mst_document_unref(base);
  return status;
}
