/* parquet/group_out.c - encodes the columns of row groups side by side.
 *
 * Owns: mst_pq_encoders and mst_pq_group_out. May call: base, codec, column. */
#include "parquet/group_out.h"

#include <stdatomic.h>

enum { THREADS_MOST = 64 };

/* ---- batches ------------------------------------------------------------------------------------------------- */

mst_status mst_pq_batch_new(const mst_allocator *mem, struct ArrowArray *array, mst_pq_batch **out, mst_error *err) {
  mst_pq_batch *b = mst_alloc(mem, sizeof *b);
  if (b == NULL) return mst_fail_memory(err);
  *b = (mst_pq_batch){.mem = mem, .array = *array, .users = 1};
  array->release = NULL;
  *out = b;
  return MST_OK;
}

void mst_pq_batch_drop(mst_pq_batch *b) {
  if (b == NULL || --b->users > 0) return;
  mst_array_release(&b->array);
  mst_free(b->mem, b);
}

/* ---- threads ------------------------------------------------------------------------------------------------- */

/* What one thread at a time works with. */
typedef struct seat {
  _Atomic bool taken;
  mst_block_coder coder;
} seat;

struct mst_pq_encoders {
  const mst_allocator *mem;
  mst_group *group;
  seat *seats; /* as many as tasks run at once */
  uint32_t n_seats;
  uint64_t added;
  _Atomic uint64_t ended;
};

mst_status mst_pq_encoders_open(const mst_allocator *mem, mst_context *ctx, mst_pq_encoders **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_encoders *e = NULL;
  uint32_t i, n = ctx != NULL ? mst_context_threads(ctx) : 1;
  *out = NULL;
  if (n <= 1) return MST_OK;
  if (n > THREADS_MOST) n = THREADS_MOST;
  MST_TRY_ALLOC(e = mst_alloc_zero(mem, 1, sizeof *e));
  e->mem = mem;
  MST_TRY_ALLOC(e->seats = mst_alloc_zero(mem, n, sizeof *e->seats));
  for (i = 0; i < n; i++) e->seats[i].coder.mem = mem;
  e->n_seats = n;
  MST_TRY(mst_group_new(ctx, &e->group, err));
  mst_group_set_width(e->group, n);
  *out = e;
  e = NULL;
done:
  mst_pq_encoders_close(e);
  return status;
}

void mst_pq_encoders_close(mst_pq_encoders *e) {
  uint32_t i;
  if (e == NULL) return;
  mst_group_free(e->group);
  for (i = 0; e->seats != NULL && i < e->n_seats; i++) mst_block_coder_close(&e->seats[i].coder);
  mst_free(e->mem, e->seats);
  mst_free(e->mem, e);
}

/* There is a free one for each task that runs. */
static seat *take_seat(mst_pq_encoders *e) {
  uint32_t i;
  for (i = 0;; i = i + 1 < e->n_seats ? i + 1 : 0)
    if (!atomic_exchange_explicit(&e->seats[i].taken, true, memory_order_acquire)) return &e->seats[i];
}

/* ---- row groups ---------------------------------------------------------------------------------------------- */

typedef struct leaf_out {
  mst_pq_group_out *group;
  uint32_t leaf;
  mst_pq_column_config config;
  mst_pq_chunk_out chunk;
  _Atomic bool done;
  mst_status status;
  mst_error error;
} leaf_out;

struct mst_pq_group_out {
  const mst_allocator *mem;
  mst_pq_encoders *encoders;
  const mst_pq_shape *shape;
  mst_pq_rows *rows;
  size_t n_rows;
  leaf_out *leaves;
};

static mst_status encode_leaf(leaf_out *l, mst_block_coder *coder, mst_error *err) {
  mst_status status = MST_OK;
  const mst_pq_group_out *g = l->group;
  const mst_pq_leaf *leaf = &g->shape->leaves[l->leaf];
  mst_pq_piece *pieces = NULL;
  size_t i;
  MST_TRY_ALLOC(pieces = mst_alloc_array(g->mem, g->n_rows + 1, sizeof *pieces));
  for (i = 0; i < g->n_rows; i++) {
    const struct ArrowArray *array = &g->rows[i].batch->array;
    pieces[i] = (mst_pq_piece){array->children[leaf->top], array->offset + g->rows[i].first, g->rows[i].count};
  }
  status = mst_pq_column_write(g->mem, leaf, &l->config, coder, pieces, g->n_rows, &l->chunk, err);
done:
  mst_free(g->mem, pieces);
  return status;
}

static mst_status run_leaf(void *arg, mst_error *err) {
  leaf_out *l = arg;
  mst_pq_encoders *e = l->group->encoders;
  seat *s = take_seat(e);
  (void)err;
  l->status = encode_leaf(l, &s->coder, &l->error);
  atomic_store_explicit(&s->taken, false, memory_order_release);
  atomic_fetch_add_explicit(&e->ended, 1, memory_order_relaxed);
  /* From here on the group may be gone. */
  atomic_store_explicit(&l->done, true, memory_order_release);
  return MST_OK;
}

mst_status mst_pq_group_out_begin(mst_pq_encoders *e, const mst_pq_shape *shape, const mst_pq_column_config *configs,
                                  const mst_pq_rows *rows, size_t n, mst_pq_group_out **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_group_out *g = NULL;
  uint32_t i;
  MST_TRY_ALLOC(g = mst_alloc_zero(e->mem, 1, sizeof *g));
  g->mem = e->mem;
  g->encoders = e;
  g->shape = shape;
  MST_TRY_ALLOC(g->leaves = mst_alloc_zero(e->mem, shape->n_leaves + 1u, sizeof *g->leaves));
  MST_TRY_ALLOC(g->rows = mst_alloc_array(e->mem, n + 1, sizeof *g->rows));
  for (; g->n_rows < n; g->n_rows++) {
    g->rows[g->n_rows] = rows[g->n_rows];
    rows[g->n_rows].batch->users++;
  }
  for (i = 0; i < shape->n_leaves; i++) {
    leaf_out *l = &g->leaves[i];
    l->group = g;
    l->leaf = i;
    l->config = configs[i];
    l->error.offset = -1;
    mst_pq_chunk_out_init(g->mem, &l->chunk);
  }
  *out = g;
  for (i = 0; i < shape->n_leaves; i++) {
    status = mst_group_add(e->group, run_leaf, &g->leaves[i], err);
    if (status != MST_OK) return status; /* `*out` is set: tasks may run already */
    e->added++;
  }
  return MST_OK;
done:
  mst_pq_group_out_free(g);
  return status;
}

uint64_t mst_pq_group_out_rows(const mst_pq_group_out *g) {
  uint64_t n = 0;
  size_t i;
  for (i = 0; i < g->n_rows; i++) n += (uint64_t)g->rows[i].count;
  return n;
}

mst_status mst_pq_group_out_leaf(mst_pq_group_out *g, uint32_t leaf, mst_pq_chunk_out **out,
                                 const mst_pq_column_config **config, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_encoders *e = g->encoders;
  leaf_out *l = &g->leaves[leaf];
  while (!atomic_load_explicit(&l->done, memory_order_acquire)) {
    uint64_t left = e->added - atomic_load_explicit(&e->ended, memory_order_relaxed);
    MST_TRY(mst_group_wait_left(e->group, left > 0 ? (size_t)left - 1 : 0, NULL, err));
  }
  if (l->status != MST_OK && err != NULL) *err = l->error;
  *out = &l->chunk;
  *config = &l->config;
  status = l->status;
done:
  return status;
}

void mst_pq_group_out_free(mst_pq_group_out *g) {
  uint32_t i;
  size_t k;
  if (g == NULL) return;
  for (i = 0; g->leaves != NULL && i < g->shape->n_leaves; i++)
    if (g->leaves[i].group != NULL) mst_pq_chunk_out_free(g->mem, &g->leaves[i].chunk);
  for (k = 0; k < g->n_rows; k++) mst_pq_batch_drop(g->rows[k].batch);
  mst_free(g->mem, g->rows);
  mst_free(g->mem, g->leaves);
  mst_free(g->mem, g);
}
