/* tests/store/test_wrapper.c - what each wrapper is for: trace counts, fault fails the n-th, latency delays, limit
 * holds back. */
#include "store/conformance.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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

static mst_store *open_memory(mst_context *ctx) {
  static int places;
  char url[64];
  mst_store *s = NULL;
  (void)snprintf(url, sizeof url, "memory://wrapper-%d", ++places);
  assert_int_equal(mst_store_open_url(ctx, url, NULL, 0, &s, NULL), MST_OK);
  return s;
}

static void count_op(void *arg, const mst_op *op, mst_status status) {
  int *seen = arg;
  seen[op->kind]++;
  if (status != MST_OK) seen[0]++;
}

static void trace_counts_what_passes(void **state) {
  int seen[MST_OP_KINDS] = {0};
  mst_store *inner = open_memory(NULL), *s = NULL;
  mst_trace_counts c;
  char b[8];
  (void)state;
  assert_int_equal(mst_store_trace(inner, count_op, seen, &s, NULL), MST_OK);
  assert_int_equal(conf_put_text(s, "k", "12345"), MST_OK);
  assert_int_equal(conf_get(s, "k", 1, 3, false, NULL, b, NULL, NULL, NULL), MST_OK);
  assert_int_equal(conf_head(s, "none", NULL, NULL), MST_E_NOT_FOUND);
  assert_int_equal(mst_store_trace_counts(s, &c), MST_OK);
  assert_int_equal(c.ops[MST_OP_PUT], 1);
  assert_int_equal(c.ops[MST_OP_GET], 1);
  assert_int_equal(c.ops[MST_OP_HEAD], 1);
  assert_int_equal(c.bytes_written, 5);
  assert_int_equal(c.bytes_read, 3);
  assert_int_equal(c.failed, 1);
  assert_int_equal(c.in_flight_max, 1);
  assert_int_equal(seen[MST_OP_PUT] + seen[MST_OP_GET] + seen[MST_OP_HEAD], 3);
  assert_int_equal(seen[0], 1);
  assert_int_equal(mst_store_trace_counts(inner, &c), MST_E_ARGUMENT);
  assert_string_equal(mst_store_url(s), mst_store_url(inner));
  assert_int_equal(mst_store_flags(s), mst_store_flags(inner));
  mst_store_unref(inner);
  mst_store_unref(s);
}

static void fault_fails_the_one_that_was_named(void **state) {
  (void)state;
  for (int persistent = 0; persistent < 2; persistent++) {
    mst_store *inner = open_memory(NULL), *s = NULL;
    mst_error err;
    assert_int_equal(conf_put_text(inner, "k", "1"), MST_OK);
    assert_int_equal(mst_store_fault(inner, 3, persistent, MST_E_TIMEOUT, &s, NULL), MST_OK);
    assert_int_equal(conf_head(s, "k", NULL, NULL), MST_OK);
    assert_int_equal(conf_head(s, "k", NULL, NULL), MST_OK);
    assert_int_equal(conf_head(s, "k", NULL, &err), MST_E_TIMEOUT);
    assert_non_null(strstr(err.object, "/k"));
    assert_int_equal(conf_head(s, "k", NULL, NULL), persistent ? MST_E_TIMEOUT : MST_OK);
    assert_int_equal(mst_store_fault_seen(s), 4);
    mst_store_unref(inner);
    mst_store_unref(s);
  }
}

static void latency_passes_in_the_contexts_time(void **state) {
  mst_test_env env;
  mst_context_options options = MST_CONTEXT_OPTIONS_INIT;
  mst_context *ctx = NULL;
  mst_store *s = NULL;
  char b[1000];
  (void)state;
  mst_test_env_init(&env, 1, NULL);
  options.env = &env.env;
  options.cpu_threads = 1;
  assert_int_equal(mst_context_open(&options, &ctx, NULL), MST_OK);
  mst_store *inner = open_memory(ctx);
  assert_int_equal(mst_store_latency(inner, 50000, 2000, &s, NULL), MST_OK);
  assert_false(mst_store_flags(s) & MST_STORE_LOCAL);
  assert_int_equal(conf_put(s, "k", b, 1000, MST_PUT_REPLACE, NULL, NULL, NULL), MST_OK);
  assert_int_equal(env.slept, 50000 + 2000);
  assert_int_equal(conf_get(s, "k", 0, 500, false, NULL, b, NULL, NULL, NULL), MST_OK);
  assert_int_equal(env.slept, 50000 + 2000 + 50000 + 1000);
  mst_store_unref(inner);
  mst_store_unref(s);
  mst_context_unref(ctx);
}

/* ---- many at once ------------------------------------------------------------------------------------------------ */

typedef struct crowd {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  int ended, failed, cancelled;
} crowd;

static void in_crowd(mst_op *op, mst_status status) {
  crowd *c = op->done_arg;
  pthread_mutex_lock(&c->lock);
  c->ended++;
  if (status == MST_E_CANCELLED) c->cancelled++;
  else if (status != MST_OK) c->failed++;
  pthread_cond_signal(&c->changed);
  pthread_mutex_unlock(&c->lock);
}

static void wait_for_all(crowd *c, int n) {
  pthread_mutex_lock(&c->lock);
  while (c->ended < n) pthread_cond_wait(&c->changed, &c->lock);
  pthread_mutex_unlock(&c->lock);
}

static void limit_holds_the_rest_back(void **state) {
  crowd c = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
  static mst_op ops[20];
  mst_store *inner = open_memory(NULL), *slow = NULL, *trace = NULL, *s = NULL;
  mst_trace_counts counts;
  (void)state;
  assert_int_equal(conf_put_text(inner, "k", "1"), MST_OK);
  assert_int_equal(mst_store_latency(inner, 2000, 0, &slow, NULL), MST_OK);
  assert_int_equal(mst_store_trace(slow, NULL, NULL, &trace, NULL), MST_OK);
  assert_int_equal(mst_store_limit(trace, 3, &s, NULL), MST_OK);
  for (int i = 0; i < 20; i++) {
    ops[i] = mst_op_make(MST_OP_HEAD, "k");
    ops[i].done = in_crowd;
    ops[i].done_arg = &c;
    mst_store_start(s, &ops[i]);
  }
  assert_int_equal(conf_head(s, "k", NULL, NULL), MST_OK); /* one who waits gets his turn, too */
  wait_for_all(&c, 20);
  assert_int_equal(c.failed, 0);
  assert_int_equal(mst_store_trace_counts(trace, &counts), MST_OK);
  assert_int_equal(counts.ops[MST_OP_HEAD], 21);
  assert_true(counts.in_flight_max > 0);
  assert_true(counts.in_flight_max <= 3);
  mst_store_unref(s);
  mst_store_unref(trace);
  mst_store_unref(slow);
  assert_int_equal(mst_store_limit(inner, 0, &s, NULL), MST_E_ARGUMENT);
  mst_store_unref(inner);
}

static void what_waits_for_its_turn_can_be_cancelled(void **state) {
  crowd c = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
  static mst_op ops[10];
  mst_cancel *cancel = mst_cancel_new(NULL);
  mst_store *inner = open_memory(NULL), *slow = NULL, *s = NULL;
  (void)state;
  assert_int_equal(conf_put_text(inner, "k", "1"), MST_OK);
  assert_int_equal(mst_store_latency(inner, 3000000, 0, &slow, NULL), MST_OK);
  assert_int_equal(mst_store_limit(slow, 2, &s, NULL), MST_OK);
  int64_t begun = tick_ms();
  for (int i = 0; i < 10; i++) {
    ops[i] = mst_op_make(MST_OP_HEAD, "k");
    ops[i].cancel = cancel;
    ops[i].done = in_crowd;
    ops[i].done_arg = &c;
    mst_store_start(s, &ops[i]);
  }
  mst_cancel_request(cancel);
  for (int i = 0; i < 10; i++) mst_store_cancel(s, &ops[i]);
  wait_for_all(&c, 10);
  assert_int_equal(c.cancelled, 10);
  assert_true(tick_ms() - begun < 200 * PATIENCE);
  mst_store_unref(s);
  mst_store_unref(slow);
  mst_store_unref(inner);
  mst_cancel_unref(cancel);
}

static void *cancel_soon(void *arg) {
  usleep(50000);
  mst_cancel_request(arg);
  return NULL;
}

static void a_waiting_caller_can_cancel(void **state) {
  mst_store *inner = open_memory(NULL), *slow = NULL, *s = NULL;
  mst_cancel *cancel = mst_cancel_new(NULL);
  pthread_t thread;
  (void)state;
  assert_int_equal(mst_store_latency(inner, 3000000, 0, &slow, NULL), MST_OK);
  assert_int_equal(mst_store_limit(slow, 1, &s, NULL), MST_OK);
  pthread_create(&thread, NULL, cancel_soon, cancel);
  mst_op op = mst_op_make(MST_OP_HEAD, "k");
  op.cancel = cancel;
  int64_t begun = tick_ms();
  assert_int_equal(mst_store_perform(s, &op, NULL), MST_E_CANCELLED);
  assert_true(tick_ms() - begun < 50 + 150 * PATIENCE);
  pthread_join(thread, NULL);
  mst_cancel_unref(cancel);
  mst_store_unref(s);
  mst_store_unref(slow);
  mst_store_unref(inner);
}

static void deadlines_end_operations(void **state) {
  mst_store *inner = open_memory(NULL), *slow = NULL;
  (void)state;
  assert_int_equal(mst_store_latency(inner, 3000000, 0, &slow, NULL), MST_OK);
  const mst_env *env = mst_context_env(mst_store_context(slow));
  mst_op op = mst_op_make(MST_OP_HEAD, "k");
  op.deadline_us = env->tick_us(env->self) + 50000;
  int64_t begun = tick_ms();
  assert_int_equal(mst_store_perform(slow, &op, NULL), MST_E_TIMEOUT);
  assert_true(tick_ms() - begun < 200 * PATIENCE);
  mst_store_unref(slow);
  mst_store_unref(inner);
}

/* ---- allocations ------------------------------------------------------------------------------------------------- */

static void each_allocation_fails_in_turn(void **state) {
  (void)state;
  for (long n = 1;; n++) {
    mst_test_allocator a;
    mst_context_options options = MST_CONTEXT_OPTIONS_INIT;
    mst_context *ctx = NULL;
    mst_store *s[6] = {0};
    mst_status status = MST_OK;
    mst_error *err = NULL;
    crowd c = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    mst_op op = mst_op_make(MST_OP_HEAD, "k");
    mst_page page;
    int begun = 0;
    mst_test_allocator_init(&a, n, false);
    mst_page_init(&page, &a.allocator);
    options.allocator = &a.allocator;
    options.cpu_threads = 2;
    MST_TRY(mst_context_open(&options, &ctx, err));
    MST_TRY(mst_store_open_url(ctx, "memory://wrapper-allocations", NULL, 0, &s[0], err));
    MST_TRY(mst_store_trace(s[0], NULL, NULL, &s[1], err));
    MST_TRY(mst_store_limit(s[1], 2, &s[2], err));
    MST_TRY(mst_store_latency(s[2], 1, 0, &s[3], err));
    MST_TRY(mst_store_fault(s[3], 0, false, MST_E_IO, &s[4], err));
    MST_TRY(mst_store_below(s[4], "a/", &s[5], err));
    MST_TRY(conf_put_text(s[5], "k", "1"));
    op.done = in_crowd;
    op.done_arg = &c;
    begun = 1;
    mst_store_start(s[5], &op);
    wait_for_all(&c, 1);
    if (c.failed > 0) status = op.error.status;
    op = mst_op_make(MST_OP_LIST, NULL);
    op.page = &page;
    if (status == MST_OK) status = mst_store_perform(s[5], &op, NULL);
  done:
    mst_page_free(&page);
    for (int i = 0; i < 6; i++) mst_store_unref(s[i]);
    mst_context_unref(ctx);
    assert_int_equal(a.live_blocks, 0);
    assert_int_equal(c.ended, begun);
    if (!a.failed) {
      assert_int_equal(status, MST_OK);
      break;
    }
    if (status != MST_OK) assert_int_equal(status, MST_E_NO_MEMORY);
  }
}

int main(void) {
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test(trace_counts_what_passes),
      cmocka_unit_test(fault_fails_the_one_that_was_named),
      cmocka_unit_test(latency_passes_in_the_contexts_time),
      cmocka_unit_test(limit_holds_the_rest_back),
      cmocka_unit_test(what_waits_for_its_turn_can_be_cancelled),
      cmocka_unit_test(a_waiting_caller_can_cancel),
      cmocka_unit_test(deadlines_end_operations),
      cmocka_unit_test(each_allocation_fails_in_turn),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
