/* base/owner.c - reference counts behind mst_bytes, and the plain heap block as the commonest owner.
 * Owns the blocks it makes until their last reference goes. Calls base/alloc.h and base/error.h. */
#include "base/owner.h"

#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bits.h"
#include "base/error.h"

/* Keeps a copy of the allocator: bytes may outlive the context that they came from. */
typedef struct heap_bytes {
  mst_owner owner;
  mst_allocator mem;
  _Alignas(max_align_t) uint8_t data[];
} heap_bytes;

void mst_owner_init(mst_owner *o, void (*release)(mst_owner *self)) {
  atomic_init(&o->refs, 1);
  o->release = release;
}

void mst_owner_ref(mst_owner *o) {
  const uint32_t before = atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
  mst_assert(before > 0 && before < UINT32_MAX);
  (void)before;
}

void mst_owner_unref(mst_owner *o) {
  if (o == NULL) return;
  if (atomic_fetch_sub_explicit(&o->refs, 1, memory_order_acq_rel) == 1) o->release(o);
}

void mst_bytes_release(mst_bytes *b) {
  if (b == NULL) return;
  mst_owner_unref(b->owner);
  *b = (mst_bytes){0};
}

mst_bytes mst_bytes_share(const mst_bytes *b) {
  if (b == NULL) return (mst_bytes){0};
  if (b->owner != NULL) mst_owner_ref(b->owner);
  return *b;
}

static void heap_release(mst_owner *self) {
  heap_bytes *h = (heap_bytes *)self;
  const mst_allocator mem = h->mem;
  mst_free(mem.resize == NULL ? NULL : &mem, h);
}

/* Large blocks begin at a cache line: the kernel and memcpy fill such memory several times faster than what malloc
 * gives, which lies 16 bytes behind a page. */
enum { LARGE = 4096, LINE = 64 };

static uint8_t *data_of(heap_bytes *h, size_t size) {
  return size < LARGE ? h->data : h->data + (LINE - (uintptr_t)h->data % LINE) % LINE;
}

mst_status mst_bytes_new(const mst_allocator *mem, size_t size, mst_bytes *out, uint8_t **writable, mst_error *err) {
  size_t total;
  heap_bytes *h;
  if (!mst_add_size(sizeof *h + (size < LARGE ? 0 : LINE), size, &total)) return mst_fail_memory(err);
  h = mst_alloc(mem, total);
  if (h == NULL) return mst_fail_memory(err);
  mst_owner_init(&h->owner, heap_release);
  h->mem = mem == NULL ? (mst_allocator){0} : *mem;
  mst_expect_whole(h, total);
  *writable = data_of(h, size);
  *out = (mst_bytes){.data = *writable, .size = size, .owner = h};
  return MST_OK;
}

mst_status mst_bytes_copy(const mst_allocator *mem, const void *data, size_t size, mst_bytes *out, mst_error *err) {
  uint8_t *writable = NULL;
  const mst_status status = mst_bytes_new(mem, size, out, &writable, err);
  if (status == MST_OK && size > 0) memcpy(writable, data, size);
  return status;
}

mst_bytes mst_bytes_part(const mst_bytes *b, size_t at, size_t n) {
  mst_bytes part;
  mst_assert(at <= b->size && n <= b->size - at);
  part = mst_bytes_share(b);
  part.data = b->data == NULL ? NULL : b->data + at;
  part.size = n;
  return part;
}

mst_bytes mst_bytes_borrow(const void *data, size_t size) { return (mst_bytes){.data = data, .size = size}; }
