/* tests/parquet/test_file.c - Tests of Parquet files as indexes use them: what was written is read, positions point at
 * the bytes, footers are found, every allocation may fail. */
#include "memory_file.h"

static const mst_field item = {.name = "item", .format = "i", .nullable = true};
static const mst_field columns[] = {
    {.name = "window", .format = "z", .nullable = true},
    {.name = "record", .format = "l"},
    {.name = "at", .format = "l"},
    {.name = "size", .format = "l"},
    {.name = "name", .format = "u", .nullable = true},
    {.name = "box", .format = "g", .nullable = true},
    {.name = "tags", .format = "+l", .nullable = true, .children = &item, .n_children = 1},
};
enum { COLUMNS = sizeof columns / sizeof columns[0] };

static const mst_parquet_column_options window_option = {
    .name = "window", .codec_set = true, .plain = true, .no_statistics = true};

/* Row i: window of i % 7 * 5 bytes 'a' + i % 26 (null for every 11th), record i, at and size for the writer to fill. */
static mst_status make_batch(const mst_allocator *mem, int64_t first, int64_t rows, struct ArrowArray *out,
                             mst_error *err) {
  mst_status status = MST_OK;
  mst_builder *b[COLUMNS] = {0};
  char text[40];
  int64_t i, k;
  for (k = 0; k < COLUMNS; k++) MST_TRY(mst_builder_new(mem, &columns[k], &b[k], err));
  for (i = first; i < first + rows; i++) {
    memset(text, 'a' + (int)(i % 26), sizeof text);
    MST_TRY(i % 11 == 3 ? mst_builder_null(b[0], err) : mst_builder_bytes(b[0], text, (size_t)(i % 7 * 5), err));
    MST_TRY(mst_builder_i64(b[1], i, err));
    MST_TRY(mst_builder_i64(b[2], 0, err));
    MST_TRY(mst_builder_i64(b[3], 0, err));
    MST_TRY(i % 5 == 0 ? mst_builder_null(b[4], err) : mst_builder_bytes(b[4], text, (size_t)(i % 3), err));
    MST_TRY(mst_builder_f64(b[5], (double)i * 0.5, err));
    for (k = 0; k < i % 4; k++) MST_TRY(mst_builder_i64(mst_builder_child(b[6], 0), k, err));
    MST_TRY(i % 6 == 5 && i % 4 == 0 ? mst_builder_null(b[6], err) : mst_builder_close(b[6], err));
  }
  status = mst_batch_take(mem, b, COLUMNS, out, err);
done:
  for (k = 0; k < COLUMNS; k++) mst_builder_free(b[k]);
  return status;
}

typedef struct filling {
  struct ArrowArray *batch;
  uint64_t *positions;
  size_t rows;
} filling;

static mst_status fill_positions(void *arg, const uint64_t *positions, size_t rows, mst_error *err) {
  filling *f = arg;
  int64_t *at = (int64_t *)(uintptr_t)f->batch->children[2]->buffers[1];
  int64_t *size = (int64_t *)(uintptr_t)f->batch->children[3]->buffers[1];
  size_t i;
  (void)err;
  for (i = 0; i < rows; i++) {
    at[i] = (int64_t)positions[2 * i];
    size[i] = (int64_t)positions[2 * i + 1];
  }
  f->rows += rows;
  return MST_OK;
}

static mst_status write_index(const mst_allocator *mem, uint64_t page_bytes, mst_buf *out, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowSchema schema = {0};
  struct ArrowArray batch = {0};
  mst_parquet_writer *w = NULL;
  mst_parquet_sink sink = memory_sink(out);
  mst_parquet_writer_options options = {
      .mem = mem, .codec = MST_PARQUET_ZSTD, .columns = &window_option, .n_columns = 1, .page_bytes = page_bytes};
  filling f = {.batch = &batch};
  MST_TRY(mst_schema_make(mem, columns, COLUMNS, &schema, err));
  MST_TRY(mst_parquet_writer_open(&schema, &options, &sink, &w, err));
  MST_TRY(mst_parquet_writer_metadata(w, "meseta.format", "old", err));
  MST_TRY(make_batch(mem, 0, 300, &batch, err));
  MST_TRY(mst_parquet_writer_put_group(w, &batch, 0, fill_positions, &f, err));
  MST_TRY(make_batch(mem, 300, 200, &batch, err));
  MST_TRY(mst_parquet_writer_put_group(w, &batch, 0, fill_positions, &f, err));
  MST_TRY(mst_parquet_writer_metadata(w, "meseta.format", "gzip", err));
  MST_TRY(mst_parquet_writer_metadata(w, "empty", "", err));
  MST_TRY(mst_parquet_writer_close(w, err));
  assert_int_equal(mst_parquet_writer_size(w), out->size);
done:
  mst_array_release(&batch);
  mst_schema_release(&schema);
  mst_parquet_writer_free(w);
  return status;
}

static void check_row(const struct ArrowSchema *schema, const struct ArrowArray *batch, int64_t i, int64_t row,
                      const uint8_t *file) {
  mst_view v, items;
  size_t n;
  const uint8_t *p;
  int64_t first, count, k;
  assert_int_equal(mst_batch_column(schema, batch, "record", "l", &v, NULL), MST_OK);
  assert_int_equal(mst_view_i64(&v, i), row);
  assert_int_equal(mst_batch_column(schema, batch, "window", "z", &v, NULL), MST_OK);
  assert_int_equal(mst_view_null(&v, i), row % 11 == 3);
  if (row % 11 != 3) {
    p = mst_view_bytes(&v, i, &n);
    assert_int_equal(n, row % 7 * 5);
    for (k = 0; k < (int64_t)n; k++) assert_int_equal(p[k], 'a' + row % 26);
    assert_int_equal(mst_batch_column(schema, batch, "size", "l", &v, NULL), MST_OK);
    assert_int_equal(mst_view_i64(&v, i), n);
    assert_int_equal(mst_batch_column(schema, batch, "at", "l", &v, NULL), MST_OK);
    assert_memory_equal(file + mst_view_i64(&v, i), p, n);
  }
  assert_int_equal(mst_batch_column(schema, batch, "name", "u", &v, NULL), MST_OK);
  assert_int_equal(mst_view_null(&v, i), row % 5 == 0);
  assert_int_equal(mst_batch_column(schema, batch, "box", "g", &v, NULL), MST_OK);
  assert_true(mst_view_f64(&v, i) == (double)row * 0.5);
  assert_int_equal(mst_batch_column(schema, batch, "tags", "+l", &v, NULL), MST_OK);
  assert_int_equal(mst_view_child(&v, 0, "i", &items, NULL), MST_OK);
  mst_view_list(&v, i, &first, &count);
  assert_int_equal(count, row % 4);
  for (k = 0; k < count; k++) assert_int_equal(mst_view_i64(&items, first + k), k);
}

static void an_index_comes_back(void **state) {
  static const uint64_t page_sizes[] = {0, 64, 700};
  size_t p;
  (void)state;
  for (p = 0; p < 3; p++) {
    mst_buf file;
    mst_error err = {0};
    mst_parquet_file *f = NULL;
    mst_parquet_reader *r = NULL;
    struct ArrowSchema schema;
    struct ArrowArray batch;
    int64_t row = 0, i, low, high;
    mst_buf_init(&file, NULL, SIZE_MAX / 4);
    assert_int_equal(write_index(NULL, page_sizes[p], &file, &err), MST_OK);
    assert_int_equal(memory_parse(NULL, file.data, file.size, &f, &err), MST_OK);
    assert_int_equal(mst_parquet_file_rows(f), 500);
    assert_int_equal(mst_parquet_file_groups(f), 2);
    assert_int_equal(mst_parquet_group_rows(f, 1), 200);
    assert_true(mst_parquet_group_bounds_i64(f, 1, "record", &low, &high));
    assert_int_equal(low, 300);
    assert_int_equal(high, 499);
    assert_false(mst_parquet_group_bounds_i64(f, 0, "box", &low, &high));
    assert_false(mst_parquet_group_bounds_i64(f, 2, "record", &low, &high));
    assert_int_equal(mst_parquet_reader_open(f, NULL, &r, &err), MST_OK);
    assert_int_equal(mst_parquet_reader_schema(r, &schema, &err), MST_OK);
    for (;;) {
      assert_int_equal(memory_next(r, file.data, file.size, &batch, &err), MST_OK);
      if (batch.release == NULL) break;
      for (i = 0; i < batch.length; i++) check_row(&schema, &batch, i, row++, file.data);
      mst_array_release(&batch);
    }
    assert_int_equal(row, 500);
    mst_schema_release(&schema);
    mst_parquet_reader_free(r);
    mst_parquet_file_unref(f);
    mst_buf_free(&file);
  }
}

static void some_columns_of_one_group(void **state) {
  static const char *const names[] = {"tags", "record"}, *const wrong[] = {"recrd"};
  static const mst_parquet_read_options beyond = {.columns = names, .n_columns = 2, .first_group = 1, .groups = 2};
  static const mst_parquet_read_options missing = {.columns = wrong, .n_columns = 1};
  static const mst_parquet_read_options second = {.columns = names, .n_columns = 2, .first_group = 1, .groups = 1};
  mst_buf file;
  mst_parquet_file *f = NULL;
  mst_parquet_reader *r = NULL;
  struct ArrowSchema schema;
  struct ArrowArray batch;
  mst_view v;
  mst_error err = {0};
  (void)state;
  mst_buf_init(&file, NULL, SIZE_MAX / 4);
  assert_int_equal(write_index(NULL, 0, &file, NULL), MST_OK);
  assert_int_equal(memory_parse(NULL, file.data, file.size, &f, NULL), MST_OK);
  assert_int_equal(mst_parquet_reader_open(f, &missing, &r, &err), MST_E_NOT_FOUND);
  assert_non_null(strstr(err.message, "record"));
  assert_int_equal(mst_parquet_reader_open(f, &beyond, &r, &err), MST_E_ARGUMENT);
  assert_int_equal(mst_parquet_reader_open(f, &second, &r, NULL), MST_OK);
  assert_int_equal(mst_parquet_reader_schema(r, &schema, NULL), MST_OK);
  assert_int_equal(schema.n_children, 2);
  assert_string_equal(schema.children[0]->name, "tags");
  assert_int_equal(memory_next(r, file.data, file.size, &batch, NULL), MST_OK);
  assert_int_equal(batch.length, 200);
  assert_int_equal(mst_batch_column(&schema, &batch, "record", "l", &v, NULL), MST_OK);
  assert_int_equal(mst_view_i64(&v, 0), 300);
  mst_array_release(&batch);
  mst_schema_release(&schema);
  mst_parquet_reader_free(r);
  mst_parquet_file_unref(f);
  mst_buf_free(&file);
}

static void metadata_says_where_it_lies(void **state) {
  mst_buf file;
  mst_parquet_file *f = NULL;
  uint64_t at = 0, need = 0;
  size_t n;
  (void)state;
  mst_buf_init(&file, NULL, SIZE_MAX / 4);
  assert_int_equal(write_index(NULL, 0, &file, NULL), MST_OK);
  /* A tail that is too short says how long it must be. */
  for (n = 12; f == NULL; n = (size_t)need) {
    assert_int_equal(mst_parquet_file_parse(NULL, file.data + file.size - n, n, file.size, &f, &need, NULL), MST_OK);
    assert_true(f != NULL || need > n);
  }
  assert_string_equal(mst_parquet_file_metadata(f, "meseta.format", &at), "gzip");
  assert_memory_equal(file.data + at, "gzip", 4);
  assert_string_equal(mst_parquet_file_metadata(f, "empty", NULL), "");
  assert_null(mst_parquet_file_metadata(f, "none", NULL));
  mst_parquet_file_unref(f);
  mst_buf_free(&file);
}

static void a_closed_writer_takes_nothing_more(void **state) {
  struct ArrowSchema schema;
  struct ArrowArray batch;
  mst_parquet_writer *w = NULL;
  mst_buf file;
  mst_parquet_sink sink = memory_sink(&file);
  (void)state;
  mst_buf_init(&file, NULL, SIZE_MAX / 4);
  assert_int_equal(mst_schema_make(NULL, columns, COLUMNS, &schema, NULL), MST_OK);
  assert_int_equal(mst_parquet_writer_open(&schema, NULL, &sink, &w, NULL), MST_OK);
  assert_int_equal(make_batch(NULL, 0, 5, &batch, NULL), MST_OK);
  assert_int_equal(mst_parquet_writer_put_group(w, &batch, 0, fill_positions, NULL, NULL),
                   MST_E_ARGUMENT); /* not plain */
  assert_null(batch.release);
  assert_int_equal(mst_parquet_writer_close(w, NULL), MST_OK);
  assert_int_equal(make_batch(NULL, 0, 5, &batch, NULL), MST_OK);
  assert_int_equal(mst_parquet_writer_put(w, &batch, NULL), MST_E_ARGUMENT);
  assert_null(batch.release);
  assert_int_equal(mst_parquet_writer_close(w, NULL), MST_E_ARGUMENT);
  mst_parquet_writer_free(w);
  mst_schema_release(&schema);
  mst_buf_free(&file);
}

static void every_allocation_may_fail(void **state) {
  mst_test_allocator a;
  mst_buf file, broken;
  mst_status status;
  uint64_t rows;
  long n;
  int persistent;
  (void)state;
  mst_buf_init(&file, NULL, SIZE_MAX / 4);
  assert_int_equal(write_index(NULL, 0, &file, NULL), MST_OK);
  for (persistent = 0; persistent < 2; persistent++) {
    for (n = 1;; n++) {
      mst_test_allocator_init(&a, n, persistent != 0);
      mst_buf_init(&broken, NULL, SIZE_MAX / 4);
      status = write_index(&a.allocator, 0, &broken, NULL);
      mst_buf_free(&broken);
      assert_int_equal(a.live_blocks, 0);
      if (!a.failed) break;
      assert_int_equal(status, MST_E_NO_MEMORY);
    }
    assert_int_equal(status, MST_OK);
    for (n = 1;; n++) {
      mst_test_allocator_init(&a, n, persistent != 0);
      status = memory_read_all(&a.allocator, file.data, file.size, &rows, NULL);
      assert_int_equal(a.live_blocks, 0);
      if (!a.failed) break;
      assert_int_equal(status, MST_E_NO_MEMORY);
    }
    assert_int_equal(status, MST_OK);
    assert_int_equal(rows, 500);
  }
  mst_buf_free(&file);
}

typedef struct full_sink {
  mst_buf *out;
  int64_t left;
} full_sink;

static mst_status put_until_full(void *self, mst_bytes *bytes, mst_error *err) {
  full_sink *f = self;
  mst_status status = MST_OK;
  f->left -= (int64_t)bytes->size;
  status = f->left < 0 ? mst_fail(err, MST_E_IO, "full") : mst_buf_put(f->out, bytes->data, bytes->size, err);
  mst_bytes_release(bytes);
  return status;
}

static mst_status write_long(mst_context *ctx, int64_t fail_after, mst_buf *out, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowSchema schema = {0};
  struct ArrowArray batch = {0};
  mst_parquet_writer *w = NULL;
  full_sink full = {.out = out, .left = fail_after};
  mst_parquet_sink sink = {.self = &full, .put = put_until_full};
  mst_parquet_column_options bloom = {.name = "record", .bloom = true};
  mst_parquet_writer_options options = {
      .ctx = ctx, .codec = MST_PARQUET_ZSTD, .columns = &bloom, .n_columns = 1, .row_group_rows = 700, .page_rows = 90};
  int64_t i;
  MST_TRY(mst_schema_make(NULL, columns, COLUMNS, &schema, err));
  MST_TRY(mst_parquet_writer_open(&schema, &options, &sink, &w, err));
  for (i = 0; i < 12; i++) {
    MST_TRY(make_batch(NULL, 500 * i, 500, &batch, err));
    MST_TRY(mst_parquet_writer_put(w, &batch, err));
    if (i == 7) MST_TRY(mst_parquet_writer_flush(w, err));
  }
  MST_TRY(mst_parquet_writer_close(w, err));
done:
  mst_array_release(&batch);
  mst_schema_release(&schema);
  mst_parquet_writer_free(w);
  return status;
}

/* However many threads encode, the bytes are the same, and a sink that fails ends all of them. */
static void threads_write_the_same_bytes(void **state) {
  mst_context_options options = MST_CONTEXT_OPTIONS_INIT;
  mst_context *ctx = NULL;
  mst_buf alone, together;
  uint64_t rows;
  int64_t room;
  mst_error err;
  (void)state;
  options.cpu_threads = 3;
  assert_int_equal(mst_context_open(&options, &ctx, NULL), MST_OK);
  mst_buf_init(&alone, NULL, SIZE_MAX / 4);
  mst_buf_init(&together, NULL, SIZE_MAX / 4);
  assert_int_equal(write_long(NULL, INT64_MAX, &alone, NULL), MST_OK);
  assert_int_equal(write_long(ctx, INT64_MAX, &together, NULL), MST_OK);
  assert_int_equal(alone.size, together.size);
  assert_memory_equal(alone.data, together.data, alone.size);
  assert_int_equal(memory_read_all(NULL, together.data, together.size, &rows, NULL), MST_OK);
  assert_int_equal(rows, 6000);
  for (room = 0; room < (int64_t)alone.size; room += 1 + (int64_t)alone.size / 23) {
    mst_buf_clear(&together);
    assert_int_equal(write_long(ctx, room, &together, &err), MST_E_IO);
  }
  mst_buf_free(&alone);
  mst_buf_free(&together);
  mst_context_unref(ctx);
}

/* Every byte of a small file in turn becomes another: an error, or values, but nothing worse. */
static void flipped_bytes_do_no_harm(void **state) {
  mst_buf file;
  size_t i;
  uint64_t rows;
  (void)state;
  mst_buf_init(&file, NULL, SIZE_MAX / 4);
  assert_int_equal(write_index(NULL, 700, &file, NULL), MST_OK);
  for (i = 0; i < file.size; i += i < 200 || i > file.size - 3000 ? 1 : 37) {
    uint8_t saved = file.data[i];
    file.data[i] = (uint8_t)(saved ^ (1u << (i % 8)));
    memory_read_all(NULL, file.data, file.size, &rows, NULL);
    file.data[i] = (uint8_t)~saved;
    memory_read_all(NULL, file.data, file.size, &rows, NULL);
    file.data[i] = saved;
  }
  mst_buf_free(&file);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_index_comes_back),          cmocka_unit_test(some_columns_of_one_group),
      cmocka_unit_test(metadata_says_where_it_lies),  cmocka_unit_test(a_closed_writer_takes_nothing_more),
      cmocka_unit_test(every_allocation_may_fail),    cmocka_unit_test(flipped_bytes_do_no_harm),
      cmocka_unit_test(threads_write_the_same_bytes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
