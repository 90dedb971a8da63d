/* parquet/convert.h - stored values become Arrow values, and dense ones make room for nulls.
 *
 * Owns: nothing. May call: base, column. */
#ifndef MST_PARQUET_CONVERT_H
#define MST_PARQUET_CONVERT_H

#include "parquet/fields.h"

/* n stored values of fixed width to n Arrow values of `width` bytes; false when one is out of range. */
bool mst_pq_convert(mst_pq_conv conv, const uint8_t *from, uint32_t stored_width, size_t n, uint8_t *to,
                    uint32_t width);
/* One big-endian number of any length to `width` bytes little-endian; false when it does not fit. */
bool mst_pq_convert_big(const uint8_t *from, size_t n, uint8_t *to, uint32_t width);
/* m dense values at `values` move to the slots whose bit is set among the n bits at `at`; the other slots become 0. */
void mst_pq_spread(uint8_t *values, uint32_t width, const uint8_t *bits, size_t at, size_t n, size_t m);
/* The same for bits behind the first `at` of `values`. */
void mst_pq_spread_bits(uint8_t *values, const uint8_t *bits, size_t at, size_t n, size_t m);
/* The same for ends of byte strings: a null ends where the value before it does; `before` is the end before the first.
 */
void mst_pq_spread_ends(uint8_t *ends, bool wide, uint64_t before, const uint8_t *bits, size_t at, size_t n, size_t m);

#endif
