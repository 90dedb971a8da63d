/* parquet/page_index.c - decodes page indexes, which are believed only when they fit the column chunk.
 *
 * Owns: nothing. May call: base. */
#include "parquet/page_index.h"

#include "parquet/thrift.h"

/* ---- offset index -------------------------------------------------------------------------------------------- */

static void parse_place(mst_thrift *t, uint8_t type, mst_pq_page_place *p) {
  mst_thrift_field f = {0};
  uint32_t seen = 0;
  int64_t v;
  if (!mst_thrift_enter(t, type)) return;
  while (mst_thrift_next(t, &f)) {
    if (f.id < 1 || f.id > 3) {
      mst_thrift_skip(t, f.type);
      continue;
    }
    v = mst_thrift_int(t, f.type);
    if (v < 0) mst_thrift_fail(t, "a page's place is negative");
    if (f.id == 1) p->at = (uint64_t)v;
    if (f.id == 2) p->size = (uint64_t)v;
    if (f.id == 3) p->first_row = (uint64_t)v;
    seen |= 1u << f.id;
  }
  mst_thrift_leave(t);
  if (t->bad == NULL && seen != 14) mst_thrift_fail(t, "a page's place is incomplete");
}

static const char *check_places(const mst_pq_offset_index *o, uint64_t chunk_at, uint64_t chunk_end, uint64_t rows) {
  uint64_t at = chunk_at;
  size_t i;
  if (o->n == 0 && rows > 0) return "it has no pages";
  for (i = 0; i < o->n; i++) {
    const mst_pq_page_place *p = &o->pages[i];
    if (p->at < at) return "its pages are not in order, or lie before the column chunk";
    if (p->at > chunk_end || p->size > chunk_end - p->at || p->size == 0) return "a page lies outside the column chunk";
    if (i == 0 ? p->first_row != 0 : p->first_row < o->pages[i - 1].first_row) return "its rows do not rise from 0";
    if (p->first_row > rows || (p->first_row == rows && i == 0)) return "a page begins behind the last row";
    at = p->at + p->size;
  }
  return NULL;
}

static mst_status broken(const char *which, const mst_thrift *t, mst_error *err) {
  return mst_fail(err, MST_E_CORRUPT, "broken %s index at its byte %zu: %s", which, t->bad_at, t->bad);
}

mst_status mst_pq_offset_index_parse(const mst_allocator *mem, const uint8_t *data, size_t n, uint64_t chunk_at,
                                     uint64_t chunk_end, uint64_t rows, mst_pq_offset_index *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_thrift t = mst_thrift_over(data, n);
  mst_thrift_field f = {0};
  mst_pq_offset_index o = {0};
  const char *wrong;
  uint8_t element;
  size_t i;
  if (!mst_thrift_enter(&t, MST_THRIFT_STRUCT)) return broken("offset", &t, err);
  while (mst_thrift_next(&t, &f)) {
    if (f.id != 1 || o.pages != NULL) {
      mst_thrift_skip(&t, f.type);
      continue;
    }
    o.n = mst_thrift_list(&t, f.type, 7, &element);
    MST_TRY_ALLOC(o.pages = mst_alloc_zero(mem, o.n + 1, sizeof *o.pages));
    for (i = 0; i < o.n && t.bad == NULL; i++) parse_place(&t, element, &o.pages[i]);
  }
  if (t.bad != NULL) {
    status = broken("offset", &t, err);
  } else if ((wrong = check_places(&o, chunk_at, chunk_end, rows)) != NULL) {
    status = mst_fail(err, MST_E_CORRUPT, "the offset index does not fit: %s", wrong);
  } else {
    *out = o;
    o = (mst_pq_offset_index){0};
  }
done:
  mst_pq_offset_index_free(mem, &o);
  return status;
}

void mst_pq_offset_index_free(const mst_allocator *mem, mst_pq_offset_index *index) {
  mst_free(mem, index->pages);
  *index = (mst_pq_offset_index){0};
}

size_t mst_pq_page_of_row(const mst_pq_offset_index *index, uint64_t row) {
  size_t low = 0, high = index->n;
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    if (index->pages[middle].first_row <= row) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

/* ---- column index -------------------------------------------------------------------------------------------- */

/* The lists come in any order and should be of one length: `*n` is the first one's. */
static bool room_for(mst_thrift *t, const mst_allocator *mem, size_t n, mst_pq_column_index *c, bool *no_memory) {
  size_t i;
  if (c->pages != NULL) {
    if (n != c->n) mst_thrift_fail(t, "its lists are of different lengths");
    return t->bad == NULL;
  }
  c->pages = mst_alloc_zero(mem, n + 1, sizeof *c->pages);
  *no_memory = c->pages == NULL;
  if (c->pages == NULL) return false;
  c->n = n;
  for (i = 0; i < n; i++) c->pages[i].nulls = c->pages[i].nans = -1;
  return true;
}

static void parse_bounds(mst_thrift *t, uint8_t element, size_t i, int16_t id, mst_pq_column_index *c) {
  mst_pq_page_bounds *p = &c->pages[i];
  const uint8_t *data;
  size_t size;
  int64_t v;
  if (id == 1) {
    p->all_null = mst_thrift_element_bool(t);
  } else if (id == 2 || id == 3) {
    data = mst_thrift_binary(t, element, &size);
    if (t->bad == NULL)
      *(id == 2 ? &p->min : &p->max) = (mst_pq_slice){data != NULL ? (uint32_t)(data - t->data) : 0, (uint32_t)size};
  } else {
    v = mst_thrift_int(t, element);
    if (v < 0) mst_thrift_fail(t, "a number of nulls is negative");
    *(id == 5 ? &p->nulls : &p->nans) = v;
  }
}

mst_status mst_pq_column_index_parse(const mst_allocator *mem, const uint8_t *data, size_t n, mst_pq_column_index *out,
                                     mst_error *err) {
  mst_status status = MST_OK;
  mst_thrift t = mst_thrift_over(data, n);
  mst_thrift_field f = {0};
  mst_pq_column_index c = {0};
  bool no_memory = false;
  uint32_t seen = 0;
  uint8_t element;
  size_t count, i;
  if (!mst_thrift_enter(&t, MST_THRIFT_STRUCT)) return broken("column", &t, err);
  while (mst_thrift_next(&t, &f)) {
    if (f.id > 0 && f.id < 32) seen |= 1u << f.id;
    if (f.id == 4) {
      c.boundary_order = mst_thrift_i32(&t, f.type);
    } else if (f.id == 1 || f.id == 2 || f.id == 3 || f.id == 5 || f.id == 8) {
      count = mst_thrift_list(&t, f.type, 1, &element);
      if (!room_for(&t, mem, count, &c, &no_memory)) break;
      for (i = 0; i < count && t.bad == NULL; i++) parse_bounds(&t, element, i, f.id, &c);
    } else {
      mst_thrift_skip(&t, f.type);
    }
  }
  if (t.bad == NULL && !no_memory && (seen & 14) != 14) mst_thrift_fail(&t, "bounds of its pages are missing");
  if (no_memory) {
    status = mst_fail_memory(err);
  } else if (t.bad != NULL) {
    status = broken("column", &t, err);
  } else {
    *out = c;
    c = (mst_pq_column_index){0};
  }
  mst_pq_column_index_free(mem, &c);
  return status;
}

void mst_pq_column_index_free(const mst_allocator *mem, mst_pq_column_index *index) {
  mst_free(mem, index->pages);
  *index = (mst_pq_column_index){0};
}
