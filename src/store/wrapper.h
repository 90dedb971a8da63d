/* store/wrapper.h - what stores over a store share. Private to the store module.
 *
 * A wrapper puts itself between an operation and its starter: it remembers `done` and `done_arg` in a frame of its own,
 * sets its own, and gives them back before it completes the operation. */
#ifndef MST_STORE_WRAPPER_H
#define MST_STORE_WRAPPER_H

#include "store/store.h"

typedef mst_status (*mst_setting_fn)(void *arg, const char *name, const char *value, mst_error *err);
mst_status mst_store_visit_settings(const mst_store *s, mst_setting_fn add, void *arg, mst_error *err);
/* The `self` of a store that was made with exactly this name (the same pointer), else NULL. */
void *mst_store_self(const mst_store *s, const char *name);

/* What every wrapper begins with, so that cancel, settings and close are written once. */
typedef struct mst_wrapper {
  mst_store *inner;
  const mst_allocator *mem;
} mst_wrapper;
void mst_wrapper_cancel(void *self, mst_op *op);
mst_status mst_wrapper_settings(void *self, mst_setting_fn add, void *arg, mst_error *err);
void mst_wrapper_close(void *self); /* lets go of the inner store and frees self */

typedef struct mst_frame mst_frame;
struct mst_frame {
  void (*done)(mst_op *op, mst_status status);
  void *done_arg;
  mst_wrapper *wrapper;
};
/* Starts `op` on the inner store, with `done` (and the frame as op->done_arg) in between. NULL when there is no memory.
 */
mst_frame *mst_frame_enter(mst_wrapper *w, mst_op *op, size_t size, void (*done)(mst_op *op, mst_status status));
/* Gives the starter its completion back and frees the frame; `op` may then be completed by mst_op_done. */
void mst_frame_leave(mst_frame *f, mst_op *op);

#endif
