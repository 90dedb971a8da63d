/* api/store.c - the public calls of meseta/store.h and the shared ones of meseta/extend.h: arguments are checked here,
 * the work is done in store and fetch. */
#include <meseta/extend.h>
#include <meseta/store.h>

#include <stdarg.h>

#include "fetch/fetch.h"
#include "store/store.h"

#define NEEDS(condition, what) \
  if (!(condition)) return mst_fail(err, MST_E_ARGUMENT, "%s: %s must not be NULL", __func__, what)

enum { ETAG_SIZE = 168, PROBE = 1 << 20, FIRST_MOST = 8 << 20, ONE_PUT_MOST = 64 << 20, DELETE_BATCH = 1000 };

mst_status mst_error_set(mst_error *err, mst_status status, const char *format, ...) {
  va_list args;
  va_start(args, format);
  status = mst_fail_v(err, status, format, args);
  va_end(args);
  return status;
}

mst_status mst_store_open(mst_context *ctx, const char *url, const mst_pair *config, size_t n_config, mst_store **out,
                          mst_error *err) {
  mst_error_clear(err);
  NEEDS(url != NULL && out != NULL, "url and out");
  NEEDS(config != NULL || n_config == 0, "config");
  return mst_store_open_url(ctx, url, config, n_config, out, err);
}

/* ---- looking ----------------------------------------------------------------------------------------------------- */

mst_status mst_store_list(mst_store *s, const char *prefix, const char *delimiter, mst_list_fn each, void *arg,
                          mst_cancel *cancel, mst_error *err) {
  mst_error_clear(err);
  NEEDS(s != NULL && each != NULL, "s and each");
  if (delimiter != NULL && delimiter[0] == '\0') delimiter = NULL;
  return mst_list_run(s, prefix != NULL ? prefix : "", delimiter, each, arg, cancel, err);
}

mst_status mst_store_head(mst_store *s, const char *key, mst_object_info *out, char etag[ETAG_SIZE], mst_cancel *cancel,
                          mst_error *err) {
  mst_error_clear(err);
  NEEDS(s != NULL && key != NULL && out != NULL, "s, key and out");
  mst_op op = mst_op_make(MST_OP_HEAD, key);
  op.cancel = cancel;
  mst_status status = mst_store_perform(s, &op, err);
  if (status != MST_OK) return status;
  if (etag != NULL) memcpy(etag, op.info.etag, ETAG_SIZE);
  *out = (mst_object_info){
      .key = key, .size = op.info.size, .modified_us = op.info.modified_ns / 1000, .etag = etag != NULL ? etag : ""};
  return MST_OK;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* How large the object is, is known only when the first bytes are there: then room for the rest is made, and no sooner.
 */
static mst_status get_rest(mst_store *s, const mst_op *first, const mst_bytes *head, uint64_t rest, mst_bytes *out,
                           mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_object *o = NULL;
  mst_bytes all = {0};
  uint8_t *into = NULL;
  if (rest > SIZE_MAX - head->size) return mst_fail_memory(err);
  MST_TRY(mst_object_open(s, first->key, &first->info, MST_OBJECT_UNPINNED, 0, NULL, &o, cancel, err));
  MST_TRY(mst_bytes_new(mst_context_mem(mst_store_context(s)), head->size + (size_t)rest, &all, &into, err));
  memcpy(into, head->data, head->size);
  MST_TRY(mst_object_read_into(o, first->offset + head->size, rest, into + head->size, cancel, err));
  *out = all;
  all = (mst_bytes){0};
done:
  mst_bytes_release(&all);
  mst_object_unref(o);
  return status;
}

static mst_status get_first(mst_store *s, mst_op *op, mst_bytes *out, mst_error *err) {
  mst_bytes all = {0};
  const mst_allocator *mem = mst_context_mem(mst_store_context(s));
  mst_status status = mst_bytes_new(mem, (size_t)op->size, &all, &op->into, err);
  if (status == MST_OK) status = mst_store_perform(s, op, err);
  /* a small object does not keep a large block */
  if (status == MST_OK && op->got < op->size / 2) status = mst_bytes_copy(mem, all.data, (size_t)op->got, out, err);
  else if (status == MST_OK) *out = mst_bytes_part(&all, 0, (size_t)op->got);
  mst_bytes_release(&all);
  return status;
}

mst_status mst_store_get(mst_store *s, const char *key, uint64_t offset, uint64_t size, mst_bytes *out,
                         mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_bytes head = {0};
  mst_error_clear(err);
  NEEDS(s != NULL && key != NULL && out != NULL, "s, key and out");
  size = mst_min_u64(size, UINT64_MAX - offset);
  mst_op op = mst_op_make(size == 0 ? MST_OP_HEAD : MST_OP_GET, key);
  op.cancel = cancel;
  op.offset = offset;
  op.size = size <= FIRST_MOST ? size : PROBE;
  if (size == 0) MST_TRY(mst_store_perform(s, &op, err));
  else MST_TRY(get_first(s, &op, &head, err));
  uint64_t wanted = offset < op.info.size ? mst_min_u64(size, op.info.size - offset) : 0;
  if (wanted > head.size) MST_TRY(get_rest(s, &op, &head, wanted - head.size, out, cancel, err));
  else *out = mst_bytes_share(&head);
done:
  mst_bytes_release(&head);
  return status;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static mst_status take_etag(mst_put_mode mode, const char *etag, mst_pin *pin, mst_error *err) {
  *pin = (mst_pin){0};
  if ((unsigned)mode > MST_PUT_IF_MATCH) return mst_fail(err, MST_E_ARGUMENT, "there is no mode %d", (int)mode);
  if (mode != MST_PUT_IF_MATCH) return MST_OK;
  if (etag == NULL || etag[0] == '\0' || strlen(etag) >= sizeof pin->etag)
    return mst_fail(err, MST_E_ARGUMENT, "MST_PUT_IF_MATCH needs the ETag of the version that may be replaced");
  memcpy(pin->etag, etag, strlen(etag) + 1);
  return MST_OK;
}

static mst_status put_in_parts(mst_store *s, const mst_op *put, mst_pin *info, mst_error *err) {
  mst_upload *u = NULL;
  mst_status status = MST_OK;
  MST_TRY(mst_upload_begin(s, put->key, put->cancel, &u, err));
  MST_TRY(mst_upload_write(u, put->data, put->n_data, err));
  MST_TRY(mst_upload_finish(u, put->put_mode, put->pin, info, err));
done:
  mst_upload_end(u);
  return status;
}

mst_status mst_store_put(mst_store *s, const char *key, const void *data, size_t size, mst_put_mode mode,
                         const char *etag, char new_etag[ETAG_SIZE], mst_cancel *cancel, mst_error *err) {
  mst_pin pin;
  mst_error_clear(err);
  NEEDS(s != NULL && key != NULL, "s and key");
  NEEDS(data != NULL || size == 0, "data");
  mst_status status = take_etag(mode, etag, &pin, err);
  if (status != MST_OK) return status;
  mst_op op = mst_op_make(MST_OP_PUT, key);
  op.cancel = cancel;
  op.data = size > 0 ? data : "";
  op.n_data = size;
  op.put_mode = mode;
  op.pin = mode == MST_PUT_IF_MATCH ? &pin : NULL;
  bool whole = size <= ONE_PUT_MOST || (mst_store_flags(s) & MST_STORE_LOCAL) != 0;
  status = whole ? mst_store_perform(s, &op, err) : put_in_parts(s, &op, &op.info, err);
  if (status == MST_OK && new_etag != NULL) memcpy(new_etag, op.info.etag, ETAG_SIZE);
  return status;
}

mst_status mst_store_delete(mst_store *s, const char *const *keys, size_t n, mst_cancel *cancel, mst_error *err) {
  mst_error_clear(err);
  NEEDS(s != NULL, "s");
  NEEDS(keys != NULL || n == 0, "keys");
  for (size_t at = 0; at < n; at += DELETE_BATCH) {
    mst_op op = mst_op_make(MST_OP_DELETE, NULL);
    op.cancel = cancel;
    op.keys = keys + at;
    op.n_keys = mst_min_size(n - at, DELETE_BATCH);
    mst_status status = mst_store_perform(s, &op, err);
    if (status != MST_OK) return status;
  }
  return MST_OK;
}

/* ---- uploads ----------------------------------------------------------------------------------------------------- */

mst_status mst_upload_open(mst_store *s, const char *key, mst_upload **out, mst_cancel *cancel, mst_error *err) {
  mst_error_clear(err);
  NEEDS(s != NULL && key != NULL && out != NULL, "s, key and out");
  if (key[0] == '\0') return mst_fail(err, MST_E_ARGUMENT, "the object's key is empty");
  if ((mst_store_flags(s) & MST_STORE_READ_ONLY) != 0)
    return mst_fail(err, MST_E_UNSUPPORTED, "this store is read-only");
  return mst_upload_begin(s, key, cancel, out, err);
}

mst_status mst_upload_put(mst_upload *u, const void *data, size_t size, mst_error *err) {
  mst_error_clear(err);
  NEEDS(u != NULL, "u");
  NEEDS(data != NULL || size == 0, "data");
  return mst_upload_write(u, data, size, err);
}

mst_status mst_upload_close(mst_upload *u, mst_put_mode mode, const char *etag, char new_etag[ETAG_SIZE],
                            mst_error *err) {
  mst_pin pin;
  mst_pin info;
  mst_error_clear(err);
  NEEDS(u != NULL, "u");
  mst_status status = take_etag(mode, etag, &pin, err);
  if (status == MST_OK) status = mst_upload_finish(u, mode, mode == MST_PUT_IF_MATCH ? &pin : NULL, &info, err);
  if (status == MST_OK && new_etag != NULL) memcpy(new_etag, info.etag, ETAG_SIZE);
  return status;
}

void mst_upload_free(mst_upload *u) { mst_upload_end(u); }
