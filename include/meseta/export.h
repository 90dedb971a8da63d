/* meseta/export.h - Arrow streams as files, and files as Arrow streams: Parquet, JSON Lines, CSV, Arrow IPC. */
#ifndef MESETA_EXPORT_H
#define MESETA_EXPORT_H

#include <meseta/arrow_abi.h>
#include <meseta/object.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Reads `stream` to its end (it stays the caller's to release) and hands its rows to `write`, in bounded memory, as `as`:
 * "arrow" (the IPC streaming format), "parquet", "jsonl" (docs/specification/jsonl.md) or "csv" (RFC 4180, LF, with a header). */
MST_API mst_status mst_stream_export(mst_context *ctx, struct ArrowArrayStream *stream, const char *as, mst_write_fn write, void *arg,
                                     mst_cancel *cancel, mst_error *err);

typedef struct mst_import_options {
  size_t struct_size;
  const mst_pair *config; /* storage options                                                                             */
  size_t n_config;
  const char *as;         /* "parquet", "csv", "jsonl", "arrow"; NULL: by the name's ending (.gz, .zst and the like behind it for text) */
  const struct ArrowSchema *wanted; /* borrowed: columns of these names are read as these types where the file's types allow; NULL: as
                                       they are, those of text files found out by reading all of it                       */
  uint64_t memory;        /* bytes; 0: the context's budget                                                              */
} mst_import_options;
#define MST_IMPORT_OPTIONS_INIT {.struct_size = sizeof(mst_import_options)}

/* All rows of the file at `url`, in order, in bounded memory. CSV and JSON Lines may be compressed. */
MST_API mst_status mst_stream_import(mst_context *ctx, const char *url, const mst_import_options *options, struct ArrowArrayStream *out,
                                     mst_cancel *cancel, mst_error *err);

#ifdef __cplusplus
}
#endif
#endif
