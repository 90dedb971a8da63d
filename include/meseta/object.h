/* meseta/object.h - housekeeping of whole objects by URL: find, read in order, copy between stores, remove. */
#ifndef MESETA_OBJECT_H
#define MESETA_OBJECT_H

#include <meseta/bytes.h>
#include <meseta/store.h>

#ifdef __cplusplus
extern "C" {
#endif

/* `below` is what the object is called below the place that was searched: "run1/a.fq" for "s3://b/runs/", the last part of the key
 * for a single object. All three are valid during the call; the URL holds no secret. Anything but MST_OK ends the walk with it. */
typedef mst_status (*mst_find_fn)(void *arg, const char *url, const char *below, const mst_object_info *info, mst_error *err);

enum {
  MST_FIND_RECURSIVE = 1, /* a prefix: everything below it; without: one level, with "folders" as entries        */
  MST_FIND_SOURCES = 2    /* leave out indexes (.meseta) and companions (.fai .gzi .tbi .csi)                     */
};
/* What `url` names, in the order of the keys' bytes: with glob characters (* ? [..] **) what matches; ending with '/' or naming a
 * bucket what lies below; else that one object (looked at, MST_E_NOT_FOUND when absent). */
MST_API mst_status mst_find(mst_context *ctx, const char *url, const mst_pair *config, size_t n_config, uint32_t flags,
                            mst_find_fn each, void *arg, mst_cancel *cancel, mst_error *err);

/* The object's bytes in order, all of one version (MST_E_CHANGED otherwise, then what was given so far is void). `data` is valid
 * during the call. */
typedef mst_status (*mst_write_fn)(void *arg, const void *data, size_t size, mst_error *err);
MST_API mst_status mst_object_cat(mst_context *ctx, const char *url, const mst_pair *config, size_t n_config, mst_write_fn write,
                                  void *arg, mst_cancel *cancel, mst_error *err);
/* Copies one object, in bounded memory; nothing is visible at `to` before the end. `from` and `to` are URLs of objects. */
MST_API mst_status mst_object_copy(mst_context *ctx, const char *from, const mst_pair *from_config, size_t n_from, const char *to,
                                   const mst_pair *to_config, size_t n_to, mst_put_mode mode, mst_cancel *cancel, mst_error *err);
/* Removes objects; what is not there is no error. */
MST_API mst_status mst_object_remove(mst_context *ctx, const char *const *urls, size_t n, const mst_pair *config, size_t n_config,
                                     mst_cancel *cancel, mst_error *err);

#ifdef __cplusplus
}
#endif
#endif
