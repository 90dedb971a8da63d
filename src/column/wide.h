/* column/wide.h - signed integers of 256 bits, which hold decimals of every width.
 *
 * Owns: nothing. May call: base. Included by column/column.h. */
#ifndef MST_COLUMN_WIDE_H
#define MST_COLUMN_WIDE_H

#include "base/base.h"

/* Two's complement, lowest limb first. */
typedef struct mst_wide {
  uint64_t limb[4];
} mst_wide;

static inline bool mst_wide_negative(const mst_wide *a) { return a->limb[3] >> 63 != 0; }
static inline bool mst_wide_zero(const mst_wide *a) { return (a->limb[0] | a->limb[1] | a->limb[2] | a->limb[3]) == 0; }

static inline mst_wide mst_wide_from_i64(int64_t v) {
  const uint64_t sign = v < 0 ? UINT64_MAX : 0;
  return (mst_wide){{(uint64_t)v, sign, sign, sign}};
}
static inline mst_wide mst_wide_from_u64(uint64_t v) { return (mst_wide){{v, 0, 0, 0}}; }

static inline int mst_wide_compare(const mst_wide *a, const mst_wide *b) {
  const int64_t high_a = (int64_t)a->limb[3], high_b = (int64_t)b->limb[3];
  if (high_a != high_b) return high_a < high_b ? -1 : 1;
  for (int k = 2; k >= 0; k--)
    if (a->limb[k] != b->limb[k]) return a->limb[k] < b->limb[k] ? -1 : 1;
  return 0;
}

/* Little-endian bytes of a decimal column's value: 4, 8, 16 or 32 of them, sign-extended. */
mst_wide mst_wide_load(const void *p, uint32_t width);
/* The other way; false when the value does not fit. */
bool mst_wide_store(const mst_wide *a, uint32_t width, void *p);

mst_wide mst_wide_negate(const mst_wide *a);
/* a + b; false when it does not fit. */
bool mst_wide_add(const mst_wide *a, const mst_wide *b, mst_wide *out);
/* a * 10 + digit for a >= 0; false when it does not fit. */
bool mst_wide_push_digit(mst_wide *a, unsigned digit);
/* a * 10^n; false when it does not fit. */
bool mst_wide_scale_up(mst_wide *a, unsigned n);
/* a / 10^n rounded toward zero; true when nothing was cut off. */
bool mst_wide_scale_down(mst_wide *a, unsigned n);
bool mst_wide_to_i64(const mst_wide *a, int64_t *out);
bool mst_wide_to_u64(const mst_wide *a, uint64_t *out);
/* Nearest double. */
double mst_wide_to_double(const mst_wide *a);
/* Exact: false for NaN, infinity, fractions and what does not fit. */
bool mst_wide_from_double(double f, mst_wide *out);
/* "-123" with a NUL into at least 80 bytes; returns the number of characters. */
size_t mst_wide_print(const mst_wide *a, char out[80]);
/* Whether |a| < 10^precision. */
bool mst_wide_fits_precision(const mst_wide *a, int32_t precision);

#endif
