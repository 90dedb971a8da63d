/* dataset/state.h - one immutable snapshot of a dataset: its document, its schema, and what is loaded of it on demand.
 *
 * Owns: mst_dataset. May call: base, column, store, fetch, source/table.h. Private to the dataset module. */
#ifndef MST_DATASET_STATE_H
#define MST_DATASET_STATE_H

#include <meseta/dataset.h>

#include "base/base.h"
#include "column/column.h"
#include "dataset/document.h"
#include "dataset/index.h"
#include "dataset/key.h"
#include "store/store.h"

struct mst_dataset {
  _Atomic uint32_t refs;
  mst_context *ctx; /* a reference */
  const mst_allocator *mem;
  mst_store *store; /* a reference */
  char *uuid;
  char *lock_name;          /* options.lock; NULL: none */
  uint64_t memory;          /* bytes; never 0 */
  bool plateau;             /* options.plateau */
  char *head_key;           /* the object that was read */
  mst_document_form form;   /* of it */
  mst_pin head;             /* its version: what a commit is conditional on; zeroed for a snapshot of the past */
  mst_document *document;   /* explicit: implicit partitions were listed */
  bool implicit;            /* they were: the first commit makes them explicit */
  char *table;              /* "table" when nothing tells */
  char *schema_key;         /* the object that `schema` was read from; NULL when there was none */
  struct ArrowSchema schema; /* "+s", the normal form; release is NULL for a dataset without any (header only) */
  uint64_t version;         /* 1 when nothing tells */
  bool foreign;             /* the head names another uuid than it lies under: read only, for changes would touch another's files */
  bool past;                /* opened by `at`: cannot be changed but restored */

  pthread_mutex_t guard; /* what follows is filled on demand */
  struct ArrowSchema keys_schema;
  struct ArrowArray keys;
  mst_index **indices; /* one for each of the document's; NULL: not loaded */
  void *statistics;    /* of stats.c */
  void (*statistics_free)(struct mst_dataset *d, void *statistics);
};

/* A snapshot of a document that lies at hand (a commit's result, a version of the past). Takes over nothing; `like` lends store,
 * options and uuid. `schema` is copied (NULL: read from the store as opening does). */
mst_status mst_state_of(mst_dataset *like, mst_document *document, mst_document_form form, const mst_pin *head, uint64_t version,
                        const struct ArrowSchema *schema, mst_dataset **out, mst_cancel *cancel, mst_error *err);

/* The partition keys of all partitions: one row each (row i is partition i), one column a key. Borrowed for the life of d. */
mst_status mst_state_keys(mst_dataset *d, const struct ArrowSchema **schema, const struct ArrowArray **batch, mst_error *err);
/* A secondary index, loaded once. Borrowed for the life of d. MST_E_NOT_FOUND when the column has none. */
mst_status mst_state_index(mst_dataset *d, const char *column, const mst_index **out, mst_cancel *cancel, mst_error *err);
/* The column's field in the schema; MST_E_NOT_FOUND names the nearest. */
mst_status mst_state_field(const mst_dataset *d, const char *column, const struct ArrowSchema **out, mst_error *err);

/* A whole object, with its version; MST_E_LIMIT beyond `max` bytes. */
mst_status mst_state_get(mst_store *store, const char *key, size_t max, mst_bytes *out, mst_pin *pin, mst_cancel *cancel, mst_error *err);
/* The newest main file: JSON first, then msgpack. MST_E_NOT_FOUND names both. `key` is appended. */
mst_status mst_state_head(mst_store *store, const char *uuid, mst_bytes *out, mst_document_form *form, mst_buf *key, mst_pin *pin,
                          mst_cancel *cancel, mst_error *err);

#endif
