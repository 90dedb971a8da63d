/* dataset/part.h - the rows of one partition as an Arrow stream in the table's types, partition keys put back.
 *
 * May call: base, column, expr, source/table.h. Private to the dataset module. */
#ifndef MST_DATASET_PART_H
#define MST_DATASET_PART_H

#include "dataset/state.h"
#include "expr/expr.h"
#include "source/source.h"

/* All borrowed for the call but `predicate`, of which a reference is kept. */
typedef struct mst_part_options {
  const size_t *columns;          /* field numbers of the table's schema; NULL: all. Each once           */
  size_t n_columns;
  mst_predicate *predicate; /* bound to the table's schema; only rows that meet it; NULL: all      */
  bool all;                       /* every row meets it: it is not looked at                             */
  bool no_pushdown;               /* judge rows by it after they were read, never by less                */
  const mst_range *rows;          /* rows [offset, offset + length) of the file; NULL: all               */
  const uint64_t *limit;          /* at most so many rows; NULL: all                                     */
  uint64_t memory;                /* bytes; 0: the dataset's                                             */
  uint64_t batch_rows;            /* 0: the reader's own                                                 */
  bool in_caller;                 /* decode in the calling thread alone                                  */
  mst_table *table;               /* already opened; NULL: it is opened                                  */
} mst_part_options;

/* The schema of such streams. */
mst_status mst_part_schema(const mst_dataset *d, const size_t *columns, size_t n_columns, struct ArrowSchema *out, mst_error *err);
/* Requests are made as late as possible: none when the keys decide that no row matches. The stream holds a reference to `d`. */
mst_status mst_part_open(mst_dataset *d, size_t part, const mst_part_options *options, struct ArrowArrayStream *out, mst_cancel *cancel,
                         mst_error *err);
/* The file of a partition, opened: its footer is at hand. `tail`: as in mst_table_open_options. */
mst_status mst_part_table(mst_dataset *d, size_t part, size_t tail, mst_table **out, mst_cancel *cancel, mst_error *err);

#endif
