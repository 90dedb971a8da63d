/* parquet/job.h - one row group on its way to batches: which of its rows are wanted, what is read first, what later.
 *
 * Owns: the scans of the row group. May call: base, codec, column, expr. */
#ifndef MST_PARQUET_JOB_H
#define MST_PARQUET_JOB_H

#include "parquet/scan.h"

/* What all jobs of a reader share. */
typedef struct mst_pq_task {
  mst_parquet_file *file;
  const mst_allocator *mem;
  mst_pq_projection output; /* the columns that come out */
  uint64_t batch_rows;
  uint64_t memory;
  bool pruning;
  mst_parquet_read_facts facts;
} mst_pq_task;

/* Page indexes of one column of the file, as they come. */
typedef struct mst_pq_index_slot {
  uint32_t leaf; /* of the file */
  mst_bytes offset;
} mst_pq_index_slot;

typedef enum mst_pq_job_state {
  MST_PQ_JOB_INDEX, /* the page indexes are asked for                       */
  MST_PQ_JOB_READ,  /* the columns are read                                 */
  MST_PQ_JOB_DONE
} mst_pq_job_state;

typedef struct mst_pq_job {
  struct mst_pq_job *next;
  mst_pq_task *task;
  size_t group;
  mst_pq_job_state state;
  mst_pq_spans spans; /* rows that may be wanted */
  mst_pq_index_slot *slots;
  uint32_t n_slots;
  bool asked; /* for what `state` needs, at least once */
  mst_pq_scan scan;
} mst_pq_job;

/* Takes `spans` over. */
mst_status mst_pq_job_new(mst_pq_task *task, size_t group, mst_pq_spans *spans, mst_pq_job **out, mst_error *err);
void mst_pq_job_free(mst_pq_job *job);
/* Goes on as far as it can without decoding. */
mst_status mst_pq_job_advance(mst_pq_job *job, mst_error *err);
/* Bytes that it would ask for if all were asked at once. */
uint64_t mst_pq_job_unasked(const mst_pq_job *job);
mst_status mst_pq_job_ask(mst_pq_job *job, bool all, uint64_t memory, mst_pq_needs *needs, mst_error *err);
/* The scan whose columns are to be worked on now; NULL: none. */
mst_pq_scan *mst_pq_job_scan(mst_pq_job *job);
/* Its next batch when all of it is decoded; else out->release is NULL. */
mst_status mst_pq_job_give(mst_pq_job *job, struct ArrowArray *out, mst_error *err);

#endif
