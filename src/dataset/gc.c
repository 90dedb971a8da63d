/* dataset/gc.c - removes what no kept version names: files, index objects, and objects of ours, once they are old
 * enough.
 *
 * What is named: by the head, by every version that the history keeps, and what these need to be made again. What is
 * old enough: superseded, or where no log tells put, longer ago than the limit; and put before the oldest change that
 * is under way began. The order of reading matters: the head first, then the list, so that what a commit makes in
 * between is younger than the head that was read. Nothing outside of the dataset's own prefixes is ever a candidate.
 *
 * May call: base, store, dataset's own headers. */
#include "dataset/gc.h"

#include "dataset/dataset.h"
#include "dataset/history.h"
#include "dataset/key.h"
#include "dataset/ours.h"
#include "dataset/schema.h"
#include "dataset/section.h"

enum { DELETE_AT_ONCE = 1000 };

typedef struct sweep {
  mst_dataset *d;
  mst_cancel *cancel;
  json_t *named;      /* keys that stay */
  json_t *superseded; /* key → µs since 1970 when it went out of use */
  json_t *keys;       /* that go */
  int64_t now_us, limit_us;
  int64_t before_us;   /* only what was put before this */
  const char *writers; /* prefix of keepalives */
} sweep;

static uint64_t number_of(const json_t *object, const char *name) {
  json_int_t v = json_integer_value(json_object_get(object, name));
  return v > 0 ? (uint64_t)v : 0;
}

/* ---- what is named -------------------------------------------------------------------------------------------------
 */

static mst_status name(sweep *s, const char *key, mst_error *err) {
  return key == NULL || json_object_set_new(s->named, key, json_true()) == 0 ? MST_OK : mst_fail_memory(err);
}

static mst_status name_label(sweep *s, const char *label, mst_error *err) {
  mst_buf key;
  mst_buf_init(&key, s->d->mem, SIZE_MAX);
  mst_status status = mst_key_file(&key, s->d->uuid, s->d->table, label, err);
  if (status == MST_OK) status = name(s, mst_buf_text(&key), err);
  mst_buf_free(&key);
  return status;
}

static mst_status name_document(sweep *s, const mst_document *doc, mst_error *err) {
  mst_status status = MST_OK;
  mst_buf key;
  mst_buf_init(&key, s->d->mem, SIZE_MAX);
  for (size_t i = 0; i < mst_document_partitions(doc); i++) {
    mst_buf_clear(&key);
    if (!mst_document_has_file(doc, i)) continue;
    MST_TRY(mst_document_file(doc, i, &key, err));
    MST_TRY(name(s, mst_buf_text(&key), err));
  }
  for (size_t i = 0; i < mst_document_n_indices(doc); i++) MST_TRY(name(s, mst_document_index_key(doc, i), err));
done:
  mst_buf_free(&key);
  return status;
}

static mst_status name_delta(sweep *s, const json_t *delta, mst_error *err) {
  mst_status status = MST_OK;
  size_t i;
  const char *column;
  json_t *label, *key, *rest = json_object_get(delta, "rest");
  json_array_foreach(json_object_get(delta, "add"), i, label) if (json_is_string(label))
      MST_TRY(name_label(s, json_string_value(label), err));
  json_object_foreach(json_object_get(rest, "indices"), column, key) MST_TRY(name(s, json_string_value(key), err));
  MST_TRY(name(s, json_string_value(json_object_get(rest, "schema")), err));
done:
  return status;
}

/* What a removal took out of use, and when. */
static mst_status note_removed(sweep *s, const json_t *delta, int64_t time_us, mst_error *err) {
  mst_status status = MST_OK;
  size_t i;
  json_t *label;
  mst_buf key;
  mst_buf_init(&key, s->d->mem, SIZE_MAX);
  json_array_foreach(json_object_get(delta, "remove"), i, label) {
    if (!json_is_string(label)) continue;
    mst_buf_clear(&key);
    MST_TRY(mst_key_file(&key, s->d->uuid, s->d->table, json_string_value(label), err));
    if (json_object_set_new(s->superseded, mst_buf_text(&key), json_integer(time_us)) != 0) {
      status = mst_fail_memory(err);
      goto done;
    }
  }
done:
  mst_buf_free(&key);
  return status;
}

/* The section's own objects: segments of the log and of the statistics, checkpoints, bodies, schema. */
static mst_status name_section(sweep *s, const mst_section *section, const json_t *records, mst_error *err) {
  mst_status status = MST_OK;
  size_t i;
  json_t *item;
  MST_TRY(name(s, section->schema, err));
  json_array_foreach(json_object_get(section->map, "segments"), i, item)
      MST_TRY(name(s, json_string_value(json_object_get(item, "key")), err));
  json_array_foreach(json_object_get(section->map, "checkpoints"), i, item)
      MST_TRY(name(s, json_string_value(json_array_get(item, 1)), err));
  json_array_foreach(json_object_get(json_object_get(section->map, "statistics"), "segments"), i, item)
      MST_TRY(name(s, json_string_value(json_object_get(item, "key")), err));
  json_array_foreach(records, i, item) MST_TRY(name(s, json_string_value(json_object_get(item, "body")), err));
done:
  return status;
}

/* The oldest kept version as a whole, and whatever later ones added. A version that cannot be made again keeps nothing.
 */
static mst_status name_past(sweep *s, const json_t *records, uint64_t oldest, mst_error *err) {
  mst_status status = MST_OK;
  mst_document *doc = NULL;
  char *schema = NULL;
  size_t i;
  json_t *r, *delta = NULL;
  if (oldest >= s->d->version) return MST_OK;
  status = mst_history_document(s->d, records, oldest, &doc, &schema, s->cancel, err);
  if (status == MST_OK) status = name_document(s, doc, err);
  if (status == MST_OK) status = name(s, schema, err);
  mst_document_unref(doc);
  mst_free(s->d->mem, schema);
  if (status != MST_OK && status != MST_E_NOT_FOUND) return status;
  status = MST_OK;
  json_array_foreach(records, i, r) {
    const uint64_t version = number_of(r, "version");
    MST_TRY(mst_log_delta(s->d, r, &delta, s->cancel, err));
    if (version > oldest && delta != NULL) MST_TRY(name_delta(s, delta, err));
    /* a version whose document was replaced as a whole */
    if (version > oldest && version < s->d->version && delta == NULL &&
        mst_history_document(s->d, records, version, &doc, &schema, s->cancel, NULL) == MST_OK) {
      status = name_document(s, doc, err);
      if (status == MST_OK) status = name(s, schema, err);
      mst_document_unref(doc);
      mst_free(s->d->mem, schema);
      MST_TRY(status);
    }
    json_decref(delta);
    delta = NULL;
  }
done:
  json_decref(delta);
  return status;
}

static mst_status note_all_removed(sweep *s, const json_t *records, mst_error *err) {
  mst_status status = MST_OK;
  size_t i;
  json_t *r, *delta = NULL;
  if (s->limit_us == 0) return MST_OK;
  json_array_foreach(records, i, r) {
    MST_TRY(mst_log_delta(s->d, r, &delta, s->cancel, err));
    MST_TRY(note_removed(s, delta, (int64_t)number_of(r, "time"), err));
    json_decref(delta);
    delta = NULL;
  }
done:
  json_decref(delta);
  return status;
}

static mst_status name_all(sweep *s, mst_error *err) {
  mst_status status = MST_OK;
  mst_section section;
  json_t *records = NULL;
  uint64_t oldest;
  mst_buf key;
  mst_buf_init(&key, s->d->mem, SIZE_MAX);
  MST_TRY(mst_section_of(s->d->document, s->d->uuid, &section, err));
  MST_TRY(mst_log_records(s->d, 0, &records, s->cancel, err));
  MST_TRY(mst_history_oldest(s->d, records, s->now_us, &oldest, err));
  MST_TRY(name_document(s, s->d->document, err));
  MST_TRY(name(s, s->d->schema_key, err));
  MST_TRY(mst_key_common(&key, s->d->uuid, s->d->table, err));
  MST_TRY(name(s, mst_buf_text(&key), err));
  MST_TRY(name_section(s, &section, records, err));
  MST_TRY(name_past(s, records, oldest, err));
  MST_TRY(note_all_removed(s, records, err));
done:
  json_decref(records);
  mst_buf_free(&key);
  return status;
}

/* ---- what goes -----------------------------------------------------------------------------------------------------
 */

/* plateau's own files are collected below the table and the indices only; whatever else lies under the prefix is not
 * ours to judge. */
static bool is_candidate(const sweep *s, const char *key) {
  const size_t n = strlen(s->d->uuid), n_table = strlen(s->d->table);
  if (!mst_key_is_deletable(key, s->d->uuid)) return false;
  if (mst_text_starts(key + n, MST_KEY_OURS)) return true;
  if (key[n] != '/') return false;
  if (mst_text_starts(key + n + 1, "indices/")) return true;
  return strncmp(key + n + 1, s->d->table, n_table) == 0 && key[n + 1 + n_table] == '/' && !s->d->implicit;
}

static bool is_old(const sweep *s, const char *key, int64_t put_us) {
  if (s->limit_us == 0) return true;
  const json_t *out_of_use = json_object_get(s->superseded, key);
  const int64_t since = out_of_use != NULL ? (int64_t)json_integer_value(out_of_use) : put_us;
  return since > 0 && s->now_us - since >= s->limit_us && put_us < s->before_us;
}

static mst_status consider(void *arg, const mst_object_info *info, mst_error *err) {
  sweep *s = arg;
  if (!is_candidate(s, info->key) || json_object_get(s->named, info->key) != NULL ||
      !is_old(s, info->key, info->modified_us))
    return MST_OK;
  return json_array_append_new(s->keys, json_string(info->key)) == 0 ? MST_OK : mst_fail_memory(err);
}

/* Changes that have run so long that they say so keep what they put from the start. */
static mst_status see_writer(void *arg, const mst_object_info *info, mst_error *err) {
  mst_status status = MST_OK;
  sweep *s = arg;
  mst_bytes text = {0};
  mst_pin pin;
  json_t *value = NULL;
  if (s->limit_us == 0 || s->now_us - info->modified_us >= s->limit_us) return MST_OK;
  status = mst_state_get(s->d->store, info->key, 4096, &text, &pin, s->cancel, err);
  if (status == MST_E_NOT_FOUND) {
    mst_error_clear(err);
    return MST_OK;
  }
  if (status != MST_OK) return status;
  if (mst_json_parse(text.data, text.size, 4096, info->key, &value, NULL) == MST_OK) {
    const int64_t started = (int64_t)number_of(value, "started");
    if (started > 0 && started < s->before_us) s->before_us = started;
  }
  json_decref(value);
  mst_bytes_release(&text);
  return json_object_set_new(s->named, info->key, json_true()) == 0 ? MST_OK : mst_fail_memory(err);
}

static mst_status list_prefix(sweep *s, const char *ending, mst_list_fn each, mst_error *err) {
  mst_buf prefix;
  mst_buf_init(&prefix, s->d->mem, SIZE_MAX);
  mst_status status = mst_buf_printf(&prefix, err, "%s%s", s->d->uuid, ending);
  if (status == MST_OK) status = mst_list_run(s->d->store, mst_buf_text(&prefix), NULL, each, s, s->cancel, err);
  mst_buf_free(&prefix);
  return status;
}

mst_status mst_keys_delete(mst_store *store, const json_t *keys, mst_cancel *cancel, mst_error *err) {
  const char *batch[DELETE_AT_ONCE];
  mst_op op;
  for (size_t at = 0; at < json_array_size(keys); at += DELETE_AT_ONCE) {
    size_t n = mst_min_size(json_array_size(keys) - at, DELETE_AT_ONCE);
    for (size_t i = 0; i < n; i++) batch[i] = json_string_value(json_array_get(keys, at + i));
    op = mst_op_make(MST_OP_DELETE, NULL);
    op.keys = batch;
    op.n_keys = n;
    op.cancel = cancel;
    mst_status status = mst_store_perform(store, &op, err);
    if (status != MST_OK) return status;
  }
  return MST_OK;
}

/* A commit that ended between itself and `_common_metadata`. */
static void repair_common(const sweep *s) {
  mst_section section;
  mst_error why;
  mst_buf key;
  if (s->d->schema.release == NULL || mst_section_of(s->d->document, s->d->uuid, &section, &why) != MST_OK ||
      !section.behind)
    return;
  mst_buf_init(&key, s->d->mem, SIZE_MAX);
  if (mst_key_common(&key, s->d->uuid, s->d->table, &why) == MST_OK)
    (void)mst_common_write(s->d->store, mst_buf_text(&key), &s->d->schema, s->cancel, &why);
  mst_buf_free(&key);
}

/* What killed writers left that never became an object. */
mst_status mst_keys_clear(mst_store *store, const char *uuid, int64_t before_us, mst_error *err) {
  static const char *const endings[] = {"/", MST_KEY_OURS, MST_KEY_JSON, MST_KEY_MSGPACK};
  mst_status status = MST_OK;
  uint64_t n;
  mst_buf prefix;
  mst_buf_init(&prefix, mst_context_mem(mst_store_context(store)), SIZE_MAX);
  for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
    mst_buf_clear(&prefix);
    MST_TRY(mst_buf_printf(&prefix, err, "%s%s", uuid, endings[i]));
    MST_TRY(mst_store_sweep(store, mst_buf_text(&prefix), before_us, &n, err));
  }
done:
  mst_buf_free(&prefix);
  return status;
}

static void sweep_end(sweep *s) {
  mst_ds_unref(s->d);
  json_decref(s->named);
  json_decref(s->superseded);
  json_decref(s->keys);
}

mst_status mst_ds_gc(mst_dataset *d, uint64_t older_than_s, bool dry_run, json_t **keys, mst_cancel *cancel,
                     mst_error *err) {
  mst_status status = MST_OK;
  const mst_env *env = mst_context_env(d->ctx);
  sweep s = {.cancel = cancel, .named = json_object(), .superseded = json_object(), .keys = json_array()};
  if (s.named == NULL || s.superseded == NULL || s.keys == NULL) {
    status = mst_fail_memory(err);
    goto done;
  }
  MST_TRY(mst_ds_refresh(d, &s.d, cancel, err));
  if (s.d->foreign) {
    status = mst_fail(err, MST_E_ARGUMENT, "this dataset's document names another dataset, '%s': nothing is collected",
                      s.d->uuid);
    goto done;
  }
  s.now_us = s.before_us = env->now_us(env->self);
  s.limit_us = older_than_s > (uint64_t)(INT64_MAX / 2000000) ? INT64_MAX / 2 : (int64_t)older_than_s * 1000000;
  if (s.limit_us > 0) MST_TRY(list_prefix(&s, MST_KEY_OURS "writers/", see_writer, err));
  MST_TRY(name_all(&s, err));
  MST_TRY(list_prefix(&s, "/", consider, err));
  MST_TRY(list_prefix(&s, MST_KEY_OURS, consider, err));
  if (!dry_run) {
    MST_TRY(mst_keys_delete(d->store, s.keys, cancel, err));
    MST_TRY(mst_keys_clear(d->store, s.d->uuid,
                           s.now_us - s.limit_us < s.before_us ? s.now_us - s.limit_us : s.before_us, err));
    repair_common(&s);
  }
  *keys = json_incref(s.keys);
done:
  sweep_end(&s);
  return status;
}
