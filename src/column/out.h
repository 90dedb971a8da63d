/* column/out.h - Arrow data as bytes for others, and schemas back: the Arrow IPC stream format, JSON Lines, CSV. Included by column/column.h.
 *
 * Owns: nothing. May call: base. */
#ifndef MST_COLUMN_OUT_H
#define MST_COLUMN_OUT_H

#include <meseta/arrow_abi.h>

#include "base/base.h"

/* ---- Arrow IPC, streaming format (https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format) ---- */

/* The schema's message, one batch's message with its body, the end mark; appended to `out`. Dictionary-encoded and run-end
 * encoded columns, views and unions are MST_E_UNSUPPORTED. */
mst_status mst_ipc_put_schema(const struct ArrowSchema *schema, mst_buf *out, mst_error *err);
mst_status mst_ipc_put_batch(const struct ArrowSchema *schema, const struct ArrowArray *batch, mst_buf *out, mst_error *err);
mst_status mst_ipc_put_end(mst_buf *out, mst_error *err);

/* The schema's message for those who carry it elsewhere (Parquet's ARROW:schema): dictionary-encoded columns, views and
 * run-end encoded columns too. */
mst_status mst_ipc_put_any_schema(const struct ArrowSchema *schema, mst_buf *out, mst_error *err);
/* The other way; `data` may be hostile. */
mst_status mst_ipc_get_schema(const mst_allocator *mem, const uint8_t *data, size_t n, struct ArrowSchema *out, mst_error *err);

/* ---- text ---- */

/* Rows [first, first + n) of a batch as JSON Lines: one object a row, columns in order; docs/specification/jsonl.md says how
 * each type is written. */
mst_status mst_jsonl_put_rows(const struct ArrowSchema *schema, const struct ArrowArray *batch, int64_t first, int64_t n,
                              mst_buf *out, mst_error *err);
/* The same as CSV (RFC 4180, LF): nulls are empty, nested values are their JSON text, quoted where needed. */
mst_status mst_csv_put_header(const struct ArrowSchema *schema, mst_buf *out, mst_error *err);
mst_status mst_csv_put_rows(const struct ArrowSchema *schema, const struct ArrowArray *batch, int64_t first, int64_t n,
                            mst_buf *out, mst_error *err);

#endif
