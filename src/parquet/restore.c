/* parquet/restore.c - brings back the Arrow types that Parquet itself cannot say: large and view layouts, dictionaries,
 * durations, time zones, fixed-size lists, widths of decimals, and the metadata of fields.
 *
 * The stored schema is a hint: what does not fit the Parquet schema is left out.
 * Owns: nothing; texts are copied into the file's arena. May call: base, column. */
#include "parquet/fields.h"

typedef struct restoring {
  mst_parquet_file *f;
  mst_error *err;
} restoring;

static mst_status keep_format(const restoring *r, const char *format, mst_pq_field *field) {
  size_t n = strlen(format);
  char *copy = mst_pq_file_alloc(r->f, 1, n + 1);
  if (copy == NULL) return mst_fail_memory(r->err);
  memcpy(copy, format, n);
  field->format = copy;
  return MST_OK;
}

/* Length of an encoded metadata block that mst_schema_set_pairs made. */
static size_t metadata_size(const char *m) {
  size_t at = 4;
  uint32_t n = mst_le32(m), i;
  for (i = 0; i < 2 * n; i++) at += 4 + mst_le32(m + at);
  return at;
}

static mst_status keep_metadata(const restoring *r, const struct ArrowSchema *node, mst_pq_field *field) {
  size_t n;
  char *copy;
  if (node->metadata == NULL) return MST_OK;
  n = metadata_size(node->metadata);
  copy = mst_pq_file_alloc(r->f, 1, n);
  if (copy == NULL) return mst_fail_memory(r->err);
  memcpy(copy, node->metadata, n);
  field->metadata = copy;
  return MST_OK;
}

/* Text and bytes in another layout; text stays text, because the stored bytes were checked for neither. */
static mst_status restore_bytes(const restoring *r, const struct ArrowSchema *node, const mst_type *type,
                                mst_pq_field *field) {
  if (type->kind != field->kind) return MST_OK;
  field->layout = type->layout;
  field->large = type->layout == MST_LAYOUT_OFFSETS64;
  return keep_format(r, node->format, field);
}

static mst_status restore_dictionary(const restoring *r, const struct ArrowSchema *node, mst_pq_field *field) {
  mst_status status = MST_OK;
  mst_error *err = r->err;
  mst_type indices, values;
  char *copy;
  MST_TRY(mst_type_parse(node->format, &indices, err));
  MST_TRY(mst_type_parse(node->dictionary->format, &values, err));
  if (field->conv != MST_PQ_CONV_BYTES || !mst_type_is_integer(&indices) || values.kind != field->kind) return MST_OK;
  if (values.layout == MST_LAYOUT_VIEWS) return MST_OK;
  MST_TRY(restore_bytes(r, node->dictionary, &values, field));
  MST_TRY_ALLOC(copy = mst_pq_file_alloc(r->f, 1, strlen(node->format) + 1));
  memcpy(copy, node->format, strlen(node->format));
  field->index_format = copy;
  field->index_width = indices.width;
  field->ordered = (node->flags & ARROW_FLAG_DICTIONARY_ORDERED) != 0;
done:
  return status;
}

static mst_status restore_leaf(const restoring *r, const struct ArrowSchema *node, mst_pq_field *field) {
  mst_status status = MST_OK;
  mst_error *err = r->err;
  mst_type own, type;
  if (node->dictionary != NULL) return restore_dictionary(r, node, field);
  MST_TRY(mst_type_parse(field->format, &own, err));
  MST_TRY(mst_type_parse(node->format, &type, err));
  if (field->conv == MST_PQ_CONV_BYTES) return restore_bytes(r, node, &type, field);
  if (own.kind == MST_KIND_INT64 && type.kind == MST_KIND_DURATION) {
    field->kind = type.kind;
    return keep_format(r, node->format, field);
  }
  if (own.kind == MST_KIND_TIMESTAMP && type.kind == MST_KIND_TIMESTAMP && own.zone[0] != '\0' &&
      type.zone[0] != '\0') {
    char format[80];
    snprintf(format, sizeof format, "%.4s%s", field->format, type.zone);
    return keep_format(r, format, field);
  }
  if (own.kind == MST_KIND_DECIMAL && type.kind == MST_KIND_DECIMAL && own.precision == type.precision &&
      own.scale == type.scale) {
    /* Digits that a width can hold: 9, 18, 38, 76. */
    if (type.precision > (type.width == 4 ? 9 : type.width == 8 ? 18 : type.width == 16 ? 38 : 76)) return MST_OK;
    field->width = type.width;
    return keep_format(r, node->format, field);
  }
done:
  return status;
}

static mst_status restore_field(const restoring *r, const struct ArrowSchema *node, mst_pq_field *field);

static mst_status restore_list(const restoring *r, const struct ArrowSchema *node, const mst_type *type,
                               mst_pq_field *field) {
  mst_status status = MST_OK;
  if (type->kind != MST_KIND_LIST && type->kind != MST_KIND_FIXED_LIST) return MST_OK;
  field->layout = type->layout;
  field->large = type->layout == MST_LAYOUT_LIST64 || type->layout == MST_LAYOUT_LISTVIEW64;
  field->fixed_list = type->kind == MST_KIND_FIXED_LIST;
  field->size = type->size;
  MST_TRY(keep_format(r, node->format, field));
  MST_TRY(restore_field(r, node->children[0], &field->children[0]));
done:
  return status;
}

static mst_status restore_struct(const restoring *r, const struct ArrowSchema *node, mst_pq_field *field) {
  mst_status status = MST_OK;
  uint32_t i;
  for (i = 0; i < field->n_children; i++)
    if (mst_text_equal(node->children[i]->name, field->children[i].name) || field->kind == MST_KIND_MAP)
      MST_TRY(restore_field(r, node->children[i], &field->children[i]));
done:
  return status;
}

static mst_status restore_field(const restoring *r, const struct ArrowSchema *node, mst_pq_field *field) {
  mst_status status = MST_OK;
  mst_type type;
  MST_TRY(mst_type_parse(node->format, &type, r->err));
  MST_TRY(keep_metadata(r, node, field));
  if (field->n_children == 0) return node->n_children == 0 ? restore_leaf(r, node, field) : MST_OK;
  if (node->n_children != (int64_t)field->n_children) return MST_OK;
  if (field->kind == MST_KIND_LIST) return restore_list(r, node, &type, field);
  if (field->kind != type.kind) return MST_OK;
  if (field->kind == MST_KIND_MAP) {
    field->sorted = (node->flags & ARROW_FLAG_MAP_KEYS_SORTED) != 0;
    if (node->children[0]->n_children == 2) MST_TRY(restore_struct(r, node->children[0], &field->children[0]));
    return MST_OK;
  }
  status = restore_struct(r, node, field);
done:
  return status;
}

mst_status mst_pq_fields_restore(mst_parquet_file *f, mst_pq_field *fields, const struct ArrowSchema *schema,
                                 mst_error *err) {
  restoring r = {.f = f, .err = err};
  if (schema->n_children != (int64_t)fields->n_children) return MST_OK;
  return restore_struct(&r, schema, fields);
}
