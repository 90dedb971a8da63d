/* parquet/values_in.h - reads the values of one page, in any encoding, as stored values.
 *
 * Owns: scratch memory. May call: base, column. */
#ifndef MST_PARQUET_VALUES_IN_H
#define MST_PARQUET_VALUES_IN_H

#include "column/column.h"
#include "parquet/delta_in.h"
#include "parquet/format.h"
#include "parquet/rle_in.h"

typedef struct mst_values_in {
  const mst_pq_kernels *kernels;
  mst_pq_physical physical;
  uint32_t width; /* of a stored value of fixed width; 0: BOOLEAN, BYTE_ARRAY */
  int encoding;
  const uint8_t *at, *end;
  uint64_t bit;         /* PLAIN bools                                         */
  uint64_t stream_size; /* BYTE_STREAM_SPLIT: values in the page               */
  uint64_t stream_at;   /* BYTE_STREAM_SPLIT: the next one                     */
  mst_rle_in indices;   /* dictionary indices, RLE bools                       */
  mst_delta_in delta;   /* DELTA_BINARY_PACKED                                 */
  mst_block lengths;    /* DELTA_LENGTH_BYTE_ARRAY, DELTA_BYTE_ARRAY: int32    */
  mst_block prefixes;   /* DELTA_BYTE_ARRAY: int32                             */
  size_t lengths_at;    /* the next one                                        */
  mst_block last;       /* DELTA_BYTE_ARRAY: the value before                  */
} mst_values_in;

void mst_values_in_init(mst_values_in *v, const mst_allocator *mem, const mst_pq_kernels *kernels);
void mst_values_in_free(mst_values_in *v);
/* `n_values` is the most that the page can hold (its values and nulls). MST_E_CORRUPT and MST_E_UNSUPPORTED say why. */
mst_status mst_values_in_begin(mst_values_in *v, mst_pq_physical physical, uint32_t width, int encoding,
                               const uint8_t *data, size_t n, uint32_t n_values, mst_error *err);
/* The next n values of fixed width, in place or in `scratch`. */
mst_status mst_values_in_fixed(mst_values_in *v, size_t n, mst_block *scratch, const uint8_t **out, mst_error *err);
/* The next n bools as bits behind the first `at` of `bits`, whose rest is zero. */
bool mst_values_in_bools(mst_values_in *v, uint8_t *bits, size_t at, size_t n);
bool mst_values_in_indices(mst_values_in *v, uint32_t *out, size_t n);
/* The next byte strings, at most n and while `data` stays below `most` bytes (but at least one): appends their bytes to
 * `data` and the ends to `ends` (`wide`: int64, else int32). `*got` of them. */
mst_status mst_values_in_bytes(mst_values_in *v, size_t n, size_t most, bool wide, mst_block *data, mst_block *ends,
                               size_t *got, mst_error *err);

#endif
