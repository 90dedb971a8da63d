/* dataset/stats_rows.c - builds and reads rows of statistics. May call: base, column, expr. */
#include "dataset/stats_rows.h"

#include <stdio.h>

enum { NAME_MAX_BYTES = 512 };
static const char *const parts[MST_STATS_EACH] = {"min", "max", "nulls", "nan_free"};

static bool has_scalars(const struct ArrowSchema *field) {
  mst_type type;
  if (field->dictionary != NULL || mst_type_parse(field->format, &type, NULL) != MST_OK) return false;
  return mst_type_scalar(&type) != MST_SCALAR_NULL && mst_type_is_ordered(&type) &&
         strlen(field->name) < NAME_MAX_BYTES - 16;
}

static const char *part_format(const struct ArrowSchema *field, size_t part) {
  return part < 2 ? field->format : part == 2 ? "l" : "b";
}

static mst_status add_field(mst_stat_rows *r, const char *format, const char *name, size_t at, mst_error *err) {
  return mst_schema_node(r->mem, format, name, ARROW_FLAG_NULLABLE, 0, r->schema.children[at], err);
}

static mst_status make_schema(mst_stat_rows *r, const struct ArrowSchema *table, mst_error *err) {
  mst_status status = MST_OK;
  char name[NAME_MAX_BYTES];
  for (int64_t i = 0; i < table->n_children; i++)
    if (has_scalars(table->children[i])) r->of[r->n_columns++] = table->children[i];
  MST_TRY(mst_schema_node(r->mem, "+s", "", 0, MST_STATS_FIRST + MST_STATS_EACH * r->n_columns, &r->schema, err));
  MST_TRY(add_field(r, "u", "label", 0, err));
  MST_TRY(add_field(r, "l", "rows", 1, err));
  for (size_t i = 0; i < r->n_columns; i++)
    for (size_t k = 0; k < MST_STATS_EACH; k++) {
      (void)snprintf(name, sizeof name, "%s:%s", parts[k], r->of[i]->name);
      MST_TRY(add_field(r, part_format(r->of[i], k), name, MST_STATS_FIRST + MST_STATS_EACH * i + k, err));
    }
done:
  return status;
}

mst_status mst_stat_rows_open(const mst_allocator *mem, const struct ArrowSchema *table, mst_stat_rows *out,
                              mst_error *err) {
  mst_status status = MST_OK;
  mst_stat_rows r = {.mem = mem};
  MST_TRY_ALLOC(r.of = mst_alloc_array(mem, (size_t)table->n_children + 1, sizeof *r.of));
  MST_TRY(make_schema(&r, table, err));
  MST_TRY_ALLOC(r.builders = mst_alloc_zero(mem, (size_t)r.schema.n_children, sizeof *r.builders));
  for (; r.n_builders < (size_t)r.schema.n_children; r.n_builders++)
    MST_TRY(mst_builder_from_schema(mem, r.schema.children[r.n_builders], &r.builders[r.n_builders], err));
  *out = r;
  return MST_OK;
done:
  mst_stat_rows_free(&r);
  return status;
}

void mst_stat_rows_free(mst_stat_rows *r) {
  for (size_t i = 0; i < r->n_builders; i++) mst_builder_free(r->builders[i]);
  mst_free(r->mem, r->builders);
  mst_free(r->mem, (void *)(uintptr_t)r->of);
  mst_schema_release(&r->schema);
  *r = (mst_stat_rows){0};
}

static mst_status put_scalar(mst_builder *b, const struct ArrowSchema *field, const mst_scalar *v, mst_error *err) {
  mst_type type;
  mst_status status = mst_type_parse(field->format, &type, err);
  if (status != MST_OK) return status;
  switch (v->kind) {
  case MST_SCALAR_INT:
    return type.kind == MST_KIND_BOOL ? mst_builder_bool(b, v->as.i != 0, err) : mst_builder_i64(b, v->as.i, err);
  case MST_SCALAR_UINT: return mst_builder_u64(b, v->as.u, err);
  case MST_SCALAR_DOUBLE:
    return type.kind == MST_KIND_HALF ? mst_builder_null(b, err) : mst_builder_f64(b, v->as.f, err);
  case MST_SCALAR_WIDE: return mst_builder_fixed(b, &v->as.wide, 1, err); /* the low limbs come first */
  case MST_SCALAR_BYTES:
    if (type.layout == MST_LAYOUT_FIXED && v->as.bytes.size != type.width) return mst_builder_null(b, err);
    return type.layout == MST_LAYOUT_FIXED ? mst_builder_fixed(b, v->as.bytes.data, 1, err)
                                           : mst_builder_bytes(b, v->as.bytes.data, v->as.bytes.size, err);
  default: return mst_builder_null(b, err);
  }
}

static mst_status put_column(mst_stat_rows *r, size_t i, const mst_bounds *b, mst_error *err) {
  mst_status status = MST_OK;
  mst_builder **at = r->builders + MST_STATS_FIRST + MST_STATS_EACH * i;
  const bool both = b->has_min && b->has_max;
  if (both) {
    MST_TRY(put_scalar(at[0], r->of[i], &b->min, err));
    MST_TRY(put_scalar(at[1], r->of[i], &b->max, err));
  } else {
    MST_TRY(mst_builder_null(at[0], err));
    MST_TRY(mst_builder_null(at[1], err));
  }
  if (b->has_nulls) MST_TRY(mst_builder_i64(at[2], (int64_t)mst_min_u64(b->nulls, INT64_MAX), err));
  else MST_TRY(mst_builder_null(at[2], err));
  MST_TRY(mst_builder_bool(at[3], b->nan_free, err));
done:
  return status;
}

mst_status mst_stat_rows_put(mst_stat_rows *r, const char *label, uint64_t rows, mst_stats_bounds_fn bounds, void *self,
                             mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(mst_builder_bytes(r->builders[0], label, strlen(label), err));
  if (rows <= INT64_MAX) MST_TRY(mst_builder_i64(r->builders[1], (int64_t)rows, err));
  else MST_TRY(mst_builder_null(r->builders[1], err));
  for (size_t i = 0; i < r->n_columns; i++) {
    mst_bounds b = {0};
    if (!bounds(self, r->of[i], &b)) b = (mst_bounds){0};
    MST_TRY(put_column(r, i, &b, err));
  }
  r->n++;
done:
  return status;
}

mst_status mst_stat_rows_take(mst_stat_rows *r, struct ArrowArray *out, mst_error *err) {
  mst_status status = mst_batch_take(r->mem, r->builders, r->n_builders, out, err);
  if (status == MST_OK) r->n = 0;
  return status;
}

static bool is_text(const char *format) { return strcmp(format, "u") == 0 || strcmp(format, "U") == 0; }
static bool is_bytes(const char *format) { return strcmp(format, "z") == 0 || strcmp(format, "Z") == 0; }

static bool same_type(const struct ArrowSchema *a, const struct ArrowSchema *b) {
  return strcmp(a->format, b->format) == 0 || (is_text(a->format) && is_text(b->format)) ||
         (is_bytes(a->format) && is_bytes(b->format));
}

static bool at(const struct ArrowSchema *schema, const struct ArrowArray *batch, int64_t column, int64_t row,
               mst_scalar *out) {
  return mst_scalar_at(schema->children[column], batch->children[column], row, out, NULL) == MST_OK &&
         out->kind != MST_SCALAR_NULL;
}

bool mst_stat_rows_bounds(const struct ArrowSchema *schema, const struct ArrowArray *batch, int64_t row,
                          const struct ArrowSchema *field, mst_bounds *out) {
  const size_t n = strlen(parts[0]) + 1;
  mst_scalar v;
  *out = (mst_bounds){0};
  for (int64_t i = MST_STATS_FIRST; i + MST_STATS_EACH <= schema->n_children; i += MST_STATS_EACH) {
    const struct ArrowSchema *min = schema->children[i];
    if (strncmp(min->name, "min:", n) != 0 || strcmp(min->name + n, field->name) != 0) continue;
    if (same_type(min, field)) {
      out->has_min = at(schema, batch, i, row, &out->min);
      out->has_max = at(schema, batch, i + 1, row, &out->max);
    }
    out->has_nulls = at(schema, batch, i + 2, row, &v) && v.as.i >= 0;
    if (out->has_nulls) out->nulls = (uint64_t)v.as.i;
    out->nan_free = at(schema, batch, i + 3, row, &v) && v.as.i != 0;
    return true;
  }
  return false;
}
