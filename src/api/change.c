/* api/change.c - the public calls of meseta/dataset.h that change a dataset: checks arguments, calls down. */
#include "api/give.h"
#include "dataset/dataset.h"

mst_status mst_change_open(mst_dataset *d, mst_change **out, mst_error *err) {
  mst_error_clear(err);
  NEEDS(d != NULL && out != NULL, "dataset and out");
  return mst_ds_change_open(d, out, err);
}

void mst_change_free(mst_change *c) {
  if (c != NULL) mst_ds_change_free(c);
}

mst_status mst_change_append(mst_change *c, struct ArrowArrayStream *stream, mst_cancel *cancel, mst_error *err) {
  mst_error_clear(err);
  NEEDS(c != NULL && stream != NULL, "change and stream");
  return mst_ds_change_append(c, stream, cancel, err);
}

mst_status mst_change_remove(mst_change *c, const char *scope_json, mst_cancel *cancel, mst_error *err) {
  mst_error_clear(err);
  NEEDS(c != NULL && scope_json != NULL, "change and scope_json");
  return mst_ds_change_remove(c, scope_json, cancel, err);
}

mst_status mst_change_remove_labels(mst_change *c, const char *const *labels, size_t n, mst_cancel *cancel,
                                    mst_error *err) {
  mst_error_clear(err);
  NEEDS(c != NULL && (labels != NULL || n == 0), "change and labels");
  return mst_ds_change_remove_labels(c, labels, n, cancel, err);
}

mst_status mst_change_delete(mst_change *c, const char *where, mst_cancel *cancel, mst_error *err) {
  mst_error_clear(err);
  NEEDS(c != NULL && where != NULL, "change and where");
  return mst_ds_change_delete(c, where, cancel, err);
}

mst_status mst_change_update(mst_change *c, const char *where, const char *set_json, mst_cancel *cancel,
                             mst_error *err) {
  mst_error_clear(err);
  NEEDS(c != NULL && where != NULL && set_json != NULL, "change, where and set_json");
  return mst_ds_change_update(c, where, set_json, cancel, err);
}

mst_status mst_change_upsert(mst_change *c, struct ArrowArrayStream *stream, const char *const *on, size_t n,
                             mst_cancel *cancel, mst_error *err) {
  mst_error_clear(err);
  NEEDS(c != NULL && stream != NULL && on != NULL, "change, stream and on");
  return mst_ds_change_upsert(c, stream, on, n, cancel, err);
}

mst_status mst_change_compact(mst_change *c, const char *where, uint64_t target_bytes, const char *const *sort_by,
                              size_t n, mst_cancel *cancel, mst_error *err) {
  mst_error_clear(err);
  NEEDS(c != NULL && (sort_by != NULL || n == 0), "change and sort_by");
  return mst_ds_change_compact(c, where, target_bytes, sort_by, n, cancel, err);
}

mst_status mst_change_metadata(mst_change *c, const char *metadata_json, mst_error *err) {
  mst_error_clear(err);
  NEEDS(c != NULL && metadata_json != NULL, "change and metadata_json");
  return mst_ds_change_metadata(c, metadata_json, err);
}

mst_status mst_change_restore(mst_change *c, uint64_t version, mst_cancel *cancel, mst_error *err) {
  mst_error_clear(err);
  NEEDS(c != NULL, "change");
  return mst_ds_change_restore(c, version, cancel, err);
}

mst_status mst_change_build_index(mst_change *c, const char *column, mst_cancel *cancel, mst_error *err) {
  mst_error_clear(err);
  NEEDS(c != NULL && column != NULL, "change and column");
  return mst_ds_change_build_index(c, column, cancel, err);
}

mst_status mst_change_drop_index(mst_change *c, const char *column, mst_error *err) {
  mst_error_clear(err);
  NEEDS(c != NULL && column != NULL, "change and column");
  return mst_ds_change_drop_index(c, column, err);
}

mst_status mst_change_schema(mst_change *c, const struct ArrowSchema *schema, mst_error *err) {
  mst_error_clear(err);
  NEEDS(c != NULL && schema != NULL, "change and schema");
  return mst_ds_change_schema(c, schema, err);
}

mst_status mst_change_write(mst_change *c, struct ArrowArrayStream *stream, mst_bytes *fragment, mst_cancel *cancel,
                            mst_error *err) {
  json_t *value = NULL;
  mst_error_clear(err);
  NEEDS(c != NULL && stream != NULL && fragment != NULL, "change, stream and fragment");
  mst_status status = mst_ds_change_write(c, stream, &value, cancel, err);
  if (status == MST_OK) status = mst_give_json(value, fragment, err);
  json_decref(value);
  return status;
}

mst_status mst_change_add(mst_change *c, const char *fragment_json, mst_cancel *cancel, mst_error *err) {
  mst_error_clear(err);
  NEEDS(c != NULL && fragment_json != NULL, "change and fragment_json");
  return mst_ds_change_add(c, fragment_json, cancel, err);
}

mst_status mst_change_commit(mst_change *c, mst_dataset **out, mst_bytes *report, mst_cancel *cancel, mst_error *err) {
  json_t *value = NULL;
  mst_dataset *committed = NULL;
  mst_error_clear(err);
  NEEDS(c != NULL && out != NULL, "change and out");
  mst_status status = mst_ds_change_commit(c, &committed, &value, cancel, err);
  /* What is committed stays so: a report that cannot be printed is left out. */
  if (status == MST_OK && report != NULL && mst_give_json(value, report, NULL) != MST_OK) *report = (mst_bytes){0};
  if (status == MST_OK) *out = committed;
  json_decref(value);
  return status;
}
