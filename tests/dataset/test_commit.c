/* dataset/test_commit.c - commits over a store in memory: what is rebased, what collides, what a lost reply ends in,
 * and what others' commits are taken for. */
#include "commit_kit.h"

#include <stdio.h>

static kit world;
static kit *k = &world;

static int setup(void **state) {
  (void)state;
  kit_open(k, 7);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  kit_close(k);
  return 0;
}

static mst_dataset *two(const char *history) {
  const char *labels[] = {"a", "b"};
  mst_dataset *d = NULL;
  OK(kit_create(k, labels, 2, history, &d));
  return d;
}

/* ---- the plain way -------------------------------------------------------------------------------------------------
 */

static void test_create_append_reopen(void **state) {
  (void)state;
  mst_dataset *d = two(NULL);
  assert_int_equal(mst_ds_version(d), 1);
  d = kit_append(k, d, "c");
  assert_int_equal(mst_ds_version(d), 2);
  mst_dataset *again = kit_open_dataset(k);
  assert_int_equal(mst_ds_version(again), 2);
  assert_int_equal(mst_ds_partition_count(again), 3);
  assert_true(kit_has(again, "a") && kit_has(again, "b") && kit_has(again, "c"));
  assert_string_equal(again->head.etag, d->head.etag);
  assert_true(kit_has_object(k, KIT_UUID "/table/_common_metadata"));
  mst_ds_unref(again);
  mst_ds_unref(d);
}

static void test_create_twice(void **state) {
  (void)state;
  mst_dataset *d = two(NULL), *other = NULL;
  const char *label = "z";
  FAILS(MST_E_EXISTS, kit_create(k, &label, 1, NULL, &other));
  mst_dataset *again = kit_open_dataset(k);
  assert_int_equal(mst_ds_partition_count(again), 2);
  mst_ds_unref(again);
  mst_ds_unref(d);
}

static void test_nothing_to_commit(void **state) {
  (void)state;
  mst_dataset *d = two(NULL), *after = NULL;
  OK(kit_commit(k, kit_change(k, d, NULL, NULL), &after));
  assert_int_equal(mst_ds_version(after), 1);
  mst_ds_unref(after);
  mst_ds_unref(d);
}

static void test_report(void **state) {
  (void)state;
  mst_dataset *d = two(NULL), *after = NULL;
  json_t *report = NULL;
  mst_change *c = kit_change(k, d, "c", "a");
  OK(mst_ds_change_commit(c, &after, &report, NULL, &k->err));
  assert_int_equal(json_integer_value(json_object_get(report, "version")), 2);
  assert_int_equal(json_integer_value(json_object_get(report, "files_added")), 1);
  assert_int_equal(json_integer_value(json_object_get(report, "files_removed")), 1);
  FAILS(MST_E_ARGUMENT, mst_ds_change_commit(c, &after, NULL, NULL, &k->err));
  json_decref(report);
  mst_ds_change_free(c);
  mst_ds_unref(after);
  mst_ds_unref(d);
}

/* ---- beside others -------------------------------------------------------------------------------------------------
 */

static void test_disjoint_changes_both_come(void **state) {
  (void)state;
  mst_dataset *d = two(NULL), *x = NULL, *y = NULL, *z = NULL;
  mst_change *first = kit_change(k, d, "c", "a"), *second = kit_change(k, d, "e", "b"),
             *third = kit_change(k, d, "f", NULL);
  OK(kit_commit(k, first, &x));
  OK(kit_commit(k, second, &y));
  OK(kit_commit(k, third, &z));
  assert_int_equal(mst_ds_version(z), 4);
  assert_int_equal(mst_ds_partition_count(z), 3);
  assert_true(kit_has(z, "c") && kit_has(z, "e") && kit_has(z, "f"));
  mst_ds_unref(x);
  mst_ds_unref(y);
  mst_ds_unref(z);
  mst_ds_unref(d);
}

static void expect_conflict(mst_change *one, mst_change *two_of_them) {
  mst_dataset *x = NULL, *y = NULL;
  OK(kit_commit(k, one, &x));
  FAILS(MST_E_CONFLICT, kit_commit(k, two_of_them, &y));
  mst_dataset *now = kit_open_dataset(k);
  assert_string_equal(now->head.etag, x->head.etag); /* nothing was changed */
  mst_ds_unref(now);
  mst_ds_unref(x);
}

static void test_the_same_file_removed_twice(void **state) {
  (void)state;
  mst_dataset *d = two(NULL);
  expect_conflict(kit_change(k, d, "c", "a"), kit_change(k, d, "e", "a"));
  mst_ds_unref(d);
}

static mst_change *metadata_change(mst_dataset *d, const char *json) {
  mst_change *c = kit_change(k, d, NULL, NULL);
  OK(mst_ds_change_metadata(c, json, &k->err));
  return c;
}

static void test_metadata(void **state) {
  (void)state;
  mst_dataset *d = two(NULL), *x = NULL;
  expect_conflict(metadata_change(d, "{\"owner\": \"ada\"}"), metadata_change(d, "{\"owner\": \"bob\"}"));
  OK(kit_commit(k, metadata_change(d, "{\"colour\": [1, 2]}"), &x)); /* another member: rebased */
  assert_string_equal(json_string_value(json_object_get(mst_document_metadata(x->document), "owner")), "ada");
  assert_int_equal(json_array_size(json_object_get(mst_document_metadata(x->document), "colour")), 2);
  mst_ds_unref(x);
  OK(kit_commit(k, metadata_change(d, "{\"owner\": \"ada\"}"), &x)); /* the same value is no quarrel */
  mst_ds_unref(x);
  mst_change *c = kit_change(k, d, NULL, NULL);
  FAILS(MST_E_ARGUMENT, mst_ds_change_metadata(c, "{\"meseta\": {}}", &k->err));
  mst_ds_change_free(c);
  mst_ds_unref(d);
}

static mst_status matches_all(void *self, mst_dataset *head, const char *const *labels, size_t n, size_t *hit,
                              mst_cancel *cancel, mst_error *err) {
  (void)head;
  (void)cancel;
  (void)err;
  for (*hit = 0; *hit < n; ++*hit)
    if (strcmp(labels[*hit], self) == 0) break;
  return MST_OK;
}

static void test_dependencies(void **state) {
  (void)state;
  mst_dataset *d = two(NULL), *x = NULL;
  char wanted[] = "c", other[] = "nothing";
  mst_change *fine = kit_change(k, d, "e", "b");
  OK(mst_change_depend(fine, &(mst_dependency){"a test", other, matches_all, NULL}, &k->err));
  mst_change *bad = kit_change(k, d, "f", "a");
  OK(mst_change_depend(bad, &(mst_dependency){"a test", wanted, matches_all, NULL}, &k->err));
  expect_conflict(kit_change(k, d, "c", NULL), bad);
  OK(kit_commit(k, fine, &x));
  mst_ds_unref(x);
  mst_ds_unref(d);
}

static mst_change *restore_change(mst_dataset *d, uint64_t version) {
  mst_change *c = kit_change(k, d, NULL, NULL);
  OK(mst_ds_change_restore(c, version, NULL, &k->err));
  return c;
}

static void test_restore_stands_alone(void **state) {
  (void)state;
  mst_dataset *d = kit_append(k, two(NULL), "c");
  expect_conflict(kit_change(k, d, "e", NULL), restore_change(d, 1));
  mst_dataset *now = kit_open_dataset(k);
  expect_conflict(restore_change(now, 1), kit_change(k, now, "f", NULL));
  mst_ds_unref(now);
  now = kit_open_dataset(k);
  assert_int_equal(mst_ds_partition_count(now), 2);
  mst_ds_unref(now);
  mst_ds_unref(d);
}

/* ---- lost replies --------------------------------------------------------------------------------------------------
 */

typedef struct plan {
  int puts_of_head, lose_at; /* the n-th put of the head; its fate */
  kit_fate fate;
} plan;

static kit_fate decide(void *self, const mst_op *op) {
  plan *p = self;
  if (op->kind != MST_OP_PUT || strcmp(op->key, KIT_UUID ".by-dataset-metadata.json") != 0) return KIT_PASS;
  return ++p->puts_of_head == p->lose_at ? p->fate : KIT_PASS;
}

static void lose(plan *p, int at, kit_fate fate) {
  *p = (plan){.lose_at = at, .fate = fate};
  mst_store *faulty = kit_faulty(k, k->store, &(kit_faults){decide, NULL, p});
  kit_set_store(k, faulty);
}

static void test_lost_reply_of_an_append(void **state) {
  (void)state;
  plan p;
  mst_ds_unref(two(NULL));
  lose(&p, 1, KIT_LOSE_REPLY);
  mst_dataset *d = kit_append(k, kit_open_dataset(k), "c");
  assert_int_equal(p.puts_of_head, 1); /* never written twice */
  assert_int_equal(mst_ds_version(d), 2);
  assert_int_equal(mst_ds_partition_count(d), 3);
  mst_ds_unref(d);
}

static void test_lost_request_of_an_append(void **state) {
  (void)state;
  plan p;
  mst_ds_unref(two(NULL));
  lose(&p, 1, KIT_LOSE_REQUEST);
  mst_dataset *d = kit_append(k, kit_open_dataset(k), "c");
  assert_int_equal(p.puts_of_head, 2);
  assert_int_equal(mst_ds_version(d), 2);
  assert_int_equal(mst_ds_partition_count(d), 3);
  mst_ds_unref(d);
}

static void test_lost_reply_of_a_creation(void **state) {
  (void)state;
  plan p;
  lose(&p, 1, KIT_LOSE_REPLY);
  mst_dataset *d = two(NULL);
  assert_int_equal(p.puts_of_head, 1);
  assert_int_equal(mst_ds_version(d), 1);
  mst_ds_unref(d);
}

/* While the reply is lost, others go on. */
typedef struct busy {
  plan p; /* first */
  mst_store *plain;
  int commits;
} busy;

static void others_go_on(void *self, const mst_op *op, kit_fate fate) {
  busy *b = self;
  (void)op;
  if (fate != KIT_LOSE_REPLY) return;
  mst_store *mine = k->store;
  k->store = b->plain;
  mst_dataset *d = kit_open_dataset(k);
  for (int i = 0; i < b->commits; i++) {
    char label[16];
    (void)snprintf(label, sizeof label, "o%d", i);
    d = kit_append(k, d, label);
  }
  mst_ds_unref(d);
  k->store = mine;
}

static void test_lost_reply_behind_commits_of_others(void **state) {
  (void)state;
  for (int commits = 1; commits <= 200; commits += 199) { /* so many that ours is in a sealed segment of the log */
    mst_dataset *after = NULL;
    mst_ds_unref(two(NULL));
    busy b = {.p = {.lose_at = 1, .fate = KIT_LOSE_REPLY}, .plain = mst_store_ref(k->store), .commits = commits};
    kit_set_store(k, kit_faulty(k, b.plain, &(kit_faults){decide, others_go_on, &b}));
    mst_dataset *d = kit_open_dataset(k);
    OK(kit_commit(k, kit_change(k, d, "c", NULL), &after));
    assert_int_equal(mst_ds_partition_count(after), 3 + commits);
    assert_true(kit_has(after, "c"));
    mst_ds_unref(after);
    mst_ds_unref(d);
    kit_set_store(k, b.plain);
    json_t *keys = NULL;
    OK(mst_ds_drop(k->store, KIT_UUID, NULL, false, &keys, NULL, &k->err));
    json_decref(keys);
  }
}

/* The log was cut behind the lost commit: nobody can tell any more, and the library says so. */
static void log_is_cut(void *self, const mst_op *op, kit_fate fate) {
  busy *b = self;
  mst_buf text;
  mst_edit *e = NULL;
  mst_document *doc = NULL;
  (void)op;
  if (fate != KIT_LOSE_REPLY) return;
  mst_store *mine = k->store;
  k->store = b->plain;
  mst_dataset *d = kit_append(k, kit_open_dataset(k), "o");
  json_t *section = json_deep_copy(json_object_get(mst_document_metadata(d->document), MST_SECTION));
  while (json_array_size(json_object_get(section, "commits")) > 1)
    (void)json_array_remove(json_object_get(section, "commits"), 0);
  mst_buf_init(&text, NULL, SIZE_MAX);
  OK(mst_edit_open(NULL, d->document, NULL, NULL, &e, &k->err));
  OK(mst_edit_metadata_set(e, MST_SECTION, section, &k->err));
  OK(mst_edit_finish(e, &doc, &k->err));
  OK(mst_document_print(doc, MST_DOCUMENT_JSON, &text, &k->err));
  OK(mst_put_object(b->plain, KIT_UUID ".by-dataset-metadata.json", text.data, text.size, MST_PUT_REPLACE, NULL, NULL,
                    NULL, &k->err));
  mst_edit_free(e);
  mst_document_unref(doc);
  mst_buf_free(&text);
  mst_ds_unref(d);
  k->store = mine;
}

static void test_an_unknown_outcome_is_said_to_be_one(void **state) {
  (void)state;
  mst_dataset *after = NULL;
  mst_ds_unref(two(NULL));
  busy b = {.p = {.lose_at = 1, .fate = KIT_LOSE_REPLY}, .plain = mst_store_ref(k->store)};
  kit_set_store(k, kit_faulty(k, b.plain, &(kit_faults){decide, log_is_cut, &b}));
  mst_dataset *d = kit_open_dataset(k);
  FAILS(MST_E_IO, kit_commit(k, kit_change(k, d, "c", NULL), &after));
  assert_non_null(strstr(k->err.message, "unknown"));
  assert_false(k->err.retryable);
  assert_int_equal(b.p.puts_of_head, 1);
  mst_ds_unref(d);
  mst_store_unref(b.plain);
}

/* ---- others who know nothing of us ---------------------------------------------------------------------------------
 */

/* What plateau does: keeps the map, adds a partition, writes without a condition. */
static void write_as_plateau(const char *label) {
  mst_buf text, key;
  mst_edit *e = NULL;
  mst_document *doc = NULL;
  mst_dataset *d = kit_open_dataset(k);
  mst_buf_init(&text, NULL, SIZE_MAX);
  mst_buf_init(&key, NULL, SIZE_MAX);
  OK(mst_edit_open(NULL, d->document, NULL, NULL, &e, &k->err));
  OK(mst_edit_add(e, label, NULL, &k->err));
  OK(mst_edit_finish(e, &doc, &k->err));
  OK(mst_document_print(doc, MST_DOCUMENT_JSON, &text, &k->err));
  OK(mst_put_object(k->store, KIT_UUID ".by-dataset-metadata.json", text.data, text.size, MST_PUT_REPLACE, NULL, NULL,
                    NULL, &k->err));
  mst_edit_free(e);
  mst_document_unref(doc);
  mst_buf_free(&text);
  mst_buf_free(&key);
  mst_ds_unref(d);
}

static const char *operation(const json_t *log, size_t i) {
  return json_string_value(json_object_get(json_array_get(log, i), "operation"));
}

static void test_a_foreign_commit_is_a_version(void **state) {
  (void)state;
  mst_dataset *d = two(NULL), *at = NULL;
  write_as_plateau("p");
  mst_dataset *now = kit_open_dataset(k);
  assert_int_equal(mst_ds_version(now), 2);
  json_t *log = kit_log(k, now);
  assert_int_equal(json_array_size(log), 2);
  assert_string_equal(operation(log, 0), "external");
  json_decref(log);
  mst_ds_unref(now);
  OK(kit_commit(k, kit_change(k, d, "c", NULL), &now)); /* rebased over it */
  assert_int_equal(mst_ds_version(now), 3);
  assert_true(kit_has(now, "p") && kit_has(now, "c"));
  log = kit_log(k, now);
  assert_int_equal(json_array_size(log), 3);
  assert_string_equal(operation(log, 0), "append");
  assert_string_equal(operation(log, 1), "external");
  assert_string_equal(operation(log, 2), "create");
  json_decref(log);
  OK(mst_ds_at(now, 1, 0, &at, NULL, &k->err));
  assert_int_equal(mst_ds_partition_count(at), 2);
  mst_ds_unref(at);
  OK(mst_put_object(k->store, KIT_UUID "/table/p.parquet", "x", 1, MST_PUT_REPLACE, NULL, NULL, NULL, &k->err));
  OK(mst_ds_at(now, 2, 0, &at, NULL, &k->err));
  assert_int_equal(mst_ds_partition_count(at), 3);
  mst_ds_unref(at);
  mst_ds_unref(now);
  mst_ds_unref(d);
}

static void test_msgpack_becomes_json(void **state) {
  (void)state;
  mst_new_files files;
  mst_dataset *d = NULL;
  mst_new_files_init(&files, NULL);
  kit_add_file(k, &files, "a");
  json_t *metadata = json_object();
  struct ArrowSchema schema;
  mst_field field = {.name = "v", .format = "l", .nullable = true};
  OK(mst_schema_make(NULL, &field, 1, &schema, &k->err));
  mst_first_commit c = {.ctx = k->ctx,
                        .store = k->store,
                        .uuid = KIT_UUID,
                        .table = "table",
                        .files = &files,
                        .schema = &schema,
                        .metadata = metadata,
                        .form = MST_DOCUMENT_MSGPACK};
  OK(mst_commit_first(&c, &d, NULL, NULL, &k->err));
  assert_int_equal(d->form, MST_DOCUMENT_MSGPACK);
  mst_dataset *x = NULL, *y = NULL;
  mst_change *one = kit_change(k, d, "b", NULL), *other = kit_change(k, d, "c", NULL);
  OK(kit_commit(k, one, &x));
  assert_false(kit_has_object(k, KIT_UUID ".by-dataset-metadata.msgpack.zstd"));
  OK(kit_commit(k, other, &y)); /* both began on msgpack */
  assert_int_equal(mst_ds_partition_count(y), 3);
  assert_int_equal(mst_ds_version(y), 3);
  mst_ds_unref(x);
  mst_ds_unref(y);
  mst_ds_unref(d);
  json_decref(metadata);
  mst_schema_release(&schema);
  mst_new_files_free(&files);
}

/* ---- dropping ------------------------------------------------------------------------------------------------------
 */

static void test_drop_and_create_again(void **state) {
  (void)state;
  mst_dataset *d = kit_append(k, two(NULL), "c"), *again = NULL, *late = NULL;
  mst_change *change = kit_change(k, d, "late", NULL);
  json_t *keys = NULL;
  bool there = true;
  size_t before = kit_count(k, "");
  OK(mst_ds_drop(k->store, KIT_UUID, NULL, true, &keys, NULL, &k->err));
  assert_int_equal(json_array_size(keys), before);
  assert_int_equal(kit_count(k, ""), before);
  json_decref(keys);
  OK(mst_ds_drop(k->store, KIT_UUID, NULL, false, &keys, NULL, &k->err));
  assert_int_equal(json_array_size(keys), before);
  json_decref(keys);
  assert_int_equal(kit_count(k, ""), 0);
  OK(mst_ds_exists(k->store, KIT_UUID, &there, NULL, &k->err));
  assert_false(there);
  FAILS(MST_E_NOT_FOUND, mst_ds_drop(k->store, KIT_UUID, NULL, false, &keys, NULL, &k->err));
  again = two(NULL);
  assert_int_equal(mst_ds_version(again), 1);
  json_t *log = kit_log(k, again);
  assert_int_equal(json_array_size(log), 1);
  json_decref(log);
  FAILS(MST_E_CONFLICT, kit_commit(k, change, &late)); /* of the one that was dropped */
  mst_ds_unref(again);
  mst_ds_unref(d);
}

/* A drop that dies after each of its operations. */
typedef struct mortal {
  int left;
} mortal;

static kit_fate die_when_due(void *self, const mst_op *op) {
  mortal *m = self;
  (void)op;
  return m->left-- > 0 ? KIT_PASS : KIT_LOSE_REQUEST;
}

static void test_a_drop_is_taken_up_again(void **state) {
  (void)state;
  bool ended = false;
  for (int n = 1; !ended; n++) {
    mst_dataset *d = kit_append(k, two(NULL), "c"), *other = NULL;
    json_t *keys = NULL;
    mortal m = {n};
    mst_store *dying = kit_faulty(k, k->store, &(kit_faults){die_when_due, NULL, &m});
    ended = mst_ds_drop(dying, KIT_UUID, NULL, false, &keys, NULL, &k->err) == MST_OK;
    json_decref(keys);
    keys = NULL;
    mst_store_unref(dying);
    mst_ds_unref(d);
    bool there = false;
    const bool head = kit_has_object(k, KIT_UUID ".by-dataset-metadata.json");
    OK(mst_ds_exists(k->store, KIT_UUID, &there, NULL, &k->err));
    if (head && !there) { /* half dropped: nobody reads it, or puts a new one on top */
      mst_dataset_options options = MST_DATASET_OPTIONS_INIT;
      const char *label = "x";
      FAILS(MST_E_NOT_FOUND, mst_ds_open(k->store, KIT_UUID, &options, &other, NULL, &k->err));
      FAILS(MST_E_EXISTS, kit_create(k, &label, 1, NULL, &other));
    }
    if (head) OK(mst_ds_drop(k->store, KIT_UUID, NULL, false, &keys, NULL, &k->err));
    json_decref(keys);
    assert_int_equal(kit_count(k, ""), 0);
    assert_true(n < 100);
  }
}

static void test_commit_into_nothing(void **state) {
  (void)state;
  mst_dataset *d = two(NULL), *late = NULL;
  mst_change *change = kit_change(k, d, "late", NULL);
  json_t *keys = NULL;
  OK(mst_ds_drop(k->store, KIT_UUID, NULL, false, &keys, NULL, &k->err));
  json_decref(keys);
  FAILS(MST_E_CONFLICT, kit_commit(k, change, &late));
  assert_false(kit_has_object(k, KIT_UUID ".by-dataset-metadata.json"));
  mst_ds_unref(d);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      T(test_create_append_reopen),
      T(test_create_twice),
      T(test_nothing_to_commit),
      T(test_report),
      T(test_disjoint_changes_both_come),
      T(test_the_same_file_removed_twice),
      T(test_metadata),
      T(test_dependencies),
      T(test_restore_stands_alone),
      T(test_lost_reply_of_an_append),
      T(test_lost_request_of_an_append),
      T(test_lost_reply_of_a_creation),
      T(test_lost_reply_behind_commits_of_others),
      T(test_an_unknown_outcome_is_said_to_be_one),
      T(test_a_foreign_commit_is_a_version),
      T(test_msgpack_becomes_json),
      T(test_drop_and_create_again),
      T(test_a_drop_is_taken_up_again),
      T(test_commit_into_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
