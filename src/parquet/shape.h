/* parquet/shape.h - how an Arrow schema becomes a Parquet schema: its elements, its leaf columns, and the way from a
 * batch down to each leaf.
 *
 * Owns: the shape's memory. May call: base, column. */
#ifndef MST_PARQUET_SHAPE_H
#define MST_PARQUET_SHAPE_H

#include "column/column.h"
#include "parquet/format.h"

/* How a leaf's Arrow values become Parquet's. */
typedef enum mst_pq_map_kind {
  MST_PQ_MAP_SAME, /* same bytes                                        */
  MST_PQ_MAP_BITS, /* bools                                             */
  MST_PQ_MAP_I8,   /* 8 or 16 bits become 32                            */
  MST_PQ_MAP_U8,
  MST_PQ_MAP_I16,
  MST_PQ_MAP_U16,
  MST_PQ_MAP_TIMES_1000, /* seconds become milliseconds, 4 or 8 bytes         */
  MST_PQ_MAP_MS_TO_DAYS, /* date64 becomes date32                             */
  MST_PQ_MAP_DECIMAL,    /* little-endian becomes big-endian of `type_length` */
  MST_PQ_MAP_DAYS_MS,    /* day-time interval becomes INTERVAL                */
  MST_PQ_MAP_MONTHS,     /* month interval becomes INTERVAL                   */
  MST_PQ_MAP_TEXT,       /* offsets and bytes, or views                       */
  MST_PQ_MAP_NOTHING     /* nulls only                                        */
} mst_pq_map_kind;

typedef enum mst_pq_step_kind {
  MST_PQ_STEP_LEAF,
  MST_PQ_STEP_STRUCT,
  MST_PQ_STEP_LIST,
  MST_PQ_STEP_FIXED_LIST
} mst_pq_step_kind;

/* One node on the way from a batch's column to a leaf. */
typedef struct mst_pq_step {
  mst_pq_step_kind kind;
  mst_layout layout;
  bool nullable;
  uint8_t def;    /* definition level of a value that is present here; null is one less */
  uint8_t rep;    /* lists: repetition level of their items                             */
  uint32_t child; /* which child the way goes on to                                    */
  int32_t size;   /* fixed lists                                                        */
} mst_pq_step;

/* An element of the Parquet schema, in the order of the footer. */
typedef struct mst_pq_element {
  const char *name;
  mst_pq_physical physical; /* MST_PQ_GROUP: has n_children */
  mst_pq_repetition repetition;
  uint32_t type_length;
  uint32_t n_children;
  int32_t field_id; /* INT32_MIN: none */
  mst_pq_annotation annotation;
} mst_pq_element;

typedef struct mst_pq_leaf {
  uint32_t top;     /* column of the batch            */
  uint32_t element; /* its element                    */
  const mst_pq_step *steps;
  uint32_t n_steps;
  uint8_t max_def, max_rep;
  mst_type type; /* of the Arrow values            */
  mst_pq_map_kind map;
  mst_pq_physical physical;
  uint32_t width; /* of a PLAIN value, 0: BOOLEAN or BYTE_ARRAY */
  mst_pq_order order;
  const char **path; /* names, n_path of them */
  uint32_t n_path;
} mst_pq_leaf;

typedef struct mst_pq_shape {
  const mst_allocator *mem;
  struct ArrowSchema schema; /* a plain copy, whose texts the elements borrow */
  mst_pq_element *elements;
  uint32_t n_elements;
  mst_pq_leaf *leaves;
  uint32_t n_leaves;
  void *blocks; /* what the leaves point to */
} mst_pq_shape;

/* MST_E_UNSUPPORTED names the field that Parquet cannot hold. */
mst_status mst_pq_shape_make(const mst_allocator *mem, const struct ArrowSchema *schema, mst_pq_shape *out,
                             mst_error *err);
void mst_pq_shape_free(mst_pq_shape *shape);

#endif
