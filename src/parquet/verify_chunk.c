/* parquet/verify_chunk.c - decodes a column chunk page by page and compares.
 *
 * Owns: mst_pq_check. May call: base, codec, column, expr. */
#include "parquet/verify_chunk.h"

#include "parquet/bloom.h"

enum { ROWS_AT_ONCE = 1 << 16, TEXT_AT_ONCE = 16 << 20 };

void mst_pq_check_free(mst_pq_check *c) {
  const mst_allocator *mem = c->file != NULL ? c->file->mem : NULL;
  mst_bytes_release(&c->offset);
  mst_bytes_release(&c->columns);
  mst_bytes_release(&c->bloom);
  if (c->is_open) mst_pq_column_in_close(&c->column);
  mst_pq_offset_index_free(mem, &c->offset_index);
  mst_pq_column_index_free(mem, &c->column_index);
  *c = (mst_pq_check){0};
}

static const mst_pq_chunk *chunk_of(const mst_pq_check *c) {
  return &c->file->groups[c->group].chunks[c->bounded.leaf];
}

static uint64_t rows_of(const mst_pq_check *c) { return (uint64_t)c->file->groups[c->group].rows; }

/* ---- claims -------------------------------------------------------------------------------------------------- */

static void claim_chunk(mst_pq_check *c) {
  const mst_pq_chunk *k = chunk_of(c);
  mst_pq_claim *claim = &c->chunk_claim;
  mst_pq_chunk_bounds_get(c->file, c->group, &c->bounded, &claim->bounds);
  claim->nulls = claim->bounds.has_nulls ? k->nulls : -1;
  claim->nans = claim->bounds.has_nulls ? k->nans : -1;
}

static void claim_page(mst_pq_check *c) {
  mst_pq_claim *claim = &c->page_claim;
  const mst_pq_page_bounds *p;
  *claim = (mst_pq_claim){.nulls = -1, .nans = -1};
  if (c->column_index.n == 0 || c->page >= c->column_index.n) return;
  p = &c->column_index.pages[c->page];
  mst_pq_page_bounds_get(c->file, &c->bounded, c->columns.data, p, rows_of(c), &claim->bounds);
  claim->nulls = claim->bounds.has_nulls ? p->nulls : -1;
  claim->nans = claim->bounds.has_nulls ? p->nans : -1;
  claim->all_null = p->all_null;
}

static mst_status settle(const mst_pq_claim *claim, const char *where, mst_error *err) {
  if (claim->all_null && claim->seen_values > 0)
    return mst_fail(err, MST_E_CORRUPT, "%s says that all values are null, but %llu are not", where,
                    (unsigned long long)claim->seen_values);
  if (claim->nulls >= 0 && (uint64_t)claim->nulls != claim->seen_nulls)
    return mst_fail(err, MST_E_CORRUPT, "%s says that %lld values are null, but %llu are", where,
                    (long long)claim->nulls, (unsigned long long)claim->seen_nulls);
  if (claim->nans >= 0 && (uint64_t)claim->nans != claim->seen_nans)
    return mst_fail(err, MST_E_CORRUPT, "%s says that %lld values are NaN, but %llu are", where, (long long)claim->nans,
                    (unsigned long long)claim->seen_nans);
  return MST_OK;
}

static mst_status meet(mst_pq_claim *claim, const mst_scalar *v, const char *where, uint64_t row, mst_error *err) {
  const mst_bounds *b = &claim->bounds;
  claim->seen_values++;
  if (v->kind == MST_SCALAR_DOUBLE && v->as.f != v->as.f) {
    claim->seen_nans++;
    return MST_OK;
  }
  if (b->has_min && b->min.kind == v->kind && mst_scalar_compare(v, &b->min) < 0)
    return mst_fail(err, MST_E_CORRUPT, "a value near row %llu is below the minimum that %s tells",
                    (unsigned long long)row, where);
  if (b->has_max && b->max.kind == v->kind && mst_scalar_compare(v, &b->max) > 0)
    return mst_fail(err, MST_E_CORRUPT, "a value near row %llu is above the maximum that %s tells",
                    (unsigned long long)row, where);
  return MST_OK;
}

static mst_status meet_bloom(const mst_pq_check *c, const mst_scalar *v, uint64_t row, mst_error *err) {
  uint8_t room[32];
  const uint8_t *plain;
  size_t n;
  if (c->filter == NULL || !mst_pq_scalar_plain(c->file, &c->bounded, v, room, &plain, &n)) return MST_OK;
  if (mst_pq_bloom_may_have(c->filter, c->filter_size, mst_pq_hash64(plain, n))) return MST_OK;
  return mst_fail(err, MST_E_CORRUPT, "a value near row %llu is not in the Bloom filter", (unsigned long long)row);
}

/* ---- values -------------------------------------------------------------------------------------------------- */

static mst_scalar value_at(const mst_pq_check *c, size_t i) {
  const mst_pq_decoded *d = &c->column.out;
  const mst_pq_field *field = c->bounded.field;
  uint64_t from, end;
  if (field->conv == MST_PQ_CONV_BITS) return mst_scalar_int(d->values.data[i >> 3] >> (i & 7) & 1);
  if (field->conv == MST_PQ_CONV_BYTES) {
    from = field->large ? mst_le64(d->ends.data + 8 * i) : mst_le32(d->ends.data + 4 * i);
    end = field->large ? mst_le64(d->ends.data + 8 * i + 8) : mst_le32(d->ends.data + 4 * i + 4);
    return mst_scalar_bytes(d->values.data + from, (size_t)(end - from));
  }
  return mst_scalar_load(&c->bounded.type, d->values.data + i * field->width);
}

static bool has_scalars(const mst_pq_check *c) {
  return c->bounded.field->conv != MST_PQ_CONV_NOTHING && mst_type_scalar(&c->bounded.type) != MST_SCALAR_NULL;
}

/* Text must be UTF-8. */
static mst_status check_text(const mst_pq_check *c, const mst_scalar *v, uint64_t row, mst_error *err) {
  size_t bad;
  if (c->bounded.type.kind != MST_KIND_TEXT || mst_utf8_valid(v->as.bytes.data, v->as.bytes.size, &bad)) return MST_OK;
  return mst_fail(err, MST_E_CORRUPT, "the text near row %llu is not UTF-8 at its byte %zu", (unsigned long long)row,
                  bad);
}

/* All that was decoded is met by the claims and forgotten. */
static mst_status meet_values(mst_pq_check *c, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_decoded *d = &c->column.out;
  uint64_t row = mst_pq_column_in_row(&c->column) - d->rows;
  size_t i, n = (size_t)d->slots;
  for (i = 0; i < n && has_scalars(c); i++) {
    mst_scalar v;
    if (d->has_valid && (d->valid.data[i >> 3] >> (i & 7) & 1) == 0) continue;
    v = value_at(c, i);
    MST_TRY(check_text(c, &v, row + i, err));
    MST_TRY(meet(&c->chunk_claim, &v, "the footer", row + i, err));
    MST_TRY(meet(&c->page_claim, &v, "the column index", row + i, err));
    MST_TRY(meet_bloom(c, &v, row + i, err));
  }
  c->chunk_claim.seen_nulls += (uint64_t)d->nulls;
  c->page_claim.seen_nulls += (uint64_t)d->nulls;
  c->column.rows_done += d->rows;
  mst_pq_decoded_free(d);
  mst_pq_decoded_init(d, c->file->mem);
done:
  return status;
}

/* ---- indexes and filters ------------------------------------------------------------------------------------- */

static mst_status check_order(const mst_pq_check *c, mst_error *err) {
  const mst_pq_column_index *x = &c->column_index;
  mst_bounds before = {0}, b;
  size_t i;
  if (x->boundary_order != 1 && x->boundary_order != 2) return MST_OK;
  for (i = 0; i < x->n; i++) {
    int sign = x->boundary_order == 1 ? 1 : -1;
    mst_pq_page_bounds_get(c->file, &c->bounded, c->columns.data, &x->pages[i], rows_of(c), &b);
    if (!b.has_min || !b.has_max) continue;
    if (before.has_min &&
        (sign * mst_scalar_compare(&before.min, &b.min) > 0 || sign * mst_scalar_compare(&before.max, &b.max) > 0))
      return mst_fail(err, MST_E_CORRUPT, "the column index says that its pages %s, but page %zu does not",
                      sign > 0 ? "rise" : "fall", i);
    before = b;
  }
  return MST_OK;
}

static mst_status open_indexes(mst_pq_check *c, mst_error *err) {
  mst_status status = MST_OK;
  const mst_allocator *mem = c->file->mem;
  if (c->offset.data != NULL)
    MST_TRY(mst_pq_offset_index_parse(mem, c->offset.data, c->offset.size, c->column.at, c->column.end, rows_of(c),
                                      &c->offset_index, err));
  if (c->columns.data != NULL)
    MST_TRY(mst_pq_column_index_parse(mem, c->columns.data, c->columns.size, &c->column_index, err));
  if (c->column_index.n > 0 && c->offset_index.n > 0 && c->column_index.n != c->offset_index.n)
    return mst_fail(err, MST_E_CORRUPT, "the column index has %zu pages, the offset index %zu", c->column_index.n,
                    c->offset_index.n);
  if (c->offset_index.n > 0) {
    c->column.offset_index = &c->offset_index;
  } else {
    mst_pq_column_index_free(mem, &c->column_index); /* its pages cannot be told apart */
  }
  status = check_order(c, err);
done:
  return status;
}

static mst_status open_bloom(mst_pq_check *c, mst_error *err) {
  mst_status status = MST_OK;
  size_t head, size;
  bool whole;
  if (c->bloom.data == NULL) return MST_OK;
  MST_TRY(mst_pq_bloom_head(c->bloom.data, c->bloom.size, &whole, &head, &size, err));
  if (!whole || head > c->bloom.size || size > c->bloom.size - head)
    return mst_fail(err, MST_E_CORRUPT, "the Bloom filter is cut off");
  c->filter = c->bloom.data + head;
  c->filter_size = size;
done:
  return status;
}

static mst_status open_chunk(mst_pq_check *c, mst_error *err) {
  mst_status status = MST_OK;
  c->is_open = true;
  MST_TRY(
      mst_pq_column_in_open(c->file, c->group, c->bounded.field, c->bounded.leaf, c->nested, &c->column, err));
  MST_TRY(mst_pq_bytes_in_add(&c->column.bytes, c->column.at, c->column.end, err));
  MST_TRY(open_indexes(c, err));
  MST_TRY(open_bloom(c, err));
  claim_chunk(c);
  claim_page(c);
done:
  return status;
}

/* ---- pages --------------------------------------------------------------------------------------------------- */

/* The row behind the page that is being read; behind the next many rows where pages are not known. */
static uint64_t page_end(const mst_pq_check *c) {
  if (c->offset_index.n == 0) return mst_min_u64(rows_of(c), mst_pq_column_in_row(&c->column) + ROWS_AT_ONCE);
  return c->page + 1 < c->offset_index.n ? c->offset_index.pages[c->page + 1].first_row : rows_of(c);
}

static mst_status end_page(mst_pq_check *c, mst_error *err) {
  mst_status status = MST_OK;
  const mst_pq_page_place *p = &c->offset_index.pages[c->page];
  if (c->offset_index.n == 0) return MST_OK;
  if (p->first_row < page_end(c) && c->column.at != p->at + p->size)
    return mst_fail(err, MST_E_CORRUPT, "the page ends at byte %llu, by the offset index at byte %llu",
                    (unsigned long long)c->column.at, (unsigned long long)(p->at + p->size));
  MST_TRY(settle(&c->page_claim, "the column index", err));
  c->page++;
  claim_page(c);
done:
  return status;
}

static mst_status end_chunk(const mst_pq_check *c, mst_error *err) {
  const mst_pq_chunk *k = chunk_of(c);
  if (c->column.at != c->column.end || c->column.levels_left > 0)
    return mst_fail(err, MST_E_CORRUPT, "the column chunk goes on behind its last row");
  if (k->levels >= 0 && (uint64_t)k->levels != c->column.levels_met)
    return mst_fail(err, MST_E_CORRUPT, "the footer says %lld values and nulls, the pages hold %llu",
                    (long long)k->levels, (unsigned long long)c->column.levels_met);
  return settle(&c->chunk_claim, "the footer", err);
}

static mst_status run(mst_pq_check *c, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t row;
  if (!c->is_open) MST_TRY(open_chunk(c, err));
  for (;;) {
    row = mst_pq_column_in_row(&c->column);
    if (row < page_end(c)) {
      MST_TRY(mst_pq_column_in_read(&c->column, c->column.out.rows + mst_min_u64(page_end(c) - row, ROWS_AT_ONCE),
                                    TEXT_AT_ONCE, err));
      if (c->column.missing > 0) return MST_OK;
      MST_TRY(meet_values(c, err));
      if (mst_pq_column_in_row(&c->column) < page_end(c)) continue;
    }
    if (c->offset_index.n > 0 && c->page < c->offset_index.n) {
      MST_TRY(end_page(c, err));
      continue;
    }
    if (mst_pq_column_in_row(&c->column) < rows_of(c)) continue;
    MST_TRY(end_chunk(c, err));
    c->is_done = true;
    return MST_OK;
  }
done:
  return status;
}

void mst_pq_check_run(mst_pq_check *c, mst_pq_tools *tools) {
  char path[256];
  mst_error *err = &c->error;
  uint64_t at;
  c->error = (mst_error){.offset = -1};
  mst_pq_column_in_use(&c->column, tools);
  c->status = run(c, err);
  if (c->status == MST_OK || strncmp(c->error.message, "column \"", 8) == 0) return;
  at = c->column.page_at > 0 ? c->column.page_at : (uint64_t)mst_max_u64(0, (uint64_t)chunk_of(c)->data_at);
  if (err->offset < 0) err->offset = (int64_t)at;
  c->status = mst_while(err, c->status, "column \"%s\", row group %zu, page %zu at byte %llu",
                        mst_pq_leaf_path(c->file, c->bounded.leaf, path, sizeof path), c->group,
                        c->offset_index.n > 0 ? c->page : (size_t)c->column.pages, (unsigned long long)at);
}
