/* column/kernel_compare.c - values of a column compared with one scalar, 64 rows a word. Loops are written once; each
 * set compiles them for its own instructions.
 *
 * Owns: nothing. May call: base. */
#include <float.h>
#include <math.h>

#include "column/column.h"

#define INLINE static inline __attribute__((always_inline))

/* ---- loops ----------------------------------------------------------------------------------------------------- */

/* Eight bytes of 0 or 1 become eight bits. */
INLINE uint64_t pack_portable(const uint8_t truth[64]) {
  uint64_t word = 0;
  for (int k = 0; k < 8; k++) word |= (mst_le64(truth + 8 * k) * UINT64_C(0x0102040810204080) >> 56) << (8 * k);
  return word;
}

#define TRUTH(test)                                         \
  do {                                                      \
    for (size_t j = 0; j < 64; j++) t[j] = (uint8_t)(test); \
  } while (0)

/* One word by bytes of truth; `op` is a constant where this is used. */
#define WORD_BODY(type, name, pack)                                               \
  INLINE uint64_t name(const type *v, const mst_compare_op op, const type with) { \
    uint8_t t[64];                                                                \
    switch (op) {                                                                 \
    case MST_EQ: TRUTH(v[j] == with); break;                                      \
    case MST_NE: TRUTH(v[j] != with); break;                                      \
    case MST_LT: TRUTH(v[j] < with); break;                                       \
    case MST_LE: TRUTH(v[j] <= with); break;                                      \
    case MST_GT: TRUTH(v[j] > with); break;                                       \
    case MST_GE: TRUTH(v[j] >= with); break;                                      \
    }                                                                             \
    return pack(t);                                                               \
  }

/* All words of one operator; the last one from a copy, so that nothing behind n is read. */
#define RUN(type, word, op)                                                   \
  do {                                                                        \
    size_t i = 0;                                                             \
    for (; 64 * (i + 1) <= n; i++) bits[i] = word(values + 64 * i, op, with); \
    if (64 * i < n) {                                                         \
      type rest[64] = {0};                                                    \
      memcpy(rest, values + 64 * i, (n - 64 * i) * sizeof *rest);             \
      bits[i] = word(rest, op, with) & mst_mask_low((unsigned)(n - 64 * i));  \
    }                                                                         \
  } while (0)

#define COMPARE(attribute, type, name, word)                                                                     \
  attribute static void name(const type *values, size_t n, mst_compare_op op, const type with, uint64_t *bits) { \
    switch (op) {                                                                                                \
    case MST_EQ: RUN(type, word, MST_EQ); break;                                                                 \
    case MST_NE: RUN(type, word, MST_NE); break;                                                                 \
    case MST_LT: RUN(type, word, MST_LT); break;                                                                 \
    case MST_LE: RUN(type, word, MST_LE); break;                                                                 \
    case MST_GT: RUN(type, word, MST_GT); break;                                                                 \
    case MST_GE: RUN(type, word, MST_GE); break;                                                                 \
    }                                                                                                            \
  }

#define SET_OF(set)                                                                                     \
  {                                                                                                     \
    .name = #set, .i8 = set##_i8, .u8 = set##_u8, .i16 = set##_i16, .u16 = set##_u16, .i32 = set##_i32, \
    .u32 = set##_u32, .i64 = set##_i64, .u64 = set##_u64, .f32 = set##_f32, .f64 = set##_f64            \
  }

/* ---- portable -------------------------------------------------------------------------------------------------- */

#define PORTABLE(type, name)                  \
  WORD_BODY(type, name##_word, pack_portable) \
  COMPARE(, type, name, name##_word)
PORTABLE(int8_t, portable_i8)
PORTABLE(uint8_t, portable_u8)
PORTABLE(int16_t, portable_i16)
PORTABLE(uint16_t, portable_u16)
PORTABLE(int32_t, portable_i32)
PORTABLE(uint32_t, portable_u32)
PORTABLE(int64_t, portable_i64)
PORTABLE(uint64_t, portable_u64)
PORTABLE(float, portable_f32)
PORTABLE(double, portable_f64)
static const mst_compare_kernels portable = SET_OF(portable);

/* ---- AVX2 ------------------------------------------------------------------------------------------------------ */

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#define AVX2        __attribute__((target("avx2")))
#define AVX2_INLINE AVX2 INLINE

AVX2_INLINE uint64_t pack_avx2(const uint8_t truth[64]) {
  const __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)truth);
  const __m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(truth + 32));
  return (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_slli_epi16(high, 7)) << 32 |
         (uint32_t)_mm256_movemask_epi8(_mm256_slli_epi16(low, 7));
}

#define AVX2_BYTES(type, name) AVX2 WORD_BODY(type, name##_word, pack_avx2) COMPARE(AVX2, type, name, name##_word)
AVX2_BYTES(int8_t, avx2_i8)
AVX2_BYTES(uint8_t, avx2_u8)
AVX2_BYTES(int16_t, avx2_i16)
AVX2_BYTES(uint16_t, avx2_u16)

/* Wider integers compare four or eight at a time; unsigned ones with their upper half and lower half exchanged. */
#define AVX2_INTEGERS(type, name, lanes, set1, cmpeq, cmpgt, movemask, cast, flip)                                  \
  AVX2_INLINE uint64_t name##_word(const type *v, const mst_compare_op op, const type with) {                       \
    const __m256i turn = set1(flip), w = _mm256_xor_si256(set1((long long)with), turn);                             \
    const bool inverse = op == MST_NE || op == MST_LE || op == MST_GE;                                              \
    uint64_t word = 0;                                                                                              \
    for (unsigned k = 0; k < 64 / (lanes); k++) {                                                                   \
      const __m256i x = _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)(const void *)(v + (lanes)*k)), turn); \
      const __m256i r = op == MST_EQ || op == MST_NE   ? cmpeq(x, w)                                                \
                        : op == MST_GT || op == MST_LE ? cmpgt(x, w)                                                \
                                                       : cmpgt(w, x);                                               \
      word |= (uint64_t)(unsigned)movemask(cast(r)) << ((lanes)*k);                                                 \
    }                                                                                                               \
    return inverse ? ~word : word;                                                                                  \
  }                                                                                                                 \
  COMPARE(AVX2, type, name, name##_word)
#define SET1_32(v) _mm256_set1_epi32((int)(v))
#define SET1_64(v) _mm256_set1_epi64x((long long)(v))
AVX2_INTEGERS(int32_t, avx2_i32, 8, SET1_32, _mm256_cmpeq_epi32, _mm256_cmpgt_epi32, _mm256_movemask_ps,
              _mm256_castsi256_ps, 0)
AVX2_INTEGERS(uint32_t, avx2_u32, 8, SET1_32, _mm256_cmpeq_epi32, _mm256_cmpgt_epi32, _mm256_movemask_ps,
              _mm256_castsi256_ps, INT32_MIN)
AVX2_INTEGERS(int64_t, avx2_i64, 4, SET1_64, _mm256_cmpeq_epi64, _mm256_cmpgt_epi64, _mm256_movemask_pd,
              _mm256_castsi256_pd, 0)
AVX2_INTEGERS(uint64_t, avx2_u64, 4, SET1_64, _mm256_cmpeq_epi64, _mm256_cmpgt_epi64, _mm256_movemask_pd,
              _mm256_castsi256_pd, INT64_MIN)

#define AVX2_FLOATS(type, name, lanes, load, set1, cmp, movemask)                                    \
  AVX2_INLINE uint64_t name##_word(const type *v, const mst_compare_op op, const type with) {        \
    uint64_t word = 0;                                                                               \
    for (unsigned k = 0; k < 64 / (lanes); k++) {                                                    \
      unsigned m = 0;                                                                                \
      switch (op) {                                                                                  \
      case MST_EQ: m = (unsigned)movemask(cmp(load(v + (lanes)*k), set1(with), _CMP_EQ_OQ)); break;  \
      case MST_NE: m = (unsigned)movemask(cmp(load(v + (lanes)*k), set1(with), _CMP_NEQ_UQ)); break; \
      case MST_LT: m = (unsigned)movemask(cmp(load(v + (lanes)*k), set1(with), _CMP_LT_OQ)); break;  \
      case MST_LE: m = (unsigned)movemask(cmp(load(v + (lanes)*k), set1(with), _CMP_LE_OQ)); break;  \
      case MST_GT: m = (unsigned)movemask(cmp(load(v + (lanes)*k), set1(with), _CMP_GT_OQ)); break;  \
      case MST_GE: m = (unsigned)movemask(cmp(load(v + (lanes)*k), set1(with), _CMP_GE_OQ)); break;  \
      }                                                                                              \
      word |= (uint64_t)m << ((lanes)*k);                                                            \
    }                                                                                                \
    return word;                                                                                     \
  }                                                                                                  \
  COMPARE(AVX2, type, name, name##_word)
AVX2_FLOATS(float, avx2_f32, 8, _mm256_loadu_ps, _mm256_set1_ps, _mm256_cmp_ps, _mm256_movemask_ps)
AVX2_FLOATS(double, avx2_f64, 4, _mm256_loadu_pd, _mm256_set1_pd, _mm256_cmp_pd, _mm256_movemask_pd)
static const mst_compare_kernels avx2 = SET_OF(avx2);

static const mst_compare_kernels *fastest(void) { return __builtin_cpu_supports("avx2") ? &avx2 : &portable; }
#else
static const mst_compare_kernels *fastest(void) { return &portable; }
#endif

const mst_compare_kernels *mst_compare_kernels_best(void) {
  return strcmp(mst_scan_best()->name, portable.name) == 0 ? &portable : fastest();
}

const mst_compare_kernels *mst_compare_kernels_find(const char *name) {
  const mst_compare_kernels *best = fastest();
  if (strcmp(name, portable.name) == 0) return &portable;
  return strcmp(name, best->name) == 0 ? best : NULL;
}

/* ---- columns of every type --------------------------------------------------------------------------------------- */

/* One column against one scalar; bits of null rows do not matter yet. */
typedef struct comparison {
  const mst_type *type;
  const struct ArrowArray *array;
  mst_compare_op op;
  const mst_scalar *with;
  const uint64_t *among;
  uint64_t *bits;
  size_t n;
} comparison;

/* Whether a value that compares with the scalar as `order` says (below, at, above 0) is wanted. */
static bool wanted(mst_compare_op op, int order) {
  switch (op) {
  case MST_EQ: return order == 0;
  case MST_NE: return order != 0;
  case MST_LT: return order < 0;
  case MST_LE: return order <= 0;
  case MST_GT: return order > 0;
  case MST_GE: return order >= 0;
  }
  return false;
}

/* A scalar beyond what the column can hold decides all rows at once. */
static bool beyond(const comparison *c, int64_t v, int64_t least, int64_t most) {
  if (v >= least && v <= most) return false;
  mst_bits_fill(c->bits, c->n, wanted(c->op, v < least ? 1 : -1));
  return true;
}

#define COMPARE_INTEGERS(member, type, least, most)                                                                   \
  do {                                                                                                                \
    if (!beyond(c, v, least, most))                                                                                   \
      mst_compare_kernels_best()->member((const type *)c->array->buffers[1] + c->array->offset, c->n, c->op, (type)v, \
                                         c->bits);                                                                    \
  } while (0)

static void compare_integers(const comparison *c, int64_t v, bool is_signed) {
  switch (c->type->width) {
  case 1:
    if (is_signed) COMPARE_INTEGERS(i8, int8_t, INT8_MIN, INT8_MAX);
    else COMPARE_INTEGERS(u8, uint8_t, 0, UINT8_MAX);
    break;
  case 2:
    if (is_signed) COMPARE_INTEGERS(i16, int16_t, INT16_MIN, INT16_MAX);
    else COMPARE_INTEGERS(u16, uint16_t, 0, UINT16_MAX);
    break;
  case 4:
    if (is_signed) COMPARE_INTEGERS(i32, int32_t, INT32_MIN, INT32_MAX);
    else COMPARE_INTEGERS(u32, uint32_t, 0, UINT32_MAX);
    break;
  default: COMPARE_INTEGERS(i64, int64_t, INT64_MIN, INT64_MAX); break;
  }
}

static void compare_bools(const comparison *c) {
  const int64_t v = c->with->as.i;
  const bool keep_false = wanted(c->op, (0 > v) - (0 < v)), keep_true = wanted(c->op, (1 > v) - (1 < v));
  if (keep_false == keep_true) {
    mst_bits_fill(c->bits, c->n, keep_true);
    return;
  }
  mst_bits_load(c->array->buffers[1], c->array->offset, c->n, c->bits);
  if (keep_false) mst_bits_not(c->bits, c->n);
}

/* Between two values of the column's type: the lower one and a test that means the same. */
static void compare_floats(const comparison *c) {
  const double v = c->with->as.f;
  const float *values = (const float *)c->array->buffers[1] + c->array->offset;
  mst_compare_op op = c->op;
  float near = fabs(v) > FLT_MAX && isfinite(v) ? (v > 0 ? FLT_MAX : -INFINITY) : (float)v;
  if ((double)near != v && !isnan(v)) {
    if ((double)near > v) near = nextafterf(near, -INFINITY);
    if (op == MST_EQ || op == MST_NE) {
      mst_bits_fill(c->bits, c->n, op == MST_NE);
      return;
    }
    op = op == MST_LT || op == MST_LE ? MST_LE : MST_GT;
  }
  mst_compare_kernels_best()->f32(values, c->n, op, near, c->bits);
}

static void compare_halves(const comparison *c) {
  const uint16_t *values = (const uint16_t *)c->array->buffers[1] + c->array->offset;
  const mst_compare_kernels *kernels = mst_compare_kernels_best();
  for (size_t i = 0; i < c->n; i += 64) {
    double wide[64];
    const size_t n = mst_min_size(64, c->n - i);
    for (size_t k = 0; k < n; k++) wide[k] = mst_half_to_double(values[i + k]);
    kernels->f64(wide, n, c->op, c->with->as.f, c->bits + i / 64);
  }
}

static void compare_decimals(const comparison *c) {
  const uint32_t width = c->type->width;
  const uint8_t *p = (const uint8_t *)c->array->buffers[1] + (size_t)c->array->offset * width;
  int64_t narrow;
  if (width <= 8) {
    if (mst_wide_to_i64(&c->with->as.wide, &narrow)) compare_integers(c, narrow, true);
    else mst_bits_fill(c->bits, c->n, wanted(c->op, mst_wide_negative(&c->with->as.wide) ? 1 : -1));
    return;
  }
  mst_bits_fill(c->bits, c->n, false);
  for (size_t i = 0; i < c->n; i++) {
    const mst_wide v = mst_wide_load(p + i * width, width);
    c->bits[i / 64] |= (uint64_t)wanted(c->op, mst_wide_compare(&v, &c->with->as.wide)) << (i % 64);
  }
}

static int order_bytes(const uint8_t *p, size_t n, const mst_scalar *with) {
  const size_t size = with->as.bytes.size, common = mst_min_size(n, size);
  const int order = common > 0 ? memcmp(p, with->as.bytes.data, common) : 0;
  return order != 0 ? order : (n > size) - (n < size);
}

static bool same_bytes(const uint8_t *p, size_t n, const mst_scalar *with) {
  return n == with->as.bytes.size && (n == 0 || memcmp(p, with->as.bytes.data, n) == 0);
}

static const uint8_t *bytes_at(const comparison *c, size_t i, size_t *n) {
  const int64_t at = c->array->offset + (int64_t)i;
  if (c->type->layout != MST_LAYOUT_FIXED) return mst_array_text(c->type, c->array, at, n);
  *n = c->type->width;
  return (const uint8_t *)c->array->buffers[1] + (size_t)at * *n;
}

/* Of texts with offsets: lengths first, 64 at once, then the bytes of the rows that have the right one. */
#define EQUAL_TEXTS(type)                                                                                              \
  do {                                                                                                                 \
    const type *ends = (const type *)c->array->buffers[1] + c->array->offset;                                          \
    const size_t size = c->with->as.bytes.size;                                                                        \
    const type want = (type)size;                                                                                      \
    const uint8_t *bytes = c->array->buffers[2] != NULL ? c->array->buffers[2] : none, *data = c->with->as.bytes.data; \
    const uint64_t first = size >= 8 ? load8(data) : 0, last = size >= 8 ? load8(data + size - 8) : 0;                 \
    for (size_t i = 0; i < MST_BITS_WORDS(c->n); i++) {                                                                \
      const size_t rows = mst_min_size(64, c->n - 64 * i);                                                             \
      uint64_t word = 0, rest = 0;                                                                                     \
      if (valid[i] != 0)                                                                                               \
        for (size_t k = 0; k < rows; k++) rest |= (uint64_t)(ends[64 * i + k + 1] - ends[64 * i + k] == want) << k;    \
      for (rest &= valid[i]; rest != 0; rest = mst_mask_rest(rest)) {                                                  \
        const unsigned k = mst_mask_first(rest);                                                                       \
        const uint8_t *p = bytes + ends[64 * i + k];                                                                   \
        bool same;                                                                                                     \
        if (size >= 8)                                                                                                 \
          same = load8(p) == first && load8(p + size - 8) == last &&                                                   \
                 (size <= 16 || memcmp(p + 8, data + 8, size - 16) == 0);                                              \
        else same = short_text(p, size) == short_text(data, size);                                                     \
        word |= (uint64_t)same << k;                                                                                   \
      }                                                                                                                \
      c->bits[i] = c->op == MST_NE ? valid[i] & ~word : word;                                                          \
    }                                                                                                                  \
  } while (0)

INLINE uint64_t load8(const uint8_t *p) {
  uint64_t v;
  memcpy(&v, p, 8);
  return v;
}

/* Fewer than eight bytes as a number; different for different texts of one size. */
INLINE uint64_t short_text(const uint8_t *p, size_t n) {
  uint32_t low, high;
  if (n >= 4) {
    memcpy(&low, p, 4);
    memcpy(&high, p + n - 4, 4);
    return (uint64_t)high << 32 | low;
  }
  return n == 0 ? 0 : (uint64_t)p[0] << 16 | (uint64_t)p[n >> 1] << 8 | p[n - 1];
}

/* The first eight bytes as a number that orders as they do; zeros stand for what is missing. */
INLINE uint64_t text_head(const uint8_t *p, size_t n) {
  uint64_t head = 0;
  if (n >= 8) return __builtin_bswap64(load8(p));
  if (n >= 4) return (uint64_t)mst_be32(p) << 32 | (uint64_t)mst_be32(p + n - 4) << (8 * (8 - n));
  for (size_t i = 0; i < n; i++) head |= (uint64_t)p[i] << (56 - 8 * i);
  return head;
}

/* Most rows are decided by their first eight bytes. */
#define ORDER_TEXTS(type)                                                                                 \
  do {                                                                                                    \
    const type *ends = (const type *)c->array->buffers[1] + c->array->offset;                             \
    const uint8_t *bytes = c->array->buffers[2] != NULL ? c->array->buffers[2] : none;                    \
    const uint64_t head = text_head(c->with->as.bytes.data, c->with->as.bytes.size);                      \
    for (size_t i = 0; i < MST_BITS_WORDS(c->n); i++) {                                                   \
      uint64_t word = 0;                                                                                  \
      for (uint64_t rest = valid[i]; rest != 0; rest = mst_mask_rest(rest)) {                             \
        const unsigned k = mst_mask_first(rest);                                                          \
        const type first = ends[64 * i + k];                                                              \
        const size_t n = (size_t)(ends[64 * i + k + 1] - first);                                          \
        const uint64_t mine = text_head(bytes + first, n);                                                \
        const int order = mine != head ? (mine > head ? 1 : -1) : order_bytes(bytes + first, n, c->with); \
        word |= (uint64_t)wanted(c->op, order) << k;                                                      \
      }                                                                                                   \
      c->bits[i] = word;                                                                                  \
    }                                                                                                     \
  } while (0)

static void order_texts(const comparison *c, const uint64_t *valid) {
  static const uint8_t none[1];
  if (c->type->layout == MST_LAYOUT_OFFSETS64) ORDER_TEXTS(int64_t);
  else ORDER_TEXTS(int32_t);
}

static void equal_texts(const comparison *c, const uint64_t *valid) {
  static const uint8_t none[1];
  if (c->type->layout == MST_LAYOUT_OFFSETS64) EQUAL_TEXTS(int64_t);
  else if (c->with->as.bytes.size <= INT32_MAX) EQUAL_TEXTS(int32_t);
  else if (c->op == MST_EQ) mst_bits_fill(c->bits, c->n, false);
}

/* Words of views and offsets of null rows may be anything, so only valid rows are looked at. */
static void compare_bytes(const comparison *c, const uint64_t *valid) {
  const bool equality = c->op == MST_EQ || c->op == MST_NE;
  const bool inverse = c->op == MST_NE;
  if (c->type->layout == MST_LAYOUT_OFFSETS32 || c->type->layout == MST_LAYOUT_OFFSETS64) {
    if (equality) equal_texts(c, valid);
    else order_texts(c, valid);
    return;
  }
  for (size_t i = 0; i < MST_BITS_WORDS(c->n); i++) {
    uint64_t word = 0;
    for (uint64_t rest = valid[i]; rest != 0; rest = mst_mask_rest(rest)) {
      const unsigned k = mst_mask_first(rest);
      size_t n;
      const uint8_t *p = bytes_at(c, 64 * i + k, &n);
      const bool truth = equality ? same_bytes(p, n, c->with) != inverse : wanted(c->op, order_bytes(p, n, c->with));
      word |= (uint64_t)truth << k;
    }
    c->bits[i] = word;
  }
}

static void and_valid(const struct ArrowArray *array, uint64_t *bits) {
  const uint8_t *bitmap = array->null_count != 0 && array->n_buffers > 0 ? array->buffers[0] : NULL;
  const size_t n = (size_t)array->length;
  if (bitmap == NULL) return;
  for (size_t i = 0; i < n; i += 64) {
    uint64_t word;
    mst_bits_load(bitmap + (i >> 3), array->offset, mst_min_size(64, n - i), &word);
    bits[i / 64] &= word;
  }
}

mst_status mst_array_valid(const struct ArrowSchema *schema, const struct ArrowArray *array, uint64_t *bits,
                           mst_error *err) {
  mst_type type;
  mst_status status = mst_type_parse(schema->format, &type, err);
  if (status != MST_OK) return status;
  if (type.kind == MST_KIND_RUN_END)
    return mst_fail(err, MST_E_UNSUPPORTED, "run-end encoded column \"%.80s\" has no validity of its own",
                    schema->name != NULL ? schema->name : "");
  mst_bits_fill(bits, (size_t)array->length, type.kind != MST_KIND_NULL);
  if (type.kind != MST_KIND_UNION) and_valid(array, bits);
  return MST_OK;
}

static mst_status compare_as_type(const comparison *c, const struct ArrowSchema *schema, mst_error *err) {
  const mst_scalar_kind kind = mst_type_scalar(c->type);
  const bool equality = c->op == MST_EQ || c->op == MST_NE;
  if (schema->dictionary != NULL || kind == MST_SCALAR_NULL || (!equality && !mst_type_is_ordered(c->type)))
    return mst_fail(err, MST_E_UNSUPPORTED, "column \"%.80s\" of Arrow format \"%.40s\" cannot be compared so",
                    schema->name != NULL ? schema->name : "", schema->format);
  if (kind != c->with->kind)
    return mst_fail(err, MST_E_INTERNAL, "column \"%.80s\" is compared with a value of another type",
                    schema->name != NULL ? schema->name : "");
  if (c->n == 0) return MST_OK;
  switch (c->type->kind) {
  case MST_KIND_BOOL: compare_bools(c); break;
  case MST_KIND_UINT64:
    mst_compare_kernels_best()->u64((const uint64_t *)c->array->buffers[1] + c->array->offset, c->n, c->op,
                                    c->with->as.u, c->bits);
    break;
  case MST_KIND_HALF: compare_halves(c); break;
  case MST_KIND_FLOAT: compare_floats(c); break;
  case MST_KIND_DOUBLE:
    mst_compare_kernels_best()->f64((const double *)c->array->buffers[1] + c->array->offset, c->n, c->op, c->with->as.f,
                                    c->bits);
    break;
  case MST_KIND_DECIMAL: compare_decimals(c); break;
  default:
    if (kind == MST_SCALAR_INT) {
      compare_integers(c, c->with->as.i, mst_type_is_signed(c->type));
    } else {
      mst_bits_fill(c->bits, c->n, true);
      and_valid(c->array, c->bits);
      if (c->among != NULL) mst_bits_and(c->bits, c->among, c->n);
      compare_bytes(c, c->bits);
    }
  }
  and_valid(c->array, c->bits);
  if (c->among != NULL) mst_bits_and(c->bits, c->among, c->n);
  return MST_OK;
}

mst_status mst_array_compare(const struct ArrowSchema *schema, const struct ArrowArray *array, mst_compare_op op,
                             const mst_scalar *with, const uint64_t *among, uint64_t *bits, mst_error *err) {
  mst_type type;
  mst_status status = mst_type_parse(schema->format, &type, err);
  const comparison c = {
      .type = &type, .array = array, .op = op, .with = with, .among = among, .bits = bits, .n = (size_t)array->length};
  if (status != MST_OK) return status;
  if (with->kind == MST_SCALAR_NULL || type.kind == MST_KIND_NULL) {
    mst_bits_fill(bits, c.n, false);
    return MST_OK;
  }
  return compare_as_type(&c, schema, err);
}
