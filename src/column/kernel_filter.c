/* column/kernel_filter.c - the rows of an array whose bits are set.
 *
 * Fixed-width values are moved word by word of the selection, so that runs of rows are copied whole; what has a length
 * or children of its own is gathered by row numbers. Owns: nothing. May call: base. */
#include "column/column.h"

typedef struct filtering {
  const mst_allocator *mem;
  const struct ArrowArray *array;
  const uint64_t *bits;
  size_t n, count;
} filtering;

#define FILTER(type)                                                                             \
  do {                                                                                           \
    const type *from = (const type *)values + f->array->offset;                                  \
    type *to = (type *)(void *)out;                                                              \
    for (size_t i = 0; i < MST_BITS_WORDS(f->n); i++) {                                          \
      uint64_t word = f->bits[i];                                                                \
      if (word == UINT64_MAX) {                                                                  \
        memcpy(to, from + 64 * i, 64 * sizeof *to);                                              \
        to += 64;                                                                                \
        continue;                                                                                \
      }                                                                                          \
      for (; word != 0; word = mst_mask_rest(word)) *to++ = from[64 * i + mst_mask_first(word)]; \
    }                                                                                            \
  } while (0)

static void filter_wide(const filtering *f, const uint8_t *values, uint32_t width, uint8_t *out) {
  const uint8_t *from = values + (size_t)f->array->offset * width;
  for (size_t i = 0; i < MST_BITS_WORDS(f->n); i++) {
    for (uint64_t word = f->bits[i]; word != 0; word = mst_mask_rest(word), out += width)
      memcpy(out, from + (64 * i + mst_mask_first(word)) * width, width);
  }
}

static void filter_fixed(const filtering *f, const void *values, uint32_t width, uint8_t *out) {
  switch (width) {
  case 1: FILTER(uint8_t); break;
  case 2: FILTER(uint16_t); break;
  case 4: FILTER(uint32_t); break;
  case 8: FILTER(uint64_t); break;
  default: filter_wide(f, values, width, out); break;
  }
}

/* Bits of the rows that stay, packed together; the number that are set. */
static size_t filter_bits(const filtering *f, const uint8_t *bitmap, uint8_t *out) {
  size_t at = 0, set = 0;
  for (size_t i = 0; i < f->n; i += 64) {
    uint64_t values;
    mst_bits_load(bitmap, f->array->offset + (int64_t)i, mst_min_size(64, f->n - i), &values);
    for (uint64_t word = f->bits[i / 64]; word != 0; word = mst_mask_rest(word), at++) {
      const unsigned bit = (unsigned)(values >> mst_mask_first(word) & 1);
      out[at / 8] |= (uint8_t)(bit << (at % 8));
      set += bit;
    }
  }
  return set;
}

/* The validity of what stays, if any of it is null. */
static mst_status filter_valid(const filtering *f, mst_block *valid, int64_t *nulls, mst_error *err) {
  const uint8_t *bitmap = f->array->null_count != 0 ? f->array->buffers[0] : NULL;
  mst_status status = MST_OK;
  *nulls = 0;
  if (bitmap == NULL) return MST_OK;
  MST_TRY(mst_block_put_zero(valid, (f->count + 7) / 8, err));
  *nulls = (int64_t)(f->count - filter_bits(f, bitmap, valid->data));
  if (*nulls == 0) mst_block_free(valid);
done:
  return status;
}

static mst_status filter_values(const filtering *f, const mst_type *type, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_block valid, values;
  mst_bytes buffers[2] = {{0}};
  mst_array_parts parts = {.length = (int64_t)f->count, .buffers = buffers, .n_buffers = 2};
  mst_block_init(&valid, f->mem);
  mst_block_init(&values, f->mem);
  MST_TRY(filter_valid(f, &valid, &parts.null_count, err));
  if (type->layout == MST_LAYOUT_BITS) {
    MST_TRY(mst_block_put_zero(&values, (f->count + 7) / 8, err));
    if (f->count > 0) filter_bits(f, f->array->buffers[1], values.data);
  } else {
    MST_TRY(mst_block_grow(&values, f->count * type->width, err));
    mst_expect_whole(values.data, f->count * type->width);
    values.size = f->count * type->width;
    if (f->count > 0 && type->width > 0) filter_fixed(f, f->array->buffers[1], type->width, values.data);
  }
  if (parts.null_count > 0) mst_block_take(&valid, &buffers[0]);
  mst_block_take(&values, &buffers[1]);
  status = mst_array_make(f->mem, &parts, out, err);
done:
  mst_block_free(&valid);
  mst_block_free(&values);
  return status;
}

/* ---- texts ---- */

/* Offsets of what stays: lengths follow each other, those of null rows too. Then the bytes, runs of rows at once. */
#define FILTER_TEXTS(type)                                                                                  \
  do {                                                                                                      \
    const type *from = (const type *)f->array->buffers[1] + f->array->offset;                               \
    type *ends = (type *)(void *)offsets->data, end = 0;                                                    \
    size_t at = 0;                                                                                          \
    ends[at++] = 0;                                                                                         \
    for (size_t i = 0; i < MST_BITS_WORDS(f->n); i++) {                                                     \
      for (uint64_t word = f->bits[i]; word != 0; word = mst_mask_rest(word)) {                             \
        const size_t row = 64 * i + mst_mask_first(word);                                                   \
        end = (type)(end + (from[row + 1] - from[row]));                                                    \
        ends[at++] = end;                                                                                   \
      }                                                                                                     \
    }                                                                                                       \
    MST_TRY(mst_block_grow(bytes, (size_t)end, err));                                                       \
    mst_expect_whole(bytes->data, (size_t)end);                                                             \
    for (size_t i = 0; i < MST_BITS_WORDS(f->n); i++) {                                                     \
      for (uint64_t word = f->bits[i]; word != 0;) {                                                        \
        const unsigned first = mst_mask_first(word);                                                        \
        const uint64_t rest = word >> first;                                                                \
        const unsigned run = rest == UINT64_MAX ? 64 : mst_mask_first(~rest);                               \
        const size_t row = 64 * i + first, n = (size_t)(from[row + run] - from[row]);                       \
        if (n > 0) memcpy(bytes->data + bytes->size, (const uint8_t *)f->array->buffers[2] + from[row], n); \
        bytes->size += n;                                                                                   \
        word = first + run < 64 ? word >> (first + run) << (first + run) : 0;                               \
      }                                                                                                     \
    }                                                                                                       \
  } while (0)

static mst_status fill_texts(const filtering *f, bool wide, mst_block *offsets, mst_block *bytes, mst_error *err) {
  mst_status status = MST_OK;
  const size_t size = (f->count + 1) * (wide ? 8 : 4);
  MST_TRY(mst_block_grow(offsets, size, err));
  offsets->size = size;
  memset(offsets->data, 0, 8 < size ? 8 : size);
  if (f->count == 0) return MST_OK;
  if (wide) FILTER_TEXTS(int64_t);
  else FILTER_TEXTS(int32_t);
done:
  return status;
}

static mst_status filter_texts(const filtering *f, const mst_type *type, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_block valid, offsets, bytes;
  mst_bytes buffers[3] = {{0}};
  mst_array_parts parts = {.length = (int64_t)f->count, .buffers = buffers, .n_buffers = 3};
  mst_block_init(&valid, f->mem);
  mst_block_init(&offsets, f->mem);
  mst_block_init(&bytes, f->mem);
  MST_TRY(filter_valid(f, &valid, &parts.null_count, err));
  MST_TRY(fill_texts(f, type->layout == MST_LAYOUT_OFFSETS64, &offsets, &bytes, err));
  if (parts.null_count > 0) mst_block_take(&valid, &buffers[0]);
  mst_block_take(&offsets, &buffers[1]);
  mst_block_take(&bytes, &buffers[2]);
  status = mst_array_make(f->mem, &parts, out, err);
done:
  mst_block_free(&valid);
  mst_block_free(&offsets);
  mst_block_free(&bytes);
  return status;
}

/* ---- the rest ---- */

static mst_status filter_rows(const filtering *f, const struct ArrowSchema *schema, struct ArrowArray *out,
                              mst_error *err) {
  mst_status status = MST_OK;
  int64_t *rows = mst_alloc_array(f->mem, f->count + 1, sizeof *rows);
  if (rows == NULL) return mst_fail_memory(err);
  mst_bits_rows(f->bits, f->n, rows);
  status = mst_array_gather(f->mem, schema, f->array, rows, (int64_t)f->count, out, err);
  mst_free(f->mem, rows);
  return status;
}

/* Bits for the rows of a struct's fields, which lie behind its offset. */
static mst_status filter_struct(const filtering *f, const struct ArrowSchema *schema, struct ArrowArray *out,
                                mst_error *err) {
  mst_status status = MST_OK;
  mst_block valid;
  mst_bytes buffers[1] = {{0}};
  mst_array_parts parts = {.length = (int64_t)f->count, .buffers = buffers, .n_buffers = 1};
  struct ArrowArray *children = NULL;
  const size_t n = (size_t)schema->n_children;
  mst_block_init(&valid, f->mem);
  MST_TRY_ALLOC(children = mst_alloc_zero(f->mem, n + 1, sizeof *children));
  MST_TRY(filter_valid(f, &valid, &parts.null_count, err));
  for (; parts.n_children < n; parts.n_children++) {
    struct ArrowArray field = *f->array->children[parts.n_children];
    field.offset += f->array->offset;
    field.length = f->array->length;
    if (field.null_count > 0) field.null_count = -1;
    MST_TRY(mst_array_filter(f->mem, schema->children[parts.n_children], &field, f->bits, &children[parts.n_children],
                             err));
  }
  parts.children = children;
  if (parts.null_count > 0) mst_block_take(&valid, &buffers[0]);
  status = mst_array_make(f->mem, &parts, out, err);
  parts.n_children = 0;
done:
  for (size_t i = 0; i < parts.n_children; i++) mst_array_release(&children[i]);
  mst_free(f->mem, children);
  mst_block_free(&valid);
  return status;
}

mst_status mst_array_filter(const mst_allocator *mem, const struct ArrowSchema *schema, const struct ArrowArray *array,
                            const uint64_t *bits, struct ArrowArray *out, mst_error *err) {
  filtering f = {.mem = mem, .array = array, .bits = bits, .n = (size_t)array->length};
  mst_type type;
  mst_status status = mst_type_parse(schema->format, &type, err);
  if (status != MST_OK) return status;
  f.count = mst_bits_count(bits, f.n);
  if (type.layout == MST_LAYOUT_STRUCT) return filter_struct(&f, schema, out, err);
  if (schema->dictionary == NULL && (type.layout == MST_LAYOUT_BITS || type.layout == MST_LAYOUT_FIXED))
    return filter_values(&f, &type, out, err);
  if (type.layout == MST_LAYOUT_OFFSETS32 || type.layout == MST_LAYOUT_OFFSETS64)
    return filter_texts(&f, &type, out, err);
  return filter_rows(&f, schema, out, err);
}
