/* source/table_read.c - rows of a table as an Arrow stream: drives the reading machine of src/parquet over fetch.
 *
 * Owns: the machine and the bytes that it was given. May call: fetch, parquet, column, expr. */
#include "source/table_inner.h"

typedef struct row_stream {
  mst_table *table;
  const mst_allocator *mem;
  mst_cancel *cancel;
  mst_parquet_reader *reader;
  mst_bytes *given; /* what the machine asked for last */
  size_t n_given, given_capacity;
  mst_error failure; /* of an earlier call: the same again, never an end */
  bool ended;
} row_stream;

static void drop_given(row_stream *s) {
  for (size_t i = 0; i < s->n_given; i++) mst_bytes_release(&s->given[i]);
  s->n_given = 0;
}

static void close_stream(void *self) {
  row_stream *s = self;
  if (s == NULL) return;
  drop_given(s);
  mst_free(s->mem, s->given);
  mst_parquet_reader_free(s->reader);
  mst_cancel_unref(s->cancel);
  mst_table *t = s->table;
  mst_free(s->mem, s);
  mst_table_unref(t);
}

static mst_status fetch(row_stream *s, const mst_range *need, size_t n, mst_error *err) {
  if (n > s->given_capacity) {
    mst_bytes *grown = mst_resize(s->mem, s->given, n * sizeof *grown);
    if (grown == NULL) return mst_fail_memory(err);
    s->given = grown;
    s->given_capacity = n;
  }
  mst_status status = mst_table_get(s->table, need, n, s->given, s->cancel, err);
  if (status == MST_OK) s->n_given = n;
  return status;
}

/* The machine's next batch; released at its end. */
static mst_status pull(row_stream *s, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  for (;;) {
    const mst_range *need = NULL;
    size_t n_need = 0;
    MST_TRY(mst_cancel_check(s->cancel, err));
    status = mst_parquet_reader_step(s->reader, s->given, s->n_given, &need, &n_need, out, err);
    drop_given(s);
    if (status != MST_OK || out->release != NULL || n_need == 0) return status;
    MST_TRY(fetch(s, need, n_need, err));
  }
done:
  return status;
}

static mst_status next(void *self, struct ArrowArray *out, mst_error *err) {
  row_stream *s = self;
  mst_error unheard;
  if (err == NULL) err = &unheard;
  if (s->failure.status != MST_OK) *err = s->failure;
  if (s->ended) return s->failure.status;
  mst_status status = pull(s, out, err);
  if (status == MST_OK) {
    s->ended = out->release == NULL;
    return MST_OK;
  }
  status = mst_error_name(err, status, mst_table_url(s->table));
  s->ended = true;
  s->failure = *err;
  s->failure.status = status;
  return status;
}

/* ---- opening ------------------------------------------------------------------------------------------------- */

static bool is_nothing(const mst_table_read_options *o) {
  return (o->rows != NULL && o->n_rows == 0) || (o->groups != NULL && o->groups->length == 0) ||
         (o->limit != NULL && *o->limit == 0);
}

static mst_status open_reader(row_stream *s, const mst_table_read_options *o, mst_error *err) {
  mst_parquet_read_options r = {.columns = o->columns,
                                .n_columns = o->n_columns,
                                .rows = o->rows,
                                .n_rows = o->n_rows,
                                .where = o->where,
                                .limit = o->limit == NULL ? 0 : *o->limit,
                                .batch_rows = o->batch_rows,
                                .memory = o->memory != 0 ? o->memory : mst_context_memory_max(s->table->ctx),
                                .ctx = o->in_caller ? NULL : s->table->ctx,
                                .verify = o->verify};
  if (o->groups != NULL) {
    r.first_group = (size_t)o->groups->offset;
    r.groups = (size_t)o->groups->length;
  }
  s->ended = is_nothing(o); /* the machine knows no way to be asked for nothing; it still tells the schema */
  return mst_parquet_reader_open(s->table->file, &r, &s->reader, err);
}

static mst_status open_stream(mst_table *t, const mst_table_read_options *o, row_stream **out, mst_cancel *cancel,
                              mst_error *err) {
  mst_status status = MST_OK;
  row_stream *s = mst_alloc_zero(t->mem, 1, sizeof *s);
  if (s == NULL) return mst_fail_memory(err);
  s->table = mst_table_ref(t);
  s->mem = t->mem;
  s->cancel = cancel == NULL ? NULL : mst_cancel_ref(cancel);
  MST_TRY(open_reader(s, o, err));
  *out = s;
  s = NULL;
done:
  close_stream(s);
  return status;
}

mst_status mst_table_read(mst_table *t, const mst_table_read_options *options, struct ArrowArrayStream *out,
                          mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  static const mst_table_read_options defaults;
  struct ArrowSchema schema = {0};
  row_stream *s = NULL;
  MST_TRY(open_stream(t, options != NULL ? options : &defaults, &s, cancel, err));
  MST_TRY(mst_parquet_reader_schema(s->reader, &schema, err));
  const mst_stream_source source = {.self = s, .next = next, .close = close_stream};
  s = NULL;
  MST_TRY(mst_stream_make(t->mem, &schema, &source, out, err));
done:
  close_stream(s);
  mst_schema_release(&schema);
  return mst_error_name(err, status, mst_table_url(t));
}

mst_status mst_table_verify(mst_table *t, mst_parquet_read_facts *facts, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  const mst_table_read_options o = {.verify = true};
  row_stream *s = NULL;
  MST_TRY(open_stream(t, &o, &s, cancel, err));
  for (;;) {
    struct ArrowArray batch = {0};
    MST_TRY(pull(s, &batch, err));
    if (batch.release == NULL) break;
    mst_array_release(&batch);
  }
  if (facts != NULL) *facts = mst_parquet_reader_facts(s->reader);
done:
  close_stream(s);
  return mst_error_name(err, status, mst_table_url(t));
}
