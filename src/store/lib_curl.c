/* store/lib_curl.c - finds libcurl at run time and fills the table of its functions. Owns nothing that must be freed:
 * the library is never unloaded, because it and its TLS library leave handlers behind. Calls dlopen and base. */
#include "store/lib_curl.h"

#include <dlfcn.h>

enum { FEATURE_THREADSAFE = 1 << 30 }; /* CURL_VERSION_THREADSAFE, younger than the headers of some builds */

typedef struct symbol {
  const char *name;
  size_t at; /* of the pointer in mst_curl */
} symbol;

static const symbol symbols[] = {
    {"curl_global_init", offsetof(mst_curl, global_init)},
    {"curl_version_info", offsetof(mst_curl, version_info)},
    {"curl_easy_init", offsetof(mst_curl, easy_init)},
    {"curl_easy_cleanup", offsetof(mst_curl, easy_cleanup)},
    {"curl_easy_reset", offsetof(mst_curl, easy_reset)},
    {"curl_easy_setopt", offsetof(mst_curl, easy_setopt)},
    {"curl_easy_getinfo", offsetof(mst_curl, easy_getinfo)},
    {"curl_easy_strerror", offsetof(mst_curl, easy_strerror)},
    {"curl_multi_init", offsetof(mst_curl, multi_init)},
    {"curl_multi_cleanup", offsetof(mst_curl, multi_cleanup)},
    {"curl_multi_setopt", offsetof(mst_curl, multi_setopt)},
    {"curl_multi_add_handle", offsetof(mst_curl, multi_add_handle)},
    {"curl_multi_remove_handle", offsetof(mst_curl, multi_remove_handle)},
    {"curl_multi_perform", offsetof(mst_curl, multi_perform)},
    {"curl_multi_poll", offsetof(mst_curl, multi_poll)},
    {"curl_multi_wakeup", offsetof(mst_curl, multi_wakeup)},
    {"curl_multi_info_read", offsetof(mst_curl, multi_info_read)},
};

static const char *const sonames[] = {"libcurl.so.4", "libcurl-gnutls.so.4", "libcurl.so"};

static mst_status bind_symbols(mst_curl *c, mst_error *err) {
  for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
    void *at = dlsym(c->library, symbols[i].name);
    if (at == NULL)
      return mst_fail(err, MST_E_UNSUPPORTED, "libcurl is too old: it has no %s (7.68 or newer is needed)",
                      symbols[i].name);
    memcpy((char *)c + symbols[i].at, &at, sizeof at);
  }
  return MST_OK;
}

/* Before 7.84 libcurl's own initialisation was not safe in several threads at once, and a process has only one. */
static CURLcode init_once_at_a_time(const mst_curl *c) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  CURLcode code;
  if ((c->version_info(CURLVERSION_NOW)->features & FEATURE_THREADSAFE) != 0)
    return c->global_init(CURL_GLOBAL_DEFAULT);
  pthread_mutex_lock(&lock);
  code = c->global_init(CURL_GLOBAL_DEFAULT);
  pthread_mutex_unlock(&lock);
  return code;
}

mst_status mst_curl_load(mst_curl *out, mst_error *err) {
  mst_curl c = {0};
  mst_status status = MST_OK;
  for (size_t i = 0; i < sizeof sonames / sizeof *sonames && c.library == NULL; i++)
    c.library = dlopen(sonames[i], RTLD_LAZY | RTLD_LOCAL);
  if (c.library == NULL)
    return mst_fail(err, MST_E_UNSUPPORTED, "s3:// and http(s):// need libcurl, which is not installed (no %s)",
                    sonames[0]);
  MST_TRY(bind_symbols(&c, err));
  if (init_once_at_a_time(&c) != CURLE_OK) return mst_fail(err, MST_E_UNSUPPORTED, "libcurl could not be initialised");
  *out = c;
done:
  return status;
}
