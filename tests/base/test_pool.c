/* tests/base/test_pool.c - groups run everything once, in width, in order with one thread, and give the error that one
 * thread would have met; nesting, cancelling and ending a context never hang. */
#include "support/support.h"

#include <pthread.h>
#include <time.h>

#include "base/base.h"

static mst_context *context_of(uint32_t threads) {
  mst_context_options o = MST_CONTEXT_OPTIONS_INIT;
  mst_context *ctx = NULL;
  o.cpu_threads = threads;
  assert_int_equal(mst_context_open(&o, &ctx, NULL), MST_OK);
  return ctx;
}

static int64_t tick_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void sleep_ms(long ms) {
  nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

typedef struct tally {
  atomic_int begun, running, most;
} tally;

typedef struct job {
  tally *all;
  int number;
  int sleep_ms;
  mst_status fails_with;
  int place;
  pthread_t thread;
} job;

static mst_status work(void *arg, mst_error *err) {
  job *j = arg;
  const int running = atomic_fetch_add(&j->all->running, 1) + 1;
  int most = atomic_load(&j->all->most);
  while (running > most && !atomic_compare_exchange_weak(&j->all->most, &most, running)) continue;
  j->place = atomic_fetch_add(&j->all->begun, 1);
  j->thread = pthread_self();
  if (j->sleep_ms > 0) sleep_ms(j->sleep_ms);
  atomic_fetch_sub(&j->all->running, 1);
  return j->fails_with == MST_OK ? MST_OK : mst_fail(err, j->fails_with, "job %d", j->number);
}

static mst_group *group_of(mst_context *ctx) {
  mst_group *g = NULL;
  assert_int_equal(mst_group_new(ctx, &g, NULL), MST_OK);
  return g;
}

static void one_thread_runs_all_in_order_while_waiting(void **state) {
  mst_context *ctx = context_of(1);
  mst_group *g = group_of(ctx);
  tally all = {0};
  job jobs[20];
  (void)state;
  for (int i = 0; i < 20; i++) {
    jobs[i] = (job){.all = &all, .number = i};
    assert_int_equal(mst_group_add(g, work, &jobs[i], NULL), MST_OK);
  }
  assert_int_equal(all.begun, 0);
  assert_int_equal(mst_group_wait_left(g, 12, NULL, NULL), MST_OK);
  assert_int_equal(all.begun, 8);
  assert_int_equal(mst_group_wait(g, NULL, NULL), MST_OK);
  for (int i = 0; i < 20; i++) {
    assert_int_equal(jobs[i].place, i);
    assert_true(pthread_equal(jobs[i].thread, pthread_self()));
  }
  mst_group_free(g);
  mst_context_unref(ctx);
}

static void every_task_runs_once_and_the_width_is_kept(void **state) {
  static job jobs[500];
  mst_context *ctx = context_of(4);
  (void)state;
  for (uint32_t width = 0; width <= 3; width++) {
    mst_group *g = group_of(ctx);
    tally all = {0};
    mst_group_set_width(g, width);
    for (int i = 0; i < 500; i++) {
      jobs[i] = (job){.all = &all, .number = i, .sleep_ms = i % 100 == 0 ? 3 : 0, .place = -1};
      assert_int_equal(mst_group_add(g, work, &jobs[i], NULL), MST_OK);
    }
    assert_int_equal(mst_group_wait(g, NULL, NULL), MST_OK);
    assert_int_equal(all.begun, 500);
    for (int i = 0; i < 500; i++) assert_true(jobs[i].place >= 0);
    assert_true(all.most <= (width == 0 ? 4 : (int)width));
    /* Finished well, it takes more. */
    assert_int_equal(mst_group_add(g, work, &jobs[0], NULL), MST_OK);
    assert_int_equal(mst_group_wait(g, NULL, NULL), MST_OK);
    assert_int_equal(all.begun, 501);
    mst_group_free(g);
  }
  mst_context_unref(ctx);
}

static void tasks_run_beside_each_other(void **state) {
  mst_context *ctx = context_of(4);
  mst_group *g = group_of(ctx);
  tally all = {0};
  job jobs[4];
  const int64_t begin = tick_ms();
  (void)state;
  for (int i = 0; i < 4; i++) {
    jobs[i] = (job){.all = &all, .sleep_ms = 300};
    assert_int_equal(mst_group_add(g, work, &jobs[i], NULL), MST_OK);
  }
  assert_int_equal(mst_group_wait(g, NULL, NULL), MST_OK);
  assert_int_equal(all.most, 4);
  assert_true(tick_ms() - begin < 1000);
  mst_group_free(g);
  mst_context_unref(ctx);
}

/* The slow task 3 fails after task 5 did; still it is task 3 that counts, as with one thread. */
static void the_error_is_that_of_the_earliest_task(void **state) {
  (void)state;
  for (uint32_t threads = 1; threads <= 8; threads += 7) {
    mst_context *ctx = context_of(threads);
    mst_group *g = group_of(ctx);
    tally all = {0};
    job jobs[40];
    mst_error err;
    for (int i = 0; i < 40; i++) {
      jobs[i] = (job){.all = &all, .number = i, .place = -1};
      if (i == 3) jobs[i] = (job){.all = &all, .number = i, .sleep_ms = 60, .fails_with = MST_E_CORRUPT};
      if (i == 5) jobs[i].fails_with = MST_E_IO;
      if (i > 7) jobs[i].sleep_ms = 20;
      assert_int_equal(mst_group_add(g, work, &jobs[i], NULL), MST_OK);
    }
    assert_int_equal(mst_group_wait(g, NULL, &err), MST_E_CORRUPT);
    assert_string_equal(err.message, "job 3");
    assert_int_equal(all.running, 0);
    assert_true(all.begun < 40);
    assert_int_equal(jobs[39].place, -1);
    /* The failure stays, and later tasks are skipped. */
    assert_int_equal(mst_group_add(g, work, &jobs[39], NULL), MST_OK);
    assert_int_equal(mst_group_wait(g, NULL, &err), MST_E_CORRUPT);
    assert_int_equal(jobs[39].place, -1);
    mst_group_free(g);
    mst_context_unref(ctx);
  }
}

static void feeding_in_bounded_memory_never_holds_more(void **state) {
  static job jobs[300];
  mst_test_allocator a;
  mst_context_options o = MST_CONTEXT_OPTIONS_INIT;
  mst_context *ctx = NULL;
  mst_group *g;
  tally all = {0};
  long before;
  (void)state;
  mst_test_allocator_init(&a, 0, false);
  o.allocator = &a.allocator;
  o.cpu_threads = 3;
  assert_int_equal(mst_context_open(&o, &ctx, NULL), MST_OK);
  g = group_of(ctx);
  before = a.live_blocks;
  for (int i = 0; i < 300; i++) {
    jobs[i] = (job){.all = &all};
    assert_int_equal(mst_group_add(g, work, &jobs[i], NULL), MST_OK);
    assert_int_equal(mst_group_wait_left(g, 5, NULL, NULL), MST_OK);
    assert_true(a.live_blocks <= before + 6);
  }
  assert_int_equal(mst_group_wait(g, NULL, NULL), MST_OK);
  mst_group_free(g);
  mst_context_unref(ctx);
  assert_int_equal(a.live_blocks, 0);
}

static void what_is_left_runs_while_nobody_waits(void **state) {
  mst_context *ctx = context_of(2);
  (void)state;
  for (int round = 0; round < 20; round++) {
    mst_group *g = group_of(ctx);
    tally all = {0};
    job jobs[6];
    mst_group_set_width(g, 1);
    for (int i = 0; i < 6; i++) {
      jobs[i] = (job){.all = &all, .sleep_ms = 2};
      assert_int_equal(mst_group_add(g, work, &jobs[i], NULL), MST_OK);
    }
    assert_int_equal(mst_group_wait_left(g, 4, NULL, NULL), MST_OK);
    for (int k = 0; k < 1000 && all.begun < 6; k++) sleep_ms(1);
    assert_int_equal(all.begun, 6);
    assert_int_equal(all.most, 1);
    assert_int_equal(mst_group_wait(g, NULL, NULL), MST_OK);
    mst_group_free(g);
  }
  mst_context_unref(ctx);
}

static void a_wider_group_uses_more_threads_at_once(void **state) {
  mst_context *ctx = context_of(3);
  mst_group *g = group_of(ctx);
  tally all = {0};
  job jobs[6];
  (void)state;
  mst_group_set_width(g, 1);
  for (int i = 0; i < 6; i++) {
    jobs[i] = (job){.all = &all, .sleep_ms = 60};
    assert_int_equal(mst_group_add(g, work, &jobs[i], NULL), MST_OK);
  }
  sleep_ms(10);
  assert_int_equal(all.most, 1);
  mst_group_set_width(g, 3);
  sleep_ms(40);
  assert_int_equal(all.most, 3);
  assert_int_equal(mst_group_wait(g, NULL, NULL), MST_OK);
  assert_int_equal(all.most, 3);
  mst_group_free(g);
  mst_context_unref(ctx);
}

typedef struct nest {
  mst_context *ctx;
  int depth;
  atomic_int *leaves;
} nest;

static mst_status split(void *arg, mst_error *err) {
  nest *n = arg, inner[3];
  mst_group *g = NULL;
  mst_status status = MST_OK;
  if (n->depth == 0) {
    atomic_fetch_add(n->leaves, 1);
    return MST_OK;
  }
  MST_TRY(mst_group_new(n->ctx, &g, err));
  for (int i = 0; i < 3; i++) {
    inner[i] = (nest){.ctx = n->ctx, .depth = n->depth - 1, .leaves = n->leaves};
    MST_TRY(mst_group_add(g, split, &inner[i], err));
  }
  MST_TRY(mst_group_wait(g, NULL, err));
done:
  mst_group_free(g);
  return status;
}

static void groups_inside_tasks_never_starve(void **state) {
  (void)state;
  for (uint32_t threads = 1; threads <= 3; threads++) {
    mst_context *ctx = context_of(threads);
    atomic_int leaves = 0;
    nest root = {.ctx = ctx, .depth = 6, .leaves = &leaves};
    mst_error err;
    assert_int_equal(split(&root, &err), MST_OK);
    assert_int_equal(leaves, 729);
    mst_context_unref(ctx);
  }
}

typedef struct waiting_job {
  mst_cancel *cancel;
  int64_t requested_ms;
  atomic_int begun;
} waiting_job;

static mst_status until_cancelled(void *arg, mst_error *err) {
  waiting_job *w = arg;
  atomic_fetch_add(&w->begun, 1);
  while (!mst_cancelled(w->cancel)) sleep_ms(5);
  return mst_cancel_check(w->cancel, err);
}

static void *cancel_soon(void *arg) {
  waiting_job *w = arg;
  sleep_ms(50);
  w->requested_ms = tick_ms();
  mst_cancel_request(w->cancel);
  return NULL;
}

static void cancelling_ends_a_wait_within_100_ms(void **state) {
  mst_context *ctx = context_of(2);
  mst_group *g = group_of(ctx);
  waiting_job w = {.cancel = mst_cancel_new(ctx)};
  int64_t ended_ms;
  pthread_t thread;
  mst_error err;
  (void)state;
  for (int i = 0; i < 50; i++) assert_int_equal(mst_group_add(g, until_cancelled, &w, NULL), MST_OK);
  assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &w), 0);
  assert_int_equal(mst_group_wait(g, w.cancel, &err), MST_E_CANCELLED);
  ended_ms = tick_ms();
  pthread_join(thread, NULL);
  assert_true(ended_ms - w.requested_ms < 100);
  assert_true(w.begun <= 2);
  mst_group_free(g);
  mst_cancel_unref(w.cancel);
  mst_context_unref(ctx);
}

static void a_wait_that_was_cancelled_before_runs_nothing(void **state) {
  mst_context *ctx = context_of(1);
  mst_group *g = group_of(ctx);
  mst_cancel *cancel = mst_cancel_new(ctx);
  tally all = {0};
  job j = {.all = &all};
  (void)state;
  assert_int_equal(mst_group_add(g, work, &j, NULL), MST_OK);
  mst_cancel_request(cancel);
  assert_int_equal(mst_group_wait(g, cancel, NULL), MST_E_CANCELLED);
  assert_int_equal(all.begun, 0);
  mst_group_free(g);
  mst_cancel_unref(cancel);
  mst_context_unref(ctx);
}

static void freeing_skips_what_waits_and_awaits_what_runs(void **state) {
  mst_context *ctx = context_of(2);
  tally all = {0};
  job jobs[50];
  mst_group *g = group_of(ctx);
  (void)state;
  for (int i = 0; i < 50; i++) {
    jobs[i] = (job){.all = &all, .sleep_ms = 20};
    assert_int_equal(mst_group_add(g, work, &jobs[i], NULL), MST_OK);
  }
  sleep_ms(5);
  mst_group_free(g);
  assert_int_equal(all.running, 0);
  assert_true(all.begun < 50);
  mst_group_free(NULL);
  mst_context_unref(ctx);
}

typedef struct detached {
  atomic_int done, running, most;
  mst_context *ctx; /* given up by the last call, when set */
} detached;

static void call(void *arg) {
  detached *d = arg;
  const int running = atomic_fetch_add(&d->running, 1) + 1;
  int most = atomic_load(&d->most);
  while (running > most && !atomic_compare_exchange_weak(&d->most, &most, running)) continue;
  sleep_ms(10);
  atomic_fetch_sub(&d->running, 1);
  atomic_fetch_add(&d->done, 1);
}

static void detached_calls_all_run_even_when_the_context_ends(void **state) {
  (void)state;
  for (uint32_t threads = 1; threads <= 2; threads++) {
    mst_context *ctx = context_of(threads);
    detached d = {0};
    for (int i = 0; i < 64; i++) assert_int_equal(mst_pool_run_detached(ctx, call, &d, NULL), MST_OK);
    mst_context_unref(ctx);
    assert_int_equal(d.done, 64);
    /* Blocking calls are many at once, although there are few cores. */
    if (threads == 1) assert_int_equal(d.most, 1);
    else assert_in_range(d.most, 8, 32);
  }
}

typedef struct handshake {
  atomic_bool told, heard;
} handshake;

static void hear(void *arg) {
  handshake *h = arg;
  for (int i = 0; i < 1000 && !atomic_load(&h->told); i++) sleep_ms(5);
  atomic_store(&h->heard, atomic_load(&h->told));
}

static void tell(void *arg) { atomic_store(&((handshake *)arg)->told, true); }

static void calls_that_block_never_wait_for_each_others_thread(void **state) {
  mst_context *ctx = context_of(2);
  (void)state;
  for (int i = 0; i < 50; i++) {
    handshake h = {0};
    detached d = {0};
    /* Now exactly one thread sleeps, or is about to. */
    assert_int_equal(mst_pool_run_detached(ctx, call, &d, NULL), MST_OK);
    while (d.done < 1) sleep_ms(1);
    if (i % 2 == 0) sleep_ms(1);
    assert_int_equal(mst_pool_run_detached(ctx, hear, &h, NULL), MST_OK);
    assert_int_equal(mst_pool_run_detached(ctx, tell, &h, NULL), MST_OK);
    for (int k = 0; k < 1000 && !h.heard; k++) sleep_ms(1);
    assert_true(h.heard);
    if (i % 10 == 9) {
      mst_context_unref(ctx);
      ctx = context_of(2);
    }
  }
  mst_context_unref(ctx);
}

static void end_the_context(void *arg) {
  detached *d = arg;
  sleep_ms(20);
  mst_context_unref(d->ctx);
  atomic_fetch_add(&d->done, 1);
}

static void a_detached_call_may_end_its_own_context(void **state) {
  mst_test_allocator a;
  mst_context_options o = MST_CONTEXT_OPTIONS_INIT;
  detached d = {0};
  (void)state;
  mst_test_allocator_init(&a, 0, false);
  o.allocator = &a.allocator;
  o.cpu_threads = 2;
  assert_int_equal(mst_context_open(&o, &d.ctx, NULL), MST_OK);
  assert_int_equal(mst_pool_run_detached(d.ctx, call, &d, NULL), MST_OK);
  assert_int_equal(mst_pool_run_detached(d.ctx, end_the_context, &d, NULL), MST_OK);
  for (int i = 0; i < 400 && (d.done < 2 || a.live_blocks > 0); i++) sleep_ms(5);
  assert_int_equal(d.done, 2);
  assert_int_equal(a.live_blocks, 0);
}

static mst_status run_a_group(mst_test_allocator *a, uint32_t threads) {
  mst_context_options o = MST_CONTEXT_OPTIONS_INIT;
  mst_context *ctx = NULL;
  mst_group *g = NULL;
  tally all = {0};
  job j = {.all = &all};
  detached d = {0};
  mst_status status = MST_OK;
  mst_error error, *err = &error;
  o.allocator = &a->allocator;
  o.cpu_threads = threads;
  MST_TRY(mst_context_open(&o, &ctx, err));
  MST_TRY(mst_group_new(ctx, &g, err));
  for (int i = 0; i < 5; i++) MST_TRY(mst_group_add(g, work, &j, err));
  MST_TRY(mst_pool_run_detached(ctx, call, &d, err));
  MST_TRY(mst_group_wait(g, NULL, err));
  assert_int_equal(all.begun, 5);
done:
  mst_group_free(g);
  mst_context_unref(ctx);
  if (status != MST_OK) assert_int_equal(error.status, MST_E_NO_MEMORY);
  else assert_int_equal(d.done, 1);
  return status;
}

static void every_allocation_may_fail(void **state) {
  mst_test_allocator a;
  (void)state;
  for (uint32_t threads = 1; threads <= 2; threads++) {
    for (int persistent = 0; persistent < 2; persistent++) {
      for (long n = 1;; n++) {
        mst_status status;
        mst_test_allocator_init(&a, n, persistent);
        status = run_a_group(&a, threads);
        assert_int_equal(a.live_blocks, 0);
        assert_int_equal(status, a.failed ? MST_E_NO_MEMORY : MST_OK);
        if (!a.failed) break;
      }
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_thread_runs_all_in_order_while_waiting),
      cmocka_unit_test(every_task_runs_once_and_the_width_is_kept),
      cmocka_unit_test(tasks_run_beside_each_other),
      cmocka_unit_test(the_error_is_that_of_the_earliest_task),
      cmocka_unit_test(feeding_in_bounded_memory_never_holds_more),
      cmocka_unit_test(what_is_left_runs_while_nobody_waits),
      cmocka_unit_test(a_wider_group_uses_more_threads_at_once),
      cmocka_unit_test(groups_inside_tasks_never_starve),
      cmocka_unit_test(cancelling_ends_a_wait_within_100_ms),
      cmocka_unit_test(a_wait_that_was_cancelled_before_runs_nothing),
      cmocka_unit_test(freeing_skips_what_waits_and_awaits_what_runs),
      cmocka_unit_test(detached_calls_all_run_even_when_the_context_ends),
      cmocka_unit_test(calls_that_block_never_wait_for_each_others_thread),
      cmocka_unit_test(a_detached_call_may_end_its_own_context),
      cmocka_unit_test(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
