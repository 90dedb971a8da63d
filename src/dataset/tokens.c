/* dataset/tokens.c - see tokens.h. Reading: one token a call, errors at the byte where the rule is broken. */
#include "dataset/tokens.h"

void mst_tokens_init(mst_tokens *t, const mst_allocator *mem, const void *data, size_t n, bool msgpack, const char *name) {
  *t = (mst_tokens){.data = data, .n = n, .msgpack = msgpack, .name = name};
  mst_buf_init(&t->scratch, mem, SIZE_MAX / 2);
}

void mst_tokens_free(mst_tokens *t) { mst_buf_free(&t->scratch); }

mst_status mst_tokens_fail(const mst_tokens *t, size_t at, mst_error *err, const char *format, ...) {
  char text[400];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  return mst_fail_at(err, MST_E_CORRUPT, at, "%s: %s (at byte %zu)", t->name, text, at);
}

const char *mst_token_name(mst_token_kind kind) {
  static const char *const names[] = {"null", "a truth value", "an integer", "a number", "text", "a map", "a list", "an end"};
  return names[kind];
}

static mst_status push(mst_tokens *t, bool map, uint64_t left, mst_error *err) {
  if (t->depth == MST_TOKENS_DEPTH_MAX) return mst_tokens_fail(t, t->at, err, "nested deeper than %d", MST_TOKENS_DEPTH_MAX);
  t->stack[t->depth].map = t->stack[t->depth].key = map;
  t->stack[t->depth].fresh = true;
  t->stack[t->depth].left = left;
  t->depth++;
  return MST_OK;
}

/* ---- JSON ---- */

static void skip_space(mst_tokens *t) {
  while (t->at < t->n && (t->data[t->at] == ' ' || t->data[t->at] == '\n' || t->data[t->at] == '\r' || t->data[t->at] == '\t')) t->at++;
}

static int hex_value(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Four hex digits at `at`; -1 when they are none. */
static int32_t code_unit(const mst_tokens *t, size_t at) {
  int32_t v = 0;
  if (t->n - at < 4) return -1;
  for (size_t i = 0; i < 4; i++) {
    const int digit = hex_value(t->data[at + i]);
    if (digit < 0) return -1;
    v = v * 16 + digit;
  }
  return v;
}

static mst_status put_code_point(mst_buf *out, uint32_t c, mst_error *err) {
  const uint8_t low = (uint8_t)(0x80 | (c & 63)), middle = (uint8_t)(0x80 | (c >> 6 & 63)), high = (uint8_t)(0x80 | (c >> 12 & 63));
  if (c < 0x80) return mst_buf_put_byte(out, (uint8_t)c, err);
  if (c < 0x800) return mst_buf_put(out, (uint8_t[]){(uint8_t)(0xc0 | c >> 6), low}, 2, err);
  if (c < 0x10000) return mst_buf_put(out, (uint8_t[]){(uint8_t)(0xe0 | c >> 12), middle, low}, 3, err);
  return mst_buf_put(out, (uint8_t[]){(uint8_t)(0xf0 | c >> 18), high, middle, low}, 4, err);
}

/* What follows a backslash. */
static mst_status unescape(mst_tokens *t, mst_error *err) {
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  const size_t at = t->at;
  if (at == t->n) return mst_tokens_fail(t, at, err, "text without an end");
  const uint8_t c = t->data[t->at++];
  const char *plain = c != 0 ? strchr(from, c) : NULL;
  if (plain != NULL) return mst_buf_put_byte(&t->scratch, (uint8_t)to[plain - from], err);
  int32_t high = c == 'u' ? code_unit(t, t->at) : -1, low;
  if (high < 0) return mst_tokens_fail(t, at - 1, err, "an escape that JSON does not know");
  t->at += 4;
  if (high < 0xd800 || high > 0xdfff) return put_code_point(&t->scratch, (uint32_t)high, err);
  low = high < 0xdc00 && t->n - t->at >= 6 && t->data[t->at] == '\\' && t->data[t->at + 1] == 'u' ? code_unit(t, t->at + 2) : -1;
  if (low < 0xdc00 || low > 0xdfff) return mst_tokens_fail(t, at - 1, err, "half of a surrogate pair");
  t->at += 6;
  return put_code_point(&t->scratch, 0x10000 + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(low - 0xdc00), err);
}

/* Behind the opening quote. Text without escapes is borrowed from the input. */
static mst_status json_text(mst_tokens *t, mst_token *out, mst_error *err) {
  mst_status status = MST_OK;
  size_t begin = t->at, bad = 0;
  bool copied = false;
  mst_buf_clear(&t->scratch);
  for (;;) {
    while (t->at < t->n && t->data[t->at] != '"' && t->data[t->at] != '\\' && t->data[t->at] >= 0x20) t->at++;
    if (t->at == t->n) return mst_tokens_fail(t, out->at, err, "text without an end");
    if (t->data[t->at] < 0x20) return mst_tokens_fail(t, t->at, err, "a control character inside text");
    if (!mst_utf8_valid(t->data + begin, t->at - begin, &bad)) return mst_tokens_fail(t, begin + bad, err, "text that is not UTF-8");
    if (t->data[t->at] == '"' && !copied) break;
    status = mst_buf_put(&t->scratch, t->data + begin, t->at - begin, err);
    if (status != MST_OK) return status;
    copied = true;
    if (t->data[t->at] == '"') break;
    t->at++;
    status = unescape(t, err);
    if (status != MST_OK) return status;
    begin = t->at;
  }
  out->kind = MST_TOKEN_TEXT;
  out->text = copied ? mst_buf_text(&t->scratch) : (const char *)t->data + begin;
  out->n = copied ? t->scratch.size : t->at - begin;
  t->at++;
  return MST_OK;
}

static size_t digits_at(const mst_tokens *t, size_t at) {
  size_t n = 0;
  while (at + n < t->n && t->data[at + n] >= '0' && t->data[at + n] <= '9') n++;
  return n;
}

static mst_status json_number(mst_tokens *t, mst_token *out, mst_error *err) {
  size_t at = t->at + (t->data[t->at] == '-'), n = digits_at(t, at);
  bool whole = true;
  if (n == 0 || (n > 1 && t->data[at] == '0')) return mst_tokens_fail(t, t->at, err, "not a JSON value");
  at += n;
  if (at < t->n && t->data[at] == '.') {
    n = digits_at(t, at + 1);
    if (n == 0) return mst_tokens_fail(t, at, err, "a number that ends with its point");
    at += 1 + n;
    whole = false;
  }
  if (at < t->n && (t->data[at] == 'e' || t->data[at] == 'E')) {
    const size_t sign = at + 1 < t->n && (t->data[at + 1] == '+' || t->data[at + 1] == '-');
    n = digits_at(t, at + 1 + sign);
    if (n == 0) return mst_tokens_fail(t, at, err, "an exponent without digits");
    at += 1 + sign + n;
    whole = false;
  }
  const char *text = (const char *)t->data + t->at;
  n = at - t->at;
  t->at = at;
  out->kind = MST_TOKEN_INT;
  if (whole && mst_number_i64(text, n, &out->i)) return MST_OK;
  out->kind = MST_TOKEN_REAL;
  if (!mst_number_f64(text, n, &out->f) || out->f - out->f != 0)
    return mst_tokens_fail(t, out->at, err, "a number that no double can hold");
  return MST_OK;
}

static bool json_word(mst_tokens *t, const char *word) {
  const size_t n = strlen(word);
  if (t->n - t->at < n || memcmp(t->data + t->at, word, n) != 0) return false;
  t->at += n;
  return true;
}

static mst_status json_value(mst_tokens *t, mst_token *out, mst_error *err) {
  const uint8_t c = t->data[t->at];
  if (c == '{' || c == '[') {
    out->kind = c == '{' ? MST_TOKEN_MAP : MST_TOKEN_LIST;
    mst_status status = push(t, c == '{', 0, err);
    t->at++;
    return status;
  }
  if (c == '"') {
    t->at++;
    return json_text(t, out, err);
  }
  if (json_word(t, "null")) out->kind = MST_TOKEN_NULL;
  else if (json_word(t, "true")) *out = (mst_token){.kind = MST_TOKEN_BOOL, .at = out->at, .truth = true};
  else if (json_word(t, "false")) out->kind = MST_TOKEN_BOOL;
  else return json_number(t, out, err);
  return MST_OK;
}

/* Commas, colons and brackets of the map or list that the reader is in. */
static mst_status json_next(mst_tokens *t, mst_token *out, mst_error *err) {
  mst_status status;
  skip_space(t);
  out->at = t->at;
  if (t->at == t->n) return mst_tokens_fail(t, t->at, err, "it ends too soon");
  if (t->depth == 0) return json_value(t, out, err);
  const size_t top = t->depth - 1;
  const bool between = !t->stack[top].map || t->stack[top].key;
  if (between && t->data[t->at] == (t->stack[top].map ? '}' : ']')) {
    t->at++;
    t->depth--;
    out->kind = MST_TOKEN_END;
    return MST_OK;
  }
  if (between && !t->stack[top].fresh) {
    if (t->data[t->at] != ',') return mst_tokens_fail(t, t->at, err, "a comma is missing");
    t->at++;
    skip_space(t);
  }
  t->stack[top].fresh = false;
  out->at = t->at;
  if (t->at == t->n) return mst_tokens_fail(t, t->at, err, "it ends too soon");
  if (!t->stack[top].map) return json_value(t, out, err);
  t->stack[top].key = !t->stack[top].key;
  if (t->stack[top].key) return json_value(t, out, err);
  if (t->data[t->at] != '"') return mst_tokens_fail(t, t->at, err, "a key must be text");
  t->at++;
  status = json_text(t, out, err);
  if (status != MST_OK) return status;
  skip_space(t);
  if (t->at == t->n || t->data[t->at] != ':') return mst_tokens_fail(t, t->at, err, "a colon is missing");
  t->at++;
  return MST_OK;
}

/* ---- msgpack ---- */

/* A big-endian number of `width` bytes behind the first byte. */
static mst_status pack_number(mst_tokens *t, size_t width, uint64_t *out, mst_error *err) {
  uint64_t v = 0;
  if (t->n - t->at < width) return mst_tokens_fail(t, t->at, err, "it ends too soon");
  for (size_t i = 0; i < width; i++) v = v << 8 | t->data[t->at + i];
  t->at += width;
  *out = v;
  return MST_OK;
}

static mst_status pack_text(mst_tokens *t, uint64_t n, mst_token *out, mst_error *err) {
  size_t bad = 0;
  if (n > t->n - t->at) return mst_tokens_fail(t, out->at, err, "text of %llu bytes, %zu are left", (unsigned long long)n, t->n - t->at);
  if (!mst_utf8_valid(t->data + t->at, (size_t)n, &bad)) return mst_tokens_fail(t, t->at + bad, err, "text that is not UTF-8");
  out->kind = MST_TOKEN_TEXT;
  out->text = (const char *)t->data + t->at;
  out->n = (size_t)n;
  t->at += (size_t)n;
  return MST_OK;
}

static mst_status pack_open(mst_tokens *t, bool map, uint64_t n, mst_token *out, mst_error *err) {
  if (n > (t->n - t->at) / (map ? 2 : 1))
    return mst_tokens_fail(t, out->at, err, "a count of %llu items, %zu bytes are left", (unsigned long long)n, t->n - t->at);
  out->kind = map ? MST_TOKEN_MAP : MST_TOKEN_LIST;
  return push(t, map, map ? 2 * n : n, err);
}

static mst_status pack_int(mst_tokens *t, uint8_t code, mst_token *out, mst_error *err) {
  const bool with_sign = code >= 0xd0;
  const size_t width = (size_t)1 << (code & 3);
  uint64_t v;
  mst_status status = pack_number(t, width, &v, err);
  if (status != MST_OK) return status;
  out->kind = MST_TOKEN_INT;
  if (with_sign && width < 8 && (v >> (8 * width - 1) & 1) != 0) v |= ~UINT64_C(0) << (8 * width);
  out->i = (int64_t)v;
  if (with_sign || v <= INT64_MAX) return MST_OK;
  out->kind = MST_TOKEN_REAL;
  out->f = (double)v;
  return MST_OK;
}

static mst_status pack_real(mst_tokens *t, bool wide, mst_token *out, mst_error *err) {
  uint64_t v;
  mst_status status = pack_number(t, wide ? 8 : 4, &v, err);
  if (status != MST_OK) return status;
  out->kind = MST_TOKEN_REAL;
  if (wide) memcpy(&out->f, &v, 8);
  else {
    const uint32_t bits = (uint32_t)v;
    float f;
    memcpy(&f, &bits, 4);
    out->f = (double)f;
  }
  if (out->f - out->f != 0) return mst_tokens_fail(t, out->at, err, "NaN or infinity");
  return MST_OK;
}

static mst_status pack_value(mst_tokens *t, mst_token *out, mst_error *err) {
  const uint8_t code = t->data[t->at++];
  uint64_t n = 0;
  mst_status status = MST_OK;
  out->kind = MST_TOKEN_INT;
  if (code <= 0x7f) out->i = code;
  else if (code <= 0x8f) return pack_open(t, true, code & 15, out, err);
  else if (code <= 0x9f) return pack_open(t, false, code & 15, out, err);
  else if (code <= 0xbf) return pack_text(t, code & 31, out, err);
  else if (code >= 0xe0) out->i = (int8_t)code;
  else if (code == 0xc0) out->kind = MST_TOKEN_NULL;
  else if (code == 0xc2 || code == 0xc3) *out = (mst_token){.kind = MST_TOKEN_BOOL, .at = out->at, .truth = code == 0xc3};
  else if (code == 0xca || code == 0xcb) return pack_real(t, code == 0xcb, out, err);
  else if (code >= 0xcc && code <= 0xd3) return pack_int(t, code, out, err);
  else if (code >= 0xd9 || (code >= 0xc4 && code <= 0xc6)) {
    const size_t width = code >= 0xdc ? (size_t)2 << (code & 1) : (size_t)1 << (code >= 0xd9 ? code - 0xd9 : code - 0xc4);
    status = pack_number(t, width, &n, err);
    if (status != MST_OK) return status;
    if (code >= 0xdc) return pack_open(t, code >= 0xde, n, out, err);
    return pack_text(t, n, out, err);
  } else return mst_tokens_fail(t, out->at, err, "msgpack code 0x%02x, which no metadata has", (unsigned)code);
  return MST_OK;
}

static mst_status pack_next(mst_tokens *t, mst_token *out, mst_error *err) {
  out->at = t->at;
  if (t->depth > 0 && t->stack[t->depth - 1].left == 0) {
    t->depth--;
    out->kind = MST_TOKEN_END;
    return MST_OK;
  }
  if (t->at == t->n) return mst_tokens_fail(t, t->at, err, "it ends too soon");
  if (t->depth == 0) return pack_value(t, out, err);
  const size_t top = t->depth - 1;
  t->stack[top].left--;
  if (!t->stack[top].map) return pack_value(t, out, err);
  t->stack[top].key = !t->stack[top].key;
  mst_status status = pack_value(t, out, err);
  if (status == MST_OK && !t->stack[top].key && out->kind != MST_TOKEN_TEXT)
    return mst_tokens_fail(t, out->at, err, "a key must be text, found %s", mst_token_name(out->kind));
  return status;
}

/* ---- both ---- */

mst_status mst_tokens_next(mst_tokens *t, mst_token *out, mst_error *err) {
  *out = (mst_token){.at = t->at};
  return t->msgpack ? pack_next(t, out, err) : json_next(t, out, err);
}

mst_status mst_tokens_skip(mst_tokens *t, const mst_token *first, mst_error *err) {
  mst_token token;
  if (first->kind != MST_TOKEN_MAP && first->kind != MST_TOKEN_LIST) return MST_OK;
  for (const size_t depth = t->depth; t->depth >= depth;) {
    mst_status status = mst_tokens_next(t, &token, err);
    if (status != MST_OK) return status;
  }
  return MST_OK;
}

static json_t *leaf(const mst_token *token) {
  switch (token->kind) {
  case MST_TOKEN_BOOL: return json_boolean(token->truth);
  case MST_TOKEN_INT: return json_integer(token->i);
  case MST_TOKEN_REAL: return json_real(token->f);
  case MST_TOKEN_TEXT: return json_stringn_nocheck(token->text, token->n);
  default: return json_null();
  }
}

static mst_status fill_tree(mst_tokens *t, json_t *into, mst_error *err);

static mst_status tree_of(mst_tokens *t, const mst_token *first, json_t **out, mst_error *err) {
  mst_status status = MST_OK;
  const bool holds = first->kind == MST_TOKEN_MAP || first->kind == MST_TOKEN_LIST;
  json_t *value = !holds ? leaf(first) : first->kind == MST_TOKEN_MAP ? json_object() : json_array();
  if (value == NULL) return mst_fail_memory(err);
  if (holds) status = fill_tree(t, value, err);
  if (status == MST_OK) *out = value;
  else json_decref(value);
  return status;
}

/* Depth is bounded by the stack of `t`. As in Python the last of equal keys wins. */
static mst_status fill_tree(mst_tokens *t, json_t *into, mst_error *err) {
  mst_status status = MST_OK;
  mst_token token;
  char *key = NULL;
  for (;;) {
    json_t *item = NULL;
    MST_TRY(mst_tokens_next(t, &token, err));
    if (token.kind == MST_TOKEN_END) break;
    if (json_is_object(into)) {
      if (memchr(token.text, '\0', token.n) != NULL) MST_TRY(mst_tokens_fail(t, token.at, err, "a key with a NUL"));
      mst_free(t->scratch.mem, key);
      MST_TRY_ALLOC(key = mst_text_copy_n(t->scratch.mem, token.text, token.n));
      MST_TRY(mst_tokens_next(t, &token, err));
    }
    MST_TRY(tree_of(t, &token, &item, err));
    if (json_is_object(into) ? json_object_set_new_nocheck(into, key, item) != 0 : json_array_append_new(into, item) != 0)
      MST_TRY(mst_fail_memory(err));
  }
done:
  mst_free(t->scratch.mem, key);
  return status;
}

mst_status mst_tokens_tree(mst_tokens *t, const mst_token *first, json_t **out, mst_error *err) { return tree_of(t, first, out, err); }

mst_status mst_tokens_end(mst_tokens *t, mst_error *err) {
  if (!t->msgpack) skip_space(t);
  return t->at == t->n ? MST_OK : mst_tokens_fail(t, t->at, err, "%zu bytes behind its end", t->n - t->at);
}
