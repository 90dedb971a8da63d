/* tests/dataset/table_kit.h - tables with seeded rows for the tests of reading and changing them, and rows as JSON. */
#ifndef MST_TESTS_DATASET_TABLE_KIT_H
#define MST_TESTS_DATASET_TABLE_KIT_H

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "column/column.h"
#include "dataset/dataset.h"
#include "dataset/golden.h"
#include "support/support.h"

typedef struct table_kit {
  mst_test_env world; /* whose waiting takes no time */
  mst_context *ctx;
  mst_store *store;
  mst_dataset *d;
  uint64_t seed;
} table_kit;

#define must(k_call)                                          \
  do {                                                        \
    if ((k_call) != MST_OK) fail_msg("%s", kit_err.message); \
  } while (0)
static mst_error kit_err;

static inline uint64_t kit_random(uint64_t *seed) {
  uint64_t x = *seed += 0x9E3779B97F4A7C15u;
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
  x = (x ^ x >> 27) * 0x94D049BB133111EBu;
  return x ^ x >> 31;
}
static inline uint64_t kit_below(uint64_t *seed, uint64_t n) { return kit_random(seed) % n; }

enum { KIT_COLUMNS = 7 };
static const mst_field kit_fields[KIT_COLUMNS] = {
    {.name = "part", .format = "U", .nullable = true},  {.name = "day", .format = "tdD", .nullable = true},
    {.name = "id", .format = "l", .nullable = true},    {.name = "n", .format = "i", .nullable = true},
    {.name = "v", .format = "g", .nullable = true},     {.name = "t", .format = "U", .nullable = true},
    {.name = "at", .format = "tsu:", .nullable = true},
};
static const char *const kit_parts[] = {"a", "b b", "c/d", "\xc3\xa4"};
static const char *const kit_texts[] = {"ash", "elm", "oak", "", "birch tree", "zz"};

/* Rows with ids first … first + rows - 1. Values lie near first / 100, so that statistics tell files apart. */
static inline void kit_batch(uint64_t *seed, int64_t first, size_t rows, struct ArrowArray *out) {
  mst_builder *b[KIT_COLUMNS];
  for (size_t i = 0; i < KIT_COLUMNS; i++) must(mst_builder_new(NULL, &kit_fields[i], &b[i], &kit_err));
  for (size_t r = 0; r < rows; r++) {
    const int64_t id = first + (int64_t)r, near = first / 100;
    const char *part = kit_parts[kit_below(seed, 4)], *text = kit_texts[kit_below(seed, 6)];
    must(mst_builder_bytes(b[0], part, strlen(part), &kit_err));
    must(mst_builder_i64(b[1], 19782 + (int64_t)kit_below(seed, 3), &kit_err));
    must(mst_builder_i64(b[2], id, &kit_err));
    if (kit_below(seed, 8) == 0) must(mst_builder_null(b[3], &kit_err));
    else must(mst_builder_i64(b[3], near + (int64_t)kit_below(seed, 5), &kit_err));
    if (kit_below(seed, 8) == 0) must(mst_builder_null(b[4], &kit_err));
    else must(mst_builder_f64(b[4], kit_below(seed, 20) == 0 ? NAN : (double)near + (double)kit_below(seed, 40) / 8, &kit_err));
    if (kit_below(seed, 6) == 0) must(mst_builder_null(b[5], &kit_err));
    else must(mst_builder_bytes(b[5], text, strlen(text), &kit_err));
    if (kit_below(seed, 10) == 0) must(mst_builder_null(b[6], &kit_err));
    else must(mst_builder_i64(b[6], (1700000000 + id * 3600) * (int64_t)1000000, &kit_err));
  }
  must(mst_batch_take(NULL, b, KIT_COLUMNS, out, &kit_err));
  for (size_t i = 0; i < KIT_COLUMNS; i++) mst_builder_free(b[i]);
}

typedef struct kit_rows {
  struct ArrowArray batch;
} kit_rows;
static inline mst_status kit_rows_next(void *self, struct ArrowArray *out, mst_error *err) {
  kit_rows *r = self;
  (void)err;
  *out = r->batch;
  r->batch.release = NULL;
  return MST_OK;
}
static inline void kit_rows_close(void *self) {
  kit_rows *r = self;
  mst_array_release(&r->batch);
  free(r);
}
static inline void kit_stream_of(struct ArrowArray *batch, struct ArrowArrayStream *out) {
  struct ArrowSchema schema = {0};
  kit_rows *r = malloc(sizeof *r);
  r->batch = *batch;
  batch->release = NULL;
  must(mst_schema_make(NULL, kit_fields, KIT_COLUMNS, &schema, &kit_err));
  const mst_stream_source source = {.self = r, .next = kit_rows_next, .close = kit_rows_close};
  must(mst_stream_make(NULL, &schema, &source, out, &kit_err));
}
static inline void kit_stream(uint64_t *seed, int64_t first, size_t rows, struct ArrowArrayStream *out) {
  struct ArrowArray batch = {0};
  kit_batch(seed, first, rows, &batch);
  kit_stream_of(&batch, out);
}

/* A context of its own with this budget (0: the usual) and number of threads. */
static inline void kit_open(table_kit *k, uint64_t memory, uint32_t threads, uint64_t seed) {
  *k = (table_kit){.seed = seed};
  mst_test_env_init(&k->world, seed, NULL);
  const mst_context_options o = {.struct_size = sizeof o, .memory_bytes_max = memory, .cpu_threads = threads, .env = &k->world.env};
  must(mst_context_open(&o, &k->ctx, &kit_err));
  must(mst_store_open_url(k->ctx, "memory://table-kit", NULL, 0, &k->store, &kit_err));
}
static inline void kit_close(table_kit *k) {
  mst_ds_unref(k->d);
  mst_store_unref(k->store);
  mst_context_unref(k->ctx);
}

/* `files` streams of `rows` rows each. */
static inline void kit_create(table_kit *k, const char *uuid, size_t files, size_t rows, const char *const *keys, size_t n_keys,
                              const char *const *indices, size_t n_indices) {
  struct ArrowArrayStream streams[64];
  const mst_dataset_options options = MST_DATASET_OPTIONS_INIT;
  const mst_dataset_create_options create = {.struct_size = sizeof create, .partition_on = keys, .n_partition_on = n_keys, .indices = indices,
                                             .n_indices = n_indices, .overwrite = 1};
  for (size_t i = 0; i < files; i++) kit_stream(&k->seed, (int64_t)(i * rows), rows, &streams[i]);
  mst_ds_unref(k->d);
  k->d = NULL;
  must(mst_ds_create(k->store, uuid, &options, &create, streams, files, &k->d, NULL, NULL, &kit_err));
}

/* Rows of a stream as JSON objects, in order. The stream is released. */
static inline json_t *kit_rows_of(struct ArrowArrayStream *stream) {
  struct ArrowSchema schema = {0};
  json_t *rows = json_array();
  mst_buf text;
  mst_buf_init(&text, NULL, SIZE_MAX / 2);
  must(mst_stream_schema(stream, &schema, &kit_err));
  for (;;) {
    struct ArrowArray batch = {0};
    must(mst_stream_next(stream, &batch, &kit_err));
    if (batch.release == NULL) break;
    mst_buf_clear(&text);
    must(mst_jsonl_put_rows(&schema, &batch, 0, batch.length, &text, &kit_err));
    for (const char *at = (const char *)text.data, *end; batch.length > 0 && (end = memchr(at, '\n', text.size - (size_t)(at - (const char *)text.data))) != NULL; at = end + 1) {
      json_array_append_new(rows, json_loadb(at, (size_t)(end - at), 0, NULL));
      if ((size_t)(end + 1 - (const char *)text.data) >= text.size) break;
    }
    mst_array_release(&batch);
  }
  mst_schema_release(&schema);
  mst_stream_release(stream);
  mst_buf_free(&text);
  return rows;
}

static inline json_t *kit_read(mst_dataset *d, const char *where, bool no_pushdown) {
  struct ArrowArrayStream stream = {0};
  const mst_dataset_read_options o = {.struct_size = sizeof o, .where = where, .no_pushdown = no_pushdown};
  if (mst_ds_read(d, &o, &stream, NULL, &kit_err) != MST_OK) fail_msg("%s: %s", where == NULL ? "all" : where, kit_err.message);
  return kit_rows_of(&stream);
}

static inline int kit_compare(const void *a, const void *b) {
  const json_int_t x = json_integer_value(json_object_get(*(json_t *const *)a, "id"));
  const json_int_t y = json_integer_value(json_object_get(*(json_t *const *)b, "id"));
  return x < y ? -1 : x > y;
}
/* A new array in the order of ids. */
static inline json_t *kit_sorted(const json_t *rows) {
  const size_t n = json_array_size(rows);
  json_t **all = malloc((n + 1) * sizeof *all), *out = json_array();
  for (size_t i = 0; i < n; i++) all[i] = json_array_get(rows, i);
  qsort(all, n, sizeof *all, kit_compare);
  for (size_t i = 0; i < n; i++) json_array_append(out, all[i]);
  free(all);
  return out;
}

/* Both hold the same rows, in any order. Takes both over. */
static inline void kit_same(json_t *expected, json_t *got, const char *what) {
  json_t *a = kit_sorted(expected), *b = kit_sorted(got);
  if (json_array_size(a) != json_array_size(b)) fail_msg("%s: %zu rows instead of %zu", what, json_array_size(b), json_array_size(a));
  for (size_t i = 0; i < json_array_size(a); i++)
    if (!json_equal(json_array_get(a, i), json_array_get(b, i)))
      fail_msg("%s: row %zu is %s instead of %s", what, i, json_dumps(json_array_get(b, i), 0), json_dumps(json_array_get(a, i), 0));
  json_decref(a);
  json_decref(b);
  json_decref(expected);
  json_decref(got);
}

/* A condition over the kit's columns. */
static inline void kit_condition(uint64_t *seed, unsigned depth, char *out, size_t room) {
  static const char *const ops[] = {"==", "!=", "<", "<=", ">", ">="};
  const char *op = ops[kit_below(seed, 6)];
  char a[1000], b[1000];
  const uint64_t kind = kit_below(seed, depth > 0 ? 14 : 10);
  switch (kind) {
    case 0: snprintf(out, room, "part %s '%s'", op, kit_parts[kit_below(seed, 4)]); break;
    case 1: snprintf(out, room, "day %s '2024-02-%02u'", op, 27 + (unsigned)kit_below(seed, 3)); break;
    case 2: snprintf(out, room, "id %s %d", op, (int)kit_below(seed, 1300)); break;
    case 3: snprintf(out, room, "n %s %d", op, (int)kit_below(seed, 16)); break;
    case 4: snprintf(out, room, "v %s %g", op, (double)kit_below(seed, 100) / 8); break;
    case 5: snprintf(out, room, "t %s '%s'", op, kit_texts[kit_below(seed, 6)]); break;
    case 6: snprintf(out, room, "t %s ('%s', '%s'%s)", kit_below(seed, 2) == 0 ? "in" : "not in", kit_texts[kit_below(seed, 6)], kit_texts[kit_below(seed, 6)], kit_below(seed, 3) == 0 ? ", null" : ""); break;
    case 7: snprintf(out, room, "%s is %snull", kit_below(seed, 2) == 0 ? "t" : "v", kit_below(seed, 2) == 0 ? "" : "not "); break;
    case 8: snprintf(out, room, "n between %d and %d", (int)kit_below(seed, 12), (int)kit_below(seed, 16)); break;
    case 9: snprintf(out, room, "t like '%s'", kit_below(seed, 2) == 0 ? "%e%" : "a_h"); break;
    default:
      kit_condition(seed, depth - 1, a, sizeof a);
      kit_condition(seed, depth - 1, b, sizeof b);
      if (kind == 10) snprintf(out, room, "not (%.400s)", a);
      else snprintf(out, room, "(%.400s) %s (%.400s)", a, kind == 11 ? "or" : "and", b);
  }
}

#endif
