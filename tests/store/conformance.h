/* tests/store/conformance.h - what every store must do, written once and run over each of them. */
#ifndef MST_TESTS_STORE_CONFORMANCE_H
#define MST_TESTS_STORE_CONFORMANCE_H

#include "support/support.h"

#include "store/store.h"

enum {
  MST_CONF_ASYNC = 1,      /* operations go by mst_store_start                     */
  MST_CONF_SMALL_PARTS = 2, /* parts of an upload may have any size                 */
  MST_CONF_LAX_CLOSE = 4   /* closing an upload ignores If-Match (moto)            */
};

/* A way to a fresh, empty place. */
typedef struct mst_conformance {
  const char *name;
  uint32_t flags;
  /* Each call gives a place that no other call gave; closed by mst_store_unref. */
  mst_store *(*open)(const struct mst_conformance *c, mst_context *ctx);
  void *arg;
} mst_conformance;

/* Runs the suite over each; the sum of failures. */
int mst_conformance_run(const mst_conformance *all, size_t n);

/* One operation, for other tests, too. `err` may be NULL. */
mst_status conf_put(mst_store *s, const char *key, const void *data, size_t n, mst_put_mode mode, const char *etag,
                    mst_pin *info, mst_error *err);
mst_status conf_put_text(mst_store *s, const char *key, const char *text);
mst_status conf_head(mst_store *s, const char *key, mst_pin *info, mst_error *err);
/* At most `n` bytes into `into`; `*got` of them. */
mst_status conf_get(mst_store *s, const char *key, uint64_t offset, uint64_t n, bool from_end, const mst_pin *pin,
                    void *into, uint64_t *got, mst_pin *info, mst_error *err);
mst_status conf_delete(mst_store *s, const char *const *keys, size_t n, mst_error *err);
/* Joined by '\n', in order; freed by the caller. NULL when the listing failed. */
char *conf_list(mst_store *s, const char *prefix, const char *delimiter, uint32_t page_max, mst_status *status);

#endif
