/* tests/parquet/bridge.c - A shared library for the Python tests of Parquet: Arrow streams to bytes of a file and back,
 * through the C data interface, so that every type that pyarrow can make can be tried. Not installed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "expr/expr.h"
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

/* ---- options ------------------------------------------------------------------------------------------------- */

/* Options come as JSON, so that tests need not know how structs are laid out. */
typedef struct given_options {
  json_t *json;
  mst_parquet_writer_options o;
  mst_parquet_column_options columns[64];
  mst_parquet_sorting sorting[8];
} given_options;

static const char *const codec_names[] = {"none", "snappy", "gzip", "", "brotli", "lz4_hadoop", "zstd", "lz4"};
static const char *const encoding_names[] = {"auto",
                                             "plain",
                                             "dictionary",
                                             "rle",
                                             "delta_binary_packed",
                                             "delta_length_byte_array",
                                             "delta_byte_array",
                                             "byte_stream_split"};

static int number_of(const char *const *names, int n, const char *name) {
  int i;
  for (i = 0; i < n; i++)
    if (strcmp(names[i], name) == 0) return i;
  abort();
}

static uint64_t take_number(const json_t *json, const char *name) {
  return (uint64_t)json_integer_value(json_object_get(json, name));
}

static bool take_flag(const json_t *json, const char *name) { return json_is_true(json_object_get(json, name)); }

static bool take_codec(const json_t *json, mst_parquet_codec *out) {
  const char *name = json_string_value(json_object_get(json, "codec"));
  if (name == NULL) return false;
  *out = (mst_parquet_codec)number_of(codec_names, 8, name);
  return true;
}

static void take_column(const char *name, const json_t *json, mst_parquet_column_options *c) {
  const char *encoding = json_string_value(json_object_get(json, "encoding"));
  *c = (mst_parquet_column_options){.name = name};
  c->codec_set = take_codec(json, &c->codec);
  c->no_statistics = take_flag(json, "no_statistics");
  c->bloom = take_flag(json, "bloom");
  c->bloom_share = json_number_value(json_object_get(json, "bloom_share"));
  if (encoding != NULL) c->encoding = (mst_parquet_encoding)number_of(encoding_names, 8, encoding);
}

static void take_options(given_options *to, const char *text) {
  const char *name;
  json_t *value;
  size_t i;
  *to = (given_options){.json = json_loads(text, 0, NULL)};
  take_codec(to->json, &to->o.codec);
  to->o.level = (int)take_number(to->json, "level");
  to->o.row_group_rows = take_number(to->json, "row_group_rows");
  to->o.row_group_bytes = take_number(to->json, "row_group_bytes");
  to->o.page_bytes = take_number(to->json, "page_bytes");
  to->o.page_rows = take_number(to->json, "page_rows");
  to->o.no_dictionary = take_flag(to->json, "no_dictionary");
  to->o.no_statistics = take_flag(to->json, "no_statistics");
  to->o.no_checksums = take_flag(to->json, "no_checksums");
  to->o.no_arrow_schema = take_flag(to->json, "no_arrow_schema");
  to->o.no_size_statistics = take_flag(to->json, "no_size_statistics");
  to->o.created_by = json_string_value(json_object_get(to->json, "created_by"));
  to->o.columns = to->columns;
  to->o.sorting = to->sorting;
  json_object_foreach(json_object_get(to->json, "columns"), name, value)
      take_column(name, value, &to->columns[to->o.n_columns++]);
  json_array_foreach(json_object_get(to->json, "sorting"), i, value) to->sorting[to->o.n_sorting++] =
      (mst_parquet_sorting){.name = json_string_value(json_array_get(value, 0)),
                            .descending = json_is_true(json_array_get(value, 1)),
                            .nulls_first = json_is_true(json_array_get(value, 2))};
}

/* ---- writing ------------------------------------------------------------------------------------------------- */

/* 0 or 1, and then `message` says why. */
EXPORT int bridge_write(struct ArrowArrayStream *stream, const char *path, const char *json, char *message) {
  mst_status status = MST_OK;
  mst_error error = {0}, *err = &error;
  struct ArrowSchema schema = {0};
  struct ArrowArray batch = {0};
  given_options given;
  mst_parquet_writer *w = NULL;
  mst_parquet_sink sink = {.put = put_to_file, .self = fopen(path, "wb")};
  if (sink.self == NULL) return 1;
  take_options(&given, json);
  MST_TRY(mst_stream_schema(stream, &schema, err));
  MST_TRY(mst_parquet_writer_open(&schema, &given.o, &sink, &w, err));
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
  json_decref(given.json);
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

/* `options` may be NULL: all. */
EXPORT int bridge_read_with(const char *path, const mst_parquet_read_options *options, struct ArrowArrayStream *out,
                            char *message) {
  mst_status status = MST_OK;
  mst_error error = {.offset = -1}, *err = &error;
  struct ArrowSchema schema = {0};
  mst_parquet_file *file = NULL;
  file_reader *f = calloc(1, sizeof *f);
  mst_stream_source source = {.self = f, .next = next_batch, .close = close_reader};
  f->file = fopen(path, "rb");
  if (f->file == NULL) return 1;
  MST_TRY(parse_footer(f->file, &file, err));
  MST_TRY(mst_parquet_reader_open(file, options, &f->reader, err));
  MST_TRY(mst_parquet_reader_schema(f->reader, &schema, err));
  f = NULL;
  MST_TRY(mst_stream_make(NULL, &schema, &source, out, err));
done:
  mst_parquet_file_unref(file);
  if (f != NULL) close_reader(f);
  return status == MST_OK ? 0 : fail(message, err);
}

EXPORT int bridge_read(const char *path, const char *const *columns, size_t n_columns, struct ArrowArrayStream *out,
                       char *message) {
  const mst_parquet_read_options options = {.columns = columns, .n_columns = n_columns};
  return bridge_read_with(path, &options, out, message);
}

/* A condition out of its text; freed with bridge_where_free. */
EXPORT mst_where *bridge_where(const char *text, char *message) {
  mst_error err = {.offset = -1};
  mst_where *w = NULL;
  if (mst_where_parse_any(NULL, text, strlen(text), &w, &err) != MST_OK) fail(message, &err);
  return w;
}

EXPORT void bridge_where_free(mst_where *w) { mst_where_unref(w); }

/* What the footer tells, as JSON: the caller frees it with bridge_free. NULL, and then `message` says why. */
EXPORT char *bridge_describe(const char *path, char *message) {
  mst_error err = {.offset = -1};
  mst_parquet_file *file = NULL;
  FILE *f = fopen(path, "rb");
  json_t *facts = NULL;
  char *text = NULL;
  if (f == NULL) return NULL;
  if (parse_footer(f, &file, &err) != MST_OK || mst_parquet_describe(file, SIZE_MAX, &facts, &err) != MST_OK) {
    fail(message, &err);
  } else {
    text = json_dumps(facts, JSON_SORT_KEYS);
  }
  json_decref(facts);
  mst_parquet_file_unref(file);
  fclose(f);
  return text;
}

EXPORT void bridge_free(void *block) { free(block); }
