/* parquet/sketch_out.h - what a footer tells of a column chunk beyond its bounds: level histograms, sizes of text, and
 * Bloom filters.
 *
 * Owns: nothing. May call: base, column. */
#ifndef MST_PARQUET_SKETCH_OUT_H
#define MST_PARQUET_SKETCH_OUT_H

#include "parquet/kernels.h"
#include "parquet/shred.h"

/* Counters of one page's histogram: of nested columns alone, others tell the same by their nulls. */
size_t mst_pq_histogram_size(const mst_pq_leaf *leaf);
/* Appends how often each repetition level and then each definition level occurs, as uint64. */
mst_status mst_pq_put_histogram(const mst_pq_leaf *leaf, const mst_pq_kernels *kernels, const mst_shred *levels,
                                mst_block *out, mst_error *err);
/* Bytes of the byte strings in the runs. */
uint64_t mst_pq_text_size(const mst_pq_leaf *leaf, const struct ArrowArray *array, const mst_pq_run *runs,
                          size_t n_runs);

/* Appends the hash of each of n PLAIN values; `width` 0: byte strings. */
mst_status mst_pq_put_hashes(uint32_t width, const uint8_t *plain, size_t n, mst_block *hashes, mst_error *err);
/* A filter with its header for the values of these hashes; none leave `out` empty. */
mst_status mst_pq_bloom_make(const mst_block *hashes, double share, mst_block *out, mst_error *err);

#endif
