/* tests/dataset/test_read.c - reading tables: conditions with and without pruning, options, groups, slices, requests, memory, faults. */
#include "source/table.h"
#include "dataset/table_kit.h"

static const char *const keys[] = {"part", "day"};
static const char *const indices[] = {"t", "n"};

/* ---- conditions ---- */

static void check_conditions(table_kit *k, unsigned rounds, const char *what) {
  for (unsigned i = 0; i < rounds; i++) {
    char where[4000];
    uint64_t count = 0;
    kit_condition(&k->seed, 3, where, sizeof where);
    json_t *plain = kit_read(k->d, where, true), *pruned = kit_read(k->d, where, false);
    must(mst_ds_count(k->d, where, &count, NULL, &kit_err));
    if (count != json_array_size(plain)) fail_msg("%s: %s: counted %d, read %zu", what, where, (int)count, json_array_size(plain));
    if (!json_equal(plain, pruned)) fail_msg("%s: %s: %zu rows pruned, %zu plain", what, where, json_array_size(pruned), json_array_size(plain));
    json_decref(plain);
    json_decref(pruned);
  }
}

static void test_pruning_changes_no_answer(void **state) {
  (void)state;
  table_kit k;
  for (uint32_t threads = 1; threads <= 3; threads += 2) {
    kit_open(&k, 0, threads, 11 * threads);
    kit_create(&k, "plain", 6, 200, NULL, 0, NULL, 0);
    check_conditions(&k, 80, "plain");
    kit_create(&k, "keyed", 5, 200, keys, 2, NULL, 0);
    check_conditions(&k, 80, "keyed");
    kit_create(&k, "indexed", 6, 200, NULL, 0, indices, 2);
    check_conditions(&k, 80, "indexed");
    kit_create(&k, "both", 5, 200, keys, 1, indices, 2);
    check_conditions(&k, 80, "both");
    kit_close(&k);
  }
}

/* The plain reading itself, held against rows judged one by one here. */
static bool naive(const json_t *row, int turn) {
  const json_t *n = json_object_get(row, "n"), *t = json_object_get(row, "t");
  switch (turn) {
    case 0: return json_is_integer(n) && json_integer_value(n) >= 7;
    case 1: return json_is_string(t) && strcmp(json_string_value(t), "oak") == 0;
    case 2: return !json_is_string(t) || strcmp(json_string_value(t), "oak") != 0;
    case 3: return json_is_null(t) || (json_is_integer(n) && json_integer_value(n) < 3);
    default: return strcmp(json_string_value(json_object_get(row, "part")), "c/d") == 0 && json_integer_value(json_object_get(row, "id")) < 500;
  }
}

static void test_conditions_mean_what_they_say(void **state) {
  (void)state;
  static const char *const texts[] = {"n >= 7", "t == 'oak'", "t != 'oak'", "t is null or n < 3", "part == 'c/d' and id < 500"};
  table_kit k;
  kit_open(&k, 0, 2, 5);
  kit_create(&k, "t", 5, 300, keys, 1, indices, 2);
  json_t *all = kit_read(k.d, NULL, false);
  assert_int_equal(json_array_size(all), 1500);
  for (int turn = 0; turn < 5; turn++) {
    json_t *expected = json_array();
    for (size_t i = 0; i < json_array_size(all); i++)
      if (naive(json_array_get(all, i), turn)) json_array_append(expected, json_array_get(all, i));
    kit_same(expected, kit_read(k.d, texts[turn], false), texts[turn]);
  }
  json_decref(all);
  kit_close(&k);
}

/* ---- options ---- */

static void test_columns_limit_labels_and_categoricals(void **state) {
  (void)state;
  table_kit k;
  struct ArrowArrayStream stream = {0};
  struct ArrowSchema schema = {0};
  kit_open(&k, 0, 2, 9);
  kit_create(&k, "t", 4, 500, keys, 1, NULL, 0);
  const char *const chosen[] = {"t", "part", "id"}, *const wrong[] = {"idd"}, *const cats[] = {"t"};
  const mst_dataset_read_options o = {.struct_size = sizeof o, .columns = chosen, .n_columns = 3, .categoricals = cats, .n_categoricals = 1, .has_limit = 1, .limit = 777};
  must(mst_ds_read(k.d, &o, &stream, NULL, &kit_err));
  must(mst_stream_schema(&stream, &schema, &kit_err));
  assert_int_equal(schema.n_children, 3);
  assert_string_equal(schema.children[0]->name, "t");
  assert_non_null(schema.children[0]->dictionary);
  assert_string_equal(schema.children[1]->name, "part");
  mst_schema_release(&schema);
  json_t *all = kit_read(k.d, NULL, false), *some = kit_rows_of(&stream);
  assert_int_equal(json_array_size(some), 777);
  for (size_t i = 0; i < 777; i++) {
    assert_int_equal(json_object_size(json_array_get(some, i)), 3);
    assert_true(json_equal(json_object_get(json_array_get(some, i), "t"), json_object_get(json_array_get(all, i), "t")));
    assert_true(json_equal(json_object_get(json_array_get(some, i), "part"), json_object_get(json_array_get(all, i), "part")));
  }
  json_decref(some);
  const mst_dataset_read_options none = {.struct_size = sizeof none, .columns = chosen, .n_columns = 0};
  must(mst_ds_read(k.d, &none, &stream, NULL, &kit_err));
  some = kit_rows_of(&stream);
  assert_int_equal(json_array_size(some), 2000);
  assert_int_equal(json_object_size(json_array_get(some, 0)), 0);
  json_decref(some);
  const mst_dataset_read_options unknown = {.struct_size = sizeof unknown, .columns = wrong, .n_columns = 1};
  assert_int_equal(mst_ds_read(k.d, &unknown, &stream, NULL, &kit_err), MST_E_ARGUMENT);
  assert_non_null(strstr(kit_err.message, "idd"));
  const mst_dataset_read_options condition = {.struct_size = sizeof condition, .where = "nope = 1"};
  assert_int_equal(mst_ds_read(k.d, &condition, &stream, NULL, &kit_err), MST_E_ARGUMENT);
  assert_non_null(strstr(kit_err.message, "nope"));
  const mst_dataset_read_options nothing = {.struct_size = sizeof nothing, .where = "id < 0"};
  must(mst_ds_read(k.d, &nothing, &stream, NULL, &kit_err));
  must(mst_stream_schema(&stream, &schema, &kit_err));
  assert_int_equal(schema.n_children, KIT_COLUMNS);
  mst_schema_release(&schema);
  some = kit_rows_of(&stream);
  assert_int_equal(json_array_size(some), 0);
  json_decref(some);
  json_decref(all);
  kit_close(&k);
}

static void test_groups_hold_every_row_once(void **state) {
  (void)state;
  table_kit k;
  json_t *groups = NULL;
  size_t i, rows = 0;
  json_t *g;
  const char *const by[] = {"part", "day"}, *const other[] = {"v"};
  kit_open(&k, 0, 2, 21);
  kit_create(&k, "t", 3, 300, keys, 2, indices, 1);
  must(mst_ds_groups(k.d, by, 2, NULL, &groups, NULL, &kit_err));
  assert_int_equal(json_array_size(groups), 12);
  json_array_foreach(groups, i, g) {
    char where[200];
    const json_t *values = json_object_get(g, "values");
    snprintf(where, sizeof where, "part == '%s'", json_string_value(json_object_get(values, "part")));
    const json_t *labels = json_object_get(g, "labels");
    const char *names[64];
    for (size_t n = 0; n < json_array_size(labels); n++) names[n] = json_string_value(json_array_get(labels, n));
    struct ArrowArrayStream stream = {0};
    const mst_dataset_read_options o = {.struct_size = sizeof o, .where = where, .labels = names, .n_labels = json_array_size(labels)};
    must(mst_ds_read(k.d, &o, &stream, NULL, &kit_err));
    json_t *all = kit_rows_of(&stream);
    rows += json_array_size(all);
    json_decref(all);
  }
  assert_int_equal(rows, 900);
  json_decref(groups);
  must(mst_ds_groups(k.d, indices, 1, "t in ('oak', 'elm')", &groups, NULL, &kit_err));
  assert_int_equal(json_array_size(groups), 2);
  assert_string_equal(json_string_value(json_object_get(json_object_get(json_array_get(groups, 0), "values"), "t")), "elm");
  json_decref(groups);
  must(mst_ds_groups(k.d, NULL, 0, NULL, &groups, NULL, &kit_err));
  assert_int_equal(json_array_size(groups), 1);
  json_decref(groups);
  assert_int_equal(mst_ds_groups(k.d, other, 1, NULL, &groups, NULL, &kit_err), MST_E_ARGUMENT);
  kit_close(&k);
}

/* ---- slices ---- */

static void check_slices(table_kit *k, const mst_query *query) {
  mst_plan *plan = NULL;
  json_t *joined = json_array();
  const mst_read_options options = MST_READ_OPTIONS_INIT;
  static const mst_slice_provider *const providers[] = {&mst_dataset_slices, NULL};
  must(mst_ds_plan(k->d, query, &plan, NULL, &kit_err));
  if (query->slices > 0) assert_true(mst_plan_get_count(plan) <= query->slices);
  for (size_t i = 0; i < mst_plan_get_count(plan); i++) {
    struct ArrowArrayStream stream = {0};
    mst_slice *own = mst_plan_take(plan, i), *s = NULL;
    const char *text = mst_slice_get_json(own);
    assert_true(strlen(text) < 1200);
    must(mst_slice_from_json(k->ctx, text, strlen(text), NULL, 0, providers, &s, &kit_err));
    must(mst_slice_arrow(i % 3 == 0 ? own : s, &options, &stream, NULL, &kit_err));
    json_t *rows = kit_rows_of(&stream);
    if (query->where == NULL) assert_int_equal(json_array_size(rows), mst_slice_get_records(s));
    json_array_extend(joined, rows);
    json_decref(rows);
    mst_slice_unref(s);
    mst_slice_unref(own);
  }
  mst_plan_unref(plan);
  json_t *all = kit_read(k->d, query->where, false);
  assert_int_equal(json_array_size(all), json_array_size(joined));
  assert_true(json_equal(all, joined));
  json_decref(all);
  json_decref(joined);
}

static void test_slices_join_to_the_table(void **state) {
  (void)state;
  table_kit k;
  kit_open(&k, 0, 2, 31);
  kit_create(&k, "t", 6, 150, keys, 1, indices, 2);
  for (uint64_t n = 1; n < 40; n += 6) check_slices(&k, &(mst_query){.struct_size = sizeof(mst_query), .slices = n});
  check_slices(&k, &(mst_query){.struct_size = sizeof(mst_query), .slice_records = 71});
  check_slices(&k, &(mst_query){.struct_size = sizeof(mst_query), .slice_bytes = 3000});
  check_slices(&k, &(mst_query){.struct_size = sizeof(mst_query), .slices = 5, .where = "t == 'oak' and n > 2"});
  check_slices(&k, &(mst_query){.struct_size = sizeof(mst_query), .slices = 9, .where = "part in ('a', 'c/d') or id < 40"});
  kit_close(&k);
}

static void test_a_slice_is_a_parquet_file_and_notices_change(void **state) {
  (void)state;
  table_kit k;
  mst_plan *plan = NULL;
  mst_bytes bytes = {0};
  mst_table *table = NULL;
  mst_slice *s = NULL, *stale = NULL;
  const mst_read_options options = MST_READ_OPTIONS_INIT;
  static const mst_slice_provider *const providers[] = {&mst_dataset_slices, NULL};
  kit_open(&k, 0, 2, 41);
  kit_create(&k, "t", 4, 300, NULL, 0, NULL, 0);
  must(mst_ds_plan(k.d, &(mst_query){.struct_size = sizeof(mst_query), .slices = 3}, &plan, NULL, &kit_err));
  s = mst_plan_take(plan, 1);
  must(mst_slice_all(s, &options, &bytes, NULL, &kit_err));
  must(mst_table_open_bytes(k.ctx, &bytes, "slice", &table, &kit_err));
  assert_int_equal(mst_table_rows(table), mst_slice_get_records(s));
  mst_table_unref(table);
  mst_bytes_release(&bytes);
  const char *text = mst_slice_get_json(s);
  must(mst_slice_from_json(k.ctx, text, strlen(text), NULL, 0, providers, &stale, &kit_err));
  kit_create(&k, "t", 4, 300, NULL, 0, NULL, 0); /* a new dataset in its place */
  const mst_status status = mst_slice_all(stale, &options, &bytes, NULL, &kit_err);
  if (status != MST_OK) assert_int_equal(status, MST_E_CHANGED);
  mst_bytes_release(&bytes);
  mst_slice_unref(stale);
  mst_slice_unref(s);
  mst_plan_unref(plan);
  kit_close(&k);
}

/* ---- requests ---- */


static mst_trace_counts counts_of(const mst_store *s) {
  mst_trace_counts c;
  must(mst_store_trace_counts(s, &c));
  return c;
}

static void test_requests_are_few(void **state) {
  (void)state;
  table_kit k;
  mst_store *traced = NULL;
  mst_dataset *d = NULL;
  const mst_dataset_options options = MST_DATASET_OPTIONS_INIT;
  kit_open(&k, 0, 4, 51);
  kit_create(&k, "t", 20, 100, NULL, 0, indices, 1);
  must(mst_store_trace(k.store, NULL, NULL, &traced, &kit_err));
  must(mst_ds_open(traced, "t", &options, &d, NULL, &kit_err));
  const mst_trace_counts opened = counts_of(traced);
  assert_true(opened.requests <= 2);
  json_decref(kit_read(d, NULL, false));
  const mst_trace_counts all = counts_of(traced);
  assert_int_equal(all.ops[MST_OP_HEAD], 0);
  assert_true(all.requests - opened.requests <= 2 * 20 + 2);
  json_decref(kit_read(d, "id < 100", false));
  const mst_trace_counts one = counts_of(traced);
  assert_true(one.requests - all.requests <= 2);
  json_decref(kit_read(d, "id < 0", false));
  assert_int_equal(counts_of(traced).requests, one.requests);
  uint64_t rows = 0;
  must(mst_ds_count(d, NULL, &rows, NULL, &kit_err));
  assert_int_equal(rows, 2000);
  assert_int_equal(counts_of(traced).requests, one.requests);
  mst_ds_unref(d);
  mst_store_unref(traced);
  kit_close(&k);
}

/* ---- faults ---- */

static void test_every_failed_request_is_an_error(void **state) {
  (void)state;
  table_kit k;
  kit_open(&k, 0, 2, 61);
  kit_create(&k, "t", 4, 100, keys, 1, indices, 1);
  json_t *all = kit_read(k.d, NULL, false);
  for (uint64_t n = 1; n < 200; n++) {
    mst_store *faulty = NULL;
    mst_dataset *d = NULL;
    struct ArrowArrayStream stream = {0};
    const mst_dataset_options options = MST_DATASET_OPTIONS_INIT;
    const mst_dataset_read_options o = {.struct_size = sizeof o, .where = "t != 'oak' or t is null"};
    must(mst_store_fault(k.store, n, true, MST_E_IO, &faulty, &kit_err));
    mst_status status = mst_ds_open(faulty, "t", &options, &d, NULL, &kit_err);
    if (status == MST_OK) status = mst_ds_read(d, &o, &stream, NULL, &kit_err);
    for (bool more = status == MST_OK; more;) {
      struct ArrowArray batch = {0};
      status = mst_stream_next(&stream, &batch, &kit_err);
      more = status == MST_OK && batch.release != NULL;
      mst_array_release(&batch);
    }
    mst_stream_release(&stream);
    const bool done = mst_store_fault_seen(faulty) < n;
    mst_ds_unref(d);
    mst_store_unref(faulty);
    if (done) {
      assert_int_equal(status, MST_OK);
      break;
    }
    /* Statistics are a help, not a need: without them more is read. */
    if (status != MST_OK) assert_int_equal(status, MST_E_IO);
  }
  json_decref(all);
  kit_close(&k);
}

/* One thread, so that each allocation fails in its turn. */
static mst_status read_with(const mst_allocator *mem, const char *folder) {
  mst_context *ctx = NULL;
  mst_store *store = NULL;
  mst_dataset *d = NULL;
  struct ArrowArrayStream stream = {0};
  mst_error err;
  json_t *groups = NULL;
  const char *const cats[] = {"t"}, *const by[] = {"t"};
  const mst_context_options o = {.struct_size = sizeof o, .cpu_threads = 1, .allocator = mem};
  const mst_dataset_options options = MST_DATASET_OPTIONS_INIT;
  const mst_dataset_read_options read = {.struct_size = sizeof read, .where = "n > 1 and (t in ('oak', 'elm') or v is null)", .categoricals = cats, .n_categoricals = 1};
  mst_status status = mst_context_open(&o, &ctx, &err);
  if (status == MST_OK) status = mst_store_open_url(ctx, folder, NULL, 0, &store, &err);
  if (status == MST_OK) status = mst_ds_open(store, "t", &options, &d, NULL, &err);
  if (status == MST_OK) status = mst_ds_groups(d, by, 1, NULL, &groups, NULL, &err);
  if (status == MST_OK) status = mst_ds_read(d, &read, &stream, NULL, &err);
  for (bool more = status == MST_OK; more;) {
    struct ArrowArray batch = {0};
    status = mst_stream_next(&stream, &batch, &err);
    more = status == MST_OK && batch.release != NULL;
    mst_array_release(&batch);
  }
  mst_stream_release(&stream);
  json_decref(groups);
  mst_ds_unref(d);
  mst_store_unref(store);
  mst_context_unref(ctx);
  return status;
}

static void test_every_failed_allocation_is_an_error(void **state) {
  (void)state;
  char folder[PATH_MAX];
  table_kit k = {.seed = 71};
  mst_test_folder(folder);
  must(mst_context_open(NULL, &k.ctx, &kit_err));
  must(mst_store_open_url(k.ctx, folder, NULL, 0, &k.store, &kit_err));
  kit_create(&k, "t", 2, 60, keys, 1, indices, 1);
  kit_close(&k);
  for (long n = 1;; n += n < 400 ? 1 : 7) {
    mst_test_allocator a;
    mst_test_allocator_init(&a, n, true);
    const mst_status status = read_with(&a.allocator, folder);
    if (a.live_blocks != 0) fail_msg("%ld blocks are left when allocation %ld fails", (long)a.live_blocks, n);
    if (!a.failed) {
      assert_int_equal(status, MST_OK);
      break;
    }
    if (status != MST_OK) assert_int_equal(status, MST_E_NO_MEMORY);
  }
  mst_test_folder_remove(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_pruning_changes_no_answer),
      cmocka_unit_test(test_conditions_mean_what_they_say),
      cmocka_unit_test(test_columns_limit_labels_and_categoricals),
      cmocka_unit_test(test_groups_hold_every_row_once),
      cmocka_unit_test(test_slices_join_to_the_table),
      cmocka_unit_test(test_a_slice_is_a_parquet_file_and_notices_change),
      cmocka_unit_test(test_requests_are_few),
      cmocka_unit_test(test_every_failed_request_is_an_error),
      cmocka_unit_test(test_every_failed_allocation_is_an_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
