/* dataset/spool.h - rows that memory has no room for: written to a file of TMPDIR that has no name, read back in order as often as wanted;
 * and sorting on top of it.
 *
 * Owns: the file. May call: base, column, parquet. Private to the dataset module. */
#ifndef MST_DATASET_SPOOL_H
#define MST_DATASET_SPOOL_H

#include "base/base.h"
#include "column/column.h"

/* [shared] once it is ended. */
typedef struct mst_spool mst_spool;
/* `schema` is copied. No file is made before rows come. */
mst_status mst_spool_new(mst_context *ctx, const struct ArrowSchema *schema, mst_spool **out, mst_error *err);
/* Takes `batch` over, also on failure. */
mst_status mst_spool_put(mst_spool *s, struct ArrowArray *batch, mst_error *err);
/* No more rows come; from now on it may be read, from many threads. */
mst_status mst_spool_end(mst_spool *s, mst_error *err);
uint64_t mst_spool_rows(const mst_spool *s);
/* All rows in order; the stream keeps the spool. */
mst_status mst_spool_read(mst_spool *s, uint64_t batch_rows, struct ArrowArrayStream *out, mst_cancel *cancel, mst_error *err);
mst_spool *mst_spool_ref(mst_spool *s);
void mst_spool_unref(mst_spool *s);

/* Sorts any number of rows, stably, in about `memory` bytes: what is more is spooled in sorted runs, which are merged. [owned] */
typedef struct mst_sorter mst_sorter;
/* `schema` is copied, `by` too. */
mst_status mst_sorter_new(mst_context *ctx, const struct ArrowSchema *schema, const mst_sort_key *by, size_t n_by, uint64_t memory,
                          mst_sorter **out, mst_error *err);
/* Takes `batch` over, also on failure. */
mst_status mst_sorter_put(mst_sorter *s, struct ArrowArray *batch, mst_error *err);
/* The rows in order. Takes `s` over, also on failure. */
mst_status mst_sorter_stream(mst_sorter *s, struct ArrowArrayStream *out, mst_cancel *cancel, mst_error *err);
void mst_sorter_free(mst_sorter *s);

#endif
