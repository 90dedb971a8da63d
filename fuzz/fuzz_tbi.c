/* fuzz/fuzz_tbi.c - a .tbi, decompressed: it is refused, or every contig can be asked for any region; what comes out is in order. */
#include <stdint.h>
#include <stdlib.h>

#include "format/vcf_tabix.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_contig(const mst_tabix *t, size_t i, uint64_t first, uint64_t last) {
  mst_tabix_chunk *chunks = NULL;
  mst_tabix_mark *marks = NULL;
  size_t n = 0;
  mst_assert(mst_tabix_find(t, i, first, last, &chunks, &n, NULL) == MST_OK);
  for (size_t k = 0; k < n; k++) mst_assert(chunks[k].begin < chunks[k].end && (k == 0 || chunks[k].begin > chunks[k - 1].end));
  mst_free(NULL, chunks);
  mst_assert(mst_tabix_marks(t, i, first, last, &marks, &n, NULL) == MST_OK);
  for (size_t k = 1; k < n; k++) mst_assert(marks[k].position > marks[k - 1].position && marks[k].offset > marks[k - 1].offset);
  mst_free(NULL, marks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mst_tabix *t = NULL;
  uint8_t *copy;
  if (size < 4) return 0;
  copy = malloc(size);
  mst_assert(copy != NULL);
  memcpy(copy, data, size);
  memcpy(copy, "TBI\1", 4);
  if (mst_tabix_open(NULL, copy, size, &t, NULL) == MST_OK) {
    for (size_t i = 0; i < mst_tabix_contigs(t) && i < 8; i++) {
      mst_assert(mst_tabix_contig(t, i) != NULL);
      check_contig(t, i, 1, UINT64_C(1) << 48);
      check_contig(t, i, 1 + data[size - 1] * 1000u, 20000 + data[size - 1] * 1000u);
    }
    mst_tabix_close(t);
  }
  free(copy);
  return 0;
}
