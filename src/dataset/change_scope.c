/* dataset/change_scope.c - plateau's delete scope: [{column: value, …}, …] removes each partition that has, for all
 * columns of one entry, the value. Only partition keys and secondary indices are asked, so that whole partitions can be
 * told without reading them.
 *
 * May call: base, column, expr, dataset's own headers. */
#include "dataset/change.h"
#include "dataset/dataset.h"
#include "dataset/stats.h"

typedef struct condition {
  char *column;
  mst_where *where;
  size_t entry; /* which one of the scope it belongs to */
} condition;

typedef struct scope {
  const mst_allocator *mem;
  condition *items;
  size_t n, entries;
} scope;

static void scope_free(void *self) {
  scope *s = self;
  if (s == NULL) return;
  for (size_t i = 0; i < s->n; i++) {
    mst_free(s->mem, s->items[i].column);
    mst_where_unref(s->items[i].where);
  }
  mst_free(s->mem, s->items);
  mst_free(s->mem, s);
}

/* ---- parsing -------------------------------------------------------------------------------------------------------
 */

static mst_status check_column(const mst_dataset *d, const char *column, mst_error *err) {
  if (mst_document_key_find(d->document, column) != MST_DOCUMENT_NONE) return MST_OK;
  if (mst_document_index_find(d->document, column) != MST_DOCUMENT_NONE) return MST_OK;
  return mst_fail(err, MST_E_ARGUMENT,
                  "the delete scope names '%.100s', which is neither a partition key nor has a secondary index: rows "
                  "are deleted by "
                  "delete(where=…)",
                  column);
}

static mst_status parse_condition(scope *s, const mst_dataset *d, const char *column, json_t *value, size_t entry,
                                  mst_error *err) {
  mst_status status = MST_OK;
  json_t *list = NULL;
  mst_buf text;
  mst_buf_init(&text, s->mem, SIZE_MAX);
  condition *c = &s->items[s->n];
  MST_TRY(check_column(d, column, err));
  MST_TRY_ALLOC(list = json_pack("[[[s,s,O]]]", column, "==", value));
  MST_TRY(mst_json_print(list, &text, err));
  *c = (condition){.entry = entry};
  MST_TRY_ALLOC(c->column = mst_text_copy(s->mem, column));
  s->n++;
  MST_TRY(mst_where_parse_json(s->mem, mst_buf_text(&text), text.size, &c->where, err));
done:
  json_decref(list);
  mst_buf_free(&text);
  return status;
}

static mst_status parse_entries(scope *s, const mst_dataset *d, const json_t *list, mst_error *err) {
  size_t i, total = 0;
  json_t *entry, *value;
  const char *column;
  json_array_foreach(list, i, entry) total += json_object_size(entry);
  s->items = mst_alloc_zero(s->mem, total + 1, sizeof *s->items);
  if (s->items == NULL) return mst_fail_memory(err);
  json_array_foreach(list, i, entry) {
    if (!json_is_object(entry))
      return mst_fail(err, MST_E_ARGUMENT, "entry %zu of the delete scope is no object {column: value}", i);
    json_object_foreach(entry, column, value) {
      mst_status status = parse_condition(s, d, column, value, i, err);
      if (status != MST_OK) return status;
    }
  }
  s->entries = json_array_size(list);
  return MST_OK;
}

static mst_status parse(const mst_dataset *d, const char *text, scope **out, mst_error *err) {
  mst_status status = MST_OK;
  json_t *list = NULL;
  scope *s = mst_alloc_zero(d->mem, 1, sizeof *s);
  if (s == NULL) return mst_fail_memory(err);
  s->mem = d->mem;
  MST_TRY(mst_json_parse(text, strlen(text), (size_t)64 << 20, "delete scope", &list, err));
  if (!json_is_array(list)) {
    status = mst_fail(err, MST_E_ARGUMENT, "a delete scope is a list of objects {column: value}");
    goto done;
  }
  MST_TRY(parse_entries(s, d, list, err));
  *out = s;
  s = NULL;
done:
  json_decref(list);
  scope_free(s);
  return status;
}

/* ---- judging -------------------------------------------------------------------------------------------------------
 */

/* The truth of a condition for each value of one column. */
static mst_status judge_values(const condition *c, const mst_allocator *mem, const struct ArrowSchema *type,
                               const struct ArrowArray *values, int64_t n, uint64_t **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_predicate *p = NULL;
  uint64_t *bits = NULL;
  struct ArrowSchema *types[1] = {(struct ArrowSchema *)(uintptr_t)type};
  struct ArrowArray *columns[1] = {(struct ArrowArray *)(uintptr_t)values};
  const void *none[1] = {NULL};
  struct ArrowSchema schema = {.format = "+s", .name = "", .n_children = 1, .children = types};
  struct ArrowArray batch = {.length = n, .n_buffers = 1, .buffers = none, .n_children = 1, .children = columns};
  MST_TRY(mst_predicate_bind(mem, c->where, &schema, &p, err));
  MST_TRY_ALLOC(bits = mst_alloc_zero(mem, (size_t)n / 64 + 1, sizeof *bits));
  MST_TRY(mst_predicate_eval(p, &batch, bits, err));
  *out = bits;
  bits = NULL;
done:
  mst_predicate_unref(p);
  mst_free(mem, bits);
  return status;
}

static bool get_bit(const uint64_t *bits, size_t i) { return (bits[i / 64] >> (i % 64) & 1) != 0; }
static void set_bit(uint64_t *bits, size_t i) { bits[i / 64] |= UINT64_C(1) << (i % 64); }

static mst_status judge_key(const condition *c, mst_dataset *d, uint64_t **out, mst_error *err) {
  const struct ArrowSchema *schema;
  const struct ArrowArray *batch;
  mst_status status = mst_state_keys(d, &schema, &batch, err);
  if (status != MST_OK) return status;
  for (int64_t i = 0; i < schema->n_children; i++)
    if (strcmp(schema->children[i]->name, c->column) == 0)
      return judge_values(c, d->mem, schema->children[i], batch->children[i], batch->length, out, err);
  return mst_fail(err, MST_E_CORRUPT, "the partition key '%.100s' has no values", c->column);
}

static mst_status judge_index(const condition *c, mst_dataset *d, uint64_t **out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  const mst_index *x;
  uint64_t *values = NULL, *bits = NULL;
  MST_TRY(mst_state_index(d, c->column, &x, cancel, err));
  MST_TRY(judge_values(c, d->mem, &x->type, &x->values, (int64_t)x->n, &values, err));
  MST_TRY_ALLOC(bits = mst_alloc_zero(d->mem, mst_document_partitions(d->document) / 64 + 1, sizeof *bits));
  for (size_t i = 0; i < x->n; i++) {
    if (!get_bit(values, i)) continue;
    for (uint64_t k = x->first[i]; k < x->first[i + 1]; k++) set_bit(bits, x->parts[k]);
  }
  *out = bits;
  bits = NULL;
done:
  mst_free(d->mem, values);
  mst_free(d->mem, bits);
  return status;
}

static mst_status judge_condition(const condition *c, mst_dataset *d, uint64_t **out, mst_cancel *cancel,
                                  mst_error *err) {
  return mst_document_key_find(d->document, c->column) != MST_DOCUMENT_NONE ? judge_key(c, d, out, err)
                                                                            : judge_index(c, d, out, cancel, err);
}

/* One bit for each partition of a snapshot. */
static mst_status judge_scope(const scope *s, mst_dataset *d, uint64_t **out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  const size_t words = mst_document_partitions(d->document) / 64 + 1;
  uint64_t *all = NULL, *entry = NULL, *one = NULL;
  MST_TRY_ALLOC(all = mst_alloc_zero(d->mem, words, sizeof *all));
  MST_TRY_ALLOC(entry = mst_alloc_array(d->mem, words, sizeof *entry));
  for (size_t e = 0; e < s->entries; e++) {
    memset(entry, 0xff, words * sizeof *entry);
    for (size_t i = 0; i < s->n; i++) {
      if (s->items[i].entry != e) continue;
      MST_TRY(judge_condition(&s->items[i], d, &one, cancel, err));
      for (size_t w = 0; w < words; w++) entry[w] &= one[w];
      mst_free(d->mem, one);
      one = NULL;
    }
    for (size_t w = 0; w < words; w++) all[w] |= entry[w];
  }
  *out = all;
  all = NULL;
done:
  mst_free(d->mem, all);
  mst_free(d->mem, entry);
  mst_free(d->mem, one);
  return status;
}

/* A file that this change itself added: its keys by the view, its indexed values by itself. */
static mst_status file_meets(const condition *c, const mst_new_file *f, mst_dataset *view, size_t at, bool *meets,
                             mst_error *err) {
  mst_status status = MST_OK;
  uint64_t *bits = NULL;
  *meets = false;
  if (mst_document_key_find(view->document, c->column) != MST_DOCUMENT_NONE) {
    status = judge_key(c, view, &bits, err);
    if (status == MST_OK) *meets = get_bit(bits, at);
    mst_free(view->mem, bits);
    return status;
  }
  for (size_t i = 0; i < f->n_indexed; i++) {
    const mst_file_values *v = &f->indexed[i];
    if (strcmp(v->column, c->column) != 0 || v->values.release == NULL) continue;
    status = judge_values(c, view->mem, &v->type, &v->values, v->values.length, &bits, err);
    for (int64_t k = 0; status == MST_OK && k < v->values.length; k++) *meets = *meets || get_bit(bits, (size_t)k);
    mst_free(view->mem, bits);
    return status;
  }
  return mst_fail(err, MST_E_UNSUPPORTED, "the fragment '%.160s' does not tell its values of '%.100s': commit it first",
                  f->label, c->column);
}

static mst_status file_matches(const scope *s, const mst_new_file *f, mst_dataset *view, bool *out, mst_error *err) {
  const size_t at = mst_document_find(view->document, f->label);
  *out = false;
  for (size_t e = 0; e < s->entries && !*out; e++) {
    bool all = true;
    for (size_t i = 0; i < s->n && all; i++) {
      if (s->items[i].entry != e) continue;
      mst_status status = file_meets(&s->items[i], f, view, at, &all, err);
      if (status != MST_OK) return status;
    }
    *out = all;
  }
  return MST_OK;
}

/* ---- removing ------------------------------------------------------------------------------------------------------
 */

static mst_status scope_match(void *self, mst_dataset *head, const char *const *labels, size_t n, size_t *hit,
                              mst_cancel *cancel, mst_error *err) {
  const scope *s = self;
  uint64_t *bits = NULL;
  for (size_t i = 0; i < s->n; i++) {
    /* an index that was dropped meanwhile cannot tell: they may match */
    if (check_column(head, s->items[i].column, NULL) == MST_OK) continue;
    *hit = 0;
    return MST_OK;
  }
  mst_status status = judge_scope(s, head, &bits, cancel, err);
  if (status != MST_OK) return status;
  *hit = n;
  for (size_t i = n; i > 0; i--) {
    size_t at = mst_document_find(head->document, labels[i - 1]);
    if (at != MST_DOCUMENT_NONE && get_bit(bits, at)) *hit = i - 1;
  }
  mst_free(head->mem, bits);
  return MST_OK;
}

/* Those of the base. The count of their rows, -1 when it is not known of all. */
static mst_status remove_of_base(mst_change *c, const uint64_t *bits, int64_t *rows, mst_cancel *cancel,
                                 mst_error *err) {
  mst_status status = MST_OK;
  const mst_stats *stats = NULL;
  const mst_document *base = c->base->document;
  for (size_t i = 0; i < mst_document_partitions(base); i++) {
    uint64_t n;
    if (!get_bit(bits, i) || get_bit(c->gone, i)) continue;
    if (stats == NULL) MST_TRY(mst_stats_load(c->base, &stats, cancel, err));
    if (*rows >= 0)
      *rows = mst_stats_rows(stats, i, &n) && n <= (uint64_t)(INT64_MAX - *rows) ? *rows + (int64_t)n : -1;
    MST_TRY(mst_change_remove_label(c, mst_document_label(base, i), err));
  }
done:
  return status;
}

/* Those that the change added itself: their rows were never there. */
static mst_status remove_of_change(mst_change *c, const scope *s, int64_t *rows, mst_error *err) {
  mst_status status = MST_OK;
  mst_dataset *view = NULL;
  const char **labels = NULL;
  size_t n = 0;
  if (c->n_files == 0) return MST_OK;
  MST_TRY(mst_change_view(c, &view, err));
  MST_TRY_ALLOC(labels = mst_alloc_array(c->mem, c->n_files, sizeof *labels));
  for (size_t i = 0; i < c->n_files; i++) {
    bool matches;
    MST_TRY(file_matches(s, c->files[i], view, &matches, err));
    if (!matches) continue;
    labels[n++] = c->files[i]->label;
    if (*rows >= 0) *rows += (int64_t)mst_min_u64(c->files[i]->rows, UINT32_MAX);
  }
  for (size_t i = 0; i < n; i++) MST_TRY(mst_change_remove_label(c, labels[i], err));
done:
  mst_free(c->mem, (void *)(uintptr_t)labels);
  return status;
}

mst_status mst_ds_change_remove(mst_change *c, const char *scope_json, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  scope *s = NULL;
  uint64_t *bits = NULL;
  int64_t rows = 0;
  MST_TRY(mst_change_check(c, err));
  MST_TRY(parse(c->base, scope_json, &s, err));
  MST_TRY(judge_scope(s, c->base, &bits, cancel, err));
  MST_TRY(remove_of_change(c, s, &rows, err));
  MST_TRY(remove_of_base(c, bits, &rows, cancel, err));
  mst_change_count(c, 0, rows);
  mst_change_did(c, "remove");
  status = mst_change_depend(c, &(mst_dependency){"the delete scope", s, scope_match, scope_free}, err);
  s = NULL;
done:
  scope_free(s);
  mst_free(c->mem, bits);
  return status;
}
