/* parquet/verify.c - walks through all column chunks, as many at a time as the memory allows.
 *
 * Owns: mst_pq_verify. May call: base, codec, column, expr. */
#include "parquet/verify.h"

#include "parquet/bloom.h"
#include "parquet/verify_chunk.h"

enum { AT_ONCE_MOST = 256, BLOOM_HEAD = 64, ASK_LEAST = 256 << 10 };

typedef enum verify_state { TAKE, INDEXES, FILTERS, PAGES } verify_state;

struct mst_pq_verify {
  mst_parquet_file *file; /* borrowed */
  const mst_allocator *mem;
  uint64_t memory;
  const mst_pq_field **fields; /* of each leaf */
  bool *nested;
  size_t group, groups_end; /* of the next chunk */
  uint32_t leaf;
  mst_pq_check *checks; /* those at hand, in order */
  size_t n;
  verify_state state;
};

static void find_fields(mst_pq_verify *v, const mst_pq_field *field, bool top) {
  uint32_t i;
  for (i = 0; i < field->n_children; i++)
    find_fields(v, &field->children[i], field == v->file->fields && field->children[i].n_children == 0);
  if (field->n_children > 0) return;
  v->fields[field->leaf] = field;
  v->nested[field->leaf] = !top;
}

mst_status mst_pq_verify_open(mst_parquet_file *f, size_t first_group, size_t groups, uint64_t memory,
                              mst_pq_verify **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_verify *v = NULL;
  MST_TRY_ALLOC(v = mst_alloc_zero(f->mem, 1, sizeof *v));
  v->file = f;
  v->mem = f->mem;
  v->memory = memory;
  v->group = first_group;
  v->groups_end = first_group + groups;
  MST_TRY_ALLOC(v->fields = mst_alloc_zero(v->mem, f->n_leaves + 1u, sizeof *v->fields));
  MST_TRY_ALLOC(v->nested = mst_alloc_zero(v->mem, f->n_leaves + 1u, sizeof *v->nested));
  MST_TRY_ALLOC(v->checks = mst_alloc_zero(v->mem, AT_ONCE_MOST, sizeof *v->checks));
  find_fields(v, f->fields, false);
  *out = v;
  v = NULL;
done:
  mst_pq_verify_free(v);
  return status;
}

static void drop_checks(mst_pq_verify *v) {
  size_t i;
  for (i = 0; i < v->n; i++) mst_pq_check_free(&v->checks[i]);
  v->n = 0;
}

void mst_pq_verify_free(mst_pq_verify *v) {
  if (v == NULL) return;
  if (v->checks != NULL) drop_checks(v);
  mst_free(v->mem, v->fields);
  mst_free(v->mem, v->nested);
  mst_free(v->mem, v->checks);
  mst_free(v->mem, v);
}

/* ---- what is asked for --------------------------------------------------------------------------------------- */

static const mst_pq_chunk *chunk_of(const mst_pq_check *c) {
  return &c->file->groups[c->group].chunks[c->bounded.leaf];
}

/* The next chunks, until their bytes fill the memory. */
static void take_checks(mst_pq_verify *v) {
  uint64_t bytes = 0;
  while (v->group < v->groups_end && v->n < AT_ONCE_MOST) {
    mst_pq_check *c = &v->checks[v->n];
    const mst_pq_chunk *k;
    if (v->leaf >= v->file->n_leaves || v->file->groups[v->group].rows == 0) {
      v->group++;
      v->leaf = 0;
      continue;
    }
    k = &v->file->groups[v->group].chunks[v->leaf];
    if (v->n > 0 &&
        (k->packed_size < 0 || !mst_add_u64(bytes, (uint64_t)k->packed_size, &bytes) || bytes > v->memory / 2))
      return;
    if (v->n == 0) bytes = k->packed_size > 0 ? (uint64_t)k->packed_size : 0;
    *c = (mst_pq_check){.file = v->file, .group = v->group, .nested = v->nested[v->leaf]};
    if (v->fields[v->leaf] != NULL) {
      mst_pq_bounded_any(v->fields[v->leaf], v->leaf, &c->bounded);
      v->n++;
    }
    v->leaf++;
  }
}

static mst_status misplaced(mst_pq_check *c, const char *what, int64_t at, mst_error *err) {
  char path[256];
  return mst_fail_at(err, MST_E_CORRUPT, at > 0 ? (uint64_t)at : 0,
                     "column \"%s\", row group %zu: its %s at byte %lld lies outside the data",
                     mst_pq_leaf_path(c->file, c->bounded.leaf, path, sizeof path), c->group, what, (long long)at);
}

static mst_status want(mst_pq_check *c, const char *what, int64_t at, int64_t size, mst_bytes *slot,
                       mst_pq_needs *needs, mst_error *err) {
  const mst_range range = {.offset = (uint64_t)at, .length = (uint64_t)size};
  if (at == 0 && size == 0) return MST_OK;
  if (at < 4 || size <= 0 || range.offset > c->file->footer_at || range.length > c->file->footer_at - range.offset)
    return misplaced(c, what, at, err);
  if (mst_pq_file_bytes(c->file, range.offset, range.length, slot)) return MST_OK;
  return mst_pq_needs_add(needs, range, (mst_pq_need_of){.slot = slot}, err);
}

static mst_status want_indexes(mst_pq_check *c, mst_pq_needs *needs, mst_error *err) {
  mst_status status = MST_OK;
  const mst_pq_chunk *k = chunk_of(c);
  int64_t size = k->bloom_size > 0 ? k->bloom_size : BLOOM_HEAD;
  MST_TRY(want(c, "offset index", k->offset_index_at, k->offset_index_size, &c->offset, needs, err));
  MST_TRY(want(c, "column index", k->column_index_at, k->column_index_size, &c->columns, needs, err));
  if (k->bloom_at <= 0) return MST_OK;
  if (k->bloom_size <= 0 && (uint64_t)k->bloom_at < c->file->footer_at)
    size = (int64_t)mst_min_u64(BLOOM_HEAD, c->file->footer_at - (uint64_t)k->bloom_at);
  MST_TRY(want(c, "Bloom filter", k->bloom_at, size, &c->bloom, needs, err));
done:
  return status;
}

/* Filters of which only the header is here. */
static mst_status want_filter(mst_pq_check *c, mst_pq_needs *needs, mst_error *err) {
  mst_status status = MST_OK;
  size_t head, size;
  bool whole;
  if (c->bloom.data == NULL || chunk_of(c)->bloom_size > 0) return MST_OK;
  MST_TRY(mst_pq_bloom_head(c->bloom.data, c->bloom.size, &whole, &head, &size, err));
  if (!whole || c->bloom.size >= head + size) return MST_OK;
  mst_bytes_release(&c->bloom);
  MST_TRY(want(c, "Bloom filter", chunk_of(c)->bloom_at, (int64_t)(head + size), &c->bloom, needs, err));
done:
  return status;
}

static mst_status want_pages(mst_pq_verify *v, mst_pq_check *c, mst_pq_needs *needs, mst_error *err) {
  mst_range range;
  if (c->is_done || !c->is_open) return MST_OK;
  if (!mst_pq_bytes_in_ask(&c->column.bytes, mst_max_u64(ASK_LEAST, v->memory / 2), c->column.missing, &range))
    return misplaced(c, "page", (int64_t)c->column.at, err);
  return mst_pq_needs_add(needs, range, (mst_pq_need_of){.column = &c->column, .bytes = &c->column.bytes}, err);
}

/* ---- steps --------------------------------------------------------------------------------------------------- */

static void work(void *self, uint32_t part, mst_pq_tools *tools) {
  mst_pq_verify *v = self;
  mst_pq_check_run(&v->checks[part], tools);
}

/* Decodes; the first fault counts. */
static mst_status check_pages(mst_pq_verify *v, mst_pq_crew *crew, mst_error *err) {
  mst_status status = MST_OK;
  uint32_t i;
  for (i = 0; i < v->n; i++)
    if (!v->checks[i].is_done) MST_TRY(mst_pq_crew_add(crew, (mst_pq_work){.run = work, .self = v, .part = i}, err));
  MST_TRY(mst_pq_crew_run(crew, err));
  for (i = 0; i < v->n; i++) {
    if (v->checks[i].status == MST_OK) continue;
    if (err != NULL) *err = v->checks[i].error;
    return v->checks[i].status;
  }
done:
  return status;
}

static bool is_done(const mst_pq_verify *v) {
  size_t i;
  for (i = 0; i < v->n; i++)
    if (!v->checks[i].is_done) return false;
  return true;
}

static void count(const mst_pq_verify *v, mst_parquet_read_facts *facts) {
  size_t i;
  for (i = 0; i < v->n; i++) {
    facts->pages += v->checks[i].column.pages;
    if (v->checks[i].bounded.leaf == 0) {
      facts->rows += (uint64_t)v->file->groups[v->checks[i].group].rows;
      facts->groups++;
    }
  }
}

mst_status mst_pq_verify_step(mst_pq_verify *v, mst_pq_crew *crew, mst_pq_needs *needs, mst_parquet_read_facts *facts,
                              mst_error *err) {
  mst_status status = MST_OK;
  size_t i;
  while (needs->n == 0) {
    switch (v->state) {
    case TAKE:
      take_checks(v);
      if (v->n == 0) return MST_OK;
      for (i = 0; i < v->n; i++) MST_TRY(want_indexes(&v->checks[i], needs, err));
      v->state = INDEXES;
      break;
    case INDEXES:
      for (i = 0; i < v->n; i++) MST_TRY(want_filter(&v->checks[i], needs, err));
      v->state = FILTERS;
      break;
    case FILTERS: v->state = PAGES; break;
    case PAGES:
      MST_TRY(check_pages(v, crew, err));
      if (is_done(v)) {
        count(v, facts);
        drop_checks(v);
        v->state = TAKE;
      } else {
        for (i = 0; i < v->n; i++) MST_TRY(want_pages(v, &v->checks[i], needs, err));
      }
      break;
    default: break;
    }
  }
done:
  return status;
}
