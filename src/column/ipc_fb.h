/* column/ipc_fb.h - the flatbuffers that Arrow IPC messages are written as, read where they lie. Bytes are hostile:
 * every offset is checked. Private to ipc_in.c and ipc_batches.c. */
#ifndef MST_COLUMN_IPC_FB_H
#define MST_COLUMN_IPC_FB_H

#include "base/base.h"

typedef struct fb {
  const uint8_t *data;
  size_t size;
  size_t fields_left; /* more fields, or more text, than the bytes can honestly hold are refused */
  size_t text_left;
  mst_allocator const *mem;
  mst_error *err;
} fb;

typedef struct fb_table {
  size_t at, vtable;
  uint16_t vtable_size, size;
} fb_table;

static inline mst_status fb_broken(const fb *b, const char *what) {
  return mst_fail(b->err, MST_E_CORRUPT, "broken Arrow message of %zu bytes: %s", b->size, what);
}

static inline bool inside(const fb *b, size_t at, size_t n) { return at <= b->size && n <= b->size - at; }

static inline bool fb_table_at(const fb *b, size_t at, fb_table *out) {
  int64_t vtable;
  if (!inside(b, at, 4)) return false;
  vtable = (int64_t)at - (int32_t)mst_le32(b->data + at);
  if (vtable < 0 || !inside(b, (size_t)vtable, 4)) return false;
  *out = (fb_table){at, (size_t)vtable, mst_le16(b->data + vtable), mst_le16(b->data + vtable + 2)};
  return out->vtable_size >= 4 && inside(b, out->vtable, out->vtable_size) && inside(b, at, out->size);
}

/* Where field `i` of `size` bytes lies; 0 when the table does not have it. */
static inline size_t fb_field(const fb *b, const fb_table *t, unsigned i, size_t size) {
  size_t slot = 4 + 2 * (size_t)i, offset;
  if (slot + 2 > t->vtable_size) return 0;
  offset = mst_le16(b->data + t->vtable + slot);
  return offset != 0 && offset + size <= t->size ? t->at + offset : 0;
}

/* What the offset in field `i` points to; 0 when absent or outside. */
static inline size_t fb_follow(const fb *b, size_t at) {
  size_t to;
  if (at == 0 || !inside(b, at, 4)) return 0;
  return mst_add_size(at, mst_le32(b->data + at), &to) && inside(b, to, 4) ? to : 0;
}

static inline int64_t fb_number(const fb *b, const fb_table *t, unsigned i, size_t size, int64_t otherwise) {
  size_t at = fb_field(b, t, i, size);
  if (at == 0) return otherwise;
  switch (size) {
  case 1: return b->data[at];
  case 2: return (int16_t)mst_le16(b->data + at);
  case 4: return (int32_t)mst_le32(b->data + at);
  default: return (int64_t)mst_le64(b->data + at);
  }
}

static inline bool fb_subtable(const fb *b, const fb_table *t, unsigned i, fb_table *out) {
  size_t at = fb_follow(b, fb_field(b, t, i, 4));
  return at != 0 && fb_table_at(b, at, out);
}

/* A vector of elements of `size` bytes: where they begin. false when it is broken; absent is empty. */
static inline bool fb_vector(const fb *b, const fb_table *t, unsigned i, size_t size, size_t *at, size_t *n) {
  size_t field = fb_field(b, t, i, 4), start = fb_follow(b, field);
  *n = 0;
  *at = 0;
  if (field == 0) return true;
  if (start == 0) return false;
  *n = mst_le32(b->data + start);
  *at = start + 4;
  return *n <= (b->size - *at) / size;
}

#endif
