/* dataset/stats_rows.h - statistics as rows of a table: label, rows, and for each column its bounds.
 *
 * Owns: builders. May call: base, column, expr, dataset's own headers. Private to stats*.c. */
#ifndef MST_DATASET_STATS_ROWS_H
#define MST_DATASET_STATS_ROWS_H

#include "base/base.h"
#include "column/column.h"
#include "dataset/write.h"
#include "expr/expr.h"

/* Columns of a segment: "label", "rows", then "min:c", "max:c", "nulls:c", "nan_free:c" for each column c. */
#define MST_STATS_FIRST 2
#define MST_STATS_EACH  4

typedef struct mst_stat_rows {
  const mst_allocator *mem;
  struct ArrowSchema schema;     /* of the segment */
  const struct ArrowSchema **of; /* the table's field of each column; borrowed */
  size_t n_columns;
  mst_builder **builders;
  size_t n_builders, n;
} mst_stat_rows;

/* Nested columns and such without scalars have none. */
mst_status mst_stat_rows_open(const mst_allocator *mem, const struct ArrowSchema *table, mst_stat_rows *out,
                              mst_error *err);
void mst_stat_rows_free(mst_stat_rows *r);
/* One file. `bounds` fills those of a column (zeroed before); false: nothing is known. */
typedef bool (*mst_stats_bounds_fn)(void *self, const struct ArrowSchema *field, mst_bounds *out);
mst_status mst_stat_rows_put(mst_stat_rows *r, const char *label, uint64_t rows, mst_stats_bounds_fn bounds, void *self,
                             mst_error *err);
mst_status mst_stat_rows_take(mst_stat_rows *r, struct ArrowArray *out, mst_error *err);
/* Bounds of column `field` in row `row` of a batch of a segment; false: nothing. */
bool mst_stat_rows_bounds(const struct ArrowSchema *schema, const struct ArrowArray *batch, int64_t row,
                          const struct ArrowSchema *field, mst_bounds *out);

#endif
