/* source/engine.h - the one engine that drives every format's machine over fetch: it fetches what a machine asks for,
 * reads ahead where any prefix will do, and hands the rest to its caller. Private to the source module. */
#ifndef MST_SOURCE_ENGINE_H
#define MST_SOURCE_ENGINE_H

#include "base/base.h"
#include "fetch/fetch.h"
#include "format/format.h"

#define MST_MEMBERS_MAX 16

/* Where a machine's bytes and rows come from; borrowed by the engine. */
typedef struct mst_inputs {
  mst_object *members[MST_MEMBERS_MAX]; /* NULL: not there */
  size_t n_members;
  mst_object *index; /* behind MST_MEMBER_INDEX; may be NULL */
  mst_bytes head;    /* the first bytes of member 0, where they are at hand already; borrowed */
  mst_status (*rows)(void *arg, size_t row_group, struct ArrowSchema *schema, struct ArrowArray *batch,
                     mst_cancel *cancel, mst_error *err); /* gives both away; NULL: no index rows */
  void *rows_arg;
  void (*fetched)(void *arg, uint64_t bytes); /* told how far sequential reading came; may be NULL */
  void *fetched_arg;
} mst_inputs;

/* Owned by one thread at a time. */
typedef struct mst_engine mst_engine;
/* Takes `machine` over, also on failure. `memory`: bytes that chunks in flight may take. */
mst_status mst_engine_open(mst_context *ctx, mst_machine *machine, const mst_inputs *inputs, uint64_t memory,
                           mst_engine **out, mst_error *err);
/* Steps until the machine gives something: EMIT, BATCH, PART, DONE; or INPUT, after which the next call must bring
 * `input`. */
mst_status mst_engine_next(mst_engine *e, const mst_given *input, mst_step *out, mst_cancel *cancel, mst_error *err);
void mst_engine_close(mst_engine *e);

/* Releases whatever a step gave away. */
void mst_step_clear(mst_step *step);

#endif
