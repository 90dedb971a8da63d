/* expr/bound.h - a condition bound to a schema: tests of columns by scalars of their types.
 *
 * Owns: nothing. May call: base, column. Private to expr. */
#ifndef MST_EXPR_BOUND_H
#define MST_EXPR_BOUND_H

#include "expr/node.h"

typedef enum bound_kind {
  BOUND_FALSE,   /* no row                                              */
  BOUND_COMPARE, /* value op scalar; op is not MST_NE                   */
  BOUND_IN,      /* value in set, or null and `nulls`                   */
  BOUND_NULL,    /* null                                                */
  BOUND_NAN,     /* NaN                                                 */
  BOUND_LIKE,
  BOUND_AND,
  BOUND_OR
} bound_kind;

/* A tree that mirrors its condition's, `source`; "not" is `negated` of its part. The truth of a row is the test's
 * (which is false for null values, but for BOUND_NULL and `nulls`), then turned around where `negated`. */
typedef struct bound {
  bound_kind kind;
  bool negated; /* by the test itself (!=, not in) and by the "not"s around it together */
  bool turned;  /* by the "not"s around it alone */
  bool nulls;
  mst_compare_op op;
  uint32_t column;
  uint32_t cost; /* what a row takes, roughly */
  mst_scalar scalar;
  mst_in_set *set; /* owned */
  mst_like *like;  /* owned */
  struct bound *parts;
  size_t n_parts;
  mst_where *source; /* borrowed: without the "not"s around it */
} bound;

/* A column of the predicate with what evaluation needs of its schema. */
typedef struct bound_column {
  struct ArrowSchema field; /* a copy */
  char *name;
  int32_t *path;
} bound_column;

struct mst_predicate {
  _Atomic uint32_t refs;
  mst_allocator mem;
  bool own_mem;
  mst_where *where;
  mst_predicate_column *columns; /* as shown; names and paths are those of `inner` */
  bound_column *inner;
  mst_block column_block, inner_block; /* their memory */
  size_t n_columns;
  bound *nodes; /* nodes[0] is the root */
  size_t n_nodes, room;
};

static inline const mst_allocator *mst_predicate_mem(const mst_predicate *p) { return p->own_mem ? &p->mem : NULL; }

/* The largest value of a column's type that is not above a literal. */
typedef struct cut {
  bool below; /* there is none: the literal is below all values */
  bool exact; /* it equals the literal                          */
  bool nan;   /* the literal is NaN, which nothing compares with */
  mst_scalar low;
} cut;
/* `width` of the type's values bounds what is representable. Bytes are borrowed from the literal. */
mst_status mst_literal_cut(const mst_literal *literal, const mst_type *type, const char *column, cut *out,
                           mst_error *err);
/* What a user calls a type: "int64", "timestamp[us, UTC]"; into at least 80 bytes. */
const char *mst_type_print(const mst_type *type, char out[80]);

#endif
