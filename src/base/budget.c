/* base/budget.c - the memory budget: bytes in flight, handed out in the order of asking, so that a large request is not
 * starved by small ones. Owns nothing but its counter. Calls pthread, base/context.h, base/error.h.
 *
 * Threads that hold some and wait for more could all wait for each other. Whoever is first in the queue is therefore
 * admitted beyond the budget when nothing was given back for a while: slow and a little too large beats never. */
#include "base/budget.h"

#include <time.h>

#include "base/bits.h"
#include "base/error.h"

struct mst_budget_waiter {
  mst_budget_waiter *next; /* lives on the waiting thread's stack */
};

enum { STANDSTILL_MS = 2000 };

void mst_budget_init(mst_budget *b, uint64_t max, uint64_t alone) {
  pthread_mutex_init(&b->lock, NULL);
  mst_cond_init(&b->freed);
  b->max = max;
  b->alone = mst_max_u64(max, alone);
  b->used = 0;
  b->gifts = 0;
  b->first = b->last = NULL;
}

void mst_budget_end(mst_budget *b) {
  pthread_cond_destroy(&b->freed);
  pthread_mutex_destroy(&b->lock);
}

static bool has_room(const mst_budget *b, uint64_t bytes) {
  if (b->used == 0) return bytes <= b->alone;
  return bytes <= b->max && b->used <= b->max - bytes;
}

bool mst_budget_try(mst_context *ctx, uint64_t bytes) {
  mst_budget *b = mst_context_budget(ctx);
  bool room;
  pthread_mutex_lock(&b->lock);
  room = b->first == NULL && has_room(b, bytes);
  if (room) b->used += bytes;
  pthread_mutex_unlock(&b->lock);
  return room;
}

static void queue_up(mst_budget *b, mst_budget_waiter *me) {
  if (b->last == NULL) b->first = me;
  else b->last->next = me;
  b->last = me;
}

static void leave_queue(mst_budget *b, const mst_budget_waiter *me) {
  mst_budget_waiter **link = &b->first, *before = NULL;
  while (*link != me) {
    before = *link;
    link = &(*link)->next;
  }
  *link = me->next;
  if (b->last == me) b->last = before;
}

static int64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Until this is the first in the queue and there is room for it, or nothing moves. The lock is held. */
static void wait_for_room(mst_budget *b, const mst_budget_waiter *me, uint64_t bytes, const mst_cancel *cancel) {
  uint64_t gifts = b->gifts;
  int64_t since = now_ms();
  while ((b->first != me || !has_room(b, bytes)) && !mst_cancelled(cancel)) {
    mst_cond_wait_short(&b->freed, &b->lock);
    if (b->first != me || b->gifts != gifts) {
      gifts = b->gifts;
      since = now_ms();
    } else if (now_ms() - since >= STANDSTILL_MS) {
      return;
    }
  }
}

mst_status mst_budget_take(mst_context *ctx, uint64_t bytes, mst_cancel *cancel, mst_error *err) {
  mst_budget *b = mst_context_budget(ctx);
  mst_budget_waiter me = {0};
  mst_status status = mst_cancel_check(cancel, err);
  if (status != MST_OK) return status;
  if (bytes > b->alone)
    return mst_fail(err, MST_E_LIMIT,
                    "%llu bytes are needed at once, the memory budget is %llu and one record may take %llu",
                    (unsigned long long)bytes, (unsigned long long)b->max, (unsigned long long)b->alone);
  pthread_mutex_lock(&b->lock);
  queue_up(b, &me);
  wait_for_room(b, &me, bytes, cancel);
  leave_queue(b, &me);
  /* Room that was there in the end is not taken by a cancelled caller. */
  status = mst_cancel_check(cancel, err);
  if (status == MST_OK) b->used += bytes;
  if (b->first != NULL) pthread_cond_broadcast(&b->freed);
  pthread_mutex_unlock(&b->lock);
  return status;
}

void mst_budget_give(mst_context *ctx, uint64_t bytes) {
  mst_budget *b = mst_context_budget(ctx);
  pthread_mutex_lock(&b->lock);
  /* A child after fork() starts from nothing, and may give back what its parent took. */
  mst_assert(bytes <= b->used || mst_fork_generation() > 0);
  b->used -= mst_min_u64(bytes, b->used);
  b->gifts++;
  if (b->first != NULL) pthread_cond_broadcast(&b->freed);
  pthread_mutex_unlock(&b->lock);
}

uint64_t mst_budget_in_use(mst_context *ctx) {
  mst_budget *b = mst_context_budget(ctx);
  uint64_t used;
  pthread_mutex_lock(&b->lock);
  used = b->used;
  pthread_mutex_unlock(&b->lock);
  return used;
}
