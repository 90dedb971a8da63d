/* dataset/document_inner.h - a document from the inside. Private to document*.c. */
#ifndef MST_DATASET_DOCUMENT_INNER_H
#define MST_DATASET_DOCUMENT_INNER_H

#include "dataset/document.h"
#include "dataset/key.h"
#include "dataset/parts.h"
#include "dataset/tokens.h"

typedef struct mst_document_index {
  char *column;
  char *key;        /* NULL when embedded */
  json_t *embedded; /* else NULL          */
} mst_document_index;

struct mst_document {
  _Atomic uint32_t refs;
  const mst_allocator *mem;
  char *uuid, *table;
  bool explicit_partitions;
  char **keys;
  size_t n_keys;
  json_t *metadata;
  mst_document_index *indices;
  size_t n_indices;
  mst_parts parts;
};

mst_status mst_document_new(const mst_allocator *mem, mst_document **out, mst_error *err);
/* Both copy their texts. */
mst_status mst_document_put_key(mst_document *d, const char *column, size_t n, mst_error *err);
/* Takes `embedded` over, also on failure; replaces the column's index when there is one. */
mst_status mst_document_put_index(mst_document *d, const char *column, size_t n, const char *key, size_t n_key, json_t *embedded,
                                  mst_error *err);
void mst_document_drop_index(mst_document *d, size_t i);

#endif
