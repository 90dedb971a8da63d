/* dataset/index_inner.h - how indices are put together. Private to index*.c. */
#ifndef MST_DATASET_INDEX_INNER_H
#define MST_DATASET_INDEX_INNER_H

#include "dataset/index.h"

typedef struct mst_index_pair {
  uint32_t value, part;
} mst_index_pair;

/* Without values yet. */
mst_status mst_index_new(const mst_allocator *mem, const char *column, const struct ArrowSchema *type, mst_index **out, mst_error *err);
/* Sets n, first and parts from pairs in any order. */
mst_status mst_index_fill(mst_index *x, const mst_index_pair *pairs, size_t n, size_t values, mst_error *err);

#endif
