/* meseta/source.h - raw data as it lies, its index, and the plans made from it.
 *
 * A source is one object (or the few that belong together), pinned to the version seen at opening. Its index is one Parquet
 * file, KEY.meseta, beside it or in a store of the user's choice (docs/specification/index.md). */
#ifndef MESETA_SOURCE_H
#define MESETA_SOURCE_H

#include <meseta/slice.h>
#include <meseta/store.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Shared: immutable but for the index that it loads or makes; safe in many threads at once. */
typedef struct mst_source mst_source;

typedef struct mst_source_options {
  size_t struct_size;
  const char *format;        /* NULL: by name and first bytes                                                   */
  const char *index_at;      /* URL under which indexes are kept; NULL: beside the object                       */
  const char *dialect_json;  /* the format's own options, a JSON object: {"delimiter": ";"}; NULL: found         */
  const mst_pair *config;    /* storage options                                                                 */
  size_t n_config;
  uint32_t allow_unpinned;   /* not 0: open also what offers neither ETag nor date (HTTP)                       */
  uint32_t reserved;
} mst_source_options;
#define MST_SOURCE_OPTIONS_INIT {.struct_size = sizeof(mst_source_options)}

/* Finds size, version and format with one or two requests. MST_E_NOT_FOUND when there is no such object,
 * MST_E_UNSUPPORTED when no format fits. */
MST_API mst_status mst_source_open(mst_context *ctx, const char *url, const mst_source_options *options, mst_source **out,
                                   mst_cancel *cancel, mst_error *err);
/* The same for an object of a store that is open already, one's own among them (meseta/extend.h); the store's context counts. */
MST_API mst_status mst_source_open_in(mst_store *store, const char *key, const mst_source_options *options, mst_source **out,
                                      mst_cancel *cancel, mst_error *err);
MST_API mst_source *mst_source_ref(mst_source *s);
MST_API void mst_source_unref(mst_source *s);
/* Borrowed for the life of the source. The URL holds no secret. */
MST_API const char *mst_source_get_url(const mst_source *s);
MST_API const char *mst_source_get_format(const mst_source *s);
MST_API const char *mst_source_get_index_url(const mst_source *s);
MST_API uint64_t mst_source_get_size(const mst_source *s);
/* What is known of it, as a JSON object: url, format, size, pins, container, index (state "none", "fresh", "stale", "broken"; url;
 * rows, records, plain bytes, spacing), dialect … Loads the index's footer when there is one. The text is owned by `out`. */
MST_API mst_status mst_source_show(mst_source *s, mst_bytes *out, mst_cancel *cancel, mst_error *err);

/* ---- index --------------------------------------------------------------------------------------------------- */

/* Called from one thread at a time, at most some ten times a second and once at the end. */
typedef void (*mst_progress_fn)(void *progress_arg, uint64_t done_bytes, uint64_t total_bytes);

typedef struct mst_index_options {
  size_t struct_size;
  uint64_t spacing;          /* plain bytes between checkpoints; 0: 1 MiB                                       */
  uint64_t piece_bytes;      /* scan in pieces of this size where the format allows; 0: by size and threads     */
  mst_progress_fn progress;  /* may be NULL                                                                     */
  void *progress_arg;
  uint32_t threads;          /* 0: the context's                                                                */
  uint32_t force;            /* not 0: also when a fresh index is there                                         */
  uint32_t dry_run;          /* not 0: read and write nothing, only report                                      */
  uint32_t recover;          /* not 0: index what is whole and record what is missing                           */
} mst_index_options;
#define MST_INDEX_OPTIONS_INIT {.struct_size = sizeof(mst_index_options)}

/* Makes and stores the index unless a fresh one is there. `report` (may be NULL) gets a JSON object: "done" ("indexed", "fresh",
 * "dry-run", "not-needed"), "index" (URL), "reads" and "writes" (bytes), "records", "plain_bytes", "checkpoints", "notes" (texts
 * such as a zstd file of one big frame), "damage". An interrupted or failed run leaves the store as it was. */
MST_API mst_status mst_source_index(mst_source *s, const mst_index_options *options, mst_bytes *report, mst_cancel *cancel, mst_error *err);

/* Distributed indexing: pieces anywhere, on any machine, then one commit. How many pieces make sense (1: cannot be cut). */
MST_API mst_status mst_source_pieces(mst_source *s, const mst_index_options *options, uint64_t *pieces, mst_cancel *cancel, mst_error *err);
/* Piece `i` of `n`: bytes to be handed to mst_source_index_from, in any process. */
MST_API mst_status mst_source_scan(mst_source *s, uint64_t i, uint64_t n, const mst_index_options *options, mst_bytes *partial, mst_cancel *cancel, mst_error *err);
/* Stores the index made of all n partials, in order. The bytes equal those of mst_source_index. */
MST_API mst_status mst_source_index_from(mst_source *s, const mst_bytes *partials, size_t n, const mst_index_options *options, mst_bytes *report, mst_cancel *cancel, mst_error *err);
/* Writes a companion in the field's own format beside the source ("fai", "gzi"), or to `to` when that is not NULL. */
MST_API mst_status mst_source_export(mst_source *s, const char *kind, const char *to, mst_cancel *cancel, mst_error *err);

typedef struct mst_verify_options {
  size_t struct_size;
  mst_progress_fn progress;
  void *progress_arg;
  uint32_t threads;
  uint32_t recover;
} mst_verify_options;
#define MST_VERIFY_OPTIONS_INIT {.struct_size = sizeof(mst_verify_options)}
/* Reads the whole source: is it undamaged, is the index (if any) fresh, and does it say what the source holds? MST_E_CORRUPT or
 * MST_E_CHANGED with the first fault; `report` gets a JSON object either way. */
MST_API mst_status mst_source_verify(mst_source *s, const mst_verify_options *options, mst_bytes *report, mst_cancel *cancel, mst_error *err);

/* ---- plan ---------------------------------------------------------------------------------------------------- */

/* How records are shared out. At most one of the first three; none: slices of about 64 MiB of plain bytes. */
typedef struct mst_query {
  size_t struct_size;
  uint64_t slices;          /* at most this many, balanced by plain bytes; empty ones are left out              */
  uint64_t slice_bytes;     /* about this many plain bytes each                                                 */
  uint64_t slice_records;   /* each but the last holds this many records                                        */
  const char *strategy;     /* a format's own: "words", "residues", "tiles" …                                   */
  const char *region;       /* "name:from-to", 1-based, closed; several are divided by blanks                   */
  const char *where;
  const char *options_json; /* what a strategy needs further, a JSON object                                     */
} mst_query;
#define MST_QUERY_INIT {.struct_size = sizeof(mst_query)}

/* Shared and immutable: slices in the order of the source. */
typedef struct mst_plan mst_plan;
/* Made from index rows alone, with no read of the source's data. MST_E_NOT_FOUND when an index is needed and there is none (the
 * message names the command that makes it), MST_E_CHANGED when it is stale. */
MST_API mst_status mst_source_plan(mst_source *s, const mst_query *query, mst_plan **out, mst_cancel *cancel, mst_error *err);
MST_API size_t mst_plan_get_count(const mst_plan *p);
/* A new reference. */
MST_API mst_slice *mst_plan_take(const mst_plan *p, size_t i);
MST_API void mst_plan_unref(mst_plan *p);

#ifdef __cplusplus
}
#endif
#endif
