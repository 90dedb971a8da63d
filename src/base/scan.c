/* base/scan.c - byte kernels: a portable set that works on eight bytes in a register, and one for AVX2. Calls libc
 * only. */
#include "base/scan.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

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

/* One block of delimited text. `inside` bit j: byte j lies between quotes, or is the quote that opened them. */
typedef struct quoted_block {
  uint64_t quotes, delimiters, lines, inside;
} quoted_block;

/* Whether each opening quote stands where one may; then takes over what the next block must know. */
static inline bool quoted_usual(const quoted_block *b, const mst_scan_quoted *q) {
  const uint64_t before = (b->delimiters | b->lines | b->quotes) << 1 | (q->opens ? 1 : 0);
  return (b->quotes & b->inside & ~before) == 0;
}

static inline void quoted_pass(const quoted_block *b, mst_scan_quoted *q) {
  const uint64_t outside = ~b->inside;
  q->inside = b->inside >> 63;
  q->fresh = (b->lines & outside) >> 63;
  q->opens = ((b->delimiters | b->lines | b->quotes) & outside) >> 63;
}

static inline uint64_t quoted_begins(const quoted_block *b, bool fresh) {
  return ((b->lines & ~b->inside) << 1 | (fresh ? 1 : 0)) & ~b->lines;
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

static bool portable_utf8(const uint8_t *data, size_t n) { return mst_utf8_valid(data, n, NULL); }

/* false when the block must be looked at byte by byte. */
static bool portable_block(const uint8_t *p, const mst_scan_quoted *q, quoted_block *b) {
  if (q->has_escape && equal64(p, ONES * q->escape) != 0) return false;
  b->quotes = q->has_quote ? equal64(p, ONES * q->quote) : 0;
  b->delimiters = equal64(p, ONES * q->delimiter);
  b->lines = equal64(p, ONES * '\n') | equal64(p, ONES * '\r');
  b->inside = mst_mask_parity(b->quotes) ^ (0 - (uint64_t)q->inside);
  return quoted_usual(b, q);
}

static size_t portable_quoted_starts(const uint8_t *data, size_t n, mst_scan_quoted *q, uint64_t max,
                                     uint64_t *starts) {
  quoted_block b;
  size_t at = 0;
  for (; at + 64 <= n && portable_block(data + at, q, &b); at += 64) {
    const unsigned here = mst_mask_count(quoted_begins(&b, q->fresh));
    if (*starts + here > max) break;
    *starts += here;
    quoted_pass(&b, q);
  }
  return at;
}

static size_t portable_quoted_ends(const uint8_t *data, size_t n, mst_scan_quoted *q, uint64_t *ends) {
  quoted_block b;
  size_t at = 0;
  for (; at + 64 <= n && portable_block(data + at, q, &b); at += 64) {
    *ends++ = (b.delimiters | b.lines) & ~b.inside;
    quoted_pass(&b, q);
  }
  return at;
}

static inline __attribute__((always_inline)) size_t count_bits(const uint64_t *mask, size_t from, size_t to) {
  size_t word = from / 64, last = to / 64, count;
  uint64_t first;
  if (from >= to) return 0;
  first = mask[word] & ~mst_mask_low(from % 64);
  if (word == last) return mst_mask_count(first & mst_mask_low(to % 64));
  count = mst_mask_count(first);
  while (++word < last) count += mst_mask_count(mask[word]);
  return to % 64 == 0 ? count : count + mst_mask_count(mask[last] & mst_mask_low(to % 64));
}

static size_t portable_count_bits(const uint64_t *mask, size_t from, size_t to) { return count_bits(mask, from, to); }

static const mst_scan_kernels portable = {
    .name = "portable",
    .mask = portable_mask,
    .mask2 = portable_mask2,
    .mask4 = portable_mask4,
    .mask_range = portable_mask_range,
    .count = portable_count,
    .count_range = portable_count_range,
    .count_bits = portable_count_bits,
    .utf8 = portable_utf8,
    .quoted_starts = portable_quoted_starts,
    .quoted_ends = portable_quoted_ends,
};

/* ---- AVX2 ----------------------------------------------------------------------------------------------------- */

#if defined(__x86_64__) && defined(__GNUC__)
#define HAVE_AVX2 1
#include <immintrin.h>

#define AVX2        __attribute__((target("avx2,popcnt,pclmul")))
#define AVX2_INLINE static inline __attribute__((target("avx2,popcnt,pclmul"), always_inline))

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

/* UTF-8 by three table look-ups for each pair of neighbouring bytes (Keiser and Lemire, "Validating UTF-8 in less than
 * one instruction per byte", 2020): each bit stands for one way to be wrong, and is set where both bytes allow it. */
enum {
  SHORT_LEAD = 1,  /* lead byte, then no continuation      */
  LONE_CONT = 2,   /* ASCII, then a continuation           */
  OVERLONG_3 = 4,  /* e0, then 80-9f                       */
  TOO_LARGE = 8,   /* f4, then 90-bf; f5-ff, then 90-bf    */
  SURROGATE = 16,  /* ed, then a0-bf                       */
  OVERLONG_2 = 32, /* c0 or c1                             */
  OVERLONG_4 = 64, /* f0, then 80-8f; also f5-ff, then 80-8f */
  TWO_CONTS = 128, /* fine only as the third or fourth byte */
  ANY_LOW = SHORT_LEAD | LONE_CONT | TWO_CONTS
};

AVX2_INLINE __m256i lookup16(__m256i index, const uint8_t table[16]) {
  const __m128i half = _mm_loadu_si128((const __m128i *)(const void *)table);
  return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(half), index);
}

/* Bytes `back` places in front of each byte of `v`; `before` are the 32 bytes in front of it. */
#define BYTES_BEFORE(v, before, back) _mm256_alignr_epi8(v, _mm256_permute2x128_si256(before, v, 0x21), 16 - (back))

AVX2_INLINE __m256i utf8_errors(__m256i v, __m256i before) {
  static const uint8_t first_high[16] = {LONE_CONT,
                                         LONE_CONT,
                                         LONE_CONT,
                                         LONE_CONT,
                                         LONE_CONT,
                                         LONE_CONT,
                                         LONE_CONT,
                                         LONE_CONT,
                                         TWO_CONTS,
                                         TWO_CONTS,
                                         TWO_CONTS,
                                         TWO_CONTS,
                                         SHORT_LEAD | OVERLONG_2,
                                         SHORT_LEAD,
                                         SHORT_LEAD | OVERLONG_3 | SURROGATE,
                                         SHORT_LEAD | TOO_LARGE | OVERLONG_4};
  static const uint8_t first_low[16] = {ANY_LOW | OVERLONG_2 | OVERLONG_3 | OVERLONG_4,
                                        ANY_LOW | OVERLONG_2,
                                        ANY_LOW,
                                        ANY_LOW,
                                        ANY_LOW | TOO_LARGE,
                                        ANY_LOW | TOO_LARGE | OVERLONG_4,
                                        ANY_LOW | TOO_LARGE | OVERLONG_4,
                                        ANY_LOW | TOO_LARGE | OVERLONG_4,
                                        ANY_LOW | TOO_LARGE | OVERLONG_4,
                                        ANY_LOW | TOO_LARGE | OVERLONG_4,
                                        ANY_LOW | TOO_LARGE | OVERLONG_4,
                                        ANY_LOW | TOO_LARGE | OVERLONG_4,
                                        ANY_LOW | TOO_LARGE | OVERLONG_4,
                                        ANY_LOW | TOO_LARGE | OVERLONG_4 | SURROGATE,
                                        ANY_LOW | TOO_LARGE | OVERLONG_4,
                                        ANY_LOW | TOO_LARGE | OVERLONG_4};
  static const uint8_t second_high[16] = {SHORT_LEAD,
                                          SHORT_LEAD,
                                          SHORT_LEAD,
                                          SHORT_LEAD,
                                          SHORT_LEAD,
                                          SHORT_LEAD,
                                          SHORT_LEAD,
                                          SHORT_LEAD,
                                          LONE_CONT | TWO_CONTS | OVERLONG_2 | OVERLONG_3 | OVERLONG_4,
                                          LONE_CONT | TWO_CONTS | OVERLONG_2 | OVERLONG_3 | TOO_LARGE,
                                          LONE_CONT | TWO_CONTS | OVERLONG_2 | SURROGATE | TOO_LARGE,
                                          LONE_CONT | TWO_CONTS | OVERLONG_2 | SURROGATE | TOO_LARGE,
                                          SHORT_LEAD,
                                          SHORT_LEAD,
                                          SHORT_LEAD,
                                          SHORT_LEAD};
  const __m256i nibble = _mm256_set1_epi8(15), one = BYTES_BEFORE(v, before, 1);
  const __m256i wrong =
      _mm256_and_si256(_mm256_and_si256(lookup16(_mm256_and_si256(_mm256_srli_epi16(one, 4), nibble), first_high),
                                        lookup16(_mm256_and_si256(one, nibble), first_low)),
                       lookup16(_mm256_and_si256(_mm256_srli_epi16(v, 4), nibble), second_high));
  /* The third byte behind e0-ef and the fourth behind f0-f7 must be continuations: there two in a row are right. */
  const __m256i third = _mm256_subs_epu8(BYTES_BEFORE(v, before, 2), _mm256_set1_epi8(0x60));
  const __m256i fourth = _mm256_subs_epu8(BYTES_BEFORE(v, before, 3), _mm256_set1_epi8(0x70));
  return _mm256_xor_si256(_mm256_and_si256(_mm256_or_si256(third, fourth), _mm256_set1_epi8((char)0x80)), wrong);
}

AVX2 static bool avx2_utf8(const uint8_t *data, size_t n) {
  __m256i before = _mm256_setzero_si256(), errors = before;
  uint8_t tail[64] = {0};
  for (; n >= 64; data += 64, n -= 64) {
    const pair v = load64(data);
    if (_mm256_movemask_epi8(_mm256_or_si256(v.low, v.high)) == 0 && _mm256_movemask_epi8(before) == 0) {
      before = v.high;
      continue;
    }
    errors = _mm256_or_si256(errors, utf8_errors(v.low, before));
    errors = _mm256_or_si256(errors, utf8_errors(v.high, v.low));
    before = v.high;
  }
  /* At least one byte behind the end is zero, so that a character cut short shows; with 62 or 63 bytes left it shows in
   * the zeros that follow. */
  memcpy(tail, data, n);
  const pair v = load64(tail);
  errors = _mm256_or_si256(errors, utf8_errors(v.low, before));
  errors = _mm256_or_si256(errors, utf8_errors(v.high, v.low));
  errors = _mm256_or_si256(errors, utf8_errors(_mm256_setzero_si256(), v.high));
  return _mm256_testz_si256(errors, errors);
}

/* The parity of all bits up to each one, by one carry-less product. */
AVX2_INLINE uint64_t parity64(uint64_t mask) {
  const __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)mask), _mm_set1_epi8(-1), 0);
  return (uint64_t)_mm_cvtsi128_si64(product);
}

typedef struct quoted_patterns {
  __m256i quote, delimiter, escape, lf, cr;
  uint64_t quote_on;
} quoted_patterns;

AVX2_INLINE quoted_patterns quoted_spread(const mst_scan_quoted *q) {
  return (quoted_patterns){spread(q->quote), spread(q->delimiter), spread(q->escape),
                           spread('\n'),     spread('\r'),         0 - (uint64_t)q->has_quote};
}

AVX2_INLINE bool avx2_block(const uint8_t *p, const quoted_patterns *k, const mst_scan_quoted *q, quoted_block *b) {
  const pair v = load64(p);
  if (q->has_escape && match64(v, k->escape) != 0) return false;
  b->quotes = match64(v, k->quote) & k->quote_on;
  b->delimiters = match64(v, k->delimiter);
  b->lines = bits64(_mm256_or_si256(_mm256_cmpeq_epi8(v.low, k->lf), _mm256_cmpeq_epi8(v.low, k->cr)),
                    _mm256_or_si256(_mm256_cmpeq_epi8(v.high, k->lf), _mm256_cmpeq_epi8(v.high, k->cr)));
  b->inside = parity64(b->quotes) ^ (0 - (uint64_t)q->inside);
  return quoted_usual(b, q);
}

AVX2 static size_t avx2_quoted_starts(const uint8_t *data, size_t n, mst_scan_quoted *state, uint64_t max,
                                      uint64_t *starts) {
  mst_scan_quoted q = *state;
  const quoted_patterns k = quoted_spread(&q);
  uint64_t total = *starts;
  quoted_block b;
  size_t at = 0;
  for (; at + 64 <= n && avx2_block(data + at, &k, &q, &b); at += 64) {
    const uint64_t sum = total + mst_mask_count(quoted_begins(&b, q.fresh));
    if (sum > max) break;
    total = sum;
    quoted_pass(&b, &q);
  }
  *state = q;
  *starts = total;
  return at;
}

AVX2 static size_t avx2_quoted_ends(const uint8_t *data, size_t n, mst_scan_quoted *state, uint64_t *ends) {
  mst_scan_quoted q = *state;
  const quoted_patterns k = quoted_spread(&q);
  quoted_block b;
  size_t at = 0;
  for (; at + 64 <= n && avx2_block(data + at, &k, &q, &b); at += 64) {
    *ends++ = (b.delimiters | b.lines) & ~b.inside;
    quoted_pass(&b, &q);
  }
  *state = q;
  return at;
}

AVX2 static size_t avx2_count_bits(const uint64_t *mask, size_t from, size_t to) { return count_bits(mask, from, to); }

static const mst_scan_kernels avx2 = {
    .name = "avx2",
    .mask = avx2_mask,
    .mask2 = avx2_mask2,
    .mask4 = avx2_mask4,
    .mask_range = avx2_mask_range,
    .count = avx2_count,
    .count_range = avx2_count_range,
    .count_bits = avx2_count_bits,
    .utf8 = avx2_utf8,
    .quoted_starts = avx2_quoted_starts,
    .quoted_ends = avx2_quoted_ends,
};
#endif

/* ---- choice --------------------------------------------------------------------------------------------------- */

static const mst_scan_kernels *fastest(void) {
#ifdef HAVE_AVX2
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("pclmul"))
    return &avx2;
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
