/* tests/base/test_fork.c - after fork() a child starts anew: it neither waits for locks that its parent's threads held
 * nor for threads that it does not have. */
#include "support/support.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"

static void sleep_ms(long ms) { nanosleep(&(struct timespec){.tv_sec = 0, .tv_nsec = ms * 1000000}, NULL); }

static mst_context *context_of(uint32_t threads) {
  mst_context_options o = MST_CONTEXT_OPTIONS_INIT;
  mst_context *ctx = NULL;
  o.cpu_threads = threads;
  o.memory_bytes_max = 100;
  assert_int_equal(mst_context_open(&o, &ctx, NULL), MST_OK);
  return ctx;
}

/* Runs `body` in a child; a child that hangs is killed after some seconds and fails the test. */
static void in_child(int (*body)(void *arg), void *arg) {
  const pid_t pid = fork();
  int status;
  assert_true(pid >= 0);
  if (pid == 0) {
    alarm(10);
    _exit(body(arg));
  }
  assert_int_equal(waitpid(pid, &status, 0), pid);
  if (WIFSIGNALED(status)) fail_msg("the child died of signal %d", WTERMSIG(status));
  if (WEXITSTATUS(status) != 0) fail_msg("the child failed at step %d", WEXITSTATUS(status));
}

static mst_status count(void *arg, mst_error *err) {
  (void)err;
  atomic_fetch_add((atomic_int *)arg, 1);
  return MST_OK;
}

static mst_status run_tasks(mst_context *ctx, int n) {
  mst_group *g = NULL;
  atomic_int done = 0;
  mst_status status = mst_group_new(ctx, &g, NULL);
  for (int i = 0; i < n && status == MST_OK; i++) status = mst_group_add(g, count, &done, NULL);
  if (status == MST_OK) status = mst_group_wait(g, NULL, NULL);
  mst_group_free(g);
  return status == MST_OK && done != n ? MST_E_INTERNAL : status;
}

static int use_the_context_and_end_it(void *arg) {
  mst_context *ctx = arg;
  if (run_tasks(ctx, 50) != MST_OK) return 1;
  if (mst_budget_in_use(ctx) != 0) return 2;
  if (mst_budget_take(ctx, 100, NULL, NULL) != MST_OK) return 3;
  /* What the parent took may be given back by its copy here, and is not counted twice. */
  mst_budget_give(ctx, 100);
  mst_budget_give(ctx, 60);
  if (mst_budget_in_use(ctx) != 0) return 4;
  if (run_tasks(NULL, 50) != MST_OK) return 5;
  mst_context_unref(ctx);
  return 0;
}

static void a_child_has_threads_and_a_budget_of_its_own(void **state) {
  mst_context *ctx = context_of(3);
  (void)state;
  assert_int_equal(run_tasks(ctx, 50), MST_OK);
  assert_int_equal(run_tasks(NULL, 5), MST_OK);
  assert_true(mst_budget_try(ctx, 60));
  in_child(use_the_context_and_end_it, ctx);
  in_child(use_the_context_and_end_it, ctx);
  assert_int_equal(mst_budget_in_use(ctx), 60);
  mst_budget_give(ctx, 60);
  assert_int_equal(run_tasks(ctx, 50), MST_OK);
  mst_context_unref(ctx);
}

static int fork_again(void *arg) {
  const uint64_t generation = mst_fork_generation();
  int status;
  pid_t pid;
  if (run_tasks(arg, 10) != MST_OK) return 1;
  pid = fork();
  if (pid == 0) {
    alarm(10);
    if (mst_fork_generation() != generation + 1) _exit(9);
    _exit(use_the_context_and_end_it(arg));
  }
  if (waitpid(pid, &status, 0) != pid || status != 0) return 2;
  return run_tasks(arg, 10) == MST_OK ? 0 : 3;
}

static void a_childs_child_starts_anew_too(void **state) {
  mst_context *ctx = context_of(2);
  (void)state;
  assert_int_equal(run_tasks(ctx, 10), MST_OK);
  in_child(fork_again, ctx);
  mst_context_unref(ctx);
}

typedef struct inherited {
  mst_context *ctx;
  mst_group *group;
  atomic_bool stop;
} inherited;

static mst_status until_told(void *arg, mst_error *err) {
  inherited *i = arg;
  (void)err;
  while (!atomic_load(&i->stop)) sleep_ms(2);
  return MST_OK;
}

static int meet_an_inherited_group(void *arg) {
  inherited *i = arg;
  mst_error err;
  if (mst_group_add(i->group, until_told, i, &err) != MST_E_CANCELLED) return 1;
  if (mst_group_wait(i->group, NULL, &err) != MST_E_CANCELLED || err.status != MST_E_CANCELLED) return 2;
  mst_group_set_width(i->group, 1);
  mst_group_free(i->group);
  return run_tasks(i->ctx, 10) == MST_OK ? 0 : 3;
}

static void what_was_in_flight_ends_as_cancelled(void **state) {
  inherited i = {.ctx = context_of(2)};
  (void)state;
  assert_int_equal(mst_group_new(i.ctx, &i.group, NULL), MST_OK);
  for (int k = 0; k < 5; k++) assert_int_equal(mst_group_add(i.group, until_told, &i, NULL), MST_OK);
  in_child(meet_an_inherited_group, &i);
  atomic_store(&i.stop, true);
  assert_int_equal(mst_group_wait(i.group, NULL, NULL), MST_OK);
  mst_group_free(i.group);
  mst_context_unref(i.ctx);
}

typedef struct slow_slot {
  mst_context *ctx;
  atomic_bool inside, go_on;
  int dropped;
} slow_slot;
static slow_slot slow;

static void *make_slowly(mst_context *ctx, mst_error *err) {
  (void)ctx;
  (void)err;
  atomic_store(&slow.inside, true);
  while (!atomic_load(&slow.go_on)) sleep_ms(1);
  return &slow;
}
static void *make_at_once(mst_context *ctx, mst_error *err) {
  (void)ctx;
  (void)err;
  return &slow;
}
static void drop_slow(void *value) { ((slow_slot *)value)->dropped++; }

static void *hold_the_lock(void *arg) {
  mst_context_slot(arg, MST_SLOT_TRANSPORT, make_slowly, drop_slow, NULL);
  return NULL;
}

static int make_the_slot_anew(void *arg) {
  if (mst_context_slot(arg, MST_SLOT_TRANSPORT, make_at_once, drop_slow, NULL) != &slow) return 1;
  mst_context_unref(arg);
  return slow.dropped == 1 ? 0 : 2;
}

static int leave_the_parents_slot(void *arg) {
  mst_context_unref(arg);
  return slow.dropped;
}

static void a_lock_that_a_parents_thread_held_is_no_obstacle(void **state) {
  mst_context *ctx = context_of(2);
  pthread_t thread;
  (void)state;
  assert_int_equal(pthread_create(&thread, NULL, hold_the_lock, ctx), 0);
  while (!atomic_load(&slow.inside)) sleep_ms(1);
  in_child(make_the_slot_anew, ctx);
  atomic_store(&slow.go_on, true);
  pthread_join(thread, NULL);
  /* Now the parent has a value, which is not the child's to drop. */
  in_child(leave_the_parents_slot, ctx);
  assert_int_equal(slow.dropped, 0);
  mst_context_unref(ctx);
  assert_int_equal(slow.dropped, 1);
}

static void *keep_busy(void *arg) {
  inherited *i = arg;
  while (!atomic_load(&i->stop)) {
    run_tasks(i->ctx, 3);
    if (mst_budget_try(i->ctx, 1)) mst_budget_give(i->ctx, 1);
  }
  return NULL;
}

static void forking_at_any_moment_is_safe(void **state) {
  inherited i = {.ctx = context_of(3)};
  pthread_t thread;
  (void)state;
  assert_int_equal(pthread_create(&thread, NULL, keep_busy, &i), 0);
  for (int k = 0; k < 60; k++) in_child(use_the_context_and_end_it, i.ctx);
  atomic_store(&i.stop, true);
  pthread_join(thread, NULL);
  mst_context_unref(i.ctx);
}

/* The sanitizers' own malloc keeps locks across fork() that another thread may hold: a child that allocates hangs
 * there, in no code of ours. glibc's malloc is safe. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MALLOC_HANGS_AFTER_FORK 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MALLOC_HANGS_AFTER_FORK 1
#endif

int main(void) {
#ifdef MALLOC_HANGS_AFTER_FORK
  print_message("skipped: the sanitizer's malloc does not survive fork() beside other threads\n");
  return 77;
#endif
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_child_has_threads_and_a_budget_of_its_own),
      cmocka_unit_test(a_childs_child_starts_anew_too),
      cmocka_unit_test(what_was_in_flight_ends_as_cancelled),
      cmocka_unit_test(a_lock_that_a_parents_thread_held_is_no_obstacle),
      cmocka_unit_test(forking_at_any_moment_is_safe),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
