/* dataset/parts.h - a set of partitions: labels one behind the other, and the files of those whose key is not the regular one.
 *
 * Owns: their bytes. May call: base, column. Private to the documents of the dataset module. */
#ifndef MST_DATASET_PARTS_H
#define MST_DATASET_PARTS_H

#include "base/base.h"
#include "column/column.h"

#define MST_PARTS_MAX ((size_t)UINT32_MAX - 1)

typedef struct mst_parts {
  const mst_allocator *mem;
  size_t n;
  mst_block labels; /* NUL-terminated, one behind the other    */
  mst_block ends;   /* uint64: where each begins in `labels`   */
  mst_block odd;    /* mst_odd_part, by rising number          */
  mst_block keys;   /* NUL-terminated keys of these            */
  uint32_t *slots;  /* number + 1; 0: free                     */
  size_t mask;
} mst_parts;

/* A partition whose file is elsewhere, or that has none. */
typedef struct mst_odd_part {
  uint64_t number, key; /* `key`: where it begins in `keys`, MST_PART_NO_FILE */
} mst_odd_part;
#define MST_PART_NO_FILE UINT64_MAX

void mst_parts_init(mst_parts *p, const mst_allocator *mem);
void mst_parts_free(mst_parts *p);
/* `key` NULL: the regular one. `*fresh` is false, and nothing was done, when the label is there already. */
mst_status mst_parts_put(mst_parts *p, const char *label, size_t n, const char *key, size_t n_key, bool *fresh, mst_error *err);
mst_status mst_parts_put_without_file(mst_parts *p, const char *label, size_t n, bool *fresh, mst_error *err);
size_t mst_parts_find(const mst_parts *p, const char *label, size_t n); /* SIZE_MAX: not there */
static inline const char *mst_parts_label(const mst_parts *p, size_t i) {
  return (const char *)p->labels.data + ((const uint64_t *)(const void *)p->ends.data)[i];
}
/* NULL: the file is the regular one. */
const mst_odd_part *mst_parts_odd(const mst_parts *p, size_t i);
static inline const char *mst_parts_odd_key(const mst_parts *p, const mst_odd_part *odd) {
  return odd->key == MST_PART_NO_FILE ? NULL : (const char *)p->keys.data + odd->key;
}

#endif
