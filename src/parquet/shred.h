/* parquet/shred.h - takes the rows of nested Arrow arrays apart into levels and runs of leaf values.
 *
 * Owns: the runs it collects. May call: base, column. */
#ifndef MST_PARQUET_SHRED_H
#define MST_PARQUET_SHRED_H

#include "parquet/rle_out.h"
#include "parquet/shape.h"

/* Values [first, first + count) of the leaf array's buffers, all valid. */
typedef struct mst_pq_run {
  int64_t first, count;
} mst_pq_run;

typedef struct mst_shred {
  const mst_allocator *mem;
  mst_rle_out def, rep; /* where levels go */
  mst_pq_run *runs;
  size_t n_runs, runs_capacity;
  int64_t values; /* in the runs                    */
  int64_t levels; /* entries so far, nulls included */
} mst_shred;

/* Rows [first, first + count) of a batch's column; appends to levels and runs. */
mst_status mst_shred_rows(mst_shred *s, const mst_pq_leaf *leaf, const struct ArrowArray *column, int64_t first,
                          int64_t count, mst_error *err);
/* The leaf's own array within the column. */
const struct ArrowArray *mst_shred_leaf(const mst_pq_leaf *leaf, const struct ArrowArray *column);
void mst_shred_free(mst_shred *s);

#endif
