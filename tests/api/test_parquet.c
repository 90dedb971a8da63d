/* tests/api/test_parquet.c - meseta/parquet.h against the shared library alone: files written from batches made by hand, read, looked
 * into, verified; options, arguments that make no sense, damage. */
#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <meseta/meseta.h>

enum { GROUP = 1000, GROUPS = 5, ROWS = GROUP * GROUPS };

/* ---- a table of two columns: "i" 0, 1, 2 …, and "half" = i / 2.0 ---- */

static void keep_schema(struct ArrowSchema *s) { s->release = NULL; }
static struct ArrowSchema columns[2] = {{.format = "l", .name = "i", .release = keep_schema}, {.format = "g", .name = "half", .release = keep_schema}};
static struct ArrowSchema *children[2] = {&columns[0], &columns[1]};
static const struct ArrowSchema schema = {.format = "+s", .name = "", .n_children = 2, .children = children, .release = keep_schema};

static void free_column(struct ArrowArray *a) {
  free((void *)(uintptr_t)a->buffers[1]);
  free(a->buffers);
  a->release = NULL;
}

static void free_batch(struct ArrowArray *a) {
  for (int64_t i = 0; i < a->n_children; i++) {
    if (a->children[i]->release != NULL) a->children[i]->release(a->children[i]);
    free(a->children[i]);
  }
  free(a->children);
  free(a->buffers);
  a->release = NULL;
}

static struct ArrowArray *make_column(int64_t n, void *values) {
  struct ArrowArray *c = calloc(1, sizeof *c);
  const void **buffers = calloc(2, sizeof *buffers);
  buffers[1] = values;
  *c = (struct ArrowArray){.length = n, .n_buffers = 2, .buffers = buffers, .release = free_column};
  return c;
}

static void make_batch(int64_t first, int64_t n, struct ArrowArray *out) {
  int64_t *i = malloc((size_t)n * sizeof *i);
  double *half = malloc((size_t)n * sizeof *half);
  for (int64_t k = 0; k < n; k++) {
    i[k] = first + k;
    half[k] = (double)(first + k) / 2;
  }
  struct ArrowArray **c = calloc(2, sizeof *c);
  c[0] = make_column(n, i);
  c[1] = make_column(n, half);
  *out = (struct ArrowArray){.length = n, .n_buffers = 1, .buffers = calloc(1, sizeof(void *)), .n_children = 2, .children = c, .release = free_batch};
}

static mst_status put_all(mst_parquet_out *o, mst_error *err) {
  mst_status status = MST_OK;
  for (int64_t at = 0; status == MST_OK && at < ROWS; at += 250) {
    struct ArrowArray batch;
    make_batch(at, 250, &batch);
    status = mst_parquet_out_put(o, &batch, err);
  }
  return status;
}

static mst_status write_table(const char *url, const mst_parquet_out_options *options, mst_parquet_written *written, mst_error *err) {
  mst_parquet_out *o = NULL;
  mst_status status = mst_parquet_create(NULL, url, &schema, options, &o, NULL, err);
  if (status == MST_OK) status = put_all(o, err);
  if (status == MST_OK) status = mst_parquet_out_close(o, written, err);
  mst_parquet_out_free(o);
  return status;
}

static mst_parquet_out_options small_groups(void) {
  mst_parquet_out_options o = MST_PARQUET_OUT_OPTIONS_INIT;
  o.row_group_rows = GROUP;
  return o;
}

/* The values of the first column, which must be int64. */
static mst_status read_ids(mst_parquet *p, const mst_parquet_query *query, int64_t *ids, size_t *n, mst_error *err) {
  struct ArrowArrayStream stream = {0};
  mst_status status = mst_parquet_read(p, query, &stream, NULL, err);
  *n = 0;
  while (status == MST_OK) {
    struct ArrowArray batch = {0};
    if (stream.get_next(&stream, &batch) != 0) {
      assert_true(mst_stream_get_error(&stream, err));
      status = err->status;
    }
    if (batch.release == NULL) break;
    memcpy(ids + *n, (const int64_t *)batch.children[0]->buffers[1] + batch.children[0]->offset, (size_t)batch.length * sizeof *ids);
    *n += (size_t)batch.length;
    batch.release(&batch);
  }
  if (stream.release != NULL) stream.release(&stream);
  return status;
}

static void test_round_trip(void **state) {
  static int64_t ids[ROWS];
  size_t n = 0;
  mst_error err;
  mst_parquet *p = NULL;
  mst_parquet_written w;
  mst_parquet_out_options o = small_groups();
  const mst_pair metadata[] = {{"who", "me"}, {"what", ""}};
  (void)state;
  o.metadata = metadata;
  o.n_metadata = 2;
  assert_int_equal(write_table("memory://api/a.parquet", &o, &w, &err), MST_OK);
  assert_int_equal(w.rows, ROWS);
  assert_int_equal(w.row_groups, GROUPS);
  assert_int_equal(mst_parquet_open(NULL, "memory://api/a.parquet", NULL, &p, NULL, &err), MST_OK);
  assert_int_equal(mst_parquet_get_rows(p), ROWS);
  assert_int_equal(mst_parquet_get_size(p), w.bytes);
  assert_int_equal(mst_parquet_get_row_groups(p), GROUPS);
  assert_int_equal(mst_parquet_get_group_rows(p, 4), GROUP);
  assert_int_equal(mst_parquet_get_group_rows(p, 5), 0);
  assert_non_null(strstr(mst_parquet_get_created_by(p), "meseta"));
  const char *key = NULL, *value = NULL;
  bool found = false;
  for (size_t i = 0; mst_parquet_get_metadata(p, i, &key, &value); i++) found = found || (strcmp(key, "who") == 0 && strcmp(value, "me") == 0);
  assert_true(found);
  struct ArrowSchema seen = {0};
  assert_int_equal(mst_parquet_get_schema(p, &seen, &err), MST_OK);
  assert_int_equal(seen.n_children, 2);
  assert_string_equal(seen.children[1]->name, "half");
  seen.release(&seen);
  assert_int_equal(read_ids(p, NULL, ids, &n, &err), MST_OK);
  assert_int_equal(n, ROWS);
  for (int64_t i = 0; i < ROWS; i++) assert_int_equal(ids[i], i);
  mst_bytes report = {0};
  assert_int_equal(mst_parquet_verify(p, &report, NULL, &err), MST_OK);
  assert_non_null(strstr((const char *)report.data, "\"rows\":5000"));
  mst_bytes_release(&report);
  mst_parquet_unref(p);
}

static void test_parts(void **state) {
  static int64_t ids[ROWS];
  static const char *both[] = {"i", "half"};
  size_t n = 0;
  mst_error err;
  mst_parquet *p = NULL;
  mst_parquet_out_options o = small_groups();
  (void)state;
  assert_int_equal(write_table("memory://api/b.parquet", &o, NULL, &err), MST_OK);
  assert_int_equal(mst_parquet_open(NULL, "memory://api/b.parquet", NULL, &p, NULL, &err), MST_OK);
  mst_parquet_query q = MST_PARQUET_QUERY_INIT;
  q.first_group = 3;
  q.groups = 1;
  assert_int_equal(read_ids(p, &q, ids, &n, &err), MST_OK);
  assert_int_equal(n, GROUP);
  assert_int_equal(ids[0], 3 * GROUP);
  q.groups = 3;
  assert_int_equal(read_ids(p, &q, ids, &n, &err), MST_E_ARGUMENT);
  q = (mst_parquet_query)MST_PARQUET_QUERY_INIT;
  q.columns = both;
  q.n_columns = 1;
  q.has_limit = 1;
  assert_int_equal(read_ids(p, &q, ids, &n, &err), MST_OK);
  assert_int_equal(n, 0);
  q.columns = (const char *const[]){"nix"};
  assert_int_equal(read_ids(p, &q, ids, &n, &err), MST_E_NOT_FOUND);
  assert_non_null(strstr(err.object, "b.parquet"));
  mst_parquet_unref(p);
}

static void count_release(void *arg) { ++*(int *)arg; }

static mst_status collect(void *arg, const void *data, size_t size, mst_error *err) {
  FILE *f = arg;
  (void)err;
  return fwrite(data, 1, size, f) == size ? MST_OK : MST_E_IO;
}

static void test_memory(void **state) {
  static int64_t ids[ROWS];
  size_t n = 0, size = 0;
  mst_error err;
  char *file = NULL;
  int released = 0;
  mst_parquet *p = NULL;
  mst_parquet_out *o = NULL;
  (void)state;
  FILE *f = open_memstream(&file, &size);
  assert_int_equal(mst_parquet_create_into(NULL, collect, f, &schema, NULL, &o, &err), MST_OK);
  assert_int_equal(put_all(o, &err), MST_OK);
  assert_int_equal(mst_parquet_out_close(o, NULL, &err), MST_OK);
  assert_int_equal(mst_parquet_out_close(o, NULL, &err), MST_E_ARGUMENT);
  mst_parquet_out_free(o);
  fclose(f);
  assert_int_equal(mst_parquet_open_memory(NULL, file, size, count_release, &released, NULL, &p, &err), MST_OK);
  assert_int_equal(read_ids(p, NULL, ids, &n, &err), MST_OK);
  assert_int_equal(n, ROWS);
  assert_int_equal(released, 0);
  mst_parquet_unref(p);
  assert_int_equal(released, 1);
  file[size - 20] ^= 1;
  file[size - 2] ^= 1;
  assert_int_equal(mst_parquet_open_memory(NULL, file, size, count_release, &released, "my bytes", &p, &err), MST_E_CORRUPT);
  assert_string_equal(err.object, "my bytes");
  assert_int_equal(released, 2);
  free(file);
}

static void test_arguments(void **state) {
  mst_error err;
  mst_parquet *p = NULL;
  mst_parquet_out *out = NULL;
  mst_parquet_out_options o = MST_PARQUET_OUT_OPTIONS_INIT;
  (void)state;
  assert_int_equal(mst_parquet_open(NULL, NULL, NULL, &p, NULL, &err), MST_E_ARGUMENT);
  assert_int_equal(mst_parquet_open(NULL, "memory://api/none.parquet", NULL, &p, NULL, &err), MST_E_NOT_FOUND);
  assert_int_equal(mst_parquet_open(NULL, "memory://api/", NULL, &p, NULL, &err), MST_E_ARGUMENT);
  o.codec = "zst";
  assert_int_equal(mst_parquet_create(NULL, "memory://api/c.parquet", &schema, &o, &out, NULL, &err), MST_E_ARGUMENT);
  assert_non_null(strstr(err.message, "zstd"));
  o.codec = NULL;
  mst_parquet_out_column column = {.name = "i", .encoding = "byte_stream_split", .codec = "snappy", .bloom = 1};
  o.columns = &column;
  o.n_columns = 1;
  assert_int_equal(write_table("memory://api/c.parquet", &o, NULL, &err), MST_OK);
  column.name = "ii";
  assert_int_equal(write_table("memory://api/c.parquet", &o, NULL, &err), MST_E_ARGUMENT);
  column = (mst_parquet_out_column){.name = "half", .encoding = "delta_binary_packed"};
  assert_int_equal(write_table("memory://api/c.parquet", &o, NULL, &err), MST_E_ARGUMENT);
  assert_non_null(strstr(err.message, "half"));
  o.n_columns = 0;
  o.mode = MST_PUT_CREATE;
  assert_int_equal(write_table("memory://api/c.parquet", &o, NULL, &err), MST_E_EXISTS);
  struct ArrowArray batch;
  assert_int_equal(mst_parquet_create(NULL, "memory://api/d.parquet", &schema, NULL, &out, NULL, &err), MST_OK);
  make_batch(0, 10, &batch);
  batch.n_children = 1; /* free_batch frees what it counts: the second column is freed here */
  struct ArrowArray *second = batch.children[1];
  assert_int_equal(mst_parquet_out_put(out, &batch, &err), MST_E_ARGUMENT);
  second->release(second);
  free(second);
  mst_parquet_out_free(out);
  assert_int_equal(mst_parquet_open(NULL, "memory://api/d.parquet", NULL, &p, NULL, &err), MST_E_NOT_FOUND);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_round_trip),
      cmocka_unit_test(test_parts),
      cmocka_unit_test(test_memory),
      cmocka_unit_test(test_arguments),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
