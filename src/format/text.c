/* format/text.c - plain text: records are lines, a line is what ends with LF (a CR before it belongs to the end) or
 * with the object. The strategy "words" cuts in front of words instead: runs of bytes other than space, tab, CR and LF.
 * Bytes are never decoded, so that no cut falls inside a UTF-8 sequence and what is no UTF-8 passes through.
 *
 * Owns: scanners and rows of text. May call: base, column. */
#include "format/records.h"

enum { STATE_BEGIN, STATE_LINE, STATE_INSIDE, STATE_BOM1, STATE_BOM2, N_STATES };
enum { BOM_BYTES = 3 };
#define NOWHERE UINT64_MAX

typedef struct text_scanner {
  mst_scanner base;
  const mst_allocator *mem;
  const mst_scan_kernels *kernels;
  unsigned state;
  bool bom;     /* the object begins with one         */
  bool words;   /* cuts are searched in front of words */
  bool in_word; /* words: the byte before was no blank */
  uint64_t at;  /* bytes since the opening             */
  uint64_t records;
} text_scanner;

/* ---- detection ------------------------------------------------------------------------------------------------- */

static bool has_bom(const uint8_t *d, size_t n) { return n >= 3 && d[0] == 0xef && d[1] == 0xbb && d[2] == 0xbf; }

/* UTF-16 and UTF-32 by their byte order marks; their line ends are more than one byte. */
static bool is_wide(const uint8_t *d, size_t n) {
  if (n >= 2 && ((d[0] == 0xff && d[1] == 0xfe) || (d[0] == 0xfe && d[1] == 0xff))) return true;
  return n >= 4 && d[0] == 0 && d[1] == 0 && d[2] == 0xfe && d[3] == 0xff;
}

/* Text has few control bytes; binary formats have NUL bytes early. What a name calls text is text, whatever it holds.
 */
static int text_probe(const char *name, uint64_t size, const uint8_t *head, size_t n) {
  enum { UNLIKELY = 2, EMPTY = 10, LIKELY = 12 };
  size_t strange = 0;
  (void)name;
  if (size == 0 || n == 0) return EMPTY;
  if (is_wide(head, n)) return LIKELY;
  n = mst_min_size(n, 4096);
  for (size_t i = 0; i < n; i++) {
    const uint8_t c = head[i];
    if (c == 0) return UNLIKELY;
    strange += (c < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != 0x1b) || c == 0x7f;
  }
  return strange * 20 > n ? UNLIKELY : LIKELY;
}

static mst_status text_sniff(const mst_job *job, const uint8_t *head, size_t n, bool whole, json_t **dialect,
                             uint64_t *want, mst_error *err) {
  mst_status status = MST_OK;
  json_t *d = NULL;
  if (n < 4 && !whole) {
    *want = 4;
    return MST_OK;
  }
  if (is_wide(head, n))
    return mst_fail_at(err, MST_E_UNSUPPORTED, 0, "text in UTF-16 or UTF-32 is not read; convert %s to UTF-8 first",
                       job->name);
  MST_TRY_ALLOC(d = json_object());
  if (has_bom(head, n)) {
    MST_TRY(mst_json_set(d, "bom", json_true(), err));
    MST_TRY(mst_json_set_u64(d, "header_bytes", BOM_BYTES, err));
  }
  *dialect = d;
  d = NULL;
done:
  json_decref(d);
  return status;
}

/* ---- scanning -------------------------------------------------------------------------------------------------- */

static mst_status text_open(const mst_allocator *mem, const json_t *dialect, unsigned state, const char *unit,
                            mst_scanner **out, mst_error *err) {
  text_scanner *s;
  const bool bom = json_is_true(json_object_get(dialect, "bom"));
  *out = NULL;
  if (state >= STATE_BOM1 && !bom) return MST_OK;
  s = mst_alloc_zero(mem, 1, sizeof *s);
  if (s == NULL) return mst_fail_memory(err);
  s->base.ops = &mst_records_text;
  s->mem = mem;
  s->kernels = mst_scan_best();
  s->bom = bom;
  s->words = unit != NULL;
  s->state = state == STATE_BEGIN && !bom ? STATE_LINE : state;
  *out = &s->base;
  return MST_OK;
}

/* The mark in front of the text belongs to no line. Returns the bytes of it that lie in data[0..n). */
static size_t skip_bom(text_scanner *s, size_t n) {
  size_t i = 0;
  while (i < n && s->state != STATE_LINE && s->state != STATE_INSIDE) {
    s->state = s->state == STATE_BEGIN ? STATE_BOM1 : s->state == STATE_BOM1 ? STATE_BOM2 : STATE_LINE;
    i++;
  }
  return i;
}

/* Where the line begins that is number `ahead` from here, the one that begins right here being number 0 when the state
 * is at a line's start; n when it does not begin in data[0..n). */
static size_t find_line(const text_scanner *s, const uint8_t *data, size_t n, uint64_t ahead) {
  const uint64_t ends = s->state == STATE_LINE ? ahead : ahead + 1;
  size_t at;
  if (ends == 0) return 0;
  if (ends == 1) {
    const uint8_t *end = memchr(data, '\n', n);
    return end == NULL ? n : (size_t)(end - data) + 1;
  }
  at = mst_scan_nth(s->kernels, data, n, '\n', ends - 1, NULL);
  return at == n ? n : at + 1;
}

static bool is_blank(uint8_t c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

/* The first word that begins at or behind data[from]; n when none does. */
static size_t find_word(const text_scanner *s, const uint8_t *data, size_t n, size_t from) {
  bool in_word = from == 0 ? s->in_word : !is_blank(data[from - 1]);
  for (size_t i = from; i < n; i++) {
    const bool blank = is_blank(data[i]);
    if (!blank && !in_word) return i;
    in_word = !blank;
  }
  return n;
}

static size_t find_stop(const text_scanner *s, const uint8_t *data, size_t n, const mst_scan_stop *stop) {
  size_t at = n;
  if (stop->safe) at = find_line(s, data, n, 0);
  if (stop->record != NOWHERE && stop->record >= s->records)
    at = mst_min_size(at, find_line(s, data, at, stop->record - s->records));
  if (stop->offset != NOWHERE && s->words) {
    const uint64_t ahead = stop->offset > s->at ? stop->offset - s->at : 0;
    if (ahead < at) at = mst_min_size(at, find_word(s, data, at, (size_t)ahead));
  }
  return at;
}

/* Counts the lines that begin in data[0..n), n > 0. */
static void count_lines(text_scanner *s, const uint8_t *data, size_t n) {
  const bool at_line = data[n - 1] == '\n';
  s->records += s->kernels->count(data, n, '\n') + (s->state == STATE_LINE) - at_line;
  s->state = at_line ? STATE_LINE : STATE_INSIDE;
  s->in_word = !is_blank(data[n - 1]);
}

static mst_status text_feed(mst_scanner *base, const uint8_t *data, size_t n, const mst_scan_stop *stop, size_t *used,
                            bool *stopped, mst_error *err) {
  text_scanner *s = (text_scanner *)base;
  const size_t bom = s->state == STATE_LINE || s->state == STATE_INSIDE ? 0 : skip_bom(s, n);
  size_t at;
  (void)err;
  s->at += bom;
  at = find_stop(s, data + bom, n - bom, stop);
  *stopped = at < n - bom;
  *used = bom + at;
  if (at > 0) count_lines(s, data + bom, at);
  s->at += at;
  return MST_OK;
}

static mst_status text_end(mst_scanner *base, mst_error *err) {
  (void)base;
  (void)err;
  return MST_OK;
}

static unsigned text_state(const mst_scanner *base) { return ((const text_scanner *)base)->state; }
static uint64_t text_records(const mst_scanner *base) { return ((const text_scanner *)base)->records; }

static void text_close(mst_scanner *base) {
  text_scanner *s = (text_scanner *)base;
  mst_free(s->mem, s);
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

enum { BATCH_ROWS = 65536, BATCH_BYTES = 16 << 20 };

typedef struct text_rows {
  const mst_job *job;
  mst_builder *column;
  mst_buf rest; /* a line whose end has not come yet          */
  uint64_t batch_rows;
  uint64_t at; /* where the line at hand begins, for errors  */
  bool words, raw;
} text_rows;

static bool option(const json_t *options, const char *key) { return json_is_true(json_object_get(options, key)); }
static bool by_words(const json_t *options) { return json_object_get(options, "unit") != NULL; }

static mst_field text_field(const json_t *options) {
  return (mst_field){.name = by_words(options) ? "word" : "line", .format = option(options, "raw") ? "Z" : "U"};
}

static mst_status text_rows_schema(const mst_allocator *mem, const json_t *dialect, const json_t *options,
                                   struct ArrowSchema *out, mst_error *err) {
  const mst_field field = text_field(options);
  (void)dialect;
  return mst_schema_make(mem, &field, 1, out, err);
}

static void text_rows_close(void *rows) {
  text_rows *r = rows;
  mst_builder_free(r->column);
  mst_buf_free(&r->rest);
  mst_free(r->job->mem, r);
}

static mst_status text_rows_open(const mst_job *job, const json_t *dialect, const json_t *options, uint64_t batch_rows,
                                 void **out, mst_error *err) {
  const mst_field field = text_field(options);
  mst_status status = MST_OK;
  text_rows *r = mst_alloc_zero(job->mem, 1, sizeof *r);
  (void)dialect;
  if (r == NULL) return mst_fail_memory(err);
  r->job = job;
  r->batch_rows = batch_rows > 0 ? batch_rows : BATCH_ROWS;
  r->words = by_words(options);
  r->raw = option(options, "raw");
  mst_buf_init(&r->rest, job->mem, job->record_max > 0 ? (size_t)job->record_max : SIZE_MAX / 2);
  MST_TRY(mst_builder_new(job->mem, &field, &r->column, err));
  *out = r;
  r = NULL;
done:
  if (r != NULL) text_rows_close(r);
  return status;
}

/* `at`: where it begins in its line. */
static mst_status put_text(text_rows *r, const uint8_t *data, size_t n, size_t at, mst_error *err) {
  size_t wrong;
  if (!r->raw && !mst_utf8_valid(data, n, &wrong))
    return mst_fail_at(err, MST_E_CORRUPT, r->at + at + wrong,
                       "a line is not UTF-8 (it holds the byte 0x%02x); raw=True gives bytes instead",
                       (unsigned)data[wrong]);
  return mst_builder_bytes(r->column, data, n, err);
}

/* A line without its end becomes a row, or its words do. */
static mst_status put_line(text_rows *r, const uint8_t *data, size_t n, mst_error *err) {
  if (!r->words) return put_text(r, data, n > 0 && data[n - 1] == '\r' ? n - 1 : n, 0, err);
  for (size_t i = 0; i < n;) {
    size_t from;
    mst_status status;
    while (i < n && is_blank(data[i])) i++;
    for (from = i; i < n && !is_blank(data[i]); i++) continue;
    if (from == i) break;
    status = put_text(r, data + from, i - from, from, err);
    if (status != MST_OK) return status;
  }
  return MST_OK;
}

/* The gathered beginning of a line and its rest. */
static mst_status put_gathered(text_rows *r, const uint8_t *data, size_t n, mst_error *err) {
  mst_status status = mst_buf_put(&r->rest, data, n, err);
  if (status == MST_OK) status = put_line(r, r->rest.data, r->rest.size, err);
  r->at += r->rest.size + 1;
  mst_buf_clear(&r->rest);
  return status;
}

static mst_status text_rows_feed(void *rows, const uint8_t *data, size_t n, bool last, mst_error *err) {
  text_rows *r = rows;
  mst_status status = MST_OK;
  for (const uint8_t *end; n > 0 && (end = memchr(data, '\n', n)) != NULL;
       n -= (size_t)(end - data) + 1, data = end + 1) {
    if (r->rest.size > 0) {
      MST_TRY(put_gathered(r, data, (size_t)(end - data), err));
    } else {
      MST_TRY(put_line(r, data, (size_t)(end - data), err));
      r->at += (size_t)(end - data) + 1;
    }
  }
  if (n > 0) MST_TRY(mst_buf_put(&r->rest, data, n, err));
  if (last && r->rest.size > 0) MST_TRY(put_gathered(r, data, 0, err));
done:
  return status;
}

static mst_status text_rows_take(void *rows, bool all, struct ArrowArray *out, mst_error *err) {
  text_rows *r = rows;
  const size_t n = mst_builder_length(r->column);
  if (n == 0 || (!all && n < r->batch_rows && mst_builder_bytes_held(r->column) < BATCH_BYTES)) return MST_OK;
  return mst_batch_take(r->job->mem, &r->column, 1, out, err);
}

/* ---- the format -------------------------------------------------------------------------------------------------- */

static const char *const text_globs[] = {"*.txt", "*.text", "*.log", "*.jsonl", "*.ndjson", NULL};
static const char *const text_strategies[] = {"lines", "words", NULL};
static const char *const text_units[] = {"words", NULL};
static const char *const text_options[] = {NULL};
static const char *const text_row_options[] = {"raw", NULL};

const mst_format mst_format_text = {
    .name = "text",
    .title = "lines or words of plain text",
    .version = 1,
    .flags = MST_FORMAT_TEXT_LIKE,
    .globs = text_globs,
    .strategies = text_strategies,
    .options = text_options,
    .row_options = text_row_options,
    .probe = text_probe,
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

const mst_record_ops mst_records_text = {
    .format = &mst_format_text,
    .n_states = N_STATES,
    .safe_state = STATE_LINE,
    .units = text_units,
    .sniff = text_sniff,
    .open = text_open,
    .feed = text_feed,
    .end = text_end,
    .state = text_state,
    .records = text_records,
    .close = text_close,
    .rows_schema = text_rows_schema,
    .rows_open = text_rows_open,
    .rows_feed = text_rows_feed,
    .rows_take = text_rows_take,
    .rows_close = text_rows_close,
};
