/* parquet/scan.h - reads some columns of one row group: the rows that are wanted become batches.
 *
 * Owns: the columns while they are open. May call: base, codec, column. */
#ifndef MST_PARQUET_SCAN_H
#define MST_PARQUET_SCAN_H

#include "parquet/assemble.h"
#include "parquet/project.h"
#include "parquet/spans.h"

/* ---- what is asked for --------------------------------------------------------------------------------------- */

/* Where the bytes of a range go: to a column, or into a slot of their own. */
typedef struct mst_pq_need_of {
  mst_pq_column_in *column;
  mst_pq_bytes_in *bytes; /* of the column */
  mst_bytes *slot;
} mst_pq_need_of;

typedef struct mst_pq_needs {
  const mst_allocator *mem;
  mst_range *ranges;
  mst_pq_need_of *of;
  size_t n, capacity;
  uint64_t bytes;
} mst_pq_needs;

mst_status mst_pq_needs_add(mst_pq_needs *needs, mst_range range, mst_pq_need_of of, mst_error *err);
void mst_pq_needs_free(mst_pq_needs *needs);

/* ---- scans --------------------------------------------------------------------------------------------------- */

/* What a scan keeps of a leaf beside the column itself. */
typedef struct mst_pq_lane {
  mst_pq_offset_index index; /* n == 0: none */
  size_t span;               /* the one that is being read                            */
  size_t page;               /* pages before it are planned                           */
  bool is_short;             /* has fewer rows than the batch, because of their bytes */
  mst_status status;         /* of the last work on it */
  mst_error error;
} mst_pq_lane;

typedef struct mst_pq_scan {
  mst_parquet_file *file; /* borrowed */
  const mst_allocator *mem;
  const mst_pq_projection *projection; /* borrowed */
  size_t group;
  mst_pq_column_in *columns;
  mst_pq_lane *lanes;
  uint32_t n_open;
  mst_pq_spans spans; /* rows to read; may grow at its end while the scan runs */
  bool grows;         /* more rows may be added to `spans` while it runs */
  uint64_t given;     /* rows of them that were given out */
  uint64_t target;    /* rows of the batch that is being made, 0: none */
} mst_pq_scan;

/* `out` must be closed also on failure. */
mst_status mst_pq_scan_open(mst_parquet_file *f, size_t group, const mst_pq_projection *projection, mst_pq_scan *out,
                            mst_error *err);
void mst_pq_scan_close(mst_pq_scan *s);
/* Whether the pages that stay open between batches would take more memory than reading all at once does. */
bool mst_pq_scan_is_wide(const mst_pq_scan *s, uint64_t memory);
/* Takes the rows that were added to `spans` into account for what will be asked. */
mst_status mst_pq_scan_plan(mst_pq_scan *s, mst_error *err);
/* Bytes that are planned and were not asked for. */
uint64_t mst_pq_scan_unasked(const mst_pq_scan *s);
/* Adds to `needs` what the columns want: all of it, or about as much as `memory` allows, and more where a page needs
 * more. */
mst_status mst_pq_scan_ask(mst_pq_scan *s, bool all, uint64_t memory, mst_pq_needs *needs, mst_error *err);
/* Whether leaf `leaf` can be worked on: rows of the batch are missing, and bytes are not. */
bool mst_pq_scan_can_work(const mst_pq_scan *s, uint32_t leaf);
/* Decodes what it can of one leaf; the outcome is in its lane. Leaves may be worked on in parallel. */
void mst_pq_scan_work(mst_pq_scan *s, uint32_t leaf, mst_pq_tools *tools);
/* Whether bytes are missing; else, when no leaf can be worked on, the batch is complete. */
bool mst_pq_scan_is_missing(const mst_pq_scan *s);
/* Whether a batch was begun and no leaf has anything left to do for it. */
bool mst_pq_scan_is_complete(const mst_pq_scan *s);
/* The first failure among the lanes, in order of the leaves. */
mst_status mst_pq_scan_status(const mst_pq_scan *s, mst_error *err);
/* The batch: as many rows as every leaf has, at most the target. */
mst_status mst_pq_scan_give(mst_pq_scan *s, struct ArrowArray *out, mst_error *err);
/* Rows that were not given out yet. */
static inline uint64_t mst_pq_scan_left(const mst_pq_scan *s) { return s->spans.rows - s->given; }

#endif
