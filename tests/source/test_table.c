/* tests/source/test_table.c - Parquet files through the driver: written to a store and read back, how many requests that takes,
 * what is pinned, what fails and how. */
#include "kit.h"

#include "column/column.h"
#include "expr/expr.h"
#include "source/source.h"

#define ROWS 10000

static struct ArrowSchema numbers_schema(void) {
  struct ArrowSchema schema = {0};
  const mst_field fields[] = {{.name = "id", .format = "l"}, {.name = "name", .format = "u", .nullable = true}};
  assert_int_equal(mst_schema_make(NULL, fields, 2, &schema, NULL), MST_OK);
  return schema;
}

static void numbers_batch(const struct ArrowSchema *schema, int64_t first, int64_t n, struct ArrowArray *out) {
  mst_builder *columns[2] = {0};
  char text[32];
  for (int i = 0; i < 2; i++) assert_int_equal(mst_builder_from_schema(NULL, schema->children[i], &columns[i], NULL), MST_OK);
  for (int64_t i = first; i < first + n; i++) {
    assert_int_equal(mst_builder_i64(columns[0], i, NULL), MST_OK);
    if (i % 7 == 0) assert_int_equal(mst_builder_null(columns[1], NULL), MST_OK);
    else assert_int_equal(mst_builder_bytes(columns[1], text, (size_t)snprintf(text, sizeof text, "n%lld", (long long)i * 7919), NULL), MST_OK);
  }
  assert_int_equal(mst_batch_take(NULL, columns, 2, out, NULL), MST_OK);
  for (int i = 0; i < 2; i++) mst_builder_free(columns[i]);
}

static mst_status write_numbers(mst_store *store, const char *key, mst_put_mode mode, mst_table_written *wrote, mst_error *err) {
  mst_status status = MST_OK;
  mst_table_writer *w = NULL;
  struct ArrowSchema schema = numbers_schema();
  const mst_parquet_writer_options options = {.codec = MST_PARQUET_ZSTD, .row_group_rows = 1000};
  MST_TRY(mst_table_writer_open(store, key, &schema, &options, mode, &w, NULL, err));
  for (int64_t at = 0; at < ROWS; at += 500) {
    struct ArrowArray batch = {0};
    numbers_batch(&schema, at, 500, &batch);
    MST_TRY(mst_table_writer_put(w, &batch, err));
  }
  MST_TRY(mst_table_writer_metadata(w, "by", "test", err));
  MST_TRY(mst_table_writer_close(w, wrote, err));
done:
  mst_table_writer_free(w);
  mst_schema_release(&schema);
  return status;
}

/* Counts rows and checks that ids run on from `first`. */
static mst_status read_ids(mst_table *t, const mst_table_read_options *o, int64_t first, int64_t *rows, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArrayStream stream = {0};
  int64_t n = 0;
  MST_TRY(mst_table_read(t, o, &stream, NULL, err));
  for (;;) {
    struct ArrowArray batch = {0};
    MST_TRY(mst_stream_next(&stream, &batch, err));
    if (batch.release == NULL) break;
    const int64_t *ids = (const int64_t *)batch.children[0]->buffers[1] + batch.children[0]->offset;
    for (int64_t i = 0; i < batch.length; i++) assert_int_equal(ids[i], first + n + i);
    n += batch.length;
    mst_array_release(&batch);
  }
  *rows = n;
done:
  mst_stream_release(&stream);
  return status;
}

static void test_round_trip(void **state) {
  kit k;
  mst_error err;
  mst_table_written wrote = {0};
  mst_table *t = NULL;
  int64_t rows = 0;
  (void)state;
  assert_int_equal(kit_open(&k, NULL, 2, &err), MST_OK);
  assert_int_equal(write_numbers(k.store, "a.parquet", MST_PUT_CREATE, &wrote, &err), MST_OK);
  assert_int_equal(wrote.rows, ROWS);
  assert_int_equal(mst_table_open(k.store, "a.parquet", NULL, &t, NULL, &err), MST_OK);
  assert_int_equal(mst_table_rows(t), ROWS);
  assert_int_equal(mst_table_size(t), wrote.size);
  assert_int_equal(mst_parquet_file_groups(mst_table_file(t)), 10);
  assert_string_equal(mst_parquet_file_metadata(mst_table_file(t), "by", NULL), "test");
  assert_int_equal(read_ids(t, NULL, 0, &rows, &err), MST_OK);
  assert_int_equal(rows, ROWS);
  const mst_range groups = {.offset = 3, .length = 2};
  assert_int_equal(read_ids(t, &(mst_table_read_options){.groups = &groups}, 3000, &rows, &err), MST_OK);
  assert_int_equal(rows, 2000);
  const uint64_t none = 0;
  assert_int_equal(read_ids(t, &(mst_table_read_options){.limit = &none}, 0, &rows, &err), MST_OK);
  assert_int_equal(rows, 0);
  mst_table_unref(t);
  kit_close(&k);
}

static void test_requests(void **state) {
  kit k;
  mst_error err;
  mst_store *traced = NULL;
  mst_table *t = NULL;
  mst_trace_counts counts;
  (void)state;
  assert_int_equal(kit_open(&k, NULL, 1, &err), MST_OK);
  assert_int_equal(write_numbers(k.store, "a.parquet", MST_PUT_REPLACE, NULL, &err), MST_OK);
  assert_int_equal(mst_store_trace(k.store, NULL, NULL, &traced, &err), MST_OK);
  assert_int_equal(mst_table_open(traced, "a.parquet", NULL, &t, NULL, &err), MST_OK);
  assert_int_equal(mst_store_trace_counts(traced, &counts), MST_OK);
  assert_int_equal(counts.ops[MST_OP_GET], 1);
  assert_int_equal(counts.ops[MST_OP_HEAD], 0);
  mst_table *pinned = NULL;
  const mst_table_open_options known = {.pin = mst_table_pin(t), .tail = 64};
  assert_int_equal(mst_table_open(traced, "a.parquet", &known, &pinned, NULL, &err), MST_OK);
  assert_int_equal(mst_store_trace_counts(traced, &counts), MST_OK);
  assert_int_equal(counts.ops[MST_OP_GET], 3); /* the tail of 64 bytes does not hold the footer */
  assert_int_equal(counts.ops[MST_OP_HEAD], 0);
  mst_table_unref(t);
  mst_table_unref(pinned);
  mst_store_unref(traced);
  kit_close(&k);
}

static void test_changed_and_exists(void **state) {
  kit k;
  mst_error err;
  mst_table *t = NULL;
  int64_t rows = 0;
  (void)state;
  assert_int_equal(kit_open(&k, NULL, 1, &err), MST_OK);
  assert_int_equal(write_numbers(k.store, "a.parquet", MST_PUT_REPLACE, NULL, &err), MST_OK);
  assert_int_equal(write_numbers(k.store, "a.parquet", MST_PUT_CREATE, NULL, &err), MST_E_EXISTS);
  assert_non_null(strstr(err.object, "a.parquet"));
  assert_int_equal(mst_table_open(k.store, "a.parquet", NULL, &t, NULL, &err), MST_OK);
  kit_put(k.store, "a.parquet", "something else", 14);
  assert_int_equal(read_ids(t, NULL, 0, &rows, &err), MST_E_CHANGED);
  mst_table_unref(t);
  assert_int_equal(mst_table_open(k.store, "a.parquet", NULL, &t, NULL, &err), MST_E_CORRUPT);
  assert_non_null(strstr(err.object, "a.parquet"));
  assert_int_equal(mst_table_open(k.store, "b.parquet", NULL, &t, NULL, &err), MST_E_NOT_FOUND);
  kit_close(&k);
}

static void test_in_memory(void **state) {
  kit k;
  mst_error err;
  mst_table *t = NULL;
  mst_bytes all = {0};
  int64_t rows = 0;
  (void)state;
  assert_int_equal(kit_open(&k, NULL, 1, &err), MST_OK);
  assert_int_equal(write_numbers(k.store, "a.parquet", MST_PUT_REPLACE, NULL, &err), MST_OK);
  assert_int_equal(mst_store_get(k.store, "a.parquet", 0, UINT64_MAX, &all, NULL, &err), MST_OK);
  assert_int_equal(mst_table_open_bytes(k.ctx, &all, "these bytes", &t, &err), MST_OK);
  mst_bytes_release(&all);
  assert_int_equal(read_ids(t, NULL, 0, &rows, &err), MST_OK);
  assert_int_equal(rows, ROWS);
  mst_table_unref(t);
  kit_close(&k);
}

/* ---- every allocation and every store operation fails in turn ---- */

/* Writes, reads all, some by a condition, verifies, plans three slices and reads them both ways. */
static mst_status whole_life(mst_store *store, mst_error *err) {
  mst_status status = MST_OK;
  mst_table *t = NULL;
  mst_where *where = NULL;
  mst_source *source = NULL;
  mst_plan *plan = NULL;
  int64_t rows = 0;
  const mst_source_options options = MST_SOURCE_OPTIONS_INIT;
  const mst_read_options read_options = MST_READ_OPTIONS_INIT;
  mst_query query = MST_QUERY_INIT;
  MST_TRY(write_numbers(store, "life.parquet", MST_PUT_REPLACE, NULL, err));
  MST_TRY(mst_table_open(store, "life.parquet", NULL, &t, NULL, err));
  MST_TRY(read_ids(t, NULL, 0, &rows, err));
  assert_int_equal(rows, ROWS);
  MST_TRY(mst_where_parse(NULL, "id >= 9990", 10, &where, err));
  MST_TRY(read_ids(t, &(mst_table_read_options){.where = where}, 9990, &rows, err));
  assert_int_equal(rows, 10);
  MST_TRY(mst_table_verify(t, NULL, NULL, err));
  MST_TRY(mst_source_find_in(store, "life.parquet", &options, &source, NULL, err));
  query.slices = 3;
  query.where = "id < 2500";
  MST_TRY(mst_slices_plan(source, &query, &plan, NULL, err));
  rows = 0;
  for (size_t i = 0; i < mst_plan_get_count(plan); i++) {
    mst_slice *slice = mst_plan_take(plan, i);
    struct ArrowArrayStream stream = {0};
    mst_bytes file = {0};
    status = mst_slice_arrow(slice, &read_options, &stream, NULL, err);
    while (status == MST_OK) {
      struct ArrowArray batch = {0};
      status = mst_stream_next(&stream, &batch, err);
      if (status != MST_OK || batch.release == NULL) break;
      rows += batch.length;
      mst_array_release(&batch);
    }
    mst_stream_release(&stream);
    if (status == MST_OK) status = mst_slice_all(slice, &read_options, &file, NULL, err);
    mst_bytes_release(&file);
    mst_slice_unref(slice);
    if (status != MST_OK) goto done;
  }
  assert_int_equal(rows, 2500);
done:
  mst_plan_unref(plan);
  mst_source_unref(source);
  mst_where_unref(where);
  mst_table_unref(t);
  return status;
}

static bool live_with_allocator(long n, bool persistent) {
  mst_test_allocator a;
  mst_error err;
  kit k;
  mst_test_allocator_init(&a, 0, persistent);
  assert_int_equal(kit_open(&k, &a.allocator, 1, &err), MST_OK);
  a.fail_at = atomic_load(&a.calls) + n;
  mst_status status = whole_life(k.store, &err);
  const bool failed = atomic_load(&a.failed);
  a.fail_at = 0;
  if (status != MST_OK) {
    assert_true(failed);
    if (status != MST_E_NO_MEMORY) fail_msg("allocation %ld: %s: %s", n, mst_status_name(status), err.message);
  }
  mst_store_delete(k.store, (const char *const[]){"life.parquet"}, 1, NULL, &err);
  kit_close(&k);
  assert_int_equal(atomic_load(&a.live_blocks), 0);
  return failed;
}

static void test_every_allocation_fails(void **state) {
  (void)state;
  for (long n = 1; live_with_allocator(n, false); n += 1 + n / 40) {
  }
  for (long n = 1; live_with_allocator(n, true); n += 1 + n / 20) {
  }
}

static bool live_with_store(uint64_t n, bool persistent, mst_status with) {
  mst_error err;
  kit k;
  mst_store *faulty = NULL;
  assert_int_equal(kit_open(&k, NULL, 1, &err), MST_OK);
  assert_int_equal(mst_store_fault(k.store, n, persistent, with, &faulty, &err), MST_OK);
  mst_status status = whole_life(faulty, &err);
  const bool more = mst_store_fault_seen(faulty) >= n;
  if (more) {
    assert_int_equal(status, with);
    assert_non_null(strstr(err.object, "life.parquet"));
  } else {
    assert_int_equal(status, MST_OK);
  }
  mst_store_unref(faulty);
  kit_close(&k);
  return more;
}

static void test_every_operation_fails(void **state) {
  (void)state;
  for (uint64_t n = 1; live_with_store(n, false, MST_E_IO); n++) {
  }
  for (uint64_t n = 1; live_with_store(n, true, MST_E_DENIED); n += 1 + n / 10) {
  }
}

static void test_an_abandoned_file_leaves_no_trace(void **state) {
  kit k;
  mst_error err;
  mst_table_writer *w = NULL;
  mst_table *t = NULL;
  struct ArrowArray batch = {0};
  struct ArrowSchema schema = numbers_schema();
  (void)state;
  assert_int_equal(kit_open(&k, NULL, 1, &err), MST_OK);
  assert_int_equal(mst_table_writer_open(k.store, "a.parquet", &schema, NULL, MST_PUT_REPLACE, &w, NULL, &err), MST_OK);
  numbers_batch(&schema, 0, 1000, &batch);
  assert_int_equal(mst_table_writer_put(w, &batch, &err), MST_OK);
  mst_table_writer_free(w);
  assert_int_equal(mst_table_open(k.store, "a.parquet", NULL, &t, NULL, &err), MST_E_NOT_FOUND);
  mst_schema_release(&schema);
  kit_close(&k);
}

static void test_cancelled(void **state) {
  kit k;
  mst_error err;
  mst_table *t = NULL;
  struct ArrowArrayStream stream = {0};
  struct ArrowArray batch = {0};
  (void)state;
  assert_int_equal(kit_open(&k, NULL, 1, &err), MST_OK);
  mst_cancel *cancel = mst_cancel_new(k.ctx);
  assert_int_equal(write_numbers(k.store, "a.parquet", MST_PUT_REPLACE, NULL, &err), MST_OK);
  assert_int_equal(mst_table_open(k.store, "a.parquet", NULL, &t, NULL, &err), MST_OK);
  assert_int_equal(mst_table_read(t, NULL, &stream, cancel, &err), MST_OK);
  mst_cancel_request(cancel);
  assert_int_equal(mst_stream_next(&stream, &batch, &err), MST_E_CANCELLED);
  assert_int_equal(mst_stream_next(&stream, &batch, &err), MST_E_CANCELLED); /* never an end */
  mst_stream_release(&stream);
  mst_cancel_unref(cancel);
  mst_table_unref(t);
  kit_close(&k);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_round_trip),
      cmocka_unit_test(test_requests),
      cmocka_unit_test(test_changed_and_exists),
      cmocka_unit_test(test_in_memory),
      cmocka_unit_test(test_an_abandoned_file_leaves_no_trace),
      cmocka_unit_test(test_cancelled),
      cmocka_unit_test(test_every_operation_fails),
      cmocka_unit_test(test_every_allocation_fails),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
