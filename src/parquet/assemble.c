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

static mst_status put_valid(slots *s, bool valid, mst_error *err) {
  mst_status status = MST_OK;
  if ((s->n & 7) == 0) MST_TRY(mst_block_put_zero(&s->valid, 1, err));
  if (valid) s->valid.data[s->n >> 3] |= (uint8_t)(1u << (s->n & 7));
  s->nulls += !valid;
done:
  return status;
}

static mst_status scan_struct(const mst_pq_field *field, const mst_pq_decoded *d, slots *s, mst_error *err) {
  mst_status status = MST_OK;
  size_t i;
  for (i = 0; i < d->def.size; i++) {
    if (d->rep.data[i] > field->parent_rep || d->def.data[i] < field->parent_def) continue;
    if (field->nullable) MST_TRY(put_valid(s, d->def.data[i] >= field->def, err));
    s->n++;
  }
done:
  return status;
}

static mst_status scan_list(const mst_pq_field *field, const mst_pq_decoded *d, slots *s, mst_error *err) {
  mst_status status = MST_OK;
  size_t i;
  int32_t end;
  MST_TRY(mst_block_put_zero(&s->offsets, field->large ? 8 : 4, err));
  for (i = 0; i < d->def.size; i++) {
    uint8_t def = d->def.data[i], rep = d->rep.data[i];
    if (rep <= field->parent_rep && def >= field->parent_def) {
      if (field->nullable) MST_TRY(put_valid(s, def >= field->def, err));
      s->n++;
      s->items += def > field->def;
      end = (int32_t)s->items;
      MST_TRY(field->large ? mst_block_put(&s->offsets, &s->items, 8, err) : mst_block_put(&s->offsets, &end, 4, err));
    } else if (rep <= field->rep && def > field->def) {
      if (s->n == 0) return mst_fail(err, MST_E_CORRUPT, "the levels of \"%s\" begin inside a list", field->name);
      s->items++;
      end = (int32_t)s->items;
      memcpy(s->offsets.data + s->offsets.size - (field->large ? 8 : 4),
             field->large ? (void *)&s->items : (void *)&end, field->large ? 8 : 4);
    }
  }
  if (!field->large && s->items > INT32_MAX)
    return mst_fail(err, MST_E_LIMIT, "the lists of \"%s\" hold more than 2^31 items in one batch", field->name);
done:
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
  } else {
    if (d->nulls > 0 && field->nullable) mst_block_take(&d->valid, &buffers[0]);
    if (field->conv == MST_PQ_CONV_BYTES) {
      if (d->ends.size == 0) MST_TRY(mst_block_put_zero(&d->ends, field->large ? 8 : 4, err));
      mst_block_take(&d->ends, &buffers[1]);
      mst_block_take(&d->values, &buffers[2]);
      parts.n_buffers = 3;
    } else {
      mst_block_take(&d->values, &buffers[1]);
    }
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

/* A fixed-size list needs its size of items in every row; nulls get items of their own. */
static mst_status check_fixed(const mst_pq_field *field, const slots *s, mst_error *err) {
  const int32_t *ends = (const int32_t *)(const void *)s->offsets.data;
  int64_t i;
  for (i = 0; i < s->n; i++)
    if (ends[i + 1] - ends[i] != field->size)
      return mst_fail(err, MST_E_CORRUPT, "a list of \"%s\" has %d items, not %d", field->name, ends[i + 1] - ends[i],
                      field->size);
  return MST_OK;
}

static mst_status make_group(const mst_allocator *mem, const mst_pq_field *field, mst_pq_column_in *columns,
                             struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  const mst_pq_decoded *d = &columns[first_leaf(field)->leaf].out;
  bool list = field->kind != MST_KIND_STRUCT;
  slots s = {0};
  mst_bytes buffers[2] = {{0}};
  mst_array_parts parts = {
      .buffers = buffers, .n_buffers = list && !field->fixed_list ? 2 : 1, .n_children = field->n_children};
  struct ArrowArray *children = NULL;
  uint32_t i, made = 0;
  mst_block_init(&s.valid, mem);
  mst_block_init(&s.offsets, mem);
  MST_TRY_ALLOC(children = mst_alloc_zero(mem, field->n_children, sizeof *children));
  MST_TRY(list ? scan_list(field, d, &s, err) : scan_struct(field, d, &s, err));
  if (field->fixed_list) MST_TRY(check_fixed(field, &s, err));
  MST_TRY(make_children(mem, field, columns, list ? s.items : s.n, children, &made, err));
  if (s.nulls > 0) mst_block_take(&s.valid, &buffers[0]);
  if (parts.n_buffers == 2) mst_block_take(&s.offsets, &buffers[1]);
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
