/* store/schemes.c - from a URL to a store and a key: one row for each kind of store, and how a folder's path is cut
 * into root and key. May call: base, the stores. */
#include "store/schemes.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct scheme_row {
  mst_scheme scheme;
  uint32_t options; /* MST_FOR_… */
  mst_scheme_open_fn open;
} scheme_row;

static const scheme_row rows[] = {
    {MST_SCHEME_FILE, MST_FOR_FILE, mst_file_open},  {MST_SCHEME_MEMORY, MST_FOR_MEMORY, mst_memory_open},
    {MST_SCHEME_S3, MST_FOR_S3, mst_s3_open},        {MST_SCHEME_HTTP, MST_FOR_HTTP, mst_http_open},
    {MST_SCHEME_HTTPS, MST_FOR_HTTP, mst_http_open},
};

static const scheme_row *find_row(mst_scheme scheme) {
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
    if (rows[i].scheme == scheme) return &rows[i];
  return NULL;
}

/* ---- paths ------------------------------------------------------------------------------------------------------- */

static mst_status put_working_folder(mst_buf *out, mst_error *err) {
  char cwd[4096];
  if (getcwd(cwd, sizeof cwd) == NULL) return mst_fail(err, MST_E_IO, "the working folder cannot be told");
  return mst_buf_put_text(out, cwd, err);
}

/* Whether the next element is exactly `dots`. */
static bool element_is(const char *path, const char *dots) {
  size_t n = strcspn(path, "/");
  return n == strlen(dots) && strncmp(path, dots, n) == 0;
}

/* "a/../b" is not "b" where "a" is a link: the file system is asked, and what it does not know is left as it is. */
static mst_status resolve(mst_buf *out, mst_error *err) {
  char real[PATH_MAX];
  if (realpath(mst_buf_text(out), real) == NULL) return MST_OK;
  mst_buf_clear(out);
  return mst_buf_put_text(out, real, err);
}

/* An absolute path without empty elements and ".", ending without '/' (the root folder is ""). */
static mst_status absolute(const char *path, mst_buf *out, mst_error *err) {
  mst_status status = MST_OK;
  bool climbs = false;
  if (path[0] != '/') MST_TRY(put_working_folder(out, err));
  if (out->size == 1) mst_buf_clear(out); /* "/" */
  while (*path != '\0') {
    size_t n = strcspn(path, "/");
    if (n > 0 && !element_is(path, ".")) {
      climbs = climbs || element_is(path, "..");
      MST_TRY(mst_buf_put_byte(out, '/', err));
      MST_TRY(mst_buf_put(out, path, n, err));
    }
    path += n + (path[n] == '/');
  }
  if (climbs) MST_TRY(resolve(out, err));
done:
  return status;
}

/* Bytes of `path` that name the store's folder: up to the last '/' before a glob's characters. */
static size_t folder_length(const char *path) {
  size_t plain = strcspn(path, "*?[");
  while (plain > 0 && path[plain - 1] != '/') plain--;
  return plain;
}

/* Where "name/" is a key's own ending it stays; doubled slashes are refused by the store itself. */
static mst_status cut_path(mst_url *u, char **key, mst_error *err) {
  mst_status status = MST_OK;
  mst_buf root;
  mst_buf_init(&root, u->mem, 1 << 16);
  size_t n = folder_length(u->key);
  const char *rest = u->key + n;
  /* "." and ".." name folders even without a '/' behind */
  if (element_is(rest, ".") || element_is(rest, "..")) {
    n += strlen(rest);
    rest = "";
  }
  char *folder = mst_text_copy_n(u->mem, u->key, n);
  MST_TRY_ALLOC(folder);
  MST_TRY(absolute(folder, &root, err));
  MST_TRY(mst_buf_put_text(&root, "/", err));
  *key = mst_text_copy(u->mem, rest);
  MST_TRY_ALLOC(*key);
  mst_free(u->mem, u->key);
  u->key = mst_text_copy(u->mem, mst_buf_text(&root));
  MST_TRY_ALLOC(u->key);
done:
  mst_free(u->mem, folder);
  mst_buf_free(&root);
  return status;
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static mst_status http_key(const mst_url *u, char **key, mst_error *err) {
  mst_status status = MST_OK;
  mst_buf text;
  mst_buf_init(&text, u->mem, 1 << 20);
  MST_TRY(mst_buf_put_text(&text, u->key, err));
  if (u->query != NULL) MST_TRY(mst_buf_printf(&text, err, "?%s", u->query));
  *key = mst_text_copy(u->mem, mst_buf_text(&text));
  MST_TRY_ALLOC(*key);
done:
  mst_buf_free(&text);
  return status;
}

static mst_status take_key(mst_url *u, char **key, mst_error *err) {
  if (u->scheme == MST_SCHEME_FILE) return cut_path(u, key, err);
  if (u->scheme == MST_SCHEME_HTTP || u->scheme == MST_SCHEME_HTTPS) return http_key(u, key, err);
  *key = mst_text_copy(u->mem, u->key);
  return *key != NULL ? MST_OK : mst_fail_memory(err);
}

static mst_status open_location(mst_context *ctx, const char *text, const json_t *slice, const mst_pair *config,
                                size_t n_config, mst_location *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_url url = {0};
  mst_settings *settings = NULL;
  mst_location l = {0};
  MST_TRY(mst_context_resolve(ctx, &ctx, err));
  l.mem = mst_context_mem(ctx);
  MST_TRY(mst_url_parse(l.mem, text, &url, err));
  const scheme_row *row = find_row(url.scheme);
  if (row == NULL) {
    status = mst_fail(err, MST_E_UNSUPPORTED,
                      "%s:// stores are not supported by this build (supported: file, memory, s3, http, https)",
                      mst_scheme_name(url.scheme));
    goto done;
  }
  MST_TRY(mst_settings_make(ctx, row->options, config, n_config, slice, &settings, err));
  MST_TRY(take_key(&url, &l.key, err));
  l.is_prefix = l.key[0] == '\0' || mst_text_ends(l.key, "/");
  MST_TRY(row->open(ctx, &url, settings, &l.store, err));
  *out = l;
  l = (mst_location){0};
done:
  mst_settings_unref(settings);
  mst_url_free(&url);
  mst_location_close(&l);
  return status;
}

mst_status mst_location_open(mst_context *ctx, const char *url, const mst_pair *config, size_t n_config,
                             mst_location *out, mst_error *err) {
  return open_location(ctx, url, NULL, config, n_config, out, err);
}

mst_status mst_location_open_from_slice(mst_context *ctx, const char *url, const json_t *settings,
                                        const mst_pair *config, size_t n_config, mst_location *out, mst_error *err) {
  char shown[200];
  if (mst_url_has_secret(url)) return mst_fail(err, MST_E_CORRUPT, "the slice's URL carries userinfo or a query");
  if (strstr(url, "://") == NULL)
    return mst_fail(err, MST_E_CORRUPT, "the slice's URL '%s' is not absolute",
                    mst_url_redact(url, shown, sizeof shown));
  json_t *none = settings == NULL ? json_object() : NULL;
  if (settings == NULL && none == NULL) return mst_fail_memory(err);
  mst_status status = open_location(ctx, url, settings != NULL ? settings : none, config, n_config, out, err);
  json_decref(none);
  return status;
}

void mst_location_close(mst_location *l) {
  if (l == NULL) return;
  const mst_allocator *mem = l->mem;
  mst_free(mem, l->key); /* first: the allocator lives in the context that the store holds */
  mst_store_unref(l->store);
  *l = (mst_location){0};
}

/* ---- stores for callers: keys are relative to the URL ------------------------------------------------------------ */

static mst_status prefix_of(const mst_location *l, mst_buf *out, mst_error *err) {
  mst_status status = mst_buf_put_text(out, l->key, err);
  if (status == MST_OK && !l->is_prefix) status = mst_buf_put_byte(out, '/', err);
  return status;
}

/* A folder's store stands on the whole path, whatever glob characters it holds. */
static mst_status open_folder(mst_context *ctx, const char *text, const mst_pair *config, size_t n_config,
                              mst_store **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_url url = {0};
  mst_settings *settings = NULL;
  mst_buf root;
  mst_buf_init(&root, mst_context_mem(ctx), 1 << 16);
  MST_TRY(mst_settings_make(ctx, MST_FOR_FILE, config, n_config, NULL, &settings, err));
  MST_TRY(mst_url_parse(mst_context_mem(ctx), text, &url, err));
  MST_TRY(absolute(url.key, &root, err));
  MST_TRY(mst_buf_put_byte(&root, '/', err));
  mst_free(url.mem, url.key);
  url.key = mst_text_copy(url.mem, mst_buf_text(&root));
  MST_TRY_ALLOC(url.key);
  MST_TRY(mst_file_open(ctx, &url, settings, out, err));
done:
  mst_settings_unref(settings);
  mst_url_free(&url);
  mst_buf_free(&root);
  return status;
}

mst_status mst_store_open_url(mst_context *ctx, const char *url, const mst_pair *config, size_t n_config,
                              mst_store **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_location l = {0};
  mst_url parts = {0};
  mst_buf prefix;
  MST_TRY(mst_context_resolve(ctx, &ctx, err));
  mst_buf_init(&prefix, mst_context_mem(ctx), 1 << 16);
  MST_TRY(mst_url_parse(mst_context_mem(ctx), url, &parts, err));
  bool is_folder = parts.scheme == MST_SCHEME_FILE;
  bool has_query = parts.query != NULL;
  mst_url_free(&parts);
  if (is_folder) return open_folder(ctx, url, config, n_config, out, err);
  if (has_query) return mst_fail(err, MST_E_ARGUMENT, "the URL of a store has no query; open the object itself");
  MST_TRY(mst_location_open(ctx, url, config, n_config, &l, err));
  if (l.key[0] == '\0') {
    *out = mst_store_ref(l.store);
    goto done;
  }
  MST_TRY(prefix_of(&l, &prefix, err));
  MST_TRY(mst_store_below(l.store, mst_buf_text(&prefix), out, err));
done:
  mst_buf_free(&prefix);
  mst_location_close(&l);
  return status;
}
