/* dataset/key_set.h - the keys of new rows: each once, asked for again by old rows. More than memory has room for are spooled and asked
 * for in passes, each with the keys of one share of all hashes.
 *
 * May call: base, column, expr. Private to the dataset module. */
#ifndef MST_DATASET_KEY_SET_H
#define MST_DATASET_KEY_SET_H

#include "base/base.h"
#include "column/column.h"
#include "dataset/spool.h"
#include "expr/expr.h"

/* [owned], one thread at a time. */
typedef struct mst_key_set mst_key_set;
/* `schema`: "+s" of the key columns; copied. `memory`: about what keys may take at a time. */
mst_status mst_key_set_new(mst_context *ctx, const struct ArrowSchema *schema, uint64_t memory, mst_key_set **out, mst_error *err);
void mst_key_set_free(mst_key_set *k);
/* A batch of the key columns; taken over, also on failure. A null counts as a value: it equals itself. */
mst_status mst_key_set_put(mst_key_set *k, struct ArrowArray *batch, mst_error *err);
/* No more come. */
mst_status mst_key_set_end(mst_key_set *k, mst_error *err);
uint64_t mst_key_set_rows(const mst_key_set *k);
uint32_t mst_key_set_passes(const mst_key_set *k);
/* Gets ready for mst_key_set_find of pass i. A key that comes twice is MST_E_ARGUMENT, which shows it. */
mst_status mst_key_set_pass(mst_key_set *k, uint32_t i, mst_cancel *cancel, mst_error *err);
/* Sets the bits of rows whose key is in this pass; others are left alone. */
mst_status mst_key_set_find(mst_key_set *k, const struct ArrowArray *batch, uint64_t *bits, mst_error *err);
/* A condition that all rows with such keys meet; sound, not sharp. A constant `true` where nothing can be said. */
mst_status mst_key_set_where(mst_key_set *k, mst_where **out, mst_error *err);

#endif
