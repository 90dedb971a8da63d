/* column/block.h - growable memory that becomes an array's buffer without a copy.
 *
 * Owns: its memory until mst_block_take hands it over. May call: base. */
#ifndef MST_COLUMN_BLOCK_H
#define MST_COLUMN_BLOCK_H

#include "base/base.h"

/* Where blocks of one thread come from when they are large and many: slabs whose pages are made present ahead of the
 * writing. A slab lives until the last block in it is released, on whatever thread. Zero-initialise with `mem`. */
typedef struct mst_block_pool {
  const mst_allocator *mem;
  struct mst_slab *open; /* the slab that blocks are cut from */
  size_t next_size;      /* slabs double, so that little data takes little memory */
  unsigned slow;         /* for mst_bring_in */
} mst_block_pool;

void mst_block_pool_close(mst_block_pool *pool);

/* Aligned to 16 bytes, and to 64 where it is large. Bytes between size and capacity are unset. */
typedef struct mst_block {
  uint8_t *data;
  size_t size;
  size_t capacity;
  size_t usual; /* size of the last block that was taken: what an empty one begins with */
  const mst_allocator *mem;
  mst_block_pool *pool; /* of the thread that fills it; may be set at any time; NULL: none */
} mst_block;

void mst_block_init(mst_block *b, const mst_allocator *mem);
void mst_block_free(mst_block *b); /* leaves an empty, usable block */
/* Capacity of at least `capacity` bytes, exactly that when the block was empty. */
mst_status mst_block_grow(mst_block *b, size_t capacity, mst_error *err);
/* Gives back what lies behind `size`. */
mst_status mst_block_shrink(mst_block *b, mst_error *err);
/* Gives back what lies behind `size` where that costs nothing: in the slab from which the next block will be cut. */
void mst_block_trim(mst_block *b);
/* Moves the memory into refcounted bytes and leaves `b` empty; an empty block gives valid bytes of size 0. */
void mst_block_take(mst_block *b, mst_bytes *out);

/* Room for `extra` bytes behind `size`; `data` is not NULL afterwards. */
static inline mst_status mst_block_reserve(mst_block *b, size_t extra, mst_error *err) {
  if (b->capacity - b->size >= extra && b->data != NULL) return MST_OK;
  if (extra > SIZE_MAX / 4 - b->size) return mst_fail_memory(err);
  if (b->data == NULL && extra < b->usual) return mst_block_grow(b, b->usual + b->usual / 16, err);
  return mst_block_grow(b, mst_max_size(b->size + extra, b->capacity + b->capacity / 2 + 64), err);
}

static inline mst_status mst_block_put(mst_block *b, const void *data, size_t n, mst_error *err) {
  mst_status status = mst_block_reserve(b, n, err);
  if (status != MST_OK) return status;
  if (n > 0) memcpy(b->data + b->size, data, n);
  b->size += n;
  return MST_OK;
}

static inline mst_status mst_block_put_zero(mst_block *b, size_t n, mst_error *err) {
  mst_status status = mst_block_reserve(b, n, err);
  if (status != MST_OK) return status;
  if (n > 0) memset(b->data + b->size, 0, n);
  b->size += n;
  return MST_OK;
}

#endif
