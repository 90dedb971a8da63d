/* format/parquet_read.c - one slice of a Parquet file: its rows as Arrow batches, or as a Parquet file of their own;
 * and the check of a whole file.
 *
 * Owns: the reading machine, and the bytes of the new file until they are given out. May call: base, expr, parquet. */
#include "format/parquet_format.h"

typedef struct slice_reader {
  mst_machine machine; /* first */
  const mst_job *job;
  mst_footer footer;
  mst_read_as as;
  bool checks; /* everything, and nothing is given out */
  mst_range rows;
  mst_where *where;
  const char **columns;
  size_t n_columns;
  bool chosen; /* `columns` count */
  uint64_t batch_rows;
  mst_parquet_reader *reader;
  mst_parquet_writer *writer; /* of the new file */
  mst_buf out;                /* its bytes that are ready */
  bool told, ended;           /* the schema was given; so was all */
} slice_reader;

/* ---- beginning -------------------------------------------------------------------------------------------------- */

static mst_status open_reader(slice_reader *r, mst_error *err) {
  const uint64_t all = mst_parquet_file_rows(r->footer.file);
  if (!r->checks && (r->rows.offset > all || r->rows.length > all - r->rows.offset))
    return mst_fail(err, MST_E_CORRUPT, "the slice asks for rows %llu to %llu of a file that has %llu",
                    (unsigned long long)r->rows.offset, (unsigned long long)(r->rows.offset + r->rows.length),
                    (unsigned long long)all);
  const mst_parquet_read_options o = {.columns = r->columns,
                                      .n_columns = r->n_columns,
                                      .rows = r->checks ? NULL : &r->rows,
                                      .n_rows = r->checks ? 0 : 1,
                                      .where = r->where,
                                      .batch_rows = r->batch_rows,
                                      .memory = r->job->memory,
                                      .verify = r->checks};
  return mst_parquet_reader_open(r->footer.file, &o, &r->reader, err);
}

static mst_status take_bytes(void *self, mst_bytes *bytes, mst_error *err) {
  slice_reader *r = self;
  mst_status status = mst_buf_put(&r->out, bytes->data, bytes->size, err);
  mst_bytes_release(bytes);
  return status;
}

/* Key-values go along, but what Arrow's schema says is written anew. */
static mst_status open_writer(slice_reader *r, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowSchema schema = {0};
  const char *key, *value;
  const mst_parquet_writer_options o = {
      .mem = r->job->mem, .codec = MST_PARQUET_ZSTD, .row_group_bytes = mst_max_u64(r->job->memory / 2, 1 << 20)};
  const mst_parquet_sink sink = {.self = r, .put = take_bytes};
  MST_TRY(mst_parquet_reader_schema(r->reader, &schema, err));
  MST_TRY(mst_parquet_writer_open(&schema, &o, &sink, &r->writer, err));
  for (size_t i = 0; mst_parquet_file_pair(r->footer.file, i, &key, &value); i++)
    if (value != NULL && strcmp(key, "ARROW:schema") != 0)
      MST_TRY(mst_parquet_writer_metadata(r->writer, key, value, err));
done:
  mst_schema_release(&schema);
  return status;
}

/* ---- steps ------------------------------------------------------------------------------------------------------ */

static mst_status give_schema(slice_reader *r, mst_step *out, mst_error *err) {
  r->told = true;
  out->kind = MST_STEP_SCHEMA;
  return mst_parquet_reader_schema(r->reader, &out->schema, err);
}

static mst_status give_bytes(slice_reader *r, mst_step *out, mst_error *err) {
  out->kind = MST_STEP_EMIT;
  return mst_buf_take(&r->out, &out->bytes, err);
}

static mst_status end(slice_reader *r, mst_step *out, mst_error *err) {
  mst_status status = MST_OK;
  r->ended = true;
  if (r->writer != NULL) {
    MST_TRY(mst_parquet_writer_close(r->writer, err));
    return give_bytes(r, out, err);
  }
  out->kind = MST_STEP_DONE;
  if (!r->checks) return MST_OK;
  MST_TRY_ALLOC(out->facts = json_object());
  MST_TRY(mst_json_set_u64(out->facts, "records", mst_parquet_file_rows(r->footer.file), err));
  uint64_t plain = 0;
  for (size_t i = 0; i < mst_parquet_file_groups(r->footer.file); i++)
    if (!mst_add_u64(plain, mst_parquet_group_plain_bytes(r->footer.file, i), &plain)) plain = UINT64_MAX;
  MST_TRY(mst_json_set_u64(out->facts, "plain_bytes", mst_min_u64(plain, INT64_MAX), err));
done:
  return status;
}

/* A batch goes out, or into the new file, or nowhere. */
static mst_status use_batch(slice_reader *r, struct ArrowArray *batch, mst_step *out, bool *gave, mst_error *err) {
  *gave = r->as == MST_READ_ARROW && !r->checks;
  if (*gave) {
    out->kind = MST_STEP_BATCH;
    out->batch = *batch;
    return MST_OK;
  }
  if (r->checks) {
    mst_array_release(batch);
    return MST_OK;
  }
  mst_status status = mst_parquet_writer_put(r->writer, batch, err);
  if (status != MST_OK || r->out.size == 0) return status;
  *gave = true;
  return give_bytes(r, out, err);
}

static mst_status read_on(slice_reader *r, const mst_given *given, mst_step *out, mst_error *err) {
  mst_status status = MST_OK;
  const mst_bytes *bytes = given == NULL ? NULL : given->bytes;
  size_t n = given == NULL ? 0 : given->n;
  for (;;) {
    struct ArrowArray batch = {0};
    const mst_range *need = NULL;
    size_t n_need = 0;
    bool gave = false;
    MST_TRY(mst_parquet_reader_step(r->reader, bytes, n, &need, &n_need, &batch, err));
    n = 0;
    if (mst_parquet_needs(need, n_need, out)) return MST_OK;
    if (batch.release == NULL) return end(r, out, err);
    MST_TRY(use_batch(r, &batch, out, &gave, err));
    if (gave) return MST_OK;
  }
done:
  return status;
}

static mst_status place(slice_reader *r, mst_step *out, mst_error *err) {
  mst_status status = MST_OK;
  out->kind = MST_STEP_DONE;
  MST_TRY_ALLOC(out->facts = json_object());
  MST_TRY(mst_json_set_u64(out->facts, "row", r->rows.offset, err));
done:
  return status;
}

static mst_status slice_step(mst_machine *m, const mst_given *given, mst_step *out, mst_error *err) {
  mst_status status = MST_OK;
  slice_reader *r = (slice_reader *)m;
  if (r->as == MST_READ_PLACE) return place(r, out, err);
  if (r->ended) {
    out->kind = MST_STEP_DONE;
    return MST_OK;
  }
  if (r->reader == NULL) {
    MST_TRY(mst_footer_step(&r->footer, given, out, err));
    if (r->footer.file == NULL) return MST_OK;
    given = NULL;
    MST_TRY(open_reader(r, err));
    if (r->as == MST_READ_RAW && !r->checks) MST_TRY(open_writer(r, err));
  }
  if (r->as == MST_READ_ARROW && !r->told) return give_schema(r, out, err);
  MST_TRY(read_on(r, given, out, err));
done:
  return status;
}

static void slice_close(mst_machine *m) {
  slice_reader *r = (slice_reader *)m;
  const mst_allocator *mem = r->job->mem;
  mst_parquet_reader_free(r->reader);
  mst_parquet_writer_free(r->writer);
  mst_buf_free(&r->out);
  mst_footer_free(&r->footer);
  mst_where_unref(r->where);
  mst_free(mem, r->columns);
  mst_free(mem, r);
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

/* A part is hostile. */
static mst_status take_part(slice_reader *r, const json_t *part, mst_error *err) {
  mst_status status = MST_OK;
  json_t *rows = NULL;
  const char *where = NULL;
  MST_TRY(mst_json_get_array(part, "rows", "the slice's part", &rows, err));
  const json_t *first = json_array_get(rows, 0), *count = json_array_get(rows, 1);
  if (json_array_size(rows) != 2 || !json_is_integer(first) || !json_is_integer(count) ||
      json_integer_value(first) < 0 || json_integer_value(count) < 0)
    return mst_fail(err, MST_E_CORRUPT, "the slice's part lacks \"rows\", two numbers");
  r->rows = (mst_range){.offset = (uint64_t)json_integer_value(first), .length = (uint64_t)json_integer_value(count)};
  MST_TRY(mst_json_get_u64(part, "tail", "the slice's part", &r->footer.hint, err));
  MST_TRY(mst_json_get_text(part, "where", "the slice's part", &where, err));
  if (where != NULL) MST_TRY(mst_where_parse(r->job->mem, where, strlen(where), &r->where, err));
done:
  return status == MST_E_ARGUMENT ? mst_while(err, MST_E_CORRUPT, "the slice's condition") : status;
}

/* Names are borrowed from the options, which outlive the machine. */
static mst_status take_columns(slice_reader *r, const json_t *options, mst_error *err) {
  const json_t *list = json_object_get(options, "columns"), *name;
  size_t i;
  if (list == NULL || json_is_null(list)) return MST_OK;
  if (!json_is_array(list)) return mst_fail(err, MST_E_ARGUMENT, "\"columns\" must be a list of names");
  r->columns = mst_alloc_zero(r->job->mem, json_array_size(list) + 1, sizeof *r->columns);
  if (r->columns == NULL) return mst_fail_memory(err);
  json_array_foreach(list, i, name) {
    if (!json_is_string(name)) return mst_fail(err, MST_E_ARGUMENT, "\"columns\" must be a list of names");
    r->columns[r->n_columns++] = json_string_value(name);
  }
  return MST_OK;
}

static mst_status reader_new(const mst_job *job, slice_reader **out, mst_error *err) {
  static const mst_machine_ops ops = {.step = slice_step, .close = slice_close};
  slice_reader *r = mst_alloc_zero(job->mem, 1, sizeof *r);
  if (r == NULL) return mst_fail_memory(err);
  r->machine.ops = &ops;
  r->job = r->footer.job = job;
  mst_buf_init(&r->out, job->mem, SIZE_MAX / 2);
  *out = r;
  return MST_OK;
}

mst_status mst_parquet_read_part(const mst_job *job, const json_t *part, const mst_read_query *query, mst_machine **out,
                                 mst_error *err) {
  mst_status status = MST_OK;
  slice_reader *r = NULL;
  MST_TRY(reader_new(job, &r, err));
  r->as = query->as;
  r->batch_rows = query->batch_rows;
  MST_TRY(take_part(r, part, err));
  if (query->as == MST_READ_ARROW) MST_TRY(take_columns(r, query->options, err));
  *out = &r->machine;
  r = NULL;
done:
  if (r != NULL) slice_close(&r->machine);
  return status;
}

mst_status mst_parquet_check(const mst_job *job, mst_machine **out, mst_error *err) {
  slice_reader *r = NULL;
  mst_status status = reader_new(job, &r, err);
  if (status != MST_OK) return status;
  r->as = MST_READ_ARROW;
  r->told = r->checks = true;
  *out = &r->machine;
  return MST_OK;
}
