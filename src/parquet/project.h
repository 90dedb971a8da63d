/* parquet/project.h - the columns that are read: a part of the file's tree of fields, with its leaves numbered.
 *
 * Owns: copies of the tree's nodes. May call: base, column. */
#ifndef MST_PARQUET_PROJECT_H
#define MST_PARQUET_PROJECT_H

#include "parquet/fields.h"

typedef struct mst_pq_projection {
  const mst_allocator *mem;
  mst_pq_field root; /* "+s" */
  void *blocks;      /* chain of what `root` points to */
  uint32_t *leaves;  /* column of the file of each leaf */
  uint32_t n_leaves, leaves_capacity;
} mst_pq_projection;

/* `names` NULL: all columns. MST_E_NOT_FOUND names what is not there. `out` must be freed also on failure. */
mst_status mst_pq_project(const mst_parquet_file *f, const char *const *names, size_t n, mst_pq_projection *out,
                          mst_error *err);
/* Where a column comes from. */
typedef struct mst_pq_origin {
  bool first;      /* from the first of two projections, else from the second */
  uint32_t column; /* among its top-level columns */
} mst_pq_origin;
/* The columns of `all` that `first` does not hold with all that is below them; `origins` has room for one for each
 * column of `all`. `out` must be freed also on failure. */
mst_status mst_pq_project_rest(const mst_pq_projection *all, const mst_pq_projection *first, mst_pq_projection *out,
                               mst_pq_origin *origins, mst_error *err);
void mst_pq_projection_free(mst_pq_projection *p);
/* Bytes that a row takes in memory, at least. */
uint64_t mst_pq_row_bytes(const mst_pq_field *field);

#endif
