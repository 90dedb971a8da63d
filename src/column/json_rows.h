/* column/json_rows.h - rows out of JSON objects: what types their members have, and columns of these types.
 *
 * A shape is shown every object first and then tells a schema: null, bool, int64, double (where an integer and a number with a fraction
 * meet), text, lists and structs of these. Objects are then put into a builder of that schema. May call: base. */
#ifndef MST_COLUMN_JSON_ROWS_H
#define MST_COLUMN_JSON_ROWS_H

#include <meseta/arrow_abi.h>

#include "base/base.h"

typedef struct mst_builder mst_builder;
typedef struct mst_json_shape mst_json_shape; /* [owned] */
mst_status mst_json_shape_new(const mst_allocator *mem, mst_json_shape **out, mst_error *err);
void mst_json_shape_free(mst_json_shape *s);
/* MST_E_CORRUPT names the member whose values do not go together, or what is no object. */
mst_status mst_json_shape_see(mst_json_shape *s, const json_t *object, mst_error *err);
/* "+s", members in the order in which they came up first. */
mst_status mst_json_shape_schema(const mst_json_shape *s, struct ArrowSchema *out, mst_error *err);
/* One row; `columns[i]` is of `schema->children[i]`. Members that are missing are null. Where the
 * schema has a date or a timestamp ("tdD", "ts…") and the object text, it is read as one. */
mst_status mst_json_put_row(mst_builder *const *columns, const struct ArrowSchema *schema, const json_t *object, mst_error *err);

#endif
