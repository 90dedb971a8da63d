/* expr/where.c - making, sharing and looking at conditions.
 *
 * Owns: the nodes, until the last reference goes. May call: base, column. */
#include <math.h>
#include <stdio.h>

#include "expr/node.h"

static const mst_allocator *mem_of(const mst_where *w) { return w->own_mem ? &w->mem : NULL; }

/* ---- literals -------------------------------------------------------------------------------------------------- */

bool mst_number_is_sound(const char *text, size_t n) {
  size_t i = 0, digits = 0, after = 0;
  if (i < n && text[i] == '-') i++;
  for (; i < n && text[i] >= '0' && text[i] <= '9'; i++) digits++;
  if (i < n && text[i] == '.')
    for (i++; i < n && text[i] >= '0' && text[i] <= '9'; i++) digits++;
  if (digits == 0) return false;
  if (i < n && (text[i] == 'e' || text[i] == 'E')) {
    i++;
    if (i < n && (text[i] == '-' || text[i] == '+')) i++;
    for (; i < n && text[i] >= '0' && text[i] <= '9'; i++) after++;
    if (after == 0) return false;
  }
  return i == n;
}

bool mst_literal_is_sound(const mst_literal *literal) {
  const char *text = literal->as.text.data;
  const size_t n = literal->as.text.size;
  mst_nanos nanos;
  int64_t value;
  size_t bad;
  switch (literal->kind) {
  case MST_LITERAL_NUMBER: return mst_number_is_sound(text, n);
  case MST_LITERAL_TEXT: return mst_utf8_valid(text, n, &bad);
  case MST_LITERAL_DATE: return mst_parse_date(text, n, &value);
  case MST_LITERAL_TIME: return mst_parse_time(text, n, &value);
  case MST_LITERAL_TIMESTAMP: return mst_parse_timestamp(text, n, &nanos);
  case MST_LITERAL_DURATION: return mst_parse_duration(text, n, &nanos);
  default: return true;
  }
}

size_t mst_print_double(double f, char *out) {
  double back = 0;
  int n = 0;
  for (int digits = 15; digits <= 17; digits++) {
    n = snprintf(out, 32, "%.*g", digits, f);
    for (char *p = out; *p != '\0'; p++)
      if (*p == ',') *p = '.'; /* a program may have set a locale */
    if (mst_number_f64(out, (size_t)n, &back) && back == f) break;
  }
  if (strpbrk(out, ".e") == NULL) {
    memcpy(out + n, ".0", 3);
    n += 2;
  }
  return (size_t)n;
}

/* As nodes keep it; texts go to `room`, of at least 32 bytes, or stay where they are. */
static mst_literal normal(const mst_literal *from, char *room) {
  mst_literal l = *from;
  int n = 0;
  if (from->kind == MST_LITERAL_INT) n = snprintf(room, 32, "%lld", (long long)from->as.i);
  else if (from->kind == MST_LITERAL_UINT) n = snprintf(room, 32, "%llu", (unsigned long long)from->as.u);
  else if (from->kind == MST_LITERAL_DOUBLE && isfinite(from->as.f)) n = (int)mst_print_double(from->as.f, room);
  else return l;
  l.kind = MST_LITERAL_NUMBER;
  l.as.text.data = room;
  l.as.text.size = (size_t)n;
  return l;
}

static bool has_text(mst_literal_kind kind) { return kind >= MST_LITERAL_NUMBER; }

/* ---- nodes ----------------------------------------------------------------------------------------------------- */

/* A leaf with copies of the name and the literals, all in one block. */
static mst_status make_leaf(const mst_allocator *mem, where_kind kind, const char *column, const mst_literal *literals,
                            size_t n, mst_where **out, mst_error *err) {
  const size_t name = column != NULL ? strlen(column) + 1 : 0;
  size_t size = sizeof(mst_where), bytes = name;
  char room[32], *at;
  mst_where *w;
  if (column != NULL && name == 1) return mst_fail(err, MST_E_ARGUMENT, "condition: a column's name is empty");
  for (size_t i = 0; i < n; i++) {
    const mst_literal l = normal(&literals[i], room);
    if (!mst_literal_is_sound(&l))
      return mst_fail(err, MST_E_ARGUMENT, "condition: a value for column \"%.80s\" is not well-formed: '%.*s'", column,
                      (int)mst_min_size(l.as.text.size, 60), l.as.text.data);
    if (has_text(l.kind)) bytes += l.as.text.size;
  }
  if (n > SIZE_MAX / 2 / sizeof *literals || bytes > SIZE_MAX / 4) return mst_fail_memory(err);
  size += n * sizeof *literals + bytes;
  w = mst_alloc(mem, size);
  if (w == NULL) return mst_fail_memory(err);
  *w = (mst_where){.refs = 1, .kind = kind, .depth = 1, .nodes = 1, .n_literals = n, .own_mem = mem != NULL};
  if (mem != NULL) w->mem = *mem;
  w->literals = (mst_literal *)(void *)(w + 1);
  at = (char *)(w->literals + n);
  for (size_t i = 0; i < n; i++) {
    w->literals[i] = normal(&literals[i], room);
    if (!has_text(w->literals[i].kind)) continue;
    if (w->literals[i].as.text.size > 0) memcpy(at, w->literals[i].as.text.data, w->literals[i].as.text.size);
    w->literals[i].as.text.data = at;
    at += w->literals[i].as.text.size;
  }
  if (column != NULL) {
    memcpy(at, column, name);
    w->column = at;
  }
  *out = w;
  return MST_OK;
}

mst_status mst_where_constant(const mst_allocator *mem, bool value, mst_where **out, mst_error *err) {
  mst_status status = make_leaf(mem, WHERE_CONSTANT, NULL, NULL, 0, out, err);
  if (status == MST_OK) (*out)->value = value;
  return status;
}

mst_status mst_where_is_null(const mst_allocator *mem, const char *column, bool negated, mst_where **out,
                             mst_error *err) {
  mst_status status = make_leaf(mem, WHERE_NULL, column, NULL, 0, out, err);
  if (status == MST_OK) (*out)->negated = negated;
  return status;
}

mst_status mst_where_is_nan(const mst_allocator *mem, const char *column, bool negated, mst_where **out,
                            mst_error *err) {
  mst_status status = make_leaf(mem, WHERE_NAN, column, NULL, 0, out, err);
  if (status == MST_OK) (*out)->negated = negated;
  return status;
}

mst_status mst_where_compare(const mst_allocator *mem, const char *column, mst_compare_op op, const mst_literal *value,
                             mst_where **out, mst_error *err) {
  mst_status status;
  if (value->kind == MST_LITERAL_NULL) {
    if (op != MST_EQ && op != MST_NE)
      return mst_fail(err, MST_E_ARGUMENT,
                      "condition: column \"%.80s\" is compared with null by an order; only == and != know null",
                      column);
    return mst_where_is_null(mem, column, op == MST_NE, out, err);
  }
  status = make_leaf(mem, WHERE_COMPARE, column, value, 1, out, err);
  if (status == MST_OK) (*out)->op = op;
  return status;
}

mst_status mst_where_in(const mst_allocator *mem, const char *column, const mst_literal *values, size_t n, bool negated,
                        mst_where **out, mst_error *err) {
  mst_status status = make_leaf(mem, WHERE_IN, column, values, n, out, err);
  if (status == MST_OK) (*out)->negated = negated;
  return status;
}

mst_status mst_where_like(const mst_allocator *mem, const char *column, const char *pattern, size_t size,
                          uint32_t escape, bool negated, mst_where **out, mst_error *err) {
  const mst_literal literal = {.kind = MST_LITERAL_TEXT, .as.text = {pattern, size}};
  mst_like *like = NULL;
  mst_status status;
  if (escape > 0x10ffff || (escape >= 0xd800 && escape < 0xe000))
    return mst_fail(err, MST_E_ARGUMENT, "condition: the escape of \"like\" is no character");
  status = mst_like_new(mem, pattern, size, escape, &like, err);
  if (status != MST_OK) return mst_while(err, status, "condition on column \"%.80s\"", column);
  mst_like_free(like);
  status = make_leaf(mem, WHERE_LIKE, column, &literal, 1, out, err);
  if (status != MST_OK) return status;
  (*out)->negated = negated;
  (*out)->escape = escape;
  return MST_OK;
}

/* Parts that are of the same kind are taken apart, so that chains stay flat. */
static size_t flat_parts(where_kind kind, mst_where *const *parts, size_t n, mst_where **to) {
  size_t made = 0;
  for (size_t i = 0; i < n; i++) {
    const bool same = kind != WHERE_NOT && parts[i]->kind == kind;
    mst_where *const *inner = same ? parts[i]->parts : &parts[i];
    const size_t count = same ? parts[i]->n_parts : 1;
    for (size_t k = 0; to != NULL && k < count; k++) to[made + k] = mst_where_ref(inner[k]);
    made += count;
  }
  return made;
}

static mst_status make_inner(const mst_allocator *mem, where_kind kind, mst_where *const *parts, size_t n,
                             mst_where **out, mst_error *err) {
  const size_t count = flat_parts(kind, parts, n, NULL);
  uint32_t depth = 0;
  size_t nodes = 1;
  mst_where *w;
  for (size_t i = 0; i < n; i++) {
    depth = parts[i]->depth > depth ? parts[i]->depth : depth;
    if (!mst_add_size(nodes, parts[i]->nodes, &nodes)) nodes = SIZE_MAX;
  }
  if (depth + 1 > MST_WHERE_DEPTH_MAX)
    return mst_fail(err, MST_E_LIMIT, "condition: nests deeper than %d", MST_WHERE_DEPTH_MAX);
  if (nodes > MST_WHERE_NODES_MAX)
    return mst_fail(err, MST_E_LIMIT, "condition: more than %d comparisons", MST_WHERE_NODES_MAX);
  w = mst_alloc(mem, sizeof *w + count * sizeof(mst_where *));
  if (w == NULL) return mst_fail_memory(err);
  *w = (mst_where){.refs = 1, .kind = kind, .depth = depth + 1, .nodes = nodes, .own_mem = mem != NULL};
  if (mem != NULL) w->mem = *mem;
  w->parts = (mst_where **)(void *)(w + 1);
  w->n_parts = flat_parts(kind, parts, n, w->parts);
  *out = w;
  return MST_OK;
}

static mst_status make_connective(const mst_allocator *mem, where_kind kind, mst_where *const *parts, size_t n,
                                  mst_where **out, mst_error *err) {
  if (n == 0) return mst_where_constant(mem, kind == WHERE_AND, out, err);
  if (n == 1) {
    *out = mst_where_ref(parts[0]);
    return MST_OK;
  }
  return make_inner(mem, kind, parts, n, out, err);
}

mst_status mst_where_and(const mst_allocator *mem, mst_where *const *parts, size_t n, mst_where **out, mst_error *err) {
  return make_connective(mem, WHERE_AND, parts, n, out, err);
}

mst_status mst_where_or(const mst_allocator *mem, mst_where *const *parts, size_t n, mst_where **out, mst_error *err) {
  return make_connective(mem, WHERE_OR, parts, n, out, err);
}

mst_status mst_where_not(const mst_allocator *mem, mst_where *part, mst_where **out, mst_error *err) {
  return make_inner(mem, WHERE_NOT, &part, 1, out, err);
}

mst_where *mst_where_ref(mst_where *w) {
  if (w != NULL) atomic_fetch_add_explicit(&w->refs, 1, memory_order_relaxed);
  return w;
}

void mst_where_unref(mst_where *w) {
  mst_allocator copy;
  if (w == NULL || atomic_fetch_sub_explicit(&w->refs, 1, memory_order_acq_rel) != 1) return;
  for (size_t i = 0; i < w->n_parts; i++) mst_where_unref(w->parts[i]);
  copy = w->mem;
  mst_free(w->own_mem ? &copy : NULL, w);
}

/* ---- looking at them ------------------------------------------------------------------------------------------- */

bool mst_where_is_constant(const mst_where *w, bool *value) {
  if (w->kind != WHERE_CONSTANT) return false;
  *value = w->value;
  return true;
}

size_t mst_where_conjuncts(const mst_where *w, mst_where *const **out) {
  if (w->kind != WHERE_AND) return 0;
  *out = w->parts;
  return w->n_parts;
}

static mst_status add_names(const mst_where *w, mst_intern *names, mst_error *err) {
  mst_status status = MST_OK;
  uint32_t number;
  if (w->column != NULL) return mst_intern_bytes(names, (const uint8_t *)w->column, strlen(w->column), &number, err);
  for (size_t i = 0; i < w->n_parts; i++) MST_TRY(add_names(w->parts[i], names, err));
done:
  return status;
}

/* The names lie behind the pointers, in one block. */
mst_status mst_where_columns(const mst_where *w, const mst_allocator *mem, const char ***names, size_t *n,
                             mst_error *err) {
  mst_status status = MST_OK;
  mst_intern found;
  const char **made = NULL;
  char *at;
  mst_intern_init(&found, mem_of(w));
  MST_TRY(add_names(w, &found, err));
  MST_TRY_ALLOC(made = mst_alloc(mem, (sizeof *made + 1) * found.n + found.values.size + 1));
  at = (char *)(made + found.n);
  for (uint32_t i = 0; i < found.n; i++) {
    size_t size;
    const uint8_t *name = mst_intern_text(&found, i, &size);
    memcpy(at, name, size);
    at[size] = '\0';
    made[i] = at;
    at += size + 1;
  }
  *names = made;
  *n = found.n;
done:
  mst_intern_free(&found);
  return status;
}
