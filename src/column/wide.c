/* column/wide.c - arithmetic on signed integers of 256 bits, as far as decimals need it.
 *
 * Owns: nothing. May call: base. */
#include "column/wide.h"

#include <math.h>

__extension__ typedef unsigned __int128 u128;

mst_wide mst_wide_load(const void *p, uint32_t width) {
  mst_wide a;
  if (width == 4) return mst_wide_from_i64((int32_t)mst_le32(p));
  if (width == 8) return mst_wide_from_i64((int64_t)mst_le64(p));
  a = mst_wide_from_i64((int64_t)mst_le64((const uint8_t *)p + width - 8));
  for (uint32_t k = width / 8; k < 4; k++) a.limb[k] = a.limb[1];
  for (uint32_t k = 0; k < width / 8; k++) a.limb[k] = mst_le64((const uint8_t *)p + 8 * k);
  return a;
}

bool mst_wide_store(const mst_wide *a, uint32_t width, void *p) {
  const uint64_t sign = mst_wide_negative(a) ? UINT64_MAX : 0;
  if (width == 4) {
    const int64_t v = (int64_t)a->limb[0];
    if (v < INT32_MIN || v > INT32_MAX) return false;
  }
  for (uint32_t k = (width + 7) / 8; k < 4; k++)
    if (a->limb[k] != sign) return false;
  if (width >= 8 && width < 32 && (a->limb[width / 8 - 1] >> 63 != 0) != (sign != 0)) return false;
  if (width == 4) {
    if (a->limb[1] != sign) return false;
    mst_put_le32(p, (uint32_t)a->limb[0]);
    return true;
  }
  for (uint32_t k = 0; k < width / 8; k++) mst_put_le64((uint8_t *)p + 8 * k, a->limb[k]);
  return true;
}

mst_wide mst_wide_negate(const mst_wide *a) {
  mst_wide r;
  uint64_t carry = 1;
  for (int k = 0; k < 4; k++) {
    r.limb[k] = ~a->limb[k] + carry;
    carry = carry != 0 && r.limb[k] == 0;
  }
  return r;
}

bool mst_wide_add(const mst_wide *a, const mst_wide *b, mst_wide *out) {
  mst_wide r;
  u128 sum = 0;
  for (int k = 0; k < 4; k++) {
    sum += (u128)a->limb[k] + b->limb[k];
    r.limb[k] = (uint64_t)sum;
    sum >>= 64;
  }
  if (mst_wide_negative(a) == mst_wide_negative(b) && mst_wide_negative(&r) != mst_wide_negative(a)) return false;
  *out = r;
  return true;
}

bool mst_wide_push_digit(mst_wide *a, unsigned digit) {
  mst_wide r;
  u128 carry = digit;
  for (int k = 0; k < 4; k++) {
    carry += (u128)a->limb[k] * 10;
    r.limb[k] = (uint64_t)carry;
    carry >>= 64;
  }
  if (carry != 0 || mst_wide_negative(&r)) return false;
  *a = r;
  return true;
}

bool mst_wide_scale_up(mst_wide *a, unsigned n) {
  const bool negative = mst_wide_negative(a);
  mst_wide r = negative ? mst_wide_negate(a) : *a;
  if (mst_wide_zero(a)) return true;
  if (mst_wide_negative(&r)) return n == 0; /* the lowest number has no positive twin */
  for (; n > 0; n--)
    if (!mst_wide_push_digit(&r, 0)) return false;
  *a = negative ? mst_wide_negate(&r) : r;
  return true;
}

/* |a| / by in place; the rest. */
static uint64_t divide(mst_wide *a, uint64_t by) {
  u128 rest = 0;
  for (int k = 3; k >= 0; k--) {
    rest = rest << 64 | a->limb[k];
    a->limb[k] = (uint64_t)(rest / by);
    rest %= by;
  }
  return (uint64_t)rest;
}

bool mst_wide_scale_down(mst_wide *a, unsigned n) {
  const bool negative = mst_wide_negative(a);
  mst_wide r = negative ? mst_wide_negate(a) : *a;
  bool exact = true;
  for (; n > 0 && !mst_wide_zero(&r); n--) exact = divide(&r, 10) == 0 && exact;
  *a = negative ? mst_wide_negate(&r) : r;
  return exact;
}

bool mst_wide_to_i64(const mst_wide *a, int64_t *out) {
  const uint64_t sign = a->limb[0] >> 63 != 0 ? UINT64_MAX : 0;
  if (a->limb[1] != sign || a->limb[2] != sign || a->limb[3] != sign) return false;
  *out = (int64_t)a->limb[0];
  return true;
}

bool mst_wide_to_u64(const mst_wide *a, uint64_t *out) {
  if ((a->limb[1] | a->limb[2] | a->limb[3]) != 0) return false;
  *out = a->limb[0];
  return true;
}

/* The upper 64 bits that matter, with one more set when a lower one is: so rounding them rounds the whole. */
double mst_wide_to_double(const mst_wide *a) {
  const bool negative = mst_wide_negative(a);
  const mst_wide r = negative ? mst_wide_negate(a) : *a;
  int top = 3, shift;
  uint64_t head, lost = 0;
  double f;
  while (top > 0 && r.limb[top] == 0) top--;
  if (top == 0) return negative ? -(double)r.limb[0] : (double)r.limb[0];
  shift = __builtin_clzll(r.limb[top]);
  head = r.limb[top] << shift;
  if (shift > 0) head |= r.limb[top - 1] >> (64 - shift);
  lost = shift > 0 ? r.limb[top - 1] << shift : r.limb[top - 1];
  for (int k = top - 2; k >= 0; k--) lost |= r.limb[k];
  f = ldexp((double)(head | (lost != 0)), 64 * top - shift);
  return negative ? -f : f;
}

bool mst_wide_from_double(double f, mst_wide *out) {
  mst_wide r = {{0}};
  int exponent, at;
  double fraction;
  uint64_t mantissa;
  if (!isfinite(f) || f != floor(f)) return false;
  if (f == 0) {
    *out = r;
    return true;
  }
  fraction = frexp(fabs(f), &exponent);
  if (exponent > 255) return false;
  mantissa = (uint64_t)ldexp(fraction, 53);
  at = exponent - 53;
  if (at <= 0) {
    r.limb[0] = mantissa >> -at;
  } else {
    r.limb[at / 64] = mantissa << (at % 64);
    if (at % 64 > 11) r.limb[at / 64 + 1] = mantissa >> (64 - at % 64);
  }
  *out = f < 0 ? mst_wide_negate(&r) : r;
  return true;
}

size_t mst_wide_print(const mst_wide *a, char out[80]) {
  const bool negative = mst_wide_negative(a);
  mst_wide r = negative ? mst_wide_negate(a) : *a;
  char digits[80];
  size_t n = 0, at = 0;
  do digits[n++] = (char)('0' + divide(&r, 10));
  while (!mst_wide_zero(&r));
  if (negative) out[at++] = '-';
  while (n > 0) out[at++] = digits[--n];
  out[at] = '\0';
  return at;
}

bool mst_wide_fits_precision(const mst_wide *a, int32_t precision) {
  const mst_wide magnitude = mst_wide_negative(a) ? mst_wide_negate(a) : *a;
  mst_wide power = mst_wide_from_i64(1);
  if (mst_wide_negative(&magnitude)) return false;
  if (precision < 0) return mst_wide_zero(a);
  if (!mst_wide_scale_up(&power, (unsigned)precision)) return true;
  return mst_wide_compare(&magnitude, &power) < 0;
}
