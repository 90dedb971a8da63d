/* source/table_write.c - batches into one Parquet file of a store: parts go out while more is put, nothing is visible
 * before the end. See table.h. May call: store, parquet, column. */
#include <stdio.h>

#include "source/table_inner.h"

struct mst_parquet_out {
  mst_context *ctx;
  const mst_allocator *mem;
  struct ArrowSchema schema;
  mst_parquet_writer *parquet;
  mst_write_fn write; /* where the bytes go without a store */
  void *write_arg;
  mst_store *store; /* NULL: they go to `write` */
  char *name;       /* the object, for errors; may be NULL */
  mst_upload *upload;
  mst_cancel *cancel;
  mst_put_mode mode;
  uint64_t rows;
  bool closed;
};

static mst_status send(void *self, mst_bytes *bytes, mst_error *err) {
  mst_table_writer *w = self;
  mst_status status = w->upload != NULL ? mst_upload_write(w->upload, bytes->data, bytes->size, err)
                                        : w->write(w->write_arg, bytes->data, bytes->size, err);
  mst_bytes_release(bytes);
  return status;
}

static mst_status name_error(const mst_table_writer *w, mst_status status, mst_error *err) {
  return w->name == NULL ? status : mst_error_name(err, status, w->name);
}

void mst_table_writer_free(mst_table_writer *w) {
  if (w == NULL) return;
  mst_context *ctx = w->ctx;
  mst_parquet_writer_free(w->parquet);
  mst_upload_end(w->upload);
  mst_schema_release(&w->schema);
  mst_cancel_unref(w->cancel);
  mst_store_unref(w->store);
  mst_free(w->mem, w->name);
  mst_free(w->mem, w);
  mst_context_unref(ctx);
}

static mst_status writer_new(mst_context *ctx, const struct ArrowSchema *schema, mst_table_writer **out,
                             mst_error *err) {
  const mst_allocator *mem = mst_context_mem(ctx);
  mst_table_writer *w = mst_alloc_zero(mem, 1, sizeof *w);
  if (w == NULL) return mst_fail_memory(err);
  w->ctx = mst_context_ref(ctx);
  w->mem = mem;
  mst_status status = mst_schema_copy(mem, schema, &w->schema, err);
  if (status == MST_OK) *out = w;
  else mst_table_writer_free(w);
  return status;
}

static mst_status open_parquet(mst_table_writer *w, const mst_parquet_writer_options *options, mst_error *err) {
  mst_parquet_writer_options o = {.codec = MST_PARQUET_ZSTD};
  if (options != NULL) o = *options;
  o.mem = w->mem;
  o.ctx = w->ctx;
  const mst_parquet_sink sink = {.self = w, .put = send};
  return mst_parquet_writer_open(&w->schema, &o, &sink, &w->parquet, err);
}

mst_status mst_table_writer_open(mst_store *store, const char *key, const struct ArrowSchema *schema,
                                 const mst_parquet_writer_options *parquet, mst_put_mode mode, mst_table_writer **out,
                                 mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_table_writer *w = NULL;
  char name[512];
  MST_TRY(writer_new(mst_store_context(store), schema, &w, err));
  w->store = mst_store_ref(store);
  w->mode = mode;
  w->cancel = cancel == NULL ? NULL : mst_cancel_ref(cancel);
  MST_TRY_ALLOC(w->name = mst_text_copy(w->mem, mst_store_name_key(store, key, name, sizeof name)));
  MST_TRY(mst_upload_begin(store, key, cancel, &w->upload, err));
  status = name_error(w, open_parquet(w, parquet, err), err);
  if (status != MST_OK) goto done;
  *out = w;
  w = NULL;
done:
  mst_table_writer_free(w);
  return status;
}

mst_status mst_table_writer_open_into(mst_context *ctx, const struct ArrowSchema *schema,
                                      const mst_parquet_writer_options *parquet, mst_write_fn write, void *arg,
                                      mst_table_writer **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_table_writer *w = NULL;
  MST_TRY(writer_new(ctx, schema, &w, err));
  w->write = write;
  w->write_arg = arg;
  MST_TRY(open_parquet(w, parquet, err));
  *out = w;
  w = NULL;
done:
  mst_table_writer_free(w);
  return status;
}

mst_status mst_table_writer_put(mst_table_writer *w, struct ArrowArray *batch, mst_error *err) {
  uint64_t bytes = 0;
  mst_status status = mst_array_check(&w->schema, batch, &bytes, err);
  const uint64_t rows = status == MST_OK ? (uint64_t)batch->length : 0;
  if (status == MST_OK) status = mst_parquet_writer_put(w->parquet, batch, err);
  else mst_array_release(batch);
  if (status == MST_OK) w->rows += rows;
  return name_error(w, status, err);
}

mst_status mst_table_writer_flush(mst_table_writer *w, mst_error *err) {
  return name_error(w, mst_parquet_writer_flush(w->parquet, err), err);
}

static const char *text_of(const char *text) { return text == NULL ? "" : text; }

static mst_status fail_column(const struct ArrowSchema *column, const char *what, const char *expected,
                              const char *found, mst_error *err) {
  return mst_fail(err, MST_E_ARGUMENT,
                  "the data has other columns than the file begins with: %s of \"%.100s\" is \"%.60s\", not \"%.60s\"",
                  what, text_of(column->name), found, expected);
}

/* Whether batches of `found` may be written as `expected`. Names count for columns and fields, not for the items of
 * lists. */
static mst_status check_same(const struct ArrowSchema *expected, const struct ArrowSchema *found, bool named,
                             mst_error *err) {
  mst_status status = MST_OK;
  const bool fields = strcmp(text_of(expected->format), "+s") == 0;
  if (named && strcmp(text_of(expected->name), text_of(found->name)) != 0)
    return fail_column(expected, "the name", text_of(expected->name), text_of(found->name), err);
  if (strcmp(text_of(expected->format), text_of(found->format)) != 0)
    return fail_column(expected, "the type", text_of(expected->format), text_of(found->format), err);
  if (expected->n_children != found->n_children || (expected->dictionary == NULL) != (found->dictionary == NULL))
    return mst_fail(err, MST_E_ARGUMENT,
                    "the data has other columns than the file begins with: \"%.100s\" has %lld fields, not %lld",
                    text_of(expected->name), (long long)found->n_children, (long long)expected->n_children);
  for (int64_t i = 0; i < expected->n_children; i++)
    MST_TRY(check_same(expected->children[i], found->children[i], fields, err));
  if (expected->dictionary != NULL) MST_TRY(check_same(expected->dictionary, found->dictionary, false, err));
done:
  return status;
}

static mst_status check_stream(const mst_table_writer *w, struct ArrowArrayStream *stream, mst_error *err) {
  struct ArrowSchema schema = {0};
  mst_status status = mst_stream_schema(stream, &schema, err);
  if (status == MST_OK) status = name_error(w, check_same(&w->schema, &schema, false, err), err);
  mst_schema_release(&schema);
  return status;
}

mst_status mst_table_writer_put_stream(mst_table_writer *w, struct ArrowArrayStream *stream, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(check_stream(w, stream, err));
  for (;;) {
    struct ArrowArray batch = {0};
    MST_TRY(mst_cancel_check(w->cancel, err));
    MST_TRY(mst_stream_next(stream, &batch, err));
    if (batch.release == NULL) break;
    MST_TRY(mst_table_writer_put(w, &batch, err));
  }
done:
  return status;
}

mst_status mst_table_writer_metadata(mst_table_writer *w, const char *key, const char *value, mst_error *err) {
  return mst_parquet_writer_metadata(w->parquet, key, value, err);
}

mst_status mst_table_writer_close(mst_table_writer *w, mst_table_written *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_table_written wrote = {.rows = w->rows};
  if (w->closed) return mst_fail(err, MST_E_ARGUMENT, "this Parquet file is closed already");
  MST_TRY(mst_parquet_writer_close(w->parquet, err));
  wrote.size = mst_parquet_writer_size(w->parquet);
  wrote.row_groups = mst_parquet_writer_groups(w->parquet);
  if (w->upload != NULL) MST_TRY(mst_upload_finish(w->upload, w->mode, NULL, &wrote.pin, err));
  wrote.pin.size = wrote.size;
  (void)snprintf(wrote.etag, sizeof wrote.etag, "%s", wrote.pin.etag);
  w->closed = true;
  if (out != NULL) *out = wrote;
done:
  return name_error(w, status, err);
}

uint64_t mst_table_writer_size(const mst_table_writer *w) { return mst_parquet_writer_size(w->parquet); }
