/* base/buf.c - the growable buffer and the cursor. A buffer owns its memory until mst_buf_take moves it into refcounted
 * bytes. Calls base/alloc.h, base/error.h, base/owner.h. */
#include "base/buf.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/owner.h"

enum { CAPACITY_FIRST = 64, SLACK_KEPT = 4096 };

void mst_buf_init(mst_buf *b, const mst_allocator *mem, size_t limit) { *b = (mst_buf){.mem = mem, .limit = limit}; }

void mst_buf_free(mst_buf *b) {
  if (b == NULL) return;
  mst_free(b->mem, b->data);
  mst_buf_init(b, b->mem, b->limit);
}

void mst_buf_clear(mst_buf *b) {
  b->size = 0;
  if (b->data != NULL) b->data[0] = '\0';
}

mst_status mst_buf_reserve(mst_buf *b, size_t extra, mst_error *err) {
  size_t need, capacity, block;
  uint8_t *data;
  if (b->data != NULL && extra <= b->capacity - b->size) return MST_OK;
  if (!mst_add_size(b->size, extra, &need) || need > b->limit)
    return mst_fail(err, MST_E_LIMIT, "a buffer of %zu bytes would grow by %zu, beyond its limit of %zu bytes", b->size,
                    extra, b->limit);
  /* Growing by half as much again keeps appending linear and wastes less than doubling; the limit caps the last step.
   */
  capacity = mst_max_size(need, b->capacity / 2 + b->capacity);
  capacity = mst_min_size(mst_max_size(capacity, CAPACITY_FIRST), b->limit);
  if (!mst_add_size(capacity, 1, &block)) return mst_fail_memory(err);
  data = mst_resize(b->mem, b->data, block);
  if (data == NULL) return mst_fail_memory(err);
  b->data = data;
  b->capacity = capacity;
  b->data[b->size] = '\0';
  return MST_OK;
}

mst_status mst_buf_put(mst_buf *b, const void *data, size_t n, mst_error *err) {
  const mst_status status = mst_buf_reserve(b, n, err);
  if (status != MST_OK) return status;
  if (n > 0) memcpy(b->data + b->size, data, n);
  b->size += n;
  b->data[b->size] = '\0';
  return MST_OK;
}

mst_status mst_buf_put_text(mst_buf *b, const char *text, mst_error *err) {
  return mst_buf_put(b, text, strlen(text), err);
}

mst_status mst_buf_put_byte(mst_buf *b, uint8_t byte, mst_error *err) { return mst_buf_put(b, &byte, 1, err); }

mst_status mst_buf_put_u32(mst_buf *b, uint32_t v, mst_error *err) {
  uint8_t bytes[4];
  mst_put_le32(bytes, v);
  return mst_buf_put(b, bytes, sizeof bytes, err);
}

mst_status mst_buf_put_u64(mst_buf *b, uint64_t v, mst_error *err) {
  uint8_t bytes[8];
  mst_put_le64(bytes, v);
  return mst_buf_put(b, bytes, sizeof bytes, err);
}

mst_status mst_buf_printf(mst_buf *b, mst_error *err, const char *format, ...) {
  mst_status status;
  va_list args;
  int n;
  va_start(args, format);
  n = vsnprintf(NULL, 0, format, args);
  va_end(args);
  if (n < 0) return mst_fail(err, MST_E_INTERNAL, "a text could not be formatted");
  status = mst_buf_reserve(b, (size_t)n, err);
  if (status != MST_OK) return status;
  va_start(args, format);
  vsnprintf((char *)b->data + b->size, (size_t)n + 1, format, args);
  va_end(args);
  b->size += (size_t)n;
  return MST_OK;
}

const char *mst_buf_text(const mst_buf *b) { return b->data == NULL ? "" : (const char *)b->data; }

typedef struct taken_block {
  mst_owner owner;
  mst_allocator mem;
  uint8_t *data;
} taken_block;

static void taken_release(mst_owner *self) {
  taken_block *t = (taken_block *)self;
  const mst_allocator copy = t->mem, *mem = copy.resize == NULL ? NULL : &copy;
  mst_free(mem, t->data);
  mst_free(mem, t);
}

mst_status mst_buf_take(mst_buf *b, mst_bytes *out, mst_error *err) {
  taken_block *t;
  if (b->data == NULL) {
    *out = (mst_bytes){0};
    return MST_OK;
  }
  t = mst_alloc(b->mem, sizeof *t);
  if (t == NULL) return mst_fail_memory(err);
  /* Bytes may live long: give back what growing left unused, unless that is too little to be worth a move. */
  if (b->capacity - b->size > SLACK_KEPT && b->capacity - b->size > b->size / 4) {
    uint8_t *less = mst_resize(b->mem, b->data, b->size + 1);
    if (less != NULL) b->data = less;
  }
  mst_owner_init(&t->owner, taken_release);
  t->mem = b->mem == NULL ? (mst_allocator){0} : *b->mem;
  t->data = b->data;
  *out = (mst_bytes){.data = b->data, .size = b->size, .owner = t};
  mst_buf_init(b, b->mem, b->limit);
  return MST_OK;
}

mst_cursor mst_cursor_over(const void *data, size_t size) { return (mst_cursor){.data = data, .size = size}; }

size_t mst_cursor_left(const mst_cursor *c) { return c->failed ? 0 : c->size - c->at; }

const uint8_t *mst_cursor_take(mst_cursor *c, size_t n) {
  const uint8_t *at;
  if (c->failed || n > c->size - c->at) {
    c->failed = true;
    return NULL;
  }
  /* Taking nothing from nothing is no failure, so it must not look like one. */
  at = c->data == NULL ? (const uint8_t *)"" : c->data + c->at;
  c->at += n;
  return at;
}

uint8_t mst_cursor_u8(mst_cursor *c) {
  const uint8_t *p = mst_cursor_take(c, 1);
  return p == NULL ? 0 : *p;
}

uint16_t mst_cursor_u16(mst_cursor *c) {
  const uint8_t *p = mst_cursor_take(c, 2);
  return p == NULL ? 0 : mst_le16(p);
}

uint32_t mst_cursor_u32(mst_cursor *c) {
  const uint8_t *p = mst_cursor_take(c, 4);
  return p == NULL ? 0 : mst_le32(p);
}

uint64_t mst_cursor_u64(mst_cursor *c) {
  const uint8_t *p = mst_cursor_take(c, 8);
  return p == NULL ? 0 : mst_le64(p);
}
