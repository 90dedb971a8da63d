/* tests/column/test_builder.c - Tests of column builders, views, batches and schemas: what was appended is what is read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "column/column.h"

static mst_builder *make(const mst_field *field) {
  mst_builder *b = NULL;
  mst_error err = {0};
  assert_int_equal(mst_builder_new(NULL, field, &b, &err), MST_OK);
  return b;
}

/* One column as a batch with its schema. */
static void batch_of(const mst_field *field, mst_builder *b, struct ArrowSchema *schema, struct ArrowArray *batch) {
  assert_int_equal(mst_schema_make(NULL, field, 1, schema, NULL), MST_OK);
  assert_int_equal(mst_batch_take(NULL, &b, 1, batch, NULL), MST_OK);
}

static void integers_of_every_width(void **state) {
  static const char *const formats[] = {"c", "s", "i", "l", "C", "S", "I", "L", "tdD", "tsu:", "ttm"};
  static const int64_t low[] = {INT8_MIN, INT16_MIN, INT32_MIN, INT64_MIN, 0, 0, 0, 0, INT32_MIN, INT64_MIN, INT32_MIN};
  static const int64_t high[] = {INT8_MAX,   INT16_MAX, INT32_MAX, INT64_MAX, UINT8_MAX, UINT16_MAX,
                                 UINT32_MAX, INT64_MAX, INT32_MAX, INT64_MAX, INT32_MAX};
  size_t k;
  (void)state;
  for (k = 0; k < sizeof formats / sizeof formats[0]; k++) {
    mst_field field = {.name = "v", .format = formats[k], .nullable = true};
    mst_builder *b = make(&field);
    struct ArrowSchema schema;
    struct ArrowArray batch;
    mst_view v;
    int i;
    for (i = 0; i < 20; i++) {
      assert_int_equal(mst_builder_i64(b, i % 2 ? low[k] : high[k], NULL), MST_OK);
      if (i % 7 == 3) assert_int_equal(mst_builder_null(b, NULL), MST_OK);
    }
    if (high[k] < INT64_MAX) assert_int_equal(mst_builder_i64(b, high[k] + 1, NULL), MST_E_ARGUMENT);
    if (low[k] > INT64_MIN) assert_int_equal(mst_builder_i64(b, low[k] - 1, NULL), MST_E_ARGUMENT);
    batch_of(&field, b, &schema, &batch);
    assert_int_equal(batch.length, 23);
    assert_int_equal(batch.children[0]->null_count, 3);
    assert_int_equal(mst_batch_column(&schema, &batch, "v", formats[k], &v, NULL), MST_OK);
    for (i = 0; i < 23; i++) {
      int nulls = i <= 3 ? 0 : i <= 11 ? 1 : i <= 19 ? 2 : 3;
      assert_int_equal(mst_view_null(&v, i), i == 4 || i == 12 || i == 20);
      if (!mst_view_null(&v, i)) assert_true(mst_view_i64(&v, i) == ((i - nulls) % 2 ? low[k] : high[k]));
    }
    mst_array_release(&batch);
    mst_schema_release(&schema);
    mst_builder_free(b);
  }
}

static void text_bools_and_floats(void **state) {
  static const char *const formats[] = {"u", "U", "z", "Z"};
  size_t k, n;
  (void)state;
  for (k = 0; k < 4; k++) {
    mst_field field = {.name = "v", .format = formats[k], .nullable = true};
    mst_builder *b = make(&field);
    struct ArrowSchema schema;
    struct ArrowArray batch;
    mst_view v;
    assert_int_equal(mst_builder_bytes(b, "ab", 2, NULL), MST_OK);
    assert_int_equal(mst_builder_bytes(b, "", 0, NULL), MST_OK);
    assert_int_equal(mst_builder_null(b, NULL), MST_OK);
    assert_int_equal(mst_builder_bytes(b, "c", 1, NULL), MST_OK);
    batch_of(&field, b, &schema, &batch);
    assert_int_equal(mst_batch_column(&schema, &batch, "v", "u,U,z,Z", &v, NULL), MST_OK);
    assert_memory_equal(mst_view_bytes(&v, 0, &n), "ab", 2);
    assert_int_equal(n, 2);
    mst_view_bytes(&v, 1, &n);
    assert_int_equal(n, 0);
    assert_true(mst_view_null(&v, 2));
    assert_memory_equal(mst_view_bytes(&v, 3, &n), "c", 1);
    mst_array_release(&batch);
    mst_schema_release(&schema);
    mst_builder_free(b);
  }
  {
    mst_field fields[] = {{.name = "b", .format = "b"}, {.name = "f", .format = "f"}, {.name = "g", .format = "g"}};
    mst_builder *b[3] = {make(&fields[0]), make(&fields[1]), make(&fields[2])};
    struct ArrowSchema schema;
    struct ArrowArray batch;
    mst_view v;
    int i;
    for (i = 0; i < 9; i++) {
      assert_int_equal(mst_builder_bool(b[0], i % 3 == 0, NULL), MST_OK);
      assert_int_equal(mst_builder_f64(b[1], i * 0.5, NULL), MST_OK);
      assert_int_equal(mst_builder_f64(b[2], i * 0.25, NULL), MST_OK);
    }
    assert_int_equal(mst_builder_f64(b[0], 1, NULL), MST_E_INTERNAL);
    assert_int_equal(mst_schema_make(NULL, fields, 3, &schema, NULL), MST_OK);
    assert_int_equal(mst_batch_take(NULL, b, 3, &batch, NULL), MST_OK);
    for (i = 0; i < 9; i++) {
      assert_int_equal(mst_batch_column(&schema, &batch, "b", "b", &v, NULL), MST_OK);
      assert_int_equal(mst_view_i64(&v, i), i % 3 == 0);
      assert_int_equal(mst_batch_column(&schema, &batch, "f", "f", &v, NULL), MST_OK);
      assert_true(mst_view_f64(&v, i) == i * 0.5);
      assert_int_equal(mst_batch_column(&schema, &batch, "g", NULL, &v, NULL), MST_OK);
      assert_true(mst_view_f64(&v, i) == i * 0.25);
    }
    assert_int_equal(mst_batch_column(&schema, &batch, "none", NULL, &v, NULL), MST_E_CORRUPT);
    assert_int_equal(mst_batch_column(&schema, &batch, "b", "l", &v, NULL), MST_E_CORRUPT);
    mst_array_release(&batch);
    mst_schema_release(&schema);
    for (i = 0; i < 3; i++) mst_builder_free(b[i]);
  }
}

static void lists_of_structs(void **state) {
  mst_field leaf[] = {{.name = "x", .format = "l", .nullable = true}, {.name = "t", .format = "u", .nullable = true}};
  mst_field item = {.name = "item", .format = "+s", .nullable = true, .children = leaf, .n_children = 2};
  mst_field field = {.name = "v", .format = "+l", .nullable = true, .children = &item, .n_children = 1};
  mst_builder *b = make(&field), *s = mst_builder_child(b, 0);
  struct ArrowSchema schema;
  struct ArrowArray batch;
  mst_view v, sv, xv;
  int64_t first, count;
  int round;
  (void)state;
  assert_int_equal(mst_batch_take(NULL, &b, 1, &batch, NULL), MST_OK); /* empty */
  assert_int_equal(batch.length, 0);
  mst_array_release(&batch);
  for (round = 0; round < 2; round++) {
    assert_int_equal(mst_builder_i64(mst_builder_child(s, 0), 7, NULL), MST_OK);
    assert_int_equal(mst_builder_close(s, NULL), MST_E_INTERNAL); /* "t" is missing */
    assert_int_equal(mst_builder_bytes(mst_builder_child(s, 1), "q", 1, NULL), MST_OK);
    assert_int_equal(mst_builder_close(s, NULL), MST_OK);
    assert_int_equal(mst_builder_null(s, NULL), MST_OK);
    assert_int_equal(mst_builder_close(b, NULL), MST_OK);
    assert_int_equal(mst_builder_null(b, NULL), MST_OK);
    assert_int_equal(mst_builder_close(b, NULL), MST_OK);
    batch_of(&field, b, &schema, &batch);
    assert_int_equal(mst_batch_column(&schema, &batch, "v", "+l", &v, NULL), MST_OK);
    mst_view_list(&v, 0, &first, &count);
    assert_int_equal(first, 0);
    assert_int_equal(count, 2);
    assert_true(mst_view_null(&v, 1));
    mst_view_list(&v, 2, &first, &count);
    assert_int_equal(count, 0);
    assert_int_equal(mst_view_child(&v, 0, "+s", &sv, NULL), MST_OK);
    assert_false(mst_view_null(&sv, 0));
    assert_true(mst_view_null(&sv, 1));
    assert_int_equal(mst_view_child(&sv, 0, "l", &xv, NULL), MST_OK);
    assert_int_equal(mst_view_i64(&xv, 0), 7);
    mst_array_release(&batch);
    mst_schema_release(&schema);
  }
  mst_builder_free(b);
}

static void bulk_values_after_nulls(void **state) {
  mst_field field = {.name = "v", .format = "i", .nullable = true};
  mst_builder *b = make(&field);
  int32_t values[100];
  struct ArrowArray array;
  int i;
  (void)state;
  for (i = 0; i < 100; i++) values[i] = i;
  assert_int_equal(mst_builder_fixed(b, values, 100, NULL), MST_OK);
  assert_int_equal(mst_builder_null(b, NULL), MST_OK);
  assert_int_equal(mst_builder_fixed(b, values, 100, NULL), MST_OK);
  assert_int_equal(mst_builder_take(b, &array, NULL), MST_OK);
  assert_int_equal(array.length, 201);
  assert_int_equal(array.null_count, 1);
  for (i = 0; i < 201; i++) {
    bool valid = ((const uint8_t *)array.buffers[0])[i >> 3] >> (i & 7) & 1;
    assert_int_equal(valid, i != 100);
    if (valid) assert_int_equal(((const int32_t *)array.buffers[1])[i], i < 100 ? i : i - 101);
  }
  mst_array_release(&array);
  assert_int_equal(mst_builder_length(b), 0);
  mst_builder_free(b);
}

static void schemas_are_copied_whole(void **state) {
  mst_field leaf = {.name = "item", .format = "u", .nullable = true};
  mst_field fields[] = {{.name = "a", .format = "l"},
                        {.name = "b", .format = "+l", .children = &leaf, .n_children = 1}};
  mst_metadata_pair pairs[] = {{"k1", 2, "value", 5}, {"k2", 2, "", 0}}, got;
  struct ArrowSchema schema, copy;
  (void)state;
  assert_int_equal(mst_schema_make(NULL, fields, 2, &schema, NULL), MST_OK);
  assert_int_equal(mst_schema_set_pairs(schema.children[0], pairs, 2, NULL), MST_OK);
  assert_int_equal(mst_schema_copy(NULL, &schema, &copy, NULL), MST_OK);
  mst_schema_release(&schema);
  assert_string_equal(copy.format, "+s");
  assert_int_equal(copy.n_children, 2);
  assert_string_equal(copy.children[1]->children[0]->name, "item");
  assert_int_equal(copy.children[1]->children[0]->flags, ARROW_FLAG_NULLABLE);
  assert_true(mst_schema_find_pair(copy.children[0], "k1", &got));
  assert_memory_equal(got.value, "value", 5);
  assert_true(mst_schema_find_pair(copy.children[0], "k2", &got));
  assert_int_equal(got.value_size, 0);
  assert_false(mst_schema_find_pair(copy.children[0], "k3", &got));
  mst_schema_release(&copy);
  mst_schema_release(&copy);
}

static void formats_are_understood(void **state) {
  mst_type t;
  (void)state;
  assert_int_equal(mst_type_parse("d:38,10,256", &t, NULL), MST_OK);
  assert_int_equal(t.width, 32);
  assert_int_equal(t.precision, 38);
  assert_int_equal(mst_type_parse("tsn:Europe/Paris", &t, NULL), MST_OK);
  assert_string_equal(t.zone, "Europe/Paris");
  assert_int_equal(t.unit, MST_UNIT_NS);
  assert_int_equal(mst_type_parse("w:16", &t, NULL), MST_OK);
  assert_int_equal(t.width, 16);
  assert_int_equal(mst_type_parse("+w:3", &t, NULL), MST_OK);
  assert_int_equal(t.size, 3);
  assert_int_equal(mst_type_parse("w:", &t, NULL), MST_E_UNSUPPORTED);
  assert_int_equal(mst_type_parse("w:-1", &t, NULL), MST_E_UNSUPPORTED);
  assert_int_equal(mst_type_parse("d:1", &t, NULL), MST_E_UNSUPPORTED);
  assert_int_equal(mst_type_parse("", &t, NULL), MST_E_UNSUPPORTED);
  assert_int_equal(mst_type_parse("ts", &t, NULL), MST_E_UNSUPPORTED);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(integers_of_every_width),  cmocka_unit_test(text_bools_and_floats),
      cmocka_unit_test(lists_of_structs),         cmocka_unit_test(bulk_values_after_nulls),
      cmocka_unit_test(schemas_are_copied_whole), cmocka_unit_test(formats_are_understood),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
