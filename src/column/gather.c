/* column/gather.c - rows of an array, in any order and number, as a new array of the same type.
 *
 * Owns: nothing. May call: base. */
#include "column/column.h"

/* One gathering: rows[i] < 0 makes row i null. Rows count from the array's offset. */
typedef struct gathering {
  const mst_allocator *mem;
  const struct ArrowSchema *schema;
  const struct ArrowArray *array;
  const int64_t *rows;
  int64_t n;
  mst_error *err;
  mst_type type;
  mst_block valid;
  int64_t nulls;
} gathering;

static bool bit(const uint8_t *bits, int64_t i) { return (bits[i >> 3] >> (i & 7) & 1) != 0; }

static bool row_valid(const gathering *g, int64_t i) {
  const uint8_t *valid = g->array->null_count != 0 ? g->array->buffers[0] : NULL;
  return g->rows[i] >= 0 && (valid == NULL || bit(valid, g->array->offset + g->rows[i]));
}

static bool any_negative(const int64_t *rows, int64_t n) {
  int64_t all = 0, i;
  for (i = 0; i < n; i++) all |= rows[i];
  return all < 0;
}

/* Counts nulls and makes the bitmap when there are any. */
static mst_status gather_valid(gathering *g) {
  mst_status status = MST_OK;
  mst_error *err = g->err;
  const uint8_t *valid = g->array->null_count != 0 ? g->array->buffers[0] : NULL;
  int64_t i, set = 0;
  g->nulls = 0;
  if (valid == NULL && !any_negative(g->rows, g->n)) return MST_OK;
  MST_TRY(mst_block_put_zero(&g->valid, ((size_t)g->n + 7) / 8, err));
  for (i = 0; i < g->n; i++) {
    const unsigned here = row_valid(g, i);
    g->valid.data[i >> 3] |= (uint8_t)(here << (i & 7));
    set += here;
  }
  g->nulls = g->n - set;
  if (g->nulls == 0) mst_block_free(&g->valid);
done:
  return status;
}

#define GATHER(type)                                                             \
  do {                                                                           \
    const type *values = (const type *)from + g->array->offset;                  \
    type *to = (type *)(void *)out->data;                                        \
    for (i = 0; i < g->n; i++) to[i] = g->rows[i] >= 0 ? values[g->rows[i]] : 0; \
  } while (0)

static mst_status gather_fixed(const gathering *g, mst_block *out) {
  mst_status status = MST_OK;
  mst_error *err = g->err;
  const uint8_t *from = g->array->buffers[1];
  uint32_t width = g->type.width;
  int64_t i;
  if (from == NULL) return mst_block_put_zero(out, (size_t)g->n * width, err); /* there are only nulls */
  MST_TRY(mst_block_reserve(out, (size_t)g->n * width, err));
  out->size = (size_t)g->n * width;
  mst_expect_whole(out->data, out->size);
  switch (width) {
  case 1: GATHER(uint8_t); break;
  case 2: GATHER(uint16_t); break;
  case 4: GATHER(uint32_t); break;
  case 8: GATHER(uint64_t); break;
  default:
    for (i = 0; i < g->n; i++) {
      uint8_t *to = out->data + (size_t)i * width;
      if (g->rows[i] >= 0) memcpy(to, from + (size_t)(g->array->offset + g->rows[i]) * width, width);
      if (g->rows[i] < 0) memset(to, 0, width);
    }
  }
done:
  return status;
}

static mst_status gather_bits(const gathering *g, mst_block *out) {
  mst_status status = MST_OK;
  mst_error *err = g->err;
  const uint8_t *from = g->array->buffers[1];
  int64_t i;
  MST_TRY(mst_block_put_zero(out, ((size_t)g->n + 7) / 8, err));
  for (i = 0; i < g->n; i++)
    if (g->rows[i] >= 0 && bit(from, g->array->offset + g->rows[i])) out->data[i >> 3] |= (uint8_t)(1u << (i & 7));
done:
  return status;
}

/* ---- byte strings -------------------------------------------------------------------------------------------- */

const uint8_t *mst_array_text(const mst_type *type, const struct ArrowArray *array, int64_t i, size_t *n) {
  const uint8_t *view, *bytes = array->buffers[2];
  if (type->layout == MST_LAYOUT_OFFSETS32) {
    const int32_t *offsets = array->buffers[1];
    *n = (size_t)(offsets[i + 1] - offsets[i]);
    return bytes != NULL ? bytes + offsets[i] : NULL;
  }
  if (type->layout == MST_LAYOUT_OFFSETS64) {
    const int64_t *offsets = array->buffers[1];
    *n = (size_t)(offsets[i + 1] - offsets[i]);
    return bytes != NULL ? bytes + offsets[i] : NULL;
  }
  view = (const uint8_t *)array->buffers[1] + 16 * i;
  *n = mst_le32(view);
  if (*n <= 12) return view + 4;
  return (const uint8_t *)array->buffers[2 + mst_le32(view + 8)] + mst_le32(view + 12);
}

static mst_status put_end(const gathering *g, mst_block *ends, uint64_t end) {
  int32_t narrow = (int32_t)end;
  bool wide = g->type.layout == MST_LAYOUT_OFFSETS64 || g->type.layout == MST_LAYOUT_LIST64;
  if (!wide && end > INT32_MAX)
    return mst_fail(g->err, MST_E_LIMIT, "column \"%.80s\" outgrows 32-bit offsets in one batch", g->schema->name);
  return wide ? mst_block_put(ends, &end, 8, g->err) : mst_block_put(ends, &narrow, 4, g->err);
}

/* Of rows far ahead what will be needed is asked for early: rows in any order miss the caches. */
enum { AHEAD = 24 };

#define GATHER_ENDS(type)                                                                             \
  do {                                                                                                \
    const type *from = (const type *)g->array->buffers[1] + g->array->offset;                         \
    type *to = (type *)(void *)ends->data;                                                            \
    to[0] = 0;                                                                                        \
    for (i = 0; i < g->n; i++) {                                                                      \
      const int64_t row = g->rows[i];                                                                 \
      if (i + AHEAD < g->n && g->rows[i + AHEAD] >= 0) __builtin_prefetch(&from[g->rows[i + AHEAD]]); \
      if (g->nulls == 0 || bit(g->valid.data, i)) total += (uint64_t)(from[row + 1] - from[row]);     \
      to[i + 1] = (type)total;                                                                        \
    }                                                                                                 \
  } while (0)

#define GATHER_BYTES(type)                                                                                   \
  do {                                                                                                       \
    const type *from = (const type *)g->array->buffers[1] + g->array->offset;                                \
    const type *to = (const type *)(const void *)ends->data;                                                 \
    for (i = 0; i < g->n; i++) {                                                                             \
      const size_t here = (size_t)(to[i + 1] - to[i]);                                                       \
      if (i + AHEAD < g->n && g->rows[i + AHEAD] >= 0) __builtin_prefetch(bytes + from[g->rows[i + AHEAD]]); \
      if (here > 0) memcpy(out->data + to[i], bytes + from[g->rows[i]], here);                               \
    }                                                                                                        \
  } while (0)

/* All ends first, then the bytes, for which there is room then. */
static mst_status gather_text(const gathering *g, mst_block *ends, mst_block *out) {
  mst_status status = MST_OK;
  mst_error *err = g->err;
  const bool wide = g->type.layout == MST_LAYOUT_OFFSETS64;
  const size_t size = ((size_t)g->n + 1) * (wide ? 8 : 4);
  const uint8_t *bytes = g->array->buffers[2];
  uint64_t total = 0;
  int64_t i;
  MST_TRY(mst_block_reserve(ends, size, err));
  ends->size = size;
  if (wide) GATHER_ENDS(int64_t);
  else GATHER_ENDS(int32_t);
  if (!wide && total > INT32_MAX)
    return mst_fail(err, MST_E_LIMIT, "column \"%.80s\" outgrows 32-bit offsets in one batch", g->schema->name);
  MST_TRY(mst_block_reserve(out, (size_t)total, err));
  out->size = (size_t)total;
  mst_expect_whole(out->data, out->size);
  if (total == 0) return MST_OK;
  if (wide) GATHER_BYTES(int64_t);
  else GATHER_BYTES(int32_t);
done:
  return status;
}

void mst_view_put(uint8_t view[16], const uint8_t *p, size_t n, uint32_t buffer, uint32_t at) {
  memset(view, 0, 16);
  mst_put_le32(view, (uint32_t)n);
  if (n > 0) memcpy(view + 4, p, n <= 12 ? n : 4);
  if (n <= 12) return;
  mst_put_le32(view + 8, buffer);
  mst_put_le32(view + 12, at);
}

/* Views over one buffer of bytes of their own. */
static mst_status gather_views(const gathering *g, mst_block *views, mst_block *out) {
  mst_status status = MST_OK;
  mst_error *err = g->err;
  int64_t i;
  size_t n;
  MST_TRY(mst_block_put_zero(views, (size_t)g->n * 16, err));
  for (i = 0; i < g->n; i++) {
    const uint8_t *p;
    if (!row_valid(g, i)) continue;
    p = mst_array_text(&g->type, g->array, g->array->offset + g->rows[i], &n);
    if (n > 12 && (n > INT32_MAX || out->size > INT32_MAX - n))
      return mst_fail(err, MST_E_LIMIT, "column \"%.80s\" outgrows a view buffer in one batch", g->schema->name);
    mst_view_put(views->data + 16 * i, p, n, 0, (uint32_t)out->size);
    if (n > 12) MST_TRY(mst_block_put(out, p, n, err));
  }
done:
  return status;
}

/* ---- nested -------------------------------------------------------------------------------------------------- */

static void list_range(const gathering *g, int64_t i, int64_t *first, int64_t *count) {
  const void *offsets = g->array->n_buffers > 1 ? g->array->buffers[1] : NULL;
  switch (g->type.layout) {
  case MST_LAYOUT_LIST32:
    *first = ((const int32_t *)offsets)[i];
    *count = ((const int32_t *)offsets)[i + 1] - *first;
    break;
  case MST_LAYOUT_LIST64:
    *first = ((const int64_t *)offsets)[i];
    *count = ((const int64_t *)offsets)[i + 1] - *first;
    break;
  case MST_LAYOUT_LISTVIEW32:
    *first = ((const int32_t *)offsets)[i];
    *count = ((const int32_t *)g->array->buffers[2])[i];
    break;
  case MST_LAYOUT_LISTVIEW64:
    *first = ((const int64_t *)offsets)[i];
    *count = ((const int64_t *)g->array->buffers[2])[i];
    break;
  default:
    *first = i * g->type.size;
    *count = g->type.size;
    break;
  }
}

/* Rows of the child that the lists hold; a null fixed-size list takes nulls of its own. */
static mst_status list_items(const gathering *g, mst_block *items, mst_block *ends, mst_block *sizes) {
  mst_status status = MST_OK;
  mst_error *err = g->err;
  bool view = g->type.layout == MST_LAYOUT_LISTVIEW32 || g->type.layout == MST_LAYOUT_LISTVIEW64;
  bool wide = g->type.layout == MST_LAYOUT_LISTVIEW64, fixed = g->type.layout == MST_LAYOUT_FIXED_LIST;
  int64_t i, k, first, count, row;
  if (!view && !fixed) MST_TRY(put_end(g, ends, 0));
  for (i = 0; i < g->n; i++) {
    bool valid = row_valid(g, i);
    int64_t start = (int64_t)(items->size / 8);
    first = -1;
    count = fixed ? g->type.size : 0;
    if (valid) list_range(g, g->array->offset + g->rows[i], &first, &count);
    if (valid && (first < 0 || count < 0 || first > g->array->children[0]->length - count))
      return mst_fail(err, MST_E_ARGUMENT, "a list of column \"%.80s\" points outside its items", g->schema->name);
    for (k = 0; k < count; k++) {
      row = valid ? first + k : -1;
      MST_TRY(mst_block_put(items, &row, 8, err));
    }
    if (view) {
      int32_t narrow[2] = {(int32_t)start, (int32_t)count};
      MST_TRY(wide ? mst_block_put(ends, &start, 8, err) : mst_block_put(ends, &narrow[0], 4, err));
      MST_TRY(wide ? mst_block_put(sizes, &count, 8, err) : mst_block_put(sizes, &narrow[1], 4, err));
    } else if (!fixed) {
      MST_TRY(put_end(g, ends, items->size / 8));
    }
  }
  if (view && !wide && items->size / 8 > INT32_MAX)
    return mst_fail(err, MST_E_LIMIT, "column \"%.80s\" outgrows 32-bit offsets in one batch", g->schema->name);
done:
  return status;
}

static mst_status gather_list(const gathering *g, mst_block *ends, mst_block *sizes, struct ArrowArray *child) {
  mst_status status = MST_OK;
  mst_block items;
  mst_block_init(&items, g->mem);
  MST_TRY(list_items(g, &items, ends, sizes));
  MST_TRY(mst_array_gather(g->mem, g->schema->children[0], g->array->children[0],
                           (const int64_t *)(const void *)items.data, (int64_t)(items.size / 8), child, g->err));
done:
  mst_block_free(&items);
  return status;
}

/* Children that have one row for each row: fields of a struct, members of a sparse union. */
static mst_status gather_fields(const gathering *g, struct ArrowArray *children, size_t *made) {
  mst_status status = MST_OK;
  mst_error *err = g->err;
  int64_t i, *rows = NULL;
  MST_TRY_ALLOC(rows = mst_alloc_array(g->mem, (size_t)g->n + 1, sizeof *rows));
  for (i = 0; i < g->n; i++) rows[i] = g->rows[i] >= 0 ? g->array->offset + g->rows[i] : -1;
  for (; *made < (size_t)g->schema->n_children; ++*made)
    MST_TRY(mst_array_gather(g->mem, g->schema->children[*made], g->array->children[*made], rows, g->n,
                             &children[*made], err));
done:
  mst_free(g->mem, rows);
  return status;
}

/* ---- all of it ----------------------------------------------------------------------------------------------- */

static mst_status gather_buffers(gathering *g, mst_block blocks[2], struct ArrowArray *children, size_t *made) {
  mst_status status = MST_OK;
  if (g->type.layout != MST_LAYOUT_NULL && g->type.layout != MST_LAYOUT_SPARSE) MST_TRY(gather_valid(g));
  switch (g->type.layout) {
  case MST_LAYOUT_NULL: g->nulls = g->n; break;
  case MST_LAYOUT_FIXED: MST_TRY(gather_fixed(g, &blocks[0])); break;
  case MST_LAYOUT_BITS: MST_TRY(gather_bits(g, &blocks[0])); break;
  case MST_LAYOUT_OFFSETS32:
  case MST_LAYOUT_OFFSETS64: MST_TRY(gather_text(g, &blocks[0], &blocks[1])); break;
  case MST_LAYOUT_VIEWS: MST_TRY(gather_views(g, &blocks[0], &blocks[1])); break;
  case MST_LAYOUT_STRUCT: MST_TRY(gather_fields(g, children, made)); break;
  case MST_LAYOUT_LIST32:
  case MST_LAYOUT_LIST64:
  case MST_LAYOUT_LISTVIEW32:
  case MST_LAYOUT_LISTVIEW64:
  case MST_LAYOUT_FIXED_LIST:
    MST_TRY(gather_list(g, &blocks[0], &blocks[1], &children[0]));
    *made = 1;
    break;
  default:
    status = mst_fail(g->err, MST_E_UNSUPPORTED, "rows of column \"%.80s\" of Arrow format \"%.40s\" cannot be chosen",
                      g->schema->name, g->schema->format);
  }
done:
  return status;
}

/* Buffers in the layout's order, taken from the blocks. */
static size_t take_buffers(gathering *g, mst_block blocks[2], mst_bytes buffers[4], mst_block *sizes) {
  size_t n = (size_t)mst_type_buffers(&g->type);
  int64_t data;
  if (n == 0) return 0;
  if (g->nulls > 0) mst_block_take(&g->valid, &buffers[0]);
  if (g->type.layout == MST_LAYOUT_VIEWS) {
    data = (int64_t)blocks[1].size;
    memcpy(sizes->data, &data, 8);
    sizes->size = 8;
    mst_block_take(&blocks[0], &buffers[1]);
    mst_block_take(&blocks[1], &buffers[2]);
    mst_block_take(sizes, &buffers[3]);
    return 4;
  }
  if (n > 1) mst_block_take(&blocks[0], &buffers[1]);
  if (n > 2) mst_block_take(&blocks[1], &buffers[2]);
  return n;
}

mst_status mst_array_gather(const mst_allocator *mem, const struct ArrowSchema *schema, const struct ArrowArray *array,
                            const int64_t *rows, int64_t n, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  gathering g = {.mem = mem, .schema = schema, .array = array, .rows = rows, .n = n, .err = err};
  mst_block blocks[2], sizes;
  mst_bytes buffers[4] = {{0}};
  mst_array_parts parts = {.length = n, .buffers = buffers, .n_children = (size_t)schema->n_children};
  struct ArrowArray *children = NULL, dictionary = {0};
  size_t made = 0, i;
  mst_block_init(&g.valid, mem);
  mst_block_init(&blocks[0], mem);
  mst_block_init(&blocks[1], mem);
  mst_block_init(&sizes, mem);
  MST_TRY(mst_type_parse(schema->format, &g.type, err));
  MST_TRY_ALLOC(children = mst_alloc_zero(mem, (size_t)schema->n_children + 1, sizeof *children));
  MST_TRY(gather_buffers(&g, blocks, children, &made));
  MST_TRY(mst_block_reserve(&sizes, 8, err));
  if (schema->dictionary != NULL) {
    MST_TRY(mst_array_copy(mem, schema->dictionary, array->dictionary, &dictionary, err));
    parts.dictionary = &dictionary;
  }
  parts.n_buffers = take_buffers(&g, blocks, buffers, &sizes);
  parts.null_count = g.nulls;
  parts.children = children;
  made = 0;
  status = mst_array_make(mem, &parts, out, err);
done:
  for (i = 0; i < made; i++) mst_array_release(&children[i]);
  mst_free(mem, children);
  mst_block_free(&g.valid);
  mst_block_free(&blocks[0]);
  mst_block_free(&blocks[1]);
  mst_block_free(&sizes);
  return status;
}

mst_status mst_array_copy(const mst_allocator *mem, const struct ArrowSchema *schema, const struct ArrowArray *array,
                          struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  int64_t i, *rows = mst_alloc_array(mem, (size_t)array->length + 1, sizeof *rows);
  if (rows == NULL) return mst_fail_memory(err);
  for (i = 0; i < array->length; i++) rows[i] = i;
  status = mst_array_gather(mem, schema, array, rows, array->length, out, err);
  mst_free(mem, rows);
  return status;
}
