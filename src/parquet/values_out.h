/* parquet/values_out.h - Arrow leaf values as PLAIN bytes, with their statistics.
 *
 * Owns: nothing. May call: base, column. */
#ifndef MST_PARQUET_VALUES_OUT_H
#define MST_PARQUET_VALUES_OUT_H

#include "parquet/shred.h"
#include "parquet/stats.h"

/* Appends the values of the runs to `out` as PLAIN; bools go bit by bit, `*bits` says how many are there already.
 * `stats` may be NULL. */
mst_status mst_pq_put_plain(const mst_pq_leaf *leaf, const struct ArrowArray *array, const mst_pq_run *runs,
                            size_t n_runs, mst_block *out, uint64_t *bits, mst_pq_stats *stats, mst_error *err);

#endif
