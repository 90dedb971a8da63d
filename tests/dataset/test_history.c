/* dataset/test_history.c - the past of a dataset: every version as it was, for as long as the rule says; what is
 * collected and what never is. */
#include "commit_kit.h"

#include <stdio.h>
#include <stdlib.h>

static kit world;
static kit *k = &world;

static const int64_t SECOND = 1000000, HOUR = INT64_C(3600) * 1000000, DAY = INT64_C(86400) * 1000000;

static int setup(void **state) {
  (void)state;
  kit_open(k, 11);
  k->env.now = INT64_C(1700000000) * SECOND;
  return 0;
}

static int teardown(void **state) {
  (void)state;
  kit_close(k);
  return 0;
}

static mst_dataset *one(const char *history) {
  const char *labels[] = {"a"};
  mst_dataset *d = NULL;
  OK(kit_create(k, labels, 1, history, &d));
  return d;
}

/* Labels in order, joined. */
static char *shape(const mst_dataset *d) {
  size_t n = mst_document_partitions(d->document), at = 0;
  char *text = calloc(n + 1, 40);
  assert_non_null(text);
  for (size_t i = 0; i < n; i++) at += (size_t)sprintf(text + at, "%s ", mst_document_label(d->document, i));
  return text;
}

static void step(int64_t us) { mst_test_env_advance(&k->env, us); }

static mst_dataset *at(mst_dataset *d, uint64_t version) {
  mst_dataset *past = NULL;
  OK(mst_ds_at(d, version, 0, &past, NULL, &k->err));
  assert_int_equal(mst_ds_version(past), version);
  return past;
}

static void assert_gone(mst_dataset *d, uint64_t version) {
  mst_dataset *past = NULL;
  FAILS(MST_E_NOT_FOUND, mst_ds_at(d, version, 0, &past, NULL, &k->err));
  assert_non_null(strstr(k->err.message, "gone"));
}

static mst_dataset *commit(mst_dataset *d, const char *add, const char *remove) {
  mst_dataset *after = NULL;
  OK(kit_commit(k, kit_change(k, d, add, remove), &after));
  mst_ds_unref(d);
  return after;
}

/* ---- versions ------------------------------------------------------------------------------------------------------
 */

enum { MANY = 700 };

static void test_every_version_comes_back(void **state) {
  (void)state;
  char *shapes[MANY + 2] = {NULL};
  mst_dataset *d = one("30d");
  shapes[1] = shape(d);
  for (int i = 2; i <= MANY; i++) {
    char add[16], remove[16];
    (void)snprintf(add, sizeof add, "f%d", i);
    (void)snprintf(remove, sizeof remove, "f%d", i - 7);
    step(SECOND);
    d = commit(d, add, i % 3 == 0 && i > 12 && (i - 7) % 3 != 0 ? remove : NULL);
    shapes[i] = shape(d);
  }
  mst_dataset *fresh = kit_open_dataset(k);
  json_t *log = kit_log(k, fresh);
  assert_int_equal(json_array_size(log), MANY);
  for (size_t i = 0; i < MANY; i++)
    assert_int_equal(json_integer_value(json_object_get(json_array_get(log, i), "version")), MANY - i);
  for (uint64_t v = 1; v <= MANY; v += v < 60 || v > MANY - 60 ? 1 : 37) {
    mst_dataset *past = at(fresh, v);
    char *now = shape(past);
    assert_string_equal(now, shapes[v]);
    free(now);
    mst_ds_unref(past);
  }
  const json_t *section = json_object_get(mst_document_metadata(fresh->document), MST_SECTION);
  assert_true(json_array_size(json_object_get(section, "segments")) > 0);
  assert_true(json_array_size(json_object_get(section, "segments")) < 10); /* small ones become large ones */
  assert_true(kit_count(k, KIT_UUID ".meseta/checkpoints/") > 0);
  for (int i = 0; i <= MANY; i++) free(shapes[i]);
  json_decref(log);
  mst_ds_unref(fresh);
  mst_ds_unref(d);
}

static void test_by_time(void **state) {
  (void)state;
  mst_dataset *d = one(NULL), *past = NULL;
  const int64_t began = k->env.now;
  step(10 * SECOND);
  d = commit(d, "b", NULL);
  step(10 * SECOND);
  d = commit(d, "c", NULL);
  OK(mst_ds_at(d, 0, began + 15 * SECOND, &past, NULL, &k->err));
  assert_int_equal(mst_ds_version(past), 2);
  mst_ds_unref(past);
  OK(mst_ds_at(d, 0, began + DAY, &past, NULL, &k->err));
  assert_int_equal(mst_ds_version(past), 3);
  mst_ds_unref(past);
  FAILS(MST_E_NOT_FOUND, mst_ds_at(d, 0, began - SECOND, &past, NULL, &k->err));
  FAILS(MST_E_NOT_FOUND, mst_ds_at(d, 4, 0, &past, NULL, &k->err));
  mst_ds_unref(d);
}

static void test_the_past_is_read_only(void **state) {
  (void)state;
  mst_dataset *d = commit(one(NULL), "b", NULL), *past = at(d, 1);
  mst_change *c = NULL;
  FAILS(MST_E_ARGUMENT, mst_ds_change_open(past, &c, &k->err));
  mst_ds_unref(past);
  mst_ds_unref(d);
}

static void test_restore(void **state) {
  (void)state;
  mst_dataset *d = commit(one(NULL), "b", NULL), *after = NULL;
  d = commit(d, "c", "a");
  mst_change *c = kit_change(k, d, NULL, NULL);
  OK(mst_ds_change_restore(c, 2, NULL, &k->err));
  OK(kit_commit(k, c, &after));
  assert_int_equal(mst_ds_version(after), 4);
  char *now = shape(after);
  assert_string_equal(now, "a b ");
  free(now);
  after = commit(after, "e", NULL);
  for (uint64_t v = 1; v <= 5; v++) {
    static const char *const shapes[] = {"a ", "a b ", "b c ", "a b ", "a b e "};
    mst_dataset *past = at(after, v);
    now = shape(past);
    assert_string_equal(now, shapes[v - 1]);
    free(now);
    mst_ds_unref(past);
  }
  mst_ds_unref(after);
  mst_ds_unref(d);
}

/* ---- how long ------------------------------------------------------------------------------------------------------
 */

static void test_kept_by_age(void **state) {
  (void)state;
  mst_dataset *d = one("1h");
  d = commit(d, "b", NULL); /* supersedes 1 */
  step(HOUR / 2);
  d = commit(d, "c", NULL); /* supersedes 2 */
  step(HOUR * 3 / 4);
  assert_gone(d, 1);
  mst_ds_unref(at(d, 2));
  step(HOUR);
  assert_gone(d, 2);
  mst_ds_unref(at(d, 3)); /* the head lasts */
  mst_ds_unref(d);
}

static void test_kept_by_number(void **state) {
  (void)state;
  mst_dataset *d = one("2");
  for (int i = 0; i < 3; i++) {
    char label[16];
    (void)snprintf(label, sizeof label, "n%d", i);
    d = commit(d, label, NULL);
  }
  mst_ds_unref(at(d, 3));
  assert_gone(d, 2);
  json_t *log = kit_log(k, d);
  assert_int_equal(json_array_size(log), 2);
  json_decref(log);
  mst_ds_unref(d);
}

static void test_none_kept(void **state) {
  (void)state;
  mst_dataset *d = commit(one("0"), "b", NULL);
  assert_gone(d, 1);
  mst_ds_unref(d);
}

static void test_wrong_rules(void **state) {
  (void)state;
  static const char *const wrong[] = {"", "7 days", "d", "-1", "1.5h", "99999999999999d"};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    mst_dataset *d = NULL;
    FAILS(MST_E_ARGUMENT, kit_create(k, NULL, 0, wrong[i], &d));
  }
  assert_int_equal(kit_count(k, ""), 0);
}

static void test_expire(void **state) {
  (void)state;
  mst_dataset *d = one(NULL), *after = NULL;
  for (int i = 0; i < 4; i++) {
    char label[16];
    (void)snprintf(label, sizeof label, "n%d", i);
    step(HOUR);
    d = commit(d, label, i == 2 ? "a" : NULL);
  }
  OK(mst_ds_expire(d, 3, 0, &after, NULL, &k->err));
  assert_int_equal(mst_ds_version(after), 5);
  mst_ds_unref(at(after, 3));
  assert_gone(after, 2);
  mst_ds_unref(d);
  OK(mst_ds_expire(after, 1, 0, &d, NULL, &k->err));
  assert_gone(d, 4);
  json_t *log = kit_log(k, d), *keys = NULL;
  assert_int_equal(json_array_size(log), 1);
  json_decref(log);
  OK(mst_ds_gc(d, 0, false, &keys, NULL, &k->err));
  assert_false(kit_has_object(k, KIT_UUID "/table/a.parquet"));
  assert_true(kit_has_object(k, KIT_UUID "/table/n0.parquet"));
  json_decref(keys);
  mst_ds_unref(after);
  after = commit(d, "z", NULL); /* goes on */
  assert_int_equal(mst_ds_version(after), 6);
  mst_ds_unref(at(after, 5));
  mst_ds_unref(after);
}

/* ---- collecting ----------------------------------------------------------------------------------------------------
 */

static size_t gc(mst_dataset *d, uint64_t older_than_s, bool dry_run) {
  json_t *keys = NULL;
  OK(mst_ds_gc(d, older_than_s, dry_run, &keys, NULL, &k->err));
  size_t n = json_array_size(keys);
  json_decref(keys);
  return n;
}

static void put(const char *key) {
  OK(mst_put_object(k->store, key, "x", 1, MST_PUT_REPLACE, NULL, NULL, NULL, &k->err));
}

static void test_leftovers_go_when_they_are_old(void **state) {
  (void)state;
  mst_dataset *d = commit(one(NULL), "b", NULL);
  const size_t before = kit_count(k, "");
  put(KIT_UUID "/table/left.parquet");
  put(KIT_UUID "/table/day=1/left.parquet");
  put(KIT_UUID "/indices/v/left.by-dataset-index.parquet");
  put(KIT_UUID ".meseta/commits/left");
  assert_int_equal(gc(d, 86400, false), 0);
  step(DAY + SECOND);
  assert_int_equal(gc(d, 86400, true), 4);
  assert_int_equal(kit_count(k, ""), before + 4);
  assert_int_equal(gc(d, 86400, false), 4);
  assert_int_equal(kit_count(k, ""), before);
  mst_ds_unref(at(d, 1));
  mst_ds_unref(d);
}

static void test_nothing_of_others_is_touched(void **state) {
  (void)state;
  static const char *const others[] = {
      "salesman/table/x.parquet", "sale/table/x.parquet", "sales2.by-dataset-metadata.json", "other/file",
      "sales.mesetas/x",          "Sales/table/x.parquet"};
  mst_dataset *d = one(NULL);
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) put(others[i]);
  step(30 * DAY);
  assert_int_equal(gc(d, 0, false), 0);
  json_t *keys = NULL;
  OK(mst_ds_drop(k->store, KIT_UUID, NULL, false, &keys, NULL, &k->err));
  json_decref(keys);
  assert_int_equal(kit_count(k, ""), sizeof others / sizeof others[0]);
  mst_ds_unref(d);
}

static void test_files_of_kept_versions_stay(void **state) {
  (void)state;
  mst_dataset *d = commit(one("7d"), "b", "a");
  step(DAY * 3);
  (void)gc(d, 0, false);
  assert_true(kit_has_object(k, KIT_UUID "/table/a.parquet"));
  mst_dataset *past = at(d, 1);
  mst_ds_unref(past);
  step(DAY * 5);
  (void)gc(d, 86400, false);
  assert_false(kit_has_object(k, KIT_UUID "/table/a.parquet"));
  assert_true(kit_has_object(k, KIT_UUID "/table/b.parquet"));
  d = commit(d, "c", NULL);
  mst_ds_unref(at(d, 2));
  mst_ds_unref(d);
}

static void test_age_counts_from_supersession(void **state) {
  (void)state;
  mst_dataset *d = one("0");
  step(30 * DAY);
  d = commit(d, "b", "a");
  (void)gc(d, 86400, false);
  assert_true(kit_has_object(k, KIT_UUID "/table/a.parquet")); /* readers of version 1 may be at it */
  step(DAY + SECOND);
  (void)gc(d, 86400, false);
  assert_false(kit_has_object(k, KIT_UUID "/table/a.parquet"));
  mst_ds_unref(d);
}

static void test_a_long_writer_keeps_its_files(void **state) {
  (void)state;
  mst_dataset *d = one(NULL), *after = NULL;
  mst_change *c = kit_change(k, d, "slow", NULL);
  for (int i = 0; i < 40; i++) {
    step(HOUR);
    OK(mst_change_keep_alive(c, NULL, &k->err));
  }
  (void)gc(d, 86400, false);
  assert_true(kit_has_object(k, KIT_UUID "/table/slow.parquet"));
  OK(kit_commit(k, c, &after));
  assert_true(kit_has(after, "slow"));
  mst_change *dead = kit_change(k, after, "dead", NULL);
  step(2 * HOUR);
  OK(mst_change_keep_alive(dead, NULL, &k->err));
  mst_ds_change_free(dead);
  step(3 * DAY); /* it says nothing any more */
  (void)gc(d, 86400, false);
  assert_false(kit_has_object(k, KIT_UUID "/table/dead.parquet"));
  assert_int_equal(kit_count(k, KIT_UUID ".meseta/writers/"), 0);
  mst_ds_unref(after);
  mst_ds_unref(d);
}

static void test_a_collected_version_says_so(void **state) {
  (void)state;
  mst_dataset *d = commit(one(NULL), "b", "a");
  const char *keys[] = {KIT_UUID "/table/a.parquet"};
  mst_op op = mst_op_make(MST_OP_DELETE, NULL); /* as plateau's collector does */
  op.keys = keys;
  op.n_keys = 1;
  OK(mst_store_perform(k->store, &op, &k->err));
  assert_gone(d, 1);
  mst_change *c = kit_change(k, d, NULL, NULL);
  FAILS(MST_E_NOT_FOUND, mst_ds_change_restore(c, 1, NULL, &k->err));
  mst_ds_change_free(c);
  mst_ds_unref(d);
}

static void test_a_log_does_not_grow_without_end(void **state) {
  (void)state;
  mst_dataset *d = one("2");
  for (int i = 0; i < 300; i++) {
    char add[16];
    (void)snprintf(add, sizeof add, "g%d", i);
    step(HOUR);
    d = commit(d, add, NULL);
  }
  (void)gc(d, 86400, false);
  assert_true(kit_count(k, KIT_UUID ".meseta/") < 30);
  assert_true(json_array_size(
                  json_object_get(json_object_get(mst_document_metadata(d->document), MST_SECTION), "commits")) < 60);
  mst_ds_unref(at(d, 300));
  mst_ds_unref(d);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      T(test_every_version_comes_back),
      T(test_by_time),
      T(test_the_past_is_read_only),
      T(test_restore),
      T(test_kept_by_age),
      T(test_kept_by_number),
      T(test_none_kept),
      T(test_wrong_rules),
      T(test_expire),
      T(test_leftovers_go_when_they_are_old),
      T(test_nothing_of_others_is_touched),
      T(test_files_of_kept_versions_stay),
      T(test_age_counts_from_supersession),
      T(test_a_long_writer_keeps_its_files),
      T(test_a_collected_version_says_so),
      T(test_a_log_does_not_grow_without_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
