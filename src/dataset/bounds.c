/* dataset/bounds.c - see bounds.h. The widths that a table's normal form has get loops of their own. */
#include <math.h>

#include "dataset/bounds.h"

mst_status mst_bounder_init(mst_bounder *b, const mst_allocator *mem, const struct ArrowSchema *field, mst_error *err) {
  *b = (mst_bounder){.field = field};
  mst_buf_init(&b->low, mem, SIZE_MAX / 2);
  mst_buf_init(&b->high, mem, SIZE_MAX / 2);
  mst_status status = mst_type_parse(field->format, &b->type, err);
  b->usable = status == MST_OK && field->dictionary == NULL && mst_type_is_ordered(&b->type);
  return status;
}

void mst_bounder_free(mst_bounder *b) {
  mst_buf_free(&b->low);
  mst_buf_free(&b->high);
}

static bool is_valid(const uint8_t *valid, int64_t i) { return valid == NULL || (valid[i / 8] >> (i % 8) & 1) != 0; }

#define LOOP(name, type)                                                                                                          \
  static bool name(const uint8_t *valid, const void *values, int64_t first, int64_t n, type *low, type *high) {                  \
    const type *v = values;                                                                                                       \
    bool any = false;                                                                                                             \
    type min = 0, max = 0;                                                                                                        \
    int64_t i = first;                                                                                                            \
    while (i < first + n && !is_valid(valid, i)) i++;                                                                             \
    if (i < first + n) {                                                                                                          \
      any = true;                                                                                                                 \
      min = max = v[i];                                                                                                           \
    }                                                                                                                             \
    if (valid == NULL)                                                                                                            \
      for (; i < first + n; i++) {                                                                                                \
        min = v[i] < min ? v[i] : min;                                                                                            \
        max = v[i] > max ? v[i] : max;                                                                                            \
      }                                                                                                                           \
    else                                                                                                                          \
      for (; i < first + n; i++) {                                                                                                \
        if (!is_valid(valid, i)) continue;                                                                                        \
        min = v[i] < min ? v[i] : min;                                                                                            \
        max = v[i] > max ? v[i] : max;                                                                                            \
      }                                                                                                                           \
    *low = min;                                                                                                                   \
    *high = max;                                                                                                                  \
    return any;                                                                                                                   \
  }
LOOP(range_i64, int64_t)
LOOP(range_i32, int32_t)
LOOP(range_u64, uint64_t)

static mst_status keep(mst_buf *buf, mst_scalar *into, const mst_scalar *v, mst_error *err) {
  *into = *v;
  if (v->kind != MST_SCALAR_BYTES) return MST_OK;
  mst_buf_clear(buf);
  mst_status status = mst_buf_put(buf, v->as.bytes.data, v->as.bytes.size, err);
  into->as.bytes.data = buf->data;
  return status;
}

static mst_status take(mst_bounder *b, const mst_scalar *v, mst_error *err) {
  mst_status status = MST_OK;
  if (v->kind == MST_SCALAR_DOUBLE && isnan(v->as.f)) {
    b->any_nan = true;
    return MST_OK;
  }
  if (!b->any || mst_scalar_compare(v, &b->min) < 0) status = keep(&b->low, &b->min, v, err);
  if (status == MST_OK && (!b->any || mst_scalar_compare(v, &b->max) > 0)) status = keep(&b->high, &b->max, v, err);
  b->any = true;
  return status;
}

static mst_status take_both(mst_bounder *b, mst_scalar low, mst_scalar high, mst_error *err) {
  mst_status status = take(b, &low, err);
  return status == MST_OK ? take(b, &high, err) : status;
}

static mst_status put_doubles(mst_bounder *b, const uint8_t *valid, const struct ArrowArray *a, mst_error *err) {
  const double *v = a->buffers[1];
  double min = INFINITY, max = -INFINITY;
  bool any = false;
  for (int64_t i = a->offset; i < a->offset + a->length; i++) {
    if (!is_valid(valid, i)) continue;
    if (isnan(v[i])) {
      b->any_nan = true;
      continue;
    }
    any = true;
    min = v[i] < min ? v[i] : min;
    max = v[i] > max ? v[i] : max;
  }
  return any ? take_both(b, mst_scalar_double(min), mst_scalar_double(max), err) : MST_OK;
}

static mst_status put_bools(mst_bounder *b, const uint8_t *valid, const struct ArrowArray *a, mst_error *err) {
  const uint8_t *bits = a->buffers[1];
  bool seen[2] = {false, false};
  for (int64_t i = a->offset; i < a->offset + a->length && !(seen[0] && seen[1]); i++)
    if (is_valid(valid, i)) seen[bits[i / 8] >> (i % 8) & 1] = true;
  if (!seen[0] && !seen[1]) return MST_OK;
  return take_both(b, mst_scalar_int(seen[0] ? 0 : 1), mst_scalar_int(seen[1] ? 1 : 0), err);
}

/* The first eight bytes as a number that sorts as they do. */
static uint64_t prefix(const uint8_t *p, size_t n) {
  uint8_t first[8] = {0};
  if (n >= 8) return mst_be64(p);
  if (n > 0) memcpy(first, p, n);
  return mst_be64(first);
}

typedef struct span {
  const uint8_t *p;
  size_t n;
  uint64_t prefix;
} span;

static bool is_below(const span *a, const span *b) {
  if (a->prefix != b->prefix) return a->prefix < b->prefix;
  const int order = memcmp(a->n > 0 ? a->p : (const uint8_t *)"", b->n > 0 ? b->p : (const uint8_t *)"", mst_min_size(a->n, b->n));
  return order != 0 ? order < 0 : a->n < b->n;
}

/* Texts are compared by their first bytes where these differ, and are copied once a batch. */
static mst_status put_texts(mst_bounder *b, const uint8_t *valid, const struct ArrowArray *a, mst_error *err) {
  span low = {0}, high = {0}, v;
  bool any = false;
  for (int64_t i = a->offset; i < a->offset + a->length; i++) {
    if (!is_valid(valid, i)) continue;
    v.p = mst_array_text(&b->type, a, i, &v.n);
    v.prefix = prefix(v.p, v.n);
    if (!any || is_below(&v, &low)) low = v;
    if (!any || is_below(&high, &v)) high = v;
    any = true;
  }
  return any ? take_both(b, mst_scalar_bytes(low.p, low.n), mst_scalar_bytes(high.p, high.n), err) : MST_OK;
}

/* Anything else, one value after the other. */
static mst_status put_scalars(mst_bounder *b, const uint8_t *valid, const struct ArrowArray *a, mst_error *err) {
  mst_status status = MST_OK;
  mst_scalar v;
  for (int64_t i = 0; i < a->length && status == MST_OK; i++) {
    if (!is_valid(valid, a->offset + i)) continue;
    status = mst_scalar_at(b->field, a, i, &v, err);
    if (status == MST_OK) status = take(b, &v, err);
  }
  return status;
}

static uint64_t count_nulls(const struct ArrowArray *a, const uint8_t *valid) {
  uint64_t n = 0;
  if (a->null_count >= 0) return (uint64_t)a->null_count;
  for (int64_t i = a->offset; i < a->offset + a->length; i++) n += !is_valid(valid, i);
  return n;
}

mst_status mst_bounder_put(mst_bounder *b, const struct ArrowArray *a, mst_error *err) {
  int64_t low, high;
  int32_t low32, high32;
  uint64_t low_u, high_u;
  if (b->type.kind == MST_KIND_NULL) {
    b->nulls += (uint64_t)a->length;
    return MST_OK;
  }
  if (!b->usable || a->length == 0) return MST_OK;
  const uint8_t *valid = a->null_count == 0 ? NULL : a->buffers[0];
  b->nulls += count_nulls(a, valid);
  if (b->type.kind == MST_KIND_DOUBLE) return put_doubles(b, valid, a, err);
  if (b->type.kind == MST_KIND_UINT64)
    return range_u64(valid, a->buffers[1], a->offset, a->length, &low_u, &high_u)
               ? take_both(b, mst_scalar_uint(low_u), mst_scalar_uint(high_u), err) : MST_OK;
  if (b->type.kind == MST_KIND_BOOL) return put_bools(b, valid, a, err);
  if (b->type.layout == MST_LAYOUT_OFFSETS32 || b->type.layout == MST_LAYOUT_OFFSETS64) return put_texts(b, valid, a, err);
  const bool plain = b->type.layout == MST_LAYOUT_FIXED && mst_type_is_signed(&b->type);
  if (plain && b->type.width == 8)
    return range_i64(valid, a->buffers[1], a->offset, a->length, &low, &high) ? take_both(b, mst_scalar_int(low), mst_scalar_int(high), err)
                                                                              : MST_OK;
  if (plain && b->type.width == 4)
    return range_i32(valid, a->buffers[1], a->offset, a->length, &low32, &high32)
               ? take_both(b, mst_scalar_int(low32), mst_scalar_int(high32), err) : MST_OK;
  return put_scalars(b, valid, a, err);
}

/* A prefix that no value behind it is above: its last byte that can be raised is. Of text, whole characters. */
static bool raise_prefix(mst_buf *text, bool is_text) {
  size_t n = MST_BOUND_TEXT_MAX, bad = 0;
  if (is_text) {
    while (n > 0 && (text->data[n] & 0xc0) == 0x80) n--;
    while (n > 0 && text->data[n - 1] >= 0x7f) n--; /* raised to what is no character: an ASCII one is looked for */
  } else
    while (n > 0 && text->data[n - 1] == 0xff) n--;
  if (n == 0) return false;
  text->data[n - 1]++;
  text->size = n;
  return !is_text || mst_utf8_valid(text->data, n, &bad);
}

void mst_bounder_tell(mst_bounder *b, mst_bounds *out) {
  *out = (mst_bounds){.has_nulls = b->usable || b->type.kind == MST_KIND_NULL, .nulls = b->nulls, .nan_free = !b->any_nan && b->usable};
  if (!b->any) return;
  const bool text = b->type.kind == MST_KIND_TEXT;
  out->has_min = out->has_max = true;
  if (b->min.kind == MST_SCALAR_BYTES && b->low.size > MST_BOUND_TEXT_MAX && b->type.kind != MST_KIND_FIXED_BYTES) {
    size_t n = MST_BOUND_TEXT_MAX;
    while (text && n > 0 && (b->low.data[n] & 0xc0) == 0x80) n--;
    b->low.size = n;
    b->min.as.bytes.size = n;
  }
  if (b->max.kind == MST_SCALAR_BYTES && b->high.size > MST_BOUND_TEXT_MAX && b->type.kind != MST_KIND_FIXED_BYTES) {
    out->has_max = raise_prefix(&b->high, text);
    b->max.as.bytes.size = b->high.size;
  }
  out->min = b->min;
  out->max = b->max;
}
