/* meseta/extend.h - for those who add a store. The library's own stores are written against the same vtable.
 * May change in a minor release (the other headers may not); struct_size tells which one you were built with. */
#ifndef MESETA_EXTEND_H
#define MESETA_EXTEND_H

#include <meseta/store.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- stores ------------------------------------------------------------------------------------------------------ */

/* The version of an object that was seen: what reads are conditional on. Empty strings and zeros mean "not known". */
typedef struct mst_pin {
  uint64_t size;
  int64_t modified_ns; /* local file: mtime; HTTP: Last-Modified in whole seconds; 0: unknown              */
  uint64_t inode;      /* local file only; its lower 63 bits                                               */
  char etag[168];      /* as sent, with its quotes; weak ones (W/) are kept but never sent in If-Match     */
  char version[104];   /* version or generation id                                                         */
} mst_pin;

typedef enum mst_op_kind {
  MST_OP_HEAD = 1, /* key → info                                                                        */
  /* key, offset, size, pin → into, got, info (with the whole object's size). Fewer bytes where the object ends; from
   * its end on: no error, got = 0, and info may hold nothing but the size. */
  MST_OP_GET,
  MST_OP_PUT,          /* key, data, put_mode, pin → info                                                   */
  MST_OP_DELETE,       /* keys, n_keys (any number); what is not there is no error                          */
  MST_OP_LIST,         /* prefix, delimiter, token → page                                                   */
  MST_OP_UPLOAD_OPEN,  /* key → upload_id                                                                   */
  MST_OP_UPLOAD_PART,  /* key, upload, part (from 1), offset, data → part_tag                               */
  MST_OP_UPLOAD_CLOSE, /* key, upload, part_tags, n_parts, size, put_mode, pin → info                       */
  MST_OP_UPLOAD_ABORT, /* key, upload; what is not there is no error                                        */
  MST_OP_KINDS
} mst_op_kind;

/* One page of a listing, owned by the caller of the operation; stores fill it by mst_page_add and mst_page_end. */
typedef struct mst_page mst_page;

/* One operation. It goes down through wrappers to a store and comes back completed. Allocated by the library only. */
typedef struct mst_op mst_op;
struct mst_op {
  size_t struct_size;
  mst_op_kind kind;
  mst_context *ctx; /* the store's own, borrowed; set when the operation is started                       */
  /* Asked for; borrowed until completion. */
  const char *key;
  uint64_t offset; /* GET; UPLOAD_PART: where the part begins in the object                              */
  uint64_t size;   /* GET: bytes wanted, > 0, `into` has that many; UPLOAD_CLOSE: size of the whole      */
  bool from_end;   /* GET: the last `size` bytes (all of them when the object is smaller)                */
  bool exact;      /* GET: fewer bytes than asked for is MST_E_CORRUPT; the starter of the operation checks it, too */
  uint8_t *into;
  const mst_pin *pin; /* GET: must still be this version; PUT, UPLOAD_CLOSE with IF_MATCH: replace only this */
  const uint8_t *data;
  size_t n_data;
  mst_put_mode put_mode;
  const char *const *keys;
  size_t n_keys;
  const char *prefix;      /* LIST: keys begin with it; never NULL                                          */
  const char *delimiter;   /* LIST: NULL or "/"; what follows it behind the prefix is folded into one entry */
  const char *token;       /* LIST: `next` of the page before; NULL: from the start                         */
  const char *start_after; /* LIST: only keys greater than this; NULL: all                                  */
  uint32_t page_max;       /* LIST: entries wanted; 0: the store's own page                                 */
  const char *upload;
  uint32_t part;
  const char *const *part_tags;
  size_t n_parts;
  mst_cancel *cancel;  /* may be NULL                                                                   */
  int64_t deadline_us; /* on the context's monotonic clock; 0: the store's own                          */
  /* Answered. */
  uint64_t got;         /* GET: bytes written to `into`                                                  */
  mst_pin info;         /* HEAD, GET, PUT, UPLOAD_CLOSE                                                  */
  mst_page *page;       /* LIST                                                                          */
  char upload_id[1104]; /* UPLOAD_OPEN                                                                   */
  char part_tag[168];   /* UPLOAD_PART                                                                   */
  uint32_t requests;    /* sent for this operation, retries included                                     */
  mst_error error;      /* filled on failure                                                             */
  /* Completion: set by who starts the operation; a wrapper puts its own here and restores it. */
  void (*done)(mst_op *op, mst_status status);
  void *done_arg;
  void *store_data; /* free for the innermost store while the operation is in flight                 */
};

/* What a store is good for. */
enum {
  MST_STORE_READ_ONLY = 1,    /* PUT, DELETE and uploads are refused before they reach it                    */
  MST_STORE_LOCAL = 2,        /* reading is a memory copy: no coalescing gap, no read-ahead needed           */
  MST_STORE_NO_CONDITIONS = 4 /* does not honour conditional writes: they are refused before they reach it   */
};

/* All but `close` are called from many threads at once. Memory handed in is borrowed until completion.
 *
 * - `start` completes the operation by mst_op_done exactly once, from any thread, perhaps before it returns, and never
 *   blocks longer than a local system call.
 * - `run` is the blocking twin: it does the operation in the calling thread and looks at mst_op_check at least every
 *   50 ms. A store has `start`, `run` or both. With `run` alone, asynchronous use runs it on the context's threads for
 *   blocking calls, never on an I/O thread; with both, a caller that waits anyway uses `run`.
 * - `cancel` (may be NULL) only asks: the completion still comes, promptly. It may come at any time between `start` and
 *   the moment when the starter has heard of the completion, so look the operation up under a lock of your own.
 * - `settings` (may be NULL) adds what another process needs to find the same place, never a secret.
 * - `close` runs once, when the last reference is gone and no operation is in flight; perhaps on the thread of a
 *   completion. */
typedef struct mst_store_ops {
  size_t struct_size;
  const char *name; /* of the kind of store, for errors and traces */
  uint32_t flags;
  uint32_t reserved; /* zero */
  void (*start)(void *self, mst_op *op);
  mst_status (*run)(void *self, mst_op *op, mst_error *err);
  void (*cancel)(void *self, mst_op *op);
  mst_status (*settings)(void *self, mst_status (*add)(void *arg, const char *name, const char *value, mst_error *err),
                         void *arg, mst_error *err);
  void (*close)(void *self);
  /* May be NULL. Removes what ended writers of objects whose keys begin with `prefix` left unfinished, where it was last written before
   * `before_us` (1970 UTC): temporary files. Objects are left alone. `*n` counts what was removed. */
  mst_status (*sweep)(void *self, const char *prefix, int64_t before_us, uint64_t *n, mst_error *err);
} mst_store_ops;

/* A store of one's own. `url` (scheme://place, without secrets) names it in errors. `ops` is copied; `self` is taken
 * over on success only, and `ops->close` then ends it. */
MST_API mst_status mst_store_wrap(mst_context *ctx, const mst_store_ops *ops, void *self, const char *url,
                                  mst_store **out, mst_error *err);
/* What stores call when an operation that came by `start` has ended; op->error is filled on failure. */
MST_API void mst_op_done(mst_op *op, mst_status status);
/* Whether the one who asked wants it no more: its cancel flag is set or its deadline has passed. Fills `err` then. */
MST_API mst_status mst_op_check(const mst_op *op, mst_error *err);
/* Entries come in the order of the keys' bytes; a common prefix ends with the delimiter. `etag` may be NULL. */
MST_API mst_status mst_page_add(mst_page *p, const char *key, size_t n_key, uint64_t size, int64_t modified_ns,
                                const char *etag, bool is_prefix, mst_error *err);
/* Closes the page. `next` goes on where this page ends; NULL when it was the last. */
MST_API mst_status mst_page_end(mst_page *p, const char *next, mst_error *err);
/* For messages: fills `err` (NULL is fine) and returns `status`. */
MST_API mst_status mst_error_set(mst_error *err, mst_status status, const char *format, ...) MST_PRINTF(3, 4);

#ifdef __cplusplus
}
#endif
#endif
