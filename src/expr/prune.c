/* expr/prune.c - what bounds, known values and sets of values say of a predicate without its rows.
 *
 * Everything errs on the side of "perhaps": each test is asked whether it may be true and whether it may be false.
 * Owns: the sets it hands out. May call: base, column. */
#include <math.h>
#include <stdlib.h>

#include "expr/bound.h"

/* Answers that some row may give. */
typedef struct chance {
  bool yes, no;
} chance;

static chance turn(chance c, bool turned) { return turned ? (chance){c.no, c.yes} : c; }

static mst_prune verdict(chance c) { return !c.yes ? MST_PRUNE_NONE : !c.no ? MST_PRUNE_ALL : MST_PRUNE_SOME; }

typedef chance (*ask_leaf)(void *self, const bound *b);

/* Parts are taken as independent of each other, which keeps the answer sound. */
static chance ask(const bound *b, ask_leaf leaf, void *self) {
  chance c;
  if (b->kind == BOUND_FALSE) {
    c = (chance){false, true};
  } else if (b->kind == BOUND_AND || b->kind == BOUND_OR) {
    const bool both = b->kind == BOUND_AND;
    c = (chance){both, !both};
    for (size_t i = 0; i < b->n_parts; i++) {
      const chance part = ask(&b->parts[i], leaf, self);
      c.yes = both ? c.yes && part.yes : c.yes || part.yes;
      c.no = both ? c.no || part.no : c.no && part.no;
    }
  } else {
    c = leaf(self, b);
  }
  return turn(c, b->negated);
}

/* ---- bounds
 * ---------------------------------------------------------------------------------------------------------- */

typedef struct bounds_question {
  const mst_predicate *p;
  uint64_t rows;
  mst_bounds_fn bounds;
  void *self;
} bounds_question;

static bool is_nan(const mst_scalar *v) { return v->kind == MST_SCALAR_DOUBLE && isnan(v->as.f); }

/* Bounds that contradict each other, or are not of the column's type, are not believed. */
static void mend(mst_bounds *s, const mst_type *type) {
  const mst_scalar_kind kind = mst_type_scalar(type);
  if (s->has_min && (s->min.kind != kind || is_nan(&s->min))) s->has_min = false;
  if (s->has_max && (s->max.kind != kind || is_nan(&s->max))) s->has_max = false;
  if (!mst_type_is_ordered(type)) s->has_min = s->has_max = false;
  if (s->has_min && s->has_max && mst_scalar_compare(&s->min, &s->max) > 0) s->has_min = s->has_max = false;
}

/* Of the values within the bounds, which are neither null nor NaN. */
static chance ask_compare(const bound *b, const mst_bounds *s) {
  const int low = s->has_min ? mst_scalar_compare(&s->min, &b->scalar) : -1;
  const int high = s->has_max ? mst_scalar_compare(&s->max, &b->scalar) : 1;
  switch (b->op) {
  case MST_EQ: return (chance){low <= 0 && high >= 0, !(s->has_min && s->has_max && low == 0 && high == 0)};
  case MST_LT: return (chance){low < 0, high >= 0};
  case MST_LE: return (chance){low <= 0, high > 0};
  case MST_GT: return (chance){high > 0, low <= 0};
  case MST_GE: return (chance){high >= 0, low < 0};
  case MST_NE: break;
  }
  return (chance){true, true};
}

/* The first value of the set that is not below `min`. */
static size_t first_from(const mst_scalar *values, size_t n, const mst_scalar *min) {
  size_t low = 0, high = n;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (mst_scalar_compare(&values[middle], min) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

static chance ask_in(const bound *b, const mst_bounds *s) {
  size_t n, at;
  const mst_scalar *values = mst_in_set_values(b->set, &n);
  const bool one = s->has_min && s->has_max && mst_scalar_compare(&s->min, &s->max) == 0;
  chance c = {true, true};
  at = s->has_min && n > 0 ? first_from(values, n, &s->min) : 0;
  c.yes = at < n && (!s->has_max || mst_scalar_compare(&values[at], &s->max) <= 0);
  c.no = !(one && c.yes);
  return c;
}

static bool begins_with(const mst_scalar *v, const uint8_t *prefix, size_t n) {
  return v->as.bytes.size >= n && (n == 0 || memcmp(v->as.bytes.data, prefix, n) == 0);
}

static chance ask_like(const bound *b, const mst_bounds *s) {
  size_t n;
  bool whole, exact;
  const uint8_t *prefix = mst_like_prefix(b->like, &n, &whole, &exact);
  const mst_scalar least = mst_scalar_bytes(prefix, n);
  chance c = {true, true};
  const bool from = s->has_min && begins_with(&s->min, prefix, n), to = s->has_max && begins_with(&s->max, prefix, n);
  /* Every match lies at or behind the prefix, and in front of all that is larger without beginning with it. */
  if (s->has_max && mst_scalar_compare(&s->max, &least) < 0) c.yes = false;
  if (s->has_min && !from && mst_scalar_compare(&s->min, &least) > 0) c.yes = false;
  if (exact && s->has_min && mst_scalar_compare(&s->min, &least) > 0) c.yes = false;
  if (whole && from && to) c.no = false;
  if (n == 0 && whole) c.no = false;
  if (exact && s->has_min && s->has_max && mst_scalar_equal(&s->min, &least) && mst_scalar_equal(&s->max, &least))
    c.no = false;
  return c;
}

static chance ask_values(const bound *b, const mst_bounds *s) {
  switch (b->kind) {
  case BOUND_COMPARE: return ask_compare(b, s);
  case BOUND_IN: return ask_in(b, s);
  case BOUND_LIKE: return ask_like(b, s);
  default: return (chance){false, true}; /* values are neither null nor NaN */
  }
}

static chance ask_bounds(void *self, const bound *b) {
  const bounds_question *q = self;
  const mst_type *type = &q->p->columns[b->column].type;
  const bool floats = mst_type_scalar(type) == MST_SCALAR_DOUBLE;
  mst_bounds s = {0};
  chance c = {false, false}, more;
  bool some_null, some_value;
  q->bounds(q->self, b->column, &s);
  mend(&s, type);
  if (s.nulls > q->rows) s.has_nulls = false;
  some_null = !s.has_nulls || s.nulls > 0;
  some_value = !s.has_nulls || s.nulls < q->rows;
  if (type->kind == MST_KIND_NULL) {
    some_null = true;
    some_value = false;
  }
  if (some_null) {
    const bool truth = b->kind == BOUND_NULL || (b->kind == BOUND_IN && b->nulls);
    c.yes = c.yes || truth;
    c.no = c.no || !truth;
  }
  if (some_value) {
    more = ask_values(b, &s);
    c.yes = c.yes || more.yes;
    c.no = c.no || more.no;
  }
  if (some_value && floats && !s.nan_free) {
    c.yes = c.yes || b->kind == BOUND_NAN;
    c.no = c.no || b->kind != BOUND_NAN;
  }
  return c;
}

mst_prune mst_predicate_prune(const mst_predicate *p, uint64_t rows, mst_bounds_fn bounds, void *self) {
  bounds_question q = {.p = p, .rows = rows, .bounds = bounds, .self = self};
  if (rows == 0) return MST_PRUNE_NONE;
  return verdict(ask(&p->nodes[0], ask_bounds, &q));
}

/* ---- filters that know equality
 * ----------------------------------------------------------------------------------------- */

typedef struct probe_question {
  mst_may_hold_fn may_hold;
  void *self;
} probe_question;

static bool may_hold(const probe_question *q, size_t column, const mst_scalar *v) {
  const mst_scalar minus_zero = mst_scalar_double(-0.0), zero = mst_scalar_double(0.0);
  if (v->kind != MST_SCALAR_DOUBLE || v->as.f != 0) return q->may_hold(q->self, column, v);
  return q->may_hold(q->self, column, &zero) || q->may_hold(q->self, column, &minus_zero);
}

static chance ask_probe(void *self, const bound *b) {
  const probe_question *q = self;
  chance c = {true, true};
  size_t n;
  const mst_scalar *values;
  if (b->kind == BOUND_COMPARE && b->op == MST_EQ) c.yes = may_hold(q, b->column, &b->scalar);
  if (b->kind == BOUND_IN && !b->nulls) {
    values = mst_in_set_values(b->set, &n);
    c.yes = false;
    for (size_t i = 0; i < n && !c.yes; i++) c.yes = may_hold(q, b->column, &values[i]);
  }
  return c;
}

mst_prune mst_predicate_probe(const mst_predicate *p, mst_may_hold_fn may_hold_fn, void *self) {
  probe_question q = {.may_hold = may_hold_fn, .self = self};
  return ask(&p->nodes[0], ask_probe, &q).yes ? MST_PRUNE_SOME : MST_PRUNE_NONE;
}
