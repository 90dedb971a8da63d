/* format/texts.h - a column of texts that grows by pieces of its last text, and becomes an Arrow array without a copy.
 * For the formats whose rows come in at gigabytes a second or are themselves gigabytes long.
 *
 * Owns: its two buffers until they are taken. May call: base, column. */
#ifndef MST_FORMAT_TEXTS_H
#define MST_FORMAT_TEXTS_H

#include "base/base.h"
#include "column/column.h"

/* Arrow format "U" (64-bit offsets) when `large`, else "u". Behind `ended` bytes the text lies that has not ended yet.
 */
typedef struct mst_texts {
  mst_buf values, offsets;
  size_t n, ended;
  bool large, first_null; /* first_null: the first text is not known */
} mst_texts;

void mst_texts_init(mst_texts *t, const mst_allocator *mem, bool large);
void mst_texts_free(mst_texts *t);
static inline mst_status mst_texts_put(mst_texts *t, const void *data, size_t n, mst_error *err) {
  return mst_buf_put(&t->values, data, n, err);
}
static inline size_t mst_texts_open(const mst_texts *t) { return t->values.size - t->ended; }
/* Ends the text that was put. MST_E_LIMIT when 32-bit offsets do not reach it. */
mst_status mst_texts_end(mst_texts *t, mst_error *err);
/* Room for `n` more texts of `size` bytes together; then mst_texts_add adds whole texts within that room. */
mst_status mst_texts_room(mst_texts *t, size_t n, size_t size, mst_error *err);
static inline void mst_texts_add(mst_texts *t, const void *data, size_t n) {
  mst_assert(t->values.capacity - t->values.size >= n && t->offsets.capacity - t->offsets.size >= sizeof(int64_t));
  memcpy(t->values.data + t->values.size, data, n);
  t->values.size += n;
  t->ended = t->values.size;
  t->n++;
  if (t->large) {
    const int64_t end = (int64_t)t->ended;
    memcpy(t->offsets.data + t->offsets.size, &end, sizeof end);
    t->offsets.size += sizeof end;
  } else {
    const int32_t end = (int32_t)t->ended;
    memcpy(t->offsets.data + t->offsets.size, &end, sizeof end);
    t->offsets.size += sizeof end;
  }
}
/* The first n of the texts that have ended; the others and the open one stay. */
mst_status mst_texts_take(mst_texts *t, size_t n, struct ArrowArray *out, mst_error *err);

/* A record batch of such columns and others; takes `columns` over, also on failure. */
mst_status mst_texts_batch(const mst_allocator *mem, size_t rows, struct ArrowArray *columns, size_t n,
                           struct ArrowArray *out, mst_error *err);

/* The two parts of a title: what stands in front of the first blank, and what stands behind the blanks there.
 * Leading blanks do not count, nor do trailing ones. */
typedef struct mst_title {
  const uint8_t *name, *rest;
  size_t name_size, rest_size;
} mst_title;
mst_title mst_title_of(const uint8_t *text, size_t n);

#endif
