/* base/pool.c - worker threads and task groups. Owns the threads of a context, which end with it.
 * Calls pthread and base/{alloc,context,error}.h.
 *
 * One lock guards the pool and all its groups: tasks are coarse, so that it is held for a moment only. Groups with
 * tasks that have not begun stand in a ring; a worker takes the next task of the first group that may run one more.
 * Detached calls have threads of their own, because they block, and would keep tasks from the cores. Threads are
 * started when there is work and nobody idle, and sleep otherwise. */
#include "base/pool.h"

#include <pthread.h>
#include <signal.h>

#include "base/alloc.h"
#include "base/bits.h"
#include "base/context.h"
#include "base/error.h"

typedef struct task {
  struct task *next;
  mst_task_fn run;              /* of a group */
  void (*run_detached)(void *); /* of none    */
  void *arg;
  uint64_t number; /* in the order of adding */
} task;

typedef struct task_queue {
  task *first, **end;
} task_queue;

typedef struct lane {
  pthread_cond_t work;
  uint32_t idle;   /* asleep, or called and not yet awake */
  uint32_t called; /* of those: the ones called            */
  uint32_t started, max;
  pthread_t *threads;
} lane;

struct mst_pool {
  _Atomic uint32_t refs; /* the slot's, and one of each thread */
  mst_allocator mem;
  pthread_mutex_t lock;
  lane cpu, blocking;
  mst_group *groups; /* ring of those with waiting tasks, NULL when none */
  task_queue detached;
  bool stopping;
};

struct mst_group {
  mst_context *ctx;
  mst_pool *pool; /* kept alive by ctx */
  const mst_allocator *mem;
  uint64_t generation;
  pthread_cond_t ended;
  mst_group *next, *before; /* in the pool's ring */
  bool in_ring, failed;
  uint32_t width, running;
  size_t waiting;
  uint64_t added, failed_number;
  task_queue tasks;
  mst_status status;
  mst_error why;
};

static const mst_allocator *pool_mem(const mst_pool *p) { return p->mem.resize == NULL ? NULL : &p->mem; }

/* --- queues --- */

static void queue_init(task_queue *q) {
  q->first = NULL;
  q->end = &q->first;
}

static void queue_put(task_queue *q, task *t) {
  t->next = NULL;
  *q->end = t;
  q->end = &t->next;
}

static task *queue_take(task_queue *q) {
  task *t = q->first;
  if (t == NULL) return NULL;
  q->first = t->next;
  if (q->first == NULL) q->end = &q->first;
  return t;
}

static void ring_enter(mst_pool *p, mst_group *g) {
  if (g->in_ring) return;
  g->in_ring = true;
  if (p->groups == NULL) {
    p->groups = g->next = g->before = g;
    return;
  }
  g->next = p->groups;
  g->before = p->groups->before;
  g->before->next = g;
  g->next->before = g;
}

static void ring_leave(mst_pool *p, mst_group *g) {
  if (!g->in_ring) return;
  g->in_ring = false;
  if (g->next == g) {
    p->groups = NULL;
    return;
  }
  if (p->groups == g) p->groups = g->next;
  g->before->next = g->next;
  g->next->before = g->before;
}

/* --- running one task, the lock held on entry and on return --- */

static bool may_run(const mst_group *g) { return g->waiting > 0 && g->running < g->width && !g->failed; }

static void drop_waiting(mst_group *g) {
  task *t;
  ring_leave(g->pool, g);
  while ((t = queue_take(&g->tasks)) != NULL) mst_free(g->mem, t);
  g->waiting = 0;
}

/* Of several failures the one of the task added first counts. Tasks begin in order, so that whatever runs beside it,
 * the error is the one that a single thread would have met. */
static void note_failure(mst_group *g, uint64_t number, mst_status status, const mst_error *why) {
  if (g->failed && g->failed_number < number) return;
  g->failed = true;
  g->failed_number = number;
  g->status = status;
  g->why = *why;
  drop_waiting(g);
}

static void run_one(mst_group *g) {
  mst_pool *p = g->pool;
  task *t = queue_take(&g->tasks);
  mst_error why;
  mst_status status;
  g->waiting--;
  g->running++;
  if (g->waiting == 0) ring_leave(p, g);
  pthread_mutex_unlock(&p->lock);
  mst_error_clear(&why);
  status = t->run(t->arg, &why);
  pthread_mutex_lock(&p->lock);
  g->running--;
  if (status != MST_OK) note_failure(g, t->number, status, &why);
  mst_free(g->mem, t);
  /* Only the group's owner waits, and it may free the group as soon as the lock is free. */
  pthread_cond_signal(&g->ended);
}

static mst_group *next_group(mst_pool *p) {
  mst_group *g = p->groups;
  if (g == NULL) return NULL;
  do {
    if (may_run(g)) {
      p->groups = g->next;
      return g;
    }
    g = g->next;
  } while (g != p->groups);
  return NULL;
}

/* --- threads --- */

static void pool_unref(mst_pool *p) {
  const mst_allocator copy = p->mem, *mem = copy.resize == NULL ? NULL : &copy;
  if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1) return;
  pthread_cond_destroy(&p->cpu.work);
  pthread_cond_destroy(&p->blocking.work);
  pthread_mutex_destroy(&p->lock);
  mst_free(mem, p->cpu.threads);
  mst_free(mem, p->blocking.threads);
  mst_free(mem, p);
}

static void rest(mst_pool *p, lane *l) {
  l->idle++;
  pthread_cond_wait(&l->work, &p->lock);
  l->idle--;
  if (l->called > 0) l->called--;
}

static void *work_on_tasks(void *arg) {
  mst_pool *p = arg;
  pthread_mutex_lock(&p->lock);
  while (!p->stopping) {
    mst_group *g = next_group(p);
    if (g != NULL) run_one(g);
    else rest(p, &p->cpu);
  }
  pthread_mutex_unlock(&p->lock);
  pool_unref(p);
  return NULL;
}

/* Detached calls that were accepted are made even when the context ends: somebody counts on their completion. */
static void *work_on_calls(void *arg) {
  mst_pool *p = arg;
  pthread_mutex_lock(&p->lock);
  for (;;) {
    task *t = queue_take(&p->detached);
    if (t != NULL) {
      pthread_mutex_unlock(&p->lock);
      t->run_detached(t->arg);
      mst_free(pool_mem(p), t);
      pthread_mutex_lock(&p->lock);
    } else if (p->stopping) break;
    else rest(p, &p->blocking);
  }
  pthread_mutex_unlock(&p->lock);
  pool_unref(p);
  return NULL;
}

/* The lock is held. Signals are for the program's own threads: ours are born with all of them blocked. */
static void start_thread(mst_pool *p, lane *l, void *(*body)(void *)) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
  if (pthread_create(&l->threads[l->started], NULL, body, p) == 0) l->started++;
  else atomic_fetch_sub_explicit(&p->refs, 1, memory_order_relaxed);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* One more thing is to be done. Whoever sleeps is called, once: two calls that block must not wait for one thread. When
 * nobody is left to call and there may be one more, it is started. */
static void call_for_work(mst_pool *p, lane *l, void *(*body)(void *)) {
  if (l->idle > l->called) {
    l->called++;
    pthread_cond_signal(&l->work);
  } else if (l->started < l->max) start_thread(p, l, body);
}

/* A thread of ours that drops the last reference to its context cannot wait for itself. */
static void join_all(lane *l) {
  for (uint32_t i = 0; i < l->started; i++) {
    if (pthread_equal(l->threads[i], pthread_self())) pthread_detach(l->threads[i]);
    else pthread_join(l->threads[i], NULL);
  }
}

static void pool_drop(void *value) {
  mst_pool *p = value;
  pthread_mutex_lock(&p->lock);
  p->stopping = true;
  pthread_cond_broadcast(&p->cpu.work);
  pthread_cond_broadcast(&p->blocking.work);
  pthread_mutex_unlock(&p->lock);
  join_all(&p->cpu);
  join_all(&p->blocking);
  pool_unref(p);
}

static void *pool_make(mst_context *ctx, mst_error *err) {
  const mst_allocator *mem = mst_context_mem(ctx);
  const uint32_t threads = mst_context_threads(ctx);
  mst_pool *p = mst_alloc_zero(mem, 1, sizeof *p);
  if (p == NULL) goto no_memory;
  atomic_init(&p->refs, 1);
  if (mem != NULL) p->mem = *mem;
  p->cpu.max = threads == 1 ? 0 : threads;
  p->blocking.max = threads == 1 ? 0 : mst_context_requests_max(ctx);
  p->cpu.threads = mst_alloc_array(mem, p->cpu.max, sizeof(pthread_t));
  p->blocking.threads = mst_alloc_array(mem, p->blocking.max, sizeof(pthread_t));
  if (p->cpu.threads == NULL || p->blocking.threads == NULL) goto no_memory;
  pthread_mutex_init(&p->lock, NULL);
  mst_cond_init(&p->cpu.work);
  mst_cond_init(&p->blocking.work);
  queue_init(&p->detached);
  return p;
no_memory:
  if (p != NULL) {
    mst_free(mem, p->cpu.threads);
    mst_free(mem, p->blocking.threads);
    mst_free(mem, p);
  }
  mst_fail_memory(err);
  return NULL;
}

static mst_pool *pool_of(mst_context *ctx, mst_error *err) {
  return mst_context_slot(ctx, MST_SLOT_POOL, pool_make, pool_drop, err);
}

/* --- groups --- */

/* A group that was made before a fork() is out of reach in the child: its threads, and whoever held its lock, are gone.
 */
static bool is_foreign(const mst_group *g) { return g->generation != mst_fork_generation(); }

static mst_status fail_foreign(mst_error *err) {
  return mst_fail(err, MST_E_CANCELLED, "the operation was begun before fork(); begin it anew in the child");
}

mst_status mst_group_new(mst_context *ctx, mst_group **out, mst_error *err) {
  mst_pool *pool;
  mst_group *g;
  const mst_status status = mst_context_resolve(ctx, &ctx, err);
  if (status != MST_OK) return status;
  pool = pool_of(ctx, err);
  if (pool == NULL) return MST_E_NO_MEMORY;
  g = mst_alloc_zero(mst_context_mem(ctx), 1, sizeof *g);
  if (g == NULL) return mst_fail_memory(err);
  g->ctx = mst_context_ref(ctx);
  g->pool = pool;
  g->mem = mst_context_mem(ctx);
  g->generation = mst_fork_generation();
  g->width = mst_context_threads(ctx);
  mst_cond_init(&g->ended);
  queue_init(&g->tasks);
  *out = g;
  return MST_OK;
}

void mst_group_set_width(mst_group *g, uint32_t limit) {
  if (is_foreign(g)) return;
  pthread_mutex_lock(&g->pool->lock);
  g->width = limit == 0 ? mst_context_threads(g->ctx) : limit;
  for (size_t i = g->running; i < g->width && i - g->running < g->waiting; i++)
    call_for_work(g->pool, &g->pool->cpu, work_on_tasks);
  pthread_mutex_unlock(&g->pool->lock);
}

mst_status mst_group_add(mst_group *g, mst_task_fn run, void *arg, mst_error *err) {
  task *t;
  if (is_foreign(g)) return fail_foreign(err);
  t = mst_alloc(g->mem, sizeof *t);
  if (t == NULL) return mst_fail_memory(err);
  pthread_mutex_lock(&g->pool->lock);
  *t = (task){.run = run, .arg = arg, .number = g->added++};
  if (g->failed) mst_free(g->mem, t);
  else {
    queue_put(&g->tasks, t);
    g->waiting++;
    ring_enter(g->pool, g);
    if (may_run(g)) call_for_work(g->pool, &g->pool->cpu, work_on_tasks);
  }
  pthread_mutex_unlock(&g->pool->lock);
  return MST_OK;
}

static bool is_settled(const mst_group *g, size_t left) {
  return g->failed ? g->running == 0 : g->waiting + g->running <= left;
}

static void cancel_group(mst_group *g) {
  mst_error why;
  mst_fail(&why, MST_E_CANCELLED, "cancelled on request");
  note_failure(g, 0, MST_E_CANCELLED, &why);
}

mst_status mst_group_wait_left(mst_group *g, size_t left, mst_cancel *cancel, mst_error *err) {
  mst_pool *p = g->pool;
  mst_status status;
  if (is_foreign(g)) return fail_foreign(err);
  pthread_mutex_lock(&p->lock);
  while (!is_settled(g, left)) {
    if (!g->failed && mst_cancelled(cancel)) cancel_group(g);
    else if (may_run(g)) run_one(g);
    else if (cancel != NULL) mst_cond_wait_short(&g->ended, &p->lock);
    else pthread_cond_wait(&g->ended, &p->lock);
  }
  /* Workers that found the group at its width while this thread worked have gone to sleep again. */
  if (may_run(g)) call_for_work(p, &p->cpu, work_on_tasks);
  status = g->failed ? g->status : MST_OK;
  if (status != MST_OK && err != NULL) *err = g->why;
  pthread_mutex_unlock(&p->lock);
  return status;
}

mst_status mst_group_wait(mst_group *g, mst_cancel *cancel, mst_error *err) {
  return mst_group_wait_left(g, 0, cancel, err);
}

void mst_group_free(mst_group *g) {
  mst_context *ctx;
  /* In a child the group's lists may be half-changed; leaving them is the only safe thing. */
  if (g == NULL || is_foreign(g)) return;
  pthread_mutex_lock(&g->pool->lock);
  drop_waiting(g);
  while (g->running > 0) pthread_cond_wait(&g->ended, &g->pool->lock);
  pthread_mutex_unlock(&g->pool->lock);
  pthread_cond_destroy(&g->ended);
  ctx = g->ctx;
  mst_free(g->mem, g);
  mst_context_unref(ctx);
}

/* --- detached calls --- */

mst_status mst_pool_run_detached(mst_context *ctx, void (*run)(void *arg), void *arg, mst_error *err) {
  mst_pool *p;
  task *t;
  bool accepted;
  const mst_status status = mst_context_resolve(ctx, &ctx, err);
  if (status != MST_OK) return status;
  if (mst_context_threads(ctx) == 1) {
    run(arg);
    return MST_OK;
  }
  p = pool_of(ctx, err);
  if (p == NULL) return MST_E_NO_MEMORY;
  t = mst_alloc(pool_mem(p), sizeof *t);
  if (t == NULL) return mst_fail_memory(err);
  *t = (task){.run_detached = run, .arg = arg};
  pthread_mutex_lock(&p->lock);
  call_for_work(p, &p->blocking, work_on_calls);
  accepted = p->blocking.started > 0;
  if (accepted) queue_put(&p->detached, t);
  pthread_mutex_unlock(&p->lock);
  if (accepted) return MST_OK;
  mst_free(pool_mem(p), t);
  return mst_fail(err, MST_E_LIMIT, "the system gives no thread for blocking calls");
}
