/* parquet/parquet.h - Parquet files out of Arrow batches and back (apache/parquet-format 2.x). Machines: the reader
 * asks for ranges and the writer hands out bytes; neither does I/O.
 *
 * Owns: footers, pages, encodings, statistics. May call: base, codec, column, expr. */
#ifndef MST_PARQUET_PARQUET_H
#define MST_PARQUET_PARQUET_H

#include "base/base.h"
#include "column/column.h"

typedef enum mst_parquet_codec {
  MST_PARQUET_NONE = 0,
  MST_PARQUET_SNAPPY = 1,
  MST_PARQUET_GZIP = 2,
  MST_PARQUET_BROTLI = 4,
  MST_PARQUET_LZ4 = 5,
  MST_PARQUET_ZSTD = 6,
  MST_PARQUET_LZ4_RAW = 7
} mst_parquet_codec;

/* ---- writing ------------------------------------------------------------------------------------------------- */

typedef struct mst_parquet_writer mst_parquet_writer; /* [owned] */

/* The values' encoding. AUTO: a dictionary where it is a gain, else what a trial on the first values finds smallest. */
typedef enum mst_parquet_encoding {
  MST_PARQUET_ENCODING_AUTO = 0,
  MST_PARQUET_ENCODING_PLAIN,
  MST_PARQUET_ENCODING_DICTIONARY, /* given up for PLAIN when it outgrows a page */
  MST_PARQUET_ENCODING_RLE,        /* BOOLEAN only */
  MST_PARQUET_ENCODING_DELTA_BINARY_PACKED,
  MST_PARQUET_ENCODING_DELTA_LENGTH_BYTE_ARRAY,
  MST_PARQUET_ENCODING_DELTA_BYTE_ARRAY,
  MST_PARQUET_ENCODING_BYTE_STREAM_SPLIT
} mst_parquet_encoding;

/* How one column is written; zero means default. */
typedef struct mst_parquet_column_options {
  const char *name;        /* a top-level column with all below it, or a leaf as "a.list.element" */
  mst_parquet_codec codec; /* used when `codec_set` */
  bool codec_set;
  bool plain; /* no dictionary, no other encoding than PLAIN: value positions can be asked for */
  bool no_statistics;
  mst_parquet_encoding encoding; /* one that cannot hold the column's type is MST_E_ARGUMENT */
  bool bloom;                    /* a Bloom filter in each row group, sized by its distinct values; not for BOOLEAN */
  double bloom_share;            /* 0: 0.01; of the values that are not there, how many it may find */
} mst_parquet_column_options;

/* One column by which the rows are sorted; what the footer says, not what is checked. */
typedef struct mst_parquet_sorting {
  const char *name; /* of a leaf, as "a.b" */
  bool descending, nulls_first;
} mst_parquet_sorting;

typedef struct mst_parquet_writer_options {
  const mst_allocator *mem;
  mst_context *ctx;         /* lends threads to encode columns on: then two row groups are in flight; NULL: none */
  mst_parquet_codec codec;  /* of the columns that name none */
  int level;                /* 0: the codec's default */
  uint64_t row_group_rows;  /* 0: 1 Mi rows */
  uint64_t row_group_bytes; /* 0: 64 MiB    */
  uint64_t page_bytes;      /* 0: 1 MiB; of PLAIN values */
  const mst_parquet_column_options *columns;
  size_t n_columns;
  uint64_t page_rows; /* 0: no limit but page_bytes */
  bool no_dictionary; /* in no column */
  bool no_statistics;
  bool no_checksums;
  bool no_arrow_schema; /* leave out ARROW:schema: types that Parquet cannot say come back as what they are stored as */
  bool no_size_statistics; /* level histograms and sizes of text, which tell a reader what it will need */
  const mst_parquet_sorting *sorting;
  size_t n_sorting;
  const char *created_by; /* NULL: meseta and its version */
} mst_parquet_writer_options;

/* Bytes leave through `put`, in file order. It takes over the reference in `bytes`, also on failure, so that it may
 * keep them without a copy. */
typedef struct mst_parquet_sink {
  void *self;
  mst_status (*put)(void *self, mst_bytes *bytes, mst_error *err);
} mst_parquet_sink;

mst_status mst_parquet_writer_open(const struct ArrowSchema *schema, const mst_parquet_writer_options *options,
                                   const mst_parquet_sink *sink, mst_parquet_writer **out, mst_error *err);
/* Takes `batch` over, also on failure. */
mst_status mst_parquet_writer_put(mst_parquet_writer *w, struct ArrowArray *batch, mst_error *err);
/* Ends the row group that is being filled; rows written so far are out. */
mst_status mst_parquet_writer_flush(mst_parquet_writer *w, mst_error *err);
/* Only for columns with `plain` and no codec, in a row group that is still open and whose earlier columns are complete:
 * writes one row group at once from `batch` whose column `binary_column` (the first) is such a column, and gives for
 * each row the file offset and length of its bytes in positions[2*i], positions[2*i+1]; the caller fills the batch's
 * columns `at_column` and `size_column` (int64, int64; writable, zeroed) from them before they are written: `positions`
 * callback. */
typedef mst_status (*mst_parquet_positions_fn)(void *arg, const uint64_t *positions, size_t rows, mst_error *err);
mst_status mst_parquet_writer_put_group(mst_parquet_writer *w, struct ArrowArray *batch, int binary_column,
                                        mst_parquet_positions_fn positions, void *arg, mst_error *err);
/* Key-value metadata of the footer; may be called any time before closing; later values win. */
mst_status mst_parquet_writer_metadata(mst_parquet_writer *w, const char *key, const char *value, mst_error *err);
/* Writes the footer. The writer must still be freed. */
mst_status mst_parquet_writer_close(mst_parquet_writer *w, mst_error *err);
uint64_t mst_parquet_writer_size(const mst_parquet_writer *w); /* bytes handed out so far */
size_t mst_parquet_writer_groups(const mst_parquet_writer *w); /* row groups that are out */
void mst_parquet_writer_free(mst_parquet_writer *w);

/* ---- footer -------------------------------------------------------------------------------------------------- */

/* An immutable, checked footer; [shared]. */
typedef struct mst_parquet_file mst_parquet_file;

/* How many bytes at the end of a file are worth asking for first. */
#define MST_PARQUET_TAIL ((size_t)64 << 10)
/* `tail` = the last `n` bytes of a file of `size` bytes. When the footer begins before them, `*need` is set to the
 * number of tail bytes that are needed and `*out` stays NULL (status MST_OK). Errors name the offset in the file. */
mst_status mst_parquet_file_parse(const mst_allocator *mem, const uint8_t *tail, size_t n, uint64_t size,
                                  mst_parquet_file **out, uint64_t *need, mst_error *err);
/* The same, keeping a reference to `tail` instead of a copy of its bytes where it has an owner. */
mst_status mst_parquet_file_open(const mst_allocator *mem, const mst_bytes *tail, uint64_t size, mst_parquet_file **out,
                                 uint64_t *need, mst_error *err);
mst_parquet_file *mst_parquet_file_ref(mst_parquet_file *f);
void mst_parquet_file_unref(mst_parquet_file *f);
uint64_t mst_parquet_file_rows(const mst_parquet_file *f);
size_t mst_parquet_file_groups(const mst_parquet_file *f);
uint64_t mst_parquet_group_rows(const mst_parquet_file *f, size_t group);
/* The value of a key of the footer's metadata, NULL when absent; where its bytes lie in the file when `at` is not NULL.
 */
const char *mst_parquet_file_metadata(const mst_parquet_file *f, const char *key, uint64_t *at);
mst_status mst_parquet_file_schema(const mst_parquet_file *f, struct ArrowSchema *out, mst_error *err);
const char *mst_parquet_file_created_by(const mst_parquet_file *f); /* "" when the file does not say */
/* The key-values in the footer's order; false behind the last. A value may be NULL; texts live as long as the file. */
bool mst_parquet_file_pair(const mst_parquet_file *f, size_t i, const char **key, const char **value);
/* All that the footer tells, for people and programs: rows, created_by, columns with their types, row groups with their
 * column chunks (codec, encodings, sizes, offsets, statistics as values), key-values. Large footers make large values:
 * `groups_max` row groups are told at most (SIZE_MAX: all). */
mst_status mst_parquet_describe(mst_parquet_file *f, size_t groups_max, json_t **out, mst_error *err);
/* Exact minimum and maximum of an integer column in a row group; false when the footer does not tell. */
bool mst_parquet_group_bounds_i64(const mst_parquet_file *f, size_t group, const char *column, int64_t *min,
                                  int64_t *max);

/* ---- reading ------------------------------------------------------------------------------------------------- */

typedef struct mst_where mst_where; /* expr/expr.h */

/* What is read; all zero means everything. Texts and arrays are borrowed for the call; the condition is referenced. */
typedef struct mst_parquet_read_options {
  const char *const *columns; /* top-level columns or nested fields as "a.b", in the order wanted; NULL: all        */
  size_t n_columns;           /* 0 with `columns` not NULL: batches that have a length and no columns               */
  size_t first_group, groups; /* row groups [first_group, first_group + groups); 0, 0: all                          */
  const mst_range *rows;      /* rows [offset, offset + length) of the file, rising and apart; NULL: all. Only the  */
  size_t n_rows;              /* pages that hold them are asked for where the file says which ones these are        */
  mst_where *where;           /* only rows that fulfil it; its columns need not be among `columns`                  */
  uint64_t limit;             /* at most so many rows come; 0: no limit                                             */
  uint64_t batch_rows;        /* the most rows of a batch; 0: as many as make about 16 MiB                          */
  uint64_t memory;            /* for bytes that wait and decoder state; 0: the context's budget, 64 MiB without one */
  mst_context *ctx;           /* decodes with its threads; NULL: in the caller's                                    */
  bool no_pruning;            /* statistics, indexes and filters are left alone: every row meets the condition itself */
  bool verify;                /* no batches come: every page of the row groups is decoded, and everything that the
                                 file says about its values is held against them: checksums, counts, statistics, page
                                 indexes, Bloom filters. MST_E_CORRUPT names row group, column, page and byte. The
                                 other options above but `memory` and `ctx` are not looked at                      */
} mst_parquet_read_options;

/* A machine that reads a file's rows in order; [owned]. One thread at a time. */
typedef struct mst_parquet_reader mst_parquet_reader;
/* `options` NULL: everything. MST_E_NOT_FOUND names a column that is not there. */
mst_status mst_parquet_reader_open(mst_parquet_file *f, const mst_parquet_read_options *options,
                                   mst_parquet_reader **out, mst_error *err);
mst_status mst_parquet_reader_schema(const mst_parquet_reader *r, struct ArrowSchema *out, mst_error *err);
/* One step: either `*n_need` ranges are needed (borrowed until the next call; hand their bytes in, in the same order,
 * with the next call's `given`), or a batch came (out->release != NULL), or it is done (neither). `given` is borrowed;
 * what is kept of it holds a reference of its own. Ranges do not overlap and are in no order. */
mst_status mst_parquet_reader_step(mst_parquet_reader *r, const mst_bytes *given, size_t n_given,
                                   const mst_range **need, size_t *n_need, struct ArrowArray *out, mst_error *err);
/* What was read and what could be left out, so far. */
typedef struct mst_parquet_read_facts {
  uint64_t rows;          /* given out                                    */
  uint64_t groups, pages; /* row groups begun, data pages decoded         */
  uint64_t groups_pruned; /* row groups that no row was looked at of      */
  uint64_t rows_pruned;   /* rows left out without being looked at        */
  uint64_t bytes;         /* that were asked for                          */
  uint64_t requests;      /* steps that asked for bytes                   */
} mst_parquet_read_facts;
mst_parquet_read_facts mst_parquet_reader_facts(const mst_parquet_reader *r);
void mst_parquet_reader_free(mst_parquet_reader *r);

/* ---- planning ------------------------------------------------------------------------------------------------ */

/* Bytes of a row group before compression, as the footer tells; what it takes in the file where it does not. */
uint64_t mst_parquet_group_plain_bytes(const mst_parquet_file *f, size_t group);
/* Bytes at the end of the file that hold the footer, and the page indexes in front of it as far as they lie within
 * MST_PARQUET_TAIL: what a reader of a part asks for. */
uint64_t mst_parquet_file_tail(const mst_parquet_file *f);
/* A machine that finds which rows may meet a condition, from the footer and the page indexes alone; [owned]. */
typedef struct mst_parquet_sift mst_parquet_sift;
mst_status mst_parquet_sift_open(mst_parquet_file *f, mst_where *where, mst_parquet_sift **out, mst_error *err);
/* One step: either ranges are needed, as a reader does it; or it is done, and rows[0 .. n_rows) are the runs of rows of
 * the file that may match, rising and apart; borrowed until the machine is freed. */
mst_status mst_parquet_sift_step(mst_parquet_sift *s, const mst_bytes *given, size_t n_given, const mst_range **need,
                                 size_t *n_need, const mst_range **rows, size_t *n_rows, mst_error *err);
void mst_parquet_sift_free(mst_parquet_sift *s);

#endif
