/* column/scalar.h - single values: one row of a column, a bound of its statistics, a literal that was bound to it.
 *
 * Owns: nothing; texts are borrowed. May call: base. Included by column/column.h. */
#ifndef MST_COLUMN_SCALAR_H
#define MST_COLUMN_SCALAR_H

#include "column/type.h"
#include "column/wide.h"

/* How values of a type are held. All columns of one class compare with each other's scalars. */
typedef enum mst_scalar_kind {
  MST_SCALAR_NULL,
  MST_SCALAR_INT, /* `i`: bool (0, 1), every signed integer, uint8 to uint32, all temporal types in the column's unit */
  MST_SCALAR_UINT,   /* `u`: uint64                                                                                   */
  MST_SCALAR_DOUBLE, /* `f`: half, float, double; widening is exact */
  MST_SCALAR_WIDE, /* `wide`: decimals of every width: the unscaled value in the column's scale                      */
  MST_SCALAR_BYTES /* `bytes`: text, bytes, fixed-size bytes and intervals, as they lie in the column                */
} mst_scalar_kind;

typedef struct mst_scalar {
  mst_scalar_kind kind;
  union {
    int64_t i;
    uint64_t u;
    double f;
    mst_wide wide;
    struct {
      const uint8_t *data; /* may be NULL when size is 0 */
      size_t size;
    } bytes;
  } as;
} mst_scalar;

/* How this type's values are held; MST_SCALAR_NULL for the null type and nested types, which have no scalars. */
mst_scalar_kind mst_type_scalar(const mst_type *type);
/* Whether the order of the scalars is the order of the type: not so for intervals, nested types, null. */
bool mst_type_is_ordered(const mst_type *type);

/* Below, at or above 0 as a sorts before, with or behind b. Both of one kind, neither null nor NaN; bytes by unsigned
 * byte. */
int mst_scalar_compare(const mst_scalar *a, const mst_scalar *b);
/* Equality of values of one kind: -0.0 equals 0.0, NaN equals nothing, null equals nothing. */
bool mst_scalar_equal(const mst_scalar *a, const mst_scalar *b);

static inline mst_scalar mst_scalar_null(void) { return (mst_scalar){.kind = MST_SCALAR_NULL}; }
static inline mst_scalar mst_scalar_int(int64_t i) { return (mst_scalar){.kind = MST_SCALAR_INT, .as.i = i}; }
static inline mst_scalar mst_scalar_uint(uint64_t u) { return (mst_scalar){.kind = MST_SCALAR_UINT, .as.u = u}; }
static inline mst_scalar mst_scalar_double(double f) { return (mst_scalar){.kind = MST_SCALAR_DOUBLE, .as.f = f}; }
static inline mst_scalar mst_scalar_bytes(const void *data, size_t size) {
  return (mst_scalar){.kind = MST_SCALAR_BYTES, .as.bytes = {data, size}};
}

/* Value `i` of an array (its offset is added) whose type is not nested; dictionaries and run ends are looked up. Bytes
 * are borrowed from the array. */
mst_status mst_scalar_at(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t i, mst_scalar *out,
                         mst_error *err);
/* A fixed-width value as it lies in a column of this type: `p` is value 0; not for bools. */
mst_scalar mst_scalar_load(const mst_type *type, const void *p);

/* IEEE half precision: exact one way, rounded to nearest even the other. */
double mst_half_to_double(uint16_t h);
uint16_t mst_half_from_double(double f);

#endif
