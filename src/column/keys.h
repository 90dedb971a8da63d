/* column/keys.h - key columns taken apart into plain ones, which become byte strings and hashes.
 *
 * Owns: values that it had to look up. May call: base. Private to column. */
#ifndef MST_COLUMN_KEYS_H
#define MST_COLUMN_KEYS_H

#include "column/column.h"

/* A column without dictionary, run ends or children, or the validity of a struct, whose fields follow it. */
typedef struct mst_key_leaf {
  mst_type type;           /* borrows the schema's format    */
  struct ArrowArray array; /* row 0 is the batch's           */
  struct ArrowArray made;  /* owned: what was looked up      */
  uint64_t *valid;         /* owned; NULL: all rows are      */
  bool descending, nulls_first;
} mst_key_leaf;

typedef struct mst_key_leaves {
  const mst_allocator *mem;
  mst_block list; /* mst_key_leaf */
} mst_key_leaves;

void mst_key_leaves_init(mst_key_leaves *l, const mst_allocator *mem);
void mst_key_leaves_free(mst_key_leaves *l);
/* Adds the columns; schema and batch must outlive the leaves. */
mst_status mst_key_leaves_make(mst_key_leaves *l, const struct ArrowSchema *schema, const struct ArrowArray *batch,
                               const mst_sort_key *by, size_t n_by, mst_error *err);
static inline size_t mst_key_leaves_count(const mst_key_leaves *l) { return l->list.size / sizeof(mst_key_leaf); }
static inline mst_key_leaf *mst_key_leaf_at(const mst_key_leaves *l, size_t i) {
  return (mst_key_leaf *)(void *)l->list.data + i;
}
mst_status mst_row_keys_from(mst_row_keys *keys, const mst_key_leaves *leaves, size_t rows, mst_error *err);

#endif
