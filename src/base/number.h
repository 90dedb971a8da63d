/* base/number.h - decimal numbers in text, without locale: exactly rounded doubles and checked integers, fast enough for
 * columns of them. */
#ifndef MST_BASE_NUMBER_H
#define MST_BASE_NUMBER_H

#include "base/bits.h"

/* [+-]digits[.digits][e[+-]digits], with a digit on at least one side of the point; also inf, infinity and nan in any
 * case, with a sign. All n bytes must belong to it. Rounded to nearest, ties to even; too large gives infinity. */
bool mst_number_f64(const char *text, size_t n, double *out);
/* [+-]digits; false also when it does not fit. */
bool mst_number_i64(const char *text, size_t n, int64_t *out);
/* digits; false also when it does not fit. */
bool mst_number_u64(const char *text, size_t n, uint64_t *out);

/* The number that eight bytes 0 to 9 stand for, the first digit in the lowest byte. */
static inline uint64_t mst_number_sum(uint64_t v) {
  v = v * 10 + (v >> 8); /* pairs, then fours, then all */
  v = ((v & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x000f424000000064) +
       (v >> 16 & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x0000271000000001)) >> 32;
  return v & UINT32_MAX;
}
/* The value of eight digits, the first one in the lowest byte; false when one of the bytes is none. */
static inline bool mst_number_eight(uint64_t v, uint64_t *value) {
  if ((((v + UINT64_C(0x4646464646464646)) | (v - UINT64_C(0x3030303030303030))) & UINT64_C(0x8080808080808080)) != 0)
    return false;
  *value = mst_number_sum(v - UINT64_C(0x3030303030303030));
  return true;
}
/* The n digits, 1 to 7, at text, behind which at least 8 bytes may be read; false when one is none. */
static inline bool mst_number_short(const void *text, size_t n, uint64_t *value) {
  const unsigned bits = (unsigned)(8 * n);
  return mst_number_eight(mst_le64(text) << (64 - bits) | UINT64_C(0x3030303030303030) >> bits, value);
}
/* The same for columns of short numbers, in place. */
static inline bool mst_number_i64_inline(const char *text, size_t n, int64_t *out) {
  const size_t sign = n > 0 && text[0] == '-';
  uint64_t v = 0, wrong = 0;
  if (n > 12 || n == sign) return mst_number_i64(text, n, out);
  for (size_t i = sign; i < n; i++) {
    const uint64_t digit = (uint64_t)(unsigned char)(text[i] - '0');
    wrong |= digit > 9;
    v = v * 10 + digit;
  }
  *out = sign ? -(int64_t)v : (int64_t)v;
  return wrong == 0 || mst_number_i64(text, n, out);
}

#define MST_NUMBER_POWER_MIN (-342)
#define MST_NUMBER_POWER_MAX 308
/* 5**q for q from MIN to MAX, 128 bits with the highest one set, high word first. */
extern const uint64_t mst_number_powers[MST_NUMBER_POWER_MAX - MST_NUMBER_POWER_MIN + 1][2];

#endif
