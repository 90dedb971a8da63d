/* source/source.h - raw sources: opening and pinning, their index files, plans, slices, and the engine that drives
 * formats over fetch. The public nouns of meseta/source.h and meseta/slice.h, minus the checking of arguments.
 *
 * Owns: pinned sources, index files, slices. May call: base, codec, column, expr, store, fetch, parquet, format's
 * interface. */
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

mst_status mst_index_make(mst_source *s, const mst_index_options *options, json_t **report, mst_cancel *cancel,
                          mst_error *err);
mst_status mst_index_pieces(mst_source *s, const mst_index_options *options, uint64_t *pieces, mst_cancel *cancel,
                            mst_error *err);
mst_status mst_index_scan(mst_source *s, uint64_t i, uint64_t n, const mst_index_options *options, mst_bytes *partial,
                          mst_cancel *cancel, mst_error *err);
mst_status mst_index_collect(mst_source *s, const mst_bytes *partials, size_t n, const mst_index_options *options,
                             json_t **report, mst_cancel *cancel, mst_error *err);
mst_status mst_companion_export(mst_source *s, const char *kind, const char *to, mst_cancel *cancel, mst_error *err);
mst_status mst_source_check(mst_source *s, const mst_verify_options *options, json_t **report, mst_cancel *cancel,
                            mst_error *err);

mst_status mst_slices_plan(mst_source *s, const mst_query *query, mst_plan **out, mst_cancel *cancel, mst_error *err);

/* ---- slices that a module above makes and reads
 * ---------------------------------------------------------------------- */

/* A slice as its maker sees it; all borrowed from the slice. */
typedef struct mst_slice_parts {
  mst_context *ctx;
  const char *url;
  const json_t *store; /* settings for mst_location_open_from_slice; NULL: none */
  const json_t *part;
  uint64_t records, bytes;
  const mst_pair *config;
  size_t n_config;
  void *held; /* what its maker left with it; NULL: it came from outside */
} mst_slice_parts;
/* Bytes in order, an empty piece at the end; [owned] by whoever calls `close`. */
typedef struct mst_slice_bytes {
  void *self;
  mst_status (*next)(void *self, mst_bytes *out, mst_error *err);
  void (*close)(void *self);
} mst_slice_bytes;
typedef struct mst_slice_provider {
  const char *format; /* what slices of this kind say */
  uint32_t version;
  /* Parts from outside are hostile; nothing is fetched. */
  mst_status (*check)(const mst_slice_parts *s, mst_error *err);
  mst_status (*rows)(const mst_slice_parts *s, const mst_read_options *options, struct ArrowArrayStream *out,
                     mst_cancel *cancel, mst_error *err);
  mst_status (*read)(const mst_slice_parts *s, const mst_read_options *options, mst_slice_bytes *out,
                     mst_cancel *cancel, mst_error *err);
} mst_slice_provider;

/* `providers`: those of other modules, NULL at the end; NULL: none. */
mst_status mst_slice_from_json(mst_context *ctx, const void *text, size_t size, const mst_pair *config, size_t n_config,
                               const mst_slice_provider *const *providers, mst_slice **out, mst_error *err);
/* A slice of a provider: url, part, records and the like are in `value`, which is taken over, also on failure. `held`
 * is for reading it in this process; `drop` is called with it at the slice's end, also on failure. */
mst_status mst_slice_of_provider(mst_context *ctx, json_t *value, const mst_slice_provider *provider, void *held,
                                 void (*drop)(void *held), mst_slice **out, mst_error *err);
/* Takes the references in `slices` over, also on failure. */
mst_status mst_plan_of_slices(mst_context *ctx, mst_slice **slices, size_t n, mst_plan **out, mst_error *err);

mst_status mst_slice_facts(mst_slice *s, json_t **out, mst_cancel *cancel, mst_error *err);
mst_status mst_slice_begin(mst_slice *s, const mst_read_options *options, mst_reader **out, mst_cancel *cancel,
                           mst_error *err);
mst_status mst_slice_all(mst_slice *s, const mst_read_options *options, mst_bytes *out, mst_cancel *cancel,
                         mst_error *err);
mst_status mst_slice_arrow(mst_slice *s, const mst_read_options *options, struct ArrowArrayStream *out,
                           mst_cancel *cancel, mst_error *err);

#endif
