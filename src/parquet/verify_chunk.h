/* parquet/verify_chunk.h - one column chunk under examination.
 *
 * Owns: what it reads of the chunk. May call: base, codec, column, expr. */
#ifndef MST_PARQUET_VERIFY_CHUNK_H
#define MST_PARQUET_VERIFY_CHUNK_H

#include "parquet/bounds.h"
#include "parquet/column_in.h"

/* What is claimed about some values, and what was seen of them. */
typedef struct mst_pq_claim {
  mst_bounds bounds;
  int64_t nulls, nans; /* -1: nothing is claimed */
  bool all_null;
  uint64_t seen_nulls, seen_nans, seen_values;
} mst_pq_claim;

typedef struct mst_pq_check {
  mst_parquet_file *file; /* borrowed */
  size_t group;
  mst_pq_bounded bounded;
  bool nested;
  mst_bytes offset, columns, bloom; /* as they came */
  mst_pq_offset_index offset_index;
  mst_pq_column_index column_index;
  const uint8_t *filter; /* of the Bloom filter, behind its header */
  size_t filter_size;
  mst_pq_column_in column;
  bool is_open, is_done;
  size_t page;
  mst_pq_claim chunk_claim, page_claim;
  mst_status status;
  mst_error error;
} mst_pq_check;

void mst_pq_check_free(mst_pq_check *c);
/* Goes on until bytes are missing, everything is checked (`is_done`) or a fault is found (`status`). */
void mst_pq_check_run(mst_pq_check *c, mst_pq_tools *tools);

#endif
