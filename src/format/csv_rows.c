/* format/csv_rows.c - rows of delimited text as typed Arrow columns. Text is cut into cells by the kernels, a few
 * hundred rows at a time, and each column of them is then converted in one go.
 *
 * Nulls: an empty cell without quotes is null in every column; in columns that are not text so are "" and the words of
 * mst_csv_null_word. A row with too few cells ends in nulls; one with too many is an error (unless the surplus is one
 * empty cell). A cell that does not fit its column's type is an error that names row, column and offset; options change
 * that: schema   {"name": "int64" | "double" | "bool" | "date" | "timestamp" | "timestamp_utc" | "text" | "bytes"}, or
 * "text" for all columns  ["name", …]: only these, in this order misfit   "error" (default) or "null" ragged   "error"
 * (default) or "cut": surplus cells are dropped
 *
 * Owns: the reader. May call: base, column, csv_cell.c. */
#include "base/base.h"
#include "format/batches.h"
#include "format/csv.h"

#define CHUNK_ROWS_MAX 256
#define CHUNK_CELLS    ((size_t)1 << 15)
#define BATCH_ROWS     ((uint64_t)1 << 16)
#define BATCH_BYTES    ((size_t)4 << 20)
#define COLUMNS_MAX    ((size_t)1 << 20)

typedef struct csv_column {
  const char *name; /* borrowed from the dialect while opening; messages use `names` */
  mst_csv_type type;
  size_t place;         /* in the batch; SIZE_MAX: not asked for */
  mst_builder *builder; /* NULL: not asked for                   */
} csv_column;

typedef struct csv_rows {
  const mst_allocator *mem;
  const mst_scan_kernels *scan;
  json_t *names;
  mst_csv_dialect d;
  uint8_t classes[256];
  csv_column *columns;
  size_t n_columns, n_places;
  mst_builder **places;
  bool misfit_null, ragged_cut;
  uint64_t record_max;

  mst_csv_cell *cells; /* chunk_rows for each column */
  size_t chunk_rows, n_rows;
  size_t column;       /* of the row under way       */
  const uint8_t *cell; /* where the cell under way begins */
  uint64_t *values;
  uint8_t *valid;
  mst_span *spans;
  mst_buf scratch; /* texts that had to be unquoted */

  mst_buf rest; /* the row that the last bytes given did not finish */
  mst_csv_state rest_state;
  uint64_t at;         /* offset of the bytes being read, from the opening */
  uint64_t rows;       /* rows in front of the chunk                       */
  const uint8_t *data; /* the bytes being read                             */
  bool utf8;           /* all that ends within them is valid UTF-8         */
  mst_batches batches;
} csv_rows;

/* ---- options -------------------------------------------------------------------------------------------------- */

static const char *type_format(mst_csv_type type) {
  switch (type) {
  case MST_CSV_INT64: return "l";
  case MST_CSV_DOUBLE: return "g";
  case MST_CSV_BOOL: return "b";
  case MST_CSV_DATE: return "tdD";
  case MST_CSV_TIMESTAMP: return "tsu:";
  case MST_CSV_TIMESTAMP_UTC: return "tsu:UTC";
  case MST_CSV_BYTES: return "z";
  default: return "u";
  }
}

static const char *type_title(mst_csv_type type) {
  switch (type) {
  case MST_CSV_INT64: return "a 64-bit integer";
  case MST_CSV_DOUBLE: return "a number";
  case MST_CSV_BOOL: return "true or false";
  case MST_CSV_DATE: return "a date (YYYY-MM-DD)";
  case MST_CSV_TIMESTAMP: return "a time without a zone (YYYY-MM-DD HH:MM:SS)";
  case MST_CSV_TIMESTAMP_UTC: return "a time with a zone (YYYY-MM-DD HH:MM:SSZ)";
  default: return "text";
  }
}

static mst_status known_letter(char letter, size_t column, mst_csv_type *out, mst_error *err) {
  if (strchr("lgbDtTuz", letter) == NULL || letter == 0)
    return mst_fail(err, MST_E_CORRUPT, "\"types\" of the CSV dialect has no type '%c' for column %zu", letter, column);
  *out = (mst_csv_type)letter;
  return MST_OK;
}

/* Names and types from the dialect. The columns borrow the names. */
static mst_status take_columns(const mst_allocator *mem, const json_t *dialect, json_t **names, csv_column **out,
                               size_t *n, mst_error *err) {
  mst_status status = MST_OK;
  json_t *list = json_object_get(dialect, "names");
  const json_t *letters = json_object_get(dialect, "types");
  csv_column *columns = NULL;
  size_t i;
  if (list == NULL) list = json_object_get(dialect, "long_names");
  if (letters == NULL) letters = json_object_get(dialect, "long_types");
  if (!json_is_array(list) || !json_is_string(letters) || json_array_size(list) != json_string_length(letters) ||
      json_array_size(list) > COLUMNS_MAX)
    return mst_fail(err, MST_E_CORRUPT, "the CSV dialect has no names and types of columns");
  *n = json_array_size(list);
  MST_TRY_ALLOC(columns = mst_alloc_zero(mem, *n + 1, sizeof *columns));
  for (i = 0; i < *n; i++) {
    columns[i].name = json_string_value(json_array_get(list, i));
    columns[i].place = i;
    if (columns[i].name == NULL) {
      status = mst_fail(err, MST_E_CORRUPT, "name %zu of the CSV dialect is no text", i);
      goto done;
    }
    MST_TRY(known_letter(json_string_value(letters)[i], i, &columns[i].type, err));
  }
  *names = list;
  *out = columns;
  columns = NULL;
done:
  mst_free(mem, columns);
  return status;
}

static csv_column *find_column(csv_column *columns, size_t n, const char *name) {
  for (size_t i = 0; name != NULL && i < n; i++)
    if (strcmp(columns[i].name, name) == 0) return &columns[i];
  return NULL;
}

static mst_status apply_schema(const json_t *schema, csv_column *columns, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  const char *name;
  json_t *value;
  if (schema == NULL || json_is_null(schema)) return MST_OK;
  if (json_is_string(schema)) {
    for (size_t i = 0; i < n; i++) MST_TRY(mst_csv_type_by_name(json_string_value(schema), &columns[i].type, err));
    return MST_OK;
  }
  if (!json_is_object(schema))
    return mst_fail(err, MST_E_ARGUMENT, "CSV option \"schema\" is no object of column names and types");
  json_object_foreach((json_t *)schema, name, value) {
    csv_column *column = find_column(columns, n, name);
    if (column == NULL)
      return mst_fail(err, MST_E_ARGUMENT, "CSV option \"schema\" names column \"%s\", which is not there", name);
    MST_TRY(mst_csv_type_by_name(json_string_value(value), &column->type, err));
  }
done:
  return status;
}

/* Gives the chosen columns their places; `*places` is how many there are. */
static mst_status apply_projection(const json_t *wanted, csv_column *columns, size_t n, size_t *places,
                                   mst_error *err) {
  *places = n;
  if (wanted == NULL || json_is_null(wanted)) return MST_OK;
  if (!json_is_array(wanted)) return mst_fail(err, MST_E_ARGUMENT, "option \"columns\" is no list of names");
  for (size_t i = 0; i < n; i++) columns[i].place = SIZE_MAX;
  for (*places = 0; *places < json_array_size(wanted); ++*places) {
    const char *name = json_string_value(json_array_get(wanted, *places));
    csv_column *column = find_column(columns, n, name);
    if (column == NULL) return mst_fail(err, MST_E_ARGUMENT, "there is no column \"%s\"", name != NULL ? name : "?");
    if (column->place != SIZE_MAX) return mst_fail(err, MST_E_ARGUMENT, "column \"%s\" is asked for twice", name);
    column->place = *places;
  }
  return MST_OK;
}

static mst_status choice(const json_t *options, const char *key, const char *other, bool *out, mst_error *err) {
  const json_t *value = json_object_get(options, key);
  const char *text = json_string_value(value);
  *out = mst_text_equal(text, other);
  if (value == NULL || json_is_null(value) || *out || mst_text_equal(text, "error")) return MST_OK;
  return mst_fail(err, MST_E_ARGUMENT, "CSV option \"%s\" must be \"error\" or \"%s\"", key, other);
}

/* The columns as dialect and options make them. */
static mst_status choose_columns(const mst_allocator *mem, const json_t *dialect, const json_t *options, json_t **names,
                                 csv_column **out, size_t *n, size_t *places, mst_error *err) {
  mst_status status = take_columns(mem, dialect, names, out, n, err);
  if (status != MST_OK) return status;
  status = apply_schema(json_object_get(options, "schema"), *out, *n, err);
  if (status == MST_OK) status = apply_projection(json_object_get(options, "columns"), *out, *n, places, err);
  if (status == MST_OK) return MST_OK;
  mst_free(mem, *out);
  *out = NULL;
  *names = NULL; /* borrowed until the caller takes a reference */
  return status;
}

mst_status mst_csv_rows_schema(const mst_allocator *mem, const json_t *dialect, const json_t *options,
                               struct ArrowSchema *out, mst_error *err) {
  mst_status status = MST_OK;
  csv_column *columns = NULL;
  mst_field *fields = NULL;
  size_t n = 0, places = 0;
  json_t *names;
  MST_TRY(choose_columns(mem, dialect, options, &names, &columns, &n, &places, err));
  MST_TRY_ALLOC(fields = mst_alloc_zero(mem, places + 1, sizeof *fields));
  for (size_t i = 0; i < n; i++)
    if (columns[i].place != SIZE_MAX)
      fields[columns[i].place] =
          (mst_field){.name = columns[i].name, .format = type_format(columns[i].type), .nullable = true};
  MST_TRY(mst_schema_make(mem, fields, places, out, err));
done:
  mst_free(mem, columns);
  mst_free(mem, fields);
  return status;
}

/* ---- opening -------------------------------------------------------------------------------------------------- */

void mst_csv_rows_close(void *self) {
  csv_rows *r = self;
  if (r == NULL) return;
  for (size_t i = 0; r->columns != NULL && i < r->n_columns; i++) mst_builder_free(r->columns[i].builder);
  mst_free(r->mem, r->columns);
  mst_free(r->mem, r->places);
  mst_free(r->mem, r->cells);
  mst_free(r->mem, r->values);
  mst_free(r->mem, r->valid);
  mst_free(r->mem, r->spans);
  mst_buf_free(&r->scratch);
  mst_buf_free(&r->rest);
  mst_batches_free(&r->batches);
  json_decref(r->names);
  mst_free(r->mem, r);
}

static mst_status make_builders(csv_rows *r, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY_ALLOC(r->places = mst_alloc_zero(r->mem, r->n_places + 1, sizeof(mst_builder *)));
  for (size_t i = 0; i < r->n_columns; i++) {
    csv_column *c = &r->columns[i];
    mst_field field = {.name = c->name, .format = type_format(c->type), .nullable = true};
    if (c->place == SIZE_MAX) continue;
    MST_TRY(mst_builder_new(r->mem, &field, &c->builder, err));
    r->places[c->place] = c->builder;
  }
done:
  return status;
}

static mst_status make_chunk(csv_rows *r, mst_error *err) {
  mst_status status = MST_OK;
  size_t rows = CHUNK_CELLS / mst_max_size(r->n_columns, 1);
  r->chunk_rows = mst_max_size(mst_min_size(rows, CHUNK_ROWS_MAX), 1);
  r->chunk_rows = (size_t)mst_min_u64(r->chunk_rows, r->batches.rows_max);
  MST_TRY_ALLOC(r->cells = mst_alloc_array(r->mem, mst_max_size(r->n_columns, 1) * r->chunk_rows, sizeof *r->cells));
  MST_TRY_ALLOC(r->values = mst_alloc_array(r->mem, r->chunk_rows, sizeof *r->values));
  MST_TRY_ALLOC(r->valid = mst_alloc_array(r->mem, r->chunk_rows, 1));
  MST_TRY_ALLOC(r->spans = mst_alloc_array(r->mem, r->chunk_rows, sizeof *r->spans));
done:
  return status;
}

mst_status mst_csv_rows_open(const mst_job *job, const json_t *dialect, const json_t *options, uint64_t batch_rows,
                             void **out, mst_error *err) {
  mst_status status = MST_OK;
  csv_rows *r = NULL;
  MST_TRY_ALLOC(r = mst_alloc_zero(job->mem, 1, sizeof *r));
  r->mem = job->mem;
  r->scan = mst_scan_best();
  r->record_max = job->record_max > 0 ? job->record_max : UINT64_MAX;
  mst_buf_init(&r->scratch, r->mem, SIZE_MAX / 2);
  mst_buf_init(&r->rest, r->mem, SIZE_MAX / 2);
  r->rest_state = MST_CSV_RECORD;
  MST_TRY(mst_csv_dialect_read(dialect, &r->d, err));
  mst_csv_classes(&r->d, r->classes);
  MST_TRY(choose_columns(r->mem, dialect, options, &r->names, &r->columns, &r->n_columns, &r->n_places, err));
  json_incref(r->names);
  MST_TRY(choice(options, "misfit", "null", &r->misfit_null, err));
  MST_TRY(choice(options, "ragged", "cut", &r->ragged_cut, err));
  MST_TRY(make_builders(r, err));
  mst_batches_init(&r->batches, r->mem, r->places, r->n_places, batch_rows > 0 ? batch_rows : BATCH_ROWS, BATCH_BYTES);
  MST_TRY(make_chunk(r, err));
  *out = r;
  r = NULL;
done:
  mst_csv_rows_close(r);
  return status;
}

/* ---- a chunk of one column ------------------------------------------------------------------------------------ */

static uint64_t offset_of(const csv_rows *r, const uint8_t *data) { return r->at + (uint64_t)(data - r->data); }

/* The beginning of a cell, fit for a message. */
static const char *excerpt(mst_csv_cell cell, char out[48]) {
  size_t n = 0;
  for (; n < cell.size && n < 40; n++) out[n] = cell.data[n] >= 0x20 && cell.data[n] < 0x7f ? (char)cell.data[n] : '?';
  memcpy(out + n, cell.size > n ? "..." : "", cell.size > n ? 4 : 1);
  return out;
}

static mst_status misfit(const csv_rows *r, const csv_column *c, size_t row, mst_csv_cell cell, mst_error *err) {
  char text[48];
  return mst_fail_at(
      err, MST_E_CORRUPT, offset_of(r, cell.data),
      "row %llu, column \"%s\": \"%s\" is not %s (give the column another type by the option \"schema\")",
      (unsigned long long)(r->rows + row + 1), c->name, excerpt(cell, text), type_title(c->type));
}

/* The cell's text, unquoted into scratch where it must be. Scratch may move: only valid until the next call. */
static mst_status cell_text(csv_rows *r, mst_csv_cell cell, mst_csv_cell *text, mst_error *err) {
  mst_status status = MST_OK;
  if (mst_csv_plain_text(&r->d, cell, text)) return MST_OK;
  mst_buf_clear(&r->scratch);
  MST_TRY(mst_csv_unquote(&r->d, cell, &r->scratch, err));
  *text = (mst_csv_cell){(const uint8_t *)mst_buf_text(&r->scratch), r->scratch.size};
done:
  return status;
}

#define IN_PLACE static inline __attribute__((always_inline))

/* `type` is a constant wherever this is placed. */
IN_PLACE bool read_value(mst_csv_type type, const char *text, size_t n, uint64_t *out) {
  bool truth;
  double real;
  int64_t whole;
  int32_t days;
  switch (type) {
  case MST_CSV_INT64:
    if (!mst_number_i64_inline(text, n, &whole)) return false;
    break;
  case MST_CSV_DOUBLE:
    if (!mst_number_f64(text, n, &real)) return false;
    memcpy(out, &real, sizeof real);
    return true;
  case MST_CSV_BOOL:
    if (!mst_csv_read_bool(text, n, &truth)) return false;
    whole = truth;
    break;
  case MST_CSV_DATE:
    if (!mst_csv_read_date(text, n, &days)) return false;
    whole = days;
    break;
  default:
    if (!mst_csv_read_timestamp(text, n, type == MST_CSV_TIMESTAMP_UTC, &whole)) return false;
    break;
  }
  *out = (uint64_t)whole;
  return true;
}

/* Narrows the words to the column's width, in place. */
static void narrow_values(mst_csv_type type, uint64_t *values, size_t n) {
  uint8_t *bytes = (uint8_t *)values;
  if (type == MST_CSV_BOOL)
    for (size_t i = 0; i < n; i++) bytes[i] = values[i] != 0;
  if (type == MST_CSV_DATE)
    for (size_t i = 0; i < n; i++) {
      const int32_t days = (int32_t)(int64_t)values[i];
      memcpy(bytes + 4 * i, &days, sizeof days);
    }
}

/* Bare values of the type, or empty cells; returns how many there are in front of the first other cell. */
IN_PLACE size_t read_values(mst_csv_type type, const mst_csv_cell *cells, size_t n, uint64_t *values, uint8_t *valid) {
  for (size_t i = 0; i < n; i++) {
    valid[i] = cells[i].size > 0;
    values[i] = 0;
    if (cells[i].size > 0 && !read_value(type, (const char *)cells[i].data, cells[i].size, &values[i])) return i;
  }
  return n;
}

static size_t read_run(mst_csv_type type, const mst_csv_cell *cells, size_t n, uint64_t *values, uint8_t *valid) {
  switch (type) {
  case MST_CSV_INT64: return read_values(MST_CSV_INT64, cells, n, values, valid);
  case MST_CSV_DOUBLE: return read_values(MST_CSV_DOUBLE, cells, n, values, valid);
  case MST_CSV_BOOL: return read_values(MST_CSV_BOOL, cells, n, values, valid);
  case MST_CSV_DATE: return read_values(MST_CSV_DATE, cells, n, values, valid);
  case MST_CSV_TIMESTAMP: return read_values(MST_CSV_TIMESTAMP, cells, n, values, valid);
  default: return read_values(MST_CSV_TIMESTAMP_UTC, cells, n, values, valid);
  }
}

/* A cell that is no bare value: in quotes, with escapes, a word for null, or wrong. */
static mst_status read_other(csv_rows *r, const csv_column *c, mst_csv_cell cell, size_t row, mst_error *err) {
  mst_status status = MST_OK;
  mst_csv_cell text;
  MST_TRY(cell_text(r, cell, &text, err));
  if (text.size > 0 && read_run(c->type, &text, 1, &r->values[row], &r->valid[row]) == 1) return MST_OK;
  r->valid[row] = 0;
  r->values[row] = 0;
  if (text.size == 0 || r->misfit_null || mst_csv_null_word((const char *)text.data, text.size)) return MST_OK;
  return misfit(r, c, row, cell, err);
done:
  return status;
}

static mst_status put_values(csv_rows *r, csv_column *c, const mst_csv_cell *cells, mst_error *err) {
  mst_status status = MST_OK;
  for (size_t i = 0;; i++) {
    i += read_run(c->type, cells + i, r->n_rows - i, r->values + i, r->valid + i);
    if (i == r->n_rows) break;
    MST_TRY(read_other(r, c, cells[i], i, err));
  }
  narrow_values(c->type, r->values, r->n_rows);
  MST_TRY(mst_builder_values(c->builder, r->values, r->valid, r->n_rows, err));
done:
  return status;
}

/* Text must be UTF-8 to be Arrow text. */
static mst_status check_text(const csv_rows *r, const csv_column *c, size_t row, mst_csv_cell cell, mst_csv_cell text,
                             mst_error *err) {
  size_t bad = 0;
  if (r->utf8 || c->type == MST_CSV_BYTES || mst_utf8_valid(text.data, text.size, &bad)) return MST_OK;
  return mst_fail_at(
      err, MST_E_CORRUPT, offset_of(r, cell.data),
      "row %llu, column \"%s\": byte %zu of the text, 0x%02x, is not UTF-8 (the option \"schema\" can make "
      "it a column of bytes)",
      (unsigned long long)(r->rows + row + 1), c->name, bad, text.data[bad]);
}

static mst_status put_texts(csv_rows *r, csv_column *c, const mst_csv_cell *cells, mst_error *err) {
  mst_status status = MST_OK;
  size_t pending = 0;
  for (size_t i = 0; i < r->n_rows; i++) {
    mst_csv_cell text = cells[i];
    r->spans[pending] = (mst_span){cells[i].size > 0 ? cells[i].data : NULL, cells[i].size};
    if (text.size > 0) {
      const bool direct = mst_csv_plain_text(&r->d, cells[i], &text);
      if (!direct) { /* scratch holds one text: hand over what is pending with it */
        MST_TRY(cell_text(r, cells[i], &text, err));
      }
      MST_TRY(check_text(r, c, i, cells[i], text, err));
      r->spans[pending] = (mst_span){text.data, text.size};
      if (!direct) {
        MST_TRY(mst_builder_spans(c->builder, r->spans, pending + 1, err));
        pending = 0;
        continue;
      }
    }
    pending++;
  }
  MST_TRY(mst_builder_spans(c->builder, r->spans, pending, err));
done:
  return status;
}

static mst_status flush_chunk(csv_rows *r, mst_error *err) {
  mst_status status = MST_OK;
  if (r->n_rows == 0) return MST_OK;
  for (size_t i = 0; i < r->n_columns; i++) {
    csv_column *c = &r->columns[i];
    const mst_csv_cell *cells = r->cells + i * r->chunk_rows;
    if (c->builder == NULL) continue;
    if (c->type == MST_CSV_TEXT || c->type == MST_CSV_BYTES) MST_TRY(put_texts(r, c, cells, err));
    else MST_TRY(put_values(r, c, cells, err));
  }
  r->rows += r->n_rows;
  r->n_rows = 0;
  MST_TRY(mst_batches_seal(&r->batches, err));
done:
  return status;
}

/* ---- cutting into cells --------------------------------------------------------------------------------------- */

static mst_status surplus(const csv_rows *r, const uint8_t *end, mst_error *err) {
  if (r->ragged_cut || (r->column == r->n_columns && end == r->cell)) return MST_OK;
  return mst_fail_at(err, MST_E_CORRUPT, offset_of(r, r->cell),
                     "row %llu has more than %zu cells (the option \"ragged\" can cut them off)",
                     (unsigned long long)(r->rows + r->n_rows + 1), r->n_columns);
}

static mst_status end_row(csv_rows *r, mst_error *err) {
  for (; r->column < r->n_columns; r->column++)
    r->cells[r->column * r->chunk_rows + r->n_rows] = (mst_csv_cell){r->cell, 0};
  r->column = 0;
  r->n_rows++;
  return r->n_rows == r->chunk_rows || r->n_rows == mst_batches_room(&r->batches) ? flush_chunk(r, err) : MST_OK;
}

/* The cell under way ends in front of `end`, which is a delimiter or a line end. */
static inline mst_status end_cell(csv_rows *r, const uint8_t *end, bool line, mst_error *err) {
  mst_status status = MST_OK;
  if (line && r->column == 0 && end == r->cell) { /* a blank line, or LF behind CR */
    r->cell = end + 1;
    return MST_OK;
  }
  if (r->column < r->n_columns)
    r->cells[r->column * r->chunk_rows + r->n_rows] = (mst_csv_cell){r->cell, (size_t)(end - r->cell)};
  else MST_TRY(surplus(r, end, err));
  r->column++;
  if (line) MST_TRY(end_row(r, err));
  r->cell = end + 1;
done:
  return status;
}

/* Mask of the cells' ends in up to 64 bytes, by the automaton. */
static uint64_t walk_ends(const csv_rows *r, const uint8_t *data, size_t n, mst_csv_state *state) {
  uint64_t ends = 0;
  for (size_t i = 0; i < n; i++) {
    const uint8_t class = r->classes[data[i]];
    const mst_csv_state next = (mst_csv_state)mst_csv_next[*state][class];
    ends |= (uint64_t)(next == MST_CSV_RECORD || (next == MST_CSV_FIELD && class == MST_CSV_DELIMITER)) << i;
    *state = next;
  }
  return ends;
}

/* Masks for the next bytes, at most MST_SCAN_BATCH; returns how many bytes they cover. */
static size_t find_ends(const csv_rows *r, const uint8_t *data, size_t n, mst_csv_state *state, uint64_t *ends) {
  size_t at = 0;
  n = mst_min_size(n, MST_SCAN_BATCH);
  while (at < n) {
    if (n - at >= 64 && *state != MST_CSV_ESCAPE && *state != MST_CSV_QUOTED_ESCAPE) {
      mst_scan_quoted q = mst_csv_kernel_state(&r->d, *state);
      const size_t used = r->scan->quoted_ends(data + at, n - at, &q, ends + at / 64);
      if (used > 0) *state = mst_csv_state_behind(&r->d, &q, data[at + used - 1]);
      at += used;
    }
    if (at < n) {
      const size_t size = mst_min_size(n - at, 64);
      ends[at / 64] = walk_ends(r, data + at, size, state);
      at += size;
    }
  }
  return n;
}

/* n without a character that the end cuts: no cell ends within one. */
static size_t whole_characters(const uint8_t *data, size_t n) {
  size_t back = 1;
  while (back <= 3 && back <= n && (data[n - back] & 0xc0) == 0x80) back++;
  return back <= 4 && back <= n && data[n - back] >= 0xc0 ? n - back : n;
}

/* Reads all rows that end within the bytes; `*rest` is where the first unfinished one begins, `*state` is the state
 * behind data[n - 1]. */
static mst_status read_rows(csv_rows *r, const uint8_t *data, size_t n, mst_csv_state *state, size_t *rest,
                            mst_error *err) {
  mst_status status = MST_OK;
  uint64_t ends[MST_SCAN_WORDS(MST_SCAN_BATCH)];
  const uint8_t *row = data;
  r->data = data;
  r->utf8 = r->scan->utf8(data, whole_characters(data, n));
  r->cell = data;
  r->column = 0;
  for (size_t at = 0; at < n;) {
    const size_t size = find_ends(r, data + at, n - at, state, ends);
    for (size_t w = 0; w < MST_SCAN_WORDS(size); w++) {
      for (uint64_t mask = ends[w]; mask != 0; mask = mst_mask_rest(mask)) {
        const uint8_t *end = data + at + 64 * w + mst_mask_first(mask);
        const bool line = *end == '\n' || *end == '\r';
        MST_TRY(end_cell(r, end, line, err));
        if (line) row = end + 1;
      }
    }
    at += size;
  }
  *rest = (size_t)(row - data);
  MST_TRY(flush_chunk(r, err)); /* the bytes may be gone by the next call */
done:
  return status;
}

/* ---- feeding -------------------------------------------------------------------------------------------------- */

static mst_status too_long(const csv_rows *r, mst_error *err) {
  return mst_fail_at(err, MST_E_LIMIT, r->at, "row %llu is longer than the limit of %llu bytes",
                     (unsigned long long)(r->rows + 1), (unsigned long long)r->record_max);
}

/* Adds bytes to the unfinished row until it ends; reads it then. */
static mst_status finish_rest(csv_rows *r, const uint8_t *data, size_t n, size_t *used, mst_error *err) {
  mst_status status = MST_OK;
  mst_csv_state state = r->rest_state;
  size_t i = 0, rest;
  while (i < n && state != MST_CSV_RECORD) state = (mst_csv_state)mst_csv_next[state][r->classes[data[i++]]];
  if (r->rest.size + i > r->record_max) return too_long(r, err);
  MST_TRY(mst_buf_put(&r->rest, data, i, err));
  r->rest_state = state;
  *used = i;
  if (state != MST_CSV_RECORD) return MST_OK;
  MST_TRY(read_rows(r, r->rest.data, r->rest.size, &(mst_csv_state){MST_CSV_RECORD}, &rest, err));
  r->at += r->rest.size;
  mst_buf_clear(&r->rest);
done:
  return status;
}

/* The last row may end without a line end. */
static mst_status finish_last(csv_rows *r, mst_error *err) {
  mst_status status = MST_OK;
  size_t rest;
  if (r->rest.size == 0) return MST_OK;
  if (r->rest_state == MST_CSV_QUOTED || r->rest_state == MST_CSV_QUOTED_ESCAPE)
    return mst_fail_at(err, MST_E_CORRUPT, r->at, "row %llu ends inside quotes", (unsigned long long)(r->rows + 1));
  if (r->rest_state == MST_CSV_ESCAPE) r->rest.size--; /* an escape with nothing behind it */
  MST_TRY(mst_buf_put_byte(&r->rest, '\n', err));
  MST_TRY(read_rows(r, r->rest.data, r->rest.size, &(mst_csv_state){MST_CSV_RECORD}, &rest, err));
  mst_buf_clear(&r->rest);
done:
  return status;
}

mst_status mst_csv_rows_feed(void *self, const uint8_t *data, size_t n, bool last, mst_error *err) {
  mst_status status = MST_OK;
  csv_rows *r = self;
  mst_csv_state state = MST_CSV_RECORD;
  size_t used = 0, rest = 0;
  if (r->rest.size > 0) MST_TRY(finish_rest(r, data, n, &used, err));
  if (used < n) {
    MST_TRY(read_rows(r, data + used, n - used, &state, &rest, err));
    r->at += rest;
    used += rest;
    if (n - used > r->record_max) return too_long(r, err);
    MST_TRY(mst_buf_put(&r->rest, data + used, n - used, err));
    r->rest_state = state;
  }
  if (last) MST_TRY(finish_last(r, err));
done:
  return status;
}

mst_status mst_csv_rows_take(void *self, bool all, struct ArrowArray *out, mst_error *err) {
  csv_rows *r = self;
  return mst_batches_take(&r->batches, all, out, err);
}
