/* expr/expr.h - conditions on rows: read from text or from plateau's list form, bound to a schema, decided from
 * statistics where these suffice, evaluated on batches where not.
 *
 * Conditions are two-valued. A comparison with a null value is false; `!=`, `not in`, `not like` and `not X` are the
 * exact complements of `==`, `in`, `like` and X, so they keep nulls. NaN follows IEEE: no comparison but `!=` holds for
 * it; it is not null; `is nan` finds it. A literal `null` means the null test: `== null` is `is null`, `!= null` is `is
 * not null`, and `in (…, null)` also holds for nulls. docs/where.md is the user's description of the language.
 *
 * Owns: conditions and predicates, both immutable and refcounted; they may be used from many threads.
 * May call: base, column. */
#ifndef MST_EXPR_EXPR_H
#define MST_EXPR_EXPR_H

#include "column/column.h"

/* What conditions from outside may take; beyond is MST_E_LIMIT. */
#define MST_WHERE_TEXT_MAX  ((size_t)16 << 20) /* bytes of text or JSON                    */
#define MST_WHERE_DEPTH_MAX 100                /* of nested parentheses and `not`          */
#define MST_WHERE_NODES_MAX 100000             /* comparisons and connectives in one condition */

/* ---- conditions: unbound, [shared] ----------------------------------------------------------------------------- */

typedef struct mst_where mst_where;

/* A value as a condition names it. It takes the column's type when it is bound: '2026-01-01' is a date for a date
 * column. */
typedef enum mst_literal_kind {
  MST_LITERAL_NULL,
  MST_LITERAL_BOOL,      /* `b`                                                                       */
  MST_LITERAL_INT,       /* `i`                                                                       */
  MST_LITERAL_UINT,      /* `u`                                                                       */
  MST_LITERAL_DOUBLE,    /* `f`, also NaN and infinity                                                */
  MST_LITERAL_NUMBER,    /* `text`: [-]digits[.digits][e[-]digits], of any length, exact              */
  MST_LITERAL_TEXT,      /* `text`                                                                    */
  MST_LITERAL_BYTES,     /* `text`: any bytes                                                         */
  MST_LITERAL_DATE,      /* `text`: 2026-01-31                                                        */
  MST_LITERAL_TIME,      /* `text`: 12:34[:56[.123456789]]                                            */
  MST_LITERAL_TIMESTAMP, /* `text`: date[T or space time[Z or +01:00]]; without an offset it is UTC    */
  MST_LITERAL_DURATION   /* `text`: numbers with units: "1d 2h 3m 4.5s 6ms 7us 8ns", "-90s"           */
} mst_literal_kind;
typedef struct mst_literal {
  mst_literal_kind kind;
  union {
    bool b;
    int64_t i;
    uint64_t u;
    double f;
    struct {
      const char *data; /* borrowed; not NUL-terminated */
      size_t size;
    } text;
  } as;
} mst_literal;

/* SQL-like text; errors are MST_E_ARGUMENT with the place (err->offset too) and what was expected there. */
mst_status mst_where_parse(const mst_allocator *mem, const char *text, size_t size, mst_where **out, mst_error *err);
/* plateau's list form as JSON: [[[column, operator, value], …], …], an "or" of "and"s. Operators: == = != <> < <= > >=
 * in, not in, is distinct from, like, not like. Values: JSON scalars, lists for `in`, and {"type": T, "value": text}
 * where JSON has no such value; T: date timestamp timestamptz time duration decimal binary (hexadecimal) float ("nan",
 * "inf", "-inf"). Here == and `in` with NaN ask for missing values: null, or NaN. JSON text ("…") is read as the other
 * form.
 */
mst_status mst_where_parse_json(const mst_allocator *mem, const char *json, size_t size, mst_where **out,
                                mst_error *err);
/* Whichever it is: JSON when it begins with '['. */
mst_status mst_where_parse_any(const mst_allocator *mem, const char *text, size_t size, mst_where **out,
                               mst_error *err);

/* `column` is a name, nested names joined by dots. Literals are copied and checked. */
mst_status mst_where_compare(const mst_allocator *mem, const char *column, mst_compare_op op, const mst_literal *value,
                             mst_where **out, mst_error *err);
mst_status mst_where_in(const mst_allocator *mem, const char *column, const mst_literal *values, size_t n, bool negated,
                        mst_where **out, mst_error *err);
mst_status mst_where_is_null(const mst_allocator *mem, const char *column, bool negated, mst_where **out,
                             mst_error *err);
mst_status mst_where_is_nan(const mst_allocator *mem, const char *column, bool negated, mst_where **out,
                            mst_error *err);
/* `escape`: one character (a code point) that takes the meaning from % _ and itself; 0: there is none. */
mst_status mst_where_like(const mst_allocator *mem, const char *column, const char *pattern, size_t size,
                          uint32_t escape, bool negated, mst_where **out, mst_error *err);
mst_status mst_where_constant(const mst_allocator *mem, bool value, mst_where **out, mst_error *err);
/* These share their parts; n may be 0: an empty "and" is true, an empty "or" false. */
mst_status mst_where_and(const mst_allocator *mem, mst_where *const *parts, size_t n, mst_where **out, mst_error *err);
mst_status mst_where_or(const mst_allocator *mem, mst_where *const *parts, size_t n, mst_where **out, mst_error *err);
mst_status mst_where_not(const mst_allocator *mem, mst_where *part, mst_where **out, mst_error *err);

mst_where *mst_where_ref(mst_where *w); /* returns w; NULL is fine */
void mst_where_unref(mst_where *w);
/* Whether it is just `true` or `false`: then *value says which. */
bool mst_where_is_constant(const mst_where *w, bool *value);
/* The conditions that must all hold: the parts of an "and", else w itself. Borrowed from w. */
size_t mst_where_conjuncts(const mst_where *w, mst_where *const **out);
/* The names used, each once, in order of appearance. The array is freed with mst_free(mem, …); names are borrowed from
 * w. */
mst_status mst_where_columns(const mst_where *w, const mst_allocator *mem, const char ***names, size_t *n,
                             mst_error *err);
/* Canonical text, appended: parsed again it means the same and prints the same. */
mst_status mst_where_text(const mst_where *w, mst_buf *out, mst_error *err);

/* ---- predicates: bound to a schema, [shared] --------------------------------------------------------------------- */

typedef struct mst_predicate mst_predicate;

/* `schema` is a "+s" schema, whole or projected to at least the columns that are used; it need not outlive the call.
 * A column that is missing is MST_E_ARGUMENT naming it and the nearest; so is a literal that no value of the column's
 * type could be compared with. Values that merely lie outside of the type's range or between two of its values are
 * fine: comparisons are decided by exact value (a number with a point or an exponent is first rounded to a float
 * column's type). Nested columns, unions and intervals know only `is null`. */
mst_status mst_predicate_bind(const mst_allocator *mem, mst_where *w, const struct ArrowSchema *schema,
                              mst_predicate **out, mst_error *err);
mst_predicate *mst_predicate_ref(mst_predicate *p);
void mst_predicate_unref(mst_predicate *p);
mst_where *mst_predicate_where(const mst_predicate *p); /* borrowed */

/* A column that the predicate reads. */
typedef struct mst_predicate_column {
  const char *name;    /* as the condition names it: nested names joined by dots              */
  const int32_t *path; /* field numbers from the top of the schema that it was bound to       */
  size_t depth;        /* numbers in path, at least 1                                         */
  mst_type type;       /* of the values: of a dictionary-encoded or run-end encoded column, its values' */
  bool dictionary;     /* dictionary-encoded                                                  */
} mst_predicate_column;
/* In order of first use; borrowed. */
const mst_predicate_column *mst_predicate_columns(const mst_predicate *p, size_t *n);

/* The truth of each row of a batch of the schema that p was bound to: bit j of word i is row 64 * i + j; bits behind
 * the last row are 0. `bits` has MST_BITS_WORDS(batch->length) words. Scratch memory comes from p's allocator. */
mst_status mst_predicate_eval(const mst_predicate *p, const struct ArrowArray *batch, uint64_t *bits, mst_error *err);

/* ---- decided without rows ---------------------------------------------------------------------------------------- */

typedef enum mst_prune {
  MST_PRUNE_NONE, /* no row can match   */
  MST_PRUNE_SOME, /* perhaps            */
  MST_PRUNE_ALL   /* every row matches  */
} mst_prune;

/* What is known of one column's values in some run of rows. Zeroed: nothing is known. */
typedef struct mst_bounds {
  bool has_min, has_max;
  /* No value that is neither null nor NaN is below min or above max; they need not occur (so bounds that were cut to a
   * prefix are as good, if the upper one was raised). Scalars of the column's type (mst_type_scalar). NaN, or min >
   * max, are taken as unknown. An old or untrusted statistic must not be given at all. */
  mst_scalar min, max;
  bool has_nulls; /* `nulls` is known                      */
  uint64_t nulls;
  bool nan_free; /* no value is NaN: never needed for NONE of comparisons, but for ALL */
} mst_bounds;
/* Fills `out` (zeroed before the call) for predicate column number `column`. */
typedef void (*mst_bounds_fn)(void *self, size_t column, mst_bounds *out);
/* What can be said of `rows` rows with these bounds. Sound: NONE and ALL are never wrong. */
mst_prune mst_predicate_prune(const mst_predicate *p, uint64_t rows, mst_bounds_fn bounds, void *self);

/* Values of one column outside of which no row can match: for Bloom filters and secondary indices, which know equality
 * only. `any`: there is no such set. Floats: both zeros are listed where zero is. Values are distinct and sorted.
 * `nulls`, `nans`: rows that are null or NaN may match as well. Everything but `any` is as for "no row" then, when n is
 * 0 and both are false. */
typedef struct mst_value_set {
  bool any, nulls, nans;
  const mst_scalar *values; /* of the column's type */
  size_t n;
  const mst_predicate *predicate; /* which must outlive the set */
} mst_value_set;
/* Bytes of the values are borrowed from p. */
mst_status mst_predicate_values(const mst_predicate *p, size_t column, mst_value_set *out, mst_error *err);
void mst_value_set_free(mst_value_set *set);
/* Asks about each value of the set until one may occur: whether a row may match. True for `any`, and for nulls and NaN
 * that may match, since such filters do not know them. */
typedef bool (*mst_may_hold_fn)(void *self, size_t column, const mst_scalar *value);
/* The whole predicate at once, each equality and `in` asked for its values: MST_PRUNE_NONE or MST_PRUNE_SOME. */
mst_prune mst_predicate_probe(const mst_predicate *p, mst_may_hold_fn may_hold, void *self);

/* With the values of some columns known (partition keys, columns that a file does not have): whatever they decide is
 * decided. `known[i]` is NULL where predicate column i is not known, else a scalar of its type, MST_SCALAR_NULL for
 * null. `*truth` is MST_PRUNE_NONE (false) or MST_PRUNE_ALL (true) when nothing is left to be decided; else
 * MST_PRUNE_SOME. `*residual` is the condition for the rows, on the other columns alone (a constant when nothing is
 * left); may be NULL. */
mst_status mst_predicate_reduce(const mst_predicate *p, const mst_scalar *const *known, mst_prune *truth,
                                mst_where **residual, mst_error *err);

#endif
