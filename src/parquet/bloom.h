/* parquet/bloom.h - split block Bloom filters (parquet-format BloomFilter.md) over XXH64 of PLAIN values.
 *
 * Owns: nothing. May call: base. */
#ifndef MST_PARQUET_BLOOM_H
#define MST_PARQUET_BLOOM_H

#include "base/base.h"

enum { MST_PQ_BLOOM_BLOCK = 32, MST_PQ_BLOOM_MOST = 128 << 20 };

/* XXH64 with seed 0: of a value as PLAIN stores it, byte strings without their length. */
uint64_t mst_pq_hash64(const void *data, size_t n);
/* Bytes of a filter for `distinct` values of which `share` (between 0 and 1) may be found although they are not there:
 * a power of two, 32 … MST_PQ_BLOOM_MOST. */
size_t mst_pq_bloom_size(uint64_t distinct, double share);
/* `filter` is `size` bytes, a multiple of 32 that is not 0. */
void mst_pq_bloom_add(uint8_t *filter, size_t size, uint64_t hash);
bool mst_pq_bloom_may_have(const uint8_t *filter, size_t size, uint64_t hash);
/* The header in front of a filter: appended; and read, where `*head` is its length and `*size` that of the filter.
 * `*whole` is false when `n` bytes are not enough for the header. A filter of another kind is MST_E_UNSUPPORTED. */
mst_status mst_pq_bloom_put_head(mst_buf *out, size_t size, mst_error *err);
mst_status mst_pq_bloom_head(const uint8_t *data, size_t n, bool *whole, size_t *head, size_t *size, mst_error *err);

#endif
