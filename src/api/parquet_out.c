/* api/parquet_out.c - the public calls of meseta/parquet.h that write files: names become the writer's settings, then
 * calls down. */
#include <meseta/parquet.h>

#include "api/give.h"
#include "column/column.h"
#include "source/source.h"

/* ---- names --------------------------------------------------------------------------------------------------------
 */

typedef struct named {
  const char *name;
  int value;
} named;

static const named codecs[] = {{"none", MST_PARQUET_NONE},       {"uncompressed", MST_PARQUET_NONE},
                               {"snappy", MST_PARQUET_SNAPPY},   {"gzip", MST_PARQUET_GZIP},
                               {"zstd", MST_PARQUET_ZSTD},       {"lz4", MST_PARQUET_LZ4_RAW},
                               {"lz4_raw", MST_PARQUET_LZ4_RAW}, {"brotli", MST_PARQUET_BROTLI}};
static const named encodings[] = {{"plain", MST_PARQUET_ENCODING_PLAIN},
                                  {"rle", MST_PARQUET_ENCODING_RLE},
                                  {"rle_dictionary", MST_PARQUET_ENCODING_DICTIONARY},
                                  {"plain_dictionary", MST_PARQUET_ENCODING_DICTIONARY},
                                  {"dictionary", MST_PARQUET_ENCODING_DICTIONARY},
                                  {"delta_binary_packed", MST_PARQUET_ENCODING_DELTA_BINARY_PACKED},
                                  {"delta_length_byte_array", MST_PARQUET_ENCODING_DELTA_LENGTH_BYTE_ARRAY},
                                  {"delta_byte_array", MST_PARQUET_ENCODING_DELTA_BYTE_ARRAY},
                                  {"byte_stream_split", MST_PARQUET_ENCODING_BYTE_STREAM_SPLIT}};

static mst_status find_name(const named *table, size_t n, const char *what, const char *name, int *out,
                            mst_error *err) {
  const char *names[16];
  for (size_t i = 0; i < n; i++) {
    names[i] = table[i].name;
    if (!mst_text_equal(table[i].name, name)) continue;
    *out = table[i].value;
    return MST_OK;
  }
  const char *near = mst_text_nearest(name, names, n);
  return mst_fail(err, MST_E_ARGUMENT, "Parquet has no %s \"%.60s\"%s%s%s", what, name,
                  near == NULL ? "" : "; did you mean \"", near == NULL ? "" : near, near == NULL ? "" : "\"?");
}

static mst_status find_codec(const char *name, mst_parquet_codec *out, mst_error *err) {
  int value = 0;
  mst_status status = find_name(codecs, sizeof codecs / sizeof *codecs, "codec", name, &value, err);
  if (status == MST_OK) *out = (mst_parquet_codec)value;
  return status;
}

static mst_status find_encoding(const char *name, mst_parquet_encoding *out, mst_error *err) {
  int value = 0;
  mst_status status = find_name(encodings, sizeof encodings / sizeof *encodings, "encoding", name, &value, err);
  if (status == MST_OK) *out = (mst_parquet_encoding)value;
  return status;
}

/* ---- settings -----------------------------------------------------------------------------------------------------
 */

/* The writer's settings and what they point to. */
typedef struct settings {
  const mst_allocator *mem;
  mst_parquet_out_options given;
  mst_parquet_writer_options writer;
  mst_parquet_column_options *columns;
  mst_parquet_sorting *sorting;
} settings;

static void settings_free(settings *s) {
  mst_free(s->mem, s->columns);
  mst_free(s->mem, s->sorting);
}

static mst_status set_column(const mst_parquet_out_column *from, mst_parquet_column_options *to, mst_error *err) {
  mst_status status = MST_OK;
  to->name = from->name;
  to->no_statistics = from->no_statistics != 0;
  to->bloom = from->bloom != 0;
  if (from->codec != NULL) {
    to->codec_set = true;
    MST_TRY(find_codec(from->codec, &to->codec, err));
  }
  if (from->encoding != NULL) MST_TRY(find_encoding(from->encoding, &to->encoding, err));
done:
  return status;
}

static mst_status set_columns(settings *s, mst_error *err) {
  mst_status status = MST_OK;
  const mst_parquet_out_options *g = &s->given;
  MST_TRY_ALLOC(s->columns = mst_alloc_zero(s->mem, g->n_columns + 1, sizeof *s->columns));
  MST_TRY_ALLOC(s->sorting = mst_alloc_zero(s->mem, g->n_sorting + 1, sizeof *s->sorting));
  for (size_t i = 0; i < g->n_columns; i++) {
    NEEDS(g->columns[i].name != NULL, "a column's name");
    MST_TRY(set_column(&g->columns[i], &s->columns[i], err));
  }
  for (size_t i = 0; i < g->n_sorting; i++) {
    NEEDS(g->sorting[i].name != NULL, "a sorting column's name");
    s->sorting[i] = (mst_parquet_sorting){.name = g->sorting[i].name,
                                          .descending = g->sorting[i].descending != 0,
                                          .nulls_first = g->sorting[i].nulls_first != 0};
  }
done:
  return status;
}

static mst_status settings_make(const mst_allocator *mem, const mst_parquet_out_options *options,
                                const struct ArrowSchema *schema, settings *s, mst_error *err) {
  mst_status status = MST_OK;
  mst_parquet_out_options *g = &s->given;
  s->mem = mem;
  MST_TRY(mst_options_take(g, sizeof *g, options, "mst_parquet_out_options", err));
  NEEDS((g->columns != NULL || g->n_columns == 0) && (g->sorting != NULL || g->n_sorting == 0) &&
            (g->metadata != NULL || g->n_metadata == 0) && (g->config != NULL || g->n_config == 0),
        "columns, sorting, metadata and config");
  if (schema->format == NULL || strcmp(schema->format, "+s") != 0)
    return mst_fail(err, MST_E_ARGUMENT, "the schema is no struct (\"+s\") of columns but \"%.20s\"",
                    schema->format == NULL ? "" : schema->format);
  s->writer = (mst_parquet_writer_options){.codec = MST_PARQUET_ZSTD,
                                           .level = g->level,
                                           .row_group_rows = g->row_group_rows,
                                           .row_group_bytes = g->row_group_bytes,
                                           .page_bytes = g->page_bytes,
                                           .page_rows = g->page_rows,
                                           .no_dictionary = g->no_dictionary != 0,
                                           .no_statistics = g->no_statistics != 0,
                                           .no_checksums = g->no_checksums != 0,
                                           .n_columns = g->n_columns,
                                           .n_sorting = g->n_sorting};
  if (g->codec != NULL) MST_TRY(find_codec(g->codec, &s->writer.codec, err));
  MST_TRY(set_columns(s, err));
  s->writer.columns = s->columns;
  s->writer.sorting = s->sorting;
done:
  return status;
}

static mst_status put_metadata(const settings *s, mst_table_writer *w, mst_error *err) {
  for (size_t i = 0; i < s->given.n_metadata; i++) {
    const mst_pair *pair = &s->given.metadata[i];
    NEEDS(pair->key != NULL && pair->value != NULL, "keys and values of metadata");
    mst_status status = mst_table_writer_metadata(w, pair->key, pair->value, err);
    if (status != MST_OK) return status;
  }
  return MST_OK;
}

/* ---- calls --------------------------------------------------------------------------------------------------------
 */

static mst_status create(mst_store *store, const char *key, const struct ArrowSchema *schema, settings *s,
                         mst_parquet_out **out, mst_cancel *cancel, mst_error *err) {
  mst_table_writer *w = NULL;
  mst_status status = mst_table_writer_open(store, key, schema, &s->writer, s->given.mode, &w, cancel, err);
  if (status == MST_OK) status = put_metadata(s, w, err);
  if (status == MST_OK) *out = w;
  else mst_table_writer_free(w);
  return status;
}

mst_status mst_parquet_create_in(mst_store *store, const char *key, const struct ArrowSchema *schema,
                                 const mst_parquet_out_options *options, mst_parquet_out **out, mst_cancel *cancel,
                                 mst_error *err) {
  settings s = {0};
  mst_error_clear(err);
  NEEDS(store != NULL && key != NULL && schema != NULL && out != NULL, "store, key, schema and out");
  mst_status status = settings_make(mst_context_mem(mst_store_context(store)), options, schema, &s, err);
  if (status == MST_OK) status = create(store, key, schema, &s, out, cancel, err);
  settings_free(&s);
  return status;
}

mst_status mst_parquet_create(mst_context *ctx, const char *url, const struct ArrowSchema *schema,
                              const mst_parquet_out_options *options, mst_parquet_out **out, mst_cancel *cancel,
                              mst_error *err) {
  mst_status status = MST_OK;
  settings s = {0};
  mst_location at = {0};
  char shown[256];
  mst_error_clear(err);
  NEEDS(url != NULL && schema != NULL && out != NULL, "url, schema and out");
  MST_TRY(mst_context_resolve(ctx, &ctx, err));
  MST_TRY(settings_make(mst_context_mem(ctx), options, schema, &s, err));
  MST_TRY(mst_location_open(ctx, url, s.given.config, s.given.n_config, &at, err));
  if (at.is_prefix) {
    status =
        mst_fail(err, MST_E_ARGUMENT, "%.200s names a folder, not an object", mst_url_redact(url, shown, sizeof shown));
    goto done;
  }
  MST_TRY(create(at.store, at.key, schema, &s, out, cancel, err));
done:
  mst_location_close(&at);
  settings_free(&s);
  return status;
}

mst_status mst_parquet_create_into(mst_context *ctx, mst_write_fn write, void *arg, const struct ArrowSchema *schema,
                                   const mst_parquet_out_options *options, mst_parquet_out **out, mst_error *err) {
  mst_status status = MST_OK;
  settings s = {0};
  mst_table_writer *w = NULL;
  mst_error_clear(err);
  NEEDS(write != NULL && schema != NULL && out != NULL, "write, schema and out");
  MST_TRY(mst_context_resolve(ctx, &ctx, err));
  MST_TRY(settings_make(mst_context_mem(ctx), options, schema, &s, err));
  MST_TRY(mst_table_writer_open_into(ctx, schema, &s.writer, write, arg, &w, err));
  MST_TRY(put_metadata(&s, w, err));
  *out = w;
  w = NULL;
done:
  mst_table_writer_free(w);
  settings_free(&s);
  return status;
}

mst_status mst_parquet_out_put(mst_parquet_out *o, struct ArrowArray *batch, mst_error *err) {
  mst_error_clear(err);
  NEEDS(o != NULL && batch != NULL && batch->release != NULL, "o and batch");
  return mst_table_writer_put(o, batch, err);
}

mst_status mst_parquet_out_put_stream(mst_parquet_out *o, struct ArrowArrayStream *stream, mst_error *err) {
  mst_error_clear(err);
  NEEDS(o != NULL && stream != NULL && stream->release != NULL, "o and stream");
  return mst_table_writer_put_stream(o, stream, err);
}

mst_status mst_parquet_out_close(mst_parquet_out *o, mst_parquet_written *written, mst_error *err) {
  mst_table_written w;
  mst_error_clear(err);
  NEEDS(o != NULL, "o");
  mst_status status = mst_table_writer_close(o, &w, err);
  if (status != MST_OK || written == NULL) return status;
  *written = (mst_parquet_written){.rows = w.rows, .bytes = w.size, .row_groups = w.row_groups};
  memcpy(written->etag, w.etag, sizeof written->etag);
  return MST_OK;
}

void mst_parquet_out_free(mst_parquet_out *o) { mst_table_writer_free(o); }
