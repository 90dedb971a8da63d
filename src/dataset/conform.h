/* dataset/conform.h - batches of one file as batches of the table: its columns by name in the table's types, values of partition
 * keys put back, columns that the file does not have as nulls.
 *
 * Owns: nothing but what it makes. May call: base, column. Private to the dataset module. */
#ifndef MST_DATASET_CONFORM_H
#define MST_DATASET_CONFORM_H

#include "base/base.h"
#include "column/column.h"

/* A column of the result. With `key` its value is row `row` of that array, of type `key_type`; else it comes from the file.
 * All borrowed for the life of the mst_conform. */
typedef struct mst_conform_field {
  const struct ArrowSchema *type; /* and name */
  const struct ArrowSchema *key_type;
  const struct ArrowArray *key;
  int64_t row;
} mst_conform_field;

/* One thread at a time; [owned]. */
typedef struct mst_conform mst_conform;
/* `file`: the file's "+s" schema. Types that do not fit are MST_E_CORRUPT naming the column. */
mst_status mst_conform_new(const mst_allocator *mem, const struct ArrowSchema *file, const mst_conform_field *fields, size_t n,
                           mst_conform **out, mst_error *err);
void mst_conform_free(mst_conform *c);
/* What must be read of the file, in this order; borrowed. Never NULL. */
const char *const *mst_conform_columns(const mst_conform *c, size_t *n);
/* `batch` has those columns; it is taken over, also on failure. */
mst_status mst_conform_apply(mst_conform *c, struct ArrowArray *batch, struct ArrowArray *out, mst_error *err);

/* n rows of one value of an array, or of null (row < 0). */
mst_status mst_array_repeat(const mst_allocator *mem, const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t row,
                            int64_t n, struct ArrowArray *out, mst_error *err);
/* A "+s" array of these columns, which are taken over, also on failure. */
mst_status mst_batch_make(const mst_allocator *mem, struct ArrowArray *columns, size_t n, int64_t rows, struct ArrowArray *out,
                          mst_error *err);
/* Column i of a batch, moved out of it: what is left there is released. Rows of the batch that it was cut to count. */
void mst_batch_move(struct ArrowArray *batch, size_t i, struct ArrowArray *out);
/* Number of the field of this name, -1 when there is none. */
int64_t mst_schema_find(const struct ArrowSchema *schema, const char *name);

#endif
