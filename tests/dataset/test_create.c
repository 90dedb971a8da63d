/* tests/dataset/test_create.c - datasets made from streams: what is stored, what is refused, and what is left when memory or the store
 * fails at any step. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataset/dataset.h"
#include "dataset/schema.h"
#include "dataset/state.h"
#include "dataset/value.h"
#include "dataset/write.h"
#include "support/support.h"

/* ---- streams ------------------------------------------------------------------------------------------------------ */

static const mst_field fields[] = {{"id", "l", true, NULL, 0},  {"k", "U", true, NULL, 0},   {"day", "tdD", true, NULL, 0},
                                   {"x", "f", true, NULL, 0},   {"t", "u", true, NULL, 0},   {"ok", "b", true, NULL, 0},
                                   {"small", "c", true, NULL, 0}};
enum { COLUMNS = sizeof fields / sizeof *fields };

/* `batches` of `rows` rows: id counts, k has 3 values, day 2, x is null in every 7th row, t has 5 values. */
typedef struct rows {
  const mst_allocator *mem;
  int64_t next, rows;
  int batches;
  bool null_key;
  int64_t block; /* not 0: so many rows of one key side by side */
} rows;

static mst_status put_row(rows *r, mst_builder **b, int64_t i, mst_error *err) {
  mst_status status = MST_OK;
  char text[32];
  MST_TRY(mst_builder_i64(b[0], i, err));
  snprintf(text, sizeof text, "key/%d", (int)(r->block != 0 ? i / r->block : i % 3));
  MST_TRY(r->null_key && i == 5 ? mst_builder_null(b[1], err) : mst_builder_bytes(b[1], text, strlen(text), err));
  MST_TRY(mst_builder_i64(b[2], 19000 + i % 2, err));
  MST_TRY(i % 7 == 0 ? mst_builder_null(b[3], err) : mst_builder_f64(b[3], (double)i / 2, err));
  snprintf(text, sizeof text, "t%d", (int)(i % 5));
  MST_TRY(mst_builder_bytes(b[4], text, strlen(text), err));
  MST_TRY(mst_builder_bool(b[5], i % 2 == 0, err));
  MST_TRY(mst_builder_i64(b[6], i % 100 - 50, err));
done:
  return status;
}

static mst_status next_rows(void *self, struct ArrowArray *out, mst_error *err) {
  rows *r = self;
  mst_status status = MST_OK;
  mst_builder *b[COLUMNS] = {0};
  out->release = NULL;
  if (r->batches-- <= 0) return MST_OK;
  for (int i = 0; i < COLUMNS; i++) MST_TRY(mst_builder_new(r->mem, &fields[i], &b[i], err));
  for (int64_t i = 0; i < r->rows; i++) MST_TRY(put_row(r, b, r->next++, err));
  MST_TRY(mst_batch_take(r->mem, b, COLUMNS, out, err));
done:
  for (int i = 0; i < COLUMNS; i++) mst_builder_free(b[i]);
  return status;
}

static void close_rows(void *self) {
  rows *r = self;
  mst_free(r->mem, r);
}

static mst_status make_stream(const mst_allocator *mem, int64_t n, int batches, bool null_key, struct ArrowArrayStream *out, mst_error *err) {
  struct ArrowSchema schema = {0};
  mst_status status = MST_OK;
  rows *r = NULL;
  out->release = NULL;
  MST_TRY(mst_schema_make(mem, fields, COLUMNS, &schema, err));
  MST_TRY_ALLOC(r = mst_alloc_zero(mem, 1, sizeof *r));
  *r = (rows){.mem = mem, .rows = n, .batches = batches, .null_key = null_key};
  const mst_stream_source source = {.self = r, .next = next_rows, .close = close_rows};
  return mst_stream_make(mem, &schema, &source, out, err);
done:
  mst_schema_release(&schema);
  return status;
}

/* ---- places ------------------------------------------------------------------------------------------------------- */

typedef struct place {
  mst_test_env env;
  mst_context *ctx;
  mst_store *store;
} place;

static mst_status open_place(place *p, const mst_allocator *mem, uint32_t threads, mst_error *err) {
  static atomic_uint number;
  char url[64];
  mst_context_options options = MST_CONTEXT_OPTIONS_INIT;
  *p = (place){0};
  mst_test_env_init(&p->env, 7, NULL);
  options.env = &p->env.env;
  options.allocator = mem;
  options.cpu_threads = threads;
  snprintf(url, sizeof url, "memory://create-%u", atomic_fetch_add(&number, 1));
  mst_status status = mst_context_open(&options, &p->ctx, err);
  return status == MST_OK ? mst_store_open_url(p->ctx, url, NULL, 0, &p->store, err) : status;
}

static void close_place(place *p) {
  mst_store_unref(p->store);
  mst_context_unref(p->ctx);
}

static const mst_dataset_options plain = MST_DATASET_OPTIONS_INIT;

typedef struct seen {
  size_t n;
  uint64_t rows;
  char key[600];
} seen;

static mst_status count_key(void *arg, const mst_object_info *info, mst_error *err) {
  (void)err;
  seen *s = arg;
  s->n++;
  snprintf(s->key, sizeof s->key, "%s", info->key);
  return MST_OK;
}

static size_t count_keys(place *p, const char *prefix) {
  seen s = {0};
  mst_error err;
  assert_int_equal(mst_list_run(p->store, prefix, NULL, count_key, &s, NULL, &err), MST_OK);
  return s.n;
}

static mst_status create(place *p, const char *const *keys, size_t n_keys, const char *const *indices, size_t n_indices, int64_t n, int batches,
                         mst_dataset **out, mst_error *err) {
  struct ArrowArrayStream stream = {0};
  const mst_dataset_create_options c = {.struct_size = sizeof c, .partition_on = keys, .n_partition_on = n_keys, .indices = indices,
                                        .n_indices = n_indices, .metadata_json = "{\"who\": \"me\"}"};
  mst_status status = make_stream(mst_context_mem(p->ctx), n, batches, false, &stream, err);
  return status == MST_OK ? mst_ds_create(p->store, "u", &plain, &c, &stream, 1, out, NULL, NULL, err) : status;
}

/* Sum of id and number of rows. */
static void read_back(mst_dataset *d, const char *where, int64_t *n, int64_t *sum) {
  struct ArrowArrayStream stream = {0};
  struct ArrowSchema schema = {0};
  mst_error err = {0};
  const mst_dataset_read_options o = {.struct_size = sizeof o, .where = where};
  *n = *sum = 0;
  if (mst_ds_read(d, &o, &stream, NULL, &err) != MST_OK) fail_msg("%s", err.message);
  if (mst_stream_schema(&stream, &schema, &err) != MST_OK) fail_msg("%s", err.message);
  for (;;) {
    struct ArrowArray batch = {0};
    mst_view v;
    if (mst_stream_next(&stream, &batch, &err) != MST_OK) fail_msg("%s", err.message);
    if (batch.release == NULL) break;
    assert_int_equal(mst_batch_column(&schema, &batch, "id", "l", &v, &err), MST_OK);
    for (int64_t i = 0; i < batch.length; i++) *sum += mst_view_i64(&v, i);
    *n += batch.length;
    mst_array_release(&batch);
  }
  mst_schema_release(&schema);
  mst_stream_release(&stream);
}

/* ---- tests -------------------------------------------------------------------------------------------------------- */

static const char *const two_keys[] = {"k", "day"};
static const char *const two_indices[] = {"t", "id"};

static void rows_come_back(void **state) {
  (void)state;
  for (uint32_t threads = 1; threads < 4; threads += 2) {
    place p;
    mst_dataset *d = NULL, *again = NULL;
    mst_error err = {0};
    int64_t n, sum;
    assert_int_equal(open_place(&p, NULL, threads, &err), MST_OK);
    if (create(&p, two_keys, 2, two_indices, 2, 500, 3, &d, &err) != MST_OK) fail_msg("%s", err.message);
    assert_int_equal(mst_ds_partition_count(d), 6);
    assert_int_equal(mst_ds_version(d), 1);
    assert_string_equal(json_string_value(json_object_get(mst_document_metadata(d->document), "who")), "me");
    read_back(d, NULL, &n, &sum);
    assert_int_equal(n, 1500);
    assert_int_equal(sum, 1500 * 1499 / 2);
    read_back(d, "k == 'key/1' and t == 't2'", &n, &sum);
    assert_int_equal(n, 100);
    read_back(d, "id in (7, 8, 1499)", &n, &sum);
    assert_int_equal(sum, 7 + 8 + 1499);
    assert_int_equal(mst_ds_open(p.store, "u", &plain, &again, NULL, &err), MST_OK);
    assert_true(mst_table_schema_same(&d->schema, &again->schema));
    assert_string_equal(d->schema.children[0]->name, "k");
    assert_string_equal(d->schema.children[1]->name, "day");
    assert_string_equal(d->schema.children[2]->name, "id");
    assert_string_equal(d->schema.children[5]->name, "t");
    assert_string_equal(d->schema.children[5]->format, "U");
    assert_string_equal(d->schema.children[4]->format, "l");
    assert_string_equal(d->schema.children[6]->format, "g");
    for (size_t i = 0; i < 6; i++) assert_non_null(strstr(mst_document_label(d->document, i), "k=key%2F"));
    mst_ds_unref(again);
    mst_ds_unref(d);
    close_place(&p);
  }
}

static void little_memory_is_enough(void **state) {
  (void)state;
  place p;
  mst_dataset *d = NULL;
  mst_error err = {0};
  struct ArrowArrayStream stream = {0};
  int64_t n, sum;
  mst_dataset_options o = MST_DATASET_OPTIONS_INIT;
  const mst_dataset_create_options c = {.struct_size = sizeof c, .partition_on = two_keys, .n_partition_on = 2};
  o.memory = 1 << 16;
  assert_int_equal(open_place(&p, NULL, 1, &err), MST_OK);
  assert_int_equal(make_stream(NULL, 1000, 60, false, &stream, &err), MST_OK);
  if (mst_ds_create(p.store, "u", &o, &c, &stream, 1, &d, NULL, NULL, &err) != MST_OK) fail_msg("%s", err.message);
  assert_int_equal(mst_ds_partition_count(d), 6);
  read_back(d, NULL, &n, &sum);
  assert_int_equal(n, 60000);
  assert_int_equal(sum, INT64_C(60000) * 59999 / 2);
  mst_ds_unref(d);
  close_place(&p);
}

/* Rows that come partition by partition: each is complete when the next begins, and has one file. One batch or many, threads or none. */
static void complete_partitions_are_closed(void **state) {
  (void)state;
  for (int how = 0; how < 4; how++) {
    place p;
    mst_dataset *d = NULL;
    mst_error err = {0};
    struct ArrowArrayStream stream = {0};
    struct ArrowSchema schema = {0};
    int64_t n, sum;
    mst_dataset_options o = MST_DATASET_OPTIONS_INIT;
    const mst_dataset_create_options c = {.struct_size = sizeof c, .partition_on = two_keys, .n_partition_on = 1, .indices = two_indices, .n_indices = 1};
    o.memory = 1 << 20;
    assert_int_equal(open_place(&p, NULL, how < 2 ? 1 : 3, &err), MST_OK);
    assert_int_equal(mst_schema_make(NULL, fields, COLUMNS, &schema, &err), MST_OK);
    rows *r = mst_alloc_zero(NULL, 1, sizeof *r);
    *r = (rows){.rows = how % 2 == 0 ? 60000 : 600, .batches = how % 2 == 0 ? 1 : 100, .block = 2000};
    const mst_stream_source source = {.self = r, .next = next_rows, .close = close_rows};
    assert_int_equal(mst_stream_make(NULL, &schema, &source, &stream, &err), MST_OK);
    if (mst_ds_create(p.store, "u", &o, &c, &stream, 1, &d, NULL, NULL, &err) != MST_OK) fail_msg("%s", err.message);
    assert_int_equal(mst_ds_partition_count(d), 30);
    for (size_t i = 0; i < 30; i++) {
      char key[40];
      snprintf(key, sizeof key, "k=key%%2F%zu/", i);
      assert_true(mst_text_starts(mst_document_label(d->document, i), key));
    }
    read_back(d, NULL, &n, &sum);
    assert_int_equal(n, 60000);
    assert_int_equal(sum, INT64_C(60000) * 59999 / 2);
    read_back(d, "k == 'key/7' and t == 't1'", &n, &sum);
    assert_int_equal(n, 400);
    mst_ds_unref(d);
    close_place(&p);
  }
}

/* One batch of everything, in no order: more than memory has room for. */
static void one_huge_batch(void **state) {
  (void)state;
  place p;
  mst_dataset *d = NULL;
  mst_error err = {0};
  struct ArrowArrayStream stream = {0};
  int64_t n, sum;
  mst_dataset_options o = MST_DATASET_OPTIONS_INIT;
  const mst_dataset_create_options c = {.struct_size = sizeof c, .partition_on = two_keys, .n_partition_on = 2, .sort_by = two_indices, .n_sort_by = 2};
  o.memory = 1 << 17;
  assert_int_equal(open_place(&p, NULL, 1, &err), MST_OK);
  for (int sorted = 0; sorted < 2; sorted++) {
    mst_dataset_create_options some = c;
    if (!sorted) some.n_sort_by = 0;
    some.overwrite = 1;
    assert_int_equal(make_stream(NULL, 60000, 1, false, &stream, &err), MST_OK);
    if (mst_ds_create(p.store, "u", &o, &some, &stream, 1, &d, NULL, NULL, &err) != MST_OK) fail_msg("%s", err.message);
    assert_int_equal(mst_ds_partition_count(d), 6);
    read_back(d, NULL, &n, &sum);
    assert_int_equal(n, 60000);
    assert_int_equal(sum, INT64_C(60000) * 59999 / 2);
    mst_ds_unref(d);
  }
  close_place(&p);
}

static void sorted_within_files(void **state) {
  (void)state;
  place p;
  mst_dataset *d = NULL;
  mst_error err = {0};
  static const char *const by[] = {"t", "small"};
  struct ArrowArrayStream stream = {0};
  struct ArrowSchema schema = {0};
  const mst_dataset_create_options c = {.struct_size = sizeof c, .partition_on = two_keys, .n_partition_on = 1, .sort_by = by, .n_sort_by = 2,
                                        .row_group_rows = 50};
  const mst_dataset_read_options all = MST_DATASET_READ_OPTIONS_INIT;
  assert_int_equal(open_place(&p, NULL, 1, &err), MST_OK);
  assert_int_equal(make_stream(NULL, 300, 4, false, &stream, &err), MST_OK);
  if (mst_ds_create(p.store, "u", &plain, &c, &stream, 1, &d, NULL, NULL, &err) != MST_OK) fail_msg("%s", err.message);
  assert_int_equal(mst_ds_read(d, &all, &stream, NULL, &err), MST_OK);
  assert_int_equal(mst_stream_schema(&stream, &schema, &err), MST_OK);
  char last_key[40] = "", last[60] = "";
  int64_t n = 0, files = 0;
  for (;;) {
    struct ArrowArray batch = {0};
    mst_view k, t, small;
    assert_int_equal(mst_stream_next(&stream, &batch, &err), MST_OK);
    if (batch.release == NULL) break;
    assert_int_equal(mst_batch_column(&schema, &batch, "k", NULL, &k, &err), MST_OK);
    assert_int_equal(mst_batch_column(&schema, &batch, "t", NULL, &t, &err), MST_OK);
    assert_int_equal(mst_batch_column(&schema, &batch, "small", NULL, &small, &err), MST_OK);
    for (int64_t i = 0; i < batch.length; i++, n++) {
      size_t nk, nt;
      char key[40], now[60];
      const uint8_t *pk = mst_view_bytes(&k, i, &nk), *pt = mst_view_bytes(&t, i, &nt);
      snprintf(key, sizeof key, "%.*s", (int)nk, (const char *)pk);
      snprintf(now, sizeof now, "%.*s %05d", (int)nt, (const char *)pt, (int)mst_view_i64(&small, i) + 1000);
      if (strcmp(key, last_key) != 0) files++;
      else assert_true(strcmp(last, now) <= 0);
      strcpy(last_key, key);
      strcpy(last, now);
    }
    mst_array_release(&batch);
  }
  assert_int_equal(n, 1200);
  assert_int_equal(files, 3);
  mst_schema_release(&schema);
  mst_stream_release(&stream);
  mst_ds_unref(d);
  close_place(&p);
}

static void buckets_split_partitions(void **state) {
  (void)state;
  place p;
  mst_dataset *d = NULL;
  mst_error err = {0};
  struct ArrowArrayStream stream = {0};
  int64_t n, sum;
  const mst_dataset_create_options c = {.struct_size = sizeof c, .partition_on = two_keys, .n_partition_on = 1, .bucket_by = "id", .buckets = 4};
  assert_int_equal(open_place(&p, NULL, 1, &err), MST_OK);
  assert_int_equal(make_stream(NULL, 600, 1, false, &stream, &err), MST_OK);
  if (mst_ds_create(p.store, "u", &plain, &c, &stream, 1, &d, NULL, NULL, &err) != MST_OK) fail_msg("%s", err.message);
  assert_int_equal(mst_ds_partition_count(d), 12);
  read_back(d, NULL, &n, &sum);
  assert_int_equal(sum, 600 * 599 / 2);
  mst_ds_unref(d);
  close_place(&p);
}

static void several_streams_and_none(void **state) {
  (void)state;
  place p;
  mst_dataset *d = NULL;
  mst_error err = {0};
  struct ArrowArrayStream streams[3];
  struct ArrowSchema schema = {0};
  int64_t n, sum;
  mst_dataset_create_options c = MST_DATASET_CREATE_OPTIONS_INIT;
  assert_int_equal(open_place(&p, NULL, 1, &err), MST_OK);
  for (int i = 0; i < 3; i++) assert_int_equal(make_stream(NULL, 10, i, false, &streams[i], &err), MST_OK);
  if (mst_ds_create(p.store, "u", &plain, &c, streams, 3, &d, NULL, NULL, &err) != MST_OK) fail_msg("%s", err.message);
  assert_int_equal(mst_ds_partition_count(d), 2); /* the first stream has no rows */
  read_back(d, NULL, &n, &sum);
  assert_int_equal(n, 30);
  mst_ds_unref(d);
  assert_int_equal(mst_schema_make(NULL, fields, COLUMNS, &schema, &err), MST_OK);
  c.schema = &schema;
  c.partition_on = two_keys;
  c.n_partition_on = 2;
  c.metadata_format = "msgpack";
  if (mst_ds_create(p.store, "nothing", &plain, &c, NULL, 0, &d, NULL, NULL, &err) != MST_OK) fail_msg("%s", err.message);
  mst_ds_unref(d);
  assert_int_equal(mst_ds_open(p.store, "nothing", &plain, &d, NULL, &err), MST_OK);
  assert_int_equal(d->form, MST_DOCUMENT_MSGPACK);
  assert_int_equal(d->schema.n_children, COLUMNS);
  assert_int_equal(mst_ds_partition_count(d), 0);
  mst_ds_unref(d);
  mst_schema_release(&schema);
  close_place(&p);
}

typedef struct refusal {
  const char *uuid, *table, *key, *index, *codec, *metadata, *format, *sort;
  bool null_key;
  mst_status status;
  const char *says;
} refusal;

static const refusal refusals[] = {
    {.uuid = "a b", .status = MST_E_ARGUMENT, .says = "illegal character"},
    {.uuid = "../x", .status = MST_E_ARGUMENT, .says = "illegal character"},
    {.uuid = "", .status = MST_E_ARGUMENT, .says = "empty"},
    {.table = "a/b", .status = MST_E_ARGUMENT, .says = "table"},
    {.table = "indices", .status = MST_E_ARGUMENT, .says = "table"},
    {.key = "nope", .status = MST_E_ARGUMENT, .says = "nope"},
    {.key = "k", .null_key = true, .status = MST_E_ARGUMENT, .says = "Original dataframe size"},
    {.key = "k", .index = "k", .status = MST_E_ARGUMENT, .says = "partition"},
    {.index = "nope", .status = MST_E_ARGUMENT, .says = "nope"},
    {.codec = "lzma", .status = MST_E_ARGUMENT, .says = "lzma"},
    {.metadata = "[1]", .status = MST_E_ARGUMENT, .says = "object"},
    {.metadata = "{\"x\": NaN}", .status = MST_E_ARGUMENT, .says = "metadata"},
    {.metadata = "{\"meseta\": {}}", .status = MST_E_ARGUMENT, .says = "meseta"},
    {.format = "yaml", .status = MST_E_ARGUMENT, .says = "yaml"},
    {.sort = "nope", .status = MST_E_ARGUMENT, .says = "nope"},
};

static void what_cannot_be_is_refused(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
    const refusal *r = &refusals[i];
    place p;
    mst_dataset *d = NULL;
    mst_error err = {0};
    struct ArrowArrayStream stream = {0};
    const mst_dataset_create_options c = {.struct_size = sizeof c, .table = r->table, .partition_on = &r->key, .n_partition_on = r->key != NULL,
                                          .indices = &r->index, .n_indices = r->index != NULL, .sort_by = &r->sort, .n_sort_by = r->sort != NULL,
                                          .codec = r->codec, .metadata_json = r->metadata, .metadata_format = r->format};
    assert_int_equal(open_place(&p, NULL, 1, &err), MST_OK);
    assert_int_equal(make_stream(NULL, 10, 1, r->null_key, &stream, &err), MST_OK);
    const mst_status status = mst_ds_create(p.store, r->uuid != NULL ? r->uuid : "u", &plain, &c, &stream, 1, &d, NULL, NULL, &err);
    if (status != r->status || strstr(err.message, r->says) == NULL) fail_msg("%zu: %s: %s", i, mst_status_name(status), err.message);
    assert_null(stream.release);
    assert_int_equal(count_keys(&p, "u."), 0);
    close_place(&p);
  }
}

static void a_second_one_is_refused(void **state) {
  (void)state;
  place p;
  mst_dataset *d = NULL, *other = NULL;
  mst_error err = {0};
  assert_int_equal(open_place(&p, NULL, 1, &err), MST_OK);
  assert_int_equal(create(&p, NULL, 0, NULL, 0, 10, 1, &d, &err), MST_OK);
  assert_int_equal(create(&p, NULL, 0, NULL, 0, 10, 1, &other, &err), MST_E_EXISTS);
  assert_non_null(strstr(err.message, "already exists and overwrite is not permitted"));
  mst_ds_unref(d);
  close_place(&p);
}

static json_t *fragment_of(mst_dataset *d, size_t values_max, mst_new_files *files) {
  struct ArrowArrayStream stream = {0};
  mst_write_settings s;
  mst_error err = {0};
  json_t *json = NULL;
  assert_int_equal(mst_write_settings_of(d, &s, &err), MST_OK);
  assert_int_equal(make_stream(NULL, 50, 2, false, &stream, &err), MST_OK);
  if (mst_files_write(&s, &stream, files, NULL, &err) != MST_OK) fail_msg("%s", err.message);
  mst_write_settings_free(d, &s);
  assert_int_equal(mst_new_files_to_json(files, values_max, &json, &err), MST_OK);
  return json;
}

static void same_bounds(const mst_file_stat *a, const mst_file_stat *b) {
  assert_string_equal(a->column, b->column);
  assert_true(a->bounds.has_min == b->bounds.has_min && a->bounds.has_max == b->bounds.has_max && a->bounds.nulls == b->bounds.nulls &&
              a->bounds.nan_free == b->bounds.nan_free && a->bounds.has_nulls == b->bounds.has_nulls);
  if (a->bounds.has_min) assert_true(mst_scalar_equal(&a->bounds.min, &b->bounds.min));
  if (a->bounds.has_max) assert_true(mst_scalar_equal(&a->bounds.max, &b->bounds.max));
}

static void fragments_carry_files(void **state) {
  (void)state;
  place p;
  mst_dataset *d = NULL;
  mst_error err = {0};
  assert_int_equal(open_place(&p, NULL, 1, &err), MST_OK);
  if (create(&p, two_keys, 2, two_indices, 2, 10, 1, &d, &err) != MST_OK) fail_msg("%s", err.message);
  for (size_t room = 0; room <= 100000; room += 100000) {
    mst_new_files files, back;
    mst_new_files_init(&files, NULL);
    mst_new_files_init(&back, NULL);
    json_t *json = fragment_of(d, room, &files);
    if (mst_new_files_from_json(json, d, &back, &err) != MST_OK) fail_msg("%s", err.message);
    assert_int_equal(back.n, 6);
    assert_true(mst_table_schema_same(&files.schema, &back.schema));
    for (size_t i = 0; i < 6; i++) {
      const mst_new_file *a = &files.items[i], *b = &back.items[i];
      assert_string_equal(a->key, b->key);
      assert_true(a->rows == b->rows && a->bytes == b->bytes && a->n_stats == b->n_stats && b->n_indexed == 2);
      for (size_t k = 0; k < a->n_stats; k++) same_bounds(&a->stats[k], &b->stats[k]);
      for (size_t k = 0; k < 2; k++) {
        assert_string_equal(a->indexed[k].column, b->indexed[k].column);
        assert_true((b->indexed[k].values.release != NULL) == (room > 0));
        if (room > 0) assert_int_equal(a->indexed[k].values.length, b->indexed[k].values.length);
      }
    }
    mst_new_files_free(&files);
    mst_new_files_free(&back);
    json_decref(json);
  }
  mst_ds_unref(d);
  close_place(&p);
}

static void hostile_fragments_are_refused(void **state) {
  (void)state;
  static const struct {
    const char *member, *value;
  } changes[] = {{"key", "\"u/table/../x.parquet\""}, {"key", "\"v/table/x.parquet\""}, {"key", "7"}, {"label", "\"k=a/x\""}, {"label", "\"x\""}, {"label", "null"},
                 {"rows", "-1"}, {"rows", "\"x\""}, {"stats", "[[1]]"}, {"stats", "[[\"nope\", 0, true, 1, 2]]"}, {"stats", "[[\"id\", 0, true, \"x\", 2]]"}, {"stats", "{}"},
                 {"indexed", "{\"t\": 5}"}, {"indexed", "{\"t\": [5]}"}, {"indexed", "{\"nope\": []}"}, {"indexed", "{\"id\": [1.5]}"}, {"indexed", "[]"}};
  place p;
  mst_dataset *d = NULL;
  mst_error err = {0};
  mst_new_files files;
  mst_new_files_init(&files, NULL);
  assert_int_equal(open_place(&p, NULL, 1, &err), MST_OK);
  if (create(&p, two_keys, 2, two_indices, 2, 10, 1, &d, &err) != MST_OK) fail_msg("%s", err.message);
  json_t *json = fragment_of(d, 100000, &files);
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
    json_t *wrong = json_deep_copy(json);
    mst_new_files back;
    mst_new_files_init(&back, NULL);
    json_object_set_new(json_array_get(json_object_get(wrong, "files"), 3), changes[i].member, json_loads(changes[i].value, JSON_DECODE_ANY, NULL));
    const mst_status status = mst_new_files_from_json(wrong, d, &back, &err);
    if (status != MST_E_CORRUPT) fail_msg("%s: %s: %s", changes[i].member, changes[i].value, mst_status_name(status));
    assert_int_equal(back.n, 0);
    mst_new_files_free(&back);
    json_decref(wrong);
  }
  json_decref(json);
  mst_new_files_free(&files);
  mst_ds_unref(d);
  close_place(&p);
}

/* After a failure anywhere the dataset is there as a whole, or not at all. */
static void whole_or_absent(place *p, mst_status status) {
  mst_error err = {0};
  bool found = false;
  mst_dataset *d = NULL;
  int64_t n, sum;
  assert_int_equal(mst_ds_exists(p->store, "u", &found, NULL, &err), MST_OK);
  if (status == MST_OK) assert_true(found);
  if (!found) return;
  if (mst_ds_open(p->store, "u", &plain, &d, NULL, &err) != MST_OK) fail_msg("%s", err.message);
  read_back(d, NULL, &n, &sum);
  assert_int_equal(n, 40);
  mst_ds_unref(d);
}

static void memory_runs_out(void **state) {
  (void)state;
  for (int persistent = 0; persistent < 2; persistent++)
    for (long n = 1;; n += 1 + n / 50) {
      mst_test_allocator a;
      place p;
      mst_dataset *d = NULL;
      mst_error err = {0};
      mst_test_allocator_init(&a, n, persistent != 0);
      mst_status status = open_place(&p, &a.allocator, 1, &err);
      if (status == MST_OK) status = create(&p, two_keys, 1, two_indices, 1, 20, 2, &d, &err);
      mst_ds_unref(d);
      close_place(&p);
      if (a.live_blocks != 0) fail_msg("allocation %ld: %ld blocks are left", n, (long)a.live_blocks);
      if (!a.failed) {
        assert_int_equal(status, MST_OK);
        break;
      }
      /* Where memory fails between the commit and its reply, nobody can know. */
      const bool unknown = status == MST_E_IO && strstr(err.message, "outcome of the commit is unknown") != NULL;
      if (status != MST_OK && status != MST_E_NO_MEMORY && !unknown) fail_msg("allocation %ld: %s: %s", n, mst_status_name(status), err.message);
    }
}

static void the_store_fails(void **state) {
  (void)state;
  for (int persistent = 0; persistent < 2; persistent++)
    for (uint64_t n = 1;; n++) {
      place p;
      mst_store *faulty = NULL, *good;
      mst_dataset *d = NULL;
      mst_error err = {0};
      assert_int_equal(open_place(&p, NULL, 1, &err), MST_OK);
      assert_int_equal(mst_store_fault(p.store, n, persistent != 0, MST_E_IO, &faulty, &err), MST_OK);
      good = p.store;
      p.store = faulty;
      const mst_status status = create(&p, two_keys, 1, two_indices, 1, 20, 2, &d, &err);
      const bool reached = mst_store_fault_seen(faulty) >= n;
      mst_ds_unref(d);
      p.store = good;
      mst_store_unref(faulty);
      whole_or_absent(&p, status);
      close_place(&p);
      if (!reached) {
        assert_int_equal(status, MST_OK);
        break;
      }
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(rows_come_back),         cmocka_unit_test(little_memory_is_enough), cmocka_unit_test(sorted_within_files),
      cmocka_unit_test(complete_partitions_are_closed), cmocka_unit_test(one_huge_batch),
      cmocka_unit_test(buckets_split_partitions), cmocka_unit_test(several_streams_and_none), cmocka_unit_test(what_cannot_be_is_refused),
      cmocka_unit_test(fragments_carry_files), cmocka_unit_test(hostile_fragments_are_refused),
      cmocka_unit_test(a_second_one_is_refused), cmocka_unit_test(memory_runs_out),         cmocka_unit_test(the_store_fails),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
