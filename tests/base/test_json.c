/* tests/base/test_json.c - hostile JSON is refused by rule and place; values are read by type and printed canonically.
 */
#include "support/support.h"

#include <string.h>

#include "base/base.h"

static mst_status parse(const char *text, json_t **out, mst_error *err) {
  return mst_json_parse(text, strlen(text), 1 << 20, "slice", out, err);
}

static void values_of_every_type_are_read(void **state) {
  json_t *root = NULL, *inner = NULL, *list = NULL;
  uint64_t u = 0;
  int64_t i = 0;
  bool b = false;
  const char *text = NULL;
  (void)state;
  assert_int_equal(
      parse("{\"u\":9223372036854775807,\"i\":-5,\"b\":true,\"t\":\"\xC3\xA9\",\"o\":{},\"a\":[1]}", &root, NULL),
      MST_OK);
  assert_int_equal(mst_json_get_u64(root, "u", "slice", &u, NULL), MST_OK);
  assert_int_equal(mst_json_get_i64(root, "i", "slice", &i, NULL), MST_OK);
  assert_int_equal(mst_json_get_bool(root, "b", "slice", &b, NULL), MST_OK);
  assert_int_equal(mst_json_get_text(root, "t", "slice", &text, NULL), MST_OK);
  assert_int_equal(mst_json_get_object(root, "o", "slice", &inner, NULL), MST_OK);
  assert_int_equal(mst_json_get_array(root, "a", "slice", &list, NULL), MST_OK);
  assert_true(u == INT64_MAX && i == -5 && b);
  assert_string_equal(text, "\xC3\xA9");
  assert_true(json_is_object(inner));
  assert_int_equal(json_array_size(list), 1);
  json_decref(root);
}

static void absent_and_null_leave_the_default(void **state) {
  json_t *root = NULL;
  uint64_t u = 7;
  const char *text = "default";
  (void)state;
  assert_int_equal(parse("{\"n\":null}", &root, NULL), MST_OK);
  assert_int_equal(mst_json_get_u64(root, "n", "slice", &u, NULL), MST_OK);
  assert_int_equal(mst_json_get_u64(root, "x", "slice", &u, NULL), MST_OK);
  assert_int_equal(mst_json_get_text(root, "n", "slice", &text, NULL), MST_OK);
  assert_int_equal(u, 7);
  assert_string_equal(text, "default");
  json_decref(root);
}

static void wrong_types_name_the_key_and_what_was_found(void **state) {
  json_t *root = NULL, *value;
  mst_error err;
  uint64_t u = 7;
  int64_t i;
  bool b;
  const char *text;
  (void)state;
  assert_int_equal(parse("{\"r\":1.5,\"m\":-1,\"t\":\"x\",\"l\":[]}", &root, NULL), MST_OK);
  assert_int_equal(mst_json_get_u64(root, "r", "slice", &u, &err), MST_E_CORRUPT);
  assert_string_equal(err.message, "slice: \"r\" must be an integer, found a real number");
  assert_int_equal(mst_json_get_u64(root, "m", "slice", &u, &err), MST_E_CORRUPT);
  assert_non_null(strstr(err.message, "-1"));
  assert_int_equal(mst_json_get_i64(root, "t", "slice", &i, &err), MST_E_CORRUPT);
  assert_int_equal(mst_json_get_bool(root, "t", "slice", &b, &err), MST_E_CORRUPT);
  assert_int_equal(mst_json_get_text(root, "l", "slice", &text, &err), MST_E_CORRUPT);
  assert_int_equal(mst_json_get_object(root, "l", "slice", &value, &err), MST_E_CORRUPT);
  assert_int_equal(mst_json_get_array(root, "t", "slice", &value, &err), MST_E_CORRUPT);
  assert_int_equal(mst_json_get_u64(json_object_get(root, "l"), "x", "slice", &u, &err), MST_E_CORRUPT);
  assert_int_equal(mst_json_get_u64(NULL, "x", "slice", &u, &err), MST_E_CORRUPT);
  assert_int_equal(u, 7);
  json_decref(root);
}

static void broken_text_is_corrupt_with_its_place(void **state) {
  static const char *const cases[] = {
      "",
      "{",
      "{\"a\":1,\"a\":2}",
      "[1,]",
      "{\"a\":\"\xFF\"}",
      "[1] x",
      "nul",
      "[\"\\u0000\"]",
      "[99999999999999999999]",
      "[1e999]",
      "{'a':1}",
      "[\"\\ud800\"]",
      "\xEF\xBB\xBF{}",
  };
  mst_error err;
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    json_t *root = NULL;
    if (parse(cases[i], &root, &err) != MST_E_CORRUPT) fail_msg("%s was taken", cases[i]);
    assert_null(root);
    assert_true(mst_text_starts(err.message, "slice: not valid JSON in line "));
    assert_true(err.offset >= 0);
  }
}

static void depth_and_size_are_bounded(void **state) {
  static char deep[100001];
  json_t *root = NULL;
  mst_error err;
  (void)state;
  memset(deep, '[', 100000);
  assert_int_equal(parse(deep, &root, &err), MST_E_CORRUPT);
  assert_int_equal(mst_json_parse("[1]", 3, 2, "slice", &root, &err), MST_E_LIMIT);
  assert_int_equal(mst_json_parse(NULL, 0, 2, "slice", &root, &err), MST_E_CORRUPT);
}

static void equal_values_print_equal_bytes(void **state) {
  json_t *a = NULL, *b = NULL;
  mst_buf out;
  (void)state;
  mst_buf_init(&out, NULL, 1000);
  assert_int_equal(parse("{\"b\": [1, 2],  \"a\": {\"y\":null,\"x\":\"\\u00e9/\"}}", &a, NULL), MST_OK);
  assert_int_equal(parse("{\"a\":{\"x\":\"\xC3\xA9/\",\"y\":null},\"b\":[1,2]}", &b, NULL), MST_OK);
  assert_int_equal(mst_json_print(a, &out, NULL), MST_OK);
  assert_string_equal(mst_buf_text(&out), "{\"a\":{\"x\":\"\xC3\xA9/\",\"y\":null},\"b\":[1,2]}");
  mst_buf_clear(&out);
  assert_int_equal(mst_json_print(b, &out, NULL), MST_OK);
  assert_string_equal(mst_buf_text(&out), "{\"a\":{\"x\":\"\xC3\xA9/\",\"y\":null},\"b\":[1,2]}");
  json_decref(a);
  json_decref(b);
  mst_buf_free(&out);
}

static void a_full_buffer_is_left_as_it_was(void **state) {
  json_t *value = NULL;
  mst_buf out;
  mst_error err;
  (void)state;
  mst_buf_init(&out, NULL, 10);
  assert_int_equal(parse("[1,2,3,4,5,6,7,8]", &value, NULL), MST_OK);
  assert_int_equal(mst_buf_put_text(&out, "ab", NULL), MST_OK);
  assert_int_equal(mst_json_print(value, &out, &err), MST_E_LIMIT);
  assert_int_equal(err.status, MST_E_LIMIT);
  assert_string_equal(mst_buf_text(&out), "ab");
  json_decref(value);
  mst_buf_free(&out);
}

static void setting_takes_the_value_over(void **state) {
  json_t *object = json_object();
  mst_error err;
  (void)state;
  assert_int_equal(mst_json_set_u64(object, "n", INT64_MAX, NULL), MST_OK);
  assert_int_equal(mst_json_set_u64(object, "n", (uint64_t)INT64_MAX + 1, &err), MST_E_LIMIT);
  assert_int_equal(mst_json_set_text(object, "t", "x", NULL), MST_OK);
  assert_int_equal(mst_json_set_text(object, "t", "\xFF", &err), MST_E_ARGUMENT);
  assert_int_equal(mst_json_set(object, "v", json_true(), NULL), MST_OK);
  assert_int_equal(mst_json_set(object, "v", NULL, &err), MST_E_NO_MEMORY);
  assert_int_equal(json_object_size(object), 3);
  json_decref(object);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(values_of_every_type_are_read),
      cmocka_unit_test(absent_and_null_leave_the_default),
      cmocka_unit_test(wrong_types_name_the_key_and_what_was_found),
      cmocka_unit_test(broken_text_is_corrupt_with_its_place),
      cmocka_unit_test(depth_and_size_are_bounded),
      cmocka_unit_test(equal_values_print_equal_bytes),
      cmocka_unit_test(a_full_buffer_is_left_as_it_was),
      cmocka_unit_test(setting_takes_the_value_over),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
