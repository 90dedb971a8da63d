/* tests/dataset/test_schema.c - tables' schemas: normal form, comparison, null columns, evolution, `_common_metadata` and back. */
#include <string.h>

#include "dataset/pandas.h"
#include "dataset/schema.h"
#include "support/support.h"

static const mst_field item[] = {{"item", "s", true, NULL, 0}};
static const mst_field words[] = {{"item", "U", true, NULL, 0}};
static const mst_field frame[] = {
    {"z", "i", true, NULL, 0},   {"k", "u", true, NULL, 0},    {"b", "C", true, NULL, 0},     {"\xc3\xa4", "f", true, NULL, 0}, {"at", "tsn:", true, NULL, 0},
    {"l", "+L", true, item, 1},  {"w", "+l", true, words, 1},  {"raw", "Z", true, NULL, 0},   {"t", "tts", true, NULL, 0},      {"n", "n", true, NULL, 0},
    {"zone", "tsm:UTC", true, NULL, 0}, {"d", "d:9,2", true, NULL, 0},
};
static const char *const keys[] = {"z", "k"};

static void make(const mst_field *fields, size_t n, struct ArrowSchema *out) {
  mst_error err;
  assert_int_equal(mst_schema_make(NULL, fields, n, out, &err), MST_OK);
}

static void normal(const mst_field *fields, size_t n, const char *const *by, size_t n_by, uint32_t flags, struct ArrowSchema *out) {
  struct ArrowSchema in = {0};
  mst_error err = {0};
  make(fields, n, &in);
  if (mst_table_schema_normal(NULL, &in, by, n_by, flags, out, &err) != MST_OK) fail_msg("%s", err.message);
  mst_schema_release(&in);
}

static void the_normal_form(void **state) {
  (void)state;
  static const char *const expected[][2] = {{"z", "l"}, {"k", "U"}, {"at", "tsu:"}, {"b", "L"}, {"d", "d:9,2"}, {"l", "+l"}, {"n", "n"}, {"raw", "z"},
                                            {"t", "ttu"}, {"w", "+l"}, {"zone", "tsu:UTC"}, {"\xc3\xa4", "g"}};
  struct ArrowSchema s = {0}, again = {0};
  mst_error err;
  normal(frame, sizeof frame / sizeof *frame, keys, 2, 0, &s);
  assert_int_equal(s.n_children, sizeof expected / sizeof *expected);
  for (int64_t i = 0; i < s.n_children; i++) {
    assert_string_equal(s.children[i]->name, expected[i][0]);
    assert_string_equal(s.children[i]->format, expected[i][1]);
  }
  assert_string_equal(s.children[5]->children[0]->format, "l");
  assert_string_equal(s.children[9]->children[0]->format, "u");
  assert_int_equal(mst_table_schema_normal(NULL, &s, keys, 2, 0, &again, &err), MST_OK); /* is its own normal form */
  assert_true(mst_table_schema_same(&s, &again));
  mst_schema_release(&s);
  mst_schema_release(&again);
  normal(frame, 3, keys, 2, MST_SCHEMA_KEEP_TEXT, &s);
  assert_string_equal(s.children[1]->format, "u");
  mst_schema_release(&s);
}

static void row_indexes_of_pandas_go(void **state) {
  (void)state;
  static const char text[] = "{\"index_columns\": [\"row\"], \"columns\": [{\"field_name\": \"row\", \"name\": \"row\", \"pandas_type\": \"int64\", \"numpy_type\": \"int64\"}, "
                             "{\"field_name\": \"v\", \"name\": \"v\", \"pandas_type\": \"bool\", \"numpy_type\": \"boolean\"}]}";
  static const char two[] = "{\"index_columns\": [\"row\", \"v\"]}";
  static const mst_field fields[] = {{"v", "b", true, NULL, 0}, {"row", "l", true, NULL, 0}};
  struct ArrowSchema in = {0}, s = {0};
  json_t *pandas = NULL;
  mst_error err;
  mst_metadata_pair pair = {.key = "pandas", .key_size = 6, .value = text, .value_size = strlen(text)};
  make(fields, 2, &in);
  assert_int_equal(mst_schema_set_pairs(&in, &pair, 1, &err), MST_OK);
  assert_true(mst_pandas_is_index(&in, "row"));
  assert_int_equal(mst_table_schema_normal(NULL, &in, NULL, 0, MST_SCHEMA_KEEP_TEXT, &s, &err), MST_OK);
  assert_int_equal(s.n_children, 1);
  assert_int_equal(mst_pandas_of(&s, &pandas, &err), MST_OK);
  assert_string_equal(json_string_value(json_object_get(mst_pandas_column(pandas, "v"), "numpy_type")), "boolean");
  assert_non_null(mst_pandas_column(pandas, "row"));
  assert_true(mst_pandas_names_index(pandas, "row"));
  json_decref(pandas);
  mst_schema_release(&s);
  pair.value = two;
  pair.value_size = strlen(two);
  assert_int_equal(mst_schema_set_pairs(&in, &pair, 1, &err), MST_OK);
  assert_int_equal(mst_table_schema_normal(NULL, &in, NULL, 0, 0, &s, &err), MST_E_UNSUPPORTED);
  pair.value_size = 5; /* broken JSON is as good as none */
  assert_int_equal(mst_schema_set_pairs(&in, &pair, 1, &err), MST_OK);
  assert_int_equal(mst_table_schema_normal(NULL, &in, NULL, 0, 0, &s, &err), MST_OK);
  mst_schema_release(&s);
  mst_schema_release(&in);
}

static void what_has_no_normal_form(void **state) {
  (void)state;
  static const mst_field twice[] = {{"a", "l", true, NULL, 0}, {"b", "l", true, NULL, 0}, {"a", "u", true, NULL, 0}};
  static const char *const missing[] = {"x"}, *const all[] = {"a", "b"};
  struct ArrowSchema in = {0}, s = {0};
  mst_error err;
  make(twice, 3, &in);
  assert_int_equal(mst_table_schema_normal(NULL, &in, NULL, 0, 0, &s, &err), MST_E_ARGUMENT);
  assert_non_null(strstr(err.message, "duplicate column"));
  mst_schema_release(&in);
  make(twice, 2, &in);
  assert_int_equal(mst_table_schema_normal(NULL, &in, missing, 1, 0, &s, &err), MST_E_ARGUMENT);
  assert_non_null(strstr(err.message, "\"x\""));
  assert_int_equal(mst_table_schema_normal(NULL, &in, all, 2, 0, &s, &err), MST_E_ARGUMENT);
  assert_non_null(strstr(err.message, "No data left"));
  mst_schema_release(&in);
}

/* Pairs of types of one column: what goes together, and what comes out. */
static void uniting(void **state) {
  (void)state;
  static const struct {
    const char *stored, *added, *united; /* NULL: they do not go together */
  } pairs[] = {{"l", "c", "l"}, {"l", "l", "l"}, {"n", "l", "l"}, {"l", "n", "l"}, {"n", "n", "n"}, {"u", "U", "u"}, {"U", "u", "U"}, {"U", "vu", "U"},
               {"tsu:", "tsn:", "tsu:"}, {"l", "L", NULL}, {"l", "g", NULL}, {"l", "b", NULL}, {"U", "z", NULL}, {"tdD", "tsu:", NULL}, {"tsu:", "tsu:UTC", NULL},
               {"tsu:UTC", "tsu:Europe/Berlin", NULL}, {"d:3,2", "d:4,2", NULL}, {"tDu", "l", NULL}};
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    const mst_field a = {"c", pairs[i].stored, true, NULL, 0}, b = {"c", pairs[i].added, true, NULL, 0};
    struct ArrowSchema stored = {0}, added = {0}, out = {0};
    mst_error err = {0};
    normal(&a, 1, NULL, 0, MST_SCHEMA_KEEP_TEXT, &stored);
    normal(&b, 1, NULL, 0, 0, &added);
    const mst_status status = mst_table_schema_unite(NULL, &stored, &added, "uu", "table/x", &out, &err);
    if (pairs[i].united == NULL) {
      assert_int_equal(status, MST_E_ARGUMENT);
      assert_non_null(strstr(err.message, "dataset 'uu' (schema violation)"));
      assert_non_null(strstr(err.message, "\"c\" is of Arrow type"));
      assert_non_null(strstr(err.message, "table/x"));
    } else {
      if (status != MST_OK) fail_msg("%s", err.message);
      assert_string_equal(out.children[0]->format, pairs[i].united);
    }
    mst_schema_release(&stored);
    mst_schema_release(&added);
    mst_schema_release(&out);
  }
}

static void missing_and_extra_columns(void **state) {
  (void)state;
  static const mst_field two[] = {{"a", "l", true, NULL, 0}, {"b", "l", true, NULL, 0}};
  struct ArrowSchema both = {0}, one = {0}, out = {0};
  mst_error err;
  normal(two, 2, NULL, 0, 0, &both);
  normal(two, 1, NULL, 0, 0, &one);
  assert_int_equal(mst_table_schema_unite(NULL, &both, &one, "u", "x", &out, &err), MST_E_ARGUMENT);
  assert_non_null(strstr(err.message, "\"b\" (l) is missing"));
  assert_int_equal(mst_table_schema_unite(NULL, &one, &both, "u", "x", &out, &err), MST_E_ARGUMENT);
  assert_non_null(strstr(err.message, "no column \"b\""));
  assert_int_equal(mst_table_schema_evolve(NULL, &one, &both, NULL, 0, &out, &err), MST_OK); /* explicitly */
  assert_int_equal(out.n_children, 2);
  mst_schema_release(&out);
  assert_int_equal(mst_table_schema_evolve(NULL, &both, &one, NULL, 0, &out, &err), MST_E_ARGUMENT);
  mst_schema_release(&both);
  mst_schema_release(&one);
}

static void evolving(void **state) {
  (void)state;
  static const struct {
    const char *from, *to;
    bool fits;
  } pairs[] = {{"n", "U", true}, {"l", "g", true}, {"L", "g", true}, {"tdD", "tsu:", true}, {"d:9,2", "d:12,4", true}, {"d:9,2", "d:10,4", false}, {"g", "l", false},
               {"U", "l", false}, {"l", "b", false}, {"tsu:", "tdD", false}, {"tdD", "tsu:UTC", false}};
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    const mst_field a = {"c", pairs[i].from, true, NULL, 0}, b = {"c", pairs[i].to, true, NULL, 0};
    struct ArrowSchema stored = {0}, wanted = {0}, out = {0};
    mst_error err;
    normal(&a, 1, NULL, 0, 0, &stored);
    make(&b, 1, &wanted);
    const mst_status status = mst_table_schema_evolve(NULL, &stored, &wanted, NULL, 0, &out, &err);
    if (status != (pairs[i].fits ? MST_OK : MST_E_ARGUMENT)) fail_msg("%s to %s", pairs[i].from, pairs[i].to);
    mst_schema_release(&stored);
    mst_schema_release(&wanted);
    mst_schema_release(&out);
  }
}

static void common_metadata_comes_back(void **state) {
  (void)state;
  mst_context *ctx = NULL;
  mst_store *store = NULL;
  mst_error err = {0};
  struct ArrowSchema s = {0}, back = {0};
  json_t *a = NULL, *b = NULL;
  assert_int_equal(mst_context_open(NULL, &ctx, &err), MST_OK);
  assert_int_equal(mst_store_open_url(ctx, "memory://schemas", NULL, 0, &store, &err), MST_OK);
  normal(frame, sizeof frame / sizeof *frame, keys, 2, 0, &s);
  if (mst_common_write(store, "u/t/_common_metadata", &s, NULL, &err) != MST_OK) fail_msg("%s", err.message);
  if (mst_common_read(store, "u/t/_common_metadata", &back, NULL, &err) != MST_OK) fail_msg("%s", err.message);
  assert_true(mst_table_schema_same(&s, &back));
  assert_int_equal(mst_pandas_of(&s, &a, &err), MST_OK);
  assert_int_equal(mst_pandas_of(&back, &b, &err), MST_OK);
  assert_true(json_equal(a, b));
  assert_int_equal(json_array_size(json_object_get(b, "columns")), sizeof frame / sizeof *frame);
  json_decref(a);
  json_decref(b);
  mst_schema_release(&s);
  mst_schema_release(&back);
  assert_int_equal(mst_common_read(store, "nothing", &back, NULL, &err), MST_E_NOT_FOUND);
  mst_op op = mst_op_make(MST_OP_PUT, "broken");
  op.data = (const uint8_t *)"PAR1PAR1PAR1";
  op.n_data = 12;
  assert_int_equal(mst_store_perform(store, &op, &err), MST_OK);
  assert_int_equal(mst_common_read(store, "broken", &back, NULL, &err), MST_E_CORRUPT);
  mst_store_unref(store);
  mst_context_unref(ctx);
}

static void memory_runs_out(void **state) {
  (void)state;
  struct ArrowSchema in = {0};
  make(frame, sizeof frame / sizeof *frame, &in);
  for (long n = 1;; n++) {
    mst_test_allocator a;
    struct ArrowSchema s = {0}, out = {0};
    mst_error err = {0};
    mst_test_allocator_init(&a, n, false);
    mst_status status = mst_table_schema_normal(&a.allocator, &in, keys, 2, 0, &s, &err);
    if (status == MST_OK) status = mst_table_schema_unite(&a.allocator, &s, &s, "u", "x", &out, &err);
    mst_schema_release(&s);
    mst_schema_release(&out);
    assert_int_equal(a.live_blocks, 0);
    assert_int_equal(status, a.failed ? MST_E_NO_MEMORY : MST_OK);
    if (!a.failed) break;
  }
  mst_schema_release(&in);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_normal_form), cmocka_unit_test(row_indexes_of_pandas_go), cmocka_unit_test(what_has_no_normal_form),
      cmocka_unit_test(uniting),         cmocka_unit_test(missing_and_extra_columns), cmocka_unit_test(evolving),
      cmocka_unit_test(common_metadata_comes_back), cmocka_unit_test(memory_runs_out),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
