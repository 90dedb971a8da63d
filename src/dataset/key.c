/* dataset/key.c - see key.h. Keys come from documents that anybody may have written: what they name is checked by parts, so that
 * nothing outside the store's root, and nothing of another dataset, is ever touched by way of them. */
#include "dataset/key.h"

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

mst_status mst_uuid_check(const char *uuid, mst_error *err) {
  size_t i = 0;
  while (is_digit(uuid[i]) || is_letter(uuid[i]) || uuid[i] == '+' || uuid[i] == '-' || uuid[i] == '_') i++;
  if (i > 0 && uuid[i] == '\0' && i <= MST_KEY_MAX / 4) return MST_OK;
  if (i == 0 && uuid[0] == '\0') return mst_fail(err, MST_E_ARGUMENT, "a dataset's uuid must not be empty");
  if (uuid[i] == '\0') return mst_fail(err, MST_E_ARGUMENT, "UUID of %zu bytes, at most %zu are allowed", i, MST_KEY_MAX / 4);
  return mst_fail(err, MST_E_ARGUMENT, "UUID contains illegal character: byte 0x%02x at %zu of \"%.60s\"; letters, digits, + - _ are allowed",
                  (unsigned)(unsigned char)uuid[i], i, uuid);
}

void mst_uuid_make(mst_context *ctx, char out[33]) {
  const mst_env *env = mst_context_env(ctx);
  uint8_t bytes[16];
  mst_put_le64(bytes, env->random(env->self));
  mst_put_le64(bytes + 8, env->random(env->self));
  bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40); /* RFC 9562: version 4, variant 10 */
  bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
  mst_hex(bytes, 16, out);
  out[32] = '\0';
}

/* What the key-value layer of plateau lets through, but for '/', which would make another key of it. */
mst_status mst_table_name_check(const char *table, mst_error *err) {
  const char *marks = " `\\!\"#$%&'()+,-.<=>?@[]^_{}~";
  size_t n = strlen(table);
  if (n == 0 || n > 200 || strcmp(table, ".") == 0 || strcmp(table, "..") == 0 || strcmp(table, "indices") == 0)
    return mst_fail(err, MST_E_ARGUMENT, "\"%.60s\" cannot be the name of a table", table);
  for (size_t i = 0; i < n; i++)
    if (!is_digit(table[i]) && !is_letter(table[i]) && strchr(marks, table[i]) == NULL)
      return mst_fail(err, MST_E_ARGUMENT, "the table name contains illegal characters: byte 0x%02x at %zu of \"%.60s\"",
                      (unsigned)(unsigned char)table[i], i, table);
  return MST_OK;
}

mst_status mst_key_quote(mst_buf *out, const char *text, size_t n, mst_error *err) {
  return mst_percent_encode(out, text, n, "", err);
}

static int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

mst_status mst_key_unquote(mst_buf *out, const char *text, size_t n, mst_error *err) {
  mst_status status = mst_buf_reserve(out, n, err);
  for (size_t i = 0; i < n && status == MST_OK; i++) {
    int high = text[i] == '%' && n - i > 2 ? hex_digit(text[i + 1]) : -1;
    int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
    status = mst_buf_put_byte(out, low >= 0 ? (uint8_t)(high * 16 + low) : (uint8_t)text[i], err);
    if (low >= 0) i += 2;
  }
  return status;
}

bool mst_key_is_safe(const char *key, size_t n, const char **why) {
  size_t begin = 0, i;
  *why = NULL;
  if (n == 0) *why = "it is empty";
  else if (n > MST_KEY_MAX) *why = "it is too long";
  else if (key[0] == '/') *why = "it begins with '/'";
  else if (key[n - 1] == '/') *why = "it ends with '/'";
  for (i = 0; i <= n && *why == NULL; i++) {
    if (i < n && key[i] == '\0') *why = "it has a NUL byte";
    if (i < n && key[i] != '/') continue;
    if (i - begin == 2 && memcmp(key + begin, "..", 2) == 0) *why = "\"..\" leads out of the dataset";
    if (i - begin == 1 && key[begin] == '.') *why = "\".\" is no part of a key";
    begin = i + 1;
  }
  return *why == NULL;
}

/* What follows the uuid in a key of this dataset; NULL in one of another's. */
static const char *behind_uuid(const char *key, const char *uuid) {
  const size_t n = strlen(uuid);
  return strncmp(key, uuid, n) == 0 ? key + n : NULL;
}

bool mst_key_is_own(const char *key, const char *uuid) {
  const char *rest = behind_uuid(key, uuid);
  return rest != NULL && (*rest == '/' || *rest == '.');
}

bool mst_key_is_deletable(const char *key, const char *uuid) {
  const char *why, *rest = behind_uuid(key, uuid);
  if (rest == NULL || !mst_key_is_safe(key, strlen(key), &why)) return false;
  if (*rest == '/' || mst_text_starts(rest, MST_KEY_OURS)) return true;
  if (*rest != '.' || strchr(rest, '/') != NULL) return false;
  return strcmp(rest, MST_KEY_JSON) == 0 || strcmp(rest, MST_KEY_MSGPACK) == 0 || mst_text_ends(rest, MST_KEY_INDEX);
}

mst_status mst_key_head(mst_buf *out, const char *uuid, bool msgpack, mst_error *err) {
  return mst_buf_printf(out, err, "%s%s", uuid, msgpack ? MST_KEY_MSGPACK : MST_KEY_JSON);
}

mst_status mst_key_common(mst_buf *out, const char *uuid, const char *table, mst_error *err) {
  return mst_buf_printf(out, err, "%s/%s/%s", uuid, table, MST_KEY_COMMON);
}

mst_status mst_key_file(mst_buf *out, const char *uuid, const char *table, const char *label, mst_error *err) {
  return mst_buf_printf(out, err, "%s/%s/%s.parquet", uuid, table, label);
}

mst_status mst_key_index(mst_buf *out, const char *uuid, const char *column, int64_t us, mst_error *err) {
  mst_status status = MST_OK;
  int64_t year, day = us / INT64_C(86400000000), rest = us % INT64_C(86400000000);
  unsigned month, day_of_month;
  if (rest < 0) {
    rest += INT64_C(86400000000);
    day--;
  }
  mst_civil_from_days(day, &year, &month, &day_of_month);
  const int64_t s = rest / 1000000, fraction = rest % 1000000;
  MST_TRY(mst_buf_printf(out, err, "%s/indices/", uuid));
  /* Dots are not quoted, but these two names would lead elsewhere. */
  if (strcmp(column, ".") == 0 || strcmp(column, "..") == 0) MST_TRY(mst_buf_put_text(out, column[1] == '\0' ? "%2E" : "%2E%2E", err));
  else MST_TRY(mst_key_quote(out, column, strlen(column), err));
  MST_TRY(mst_buf_printf(out, err, "/%04d-%02u-%02uT%02d%%3A%02d%%3A%02d", (int)year, month, day_of_month, (int)(s / 3600),
                         (int)(s / 60 % 60), (int)(s % 60)));
  if (fraction != 0) MST_TRY(mst_buf_printf(out, err, ".%06d", (int)fraction));
  MST_TRY(mst_buf_printf(out, err, "%%2B00%%3A00%s", MST_KEY_INDEX));
done:
  return status;
}

bool mst_label_next(const char *label, size_t *at, mst_key_part *out) {
  for (;;) {
    const char *part = label + *at, *end = strchr(part, '/'), *equals;
    if (end == NULL) return false;
    *at += (size_t)(end - part) + 1;
    equals = memchr(part, '=', (size_t)(end - part));
    if (equals == NULL || memchr(equals + 1, '=', (size_t)(end - equals - 1)) != NULL) continue;
    *out = (mst_key_part){.column = part, .n_column = (size_t)(equals - part), .value = equals + 1, .n_value = (size_t)(end - equals - 1)};
    return true;
  }
}

size_t mst_label_depth(const char *label) {
  mst_key_part part;
  size_t at = 0, depth = 0;
  while (mst_label_next(label, &at, &part)) depth++;
  return depth;
}
