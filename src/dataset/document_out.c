/* dataset/document_out.c - writing documents, and their digest; see document.h. The order of keys is plateau's. */
#include "codec/codec.h"
#include "dataset/document_inner.h"

static mst_status emit_name(mst_emit *e, const char *text, mst_error *err) { return mst_emit_key(e, text, strlen(text), err); }
static mst_status emit_text(mst_emit *e, const char *text, mst_error *err) { return mst_emit_text(e, text, strlen(text), err); }

static mst_status emit_indices(const mst_document *d, mst_emit *e, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(emit_name(e, "indices", err));
  MST_TRY(mst_emit_map(e, d->n_indices, err));
  for (size_t i = 0; i < d->n_indices; i++) {
    MST_TRY(emit_name(e, d->indices[i].column, err));
    if (d->indices[i].key != NULL) MST_TRY(emit_text(e, d->indices[i].key, err));
    else MST_TRY(mst_emit_tree(e, d->indices[i].embedded, err));
  }
  MST_TRY(mst_emit_map_end(e, err));
done:
  return status;
}

static mst_status emit_partition(const mst_document *d, size_t i, mst_emit *e, mst_buf *key, mst_error *err) {
  mst_status status = MST_OK;
  const bool has_file = mst_document_has_file(d, i);
  MST_TRY(emit_name(e, mst_document_label(d, i), err));
  MST_TRY(mst_emit_map(e, 1, err));
  MST_TRY(mst_emit_key(e, "files", 5, err));
  MST_TRY(mst_emit_map(e, has_file, err));
  if (has_file) {
    mst_buf_clear(key);
    MST_TRY(mst_document_file(d, i, key, err));
    MST_TRY(emit_name(e, d->table, err));
    MST_TRY(mst_emit_text(e, mst_buf_text(key), key->size, err));
  }
  MST_TRY(mst_emit_map_end(e, err));
  MST_TRY(mst_emit_map_end(e, err));
done:
  return status;
}

static mst_status emit_partitions(const mst_document *d, mst_emit *e, mst_error *err) {
  mst_status status = MST_OK;
  mst_buf key;
  mst_buf_init(&key, d->mem, SIZE_MAX / 2);
  MST_TRY(emit_name(e, "partitions", err));
  MST_TRY(mst_emit_map(e, d->parts.n, err));
  for (size_t i = 0; i < d->parts.n; i++) MST_TRY(emit_partition(d, i, e, &key, err));
  MST_TRY(mst_emit_map_end(e, err));
done:
  mst_buf_free(&key);
  return status;
}

static mst_status emit_document(const mst_document *d, mst_emit *e, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(mst_emit_map(e, (size_t)4 + (d->n_indices > 0) + d->explicit_partitions, err));
  MST_TRY(emit_name(e, "dataset_metadata_version", err));
  MST_TRY(mst_emit_int(e, 4, err));
  MST_TRY(emit_name(e, "dataset_uuid", err));
  MST_TRY(emit_text(e, d->uuid, err));
  if (d->n_indices > 0) MST_TRY(emit_indices(d, e, err));
  MST_TRY(emit_name(e, "metadata", err));
  MST_TRY(mst_emit_tree(e, d->metadata, err));
  if (d->explicit_partitions) MST_TRY(emit_partitions(d, e, err));
  MST_TRY(emit_name(e, "partition_keys", err));
  MST_TRY(mst_emit_list(e, d->n_keys, err));
  for (size_t i = 0; i < d->n_keys; i++) MST_TRY(emit_text(e, d->keys[i], err));
  MST_TRY(mst_emit_list_end(e, err));
  MST_TRY(mst_emit_map_end(e, err));
done:
  return status;
}

/* Twice the labels, and for each partition what stands around them. */
static size_t size_guess(const mst_document *d) {
  const size_t around = strlen(d->uuid) + (d->table != NULL ? 2 * strlen(d->table) : 0) + 48;
  return 4096 + 2 * d->parts.labels.size + d->parts.n * around;
}

mst_status mst_document_print(const mst_document *d, mst_document_form form, mst_buf *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_block_coder coder = {.mem = d->mem};
  mst_buf plain;
  mst_buf_init(&plain, d->mem, MST_DOCUMENT_BYTES_MAX);
  mst_emit emit = {.out = form == MST_DOCUMENT_JSON ? out : &plain, .msgpack = form == MST_DOCUMENT_MSGPACK, .fresh = true};
  MST_TRY(mst_buf_reserve(emit.out, size_guess(d), err));
  MST_TRY(emit_document(d, &emit, err));
  if (form == MST_DOCUMENT_MSGPACK) {
    size_t n = mst_block_bound(MST_BLOCK_ZSTD, plain.size);
    MST_TRY(mst_buf_reserve(out, n, err));
    MST_TRY(mst_block_pack(&coder, MST_BLOCK_ZSTD, 0, plain.data, plain.size, out->data + out->size, &n, err));
    out->size += n;
    out->data[out->size] = '\0';
  }
done:
  mst_block_coder_close(&coder);
  mst_buf_free(&plain);
  return status;
}

/* Two hashes side by side, chained over everything in turn. */
typedef struct digest {
  uint64_t a, b;
} digest;

static void mix(digest *g, const void *data, size_t n) {
  const uint64_t size = n;
  g->a = mst_hash_bytes(&size, sizeof size, g->a);
  g->b = mst_hash_bytes(&size, sizeof size, g->b);
  if (n == 0) return;
  g->a = mst_hash_bytes(data, n, g->a);
  g->b = mst_hash_bytes(data, n, g->b);
}

static mst_status mix_tree(digest *g, const json_t *value, mst_buf *scratch, mst_error *err) {
  mst_buf_clear(scratch);
  mst_status status = mst_json_print(value, scratch, err);
  if (status == MST_OK) mix(g, scratch->data, scratch->size);
  return status;
}

mst_status mst_document_digest(const mst_document *d, char out[33], mst_error *err) {
  mst_status status = MST_OK;
  digest g = {.a = 1, .b = 2};
  uint8_t bytes[16];
  json_t *mine = NULL;
  mst_buf scratch;
  mst_buf_init(&scratch, d->mem, SIZE_MAX / 2);
  mix(&g, d->uuid, strlen(d->uuid));
  mix(&g, d->table, d->table != NULL && d->parts.n > 0 ? strlen(d->table) : 0);
  for (size_t i = 0; i < d->n_keys; i++) mix(&g, d->keys[i], strlen(d->keys[i]));
  for (size_t i = 0; i < d->n_indices; i++) {
    mix(&g, d->indices[i].column, strlen(d->indices[i].column));
    if (d->indices[i].key != NULL) mix(&g, d->indices[i].key, strlen(d->indices[i].key));
    else MST_TRY(mix_tree(&g, d->indices[i].embedded, &scratch, err));
  }
  MST_TRY_ALLOC(mine = json_copy(d->metadata));
  (void)json_object_del(mine, "meseta");
  MST_TRY(mix_tree(&g, mine, &scratch, err));
  mix(&g, d->parts.labels.data, d->parts.labels.size);
  mix(&g, d->parts.odd.data, d->parts.odd.size);
  mix(&g, d->parts.keys.data, d->parts.keys.size);
  mst_put_le64(bytes, g.a);
  mst_put_le64(bytes + 8, g.b);
  mst_hex(bytes, 16, out);
  out[32] = '\0';
done:
  json_decref(mine);
  mst_buf_free(&scratch);
  return status;
}
