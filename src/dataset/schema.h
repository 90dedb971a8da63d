/* dataset/schema.h - the table's schema: `_common_metadata` in and out with the `pandas` key-value that plateau needs, types brought
 * to their normal form, schemas compared and united, evolution.
 *
 * Owns: nothing. A table's schema is a "+s" ArrowSchema: partition keys first, then the other columns by code point of their names;
 * its own metadata holds `pandas`. May call: base, column, parquet, source/table.h, store. Private to the dataset module. */
#ifndef MST_DATASET_SCHEMA_H
#define MST_DATASET_SCHEMA_H

#include "base/base.h"
#include "column/column.h"
#include "store/store.h"

enum {
  MST_SCHEMA_KEEP_TEXT = 1 /* text and large text stay what they are; else new text columns become large text */
};
/* The normal form of a frame's schema: integers and floats at full width, timestamps in µs, dictionaries as their values, the row
 * index of pandas (columns that the frame's `pandas` metadata names so) left out; ordered; with `pandas` metadata.
 * MST_E_ARGUMENT: a name twice, a partition key that is missing, nothing left beside the keys. */
mst_status mst_table_schema_normal(const mst_allocator *mem, const struct ArrowSchema *frame, const char *const *keys, size_t n_keys,
                                   uint32_t flags, struct ArrowSchema *out, mst_error *err);
/* What both are together: equal names, types and order, where null goes with every type and the stored kind of text stays.
 * MST_E_ARGUMENT lists the differences; `uuid` and `origin` ("table/<label>") name the two. */
mst_status mst_table_schema_unite(const mst_allocator *mem, const struct ArrowSchema *stored, const struct ArrowSchema *added,
                                  const char *uuid, const char *origin, struct ArrowSchema *out, mst_error *err);
/* Explicit evolution: `wanted` holds all of the stored columns in their types or wider ones, and may add some. */
mst_status mst_table_schema_evolve(const mst_allocator *mem, const struct ArrowSchema *stored, const struct ArrowSchema *wanted,
                                   const char *const *keys, size_t n_keys, struct ArrowSchema *out, mst_error *err);
bool mst_table_schema_same(const struct ArrowSchema *a, const struct ArrowSchema *b); /* names, types, order; any depth */
/* Number of the column, -1 when there is none. */
int64_t mst_table_schema_find(const struct ArrowSchema *schema, const char *column);
/* Whether the column is a row index of pandas, by the metadata `pandas` of its schema. */
bool mst_pandas_is_index(const struct ArrowSchema *schema, const char *column);

mst_status mst_common_read(mst_store *store, const char *key, struct ArrowSchema *out, mst_cancel *cancel, mst_error *err);
/* Both give the bytes of a Parquet file without rows. */
mst_status mst_common_make(mst_context *ctx, const struct ArrowSchema *schema, mst_bytes *out, mst_error *err);
mst_status mst_common_write(mst_store *store, const char *key, const struct ArrowSchema *schema, mst_cancel *cancel, mst_error *err);

#endif
