/* parquet/kernels.c - the sets of loops. Bodies are written once; each set compiles them for its own instructions.
 *
 * Owns: nothing. May call: base. */
#include "parquet/kernels.h"

#include <math.h>
#include <stdlib.h>

#define INLINE static inline __attribute__((always_inline))

/* ---- bodies -------------------------------------------------------------------------------------------------- */

/* One group of eight values of a width that the compiler knows, out of as few loads as hold them. */
INLINE void unpack_group(const uint8_t *p, const unsigned width, uint32_t *out) {
  const uint32_t mask = width == 32 ? UINT32_MAX : (UINT32_C(1) << width) - 1;
  unsigned i;
  for (i = 0; i < 8; i++) {
    const unsigned bit = i * width;
    uint64_t v = 0;
    /* No byte behind the group is read. */
    const unsigned at = bit / 8 + 8 <= width || width < 8 ? bit / 8 : width - 8;
    const unsigned shift = bit - 8 * (width < 8 ? 0 : at);
    if (width < 8) {
      memcpy(&v, p, width);
      out[i] = (uint32_t)(v >> bit) & mask;
    } else {
      memcpy(&v, p + at, 8);
      out[i] = (uint32_t)(v >> shift) & mask;
    }
  }
}

#define UNPACK_CASE(w)                                                  \
  case w:                                                               \
    for (; n >= 8; n -= 8, p += (w), out += 8) unpack_group(p, w, out); \
    break;

INLINE void unpack_body(const uint8_t *p, unsigned width, uint32_t *out, size_t n) {
  switch (width) {
    UNPACK_CASE(1)
    UNPACK_CASE(2)
    UNPACK_CASE(3)
    UNPACK_CASE(4)
    UNPACK_CASE(5)
    UNPACK_CASE(6)
    UNPACK_CASE(7)
    UNPACK_CASE(8)
    UNPACK_CASE(9)
    UNPACK_CASE(10)
    UNPACK_CASE(11)
    UNPACK_CASE(12)
    UNPACK_CASE(13)
    UNPACK_CASE(14)
    UNPACK_CASE(15)
    UNPACK_CASE(16)
    UNPACK_CASE(17)
    UNPACK_CASE(18)
    UNPACK_CASE(19)
    UNPACK_CASE(20)
    UNPACK_CASE(21)
    UNPACK_CASE(22)
    UNPACK_CASE(23)
    UNPACK_CASE(24)
    UNPACK_CASE(25)
    UNPACK_CASE(26)
    UNPACK_CASE(27)
    UNPACK_CASE(28)
    UNPACK_CASE(29)
    UNPACK_CASE(30)
    UNPACK_CASE(31)
    UNPACK_CASE(32)
  default: break;
  }
}

INLINE uint32_t max_u32_body(const uint32_t *values, size_t n) {
  uint32_t most = 0;
  size_t i;
  for (i = 0; i < n; i++) most = values[i] > most ? values[i] : most;
  return most;
}

/* Counts in bytes for a while, so that the loop stays one of bytes. */
INLINE size_t count_u8_body(const uint8_t *values, size_t n, uint8_t least) {
  size_t total = 0, i, k;
  for (; n > 0; n -= k, values += k) {
    uint8_t sum = 0;
    k = n < 255 ? n : 255;
    for (i = 0; i < k; i++) sum = (uint8_t)(sum + (values[i] >= least));
    total += sum;
  }
  return total;
}

INLINE size_t count_slots_body(const uint8_t *reps, const uint8_t *defs, size_t n, uint8_t rep, uint8_t def) {
  size_t total = 0, i, k;
  for (; n > 0; n -= k, reps += k, defs += k) {
    uint8_t sum = 0;
    k = n < 255 ? n : 255;
    for (i = 0; i < k; i++) sum = (uint8_t)(sum + ((reps[i] <= rep) & (defs[i] >= def)));
    total += sum;
  }
  return total;
}

static void mask_slots_tail(const uint8_t *reps, const uint8_t *defs, size_t n, uint8_t rep, uint8_t def,
                            uint64_t *mask) {
  size_t i;
  for (i = 0; i < n; i++) {
    if (i % 64 == 0) mask[i / 64] = 0;
    mask[i / 64] |= (uint64_t)((reps[i] <= rep) & (defs[i] >= def)) << (i % 64);
  }
}

/* Values in pages lie at any address. */
#define LOOSE __attribute__((aligned(1), may_alias))

#define RANGE_BODY(type, name)                                      \
  INLINE void name(const uint8_t *bytes, size_t n, type range[2]) { \
    typedef type LOOSE loose;                                       \
    const loose *values = (const loose *)(const void *)bytes;       \
    type low = values[0], high = values[0];                         \
    size_t i;                                                       \
    for (i = 0; i < n; i++) {                                       \
      low = values[i] < low ? values[i] : low;                      \
      high = values[i] > high ? values[i] : high;                   \
    }                                                               \
    range[0] = low;                                                 \
    range[1] = high;                                                \
  }
RANGE_BODY(int32_t, range_i32_body)
RANGE_BODY(uint32_t, range_u32_body)
RANGE_BODY(int64_t, range_i64_body)
RANGE_BODY(uint64_t, range_u64_body)

/* Eight lanes, because one would wait for itself; comparisons with NaN are false and leave the bounds alone. */
#define RANGE_FLOAT_BODY(type, name)                                  \
  INLINE size_t name(const uint8_t *bytes, size_t n, type range[2]) { \
    typedef type LOOSE loose;                                         \
    const loose *values = (const loose *)(const void *)bytes;         \
    type low[8], high[8];                                             \
    size_t i, k, nans = 0;                                            \
    for (k = 0; k < 8; k++) {                                         \
      low[k] = (type)INFINITY;                                        \
      high[k] = (type)-INFINITY;                                      \
    }                                                                 \
    for (i = 0; i + 8 <= n; i += 8) {                                 \
      for (k = 0; k < 8; k++) {                                       \
        const type v = values[i + k];                                 \
        low[k] = v < low[k] ? v : low[k];                             \
        high[k] = v > high[k] ? v : high[k];                          \
        nans += v != v;                                               \
      }                                                               \
    }                                                                 \
    for (; i < n; i++) {                                              \
      const type v = values[i];                                       \
      low[0] = v < low[0] ? v : low[0];                               \
      high[0] = v > high[0] ? v : high[0];                            \
      nans += v != v;                                                 \
    }                                                                 \
    for (k = 1; k < 8; k++) {                                         \
      low[0] = low[k] < low[0] ? low[k] : low[0];                     \
      high[0] = high[k] > high[0] ? high[k] : high[0];                \
    }                                                                 \
    range[0] = low[0];                                                \
    range[1] = high[0];                                               \
    return nans;                                                      \
  }
RANGE_FLOAT_BODY(float, range_f32_body)
RANGE_FLOAT_BODY(double, range_f64_body)

/* A function of the set `set` for each body. */
#define INSTANTIATE(set, attribute)                                                                                   \
  attribute static uint32_t set##_max_u32(const uint32_t *v, size_t n) { return max_u32_body(v, n); }                 \
  attribute static size_t set##_count_u8(const uint8_t *v, size_t n, uint8_t least) {                                 \
    return count_u8_body(v, n, least);                                                                                \
  }                                                                                                                   \
  attribute static size_t set##_count_slots(const uint8_t *r, const uint8_t *d, size_t n, uint8_t rep, uint8_t def) { \
    return count_slots_body(r, d, n, rep, def);                                                                       \
  }                                                                                                                   \
  attribute static void set##_range_i32(const uint8_t *v, size_t n, int32_t r[2]) { range_i32_body(v, n, r); }        \
  attribute static void set##_range_u32(const uint8_t *v, size_t n, uint32_t r[2]) { range_u32_body(v, n, r); }       \
  attribute static void set##_range_i64(const uint8_t *v, size_t n, int64_t r[2]) { range_i64_body(v, n, r); }        \
  attribute static void set##_range_u64(const uint8_t *v, size_t n, uint64_t r[2]) { range_u64_body(v, n, r); }       \
  attribute static size_t set##_range_f32(const uint8_t *v, size_t n, float r[2]) { return range_f32_body(v, n, r); } \
  attribute static size_t set##_range_f64(const uint8_t *v, size_t n, double r[2]) { return range_f64_body(v, n, r); }

#define SET_OF(set)                                                                                 \
  {                                                                                                 \
    .name = #set, .unpack = set##_unpack, .max_u32 = set##_max_u32, .count_u8 = set##_count_u8,     \
    .count_slots = set##_count_slots, .mask_slots = set##_mask_slots, .range_i32 = set##_range_i32, \
    .range_u32 = set##_range_u32, .range_i64 = set##_range_i64, .range_u64 = set##_range_u64,       \
    .range_f32 = set##_range_f32, .range_f64 = set##_range_f64                                      \
  }

/* ---- portable ------------------------------------------------------------------------------------------------ */

static void portable_unpack(const uint8_t *p, const uint8_t *end, unsigned width, uint32_t *out, size_t n) {
  (void)end;
  unpack_body(p, width, out, n);
}

static void portable_mask_slots(const uint8_t *reps, const uint8_t *defs, size_t n, uint8_t rep, uint8_t def,
                                uint64_t *mask) {
  mask_slots_tail(reps, defs, n, rep, def, mask);
}

INSTANTIATE(portable, )
static const mst_pq_kernels portable = SET_OF(portable);

/* ---- AVX2 ---------------------------------------------------------------------------------------------------- */

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))

/* Eight values a step: bytes are shuffled so that each lane holds the four in which its value lies, then shifted.
 * Values of up to 25 bits lie in four bytes wherever they begin. */
AVX2 static void avx2_unpack(const uint8_t *p, const uint8_t *end, unsigned width, uint32_t *out, size_t n) {
  uint8_t order[32];
  uint32_t shifts[8];
  unsigned i, b, half = 4 * width / 8;
  __m256i shuffle, shift, mask;
  if (width > 25) {
    unpack_body(p, width, out, n);
    return;
  }
  for (i = 0; i < 8; i++) {
    unsigned bit = i * width - (i >= 4 ? 8 * half : 0);
    shifts[i] = bit % 8;
    for (b = 0; b < 4; b++) order[4 * i + b] = (uint8_t)(bit / 8 + b);
  }
  shuffle = _mm256_loadu_si256((const __m256i *)(const void *)order);
  shift = _mm256_loadu_si256((const __m256i *)(const void *)shifts);
  mask = _mm256_set1_epi32((int)((UINT32_C(1) << width) - 1));
  for (; n >= 8 && end - p >= 32; n -= 8, p += width, out += 8) {
    __m128i low = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i high = _mm_loadu_si128((const __m128i *)(const void *)(p + half));
    __m256i v = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
    v = _mm256_and_si256(_mm256_srlv_epi32(_mm256_shuffle_epi8(v, shuffle), shift), mask);
    _mm256_storeu_si256((__m256i *)(void *)out, v);
  }
  unpack_body(p, width, out, n);
}

AVX2 static inline uint32_t slots_of_32(const uint8_t *reps, const uint8_t *defs, __m256i rep, __m256i def) {
  __m256i r = _mm256_loadu_si256((const __m256i *)(const void *)reps);
  __m256i d = _mm256_loadu_si256((const __m256i *)(const void *)defs);
  __m256i low = _mm256_cmpeq_epi8(_mm256_min_epu8(r, rep), r), high = _mm256_cmpeq_epi8(_mm256_max_epu8(d, def), d);
  return (uint32_t)_mm256_movemask_epi8(_mm256_and_si256(low, high));
}

AVX2 static void avx2_mask_slots(const uint8_t *reps, const uint8_t *defs, size_t n, uint8_t rep, uint8_t def,
                                 uint64_t *mask) {
  const __m256i r = _mm256_set1_epi8((char)rep), d = _mm256_set1_epi8((char)def);
  size_t i = 0;
  for (; i + 64 <= n; i += 64)
    mask[i / 64] =
        (uint64_t)slots_of_32(reps + i + 32, defs + i + 32, r, d) << 32 | slots_of_32(reps + i, defs + i, r, d);
  if (i < n) mask_slots_tail(reps + i, defs + i, n - i, rep, def, mask + i / 64);
}

INSTANTIATE(avx2, AVX2)
static const mst_pq_kernels avx2 = SET_OF(avx2);

static const mst_pq_kernels *fastest(void) { return __builtin_cpu_supports("avx2") ? &avx2 : &portable; }
#else
static const mst_pq_kernels *fastest(void) { return &portable; }
#endif

/* Where the byte kernels are asked to be plain, these are. */
const mst_pq_kernels *mst_pq_kernels_best(void) {
  return strcmp(mst_scan_best()->name, portable.name) == 0 ? &portable : fastest();
}

const mst_pq_kernels *mst_pq_kernels_find(const char *name) {
  const mst_pq_kernels *best = fastest();
  if (strcmp(name, portable.name) == 0) return &portable;
  return strcmp(name, best->name) == 0 ? best : NULL;
}
