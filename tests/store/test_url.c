/* tests/store/test_url.c - the conformance suite over a place of the user's choice: MESETA_TEST_STORE_URL, such as
 * s3://bucket, with whatever the environment says about endpoint and credentials. run_servers.py starts servers for it.
 */
#include "store/conformance.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static mst_store *open_place(const mst_conformance *c, mst_context *ctx) {
  static int places;
  char url[1024];
  mst_store *s = NULL;
  mst_error err = {0};
  (void)snprintf(url, sizeof url, "%s/conformance-%ld-%d-%d", (const char *)c->arg, (long)time(NULL), (int)getpid(),
                 ++places);
  mst_status status = mst_store_open_url(ctx, url, NULL, 0, &s, &err);
  if (status != MST_OK) print_message("%s: %s\n", url, err.message);
  return status == MST_OK ? s : NULL;
}

int main(void) {
  char *url = getenv("MESETA_TEST_STORE_URL");
  if (url == NULL || url[0] == '\0') {
    printf("skipped: MESETA_TEST_STORE_URL names no store\n");
    return 77;
  }
  const uint32_t lax = getenv("MESETA_TEST_LAX_CLOSE") != NULL ? MST_CONF_LAX_CLOSE : 0;
  const mst_conformance all[] = {
      {.name = "store of MESETA_TEST_STORE_URL", .flags = lax, .open = open_place, .arg = url},
      {.name = "store of MESETA_TEST_STORE_URL, asynchronous",
       .flags = lax | MST_CONF_ASYNC,
       .open = open_place,
       .arg = url},
  };
  return mst_conformance_run(all, 2);
}
