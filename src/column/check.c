/* column/check.c - whether an array from outside has the shape that its schema promises.
 *
 * Pointers cannot be checked for what they point to; counts, children and missing buffers can, and are.
 * Owns: nothing. May call: base. */
#include "column/column.h"

static mst_status check_node(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t least, int depth,
                             uint64_t *bytes, mst_error *err);

static mst_status misfit(const struct ArrowSchema *schema, const char *what, mst_error *err) {
  return mst_fail(err, MST_E_ARGUMENT, "Arrow array of column \"%.60s\" (format \"%.40s\"): %s",
                  schema->name != NULL ? schema->name : "", schema->format, what);
}

static mst_status check_children(const struct ArrowSchema *schema, const struct ArrowArray *array, const mst_type *type,
                                 int depth, uint64_t *bytes, mst_error *err) {
  mst_status status = MST_OK;
  int64_t i, end = array->offset + array->length, least = 0;
  if (type->layout == MST_LAYOUT_STRUCT || type->layout == MST_LAYOUT_SPARSE) least = end;
  if (type->layout == MST_LAYOUT_FIXED_LIST && __builtin_mul_overflow(end, type->size, &least))
    return misfit(schema, "its length is out of range", err);
  for (i = 0; i < schema->n_children; i++) {
    if (schema->children[i] == NULL || array->children[i] == NULL) return misfit(schema, "a child is missing", err);
    MST_TRY(check_node(schema->children[i], array->children[i], least, depth + 1, bytes, err));
  }
  if (schema->dictionary != NULL) {
    if (array->dictionary == NULL) return misfit(schema, "its dictionary is missing", err);
    MST_TRY(check_node(schema->dictionary, array->dictionary, 0, depth + 1, bytes, err));
  }
done:
  return status;
}

/* Bytes of the values of a text or bytes array. */
static uint64_t text_bytes(const mst_type *type, const struct ArrowArray *array) {
  int64_t first = array->offset, end = array->offset + array->length;
  if (array->length == 0) return 0;
  if (type->layout == MST_LAYOUT_OFFSETS32)
    return (uint64_t)(((const int32_t *)array->buffers[1])[end] - ((const int32_t *)array->buffers[1])[first]);
  if (type->layout == MST_LAYOUT_OFFSETS64)
    return (uint64_t)(((const int64_t *)array->buffers[1])[end] - ((const int64_t *)array->buffers[1])[first]);
  return 16 * (uint64_t)array->length;
}

static mst_status check_buffers(const struct ArrowSchema *schema, const struct ArrowArray *array, const mst_type *type,
                                mst_error *err) {
  int64_t want = mst_type_buffers(type);
  if (array->n_buffers < want || (array->n_buffers > want && type->layout != MST_LAYOUT_VIEWS))
    return misfit(schema, "the number of buffers is wrong", err);
  if (want > 0 && array->buffers == NULL) return misfit(schema, "its buffers are missing", err);
  if (array->length > 0 && want > 1 && array->buffers[1] == NULL &&
      (type->layout != MST_LAYOUT_FIXED || type->width > 0))
    return misfit(schema, "a buffer is missing", err);
  if (want > 0 && array->null_count > 0 && type->kind != MST_KIND_UNION && array->buffers[0] == NULL)
    return misfit(schema, "it has nulls and no validity", err);
  return MST_OK;
}

static mst_status check_node(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t least, int depth,
                             uint64_t *bytes, mst_error *err) {
  mst_status status = MST_OK;
  mst_type type;
  int64_t end;
  if (depth > MST_SCHEMA_DEPTH_MAX) return mst_fail(err, MST_E_LIMIT, "Arrow array nests too deep");
  MST_TRY(mst_type_parse(schema->format, &type, err));
  if (array->release == NULL) return misfit(schema, "it was released", err);
  if (array->length < 0 || array->offset < 0 || __builtin_add_overflow(array->offset, array->length, &end))
    return misfit(schema, "its length is out of range", err);
  if (array->length < least) return misfit(schema, "it is shorter than its parent", err);
  if (array->n_children != schema->n_children || (array->n_children > 0 && array->children == NULL))
    return misfit(schema, "the number of children is wrong", err);
  if (mst_type_children(&type) >= 0 && mst_type_children(&type) != schema->n_children)
    return misfit(schema, "its format needs another number of children", err);
  MST_TRY(check_buffers(schema, array, &type, err));
  if (type.layout == MST_LAYOUT_FIXED) *bytes += (uint64_t)array->length * type.width;
  if (type.kind == MST_KIND_TEXT || type.kind == MST_KIND_BYTES)
    *bytes += text_bytes(&type, array) + 4 * (uint64_t)array->length;
  MST_TRY(check_children(schema, array, &type, depth, bytes, err));
done:
  return status;
}

mst_status mst_array_check(const struct ArrowSchema *schema, const struct ArrowArray *array, uint64_t *bytes,
                           mst_error *err) {
  *bytes = 0;
  return check_node(schema, array, 0, 0, bytes, err);
}
