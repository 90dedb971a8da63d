/* dataset/test_lock.c - stores that take a condition and ignore it: found out, refused, and shared all the same by
 * writers that name a lock. */
#include "commit_kit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "dataset/probe.h"

static kit world;
static kit *k = &world;

/* A far store, as many are: every write succeeds. `ignores` false: conditions hold. */
typedef struct careless {
  mst_store *inner;
  bool ignores;
} careless;

static mst_status careless_run(void *self, mst_op *op, mst_error *err) {
  careless *c = self;
  mst_op inner = *op;
  inner.done = NULL;
  if (c->ignores && inner.kind == MST_OP_PUT) inner.put_mode = MST_PUT_REPLACE;
  mst_status status = mst_store_perform(c->inner, &inner, err);
  op->got = inner.got;
  op->info = inner.info;
  memcpy(op->upload_id, inner.upload_id, sizeof op->upload_id);
  memcpy(op->part_tag, inner.part_tag, sizeof op->part_tag);
  return status;
}

static void careless_close(void *self) {
  careless *c = self;
  mst_store_unref(c->inner);
  free(c);
}

static mst_store *careless_store(const char *name, bool ignores) {
  careless *c = calloc(1, sizeof *c);
  mst_store *out = NULL;
  assert_non_null(c);
  c->inner = kit_memory_store(k, name);
  c->ignores = ignores;
  mst_store_ops ops = {.struct_size = sizeof ops, .name = "careless", .run = careless_run, .close = careless_close};
  OK(mst_store_wrap(k->ctx, &ops, c, name, &out, &k->err));
  return out;
}

static int setup(void **state) {
  (void)state;
  kit_open(k, 21);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  kit_close(k);
  return 0;
}

/* ---- probing -------------------------------------------------------------------------------------------------------
 */

static void test_the_probe_tells(void **state) {
  mst_store_verdict v;
  (void)state;
  kit_set_store(k, careless_store("memory://careful", false));
  OK(mst_probe_run(k->store, "x.meseta/", 8, 3, &v, NULL, &k->err));
  assert_true(v.create_only && v.if_match);
  assert_string_equal(v.why, "");
  assert_int_equal(kit_count(k, ""), 0);
  kit_set_store(k, careless_store("memory://careless", true));
  OK(mst_probe_run(k->store, "x.meseta/", 8, 3, &v, NULL, &k->err));
  assert_false(v.create_only || v.if_match);
  assert_int_equal(v.doubled, 3 * 7);
  assert_int_equal(v.lost, 3 * 7);
  assert_true(strlen(v.why) > 0);
  assert_int_equal(kit_count(k, ""), 0);
}

static void test_a_careless_store_is_refused(void **state) {
  mst_dataset *d = NULL;
  const char *label = "a";
  (void)state;
  kit_set_store(k, careless_store("memory://refused", true));
  FAILS(MST_E_UNSUPPORTED, kit_create(k, &label, 1, NULL, &d));
  assert_non_null(strstr(k->err.message, "lock"));
  assert_false(kit_has_object(k, KIT_UUID ".by-dataset-metadata.json"));
  kit_set_store(k, careless_store("memory://taken", false));
  OK(kit_create(k, &label, 1, NULL, &d));
  mst_ds_unref(d);
}

/* ---- the lock ------------------------------------------------------------------------------------------------------
 */

static void test_a_lock_is_one_writers(void **state) {
  mst_lock *a = NULL, *b = NULL;
  mst_cancel *cancel = mst_cancel_new(k->ctx);
  (void)state;
  OK(mst_lock_take(k->store, KIT_UUID, "one", &a, NULL, &k->err));
  OK(mst_lock_take(k->store, KIT_UUID, "other", &b, NULL, &k->err)); /* another name */
  mst_lock_give(b);
  OK(mst_lock_check(a, &k->err));
  mst_cancel_request(cancel);
  FAILS(MST_E_CANCELLED, mst_lock_take(k->store, KIT_UUID, "one", &b, cancel, &k->err));
  mst_lock_give(a);
  assert_int_equal(kit_count(k, ""), 0);
  OK(mst_lock_take(k->store, KIT_UUID, "one", &a, NULL, &k->err));
  mst_test_env_advance(&k->env, INT64_C(41) * 1000000);
  FAILS(MST_E_TIMEOUT, mst_lock_check(a, &k->err)); /* it may have lapsed: nothing is written any more */
  mst_lock_give(a);
  mst_cancel_unref(cancel);
}

static void test_a_dead_writers_claim_lapses(void **state) {
  mst_lock *l = NULL;
  (void)state;
  OK(mst_put_object(k->store, KIT_UUID ".meseta/lock/one/00000000000000000000000000000000", "", 0, MST_PUT_REPLACE,
                    NULL, NULL, NULL, &k->err));
  OK(mst_lock_take(k->store, KIT_UUID, "one", &l, NULL, &k->err)); /* in virtual time, a minute later */
  assert_int_equal(kit_count(k, KIT_UUID ".meseta/lock/"), 1);
  mst_lock_give(l);
}

static void test_names_of_locks(void **state) {
  static const char *const wrong[] = {"", "..", "a/b", "a b", ".hidden"};
  mst_lock *l = NULL;
  (void)state;
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
    FAILS(MST_E_ARGUMENT, mst_lock_take(k->store, KIT_UUID, wrong[i], &l, NULL, &k->err));
}

/* ---- writers with a lock -------------------------------------------------------------------------------------------
 */

enum { THREADS = 6, COMMITS = 4 };

typedef struct writer {
  pthread_t thread;
  kit world;
  int number;
  mst_status status;
} writer;

static mst_status append_one(kit *w, const char *label) {
  mst_dataset *d = NULL, *after = NULL;
  mst_change *c = NULL;
  mst_new_files files;
  const mst_dataset_options options = {.struct_size = sizeof options, .lock = "writers"};
  mst_new_files_init(&files, NULL);
  mst_status status = mst_ds_open(w->store, KIT_UUID, &options, &d, NULL, &w->err);
  if (status == MST_OK) status = mst_ds_change_open(d, &c, &w->err);
  if (status == MST_OK) status = kit_try_file(w, &files, label);
  if (status == MST_OK) status = mst_change_add_files(c, &files, &w->err);
  if (status == MST_OK) status = mst_ds_change_commit(c, &after, NULL, NULL, &w->err);
  mst_new_files_free(&files);
  mst_ds_change_free(c);
  mst_ds_unref(after);
  mst_ds_unref(d);
  return status;
}

static void *work(void *arg) {
  writer *w = arg;
  for (int i = 0; i < COMMITS && w->status == MST_OK; i++) {
    char label[32];
    (void)snprintf(label, sizeof label, "w%d-%d", w->number, i);
    w->status = append_one(&w->world, label);
  }
  return NULL;
}

static void test_writers_with_a_lock_lose_nothing(void **state) {
  mst_context_options options = MST_CONTEXT_OPTIONS_INIT;
  writer writers[THREADS] = {0};
  mst_dataset *d = NULL;
  struct ArrowSchema schema;
  mst_new_files files;
  const mst_dataset_options locked = {.struct_size = sizeof locked, .lock = "writers"};
  (void)state;
  kit_close(k);
  *k = (kit){0};
  assert_int_equal(mst_context_open(&options, &k->ctx, &k->err), MST_OK); /* real time */
  k->store = careless_store("memory://locked", true);
  mst_new_files_init(&files, NULL);
  json_t *metadata = json_object();
  OK(mst_schema_make(NULL, &(mst_field){.name = "v", .format = "l"}, 1, &schema, &k->err));
  mst_first_commit c = {.ctx = k->ctx,
                        .store = k->store,
                        .uuid = KIT_UUID,
                        .options = &locked,
                        .table = "table",
                        .files = &files,
                        .schema = &schema,
                        .metadata = metadata};
  OK(mst_commit_first(&c, &d, NULL, NULL, &k->err));
  mst_ds_unref(d);
  for (int i = 0; i < THREADS; i++) {
    writers[i].number = i;
    writers[i].world = *k;
    assert_int_equal(pthread_create(&writers[i].thread, NULL, work, &writers[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
    if (writers[i].status != MST_OK) fail_msg("writer %d: %s", i, writers[i].world.err.message);
  }
  OK(mst_ds_open(k->store, KIT_UUID, &locked, &d, NULL, &k->err));
  assert_int_equal(mst_ds_partition_count(d), THREADS * COMMITS);
  assert_int_equal(mst_ds_version(d), 1 + THREADS * COMMITS);
  assert_int_equal(kit_count(k, KIT_UUID ".meseta/lock/"), 0);
  mst_ds_unref(d);
  json_decref(metadata);
  mst_schema_release(&schema);
  mst_new_files_free(&files);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      T(test_the_probe_tells),       T(test_a_careless_store_is_refused),
      T(test_a_lock_is_one_writers), T(test_a_dead_writers_claim_lapses),
      T(test_names_of_locks),        T(test_writers_with_a_lock_lose_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
