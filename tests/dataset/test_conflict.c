/* dataset/test_conflict.c - two writers and real rows: what collides is judged by partition keys, statistics and rows;
 * indices are right after every rebase; fragments of other workers come in once. */
#include "commit_kit.h"

#include <stdio.h>
#include <stdlib.h>

#include "dataset/stats.h"

static kit world;
static kit *k = &world;

static const mst_field fields[] = {{.name = "k", .format = "l", .nullable = true},
                                   {.name = "p", .format = "l", .nullable = true},
                                   {.name = "v", .format = "U", .nullable = true}};

static int setup(void **state) {
  (void)state;
  kit_open(k, 5);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  kit_close(k);
  return 0;
}

/* ---- rows ----------------------------------------------------------------------------------------------------------
 */

static mst_status next(void *self, struct ArrowArray *out, mst_error *err) {
  struct ArrowArray *batch = self;
  (void)err;
  *out = *batch;
  batch->release = NULL;
  return MST_OK;
}

static void close_rows(void *self) {
  mst_array_release(self);
  free(self);
}

/* k from `first`, `n` of them, all in partition `p` (-1: k % 3), v = text. */
static void rows(int64_t first, int64_t n, int64_t p, const char *text, struct ArrowArrayStream *out) {
  mst_builder *columns[3];
  struct ArrowSchema schema;
  struct ArrowArray *batch = calloc(1, sizeof *batch);
  for (int i = 0; i < 3; i++) OK(mst_builder_new(NULL, &fields[i], &columns[i], &k->err));
  for (int64_t at = first; at < first + n; at++) {
    OK(mst_builder_i64(columns[0], at, &k->err));
    OK(mst_builder_i64(columns[1], p < 0 ? at % 3 : p, &k->err));
    OK(mst_builder_bytes(columns[2], text, strlen(text), &k->err));
  }
  OK(mst_batch_take(NULL, columns, 3, batch, &k->err));
  for (int i = 0; i < 3; i++) mst_builder_free(columns[i]);
  OK(mst_schema_make(NULL, fields, 3, &schema, &k->err));
  OK(mst_stream_make(NULL, &schema, &(mst_stream_source){batch, next, close_rows}, out, &k->err));
}

static mst_dataset *create(const char *indexed) {
  struct ArrowArrayStream stream;
  mst_dataset *d = NULL;
  const char *keys[] = {"p"}, *indices[] = {indexed};
  mst_dataset_options options = MST_DATASET_OPTIONS_INIT;
  mst_dataset_create_options c = MST_DATASET_CREATE_OPTIONS_INIT;
  c.partition_on = keys;
  c.n_partition_on = 1;
  c.indices = indices;
  c.n_indices = indexed != NULL;
  rows(0, 9, -1, "first", &stream);
  OK(mst_ds_create(k->store, KIT_UUID, &options, &c, &stream, 1, &d, NULL, NULL, &k->err));
  return d;
}

static mst_change *begin(mst_dataset *d) {
  mst_change *c = NULL;
  OK(mst_ds_change_open(d, &c, &k->err));
  return c;
}

static mst_change *append(mst_dataset *d, int64_t first, int64_t n, int64_t p, const char *text) {
  struct ArrowArrayStream stream;
  mst_change *c = begin(d);
  rows(first, n, p, text, &stream);
  OK(mst_ds_change_append(c, &stream, NULL, &k->err));
  return c;
}

static mst_change *delete (mst_dataset *d, const char *where) {
  mst_change *c = begin(d);
  OK(mst_ds_change_delete(c, where, NULL, &k->err));
  return c;
}

static mst_change *remove_scope(mst_dataset *d, const char *scope) {
  mst_change *c = begin(d);
  OK(mst_ds_change_remove(c, scope, NULL, &k->err));
  return c;
}

static mst_change *upsert(mst_dataset *d, int64_t first, int64_t n, int64_t p) {
  struct ArrowArrayStream stream;
  const char *on[] = {"k"};
  mst_change *c = begin(d);
  rows(first, n, p, "upserted", &stream);
  OK(mst_ds_change_upsert(c, &stream, on, 1, NULL, &k->err));
  return c;
}

/* ---- what must hold ------------------------------------------------------------------------------------------------
 */

static uint64_t count(mst_dataset *d, const char *where) {
  uint64_t n = 0;
  OK(mst_ds_count(d, where, &n, NULL, &k->err));
  return n;
}

/* Each partition that holds a value is named for it by the index, and no other one. */
static void check_index(mst_dataset *d, const char *column) {
  const mst_index *x;
  OK(mst_state_index(d, column, &x, NULL, &k->err));
  const bool text = strcmp(column, "v") == 0;
  size_t pairs = 0;
  for (size_t i = 0; i < x->n; i++) {
    mst_scalar v;
    char where[128];
    OK(mst_scalar_at(&x->type, &x->values, (int64_t)i, &v, &k->err));
    if (text) (void)snprintf(where, sizeof where, "v = '%.*s'", (int)v.as.bytes.size, (const char *)v.as.bytes.data);
    else (void)snprintf(where, sizeof where, "%s = %lld", column, (long long)v.as.i);
    for (size_t part = 0; part < mst_ds_partition_count(d); part++) {
      const char *label = mst_document_label(d->document, part);
      struct ArrowArrayStream stream;
      struct ArrowArray batch = {0};
      mst_dataset_read_options o = MST_DATASET_READ_OPTIONS_INIT;
      o.labels = &label;
      o.n_labels = 1;
      o.where = where;
      o.no_pushdown = 1;
      bool named = false, holds = false;
      for (uint64_t at = x->first[i]; at < x->first[i + 1]; at++) named = named || x->parts[at] == part;
      OK(mst_ds_read(d, &o, &stream, NULL, &k->err));
      for (;;) {
        OK(mst_stream_next(&stream, &batch, &k->err));
        if (batch.release == NULL) break;
        holds = holds || batch.length > 0;
        mst_array_release(&batch);
      }
      mst_stream_release(&stream);
      if (holds != named) fail_msg("the index on %s is wrong for %s in %s", column, where, label);
      pairs += holds;
    }
  }
  assert_true(pairs > 0);
}

/* Both come; `total` rows are there then. Gives the last state. */
static mst_dataset *both(mst_change *one, mst_change *two, uint64_t total) {
  mst_dataset *x = NULL, *y = NULL;
  OK(kit_commit(k, one, &x));
  OK(kit_commit(k, two, &y));
  mst_ds_unref(x);
  assert_int_equal(count(y, NULL), total);
  for (size_t i = 0; i < mst_document_n_indices(y->document); i++)
    check_index(y, mst_document_index_column(y->document, i));
  mst_ds_unref(y);
  y = kit_open_dataset(k);
  assert_int_equal(count(y, NULL), total);
  for (size_t i = 0; i < mst_document_n_indices(y->document); i++)
    check_index(y, mst_document_index_column(y->document, i));
  return y;
}

static void collide(mst_change *one, mst_change *two) {
  mst_dataset *x = NULL, *y = NULL;
  OK(kit_commit(k, one, &x));
  FAILS(MST_E_CONFLICT, kit_commit(k, two, &y));
  mst_dataset *now = kit_open_dataset(k);
  assert_string_equal(now->head.etag, x->head.etag);
  mst_ds_unref(now);
  mst_ds_unref(x);
}

/* ---- conditions ----------------------------------------------------------------------------------------------------
 */

static void test_delete_beside_append(void **state) {
  (void)state;
  mst_dataset *d = create("v");
  collide(append(d, 3, 1, 0, "again"), delete (d, "k < 5"));
  mst_ds_unref(both(append(d, 100, 3, -1, "more"), delete (d, "k = 8"), 9 + 1 + 3 - 1)); /* judged by statistics */
  mst_ds_unref(d);
}

/* The added file's k reach from 3 to 9 and are none of 4 to 8: only the rows tell. */
static void test_delete_is_judged_by_rows(void **state) {
  (void)state;
  struct ArrowArrayStream stream;
  mst_dataset *d = create(NULL);
  mst_change *c = append(d, 3, 1, 0, "apart");
  rows(9, 1, 0, "apart", &stream);
  OK(mst_ds_change_append(c, &stream, NULL, &k->err));
  mst_dataset *x = NULL;
  OK(kit_commit(k, c, &x));
  mst_change *compact = begin(x);
  OK(mst_ds_change_compact(compact, NULL, 1 << 20, NULL, 0, NULL, &k->err));
  mst_change *del = delete (x, "k between 4 and 8 and v = 'apart'"); /* no row */
  mst_ds_unref(x);
  mst_ds_unref(both(compact, del, 11));
  mst_ds_unref(d);
}

static void test_delete_scope(void **state) {
  (void)state;
  mst_dataset *d = create("v");
  collide(append(d, 100, 1, 1, "more"), remove_scope(d, "[{\"p\": 1}]"));
  mst_ds_unref(both(append(d, 200, 1, 2, "more"), remove_scope(d, "[{\"p\": 0}]"), 9 + 1 + 1 - 3));
  mst_ds_unref(d);
  d = kit_open_dataset(k);
  collide(append(d, 300, 1, 2, "marked"), remove_scope(d, "[{\"p\": 1, \"v\": \"first\"}, {\"v\": \"marked\"}]"));
  mst_change *c = begin(d);
  FAILS(MST_E_ARGUMENT, mst_ds_change_remove(c, "[{\"k\": 3}]", NULL, &k->err));
  assert_non_null(strstr(k->err.message, "delete(where="));
  OK(mst_ds_change_remove(c, "[{\"p\": 2}, {\"v\": \"first\"}]", NULL, &k->err)); /* some labels by both */
  mst_ds_change_free(c);
  mst_ds_unref(d);
}

static void test_upsert(void **state) {
  (void)state;
  mst_dataset *d = create("v");
  collide(append(d, 100, 2, 1, "more"), upsert(d, 101, 3, 1));
  mst_ds_unref(both(append(d, 500, 2, 1, "more"), upsert(d, 600, 3, 1), 9 + 2 + 2 + 3));
  mst_ds_unref(d);
}

static void test_compaction(void **state) {
  (void)state;
  mst_dataset *d = create("v"), *x = NULL;
  OK(kit_commit(k, append(d, 100, 3, -1, "more"), &x));
  mst_ds_unref(d);
  mst_change *c = begin(x);
  OK(mst_ds_change_compact(c, NULL, 1 << 20, NULL, 0, NULL, &k->err));
  collide(delete (x, "k = 1"), c);
  mst_ds_unref(x);
  x = kit_open_dataset(k);
  c = begin(x);
  OK(mst_ds_change_compact(c, NULL, 1 << 20, NULL, 0, NULL, &k->err));
  mst_ds_unref(both(append(x, 200, 3, -1, "beside"), c, 11 + 3));
  mst_ds_unref(x);
}

/* ---- indices -------------------------------------------------------------------------------------------------------
 */

static mst_change *build(mst_dataset *d, const char *column) {
  mst_change *c = begin(d);
  OK(mst_ds_change_build_index(c, column, NULL, &k->err));
  return c;
}

static mst_change *unindex(mst_dataset *d, const char *column) {
  mst_change *c = begin(d);
  OK(mst_ds_change_drop_index(c, column, &k->err));
  return c;
}

static void test_two_appends_share_an_index(void **state) {
  (void)state;
  mst_dataset *d = create("v");
  mst_ds_unref(both(append(d, 100, 3, -1, "one"), append(d, 200, 3, -1, "two"), 15));
  mst_ds_unref(d);
}

static void test_an_index_is_built_beside_others(void **state) {
  (void)state;
  mst_dataset *d = create(NULL);
  mst_dataset *now = both(append(d, 100, 3, -1, "one"), build(d, "v"), 12); /* what came meanwhile is indexed */
  assert_int_equal(mst_document_n_indices(now->document), 1);
  mst_ds_unref(now);
  now = both(build(d, "k"), append(d, 200, 2, -1, "two"), 14); /* its files bring no values of k */
  assert_int_equal(mst_document_n_indices(now->document), 2);
  mst_ds_unref(now);
  now = both(delete (d, "k = 0"), build(d, "v"), 13); /* built already: kept right */
  mst_ds_unref(now);
  mst_ds_unref(d);
}

static void test_an_index_is_dropped_beside_others(void **state) {
  (void)state;
  mst_dataset *d = create("v");
  mst_dataset *now = both(unindex(d, "v"), append(d, 100, 3, -1, "one"), 12);
  assert_int_equal(mst_document_n_indices(now->document), 0);
  mst_ds_unref(now);
  mst_ds_unref(d);
}

static void test_an_index_is_rebuilt(void **state) {
  (void)state;
  mst_dataset *d = create("v");
  mst_ds_unref(both(append(d, 100, 3, -1, "one"), build(d, "v"), 12));
  mst_ds_unref(d);
}

/* ---- schema --------------------------------------------------------------------------------------------------------
 */

static mst_change *evolve(mst_dataset *d, const char *name, const char *format) {
  struct ArrowSchema schema;
  mst_field more[4] = {fields[0], fields[1], fields[2], {.name = name, .format = format, .nullable = true}};
  mst_change *c = begin(d);
  OK(mst_schema_make(NULL, more, 4, &schema, &k->err));
  OK(mst_ds_change_schema(c, &schema, &k->err));
  mst_schema_release(&schema);
  return c;
}

static void test_evolution(void **state) {
  (void)state;
  mst_dataset *d = create("v");
  mst_dataset *now = both(evolve(d, "w", "g"), append(d, 100, 3, -1, "old form"), 12);
  assert_int_equal(now->schema.n_children, 4);
  assert_int_equal(count(now, "w is null"), 12);
  mst_ds_unref(now);
  collide(evolve(d, "w", "g"), evolve(d, "x", "l"));
  mst_ds_unref(d);
}

/* ---- fragments -----------------------------------------------------------------------------------------------------
 */

static char *fragment(mst_dataset *d, int64_t first) {
  struct ArrowArrayStream stream;
  json_t *value = NULL;
  mst_change *c = begin(d);
  rows(first, 3, -1, "fragment", &stream);
  OK(mst_ds_change_write(c, &stream, &value, NULL, &k->err));
  mst_ds_change_free(c);
  char *text = json_dumps(value, 0);
  json_decref(value);
  return text;
}

static void test_fragments(void **state) {
  (void)state;
  mst_dataset *d = create("v"), *x = NULL, *y = NULL;
  char *one = fragment(d, 100), *two = fragment(d, 200);
  assert_int_equal(count(d, NULL), 9);
  mst_change *c = begin(d);
  OK(mst_ds_change_add(c, one, NULL, &k->err));
  OK(mst_ds_change_add(c, two, NULL, &k->err));
  FAILS(MST_E_ARGUMENT, mst_ds_change_add(c, two, NULL, &k->err));
  mst_change *twin = begin(d);
  OK(mst_ds_change_add(twin, one, NULL, &k->err));
  OK(kit_commit(k, c, &x));
  assert_int_equal(count(x, NULL), 15);
  check_index(x, "v");
  FAILS(MST_E_CONFLICT, kit_commit(k, twin, &y)); /* comes in once */
  c = begin(x);
  FAILS(MST_E_ARGUMENT, mst_ds_change_add(c, one, NULL, &k->err));
  FAILS(MST_E_CORRUPT, mst_ds_change_add(c, "[1, 2", NULL, &k->err));
  mst_ds_change_free(c);
  free(one);
  free(two);
  mst_ds_unref(x);
  mst_ds_unref(d);
}

/* ---- several steps, one commit -------------------------------------------------------------------------------------
 */

static void test_steps_see_each_other(void **state) {
  (void)state;
  mst_dataset *d = create("v"), *x = NULL;
  mst_change *c = append(d, 100, 6, -1, "new");
  OK(mst_ds_change_delete(c, "k in (1, 101)", NULL, &k->err));
  OK(mst_ds_change_remove(c, "[{\"v\": \"nothing\"}, {\"p\": 2}]", NULL, &k->err));
  json_t *report = NULL;
  OK(mst_ds_change_commit(c, &x, &report, NULL, &k->err));
  mst_ds_change_free(c);
  assert_int_equal(mst_ds_version(x), 2);
  assert_int_equal(count(x, "p = 2"), 0);
  assert_int_equal(count(x, "k in (1, 101)"), 0);
  assert_int_equal(count(x, NULL), (3 + 3 + 2 + 2) - 1);
  check_index(x, "v");
  json_decref(report);
  mst_ds_unref(x);
  mst_ds_unref(d);
}

/* ---- statistics ----------------------------------------------------------------------------------------------------
 */

static void check_statistics(mst_dataset *d) {
  const mst_stats *stats = NULL;
  const struct ArrowSchema *field;
  OK(mst_stats_load(d, &stats, NULL, &k->err));
  OK(mst_state_field(d, "k", &field, &k->err));
  uint64_t sum = 0;
  for (size_t i = 0; i < mst_ds_partition_count(d); i++) {
    mst_bounds b = {0};
    uint64_t n;
    char where[128];
    const char *label = mst_document_label(d->document, i);
    assert_true(mst_stats_rows(stats, i, &n));
    sum += n;
    assert_true(mst_stats_bounds(stats, i, field, &b));
    assert_true(b.has_min && b.has_max && b.has_nulls && b.nulls == 0);
    (void)snprintf(where, sizeof where, "k = %lld or k = %lld", (long long)b.min.as.i, (long long)b.max.as.i);
    assert_true(count(d, where) > 0);
    (void)label;
  }
  assert_int_equal(sum, count(d, NULL));
}

static void test_statistics_follow(void **state) {
  (void)state;
  mst_dataset *d = create(NULL);
  for (int i = 0; i < 130; i++) { /* into segments, and these into larger ones */
    mst_dataset *after = NULL;
    OK(kit_commit(k, append(d, 100 + 10 * i, 6, -1, "a longer text that takes some room in the statistics of its file"),
                  &after));
    mst_ds_unref(d);
    d = after;
    if (i % 40 == 39) check_statistics(d);
  }
  mst_dataset *after = NULL;
  OK(kit_commit(k, delete (d, "k between 300 and 600"), &after));
  check_statistics(after);
  mst_ds_unref(d);
  d = kit_open_dataset(k);
  check_statistics(d);
  assert_true(kit_count(k, KIT_UUID ".meseta/statistics/") > 0);
  mst_ds_unref(after);
  mst_ds_unref(d);
}

static void test_statistics_serve_the_past(void **state) {
  (void)state;
  mst_dataset *d = create(NULL), *x = NULL, *y = NULL, *past = NULL;
  json_t *report = NULL;
  OK(kit_commit(k, append(d, 100, 6, -1, "more"), &x));
  OK(kit_commit(k, delete (x, "k in (1, 102)"), &y));
  OK(mst_ds_at(y, 2, 0, &past, NULL, &k->err));
  check_statistics(past);
  mst_change *c = begin(y);
  OK(mst_ds_change_restore(c, 1, NULL, &k->err));
  mst_ds_unref(x);
  OK(mst_ds_change_commit(c, &x, &report, NULL, &k->err));
  assert_int_equal(json_integer_value(json_object_get(report, "rows_added")), 3); /* the file of k = 1 as it was */
  assert_int_equal(json_integer_value(json_object_get(report, "rows_removed")),
                   2 + 5); /* that file rewritten, and the appended ones */
  check_statistics(x);
  json_decref(report);
  mst_ds_change_free(c);
  mst_ds_unref(past);
  mst_ds_unref(x);
  mst_ds_unref(y);
  mst_ds_unref(d);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      T(test_delete_beside_append),
      T(test_delete_is_judged_by_rows),
      T(test_delete_scope),
      T(test_upsert),
      T(test_compaction),
      T(test_two_appends_share_an_index),
      T(test_an_index_is_built_beside_others),
      T(test_an_index_is_dropped_beside_others),
      T(test_an_index_is_rebuilt),
      T(test_evolution),
      T(test_fragments),
      T(test_steps_see_each_other),
      T(test_statistics_follow),
      T(test_statistics_serve_the_past),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
