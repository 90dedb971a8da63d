/* column/block.c - growable memory behind a header that counts references.
 *
 * A block comes from the allocator by itself, or is cut from a slab of its thread's pool. Owns: the header in front of
 * each block, the slabs of a pool. May call: base. */
#include "column/block.h"

#include <stdatomic.h>

typedef struct mst_slab {
  _Atomic uint32_t refs; /* the pool's while it is open, and one of each block */
  bool own_mem;
  mst_allocator mem;
  size_t size, at, present; /* of all, of what is cut, of what has pages */
} mst_slab;

/* 48 bytes, so that a block that malloc maps (16 bytes behind a page's start) gives data aligned to 64 bytes.
 * The allocator is copied because arrays may outlive the context that lent it. */
typedef struct block_head {
  mst_owner owner;
  union {
    mst_allocator mem;
    mst_slab *slab;
  };
  bool own_mem, in_slab;
} block_head;

_Static_assert(sizeof(block_head) == 48, "the header keeps data aligned");

enum {
  LINE = 64,
  SLAB_LEAST = 1 << 20,
  SLAB_MOST = 16 << 20,
  CUT_LEAST = 32 << 10 /* smaller blocks are malloc's */
};

/* What an empty block hands out: readable memory of no owner. */
static const uint64_t nothing[8];

static block_head *head_of(uint8_t *data) { return (block_head *)(void *)(data - sizeof(block_head)); }

/* ---- slabs --------------------------------------------------------------------------------------------------- */

static void unref_slab(mst_slab *s) {
  mst_allocator copy;
  if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) return;
  copy = s->mem;
  mst_free(s->own_mem ? &copy : NULL, s);
}

void mst_block_pool_close(mst_block_pool *pool) {
  if (pool->open != NULL) unref_slab(pool->open);
  pool->open = NULL;
}

static mst_status open_slab(mst_block_pool *pool, size_t least, mst_error *err) {
  mst_slab *s;
  size_t size = mst_max_size(mst_max_size(pool->next_size, SLAB_LEAST), least + 2 * LINE + sizeof *s);
  s = mst_alloc(pool->mem, size);
  if (s == NULL) return mst_fail_memory(err);
  mst_block_pool_close(pool);
  *s = (mst_slab){.size = size, .own_mem = pool->mem != NULL, .at = sizeof *s};
  atomic_init(&s->refs, 1);
  if (pool->mem != NULL) s->mem = *pool->mem;
  pool->open = s;
  pool->next_size = mst_min_size(2 * size, SLAB_MOST);
  return MST_OK;
}

/* Moves the end of what is cut, and makes pages present up to it. */
static void move_end(mst_block_pool *pool, mst_slab *s, size_t at) {
  s->at = at;
  if (at > s->present) s->present = mst_bring_in(s, s->size, s->present, at, &pool->slow);
}

/* Whether the block is the last that was cut from its pool's open slab. */
static bool is_last(const mst_block *b) {
  const mst_slab *s = b->pool != NULL ? b->pool->open : NULL;
  return s != NULL && head_of(b->data)->in_slab && head_of(b->data)->slab == s &&
         b->data + b->capacity == (const uint8_t *)s + s->at;
}

/* Memory for `capacity` bytes behind a header. */
static mst_status cut(mst_block *b, size_t capacity, uint8_t **out, size_t *got, mst_error *err) {
  mst_status status = MST_OK;
  mst_slab *s = b->pool->open;
  uintptr_t start;
  block_head *head;
  if (s == NULL || s->size - s->at < capacity + 2 * LINE) MST_TRY(open_slab(b->pool, capacity, err));
  s = b->pool->open;
  start = (uintptr_t)s + s->at + sizeof *head;
  start = (start + LINE - 1) / LINE * LINE;
  move_end(b->pool, s, start - (uintptr_t)s + capacity);
  *out = (uint8_t *)s + (start - (uintptr_t)s);
  *got = capacity;
  head = head_of(*out);
  head->in_slab = true;
  head->own_mem = false;
  head->slab = s;
  atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
done:
  return status;
}

/* ---- blocks -------------------------------------------------------------------------------------------------- */

static void release_block(mst_owner *self) {
  block_head *head = (block_head *)self;
  mst_allocator copy;
  if (head->in_slab) {
    unref_slab(head->slab);
    return;
  }
  copy = head->mem;
  mst_free(head->own_mem ? &copy : NULL, head);
}

void mst_block_init(mst_block *b, const mst_allocator *mem) { *b = (mst_block){.mem = mem}; }

static void drop(mst_block *b) {
  if (b->data == NULL) return;
  if (!head_of(b->data)->in_slab) {
    mst_free(b->mem, head_of(b->data));
    return;
  }
  if (is_last(b)) b->pool->open->at -= b->capacity + sizeof(block_head);
  unref_slab(head_of(b->data)->slab);
}

void mst_block_free(mst_block *b) {
  drop(b);
  *b = (mst_block){.mem = b->mem, .pool = b->pool};
}

/* Into a slab, or out of one. */
static mst_status move(mst_block *b, size_t capacity, mst_error *err) {
  mst_status status = MST_OK;
  mst_block fresh = *b;
  block_head *head;
  if (b->pool != NULL && capacity >= CUT_LEAST) {
    MST_TRY(cut(b, capacity, &fresh.data, &fresh.capacity, err));
  } else {
    MST_TRY_ALLOC(head = mst_alloc(b->mem, sizeof *head + capacity));
    head->in_slab = false;
    fresh.data = (uint8_t *)head + sizeof *head;
    fresh.capacity = capacity;
  }
  if (b->size > 0) memcpy(fresh.data, b->data, b->size);
  drop(b);
  *b = fresh;
done:
  return status;
}

/* A block of malloc's, resized. */
static mst_status resize(mst_block *b, size_t capacity, mst_error *err) {
  block_head *head = mst_resize(b->mem, b->data != NULL ? head_of(b->data) : NULL, sizeof *head + capacity);
  if (head == NULL) return mst_fail_memory(err);
  head->in_slab = false;
  b->data = (uint8_t *)head + sizeof *head;
  b->capacity = capacity;
  return MST_OK;
}

mst_status mst_block_grow(mst_block *b, size_t capacity, mst_error *err) {
  bool pooled = b->pool != NULL && capacity >= CUT_LEAST;
  if (capacity <= b->capacity && b->data != NULL) return MST_OK;
  if (capacity > SIZE_MAX / 2) return mst_fail_memory(err);
  if (!pooled && (b->data == NULL || !head_of(b->data)->in_slab)) return resize(b, capacity, err);
  if (b->data == NULL || !is_last(b) || capacity - b->capacity > b->pool->open->size - b->pool->open->at)
    return move(b, capacity, err);
  move_end(b->pool, b->pool->open, b->pool->open->at + capacity - b->capacity);
  b->capacity = capacity;
  return MST_OK;
}

mst_status mst_block_shrink(mst_block *b, mst_error *err) {
  if (b->data == NULL) return MST_OK;
  if (!head_of(b->data)->in_slab) return resize(b, b->size, err);
  mst_block_trim(b);
  return MST_OK;
}

void mst_block_trim(mst_block *b) {
  if (b->data == NULL || !is_last(b)) return;
  b->pool->open->at -= b->capacity - b->size;
  b->capacity = b->size;
}

void mst_block_take(mst_block *b, mst_bytes *out) {
  block_head *head;
  if (b->data == NULL) {
    *out = mst_bytes_borrow(nothing, 0);
    return;
  }
  mst_block_trim(b);
  head = head_of(b->data);
  mst_owner_init(&head->owner, release_block);
  if (!head->in_slab) {
    head->mem = b->mem != NULL ? *b->mem : (mst_allocator){0};
    head->own_mem = b->mem != NULL;
  }
  *out = (mst_bytes){.data = b->data, .size = b->size, .owner = head};
  *b = (mst_block){.mem = b->mem, .usual = b->size, .pool = b->pool};
}
