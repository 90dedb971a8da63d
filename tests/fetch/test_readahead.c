/* tests/fetch/test_readahead.c - an object in order: right bytes, requests ahead of the reader, memory that is held to,
 * faults and changes between chunks. */
#include "fetch/place.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
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

static mst_object *open_object(place *p) {
  mst_object *o = NULL;
  assert_int_equal(mst_object_open(p->outer, "o", NULL, 0, 0, NULL, &o, NULL, NULL), MST_OK);
  return o;
}

/* Reads [begin, end) to its end; `*n` is what came right and in order. */
static mst_status read_all(mst_object *o, uint64_t begin, uint64_t end, const mst_readahead_options *options,
                           uint64_t *n, mst_error *err) {
  mst_readahead *r = NULL;
  mst_status status = mst_readahead_open(o, begin, end, options, &r, err);
  *n = 0;
  while (status == MST_OK) {
    mst_bytes chunk = {0};
    status = mst_readahead_next(r, &chunk, NULL, err);
    if (status != MST_OK || chunk.size == 0) break;
    assert_true(place_right(chunk.data, chunk.size, begin + *n));
    *n += chunk.size;
    mst_bytes_release(&chunk);
  }
  mst_readahead_close(r);
  return status;
}

static void chunks_join_to_the_object(void **state) {
  static const uint64_t sizes[] = {0, 1, 65535, 65536, 65537, 1000000, 5 << 20};
  (void)state;
  for (int far = 0; far < 2; far++) {
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
      for (size_t chunk = 0; chunk <= 200000; chunk += 100000) {
        place p;
        uint64_t n;
        mst_readahead_options options = {.chunk = chunk};
        place_open(&p, 0, 4, 0, NULL);
        place_put(&p, "o", sizes[i]);
        if (far) place_far(&p, 20, 0);
        mst_object *o = open_object(&p);
        assert_int_equal(read_all(o, 0, sizes[i], &options, &n, NULL), MST_OK);
        assert_int_equal(n, sizes[i]);
        assert_int_equal(read_all(o, sizes[i] / 3, sizes[i] / 2, &options, &n, NULL), MST_OK);
        assert_int_equal(n, sizes[i] / 2 - sizes[i] / 3);
        assert_int_equal(place_counts(&p).bytes_read, sizes[i] + n); /* nothing twice, nothing besides */
        mst_error err = {0};
        assert_int_equal(read_all(o, 0, sizes[i] + 1, &options, &n, &err), MST_E_CORRUPT);
        mst_object_unref(o);
        place_close(&p);
      }
    }
  }
}

static void requests_run_ahead_of_a_reader_who_waits(void **state) {
  place p;
  uint64_t n;
  (void)state;
  place_open(&p, 0, 4, 0, NULL);
  place_put(&p, "o", 3200000);
  place_far(&p, 10000, 0);
  mst_store *trace = NULL;
  assert_int_equal(mst_store_trace(p.outer, NULL, NULL, &trace, NULL), MST_OK);
  mst_store_unref(p.outer);
  p.outer = trace;
  mst_object *o = open_object(&p);
  mst_readahead_options options = {.chunk = 100000, .memory = 1600000};
  int64_t begun = tick_ms();
  assert_int_equal(read_all(o, 0, 3200000, &options, &n, NULL), MST_OK);
  int64_t took = tick_ms() - begun;
  mst_trace_counts counts = {0};
  assert_int_equal(mst_store_trace_counts(trace, &counts), MST_OK);
  assert_int_equal(counts.ops[MST_OP_GET], 32);
  assert_true(counts.in_flight_max >= 4);
  assert_true(counts.in_flight_max <= 16); /* memory / chunk */
  assert_true(took < 250 * PATIENCE);      /* one after another they would take 320 ms */
  mst_object_unref(o);
  place_close(&p);
}

static void a_reader_who_keeps_up_needs_few_requests_ahead(void **state) {
  place p;
  (void)state;
  place_open(&p, 0, 4, 0, NULL);
  place_put(&p, "o", 2000000);
  place_far(&p, 10, 0);
  mst_store *trace = NULL;
  assert_int_equal(mst_store_trace(p.outer, NULL, NULL, &trace, NULL), MST_OK);
  mst_store_unref(p.outer);
  p.outer = trace;
  mst_object *o = open_object(&p);
  mst_readahead *r = NULL;
  mst_readahead_options options = {.chunk = 100000, .ahead = 0, .memory = 1600000};
  assert_int_equal(mst_readahead_open(o, 0, 2000000, &options, &r, NULL), MST_OK);
  for (int i = 0; i < 20; i++) {
    mst_bytes chunk = {0};
    assert_int_equal(mst_readahead_next(r, &chunk, NULL, NULL), MST_OK);
    mst_bytes_release(&chunk);
    usleep(3000); /* the next one is there by now */
  }
  mst_readahead_close(r);
  mst_trace_counts counts = {0};
  assert_int_equal(mst_store_trace_counts(trace, &counts), MST_OK);
  assert_true(counts.in_flight_max <= 4);
  mst_object_unref(o);
  place_close(&p);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static void memory_is_used_again(void **state) {
  (void)state;
  for (int far = 0; far < 2; far++) {
    mst_test_allocator a;
    place p;
    mst_test_allocator_init(&a, 0, false);
    place_open(&p, 0, 4, 0, &a.allocator);
    place_put(&p, "o", 20 << 20);
    if (far) place_far(&p, 20, 0);
    mst_object *o = open_object(&p);
    uint64_t n;
    mst_readahead_options options = {.chunk = 256 << 10, .memory = 1 << 20};
    assert_int_equal(read_all(o, 0, 20 << 20, &options, &n, NULL), MST_OK); /* makes the context's threads */
    long long before = a.live_bytes;
    a.peak_bytes = before;
    assert_int_equal(read_all(o, 0, 20 << 20, &options, &n, NULL), MST_OK);
    assert_true(a.peak_bytes - before < (1 << 20) + (512 << 10));
    assert_true(a.live_bytes - before < 4096); /* a thread may still be putting its tools away */
    mst_object_unref(o);
    place_close(&p);
    assert_int_equal(a.live_blocks, 0);
  }
}

static void chunks_may_be_kept_beyond_the_budget_but_not_the_record_limit(void **state) {
  (void)state;
  for (int far = 0; far < 2; far++) {
    mst_context_options options = MST_CONTEXT_OPTIONS_INIT;
    mst_context *ctx = NULL;
    mst_store *s = NULL, *outer = NULL;
    mst_object *o = NULL;
    mst_readahead *r = NULL;
    mst_bytes kept[64] = {0};
    place p;
    size_t n = 0;
    mst_error err = {0};
    mst_status status = MST_OK;
    place_open(&p, 0, 1, 0, NULL);
    place_put(&p, "o", 8 << 20);
    options.memory_bytes_max = 1 << 20;
    options.record_bytes_max = 4 << 20;
    assert_int_equal(mst_context_open(&options, &ctx, NULL), MST_OK);
    assert_int_equal(mst_store_open_url(ctx, mst_store_url(p.memory), NULL, 0, &s, NULL), MST_OK);
    if (far) assert_int_equal(mst_store_latency(s, 20, 0, &outer, NULL), MST_OK);
    else outer = mst_store_ref(s);
    assert_int_equal(mst_object_open(outer, "o", NULL, 0, 0, NULL, &o, NULL, NULL), MST_OK);
    mst_readahead_options ahead = {.chunk = 256 << 10};
    assert_int_equal(mst_readahead_open(o, 0, 8 << 20, &ahead, &r, NULL), MST_OK);
    while (n < 32 && (status = mst_readahead_next(r, &kept[n], NULL, &err)) == MST_OK) n++;
    assert_int_equal(status, MST_E_LIMIT);
    assert_int_equal(n, 16); /* 4 MiB */
    mst_readahead_close(r);
    for (size_t i = 0; i < n; i++) {
      assert_true(place_right(kept[i].data, kept[i].size, i * (256 << 10)));
      mst_bytes_release(&kept[i]); /* after the reader's end */
    }
    assert_int_equal(mst_budget_in_use(ctx), 0);
    mst_object_unref(o);
    mst_store_unref(outer);
    mst_store_unref(s);
    mst_context_unref(ctx);
    place_close(&p);
  }
}

static void a_reader_closed_early_leaves_nothing(void **state) {
  (void)state;
  for (int chunks = 0; chunks < 4; chunks++) {
    place p;
    place_open(&p, 0, 4, 0, NULL);
    place_put(&p, "o", 4 << 20);
    place_far(&p, 300, 0);
    mst_object *o = open_object(&p);
    mst_readahead *r = NULL;
    mst_readahead_options options = {.chunk = 100000, .ahead = 8};
    assert_int_equal(mst_readahead_open(o, 0, 4 << 20, &options, &r, NULL), MST_OK);
    for (int i = 0; i < chunks; i++) {
      mst_bytes chunk = {0};
      assert_int_equal(mst_readahead_next(r, &chunk, NULL, NULL), MST_OK);
      mst_bytes_release(&chunk);
    }
    mst_readahead_close(r);
    mst_object_unref(o);
    place_close(&p); /* looks at the budget */
  }
}

/* ---- faults ------------------------------------------------------------------------------------------------------ */

static void each_request_fails_in_turn(void **state) {
  (void)state;
  for (int far = 0; far < 2; far++) {
    for (int persistent = 0; persistent < 2; persistent++) {
      for (uint64_t at = 1;; at++) {
        place p;
        mst_error err = {0};
        uint64_t n;
        place_open(&p, 0, 4, 0, NULL);
        place_put(&p, "o", 1000000);
        mst_object *first = open_object(&p);
        mst_pin pin = *mst_object_pin(first);
        mst_object_unref(first);
        if (far) place_far(&p, 20, 0);
        place_fault(&p, at, persistent, MST_E_TIMEOUT);
        mst_object *o = NULL;
        assert_int_equal(mst_object_open(p.outer, "o", &pin, 0, 0, NULL, &o, NULL, &err), MST_OK);
        mst_readahead_options options = {.chunk = 100000};
        mst_status status = read_all(o, 0, 1000000, &options, &n, &err);
        bool reached = mst_store_fault_seen(p.outer) >= at;
        assert_int_equal(status, reached ? MST_E_TIMEOUT : MST_OK);
        assert_int_equal(n, reached ? (at - 1) * 100000 : 1000000); /* what comes before the fault is given */
        mst_object_unref(o);
        place_close(&p);
        if (!reached) {
          assert_int_equal(at, 11);
          break;
        }
      }
    }
  }
}

static void errors_stay(void **state) {
  place p;
  mst_error err = {0};
  mst_readahead *r = NULL;
  mst_bytes chunk = {0};
  (void)state;
  place_open(&p, 0, 4, 0, NULL);
  place_put(&p, "o", 1000000);
  place_fault(&p, 2, false, MST_E_IO);
  mst_object *o = open_object(&p);
  assert_int_equal(mst_readahead_open(o, 0, 1000000, NULL, &r, NULL), MST_OK);
  assert_int_equal(mst_readahead_next(r, &chunk, NULL, &err), MST_E_IO);
  err = (mst_error){0};
  assert_int_equal(mst_readahead_next(r, &chunk, NULL, &err), MST_E_IO);
  assert_non_null(strstr(err.message, "GET bytes 0-999999"));
  mst_readahead_close(r);
  mst_object_unref(o);
  place_close(&p);
}

static void a_change_between_chunks_is_seen(void **state) {
  (void)state;
  for (int far = 0; far < 2; far++) {
    place p;
    mst_readahead *r = NULL;
    mst_bytes chunk = {0};
    mst_status status = MST_OK;
    place_open(&p, 0, 4, 0, NULL);
    place_put(&p, "o", 1000000);
    if (far) place_far(&p, 20, 0);
    mst_object *o = open_object(&p);
    mst_readahead_options options = {.chunk = 100000, .ahead = 1};
    assert_int_equal(mst_readahead_open(o, 0, 1000000, &options, &r, NULL), MST_OK);
    assert_int_equal(mst_readahead_next(r, &chunk, NULL, NULL), MST_OK);
    mst_bytes_release(&chunk);
    place_put(&p, "o", 1000000);
    for (int i = 0; i < 3 && status == MST_OK; i++) {
      status = mst_readahead_next(r, &chunk, NULL, NULL);
      mst_bytes_release(&chunk);
    }
    assert_int_equal(status, MST_E_CHANGED);
    mst_readahead_close(r);
    mst_object_unref(o);
    place_close(&p);
  }
}

static void *cancel_soon(void *arg) {
  usleep(60000);
  mst_cancel_request(arg);
  return NULL;
}

static void cancelled_readers_return_at_once(void **state) {
  place p;
  mst_readahead *r = NULL;
  mst_bytes chunk = {0};
  mst_object *o = NULL;
  pthread_t thread;
  (void)state;
  place_open(&p, 0, 4, 0, NULL);
  place_put(&p, "o", 1000000);
  mst_object *first = open_object(&p);
  mst_pin pin = *mst_object_pin(first);
  mst_object_unref(first);
  place_far(&p, 5000000, 0);
  assert_int_equal(mst_object_open(p.outer, "o", &pin, 0, 0, NULL, &o, NULL, NULL), MST_OK);
  assert_int_equal(mst_readahead_open(o, 0, 1000000, NULL, &r, NULL), MST_OK);
  mst_cancel *cancel = mst_cancel_new(p.ctx);
  pthread_create(&thread, NULL, cancel_soon, cancel);
  int64_t begun = tick_ms();
  assert_int_equal(mst_readahead_next(r, &chunk, cancel, NULL), MST_E_CANCELLED);
  assert_true(tick_ms() - begun < 60 + 200 * PATIENCE);
  pthread_join(thread, NULL);
  mst_readahead_close(r);
  mst_cancel_unref(cancel);
  mst_object_unref(o);
  place_close(&p);
}

static void a_child_does_not_wait_for_its_parents_requests(void **state) {
  place p;
  mst_readahead *r = NULL;
  mst_bytes chunk = {0};
  int how = 0;
  (void)state;
#if defined(__SANITIZE_THREAD__)
  skip(); /* it allows a child of a process with threads no threads of its own */
#endif
  place_open(&p, 0, 4, 0, NULL);
  place_put(&p, "o", 1000000);
  mst_object *o = open_object(&p);
  mst_pin pin = *mst_object_pin(o);
  mst_object_unref(o);
  place_far(&p, 20000, 0);
  assert_int_equal(mst_object_open(p.outer, "o", &pin, 0, 0, NULL, &o, NULL, NULL), MST_OK);
  assert_int_equal(mst_readahead_open(o, 0, 1000000, &(mst_readahead_options){.chunk = 100000}, &r, NULL), MST_OK);
  assert_int_equal(mst_readahead_next(r, &chunk, NULL, NULL), MST_OK);
  pid_t pid = fork();
  if (pid == 0) {
    mst_bytes none = {0};
    uint64_t n = 0;
    bool ok = mst_readahead_next(r, &none, NULL, NULL) == MST_E_CANCELLED;
    mst_readahead_close(r);
    ok = ok && read_all(o, 0, 1000000, NULL, &n, NULL) == MST_OK && n == 1000000; /* anew, it works */
    _exit(ok ? 0 : 1);
  }
  assert_int_equal(waitpid(pid, &how, 0), pid);
  assert_int_equal(how, 0);
  mst_bytes_release(&chunk);
  mst_readahead_close(r);
  mst_object_unref(o);
  place_close(&p);
}

static void each_allocation_fails_in_turn(void **state) {
  (void)state;
  for (long n = 1;; n++) {
    mst_test_allocator a;
    mst_context_options options = MST_CONTEXT_OPTIONS_INIT;
    mst_context *ctx = NULL;
    mst_store *memory = NULL, *far = NULL;
    mst_object *o = NULL;
    mst_error err = {0};
    mst_status status = MST_OK;
    uint64_t got = 0;
    place p;
    place_open(&p, 0, 2, 0, NULL);
    place_put(&p, "o", 1000000);
    mst_test_allocator_init(&a, n, false);
    options.allocator = &a.allocator;
    options.cpu_threads = 2;
    MST_TRY(mst_context_open(&options, &ctx, &err));
    MST_TRY(mst_store_open_url(ctx, mst_store_url(p.memory), NULL, 0, &memory, &err));
    MST_TRY(mst_store_latency(memory, 10, 0, &far, &err));
    MST_TRY(mst_object_open(far, "o", NULL, 0, 0, NULL, &o, NULL, &err));
    MST_TRY(read_all(o, 0, 1000000, &(mst_readahead_options){.chunk = 100000}, &got, &err));
    assert_int_equal(got, 1000000);
  done:
    mst_object_unref(o);
    mst_store_unref(far);
    mst_store_unref(memory);
    mst_context_unref(ctx);
    assert_int_equal(a.live_blocks, 0);
    place_close(&p);
    if (!a.failed) {
      assert_int_equal(status, MST_OK);
      assert_true(n > 10);
      break;
    }
    if (status != MST_OK) assert_int_equal(status, MST_E_NO_MEMORY);
  }
}

int main(void) {
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test(chunks_join_to_the_object),
      cmocka_unit_test(requests_run_ahead_of_a_reader_who_waits),
      cmocka_unit_test(a_reader_who_keeps_up_needs_few_requests_ahead),
      cmocka_unit_test(memory_is_used_again),
      cmocka_unit_test(chunks_may_be_kept_beyond_the_budget_but_not_the_record_limit),
      cmocka_unit_test(a_reader_closed_early_leaves_nothing),
      cmocka_unit_test(each_request_fails_in_turn),
      cmocka_unit_test(errors_stay),
      cmocka_unit_test(a_change_between_chunks_is_seen),
      cmocka_unit_test(cancelled_readers_return_at_once),
      cmocka_unit_test(a_child_does_not_wait_for_its_parents_requests),
      cmocka_unit_test(each_allocation_fails_in_turn),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
