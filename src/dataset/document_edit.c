/* dataset/document_edit.c - a new document out of an old one; see document.h. The old one is only read, so that readers of it go on. */
#include "dataset/document_inner.h"

struct mst_edit {
  const mst_allocator *mem;
  mst_document *base; /* NULL: none */
  mst_document *made; /* what is new: keys, indices, metadata and the partitions that were added */
  uint64_t *gone;     /* bits of the base's partitions */
};

static mst_status copy_facts(mst_edit *e, const mst_document *from, mst_error *err) {
  mst_status status = MST_OK;
  for (size_t i = 0; i < from->n_keys; i++) MST_TRY(mst_document_put_key(e->made, from->keys[i], strlen(from->keys[i]), err));
  for (size_t i = 0; i < from->n_indices; i++) {
    const mst_document_index *x = &from->indices[i];
    MST_TRY(mst_document_put_index(e->made, x->column, strlen(x->column), x->key, x->key != NULL ? strlen(x->key) : 0,
                                   json_incref(x->embedded), err));
  }
done:
  return status;
}

mst_status mst_edit_open(const mst_allocator *mem, mst_document *base, const char *uuid, const char *table, mst_edit **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_edit *e = mst_alloc_zero(mem, 1, sizeof *e);
  if (e == NULL) return mst_fail_memory(err);
  e->mem = mem;
  if (base != NULL) {
    e->base = mst_document_ref(base);
    uuid = base->uuid;
    if (base->table != NULL) table = base->table;
    MST_TRY_ALLOC(e->gone = mst_alloc_zero(mem, base->parts.n / 64 + 1, sizeof *e->gone));
  }
  MST_TRY(mst_document_new(mem, &e->made, err));
  e->made->explicit_partitions = true;
  MST_TRY_ALLOC(e->made->uuid = mst_text_copy(mem, uuid));
  MST_TRY_ALLOC(e->made->table = mst_text_copy(mem, table != NULL ? table : "table"));
  MST_TRY_ALLOC(e->made->metadata = base != NULL ? json_copy(base->metadata) : json_object());
  if (base != NULL) MST_TRY(copy_facts(e, base, err));
  *out = e;
  e = NULL;
done:
  mst_edit_free(e);
  return status;
}

void mst_edit_free(mst_edit *e) {
  if (e == NULL) return;
  mst_document_unref(e->made);
  mst_document_unref(e->base);
  mst_free(e->mem, e->gone);
  mst_free(e->mem, e);
}

mst_status mst_edit_partition_key(mst_edit *e, const char *column, mst_error *err) {
  if (mst_document_key_find(e->made, column) != MST_DOCUMENT_NONE)
    return mst_fail(err, MST_E_ARGUMENT, "the partition key \"%.60s\" stands twice", column);
  return mst_document_put_key(e->made, column, strlen(column), err);
}

void mst_edit_remove(mst_edit *e, size_t i) {
  mst_assert(e->base != NULL && i < e->base->parts.n);
  e->gone[i / 64] |= UINT64_C(1) << (i % 64);
}

void mst_edit_remove_all(mst_edit *e) {
  if (e->base != NULL) memset(e->gone, 0xff, (e->base->parts.n / 64 + 1) * sizeof *e->gone);
  mst_parts_free(&e->made->parts);
}

static bool is_gone(const mst_edit *e, size_t i) { return (e->gone[i / 64] >> (i % 64) & 1) != 0; }

mst_status mst_edit_add(mst_edit *e, const char *label, const char *key, mst_error *err) {
  const char *why, *path = key != NULL ? key : label;
  const size_t n = strlen(label), old = e->base != NULL ? mst_parts_find(&e->base->parts, label, n) : SIZE_MAX;
  bool fresh = true;
  if (n == 0 || !mst_key_is_safe(path, strlen(path), &why))
    return mst_fail(err, MST_E_ARGUMENT, "the partition \"%.120s\" is refused: %s", path, n == 0 ? "it has no label" : why);
  mst_status status = MST_OK;
  if (old != SIZE_MAX && !is_gone(e, old)) fresh = false;
  else status = mst_parts_put(&e->made->parts, label, n, key, key != NULL ? strlen(key) : 0, &fresh, err);
  if (status == MST_OK && !fresh) return mst_fail(err, MST_E_EXISTS, "the label \"%.200s\" is duplicated", label);
  return status;
}

mst_status mst_edit_index(mst_edit *e, const char *column, const char *key, mst_error *err) {
  const size_t old = mst_document_index_find(e->made, column);
  if (key != NULL) return mst_document_put_index(e->made, column, strlen(column), key, strlen(key), NULL, err);
  if (old != MST_DOCUMENT_NONE) mst_document_drop_index(e->made, old);
  return MST_OK;
}

mst_status mst_edit_metadata(mst_edit *e, json_t *map, mst_error *err) {
  json_t *copy = json_copy(map); /* members may be set later */
  if (copy == NULL) return mst_fail_memory(err);
  json_decref(e->made->metadata);
  e->made->metadata = copy;
  return MST_OK;
}

mst_status mst_edit_metadata_set(mst_edit *e, const char *key, json_t *value, mst_error *err) {
  if (value != NULL) return json_object_set_new(e->made->metadata, key, value) == 0 ? MST_OK : mst_fail_memory(err);
  (void)json_object_del(e->made->metadata, key);
  return MST_OK;
}

/* The partitions of `from` that stay, behind those that `to` has. */
static mst_status append_parts(const mst_edit *e, const mst_parts *from, bool all, mst_parts *to, mst_error *err) {
  mst_status status = MST_OK;
  bool fresh = true;
  for (size_t i = 0; i < from->n && status == MST_OK; i++) {
    if (!all && is_gone(e, i)) continue;
    const char *label = mst_parts_label(from, i);
    const mst_odd_part *odd = mst_parts_odd(from, i);
    const char *key = odd != NULL ? mst_parts_odd_key(from, odd) : NULL;
    if (odd != NULL && key == NULL) status = mst_parts_put_without_file(to, label, strlen(label), &fresh, err);
    else status = mst_parts_put(to, label, strlen(label), key, key != NULL ? strlen(key) : 0, &fresh, err);
  }
  return status;
}

mst_status mst_edit_finish(mst_edit *e, mst_document **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_edit *copy = NULL;
  MST_TRY(mst_edit_open(e->mem, NULL, e->made->uuid, e->made->table, &copy, err));
  MST_TRY(copy_facts(copy, e->made, err));
  MST_TRY(mst_edit_metadata(copy, e->made->metadata, err));
  if (e->base != NULL) {
    MST_TRY(mst_block_reserve(&copy->made->parts.labels, e->base->parts.labels.size + e->made->parts.labels.size, err));
    MST_TRY(append_parts(e, &e->base->parts, false, &copy->made->parts, err));
  }
  MST_TRY(append_parts(e, &e->made->parts, true, &copy->made->parts, err));
  *out = copy->made;
  copy->made = NULL;
done:
  mst_edit_free(copy);
  return status;
}
