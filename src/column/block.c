/* column/block.c - growable memory behind a header that counts references.
 *
 * Owns: the header in front of each block. May call: base. */
#include "column/block.h"

/* 48 bytes, so that a block that malloc maps (16 bytes behind a page's start) gives data aligned to 64 bytes.
 * The allocator is copied because arrays may outlive the context that lent it. */
typedef struct block_head {
  mst_owner owner;
  mst_allocator mem;
  bool own_mem;
} block_head;

_Static_assert(sizeof(block_head) == 48, "the header keeps data aligned");

/* What an empty block hands out: readable memory of no owner. */
static const uint64_t nothing[8];

static block_head *head_of(uint8_t *data) { return (block_head *)(void *)(data - sizeof(block_head)); }

static void release_block(mst_owner *self) {
  block_head *head = (block_head *)self;
  mst_allocator copy = head->mem;
  mst_free(head->own_mem ? &copy : NULL, head);
}

void mst_block_init(mst_block *b, const mst_allocator *mem) { *b = (mst_block){.mem = mem}; }

void mst_block_free(mst_block *b) {
  if (b->data != NULL) mst_free(b->mem, head_of(b->data));
  mst_block_init(b, b->mem);
}

mst_status mst_block_grow(mst_block *b, size_t capacity, mst_error *err) {
  block_head *head;
  if (capacity <= b->capacity && b->data != NULL) return MST_OK;
  if (capacity > SIZE_MAX / 2) return mst_fail_memory(err);
  head = mst_resize(b->mem, b->data != NULL ? head_of(b->data) : NULL, sizeof *head + capacity);
  if (head == NULL) return mst_fail_memory(err);
  b->data = (uint8_t *)head + sizeof *head;
  b->capacity = capacity;
  return MST_OK;
}

mst_status mst_block_shrink(mst_block *b, mst_error *err) {
  block_head *head;
  if (b->data == NULL) return MST_OK;
  head = mst_resize(b->mem, head_of(b->data), sizeof *head + b->size);
  if (head == NULL) return mst_fail_memory(err);
  b->data = (uint8_t *)head + sizeof *head;
  b->capacity = b->size;
  return MST_OK;
}

void mst_block_take(mst_block *b, mst_bytes *out) {
  block_head *head;
  if (b->data == NULL) {
    *out = mst_bytes_borrow(nothing, 0);
    return;
  }
  head = head_of(b->data);
  mst_owner_init(&head->owner, release_block);
  head->mem = b->mem != NULL ? *b->mem : (mst_allocator){0};
  head->own_mem = b->mem != NULL;
  *out = (mst_bytes){.data = b->data, .size = b->size, .owner = head};
  *b = (mst_block){.mem = b->mem, .usual = b->size};
}
