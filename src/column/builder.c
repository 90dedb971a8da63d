/* column/builder.c - columns that grow value by value, nested ones included.
 *
 * Owns: a builder and what it holds, until it is taken. May call: base. */
#include "column/block.h"
#include "column/column.h"

struct mst_builder {
  const mst_allocator *mem;
  char *name, *format;
  mst_type type;
  int64_t length, nulls;
  mst_block valid;   /* bits; empty until the first null */
  mst_block values;  /* fixed-width values, bits, or bytes */
  mst_block offsets; /* length + 1 of them once anything was appended */
  mst_builder **children;
  size_t n_children;
};

void mst_builder_free(mst_builder *b) {
  size_t i;
  if (b == NULL) return;
  for (i = 0; i < b->n_children; i++) mst_builder_free(b->children[i]);
  mst_free(b->mem, b->children);
  mst_block_free(&b->valid);
  mst_block_free(&b->values);
  mst_block_free(&b->offsets);
  mst_free(b->mem, b->name);
  mst_free(b->mem, b->format);
  mst_free(b->mem, b);
}

static mst_status make_node(const mst_allocator *mem, const char *name, const char *format, size_t n_children,
                            mst_builder **out, mst_error *err) {
  mst_status status = MST_OK;
  int64_t children;
  mst_builder *b = mst_alloc_zero(mem, 1, sizeof *b);
  if (b == NULL) return mst_fail_memory(err);
  b->mem = mem;
  mst_block_init(&b->valid, mem);
  mst_block_init(&b->values, mem);
  mst_block_init(&b->offsets, mem);
  MST_TRY_ALLOC(b->name = mst_text_copy(mem, name != NULL ? name : ""));
  MST_TRY_ALLOC(b->format = mst_text_copy(mem, format != NULL ? format : ""));
  MST_TRY(mst_type_parse(b->format, &b->type, err));
  children = mst_type_children(&b->type);
  switch (b->type.layout) {
  case MST_LAYOUT_VIEWS:
  case MST_LAYOUT_LISTVIEW32:
  case MST_LAYOUT_LISTVIEW64:
  case MST_LAYOUT_DENSE:
  case MST_LAYOUT_SPARSE:
  case MST_LAYOUT_RUN_END:
    status = mst_fail(err, MST_E_UNSUPPORTED, "columns of format \"%s\" cannot be built", b->format);
    goto done;
  default: break;
  }
  if (children >= 0 && (int64_t)n_children != children) {
    status = mst_fail(err, MST_E_ARGUMENT, "field \"%s\" of format \"%s\" needs %lld children, not %zu", b->name,
                      b->format, (long long)children, n_children);
    goto done;
  }
  MST_TRY_ALLOC(b->children = mst_alloc_zero(mem, n_children + 1, sizeof *b->children));
  *out = b;
  return MST_OK;
done:
  mst_builder_free(b);
  return status;
}

mst_status mst_builder_new(const mst_allocator *mem, const mst_field *field, mst_builder **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_builder *b = NULL;
  MST_TRY(make_node(mem, field->name, field->format, field->n_children, &b, err));
  for (; b->n_children < field->n_children; b->n_children++)
    MST_TRY(mst_builder_new(mem, &field->children[b->n_children], &b->children[b->n_children], err));
  *out = b;
  return MST_OK;
done:
  mst_builder_free(b);
  return status;
}

mst_status mst_builder_from_schema(const mst_allocator *mem, const struct ArrowSchema *field, mst_builder **out,
                                   mst_error *err) {
  mst_status status = MST_OK;
  mst_builder *b = NULL;
  if (field->dictionary != NULL) return mst_builder_from_schema(mem, field->dictionary, out, err);
  MST_TRY(make_node(mem, field->name, field->format, (size_t)field->n_children, &b, err));
  for (; b->n_children < (size_t)field->n_children; b->n_children++)
    MST_TRY(mst_builder_from_schema(mem, field->children[b->n_children], &b->children[b->n_children], err));
  *out = b;
  return MST_OK;
done:
  mst_builder_free(b);
  return status;
}

static mst_status wrong_kind(const mst_builder *b, const char *what, mst_error *err) {
  return mst_fail(err, MST_E_INTERNAL, "%s was appended to column \"%s\" of format \"%s\"", what, b->name, b->format);
}

/* Room for bit `length`; whole bytes are zero when they are new. */
static mst_status grow_bits(mst_block *bits, int64_t length, mst_error *err) {
  size_t need = (size_t)length / 8 + 1;
  return bits->size >= need ? MST_OK : mst_block_put_zero(bits, need - bits->size, err);
}

static void set_bit(mst_block *bits, int64_t i) { bits->data[i >> 3] |= (uint8_t)(1u << (i & 7)); }

/* The validity of the row that is being appended; the row counts when length grows. */
static mst_status put_valid(mst_builder *b, mst_error *err) {
  mst_status status = MST_OK;
  if (b->nulls == 0) return MST_OK;
  MST_TRY(grow_bits(&b->valid, b->length, err));
  set_bit(&b->valid, b->length);
done:
  return status;
}

static mst_status put_invalid(mst_builder *b, mst_error *err) {
  mst_status status = MST_OK;
  int64_t i;
  bool first = b->nulls == 0;
  MST_TRY(grow_bits(&b->valid, b->length, err));
  if (first) {
    memset(b->valid.data, 0xff, (size_t)b->length / 8);
    for (i = b->length & ~(int64_t)7; i < b->length; i++) set_bit(&b->valid, i);
  }
done:
  return status;
}

static bool is_list(const mst_builder *b) {
  return b->type.layout == MST_LAYOUT_LIST32 || b->type.layout == MST_LAYOUT_LIST64;
}

static bool wide_offsets(const mst_builder *b) {
  return b->type.layout == MST_LAYOUT_OFFSETS64 || b->type.layout == MST_LAYOUT_LIST64;
}

/* The end of the row that is being appended, behind a leading zero. */
static mst_status put_offset(mst_builder *b, uint64_t end, mst_error *err) {
  mst_status status = MST_OK;
  int32_t narrow = (int32_t)end;
  if (!wide_offsets(b)) {
    if (end > INT32_MAX)
      return mst_fail(err, MST_E_LIMIT, "column \"%s\" outgrows 32-bit offsets in one batch", b->name);
    if (b->offsets.size == 0) MST_TRY(mst_block_put_zero(&b->offsets, sizeof narrow, err));
    MST_TRY(mst_block_put(&b->offsets, &narrow, sizeof narrow, err));
  } else {
    if (b->offsets.size == 0) MST_TRY(mst_block_put_zero(&b->offsets, sizeof end, err));
    MST_TRY(mst_block_put(&b->offsets, &end, sizeof end, err));
  }
done:
  return status;
}

static mst_status null_children(mst_builder *b, mst_error *err) {
  mst_status status = MST_OK;
  size_t i;
  int32_t k;
  if (b->type.layout == MST_LAYOUT_STRUCT)
    for (i = 0; i < b->n_children; i++) MST_TRY(mst_builder_null(b->children[i], err));
  if (b->type.layout == MST_LAYOUT_FIXED_LIST)
    for (k = 0; k < b->type.size; k++) MST_TRY(mst_builder_null(b->children[0], err));
done:
  return status;
}

mst_status mst_builder_null(mst_builder *b, mst_error *err) {
  mst_status status = MST_OK;
  if (b->type.layout != MST_LAYOUT_NULL) MST_TRY(put_invalid(b, err));
  switch (b->type.layout) {
  case MST_LAYOUT_BITS: MST_TRY(grow_bits(&b->values, b->length, err)); break;
  case MST_LAYOUT_FIXED: MST_TRY(mst_block_put_zero(&b->values, b->type.width, err)); break;
  case MST_LAYOUT_OFFSETS32:
  case MST_LAYOUT_OFFSETS64: MST_TRY(put_offset(b, b->values.size, err)); break;
  case MST_LAYOUT_LIST32:
  case MST_LAYOUT_LIST64: MST_TRY(put_offset(b, mst_builder_length(b->children[0]), err)); break;
  default: MST_TRY(null_children(b, err)); break;
  }
  b->nulls++;
  b->length++;
done:
  return status;
}

mst_status mst_builder_bool(mst_builder *b, bool v, mst_error *err) {
  mst_status status = MST_OK;
  if (b->type.layout != MST_LAYOUT_BITS) return wrong_kind(b, "a bool", err);
  MST_TRY(grow_bits(&b->values, b->length, err));
  MST_TRY(put_valid(b, err));
  if (v) set_bit(&b->values, b->length);
  b->length++;
done:
  return status;
}

static mst_status put_fixed(mst_builder *b, const void *value, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(put_valid(b, err));
  MST_TRY(mst_block_put(&b->values, value, b->type.width, err));
  b->length++;
done:
  return status;
}

static bool fits(const mst_type *type, bool negative, uint64_t magnitude) {
  uint32_t bits = type->width * 8;
  uint64_t top = UINT64_MAX >> (64 - bits);
  if (!mst_type_is_signed(type) && type->kind != MST_KIND_MONTHS) return !negative && magnitude <= top;
  return magnitude <= top / 2 + (negative ? 1 : 0);
}

static bool takes_integers(const mst_type *type) {
  return mst_type_is_integer(type) || mst_type_is_temporal(type) || type->kind == MST_KIND_MONTHS;
}

mst_status mst_builder_i64(mst_builder *b, int64_t v, mst_error *err) {
  if (!takes_integers(&b->type)) return wrong_kind(b, "an integer", err);
  if (!fits(&b->type, v < 0, v < 0 ? 0 - (uint64_t)v : (uint64_t)v))
    return mst_fail(err, MST_E_ARGUMENT, "%lld does not fit column \"%s\" of format \"%s\"", (long long)v, b->name,
                    b->format);
  return put_fixed(b, &v, err); /* little-endian: the low bytes come first */
}

mst_status mst_builder_u64(mst_builder *b, uint64_t v, mst_error *err) {
  if (!takes_integers(&b->type)) return wrong_kind(b, "an integer", err);
  if (!fits(&b->type, false, v))
    return mst_fail(err, MST_E_ARGUMENT, "%llu does not fit column \"%s\" of format \"%s\"", (unsigned long long)v,
                    b->name, b->format);
  return put_fixed(b, &v, err);
}

mst_status mst_builder_f64(mst_builder *b, double v, mst_error *err) {
  float narrow;
  if (b->type.kind == MST_KIND_DOUBLE) return put_fixed(b, &v, err);
  if (b->type.kind != MST_KIND_FLOAT) return wrong_kind(b, "a floating-point number", err);
  narrow = (float)v;
  return put_fixed(b, &narrow, err);
}

mst_status mst_builder_bytes(mst_builder *b, const void *data, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  if (b->type.kind == MST_KIND_FIXED_BYTES || b->type.kind == MST_KIND_DECIMAL) {
    if (n != b->type.width)
      return mst_fail(err, MST_E_ARGUMENT, "%zu bytes do not fit column \"%s\" of format \"%s\"", n, b->name,
                      b->format);
    return put_fixed(b, data, err);
  }
  if (b->type.layout != MST_LAYOUT_OFFSETS32 && b->type.layout != MST_LAYOUT_OFFSETS64)
    return wrong_kind(b, "a byte string", err);
  MST_TRY(mst_block_reserve(&b->values, n, err));
  MST_TRY(put_valid(b, err));
  MST_TRY(put_offset(b, b->values.size + n, err));
  if (n > 0) memcpy(b->values.data + b->values.size, data, n);
  b->values.size += n;
  b->length++;
done:
  return status;
}

mst_status mst_builder_fixed(mst_builder *b, const void *values, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  size_t size, i;
  if (b->type.layout != MST_LAYOUT_FIXED) return wrong_kind(b, "a run of fixed-width values", err);
  if (!mst_mul_size(n, b->type.width, &size)) return mst_fail_memory(err);
  if (n == 0) return MST_OK;
  if (b->nulls > 0) MST_TRY(grow_bits(&b->valid, b->length + (int64_t)n - 1, err));
  MST_TRY(mst_block_put(&b->values, values, size, err));
  for (i = 0; b->nulls > 0 && i < n; i++) set_bit(&b->valid, b->length + (int64_t)i);
  b->length += (int64_t)n;
done:
  return status;
}

/* Sets bit at + i for each byte i that is not 0 (all of them when `bytes` is NULL); whole bytes of bits are made in one go. */
static void or_bits(uint8_t *bits, size_t at, const uint8_t *bytes, size_t n) {
  size_t i = 0;
  for (; i < n && (at + i) % 8 != 0; i++)
    if (bytes == NULL || bytes[i] != 0) bits[(at + i) / 8] |= (uint8_t)(1u << ((at + i) % 8));
  for (; n - i >= 8; i += 8) {
    uint64_t eight = UINT64_MAX;
    if (bytes != NULL) {
      eight = mst_le64(bytes + i);
      eight |= (eight & 0x7f7f7f7f7f7f7f7f) + 0x7f7f7f7f7f7f7f7f; /* the high bit of each byte: not 0 */
    }
    bits[(at + i) / 8] = (uint8_t)(((eight >> 7 & 0x0101010101010101) * 0x0102040810204080) >> 56);
  }
  for (; i < n; i++)
    if (bytes == NULL || bytes[i] != 0) bits[(at + i) / 8] |= (uint8_t)(1u << ((at + i) % 8));
}

/* Validity of the n rows that are being appended; lengths and null counts stay as they are. */
static mst_status put_valid_rows(mst_builder *b, const uint8_t *valid, size_t n, size_t nulls, mst_error *err) {
  mst_status status = MST_OK;
  if (b->nulls + (int64_t)nulls == 0 || n == 0) return MST_OK;
  if (b->nulls == 0) MST_TRY(put_invalid(b, err)); /* makes the bits of all rows in front */
  MST_TRY(grow_bits(&b->valid, b->length + (int64_t)n - 1, err));
  or_bits(b->valid.data, (size_t)b->length, valid, n);
done:
  return status;
}

static size_t count_nulls(const uint8_t *valid, size_t n) {
  size_t set = 0, i = 0;
  if (valid == NULL) return 0;
  for (; n - i >= 8; i += 8) {
    const uint64_t eight = mst_le64(valid + i);
    /* one bit of each byte that is not 0, added up in the highest */
    set += (size_t)((((((eight & 0x7f7f7f7f7f7f7f7f) + 0x7f7f7f7f7f7f7f7f) | eight) >> 7 & 0x0101010101010101) * 0x0101010101010101) >> 56);
  }
  for (; i < n; i++) set += valid[i] != 0;
  return n - set;
}

mst_status mst_builder_values(mst_builder *b, const void *values, const uint8_t *valid, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  const size_t nulls = count_nulls(valid, n);
  const uint8_t *bytes = values;
  size_t size;
  if (n == 0) return MST_OK;
  if (b->type.layout == MST_LAYOUT_BITS) {
    MST_TRY(grow_bits(&b->values, b->length + (int64_t)n - 1, err));
    MST_TRY(put_valid_rows(b, valid, n, nulls, err));
    or_bits(b->values.data, (size_t)b->length, bytes, n);
  } else if (b->type.layout == MST_LAYOUT_FIXED) {
    if (!mst_mul_size(n, b->type.width, &size)) return mst_fail_memory(err);
    MST_TRY(mst_block_reserve(&b->values, size, err));
    MST_TRY(put_valid_rows(b, valid, n, nulls, err));
    MST_TRY(mst_block_put(&b->values, values, size, err));
  } else {
    return wrong_kind(b, "a run of values", err);
  }
  b->nulls += (int64_t)nulls;
  b->length += (int64_t)n;
done:
  return status;
}

/* Most texts are short, and a call costs more than they do. */
static inline void copy_short(uint8_t *to, const uint8_t *from, size_t n) {
  if (n > 16) {
    memcpy(to, from, n);
  } else if (n >= 8) {
    uint64_t first, last;
    memcpy(&first, from, 8);
    memcpy(&last, from + n - 8, 8);
    memcpy(to, &first, 8);
    memcpy(to + n - 8, &last, 8);
  } else if (n >= 4) {
    uint32_t first, last;
    memcpy(&first, from, 4);
    memcpy(&last, from + n - 4, 4);
    memcpy(to, &first, 4);
    memcpy(to + n - 4, &last, 4);
  } else if (n > 0) {
    to[0] = from[0];
    to[n / 2] = from[n / 2];
    to[n - 1] = from[n - 1];
  }
}

/* Room for n more ends, behind a leading zero. */
static mst_status reserve_offsets(mst_builder *b, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  const size_t width = wide_offsets(b) ? 8 : 4;
  if (b->offsets.size == 0) MST_TRY(mst_block_put_zero(&b->offsets, width, err));
  MST_TRY(mst_block_reserve(&b->offsets, n * width, err));
done:
  return status;
}

/* Room was reserved, and the end fits. */
static inline void push_offset(mst_builder *b, uint64_t end) {
  const int32_t narrow = (int32_t)end;
  if (wide_offsets(b))
    memcpy(b->offsets.data + b->offsets.size, &end, sizeof end);
  else
    memcpy(b->offsets.data + b->offsets.size, &narrow, sizeof narrow);
  b->offsets.size += wide_offsets(b) ? sizeof end : sizeof narrow;
}

static mst_status too_wide(const mst_builder *b, mst_error *err) {
  return mst_fail(err, MST_E_LIMIT, "column \"%s\" outgrows 32-bit offsets in one batch", b->name);
}

mst_status mst_builder_texts(mst_builder *b, const uint8_t *bytes, const uint32_t *ends, const uint8_t *valid, size_t n,
                             mst_error *err) {
  mst_status status = MST_OK;
  const size_t size = n > 0 ? ends[n - 1] : 0, nulls = count_nulls(valid, n);
  const uint64_t base = b->values.size;
  if (b->type.layout != MST_LAYOUT_OFFSETS32 && b->type.layout != MST_LAYOUT_OFFSETS64)
    return wrong_kind(b, "a run of texts", err);
  if (!wide_offsets(b) && base + size > INT32_MAX) return too_wide(b, err);
  MST_TRY(reserve_offsets(b, n, err));
  MST_TRY(mst_block_reserve(&b->values, size, err));
  MST_TRY(put_valid_rows(b, valid, n, nulls, err));
  MST_TRY(mst_block_put(&b->values, bytes, size, err));
  if (wide_offsets(b)) {
    for (size_t i = 0; i < n; i++) push_offset(b, base + ends[i]);
  } else {
    int32_t *to = (int32_t *)(void *)(b->offsets.data + b->offsets.size);
    for (size_t i = 0; i < n; i++) to[i] = (int32_t)(base + ends[i]);
    b->offsets.size += n * sizeof *to;
  }
  b->nulls += (int64_t)nulls;
  b->length += (int64_t)n;
done:
  return status;
}

mst_status mst_builder_spans(mst_builder *b, const mst_span *items, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  size_t size = 0, nulls = 0, i;
  uint8_t *to;
  if (b->type.layout != MST_LAYOUT_OFFSETS32 && b->type.layout != MST_LAYOUT_OFFSETS64)
    return wrong_kind(b, "a run of byte strings", err);
  for (i = 0; i < n; i++) {
    nulls += items[i].data == NULL;
    if (items[i].data != NULL && !mst_add_size(size, items[i].size, &size)) return mst_fail_memory(err);
  }
  if (!wide_offsets(b) && size > INT32_MAX - mst_min_size(b->values.size, INT32_MAX)) return too_wide(b, err);
  MST_TRY(mst_block_reserve(&b->values, size, err));
  MST_TRY(reserve_offsets(b, n, err));
  for (i = 0; i < n && (nulls > 0 || b->nulls > 0); i++) {
    if (items[i].data != NULL)
      MST_TRY(put_valid(b, err));
    else
      MST_TRY(put_invalid(b, err));
    b->nulls += items[i].data == NULL;
    b->length++;
  }
  if (nulls == 0 && b->nulls == 0) b->length += (int64_t)n;
  to = b->values.data + b->values.size;
  for (i = 0; i < n; i++) {
    if (items[i].data != NULL) {
      copy_short(to, items[i].data, items[i].size);
      to += items[i].size;
    }
    push_offset(b, (uint64_t)(to - b->values.data));
  }
  b->values.size = (size_t)(to - b->values.data);
done:
  return status;
}

mst_status mst_builder_lists(mst_builder *b, const uint64_t *ends, const uint8_t *valid, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  const size_t nulls = count_nulls(valid, n);
  if (!is_list(b)) return wrong_kind(b, "a run of lists", err);
  if (n > 0 && !wide_offsets(b) && ends[n - 1] > INT32_MAX) return too_wide(b, err);
  MST_TRY(reserve_offsets(b, n, err));
  MST_TRY(put_valid_rows(b, valid, n, nulls, err));
  if (wide_offsets(b)) {
    for (size_t i = 0; i < n; i++) push_offset(b, ends[i]);
  } else {
    int32_t *to = (int32_t *)(void *)(b->offsets.data + b->offsets.size);
    for (size_t i = 0; i < n; i++) to[i] = (int32_t)ends[i];
    b->offsets.size += n * sizeof *to;
  }
  b->nulls += (int64_t)nulls;
  b->length += (int64_t)n;
done:
  return status;
}

mst_status mst_builder_structs(mst_builder *b, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  if (b->type.layout != MST_LAYOUT_STRUCT) return wrong_kind(b, "a run of structs", err);
  for (size_t i = 0; i < b->n_children; i++)
    if (b->children[i]->length != b->length + (int64_t)n)
      return mst_fail(err, MST_E_INTERNAL, "%zu rows of column \"%s\" were closed with %lld values in child \"%s\", not %lld", n,
                      b->name, (long long)b->children[i]->length, b->children[i]->name, (long long)b->length + (long long)n);
  MST_TRY(put_valid_rows(b, NULL, n, 0, err));
  b->length += (int64_t)n;
done:
  return status;
}

mst_builder *mst_builder_child(mst_builder *b, size_t i) {
  mst_assert(i < b->n_children);
  return b->children[i];
}

mst_status mst_builder_close(mst_builder *b, mst_error *err) {
  mst_status status = MST_OK;
  size_t i;
  int64_t want = b->length + 1;
  if (is_list(b)) {
    MST_TRY(put_valid(b, err));
    MST_TRY(put_offset(b, mst_builder_length(b->children[0]), err));
  } else if (b->type.layout == MST_LAYOUT_STRUCT || b->type.layout == MST_LAYOUT_FIXED_LIST) {
    if (b->type.layout == MST_LAYOUT_FIXED_LIST) want *= b->type.size;
    for (i = 0; i < b->n_children; i++)
      if (b->children[i]->length != want)
        return mst_fail(
            err, MST_E_INTERNAL, "row %lld of column \"%s\" was closed with %lld values in child \"%s\", not %lld",
            (long long)b->length, b->name, (long long)b->children[i]->length, b->children[i]->name, (long long)want);
    MST_TRY(put_valid(b, err));
  } else {
    return wrong_kind(b, "a list or struct", err);
  }
  b->length++;
done:
  return status;
}

size_t mst_builder_length(const mst_builder *b) { return (size_t)b->length; }

size_t mst_builder_bytes_held(const mst_builder *b) {
  size_t total = b->valid.size + b->values.size + b->offsets.size, i;
  for (i = 0; i < b->n_children; i++) total += mst_builder_bytes_held(b->children[i]);
  return total;
}

/* Moves the buffers out in the layout's order. */
static void take_buffers(mst_builder *b, mst_bytes buffers[3], size_t *n) {
  *n = (size_t)mst_type_buffers(&b->type);
  if (*n == 0) return;
  buffers[0] = (mst_bytes){0};
  if (b->nulls > 0) mst_block_take(&b->valid, &buffers[0]);
  if (*n == 3) {
    mst_block_take(&b->offsets, &buffers[1]);
    mst_block_take(&b->values, &buffers[2]);
  } else if (*n == 2) {
    mst_block_take(is_list(b) ? &b->offsets : &b->values, &buffers[1]);
  }
}

mst_status mst_builder_take(mst_builder *b, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_bytes buffers[3];
  mst_array_parts parts = {.length = b->length, .null_count = b->nulls, .buffers = buffers};
  struct ArrowArray *children = NULL;
  size_t i, taken = 0;
  if (b->n_children > 0) MST_TRY_ALLOC(children = mst_alloc_zero(b->mem, b->n_children, sizeof *children));
  for (; taken < b->n_children; taken++) MST_TRY(mst_builder_take(b->children[taken], &children[taken], err));
  take_buffers(b, buffers, &parts.n_buffers);
  parts.children = children;
  parts.n_children = b->n_children;
  b->length = 0;
  b->nulls = 0;
  status = mst_array_make(b->mem, &parts, out, err);
  taken = 0;
done:
  for (i = 0; i < taken; i++) mst_array_release(&children[i]);
  mst_free(b->mem, children);
  return status;
}

mst_status mst_batch_take(const mst_allocator *mem, mst_builder *const *columns, size_t n, struct ArrowArray *out,
                          mst_error *err) {
  mst_status status = MST_OK;
  mst_bytes no_validity = {0};
  struct ArrowArray *children = NULL;
  mst_array_parts parts = {.buffers = &no_validity, .n_buffers = 1, .n_children = n};
  size_t i, taken = 0;
  for (i = 0; i < n; i++)
    if (columns[i]->length != columns[0]->length)
      return mst_fail(err, MST_E_INTERNAL, "columns of one batch differ: \"%s\" has %lld rows, \"%s\" has %lld",
                      columns[0]->name, (long long)columns[0]->length, columns[i]->name, (long long)columns[i]->length);
  MST_TRY_ALLOC(children = mst_alloc_zero(mem, n + 1, sizeof *children));
  parts.length = n > 0 ? columns[0]->length : 0;
  for (; taken < n; taken++) MST_TRY(mst_builder_take(columns[taken], &children[taken], err));
  parts.children = children;
  status = mst_array_make(mem, &parts, out, err);
  taken = 0;
done:
  for (i = 0; i < taken; i++) mst_array_release(&children[i]);
  mst_free(mem, children);
  return status;
}
