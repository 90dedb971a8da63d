/* parquet/footer.h - a footer as it is kept in memory: the schema tree, row groups, column chunks, key-values.
 *
 * Owns: a copy of the footer's bytes, which names and statistics point into. May call: base, column. */
#ifndef MST_PARQUET_FOOTER_H
#define MST_PARQUET_FOOTER_H

#include <stdatomic.h>

#include "column/column.h"
#include "parquet/format.h"
#include "parquet/parquet.h"

/* One element of the schema, in preorder. */
typedef struct mst_pq_node {
  const char *name;
  mst_pq_physical physical; /* MST_PQ_GROUP: has children */
  mst_pq_repetition repetition;
  mst_pq_converted converted;
  mst_pq_annotation annotation;
  uint32_t type_length;
  int32_t field_id;    /* INT32_MIN: none                                  */
  uint32_t n_children; /* children begin at the next node                  */
  uint32_t end;        /* the node behind this one and all below it        */
  uint32_t leaf;       /* leaves: number of the column                     */
  uint8_t def, rep;    /* levels of a value that is present                */
} mst_pq_node;

/* A bound in the footer's bytes. */
typedef struct mst_pq_slice {
  uint32_t at, size;
} mst_pq_slice;

enum {
  MST_PQ_CHUNK_META = 1, /* the metadata is there                       */
  MST_PQ_CHUNK_ENCRYPTED = 2,
  MST_PQ_CHUNK_ELSEWHERE = 4, /* the pages lie in another file               */
  MST_PQ_CHUNK_MIN = 8,       /* min_value, max_value                        */
  MST_PQ_CHUNK_MAX = 16,
  MST_PQ_CHUNK_OLD_MIN = 32, /* the deprecated min, max                     */
  MST_PQ_CHUNK_OLD_MAX = 64,
  MST_PQ_CHUNK_MIN_CUT = 128, /* said to be inexact                          */
  MST_PQ_CHUNK_MAX_CUT = 256,
  MST_PQ_CHUNK_PAGES_TOLD = 512,  /* the encodings of its data pages are known ... */
  MST_PQ_CHUNK_PAGES_PLAIN = 1024 /* ... and not all are those of a dictionary     */
};

typedef struct mst_pq_chunk {
  int64_t data_at, dictionary_at; /* dictionary_at 0: none */
  int64_t packed_size, plain_size, levels;
  int64_t offset_index_at, column_index_at, bloom_at; /* 0: none */
  int64_t nulls, distinct, nans;                      /* -1: unknown */
  mst_pq_slice min, max;                              /* the deprecated ones where there are no others */
  int32_t offset_index_size, column_index_size, bloom_size;
  uint32_t encodings; /* bit e: encoding e */
  uint32_t flags;
  int8_t codec, physical;
} mst_pq_chunk;

typedef struct mst_pq_sorting {
  int32_t column;
  bool descending, nulls_first;
} mst_pq_sorting;

typedef struct mst_pq_group {
  mst_pq_chunk *chunks;
  int64_t rows, plain_size, packed_size;
  mst_pq_sorting *sorting;
  uint32_t n_sorting;
} mst_pq_group;

typedef struct mst_pq_key_value {
  const char *key, *value; /* NUL-terminated copies; value NULL: none */
  size_t value_size;
  uint64_t at; /* of the value, in the file */
} mst_pq_key_value;

/* How statistics of a column are ordered, by the footer's word. */
typedef enum mst_pq_column_order {
  MST_PQ_ORDER_UNDEFINED = 0,
  MST_PQ_ORDER_BY_TYPE = 1,
  MST_PQ_ORDER_IEEE754 = 2
} mst_pq_column_order;

struct mst_parquet_file {
  _Atomic uint32_t refs;
  mst_allocator mem_copy;
  const mst_allocator *mem; /* NULL or &mem_copy: a file may outlive the context that lent it */
  void *arena;              /* chain of blocks */
  size_t arena_left;
  uint8_t *arena_at;
  mst_bytes held;        /* what `footer` and `tail` lie in */
  const uint8_t *footer; /* the bytes of the metadata */
  size_t footer_size;
  uint64_t footer_at;  /* in the file */
  const uint8_t *tail; /* page indexes and filters that came along with the footer */
  uint64_t tail_at;    /* of the bytes [tail_at, footer_at); equal to it: none */
  uint64_t size;       /* of the file */
  int32_t version;
  int64_t rows;         /* of all row groups       */
  int64_t rows_claimed; /* what the footer says    */
  const char *created_by;
  mst_pq_node *nodes; /* nodes[0] is the root */
  uint32_t n_nodes;
  uint32_t *leaves; /* node of each column */
  uint32_t n_leaves;
  uint8_t *orders; /* mst_pq_column_order of each column; NULL: the footer has none */
  mst_pq_group *groups;
  size_t n_groups;
  mst_pq_key_value *pairs;
  size_t n_pairs;
  bool encrypted;              /* some columns are */
  struct mst_pq_field *fields; /* the columns as Arrow fields, below one "+s"; NULL when `fields_error` says why not */
  mst_error fields_error;
};

/* "a.b.c" of a column, cut when it does not fit; returns `out`. */
const char *mst_pq_leaf_path(const mst_parquet_file *f, uint32_t leaf, char *out, size_t size);
/* Memory that lives as long as the file; NULL when there is none. Zeroed. */
void *mst_pq_file_alloc(mst_parquet_file *f, size_t count, size_t size);
/* Bytes of the file that came along with the footer, borrowed from `f`; false when they are not all there. */
bool mst_pq_file_bytes(const mst_parquet_file *f, uint64_t at, uint64_t size, mst_bytes *out);
/* Bounds of a column chunk that can be trusted in `order`, which the caller gets from mst_pq_order_of; false otherwise.
 */
bool mst_pq_chunk_bounds(const mst_parquet_file *f, size_t group, uint32_t leaf, const uint8_t **min, size_t *min_size,
                         const uint8_t **max, size_t *max_size, bool *exact);

#endif
