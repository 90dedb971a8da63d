/* parquet/assemble.h - decoded leaves become Arrow arrays of their fields.
 *
 * Owns: nothing. May call: base, column. */
#ifndef MST_PARQUET_ASSEMBLE_H
#define MST_PARQUET_ASSEMBLE_H

#include "parquet/column_in.h"

/* Takes what the columns below `field` decoded (field->leaf numbers them) and makes the field's array of `rows` rows.
 */
mst_status mst_pq_assemble(const mst_allocator *mem, const mst_pq_field *field, mst_pq_column_in *columns,
                           uint64_t rows, struct ArrowArray *out, mst_error *err);

#endif
