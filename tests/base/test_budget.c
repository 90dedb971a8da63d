/* tests/base/test_budget.c - the memory budget is never exceeded, serves waiters in order, and lets go within 100 ms.
 */
#include "support/support.h"

#include <pthread.h>
#include <time.h>

#include "base/base.h"

static mst_context *context_of(uint64_t memory, uint64_t record) {
  mst_context_options o = MST_CONTEXT_OPTIONS_INIT;
  mst_context *ctx = NULL;
  o.memory_bytes_max = memory;
  o.record_bytes_max = record;
  assert_int_equal(mst_context_open(&o, &ctx, NULL), MST_OK);
  return ctx;
}

static int64_t tick_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void sleep_ms(long ms) { nanosleep(&(struct timespec){.tv_sec = 0, .tv_nsec = ms * 1000000}, NULL); }

static void the_budget_is_kept_to_the_byte(void **state) {
  mst_context *ctx = context_of(100, 1000);
  (void)state;
  assert_true(mst_budget_try(ctx, 60));
  assert_false(mst_budget_try(ctx, 41));
  assert_true(mst_budget_try(ctx, 40));
  assert_int_equal(mst_budget_in_use(ctx), 100);
  assert_true(mst_budget_try(ctx, 0));
  assert_false(mst_budget_try(ctx, UINT64_MAX));
  mst_budget_give(ctx, 100);
  assert_int_equal(mst_budget_in_use(ctx), 0);
  mst_context_unref(ctx);
}

static void a_giant_is_admitted_alone_up_to_the_record_limit(void **state) {
  mst_context *ctx = context_of(100, 1000);
  mst_error err;
  (void)state;
  assert_true(mst_budget_try(ctx, 1));
  assert_false(mst_budget_try(ctx, 500));
  mst_budget_give(ctx, 1);
  assert_int_equal(mst_budget_take(ctx, 1000, NULL, &err), MST_OK);
  assert_false(mst_budget_try(ctx, 1));
  mst_budget_give(ctx, 1000);
  assert_int_equal(mst_budget_take(ctx, 1001, NULL, &err), MST_E_LIMIT);
  assert_int_equal(mst_budget_in_use(ctx), 0);
  mst_context_unref(ctx);
}

typedef struct taker {
  mst_context *ctx;
  uint64_t bytes;
  mst_cancel *cancel;
  atomic_int *order;
  int place;
  mst_status status;
  int64_t ended_ms;
} taker;

static void *take(void *arg) {
  taker *t = arg;
  t->status = mst_budget_take(t->ctx, t->bytes, t->cancel, NULL);
  t->ended_ms = tick_ms();
  if (t->order != NULL) t->place = atomic_fetch_add(t->order, 1);
  return NULL;
}

static void waiters_are_served_in_order_and_not_overtaken(void **state) {
  mst_context *ctx = context_of(100, 1000);
  atomic_int order = 0;
  taker large = {.ctx = ctx, .bytes = 90, .order = &order}, small = {.ctx = ctx, .bytes = 10, .order = &order};
  pthread_t threads[2];
  (void)state;
  assert_true(mst_budget_try(ctx, 50));
  assert_int_equal(pthread_create(&threads[0], NULL, take, &large), 0);
  /* Once somebody waits, whoever only tries gives way, although there is room. */
  while (mst_budget_try(ctx, 1)) {
    mst_budget_give(ctx, 1);
    sleep_ms(1);
  }
  assert_int_equal(pthread_create(&threads[1], NULL, take, &small), 0);
  sleep_ms(20);
  assert_int_equal(order, 0);
  mst_budget_give(ctx, 50);
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  assert_int_equal(large.status, MST_OK);
  assert_int_equal(small.status, MST_OK);
  assert_int_equal(mst_budget_in_use(ctx), 100);
  mst_budget_give(ctx, 100);
  mst_context_unref(ctx);
}

static void a_cancelled_waiter_leaves_within_100_ms_and_takes_nothing(void **state) {
  mst_context *ctx = context_of(100, 1000);
  mst_cancel *cancel = mst_cancel_new(ctx);
  taker first = {.ctx = ctx, .bytes = 100, .cancel = cancel}, second = {.ctx = ctx, .bytes = 30};
  pthread_t threads[2];
  int64_t asked_ms;
  (void)state;
  assert_true(mst_budget_try(ctx, 70));
  assert_int_equal(pthread_create(&threads[0], NULL, take, &first), 0);
  while (mst_budget_try(ctx, 1)) {
    mst_budget_give(ctx, 1);
    sleep_ms(1);
  }
  assert_int_equal(pthread_create(&threads[1], NULL, take, &second), 0);
  sleep_ms(10);
  asked_ms = tick_ms();
  mst_cancel_request(cancel);
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  assert_int_equal(first.status, MST_E_CANCELLED);
  assert_true(first.ended_ms - asked_ms < 100);
  /* Who stood behind is served at once. */
  assert_int_equal(second.status, MST_OK);
  assert_true(second.ended_ms - asked_ms < 200);
  assert_int_equal(mst_budget_in_use(ctx), 100);
  mst_budget_give(ctx, 100);
  assert_int_equal(mst_budget_take(ctx, 1, cancel, NULL), MST_E_CANCELLED);
  assert_int_equal(mst_budget_in_use(ctx), 0);
  mst_cancel_unref(cancel);
  mst_context_unref(ctx);
}

/* Nobody gives, because everybody waits: after a while the first goes beyond the budget. */
static void a_standstill_ends(void **state) {
  mst_context *ctx = context_of(100, 1000);
  int64_t begun = tick_ms();
  (void)state;
  assert_true(mst_budget_try(ctx, 60));
  assert_int_equal(mst_budget_take(ctx, 60, NULL, NULL), MST_OK);
  assert_true(tick_ms() - begun >= 1900);
  assert_int_equal(mst_budget_in_use(ctx), 120);
  assert_false(mst_budget_try(ctx, 1));
  mst_budget_give(ctx, 60);
  assert_true(mst_budget_try(ctx, 40));
  mst_budget_give(ctx, 100);
  assert_int_equal(mst_budget_in_use(ctx), 0);
  mst_context_unref(ctx);
}

typedef struct crowd {
  mst_context *ctx;
  atomic_long held;
  atomic_bool exceeded;
} crowd;

static void *take_and_give(void *arg) {
  crowd *c = arg;
  for (uint64_t i = 0; i < 2000; i++) {
    const uint64_t bytes = 1 + i * 7 % 60;
    if (i % 3 == 0 ? !mst_budget_try(c->ctx, bytes) : mst_budget_take(c->ctx, bytes, NULL, NULL) != MST_OK) continue;
    if (atomic_fetch_add(&c->held, (long)bytes) + (long)bytes > 100) atomic_store(&c->exceeded, true);
    atomic_fetch_sub(&c->held, (long)bytes);
    mst_budget_give(c->ctx, bytes);
  }
  return NULL;
}

static void many_threads_never_hold_more_than_there_is(void **state) {
  crowd c = {.ctx = context_of(100, 1000)};
  pthread_t threads[4];
  (void)state;
  for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, &c), 0);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  assert_false(c.exceeded);
  assert_int_equal(mst_budget_in_use(c.ctx), 0);
  mst_context_unref(c.ctx);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_budget_is_kept_to_the_byte),
      cmocka_unit_test(a_giant_is_admitted_alone_up_to_the_record_limit),
      cmocka_unit_test(waiters_are_served_in_order_and_not_overtaken),
      cmocka_unit_test(a_cancelled_waiter_leaves_within_100_ms_and_takes_nothing),
      cmocka_unit_test(a_standstill_ends),
      cmocka_unit_test(many_threads_never_hold_more_than_there_is),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
