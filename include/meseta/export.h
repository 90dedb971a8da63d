/* meseta/export.h - Arrow streams as files: Arrow IPC, Parquet, JSON Lines, CSV. */
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

#ifdef __cplusplus
}
#endif
#endif
