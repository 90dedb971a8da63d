/* base/owner.h - what stands behind mst_bytes.owner: a reference count and a way to let go. */
#ifndef MST_BASE_OWNER_H
#define MST_BASE_OWNER_H

#include <stdatomic.h>

#include <meseta/bytes.h>
#include <meseta/context.h>

/* Embed as the first member. `release` runs once, on the thread that drops the last reference. */
typedef struct mst_owner {
  _Atomic uint32_t refs;
  void (*release)(struct mst_owner *self);
} mst_owner;

void mst_owner_init(mst_owner *o, void (*release)(mst_owner *self)); /* with one reference */
void mst_owner_ref(mst_owner *o);
void mst_owner_unref(mst_owner *o); /* NULL is fine */

/* Fresh, writable, uninitialised memory of exactly `size` bytes with one reference; write to `*writable` before
 * sharing. */
mst_status mst_bytes_new(const mst_allocator *mem, size_t size, mst_bytes *out, uint8_t **writable, mst_error *err);
mst_status mst_bytes_copy(const mst_allocator *mem, const void *data, size_t size, mst_bytes *out, mst_error *err);
/* [at, at + n) of `b`, with a reference of its own. The part must lie inside. */
mst_bytes mst_bytes_part(const mst_bytes *b, size_t at, size_t n);
/* Borrowed memory that outlives the value: no owner. */
mst_bytes mst_bytes_borrow(const void *data, size_t size);

#endif
