/* store/lib_curl.h - libcurl, loaded on first use, so that programs which touch local files only never pay for it.
 * Private to the store module. */
#ifndef MST_STORE_LIB_CURL_H
#define MST_STORE_LIB_CURL_H

/* Through function pointers curl's own type checks cannot work: arguments of setopt must be long, pointer or
 * curl_off_t. */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#include "base/base.h"

/* Options and codes that are younger than the headers of some builds; an old library answers that it knows them not. */
enum { MST_CURLOPT_QUICK_EXIT = CURLOPTTYPE_LONG + 322, MST_CURLOPT_MAXLIFETIME_CONN = CURLOPTTYPE_LONG + 314 };

typedef struct mst_curl {
  void *library;
  CURLcode (*global_init)(long flags);
  curl_version_info_data *(*version_info)(CURLversion age);
  CURL *(*easy_init)(void);
  void (*easy_cleanup)(CURL *easy);
  void (*easy_reset)(CURL *easy);
  CURLcode (*easy_setopt)(CURL *easy, CURLoption option, ...);
  CURLcode (*easy_getinfo)(CURL *easy, CURLINFO info, ...);
  const char *(*easy_strerror)(CURLcode code);
  CURLM *(*multi_init)(void);
  CURLMcode (*multi_cleanup)(CURLM *multi);
  CURLMcode (*multi_setopt)(CURLM *multi, CURLMoption option, ...);
  CURLMcode (*multi_add_handle)(CURLM *multi, CURL *easy);
  CURLMcode (*multi_remove_handle)(CURLM *multi, CURL *easy);
  CURLMcode (*multi_perform)(CURLM *multi, int *running);
  CURLMcode (*multi_poll)(CURLM *multi, struct curl_waitfd *extra, unsigned n_extra, int timeout_ms, int *n_ready);
  CURLMcode (*multi_wakeup)(CURLM *multi);
  CURLMsg *(*multi_info_read)(CURLM *multi, int *left);
} mst_curl;

/* MST_E_UNSUPPORTED, naming the library, when it is not installed or too old. It stays loaded until the process ends.
 */
mst_status mst_curl_load(mst_curl *out, mst_error *err);

#endif
