/* api/object.c - the public calls of meseta/object.h: whole objects by URL, over store and fetch. */
#include <meseta/object.h>

#include "fetch/fetch.h"
#include "store/store.h"

#define NEEDS(condition, what) \
  if (!(condition)) return mst_fail(err, MST_E_ARGUMENT, "%s: %s must not be NULL", __func__, what)
#define REMOVE_BATCH 1000

/* ---- finding ---- */

typedef struct finder {
  const mst_location *at;
  const char *pattern; /* NULL: no glob */
  uint32_t flags;
  mst_find_fn each;
  void *arg;
  size_t base; /* bytes of a key in front of what is below the place searched */
  mst_buf url;
} finder;

static bool is_side_car(const char *key) {
  static const char *const endings[] = {".meseta", ".fai", ".gzi", ".tbi", ".csi"};
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
    if (mst_text_ends(key, endings[i])) return true;
  return false;
}

static mst_status found(void *arg, const mst_object_info *info, mst_error *err) {
  finder *f = arg;
  if (f->pattern != NULL && (info->is_prefix || !mst_glob_match(f->pattern, info->key))) return MST_OK;
  if ((f->flags & MST_FIND_SOURCES) != 0 && is_side_car(info->key)) return MST_OK;
  mst_buf_clear(&f->url);
  mst_status status = mst_buf_printf(&f->url, err, "%s/%s", mst_store_url(f->at->store), info->key);
  return status == MST_OK ? f->each(f->arg, mst_buf_text(&f->url), info->key + f->base, info, err) : status;
}

static size_t glob_at(const char *key) { return strcspn(key, "*?["); }

/* The length of the folder part of the first n bytes. */
static size_t folder_of(const char *key, size_t n) {
  while (n > 0 && key[n - 1] != '/') n--;
  return n;
}

static mst_status find_one(finder *f, mst_cancel *cancel, mst_error *err) {
  mst_object_info info = {0};
  char etag[168];
  mst_status status = mst_store_head(f->at->store, f->at->key, &info, etag, cancel, err);
  if (status != MST_OK) return status;
  info.key = f->at->key;
  f->base = folder_of(info.key, strlen(info.key));
  info.etag = etag;
  return found(f, &info, err);
}

static mst_status find_many(finder *f, mst_cancel *cancel, mst_error *err) {
  const size_t literal = glob_at(f->at->key);
  const bool glob = f->at->key[literal] != '\0';
  char *prefix = mst_text_copy_n(f->at->mem, f->at->key, literal);
  if (prefix == NULL) return mst_fail_memory(err);
  f->pattern = glob ? f->at->key : NULL;
  f->base = folder_of(f->at->key, literal);
  const bool deep = glob || (f->flags & MST_FIND_RECURSIVE) != 0;
  mst_status status = mst_store_list(f->at->store, prefix, deep ? NULL : "/", found, f, cancel, err);
  mst_free(f->at->mem, prefix);
  return status;
}

/* A local file whose name holds a glob's characters is meant by that name. */
static bool is_literal(const finder *f, mst_cancel *cancel) {
  mst_object_info info = {0};
  char etag[168];
  if (strncmp(mst_store_url(f->at->store), "file:", 5) != 0) return false;
  return mst_store_head(f->at->store, f->at->key, &info, etag, cancel, NULL) == MST_OK;
}

mst_status mst_find(mst_context *ctx, const char *url, const mst_pair *config, size_t n_config, uint32_t flags,
                    mst_find_fn each, void *arg, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_location at = {0};
  mst_error_clear(err);
  NEEDS(url != NULL && each != NULL, "url and each");
  if ((ctx = mst_context_or_default(ctx)) == NULL) return mst_fail_memory(err);
  finder f = {.at = &at, .flags = flags, .each = each, .arg = arg};
  mst_buf_init(&f.url, mst_context_mem(ctx), 1 << 20);
  MST_TRY(mst_location_open(ctx, url, config, n_config, &at, err));
  const bool glob = !at.is_prefix && at.key[glob_at(at.key)] != '\0' && !is_literal(&f, cancel);
  MST_TRY(at.is_prefix || glob ? find_many(&f, cancel, err) : find_one(&f, cancel, err));
done:
  mst_buf_free(&f.url);
  mst_location_close(&at);
  return status;
}

/* ---- reading and copying ---- */

static mst_status open_object(mst_context *ctx, const char *url, const mst_pair *config, size_t n_config,
                              mst_object **out, mst_bytes *head, mst_cancel *cancel, mst_error *err) {
  mst_location at = {0};
  mst_status status = mst_location_open(ctx, url, config, n_config, &at, err);
  if (status == MST_OK && at.is_prefix)
    status =
        mst_fail(err, MST_E_ARGUMENT, "%.200s names a folder, not an object", mst_url_redact(url, (char[256]){0}, 256));
  if (status == MST_OK)
    status = mst_object_open(at.store, at.key, NULL, MST_OBJECT_UNPINNED, (size_t)1 << 20, head, out, cancel, err);
  mst_location_close(&at);
  return status;
}

static mst_status pour(mst_object *o, mst_bytes *head, mst_write_fn write, void *arg, mst_cancel *cancel,
                       mst_error *err) {
  mst_status status = MST_OK;
  mst_readahead *ahead = NULL;
  mst_bytes chunk = {0};
  if (head->size > 0) MST_TRY(write(arg, head->data, head->size, err));
  if (head->size == mst_object_size(o)) goto done;
  MST_TRY(mst_readahead_open(o, head->size, mst_object_size(o), NULL, &ahead, err));
  for (;;) {
    MST_TRY(mst_readahead_next(ahead, &chunk, cancel, err));
    if (chunk.size == 0) break;
    MST_TRY(write(arg, chunk.data, chunk.size, err));
    mst_bytes_release(&chunk);
  }
done:
  mst_bytes_release(&chunk);
  mst_readahead_close(ahead);
  return status;
}

mst_status mst_object_cat(mst_context *ctx, const char *url, const mst_pair *config, size_t n_config,
                          mst_write_fn write, void *arg, mst_cancel *cancel, mst_error *err) {
  mst_object *o = NULL;
  mst_bytes head = {0};
  mst_error_clear(err);
  NEEDS(url != NULL && write != NULL, "url and write");
  if ((ctx = mst_context_or_default(ctx)) == NULL) return mst_fail_memory(err);
  mst_status status = open_object(ctx, url, config, n_config, &o, &head, cancel, err);
  if (status == MST_OK) status = pour(o, &head, write, arg, cancel, err);
  if (status != MST_OK && o != NULL) mst_error_name(err, status, mst_object_url(o));
  mst_bytes_release(&head);
  mst_object_unref(o);
  return status;
}

static mst_status put_upload(void *arg, const void *data, size_t size, mst_error *err) {
  return mst_upload_put(arg, data, size, err);
}

mst_status mst_object_copy(mst_context *ctx, const char *from, const mst_pair *from_config, size_t n_from,
                           const char *to, const mst_pair *to_config, size_t n_to, mst_put_mode mode,
                           mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_object *o = NULL;
  mst_bytes head = {0};
  mst_location at = {0};
  mst_upload *upload = NULL;
  mst_error_clear(err);
  NEEDS(from != NULL && to != NULL, "from and to");
  if (mode == MST_PUT_IF_MATCH) return mst_fail(err, MST_E_ARGUMENT, "mst_object_copy replaces or creates");
  if ((ctx = mst_context_or_default(ctx)) == NULL) return mst_fail_memory(err);
  MST_TRY(open_object(ctx, from, from_config, n_from, &o, &head, cancel, err));
  MST_TRY(mst_location_open(ctx, to, to_config, n_to, &at, err));
  if (at.is_prefix) {
    status =
        mst_fail(err, MST_E_ARGUMENT, "%.200s names a folder, not an object", mst_url_redact(to, (char[256]){0}, 256));
    goto done;
  }
  MST_TRY(mst_upload_open(at.store, at.key, &upload, cancel, err));
  MST_TRY(pour(o, &head, put_upload, upload, cancel, err));
  MST_TRY(mst_object_check(o, cancel, err));
  MST_TRY(mst_upload_close(upload, mode, NULL, NULL, err));
done:
  if (status != MST_OK && o != NULL) mst_while(err, status, "copying %s", mst_object_url(o));
  mst_upload_free(upload);
  mst_location_close(&at);
  mst_bytes_release(&head);
  mst_object_unref(o);
  return status;
}

/* ---- removing ---- */

/* Neighbours in one store go together, as stores take them. */
mst_status mst_object_remove(mst_context *ctx, const char *const *urls, size_t n, const mst_pair *config,
                             size_t n_config, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_location at[REMOVE_BATCH];
  const char *keys[REMOVE_BATCH];
  size_t held = 0;
  mst_error_clear(err);
  NEEDS(urls != NULL || n == 0, "urls");
  if ((ctx = mst_context_or_default(ctx)) == NULL) return mst_fail_memory(err);
  for (size_t i = 0; i <= n && status == MST_OK; i++) {
    mst_location next = {0};
    if (i < n) status = mst_location_open(ctx, urls[i], config, n_config, &next, err);
    const bool same =
        held > 0 && next.store != NULL && mst_text_equal(mst_store_url(next.store), mst_store_url(at[0].store));
    if (status == MST_OK && held > 0 && (!same || held == REMOVE_BATCH)) {
      status = mst_store_delete(at[0].store, keys, held, cancel, err);
      for (size_t k = 0; k < held; k++) mst_location_close(&at[k]);
      held = 0;
    }
    if (next.store == NULL) continue;
    at[held] = next;
    keys[held] = at[held].key;
    held++;
  }
  for (size_t k = 0; k < held; k++) mst_location_close(&at[k]);
  return status;
}
