/* meseta/dataset.h - tables of many Parquet files in a store, consistent for many writers.
 *
 * A dataset's URL is its store's URL + "/" + its uuid. The format is plateau's (dataset metadata version 4) with additions that
 * plateau leaves alone (docs/specification/dataset.md). A handle stands on one immutable snapshot; a change moves from one committed
 * snapshot to the next with one conditional write, or not at all. */
#ifndef MESETA_DATASET_H
#define MESETA_DATASET_H

#include <meseta/arrow_abi.h>
#include <meseta/slice.h>
#include <meseta/source.h>
#include <meseta/store.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Shared and immutable: one snapshot; safe in many threads at once. */
typedef struct mst_dataset mst_dataset;
/* [owned] A commit in the making; one thread at a time. */
typedef struct mst_change mst_change;

typedef struct mst_dataset_options {
  size_t struct_size;
  const mst_pair *config;   /* storage options                                                                        */
  size_t n_config;
  const char *lock;         /* name of a lock object for stores that honour no conditional write; NULL: refuse those   */
  uint64_t memory;          /* bytes; 0: the context's budget                                                         */
  uint32_t plateau;         /* not 0: write as plateau does: no history, no addition of ours (unless there already),
                               an unconditional put where the store has no conditions, string types as given           */
  uint32_t reserved;
} mst_dataset_options;
#define MST_DATASET_OPTIONS_INIT {.struct_size = sizeof(mst_dataset_options)}

/* ---- opening ------------------------------------------------------------------------------------------------------ */

/* MST_E_NOT_FOUND names both keys that were tried. */
MST_API mst_status mst_dataset_open(mst_context *ctx, const char *url, const mst_dataset_options *options, mst_dataset **out,
                                    mst_cancel *cancel, mst_error *err);
MST_API mst_status mst_dataset_open_in(mst_store *store, const char *uuid, const mst_dataset_options *options, mst_dataset **out,
                                       mst_cancel *cancel, mst_error *err);
MST_API mst_status mst_dataset_exists(mst_context *ctx, const char *url, const mst_dataset_options *options, bool *out,
                                      mst_cancel *cancel, mst_error *err);
MST_API mst_status mst_dataset_exists_in(mst_store *store, const char *uuid, bool *out, mst_cancel *cancel, mst_error *err);
MST_API mst_dataset *mst_dataset_ref(mst_dataset *d);
MST_API void mst_dataset_unref(mst_dataset *d);
/* The newest state of the same dataset. */
MST_API mst_status mst_dataset_refresh(mst_dataset *d, mst_dataset **out, mst_cancel *cancel, mst_error *err);
/* An older state that the history still keeps: a version number, or (version 0) the newest at `time_us` since 1970 UTC. */
MST_API mst_status mst_dataset_at(mst_dataset *d, uint64_t version, int64_t time_us, mst_dataset **out, mst_cancel *cancel, mst_error *err);

/* ---- facts -------------------------------------------------------------------------------------------------------- */

/* Borrowed for the life of the handle. */
MST_API const char *mst_dataset_get_uuid(const mst_dataset *d);
MST_API const char *mst_dataset_get_table(const mst_dataset *d);
MST_API uint64_t mst_dataset_get_version(const mst_dataset *d);
MST_API size_t mst_dataset_get_partition_count(const mst_dataset *d);
/* The table's columns: partition keys first, then by name. The caller releases `out`. */
MST_API mst_status mst_dataset_get_schema(mst_dataset *d, struct ArrowSchema *out, mst_error *err);
/* JSON object: uuid, version, table, partition_keys, indices, partitions (a number), rows (null unless metadata tells), metadata
 * (the user's), metadata_format, history, created. */
MST_API mst_status mst_dataset_describe(mst_dataset *d, mst_bytes *out, mst_cancel *cancel, mst_error *err);
/* One row a partition that `where` (NULL: all) does not rule out: label, key (text), rows (null: not known), keys (struct of the
 * partition keys). `count_rows` not 0: footers are read where metadata does not tell. */
MST_API mst_status mst_dataset_partitions(mst_dataset *d, const char *where_json, uint32_t count_rows, struct ArrowArrayStream *out,
                                          mst_cancel *cancel, mst_error *err);
/* A secondary index: value, partition (list of labels). */
MST_API mst_status mst_dataset_index(mst_dataset *d, const char *column, struct ArrowArrayStream *out, mst_cancel *cancel, mst_error *err);

/* ---- reading ------------------------------------------------------------------------------------------------------ */

typedef struct mst_dataset_read_options {
  size_t struct_size;
  const char *const *columns;      /* NULL: all; in this order                                                         */
  size_t n_columns;
  const char *where;               /* text, or the list form as JSON (it begins with '['); NULL: all rows              */
  const char *const *categoricals; /* columns to give dictionary-encoded                                               */
  size_t n_categoricals;
  const char *const *labels;       /* only these partitions, in this order; NULL: all that match                       */
  size_t n_labels;
  uint64_t limit;                  /* rows; UINT64_MAX or 0 with no_limit: all                                         */
  uint64_t batch_rows;             /* 0: the library's own                                                             */
  uint64_t memory;
  uint32_t has_limit;              /* not 0: `limit` counts                                                            */
  uint32_t no_pushdown;            /* not 0: `where` is judged on rows alone (for comparison)                          */
} mst_dataset_read_options;
#define MST_DATASET_READ_OPTIONS_INIT {.struct_size = sizeof(mst_dataset_read_options)}

/* Rows in partition order, pruned from cheap to dear. */
MST_API mst_status mst_dataset_read(mst_dataset *d, const mst_dataset_read_options *options, struct ArrowArrayStream *out,
                                    mst_cancel *cancel, mst_error *err);
/* Without reading data where metadata suffices. */
MST_API mst_status mst_dataset_count(mst_dataset *d, const char *where, uint64_t *rows, mst_cancel *cancel, mst_error *err);
/* The combinations of values of `by` (partition keys or indexed columns), sorted: a JSON array of {"values": {…}, "labels": [...]};
 * a group is read with mst_dataset_read, those labels, and `where` and the values. */
MST_API mst_status mst_dataset_groups(mst_dataset *d, const char *const *by, size_t n, const char *where, mst_bytes *out,
                                      mst_cancel *cancel, mst_error *err);
/* The same kind of slices that raw sources give; read by mst_slice_stream. */
MST_API mst_status mst_dataset_plan(mst_dataset *d, const mst_query *query, mst_plan **out, mst_cancel *cancel, mst_error *err);

/* ---- creating ----------------------------------------------------------------------------------------------------- */

typedef struct mst_dataset_create_options {
  size_t struct_size;
  const char *table;                /* NULL: "table"                                                                   */
  const char *const *partition_on;
  size_t n_partition_on;
  const char *const *indices;       /* secondary                                                                       */
  size_t n_indices;
  const char *const *sort_by;       /* within each file                                                                */
  size_t n_sort_by;
  const char *bucket_by;            /* with `buckets`: rows are hashed into this many files before partitioning        */
  uint32_t buckets;
  uint32_t overwrite;
  const char *metadata_json;        /* the user's own; NULL: none                                                      */
  const char *metadata_format;      /* "json" (NULL) or "msgpack"                                                      */
  const char *codec;                /* NULL: "zstd"                                                                    */
  uint64_t row_group_rows;          /* 0: the writer's own                                                             */
  const char *history;              /* versions ("10") or age ("7d") that are kept; NULL: "7d"; "0": none              */
  const struct ArrowSchema *schema; /* for a dataset without data; borrowed                                            */
} mst_dataset_create_options;
#define MST_DATASET_CREATE_OPTIONS_INIT {.struct_size = sizeof(mst_dataset_create_options)}

/* Each stream becomes its own partition file(s); all are taken over, also on failure. `n` may be 0. MST_E_EXISTS unless
 * `overwrite`. `options` may be NULL. */
MST_API mst_status mst_dataset_create(mst_context *ctx, const char *url, const mst_dataset_options *options,
                                      const mst_dataset_create_options *create, struct ArrowArrayStream *streams, size_t n,
                                      mst_dataset **out, mst_bytes *report, mst_cancel *cancel, mst_error *err);
MST_API mst_status mst_dataset_create_in(mst_store *store, const char *uuid, const mst_dataset_options *options,
                                         const mst_dataset_create_options *create, struct ArrowArrayStream *streams, size_t n,
                                         mst_dataset **out, mst_bytes *report, mst_cancel *cancel, mst_error *err);

/* ---- changes ------------------------------------------------------------------------------------------------------ */

MST_API mst_status mst_change_open(mst_dataset *d, mst_change **out, mst_error *err);
/* Drops what was not committed; files written so far are left to garbage collection. */
MST_API void mst_change_free(mst_change *c);
/* Adds rows; the stream is taken over. Files are written at once, the commit comes later; so with all calls below. */
MST_API mst_status mst_change_append(mst_change *c, struct ArrowArrayStream *stream, mst_cancel *cancel, mst_error *err);
/* Removes whole partitions: plateau's delete scope, a JSON array of {column: value}; partition keys and secondary indices only. */
MST_API mst_status mst_change_remove(mst_change *c, const char *scope_json, mst_cancel *cancel, mst_error *err);
/* Removes partitions by their labels. */
MST_API mst_status mst_change_remove_labels(mst_change *c, const char *const *labels, size_t n, mst_cancel *cancel, mst_error *err);
/* Rows: only files that hold a match are rewritten. */
MST_API mst_status mst_change_delete(mst_change *c, const char *where, mst_cancel *cancel, mst_error *err);
MST_API mst_status mst_change_update(mst_change *c, const char *where, const char *set_json, mst_cancel *cancel, mst_error *err);
MST_API mst_status mst_change_upsert(mst_change *c, struct ArrowArrayStream *stream, const char *const *on, size_t n,
                                     mst_cancel *cancel, mst_error *err);
MST_API mst_status mst_change_compact(mst_change *c, const char *where, uint64_t target_bytes, const char *const *sort_by, size_t n,
                                      mst_cancel *cancel, mst_error *err);
MST_API mst_status mst_change_metadata(mst_change *c, const char *metadata_json, mst_error *err); /* merged at the top level */
MST_API mst_status mst_change_restore(mst_change *c, uint64_t version, mst_cancel *cancel, mst_error *err);
MST_API mst_status mst_change_build_index(mst_change *c, const char *column, mst_cancel *cancel, mst_error *err);
MST_API mst_status mst_change_drop_index(mst_change *c, const char *column, mst_error *err);
/* Explicit evolution: the table's columns become these (added columns, wider types). */
MST_API mst_status mst_change_schema(mst_change *c, const struct ArrowSchema *schema, mst_error *err);
/* Writes files on any worker and gives a small JSON fragment, which any change of this dataset takes in. */
MST_API mst_status mst_change_write(mst_change *c, struct ArrowArrayStream *stream, mst_bytes *fragment, mst_cancel *cancel, mst_error *err);
MST_API mst_status mst_change_add(mst_change *c, const char *fragment_json, mst_cancel *cancel, mst_error *err);
/* One conditional write. Disjoint changes of others are rebased over and retried; colliding ones are MST_E_CONFLICT and nothing is
 * changed. `report` (may be NULL) gets {"version", "rows_added", "rows_removed", "files_added", "files_removed"}; null = not told. */
MST_API mst_status mst_change_commit(mst_change *c, mst_dataset **out, mst_bytes *report, mst_cancel *cancel, mst_error *err);

/* ---- housekeeping ------------------------------------------------------------------------------------------------- */

/* Removes what no kept version names and what is older than `older_than_s` seconds (0: all); `keys` gets a JSON array. */
MST_API mst_status mst_dataset_gc(mst_dataset *d, uint64_t older_than_s, uint32_t dry_run, mst_bytes *keys, mst_cancel *cancel, mst_error *err);
/* JSON array, newest first: version, time, operation, rows_added, rows_removed … */
MST_API mst_status mst_dataset_log(mst_dataset *d, mst_bytes *out, mst_cancel *cancel, mst_error *err);
/* Forgets versions: all but the newest `keep` (0: by age), or those superseded more than `older_than_s` ago. */
MST_API mst_status mst_dataset_expire(mst_dataset *d, uint64_t keep, uint64_t older_than_s, mst_dataset **out, mst_cancel *cancel, mst_error *err);
/* Removes the dataset, a half-dropped one too; `keys` gets a JSON array. */
MST_API mst_status mst_dataset_drop(mst_context *ctx, const char *url, const mst_dataset_options *options, uint32_t dry_run,
                                    mst_bytes *keys, mst_cancel *cancel, mst_error *err);
MST_API mst_status mst_dataset_drop_in(mst_store *store, const char *uuid, const mst_dataset_options *options, uint32_t dry_run,
                                       mst_bytes *keys, mst_cancel *cancel, mst_error *err);

/* Whether several writers may share a store: races conditional writes of objects below `prefix` ("", "sales.meseta/"), which are removed
 * again: `writers` at once (0: 12), `rounds` times (0: 10). `report` gets {"safe", "create_only", "if_match", "doubled", "lost", "why"}; a
 * store that fails the trial is MST_OK all the same. */
MST_API mst_status mst_store_probe(mst_store *store, const char *prefix, uint32_t writers, uint32_t rounds, mst_bytes *report,
                                   mst_cancel *cancel, mst_error *err);

#ifdef __cplusplus
}
#endif
#endif
