/* source/index_write.h - writing an index file: batches of checkpoints in, one object at the end or none at all.
 * Private to the source module. */
#ifndef MST_SOURCE_INDEX_WRITE_H
#define MST_SOURCE_INDEX_WRITE_H

#include "source/raw.h"

/* Owned by one thread at a time. Nothing is visible in the store before mst_index_writer_close. */
typedef struct mst_index_writer mst_index_writer;
/* With `keep` NULL the index goes to its place in the store; else its bytes are only handed to `keep` (verifying). */
mst_status mst_index_writer_open(mst_source *s, const struct ArrowSchema *schema, const mst_parquet_sink *keep,
                                 mst_index_writer **out, mst_cancel *cancel, mst_error *err);
mst_status mst_index_writer_put(mst_index_writer *w, struct ArrowArray *batch,
                                mst_error *err); /* takes over; one row group */
/* Writes footer and object. `facts` is borrowed. */
mst_status mst_index_writer_close(mst_index_writer *w, const json_t *facts, mst_error *err);
uint64_t mst_index_writer_size(const mst_index_writer *w);
uint64_t mst_index_writer_rows(const mst_index_writer *w);
void mst_index_writer_free(mst_index_writer *w); /* without closing: no trace is left */

#endif
