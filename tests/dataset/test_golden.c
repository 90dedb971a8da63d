/* tests/dataset/test_golden.c - every dataset that plateau wrote opens, and its partitions, keys, schema and indices are what
 * expected.json says. */
#include <dirent.h>
#include <unistd.h>

#include "dataset/dataset.h"
#include "dataset/golden.h"
#include "dataset/schema.h"
#include "dataset/state.h"
#include "dataset/value.h"

static json_t *rows_of(struct ArrowArrayStream *stream) {
  mst_error err;
  struct ArrowSchema schema = {0};
  json_t *rows = json_array();
  mst_buf text;
  mst_buf_init(&text, NULL, SIZE_MAX / 2);
  if (mst_stream_schema(stream, &schema, &err) != MST_OK) fail_msg("%s", err.message);
  for (;;) {
    struct ArrowArray batch = {0};
    if (mst_stream_next(stream, &batch, &err) != MST_OK) fail_msg("%s", err.message);
    if (batch.release == NULL) break;
    for (int64_t i = 0; i < batch.length; i++) {
      mst_buf_clear(&text);
      if (mst_jsonl_put_rows(&schema, &batch, i, 1, &text, &err) != MST_OK) fail_msg("%s", err.message);
      json_array_append_new(rows, golden_parse((const char *)text.data, text.size));
    }
    mst_array_release(&batch);
  }
  mst_schema_release(&schema);
  mst_stream_release(stream);
  mst_buf_free(&text);
  return rows;
}

/* pyarrow's name of a flat type; NULL: not one of those that are compared. */
static const char *arrow_name(const char *format) {
  static const char *const names[][2] = {{"n", "null"}, {"b", "bool"}, {"l", "int64"}, {"L", "uint64"}, {"g", "double"}, {"u", "string"},
                                         {"U", "large_string"}, {"z", "binary"}, {"tdD", "date32[day]"}, {"tsu:", "timestamp[us]"},
                                         {"tsu:UTC", "timestamp[us, tz=UTC]"}, {"ttu", "time64[us]"}, {"tDu", "duration[us]"}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(names[i][0], format) == 0) return names[i][1];
  return NULL;
}

static void check_schema(mst_dataset *d, const json_t *expected) {
  const json_t *fields = json_object_get(expected, "schema");
  if (json_is_null(fields)) return;
  assert_int_equal(d->schema.n_children, (int64_t)json_array_size(fields));
  for (int64_t i = 0; i < d->schema.n_children; i++) {
    const json_t *field = json_array_get(fields, (size_t)i);
    const char *name = arrow_name(d->schema.children[i]->format);
    assert_string_equal(d->schema.children[i]->name, json_string_value(json_array_get(field, 0)));
    if (name != NULL) assert_string_equal(name, json_string_value(json_array_get(field, 1)));
  }
}

static void check_partitions(mst_dataset *d, const json_t *expected) {
  const json_t *partitions = json_object_get(expected, "partitions");
  mst_error err;
  mst_buf key;
  mst_buf_init(&key, NULL, 4096);
  assert_int_equal(mst_document_partitions(d->document), json_object_size(partitions));
  for (size_t i = 0; i < mst_document_partitions(d->document); i++) {
    const json_t *one = json_object_get(partitions, mst_document_label(d->document, i));
    assert_non_null(one);
    mst_buf_clear(&key);
    assert_int_equal(mst_document_file(d->document, i, &key, &err), MST_OK);
    assert_string_equal(mst_buf_text(&key), json_string_value(json_object_get(one, "key")));
    assert_true(mst_document_file_own(d->document, i));
    assert_true(mst_document_file_is(d->document, i, mst_buf_text(&key)));
  }
  mst_buf_free(&key);
}

/* The keys' values, printed again, are the texts of the labels. */
static void check_keys(mst_dataset *d, const json_t *expected) {
  const struct ArrowSchema *schema;
  const struct ArrowArray *batch;
  mst_error err;
  mst_buf text, plain;
  const json_t *names = json_object_get(expected, "partition_keys");
  mst_buf_init(&text, NULL, 4096);
  mst_buf_init(&plain, NULL, 4096);
  if (mst_state_keys(d, &schema, &batch, &err) != MST_OK) fail_msg("%s", err.message);
  assert_int_equal(batch->length, (int64_t)mst_document_partitions(d->document));
  assert_int_equal(schema->n_children, (int64_t)json_array_size(names));
  for (int64_t row = 0; row < batch->length; row++) {
    mst_key_part part;
    size_t at = 0;
    for (int64_t k = 0; k < schema->n_children; k++) {
      assert_string_equal(schema->children[k]->name, json_string_value(json_array_get(names, (size_t)k)));
      assert_true(mst_label_next(mst_document_label(d->document, (size_t)row), &at, &part));
      mst_buf_clear(&text);
      mst_buf_clear(&plain);
      assert_int_equal(mst_value_put_text(schema->children[k], batch->children[k], row, &text, &err), MST_OK);
      assert_int_equal(mst_key_unquote(&plain, part.value, part.n_value, &err), MST_OK);
      assert_string_equal(mst_buf_text(&text), mst_buf_text(&plain));
    }
  }
  mst_buf_free(&text);
  mst_buf_free(&plain);
}

static bool same_labels(const json_t *a, const json_t *b) {
  if (json_array_size(a) != json_array_size(b)) return false;
  for (size_t i = 0; i < json_array_size(a); i++) {
    bool found = false;
    for (size_t k = 0; k < json_array_size(b); k++) found = found || json_equal(json_array_get(a, i), json_array_get(b, k));
    if (!found) return false;
  }
  return true;
}

static void check_indices(mst_dataset *d, const json_t *expected) {
  const char *column;
  json_t *index;
  assert_int_equal(mst_document_n_indices(d->document), json_object_size(json_object_get(expected, "indices")));
  json_object_foreach(json_object_get(expected, "indices"), column, index) {
    struct ArrowArrayStream stream = {0};
    mst_error err;
    if (mst_ds_index(d, column, &stream, NULL, &err) != MST_OK) fail_msg("%s", err.message);
    json_t *got = rows_of(&stream);
    const json_t *entries = json_object_get(index, "entries"), *n = json_object_get(index, "n");
    assert_int_equal(json_array_size(got), n != NULL ? (size_t)json_integer_value(n) : json_array_size(entries));
    for (size_t i = 0; i < json_array_size(entries); i++) {
      const json_t *entry = json_array_get(entries, i);
      bool found = false;
      for (size_t k = 0; k < json_array_size(got) && !found; k++) {
        const json_t *row = json_array_get(got, k);
        found = golden_same(json_array_get(entry, 0), json_object_get(row, "value")) &&
                same_labels(json_array_get(entry, 1), json_object_get(row, "partition"));
      }
      if (!found) fail_msg("index %s: entry %zu is missing", column, i);
    }
    json_decref(got);
  }
}

static mst_dataset *open_case(mst_context *ctx, const char *folder, const char *uuid) {
  mst_dataset *d = NULL;
  mst_store *store = NULL;
  mst_error err = {0};
  const mst_dataset_options options = MST_DATASET_OPTIONS_INIT;
  if (mst_store_open_url(ctx, folder, NULL, 0, &store, &err) != MST_OK) fail_msg("%s", err.message);
  if (mst_ds_open(store, uuid, &options, &d, NULL, &err) != MST_OK) fail_msg("%s: %s", folder, err.message);
  mst_store_unref(store);
  return d;
}

static void golden_datasets_open(void **state) {
  (void)state;
  char root[PATH_MAX], path[PATH_MAX * 2 + 300];
  int seen = 0;
  mst_error err;
  mst_context *ctx = NULL;
  MST_TEST_NEED_SHARED("corpus/plateau-golden", root);
  assert_int_equal(mst_context_open(NULL, &ctx, &err), MST_OK);
  DIR *cases = opendir(root);
  for (struct dirent *e; (e = readdir(cases)) != NULL;) {
    snprintf(path, sizeof path, "%s/%s/expected.json", root, e->d_name);
    if (e->d_name[0] == '.' || access(path, R_OK) != 0) continue;
    json_t *expected = golden_load(path);
    snprintf(path, sizeof path, "%s/%s/store", root, e->d_name);
    mst_dataset *d = open_case(ctx, path, json_string_value(json_object_get(expected, "dataset_uuid")));
    assert_string_equal(mst_ds_uuid(d), json_string_value(json_object_get(expected, "dataset_uuid")));
    assert_string_equal(mst_ds_table(d), json_string_value(json_object_get(expected, "table")));
    assert_true(json_equal(mst_document_metadata(d->document), json_object_get(expected, "metadata")));
    assert_int_equal(mst_ds_version(d), 1);
    assert_int_equal(!d->implicit, json_is_true(json_object_get(expected, "explicit_partitions")));
    check_schema(d, expected);
    check_partitions(d, expected);
    check_keys(d, expected);
    check_indices(d, expected);
    mst_ds_unref(d);
    json_decref(expected);
    seen++;
  }
  closedir(cases);
  assert_true(seen >= 28);
  mst_context_unref(ctx);
}

static void corpus_datasets_open(void **state) {
  (void)state;
  char root[PATH_MAX];
  mst_error err;
  mst_context *ctx = NULL;
  static const char *const names[] = {"all-null-column", "empty", "msgpack", "both", "indexed", "updated", "partitioned"};
  MST_TEST_NEED_SHARED("corpus/files/tables/made/a-plateau", root);
  assert_int_equal(mst_context_open(NULL, &ctx, &err), MST_OK);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    mst_dataset *d = open_case(ctx, root, names[i]);
    for (size_t k = 0; k < mst_document_n_indices(d->document); k++) {
      struct ArrowArrayStream stream = {0};
      if (mst_ds_index(d, mst_document_index_column(d->document, k), &stream, NULL, &err) != MST_OK) fail_msg("%s", err.message);
      json_decref(rows_of(&stream));
    }
    mst_ds_unref(d);
  }
  mst_context_unref(ctx);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(golden_datasets_open),
      cmocka_unit_test(corpus_datasets_open),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
