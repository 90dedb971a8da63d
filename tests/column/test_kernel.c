/* tests/column/test_kernel.c - kernels on random columns of every layout against the same work done cell by cell. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "column/cells.h"
#include "support/support.h"

enum { ROWS_MAX = 200 };

static const char *const formats[] = {
    "c",   "s",    "i",   "l",   "C",   "S",   "I",     "L",        "e",         "f",          "g",
    "b",   "u",    "U",   "vu",  "z",   "Z",   "vz",    "w:2",      "tdD",       "tdm",        "tts",
    "ttn", "tsu:", "tDs", "tDn", "tiM", "tiD", "d:9,2", "d:9,2,32", "d:15,2,64", "d:70,2,256", "n"};
enum { FORMATS = sizeof formats / sizeof formats[0] };

typedef struct column {
  const char *format;
  cell_style style;
  size_t n;
  cell cells[ROWS_MAX];
  struct ArrowSchema schema;
  struct ArrowArray array;
} column;

static void make_column(column *c, const char *format, size_t n) {
  const bool nullable = cell_below(3) > 0;
  c->format = format;
  c->n = n;
  for (size_t i = 0; i < n; i++) c->cells[i] = cell_any(format, nullable);
  cells_make("v", format, c->style, c->cells, n, &c->schema, &c->array);
}

static void free_column(column *c) {
  mst_array_release(&c->array);
  mst_schema_release(&c->schema);
}

static size_t any_length(void) { return cell_below(6) == 0 ? cell_below(3) : cell_below(ROWS_MAX); }

static void check_cells(const column *like, const struct ArrowArray *got, const cell *want, size_t n) {
  uint64_t bytes;
  mst_error err;
  assert_int_equal(got->length, n);
  if (mst_array_check(&like->schema, got, &bytes, &err) != MST_OK) fail_msg("%s", err.message);
  for (size_t i = 0; i < n; i++) {
    const cell c = cell_at(&like->schema, got, (int64_t)i);
    if (!cell_same(like->format, &c, &want[i]))
      fail_msg("%s, style %d: row %zu of %zu", like->format, like->style, i, n);
  }
}

/* ---- bits -----------------------------------------------------------------------------------------------------------
 */

static void bits_in_and_out(void **state) {
  uint8_t bitmap[64], back[64];
  uint64_t bits[8];
  int64_t rows[300];
  (void)state;
  for (int round = 0; round < 2000; round++) {
    const size_t n = cell_below(300), offset = cell_below(100);
    size_t count = 0, k = 0;
    for (size_t i = 0; i < sizeof bitmap; i++) bitmap[i] = cell_below(4) == 0 ? 0xff : (uint8_t)cell_random();
    mst_bits_load(bitmap, (int64_t)offset, n, bits);
    for (size_t i = 0; i < n; i++) {
      const size_t at = offset + i;
      assert_int_equal(mst_bits_get(bits, i), bitmap[at / 8] >> (at % 8) & 1);
      count += mst_bits_get(bits, i);
    }
    if (n % 64 != 0) assert_int_equal(bits[n / 64] >> (n % 64), 0);
    assert_int_equal(mst_bits_count(bits, n), count);
    assert_int_equal(mst_bits_rows(bits, n, rows), count);
    for (size_t i = 0; i < n; i++)
      if (mst_bits_get(bits, i)) assert_int_equal(rows[k++], i);
    mst_bits_store(bits, n, back);
    for (size_t i = 0; i < n; i++) assert_int_equal(back[i / 8] >> (i % 8) & 1, mst_bits_get(bits, i));
    mst_bits_not(bits, n);
    assert_int_equal(mst_bits_count(bits, n), n - count);
  }
}

/* ---- comparing
 * -------------------------------------------------------------------------------------------------------- */

/* Each set of loops gives the portable one's bits, for every type, operator and length. */
static void compare_sets_agree(void **state) {
  const mst_compare_kernels *plain = mst_compare_kernels_find("portable"), *best = mst_compare_kernels_best();
  union {
    uint8_t bytes[8 * 300];
    int64_t i64[300];
    double f64[300];
    float f32[600];
  } data;
  uint64_t a[8], b[8];
  (void)state;
  assert_null(mst_compare_kernels_find("none"));
  for (int round = 0; round < 1500; round++) {
    const size_t n = cell_below(290);
    const mst_compare_op op = (mst_compare_op)cell_below(6);
    for (size_t i = 0; i < sizeof data.bytes; i++) data.bytes[i] = (uint8_t)(cell_below(3) == 0 ? 0xff : cell_below(3));
    if (round % 2 == 0) data.f64[5] = (double)NAN;
    if (round % 2 == 0) data.f32[9] = NAN;
#define AGREE(member, type)                                      \
  do {                                                           \
    type with;                                                   \
    const type *values = (const type *)(const void *)data.bytes; \
    memcpy(&with, values + cell_below(200), sizeof with);        \
    plain->member(values, n, op, with, a);                       \
    best->member(values, n, op, with, b);                        \
    assert_memory_equal(a, b, MST_BITS_WORDS(n) * 8);            \
    for (size_t i = 0; i < n; i++) {                             \
      const type v = values[i];                                  \
      const bool truth = op == MST_EQ   ? v == with              \
                         : op == MST_NE ? v != with              \
                         : op == MST_LT ? v < with               \
                         : op == MST_LE ? v <= with              \
                         : op == MST_GT ? v > with               \
                                        : v >= with;             \
      assert_int_equal(mst_bits_get(a, i), truth);               \
    }                                                            \
  } while (0)
    AGREE(i8, int8_t);
    AGREE(u8, uint8_t);
    AGREE(i16, int16_t);
    AGREE(u16, uint16_t);
    AGREE(i32, int32_t);
    AGREE(u32, uint32_t);
    AGREE(i64, int64_t);
    AGREE(u64, uint64_t);
    AGREE(f32, float);
    AGREE(f64, double);
  }
}

/* ---- choosing and joining
 * ---------------------------------------------------------------------------------------------- */

static void filter_keeps_rows(void **state) {
  (void)state;
  for (int round = 0; round < 3000; round++) {
    column c = {.style = cell_below(2) == 0 ? CELLS_PLAIN : CELLS_CODED};
    uint64_t bits[MST_BITS_WORDS(ROWS_MAX)];
    cell want[ROWS_MAX];
    struct ArrowArray out;
    size_t n = 0;
    make_column(&c, formats[cell_below(FORMATS)], any_length());
    for (size_t i = 0; i < MST_BITS_WORDS(c.n); i++) bits[i] = cell_below(4) == 0 ? UINT64_MAX : cell_random();
    if (c.n % 64 != 0) bits[c.n / 64] &= mst_mask_low((unsigned)(c.n % 64));
    for (size_t i = 0; i < c.n; i++)
      if (mst_bits_get(bits, i)) want[n++] = c.cells[i];
    assert_int_equal(mst_array_filter(NULL, &c.schema, &c.array, bits, &out, NULL), MST_OK);
    check_cells(&c, &out, want, n);
    mst_array_release(&out);
    free_column(&c);
  }
}

static void gather_takes_rows(void **state) {
  (void)state;
  for (int round = 0; round < 3000; round++) {
    column c = {.style = cell_below(2) == 0 ? CELLS_PLAIN : CELLS_CODED};
    int64_t rows[ROWS_MAX];
    cell want[ROWS_MAX];
    struct ArrowArray out;
    const size_t n = any_length();
    const bool gaps = cell_below(2) == 0;
    make_column(&c, formats[cell_below(FORMATS)], any_length());
    for (size_t i = 0; i < n; i++) {
      rows[i] = c.n == 0 || (gaps && cell_below(5) == 0) ? -1 : (int64_t)cell_below(c.n);
      want[i] = rows[i] < 0 ? (cell){.null = true} : c.cells[rows[i]];
    }
    assert_int_equal(mst_array_gather(NULL, &c.schema, &c.array, rows, (int64_t)n, &out, NULL), MST_OK);
    check_cells(&c, &out, want, n);
    mst_array_release(&out);
    free_column(&c);
  }
}

static void concat_keeps_order(void **state) {
  enum { PARTS = 4 };
  (void)state;
  for (int round = 0; round < 3000; round++) {
    const char *format = formats[cell_below(FORMATS)];
    const cell_style style = cell_below(3) == 0 ? CELLS_CODED : CELLS_PLAIN;
    const size_t n_parts = cell_below(PARTS + 1);
    column parts[PARTS + 1];
    const struct ArrowArray *list[PARTS];
    static cell want[PARTS * ROWS_MAX];
    struct ArrowArray out;
    mst_error err;
    size_t n = 0;
    for (size_t k = 0; k <= n_parts; k++) {
      parts[k].style = style;
      make_column(&parts[k], format, cell_below(ROWS_MAX / 4));
      if (k == n_parts) break; /* one more, for its schema */
      list[k] = &parts[k].array;
      memcpy(want + n, parts[k].cells, parts[k].n * sizeof *want);
      n += parts[k].n;
    }
    if (mst_array_concat(NULL, &parts[n_parts].schema, list, n_parts, &out, &err) != MST_OK)
      fail_msg("%s: %s", format, err.message);
    check_cells(&parts[n_parts], &out, want, n);
    mst_array_release(&out);
    for (size_t k = 0; k <= n_parts; k++) free_column(&parts[k]);
  }
}

/* ---- nested columns: through their JSON text
 * ----------------------------------------------------------------------------- */

static const mst_field point[] = {{"x", "i", true, NULL, 0}, {"t", "u", true, NULL, 0}};
static const mst_field item[] = {{"item", "+s", true, point, 2}};
static const mst_field number[] = {{"item", "i", true, NULL, 0}};
static const mst_field nested_fields[] = {
    {"l", "+l", true, item, 1}, {"s", "+s", true, point, 2}, {"n", "+L", true, number, 1}, {"b", "b", true, NULL, 0}};

static void put_point(mst_builder *b) {
  if (cell_below(5) == 0) {
    mst_builder_null(b, NULL);
    return;
  }
  if (cell_below(4) == 0) mst_builder_null(mst_builder_child(b, 0), NULL);
  else mst_builder_i64(mst_builder_child(b, 0), (int64_t)cell_below(100), NULL);
  mst_builder_bytes(mst_builder_child(b, 1), "abcdefghijklmnopqrst", cell_below(20), NULL);
  mst_builder_close(b, NULL);
}

static void make_nested(size_t n, struct ArrowSchema *schema, struct ArrowArray *batch) {
  mst_builder *b[4];
  assert_int_equal(mst_schema_make(NULL, nested_fields, 4, schema, NULL), MST_OK);
  for (int k = 0; k < 4; k++) assert_int_equal(mst_builder_new(NULL, &nested_fields[k], &b[k], NULL), MST_OK);
  for (size_t i = 0; i < n; i++) {
    if (cell_below(5) == 0) mst_builder_null(b[0], NULL);
    else {
      for (uint64_t k = cell_below(4); k > 0; k--) put_point(mst_builder_child(b[0], 0));
      mst_builder_close(b[0], NULL);
    }
    put_point(b[1]);
    if (cell_below(5) == 0) mst_builder_null(b[2], NULL);
    else {
      for (uint64_t k = cell_below(4); k > 0; k--)
        mst_builder_i64(mst_builder_child(b[2], 0), (int64_t)cell_below(9), NULL);
      mst_builder_close(b[2], NULL);
    }
    mst_builder_bool(b[3], cell_below(2) == 0, NULL);
  }
  assert_int_equal(mst_batch_take(NULL, b, 4, batch, NULL), MST_OK);
  for (int k = 0; k < 4; k++) mst_builder_free(b[k]);
}

static void put_rows(const struct ArrowSchema *schema, const struct ArrowArray *batch, int64_t first, int64_t n,
                     mst_buf *out) {
  mst_error err;
  if (mst_jsonl_put_rows(schema, batch, first, n, out, &err) != MST_OK) fail_msg("%s", err.message);
}

static void nested_columns(void **state) {
  (void)state;
  for (int round = 0; round < 300; round++) {
    struct ArrowSchema schema;
    struct ArrowArray batch, half, back;
    const struct ArrowArray *list[2] = {&half, &batch};
    const size_t n = cell_below(150);
    uint64_t bits[4] = {0};
    mst_buf want, got;
    mst_buf_init(&want, NULL, 1 << 24);
    mst_buf_init(&got, NULL, 1 << 24);
    make_nested(n, &schema, &batch);
    for (size_t i = 0; i < n; i++) {
      bits[i / 64] |= (uint64_t)(cell_below(2) == 0) << (i % 64);
      if (mst_bits_get(bits, i)) put_rows(&schema, &batch, (int64_t)i, 1, &want);
    }
    assert_int_equal(mst_array_filter(NULL, &schema, &batch, bits, &half, NULL), MST_OK);
    put_rows(&schema, &half, 0, half.length, &got);
    assert_string_equal(mst_buf_text(&want), mst_buf_text(&got));
    if (half.length > 3) { /* a part of a batch */
      mst_buf_clear(&want);
      half.offset += 2;
      half.length -= 3;
      put_rows(&schema, &half, 0, half.length, &want);
    }
    put_rows(&schema, &batch, 0, batch.length, &want);
    mst_buf_clear(&got);
    assert_int_equal(mst_array_concat(NULL, &schema, list, 2, &back, NULL), MST_OK);
    put_rows(&schema, &back, 0, back.length, &got);
    assert_string_equal(mst_buf_text(&want), mst_buf_text(&got));
    mst_array_release(&back);
    mst_array_release(&half);
    mst_array_release(&batch);
    mst_schema_release(&schema);
    mst_buf_free(&want);
    mst_buf_free(&got);
  }
}

/* ---- keys
 * ----------------------------------------------------------------------------------------------------------------- */

typedef struct table {
  column columns[3];
  int n_columns;
  size_t rows;
  struct ArrowSchema schema;
  struct ArrowArray batch;
} table;

static void make_table(table *t) {
  struct ArrowSchema fields[3];
  struct ArrowArray arrays[3];
  t->n_columns = 1 + (int)cell_below(3);
  t->rows = any_length();
  for (int k = 0; k < t->n_columns; k++) {
    column *c = &t->columns[k];
    c->style = (cell_style)cell_below(3);
    make_column(c, formats[cell_below(FORMATS)], t->rows);
    fields[k] = c->schema;
    arrays[k] = c->array;
  }
  cells_batch(fields, arrays, (size_t)t->n_columns, (int64_t)t->rows, &t->schema, &t->batch);
}

static void free_table(table *t) {
  mst_array_release(&t->batch);
  mst_schema_release(&t->schema);
}

static int order_cells(const char *format, const cell *a, const cell *b) {
  mst_type type;
  int order;
  mst_type_parse(format, &type, NULL);
  switch (mst_type_scalar(&type)) {
  case MST_SCALAR_DOUBLE:
    if (isnan(a->f) || isnan(b->f)) return isnan(a->f) - isnan(b->f);
    return (a->f > b->f) - (a->f < b->f);
  case MST_SCALAR_BYTES:
    if (type.kind == MST_KIND_MONTHS) return (mst_le32(a->s) > mst_le32(b->s)) - (mst_le32(a->s) < mst_le32(b->s));
    order = memcmp(a->s, b->s, a->n < b->n ? a->n : b->n);
    return order != 0 ? order : (a->n > b->n) - (a->n < b->n);
  case MST_SCALAR_UINT: return ((uint64_t)a->i > (uint64_t)b->i) - ((uint64_t)a->i < (uint64_t)b->i);
  default: return (a->i > b->i) - (a->i < b->i);
  }
}

static int order_rows(const table *t, const mst_sort_key *by, int n_by, size_t a, size_t b) {
  for (int k = 0; k < n_by; k++) {
    const column *c = &t->columns[by[k].column];
    const cell *x = &c->cells[a], *y = &c->cells[b];
    int order;
    if (x->null || y->null) order = (x->null - y->null) * (by[k].nulls_first ? -1 : 1);
    else order = order_cells(c->format, x, y) * (by[k].descending ? -1 : 1);
    if (order != 0) return order;
  }
  return 0;
}

static void sorted_rows(void **state) {
  (void)state;
  for (int round = 0; round < 3000; round++) {
    table t;
    mst_sort_key by[4];
    const int n_by = 1 + (int)cell_below(3);
    int64_t rows[ROWS_MAX];
    mst_error err;
    make_table(&t);
    for (int k = 0; k < n_by; k++)
      by[k] = (mst_sort_key){(int32_t)cell_below((uint64_t)t.n_columns), cell_below(2) == 0, cell_below(2) == 0};
    if (mst_sort_rows(NULL, &t.schema, &t.batch, by, (size_t)n_by, rows, &err) != MST_OK) fail_msg("%s", err.message);
    for (size_t i = 1; i < t.rows; i++) {
      const int order = order_rows(&t, by, n_by, (size_t)rows[i - 1], (size_t)rows[i]);
      if (order > 0 || (order == 0 && rows[i - 1] > rows[i]))
        fail_msg("%s: rows %lld and %lld are out of order", t.columns[by[0].column].format, (long long)rows[i - 1],
                 (long long)rows[i]);
    }
    free_table(&t);
  }
}

static void sort_refuses(void **state) {
  struct ArrowSchema schema;
  struct ArrowArray batch;
  const mst_sort_key list = {.column = 0}, field = {.column = 1}, none = {.column = 9};
  int64_t rows[20];
  (void)state;
  make_nested(10, &schema, &batch);
  assert_int_equal(mst_sort_rows(NULL, &schema, &batch, &list, 1, rows, NULL), MST_E_UNSUPPORTED);
  assert_int_equal(mst_sort_rows(NULL, &schema, &batch, &none, 1, rows, NULL), MST_E_ARGUMENT);
  assert_int_equal(mst_sort_rows(NULL, &schema, &batch, &field, 1, rows, NULL), MST_OK);
  mst_array_release(&batch);
  mst_schema_release(&schema);
}

static bool rows_same(const table *t, const int32_t *columns, int n, size_t a, size_t b) {
  for (int k = 0; k < n; k++) {
    const column *c = &t->columns[columns[k]];
    if (!cell_same(c->format, &c->cells[a], &c->cells[b])) return false;
  }
  return true;
}

static void groups_and_hashes(void **state) {
  (void)state;
  for (int round = 0; round < 2000; round++) {
    table t;
    int32_t columns[2];
    const int n = 1 + (int)cell_below(2);
    uint32_t ids[ROWS_MAX], again[ROWS_MAX];
    uint64_t hashes[ROWS_MAX], changes[MST_BITS_WORDS(ROWS_MAX)];
    const int64_t *firsts;
    mst_grouper *g = NULL;
    size_t groups = 0;
    make_table(&t);
    for (int k = 0; k < n; k++) columns[k] = (int32_t)cell_below((uint64_t)t.n_columns);
    assert_int_equal(mst_grouper_new(NULL, &t.schema, columns, (size_t)n, &g, NULL), MST_OK);
    assert_int_equal(mst_grouper_find(g, &t.batch, again, NULL), MST_OK);
    for (size_t i = 0; i < t.rows; i++) assert_int_equal(again[i], UINT32_MAX);
    assert_int_equal(mst_grouper_put(g, &t.batch, ids, &firsts, NULL), MST_OK);
    assert_int_equal(mst_hash_rows(NULL, &t.schema, &t.batch, columns, (size_t)n, hashes, NULL), MST_OK);
    assert_int_equal(mst_row_changes(NULL, &t.schema, &t.batch, columns, (size_t)n, changes, NULL), MST_OK);
    for (size_t i = 0; i < t.rows; i++) {
      size_t first = 0;
      while (!rows_same(&t, columns, n, first, i)) first++;
      if (first == i) {
        assert_int_equal(firsts[groups], i);
        assert_int_equal(ids[i], groups++);
      }
      assert_int_equal(ids[i], ids[first]);
      assert_true(hashes[i] == hashes[first]);
      assert_int_equal(mst_bits_get(changes, i), i == 0 || !rows_same(&t, columns, n, i, i - 1));
    }
    assert_int_equal(mst_grouper_count(g), groups);
    assert_int_equal(mst_grouper_put(g, &t.batch, again, NULL, NULL), MST_OK);
    assert_memory_equal(ids, again, t.rows * sizeof *ids);
    assert_int_equal(mst_grouper_find(g, &t.batch, again, NULL), MST_OK);
    assert_memory_equal(ids, again, t.rows * sizeof *ids);
    assert_int_equal(mst_grouper_count(g), groups);
    mst_grouper_free(g);
    free_table(&t);
  }
}

/* What buckets are chosen by must not change from release to release. */
static void hashes_stay(void **state) {
  column numbers = {.format = "l"}, narrow = {.format = "c"}, texts = {.format = "u"},
         large = {.format = "U", .style = CELLS_CODED};
  cell cells[3] = {{.i = 42, .s = "meseta", .n = 6}, {.i = -1, .n = 0}, {.null = true}};
  column *all[] = {&numbers, &narrow, &texts, &large};
  uint64_t hashes[4][3];
  (void)state;
  for (int k = 0; k < 4; k++) {
    struct ArrowSchema schema;
    struct ArrowArray batch;
    const int32_t zero = 0;
    cells_make("v", all[k]->format, all[k]->style, cells, 3, &all[k]->schema, &all[k]->array);
    cells_batch(&all[k]->schema, &all[k]->array, 1, 3, &schema, &batch);
    assert_int_equal(mst_hash_rows(NULL, &schema, &batch, &zero, 1, hashes[k], NULL), MST_OK);
    mst_array_release(&batch);
    mst_schema_release(&schema);
  }
  assert_memory_equal(hashes[0], hashes[1], sizeof hashes[0]);
  assert_memory_equal(hashes[2], hashes[3], sizeof hashes[0]);
  assert_true(hashes[0][0] == UINT64_C(0x7710121f978c3556));
  assert_true(hashes[2][0] == UINT64_C(0x46852c47f37885bf));
  assert_true(hashes[0][2] == UINT64_C(0x941d9de59c5dc9af) && hashes[2][2] == hashes[0][2]);
}

static void dictionaries(void **state) {
  (void)state;
  for (int round = 0; round < 1500; round++) {
    column c = {.style = CELLS_PLAIN};
    struct ArrowSchema schema;
    struct ArrowArray out;
    mst_error err;
    make_column(&c, formats[cell_below(FORMATS)], any_length());
    assert_int_equal(mst_schema_dictionary(NULL, &c.schema, &schema, NULL), MST_OK);
    if (mst_array_dictionary_encode(NULL, &c.schema, &c.array, &out, &err) != MST_OK)
      fail_msg("%s: %s", c.format, err.message);
    for (size_t i = 0; i < c.n; i++) {
      const cell got = cell_at(&schema, &out, (int64_t)i);
      if (!cell_same(c.format, &got, &c.cells[i])) fail_msg("%s: row %zu", c.format, i);
    }
    for (int64_t a = 0; a < out.dictionary->length; a++)
      for (int64_t b = 0; b < a; b++) {
        const cell x = cell_at(schema.dictionary, out.dictionary, a), y = cell_at(schema.dictionary, out.dictionary, b);
        assert_false(x.null || cell_same(c.format, &x, &y));
      }
    mst_array_release(&out);
    mst_schema_release(&schema);
    free_column(&c);
  }
}

/* ---- allocation faults
 * ---------------------------------------------------------------------------------------------------- */

static mst_status run_all(const mst_allocator *mem, const table *t, mst_error *err) {
  mst_status status = MST_OK;
  const mst_sort_key by = {.column = 0};
  const int32_t zero = 0;
  uint64_t bits[MST_BITS_WORDS(ROWS_MAX)] = {0x5555}, hashes[ROWS_MAX];
  uint32_t ids[ROWS_MAX];
  int64_t rows[ROWS_MAX];
  struct ArrowArray half = {0}, both = {0}, coded = {0};
  const struct ArrowArray *list[2] = {&t->batch, &t->batch};
  const column *c = &t->columns[0];
  mst_grouper *g = NULL;
  if (t->rows < 16) bits[0] &= mst_mask_low((unsigned)t->rows);
  if (c->style != CELLS_RUNS) MST_TRY(mst_array_filter(mem, &t->schema, &t->batch, bits, &half, err));
  if (c->style != CELLS_RUNS) MST_TRY(mst_array_concat(mem, &t->schema, list, 2, &both, err));
  MST_TRY(mst_sort_rows(mem, &t->schema, &t->batch, &by, 1, rows, err));
  MST_TRY(mst_hash_rows(mem, &t->schema, &t->batch, &zero, 1, hashes, err));
  MST_TRY(mst_row_changes(mem, &t->schema, &t->batch, &zero, 1, bits, err));
  MST_TRY(mst_grouper_new(mem, &t->schema, &zero, 1, &g, err));
  MST_TRY(mst_grouper_put(g, &t->batch, ids, NULL, err));
  if (c->style == CELLS_PLAIN)
    MST_TRY(mst_array_dictionary_encode(mem, t->schema.children[0], t->batch.children[0], &coded, err));
done:
  mst_grouper_free(g);
  mst_array_release(&half);
  mst_array_release(&both);
  mst_array_release(&coded);
  return status;
}

static void every_allocation_fails(void **state) {
  (void)state;
  for (int round = 0; round < 40; round++) {
    table t;
    do {
      make_table(&t);
      if (t.n_columns == 1) break;
      free_table(&t);
    } while (true);
    for (int persistent = 0; persistent < 2; persistent++) {
      for (long n = 1;; n++) {
        mst_test_allocator a;
        mst_error err = {0};
        mst_status status;
        mst_test_allocator_init(&a, n, persistent != 0);
        status = run_all(&a.allocator, &t, &err);
        assert_int_equal(a.live_blocks, 0);
        if (!a.failed) {
          if (status != MST_OK) fail_msg("%s", err.message);
          break;
        }
        assert_int_equal(status, MST_E_NO_MEMORY);
      }
    }
    free_table(&t);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bits_in_and_out),    cmocka_unit_test(compare_sets_agree),
      cmocka_unit_test(filter_keeps_rows),  cmocka_unit_test(gather_takes_rows),
      cmocka_unit_test(concat_keeps_order), cmocka_unit_test(nested_columns),
      cmocka_unit_test(sorted_rows),        cmocka_unit_test(sort_refuses),
      cmocka_unit_test(groups_and_hashes),  cmocka_unit_test(hashes_stay),
      cmocka_unit_test(dictionaries),       cmocka_unit_test(every_allocation_fails),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
