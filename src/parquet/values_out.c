/* parquet/values_out.c - turns Arrow values into Parquet's physical values.
 *
 * Owns: nothing. May call: base, column. */
#include "parquet/values_out.h"

#include "parquet/encode_out.h"

static uint64_t head_of(const uint8_t *p, size_t n) {
  uint8_t head[8] = {0};
  if (n >= 8) return mst_be64(p);
  if (n > 0) memcpy(head, p, n);
  return mst_be64(head);
}

void mst_pq_text_range_add(mst_pq_text_range *r, mst_pq_order order, const uint8_t *p, size_t n) {
  uint64_t head = head_of(p, n);
  if (r->min == NULL) {
    *r = (mst_pq_text_range){p, p, n, n, head, head};
    return;
  }
  if (head <= r->min_head && (head < r->min_head || mst_pq_compare(order, p, n, r->min, r->min_size) < 0)) {
    r->min = p;
    r->min_size = n;
    r->min_head = head;
  }
  if (head >= r->max_head && (head > r->max_head || mst_pq_compare(order, p, n, r->max, r->max_size) > 0)) {
    r->max = p;
    r->max_size = n;
    r->max_head = head;
  }
}

void mst_pq_text_range_end(const mst_pq_text_range *r, mst_pq_order order, bool text, mst_pq_stats *stats) {
  if (r->min != NULL) mst_pq_stats_bytes(stats, order, text, r->min, r->min_size, r->max, r->max_size);
}

static mst_status put_text(const mst_pq_leaf *leaf, const struct ArrowArray *array, const mst_pq_run *runs,
                           size_t n_runs, mst_block *out, mst_pq_stats *stats, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_text_range range = {0};
  static const uint8_t none[1];
  size_t k, n;
  int64_t i;
  for (k = 0; k < n_runs; k++) {
    for (i = runs[k].first; i < runs[k].first + runs[k].count; i++) {
      const uint8_t *p = mst_array_text(&leaf->type, array, i, &n);
      if (n > INT32_MAX - 4096)
        return mst_fail(err, MST_E_LIMIT, "a value of %zu bytes is too large for a Parquet page", n);
      if (p == NULL) p = none;
      MST_TRY(mst_block_reserve(out, n + 4, err));
      mst_put_le32(out->data + out->size, (uint32_t)n);
      memcpy(out->data + out->size + 4, p, n);
      out->size += n + 4;
      if (stats != NULL) mst_pq_text_range_add(&range, leaf->order, p, n);
    }
  }
  mst_pq_text_range_end(&range, leaf->order, leaf->type.kind == MST_KIND_TEXT, stats);
done:
  return status;
}

/* Lengths of a run, from its offsets. */
static void put_lengths(const mst_type *type, const struct ArrowArray *array, const mst_pq_run *run, int32_t *to) {
  const int32_t *narrow = (const int32_t *)array->buffers[1] + run->first;
  const int64_t *wide = (const int64_t *)array->buffers[1] + run->first;
  int64_t i;
  if (type->layout == MST_LAYOUT_OFFSETS32) {
    for (i = 0; i < run->count; i++) to[i] = narrow[i + 1] - narrow[i];
  } else {
    for (i = 0; i < run->count; i++) to[i] = (int32_t)(wide[i + 1] - wide[i]);
  }
}

mst_status mst_pq_put_delta_lengths(const mst_pq_leaf *leaf, const struct ArrowArray *array, const mst_pq_run *runs,
                                    size_t n_runs, mst_block *out, mst_pq_stats *stats, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_text_range range = {0};
  mst_block lengths;
  size_t k, n = 0, size;
  int64_t i;
  mst_block_init(&lengths, out->mem);
  for (k = 0; k < n_runs; k++) n += (size_t)runs[k].count;
  MST_TRY(mst_block_reserve(&lengths, 4 * n, err));
  for (k = 0; k < n_runs; k++) {
    put_lengths(&leaf->type, array, &runs[k], (int32_t *)(void *)(lengths.data + lengths.size));
    lengths.size += 4 * (size_t)runs[k].count;
  }
  MST_TRY(mst_pq_encode(MST_PQ_DELTA_BINARY_PACKED, 4, lengths.data, lengths.size, n, out, err));
  for (k = 0; k < n_runs; k++) {
    const uint8_t *begin = mst_array_text(&leaf->type, array, runs[k].first, &size);
    const uint8_t *end = mst_array_text(&leaf->type, array, runs[k].first + runs[k].count - 1, &size);
    if (begin != NULL) MST_TRY(mst_block_put(out, begin, (size_t)(end - begin) + size, err));
    for (i = runs[k].first; stats != NULL && i < runs[k].first + runs[k].count; i++) {
      const uint8_t *p = mst_array_text(&leaf->type, array, i, &size);
      mst_pq_text_range_add(&range, leaf->order, p, size);
    }
  }
  if (stats != NULL) mst_pq_text_range_end(&range, leaf->order, leaf->type.kind == MST_KIND_TEXT, stats);
done:
  mst_block_free(&lengths);
  return status;
}

static mst_status put_bools(const struct ArrowArray *array, const mst_pq_run *runs, size_t n_runs, mst_block *out,
                            uint64_t *bits, mst_pq_stats *stats, mst_error *err) {
  mst_status status = MST_OK;
  const uint8_t *from = array->buffers[1];
  bool seen[2] = {false, false};
  size_t k, base = out->size - (size_t)((*bits + 7) / 8); /* where the first bool lies */
  int64_t i;
  for (k = 0; k < n_runs; k++) {
    size_t end = base + (size_t)((*bits + (uint64_t)runs[k].count + 7) / 8);
    if (end > out->size) MST_TRY(mst_block_put_zero(out, end - out->size, err));
    for (i = runs[k].first; i < runs[k].first + runs[k].count; i++) {
      unsigned v = from[i >> 3] >> (i & 7) & 1;
      out->data[base + (size_t)(*bits >> 3)] |= (uint8_t)(v << (*bits & 7));
      seen[v] = true;
      ++*bits;
    }
  }
  if (stats != NULL) mst_pq_stats_bools(stats, seen[0], seen[1]);
done:
  return status;
}

#define WIDEN(from_type, to_type)                           \
  do {                                                      \
    const from_type *p = (const from_type *)values + first; \
    for (i = 0; i < count; i++) {                           \
      to_type v = (to_type)p[i];                            \
      memcpy(to + (size_t)i * sizeof v, &v, sizeof v);      \
    }                                                       \
  } while (0)

static mst_status times_1000(const void *values, uint32_t width, int64_t first, int64_t count, uint8_t *to,
                             mst_error *err) {
  int64_t i;
  for (i = 0; i < count; i++) {
    int64_t v = width == 8 ? ((const int64_t *)values)[first + i] : ((const int32_t *)values)[first + i];
    if (__builtin_mul_overflow(v, 1000, &v) || (width == 4 && (v > INT32_MAX || v < INT32_MIN)))
      return mst_fail(err, MST_E_ARGUMENT, "a time in seconds is beyond what Parquet's milliseconds can hold");
    memcpy(to + (size_t)i * width, &v, width); /* little-endian: the low bytes come first */
  }
  return MST_OK;
}

static mst_status ms_to_days(const int64_t *values, int64_t first, int64_t count, uint8_t *to, mst_error *err) {
  int64_t i, day = 86400000;
  for (i = 0; i < count; i++) {
    int64_t v = values[first + i], days = v / day - (v % day < 0);
    int32_t narrow = (int32_t)days;
    if (narrow != days)
      return mst_fail(err, MST_E_ARGUMENT, "a date in milliseconds is beyond what Parquet's days can hold");
    memcpy(to + 4 * i, &narrow, 4);
  }
  return MST_OK;
}

static mst_status decimals(const mst_pq_leaf *leaf, const uint8_t *values, int64_t first, int64_t count, uint8_t *to,
                           mst_error *err) {
  uint32_t from = leaf->type.width, width = leaf->width, b;
  int64_t i;
  for (i = 0; i < count; i++) {
    const uint8_t *p = values + (size_t)(first + i) * from;
    uint8_t sign = p[from - 1] >= 0x80 ? 0xff : 0;
    for (b = 0; b < width; b++) to[(size_t)i * width + b] = width - 1 - b < from ? p[width - 1 - b] : sign;
    for (b = width; b < from; b++)
      if (p[b] != sign) break;
    if (b < from || (width <= from && (p[width - 1] >= 0x80) != (sign != 0)))
      return mst_fail(err, MST_E_ARGUMENT, "a decimal has more than the %d digits of its column", leaf->type.precision);
  }
  return MST_OK;
}

/* INTERVAL: months, days, milliseconds, four bytes each. */
static void intervals(mst_pq_map_kind map, const uint8_t *values, int64_t first, int64_t count, uint8_t *to) {
  int64_t i;
  memset(to, 0, 12 * (size_t)count);
  for (i = 0; i < count; i++) {
    if (map == MST_PQ_MAP_MONTHS) {
      memcpy(to + 12 * i, values + 4 * (first + i), 4);
    } else {
      memcpy(to + 12 * i + 4, values + 8 * (first + i), 8);
    }
  }
}

/* `count` fixed-width values to `to`. */
static mst_status map_values(const mst_pq_leaf *leaf, const struct ArrowArray *array, int64_t first, int64_t count,
                             uint8_t *to, mst_error *err) {
  const void *values = array->buffers[1];
  int64_t i;
  switch (leaf->map) {
  case MST_PQ_MAP_I8: WIDEN(int8_t, int32_t); return MST_OK;
  case MST_PQ_MAP_U8: WIDEN(uint8_t, int32_t); return MST_OK;
  case MST_PQ_MAP_I16: WIDEN(int16_t, int32_t); return MST_OK;
  case MST_PQ_MAP_U16: WIDEN(uint16_t, int32_t); return MST_OK;
  case MST_PQ_MAP_TIMES_1000: return times_1000(values, leaf->width, first, count, to, err);
  case MST_PQ_MAP_MS_TO_DAYS: return ms_to_days(values, first, count, to, err);
  case MST_PQ_MAP_DECIMAL: return decimals(leaf, values, first, count, to, err);
  case MST_PQ_MAP_DAYS_MS:
  case MST_PQ_MAP_MONTHS: intervals(leaf->map, values, first, count, to); return MST_OK;
  default:
    memcpy(to, (const uint8_t *)values + (size_t)first * leaf->width, (size_t)count * leaf->width);
    return MST_OK;
  }
}

static mst_status put_fixed(const mst_pq_leaf *leaf, const mst_pq_kernels *kernels, const struct ArrowArray *array,
                            const mst_pq_run *runs, size_t n_runs, mst_block *out, mst_pq_stats *stats,
                            mst_error *err) {
  mst_status status = MST_OK;
  size_t k, start = out->size, total = 0;
  for (k = 0; k < n_runs; k++) total += (size_t)runs[k].count;
  MST_TRY(mst_block_reserve(out, total * leaf->width, err));
  for (k = 0; k < n_runs; k++) {
    MST_TRY(map_values(leaf, array, runs[k].first, runs[k].count, out->data + out->size, err));
    out->size += (size_t)runs[k].count * leaf->width;
  }
  if (stats != NULL) mst_pq_stats_fixed(stats, kernels, leaf->order, out->data + start, total, leaf->width);
done:
  return status;
}

mst_status mst_pq_put_plain(const mst_pq_leaf *leaf, const mst_pq_kernels *kernels, const struct ArrowArray *array,
                            const mst_pq_run *runs, size_t n_runs, mst_block *out, uint64_t *bits, mst_pq_stats *stats,
                            mst_error *err) {
  if (n_runs == 0) return MST_OK;
  if (leaf->map == MST_PQ_MAP_TEXT) return put_text(leaf, array, runs, n_runs, out, stats, err);
  if (leaf->map == MST_PQ_MAP_BITS) return put_bools(array, runs, n_runs, out, bits, stats, err);
  return put_fixed(leaf, kernels, array, runs, n_runs, out, stats, err);
}
