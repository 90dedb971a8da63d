/* column/kernel_cast_value.c - numbers and times in another width, precision or unit, value by value and checked.
 *
 * Owns: nothing. May call: base. */
#include <float.h>
#include <math.h>

#include "column/cast.h"

__extension__ typedef __int128 wide_nanos;

static bool is_float(const mst_type *t) { return mst_type_scalar(t) == MST_SCALAR_DOUBLE; }
static bool is_whole(const mst_type *t) {
  return mst_type_is_integer(t) || t->kind == MST_KIND_BOOL || t->kind == MST_KIND_DECIMAL;
}
static bool is_instant(const mst_type *t) {
  return t->kind == MST_KIND_DATE32 || t->kind == MST_KIND_DATE64 || t->kind == MST_KIND_TIMESTAMP;
}
static bool is_time(const mst_type *t) { return t->kind == MST_KIND_TIME32 || t->kind == MST_KIND_TIME64; }

bool mst_cast_knows_values(const mst_type *from, const mst_type *to) {
  if (to->kind == MST_KIND_BOOL) return from->kind == MST_KIND_BOOL;
  if (is_whole(from) || is_float(from)) return is_whole(to) || is_float(to);
  if (is_instant(from)) return is_instant(to);
  if (is_time(from)) return is_time(to);
  return from->kind == to->kind && from->layout == MST_LAYOUT_FIXED && from->width == to->width;
}

/* ---- whole numbers --------------------------------------------------------------------------------------------------
 */

static mst_wide whole_of(const mst_scalar *v) {
  if (v->kind == MST_SCALAR_WIDE) return v->as.wide;
  return v->kind == MST_SCALAR_UINT ? mst_wide_from_u64(v->as.u) : mst_wide_from_i64(v->as.i);
}

static bool put_integer(const mst_type *to, const mst_wide *v, uint8_t *out) {
  int64_t i;
  uint64_t u;
  const unsigned bits = to->width * 8;
  if (mst_type_is_signed(to)) {
    const int64_t most = (int64_t)(UINT64_MAX >> (64 - bits + 1));
    if (!mst_wide_to_i64(v, &i) || i > most || i < -most - 1) return false;
    memcpy(out, &i, to->width); /* little-endian: the low bytes come first */
    return true;
  }
  if (!mst_wide_to_u64(v, &u) || u > UINT64_MAX >> (64 - bits)) return false;
  memcpy(out, &u, to->width);
  return true;
}

/* A number with `scale` digits behind its point. */
static bool put_whole(const mst_type *to, mst_wide v, int32_t scale, uint8_t *out) {
  const int32_t shift = (to->kind == MST_KIND_DECIMAL ? to->scale : 0) - scale;
  if (shift > 0 && !mst_wide_scale_up(&v, (unsigned)shift)) return false;
  if (shift < 0 && !mst_wide_scale_down(&v, (unsigned)-shift)) return false;
  if (to->kind != MST_KIND_DECIMAL) return put_integer(to, &v, out);
  return mst_wide_fits_precision(&v, to->precision) && mst_wide_store(&v, to->width, out);
}

/* ---- floats
 * ---------------------------------------------------------------------------------------------------------- */

static double float_back(const mst_type *to, const uint8_t *p) { return mst_scalar_load(to, p).as.f; }

/* Rounded; what is finite stays so. */
static bool put_float(const mst_type *to, double f, uint8_t *out) {
  const uint16_t half = mst_half_from_double(f);
  float narrow;
  if (to->kind == MST_KIND_DOUBLE) {
    memcpy(out, &f, 8);
  } else if (to->kind == MST_KIND_HALF) {
    memcpy(out, &half, 2);
  } else {
    if (isfinite(f) && fabs(f) >= 0x1.ffffffp127) return false;
    narrow = (float)f;
    memcpy(out, &narrow, 4);
  }
  return isinf(float_back(to, out)) == isinf(f);
}

/* Nearest to unscaled / 10^scale. */
static double decimal_to_double(const mst_wide *v, int32_t scale) {
  char text[96];
  double f = 0;
  size_t n = mst_wide_print(v, text);
  if (scale != 0) {
    char digits[12];
    const int32_t rest = scale;
    const bool minus = rest > 0;
    size_t k = sizeof digits;
    uint32_t left = (uint32_t)(rest < 0 ? -(int64_t)rest : rest);
    do digits[--k] = (char)('0' + left % 10);
    while ((left /= 10) != 0);
    text[n++] = 'e';
    if (minus) text[n++] = '-';
    memcpy(text + n, digits + k, sizeof digits - k);
    n += sizeof digits - k;
  }
  mst_number_f64(text, n, &f);
  return f;
}

static bool whole_to_float(const mst_type *from, const mst_type *to, const mst_wide *v, uint8_t *out) {
  mst_wide back;
  if (from->kind == MST_KIND_DECIMAL) return put_float(to, decimal_to_double(v, from->scale), out);
  return put_float(to, mst_wide_to_double(v), out) && mst_wide_from_double(float_back(to, out), &back) &&
         mst_wide_compare(&back, v) == 0;
}

static bool float_to_whole(const mst_type *to, double f, uint8_t *out) {
  mst_wide v;
  return mst_wide_from_double(f, &v) && put_whole(to, v, 0, out);
}

/* ---- times
 * ----------------------------------------------------------------------------------------------------------- */

static int64_t unit_nanos(const mst_type *t) {
  static const int64_t nanos[] = {1000000000, 1000000, 1000, 1};
  if (t->kind == MST_KIND_DATE32) return INT64_C(86400) * 1000000000;
  return t->kind == MST_KIND_DATE64 ? 1000000 : nanos[t->unit];
}

static bool put_moment(const mst_type *from, const mst_type *to, int64_t v, uint8_t *out) {
  const wide_nanos nanos = (wide_nanos)v * unit_nanos(from), unit = unit_nanos(to), moved = nanos / unit;
  const int64_t day = INT64_C(86400) * 1000000000;
  mst_wide wide;
  if (moved * unit != nanos || moved > INT64_MAX || moved < INT64_MIN) return false;
  if (to->kind == MST_KIND_DATE64 && nanos % day != 0) return false;
  wide = mst_wide_from_i64((int64_t)moved);
  return put_integer(to, &wide, out);
}

/* ---- columns
 * --------------------------------------------------------------------------------------------------------- */

static bool put_value(const casting *c, const mst_scalar *v, uint8_t *out) {
  mst_wide whole;
  if (v->kind == MST_SCALAR_DOUBLE) {
    if (is_float(&c->to)) return put_float(&c->to, v->as.f, out);
    return float_to_whole(&c->to, v->as.f, out);
  }
  if (mst_type_is_temporal(&c->from)) return put_moment(&c->from, &c->to, v->as.i, out);
  whole = whole_of(v);
  if (is_float(&c->to)) return whole_to_float(&c->from, &c->to, &whole, out);
  return put_whole(&c->to, whole, c->from.kind == MST_KIND_DECIMAL ? c->from.scale : 0, out);
}

/* What always fits goes without a look at each value. */
#define WIDEN(from_type, to_type)                                                       \
  do {                                                                                  \
    const from_type *from = (const from_type *)c->array->buffers[1] + c->array->offset; \
    to_type *to = (to_type *)(void *)out;                                               \
    for (int64_t i = 0; i < n; i++) to[i] = (to_type)from[i];                           \
    return true;                                                                        \
  } while (0)
#define WIDEN_TO(to_kind, to_type, kind1, type1, kind2, type2, kind3, type3) \
  if (c->to.kind == to_kind) {                                               \
    if (c->from.kind == kind1) WIDEN(type1, to_type);                        \
    if (c->from.kind == kind2) WIDEN(type2, to_type);                        \
    if (c->from.kind == kind3) WIDEN(type3, to_type);                        \
  }

static bool widen(const casting *c, uint8_t *out) {
  const int64_t n = c->array->length;
  WIDEN_TO(MST_KIND_INT64, int64_t, MST_KIND_INT8, int8_t, MST_KIND_INT16, int16_t, MST_KIND_INT32, int32_t)
  WIDEN_TO(MST_KIND_INT64, int64_t, MST_KIND_UINT8, uint8_t, MST_KIND_UINT16, uint16_t, MST_KIND_UINT32, uint32_t)
  WIDEN_TO(MST_KIND_UINT64, uint64_t, MST_KIND_UINT8, uint8_t, MST_KIND_UINT16, uint16_t, MST_KIND_UINT32, uint32_t)
  WIDEN_TO(MST_KIND_INT32, int32_t, MST_KIND_INT8, int8_t, MST_KIND_INT16, int16_t, MST_KIND_UINT16, uint16_t)
  WIDEN_TO(MST_KIND_DOUBLE, double, MST_KIND_FLOAT, float, MST_KIND_INT32, int32_t, MST_KIND_UINT32, uint32_t)
  WIDEN_TO(MST_KIND_DOUBLE, double, MST_KIND_INT8, int8_t, MST_KIND_INT16, int16_t, MST_KIND_UINT8, uint8_t)
  return false;
}

/* Whole numbers of other widths in two steps: all as int64, looked at for what would be lost, then stored. */
#define LOAD_INTEGERS(type)                                                           \
  do {                                                                                \
    const type *from = (const type *)c->array->buffers[1] + c->array->offset + first; \
    for (size_t i = 0; i < n; i++) v[i] = (int64_t)from[i];                           \
  } while (0)
#define STORE_INTEGERS(type)                           \
  do {                                                 \
    type *to = (type *)(void *)out + first;            \
    for (size_t i = 0; i < n; i++) to[i] = (type)v[i]; \
  } while (0)

static void load_integers(const casting *c, size_t first, size_t n, int64_t *v) {
  switch (c->from.kind) {
  case MST_KIND_INT8: LOAD_INTEGERS(int8_t); break;
  case MST_KIND_INT16: LOAD_INTEGERS(int16_t); break;
  case MST_KIND_INT32: LOAD_INTEGERS(int32_t); break;
  case MST_KIND_UINT8: LOAD_INTEGERS(uint8_t); break;
  case MST_KIND_UINT16: LOAD_INTEGERS(uint16_t); break;
  case MST_KIND_UINT32: LOAD_INTEGERS(uint32_t); break;
  default: LOAD_INTEGERS(int64_t); break;
  }
}

static void store_integers(const casting *c, size_t first, size_t n, const int64_t *v, uint8_t *out) {
  switch (c->to.width) {
  case 1: STORE_INTEGERS(int8_t); break;
  case 2: STORE_INTEGERS(int16_t); break;
  case 4: STORE_INTEGERS(int32_t); break;
  default: STORE_INTEGERS(int64_t); break;
  }
}

/* The first row that is not null and does not fit, -1 when all do. */
static int64_t store_checked(const casting *c, uint8_t *out) {
  enum { PIECE = 512 };
  const unsigned bits = c->to.width * 8;
  const bool is_signed = mst_type_is_signed(&c->to);
  const int64_t most = is_signed    ? (int64_t)(UINT64_MAX >> (64 - bits + 1))
                       : bits == 64 ? INT64_MAX
                                    : (int64_t)(UINT64_MAX >> (64 - bits));
  const int64_t least = is_signed ? -most - 1 : 0;
  int64_t v[PIECE];
  for (size_t first = 0; first < (size_t)c->array->length; first += PIECE) {
    const size_t n = mst_min_size(PIECE, (size_t)c->array->length - first);
    bool bad = false;
    load_integers(c, first, n, v);
    for (size_t i = 0; i < n; i++) bad |= (v[i] < least) | (v[i] > most);
    for (size_t i = 0; bad && i < n; i++)
      if ((v[i] < least || v[i] > most) && mst_cast_row_valid(c, (int64_t)(first + i))) return (int64_t)(first + i);
    store_integers(c, first, n, v, out);
  }
  return -1;
}

static mst_scalar value_at(const casting *c, int64_t i) {
  const int64_t at = c->array->offset + i;
  const uint8_t *p = c->array->buffers[1];
  if (c->from.layout == MST_LAYOUT_BITS) return mst_scalar_int(p[at >> 3] >> (at & 7) & 1);
  return mst_scalar_load(&c->from, p + (size_t)at * c->from.width);
}

static mst_status fill_values(const casting *c, uint8_t *out) {
  const size_t width = c->to.width;
  const bool same = c->from.kind == c->to.kind && c->from.width == width && c->from.unit == c->to.unit &&
                    c->from.scale == c->to.scale && c->from.precision <= c->to.precision;
  if (c->array->length == 0) return MST_OK;
  if (same || mst_type_scalar(&c->from) == MST_SCALAR_BYTES) {
    memcpy(out, (const uint8_t *)c->array->buffers[1] + (size_t)c->array->offset * width,
           (size_t)c->array->length * width);
    return MST_OK;
  }
  if (widen(c, out)) return MST_OK;
  if (mst_type_is_integer(&c->from) && c->from.kind != MST_KIND_UINT64 && mst_type_is_integer(&c->to)) {
    const int64_t row = store_checked(c, out);
    return row < 0 ? MST_OK : mst_cast_misfit(c, row, "has no place there");
  }
  for (int64_t i = 0; i < c->array->length; i++, out += width) {
    mst_scalar v;
    if (!mst_cast_row_valid(c, i)) {
      memset(out, 0, width);
      continue;
    }
    v = value_at(c, i);
    if (!put_value(c, &v, out)) return mst_cast_misfit(c, i, "has no place there");
  }
  return MST_OK;
}

mst_status mst_cast_values(const casting *c, struct ArrowArray *out) {
  mst_status status = MST_OK;
  mst_block valid, values;
  mst_bytes buffers[2] = {{0}};
  const size_t size = (size_t)c->array->length * c->to.width;
  mst_array_parts parts = {.length = c->array->length, .buffers = buffers, .n_buffers = 2};
  mst_block_init(&valid, c->mem);
  mst_block_init(&values, c->mem);
  MST_TRY(mst_cast_valid(c, &valid, &parts.null_count));
  MST_TRY(mst_block_grow(&values, size, c->err));
  values.size = size;
  MST_TRY(fill_values(c, values.data));
  if (parts.null_count > 0) mst_block_take(&valid, &buffers[0]);
  mst_block_take(&values, &buffers[1]);
  status = mst_array_make(c->mem, &parts, out, c->err);
done:
  mst_block_free(&valid);
  mst_block_free(&values);
  return status;
}
