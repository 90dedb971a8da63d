/* column/scalar.c - single values out of arrays, and how they compare.
 *
 * Owns: nothing. May call: base. */
#include "column/scalar.h"

#include <math.h>

#include "column/column.h"

mst_scalar_kind mst_type_scalar(const mst_type *type) {
  switch (type->kind) {
  case MST_KIND_BOOL:
  case MST_KIND_INT8:
  case MST_KIND_INT16:
  case MST_KIND_INT32:
  case MST_KIND_INT64:
  case MST_KIND_UINT8:
  case MST_KIND_UINT16:
  case MST_KIND_UINT32:
  case MST_KIND_DATE32:
  case MST_KIND_DATE64:
  case MST_KIND_TIME32:
  case MST_KIND_TIME64:
  case MST_KIND_TIMESTAMP:
  case MST_KIND_DURATION: return MST_SCALAR_INT;
  case MST_KIND_UINT64: return MST_SCALAR_UINT;
  case MST_KIND_HALF:
  case MST_KIND_FLOAT:
  case MST_KIND_DOUBLE: return MST_SCALAR_DOUBLE;
  case MST_KIND_DECIMAL: return MST_SCALAR_WIDE;
  case MST_KIND_MONTHS:
  case MST_KIND_DAYS_MS:
  case MST_KIND_MONTH_DAY_NANO:
  case MST_KIND_FIXED_BYTES:
  case MST_KIND_BYTES:
  case MST_KIND_TEXT: return MST_SCALAR_BYTES;
  case MST_KIND_NULL:
  case MST_KIND_LIST:
  case MST_KIND_FIXED_LIST:
  case MST_KIND_MAP:
  case MST_KIND_STRUCT:
  case MST_KIND_UNION:
  case MST_KIND_RUN_END: break;
  }
  return MST_SCALAR_NULL;
}

bool mst_type_is_ordered(const mst_type *type) {
  if (type->kind == MST_KIND_MONTHS || type->kind == MST_KIND_DAYS_MS || type->kind == MST_KIND_MONTH_DAY_NANO)
    return false;
  return mst_type_scalar(type) != MST_SCALAR_NULL;
}

static int compare_bytes(const mst_scalar *a, const mst_scalar *b) {
  const size_t n = mst_min_size(a->as.bytes.size, b->as.bytes.size);
  const int order = n > 0 ? memcmp(a->as.bytes.data, b->as.bytes.data, n) : 0;
  if (order != 0) return order;
  return (a->as.bytes.size > b->as.bytes.size) - (a->as.bytes.size < b->as.bytes.size);
}

int mst_scalar_compare(const mst_scalar *a, const mst_scalar *b) {
  switch (a->kind) {
  case MST_SCALAR_INT: return (a->as.i > b->as.i) - (a->as.i < b->as.i);
  case MST_SCALAR_UINT: return (a->as.u > b->as.u) - (a->as.u < b->as.u);
  case MST_SCALAR_DOUBLE: return (a->as.f > b->as.f) - (a->as.f < b->as.f);
  case MST_SCALAR_WIDE: return mst_wide_compare(&a->as.wide, &b->as.wide);
  case MST_SCALAR_BYTES: return compare_bytes(a, b);
  case MST_SCALAR_NULL: break;
  }
  return 0;
}

bool mst_scalar_equal(const mst_scalar *a, const mst_scalar *b) {
  if (a->kind != b->kind || a->kind == MST_SCALAR_NULL) return false;
  if (a->kind == MST_SCALAR_DOUBLE) return a->as.f == b->as.f;
  return mst_scalar_compare(a, b) == 0;
}

/* ---- half precision ------------------------------------------------------------------------------------------ */

double mst_half_to_double(uint16_t h) {
  const unsigned exponent = h >> 10 & 31, mantissa = h & 1023u;
  double f;
  if (exponent == 31) f = mantissa != 0 ? (double)NAN : (double)INFINITY;
  else if (exponent == 0) f = (double)mantissa * 0x1p-24;
  else f = ldexp((double)(1024 + mantissa), (int)exponent - 25);
  return (h & 0x8000) != 0 ? -f : f;
}

uint16_t mst_half_from_double(double f) {
  const unsigned sign = signbit(f) ? 0x8000 : 0;
  const double magnitude = fabs(f);
  double rounded;
  int exponent;
  if (isnan(f)) return (uint16_t)(sign | 0x7e00);
  if (magnitude >= 65520) return (uint16_t)(sign | 0x7c00);
  if (magnitude < 0x1p-14) return (uint16_t)(sign | (unsigned)nearbyint(magnitude * 0x1p24));
  frexp(magnitude, &exponent);
  /* A mantissa that rounds up to 2048 carries into the exponent, which is what is wanted. */
  rounded = nearbyint(ldexp(magnitude, 11 - exponent));
  return (uint16_t)(sign | (((unsigned)(exponent + 13) << 10) + (unsigned)rounded));
}

/* ---- values of arrays ---------------------------------------------------------------------------------------- */

#define LOAD(ctype, make)    \
  do {                       \
    ctype v;                 \
    memcpy(&v, p, sizeof v); \
    return make(v);          \
  } while (0)

mst_scalar mst_scalar_load(const mst_type *type, const void *p) {
  switch (type->kind) {
  case MST_KIND_INT8: LOAD(int8_t, mst_scalar_int);
  case MST_KIND_INT16: LOAD(int16_t, mst_scalar_int);
  case MST_KIND_INT32:
  case MST_KIND_DATE32:
  case MST_KIND_TIME32: LOAD(int32_t, mst_scalar_int);
  case MST_KIND_INT64:
  case MST_KIND_DATE64:
  case MST_KIND_TIME64:
  case MST_KIND_TIMESTAMP:
  case MST_KIND_DURATION: LOAD(int64_t, mst_scalar_int);
  case MST_KIND_UINT8: LOAD(uint8_t, mst_scalar_int);
  case MST_KIND_UINT16: LOAD(uint16_t, mst_scalar_int);
  case MST_KIND_UINT32: LOAD(uint32_t, mst_scalar_int);
  case MST_KIND_UINT64: LOAD(uint64_t, mst_scalar_uint);
  case MST_KIND_FLOAT: LOAD(float, mst_scalar_double);
  case MST_KIND_DOUBLE: LOAD(double, mst_scalar_double);
  case MST_KIND_HALF: {
    uint16_t h;
    memcpy(&h, p, sizeof h);
    return mst_scalar_double(mst_half_to_double(h));
  }
  case MST_KIND_DECIMAL: return (mst_scalar){.kind = MST_SCALAR_WIDE, .as.wide = mst_wide_load(p, type->width)};
  default: return mst_scalar_bytes(p, type->width);
  }
}

static bool bit(const uint8_t *bits, int64_t i) { return (bits[i >> 3] >> (i & 7) & 1) != 0; }

/* Run i of the values that hold row `at`. */
static int64_t find_run(const struct ArrowSchema *schema, const struct ArrowArray *ends, int64_t at) {
  int64_t low = 0, high = ends->length;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2, k = ends->offset + middle;
    const char width = schema->children[0]->format[0];
    const int64_t end = width == 's'   ? ((const int16_t *)ends->buffers[1])[k]
                        : width == 'i' ? ((const int32_t *)ends->buffers[1])[k]
                                       : ((const int64_t *)ends->buffers[1])[k];
    if (end > at) high = middle;
    else low = middle + 1;
  }
  return low;
}

static int64_t index_at(const mst_type *type, const struct ArrowArray *array, int64_t at) {
  const mst_scalar v = mst_scalar_load(type, (const uint8_t *)array->buffers[1] + (size_t)at * type->width);
  return v.kind == MST_SCALAR_UINT ? (v.as.u > INT64_MAX ? -1 : (int64_t)v.as.u) : v.as.i;
}

static mst_status scalar_behind(const struct ArrowSchema *schema, const struct ArrowArray *array, const mst_type *type,
                                int64_t at, mst_scalar *out, mst_error *err) {
  int64_t i;
  if (schema->dictionary != NULL) {
    i = index_at(type, array, at);
    if (i < 0 || i >= array->dictionary->length)
      return mst_fail(err, MST_E_ARGUMENT, "column \"%.80s\" has an index outside of its dictionary",
                      schema->name != NULL ? schema->name : "");
    return mst_scalar_at(schema->dictionary, array->dictionary, i, out, err);
  }
  i = find_run(schema, array->children[0], at);
  if (i >= array->children[1]->length)
    return mst_fail(err, MST_E_ARGUMENT, "column \"%.80s\" has fewer runs than rows",
                    schema->name != NULL ? schema->name : "");
  return mst_scalar_at(schema->children[1], array->children[1], i, out, err);
}

mst_status mst_scalar_at(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t i, mst_scalar *out,
                         mst_error *err) {
  mst_status status = MST_OK;
  mst_type type;
  const int64_t at = array->offset + i;
  size_t n;
  MST_TRY(mst_type_parse(schema->format, &type, err));
  if (type.kind == MST_KIND_RUN_END) return scalar_behind(schema, array, &type, at, out, err);
  if (type.kind == MST_KIND_NULL ||
      (array->null_count != 0 && array->n_buffers > 0 && array->buffers[0] != NULL && !bit(array->buffers[0], at))) {
    *out = mst_scalar_null();
    return MST_OK;
  }
  if (schema->dictionary != NULL) return scalar_behind(schema, array, &type, at, out, err);
  switch (type.layout) {
  case MST_LAYOUT_BITS: *out = mst_scalar_int(bit(array->buffers[1], at)); break;
  case MST_LAYOUT_FIXED:
    *out = mst_scalar_load(&type, (const uint8_t *)array->buffers[1] + (size_t)at * type.width);
    break;
  case MST_LAYOUT_OFFSETS32:
  case MST_LAYOUT_OFFSETS64:
  case MST_LAYOUT_VIEWS: {
    const uint8_t *p = mst_array_text(&type, array, at, &n);
    *out = mst_scalar_bytes(p, n);
    break;
  }
  default:
    return mst_fail(err, MST_E_UNSUPPORTED, "column \"%.80s\" of Arrow format \"%.40s\" has no single values",
                    schema->name != NULL ? schema->name : "", schema->format);
  }
done:
  return status;
}
