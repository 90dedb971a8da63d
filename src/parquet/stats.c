/* parquet/stats.c - statistics of values.
 *
 * Owns: nothing. May call: base. */
#include "parquet/stats.h"

/* ---- comparing ----------------------------------------------------------------------------------------------- */

static int compare_bytes(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size) {
  size_t n = mst_min_size(a_size, b_size);
  int c = n > 0 ? memcmp(a, b, n) : 0;
  return c != 0 ? c : a_size < b_size ? -1 : a_size > b_size;
}

/* Big-endian two's complement; the shorter one is extended by its sign. */
static int compare_decimals(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size) {
  size_t n = mst_max_size(a_size, b_size), i;
  uint8_t a_fill = a_size > 0 && a[0] >= 0x80 ? 0xff : 0, b_fill = b_size > 0 && b[0] >= 0x80 ? 0xff : 0;
  if (a_fill != b_fill) return a_fill != 0 ? -1 : 1;
  for (i = 0; i < n; i++) {
    uint8_t x = i < n - a_size ? a_fill : a[i - (n - a_size)], y = i < n - b_size ? b_fill : b[i - (n - b_size)];
    if (x != y) return x < y ? -1 : 1;
  }
  return 0;
}

/* Half floats in an order that integers have; NaN was left out before. */
static int32_t half_rank(const uint8_t *p) {
  uint16_t v = mst_le16(p);
  int32_t magnitude = v & 0x7fff;
  return (v & 0x8000) != 0 ? -magnitude : magnitude;
}

#define COMPARE_AS(type)       \
  do {                         \
    type x, y;                 \
    memcpy(&x, a, sizeof x);   \
    memcpy(&y, b, sizeof y);   \
    return x < y ? -1 : x > y; \
  } while (0)

int mst_pq_compare(mst_pq_order order, const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size) {
  switch (order) {
  case MST_PQ_ORDER_BOOL: COMPARE_AS(uint8_t);
  case MST_PQ_ORDER_I32: COMPARE_AS(int32_t);
  case MST_PQ_ORDER_U32: COMPARE_AS(uint32_t);
  case MST_PQ_ORDER_I64: COMPARE_AS(int64_t);
  case MST_PQ_ORDER_U64: COMPARE_AS(uint64_t);
  case MST_PQ_ORDER_F32: COMPARE_AS(float);
  case MST_PQ_ORDER_F64: COMPARE_AS(double);
  case MST_PQ_ORDER_F16: return half_rank(a) < half_rank(b) ? -1 : half_rank(a) > half_rank(b);
  case MST_PQ_ORDER_DECIMAL: return compare_decimals(a, a_size, b, b_size);
  default: return compare_bytes(a, a_size, b, b_size);
  }
}

/* ---- collecting ---------------------------------------------------------------------------------------------- */

static void set_bound(mst_pq_bound *bound, const void *value, size_t size) {
  memcpy(bound->bytes, value, size);
  bound->size = (uint32_t)size;
  bound->exact = true;
}

static void add_bounds(mst_pq_stats *s, mst_pq_order order, const mst_pq_bound *min, const mst_pq_bound *max) {
  int low = s->has ? mst_pq_compare(order, min->bytes, min->size, s->min.bytes, s->min.size) : -1;
  int high = s->has ? mst_pq_compare(order, max->bytes, max->size, s->max.bytes, s->max.size) : 1;
  if (low < 0) s->min = *min;
  if (low == 0) s->min.exact = s->min.exact && min->exact;
  if (high > 0) s->max = *max;
  if (high == 0) s->max.exact = s->max.exact && max->exact;
  s->has = true;
}

static void add_values(mst_pq_stats *s, mst_pq_order order, const void *min, const void *max, size_t size) {
  mst_pq_bound low, high;
  set_bound(&low, min, size);
  set_bound(&high, max, size);
  add_bounds(s, order, &low, &high);
}

/* NaN is in no range; a zero bound covers both zeros: -0.0 below, +0.0 above. */
static void add_f32(mst_pq_stats *s, const mst_pq_kernels *kernels, const uint8_t *p, size_t n) {
  float range[2];
  size_t nans = kernels->range_f32(p, n, range);
  s->nans += nans;
  if (nans == n) return;
  if (range[0] == 0) range[0] = -0.0f;
  if (range[1] == 0) range[1] = 0.0f;
  add_values(s, MST_PQ_ORDER_F32, &range[0], &range[1], sizeof range[0]);
}

static void add_f64(mst_pq_stats *s, const mst_pq_kernels *kernels, const uint8_t *p, size_t n) {
  double range[2];
  size_t nans = kernels->range_f64(p, n, range);
  s->nans += nans;
  if (nans == n) return;
  if (range[0] == 0) range[0] = -0.0;
  if (range[1] == 0) range[1] = 0.0;
  add_values(s, MST_PQ_ORDER_F64, &range[0], &range[1], sizeof range[0]);
}

static void range_f16(mst_pq_stats *s, const uint8_t *p, size_t n) {
  static const uint8_t zero[2] = {0, 0}, minus_zero[2] = {0, 0x80};
  const uint8_t *low = NULL, *high = NULL;
  size_t i;
  for (i = 0; i < n; i++) {
    const uint8_t *v = p + 2 * i;
    if ((mst_le16(v) & 0x7fff) > 0x7c00) {
      s->nans++;
      continue;
    }
    if (low == NULL || half_rank(v) < half_rank(low)) low = v;
    if (high == NULL || half_rank(v) > half_rank(high)) high = v;
  }
  if (low == NULL) return;
  if (half_rank(low) == 0) low = minus_zero;
  if (half_rank(high) == 0) high = zero;
  add_values(s, MST_PQ_ORDER_F16, low, high, 2);
}

static void range_bytes(mst_pq_stats *s, mst_pq_order order, const uint8_t *p, size_t n, uint32_t width) {
  const uint8_t *low = p, *high = p;
  size_t i;
  for (i = 1; i < n; i++) {
    const uint8_t *v = p + i * width;
    if (mst_pq_compare(order, v, width, low, width) < 0) low = v;
    if (mst_pq_compare(order, v, width, high, width) > 0) high = v;
  }
  mst_pq_stats_bytes(s, order, false, low, width, high, width);
}

void mst_pq_stats_fixed(mst_pq_stats *s, const mst_pq_kernels *kernels, mst_pq_order order, const uint8_t *values,
                        size_t n, uint32_t width) {
  uint64_t range[2] = {0};
  if (n == 0) return;
  switch (order) {
  case MST_PQ_ORDER_I32:
  case MST_PQ_ORDER_U32: {
    uint32_t narrow[2];
    if (order == MST_PQ_ORDER_I32) kernels->range_i32(values, n, (int32_t *)narrow);
    if (order == MST_PQ_ORDER_U32) kernels->range_u32(values, n, narrow);
    add_values(s, order, &narrow[0], &narrow[1], 4);
    break;
  }
  case MST_PQ_ORDER_I64:
  case MST_PQ_ORDER_U64:
    if (order == MST_PQ_ORDER_I64) kernels->range_i64(values, n, (int64_t *)range);
    if (order == MST_PQ_ORDER_U64) kernels->range_u64(values, n, range);
    add_values(s, order, &range[0], &range[1], 8);
    break;
  case MST_PQ_ORDER_F32: add_f32(s, kernels, values, n); break;
  case MST_PQ_ORDER_F64: add_f64(s, kernels, values, n); break;
  case MST_PQ_ORDER_F16: range_f16(s, values, n); break;
  case MST_PQ_ORDER_BYTES:
  case MST_PQ_ORDER_DECIMAL: range_bytes(s, order, values, n, width); break;
  default: s->none = true; break;
  }
}

void mst_pq_stats_bools(mst_pq_stats *s, bool any_false, bool any_true) {
  uint8_t low = !any_false, high = any_true;
  if (any_false || any_true) add_values(s, MST_PQ_ORDER_BOOL, &low, &high, 1);
}

/* A prefix that ends between characters when the bytes are text. */
static size_t prefix_size(const uint8_t *bytes, bool text) {
  size_t n = MST_PQ_BOUND_MAX;
  while (text && n > 0 && (bytes[n] & 0xc0) == 0x80) n--;
  return n;
}

/* Makes a prefix larger than all that begin with it; false when every byte is the largest. */
static bool raise_prefix(mst_pq_bound *bound, bool text) {
  while (bound->size > 0) {
    uint8_t *last = &bound->bytes[bound->size - 1];
    /* In text only ASCII is raised, which keeps it text; what does not fit is dropped. */
    if (text ? *last < 0x7f : *last < 0xff) {
      (*last)++;
      return true;
    }
    bound->size--;
  }
  return false;
}

void mst_pq_stats_bytes(mst_pq_stats *s, mst_pq_order order, bool text, const uint8_t *min, size_t min_size,
                        const uint8_t *max, size_t max_size) {
  mst_pq_bound low, high;
  set_bound(&low, min, min_size <= MST_PQ_BOUND_MAX ? min_size : prefix_size(min, text));
  set_bound(&high, max, max_size <= MST_PQ_BOUND_MAX ? max_size : prefix_size(max, text));
  low.exact = low.size == min_size;
  high.exact = high.size == max_size;
  if (order == MST_PQ_ORDER_DECIMAL && (!low.exact || !high.exact)) s->none = true;
  if (!high.exact && !raise_prefix(&high, text)) s->none = true;
  if (!s->none) add_bounds(s, order, &low, &high);
}

void mst_pq_stats_merge(mst_pq_stats *s, mst_pq_order order, const mst_pq_stats *from) {
  s->nulls += from->nulls;
  s->nans += from->nans;
  if (from->none) s->none = true;
  if (from->has) add_bounds(s, order, &from->min, &from->max);
}
