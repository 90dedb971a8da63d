/* tests/format/table.c - see table.h. */
#include "format/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "column/column.h"
#include "support/support.h"

void table_init(table *t) { *t = (table){0}; }

void table_free(table *t) {
  for (size_t i = 0; i < t->rows * t->columns; i++) free(t->cells[i]);
  free(t->cells);
  free(t->sizes);
  table_init(t);
}

const char *table_cell(const table *t, size_t row, size_t column) {
  assert_true(row < t->rows && column < t->columns);
  return t->cells[row * t->columns + column];
}

size_t table_size(const table *t, size_t row, size_t column) {
  assert_true(row < t->rows && column < t->columns);
  return t->sizes[row * t->columns + column];
}

static void set_cell(table *t, size_t i, const mst_view *v, int64_t row) {
  char number[32];
  const uint8_t *text;
  size_t n;
  t->cells[i] = NULL;
  t->sizes[i] = 0;
  if (mst_view_null(v, row)) return;
  if (strcmp(v->schema->format, "l") == 0) {
    n = (size_t)snprintf(number, sizeof number, "%" PRId64, mst_view_i64(v, row));
    text = (const uint8_t *)number;
  } else {
    text = mst_view_bytes(v, row, &n);
  }
  t->cells[i] = malloc(n + 1);
  assert_non_null(t->cells[i]);
  if (n > 0) memcpy(t->cells[i], text, n);
  t->cells[i][n] = '\0';
  t->sizes[i] = n;
}

static mst_status take_batch(void *arg, const struct ArrowSchema *schema, struct ArrowArray *batch, mst_error *err) {
  table *t = arg;
  const size_t columns = (size_t)schema->n_children, rows = (size_t)batch->length;
  uint64_t bytes;
  assert_true(t->columns == 0 || t->columns == columns);
  assert_true(rows > 0);
  if (mst_array_check(schema, batch, &bytes, err) != MST_OK) fail_msg("%s", err->message);
  t->columns = columns;
  t->batches++;
  t->cells = realloc(t->cells, (t->rows + rows) * columns * sizeof *t->cells);
  t->sizes = realloc(t->sizes, (t->rows + rows) * columns * sizeof *t->sizes);
  assert_true(t->cells != NULL && t->sizes != NULL);
  for (size_t c = 0; c < columns; c++) {
    mst_view v;
    assert_int_equal(mst_batch_column(schema, batch, schema->children[c]->name, "u,U,l", &v, err), MST_OK);
    for (size_t r = 0; r < rows; r++) set_cell(t, (t->rows + r) * columns + c, &v, (int64_t)r);
  }
  t->rows += rows;
  mst_array_release(batch);
  return MST_OK;
}

mst_status table_read(table *t, drive *d, const json_t *part, const mst_read_query *query, mst_error *err) {
  return drive_read_arrow(d, part, query, take_batch, t, err);
}
