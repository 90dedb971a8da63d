/* base/scan.c - byte kernels: a portable set that works on eight bytes in a register, and one for AVX2. Calls libc
 * only. */
#include "base/scan.h"

#include <stdlib.h>
#include <string.h>

/* ---- portable ------------------------------------------------------------------------------------------------- */

#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

static inline uint64_t load8(const uint8_t *p) {
  uint64_t v;
  memcpy(&v, p, sizeof v);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  v = __builtin_bswap64(v);
#endif
  return v;
}

/* The high bit of each byte that equals its partner in `pattern`; exact, no carries between bytes. */
static inline uint64_t equal8(uint64_t v, uint64_t pattern) {
  const uint64_t x = v ^ pattern;
  return ~(((x & ~HIGHS) + ~HIGHS) | x) & HIGHS;
}

/* The high bit of each byte that is at least `low`. */
static inline uint64_t at_least8(uint64_t v, uint8_t low) {
  const uint64_t part = (v & ~HIGHS) + ONES * (uint64_t)(0x80 - (low & 0x7f)); /* high bit: low seven bits >= low's */
  return low < 0x80 ? (part | v) & HIGHS : part & v & HIGHS;
}

static inline uint64_t in_range8(uint64_t v, uint8_t low, uint8_t high) {
  const uint64_t above = high == 0xff ? 0 : at_least8(v, (uint8_t)(high + 1));
  return at_least8(v, low) & ~above;
}

/* Gathers the eight high bits into the low byte, in byte order. */
static inline uint64_t gather8(uint64_t highs) { return ((highs >> 7) * UINT64_C(0x0102040810204080)) >> 56; }

static inline uint64_t equal64(const uint8_t *p, uint64_t pattern) {
  uint64_t mask = 0;
  for (unsigned i = 0; i < 8; i++) mask |= gather8(equal8(load8(p + 8 * i), pattern)) << (8 * i);
  return mask;
}

static inline uint64_t range64(const uint8_t *p, uint8_t low, uint8_t high) {
  uint64_t mask = 0;
  for (unsigned i = 0; i < 8; i++) mask |= gather8(in_range8(load8(p + 8 * i), low, high)) << (8 * i);
  return mask;
}

/* The last, short word of a run in a buffer of full width. */
static inline const uint8_t *tail64(uint8_t tail[64], const uint8_t *data, size_t n) {
  memset(tail, 0, 64);
  memcpy(tail, data, n);
  return tail;
}

static void portable_mask(const uint8_t *data, size_t n, uint8_t byte, uint64_t *mask) {
  const uint64_t pattern = ONES * byte;
  uint8_t tail[64];
  for (; n >= 64; data += 64, n -= 64) *mask++ = equal64(data, pattern);
  if (n > 0) *mask = equal64(tail64(tail, data, n), pattern) & mst_mask_low((unsigned)n);
}

static void portable_mask2(const uint8_t *data, size_t n, uint8_t a, uint8_t b, uint64_t *mask_a, uint64_t *mask_b) {
  portable_mask(data, n, a, mask_a);
  portable_mask(data, n, b, mask_b);
}

static void portable_mask4(const uint8_t *data, size_t n, const uint8_t bytes[4], uint64_t *const masks[4]) {
  for (int i = 0; i < 4; i++) portable_mask(data, n, bytes[i], masks[i]);
}

static void portable_mask_range(const uint8_t *data, size_t n, uint8_t low, uint8_t high, uint64_t *mask) {
  uint8_t tail[64];
  for (; n >= 64; data += 64, n -= 64) *mask++ = range64(data, low, high);
  if (n > 0) *mask = range64(tail64(tail, data, n), low, high) & mst_mask_low((unsigned)n);
}

/* Adds up the eight byte counters. */
static inline size_t sum8(uint64_t counters) {
  const uint64_t pairs = (counters & UINT64_C(0x00ff00ff00ff00ff)) + (counters >> 8 & UINT64_C(0x00ff00ff00ff00ff));
  return (size_t)((pairs * UINT64_C(0x0001000100010001)) >> 48);
}

static size_t portable_count(const uint8_t *data, size_t n, uint8_t byte) {
  const uint64_t pattern = ONES * byte;
  size_t count = 0;
  while (n >= 8) {
    const size_t rounds = n / 8 < 255 ? n / 8 : 255;
    uint64_t counters = 0;
    for (size_t i = 0; i < rounds; i++) counters += equal8(load8(data + 8 * i), pattern) >> 7;
    count += sum8(counters);
    data += 8 * rounds;
    n -= 8 * rounds;
  }
  for (; n > 0; data++, n--) count += *data == byte;
  return count;
}

static size_t portable_count_range(const uint8_t *data, size_t n, uint8_t low, uint8_t high) {
  size_t count = 0;
  while (n >= 8) {
    const size_t rounds = n / 8 < 255 ? n / 8 : 255;
    uint64_t counters = 0;
    for (size_t i = 0; i < rounds; i++) counters += in_range8(load8(data + 8 * i), low, high) >> 7;
    count += sum8(counters);
    data += 8 * rounds;
    n -= 8 * rounds;
  }
  for (; n > 0; data++, n--) count += *data >= low && *data <= high;
  return count;
}

static const mst_scan_kernels portable = {
    .name = "portable",
    .mask = portable_mask,
    .mask2 = portable_mask2,
    .mask4 = portable_mask4,
    .mask_range = portable_mask_range,
    .count = portable_count,
    .count_range = portable_count_range,
};

/* ---- AVX2 ----------------------------------------------------------------------------------------------------- */

#if defined(__x86_64__) && defined(__GNUC__)
#define HAVE_AVX2 1
#include <immintrin.h>

#define AVX2        __attribute__((target("avx2,popcnt")))
#define AVX2_INLINE static inline __attribute__((target("avx2,popcnt"), always_inline))

/* 64 bytes in two registers. */
typedef struct pair {
  __m256i low, high;
} pair;

AVX2_INLINE pair load64(const uint8_t *p) {
  return (pair){_mm256_loadu_si256((const __m256i *)(const void *)p),
                _mm256_loadu_si256((const __m256i *)(const void *)(p + 32))};
}

AVX2_INLINE uint64_t bits64(__m256i low, __m256i high) {
  return (uint64_t)(uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
}

AVX2_INLINE uint64_t match64(pair v, __m256i pattern) {
  return bits64(_mm256_cmpeq_epi8(v.low, pattern), _mm256_cmpeq_epi8(v.high, pattern));
}

/* In range when (byte - low), wrapped, is at most high - low. */
AVX2_INLINE __m256i within(__m256i v, __m256i low, __m256i span) {
  const __m256i shifted = _mm256_sub_epi8(v, low);
  return _mm256_cmpeq_epi8(_mm256_min_epu8(shifted, span), shifted);
}

AVX2_INLINE __m256i spread(uint8_t byte) { return _mm256_set1_epi8((char)byte); }

AVX2 static void avx2_mask(const uint8_t *data, size_t n, uint8_t byte, uint64_t *mask) {
  const __m256i pattern = spread(byte);
  uint8_t tail[64];
  for (; n >= 64; data += 64, n -= 64) *mask++ = match64(load64(data), pattern);
  if (n > 0) *mask = match64(load64(tail64(tail, data, n)), pattern) & mst_mask_low((unsigned)n);
}

AVX2 static void avx2_mask2(const uint8_t *data, size_t n, uint8_t a, uint8_t b, uint64_t *mask_a, uint64_t *mask_b) {
  const __m256i pattern_a = spread(a), pattern_b = spread(b);
  uint8_t tail[64];
  for (; n >= 64; data += 64, n -= 64) {
    const pair v = load64(data);
    *mask_a++ = match64(v, pattern_a);
    *mask_b++ = match64(v, pattern_b);
  }
  if (n > 0) {
    const pair v = load64(tail64(tail, data, n));
    *mask_a = match64(v, pattern_a) & mst_mask_low((unsigned)n);
    *mask_b = match64(v, pattern_b) & mst_mask_low((unsigned)n);
  }
}

AVX2 static void avx2_mask4(const uint8_t *data, size_t n, const uint8_t bytes[4], uint64_t *const masks[4]) {
  const __m256i p0 = spread(bytes[0]), p1 = spread(bytes[1]), p2 = spread(bytes[2]), p3 = spread(bytes[3]);
  uint64_t *const m0 = masks[0], *const m1 = masks[1], *const m2 = masks[2], *const m3 = masks[3];
  const size_t words = MST_SCAN_WORDS(n);
  uint8_t tail[64];
  for (size_t i = 0; i < words; i++) {
    const size_t left = n - 64 * i;
    const pair v = load64(left >= 64 ? data + 64 * i : tail64(tail, data + 64 * i, left));
    const uint64_t valid = mst_mask_low(left >= 64 ? 64 : (unsigned)left);
    m0[i] = match64(v, p0) & valid;
    m1[i] = match64(v, p1) & valid;
    m2[i] = match64(v, p2) & valid;
    m3[i] = match64(v, p3) & valid;
  }
}

AVX2 static void avx2_mask_range(const uint8_t *data, size_t n, uint8_t low, uint8_t high, uint64_t *mask) {
  const __m256i from = spread(low), span = spread((uint8_t)(high - low));
  uint8_t tail[64];
  for (; n >= 64; data += 64, n -= 64) {
    const pair v = load64(data);
    *mask++ = bits64(within(v.low, from, span), within(v.high, from, span));
  }
  if (n > 0) {
    const pair v = load64(tail64(tail, data, n));
    *mask = bits64(within(v.low, from, span), within(v.high, from, span)) & mst_mask_low((unsigned)n);
  }
}

/* Sums the 32 byte counters. */
AVX2_INLINE size_t sum_bytes(__m256i counters) {
  const __m256i sums = _mm256_sad_epu8(counters, _mm256_setzero_si256());
  return (size_t)_mm256_extract_epi64(sums, 0) + (size_t)_mm256_extract_epi64(sums, 1) +
         (size_t)_mm256_extract_epi64(sums, 2) + (size_t)_mm256_extract_epi64(sums, 3);
}

/* Matches are -1, so subtracting them counts; a byte counter holds 255 rounds. */
AVX2 static size_t avx2_count_range(const uint8_t *data, size_t n, uint8_t low, uint8_t high) {
  const __m256i from = spread(low), span = spread((uint8_t)(high - low));
  size_t count = 0;
  while (n >= 64) {
    const size_t rounds = n / 64 < 255 ? n / 64 : 255;
    __m256i a = _mm256_setzero_si256(), b = a;
    for (size_t i = 0; i < rounds; i++) {
      const pair v = load64(data + 64 * i);
      a = _mm256_sub_epi8(a, within(v.low, from, span));
      b = _mm256_sub_epi8(b, within(v.high, from, span));
    }
    count += sum_bytes(a) + sum_bytes(b);
    data += 64 * rounds;
    n -= 64 * rounds;
  }
  return count + portable_count_range(data, n, low, high);
}

AVX2 static size_t avx2_count(const uint8_t *data, size_t n, uint8_t byte) {
  return avx2_count_range(data, n, byte, byte);
}

static const mst_scan_kernels avx2 = {
    .name = "avx2",
    .mask = avx2_mask,
    .mask2 = avx2_mask2,
    .mask4 = avx2_mask4,
    .mask_range = avx2_mask_range,
    .count = avx2_count,
    .count_range = avx2_count_range,
};
#endif

/* ---- choice --------------------------------------------------------------------------------------------------- */

static const mst_scan_kernels *fastest(void) {
#ifdef HAVE_AVX2
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt")) return &avx2;
#endif
  return &portable;
}

const mst_scan_kernels *mst_scan_best(void) {
  const char *wish = getenv("MESETA_KERNELS");
  return wish != NULL && strcmp(wish, portable.name) == 0 ? &portable : fastest();
}

const mst_scan_kernels *mst_scan_find(const char *name) {
  const mst_scan_kernels *best = fastest();
  if (strcmp(name, portable.name) == 0) return &portable;
  return strcmp(name, best->name) == 0 ? best : NULL;
}

size_t mst_scan_nth(const mst_scan_kernels *scan, const uint8_t *data, size_t n, uint8_t byte, uint64_t k,
                    uint64_t *found) {
  uint64_t masks[MST_SCAN_WORDS(1024)], seen = 0;
  size_t at = 0;
  while (at < n) {
    const size_t size = n - at < 1024 ? n - at : 1024;
    const uint64_t here = scan->count(data + at, size, byte);
    if (seen + here <= k) {
      seen += here;
      at += size;
      continue;
    }
    scan->mask(data + at, size, byte, masks);
    for (size_t i = 0;; i++) {
      uint64_t mask = masks[i];
      const unsigned bits = mst_mask_count(mask);
      if (seen + bits <= k) {
        seen += bits;
        continue;
      }
      for (; seen < k; seen++) mask = mst_mask_rest(mask);
      if (found != NULL) *found = k;
      return at + 64 * i + mst_mask_first(mask);
    }
  }
  if (found != NULL) *found = seen;
  return n;
}
