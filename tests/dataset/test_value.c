/* tests/dataset/test_value.c - values of partition keys as text and back, keys of objects, bounds of columns, single values as JSON. */
#include <math.h>
#include <string.h>

#include "dataset/bounds.h"
#include "dataset/key.h"
#include "dataset/tokens.h"
#include "dataset/value.h"
#include "support/support.h"

typedef struct sample {
  const char *format, *text, *again; /* `again` NULL: prints as it was read; "": refused */
} sample;

static const sample samples[] = {
    {"l", "-3", NULL}, {"l", "0", NULL}, {"l", "9223372036854775807", NULL}, {"l", "9223372036854775808", ""}, {"l", "", ""}, {"l", "1.0", ""}, {"l", " 1", ""},
    {"c", "127", NULL}, {"c", "128", ""}, {"L", "18446744073709551615", NULL}, {"L", "-1", ""},
    {"g", "0.1", NULL}, {"g", "3.0", NULL}, {"g", "3", "3.0"}, {"g", "1e+20", NULL}, {"g", "-0.0", NULL}, {"g", "1e-07", NULL}, {"g", "inf", NULL},
    {"g", "123456789012345680.0", "1.2345678901234568e+17"}, {"g", "5e-324", NULL}, {"g", "x", ""},
    {"b", "True", NULL}, {"b", "false", "False"}, {"b", "TRUE", "True"}, {"b", "1", ""}, {"b", "", ""}, {"b", "Truely!!", ""},
    {"U", "", NULL}, {"U", "a/b", NULL}, {"u", "\xc3\xbc", NULL}, {"u", "\xff", ""}, {"z", "\xff", NULL},
    {"tdD", "2024-02-29", NULL}, {"tdD", "2023-02-29", ""}, {"tdD", "2024-13-01", ""}, {"tdD", "2024-02-29x", ""}, {"tdD", "1969-12-31", NULL}, {"tdD", "0001-01-01", NULL},
    {"tsu:", "2024-02-29 12:34:56.000001", NULL}, {"tsu:", "1969-12-31 00:00:00", NULL}, {"tsu:", "1969-12-31 23:59:59.999999", NULL},
    {"tsu:", "2024-02-29T12:34:56", "2024-02-29 12:34:56"}, {"tsu:", "2024-02-29", "2024-02-29 00:00:00"}, {"tsu:", "2024-02-29 12:34:56.1234567", ""},
    {"tsu:", "2024-02-29 24:00:00", ""}, {"tsn:", "2024-02-29 12:34:56.123456789", NULL}, {"tsn:", "2024-02-29 12:34:56.123456", NULL}, {"tsn:", "9999-01-01", ""},
    {"tsu:UTC", "2020-01-01 00:00:00+00:00", NULL}, {"tsu:Europe/Berlin", "2020-01-01 01:00:00+01:00", "2020-01-01 00:00:00+00:00"},
    {"tss:", "2024-02-29 12:34:56", NULL}, {"tss:", "2024-02-29 12:34:56.5", ""},
};

static void texts_become_values_and_texts_again(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
    const sample *s = &samples[i];
    const mst_field field = {.name = "k", .format = s->format, .nullable = true};
    struct ArrowSchema schema = {0};
    struct ArrowArray array = {0};
    mst_builder *b = NULL;
    mst_error err = {0};
    mst_buf out;
    mst_buf_init(&out, NULL, 1000);
    assert_int_equal(mst_builder_new(NULL, &field, &b, &err), MST_OK);
    assert_int_equal(mst_schema_node(NULL, s->format, "k", ARROW_FLAG_NULLABLE, 0, &schema, &err), MST_OK);
    const mst_status status = mst_value_from_text(&schema, s->text, strlen(s->text), b, &err);
    if (s->again != NULL && s->again[0] == '\0') {
      if (status != MST_E_CORRUPT || strstr(err.message, "no value of partition key \"k\"") == NULL) fail_msg("%s %s: %s", s->format, s->text, err.message);
    } else {
      if (status != MST_OK) fail_msg("%s %s: %s", s->format, s->text, err.message);
      assert_int_equal(mst_builder_take(b, &array, &err), MST_OK);
      assert_int_equal(mst_value_put_text(&schema, &array, 0, &out, &err), MST_OK);
      assert_string_equal(mst_buf_text(&out), s->again != NULL ? s->again : s->text);
    }
    mst_buf_free(&out);
    mst_array_release(&array);
    mst_schema_release(&schema);
    mst_builder_free(b);
  }
}

static void quoting(void **state) {
  (void)state;
  static const struct {
    const char *plain, *quoted;
  } texts[] = {{"", ""}, {"a b", "a%20b"}, {"a/b", "a%2Fb"}, {"a=b", "a%3Db"}, {"100%", "100%25"}, {"\xc3\xbc", "%C3%BC"}, {"-._~", "-._~"}, {"+", "%2B"}};
  mst_buf out;
  mst_error err;
  mst_buf_init(&out, NULL, 1000);
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    mst_buf_clear(&out);
    assert_int_equal(mst_key_quote(&out, texts[i].plain, strlen(texts[i].plain), &err), MST_OK);
    assert_string_equal(mst_buf_text(&out), texts[i].quoted);
    mst_buf_clear(&out);
    assert_int_equal(mst_key_unquote(&out, texts[i].quoted, strlen(texts[i].quoted), &err), MST_OK);
    assert_string_equal(mst_buf_text(&out), texts[i].plain);
  }
  mst_buf_clear(&out);
  assert_int_equal(mst_key_unquote(&out, "a%zzb%4%c3%BC+", 14, &err), MST_OK);
  assert_string_equal(mst_buf_text(&out), "a%zzb%4\xc3\xbc+");
  mst_buf_clear(&out);
  assert_int_equal(mst_key_index(&out, "u", "..", INT64_C(1710158434000578), &err), MST_OK);
  assert_string_equal(mst_buf_text(&out), "u/indices/%2E%2E/2024-03-11T12%3A00%3A34.000578%2B00%3A00.by-dataset-index.parquet");
  mst_buf_free(&out);
}

static void what_may_be_deleted(void **state) {
  (void)state;
  static const char *const yes[] = {"u/table/x.parquet", "u/table/k=1/x.parquet", "u/indices/c/1.parquet", "u.meseta/log/1", "u.by-dataset-metadata.json",
                                    "u.by-dataset-metadata.msgpack.zstd", "u.c.by-dataset-index.parquet", "u/table/_common_metadata"};
  static const char *const no[] = {"v/table/x.parquet", "uu/table/x.parquet", "u/../v/x", "/u/x", "u", "u.", "u.other", "u.x/by-dataset-metadata.json", "",
                                   "u2.by-dataset-metadata.json", "u/./x", "u/table/"};
  for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
    if (!mst_key_is_deletable(yes[i], "u")) fail_msg("%s", yes[i]);
  for (size_t i = 0; i < sizeof no / sizeof *no; i++)
    if (mst_key_is_deletable(no[i], "u")) fail_msg("%s", no[i]);
}

/* Labels of unequal depth, doubled keys, values of the wrong type. */
static void wrong_labels_are_refused(void **state) {
  (void)state;
  static const struct {
    const char *a, *b, *says;
  } labels[] = {{"k=1/x", "x", "0 of 1 partition keys"}, {"k=1/x", "k=1/j=2/y", "Depth of filename"}, {"k=1/k=2/x", "k=1/y", "two values"}, {"k=one/x", "k=1/y", "no value"}, {"j=1/x", "j=2/y", "0 of 1"}};
  const mst_field field = {.name = "k", .format = "l", .nullable = true};
  struct ArrowSchema schema = {0}, keys = {0};
  struct ArrowArray batch = {0};
  mst_error err = {0};
  assert_int_equal(mst_schema_make(NULL, &field, 1, &schema, &err), MST_OK);
  for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
    mst_edit *e = NULL;
    mst_document *d = NULL;
    assert_int_equal(mst_edit_open(NULL, NULL, "u", "t", &e, &err), MST_OK);
    assert_int_equal(mst_edit_partition_key(e, "k", &err), MST_OK);
    assert_int_equal(mst_edit_add(e, labels[i].a, NULL, &err), MST_OK);
    assert_int_equal(mst_edit_add(e, labels[i].b, NULL, &err), MST_OK);
    assert_int_equal(mst_edit_finish(e, &d, &err), MST_OK);
    assert_int_equal(mst_values_of_labels(NULL, d, &schema, &keys, &batch, &err), MST_E_CORRUPT);
    if (strstr(err.message, labels[i].says) == NULL) fail_msg("%s", err.message);
    mst_document_unref(d);
    mst_edit_free(e);
  }
  mst_schema_release(&schema);
}

static void put_bounds(const char *format, const mst_span *texts, const double *doubles, size_t n, mst_bounder *b, struct ArrowSchema *schema) {
  const mst_field field = {.name = "c", .format = format, .nullable = true};
  struct ArrowArray array = {0};
  mst_builder *builder = NULL;
  mst_error err = {0};
  assert_int_equal(mst_builder_new(NULL, &field, &builder, &err), MST_OK);
  for (size_t i = 0; i < n; i++)
    assert_int_equal(texts == NULL ? mst_builder_f64(builder, doubles[i], &err)
                     : texts[i].data == NULL ? mst_builder_null(builder, &err)
                                             : mst_builder_bytes(builder, texts[i].data, texts[i].size, &err), MST_OK);
  assert_int_equal(mst_builder_take(builder, &array, &err), MST_OK);
  assert_int_equal(mst_schema_node(NULL, format, "c", ARROW_FLAG_NULLABLE, 0, schema, &err), MST_OK);
  assert_int_equal(mst_bounder_init(b, NULL, schema, &err), MST_OK);
  assert_int_equal(mst_bounder_put(b, &array, &err), MST_OK);
  mst_array_release(&array);
  mst_builder_free(builder);
}

static void bounds_are_sound(void **state) {
  (void)state;
  struct ArrowSchema schema = {0};
  mst_bounder b;
  mst_bounds o;
  char low[200], high[200], top[200];
  const double doubles[] = {1.5, NAN, -2.5, 7};
  memset(low, 'a', sizeof low);
  memset(high, 'z', sizeof high);
  memset(top, 0xff, sizeof top);
  const mst_span texts[] = {{low, 200}, {NULL, 0}, {"m", 1}, {high, 200}};
  put_bounds("U", texts, NULL, 4, &b, &schema);
  mst_bounder_tell(&b, &o);
  assert_true(o.has_min && o.has_max && o.has_nulls && o.nulls == 1 && o.nan_free);
  assert_true(o.min.as.bytes.size == MST_BOUND_TEXT_MAX && memcmp(o.min.as.bytes.data, low, MST_BOUND_TEXT_MAX) == 0);
  assert_true(o.max.as.bytes.size == MST_BOUND_TEXT_MAX && memcmp(o.max.as.bytes.data, high, MST_BOUND_TEXT_MAX) > 0);
  mst_bounder_free(&b);
  mst_schema_release(&schema);
  put_bounds("z", &(mst_span){top, 200}, NULL, 1, &b, &schema);
  mst_bounder_tell(&b, &o);
  assert_true(o.has_min && !o.has_max); /* nothing is above it */
  mst_bounder_free(&b);
  mst_schema_release(&schema);
  for (int i = 0; i < 200; i += 2) memcpy(high + i, "\xc3\xbc", 2); /* no character may be cut */
  high[0] = 'x';
  high[1] = 'y';
  memmove(high + 3, high + 2, 197);
  high[2] = 'z';
  put_bounds("U", &(mst_span){high, 199}, NULL, 1, &b, &schema);
  mst_bounder_tell(&b, &o);
  size_t bad;
  assert_true(mst_utf8_valid(o.min.as.bytes.data, o.min.as.bytes.size, &bad) && mst_utf8_valid(o.max.as.bytes.data, o.max.as.bytes.size, &bad));
  assert_int_equal(o.max.as.bytes.size, 3);
  assert_memory_equal(o.max.as.bytes.data, "xy{", 3);
  mst_bounder_free(&b);
  mst_schema_release(&schema);
  put_bounds("g", NULL, doubles, 4, &b, &schema);
  mst_bounder_tell(&b, &o);
  assert_true(o.min.as.f == -2.5 && o.max.as.f == 7 && !o.nan_free && o.nulls == 0);
  mst_bounder_free(&b);
  mst_schema_release(&schema);
}

static void values_as_json(void **state) {
  (void)state;
  const struct {
    const char *format;
    mst_scalar v;
    const char *json;
  } values[] = {{"l", mst_scalar_int(-5), "-5"}, {"b", mst_scalar_int(1), "true"}, {"L", mst_scalar_uint(UINT64_MAX), "{\"$\": \"uint\", \"v\": \"18446744073709551615\"}"},
                {"g", mst_scalar_double(0.5), "0.5"}, {"g", mst_scalar_double(-INFINITY), "{\"$\": \"float\", \"v\": \"-inf\"}"}, {"U", mst_scalar_bytes("\xc3\xbc", 2), "\"\\u00fc\""},
                {"z", mst_scalar_bytes("\x01\xff", 2), "{\"$\": \"bytes\", \"v\": \"01ff\"}"}, {"d:9,2", {.kind = MST_SCALAR_WIDE, .as.wide = mst_wide_from_i64(-1234)}, "{\"$\": \"decimal\", \"v\": \"-1234\"}"}};
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    struct ArrowSchema schema = {0};
    json_t *json = NULL, *expected = json_loads(values[i].json, JSON_DECODE_ANY, NULL);
    mst_scalar back;
    mst_error err = {0};
    mst_buf scratch;
    mst_buf_init(&scratch, NULL, 1000);
    assert_int_equal(mst_schema_node(NULL, values[i].format, "c", 0, 0, &schema, &err), MST_OK);
    assert_int_equal(mst_scalar_to_json(&schema, &values[i].v, &json, &err), MST_OK);
    assert_true(json_equal(json, expected));
    assert_int_equal(mst_scalar_from_json(&schema, json, &scratch, &back, &err), MST_OK);
    assert_true(mst_scalar_equal(&back, &values[i].v));
    json_t *wrong = json_array();
    assert_int_equal(mst_scalar_from_json(&schema, wrong, &scratch, &back, &err), MST_E_CORRUPT);
    json_decref(wrong);
    json_decref(json);
    json_decref(expected);
    mst_buf_free(&scratch);
    mst_schema_release(&schema);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(texts_become_values_and_texts_again), cmocka_unit_test(quoting),
      cmocka_unit_test(what_may_be_deleted),                 cmocka_unit_test(wrong_labels_are_refused),
      cmocka_unit_test(bounds_are_sound),                    cmocka_unit_test(values_as_json),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
