/* dataset/frame.h - what comes in, brought to what is stored: a stream's columns in the types of the files, with the partition keys and
 * the bucket in front of them.
 *
 * Owns: schemas. May call: base, column. Private to write*.c of the dataset module. */
#ifndef MST_DATASET_FRAME_H
#define MST_DATASET_FRAME_H

#include "dataset/write.h"

/* [owned], one thread at a time. */
typedef struct mst_frame {
  const mst_write_settings *s;
  const mst_allocator *mem;
  struct ArrowSchema in;    /* of the stream */
  struct ArrowSchema table; /* the table's, the stream's columns known */
  struct ArrowSchema file;  /* of the data files, in the stream's order */
  struct ArrowSchema mixed; /* "+s": keys, the bucket if there are any, the file's columns */
  int64_t *sources;         /* of each column of `mixed`: its number in the stream, -1 for the bucket */
  size_t n_heads;           /* keys and bucket */
  bool buckets;
  int32_t bucket_source; /* column of `mixed` that is hashed */
} mst_frame;

/* `in` is taken over, also on failure. `so_far` (may be NULL): the table's schema as streams before this one left it. */
mst_status mst_frame_open(const mst_write_settings *s, struct ArrowSchema *in, const struct ArrowSchema *so_far, const char *origin,
                          mst_frame **out, mst_error *err);
void mst_frame_free(mst_frame *f);
/* A batch of the stream (taken over, also on failure) as one of `mixed`. A null key is MST_E_ARGUMENT. */
mst_status mst_frame_take(mst_frame *f, struct ArrowArray *batch, struct ArrowArray *out, mst_error *err);

#endif
