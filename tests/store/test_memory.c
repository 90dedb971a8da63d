/* tests/store/test_memory.c - the conformance suite over memory:// and over each wrapper around it, and what is special
 * there. */
#include "store/conformance.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static mst_store *open_url(mst_context *ctx, const char *url) {
  mst_store *s = NULL;
  mst_error err = {0};
  mst_status status = mst_store_open_url(ctx, url, NULL, 0, &s, &err);
  if (status != MST_OK) print_message("%s: %s\n", url, err.message);
  return status == MST_OK ? s : NULL;
}

static mst_store *open_memory(const mst_conformance *c, mst_context *ctx) {
  static int places;
  char url[64];
  (void)c;
  (void)snprintf(url, sizeof url, "memory://place-%d", ++places);
  return open_url(ctx, url);
}

/* Takes `inner` over. */
static mst_store *wrapped(mst_status status, mst_store *inner, mst_store **outer) {
  mst_store_unref(inner);
  return status == MST_OK ? *outer : NULL;
}

static mst_store *open_trace(const mst_conformance *c, mst_context *ctx) {
  mst_store *inner = open_memory(c, ctx), *s = NULL;
  return wrapped(mst_store_trace(inner, NULL, NULL, &s, NULL), inner, &s);
}

static mst_store *open_fault(const mst_conformance *c, mst_context *ctx) {
  mst_store *inner = open_memory(c, ctx), *s = NULL;
  return wrapped(mst_store_fault(inner, 0, false, MST_E_IO, &s, NULL), inner, &s);
}

static mst_store *open_latency(const mst_conformance *c, mst_context *ctx) {
  mst_store *inner = open_memory(c, ctx), *s = NULL;
  return wrapped(mst_store_latency(inner, 300, 0, &s, NULL), inner, &s);
}

static mst_store *open_limit(const mst_conformance *c, mst_context *ctx) {
  mst_store *inner = open_memory(c, ctx), *s = NULL;
  return wrapped(mst_store_limit(inner, 2, &s, NULL), inner, &s);
}

static mst_store *open_below(const mst_conformance *c, mst_context *ctx) {
  mst_store *inner = open_memory(c, ctx), *s = NULL;
  return wrapped(mst_store_below(inner, "be/low/", &s, NULL), inner, &s);
}

static mst_store *open_tower(const mst_conformance *c, mst_context *ctx) {
  mst_store *a = open_latency(c, ctx), *b = NULL, *d = NULL;
  b = wrapped(mst_store_trace(a, NULL, NULL, &b, NULL), a, &b);
  d = wrapped(mst_store_limit(b, 3, &d, NULL), b, &d);
  return wrapped(mst_store_below(d, "x/", &b, NULL), d, &b);
}

/* ---- what is special --------------------------------------------------------------------------------------------- */

static void a_name_is_one_place_in_the_process(void **state) {
  mst_store *a = open_url(NULL, "memory://shared");
  mst_store *b = open_url(NULL, "memory://shared/");
  mst_store *below = open_url(NULL, "memory://shared/deep");
  mst_store *other = open_url(NULL, "memory://other");
  mst_pin pin;
  (void)state;
  assert_int_equal(conf_put_text(a, "deep/k", "1"), MST_OK);
  assert_int_equal(conf_head(b, "deep/k", &pin, NULL), MST_OK);
  assert_int_equal(conf_head(below, "k", &pin, NULL), MST_OK);
  assert_int_equal(conf_head(other, "deep/k", &pin, NULL), MST_E_NOT_FOUND);
  mst_store_unref(a);
  mst_store_unref(b);
  b = open_url(NULL, "memory://shared");
  assert_int_equal(conf_head(b, "deep/k", &pin, NULL), MST_OK);
  const char *keys[] = {"deep/k"};
  assert_int_equal(conf_delete(b, keys, 1, NULL), MST_OK);
  mst_store_unref(b);
  mst_store_unref(below);
  mst_store_unref(other);
}

static void a_child_after_fork_has_a_copy(void **state) {
  mst_store *s = open_url(NULL, "memory://forked");
  int status = 0;
  (void)state;
  assert_int_equal(conf_put_text(s, "k", "parent"), MST_OK);
  pid_t pid = fork();
  if (pid == 0) {
    bool ok = conf_head(s, "k", NULL, NULL) == MST_OK && conf_put_text(s, "k", "child") == MST_OK;
    _exit(ok ? 0 : 1);
  }
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_int_equal(status, 0);
  char text[16];
  assert_int_equal(conf_get(s, "k", 0, 16, false, NULL, text, NULL, NULL, NULL), MST_OK);
  assert_memory_equal(text, "parent", 6);
  const char *keys[] = {"k"};
  (void)conf_delete(s, keys, 1, NULL);
  mst_store_unref(s);
}

int main(void) {
  static const mst_conformance all[] = {
      {.name = "memory", .flags = MST_CONF_SMALL_PARTS, .open = open_memory},
      {.name = "memory, asynchronous", .flags = MST_CONF_SMALL_PARTS | MST_CONF_ASYNC, .open = open_memory},
      {.name = "trace", .flags = MST_CONF_SMALL_PARTS, .open = open_trace},
      {.name = "trace, asynchronous", .flags = MST_CONF_SMALL_PARTS | MST_CONF_ASYNC, .open = open_trace},
      {.name = "fault", .flags = MST_CONF_SMALL_PARTS | MST_CONF_ASYNC, .open = open_fault},
      {.name = "latency", .flags = MST_CONF_SMALL_PARTS, .open = open_latency},
      {.name = "latency, asynchronous", .flags = MST_CONF_SMALL_PARTS | MST_CONF_ASYNC, .open = open_latency},
      {.name = "limit", .flags = MST_CONF_SMALL_PARTS, .open = open_limit},
      {.name = "limit, asynchronous", .flags = MST_CONF_SMALL_PARTS | MST_CONF_ASYNC, .open = open_limit},
      {.name = "below", .flags = MST_CONF_SMALL_PARTS, .open = open_below},
      {.name = "below, asynchronous", .flags = MST_CONF_SMALL_PARTS | MST_CONF_ASYNC, .open = open_below},
      {.name = "below over limit over trace over latency",
       .flags = MST_CONF_SMALL_PARTS | MST_CONF_ASYNC,
       .open = open_tower},
  };
  static const struct CMUnitTest special[] = {
      cmocka_unit_test(a_name_is_one_place_in_the_process),
      cmocka_unit_test(a_child_after_fork_has_a_copy),
  };
  int failed = mst_conformance_run(all, sizeof all / sizeof *all);
  return failed + cmocka_run_group_tests_name("memory, special", special, NULL, NULL);
}
