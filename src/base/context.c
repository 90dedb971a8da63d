/* base/context.c - the context: what calls share, made anew in a child after fork().
 * Owns the default context and the fork counter, the only globals of the library. Calls libc, pthread, base/budget.h
 * and the other files of base.
 *
 * After fork() a child has one thread and a copy of locks that other threads may have held. A context notices by the
 * fork counter, makes its locks anew and forgets the parent's slots, whose threads and connections are not its own. */
#include "base/context.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bits.h"
#include "base/budget.h"
#include "base/error.h"
#include "base/options.h"
#include "base/text.h"

enum { THREADS_MAX = 1024, REQUESTS_DEFAULT = 32, REQUESTS_MAX = 4096, LOG_TEXT_MAX = 1024, WAIT_SHORT_MS = 50 };
static const uint64_t memory_default = 64u << 20, record_default = 1u << 30;

typedef struct slot {
  _Atomic(void *) value;
  void (*drop)(void *value);
} slot;

struct mst_context {
  _Atomic uint32_t refs;
  uint32_t threads;
  uint32_t requests_max;
  uint64_t memory_max;
  uint64_t record_max;
  mst_allocator mem; /* resize == NULL: malloc */
  mst_env env;
  mst_log_fn log;
  void *log_arg;
  _Atomic uint64_t generation; /* of locks, slots and budget */
  pthread_mutex_t lock;        /* guards the making of slots; recursive, because making one may need another */
  slot slots[MST_SLOTS];
  mst_budget budget;
};

struct mst_cancel {
  _Atomic uint32_t refs;
  atomic_bool requested;
  mst_allocator mem;
};
_Static_assert(ATOMIC_BOOL_LOCK_FREE == 2, "a signal handler may request a cancellation");

/* --- fork --- */

static _Atomic uint64_t fork_count;
static pthread_mutex_t global_lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows, and the revival of a context */
static bool fork_handler_set;
static _Atomic(mst_context *) default_context;

static void in_child(void) {
  atomic_fetch_add_explicit(&fork_count, 1, memory_order_relaxed);
  pthread_mutex_init(&global_lock, NULL);
}

uint64_t mst_fork_generation(void) { return atomic_load_explicit(&fork_count, memory_order_relaxed); }

static mst_status watch_forks(mst_error *err) {
  int failed = 0;
  pthread_mutex_lock(&global_lock);
  if (!fork_handler_set) failed = pthread_atfork(NULL, NULL, in_child);
  fork_handler_set = failed == 0;
  pthread_mutex_unlock(&global_lock);
  return failed == 0 ? MST_OK : mst_fail_memory(err);
}

static void init_slot_lock(pthread_mutex_t *lock) {
  pthread_mutexattr_t recursive;
  pthread_mutexattr_init(&recursive);
  pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
  pthread_mutex_init(lock, &recursive);
  pthread_mutexattr_destroy(&recursive);
}

/* Every use of a context's locks begins here. */
static void revive(mst_context *ctx) {
  const uint64_t now = mst_fork_generation();
  if (atomic_load_explicit(&ctx->generation, memory_order_acquire) == now) return;
  pthread_mutex_lock(&global_lock);
  if (atomic_load_explicit(&ctx->generation, memory_order_relaxed) != now) {
    init_slot_lock(&ctx->lock);
    for (int i = 0; i < MST_SLOTS; i++) atomic_store_explicit(&ctx->slots[i].value, NULL, memory_order_relaxed);
    mst_budget_init(&ctx->budget, ctx->memory_max, ctx->record_max);
    atomic_store_explicit(&ctx->generation, now, memory_order_release);
  }
  pthread_mutex_unlock(&global_lock);
}

/* --- the process's own environment --- */

static int64_t clock_us(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t process_now(void *self) {
  (void)self;
  return clock_us(CLOCK_REALTIME);
}

static int64_t process_tick(void *self) {
  (void)self;
  return clock_us(CLOCK_MONOTONIC);
}

static void process_sleep(void *self, int64_t us) {
  struct timespec left = {.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000};
  (void)self;
  if (us <= 0) return;
  while (nanosleep(&left, &left) != 0 && errno == EINTR) continue;
}

static uint64_t process_random(void *self) {
  uint64_t value;
  (void)self;
  while (getrandom(&value, sizeof value, 0) != (ssize_t)sizeof value) {
    if (errno == EINTR) continue;
    /* Kernels and sandboxes without the call: random enough to spread retries, which is what it is for. */
    value = ((uint64_t)clock_us(CLOCK_REALTIME) ^ (uint64_t)getpid() << 40 ^ (uint64_t)(uintptr_t)&value) *
            0x9E3779B97F4A7C15u;
    return value ^ value >> 29;
  }
  return value;
}

static const char *process_getenv(void *self, const char *name) {
  (void)self;
  return getenv(name);
}

static const mst_env process_env = {.struct_size = sizeof(mst_env),
                                    .now_us = process_now,
                                    .tick_us = process_tick,
                                    .sleep_us = process_sleep,
                                    .random = process_random,
                                    .getenv = process_getenv};

static mst_status take_env(const mst_env *theirs, mst_env *out, mst_error *err) {
  mst_env env;
  const mst_status status = mst_options_take(&env, sizeof env, theirs, "mst_env", err);
  if (status != MST_OK) return status;
  if (env.now_us == NULL) env.now_us = process_now;
  if (env.tick_us == NULL) env.tick_us = process_tick;
  if (env.sleep_us == NULL) env.sleep_us = process_sleep;
  if (env.random == NULL) env.random = process_random;
  if (env.getenv == NULL) env.getenv = process_getenv;
  *out = env;
  return MST_OK;
}

/* --- opening and closing --- */

static uint32_t cores_allowed(void) {
  cpu_set_t set;
  long online;
  if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return (uint32_t)CPU_COUNT(&set);
  /* More cores than the set holds. */
  online = sysconf(_SC_NPROCESSORS_ONLN);
  return online < 1 ? 1 : (uint32_t)mst_min_u64((uint64_t)online, THREADS_MAX);
}

static mst_status choose_threads(uint32_t asked, const mst_env *env, uint32_t *out, mst_error *err) {
  const char *text = env->getenv(env->self, "MESETA_THREADS");
  uint64_t threads = asked;
  mst_status status;
  if (asked == 0 && text != NULL && *text != '\0') {
    status = mst_parse_u64(text, strlen(text), "MESETA_THREADS", &threads, err);
    if (status != MST_OK) return status;
    if (threads == 0) return mst_fail(err, MST_E_ARGUMENT, "MESETA_THREADS: must be at least 1");
  }
  if (threads == 0) threads = cores_allowed();
  if (threads > THREADS_MAX)
    return mst_fail(err, MST_E_ARGUMENT, "%llu threads are more than the %d that are allowed",
                    (unsigned long long)threads, THREADS_MAX);
  *out = (uint32_t)threads;
  return MST_OK;
}

static mst_status choose_memory(uint64_t asked, const mst_env *env, uint64_t *out, mst_error *err) {
  const char *text = env->getenv(env->self, "MESETA_MEMORY");
  uint64_t memory = asked;
  mst_status status;
  if (asked == 0 && text != NULL && *text != '\0') {
    status = mst_parse_size(text, "MESETA_MEMORY", &memory, err);
    if (status != MST_OK) return status;
    if (memory == 0) return mst_fail(err, MST_E_ARGUMENT, "MESETA_MEMORY: must be more than 0");
  }
  *out = memory == 0 ? memory_default : memory;
  return MST_OK;
}

static mst_status check_options(const mst_context_options *o, mst_allocator *mem, mst_error *err) {
  mst_status status;
  *mem = (mst_allocator){0};
  if (o->requests_max > REQUESTS_MAX)
    return mst_fail(err, MST_E_ARGUMENT, "requests_max: %u is more than %d", (unsigned)o->requests_max, REQUESTS_MAX);
  if (o->allocator == NULL) return MST_OK;
  status = mst_options_take(mem, sizeof *mem, o->allocator, "mst_allocator", err);
  if (status == MST_OK && mem->resize == NULL) return mst_fail(err, MST_E_ARGUMENT, "mst_allocator: resize is missing");
  return status;
}

mst_status mst_context_open(const mst_context_options *options, mst_context **out, mst_error *err) {
  mst_context_options o;
  mst_context *ctx = NULL;
  mst_allocator mem;
  mst_env env;
  uint32_t threads = 0;
  uint64_t memory = 0;
  mst_status status = MST_OK;
  MST_TRY(mst_options_take(&o, sizeof o, options, "mst_context_options", err));
  MST_TRY(check_options(&o, &mem, err));
  MST_TRY(take_env(o.env == NULL ? &process_env : o.env, &env, err));
  MST_TRY(choose_threads(o.cpu_threads, &env, &threads, err));
  MST_TRY(choose_memory(o.memory_bytes_max, &env, &memory, err));
  MST_TRY(watch_forks(err));
  MST_TRY_ALLOC(ctx = mst_alloc_zero(mem.resize == NULL ? NULL : &mem, 1, sizeof *ctx));
  atomic_init(&ctx->refs, 1);
  ctx->threads = threads;
  ctx->requests_max = o.requests_max == 0 ? REQUESTS_DEFAULT : o.requests_max;
  ctx->memory_max = memory;
  ctx->record_max = o.record_bytes_max == 0 ? record_default : o.record_bytes_max;
  ctx->mem = mem;
  ctx->env = env;
  ctx->log = o.log;
  ctx->log_arg = o.log_arg;
  atomic_init(&ctx->generation, mst_fork_generation());
  init_slot_lock(&ctx->lock);
  mst_budget_init(&ctx->budget, ctx->memory_max, ctx->record_max);
  *out = ctx;
done:
  return status;
}

mst_context *mst_context_ref(mst_context *ctx) {
  if (ctx != NULL) atomic_fetch_add_explicit(&ctx->refs, 1, memory_order_relaxed);
  return ctx;
}

void mst_context_unref(mst_context *ctx) {
  mst_allocator mem;
  if (ctx == NULL) return;
  if (atomic_fetch_sub_explicit(&ctx->refs, 1, memory_order_acq_rel) != 1) return;
  revive(ctx);
  /* Backwards: later slots use the earlier ones, the pool above all. */
  for (int i = MST_SLOTS - 1; i >= 0; i--) {
    void *value = atomic_exchange_explicit(&ctx->slots[i].value, NULL, memory_order_acq_rel);
    if (value != NULL) ctx->slots[i].drop(value);
  }
  mst_budget_end(&ctx->budget);
  pthread_mutex_destroy(&ctx->lock);
  mem = ctx->mem;
  mst_free(mem.resize == NULL ? NULL : &mem, ctx);
}

mst_status mst_context_resolve(mst_context *ctx, mst_context **out, mst_error *err) {
  mst_context *found = ctx != NULL ? ctx : atomic_load_explicit(&default_context, memory_order_acquire), *fresh = NULL;
  mst_status status = MST_OK;
  if (found == NULL) {
    status = mst_context_open(NULL, &fresh, err);
    if (status != MST_OK) return status;
    /* Whoever comes second takes the first one's. */
    if (atomic_compare_exchange_strong(&default_context, &found, fresh)) found = fresh;
    else mst_context_unref(fresh);
  }
  *out = found;
  return MST_OK;
}

mst_context *mst_context_or_default(mst_context *ctx) {
  mst_context *found = NULL;
  return mst_context_resolve(ctx, &found, NULL) == MST_OK ? found : NULL;
}

mst_context *mst_context_default(void) { return mst_context_or_default(NULL); }

/* --- what it holds --- */

const mst_allocator *mst_context_mem(const mst_context *ctx) {
  return ctx == NULL || ctx->mem.resize == NULL ? NULL : &ctx->mem;
}

const mst_env *mst_context_env(const mst_context *ctx) { return ctx == NULL ? &process_env : &ctx->env; }
uint32_t mst_context_threads(const mst_context *ctx) { return ctx->threads; }
uint32_t mst_context_requests_max(const mst_context *ctx) { return ctx->requests_max; }
uint64_t mst_context_memory_max(const mst_context *ctx) { return ctx->memory_max; }
uint64_t mst_context_record_max(const mst_context *ctx) { return ctx->record_max; }

const char *mst_context_getenv(const mst_context *ctx, const char *name) {
  const mst_env *env = mst_context_env(ctx);
  const char *value = env->getenv(env->self, name);
  return value == NULL || *value == '\0' ? NULL : value;
}

mst_budget *mst_context_budget(mst_context *ctx) {
  revive(ctx);
  return &ctx->budget;
}

void *mst_context_slot(mst_context *ctx, mst_slot which, void *(*make)(mst_context *ctx, mst_error *err),
                       void (*drop)(void *value), mst_error *err) {
  slot *s = &ctx->slots[which];
  void *value;
  revive(ctx);
  value = atomic_load_explicit(&s->value, memory_order_acquire);
  if (value != NULL) return value;
  pthread_mutex_lock(&ctx->lock);
  value = atomic_load_explicit(&s->value, memory_order_relaxed);
  if (value == NULL) {
    value = make(ctx, err);
    s->drop = drop;
    atomic_store_explicit(&s->value, value, memory_order_release);
  }
  pthread_mutex_unlock(&ctx->lock);
  return value;
}

void mst_log(const mst_context *ctx, mst_log_level level, const char *area, const char *format, ...) {
  char text[LOG_TEXT_MAX];
  va_list args;
  if (ctx == NULL || ctx->log == NULL) return;
  va_start(args, format);
  if (vsnprintf(text, sizeof text, format, args) >= 0) ctx->log(ctx->log_arg, level, area, text);
  va_end(args);
}

/* --- cancellation and short waits --- */

mst_cancel *mst_cancel_new(mst_context *ctx) {
  const mst_allocator *mem = mst_context_mem(ctx);
  mst_cancel *cancel = mst_alloc_zero(mem, 1, sizeof *cancel);
  if (cancel == NULL) return NULL;
  atomic_init(&cancel->refs, 1);
  if (mem != NULL) cancel->mem = *mem;
  return cancel;
}

mst_cancel *mst_cancel_ref(mst_cancel *cancel) {
  if (cancel != NULL) atomic_fetch_add_explicit(&cancel->refs, 1, memory_order_relaxed);
  return cancel;
}

void mst_cancel_request(mst_cancel *cancel) {
  if (cancel != NULL) atomic_store_explicit(&cancel->requested, true, memory_order_release);
}

void mst_cancel_unref(mst_cancel *cancel) {
  mst_allocator mem;
  if (cancel == NULL) return;
  if (atomic_fetch_sub_explicit(&cancel->refs, 1, memory_order_acq_rel) != 1) return;
  mem = cancel->mem;
  mst_free(mem.resize == NULL ? NULL : &mem, cancel);
}

bool mst_cancelled(const mst_cancel *cancel) {
  return cancel != NULL && atomic_load_explicit(&cancel->requested, memory_order_acquire);
}

mst_status mst_cancel_check(const mst_cancel *cancel, mst_error *err) {
  return mst_cancelled(cancel) ? mst_fail(err, MST_E_CANCELLED, "cancelled on request") : MST_OK;
}

void mst_cond_init(pthread_cond_t *cond) {
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(cond, &monotonic);
  pthread_condattr_destroy(&monotonic);
}

void mst_cond_wait_short(pthread_cond_t *cond, pthread_mutex_t *lock) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_nsec += WAIT_SHORT_MS * 1000000L;
  if (until.tv_nsec >= 1000000000L) {
    until.tv_nsec -= 1000000000L;
    until.tv_sec++;
  }
  pthread_cond_timedwait(cond, lock, &until);
}
