/* parquet/stats.h - minimum and maximum of values in Parquet's orders, as statistics and indexes keep them.
 *
 * Owns: nothing. May call: base. */
#ifndef MST_PARQUET_STATS_H
#define MST_PARQUET_STATS_H

#include "parquet/format.h"
#include "parquet/kernels.h"

/* Longer bounds are cut: a prefix bounds from below, a prefix whose last byte was raised from above. */
#define MST_PQ_BOUND_MAX 64

typedef struct mst_pq_bound {
  uint8_t bytes[MST_PQ_BOUND_MAX]; /* as PLAIN, without a length */
  uint32_t size;
  bool exact;
} mst_pq_bound;

typedef struct mst_pq_stats {
  bool has;  /* min and max hold */
  bool none; /* something could not be bounded: no min and max at all */
  mst_pq_bound min, max;
  uint64_t nulls;
  uint64_t nans;
} mst_pq_stats;

/* n values of a fixed width, as PLAIN lays them out. */
void mst_pq_stats_fixed(mst_pq_stats *s, const mst_pq_kernels *kernels, mst_pq_order order, const uint8_t *values,
                        size_t n, uint32_t width);
/* Bools, by what occurred. */
void mst_pq_stats_bools(mst_pq_stats *s, bool any_false, bool any_true);
/* The smallest and largest of some byte strings; `text` keeps cut bounds valid UTF-8. */
void mst_pq_stats_bytes(mst_pq_stats *s, mst_pq_order order, bool text, const uint8_t *min, size_t min_size,
                        const uint8_t *max, size_t max_size);
/* Values of `from` join those of `s`. */
void mst_pq_stats_merge(mst_pq_stats *s, mst_pq_order order, const mst_pq_stats *from);
/* Below, at or above 0 as a sorts before, with or behind b; both non-NaN. */
int mst_pq_compare(mst_pq_order order, const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size);

#endif
