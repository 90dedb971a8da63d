/* api/source.c - the public calls of meseta/source.h: checks arguments, completes options, calls down. */
#include "source/source.h"

#include "api/give.h"

mst_status mst_source_open(mst_context *ctx, const char *url, const mst_source_options *options, mst_source **out,
                           mst_cancel *cancel, mst_error *err) {
  mst_source_options o;
  mst_error_clear(err);
  NEEDS(url != NULL && out != NULL, "url and out");
  mst_status status = mst_options_take(&o, sizeof o, options, "mst_source_options", err);
  ctx = mst_context_or_default(ctx);
  if (ctx == NULL) return mst_fail_memory(err);
  return status == MST_OK ? mst_source_find(ctx, url, &o, out, cancel, err) : status;
}

mst_status mst_source_open_in(mst_store *store, const char *key, const mst_source_options *options, mst_source **out,
                              mst_cancel *cancel, mst_error *err) {
  mst_source_options o;
  mst_error_clear(err);
  NEEDS(store != NULL && key != NULL && out != NULL, "store, key and out");
  mst_status status = mst_options_take(&o, sizeof o, options, "mst_source_options", err);
  return status == MST_OK ? mst_source_find_in(store, key, &o, out, cancel, err) : status;
}

mst_status mst_source_show(mst_source *s, mst_bytes *out, mst_cancel *cancel, mst_error *err) {
  json_t *value = NULL;
  mst_error_clear(err);
  NEEDS(s != NULL && out != NULL, "source and out");
  mst_status status = mst_source_describe(s, &value, cancel, err);
  if (status == MST_OK) status = mst_give_json(value, out, err);
  json_decref(value);
  return status;
}

mst_status mst_source_index(mst_source *s, const mst_index_options *options, mst_bytes *report, mst_cancel *cancel,
                            mst_error *err) {
  mst_index_options o;
  json_t *value = NULL;
  mst_error_clear(err);
  NEEDS(s != NULL, "source");
  mst_status status = mst_options_take(&o, sizeof o, options, "mst_index_options", err);
  if (status == MST_OK) status = mst_index_make(s, &o, &value, cancel, err);
  if (status == MST_OK) status = mst_give_json(value, report, err);
  json_decref(value);
  return status;
}

mst_status mst_source_pieces(mst_source *s, const mst_index_options *options, uint64_t *pieces, mst_cancel *cancel,
                             mst_error *err) {
  mst_index_options o;
  mst_error_clear(err);
  NEEDS(s != NULL && pieces != NULL, "source and pieces");
  mst_status status = mst_options_take(&o, sizeof o, options, "mst_index_options", err);
  return status == MST_OK ? mst_index_pieces(s, &o, pieces, cancel, err) : status;
}

mst_status mst_source_scan(mst_source *s, uint64_t i, uint64_t n, const mst_index_options *options, mst_bytes *partial,
                           mst_cancel *cancel, mst_error *err) {
  mst_index_options o;
  mst_error_clear(err);
  NEEDS(s != NULL && partial != NULL, "source and partial");
  if (i >= n) return mst_fail(err, MST_E_ARGUMENT, "piece %llu of %llu", (unsigned long long)i, (unsigned long long)n);
  mst_status status = mst_options_take(&o, sizeof o, options, "mst_index_options", err);
  return status == MST_OK ? mst_index_scan(s, i, n, &o, partial, cancel, err) : status;
}

mst_status mst_source_index_from(mst_source *s, const mst_bytes *partials, size_t n, const mst_index_options *options,
                                 mst_bytes *report, mst_cancel *cancel, mst_error *err) {
  mst_index_options o;
  json_t *value = NULL;
  mst_error_clear(err);
  NEEDS(s != NULL && partials != NULL, "source and partials");
  mst_status status = mst_options_take(&o, sizeof o, options, "mst_index_options", err);
  if (status == MST_OK) status = mst_index_collect(s, partials, n, &o, &value, cancel, err);
  if (status == MST_OK) status = mst_give_json(value, report, err);
  json_decref(value);
  return status;
}

mst_status mst_source_export(mst_source *s, const char *kind, const char *to, mst_cancel *cancel, mst_error *err) {
  mst_error_clear(err);
  NEEDS(s != NULL && kind != NULL, "source and kind");
  return mst_companion_export(s, kind, to, cancel, err);
}

mst_status mst_source_verify(mst_source *s, const mst_verify_options *options, mst_bytes *report, mst_cancel *cancel,
                             mst_error *err) {
  mst_verify_options o;
  json_t *value = NULL;
  mst_error_clear(err);
  NEEDS(s != NULL, "source");
  mst_status status = mst_options_take(&o, sizeof o, options, "mst_verify_options", err);
  if (status == MST_OK) status = mst_source_check(s, &o, &value, cancel, err);
  if (value != NULL && report != NULL) { /* also with a fault: what was found before it */
    mst_status printed = mst_give_json(value, report, status == MST_OK ? err : NULL);
    if (status == MST_OK) status = printed;
  }
  json_decref(value);
  return status;
}

mst_status mst_source_plan(mst_source *s, const mst_query *query, mst_plan **out, mst_cancel *cancel, mst_error *err) {
  mst_query q;
  mst_error_clear(err);
  NEEDS(s != NULL && out != NULL, "source and out");
  mst_status status = mst_options_take(&q, sizeof q, query, "mst_query", err);
  if (status != MST_OK) return status;
  if ((q.slices != 0) + (q.slice_bytes != 0) + (q.slice_records != 0) > 1)
    return mst_fail(err, MST_E_ARGUMENT, "slices are made by number, by size or by records: only one of them");
  return mst_slices_plan(s, &q, out, cancel, err);
}
