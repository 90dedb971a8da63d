/* dataset/part.c - see part.h.
 *
 * A condition is reduced by what is known without reading (partition keys, columns that the file lacks), and what is left is judged by
 * the file's reader where the file's types compare as the table's do, else on the rows in the table's types. */
#include "dataset/part.h"

#include "dataset/conform.h"
#include "dataset/dataset.h"
#include "dataset/prune.h"

#define WHOLE_FILE ((uint64_t)4 << 20) /* files up to this size are worth fetching at once */

typedef struct part_stream {
  mst_dataset *d;
  const mst_allocator *mem;
  mst_table *table;
  mst_conform_field *fields;
  size_t n_fields;  /* that are read: those of the result and, behind them, those that `rest` needs */
  size_t n_columns; /* of the result */
  mst_conform *conform;
  mst_predicate *rest; /* what is judged on rows, bound to the fields; NULL: nothing */
  struct ArrowSchema rest_schema;
  struct ArrowArrayStream rows; /* release is NULL: there are none */
  uint64_t left;                /* of the limit */
} part_stream;

static void close_part(void *self) {
  part_stream *s = self;
  if (s == NULL) return;
  mst_stream_release(&s->rows);
  mst_predicate_unref(s->rest);
  mst_schema_release(&s->rest_schema);
  mst_conform_free(s->conform);
  mst_table_unref(s->table);
  mst_free(s->mem, s->fields);
  mst_dataset *d = s->d;
  mst_free(s->mem, s);
  mst_ds_unref(d);
}

/* ---- rows ------------------------------------------------------------------------------------------------------ */

/* Rows of `batch` (of the fields that are read) that meet the rest of the condition, without the columns that only it needs. */
static mst_status judge_rows(part_stream *s, struct ArrowArray *batch, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArray kept = {0};
  const size_t n = (size_t)batch->length;
  uint64_t *bits = mst_alloc_zero(s->mem, MST_BITS_WORDS(n) + 1, sizeof *bits);
  MST_TRY_ALLOC(bits);
  MST_TRY(mst_predicate_eval(s->rest, batch, bits, err));
  if (mst_bits_count(bits, n) == n) goto done;
  MST_TRY(mst_array_filter(s->mem, &s->rest_schema, batch, bits, &kept, err));
  mst_array_release(batch);
  *batch = kept;
done:
  mst_free(s->mem, bits);
  return status;
}

static mst_status drop_columns(part_stream *s, struct ArrowArray *batch, mst_error *err) {
  struct ArrowArray *columns = mst_alloc_zero(s->mem, s->n_columns + 1, sizeof *columns);
  if (columns == NULL) return mst_fail_memory(err);
  const int64_t rows = batch->length;
  for (size_t i = 0; i < s->n_columns; i++) mst_batch_move(batch, i, &columns[i]);
  mst_array_release(batch);
  const mst_status status = mst_batch_make(s->mem, columns, s->n_columns, rows, batch, err);
  mst_free(s->mem, columns);
  return status;
}

static mst_status next_rows(part_stream *s, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArray batch = {0}, made = {0};
  do {
    if (s->rows.release == NULL || s->left == 0) return MST_OK;
    mst_array_release(&made);
    MST_TRY(mst_stream_next(&s->rows, &batch, err));
    if (batch.release == NULL) return MST_OK;
    MST_TRY(mst_conform_apply(s->conform, &batch, &made, err));
    if (s->rest != NULL) MST_TRY(judge_rows(s, &made, err));
  } while (made.length == 0);
  if (s->n_fields > s->n_columns) MST_TRY(drop_columns(s, &made, err));
  if ((uint64_t)made.length > s->left) {
    for (int64_t i = 0; i < made.n_children; i++) {
      made.children[i]->length = (int64_t)s->left;
      if (made.children[i]->null_count != 0 && made.children[i]->n_buffers > 0) made.children[i]->null_count = -1;
    }
    made.length = (int64_t)s->left;
  }
  s->left -= (uint64_t)made.length;
  *out = made;
  return MST_OK;
done:
  mst_array_release(&made);
  return status;
}

static mst_status next(void *self, struct ArrowArray *out, mst_error *err) {
  part_stream *s = self;
  *out = (struct ArrowArray){0};
  const mst_status status = next_rows(s, out, err);
  return status == MST_OK || s->table == NULL ? status : mst_error_name(err, status, mst_table_url(s->table));
}

/* ---- what is read ---------------------------------------------------------------------------------------------- */

mst_status mst_part_schema(const mst_dataset *d, const size_t *columns, size_t n_columns, struct ArrowSchema *out, mst_error *err) {
  struct ArrowSchema made = {0};
  const size_t all = d->schema.release == NULL ? 0 : (size_t)d->schema.n_children, n = columns != NULL ? n_columns : all;
  mst_status status = mst_schema_node(d->mem, "+s", "", 0, n, &made, err);
  for (size_t i = 0; status == MST_OK && i < n; i++)
    status = mst_schema_copy(d->mem, d->schema.children[columns != NULL ? columns[i] : i], made.children[i], err);
  if (status == MST_OK) *out = made;
  else mst_schema_release(&made);
  return status;
}

static mst_status add_field(part_stream *s, size_t part, size_t column, mst_error *err) {
  const struct ArrowSchema *field = s->d->schema.children[column];
  const size_t key = mst_document_key_find(s->d->document, field->name);
  mst_conform_field f = {.type = field};
  if (key != MST_DOCUMENT_NONE) {
    const struct ArrowSchema *schema = NULL;
    const struct ArrowArray *keys = NULL;
    const mst_status status = mst_state_keys(s->d, &schema, &keys, err);
    if (status != MST_OK) return status;
    f.key_type = schema->children[key];
    f.key = keys->children[key];
    f.row = (int64_t)part;
  }
  s->fields[s->n_fields++] = f;
  return MST_OK;
}

static bool has_field(const part_stream *s, const char *name) {
  for (size_t i = 0; i < s->n_fields; i++)
    if (mst_text_equal(s->fields[i].type->name, name)) return true;
  return false;
}

/* Room for every column twice is enough: those of the result, and those of the condition. */
static mst_status choose_fields(part_stream *s, size_t part, const mst_part_options *o, mst_error *err) {
  mst_status status = MST_OK;
  const size_t all = s->d->schema.release == NULL ? 0 : (size_t)s->d->schema.n_children;
  const size_t n = o->columns != NULL ? o->n_columns : all;
  MST_TRY_ALLOC(s->fields = mst_alloc_zero(s->mem, n + all + 1, sizeof *s->fields));
  for (size_t i = 0; i < n; i++) MST_TRY(add_field(s, part, o->columns != NULL ? o->columns[i] : i, err));
  s->n_columns = s->n_fields;
done:
  return status;
}

/* Whether values of a column compare with literals in the file's type as they do in the table's. */
static bool compares_alike(const struct ArrowSchema *file, const struct ArrowSchema *table) {
  mst_type a, b;
  if (file->dictionary != NULL) file = file->dictionary;
  if (mst_type_parse(file->format, &a, NULL) != MST_OK || mst_type_parse(table->format, &b, NULL) != MST_OK) return false;
  if (mst_type_is_integer(&a) && mst_type_is_integer(&b)) return true;
  if (a.kind == MST_KIND_STRUCT && b.kind == MST_KIND_STRUCT) {
    for (int64_t i = 0; i < table->n_children; i++) {
      const int64_t at = mst_schema_find(file, table->children[i]->name);
      if (at < 0 || !compares_alike(file->children[at], table->children[i])) return false;
    }
    return true;
  }
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case MST_KIND_TEXT:
    case MST_KIND_BYTES:
    case MST_KIND_BOOL:
    case MST_KIND_DECIMAL: return true;
    case MST_KIND_TIMESTAMP: return (*a.zone == '\0') == (*b.zone == '\0');
    default: return mst_text_equal(file->format, table->format);
  }
}

mst_status mst_part_table(mst_dataset *d, size_t part, size_t tail, mst_table **out, mst_cancel *cancel, mst_error *err) {
  mst_buf key;
  const mst_table_open_options open = {.tail = tail, .allow_unpinned = 1};
  mst_buf_init(&key, d->mem, MST_KEY_MAX + 1);
  mst_status status = mst_document_file(d->document, part, &key, err);
  if (status == MST_OK) status = mst_table_open(d->store, mst_buf_text(&key), &open, out, cancel, err);
  if (status == MST_E_NOT_FOUND)
    (void)mst_while(err, status, "the dataset %s names a file that is not there (collected as garbage since?)", d->uuid);
  mst_buf_free(&key);
  return status;
}

/* ---- the condition --------------------------------------------------------------------------------------------- */

typedef struct reduction {
  mst_scalar *scalars;
  const mst_scalar **known;
  size_t n;
  mst_prune truth;
  mst_where *residual;
} reduction;

static void reduction_free(const part_stream *s, reduction *r) {
  mst_free(s->mem, r->scalars);
  mst_free(s->mem, r->known);
  mst_where_unref(r->residual);
}

static mst_status reduce_by_keys(part_stream *s, size_t part, const mst_predicate *p, reduction *r, mst_error *err) {
  mst_status status = MST_OK;
  (void)mst_predicate_columns(p, &r->n);
  MST_TRY_ALLOC(r->scalars = mst_alloc_zero(s->mem, r->n + 1, sizeof *r->scalars));
  MST_TRY_ALLOC(r->known = mst_alloc_zero(s->mem, r->n + 1, sizeof *r->known));
  MST_TRY(mst_known_keys(s->d, p, part, r->scalars, r->known, err));
  MST_TRY(mst_predicate_reduce(p, r->known, &r->truth, &r->residual, err));
done:
  return status;
}

/* Columns that the file does not have, or only as nulls, are null; `*alike` is false when one of the rest compares otherwise. */
static mst_status reduce_by_file(part_stream *s, const struct ArrowSchema *file, const mst_predicate *p, reduction *r, bool *alike,
                                 mst_error *err) {
  const mst_predicate_column *columns = mst_predicate_columns(p, &r->n);
  bool more = false;
  *alike = true;
  for (size_t i = 0; i < r->n; i++) {
    if (r->known[i] != NULL) continue;
    const struct ArrowSchema *field = s->d->schema.children[columns[i].path[0]];
    const int64_t at = mst_schema_find(file, field->name);
    if (at < 0 || mst_text_equal(file->children[at]->format, "n")) {
      r->scalars[i] = mst_scalar_null();
      r->known[i] = &r->scalars[i];
      more = true;
    } else if (!compares_alike(file->children[at], field)) *alike = false;
  }
  if (!more) return MST_OK;
  mst_where_unref(r->residual);
  r->residual = NULL;
  return mst_predicate_reduce(p, r->known, &r->truth, &r->residual, err);
}

/* The rest of the condition is judged on rows: its columns are read, too. */
static mst_status judge_later(part_stream *s, size_t part, mst_where *rest, mst_error *err) {
  mst_status status = MST_OK;
  mst_predicate *p = NULL;
  size_t n = 0;
  MST_TRY(mst_predicate_bind(s->mem, rest, &s->d->schema, &p, err));
  const mst_predicate_column *columns = mst_predicate_columns(p, &n);
  for (size_t i = 0; i < n; i++) {
    const size_t column = (size_t)columns[i].path[0];
    if (!has_field(s, s->d->schema.children[column]->name)) MST_TRY(add_field(s, part, column, err));
  }
  MST_TRY(mst_schema_node(s->mem, "+s", "", 0, s->n_fields, &s->rest_schema, err));
  for (size_t i = 0; i < s->n_fields; i++) MST_TRY(mst_schema_copy(s->mem, s->fields[i].type, s->rest_schema.children[i], err));
  MST_TRY(mst_predicate_bind(s->mem, rest, &s->rest_schema, &s->rest, err));
done:
  mst_predicate_unref(p);
  return status;
}

/* ---- opening --------------------------------------------------------------------------------------------------- */

/* Far away, a file that is read as a whole comes with the request for its footer when it is not large. */
static size_t tail_wanted(const part_stream *s, const mst_part_options *o) {
  const bool local = (mst_store_flags(s->d->store) & MST_STORE_LOCAL) != 0;
  const bool whole = 2 * s->n_columns >= (size_t)s->d->schema.n_children && (o->predicate == NULL || o->all) && o->rows == NULL && o->limit == NULL;
  if (local || !whole) return 0;
  return (size_t)mst_max_u64(mst_min_u64(o->memory != 0 ? o->memory : s->d->memory / 2, WHOLE_FILE), MST_PARQUET_TAIL);
}

static mst_status open_rows(part_stream *s, const struct ArrowSchema *file, const mst_part_options *o, mst_where *push, mst_cancel *cancel,
                            mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(mst_conform_new(s->mem, file, s->fields, s->n_fields, &s->conform, err));
  mst_table_read_options read = {.where = push, .rows = o->rows, .n_rows = o->rows != NULL ? 1 : 0, .batch_rows = o->batch_rows,
                                 .memory = o->memory != 0 ? o->memory : s->d->memory, .in_caller = o->in_caller};
  read.columns = mst_conform_columns(s->conform, &read.n_columns);
  if (s->rest == NULL) read.limit = o->limit;
  MST_TRY(mst_table_read(s->table, &read, &s->rows, cancel, err));
done:
  return status;
}

static mst_status open_part(part_stream *s, size_t part, const mst_part_options *o, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowSchema file = {0};
  reduction r = {.truth = MST_PRUNE_ALL};
  bool alike = true;
  const mst_predicate *p = o->all ? NULL : o->predicate;
  const bool by_rows = p != NULL && o->no_pushdown;
  MST_TRY(choose_fields(s, part, o, err));
  if (by_rows) r = (reduction){.truth = MST_PRUNE_SOME, .residual = mst_where_ref(mst_predicate_where(p))};
  else if (p != NULL) MST_TRY(reduce_by_keys(s, part, p, &r, err));
  if (r.truth == MST_PRUNE_NONE || s->left == 0) goto done;
  if (o->table != NULL) s->table = mst_table_ref(o->table);
  else MST_TRY(mst_part_table(s->d, part, tail_wanted(s, o), &s->table, cancel, err));
  MST_TRY(mst_table_schema(s->table, &file, err));
  if (!by_rows && r.truth == MST_PRUNE_SOME) MST_TRY(reduce_by_file(s, &file, p, &r, &alike, err));
  if (r.truth == MST_PRUNE_NONE) goto done;
  const bool later = r.truth == MST_PRUNE_SOME && (!alike || by_rows);
  if (later) MST_TRY(judge_later(s, part, r.residual, err));
  MST_TRY(open_rows(s, &file, o, r.truth == MST_PRUNE_SOME && !later ? r.residual : NULL, cancel, err));
done:
  mst_schema_release(&file);
  reduction_free(s, &r);
  return status;
}

mst_status mst_part_open(mst_dataset *d, size_t part, const mst_part_options *options, struct ArrowArrayStream *out, mst_cancel *cancel,
                         mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowSchema schema = {0};
  part_stream *s = mst_alloc_zero(d->mem, 1, sizeof *s);
  if (s == NULL) return mst_fail_memory(err);
  s->d = mst_ds_ref(d);
  s->mem = d->mem;
  s->left = options->limit != NULL ? *options->limit : UINT64_MAX;
  MST_TRY(open_part(s, part, options, cancel, err));
  MST_TRY(mst_part_schema(d, options->columns, options->n_columns, &schema, err));
  const mst_stream_source source = {.self = s, .next = next, .close = close_part};
  s = NULL;
  MST_TRY(mst_stream_make(d->mem, &schema, &source, out, err));
done:
  if (status != MST_OK && s != NULL && s->table != NULL) (void)mst_error_name(err, status, mst_table_url(s->table));
  close_part(s);
  mst_schema_release(&schema);
  return status;
}
