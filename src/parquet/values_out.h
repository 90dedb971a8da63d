/* parquet/values_out.h - Arrow leaf values as PLAIN bytes, with their statistics.
 *
 * Owns: nothing. May call: base, column. */
#ifndef MST_PARQUET_VALUES_OUT_H
#define MST_PARQUET_VALUES_OUT_H

#include "parquet/kernels.h"
#include "parquet/shred.h"
#include "parquet/stats.h"

/* Appends the values of the runs to `out` as PLAIN; bools go bit by bit, `*bits` says how many are there already.
 * `stats` may be NULL. */
mst_status mst_pq_put_plain(const mst_pq_leaf *leaf, const mst_pq_kernels *kernels, const struct ArrowArray *array,
                            const mst_pq_run *runs, size_t n_runs, mst_block *out, uint64_t *bits, mst_pq_stats *stats,
                            mst_error *err);

/* The same for text and bytes with offsets, as DELTA_LENGTH_BYTE_ARRAY: the bytes of a run are copied at once. */
mst_status mst_pq_put_delta_lengths(const mst_pq_leaf *leaf, const struct ArrowArray *array, const mst_pq_run *runs,
                                    size_t n_runs, mst_block *out, mst_pq_stats *stats, mst_error *err);

/* The smallest and largest byte strings met so far, in place; a prefix as a big-endian number settles most comparisons.
 */
typedef struct mst_pq_text_range {
  const uint8_t *min, *max;
  size_t min_size, max_size;
  uint64_t min_head, max_head;
} mst_pq_text_range;
void mst_pq_text_range_add(mst_pq_text_range *r, mst_pq_order order, const uint8_t *p, size_t n);
/* Adds them to `stats`. */
void mst_pq_text_range_end(const mst_pq_text_range *r, mst_pq_order order, bool text, mst_pq_stats *stats);

#endif
