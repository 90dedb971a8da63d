/* dataset/lanes.h - many streams read side by side and given out one behind the other: files of a table, several of which are
 * fetched and decoded at a time, in bounded memory.
 *
 * Owns: its threads and the batches that wait. May call: base, column. Private to the dataset module. */
#ifndef MST_DATASET_LANES_H
#define MST_DATASET_LANES_H

#include "base/base.h"
#include "column/column.h"

/* One consumer at a time; [owned]. */
typedef struct mst_lanes mst_lanes;

typedef struct mst_lanes_options {
  size_t items;
  uint32_t width;  /* items that are opened and read at once; 0 or 1: in the consumer's thread */
  uint64_t memory; /* bytes of batches that may wait; one batch may always wait                */
  void *self;
  /* Opens item `i`. Called from any thread, for different items at once, in rising order. */
  mst_status (*open)(void *self, size_t i, struct ArrowArrayStream *out, mst_cancel *cancel, mst_error *err);
} mst_lanes_options;

/* `cancel` may be NULL; a reference is kept. */
mst_status mst_lanes_open(mst_context *ctx, const mst_lanes_options *options, mst_lanes **out, mst_cancel *cancel, mst_error *err);
/* The next batch, in the order of the items, and in `*item` (may be NULL) whose it is; at the end out->release is NULL. The
 * error of an item comes when all batches in front of it were given, and from then on. */
mst_status mst_lanes_next(mst_lanes *l, struct ArrowArray *out, size_t *item, mst_error *err);
/* Ends what is under way. */
void mst_lanes_close(mst_lanes *l);

#endif
