/* dataset/implicit.h - what a listing of the store tells where the main metadata does not: partitions, and the table's name.
 *
 * Owns: nothing. May call: base, store. Private to the dataset module. */
#ifndef MST_DATASET_IMPLICIT_H
#define MST_DATASET_IMPLICIT_H

#include "dataset/document.h"
#include "store/store.h"

/* A document like `from`, with the partitions that lie in the store. */
mst_status mst_implicit_partitions(mst_store *store, mst_document *from, mst_document **out, mst_cancel *cancel, mst_error *err);
/* The table of a dataset without partitions: where a `_common_metadata` lies. `*out` is NULL when there is none; freed with mst_free. */
mst_status mst_implicit_table(mst_store *store, const char *uuid, const mst_allocator *mem, char **out, mst_cancel *cancel, mst_error *err);

#endif
