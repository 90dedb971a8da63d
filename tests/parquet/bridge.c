/* A shared library for the Python tests of Parquet: Arrow streams to bytes of a file and back, through the C data
 * interface, so that every type that pyarrow can make can be tried. Not installed. */
#include <stdio.h>
#include <stdlib.h>

#include "parquet/parquet.h"

#define EXPORT __attribute__((visibility("default")))

static mst_status put_to_file(void *self, mst_bytes *bytes, mst_error *err) {
  size_t n = fwrite(bytes->data, 1, bytes->size, self), size = bytes->size;
  mst_bytes_release(bytes);
  return n == size ? MST_OK : mst_fail(err, MST_E_IO, "short write");
}

static int fail(char *message, const mst_error *err) {
  snprintf(message, 900, "%s: %s", mst_status_name(err->status), err->message);
  return 1;
}

/* Options of the columns come in `columns`, `n_columns` of them. 0 or 1, and then `message` says why. */
EXPORT int bridge_write(struct ArrowArrayStream *stream, const char *path, const mst_parquet_writer_options *options, char *message) {
  mst_status status = MST_OK;
  mst_error error = {0}, *err = &error;
  struct ArrowSchema schema = {0};
  struct ArrowArray batch = {0};
  mst_parquet_writer *w = NULL;
  mst_parquet_sink sink = {.put = put_to_file, .self = fopen(path, "wb")};
  if (sink.self == NULL) return 1;
  MST_TRY(mst_stream_schema(stream, &schema, err));
  MST_TRY(mst_parquet_writer_open(&schema, options, &sink, &w, err));
  for (;;) {
    MST_TRY(mst_stream_next(stream, &batch, err));
    if (batch.release == NULL) break;
    MST_TRY(mst_parquet_writer_put(w, &batch, err));
  }
  MST_TRY(mst_parquet_writer_metadata(w, "key", "first", err));
  MST_TRY(mst_parquet_writer_metadata(w, "key", "value", err));
  MST_TRY(mst_parquet_writer_close(w, err));
done:
  mst_parquet_writer_free(w);
  mst_array_release(&batch);
  mst_schema_release(&schema);
  mst_stream_release(stream);
  fclose(sink.self);
  return status == MST_OK ? 0 : fail(message, err);
}
