/* dataset/prune.h - which partitions can hold rows that a condition asks for, told from cheap to dear: partition keys, secondary
 * indices, statistics. Sound: a partition is left out only when no row of it can match.
 *
 * Owns: lists of candidates. May call: base, column, expr. Private to the dataset module. */
#ifndef MST_DATASET_PRUNE_H
#define MST_DATASET_PRUNE_H

#include "dataset/state.h"
#include "expr/expr.h"

typedef struct mst_candidate {
  size_t part; /* number of the partition                     */
  bool all;    /* every row matches: nothing needs to be read */
} mst_candidate;

typedef struct mst_candidates {
  const mst_allocator *mem;
  mst_candidate *items;
  size_t n;
} mst_candidates;
void mst_candidates_free(mst_candidates *c);

enum {
  MST_LOOK_AT_NO_INDEX = 1,      /* load no secondary index         */
  MST_LOOK_AT_NO_STATISTICS = 2, /* load no statistics              */
  MST_LOOK_AT_NOTHING = 4        /* every partition is a candidate  */
};

/* The condition of a call: text or list form; NULL or empty text: none (`*where` and `*predicate` stay NULL). Bound to the table's schema. */
mst_status mst_condition_of(const mst_dataset *d, const char *text, mst_where **where, mst_predicate **predicate, mst_error *err);

/* Candidates in the order of the partitions, or of `labels` (not NULL; each must be there). `p` may be NULL: all match. */
mst_status mst_prune_partitions(mst_dataset *d, const mst_predicate *p, const char *const *labels, size_t n_labels, uint32_t flags,
                                mst_candidates *out, mst_cancel *cancel, mst_error *err);

/* Values of the partition keys for each column of `p`: NULL where it is none. `scalars` and `known` have room for all its columns. */
mst_status mst_known_keys(mst_dataset *d, const mst_predicate *p, size_t part, mst_scalar *scalars, const mst_scalar **known, mst_error *err);

#endif
