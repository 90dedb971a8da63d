/* column/schema.c - Arrow schemas that own all they point to.
 *
 * Owns: every schema node it makes, until the consumer calls `release`. May call: base. */
#include "column/column.h"

/* Lives in private_data. The allocator is copied because a schema may outlive the context that lent it. */
typedef struct schema_box {
  mst_allocator mem;
  bool own_mem;
  struct ArrowSchema dictionary;
  struct ArrowSchema *children; /* n of them, in one block */
  struct ArrowSchema **pointers;
  char *format, *name, *metadata;
} schema_box;

static const mst_allocator *box_mem(const schema_box *box) { return box->own_mem ? &box->mem : NULL; }

static void release_node(struct ArrowSchema *schema) {
  schema_box *box = schema->private_data;
  mst_allocator copy = box->mem;
  const mst_allocator *mem = box->own_mem ? &copy : NULL;
  int64_t i;
  for (i = 0; i < schema->n_children; i++) mst_schema_release(&box->children[i]);
  mst_schema_release(&box->dictionary);
  mst_free(mem, box->children);
  mst_free(mem, box->pointers);
  mst_free(mem, box->format);
  mst_free(mem, box->name);
  mst_free(mem, box->metadata);
  mst_free(mem, box);
  schema->release = NULL;
  schema->private_data = NULL;
}

void mst_schema_release(struct ArrowSchema *schema) {
  if (schema != NULL && schema->release != NULL) schema->release(schema);
}

void mst_array_release(struct ArrowArray *array) {
  if (array != NULL && array->release != NULL) array->release(array);
}

void mst_stream_release(struct ArrowArrayStream *stream) {
  if (stream != NULL && stream->release != NULL) stream->release(stream);
}

mst_status mst_schema_node(const mst_allocator *mem, const char *format, const char *name, int64_t flags,
                           size_t n_children, struct ArrowSchema *out, mst_error *err) {
  mst_status status = MST_OK;
  schema_box *box = mst_alloc_zero(mem, 1, sizeof *box);
  size_t i;
  if (box == NULL) return mst_fail_memory(err);
  if (mem != NULL) {
    box->mem = *mem;
    box->own_mem = true;
  }
  MST_TRY_ALLOC(box->format = mst_text_copy(mem, format));
  MST_TRY_ALLOC(box->name = mst_text_copy(mem, name != NULL ? name : ""));
  if (n_children > 0) {
    MST_TRY_ALLOC(box->children = mst_alloc_zero(mem, n_children, sizeof *box->children));
    MST_TRY_ALLOC(box->pointers = mst_alloc_array(mem, n_children, sizeof *box->pointers));
    for (i = 0; i < n_children; i++) box->pointers[i] = &box->children[i];
  }
  *out = (struct ArrowSchema){
      .format = box->format,
      .name = box->name,
      .flags = flags,
      .n_children = (int64_t)n_children,
      .children = box->pointers,
      .release = release_node,
      .private_data = box,
  };
  return MST_OK;
done:
  mst_free(mem, box->children);
  mst_free(mem, box->format);
  mst_free(mem, box->name);
  mst_free(mem, box);
  return status;
}

/* Length of an encoded metadata block: int32 pairs, then int32 length and bytes of each key and value. */
static bool metadata_size(const char *metadata, size_t *out) {
  size_t at = 4;
  int32_t n, length;
  int64_t i;
  memcpy(&n, metadata, 4);
  if (n < 0) return false;
  for (i = 0; i < (int64_t)n * 2; i++) {
    memcpy(&length, metadata + at, 4);
    if (length < 0) return false;
    at += 4 + (size_t)length;
  }
  *out = at;
  return true;
}

mst_status mst_schema_set_metadata(struct ArrowSchema *schema, const char *metadata, mst_error *err) {
  schema_box *box = schema->private_data;
  char *copy = NULL;
  size_t size = 0;
  if (metadata != NULL) {
    if (!metadata_size(metadata, &size))
      return mst_fail(err, MST_E_ARGUMENT, "broken metadata of field \"%.60s\"", schema->name);
    copy = mst_alloc(box_mem(box), size);
    if (copy == NULL) return mst_fail_memory(err);
    memcpy(copy, metadata, size);
  }
  mst_free(box_mem(box), box->metadata);
  box->metadata = copy;
  schema->metadata = copy;
  return MST_OK;
}

mst_status mst_schema_set_pairs(struct ArrowSchema *schema, const mst_metadata_pair *pairs, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  mst_buf b;
  size_t i;
  mst_buf_init(&b, box_mem(schema->private_data), INT32_MAX);
  MST_TRY(mst_buf_put_u32(&b, (uint32_t)n, err));
  for (i = 0; i < n; i++) {
    MST_TRY(mst_buf_put_u32(&b, (uint32_t)pairs[i].key_size, err));
    MST_TRY(mst_buf_put(&b, pairs[i].key, pairs[i].key_size, err));
    MST_TRY(mst_buf_put_u32(&b, (uint32_t)pairs[i].value_size, err));
    MST_TRY(mst_buf_put(&b, pairs[i].value, pairs[i].value_size, err));
  }
  MST_TRY(mst_schema_set_metadata(schema, n > 0 ? (const char *)b.data : NULL, err));
done:
  mst_buf_free(&b);
  return status;
}

bool mst_schema_pair(const struct ArrowSchema *schema, size_t i, mst_metadata_pair *out) {
  const char *m = schema->metadata;
  size_t at = 4, k;
  int32_t n, length[2];
  const char *text[2];
  if (m == NULL) return false;
  memcpy(&n, m, 4);
  if (n < 0 || i >= (size_t)n) return false;
  for (k = 0; k < 2 * i + 2; k++) {
    memcpy(&length[k & 1], m + at, 4);
    if (length[k & 1] < 0) return false;
    text[k & 1] = m + at + 4;
    at += 4 + (size_t)length[k & 1];
  }
  *out = (mst_metadata_pair){text[0], (size_t)length[0], text[1], (size_t)length[1]};
  return true;
}

bool mst_schema_find_pair(const struct ArrowSchema *schema, const char *key, mst_metadata_pair *out) {
  size_t i;
  for (i = 0; mst_schema_pair(schema, i, out); i++)
    if (out->key_size == strlen(key) && memcmp(out->key, key, out->key_size) == 0) return true;
  return false;
}

static mst_status make_field(const mst_allocator *mem, const mst_field *field, struct ArrowSchema *out,
                             mst_error *err) {
  mst_status status = MST_OK;
  size_t i;
  struct ArrowSchema made = {0};
  MST_TRY(mst_schema_node(mem, field->format, field->name, field->nullable ? ARROW_FLAG_NULLABLE : 0, field->n_children,
                          &made, err));
  for (i = 0; i < field->n_children; i++) MST_TRY(make_field(mem, &field->children[i], made.children[i], err));
  *out = made;
  return MST_OK;
done:
  mst_schema_release(&made);
  return status;
}

mst_status mst_schema_make(const mst_allocator *mem, const mst_field *fields, size_t n, struct ArrowSchema *out,
                           mst_error *err) {
  mst_field top = {.name = "", .format = "+s", .nullable = false, .children = fields, .n_children = n};
  return make_field(mem, &top, out, err);
}

static mst_status copy_node(const mst_allocator *mem, const struct ArrowSchema *from, int depth,
                            struct ArrowSchema *out, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowSchema made = {0};
  schema_box *box;
  int64_t i;
  if (depth > MST_SCHEMA_DEPTH_MAX)
    return mst_fail(err, MST_E_LIMIT, "Arrow schema nests deeper than %d levels", MST_SCHEMA_DEPTH_MAX);
  if (from->format == NULL || from->n_children < 0 || (from->n_children > 0 && from->children == NULL))
    return mst_fail(err, MST_E_ARGUMENT, "broken Arrow schema: field \"%.60s\" has no format or no children",
                    from->name != NULL ? from->name : "");
  MST_TRY(mst_schema_node(mem, from->format, from->name, from->flags, (size_t)from->n_children, &made, err));
  MST_TRY(mst_schema_set_metadata(&made, from->metadata, err));
  for (i = 0; i < from->n_children; i++) MST_TRY(copy_node(mem, from->children[i], depth + 1, made.children[i], err));
  if (from->dictionary != NULL) {
    box = made.private_data;
    MST_TRY(copy_node(mem, from->dictionary, depth + 1, &box->dictionary, err));
    made.dictionary = &box->dictionary;
  }
  *out = made;
  return MST_OK;
done:
  mst_schema_release(&made);
  return status;
}

mst_status mst_schema_copy(const mst_allocator *mem, const struct ArrowSchema *from, struct ArrowSchema *out,
                           mst_error *err) {
  return copy_node(mem, from, 0, out, err);
}

void mst_schema_set_dictionary(struct ArrowSchema *schema, struct ArrowSchema *values) {
  schema_box *box = schema->private_data;
  mst_schema_release(&box->dictionary);
  box->dictionary = *values;
  values->release = NULL;
  schema->dictionary = &box->dictionary;
}
