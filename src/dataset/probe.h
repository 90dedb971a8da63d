/* dataset/probe.h - whether a store may be shared by writers: does it honour conditional writes, and if not, a lock
 * made of plain objects.
 *
 * Owns: locks that are held. May call: base, store, dataset/key.h. Private to the dataset module. */
#ifndef MST_DATASET_PROBE_H
#define MST_DATASET_PROBE_H

#include "base/base.h"
#include "store/store.h"

typedef struct mst_store_verdict {
  bool create_only; /* "only when nothing is there" is honoured            */
  bool if_match;    /* "only over this version" is honoured                */
  uint32_t doubled; /* writers that all won one race, beyond the first one */
  uint32_t lost;    /* increments that were lost in the race               */
  char why[160];    /* what was seen; "" when all is well                  */
  bool silent;      /* a reply was lost: the trial says nothing            */
} mst_store_verdict;

/* Tries it with objects below `prefix`, which are removed again. `writers` at once, `rounds` times. */
mst_status mst_probe_run(mst_store *store, const char *prefix, uint32_t writers, uint32_t rounds,
                         mst_store_verdict *out, mst_cancel *cancel, mst_error *err);
/* Tells stores apart, by URL and settings; "" for those that need no trial. */
mst_status mst_probe_place(mst_store *store, char out[17], mst_error *err);
/* The same once for each store of a process, and not at all where `tried`, what a dataset's section says, is this
 * place. MST_E_UNSUPPORTED says what was seen and what to do about it. */
mst_status mst_probe_require(mst_store *store, const char *uuid, const char *tried, mst_cancel *cancel, mst_error *err);

/* A lock by its name, for stores without conditions; [owned]. It holds between those who name the same one, and lapses
 * when its holder dies. */
typedef struct mst_lock mst_lock;
mst_status mst_lock_take(mst_store *store, const char *uuid, const char *name, mst_lock **out, mst_cancel *cancel,
                         mst_error *err);
/* MST_E_TIMEOUT when it may have lapsed: what it guards must not be written any more. */
mst_status mst_lock_check(mst_lock *l, mst_error *err);
void mst_lock_give(mst_lock *l);

#endif
