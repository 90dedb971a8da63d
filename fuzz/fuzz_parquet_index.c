/* fuzz/fuzz_parquet_index.c - page indexes of Parquet files from outside: offset index and column index. What is
 * accepted must be what the reader relies on. */
#include <stdlib.h>

#include "parquet/page_index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHUNK_AT = 4, CHUNK_END = 1 << 20, ROWS = 5000 };

static void must(bool condition) {
  if (!condition) abort();
}

static void check_offsets(const mst_pq_offset_index *o) {
  uint64_t end = CHUNK_AT, row;
  size_t i;
  must(o->n > 0 && o->pages[0].first_row == 0);
  for (i = 0; i < o->n; i++) {
    must(o->pages[i].at >= end && o->pages[i].size > 0);
    end = o->pages[i].at + o->pages[i].size;
    must(end <= CHUNK_END && (i == 0 || o->pages[i].first_row >= o->pages[i - 1].first_row));
  }
  for (row = 0; row < ROWS; row += 97) {
    i = mst_pq_page_of_row(o, row);
    must(i < o->n && o->pages[i].first_row <= row && (i + 1 == o->n || o->pages[i + 1].first_row > row));
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mst_pq_offset_index offsets = {0};
  mst_pq_column_index bounds = {0};
  size_t i;
  if (mst_pq_offset_index_parse(NULL, data, size, CHUNK_AT, CHUNK_END, ROWS, &offsets, NULL) == MST_OK)
    check_offsets(&offsets);
  mst_pq_offset_index_free(NULL, &offsets);
  if (mst_pq_column_index_parse(NULL, data, size, &bounds, NULL) == MST_OK) {
    for (i = 0; i < bounds.n; i++) {
      const mst_pq_page_bounds *p = &bounds.pages[i];
      must(p->min.at <= size && p->min.size <= size - p->min.at && p->max.at <= size &&
           p->max.size <= size - p->max.at);
    }
  }
  mst_pq_column_index_free(NULL, &bounds);
  return 0;
}
