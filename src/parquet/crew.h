/* parquet/crew.h - threads that decode: pieces of work that do not depend on each other, each with the tools of its own
 * thread.
 *
 * Owns: the tools. May call: base, codec. */
#ifndef MST_PARQUET_CREW_H
#define MST_PARQUET_CREW_H

#include "parquet/tools.h"

typedef void (*mst_pq_work_fn)(void *self, uint32_t part, mst_pq_tools *tools);

typedef struct mst_pq_work {
  mst_pq_work_fn run;
  void *self;
  uint32_t part;
} mst_pq_work;

typedef struct mst_pq_crew {
  const mst_allocator *mem;
  mst_context *ctx; /* borrowed; NULL: the caller works alone */
  uint32_t threads;
  mst_pq_tools *tools; /* for each thread */
  mst_pq_work *work;       /* to be done by the next run */
  size_t n, capacity;
} mst_pq_crew;

mst_status mst_pq_crew_open(const mst_allocator *mem, mst_context *ctx, mst_pq_crew *out, mst_error *err);
void mst_pq_crew_close(mst_pq_crew *crew);
mst_status mst_pq_crew_add(mst_pq_crew *crew, mst_pq_work work, mst_error *err);
/* Does all that was added, begun in that order. */
mst_status mst_pq_crew_run(mst_pq_crew *crew, mst_error *err);

#endif
