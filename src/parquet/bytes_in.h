/* parquet/bytes_in.h - the bytes of one column chunk on their way in: which will be read, which were asked for, which
 * are here.
 *
 * Owns: references to what is here. May call: base, column. */
#ifndef MST_PARQUET_BYTES_IN_H
#define MST_PARQUET_BYTES_IN_H

#include "column/column.h"

/* Bytes [at, end) of the file. */
typedef struct mst_pq_extent {
  uint64_t at, end;
} mst_pq_extent;

typedef struct mst_pq_segment {
  uint64_t at;
  mst_bytes bytes;
} mst_pq_segment;

typedef struct mst_pq_bytes_in {
  const mst_allocator *mem;
  mst_pq_extent *runs; /* what will be read, rising and apart */
  size_t n_runs, runs_capacity;
  uint64_t asked;       /* all that lies below was asked for */
  mst_pq_segment *held; /* rising; neighbours may touch */
  size_t n_held, held_capacity;
  mst_block joined; /* bytes that lie across segments */
} mst_pq_bytes_in;

void mst_pq_bytes_in_init(mst_pq_bytes_in *b, const mst_allocator *mem);
void mst_pq_bytes_in_free(mst_pq_bytes_in *b);
/* More to be read, behind all that was added before. */
mst_status mst_pq_bytes_in_add(mst_pq_bytes_in *b, uint64_t at, uint64_t end, mst_error *err);
/* The next bytes to ask for, about `most` of them but at least those below `least_end`; false when all were asked for.
 * They count as asked for from here on. */
bool mst_pq_bytes_in_ask(mst_pq_bytes_in *b, uint64_t most, uint64_t least_end, mst_range *out);
uint64_t mst_pq_bytes_in_unasked(const mst_pq_bytes_in *b);
uint64_t mst_pq_bytes_in_held(const mst_pq_bytes_in *b, uint64_t at); /* bytes here, or on their way, behind `at` */
/* Bytes that were asked for came; in the order of asking. Takes a reference. */
mst_status mst_pq_bytes_in_put(mst_pq_bytes_in *b, uint64_t at, const mst_bytes *bytes, mst_error *err);
/* `*n` bytes at `at` in one piece: `want` if so many are here, at least. What lies before `at` is let go of, and what
 * the call before gave with it. */
mst_status mst_pq_bytes_in_look(mst_pq_bytes_in *b, uint64_t at, uint64_t want, const uint8_t **out, size_t *n,
                                mst_error *err);

#endif
