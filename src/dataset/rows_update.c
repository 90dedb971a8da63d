/* dataset/rows_update.c - rows that meet a condition get new values in some columns. Files that hold such rows are written anew, in row
 * order; when a partition key is set, the rows leave their files and are written to the partitions that they now belong to.
 *
 * Owns: parsed values to set. May call: base, column, expr, dataset's own headers. */
#include "dataset/conform.h"
#include "dataset/dataset.h"
#include "dataset/rows.h"
#include "dataset/value.h"

/* One column's new value: an array of one row in the column's type. */
typedef struct setting {
  size_t column; /* of the table's schema */
  struct ArrowArray value;
} setting;

typedef struct update {
  mst_change *change;
  mst_dataset *view;
  const mst_allocator *mem;
  setting *set;
  size_t n_set;
  bool moves; /* a partition key is set */
  mst_where *where;
  mst_predicate *predicate; /* bound to all columns of the table */
  mst_touched_list list;
  size_t *columns, n_columns; /* of data files */
} update;

static void end(update *u) {
  for (size_t i = 0; u->set != NULL && i < u->n_set; i++) mst_array_release(&u->set[i].value);
  mst_free(u->mem, u->set);
  mst_free(u->mem, u->columns);
  mst_touched_free(&u->list);
  mst_predicate_unref(u->predicate);
  mst_where_unref(u->where);
  mst_ds_unref(u->view);
}

/* ---- values in a column's type ---------------------------------------------------------------------------------- */

static mst_status bad_value(const struct ArrowSchema *field, const json_t *value, mst_error *err) {
  mst_buf text;
  mst_buf_init(&text, NULL, 1 << 20);
  const int shown = mst_json_print(value, &text, NULL) == MST_OK ? (int)mst_min_size(text.size, 100) : 0;
  const mst_status status = mst_fail(err, MST_E_ARGUMENT, "%.*s is no value for the column \"%s\" of Arrow type \"%s\"", shown,
                                     shown == 0 ? "" : (const char *)text.data, field->name, field->format);
  mst_buf_free(&text);
  return status;
}

static mst_status put_scalar(mst_builder *b, const struct ArrowSchema *field, const mst_scalar *v, mst_error *err) {
  mst_type type;
  uint8_t wide[32];
  const mst_status status = mst_type_parse(field->format, &type, err);
  if (status != MST_OK) return status;
  switch (v->kind) {
    case MST_SCALAR_NULL: return mst_builder_null(b, err);
    case MST_SCALAR_INT: return type.kind == MST_KIND_BOOL ? mst_builder_bool(b, v->as.i != 0, err) : mst_builder_i64(b, v->as.i, err);
    case MST_SCALAR_UINT: return mst_builder_u64(b, v->as.u, err);
    case MST_SCALAR_DOUBLE: return mst_builder_f64(b, v->as.f, err);
    case MST_SCALAR_BYTES: return mst_builder_bytes(b, v->as.bytes.data, v->as.bytes.size, err);
    case MST_SCALAR_WIDE:
      if (!mst_wide_store(&v->as.wide, type.width, wide)) return mst_fail(err, MST_E_ARGUMENT, "a number does not fit the column \"%s\"", field->name);
      return mst_builder_fixed(b, wide, 1, err);
  }
  return mst_fail(err, MST_E_INTERNAL, "a scalar of an unknown kind");
}

static mst_status array_of(const update *u, const struct ArrowSchema *field, const mst_scalar *v, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_builder *b = NULL;
  MST_TRY(mst_builder_from_schema(u->mem, field, &b, err));
  MST_TRY(put_scalar(b, field, v, err));
  MST_TRY(mst_builder_take(b, out, err));
done:
  mst_builder_free(b);
  return status;
}

/* Text stands for a value of the column as it does in a condition: the value that `column == 'text'` would look for. */
static mst_status array_of_text(const update *u, const struct ArrowSchema *field, const json_t *value, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_where *w = NULL;
  mst_predicate *p = NULL;
  mst_value_set found = {0};
  const mst_literal literal = {.kind = MST_LITERAL_TEXT, .as.text = {json_string_value(value), json_string_length(value)}};
  MST_TRY(mst_where_compare(u->mem, field->name, MST_EQ, &literal, &w, err));
  if (mst_predicate_bind(u->mem, w, &u->view->schema, &p, NULL) == MST_OK) MST_TRY(mst_predicate_values(p, 0, &found, err));
  if (p != NULL && !found.any && found.n >= 1) status = array_of(u, field, &found.values[0], out, err);
  else status = bad_value(field, value, err);
done:
  if (p != NULL) mst_value_set_free(&found);
  mst_predicate_unref(p);
  mst_where_unref(w);
  return status;
}

/* By way of an array of the JSON value's own type, cast exactly. */
static mst_status array_of_number(const update *u, const struct ArrowSchema *field, const json_t *value, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowSchema own = {0};
  struct ArrowArray one = {0};
  mst_scalar v = mst_scalar_double(json_real_value(value));
  const char *format = "g";
  if (json_is_integer(value)) {
    v = mst_scalar_int(json_integer_value(value));
    format = "l";
  } else if (json_is_boolean(value)) {
    v = mst_scalar_int(json_is_true(value));
    format = "b";
  }
  MST_TRY(mst_schema_node(u->mem, format, field->name, 2, 0, &own, err));
  MST_TRY(array_of(u, &own, &v, &one, err));
  if (!mst_schema_can_cast(&own, field) || (json_is_boolean(value) && !mst_text_equal(field->format, "b"))) status = bad_value(field, value, err);
  else status = mst_array_cast(u->mem, &own, &one, field, out, err);
done:
  mst_array_release(&one);
  mst_schema_release(&own);
  return status;
}

static mst_status array_of_json(const update *u, const struct ArrowSchema *field, const json_t *value, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_scalar v;
  mst_buf scratch;
  if (json_is_null(value)) return mst_array_nulls(u->mem, field, 1, out, err);
  if (json_is_string(value)) {
    mst_type type;
    status = mst_type_parse(field->format, &type, err);
    if (status != MST_OK) return status;
    v = mst_scalar_bytes(json_string_value(value), json_string_length(value));
    if (type.kind == MST_KIND_TEXT || type.kind == MST_KIND_BYTES) return array_of(u, field, &v, out, err);
    return array_of_text(u, field, value, out, err);
  }
  if (json_is_number(value) || json_is_boolean(value)) return array_of_number(u, field, value, out, err);
  mst_buf_init(&scratch, u->mem, (size_t)16 << 20);
  if (!json_is_object(value) || mst_scalar_from_json(field, value, &scratch, &v, NULL) != MST_OK) status = bad_value(field, value, err);
  else status = array_of(u, field, &v, out, err);
  mst_buf_free(&scratch);
  return status;
}

static mst_status parse_set(update *u, const char *set_json, mst_error *err) {
  mst_status status = MST_OK;
  json_t *map = NULL, *value = NULL;
  const char *name = NULL;
  MST_TRY(mst_json_parse(set_json, strlen(set_json), (size_t)16 << 20, "the values to set", &map, err));
  if (!json_is_object(map) || json_object_size(map) == 0) {
    status = mst_fail(err, MST_E_ARGUMENT, "the values to set are a JSON object that names at least one column");
    goto done;
  }
  MST_TRY_ALLOC(u->set = mst_alloc_zero(u->mem, json_object_size(map), sizeof *u->set));
  json_object_foreach(map, name, value) {
    setting *s = &u->set[u->n_set];
    MST_TRY(mst_columns_find(u->view, &name, 1, &s->column, err));
    const struct ArrowSchema *field = u->view->schema.children[s->column];
    const bool key = mst_document_key_find(u->view->document, name) != MST_DOCUMENT_NONE;
    if (key && json_is_null(value)) {
      status = mst_fail(err, MST_E_ARGUMENT, "the partition key \"%s\" cannot be null", name);
      goto done;
    }
    MST_TRY(array_of_json(u, field, value, &s->value, err));
    u->moves = u->moves || key;
    u->n_set++;
  }
done:
  json_decref(map);
  return status;
}

/* ---- setting --------------------------------------------------------------------------------------------------- */

/* `column` (replaced) with the one value where `bits` (NULL: everywhere) are set. */
static mst_status set_column(const update *u, const setting *s, const uint64_t *bits, struct ArrowArray *column, mst_error *err) {
  mst_status status = MST_OK;
  const struct ArrowSchema *field = u->view->schema.children[s->column];
  const size_t n = (size_t)column->length;
  struct ArrowArray both = {0}, made = {0};
  const struct ArrowArray *two[2] = {column, &s->value};
  int64_t *rows = NULL;
  if (bits == NULL) {
    MST_TRY(mst_array_repeat(u->mem, field, &s->value, 0, (int64_t)n, &made, err));
  } else {
    MST_TRY_ALLOC(rows = mst_alloc_array(u->mem, n + 1, sizeof *rows));
    for (size_t i = 0; i < n; i++) rows[i] = mst_bits_get(bits, i) ? (int64_t)n : (int64_t)i;
    MST_TRY(mst_array_concat(u->mem, field, two, 2, &both, err));
    MST_TRY(mst_array_gather(u->mem, field, &both, rows, (int64_t)n, &made, err));
  }
  mst_array_release(column);
  *column = made;
done:
  mst_array_release(&both);
  mst_free(u->mem, rows);
  return status;
}

/* Rows of whole batches of the table's columns, changed where the condition holds (`all`: everywhere); of these, the ones in `shown`. */
typedef struct changed {
  const update *u;
  struct ArrowArrayStream rows;
  const size_t *shown; /* NULL: all */
  size_t n_shown;
  bool all;
} changed;

static void close_changed(void *self) {
  changed *c = self;
  if (c == NULL) return;
  mst_stream_release(&c->rows);
  mst_free(c->u->mem, c);
}

static mst_status change_batch(const changed *c, struct ArrowArray *batch, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  const update *u = c->u;
  const size_t rows = (size_t)batch->length, n = (size_t)batch->n_children, n_shown = c->shown != NULL ? c->n_shown : n;
  struct ArrowArray *columns = NULL, *shown = NULL;
  uint64_t *bits = NULL;
  MST_TRY_ALLOC(columns = mst_alloc_zero(u->mem, n + 1, sizeof *columns));
  MST_TRY_ALLOC(shown = mst_alloc_zero(u->mem, n_shown + 1, sizeof *shown));
  if (!c->all) {
    MST_TRY_ALLOC(bits = mst_alloc_zero(u->mem, MST_BITS_WORDS(rows) + 1, sizeof *bits));
    MST_TRY(mst_predicate_eval(u->predicate, batch, bits, err));
  }
  for (size_t i = 0; i < n; i++) mst_batch_move(batch, i, &columns[i]);
  for (size_t i = 0; i < u->n_set; i++) MST_TRY(set_column(u, &u->set[i], bits, &columns[u->set[i].column], err));
  for (size_t i = 0; i < n_shown; i++) {
    struct ArrowArray *from = &columns[c->shown != NULL ? c->shown[i] : i];
    shown[i] = *from;
    from->release = NULL;
  }
  MST_TRY(mst_batch_make(u->mem, shown, n_shown, (int64_t)rows, out, err));
done:
  for (size_t i = 0; columns != NULL && i < n; i++) mst_array_release(&columns[i]);
  for (size_t i = 0; shown != NULL && i < n_shown; i++) mst_array_release(&shown[i]);
  mst_free(u->mem, columns);
  mst_free(u->mem, shown);
  mst_free(u->mem, bits);
  return status;
}

static mst_status next_changed(void *self, struct ArrowArray *out, mst_error *err) {
  changed *c = self;
  struct ArrowArray batch = {0};
  *out = batch;
  mst_status status = mst_stream_next(&c->rows, &batch, err);
  if (status != MST_OK || batch.release == NULL) return status;
  status = change_batch(c, &batch, out, err);
  mst_array_release(&batch);
  return status;
}

/* Takes `rows` over, also on failure. */
static mst_status changed_stream(const update *u, struct ArrowArrayStream *rows, const size_t *shown, size_t n_shown, bool all,
                                 struct ArrowArrayStream *out, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowSchema schema = {0};
  changed *c = mst_alloc_zero(u->mem, 1, sizeof *c);
  if (c == NULL) {
    mst_stream_release(rows);
    return mst_fail_memory(err);
  }
  *c = (changed){.u = u, .rows = *rows, .shown = shown, .n_shown = n_shown, .all = all};
  rows->release = NULL;
  MST_TRY(mst_part_schema(u->view, shown, n_shown, &schema, err));
  const mst_stream_source source = {.self = c, .next = next_changed, .close = close_changed};
  c = NULL;
  MST_TRY(mst_stream_make(u->mem, &schema, &source, out, err));
done:
  close_changed(c);
  mst_schema_release(&schema);
  return status;
}

static mst_status open_changed(void *self, size_t i, uint64_t memory, struct ArrowArrayStream *out, mst_cancel *cancel, mst_error *err) {
  const update *u = self;
  struct ArrowArrayStream rows = {0};
  const mst_part_options o = {.memory = memory / 2, .in_caller = true};
  const mst_status status = mst_part_open(u->view, u->list.items[i].part, &o, &rows, cancel, err);
  return status == MST_OK ? changed_stream(u, &rows, u->columns, u->n_columns, false, out, err) : status;
}

/* ---- the two ways ---------------------------------------------------------------------------------------------- */

/* No file is gone whole: each is written anew. */
static mst_status update_in_place(update *u, mst_cancel *cancel, mst_error *err) {
  for (size_t i = 0; i < u->list.n; i++) u->list.items[i].whole = false;
  return mst_rows_rewrite(u->change, u->view, &u->list, open_changed, u, cancel, err);
}

/* The rows as they become are written to where they belong; then they go from where they were. */
static mst_status update_by_moving(update *u, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_write_settings settings = {0};
  mst_new_files files;
  mst_scan_part *parts = NULL;
  mst_scan *scan = NULL;
  struct ArrowArrayStream rows = {0}, moved = {0};
  mst_new_files_init(&files, u->mem);
  MST_TRY(mst_change_settings(u->change, &settings, err));
  settings.memory = u->view->memory / 2;
  MST_TRY_ALLOC(parts = mst_alloc_zero(u->mem, u->list.n + 1, sizeof *parts));
  for (size_t i = 0; i < u->list.n; i++) parts[i] = (mst_scan_part){.part = u->list.items[i].part, .all = u->list.items[i].whole};
  const mst_scan_options scanned = {.parts = parts, .n_parts = u->list.n, .predicate = u->predicate, .memory = u->view->memory / 2};
  const mst_rows_options shown = {0};
  MST_TRY(mst_scan_open(u->view, &scanned, &scan, cancel, err));
  MST_TRY(mst_rows_stream(u->view, scan, &shown, &rows, err));
  MST_TRY(changed_stream(u, &rows, NULL, 0, true, &moved, err));
  MST_TRY(mst_files_write(&settings, &moved, &files, cancel, err));
  MST_TRY(mst_rows_drop(u->change, u->view, u->where, &u->list, cancel, err));
  MST_TRY(mst_change_add_files(u->change, &files, err));
done:
  mst_new_files_free(&files);
  mst_write_settings_free(u->change->base, &settings);
  mst_free(u->mem, parts);
  return status;
}

mst_status mst_ds_change_update(mst_change *c, const char *where, const char *set_json, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  update u = {.change = c, .mem = c->mem, .list.mem = c->mem};
  if (where == NULL || set_json == NULL) return mst_fail(err, MST_E_ARGUMENT, "update needs a condition and values to set");
  MST_TRY(mst_change_view(c, &u.view, err));
  mst_ds_ref(u.view);
  MST_TRY(mst_condition_of(u.view, where, &u.where, &u.predicate, err));
  MST_TRY(parse_set(&u, set_json, err));
  MST_TRY(mst_data_columns(u.view, &u.columns, &u.n_columns, err));
  MST_TRY(mst_rows_find(u.view, u.predicate, &u.list, cancel, err));
  MST_TRY(mst_change_depend_where(c, "the condition of update", where, err));
  if (u.list.n > 0) MST_TRY(u.moves ? update_by_moving(&u, cancel, err) : update_in_place(&u, cancel, err));
  mst_change_count(c, mst_touched_rows(&u.list), mst_touched_rows(&u.list));
  mst_change_did(c, "update");
done:
  end(&u);
  return status == MST_OK ? MST_OK : mst_while(err, status, "while updating rows");
}
