/* column/plain.c - dictionary-encoded and run-end encoded arrays, at any depth, become arrays of their values.
 *
 * Owns: nothing. May call: base. */
#include "column/column.h"

bool mst_schema_is_plain(const struct ArrowSchema *schema) {
  int64_t i;
  if (schema->dictionary != NULL || mst_text_equal(schema->format, "+r")) return false;
  for (i = 0; i < schema->n_children; i++)
    if (!mst_schema_is_plain(schema->children[i])) return false;
  return true;
}

mst_status mst_schema_plain(const mst_allocator *mem, const struct ArrowSchema *from, struct ArrowSchema *out,
                            mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowSchema made = {0};
  const struct ArrowSchema *values = from;
  int64_t i, flags = from->flags & ~(int64_t)ARROW_FLAG_DICTIONARY_ORDERED;
  for (;;) {
    if (values->dictionary != NULL) {
      values = values->dictionary;
    } else if (mst_text_equal(values->format, "+r") && values->n_children == 2) {
      values = values->children[1];
    } else {
      break;
    }
  }
  MST_TRY(mst_schema_node(mem, values->format, from->name, flags, (size_t)values->n_children, &made, err));
  MST_TRY(mst_schema_set_metadata(&made, from->metadata, err));
  for (i = 0; i < values->n_children; i++) MST_TRY(mst_schema_plain(mem, values->children[i], made.children[i], err));
  *out = made;
  made = (struct ArrowSchema){0};
done:
  mst_schema_release(&made);
  return status;
}

/* ---- arrays -------------------------------------------------------------------------------------------------- */

/* An array whose children were replaced; the original keeps the buffers alive. */
typedef struct replaced {
  mst_allocator mem;
  bool own_mem;
  struct ArrowArray original;
  struct ArrowArray *children;
  struct ArrowArray **pointers;
} replaced;

static void release_replaced(struct ArrowArray *array) {
  replaced *box = array->private_data;
  mst_allocator copy = box->mem;
  int64_t i;
  for (i = 0; i < array->n_children; i++) mst_array_release(&box->children[i]);
  mst_array_release(&box->original);
  array->release = NULL;
  mst_free(box->own_mem ? &copy : NULL, box);
}

/* Number of the dictionary value at index `i` of the buffers. */
static int64_t index_at(const mst_type *type, const void *values, int64_t i) {
  bool is_signed = mst_type_is_signed(type);
  switch (type->width) {
  case 1: return is_signed ? (int64_t)((const int8_t *)values)[i] : (int64_t)((const uint8_t *)values)[i];
  case 2: return is_signed ? (int64_t)((const int16_t *)values)[i] : (int64_t)((const uint16_t *)values)[i];
  case 4: return is_signed ? (int64_t)((const int32_t *)values)[i] : (int64_t)((const uint32_t *)values)[i];
  default: return ((const int64_t *)values)[i];
  }
}

/* rows[i] = the value that row i stands for, -1 for nulls. */
static mst_status dictionary_rows(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t *rows,
                                  mst_error *err) {
  mst_status status = MST_OK;
  mst_type type;
  const uint8_t *valid = array->null_count != 0 ? array->buffers[0] : NULL;
  int64_t i, at, most = array->dictionary->length;
  MST_TRY(mst_type_parse(schema->format, &type, err));
  if (!mst_type_is_integer(&type))
    return mst_fail(err, MST_E_ARGUMENT, "dictionary indices of format \"%s\"", schema->format);
  for (i = 0; i < array->length; i++) {
    at = array->offset + i;
    rows[i] = -1;
    if (valid != NULL && (valid[at >> 3] >> (at & 7) & 1) == 0) continue;
    rows[i] = index_at(&type, array->buffers[1], at);
    if (rows[i] < 0 || rows[i] >= most)
      return mst_fail(err, MST_E_ARGUMENT, "row %lld of column \"%.80s\" points at value %lld of a dictionary of %lld",
                      (long long)i, schema->name, (long long)rows[i], (long long)most);
  }
done:
  return status;
}

static mst_status run_rows(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t *rows,
                           mst_error *err) {
  mst_status status = MST_OK;
  mst_type type;
  const struct ArrowArray *ends = array->children[0];
  int64_t i, run = 0, end = 0;
  MST_TRY(mst_type_parse(schema->children[0]->format, &type, err));
  if (!mst_type_is_integer(&type))
    return mst_fail(err, MST_E_ARGUMENT, "run ends of format \"%s\"", schema->children[0]->format);
  for (i = 0; i < array->length; i++) {
    for (; run < ends->length; run++) {
      end = index_at(&type, ends->buffers[1], ends->offset + run);
      if (end > array->offset + i) break;
    }
    if (run == ends->length || run >= array->children[1]->length)
      return mst_fail(err, MST_E_ARGUMENT, "the runs of column \"%.80s\" end before row %lld", schema->name,
                      (long long)i);
    rows[i] = run;
  }
done:
  return status;
}

/* Rows of `values` as an own array, whose type may again not be plain. */
static mst_status look_up(const mst_allocator *mem, const struct ArrowSchema *schema, struct ArrowArray *array,
                          struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  bool dictionary = schema->dictionary != NULL;
  const struct ArrowSchema *values = dictionary ? schema->dictionary : schema->children[1];
  struct ArrowArray made = {0};
  int64_t *rows = mst_alloc_array(mem, (size_t)array->length + 1, sizeof *rows);
  if (rows == NULL) return mst_fail_memory(err);
  MST_TRY(dictionary ? dictionary_rows(schema, array, rows, err) : run_rows(schema, array, rows, err));
  MST_TRY(mst_array_gather(mem, values, dictionary ? array->dictionary : array->children[1], rows, array->length, &made,
                           err));
  status = mst_array_plain(mem, values, &made, out, err);
done:
  mst_free(mem, rows);
  return status;
}

static mst_status replace_children(const mst_allocator *mem, const struct ArrowSchema *schema, struct ArrowArray *array,
                                   struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  size_t n = (size_t)array->n_children;
  int64_t i;
  replaced *box = mst_alloc_zero(mem, 1, sizeof *box + n * (sizeof *box->children + sizeof *box->pointers));
  if (box == NULL) return mst_fail_memory(err);
  box->children = (struct ArrowArray *)(void *)(box + 1);
  box->pointers = (struct ArrowArray **)(void *)(box->children + n);
  if (mem != NULL) {
    box->mem = *mem;
    box->own_mem = true;
  }
  for (i = 0; i < array->n_children; i++) {
    MST_TRY(mst_array_plain(mem, schema->children[i], array->children[i], &box->children[i], err));
    box->pointers[i] = &box->children[i];
  }
  box->original = *array;
  array->release = NULL;
  *out = box->original;
  out->children = box->pointers;
  out->release = release_replaced;
  out->private_data = box;
  return MST_OK;
done:
  while (i-- > 0) mst_array_release(&box->children[i]);
  mst_free(mem, box);
  return status;
}

mst_status mst_array_plain(const mst_allocator *mem, const struct ArrowSchema *schema, struct ArrowArray *array,
                           struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  *out = (struct ArrowArray){0};
  if (mst_schema_is_plain(schema)) {
    *out = *array;
    array->release = NULL;
  } else if (schema->dictionary != NULL || mst_text_equal(schema->format, "+r")) {
    status = look_up(mem, schema, array, out, err);
  } else {
    status = replace_children(mem, schema, array, out, err);
  }
  mst_array_release(array);
  return status;
}
