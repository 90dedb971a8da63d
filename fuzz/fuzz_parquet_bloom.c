/* fuzz/fuzz_parquet_bloom.c - Bloom filters of Parquet files from outside: the header, and questions to what follows.
 */
#include <stdlib.h>

#include "parquet/bloom.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  bool whole = false;
  size_t head = 0, filter = 0, i;
  if (mst_pq_bloom_head(data, size, &whole, &head, &filter, NULL) != MST_OK || !whole) return 0;
  if (head > size || filter == 0 || filter % MST_PQ_BLOOM_BLOCK != 0) abort();
  if (filter > size - head) return 0;
  for (i = 0; i < 64; i++) mst_pq_bloom_may_have(data + head, filter, mst_pq_hash64(&i, sizeof i));
  return 0;
}
