/* parquet/rle_out.h - writes the RLE / bit-packed hybrid of levels and dictionary indices.
 *
 * Owns: nothing but a few pending values. May call: base, column. */
#ifndef MST_PARQUET_RLE_OUT_H
#define MST_PARQUET_RLE_OUT_H

#include "column/column.h"

typedef struct mst_rle_out {
  mst_block *out;
  unsigned width;   /* bits a value, 0 … 32 */
  uint32_t value;   /* the last one          */
  uint64_t repeats; /* how often it came in a row; below 8 the values also lie in `pending` */
  uint32_t pending[8];
  unsigned n_pending;
  size_t head_at;  /* where the open literal run's head lies in `out` */
  unsigned groups; /* groups of 8 in the open literal run, 0: none is open */
} mst_rle_out;

void mst_rle_out_begin(mst_rle_out *r, mst_block *out, unsigned width);
mst_status mst_rle_out_put(mst_rle_out *r, uint32_t v, mst_error *err);
mst_status mst_rle_out_run(mst_rle_out *r, uint32_t v, uint64_t n, mst_error *err);
/* n values from a bitmap, beginning at bit `at`: base + bit. */
mst_status mst_rle_out_bits(mst_rle_out *r, const uint8_t *bits, int64_t at, int64_t n, uint32_t base, mst_error *err);
mst_status mst_rle_out_end(mst_rle_out *r, mst_error *err);
/* Bits that values 0 … max take. */
static inline unsigned mst_bit_width(uint32_t max) { return max == 0 ? 0 : 32 - (unsigned)__builtin_clz(max); }

#endif
