/* dataset/document.c - documents and what they tell; see document.h. Reading them is document_in.c, editing document_edit.c, writing
 * document_out.c. */
#include "dataset/document_inner.h"

mst_status mst_document_new(const mst_allocator *mem, mst_document **out, mst_error *err) {
  mst_document *d = mst_alloc_zero(mem, 1, sizeof *d);
  if (d == NULL) return mst_fail_memory(err);
  d->refs = 1;
  d->mem = mem;
  mst_parts_init(&d->parts, mem);
  *out = d;
  return MST_OK;
}

mst_document *mst_document_ref(mst_document *d) {
  atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
  return d;
}

void mst_document_unref(mst_document *d) {
  if (d == NULL || atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) != 1) return;
  while (d->n_indices > 0) mst_document_drop_index(d, d->n_indices - 1);
  for (size_t i = 0; i < d->n_keys; i++) mst_free(d->mem, d->keys[i]);
  mst_free(d->mem, d->keys);
  mst_free(d->mem, d->indices);
  mst_free(d->mem, d->uuid);
  mst_free(d->mem, d->table);
  json_decref(d->metadata);
  mst_parts_free(&d->parts);
  mst_free(d->mem, d);
}

mst_status mst_document_put_key(mst_document *d, const char *column, size_t n, mst_error *err) {
  char *copy = mst_text_copy_n(d->mem, column, n);
  char **keys = copy != NULL ? mst_resize(d->mem, d->keys, (d->n_keys + 1) * sizeof *keys) : NULL;
  if (keys == NULL) {
    mst_free(d->mem, copy);
    return mst_fail_memory(err);
  }
  d->keys = keys;
  keys[d->n_keys++] = copy;
  return MST_OK;
}

void mst_document_drop_index(mst_document *d, size_t i) {
  mst_free(d->mem, d->indices[i].column);
  mst_free(d->mem, d->indices[i].key);
  json_decref(d->indices[i].embedded);
  memmove(&d->indices[i], &d->indices[i + 1], (d->n_indices - i - 1) * sizeof *d->indices);
  d->n_indices--;
}

mst_status mst_document_put_index(mst_document *d, const char *column, size_t n, const char *key, size_t n_key, json_t *embedded,
                                  mst_error *err) {
  mst_status status = MST_OK;
  mst_document_index made = {.embedded = embedded}, *indices;
  size_t place = d->n_indices;
  MST_TRY_ALLOC(made.column = mst_text_copy_n(d->mem, column, n));
  if (key != NULL) MST_TRY_ALLOC(made.key = mst_text_copy_n(d->mem, key, n_key));
  MST_TRY_ALLOC(indices = mst_resize(d->mem, d->indices, (d->n_indices + 1) * sizeof *indices));
  d->indices = indices;
  for (size_t i = 0; i < d->n_indices; i++)
    if (strcmp(indices[i].column, made.column) == 0) place = i;
  mst_document_index old = place < d->n_indices ? indices[place] : (mst_document_index){0};
  if (place == d->n_indices) d->n_indices++;
  indices[place] = made;
  made = old;
done:
  mst_free(d->mem, made.column);
  mst_free(d->mem, made.key);
  json_decref(made.embedded);
  return status;
}

const char *mst_document_uuid(const mst_document *d) { return d->uuid; }
const char *mst_document_table(const mst_document *d) { return d->table; }
bool mst_document_explicit(const mst_document *d) { return d->explicit_partitions; }
size_t mst_document_n_keys(const mst_document *d) { return d->n_keys; }
const char *mst_document_key(const mst_document *d, size_t i) { return d->keys[i]; }
json_t *mst_document_metadata(const mst_document *d) { return d->metadata; }
size_t mst_document_n_indices(const mst_document *d) { return d->n_indices; }
const char *mst_document_index_column(const mst_document *d, size_t i) { return d->indices[i].column; }
const char *mst_document_index_key(const mst_document *d, size_t i) { return d->indices[i].key; }
json_t *mst_document_index_embedded(const mst_document *d, size_t i) { return d->indices[i].embedded; }
size_t mst_document_partitions(const mst_document *d) { return d->parts.n; }
const char *mst_document_label(const mst_document *d, size_t i) { return mst_parts_label(&d->parts, i); }
size_t mst_document_find(const mst_document *d, const char *label) { return mst_parts_find(&d->parts, label, strlen(label)); }

size_t mst_document_key_find(const mst_document *d, const char *column) {
  for (size_t i = 0; i < d->n_keys; i++)
    if (strcmp(d->keys[i], column) == 0) return i;
  return MST_DOCUMENT_NONE;
}

size_t mst_document_index_find(const mst_document *d, const char *column) {
  for (size_t i = 0; i < d->n_indices; i++)
    if (strcmp(d->indices[i].column, column) == 0) return i;
  return MST_DOCUMENT_NONE;
}

mst_status mst_document_file(const mst_document *d, size_t i, mst_buf *out, mst_error *err) {
  const mst_odd_part *odd = mst_parts_odd(&d->parts, i);
  const char *key = odd != NULL ? mst_parts_odd_key(&d->parts, odd) : NULL;
  if (odd == NULL) return mst_key_file(out, d->uuid, d->table, mst_document_label(d, i), err);
  if (key != NULL) return mst_buf_put_text(out, key, err);
  return mst_fail(err, MST_E_CORRUPT, "partition \"%.200s\" of dataset %.60s has no file", mst_document_label(d, i), d->uuid);
}

bool mst_document_has_file(const mst_document *d, size_t i) {
  const mst_odd_part *odd = mst_parts_odd(&d->parts, i);
  return odd == NULL || odd->key != MST_PART_NO_FILE;
}

bool mst_document_file_is(const mst_document *d, size_t i, const char *key) {
  const mst_odd_part *odd = mst_parts_odd(&d->parts, i);
  const char *label = mst_document_label(d, i);
  if (odd != NULL) return mst_text_equal(mst_parts_odd_key(&d->parts, odd), key);
  const size_t uuid = strlen(d->uuid), table = strlen(d->table), n = strlen(label);
  return strlen(key) == uuid + table + n + 2 + 8 && memcmp(key, d->uuid, uuid) == 0 && key[uuid] == '/' &&
         memcmp(key + uuid + 1, d->table, table) == 0 && key[uuid + 1 + table] == '/' &&
         memcmp(key + uuid + table + 2, label, n) == 0 && strcmp(key + uuid + table + 2 + n, ".parquet") == 0;
}

bool mst_document_file_own(const mst_document *d, size_t i) {
  const mst_odd_part *odd = mst_parts_odd(&d->parts, i);
  const char *key = odd != NULL ? mst_parts_odd_key(&d->parts, odd) : NULL;
  return odd == NULL || (key != NULL && mst_key_is_own(key, d->uuid));
}

const char *mst_document_path(const mst_document *d, size_t i) {
  const mst_odd_part *odd = mst_parts_odd(&d->parts, i);
  const char *key = odd != NULL ? mst_parts_odd_key(&d->parts, odd) : NULL;
  for (int parts = 0; key != NULL && parts < 2; parts++) key = strchr(key, '/') != NULL ? strchr(key, '/') + 1 : NULL;
  return key != NULL ? key : mst_document_label(d, i);
}

size_t mst_document_bytes_held(const mst_document *d) {
  return sizeof *d + d->parts.labels.capacity + d->parts.ends.capacity + d->parts.odd.capacity + d->parts.keys.capacity +
         (d->parts.slots != NULL ? (d->parts.mask + 1) * sizeof(uint32_t) : 0);
}
