/* tests/column/test_cast.c - columns as other types: every value keeps its meaning, or the cast says which one cannot.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "column/cells.h"
#include "support/support.h"

static void make_schema(const char *format, struct ArrowSchema *out) {
  assert_int_equal(mst_schema_node(NULL, format, "v", ARROW_FLAG_NULLABLE, 0, out, NULL), MST_OK);
}

/* Row 0 of the cast column as CSV shows it (its line's end cut off), or the error's message. */
static mst_status cast_one(const char *from, const cell *c, const char *to, char out[900]) {
  struct ArrowSchema schema, target, top;
  struct ArrowArray array, made, batch;
  mst_error err = {0};
  mst_status status;
  mst_buf text;
  uint64_t bytes;
  mst_buf_init(&text, NULL, 1 << 20);
  cells_make("v", from, CELLS_PLAIN, c, 1, &schema, &array);
  make_schema(to, &target);
  status = mst_array_cast(NULL, &schema, &array, &target, &made, &err);
  assert_null(array.release);
  if (status == MST_OK) {
    assert_int_equal(mst_array_check(&target, &made, &bytes, NULL), MST_OK);
    cells_batch(&target, &made, 1, 1, &top, &batch);
    assert_int_equal(mst_csv_put_rows(&top, &batch, 0, 1, &text, NULL), MST_OK);
    snprintf(out, 900, "%.*s", (int)text.size - 1, mst_buf_text(&text));
    mst_array_release(&batch);
    mst_schema_release(&top);
  } else {
    snprintf(out, 900, "%s", err.message);
    mst_schema_release(&target);
  }
  mst_schema_release(&schema);
  mst_buf_free(&text);
  return status;
}

static void integers(void **state) {
  static const struct {
    const char *from;
    int64_t value;
    const char *to, *want; /* NULL: it does not fit */
  } cases[] = {
      {"c", -128, "l", "-128"},
      {"l", -128, "c", "-128"},
      {"l", 128, "c", NULL},
      {"l", -1, "C", NULL},
      {"l", 255, "C", "255"},
      {"L", -1, "l", NULL}, /* its bits: 2^64 - 1 */
      {"L", -1, "d:38,0", "18446744073709551615"},
      {"C", 200, "c", NULL},
      {"i", INT32_MAX, "g", "2147483647.0"},
      {"l", (INT64_C(1) << 53) + 1, "g", NULL},
      {"l", INT64_C(1) << 60, "g", "1.152921504606847e+18"},
      {"i", 16777217, "f", NULL},
      {"s", 2049, "e", NULL},
      {"s", 2048, "e", "2048.0"},
      {"b", 1, "c", "1"},
      {"i", 12, "d:9,2", "12.00"},
      {"i", 12345678, "d:9,2", NULL},
      {"l", INT64_MIN, "d:40,3,256", "-9223372036854775808.000"},
      {"d:9,2", 1200, "i", "12"},
      {"d:9,2", 1201, "i", NULL},
      {"d:9,2", 1201, "d:9,3", "12.010"},
      {"d:9,2", 1200, "d:9,0", "12"},
      {"d:9,2", 1201, "d:9,1", NULL},
      {"d:9,2", 1201, "g", "12.01"},
      {"d:9,-2", 12, "l", "1200"},
      {"d:9,2", 12345, "d:4,2", NULL},
      {"d:9,2", -12345, "d:18,4,64", "-123.4500"},
      {"tdD", 1, "tsu:", "1970-01-02T00:00:00"},
      {"tdD", 1, "tdm", "1970-01-02"},
      {"tdD", 200000, "tsn:", NULL},
      {"tss:", 86400, "tdD", "1970-01-02"},
      {"tss:", 86401, "tdD", NULL},
      {"tsm:", 1, "tdm", NULL},
      {"tss:", -1, "tsn:UTC", "1969-12-31T23:59:59Z"},
      {"tsn:", 1000, "tsu:", "1970-01-01T00:00:00.000001"},
      {"tsn:", 1001, "tsu:", NULL},
      {"tsm:UTC", 1, "tsm:Europe/Madrid", "1970-01-01T00:00:00.001Z"},
      {"tts", 61, "ttu", "00:01:01"},
      {"ttn", 61, "ttu", NULL},
      {"tDs", 2, "tDm", "2000"},
      {"tDs", INT64_MAX, "tDn", NULL},
      {"i", 12, "u", "12"},
      {"d:9,2", -5, "U", "-0.05"},
      {"b", 1, "vu", "true"},
      {"tsm:UTC", 1, "u", "1970-01-01T00:00:00.001Z"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const cell c = {.i = cases[i].value}, null = {.null = true};
    char got[900];
    const mst_status status = cast_one(cases[i].from, &c, cases[i].to, got);
    if (status != (cases[i].want != NULL ? MST_OK : MST_E_ARGUMENT))
      fail_msg("%s to %s: %d %s", cases[i].from, cases[i].to, status, got);
    if (cases[i].want != NULL) assert_string_equal(got, cases[i].want);
    else assert_non_null(strstr(got, "column \"v\", row 0"));
    assert_int_equal(cast_one(cases[i].from, &null, cases[i].to, got), MST_OK);
    assert_string_equal(got, "");
  }
}

static void floats(void **state) {
  static const struct {
    const char *from;
    double value;
    const char *to, *want;
  } cases[] = {
      {"f", 0.5, "g", "0.5"},         {"g", 0.1, "f", "0.1"},
      {"g", 1e300, "f", NULL},        {"g", (double)INFINITY, "f", "Infinity"},
      {"g", (double)NAN, "e", "NaN"}, {"g", 65520, "e", NULL},
      {"g", -2, "c", "-2"},           {"g", 2.5, "c", NULL},
      {"g", 1e19, "l", NULL},         {"g", 1e19, "L", "10000000000000000000"},
      {"g", (double)NAN, "l", NULL},  {"g", 12, "d:9,2", "12.00"},
      {"g", 0.25, "u", "0.25"},       {"e", 0.25, "g", "0.25"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const cell c = {.f = cases[i].value};
    char got[900];
    const mst_status status = cast_one(cases[i].from, &c, cases[i].to, got);
    if (status != (cases[i].want != NULL ? MST_OK : MST_E_ARGUMENT))
      fail_msg("%s to %s: %d %s", cases[i].from, cases[i].to, status, got);
    if (cases[i].want != NULL) assert_string_equal(got, cases[i].want);
  }
}

/* Any layout of text or bytes becomes any other; values of all plain types come back from dictionaries and runs. */
static void layouts(void **state) {
  static const char *const texts[] = {"u", "U", "vu", "z", "Z", "vz"};
  static const char *const plain[] = {"c", "l", "g", "b", "u", "vz", "d:9,2", "tsu:", "n", "w:2"};
  enum { ROWS = 60 };
  (void)state;
  for (int round = 0; round < 2000; round++) {
    const bool same = round % 2 == 0;
    const char *from = same ? plain[cell_below(10)] : texts[cell_below(6)], *to = same ? from : texts[cell_below(6)];
    const size_t n = cell_below(ROWS);
    cell cells[ROWS];
    struct ArrowSchema schema, target;
    struct ArrowArray array, made;
    uint64_t bytes;
    mst_error err;
    for (size_t i = 0; i < n; i++) cells[i] = cell_any(from, true);
    cells_make("v", from, (cell_style)cell_below(3), cells, n, &schema, &array);
    make_schema(to, &target);
    assert_true(mst_schema_can_cast(&schema, &target));
    if (mst_array_cast(NULL, &schema, &array, &target, &made, &err) != MST_OK)
      fail_msg("%s to %s: %s", from, to, err.message);
    assert_int_equal(mst_array_check(&target, &made, &bytes, NULL), MST_OK);
    assert_int_equal(made.length, n);
    for (size_t i = 0; i < n; i++) {
      const cell got = cell_at(&target, &made, (int64_t)i);
      if (!cell_same(from, &got, &cells[i])) fail_msg("%s to %s: row %zu", from, to, i);
    }
    mst_array_release(&made);
    mst_schema_release(&schema);
    mst_schema_release(&target);
  }
}

/* Numbers that fit come back from the wider type. */
static void there_and_back(void **state) {
  static const char *const pairs[][2] = {{"c", "l"},
                                         {"s", "i"},
                                         {"C", "L"},
                                         {"I", "l"},
                                         {"c", "g"},
                                         {"S", "f"},
                                         {"f", "g"},
                                         {"e", "f"},
                                         {"i", "d:12,1"},
                                         {"d:9,2", "d:38,4"},
                                         {"d:9,2,32", "d:70,2,256"},
                                         {"tdD", "tsu:"},
                                         {"tts", "ttn"},
                                         {"tsu:", "tsn:UTC"},
                                         {"b", "i"}};
  enum { ROWS = 60, PAIRS = sizeof pairs / sizeof pairs[0] };
  (void)state;
  for (int round = 0; round < 1500; round++) {
    const char *const *pair = pairs[cell_below(PAIRS)];
    const size_t n = cell_below(ROWS);
    const bool back = strcmp(pair[0], "b") != 0;
    cell cells[ROWS];
    struct ArrowSchema schema, target;
    struct ArrowArray array, wide, again;
    mst_error err;
    for (size_t i = 0; i < n; i++) {
      cells[i] = cell_any(pair[0], true);
      if (strncmp(pair[0], "d:", 2) == 0) cells[i].i %= 1000000;
    }
    cells_make("v", pair[0], CELLS_PLAIN, cells, n, &schema, &array);
    make_schema(pair[1], &target);
    if (mst_array_cast(NULL, &schema, &array, &target, &wide, &err) != MST_OK)
      fail_msg("%s to %s: %s", pair[0], pair[1], err.message);
    if (back) {
      if (mst_array_cast(NULL, &target, &wide, &schema, &again, &err) != MST_OK)
        fail_msg("%s to %s: %s", pair[1], pair[0], err.message);
      for (size_t i = 0; i < n; i++) {
        const cell got = cell_at(&schema, &again, (int64_t)i);
        if (!cell_same(pair[0], &got, &cells[i])) fail_msg("%s to %s and back: row %zu", pair[0], pair[1], i);
      }
      mst_array_release(&again);
    } else {
      mst_array_release(&wide);
    }
    mst_schema_release(&schema);
    mst_schema_release(&target);
  }
}

/* ---- nested
 * ------------------------------------------------------------------------------------------------------------- */

static const mst_field narrow_point[] = {
    {"x", "i", true, NULL, 0}, {"gone", "i", true, NULL, 0}, {"t", "u", true, NULL, 0}};
static const mst_field wide_point[] = {
    {"t", "U", true, NULL, 0}, {"x", "l", true, NULL, 0}, {"new", "g", true, NULL, 0}};
static const mst_field narrow_item[] = {{"item", "+s", true, narrow_point, 3}};
static const mst_field wide_item[] = {{"element", "+s", true, wide_point, 3}};
static const mst_field narrow = {"v", "+l", true, narrow_item, 1};
static const mst_field wide = {"v", "+L", true, wide_item, 1};

static void nested(void **state) {
  static const char want[] =
      "{\"v\":[{\"t\":\"a\",\"x\":1,\"new\":null},{\"t\":null,\"x\":2,\"new\":null}]}\n{\"v\":null}\n{\"v\":[]}\n"
      "{\"v\":[null,{\"t\":\"bc\",\"x\":null,\"new\":null}]}\n";
  struct ArrowSchema from, to;
  struct ArrowArray batch, made;
  mst_builder *b = NULL, *points, *x;
  mst_buf text;
  mst_error err;
  (void)state;
  mst_buf_init(&text, NULL, 1 << 16);
  assert_int_equal(mst_schema_make(NULL, &narrow, 1, &from, NULL), MST_OK);
  assert_int_equal(mst_schema_make(NULL, &wide, 1, &to, NULL), MST_OK);
  assert_int_equal(mst_builder_new(NULL, &narrow, &b, NULL), MST_OK);
  points = mst_builder_child(b, 0);
  x = mst_builder_child(points, 0);
  for (int row = 0; row < 2; row++) {
    mst_builder_i64(x, row + 1, NULL);
    mst_builder_i64(mst_builder_child(points, 1), 7, NULL);
    if (row == 0) mst_builder_bytes(mst_builder_child(points, 2), "a", 1, NULL);
    else mst_builder_null(mst_builder_child(points, 2), NULL);
    mst_builder_close(points, NULL);
  }
  mst_builder_close(b, NULL);
  mst_builder_null(b, NULL);
  mst_builder_close(b, NULL);
  mst_builder_null(points, NULL);
  mst_builder_null(x, NULL);
  mst_builder_i64(mst_builder_child(points, 1), 7, NULL);
  mst_builder_bytes(mst_builder_child(points, 2), "bc", 2, NULL);
  mst_builder_close(points, NULL);
  mst_builder_close(b, NULL);
  assert_int_equal(mst_batch_take(NULL, &b, 1, &batch, NULL), MST_OK);
  if (mst_array_cast(NULL, &from, &batch, &to, &made, &err) != MST_OK) fail_msg("%s", err.message);
  assert_int_equal(mst_jsonl_put_rows(&to, &made, 0, made.length, &text, NULL), MST_OK);
  assert_string_equal(mst_buf_text(&text), want);
  mst_builder_free(b);
  mst_buf_free(&text);
  mst_array_release(&made);
  mst_schema_release(&from);
  mst_schema_release(&to);
}

static void pairs_that_are_not(void **state) {
  static const char *const pairs[][2] = {{"u", "i"},      {"i", "b"}, {"i", "tdD"}, {"tdD", "i"},
                                         {"tts", "tsu:"}, {"g", "z"}, {"l", "+s"},  {"tin", "l"}};
  (void)state;
  for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
    struct ArrowSchema from, to;
    struct ArrowArray array = {0}, out;
    make_schema(pairs[i][0], &from);
    make_schema(pairs[i][1], &to);
    assert_false(mst_schema_can_cast(&from, &to));
    assert_int_equal(mst_array_cast(NULL, &from, &array, &to, &out, NULL), MST_E_UNSUPPORTED);
    mst_schema_release(&from);
    mst_schema_release(&to);
  }
}

/* Nulls of every type, nested ones too. */
static void nulls(void **state) {
  static const char *const formats[] = {"c", "b", "u", "vu", "w:3", "d:9,2", "tsu:UTC", "n"};
  struct ArrowSchema schema, none;
  struct ArrowArray array, made;
  uint64_t bytes;
  (void)state;
  make_schema("n", &none);
  for (size_t i = 0; i <= sizeof formats / sizeof formats[0]; i++) {
    if (i == sizeof formats / sizeof formats[0])
      assert_int_equal(mst_schema_make(NULL, &narrow, 1, &schema, NULL), MST_OK);
    else make_schema(formats[i], &schema);
    assert_int_equal(mst_array_nulls(NULL, &none, 5, &array, NULL), MST_OK);
    assert_int_equal(mst_array_cast(NULL, &none, &array, &schema, &made, NULL), MST_OK);
    assert_int_equal(mst_array_check(&schema, &made, &bytes, NULL), MST_OK);
    assert_int_equal(made.length, 5);
    assert_int_equal(made.null_count, 5);
    mst_array_release(&made);
    mst_schema_release(&schema);
  }
  mst_schema_release(&none);
}

static void every_allocation_fails(void **state) {
  static const char *const pairs[][2] = {{"i", "l"}, {"u", "vu"}, {"g", "u"}, {"n", "U"}, {"l", "d:20,0"}};
  (void)state;
  for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
    for (int style = 0; style < 3; style++) {
      cell cells[30];
      for (size_t k = 0; k < 30; k++) cells[k] = cell_any(pairs[i][0], true);
      for (long n = 1;; n++) {
        mst_test_allocator a;
        struct ArrowSchema schema, target;
        struct ArrowArray array, made = {0};
        mst_status status;
        mst_test_allocator_init(&a, n, n % 2 == 0);
        cells_make("v", pairs[i][0], (cell_style)style, cells, 30, &schema, &array);
        make_schema(pairs[i][1], &target);
        status = mst_array_cast(&a.allocator, &schema, &array, &target, &made, NULL);
        mst_array_release(&made);
        mst_schema_release(&schema);
        mst_schema_release(&target);
        assert_int_equal(a.live_blocks, 0);
        if (!a.failed) {
          assert_int_equal(status, MST_OK);
          break;
        }
        assert_int_equal(status, MST_E_NO_MEMORY);
      }
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(integers), cmocka_unit_test(floats),
      cmocka_unit_test(layouts),  cmocka_unit_test(there_and_back),
      cmocka_unit_test(nested),   cmocka_unit_test(pairs_that_are_not),
      cmocka_unit_test(nulls),    cmocka_unit_test(every_allocation_fails),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
