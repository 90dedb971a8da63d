/* base/budget.h - the memory budget inside a context. Private to base: others use the calls of base/context.h. */
#ifndef MST_BASE_BUDGET_H
#define MST_BASE_BUDGET_H

#include "base/context.h"

typedef struct mst_budget_waiter mst_budget_waiter;

typedef struct mst_budget {
  pthread_mutex_t lock;
  pthread_cond_t freed;
  uint64_t max;   /* what buffers may take together           */
  uint64_t alone; /* what one of them may take by itself      */
  uint64_t used;
  uint64_t gifts; /* how often something was given back     */
  mst_budget_waiter *first, *last; /* first come, first served */
} mst_budget;

/* Also makes a budget anew whose lock a fork() left in an unknown state. */
void mst_budget_init(mst_budget *b, uint64_t max, uint64_t alone);
void mst_budget_end(mst_budget *b);
/* Borrowed, fit for use in this process. */
mst_budget *mst_context_budget(mst_context *ctx);

#endif
