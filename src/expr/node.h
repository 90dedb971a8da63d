/* expr/node.h - a condition as a tree of immutable, refcounted nodes; what the parsers make and everything else reads.
 *
 * Owns: nothing. May call: base, column. Private to expr. */
#ifndef MST_EXPR_NODE_H
#define MST_EXPR_NODE_H

#include <stdatomic.h>

#include "expr/expr.h"

typedef enum where_kind {
  WHERE_CONSTANT, /* value                                      */
  WHERE_COMPARE,  /* column op literals[0]; never null or NULL  */
  WHERE_IN,       /* column [not] in literals; null counts      */
  WHERE_NULL,     /* column is [not] null                       */
  WHERE_NAN,      /* column is [not] nan                        */
  WHERE_LIKE,     /* column [not] like literals[0]              */
  WHERE_AND,      /* parts                                      */
  WHERE_OR,
  WHERE_NOT /* parts[0]                                   */
} where_kind;

/* One block holds the node, its column's name and its literals with their bytes. Kept literals are normal: numbers are
 * MST_LITERAL_NUMBER, MST_LITERAL_DOUBLE is NaN or infinite. */
struct mst_where {
  _Atomic uint32_t refs;
  where_kind kind;
  mst_compare_op op;
  bool negated;
  bool value;
  bool own_mem;
  uint32_t escape;
  uint32_t depth; /* levels of this tree, at least 1 */
  size_t nodes;   /* in this tree                    */
  mst_allocator mem;
  char *column;
  mst_literal *literals;
  size_t n_literals;
  mst_where **parts;
  size_t n_parts;
};

/* Whether the text of a literal has the form that its kind promises. */
bool mst_literal_is_sound(const mst_literal *literal);
/* [-]digits[.digits][e[+-]digits]; false for anything else, "" too. */
bool mst_number_is_sound(const char *text, size_t n);

/* Nanoseconds, which need more than 64 bits for far years. */
__extension__ typedef __int128 mst_nanos;
bool mst_parse_date(const char *text, size_t n, int64_t *days);
bool mst_parse_time(const char *text, size_t n, int64_t *nanos);
bool mst_parse_timestamp(const char *text, size_t n, mst_nanos *nanos); /* dates too: midnight */
bool mst_parse_duration(const char *text, size_t n, mst_nanos *nanos);
/* Text of a finite double, the shortest that is read back as the same; at least 32 bytes of room. */
size_t mst_print_double(double f, char *out);

#endif
