/* column/cast.h - the parts of mst_array_cast: single values, texts.
 *
 * Owns: nothing. May call: base. Private to column. */
#ifndef MST_COLUMN_CAST_H
#define MST_COLUMN_CAST_H

#include "column/column.h"

/* One plain array on its way to another type; neither is dictionary-encoded, run-end encoded or nested. */
typedef struct casting {
  const mst_allocator *mem;
  const struct ArrowSchema *from_schema, *to_schema;
  mst_type from, to;
  const struct ArrowArray *array;
  mst_error *err;
} casting;

bool mst_cast_knows_values(const mst_type *from, const mst_type *to); /* fixed-width ones and bools */
mst_status mst_cast_values(const casting *c, struct ArrowArray *out);
bool mst_cast_knows_texts(const mst_type *from, const mst_type *to); /* to text, bytes, fixed-size bytes */
mst_status mst_cast_texts(const casting *c, struct ArrowArray *out);

/* Row i is not null. */
static inline bool mst_cast_row_valid(const casting *c, int64_t i) {
  const uint8_t *bitmap = c->array->null_count != 0 && c->array->n_buffers > 0 ? c->array->buffers[0] : NULL;
  const int64_t at = c->array->offset + i;
  return bitmap == NULL || (bitmap[at >> 3] >> (at & 7) & 1) != 0;
}
/* The array's validity as a bitmap without offset; leaves the block empty where nothing is null. */
mst_status mst_cast_valid(const casting *c, mst_block *valid, int64_t *nulls);
/* The value that does not fit, named. */
mst_status mst_cast_misfit(const casting *c, int64_t row, const char *why);

#endif
