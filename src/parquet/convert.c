/* parquet/convert.c - from Parquet's stored values to Arrow's.
 *
 * Owns: nothing. May call: base. */
#include "parquet/convert.h"

static void narrow(const uint8_t *from, size_t n, uint8_t *to, uint32_t width) {
  size_t i;
  if (width == 1) {
    for (i = 0; i < n; i++) to[i] = from[4 * i];
  } else {
    for (i = 0; i < n; i++) memcpy(to + 2 * i, from + 4 * i, 2);
  }
}

static bool widen(const uint8_t *from, uint32_t stored, size_t n, uint8_t *to, uint32_t width) {
  size_t i;
  for (i = 0; i < n; i++) {
    int64_t v = stored == 4 ? (int64_t)(int32_t)mst_le32(from + 4 * i) : (int64_t)mst_le64(from + 8 * i);
    if (width == 4 && v != (int32_t)v) return false;
    memset(to + i * width, v < 0 ? 0xff : 0, width);
    memcpy(to + i * width, &v, width < 8 ? width : 8);
  }
  return true;
}

bool mst_pq_convert_big(const uint8_t *from, size_t n, uint8_t *to, uint32_t width) {
  uint8_t sign = n > 0 && from[0] >= 0x80 ? 0xff : 0;
  size_t i;
  for (; n > width; from++, n--)
    if (*from != sign) return false;
  if (n == width && n > 0 && (from[0] >= 0x80) != (sign != 0)) return false;
  for (i = 0; i < n; i++) to[i] = from[n - 1 - i];
  memset(to + n, sign, width - n);
  return true;
}

/* Nanoseconds of the day, then the Julian day. */
static bool int96(const uint8_t *from, size_t n, uint8_t *to) {
  size_t i;
  for (i = 0; i < n; i++) {
    int64_t ns = (int64_t)mst_le64(from + 12 * i), day = (int64_t)mst_le32(from + 12 * i + 8) - 2440588, v;
    if (__builtin_mul_overflow(day, INT64_C(86400000000000), &v) || __builtin_add_overflow(v, ns, &v)) return false;
    memcpy(to + 8 * i, &v, 8);
  }
  return true;
}

bool mst_pq_convert(mst_pq_conv conv, const uint8_t *from, uint32_t stored_width, size_t n, uint8_t *to,
                    uint32_t width) {
  size_t i;
  switch (conv) {
  case MST_PQ_CONV_NARROW: narrow(from, n, to, width); return true;
  case MST_PQ_CONV_WIDEN: return widen(from, stored_width, n, to, width);
  case MST_PQ_CONV_INT96: return int96(from, n, to);
  case MST_PQ_CONV_BIG:
    for (i = 0; i < n; i++)
      if (!mst_pq_convert_big(from + i * stored_width, stored_width, to + i * width, width)) return false;
    return true;
  default:
    if (n > 0 && width > 0) memcpy(to, from, n * width);
    return true;
  }
}

static inline bool bit(const uint8_t *bits, size_t i) { return (bits[i >> 3] >> (i & 7) & 1) != 0; }

/* From the back, so that values move over ones that have moved already. */
#define SPREAD(type)                                    \
  do {                                                  \
    type v, zero = 0;                                   \
    while (i > m) {                                     \
      i--;                                              \
      if (bit(bits, at + i)) {                          \
        memcpy(&v, values + --m * sizeof v, sizeof v);  \
        memcpy(values + i * sizeof v, &v, sizeof v);    \
      } else {                                          \
        memcpy(values + i * sizeof v, &zero, sizeof v); \
      }                                                 \
    }                                                   \
  } while (0)

void mst_pq_spread(uint8_t *values, uint32_t width, const uint8_t *bits, size_t at, size_t n, size_t m) {
  size_t i = n;
  switch (width) {
  case 0: return;
  case 1: SPREAD(uint8_t); return;
  case 2: SPREAD(uint16_t); return;
  case 4: SPREAD(uint32_t); return;
  case 8: SPREAD(uint64_t); return;
  default: break;
  }
  while (i > m) {
    i--;
    if (bit(bits, at + i)) {
      memmove(values + i * width, values + --m * width, width);
    } else {
      memset(values + i * width, 0, width);
    }
  }
}

void mst_pq_spread_bits(uint8_t *values, const uint8_t *bits, size_t at, size_t n, size_t m) {
  size_t i = n;
  while (i > m) {
    bool v;
    i--;
    v = bit(bits, at + i) && bit(values, at + --m);
    values[(at + i) >> 3] =
        (uint8_t)((values[(at + i) >> 3] & ~(1u << ((at + i) & 7))) | (unsigned)v << ((at + i) & 7));
  }
}

void mst_pq_spread_ends(uint8_t *ends, bool wide, uint64_t before, const uint8_t *bits, size_t at, size_t n, size_t m) {
  size_t i = n;
  if (wide) {
    int64_t *e = (int64_t *)(void *)ends;
    while (i > m) {
      i--;
      e[i] = m > 0 ? e[m - 1] : (int64_t)before;
      if (bit(bits, at + i)) m--;
    }
  } else {
    int32_t *e = (int32_t *)(void *)ends;
    while (i > m) {
      i--;
      e[i] = m > 0 ? e[m - 1] : (int32_t)before;
      if (bit(bits, at + i)) m--;
    }
  }
}
