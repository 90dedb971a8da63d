/* parquet/piece.h - rows that fulfil a condition, between its columns and the others.
 *
 * Owns: nothing; pieces belong to their job. May call: base, codec, column, expr. */
#ifndef MST_PARQUET_PIECE_H
#define MST_PARQUET_PIECE_H

#include "parquet/job.h"

/* The batch of the condition's columns that is complete becomes a piece when a row of it is wanted. */
mst_status mst_pq_piece_take(mst_pq_job *job, mst_error *err);
/* A batch of the first piece when its other columns are decoded; else out->release is NULL. */
mst_status mst_pq_piece_give(mst_pq_job *job, struct ArrowArray *out, mst_error *err);
/* Cuts a batch of the output down to what the limit leaves, and counts it. Releases it when it fails. */
mst_status mst_pq_piece_limit(mst_pq_task *t, struct ArrowArray *batch, mst_error *err);
void mst_pq_piece_drop(mst_pq_job *job); /* the first one */

#endif
