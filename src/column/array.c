/* column/array.c - arrays that own their buffers by reference count.
 *
 * Owns: what it is handed, until the consumer calls `release`. May call: base. */
#include "column/column.h"

/* Lives in private_data, in one block with the arrays behind the pointers. */
typedef struct array_box {
  mst_allocator mem;
  bool own_mem;
  struct ArrowArray dictionary;
  struct ArrowArray *children;
  struct ArrowArray **pointers;
  mst_bytes *owned;
  const void **buffers;
} array_box;

static void release_array(struct ArrowArray *array) {
  array_box *box = array->private_data;
  mst_allocator copy = box->mem;
  int64_t i;
  for (i = 0; i < array->n_buffers; i++) mst_bytes_release(&box->owned[i]);
  for (i = 0; i < array->n_children; i++) mst_array_release(&box->children[i]);
  mst_array_release(&box->dictionary);
  array->release = NULL;
  array->private_data = NULL;
  mst_free(box->own_mem ? &copy : NULL, box);
}

mst_status mst_array_make(const mst_allocator *mem, const mst_array_parts *parts, struct ArrowArray *out,
                          mst_error *err) {
  size_t nb = parts->n_buffers, nc = parts->n_children, i;
  uint8_t *at = mst_alloc_zero(mem, 1,
                               sizeof(array_box) + nb * (sizeof(mst_bytes) + sizeof(void *)) +
                                   nc * (sizeof(struct ArrowArray) + sizeof(void *)));
  array_box *box = (array_box *)(void *)at;
  if (box == NULL) {
    for (i = 0; i < nb; i++) mst_bytes_release(&parts->buffers[i]);
    for (i = 0; i < nc; i++) mst_array_release(&parts->children[i]);
    mst_array_release(parts->dictionary);
    return mst_fail_memory(err);
  }
  box->children = (struct ArrowArray *)(void *)(at + sizeof *box);
  box->owned = (mst_bytes *)(void *)(box->children + nc);
  box->buffers = (const void **)(void *)(box->owned + nb);
  box->pointers = (struct ArrowArray **)(void *)(box->buffers + nb);
  if (mem != NULL) {
    box->mem = *mem;
    box->own_mem = true;
  }
  for (i = 0; i < nb; i++) {
    box->owned[i] = parts->buffers[i];
    box->buffers[i] = parts->buffers[i].data;
    parts->buffers[i] = (mst_bytes){0};
  }
  for (i = 0; i < nc; i++) {
    box->children[i] = parts->children[i];
    box->pointers[i] = &box->children[i];
    parts->children[i].release = NULL;
  }
  if (parts->dictionary != NULL) {
    box->dictionary = *parts->dictionary;
    parts->dictionary->release = NULL;
  }
  *out = (struct ArrowArray){
      .length = parts->length,
      .null_count = parts->null_count,
      .n_buffers = (int64_t)nb,
      .n_children = (int64_t)nc,
      .buffers = nb > 0 ? box->buffers : NULL,
      .children = nc > 0 ? box->pointers : NULL,
      .dictionary = parts->dictionary != NULL ? &box->dictionary : NULL,
      .release = release_array,
      .private_data = box,
  };
  return MST_OK;
}
