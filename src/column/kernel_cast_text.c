/* column/kernel_cast_text.c - texts and bytes in another layout; numbers and times as text.
 *
 * Owns: nothing. May call: base. */
#include "column/cast.h"

static bool is_bytes(const mst_type *t) {
  return t->kind == MST_KIND_TEXT || t->kind == MST_KIND_BYTES || t->kind == MST_KIND_FIXED_BYTES;
}

bool mst_cast_knows_texts(const mst_type *from, const mst_type *to) {
  if (is_bytes(from)) return is_bytes(to);
  if (to->kind != MST_KIND_TEXT) return false;
  return from->kind <= MST_KIND_DURATION && from->kind != MST_KIND_NULL;
}

typedef struct text_out {
  const casting *c;
  mst_block values; /* offsets, views or fixed-size bytes */
  mst_block data;
  mst_buf line; /* a value that had to be written */
} text_out;

static mst_status put_end(text_out *o) {
  const int64_t wide = (int64_t)o->data.size;
  const int32_t narrow = (int32_t)wide;
  if (o->c->to.layout == MST_LAYOUT_OFFSETS64) return mst_block_put(&o->values, &wide, 8, o->c->err);
  if (wide > INT32_MAX)
    return mst_fail(o->c->err, MST_E_LIMIT, "column \"%.80s\" outgrows 32-bit offsets in one array",
                    o->c->from_schema->name != NULL ? o->c->from_schema->name : "");
  return mst_block_put(&o->values, &narrow, 4, o->c->err);
}

static mst_status put_view(text_out *o, const uint8_t *p, size_t n) {
  mst_status status = MST_OK;
  uint8_t view[16];
  if (n > 12 && (n > INT32_MAX || o->data.size > INT32_MAX - n))
    return mst_fail(o->c->err, MST_E_LIMIT, "column \"%.80s\" outgrows a view buffer in one array",
                    o->c->from_schema->name != NULL ? o->c->from_schema->name : "");
  mst_view_put(view, p, n, 0, (uint32_t)o->data.size);
  MST_TRY(mst_block_put(&o->values, view, sizeof view, o->c->err));
  if (n > 12) MST_TRY(mst_block_put(&o->data, p, n, o->c->err));
done:
  return status;
}

/* One value; p == NULL: null. */
static mst_status put_value(text_out *o, int64_t row, const uint8_t *p, size_t n) {
  const mst_type *to = &o->c->to;
  mst_status status = MST_OK;
  if (p != NULL && to->kind == MST_KIND_TEXT && o->c->from.kind != MST_KIND_TEXT && !mst_scan_best()->utf8(p, n))
    return mst_cast_misfit(o->c, row, "is no UTF-8");
  switch (to->layout) {
  case MST_LAYOUT_VIEWS: return put_view(o, p, n);
  case MST_LAYOUT_FIXED:
    if (p == NULL) return mst_block_put_zero(&o->values, to->width, o->c->err);
    if (n != to->width) return mst_cast_misfit(o->c, row, "is of another size");
    return mst_block_put(&o->values, p, n, o->c->err);
  default:
    if (n > 0) MST_TRY(mst_block_put(&o->data, p, n, o->c->err));
    status = put_end(o);
  }
done:
  return status;
}

/* As JSON Lines and CSV show it, which are one for numbers and times. */
static mst_status write_value(text_out *o, int64_t row, const uint8_t **p, size_t *n) {
  const casting *c = o->c;
  mst_status status = MST_OK;
  struct ArrowSchema *field = (struct ArrowSchema *)(uintptr_t)c->from_schema;
  struct ArrowArray *column = (struct ArrowArray *)(uintptr_t)c->array;
  const struct ArrowSchema top = {.format = "+s", .name = "", .n_children = 1, .children = &field};
  const struct ArrowArray batch = {.length = c->array->length, .n_children = 1, .children = &column};
  mst_buf_clear(&o->line);
  MST_TRY(mst_csv_put_rows(&top, &batch, row, 1, &o->line, c->err));
  *p = o->line.data;
  *n = o->line.size - 1; /* without the line's end */
done:
  return status;
}

static mst_status read_value(text_out *o, int64_t row, const uint8_t **p, size_t *n) {
  static const uint8_t none[1];
  const casting *c = o->c;
  const int64_t at = c->array->offset + row;
  if (!is_bytes(&c->from)) return write_value(o, row, p, n);
  if (c->from.layout == MST_LAYOUT_FIXED) {
    *n = c->from.width;
    *p = *n > 0 ? (const uint8_t *)c->array->buffers[1] + (size_t)at * *n : none;
  } else {
    *p = mst_array_text(&c->from, c->array, at, n);
    if (*p == NULL) *p = none;
  }
  return MST_OK;
}

static int64_t offset_of(const casting *c, int64_t i) {
  const int64_t at = c->array->offset + i;
  return c->from.layout == MST_LAYOUT_OFFSETS64 ? ((const int64_t *)c->array->buffers[1])[at]
                                                : ((const int32_t *)c->array->buffers[1])[at];
}

static bool has_offsets(const mst_type *t) {
  return t->layout == MST_LAYOUT_OFFSETS32 || t->layout == MST_LAYOUT_OFFSETS64;
}

/* Offsets of another width over the same bytes. */
static mst_status fill_offsets(text_out *o) {
  mst_status status = MST_OK;
  const casting *c = o->c;
  const bool wide = c->to.layout == MST_LAYOUT_OFFSETS64;
  const size_t n = (size_t)c->array->length, size = (n + 1) * (wide ? 8 : 4);
  const int64_t first = n > 0 ? offset_of(c, 0) : 0, end = n > 0 ? offset_of(c, (int64_t)n) : 0;
  MST_TRY(mst_block_grow(&o->values, size, c->err));
  if (end > first)
    MST_TRY(mst_block_put(&o->data, (const uint8_t *)c->array->buffers[2] + first, (size_t)(end - first), c->err));
  if (!wide && end - first > INT32_MAX) return put_end(o); /* which says that it is too much */
  o->values.size = size;
  memset(o->values.data, 0, wide ? 8 : 4);
  for (size_t i = 1; i <= n; i++) {
    const int64_t at = offset_of(c, (int64_t)i) - first;
    if (wide) ((int64_t *)(void *)o->values.data)[i] = at;
    else ((int32_t *)(void *)o->values.data)[i] = (int32_t)at;
  }
done:
  return status;
}

static mst_status fill(text_out *o) {
  mst_status status = MST_OK;
  const casting *c = o->c;
  if (c->to.layout == MST_LAYOUT_OFFSETS32 || c->to.layout == MST_LAYOUT_OFFSETS64) MST_TRY(put_end(o));
  for (int64_t i = 0; i < c->array->length; i++) {
    const uint8_t *p = NULL;
    size_t n = 0;
    if (mst_cast_row_valid(c, i)) MST_TRY(read_value(o, i, &p, &n));
    MST_TRY(put_value(o, i, p, n));
  }
done:
  return status;
}

mst_status mst_cast_texts(const casting *c, struct ArrowArray *out) {
  mst_status status = MST_OK;
  mst_block valid, sizes;
  mst_bytes buffers[4] = {{0}};
  mst_array_parts parts = {
      .length = c->array->length, .buffers = buffers, .n_buffers = (size_t)mst_type_buffers(&c->to)};
  text_out o = {.c = c};
  int64_t size;
  mst_block_init(&valid, c->mem);
  mst_block_init(&sizes, c->mem);
  mst_block_init(&o.values, c->mem);
  mst_block_init(&o.data, c->mem);
  mst_buf_init(&o.line, c->mem, 1 << 20);
  MST_TRY(mst_cast_valid(c, &valid, &parts.null_count));
  if (has_offsets(&c->from) && has_offsets(&c->to) && (c->from.kind == MST_KIND_TEXT || c->to.kind == MST_KIND_BYTES))
    MST_TRY(fill_offsets(&o));
  else MST_TRY(fill(&o));
  if (c->to.layout == MST_LAYOUT_VIEWS) {
    size = (int64_t)o.data.size;
    MST_TRY(mst_block_put(&sizes, &size, 8, c->err));
    mst_block_take(&sizes, &buffers[3]);
    parts.n_buffers = 4;
  }
  if (parts.null_count > 0) mst_block_take(&valid, &buffers[0]);
  mst_block_take(&o.values, &buffers[1]);
  if (parts.n_buffers > 2) mst_block_take(&o.data, &buffers[2]);
  status = mst_array_make(c->mem, &parts, out, c->err);
done:
  mst_block_free(&valid);
  mst_block_free(&sizes);
  mst_block_free(&o.values);
  mst_block_free(&o.data);
  mst_buf_free(&o.line);
  return status;
}
