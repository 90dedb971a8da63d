/* dataset/new_files.c - lists of new files, and their JSON: what a fragment carries from the worker that wrote to the one that commits;
 * see write.h. */
#include "dataset/key.h"
#include "dataset/schema.h"
#include "dataset/value.h"
#include "dataset/write.h"

#define FRAGMENT_FORMAT 1

void mst_new_files_init(mst_new_files *list, const mst_allocator *mem) { *list = (mst_new_files){.mem = mem}; }

void mst_new_file_end(const mst_allocator *mem, mst_new_file *file) {
  for (size_t i = 0; i < file->n_stats; i++) {
    mst_free(mem, file->stats[i].column);
    mst_free(mem, file->stats[i].low);
    mst_free(mem, file->stats[i].high);
  }
  for (size_t i = 0; i < file->n_indexed; i++) {
    mst_free(mem, file->indexed[i].column);
    mst_schema_release(&file->indexed[i].type);
    mst_array_release(&file->indexed[i].values);
  }
  mst_free(mem, file->stats);
  mst_free(mem, file->indexed);
  mst_free(mem, file->label);
  mst_free(mem, file->key);
  *file = (mst_new_file){0};
}

void mst_new_files_free(mst_new_files *list) {
  for (size_t i = 0; i < list->n; i++) mst_new_file_end(list->mem, &list->items[i]);
  mst_free(list->mem, list->items);
  mst_schema_release(&list->schema);
  mst_new_files_init(list, list->mem);
}

mst_status mst_new_files_put(mst_new_files *list, mst_new_file *file, mst_error *err) {
  if (list->n == list->capacity) {
    const size_t capacity = list->capacity == 0 ? 8 : 2 * list->capacity;
    mst_new_file *items = mst_resize(list->mem, list->items, capacity * sizeof *items);
    if (items == NULL) {
      mst_new_file_end(list->mem, file);
      return mst_fail_memory(err);
    }
    list->items = items;
    list->capacity = capacity;
  }
  list->items[list->n++] = *file;
  *file = (mst_new_file){0};
  return MST_OK;
}

/* ---- to JSON ---------------------------------------------------------------------------------------------------- */

/* [column, nulls, nan_free, min, max]; null for what is not known. */
static mst_status stat_to_json(const struct ArrowSchema *schema, const mst_file_stat *stat, json_t **out, mst_error *err) {
  mst_status status = MST_OK;
  json_t *min = NULL, *max = NULL, *nulls = NULL;
  const int64_t at = mst_table_schema_find(schema, stat->column);
  if (at < 0) return mst_fail(err, MST_E_INTERNAL, "statistics of \"%.60s\", which is no column", stat->column);
  const struct ArrowSchema *field = schema->children[at];
  const mst_scalar none = mst_scalar_null();
  MST_TRY(mst_scalar_to_json(field, stat->bounds.has_min ? &stat->bounds.min : &none, &min, err));
  MST_TRY(mst_scalar_to_json(field, stat->bounds.has_max ? &stat->bounds.max : &none, &max, err));
  MST_TRY_ALLOC(nulls = stat->bounds.has_nulls ? json_integer((json_int_t)stat->bounds.nulls) : json_null());
  *out = json_pack("[s, O, b, O, O]", stat->column, nulls, (int)stat->bounds.nan_free, min, max);
  if (*out == NULL) status = mst_fail_memory(err);
done:
  json_decref(min);
  json_decref(max);
  json_decref(nulls);
  return status;
}

/* An array of values; `*room` sinks by about what they take, and null stands for those that do not fit. */
static mst_status values_to_json(const mst_file_values *v, size_t *room, json_t **out, mst_error *err) {
  mst_status status = MST_OK;
  json_t *list = NULL;
  mst_scalar value;
  const int64_t n = v->values.release != NULL ? v->values.length : 0;
  MST_TRY_ALLOC(list = v->values.release != NULL ? json_array() : json_null());
  for (int64_t i = 0; i < n; i++) {
    json_t *item = NULL;
    MST_TRY(mst_scalar_at(&v->type, &v->values, i, &value, err));
    const size_t size = 24 + (value.kind == MST_SCALAR_BYTES ? 2 * value.as.bytes.size : 0);
    if (size > *room) {
      json_decref(list);
      MST_TRY_ALLOC(list = json_null());
      break;
    }
    *room -= size;
    MST_TRY(mst_scalar_to_json(&v->type, &value, &item, err));
    if (json_array_append_new(list, item) != 0) MST_TRY(mst_fail_memory(err));
  }
  *out = list;
  list = NULL;
done:
  json_decref(list);
  return status;
}

static mst_status file_to_json(const mst_new_files *list, const mst_new_file *file, size_t *room, json_t **out, mst_error *err) {
  mst_status status = MST_OK;
  json_t *map = NULL, *stats = NULL, *indexed = NULL, *item = NULL;
  MST_TRY_ALLOC(stats = json_array());
  MST_TRY_ALLOC(indexed = json_object());
  for (size_t i = 0; i < file->n_stats; i++) {
    MST_TRY(stat_to_json(&list->schema, &file->stats[i], &item, err));
    if (json_array_append_new(stats, item) != 0) MST_TRY(mst_fail_memory(err));
  }
  for (size_t i = 0; i < file->n_indexed; i++) {
    MST_TRY(values_to_json(&file->indexed[i], room, &item, err));
    if (json_object_set_new(indexed, file->indexed[i].column, item) != 0) MST_TRY(mst_fail_memory(err));
  }
  map = json_pack("{s:s, s:s, s:I, s:I, s:O, s:O}", "label", file->label, "key", file->key, "rows", (json_int_t)file->rows, "bytes",
                  (json_int_t)file->bytes, "stats", stats, "indexed", indexed);
  if (map == NULL) MST_TRY(mst_fail_memory(err));
  *out = map;
done:
  json_decref(stats);
  json_decref(indexed);
  return status;
}

static mst_status schema_to_json(const mst_new_files *list, json_t **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_buf message, text;
  mst_buf_init(&message, list->mem, INT32_MAX);
  mst_buf_init(&text, list->mem, INT32_MAX);
  if (list->schema.release != NULL) {
    MST_TRY(mst_ipc_put_any_schema(&list->schema, &message, err));
    MST_TRY(mst_base64_encode(&text, message.data, message.size, err));
    MST_TRY_ALLOC(*out = json_string(mst_buf_text(&text)));
  } else MST_TRY_ALLOC(*out = json_null());
done:
  mst_buf_free(&message);
  mst_buf_free(&text);
  return status;
}

mst_status mst_new_files_to_json(const mst_new_files *list, size_t values_max, json_t **out, mst_error *err) {
  mst_status status = MST_OK;
  json_t *files = NULL, *schema = NULL, *item = NULL;
  size_t room = values_max;
  MST_TRY_ALLOC(files = json_array());
  for (size_t i = 0; i < list->n; i++) {
    MST_TRY(file_to_json(list, &list->items[i], &room, &item, err));
    if (json_array_append_new(files, item) != 0) MST_TRY(mst_fail_memory(err));
  }
  MST_TRY(schema_to_json(list, &schema, err));
  MST_TRY_ALLOC(*out = json_pack("{s:i, s:O, s:O}", "format", FRAGMENT_FORMAT, "schema", schema, "files", files));
done:
  json_decref(files);
  json_decref(schema);
  return status;
}

/* ---- from JSON -------------------------------------------------------------------------------------------------- */

static const char what[] = "fragment";

static mst_status get_text(const mst_allocator *mem, const json_t *map, const char *name, char **out, mst_error *err) {
  const char *text = NULL;
  mst_status status = mst_json_get_text(map, name, what, &text, err);
  if (status == MST_OK && text == NULL) return mst_fail(err, MST_E_CORRUPT, "%s: \"%s\" is missing", what, name);
  if (status != MST_OK) return status;
  *out = mst_text_copy(mem, text);
  return *out != NULL ? MST_OK : mst_fail_memory(err);
}

static mst_status own_bound(const mst_allocator *mem, const struct ArrowSchema *field, const json_t *value, bool *has, mst_scalar *out,
                            uint8_t **owned, mst_error *err) {
  mst_buf scratch;
  *has = !json_is_null(value);
  mst_buf_init(&scratch, mem, SIZE_MAX / 2);
  mst_status status = mst_scalar_from_json(field, value, &scratch, out, err);
  if (status == MST_OK && out->kind == MST_SCALAR_BYTES) {
    *owned = mst_alloc(mem, out->as.bytes.size + 1);
    if (*owned == NULL) status = mst_fail_memory(err);
    else if (out->as.bytes.size > 0) memcpy(*owned, out->as.bytes.data, out->as.bytes.size);
    out->as.bytes.data = *owned;
  }
  mst_buf_free(&scratch);
  return status;
}

static mst_status stat_from_json(const mst_new_files *list, const json_t *value, mst_new_file *file, mst_error *err) {
  mst_status status = MST_OK;
  const char *column = json_string_value(json_array_get(value, 0));
  const int64_t at = column != NULL ? mst_table_schema_find(&list->schema, column) : -1;
  const json_t *nulls = json_array_get(value, 1);
  if (at < 0 || json_array_size(value) != 5) return mst_fail(err, MST_E_CORRUPT, "%s: statistics that are none", what);
  const struct ArrowSchema *field = list->schema.children[at];
  mst_file_stat *stat = &file->stats[file->n_stats++];
  MST_TRY_ALLOC(stat->column = mst_text_copy(list->mem, column));
  stat->bounds.has_nulls = json_is_integer(nulls) && json_integer_value(nulls) >= 0;
  stat->bounds.nulls = stat->bounds.has_nulls ? (uint64_t)json_integer_value(nulls) : 0;
  stat->bounds.nan_free = json_is_true(json_array_get(value, 2));
  MST_TRY(own_bound(list->mem, field, json_array_get(value, 3), &stat->bounds.has_min, &stat->bounds.min, &stat->low, err));
  MST_TRY(own_bound(list->mem, field, json_array_get(value, 4), &stat->bounds.has_max, &stat->bounds.max, &stat->high, err));
done:
  return status;
}

static mst_status put_scalar(mst_builder *b, const mst_type *type, const mst_scalar *v, mst_error *err) {
  switch (v->kind) {
  case MST_SCALAR_INT: return type->kind == MST_KIND_BOOL ? mst_builder_bool(b, v->as.i != 0, err) : mst_builder_i64(b, v->as.i, err);
  case MST_SCALAR_UINT: return mst_builder_u64(b, v->as.u, err);
  case MST_SCALAR_DOUBLE: return mst_builder_f64(b, v->as.f, err);
  case MST_SCALAR_BYTES: return mst_builder_bytes(b, v->as.bytes.data, v->as.bytes.size, err);
  default: return mst_fail(err, MST_E_CORRUPT, "%s: a value that an index does not have", what);
  }
}

static mst_status values_from_json(const mst_new_files *list, const char *column, const json_t *value, mst_file_values *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_builder *builder = NULL;
  mst_buf scratch;
  mst_type type;
  mst_scalar v;
  mst_buf_init(&scratch, list->mem, SIZE_MAX / 2);
  const int64_t at = mst_table_schema_find(&list->schema, column);
  if (at < 0 || !(json_is_null(value) || json_is_array(value)))
    MST_TRY(mst_fail(err, MST_E_CORRUPT, "%s: values of \"%.100s\", which is no indexed column", what, column));
  MST_TRY_ALLOC(out->column = mst_text_copy(list->mem, column));
  MST_TRY(mst_schema_copy(list->mem, list->schema.children[at], &out->type, err));
  if (json_is_null(value) || strcmp(out->type.format, "n") == 0) goto done;
  MST_TRY(mst_type_parse(out->type.format, &type, err));
  MST_TRY(mst_builder_from_schema(list->mem, &out->type, &builder, err));
  for (size_t i = 0; i < json_array_size(value); i++) {
    mst_buf_clear(&scratch);
    MST_TRY(mst_scalar_from_json(&out->type, json_array_get(value, i), &scratch, &v, err));
    status = put_scalar(builder, &type, &v, err);
    if (status == MST_E_ARGUMENT) status = MST_E_CORRUPT;
    MST_TRY(status);
  }
  MST_TRY(mst_builder_take(builder, &out->values, err));
done:
  mst_builder_free(builder);
  mst_buf_free(&scratch);
  return status;
}

/* A file must lie where files of this dataset lie, under the name that its label says, with the keys of the dataset. */
static mst_status check_place(const mst_new_file *file, const mst_dataset *d, mst_error *err) {
  mst_status status = MST_OK;
  const char *why = NULL;
  mst_key_part part;
  mst_buf text;
  size_t at = 0, n = 0;
  mst_buf_init(&text, d->mem, SIZE_MAX / 2);
  MST_TRY(mst_key_file(&text, d->uuid, d->table, file->label, err));
  if (!mst_key_is_safe(file->key, strlen(file->key), &why) || strcmp(mst_buf_text(&text), file->key) != 0)
    MST_TRY(mst_fail(err, MST_E_CORRUPT, "%s: the file \"%.200s\" is no file of table \"%.60s\" of dataset %.60s%s%s", what, file->key, d->table,
                     d->uuid, why != NULL ? ": " : "", why != NULL ? why : ""));
  while (mst_label_next(file->label, &at, &part)) {
    const char *key = n < mst_document_n_keys(d->document) ? mst_document_key(d->document, n) : NULL;
    mst_buf_clear(&text);
    MST_TRY(mst_key_unquote(&text, part.column, part.n_column, err));
    if (key == NULL || strcmp(mst_buf_text(&text), key) != 0)
      MST_TRY(mst_fail(err, MST_E_CORRUPT, "%s: \"%.200s\" does not have the partition keys of dataset %.60s", what, file->label, d->uuid));
    n++;
  }
  if (n != mst_document_n_keys(d->document))
    MST_TRY(mst_fail(err, MST_E_CORRUPT, "%s: \"%.200s\" has %zu partition keys, not %zu", what, file->label, n, mst_document_n_keys(d->document)));
done:
  mst_buf_free(&text);
  return status;
}

static mst_status file_from_json(mst_new_files *list, const json_t *value, const mst_dataset *d, mst_error *err) {
  mst_status status = MST_OK;
  mst_new_file file = {0};
  json_t *stats = NULL, *indexed = NULL;
  MST_TRY(get_text(list->mem, value, "label", &file.label, err));
  MST_TRY(get_text(list->mem, value, "key", &file.key, err));
  MST_TRY(check_place(&file, d, err));
  MST_TRY(mst_json_get_u64(value, "rows", what, &file.rows, err));
  MST_TRY(mst_json_get_u64(value, "bytes", what, &file.bytes, err));
  MST_TRY(mst_json_get_array(value, "stats", what, &stats, err));
  MST_TRY(mst_json_get_object(value, "indexed", what, &indexed, err));
  MST_TRY_ALLOC(file.stats = mst_alloc_zero(list->mem, json_array_size(stats) + 1, sizeof *file.stats));
  for (size_t i = 0; i < json_array_size(stats); i++) MST_TRY(stat_from_json(list, json_array_get(stats, i), &file, err));
  MST_TRY_ALLOC(file.indexed = mst_alloc_zero(list->mem, json_object_size(indexed) + 1, sizeof *file.indexed));
  for (void *at = json_object_iter(indexed); at != NULL; at = json_object_iter_next(indexed, at))
    MST_TRY(values_from_json(list, json_object_iter_key(at), json_object_iter_value(at), &file.indexed[file.n_indexed++], err));
  MST_TRY(mst_new_files_put(list, &file, err));
done:
  mst_new_file_end(list->mem, &file);
  return status;
}

static mst_status schema_from_json(mst_new_files *list, const json_t *value, mst_error *err) {
  const char *text = NULL;
  mst_buf bytes;
  mst_buf_init(&bytes, list->mem, SIZE_MAX / 2);
  mst_status status = mst_json_get_text(value, "schema", what, &text, err);
  if (status == MST_OK && text != NULL) {
    status = mst_base64_decode(&bytes, text, strlen(text), err);
    if (status == MST_OK) status = mst_ipc_get_schema(list->mem, bytes.data, bytes.size, &list->schema, err);
    if (status == MST_E_ARGUMENT || status == MST_E_CORRUPT) status = mst_while(err, MST_E_CORRUPT, "%s: \"schema\"", what);
  }
  mst_buf_free(&bytes);
  return status;
}

mst_status mst_new_files_from_json(const json_t *value, const mst_dataset *d, mst_new_files *out, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t format = 0;
  json_t *files = NULL;
  mst_new_files list;
  mst_new_files_init(&list, out->mem);
  MST_TRY(mst_json_get_u64(value, "format", what, &format, err));
  if (format != FRAGMENT_FORMAT) MST_TRY(mst_fail(err, MST_E_UNSUPPORTED, "%s: format %llu", what, (unsigned long long)format));
  MST_TRY(schema_from_json(&list, value, err));
  MST_TRY(mst_json_get_array(value, "files", what, &files, err));
  if (json_array_size(files) > 0 && list.schema.release == NULL) MST_TRY(mst_fail(err, MST_E_CORRUPT, "%s: files without a schema", what));
  for (size_t i = 0; i < json_array_size(files); i++) MST_TRY(file_from_json(&list, json_array_get(files, i), d, err));
  for (size_t i = 0; i < list.n; i++) MST_TRY(mst_new_files_put(out, &list.items[i], err));
  if (list.schema.release != NULL) {
    mst_schema_release(&out->schema);
    out->schema = list.schema;
    list.schema.release = NULL;
  }
done:
  mst_new_files_free(&list);
  return status;
}
