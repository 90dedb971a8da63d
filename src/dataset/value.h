/* dataset/value.h - values of partition keys: text in a label ↔ typed values, and single values as JSON.
 *
 * Owns: nothing. May call: base, column. Private to the dataset module. */
#ifndef MST_DATASET_VALUE_H
#define MST_DATASET_VALUE_H

#include "base/base.h"
#include "column/column.h"
#include "dataset/document.h"

/* Types that a partition key may have: integers, floats, bool, text, bytes, date, timestamp. MST_E_UNSUPPORTED otherwise. */
mst_status mst_key_type_check(const struct ArrowSchema *field, mst_error *err);
/* Appends a value's text as plateau writes it (unquoted). A null is MST_E_ARGUMENT. */
mst_status mst_value_put_text(const struct ArrowSchema *field, const struct ArrowArray *array, int64_t row, mst_buf *out, mst_error *err);
/* Appends the typed value of a key's text; MST_E_CORRUPT when it is none of the type. */
mst_status mst_value_from_text(const struct ArrowSchema *field, const char *text, size_t n, mst_builder *out, mst_error *err);

/* The partition keys of all partitions: one row each, one column a key in the types of `schema` (whose first fields they are).
 * Labels of unequal depth are MST_E_CORRUPT. `schema_out` is "+s" of these columns. */
mst_status mst_values_of_labels(const mst_allocator *mem, const mst_document *d, const struct ArrowSchema *schema,
                                struct ArrowSchema *schema_out, struct ArrowArray *out, mst_error *err);

/* A scalar of a column as JSON and back: numbers, text; {"$": "bytes"|"float"|"decimal", "v": text} where JSON has no such value. */
mst_status mst_scalar_to_json(const struct ArrowSchema *field, const mst_scalar *value, json_t **out, mst_error *err);
/* Bytes are borrowed from `value` or lie in `scratch`. */
mst_status mst_scalar_from_json(const struct ArrowSchema *field, const json_t *value, mst_buf *scratch, mst_scalar *out, mst_error *err);

#endif
