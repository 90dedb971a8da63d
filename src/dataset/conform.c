/* dataset/conform.c - see conform.h. */
#include "dataset/conform.h"

typedef struct field {
  mst_conform_field as;
  int64_t at; /* in what is read; -1: not in the file */
} field;

struct mst_conform {
  const mst_allocator *mem;
  field *fields;
  size_t n;
  const char **columns; /* borrowed from the fields */
  size_t n_columns;
  struct ArrowSchema read; /* of what is read */
};

int64_t mst_schema_find(const struct ArrowSchema *schema, const char *name) {
  for (int64_t i = 0; i < schema->n_children; i++)
    if (schema->children[i]->name != NULL && strcmp(schema->children[i]->name, name) == 0) return i;
  return -1;
}

/* ---- arrays ---------------------------------------------------------------------------------------------------- */

mst_status mst_array_repeat(const mst_allocator *mem, const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t row,
                            int64_t n, struct ArrowArray *out, mst_error *err) {
  int64_t *rows = mst_alloc_array(mem, (size_t)n, sizeof *rows);
  if (rows == NULL) return mst_fail_memory(err);
  for (int64_t i = 0; i < n; i++) rows[i] = row;
  mst_status status = mst_array_gather(mem, schema, array, rows, n, out, err);
  mst_free(mem, rows);
  return status;
}

mst_status mst_batch_make(const mst_allocator *mem, struct ArrowArray *columns, size_t n, int64_t rows, struct ArrowArray *out,
                          mst_error *err) {
  mst_bytes none = {0};
  const mst_array_parts parts = {.length = rows, .buffers = &none, .n_buffers = 1, .children = columns, .n_children = n};
  return mst_array_make(mem, &parts, out, err);
}

void mst_batch_move(struct ArrowArray *batch, size_t i, struct ArrowArray *out) {
  struct ArrowArray *child = batch->children[i];
  *out = *child;
  child->release = NULL;
  if (batch->offset == 0 && batch->length == out->length) return;
  out->offset += batch->offset;
  out->length = batch->length;
  if (out->null_count != 0) out->null_count = -1;
}

/* ---- making ---------------------------------------------------------------------------------------------------- */

static mst_status find_columns(mst_conform *c, const struct ArrowSchema *file, const mst_conform_field *fields, mst_error *err) {
  for (size_t i = 0; i < c->n; i++) {
    field *f = &c->fields[i];
    *f = (field){.as = fields[i], .at = -1};
    const int64_t at = f->as.key != NULL ? -1 : mst_schema_find(file, f->as.type->name);
    if (at < 0) continue;
    if (!mst_schema_can_cast(file->children[at], f->as.type))
      return mst_fail(err, MST_E_CORRUPT, "column \"%s\" is of Arrow type \"%s\" in this file and \"%s\" in the table", f->as.type->name,
                      file->children[at]->format, f->as.type->format);
    f->at = (int64_t)c->n_columns;
    c->columns[c->n_columns++] = f->as.type->name;
  }
  return MST_OK;
}

static mst_status make_read_schema(mst_conform *c, const struct ArrowSchema *file, mst_error *err) {
  mst_status status = mst_schema_node(c->mem, "+s", "", 0, c->n_columns, &c->read, err);
  for (size_t i = 0; status == MST_OK && i < c->n_columns; i++)
    status = mst_schema_copy(c->mem, file->children[mst_schema_find(file, c->columns[i])], c->read.children[i], err);
  return status;
}

mst_status mst_conform_new(const mst_allocator *mem, const struct ArrowSchema *file, const mst_conform_field *fields, size_t n,
                           mst_conform **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_conform *c = mst_alloc_zero(mem, 1, sizeof *c);
  if (c == NULL) return mst_fail_memory(err);
  c->mem = mem;
  c->n = n;
  MST_TRY_ALLOC(c->fields = mst_alloc_zero(mem, n, sizeof *c->fields));
  MST_TRY_ALLOC(c->columns = mst_alloc_zero(mem, n, sizeof *c->columns));
  MST_TRY(find_columns(c, file, fields, err));
  MST_TRY(make_read_schema(c, file, err));
  *out = c;
  c = NULL;
done:
  mst_conform_free(c);
  return status;
}

void mst_conform_free(mst_conform *c) {
  if (c == NULL) return;
  mst_schema_release(&c->read);
  mst_free(c->mem, c->fields);
  mst_free(c->mem, c->columns);
  mst_free(c->mem, c);
}

const char *const *mst_conform_columns(const mst_conform *c, size_t *n) {
  *n = c->n_columns;
  return c->columns;
}

/* ---- applying -------------------------------------------------------------------------------------------------- */

static mst_status make_column(mst_conform *c, const field *f, struct ArrowArray *batch, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArray column = {0};
  if (f->as.key != NULL) {
    MST_TRY(mst_array_repeat(c->mem, f->as.key_type, f->as.key, f->as.row, batch->length, &column, err));
    return mst_array_cast(c->mem, f->as.key_type, &column, f->as.type, out, err);
  }
  if (f->at < 0) return mst_array_nulls(c->mem, f->as.type, batch->length, out, err);
  mst_batch_move(batch, (size_t)f->at, &column);
  return mst_array_cast(c->mem, c->read.children[f->at], &column, f->as.type, out, err);
done:
  return status;
}

mst_status mst_conform_apply(mst_conform *c, struct ArrowArray *batch, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  size_t made = 0;
  const int64_t rows = batch->length;
  struct ArrowArray *columns = mst_alloc_zero(c->mem, c->n, sizeof *columns);
  MST_TRY_ALLOC(columns);
  if ((size_t)batch->n_children != c->n_columns) {
    status = mst_fail(err, MST_E_INTERNAL, "%lld columns were read instead of %zu", (long long)batch->n_children, c->n_columns);
    goto done;
  }
  for (; made < c->n; made++) MST_TRY(make_column(c, &c->fields[made], batch, &columns[made], err));
  status = mst_batch_make(c->mem, columns, made, rows, out, err);
  made = 0;
done:
  for (size_t i = 0; i < made; i++) mst_array_release(&columns[i]);
  mst_free(c->mem, columns);
  mst_array_release(batch);
  return status;
}
