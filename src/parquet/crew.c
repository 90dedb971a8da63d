/* parquet/crew.c - shares work out among the threads of a context.
 *
 * Owns: mst_pq_crew. May call: base, codec. */
#include "parquet/crew.h"

enum { THREADS_MOST = 64 };

mst_status mst_pq_crew_open(const mst_allocator *mem, mst_context *ctx, mst_pq_crew *out, mst_error *err) {
  mst_status status = MST_OK;
  uint32_t i, threads = ctx != NULL ? mst_context_threads(ctx) : 1;
  *out = (mst_pq_crew){.mem = mem, .ctx = ctx};
  if (threads < 1) threads = 1;
  if (threads > THREADS_MOST) threads = THREADS_MOST;
  MST_TRY_ALLOC(out->tools = mst_alloc_zero(mem, threads, sizeof *out->tools));
  for (i = 0; i < threads; i++) mst_pq_tools_init(&out->tools[i], mem);
  out->threads = threads;
done:
  return status;
}

void mst_pq_crew_close(mst_pq_crew *crew) {
  uint32_t i;
  for (i = 0; i < crew->threads; i++) mst_pq_tools_close(&crew->tools[i]);
  mst_free(crew->mem, crew->tools);
  mst_free(crew->mem, crew->work);
  *crew = (mst_pq_crew){.mem = crew->mem};
}

mst_status mst_pq_crew_add(mst_pq_crew *crew, mst_pq_work work, mst_error *err) {
  if (crew->n == crew->capacity) {
    size_t capacity = crew->capacity == 0 ? 32 : 2 * crew->capacity;
    mst_pq_work *grown = mst_resize(crew->mem, crew->work, capacity * sizeof *grown);
    if (grown == NULL) return mst_fail_memory(err);
    crew->work = grown;
    crew->capacity = capacity;
  }
  crew->work[crew->n++] = work;
  return MST_OK;
}

typedef struct worker {
  mst_pq_crew *crew;
  mst_pq_tools *tools;
  _Atomic size_t *at;
} worker;

static mst_status run_worker(void *arg, mst_error *err) {
  worker *w = arg;
  size_t i;
  (void)err;
  while ((i = atomic_fetch_add_explicit(w->at, 1, memory_order_relaxed)) < w->crew->n)
    w->crew->work[i].run(w->crew->work[i].self, w->crew->work[i].part, w->tools);
  return MST_OK;
}

static mst_status run_together(mst_pq_crew *crew, worker *workers, uint32_t n, mst_error *err) {
  mst_status status = MST_OK;
  mst_group *group = NULL;
  uint32_t i;
  MST_TRY(mst_group_new(crew->ctx, &group, err));
  for (i = 0; i < n; i++) MST_TRY(mst_group_add(group, run_worker, &workers[i], err));
  MST_TRY(mst_group_wait(group, NULL, err));
done:
  mst_group_free(group);
  return status;
}

mst_status mst_pq_crew_run(mst_pq_crew *crew, mst_error *err) {
  mst_status status = MST_OK;
  worker workers[THREADS_MOST];
  _Atomic size_t at = 0;
  uint32_t i, n = (uint32_t)mst_min_size(crew->threads, crew->n);
  for (i = 0; i < n; i++) workers[i] = (worker){.crew = crew, .tools = &crew->tools[i], .at = &at};
  if (n == 1) run_worker(&workers[0], NULL);
  if (n > 1) status = run_together(crew, workers, n, err);
  crew->n = 0;
  return status;
}
