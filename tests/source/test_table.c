/* tests/source/test_table.c - Parquet files through the driver: written to a store and read back, how many requests that takes,
 * what is pinned, what fails and how. */
#include "kit.h"

#include "column/column.h"
#include "source/table.h"

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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_round_trip),
      cmocka_unit_test(test_requests),
      cmocka_unit_test(test_changed_and_exists),
      cmocka_unit_test(test_in_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
