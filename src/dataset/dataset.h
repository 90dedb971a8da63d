/* dataset/dataset.h - tables of many Parquet files in a store: snapshots, changes, commits, reading. The public nouns of
 * meseta/dataset.h, minus the checking of arguments.
 *
 * Owns: the dataset format (docs/specification/dataset.md). May call: base, codec, column, expr, store, fetch, parquet, source. */
#ifndef MST_DATASET_DATASET_H
#define MST_DATASET_DATASET_H

#include <meseta/dataset.h>

#include "base/base.h"
#include "dataset/probe.h"
#include "source/source.h"
#include "store/store.h"

/* Option structs arrive here complete (never NULL), other arguments checked for NULL. Each does what the public call of the same name
 * promises. */

/* state.c */
mst_status mst_ds_open(mst_store *store, const char *uuid, const mst_dataset_options *options, mst_dataset **out, mst_cancel *cancel,
                       mst_error *err);
/* "s3://bucket/prefix/uuid" as the store up to the last '/' and the rest. */
mst_status mst_ds_locate(mst_context *ctx, const char *url, const mst_dataset_options *options, mst_store **store, char **uuid,
                         mst_error *err);
mst_status mst_ds_exists(mst_store *store, const char *uuid, bool *out, mst_cancel *cancel, mst_error *err);
mst_dataset *mst_ds_ref(mst_dataset *d);
void mst_ds_unref(mst_dataset *d);
mst_status mst_ds_refresh(mst_dataset *d, mst_dataset **out, mst_cancel *cancel, mst_error *err);
const char *mst_ds_uuid(const mst_dataset *d);
const char *mst_ds_table(const mst_dataset *d);
uint64_t mst_ds_version(const mst_dataset *d);
size_t mst_ds_partition_count(const mst_dataset *d);
mst_status mst_ds_schema(mst_dataset *d, struct ArrowSchema *out, mst_error *err);
mst_status mst_ds_index(mst_dataset *d, const char *column, struct ArrowArrayStream *out, mst_cancel *cancel, mst_error *err);
/* create.c */
mst_status mst_ds_create(mst_store *store, const char *uuid, const mst_dataset_options *options, const mst_dataset_create_options *create,
                         struct ArrowArrayStream *streams, size_t n, mst_dataset **out, json_t **report, mst_cancel *cancel, mst_error *err);

/* count.c, groups.c, read.c, slices.c */
mst_status mst_ds_describe(mst_dataset *d, json_t **out, mst_cancel *cancel, mst_error *err);
mst_status mst_ds_partitions(mst_dataset *d, const char *where, bool count_rows, struct ArrowArrayStream *out, mst_cancel *cancel,
                             mst_error *err);
mst_status mst_ds_read(mst_dataset *d, const mst_dataset_read_options *options, struct ArrowArrayStream *out, mst_cancel *cancel,
                       mst_error *err);
mst_status mst_ds_count(mst_dataset *d, const char *where, uint64_t *rows, mst_cancel *cancel, mst_error *err);
mst_status mst_ds_groups(mst_dataset *d, const char *const *by, size_t n, const char *where, json_t **out, mst_cancel *cancel,
                         mst_error *err);
/* How such slices are parsed and read. */
extern const mst_slice_provider mst_dataset_slices;
mst_status mst_ds_plan(mst_dataset *d, const mst_query *query, mst_plan **out, mst_cancel *cancel, mst_error *err);

/* change.c, commit.c; rows_*.c, compact.c */
mst_status mst_ds_change_open(mst_dataset *d, mst_change **out, mst_error *err);
void mst_ds_change_free(mst_change *c);
mst_status mst_ds_change_append(mst_change *c, struct ArrowArrayStream *stream, mst_cancel *cancel, mst_error *err);
mst_status mst_ds_change_remove(mst_change *c, const char *scope_json, mst_cancel *cancel, mst_error *err);
mst_status mst_ds_change_remove_labels(mst_change *c, const char *const *labels, size_t n, mst_cancel *cancel, mst_error *err);
mst_status mst_ds_change_delete(mst_change *c, const char *where, mst_cancel *cancel, mst_error *err);
mst_status mst_ds_change_update(mst_change *c, const char *where, const char *set_json, mst_cancel *cancel, mst_error *err);
mst_status mst_ds_change_upsert(mst_change *c, struct ArrowArrayStream *stream, const char *const *on, size_t n, mst_cancel *cancel,
                                mst_error *err);
mst_status mst_ds_change_compact(mst_change *c, const char *where, uint64_t target_bytes, const char *const *sort_by, size_t n,
                                 mst_cancel *cancel, mst_error *err);
mst_status mst_ds_change_metadata(mst_change *c, const char *metadata_json, mst_error *err);
mst_status mst_ds_change_restore(mst_change *c, uint64_t version, mst_cancel *cancel, mst_error *err);
mst_status mst_ds_change_build_index(mst_change *c, const char *column, mst_cancel *cancel, mst_error *err);
mst_status mst_ds_change_drop_index(mst_change *c, const char *column, mst_error *err);
mst_status mst_ds_change_schema(mst_change *c, const struct ArrowSchema *schema, mst_error *err);
mst_status mst_ds_change_write(mst_change *c, struct ArrowArrayStream *stream, json_t **fragment, mst_cancel *cancel, mst_error *err);
mst_status mst_ds_change_add(mst_change *c, const char *fragment_json, mst_cancel *cancel, mst_error *err);
mst_status mst_ds_change_commit(mst_change *c, mst_dataset **out, json_t **report, mst_cancel *cancel, mst_error *err);

/* history.c, gc.c, drop.c */
mst_status mst_ds_at(mst_dataset *d, uint64_t version, int64_t time_us, mst_dataset **out, mst_cancel *cancel, mst_error *err);
mst_status mst_ds_log(mst_dataset *d, json_t **out, mst_cancel *cancel, mst_error *err);
mst_status mst_ds_expire(mst_dataset *d, uint64_t keep, uint64_t older_than_s, mst_dataset **out, mst_cancel *cancel, mst_error *err);
mst_status mst_ds_gc(mst_dataset *d, uint64_t older_than_s, bool dry_run, json_t **keys, mst_cancel *cancel, mst_error *err);
mst_status mst_ds_drop(mst_store *store, const char *uuid, const mst_dataset_options *options, bool dry_run, json_t **keys,
                       mst_cancel *cancel, mst_error *err);

#endif
