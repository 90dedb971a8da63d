/* dataset/create.c - a dataset's first state, or a wholly new one over an old; see dataset.h. Files are written first, then the commit
 * makes them a dataset. */
#include "dataset/commit.h"
#include "dataset/dataset.h"
#include "dataset/key.h"
#include "dataset/schema.h"
#include "dataset/section.h"
#include "dataset/value.h"
#include "dataset/write.h"

#define METADATA_TEXT_MAX ((size_t)256 << 20)
#define BUCKETS_MAX       1000000u

typedef struct creation {
  mst_context *ctx;
  const mst_allocator *mem;
  mst_store *store;
  const char *uuid, *table;
  const mst_dataset_create_options *create;
  mst_document_form form;
  mst_parquet_codec codec;
  struct ArrowSchema given; /* the table's schema as the caller gave it; maybe empty */
  mst_new_files files;
  json_t *metadata;
  mst_dataset *old;
} creation;

static mst_status parse_codec(const char *name, bool plateau, mst_parquet_codec *out, mst_error *err) {
  static const struct {
    const char *name;
    mst_parquet_codec codec;
  } codecs[] = {{"none", MST_PARQUET_NONE}, {"snappy", MST_PARQUET_SNAPPY}, {"gzip", MST_PARQUET_GZIP},
                {"zstd", MST_PARQUET_ZSTD}, {"lz4", MST_PARQUET_LZ4_RAW},   {"brotli", MST_PARQUET_BROTLI}};
  *out = plateau ? MST_PARQUET_SNAPPY : MST_PARQUET_ZSTD;
  if (name == NULL) return MST_OK;
  for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++)
    if (mst_text_equal_nocase(name, codecs[i].name)) {
      *out = codecs[i].codec;
      return MST_OK;
    }
  return mst_fail(err, MST_E_ARGUMENT, "codec \"%.40s\" is none of none, snappy, gzip, zstd, lz4, brotli", name);
}

static bool is_among(const char *const *names, size_t n, const char *name) {
  for (size_t i = 0; i < n; i++)
    if (strcmp(names[i], name) == 0) return true;
  return false;
}

static mst_status check_names(const mst_dataset_create_options *o, mst_error *err) {
  for (size_t i = 0; i < o->n_partition_on; i++)
    if (is_among(o->partition_on, i, o->partition_on[i]))
      return mst_fail(err, MST_E_ARGUMENT, "the partition key \"%.100s\" is named twice", o->partition_on[i]);
  for (size_t i = 0; i < o->n_indices; i++) {
    if (is_among(o->indices, i, o->indices[i])) return mst_fail(err, MST_E_ARGUMENT, "the index on \"%.100s\" is named twice", o->indices[i]);
    if (is_among(o->partition_on, o->n_partition_on, o->indices[i]))
      return mst_fail(err, MST_E_ARGUMENT, "Trying to create non-partition index on column(s) that are partition keys: \"%.100s\"", o->indices[i]);
  }
  if ((o->bucket_by == NULL) != (o->buckets == 0))
    return mst_fail(err, MST_E_ARGUMENT, "buckets need both a column (bucket_by) and a number of them (buckets)");
  if (o->buckets > BUCKETS_MAX) return mst_fail(err, MST_E_ARGUMENT, "%u buckets, at most %u are made", (unsigned)o->buckets, BUCKETS_MAX);
  return MST_OK;
}

/* ISO 8601 in UTC, as Python's isoformat has it: microseconds only where there are some. */
static void format_now(int64_t us, char out[40]) {
  char whole[32];
  const int64_t seconds = us / 1000000 - (us % 1000000 < 0);
  mst_time_format_iso(seconds * 1000000, whole);
  const size_t n = strlen("2026-11-21T07:08:36");
  const int fraction = (int)(us - seconds * 1000000);
  if (fraction != 0) snprintf(out, 40, "%.*s.%06d+00:00", (int)n, whole, fraction);
  else snprintf(out, 40, "%.*s+00:00", (int)n, whole);
}

/* The user's map. `creation_time` is his where he gives one. */
static mst_status make_metadata(creation *c, mst_error *err) {
  mst_status status = MST_OK;
  const char *text = c->create->metadata_json;
  const mst_env *env = mst_context_env(c->ctx);
  json_t *given = NULL;
  char now[40];
  MST_TRY_ALLOC(c->metadata = json_object());
  if (text != NULL) {
    status = mst_json_parse(text, strlen(text), METADATA_TEXT_MAX, "metadata", &given, err);
    if (status == MST_E_CORRUPT) status = MST_E_ARGUMENT;
    if (err != NULL && status == MST_E_ARGUMENT) err->status = status;
    MST_TRY(status);
    if (!json_is_object(given)) MST_TRY(mst_fail(err, MST_E_ARGUMENT, "metadata must be a JSON object"));
    if (json_object_get(given, MST_SECTION) != NULL)
      MST_TRY(mst_fail(err, MST_E_ARGUMENT, "the member \"" MST_SECTION "\" of metadata is the library's own"));
  }
  format_now(env->now_us(env->self), now);
  if (given == NULL || json_object_get(given, "creation_time") == NULL) MST_TRY(mst_json_set_text(c->metadata, "creation_time", now, err));
  if (given != NULL && json_object_update(c->metadata, given) != 0) MST_TRY(mst_fail_memory(err));
done:
  json_decref(given);
  return status;
}

static mst_status check_options(creation *c, const mst_dataset_options *options, mst_error *err) {
  mst_status status = MST_OK;
  mst_keep keep;
  const mst_dataset_create_options *o = c->create;
  MST_TRY(mst_uuid_check(c->uuid, err));
  MST_TRY(mst_table_name_check(c->table, err));
  MST_TRY(check_names(o, err));
  MST_TRY(parse_codec(o->codec, options->plateau != 0, &c->codec, err));
  MST_TRY(mst_keep_parse(o->history != NULL ? o->history : "7d", &keep, err));
  if (o->metadata_format != NULL && strcmp(o->metadata_format, "msgpack") == 0) c->form = MST_DOCUMENT_MSGPACK;
  else if (o->metadata_format != NULL && strcmp(o->metadata_format, "json") != 0)
    MST_TRY(mst_fail(err, MST_E_ARGUMENT, "metadata format \"%.40s\" is neither json nor msgpack", o->metadata_format));
  MST_TRY(make_metadata(c, err));
  if (o->schema != NULL)
    MST_TRY(mst_table_schema_normal(c->mem, o->schema, o->partition_on, o->n_partition_on, options->plateau != 0 ? MST_SCHEMA_KEEP_TEXT : 0,
                                    &c->given, err));
done:
  return status;
}

static mst_status find_old(creation *c, const mst_dataset_options *options, mst_cancel *cancel, mst_error *err) {
  bool found = false;
  mst_status status = mst_ds_exists(c->store, c->uuid, &found, cancel, err);
  if (status != MST_OK || !found) return status;
  if (c->create->overwrite == 0)
    return mst_fail(err, MST_E_EXISTS, "Dataset `%.100s` already exists and overwrite is not permitted!", c->uuid);
  status = mst_ds_open(c->store, c->uuid, options, &c->old, cancel, err);
  return status;
}

static mst_status write_streams(creation *c, const mst_dataset_options *options, struct ArrowArrayStream *streams, size_t n,
                                mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  const mst_dataset_create_options *o = c->create;
  const mst_write_settings s = {.store = c->store, .ctx = c->ctx, .uuid = c->uuid, .table = c->table, .schema = &c->given,
                                .keys = o->partition_on, .n_keys = o->n_partition_on, .indices = o->indices, .n_indices = o->n_indices,
                                .sort_by = o->sort_by, .n_sort_by = o->n_sort_by, .bucket_by = o->bucket_by, .buckets = o->buckets,
                                .codec = c->codec, .row_group_rows = o->row_group_rows, .memory = options->memory,
                                .plateau = options->plateau != 0};
  for (size_t i = 0; i < n && status == MST_OK; i++) status = mst_files_write(&s, &streams[i], &c->files, cancel, err);
  return status;
}

/* What the data turned out to be. Values of some keys plateau reads wrongly or not at all: its users should hear of it here. */
static mst_status check_schema(const creation *c, const struct ArrowSchema *schema, mst_error *err) {
  mst_status status = MST_OK;
  mst_type type;
  const mst_dataset_create_options *o = c->create;
  for (size_t i = 0; i < o->n_indices; i++) {
    const int64_t at = schema != NULL ? mst_table_schema_find(schema, o->indices[i]) : -1;
    if (at < 0) return mst_fail(err, MST_E_ARGUMENT, "the data lacks the indexed column \"%.100s\"", o->indices[i]);
    MST_TRY(mst_index_type_check(schema->children[at], err));
  }
  for (size_t i = 0; i < o->n_partition_on && schema != NULL; i++) {
    const struct ArrowSchema *field = schema->children[mst_table_schema_find(schema, o->partition_on[i])];
    MST_TRY(mst_key_type_check(field, err));
    MST_TRY(mst_type_parse(field->format, &type, err));
    const char *why = type.kind == MST_KIND_BOOL ? "reads every boolean key as true" : type.kind == MST_KIND_BYTES ? "reads bytes as text"
                      : type.kind == MST_KIND_TIMESTAMP && type.zone[0] != '\0' ? "cannot read times with a zone" : NULL;
    if (why != NULL) mst_log(c->ctx, MST_LOG_WARNING, "dataset", "partition key \"%.60s\" of dataset %.60s: plateau %s", field->name, c->uuid, why);
  }
done:
  return status;
}

static mst_status commit(creation *c, const mst_dataset_options *options, mst_dataset **out, json_t **report, mst_cancel *cancel,
                         mst_error *err) {
  const mst_dataset_create_options *o = c->create;
  const struct ArrowSchema *schema = c->files.schema.release != NULL ? &c->files.schema : c->given.release != NULL ? &c->given : NULL;
  mst_status status = check_schema(c, schema, err);
  if (status != MST_OK) return status;
  const mst_first_commit first = {.ctx = c->ctx, .store = c->store, .uuid = c->uuid, .options = options, .old = c->old, .table = c->table,
                                  .keys = o->partition_on, .n_keys = o->n_partition_on, .indices = o->indices, .n_indices = o->n_indices,
                                  .files = &c->files, .schema = schema, .metadata = c->metadata, .form = c->form, .history = o->history};
  return mst_commit_first(&first, out, report, cancel, err);
}

mst_status mst_ds_create(mst_store *store, const char *uuid, const mst_dataset_options *options, const mst_dataset_create_options *create,
                         struct ArrowArrayStream *streams, size_t n, mst_dataset **out, json_t **report, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_context *ctx = mst_store_context(store);
  creation c = {.ctx = ctx, .mem = mst_context_mem(ctx), .store = store, .uuid = uuid, .create = create,
                .table = create->table != NULL ? create->table : "table"};
  mst_new_files_init(&c.files, c.mem);
  MST_TRY(check_options(&c, options, err));
  MST_TRY(find_old(&c, options, cancel, err));
  MST_TRY(mst_commit_allowed(store, uuid, options->lock, options->plateau != 0, c.old == NULL ? NULL : c.old->document, cancel, err));
  MST_TRY(write_streams(&c, options, streams, n, cancel, err));
  MST_TRY(commit(&c, options, out, report, cancel, err));
done:
  for (size_t i = 0; i < n; i++) mst_stream_release(&streams[i]);
  mst_ds_unref(c.old);
  mst_new_files_free(&c.files);
  mst_schema_release(&c.given);
  json_decref(c.metadata);
  return mst_while(err, status, "while creating dataset %.60s", uuid);
}
