/* source/index_build.h - one pass over a source that gives its index rows, however the work is cut; used for indexing
 * and for verifying. Private to the source module. */
#ifndef MST_SOURCE_INDEX_BUILD_H
#define MST_SOURCE_INDEX_BUILD_H

#include "source/raw.h"

/* Where rows go as they become certain. Takes `batch` over. */
typedef struct mst_rows_sink {
  void *self;
  mst_status (*put)(void *self, struct ArrowArray *batch, mst_error *err);
} mst_rows_sink;

typedef struct mst_scan_options {
  uint64_t spacing, piece_bytes; /* 0: defaults */
  uint32_t threads;              /* 0: the context's */
  bool recover;
  mst_progress_fn progress;
  void *progress_arg;
} mst_scan_options;

/* `facts`: what inspect found. `final` gets the index's facts (new reference). */
mst_status mst_scan_all(mst_source *s, json_t *facts, const mst_scan_options *options, const mst_rows_sink *sink,
                        json_t **final, mst_cancel *cancel, mst_error *err);
/* How the object is cut: the number of pieces, and the bytes of piece i of n. */
uint64_t mst_scan_pieces(const mst_source *s, const json_t *facts, const mst_scan_options *options);
void mst_scan_piece_range(const mst_source *s, uint64_t i, uint64_t n, uint64_t *begin, uint64_t *end);
/* Scans one piece; its partials, joined into one text of length-prefixed parts. */
mst_status mst_scan_one(mst_source *s, json_t *facts, uint64_t begin, uint64_t end, const mst_scan_options *options,
                        mst_buf *out, mst_cancel *cancel, mst_error *err);
/* Collects such texts, in order. `next` gives the i-th one, borrowed until the next call. */
typedef struct mst_partials {
  void *self;
  uint64_t n;
  mst_status (*next)(void *self, uint64_t i, mst_bytes *out, mst_error *err); /* a reference is given away */
} mst_partials;
mst_status mst_scan_collect(mst_source *s, json_t *facts, const mst_scan_options *options, const mst_partials *partials,
                            const mst_rows_sink *sink, json_t **final, mst_cancel *cancel, mst_error *err);

#endif
