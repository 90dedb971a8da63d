/* dataset/gc.h - deleting many keys. Private to the dataset module. */
#ifndef MST_DATASET_GC_H
#define MST_DATASET_GC_H

#include "base/base.h"
#include "store/store.h"

/* An array of texts; what is not there is no error. */
mst_status mst_keys_delete(mst_store *store, const json_t *keys, mst_cancel *cancel, mst_error *err);
/* Removes what killed writers of a dataset left that never became an object, last written before `before_us`. */
mst_status mst_keys_clear(mst_store *store, const char *uuid, int64_t before_us, mst_error *err);

#endif
