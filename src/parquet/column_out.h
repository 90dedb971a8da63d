/* parquet/column_out.h - encodes one leaf column of one row group into pages.
 *
 * Owns: the pages until they are handed out. May call: base, codec, column. */
#ifndef MST_PARQUET_COLUMN_OUT_H
#define MST_PARQUET_COLUMN_OUT_H

#include "codec/codec.h"
#include "parquet/kernels.h"
#include "parquet/shape.h"
#include "parquet/stats.h"

/* How a leaf is written; `chosen` is filled by the first row group for those that follow. */
typedef struct mst_pq_column_config {
  mst_block_codec codec;
  int level;
  bool dictionary; /* may be tried                                                   */
  bool automatic;  /* without a dictionary: the encoding that is smallest by trial    */
  bool known;      /* `encoding` was found out                                        */
  mst_pq_encoding encoding;
  bool statistics;
  bool checksums;
  bool sizes; /* keep size statistics */
  bool bloom;
  double bloom_share;
  size_t page_bytes;
  uint64_t page_rows; /* at most */
  const mst_pq_kernels *kernels;
} mst_pq_column_config;

/* Rows [first, first + count) of one batch's column. */
typedef struct mst_pq_piece {
  const struct ArrowArray *column;
  int64_t first, count;
} mst_pq_piece;

typedef struct mst_pq_page_out {
  mst_bytes bytes;     /* header and body, until it is handed out                      */
  uint32_t values_at;  /* where the values begin in `bytes`, when they are not packed  */
  uint32_t head_size;  /* of the header                                                */
  uint64_t size;       /* of both, packed                                              */
  uint64_t plain_size; /* header and unpacked body                                     */
  uint64_t first_row;  /* in the row group                                             */
  uint64_t rows;
  uint64_t levels; /* values and nulls                                             */
  uint64_t text;   /* bytes of the byte strings                                    */
  bool dictionary;
  mst_pq_stats stats;
} mst_pq_page_out;

typedef struct mst_pq_chunk_out {
  mst_pq_page_out *pages;
  size_t n_pages, pages_capacity;
  mst_pq_stats stats;
  uint64_t levels;
  uint64_t packed_size, plain_size; /* with headers */
  uint32_t encodings;               /* bit e: encoding e occurs */
  mst_pq_encoding data_encoding;    /* of the values in data pages */
  bool has_dictionary;
  mst_block histograms; /* uint64, for each data page: how often each repetition, then each definition level occurs */
  mst_block bloom;      /* a filter; empty: none */
} mst_pq_chunk_out;

mst_status mst_pq_column_write(const mst_allocator *mem, const mst_pq_leaf *leaf, mst_pq_column_config *config,
                               mst_block_coder *coder, const mst_pq_piece *pieces, size_t n_pieces,
                               mst_pq_chunk_out *out, mst_error *err);
void mst_pq_chunk_out_init(const mst_allocator *mem, mst_pq_chunk_out *chunk);
void mst_pq_chunk_out_free(const mst_allocator *mem, mst_pq_chunk_out *chunk);

#endif
