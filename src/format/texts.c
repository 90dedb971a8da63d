/* format/texts.c - see texts.h. */
#include "format/texts.h"

enum { REUSED_MAX = 16 << 20 };

void mst_texts_init(mst_texts *t, const mst_allocator *mem, bool large) {
  *t = (mst_texts){.large = large};
  mst_buf_init(&t->values, mem, SIZE_MAX / 4);
  mst_buf_init(&t->offsets, mem, SIZE_MAX / 4);
}

void mst_texts_free(mst_texts *t) {
  mst_buf_free(&t->values);
  mst_buf_free(&t->offsets);
}

static mst_status put_offset(mst_texts *t, size_t offset, mst_error *err) {
  /* Arrow's offsets are in the byte order of the machine. */
  const int64_t wide = (int64_t)offset;
  const int32_t narrow = (int32_t)offset;
  if (t->large) return mst_buf_put(&t->offsets, &wide, sizeof wide, err);
  if (offset > INT32_MAX) return mst_fail(err, MST_E_LIMIT, "a batch of texts is larger than 2 GiB");
  return mst_buf_put(&t->offsets, &narrow, sizeof narrow, err);
}

mst_status mst_texts_end(mst_texts *t, mst_error *err) {
  mst_status status = MST_OK;
  if (t->offsets.size == 0) MST_TRY(put_offset(t, 0, err));
  MST_TRY(put_offset(t, t->values.size, err));
  t->ended = t->values.size;
  t->n++;
done:
  return status;
}

mst_status mst_texts_room(mst_texts *t, size_t n, size_t size, mst_error *err) {
  mst_status status = MST_OK;
  if (!t->large && size > INT32_MAX - t->values.size)
    return mst_fail(err, MST_E_LIMIT, "a batch of texts is larger than 2 GiB");
  if (t->offsets.size == 0) MST_TRY(put_offset(t, 0, err));
  MST_TRY(mst_buf_reserve(&t->offsets, (n + 1) * (t->large ? sizeof(int64_t) : sizeof(int32_t)), err));
  MST_TRY(mst_buf_reserve(&t->values, size, err));
done:
  return status;
}

/* All valid but the first. */
static mst_status make_validity(const mst_allocator *mem, size_t n, mst_bytes *out, mst_error *err) {
  uint8_t *bits;
  const mst_status status = mst_bytes_new(mem, (n + 7) / 8, out, &bits, err);
  if (status != MST_OK) return status;
  memset(bits, 0xff, (n + 7) / 8);
  bits[0] = 0xfe;
  return MST_OK;
}

/* Where text i begins. */
static size_t offset_of(const mst_texts *t, size_t i) {
  int64_t wide = 0;
  int32_t narrow = 0;
  if (t->offsets.size == 0) return 0;
  if (t->large) memcpy(&wide, t->offsets.data + i * sizeof wide, sizeof wide);
  else memcpy(&narrow, t->offsets.data + i * sizeof narrow, sizeof narrow);
  return t->large ? (size_t)wide : (size_t)narrow;
}

/* The texts from n on, and the open one, as a column of their own with room for as much as is taken now: the next batch
 * will be about as large. */
static mst_status move_rest(const mst_texts *t, size_t n, mst_texts *rest, mst_error *err) {
  const size_t begin = offset_of(t, n), left = t->values.size - begin;
  mst_status status = MST_OK;
  MST_TRY(mst_buf_reserve(&rest->values, mst_max_size(left, mst_min_size(begin, REUSED_MAX)), err));
  if (left > 0) MST_TRY(mst_buf_put(&rest->values, t->values.data + begin, left, err));
  for (size_t i = n; i <= t->n; i++) MST_TRY(put_offset(rest, offset_of(t, i) - begin, err));
  rest->n = t->n - n;
  rest->ended = t->ended - begin;
done:
  return status;
}

mst_status mst_texts_take(mst_texts *t, size_t n, struct ArrowArray *out, mst_error *err) {
  mst_bytes buffers[3] = {{0}};
  mst_array_parts parts = {.length = (int64_t)n, .buffers = buffers, .n_buffers = 3};
  const mst_allocator *mem = t->values.mem;
  mst_status status = MST_OK;
  mst_texts rest;
  mst_texts_init(&rest, mem, t->large);
  if (t->offsets.size == 0) MST_TRY(put_offset(t, 0, err));
  MST_TRY(move_rest(t, n, &rest, err));
  if (t->first_null && n > 0) {
    MST_TRY(make_validity(mem, n, &buffers[0], err));
    parts.null_count = 1;
  }
  t->values.size = offset_of(t, n);
  t->offsets.size = (n + 1) * (t->large ? sizeof(int64_t) : sizeof(int32_t));
  MST_TRY(mst_buf_take(&t->offsets, &buffers[1], err));
  MST_TRY(mst_buf_take(&t->values, &buffers[2], err));
  mst_texts_free(t);
  *t = rest;
  return mst_array_make(mem, &parts, out, err);
done:
  for (size_t i = 0; i < 3; i++) mst_bytes_release(&buffers[i]);
  mst_texts_free(&rest);
  return status;
}

mst_status mst_texts_batch(const mst_allocator *mem, size_t rows, struct ArrowArray *columns, size_t n,
                           struct ArrowArray *out, mst_error *err) {
  mst_bytes none = {0};
  const mst_array_parts parts = {
      .length = (int64_t)rows, .buffers = &none, .n_buffers = 1, .children = columns, .n_children = n};
  return mst_array_make(mem, &parts, out, err);
}

static bool is_blank(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

mst_title mst_title_of(const uint8_t *text, size_t n) {
  mst_title t;
  while (n > 0 && is_blank(text[n - 1])) n--;
  while (n > 0 && is_blank(*text)) {
    text++;
    n--;
  }
  t.name = text;
  while (n > 0 && !is_blank(*text)) {
    text++;
    n--;
  }
  t.name_size = (size_t)(text - t.name);
  while (n > 0 && is_blank(*text)) {
    text++;
    n--;
  }
  t.rest = text;
  t.rest_size = n;
  return t;
}
