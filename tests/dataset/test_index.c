/* tests/dataset/test_index.c - secondary indices: made, written, read, changed; indices inside old documents; files that are no index. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataset/index.h"
#include "dataset/key.h"
#include "source/source.h"
#include "support/support.h"

typedef struct place {
  mst_context *ctx;
  mst_store *store;
} place;

static mst_status open_place(place *p, const mst_allocator *mem, mst_error *err) {
  static atomic_uint number;
  char url[64];
  mst_context_options options = MST_CONTEXT_OPTIONS_INIT;
  *p = (place){0};
  options.allocator = mem;
  options.cpu_threads = 1;
  snprintf(url, sizeof url, "memory://index-%u", atomic_fetch_add(&number, 1));
  mst_status status = mst_context_open(&options, &p->ctx, err);
  return status == MST_OK ? mst_store_open_url(p->ctx, url, NULL, 0, &p->store, err) : status;
}

static void close_place(place *p) {
  mst_store_unref(p->store);
  mst_context_unref(p->ctx);
}

static mst_status make_document(const mst_allocator *mem, const char *const *labels, size_t n, const char *key, mst_document **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_edit *e = NULL;
  MST_TRY(mst_edit_open(mem, NULL, "u", "t", &e, err));
  for (size_t i = 0; i < n; i++) MST_TRY(mst_edit_add(e, labels[i], NULL, err));
  if (key != NULL) MST_TRY(mst_edit_index(e, "c", key, err));
  MST_TRY(mst_edit_finish(e, out, err));
done:
  mst_edit_free(e);
  return status;
}

static mst_status make_values(const mst_allocator *mem, const int64_t *values, size_t n, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  const mst_field field = {.name = "c", .format = "l", .nullable = true};
  mst_builder *b = NULL;
  MST_TRY(mst_builder_new(mem, &field, &b, err));
  for (size_t i = 0; i < n; i++) MST_TRY(values[i] < 0 ? mst_builder_null(b, err) : mst_builder_i64(b, values[i], err));
  MST_TRY(mst_builder_take(b, out, err));
done:
  mst_builder_free(b);
  return status;
}

/* "1:ab 2:b " for an index of one-letter labels. */
static void show(const mst_index *x, const mst_document *d, char *out, size_t size) {
  char lines[16][64];
  size_t at = 0;
  assert_true(x->n <= 16);
  for (size_t i = 0; i < x->n; i++) {
    mst_scalar v;
    mst_error err;
    assert_int_equal(mst_scalar_at(&x->type, &x->values, (int64_t)i, &v, &err), MST_OK);
    int n = snprintf(lines[i], sizeof lines[i], "%lld:", (long long)v.as.i);
    for (uint64_t k = x->first[i]; k < x->first[i + 1]; k++) n += snprintf(lines[i] + n, sizeof lines[i] - (size_t)n, "%s", mst_document_label(d, x->parts[k]));
  }
  qsort(lines, x->n, sizeof *lines, (int (*)(const void *, const void *))strcmp);
  out[0] = '\0';
  for (size_t i = 0; i < x->n; i++) at += (size_t)snprintf(out + at, size - at, "%s ", lines[i]);
}

static const int64_t in_a[] = {1, 2, 2, -1, 3}, in_b[] = {2, 4, 4}, in_c[] = {3, 5};

static mst_status run(const mst_allocator *mem, mst_error *err, bool look) {
  mst_status status = MST_OK;
  place p = {0};
  mst_document *one = NULL, *two = NULL, *named = NULL;
  mst_index *x = NULL, *y = NULL, *z = NULL, *same = NULL;
  struct ArrowSchema type = {0};
  struct ArrowArray a = {0}, b = {0}, c = {0};
  bool changed = false;
  char text[200];
  MST_TRY(open_place(&p, mem, err));
  MST_TRY(mst_schema_node(mem, "l", "c", ARROW_FLAG_NULLABLE, 0, &type, err));
  MST_TRY(make_values(mem, in_a, 5, &a, err));
  MST_TRY(make_values(mem, in_b, 3, &b, err));
  MST_TRY(make_values(mem, in_c, 2, &c, err));
  MST_TRY(make_document(mem, (const char *const[]){"a", "b"}, 2, NULL, &one, err));
  MST_TRY(make_document(mem, (const char *const[]){"b", "c"}, 2, NULL, &two, err));
  const mst_index_part first[] = {{"a", &type, &a}, {"b", &type, &b}, {"gone", &type, &c}}, then[] = {{"c", &type, &c}};
  MST_TRY(mst_index_apply(mem, NULL, NULL, one, "c", &type, first, 3, &x, &changed, err));
  if (look) show(x, one, text, sizeof text);
  if (look) assert_string_equal(text, "1:a 2:ab 3:a 4:b ");
  MST_TRY(mst_index_apply(mem, x, one, one, "c", &type, NULL, 0, &same, &changed, err));
  if (look) assert_false(changed);
  MST_TRY(mst_index_apply(mem, x, one, two, "c", &type, then, 1, &y, &changed, err));
  if (look) assert_true(changed);
  if (look) show(y, two, text, sizeof text);
  if (look) assert_string_equal(text, "2:b 3:c 4:b 5:c ");
  MST_TRY(mst_index_write(y, two, p.store, "u/indices/c/1.parquet", NULL, err));
  MST_TRY(make_document(mem, (const char *const[]){"x", "c"}, 2, "u/indices/c/1.parquet", &named, err));
  MST_TRY(mst_index_load(p.ctx, p.store, named, 0, &type, &z, NULL, err));
  if (look) show(z, named, text, sizeof text);
  if (look) assert_string_equal(text, "3:c 5:c "); /* b is not known any more */
done:
  mst_index_unref(x);
  mst_index_unref(y);
  mst_index_unref(z);
  mst_index_unref(same);
  mst_document_unref(one);
  mst_document_unref(two);
  mst_document_unref(named);
  mst_array_release(&a);
  mst_array_release(&b);
  mst_array_release(&c);
  mst_schema_release(&type);
  close_place(&p);
  return status;
}

static void made_changed_written_read(void **state) {
  (void)state;
  mst_error err = {0};
  if (run(NULL, &err, true) != MST_OK) fail_msg("%s", err.message);
}

static void memory_runs_out(void **state) {
  (void)state;
  for (int persistent = 0; persistent < 2; persistent++)
    for (long n = 1;; n++) {
      mst_test_allocator a;
      mst_error err = {0};
      mst_test_allocator_init(&a, n, persistent != 0);
      const mst_status status = run(&a.allocator, &err, false);
      if (a.live_blocks != 0) fail_msg("allocation %ld: %ld blocks are left", n, (long)a.live_blocks);
      if (!a.failed) {
        assert_int_equal(status, MST_OK);
        break;
      }
      if (status != MST_OK) assert_int_equal(status, MST_E_NO_MEMORY);
    }
}

static void nan_and_nulls_stay_out(void **state) {
  (void)state;
  const mst_field field = {.name = "c", .format = "f", .nullable = true};
  struct ArrowSchema type = {0}, wide = {0};
  struct ArrowArray array = {0}, out = {0};
  mst_builder *b = NULL;
  mst_error err;
  assert_int_equal(mst_builder_new(NULL, &field, &b, &err), MST_OK);
  assert_int_equal(mst_builder_f64(b, 1.5, &err), MST_OK);
  assert_int_equal(mst_builder_f64(b, NAN, &err), MST_OK);
  assert_int_equal(mst_builder_null(b, &err), MST_OK);
  assert_int_equal(mst_builder_take(b, &array, &err), MST_OK);
  assert_int_equal(mst_schema_node(NULL, "f", "c", ARROW_FLAG_NULLABLE, 0, &type, &err), MST_OK);
  assert_int_equal(mst_schema_node(NULL, "g", "c", ARROW_FLAG_NULLABLE, 0, &wide, &err), MST_OK);
  assert_int_equal(mst_index_values(NULL, &type, &array, &wide, &out, &err), MST_OK);
  assert_int_equal(out.length, 1);
  mst_array_release(&out);
  mst_array_release(&array);
  mst_schema_release(&type);
  mst_schema_release(&wide);
  mst_builder_free(b);
}

static void indices_inside_old_documents(void **state) {
  (void)state;
  static const char text[] = "{\"dataset_metadata_version\": 4, \"dataset_uuid\": \"u\", \"indices\": {\"c\": {\"7\": [\"a\", \"b\"], \"8\": [\"b\", \"gone\"], \"9\": [\"gone\"]}, "
                             "\"d\": {\"x\": [\"a\"]}, \"e\": {\"x\": 1}, \"partition\": {}}, \"partitions\": {\"a\": {\"files\": {}}, \"b\": {\"files\": {}}}, \"partition_keys\": []}";
  place p;
  mst_document *d = NULL;
  mst_index *x = NULL;
  struct ArrowSchema type = {0};
  mst_error err = {0};
  char shown[100];
  assert_int_equal(open_place(&p, NULL, &err), MST_OK);
  assert_int_equal(mst_schema_node(NULL, "l", "c", ARROW_FLAG_NULLABLE, 0, &type, &err), MST_OK);
  assert_int_equal(mst_document_parse(NULL, text, strlen(text), MST_DOCUMENT_JSON, "k", &d, &err), MST_OK);
  assert_int_equal(mst_index_load(p.ctx, p.store, d, 0, &type, &x, NULL, &err), MST_OK);
  show(x, d, shown, sizeof shown);
  assert_string_equal(shown, "7:ab 8:b ");
  mst_index_unref(x);
  assert_int_equal(mst_index_load(p.ctx, p.store, d, 1, &type, &x, NULL, &err), MST_E_CORRUPT); /* x is no number */
  assert_int_equal(mst_index_load(p.ctx, p.store, d, 2, &type, &x, NULL, &err), MST_E_CORRUPT);
  assert_int_equal(mst_index_load(p.ctx, p.store, d, 3, &type, &x, NULL, &err), MST_E_ARGUMENT); /* plateau has none of this name */
  mst_document_unref(d);
  mst_schema_release(&type);
  close_place(&p);
}

/* A Parquet file that is something else. */
static void what_is_no_index_is_refused(void **state) {
  (void)state;
  static const mst_field wrong[][2] = {{{"c", "l", true, NULL, 0}, {"other", "l", true, NULL, 0}}, {{"x", "l", true, NULL, 0}, {"partition", "u", true, NULL, 0}},
                                       {{"c", "l", true, NULL, 0}, {"partition", "l", true, NULL, 0}}, {{"c", "U", true, NULL, 0}, {"partition", "u", true, NULL, 0}}};
  place p;
  mst_document *d = NULL;
  mst_index *x = NULL;
  struct ArrowSchema type = {0};
  mst_error err = {0};
  assert_int_equal(open_place(&p, NULL, &err), MST_OK);
  assert_int_equal(mst_schema_node(NULL, "l", "c", ARROW_FLAG_NULLABLE, 0, &type, &err), MST_OK);
  assert_int_equal(make_document(NULL, (const char *const[]){"a"}, 1, "u/indices/c/1.parquet", &d, &err), MST_OK);
  assert_int_equal(mst_index_load(p.ctx, p.store, d, 0, &type, &x, NULL, &err), MST_E_NOT_FOUND);
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    mst_table_writer *w = NULL;
    struct ArrowSchema schema = {0};
    struct ArrowArray columns[2] = {{0}, {0}}, batch = {0};
    assert_int_equal(mst_schema_make(NULL, wrong[i], 2, &schema, &err), MST_OK);
    assert_int_equal(mst_table_writer_open(p.store, "u/indices/c/1.parquet", &schema, NULL, MST_PUT_REPLACE, &w, NULL, &err), MST_OK);
    mst_builder *b[2] = {NULL, NULL};
    for (int k = 0; k < 2; k++) {
      assert_int_equal(mst_builder_new(NULL, &wrong[i][k], &b[k], &err), MST_OK);
      assert_int_equal(mst_builder_null(b[k], &err), MST_OK);
    }
    assert_int_equal(mst_batch_take(NULL, b, 2, &batch, &err), MST_OK);
    assert_int_equal(mst_table_writer_put(w, &batch, &err), MST_OK);
    assert_int_equal(mst_table_writer_close(w, NULL, &err), MST_OK);
    mst_table_writer_free(w);
    for (int k = 0; k < 2; k++) {
      mst_builder_free(b[k]);
      mst_array_release(&columns[k]);
    }
    mst_schema_release(&schema);
    const mst_status status = mst_index_load(p.ctx, p.store, d, 0, &type, &x, NULL, &err);
    if (status != MST_E_CORRUPT || strstr(err.message, "index") == NULL) fail_msg("%zu: %s %s", i, mst_status_name(status), err.message);
  }
  mst_document_unref(d);
  mst_schema_release(&type);
  close_place(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(made_changed_written_read),    cmocka_unit_test(memory_runs_out),
      cmocka_unit_test(nan_and_nulls_stay_out),       cmocka_unit_test(indices_inside_old_documents),
      cmocka_unit_test(what_is_no_index_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
