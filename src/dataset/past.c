/* dataset/past.c - what users do with the history: the log, a state of the past, going back to one, giving old ones up.
 * May call: base, store, dataset's own headers. */
#include "dataset/change.h"
#include "dataset/commit.h"
#include "dataset/dataset.h"
#include "dataset/history.h"
#include "dataset/ours.h"
#include "dataset/schema.h"
#include "dataset/stats.h"

static uint64_t number_of(const json_t *object, const char *name) {
  json_int_t v = json_integer_value(json_object_get(object, name));
  return v > 0 ? (uint64_t)v : 0;
}

static int64_t now_of(const mst_dataset *d) {
  const mst_env *env = mst_context_env(d->ctx);
  return env->now_us(env->self);
}

/* ---- log -----------------------------------------------------------------------------------------------------------
 */

static mst_status log_entry(const json_t *r, json_t *into, mst_error *err) {
  static const char *const counts[] = {"rows_added", "rows_removed", "files_added", "files_removed"};
  mst_status status = MST_OK;
  char time[32];
  json_t *entry = json_object();
  MST_TRY_ALLOC(entry);
  mst_time_format_iso((int64_t)number_of(r, "time"), time);
  MST_TRY(mst_json_set_u64(entry, "version", number_of(r, "version"), err));
  MST_TRY(mst_json_set_text(entry, "time", time, err));
  MST_TRY(mst_json_set_u64(entry, "time_us", number_of(r, "time"), err));
  const char *operation = json_string_value(json_object_get(r, "operation"));
  MST_TRY(mst_json_set_text(entry, "operation", operation == NULL ? "" : operation, err));
  for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
    json_t *n = json_object_get(r, counts[i]);
    MST_TRY(mst_json_set(entry, counts[i], json_is_integer(n) ? json_incref(n) : json_null(), err));
  }
  if (json_array_append(into, entry) != 0) status = mst_fail_memory(err);
done:
  json_decref(entry);
  return status;
}

mst_status mst_ds_log(mst_dataset *d, json_t **out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  json_t *records = NULL, *entries = json_array();
  uint64_t oldest;
  MST_TRY_ALLOC(entries);
  MST_TRY(mst_log_records(d, 0, &records, cancel, err));
  MST_TRY(mst_history_oldest(d, records, now_of(d), &oldest, err));
  for (size_t i = json_array_size(records); i > 0; i--) {
    const json_t *r = json_array_get(records, i - 1);
    if (number_of(r, "version") >= oldest && number_of(r, "version") <= d->version) MST_TRY(log_entry(r, entries, err));
  }
  *out = entries;
  entries = NULL;
done:
  json_decref(records);
  json_decref(entries);
  return status;
}

/* ---- at ------------------------------------------------------------------------------------------------------------
 */

/* The newest version at a time. */
static mst_status version_at(const mst_dataset *d, const json_t *records, int64_t time_us, uint64_t *version,
                             mst_error *err) {
  char text[32];
  for (size_t i = json_array_size(records); i > 0; i--) {
    const json_t *r = json_array_get(records, i - 1);
    if ((int64_t)number_of(r, "time") > time_us || number_of(r, "version") > d->version) continue;
    *version = number_of(r, "version");
    return MST_OK;
  }
  mst_time_format_iso(time_us, text);
  return mst_fail(err, MST_E_NOT_FOUND, "the history of the dataset '%s' does not reach back to %s", d->uuid, text);
}

typedef struct presence {
  json_t *keys; /* what is there */
} presence;

static mst_status note(void *arg, const mst_object_info *info, mst_error *err) {
  presence *p = arg;
  return json_object_set_new(p->keys, info->key, json_true()) == 0 ? MST_OK : mst_fail_memory(err);
}

/* Files that the head does not name may be gone: other programs collect them without asking. */
static mst_status check_files(mst_dataset *d, const mst_document *old, uint64_t version, mst_cancel *cancel,
                              mst_error *err) {
  mst_status status = MST_OK;
  presence p = {NULL};
  mst_buf key;
  mst_buf_init(&key, d->mem, SIZE_MAX);
  for (size_t i = 0; i < mst_document_partitions(old); i++) {
    if (mst_document_find(d->document, mst_document_label(old, i)) != MST_DOCUMENT_NONE) continue;
    if (p.keys == NULL) {
      MST_TRY_ALLOC(p.keys = json_object());
      MST_TRY(mst_buf_printf(&key, err, "%s/", d->uuid));
      MST_TRY(mst_list_run(d->store, mst_buf_text(&key), NULL, note, &p, cancel, err));
    }
    mst_buf_clear(&key);
    MST_TRY(mst_document_file(old, i, &key, err));
    if (json_object_get(p.keys, mst_buf_text(&key)) != NULL) continue;
    status = mst_fail(err, MST_E_NOT_FOUND, "version %llu of the dataset '%s' is gone: its file '%.200s' was collected",
                      (unsigned long long)version, d->uuid, mst_buf_text(&key));
    goto done;
  }
done:
  json_decref(p.keys);
  mst_buf_free(&key);
  return status;
}

static mst_status check_kept(mst_dataset *d, const json_t *records, uint64_t version, mst_error *err) {
  uint64_t oldest;
  mst_status status = mst_history_oldest(d, records, now_of(d), &oldest, err);
  if (status != MST_OK || version >= oldest) return status;
  return mst_fail(err, MST_E_NOT_FOUND, "version %llu of the dataset '%s' is gone: the oldest one kept is %llu",
                  (unsigned long long)version, d->uuid, (unsigned long long)oldest);
}

/* Statistics are of files, whatever version names them: those of the head serve the past, too. */
static mst_status lend_statistics(const mst_dataset *d, mst_document **document, mst_error *err) {
  mst_status status = MST_OK;
  mst_section s;
  mst_edit *e = NULL;
  mst_document *with = NULL;
  json_t *lent = NULL;
  MST_TRY(mst_section_of(d->document, d->uuid, &s, err));
  json_t *statistics = json_object_get(s.map, "statistics");
  if (statistics == NULL) return MST_OK;
  MST_TRY_ALLOC(lent =
                    json_pack("{s:i,s:i,s:O}", "format", MST_SECTION_FORMAT, "version", 1, "statistics", statistics));
  MST_TRY(mst_edit_open(d->mem, *document, NULL, NULL, &e, err));
  MST_TRY(mst_edit_metadata_set(e, MST_SECTION, json_incref(lent), err));
  MST_TRY(mst_edit_finish(e, &with, err));
  mst_document_unref(*document);
  *document = with;
done:
  json_decref(lent);
  mst_edit_free(e);
  return status;
}

/* A version's document, checked to be whole. */
static mst_status old_document(mst_dataset *d, uint64_t *version, int64_t time_us, mst_document **out, char **schema,
                               mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  json_t *records = NULL;
  mst_document *document = NULL;
  char *key = NULL;
  MST_TRY(mst_log_records(d, 0, &records, cancel, err));
  if (*version == 0) MST_TRY(version_at(d, records, time_us, version, err));
  if (*version <= d->version) MST_TRY(check_kept(d, records, *version, err));
  MST_TRY(mst_history_document(d, records, *version, &document, &key, cancel, err));
  if (*version != d->version) {
    MST_TRY(check_files(d, document, *version, cancel, err));
    MST_TRY(lend_statistics(d, &document, err));
  }
  *out = document;
  *schema = key;
  document = NULL;
  key = NULL;
done:
  json_decref(records);
  mst_document_unref(document);
  mst_free(d->mem, key);
  return status;
}

static mst_status old_schema(mst_dataset *d, const char *key, struct ArrowSchema *out, mst_cancel *cancel,
                             mst_error *err) {
  if (key != NULL) return mst_common_read(d->store, key, out, cancel, err);
  if (d->schema.release == NULL) return MST_OK;
  return mst_schema_copy(d->mem, &d->schema, out, err);
}

mst_status mst_ds_at(mst_dataset *d, uint64_t version, int64_t time_us, mst_dataset **out, mst_cancel *cancel,
                     mst_error *err) {
  mst_status status = MST_OK;
  mst_document *document = NULL;
  struct ArrowSchema schema = {0};
  char *key = NULL;
  if (version == d->version) {
    *out = mst_ds_ref(d);
    return MST_OK;
  }
  MST_TRY(old_document(d, &version, time_us, &document, &key, cancel, err));
  if (version == d->version) {
    *out = mst_ds_ref(d);
    goto done;
  }
  MST_TRY(old_schema(d, key, &schema, cancel, err));
  MST_TRY(mst_state_of(d, document, MST_DOCUMENT_JSON, NULL, version, schema.release != NULL ? &schema : NULL, out,
                       cancel, err));
done:
  mst_schema_release(&schema);
  mst_document_unref(document);
  mst_free(d->mem, key);
  return status;
}

/* Rows of the partitions that `d` has and `other` has not; -1 when that is not known of all. */
static mst_status rows_beyond(mst_dataset *d, const mst_document *other, int64_t *rows, mst_cancel *cancel,
                              mst_error *err) {
  const mst_stats *stats = NULL;
  uint64_t n;
  mst_status status = mst_stats_load(d, &stats, cancel, err);
  *rows = 0;
  for (size_t i = 0; status == MST_OK && *rows >= 0 && i < mst_document_partitions(d->document); i++) {
    if (mst_document_find(other, mst_document_label(d->document, i)) != MST_DOCUMENT_NONE) continue;
    *rows = mst_stats_rows(stats, i, &n) && n <= (uint64_t)(INT64_MAX - *rows) ? *rows + (int64_t)n : -1;
  }
  return status;
}

/* ---- restore -------------------------------------------------------------------------------------------------------
 */

mst_status mst_ds_change_restore(mst_change *c, uint64_t version, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  char *key = NULL;
  mst_dataset *past = NULL;
  int64_t added, removed;
  if (c->committed || c->n_files > 0 || c->n_gone > 0 || c->metadata != NULL || c->n_indices > 0 ||
      c->schema.release != NULL || c->whole != NULL)
    return mst_fail(err, MST_E_ARGUMENT, "restore stands alone: nothing else may be in its change");
  if (version == 0) return mst_fail(err, MST_E_ARGUMENT, "versions begin with 1");
  MST_TRY(old_document(c->base, &version, 0, &c->whole, &key, cancel, err));
  MST_TRY(old_schema(c->base, key, &c->schema, cancel, err));
  c->whole_schema_key = key;
  key = NULL;
  MST_TRY(mst_state_of(c->base, c->whole, MST_DOCUMENT_JSON, NULL, version,
                       c->schema.release != NULL ? &c->schema : NULL, &past, cancel, err));
  MST_TRY(rows_beyond(past, c->base->document, &added, cancel, err));
  MST_TRY(rows_beyond(c->base, c->whole, &removed, cancel, err));
  c->kind = MST_CHANGE_ALONE;
  mst_change_count(c, added, removed);
  mst_change_did(c, "restore");
done:
  mst_ds_unref(past);
  mst_free(c->mem, key);
  return status;
}

/* ---- expire --------------------------------------------------------------------------------------------------------
 */

static uint64_t expire_to(const mst_dataset *d, const json_t *records, uint64_t keep, uint64_t older_than_s) {
  size_t i;
  json_t *r;
  if (keep > 0) return d->version >= keep ? d->version - keep + 1 : 1;
  const int64_t age = older_than_s > (uint64_t)(INT64_MAX / 2000000) ? INT64_MAX / 2 : (int64_t)older_than_s * 1000000;
  json_array_foreach(records, i, r) {
    if (age > 0 && (int64_t)number_of(r, "time") >= now_of(d) - age)
      return number_of(r, "version") > 1 ? number_of(r, "version") - 1 : 1;
  }
  return d->version;
}

mst_status mst_ds_expire(mst_dataset *d, uint64_t keep, uint64_t older_than_s, mst_dataset **out, mst_cancel *cancel,
                         mst_error *err) {
  mst_status status = MST_OK;
  json_t *records = NULL;
  uint64_t oldest;
  MST_TRY(mst_log_records(d, 0, &records, cancel, err));
  MST_TRY(mst_history_oldest(d, records, now_of(d), &oldest, err));
  const uint64_t to = mst_min_u64(expire_to(d, records, keep, older_than_s), d->version);
  if (to <= oldest) *out = mst_ds_ref(d);
  else MST_TRY(mst_commit_oldest(d, to, out, cancel, err));
done:
  json_decref(records);
  return status;
}
