/* dataset/schema.c - see schema.h: schemas of tables brought to one form, compared, united, evolved. `_common_metadata` itself is in
 * common.c. */
#include "dataset/schema.h"

#include "dataset/pandas.h"

int64_t mst_table_schema_find(const struct ArrowSchema *schema, const char *column) {
  for (int64_t i = 0; i < schema->n_children; i++)
    if (strcmp(schema->children[i]->name, column) == 0) return i;
  return -1;
}

bool mst_pandas_is_index(const struct ArrowSchema *schema, const char *column) {
  json_t *pandas = NULL;
  bool found = false;
  if (mst_pandas_of(schema, &pandas, NULL) == MST_OK) found = mst_pandas_names_index(pandas, column);
  json_decref(pandas);
  return found;
}

/* ---- the normal form of a type ---------------------------------------------------------------------------------- */

/* The format of a flat type in its normal form; NULL: as it is. `text`: "u", "U", or NULL to leave the kind of text. */
static const char *normal_format(const mst_type *t, const char *text, char out[128]) {
  if (mst_type_is_integer(t)) return mst_type_is_signed(t) ? "l" : "L";
  switch (t->kind) {
  case MST_KIND_HALF:
  case MST_KIND_FLOAT:
  case MST_KIND_DOUBLE: return "g";
  case MST_KIND_TEXT: return text != NULL ? text : t->layout == MST_LAYOUT_OFFSETS64 ? "U" : "u";
  case MST_KIND_BYTES: return "z";
  case MST_KIND_DATE32:
  case MST_KIND_DATE64: return "tdD";
  case MST_KIND_TIME32: return "ttu";
  case MST_KIND_DURATION: return "tDu";
  case MST_KIND_TIMESTAMP: snprintf(out, 128, "tsu:%.100s", t->zone); return out;
  default: return NULL;
  }
}

static mst_status copy_field(const mst_allocator *mem, const struct ArrowSchema *from, const char *name, struct ArrowSchema *out,
                             mst_error *err) {
  mst_status status = mst_schema_node(mem, from->format, name, ARROW_FLAG_NULLABLE | (from->flags & ARROW_FLAG_MAP_KEYS_SORTED),
                                      (size_t)from->n_children, out, err);
  for (int64_t i = 0; i < from->n_children && status == MST_OK; i++) {
    status = copy_field(mem, from->children[i], from->children[i]->name, out->children[i], err);
    /* What a format demands of its children (the entries of maps) stays. */
    out->children[i]->flags = from->children[i]->flags;
  }
  if (status != MST_OK) mst_schema_release(out);
  return status;
}

static mst_status normal_field(const mst_allocator *mem, const struct ArrowSchema *from, const char *name, const char *text,
                               struct ArrowSchema *out, mst_error *err);

static mst_status normal_list(const mst_allocator *mem, const struct ArrowSchema *from, const char *name, struct ArrowSchema *out,
                              mst_error *err) {
  mst_status status = mst_schema_node(mem, "+l", name, ARROW_FLAG_NULLABLE, 1, out, err);
  /* Lists of text come from pandas as plain text, never as large text. */
  if (status == MST_OK) status = normal_field(mem, from->children[0], "element", "u", out->children[0], err);
  if (status != MST_OK) mst_schema_release(out);
  return status;
}

static mst_status normal_field(const mst_allocator *mem, const struct ArrowSchema *from, const char *name, const char *text,
                               struct ArrowSchema *out, mst_error *err) {
  mst_type t;
  char space[128];
  struct ArrowSchema plain = {0};
  if (from->dictionary != NULL) return normal_field(mem, from->dictionary, name, text, out, err);
  mst_status status = mst_type_parse(from->format, &t, err);
  if (status != MST_OK) return status;
  if (t.kind == MST_KIND_RUN_END && from->n_children == 2) return normal_field(mem, from->children[1], name, text, out, err);
  if (t.kind == MST_KIND_LIST) return normal_list(mem, from, name, out, err);
  const char *format = normal_format(&t, text, space);
  if (format != NULL) return mst_schema_node(mem, format, name, ARROW_FLAG_NULLABLE, 0, out, err);
  if (from->n_children == 0) return mst_schema_node(mem, from->format, name, ARROW_FLAG_NULLABLE, 0, out, err);
  status = mst_schema_plain(mem, from, &plain, err);
  if (status == MST_OK) status = copy_field(mem, &plain, name, out, err);
  mst_schema_release(&plain);
  return status;
}

/* ---- the normal form of a table --------------------------------------------------------------------------------- */

/* The kind of text that plateau would store for this column; NULL: as it is. */
static const char *kept_text(const json_t *pandas, const char *column) {
  const char *numpy = json_string_value(json_object_get(mst_pandas_column(pandas, column), "numpy_type"));
  if (numpy == NULL) return NULL;
  return strcmp(numpy, "string") == 0 ? "u" : "U";
}

typedef struct order {
  const struct ArrowSchema *frame;
  const int64_t *rank; /* of partition keys: their place; else n_keys */
} order;

static bool comes_before(const order *o, int64_t a, int64_t b) {
  if (o->rank[a] != o->rank[b]) return o->rank[a] < o->rank[b];
  return strcmp(o->frame->children[a]->name, o->frame->children[b]->name) < 0; /* bytes of UTF-8 sort as code points */
}

static void sink_down(const order *o, int64_t *heap, size_t at, size_t n) {
  for (;;) {
    size_t top = at, left = 2 * at + 1, right = left + 1;
    if (left < n && comes_before(o, heap[top], heap[left])) top = left;
    if (right < n && comes_before(o, heap[top], heap[right])) top = right;
    if (top == at) return;
    const int64_t swap = heap[at];
    heap[at] = heap[top];
    heap[top] = swap;
    at = top;
  }
}

/* Heapsort: tables may have thousands of columns, and qsort takes no context. */
static void sort_columns(const order *o, int64_t *columns, size_t n) {
  for (size_t i = n / 2; i > 0; i--) sink_down(o, columns, i - 1, n);
  for (size_t i = n; i > 1; i--) {
    const int64_t swap = columns[0];
    columns[0] = columns[i - 1];
    columns[i - 1] = swap;
    sink_down(o, columns, 0, i - 1);
  }
}

/* Numbers of the frame's columns in the table's order. */
static mst_status order_columns(const mst_allocator *mem, const struct ArrowSchema *frame, const json_t *pandas, const char *const *keys,
                                size_t n_keys, int64_t *columns, size_t *n, mst_error *err) {
  mst_status status = MST_OK;
  int64_t *rank;
  size_t keys_found = 0;
  *n = 0;
  MST_TRY_ALLOC(rank = mst_alloc_array(mem, (size_t)frame->n_children + 1, sizeof *rank));
  for (int64_t i = 0; i < frame->n_children; i++) {
    if (mst_pandas_names_index(pandas, frame->children[i]->name)) continue;
    rank[i] = (int64_t)n_keys;
    for (size_t k = 0; k < n_keys; k++)
      if (strcmp(keys[k], frame->children[i]->name) == 0) rank[i] = (int64_t)k;
    keys_found += rank[i] < (int64_t)n_keys;
    columns[(*n)++] = i;
  }
  const order o = {.frame = frame, .rank = rank};
  sort_columns(&o, columns, *n);
  for (size_t i = 1; i < *n && status == MST_OK; i++)
    if (strcmp(frame->children[columns[i - 1]]->name, frame->children[columns[i]]->name) == 0)
      status = mst_fail(err, MST_E_ARGUMENT, "duplicate column name \"%.100s\"", frame->children[columns[i]]->name);
  for (size_t k = 0; k < n_keys && status == MST_OK && keys_found < n_keys; k++)
    if (k >= *n || strcmp(frame->children[columns[k]]->name, keys[k]) != 0)
      status = mst_fail(err, MST_E_ARGUMENT, "Partition column(s) missing: \"%.100s\" is no column of the data", keys[k]);
  if (status == MST_OK && n_keys > 0 && *n == n_keys)
    status = mst_fail(err, MST_E_ARGUMENT, "No data left to save outside partition columns");
done:
  mst_free(mem, rank);
  return status;
}

mst_status mst_table_schema_normal(const mst_allocator *mem, const struct ArrowSchema *frame, const char *const *keys, size_t n_keys,
                                   uint32_t flags, struct ArrowSchema *out, mst_error *err) {
  mst_status status = MST_OK;
  const bool keep = (flags & MST_SCHEMA_KEEP_TEXT) != 0;
  struct ArrowSchema made = {0};
  json_t *pandas = NULL;
  int64_t *columns = NULL;
  size_t n = 0;
  if (strcmp(frame->format, "+s") != 0) return mst_fail(err, MST_E_ARGUMENT, "data must be record batches, found format \"%.40s\"", frame->format);
  MST_TRY(mst_pandas_of(frame, &pandas, err));
  if (mst_pandas_index_levels(pandas) > 1) MST_TRY(mst_fail(err, MST_E_UNSUPPORTED, "Treatment of MultiIndex not implemented."));
  MST_TRY_ALLOC(columns = mst_alloc_array(mem, (size_t)frame->n_children + 1, sizeof *columns));
  MST_TRY(order_columns(mem, frame, pandas, keys, n_keys, columns, &n, err));
  MST_TRY(mst_schema_node(mem, "+s", "", 0, n, &made, err));
  for (size_t i = 0; i < n; i++) {
    const struct ArrowSchema *field = frame->children[columns[i]];
    MST_TRY(normal_field(mem, field, field->name, keep ? kept_text(pandas, field->name) : "U", made.children[i], err));
  }
  MST_TRY(mst_pandas_set(&made, pandas, keep, err));
  *out = made;
  made.release = NULL;
done:
  mst_schema_release(&made);
  mst_free(mem, columns);
  json_decref(pandas);
  return status;
}

/* ---- comparing -------------------------------------------------------------------------------------------------- */

static bool is_text(const char *format) { return strcmp(format, "u") == 0 || strcmp(format, "U") == 0 || strcmp(format, "vu") == 0; }
static bool is_null(const struct ArrowSchema *field) { return strcmp(field->format, "n") == 0; }

static bool same_type(const struct ArrowSchema *a, const struct ArrowSchema *b, bool one_text) {
  if (strcmp(a->format, b->format) != 0 && !(one_text && is_text(a->format) && is_text(b->format))) return false;
  if (a->n_children != b->n_children || (a->dictionary == NULL) != (b->dictionary == NULL)) return false;
  if (a->dictionary != NULL && !same_type(a->dictionary, b->dictionary, one_text)) return false;
  for (int64_t i = 0; i < a->n_children; i++) {
    if (a->format[0] == '+' && a->format[1] == 's' && strcmp(a->children[i]->name, b->children[i]->name) != 0) return false;
    if (!same_type(a->children[i], b->children[i], one_text)) return false;
  }
  return true;
}

bool mst_table_schema_same(const struct ArrowSchema *a, const struct ArrowSchema *b) { return same_type(a, b, false); }

/* What is wrong between two schemas, a clause each. */
static mst_status list_differences(const struct ArrowSchema *stored, const struct ArrowSchema *added, mst_buf *out, mst_error *err) {
  mst_status status = MST_OK;
  for (int64_t i = 0; i < stored->n_children && status == MST_OK; i++) {
    const struct ArrowSchema *a = stored->children[i];
    const int64_t at = mst_table_schema_find(added, a->name);
    if (at < 0) status = mst_buf_printf(out, err, "; \"%.80s\" (%.40s) is missing", a->name, a->format);
    else if (!is_null(a) && !is_null(added->children[at]) && !same_type(a, added->children[at], true))
      status = mst_buf_printf(out, err, "; \"%.80s\" is of Arrow type %.40s, not %.40s", a->name, added->children[at]->format, a->format);
  }
  for (int64_t i = 0; i < added->n_children && status == MST_OK; i++)
    if (mst_table_schema_find(stored, added->children[i]->name) < 0)
      status = mst_buf_printf(out, err, "; the table has no column \"%.80s\"", added->children[i]->name);
  return status;
}

/* `stored` with the types of `added` where it has none. */
static mst_status fill_nulls(const mst_allocator *mem, const struct ArrowSchema *stored, const struct ArrowSchema *added,
                             struct ArrowSchema *out, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowSchema made = {0};
  json_t *pandas = NULL;
  bool changed = false;
  MST_TRY(mst_schema_node(mem, "+s", "", 0, (size_t)stored->n_children, &made, err));
  for (int64_t i = 0; i < stored->n_children; i++) {
    const struct ArrowSchema *field = stored->children[i];
    const int64_t at = is_null(field) ? mst_table_schema_find(added, field->name) : -1;
    if (at >= 0 && !is_null(added->children[at])) {
      field = added->children[at];
      changed = true;
    }
    MST_TRY(mst_schema_copy(mem, field, made.children[i], err));
  }
  MST_TRY(mst_schema_set_metadata(&made, stored->metadata, err));
  if (changed || stored->metadata == NULL) {
    MST_TRY(mst_pandas_of(stored, &pandas, err));
    MST_TRY(mst_pandas_set(&made, pandas, pandas != NULL, err));
  }
  *out = made;
  made.release = NULL;
done:
  json_decref(pandas);
  mst_schema_release(&made);
  return status;
}

mst_status mst_table_schema_unite(const mst_allocator *mem, const struct ArrowSchema *stored, const struct ArrowSchema *added,
                                  const char *uuid, const char *origin, struct ArrowSchema *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_buf text;
  mst_buf_init(&text, mem, SIZE_MAX / 2);
  MST_TRY(list_differences(stored, added, &text, err));
  if (text.size > 0)
    MST_TRY(mst_fail(err, MST_E_ARGUMENT,
                     "the columns of %.100s are not those of dataset '%.60s' (schema violation)%.600s", origin, uuid, mst_buf_text(&text)));
  MST_TRY(fill_nulls(mem, stored, added, out, err));
done:
  mst_buf_free(&text);
  return status;
}

/* ---- evolution -------------------------------------------------------------------------------------------------- */

/* Whether every value of `from` is one of `to`. */
static bool is_wider(const struct ArrowSchema *from, const struct ArrowSchema *to) {
  mst_type a, b;
  if (is_null(from) || same_type(from, to, true)) return true;
  if (mst_type_parse(from->format, &a, NULL) != MST_OK || mst_type_parse(to->format, &b, NULL) != MST_OK) return false;
  if (a.kind == MST_KIND_LIST && b.kind == MST_KIND_LIST) return is_wider(from->children[0], to->children[0]);
  if (mst_type_is_integer(&a) && b.kind == MST_KIND_DOUBLE) return true;
  if (mst_type_is_integer(&a) && b.kind == MST_KIND_DECIMAL) return b.precision - b.scale >= 20;
  if (a.kind == MST_KIND_DATE32 && b.kind == MST_KIND_TIMESTAMP) return b.zone[0] == '\0';
  return a.kind == MST_KIND_DECIMAL && b.kind == MST_KIND_DECIMAL && b.scale >= a.scale && b.precision - b.scale >= a.precision - a.scale;
}

mst_status mst_table_schema_evolve(const mst_allocator *mem, const struct ArrowSchema *stored, const struct ArrowSchema *wanted,
                                   const char *const *keys, size_t n_keys, struct ArrowSchema *out, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowSchema made = {0};
  MST_TRY(mst_table_schema_normal(mem, wanted, keys, n_keys, 0, &made, err));
  for (int64_t i = 0; i < stored->n_children; i++) {
    const struct ArrowSchema *field = stored->children[i];
    const int64_t at = mst_table_schema_find(&made, field->name);
    if (at < 0) MST_TRY(mst_fail(err, MST_E_ARGUMENT, "the new schema lacks the column \"%.100s\"", field->name));
    struct ArrowSchema *to = made.children[at];
    bool fits = is_wider(field, to);
    for (size_t k = 0; k < n_keys; k++) /* values of keys are read from their texts */
      if (strcmp(keys[k], field->name) == 0) fits = is_null(field) || same_type(field, to, true);
    if (!fits)
      MST_TRY(mst_fail(err, MST_E_ARGUMENT, "column \"%.100s\" cannot become \"%.40s\": not every \"%.40s\" is one", field->name, to->format,
                       field->format));
    if (!same_type(field, to, true)) continue;
    mst_schema_release(to); /* the stored kind of text stays */
    MST_TRY(mst_schema_copy(mem, field, to, err));
  }
  MST_TRY(mst_pandas_set(&made, NULL, false, err));
  *out = made;
  made.release = NULL;
done:
  mst_schema_release(&made);
  return status;
}
