/* dataset/pandas.h - the key-value `pandas` of Parquet schemas, read and written without pandas: which columns are a row index, and
 * what types pandas is to give the others.
 *
 * Owns: nothing. May call: base, column. Private to the dataset module. */
#ifndef MST_DATASET_PANDAS_H
#define MST_DATASET_PANDAS_H

#include "base/base.h"
#include "column/column.h"

/* The `pandas` metadata of a "+s" schema; `*out` is NULL when there is none. What is not understood counts as none. */
mst_status mst_pandas_of(const struct ArrowSchema *schema, json_t **out, mst_error *err);
/* The entry of "columns" for a field; NULL: none. Borrowed. */
const json_t *mst_pandas_column(const json_t *pandas, const char *field);
bool mst_pandas_names_index(const json_t *pandas, const char *field);
/* Names in "index_columns" that are fields. */
size_t mst_pandas_index_levels(const json_t *pandas);
/* Makes the metadata for `schema` (in normal form) and sets it: entries of `from` (may be NULL) stay where they fit the type. With
 * `keep_index` its row index is told, too. */
mst_status mst_pandas_set(struct ArrowSchema *schema, const json_t *from, bool keep_index, mst_error *err);

#endif
