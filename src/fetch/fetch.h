/* fetch/fetch.h - bytes of pinned objects: many ranges at once, coalesced, in parallel, within the memory budget; and
 * one range after another with read-ahead.
 *
 * Owns: pinned objects, read plans, the memory of chunks. May call: base, store. */
#ifndef MST_FETCH_FETCH_H
#define MST_FETCH_FETCH_H

#include "base/base.h"
#include "store/store.h"

/* One object at one version; [shared]. Every read is conditional on the pin and its reply is checked against it: a
 * changed object is MST_E_CHANGED, never mixed bytes. */
typedef struct mst_object mst_object;

enum {
  MST_OBJECT_UNPINNED = 1 /* allow objects that offer nothing to pin (HTTP with neither strong ETag nor date) */
};
/* With `pin`: no request is made. Without: one request finds size and version and, with `head_max` > 0, brings up to
 * that many first bytes along (`head`, may be NULL) at no extra request. */
mst_status mst_object_open(mst_store *store, const char *key, const mst_pin *pin, uint32_t flags, size_t head_max,
                           mst_bytes *head, mst_object **out, mst_cancel *cancel, mst_error *err);
/* One suffix request: finds size and version and brings the last `tail_max` bytes along (an index, a Parquet file). */
mst_status mst_object_open_tail(mst_store *store, const char *key, uint32_t flags, size_t tail_max, mst_bytes *tail,
                                mst_object **out, mst_cancel *cancel, mst_error *err);
mst_object *mst_object_ref(mst_object *o);
void mst_object_unref(mst_object *o);
const mst_pin *mst_object_pin(const mst_object *o);
uint64_t mst_object_size(const mst_object *o);
const char *mst_object_key(const mst_object *o);
const char *mst_object_url(const mst_object *o); /* for errors and slices: no secrets */
mst_store *mst_object_store(const mst_object *o);

/* Reads ranges of one object, in any order, overlapping or not; out[i] belongs to ranges[i] (`member` is not looked
 * at). Near ranges share a request; large ones are split; requests run in parallel. A range beyond the end is
 * MST_E_CORRUPT at its offset. */
mst_status mst_object_read(mst_object *o, const mst_range *ranges, size_t n, mst_bytes *out, mst_cancel *cancel,
                           mst_error *err);
/* One range straight into the caller's memory, split and in parallel. */
mst_status mst_object_read_into(mst_object *o, uint64_t offset, uint64_t size, uint8_t *into, mst_cancel *cancel,
                                mst_error *err);
/* Looks again without reading: MST_E_CHANGED when the object is no longer the pinned version. */
mst_status mst_object_check(mst_object *o, mst_cancel *cancel, mst_error *err);

/* [begin, end) of an object in order, in chunks, with requests ahead of the reader in flight; [owned]. */
typedef struct mst_readahead mst_readahead;
typedef struct mst_readahead_options {
  size_t chunk;    /* bytes a chunk; 0: 1 MiB locally, 8 MiB elsewhere (less when the budget is small)          */
  uint32_t ahead;  /* chunks in flight beyond the one being used; 0: by budget and store, beginning with 1      */
  uint64_t memory; /* at most this many bytes of chunks at once; 0: half of the context's budget                */
} mst_readahead_options;
mst_status mst_readahead_open(mst_object *o, uint64_t begin, uint64_t end, const mst_readahead_options *options,
                              mst_readahead **out, mst_error *err);
/* The next chunk, empty at the end. The reader owns it; its memory counts until it is released. */
mst_status mst_readahead_next(mst_readahead *r, mst_bytes *out, mst_cancel *cancel, mst_error *err);
void mst_readahead_close(mst_readahead *r); /* cancels what is in flight */

#endif
