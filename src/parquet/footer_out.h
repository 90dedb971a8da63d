/* parquet/footer_out.h - what the writer knows of a file, and how it becomes a footer.
 *
 * Owns: the facts of row groups until the footer is written. May call: base, column. */
#ifndef MST_PARQUET_FOOTER_OUT_H
#define MST_PARQUET_FOOTER_OUT_H

#include "parquet/column_out.h"

/* One column chunk that lies in the file. */
typedef struct mst_pq_chunk_meta {
  mst_block_codec codec;
  uint64_t dictionary_at; /* 0: none */
  uint64_t data_at;
  uint64_t packed_size, plain_size, levels;
  uint32_t encodings;
  uint32_t data_pages;
  mst_pq_encoding data_encoding;
  bool statistics;
  mst_pq_stats stats;
  bool sizes; /* size statistics are kept  */
  uint64_t text;
  uint64_t *histogram; /* of all pages; NULL: the column is not nested */
  uint64_t bloom_at;   /* 0: none */
  uint32_t bloom_size;
  mst_buf column_index, offset_index; /* ready to be written; empty: none */
} mst_pq_chunk_meta;

typedef struct mst_pq_group_meta {
  uint64_t rows, packed_size, plain_size, at;
  mst_pq_chunk_meta *chunks; /* one for each leaf */
} mst_pq_group_meta;

typedef struct mst_pq_pair {
  char *key, *value;
  struct mst_pq_pair *next;
} mst_pq_pair;

typedef struct mst_pq_sort_key {
  uint32_t leaf;
  bool descending, nulls_first;
} mst_pq_sort_key;

typedef struct mst_pq_file_meta {
  const mst_pq_shape *shape;
  mst_pq_sort_key *sorting;
  size_t n_sorting;
  char *created_by;
  mst_pq_group_meta *groups;
  size_t n_groups, groups_capacity;
  uint64_t rows;
  mst_pq_pair *pairs; /* in the order in which the keys were first set */
} mst_pq_file_meta;

/* Both indexes of a chunk whose first page lies at `at`. */
mst_status mst_pq_index_put(const mst_pq_leaf *leaf, const mst_pq_chunk_out *chunk, uint64_t at,
                            mst_pq_chunk_meta *meta, mst_error *err);
/* The footer behind `at` bytes of file: column indexes, offset indexes, metadata, its length and the magic. */
mst_status mst_pq_footer_put(const mst_pq_file_meta *meta, uint64_t at, mst_buf *out, mst_error *err);

#endif
