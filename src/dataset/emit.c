/* dataset/emit.c - the writing half of tokens.h: JSON and msgpack, byte for byte as Python's modules write them. */
#include <math.h>

#include "dataset/tokens.h"

static mst_status separate(mst_emit *e, mst_error *err) {
  const bool fresh = e->fresh;
  e->fresh = false;
  return fresh || e->msgpack ? MST_OK : mst_buf_put(e->out, ", ", 2, err);
}

static mst_status pack_head(mst_buf *out, uint8_t code, size_t width, uint64_t v, mst_error *err) {
  uint8_t bytes[9] = {code};
  for (size_t i = 0; i < width; i++) bytes[1 + i] = (uint8_t)(v >> (8 * (width - 1 - i)));
  return mst_buf_put(out, bytes, 1 + width, err);
}

static mst_status open_bracket(mst_emit *e, bool map, size_t n, mst_error *err) {
  if (e->msgpack && n < 16) return mst_buf_put_byte(e->out, (uint8_t)((map ? 0x80 : 0x90) | n), err);
  if (e->msgpack && n <= UINT16_MAX) return pack_head(e->out, map ? 0xde : 0xdc, 2, n, err);
  if (e->msgpack && n <= UINT32_MAX) return pack_head(e->out, map ? 0xdf : 0xdd, 4, n, err);
  if (e->msgpack) return mst_fail(err, MST_E_LIMIT, "%zu items are too many for msgpack", n);
  mst_status status = separate(e, err);
  e->fresh = true;
  return status == MST_OK ? mst_buf_put_byte(e->out, map ? '{' : '[', err) : status;
}

static mst_status close_bracket(mst_emit *e, uint8_t bracket, mst_error *err) {
  e->fresh = false;
  return e->msgpack ? MST_OK : mst_buf_put_byte(e->out, bracket, err);
}

mst_status mst_emit_map(mst_emit *e, size_t n, mst_error *err) { return open_bracket(e, true, n, err); }
mst_status mst_emit_list(mst_emit *e, size_t n, mst_error *err) { return open_bracket(e, false, n, err); }
mst_status mst_emit_map_end(mst_emit *e, mst_error *err) { return close_bracket(e, '}', err); }
mst_status mst_emit_list_end(mst_emit *e, mst_error *err) { return close_bracket(e, ']', err); }

/* The code point at `p` (valid UTF-8) and its length. */
static uint32_t code_point(const uint8_t *p, size_t *n) {
  *n = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
  uint32_t c = *n == 1 ? *p : *p & (0x7fu >> *n);
  for (size_t i = 1; i < *n; i++) c = c << 6 | (p[i] & 63);
  return c;
}

static mst_status put_escape(mst_buf *out, uint32_t c, mst_error *err) {
  static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
  const char *simple = c < 128 && c != 0 ? strchr(from, (int)c) : NULL;
  if (simple != NULL) return mst_buf_put(out, (char[]){'\\', to[simple - from]}, 2, err);
  if (c < 0x10000) return mst_buf_printf(out, err, "\\u%04x", (unsigned)c);
  return mst_buf_printf(out, err, "\\u%04x\\u%04x", (unsigned)(0xd800 + ((c - 0x10000) >> 10)), (unsigned)(0xdc00 + ((c - 0x10000) & 0x3ff)));
}

static mst_status put_quoted(mst_buf *out, const uint8_t *p, size_t n, mst_error *err) {
  mst_status status = mst_buf_put_byte(out, '"', err);
  size_t at = 0;
  while (at < n && status == MST_OK) {
    size_t run = at, size;
    while (run < n && p[run] >= 0x20 && p[run] < 0x7f && p[run] != '"' && p[run] != '\\') run++;
    status = mst_buf_put(out, p + at, run - at, err);
    at = run;
    if (at == n || status != MST_OK) break;
    status = put_escape(out, code_point(p + at, &size), err);
    at += size;
  }
  return status == MST_OK ? mst_buf_put_byte(out, '"', err) : status;
}

mst_status mst_emit_text(mst_emit *e, const char *text, size_t n, mst_error *err) {
  mst_status status = separate(e, err);
  if (status != MST_OK) return status;
  if (!e->msgpack) return put_quoted(e->out, (const uint8_t *)text, n, err);
  if (n < 32) status = mst_buf_put_byte(e->out, (uint8_t)(0xa0 | n), err);
  else if (n <= UINT8_MAX) status = pack_head(e->out, 0xd9, 1, n, err);
  else if (n <= UINT16_MAX) status = pack_head(e->out, 0xda, 2, n, err);
  else if (n <= UINT32_MAX) status = pack_head(e->out, 0xdb, 4, n, err);
  else status = mst_fail(err, MST_E_LIMIT, "text of %zu bytes is too long for msgpack", n);
  return status == MST_OK ? mst_buf_put(e->out, text, n, err) : status;
}

mst_status mst_emit_key(mst_emit *e, const char *text, size_t n, mst_error *err) {
  mst_status status = mst_emit_text(e, text, n, err);
  e->fresh = true;
  return status == MST_OK && !e->msgpack ? mst_buf_put(e->out, ": ", 2, err) : status;
}

static mst_status pack_int(mst_buf *out, int64_t v, mst_error *err) {
  if (v >= -32 && v <= 127) return mst_buf_put_byte(out, (uint8_t)v, err);
  if (v >= 0) {
    const unsigned size = v <= UINT8_MAX ? 0 : v <= UINT16_MAX ? 1 : v <= UINT32_MAX ? 2 : 3;
    return pack_head(out, (uint8_t)(0xcc + size), (size_t)1 << size, (uint64_t)v, err);
  }
  const unsigned size = v >= INT8_MIN ? 0 : v >= INT16_MIN ? 1 : v >= INT32_MIN ? 2 : 3;
  return pack_head(out, (uint8_t)(0xd0 + size), (size_t)1 << size, (uint64_t)v, err);
}

mst_status mst_emit_int(mst_emit *e, int64_t v, mst_error *err) {
  mst_status status = separate(e, err);
  if (status != MST_OK) return status;
  return e->msgpack ? pack_int(e->out, v, err) : mst_buf_printf(e->out, err, "%lld", (long long)v);
}

static mst_status emit_real(mst_emit *e, double v, mst_error *err) {
  char text[40];
  uint64_t bits;
  mst_status status = separate(e, err);
  if (status != MST_OK) return status;
  if (!isfinite(v)) return mst_fail(err, MST_E_ARGUMENT, "metadata cannot hold NaN or infinity");
  memcpy(&bits, &v, 8);
  if (e->msgpack) return pack_head(e->out, 0xcb, 8, bits, err);
  return mst_buf_put(e->out, text, mst_float_repr(v, text), err);
}

static mst_status emit_word(mst_emit *e, const json_t *value, mst_error *err) {
  const bool null = json_is_null(value), yes = json_is_true(value);
  mst_status status = separate(e, err);
  if (status != MST_OK) return status;
  if (e->msgpack) return mst_buf_put_byte(e->out, null ? 0xc0 : yes ? 0xc3 : 0xc2, err);
  return mst_buf_put_text(e->out, null ? "null" : yes ? "true" : "false", err);
}

/* As deep as the tree, which came through a parser that bounds it. */
static mst_status emit_map(mst_emit *e, const json_t *map, mst_error *err) {
  mst_status status = mst_emit_map(e, json_object_size(map), err);
  void *at = json_object_iter((json_t *)(uintptr_t)map);
  for (; at != NULL && status == MST_OK; at = json_object_iter_next((json_t *)(uintptr_t)map, at)) {
    status = mst_emit_key(e, json_object_iter_key(at), strlen(json_object_iter_key(at)), err);
    if (status == MST_OK) status = mst_emit_tree(e, json_object_iter_value(at), err);
  }
  return status == MST_OK ? mst_emit_map_end(e, err) : status;
}

mst_status mst_emit_tree(mst_emit *e, const json_t *value, mst_error *err) {
  mst_status status;
  switch (json_typeof(value)) {
  case JSON_OBJECT: return emit_map(e, value, err);
  case JSON_ARRAY:
    status = mst_emit_list(e, json_array_size(value), err);
    for (size_t i = 0; i < json_array_size(value) && status == MST_OK; i++) status = mst_emit_tree(e, json_array_get(value, i), err);
    return status == MST_OK ? mst_emit_list_end(e, err) : status;
  case JSON_STRING: return mst_emit_text(e, json_string_value(value), json_string_length(value), err);
  case JSON_INTEGER: return mst_emit_int(e, json_integer_value(value), err);
  case JSON_REAL: return emit_real(e, json_real_value(value), err);
  default: return emit_word(e, value, err);
  }
}

/* The fewest digits that read back as `v`, without zeros at the end, and the place of the point behind the first of them. */
static size_t shortest_digits(double v, char digits[24], int *exponent) {
  char text[40];
  size_t n = 0;
  double back = 0;
  for (int precision = v < 1e-300 ? 0 : 14; precision <= 16; precision++) { /* subnormals have fewer digits */
    snprintf(text, sizeof text, "%.*e", precision, v);
    if (text[1] == ',') text[1] = '.'; /* a program may have set a locale */
    if (mst_number_f64(text, strlen(text), &back) && back == v) break;
  }
  for (const char *p = text; *p != 'e'; p++)
    if (*p >= '0' && *p <= '9') digits[n++] = *p;
  *exponent = 0;
  const char *e = strchr(text, 'e');
  for (const char *p = e + 2; *p != '\0'; p++) *exponent = *exponent * 10 + (*p - '0');
  if (e[1] == '-') *exponent = -*exponent;
  while (n > 1 && digits[n - 1] == '0') n--;
  return n;
}

size_t mst_float_repr(double v, char out[40]) {
  char digits[24], *p = out;
  int exponent;
  if (isnan(v)) return (size_t)snprintf(out, 40, "nan");
  if (isinf(v)) return (size_t)snprintf(out, 40, v > 0 ? "inf" : "-inf");
  if (signbit(v)) *p++ = '-';
  const size_t n = shortest_digits(fabs(v), digits, &exponent);
  if (exponent < -4 || exponent >= 16) {
    *p++ = digits[0];
    if (n > 1) *p++ = '.';
    memcpy(p, digits + 1, n - 1);
    p += n - 1;
    p += snprintf(p, 8, "e%c%02d", exponent < 0 ? '-' : '+', exponent < 0 ? -exponent : exponent);
    return (size_t)(p - out);
  }
  const size_t whole = exponent < 0 ? 1 : (size_t)exponent + 1, zeros = exponent < 0 ? (size_t)(-exponent - 1) : 0;
  for (size_t i = 0; i < whole; i++) *p++ = exponent >= 0 && i < n ? digits[i] : '0';
  *p++ = '.';
  memset(p, '0', zeros);
  p += zeros;
  const size_t used = exponent < 0 ? 0 : mst_min_size(whole, n);
  memcpy(p, digits + used, n - used);
  p += n - used;
  if (used == n) *p++ = '0';
  *p = '\0';
  return (size_t)(p - out);
}
