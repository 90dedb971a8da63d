/* tests/dataset/golden.h - JSON of the golden datasets and of our own output, brought to one form: numbers beyond int64 kept exact, values
 * compared by meaning; conditions as our list form. */
#ifndef MST_TESTS_DATASET_GOLDEN_H
#define MST_TESTS_DATASET_GOLDEN_H

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "support/support.h"

/* Numbers that jansson cannot hold become {"$": "big", "v": digits}. The result is freed with free(). */
static inline char *golden_wrap_big(const char *text, size_t n) {
  char *out = malloc(8 * n + 64);
  size_t k = 0;
  bool inside = false;
  assert_non_null(out);
  for (size_t i = 0; i < n; i++) {
    if (inside && text[i] == '\\') {
      out[k++] = text[i++];
      out[k++] = text[i];
      continue;
    }
    if (text[i] == '"') inside = !inside;
    size_t digits = 0;
    while (!inside && i + digits < n && text[i + digits] >= '0' && text[i + digits] <= '9') digits++;
    if (digits >= 19 && (digits > 19 || strncmp(text + i, "9223372036854775807", 19) > 0) && text[i + digits] != '.' && (i == 0 || text[i - 1] != '-')) {
      k += (size_t)sprintf(out + k, "{\"$\": \"big\", \"v\": \"%.*s\"}", (int)digits, text + i);
      i += digits - 1;
    } else if (digits > 0) {
      memcpy(out + k, text + i, digits);
      k += digits;
      i += digits - 1;
    } else out[k++] = text[i];
  }
  out[k] = '\0';
  return out;
}

static inline json_t *golden_parse(const char *text, size_t n) {
  json_error_t why;
  char *wrapped = golden_wrap_big(text, n);
  json_t *value = json_loads(wrapped, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
  if (value == NULL) fail_msg("%s at %d of %.200s", why.text, why.position, wrapped);
  free(wrapped);
  return value;
}

static inline json_t *golden_load(const char *path) {
  size_t n = 0;
  char *text = (char *)mst_test_read_file(path, &n);
  json_t *value = golden_parse(text, n);
  free(text);
  return value;
}

/* Text without the zeros that end a fraction of seconds. */
static inline void golden_trim(const char *text, char out[64]) {
  snprintf(out, 64, "%s", text);
  char *point = strchr(out, '.');
  if (point == NULL) return;
  char *end = out + strlen(out);
  while (end > point && (end[-1] == '0' || end[-1] == '.')) *--end = '\0';
}

static inline bool golden_same(const json_t *expected, const json_t *got);

static inline bool golden_same_special(const char *kind, const json_t *v, const json_t *got) {
  char a[64], b[64];
  int64_t x = 0, y = 0;
  if (strcmp(kind, "big") == 0) return json_is_object(got) && mst_text_equal(json_string_value(v), json_string_value(json_object_get(got, "v")));
  if (strcmp(kind, "td_us") == 0) return json_is_integer(got) && json_integer_value(got) == json_integer_value(v);
  if (strcmp(kind, "bytes") == 0) return mst_text_equal(json_string_value(json_object_get(got, "hex")), json_string_value(v));
  if (!json_is_string(got)) return false;
  const char *text = json_string_value(got), *wanted = json_string_value(v);
  if (strcmp(kind, "float") == 0)
    return strcmp(text, strcmp(wanted, "nan") == 0 ? "NaN" : strcmp(wanted, "inf") == 0 ? "Infinity" : "-Infinity") == 0;
  if (strcmp(kind, "ts") == 0) return mst_time_parse_iso(wanted, &x) && mst_time_parse_iso(text, &y) && x == y;
  if (strcmp(kind, "dec") == 0 || strcmp(kind, "date") == 0) return strcmp(text, wanted) == 0;
  golden_trim(text, a);
  golden_trim(wanted, b);
  return strcmp(a, b) == 0;
}

static inline bool golden_same(const json_t *expected, const json_t *got) {
  if (json_is_object(expected) && json_object_get(expected, "$") != NULL)
    return golden_same_special(json_string_value(json_object_get(expected, "$")), json_object_get(expected, "v"), got);
  if (json_is_number(expected) && json_is_number(got)) {
    if (json_is_integer(expected) && json_is_integer(got)) return json_integer_value(expected) == json_integer_value(got);
    return json_number_value(expected) == json_number_value(got);
  }
  if (json_is_array(expected)) {
    if (!json_is_array(got) || json_array_size(got) != json_array_size(expected)) return false;
    for (size_t i = 0; i < json_array_size(expected); i++)
      if (!golden_same(json_array_get(expected, i), json_array_get(got, i))) return false;
    return true;
  }
  if (json_is_object(expected)) {
    const char *key;
    json_t *value;
    if (!json_is_object(got) || json_object_size(got) != json_object_size(expected)) return false;
    json_object_foreach((json_t *)(uintptr_t)expected, key, value) {
      if (json_object_get(got, key) == NULL || !golden_same(value, json_object_get(got, key))) return false;
    }
    return true;
  }
  return json_equal(expected, got) == 1;
}

/* A value of expected.json as our list form says it; appended. */
static inline void golden_put_value(const json_t *v, mst_buf *out) {
  mst_error err;
  char *text;
  if (json_is_array(v)) {
    mst_buf_put_text(out, "[", &err);
    for (size_t i = 0; i < json_array_size(v); i++) {
      if (i > 0) mst_buf_put_text(out, ", ", &err);
      golden_put_value(json_array_get(v, i), out);
    }
    mst_buf_put_text(out, "]", &err);
    return;
  }
  const char *kind = json_string_value(json_object_get(v, "$"));
  const char *value = json_string_value(json_object_get(v, "v"));
  if (kind != NULL) {
    const char *type = strcmp(kind, "big") == 0     ? "decimal"
                       : strcmp(kind, "ts") == 0    ? (strchr(value, '+') != NULL ? "timestamptz" : "timestamp")
                       : strcmp(kind, "bytes") == 0 ? "binary"
                       : strcmp(kind, "dec") == 0   ? "decimal"
                                                    : kind;
    mst_buf_printf(out, &err, "{\"type\": \"%s\", \"value\": \"%s\"}", type, value);
  } else {
    text = json_dumps(v, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    mst_buf_put_text(out, text, &err);
    free(text);
  }
}

#endif
