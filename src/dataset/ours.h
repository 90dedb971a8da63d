/* dataset/ours.h - objects of ours below `<uuid>.meseta/`: immutable, each under a fresh key, JSON in one zstd frame.
 *
 * Owns: nothing. May call: base, codec, store, dataset/key.h. Private to the dataset module. */
#ifndef MST_DATASET_OURS_H
#define MST_DATASET_OURS_H

#include "base/base.h"
#include "store/store.h"

/* Each writes `<uuid>.meseta/<folder>/<id>`; the key is appended to `key`, a NUL behind it. */
mst_status mst_ours_put(mst_store *store, const char *uuid, const char *folder, const void *data, size_t n,
                        mst_buf *key, mst_cancel *cancel, mst_error *err);
mst_status mst_ours_put_json(mst_store *store, const char *uuid, const char *folder, const json_t *value, mst_buf *key,
                             mst_cancel *cancel, mst_error *err);
/* Hostile. The key must lie below `<uuid>.meseta/`. */
mst_status mst_ours_get_json(mst_store *store, const char *uuid, const char *key, json_t **out, mst_cancel *cancel,
                             mst_error *err);
/* Safe, and below `<uuid>.meseta/`. */
bool mst_ours_is_key(const char *key, const char *uuid);
/* One PUT; `mode` MST_PUT_IF_MATCH needs `pin`; `info` (may be NULL) is what the store tells of the new object. */
mst_status mst_put_object(mst_store *store, const char *key, const void *data, size_t n, mst_put_mode mode,
                          const mst_pin *pin, mst_pin *info, mst_cancel *cancel, mst_error *err);

#endif
