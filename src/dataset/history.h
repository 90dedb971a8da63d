/* dataset/history.h - the log of commits: the newest ones inside `metadata.meseta`, older ones in sealed segments,
 * whole documents now and then; and documents of the past made from them.
 *
 * A record: id, version, time (µs), operation, counts, and `delta` (or `body`, the key of an object with it):
 * {"add": [labels], "remove": [labels], "rest": {indices, metadata, schema, keys, table as far as they changed}}.
 * A checkpoint is [version, key of a document]. May call: base, store, dataset's own headers. Private to the dataset
 * module. */
#ifndef MST_DATASET_HISTORY_H
#define MST_DATASET_HISTORY_H

#include "dataset/section.h"
#include "dataset/state.h"

/* ---- writing -------------------------------------------------------------------------------------------------------
 */

/* One commit, as it goes into the log. All borrowed. */
typedef struct mst_log_commit {
  mst_store *store;
  const mst_allocator *mem;
  const char *uuid;
  const mst_document *from; /* NULL: there was nothing */
  mst_document *to;         /* without its own `metadata.meseta` */
  const char *from_schema, *to_schema;
  const char *id, *operation;
  const char *const *added, *const *removed; /* labels; not looked at with `whole` */
  size_t n_added, n_removed;
  bool whole;                       /* replaces everything: a checkpoint tells it */
  int64_t rows_added, rows_removed; /* -1: not known */
  uint64_t version;
  int64_t now_us;
  size_t document_bytes; /* about what a checkpoint takes as text */
} mst_log_commit;
/* Adds it to `section` (members commits, segments, checkpoints), seals and trims what is due. Puts objects, all of them
 * new. */
mst_status mst_log_push(json_t *section, const mst_log_commit *c, mst_cancel *cancel, mst_error *err);
/* A version that somebody else made, who keeps no log: a record without a delta, and a checkpoint. */
mst_status mst_log_push_foreign(json_t *section, mst_store *store, const mst_allocator *mem, const char *uuid,
                                mst_document *document, const char *schema, uint64_t version, int64_t time_us,
                                bool checkpoint, mst_cancel *cancel, mst_error *err);

/* ---- reading -------------------------------------------------------------------------------------------------------
 */

/* Looks for a commit among those after version `since`. `*version` is 0 when it is not there; `*complete`: all that
 * came after `since` are listed, so that what was not found did not happen. */
mst_status mst_log_find(mst_store *store, const char *uuid, const mst_section *s, const char *id, uint64_t since,
                        uint64_t *version, bool *complete, mst_cancel *cancel, mst_error *err);
/* All records of versions > since, oldest first: an array that the caller owns, checked to be objects with id, version
 * and time. The ones that a foreign commit on top of the head makes are part of it. */
mst_status mst_log_records(mst_dataset *d, uint64_t since, json_t **out, mst_cancel *cancel, mst_error *err);
/* `delta` of a record, from its object where it is not inside. NULL: a record without one. The caller owns a reference.
 */
mst_status mst_log_delta(mst_dataset *d, const json_t *record, json_t **out, mst_cancel *cancel, mst_error *err);
/* The oldest version that is kept, by the dataset's rule at `now_us`; `records` from mst_log_records(d, 0, …). */
mst_status mst_history_oldest(mst_dataset *d, const json_t *records, int64_t now_us, uint64_t *version, mst_error *err);
/* The document of a version, and its schema object's key (freed with mst_free(d->mem, …); NULL: `_common_metadata`).
 * MST_E_NOT_FOUND: the version is gone, and why. */
mst_status mst_history_document(mst_dataset *d, const json_t *records, uint64_t version, mst_document **out,
                                char **schema, mst_cancel *cancel, mst_error *err);

#endif
