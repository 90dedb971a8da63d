/* column/view.c - borrowed, checked access to the columns of a batch.
 *
 * Owns: nothing. May call: base. */
#include "column/column.h"

/* One of the comma-separated `formats`; NULL allows any. */
static bool format_allowed(const char *formats, const char *format) {
  size_t n = strlen(format);
  const char *at = formats;
  if (formats == NULL) return true;
  while (at != NULL) {
    const char *end = strchr(at, ',');
    size_t length = end != NULL ? (size_t)(end - at) : strlen(at);
    if (length == n && memcmp(at, format, n) == 0) return true;
    at = end != NULL ? end + 1 : NULL;
  }
  return false;
}

static mst_status make_view(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t offset,
                            int64_t length, const char *formats, mst_view *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_type type;
  int64_t want;
  const char *name = schema->name != NULL ? schema->name : "";
  if (schema->format == NULL || !format_allowed(formats, schema->format))
    return mst_fail(err, MST_E_CORRUPT, "column \"%.60s\" has format \"%.40s\", expected %.60s", name,
                    schema->format != NULL ? schema->format : "", formats != NULL ? formats : "any");
  MST_TRY(mst_type_parse(schema->format, &type, err));
  want = mst_type_buffers(&type);
  if (array->n_buffers < want || array->length < 0 || array->offset < 0 || offset < 0 || length < 0 ||
      array->length - length < offset || array->n_children != schema->n_children)
    return mst_fail(err, MST_E_CORRUPT, "column \"%.60s\" is no valid Arrow array of format \"%.40s\"", name,
                    schema->format);
  *out = (mst_view){
      .schema = schema,
      .array = array,
      .type = type,
      .offset = array->offset + offset,
      .length = length,
      .valid = want > 0 && array->null_count != 0 && type.kind != MST_KIND_UNION ? array->buffers[0] : NULL,
  };
  if (type.layout == MST_LAYOUT_BITS || type.layout == MST_LAYOUT_FIXED) out->values = array->buffers[1];
  if (type.layout == MST_LAYOUT_LIST32 || type.layout == MST_LAYOUT_LIST64) out->offsets = array->buffers[1];
  if (type.layout == MST_LAYOUT_OFFSETS32 || type.layout == MST_LAYOUT_OFFSETS64) {
    out->offsets = array->buffers[1];
    out->values = array->buffers[2];
  }
done:
  return status;
}

mst_status mst_batch_column(const struct ArrowSchema *schema, const struct ArrowArray *batch, const char *name,
                            const char *formats, mst_view *out, mst_error *err) {
  int64_t i;
  if (batch->n_children != schema->n_children)
    return mst_fail(err, MST_E_CORRUPT, "a batch of %lld columns does not fit a schema of %lld",
                    (long long)batch->n_children, (long long)schema->n_children);
  for (i = 0; i < schema->n_children; i++)
    if (mst_text_equal(schema->children[i]->name, name))
      return make_view(schema->children[i], batch->children[i], batch->offset, batch->length, formats, out, err);
  return mst_fail(err, MST_E_CORRUPT, "column \"%.60s\" is missing", name);
}

mst_status mst_view_child(const mst_view *parent, size_t i, const char *formats, mst_view *out, mst_error *err) {
  const struct ArrowArray *array = parent->array;
  int64_t offset = 0, length;
  if ((int64_t)i >= array->n_children)
    return mst_fail(err, MST_E_CORRUPT, "column \"%.60s\" has %lld children, not %zu", parent->schema->name,
                    (long long)array->n_children, i + 1);
  length = array->children[i]->length;
  if (parent->type.layout == MST_LAYOUT_STRUCT || parent->type.layout == MST_LAYOUT_SPARSE) {
    offset = parent->offset;
    length = parent->length;
  }
  return make_view(parent->schema->children[i], array->children[i], offset, length, formats, out, err);
}

bool mst_view_null(const mst_view *v, int64_t i) {
  int64_t at = v->offset + i;
  if (v->type.kind == MST_KIND_NULL) return true;
  return v->valid != NULL && (v->valid[at >> 3] >> (at & 7) & 1) == 0;
}

int64_t mst_view_i64(const mst_view *v, int64_t i) {
  int64_t at = v->offset + i;
  bool is_signed = mst_type_is_signed(&v->type) || v->type.kind == MST_KIND_MONTHS;
  if (v->type.layout == MST_LAYOUT_BITS) return ((const uint8_t *)v->values)[at >> 3] >> (at & 7) & 1;
  switch (v->type.width) {
  case 1: return is_signed ? (int64_t)((const int8_t *)v->values)[at] : (int64_t)((const uint8_t *)v->values)[at];
  case 2: return is_signed ? (int64_t)((const int16_t *)v->values)[at] : (int64_t)((const uint16_t *)v->values)[at];
  case 4: return is_signed ? (int64_t)((const int32_t *)v->values)[at] : (int64_t)((const uint32_t *)v->values)[at];
  case 8: return ((const int64_t *)v->values)[at];
  default: return 0;
  }
}

double mst_view_f64(const mst_view *v, int64_t i) {
  int64_t at = v->offset + i;
  if (v->type.kind == MST_KIND_FLOAT) return (double)((const float *)v->values)[at];
  if (v->type.kind == MST_KIND_DOUBLE) return ((const double *)v->values)[at];
  if (v->type.kind == MST_KIND_UINT64) return (double)((const uint64_t *)v->values)[at];
  return (double)mst_view_i64(v, i);
}

static void range_at(const mst_view *v, int64_t i, bool wide, int64_t *first, int64_t *end) {
  int64_t at = v->offset + i;
  if (wide) {
    *first = ((const int64_t *)v->offsets)[at];
    *end = ((const int64_t *)v->offsets)[at + 1];
  } else {
    *first = ((const int32_t *)v->offsets)[at];
    *end = ((const int32_t *)v->offsets)[at + 1];
  }
}

const uint8_t *mst_view_bytes(const mst_view *v, int64_t i, size_t *n) {
  int64_t first, end;
  if (v->type.layout == MST_LAYOUT_FIXED) {
    *n = v->type.width;
    return (const uint8_t *)v->values + (size_t)(v->offset + i) * v->type.width;
  }
  range_at(v, i, v->type.layout == MST_LAYOUT_OFFSETS64, &first, &end);
  *n = (size_t)(end - first);
  /* A column of empty values may have no buffer. */
  return v->values == NULL ? (const uint8_t *)"" : (const uint8_t *)v->values + first;
}

void mst_view_list(const mst_view *v, int64_t i, int64_t *first, int64_t *count) {
  int64_t end;
  if (v->type.layout == MST_LAYOUT_FIXED_LIST) {
    *first = (v->offset + i) * v->type.size;
    *count = v->type.size;
    return;
  }
  range_at(v, i, v->type.layout == MST_LAYOUT_LIST64, first, &end);
  *count = end - *first;
}
