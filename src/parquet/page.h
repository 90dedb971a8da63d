/* parquet/page.h - page headers.
 *
 * Owns: nothing. May call: base. */
#ifndef MST_PARQUET_PAGE_H
#define MST_PARQUET_PAGE_H

#include "parquet/format.h"

typedef struct mst_pq_page {
  mst_pq_page_type type;
  uint32_t head_size;
  uint32_t plain_size, packed_size; /* of the body */
  uint32_t crc;
  bool has_crc;
  uint32_t n_values; /* values and nulls */
  int32_t encoding, def_encoding, rep_encoding;
  bool packed;                                  /* v2: values are compressed */
  uint32_t n_nulls, n_rows, def_size, rep_size; /* v2 */
} mst_pq_page;

typedef enum mst_pq_page_parse { MST_PQ_PAGE_GOOD, MST_PQ_PAGE_SHORT, MST_PQ_PAGE_BAD } mst_pq_page_parse;

/* SHORT: the header may go on behind `n` bytes. BAD: `*what` and `*at` say what is wrong at which byte of it. */
mst_pq_page_parse mst_pq_page_head(const uint8_t *data, size_t n, mst_pq_page *out, const char **what, size_t *at);

#endif
