/* base/json.c - jansson behind our limits and errors. Owns nothing between calls. Calls jansson, base/buf.h,
 * base/error.h. jansson's memory comes from malloc: its allocator hook is global to the process and not ours to set. */
#include "base/json.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"

mst_status mst_json_parse(const void *text, size_t size, size_t size_max, const char *what, json_t **out,
                          mst_error *err) {
  json_error_t why;
  json_t *value;
  if (size > size_max)
    return mst_fail(err, MST_E_LIMIT, "%s: JSON text of %zu bytes, at most %zu are read", what, size, size_max);
  /* jansson bounds the depth by itself (2048) and checks UTF-8; integers beyond 64 bits and trailing text are errors.
   */
  value = json_loadb(size == 0 ? "" : text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
  if (value == NULL && json_error_code(&why) == json_error_out_of_memory) return mst_fail_memory(err);
  if (value == NULL)
    return mst_fail_at(err, MST_E_CORRUPT, why.position < 0 ? 0 : (uint64_t)why.position,
                       "%s: not valid JSON in line %d, column %d: %s", what, why.line, why.column, why.text);
  *out = value;
  return MST_OK;
}

typedef struct print_state {
  mst_buf *out;
  mst_status status;
  mst_error *err;
} print_state;

static int print_piece(const char *piece, size_t n, void *arg) {
  print_state *s = arg;
  /* jansson does not look at every answer: what follows a failure must not pass for success. */
  if (s->status == MST_OK) s->status = mst_buf_put(s->out, piece, n, s->err);
  return s->status == MST_OK ? 0 : -1;
}

mst_status mst_json_print(const json_t *value, mst_buf *out, mst_error *err) {
  const size_t before = out->size;
  print_state state = {.out = out, .err = err};
  if (json_dump_callback(value, print_piece, &state, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) == 0 &&
      state.status == MST_OK)
    return MST_OK;
  out->size = before;
  if (out->data != NULL) out->data[before] = '\0';
  /* Not the buffer's fault: jansson had no memory to sort the keys, or the value holds itself. */
  return state.status != MST_OK ? state.status : mst_fail_memory(err);
}

static const char *type_name(const json_t *value) {
  switch (json_typeof(value)) {
  case JSON_OBJECT: return "an object";
  case JSON_ARRAY: return "an array";
  case JSON_STRING: return "text";
  case JSON_INTEGER: return "an integer";
  case JSON_REAL: return "a real number";
  case JSON_TRUE: return "true";
  case JSON_FALSE: return "false";
  case JSON_NULL: return "null";
  }
  return "something unknown";
}

/* `*value` is NULL when the key is absent or null. */
static mst_status look_up(const json_t *object, const char *key, const char *what, json_t **value, mst_error *err) {
  if (!json_is_object(object))
    return mst_fail(err, MST_E_CORRUPT, "%s: must be an object with \"%s\", found %s", what, key,
                    object == NULL ? "nothing" : type_name(object));
  *value = json_object_get(object, key);
  if (json_is_null(*value)) *value = NULL;
  return MST_OK;
}

static mst_status wrong_type(const json_t *value, const char *key, const char *what, const char *wanted,
                             mst_error *err) {
  return mst_fail(err, MST_E_CORRUPT, "%s: \"%s\" must be %s, found %s", what, key, wanted, type_name(value));
}

mst_status mst_json_get_i64(const json_t *object, const char *key, const char *what, int64_t *out, mst_error *err) {
  json_t *value;
  const mst_status status = look_up(object, key, what, &value, err);
  if (status != MST_OK || value == NULL) return status;
  if (!json_is_integer(value)) return wrong_type(value, key, what, "an integer", err);
  *out = json_integer_value(value);
  return MST_OK;
}

mst_status mst_json_get_u64(const json_t *object, const char *key, const char *what, uint64_t *out, mst_error *err) {
  int64_t value = -1;
  json_t *found;
  mst_status status = look_up(object, key, what, &found, err);
  if (status != MST_OK || found == NULL) return status;
  status = mst_json_get_i64(object, key, what, &value, err);
  if (status != MST_OK) return status;
  if (value < 0)
    return mst_fail(err, MST_E_CORRUPT, "%s: \"%s\" must not be negative, found %lld", what, key, (long long)value);
  *out = (uint64_t)value;
  return MST_OK;
}

mst_status mst_json_get_bool(const json_t *object, const char *key, const char *what, bool *out, mst_error *err) {
  json_t *value;
  const mst_status status = look_up(object, key, what, &value, err);
  if (status != MST_OK || value == NULL) return status;
  if (!json_is_boolean(value)) return wrong_type(value, key, what, "true or false", err);
  *out = json_is_true(value);
  return MST_OK;
}

mst_status mst_json_get_text(const json_t *object, const char *key, const char *what, const char **out,
                             mst_error *err) {
  json_t *value;
  const mst_status status = look_up(object, key, what, &value, err);
  if (status != MST_OK || value == NULL) return status;
  if (!json_is_string(value)) return wrong_type(value, key, what, "text", err);
  *out = json_string_value(value);
  return MST_OK;
}

mst_status mst_json_get_object(const json_t *object, const char *key, const char *what, json_t **out, mst_error *err) {
  json_t *value;
  const mst_status status = look_up(object, key, what, &value, err);
  if (status != MST_OK || value == NULL) return status;
  if (!json_is_object(value)) return wrong_type(value, key, what, "an object", err);
  *out = value;
  return MST_OK;
}

mst_status mst_json_get_array(const json_t *object, const char *key, const char *what, json_t **out, mst_error *err) {
  json_t *value;
  const mst_status status = look_up(object, key, what, &value, err);
  if (status != MST_OK || value == NULL) return status;
  if (!json_is_array(value)) return wrong_type(value, key, what, "an array", err);
  *out = value;
  return MST_OK;
}

mst_status mst_json_set(json_t *object, const char *key, json_t *value, mst_error *err) {
  /* json_object_set_new takes over `value` also when it fails. */
  return value != NULL && json_object_set_new(object, key, value) == 0 ? MST_OK : mst_fail_memory(err);
}

mst_status mst_json_set_u64(json_t *object, const char *key, uint64_t value, mst_error *err) {
  if (value > INT64_MAX)
    return mst_fail(err, MST_E_LIMIT, "\"%s\": %llu does not fit a JSON integer", key, (unsigned long long)value);
  return mst_json_set(object, key, json_integer((json_int_t)value), err);
}

mst_status mst_json_set_text(json_t *object, const char *key, const char *value, mst_error *err) {
  size_t n = strlen(value), bad;
  if (!mst_utf8_valid(value, n, &bad))
    return mst_fail_at(err, MST_E_ARGUMENT, bad, "\"%s\": text for JSON must be UTF-8, byte %zu is not", key, bad);
  return mst_json_set(object, key, json_stringn_nocheck(value, n), err);
}
