/* dataset/frame.c - see frame.h. */
#include "dataset/frame.h"

#include "dataset/conform.h"
#include "dataset/pandas.h"
#include "dataset/schema.h"
#include "dataset/value.h"

void mst_frame_free(mst_frame *f) {
  if (f == NULL) return;
  mst_schema_release(&f->in);
  mst_schema_release(&f->table);
  mst_schema_release(&f->file);
  mst_schema_release(&f->mixed);
  mst_free(f->mem, f->sources);
  mst_free(f->mem, f);
}

static bool is_key(const mst_write_settings *s, const char *column) {
  for (size_t i = 0; i < s->n_keys; i++)
    if (strcmp(s->keys[i], column) == 0) return true;
  return false;
}

/* With a prefix the keys are not in the stream: their fields come from the table. */
static mst_status normal_schema(const mst_frame *f, const struct ArrowSchema *table, struct ArrowSchema *out, mst_error *err) {
  mst_status status = MST_OK;
  const mst_write_settings *s = f->s;
  const uint32_t flags = s->plateau ? MST_SCHEMA_KEEP_TEXT : 0;
  struct ArrowSchema rest = {0}, made = {0};
  if (s->prefix == NULL || s->n_keys == 0 || table == NULL)
    return mst_table_schema_normal(f->mem, &f->in, s->prefix == NULL ? s->keys : NULL, s->prefix == NULL ? s->n_keys : 0, flags, out, err);
  MST_TRY(mst_table_schema_normal(f->mem, &f->in, NULL, 0, flags, &rest, err));
  MST_TRY(mst_schema_node(f->mem, "+s", "", 0, s->n_keys + (size_t)rest.n_children, &made, err));
  for (size_t i = 0; i < s->n_keys; i++) {
    const int64_t at = mst_table_schema_find(table, s->keys[i]);
    if (at < 0) MST_TRY(mst_fail(err, MST_E_INTERNAL, "the table lacks its key \"%.60s\"", s->keys[i]));
    MST_TRY(mst_schema_copy(f->mem, table->children[at], made.children[i], err));
  }
  for (int64_t i = 0; i < rest.n_children; i++) {
    *made.children[s->n_keys + (size_t)i] = *rest.children[i];
    rest.children[i]->release = NULL;
  }
  *out = made;
  made.release = NULL;
done:
  mst_schema_release(&made);
  mst_schema_release(&rest);
  return status;
}

/* The type of a column in the files. plateau leaves types as they come, but for times, and has no dictionaries. */
static mst_status file_field(const mst_frame *f, const struct ArrowSchema *in, const struct ArrowSchema *table, struct ArrowSchema *out,
                             mst_error *err) {
  mst_type t;
  if (!f->s->plateau) return mst_schema_copy(f->mem, table, out, err);
  const struct ArrowSchema *values = in->dictionary != NULL ? in->dictionary : in;
  mst_status status = mst_type_parse(values->format, &t, err);
  if (status != MST_OK) return status;
  if (t.kind == MST_KIND_TIMESTAMP || t.kind == MST_KIND_DURATION || t.layout == MST_LAYOUT_VIEWS || t.kind == MST_KIND_RUN_END)
    return mst_schema_copy(f->mem, strcmp(table->format, "n") == 0 ? values : table, out, err);
  if (values->n_children > 0) return mst_schema_plain(f->mem, values, out, err);
  return mst_schema_node(f->mem, values->format, in->name, ARROW_FLAG_NULLABLE, 0, out, err);
}

static mst_status add_mixed(mst_frame *f, size_t at, int64_t source, const struct ArrowSchema *type, mst_error *err) {
  f->sources[at] = source;
  return mst_schema_copy(f->mem, type, f->mixed.children[at], err);
}

/* Numbers of the stream's columns that go into files, in its order. */
static mst_status file_columns(const mst_frame *f, int64_t **out, size_t *n, mst_error *err) {
  mst_status status = MST_OK;
  json_t *pandas = NULL;
  *n = 0;
  MST_TRY_ALLOC(*out = mst_alloc_array(f->mem, (size_t)f->in.n_children + 1, sizeof **out));
  MST_TRY(mst_pandas_of(&f->in, &pandas, err));
  for (int64_t i = 0; i < f->in.n_children; i++) {
    const char *name = f->in.children[i]->name;
    if (!mst_pandas_names_index(pandas, name) && !(f->s->prefix == NULL && is_key(f->s, name))) (*out)[(*n)++] = i;
  }
done:
  json_decref(pandas);
  return status;
}

/* Data files have `pandas` metadata, too: plateau cannot read some columns of a file without. */
static mst_status make_file_schema(mst_frame *f, const int64_t *columns, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  json_t *pandas = NULL;
  MST_TRY(mst_schema_node(f->mem, "+s", "", 0, n, &f->file, err));
  for (size_t i = 0; i < n; i++) {
    const struct ArrowSchema *in = f->in.children[columns[i]];
    const int64_t at = mst_table_schema_find(&f->table, in->name);
    if (at < 0) MST_TRY(mst_fail(err, MST_E_INTERNAL, "column \"%.60s\" is not in its own schema", in->name));
    MST_TRY(file_field(f, in, f->table.children[at], f->file.children[i], err));
  }
  MST_TRY(mst_pandas_of(&f->in, &pandas, err));
  MST_TRY(mst_pandas_set(&f->file, pandas, false, err));
done:
  json_decref(pandas);
  return status;
}

static mst_status find_bucket_column(mst_frame *f, mst_error *err) {
  for (int64_t i = 0; i < f->mixed.n_children; i++)
    if (f->sources[i] >= 0 && strcmp(f->mixed.children[i]->name, f->s->bucket_by) == 0) {
      f->bucket_source = (int32_t)i;
      return MST_OK;
    }
  return mst_fail(err, MST_E_ARGUMENT, "the data has no column \"%.100s\" to make buckets by", f->s->bucket_by);
}

static mst_status make_mixed(mst_frame *f, const int64_t *columns, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  const mst_write_settings *s = f->s;
  const size_t n_keys = s->prefix == NULL ? s->n_keys : 0;
  size_t at = 0;
  f->buckets = s->bucket_by != NULL && s->buckets > 0;
  f->n_heads = n_keys + f->buckets;
  MST_TRY_ALLOC(f->sources = mst_alloc_array(f->mem, f->n_heads + n + 1, sizeof *f->sources));
  MST_TRY(mst_schema_node(f->mem, "+s", "", 0, f->n_heads + n, &f->mixed, err));
  for (; at < n_keys; at++) {
    const struct ArrowSchema *field = f->table.children[mst_table_schema_find(&f->table, s->keys[at])];
    MST_TRY(mst_key_type_check(field, err));
    MST_TRY(add_mixed(f, at, mst_table_schema_find(&f->in, s->keys[at]), field, err));
  }
  if (f->buckets) {
    f->sources[at] = -1;
    MST_TRY(mst_schema_node(f->mem, "I", "", 0, 0, f->mixed.children[at++], err));
  }
  for (size_t i = 0; i < n; i++) MST_TRY(add_mixed(f, at + i, columns[i], f->file.children[i], err));
  if (f->buckets) MST_TRY(find_bucket_column(f, err));
done:
  return status;
}

mst_status mst_frame_open(const mst_write_settings *s, struct ArrowSchema *in, const struct ArrowSchema *so_far, const char *origin,
                          mst_frame **out, mst_error *err) {
  mst_status status = MST_OK;
  const mst_allocator *mem = mst_context_mem(s->ctx);
  const struct ArrowSchema *table = so_far != NULL ? so_far : s->schema != NULL && s->schema->release != NULL ? s->schema : NULL;
  struct ArrowSchema normal = {0};
  int64_t *columns = NULL;
  size_t n = 0;
  mst_frame *f = mst_alloc_zero(mem, 1, sizeof *f);
  if (f == NULL) {
    mst_schema_release(in);
    return mst_fail_memory(err);
  }
  f->s = s;
  f->mem = mem;
  f->in = *in;
  in->release = NULL;
  MST_TRY(normal_schema(f, table, &normal, err));
  if (table != NULL) MST_TRY(mst_table_schema_unite(mem, table, &normal, s->uuid, origin, &f->table, err));
  else {
    f->table = normal;
    normal.release = NULL;
  }
  MST_TRY(file_columns(f, &columns, &n, err));
  MST_TRY(make_file_schema(f, columns, n, err));
  MST_TRY(make_mixed(f, columns, n, err));
  *out = f;
  f = NULL;
done:
  mst_free(mem, columns);
  mst_schema_release(&normal);
  mst_frame_free(f);
  return status;
}

/* ---- batches ------------------------------------------------------------------------------------------------------ */

static mst_status check_key(const struct ArrowSchema *field, const struct ArrowArray *array, uint64_t *bits, mst_error *err) {
  mst_status status = mst_array_valid(field, array, bits, err);
  if (status != MST_OK || mst_bits_count(bits, (size_t)array->length) == (size_t)array->length) return status;
  return mst_fail(err, MST_E_ARGUMENT,
                  "Original dataframe size (%lld rows) does not match new dataframe size (%zu rows): the partition key \"%.60s\" has nulls",
                  (long long)array->length, mst_bits_count(bits, (size_t)array->length), field->name);
}

/* Each column of the stream goes to one place, so that it may be moved there. */
static mst_status take_column(mst_frame *f, struct ArrowArray *batch, size_t at, struct ArrowArray *out, mst_error *err) {
  struct ArrowArray column = {0};
  const int64_t source = f->sources[at];
  mst_batch_move(batch, (size_t)source, &column);
  mst_status status = mst_array_cast(f->mem, f->in.children[source], &column, f->mixed.children[at], out, err);
  mst_array_release(&column);
  return status;
}

static mst_status make_buckets(mst_frame *f, struct ArrowArray *columns, int64_t rows, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  const void *no_buffer[1] = {NULL};
  struct ArrowSchema schema = {.format = "+s", .name = "", .n_children = 1, .children = &f->mixed.children[f->bucket_source]};
  struct ArrowArray *child = &columns[f->bucket_source];
  const struct ArrowArray batch = {.length = rows, .n_buffers = 1, .n_children = 1, .buffers = no_buffer, .children = &child};
  const int32_t column = 0;
  uint64_t *hashes = NULL;
  mst_builder *builder = NULL;
  MST_TRY_ALLOC(hashes = mst_alloc_array(f->mem, (size_t)rows + 1, sizeof *hashes));
  MST_TRY(mst_hash_rows(f->mem, &schema, &batch, &column, 1, hashes, err));
  MST_TRY(mst_builder_from_schema(f->mem, f->mixed.children[f->n_heads - 1], &builder, err));
  for (int64_t i = 0; i < rows; i++) MST_TRY(mst_builder_u64(builder, hashes[i] % f->s->buckets, err));
  MST_TRY(mst_builder_take(builder, out, err));
done:
  mst_builder_free(builder);
  mst_free(f->mem, hashes);
  return status;
}

mst_status mst_frame_take(mst_frame *f, struct ArrowArray *batch, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  const size_t n = (size_t)f->mixed.n_children;
  const int64_t rows = batch->length;
  struct ArrowArray *columns = NULL;
  uint64_t *bits = NULL, bytes;
  MST_TRY(mst_array_check(&f->in, batch, &bytes, err));
  MST_TRY_ALLOC(columns = mst_alloc_zero(f->mem, n + 1, sizeof *columns));
  MST_TRY_ALLOC(bits = mst_alloc_zero(f->mem, MST_BITS_WORDS(rows) + 1, sizeof *bits));
  for (size_t i = 0; i < n; i++)
    if (f->sources[i] >= 0) MST_TRY(take_column(f, batch, i, &columns[i], err));
  for (size_t i = 0; i < f->n_heads - f->buckets; i++) MST_TRY(check_key(f->mixed.children[i], &columns[i], bits, err));
  if (f->buckets) MST_TRY(make_buckets(f, columns, rows, &columns[f->n_heads - 1], err));
  MST_TRY(mst_batch_make(f->mem, columns, n, rows, out, err));
done:
  for (size_t i = 0; columns != NULL && i < n; i++) mst_array_release(&columns[i]);
  mst_free(f->mem, columns);
  mst_free(f->mem, bits);
  mst_array_release(batch);
  return status;
}
