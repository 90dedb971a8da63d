/* parquet/bounds.c - statistics are believed only where writer, order and value leave no doubt.
 *
 * Owns: nothing. May call: base, column, expr. */
#include "parquet/bounds.h"

#include "parquet/convert.h"

bool mst_pq_bounded_any(const mst_pq_field *field, uint32_t leaf, mst_pq_bounded *out) {
  *out = (mst_pq_bounded){.field = field, .leaf = leaf, .any_writer = true};
  return field->n_children == 0 && mst_type_parse(field->format, &out->type, NULL) == MST_OK;
}

bool mst_pq_bounded_of(const mst_parquet_file *f, const mst_pq_field *field, uint32_t leaf, mst_pq_bounded *out) {
  if (field->n_children > 0 || f->nodes[f->leaves[leaf]].rep > 0) return false;
  *out = (mst_pq_bounded){.field = field, .leaf = leaf};
  return mst_type_parse(field->format, &out->type, NULL) == MST_OK;
}

/* ---- trust --------------------------------------------------------------------------------------------------- */

/* Whether the file was written by `name` in a version before `major`. */
static bool is_older(const char *created_by, const char *name, int major) {
  size_t n = strlen(name);
  const char *digits;
  int version = 0;
  if (strncmp(created_by, name, n) != 0) return false;
  digits = strstr(created_by + n, "version ");
  if (digits == NULL) return true;
  for (digits += 8; *digits >= '0' && *digits <= '9' && version < 1000; digits++)
    version = 10 * version + (*digits - '0');
  return version < major;
}

/* Parquet.Net took local times for UTC when it made statistics. */
static bool is_writer_wrong(const mst_parquet_file *f) { return is_older(f->created_by, "Parquet.Net", 5); }

/* Columns that were dictionary-encoded in memory had the statistics of the dictionary, or of its first part. */
static bool is_dictionary_wrong(const mst_parquet_file *f, const mst_pq_bounded *b) {
  return b->field->index_format != NULL &&
         (is_older(f->created_by, "parquet-cpp-arrow", 12) || strncmp(f->created_by, "Arrow2", 6) == 0 ||
          mst_text_equal(f->created_by, "Polars"));
}

static bool is_wrong(const mst_parquet_file *f, const mst_pq_bounded *b) {
  return (!b->any_writer && is_writer_wrong(f)) || is_dictionary_wrong(f, b);
}

/* Whether the file says that min and max of this column are ordered as we know it. */
static bool has_order(const mst_parquet_file *f, uint32_t leaf) {
  if (f->orders == NULL) return false;
  return f->orders[leaf] == MST_PQ_ORDER_BY_TYPE || f->orders[leaf] == MST_PQ_ORDER_IEEE754;
}

static mst_pq_order order_of(const mst_parquet_file *f, uint32_t leaf) {
  const mst_pq_node *n = &f->nodes[f->leaves[leaf]];
  return mst_pq_order_of(n->physical, &n->annotation);
}

/* ---- values -------------------------------------------------------------------------------------------------- */

bool mst_pq_bound_scalar(const mst_parquet_file *f, const mst_pq_bounded *b, const uint8_t *data, size_t n,
                         mst_scalar *out) {
  const mst_pq_node *node = &f->nodes[f->leaves[b->leaf]];
  const mst_pq_field *field = b->field;
  uint64_t room[8] = {0};
  uint32_t stored = mst_pq_width(node->physical, node->type_length);
  switch (field->conv) {
  case MST_PQ_CONV_BYTES: *out = mst_scalar_bytes(data, n); return true;
  case MST_PQ_CONV_BITS:
    if (n != 1 || data[0] > 1) return false;
    *out = mst_scalar_int(data[0]);
    return true;
  case MST_PQ_CONV_BIG_BYTES:
    if (field->width > sizeof room || !mst_pq_convert_big(data, n, (uint8_t *)room, field->width)) return false;
    *out = mst_scalar_load(&b->type, room);
    return true;
  case MST_PQ_CONV_INT96:
  case MST_PQ_CONV_NOTHING: return false;
  default: break;
  }
  if (n != stored || stored == 0) return false;
  if (mst_type_scalar(&b->type) == MST_SCALAR_BYTES) {
    *out = mst_scalar_bytes(data, n);
    return field->conv == MST_PQ_CONV_SAME;
  }
  if (field->width > sizeof room || stored > sizeof room) return false;
  if (!mst_pq_convert(field->conv, data, stored, 1, (uint8_t *)room, field->width)) return false;
  *out = mst_scalar_load(&b->type, room);
  return true;
}

static bool is_nan(const mst_scalar *s) { return s->kind == MST_SCALAR_DOUBLE && s->as.f != s->as.f; }

static bool take_bound(const mst_parquet_file *f, const mst_pq_bounded *b, const uint8_t *data, size_t n, bool cut,
                       mst_scalar *out) {
  mst_pq_order order = order_of(f, b->leaf);
  /* A bound that was cut still bounds byte strings; of numbers nothing is left. */
  if (order == MST_PQ_ORDER_NONE || !mst_type_is_ordered(&b->type) || (cut && order != MST_PQ_ORDER_BYTES))
    return false;
  return mst_pq_bound_scalar(f, b, data, n, out) && !is_nan(out);
}

static bool is_float(const mst_type *type) {
  return type->kind == MST_KIND_HALF || type->kind == MST_KIND_FLOAT || type->kind == MST_KIND_DOUBLE;
}

static void set_counts(const mst_parquet_file *f, const mst_pq_bounded *b, int64_t nulls, int64_t nans, uint64_t rows,
                       mst_bounds *out) {
  const mst_pq_node *node = &f->nodes[f->leaves[b->leaf]];
  bool required = node->def == 0;
  /* Writers do not agree on whether a null struct makes its fields null. */
  out->has_nulls = required || (node->def == 1 && node->rep == 0 && nulls >= 0 && (uint64_t)nulls <= rows);
  out->nulls = required || nulls < 0 ? 0 : (uint64_t)nulls;
  out->nan_free = !is_float(&b->type) || nans == 0;
}

void mst_pq_chunk_bounds_get(const mst_parquet_file *f, size_t group, const mst_pq_bounded *b, mst_bounds *out) {
  const mst_pq_chunk *c = &f->groups[group].chunks[b->leaf];
  const uint8_t *base = f->footer;
  uint32_t least = MST_PQ_CHUNK_MIN | MST_PQ_CHUNK_OLD_MIN, most = MST_PQ_CHUNK_MAX | MST_PQ_CHUNK_OLD_MAX;
  *out = (mst_bounds){0};
  if ((c->flags & MST_PQ_CHUNK_META) == 0 || is_wrong(f, b)) return;
  set_counts(f, b, c->nulls, c->nans, (uint64_t)f->groups[group].rows, out);
  if (f->orders != NULL && !has_order(f, b->leaf)) return;
  /* Without a word on the order, and in the deprecated fields, values were compared as signed ones. */
  if (!mst_pq_order_is_signed(order_of(f, b->leaf))) {
    if (f->orders == NULL) return;
    least = MST_PQ_CHUNK_MIN;
    most = MST_PQ_CHUNK_MAX;
  }
  if ((c->flags & least) != 0)
    out->has_min = take_bound(f, b, base + c->min.at, c->min.size, (c->flags & MST_PQ_CHUNK_MIN_CUT) != 0, &out->min);
  if ((c->flags & most) != 0)
    out->has_max = take_bound(f, b, base + c->max.at, c->max.size, (c->flags & MST_PQ_CHUNK_MAX_CUT) != 0, &out->max);
}

void mst_pq_page_bounds_get(const mst_parquet_file *f, const mst_pq_bounded *b, const uint8_t *base,
                            const mst_pq_page_bounds *page, uint64_t rows, mst_bounds *out) {
  *out = (mst_bounds){0};
  if (is_wrong(f, b)) return;
  set_counts(f, b, page->all_null ? (int64_t)rows : page->nulls, page->nans, rows, out);
  if (page->all_null || !has_order(f, b->leaf)) return;
  /* Cut bounds are allowed here without being marked, and bound all the same. */
  out->has_min = take_bound(f, b, base + page->min.at, page->min.size, false, &out->min);
  out->has_max = take_bound(f, b, base + page->max.at, page->max.size, false, &out->max);
}

/* ---- the other way ------------------------------------------------------------------------------------------- */

static bool plain_double(double v, uint32_t stored, uint8_t *room) {
  float narrow = (float)v;
  uint16_t half = mst_half_from_double(v);
  if (stored == 8) memcpy(room, &v, 8);
  if (stored == 4) memcpy(room, &narrow, 4);
  if (stored == 2) mst_put_le16(room, half);
  return stored == 8 || (stored == 4 && (double)narrow == v) || (stored == 2 && mst_half_to_double(half) == v);
}

bool mst_pq_scalar_plain(const mst_parquet_file *f, const mst_pq_bounded *b, const mst_scalar *value, uint8_t *room,
                         const uint8_t **out, size_t *n) {
  const mst_pq_node *node = &f->nodes[f->leaves[b->leaf]];
  uint32_t stored = mst_pq_width(node->physical, node->type_length), i;
  mst_pq_conv conv = b->field->conv;
  *out = room;
  *n = stored;
  switch (value->kind) {
  case MST_SCALAR_BYTES:
    *out = value->as.bytes.data;
    *n = value->as.bytes.size;
    return conv == MST_PQ_CONV_BYTES || (conv == MST_PQ_CONV_SAME && *n == stored);
  case MST_SCALAR_DOUBLE: return conv == MST_PQ_CONV_SAME && plain_double(value->as.f, stored, room);
  case MST_SCALAR_INT:
  case MST_SCALAR_UINT:
    mst_put_le64(room, value->kind == MST_SCALAR_INT ? (uint64_t)value->as.i : value->as.u);
    return (conv == MST_PQ_CONV_SAME || conv == MST_PQ_CONV_NARROW) && (stored == 4 || stored == 8);
  case MST_SCALAR_WIDE:
    if (conv == MST_PQ_CONV_WIDEN) mst_put_le64(room, value->as.wide.limb[0]);
    for (i = 0; conv == MST_PQ_CONV_BIG && i < stored && stored <= 32; i++)
      room[stored - 1 - i] = (uint8_t)(value->as.wide.limb[i / 8] >> (8 * (i % 8)));
    return conv == MST_PQ_CONV_WIDEN || (conv == MST_PQ_CONV_BIG && stored <= 32);
  default: return false;
  }
}
