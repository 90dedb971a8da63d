/* parquet/shred.h - takes the rows of nested Arrow arrays apart into levels and runs of leaf values.
 *
 * Owns: the levels and runs it collects. May call: base, column. */
#ifndef MST_PARQUET_SHRED_H
#define MST_PARQUET_SHRED_H

#include "parquet/shape.h"

/* Values [first, first + count) of the leaf array's buffers, all valid. */
typedef struct mst_pq_run {
  int64_t first, count;
} mst_pq_run;

typedef struct mst_shred {
  const mst_allocator *mem;
  mst_block def, rep; /* a byte for each entry; empty where the highest level is 0 */
  mst_pq_run *runs;
  size_t n_runs, runs_capacity;
  size_t run_floor; /* runs before it belong to another array */
  int64_t values;   /* in the runs                    */
  int64_t levels;   /* entries so far, nulls included */
} mst_shred;

void mst_shred_init(mst_shred *s, const mst_allocator *mem);
void mst_shred_clear(mst_shred *s); /* keeps the memory */
void mst_shred_free(mst_shred *s);
/* Rows [first, first + count) of a batch's column; appends to levels and runs. */
mst_status mst_shred_rows(mst_shred *s, const mst_pq_leaf *leaf, const struct ArrowArray *column, int64_t first,
                          int64_t count, mst_error *err);
/* The leaf's own array within the column. */
const struct ArrowArray *mst_shred_leaf(const mst_pq_leaf *leaf, const struct ArrowArray *column);

#endif
