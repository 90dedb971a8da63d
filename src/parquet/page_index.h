/* parquet/page_index.h - where the pages of a column chunk lie, and what bounds their values: offset index and column
 * index.
 *
 * Owns: their memory. May call: base. */
#ifndef MST_PARQUET_PAGE_INDEX_H
#define MST_PARQUET_PAGE_INDEX_H

#include "parquet/footer.h"

/* A data page, header and all. */
typedef struct mst_pq_page_place {
  uint64_t at, size;
  uint64_t first_row; /* in the row group; pages begin with a row */
} mst_pq_page_place;

typedef struct mst_pq_offset_index {
  mst_pq_page_place *pages;
  size_t n;
} mst_pq_offset_index;

typedef struct mst_pq_page_bounds {
  mst_pq_slice min, max; /* in the bytes that were parsed */
  int64_t nulls;         /* -1: unknown    */
  int64_t nans;          /* -1: unknown    */
  bool all_null;         /* no min and max */
} mst_pq_page_bounds;

typedef struct mst_pq_column_index {
  mst_pq_page_bounds *pages;
  size_t n;
  int32_t boundary_order; /* 0 none, 1 rising, 2 falling */
} mst_pq_column_index;

/* `what` gets the reason when the index cannot be used: MST_E_CORRUPT. The pages must lie in order inside the chunk,
 * and their rows rise from 0 to below `rows`. */
mst_status mst_pq_offset_index_parse(const mst_allocator *mem, const uint8_t *data, size_t n, uint64_t chunk_at,
                                     uint64_t chunk_end, uint64_t rows, mst_pq_offset_index *out, mst_error *err);
void mst_pq_offset_index_free(const mst_allocator *mem, mst_pq_offset_index *index);
/* The number of the page that holds `row`. */
size_t mst_pq_page_of_row(const mst_pq_offset_index *index, uint64_t row);

mst_status mst_pq_column_index_parse(const mst_allocator *mem, const uint8_t *data, size_t n, mst_pq_column_index *out,
                                     mst_error *err);
void mst_pq_column_index_free(const mst_allocator *mem, mst_pq_column_index *index);

#endif
