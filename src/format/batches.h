/* format/batches.h - builders of one batch after the other, and the batches that wait to be taken.
 *
 * Owns: the waiting batches; the builders are the caller's. May call: column. */
#ifndef MST_FORMAT_BATCHES_H
#define MST_FORMAT_BATCHES_H

#include "base/base.h"
#include "column/column.h"

typedef struct mst_batches {
  const mst_allocator *mem;
  mst_builder *const *columns; /* borrowed, in the batch's order            */
  size_t n_columns;
  uint64_t rows_max;        /* rows of a batch at most                   */
  size_t bytes_max;         /* a batch is complete with about as many bytes */
  struct ArrowArray *ready; /* [at, n) wait */
  size_t at, n, room;
} mst_batches;

void mst_batches_init(mst_batches *b, const mst_allocator *mem, mst_builder *const *columns, size_t n_columns,
                      uint64_t rows_max, size_t bytes_max);
void mst_batches_free(mst_batches *b);
/* Rows in the builders. */
size_t mst_batches_rows(const mst_batches *b);
/* Rows that still fit into the batch being built. */
uint64_t mst_batches_room(const mst_batches *b);
/* Makes a batch of what the builders hold when it is complete. */
mst_status mst_batches_seal(mst_batches *b, mst_error *err);
/* The next batch; with `all`, also one that is not complete. out->release == NULL: none. */
mst_status mst_batches_take(mst_batches *b, bool all, struct ArrowArray *out, mst_error *err);

#endif
