/* tests/dataset/test_rows.c - deleting, updating, upserting, compacting: rows come out as a plain judgement of each row
 * says, files that hold no such row are left alone, memory is bounded. */
#include <unistd.h>

#include "dataset/change.h"
#include "dataset/table_kit.h"

static const char *const keys[] = {"part", "day"};
static const char *const indices[] = {"t", "n"};

static mst_change *begin(table_kit *k) {
  mst_change *c = NULL;
  must(mst_ds_change_open(k->d, &c, &kit_err));
  return c;
}

static json_t *commit(table_kit *k, mst_change *c) {
  mst_dataset *next = NULL;
  json_t *report = NULL;
  must(mst_ds_change_commit(c, &next, &report, NULL, &kit_err));
  mst_ds_change_free(c);
  mst_ds_unref(k->d);
  k->d = next;
  return report;
}

static json_t *complement(const json_t *all, const json_t *without) {
  json_t *a = kit_sorted(all), *b = kit_sorted(without), *out = json_array();
  size_t at = 0;
  for (size_t i = 0; i < json_array_size(a); i++) {
    const json_t *row = json_array_get(a, i);
    if (at < json_array_size(b) && json_equal(row, json_array_get(b, at))) at++;
    else json_array_append(out, (json_t *)(uintptr_t)row);
  }
  assert_int_equal(at, json_array_size(b));
  json_decref(a);
  json_decref(b);
  return out;
}

/* An index must still find what a plain look finds. */
static void check_indices(table_kit *k) {
  if (mst_document_n_indices(k->d->document) == 0) return;
  for (int i = 0; i < 4; i++) {
    char where[1000];
    kit_condition(&k->seed, 2, where, sizeof where);
    json_t *plain = kit_read(k->d, where, true), *pruned = kit_read(k->d, where, false);
    if (!json_equal(plain, pruned))
      fail_msg("%s: %zu rows pruned, %zu plain", where, json_array_size(pruned), json_array_size(plain));
    json_decref(plain);
    json_decref(pruned);
  }
}

static void test_delete_takes_what_matches(void **state) {
  (void)state;
  table_kit k;
  kit_open(&k, 0, 2, 101);
  for (int turn = 0; turn < 40; turn++) {
    char where[2000];
    kit_create(&k, "t", 4, 120, keys, (size_t)turn % 3, indices, turn % 2 == 0 ? 2 : 0);
    for (int again = 0; again < 2; again++) {
      kit_condition(&k.seed, 2, where, sizeof where);
      json_t *all = kit_read(k.d, NULL, false), *matched = kit_read(k.d, where, true), *rest = complement(all, matched);
      mst_change *c = begin(&k);
      must(mst_ds_change_delete(c, where, NULL, &kit_err));
      json_t *report = commit(&k, c);
      const json_t *removed = json_object_get(report, "rows_removed");
      if (json_is_integer(removed)) assert_int_equal(json_integer_value(removed), json_array_size(matched));
      kit_same(rest, kit_read(k.d, NULL, false), where);
      check_indices(&k);
      json_decref(report);
      json_decref(all);
      json_decref(matched);
    }
  }
  kit_close(&k);
}

static void set_all(json_t *rows, const json_t *matched, const char *column, json_t *value) {
  json_t *a = kit_sorted(rows), *b = kit_sorted(matched);
  size_t at = 0;
  for (size_t i = 0; i < json_array_size(a); i++) {
    json_t *row = json_array_get(a, i);
    if (at >= json_array_size(b) || !json_equal(row, json_array_get(b, at))) continue;
    at++;
    json_object_set(row, column, value);
  }
  assert_int_equal(at, json_array_size(b));
  json_decref(a);
  json_decref(b);
}

static void test_update_sets_what_matches(void **state) {
  (void)state;
  static const struct {
    const char *column, *value, *shown;
  } sets[] = {{"v", "2.5", "2.5"},
              {"v", "7", "7.0"},
              {"n", "-3", "-3"},
              {"t", "\"new\"", "\"new\""},
              {"t", "null", "null"},
              {"part", "\"a\"", "\"a\""},
              {"part", "\"x/y\"", "\"x/y\""},
              {"day", "\"2024-03-01\"", "\"2024-03-01\""},
              {"at", "\"2024-03-01T12:00:00\"", "\"2024-03-01T12:00:00\""}};
  table_kit k;
  kit_open(&k, 0, 2, 201);
  for (size_t turn = 0; turn < 45; turn++) {
    char where[2000], set[200];
    const size_t s = turn % (sizeof sets / sizeof *sets);
    kit_create(&k, "t", 4, 100, keys, turn % 3, indices, turn % 2 == 0 ? 2 : 0);
    kit_condition(&k.seed, 2, where, sizeof where);
    json_t *all = kit_read(k.d, NULL, false), *shared = kit_read(k.d, where, true), *matched = json_deep_copy(shared);
    json_t *value = json_loads(sets[s].shown, JSON_DECODE_ANY, NULL);
    set_all(all, matched, sets[s].column, value);
    snprintf(set, sizeof set, "{\"%s\": %s}", sets[s].column, sets[s].value);
    mst_change *c = begin(&k);
    if (mst_ds_change_update(c, where, set, NULL, &kit_err) != MST_OK)
      fail_msg("%s %s: %s", where, set, kit_err.message);
    json_decref(commit(&k, c));
    kit_same(json_incref(all), kit_read(k.d, NULL, false), set);
    check_indices(&k);
    json_decref(all);
    json_decref(matched);
    json_decref(shared);
    json_decref(value);
  }
  mst_change *c = begin(&k);
  assert_int_equal(mst_ds_change_update(c, "id > 0", "{\"n\": \"many\"}", NULL, &kit_err), MST_E_ARGUMENT);
  assert_int_equal(mst_ds_change_update(c, "id > 0", "{\"nn\": 1}", NULL, &kit_err), MST_E_ARGUMENT);
  assert_int_equal(mst_ds_change_update(c, "id > 0", "{\"n\": 2.5}", NULL, &kit_err), MST_E_ARGUMENT);
  mst_ds_change_free(c);
  kit_close(&k);
}

/* Labels of partitions that a change left alone. */
static void test_only_touched_files_are_written_anew(void **state) {
  (void)state;
  table_kit k;
  mst_change *c;
  kit_open(&k, 0, 2, 301);
  kit_create(&k, "t", 8, 100, NULL, 0, NULL, 0);
  mst_dataset *before = mst_ds_ref(k.d);
  c = begin(&k);
  must(mst_ds_change_delete(c, "id between 250 and 260", NULL, &kit_err));
  json_decref(commit(&k, c));
  size_t kept = 0;
  for (size_t i = 0; i < 8; i++)
    kept += mst_document_find(k.d->document, mst_document_label(before->document, i)) != MST_DOCUMENT_NONE;
  assert_int_equal(kept, 7);
  /* Order within the file that was written anew. */
  json_t *rows = kit_read(k.d, "id between 200 and 299", false);
  assert_int_equal(json_array_size(rows), 89);
  for (size_t i = 1; i < 89; i++)
    assert_true(json_integer_value(json_object_get(json_array_get(rows, i - 1), "id")) <
                json_integer_value(json_object_get(json_array_get(rows, i), "id")));
  json_decref(rows);
  mst_ds_unref(before);
  kit_close(&k);
}

static void test_whole_partitions_go_without_being_read(void **state) {
  (void)state;
  table_kit k;
  mst_store *traced = NULL;
  mst_dataset *d = NULL;
  const mst_dataset_options options = MST_DATASET_OPTIONS_INIT;
  kit_open(&k, 0, 2, 311);
  kit_create(&k, "t", 5, 200, keys, 1, NULL, 0);
  json_t *expected = kit_read(k.d, "part != 'a'", false);
  must(mst_store_trace(k.store, NULL, NULL, &traced, &kit_err));
  must(mst_ds_open(traced, "t", &options, &d, NULL, &kit_err));
  mst_ds_unref(k.d);
  k.d = d;
  mst_change *c = begin(&k);
  mst_trace_counts before, after;
  must(mst_store_trace_counts(traced, &before));
  must(mst_ds_change_delete(c, "part = 'a'", NULL, &kit_err));
  must(mst_store_trace_counts(traced, &after));
  assert_true(after.ops[MST_OP_GET] - before.ops[MST_OP_GET] <= 4); /* statistics, not 20 files */
  assert_true(after.bytes_read - before.bytes_read < 40000);
  assert_int_equal(after.ops[MST_OP_PUT], before.ops[MST_OP_PUT]);
  json_decref(commit(&k, c));
  kit_same(expected, kit_read(k.d, NULL, false), "part = 'a'");
  mst_store_unref(traced);
  kit_close(&k);
}

/* ---- upsert ---- */

/* New rows with ids first, first + step, … */
static void new_rows(table_kit *k, int64_t first, int64_t step, size_t n, struct ArrowArrayStream *out) {
  struct ArrowArray batch = {0};
  kit_batch(&k->seed, 0, n, &batch);
  int64_t *ids = (int64_t *)(uintptr_t)batch.children[2]->buffers[1];
  for (size_t i = 0; i < n; i++) ids[i] = first + step * (int64_t)i;
  kit_stream_of(&batch, out);
}

static json_t *upserted(const json_t *all, const json_t *rows) {
  json_t *out = json_array();
  for (size_t i = 0; i < json_array_size(all); i++) {
    json_t *row = json_array_get(all, i);
    bool replaced = false;
    for (size_t n = 0; !replaced && n < json_array_size(rows); n++)
      replaced = kit_compare(&row, &(json_t *){json_array_get(rows, n)}) == 0;
    if (!replaced) json_array_append(out, row);
  }
  json_array_extend(out, (json_t *)(uintptr_t)rows);
  return out;
}

static void test_upsert_replaces_and_adds(void **state) {
  (void)state;
  static const char *const on[] = {"id"};
  table_kit k;
  kit_open(&k, 0, 2, 401);
  for (int turn = 0; turn < 12; turn++) {
    struct ArrowArrayStream stream = {0}, copy = {0};
    kit_create(&k, "t", 4, 150, keys, (size_t)turn % 3, indices, turn % 2 == 0 ? 2 : 0);
    json_t *all = kit_read(k.d, NULL, false);
    const int64_t first = (int64_t)kit_below(&k.seed, 650), step = 1 + (int64_t)kit_below(&k.seed, 7);
    const uint64_t seed = k.seed;
    new_rows(&k, first, step, 60, &copy);
    json_t *rows = kit_rows_of(&copy);
    k.seed = seed;
    new_rows(&k, first, step, 60, &stream);
    mst_change *c = begin(&k);
    must(mst_ds_change_upsert(c, &stream, on, 1, NULL, &kit_err));
    json_t *report = commit(&k, c);
    json_t *expected = upserted(all, rows);
    assert_int_equal(json_integer_value(json_object_get(report, "rows_added")), 60);
    assert_int_equal(json_integer_value(json_object_get(report, "rows_removed")),
                     json_array_size(all) + 60 - json_array_size(expected));
    kit_same(expected, kit_read(k.d, NULL, false), "upsert");
    check_indices(&k);
    json_decref(report);
    json_decref(all);
    json_decref(rows);
  }
  kit_close(&k);
}

static void test_a_key_twice_is_refused(void **state) {
  (void)state;
  static const char *const on[] = {"id"}, *const wrong[] = {"idd"};
  table_kit k;
  struct ArrowArrayStream stream = {0};
  kit_open(&k, 0, 2, 411);
  kit_create(&k, "t", 2, 100, NULL, 0, NULL, 0);
  const uint64_t version = mst_ds_version(k.d);
  mst_change *c = begin(&k);
  new_rows(&k, 50, 0, 2, &stream);
  assert_int_equal(mst_ds_change_upsert(c, &stream, on, 1, NULL, &kit_err), MST_E_ARGUMENT);
  assert_non_null(strstr(kit_err.message, "50"));
  new_rows(&k, 50, 1, 2, &stream);
  assert_int_equal(mst_ds_change_upsert(c, &stream, wrong, 1, NULL, &kit_err), MST_E_ARGUMENT);
  assert_non_null(strstr(kit_err.message, "idd"));
  mst_ds_change_free(c);
  mst_dataset *now = NULL;
  must(mst_ds_refresh(k.d, &now, NULL, &kit_err));
  assert_int_equal(mst_ds_version(now), version);
  mst_ds_unref(now);
  kit_close(&k);
}

/* More keys than a quarter of the memory holds: several passes over spooled keys. */
static void test_upsert_of_more_keys_than_memory_holds(void **state) {
  (void)state;
  static const char *const on[] = {"id", "part"};
  table_kit k;
  struct ArrowArrayStream stream = {0};
  uint64_t rows = 0;
  kit_open(&k, 1 << 20, 2, 421);
  kit_create(&k, "t", 4, 20000, NULL, 0, NULL, 0);
  mst_change *c = begin(&k);
  kit_stream(&k.seed, 40000, 60000, &stream);
  must(mst_ds_change_upsert(c, &stream, on, 2, NULL, &kit_err));
  json_t *report = commit(&k, c);
  must(mst_ds_count(k.d, NULL, &rows, NULL, &kit_err));
  const json_int_t removed = json_integer_value(json_object_get(report, "rows_removed"));
  assert_int_equal(rows, 80000 + 60000 - removed);
  assert_true(removed > 9000 && removed < 11000); /* one in four of 40000 has the same part, too */
  json_decref(report);
  c = begin(&k);
  struct ArrowArray batch = {0};
  kit_batch(&k.seed, 0, 60000, &batch);
  ((int64_t *)(uintptr_t)batch.children[2]->buffers[1])[59999] = 4242;
  kit_stream_of(&batch, &stream);
  const char *const id[] = {"id"};
  assert_int_equal(mst_ds_change_upsert(c, &stream, id, 1, NULL, &kit_err), MST_E_ARGUMENT);
  assert_non_null(strstr(kit_err.message, "4242"));
  mst_ds_change_free(c);
  kit_close(&k);
}

static void test_upserts_of_the_same_key_collide(void **state) {
  (void)state;
  static const char *const on[] = {"id"};
  table_kit k;
  struct ArrowArrayStream a = {0}, b = {0}, far = {0};
  mst_dataset *next = NULL;
  kit_open(&k, 0, 2, 431);
  kit_create(&k, "t", 3, 100, NULL, 0, NULL, 0);
  mst_change *first = begin(&k), *second = begin(&k), *third = begin(&k);
  new_rows(&k, 5000, 1, 10, &a);
  new_rows(&k, 5005, 1, 10, &b);
  new_rows(&k, 9000, 1, 10, &far);
  must(mst_ds_change_upsert(first, &a, on, 1, NULL, &kit_err));
  must(mst_ds_change_upsert(second, &b, on, 1, NULL, &kit_err));
  must(mst_ds_change_upsert(third, &far, on, 1, NULL, &kit_err));
  json_decref(commit(&k, first));
  assert_int_equal(mst_ds_change_commit(second, &next, NULL, NULL, &kit_err), MST_E_CONFLICT);
  mst_ds_change_free(second);
  json_decref(commit(&k, third));
  uint64_t rows = 0;
  must(mst_ds_count(k.d, NULL, &rows, NULL, &kit_err));
  assert_int_equal(rows, 320);
  kit_close(&k);
}

/* ---- compaction ---- */

static void test_compaction_keeps_rows_and_sorts(void **state) {
  (void)state;
  static const char *const by[] = {"v", "id"};
  table_kit k;
  kit_open(&k, 0, 2, 501);
  for (int turn = 0; turn < 6; turn++) {
    kit_create(&k, "t", 12, 60, keys, (size_t)turn % 3, indices, turn % 2 == 0 ? 2 : 0);
    json_t *all = kit_read(k.d, NULL, false);
    const size_t before = mst_ds_partition_count(k.d);
    mst_change *c = begin(&k);
    must(mst_ds_change_compact(c, NULL, 0, by, turn < 3 ? 0 : 2, NULL, &kit_err));
    json_t *report = commit(&k, c);
    const size_t after = mst_ds_partition_count(k.d);
    assert_int_equal(after, turn % 3 == 0 ? 1 : turn % 3 == 1 ? 4 : 12);
    assert_true(after < before);
    if (turn == 3) {
      json_t *rows = kit_read(k.d, NULL, false);
      double last = -INFINITY;
      for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *v = json_object_get(json_array_get(rows, i), "v");
        if (!json_is_number(v)) continue;
        assert_true(json_number_value(v) >= last);
        last = json_number_value(v);
      }
      json_decref(rows);
    }
    kit_same(all, kit_read(k.d, NULL, false), "compact");
    check_indices(&k);
    json_decref(report);
    const uint64_t version = mst_ds_version(k.d);
    if (turn < 3) { /* nothing is left to be joined */
      c = begin(&k);
      must(mst_ds_change_compact(c, NULL, 0, NULL, 0, NULL, &kit_err));
      assert_int_equal(c->n_gone, 0);
      mst_ds_change_free(c);
    }
    assert_int_equal(mst_ds_version(k.d), version);
  }
  kit_close(&k);
}

/* Rows beyond memory: sorted runs are spooled and merged. */
static void test_sorting_more_than_memory_holds(void **state) {
  (void)state;
  static const char *const by[] = {"t", "v"};
  table_kit k;
  kit_open(&k, 1 << 20, 2, 511);
  kit_create(&k, "t", 6, 10000, NULL, 0, NULL, 0);
  mst_change *c = begin(&k);
  must(mst_ds_change_compact(c, NULL, 60000, by, 2, NULL, &kit_err));
  json_decref(commit(&k, c));
  assert_true(mst_ds_partition_count(k.d) > 1);
  json_t *rows = kit_read(k.d, NULL, false);
  assert_int_equal(json_array_size(rows), 60000);
  for (size_t i = 1; i < 60000; i++) {
    const json_t *a = json_array_get(rows, i - 1), *b = json_array_get(rows, i), *s = json_object_get(a, "t"),
                 *t = json_object_get(b, "t");
    if (json_is_null(t)) continue;
    assert_true(json_is_string(s));
    const int order = strcmp(json_string_value(s), json_string_value(t));
    const json_t *v = json_object_get(a, "v"), *w = json_object_get(b, "v");
    assert_true(order < 0 || (order == 0 && (!json_is_number(w) ||
                                             (json_is_number(v) && json_number_value(v) <= json_number_value(w)))));
  }
  json_decref(rows);
  kit_close(&k);
}

/* ---- faults ---- */

static mst_status change_all(mst_store *store) {
  static const char *const on[] = {"id"}, *const by[] = {"v"};
  mst_dataset *d = NULL, *next = NULL;
  mst_change *c = NULL;
  mst_error err;
  struct ArrowArrayStream stream = {0};
  uint64_t seed = 7;
  const mst_dataset_options options = MST_DATASET_OPTIONS_INIT;
  kit_stream(&seed, 50, 20, &stream);
  mst_status status = mst_ds_open(store, "t", &options, &d, NULL, &err);
  if (status == MST_OK) status = mst_ds_change_open(d, &c, &err);
  if (status == MST_OK) status = mst_ds_change_delete(c, "n < 1", NULL, &err);
  if (status == MST_OK) status = mst_ds_change_update(c, "t == 'oak'", "{\"v\": 1.5, \"part\": \"a\"}", NULL, &err);
  if (status == MST_OK) status = mst_ds_change_upsert(c, &stream, on, 1, NULL, &err);
  if (status == MST_OK) status = mst_ds_change_compact(c, NULL, 0, by, 1, NULL, &err);
  if (status == MST_OK) status = mst_ds_change_commit(c, &next, NULL, NULL, &err);
  mst_stream_release(&stream);
  mst_ds_change_free(c);
  mst_ds_unref(next);
  mst_ds_unref(d);
  return status;
}

static json_t *sorted_rows(mst_dataset *d) {
  json_t *rows = kit_read(d, NULL, false), *sorted = kit_sorted(rows);
  json_decref(rows);
  return sorted;
}

/* Whatever fails, the dataset is what it was or what it should become. */
static void test_failed_requests_leave_the_old_or_the_new_state(void **state) {
  (void)state;
  table_kit k;
  json_t *before = NULL, *after = NULL;
  for (uint64_t n = 0; n < 400; n++) {
    mst_store *faulty = NULL;
    const mst_dataset_options options = MST_DATASET_OPTIONS_INIT;
    kit_open(&k, 0, 1, 601);
    kit_create(&k, "t", 3, 40, keys, 1, indices, 1);
    if (before == NULL) before = sorted_rows(k.d);
    must(mst_store_fault(k.store, n, n % 2 == 0, MST_E_IO, &faulty, &kit_err));
    const mst_status status = change_all(faulty);
    const bool done = n > 0 && mst_store_fault_seen(faulty) < n;
    mst_store_unref(faulty);
    mst_dataset *now = NULL;
    must(mst_ds_open(k.store, "t", &options, &now, NULL, &kit_err));
    json_t *rows = sorted_rows(now);
    if (n == 0) {
      assert_int_equal(status, MST_OK);
      after = json_incref(rows);
    }
    if (status == MST_OK) assert_true(json_equal(rows, after));
    else assert_true(json_equal(rows, before) || json_equal(rows, after));
    json_decref(rows);
    mst_ds_unref(now);
    kit_close(&k);
    if (done) break;
  }
  json_decref(before);
  json_decref(after);
}

static mst_status change_with(const mst_allocator *mem, const char *folder) {
  mst_context *ctx = NULL;
  mst_store *store = NULL;
  mst_error err;
  mst_test_env world; /* whose waiting takes no time */
  mst_test_env_init(&world, 3, NULL);
  const mst_context_options o = {.struct_size = sizeof o, .cpu_threads = 1, .allocator = mem, .env = &world.env};
  mst_status status = mst_context_open(&o, &ctx, &err);
  if (status == MST_OK) status = mst_store_open_url(ctx, folder, NULL, 0, &store, &err);
  if (status == MST_OK) status = change_all(store);
  mst_store_unref(store);
  mst_context_unref(ctx);
  return status;
}

static void test_failed_allocations_leak_nothing(void **state) {
  (void)state;
  char folder[PATH_MAX];
  for (long n = 1, done = 0; !done; n += n < 60 ? 7 : 149) {
    mst_test_allocator a;
    table_kit k = {.seed = 71};
    mst_test_folder(folder);
    must(mst_context_open(NULL, &k.ctx, &kit_err));
    must(mst_store_open_url(k.ctx, folder, NULL, 0, &k.store, &kit_err));
    kit_create(&k, "t", 2, 30, keys, 1, indices, 1);
    mst_test_allocator_init(&a, n, true);
    const mst_status status = change_with(&a.allocator, folder);
    if (a.live_blocks != 0) fail_msg("%ld blocks are left when allocation %ld fails", (long)a.live_blocks, n);
    if (!a.failed) {
      assert_int_equal(status, MST_OK);
      done = 1;
    } else if (status != MST_OK) assert_int_equal(status, MST_E_NO_MEMORY);
    kit_close(&k);
    mst_test_folder_remove(folder);
  }
}

int main(void) {
  /* Thousands of commits, each of which waits for the disk. */
  if (access("/dev/shm", W_OK) == 0) setenv("TMPDIR", "/dev/shm", 0);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_delete_takes_what_matches),
      cmocka_unit_test(test_update_sets_what_matches),
      cmocka_unit_test(test_only_touched_files_are_written_anew),
      cmocka_unit_test(test_whole_partitions_go_without_being_read),
      cmocka_unit_test(test_upsert_replaces_and_adds),
      cmocka_unit_test(test_a_key_twice_is_refused),
      cmocka_unit_test(test_upsert_of_more_keys_than_memory_holds),
      cmocka_unit_test(test_upserts_of_the_same_key_collide),
      cmocka_unit_test(test_compaction_keeps_rows_and_sorts),
      cmocka_unit_test(test_sorting_more_than_memory_holds),
      cmocka_unit_test(test_failed_requests_leave_the_old_or_the_new_state),
      cmocka_unit_test(test_failed_allocations_leak_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
