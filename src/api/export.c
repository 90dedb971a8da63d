/* api/export.c - mst_stream_export: rows of an Arrow stream in the formats that others read. */
#include <meseta/export.h>

#include "column/column.h"
#include "parquet/parquet.h"

#define ROWS_AT_ONCE 1024
#define PIECE_MAX    ((size_t)1 << 30)

typedef struct exporter {
  const char *as;
  struct ArrowSchema schema;
  mst_buf text;
  mst_parquet_writer *parquet;
  mst_write_fn write;
  void *arg;
} exporter;

static mst_status flush_text(exporter *e, mst_error *err) {
  mst_status status = e->text.size == 0 ? MST_OK : e->write(e->arg, e->text.data, e->text.size, err);
  mst_buf_clear(&e->text);
  return status;
}

static mst_status put_parquet(void *self, mst_bytes *bytes, mst_error *err) {
  exporter *e = self;
  mst_status status = e->write(e->arg, bytes->data, bytes->size, err);
  mst_bytes_release(bytes);
  return status;
}

static bool is(const exporter *e, const char *name) { return mst_text_equal(e->as, name); }

static mst_status begin(exporter *e, const mst_allocator *mem, mst_error *err) {
  const mst_parquet_writer_options options = {.mem = mem, .codec = MST_PARQUET_ZSTD};
  const mst_parquet_sink sink = {.self = e, .put = put_parquet};
  if (is(e, "parquet")) return mst_parquet_writer_open(&e->schema, &options, &sink, &e->parquet, err);
  mst_status status = MST_OK;
  if (is(e, "arrow")) status = mst_ipc_put_schema(&e->schema, &e->text, err);
  else if (is(e, "csv")) status = mst_csv_put_header(&e->schema, &e->text, err);
  else if (!is(e, "jsonl"))
    return mst_fail(err, MST_E_ARGUMENT, "rows are written as arrow, parquet, jsonl or csv, not as \"%.40s\"", e->as);
  return status == MST_OK ? flush_text(e, err) : status;
}

static mst_status put_rows(exporter *e, const struct ArrowArray *batch, mst_error *err) {
  mst_status status = MST_OK;
  for (int64_t at = 0; status == MST_OK && at < batch->length; at += ROWS_AT_ONCE) {
    const int64_t n = batch->length - at < ROWS_AT_ONCE ? batch->length - at : ROWS_AT_ONCE;
    status = is(e, "csv") ? mst_csv_put_rows(&e->schema, batch, at, n, &e->text, err)
                          : mst_jsonl_put_rows(&e->schema, batch, at, n, &e->text, err);
    if (status == MST_OK) status = flush_text(e, err);
  }
  return status;
}

/* Takes `batch` over. */
static mst_status put_batch(exporter *e, struct ArrowArray *batch, mst_error *err) {
  if (e->parquet != NULL) return mst_parquet_writer_put(e->parquet, batch, err);
  mst_status status;
  if (is(e, "arrow")) {
    status = mst_ipc_put_batch(&e->schema, batch, &e->text, err);
    if (status == MST_OK) status = flush_text(e, err);
  } else {
    status = put_rows(e, batch, err);
  }
  mst_array_release(batch);
  return status;
}

static mst_status finish(exporter *e, mst_error *err) {
  if (e->parquet != NULL) return mst_parquet_writer_close(e->parquet, err);
  mst_status status = is(e, "arrow") ? mst_ipc_put_end(&e->text, err) : MST_OK;
  return status == MST_OK ? flush_text(e, err) : status;
}

static mst_status fail_stream(struct ArrowArrayStream *stream, mst_error *err) {
  const mst_error *own = mst_stream_error(stream);
  if (own != NULL) {
    if (err != NULL) *err = *own;
    return own->status;
  }
  const char *text = stream->get_last_error == NULL ? NULL : stream->get_last_error(stream);
  return mst_fail(err, MST_E_IO, "the Arrow stream failed: %.400s", text == NULL ? "it does not say why" : text);
}

mst_status mst_stream_export(mst_context *ctx, struct ArrowArrayStream *stream, const char *as, mst_write_fn write,
                             void *arg, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_error_clear(err);
  if (stream == NULL || stream->release == NULL || as == NULL || write == NULL)
    return mst_fail(err, MST_E_ARGUMENT, "mst_stream_export: stream, as and write must not be NULL");
  if ((ctx = mst_context_or_default(ctx)) == NULL) return mst_fail_memory(err);
  exporter e = {.as = as, .write = write, .arg = arg};
  mst_buf_init(&e.text, mst_context_mem(ctx), PIECE_MAX);
  if (stream->get_schema(stream, &e.schema) != 0) {
    status = fail_stream(stream, err);
    goto done;
  }
  MST_TRY(begin(&e, mst_context_mem(ctx), err));
  for (;;) {
    struct ArrowArray batch = {0};
    uint64_t bytes = 0;
    MST_TRY(mst_cancel_check(cancel, err));
    if (stream->get_next(stream, &batch) != 0) {
      status = fail_stream(stream, err);
      goto done;
    }
    if (batch.release == NULL) break;
    status = mst_array_check(&e.schema, &batch, &bytes, err);
    if (status != MST_OK) {
      mst_array_release(&batch);
      goto done;
    }
    MST_TRY(put_batch(&e, &batch, err));
  }
  MST_TRY(finish(&e, err));
done:
  mst_parquet_writer_free(e.parquet);
  mst_schema_release(&e.schema);
  mst_buf_free(&e.text);
  return status;
}
