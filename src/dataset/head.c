/* dataset/head.c - whole objects and the main file; see state.h. */
#include "dataset/state.h"
#include "fetch/fetch.h"

#define HEAD_FIRST  ((size_t)1 << 20) /* what one request brings along */
#define READ_TRIALS 8                 /* an object that is replaced while it is read is read again */

static mst_status get_once(mst_store *store, const char *key, size_t max, mst_bytes *out, mst_pin *pin, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_object *object = NULL;
  mst_bytes head = {0}, whole = {0};
  uint8_t *into = NULL;
  MST_TRY(mst_object_open(store, key, NULL, MST_OBJECT_UNPINNED, HEAD_FIRST, &head, &object, cancel, err));
  const uint64_t size = mst_object_size(object);
  if (size > max) MST_TRY(mst_fail(err, MST_E_LIMIT, "%.200s: %llu bytes, at most %zu are read", key, (unsigned long long)size, max));
  if (head.size == size) {
    whole = head;
    head = (mst_bytes){0};
  } else {
    if (!mst_pin_known(mst_object_pin(object)))
      MST_TRY(mst_fail(err, MST_E_UNSUPPORTED, "%.200s has no version that could be pinned, so that parts of two might be mixed", key));
    MST_TRY(mst_bytes_new(mst_context_mem(mst_store_context(store)), (size_t)size, &whole, &into, err));
    if (head.size > 0) memcpy(into, head.data, head.size);
    MST_TRY(mst_object_read_into(object, head.size, size - head.size, into + head.size, cancel, err));
  }
  if (pin != NULL) *pin = *mst_object_pin(object);
  *out = whole;
  whole = (mst_bytes){0};
done:
  mst_bytes_release(&whole);
  mst_bytes_release(&head);
  mst_object_unref(object);
  return status;
}

mst_status mst_state_get(mst_store *store, const char *key, size_t max, mst_bytes *out, mst_pin *pin, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_E_CHANGED;
  for (int i = 0; i < READ_TRIALS && status == MST_E_CHANGED; i++) status = get_once(store, key, max, out, pin, cancel, err);
  if (status == MST_OK) mst_error_clear(err);
  return status;
}

mst_status mst_state_head(mst_store *store, const char *uuid, mst_bytes *out, mst_document_form *form, mst_buf *key, mst_pin *pin,
                          mst_cancel *cancel, mst_error *err) {
  const size_t before = key->size;
  mst_status status = mst_key_head(key, uuid, false, err);
  if (status != MST_OK) return status;
  *form = MST_DOCUMENT_JSON;
  status = mst_state_get(store, mst_buf_text(key) + before, MST_DOCUMENT_BYTES_MAX, out, pin, cancel, err);
  if (status != MST_E_NOT_FOUND) return status;
  key->size = before;
  status = mst_key_head(key, uuid, true, err);
  if (status != MST_OK) return status;
  *form = MST_DOCUMENT_MSGPACK;
  status = mst_state_get(store, mst_buf_text(key) + before, MST_DOCUMENT_BYTES_MAX, out, pin, cancel, err);
  if (status != MST_E_NOT_FOUND) return status;
  mst_error_clear(err);
  return mst_fail(err, MST_E_NOT_FOUND, "Dataset does not exist. Tried %.200s%s and %.200s%s in %.200s", uuid, MST_KEY_JSON, uuid,
                  MST_KEY_MSGPACK, mst_store_url(store));
}

