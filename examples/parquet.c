/* parquet.c - write a Parquet file from Arrow batches made by hand, and read a column of one back, in any store.
 *
 *     cc parquet.c -o parquet $(pkg-config --cflags --libs meseta)
 *     ./parquet write squares.parquet 1000
 *     ./parquet read squares.parquet */
#include <meseta/meseta.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a schema with one column "square" of 64-bit integers, and batches of it ---- */

static void keep_schema(struct ArrowSchema *s) { s->release = NULL; }

static void free_batch(struct ArrowArray *batch) {
  free((void *)batch->children[0]->buffers[1]);
  free(batch->children[0]->buffers);
  free(batch->children[0]);
  free(batch->children);
  free(batch->buffers);
  batch->release = NULL;
}

static void keep_column(struct ArrowArray *column) { column->release = NULL; /* the batch frees it */ }

static int make_batch(long first, long n, struct ArrowArray *out) {
  struct ArrowArray *column = calloc(1, sizeof *column);
  struct ArrowArray **children = calloc(1, sizeof *children);
  const void **buffers = calloc(1, sizeof *buffers), **pair = calloc(2, sizeof *pair);
  int64_t *values = malloc((size_t)n * sizeof *values);
  if (column == NULL || children == NULL || buffers == NULL || pair == NULL || values == NULL) return -1;
  for (long i = 0; i < n; i++) values[i] = (int64_t)(first + i) * (first + i);
  pair[1] = values;
  *column = (struct ArrowArray){.length = n, .n_buffers = 2, .buffers = pair, .release = keep_column};
  children[0] = column;
  *out = (struct ArrowArray){
      .length = n, .n_buffers = 1, .buffers = buffers, .n_children = 1, .children = children, .release = free_batch};
  return 0;
}

/* ---- the two commands ---- */

static mst_status write_squares(const char *url, long rows, mst_error *err) {
  struct ArrowSchema column = {.format = "l", .name = "square", .release = keep_schema}, *columns[] = {&column};
  const struct ArrowSchema schema = {
      .format = "+s", .name = "", .n_children = 1, .children = columns, .release = keep_schema};
  mst_parquet_out_options options = MST_PARQUET_OUT_OPTIONS_INIT;
  mst_parquet_out *out = NULL;
  options.codec = "zstd";
  mst_status status = mst_parquet_create(NULL, url, &schema, &options, &out, NULL, err);
  for (long at = 0; status == MST_OK && at < rows; at += 100) {
    struct ArrowArray batch;
    if (make_batch(at, rows - at < 100 ? rows - at : 100, &batch) != 0) abort();
    status = mst_parquet_out_put(out, &batch, err);
  }
  if (status == MST_OK) status = mst_parquet_out_close(out, NULL, err);
  mst_parquet_out_free(out);
  return status;
}

static mst_status add_up(struct ArrowArrayStream *stream, uint64_t *rows, int64_t *sum, mst_error *err) {
  for (;;) {
    struct ArrowArray batch;
    if (stream->get_next(stream, &batch) != 0) {
      mst_stream_get_error(stream, err);
      return err->status;
    }
    if (batch.release == NULL) return MST_OK;
    const struct ArrowArray *column = batch.children[0];
    const int64_t *values = (const int64_t *)column->buffers[1] + column->offset;
    for (int64_t i = 0; i < column->length; i++) *sum += values[i];
    *rows += (uint64_t)batch.length;
    batch.release(&batch);
  }
}

static mst_status read_squares(const char *url, mst_error *err) {
  const char *columns[] = {"square"};
  mst_parquet_query query = MST_PARQUET_QUERY_INIT;
  struct ArrowArrayStream stream = {0};
  mst_parquet *file = NULL;
  uint64_t rows = 0;
  int64_t sum = 0;
  query.columns = columns;
  query.n_columns = 1;
  mst_status status = mst_parquet_open(NULL, url, NULL, &file, NULL, err);
  if (status == MST_OK) status = mst_parquet_read(file, &query, &stream, NULL, err);
  if (status == MST_OK) status = add_up(&stream, &rows, &sum, err);
  if (status == MST_OK) printf("%llu rows, sum %lld\n", (unsigned long long)rows, (long long)sum);
  if (stream.release != NULL) stream.release(&stream);
  mst_parquet_unref(file);
  return status;
}

int main(int argc, char **argv) {
  mst_error err = {0};
  mst_status status;
  if (argc == 4 && strcmp(argv[1], "write") == 0) status = write_squares(argv[2], strtol(argv[3], NULL, 10), &err);
  else if (argc == 3 && strcmp(argv[1], "read") == 0) status = read_squares(argv[2], &err);
  else {
    fprintf(stderr, "usage: %s write URL ROWS | read URL\n", argv[0]);
    return 2;
  }
  if (status != MST_OK) fprintf(stderr, "%s\n", err.message);
  return status == MST_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
