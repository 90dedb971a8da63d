/* dataset/prune.c - see prune.h.
 *
 * Keys decide whole columns at once; an index decides the parts of the condition that are about its column alone, value by value; what
 * is left is judged partition by partition by bounds (a key is a bound by itself, statistics and an index give smallest and largest
 * values) and by asking the indices for the values of each equality. */
#include "dataset/prune.h"

#include "dataset/stats.h"

/* A secondary index of a column that the condition uses. */
typedef struct hint {
  const mst_index *index;
  mst_value_set set; /* of values outside of which nothing matches */
  size_t *rows;      /* of each of them: its row in the index; SIZE_MAX: the index has no such value */
  mst_scalar *low, *high; /* of each partition, where `filled` */
  uint64_t *filled;
} hint;

typedef struct pruning {
  mst_dataset *d;
  const mst_allocator *mem;
  const mst_predicate *p;
  const mst_predicate_column *columns; /* of the predicate */
  size_t n_columns;
  uint64_t *alive; /* a bit for each partition */
  size_t n;        /* partitions */
  size_t *key_of;  /* of each column: its number among the partition keys, SIZE_MAX when it is none */
  const struct ArrowSchema **fields; /* of each column, when it is a column of the table and not within one */
  const struct ArrowSchema *keys_schema;
  const struct ArrowArray *keys;
  hint *hints; /* of each column */
  const mst_stats *stats;
  size_t part; /* that is being judged */
} pruning;

void mst_candidates_free(mst_candidates *c) {
  mst_free(c->mem, c->items);
  *c = (mst_candidates){.mem = c->mem};
}

mst_status mst_condition_of(const mst_dataset *d, const char *text, mst_where **where, mst_predicate **predicate, mst_error *err) {
  mst_status status = MST_OK;
  mst_where *w = NULL;
  *where = NULL;
  *predicate = NULL;
  if (text == NULL) return MST_OK;
  MST_TRY(mst_where_parse_any(d->mem, text, strlen(text), &w, err));
  if (d->schema.release == NULL) {
    status = mst_fail(err, MST_E_ARGUMENT, "the dataset has no columns yet that a condition could be about");
    goto done;
  }
  MST_TRY(mst_predicate_bind(d->mem, w, &d->schema, predicate, err));
  *where = w;
  w = NULL;
done:
  mst_where_unref(w);
  return status;
}

mst_status mst_known_keys(mst_dataset *d, const mst_predicate *p, size_t part, mst_scalar *scalars, const mst_scalar **known, mst_error *err) {
  mst_status status = MST_OK;
  const struct ArrowSchema *schema = NULL;
  const struct ArrowArray *keys = NULL;
  size_t n = 0;
  const mst_predicate_column *columns = mst_predicate_columns(p, &n);
  for (size_t i = 0; i < n; i++) {
    const char *name = d->schema.children[columns[i].path[0]]->name;
    const size_t key = columns[i].depth == 1 ? mst_document_key_find(d->document, name) : MST_DOCUMENT_NONE;
    known[i] = NULL;
    if (key == MST_DOCUMENT_NONE) continue;
    if (keys == NULL) MST_TRY(mst_state_keys(d, &schema, &keys, err));
    MST_TRY(mst_scalar_at(schema->children[key], keys->children[key], (int64_t)part, &scalars[i], err));
    known[i] = &scalars[i];
  }
done:
  return status;
}

/* ---- partition keys -------------------------------------------------------------------------------------------- */

/* Calls back for each part of the condition that must hold and that is about the wanted columns alone. */
static mst_status columns_of(const pruning *u, const mst_where *w, const char ***names, size_t *n, mst_error *err) {
  return mst_where_columns(w, u->mem, names, n, err);
}

static bool all_are_keys(const pruning *u, const char *const *names, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (mst_document_key_find(u->d->document, names[i]) == MST_DOCUMENT_NONE) return false;
  return n > 0;
}

static mst_status prune_by_keys(pruning *u, mst_where *w, uint64_t *scratch, mst_error *err) {
  mst_status status = MST_OK;
  mst_predicate *p = NULL;
  MST_TRY(mst_predicate_bind(u->mem, w, u->keys_schema, &p, err));
  MST_TRY(mst_predicate_eval(p, u->keys, scratch, err));
  mst_bits_and(u->alive, scratch, u->n);
done:
  mst_predicate_unref(p);
  return status;
}

/* ---- secondary indices ----------------------------------------------------------------------------------------- */

/* Whether a null or NaN, which no index holds, could fulfil a predicate on one column. */
static mst_status null_may_match(const mst_predicate *p, bool *out, mst_error *err) {
  const mst_scalar null = mst_scalar_null(), nan = mst_scalar_double(__builtin_nan(""));
  size_t n = 0;
  const mst_predicate_column *columns = mst_predicate_columns(p, &n);
  const mst_scalar *known = &null;
  mst_prune truth = MST_PRUNE_SOME;
  *out = true;
  mst_status status = mst_predicate_reduce(p, &known, &truth, NULL, err);
  if (status != MST_OK || truth != MST_PRUNE_NONE) return status;
  if (mst_type_scalar(&columns[0].type) == MST_SCALAR_DOUBLE) {
    known = &nan;
    status = mst_predicate_reduce(p, &known, &truth, NULL, err);
    if (status != MST_OK || truth != MST_PRUNE_NONE) return status;
  }
  *out = false;
  return MST_OK;
}

/* The values of an index as a batch with one column; everything is borrowed. */
typedef struct value_batch {
  struct ArrowSchema schema, *fields[1];
  struct ArrowArray batch, *columns[1];
  const void *no_buffer[1];
} value_batch;

static void borrow_values(const mst_index *x, value_batch *b) {
  *b = (value_batch){0};
  b->fields[0] = (struct ArrowSchema *)&x->type;
  b->schema = (struct ArrowSchema){.format = "+s", .name = "", .n_children = 1, .children = b->fields};
  b->columns[0] = (struct ArrowArray *)&x->values;
  b->batch = (struct ArrowArray){.length = (int64_t)x->n, .n_buffers = 1, .buffers = b->no_buffer, .n_children = 1, .children = b->columns};
}

/* `w` is about the index's column alone. */
static mst_status prune_by_index(pruning *u, mst_where *w, const mst_index *x, uint64_t *scratch, mst_error *err) {
  mst_status status = MST_OK;
  mst_predicate *p = NULL;
  uint64_t *bits = NULL;
  bool nulls = false;
  value_batch values;
  borrow_values(x, &values);
  MST_TRY(mst_predicate_bind(u->mem, w, &values.schema, &p, err));
  MST_TRY(null_may_match(p, &nulls, err));
  if (nulls) goto done;
  MST_TRY_ALLOC(bits = mst_alloc_zero(u->mem, MST_BITS_WORDS(x->n) + 1, sizeof *bits));
  MST_TRY(mst_predicate_eval(p, &values.batch, bits, err));
  mst_bits_fill(scratch, u->n, false);
  for (size_t i = 0; i < x->n; i++)
    if (mst_bits_get(bits, i))
      for (uint64_t k = x->first[i]; k < x->first[i + 1]; k++) scratch[x->parts[k] / 64] |= UINT64_C(1) << (x->parts[k] % 64);
  mst_bits_and(u->alive, scratch, u->n);
done:
  mst_free(u->mem, bits);
  mst_predicate_unref(p);
  return status;
}

/* ---- parts of the condition that must all hold ------------------------------------------------------------------ */

static size_t column_called(const pruning *u, const char *name) {
  for (size_t i = 0; i < u->n_columns; i++)
    if (mst_text_equal(u->columns[i].name, name)) return i;
  return SIZE_MAX;
}

static mst_status prune_by_part(pruning *u, mst_where *w, bool by_keys, uint64_t *scratch, mst_error *err) {
  mst_status status = MST_OK;
  const char **names = NULL;
  size_t n = 0;
  MST_TRY(columns_of(u, w, &names, &n, err));
  if (by_keys && all_are_keys(u, names, n)) MST_TRY(prune_by_keys(u, w, scratch, err));
  const size_t column = !by_keys && n == 1 ? column_called(u, names[0]) : SIZE_MAX;
  if (column != SIZE_MAX && u->hints[column].index != NULL) MST_TRY(prune_by_index(u, w, u->hints[column].index, scratch, err));
done:
  mst_free(u->mem, names);
  return status;
}

static mst_status prune_by_parts(pruning *u, bool by_keys, mst_error *err) {
  mst_status status = MST_OK;
  mst_where *const *parts = NULL;
  const size_t n = mst_where_conjuncts(mst_predicate_where(u->p), &parts);
  uint64_t *scratch = mst_alloc_zero(u->mem, MST_BITS_WORDS(u->n) + 1, sizeof *scratch);
  MST_TRY_ALLOC(scratch);
  for (size_t i = 0; i < n; i++) MST_TRY(prune_by_part(u, parts[i], by_keys, scratch, err));
done:
  mst_free(u->mem, scratch);
  return status;
}

/* ---- what an index says of single values and of bounds ---------------------------------------------------------- */

static mst_status find_rows(pruning *u, hint *h, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY_ALLOC(h->rows = mst_alloc_array(u->mem, h->set.n + 1, sizeof *h->rows));
  for (size_t i = 0; i < h->set.n; i++) h->rows[i] = SIZE_MAX;
  for (size_t row = 0; row < h->index->n && h->set.n > 0; row++) {
    mst_scalar v;
    MST_TRY(mst_scalar_at(&h->index->type, &h->index->values, (int64_t)row, &v, err));
    size_t low = 0, high = h->set.n;
    while (low < high) {
      const size_t middle = low + (high - low) / 2;
      if (mst_scalar_compare(&h->set.values[middle], &v) < 0) low = middle + 1;
      else high = middle;
    }
    if (low < h->set.n && mst_scalar_equal(&h->set.values[low], &v)) h->rows[low] = row;
  }
done:
  return status;
}

static mst_status find_bounds(pruning *u, hint *h, mst_error *err) {
  mst_status status = MST_OK;
  const mst_index *x = h->index;
  MST_TRY_ALLOC(h->low = mst_alloc_array(u->mem, u->n + 1, sizeof *h->low));
  MST_TRY_ALLOC(h->high = mst_alloc_array(u->mem, u->n + 1, sizeof *h->high));
  MST_TRY_ALLOC(h->filled = mst_alloc_zero(u->mem, MST_BITS_WORDS(u->n) + 1, sizeof *h->filled));
  for (size_t i = 0; i < x->n; i++) {
    mst_scalar v;
    MST_TRY(mst_scalar_at(&x->type, &x->values, (int64_t)i, &v, err));
    for (uint64_t k = x->first[i]; k < x->first[i + 1]; k++) {
      const uint32_t part = x->parts[k];
      const bool first = !mst_bits_get(h->filled, part);
      h->filled[part / 64] |= UINT64_C(1) << (part % 64);
      if (first || mst_scalar_compare(&v, &h->low[part]) < 0) h->low[part] = v;
      if (first || mst_scalar_compare(&v, &h->high[part]) > 0) h->high[part] = v;
    }
  }
done:
  return status;
}

static bool index_holds(const mst_index *x, size_t row, size_t part) {
  uint64_t low = x->first[row], high = x->first[row + 1];
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    if (x->parts[middle] < part) low = middle + 1;
    else high = middle;
  }
  return low < x->first[row + 1] && x->parts[low] == part;
}

static bool may_hold(void *self, size_t column, const mst_scalar *value) {
  const pruning *u = self;
  const hint *h = &u->hints[column];
  if (h->rows == NULL) return true;
  size_t low = 0, high = h->set.n;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (mst_scalar_compare(&h->set.values[middle], value) < 0) low = middle + 1;
    else high = middle;
  }
  if (low >= h->set.n || !mst_scalar_equal(&h->set.values[low], value)) return true;
  return h->rows[low] != SIZE_MAX && index_holds(h->index, h->rows[low], u->part);
}

/* ---- one partition after the other ------------------------------------------------------------------------------ */

static void tell_bounds(void *self, size_t column, mst_bounds *out) {
  const pruning *u = self;
  if (u->key_of[column] != SIZE_MAX) {
    mst_scalar v;
    const size_t key = u->key_of[column];
    if (mst_scalar_at(u->keys_schema->children[key], u->keys->children[key], (int64_t)u->part, &v, NULL) != MST_OK) return;
    *out = (mst_bounds){.has_min = true, .has_max = true, .min = v, .max = v, .has_nulls = true, .nan_free = true};
    if (v.kind == MST_SCALAR_NULL || (v.kind == MST_SCALAR_DOUBLE && v.as.f != v.as.f)) *out = (mst_bounds){0};
    return;
  }
  if (u->stats != NULL && u->fields[column] != NULL && mst_stats_bounds(u->stats, u->part, u->fields[column], out) &&
      out->has_min && out->has_max)
    return;
  const hint *h = &u->hints[column];
  if (h->low == NULL || !mst_bits_get(h->filled, u->part)) return;
  out->has_min = out->has_max = true;
  out->min = h->low[u->part];
  out->max = h->high[u->part];
}

/* How many rows there are counts only for nulls that statistics know of; without them any number will do. */
static mst_prune judge(pruning *u, size_t part) {
  uint64_t rows = UINT64_MAX;
  u->part = part;
  if (u->stats != NULL && mst_stats_rows(u->stats, part, &rows) && rows == 0) return MST_PRUNE_NONE;
  const mst_prune said = mst_predicate_prune(u->p, rows, tell_bounds, u);
  if (said != MST_PRUNE_SOME) return said;
  return mst_predicate_probe(u->p, may_hold, u);
}

/* ---- all of it ------------------------------------------------------------------------------------------------- */

static mst_status prepare(pruning *u, mst_error *err) {
  mst_status status = MST_OK;
  u->columns = mst_predicate_columns(u->p, &u->n_columns);
  MST_TRY_ALLOC(u->key_of = mst_alloc_array(u->mem, u->n_columns + 1, sizeof *u->key_of));
  MST_TRY_ALLOC(u->fields = mst_alloc_zero(u->mem, u->n_columns + 1, sizeof *u->fields));
  MST_TRY_ALLOC(u->hints = mst_alloc_zero(u->mem, u->n_columns + 1, sizeof *u->hints));
  for (size_t i = 0; i < u->n_columns; i++) {
    const bool whole = u->columns[i].depth == 1;
    const struct ArrowSchema *field = u->d->schema.children[u->columns[i].path[0]];
    if (whole) u->fields[i] = field;
    u->key_of[i] = whole ? mst_document_key_find(u->d->document, field->name) : SIZE_MAX;
  }
  MST_TRY(mst_state_keys(u->d, &u->keys_schema, &u->keys, err));
done:
  return status;
}

/* Only for what is left after the keys: an index is an object to be read. One that cannot be read is as good as none for reading,
 * but hides that it is damaged: it is an error. */
static mst_status load_indices(pruning *u, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  for (size_t i = 0; i < u->n_columns; i++) {
    hint *h = &u->hints[i];
    if (u->fields[i] == NULL || u->key_of[i] != SIZE_MAX || mst_document_index_find(u->d->document, u->fields[i]->name) == MST_DOCUMENT_NONE)
      continue;
    MST_TRY(mst_state_index(u->d, u->fields[i]->name, &h->index, cancel, err));
    MST_TRY(mst_predicate_values(u->p, i, &h->set, err));
  }
done:
  return status;
}

static mst_status open_indices(pruning *u, mst_error *err) {
  mst_status status = MST_OK;
  for (size_t i = 0; i < u->n_columns; i++) {
    if (u->hints[i].index == NULL) continue;
    MST_TRY(find_rows(u, &u->hints[i], err));
    MST_TRY(find_bounds(u, &u->hints[i], err));
  }
done:
  return status;
}

static void end(pruning *u) {
  for (size_t i = 0; u->hints != NULL && i < u->n_columns; i++) {
    hint *h = &u->hints[i];
    if (h->index != NULL) mst_value_set_free(&h->set);
    mst_free(u->mem, h->rows);
    mst_free(u->mem, h->low);
    mst_free(u->mem, h->high);
    mst_free(u->mem, h->filled);
  }
  mst_free(u->mem, u->hints);
  mst_free(u->mem, u->fields);
  mst_free(u->mem, u->key_of);
}

/* Clears bits of partitions that cannot match, and gives in `sure` those of which every row does. */
static mst_status look(pruning *u, uint64_t *sure, uint32_t flags, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(prepare(u, err));
  MST_TRY(prune_by_parts(u, true, err));
  if (mst_bits_count(u->alive, u->n) == 0) goto done;
  if ((flags & MST_LOOK_AT_NO_INDEX) == 0) MST_TRY(load_indices(u, cancel, err));
  MST_TRY(prune_by_parts(u, false, err));
  MST_TRY(open_indices(u, err));
  if ((flags & MST_LOOK_AT_NO_STATISTICS) == 0) MST_TRY(mst_stats_load(u->d, &u->stats, cancel, err));
  for (size_t i = 0; i < u->n; i++) {
    if (!mst_bits_get(u->alive, i)) continue;
    const mst_prune said = judge(u, i);
    if (said == MST_PRUNE_NONE) u->alive[i / 64] &= ~(UINT64_C(1) << (i % 64));
    if (said == MST_PRUNE_ALL) sure[i / 64] |= UINT64_C(1) << (i % 64);
  }
done:
  return status;
}

static mst_status list(const pruning *u, const uint64_t *sure, const char *const *labels, size_t n_labels, mst_candidates *out, mst_error *err) {
  mst_status status = MST_OK;
  const size_t most = labels != NULL ? n_labels : mst_bits_count(u->alive, u->n);
  mst_candidates c = {.mem = u->mem};
  MST_TRY_ALLOC(c.items = mst_alloc_array(u->mem, most + 1, sizeof *c.items));
  for (size_t i = 0; labels != NULL && i < n_labels; i++) {
    const size_t part = mst_document_find(u->d->document, labels[i]);
    if (part == MST_DOCUMENT_NONE) {
      status = mst_fail(err, MST_E_NOT_FOUND, "the dataset %s has no partition \"%.200s\"", u->d->uuid, labels[i]);
      goto done;
    }
    if (mst_bits_get(u->alive, part)) c.items[c.n++] = (mst_candidate){.part = part, .all = mst_bits_get(sure, part)};
  }
  for (size_t i = 0; labels == NULL && i < u->n; i++)
    if (mst_bits_get(u->alive, i)) c.items[c.n++] = (mst_candidate){.part = i, .all = mst_bits_get(sure, i)};
  *out = c;
  c.items = NULL;
done:
  mst_candidates_free(&c);
  return status;
}

mst_status mst_prune_partitions(mst_dataset *d, const mst_predicate *p, const char *const *labels, size_t n_labels, uint32_t flags,
                                mst_candidates *out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  pruning u = {.d = d, .mem = d->mem, .p = p, .n = mst_document_partitions(d->document)};
  uint64_t *sure = mst_alloc_zero(d->mem, MST_BITS_WORDS(u.n) + 1, sizeof *sure);
  MST_TRY_ALLOC(sure);
  MST_TRY_ALLOC(u.alive = mst_alloc_zero(d->mem, MST_BITS_WORDS(u.n) + 1, sizeof *u.alive));
  mst_bits_fill(u.alive, u.n, true);
  if (p == NULL) mst_bits_fill(sure, u.n, true);
  else if ((flags & MST_LOOK_AT_NOTHING) == 0 && u.n > 0) MST_TRY(look(&u, sure, flags, cancel, err));
  MST_TRY(list(&u, sure, labels, n_labels, out, err));
done:
  end(&u);
  mst_free(d->mem, u.alive);
  mst_free(d->mem, sure);
  return status;
}
