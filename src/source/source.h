/* source/source.h - raw sources: opening and pinning, their index files, plans, slices, and the engine that drives formats over
 * fetch. The public nouns of meseta/source.h and meseta/slice.h, minus the checking of arguments.
 *
 * Owns: pinned sources, index files, slices. May call: base, codec, column, expr, store, fetch, parquet, format's interface. */
#ifndef MST_SOURCE_SOURCE_H
#define MST_SOURCE_SOURCE_H

#include <meseta/source.h>

#include "base/base.h"
#include "source/table.h"
#include "store/store.h"

/* Option structs arrive here checked and complete (never NULL). */
mst_status mst_source_find(mst_context *ctx, const char *url, const mst_source_options *options, mst_source **out,
                           mst_cancel *cancel, mst_error *err);
mst_status mst_source_find_in(mst_store *store, const char *key, const mst_source_options *options, mst_source **out,
                              mst_cancel *cancel, mst_error *err);
mst_status mst_source_describe(mst_source *s, json_t **out, mst_cancel *cancel, mst_error *err);

mst_status mst_index_make(mst_source *s, const mst_index_options *options, json_t **report, mst_cancel *cancel, mst_error *err);
mst_status mst_index_pieces(mst_source *s, const mst_index_options *options, uint64_t *pieces, mst_cancel *cancel, mst_error *err);
mst_status mst_index_scan(mst_source *s, uint64_t i, uint64_t n, const mst_index_options *options, mst_bytes *partial,
                          mst_cancel *cancel, mst_error *err);
mst_status mst_index_collect(mst_source *s, const mst_bytes *partials, size_t n, const mst_index_options *options, json_t **report,
                             mst_cancel *cancel, mst_error *err);
mst_status mst_companion_export(mst_source *s, const char *kind, const char *to, mst_cancel *cancel, mst_error *err);
mst_status mst_source_check(mst_source *s, const mst_verify_options *options, json_t **report, mst_cancel *cancel, mst_error *err);

mst_status mst_slices_plan(mst_source *s, const mst_query *query, mst_plan **out, mst_cancel *cancel, mst_error *err);

mst_status mst_slice_from_json(mst_context *ctx, const void *text, size_t size, const mst_pair *config, size_t n_config,
                               mst_slice **out, mst_error *err);
mst_status mst_slice_facts(mst_slice *s, json_t **out, mst_cancel *cancel, mst_error *err);
mst_status mst_slice_begin(mst_slice *s, const mst_read_options *options, mst_reader **out, mst_cancel *cancel, mst_error *err);
mst_status mst_slice_all(mst_slice *s, const mst_read_options *options, mst_bytes *out, mst_cancel *cancel, mst_error *err);
mst_status mst_slice_arrow(mst_slice *s, const mst_read_options *options, struct ArrowArrayStream *out, mst_cancel *cancel,
                           mst_error *err);

#endif
