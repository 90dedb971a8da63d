/* dataset/common.c - `_common_metadata`: a Parquet file without rows that holds the table's schema; see schema.h. */
#include "dataset/schema.h"

#include "dataset/state.h"
#include "parquet/parquet.h"

#define COMMON_BYTES_MAX ((size_t)256 << 20)

static mst_status parse(const mst_allocator *mem, const mst_bytes *bytes, struct ArrowSchema *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_parquet_file *file = NULL;
  uint64_t need = 0;
  struct ArrowSchema whole = {0};
  MST_TRY(mst_parquet_file_parse(mem, bytes->data, bytes->size, bytes->size, &file, &need, err));
  if (file == NULL) MST_TRY(mst_fail(err, MST_E_CORRUPT, "a footer of %llu bytes in %zu", (unsigned long long)need, bytes->size));
  MST_TRY(mst_parquet_file_schema(file, &whole, err));
  for (int64_t i = 0; i < whole.n_children; i++)
    if (mst_table_schema_find(&whole, whole.children[i]->name) != i)
      MST_TRY(mst_fail(err, MST_E_CORRUPT, "the column \"%.100s\" stands twice", whole.children[i]->name));
  *out = whole;
  whole.release = NULL;
done:
  mst_schema_release(&whole);
  mst_parquet_file_unref(file);
  return status;
}

mst_status mst_common_read(mst_store *store, const char *key, struct ArrowSchema *out, mst_cancel *cancel, mst_error *err) {
  char name[320];
  mst_bytes bytes = {0};
  mst_status status = mst_state_get(store, key, COMMON_BYTES_MAX, &bytes, NULL, cancel, err);
  if (status != MST_OK) return status;
  status = parse(mst_context_mem(mst_store_context(store)), &bytes, out, err);
  if (status != MST_OK) (void)mst_error_name(err, status, mst_store_name_key(store, key, name, sizeof name));
  mst_bytes_release(&bytes);
  return mst_while(err, status, "the schema in %.200s", key);
}

static mst_status put_bytes(void *self, mst_bytes *bytes, mst_error *err) {
  mst_status status = mst_buf_put(self, bytes->data, bytes->size, err);
  mst_bytes_release(bytes);
  return status;
}

mst_status mst_common_make(mst_context *ctx, const struct ArrowSchema *schema, mst_bytes *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_parquet_writer *writer = NULL;
  mst_buf file;
  mst_buf_init(&file, mst_context_mem(ctx), COMMON_BYTES_MAX);
  const mst_parquet_sink sink = {.self = &file, .put = put_bytes};
  const mst_parquet_writer_options options = {.mem = mst_context_mem(ctx)};
  MST_TRY(mst_parquet_writer_open(schema, &options, &sink, &writer, err));
  MST_TRY(mst_parquet_writer_close(writer, err));
  MST_TRY(mst_buf_take(&file, out, err));
done:
  mst_parquet_writer_free(writer);
  mst_buf_free(&file);
  return status;
}

mst_status mst_common_write(mst_store *store, const char *key, const struct ArrowSchema *schema, mst_cancel *cancel, mst_error *err) {
  mst_bytes bytes = {0};
  mst_status status = mst_common_make(mst_store_context(store), schema, &bytes, err);
  if (status != MST_OK) return mst_while(err, status, "the schema");
  mst_op op = mst_op_make(MST_OP_PUT, key);
  op.data = bytes.data;
  op.n_data = bytes.size;
  op.put_mode = MST_PUT_REPLACE;
  op.cancel = cancel;
  status = mst_store_perform(store, &op, err);
  mst_bytes_release(&bytes);
  return mst_while(err, status, "while writing the schema");
}
