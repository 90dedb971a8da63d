/* store/store.h - places of keys and bytes behind one small vtable: file, memory, s3, http; wrappers that are stores
 * too.
 *
 * Owns: connections, credentials, retries. May call: base. A store does one operation on one object; ranges in
 * parallel, coalescing and caching are fetch's business.
 *
 * The vtable itself (mst_op, mst_store_ops, mst_pin) is public, for stores of others: meseta/extend.h. */
#ifndef MST_STORE_STORE_H
#define MST_STORE_STORE_H

#include <meseta/extend.h>
#include <meseta/store.h>

#include "base/base.h"

/* ---- pins -------------------------------------------------------------------------------------------------------- */

/* Something that tells this version from another one: a strong ETag, a version, a date or an inode. A weak ETag is
 * compared where there is one, but nothing is made conditional on it. */
bool mst_pin_known(const mst_pin *pin);
bool mst_pin_etag_strong(const mst_pin *pin);
bool mst_pin_same(const mst_pin *expected, const mst_pin *seen); /* compares what both know; the size always */
/* MST_E_CHANGED, saying what differs, when `seen` is another version than `expected`, and also when `seen` tells
 * nothing that could be compared although `expected` is known. */
mst_status mst_pin_check(const mst_pin *expected, const mst_pin *seen, mst_error *err);
mst_status mst_pin_to_json(const mst_pin *pin, json_t **out, mst_error *err);
mst_status mst_pin_from_json(const json_t *value, const char *what, mst_pin *out, mst_error *err);

/* ---- pages of listings ------------------------------------------------------------------------------------------- */

typedef struct mst_entry {
  const char *key; /* whole key; for a common prefix it ends with the delimiter                                  */
  uint64_t size;
  int64_t modified_ns;
  const char *etag; /* "" when the store tells none                                                              */
  bool is_prefix;
} mst_entry;

struct mst_page {
  mst_entry *entries; /* pointers are valid after mst_page_end                                                   */
  size_t n, capacity;
  char *next; /* token for the next page, NULL when this was the last                                            */
  mst_buf text;
  const mst_allocator *mem;
};
void mst_page_init(mst_page *p, const mst_allocator *mem);
void mst_page_clear(mst_page *p); /* keeps the memory */
void mst_page_free(mst_page *p);

/* ---- stores and operations --------------------------------------------------------------------------------------- */

/* Names in `err` the object that a failed operation was about, if none is named yet. */
void mst_store_name_error(const mst_store *s, const mst_op *op, mst_error *err);

mst_op mst_op_make(mst_op_kind kind, const char *key);
const char *mst_op_name(mst_op_kind kind); /* "GET"; never NULL */

mst_context *mst_store_context(const mst_store *s); /* borrowed */
const char *mst_store_url(const mst_store *s);      /* no credentials, no query; ends without '/'                 */
const char *mst_store_kind(const mst_store *s);     /* "file", "s3" …                                             */
uint32_t mst_store_flags(const mst_store *s);
/* Non-secret settings that another process needs to find the same place (endpoint, region, addressing), as a JSON
 * object. */
mst_status mst_store_settings(const mst_store *s, json_t **out, mst_error *err);
/* "s3://bucket/key" into `out`, cut in the middle when long, without an HTTP query; for errors. Returns out. */
char *mst_store_name_key(const mst_store *s, const char *key, char *out, size_t n);

/* Asynchronous. The caller sets `done` and keeps `op` and a reference to the store until it is called. */
void mst_store_start(mst_store *s, mst_op *op);
void mst_store_cancel(mst_store *s, mst_op *op);
/* Starts and waits, or runs in the calling thread where the store can. `op->done` is not used. Fills err from the
 * operation and names the object. Returns within 100 ms of a cancel, with the operation ended. */
mst_status mst_store_perform(mst_store *s, mst_op *op, mst_error *err);

/* ---- opening by URL ---------------------------------------------------------------------------------------------- */

/* Removes what ended writers left unfinished, as mst_store_ops.sweep says; nothing where the store has no such thing. */
mst_status mst_store_sweep(mst_store *s, const char *prefix, int64_t before_us, uint64_t *n, mst_error *err);

/* Splits "s3://bucket/a/b" into store URL "s3://bucket" and key "a/b"; "dir/f.txt" and "file:///dir/f.txt" into a file
 * store on the folder and a key; "https://host/x?y" into store "https://host" and key "x?y". `is_prefix` when it ends
 * with '/' or is empty. A folder's store stands on the longest part of the path without a glob's characters. */
typedef struct mst_location {
  mst_store *store;
  char *key;
  bool is_prefix;
  const mst_allocator *mem;
} mst_location;
/* `config`: storage options, both fsspec's and object_store's spellings; an unknown key is MST_E_ARGUMENT with the
 * nearest one. */
mst_status mst_location_open(mst_context *ctx, const char *url, const mst_pair *config, size_t n_config,
                             mst_location *out, mst_error *err);
void mst_location_close(mst_location *l);
/* Settings that a slice brought along (hostile): endpoint and the like are used, but credentials go to such an endpoint
 * only when this process's own configuration names the same one; otherwise access is anonymous or refused. A slice's
 * URL never opens a relative path. */
mst_status mst_location_open_from_slice(mst_context *ctx, const char *url, const json_t *settings,
                                        const mst_pair *config, size_t n_config, mst_location *out, mst_error *err);
/* Userinfo, or any query of an HTTP URL: such a URL must not be put into a slice, index, error or log. */
bool mst_url_has_secret(const char *url);
/* `url` fit for errors: without userinfo and HTTP query, cut in the middle. Returns out. */
char *mst_url_redact(const char *url, char *out, size_t n);
/* The table of storage options, for mst_describe_json and the docs. */
mst_status mst_options_to_json(json_t **out, mst_error *err);

/* A view of a store below a prefix; "" gives a new reference. `prefix` is taken as it is ("a/b/"). */
mst_status mst_store_below(mst_store *inner, const char *prefix, mst_store **out, mst_error *err);

/* ---- wrappers: stores over a store, for tests and measurement ---------------------------------------------------- */

typedef struct mst_trace_counts {
  uint64_t ops[MST_OP_KINDS]; /* by mst_op_kind */
  uint64_t bytes_read, bytes_written, requests, failed;
  uint64_t in_flight_max;
} mst_trace_counts;
/* `on_op` (may be NULL) is called after each operation, from the thread that completes it. */
mst_status mst_store_trace(mst_store *inner, void (*on_op)(void *arg, const mst_op *op, mst_status status), void *arg,
                           mst_store **out, mst_error *err);
mst_status mst_store_trace_counts(const mst_store *store, mst_trace_counts *out);
/* Fails the n-th operation (from 1; 0: none), once or from then on, with this status, without asking the inner store.
 */
mst_status mst_store_fault(mst_store *inner, uint64_t fail_at, bool persistent, mst_status with, mst_store **out,
                           mst_error *err);
/* Operations seen so far, so that a test knows when it has failed each one. */
uint64_t mst_store_fault_seen(const mst_store *store);
mst_status mst_store_latency(mst_store *inner, uint64_t us_per_op, uint64_t ns_per_byte, mst_store **out,
                             mst_error *err);
/* At most this many operations in flight; more wait in order. */
mst_status mst_store_limit(mst_store *inner, uint32_t in_flight, mst_store **out, mst_error *err);

/* ---- several operations as one ----------------------------------------------------------------------------------- */

/* The machinery behind the calls of meseta/store.h, without their checks of arguments. */
mst_status mst_store_open_url(mst_context *ctx, const char *url, const mst_pair *config, size_t n_config,
                              mst_store **out, mst_error *err);
/* All pages, the next one asked for while this one is handed out. */
mst_status mst_list_run(mst_store *s, const char *prefix, const char *delimiter, mst_list_fn each, void *arg,
                        mst_cancel *cancel, mst_error *err);
/* One object in parts: a small one becomes one PUT, a large one an upload with several parts in flight within the
 * budget. [owned]; mst_upload_end without mst_upload_finish aborts. `pin`: for MST_PUT_IF_MATCH. `info` may be NULL. */
mst_status mst_upload_begin(mst_store *s, const char *key, mst_cancel *cancel, mst_upload **out, mst_error *err);
mst_status mst_upload_write(mst_upload *u, const void *data, size_t size, mst_error *err);
mst_status mst_upload_finish(mst_upload *u, mst_put_mode mode, const mst_pin *pin, mst_pin *info, mst_error *err);
void mst_upload_end(mst_upload *u);

#endif
