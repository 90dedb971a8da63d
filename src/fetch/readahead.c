/* fetch/readahead.c - an object's bytes in order, in chunks, with requests ahead of the reader.
 *
 * Owns: the chunks' memory, which is used again as soon as the reader lets go, so that it stays in the processor's
 * cache and costs no page faults. A local object is read in the reader's thread, one chunk at a time. Elsewhere the
 * window begins with one chunk ahead and doubles each time the reader had to wait. May call: base, store. */
#include "fetch/inner.h"

enum { CHUNK_LOCAL = 1 << 20, CHUNK_REMOTE = 8 << 20, CHUNK_LEAST = 64 << 10, AHEAD_MOST = 64, PAGE = 4096 };

/* ---- chunks ------------------------------------------------------------------------------------------------------ */

typedef struct chunk chunk;

/* Outlives the reader while chunks are out. */
typedef struct chunk_pool {
  _Atomic uint32_t refs;
  mst_context *ctx;
  pthread_mutex_t lock; /* guards what follows */
  chunk *idle;
  size_t n_idle;
  uint64_t out; /* bytes of chunks that the reader holds */
  bool closed;
} chunk_pool;

struct chunk {
  mst_owner owner; /* first: mst_bytes points to it */
  chunk_pool *pool;
  chunk *next;
  size_t capacity;
  uint64_t budget; /* what was taken for it */
  bool is_out;
  void *block; /* the memory of `data`, which begins at a page: kernels copy to such places twice as fast */
  uint8_t *data;
};

static void pool_unref(chunk_pool *p) {
  if (p == NULL || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1) return;
  mst_context *ctx = p->ctx;
  pthread_mutex_destroy(&p->lock);
  mst_free(mst_context_mem(ctx), p);
  mst_context_unref(ctx);
}

static void chunk_free(chunk *c) {
  chunk_pool *p = c->pool;
  const mst_allocator *mem = mst_context_mem(p->ctx);
  mst_budget_give(p->ctx, c->budget);
  mst_free(mem, c->block);
  mst_free(mem, c);
  pool_unref(p);
}

/* One is kept to be used again; what was admitted beyond the budget never is. */
static void chunk_release(mst_owner *owner) {
  chunk *c = (chunk *)owner;
  chunk_pool *p = c->pool;
  pthread_mutex_lock(&p->lock);
  if (c->is_out) p->out -= c->capacity;
  c->is_out = false;
  bool keep = !p->closed && p->n_idle < 1 && c->budget > 0;
  if (keep) {
    c->next = p->idle;
    p->idle = c;
    p->n_idle++;
  }
  pthread_mutex_unlock(&p->lock);
  if (!keep) chunk_free(c);
}

static chunk *pool_take(chunk_pool *p) {
  pthread_mutex_lock(&p->lock);
  chunk *c = p->idle;
  if (c != NULL) {
    p->idle = c->next;
    p->n_idle--;
    mst_owner_init(&c->owner, chunk_release);
  }
  pthread_mutex_unlock(&p->lock);
  return c;
}

static void pool_close(chunk_pool *p) {
  if (p == NULL) return;
  pthread_mutex_lock(&p->lock);
  chunk *c = p->idle;
  p->idle = NULL;
  p->closed = true;
  pthread_mutex_unlock(&p->lock);
  while (c != NULL) {
    chunk *next = c->next;
    chunk_free(c);
    c = next;
  }
  pool_unref(p);
}

static mst_status pool_new(mst_context *ctx, chunk_pool **out, mst_error *err) {
  chunk_pool *p = mst_alloc_zero(mst_context_mem(ctx), 1, sizeof *p);
  if (p == NULL) return mst_fail_memory(err);
  p->refs = 1;
  p->ctx = mst_context_ref(ctx);
  pthread_mutex_init(&p->lock, NULL);
  *out = p;
  return MST_OK;
}

/* `budget` bytes were taken for it and are given back when there is no memory: NULL. */
static chunk *chunk_new(chunk_pool *p, size_t capacity, uint64_t budget) {
  const mst_allocator *mem = mst_context_mem(p->ctx);
  chunk *c = mst_alloc_zero(mem, 1, sizeof *c);
  void *block = c == NULL || capacity > SIZE_MAX - PAGE ? NULL : mst_alloc(mem, capacity + PAGE);
  if (block == NULL) {
    mst_free(mem, c);
    mst_budget_give(p->ctx, budget);
    return NULL;
  }
  mst_expect_whole(block, capacity + PAGE);
  uint8_t *data = (uint8_t *)block + (PAGE - (uintptr_t)block % PAGE) % PAGE;
  *c = (chunk){.pool = p, .capacity = capacity, .budget = budget, .data = data, .block = block};
  mst_owner_init(&c->owner, chunk_release);
  atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
  return c;
}

/* ---- the reader -------------------------------------------------------------------------------------------------- */

typedef struct request {
  mst_op op;
  struct mst_readahead *reader;
  chunk *chunk;
  bool done;
  mst_status status;
} request;

struct mst_readahead {
  mst_object *object;
  mst_context *ctx;
  chunk_pool *pool;
  mst_cancel *stop;    /* ours, for all requests */
  uint64_t asked, end; /* [asked, end) is not asked for yet */
  size_t chunk_size;
  uint32_t ahead, ahead_most;
  uint64_t memory;
  bool local;
  uint64_t generation; /* of processes: requests of a parent never end in its child */
  request *ring;       /* of n_ring places; `count` requests from `first` on are under way or ready */
  size_t n_ring, first, count;
  pthread_mutex_t lock; /* guards `done` and `status` of requests */
  pthread_cond_t ended;
  mst_status status; /* the first failure; it stays */
  mst_error error;
};

/* Chunks of all threads together take at most half of the budget, so that other reads find room beside them. */
static size_t choose_chunk(const mst_readahead *r, const mst_readahead_options *o) {
  uint64_t total = r->end - r->asked;
  uint64_t share =
      mst_min_u64(r->memory / 2, mst_context_memory_max(r->ctx) / (2 * (uint64_t)mst_context_threads(r->ctx)));
  uint64_t size = o->chunk;
  if (size == 0) size = mst_max_u64(mst_min_u64(share, r->local ? CHUNK_LOCAL : CHUNK_REMOTE), CHUNK_LEAST);
  /* no request for a small rest */
  if (o->chunk == 0 && !r->local && total <= size + size / 2) size = total;
  return (size_t)mst_max_u64(mst_min_u64(size, total), 1);
}

static mst_status prepare(mst_readahead *r, const mst_readahead_options *o, mst_error *err) {
  mst_status status = MST_OK;
  r->memory = o->memory != 0 ? o->memory : mst_context_memory_max(r->ctx) / 2;
  r->chunk_size = choose_chunk(r, o);
  uint64_t most = r->memory / r->chunk_size;
  most = most > 1 ? most - 1 : 0;
  if (o->ahead != 0) most = mst_min_u64(most, o->ahead);
  r->ahead_most =
      r->local ? 0 : (uint32_t)mst_min_u64(most, mst_min_u64(AHEAD_MOST, mst_context_requests_max(r->ctx) - 1));
  r->ahead = o->ahead != 0 ? r->ahead_most : (uint32_t)mst_min_u64(1, r->ahead_most);
  r->n_ring = r->ahead_most + 1;
  r->ring = mst_alloc_zero(mst_context_mem(r->ctx), r->n_ring, sizeof *r->ring);
  MST_TRY_ALLOC(r->ring);
  r->stop = mst_cancel_new(r->ctx);
  MST_TRY_ALLOC(r->stop);
  MST_TRY(pool_new(r->ctx, &r->pool, err));
done:
  return status;
}

mst_status mst_readahead_open(mst_object *o, uint64_t begin, uint64_t end, const mst_readahead_options *options,
                              mst_readahead **out, mst_error *err) {
  mst_readahead_options none = {0};
  if (begin > end || end > o->pin.size) {
    mst_status wrong =
        mst_fail_at(err, MST_E_CORRUPT, end, "bytes %llu to %llu lie beyond the end of the object (%llu bytes)",
                    (unsigned long long)begin, (unsigned long long)end, (unsigned long long)o->pin.size);
    return mst_error_name(err, wrong, o->url);
  }
  mst_readahead *r = mst_alloc_zero(mst_context_mem(o->ctx), 1, sizeof *r);
  if (r == NULL) return mst_fail_memory(err);
  r->object = mst_object_ref(o);
  r->ctx = o->ctx;
  r->asked = begin;
  r->end = end;
  r->local = mst_object_is_local(o);
  r->generation = mst_fork_generation();
  pthread_mutex_init(&r->lock, NULL);
  mst_cond_init(&r->ended);
  mst_status status = prepare(r, options != NULL ? options : &none, err);
  if (status == MST_OK) *out = r;
  else mst_readahead_close(r);
  return status;
}

/* ---- memory for the next chunk ----------------------------------------------------------------------------------- */

/* Whether a chunk may be made that the reader cannot go on without, and how much of it is on the budget. While he holds
 * others, waiting for them would wait for ever: then it is admitted beyond the budget, up to the limit of one record.
 */
static mst_status admit(mst_readahead *r, size_t size, uint64_t *budget, mst_cancel *cancel, mst_error *err) {
  *budget = size;
  if (mst_budget_try(r->ctx, size)) return MST_OK;
  pthread_mutex_lock(&r->pool->lock);
  uint64_t held = r->pool->out;
  pthread_mutex_unlock(&r->pool->lock);
  if (held == 0) return mst_budget_take(r->ctx, size, cancel, err);
  *budget = 0;
  if (held + size <= mst_context_record_max(r->ctx)) return MST_OK;
  return mst_fail(err, MST_E_LIMIT, "%llu bytes that were read are still held; one record may take %llu",
                  (unsigned long long)held, (unsigned long long)mst_context_record_max(r->ctx));
}

static mst_status take_needed(mst_readahead *r, size_t size, chunk **out, mst_cancel *cancel, mst_error *err) {
  uint64_t budget = 0;
  chunk *c = pool_take(r->pool);
  if (c != NULL && c->capacity < size) {
    chunk_free(c);
    c = NULL;
  }
  if (c == NULL) {
    mst_status status = admit(r, size, &budget, cancel, err);
    if (status != MST_OK) return status;
    c = chunk_new(r->pool, size, budget);
  }
  *out = c;
  return c != NULL ? MST_OK : mst_fail_memory(err);
}

/* A chunk ahead of the reader: only where a quarter of the budget stays free for others. */
static chunk *take_ahead(mst_readahead *r, size_t size) {
  chunk *c = pool_take(r->pool);
  if (c != NULL && c->capacity >= size) return c;
  if (c != NULL) chunk_free(c);
  uint64_t max = mst_context_memory_max(r->ctx);
  if (mst_budget_in_use(r->ctx) + size > max - max / 4 || !mst_budget_try(r->ctx, size)) return NULL;
  return chunk_new(r->pool, size, size);
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static void request_done(mst_op *op, mst_status status) {
  request *q = op->done_arg;
  mst_readahead *r = q->reader;
  status = mst_object_judge(r->object, op, status, NULL);
  pthread_mutex_lock(&r->lock);
  q->status = status;
  q->done = true;
  pthread_cond_signal(&r->ended);
  pthread_mutex_unlock(&r->lock);
}

static void start(mst_readahead *r, chunk *c, size_t size) {
  request *q = &r->ring[(r->first + r->count) % r->n_ring];
  q->reader = r;
  q->chunk = c;
  q->done = false;
  q->status = MST_OK;
  q->op = mst_object_get(r->object, r->asked, size, c->data);
  q->op.cancel = r->stop;
  q->op.done = request_done;
  q->op.done_arg = q;
  r->asked += size;
  r->count++;
  mst_store_start(r->object->store, &q->op);
}

static size_t next_size(const mst_readahead *r) { return (size_t)mst_min_u64(r->chunk_size, r->end - r->asked); }

static mst_status fill_window(mst_readahead *r, mst_cancel *cancel, mst_error *err) {
  if (r->count == 0) {
    chunk *c = NULL;
    size_t size = next_size(r);
    mst_status status = take_needed(r, r->chunk_size, &c, cancel, err);
    if (status != MST_OK) return status;
    start(r, c, size);
  }
  while (r->count < 1 + (size_t)r->ahead && r->asked < r->end) {
    chunk *c = take_ahead(r, r->chunk_size);
    if (c == NULL) break;
    start(r, c, next_size(r));
  }
  return MST_OK;
}

/* Waits for the request that is first in order. `waited`: it was not there yet. */
static mst_status wait_first(mst_readahead *r, bool *waited, mst_cancel *cancel, mst_error *err) {
  request *q = &r->ring[r->first];
  pthread_mutex_lock(&r->lock);
  *waited = !q->done;
  while (!q->done && !mst_cancelled(cancel)) {
    if (cancel == NULL) pthread_cond_wait(&r->ended, &r->lock);
    else mst_cond_wait_short(&r->ended, &r->lock);
  }
  bool done = q->done;
  pthread_mutex_unlock(&r->lock);
  if (!done) return mst_cancel_check(cancel, err);
  if (q->status != MST_OK && err != NULL) *err = q->op.error;
  return q->status;
}

static bool is_foreign(const mst_readahead *r) { return !r->local && r->generation != mst_fork_generation(); }

/* Ends all that is under way, and waits for it. */
static void stop_all(mst_readahead *r) {
  mst_cancel_request(r->stop);
  for (size_t i = 0; i < r->count; i++) {
    request *q = &r->ring[(r->first + i) % r->n_ring];
    mst_store_cancel(r->object->store, &q->op);
  }
  for (; r->count > 0; r->count--) {
    request *q = &r->ring[r->first];
    pthread_mutex_lock(&r->lock);
    while (!q->done) pthread_cond_wait(&r->ended, &r->lock);
    pthread_mutex_unlock(&r->lock);
    chunk_free(q->chunk);
    r->first = (r->first + 1) % r->n_ring;
  }
}

/* ---- the next chunk ---------------------------------------------------------------------------------------------- */

static void hand_out(chunk *c, size_t size, mst_bytes *out) {
  pthread_mutex_lock(&c->pool->lock);
  c->is_out = true;
  c->pool->out += c->capacity;
  pthread_mutex_unlock(&c->pool->lock);
  *out = (mst_bytes){.data = c->data, .size = size, .owner = c};
}

static mst_status next_local(mst_readahead *r, mst_bytes *out, mst_cancel *cancel, mst_error *err) {
  chunk *c = NULL;
  size_t size = next_size(r);
  mst_status status = take_needed(r, r->chunk_size, &c, cancel, err);
  if (status != MST_OK) return status;
  mst_op op = mst_object_get(r->object, r->asked, size, c->data);
  op.cancel = cancel;
  status = mst_object_judge(r->object, &op, mst_store_perform(r->object->store, &op, NULL), err);
  if (status != MST_OK) {
    chunk_free(c);
    return status;
  }
  r->asked += size;
  hand_out(c, size, out);
  return MST_OK;
}

static mst_status next_remote(mst_readahead *r, mst_bytes *out, mst_cancel *cancel, mst_error *err) {
  bool waited = false;
  mst_status status = fill_window(r, cancel, err);
  if (status == MST_OK) status = wait_first(r, &waited, cancel, err);
  if (status != MST_OK) return status;
  if (waited && r->ahead < r->ahead_most)
    r->ahead = (uint32_t)mst_min_u64(r->ahead_most, mst_max_u64(1, 2 * (uint64_t)r->ahead));
  request *q = &r->ring[r->first];
  r->first = (r->first + 1) % r->n_ring;
  r->count--;
  hand_out(q->chunk, (size_t)q->op.size, out);
  return MST_OK;
}

mst_status mst_readahead_next(mst_readahead *r, mst_bytes *out, mst_cancel *cancel, mst_error *err) {
  mst_bytes next = {0};
  mst_status status = r->status;
  if (status != MST_OK) {
    if (err != NULL) *err = r->error;
    return status;
  }
  if (is_foreign(r))
    return mst_fail(err, MST_E_CANCELLED, "the reading was begun before fork(); begin it anew in the child");
  if (r->asked < r->end || r->count > 0)
    status = r->local ? next_local(r, &next, cancel, &r->error) : next_remote(r, &next, cancel, &r->error);
  if (status != MST_OK) {
    r->status = status;
    stop_all(r);
    if (err != NULL) *err = r->error;
    return status;
  }
  *out = next;
  return MST_OK;
}

/* In a child after fork() it is left as it is: its requests and locks are the parent's. */
void mst_readahead_close(mst_readahead *r) {
  if (r == NULL || is_foreign(r)) return;
  mst_object *o = r->object;
  const mst_allocator *mem = mst_context_mem(r->ctx);
  if (r->stop != NULL) stop_all(r);
  pool_close(r->pool);
  mst_cancel_unref(r->stop);
  pthread_cond_destroy(&r->ended);
  pthread_mutex_destroy(&r->lock);
  mst_free(mem, r->ring);
  mst_free(mem, r);
  mst_object_unref(o);
}
