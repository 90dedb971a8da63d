/* tests/parquet/bridge.c - A shared library for the Python tests of Parquet: Arrow streams to bytes of a file and back, through the C data
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
EXPORT int bridge_write(struct ArrowArrayStream *stream, const char *path, const mst_parquet_writer_options *options,
                        char *message) {
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

/* ---- reading ------------------------------------------------------------------------------------------------- */

typedef struct file_reader {
  FILE *file;
  mst_parquet_reader *reader;
} file_reader;

/* Answers the machine until it gives a batch or is done. */
static mst_status next_batch(void *self, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  file_reader *f = self;
  mst_bytes *given = NULL;
  size_t n_given = 0, n_need = 0, i;
  const mst_range *need = NULL;
  uint8_t *data;
  for (;;) {
    MST_TRY(mst_parquet_reader_step(f->reader, given, n_given, &need, &n_need, out, err));
    for (i = 0; i < n_given; i++) mst_bytes_release(&given[i]);
    free(given);
    given = NULL;
    n_given = 0;
    if (n_need == 0) return MST_OK;
    MST_TRY_ALLOC(given = calloc(n_need, sizeof *given));
    for (; n_given < n_need; n_given++) {
      MST_TRY(mst_bytes_new(NULL, (size_t)need[n_given].length, &given[n_given], &data, err));
      if (fseek(f->file, (long)need[n_given].offset, SEEK_SET) != 0) return mst_fail(err, MST_E_IO, "seek");
      given[n_given].size = fread(data, 1, given[n_given].size, f->file);
    }
  }
done:
  for (i = 0; i < n_given; i++) mst_bytes_release(&given[i]);
  free(given);
  return status;
}

static void close_reader(void *self) {
  file_reader *f = self;
  mst_parquet_reader_free(f->reader);
  if (f->file != NULL) fclose(f->file);
  free(f);
}

static mst_status parse_footer(FILE *file, mst_parquet_file **out, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t size, need = 64;
  uint8_t *tail = NULL;
  fseek(file, 0, SEEK_END);
  size = (uint64_t)ftell(file);
  *out = NULL;
  while (*out == NULL) {
    size_t n = (size_t)(need < size ? need : size);
    MST_TRY_ALLOC(tail = realloc(tail, n + 1));
    fseek(file, -(long)n, SEEK_END);
    if (fread(tail, 1, n, file) != n) return mst_fail(err, MST_E_IO, "short read");
    MST_TRY(mst_parquet_file_parse(NULL, tail, n, size, out, &need, err));
  }
done:
  free(tail);
  return status;
}

/* `columns` may be NULL: all. */
EXPORT int bridge_read(const char *path, const char *const *columns, size_t n_columns, struct ArrowArrayStream *out,
                       char *message) {
  mst_status status = MST_OK;
  mst_error error = {.offset = -1}, *err = &error;
  struct ArrowSchema schema = {0};
  mst_parquet_file *file = NULL;
  file_reader *f = calloc(1, sizeof *f);
  const mst_parquet_read_options options = {.columns = columns, .n_columns = n_columns};
  mst_stream_source source = {.self = f, .next = next_batch, .close = close_reader};
  f->file = fopen(path, "rb");
  if (f->file == NULL) return 1;
  MST_TRY(parse_footer(f->file, &file, err));
  MST_TRY(mst_parquet_reader_open(file, &options, &f->reader, err));
  MST_TRY(mst_parquet_reader_schema(f->reader, &schema, err));
  f = NULL;
  MST_TRY(mst_stream_make(NULL, &schema, &source, out, err));
done:
  mst_parquet_file_unref(file);
  if (f != NULL) close_reader(f);
  return status == MST_OK ? 0 : fail(message, err);
}
