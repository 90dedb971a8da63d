/* tests/format/table.h - Arrow batches gathered into a table of texts, to be compared with what an independent parser
 * found. */
#ifndef MST_TESTS_FORMAT_TABLE_H
#define MST_TESTS_FORMAT_TABLE_H

#include "format/drive.h"

/* Cell (row, column) is cells[row * columns + column]; numbers are written out, a null is NULL. NUL-terminated besides
 * its size. */
typedef struct table {
  size_t columns, rows, capacity;
  char **cells;
  size_t *sizes;
  uint64_t batches;
} table;

void table_init(table *t);
void table_free(table *t);
/* Appends the rows of one slice; the columns must be those that are there. */
mst_status table_read(table *t, drive *d, const json_t *part, const mst_read_query *query, mst_error *err);
const char *table_cell(const table *t, size_t row, size_t column);
size_t table_size(const table *t, size_t row, size_t column);

#endif
