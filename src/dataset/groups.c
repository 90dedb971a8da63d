/* dataset/groups.c - the combinations of values that some partition keys and indexed columns have, and which partitions hold each: what
 * work is dispatched by. May call: base, column, expr, dataset's own headers.
 *
 * A partition has one value of a key and any number of an indexed column; it belongs to every combination of them. Values are ranked once,
 * so that combinations are short rows of numbers that sort fast. */
#include "dataset/dataset.h"
#include "dataset/prune.h"
#include "dataset/value.h"

#define COMBINATIONS_MAX ((size_t)100000000) /* rows of the table of combinations; beyond is MST_E_LIMIT */

/* One column of `by`. */
typedef struct axis {
  const struct ArrowSchema *type;
  const struct ArrowArray *values; /* of a key: one a partition; of an index: distinct ones */
  const mst_index *index;          /* NULL: a partition key */
  uint32_t *rank;                  /* of each value */
  uint32_t *value_of;              /* of each rank: one value that has it */
  uint32_t *of_part;               /* index: value numbers by partition … */
  uint64_t *first;                 /* … of_part[first[p] … first[p + 1]) */
} axis;

typedef struct grouping {
  mst_dataset *d;
  const mst_allocator *mem;
  axis *axes;
  size_t n;
  mst_predicate *p;
  mst_scalar *scalars;
  const mst_scalar **known;
  size_t *axis_of; /* of each column of p: its axis, SIZE_MAX when none */
  size_t n_columns;
  uint32_t *rows; /* n ranks and the partition's place, one combination behind the other */
  size_t n_rows, room;
  mst_candidates found;
} grouping;

/* ---- axes ------------------------------------------------------------------------------------------------------ */

typedef struct ranking {
  mst_scalar *values;
} ranking;

static int compare_values(const void *a, const void *b, void *arg) {
  const ranking *r = arg;
  const uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
  const int c = mst_scalar_compare(&r->values[i], &r->values[k]);
  return c != 0 ? c : i < k ? -1 : i > k;
}

static mst_status rank_values(grouping *g, axis *x, mst_error *err) {
  mst_status status = MST_OK;
  const size_t n = (size_t)x->values->length;
  ranking r = {0};
  uint32_t *order = NULL;
  MST_TRY_ALLOC(r.values = mst_alloc_array(g->mem, n + 1, sizeof *r.values));
  MST_TRY_ALLOC(order = mst_alloc_array(g->mem, n + 1, sizeof *order));
  MST_TRY_ALLOC(x->rank = mst_alloc_zero(g->mem, n + 1, sizeof *x->rank));
  MST_TRY_ALLOC(x->value_of = mst_alloc_zero(g->mem, n + 1, sizeof *x->value_of));
  for (size_t i = 0; i < n; i++) {
    order[i] = (uint32_t)i;
    MST_TRY(mst_scalar_at(x->type, x->values, (int64_t)i, &r.values[i], err));
  }
  qsort_r(order, n, sizeof *order, compare_values, &r);
  uint32_t rank = 0;
  for (size_t i = 0; i < n; i++) {
    if (i > 0 && mst_scalar_compare(&r.values[order[i - 1]], &r.values[order[i]]) != 0) rank++;
    x->rank[order[i]] = rank;
    x->value_of[rank] = order[i];
  }
done:
  mst_free(g->mem, r.values);
  mst_free(g->mem, order);
  return status;
}

/* Which values each partition holds: the index the other way round. */
static mst_status turn_index(grouping *g, axis *x, mst_error *err) {
  mst_status status = MST_OK;
  const mst_index *ix = x->index;
  const size_t parts = mst_document_partitions(g->d->document);
  uint64_t *at = NULL;
  MST_TRY_ALLOC(x->first = mst_alloc_zero(g->mem, parts + 2, sizeof *x->first));
  MST_TRY_ALLOC(at = mst_alloc_zero(g->mem, parts + 1, sizeof *at));
  MST_TRY_ALLOC(x->of_part = mst_alloc_array(g->mem, (size_t)ix->first[ix->n] + 1, sizeof *x->of_part));
  for (uint64_t k = 0; k < ix->first[ix->n]; k++) x->first[ix->parts[k] + 1]++;
  for (size_t p = 0; p < parts; p++) {
    x->first[p + 1] += x->first[p];
    at[p] = x->first[p];
  }
  for (size_t v = 0; v < ix->n; v++)
    for (uint64_t k = ix->first[v]; k < ix->first[v + 1]; k++) x->of_part[at[ix->parts[k]]++] = (uint32_t)v;
done:
  mst_free(g->mem, at);
  return status;
}

static mst_status open_axis(grouping *g, const char *column, axis *x, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  const size_t key = mst_document_key_find(g->d->document, column);
  const struct ArrowSchema *field = NULL, *schema = NULL;
  const struct ArrowArray *keys = NULL;
  MST_TRY(mst_state_field(g->d, column, &field, err));
  if (key != MST_DOCUMENT_NONE) {
    MST_TRY(mst_state_keys(g->d, &schema, &keys, err));
    x->type = schema->children[key];
    x->values = keys->children[key];
  } else {
    status = mst_state_index(g->d, column, &x->index, cancel, err);
    if (status == MST_E_NOT_FOUND)
      status = mst_fail(err, MST_E_ARGUMENT, "groups are made of partition keys and columns with a secondary index; \"%s\" is neither", column);
    if (status != MST_OK) goto done;
    x->type = &x->index->type;
    x->values = &x->index->values;
    MST_TRY(turn_index(g, x, err));
  }
  MST_TRY(rank_values(g, x, err));
done:
  return status;
}

static mst_status open_axes(grouping *g, const char *const *by, size_t n, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY_ALLOC(g->axes = mst_alloc_zero(g->mem, n + 1, sizeof *g->axes));
  for (; g->n < n; g->n++) {
    for (size_t i = 0; i < g->n; i++)
      if (mst_text_equal(by[i], by[g->n])) {
        status = mst_fail(err, MST_E_ARGUMENT, "groups are asked for by \"%s\" twice", by[i]);
        goto done;
      }
    status = open_axis(g, by[g->n], &g->axes[g->n], cancel, err);
    if (status != MST_OK) {
      g->n++;
      goto done;
    }
  }
done:
  return status;
}

static mst_status open_condition(grouping *g, const char *const *by, mst_error *err) {
  mst_status status = MST_OK;
  if (g->p == NULL) return MST_OK;
  const mst_predicate_column *columns = mst_predicate_columns(g->p, &g->n_columns);
  MST_TRY_ALLOC(g->scalars = mst_alloc_zero(g->mem, g->n_columns + 1, sizeof *g->scalars));
  MST_TRY_ALLOC(g->known = mst_alloc_zero(g->mem, g->n_columns + 1, sizeof *g->known));
  MST_TRY_ALLOC(g->axis_of = mst_alloc_zero(g->mem, g->n_columns + 1, sizeof *g->axis_of));
  for (size_t i = 0; i < g->n_columns; i++) {
    g->axis_of[i] = SIZE_MAX;
    for (size_t k = 0; k < g->n; k++)
      if (columns[i].depth == 1 && mst_text_equal(g->d->schema.children[columns[i].path[0]]->name, by[k])) g->axis_of[i] = k;
  }
done:
  return status;
}

/* ---- combinations ---------------------------------------------------------------------------------------------- */

/* Whether rows with these values can meet the condition. */
static mst_status may_match(grouping *g, size_t part, const uint32_t *ranks, bool *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_prune truth = MST_PRUNE_SOME;
  *out = true;
  if (g->p == NULL) return MST_OK;
  MST_TRY(mst_known_keys(g->d, g->p, part, g->scalars, g->known, err));
  for (size_t i = 0; i < g->n_columns; i++) {
    if (g->axis_of[i] == SIZE_MAX || g->known[i] != NULL) continue;
    const axis *x = &g->axes[g->axis_of[i]];
    MST_TRY(mst_scalar_at(x->type, x->values, x->value_of[ranks[g->axis_of[i]]], &g->scalars[i], err));
    g->known[i] = &g->scalars[i];
  }
  MST_TRY(mst_predicate_reduce(g->p, g->known, &truth, NULL, err));
  *out = truth != MST_PRUNE_NONE;
done:
  return status;
}

static mst_status put_row(grouping *g, size_t place, const uint32_t *ranks, mst_error *err) {
  const size_t width = g->n + 1;
  bool may = true;
  const mst_status status = may_match(g, g->found.items[place].part, ranks, &may, err);
  if (status != MST_OK || !may) return status;
  if (g->n_rows >= COMBINATIONS_MAX)
    return mst_fail(err, MST_E_LIMIT, "the groups would be made of more than %zu combinations of values and partitions", COMBINATIONS_MAX);
  if (g->n_rows == g->room) {
    const size_t room = g->room == 0 ? 256 : 2 * g->room;
    uint32_t *grown = mst_resize(g->mem, g->rows, room * width * sizeof *grown);
    if (grown == NULL) return mst_fail_memory(err);
    g->rows = grown;
    g->room = room;
  }
  uint32_t *row = g->rows + g->n_rows++ * width;
  memcpy(row, ranks, g->n * sizeof *row);
  row[g->n] = (uint32_t)place;
  return MST_OK;
}

static size_t values_at(const grouping *g, size_t axis_number, size_t part, uint64_t *first) {
  const axis *x = &g->axes[axis_number];
  if (x->index == NULL) {
    *first = part;
    return 1;
  }
  *first = x->first[part];
  return (size_t)(x->first[part + 1] - x->first[part]);
}

/* Counts through all combinations of one partition's values, the last axis fastest. */
static mst_status combine(grouping *g, size_t place, uint32_t *ranks, size_t *turn, mst_error *err) {
  mst_status status = MST_OK;
  const size_t part = g->found.items[place].part;
  uint64_t first = 0;
  for (size_t i = 0; i < g->n; i++) {
    turn[i] = 0;
    if (values_at(g, i, part, &first) == 0) return MST_OK;
  }
  for (;;) {
    for (size_t i = 0; i < g->n; i++) {
      const axis *x = &g->axes[i];
      (void)values_at(g, i, part, &first);
      ranks[i] = x->rank[x->index == NULL ? part : x->of_part[first + turn[i]]];
    }
    MST_TRY(put_row(g, place, ranks, err));
    size_t i = g->n;
    while (i > 0 && ++turn[i - 1] == values_at(g, i - 1, part, &first)) turn[--i] = 0;
    if (i == 0) return MST_OK;
  }
done:
  return status;
}

static int compare_rows(const void *a, const void *b, void *arg) {
  const uint32_t *p = a, *q = b;
  const size_t width = ((const grouping *)arg)->n + 1;
  for (size_t i = 0; i < width; i++)
    if (p[i] != q[i]) return p[i] < q[i] ? -1 : 1;
  return 0;
}

static mst_status make_rows(grouping *g, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  uint32_t *ranks = NULL;
  size_t *turn = NULL;
  MST_TRY_ALLOC(ranks = mst_alloc_zero(g->mem, g->n + 1, sizeof *ranks));
  MST_TRY_ALLOC(turn = mst_alloc_zero(g->mem, g->n + 1, sizeof *turn));
  for (size_t i = 0; i < g->found.n; i++) {
    MST_TRY(mst_cancel_check(cancel, err));
    MST_TRY(combine(g, i, ranks, turn, err));
  }
  qsort_r(g->rows, g->n_rows, (g->n + 1) * sizeof *g->rows, compare_rows, g);
done:
  mst_free(g->mem, ranks);
  mst_free(g->mem, turn);
  return status;
}

/* ---- out ------------------------------------------------------------------------------------------------------- */

static mst_status begin_group(grouping *g, const uint32_t *row, json_t *groups, json_t **labels, mst_error *err) {
  mst_status status = MST_OK;
  json_t *values = json_object(), *list = json_array(), *value = NULL;
  if (values == NULL || list == NULL) status = mst_fail_memory(err);
  for (size_t i = 0; status == MST_OK && i < g->n; i++) {
    const axis *x = &g->axes[i];
    mst_scalar v;
    MST_TRY(mst_scalar_at(x->type, x->values, x->value_of[row[i]], &v, err));
    MST_TRY(mst_scalar_to_json(x->type, &v, &value, err));
    if (json_object_set_new(values, x->type->name, value) != 0) status = mst_fail_memory(err);
  }
  if (status != MST_OK) goto done;
  *labels = list;
  if (json_array_append_new(groups, json_pack("{sO sO}", "values", values, "labels", list)) != 0) status = mst_fail_memory(err);
done:
  json_decref(values);
  json_decref(list);
  return status;
}

static mst_status write_groups(grouping *g, json_t *groups, mst_error *err) {
  mst_status status = MST_OK;
  json_t *labels = NULL; /* borrowed from its group */
  for (size_t i = 0; i < g->n_rows; i++) {
    const uint32_t *row = g->rows + i * (g->n + 1);
    if (i == 0 || memcmp(row, row - (g->n + 1), g->n * sizeof *row) != 0) MST_TRY(begin_group(g, row, groups, &labels, err));
    const size_t part = g->found.items[row[g->n]].part;
    if (json_array_append_new(labels, json_string(mst_document_label(g->d->document, part))) != 0) {
      status = mst_fail_memory(err);
      goto done;
    }
  }
done:
  return status;
}

static void end(grouping *g) {
  for (size_t i = 0; g->axes != NULL && i < g->n; i++) {
    mst_free(g->mem, g->axes[i].rank);
    mst_free(g->mem, g->axes[i].value_of);
    mst_free(g->mem, g->axes[i].of_part);
    mst_free(g->mem, g->axes[i].first);
  }
  mst_free(g->mem, g->axes);
  mst_free(g->mem, g->scalars);
  mst_free(g->mem, g->known);
  mst_free(g->mem, g->axis_of);
  mst_free(g->mem, g->rows);
  mst_candidates_free(&g->found);
  mst_predicate_unref(g->p);
}

mst_status mst_ds_groups(mst_dataset *d, const char *const *by, size_t n, const char *where, json_t **out, mst_cancel *cancel,
                         mst_error *err) {
  mst_status status = MST_OK;
  mst_where *w = NULL;
  json_t *groups = NULL;
  grouping g = {.d = d, .mem = d->mem, .found.mem = d->mem};
  MST_TRY(mst_condition_of(d, where, &w, &g.p, err));
  MST_TRY(mst_prune_partitions(d, g.p, NULL, 0, 0, &g.found, cancel, err));
  MST_TRY(open_axes(&g, by, n, cancel, err));
  MST_TRY(open_condition(&g, by, err));
  MST_TRY(make_rows(&g, cancel, err));
  MST_TRY_ALLOC(groups = json_array());
  MST_TRY(write_groups(&g, groups, err));
  *out = groups;
  groups = NULL;
done:
  json_decref(groups);
  mst_where_unref(w);
  end(&g);
  return status;
}
