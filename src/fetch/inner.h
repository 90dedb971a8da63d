/* fetch/inner.h - what the files of fetch share. Private to the module. */
#ifndef MST_FETCH_INNER_H
#define MST_FETCH_INNER_H

#include "fetch/fetch.h"

struct mst_object {
  _Atomic uint32_t refs;
  mst_store *store;
  mst_context *ctx; /* the store's */
  char *key;
  char *url;
  mst_pin pin;
  uint32_t flags;
};

/* Only what is told by the pin can make a read conditional. */
const mst_pin *mst_object_condition(const mst_object *o);
bool mst_object_is_local(const mst_object *o);
/* Looks at a completed GET: is it the pinned version, and all of what was asked for? Names object and range in `err`.
 */
mst_status mst_object_judge(const mst_object *o, mst_op *op, mst_status status, mst_error *err);
/* A GET of [offset, offset + size) of the object, pinned and exact. */
mst_op mst_object_get(const mst_object *o, uint64_t offset, uint64_t size, uint8_t *into);

/* ---- plans (plan.c): pure, no I/O -------------------------------------------------------------------------------- */

/* Neighbouring ranges that are read as one. */
typedef struct mst_extent {
  uint64_t begin, end;
  size_t first, n; /* into the order of ranges */
} mst_extent;

typedef struct mst_plan {
  size_t *order; /* indices of the ranges that are not empty, by offset */
  size_t n_order;
  mst_extent *extents; /* by offset */
  size_t n_extents;
} mst_plan;

typedef struct mst_plan_rule {
  uint64_t gap_max;    /* gaps up to this may be read through                                             */
  uint64_t extent_max; /* extents do not grow beyond it by what does not overlap                          */
  size_t requests;     /* what can be in flight at once: more extents than this are drawn together        */
} mst_plan_rule;
mst_plan_rule mst_plan_rule_for(const mst_object *o);
mst_status mst_plan_make(const mst_allocator *mem, const mst_range *ranges, size_t n, const mst_plan_rule *rule,
                         mst_plan *out, mst_error *err);
void mst_plan_free(const mst_allocator *mem, mst_plan *p);

/* ---- gathering (gather.c) ---------------------------------------------------------------------------------------- */

/* One request: its size is at most what mst_piece_max says. */
typedef struct mst_piece {
  uint64_t offset;
  size_t size;
  uint8_t *into;
} mst_piece;
size_t mst_piece_max(const mst_object *o);
/* Reads all pieces, as many at once as requests and budget allow. The first failure cancels the rest. */
mst_status mst_gather(mst_object *o, const mst_piece *pieces, size_t n, mst_cancel *cancel, mst_error *err);

#endif
