/* tests/column/cells.c - see cells.h. */
#include "column/cells.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"

uint64_t cell_seed = 88172645463325252u;

uint64_t cell_random(void) {
  cell_seed ^= cell_seed << 13;
  cell_seed ^= cell_seed >> 7;
  cell_seed ^= cell_seed << 17;
  return cell_seed;
}

uint64_t cell_below(uint64_t n) { return cell_random() % n; }

static mst_type type_of(const char *format) {
  mst_type type;
  assert_int_equal(mst_type_parse(format, &type, NULL), MST_OK);
  return type;
}

static int64_t any_integer(const mst_type *type) {
  const uint64_t top = type->width == 8 ? INT64_MAX : (UINT64_C(1) << (8 * type->width - 1)) - 1;
  const bool is_signed = mst_type_is_signed(type) || type->kind == MST_KIND_DECIMAL;
  switch (cell_below(12)) {
  case 0: return is_signed ? (int64_t)top : (int64_t)(2 * top + 1);
  case 1: return is_signed ? -(int64_t)top - 1 : 0;
  case 2: return is_signed ? -(int64_t)cell_below(5) : (int64_t)top;
  default: return (int64_t)cell_below(12);
  }
}

static double any_float(const mst_type *type) {
  static const double edges[] = {0.0, -0.0, (double)INFINITY, -(double)INFINITY, (double)NAN, 16777216, 65504, -1.25};
  const uint64_t k = cell_below(16);
  double f = k < 8 ? edges[k] : ((double)cell_below(24) - 8) / 4;
  if (type->kind == MST_KIND_HALF) f = mst_half_to_double(mst_half_from_double(f));
  return f;
}

cell cell_any(const char *format, bool nullable) {
  static const char *const words[] = {"",
                                      "a",
                                      "ab",
                                      "abc",
                                      "b",
                                      "ba",
                                      "bb",
                                      "\xc3\xa4",
                                      "\xc3\xa4"
                                      "a",
                                      "abcdefghijklmnop",
                                      "abcdefghijklmnoq",
                                      "z%_"};
  const mst_type type = type_of(format);
  cell c = {.null = nullable && cell_below(5) == 0};
  switch (mst_type_scalar(&type)) {
  case MST_SCALAR_DOUBLE: c.f = any_float(&type); break;
  case MST_SCALAR_BYTES:
    c.n = type.layout == MST_LAYOUT_FIXED ? type.width : 0;
    if (c.n > 0) {
      for (size_t i = 0; i < c.n; i++) c.s[i] = (uint8_t)('a' + (i < 3 ? cell_below(2) : 0));
    } else {
      const char *word = words[cell_below(sizeof words / sizeof words[0])];
      c.n = strlen(word);
      memcpy(c.s, word, c.n);
    }
    break;
  default:
    if (type.kind == MST_KIND_BOOL) c.i = (int64_t)cell_below(2);
    else if (type.kind == MST_KIND_DECIMAL && type.width > 8) c.i = (int64_t)cell_below(90) - 30;
    else if (mst_type_is_temporal(&type) && type.width == 8) c.i = (int64_t)cell_below(40) - 10;
    else if (mst_type_is_temporal(&type)) c.i = (int64_t)cell_below(30) - 5;
    else if (type.kind != MST_KIND_NULL) c.i = any_integer(&type);
    if (type.kind == MST_KIND_TIME32 || type.kind == MST_KIND_TIME64) c.i = c.i < 0 ? -c.i : c.i;
  }
  if (type.kind == MST_KIND_NULL) c.null = true;
  return c;
}

bool cell_same(const char *format, const cell *a, const cell *b) {
  const mst_type type = type_of(format);
  if (a->null || b->null) return a->null == b->null;
  if (mst_type_scalar(&type) == MST_SCALAR_DOUBLE) return a->f == b->f || (isnan(a->f) && isnan(b->f));
  if (mst_type_scalar(&type) == MST_SCALAR_BYTES) return a->n == b->n && memcmp(a->s, b->s, a->n) == 0;
  return a->i == b->i;
}

cell cell_at(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t i) {
  mst_scalar v;
  cell c = {0};
  assert_int_equal(mst_scalar_at(schema, array, i, &v, NULL), MST_OK);
  c.null = v.kind == MST_SCALAR_NULL;
  if (v.kind == MST_SCALAR_INT) c.i = v.as.i;
  if (v.kind == MST_SCALAR_UINT) c.i = (int64_t)v.as.u;
  if (v.kind == MST_SCALAR_DOUBLE) c.f = v.as.f;
  if (v.kind == MST_SCALAR_WIDE) assert_true(mst_wide_to_i64(&v.as.wide, &c.i));
  if (v.kind == MST_SCALAR_BYTES) {
    assert_true(v.as.bytes.size <= CELL_TEXT);
    c.n = v.as.bytes.size;
    if (c.n > 0) memcpy(c.s, v.as.bytes.data, c.n);
  }
  return c;
}

bool cells_are_views(const char *format) { return format[0] == 'v'; }

/* The bytes of one value as its column holds it. */
static void value_bytes(const mst_type *type, const cell *c, uint8_t *to) {
  const float narrow = (float)c->f;
  const uint16_t half = mst_half_from_double(c->f);
  const mst_wide wide = mst_wide_from_i64(c->i);
  memset(to, 0, type->width);
  if (c->null) return;
  switch (mst_type_scalar(type)) {
  case MST_SCALAR_DOUBLE:
    if (type->width == 8) memcpy(to, &c->f, 8);
    else if (type->width == 4) memcpy(to, &narrow, 4);
    else memcpy(to, &half, 2);
    break;
  case MST_SCALAR_WIDE: assert_true(mst_wide_store(&wide, type->width, to)); break;
  case MST_SCALAR_BYTES: memcpy(to, c->s, type->width); break;
  default: memcpy(to, &c->i, type->width);
  }
}

static void put_offset(mst_block *block, const mst_type *type, size_t end) {
  const int64_t wide = (int64_t)end;
  const int32_t narrow = (int32_t)end;
  if (type->layout == MST_LAYOUT_OFFSETS64) assert_int_equal(mst_block_put(block, &wide, 8, NULL), MST_OK);
  else assert_int_equal(mst_block_put(block, &narrow, 4, NULL), MST_OK);
}

static void put_value(const mst_type *type, const cell *c, size_t i, mst_block *values, mst_block *data) {
  uint8_t bytes[64] = {0};
  switch (type->layout) {
  case MST_LAYOUT_BITS:
    if (i % 8 == 0) assert_int_equal(mst_block_put_zero(values, 1, NULL), MST_OK);
    if (!c->null && c->i != 0) values->data[i / 8] |= (uint8_t)(1u << (i % 8));
    break;
  case MST_LAYOUT_FIXED:
    value_bytes(type, c, bytes);
    assert_int_equal(mst_block_put(values, bytes, type->width, NULL), MST_OK);
    break;
  case MST_LAYOUT_VIEWS:
    mst_view_put(bytes, c->s, c->null ? 0 : c->n, 0, (uint32_t)data->size);
    assert_int_equal(mst_block_put(values, bytes, 16, NULL), MST_OK);
    if (!c->null && c->n > 12) assert_int_equal(mst_block_put(data, c->s, c->n, NULL), MST_OK);
    break;
  default:
    if (i == 0) put_offset(values, type, 0);
    if (!c->null) assert_int_equal(mst_block_put(data, c->s, c->n, NULL), MST_OK);
    put_offset(values, type, data->size);
  }
}

static void make_plain(const mst_type *type, const cell *cells, size_t n, struct ArrowArray *out) {
  mst_block valid, values, data, sizes;
  mst_bytes buffers[4] = {{0}};
  mst_array_parts parts = {.length = (int64_t)n, .buffers = buffers, .n_buffers = (size_t)mst_type_buffers(type)};
  mst_block_init(&valid, NULL);
  mst_block_init(&values, NULL);
  mst_block_init(&data, NULL);
  mst_block_init(&sizes, NULL);
  for (size_t i = 0; i < n; i++) {
    if (i % 8 == 0) assert_int_equal(mst_block_put_zero(&valid, 1, NULL), MST_OK);
    if (!cells[i].null) valid.data[i / 8] |= (uint8_t)(1u << (i % 8));
    parts.null_count += cells[i].null;
    if (type->kind != MST_KIND_NULL) put_value(type, &cells[i], i, &values, &data);
  }
  if (n == 0 && type->layout != MST_LAYOUT_FIXED && type->layout != MST_LAYOUT_BITS) put_offset(&values, type, 0);
  if (parts.null_count == 0 && cell_below(2) == 0) mst_block_free(&valid);
  if (parts.n_buffers > 0 && valid.data != NULL) mst_block_take(&valid, &buffers[0]);
  if (parts.n_buffers > 1) mst_block_take(&values, &buffers[1]);
  if (parts.n_buffers > 2) mst_block_take(&data, &buffers[2]);
  if (type->layout == MST_LAYOUT_VIEWS) {
    const int64_t size = (int64_t)buffers[2].size;
    assert_int_equal(mst_block_put(&sizes, &size, 8, NULL), MST_OK);
    mst_block_take(&sizes, &buffers[3]);
    parts.n_buffers = 4;
  }
  if (cell_below(3) == 0 && parts.n_buffers > 0 && buffers[0].data != NULL) parts.null_count = -1;
  assert_int_equal(mst_array_make(NULL, &parts, out, NULL), MST_OK);
  mst_block_free(&valid);
  mst_block_free(&values);
  mst_block_free(&data);
}

/* Codes of a width that the values allow; sometimes null stands in the dictionary instead. */
static void make_coded(const char *format, const mst_type *type, const cell *cells, size_t n, struct ArrowArray *out) {
  const mst_type codes_type = type_of("c");
  cell *codes = calloc(n + 1, sizeof *codes), *values = calloc(n + 2, sizeof *values);
  size_t n_values = 0, i, k;
  const bool null_inside = cell_below(2) == 0;
  struct ArrowArray codes_array, dictionary;
  mst_bytes buffers[2];
  mst_array_parts parts = {.length = (int64_t)n, .buffers = buffers, .n_buffers = 2, .dictionary = &dictionary};
  if (cell_below(2) == 0) values[n_values++] = cell_any(format, false); /* one that may not occur */
  for (i = 0; i < n; i++) {
    codes[i].null = cells[i].null && !null_inside;
    for (k = 0; k < n_values && !cell_same(format, &values[k], &cells[i]); k++) continue;
    if (codes[i].null) continue;
    if (k == n_values) values[n_values++] = cells[i];
    codes[i].i = (int64_t)k;
  }
  make_plain(&codes_type, codes, n, &codes_array);
  make_plain(type, values, n_values, &dictionary);
  buffers[0] = mst_bytes_borrow(codes_array.buffers[0], (n + 7) / 8);
  if (codes_array.buffers[0] != NULL)
    assert_int_equal(mst_bytes_copy(NULL, codes_array.buffers[0], (n + 7) / 8, &buffers[0], NULL), MST_OK);
  assert_int_equal(mst_bytes_copy(NULL, codes_array.buffers[1], n, &buffers[1], NULL), MST_OK);
  parts.null_count = codes_array.null_count;
  assert_int_equal(mst_array_make(NULL, &parts, out, NULL), MST_OK);
  mst_array_release(&codes_array);
  free(codes);
  free(values);
}

static void make_runs(const char *format, const mst_type *type, const cell *cells, size_t n, struct ArrowArray *out) {
  const mst_type ends_type = type_of("i");
  cell *ends = calloc(n + 1, sizeof *ends), *values = calloc(n + 1, sizeof *values);
  size_t runs = 0;
  struct ArrowArray children[2];
  mst_array_parts parts = {.length = (int64_t)n, .children = children, .n_children = 2};
  for (size_t i = 0; i < n; i++) {
    if (i == 0 || !cell_same(format, &cells[i], &cells[i - 1]) || cell_below(4) == 0) values[runs++] = cells[i];
    ends[runs - 1].i = (int64_t)i + 1;
  }
  make_plain(&ends_type, ends, runs, &children[0]);
  make_plain(type, values, runs, &children[1]);
  assert_int_equal(mst_array_make(NULL, &parts, out, NULL), MST_OK);
  free(ends);
  free(values);
}

static void make_schema(const char *name, const char *format, cell_style style, struct ArrowSchema *out) {
  struct ArrowSchema values;
  if (style == CELLS_PLAIN) {
    assert_int_equal(mst_schema_node(NULL, format, name, ARROW_FLAG_NULLABLE, 0, out, NULL), MST_OK);
  } else if (style == CELLS_CODED) {
    assert_int_equal(mst_schema_node(NULL, "c", name, ARROW_FLAG_NULLABLE, 0, out, NULL), MST_OK);
    assert_int_equal(mst_schema_node(NULL, format, "", ARROW_FLAG_NULLABLE, 0, &values, NULL), MST_OK);
    mst_schema_set_dictionary(out, &values);
  } else {
    assert_int_equal(mst_schema_node(NULL, "+r", name, ARROW_FLAG_NULLABLE, 2, out, NULL), MST_OK);
    assert_int_equal(mst_schema_node(NULL, "i", "run_ends", 0, 0, out->children[0], NULL), MST_OK);
    assert_int_equal(mst_schema_node(NULL, format, "values", ARROW_FLAG_NULLABLE, 0, out->children[1], NULL), MST_OK);
  }
}

void cells_make(const char *name, const char *format, cell_style style, const cell *cells, size_t n,
                struct ArrowSchema *schema, struct ArrowArray *array) {
  const mst_type type = type_of(format);
  const size_t front = cell_below(3) == 0 ? 0 : cell_below(20);
  cell *all = calloc(front + n + 1, sizeof *all);
  for (size_t i = 0; i < front; i++) all[i] = cell_any(format, true);
  if (n > 0) memcpy(all + front, cells, n * sizeof *all);
  if (style == CELLS_PLAIN) make_plain(&type, all, front + n, array);
  else if (style == CELLS_CODED) make_coded(format, &type, all, front + n, array);
  else make_runs(format, &type, all, front + n, array);
  array->offset = (int64_t)front;
  array->length = (int64_t)n;
  if (array->null_count > 0) array->null_count = -1;
  free(all);
  make_schema(name, format, style, schema);
}

void cells_batch(struct ArrowSchema *fields, struct ArrowArray *columns, size_t n, int64_t rows,
                 struct ArrowSchema *schema, struct ArrowArray *batch) {
  mst_bytes none = {0};
  mst_array_parts parts = {.length = rows, .buffers = &none, .n_buffers = 1, .children = columns, .n_children = n};
  assert_int_equal(mst_schema_node(NULL, "+s", "", 0, n, schema, NULL), MST_OK);
  for (size_t i = 0; i < n; i++) {
    *schema->children[i] = fields[i];
    fields[i].release = NULL;
  }
  assert_int_equal(mst_array_make(NULL, &parts, batch, NULL), MST_OK);
}
