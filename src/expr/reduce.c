/* expr/reduce.c - a predicate when some columns' values are known: decided, or what is left to be decided.
 *
 * Owns: nothing. May call: base, column. */
#include <math.h>

#include "expr/bound.h"

typedef struct reduction {
  const mst_predicate *p;
  const mst_scalar *const *known;
  const mst_allocator *mem;
  bool residual; /* wanted */
  mst_error *err;
} reduction;

static bool compare_scalar(const bound *b, const mst_scalar *v) {
  int order;
  if (v->kind == MST_SCALAR_DOUBLE && isnan(v->as.f)) return false;
  order = mst_scalar_compare(v, &b->scalar);
  switch (b->op) {
  case MST_EQ: return order == 0;
  case MST_LT: return order < 0;
  case MST_LE: return order <= 0;
  case MST_GT: return order > 0;
  case MST_GE: return order >= 0;
  case MST_NE: break;
  }
  return false;
}

/* The test of one value, not turned around yet. */
static bool test_scalar(const bound *b, const mst_type *type, const mst_scalar *v) {
  const bool null = v->kind == MST_SCALAR_NULL;
  switch (b->kind) {
  case BOUND_NULL: return null;
  case BOUND_IN: return null ? b->nulls : mst_in_set_has(b->set, v);
  case BOUND_NAN: return !null && v->kind == MST_SCALAR_DOUBLE && isnan(v->as.f);
  case BOUND_COMPARE: return !null && compare_scalar(b, v);
  case BOUND_LIKE:
    return !null && mst_like_match(b->like, type->kind == MST_KIND_TEXT, v->as.bytes.data, v->as.bytes.size);
  default: return false;
  }
}

static mst_status reduce(const reduction *r, const bound *b, mst_prune *truth, mst_where **left);

/* What the node says, with the "not"s that stood around it. */
static mst_status keep(const reduction *r, const bound *b, mst_where *inner, mst_where **left) {
  if (!r->residual) return MST_OK;
  if (b->turned) return mst_where_not(r->mem, inner, left, r->err);
  *left = mst_where_ref(inner);
  return MST_OK;
}

static mst_prune turned(mst_prune truth, bool by) {
  if (!by || truth == MST_PRUNE_SOME) return truth;
  return truth == MST_PRUNE_NONE ? MST_PRUNE_ALL : MST_PRUNE_NONE;
}

static mst_status reduce_parts(const reduction *r, const bound *b, mst_prune *truth, mst_where **left) {
  const bool both = b->kind == BOUND_AND;
  const mst_prune decides = both ? MST_PRUNE_NONE : MST_PRUNE_ALL;
  mst_status status = MST_OK;
  mst_error *err = r->err;
  mst_where **parts = NULL, *joined = NULL;
  mst_prune all = both ? MST_PRUNE_ALL : MST_PRUNE_NONE, part;
  size_t n = 0;
  MST_TRY_ALLOC(parts = mst_alloc_zero(r->mem, b->n_parts + 1, sizeof(mst_where *)));
  for (size_t i = 0; i < b->n_parts && all != decides; i++) {
    MST_TRY(reduce(r, &b->parts[i], &part, &parts[n]));
    if (part == decides) all = decides;
    else if (part == MST_PRUNE_SOME) all = MST_PRUNE_SOME;
    if (parts[n] != NULL) n++;
  }
  *truth = turned(all, b->turned);
  if (all != MST_PRUNE_SOME || !r->residual) goto done;
  MST_TRY(both ? mst_where_and(r->mem, parts, n, &joined, err) : mst_where_or(r->mem, parts, n, &joined, err));
  status = keep(r, b, joined, left);
done:
  for (size_t i = 0; i < n; i++) mst_where_unref(parts[i]);
  mst_where_unref(joined);
  mst_free(r->mem, parts);
  return status;
}

/* `*left` is set only where something is left. */
static mst_status reduce(const reduction *r, const bound *b, mst_prune *truth, mst_where **left) {
  const mst_scalar *v;
  *truth = MST_PRUNE_SOME;
  if (b->kind == BOUND_AND || b->kind == BOUND_OR) return reduce_parts(r, b, truth, left);
  if (b->kind == BOUND_FALSE) {
    *truth = turned(MST_PRUNE_NONE, b->negated);
    return MST_OK;
  }
  v = r->known[b->column];
  if (v == NULL) return keep(r, b, b->source, left);
  *truth = turned(test_scalar(b, &r->p->columns[b->column].type, v) ? MST_PRUNE_ALL : MST_PRUNE_NONE, b->negated);
  return MST_OK;
}

static mst_status check_known(const mst_predicate *p, const mst_scalar *const *known, mst_error *err) {
  for (size_t i = 0; i < p->n_columns; i++) {
    if (known[i] == NULL || known[i]->kind == MST_SCALAR_NULL) continue;
    if (known[i]->kind != mst_type_scalar(&p->columns[i].type))
      return mst_fail(err, MST_E_INTERNAL, "the known value of column \"%.80s\" is not of its type",
                      p->columns[i].name);
  }
  return MST_OK;
}

mst_status mst_predicate_reduce(const mst_predicate *p, const mst_scalar *const *known, mst_prune *truth,
                                mst_where **residual, mst_error *err) {
  const reduction r = {.p = p, .known = known, .mem = mst_predicate_mem(p), .residual = residual != NULL, .err = err};
  mst_status status = MST_OK;
  mst_where *left = NULL;
  mst_prune all = MST_PRUNE_SOME;
  MST_TRY(check_known(p, known, err));
  MST_TRY(reduce(&r, &p->nodes[0], &all, &left));
  if (residual != NULL && left == NULL) MST_TRY(mst_where_constant(r.mem, all == MST_PRUNE_ALL, &left, err));
  *truth = all;
  if (residual != NULL) {
    *residual = left;
    left = NULL;
  }
done:
  mst_where_unref(left);
  return status;
}
