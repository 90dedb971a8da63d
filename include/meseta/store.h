/* meseta/store.h - places of keys and bytes: folders, memory, S3, HTTP(S). */
#ifndef MESETA_STORE_H
#define MESETA_STORE_H

#include <meseta/bytes.h>
#include <meseta/context.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Immutable after opening; safe in many threads at once. */
typedef struct mst_store mst_store;

typedef struct mst_object_info {
  const char *key;
  uint64_t size;        /* bytes                                          */
  int64_t modified_us;  /* since 1970-01-01 UTC; 0 when unknown           */
  const char *etag;     /* "" when the store tells none                   */
  bool is_prefix;       /* a "folder" of a listing with a delimiter       */
} mst_object_info;

typedef enum mst_put_mode {
  MST_PUT_REPLACE,  /* whatever is there                                  */
  MST_PUT_CREATE,   /* only when nothing is there, else MST_E_EXISTS      */
  MST_PUT_IF_MATCH  /* only over the version named, else MST_E_CONFLICT   */
} mst_put_mode;

/* `url`: "s3://bucket[/prefix]", "file:///dir", "dir", "memory://name", "https://host[/path]". Keys are then relative to it.
 * `config`: storage options, in fsspec's or object_store's spelling; an unknown one is MST_E_ARGUMENT. No request is made. */
MST_API mst_status mst_store_open(mst_context *ctx, const char *url, const mst_pair *config, size_t n_config,
                                  mst_store **out, mst_error *err);
MST_API mst_store *mst_store_ref(mst_store *s);
MST_API void mst_store_unref(mst_store *s);

/* `info` and its text are valid during the call. Anything but MST_OK ends the listing with that status. */
typedef mst_status (*mst_list_fn)(void *arg, const mst_object_info *info, mst_error *err);
/* In the order of the keys' bytes. `delimiter` NULL: everything below `prefix`; "/": one level. */
MST_API mst_status mst_store_list(mst_store *s, const char *prefix, const char *delimiter, mst_list_fn each, void *arg,
                                  mst_cancel *cancel, mst_error *err);
MST_API mst_status mst_store_head(mst_store *s, const char *key, mst_object_info *out, char etag[168], mst_cancel *cancel,
                                  mst_error *err);
/* [offset, offset + size) of an object, fewer bytes where it ends. */
MST_API mst_status mst_store_get(mst_store *s, const char *key, uint64_t offset, uint64_t size, mst_bytes *out,
                                 mst_cancel *cancel, mst_error *err);
/* `etag` is for MST_PUT_IF_MATCH. `new_etag` may be NULL. */
MST_API mst_status mst_store_put(mst_store *s, const char *key, const void *data, size_t size, mst_put_mode mode,
                                 const char *etag, char new_etag[168], mst_cancel *cancel, mst_error *err);
MST_API mst_status mst_store_delete(mst_store *s, const char *const *keys, size_t n, mst_cancel *cancel, mst_error *err);

/* A large object in bounded memory: parts go out while more is put; nothing is visible before mst_upload_close.
 * [owned]; mst_upload_free without closing leaves no trace of it. */
typedef struct mst_upload mst_upload;
MST_API mst_status mst_upload_open(mst_store *s, const char *key, mst_upload **out, mst_cancel *cancel, mst_error *err);
MST_API mst_status mst_upload_put(mst_upload *u, const void *data, size_t size, mst_error *err);
MST_API mst_status mst_upload_close(mst_upload *u, mst_put_mode mode, const char *etag, char new_etag[168], mst_error *err);
MST_API void mst_upload_free(mst_upload *u);

#ifdef __cplusplus
}
#endif
#endif
