/* parquet/prune.c - asks statistics, Bloom filters and page indexes before rows are read. What is broken or unknown
 * rules nothing out.
 *
 * Owns: nothing. May call: base, column, expr. */
#include "parquet/prune.h"

#include "parquet/bloom.h"
#include "parquet/column_in.h"

/* ---- binding ------------------------------------------------------------------------------------------------- */

/* The names of the columns as the projection takes them; a name that is not there is the condition's mistake, which
 * binding to all columns puts into words. */
static mst_status project(mst_parquet_file *f, mst_where *where, mst_pq_filter *out, mst_error *err) {
  mst_status status = MST_OK;
  const char **names = NULL;
  size_t n = 0;
  struct ArrowSchema all = {0};
  mst_predicate *unused = NULL;
  MST_TRY(mst_where_columns(where, f->mem, &names, &n, err));
  status = mst_pq_project(f, names, n, &out->columns, err);
  if (status == MST_E_NOT_FOUND) {
    MST_TRY(mst_parquet_file_schema(f, &all, err));
    MST_TRY(mst_predicate_bind(f->mem, where, &all, &unused, err));
    status = mst_fail(err, MST_E_ARGUMENT, "a column of the condition cannot be read");
  }
done:
  mst_predicate_unref(unused);
  mst_schema_release(&all);
  mst_free(f->mem, names);
  return status;
}

static void find_leaf(const mst_parquet_file *f, const mst_pq_filter *filter, const mst_predicate_column *c,
                      mst_pq_bounded *out) {
  const mst_pq_field *field = &filter->columns.root;
  size_t i;
  for (i = 0; i < c->depth; i++) {
    if (c->path[i] < 0 || (uint32_t)c->path[i] >= field->n_children) return;
    field = &field->children[c->path[i]];
  }
  if (field->n_children > 0 || !mst_pq_bounded_of(f, field, filter->columns.leaves[field->leaf], out))
    out->field = NULL;
}

mst_status mst_pq_filter_make(mst_parquet_file *f, mst_where *where, mst_pq_filter *out, mst_error *err) {
  mst_status status = MST_OK;
  const mst_predicate_column *columns;
  size_t i;
  *out = (mst_pq_filter){.columns.mem = f->mem};
  MST_TRY(project(f, where, out, err));
  MST_TRY(mst_pq_file_schema(f, &out->columns.root, &out->schema, err));
  MST_TRY(mst_predicate_bind(f->mem, where, &out->schema, &out->predicate, err));
  columns = mst_predicate_columns(out->predicate, &out->n);
  MST_TRY_ALLOC(out->bounded = mst_alloc_zero(f->mem, out->n + 1, sizeof *out->bounded));
  for (i = 0; i < out->n; i++) find_leaf(f, out, &columns[i], &out->bounded[i]);
done:
  return status;
}

void mst_pq_filter_free(mst_pq_filter *filter) {
  mst_free(filter->columns.mem, filter->bounded);
  mst_predicate_unref(filter->predicate);
  mst_schema_release(&filter->schema);
  mst_pq_projection_free(&filter->columns);
  *filter = (mst_pq_filter){.columns.mem = filter->columns.mem};
}

/* ---- row groups ---------------------------------------------------------------------------------------------- */

typedef struct group_ask {
  const mst_parquet_file *f;
  const mst_pq_filter *filter;
  size_t group;
} group_ask;

static void group_bounds(void *self, size_t column, mst_bounds *out) {
  const group_ask *a = self;
  const mst_pq_bounded *b = &a->filter->bounded[column];
  if (b->field != NULL) mst_pq_chunk_bounds_get(a->f, a->group, b, out);
}

mst_prune mst_pq_prune_group(const mst_parquet_file *f, const mst_pq_filter *filter, size_t group) {
  group_ask a = {f, filter, group};
  return mst_predicate_prune(filter->predicate, (uint64_t)f->groups[group].rows, group_bounds, &a);
}

/* ---- Bloom filters ------------------------------------------------------------------------------------------- */

typedef struct bloom_ask {
  const mst_parquet_file *f;
  const mst_pq_filter *filter;
  const mst_pq_page_facts *facts;
} bloom_ask;

static bool may_hold(void *self, size_t column, const mst_scalar *value) {
  const bloom_ask *a = self;
  const mst_pq_bounded *b = &a->filter->bounded[column];
  const mst_bytes *bytes = &a->facts[column].bloom;
  uint8_t room[32];
  const uint8_t *plain;
  size_t n, head, size;
  bool whole;
  if (b->field == NULL || bytes->data == NULL) return true;
  if (mst_pq_bloom_head(bytes->data, bytes->size, &whole, &head, &size, NULL) != MST_OK || !whole) return true;
  if (head > bytes->size || size > bytes->size - head) return true;
  if (!mst_pq_scalar_plain(a->f, b, value, room, &plain, &n)) return true;
  return mst_pq_bloom_may_have(bytes->data + head, size, mst_pq_hash64(plain, n));
}

mst_prune mst_pq_prune_bloom(const mst_parquet_file *f, const mst_pq_filter *filter, const mst_pq_page_facts *facts) {
  bloom_ask a = {f, filter, facts};
  return mst_predicate_probe(filter->predicate, may_hold, &a);
}

bool mst_pq_filter_asks_equality(const mst_pq_filter *filter, size_t column) {
  mst_value_set set = {0};
  bool asks =
      mst_predicate_values(filter->predicate, column, &set, NULL) == MST_OK && !set.any && !set.nulls && !set.nans;
  mst_value_set_free(&set);
  return asks;
}

/* ---- dictionaries -------------------------------------------------------------------------------------------- */

typedef struct dictionary_ask {
  const mst_pq_filter *filter;
  mst_pq_column_in *columns; /* dictionary.loaded where there is one */
} dictionary_ask;

static mst_scalar entry_of(const mst_pq_dictionary *d, const mst_pq_bounded *b, uint32_t i) {
  const uint32_t *ends = (const uint32_t *)(const void *)d->ends.data;
  if (b->field->conv != MST_PQ_CONV_BYTES)
    return mst_scalar_load(&b->type, d->values.data + (size_t)i * b->field->width);
  return mst_scalar_bytes(d->values.data + ends[i], ends[i + 1] - ends[i]);
}

static bool is_in_dictionary(void *self, size_t column, const mst_scalar *value) {
  const dictionary_ask *a = self;
  const mst_pq_dictionary *d = &a->columns[column].dictionary;
  uint32_t i;
  if (!d->loaded) return true;
  for (i = 0; i < d->n; i++) {
    const mst_scalar entry = entry_of(d, &a->filter->bounded[column], i);
    if (entry.kind != value->kind || mst_scalar_equal(&entry, value)) return true;
  }
  return false;
}

static mst_status load(mst_parquet_file *f, size_t group, const mst_pq_bounded *b, const mst_bytes *bytes,
                       mst_pq_tools *tools, mst_pq_column_in *c, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(mst_pq_column_in_open(f, group, b->field, b->leaf, false, c, err));
  mst_pq_column_in_use(c, tools);
  MST_TRY(mst_pq_bytes_in_add(&c->bytes, c->at, c->at + bytes->size, err));
  MST_TRY(mst_pq_bytes_in_put(&c->bytes, c->at, bytes, err));
  status = mst_pq_column_in_dictionary(c, err);
done:
  return status;
}

mst_status mst_pq_prune_dictionaries(mst_parquet_file *f, const mst_pq_filter *filter, size_t group,
                                     const mst_pq_page_facts *facts, mst_pq_tools *tools, mst_prune *out,
                                     mst_error *err) {
  mst_status status = MST_OK;
  dictionary_ask a = {.filter = filter};
  size_t i, opened = 0;
  bool any = false;
  *out = MST_PRUNE_SOME;
  for (i = 0; i < filter->n; i++) any |= facts[i].dictionary.data != NULL;
  if (!any) return MST_OK;
  MST_TRY_ALLOC(a.columns = mst_alloc_zero(f->mem, filter->n + 1, sizeof *a.columns));
  for (; opened < filter->n; opened++) {
    mst_pq_column_in *c = &a.columns[opened];
    if (facts[opened].dictionary.data == NULL) continue;
    status = load(f, group, &filter->bounded[opened], &facts[opened].dictionary, tools, c, err);
    if (status != MST_OK) c->dictionary.loaded = false;
    if (status == MST_E_NO_MEMORY) goto done;
  }
  status = MST_OK;
  *out = mst_predicate_probe(filter->predicate, is_in_dictionary, &a);
done:
  for (i = 0; a.columns != NULL && i < filter->n && i <= opened; i++)
    if (a.columns[i].file != NULL) mst_pq_column_in_close(&a.columns[i]);
  mst_free(f->mem, a.columns);
  return status;
}

/* ---- pages --------------------------------------------------------------------------------------------------- */

/* The pages of one column of the condition; offsets.n 0: not known. */
typedef struct column_pages {
  mst_pq_offset_index offsets;
  mst_pq_column_index bounds;
  const uint8_t *base; /* of the bounds' bytes */
  size_t at;           /* the page that holds the rows that are asked about */
} column_pages;

typedef struct page_ask {
  const mst_parquet_file *f;
  const mst_pq_filter *filter;
  column_pages *columns;
  uint64_t rows, group_rows; /* that are asked about; of the row group */
} page_ask;

static uint64_t page_rows(const column_pages *c, uint64_t group_rows) {
  return (c->at + 1 < c->offsets.n ? c->offsets.pages[c->at + 1].first_row : group_rows) -
         c->offsets.pages[c->at].first_row;
}

static void page_bounds(void *self, size_t column, mst_bounds *out) {
  const page_ask *a = self;
  const column_pages *c = &a->columns[column];
  uint64_t rows;
  if (c->offsets.n == 0) return;
  rows = page_rows(c, a->group_rows);
  mst_pq_page_bounds_get(a->f, &a->filter->bounded[column], c->base, &c->bounds.pages[c->at], rows, out);
  /* Of a part of a page it is known how many are null only if none or all of the page are. */
  if (out->has_nulls && out->nulls == rows) {
    out->nulls = a->rows;
  } else if (out->nulls > 0 && a->rows < rows) {
    out->has_nulls = false;
  }
}

static mst_status open_pages(const mst_parquet_file *f, size_t group, const mst_pq_bounded *b,
                             const mst_pq_page_facts *facts, column_pages *out, mst_error *err) {
  const mst_pq_chunk *k = &f->groups[group].chunks[b->leaf];
  uint64_t at = (uint64_t)(k->dictionary_at > 0 && k->dictionary_at < k->data_at ? k->dictionary_at : k->data_at), end;
  mst_status status;
  if (k->data_at < 4 || k->packed_size < 0 || !mst_add_u64(at, (uint64_t)k->packed_size, &end)) return MST_OK;
  status = mst_pq_offset_index_parse(f->mem, facts->offset.data, facts->offset.size, at, end,
                                     (uint64_t)f->groups[group].rows, &out->offsets, NULL);
  if (status == MST_OK)
    status = mst_pq_column_index_parse(f->mem, facts->column.data, facts->column.size, &out->bounds, NULL);
  if (status == MST_E_NO_MEMORY) return mst_fail_memory(err);
  if (status != MST_OK || out->bounds.n != out->offsets.n) mst_pq_offset_index_free(f->mem, &out->offsets);
  out->base = facts->column.data;
  return MST_OK;
}

static int by_number(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

/* Where a page of any column begins, rising, and the end of the row group behind them. */
static mst_status all_borders(const page_ask *a, uint64_t **out, size_t *n, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t *borders = NULL;
  size_t most = 1, i, k;
  for (i = 0; i < a->filter->n; i++) most += a->columns[i].offsets.n;
  MST_TRY_ALLOC(borders = mst_alloc_array(a->f->mem, most, sizeof *borders));
  *n = 0;
  for (i = 0; i < a->filter->n; i++)
    for (k = 0; k < a->columns[i].offsets.n; k++) borders[(*n)++] = a->columns[i].offsets.pages[k].first_row;
  borders[(*n)++] = a->group_rows;
  qsort(borders, *n, sizeof *borders, by_number);
  *out = borders;
done:
  return status;
}

static void find_pages(page_ask *a, uint64_t row) {
  size_t i;
  for (i = 0; i < a->filter->n; i++) {
    column_pages *c = &a->columns[i];
    while (c->at + 1 < c->offsets.n && c->offsets.pages[c->at + 1].first_row <= row) c->at++;
  }
}

static mst_status ask_pages(page_ask *a, mst_pq_spans *out, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t *borders = NULL;
  size_t n, i;
  MST_TRY(all_borders(a, &borders, &n, err));
  for (i = 0; i + 1 < n; i++) {
    if (borders[i] == borders[i + 1]) continue;
    a->rows = borders[i + 1] - borders[i];
    find_pages(a, borders[i]);
    if (mst_predicate_prune(a->filter->predicate, a->rows, page_bounds, a) != MST_PRUNE_NONE)
      MST_TRY(mst_pq_spans_add(out, borders[i], borders[i + 1], err));
  }
done:
  mst_free(a->f->mem, borders);
  return status;
}

mst_status mst_pq_prune_pages(const mst_parquet_file *f, const mst_pq_filter *filter, size_t group,
                              const mst_pq_page_facts *facts, const mst_pq_spans *from, mst_pq_spans *out,
                              mst_error *err) {
  mst_status status = MST_OK;
  page_ask a = {.f = f, .filter = filter, .group_rows = (uint64_t)f->groups[group].rows};
  mst_pq_spans pages = {.mem = f->mem};
  bool any = false;
  size_t i;
  MST_TRY_ALLOC(a.columns = mst_alloc_zero(f->mem, filter->n + 1, sizeof *a.columns));
  for (i = 0; i < filter->n; i++) {
    if (filter->bounded[i].field == NULL || facts[i].offset.data == NULL || facts[i].column.data == NULL) continue;
    MST_TRY(open_pages(f, group, &filter->bounded[i], &facts[i], &a.columns[i], err));
    any |= a.columns[i].offsets.n > 0;
  }
  if (any) MST_TRY(ask_pages(&a, &pages, err));
  if (!any) MST_TRY(mst_pq_spans_add(&pages, 0, a.group_rows, err));
  MST_TRY(mst_pq_spans_both(from, &pages, out, err));
done:
  for (i = 0; a.columns != NULL && i < filter->n; i++) {
    mst_pq_offset_index_free(f->mem, &a.columns[i].offsets);
    mst_pq_column_index_free(f->mem, &a.columns[i].bounds);
  }
  mst_free(f->mem, a.columns);
  mst_pq_spans_free(&pages);
  return status;
}
