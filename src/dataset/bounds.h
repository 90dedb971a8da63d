/* dataset/bounds.h - minimum, maximum and nulls of a column, gathered batch by batch.
 *
 * Owns: the texts of its bounds. May call: base, column, expr. Private to the dataset module. */
#ifndef MST_DATASET_BOUNDS_H
#define MST_DATASET_BOUNDS_H

#include "base/base.h"
#include "column/column.h"
#include "expr/expr.h"

#define MST_BOUND_TEXT_MAX ((size_t)64) /* bytes of a text bound; longer ones are cut */

typedef struct mst_bounder {
  const struct ArrowSchema *field; /* borrowed */
  mst_type type;
  bool usable; /* the type has an order */
  bool any, any_nan;
  mst_scalar min, max; /* bytes lie in low and high */
  mst_buf low, high;
  uint64_t nulls;
} mst_bounder;

mst_status mst_bounder_init(mst_bounder *b, const mst_allocator *mem, const struct ArrowSchema *field, mst_error *err);
void mst_bounder_free(mst_bounder *b);
mst_status mst_bounder_put(mst_bounder *b, const struct ArrowArray *array, mst_error *err);
/* What is known. Bytes are borrowed from the bounder. */
void mst_bounder_tell(mst_bounder *b, mst_bounds *out);

#endif
