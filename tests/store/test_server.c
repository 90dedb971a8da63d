/* tests/store/test_server.c - the conformance suite over the store that MESETA_TEST_STORE names, by operations that
 * wait and by asynchronous ones. tests/store/run_servers.py starts servers and runs it; alone it says what is missing
 * and passes. */
#include "store/conformance.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Keys of a run lie below a prefix of its own: a server may be used by several, and twice. */
static mst_store *open_place(const mst_conformance *c, mst_context *ctx) {
  static int places;
  const char *url = c->arg;
  char prefix[96];
  mst_store *bucket = NULL, *place = NULL;
  mst_error err = {0};
  mst_status status = mst_store_open_url(ctx, url, NULL, 0, &bucket, &err);
  (void)snprintf(prefix, sizeof prefix, "t%lx-%d/%d/", (unsigned long)time(NULL), (int)getpid(), ++places);
  if (status == MST_OK) status = mst_store_below(bucket, prefix, &place, &err);
  mst_store_unref(bucket);
  if (status != MST_OK) print_message("%s: %s\n", url, err.message);
  return place;
}

int main(void) {
  char *url = getenv("MESETA_TEST_STORE");
  const uint32_t lax = getenv("MESETA_TEST_LAX_CLOSE") != NULL ? MST_CONF_LAX_CLOSE : 0;
  const mst_conformance all[] = {
      {.name = "server", .flags = lax, .open = open_place, .arg = url},
      {.name = "server, asynchronous", .flags = lax | MST_CONF_ASYNC, .open = open_place, .arg = url}};
  if (url == NULL) {
    print_message("skipped: MESETA_TEST_STORE names no store (run_servers.py sets it)\n");
    return 77;
  }
  return mst_conformance_run(all, sizeof all / sizeof all[0]);
}
