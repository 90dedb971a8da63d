/* dataset/lanes.c - see lanes.h. Threads of its own, because items block on requests and would keep tasks from the cores; they
 * end with the stream.
 *
 * An item in flight has a place in a ring. The item that the consumer stands on may always let one batch wait, so that bounded
 * memory never stops it; others only while all that waits fits. */
#include "dataset/lanes.h"

#include <signal.h>

enum { PLACES_BEYOND_WIDTH = 16, LANES_MOST = 64 };

typedef struct waiting {
  struct waiting *next;
  struct ArrowArray batch;
  uint64_t bytes;
} waiting;

/* An item that was begun and is not given out to its end. */
typedef struct place {
  waiting *first, **last;
  bool ended; /* nothing more comes: its end, or `status` */
  mst_status status;
  mst_error why;
} place;

struct mst_lanes {
  mst_context *ctx;
  const mst_allocator *mem;
  mst_lanes_options o;
  mst_cancel *cancel, *stop; /* the caller's, and ours for what is under way */
  uint64_t generation;
  /* of the consumer alone, when there are no threads */
  struct ArrowArrayStream inline_stream;
  bool inline_open;
  mst_error failure; /* given before: the same again */
  bool over;
  /* under lock */
  pthread_mutex_t lock;
  pthread_cond_t changed;
  place *places;
  size_t n_places;
  size_t head, begun; /* items given out to their end; items begun */
  uint64_t bytes;     /* of batches that wait */
  bool closing;
  pthread_t threads[LANES_MOST];
  size_t n_threads;
};

static place *place_of(mst_lanes *l, size_t item) { return &l->places[item % l->n_places]; }

/* ---- producing ------------------------------------------------------------------------------------------------- */

/* Waits until the batch may wait too. The lock is held. */
static void wait_for_room(mst_lanes *l, size_t item, uint64_t bytes) {
  while (!l->closing) {
    const bool mine = item == l->head && place_of(l, item)->first == NULL;
    if (mine || l->bytes == 0 || l->bytes + bytes <= l->o.memory) return;
    pthread_cond_wait(&l->changed, &l->lock);
  }
}

/* Takes the batch over. */
static mst_status put(mst_lanes *l, size_t item, struct ArrowArray *batch, uint64_t bytes, mst_error *err) {
  waiting *w = mst_alloc(l->mem, sizeof *w);
  if (w == NULL) {
    mst_array_release(batch);
    return mst_fail_memory(err);
  }
  *w = (waiting){.batch = *batch, .bytes = bytes};
  pthread_mutex_lock(&l->lock);
  wait_for_room(l, item, bytes);
  place *p = place_of(l, item);
  *p->last = w;
  p->last = &w->next;
  l->bytes += bytes;
  pthread_cond_broadcast(&l->changed);
  pthread_mutex_unlock(&l->lock);
  return MST_OK;
}

static mst_status produce(mst_lanes *l, size_t item, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArrayStream stream = {0};
  struct ArrowSchema schema = {0};
  MST_TRY(l->o.open(l->o.self, item, &stream, l->stop, err));
  MST_TRY(mst_stream_schema(&stream, &schema, err));
  for (;;) {
    struct ArrowArray batch = {0};
    uint64_t bytes = 0;
    MST_TRY(mst_cancel_check(l->stop, err));
    MST_TRY(mst_stream_next(&stream, &batch, err));
    if (batch.release == NULL) break;
    status = mst_array_check(&schema, &batch, &bytes, err);
    if (status != MST_OK) mst_array_release(&batch);
    else status = put(l, item, &batch, bytes, err);
    if (status != MST_OK) break;
  }
done:
  mst_stream_release(&stream);
  mst_schema_release(&schema);
  return status;
}

/* The lock is held on entry and on return. */
static void run_item(mst_lanes *l, size_t item) {
  mst_error why;
  mst_error_clear(&why);
  pthread_mutex_unlock(&l->lock);
  const mst_status status = produce(l, item, &why);
  pthread_mutex_lock(&l->lock);
  place *p = place_of(l, item);
  p->ended = true;
  p->status = status;
  if (status != MST_OK) p->why = why;
  pthread_cond_broadcast(&l->changed);
}

static void *run_lane(void *arg) {
  mst_lanes *l = arg;
  pthread_mutex_lock(&l->lock);
  while (!l->closing && l->begun < l->o.items) {
    const bool crowded = l->begun - l->head >= l->n_places || (l->begun > l->head && l->bytes >= l->o.memory);
    if (crowded) pthread_cond_wait(&l->changed, &l->lock);
    else {
      const size_t item = l->begun++;
      place *p = place_of(l, item);
      *p = (place){.last = &p->first};
      run_item(l, item);
    }
  }
  pthread_mutex_unlock(&l->lock);
  return NULL;
}

/* ---- consuming ------------------------------------------------------------------------------------------------- */

static mst_status next_waiting(mst_lanes *l, struct ArrowArray *out, size_t *item, mst_error *err) {
  mst_status status = MST_OK;
  pthread_mutex_lock(&l->lock);
  while (l->head < l->o.items) {
    place *p = l->head < l->begun ? place_of(l, l->head) : NULL;
    waiting *w = p != NULL ? p->first : NULL;
    if (w != NULL) {
      p->first = w->next;
      if (p->first == NULL) p->last = &p->first;
      l->bytes -= w->bytes;
      *out = w->batch;
      if (item != NULL) *item = l->head;
      mst_free(l->mem, w);
      pthread_cond_broadcast(&l->changed);
      break;
    }
    if (p != NULL && p->ended) {
      status = p->status;
      if (status != MST_OK) {
        *err = p->why;
        break;
      }
      l->head++;
      pthread_cond_broadcast(&l->changed);
    } else {
      if (mst_cancelled(l->cancel)) mst_cancel_request(l->stop);
      mst_cond_wait_short(&l->changed, &l->lock);
    }
  }
  pthread_mutex_unlock(&l->lock);
  return status;
}

static mst_status next_inline(mst_lanes *l, struct ArrowArray *out, size_t *item, mst_error *err) {
  mst_status status = MST_OK;
  while (l->head < l->o.items) {
    if (!l->inline_open) {
      MST_TRY(mst_cancel_check(l->cancel, err));
      MST_TRY(l->o.open(l->o.self, l->head, &l->inline_stream, l->cancel, err));
      l->inline_open = true;
    }
    MST_TRY(mst_stream_next(&l->inline_stream, out, err));
    if (out->release != NULL) {
      if (item != NULL) *item = l->head;
      break;
    }
    mst_stream_release(&l->inline_stream);
    l->inline_open = false;
    l->head++;
  }
done:
  return status;
}

mst_status mst_lanes_next(mst_lanes *l, struct ArrowArray *out, size_t *item, mst_error *err) {
  mst_error unheard;
  if (err == NULL) err = &unheard;
  *out = (struct ArrowArray){0};
  if (l->over) {
    if (l->failure.status != MST_OK) *err = l->failure;
    return l->failure.status;
  }
  mst_error_clear(err);
  mst_status status;
  if (l->generation != mst_fork_generation() && l->n_threads > 0)
    status = mst_fail(err, MST_E_CANCELLED, "the stream was begun before fork(); begin it anew in the child");
  else status = l->n_threads > 0 ? next_waiting(l, out, item, err) : next_inline(l, out, item, err);
  if (status != MST_OK) {
    l->failure = *err;
    l->failure.status = status;
  }
  l->over = out->release == NULL;
  return status;
}

/* ---- opening and closing --------------------------------------------------------------------------------------- */

/* Signals are for the program's own threads. Fewer threads than wanted are as good; none: the consumer does the work. */
static void start_threads(mst_lanes *l, size_t n) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  while (l->n_threads < n && pthread_create(&l->threads[l->n_threads], NULL, run_lane, l) == 0) l->n_threads++;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

mst_status mst_lanes_open(mst_context *ctx, const mst_lanes_options *options, mst_lanes **out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  const mst_allocator *mem = mst_context_mem(ctx);
  const size_t width = mst_min_size(mst_min_size(options->width, LANES_MOST), options->items);
  mst_lanes *l = mst_alloc_zero(mem, 1, sizeof *l);
  if (l == NULL) return mst_fail_memory(err);
  l->ctx = mst_context_ref(ctx);
  l->mem = mem;
  l->o = *options;
  l->generation = mst_fork_generation();
  l->cancel = cancel == NULL ? NULL : mst_cancel_ref(cancel);
  pthread_mutex_init(&l->lock, NULL);
  mst_cond_init(&l->changed);
  if (width > 1) {
    l->n_places = width + PLACES_BEYOND_WIDTH;
    MST_TRY_ALLOC(l->stop = mst_cancel_new(ctx));
    MST_TRY_ALLOC(l->places = mst_alloc_zero(mem, l->n_places, sizeof *l->places));
    start_threads(l, width);
  }
  *out = l;
  l = NULL;
done:
  mst_lanes_close(l);
  return status;
}

static void end_threads(mst_lanes *l) {
  pthread_mutex_lock(&l->lock);
  l->closing = true;
  mst_cancel_request(l->stop);
  pthread_cond_broadcast(&l->changed);
  pthread_mutex_unlock(&l->lock);
  for (size_t i = 0; i < l->n_threads; i++) pthread_join(l->threads[i], NULL);
}

static void drop_waiting(mst_lanes *l) {
  for (size_t i = l->head; i < l->begun; i++) {
    for (waiting *w = place_of(l, i)->first, *next; w != NULL; w = next) {
      next = w->next;
      mst_array_release(&w->batch);
      mst_free(l->mem, w);
    }
  }
}

void mst_lanes_close(mst_lanes *l) {
  if (l == NULL) return;
  /* In a child of fork() the threads are gone and the lock may be held by one of them: all is left alone. */
  if (l->n_threads > 0 && l->generation != mst_fork_generation()) return;
  if (l->n_threads > 0) end_threads(l);
  drop_waiting(l);
  if (l->inline_open) mst_stream_release(&l->inline_stream);
  pthread_cond_destroy(&l->changed);
  pthread_mutex_destroy(&l->lock);
  mst_cancel_unref(l->stop);
  mst_cancel_unref(l->cancel);
  mst_free(l->mem, l->places);
  mst_context *ctx = l->ctx;
  mst_free(l->mem, l);
  mst_context_unref(ctx);
}
