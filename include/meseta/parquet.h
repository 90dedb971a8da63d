/* meseta/parquet.h - Parquet files in any store, or in memory: read as Arrow, written from Arrow, looked into, verified.
 *
 * A file is opened by one request for its end and pinned to the version seen then: what was changed since is MST_E_CHANGED. Reading
 * asks for no more than the columns, row groups and pages that may hold what is wanted. No file is ever needed on disk. */
#ifndef MESETA_PARQUET_H
#define MESETA_PARQUET_H

#include <meseta/arrow_abi.h>
#include <meseta/object.h>
#include <meseta/store.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- opening ------------------------------------------------------------------------------------------------------ */

/* Shared and immutable: a pinned file and its footer; may be read from many threads at once. */
typedef struct mst_parquet mst_parquet;

typedef struct mst_parquet_open_options {
  size_t struct_size;
  const mst_pair *config;   /* storage options                                                                      */
  size_t n_config;
  uint32_t allow_unpinned;  /* not 0: open also what offers neither ETag nor date (HTTP)                            */
  uint32_t reserved;
} mst_parquet_open_options;
#define MST_PARQUET_OPEN_OPTIONS_INIT {.struct_size = sizeof(mst_parquet_open_options)}

/* One request, a second one only for a footer beyond 64 KiB. MST_E_NOT_FOUND when there is no such object, MST_E_CORRUPT when it is no
 * Parquet file or its footer is damaged (with the offset), MST_E_UNSUPPORTED when it is encrypted. `options` may be NULL. */
MST_API mst_status mst_parquet_open(mst_context *ctx, const char *url, const mst_parquet_open_options *options, mst_parquet **out,
                                    mst_cancel *cancel, mst_error *err);
/* The same for an object of a store that is open already; the store's context counts. */
MST_API mst_status mst_parquet_open_in(mst_store *store, const char *key, const mst_parquet_open_options *options, mst_parquet **out,
                                       mst_cancel *cancel, mst_error *err);
/* A file that lies in memory and must not change. `release(arg)` is called once, from any thread, when neither the handle nor anything
 * that was read from it needs the memory any more; on failure before this returns. `release` may be NULL: then the memory must stay
 * until everything that came from it is released. `name` is for errors; NULL: "memory". */
MST_API mst_status mst_parquet_open_memory(mst_context *ctx, const void *data, size_t size, void (*release)(void *arg), void *arg,
                                           const char *name, mst_parquet **out, mst_error *err);
MST_API mst_parquet *mst_parquet_ref(mst_parquet *p);
MST_API void mst_parquet_unref(mst_parquet *p);

/* ---- facts -------------------------------------------------------------------------------------------------------- */

/* Borrowed for the life of the handle; the URL holds no secret. */
MST_API const char *mst_parquet_get_url(const mst_parquet *p);
MST_API const char *mst_parquet_get_created_by(const mst_parquet *p); /* "" when the file does not say */
MST_API uint64_t mst_parquet_get_size(const mst_parquet *p);          /* bytes of the file             */
MST_API uint64_t mst_parquet_get_rows(const mst_parquet *p);
MST_API size_t mst_parquet_get_row_groups(const mst_parquet *p);
MST_API uint64_t mst_parquet_get_group_rows(const mst_parquet *p, size_t group); /* 0 beyond the last */
/* Key-values of the footer, in its order; false behind the last. A value may be NULL. */
MST_API bool mst_parquet_get_metadata(const mst_parquet *p, size_t i, const char **key, const char **value);
/* The columns as Arrow types ("+s"); the caller releases `out`. */
MST_API mst_status mst_parquet_get_schema(const mst_parquet *p, struct ArrowSchema *out, mst_error *err);
/* All that the footer tells, as a JSON object: url, bytes, rows, created_by, schema (the columns as a tree of Arrow types), columns (the
 * leaves as they are stored), row_groups (how many), groups with their column chunks (codec, encodings, sizes, offsets, statistics),
 * metadata. `groups_max` row groups are told at most; 0: all. */
MST_API mst_status mst_parquet_show(mst_parquet *p, size_t groups_max, mst_bytes *out, mst_error *err);

/* ---- reading ------------------------------------------------------------------------------------------------------ */

typedef struct mst_parquet_query {
  size_t struct_size;
  const char *const *columns; /* names, nested ones as "a.b", in the order wanted; NULL: all                          */
  size_t n_columns;           /* 0 with `columns` not NULL: batches that have a length and no columns                 */
  const char *where;          /* a condition as text, or in list form as JSON (docs/where.md); NULL: every row        */
  const mst_range *rows;      /* rows [offset, offset + length) of the file, rising and apart; NULL: all              */
  size_t n_rows;
  uint64_t first_group;       /* only row groups [first_group, first_group + groups); groups 0: all                   */
  uint64_t groups;
  uint64_t limit;             /* with `has_limit`: at most so many rows                                               */
  uint64_t batch_rows;        /* rows of a batch at most; 0: as many as make about 16 MiB                             */
  uint64_t memory;            /* bytes; 0: the context's budget                                                       */
  uint32_t has_limit;         /* not 0: `limit` counts                                                                */
  uint32_t in_caller;         /* not 0: decode in the calling thread alone                                            */
} mst_parquet_query;
#define MST_PARQUET_QUERY_INIT {.struct_size = sizeof(mst_parquet_query)}

/* Rows in the file's order, in bounded memory; `query` may be NULL: everything. The stream keeps what it needs of the handle. After a
 * failed call on it, mst_stream_get_error tells all. A column that is not there is MST_E_NOT_FOUND, a condition that makes no sense
 * MST_E_ARGUMENT; both before anything is read. */
MST_API mst_status mst_parquet_read(mst_parquet *p, const mst_parquet_query *query, struct ArrowArrayStream *out, mst_cancel *cancel,
                                    mst_error *err);
/* Reads the whole file: every page is decoded, checksums, statistics, page indexes and Bloom filters are held against the values.
 * MST_E_CORRUPT with the first fault. `report` (may be NULL) gets a JSON object: rows, row_groups, pages. */
MST_API mst_status mst_parquet_verify(mst_parquet *p, mst_bytes *report, mst_cancel *cancel, mst_error *err);

/* ---- writing ------------------------------------------------------------------------------------------------------ */

/* [owned] A file in the making. Nothing is visible at its URL before mst_parquet_out_close. */
typedef struct mst_parquet_out mst_parquet_out;

/* How one column is written. NULL and 0 mean: as the others. */
typedef struct mst_parquet_out_column {
  const char *name;        /* a top-level column with all below it, or a leaf by its path in the file ("a.list.element") */
  const char *codec;
  const char *encoding;    /* "plain", "rle", "rle_dictionary", "delta_binary_packed", "delta_length_byte_array",
                              "delta_byte_array", "byte_stream_split"; one that cannot hold the type is MST_E_ARGUMENT */
  uint32_t bloom;          /* not 0: a Bloom filter                                                                   */
  uint32_t no_statistics;  /* not 0: none for this column                                                             */
  uint32_t reserved[2];    /* zero                                                                                    */
} mst_parquet_out_column;

/* The order that the rows are in; it is written down, not made. */
typedef struct mst_parquet_out_sorting {
  const char *name;
  uint32_t descending;
  uint32_t nulls_first;
} mst_parquet_out_sorting;

typedef struct mst_parquet_out_options {
  size_t struct_size;
  const mst_pair *config;            /* storage options                                                               */
  size_t n_config;
  const char *codec;                 /* "none", "snappy", "gzip", "zstd", "lz4", "brotli"; NULL: "zstd"               */
  uint64_t row_group_rows;           /* 0: 1 Mi                                                                       */
  uint64_t row_group_bytes;          /* 0: 64 MiB                                                                     */
  uint64_t page_bytes;               /* 0: 1 MiB                                                                      */
  uint64_t page_rows;                /* 0: no limit but page_bytes                                                    */
  const mst_parquet_out_column *columns;   /* that are written otherwise than the rest                                */
  size_t n_columns;
  const mst_parquet_out_sorting *sorting;  /* first column first                                                      */
  size_t n_sorting;
  const mst_pair *metadata;          /* key-values of the footer                                                      */
  size_t n_metadata;
  int32_t level;                     /* of the codec; 0: its default                                                  */
  uint32_t no_dictionary;            /* not 0: in no column                                                           */
  uint32_t no_statistics;            /* not 0: neither statistics nor page index                                      */
  uint32_t no_checksums;             /* not 0: no page checksums                                                      */
  mst_put_mode mode;                 /* MST_PUT_CREATE: MST_E_EXISTS where something is already there                 */
} mst_parquet_out_options;
#define MST_PARQUET_OUT_OPTIONS_INIT {.struct_size = sizeof(mst_parquet_out_options)}

/* `schema` ("+s", its children are the columns) is borrowed. Settings of columns that are not there are MST_E_ARGUMENT. */
MST_API mst_status mst_parquet_create(mst_context *ctx, const char *url, const struct ArrowSchema *schema,
                                      const mst_parquet_out_options *options, mst_parquet_out **out, mst_cancel *cancel, mst_error *err);
MST_API mst_status mst_parquet_create_in(mst_store *store, const char *key, const struct ArrowSchema *schema,
                                         const mst_parquet_out_options *options, mst_parquet_out **out, mst_cancel *cancel,
                                         mst_error *err);
/* The file's bytes are handed to `write` in order instead. */
MST_API mst_status mst_parquet_create_into(mst_context *ctx, mst_write_fn write, void *arg, const struct ArrowSchema *schema,
                                           const mst_parquet_out_options *options, mst_parquet_out **out, mst_error *err);
/* Takes `batch` over, also on failure. MST_E_ARGUMENT when it does not fit the schema. */
MST_API mst_status mst_parquet_out_put(mst_parquet_out *o, struct ArrowArray *batch, mst_error *err);
/* All batches of a stream of the same schema, which stays the caller's to release. */
MST_API mst_status mst_parquet_out_put_stream(mst_parquet_out *o, struct ArrowArrayStream *stream, mst_error *err);

typedef struct mst_parquet_written {
  uint64_t rows, bytes, row_groups;
  char etag[168]; /* "" when the store tells none */
} mst_parquet_written;
/* Writes the footer; the file is there from now on. `written` may be NULL. */
MST_API mst_status mst_parquet_out_close(mst_parquet_out *o, mst_parquet_written *written, mst_error *err);
/* Without closing: leaves no trace of it. */
MST_API void mst_parquet_out_free(mst_parquet_out *o);

#ifdef __cplusplus
}
#endif
#endif
