/* format/csv_sniff.c - the dialect of delimited text from its first bytes: byte order mark, "sep=" line, delimiter,
 * quote and escape, whether the first row is a header, the columns' names and types. What the user gave stands; the
 * rest is judged by how evenly and cleanly each candidate divides the sample. The same bytes always give the same
 * answer.
 *
 * Owns: nothing. May call: base, csv_cell.c. */
#include "format/csv.h"

/* Bytes that the dialect is judged by, and that types are inferred from. */
#define SHAPE_BYTES ((size_t)32 << 10)
#define TYPE_BYTES  ((size_t)256 << 10)
/* A header may be this long. A longer first row is a record, and what is seen of it decides the dialect. */
#define HEADER_MAX ((uint64_t)64 << 20)
/* No cell longer than this names a column, unless the user says that the first row is a header: then its name is cut.
 */
#define NAME_MAX   ((size_t)64 << 10)
#define SHAPES_MAX 32
/* Names and types stay among the short keys while they take no more than this. */
#define SHORT_MAX 110

/* ---- cells of a sample ---------------------------------------------------------------------------------------- */

typedef struct walker {
  const mst_csv_dialect *d;
  const uint8_t *data;
  size_t n, at;
  bool whole;   /* data[n] is the object's end                                */
  bool first;   /* the next cell is its row's first                           */
  bool row_end; /* the cell given last was its row's last                     */
  bool strange; /* text behind a closing quote, or a quote that never closes  */
  uint8_t classes[256];
} walker;

static walker walk_over(const mst_csv_dialect *d, const uint8_t *data, size_t n, bool whole) {
  walker w = {.d = d, .data = data, .n = n, .whole = whole, .first = true};
  mst_csv_classes(d, w.classes);
  return w;
}

/* The next cell; false at the end, and in front of a row that is not all there. Blank lines are passed over. */
static bool next_cell(walker *w, mst_csv_cell *out) {
  mst_csv_state state = MST_CSV_FIELD, before;
  size_t i;
  while (w->first && w->at < w->n && w->classes[w->data[w->at]] == MST_CSV_LINE) w->at++;
  if (w->at >= w->n && (w->first || !w->whole)) return false;
  w->first = false;
  w->strange = false;
  for (i = w->at; i < w->n; i++) {
    const uint8_t class = w->classes[w->data[i]];
    before = state;
    state = (mst_csv_state)mst_csv_next[before][class];
    if (state == MST_CSV_RECORD || (state == MST_CSV_FIELD && class == MST_CSV_DELIMITER)) break;
    w->strange |= before == MST_CSV_QUOTE && state == MST_CSV_BARE;
  }
  if (i == w->n && !w->whole) return false;
  *out = (mst_csv_cell){w->data + w->at, i - w->at};
  w->strange |= state == MST_CSV_QUOTED || state == MST_CSV_QUOTED_ESCAPE;
  w->row_end = i == w->n || state == MST_CSV_RECORD;
  w->first = w->row_end;
  w->at = i < w->n || !w->row_end ? i + 1 : i;
  return true;
}

/* ---- how well a dialect divides the sample -------------------------------------------------------------------- */

typedef struct shape {
  struct {
    uint32_t cells, rows;
  } kinds[SHAPES_MAX]; /* rows by their number of cells */
  unsigned n_kinds;
  uint64_t rows, cells, known, typed, quoted, strange;
} shape;

static void count_row(shape *s, uint32_t cells) {
  unsigned i = 0;
  s->rows++;
  while (i < s->n_kinds && s->kinds[i].cells != cells) i++;
  if (i == SHAPES_MAX) i--;
  else if (i == s->n_kinds) s->kinds[s->n_kinds++].cells = cells;
  s->kinds[i].rows++;
}

static bool is_candidate(uint8_t c) { return c == ',' || c == ';' || c == '\t' || c == '|'; }

/* A cell that holds what a table's cell holds: a value of some type, or text without what could be another delimiter.
 */
static bool known_cell(const mst_csv_dialect *d, mst_csv_cell cell, uint64_t *typed) {
  mst_csv_cell text;
  if (!mst_csv_plain_text(d, cell, &text)) return true;
  if (text.size == 0 || text.data != cell.data) return true;
  if (mst_csv_fits((const char *)text.data, text.size) != 0) {
    ++*typed;
    return true;
  }
  for (size_t i = 0; i < text.size; i++)
    if (is_candidate(text.data[i]) || text.data[i] == '"') return false;
  return true;
}

static shape measure(const mst_csv_dialect *d, const uint8_t *data, size_t n, bool whole) {
  walker w = walk_over(d, data, n, whole);
  shape s = {.n_kinds = 0};
  mst_csv_cell cell;
  uint32_t in_row = 0;
  uint64_t known = 0;
  while (next_cell(&w, &cell)) {
    in_row++;
    s.quoted += d->has_quote && cell.size > 0 && cell.data[0] == d->quote;
    s.strange += w.strange;
    known += known_cell(d, cell, &s.typed);
    if (!w.row_end) continue;
    s.cells += in_row;
    s.known += known;
    count_row(&s, in_row);
    in_row = 0;
    known = 0;
  }
  return s;
}

/* The share of rows with the most usual number of cells, which goes to `*cells`. */
static double evenness(const shape *s, uint32_t *cells) {
  uint32_t most = 0;
  *cells = 1;
  for (unsigned i = 0; i < s->n_kinds; i++) {
    if (s->kinds[i].rows < most || (s->kinds[i].rows == most && s->kinds[i].cells < *cells)) continue;
    most = s->kinds[i].rows;
    *cells = s->kinds[i].cells;
  }
  return s->rows > 0 ? (double)most / (double)s->rows : 0;
}

/* Many rows of one width, more than one cell, known cells, no broken quotes (after van den Burg, Nazabal and Sutton,
 * "Wrangling messy CSV files by detecting row and type patterns", 2019). */
static double score(const shape *s) {
  double pattern = 0;
  if (s->rows == 0) return 0;
  for (unsigned i = 0; i < s->n_kinds; i++) {
    const double cells = s->kinds[i].cells;
    pattern += (double)s->kinds[i].rows * (cells > 1 ? (cells - 1) / cells : 0.001);
  }
  pattern /= (double)s->n_kinds * (double)s->rows;
  return pattern * ((double)s->known + 0.01) / ((double)s->cells + 0.01) / (1.0 + (double)s->strange);
}

/* Blanks and colons also stand within single columns (names, times): they must divide several rows alike, and most of
 * what they divide must be values. */
static bool convincing(uint8_t delimiter, const shape *s) {
  uint32_t cells;
  if (is_candidate(delimiter)) return true;
  return s->rows >= 3 && evenness(s, &cells) == 1.0 && cells > 1 && s->known == s->cells && s->strange == 0 &&
         s->typed * 2 >= s->cells;
}

/* What a file's name says about its delimiter. */
static double expected(const char *name, uint8_t delimiter) {
  if (delimiter == '\t' && name != NULL && (strstr(name, ".tsv") != NULL || strstr(name, ".tab") != NULL)) return 4;
  if (delimiter == '|' && name != NULL && strstr(name, ".psv") != NULL) return 4;
  return is_candidate(delimiter) ? 1 : 0.5;
}

/* ---- the search ----------------------------------------------------------------------------------------------- */

typedef struct wishes {
  bool delimiter, quote, escape, header; /* given by the user */
} wishes;

/* An escape stands in front of a quote somewhere. */
static bool shows_escape(const uint8_t *data, size_t n, uint8_t quote) {
  for (size_t i = 0; i + 1 < n; i++)
    if (data[i] == '\\' && data[i + 1] == quote) return true;
  return false;
}

/* Single quotes around whole cells, which make the rows even, and no double quote at all. */
static bool prefers_single(const uint8_t *data, size_t n, const shape *with, const shape *without) {
  uint32_t cells;
  if (with->quoted < 2 || with->strange > 0 || memchr(data, '"', n) != NULL) return false;
  return evenness(with, &cells) >= evenness(without, &cells);
}

typedef struct search {
  const uint8_t *data;
  size_t n;
  bool whole;
  const char *name;
  wishes given;
  mst_csv_dialect best;
  double best_score;
} search;

static void try_dialect(search *s, const mst_csv_dialect *d, double factor) {
  const shape found = measure(d, s->data, s->n, s->whole);
  const double points = score(&found) * factor;
  if (points <= s->best_score || (!s->given.delimiter && !convincing(d->delimiter, &found))) return;
  s->best_score = points;
  s->best = *d;
}

/* All quotes and escapes with one delimiter. The usual ones come first and win a tie. */
static void try_delimiter(search *s, mst_csv_dialect d, double factor) {
  if (!s->given.quote) {
    d.has_quote = true;
    d.quote = '"';
  }
  try_dialect(s, &d, factor);
  if (!s->given.escape && d.has_quote && d.delimiter != '\\' && shows_escape(s->data, s->n, d.quote)) {
    d.has_escape = true;
    d.escape = '\\';
    try_dialect(s, &d, factor);
    d.has_escape = false;
  }
  if (!s->given.quote && d.delimiter != '\'' && !(d.has_escape && d.escape == '\'')) {
    mst_csv_dialect single = d;
    single.quote = '\'';
    const shape with = measure(&single, s->data, s->n, s->whole), without = measure(&d, s->data, s->n, s->whole);
    if (prefers_single(s->data, s->n, &with, &without)) try_dialect(s, &single, factor * 1.001);
  }
}

static void search_dialect(search *s, const mst_csv_dialect *given) {
  static const uint8_t candidates[] = {',', ';', '\t', '|', ':', ' '};
  s->best = *given;
  if (!s->given.quote) {
    s->best.has_quote = !(given->has_escape && given->escape == '"') && given->delimiter != '"';
    s->best.quote = '"';
  }
  s->best_score = 0;
  if (s->given.delimiter) {
    try_delimiter(s, s->best, 1);
    return;
  }
  for (size_t i = 0; i < sizeof candidates; i++) {
    mst_csv_dialect d = *given;
    d.delimiter = candidates[i];
    if ((s->given.quote && d.has_quote && d.quote == d.delimiter) ||
        (s->given.escape && d.has_escape && d.escape == d.delimiter))
      continue;
    try_delimiter(s, d, expected(s->name, d.delimiter));
  }
}

/* ---- header, names, types ------------------------------------------------------------------------------------- */

typedef struct columns {
  uint8_t *fits;     /* of the rows behind the first                       */
  uint8_t *first;    /* of the first row; 0: text                          */
  bool *filled;      /* some cell behind the first row is not empty        */
  bool huge;         /* a cell of the first row is too long for a name     */
  size_t n, n_first; /* columns of the widest row; of the first            */
  uint64_t rows;
} columns;

static void columns_free(const mst_allocator *mem, columns *c) {
  mst_free(mem, c->fits);
  mst_free(mem, c->first);
  mst_free(mem, c->filled);
  *c = (columns){0};
}

static size_t widest_row(const mst_csv_dialect *d, const uint8_t *data, size_t n, bool whole) {
  walker w = walk_over(d, data, n, whole);
  mst_csv_cell cell;
  size_t in_row = 0, most = 0;
  while (next_cell(&w, &cell)) {
    most = mst_max_size(most, ++in_row);
    if (w.row_end) in_row = 0;
  }
  return most;
}

/* Which types the cell's text could be; cells that need unquoting are text. */
static unsigned cell_fits(const mst_csv_dialect *d, mst_csv_cell cell) {
  mst_csv_cell text;
  if (!mst_csv_plain_text(d, cell, &text)) return 0;
  return mst_csv_fits((const char *)text.data, text.size);
}

static mst_status infer(const mst_allocator *mem, const mst_csv_dialect *d, const uint8_t *data, size_t n, bool whole,
                        columns *c, mst_error *err) {
  mst_status status = MST_OK;
  walker w = walk_over(d, data, n, whole);
  mst_csv_cell cell;
  size_t column = 0;
  c->n = widest_row(d, data, n, whole);
  MST_TRY_ALLOC(c->fits = mst_alloc_zero(mem, c->n + 1, 1));
  MST_TRY_ALLOC(c->first = mst_alloc_zero(mem, c->n + 1, 1));
  MST_TRY_ALLOC(c->filled = mst_alloc_zero(mem, c->n + 1, sizeof *c->filled));
  memset(c->fits, MST_CSV_FITS_ALL, c->n + 1);
  for (; next_cell(&w, &cell) && column < c->n; column++) {
    const unsigned fits = cell_fits(d, cell);
    if (c->rows == 0) {
      c->huge |= cell.size > NAME_MAX;
      c->first[column] = (uint8_t)fits;
      c->n_first = column + 1;
    } else if (fits != MST_CSV_FITS_ALL) {
      c->fits[column] &= (uint8_t)fits;
      c->filled[column] = true;
    }
    if (!w.row_end) continue;
    c->rows++;
    column = SIZE_MAX; /* wraps to 0 */
  }
done:
  return status;
}

/* A header is text over columns of something else, and never a value like those below it. In doubt there is one. */
static bool looks_like_header(const columns *c) {
  size_t text_over_values = 0, value_over_values = 0;
  for (size_t i = 0; i < c->n_first; i++) {
    const unsigned first = c->first[i];
    if (first == MST_CSV_FITS_ALL) continue; /* empty */
    if (c->rows == 1) value_over_values += first != 0;
    if (!c->filled[i]) continue;
    if (c->fits[i] == 0) continue;
    if (first == 0) text_over_values++;
    else if ((first & c->fits[i]) != 0) value_over_values++;
  }
  return value_over_values == 0 || text_over_values > value_over_values;
}

/* ---- the dialect as JSON -------------------------------------------------------------------------------------- */

/* `name`, with _1, _2, … behind it until no column in front has it. */
static mst_status add_unique(json_t *names, json_t *seen, mst_buf *name, mst_error *err) {
  mst_status status = MST_OK;
  const size_t size = name->size;
  for (uint64_t k = 1; json_object_getn(seen, mst_buf_text(name), name->size) != NULL; k++) {
    name->size = size;
    MST_TRY(mst_buf_printf(name, err, "_%llu", (unsigned long long)k));
  }
  if (json_object_setn_new(seen, mst_buf_text(name), name->size, json_true()) != 0 ||
      json_array_append_new(names, json_stringn(mst_buf_text(name), name->size)) != 0)
    status = mst_fail_memory(err);
done:
  return status;
}

/* How much of a name is kept: whole characters. */
static size_t cut_name(const uint8_t *name, size_t n) {
  if (n <= NAME_MAX) return n;
  n = NAME_MAX;
  while (n > NAME_MAX - 4 && (name[n] & 0xc0) == 0x80) n--;
  return n;
}

static mst_status name_columns(const mst_allocator *mem, const mst_csv_dialect *d, const uint8_t *data, size_t n,
                               bool whole, size_t n_columns, json_t **out, mst_error *err) {
  mst_status status = MST_OK;
  walker w = walk_over(d, data, n, whole);
  json_t *names = json_array(), *seen = json_object();
  mst_buf raw, name;
  mst_csv_cell cell;
  bool more = d->header;
  mst_buf_init(&raw, mem, SIZE_MAX / 2);
  mst_buf_init(&name, mem, SIZE_MAX / 2);
  if (names == NULL || seen == NULL) status = mst_fail_memory(err);
  for (size_t i = 0; i < n_columns && status == MST_OK; i++) {
    mst_buf_clear(&raw);
    mst_buf_clear(&name);
    if (more && next_cell(&w, &cell)) {
      MST_TRY(mst_csv_unquote(d, cell, &raw, err));
      more = !w.row_end;
    }
    MST_TRY(mst_utf8_put(&name, raw.data, cut_name(raw.data, raw.size), err));
    if (memchr(mst_buf_text(&name), 0, name.size) != NULL) mst_buf_clear(&name); /* Arrow names end at a NUL */
    if (name.size == 0) MST_TRY(mst_buf_printf(&name, err, "column_%zu", i + 1));
    MST_TRY(add_unique(names, seen, &name, err));
  }
  if (status == MST_OK) {
    *out = names;
    names = NULL;
  }
done:
  mst_buf_free(&raw);
  mst_buf_free(&name);
  json_decref(names);
  json_decref(seen);
  return status;
}

/* Types that the user gave: {"name": "type"}, or one for all columns. */
static mst_status wish_types(const json_t *schema, const json_t *names, char *letters, mst_error *err) {
  mst_status status = MST_OK;
  mst_csv_type type;
  const char *name;
  json_t *value;
  if (schema == NULL || json_is_null(schema)) return MST_OK;
  if (json_is_string(schema)) {
    MST_TRY(mst_csv_type_by_name(json_string_value(schema), &type, err));
    memset(letters, (int)type, json_array_size(names));
    return MST_OK;
  }
  if (!json_is_object(schema))
    return mst_fail(err, MST_E_ARGUMENT, "CSV option \"schema\" is no object of column names and types");
  json_object_foreach((json_t *)(uintptr_t)schema, name, value) {
    size_t i = 0;
    while (i < json_array_size(names) && !mst_text_equal(json_string_value(json_array_get(names, i)), name)) i++;
    if (i == json_array_size(names))
      return mst_fail(err, MST_E_ARGUMENT, "CSV option \"schema\" names column \"%s\", which is not there", name);
    MST_TRY(mst_csv_type_by_name(json_string_value(value), &type, err));
    letters[i] = (char)type;
  }
done:
  return status;
}

static mst_status type_columns(const mst_allocator *mem, const columns *c, bool header, const json_t *names,
                               const json_t *schema, json_t **out, mst_error *err) {
  const size_t n = json_array_size(names);
  mst_status status = MST_OK;
  mst_buf letters;
  mst_buf_init(&letters, mem, n + 1);
  for (size_t i = 0; i < n; i++) {
    unsigned fits = i < c->n ? c->fits[i] : 0;
    bool filled = i < c->n && c->filled[i];
    if (!header && i < c->n_first && c->first[i] != MST_CSV_FITS_ALL) {
      fits &= c->first[i];
      filled = true;
    }
    MST_TRY(mst_buf_put_byte(&letters, (uint8_t)(filled ? mst_csv_type_of(fits) : MST_CSV_TEXT), err));
  }
  if (n > 0) MST_TRY(wish_types(schema, names, (char *)letters.data, err));
  MST_TRY_ALLOC(*out = json_stringn(mst_buf_text(&letters), letters.size));
done:
  mst_buf_free(&letters);
  return status;
}

/* "names" and "types", or "long_names" and "long_types" for a wide table. */
static mst_status put_columns(const mst_allocator *mem, json_t *dialect, json_t *names, json_t *types, mst_error *err) {
  mst_status status = MST_OK;
  mst_buf text;
  bool small;
  mst_buf_init(&text, mem, SIZE_MAX / 2);
  MST_TRY(mst_json_print(names, &text, err));
  small = text.size + json_string_length(types) <= SHORT_MAX;
  MST_TRY(mst_json_set(dialect, small ? "names" : "long_names", json_incref(names), err));
  MST_TRY(mst_json_set(dialect, small ? "types" : "long_types", json_incref(types), err));
done:
  mst_buf_free(&text);
  return status;
}

/* ---- sniffing ------------------------------------------------------------------------------------------------- */

static bool starts(const uint8_t *data, size_t n, const char *with, size_t size) {
  return n >= size && memcmp(data, with, size) == 0;
}

/* Text in units of two or four bytes would be cut in the middle of characters. */
static mst_status refuse_wide(const uint8_t *head, size_t n, mst_error *err) {
  const char *what = NULL;
  size_t odd = 0, even = 0;
  if (starts(head, n, "\xff\xfe\0\0", 4) || starts(head, n, "\0\0\xfe\xff", 4)) what = "UTF-32";
  else if (starts(head, n, "\xff\xfe", 2) || starts(head, n, "\xfe\xff", 2)) what = "UTF-16";
  for (size_t i = 0; what == NULL && n >= 8 && i < mst_min_size(n & ~(size_t)1, 256); i++)
    *(i % 2 == 0 ? &even : &odd) += head[i] == 0;
  if (what == NULL && (even > 0) != (odd > 0) && even + odd >= mst_min_size(n, 256) / 2 - 1) what = "UTF-16";
  if (what == NULL) return MST_OK;
  return mst_fail_at(err, MST_E_UNSUPPORTED, 0, "the text is %s; only UTF-8 and its like are read: convert it first",
                     what);
}

/* "sep=;" and a line end: spreadsheets write it. Returns its length, 0 when there is none. */
static size_t sep_line(const uint8_t *data, size_t n, uint8_t *delimiter) {
  size_t i = 5;
  if (n < 6 || (data[0] | 0x20) != 's' || (data[1] | 0x20) != 'e' || (data[2] | 0x20) != 'p' || data[3] != '=')
    return 0;
  if (data[4] < 1 || data[4] > 127 || data[4] == '\n' || data[4] == '\r') return 0;
  if (data[i] != '\n' && data[i] != '\r') return 0;
  *delimiter = data[4];
  return data[i] == '\r' && i + 1 < n && data[i + 1] == '\n' ? i + 2 : i + 1;
}

/* "," or a name that is hard to type otherwise; "" (quote and escape only) means none. */
static mst_status wish_character(const json_t *options, const char *key, bool may_be_none, bool *given, bool *has,
                                 uint8_t *out, mst_error *err) {
  const json_t *value = json_object_get(options, key);
  const char *text = json_string_value(value);
  if (value == NULL || json_is_null(value)) return MST_OK;
  *given = true;
  *has = false;
  if (may_be_none && (json_is_false(value) || (text != NULL && text[0] == 0))) return MST_OK;
  if (text == NULL) return mst_fail(err, MST_E_ARGUMENT, "CSV option \"%s\" is not text", key);
  if (strcmp(text, "\\t") == 0 || strcmp(text, "tab") == 0) text = "\t";
  if (strcmp(text, "space") == 0) text = " ";
  if (text[0] <= 0 || text[1] != 0 || text[0] == '\n' || text[0] == '\r')
    return mst_fail(err, MST_E_ARGUMENT, "CSV option \"%s\" must be one ASCII character, not \"%s\"", key, text);
  *has = true;
  *out = (uint8_t)text[0];
  return MST_OK;
}

static mst_status wish_header(const json_t *options, bool *given, bool *out, mst_error *err) {
  const json_t *value = json_object_get(options, "header");
  const char *text = json_string_value(value);
  if (value == NULL || json_is_null(value)) return MST_OK;
  *given = true;
  *out = json_is_true(value) || mst_text_equal_nocase(text, "true") || mst_text_equal_nocase(text, "yes");
  if (*out || json_is_false(value) || mst_text_equal_nocase(text, "false") || mst_text_equal_nocase(text, "no"))
    return MST_OK;
  return mst_fail(err, MST_E_ARGUMENT, "CSV option \"header\" is neither true nor false");
}

static mst_status read_wishes(const json_t *options, wishes *given, mst_csv_dialect *d, mst_error *err) {
  mst_status status = MST_OK;
  bool has_delimiter = false;
  MST_TRY(wish_character(options, "delimiter", false, &given->delimiter, &has_delimiter, &d->delimiter, err));
  MST_TRY(wish_character(options, "quote", true, &given->quote, &d->has_quote, &d->quote, err));
  MST_TRY(wish_character(options, "escape", true, &given->escape, &d->has_escape, &d->escape, err));
  MST_TRY(wish_header(options, &given->header, &d->header, err));
  if (d->has_escape && d->has_quote && d->escape == d->quote) d->has_escape = false; /* a doubled quote: always known */
  if ((given->delimiter && d->has_quote && d->quote == d->delimiter) ||
      (given->delimiter && d->has_escape && d->escape == d->delimiter))
    status = mst_fail(err, MST_E_ARGUMENT, "CSV delimiter, quote and escape must be different characters");
done:
  return status;
}

/* The first row's end; false when it is not in the sample. */
static bool first_row(const mst_csv_dialect *d, const uint8_t *data, size_t n, bool whole, size_t *end) {
  walker w = walk_over(d, data, n, whole);
  mst_csv_cell cell;
  while (next_cell(&w, &cell)) {
    if (!w.row_end) continue;
    *end = w.at;
    if (*end < n && data[*end - 1] == '\r' && data[*end] == '\n') ++*end;
    return whole || *end < n || data[*end - 1] != '\r';
  }
  return false;
}

/* Byte order mark and "sep=" line; returns their length. */
static size_t read_lead(const uint8_t *head, size_t n, mst_csv_dialect *d, wishes *given) {
  uint8_t delimiter = 0;
  size_t lead, sep;
  d->bom = starts(head, n, "\xef\xbb\xbf", 3);
  lead = d->bom ? 3 : 0;
  sep = sep_line(head + lead, n - lead, &delimiter);
  d->sep = sep > 0;
  if (d->sep && !given->delimiter && !(given->quote && d->has_quote && d->quote == delimiter)) {
    d->delimiter = delimiter;
    given->delimiter = true;
  }
  return lead + sep;
}

static mst_status describe(const mst_job *job, const mst_csv_dialect *d, const columns *c, const uint8_t *data,
                           size_t n, bool whole, json_t **out, mst_error *err) {
  const mst_allocator *mem = job->mem;
  mst_status status = MST_OK;
  const size_t n_columns = d->header ? c->n_first : c->n;
  json_t *dialect = NULL, *names = NULL, *types = NULL;
  MST_TRY(mst_csv_dialect_write(d, &dialect, err));
  MST_TRY(name_columns(mem, d, data, n, whole, n_columns, &names, err));
  MST_TRY(type_columns(mem, c, d->header, names, json_object_get(job->options, "schema"), &types, err));
  MST_TRY(put_columns(mem, dialect, names, types, err));
  *out = dialect;
  dialect = NULL;
done:
  json_decref(dialect);
  json_decref(names);
  json_decref(types);
  return status;
}

mst_status mst_csv_sniff(const mst_job *job, const uint8_t *head, size_t n, bool whole, json_t **dialect,
                         uint64_t *want, mst_error *err) {
  mst_status status = MST_OK;
  mst_csv_dialect d = {.delimiter = ','};
  wishes given = {0};
  columns c = {0};
  search s;
  size_t lead, row_end = 0, size;
  bool long_row;
  MST_TRY(read_wishes(job->options, &given, &d, err));
  MST_TRY(refuse_wide(head, n, err));
  lead = read_lead(head, n, &d, &given);
  while (lead < n && (head[lead] == '\n' || head[lead] == '\r')) lead++;
  size = mst_min_size(n - lead, SHAPE_BYTES);
  s = (search){.data = head + lead,
               .n = size,
               .whole = whole && size == n - lead,
               .name = job->members != NULL ? job->members[0].name : NULL,
               .given = given};
  search_dialect(&s, &d);
  d = s.best;
  if (!whole && n < TYPE_BYTES) { /* types are judged by more than a first look gives */
    *want = TYPE_BYTES;
    goto done;
  }
  long_row = !first_row(&d, head + lead, n - lead, whole, &row_end) && !whole;
  if (long_row && n < HEADER_MAX) {
    *want = mst_min_u64((uint64_t)n * 4 + 4096, HEADER_MAX);
    goto done;
  }
  if (long_row && given.header && d.header) {
    status = mst_fail_at(err, MST_E_LIMIT, lead, "the header is longer than %llu bytes: does a quote never close?",
                         (unsigned long long)HEADER_MAX);
    goto done;
  }
  size = mst_max_size(mst_min_size(n - lead, TYPE_BYTES), long_row ? n - lead : row_end);
  MST_TRY(infer(job->mem, &d, head + lead, size, whole && size == n - lead, &c, err));
  c.n += long_row; /* the cell that goes on behind the sample */
  if (!given.header) d.header = c.rows > 0 && !c.huge && looks_like_header(&c);
  if (c.rows == 0) d.header = false;
  d.lead = lead;
  d.header_bytes = d.header ? lead + row_end : d.sep || d.bom ? lead : 0;
  MST_TRY(describe(job, &d, &c, head + lead, size, whole && size == n - lead, dialect, err));
done:
  columns_free(job->mem, &c);
  return status;
}
