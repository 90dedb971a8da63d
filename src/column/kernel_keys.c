/* column/kernel_keys.c - rows' key columns as byte strings whose order is the rows' order; hashes of key columns.
 *
 * A value is a byte that says null or not (so placed as the key asks), then its bytes, highest first, signs turned so
 * that they order as unsigned ones. Texts end with two zero bytes, and a zero byte within is followed by 0xff. A struct
 * is its own byte and its fields, which are null where it is. Descending keys have the bits of their values turned
 * around. Owns: nothing but the strings. May call: base. */
#include <math.h>

#include "column/keys.h"

/* ---- columns to leaves ---------------------------------------------------------------------------------------------
 */

void mst_key_leaves_init(mst_key_leaves *l, const mst_allocator *mem) {
  *l = (mst_key_leaves){.mem = mem};
  mst_block_init(&l->list, mem);
}

void mst_key_leaves_free(mst_key_leaves *l) {
  for (size_t i = 0; i < mst_key_leaves_count(l); i++) {
    mst_array_release(&mst_key_leaf_at(l, i)->made);
    mst_free(l->mem, mst_key_leaf_at(l, i)->valid);
  }
  mst_block_free(&l->list);
}

/* The values of a dictionary-encoded or run-end encoded column, row by row. */
static mst_status look_up(const mst_key_leaves *l, const struct ArrowSchema **schema, mst_key_leaf *leaf,
                          mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArray copy = {0}, plain = {0};
  MST_TRY(mst_array_copy(l->mem, *schema, &leaf->array, &copy, err));
  MST_TRY(mst_array_plain(l->mem, *schema, &copy, &plain, err));
  while ((*schema)->dictionary != NULL || mst_text_equal((*schema)->format, "+r"))
    *schema = (*schema)->dictionary != NULL ? (*schema)->dictionary : (*schema)->children[1];
  mst_array_release(&leaf->made);
  leaf->made = plain;
  leaf->array = plain;
done:
  mst_array_release(&copy);
  return status;
}

/* The runs of a column become its rows: mst_array_gather does not take run ends. */
static mst_status spread_runs(const mst_key_leaves *l, const struct ArrowSchema **schema, mst_key_leaf *leaf,
                              mst_error *err) {
  mst_status status = MST_OK;
  const struct ArrowArray *ends = leaf->array.children[0], *values = leaf->array.children[1];
  struct ArrowArray made = {0};
  int64_t *rows = NULL, run = 0;
  mst_type type;
  MST_TRY(mst_type_parse((*schema)->children[0]->format, &type, err));
  MST_TRY_ALLOC(rows = mst_alloc_array(l->mem, (size_t)leaf->array.length + 1, sizeof *rows));
  for (int64_t i = 0; i < leaf->array.length; i++) {
    const uint8_t *p = (const uint8_t *)ends->buffers[1] + (size_t)ends->offset * type.width;
    while (run < ends->length && mst_scalar_load(&type, p + (size_t)run * type.width).as.i <= leaf->array.offset + i)
      run++;
    if (run >= values->length)
      return mst_free(l->mem, rows), mst_fail(err, MST_E_ARGUMENT, "a run-end encoded column has fewer runs than rows");
    rows[i] = run;
  }
  MST_TRY(mst_array_gather(l->mem, (*schema)->children[1], values, rows, leaf->array.length, &made, err));
  leaf->made = made;
  leaf->array = made;
  *schema = (*schema)->children[1];
done:
  mst_free(l->mem, rows);
  return status;
}

static mst_status and_valid(const mst_key_leaves *l, mst_key_leaf *leaf, const uint64_t *above, mst_error *err) {
  const size_t n = (size_t)leaf->array.length;
  const uint8_t *bitmap = leaf->array.null_count != 0 && leaf->array.n_buffers > 0 ? leaf->array.buffers[0] : NULL;
  const bool all_null = leaf->type.kind == MST_KIND_NULL;
  mst_status status = MST_OK;
  if (bitmap == NULL && above == NULL && !all_null) return MST_OK;
  MST_TRY_ALLOC(leaf->valid = mst_alloc_array(l->mem, MST_BITS_WORDS(n) + 1, sizeof *leaf->valid));
  if (all_null) mst_bits_fill(leaf->valid, n, false);
  else mst_bits_load(bitmap, leaf->array.offset, n, leaf->valid);
  if (above != NULL) mst_bits_and(leaf->valid, above, n);
done:
  return status;
}

static mst_status add_leaf(mst_key_leaves *l, const struct ArrowSchema *schema, struct ArrowArray array,
                           const uint64_t *above, const mst_sort_key *by, int depth, mst_error *err) {
  mst_status status = MST_OK;
  mst_key_leaf leaf = {.array = array, .descending = by->descending, .nulls_first = by->nulls_first};
  if (depth > MST_SCHEMA_DEPTH_MAX) return mst_fail(err, MST_E_LIMIT, "a key column nests too deep");
  if (leaf.array.null_count > 0) leaf.array.null_count = -1;
  if (mst_text_equal(schema->format, "+r")) MST_TRY(spread_runs(l, &schema, &leaf, err));
  if (schema->dictionary != NULL) MST_TRY(look_up(l, &schema, &leaf, err));
  MST_TRY(mst_type_parse(schema->format, &leaf.type, err));
  if (leaf.type.kind != MST_KIND_NULL && leaf.type.kind != MST_KIND_STRUCT &&
      mst_type_scalar(&leaf.type) == MST_SCALAR_NULL) {
    status = mst_fail(err, MST_E_UNSUPPORTED, "column \"%.80s\" of Arrow format \"%.40s\" cannot be a key",
                      schema->name != NULL ? schema->name : "", schema->format);
    goto done;
  }
  MST_TRY(and_valid(l, &leaf, above, err));
  MST_TRY(mst_block_put(&l->list, &leaf, sizeof leaf, err));
  leaf.made.release = NULL;
  above = leaf.valid;
  leaf.valid = NULL;
  for (int64_t i = 0; leaf.type.kind == MST_KIND_STRUCT && i < schema->n_children; i++) {
    struct ArrowArray field = *leaf.array.children[i];
    field.offset += leaf.array.offset;
    field.length = leaf.array.length;
    MST_TRY(add_leaf(l, schema->children[i], field, above, by, depth + 1, err));
  }
done:
  mst_array_release(&leaf.made);
  mst_free(l->mem, leaf.valid);
  return status;
}

mst_status mst_key_leaves_make(mst_key_leaves *l, const struct ArrowSchema *schema, const struct ArrowArray *batch,
                               const mst_sort_key *by, size_t n_by, mst_error *err) {
  mst_status status = MST_OK;
  for (size_t k = 0; k < n_by; k++) {
    struct ArrowArray column;
    if (by[k].column < 0 || by[k].column >= schema->n_children || by[k].column >= batch->n_children)
      return mst_fail(err, MST_E_ARGUMENT, "there is no column number %d to be a key", by[k].column);
    column = *batch->children[by[k].column];
    column.offset += batch->offset;
    column.length = batch->length;
    MST_TRY(add_leaf(l, schema->children[by[k].column], column, NULL, &by[k], 0, err));
  }
done:
  return status;
}

/* ---- values as bytes -----------------------------------------------------------------------------------------------
 */

static bool has_length(const mst_type *type) {
  return type->layout == MST_LAYOUT_OFFSETS32 || type->layout == MST_LAYOUT_OFFSETS64 ||
         type->layout == MST_LAYOUT_VIEWS;
}

/* Bytes of a value behind the one for null; of types without lengths. */
static size_t value_width(const mst_type *type) {
  if (type->layout == MST_LAYOUT_BITS) return 1;
  return type->layout == MST_LAYOUT_FIXED ? type->width : 0;
}

static bool row_valid(const mst_key_leaf *leaf, size_t i) {
  return leaf->valid == NULL || mst_bits_get(leaf->valid, i);
}

static size_t escaped_size(const uint8_t *p, size_t n) {
  size_t zeros = 0;
  for (size_t i = 0; i < n; i++) zeros += p[i] == 0;
  return n + zeros + 2;
}

/* Adds each row's bytes of this column to its size. */
static void add_sizes(const mst_key_leaf *leaf, uint64_t *sizes) {
  const size_t rows = (size_t)leaf->array.length;
  if (!has_length(&leaf->type)) {
    for (size_t i = 0; i < rows; i++) sizes[i] += 1 + value_width(&leaf->type);
    return;
  }
  for (size_t i = 0; i < rows; i++) {
    size_t n = 0;
    const uint8_t *p;
    sizes[i]++;
    if (!row_valid(leaf, i)) continue;
    p = mst_array_text(&leaf->type, &leaf->array, leaf->array.offset + (int64_t)i, &n);
    sizes[i] += escaped_size(p, n);
  }
}

static uint8_t *put_escaped(uint8_t *to, const uint8_t *p, size_t n) {
  if (n > 0 && memchr(p, 0, n) == NULL) {
    memcpy(to, p, n);
    to += n;
    n = 0;
  }
  for (size_t i = 0; i < n; i++) {
    *to++ = p[i];
    if (p[i] == 0) *to++ = 0xff;
  }
  *to++ = 0;
  *to++ = 0;
  return to;
}

/* An unsigned number that orders as the float does: one NaN behind all, one zero. */
static uint64_t float_bits(double f) {
  uint64_t bits;
  if (isnan(f)) return UINT64_MAX;
  if (f == 0) f = 0;
  memcpy(&bits, &f, sizeof bits);
  return bits >> 63 != 0 ? ~bits : bits | UINT64_C(1) << 63;
}

static uint32_t float32_bits(float f) {
  uint32_t bits;
  if (isnan(f)) return UINT32_MAX;
  if (f == 0) f = 0;
  memcpy(&bits, &f, sizeof bits);
  return bits >> 31 != 0 ? ~bits : bits | UINT32_C(1) << 31;
}

static uint16_t half_bits(uint16_t h) {
  if ((h & 0x7fff) > 0x7c00) return UINT16_MAX;
  if ((h & 0x7fff) == 0) h = 0;
  return (uint16_t)((h & 0x8000) != 0 ? ~h : h | 0x8000);
}

static void put_big_endian(uint8_t *to, uint64_t v, size_t width) {
  v <<= 8 * (8 - width);
  v = __builtin_bswap64(v);
  memcpy(to, &v, width);
}

/* Little-endian two's complement of any width. */
static void put_signed(uint8_t *to, const uint8_t *p, size_t width) {
  for (size_t i = 0; i < width; i++) to[i] = p[width - 1 - i];
  to[0] ^= 0x80;
}

static void put_fixed(const mst_type *type, const uint8_t *p, uint8_t *to) {
  float narrow;
  double wide;
  switch (type->kind) {
  case MST_KIND_HALF: put_big_endian(to, half_bits(mst_le16(p)), 2); break;
  case MST_KIND_FLOAT:
    memcpy(&narrow, p, sizeof narrow);
    put_big_endian(to, float32_bits(narrow), 4);
    break;
  case MST_KIND_DOUBLE:
    memcpy(&wide, p, sizeof wide);
    put_big_endian(to, float_bits(wide), 8);
    break;
  case MST_KIND_FIXED_BYTES:
  case MST_KIND_DAYS_MS:
  case MST_KIND_MONTH_DAY_NANO: memcpy(to, p, type->width); break;
  case MST_KIND_UINT8:
  case MST_KIND_UINT16:
  case MST_KIND_UINT32:
  case MST_KIND_UINT64: put_big_endian(to, mst_scalar_load(type, p).as.u, type->width); break;
  default: put_signed(to, p, type->width);
  }
}

static void put_column(const mst_key_leaf *leaf, uint8_t *bytes, uint64_t *at) {
  const size_t rows = (size_t)leaf->array.length, width = value_width(&leaf->type);
  const uint8_t *values =
      leaf->type.layout == MST_LAYOUT_STRUCT || leaf->type.layout == MST_LAYOUT_NULL ? NULL : leaf->array.buffers[1];
  const int64_t offset = leaf->array.offset;
  for (size_t i = 0; i < rows; i++) {
    uint8_t *to = bytes + at[i], *begin = to + 1;
    const bool valid = row_valid(leaf, i);
    *to++ = valid ? 1 : leaf->nulls_first ? 0 : 2;
    if (has_length(&leaf->type)) {
      size_t n;
      const uint8_t *p = valid ? mst_array_text(&leaf->type, &leaf->array, offset + (int64_t)i, &n) : NULL;
      if (valid) to = put_escaped(to, p, n);
    } else {
      if (!valid) memset(to, 0, width);
      else if (leaf->type.layout == MST_LAYOUT_BITS)
        *to = values[(offset + (int64_t)i) >> 3] >> ((offset + (int64_t)i) & 7) & 1;
      else if (width > 0) put_fixed(&leaf->type, values + (size_t)(offset + (int64_t)i) * width, to);
      to += width;
    }
    for (uint8_t *p = begin; leaf->descending && valid && p < to; p++) *p = (uint8_t) ~*p;
    at[i] = (uint64_t)(to - bytes);
  }
}

/* ---- keys -----------------------------------------------------------------------------------------------------------
 */

void mst_row_keys_init(mst_row_keys *keys, const mst_allocator *mem) {
  *keys = (mst_row_keys){.n = 0};
  mst_block_init(&keys->bytes, mem);
  mst_block_init(&keys->ends, mem);
}

void mst_row_keys_free(mst_row_keys *keys) {
  mst_block_free(&keys->bytes);
  mst_block_free(&keys->ends);
  keys->n = 0;
}

mst_status mst_row_keys_from(mst_row_keys *keys, const mst_key_leaves *leaves, size_t rows, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t *sizes, end = 0;
  keys->n = 0;
  keys->bytes.size = keys->ends.size = 0;
  MST_TRY(mst_block_put_zero(&keys->ends, (rows + 1) * sizeof end, err));
  sizes = (uint64_t *)(void *)keys->ends.data;
  for (size_t k = 0; k < mst_key_leaves_count(leaves); k++) add_sizes(mst_key_leaf_at(leaves, k), sizes);
  for (size_t i = 0; i < rows; i++) { /* sizes become begins */
    const uint64_t size = sizes[i];
    sizes[i] = end;
    end += size;
  }
  MST_TRY(mst_block_reserve(&keys->bytes, (size_t)end, err));
  keys->bytes.size = (size_t)end;
  mst_expect_whole(keys->bytes.data, keys->bytes.size);
  for (size_t k = 0; k < mst_key_leaves_count(leaves); k++)
    put_column(mst_key_leaf_at(leaves, k), keys->bytes.data, sizes);
  memmove(sizes + 1, sizes, rows * sizeof *sizes); /* each begin moved on to its row's end */
  sizes[0] = 0;
  keys->n = rows;
done:
  return status;
}

mst_status mst_row_keys_make(mst_row_keys *keys, const struct ArrowSchema *schema, const struct ArrowArray *batch,
                             const mst_sort_key *by, size_t n_by, mst_error *err) {
  mst_status status = MST_OK;
  mst_key_leaves leaves;
  mst_key_leaves_init(&leaves, keys->bytes.mem);
  MST_TRY(mst_key_leaves_make(&leaves, schema, batch, by, n_by, err));
  status = mst_row_keys_from(keys, &leaves, (size_t)batch->length, err);
done:
  mst_key_leaves_free(&leaves);
  return status;
}

int mst_row_key_compare(const mst_row_keys *a, size_t i, const mst_row_keys *b, size_t j) {
  size_t n, m;
  const uint8_t *p = mst_row_key(a, i, &n), *q = mst_row_key(b, j, &m);
  const int order = memcmp(p, q, mst_min_size(n, m));
  return order != 0 ? order : (n > m) - (n < m);
}

mst_status mst_row_changes(const mst_allocator *mem, const struct ArrowSchema *schema, const struct ArrowArray *batch,
                           const int32_t *columns, size_t n_columns, uint64_t *bits, mst_error *err) {
  mst_status status = MST_OK;
  mst_sort_key *by = NULL;
  mst_row_keys keys;
  mst_row_keys_init(&keys, mem);
  MST_TRY_ALLOC(by = mst_alloc_zero(mem, n_columns + 1, sizeof *by));
  for (size_t k = 0; k < n_columns; k++) by[k].column = columns[k];
  MST_TRY(mst_row_keys_make(&keys, schema, batch, by, n_columns, err));
  mst_bits_fill(bits, keys.n, false);
  for (size_t i = 0; i < keys.n; i++)
    bits[i / 64] |= (uint64_t)(i == 0 || mst_row_key_compare(&keys, i, &keys, i - 1) != 0) << (i % 64);
done:
  mst_free(mem, by);
  mst_row_keys_free(&keys);
  return status;
}

/* ---- hashes
 * ---------------------------------------------------------------------------------------------------------- */

static uint64_t hash_fixed(const mst_type *type, const uint8_t *p, uint64_t seed) {
  const mst_scalar v = mst_scalar_load(type, p);
  uint8_t bytes[32];
  double f;
  switch (v.kind) {
  case MST_SCALAR_DOUBLE:
    f = isnan(v.as.f) ? (double)NAN : v.as.f == 0 ? 0 : v.as.f;
    memcpy(bytes, &f, 8);
    if (isnan(f)) mst_put_le64(bytes, UINT64_C(0x7ff8000000000000));
    return mst_hash_bytes(bytes, 8, seed);
  case MST_SCALAR_WIDE: mst_wide_store(&v.as.wide, 32, bytes); return mst_hash_bytes(bytes, 32, seed);
  case MST_SCALAR_BYTES: return mst_hash_bytes(p, type->width, seed);
  default: mst_put_le64(bytes, v.as.u); return mst_hash_bytes(bytes, 8, seed);
  }
}

static void hash_column(const mst_key_leaf *leaf, uint64_t *hashes) {
  const size_t rows = (size_t)leaf->array.length, width = leaf->type.width;
  for (size_t i = 0; i < rows; i++) {
    const int64_t at = leaf->array.offset + (int64_t)i;
    size_t n;
    const uint8_t *p;
    if (!row_valid(leaf, i)) {
      hashes[i] = mst_hash_bytes("", 0, hashes[i] + 1);
    } else if (leaf->type.layout == MST_LAYOUT_BITS) {
      const uint8_t truth = ((const uint8_t *)leaf->array.buffers[1])[at >> 3] >> (at & 7) & 1;
      hashes[i] = mst_hash_bytes(&truth, 1, hashes[i]);
    } else if (has_length(&leaf->type)) {
      p = mst_array_text(&leaf->type, &leaf->array, at, &n);
      hashes[i] = mst_hash_bytes(p, n, hashes[i]);
    } else if (leaf->type.layout == MST_LAYOUT_FIXED) {
      hashes[i] = hash_fixed(&leaf->type, (const uint8_t *)leaf->array.buffers[1] + (size_t)at * width, hashes[i]);
    }
  }
}

mst_status mst_hash_rows(const mst_allocator *mem, const struct ArrowSchema *schema, const struct ArrowArray *batch,
                         const int32_t *columns, size_t n_columns, uint64_t *hashes, mst_error *err) {
  mst_status status = MST_OK;
  mst_key_leaves leaves;
  mst_key_leaves_init(&leaves, mem);
  for (size_t k = 0; k < n_columns; k++) {
    const mst_sort_key by = {.column = columns[k]};
    MST_TRY(mst_key_leaves_make(&leaves, schema, batch, &by, 1, err));
  }
  memset(hashes, 0, (size_t)batch->length * sizeof *hashes);
  for (size_t k = 0; k < mst_key_leaves_count(&leaves); k++) hash_column(mst_key_leaf_at(&leaves, k), hashes);
done:
  mst_key_leaves_free(&leaves);
  return status;
}
