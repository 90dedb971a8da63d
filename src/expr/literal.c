/* expr/literal.c - literals among the values of a column's type: exactly, whatever the two types are.
 *
 * Owns: nothing. May call: base, column. */
#include <float.h>
#include <math.h>
#include <stdio.h>

#include "expr/bound.h"

const char *mst_type_print(const mst_type *type, char out[80]) {
  static const char *const names[] = {
      "null",   "bool",   "int8",      "int16",           "int32",    "int64",    "uint8",    "uint16",
      "uint32", "uint64", "half",      "float",           "double",   "decimal",  "date",     "date",
      "time",   "time",   "timestamp", "duration",        "interval", "interval", "interval", "fixed-size bytes",
      "bytes",  "text",   "list",      "fixed-size list", "map",      "struct",   "union",    "run-end encoded"};
  static const char *const units[] = {"s", "ms", "us", "ns"};
  switch (type->kind) {
  case MST_KIND_DECIMAL: snprintf(out, 80, "decimal(%d, %d)", type->precision, type->scale); break;
  case MST_KIND_TIMESTAMP:
    snprintf(out, 80, type->zone[0] != '\0' ? "timestamp[%s, %.40s]" : "timestamp[%s]", units[type->unit], type->zone);
    break;
  case MST_KIND_TIME32:
  case MST_KIND_TIME64:
  case MST_KIND_DURATION: snprintf(out, 80, "%s[%s]", names[type->kind], units[type->unit]); break;
  default: snprintf(out, 80, "%s", names[type->kind]);
  }
  return out;
}

static mst_status misfit(const mst_literal *l, const mst_type *type, const char *column, const char *hint,
                         mst_error *err) {
  char name[80];
  const char *text = "NaN or infinity";
  int n = (int)strlen(text);
  if (l->kind == MST_LITERAL_BOOL) {
    text = l->as.b ? "true" : "false";
    n = (int)strlen(text);
  } else if (l->kind == MST_LITERAL_BYTES) {
    text = "bytes";
    n = 5;
  } else if (l->kind >= MST_LITERAL_NUMBER) {
    text = l->as.text.data;
    n = (int)mst_min_size(l->as.text.size, 60);
  }
  return mst_fail(err, MST_E_ARGUMENT, "condition: column \"%.80s\" is %s, which does not compare with %s%.*s%s%s",
                  column, mst_type_print(type, name), l->kind == MST_LITERAL_TEXT ? "'" : "", n, text,
                  l->kind == MST_LITERAL_TEXT ? "'" : "", hint);
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

/* The digits of a number's text: value = 0.d1 d2 d3 … * 10^point. */
typedef struct digits {
  const char *text;
  size_t size; /* up to the exponent */
  bool minus;
  bool whole; /* neither point nor exponent */
  int64_t point;
  size_t first; /* of text: where the first digit that is not 0 stands; size when there is none */
} digits;

static digits read_digits(const char *text, size_t n) {
  enum { FAR = 100000000 };
  digits d = {.text = text, .minus = n > 0 && text[0] == '-', .whole = true};
  int64_t exponent = 0, before = 0, zeros = 0;
  bool seen_point = false, found = false, negative = false;
  size_t i = d.minus;
  d.first = SIZE_MAX;
  for (; i < n && text[i] != 'e' && text[i] != 'E'; i++) {
    if (text[i] == '.') {
      seen_point = true;
      continue;
    }
    if (!found && text[i] != '0') {
      found = true;
      d.first = i;
    }
    if (!seen_point && found) before++;
    if (seen_point && !found) zeros++;
  }
  d.size = i;
  d.whole = !seen_point && i == n;
  if (i < n) {
    i++;
    negative = i < n && text[i] == '-';
    if (i < n && (text[i] == '-' || text[i] == '+')) i++;
    for (; i < n; i++) exponent = exponent < FAR ? exponent * 10 + (text[i] - '0') : FAR;
  }
  if (!found) d.first = d.size;
  d.point = before - zeros + (negative ? -exponent : exponent);
  return d;
}

/* floor(number * 10^scale); false when its magnitude has more than 255 bits. */
static bool number_floor(const char *text, size_t n, int32_t scale, mst_wide *out, bool *exact) {
  const digits d = read_digits(text, n);
  const int64_t count = d.point + scale; /* digits in front of the point after scaling */
  mst_wide v = {{0}};
  int64_t used = 0;
  bool rest = false;
  size_t i = d.first;
  for (; i < d.size; i++) {
    if (d.text[i] == '.') continue;
    if (used < count && !mst_wide_push_digit(&v, (unsigned)(d.text[i] - '0'))) return false;
    if (used >= count) rest = rest || d.text[i] != '0';
    used++;
  }
  if (!mst_wide_zero(&v)) {
    if (count > 100) return false;
    for (; used < count; used++)
      if (!mst_wide_push_digit(&v, 0)) return false;
  }
  *exact = !rest;
  if (d.minus) {
    const mst_wide one = mst_wide_from_i64(-1);
    v = mst_wide_negate(&v);
    if (rest && !mst_wide_add(&v, &one, &v)) return false;
  }
  *out = v;
  return true;
}

/* A wide value among those from `least` to `most`. */
static void cut_wide(const mst_wide *v, bool exact, const mst_wide *least, const mst_wide *most, cut *out,
                     mst_wide *low) {
  *low = *v;
  out->exact = exact;
  out->below = mst_wide_compare(v, least) < 0;
  if (mst_wide_compare(v, most) > 0) {
    *low = *most;
    out->exact = false;
  }
}

static void cut_far(bool minus, const mst_wide *most, cut *out, mst_wide *low) {
  *low = *most;
  out->exact = false;
  out->below = minus;
}

static void integer_range(const mst_type *type, mst_wide *least, mst_wide *most) {
  const unsigned bits = type->width * 8;
  if (type->kind == MST_KIND_DECIMAL) {
    *most = (mst_wide){{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}};
    for (unsigned k = 0; k < 4; k++) {
      if (64 * k >= bits) most->limb[k] = 0;
      else if (64 * (k + 1) >= bits) most->limb[k] = UINT64_MAX >> (64 * (k + 1) - bits + 1);
    }
    *least = mst_wide_negate(most);
    *least = (mst_wide){{~most->limb[0], ~most->limb[1], ~most->limb[2], ~most->limb[3]}};
  } else if (type->kind >= MST_KIND_UINT8 && type->kind <= MST_KIND_UINT64) {
    *least = mst_wide_from_i64(0);
    *most = mst_wide_from_u64(UINT64_MAX >> (64 - bits));
  } else {
    *most = mst_wide_from_i64((int64_t)(UINT64_MAX >> (64 - bits + 1)));
    *least = mst_wide_from_i64(-(int64_t)most->limb[0] - 1);
  }
}

static void put_wide(const mst_type *type, const mst_wide *v, cut *out) {
  switch (mst_type_scalar(type)) {
  case MST_SCALAR_UINT: out->low = mst_scalar_uint(v->limb[0]); break;
  case MST_SCALAR_WIDE: out->low = (mst_scalar){.kind = MST_SCALAR_WIDE, .as.wide = *v}; break;
  default: out->low = mst_scalar_int((int64_t)v->limb[0]);
  }
}

static void cut_number(const char *text, size_t n, const mst_type *type, cut *out) {
  mst_wide v, least, most, low;
  bool exact;
  integer_range(type, &least, &most);
  if (number_floor(text, n, type->kind == MST_KIND_DECIMAL ? type->scale : 0, &v, &exact))
    cut_wide(&v, exact, &least, &most, out, &low);
  else cut_far(n > 0 && text[0] == '-', &most, out, &low);
  put_wide(type, &low, out);
}

/* ---- floats ------------------------------------------------------------------------------------------------------ */

/* The largest value of the narrower type that is not above f. */
static double floor_to(const mst_type *type, double f) {
  if (type->kind == MST_KIND_FLOAT) {
    float near;
    if (isfinite(f) && f > (double)FLT_MAX) return FLT_MAX;
    if (isfinite(f) && f < -(double)FLT_MAX) return -INFINITY;
    near = (float)f;
    return (double)near > f ? nextafterf(near, -INFINITY) : near;
  }
  if (type->kind == MST_KIND_HALF) {
    uint16_t h = mst_half_from_double(f);
    if (isfinite(f) && f > 65504) return 65504;
    if (isfinite(f) && f < -65504) return -INFINITY;
    if (mst_half_to_double(h) <= f) return mst_half_to_double(h);
    if ((h & 0x7fff) == 0) h = 0x8001; /* the value below zero */
    else h = (uint16_t)((h & 0x8000) != 0 ? h + 1 : h - 1);
    return mst_half_to_double(h);
  }
  return f;
}

static double round_to(const mst_type *type, double f) {
  /* Up to here the nearest float is finite. */
  if (type->kind == MST_KIND_FLOAT) return fabs(f) >= 0x1.ffffffp127 ? f : (double)(float)f;
  if (type->kind == MST_KIND_HALF) return fabs(f) >= 65520 ? f : mst_half_to_double(mst_half_from_double(f));
  return f;
}

/* A whole number against the nearest double: below it, at it or above it. */
static int order_of(const char *text, size_t n, double f) {
  mst_wide number, near;
  bool exact;
  if (!number_floor(text, n, 0, &number, &exact) || !mst_wide_from_double(f, &near)) return 0;
  return mst_wide_compare(&number, &near);
}

static void cut_double(const mst_type *type, double f, bool exact, cut *out) {
  const double low = floor_to(type, f);
  out->exact = exact && low == f;
  out->low = mst_scalar_double(low);
}

/* Numbers with a point or an exponent take the nearest value of the type; whole ones are exact. What is finite is never
 * infinity. */
static void cut_float(const char *text, size_t n, const mst_type *type, cut *out) {
  const bool whole = read_digits(text, n).whole;
  double f = 0;
  bool exact = true;
  mst_number_f64(text, n, &f);
  if (isinf(f)) {
    out->low = mst_scalar_double(floor_to(type, f > 0 ? DBL_MAX : -INFINITY));
    out->exact = false;
    return;
  }
  if (whole) {
    const int order = order_of(text, n, f);
    exact = order == 0;
    if (order < 0) f = nextafter(f, -INFINITY);
  } else {
    f = round_to(type, f);
  }
  cut_double(type, f, exact, out);
}

/* ---- times ------------------------------------------------------------------------------------------------------- */

static mst_nanos unit_nanos(const mst_type *type) {
  static const int64_t nanos[] = {1000000000, 1000000, 1000, 1};
  if (type->kind == MST_KIND_DATE32) return (mst_nanos)86400 * 1000000000;
  if (type->kind == MST_KIND_DATE64) return 1000000;
  return nanos[type->unit];
}

static void cut_nanos(mst_nanos nanos, const mst_type *type, cut *out) {
  const mst_nanos unit = unit_nanos(type);
  const mst_nanos most = type->width == 4 ? INT32_MAX : INT64_MAX;
  mst_nanos v = nanos / unit;
  if (nanos % unit < 0) v--;
  out->exact = v * unit == nanos;
  out->below = v < -most - 1;
  if (v > most) {
    v = most;
    out->exact = false;
  }
  out->low = mst_scalar_int(out->below ? 0 : (int64_t)v);
}

/* ---- every pair of literal and type -------------------------------------------------------------------------------
 */

static bool is_text(const mst_literal *l, mst_literal_kind kind) {
  return l->kind == MST_LITERAL_TEXT || l->kind == kind;
}

static mst_status cut_moment(const mst_literal *l, const mst_type *type, const char *column, cut *out, mst_error *err) {
  const char *text = l->as.text.data;
  const size_t n = l->as.text.size;
  const char *hint = "; write 'YYYY-MM-DD[ HH:MM[:SS[.fraction]]][Z or +HH:MM]'";
  mst_nanos nanos = 0;
  int64_t time = 0;
  bool good = false;
  if (type->kind == MST_KIND_TIME32 || type->kind == MST_KIND_TIME64) {
    hint = "; write 'HH:MM[:SS[.fraction]]'";
    good = is_text(l, MST_LITERAL_TIME) && mst_parse_time(text, n, &time);
    nanos = time;
  } else if (type->kind == MST_KIND_DURATION) {
    hint = "; write '1d 2h 3m 4.5s', or a number in the column's unit";
    if (l->kind == MST_LITERAL_NUMBER) {
      cut_number(text, n, type, out);
      return MST_OK;
    }
    good = is_text(l, MST_LITERAL_DURATION) && mst_parse_duration(text, n, &nanos);
  } else {
    good = (is_text(l, MST_LITERAL_DATE) || l->kind == MST_LITERAL_TIMESTAMP) && mst_parse_timestamp(text, n, &nanos);
  }
  if (!good) return misfit(l, type, column, hint, err);
  cut_nanos(nanos, type, out);
  return MST_OK;
}

static mst_status cut_numeric(const mst_literal *l, const mst_type *type, const char *column, cut *out,
                              mst_error *err) {
  const bool is_float = mst_type_scalar(type) == MST_SCALAR_DOUBLE;
  double f = 0;
  if (l->kind == MST_LITERAL_NUMBER ||
      (l->kind == MST_LITERAL_TEXT && mst_number_is_sound(l->as.text.data, l->as.text.size))) {
    if (is_float) cut_float(l->as.text.data, l->as.text.size, type, out);
    else cut_number(l->as.text.data, l->as.text.size, type, out);
    return MST_OK;
  }
  if (l->kind == MST_LITERAL_DOUBLE) f = l->as.f;
  else if (l->kind != MST_LITERAL_TEXT || !is_float || !mst_number_f64(l->as.text.data, l->as.text.size, &f))
    return misfit(l, type, column, "", err);
  if (isnan(f)) {
    out->nan = true;
  } else if (is_float) {
    cut_double(type, f, true, out);
  } else {
    mst_wide least, most;
    integer_range(type, &least, &most);
    out->exact = false;
    out->below = f < 0;
    put_wide(type, &most, out);
  }
  return MST_OK;
}

static mst_status cut_bool(const mst_literal *l, const mst_type *type, const char *column, cut *out, mst_error *err) {
  bool value = l->kind == MST_LITERAL_BOOL && l->as.b;
  if (l->kind == MST_LITERAL_TEXT) {
    value = l->as.text.size == 4 && memcmp(l->as.text.data, "true", 4) == 0;
    if (!value && (l->as.text.size != 5 || memcmp(l->as.text.data, "false", 5) != 0))
      return misfit(l, type, column, "; write true or false", err);
  } else if (l->kind != MST_LITERAL_BOOL) {
    return misfit(l, type, column, "; write true or false", err);
  }
  out->low = mst_scalar_int(value);
  return MST_OK;
}

mst_status mst_literal_cut(const mst_literal *literal, const mst_type *type, const char *column, cut *out,
                           mst_error *err) {
  *out = (cut){.exact = true};
  switch (type->kind) {
  case MST_KIND_NULL: return MST_OK;
  case MST_KIND_BOOL: return cut_bool(literal, type, column, out, err);
  case MST_KIND_BYTES:
  case MST_KIND_FIXED_BYTES:
  case MST_KIND_TEXT:
    if (literal->kind != MST_LITERAL_TEXT && literal->kind != MST_LITERAL_BYTES)
      return misfit(literal, type, column, literal->kind == MST_LITERAL_NUMBER ? "; text is written 'in quotes'" : "",
                    err);
    out->low = mst_scalar_bytes(literal->as.text.data, literal->as.text.size);
    return MST_OK;
  default: break;
  }
  if (mst_type_is_temporal(type)) return cut_moment(literal, type, column, out, err);
  if (mst_type_is_integer(type) || type->kind == MST_KIND_DECIMAL || mst_type_scalar(type) == MST_SCALAR_DOUBLE)
    return cut_numeric(literal, type, column, out, err);
  return misfit(literal, type, column, "; only \"is null\" is known for such a column", err);
}
