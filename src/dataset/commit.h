/* dataset/commit.h - one conditional write that moves a dataset from a committed state to the next, and `metadata.meseta`, the part of
 * the document that it rests on (docs/specification/dataset.md).
 *
 * May call: base, column, store, dataset's own headers. Private to the dataset module. */
#ifndef MST_DATASET_COMMIT_H
#define MST_DATASET_COMMIT_H

#include "dataset/change.h"
#include "dataset/state.h"
#include "dataset/write.h"

/* The first state of a dataset, or the next one over `old`. All borrowed. Index objects, `metadata.meseta` and statistics are made
 * here, after the files were written. */
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
mst_status mst_commit_first(const mst_first_commit *c, mst_dataset **out, mst_bytes *report, mst_cancel *cancel, mst_error *err);

/* ---- metadata.meseta, as opening a dataset needs it ------------------------------------------------------------------- */

/* What the document says of itself. All borrowed from it. Nothing there, or of a future format: zeroes (and `future`). */
typedef struct mst_section {
  json_t *map;         /* NULL: the document has none */
  uint64_t version;    /* that it claims */
  const char *digest;  /* "" when absent */
  const char *schema;  /* key of the authoritative schema object; NULL: `_common_metadata` */
  const char *birth;   /* "" when absent */
  const char *history; /* "0" when absent */
  bool dropped;        /* a tombstone: the dataset is being removed */
} mst_section;
/* Hostile: MST_E_CORRUPT names the member. Keys are checked to lie below `<uuid>.meseta/`. */
mst_status mst_section_of(const mst_document *d, const char *uuid, mst_section *out, mst_error *err);
/* The version of a document: 1 without a section; what it claims when the digest fits; one more when somebody who does not know of
 * the section wrote since (`*external`). */
mst_status mst_section_version(const mst_document *d, const mst_section *s, uint64_t *version, bool *external, mst_error *err);

#endif
