/* dataset/commit.h - one conditional write that moves a dataset from a committed state to the next, and
 * `metadata.meseta`, the part of the document that it rests on (docs/specification/dataset.md).
 *
 * May call: base, column, store, dataset's own headers. Private to the dataset module. */
#ifndef MST_DATASET_COMMIT_H
#define MST_DATASET_COMMIT_H

#include "dataset/change.h"
#include "dataset/section.h"
#include "dataset/state.h"
#include "dataset/write.h"

/* The first state of a dataset, or the next one over `old`. All borrowed. Index objects, `metadata.meseta` and
 * statistics are made here, after the files were written. */
typedef struct mst_first_commit {
  mst_context *ctx;
  mst_store *store;
  const char *uuid;
  const mst_dataset_options *options; /* may be NULL */
  mst_dataset *old;                   /* is overwritten; NULL: there must be none (MST_E_EXISTS) */
  const char *table;
  const char *const *keys; /* partition keys */
  size_t n_keys;
  const char *const *indices; /* secondary; files.items[].indexed are in this order */
  size_t n_indices;
  mst_new_files *files;
  const struct ArrowSchema *schema; /* the table's; NULL: header only */
  json_t *metadata;                 /* the user's, creation_time included */
  mst_document_form form;
  const char *history; /* "7d", "10", "0"; NULL: "7d" */
} mst_first_commit;
/* A lost reply is looked up by the commit's own id: success once. `report` as in mst_change_commit; may be NULL. */
mst_status mst_commit_first(const mst_first_commit *c, mst_dataset **out, json_t **report, mst_cancel *cancel,
                            mst_error *err);

/* Before anything is written: MST_E_UNSUPPORTED where several writers could not share the store and no lock is named.
 * `document`: what is there, which may tell; NULL: nothing. */
mst_status mst_commit_allowed(mst_store *store, const char *uuid, const char *lock, bool plateau,
                              const mst_document *document, mst_cancel *cancel, mst_error *err);
/* Gives up the versions before `oldest`: the head is written anew with nothing else changed, not even its version. */
mst_status mst_commit_oldest(mst_dataset *d, uint64_t oldest, mst_dataset **out, mst_cancel *cancel, mst_error *err);

#endif
