/* fuzz/fuzz_url.c - URLs of stores and objects: taken apart, shown without secrets, never read past their end. The line
 * before the first newline is the URL, the one behind it a key below it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/store.h"
#include "store/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void show(const char *url) {
  char out[64];
  for (size_t n = 0; n <= sizeof out; n += 9) {
    mst_url_redact(url, out, n);
    if (n > 0) mst_assert(strlen(out) < n);
  }
  mst_url_redact(url, out, sizeof out);
  /* what is shown holds no more secrets, unless it was cut */
  if (strlen(url) < sizeof out) mst_assert(!mst_url_has_secret(out));
}

static void open_below(const char *url, const char *key) {
  mst_store *s = NULL;
  char name[100];
  if (strncmp(url, "memory://", 9) != 0 || mst_store_open_url(NULL, url, NULL, 0, &s, NULL) != MST_OK) return;
  mst_store_name_key(s, key, name, sizeof name);
  mst_store_unref(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *url = malloc(size + 1);
  memcpy(url, data, size);
  url[size] = '\0';
  char *key = strchr(url, '\n');
  if (key != NULL) *key++ = '\0';
  mst_url parts;
  if (mst_url_parse(NULL, url, &parts, NULL) == MST_OK) {
    mst_assert(parts.host != NULL && parts.key != NULL);
    mst_url_free(&parts);
  }
  show(url);
  open_below(url, key != NULL ? key : "");
  free(url);
  return 0;
}
