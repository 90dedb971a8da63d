/* parquet/encode_out.h - PLAIN values in the other encodings.
 *
 * Owns: nothing. May call: base, column. */
#ifndef MST_PARQUET_ENCODE_OUT_H
#define MST_PARQUET_ENCODE_OUT_H

#include "column/column.h"
#include "parquet/format.h"

/* Whether an encoding can hold a physical type; PLAIN and both dictionary forms are not asked for here. */
bool mst_pq_can_encode(mst_pq_encoding encoding, mst_pq_physical physical);
/* `n` values, PLAIN in plain[0 … size), appended to `out` in `encoding` (bools: bits). */
mst_status mst_pq_encode(mst_pq_encoding encoding, uint32_t width, const uint8_t *plain, size_t size, size_t n,
                         mst_block *out, mst_error *err);

#endif
