/* dataset/rows.h - what row operations share: which files hold rows that a condition asks for, and files written anew in place of old
 * ones, several at a time.
 *
 * May call: base, column, expr, source/table.h, dataset's own headers. Private to the dataset module. */
#ifndef MST_DATASET_ROWS_H
#define MST_DATASET_ROWS_H

#include "dataset/change.h"
#include "dataset/read.h"

/* A file that is touched. */
typedef struct mst_touched {
  size_t part;      /* of the view                                             */
  bool whole;       /* all rows are meant                                      */
  uint64_t matched; /* rows that are meant; UINT64_MAX: all, and unknown       */
  uint64_t rows;    /* that it has; UINT64_MAX: not known                      */
} mst_touched;

typedef struct mst_touched_list {
  const mst_allocator *mem;
  mst_touched *items;
  size_t n;
} mst_touched_list;
void mst_touched_free(mst_touched_list *list);

/* Files with rows that meet `p` (bound to the view's schema). Rows are counted, not read, where metadata does not decide. */
mst_status mst_rows_find(mst_dataset *view, mst_predicate *p, mst_touched_list *out, mst_cancel *cancel, mst_error *err);
/* Rows that are meant in all: -1 when one is not known. */
int64_t mst_touched_rows(const mst_touched_list *list);

/* Gives the new contents of items[i]: the table's columns without partition keys, in row order. Called from several threads for
 * different items; `memory` is what the stream may take. */
typedef mst_status (*mst_rewrite_fn)(void *self, size_t i, uint64_t memory, struct ArrowArrayStream *out, mst_cancel *cancel, mst_error *err);
/* Every file goes; those that are not `whole` are written anew from what `open` gives, next to each other. */
mst_status mst_rows_rewrite(mst_change *c, mst_dataset *view, const mst_touched_list *list, mst_rewrite_fn open, void *self,
                            mst_cancel *cancel, mst_error *err);

/* The same for rows that meet `where`: they go. (rows_delete.c) */
mst_status mst_rows_drop(mst_change *c, mst_dataset *view, mst_where *where, const mst_touched_list *list, mst_cancel *cancel, mst_error *err);

/* Field numbers of the table's columns without the partition keys; freed with mst_free. */
mst_status mst_data_columns(const mst_dataset *d, size_t **out, size_t *n, mst_error *err);
/* The quoted "k=v/" parts of a label, "" when there are none; appended with a NUL behind. */
mst_status mst_label_prefix(const char *label, mst_buf *out, mst_error *err);

#endif
