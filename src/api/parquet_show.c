/* api/parquet_show.c - mst_parquet_show: what a footer tells, and the columns as Arrow types, as one JSON object. */
#include <meseta/parquet.h>

#include <stdio.h>

#include "column/column.h"
#include "source/source.h"

/* ---- names of types ---------------------------------------------------------------------------------------------- */

static const char *unit_name(mst_time_unit unit) {
  static const char *const names[] = {"s", "ms", "us", "ns"};
  return names[unit];
}

static const char *plain_name(const mst_type *type) {
  const bool large = type->layout == MST_LAYOUT_OFFSETS64 || type->layout == MST_LAYOUT_LIST64;
  switch (type->kind) {
  case MST_KIND_NULL: return "null";
  case MST_KIND_BOOL: return "bool";
  case MST_KIND_INT8: return "int8";
  case MST_KIND_INT16: return "int16";
  case MST_KIND_INT32: return "int32";
  case MST_KIND_INT64: return "int64";
  case MST_KIND_UINT8: return "uint8";
  case MST_KIND_UINT16: return "uint16";
  case MST_KIND_UINT32: return "uint32";
  case MST_KIND_UINT64: return "uint64";
  case MST_KIND_HALF: return "float16";
  case MST_KIND_FLOAT: return "float32";
  case MST_KIND_DOUBLE: return "float64";
  case MST_KIND_DATE32: return "date32";
  case MST_KIND_DATE64: return "date64";
  case MST_KIND_TIME32: return "time32";
  case MST_KIND_TIME64: return "time64";
  case MST_KIND_TIMESTAMP: return "timestamp";
  case MST_KIND_DURATION: return "duration";
  case MST_KIND_MONTHS: return "interval[months]";
  case MST_KIND_DAYS_MS: return "interval[days, ms]";
  case MST_KIND_MONTH_DAY_NANO: return "interval[months, days, ns]";
  case MST_KIND_DECIMAL: return "decimal";
  case MST_KIND_FIXED_BYTES: return "fixed_size_binary";
  case MST_KIND_BYTES: return large ? "large_binary" : type->layout == MST_LAYOUT_VIEWS ? "binary_view" : "binary";
  case MST_KIND_TEXT: return large ? "large_string" : type->layout == MST_LAYOUT_VIEWS ? "string_view" : "string";
  case MST_KIND_LIST: return large ? "large_list" : "list";
  case MST_KIND_FIXED_LIST: return "fixed_size_list";
  case MST_KIND_MAP: return "map";
  case MST_KIND_STRUCT: return "struct";
  case MST_KIND_UNION: return "union";
  case MST_KIND_RUN_END: return "run_end_encoded";
  }
  return "?";
}

static void type_text(const mst_type *type, char *out, size_t n) {
  const char *name = plain_name(type);
  switch (type->kind) {
  case MST_KIND_DECIMAL:
    (void)snprintf(out, n, "decimal%u(%d, %d)", type->width * 8, type->precision, type->scale);
    break;
  case MST_KIND_FIXED_BYTES: (void)snprintf(out, n, "%s[%u]", name, type->width); break;
  case MST_KIND_FIXED_LIST: (void)snprintf(out, n, "%s[%d]", name, type->size); break;
  case MST_KIND_TIME32:
  case MST_KIND_TIME64:
  case MST_KIND_DURATION: (void)snprintf(out, n, "%s[%s]", name, unit_name(type->unit)); break;
  case MST_KIND_TIMESTAMP:
    (void)snprintf(out, n, type->zone[0] == '\0' ? "%s[%s]" : "%s[%s, tz=%.100s]", name, unit_name(type->unit),
                   type->zone);
    break;
  default: (void)snprintf(out, n, "%s", name); break;
  }
}

/* ---- the tree ---------------------------------------------------------------------------------------------------- */

static mst_status put_field(const struct ArrowSchema *field, json_t *list, mst_error *err);

static mst_status put_fields(const struct ArrowSchema *parent, json_t *object, const char *key, mst_error *err) {
  mst_status status = MST_OK;
  json_t *list = json_array();
  MST_TRY_ALLOC(list);
  for (int64_t i = 0; i < parent->n_children; i++) MST_TRY(put_field(parent->children[i], list, err));
  MST_TRY(mst_json_set(object, key, json_incref(list), err));
done:
  json_decref(list);
  return status;
}

static mst_status put_type(const struct ArrowSchema *field, const char *key, json_t *object, mst_error *err) {
  char text[160];
  mst_type type;
  mst_status status = mst_type_parse(field->format, &type, err);
  if (status != MST_OK) return status;
  type_text(&type, text, sizeof text);
  return mst_json_set_text(object, key, text, err);
}

static mst_status put_field(const struct ArrowSchema *field, json_t *list, mst_error *err) {
  mst_status status = MST_OK;
  json_t *object = json_object();
  const char *name = field->name == NULL ? "" : field->name;
  json_t *text = json_string(name);
  mst_metadata_pair extension;
  MST_TRY(mst_json_set(object, "name", text != NULL ? text : json_string("(not UTF-8)"), err));
  if (field->dictionary != NULL) {
    MST_TRY(put_type(field->dictionary, "type", object, err));
    MST_TRY(put_type(field, "dictionary", object, err));
  } else {
    MST_TRY(put_type(field, "type", object, err));
  }
  MST_TRY(mst_json_set(object, "nullable", json_boolean((field->flags & ARROW_FLAG_NULLABLE) != 0), err));
  if (mst_schema_find_pair(field, "ARROW:extension:name", &extension))
    MST_TRY(mst_json_set(object, "extension", json_stringn(extension.value, extension.value_size), err));
  if (field->n_children > 0) MST_TRY(put_fields(field, object, "fields", err));
  if (json_array_append(list, object) != 0) status = mst_fail_memory(err);
done:
  json_decref(object);
  return status;
}

/* A schema that cannot be made is no reason to show nothing: why is told instead. */
static mst_status put_schema(const mst_parquet *p, json_t *object, mst_error *err) {
  struct ArrowSchema schema = {0};
  mst_error why;
  mst_error_clear(&why);
  mst_status status = mst_table_schema(p, &schema, &why);
  if (status == MST_E_NO_MEMORY) return mst_fail_memory(err);
  status = status == MST_OK ? put_fields(&schema, object, "schema", err)
                            : mst_json_set_text(object, "schema_error", why.message, err);
  mst_schema_release(&schema);
  return status;
}

mst_status mst_parquet_show(mst_parquet *p, size_t groups_max, mst_bytes *out, mst_error *err) {
  mst_status status = MST_OK;
  json_t *value = NULL;
  mst_buf text;
  mst_error_clear(err);
  mst_buf_init(&text, NULL, SIZE_MAX / 2);
  if (p == NULL || out == NULL) return mst_fail(err, MST_E_ARGUMENT, "mst_parquet_show: p and out must not be NULL");
  MST_TRY(mst_parquet_describe(mst_table_file(p), groups_max == 0 ? SIZE_MAX : groups_max, &value, err));
  MST_TRY(put_schema(p, value, err));
  MST_TRY(mst_json_set_text(value, "url", mst_table_url(p), err));
  MST_TRY(mst_json_set_text(value, "format", "parquet", err));
  MST_TRY(mst_json_print(value, &text, err));
  MST_TRY(mst_buf_take(&text, out, err));
done:
  mst_buf_free(&text);
  json_decref(value);
  return status == MST_OK ? MST_OK : mst_error_name(err, status, mst_table_url(p));
}
