/* store/schemes.h - how each kind of store is opened; one row a kind in schemes.c. Private to the store module. */
#ifndef MST_STORE_SCHEMES_H
#define MST_STORE_SCHEMES_H

#include "store/options.h"
#include "store/store.h"
#include "store/url.h"

/* Opens the store that `url` lies in: the bucket, host or name space. `url->key` is not its business, except for files:
 * there it is the root folder, absolute. No request is made. Makes its store by mst_store_wrap. */
typedef mst_status (*mst_scheme_open_fn)(mst_context *ctx, const mst_url *url, const mst_settings *settings,
                                         mst_store **out, mst_error *err);

mst_status mst_file_open(mst_context *ctx, const mst_url *url, const mst_settings *settings, mst_store **out,
                         mst_error *err);
mst_status mst_memory_open(mst_context *ctx, const mst_url *url, const mst_settings *settings, mst_store **out,
                           mst_error *err);
mst_status mst_s3_open(mst_context *ctx, const mst_url *url, const mst_settings *settings, mst_store **out,
                       mst_error *err);
mst_status mst_http_open(mst_context *ctx, const mst_url *url, const mst_settings *settings, mst_store **out,
                         mst_error *err);

#endif
