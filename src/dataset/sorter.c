/* dataset/sorter.c - sorting more rows than memory has room for: runs that were sorted in memory are spooled and merged. See spool.h.
 *
 * A merge takes from each run the rows that come next, in runs of their own, and puts them into order at once; it stops where a run needs
 * its next batch. Equal rows keep the order in which they came, because earlier runs win. May call: base, column. */
#include "dataset/spool.h"

enum { MERGE_ROWS = 8192, SPOOL_ROWS = 16384, RUN_ROWS = 4096, RUNS_MOST = 64 };

struct mst_sorter {
  mst_context *ctx;
  const mst_allocator *mem;
  struct ArrowSchema schema;
  mst_sort_key *by;
  size_t n_by;
  uint64_t memory;
  struct ArrowArray *batches; /* of the run that is being gathered */
  size_t n, room;
  uint64_t bytes;
  mst_spool *runs[RUNS_MOST];
  size_t n_runs;
};

static void drop_batches(mst_sorter *s) {
  for (size_t i = 0; i < s->n; i++) mst_array_release(&s->batches[i]);
  s->n = 0;
  s->bytes = 0;
}

void mst_sorter_free(mst_sorter *s) {
  if (s == NULL) return;
  drop_batches(s);
  mst_free(s->mem, s->batches);
  for (size_t i = 0; i < s->n_runs; i++) mst_spool_unref(s->runs[i]);
  mst_schema_release(&s->schema);
  mst_free(s->mem, s->by);
  mst_context *ctx = s->ctx;
  mst_free(s->mem, s);
  mst_context_unref(ctx);
}

mst_status mst_sorter_new(mst_context *ctx, const struct ArrowSchema *schema, const mst_sort_key *by, size_t n_by, uint64_t memory,
                          mst_sorter **out, mst_error *err) {
  mst_status status = MST_OK;
  const mst_allocator *mem = mst_context_mem(ctx);
  mst_sorter *s = mst_alloc_zero(mem, 1, sizeof *s);
  if (s == NULL) return mst_fail_memory(err);
  s->ctx = mst_context_ref(ctx);
  s->mem = mem;
  s->memory = memory;
  MST_TRY(mst_schema_copy(mem, schema, &s->schema, err));
  MST_TRY_ALLOC(s->by = mst_alloc_array(mem, n_by + 1, sizeof *s->by));
  memcpy(s->by, by, n_by * sizeof *by);
  s->n_by = n_by;
  *out = s;
  s = NULL;
done:
  mst_sorter_free(s);
  return status;
}

/* ---- one run --------------------------------------------------------------------------------------------------- */

/* What was gathered, as one batch, and the order of its rows. */
static mst_status sort_run(mst_sorter *s, struct ArrowArray *whole, int64_t **order, mst_error *err) {
  mst_status status = MST_OK;
  const struct ArrowArray **all = mst_alloc_array(s->mem, s->n + 1, sizeof *all);
  MST_TRY_ALLOC(all);
  for (size_t i = 0; i < s->n; i++) all[i] = &s->batches[i];
  MST_TRY(mst_array_concat(s->mem, &s->schema, all, s->n, whole, err));
  drop_batches(s);
  MST_TRY_ALLOC(*order = mst_alloc_array(s->mem, (size_t)whole->length + 1, sizeof **order));
  MST_TRY(mst_sort_rows(s->mem, &s->schema, whole, s->by, s->n_by, *order, err));
done:
  mst_free(s->mem, all);
  return status;
}

static mst_status spool_rows(mst_sorter *s, const struct ArrowArray *whole, const int64_t *order, mst_spool *into, mst_error *err) {
  mst_status status = MST_OK;
  for (int64_t at = 0; at < whole->length; at += SPOOL_ROWS) {
    struct ArrowArray part = {0};
    const int64_t n = whole->length - at < SPOOL_ROWS ? whole->length - at : SPOOL_ROWS;
    MST_TRY(mst_array_gather(s->mem, &s->schema, whole, order + at, n, &part, err));
    MST_TRY(mst_spool_put(into, &part, err));
  }
  MST_TRY(mst_spool_end(into, err));
done:
  return status;
}

static mst_status merge_runs(mst_sorter *s, mst_error *err);

static mst_status end_run(mst_sorter *s, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArray whole = {0};
  int64_t *order = NULL;
  mst_spool *run = NULL;
  if (s->n == 0) return MST_OK;
  if (s->n_runs == RUNS_MOST) MST_TRY(merge_runs(s, err));
  MST_TRY(sort_run(s, &whole, &order, err));
  MST_TRY(mst_spool_new(s->ctx, &s->schema, &run, err));
  MST_TRY(spool_rows(s, &whole, order, run, err));
  s->runs[s->n_runs++] = run;
  run = NULL;
done:
  mst_spool_unref(run);
  mst_free(s->mem, order);
  mst_array_release(&whole);
  return status;
}

/* A run takes three copies for a moment: as it came, as one batch, and what is being put into order. */
mst_status mst_sorter_put(mst_sorter *s, struct ArrowArray *batch, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t bytes = 0;
  MST_TRY(mst_array_check(&s->schema, batch, &bytes, err));
  if (s->n > 0 && s->bytes + bytes > s->memory / 3) MST_TRY(end_run(s, err));
  if (s->n == s->room) {
    const size_t room = s->room == 0 ? 64 : 2 * s->room;
    struct ArrowArray *grown = mst_resize(s->mem, s->batches, room * sizeof *grown);
    MST_TRY_ALLOC(grown);
    s->batches = grown;
    s->room = room;
  }
  s->batches[s->n++] = *batch;
  batch->release = NULL;
  s->bytes += bytes;
  return MST_OK;
done:
  mst_array_release(batch);
  return status;
}

/* ---- merging --------------------------------------------------------------------------------------------------- */

typedef struct run_cursor {
  struct ArrowArrayStream rows;
  struct ArrowArray batch; /* release NULL: at its end */
  mst_row_keys keys;
  size_t at, from; /* rows of the batch that were taken; of them, where this turn began */
} run_cursor;

typedef struct merge {
  mst_sorter *sorter;
  const mst_allocator *mem;
  run_cursor *runs;
  size_t n;
  uint32_t *picked; /* which run each row of this turn is of */
  uint32_t heap[RUNS_MOST];
  size_t n_heap;
} merge;

static void merge_close(void *self) {
  merge *m = self;
  if (m == NULL) return;
  for (size_t i = 0; m->runs != NULL && i < m->n; i++) {
    mst_stream_release(&m->runs[i].rows);
    mst_array_release(&m->runs[i].batch);
    mst_row_keys_free(&m->runs[i].keys);
  }
  mst_free(m->mem, m->runs);
  mst_free(m->mem, m->picked);
  mst_sorter *s = m->sorter;
  mst_free(m->mem, m);
  mst_sorter_free(s);
}

static mst_status refill(merge *m, run_cursor *c, mst_error *err) {
  mst_array_release(&c->batch);
  c->at = c->from = 0;
  mst_status status = mst_stream_next(&c->rows, &c->batch, err);
  if (status == MST_OK && c->batch.release != NULL)
    status = mst_row_keys_make(&c->keys, &m->sorter->schema, &c->batch, m->sorter->by, m->sorter->n_by, err);
  return status;
}

static bool comes_first(const merge *m, uint32_t a, uint32_t b) {
  const int order = mst_row_key_compare(&m->runs[a].keys, m->runs[a].at, &m->runs[b].keys, m->runs[b].at);
  return order != 0 ? order < 0 : a < b;
}

static void sift_down(merge *m, size_t i) {
  for (;;) {
    size_t least = i;
    for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < m->n_heap; child++)
      if (comes_first(m, m->heap[child], m->heap[least])) least = child;
    if (least == i) return;
    const uint32_t swapped = m->heap[i];
    m->heap[i] = m->heap[least];
    m->heap[least] = swapped;
    i = least;
  }
}

/* Runs that are used up get their next batch; those that have rows stand in the heap, the first row's run on top. */
static mst_status fill_heap(merge *m, mst_error *err) {
  mst_status status = MST_OK;
  m->n_heap = 0;
  for (size_t i = 0; i < m->n; i++) {
    run_cursor *c = &m->runs[i];
    while (c->batch.release != NULL && c->at == (size_t)c->batch.length) MST_TRY(refill(m, c, err));
    if (c->batch.release != NULL) m->heap[m->n_heap++] = (uint32_t)i;
  }
  for (size_t i = m->n_heap; i > 0; i--) sift_down(m, i - 1);
done:
  return status;
}

/* The rows that were picked, in order: those of each run one behind the other, then put where they belong. */
static mst_status assemble(merge *m, size_t n, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  int64_t *order = NULL, *next = NULL;
  struct ArrowArray *parts = NULL, joined = {0};
  const struct ArrowArray **all = NULL;
  size_t n_parts = 0;
  int64_t sum = 0;
  MST_TRY_ALLOC(order = mst_alloc_array(m->mem, n + 1, sizeof *order));
  MST_TRY_ALLOC(next = mst_alloc_zero(m->mem, m->n + 1, sizeof *next));
  MST_TRY_ALLOC(parts = mst_alloc_zero(m->mem, m->n + 1, sizeof *parts));
  MST_TRY_ALLOC(all = mst_alloc_array(m->mem, m->n + 1, sizeof *all));
  for (size_t i = 0; i < m->n; i++) {
    run_cursor *c = &m->runs[i];
    next[i] = sum;
    if (c->at == c->from) continue;
    for (size_t k = c->from; k < c->at; k++) order[k - c->from] = (int64_t)k;
    MST_TRY(mst_array_gather(m->mem, &m->sorter->schema, &c->batch, order, (int64_t)(c->at - c->from), &parts[n_parts], err));
    all[n_parts] = &parts[n_parts];
    n_parts++;
    sum += (int64_t)(c->at - c->from);
    c->from = c->at;
  }
  if (n_parts == 1) {
    *out = parts[0];
    n_parts = 0;
    goto done;
  }
  for (size_t i = 0; i < n; i++) order[i] = next[m->picked[i]]++;
  MST_TRY(mst_array_concat(m->mem, &m->sorter->schema, all, n_parts, &joined, err));
  MST_TRY(mst_array_gather(m->mem, &m->sorter->schema, &joined, order, (int64_t)n, out, err));
done:
  for (size_t i = 0; i < n_parts; i++) mst_array_release(&parts[i]);
  mst_array_release(&joined);
  mst_free(m->mem, order);
  mst_free(m->mem, next);
  mst_free(m->mem, parts);
  mst_free(m->mem, all);
  return status;
}

static mst_status merge_next(void *self, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  merge *m = self;
  size_t n = 0;
  *out = (struct ArrowArray){0};
  MST_TRY(fill_heap(m, err));
  while (n < MERGE_ROWS && m->n_heap > 0) {
    const uint32_t i = m->heap[0];
    m->picked[n++] = i;
    if (++m->runs[i].at == (size_t)m->runs[i].batch.length) break;
    sift_down(m, 0);
  }
  if (n > 0) MST_TRY(assemble(m, n, out, err));
done:
  return status;
}

/* Over all runs; `m->sorter` stays the caller's unless the merge is closed. */
static mst_status merge_open(mst_sorter *s, merge **out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  merge *m = mst_alloc_zero(s->mem, 1, sizeof *m);
  if (m == NULL) return mst_fail_memory(err);
  m->mem = s->mem;
  MST_TRY_ALLOC(m->runs = mst_alloc_zero(s->mem, s->n_runs + 1, sizeof *m->runs));
  MST_TRY_ALLOC(m->picked = mst_alloc_array(s->mem, MERGE_ROWS, sizeof *m->picked));
  m->sorter = s;
  for (; m->n < s->n_runs; m->n++) {
    run_cursor *c = &m->runs[m->n];
    mst_row_keys_init(&c->keys, s->mem);
    status = mst_spool_read(s->runs[m->n], RUN_ROWS, &c->rows, cancel, err);
    if (status == MST_OK) status = refill(m, c, err);
    if (status != MST_OK) {
      m->n++;
      goto done;
    }
  }
  *out = m;
  m = NULL;
done:
  if (m != NULL) m->sorter = NULL;
  merge_close(m);
  return status;
}

/* All runs become one. */
static mst_status merge_runs(mst_sorter *s, mst_error *err) {
  mst_status status = MST_OK;
  merge *m = NULL;
  mst_spool *run = NULL;
  MST_TRY(merge_open(s, &m, NULL, err));
  MST_TRY(mst_spool_new(s->ctx, &s->schema, &run, err));
  for (;;) {
    struct ArrowArray batch = {0};
    MST_TRY(merge_next(m, &batch, err));
    if (batch.release == NULL) break;
    MST_TRY(mst_spool_put(run, &batch, err));
  }
  MST_TRY(mst_spool_end(run, err));
  for (size_t i = 0; i < s->n_runs; i++) mst_spool_unref(s->runs[i]);
  s->runs[0] = run;
  s->n_runs = 1;
  run = NULL;
done:
  if (m != NULL) m->sorter = NULL;
  merge_close(m);
  mst_spool_unref(run);
  return status;
}

/* ---- rows that fit --------------------------------------------------------------------------------------------- */

typedef struct in_memory {
  mst_sorter *sorter;
  struct ArrowArray whole;
  int64_t *order, at;
} in_memory;

static void close_in_memory(void *self) {
  in_memory *m = self;
  if (m == NULL) return;
  mst_sorter *s = m->sorter;
  mst_array_release(&m->whole);
  mst_free(s->mem, m->order);
  mst_free(s->mem, m);
  mst_sorter_free(s);
}

static mst_status next_in_memory(void *self, struct ArrowArray *out, mst_error *err) {
  in_memory *m = self;
  *out = (struct ArrowArray){0};
  const int64_t left = m->whole.length - m->at, n = left < 4 * SPOOL_ROWS ? left : 4 * SPOOL_ROWS;
  if (n == 0) return MST_OK;
  const mst_status status = mst_array_gather(m->sorter->mem, &m->sorter->schema, &m->whole, m->order + m->at, n, out, err);
  m->at += n;
  return status;
}

static mst_status open_in_memory(mst_sorter *s, mst_stream_source *out, mst_error *err) {
  mst_status status = MST_OK;
  in_memory *m = mst_alloc_zero(s->mem, 1, sizeof *m);
  if (m == NULL) return mst_fail_memory(err);
  MST_TRY(sort_run(s, &m->whole, &m->order, err));
  m->sorter = s;
  *out = (mst_stream_source){.self = m, .next = next_in_memory, .close = close_in_memory};
  return MST_OK;
done:
  mst_array_release(&m->whole);
  mst_free(s->mem, m->order);
  mst_free(s->mem, m);
  return status;
}

mst_status mst_sorter_stream(mst_sorter *s, struct ArrowArrayStream *out, mst_cancel *cancel, mst_error *err) {
  const mst_allocator *mem = s->mem;
  mst_status status = MST_OK;
  merge *m = NULL;
  struct ArrowSchema schema = {0};
  mst_stream_source source = {0};
  MST_TRY(mst_schema_copy(s->mem, &s->schema, &schema, err));
  if (s->n_runs == 0) {
    MST_TRY(open_in_memory(s, &source, err));
  } else {
    MST_TRY(end_run(s, err));
    MST_TRY(merge_open(s, &m, cancel, err));
    source = (mst_stream_source){.self = m, .next = merge_next, .close = merge_close};
  }
  s = NULL;
  MST_TRY(mst_stream_make(mem, &schema, &source, out, err));
done:
  mst_schema_release(&schema);
  mst_sorter_free(s);
  return status;
}
