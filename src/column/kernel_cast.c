/* column/kernel_cast.c - arrays of one type as another: which pairs there are, nested columns, nulls.
 *
 * Owns: nothing. May call: base. */
#include "column/cast.h"

static const char *name_of(const struct ArrowSchema *schema) { return schema->name != NULL ? schema->name : ""; }

mst_status mst_cast_misfit(const casting *c, int64_t row, const char *why) {
  mst_status status = MST_OK;
  struct ArrowSchema *field = (struct ArrowSchema *)(uintptr_t)c->from_schema;
  struct ArrowArray *column = (struct ArrowArray *)(uintptr_t)c->array;
  const struct ArrowSchema top = {.format = "+s", .name = "", .n_children = 1, .children = &field};
  const struct ArrowArray batch = {.length = c->array->length, .n_children = 1, .children = &column};
  mst_buf value;
  mst_buf_init(&value, c->mem, 1 << 20);
  if (mst_csv_put_rows(&top, &batch, row, 1, &value, NULL) == MST_OK && value.size > 0)
    value.data[value.size - 1] = '\0';
  status = mst_fail(
      c->err, MST_E_ARGUMENT, "column \"%.80s\", row %lld: %.60s %s (Arrow format \"%.40s\" to \"%.40s\")",
      name_of(c->from_schema), (long long)row, mst_buf_text(&value), why, c->from_schema->format, c->to_schema->format);
  mst_buf_free(&value);
  return status;
}

mst_status mst_cast_valid(const casting *c, mst_block *valid, int64_t *nulls) {
  const uint8_t *bitmap = c->array->null_count != 0 && c->array->n_buffers > 0 ? c->array->buffers[0] : NULL;
  const size_t n = (size_t)c->array->length;
  mst_status status = MST_OK;
  *nulls = 0;
  if (bitmap == NULL) return MST_OK;
  MST_TRY(mst_block_put_zero(valid, (n + 7) / 8, c->err));
  *nulls = (int64_t)n;
  for (size_t i = 0; i < n; i += 64) {
    const size_t count = mst_min_size(64, n - i);
    uint64_t word;
    mst_bits_load(bitmap, c->array->offset + (int64_t)i, count, &word);
    mst_bits_store(&word, count, valid->data + i / 8);
    *nulls -= mst_mask_count(word);
  }
done:
  return status;
}

/* ---- which pairs
 * ------------------------------------------------------------------------------------------------------ */

/* The same all the way down, names of list items and keys aside. */
static bool same_type(const struct ArrowSchema *a, const struct ArrowSchema *b) {
  if (!mst_text_equal(a->format, b->format) || a->n_children != b->n_children) return false;
  if ((a->dictionary != NULL) != (b->dictionary != NULL)) return false;
  if (a->dictionary != NULL && !same_type(a->dictionary, b->dictionary)) return false;
  for (int64_t i = 0; i < a->n_children; i++) {
    if (!same_type(a->children[i], b->children[i])) return false;
    if (mst_text_equal(a->format, "+s") && !mst_text_equal(a->children[i]->name, b->children[i]->name)) return false;
  }
  return true;
}

static bool is_list(const mst_type *t) { return t->layout == MST_LAYOUT_LIST32 || t->layout == MST_LAYOUT_LIST64; }

static const struct ArrowSchema *field_called(const struct ArrowSchema *schema, const char *name, int64_t *number) {
  for (int64_t i = 0; i < schema->n_children; i++) {
    if (!mst_text_equal(schema->children[i]->name, name)) continue;
    *number = i;
    return schema->children[i];
  }
  return NULL;
}

static bool can_cast_struct(const struct ArrowSchema *from, const struct ArrowSchema *to) {
  int64_t number;
  for (int64_t i = 0; i < to->n_children; i++) {
    const struct ArrowSchema *field = field_called(from, to->children[i]->name, &number);
    if (field != NULL && !mst_schema_can_cast(field, to->children[i])) return false;
  }
  return true;
}

bool mst_schema_can_cast(const struct ArrowSchema *from, const struct ArrowSchema *to) {
  mst_type a, b;
  if (same_type(from, to)) return true;
  if (from->dictionary != NULL) return mst_schema_can_cast(from->dictionary, to);
  if (mst_text_equal(from->format, "+r")) return mst_schema_can_cast(from->children[1], to);
  if (to->dictionary != NULL) return mst_text_equal(to->format, "i") && mst_schema_can_cast(from, to->dictionary);
  if (mst_type_parse(from->format, &a, NULL) != MST_OK || mst_type_parse(to->format, &b, NULL) != MST_OK) return false;
  if (b.kind == MST_KIND_UNION || b.kind == MST_KIND_RUN_END) return false;
  if (a.kind == MST_KIND_NULL) return true;
  if (a.kind == MST_KIND_STRUCT && b.kind == MST_KIND_STRUCT) return can_cast_struct(from, to);
  if (is_list(&a) && is_list(&b) && (a.kind == MST_KIND_MAP) == (b.kind == MST_KIND_MAP))
    return mst_schema_can_cast(from->children[0], to->children[0]);
  if (a.kind == MST_KIND_FIXED_LIST && b.kind == MST_KIND_FIXED_LIST && a.size == b.size)
    return mst_schema_can_cast(from->children[0], to->children[0]);
  if (mst_type_scalar(&a) == MST_SCALAR_NULL || mst_type_scalar(&b) == MST_SCALAR_NULL) return false;
  return mst_cast_knows_values(&a, &b) || mst_cast_knows_texts(&a, &b);
}

/* ---- nulls
 * ------------------------------------------------------------------------------------------------------------- */

/* No rows of a type, children and all. */
static mst_status make_empty(const mst_allocator *mem, const struct ArrowSchema *schema, struct ArrowArray *out,
                             mst_error *err) {
  static const uint8_t zeros[16];
  mst_status status = MST_OK;
  mst_type type;
  mst_bytes buffers[4] = {{0}};
  struct ArrowArray *children = NULL, dictionary = {0};
  mst_array_parts parts = {.buffers = buffers};
  MST_TRY(mst_type_parse(schema->format, &type, err));
  parts.n_buffers = (size_t)mst_type_buffers(&type);
  for (size_t i = 1; i < parts.n_buffers; i++) buffers[i] = mst_bytes_borrow(zeros, sizeof zeros);
  MST_TRY_ALLOC(children = mst_alloc_zero(mem, (size_t)schema->n_children + 1, sizeof *children));
  for (; parts.n_children < (size_t)schema->n_children; parts.n_children++)
    MST_TRY(make_empty(mem, schema->children[parts.n_children], &children[parts.n_children], err));
  if (schema->dictionary != NULL) {
    MST_TRY(make_empty(mem, schema->dictionary, &dictionary, err));
    parts.dictionary = &dictionary;
  }
  parts.children = children;
  status = mst_array_make(mem, &parts, out, err);
  parts.n_children = 0;
done:
  for (size_t i = 0; i < parts.n_children; i++) mst_array_release(&children[i]);
  mst_free(mem, children);
  return status;
}

mst_status mst_array_nulls(const mst_allocator *mem, const struct ArrowSchema *schema, int64_t n,
                           struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArray none = {0};
  int64_t *rows = NULL;
  MST_TRY(make_empty(mem, schema, &none, err));
  MST_TRY_ALLOC(rows = mst_alloc_array(mem, (size_t)n + 1, sizeof *rows));
  for (int64_t i = 0; i < n; i++) rows[i] = -1;
  status = mst_array_gather(mem, schema, &none, rows, n, out, err);
done:
  mst_free(mem, rows);
  mst_array_release(&none);
  return status;
}

/* ---- nested
 * ------------------------------------------------------------------------------------------------------------- */

/* Rows [first, first + n) of a child as an array of its own, cast. */
static mst_status cast_part(const casting *c, const struct ArrowSchema *from, const struct ArrowArray *child,
                            int64_t first, int64_t n, const struct ArrowSchema *to, struct ArrowArray *out) {
  mst_status status = MST_OK;
  struct ArrowArray part = *child, copy = {0};
  part.offset += first;
  part.length = n;
  if (part.null_count > 0) part.null_count = -1;
  MST_TRY(mst_array_copy(c->mem, from, &part, &copy, c->err));
  status = mst_array_cast(c->mem, from, &copy, to, out, c->err);
done:
  return status;
}

static mst_status cast_struct(const casting *c, struct ArrowArray *out) {
  mst_status status = MST_OK;
  mst_error *err = c->err;
  const struct ArrowSchema *to = c->to_schema;
  mst_block valid;
  mst_bytes buffers[1] = {{0}};
  struct ArrowArray *children = NULL;
  mst_array_parts parts = {.length = c->array->length, .buffers = buffers, .n_buffers = 1};
  mst_block_init(&valid, c->mem);
  MST_TRY_ALLOC(children = mst_alloc_zero(c->mem, (size_t)to->n_children + 1, sizeof *children));
  MST_TRY(mst_cast_valid(c, &valid, &parts.null_count));
  for (; parts.n_children < (size_t)to->n_children; parts.n_children++) {
    const struct ArrowSchema *field = to->children[parts.n_children];
    struct ArrowArray *made = &children[parts.n_children];
    int64_t number = 0;
    const struct ArrowSchema *from = field_called(c->from_schema, field->name, &number);
    if (from == NULL) MST_TRY(mst_array_nulls(c->mem, field, c->array->length, made, err));
    else MST_TRY(cast_part(c, from, c->array->children[number], c->array->offset, c->array->length, field, made));
  }
  parts.children = children;
  if (parts.null_count > 0) mst_block_take(&valid, &buffers[0]);
  status = mst_array_make(c->mem, &parts, out, err);
  parts.n_children = 0;
done:
  for (size_t i = 0; i < parts.n_children; i++) mst_array_release(&children[i]);
  mst_free(c->mem, children);
  mst_block_free(&valid);
  return status;
}

static int64_t list_offset(const casting *c, int64_t i) {
  const int64_t at = c->array->offset + i;
  if (c->from.layout == MST_LAYOUT_FIXED_LIST) return at * c->from.size;
  if (c->array->length == 0) return 0;
  return c->from.layout == MST_LAYOUT_LIST64 ? ((const int64_t *)c->array->buffers[1])[at]
                                             : ((const int32_t *)c->array->buffers[1])[at];
}

static mst_status list_ends(const casting *c, mst_block *ends) {
  mst_status status = MST_OK;
  const int64_t first = list_offset(c, 0);
  for (int64_t i = 0; i <= c->array->length; i++) {
    const int64_t end = list_offset(c, i) - first;
    const int32_t narrow = (int32_t)end;
    if (c->to.layout == MST_LAYOUT_LIST32 && end > INT32_MAX)
      return mst_fail(c->err, MST_E_LIMIT, "column \"%.80s\" outgrows 32-bit offsets in one array",
                      name_of(c->from_schema));
    MST_TRY(c->to.layout == MST_LAYOUT_LIST64 ? mst_block_put(ends, &end, 8, c->err)
                                              : mst_block_put(ends, &narrow, 4, c->err));
  }
done:
  return status;
}

static mst_status cast_list(const casting *c, struct ArrowArray *out) {
  mst_status status = MST_OK;
  mst_block valid, ends;
  mst_bytes buffers[2] = {{0}};
  struct ArrowArray child = {0};
  const int64_t first = list_offset(c, 0);
  mst_array_parts parts = {.length = c->array->length,
                           .buffers = buffers,
                           .n_buffers = (size_t)mst_type_buffers(&c->to),
                           .children = &child,
                           .n_children = 1};
  mst_block_init(&valid, c->mem);
  mst_block_init(&ends, c->mem);
  MST_TRY(mst_cast_valid(c, &valid, &parts.null_count));
  if (c->to.layout != MST_LAYOUT_FIXED_LIST) MST_TRY(list_ends(c, &ends));
  MST_TRY(cast_part(c, c->from_schema->children[0], c->array->children[0], first,
                    list_offset(c, c->array->length) - first, c->to_schema->children[0], &child));
  if (parts.null_count > 0) mst_block_take(&valid, &buffers[0]);
  if (parts.n_buffers > 1) mst_block_take(&ends, &buffers[1]);
  status = mst_array_make(c->mem, &parts, out, c->err);
done:
  mst_block_free(&valid);
  mst_block_free(&ends);
  return status;
}

/* ---- all of it
 * ------------------------------------------------------------------------------------------------------------ */

static mst_status cast_plain(casting *c, struct ArrowArray *out) {
  mst_status status = MST_OK;
  MST_TRY(mst_type_parse(c->from_schema->format, &c->from, c->err));
  MST_TRY(mst_type_parse(c->to_schema->format, &c->to, c->err));
  if (c->from.kind == MST_KIND_NULL) return mst_array_nulls(c->mem, c->to_schema, c->array->length, out, c->err);
  if (c->from.kind == MST_KIND_STRUCT) return cast_struct(c, out);
  if (is_list(&c->from) || c->from.kind == MST_KIND_FIXED_LIST) return cast_list(c, out);
  if (mst_cast_knows_values(&c->from, &c->to)) return mst_cast_values(c, out);
  status = mst_cast_texts(c, out);
done:
  return status;
}

/* Values of a dictionary-encoded or run-end encoded array, then these as the other type. Takes `array` over. */
static mst_status cast_values_behind(const mst_allocator *mem, const struct ArrowSchema *from, struct ArrowArray *array,
                                     const struct ArrowSchema *to, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArray plain = {0};
  struct ArrowSchema plain_schema = {0};
  MST_TRY(mst_schema_plain(mem, from, &plain_schema, err));
  MST_TRY(mst_array_plain(mem, from, array, &plain, err));
  status = mst_array_cast(mem, &plain_schema, &plain, to, out, err);
done:
  mst_schema_release(&plain_schema);
  mst_array_release(&plain);
  return status;
}

static mst_status cast_to_dictionary(const mst_allocator *mem, const struct ArrowSchema *from, struct ArrowArray *array,
                                     const struct ArrowSchema *to, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArray values = {0};
  MST_TRY(mst_array_cast(mem, from, array, to->dictionary, &values, err));
  status = mst_array_dictionary_encode(mem, to->dictionary, &values, out, err);
done:
  mst_array_release(&values);
  return status;
}

mst_status mst_array_cast(const mst_allocator *mem, const struct ArrowSchema *from, struct ArrowArray *array,
                          const struct ArrowSchema *to, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  casting c = {.mem = mem, .from_schema = from, .to_schema = to, .array = array, .err = err};
  if (same_type(from, to)) {
    *out = *array;
    array->release = NULL;
    return MST_OK;
  }
  if (!mst_schema_can_cast(from, to)) {
    status = mst_fail(err, MST_E_UNSUPPORTED, "column \"%.80s\" of Arrow format \"%.40s\" does not become \"%.40s\"",
                      name_of(from), from->format, to->format);
  } else if (from->dictionary != NULL || mst_text_equal(from->format, "+r")) {
    status = cast_values_behind(mem, from, array, to, out, err);
  } else if (to->dictionary != NULL) {
    status = cast_to_dictionary(mem, from, array, to, out, err);
  } else {
    status = cast_plain(&c, out);
  }
  mst_array_release(array);
  return status;
}
