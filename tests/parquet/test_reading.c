/* tests/parquet/test_reading.c - Reading less of a Parquet file never changes what is read: rows, conditions, limits
 * and columns over files with all kinds of row groups, pages, indexes and filters; and what it costs in requests and
 * bytes. */
#include "expr/expr.h"
#include "memory_file.h"

static const mst_field item = {.name = "item", .format = "i", .nullable = true};
static const mst_field fields[] = {
    {.name = "id", .format = "l"},
    {.name = "f", .format = "g", .nullable = true},
    {.name = "word", .format = "u", .nullable = true},
    {.name = "code", .format = "i", .nullable = true},
    {.name = "tags", .format = "+l", .nullable = true, .children = &item, .n_children = 1},
    {.name = "flag", .format = "b", .nullable = true},
};
enum { FIELDS = sizeof fields / sizeof fields[0] };

static uint64_t next_random(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return *state >> 33;
}

/* ---- files --------------------------------------------------------------------------------------------------- */

static mst_status put_f(mst_builder *b, uint64_t r, mst_error *err) {
  static const double special[] = {0.0, -0.0, 1.5, -3.25, 1e300, -1e300};
  if (r % 9 == 0) return mst_builder_null(b, err);
  if (r % 9 == 1) return mst_builder_f64(b, 0.0 / (double)(r - r), err);
  if (r % 9 < 5) return mst_builder_f64(b, special[r / 9 % 6], err);
  return mst_builder_f64(b, (double)(r % 1000) - 500, err);
}

static mst_status put_word(mst_builder *b, uint64_t r, int64_t i, mst_error *err) {
  static const char *const words[] = {"", "a", "ab", "apple", "pear", "quince", "z"};
  char text[128];
  if (r % 7 == 0) return mst_builder_null(b, err);
  if (r % 7 < 5) return mst_builder_bytes(b, words[r / 7 % 7], strlen(words[r / 7 % 7]), err);
  /* Longer than a bound that is kept whole. */
  snprintf(text, sizeof text, "%080d-%lld", (int)(r % 3), (long long)i);
  return mst_builder_bytes(b, text, strlen(text), err);
}

static mst_status put_tags(mst_builder *b, uint64_t r, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t k;
  if (r % 11 == 0) return mst_builder_null(b, err);
  for (k = 0; k < r % 4; k++) MST_TRY(mst_builder_i64(mst_builder_child(b, 0), (int64_t)k, err));
  status = mst_builder_close(b, err);
done:
  return status;
}

static mst_status make_rows(const mst_allocator *mem, uint64_t seed, int64_t rows, struct ArrowArray *out,
                            mst_error *err) {
  mst_status status = MST_OK;
  mst_builder *b[FIELDS] = {0};
  uint64_t s = seed;
  int64_t i;
  size_t k;
  for (k = 0; k < FIELDS; k++) MST_TRY(mst_builder_new(mem, &fields[k], &b[k], err));
  for (i = 0; i < rows; i++) {
    /* Some stretches are all null, or without nulls, so that pages and row groups can be ruled out. */
    uint64_t r = next_random(&s), stretch = (uint64_t)i / 40 % 3;
    MST_TRY(mst_builder_i64(b[0], i, err));
    MST_TRY(stretch == 0 ? mst_builder_null(b[1], err) : put_f(b[1], r, err));
    MST_TRY(put_word(b[2], r >> 3, i, err));
    MST_TRY(r % 5 == 0 || stretch == 1 ? mst_builder_null(b[3], err)
                                       : mst_builder_i64(b[3], i / 50 * 3 + (int64_t)(r % 3), err));
    MST_TRY(put_tags(b[4], r >> 5, err));
    MST_TRY(r % 6 == 0 ? mst_builder_null(b[5], err) : mst_builder_bool(b[5], stretch == 2, err));
  }
  status = mst_batch_take(mem, b, FIELDS, out, err);
done:
  for (k = 0; k < FIELDS; k++) mst_builder_free(b[k]);
  return status;
}

/* Every kind of file that a seed gives. */
static mst_status write_file(const mst_allocator *mem, uint64_t seed, int64_t rows, mst_buf *out, mst_error *err) {
  static const uint64_t group_rows[] = {0, 30, 100, 1000}, page_rows[] = {0, 7, 40}, page_bytes[] = {0, 100, 2000};
  static const mst_parquet_codec codecs[] = {MST_PARQUET_NONE, MST_PARQUET_ZSTD, MST_PARQUET_SNAPPY};
  mst_status status = MST_OK;
  uint64_t s = seed;
  mst_parquet_column_options columns[3] = {{.name = "word"}, {.name = "code"}, {.name = "id"}};
  mst_parquet_writer_options o = {.mem = mem, .columns = columns, .n_columns = 3};
  struct ArrowSchema schema = {0};
  struct ArrowArray batch = {0};
  mst_parquet_writer *w = NULL;
  mst_parquet_sink sink = memory_sink(out);
  o.row_group_rows = group_rows[next_random(&s) % 4];
  o.page_rows = page_rows[next_random(&s) % 3];
  o.page_bytes = page_bytes[next_random(&s) % 3];
  o.codec = codecs[next_random(&s) % 3];
  o.no_dictionary = next_random(&s) % 2 == 0;
  o.no_statistics = next_random(&s) % 4 == 0;
  columns[0].bloom = next_random(&s) % 2 == 0;
  columns[1].bloom = next_random(&s) % 2 == 0;
  columns[2].no_statistics = next_random(&s) % 4 == 0;
  MST_TRY(mst_schema_make(mem, fields, FIELDS, &schema, err));
  MST_TRY(mst_parquet_writer_open(&schema, &o, &sink, &w, err));
  MST_TRY(make_rows(mem, seed, rows, &batch, err));
  MST_TRY(mst_parquet_writer_put(w, &batch, err));
  MST_TRY(mst_parquet_writer_close(w, err));
done:
  mst_array_release(&batch);
  mst_schema_release(&schema);
  mst_parquet_writer_free(w);
  return status;
}

/* ---- reading ------------------------------------------------------------------------------------------------- */

typedef struct reading {
  mst_buf text; /* the rows as JSON Lines */
  uint64_t rows, largest;
  mst_parquet_read_facts facts;
} reading;

static mst_status read_text(const mst_allocator *mem, const mst_buf *file, const mst_parquet_read_options *o,
                            reading *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_parquet_file *f = NULL;
  mst_parquet_reader *r = NULL;
  struct ArrowSchema schema = {0};
  struct ArrowArray batch = {0};
  uint64_t bytes;
  *out = (reading){0};
  mst_buf_init(&out->text, mem, SIZE_MAX / 4);
  MST_TRY(memory_parse(mem, file->data, file->size, &f, err));
  MST_TRY(mst_parquet_reader_open(f, o, &r, err));
  MST_TRY(mst_parquet_reader_schema(r, &schema, err));
  for (;;) {
    MST_TRY(memory_next(r, file->data, file->size, &batch, err));
    if (batch.release == NULL) break;
    assert_int_equal(mst_array_check(&schema, &batch, &bytes, NULL), MST_OK);
    assert_true(batch.length > 0);
    MST_TRY(mst_jsonl_put_rows(&schema, &batch, 0, batch.length, &out->text, err));
    out->rows += (uint64_t)batch.length;
    out->largest = mst_max_u64(out->largest, (uint64_t)batch.length);
    mst_array_release(&batch);
  }
  out->facts = mst_parquet_reader_facts(r);
done:
  mst_array_release(&batch);
  mst_schema_release(&schema);
  mst_parquet_reader_free(r);
  mst_parquet_file_unref(f);
  return status;
}

static mst_where *parse(const char *text) {
  mst_where *w = NULL;
  mst_error err = {0};
  if (mst_where_parse(NULL, text, strlen(text), &w, &err) != MST_OK) fail_msg("%s: %s", text, err.message);
  return w;
}

/* The rows of the whole table that a condition keeps, evaluated row by row on what was written. */
static void expect(uint64_t seed, int64_t rows, mst_where *w, const mst_range *ranges, size_t n_ranges, uint64_t limit,
                   mst_buf *out) {
  struct ArrowSchema schema;
  struct ArrowArray batch;
  mst_predicate *p = NULL;
  uint64_t *bits = calloc(MST_BITS_WORDS(rows) + 1, sizeof *bits), given = 0;
  size_t k, i;
  assert_int_equal(mst_schema_make(NULL, fields, FIELDS, &schema, NULL), MST_OK);
  assert_int_equal(make_rows(NULL, seed, rows, &batch, NULL), MST_OK);
  mst_bits_fill(bits, (size_t)rows, true);
  if (w != NULL) {
    assert_int_equal(mst_predicate_bind(NULL, w, &schema, &p, NULL), MST_OK);
    assert_int_equal(mst_predicate_eval(p, &batch, bits, NULL), MST_OK);
  }
  for (k = 0; k < (ranges != NULL ? n_ranges : 1); k++) {
    const mst_range all = {.length = (uint64_t)rows}, *range = ranges != NULL ? &ranges[k] : &all;
    for (i = range->offset; i < range->offset + range->length; i++) {
      if (!mst_bits_get(bits, i) || (limit > 0 && given == limit)) continue;
      assert_int_equal(mst_jsonl_put_rows(&schema, &batch, (int64_t)i, 1, out, NULL), MST_OK);
      given++;
    }
  }
  mst_predicate_unref(p);
  mst_array_release(&batch);
  mst_schema_release(&schema);
  free(bits);
}

static const char *const conditions[] = {
    "id = 77",
    "id >= 100 and id < 130",
    "id in (1, 5, 250, 999)",
    "f > 400",
    "f = 0",
    "f != 0",
    "not (f < 1e200)",
    "f is nan",
    "f is null and id > 20",
    "word = 'quince'",
    "word = 'no such word'",
    "word in ('pear', 'absent') and code = 9",
    "word like 'a%'",
    "word > '00000000000000000000000000000000000000000000000000000000000000000000000000000001'",
    "word is not null and id < 60",
    "code = 4 or code = 60",
    "code between 6 and 9",
    "code != 5",
    "tags is null",
    "flag = true",
    "flag != true and id > 50",
    "id < 0",
    "id >= 0",
    "not (id >= 10)",
};
enum { CONDITIONS = sizeof conditions / sizeof conditions[0] };

static void check(const mst_buf *file, const mst_parquet_read_options *o, const mst_buf *want, const char *what,
                  uint64_t seed) {
  reading got;
  mst_error err = {0};
  if (read_text(NULL, file, o, &got, &err) != MST_OK)
    fail_msg("seed %llu, %s: %s", (unsigned long long)seed, what, err.message);
  if (got.text.size != want->size || memcmp(mst_buf_text(&got.text), mst_buf_text(want), want->size) != 0)
    fail_msg("seed %llu, %s: other rows came:\n%.2000s\nnot\n%.2000s", (unsigned long long)seed, what,
             mst_buf_text(&got.text), mst_buf_text(want));
  if (o->batch_rows > 0) assert_true(got.largest <= o->batch_rows);
  mst_buf_free(&got.text);
}

static mst_context *open_threads(uint32_t n) {
  mst_context_options options = MST_CONTEXT_OPTIONS_INIT;
  mst_context *ctx = NULL;
  options.cpu_threads = n;
  assert_int_equal(mst_context_open(&options, &ctx, NULL), MST_OK);
  return ctx;
}

static void conditions_give_the_same_rows_however_they_are_read(void **state) {
  static const uint64_t memories[] = {0, 1, 20000}, batches[] = {0, 3, 64};
  uint64_t seed, s;
  size_t k;
  mst_context *ctx = open_threads(3);
  (void)state;
  for (seed = 1; seed <= 60; seed++) {
    mst_buf file, want;
    int64_t rows = seed % 4 == 0 ? 20 : 400;
    s = seed;
    mst_buf_init(&file, NULL, SIZE_MAX / 4);
    assert_int_equal(write_file(NULL, seed, rows, &file, NULL), MST_OK);
    for (k = 0; k < CONDITIONS; k++) {
      mst_where *w = parse(conditions[k]);
      mst_parquet_read_options o = {.where = w};
      const mst_range range = {.offset = next_random(&s) % (uint64_t)rows, .length = 0};
      mst_range some = range;
      mst_buf_init(&want, NULL, SIZE_MAX / 4);
      some.length = next_random(&s) % ((uint64_t)rows - some.offset) + 1;
      o.ctx = seed % 2 == 0 ? ctx : NULL;
      o.memory = memories[next_random(&s) % 3];
      o.batch_rows = batches[next_random(&s) % 3];
      o.limit = next_random(&s) % 3 == 0 ? 1 + next_random(&s) % 20 : 0;
      if (next_random(&s) % 3 == 0) {
        o.rows = &some;
        o.n_rows = 1;
      }
      expect(seed, rows, w, o.rows, o.n_rows, o.limit, &want);
      check(&file, &o, &want, conditions[k], seed);
      o.no_pruning = true;
      check(&file, &o, &want, conditions[k], seed);
      mst_buf_free(&want);
      mst_where_unref(w);
    }
    mst_buf_free(&file);
  }
  mst_context_unref(ctx);
}

static void ranges_of_rows_are_exact(void **state) {
  static const uint64_t memories[] = {0, 1, 5000};
  uint64_t seed, s, at;
  size_t n, turn;
  (void)state;
  for (seed = 100; seed <= 140; seed++) {
    mst_buf file, want;
    s = seed;
    mst_buf_init(&file, NULL, SIZE_MAX / 4);
    assert_int_equal(write_file(NULL, seed, 300, &file, NULL), MST_OK);
    for (turn = 0; turn < 10; turn++) {
      mst_range ranges[8];
      mst_parquet_read_options o = {.rows = ranges, .memory = memories[turn % 3], .limit = turn % 4 == 3 ? 15 : 0};
      for (at = 0, n = 0; n < 8 && at < 300; n++) {
        ranges[n] = (mst_range){.offset = at + next_random(&s) % (300 - at)};
        ranges[n].length = next_random(&s) % (301 - ranges[n].offset) / (1 + next_random(&s) % 8);
        at = ranges[n].offset + ranges[n].length;
      }
      o.n_rows = n;
      mst_buf_init(&want, NULL, SIZE_MAX / 4);
      expect(seed, 300, NULL, ranges, n, o.limit, &want);
      check(&file, &o, &want, "rows", seed);
      mst_buf_free(&want);
    }
    mst_buf_free(&file);
  }
}

static void columns_of_the_condition_need_not_come_out(void **state) {
  static const char *const names[] = {"tags", "id"}, *const none[] = {NULL};
  mst_where *w = parse("word = 'pear' and code is not null");
  mst_parquet_read_options o = {.columns = names, .n_columns = 2, .where = w};
  mst_buf file;
  reading all, some, count;
  (void)state;
  mst_buf_init(&file, NULL, SIZE_MAX / 4);
  assert_int_equal(write_file(NULL, 3, 400, &file, NULL), MST_OK);
  assert_int_equal(read_text(NULL, &file, &o, &some, NULL), MST_OK);
  assert_int_equal(strncmp(mst_buf_text(&some.text), "{\"tags\":", 8), 0);
  assert_null(strstr(mst_buf_text(&some.text), "pear"));
  o.columns = NULL;
  assert_int_equal(read_text(NULL, &file, &o, &all, NULL), MST_OK);
  assert_true(all.rows > 0 && all.rows == some.rows);
  o.columns = none;
  o.n_columns = 0;
  assert_int_equal(read_text(NULL, &file, &o, &count, NULL), MST_OK);
  assert_int_equal(count.rows, all.rows);
  mst_buf_free(&all.text);
  mst_buf_free(&some.text);
  mst_buf_free(&count.text);
  mst_where_unref(w);
  mst_buf_free(&file);
}

static void what_cannot_be_read_is_said_before(void **state) {
  static const mst_range falling[] = {{.offset = 10, .length = 5}, {.offset = 12, .length = 1}},
                         beyond = {.offset = 395, .length = 6};
  mst_where *w = parse("wrod = 'pear'");
  mst_parquet_read_options o = {.where = w};
  mst_buf file;
  reading got;
  mst_error err = {0};
  (void)state;
  mst_buf_init(&file, NULL, SIZE_MAX / 4);
  assert_int_equal(write_file(NULL, 3, 400, &file, NULL), MST_OK);
  assert_int_equal(read_text(NULL, &file, &o, &got, &err), MST_E_ARGUMENT);
  assert_non_null(strstr(err.message, "wrod"));
  o = (mst_parquet_read_options){.rows = falling, .n_rows = 2};
  assert_int_equal(read_text(NULL, &file, &o, &got, &err), MST_E_ARGUMENT);
  o = (mst_parquet_read_options){.rows = &beyond, .n_rows = 1};
  assert_int_equal(read_text(NULL, &file, &o, &got, &err), MST_E_ARGUMENT);
  mst_where_unref(w);
  mst_buf_free(&file);
}

/* ---- what it costs ------------------------------------------------------------------------------------------- */

/* One row group with many pages, without dictionaries. */
static void write_large(mst_buf *out) {
  const mst_field columns[] = {
      {.name = "id", .format = "l"}, {.name = "x", .format = "g"}, {.name = "y", .format = "g"}};
  mst_parquet_writer_options o = {.page_rows = 1000, .no_dictionary = true};
  mst_builder *b[3];
  struct ArrowSchema schema;
  struct ArrowArray batch;
  mst_parquet_writer *w;
  mst_parquet_sink sink = memory_sink(out);
  uint64_t s = 1;
  int64_t i, k;
  assert_int_equal(mst_schema_make(NULL, columns, 3, &schema, NULL), MST_OK);
  assert_int_equal(mst_parquet_writer_open(&schema, &o, &sink, &w, NULL), MST_OK);
  for (k = 0; k < 3; k++) assert_int_equal(mst_builder_new(NULL, &columns[k], &b[k], NULL), MST_OK);
  for (i = 0; i < 200000; i++) {
    assert_int_equal(mst_builder_i64(b[0], i, NULL), MST_OK);
    assert_int_equal(mst_builder_f64(b[1], (double)next_random(&s), NULL), MST_OK);
    assert_int_equal(mst_builder_f64(b[2], (double)next_random(&s), NULL), MST_OK);
  }
  assert_int_equal(mst_batch_take(NULL, b, 3, &batch, NULL), MST_OK);
  assert_int_equal(mst_parquet_writer_put(w, &batch, NULL), MST_OK);
  assert_int_equal(mst_parquet_writer_close(w, NULL), MST_OK);
  mst_parquet_writer_free(w);
  mst_schema_release(&schema);
  for (k = 0; k < 3; k++) mst_builder_free(b[k]);
}

static void few_rows_cost_few_bytes(void **state) {
  const mst_range rows = {.offset = 123456, .length = 50};
  mst_where *w = parse("id >= 50100 and id < 50110");
  mst_parquet_read_options o = {.where = w};
  mst_buf file;
  reading got;
  (void)state;
  mst_buf_init(&file, NULL, SIZE_MAX / 4);
  write_large(&file);
  assert_int_equal(read_text(NULL, &file, &o, &got, NULL), MST_OK);
  assert_int_equal(got.rows, 10);
  /* One page of each column, at most about 8 bytes a row of it; indexes came with the footer. */
  assert_true(got.facts.bytes < 3 * 1000 * 8 * 12 / 10);
  assert_true(got.facts.requests <= 2);
  assert_int_equal(got.facts.rows_pruned, 199000);
  mst_buf_free(&got.text);
  o = (mst_parquet_read_options){.rows = &rows, .n_rows = 1};
  assert_int_equal(read_text(NULL, &file, &o, &got, NULL), MST_OK);
  assert_int_equal(got.rows, 50);
  assert_true(got.facts.bytes < 3 * 1000 * 8 * 12 / 10);
  assert_true(got.facts.requests <= 1);
  mst_buf_free(&got.text);
  o = (mst_parquet_read_options){.limit = 5};
  assert_int_equal(read_text(NULL, &file, &o, &got, NULL), MST_OK);
  assert_int_equal(got.rows, 5);
  assert_true(got.facts.bytes < 3 * 1000 * 8 * 12 / 10);
  mst_buf_free(&got.text);
  mst_where_unref(w);
  w = parse("id < 0");
  o = (mst_parquet_read_options){.where = w};
  assert_int_equal(read_text(NULL, &file, &o, &got, NULL), MST_OK);
  assert_int_equal(got.rows, 0);
  assert_int_equal(got.facts.bytes, 0);
  mst_buf_free(&got.text);
  mst_where_unref(w);
  mst_buf_free(&file);
}

/* Values that lie between those of a column, but are none of them: its dictionary tells. */
static void a_dictionary_rules_out_values(void **state) {
  const mst_field column = {.name = "even", .format = "l"};
  mst_parquet_writer_options options = {.page_rows = 5000};
  mst_builder *b;
  struct ArrowSchema schema;
  struct ArrowArray batch;
  mst_parquet_writer *w;
  mst_where *absent = parse("even = 501"), *present = parse("even = 500");
  mst_parquet_read_options o = {.where = absent};
  mst_buf file;
  mst_parquet_sink sink = memory_sink(&file);
  reading got;
  uint64_t s = 1;
  int64_t i;
  (void)state;
  mst_buf_init(&file, NULL, SIZE_MAX / 4);
  assert_int_equal(mst_schema_make(NULL, &column, 1, &schema, NULL), MST_OK);
  assert_int_equal(mst_parquet_writer_open(&schema, &options, &sink, &w, NULL), MST_OK);
  assert_int_equal(mst_builder_new(NULL, &column, &b, NULL), MST_OK);
  for (i = 0; i < 100000; i++)
    assert_int_equal(mst_builder_i64(b, (int64_t)(next_random(&s) % 1000) * 2, NULL), MST_OK);
  assert_int_equal(mst_batch_take(NULL, &b, 1, &batch, NULL), MST_OK);
  assert_int_equal(mst_parquet_writer_put(w, &batch, NULL), MST_OK);
  assert_int_equal(mst_parquet_writer_close(w, NULL), MST_OK);
  assert_int_equal(read_text(NULL, &file, &o, &got, NULL), MST_OK);
  assert_int_equal(got.rows, 0);
  assert_int_equal(got.facts.rows_pruned, 100000);
  assert_int_equal(got.facts.pages, 0);
  assert_true(got.facts.bytes < 10000);
  mst_buf_free(&got.text);
  o.where = present;
  assert_int_equal(read_text(NULL, &file, &o, &got, NULL), MST_OK);
  assert_true(got.rows > 50 && got.facts.bytes < file.size); /* the dictionary is read once */
  mst_buf_free(&got.text);
  mst_where_unref(absent);
  mst_where_unref(present);
  mst_parquet_writer_free(w);
  mst_builder_free(b);
  mst_schema_release(&schema);
  mst_buf_free(&file);
}

static void threads_give_the_same_batches(void **state) {
  mst_context *ctx = open_threads(4);
  mst_parquet_read_options o = {.batch_rows = 7000}, verify = {.verify = true, .ctx = ctx};
  mst_buf file;
  reading one, many;
  (void)state;
  mst_buf_init(&file, NULL, SIZE_MAX / 4);
  write_large(&file);
  assert_int_equal(read_text(NULL, &file, &o, &one, NULL), MST_OK);
  o.ctx = ctx;
  assert_int_equal(read_text(NULL, &file, &o, &many, NULL), MST_OK);
  assert_int_equal(one.rows, 200000);
  assert_int_equal(one.text.size, many.text.size);
  assert_memory_equal(one.text.data, many.text.data, one.text.size);
  mst_buf_free(&one.text);
  mst_buf_free(&many.text);
  assert_int_equal(read_text(NULL, &file, &verify, &one, NULL), MST_OK);
  mst_buf_free(&one.text);
  mst_context_unref(ctx);
  mst_buf_free(&file);
}

static void a_small_budget_is_kept(void **state) {
  mst_parquet_read_options o = {.memory = 1 << 20};
  mst_test_allocator a;
  mst_buf file;
  reading got;
  mst_parquet_file *f = NULL;
  mst_parquet_reader *r = NULL;
  struct ArrowArray batch;
  uint64_t rows = 0;
  const mst_range *need;
  size_t n_need, i;
  mst_bytes given[16];
  (void)state;
  mst_buf_init(&file, NULL, SIZE_MAX / 4);
  write_large(&file);
  assert_int_equal(read_text(NULL, &file, &o, &got, NULL), MST_OK);
  assert_int_equal(got.rows, 200000);
  mst_buf_free(&got.text);
  /* No step asks for more than it, and what is decoded does not grow with the file. */
  mst_test_allocator_init(&a, 0, false);
  assert_int_equal(memory_parse(&a.allocator, file.data, file.size, &f, NULL), MST_OK);
  assert_int_equal(mst_parquet_reader_open(f, &o, &r, NULL), MST_OK);
  for (n_need = 0;;) {
    size_t n_given = n_need;
    uint64_t bytes = 0;
    assert_int_equal(mst_parquet_reader_step(r, given, n_given, &need, &n_need, &batch, NULL), MST_OK);
    if (n_need == 0 && batch.release == NULL) break;
    if (batch.release != NULL) rows += (uint64_t)batch.length;
    assert_true(a.peak_bytes < 16 << 20); /* slabs of batches, too */
    if (batch.release != NULL) mst_array_release(&batch);
    assert_true(n_need <= 16);
    for (i = 0; i < n_need; i++) {
      given[i] = mst_bytes_borrow(file.data + need[i].offset, (size_t)need[i].length);
      bytes += need[i].length;
    }
    assert_true(bytes <= (1 << 20));
  }
  assert_int_equal(rows, 200000);
  mst_parquet_reader_free(r);
  mst_parquet_file_unref(f);
  assert_int_equal(a.live_blocks, 0);
  mst_buf_free(&file);
}

/* ---- damage and faults --------------------------------------------------------------------------------------- */

/* Whatever becomes of a byte: the same rows, or an error that says where. */
static void damage_is_no_other_answer(void **state) {
  static const char *const texts[] = {"id >= 100 and id < 130", "word = 'quince'"};
  uint64_t s = 5;
  size_t turn, k;
  (void)state;
  for (k = 0; k < 2; k++) {
    mst_where *w = parse(texts[k]);
    mst_parquet_read_options o = {.where = w}, verify = {.verify = true};
    for (turn = 0; turn < 400; turn++) {
      mst_buf file;
      reading got;
      mst_error err = {.offset = -1};
      mst_buf_init(&file, NULL, SIZE_MAX / 4);
      assert_int_equal(write_file(NULL, 2 + turn % 7, 200, &file, NULL), MST_OK);
      file.data[next_random(&s) % file.size] ^= (uint8_t)(1u << next_random(&s) % 8);
      read_text(NULL, &file, &o, &got, &err);
      mst_buf_free(&got.text);
      read_text(NULL, &file, &verify, &got, &err);
      mst_buf_free(&got.text);
      mst_buf_free(&file);
    }
    mst_where_unref(w);
  }
}

static void what_was_written_is_found_good(void **state) {
  uint64_t seed;
  (void)state;
  for (seed = 1; seed <= 40; seed++) {
    mst_parquet_read_options o = {.verify = true, .memory = seed % 2 == 0 ? 0 : 1};
    mst_error err = {0};
    mst_buf file;
    reading got;
    mst_buf_init(&file, NULL, SIZE_MAX / 4);
    assert_int_equal(write_file(NULL, seed, 300, &file, NULL), MST_OK);
    if (read_text(NULL, &file, &o, &got, &err) != MST_OK)
      fail_msg("seed %llu: %s", (unsigned long long)seed, err.message);
    assert_int_equal(got.rows, 0);
    assert_int_equal(got.facts.rows, 300);
    assert_true(got.facts.pages > 0);
    mst_buf_free(&got.text);
    mst_buf_free(&file);
  }
}

static void every_allocation_may_fail(void **state) {
  mst_where *w = parse("id >= 100 and word = 'quince'");
  mst_parquet_read_options options[] = {{.where = w, .batch_rows = 50}, {.verify = true}, {.limit = 3}};
  mst_test_allocator a;
  mst_buf file;
  reading got;
  mst_status status;
  size_t k;
  long n;
  (void)state;
  mst_buf_init(&file, NULL, SIZE_MAX / 4);
  assert_int_equal(write_file(NULL, 6, 200, &file, NULL), MST_OK);
  for (k = 0; k < 6; k++) {
    for (n = 1;; n++) {
      mst_test_allocator_init(&a, n, k >= 3);
      status = read_text(&a.allocator, &file, &options[k % 3], &got, NULL);
      mst_buf_free(&got.text);
      assert_int_equal(a.live_blocks, 0);
      if (!a.failed) break;
      assert_true(status == MST_E_NO_MEMORY ||
                  status == MST_OK); /* a filter that could not be asked rules nothing out */
    }
    assert_int_equal(status, MST_OK);
  }
  mst_where_unref(w);
  mst_buf_free(&file);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(conditions_give_the_same_rows_however_they_are_read),
      cmocka_unit_test(ranges_of_rows_are_exact),
      cmocka_unit_test(columns_of_the_condition_need_not_come_out),
      cmocka_unit_test(what_cannot_be_read_is_said_before),
      cmocka_unit_test(few_rows_cost_few_bytes),
      cmocka_unit_test(a_dictionary_rules_out_values),
      cmocka_unit_test(threads_give_the_same_batches),
      cmocka_unit_test(a_small_budget_is_kept),
      cmocka_unit_test(damage_is_no_other_answer),
      cmocka_unit_test(what_was_written_is_found_good),
      cmocka_unit_test(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
