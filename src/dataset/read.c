/* dataset/read.c - reading a table: which partitions, which columns, as one stream of batches in partition order.
 *
 * Small batches are joined, so that a table of many small files is no stream of many small batches. A categorical column's dictionary
 * grows along the stream: every batch's dictionary begins with the one of the batch before. May call: base, column, expr, dataset's own
 * headers. */
#include "dataset/read.h"

#include "dataset/conform.h"
#include "dataset/dataset.h"

enum { JOIN_ROWS = 8192, JOIN_MOST = 512, FEW_ROWS = 65536 };

/* A column that is given dictionary-encoded. */
typedef struct category {
  size_t column; /* of the stream */
  struct ArrowSchema one; /* "+s" with the column's values */
  mst_grouper *grouper;
  struct ArrowArray values; /* the dictionary so far; release NULL: none yet */
} category;

typedef struct rows_stream {
  mst_dataset *d;
  const mst_allocator *mem;
  mst_scan *scan;
  struct ArrowSchema plain; /* of what the scan gives */
  category *categories;
  size_t n_categories;
  struct ArrowArray held; /* a batch that was taken too early */
  uint64_t left, join_rows;
} rows_stream;

static void close_rows(void *self) {
  rows_stream *s = self;
  if (s == NULL) return;
  mst_scan_close(s->scan);
  for (size_t i = 0; i < s->n_categories; i++) {
    mst_schema_release(&s->categories[i].one);
    mst_grouper_free(s->categories[i].grouper);
    mst_array_release(&s->categories[i].values);
  }
  mst_free(s->mem, s->categories);
  mst_schema_release(&s->plain);
  mst_array_release(&s->held);
  mst_dataset *d = s->d;
  mst_free(s->mem, s);
  mst_ds_unref(d);
}

/* ---- joining --------------------------------------------------------------------------------------------------- */

static mst_status take_batch(rows_stream *s, struct ArrowArray *out, mst_error *err) {
  if (s->held.release != NULL) {
    *out = s->held;
    s->held.release = NULL;
    return MST_OK;
  }
  return mst_scan_next(s->scan, out, NULL, err);
}

static mst_status join(rows_stream *s, struct ArrowArray *batches, size_t n, struct ArrowArray *out, mst_error *err) {
  const struct ArrowArray *all[JOIN_MOST];
  if (n == 1) {
    *out = batches[0];
    batches[0].release = NULL;
    return MST_OK;
  }
  for (size_t i = 0; i < n; i++) all[i] = &batches[i];
  return mst_array_concat(s->mem, &s->plain, all, n, out, err);
}

/* The next batch, made of several where they are small; released at the end. */
static mst_status next_joined(rows_stream *s, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArray *batches = NULL, batch = {0};
  size_t n = 0;
  uint64_t rows = 0;
  MST_TRY(take_batch(s, &batch, err));
  if (batch.release == NULL || (uint64_t)batch.length >= s->join_rows) {
    *out = batch;
    return MST_OK;
  }
  batches = mst_alloc_array(s->mem, JOIN_MOST, sizeof *batches);
  if (batches == NULL) mst_array_release(&batch);
  MST_TRY_ALLOC(batches);
  while (batch.release != NULL) {
    const uint64_t more = (uint64_t)batch.length;
    if (n == JOIN_MOST || (n > 0 && rows + more > s->join_rows)) {
      s->held = batch;
      break;
    }
    batches[n++] = batch;
    rows += more;
    batch.release = NULL;
    if (rows < s->left) MST_TRY(take_batch(s, &batch, err));
  }
  MST_TRY(join(s, batches, n, out, err));
done:
  for (size_t i = 0; i < n; i++) mst_array_release(&batches[i]);
  mst_free(s->mem, batches);
  return status;
}

/* ---- dictionaries ---------------------------------------------------------------------------------------------- */

/* Adds the values of a batch's dictionary that are new; numbers[i] is where value i stands. */
static mst_status learn_values(rows_stream *s, category *c, struct ArrowArray *dictionary, uint32_t *numbers, mst_error *err) {
  mst_status status = MST_OK;
  const int64_t *firsts = NULL;
  const void *no_buffer[1] = {NULL};
  struct ArrowArray *columns[1] = {dictionary}, fresh = {0}, joined = {0};
  const struct ArrowArray batch = {.length = dictionary->length, .n_buffers = 1, .buffers = no_buffer, .n_children = 1, .children = columns};
  const uint32_t before = mst_grouper_count(c->grouper);
  MST_TRY(mst_grouper_put(c->grouper, &batch, numbers, &firsts, err));
  const int64_t more = (int64_t)mst_grouper_count(c->grouper) - before;
  if (more == 0 && c->values.release != NULL) goto done;
  MST_TRY(mst_array_gather(s->mem, c->one.children[0], dictionary, firsts, more, &fresh, err));
  if (c->values.release == NULL) {
    c->values = fresh;
    fresh.release = NULL;
    goto done;
  }
  const struct ArrowArray *both[2] = {&c->values, &fresh};
  MST_TRY(mst_array_concat(s->mem, c->one.children[0], both, 2, &joined, err));
  mst_array_release(&c->values);
  c->values = joined;
done:
  mst_array_release(&fresh);
  return status;
}

/* `column` (taken over, also on failure) with indices into the dictionary that the stream shares. */
static mst_status encode(rows_stream *s, category *c, struct ArrowArray *column, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArray coded = {0}, copy = {0};
  uint32_t *numbers = NULL;
  MST_TRY(mst_array_dictionary_encode(s->mem, c->one.children[0], column, &coded, err));
  MST_TRY_ALLOC(numbers = mst_alloc_zero(s->mem, (size_t)coded.dictionary->length + 1, sizeof *numbers));
  MST_TRY(learn_values(s, c, coded.dictionary, numbers, err));
  /* The indices were made just now for nobody else. */
  int32_t *codes = (int32_t *)(uintptr_t)coded.buffers[1] + coded.offset;
  for (int64_t i = 0; i < coded.length; i++)
    if (codes[i] >= 0 && codes[i] < coded.dictionary->length) codes[i] = (int32_t)numbers[codes[i]];
  MST_TRY(mst_array_copy(s->mem, c->one.children[0], &c->values, &copy, err));
  mst_array_release(coded.dictionary);
  *coded.dictionary = copy;
  *out = coded;
  coded.release = NULL;
done:
  mst_free(s->mem, numbers);
  mst_array_release(&coded);
  mst_array_release(column);
  return status;
}

static mst_status encode_all(rows_stream *s, struct ArrowArray *batch, mst_error *err) {
  mst_status status = MST_OK;
  const size_t n = (size_t)batch->n_children;
  const int64_t rows = batch->length;
  struct ArrowArray *columns = mst_alloc_zero(s->mem, n + 1, sizeof *columns);
  MST_TRY_ALLOC(columns);
  for (size_t i = 0; i < n; i++) mst_batch_move(batch, i, &columns[i]);
  for (size_t k = 0; k < s->n_categories; k++) {
    struct ArrowArray *column = &columns[s->categories[k].column], plain = *column;
    column->release = NULL;
    MST_TRY(encode(s, &s->categories[k], &plain, column, err));
  }
  mst_array_release(batch);
  MST_TRY(mst_batch_make(s->mem, columns, n, rows, batch, err));
done:
  for (size_t i = 0; columns != NULL && i < n; i++) mst_array_release(&columns[i]);
  mst_free(s->mem, columns);
  return status;
}

/* ---- the stream ------------------------------------------------------------------------------------------------ */

static void cut(struct ArrowArray *batch, uint64_t rows) {
  for (int64_t i = 0; i < batch->n_children; i++) {
    batch->children[i]->length = (int64_t)rows;
    if (batch->children[i]->null_count != 0 && batch->children[i]->n_buffers > 0) batch->children[i]->null_count = -1;
  }
  batch->length = (int64_t)rows;
}

static mst_status next_rows(void *self, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  rows_stream *s = self;
  struct ArrowArray batch = {0};
  *out = batch;
  if (s->left == 0) return MST_OK;
  MST_TRY(next_joined(s, &batch, err));
  if (batch.release == NULL) return MST_OK;
  if ((uint64_t)batch.length > s->left) cut(&batch, s->left);
  s->left -= (uint64_t)batch.length;
  if (s->n_categories > 0) MST_TRY(encode_all(s, &batch, err));
  *out = batch;
  return MST_OK;
done:
  mst_array_release(&batch);
  return status;
}

static mst_status add_category(rows_stream *s, size_t column, struct ArrowSchema *shown, mst_error *err) {
  mst_status status = MST_OK;
  const int32_t first = 0;
  category *c = &s->categories[s->n_categories++];
  struct ArrowSchema coded = {0};
  c->column = column;
  MST_TRY(mst_schema_node(s->mem, "+s", "", 0, 1, &c->one, err));
  MST_TRY(mst_schema_copy(s->mem, s->plain.children[column], c->one.children[0], err));
  MST_TRY(mst_grouper_new(s->mem, &c->one, &first, 1, &c->grouper, err));
  MST_TRY(mst_schema_dictionary(s->mem, s->plain.children[column], &coded, err));
  mst_schema_release(shown->children[column]);
  *shown->children[column] = coded;
done:
  return status;
}

static mst_status add_categories(rows_stream *s, const mst_rows_options *o, struct ArrowSchema *shown, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY_ALLOC(s->categories = mst_alloc_zero(s->mem, o->n_categoricals + 1, sizeof *s->categories));
  for (size_t k = 0; k < o->n_categoricals; k++) {
    const char *name = s->d->schema.children[o->categoricals[k]]->name;
    const int64_t column = mst_schema_find(&s->plain, name);
    if (column < 0) {
      status = mst_fail(err, MST_E_ARGUMENT, "the column \"%s\" is to be categorical, but is not among those that are read", name);
      goto done;
    }
    MST_TRY(add_category(s, (size_t)column, shown, err));
  }
done:
  return status;
}

mst_status mst_rows_stream(mst_dataset *d, mst_scan *scan, const mst_rows_options *options, struct ArrowArrayStream *out, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowSchema shown = {0};
  rows_stream *s = mst_alloc_zero(d->mem, 1, sizeof *s);
  if (s == NULL) {
    mst_scan_close(scan);
    return mst_fail_memory(err);
  }
  s->d = mst_ds_ref(d);
  s->mem = d->mem;
  s->scan = scan;
  s->left = options->limit != NULL ? *options->limit : UINT64_MAX;
  s->join_rows = options->batch_rows != 0 ? mst_min_u64(options->batch_rows, JOIN_ROWS) : JOIN_ROWS;
  MST_TRY(mst_part_schema(d, options->columns, options->n_columns, &s->plain, err));
  MST_TRY(mst_part_schema(d, options->columns, options->n_columns, &shown, err));
  MST_TRY(add_categories(s, options, &shown, err));
  const mst_stream_source source = {.self = s, .next = next_rows, .close = close_rows};
  s = NULL;
  MST_TRY(mst_stream_make(d->mem, &shown, &source, out, err));
done:
  close_rows(s);
  mst_schema_release(&shown);
  return status;
}

/* ---- the call -------------------------------------------------------------------------------------------------- */

static mst_status no_column(const mst_dataset *d, const char *name, mst_error *err) {
  mst_error nearest;
  const struct ArrowSchema *field = NULL;
  if (mst_state_field(d, name, &field, &nearest) == MST_OK) return mst_fail(err, MST_E_ARGUMENT, "the column \"%.200s\" is named twice", name);
  if (nearest.status == MST_E_NOT_FOUND) return mst_fail(err, MST_E_ARGUMENT, "%s", nearest.message);
  return mst_fail(err, MST_E_ARGUMENT, "the dataset %s has no column \"%.200s\"", d->uuid, name);
}

mst_status mst_columns_find(const mst_dataset *d, const char *const *names, size_t n, size_t *out, mst_error *err) {
  for (size_t i = 0; i < n; i++) {
    const int64_t at = d->schema.release == NULL ? -1 : mst_schema_find(&d->schema, names[i]);
    if (at < 0) return no_column(d, names[i], err);
    for (size_t k = 0; k < i; k++)
      if (out[k] == (size_t)at) return no_column(d, names[i], err);
    out[i] = (size_t)at;
  }
  return MST_OK;
}

static mst_status choose_parts(const mst_dataset *d, const mst_candidates *c, mst_scan_part **out, mst_error *err) {
  mst_scan_part *parts = mst_alloc_zero(d->mem, c->n + 1, sizeof *parts);
  if (parts == NULL) return mst_fail_memory(err);
  for (size_t i = 0; i < c->n; i++) parts[i] = (mst_scan_part){.part = c->items[i].part, .all = c->items[i].all};
  *out = parts;
  return MST_OK;
}

mst_status mst_ds_read(mst_dataset *d, const mst_dataset_read_options *o, struct ArrowArrayStream *out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_where *where = NULL;
  mst_predicate *predicate = NULL;
  mst_candidates found = {.mem = d->mem};
  mst_scan_part *parts = NULL;
  mst_scan *scan = NULL;
  size_t *columns = NULL, *categoricals = NULL;
  const uint64_t limit = o->limit, *limited = o->has_limit != 0 ? &limit : NULL;
  MST_TRY_ALLOC(columns = mst_alloc_array(d->mem, o->n_columns + 1, sizeof *columns));
  MST_TRY_ALLOC(categoricals = mst_alloc_array(d->mem, o->n_categoricals + 1, sizeof *categoricals));
  MST_TRY(mst_columns_find(d, o->columns, o->columns != NULL ? o->n_columns : 0, columns, err));
  MST_TRY(mst_columns_find(d, o->categoricals, o->categoricals != NULL ? o->n_categoricals : 0, categoricals, err));
  MST_TRY(mst_condition_of(d, o->where, &where, &predicate, err));
  MST_TRY(mst_prune_partitions(d, predicate, o->labels, o->n_labels, o->no_pushdown != 0 ? MST_LOOK_AT_NOTHING : 0, &found, cancel, err));
  MST_TRY(choose_parts(d, &found, &parts, err));
  const mst_scan_options scanned = {.columns = o->columns != NULL ? columns : NULL, .n_columns = o->n_columns, .parts = parts, .n_parts = found.n,
                                    .predicate = predicate, .no_pushdown = o->no_pushdown != 0, .few_rows = limited != NULL && limit <= FEW_ROWS,
                                    .limit = limited, .batch_rows = o->batch_rows, .memory = o->memory};
  MST_TRY(mst_scan_open(d, &scanned, &scan, cancel, err));
  const mst_rows_options shown = {.columns = scanned.columns, .n_columns = o->n_columns, .categoricals = categoricals,
                                  .n_categoricals = o->categoricals != NULL ? o->n_categoricals : 0, .limit = limited, .batch_rows = o->batch_rows};
  MST_TRY(mst_rows_stream(d, scan, &shown, out, err));
done:
  mst_free(d->mem, columns);
  mst_free(d->mem, categoricals);
  mst_free(d->mem, parts);
  mst_candidates_free(&found);
  mst_predicate_unref(predicate);
  mst_where_unref(where);
  return status;
}
