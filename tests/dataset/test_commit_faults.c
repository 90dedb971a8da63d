/* dataset/test_commit_faults.c - every allocation and every operation of the store fails once, or from then on, in each
 * call that commits: the dataset is as before or as after, success is never claimed for what is not there, and nothing
 * leaks. */
#include "commit_kit.h"

#include <stdio.h>
#include <stdlib.h>

static kit world;
static kit *k = &world;

typedef struct action {
  const char *name;
  mst_status (*run)(kit *w);
  size_t partitions; /* of the dataset when it is done; 0: the dataset is gone */
} action;

static mst_status open_it(kit *w, mst_dataset **d) {
  mst_dataset_options options = MST_DATASET_OPTIONS_INIT;
  return mst_ds_open(w->store, KIT_UUID, &options, d, NULL, &w->err);
}

/* ---- what is done --------------------------------------------------------------------------------------------------
 */

static mst_status do_append(kit *w) {
  mst_dataset *d = NULL, *after = NULL;
  mst_change *c = NULL;
  mst_new_files files;
  mst_new_files_init(&files, mst_context_mem(w->ctx));
  mst_status status = open_it(w, &d);
  if (status == MST_OK) status = mst_ds_change_open(d, &c, &w->err);
  if (status == MST_OK) status = kit_try_file(w, &files, "c");
  if (status == MST_OK) status = mst_change_add_files(c, &files, &w->err);
  if (status == MST_OK) status = mst_ds_change_metadata(c, "{\"owner\": \"ada\"}", &w->err);
  if (status == MST_OK) status = mst_ds_change_commit(c, &after, NULL, NULL, &w->err);
  mst_new_files_free(&files);
  mst_ds_change_free(c);
  mst_ds_unref(after);
  mst_ds_unref(d);
  return status;
}

static mst_status do_remove(kit *w) {
  mst_dataset *d = NULL, *after = NULL;
  mst_change *c = NULL;
  const char *label = "a";
  mst_status status = open_it(w, &d);
  if (status == MST_OK) status = mst_ds_change_open(d, &c, &w->err);
  if (status == MST_OK) status = mst_ds_change_remove_labels(c, &label, 1, NULL, &w->err);
  if (status == MST_OK) status = mst_ds_change_commit(c, &after, NULL, NULL, &w->err);
  mst_ds_change_free(c);
  mst_ds_unref(after);
  mst_ds_unref(d);
  return status;
}

static mst_status do_restore(kit *w) {
  mst_dataset *d = NULL, *after = NULL;
  mst_change *c = NULL;
  mst_status status = open_it(w, &d);
  if (status == MST_OK) status = mst_ds_change_open(d, &c, &w->err);
  if (status == MST_OK) status = mst_ds_change_restore(c, 1, NULL, &w->err);
  if (status == MST_OK) status = mst_ds_change_commit(c, &after, NULL, NULL, &w->err);
  mst_ds_change_free(c);
  mst_ds_unref(after);
  mst_ds_unref(d);
  return status;
}

static mst_status do_gc(kit *w) {
  mst_dataset *d = NULL;
  json_t *keys = NULL;
  mst_status status = open_it(w, &d);
  if (status == MST_OK) status = mst_ds_gc(d, 0, false, &keys, NULL, &w->err);
  json_decref(keys);
  mst_ds_unref(d);
  return status;
}

static mst_status do_log(kit *w) {
  mst_dataset *d = NULL, *past = NULL;
  json_t *log = NULL;
  mst_status status = open_it(w, &d);
  if (status == MST_OK) status = mst_ds_log(d, &log, NULL, &w->err);
  if (status == MST_OK) status = mst_ds_at(d, 1, 0, &past, NULL, &w->err);
  json_decref(log);
  mst_ds_unref(past);
  mst_ds_unref(d);
  return status;
}

static mst_status do_expire(kit *w) {
  mst_dataset *d = NULL, *after = NULL;
  mst_status status = open_it(w, &d);
  if (status == MST_OK) status = mst_ds_expire(d, 1, 0, &after, NULL, &w->err);
  mst_ds_unref(after);
  mst_ds_unref(d);
  return status;
}

static mst_status do_drop(kit *w) {
  json_t *keys = NULL;
  mst_status status = mst_ds_drop(w->store, KIT_UUID, NULL, false, &keys, NULL, &w->err);
  json_decref(keys);
  return status;
}

static const action actions[] = {{"append", do_append, 4}, {"remove", do_remove, 2}, {"restore", do_restore, 2},
                                 {"gc", do_gc, 3},         {"log", do_log, 3},       {"expire", do_expire, 3},
                                 {"drop", do_drop, 0}};
enum { ACTIONS = sizeof actions / sizeof actions[0], BEFORE = 3 };

/* ---- what must hold ------------------------------------------------------------------------------------------------
 */

/* A dataset of two versions and three partitions, one of them added later. */
static void prepare(const char *name) {
  const char *labels[] = {"a", "b"};
  mst_dataset *d = NULL;
  kit_set_store(k, kit_memory_store(k, name));
  OK(kit_create(k, labels, 2, NULL, &d));
  d = kit_append(k, d, "x");
  mst_ds_unref(d);
}

/* Whole, and as before or as after; as after when success was claimed. */
static void check(const action *a, mst_status status) {
  mst_dataset *d = NULL;
  mst_dataset_options options = MST_DATASET_OPTIONS_INIT;
  mst_status found = mst_ds_open(k->store, KIT_UUID, &options, &d, NULL, &k->err);
  if (found == MST_E_NOT_FOUND) {
    assert_int_equal(a->partitions, 0);
    return;
  }
  assert_int_equal(found, MST_OK);
  const size_t n = mst_ds_partition_count(d);
  if (n != a->partitions && (n != BEFORE || (status == MST_OK && a->partitions != BEFORE)))
    fail_msg("%s: %zu partitions after status %d", a->name, n, (int)status);
  for (size_t i = 0; i < n; i++) {
    char key[128];
    (void)snprintf(key, sizeof key, KIT_UUID "/table/%s.parquet", mst_document_label(d->document, i));
    assert_true(kit_has_object(k, key));
  }
  d = kit_append(k, d, "later"); /* and it goes on */
  assert_int_equal(mst_ds_partition_count(d), n + 1);
  mst_ds_unref(d);
}

static void open_world(kit *w, const mst_test_allocator *a, const char *name) {
  *w = (kit){0};
  mst_test_env_init(&w->env, 9, NULL);
  mst_context_options options = MST_CONTEXT_OPTIONS_INIT;
  options.cpu_threads = 1;
  options.env = &w->env.env;
  options.allocator = a == NULL ? NULL : &a->allocator;
  if (mst_context_open(&options, &w->ctx, &w->err) != MST_OK) return;
  char url[64];
  (void)snprintf(url, sizeof url, "memory://%s", name);
  if (mst_store_open_url(w->ctx, url, NULL, 0, &w->store, &w->err) != MST_OK) w->store = NULL;
}

/* ---- memory --------------------------------------------------------------------------------------------------------
 */

static bool fail_allocation(const action *a, long n, bool persistent) {
  mst_test_allocator memory;
  kit w;
  mst_status status = MST_E_NO_MEMORY;
  prepare("faults-memory");
  mst_test_allocator_init(&memory, n, persistent);
  open_world(&w, &memory, "faults-memory");
  if (w.store != NULL) status = a->run(&w);
  mst_store_unref(w.store);
  mst_context_unref(w.ctx);
  assert_int_equal(atomic_load(&memory.live_blocks), 0);
  const bool failed = atomic_load(&memory.failed);
  if (!failed && status != MST_OK) fail_msg("%s: %s", a->name, w.err.message);
  check(a, status);
  mst_dataset *d = NULL;
  mst_dataset_options options = MST_DATASET_OPTIONS_INIT;
  json_t *keys = NULL;
  if (mst_ds_open(k->store, KIT_UUID, &options, &d, NULL, NULL) == MST_OK) mst_ds_unref(d);
  if (mst_ds_drop(k->store, KIT_UUID, NULL, false, &keys, NULL, NULL) == MST_OK) json_decref(keys);
  assert_int_equal(kit_count(k, ""), 0);
  return failed;
}

static void test_memory(void **state) {
  (void)state;
  for (size_t i = 0; i < ACTIONS; i++)
    for (int persistent = 0; persistent < 2; persistent++) {
      long n = 1;
      while (fail_allocation(&actions[i], n, persistent != 0)) n += n < 60 ? 1 : 1 + n / 40;
      print_message("%s: %ld allocations\n", actions[i].name, n);
    }
}

/* ---- the store -----------------------------------------------------------------------------------------------------
 */

typedef struct count_down {
  int left;
  bool persistent, lose_reply, hit;
} count_down;

static kit_fate decide(void *self, const mst_op *op) {
  count_down *c = self;
  (void)op;
  if (c->left > 0) c->left--;
  else if (!c->hit || c->persistent) {
    c->hit = true;
    return c->lose_reply ? KIT_LOSE_REPLY : KIT_LOSE_REQUEST;
  }
  return KIT_PASS;
}

static bool fail_operation(const action *a, int n, bool persistent, bool lose_reply) {
  count_down c = {.left = n - 1, .persistent = persistent, .lose_reply = lose_reply};
  kit w;
  json_t *keys = NULL;
  prepare("faults-store");
  open_world(&w, NULL, "faults-store");
  mst_store *faulty = kit_faulty(&w, w.store, &(kit_faults){decide, NULL, &c});
  kit_set_store(&w, faulty);
  mst_status status = a->run(&w);
  mst_store_unref(w.store);
  mst_context_unref(w.ctx);
  if (!c.hit) assert_int_equal(status, MST_OK);
  check(a, status);
  (void)mst_ds_drop(k->store, KIT_UUID, NULL, false, &keys, NULL, NULL);
  json_decref(keys);
  return c.hit;
}

static void test_operations(void **state) {
  (void)state;
  for (size_t i = 0; i < ACTIONS; i++)
    for (int how = 0; how < 4; how++)
      for (int n = 1; fail_operation(&actions[i], n, (how & 1) != 0, (how & 2) != 0); n++) assert_true(n < 200);
}

static int setup(void **state) {
  (void)state;
  kit_open(k, 17);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  kit_close(k);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
                                     cmocka_unit_test_setup_teardown(test_operations, setup, teardown)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
