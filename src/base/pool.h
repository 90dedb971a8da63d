/* base/pool.h - worker threads of a context, and groups of tasks whose first error wins. */
#ifndef MST_BASE_POOL_H
#define MST_BASE_POOL_H

#include <meseta/context.h>

typedef mst_status (*mst_task_fn)(void *arg, mst_error *err);

/* A set of tasks that belong together; owned by the thread that made it. The tasks run on the context's workers, and
 * the waiting thread helps, so that a group makes progress even when every worker is busy (nesting is safe).
 * With one thread all tasks run in order inside mst_group_wait.
 * A group that was made before fork() answers MST_E_CANCELLED in the child. */
typedef struct mst_group mst_group;
mst_status mst_group_new(mst_context *ctx, mst_group **out, mst_error *err);
/* At most `limit` (0: the context's threads) tasks of this group run at once. `arg` must live until the task ends. */
void mst_group_set_width(mst_group *g, uint32_t limit);
mst_status mst_group_add(mst_group *g, mst_task_fn run, void *arg, mst_error *err);
/* Waits for all. After a failure, or once `cancel` is requested, tasks that have not begun are skipped, those that run
 * are waited for (they look at `cancel` themselves), and later ones are accepted but skipped. Of several failures the
 * one of the task added first is given: the same that one thread would have met. After success more may be added. */
mst_status mst_group_wait(mst_group *g, mst_cancel *cancel, mst_error *err);
/* The same, but content when at most `left` tasks have not ended; for feeding a group in bounded memory. */
mst_status mst_group_wait_left(mst_group *g, size_t left, mst_cancel *cancel, mst_error *err);
void mst_group_free(mst_group *g); /* skips what has not begun, waits for what runs */

/* Runs `run(arg)` some time, detached, on a thread for calls that block; for stores. All that was accepted is run, also
 * when the context ends first. In a context with one thread it runs before this returns: hold no lock. */
mst_status mst_pool_run_detached(mst_context *ctx, void (*run)(void *arg), void *arg, mst_error *err);

#endif
