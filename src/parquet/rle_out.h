/* parquet/rle_out.h - writes the RLE / bit-packed hybrid of levels and dictionary indices, a page at once.
 *
 * Owns: nothing. May call: base, column. */
#ifndef MST_PARQUET_RLE_OUT_H
#define MST_PARQUET_RLE_OUT_H

#include "column/column.h"

/* n levels, a byte each, of `width` bits (1 … 8); appends to `out`. */
mst_status mst_rle_put_levels(mst_block *out, const uint8_t *levels, size_t n, unsigned width, mst_error *err);
/* n indices of `width` bits (0 … 32). */
mst_status mst_rle_put_indices(mst_block *out, const uint32_t *indices, size_t n, unsigned width, mst_error *err);
/* Bits that values 0 … max take. */
static inline unsigned mst_bit_width(uint32_t max) { return max == 0 ? 0 : 32 - (unsigned)__builtin_clz(max); }

#endif
