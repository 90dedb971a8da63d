/* column/text_out.c - rows as JSON Lines and CSV. One writer gives the JSON text of any value; CSV takes scalars from
 * it without their quotes. */
#include <math.h>
#include <stdio.h>

#include "column/column.h"

/* ---- texts ---- */

static mst_status put_escaped(mst_buf *out, uint8_t c, mst_error *err) {
  switch (c) {
  case '"': return mst_buf_put_text(out, "\\\"", err);
  case '\\': return mst_buf_put_text(out, "\\\\", err);
  case '\n': return mst_buf_put_text(out, "\\n", err);
  case '\r': return mst_buf_put_text(out, "\\r", err);
  case '\t': return mst_buf_put_text(out, "\\t", err);
  default: return mst_buf_printf(out, err, "\\u%04x", c);
  }
}

static mst_status put_quoted(mst_buf *out, const uint8_t *text, size_t n, mst_error *err) {
  mst_status status = mst_buf_reserve(out, n + 2, err);
  if (status == MST_OK) status = mst_buf_put_byte(out, '"', err);
  for (size_t i = 0, from = 0; status == MST_OK && from < n; from = ++i) {
    while (i < n && text[i] >= 0x20 && text[i] != '"' && text[i] != '\\') i++;
    status = mst_buf_put(out, text + from, i - from, err);
    if (status == MST_OK && i < n) status = put_escaped(out, text[i], err);
  }
  return status == MST_OK ? mst_buf_put_byte(out, '"', err) : status;
}

static mst_status put_hex(mst_buf *out, const uint8_t *data, size_t n, mst_error *err) {
  mst_status status = mst_buf_put_text(out, "{\"hex\":\"", err);
  if (status == MST_OK) status = mst_buf_reserve(out, 2 * n + 3, err);
  if (status != MST_OK) return status;
  mst_hex(data, n, (char *)out->data + out->size);
  out->size += 2 * n;
  return mst_buf_put_text(out, "\"}", err);
}

static mst_status put_text(mst_buf *out, const uint8_t *text, size_t n, mst_error *err) {
  size_t bad = 0;
  return mst_utf8_valid(text, n, &bad) ? put_quoted(out, text, n, err) : put_hex(out, text, n, err);
}

/* ---- numbers ---- */

/* Whether a text that reads as `back` reads as `v` in a type of `bits` bits of significand and exponents from `least`.
 */
static bool reads_as(double back, double v, int bits, int least) {
  int exponent;
  if (bits == 53) return back == v;
  if (bits == 24) return (float)back == (float)v;
  const double m = frexp(v, &exponent);
  const double ulp = ldexp(1, (exponent > least ? exponent : least) - bits);
  return fabs(back - v) < (fabs(m) == 0.5 ? ulp / 4 : ulp / 2) || back == v;
}

/* The shortest text that reads back as the same value. `digits` are enough for all values that are not denormal and
 * have so short a text at all; `bits` and `least` as above. */
static mst_status put_float(mst_buf *out, double v, int digits, int digits_max, int bits, int least, mst_error *err) {
  char text[40];
  if (isnan(v)) return mst_buf_put_text(out, "\"NaN\"", err);
  if (isinf(v)) return mst_buf_put_text(out, v > 0 ? "\"Infinity\"" : "\"-Infinity\"", err);
  if (fabs(v) < ldexp(1, least)) digits = 1;
  for (; digits <= digits_max; digits++) {
    double back = 0;
    const int n = snprintf(text, sizeof text, "%.*g", digits, v);
    for (char *p = text; *p != '\0'; p++)
      if (*p == ',') *p = '.'; /* a program may have set a locale */
    if (digits == digits_max || (mst_number_f64(text, (size_t)n, &back) && reads_as(back, v, bits, least))) break;
  }
  mst_status status = mst_buf_put_text(out, text, err);
  return status == MST_OK && strpbrk(text, ".e") == NULL ? mst_buf_put_text(out, ".0", err) : status;
}

static double half_value(uint16_t h) {
  const int exponent = h >> 10 & 31, mantissa = h & 1023;
  double v = exponent == 0    ? ldexp(mantissa, -24)
             : exponent == 31 ? (mantissa == 0 ? INFINITY : NAN)
                              : ldexp(1024 + mantissa, exponent - 25);
  return (h & 0x8000) != 0 ? -v : v;
}

/* Two's complement of any width: long division by 10^9. */
static mst_status put_decimal(mst_buf *out, const uint8_t *p, const mst_type *t, mst_error *err) {
  uint32_t limbs[8];
  char digits[96];
  size_t n = 0, count = t->width / 4;
  const bool negative = (p[t->width - 1] & 0x80) != 0;
  uint64_t carry = negative;
  for (size_t i = 0; i < count; i++) {
    const uint64_t v = (uint64_t)(negative ? ~mst_le32(p + 4 * i) : mst_le32(p + 4 * i)) + carry;
    limbs[i] = (uint32_t)v;
    carry = v >> 32;
  }
  for (bool more = true; more;) {
    uint64_t rest = 0;
    more = false;
    for (size_t i = count; i-- > 0;) {
      rest = rest << 32 | limbs[i];
      limbs[i] = (uint32_t)(rest / 10);
      rest %= 10;
      more = more || limbs[i] != 0;
    }
    digits[n++] = (char)('0' + rest);
  }
  while (t->scale > 0 && n <= (size_t)t->scale) digits[n++] = '0';
  mst_status status = mst_buf_put_text(out, negative ? "\"-" : "\"", err);
  for (size_t i = n; status == MST_OK && i-- > 0;) {
    status = mst_buf_put_byte(out, (uint8_t)digits[i], err);
    if (status == MST_OK && t->scale > 0 && i == (size_t)t->scale) status = mst_buf_put_byte(out, '.', err);
  }
  for (int32_t i = t->scale; status == MST_OK && i < 0 && !(n == 1 && digits[0] == '0'); i++)
    status = mst_buf_put_byte(out, '0', err);
  return status == MST_OK ? mst_buf_put_byte(out, '"', err) : status;
}

/* ---- times ---- */

static const int64_t per_second[] = {1, 1000, 1000000, 1000000000};
static const int fraction_digits[] = {0, 3, 6, 9};

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

static void time_text(int64_t seconds, int64_t fraction, int unit, char *out, size_t n) {
  int at = snprintf(out, n, "%02d:%02d:%02d", (int)(seconds / 3600), (int)(seconds / 60 % 60), (int)(seconds % 60));
  if (fraction != 0 && at > 0)
    snprintf(out + at, n - (size_t)at, ".%0*lld", fraction_digits[unit], (long long)fraction);
}

static mst_status put_date(mst_buf *out, int64_t days, int64_t as_integer, const char *rest, mst_error *err) {
  int64_t year;
  unsigned month, day;
  mst_civil_from_days(days, &year, &month, &day);
  if (year < 1 || year > 9999) return mst_buf_printf(out, err, "%lld", (long long)as_integer);
  return mst_buf_printf(out, err, "\"%04d-%02u-%02u%s\"", (int)year, month, day, rest);
}

static mst_status put_timestamp(mst_buf *out, int64_t v, const mst_type *t, mst_error *err) {
  char rest[48] = "T", clock[40];
  const int64_t unit = per_second[t->unit], seconds = floor_div(v, unit), days = floor_div(seconds, 86400);
  time_text(seconds - days * 86400, v - seconds * unit, (int)t->unit, clock, sizeof clock);
  snprintf(rest, sizeof rest, "T%s%s", clock, t->zone[0] != '\0' ? "Z" : "");
  return put_date(out, days, v, rest, err);
}

static mst_status put_time(mst_buf *out, int64_t v, const mst_type *t, mst_error *err) {
  char text[48];
  const int64_t unit = per_second[t->unit], seconds = floor_div(v, unit);
  if (seconds < 0 || seconds >= 86400) return mst_buf_printf(out, err, "%lld", (long long)v);
  time_text(seconds, v - seconds * unit, (int)t->unit, text, sizeof text);
  return mst_buf_printf(out, err, "\"%s\"", text);
}

/* ---- values ---- */

static int64_t fixed_integer(const uint8_t *p, const mst_type *t) {
  const bool is_signed = mst_type_is_signed(t);
  switch (t->width) {
  case 1: return is_signed ? (int8_t)*p : *p;
  case 2: return is_signed ? (int16_t)mst_le16(p) : mst_le16(p);
  case 4: return is_signed ? (int64_t)(int32_t)mst_le32(p) : (int64_t)mst_le32(p);
  default: return (int64_t)mst_le64(p);
  }
}

static mst_status put_fixed(mst_buf *out, const uint8_t *p, const mst_type *t, mst_error *err) {
  float f;
  double d;
  switch (t->kind) {
  case MST_KIND_UINT64: return mst_buf_printf(out, err, "%llu", (unsigned long long)mst_le64(p));
  case MST_KIND_HALF: return put_float(out, half_value(mst_le16(p)), 1, 5, 11, -13, err);
  case MST_KIND_FLOAT: memcpy(&f, p, sizeof f); return put_float(out, (double)f, 6, 9, 24, -125, err);
  case MST_KIND_DOUBLE: memcpy(&d, p, sizeof d); return put_float(out, d, 15, 17, 53, -1021, err);
  case MST_KIND_DECIMAL: return put_decimal(out, p, t, err);
  case MST_KIND_DATE32: return put_date(out, (int32_t)mst_le32(p), (int32_t)mst_le32(p), "", err);
  case MST_KIND_DATE64: return put_date(out, floor_div((int64_t)mst_le64(p), 86400000), (int64_t)mst_le64(p), "", err);
  case MST_KIND_TIMESTAMP: return put_timestamp(out, (int64_t)mst_le64(p), t, err);
  case MST_KIND_TIME32:
  case MST_KIND_TIME64: return put_time(out, fixed_integer(p, t), t, err);
  case MST_KIND_DAYS_MS:
  case MST_KIND_MONTH_DAY_NANO:
  case MST_KIND_FIXED_BYTES: return put_hex(out, p, t->width, err);
  default: return mst_buf_printf(out, err, "%lld", (long long)fixed_integer(p, t));
  }
}

static mst_status put_value(mst_buf *out, const struct ArrowSchema *field, const struct ArrowArray *a, int64_t i,
                            mst_error *err);

static mst_status put_items(mst_buf *out, const struct ArrowSchema *field, const struct ArrowArray *a, int64_t from,
                            int64_t n, mst_error *err) {
  mst_status status = mst_buf_put_byte(out, '[', err);
  for (int64_t i = 0; status == MST_OK && i < n; i++) {
    if (i > 0) status = mst_buf_put_byte(out, ',', err);
    if (status == MST_OK) status = put_value(out, field, a, from + i, err);
  }
  return status == MST_OK ? mst_buf_put_byte(out, ']', err) : status;
}

static mst_status put_struct(mst_buf *out, const struct ArrowSchema *field, const struct ArrowArray *a, int64_t row,
                             mst_error *err) {
  mst_status status = mst_buf_put_byte(out, '{', err);
  for (int64_t i = 0; status == MST_OK && i < a->n_children; i++) {
    const char *name = field->children[i]->name == NULL ? "" : field->children[i]->name;
    if (i > 0) status = mst_buf_put_byte(out, ',', err);
    if (status == MST_OK) status = put_text(out, (const uint8_t *)name, strlen(name), err);
    if (status == MST_OK) status = mst_buf_put_byte(out, ':', err);
    if (status == MST_OK) status = put_value(out, field->children[i], a->children[i], row, err);
  }
  return status == MST_OK ? mst_buf_put_byte(out, '}', err) : status;
}

static bool names_repeat(const struct ArrowSchema *field) {
  for (int64_t i = 0; i < field->n_children; i++)
    for (int64_t k = 0; k < i; k++)
      if (mst_text_equal(field->children[i]->name, field->children[k]->name)) return true;
  return false;
}

static mst_status put_pair_list(mst_buf *out, const struct ArrowSchema *field, const struct ArrowArray *a, int64_t row,
                                mst_error *err) {
  mst_status status = mst_buf_put_byte(out, '[', err);
  for (int64_t i = 0; status == MST_OK && i < a->n_children; i++) {
    const char *name = field->children[i]->name == NULL ? "" : field->children[i]->name;
    status = mst_buf_put_text(out, i > 0 ? ",[" : "[", err);
    if (status == MST_OK) status = put_text(out, (const uint8_t *)name, strlen(name), err);
    if (status == MST_OK) status = mst_buf_put_byte(out, ',', err);
    if (status == MST_OK) status = put_value(out, field->children[i], a->children[i], row, err);
    if (status == MST_OK) status = mst_buf_put_byte(out, ']', err);
  }
  return status == MST_OK ? mst_buf_put_byte(out, ']', err) : status;
}

static mst_status put_map(mst_buf *out, const struct ArrowSchema *entries, const struct ArrowArray *a, int64_t from,
                          int64_t n, mst_error *err) {
  mst_status status = mst_buf_put_byte(out, '[', err);
  for (int64_t i = 0; status == MST_OK && i < n; i++) {
    const int64_t row = a->offset + from + i;
    status = mst_buf_put_text(out, i > 0 ? ",[" : "[", err);
    if (status == MST_OK) status = put_value(out, entries->children[0], a->children[0], row, err);
    if (status == MST_OK) status = mst_buf_put_byte(out, ',', err);
    if (status == MST_OK) status = put_value(out, entries->children[1], a->children[1], row, err);
    if (status == MST_OK) status = mst_buf_put_byte(out, ']', err);
  }
  return status == MST_OK ? mst_buf_put_byte(out, ']', err) : status;
}

static mst_status put_view(mst_buf *out, const struct ArrowArray *a, int64_t row, const mst_type *t, mst_error *err) {
  size_t n;
  const uint8_t *p = mst_array_text(t, a, row, &n);
  return t->kind == MST_KIND_TEXT ? put_text(out, p, n, err) : put_hex(out, p, n, err);
}

static mst_status put_by_layout(mst_buf *out, const struct ArrowSchema *field, const struct ArrowArray *a, int64_t row,
                                const mst_type *t, mst_error *err) {
  const bool wide = t->layout == MST_LAYOUT_OFFSETS64 || t->layout == MST_LAYOUT_LIST64;
  const void *second = a->n_buffers > 1 ? a->buffers[1] : NULL;
  int64_t from, n;
  switch (t->layout) {
  case MST_LAYOUT_BITS:
    return mst_buf_put_text(out, (((const uint8_t *)second)[row / 8] >> (row % 8) & 1) != 0 ? "true" : "false", err);
  case MST_LAYOUT_FIXED: return put_fixed(out, (const uint8_t *)second + (size_t)row * t->width, t, err);
  case MST_LAYOUT_STRUCT:
    return names_repeat(field) ? put_pair_list(out, field, a, row, err) : put_struct(out, field, a, row, err);
  case MST_LAYOUT_FIXED_LIST: return put_items(out, field->children[0], a->children[0], row * t->size, t->size, err);
  case MST_LAYOUT_VIEWS: return put_view(out, a, row, t, err);
  case MST_LAYOUT_LISTVIEW32:
    return put_items(out, field->children[0], a->children[0], ((const int32_t *)second)[row],
                     ((const int32_t *)a->buffers[2])[row], err);
  case MST_LAYOUT_LISTVIEW64:
    return put_items(out, field->children[0], a->children[0], ((const int64_t *)second)[row],
                     ((const int64_t *)a->buffers[2])[row], err);
  case MST_LAYOUT_OFFSETS32:
  case MST_LAYOUT_OFFSETS64:
  case MST_LAYOUT_LIST32:
  case MST_LAYOUT_LIST64:
    from = wide ? ((const int64_t *)second)[row] : ((const int32_t *)second)[row];
    n = (wide ? ((const int64_t *)second)[row + 1] : ((const int32_t *)second)[row + 1]) - from;
    break;
  default:
    return mst_fail(err, MST_E_UNSUPPORTED, "column \"%.80s\": the type %.40s has no text",
                    field->name == NULL ? "" : field->name, field->format);
  }
  if (t->kind == MST_KIND_MAP) return put_map(out, field->children[0], a->children[0], from, n, err);
  if (t->kind == MST_KIND_LIST) return put_items(out, field->children[0], a->children[0], from, n, err);
  const uint8_t *data = n == 0 ? (const uint8_t *)"" : (const uint8_t *)a->buffers[2] + from;
  return t->kind == MST_KIND_TEXT ? put_text(out, data, (size_t)n, err) : put_hex(out, data, (size_t)n, err);
}

/* Row i, counted from the array's own offset. */
static mst_status put_value(mst_buf *out, const struct ArrowSchema *field, const struct ArrowArray *a, int64_t i,
                            mst_error *err) {
  mst_type t;
  mst_status status = mst_type_parse(field->format, &t, err);
  if (status != MST_OK) return status;
  const int64_t row = a->offset + i;
  const uint8_t *valid = t.layout == MST_LAYOUT_NULL || a->n_buffers == 0 || a->null_count == 0 ? NULL : a->buffers[0];
  if (t.layout == MST_LAYOUT_NULL || (valid != NULL && (valid[row / 8] >> (row % 8) & 1) == 0))
    return mst_buf_put_text(out, "null", err);
  if (field->dictionary == NULL || a->dictionary == NULL) return put_by_layout(out, field, a, row, &t, err);
  const int64_t key = fixed_integer((const uint8_t *)a->buffers[1] + (size_t)row * t.width, &t);
  if (key < 0 || key >= a->dictionary->length)
    return mst_fail(err, MST_E_CORRUPT, "column \"%.80s\": the key %lld is not in its dictionary",
                    field->name == NULL ? "" : field->name, (long long)key);
  return put_value(out, field->dictionary, a->dictionary, key, err);
}

mst_status mst_jsonl_put_rows(const struct ArrowSchema *schema, const struct ArrowArray *batch, int64_t first,
                              int64_t n, mst_buf *out, mst_error *err) {
  mst_status status = MST_OK;
  for (int64_t i = 0; status == MST_OK && i < n; i++) {
    const int64_t row = batch->offset + first + i;
    status =
        names_repeat(schema) ? put_pair_list(out, schema, batch, row, err) : put_struct(out, schema, batch, row, err);
    if (status == MST_OK) status = mst_buf_put_byte(out, '\n', err);
  }
  return status;
}

/* ---- CSV ---- */

static mst_status put_cell(mst_buf *out, const uint8_t *text, size_t n, mst_error *err) {
  bool quote = n == 0;
  for (size_t i = 0; i < n && !quote; i++)
    quote = text[i] == ',' || text[i] == '"' || text[i] == '\n' || text[i] == '\r';
  if (n > 0) quote = quote || text[0] == ' ' || text[n - 1] == ' ';
  if (!quote) return mst_buf_put(out, text, n, err);
  mst_status status = mst_buf_put_byte(out, '"', err);
  for (size_t i = 0; status == MST_OK && i < n; i++) {
    if (text[i] == '"') status = mst_buf_put_byte(out, '"', err);
    if (status == MST_OK) status = mst_buf_put_byte(out, text[i], err);
  }
  return status == MST_OK ? mst_buf_put_byte(out, '"', err) : status;
}

/* The JSON text of a value, without the quotes of a scalar; text itself needs no detour. */
static mst_status put_csv_value(mst_buf *out, mst_buf *scratch, const struct ArrowSchema *field,
                                const struct ArrowArray *a, int64_t i, mst_error *err) {
  mst_type t;
  mst_status status = mst_type_parse(field->format, &t, err);
  if (status != MST_OK) return status;
  const int64_t row = a->offset + i;
  const uint8_t *valid = t.layout == MST_LAYOUT_NULL || a->n_buffers == 0 || a->null_count == 0 ? NULL : a->buffers[0];
  if (t.layout == MST_LAYOUT_NULL || (valid != NULL && (valid[row / 8] >> (row % 8) & 1) == 0)) return MST_OK;
  if (t.kind == MST_KIND_TEXT && field->dictionary == NULL &&
      (t.layout == MST_LAYOUT_OFFSETS32 || t.layout == MST_LAYOUT_OFFSETS64)) {
    const bool wide = t.layout == MST_LAYOUT_OFFSETS64;
    const int64_t from = wide ? ((const int64_t *)a->buffers[1])[row] : ((const int32_t *)a->buffers[1])[row];
    const int64_t to = wide ? ((const int64_t *)a->buffers[1])[row + 1] : ((const int32_t *)a->buffers[1])[row + 1];
    return put_cell(out, to == from ? (const uint8_t *)"" : (const uint8_t *)a->buffers[2] + from, (size_t)(to - from),
                    err);
  }
  mst_buf_clear(scratch);
  status = put_value(scratch, field, a, i, err);
  if (status != MST_OK) return status;
  const bool plain =
      scratch->size >= 2 && scratch->data[0] == '"' && memchr(scratch->data, '\\', scratch->size) == NULL;
  return plain ? put_cell(out, scratch->data + 1, scratch->size - 2, err)
               : put_cell(out, scratch->data, scratch->size, err);
}

mst_status mst_csv_put_header(const struct ArrowSchema *schema, mst_buf *out, mst_error *err) {
  mst_status status = MST_OK;
  for (int64_t i = 0; status == MST_OK && i < schema->n_children; i++) {
    const char *name = schema->children[i]->name == NULL ? "" : schema->children[i]->name;
    if (i > 0) status = mst_buf_put_byte(out, ',', err);
    if (status == MST_OK) status = put_cell(out, (const uint8_t *)name, strlen(name), err);
  }
  return status == MST_OK ? mst_buf_put_byte(out, '\n', err) : status;
}

mst_status mst_csv_put_rows(const struct ArrowSchema *schema, const struct ArrowArray *batch, int64_t first, int64_t n,
                            mst_buf *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_buf scratch;
  mst_buf_init(&scratch, NULL, SIZE_MAX / 2);
  for (int64_t r = 0; status == MST_OK && r < n; r++) {
    const int64_t row = batch->offset + first + r;
    for (int64_t i = 0; status == MST_OK && i < batch->n_children; i++) {
      if (i > 0) status = mst_buf_put_byte(out, ',', err);
      if (status == MST_OK) status = put_csv_value(out, &scratch, schema->children[i], batch->children[i], row, err);
    }
    if (status == MST_OK) status = mst_buf_put_byte(out, '\n', err);
  }
  mst_buf_free(&scratch);
  return status;
}
