/* column/kernel_concat.c - arrays of one type, one behind the other.
 *
 * Owns: nothing. May call: base. */
#include "column/column.h"

typedef struct joining {
  const mst_allocator *mem;
  const struct ArrowSchema *schema;
  const struct ArrowArray *const *arrays;
  size_t n;
  mst_type type;
  int64_t length, nulls;
  mst_error *err;
} joining;

static const char *name_of(const joining *j) { return j->schema->name != NULL ? j->schema->name : ""; }

static mst_status too_long(const joining *j) {
  return mst_fail(j->err, MST_E_LIMIT, "column \"%.80s\" outgrows 32-bit offsets in one array", name_of(j));
}

/* ---- validity and plain values ----------------------------------------------------------------------------------- */

/* Bits of all arrays, one run behind the other; a missing bitmap counts as set. Returns how many are set. */
static size_t join_bits(const joining *j, size_t buffer, uint8_t *out) {
  size_t at = 0, set = 0;
  for (size_t k = 0; k < j->n; k++) {
    const struct ArrowArray *a = j->arrays[k];
    const uint8_t *from = buffer > 0 || a->null_count != 0 ? a->buffers[buffer] : NULL;
    for (int64_t i = 0; i < a->length; i += 64) {
      const size_t n = (size_t)(a->length - i < 64 ? a->length - i : 64);
      uint64_t word;
      mst_bits_load(from, a->offset + i, n, &word);
      set += mst_mask_count(word);
      if (at % 8 == 0 && n == 64) {
        mst_put_le64(out + at / 8, word);
        at += 64;
        continue;
      }
      for (size_t left = n; left > 0;) {
        const size_t room = mst_min_size(8 - at % 8, left);
        out[at / 8] |= (uint8_t)((word & mst_mask_low((unsigned)room)) << (at % 8));
        word = room < 64 ? word >> room : 0;
        at += room;
        left -= room;
      }
    }
  }
  return set;
}

static bool has_nulls(const joining *j) {
  for (size_t k = 0; k < j->n; k++)
    if (j->arrays[k]->null_count != 0 && j->arrays[k]->n_buffers > 0 && j->arrays[k]->buffers[0] != NULL) return true;
  return false;
}

static mst_status join_valid(joining *j, mst_block *valid) {
  mst_status status = MST_OK;
  j->nulls = j->type.kind == MST_KIND_NULL ? j->length : 0;
  if (j->type.kind == MST_KIND_NULL || !has_nulls(j)) return MST_OK;
  MST_TRY(mst_block_put_zero(valid, ((size_t)j->length + 7) / 8, j->err));
  j->nulls = j->length - (int64_t)join_bits(j, 0, valid->data);
  if (j->nulls == 0) mst_block_free(valid);
done:
  return status;
}

static mst_status join_fixed(const joining *j, mst_block *values) {
  mst_status status = MST_OK;
  const size_t width = j->type.width;
  MST_TRY(mst_block_grow(values, (size_t)j->length * width, j->err));
  for (size_t k = 0; k < j->n; k++) {
    const struct ArrowArray *a = j->arrays[k];
    if (a->length > 0 && width > 0)
      MST_TRY(mst_block_put(values, (const uint8_t *)a->buffers[1] + (size_t)a->offset * width,
                            (size_t)a->length * width, j->err));
  }
done:
  return status;
}

/* ---- offsets -------------------------------------------------------------------------------------------------------
 */

static bool is_wide(const joining *j) {
  return j->type.layout == MST_LAYOUT_OFFSETS64 || j->type.layout == MST_LAYOUT_LIST64;
}

static int64_t offset_at(const joining *j, const struct ArrowArray *a, int64_t i) {
  return is_wide(j) ? ((const int64_t *)a->buffers[1])[a->offset + i] : ((const int32_t *)a->buffers[1])[a->offset + i];
}

#define JOIN_ENDS(type)                                                                       \
  do {                                                                                        \
    type *to = (type *)(void *)ends->data;                                                    \
    *to++ = 0;                                                                                \
    for (size_t k = 0; k < j->n; k++) {                                                       \
      const struct ArrowArray *a = j->arrays[k];                                              \
      const type *from = (const type *)a->buffers[1] + a->offset;                             \
      if (a->length == 0) continue;                                                           \
      for (int64_t i = 0; i < a->length; i++) to[i] = (type)(base + (from[i + 1] - from[0])); \
      base += from[a->length] - from[0];                                                      \
      to += a->length;                                                                        \
    }                                                                                         \
  } while (0)

/* Ends of texts or lists, counted on from array to array. */
static mst_status join_ends(const joining *j, mst_block *ends) {
  mst_status status = MST_OK;
  const size_t size = ((size_t)j->length + 1) * (is_wide(j) ? 8 : 4);
  int64_t base = 0;
  for (size_t k = 0; k < j->n; k++)
    if (j->arrays[k]->length > 0)
      base += offset_at(j, j->arrays[k], j->arrays[k]->length) - offset_at(j, j->arrays[k], 0);
  if (!is_wide(j) && base > INT32_MAX) return too_long(j);
  MST_TRY(mst_block_grow(ends, size, j->err));
  ends->size = size;
  base = 0;
  if (is_wide(j)) JOIN_ENDS(int64_t);
  else JOIN_ENDS(int32_t);
done:
  return status;
}

static mst_status join_texts(const joining *j, mst_block *ends, mst_block *bytes) {
  mst_status status = MST_OK;
  size_t total;
  MST_TRY(join_ends(j, ends));
  total = (size_t)(is_wide(j) ? ((const int64_t *)(const void *)ends->data)[j->length]
                              : ((const int32_t *)(const void *)ends->data)[j->length]);
  MST_TRY(mst_block_grow(bytes, total, j->err));
  mst_expect_whole(bytes->data, total);
  for (size_t k = 0; k < j->n; k++) {
    const struct ArrowArray *a = j->arrays[k];
    const int64_t first = a->length > 0 ? offset_at(j, a, 0) : 0, end = a->length > 0 ? offset_at(j, a, a->length) : 0;
    if (end > first)
      MST_TRY(mst_block_put(bytes, (const uint8_t *)a->buffers[2] + first, (size_t)(end - first), j->err));
  }
done:
  return status;
}

/* Views of one buffer with the longer values of all arrays. */
static mst_status join_views(const joining *j, mst_block *views, mst_block *bytes) {
  mst_status status = MST_OK;
  MST_TRY(mst_block_put_zero(views, (size_t)j->length * 16, j->err));
  size_t at = 0;
  for (size_t k = 0; k < j->n; k++) {
    const struct ArrowArray *a = j->arrays[k];
    for (int64_t i = 0; i < a->length; i++, at++) {
      const uint8_t *valid = a->null_count != 0 ? a->buffers[0] : NULL, *p;
      const int64_t row = a->offset + i;
      size_t n;
      if (valid != NULL && (valid[row >> 3] >> (row & 7) & 1) == 0) continue;
      p = mst_array_text(&j->type, a, row, &n);
      if (n > 12 && (n > INT32_MAX || bytes->size > INT32_MAX - n)) return too_long(j);
      mst_view_put(views->data + 16 * at, p, n, 0, (uint32_t)bytes->size);
      if (n > 12) MST_TRY(mst_block_put(bytes, p, n, j->err));
    }
  }
done:
  return status;
}

/* ---- children
 * -------------------------------------------------------------------------------------------------------- */

/* The part of a child that an array's rows stand for. */
static struct ArrowArray child_part(const joining *j, const struct ArrowArray *a, size_t i) {
  struct ArrowArray part = *a->children[i];
  int64_t first = a->offset, end = a->offset + a->length;
  if (j->type.layout == MST_LAYOUT_FIXED_LIST) {
    first *= j->type.size;
    end *= j->type.size;
  } else if (j->type.layout == MST_LAYOUT_LISTVIEW32 || j->type.layout == MST_LAYOUT_LISTVIEW64) {
    return part;
  } else if (j->type.layout != MST_LAYOUT_STRUCT) {
    first = a->length > 0 ? offset_at(j, a, 0) : 0;
    end = a->length > 0 ? offset_at(j, a, a->length) : 0;
  }
  part.offset += first;
  part.length = end - first;
  if (part.null_count > 0) part.null_count = -1;
  return part;
}

static mst_status join_child(const joining *j, size_t i, struct ArrowArray *out) {
  mst_status status = MST_OK;
  mst_error *err = j->err;
  struct ArrowArray *parts = NULL;
  const struct ArrowArray **list = NULL;
  MST_TRY_ALLOC(parts = mst_alloc_array(j->mem, j->n + 1, sizeof *parts));
  MST_TRY_ALLOC(list = mst_alloc_array(j->mem, j->n + 1, sizeof *list));
  for (size_t k = 0; k < j->n; k++) {
    parts[k] = child_part(j, j->arrays[k], i);
    list[k] = &parts[k];
  }
  status = mst_array_concat(j->mem, j->schema->children[i], list, j->n, out, err);
done:
  mst_free(j->mem, parts);
  mst_free(j->mem, list);
  return status;
}

/* List views point anywhere into their items, all of which are kept. */
static mst_status join_list_views(const joining *j, mst_block *offsets, mst_block *sizes) {
  mst_status status = MST_OK;
  const bool wide = j->type.layout == MST_LAYOUT_LISTVIEW64;
  int64_t base = 0;
  for (size_t k = 0; k < j->n; k++) {
    const struct ArrowArray *a = j->arrays[k];
    const uint8_t *valid = a->null_count != 0 ? a->buffers[0] : NULL;
    for (int64_t i = a->offset; i < a->offset + a->length; i++) {
      const bool here = valid == NULL || (valid[i >> 3] >> (i & 7) & 1) != 0;
      int64_t first = 0, count = 0;
      int32_t narrow[2];
      if (here) {
        first = base + (wide ? ((const int64_t *)a->buffers[1])[i] : ((const int32_t *)a->buffers[1])[i]);
        count = wide ? ((const int64_t *)a->buffers[2])[i] : ((const int32_t *)a->buffers[2])[i];
      }
      if (!wide && first > INT32_MAX) return too_long(j);
      narrow[0] = (int32_t)first;
      narrow[1] = (int32_t)count;
      MST_TRY(mst_block_put(offsets, wide ? (const void *)&first : &narrow[0], wide ? 8 : 4, j->err));
      MST_TRY(mst_block_put(sizes, wide ? (const void *)&count : &narrow[1], wide ? 8 : 4, j->err));
    }
    base += a->children[0]->length;
  }
done:
  return status;
}

/* ---- dictionaries
 * ---------------------------------------------------------------------------------------------------- */

/* One number for each distinct value of all dictionaries: `map` takes value i of dictionary k, behind those of the ones
 * before, to its place in the joined dictionary, whose values are at `rows` of all dictionaries joined. */
static mst_status unite_values(const joining *j, struct ArrowArray *all, uint32_t **map, struct ArrowArray *out) {
  mst_status status = MST_OK;
  mst_error *err = j->err;
  const struct ArrowSchema *values = j->schema->dictionary;
  struct ArrowSchema top = {0};
  struct ArrowArray batch = {0}, *child = all;
  mst_grouper *grouper = NULL;
  const int32_t column = 0;
  const int64_t *firsts;
  struct ArrowSchema *child_schema = (struct ArrowSchema *)(uintptr_t)values;
  top = (struct ArrowSchema){.format = "+s", .name = "", .n_children = 1, .children = &child_schema};
  batch = (struct ArrowArray){.length = all->length, .n_children = 1, .children = &child};
  MST_TRY_ALLOC(*map = mst_alloc_array(j->mem, (size_t)all->length + 1, sizeof **map));
  MST_TRY(mst_grouper_new(j->mem, &top, &column, 1, &grouper, err));
  MST_TRY(mst_grouper_put(grouper, &batch, *map, &firsts, err));
  status = mst_array_gather(j->mem, values, all, firsts, mst_grouper_count(grouper), out, err);
done:
  mst_grouper_free(grouper);
  return status;
}

static mst_status join_dictionaries(const joining *j, uint32_t **map, struct ArrowArray *out) {
  mst_status status = MST_OK;
  mst_error *err = j->err;
  const struct ArrowArray **list = NULL;
  struct ArrowArray all = {0};
  MST_TRY_ALLOC(list = mst_alloc_array(j->mem, j->n + 1, sizeof *list));
  for (size_t k = 0; k < j->n; k++) list[k] = j->arrays[k]->dictionary;
  MST_TRY(mst_array_concat(j->mem, j->schema->dictionary, list, j->n, &all, err));
  status = unite_values(j, &all, map, out);
done:
  mst_array_release(&all);
  mst_free(j->mem, list);
  return status;
}

static uint64_t code_limit(const mst_type *type) {
  const unsigned bits = type->width * 8;
  return UINT64_MAX >> (64 - bits + (mst_type_is_signed(type) ? 1 : 0));
}

static mst_status recode(const joining *j, const uint32_t *map, mst_block *codes) {
  mst_status status = MST_OK;
  const size_t width = j->type.width;
  size_t base = 0;
  MST_TRY(mst_block_put_zero(codes, (size_t)j->length * width, j->err));
  uint8_t *to = codes->data;
  for (size_t k = 0; k < j->n; k++) {
    const struct ArrowArray *a = j->arrays[k];
    const uint8_t *valid = a->null_count != 0 ? a->buffers[0] : NULL;
    for (int64_t i = 0; i < a->length; i++, to += width) {
      const int64_t row = a->offset + i;
      mst_scalar code;
      uint64_t number;
      if (valid != NULL && (valid[row >> 3] >> (row & 7) & 1) == 0) continue;
      code = mst_scalar_load(&j->type, (const uint8_t *)a->buffers[1] + (size_t)row * width);
      number = code.kind == MST_SCALAR_UINT ? code.as.u : (uint64_t)code.as.i;
      if (number >= (uint64_t)a->dictionary->length)
        return mst_fail(j->err, MST_E_ARGUMENT, "column \"%.80s\" points outside of its dictionary", name_of(j));
      number = map[base + number];
      if (number > code_limit(&j->type))
        return mst_fail(j->err, MST_E_LIMIT, "column \"%.80s\": joined dictionaries outgrow their codes", name_of(j));
      memcpy(to, &number, width); /* little-endian: the low bytes come first */
    }
    base += (size_t)a->dictionary->length;
  }
done:
  return status;
}

/* ---- all of it
 * ------------------------------------------------------------------------------------------------------- */

typedef struct joined {
  mst_block valid, first, second;
  struct ArrowArray *children;
  size_t n_children;
  struct ArrowArray dictionary;
  bool has_dictionary;
} joined;

static mst_status join_coded(joining *j, joined *to) {
  mst_status status = MST_OK;
  uint32_t *map = NULL;
  MST_TRY(join_dictionaries(j, &map, &to->dictionary));
  to->has_dictionary = true;
  status = recode(j, map, &to->first);
done:
  mst_free(j->mem, map);
  return status;
}

static mst_status join_children(const joining *j, joined *to) {
  mst_status status = MST_OK;
  mst_error *err = j->err;
  const size_t n = (size_t)j->schema->n_children;
  if (n == 0) return MST_OK;
  MST_TRY_ALLOC(to->children = mst_alloc_zero(j->mem, n, sizeof *to->children));
  for (; to->n_children < n; to->n_children++) MST_TRY(join_child(j, to->n_children, &to->children[to->n_children]));
done:
  return status;
}

static mst_status join_by_layout(joining *j, joined *to) {
  mst_status status = MST_OK;
  switch (j->type.layout) {
  case MST_LAYOUT_NULL: break;
  case MST_LAYOUT_BITS:
    MST_TRY(mst_block_put_zero(&to->first, ((size_t)j->length + 7) / 8, j->err));
    if (j->length > 0) join_bits(j, 1, to->first.data);
    break;
  case MST_LAYOUT_FIXED: MST_TRY(j->schema->dictionary != NULL ? join_coded(j, to) : join_fixed(j, &to->first)); break;
  case MST_LAYOUT_OFFSETS32:
  case MST_LAYOUT_OFFSETS64: MST_TRY(join_texts(j, &to->first, &to->second)); break;
  case MST_LAYOUT_VIEWS: MST_TRY(join_views(j, &to->first, &to->second)); break;
  case MST_LAYOUT_LIST32:
  case MST_LAYOUT_LIST64: MST_TRY(join_ends(j, &to->first)); break;
  case MST_LAYOUT_FIXED_LIST:
  case MST_LAYOUT_STRUCT: break;
  case MST_LAYOUT_LISTVIEW32:
  case MST_LAYOUT_LISTVIEW64: MST_TRY(join_list_views(j, &to->first, &to->second)); break;
  default:
    return mst_fail(j->err, MST_E_UNSUPPORTED, "arrays of column \"%.80s\" of Arrow format \"%.40s\" cannot be joined",
                    name_of(j), j->schema->format);
  }
  status = join_children(j, to);
done:
  return status;
}

static mst_status take_joined(const joining *j, joined *from, struct ArrowArray *out) {
  mst_status status = MST_OK;
  mst_bytes buffers[4] = {{0}};
  mst_block sizes;
  const int64_t size = (int64_t)from->second.size;
  mst_array_parts parts = {
      .length = j->length, .null_count = j->nulls, .buffers = buffers, .n_buffers = (size_t)mst_type_buffers(&j->type)};
  mst_block_init(&sizes, j->mem);
  if (j->type.layout == MST_LAYOUT_VIEWS) MST_TRY(mst_block_put(&sizes, &size, 8, j->err));
  if (j->nulls > 0 && parts.n_buffers > 0) mst_block_take(&from->valid, &buffers[0]);
  if (parts.n_buffers > 1) mst_block_take(&from->first, &buffers[1]);
  if (parts.n_buffers > 2) mst_block_take(&from->second, &buffers[2]);
  if (j->type.layout == MST_LAYOUT_VIEWS) {
    mst_block_take(&sizes, &buffers[3]);
    parts.n_buffers = 4;
  }
  parts.children = from->children;
  parts.n_children = from->n_children;
  parts.dictionary = from->has_dictionary ? &from->dictionary : NULL;
  from->n_children = 0;
  from->has_dictionary = false;
  status = mst_array_make(j->mem, &parts, out, j->err);
done:
  mst_block_free(&sizes);
  return status;
}

mst_status mst_array_concat(const mst_allocator *mem, const struct ArrowSchema *schema,
                            const struct ArrowArray *const *arrays, size_t n, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  joining j = {.mem = mem, .schema = schema, .arrays = arrays, .n = n, .err = err};
  joined made = {.n_children = 0};
  mst_block_init(&made.valid, mem);
  mst_block_init(&made.first, mem);
  mst_block_init(&made.second, mem);
  MST_TRY(mst_type_parse(schema->format, &j.type, err));
  for (size_t k = 0; k < n; k++)
    if (__builtin_add_overflow(j.length, arrays[k]->length, &j.length)) return mst_fail_memory(err);
  if (j.length > INT64_MAX / 64) return mst_fail_memory(err);
  MST_TRY(join_valid(&j, &made.valid));
  MST_TRY(join_by_layout(&j, &made));
  status = take_joined(&j, &made, out);
done:
  for (size_t i = 0; i < made.n_children; i++) mst_array_release(&made.children[i]);
  mst_free(mem, made.children);
  if (made.has_dictionary) mst_array_release(&made.dictionary);
  mst_block_free(&made.valid);
  mst_block_free(&made.first);
  mst_block_free(&made.second);
  return status;
}
