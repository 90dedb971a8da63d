/* dataset/ours.c - writes and reads objects below `<uuid>.meseta/`. May call: base, codec, store, dataset/key.h,
 * dataset/state.h. */
#include "dataset/ours.h"

#include "codec/codec.h"
#include "dataset/key.h"
#include "dataset/state.h"

static const size_t PACKED_MAX = (size_t)256 << 20, PLAIN_MAX = (size_t)1 << 30;

mst_status mst_put_object(mst_store *store, const char *key, const void *data, size_t n, mst_put_mode mode,
                          const mst_pin *pin, mst_pin *info, mst_cancel *cancel, mst_error *err) {
  mst_op op = mst_op_make(MST_OP_PUT, key);
  op.data = n > 0 ? data : "";
  op.n_data = n;
  op.put_mode = mode;
  op.pin = mode == MST_PUT_IF_MATCH ? pin : NULL;
  op.cancel = cancel;
  mst_status status = mst_store_perform(store, &op, err);
  if (status == MST_OK && info != NULL) *info = op.info;
  return status;
}

bool mst_ours_is_key(const char *key, const char *uuid) {
  const char *why;
  size_t n = strlen(uuid);
  return mst_key_is_safe(key, strlen(key), &why) && strncmp(key, uuid, n) == 0 &&
         mst_text_starts(key + n, MST_KEY_OURS);
}

mst_status mst_ours_put(mst_store *store, const char *uuid, const char *folder, const void *data, size_t n,
                        mst_buf *key, mst_cancel *cancel, mst_error *err) {
  char id[33];
  size_t at = key->size;
  mst_uuid_make(mst_store_context(store), id);
  mst_status status = mst_buf_printf(key, err, "%s%s%s/%s", uuid, MST_KEY_OURS, folder, id);
  if (status != MST_OK) return status;
  return mst_put_object(store, mst_buf_text(key) + at, data, n, MST_PUT_REPLACE, NULL, NULL, cancel, err);
}

mst_status mst_ours_put_json(mst_store *store, const char *uuid, const char *folder, const json_t *value, mst_buf *key,
                             mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  const mst_allocator *mem = mst_context_mem(mst_store_context(store));
  mst_block_coder coder = {.mem = mem};
  uint8_t *packed = NULL;
  mst_buf text;
  mst_buf_init(&text, mem, PLAIN_MAX);
  MST_TRY(mst_json_print(value, &text, err));
  size_t n = mst_block_bound(MST_BLOCK_ZSTD, text.size);
  MST_TRY_ALLOC(packed = mst_alloc(mem, n));
  MST_TRY(mst_block_pack(&coder, MST_BLOCK_ZSTD, 0, text.data, text.size, packed, &n, err));
  MST_TRY(mst_ours_put(store, uuid, folder, packed, n, key, cancel, err));
done:
  mst_block_coder_close(&coder);
  mst_free(mem, packed);
  mst_buf_free(&text);
  return status;
}

static mst_status unpack(const mst_allocator *mem, const mst_bytes *in, uint8_t **out, size_t *n, mst_error *err) {
  mst_status status = MST_OK;
  mst_zstd_head head;
  mst_block_coder coder = {.mem = mem};
  uint8_t *plain = NULL;
  size_t want = 0;
  MST_TRY(mst_zstd_parse(in->data, in->size, &head, &want, err));
  if (want > 0 || head.skippable || head.content == MST_ZSTD_UNKNOWN || head.content > PLAIN_MAX ||
      !mst_block_plausible(MST_BLOCK_ZSTD, in->data, in->size, head.content)) {
    status = mst_fail(err, MST_E_CORRUPT, "this is not one zstd frame that tells its size");
    goto done;
  }
  MST_TRY_ALLOC(plain = mst_alloc(mem, (size_t)head.content + 1));
  MST_TRY(mst_block_unpack(&coder, MST_BLOCK_ZSTD, in->data, in->size, plain, (size_t)head.content, err));
  *out = plain;
  *n = (size_t)head.content;
  plain = NULL;
done:
  mst_block_coder_close(&coder);
  mst_free(mem, plain);
  return status;
}

mst_status mst_ours_get_json(mst_store *store, const char *uuid, const char *key, json_t **out, mst_cancel *cancel,
                             mst_error *err) {
  mst_status status = MST_OK;
  const mst_allocator *mem = mst_context_mem(mst_store_context(store));
  mst_bytes packed = {0};
  mst_pin pin;
  uint8_t *plain = NULL;
  size_t n = 0;
  char name[512];
  if (!mst_ours_is_key(key, uuid))
    return mst_fail(err, MST_E_CORRUPT, "the key '%.200s' lies outside of '%s%s'", key, uuid, MST_KEY_OURS);
  MST_TRY(mst_state_get(store, key, PACKED_MAX, &packed, &pin, cancel, err));
  MST_TRY(unpack(mem, &packed, &plain, &n, err));
  MST_TRY(mst_json_parse(plain, n, PLAIN_MAX, key, out, err));
done:
  mst_free(mem, plain);
  mst_bytes_release(&packed);
  return status == MST_OK ? MST_OK : mst_error_name(err, status, mst_store_name_key(store, key, name, sizeof name));
}
