/* parquet/sift.c - a machine that finds which rows of a file may meet a condition, from the footer and the page indexes
 * alone: for plans, which read no data.
 *
 * Owns: the bound condition and the indexes of a few row groups at a time. May call: base, column, expr. */
#include "parquet/footer.h"
#include "parquet/parquet.h"
#include "parquet/prune.h"

enum {
  GROUPS_AT_ONCE = 64,
  INDEX_WORTH = 16 << 10,   /* chunks smaller than this are read whole              */
  INDEX_SIZE_MAX = 64 << 20 /* larger page indexes are not worth looking at         */
};

struct mst_parquet_sift {
  mst_parquet_file *file;
  const mst_allocator *mem;
  mst_pq_filter filter;
  size_t group, first, end; /* the next row group; those whose indexes are at hand */
  uint64_t row;             /* of the file, before `group`                         */
  mst_pq_page_facts *facts; /* filter.n for each row group at hand                 */
  bool *kept;               /* of each row group at hand: statistics left it       */
  mst_range *need;
  mst_bytes **need_of;
  size_t n_need;
  mst_range *rows; /* found so far */
  size_t n_rows, rows_capacity;
};

static void drop_facts(mst_parquet_sift *s) {
  for (size_t i = 0; s->facts != NULL && i < GROUPS_AT_ONCE * s->filter.n; i++) {
    mst_bytes_release(&s->facts[i].offset);
    mst_bytes_release(&s->facts[i].column);
  }
}

void mst_parquet_sift_free(mst_parquet_sift *s) {
  if (s == NULL) return;
  drop_facts(s);
  mst_free(s->mem, s->facts);
  mst_free(s->mem, s->kept);
  mst_free(s->mem, s->need);
  mst_free(s->mem, s->need_of);
  mst_free(s->mem, s->rows);
  mst_pq_filter_free(&s->filter);
  mst_parquet_file *f = s->file;
  mst_free(s->mem, s);
  mst_parquet_file_unref(f);
}

mst_status mst_parquet_sift_open(mst_parquet_file *f, mst_where *where, mst_parquet_sift **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_parquet_sift *s = NULL;
  if (f->fields == NULL) {
    if (err != NULL) *err = f->fields_error;
    return f->fields_error.status;
  }
  MST_TRY_ALLOC(s = mst_alloc_zero(f->mem, 1, sizeof *s));
  s->file = mst_parquet_file_ref(f);
  s->mem = s->filter.columns.mem = f->mem;
  MST_TRY(mst_pq_filter_make(f, where, &s->filter, err));
  MST_TRY_ALLOC(s->facts = mst_alloc_zero(s->mem, GROUPS_AT_ONCE * (s->filter.n + 1), sizeof *s->facts));
  MST_TRY_ALLOC(s->kept = mst_alloc_zero(s->mem, GROUPS_AT_ONCE, sizeof *s->kept));
  MST_TRY_ALLOC(s->need = mst_alloc_zero(s->mem, 2 * GROUPS_AT_ONCE * (s->filter.n + 1), sizeof *s->need));
  MST_TRY_ALLOC(s->need_of = mst_alloc_zero(s->mem, 2 * GROUPS_AT_ONCE * (s->filter.n + 1), sizeof *s->need_of));
  *out = s;
  s = NULL;
done:
  mst_parquet_sift_free(s);
  return status;
}

/* ---- indexes --------------------------------------------------------------------------------------------------- */

/* An index that lies nowhere is as good as none; bytes that came along with the footer are taken from there. */
static void want(mst_parquet_sift *s, int64_t at, int64_t size, mst_bytes *slot) {
  const uint64_t end = s->file->footer_at;
  if (at < 4 || size <= 0 || size > INDEX_SIZE_MAX || (uint64_t)at >= end || (uint64_t)size > end - (uint64_t)at)
    return;
  if (mst_pq_file_bytes(s->file, (uint64_t)at, (uint64_t)size, slot)) return;
  s->need[s->n_need] = (mst_range){.offset = (uint64_t)at, .length = (uint64_t)size};
  s->need_of[s->n_need++] = slot;
}

static void want_indexes(mst_parquet_sift *s, size_t group, mst_pq_page_facts *facts) {
  for (size_t i = 0; i < s->filter.n; i++) {
    if (s->filter.bounded[i].field == NULL) continue;
    const mst_pq_chunk *c = &s->file->groups[group].chunks[s->filter.bounded[i].leaf];
    if (c->packed_size <= INDEX_WORTH || c->offset_index_at <= 0 || c->column_index_at <= 0) continue;
    want(s, c->column_index_at, c->column_index_size, &facts[i].column);
    want(s, c->offset_index_at, c->offset_index_size, &facts[i].offset);
  }
}

static void begin_some(mst_parquet_sift *s) {
  drop_facts(s);
  s->first = s->group;
  s->end = s->first + mst_min_size(s->file->n_groups - s->first, GROUPS_AT_ONCE);
  for (size_t g = s->first; g < s->end; g++) {
    s->kept[g - s->first] = mst_pq_prune_group(s->file, &s->filter, g) != MST_PRUNE_NONE;
    if (s->kept[g - s->first]) want_indexes(s, g, s->facts + (g - s->first) * s->filter.n);
  }
}

/* ---- rows ------------------------------------------------------------------------------------------------------ */

static mst_status keep(mst_parquet_sift *s, uint64_t first, uint64_t end, mst_error *err) {
  if (first == end) return MST_OK;
  if (s->n_rows > 0 && s->rows[s->n_rows - 1].offset + s->rows[s->n_rows - 1].length == first) {
    s->rows[s->n_rows - 1].length += end - first;
    return MST_OK;
  }
  if (s->n_rows == s->rows_capacity) {
    const size_t capacity = s->rows_capacity == 0 ? 16 : 2 * s->rows_capacity;
    mst_range *grown = mst_resize(s->mem, s->rows, capacity * sizeof *grown);
    if (grown == NULL) return mst_fail_memory(err);
    s->rows = grown;
    s->rows_capacity = capacity;
  }
  s->rows[s->n_rows++] = (mst_range){.offset = first, .length = end - first};
  return MST_OK;
}

static mst_status sift_group(mst_parquet_sift *s, size_t group, mst_error *err) {
  mst_status status = MST_OK;
  const uint64_t rows = (uint64_t)s->file->groups[group].rows;
  mst_pq_spans all = {.mem = s->mem}, left = {.mem = s->mem};
  if (s->kept[group - s->first] && rows > 0) {
    MST_TRY(mst_pq_spans_add(&all, 0, rows, err));
    MST_TRY(
        mst_pq_prune_pages(s->file, &s->filter, group, s->facts + (group - s->first) * s->filter.n, &all, &left, err));
  }
  for (size_t i = 0; i < left.n; i++) MST_TRY(keep(s, s->row + left.at[i].first, s->row + left.at[i].end, err));
  s->row += rows;
done:
  mst_pq_spans_free(&all);
  mst_pq_spans_free(&left);
  return status;
}

mst_status mst_parquet_sift_step(mst_parquet_sift *s, const mst_bytes *given, size_t n_given, const mst_range **need,
                                 size_t *n_need, const mst_range **rows, size_t *n_rows, mst_error *err) {
  *n_need = 0;
  *n_rows = 0;
  if (n_given != s->n_need)
    return mst_fail(err, MST_E_INTERNAL, "%zu ranges were asked for and %zu came", s->n_need, n_given);
  for (size_t i = 0; i < n_given; i++) *s->need_of[i] = mst_bytes_share(&given[i]);
  s->n_need = 0;
  for (;;) {
    for (; s->group < s->end; s->group++) {
      mst_status status = sift_group(s, s->group, err);
      if (status != MST_OK) return status;
    }
    if (s->group == s->file->n_groups) break;
    begin_some(s);
    if (s->n_need == 0) continue;
    *need = s->need;
    *n_need = s->n_need;
    return MST_OK;
  }
  *rows = s->rows;
  *n_rows = s->n_rows;
  return MST_OK;
}

/* ---- sizes ----------------------------------------------------------------------------------------------------- */

uint64_t mst_parquet_group_plain_bytes(const mst_parquet_file *f, size_t group) {
  const mst_pq_group *g = &f->groups[group];
  uint64_t sum = 0;
  if (g->plain_size > 0) return (uint64_t)g->plain_size;
  for (uint32_t i = 0; i < f->n_leaves; i++)
    if (g->chunks[i].packed_size > 0 && sum < UINT64_MAX / 2) sum += (uint64_t)g->chunks[i].packed_size;
  return sum;
}

static void lower(int64_t at, uint64_t from, uint64_t *lowest) {
  if (at > 0 && (uint64_t)at >= from && (uint64_t)at < *lowest) *lowest = (uint64_t)at;
}

uint64_t mst_parquet_file_tail(const mst_parquet_file *f) {
  const uint64_t from = f->size - mst_min_u64(f->size, MST_PARQUET_TAIL);
  uint64_t lowest = f->footer_at;
  for (size_t g = 0; g < f->n_groups; g++)
    for (uint32_t i = 0; i < f->n_leaves; i++) {
      lower(f->groups[g].chunks[i].offset_index_at, from, &lowest);
      lower(f->groups[g].chunks[i].column_index_at, from, &lowest);
    }
  return f->size - lowest;
}
