/* base/context.h - the context as the inside sees it. */
#ifndef MST_BASE_CONTEXT_H
#define MST_BASE_CONTEXT_H

#include <pthread.h>
#include <stdatomic.h>

#include <meseta/context.h>

typedef struct mst_pool mst_pool;

/* Things that one module makes once for each context and that end with it, the last slot first. A slot is made under
 * the context's lock; making one may ask for another that stands before it. */
typedef enum mst_slot {
  MST_SLOT_POOL,
  MST_SLOT_TRANSPORT,
  MST_SLOT_MEMORY_STORES,
  MST_SLOT_FORMATS,
  MST_SLOT_BLOCK_CACHE,
  MST_SLOT_CREDENTIALS,
  MST_SLOT_PROBES,
  MST_SLOTS
} mst_slot;

mst_context *mst_context_default(void);                /* borrowed; opened on first use; NULL when that failed */
mst_context *mst_context_or_default(mst_context *ctx); /* borrowed */
/* The same, and says why there is none (no memory, or MESETA_THREADS or MESETA_MEMORY that make no sense). */
mst_status mst_context_resolve(mst_context *ctx, mst_context **out, mst_error *err);
const mst_allocator *mst_context_mem(const mst_context *ctx); /* of no context: malloc              */
const mst_env *mst_context_env(const mst_context *ctx);       /* of no context: the process's own   */
uint32_t mst_context_threads(const mst_context *ctx);
uint32_t mst_context_requests_max(const mst_context *ctx);
uint64_t mst_context_memory_max(const mst_context *ctx);
uint64_t mst_context_record_max(const mst_context *ctx);
const char *mst_context_getenv(const mst_context *ctx, const char *name); /* NULL when unset or empty */
/* Returns the slot's value, made by `make` on first use; NULL (and err filled) when making failed.
 * `drop` runs when the context ends. In a child after fork() the slot is made anew and the parent's is left alone. */
void *mst_context_slot(mst_context *ctx, mst_slot which, void *(*make)(mst_context *ctx, mst_error *err),
                       void (*drop)(void *value), mst_error *err);
void mst_log(const mst_context *ctx, mst_log_level level, const char *area, const char *format, ...) MST_PRINTF(4, 5);

/* The memory budget: bytes that buffers in flight may take. One waiter larger than the whole is admitted alone, up to
 * mst_context_record_max, beyond which it is MST_E_LIMIT. Waiters are served in order.
 * `mst_budget_try` never waits, and gives way to those who do. `mst_budget_take` waits until there is room or `cancel`
 * is requested: take all that a step needs at once, never more while holding some. Should all wait for each other all the
 * same, that is when nothing is given back for two seconds, the first in the queue goes beyond the budget. */
bool mst_budget_try(mst_context *ctx, uint64_t bytes);
mst_status mst_budget_take(mst_context *ctx, uint64_t bytes, mst_cancel *cancel, mst_error *err);
void mst_budget_give(mst_context *ctx, uint64_t bytes);
uint64_t mst_budget_in_use(mst_context *ctx);

bool mst_cancelled(const mst_cancel *cancel); /* NULL: false */
mst_status mst_cancel_check(const mst_cancel *cancel, mst_error *err);
/* Waits on `cond` (made by mst_cond_init) for at most 50 ms, so that callers can look at their cancel flag. */
void mst_cond_init(pthread_cond_t *cond);
void mst_cond_wait_short(pthread_cond_t *cond, pthread_mutex_t *lock);
/* Grows by one in every fork()ed child; threads and connections of another generation must be left alone. */
uint64_t mst_fork_generation(void);

#endif
