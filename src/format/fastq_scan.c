/* format/fastq_scan.c - the automaton that finds reads and checks each of them: '@' and '+' where they must stand, the
 * title repeated truly, as many qualities as bases, nothing but printable ASCII in either. The kernels mark every byte
 * that is not printable, so a line of bases or qualities costs as much as finding its end.
 *
 * Owns: the scanner. May call: base, codec. */
#include "codec/codec.h"
#include "format/fastq.h"

#define BATCH MST_SCAN_BATCH
enum { NAME_KEPT = 48 };

typedef struct fastq_scanner {
  mst_scanner base;
  const mst_allocator *mem;
  const mst_scan_kernels *scan;
  mst_fastq_dialect d;
  mst_fastq_state state;
  bool from_begin; /* opened at the object's beginning: its numbers are the object's */
  bool known;      /* the open read began in this scanner: its lengths are whole     */
  bool line_start; /* at the beginning of a line of bases or qualities                */
  bool text_begun; /* part of the line behind '@' or '+' has been seen                */
  uint64_t at;     /* bytes since opening                                            */
  uint64_t reads;  /* begun since opening                                            */
  uint64_t read_at;
  uint64_t since;      /* `at` of the last take_extra                                     */
  mst_fastq_part read; /* the open read, as far as this scanner saw it               */
  mst_fastq_part head; /* the part of it that lies in front of the last take_extra   */
  mst_fastq_span span;
  const uint8_t *title; /* in the bytes being fed, while `title_here`                 */
  size_t title_size;
  bool title_here;
  char name[NAME_KEPT]; /* of the open read, for errors, once its title is gone       */
  bool name_whole;
} fastq_scanner;

mst_status mst_fastq_dialect_read(const json_t *dialect, mst_fastq_dialect *out, mst_error *err) {
  const json_t *lines = json_object_get(dialect, "lines");
  mst_fastq_dialect d = {0};
  const mst_status status = mst_json_get_bool(dialect, "interleaved", "FASTQ dialect", &d.interleaved, err);
  if (status != MST_OK) return status;
  if (mst_text_equal(json_string_value(lines), "multi")) d.multi = true;
  else if (lines != NULL && json_integer_value(lines) != 4 && !mst_text_equal(json_string_value(lines), "4"))
    return mst_fail(err, MST_E_CORRUPT, "\"lines\" of the FASTQ dialect is neither 4 nor \"multi\"");
  *out = d;
  return MST_OK;
}

mst_status mst_fastq_scanner_open(const mst_allocator *mem, const json_t *dialect, unsigned state, const char *unit,
                                  mst_scanner **out, mst_error *err) {
  mst_fastq_dialect d;
  fastq_scanner *s;
  const mst_status status = mst_fastq_dialect_read(dialect, &d, err);
  (void)unit;
  if (status != MST_OK) return status;
  if (state >= MST_FASTQ_STATES) return mst_fail(err, MST_E_CORRUPT, "FASTQ has no scanning state %u", state);
  *out = NULL;
  if ((d.multi || d.interleaved) && state > MST_FASTQ_READ) return MST_OK;
  s = mst_alloc_zero(mem, 1, sizeof *s);
  if (s == NULL) return mst_fail_memory(err);
  s->base.ops = &mst_records_fastq;
  s->mem = mem;
  s->scan = mst_scan_best();
  s->d = d;
  s->state = state == MST_FASTQ_BEGIN ? MST_FASTQ_READ : (mst_fastq_state)state;
  s->from_begin = state == MST_FASTQ_BEGIN;
  s->text_begun = true;
  *out = &s->base;
  return MST_OK;
}

void mst_fastq_scanner_close(mst_scanner *base) {
  fastq_scanner *s = (fastq_scanner *)base;
  if (s != NULL) mst_free(s->mem, s);
}

unsigned mst_fastq_scanner_state(const mst_scanner *base) { return (unsigned)((const fastq_scanner *)base)->state; }

uint64_t mst_fastq_scanner_records(const mst_scanner *base) {
  const fastq_scanner *s = (const fastq_scanner *)base;
  return s->d.interleaved ? s->reads / 2 + s->reads % 2 : s->reads;
}

/* ---- errors --------------------------------------------------------------------------------------------------- */

static void copy_name(fastq_scanner *s, const uint8_t *title, size_t n) {
  size_t size = strnlen(s->name, sizeof s->name - 1);
  for (size_t i = 0; i < n && !s->name_whole; i++) {
    s->name_whole = title[i] <= ' ' || title[i] > '~' || size + 1 == sizeof s->name;
    if (!s->name_whole) s->name[size++] = (char)title[i];
  }
  s->name[size] = '\0';
}

/* Names the open read (or the one behind it) as well as it is known and says what is wrong with it. */
static mst_status fail_read(fastq_scanner *s, uint64_t at, mst_error *err, const char *format, ...) MST_PRINTF(4, 5);
static mst_status fail_read(fastq_scanner *s, uint64_t at, mst_error *err, const char *format, ...) {
  char what[256];
  va_list args;
  va_start(args, format);
  vsnprintf(what, sizeof what, format, args);
  va_end(args);
  if (s->title_here) copy_name(s, s->title, s->title_size);
  if (s->reads == 0) return mst_fail_at(err, MST_E_CORRUPT, at, "the read at which this scan begins %s", what);
  return mst_fail_at(err, MST_E_CORRUPT, at, "read %llu%s%s%s%s %s", (unsigned long long)(s->reads - 1),
                     s->from_begin ? "" : " from here", *s->name != '\0' ? " (\"" : "", s->name,
                     *s->name != '\0' ? "\")" : "", what);
}

static mst_status fail_byte(fastq_scanner *s, uint64_t at, uint8_t byte, const char *where, mst_error *err) {
  if (byte > ' ' && byte < 0x7f) return fail_read(s, at, err, "has '%c' %s", byte, where);
  return fail_read(s, at, err, "has byte 0x%02x %s", byte, where);
}

static bool between_reads(const fastq_scanner *s) { return s->state == MST_FASTQ_READ || s->state == MST_FASTQ_BLANK; }

mst_status mst_fastq_scanner_end(mst_scanner *base, mst_error *err) {
  fastq_scanner *s = (fastq_scanner *)base;
  static const char *const where[MST_FASTQ_STATES] = {[MST_FASTQ_TITLE] = "in its title",
                                                      [MST_FASTQ_BASES] = "in its bases",
                                                      [MST_FASTQ_BASES_RETURN] = "in its bases",
                                                      [MST_FASTQ_PLUS] = "in front of its '+'"};
  char text[160];
  if (where[s->state] != NULL) return fail_read(s, s->at, err, "is cut off %s: the object ends there", where[s->state]);
  if (s->known && !between_reads(s) && mst_fastq_fault(&s->read, text) != NULL)
    return fail_read(s, s->at, err, "is cut off: it %s where the object ends", text);
  if (s->d.interleaved && s->reads % 2 != 0) return fail_read(s, s->at, err, "has no mate: pairs are interleaved here");
  return MST_OK;
}

/* ---- extra ---------------------------------------------------------------------------------------------------- */

static mst_fastq_text text_since(const mst_fastq_text *now, const mst_fastq_text *then) {
  const uint64_t size = now->size - then->size;
  return (mst_fastq_text){.size = size, .crc = mst_crc32_tail(now->crc, then->crc, size)};
}

/* What of the open read lies behind the last take. */
static mst_fastq_part part_since(const fastq_scanner *s) {
  const mst_fastq_part *r = &s->read, *h = &s->head;
  return (mst_fastq_part){
      .bases = r->bases - h->bases,
      .qualities = r->qualities - h->qualities,
      .title = text_since(&r->title, &h->title),
      .name = text_since(&r->name, &h->name),
      .again = text_since(&r->again, &h->again),
  };
}

/* The read that a span began with, or that it ends with, as far as it lies in the span. */
static void note_part(fastq_scanner *s) {
  if (s->span.begun == 0) s->span.head = part_since(s);
  else s->span.tail = s->read;
}

mst_status mst_fastq_scanner_take_extra(mst_scanner *base, mst_buf *out, mst_error *err) {
  fastq_scanner *s = (fastq_scanner *)base;
  mst_status status;
  note_part(s);
  status = mst_fastq_span_encode(&s->span, out, err);
  if (status != MST_OK) return status;
  s->span = (mst_fastq_span){0};
  s->since = s->at;
  s->head = s->read;
  return MST_OK;
}

/* ---- bytes ---------------------------------------------------------------------------------------------------- */

/* The bytes being fed. `marks` are the unprintable ones of word `word` of the batch at or behind the current place. */
typedef struct feeding {
  const uint8_t *data;
  size_t n, at;
  size_t batch, batch_end, word, words;
  uint64_t marks;
  uint64_t masks[MST_SCAN_WORDS(BATCH)];
} feeding;

static void mark_batch(const fastq_scanner *s, feeding *f) {
  f->batch = f->at;
  f->batch_end = f->n - f->at > BATCH ? f->at + BATCH : f->n;
  f->words = MST_SCAN_WORDS(f->batch_end - f->batch);
  s->scan->mask_range(f->data + f->batch, f->batch_end - f->batch, 0x21, 0x7e, f->masks);
  for (size_t i = 0; i < f->words; i++) f->masks[i] = ~f->masks[i];
  f->masks[f->words - 1] &= mst_mask_low((unsigned)(f->batch_end - f->batch - 64 * (f->words - 1)));
  f->word = 0;
  f->marks = f->masks[0];
}

/* The next unprintable byte, or the batch's end. */
static inline size_t next_mark(feeding *f) {
  while (f->marks == 0) {
    if (f->word + 1 >= f->words) return f->batch_end;
    f->marks = f->masks[++f->word];
  }
  return f->batch + 64 * f->word + mst_mask_first(f->marks);
}

/* Goes behind the mark at `place`, which is the next one. */
static inline void pass_mark(feeding *f, size_t place) {
  if (f->marks == 0) (void)next_mark(f);
  f->marks = mst_mask_rest(f->marks);
  f->at = place + 1;
}

/* The next line feed in the batch, or the batch's end; every mark in front of it is passed. */
static inline size_t next_line_end(feeding *f) {
  for (;;) {
    const size_t place = next_mark(f);
    if (place == f->batch_end || f->data[place] == '\n') return place;
    f->marks = mst_mask_rest(f->marks);
  }
}

/* ---- titles --------------------------------------------------------------------------------------------------- */

static void text_add(mst_fastq_text *to, const uint8_t *text, size_t n) {
  while (n > 0) {
    const uint8_t *cr = memchr(text, '\r', n);
    const size_t part = cr == NULL ? n : (size_t)(cr - text);
    to->crc = mst_crc32(to->crc, text, part);
    to->size += part;
    if (cr == NULL) return;
    text += part + 1;
    n -= part + 1;
  }
}

/* Bytes in front of the first blank. */
static size_t first_word(const uint8_t *text, size_t n) {
  size_t i = 0;
  while (i < n && text[i] != ' ' && text[i] != '\t') i++;
  return i;
}

static size_t without_return(const uint8_t *text, size_t n) { return n > 0 && text[n - 1] == '\r' ? n - 1 : n; }

/* The title is about to be overwritten, or must be compared by its sum. */
static void keep_title(fastq_scanner *s) {
  if (!s->title_here) return;
  s->title_here = false;
  copy_name(s, s->title, s->title_size);
  if (s->read.name.size == s->read.title.size) text_add(&s->read.name, s->title, first_word(s->title, s->title_size));
  text_add(&s->read.title, s->title, s->title_size);
}

/* [at, end) of the line behind '@'; `whole` when nothing of it lay in front of these bytes and its end is here. */
static void add_title(fastq_scanner *s, const uint8_t *text, size_t n, bool whole) {
  s->title = text;
  s->title_size = n;
  s->title_here = true;
  if (!whole) keep_title(s);
}

/* The same for the line behind '+'. */
static void add_again(fastq_scanner *s, const uint8_t *text, size_t n, bool whole) {
  if (whole && (n == 0 || (n == 1 && *text == '\r'))) return;
  if (whole && s->title_here) {
    const size_t a = without_return(text, n), b = without_return(s->title, s->title_size);
    if ((a == b || a == first_word(s->title, b)) && memcmp(text, s->title, a) == 0) return;
  }
  keep_title(s);
  text_add(&s->read.again, text, n);
}

/* ---- lines ---------------------------------------------------------------------------------------------------- */

static bool stop_here(const fastq_scanner *s, const mst_scan_stop *stop) {
  if (s->d.interleaved && s->reads % 2 != 0) return false;
  return stop->safe || (stop->offset != UINT64_MAX && s->at >= stop->offset) ||
         (stop->record != UINT64_MAX && mst_fastq_scanner_records(&s->base) == stop->record);
}

static void begin_read(fastq_scanner *s) {
  s->read_at = s->at;
  s->reads++;
  s->known = true;
  if (s->span.begun == 0) s->span.head = part_since(s);
  s->span.begun++;
  s->span.tail_at = s->at - s->since;
  s->read = s->head = (mst_fastq_part){0};
  s->name[0] = '\0';
  s->name_whole = s->title_here = s->text_begun = false;
  s->state = MST_FASTQ_TITLE;
}

/* The line behind '+' has ended. What was found the same in both titles need not be compared again when spans are
 * joined, unless an earlier span holds part of it. */
static mst_status end_again(fastq_scanner *s, mst_error *err) {
  const mst_fastq_part titles = {.title = s->read.title, .name = s->read.name, .again = s->read.again};
  char text[160];
  s->state = MST_FASTQ_QUALITIES;
  if (!s->known) return MST_OK;
  if (mst_fastq_fault(&titles, text) != NULL) return fail_read(s, s->read_at, err, "%s", text);
  if (s->span.begun > 0) s->read.title = s->read.name = s->read.again = (mst_fastq_text){0};
  return MST_OK;
}

/* A read's last line has ended. */
static mst_status end_read(fastq_scanner *s, mst_error *err) {
  char text[160];
  if (s->known && s->read.bases != s->read.qualities)
    return fail_read(s, s->read_at, err, "%s", mst_fastq_fault(&s->read, text));
  s->state = MST_FASTQ_READ;
  s->title_here = false;
  if (s->span.begun > 0) s->read = (mst_fastq_part){0};
  return MST_OK;
}

/* The line of bases or qualities has ended. */
static mst_status end_line(fastq_scanner *s, mst_error *err) {
  const bool bases = s->state == MST_FASTQ_BASES || s->state == MST_FASTQ_BASES_RETURN;
  s->line_start = true;
  if (bases) {
    s->state = s->d.multi ? MST_FASTQ_BASES : MST_FASTQ_PLUS;
    return MST_OK;
  }
  s->state = MST_FASTQ_QUALITIES;
  if (s->d.multi && s->read.qualities < s->read.bases) return MST_OK;
  return end_read(s, err);
}

/* Bases or qualities up to the next byte that is neither. */
static mst_status feed_letters(fastq_scanner *s, feeding *f, mst_error *err) {
  const bool bases = s->state == MST_FASTQ_BASES;
  const size_t place = next_mark(f), n = place - f->at;
  if (bases) {
    s->read.bases += n;
    s->span.bases += n;
  } else {
    s->read.qualities += n;
  }
  s->at += n;
  f->at = place;
  if (n > 0) s->line_start = false;
  if (place == f->batch_end) return MST_OK;
  if (f->data[place] != '\n' && f->data[place] != '\r')
    return fail_byte(s, s->at, f->data[place], bases ? "among its bases" : "among its qualities", err);
  pass_mark(f, place);
  s->at++;
  if (f->data[place] == '\n') return end_line(s, err);
  s->state = bases ? MST_FASTQ_BASES_RETURN : MST_FASTQ_QUALITIES_RETURN;
  return MST_OK;
}

static mst_status feed_return(fastq_scanner *s, feeding *f, mst_error *err) {
  if (f->data[f->at] != '\n')
    return fail_byte(s, s->at, '\r', "within a line: a carriage return without a line feed", err);
  pass_mark(f, f->at);
  s->at++;
  return end_line(s, err);
}

/* The rest of a line behind '@' or '+'. */
static mst_status feed_text(fastq_scanner *s, feeding *f, mst_error *err) {
  const bool title = s->state == MST_FASTQ_TITLE;
  const size_t begin = f->at, end = next_line_end(f);
  const bool ended = end < f->batch_end;
  (title ? add_title : add_again)(s, f->data + begin, end - begin, ended && !s->text_begun);
  s->text_begun = s->text_begun || end > begin;
  s->at += end - begin;
  f->at = end;
  if (!ended) return MST_OK;
  pass_mark(f, end);
  s->at++;
  s->line_start = true;
  if (!title) return end_again(s, err);
  s->state = MST_FASTQ_BASES;
  return MST_OK;
}

/* Blank lines between reads. */
static mst_status feed_blank(fastq_scanner *s, feeding *f, mst_error *err) {
  const uint8_t c = f->data[f->at];
  if (c != '\n' && c != '\r' && c != ' ' && c != '\t') {
    s->title_here = false;
    return mst_fail_at(err, MST_E_CORRUPT, s->at, "a read must begin with '@', but byte 0x%02x stands there%s", c,
                       s->d.multi || s->reads == 0 ? "" : " (reads of more than four lines need lines=multi)");
  }
  s->state = c == '\n' ? MST_FASTQ_READ : MST_FASTQ_BLANK;
  pass_mark(f, f->at);
  s->at++;
  return MST_OK;
}

/* A whole read of four plain lines that lies in the batch: what slower steps would do to it, at once. Anything else is
 * left to them: false, and nothing has changed. The cursor stands at '@'. */
static inline bool feed_whole(fastq_scanner *s, feeding *f) {
  const size_t word = f->word, begin = f->at;
  const uint64_t marks = f->marks;
  const size_t title_end = next_line_end(f);
  size_t bases_end, end, bases;
  if (title_end == f->batch_end) goto no;
  f->marks = mst_mask_rest(f->marks);
  bases_end = next_mark(f);
  if (f->batch_end - bases_end < 3 || memcmp(f->data + bases_end, "\n+\n", 3) != 0) goto no;
  f->marks = mst_mask_rest(f->marks);
  if (f->marks == 0) (void)next_mark(f);
  f->marks = mst_mask_rest(f->marks);
  end = next_mark(f);
  bases = bases_end - title_end - 1;
  if (end == f->batch_end || f->data[end] != '\n' || end - bases_end - 3 != bases) goto no;
  f->marks = mst_mask_rest(f->marks);
  f->at = end + 1;
  s->read_at = s->at;
  s->span.tail_at = s->at - s->since;
  s->span.begun++;
  s->span.bases += bases;
  s->reads++;
  s->at += f->at - begin;
  return true;
no:
  f->word = word;
  f->marks = marks;
  return false;
}

static mst_status feed_between(fastq_scanner *s, feeding *f, const mst_scan_stop *stop, bool *stopped, mst_error *err) {
  if (f->data[f->at] != '@') return feed_blank(s, f, err);
  *stopped = stop_here(s, stop);
  if (*stopped) return MST_OK;
  /* Behind the first read of a span, which says what came in front. */
  while (s->span.begun > 0 && !s->d.multi && feed_whole(s, f)) {
    if (f->at == f->batch_end || f->data[f->at] != '@') return MST_OK;
    *stopped = stop_here(s, stop);
    if (*stopped) return MST_OK;
  }
  begin_read(s);
  s->at++;
  f->at++;
  return MST_OK;
}

static mst_status feed_plus(fastq_scanner *s, feeding *f, mst_error *err) {
  if (f->data[f->at] != '+')
    return fail_byte(s, s->at, f->data[f->at],
                     s->d.multi ? "where its '+' must stand"
                                : "where its '+' must stand (reads of more than four lines need lines=multi)",
                     err);
  s->state = MST_FASTQ_AGAIN;
  s->text_begun = false;
  s->at++;
  f->at++;
  return MST_OK;
}

/* In the multi-line dialect '+' ends the bases, and a read without bases has no line of qualities that must be waited
 * for. */
static mst_status feed_multi(fastq_scanner *s, feeding *f, mst_error *err) {
  const uint8_t c = f->data[f->at];
  if (s->state == MST_FASTQ_BASES && s->line_start && (c == '+' || c == '@' || c == '>')) return feed_plus(s, f, err);
  if (s->state == MST_FASTQ_QUALITIES && s->line_start && s->read.bases == 0) return end_read(s, err);
  return feed_letters(s, f, err);
}

static mst_status feed_some(fastq_scanner *s, feeding *f, const mst_scan_stop *stop, bool *stopped, mst_error *err) {
  switch (s->state) {
  case MST_FASTQ_TITLE:
  case MST_FASTQ_AGAIN: return feed_text(s, f, err);
  case MST_FASTQ_BASES:
  case MST_FASTQ_QUALITIES: return s->d.multi ? feed_multi(s, f, err) : feed_letters(s, f, err);
  case MST_FASTQ_BASES_RETURN:
  case MST_FASTQ_QUALITIES_RETURN: return feed_return(s, f, err);
  case MST_FASTQ_PLUS: return feed_plus(s, f, err);
  case MST_FASTQ_BLANK: return feed_blank(s, f, err);
  default: return feed_between(s, f, stop, stopped, err);
  }
}

/* The bytes fed are about to go: what is still needed of the open read's title is kept as a sum. */
static void leave_bytes(fastq_scanner *s) {
  if (!s->title_here) return;
  if (s->state == MST_FASTQ_QUALITIES || s->state == MST_FASTQ_QUALITIES_RETURN) {
    copy_name(s, s->title, s->title_size);
    s->title_here = false;
  } else {
    keep_title(s);
  }
}

mst_status mst_fastq_scanner_feed(mst_scanner *base, const uint8_t *data, size_t n, const mst_scan_stop *stop,
                                  size_t *used, bool *stopped, mst_error *err) {
  static const mst_scan_stop never = {.record = UINT64_MAX, .offset = UINT64_MAX};
  fastq_scanner *s = (fastq_scanner *)base;
  mst_status status = MST_OK;
  feeding f; /* not cleared: that would cost more than a short run */
  if (stop == NULL) stop = &never;
  *stopped = false;
  f.data = data;
  f.n = n;
  f.at = f.batch_end = 0;
  while (f.at < n && !*stopped) {
    if (f.at == f.batch_end) mark_batch(s, &f);
    MST_TRY(feed_some(s, &f, stop, stopped, err));
  }
  *used = f.at;
done:
  leave_bytes(s);
  return status;
}
