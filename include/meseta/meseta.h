/* meseta/meseta.h - everything that a program needs: index raw files in object stores once, cut them into slices for nothing, read
 * slices anywhere.
 *
 * Rules that hold for every function:
 *   - fallible functions return mst_status and take `mst_error *err` last (NULL is fine);
 *   - arguments go receiver, inputs, options, outputs, cancel, err; outputs are written on MST_OK only;
 *   - _open, _make, _parse and _take give one reference; _ref adds one; _unref and _free accept NULL;
 *   - `const T *` returns are borrowed and live as long as the receiver;
 *   - handles marked shared are safe in many threads at once, those marked [owned] belong to one thread at a time;
 *   - an options pointer may be NULL: all defaults; zero in a field means its default;
 *   - a context of NULL is the process's default context. */
#ifndef MESETA_MESETA_H
#define MESETA_MESETA_H

#include <meseta/arrow_abi.h>
#include <meseta/bytes.h>
#include <meseta/context.h>
#include <meseta/dataset.h>
#include <meseta/export.h>
#include <meseta/object.h>
#include <meseta/parquet.h>
#include <meseta/slice.h>
#include <meseta/source.h>
#include <meseta/status.h>
#include <meseta/store.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A JSON text about this build: "build" (version, compiler, features, SIMD level), "stores", "formats", "options", "errors".
 * MST_E_ARGUMENT for another word. */
MST_API mst_status mst_describe(mst_context *ctx, const char *what, mst_bytes *out, mst_error *err);

#ifdef __cplusplus
}
#endif
#endif
