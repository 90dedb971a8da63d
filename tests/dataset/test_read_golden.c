/* tests/dataset/test_read_golden.c - every dataset that plateau wrote reads as it says: all rows, every condition with and without pruning,
 * no more partitions opened than plateau opens, cut into slices. */
#include <dirent.h>
#include <unistd.h>

#include "column/column.h"
#include "dataset/dataset.h"
#include "dataset/golden.h"
#include "dataset/prune.h"

/* Rows of a stream as JSON objects, in order. The stream is released. */
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

static mst_status read_where(mst_dataset *d, const char *where, bool no_pushdown, json_t **rows, mst_error *err) {
  struct ArrowArrayStream stream = {0};
  const mst_dataset_read_options o = {.struct_size = sizeof o, .where = where, .no_pushdown = no_pushdown};
  const mst_status status = mst_ds_read(d, &o, &stream, NULL, err);
  if (status == MST_OK) *rows = rows_of(&stream);
  return status;
}

static int compare_ids(const void *a, const void *b) {
  const json_int_t x = json_integer_value(json_object_get(*(json_t *const *)a, "id"));
  const json_int_t y = json_integer_value(json_object_get(*(json_t *const *)b, "id"));
  return x < y ? -1 : x > y;
}

/* Borrowed rows by id. */
static json_t **sorted(const json_t *rows) {
  const size_t n = json_array_size(rows);
  json_t **all = malloc((n + 1) * sizeof *all);
  for (size_t i = 0; i < n; i++) all[i] = json_array_get(rows, i);
  qsort(all, n, sizeof *all, compare_ids);
  return all;
}

static void show(const char *what, const json_t *v) {
  char *text = json_dumps(v, JSON_ENCODE_ANY);
  print_error("%s: %.600s\n", what, text);
  free(text);
}

/* The corpus shows the row index of pandas, too; the table has no such column. */
static void check_row(const char *name, const json_t *shown, const json_t *got) {
  json_t *expected = json_deep_copy(shown);
  if (json_object_get(got, "row") == NULL) json_object_del(expected, "row");
  const bool same = golden_same(expected, got);
  if (same) json_decref(expected);
  if (same) return;
  show("expected", expected);
  show("got", got);
  fail_msg("%s: another row", name);
}

static void check_rows(const char *name, mst_dataset *d, const json_t *e) {
  mst_error err;
  json_t *rows = NULL;
  if (read_where(d, NULL, false, &rows, &err) != MST_OK) fail_msg("%s: %s", name, err.message);
  const size_t n = json_array_size(rows);
  assert_int_equal(n, json_integer_value(json_object_get(e, "n_rows")));
  json_t **all = sorted(rows);
  const json_t *expected = json_object_get(e, "rows"), *first = json_object_get(e, "rows_first"), *last = json_object_get(e, "rows_last");
  for (size_t i = 0; i < json_array_size(expected); i++) check_row(name, json_array_get(expected, i), all[i]);
  for (size_t i = 0; i < json_array_size(first); i++) check_row(name, json_array_get(first, i), all[i]);
  for (size_t i = 0; i < json_array_size(last); i++) check_row(name, json_array_get(last, i), all[n - json_array_size(last) + i]);
  uint64_t count = 0;
  assert_int_equal(mst_ds_count(d, NULL, &count, NULL, &err), MST_OK);
  assert_int_equal(count, n);
  free(all);
  json_decref(rows);
}

static void check_ids(const char *name, const char *where, const char *how, const json_t *rows, const json_t *ids) {
  json_t **all = sorted(rows);
  bool same = json_array_size(rows) == json_array_size(ids);
  for (size_t i = 0; same && i < json_array_size(ids); i++)
    same = json_integer_value(json_object_get(all[i], "id")) == json_integer_value(json_array_get(ids, i));
  free(all);
  if (!same) fail_msg("%s, %s, %s: %zu rows instead of %zu", name, where, how, json_array_size(rows), json_array_size(ids));
}

static void check_opened(const char *name, mst_dataset *d, const char *where, json_int_t dispatched) {
  mst_error err;
  mst_where *w = NULL;
  mst_predicate *p = NULL;
  mst_candidates found = {.mem = NULL};
  assert_int_equal(mst_condition_of(d, where, &w, &p, &err), MST_OK);
  assert_int_equal(mst_prune_partitions(d, p, NULL, 0, 0, &found, NULL, &err), MST_OK);
  if ((json_int_t)found.n > dispatched) fail_msg("%s, %s: %zu partitions are opened, plateau opens %lld", name, where, found.n, (long long)dispatched);
  mst_candidates_free(&found);
  mst_predicate_unref(p);
  mst_where_unref(w);
}

static void check_predicate(const char *name, mst_dataset *d, const json_t *q) {
  mst_error err;
  mst_buf text;
  json_t *rows = NULL;
  const json_t *right = json_object_get(q, "right"), *ids = json_object_get(right != NULL ? right : q, "ids");
  mst_buf_init(&text, NULL, 1 << 20);
  golden_put_value(json_object_get(q, "predicates"), &text);
  const char *where = mst_buf_text(&text);
  const json_t *n = json_object_get(right != NULL ? right : q, "n");
  if (ids == NULL && n == NULL) {
    if (read_where(d, where, false, &rows, &err) == MST_OK) print_message("%s: %s gives %zu rows here, %s in plateau\n", name, where, json_array_size(rows), json_string_value(json_object_get(q, "error")));
    else assert_int_equal(err.status, MST_E_ARGUMENT);
    json_decref(rows);
    goto done;
  }
  for (int plain = 0; plain < 2; plain++) {
    rows = NULL;
    if (read_where(d, where, plain == 1, &rows, &err) != MST_OK) fail_msg("%s, %s: %s", name, where, err.message);
    if (json_array_size(rows) != (size_t)json_integer_value(n)) fail_msg("%s, %s: %zu rows", name, where, json_array_size(rows));
    if (ids != NULL) check_ids(name, where, plain == 1 ? "row by row" : "pruned", rows, ids);
    json_decref(rows);
  }
  uint64_t count = 0;
  if (mst_ds_count(d, where, &count, NULL, &err) != MST_OK) fail_msg("%s, %s: %s", name, where, err.message);
  assert_int_equal(count, json_integer_value(n));
  if (right == NULL && json_object_get(q, "dispatched") != NULL) check_opened(name, d, where, json_integer_value(json_object_get(q, "dispatched")));
done:
  mst_buf_free(&text);
}

/* ---- slices ---- */

static mst_slice *through_json(const mst_slice *s) {
  mst_error err;
  mst_slice *out = NULL;
  static const mst_slice_provider *const providers[] = {&mst_dataset_slices, NULL};
  const char *text = mst_slice_get_json(s);
  if (mst_slice_from_json(mst_context_default(), text, strlen(text), NULL, 0, providers, &out, &err) != MST_OK) fail_msg("%s", err.message);
  return out;
}

static void check_slices(const char *name, mst_dataset *d, uint64_t n, uint64_t records) {
  mst_error err;
  mst_plan *plan = NULL;
  json_t *all = NULL, *joined = json_array();
  const mst_query query = {.struct_size = sizeof query, .slices = n, .slice_records = records};
  const mst_read_options options = MST_READ_OPTIONS_INIT;
  if (read_where(d, NULL, false, &all, &err) != MST_OK) fail_msg("%s", err.message);
  if (mst_ds_plan(d, &query, &plan, NULL, &err) != MST_OK) fail_msg("%s: %s", name, err.message);
  if (n > 0) assert_true(mst_plan_get_count(plan) <= n);
  for (size_t i = 0; i < mst_plan_get_count(plan); i++) {
    struct ArrowArrayStream stream = {0};
    mst_slice *own = mst_plan_take(plan, i), *s = i % 2 == 0 ? through_json(own) : mst_slice_ref(own);
    if (mst_slice_arrow(s, &options, &stream, NULL, &err) != MST_OK) fail_msg("%s: %s", name, err.message);
    json_t *rows = rows_of(&stream);
    assert_int_equal(json_array_size(rows), mst_slice_get_records(s));
    assert_true(json_array_size(rows) > 0);
    if (records > 0 && i + 1 < mst_plan_get_count(plan)) assert_int_equal(json_array_size(rows), records);
    json_array_extend(joined, rows);
    json_decref(rows);
    mst_slice_unref(s);
    mst_slice_unref(own);
  }
  if (!json_equal(all, joined)) fail_msg("%s: %zu slices do not join to the table (%zu rows of %zu)", name, (size_t)n, json_array_size(joined), json_array_size(all));
  json_decref(all);
  json_decref(joined);
  mst_plan_unref(plan);
}

/* ---- all of them ---- */

static void check_dataset(const char *folder, const char *name) {
  char path[PATH_MAX + 1024];
  mst_error err;
  mst_store *store = NULL;
  mst_dataset *d = NULL;
  const mst_dataset_options options = MST_DATASET_OPTIONS_INIT;
  snprintf(path, sizeof path, "%s/%s/expected.json", folder, name);
  json_t *e = golden_load(path), *q;
  size_t i;
  snprintf(path, sizeof path, "%s/%s/store", folder, name);
  if (mst_store_open_url(NULL, path, NULL, 0, &store, &err) != MST_OK) fail_msg("%s: %s", name, err.message);
  if (mst_ds_open(store, json_string_value(json_object_get(e, "dataset_uuid")), &options, &d, NULL, &err) != MST_OK) fail_msg("%s: %s", name, err.message);
  check_rows(name, d, e);
  json_array_foreach(json_object_get(e, "predicates"), i, q) check_predicate(name, d, q);
  check_slices(name, d, 1, 0);
  check_slices(name, d, 3, 0);
  check_slices(name, d, 7, 0);
  check_slices(name, d, 0, 4);
  check_slices(name, d, 0, 0);
  mst_ds_unref(d);
  mst_store_unref(store);
  json_decref(e);
}

static void test_golden_datasets_read_as_they_are(void **state) {
  (void)state;
  char folder[PATH_MAX];
  size_t n = 0;
  MST_TEST_NEED_SHARED("corpus/plateau-golden", folder);
  DIR *dir = opendir(folder);
  assert_non_null(dir);
  const char *only = getenv("GOLDEN");
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    char path[PATH_MAX + 300];
    snprintf(path, sizeof path, "%s/%s/expected.json", folder, entry->d_name);
    if (access(path, R_OK) != 0 || (only != NULL && strcmp(only, entry->d_name) != 0)) continue;
    check_dataset(folder, entry->d_name);
    n++;
  }
  closedir(dir);
  assert_true(n >= 30 || only != NULL);
}

/* The corpus of tables: rows by id, the first and last of them. */
static void check_table(const char *folder, const char *uuid, const json_t *e) {
  mst_error err;
  mst_store *store = NULL;
  mst_dataset *d = NULL;
  json_t *rows = NULL;
  const mst_dataset_options options = MST_DATASET_OPTIONS_INIT;
  const json_t *ids = json_object_get(e, "rows_by_id"), *columns = json_object_get(e, "columns");
  if (mst_store_open_url(NULL, folder, NULL, 0, &store, &err) != MST_OK) fail_msg("%s", err.message);
  if (mst_ds_open(store, uuid, &options, &d, NULL, &err) != MST_OK) fail_msg("%s: %s", uuid, err.message);
  if (read_where(d, NULL, false, &rows, &err) != MST_OK) fail_msg("%s: %s", uuid, err.message);
  assert_int_equal(json_array_size(rows), json_integer_value(json_object_get(e, "rows")));
  if (ids != NULL) check_ids(uuid, "all", "all", rows, ids);
  if (json_array_size(rows) > 0) assert_int_equal(json_object_size(json_array_get(rows, 0)), json_array_size(columns));
  mst_ds_unref(d);
  mst_store_unref(store);
  json_decref(rows);
}

static void test_tables_of_the_corpus_read_as_they_are(void **state) {
  (void)state;
  char folder[PATH_MAX], path[PATH_MAX];
  const char *uuid;
  json_t *e;
  MST_TEST_NEED_SHARED("corpus/files/tables/made/a-plateau.expected.json", path);
  assert_true(mst_test_shared("corpus/files/tables/made/a-plateau", folder));
  json_t *all = golden_load(path);
  json_object_foreach(json_object_get(all, "datasets"), uuid, e) check_table(folder, uuid, e);
  json_decref(all);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_golden_datasets_read_as_they_are),
      cmocka_unit_test(test_tables_of_the_corpus_read_as_they_are),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
