/* dataset/read.h - the rows of many partitions in order: what reading, counting, slices and row operations share.
 *
 * May call: base, column, expr, store, source/table.h, dataset's own headers. Private to the dataset module. */
#ifndef MST_DATASET_READ_H
#define MST_DATASET_READ_H

#include "dataset/lanes.h"
#include "dataset/part.h"
#include "dataset/prune.h"

/* One partition's share of a scan. */
typedef struct mst_scan_part {
  size_t part;
  bool all;        /* every row meets the condition                       */
  bool some_rows;  /* only `rows`                                         */
  mst_range rows;
} mst_scan_part;

/* All but `columns` are copied or referenced. */
typedef struct mst_scan_options {
  const size_t *columns; /* NULL: all; else copied */
  size_t n_columns;
  const mst_scan_part *parts; /* copied */
  size_t n_parts;
  mst_predicate *predicate; /* a reference is kept */
  bool no_pushdown;
  bool few_rows;       /* the consumer is likely to stop soon: no reading ahead of it */
  const uint64_t *limit;
  uint64_t batch_rows, memory;
} mst_scan_options;

/* Batches of partitions in order, several read at a time; [owned], one thread at a time. */
typedef struct mst_scan mst_scan;
mst_status mst_scan_open(mst_dataset *d, const mst_scan_options *options, mst_scan **out, mst_cancel *cancel, mst_error *err);
/* out->release is NULL at the end. `item` (may be NULL): number of the part the batch is of. */
mst_status mst_scan_next(mst_scan *s, struct ArrowArray *out, size_t *item, mst_error *err);
void mst_scan_close(mst_scan *s);

/* Rows of the candidates, UINT64_MAX where they are not known; `look`: then footers are read. (count.c) */
mst_status mst_rows_of_parts(mst_dataset *d, const mst_candidates *c, bool look, uint64_t *rows, mst_cancel *cancel, mst_error *err);

/* Field numbers of columns by name; MST_E_ARGUMENT names an unknown one and the nearest, or one that comes twice. */
mst_status mst_columns_find(const mst_dataset *d, const char *const *names, size_t n, size_t *out, mst_error *err);
/* `scan` (taken over, also on failure) as a stream of the columns `columns` (NULL: all), some of them dictionary-encoded, small batches
 * joined. Fields numbered as in the schema of the table. */
typedef struct mst_rows_options {
  const size_t *columns;
  size_t n_columns;
  const size_t *categoricals;
  size_t n_categoricals;
  const uint64_t *limit;
  uint64_t batch_rows;
} mst_rows_options;
mst_status mst_rows_stream(mst_dataset *d, mst_scan *scan, const mst_rows_options *options, struct ArrowArrayStream *out, mst_error *err);

#endif
