/* fetch/gather.c - many requests for one object at once: as many in flight as the context's requests and budget allow,
 * the first failure ends the others, nothing is left behind. A lone piece, and whatever is local, is read in the
 * calling thread. May call: base, store. */
#include "fetch/inner.h"

enum { PIECE_REMOTE = 8 << 20, PIECE_LOCAL = 4 << 20, PIECE_LEAST = 64 << 10 };

typedef struct gather gather;

typedef struct flight {
  mst_op op;
  gather *gather;
  uint64_t budget;
  bool flying;
} flight;

struct gather {
  mst_object *object;
  mst_cancel *cancel; /* the caller's */
  mst_cancel *stop;   /* ours: ends what is in flight */
  flight *flights;
  size_t width;
  pthread_mutex_t lock; /* guards what follows, and `flying` */
  pthread_cond_t ended;
  size_t in_flight;
  mst_status status; /* the first failure */
  mst_error error;
};

/* A quarter of the budget at most, so that several requests fit in. */
size_t mst_piece_max(const mst_object *o) {
  uint64_t share = mst_context_memory_max(o->ctx) / 4;
  uint64_t most = mst_object_is_local(o) ? PIECE_LOCAL : PIECE_REMOTE;
  return (size_t)mst_max_u64(mst_min_u64(share, most), PIECE_LEAST);
}

static mst_status read_one(mst_object *o, const mst_piece *p, mst_cancel *cancel, mst_error *err) {
  mst_status status = mst_budget_take(o->ctx, p->size, cancel, err);
  if (status != MST_OK) return status;
  mst_op op = mst_object_get(o, p->offset, p->size, p->into);
  op.cancel = cancel;
  status = mst_object_judge(o, &op, mst_store_perform(o->store, &op, NULL), err);
  mst_budget_give(o->ctx, p->size);
  return status;
}

static void flight_done(mst_op *op, mst_status status) {
  flight *f = op->done_arg;
  gather *g = f->gather;
  status = mst_object_judge(g->object, op, status, NULL);
  mst_budget_give(g->object->ctx, f->budget);
  pthread_mutex_lock(&g->lock);
  f->flying = false;
  g->in_flight--;
  if (status != MST_OK && g->status == MST_OK) {
    g->status = status;
    g->error = op->error;
  }
  pthread_cond_signal(&g->ended);
  pthread_mutex_unlock(&g->lock);
}

static void start(gather *g, const mst_piece *p) {
  flight *f = g->flights;
  pthread_mutex_lock(&g->lock);
  while (f->flying) f++;
  f->flying = true;
  g->in_flight++;
  pthread_mutex_unlock(&g->lock);
  f->gather = g;
  f->budget = p->size;
  f->op = mst_object_get(g->object, p->offset, p->size, p->into);
  f->op.cancel = g->stop;
  f->op.done = flight_done;
  f->op.done_arg = f;
  mst_store_start(g->object->store, &f->op);
}

/* The lock is held on entry and on return. Only this thread starts operations, so none is used anew meanwhile. */
static void stop_all(gather *g) {
  mst_cancel_request(g->stop);
  for (size_t i = 0; i < g->width; i++) {
    if (!g->flights[i].flying) continue;
    pthread_mutex_unlock(&g->lock);
    mst_store_cancel(g->object->store, &g->flights[i].op);
    pthread_mutex_lock(&g->lock);
  }
}

/* Waits until at most `left` are in flight, or all have ended after a failure. */
static mst_status wait_left(gather *g, size_t left) {
  bool stopped = false;
  pthread_mutex_lock(&g->lock);
  while (g->in_flight > (g->status == MST_OK ? left : 0)) {
    if (g->status == MST_OK && mst_cancelled(g->cancel))
      g->status = mst_fail(&g->error, MST_E_CANCELLED, "cancelled on request");
    if (g->status != MST_OK && !stopped) {
      stopped = true;
      stop_all(g);
      continue;
    }
    if (g->cancel == NULL) pthread_cond_wait(&g->ended, &g->lock);
    else mst_cond_wait_short(&g->ended, &g->lock);
  }
  mst_status status = g->status;
  pthread_mutex_unlock(&g->lock);
  return status;
}

static size_t count_in_flight(gather *g) {
  pthread_mutex_lock(&g->lock);
  size_t n = g->in_flight;
  pthread_mutex_unlock(&g->lock);
  return n;
}

/* Room for one more: where the budget has none, one of ours must end first; only with nothing in flight do we wait for
 * others. */
static mst_status take_room(gather *g, uint64_t bytes) {
  mst_status status = wait_left(g, g->width - 1);
  while (status == MST_OK && !mst_budget_try(g->object->ctx, bytes)) {
    size_t n = count_in_flight(g);
    if (n == 0) return mst_budget_take(g->object->ctx, bytes, g->cancel, &g->error);
    status = wait_left(g, n - 1);
  }
  return status;
}

static mst_status read_together(gather *g, const mst_piece *pieces, size_t n) {
  mst_status status = MST_OK;
  for (size_t i = 0; i < n && status == MST_OK; i++) {
    status = take_room(g, pieces[i].size);
    if (status == MST_OK) start(g, &pieces[i]);
  }
  if (status != MST_OK) {
    pthread_mutex_lock(&g->lock);
    if (g->status == MST_OK) g->status = status;
    pthread_mutex_unlock(&g->lock);
  }
  return wait_left(g, 0);
}

static mst_status gather_many(mst_object *o, const mst_piece *pieces, size_t n, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  const mst_allocator *mem = mst_context_mem(o->ctx);
  gather g = {.object = o, .cancel = cancel, .width = mst_min_size(n, mst_context_requests_max(o->ctx))};
  g.stop = mst_cancel_new(o->ctx);
  MST_TRY_ALLOC(g.stop);
  g.flights = mst_alloc_zero(mem, g.width, sizeof *g.flights);
  MST_TRY_ALLOC(g.flights);
  pthread_mutex_init(&g.lock, NULL);
  mst_cond_init(&g.ended);
  status = read_together(&g, pieces, n);
  pthread_cond_destroy(&g.ended);
  pthread_mutex_destroy(&g.lock);
  if (status != MST_OK && err != NULL) *err = g.error;
done:
  mst_free(mem, g.flights);
  mst_cancel_unref(g.stop);
  return status;
}

mst_status mst_gather(mst_object *o, const mst_piece *pieces, size_t n, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  if (n > 1 && !mst_object_is_local(o)) return gather_many(o, pieces, n, cancel, err);
  for (size_t i = 0; i < n && status == MST_OK; i++) status = read_one(o, &pieces[i], cancel, err);
  return status;
}
