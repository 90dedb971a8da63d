/* dataset/pandas.c - see pandas.h. Names of types are those that pyarrow writes (pandas_type: of the values; numpy_type: of the array
 * that holds them). */
#include "dataset/pandas.h"

#define PANDAS_TEXT_MAX ((size_t)16 << 20)

mst_status mst_pandas_of(const struct ArrowSchema *schema, json_t **out, mst_error *err) {
  mst_metadata_pair pair;
  json_t *value = NULL;
  *out = NULL;
  if (!mst_schema_find_pair(schema, "pandas", &pair)) return MST_OK;
  mst_status status = mst_json_parse(pair.value, pair.value_size, PANDAS_TEXT_MAX, "pandas metadata", &value, err);
  if (status == MST_E_NO_MEMORY) return status;
  if (status == MST_OK && json_is_object(value)) *out = value;
  else json_decref(value);
  mst_error_clear(err);
  return MST_OK;
}

const json_t *mst_pandas_column(const json_t *pandas, const char *field) {
  const json_t *columns = json_object_get(pandas, "columns"), *entry;
  for (size_t i = 0; i < json_array_size(columns); i++) {
    entry = json_array_get(columns, i);
    if (mst_text_equal(json_string_value(json_object_get(entry, "field_name")), field)) return entry;
  }
  return NULL;
}

bool mst_pandas_names_index(const json_t *pandas, const char *field) {
  const json_t *names = json_object_get(pandas, "index_columns");
  for (size_t i = 0; i < json_array_size(names); i++)
    if (mst_text_equal(json_string_value(json_array_get(names, i)), field)) return true;
  return false;
}

size_t mst_pandas_index_levels(const json_t *pandas) { return json_array_size(json_object_get(pandas, "index_columns")); }

/* ---- names of types ------------------------------------------------------------------------------------------- */

/* Widths that data files may have beside those of the normal form. */
static const char *narrow_number(const mst_type *t) {
  switch (t->kind) {
  case MST_KIND_INT8: return "int8";
  case MST_KIND_INT16: return "int16";
  case MST_KIND_INT32: return "int32";
  case MST_KIND_UINT8: return "uint8";
  case MST_KIND_UINT16: return "uint16";
  case MST_KIND_UINT32: return "uint32";
  case MST_KIND_HALF: return "float16";
  case MST_KIND_FLOAT: return "float32";
  default: return NULL;
  }
}

static mst_status put_pandas_type(const struct ArrowSchema *field, mst_buf *out, mst_error *err) {
  mst_type t;
  mst_status status = mst_type_parse(field->format, &t, err);
  if (status != MST_OK) return status;
  if (narrow_number(&t) != NULL) return mst_buf_put_text(out, narrow_number(&t), err);
  switch (t.kind) {
  case MST_KIND_NULL: return mst_buf_put_text(out, "empty", err);
  case MST_KIND_BOOL: return mst_buf_put_text(out, "bool", err);
  case MST_KIND_INT64: return mst_buf_put_text(out, "int64", err);
  case MST_KIND_UINT64: return mst_buf_put_text(out, "uint64", err);
  case MST_KIND_DOUBLE: return mst_buf_put_text(out, "float64", err);
  case MST_KIND_TEXT: return mst_buf_put_text(out, field->format[0] == 'u' ? "unicode" : "object", err);
  case MST_KIND_BYTES: return mst_buf_put_text(out, field->format[0] == 'z' ? "bytes" : "object", err);
  case MST_KIND_DATE32: return mst_buf_put_text(out, "date", err);
  case MST_KIND_TIME64: return mst_buf_put_text(out, "time", err);
  case MST_KIND_TIMESTAMP: return mst_buf_put_text(out, t.zone[0] != '\0' ? "datetimetz" : "datetime", err);
  case MST_KIND_DECIMAL: return mst_buf_put_text(out, "decimal", err);
  case MST_KIND_LIST: break;
  default: return mst_buf_put_text(out, "object", err);
  }
  status = mst_buf_put_text(out, "list[", err);
  if (status == MST_OK) status = put_pandas_type(field->children[0], out, err);
  return status == MST_OK ? mst_buf_put_byte(out, ']', err) : status;
}

static const char *numpy_type(const mst_type *t, const char *format) {
  if (narrow_number(t) != NULL) return narrow_number(t);
  switch (t->kind) {
  case MST_KIND_BOOL: return "bool";
  case MST_KIND_INT64: return "int64";
  case MST_KIND_UINT64: return "uint64";
  case MST_KIND_DOUBLE: return "float64";
  case MST_KIND_TEXT: return format[0] == 'u' ? "string" : "str";
  case MST_KIND_TIMESTAMP: return "datetime64[us]";
  case MST_KIND_DURATION: return "timedelta64[us]";
  default: return "object";
  }
}

static json_t *type_metadata(const mst_type *t) {
  if (t->kind == MST_KIND_TIMESTAMP && t->zone[0] != '\0') return json_pack("{s:s}", "timezone", t->zone);
  if (t->kind == MST_KIND_DECIMAL) return json_pack("{s:i, s:i}", "precision", (int)t->precision, "scale", (int)t->scale);
  return json_null();
}

/* Whether pandas may have its own word for the array that holds such values: a nullable type, another unit. */
static bool keeps_numpy_type(const mst_type *t) {
  return t->kind == MST_KIND_BOOL || (t->kind == MST_KIND_TIMESTAMP && t->zone[0] == '\0') || t->kind == MST_KIND_DURATION;
}

static mst_status make_entry(const struct ArrowSchema *field, const json_t *from, mst_buf *text, json_t **out, mst_error *err) {
  mst_type t;
  const json_t *old = mst_pandas_column(from, field->name);
  const char *numpy = json_string_value(json_object_get(old, "numpy_type"));
  mst_buf_clear(text);
  mst_status status = mst_type_parse(field->format, &t, err);
  if (status == MST_OK) status = put_pandas_type(field, text, err);
  if (status != MST_OK) return status;
  const bool same = mst_text_equal(json_string_value(json_object_get(old, "pandas_type")), mst_buf_text(text));
  if (numpy == NULL || !same || !keeps_numpy_type(&t)) numpy = numpy_type(&t, field->format);
  *out = json_pack("{s:s, s:o, s:s, s:s, s:s}", "field_name", field->name, "metadata", type_metadata(&t), "name", field->name,
                   "numpy_type", numpy, "pandas_type", mst_buf_text(text));
  return *out != NULL ? MST_OK : mst_fail_memory(err);
}

/* ---- the whole ------------------------------------------------------------------------------------------------ */

static bool is_field(const struct ArrowSchema *schema, const json_t *entry) {
  const char *name = json_string_value(json_object_get(entry, "field_name"));
  for (int64_t i = 0; name != NULL && i < schema->n_children; i++)
    if (strcmp(schema->children[i]->name, name) == 0) return true;
  return false;
}

/* A named row index stands among the columns by its name, one without a name behind them. */
static mst_status add_index_entries(const struct ArrowSchema *schema, const json_t *from, json_t *columns, mst_error *err) {
  const json_t *old = json_object_get(from, "columns");
  for (size_t i = 0; i < json_array_size(old); i++) {
    json_t *entry = json_array_get(old, i);
    const char *field = json_string_value(json_object_get(entry, "field_name")), *name = json_string_value(json_object_get(entry, "name"));
    size_t at = json_array_size(columns);
    if (field == NULL || is_field(schema, entry) || !mst_pandas_names_index(from, field)) continue;
    while (name != NULL && at > 0 &&
           strcmp(json_string_value(json_object_get(json_array_get(columns, at - 1), "field_name")), name) > 0)
      at--;
    if (json_array_insert(columns, at, entry) != 0) return mst_fail_memory(err);
  }
  return MST_OK;
}

static mst_status set_text(struct ArrowSchema *schema, const json_t *value, mst_buf *text, mst_error *err) {
  mst_buf_clear(text);
  mst_status status = mst_json_print(value, text, err);
  if (status != MST_OK) return status;
  const mst_metadata_pair pair = {.key = "pandas", .key_size = 6, .value = mst_buf_text(text), .value_size = text->size};
  return mst_schema_set_pairs(schema, &pair, 1, err);
}

mst_status mst_pandas_set(struct ArrowSchema *schema, const json_t *from, bool keep_index, mst_error *err) {
  mst_status status = MST_OK;
  mst_buf text;
  json_t *columns = NULL, *whole = NULL, *index = NULL, *entry;
  mst_buf_init(&text, NULL, SIZE_MAX / 2);
  MST_TRY_ALLOC(columns = json_array());
  for (int64_t i = 0; i < schema->n_children; i++) {
    MST_TRY(make_entry(schema->children[i], from, &text, &entry, err));
    if (json_array_append_new(columns, entry) != 0) MST_TRY(mst_fail_memory(err));
  }
  if (keep_index) MST_TRY(add_index_entries(schema, from, columns, err));
  if (keep_index) index = json_incref(json_object_get(from, "index_columns"));
  if (index == NULL)
    MST_TRY_ALLOC(index = json_pack("[{s:s, s:n, s:i, s:i, s:i}]", "kind", "range", "name", "start", 0, "step", 1, "stop", 0));
  MST_TRY_ALLOC(whole = json_pack("{s:{}, s:[{s:n, s:{s:s}, s:n, s:s, s:s}], s:O, s:{s:s, s:s}, s:O, s:s}", "attributes", "column_indexes",
                                  "field_name", "metadata", "encoding", "UTF-8", "name", "numpy_type", "str", "pandas_type", "unicode",
                                  "columns", columns, "creator", "library", "meseta", "version", mst_version(), "index_columns", index,
                                  "pandas_version", "3.0.0"));
  MST_TRY(set_text(schema, whole, &text, err));
done:
  json_decref(whole);
  json_decref(index);
  json_decref(columns);
  mst_buf_free(&text);
  return status;
}
