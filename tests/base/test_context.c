/* tests/base/test_context.c - contexts take their settings from options before the environment, refuse nonsense, make
 * slots once, and end them backwards. */
#include "support/support.h"

#include <stdlib.h>
#include <string.h>

#include "base/base.h"

static mst_context *open_with(mst_context_options o) {
  mst_context *ctx = NULL;
  mst_error err = {0};
  if (mst_context_open(&o, &ctx, &err) != MST_OK) fail_msg("%s", err.message);
  return ctx;
}

static void zero_means_the_documented_default(void **state) {
  mst_test_env e;
  mst_context *ctx;
  (void)state;
  mst_test_env_init(&e, 1, NULL);
  ctx = open_with((mst_context_options){.struct_size = sizeof(mst_context_options), .env = &e.env});
  assert_int_equal(mst_context_memory_max(ctx), 64 << 20);
  assert_int_equal(mst_context_record_max(ctx), 1 << 30);
  assert_int_equal(mst_context_requests_max(ctx), 32);
  assert_true(mst_context_threads(ctx) >= 1);
  assert_null(mst_context_mem(ctx));
  mst_context_unref(ctx);
  mst_context_unref(NULL);
}

static void options_win_over_the_environment(void **state) {
  const mst_pair vars[] = {{"MESETA_THREADS", "3"}, {"MESETA_MEMORY", "5MiB"}, {"EMPTY", ""}, {NULL, NULL}};
  mst_test_env e;
  mst_context *ctx;
  (void)state;
  mst_test_env_init(&e, 1, vars);
  ctx = open_with((mst_context_options){.struct_size = sizeof(mst_context_options), .env = &e.env});
  assert_int_equal(mst_context_threads(ctx), 3);
  assert_int_equal(mst_context_memory_max(ctx), 5 << 20);
  assert_string_equal(mst_context_getenv(ctx, "MESETA_THREADS"), "3");
  assert_null(mst_context_getenv(ctx, "EMPTY"));
  assert_null(mst_context_getenv(ctx, "HOME"));
  mst_context_unref(ctx);
  ctx = open_with((mst_context_options){.struct_size = sizeof(mst_context_options),
                                        .env = &e.env,
                                        .cpu_threads = 7,
                                        .memory_bytes_max = 9,
                                        .record_bytes_max = 10,
                                        .requests_max = 11});
  assert_int_equal(mst_context_threads(ctx), 7);
  assert_int_equal(mst_context_memory_max(ctx), 9);
  assert_int_equal(mst_context_record_max(ctx), 10);
  assert_int_equal(mst_context_requests_max(ctx), 11);
  mst_context_unref(ctx);
}

static void nonsense_in_the_environment_is_an_error_that_names_it(void **state) {
  static const mst_pair cases[][2] = {
      {{"MESETA_THREADS", "many"}, {NULL, NULL}},  {{"MESETA_THREADS", "0"}, {NULL, NULL}},
      {{"MESETA_THREADS", "99999"}, {NULL, NULL}}, {{"MESETA_MEMORY", "64 parrots"}, {NULL, NULL}},
      {{"MESETA_MEMORY", "0"}, {NULL, NULL}},
  };
  mst_error err;
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    mst_test_env e;
    mst_context_options o = MST_CONTEXT_OPTIONS_INIT;
    mst_context *ctx = NULL;
    mst_test_env_init(&e, 1, cases[i]);
    o.env = &e.env;
    assert_int_equal(mst_context_open(&o, &ctx, &err), MST_E_ARGUMENT);
    assert_null(ctx);
    assert_non_null(strstr(err.message, i == 2 ? "99999" : cases[i][0].key));
  }
}

static void impossible_options_are_refused(void **state) {
  const mst_allocator hollow = {.struct_size = sizeof hollow};
  mst_context_options o = MST_CONTEXT_OPTIONS_INIT;
  mst_context *ctx = NULL;
  (void)state;
  o.allocator = &hollow;
  assert_int_equal(mst_context_open(&o, &ctx, NULL), MST_E_ARGUMENT);
  o.allocator = NULL;
  o.cpu_threads = 100000;
  assert_int_equal(mst_context_open(&o, &ctx, NULL), MST_E_ARGUMENT);
  o.cpu_threads = 0;
  o.requests_max = 100000;
  assert_int_equal(mst_context_open(&o, &ctx, NULL), MST_E_ARGUMENT);
  o = (mst_context_options){0};
  assert_int_equal(mst_context_open(&o, &ctx, NULL), MST_E_ARGUMENT);
  assert_null(ctx);
}

static int64_t only_tick(void *self) {
  (void)self;
  return 4711;
}

static void a_partial_world_is_completed_by_the_process(void **state) {
  const mst_env partial = {.struct_size = sizeof partial, .tick_us = only_tick};
  mst_context *ctx = open_with((mst_context_options){.struct_size = sizeof(mst_context_options), .env = &partial});
  const mst_env *env = mst_context_env(ctx);
  const int64_t before = env->now_us(env->self);
  (void)state;
  assert_int_equal(env->tick_us(env->self), 4711);
  assert_true(before > INT64_C(1700000000000000));
  env->sleep_us(env->self, 2000);
  env->sleep_us(env->self, -1);
  assert_true(env->now_us(env->self) >= before + 1000);
  assert_true(env->random(env->self) != env->random(env->self));
  assert_ptr_equal(env->getenv(env->self, "PATH"), getenv("PATH"));
  mst_context_unref(ctx);
}

static void there_is_one_default(void **state) {
  mst_context *found = NULL, *own = open_with((mst_context_options)MST_CONTEXT_OPTIONS_INIT);
  (void)state;
  assert_non_null(mst_context_default());
  assert_ptr_equal(mst_context_default(), mst_context_or_default(NULL));
  assert_ptr_equal(mst_context_or_default(own), own);
  assert_int_equal(mst_context_resolve(NULL, &found, NULL), MST_OK);
  assert_ptr_equal(found, mst_context_default());
  mst_context_unref(own);
}

typedef struct slot_life {
  int made, dropped;
} slot_life;
static slot_life lives[MST_SLOTS];
static int drop_order[MST_SLOTS], drops;

static void *make_formats(mst_context *ctx, mst_error *err) {
  (void)ctx;
  (void)err;
  lives[MST_SLOT_FORMATS].made++;
  return &lives[MST_SLOT_FORMATS];
}
static void drop_any(void *value) {
  drop_order[drops++] = (int)((slot_life *)value - lives);
  ((slot_life *)value)->dropped++;
}
static void *make_cache(mst_context *ctx, mst_error *err) {
  lives[MST_SLOT_BLOCK_CACHE].made++;
  return mst_context_slot(ctx, MST_SLOT_FORMATS, make_formats, drop_any, err) == NULL ? NULL
                                                                                      : &lives[MST_SLOT_BLOCK_CACHE];
}
static void *make_nothing(mst_context *ctx, mst_error *err) {
  (void)ctx;
  mst_fail(err, MST_E_IO, "no luck");
  return NULL;
}

static void slots_are_made_once_and_end_backwards(void **state) {
  mst_context *ctx = open_with((mst_context_options)MST_CONTEXT_OPTIONS_INIT);
  mst_error err;
  (void)state;
  memset(lives, 0, sizeof lives);
  drops = 0;
  assert_null(mst_context_slot(ctx, MST_SLOT_BLOCK_CACHE, make_nothing, drop_any, &err));
  assert_string_equal(err.message, "no luck");
  for (int i = 0; i < 3; i++) {
    assert_ptr_equal(mst_context_slot(ctx, MST_SLOT_BLOCK_CACHE, make_cache, drop_any, &err),
                     &lives[MST_SLOT_BLOCK_CACHE]);
    assert_ptr_equal(mst_context_slot(ctx, MST_SLOT_FORMATS, make_formats, drop_any, &err), &lives[MST_SLOT_FORMATS]);
  }
  mst_context_unref(mst_context_ref(ctx));
  assert_int_equal(drops, 0);
  mst_context_unref(ctx);
  assert_int_equal(lives[MST_SLOT_FORMATS].made, 1);
  assert_int_equal(lives[MST_SLOT_BLOCK_CACHE].made, 1);
  assert_int_equal(drops, 2);
  assert_int_equal(drop_order[0], MST_SLOT_BLOCK_CACHE);
  assert_int_equal(drop_order[1], MST_SLOT_FORMATS);
}

static void every_allocation_may_fail(void **state) {
  mst_test_allocator a;
  (void)state;
  for (long n = 1;; n++) {
    mst_context_options o = MST_CONTEXT_OPTIONS_INIT;
    mst_context *ctx = NULL;
    mst_cancel *cancel = NULL;
    mst_status status;
    mst_test_allocator_init(&a, n, false);
    o.allocator = &a.allocator;
    status = mst_context_open(&o, &ctx, NULL);
    if (status == MST_OK) {
      cancel = mst_cancel_new(ctx);
      assert_int_equal(cancel == NULL, a.failed);
    } else assert_int_equal(status, MST_E_NO_MEMORY);
    mst_context_unref(ctx);
    mst_cancel_unref(cancel);
    assert_int_equal(a.live_blocks, 0);
    if (!a.failed) break;
  }
}

typedef struct log_seen {
  int n;
  mst_log_level level;
  char area[32], text[2000];
} log_seen;

static void note_log(void *arg, mst_log_level level, const char *area, const char *text) {
  log_seen *seen = arg;
  seen->n++;
  seen->level = level;
  strncpy(seen->area, area, sizeof seen->area - 1);
  strncpy(seen->text, text, sizeof seen->text - 1);
}

static void the_log_is_the_callers(void **state) {
  log_seen seen = {0};
  mst_context *ctx =
      open_with((mst_context_options){.struct_size = sizeof(mst_context_options), .log = note_log, .log_arg = &seen});
  (void)state;
  mst_log(ctx, MST_LOG_INFO, "store", "%d requests", 3);
  assert_int_equal(seen.n, 1);
  assert_int_equal(seen.level, MST_LOG_INFO);
  assert_string_equal(seen.area, "store");
  assert_string_equal(seen.text, "3 requests");
  mst_log(ctx, MST_LOG_INFO, "store", "%5000d", 3);
  assert_int_equal(seen.n, 2);
  mst_log(NULL, MST_LOG_ERROR, "x", "y");
  mst_context_unref(ctx);
  ctx = open_with((mst_context_options)MST_CONTEXT_OPTIONS_INIT);
  mst_log(ctx, MST_LOG_ERROR, "x", "y");
  mst_context_unref(ctx);
}

static void a_cancellation_is_seen_and_stays(void **state) {
  mst_cancel *cancel = mst_cancel_new(NULL);
  mst_error err;
  (void)state;
  assert_false(mst_cancelled(NULL));
  assert_false(mst_cancelled(cancel));
  assert_int_equal(mst_cancel_check(cancel, &err), MST_OK);
  assert_int_equal(mst_cancel_check(NULL, &err), MST_OK);
  mst_cancel_request(NULL);
  mst_cancel_request(mst_cancel_ref(cancel));
  mst_cancel_unref(cancel);
  assert_true(mst_cancelled(cancel));
  assert_int_equal(mst_cancel_check(cancel, &err), MST_E_CANCELLED);
  assert_int_equal(err.status, MST_E_CANCELLED);
  mst_cancel_unref(cancel);
  mst_cancel_unref(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(zero_means_the_documented_default),
      cmocka_unit_test(options_win_over_the_environment),
      cmocka_unit_test(nonsense_in_the_environment_is_an_error_that_names_it),
      cmocka_unit_test(impossible_options_are_refused),
      cmocka_unit_test(a_partial_world_is_completed_by_the_process),
      cmocka_unit_test(there_is_one_default),
      cmocka_unit_test(slots_are_made_once_and_end_backwards),
      cmocka_unit_test(every_allocation_may_fail),
      cmocka_unit_test(the_log_is_the_callers),
      cmocka_unit_test(a_cancellation_is_seen_and_stays),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
