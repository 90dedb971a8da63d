/* parquet/spans.h - which rows of a row group are wanted: rising intervals.
 *
 * Owns: their memory. May call: base. */
#ifndef MST_PARQUET_SPANS_H
#define MST_PARQUET_SPANS_H

#include "base/base.h"

/* Rows [first, end) of a row group. */
typedef struct mst_pq_span {
  uint64_t first, end;
} mst_pq_span;

/* Rising and apart. Zero-initialise with `mem`. */
typedef struct mst_pq_spans {
  const mst_allocator *mem;
  mst_pq_span *at;
  size_t n, capacity;
  uint64_t rows; /* in all of them */
} mst_pq_spans;

void mst_pq_spans_free(mst_pq_spans *s); /* leaves an empty, usable one */
/* More rows, behind all that are there. */
mst_status mst_pq_spans_add(mst_pq_spans *s, uint64_t first, uint64_t end, mst_error *err);
/* What is in `a` and in `b`, added to `out`. */
mst_status mst_pq_spans_both(const mst_pq_spans *a, const mst_pq_spans *b, mst_pq_spans *out, mst_error *err);
/* Whether a row of [first, end) is wanted; `*hint` is where to begin looking (0 at first), for rising questions. */
bool mst_pq_spans_touch(const mst_pq_spans *s, uint64_t first, uint64_t end, size_t *hint);

#endif
