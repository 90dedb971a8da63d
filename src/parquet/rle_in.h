/* parquet/rle_in.h - reads levels and dictionary indices: the RLE / bit-packed hybrid and the old BIT_PACKED.
 *
 * Owns: nothing; a reader borrows the page. May call: base. */
#ifndef MST_PARQUET_RLE_IN_H
#define MST_PARQUET_RLE_IN_H

#include "parquet/kernels.h"

typedef struct mst_rle_in {
  const mst_pq_kernels *kernels;
  const uint8_t *at, *end; /* what is not begun            */
  unsigned width;          /* bits a value, 0 … 32         */
  uint64_t repeats;        /* left of an RLE run           */
  uint32_t value;          /* of it                        */
  const uint8_t *packed;   /* the open bit-packed run      */
  const uint8_t *packed_end;
  uint64_t literals; /* left in it                   */
  uint64_t bit;      /* of the next one in `packed`  */
  bool most_first;   /* the old BIT_PACKED           */
} mst_rle_in;

void mst_rle_in_begin(mst_rle_in *r, const mst_pq_kernels *kernels, const uint8_t *data, size_t n, unsigned width);
void mst_bit_packed_begin(mst_rle_in *r, const mst_pq_kernels *kernels, const uint8_t *data, size_t n, unsigned width);
/* The next `n` values; false when there are not so many, or a run is broken. */
bool mst_rle_in_u32(mst_rle_in *r, uint32_t *out, size_t n);
bool mst_rle_in_u8(mst_rle_in *r, uint8_t *out, size_t n); /* width at most 8 */
/* For width 1: the next `n` values as bits behind the first `at` ones of `bits`, whose rest is zero; counts the ones.
 */
bool mst_rle_in_bits(mst_rle_in *r, uint8_t *bits, size_t at, size_t n, size_t *ones);
/* Sets n bits. */
void mst_set_bits(uint8_t *bits, size_t at, size_t n);
/* How many of the next values are equal to one another without looking further than the open run, at most `n`; 0 when
 * the next run is bit-packed. They are consumed. */
size_t mst_rle_in_equal(mst_rle_in *r, size_t n, uint32_t *value);

#endif
