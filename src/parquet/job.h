/* parquet/job.h - one row group on its way to batches: which of its rows are wanted, what is read first, what later.
 *
 * With a condition, its columns are read first; the others only for the rows that fulfil it and from the pages that
 * hold these.
 *
 * Owns: the scans of the row group. May call: base, codec, column, expr. */
#ifndef MST_PARQUET_JOB_H
#define MST_PARQUET_JOB_H

#include "parquet/prune.h"
#include "parquet/scan.h"

/* What all jobs of a reader share. */
typedef struct mst_pq_task {
  mst_parquet_file *file;
  const mst_allocator *mem;
  mst_pq_projection output; /* the columns that come out */
  mst_pq_filter filter;
  mst_pq_projection rest; /* the columns of the output that the condition does not read */
  struct ArrowSchema rest_schema;
  mst_pq_origin *origins; /* one for each column of the output */
  uint64_t batch_rows;
  mst_pq_tools *tools; /* borrowed; for work between that of threads */
  bool rows_asked;     /* `batch_rows` is what the caller wants */
  uint64_t memory;
  uint64_t rows_left; /* that the limit leaves */
  bool pruning;
  mst_parquet_read_facts facts;
} mst_pq_task;

/* Page indexes of one column of the file, as they come. */
typedef struct mst_pq_index_slot {
  uint32_t leaf; /* of the file */
  mst_bytes offset;
} mst_pq_index_slot;

/* Rows that fulfil the condition and wait for their other columns. */
typedef struct mst_pq_piece {
  struct mst_pq_piece *next;
  uint64_t rows;            /* that the rest reads for it                    */
  uint64_t given;           /* of these, that came out                       */
  uint64_t *bits;           /* which of these are wanted; NULL: all          */
  uint64_t kept, kept_at;   /* wanted rows; those that came out              */
  struct ArrowArray filter; /* the condition's columns of the wanted rows  */
} mst_pq_piece;

typedef enum mst_pq_job_state {
  MST_PQ_JOB_NEW,
  MST_PQ_JOB_INDEX,  /* page indexes and Bloom filters are waited for   */
  MST_PQ_JOB_FILTER, /* the condition's columns are read                */
  MST_PQ_JOB_READ,   /* the others, or all when there is no condition   */
  MST_PQ_JOB_DONE,
  MST_PQ_JOB_FAILED
} mst_pq_job_state;

typedef struct mst_pq_job {
  struct mst_pq_job *next;
  mst_pq_task *task;
  size_t group;
  mst_pq_job_state state;
  bool filtered;            /* the condition is still to be met by rows            */
  bool at_once;             /* all rows make one batch */
  mst_pq_spans spans;       /* rows that may be wanted                             */
  mst_pq_index_slot *slots; /* offset indexes                                     */
  uint32_t n_slots;
  mst_pq_page_facts *facts; /* one for each column of the condition               */
  mst_pq_needs wanted;      /* of `slots` and `facts`, with their places          */
  mst_pq_scan filter, scan; /* the condition's columns; the rest, or all          */
  size_t filter_span;       /* where the rows of the filter's next batch begin: in this span ... */
  uint64_t filter_row;      /* ... at this row                                    */
  mst_pq_piece *pieces, **pieces_end;
  uint64_t held;   /* bytes of the pieces, about                          */
  uint64_t found;  /* wanted rows of the pieces                           */
  mst_error error; /* of MST_PQ_JOB_FAILED */
} mst_pq_job;

/* Takes `spans` over. */
mst_status mst_pq_job_new(mst_pq_task *task, size_t group, bool filtered, mst_pq_spans *spans, mst_pq_job **out,
                          mst_error *err);
void mst_pq_job_free(mst_pq_job *job);
/* Goes on as far as it can without decoding. Failures wait in the job until it is its turn. */
void mst_pq_job_advance(mst_pq_job *job);
/* Bytes that it would ask for if all were asked at once. */
uint64_t mst_pq_job_unasked(const mst_pq_job *job);
mst_status mst_pq_job_ask(mst_pq_job *job, bool all, uint64_t memory, mst_pq_needs *needs, mst_error *err);
/* The scan whose columns are to be worked on now; NULL: none. */
mst_pq_scan *mst_pq_job_scan(mst_pq_job *job);
/* Its next batch when all of it is decoded; else out->release is NULL. */
mst_status mst_pq_job_give(mst_pq_job *job, struct ArrowArray *out, mst_error *err);

#endif
