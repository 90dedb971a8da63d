/* format/csv.c - delimited text as RFC 4180 has it and Python's csv module reads it: the automaton that finds records,
 * and the dialect it needs. A quote opens only at a cell's beginning; a line end is CR, LF or both; a blank line is no
 * record; the header is no record.
 *
 * Owns: the scanner. May call: base, csv_sniff.c, csv_rows.c. */
#include "format/csv.h"

/* Bytes that are looked at one by one before the kernels are tried again. */
#define SLOW_BYTES 64
/* Kernels run over this many bytes at once; where quotes are open at the end of the bytes given, the last such runs are
 * walked again for the place where they opened. */
#define FAST_BYTES 4096
#define TRAIL_MAX  256

#define R MST_CSV_RECORD
#define F MST_CSV_FIELD
#define B MST_CSV_BARE
#define Q MST_CSV_QUOTED
#define U MST_CSV_QUOTE
#define E MST_CSV_ESCAPE
#define G MST_CSV_QUOTED_ESCAPE
/* Columns: other, delimiter, quote, escape, line end. An escape directly behind a closing quote is text. */
const uint8_t mst_csv_next[MST_CSV_STATES][MST_CSV_CLASSES] = {
    [MST_CSV_RECORD] = {B, F, Q, E, R},        [MST_CSV_FIELD] = {B, F, Q, E, R}, [MST_CSV_BARE] = {B, F, B, E, R},
    [MST_CSV_QUOTED] = {Q, Q, U, G, Q},        [MST_CSV_QUOTE] = {B, F, Q, B, R}, [MST_CSV_ESCAPE] = {B, B, B, B, B},
    [MST_CSV_QUOTED_ESCAPE] = {Q, Q, Q, Q, Q},
};
#undef R
#undef F
#undef B
#undef Q
#undef U
#undef E
#undef G

/* ---- dialect -------------------------------------------------------------------------------------------------- */

void mst_csv_classes(const mst_csv_dialect *d, uint8_t classes[256]) {
  memset(classes, MST_CSV_OTHER, 256);
  classes[d->delimiter] = MST_CSV_DELIMITER;
  if (d->has_quote) classes[d->quote] = MST_CSV_QUOTE_MARK;
  if (d->has_escape) classes[d->escape] = MST_CSV_ESCAPE_MARK;
  classes['\n'] = classes['\r'] = MST_CSV_LINE;
}

/* One ASCII character; an absent key leaves `*out` alone. */
static mst_status read_character(const json_t *dialect, const char *key, bool *has, uint8_t *out, mst_error *err) {
  const json_t *value = json_object_get(dialect, key);
  const char *text;
  if (value == NULL || json_is_null(value)) return MST_OK;
  text = json_string_value(value);
  if (text == NULL || text[0] <= 0 || text[0] == '\n' || text[0] == '\r' || json_string_length(value) != 1)
    return mst_fail(err, MST_E_CORRUPT, "\"%s\" of the CSV dialect is not one ASCII character", key);
  *out = (uint8_t)text[0];
  if (has != NULL) *has = true;
  return MST_OK;
}

mst_status mst_csv_dialect_read(const json_t *dialect, mst_csv_dialect *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_csv_dialect d = {.delimiter = ','};
  MST_TRY(read_character(dialect, "delimiter", NULL, &d.delimiter, err));
  MST_TRY(read_character(dialect, "quote", &d.has_quote, &d.quote, err));
  MST_TRY(read_character(dialect, "escape", &d.has_escape, &d.escape, err));
  MST_TRY(mst_json_get_bool(dialect, "header", "CSV dialect", &d.header, err));
  MST_TRY(mst_json_get_bool(dialect, "bom", "CSV dialect", &d.bom, err));
  MST_TRY(mst_json_get_bool(dialect, "sep", "CSV dialect", &d.sep, err));
  MST_TRY(mst_json_get_u64(dialect, "lead", "CSV dialect", &d.lead, err));
  MST_TRY(mst_json_get_u64(dialect, "header_bytes", "CSV dialect", &d.header_bytes, err));
  if ((d.has_quote && d.quote == d.delimiter) || (d.has_escape && d.escape == d.delimiter) ||
      (d.has_quote && d.has_escape && d.quote == d.escape))
    return mst_fail(err, MST_E_CORRUPT, "delimiter, quote and escape of the CSV dialect are not three characters");
  *out = d;
done:
  return status;
}

static mst_status write_character(json_t *dialect, const char *key, uint8_t c, mst_error *err) {
  const char text[2] = {(char)c, 0};
  return mst_json_set_text(dialect, key, text, err);
}

mst_status mst_csv_dialect_write(const mst_csv_dialect *d, json_t **out, mst_error *err) {
  mst_status status = MST_OK;
  json_t *j = NULL;
  MST_TRY_ALLOC(j = json_object());
  MST_TRY(write_character(j, "delimiter", d->delimiter, err));
  if (d->has_quote) MST_TRY(write_character(j, "quote", d->quote, err));
  if (d->has_escape) MST_TRY(write_character(j, "escape", d->escape, err));
  MST_TRY(mst_json_set(j, "header", json_boolean(d->header), err));
  if (d->bom) MST_TRY(mst_json_set(j, "bom", json_true(), err));
  if (d->sep) MST_TRY(mst_json_set(j, "sep", json_true(), err));
  if (d->lead > 0) MST_TRY(mst_json_set_u64(j, "lead", d->lead, err));
  if (d->header_bytes > 0) MST_TRY(mst_json_set_u64(j, "header_bytes", d->header_bytes, err));
  *out = j;
  j = NULL;
done:
  json_decref(j);
  return status;
}

/* ---- scanner -------------------------------------------------------------------------------------------------- */

/* What the kernels ran over since the place of the open quote was last sure. */
typedef struct fast_run {
  const uint8_t *data;
  uint64_t at;
  uint16_t size;
  uint8_t state;
} fast_run;
typedef struct trail {
  fast_run runs[TRAIL_MAX];
  size_t n;
} trail;

typedef struct csv_scanner {
  mst_scanner base;
  const mst_allocator *mem;
  const mst_scan_kernels *scan;
  mst_csv_dialect d;
  uint8_t classes[256];
  mst_csv_state state;
  bool opened_known; /* the quote that is open now was seen                         */
  uint64_t opened;   /* its place, from the scanner's opening                       */
  uint64_t at, records;
} csv_scanner;

/* A piece may begin anywhere, but not in what the dialect rules out. */
static bool possible(const mst_csv_dialect *d, unsigned state) {
  switch (state) {
  case MST_CSV_QUOTED:
  case MST_CSV_QUOTE: return d->has_quote;
  case MST_CSV_ESCAPE: return d->has_escape;
  case MST_CSV_QUOTED_ESCAPE: return d->has_escape && d->has_quote;
  case MST_CSV_LEAD: return d->lead > 0;
  case MST_CSV_SEP: return d->sep;
  default: return true;
  }
}

static mst_status csv_open(const mst_allocator *mem, const json_t *dialect, unsigned state, const char *unit,
                           mst_scanner **out, mst_error *err) {
  mst_status status = MST_OK;
  csv_scanner *s = NULL;
  if (unit != NULL) return mst_fail(err, MST_E_ARGUMENT, "CSV has no strategy \"%s\"", unit);
  if (state >= MST_CSV_STATES) return mst_fail(err, MST_E_CORRUPT, "CSV has no state %u", state);
  MST_TRY_ALLOC(s = mst_alloc_zero(mem, 1, sizeof *s));
  s->base.ops = &mst_records_csv;
  s->mem = mem;
  s->scan = mst_scan_best();
  s->state = (mst_csv_state)state;
  MST_TRY(mst_csv_dialect_read(dialect, &s->d, err));
  mst_csv_classes(&s->d, s->classes);
  *out = possible(&s->d, state) ? &s->base : NULL;
  if (*out != NULL) s = NULL;
done:
  mst_free(mem, s);
  return status;
}

static void csv_close(mst_scanner *scanner) {
  if (scanner != NULL) mst_free(((csv_scanner *)scanner)->mem, scanner);
}

/* In front of the first row, where each byte says by itself what it is. Uses bytes up to that row's first one. */
static size_t pass_lead(csv_scanner *s, const uint8_t *data, size_t n) {
  size_t i = 0;
  if (s->state == MST_CSV_BEGIN && n > 0) {
    if (s->d.bom && data[0] == 0xef) i = 1;
    s->state = s->d.sep ? MST_CSV_SEP : MST_CSV_LEAD;
  }
  for (; i < n && s->state == MST_CSV_SEP; i++)
    if (s->classes[data[i]] == MST_CSV_LINE) s->state = MST_CSV_LEAD;
  /* What is left of a byte order mark: no row begins with such bytes. */
  while (i < n && s->state == MST_CSV_LEAD &&
         (s->classes[data[i]] == MST_CSV_LINE || (s->d.bom && (data[i] & 0xc0) == 0x80)))
    i++;
  return i;
}

/* The first row begins at `byte`: the header, which is read over as a record that is not counted. */
static void begin_header(csv_scanner *s, uint8_t byte) {
  s->state = (mst_csv_state)mst_csv_next[MST_CSV_RECORD][s->classes[byte]];
  if (s->state == MST_CSV_QUOTED) {
    s->opened = s->at;
    s->opened_known = true;
  }
  s->at++;
}

static bool stops_here(const csv_scanner *s, const mst_scan_stop *stop) {
  return stop != NULL && (stop->safe || s->records == stop->record || s->at >= stop->offset);
}

/* Up to n bytes, one by one, through the automaton. */
static size_t walk(csv_scanner *s, const uint8_t *data, size_t n, const mst_scan_stop *stop, trail *t, bool *stopped) {
  mst_csv_state state = s->state;
  size_t i = 0;
  for (; i < n; i++) {
    const uint8_t class = s->classes[data[i]];
    if (state == MST_CSV_RECORD && class != MST_CSV_LINE) {
      if (stops_here(s, stop)) {
        *stopped = true;
        break;
      }
      s->records++;
    }
    if (class == MST_CSV_QUOTE_MARK && (state == MST_CSV_RECORD || state == MST_CSV_FIELD)) {
      s->opened = s->at;
      s->opened_known = true;
      t->n = 0;
    }
    state = (mst_csv_state)mst_csv_next[state][class];
    s->at++;
  }
  s->state = state;
  return i;
}

mst_scan_quoted mst_csv_kernel_state(const mst_csv_dialect *d, mst_csv_state state) {
  return (mst_scan_quoted){.quote = d->quote,
                           .delimiter = d->delimiter,
                           .escape = d->escape,
                           .has_quote = d->has_quote,
                           .has_escape = d->has_escape,
                           .inside = state == MST_CSV_QUOTED,
                           .fresh = state == MST_CSV_RECORD,
                           .opens = state == MST_CSV_RECORD || state == MST_CSV_FIELD || state == MST_CSV_QUOTE};
}

mst_csv_state mst_csv_state_behind(const mst_csv_dialect *d, const mst_scan_quoted *q, uint8_t last) {
  if (q->inside) return MST_CSV_QUOTED;
  if (q->fresh) return MST_CSV_RECORD;
  if (!q->opens) return MST_CSV_BARE;
  return d->has_quote && last == d->quote ? MST_CSV_QUOTE : MST_CSV_FIELD;
}

/* The most records that may have started once the kernel is through, so that it passes no stop. */
static uint64_t most_records(const csv_scanner *s, const mst_scan_stop *stop) {
  if (stop == NULL) return UINT64_MAX;
  if (stop->safe || s->at >= stop->offset) return s->records;
  return stop->record >= s->records ? stop->record : UINT64_MAX;
}

/* Walks a run again for the last quote that opened in it; false when none did. */
static bool find_opened(csv_scanner *s, const fast_run *r) {
  mst_csv_state state = (mst_csv_state)r->state;
  bool found = false;
  if (memchr(r->data, s->d.quote, r->size) == NULL) return false;
  for (size_t i = 0; i < r->size; i++) {
    const uint8_t class = s->classes[r->data[i]];
    if (class == MST_CSV_QUOTE_MARK && (state == MST_CSV_RECORD || state == MST_CSV_FIELD)) {
      s->opened = r->at + i;
      found = true;
    }
    state = (mst_csv_state)mst_csv_next[state][class];
  }
  return found;
}

/* Empties the trail; `s->opened` is then right where quotes are open. */
static void resolve(csv_scanner *s, trail *t) {
  const bool open = s->state == MST_CSV_QUOTED || s->state == MST_CSV_QUOTE || s->state == MST_CSV_QUOTED_ESCAPE;
  while (open && t->n > 0) {
    if (find_opened(s, &t->runs[--t->n])) {
      s->opened_known = true;
      break;
    }
  }
  t->n = 0;
}

/* Whole blocks through the kernel. */
static size_t run(csv_scanner *s, const uint8_t *data, size_t n, const mst_scan_stop *stop, trail *t) {
  size_t done = 0, size, used;
  do {
    mst_scan_quoted q = mst_csv_kernel_state(&s->d, s->state);
    if (t->n == TRAIL_MAX) resolve(s, t);
    size = mst_min_size(n - done, FAST_BYTES);
    if (stop != NULL && s->at < stop->offset) size = (size_t)mst_min_u64(size, stop->offset - s->at);
    used = s->scan->quoted_starts(data + done, size, &q, most_records(s, stop), &s->records);
    if (used == 0) break;
    t->runs[t->n++] = (fast_run){.data = data + done, .at = s->at, .size = (uint16_t)used, .state = (uint8_t)s->state};
    s->at += used;
    done += used;
    s->state = mst_csv_state_behind(&s->d, &q, data[done - 1]);
  } while (used == size);
  return done;
}

static mst_status csv_feed(mst_scanner *scanner, const uint8_t *data, size_t n, const mst_scan_stop *stop, size_t *used,
                           bool *stopped, mst_error *err) {
  csv_scanner *s = (csv_scanner *)scanner;
  trail t = {.n = 0};
  size_t i = 0;
  (void)err;
  *stopped = false;
  if (s->state == MST_CSV_BEGIN && s->d.lead == 0 && !s->d.header) s->state = MST_CSV_RECORD;
  if (s->state == MST_CSV_BEGIN || s->state >= MST_CSV_LEAD) {
    i = pass_lead(s, data, n);
    s->at += i;
    if (i < n && s->d.header) begin_header(s, data[i++]);
    else if (i < n) s->state = MST_CSV_RECORD;
  }
  while (i < n && !*stopped) {
    if (n - i >= 64 && s->state != MST_CSV_ESCAPE && s->state != MST_CSV_QUOTED_ESCAPE)
      i += run(s, data + i, n - i, stop, &t);
    i += walk(s, data + i, mst_min_size(n - i, SLOW_BYTES), stop, &t, stopped);
  }
  resolve(s, &t);
  *used = i;
  return MST_OK;
}

static mst_status csv_end(mst_scanner *scanner, mst_error *err) {
  csv_scanner *s = (csv_scanner *)scanner;
  if (s->state != MST_CSV_QUOTED && s->state != MST_CSV_QUOTED_ESCAPE) return MST_OK;
  if (!s->opened_known)
    return mst_fail_at(err, MST_E_CORRUPT, s->at, "a quoted cell that began further in front is not closed at the end");
  return mst_fail_at(err, MST_E_CORRUPT, s->opened, "the quote that opens here is never closed");
}

static unsigned csv_state(const mst_scanner *scanner) { return ((const csv_scanner *)scanner)->state; }

static uint64_t csv_records(const mst_scanner *scanner) { return ((const csv_scanner *)scanner)->records; }

/* ---- format --------------------------------------------------------------------------------------------------- */

static const char *const csv_globs[] = {"*.csv", "*.tsv", "*.tab", "*.psv", NULL};
static const char *const csv_strategies[] = {"records", NULL};
static const char *const csv_row_options[] = {"schema", "columns", "misfit", "ragged", NULL};
static const char *const csv_options[] = {"delimiter", "quote", "escape", "header", "schema", NULL};

/* By its bytes alone nothing is surely CSV; its name says so. */
static int csv_probe(const char *name, uint64_t size, const uint8_t *head, size_t n) {
  (void)name;
  (void)size;
  (void)head;
  (void)n;
  return 6;
}

const mst_format mst_format_csv = {
    .name = "csv",
    .title = "delimited text: CSV, TSV and their kin; a record is a row",
    .version = 1,
    .flags = MST_FORMAT_TEXT_LIKE,
    .globs = csv_globs,
    .strategies = csv_strategies,
    .options = csv_options,
    .row_options = csv_row_options,
    .probe = csv_probe,
    .inspect = mst_records_inspect,
    .scan = mst_records_scan,
    .merge = mst_records_merge,
    .collect = mst_records_collect,
    .index_schema = mst_records_index_schema,
    .plan = mst_records_plan,
    .read = mst_records_read,
    .read_schema = mst_records_read_schema,
    .slice_facts = mst_records_slice_facts,
};

const mst_record_ops mst_records_csv = {
    .format = &mst_format_csv,
    .n_states = MST_CSV_STATES,
    .safe_state = MST_CSV_RECORD,
    .sniff = mst_csv_sniff,
    .open = csv_open,
    .feed = csv_feed,
    .end = csv_end,
    .state = csv_state,
    .records = csv_records,
    .close = csv_close,
    .rows_schema = mst_csv_rows_schema,
    .rows_open = mst_csv_rows_open,
    .rows_feed = mst_csv_rows_feed,
    .rows_take = mst_csv_rows_take,
    .rows_close = mst_csv_rows_close,
};
