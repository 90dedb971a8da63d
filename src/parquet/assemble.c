/* parquet/assemble.c - lists and structs out of levels.
 *
 * Owns: nothing. May call: base, column. */
#include "parquet/assemble.h"

/* What one node of the field tree gives to its array. */
typedef struct slots {
  mst_block valid, offsets;
  int64_t n, nulls, items;
} slots;

static const mst_pq_field *first_leaf(const mst_pq_field *field) {
  while (field->n_children > 0) field = &field->children[0];
  return field;
}

/* How many slots there are, and how many of them are null. */
static void count_slots(const mst_pq_field *field, const mst_pq_decoded *d, const mst_pq_kernels *kernels, slots *s) {
  size_t n = kernels->count_slots(d->rep.data, d->def.data, d->def.size, field->parent_rep, field->parent_def);
  s->n = (int64_t)n;
  if (field->nullable)
    s->nulls =
        (int64_t)(n - kernels->count_slots(d->rep.data, d->def.data, d->def.size, field->parent_rep, field->def));
}

/* Writes the beginnings of the lists, whose slots begin at the bits of `begins` and whose items are those of `items`.
 */
#define PUT_STARTS(type)                                                                     \
  do {                                                                                       \
    type *starts = (type *)(void *)s->offsets.data;                                          \
    for (bits = begins; bits != 0; bits &= bits - 1)                                         \
      starts[n++] = (type)(total + __builtin_popcountll(items & ((bits & (0 - bits)) - 1))); \
  } while (0)

/* One pass over 64 entries at a time: most begin no slot, and which ones do cannot be predicted. */
static mst_status scan_slots(const mst_pq_field *field, const mst_pq_decoded *d, const mst_pq_kernels *kernels,
                             slots *s, mst_error *err) {
  mst_status status = MST_OK;
  const uint8_t *def = d->def.data, *rep = d->rep.data;
  bool list = field->kind != MST_KIND_STRUCT;
  size_t i, n = 0, at = 0, each = field->large ? 8 : 4;
  int64_t total = 0;
  uint64_t begins, valid = 0, items = 0, bits, word = 0;
  if (list) MST_TRY(mst_block_put_zero(&s->offsets, ((size_t)s->n + 1) * each, err));
  if (s->nulls > 0) MST_TRY(mst_block_put_zero(&s->valid, ((size_t)s->n + 63) / 64 * 8, err));
  for (i = 0; i < d->def.size; i += 64) {
    size_t k = mst_min_size(d->def.size - i, 64);
    kernels->mask_slots(rep + i, def + i, k, field->parent_rep, field->parent_def, &begins);
    if (list) kernels->mask_slots(rep + i, def + i, k, field->rep, (uint8_t)(field->def + 1), &items);
    if (i == 0 && (items & ((begins & (0 - begins)) - 1)) != 0)
      return mst_fail(err, MST_E_CORRUPT, "the levels of \"%s\" begin inside a list", field->name);
    if (list && field->large) {
      PUT_STARTS(int64_t);
    } else if (list) {
      PUT_STARTS(int32_t);
    }
    total += __builtin_popcountll(items);
    if (s->nulls == 0) continue;
    kernels->mask_slots(rep + i, def + i, k, field->parent_rep, field->def, &valid);
    for (bits = begins; bits != 0; bits &= bits - 1) {
      word |= (uint64_t)((valid & bits & (0 - bits)) != 0) << (at & 63);
      if ((++at & 63) != 0) continue;
      mst_put_le64(s->valid.data + at / 8 - 8, word);
      word = 0;
    }
  }
  if ((at & 63) != 0) mst_put_le64(s->valid.data + at / 64 * 8, word);
  s->items = total;
  if (!list) return MST_OK;
  if (field->large) mst_put_le64(s->offsets.data + 8 * (size_t)s->n, (uint64_t)total);
  if (!field->large) mst_put_le32(s->offsets.data + 4 * (size_t)s->n, (uint32_t)total);
  if (!field->large && total > INT32_MAX)
    return mst_fail(err, MST_E_LIMIT, "the lists of \"%s\" hold more than 2^31 items in one batch", field->name);
done:
  return status;
}

/* The bytes of slot `i` of a leaf of byte strings. */
static const uint8_t *slot_bytes(const mst_pq_field *field, const mst_pq_decoded *d, int64_t i, size_t *n) {
  const uint8_t *ends = d->ends.data;
  uint64_t first = field->large ? mst_le64(ends + 8 * i) : mst_le32(ends + 4 * i);
  uint64_t end = field->large ? mst_le64(ends + 8 * (i + 1)) : mst_le32(ends + 4 * (i + 1));
  *n = (size_t)(end - first);
  return d->values.data + first;
}

static bool slot_valid(const mst_pq_decoded *d, int64_t i) {
  return d->nulls == 0 || (d->valid.data[i >> 3] >> (i & 7) & 1) != 0;
}

/* Distinct values as an array of the dictionary's type. */
static mst_status make_dictionary_values(const mst_allocator *mem, const mst_pq_field *field, mst_intern *in,
                                         struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_block ends;
  mst_bytes buffers[3] = {{0}};
  mst_array_parts parts = {.length = in->n, .buffers = buffers, .n_buffers = 3};
  uint64_t end = 0;
  uint32_t i;
  mst_block_init(&ends, mem);
  MST_TRY(mst_block_reserve(&ends, ((size_t)in->n + 1) * 8, err));
  for (i = 0; i <= in->n; i++) {
    if (i > 0) end = mst_le64(in->ends.data + 8 * (size_t)(i - 1));
    if (field->large) mst_put_le64(ends.data + 8 * (size_t)i, end);
    if (!field->large) mst_put_le32(ends.data + 4 * (size_t)i, (uint32_t)end);
  }
  ends.size = ((size_t)in->n + 1) * (field->large ? 8 : 4);
  mst_block_take(&ends, &buffers[1]);
  mst_block_take(&in->values, &buffers[2]);
  status = mst_array_make(mem, &parts, out, err);
done:
  mst_block_free(&ends);
  return status;
}

static mst_status put_indices(const mst_pq_field *field, const mst_pq_decoded *d, mst_intern *in, mst_block *indices,
                              mst_error *err) {
  mst_status status = MST_OK;
  char last = field->index_format[0];
  bool is_signed = last >= 'a';
  uint64_t most = UINT64_MAX >> (64 - 8 * field->index_width + (is_signed ? 1 : 0));
  int64_t i;
  uint32_t number;
  size_t n;
  for (i = 0; i < d->slots; i++) {
    uint64_t v = 0;
    if (slot_valid(d, i)) {
      const uint8_t *p = slot_bytes(field, d, i, &n);
      MST_TRY(mst_intern_bytes(in, p, n, &number, err));
      v = number;
    }
    MST_TRY(mst_block_put(indices, &v, field->index_width, err));
  }
  if (in->n > 0 && in->n - 1u > most)
    status = mst_fail(err, MST_E_LIMIT,
                      "column \"%s\" has %u distinct values, more than its dictionary indices of %u bytes can number",
                      field->name, in->n, field->index_width);
done:
  return status;
}

static mst_status make_dictionary(const mst_allocator *mem, const mst_pq_field *field, mst_pq_decoded *d,
                                  struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_intern in;
  mst_block indices;
  mst_bytes buffers[2] = {{0}};
  struct ArrowArray values = {0};
  mst_array_parts parts = {.length = d->slots,
                           .null_count = field->nullable ? d->nulls : 0,
                           .buffers = buffers,
                           .n_buffers = 2,
                           .dictionary = &values};
  mst_intern_init(&in, mem);
  mst_block_init(&indices, mem);
  MST_TRY(put_indices(field, d, &in, &indices, err));
  MST_TRY(make_dictionary_values(mem, field, &in, &values, err));
  if (d->nulls > 0 && field->nullable) mst_block_take(&d->valid, &buffers[0]);
  mst_block_take(&indices, &buffers[1]);
  status = mst_array_make(mem, &parts, out, err);
done:
  mst_intern_free(&in);
  mst_block_free(&indices);
  return status;
}

static mst_status make_views(const mst_allocator *mem, const mst_pq_field *field, mst_pq_decoded *d,
                             struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_block views, sizes;
  mst_bytes buffers[4] = {{0}};
  mst_array_parts parts = {
      .length = d->slots, .null_count = field->nullable ? d->nulls : 0, .buffers = buffers, .n_buffers = 4};
  uint64_t size = d->values.size;
  int64_t i;
  size_t n;
  mst_block_init(&views, mem);
  mst_block_init(&sizes, mem);
  MST_TRY(mst_block_put_zero(&views, (size_t)d->slots * 16, err));
  MST_TRY(mst_block_put(&sizes, &size, 8, err));
  for (i = 0; i < d->slots; i++) {
    const uint8_t *p = slot_bytes(field, d, i, &n);
    mst_view_put(views.data + 16 * i, p, n, 0, (uint32_t)(p - d->values.data));
  }
  if (d->nulls > 0 && field->nullable) mst_block_take(&d->valid, &buffers[0]);
  mst_block_take(&views, &buffers[1]);
  mst_block_take(&d->values, &buffers[2]);
  mst_block_take(&sizes, &buffers[3]);
  status = mst_array_make(mem, &parts, out, err);
done:
  mst_block_free(&views);
  mst_block_free(&sizes);
  return status;
}

static mst_status make_leaf(const mst_allocator *mem, const mst_pq_field *field, mst_pq_decoded *d,
                            struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_bytes buffers[3] = {{0}};
  mst_array_parts parts = {
      .length = d->slots, .null_count = field->nullable ? d->nulls : 0, .buffers = buffers, .n_buffers = 2};
  if (field->conv == MST_PQ_CONV_NOTHING) {
    parts.n_buffers = 0;
    parts.null_count = d->slots;
    return mst_array_make(mem, &parts, out, err);
  }
  if (field->conv == MST_PQ_CONV_BYTES) {
    if (d->ends.size == 0) MST_TRY(mst_block_put_zero(&d->ends, field->large ? 8 : 4, err));
    if (field->index_format != NULL) return make_dictionary(mem, field, d, out, err);
    if (field->layout == MST_LAYOUT_VIEWS) return make_views(mem, field, d, out, err);
  }
  if (d->nulls > 0 && field->nullable) mst_block_take(&d->valid, &buffers[0]);
  if (field->conv == MST_PQ_CONV_BYTES) {
    mst_block_take(&d->ends, &buffers[1]);
    mst_block_take(&d->values, &buffers[2]);
    parts.n_buffers = 3;
  } else {
    mst_block_take(&d->values, &buffers[1]);
  }
  status = mst_array_make(mem, &parts, out, err);
done:
  return status;
}

static mst_status make_children(const mst_allocator *mem, const mst_pq_field *field, mst_pq_column_in *columns,
                                int64_t want, struct ArrowArray *children, uint32_t *made, mst_error *err) {
  mst_status status = MST_OK;
  uint32_t i;
  for (i = 0; i < field->n_children; i++) {
    MST_TRY(mst_pq_assemble(mem, &field->children[i], columns, UINT64_MAX, &children[i], err));
    *made = i + 1;
    if (children[i].length != want)
      return mst_fail(err, MST_E_CORRUPT, "\"%s\" holds %lld values of \"%s\", but its levels say %lld", field->name,
                      (long long)children[i].length, field->children[i].name, (long long)want);
  }
done:
  return status;
}

/* Items of a fixed-size list: every row that is there must have its size; nulls get items of their own. */
static mst_status pad_fixed(const mst_allocator *mem, const mst_pq_field *field, const slots *s,
                            struct ArrowArray *items, mst_error *err) {
  mst_status status = MST_OK;
  const int32_t *ends = (const int32_t *)(const void *)s->offsets.data;
  struct ArrowSchema schema = {0};
  struct ArrowArray padded;
  mst_block rows;
  int64_t i, k, row;
  mst_block_init(&rows, mem);
  for (i = 0; i < s->n; i++) {
    bool valid = s->nulls == 0 || (s->valid.data[i >> 3] >> (i & 7) & 1) != 0;
    if (valid && ends[i + 1] - ends[i] != field->size) {
      status = mst_fail(err, MST_E_CORRUPT, "a list of \"%s\" has %d items, not %d", field->name, ends[i + 1] - ends[i],
                        field->size);
      goto done;
    }
    for (k = 0; s->nulls > 0 && k < field->size; k++) {
      row = valid ? ends[i] + k : -1;
      MST_TRY(mst_block_put(&rows, &row, sizeof row, err));
    }
  }
  if (s->nulls == 0) goto done;
  MST_TRY(mst_pq_fields_schema(mem, &field->children[0], &schema, err));
  MST_TRY(mst_array_gather(mem, &schema, items, (const int64_t *)(const void *)rows.data,
                           (int64_t)(rows.size / sizeof row), &padded, err));
  mst_array_release(items);
  *items = padded;
done:
  mst_schema_release(&schema);
  mst_block_free(&rows);
  return status;
}

/* Offsets of a list become offsets and sizes of a list view. */
static mst_status split_offsets(const mst_pq_field *field, slots *s, mst_block *sizes, mst_error *err) {
  mst_status status = MST_OK;
  size_t each = field->large ? 8 : 4;
  int64_t i;
  MST_TRY(mst_block_reserve(sizes, (size_t)s->n * each, err));
  for (i = 0; i < s->n; i++) {
    uint8_t *at = s->offsets.data + (size_t)i * each;
    if (field->large) mst_put_le64(sizes->data + 8 * i, mst_le64(at + 8) - mst_le64(at));
    if (!field->large) mst_put_le32(sizes->data + 4 * i, mst_le32(at + 4) - mst_le32(at));
  }
  sizes->size = (size_t)s->n * each;
  s->offsets.size -= each;
done:
  return status;
}

/* Buffers of a list or struct in the order of its layout. */
static mst_status group_buffers(const mst_pq_field *field, slots *s, mst_block *sizes, mst_array_parts *parts,
                                mst_error *err) {
  mst_status status = MST_OK;
  bool view = field->layout == MST_LAYOUT_LISTVIEW32 || field->layout == MST_LAYOUT_LISTVIEW64;
  if (view) MST_TRY(split_offsets(field, s, sizes, err));
  if (s->nulls > 0) mst_block_take(&s->valid, &parts->buffers[0]);
  parts->n_buffers = 1;
  if (field->layout == MST_LAYOUT_STRUCT || field->layout == MST_LAYOUT_FIXED_LIST) return MST_OK;
  mst_block_take(&s->offsets, &parts->buffers[1]);
  parts->n_buffers = 2;
  if (!view) return MST_OK;
  mst_block_take(sizes, &parts->buffers[2]);
  parts->n_buffers = 3;
done:
  return status;
}

static mst_status make_group(const mst_allocator *mem, const mst_pq_field *field, mst_pq_column_in *columns,
                             struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  const mst_pq_decoded *d = &columns[first_leaf(field)->leaf].out;
  bool list = field->kind != MST_KIND_STRUCT;
  slots s = {0};
  mst_block sizes;
  mst_bytes buffers[3] = {{0}};
  mst_array_parts parts = {.buffers = buffers, .n_children = field->n_children};
  struct ArrowArray *children = NULL;
  uint32_t i, made = 0;
  mst_block_init(&s.valid, mem);
  mst_block_init(&s.offsets, mem);
  mst_block_init(&sizes, mem);
  MST_TRY_ALLOC(children = mst_alloc_zero(mem, field->n_children, sizeof *children));
  count_slots(field, d, columns[first_leaf(field)->leaf].kernels, &s);
  MST_TRY(scan_slots(field, d, columns[first_leaf(field)->leaf].kernels, &s, err));
  MST_TRY(make_children(mem, field, columns, list ? s.items : s.n, children, &made, err));
  if (field->fixed_list) MST_TRY(pad_fixed(mem, field, &s, &children[0], err));
  MST_TRY(group_buffers(field, &s, &sizes, &parts, err));
  parts.length = s.n;
  parts.null_count = s.nulls;
  parts.children = children;
  made = 0;
  status = mst_array_make(mem, &parts, out, err);
done:
  for (i = 0; i < made; i++) mst_array_release(&children[i]);
  mst_free(mem, children);
  mst_block_free(&s.valid);
  mst_block_free(&s.offsets);
  mst_block_free(&sizes);
  return status;
}

mst_status mst_pq_assemble(const mst_allocator *mem, const mst_pq_field *field, mst_pq_column_in *columns,
                           uint64_t rows, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(field->n_children > 0 ? make_group(mem, field, columns, out, err)
                                : make_leaf(mem, field, &columns[field->leaf].out, out, err));
  if (rows != UINT64_MAX && (uint64_t)out->length != rows) {
    mst_array_release(out);
    return mst_fail(err, MST_E_CORRUPT, "column \"%s\" gives %lld rows where its row group has %llu", field->name,
                    (long long)out->length, (unsigned long long)rows);
  }
done:
  return status;
}
