/* base/text.c - UTF-8, comparison, globs, sizes, percent-, hex- and base64-encoding, without locale.
 * Owns nothing. Calls base/buf.h and base/error.h. */
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "base/error.h"

/* The length of the character that starts at `p`, 0 when it is not one. The bounds on the second byte shut out overlong
 * forms, surrogates and what lies beyond U+10FFFF. */
static size_t utf8_length(const uint8_t *p, size_t left) {
  const uint8_t lead = p[0];
  uint8_t low = 0x80, high = 0xBF;
  size_t n;
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  n = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (lead == 0xE0) low = 0xA0;
  if (lead == 0xED) high = 0x9F;
  if (lead == 0xF0) low = 0x90;
  if (lead == 0xF4) high = 0x8F;
  if (left < n || p[1] < low || p[1] > high) return 0;
  for (size_t i = 2; i < n; i++)
    if ((p[i] & 0xC0) != 0x80) return 0;
  return n;
}

bool mst_utf8_valid(const void *data, size_t n, size_t *bad_at) {
  const uint8_t *p = data;
  size_t at = 0, length;
  while (at < n) {
    while (n - at >= 16 && ((mst_le64(p + at) | mst_le64(p + at + 8)) & 0x8080808080808080u) == 0) at += 16;
    if (at == n) break;
    length = utf8_length(p + at, n - at);
    if (length == 0) {
      if (bad_at != NULL) *bad_at = at;
      return false;
    }
    at += length;
  }
  return true;
}

mst_status mst_utf8_put(mst_buf *out, const void *data, size_t n, mst_error *err) {
  const uint8_t *p = data;
  mst_status status = MST_OK;
  size_t bad;
  while (!mst_utf8_valid(p, n, &bad)) {
    MST_TRY(mst_buf_put(out, p, bad, err));
    MST_TRY(mst_buf_put_text(out, "\xef\xbf\xbd", err));
    p += bad + 1;
    n -= bad + 1;
  }
  MST_TRY(mst_buf_put(out, p, n, err));
done:
  return status;
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

bool mst_text_equal(const char *a, const char *b) {
  if (a == NULL || b == NULL) return a == b;
  return strcmp(a, b) == 0;
}

static bool equal_nocase_n(const char *a, const char *b, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (lower(a[i]) != lower(b[i])) return false;
  return true;
}

bool mst_text_equal_nocase(const char *a, const char *b) {
  size_t n;
  if (a == NULL || b == NULL) return a == b;
  n = strlen(a);
  return n == strlen(b) && equal_nocase_n(a, b, n);
}

bool mst_text_starts(const char *text, const char *prefix) { return strncmp(text, prefix, strlen(prefix)) == 0; }

bool mst_text_ends(const char *text, const char *suffix) {
  const size_t n = strlen(text), m = strlen(suffix);
  return n >= m && memcmp(text + n - m, suffix, m) == 0;
}

bool mst_text_ends_nocase(const char *text, const char *suffix) {
  const size_t n = strlen(text), m = strlen(suffix);
  return n >= m && equal_nocase_n(text + n - m, suffix, m);
}

/* Reads one character (a broken one counts as its first byte) and moves past it. */
static uint32_t next_char(const char **at) {
  const uint8_t *p = (const uint8_t *)*at;
  const size_t n = utf8_length(p, strnlen(*at, 4));
  uint32_t c = n == 2 ? p[0] & 0x1Fu : n == 3 ? p[0] & 0x0Fu : n == 4 ? p[0] & 0x07u : p[0];
  for (size_t i = 1; i < n; i++) c = c << 6 | (p[i] & 0x3Fu);
  *at += n == 0 ? 1 : n;
  return c;
}

/* `p` stands behind '['. Returns the place behind ']', or NULL when the class is never closed and '[' means itself. */
static const char *match_class(const char *p, uint32_t c, bool *matched) {
  const bool inverted = *p == '!' || *p == '^';
  bool found = false, first = true;
  uint32_t from, to;
  if (inverted) p++;
  while (*p != ']' || first) {
    if (*p == '\0') return NULL;
    first = false;
    if (*p == '\\' && p[1] != '\0') p++;
    from = to = next_char(&p);
    if (p[0] == '-' && p[1] != ']' && p[1] != '\0') {
      p++;
      if (*p == '\\' && p[1] != '\0') p++;
      to = next_char(&p);
    }
    found |= from <= c && c <= to;
  }
  *matched = found != inverted && c != '/';
  return p + 1;
}

/* Matches one character of `text` against one element of the pattern; both move past what matched. */
static bool match_one(const char **pattern, const char **text) {
  const char *p = *pattern + 1, *t = *text, *behind;
  const uint32_t c = next_char(&t);
  bool matched;
  switch (**pattern) {
  case '?': matched = c != '/'; break;
  case '[':
    behind = match_class(p, c, &matched);
    if (behind == NULL) matched = c == '[';
    else p = behind;
    break;
  case '\\':
    if (*p == '\0') p--;
    matched = c == next_char(&p);
    break;
  default: p = *pattern; matched = c == next_char(&p);
  }
  if (!matched) return false;
  *pattern = p;
  *text = t;
  return true;
}

/* Where matching goes on when the rest failed: each kind of star remembers its latest place, and what it has eaten so
 * far. An earlier star of the same kind need not be tried again: the later one can eat whatever the earlier would. */
typedef struct glob_retry {
  const char *pattern; /* behind the star, NULL before the first */
  const char *text;
  bool whole_segments; /* a double star and a slash together: also nothing, else up to behind a slash */
} glob_retry;

static bool retry_single(glob_retry *star, const char **p, const char **t) {
  if (star->pattern == NULL || *star->text == '\0' || *star->text == '/') return false;
  next_char(&star->text);
  *p = star->pattern;
  *t = star->text;
  return true;
}

static bool retry_double(glob_retry *star, const char **p, const char **t) {
  if (star->pattern == NULL || *star->text == '\0') return false;
  if (star->whole_segments) {
    const char *slash = strchr(star->text, '/');
    if (slash == NULL) return false;
    star->text = slash + 1;
  } else next_char(&star->text);
  *p = star->pattern;
  *t = star->text;
  return true;
}

bool mst_glob_match(const char *pattern, const char *text) {
  glob_retry single = {0}, twice = {0};
  const char *p = pattern, *t = text;
  for (;;) {
    if (p[0] == '*' && p[1] == '*') {
      const bool at_start = p == pattern || p[-1] == '/';
      while (*p == '*') p++;
      twice = (glob_retry){.whole_segments = at_start && *p == '/', .text = t};
      if (twice.whole_segments) p++;
      twice.pattern = p;
      single.pattern = NULL;
    } else if (*p == '*') {
      single = (glob_retry){.pattern = ++p, .text = t};
    } else if (*p == '\0' && *t == '\0') {
      return true;
    } else if (*p != '\0' && *t != '\0' && match_one(&p, &t)) {
      continue;
    } else if (!retry_single(&single, &p, &t)) {
      single.pattern = NULL;
      if (!retry_double(&twice, &p, &t)) return false;
    }
  }
}

mst_status mst_parse_u64(const char *text, size_t n, const char *what, uint64_t *out, mst_error *err) {
  uint64_t value = 0;
  if (n == 0) return mst_fail(err, MST_E_ARGUMENT, "%s: a number is missing", what);
  for (size_t i = 0; i < n; i++) {
    if (text[i] < '0' || text[i] > '9')
      return mst_fail(err, MST_E_ARGUMENT, "%s: \"%.*s\" is not a whole number", what, (int)mst_min_size(n, 64), text);
    if (!mst_mul_u64(value, 10, &value) || !mst_add_u64(value, (uint64_t)(text[i] - '0'), &value))
      return mst_fail(err, MST_E_ARGUMENT, "%s: %.*s is too large", what, (int)mst_min_size(n, 64), text);
  }
  *out = value;
  return MST_OK;
}

/* The factor of "", "k", "Mi", "GiB" and so on; 0 when it is none of them. */
static uint64_t size_unit(const char *unit) {
  static const char letters[] = "kmgt";
  const char *letter = *unit == '\0' ? NULL : strchr(letters, lower(*unit));
  uint64_t base = 1000, factor = 1;
  if (letter != NULL) {
    unit++;
    if (*unit == 'i' || *unit == 'I') {
      base = 1024;
      unit++;
    }
    for (long i = 0; i <= letter - letters; i++) factor *= base;
  }
  if (*unit == 'B' || *unit == 'b') unit++;
  return *unit == '\0' ? factor : 0;
}

__extension__ typedef unsigned __int128 wide;

mst_status mst_parse_size(const char *text, const char *what, uint64_t *out, mst_error *err) {
  const size_t whole = strspn(text, "0123456789");
  const char *unit = text + whole;
  uint64_t value, factor, part = 0, scale = 1, product;
  mst_status status;
  if (whole == 0)
    return mst_fail(err, MST_E_ARGUMENT, "%s: \"%.64s\" is not a size; write it like 64MiB, 1.5G or 4096", what, text);
  status = mst_parse_u64(text, whole, what, &value, err);
  if (status != MST_OK) return status;
  if (*unit == '.') {
    /* Digits behind the ninth would change a terabyte by less than a kilobyte; they are read and dropped. */
    for (unit++; *unit >= '0' && *unit <= '9'; unit++) {
      if (scale >= 1000000000) continue;
      part = part * 10 + (uint64_t)(*unit - '0');
      scale *= 10;
    }
  }
  if (unit[0] == ' ' && unit[1] != '\0') unit++;
  factor = size_unit(unit);
  if (factor == 0 || (factor == 1 && scale > 1))
    return mst_fail(err, MST_E_ARGUMENT, "%s: \"%.64s\" is not a size; write it like 64MiB, 1.5G or 4096", what, text);
  part = (uint64_t)((wide)part * factor / scale);
  if (!mst_mul_u64(value, factor, &product) || !mst_add_u64(product, part, &product))
    return mst_fail(err, MST_E_ARGUMENT, "%s: %.64s is too large", what, text);
  *out = product;
  return MST_OK;
}

char *mst_format_size(uint64_t bytes, char out[24]) {
  static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = (double)bytes;
  size_t unit = 0;
  /* What would be printed as 1024.0 belongs to the next unit. */
  while (value >= (unit == 0 ? 1024.0 : 1023.95) && unit + 1 < sizeof units / sizeof *units) {
    value /= 1024;
    unit++;
  }
  /* Digits by hand: printf would take the decimal point from the locale. */
  if (unit == 0) snprintf(out, 24, "%u B", (unsigned)bytes);
  else {
    const unsigned tenths = (unsigned)(value * 10 + 0.5);
    snprintf(out, 24, "%u.%u %s", tenths / 10, tenths % 10, units[unit]);
  }
  return out;
}

static bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

mst_status mst_percent_encode(mst_buf *out, const char *text, size_t n, const char *keep, mst_error *err) {
  static const char digits[] = "0123456789ABCDEF";
  mst_status status = MST_OK;
  for (size_t i = 0; i < n && status == MST_OK; i++) {
    const uint8_t c = (uint8_t)text[i];
    if (is_unreserved(text[i]) || (keep != NULL && c != 0 && strchr(keep, text[i]) != NULL))
      status = mst_buf_put_byte(out, c, err);
    else status = mst_buf_put(out, (const char[]){'%', digits[c >> 4], digits[c & 15]}, 3, err);
  }
  return status;
}

static int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

mst_status mst_percent_decode(mst_buf *out, const char *text, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  for (size_t i = 0; i < n && status == MST_OK; i++) {
    uint8_t byte = (uint8_t)text[i];
    if (text[i] == '%') {
      if (n - i < 3 || !mst_unhex(text + i + 1, 2, &byte))
        return mst_fail_at(err, MST_E_ARGUMENT, i, "\"%.*s\": '%%' must be followed by two hexadecimal digits",
                           (int)mst_min_size(n, 200), text);
      i += 2;
    }
    status = mst_buf_put_byte(out, byte, err);
  }
  return status;
}

void mst_hex(const uint8_t *data, size_t n, char *out) {
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < n; i++) {
    out[2 * i] = digits[data[i] >> 4];
    out[2 * i + 1] = digits[data[i] & 15];
  }
  out[2 * n] = '\0';
}

bool mst_unhex(const char *text, size_t n, uint8_t *out) {
  if (n % 2 != 0) return false;
  for (size_t i = 0; i < n; i += 2) {
    const int high = hex_value(text[i]), low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) return false;
    out[i / 2] = (uint8_t)(high << 4 | low);
  }
  return true;
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

mst_status mst_base64_encode(mst_buf *out, const uint8_t *data, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  for (size_t i = 0; i < n && status == MST_OK; i += 3) {
    const size_t left = n - i;
    const uint32_t bits =
        (uint32_t)data[i] << 16 | (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) | (left > 2 ? (uint32_t)data[i + 2] : 0);
    char four[4] = {base64_digits[bits >> 18], base64_digits[bits >> 12 & 63], '=', '='};
    if (left > 1) four[2] = base64_digits[bits >> 6 & 63];
    if (left > 2) four[3] = base64_digits[bits & 63];
    status = mst_buf_put(out, four, 4, err);
  }
  return status;
}

static int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

mst_status mst_base64_decode(mst_buf *out, const char *text, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  if (n % 4 != 0)
    return mst_fail(err, MST_E_CORRUPT, "base64 text must be a multiple of 4 characters long, found %zu", n);
  for (size_t i = 0; i < n && status == MST_OK; i += 4) {
    const size_t padding = i + 4 < n || text[i + 3] != '=' ? 0 : text[i + 2] == '=' ? 2 : 1;
    uint32_t bits = 0;
    for (size_t k = 0; k < 4; k++) {
      const int value = k >= 4 - padding ? 0 : base64_value(text[i + k]);
      if (value < 0)
        return mst_fail_at(err, MST_E_CORRUPT, i + k, "base64 text holds the foreign byte 0x%02x at character %zu",
                           (unsigned)(uint8_t)text[i + k], i + k);
      bits = bits << 6 | (uint32_t)value;
    }
    /* Bits behind the last byte must be zero, so that a value has one spelling. */
    if ((padding == 1 && (bits & 0xFF) != 0) || (padding == 2 && (bits & 0xFFFF) != 0))
      return mst_fail_at(err, MST_E_CORRUPT, i, "base64 text ends with stray bits");
    status = mst_buf_put(out, (const uint8_t[]){(uint8_t)(bits >> 16), (uint8_t)(bits >> 8), (uint8_t)bits},
                         3 - padding, err);
  }
  return status;
}

enum { WORD_MAX = 48 };

/* Edit distance where swapping two neighbours counts once, without regard to case. Three rows of the table are alive.
 */
static size_t edit_distance(const char *a, size_t n, const char *b, size_t m) {
  uint8_t rows[3][WORD_MAX + 1];
  for (size_t j = 0; j <= m; j++) rows[0][j] = (uint8_t)j;
  for (size_t i = 1; i <= n; i++) {
    uint8_t *row = rows[i % 3];
    const uint8_t *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
    row[0] = (uint8_t)i;
    for (size_t j = 1; j <= m; j++) {
      size_t best = above[j - 1] + (size_t)(lower(a[i - 1]) != lower(b[j - 1]));
      best = mst_min_size(best, mst_min_size(above[j], row[j - 1]) + 1u);
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]))
        best = mst_min_size(best, above2[j - 2] + 1u);
      row[j] = (uint8_t)best;
    }
  }
  return rows[n % 3][m];
}

const char *mst_text_nearest(const char *word, const char *const *candidates, size_t n) {
  const size_t size = strlen(word);
  const char *nearest = NULL;
  size_t best = SIZE_MAX;
  if (size > WORD_MAX) return NULL;
  for (size_t i = 0; i < n; i++) {
    const size_t other = candidates[i] == NULL ? SIZE_MAX : strlen(candidates[i]);
    size_t distance;
    if (other > WORD_MAX) continue;
    distance = edit_distance(word, size, candidates[i], other);
    /* One slip in three letters still looks like the same word. */
    if (distance < best && distance <= mst_max_size(size, other) / 3) {
      best = distance;
      nearest = candidates[i];
    }
  }
  return nearest;
}
