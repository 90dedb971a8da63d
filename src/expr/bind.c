/* expr/bind.c - conditions bound to a schema: columns found, literals made values of their columns' types.
 *
 * Owns: predicates, until the last reference goes. May call: base, column. */
#include <math.h>

#include "expr/bound.h"

typedef struct binder {
  const mst_allocator *mem;
  const struct ArrowSchema *schema;
  mst_predicate *p;
  mst_intern names;
  mst_block columns; /* mst_predicate_column */
  mst_block inner;   /* bound_column         */
  mst_error *err;
} binder;

/* ---- columns ------------------------------------------------------------------------------------------------------
 */

typedef struct found_field {
  const struct ArrowSchema *field;
  int32_t path[MST_SCHEMA_DEPTH_MAX];
  size_t depth;
  bool twice;
} found_field;

/* A field by its whole name; else through a struct whose name the name begins with. */
static bool find_field(const struct ArrowSchema *schema, const char *name, size_t depth, found_field *out) {
  bool found = false;
  if (depth >= MST_SCHEMA_DEPTH_MAX) return false;
  for (int64_t i = 0; i < schema->n_children; i++) {
    if (!mst_text_equal(schema->children[i]->name, name)) continue;
    out->twice = found;
    if (found) return true;
    found = true;
    out->field = schema->children[i];
    out->path[depth] = (int32_t)i;
    out->depth = depth + 1;
  }
  for (int64_t i = 0; !found && i < schema->n_children; i++) {
    const struct ArrowSchema *child = schema->children[i];
    const size_t n = child->name != NULL ? strlen(child->name) : 0;
    if (n == 0 || strncmp(child->name, name, n) != 0 || name[n] != '.') continue;
    if (!mst_text_equal(child->format, "+s") || child->dictionary != NULL) continue;
    out->path[depth] = (int32_t)i;
    found = find_field(child, name + n + 1, depth + 1, out);
  }
  return found;
}

static mst_status no_such_column(binder *b, const char *name) {
  mst_status status = MST_OK;
  mst_error *err = b->err;
  const char **names = NULL, *near;
  size_t n = 0;
  MST_TRY_ALLOC(names = mst_alloc_array(b->mem, (size_t)b->schema->n_children + 1, sizeof *names));
  for (int64_t i = 0; i < b->schema->n_children; i++)
    if (b->schema->children[i]->name != NULL) names[n++] = b->schema->children[i]->name;
  near = mst_text_nearest(name, names, n);
  if (near != NULL)
    status =
        mst_fail(err, MST_E_ARGUMENT, "condition: there is no column \"%.80s\"; did you mean \"%.80s\"?", name, near);
  else status = mst_fail(err, MST_E_ARGUMENT, "condition: there is no column \"%.80s\"", name);
done:
  mst_free(b->mem, names);
  return status;
}

/* The type of the values behind dictionaries and run ends. */
static mst_status value_type(const struct ArrowSchema *field, mst_type *out, mst_error *err) {
  const struct ArrowSchema *values = field;
  for (;;) {
    if (values->dictionary != NULL) values = values->dictionary;
    else if (mst_text_equal(values->format, "+r") && values->n_children == 2) values = values->children[1];
    else break;
  }
  return mst_type_parse(values->format, out, err);
}

static mst_status add_column(binder *b, const char *name) {
  mst_status status = MST_OK;
  mst_error *err = b->err;
  found_field found = {0};
  bound_column inner = {0};
  mst_predicate_column column = {0};
  if (!find_field(b->schema, name, 0, &found)) return no_such_column(b, name);
  if (found.twice) return mst_fail(err, MST_E_ARGUMENT, "condition: there are two columns \"%.80s\"", name);
  MST_TRY(mst_schema_copy(b->mem, found.field, &inner.field, err));
  MST_TRY_ALLOC(inner.name = mst_text_copy(b->mem, name));
  MST_TRY_ALLOC(inner.path = mst_alloc_array(b->mem, found.depth, sizeof *inner.path));
  memcpy(inner.path, found.path, found.depth * sizeof *inner.path);
  MST_TRY(value_type(&inner.field, &column.type, err));
  if (column.type.kind == MST_KIND_UNION) {
    status = mst_fail(err, MST_E_UNSUPPORTED,
                      "condition: column \"%.80s\" is a union, of which conditions know nothing", name);
    goto done;
  }
  column.name = inner.name;
  column.path = inner.path;
  column.depth = found.depth;
  column.dictionary = inner.field.dictionary != NULL;
  MST_TRY(mst_block_reserve(&b->columns, sizeof column, err));
  MST_TRY(mst_block_put(&b->inner, &inner, sizeof inner, err));
  inner = (bound_column){0};
  MST_TRY(mst_block_put(&b->columns, &column, sizeof column, err));
done:
  mst_schema_release(&inner.field);
  mst_free(b->mem, inner.name);
  mst_free(b->mem, inner.path);
  return status;
}

static mst_status column_number(binder *b, const char *name, uint32_t *out) {
  const uint32_t before = b->names.n;
  mst_status status = mst_intern_bytes(&b->names, (const uint8_t *)name, strlen(name), out, b->err);
  if (status != MST_OK || b->names.n == before) return status;
  return add_column(b, name);
}

/* Moves while columns are added: not to be kept. */
static const mst_type *type_of(const binder *b, uint32_t column) {
  return &((const mst_predicate_column *)(const void *)b->columns.data)[column].type;
}

/* ---- tests ---------------------------------------------------------------------------------------------------------
 */

static bool is_bytes(const mst_type *type) { return mst_type_scalar(type) == MST_SCALAR_BYTES; }

/* Only values of a type's own can be met; between two of them a comparison with the lower one says the same. */
static mst_status bind_compare(binder *b, bound *to, const mst_where *w, const mst_type *type) {
  mst_compare_op op = w->op == MST_NE ? MST_EQ : w->op;
  cut c;
  mst_status status = mst_literal_cut(&w->literals[0], type, w->column, &c, b->err);
  if (status != MST_OK) return status;
  to->negated = to->negated != (w->op == MST_NE);
  to->kind = BOUND_COMPARE;
  to->op = op;
  to->scalar = c.low;
  to->cost = is_bytes(type) ? 4 : 1;
  if (c.nan || type->kind == MST_KIND_NULL) {
    to->kind = BOUND_FALSE;
  } else if (c.below) {
    to->kind = op == MST_GT || op == MST_GE ? BOUND_NULL : BOUND_FALSE;
    to->negated = to->negated != (to->kind == BOUND_NULL);
  } else if (!c.exact) {
    if (op == MST_EQ) to->kind = BOUND_FALSE;
    to->op = op == MST_LT || op == MST_LE ? MST_LE : MST_GT;
  }
  return MST_OK;
}

static mst_status bind_in(binder *b, bound *to, const mst_where *w, const mst_type *type) {
  mst_status status = MST_OK;
  mst_error *err = b->err;
  mst_scalar *values = NULL;
  size_t n = 0;
  MST_TRY_ALLOC(values = mst_alloc_array(b->mem, w->n_literals + 1, sizeof *values));
  for (size_t i = 0; i < w->n_literals; i++) {
    cut c;
    if (w->literals[i].kind == MST_LITERAL_NULL) {
      to->nulls = true;
      continue;
    }
    MST_TRY(mst_literal_cut(&w->literals[i], type, w->column, &c, err));
    if (c.exact && !c.below && !c.nan && type->kind != MST_KIND_NULL) values[n++] = c.low;
  }
  MST_TRY(mst_in_set_new(b->mem, values, n, &to->set, err));
  to->negated = to->negated != w->negated;
  to->kind = BOUND_IN;
  to->cost = is_bytes(type) ? 6 : 3;
done:
  mst_free(b->mem, values);
  return status;
}

static mst_status bind_like(binder *b, bound *to, const mst_where *w, const mst_type *type) {
  char name[80];
  const mst_literal *pattern = &w->literals[0];
  to->negated = to->negated != w->negated;
  to->cost = 10;
  to->kind = type->kind == MST_KIND_NULL ? BOUND_FALSE : BOUND_LIKE;
  if (type->kind != MST_KIND_TEXT && type->kind != MST_KIND_BYTES && type->kind != MST_KIND_NULL)
    return mst_fail(b->err, MST_E_ARGUMENT, "condition: column \"%.80s\" is %s; \"like\" needs text", w->column,
                    mst_type_print(type, name));
  return mst_like_new(b->mem, pattern->as.text.data, pattern->as.text.size, w->escape, &to->like, b->err);
}

static mst_status bind_node(binder *b, bound *to, mst_where *w, bool turned);

static void sort_parts(bound *parts, size_t n) {
  enum { MANY = 64 };
  if (n > MANY) return; /* a long list of alternatives is rarely mixed */
  for (size_t i = 1; i < n; i++) {
    const bound moving = parts[i];
    size_t k = i;
    for (; k > 0 && parts[k - 1].cost > moving.cost; k--) parts[k] = parts[k - 1];
    parts[k] = moving;
  }
}

static mst_status bind_parts(binder *b, bound *to, mst_where *w) {
  mst_status status = MST_OK;
  to->kind = w->kind == WHERE_AND ? BOUND_AND : BOUND_OR;
  to->parts = b->p->nodes + b->p->n_nodes;
  to->n_parts = w->n_parts;
  b->p->n_nodes += w->n_parts;
  mst_assert(b->p->n_nodes <= b->p->room);
  for (size_t i = 0; i < w->n_parts; i++) {
    MST_TRY(bind_node(b, &to->parts[i], w->parts[i], false));
    to->cost += to->parts[i].cost;
  }
  sort_parts(to->parts, to->n_parts);
done:
  return status;
}

static mst_status bind_leaf(binder *b, bound *to, const mst_where *w) {
  mst_type type;
  mst_status status = column_number(b, w->column, &to->column);
  if (status != MST_OK) return status;
  type = *type_of(b, to->column);
  switch (w->kind) {
  case WHERE_COMPARE: return bind_compare(b, to, w, &type);
  case WHERE_IN: return bind_in(b, to, w, &type);
  case WHERE_LIKE: return bind_like(b, to, w, &type);
  default: break;
  }
  to->kind = w->kind == WHERE_NAN ? BOUND_NAN : BOUND_NULL;
  if (to->kind == BOUND_NAN && mst_type_scalar(&type) != MST_SCALAR_DOUBLE) to->kind = BOUND_FALSE; /* none is */
  to->negated = to->negated != w->negated;
  to->cost = 1;
  return MST_OK;
}

static mst_status bind_node(binder *b, bound *to, mst_where *w, bool turned) {
  while (w->kind == WHERE_NOT) {
    turned = !turned;
    w = w->parts[0];
  }
  to->source = w;
  to->turned = to->negated = turned;
  if (w->kind == WHERE_AND || w->kind == WHERE_OR) return bind_parts(b, to, w);
  if (w->kind != WHERE_CONSTANT) return bind_leaf(b, to, w);
  to->kind = BOUND_FALSE;
  to->negated = turned != w->value;
  return MST_OK;
}

/* ---- predicates -----------------------------------------------------------------------------------------------------
 */

static void take_columns(binder *b) {
  mst_predicate *p = b->p;
  p->n_columns = b->columns.size / sizeof *p->columns;
  p->columns = (mst_predicate_column *)(void *)b->columns.data;
  p->inner = (bound_column *)(void *)b->inner.data;
  p->column_block = b->columns;
  p->inner_block = b->inner;
  mst_block_init(&b->columns, b->mem);
  mst_block_init(&b->inner, b->mem);
}

static mst_status new_predicate(const mst_allocator *mem, mst_where *w, mst_predicate **out, mst_error *err) {
  mst_predicate *p = mst_alloc_zero(mem, 1, sizeof *p);
  if (p == NULL) return mst_fail_memory(err);
  p->nodes = mst_alloc_zero(mem, w->nodes, sizeof *p->nodes);
  if (p->nodes == NULL) {
    mst_free(mem, p);
    return mst_fail_memory(err);
  }
  p->refs = 1;
  if (mem != NULL) p->mem = *mem;
  p->own_mem = mem != NULL;
  p->where = mst_where_ref(w);
  p->room = w->nodes;
  p->n_nodes = 1;
  *out = p;
  return MST_OK;
}

mst_status mst_predicate_bind(const mst_allocator *mem, mst_where *w, const struct ArrowSchema *schema,
                              mst_predicate **out, mst_error *err) {
  mst_status status = MST_OK;
  binder b = {.mem = mem, .schema = schema, .err = err};
  mst_intern_init(&b.names, mem);
  mst_block_init(&b.columns, mem);
  mst_block_init(&b.inner, mem);
  MST_TRY(new_predicate(mem, w, &b.p, err));
  status = bind_node(&b, &b.p->nodes[0], w, false);
  take_columns(&b);
  if (status == MST_OK) {
    *out = b.p;
    b.p = NULL;
  }
done:
  mst_predicate_unref(b.p);
  mst_intern_free(&b.names);
  mst_block_free(&b.columns);
  mst_block_free(&b.inner);
  return status;
}

mst_predicate *mst_predicate_ref(mst_predicate *p) {
  if (p != NULL) atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
  return p;
}

void mst_predicate_unref(mst_predicate *p) {
  mst_allocator copy;
  const mst_allocator *mem;
  if (p == NULL || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1) return;
  copy = p->mem;
  mem = p->own_mem ? &copy : NULL;
  for (size_t i = 0; i < p->n_nodes; i++) {
    mst_in_set_free(p->nodes[i].set);
    mst_like_free(p->nodes[i].like);
  }
  for (size_t i = 0; i < p->n_columns; i++) {
    mst_schema_release(&p->inner[i].field);
    mst_free(mem, p->inner[i].name);
    mst_free(mem, p->inner[i].path);
  }
  p->column_block.mem = p->inner_block.mem = mem; /* the one it was made with may be gone */
  mst_block_free(&p->column_block);
  mst_block_free(&p->inner_block);
  mst_free(mem, p->nodes);
  mst_where_unref(p->where);
  mst_free(mem, p);
}

mst_where *mst_predicate_where(const mst_predicate *p) { return p->where; }

const mst_predicate_column *mst_predicate_columns(const mst_predicate *p, size_t *n) {
  *n = p->n_columns;
  return p->columns;
}
