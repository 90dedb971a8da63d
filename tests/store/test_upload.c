/* tests/store/test_upload.c - objects from streams: parts in flight within the budget, and whatever fails leaves
 * nothing. */
#include "store/conformance.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LARGE = 40 << 20 };

static mst_context *context_of(uint64_t memory, uint32_t threads, const mst_allocator *allocator) {
  mst_context_options options = MST_CONTEXT_OPTIONS_INIT;
  mst_context *ctx = NULL;
  options.memory_bytes_max = memory;
  options.cpu_threads = threads;
  options.allocator = allocator;
  assert_int_equal(mst_context_open(&options, &ctx, NULL), MST_OK);
  return ctx;
}

static mst_store *open_memory(mst_context *ctx) {
  static int places;
  char url[64];
  mst_store *s = NULL;
  (void)snprintf(url, sizeof url, "memory://upload-%d", ++places);
  assert_int_equal(mst_store_open_url(ctx, url, NULL, 0, &s, NULL), MST_OK);
  return s;
}

static mst_store *far_over(mst_store *inner, uint64_t us) {
  mst_store *s = NULL;
  assert_int_equal(mst_store_latency(inner, us, 0, &s, NULL), MST_OK);
  return s;
}

static void forget(mst_store *s) {
  static const char *const keys[] = {"k"};
  (void)conf_delete(s, keys, 1, NULL);
}

/* Writes `size` bytes in odd pieces. */
static mst_status stream(mst_store *s, size_t size, mst_put_mode mode, const mst_pin *pin, mst_cancel *cancel,
                         mst_error *err) {
  mst_status status = MST_OK;
  mst_upload *u = NULL;
  uint8_t *piece = malloc(1000001);
  for (size_t i = 0; i < 1000001; i++) piece[i] = (uint8_t)(i * 7);
  MST_TRY(mst_upload_begin(s, "k", cancel, &u, err));
  for (size_t at = 0; at < size && status == MST_OK;) {
    size_t n = size - at < 1000001 ? size - at : 1000001;
    status = mst_upload_write(u, piece, n, err);
    at += n;
  }
  if (status == MST_OK) status = mst_upload_finish(u, mode, pin, NULL, err);
done:
  mst_upload_end(u);
  free(piece);
  return status;
}

static bool is_right(mst_store *s, size_t size) {
  uint8_t *back = malloc(size + 1);
  uint64_t got = 0;
  bool right = conf_get(s, "k", 0, size + 1, false, NULL, back, &got, NULL, NULL) == MST_OK && got == size;
  for (size_t i = 0; right && i < size; i++) right = back[i] == (uint8_t)(i % 1000001 * 7);
  free(back);
  return right;
}

static void parts_fly_together(void **state) {
  mst_context *ctx = context_of(0, 4, NULL);
  mst_store *inner = open_memory(ctx), *slow = far_over(inner, 20000), *s = NULL;
  mst_trace_counts c;
  (void)state;
  assert_int_equal(mst_store_trace(slow, NULL, NULL, &s, NULL), MST_OK);
  assert_int_equal(stream(s, LARGE, MST_PUT_REPLACE, NULL, NULL, NULL), MST_OK);
  assert_true(is_right(inner, LARGE));
  assert_int_equal(mst_store_trace_counts(s, &c), MST_OK);
  assert_int_equal(c.ops[MST_OP_UPLOAD_PART], 5);
  assert_int_equal(c.ops[MST_OP_UPLOAD_OPEN], 1);
  assert_int_equal(c.ops[MST_OP_UPLOAD_CLOSE], 1);
  assert_int_equal(c.ops[MST_OP_UPLOAD_ABORT], 0);
  assert_int_equal(c.bytes_written, LARGE);
  assert_true(c.in_flight_max >= 3);
  forget(inner);
  mst_store_unref(s);
  mst_store_unref(slow);
  mst_store_unref(inner);
  assert_int_equal(mst_budget_in_use(ctx), 0);
  mst_context_unref(ctx);
}

static void small_objects_are_one_request(void **state) {
  mst_context *ctx = context_of(0, 4, NULL);
  mst_store *inner = open_memory(ctx), *s = NULL;
  mst_trace_counts c;
  (void)state;
  assert_int_equal(mst_store_trace(inner, NULL, NULL, &s, NULL), MST_OK);
  assert_int_equal(stream(s, 1 << 20, MST_PUT_CREATE, NULL, NULL, NULL), MST_OK);
  assert_int_equal(stream(s, 1 << 20, MST_PUT_CREATE, NULL, NULL, NULL), MST_E_EXISTS);
  assert_int_equal(mst_store_trace_counts(s, &c), MST_OK);
  assert_int_equal(c.ops[MST_OP_PUT], 2);
  assert_int_equal(c.ops[MST_OP_UPLOAD_OPEN], 0);
  forget(inner);
  mst_store_unref(s);
  mst_store_unref(inner);
  mst_context_unref(ctx);
}

/* The store's own bytes are not the context's: what is counted is buffers. */
static void memory_stays_within_the_budget(void **state) {
  mst_test_allocator a;
  (void)state;
  mst_test_allocator_init(&a, 0, false);
  mst_context *ctx = context_of(24 << 20, 4, &a.allocator);
  mst_store *inner = open_memory(ctx), *slow = far_over(inner, 3000);
  assert_int_equal(stream(slow, LARGE, MST_PUT_REPLACE, NULL, NULL, NULL), MST_OK);
  assert_true(a.peak_bytes < (24 << 20) + (1 << 20));
  assert_true(is_right(inner, LARGE));
  forget(inner);
  mst_store_unref(slow);
  mst_store_unref(inner);
  mst_context_unref(ctx);
  assert_int_equal(a.live_blocks, 0);
}

static void each_operation_fails_in_turn(void **state) {
  (void)state;
  for (int persistent = 0; persistent < 2; persistent++) {
    for (uint64_t at = 1;; at++) {
      mst_context *ctx = context_of(0, 4, NULL);
      mst_store *inner = open_memory(ctx), *slow = far_over(inner, 10), *trace = NULL, *s = NULL;
      mst_trace_counts c;
      mst_error err = {0};
      assert_int_equal(mst_store_trace(slow, NULL, NULL, &trace, NULL), MST_OK);
      assert_int_equal(mst_store_fault(trace, at, persistent, MST_E_IO, &s, NULL), MST_OK);
      mst_status status = stream(s, LARGE, MST_PUT_REPLACE, NULL, NULL, &err);
      bool reached = mst_store_fault_seen(s) >= at;
      assert_int_equal(status, reached ? MST_E_IO : MST_OK);
      if (reached) assert_non_null(strstr(err.object, "/k"));
      assert_int_equal(conf_head(inner, "k", NULL, NULL), reached ? MST_E_NOT_FOUND : MST_OK);
      assert_int_equal(mst_store_trace_counts(trace, &c), MST_OK);
      /* what was opened was closed or aborted */
      if (!persistent)
        assert_int_equal(c.ops[MST_OP_UPLOAD_OPEN], c.ops[MST_OP_UPLOAD_CLOSE] + c.ops[MST_OP_UPLOAD_ABORT]);
      forget(inner);
      mst_store_unref(s);
      mst_store_unref(trace);
      mst_store_unref(slow);
      mst_store_unref(inner);
      assert_int_equal(mst_budget_in_use(ctx), 0);
      mst_context_unref(ctx);
      if (!reached) {
        assert_int_equal(at, 8); /* open, five parts, close */
        break;
      }
    }
  }
}

static void each_allocation_fails_in_turn(void **state) {
  (void)state;
  for (long n = 1;; n++) {
    mst_test_allocator a;
    mst_context_options options = MST_CONTEXT_OPTIONS_INIT;
    mst_context *ctx = NULL;
    mst_store *inner = NULL, *slow = NULL;
    mst_error err = {0};
    mst_status status = MST_OK;
    mst_test_allocator_init(&a, n, false);
    options.allocator = &a.allocator;
    options.cpu_threads = 2;
    MST_TRY(mst_context_open(&options, &ctx, &err));
    MST_TRY(mst_store_open_url(ctx, "memory://upload-allocations", NULL, 0, &inner, &err));
    MST_TRY(mst_store_latency(inner, 10, 0, &slow, &err));
    MST_TRY(stream(slow, 20 << 20, MST_PUT_REPLACE, NULL, NULL, &err));
  done:
    if (inner != NULL && status != MST_OK) assert_int_equal(conf_head(inner, "k", NULL, NULL), MST_E_NOT_FOUND);
    if (inner != NULL) forget(inner);
    mst_store_unref(slow);
    mst_store_unref(inner);
    mst_context_unref(ctx);
    assert_int_equal(a.live_blocks, 0);
    if (!a.failed) {
      assert_int_equal(status, MST_OK);
      assert_true(n > 15);
      break;
    }
    if (status != MST_OK) assert_int_equal(status, MST_E_NO_MEMORY);
  }
}

static void *cancel_soon(void *arg) {
  usleep(50000);
  mst_cancel_request(arg);
  return NULL;
}

/* Sanitizers, and machines with other work, are slow. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { PATIENCE = 5 };
#else
enum { PATIENCE = 1 };
#endif

static int64_t tick_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void a_cancelled_stream_ends_and_leaves_nothing(void **state) {
  mst_context *ctx = context_of(0, 4, NULL);
  mst_store *inner = open_memory(ctx), *slow = far_over(inner, 2000000), *s = NULL;
  mst_cancel *cancel = mst_cancel_new(ctx);
  pthread_t thread;
  mst_upload *u = NULL;
  mst_status status;
  mst_error err;
  uint8_t *data = calloc(1, 9 << 20);
  (void)state;
  /* opening is quick, parts are slow */
  assert_int_equal(mst_upload_begin(inner, "k", cancel, &u, NULL), MST_OK);
  mst_upload_end(u);
  pthread_create(&thread, NULL, cancel_soon, cancel);
  int64_t begun = tick_ms();
  assert_int_equal(mst_upload_begin(slow, "k", cancel, &u, NULL), MST_OK);
  do status = mst_upload_write(u, data, 9 << 20, &err);
  while (status == MST_OK);
  assert_int_equal(status, MST_E_CANCELLED);
  assert_true(tick_ms() - begun < 200 * PATIENCE);
  mst_upload_end(u);
  pthread_join(thread, NULL);
  free(data);
  assert_int_equal(conf_head(inner, "k", NULL, NULL), MST_E_NOT_FOUND);
  (void)s;
  mst_cancel_unref(cancel);
  mst_store_unref(slow);
  mst_store_unref(inner);
  assert_int_equal(mst_budget_in_use(ctx), 0);
  mst_context_unref(ctx);
}

static void a_child_leaves_its_parents_upload_alone(void **state) {
  mst_context *ctx = context_of(0, 4, NULL);
  mst_store *s = NULL;
  mst_upload *u = NULL;
  char folder[PATH_MAX];
  int how = 0;
  char *data = calloc(1, 5 << 20);
  (void)state;
  mst_test_folder(folder);
  assert_int_equal(mst_store_open_url(ctx, folder, NULL, 0, &s, NULL), MST_OK);
  assert_int_equal(mst_upload_begin(s, "k", NULL, &u, NULL), MST_OK);
  assert_int_equal(mst_upload_write(u, data, 5 << 20, NULL), MST_OK);
  pid_t pid = fork();
  if (pid == 0) {
    bool ok = mst_upload_write(u, data, 1, NULL) == MST_E_CANCELLED;
    ok = ok && mst_upload_finish(u, MST_PUT_REPLACE, NULL, NULL, NULL) == MST_E_CANCELLED;
    mst_upload_end(u);
    ok = ok && conf_put_text(s, "child", "works") == MST_OK; /* while the store itself goes on */
    _exit(ok ? 0 : 1);
  }
  assert_int_equal(waitpid(pid, &how, 0), pid);
  assert_int_equal(how, 0);
  assert_int_equal(mst_upload_finish(u, MST_PUT_REPLACE, NULL, NULL, NULL), MST_OK);
  mst_upload_end(u);
  mst_pin info;
  assert_int_equal(conf_head(s, "k", &info, NULL), MST_OK);
  assert_int_equal(info.size, 5 << 20);
  assert_int_equal(conf_head(s, "child", &info, NULL), MST_OK);
  free(data);
  mst_store_unref(s);
  mst_context_unref(ctx);
  mst_test_folder_remove(folder);
}

int main(void) {
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test(parts_fly_together),
      cmocka_unit_test(small_objects_are_one_request),
      cmocka_unit_test(memory_stays_within_the_budget),
      cmocka_unit_test(each_operation_fails_in_turn),
      cmocka_unit_test(each_allocation_fails_in_turn),
      cmocka_unit_test(a_cancelled_stream_ends_and_leaves_nothing),
      cmocka_unit_test(a_child_leaves_its_parents_upload_alone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
