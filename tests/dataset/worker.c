/* dataset/worker.c - one process that changes a dataset, for tests that kill it or run many at once. Columns: k
 * (int64), p = k % 3 (partition key), v (text). worker URL COMMAND [ARGUMENT…]; prints what was asked for; ends with 0,
 * or with minus the status. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <meseta/meseta.h>

#include "column/column.h"

static mst_error err;
static mst_store *store;
static const char *uuid;

static void check(mst_status status) {
  if (status == MST_OK) return;
  (void)fprintf(stderr, "%s: %s\n", mst_status_name(status), err.message);
  exit(-(int)status);
}

/* ---- rows ----------------------------------------------------------------------------------------------------------
 */

static const mst_field fields[] = {{.name = "k", .format = "l", .nullable = true},
                                   {.name = "p", .format = "l", .nullable = true},
                                   {.name = "v", .format = "U", .nullable = true}};

typedef struct rows {
  struct ArrowArray batch;
} rows;

static mst_status next(void *self, struct ArrowArray *out, mst_error *e) {
  rows *r = self;
  (void)e;
  *out = r->batch;
  r->batch.release = NULL;
  return MST_OK;
}

static void close_rows(void *self) {
  rows *r = self;
  mst_array_release(&r->batch);
  free(r);
}

/* k from `first`, `n` of them, v = `text`. */
static void make_rows(int64_t first, int64_t n, const char *text, struct ArrowArrayStream *out) {
  mst_builder *columns[3];
  struct ArrowSchema schema;
  rows *r = calloc(1, sizeof *r);
  for (int i = 0; i < 3; i++) check(mst_builder_new(NULL, &fields[i], &columns[i], &err));
  for (int64_t k = first; k < first + n; k++) {
    check(mst_builder_i64(columns[0], k, &err));
    check(mst_builder_i64(columns[1], k % 3, &err));
    check(mst_builder_bytes(columns[2], text, strlen(text), &err));
  }
  check(mst_batch_take(NULL, columns, 3, &r->batch, &err));
  for (int i = 0; i < 3; i++) mst_builder_free(columns[i]);
  check(mst_schema_make(NULL, fields, 3, &schema, &err));
  check(mst_stream_make(NULL, &schema, &(mst_stream_source){r, next, close_rows}, out, &err));
}

static mst_dataset *open_it(void) {
  mst_dataset *d = NULL;
  check(mst_dataset_open_in(store, uuid, NULL, &d, NULL, &err));
  return d;
}

/* ---- what is there -------------------------------------------------------------------------------------------------
 */

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The version (unless it is not wanted), and all rows, sorted. */
static void dump(bool with_version) {
  static char *lines[200000];
  size_t n = 0;
  struct ArrowArrayStream stream;
  struct ArrowSchema schema = {0};
  struct ArrowArray batch = {0};
  mst_dataset *d = open_it();
  mst_dataset_read_options options = MST_DATASET_READ_OPTIONS_INIT;
  if (with_version) (void)printf("version %" PRIu64 "\n", mst_dataset_get_version(d));
  check(mst_dataset_read(d, &options, &stream, NULL, &err));
  check(mst_stream_schema(&stream, &schema, &err));
  for (;;) {
    mst_view k, v;
    check(mst_stream_next(&stream, &batch, &err));
    if (batch.release == NULL) break;
    check(mst_batch_column(&schema, &batch, "k", "l", &k, &err));
    check(mst_batch_column(&schema, &batch, "v", NULL, &v, &err));
    for (int64_t i = 0; i < batch.length && n < 200000; i++) {
      char line[128];
      size_t size;
      const uint8_t *text = mst_view_bytes(&v, i, &size);
      (void)snprintf(line, sizeof line, "%08" PRId64 " %.*s", mst_view_i64(&k, i), (int)size, (const char *)text);
      lines[n++] = strdup(line);
    }
    mst_array_release(&batch);
  }
  qsort(lines, n, sizeof lines[0], by_text);
  for (size_t i = 0; i < n; i++) (void)puts(lines[i]);
  mst_schema_release(&schema);
  mst_stream_release(&stream);
  mst_dataset_unref(d);
}

/* ---- changes -------------------------------------------------------------------------------------------------------
 */

static void create(const char *indexed) {
  struct ArrowArrayStream stream;
  mst_dataset *d = NULL;
  const char *keys[] = {"p"}, *indices[] = {indexed};
  mst_dataset_create_options options = MST_DATASET_CREATE_OPTIONS_INIT;
  options.partition_on = keys;
  options.n_partition_on = 1;
  options.indices = indices;
  options.n_indices = indexed != NULL;
  make_rows(0, 9, "first", &stream);
  check(mst_dataset_create_in(store, uuid, NULL, &options, &stream, 1, &d, NULL, NULL, &err));
  mst_dataset_unref(d);
}

static void commit(mst_change *c) {
  mst_dataset *after = NULL;
  mst_bytes report = {0};
  check(mst_change_commit(c, &after, &report, NULL, &err));
  (void)printf("%.*s\n", (int)report.size, (const char *)report.data);
  mst_bytes_release(&report);
  mst_dataset_unref(after);
}

static const char *arg(int argc, char **argv, int i) {
  if (i < argc) return argv[i];
  (void)fprintf(stderr, "an argument is missing\n");
  exit(2);
}

/* One change, one commit. */
static bool change(const char *command, int argc, char **argv) {
  mst_dataset *d = open_it();
  mst_change *c = NULL;
  struct ArrowArrayStream stream;
  const char *on[] = {"k"};
  bool known = true;
  check(mst_change_open(d, &c, &err));
  if (strcmp(command, "append") == 0) {
    make_rows(atoll(arg(argc, argv, 3)), atoll(arg(argc, argv, 4)), "appended", &stream);
    check(mst_change_append(c, &stream, NULL, &err));
  } else if (strcmp(command, "upsert") == 0) {
    make_rows(atoll(arg(argc, argv, 3)), atoll(arg(argc, argv, 4)), "upserted", &stream);
    check(mst_change_upsert(c, &stream, on, 1, NULL, &err));
  } else if (strcmp(command, "replace") == 0) {
    check(mst_change_remove(c, arg(argc, argv, 3), NULL, &err));
    make_rows(atoll(arg(argc, argv, 4)), atoll(arg(argc, argv, 5)), "replaced", &stream);
    check(mst_change_append(c, &stream, NULL, &err));
  } else if (strcmp(command, "remove") == 0) check(mst_change_remove(c, arg(argc, argv, 3), NULL, &err));
  else if (strcmp(command, "delete") == 0) check(mst_change_delete(c, arg(argc, argv, 3), NULL, &err));
  else if (strcmp(command, "update") == 0)
    check(mst_change_update(c, arg(argc, argv, 3), arg(argc, argv, 4), NULL, &err));
  else if (strcmp(command, "compact") == 0) check(mst_change_compact(c, NULL, 1 << 20, NULL, 0, NULL, &err));
  else if (strcmp(command, "index") == 0) check(mst_change_build_index(c, arg(argc, argv, 3), NULL, &err));
  else if (strcmp(command, "unindex") == 0) check(mst_change_drop_index(c, arg(argc, argv, 3), &err));
  else if (strcmp(command, "restore") == 0)
    check(mst_change_restore(c, (uint64_t)atoll(arg(argc, argv, 3)), NULL, &err));
  else if (strcmp(command, "metadata") == 0) check(mst_change_metadata(c, arg(argc, argv, 3), &err));
  else known = false;
  if (known) commit(c);
  mst_change_free(c);
  mst_dataset_unref(d);
  return known;
}

/* Appends `count` rows in as many commits, and takes every fourth away again. Prints what is to be found of it in the
 * end. */
static void churn(int64_t first, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    struct ArrowArrayStream stream;
    mst_dataset *d = open_it(), *after = NULL;
    mst_change *c = NULL;
    check(mst_change_open(d, &c, &err));
    make_rows(first + i, 1, "churned", &stream);
    check(mst_change_append(c, &stream, NULL, &err));
    check(mst_change_commit(c, &after, NULL, NULL, &err));
    mst_change_free(c);
    mst_dataset_unref(d);
    if (i % 4 == 3) {
      char where[64];
      (void)snprintf(where, sizeof where, "k = %" PRId64, first + i);
      check(mst_change_open(after, &c, &err));
      check(mst_change_delete(c, where, NULL, &err));
      check(mst_change_commit(c, &d, NULL, NULL, &err));
      mst_change_free(c);
      mst_dataset_unref(d);
    } else {
      (void)printf("%08" PRId64 " churned\n", first + i);
    }
    mst_dataset_unref(after);
  }
}

static void keys_of(mst_status status, mst_bytes *keys) {
  check(status);
  (void)printf("%.*s\n", (int)keys->size, (const char *)keys->data);
  mst_bytes_release(keys);
}

static bool housekeeping(const char *command, int argc, char **argv) {
  mst_bytes keys = {0};
  if (strcmp(command, "drop") == 0) {
    keys_of(mst_dataset_drop_in(store, uuid, NULL, 0, &keys, NULL, &err), &keys);
    return true;
  }
  mst_dataset *d = open_it(), *after = NULL;
  bool known = true;
  if (strcmp(command, "gc") == 0)
    keys_of(mst_dataset_gc(d, (uint64_t)atoll(arg(argc, argv, 3)), 0, &keys, NULL, &err), &keys);
  else if (strcmp(command, "log") == 0) keys_of(mst_dataset_log(d, &keys, NULL, &err), &keys);
  else if (strcmp(command, "expire") == 0)
    check(mst_dataset_expire(d, (uint64_t)atoll(arg(argc, argv, 3)), 0, &after, NULL, &err));
  else known = false;
  mst_dataset_unref(after);
  mst_dataset_unref(d);
  return known;
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  char *slash = strrchr(argv[1], '/');
  if (slash == NULL) return 2;
  *slash = '\0';
  uuid = slash + 1;
  const char *command = argv[2];
  check(mst_store_open(NULL, argv[1], NULL, 0, &store, &err));
  if (strcmp(command, "create") == 0) create(argc > 3 ? argv[3] : NULL);
  else if (strcmp(command, "dump") == 0) dump(true);
  else if (strcmp(command, "rows") == 0) dump(false);
  else if (strcmp(command, "churn") == 0) churn(atoll(arg(argc, argv, 3)), atoll(arg(argc, argv, 4)));
  else if (!housekeeping(command, argc, argv) && !change(command, argc, argv)) return 2;
  mst_store_unref(store);
  return 0;
}
