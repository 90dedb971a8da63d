/* parquet/verify.h - holds all that a file says about its values against the values: sizes, counts, statistics, page
 * indexes, Bloom filters.
 *
 * Owns: the column chunks that are being checked. May call: base, codec, column, expr. */
#ifndef MST_PARQUET_VERIFY_H
#define MST_PARQUET_VERIFY_H

#include "parquet/bounds.h"
#include "parquet/crew.h"
#include "parquet/scan.h"

/* A machine over all column chunks of some row groups. */
typedef struct mst_pq_verify mst_pq_verify;

mst_status mst_pq_verify_open(mst_parquet_file *f, size_t first_group, size_t groups, uint64_t memory,
                              mst_pq_verify **out, mst_error *err);
void mst_pq_verify_free(mst_pq_verify *v);
/* Checks what it can, and adds to `needs` what it needs next; nothing when all is checked. MST_E_CORRUPT names row
 * group, column, page and byte of the first fault. */
mst_status mst_pq_verify_step(mst_pq_verify *v, mst_pq_crew *crew, mst_pq_needs *needs, mst_parquet_read_facts *facts,
                              mst_error *err);

#endif
