/* expr/values.c - the values of one column outside of which no row can match.
 *
 * Owns: the sets it hands out. May call: base, column. */
#include <math.h>
#include <stdlib.h>

#include "expr/bound.h"

/* A set in the making; `values` is sorted and distinct between steps, both zeros are one. */
typedef struct values {
  bool any, nulls, nans;
  mst_scalar *list;
  size_t n;
} values;

typedef struct collector {
  const mst_predicate *p;
  const mst_allocator *mem;
  size_t column;
  mst_error *err;
} collector;

static int order_scalars(const void *a, const void *b) { return mst_scalar_compare(a, b); }

static void sort_unique(values *v) {
  size_t kept = 0;
  if (v->n > 0) qsort(v->list, v->n, sizeof *v->list, order_scalars);
  for (size_t i = 0; i < v->n; i++)
    if (i == 0 || mst_scalar_compare(&v->list[i], &v->list[kept - 1]) != 0) v->list[kept++] = v->list[i];
  v->n = kept;
}

static mst_status collect(const collector *c, const bound *b, bool turned, values *out);

static mst_status copy_list(const collector *c, const mst_scalar *from, size_t n, values *out) {
  mst_error *err = c->err;
  out->list = mst_alloc_array(c->mem, n + 1, sizeof *out->list);
  if (out->list == NULL) return mst_fail_memory(err);
  if (n > 0) memcpy(out->list, from, n * sizeof *from);
  out->n = n;
  return MST_OK;
}

/* A test that is turned around says nothing about values, but that "is not null" needs some. */
static mst_status collect_leaf(const collector *c, const bound *b, bool turned, values *out) {
  const mst_scalar *list;
  size_t n;
  *out = (values){.any = true, .nulls = true, .nans = true};
  if (b->kind == BOUND_FALSE) {
    if (!turned) *out = (values){0};
    return MST_OK;
  }
  if (b->column != c->column) return MST_OK;
  if (turned) {
    out->nulls = b->kind != BOUND_NULL && !(b->kind == BOUND_IN && b->nulls);
    return MST_OK;
  }
  out->any = out->nulls = out->nans = false;
  switch (b->kind) {
  case BOUND_COMPARE:
    if (b->op == MST_EQ) return copy_list(c, &b->scalar, 1, out);
    out->any = true;
    return MST_OK;
  case BOUND_IN:
    list = mst_in_set_values(b->set, &n);
    out->nulls = b->nulls;
    return copy_list(c, list, n, out);
  case BOUND_NULL: out->nulls = true; return MST_OK;
  case BOUND_NAN: out->nans = true; return MST_OK;
  default: out->any = true; return MST_OK;
  }
}

static bool has(const values *v, const mst_scalar *value) {
  return v->any || bsearch(value, v->list, v->n, sizeof *value, order_scalars) != NULL;
}

/* `with` goes; values of both. */
static void intersect(const collector *c, values *v, values *with) {
  values *less = v->any || (!with->any && with->n < v->n) ? with : v;
  values *other = less == v ? with : v;
  size_t kept = 0;
  for (size_t i = 0; i < less->n; i++)
    if (has(other, &less->list[i])) less->list[kept++] = less->list[i];
  less->n = kept;
  less->any = less->any && other->any;
  less->nulls = less->nulls && other->nulls;
  less->nans = less->nans && other->nans;
  mst_free(c->mem, other->list);
  if (less != v) *v = *less;
  *with = (values){0};
}

/* `with` goes; values of either, not sorted yet. */
static mst_status unite(const collector *c, mst_block *all, values *v, values *with) {
  mst_status status = MST_OK;
  v->any = v->any || with->any;
  v->nulls = v->nulls || with->nulls;
  v->nans = v->nans || with->nans;
  status = mst_block_put(all, with->list, with->n * sizeof *with->list, c->err);
  mst_free(c->mem, with->list);
  *with = (values){0};
  return status;
}

static mst_status collect_parts(const collector *c, const bound *b, bool turned, values *out) {
  const bool both = (b->kind == BOUND_AND) != turned;
  mst_status status = MST_OK;
  values v = {.any = both, .nulls = both, .nans = both}, part = {0};
  mst_block all;
  mst_block_init(&all, c->mem);
  for (size_t i = 0; i < b->n_parts; i++) {
    MST_TRY(collect(c, &b->parts[i], turned, &part));
    if (both) intersect(c, &v, &part);
    else MST_TRY(unite(c, &all, &v, &part));
  }
  if (!both && !v.any) {
    MST_TRY(copy_list(c, (const mst_scalar *)(const void *)all.data, all.size / sizeof *v.list, &v));
    sort_unique(&v);
  }
  *out = v;
  v = (values){0};
done:
  mst_free(c->mem, v.list);
  mst_block_free(&all);
  return status;
}

static mst_status collect(const collector *c, const bound *b, bool turned, values *out) {
  const bool turn = turned != b->negated;
  if (b->kind == BOUND_AND || b->kind == BOUND_OR) return collect_parts(c, b, turn, out);
  return collect_leaf(c, b, turn, out);
}

/* Zero stands for both zeros so far. */
static mst_status show_zeros(const collector *c, values *v) {
  mst_scalar *list;
  size_t at = 0;
  while (at < v->n && !(v->list[at].kind == MST_SCALAR_DOUBLE && v->list[at].as.f == 0)) at++;
  if (at == v->n) return MST_OK;
  list = mst_resize(c->mem, v->list, (v->n + 1) * sizeof *list);
  if (list == NULL) return mst_fail_memory(c->err);
  v->list = list;
  memmove(list + at + 1, list + at, (v->n - at) * sizeof *list);
  list[at] = mst_scalar_double(-0.0);
  list[at + 1] = mst_scalar_double(0.0);
  v->n++;
  return MST_OK;
}

mst_status mst_predicate_values(const mst_predicate *p, size_t column, mst_value_set *out, mst_error *err) {
  const collector c = {.p = p, .mem = mst_predicate_mem(p), .column = column, .err = err};
  values v = {0};
  mst_status status = MST_OK;
  MST_TRY(collect(&c, &p->nodes[0], false, &v));
  if (v.any) {
    mst_free(c.mem, v.list);
    v.list = NULL;
    v.n = 0;
  }
  MST_TRY(show_zeros(&c, &v));
  *out = (mst_value_set){.any = v.any, .nulls = v.nulls, .nans = v.nans, .values = v.list, .n = v.n, .predicate = p};
  v.list = NULL;
done:
  mst_free(c.mem, v.list);
  return status;
}

void mst_value_set_free(mst_value_set *set) {
  if (set == NULL || set->values == NULL) return;
  mst_free(mst_predicate_mem(set->predicate), (void *)(uintptr_t)set->values);
  *set = (mst_value_set){0};
}
