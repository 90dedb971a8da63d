/* dataset/commit_run.h - one commit under way: what stays the same over its attempts, and the attempt.
 * Private to commit*.c and conflict.c. */
#ifndef MST_DATASET_COMMIT_RUN_H
#define MST_DATASET_COMMIT_RUN_H

#include "dataset/commit.h"
#include "dataset/probe.h"

typedef struct mst_run {
  mst_context *ctx;
  const mst_allocator *mem;
  mst_store *store;
  const char *uuid;
  const char *id;
  mst_cancel *cancel;
  mst_change *change;            /* NULL: `first` */
  const mst_first_commit *first; /* NULL: `change` */
  mst_dataset *base;             /* borrowed; NULL: there was nothing */
  bool plateau;                  /* nothing of ours unless it is there already */
  bool conditional;              /* the store honours conditions */
  char place[17];                /* the store, where a trial showed that; "" */
  const char *lock_name;         /* NULL: none */

  mst_dataset *head;   /* a reference: what the next write stands on; NULL: nothing is there */
  mst_section section; /* of the head; borrowed from it */
  bool external;       /* the head was written by somebody who does not know of the section */
  uint32_t losses;     /* attempts that others won */
  uint32_t unclear;    /* attempts without a clear reply */
  int64_t attempt_us;  /* what the last attempt took */
  bool repaired;       /* `_common_metadata` was put for the head's schema */

  /* The attempt. */
  mst_document *document;
  uint64_t version;
  bool sectioned; /* the new document has a section */
  bool behind;    /* `_common_metadata` is to be put after the commit */
  bool twin;      /* the msgpack file is to be removed after the commit */
  char *schema_key;
  const struct ArrowSchema *schema; /* the table's; NULL: none */
  const char **added, **removed;    /* labels; borrowed */
  size_t n_added, n_removed;
  bool whole;
  mst_buf text;
  mst_pin pin; /* of the new head */
} mst_run;

/* Makes the attempt's document and puts all objects that it names. */
mst_status mst_run_build(mst_run *r, mst_error *err);
void mst_run_clear(mst_run *r); /* forgets the attempt */
/* Whether the change still holds on r->head, where others have committed since r->base. MST_E_CONFLICT says what
 * collides. */
mst_status mst_run_check(mst_run *r, mst_error *err);

#endif
