/* api/dataset.c - the public calls of meseta/dataset.h: checks arguments, completes options, calls down. */
#include "dataset/dataset.h"

#include "api/give.h"

/* What a call made, as text; `value` is taken over. */
static mst_status give(mst_status status, json_t *value, mst_bytes *out, mst_error *err) {
  if (status == MST_OK) status = mst_give_json(value, out, err);
  json_decref(value);
  return status;
}

/* A dataset by its URL. */
typedef struct place {
  mst_dataset_options options;
  mst_store *store;
  char *uuid;
  const mst_allocator *mem;
} place;

static mst_status open_place(mst_context *ctx, const char *url, const mst_dataset_options *options, place *p,
                             mst_error *err) {
  mst_status status = mst_options_take(&p->options, sizeof p->options, options, "mst_dataset_options", err);
  if (status == MST_OK) status = mst_context_resolve(ctx, &ctx, err);
  if (status != MST_OK) return status;
  p->mem = mst_context_mem(ctx);
  return mst_ds_locate(ctx, url, &p->options, &p->store, &p->uuid, err);
}

static void close_place(place *p) {
  mst_free(p->mem, p->uuid);
  mst_store_unref(p->store);
}

/* ---- opening ------------------------------------------------------------------------------------------------------
 */

mst_status mst_dataset_open(mst_context *ctx, const char *url, const mst_dataset_options *options, mst_dataset **out,
                            mst_cancel *cancel, mst_error *err) {
  place p = {0};
  mst_error_clear(err);
  NEEDS(url != NULL && out != NULL, "url and out");
  mst_status status = open_place(ctx, url, options, &p, err);
  if (status == MST_OK) status = mst_ds_open(p.store, p.uuid, &p.options, out, cancel, err);
  close_place(&p);
  return status;
}

mst_status mst_dataset_open_in(mst_store *store, const char *uuid, const mst_dataset_options *options,
                               mst_dataset **out, mst_cancel *cancel, mst_error *err) {
  mst_dataset_options o;
  mst_error_clear(err);
  NEEDS(store != NULL && uuid != NULL && out != NULL, "store, uuid and out");
  const mst_status status = mst_options_take(&o, sizeof o, options, "mst_dataset_options", err);
  return status == MST_OK ? mst_ds_open(store, uuid, &o, out, cancel, err) : status;
}

mst_status mst_dataset_exists(mst_context *ctx, const char *url, const mst_dataset_options *options, bool *out,
                              mst_cancel *cancel, mst_error *err) {
  place p = {0};
  mst_error_clear(err);
  NEEDS(url != NULL && out != NULL, "url and out");
  mst_status status = open_place(ctx, url, options, &p, err);
  if (status == MST_OK) status = mst_ds_exists(p.store, p.uuid, out, cancel, err);
  close_place(&p);
  return status;
}

mst_status mst_dataset_exists_in(mst_store *store, const char *uuid, bool *out, mst_cancel *cancel, mst_error *err) {
  mst_error_clear(err);
  NEEDS(store != NULL && uuid != NULL && out != NULL, "store, uuid and out");
  return mst_ds_exists(store, uuid, out, cancel, err);
}

mst_dataset *mst_dataset_ref(mst_dataset *d) { return d != NULL ? mst_ds_ref(d) : NULL; }
void mst_dataset_unref(mst_dataset *d) { mst_ds_unref(d); }

mst_status mst_dataset_refresh(mst_dataset *d, mst_dataset **out, mst_cancel *cancel, mst_error *err) {
  mst_error_clear(err);
  NEEDS(d != NULL && out != NULL, "dataset and out");
  return mst_ds_refresh(d, out, cancel, err);
}

mst_status mst_dataset_at(mst_dataset *d, uint64_t version, int64_t time_us, mst_dataset **out, mst_cancel *cancel,
                          mst_error *err) {
  mst_error_clear(err);
  NEEDS(d != NULL && out != NULL, "dataset and out");
  return mst_ds_at(d, version, time_us, out, cancel, err);
}

/* ---- facts --------------------------------------------------------------------------------------------------------
 */

const char *mst_dataset_get_uuid(const mst_dataset *d) { return mst_ds_uuid(d); }
const char *mst_dataset_get_table(const mst_dataset *d) { return mst_ds_table(d); }
uint64_t mst_dataset_get_version(const mst_dataset *d) { return mst_ds_version(d); }
size_t mst_dataset_get_partition_count(const mst_dataset *d) { return mst_ds_partition_count(d); }

mst_status mst_dataset_get_schema(mst_dataset *d, struct ArrowSchema *out, mst_error *err) {
  mst_error_clear(err);
  NEEDS(d != NULL && out != NULL, "dataset and out");
  return mst_ds_schema(d, out, err);
}

mst_status mst_dataset_describe(mst_dataset *d, mst_bytes *out, mst_cancel *cancel, mst_error *err) {
  json_t *value = NULL;
  mst_error_clear(err);
  NEEDS(d != NULL && out != NULL, "dataset and out");
  const mst_status status = mst_ds_describe(d, &value, cancel, err);
  return give(status, value, out, err);
}

mst_status mst_dataset_partitions(mst_dataset *d, const char *where_json, uint32_t count_rows,
                                  struct ArrowArrayStream *out, mst_cancel *cancel, mst_error *err) {
  mst_error_clear(err);
  NEEDS(d != NULL && out != NULL, "dataset and out");
  return mst_ds_partitions(d, where_json, count_rows != 0, out, cancel, err);
}

mst_status mst_dataset_index(mst_dataset *d, const char *column, struct ArrowArrayStream *out, mst_cancel *cancel,
                             mst_error *err) {
  mst_error_clear(err);
  NEEDS(d != NULL && column != NULL && out != NULL, "dataset, column and out");
  return mst_ds_index(d, column, out, cancel, err);
}

/* ---- reading ------------------------------------------------------------------------------------------------------
 */

mst_status mst_dataset_read(mst_dataset *d, const mst_dataset_read_options *options, struct ArrowArrayStream *out,
                            mst_cancel *cancel, mst_error *err) {
  mst_dataset_read_options o;
  mst_error_clear(err);
  NEEDS(d != NULL && out != NULL, "dataset and out");
  const mst_status status = mst_options_take(&o, sizeof o, options, "mst_dataset_read_options", err);
  return status == MST_OK ? mst_ds_read(d, &o, out, cancel, err) : status;
}

mst_status mst_dataset_count(mst_dataset *d, const char *where, uint64_t *rows, mst_cancel *cancel, mst_error *err) {
  mst_error_clear(err);
  NEEDS(d != NULL && rows != NULL, "dataset and rows");
  return mst_ds_count(d, where, rows, cancel, err);
}

mst_status mst_dataset_groups(mst_dataset *d, const char *const *by, size_t n, const char *where, mst_bytes *out,
                              mst_cancel *cancel, mst_error *err) {
  json_t *value = NULL;
  mst_error_clear(err);
  NEEDS(d != NULL && out != NULL && (by != NULL || n == 0), "dataset, by and out");
  const mst_status status = mst_ds_groups(d, by, n, where, &value, cancel, err);
  return give(status, value, out, err);
}

mst_status mst_dataset_plan(mst_dataset *d, const mst_query *query, mst_plan **out, mst_cancel *cancel,
                            mst_error *err) {
  mst_query q;
  mst_error_clear(err);
  NEEDS(d != NULL && out != NULL, "dataset and out");
  const mst_status status = mst_options_take(&q, sizeof q, query, "mst_query", err);
  return status == MST_OK ? mst_ds_plan(d, &q, out, cancel, err) : status;
}

/* ---- creating -----------------------------------------------------------------------------------------------------
 */

/* Streams are taken over, also where nothing came of it. */
static void drop_streams(struct ArrowArrayStream *streams, size_t n) {
  for (size_t i = 0; streams != NULL && i < n; i++)
    if (streams[i].release != NULL) streams[i].release(&streams[i]);
}

mst_status mst_dataset_create_in(mst_store *store, const char *uuid, const mst_dataset_options *options,
                                 const mst_dataset_create_options *create, struct ArrowArrayStream *streams, size_t n,
                                 mst_dataset **out, mst_bytes *report, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_dataset_options o;
  mst_dataset_create_options c;
  json_t *value = NULL;
  mst_error_clear(err);
  if (store == NULL || uuid == NULL || out == NULL || (streams == NULL && n > 0))
    MST_TRY(mst_fail(err, MST_E_ARGUMENT, "%s: store, uuid, out and streams must not be NULL", __func__));
  MST_TRY(mst_options_take(&o, sizeof o, options, "mst_dataset_options", err));
  MST_TRY(mst_options_take(&c, sizeof c, create, "mst_dataset_create_options", err));
  status = mst_ds_create(store, uuid, &o, &c, streams, n, out, &value, cancel, err);
  return give(status, value, report, err);
done:
  drop_streams(streams, n);
  return status;
}

mst_status mst_dataset_create(mst_context *ctx, const char *url, const mst_dataset_options *options,
                              const mst_dataset_create_options *create, struct ArrowArrayStream *streams, size_t n,
                              mst_dataset **out, mst_bytes *report, mst_cancel *cancel, mst_error *err) {
  place p = {0};
  mst_error_clear(err);
  mst_status status = url != NULL ? open_place(ctx, url, options, &p, err)
                                  : mst_fail(err, MST_E_ARGUMENT, "%s: url must not be NULL", __func__);
  if (status == MST_OK)
    status = mst_dataset_create_in(p.store, p.uuid, &p.options, create, streams, n, out, report, cancel, err);
  else drop_streams(streams, n);
  close_place(&p);
  return status;
}

/* ---- housekeeping -------------------------------------------------------------------------------------------------
 */

mst_status mst_dataset_gc(mst_dataset *d, uint64_t older_than_s, uint32_t dry_run, mst_bytes *keys, mst_cancel *cancel,
                          mst_error *err) {
  json_t *value = NULL;
  mst_error_clear(err);
  NEEDS(d != NULL, "dataset");
  const mst_status status = mst_ds_gc(d, older_than_s, dry_run != 0, &value, cancel, err);
  return give(status, value, keys, err);
}

mst_status mst_dataset_log(mst_dataset *d, mst_bytes *out, mst_cancel *cancel, mst_error *err) {
  json_t *value = NULL;
  mst_error_clear(err);
  NEEDS(d != NULL && out != NULL, "dataset and out");
  const mst_status status = mst_ds_log(d, &value, cancel, err);
  return give(status, value, out, err);
}

mst_status mst_dataset_expire(mst_dataset *d, uint64_t keep, uint64_t older_than_s, mst_dataset **out,
                              mst_cancel *cancel, mst_error *err) {
  mst_error_clear(err);
  NEEDS(d != NULL && out != NULL, "dataset and out");
  return mst_ds_expire(d, keep, older_than_s, out, cancel, err);
}

mst_status mst_dataset_drop_in(mst_store *store, const char *uuid, const mst_dataset_options *options, uint32_t dry_run,
                               mst_bytes *keys, mst_cancel *cancel, mst_error *err) {
  mst_dataset_options o;
  json_t *value = NULL;
  mst_error_clear(err);
  NEEDS(store != NULL && uuid != NULL, "store and uuid");
  mst_status status = mst_options_take(&o, sizeof o, options, "mst_dataset_options", err);
  if (status == MST_OK) status = mst_ds_drop(store, uuid, &o, dry_run != 0, &value, cancel, err);
  return give(status, value, keys, err);
}

mst_status mst_dataset_drop(mst_context *ctx, const char *url, const mst_dataset_options *options, uint32_t dry_run,
                            mst_bytes *keys, mst_cancel *cancel, mst_error *err) {
  place p = {0};
  mst_error_clear(err);
  NEEDS(url != NULL, "url");
  mst_status status = open_place(ctx, url, options, &p, err);
  if (status == MST_OK) status = mst_dataset_drop_in(p.store, p.uuid, &p.options, dry_run, keys, cancel, err);
  close_place(&p);
  return status;
}

mst_status mst_store_probe(mst_store *store, const char *prefix, uint32_t writers, uint32_t rounds, mst_bytes *report,
                           mst_cancel *cancel, mst_error *err) {
  mst_store_verdict v;
  json_t *value = NULL;
  mst_error_clear(err);
  NEEDS(store != NULL && prefix != NULL && report != NULL, "store, prefix and report");
  mst_status status =
      mst_probe_run(store, prefix, writers == 0 ? 12 : writers, rounds == 0 ? 10 : rounds, &v, cancel, err);
  if (status == MST_OK)
    value =
        json_pack("{s:b,s:b,s:b,s:I,s:I,s:s}", "safe", v.create_only && v.if_match, "create_only", v.create_only,
                  "if_match", v.if_match, "doubled", (json_int_t)v.doubled, "lost", (json_int_t)v.lost, "why", v.why);
  if (status == MST_OK && value == NULL) status = mst_fail_memory(err);
  return give(status, value, report, err);
}
