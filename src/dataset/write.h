/* dataset/write.h - rows into data files: one Arrow stream in, new files of a dataset out, nothing committed.
 *
 * One stream is one input frame: its files share a fresh uuid and differ in the partition keys before it.
 * Owns: lists of new files. May call: base, column, expr, store, parquet, source/table.h. Private to the dataset module. */
#ifndef MST_DATASET_WRITE_H
#define MST_DATASET_WRITE_H

#include "base/base.h"
#include "column/column.h"
#include "dataset/state.h"
#include "expr/expr.h"
#include "parquet/parquet.h"

/* What is known of one column of one file. */
typedef struct mst_file_stat {
  char *column;
  mst_bounds bounds;   /* scalars of the table's type; long texts are cut, the upper one raised */
  uint8_t *low, *high; /* own the texts of bounds, or NULL */
} mst_file_stat;

/* The distinct values of an indexed column in one file, without nulls, in the table's normal type. */
typedef struct mst_file_values {
  char *column;
  struct ArrowSchema type;
  struct ArrowArray values; /* values.release is NULL in a list from a fragment that was too large: read from the file then */
} mst_file_values;

typedef struct mst_new_file {
  char *label;
  char *key;
  uint64_t rows, bytes;
  mst_file_stat *stats;
  size_t n_stats;
  mst_file_values *indexed; /* one for each of the settings' indices, in their order */
  size_t n_indexed;
} mst_new_file;

/* [owned] */
typedef struct mst_new_files {
  const mst_allocator *mem;
  mst_new_file *items;
  size_t n, capacity;
  struct ArrowSchema schema; /* the table's schema after these: the settings' united with each stream's; maybe empty */
} mst_new_files;
void mst_new_files_init(mst_new_files *list, const mst_allocator *mem);
void mst_new_files_free(mst_new_files *list);
void mst_new_file_end(const mst_allocator *mem, mst_new_file *file); /* what it owns */
/* Takes `file` over, also on failure. */
mst_status mst_new_files_put(mst_new_files *list, mst_new_file *file, mst_error *err);

/* All borrowed. Zero means default. */
typedef struct mst_write_settings {
  mst_store *store;
  mst_context *ctx;
  const char *uuid, *table;
  const struct ArrowSchema *schema; /* the table's, which streams must fit; NULL: the first stream decides              */
  const char *const *keys;          /* partition_on                                                                      */
  size_t n_keys;
  const char *const *indices;
  size_t n_indices;
  const char *const *sort_by; /* within each file                                                                        */
  size_t n_sort_by;
  const char *bucket_by;      /* rows are hashed by this column into `buckets` files before partitioning                 */
  uint32_t buckets;
  mst_parquet_codec codec;
  uint64_t row_group_rows;
  uint64_t memory;      /* 0: the context's budget                                                                       */
  const char *prefix;   /* all rows belong to the partition of these quoted "k=v/" parts; the stream has no key columns  */
  uint64_t file_rows;   /* a file of this many rows is closed and a next one begun (its name then has a uuid of its own); 0: no limit */
  bool plateau;         /* as plateau writes: types as given, row groups, codec, no statistics; without partition keys a stream
                           without rows gives a file without rows                                                       */
} mst_write_settings;
/* What a dataset asks of new files; borrowed from `d`, but `keys` and `indices`, which `mst_write_settings_free` frees. */
mst_status mst_write_settings_of(mst_dataset *d, mst_write_settings *out, mst_error *err);
void mst_write_settings_free(mst_dataset *d, mst_write_settings *s);

/* Writes all rows of `stream` (taken over, also on failure) into files and appends them to `out`. On failure files that were closed
 * may stay in the store, unreferenced. */
mst_status mst_files_write(const mst_write_settings *s, struct ArrowArrayStream *stream, mst_new_files *out, mst_cancel *cancel,
                           mst_error *err);

/* A fragment: small JSON; index values beyond `values_max` bytes of text are left out (and re-read from the files at commit). */
mst_status mst_new_files_to_json(const mst_new_files *list, size_t values_max, json_t **out, mst_error *err);
/* Hostile: labels and keys are checked against `d`'s prefix. */
mst_status mst_new_files_from_json(const json_t *value, const mst_dataset *d, mst_new_files *out, mst_error *err);

#endif
