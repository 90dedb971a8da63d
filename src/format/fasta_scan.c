/* format/fasta_scan.c - the automaton that finds FASTA records, counts residues and checks what stands between them.
 * Sequence is looked at in batches: the kernels mark every '>' and ';', and only those at the beginning of a line mean
 * something.
 *
 * Owns: the scanner. May call: base. */
#include "format/fasta.h"

#define BATCH MST_SCAN_BATCH

typedef struct fasta_scanner {
  mst_scanner base;
  const mst_scan_kernels *scan;
  bool residues; /* may be cut at residues, not only at records */
  bool bom;      /* the object begins with a byte order mark    */
  mst_fasta_state state;
  uint64_t at;      /* bytes since opening */
  uint64_t records; /* begun since opening */
  uint64_t since;   /* `at` of the last take_extra */
  mst_fasta_span span;
  mst_buf hashes; /* of the names that are done with */
} fasta_scanner;

mst_status mst_fasta_scanner_open(const mst_allocator *mem, const json_t *dialect, unsigned state, const char *unit,
                                  mst_scanner **out, mst_error *err) {
  fasta_scanner *s;
  bool bom = false;
  const mst_status status = mst_json_get_bool(dialect, "bom", "FASTA dialect", &bom, err);
  if (status != MST_OK) return status;
  if (state >= MST_FASTA_STATES) return mst_fail(err, MST_E_CORRUPT, "FASTA has no scanning state %u", state);
  *out = NULL;
  if (state == MST_FASTA_BOM && !bom) return MST_OK;
  s = mst_alloc_zero(mem, 1, sizeof *s);
  if (s == NULL) return mst_fail_memory(err);
  s->base.ops = &mst_records_fasta;
  s->scan = mst_scan_best();
  s->bom = bom;
  s->residues = mst_text_equal(unit, "residues");
  s->state = (mst_fasta_state)state;
  mst_buf_init(&s->hashes, mem, (size_t)MST_FASTA_NAMES_MAX * 4);
  *out = &s->base;
  return MST_OK;
}

void mst_fasta_scanner_close(mst_scanner *base) {
  fasta_scanner *s = (fasta_scanner *)base;
  if (s == NULL) return;
  const mst_allocator *mem = s->hashes.mem;
  mst_buf_free(&s->hashes);
  mst_free(mem, s);
}

/* A piece may hold no byte at all, so that the next one is the beginning in truth. */
unsigned mst_fasta_scanner_state(const mst_scanner *base) {
  const fasta_scanner *s = (const fasta_scanner *)base;
  return (unsigned)(s->state == MST_FASTA_BEGIN ? MST_FASTA_LEAD : s->state);
}

uint64_t mst_fasta_scanner_records(const mst_scanner *base) { return ((const fasta_scanner *)base)->records; }

/* Whatever ends, ends whole: a header without sequence is a record of no residues. */
mst_status mst_fasta_scanner_end(mst_scanner *s, mst_error *err) {
  (void)s, (void)err;
  return MST_OK;
}

/* ---- extra ---------------------------------------------------------------------------------------------------- */

static mst_status keep_last_name(fasta_scanner *s, mst_error *err) {
  if (s->span.begun == 0 || s->span.begun > MST_FASTA_NAMES_MAX) return MST_OK;
  return mst_buf_put_u32(&s->hashes, mst_fasta_hash(s->span.tail.text, s->span.tail.size), err);
}

mst_status mst_fasta_scanner_take_extra(mst_scanner *base, mst_buf *out, mst_error *err) {
  fasta_scanner *s = (fasta_scanner *)base;
  mst_status status = MST_OK;
  MST_TRY(keep_last_name(s, err));
  if (s->span.begun <= MST_FASTA_NAMES_MAX) {
    s->span.hashes = s->hashes.data;
    s->span.n_hashes = s->span.begun;
  }
  MST_TRY(mst_fasta_span_encode(&s->span, out, err));
  s->span = (mst_fasta_span){0};
  mst_buf_clear(&s->hashes);
  s->since = s->at;
done:
  return status;
}

/* ---- errors --------------------------------------------------------------------------------------------------- */

size_t mst_fasta_bad_byte(const uint8_t *data, size_t n) {
  size_t i = 0;
  while (i < n && data[i] != 0 && data[i] < 0x80) i++;
  return i;
}

static mst_status fail_bad_byte(uint8_t byte, uint64_t at, mst_error *err) {
  return mst_fail_at(err, MST_E_CORRUPT, at,
                     "byte 0x%02x in a sequence: residues are printable ASCII, so this is no FASTA", byte);
}

static mst_status fail_lead(const fasta_scanner *s, const uint8_t *data, size_t n, mst_error *err) {
  char found[25];
  size_t size = 0;
  for (; size < n && size + 1 < sizeof found && data[size] >= ' ' && data[size] < 0x7f; size++)
    found[size] = (char)data[size];
  found[size] = '\0';
  if (size == 0)
    return mst_fail_at(err, MST_E_CORRUPT, s->at, "byte 0x%02x in front of the first '>': not FASTA", *data);
  return mst_fail_at(err, MST_E_CORRUPT, s->at, "text in front of the first '>': \"%s\": not FASTA", found);
}

/* ---- bytes ---------------------------------------------------------------------------------------------------- */

/* The bytes being fed, and the masks of the batch that holds the current place: line feeds, residues, bytes that are
 * neither nor a carriage return, and every '>' and ';' that begins a line. */
typedef struct feeding {
  const uint8_t *data;
  size_t n, at;
  size_t batch, batch_end; /* the masks stand for [batch, batch_end) */
  uint64_t lines[MST_SCAN_WORDS(BATCH)], residues[MST_SCAN_WORDS(BATCH)], others[MST_SCAN_WORDS(BATCH)],
      events[MST_SCAN_WORDS(BATCH)];
} feeding;

static void advance(fasta_scanner *s, feeding *f, size_t to) {
  s->at += to - f->at;
  f->at = to;
}

/* In front of the first record: blank lines and lines that begin with ';', '#' or '!' may stand there, and a byte order
 * mark. */
static mst_status feed_lead(fasta_scanner *s, feeding *f, mst_error *err) {
  const uint8_t c = f->data[f->at];
  const bool line = s->state == MST_FASTA_BEGIN || s->state == MST_FASTA_LEAD;
  if (line && s->bom && c == 0xef) s->state = MST_FASTA_BOM;
  else if (s->state == MST_FASTA_BOM && (c == 0xbb || c == 0xbf)) s->state = c == 0xbf ? MST_FASTA_LEAD : MST_FASTA_BOM;
  else if (s->state != MST_FASTA_BOM && c == '\n') s->state = MST_FASTA_LEAD;
  else if (s->state != MST_FASTA_BOM && mst_fasta_blank(c)) s->state = MST_FASTA_LEAD_BLANK;
  else if (line && (c == ';' || c == '#' || c == '!')) s->state = MST_FASTA_LEAD_COMMENT;
  else return fail_lead(s, f->data + f->at, f->n - f->at, err);
  advance(s, f, f->at + 1);
  return MST_OK;
}

/* Up to and with the line end, if it is there. */
static void feed_line(fasta_scanner *s, feeding *f) {
  const uint8_t *begin = f->data + f->at, *lf = memchr(begin, '\n', f->n - f->at);
  const size_t end = lf == NULL ? f->n : (size_t)(lf - f->data);
  if (s->state == MST_FASTA_HEADER) {
    mst_fasta_name *name = s->span.begun > 0 ? &s->span.tail : &s->span.head;
    mst_fasta_name_feed(name, begin, end - f->at);
    if (lf != NULL) name->phase = MST_FASTA_NAME_DONE;
  }
  if (lf != NULL) s->state = s->state == MST_FASTA_LEAD_COMMENT ? MST_FASTA_LEAD : MST_FASTA_LINE;
  advance(s, f, lf == NULL ? end : end + 1);
}

static mst_status begin_record(fasta_scanner *s, feeding *f, mst_error *err) {
  const mst_status status = keep_last_name(s, err);
  if (status != MST_OK) return status;
  s->records++;
  s->span.begun++;
  s->span.last_header = s->at - s->since;
  s->span.tail_residues = 0;
  s->span.tail.phase = MST_FASTA_NAME_BEFORE;
  s->span.tail.blank = false;
  s->span.tail.size = 0;
  s->state = MST_FASTA_HEADER;
  advance(s, f, f->at + 1);
  return MST_OK;
}

/* Counts the residues of [at, to), which lie in lines of sequence and in the batch. */
static mst_status feed_residues(fasta_scanner *s, feeding *f, size_t to, mst_error *err) {
  const size_t from = f->at - f->batch, end = to - f->batch;
  size_t count;
  if (from == end) return MST_OK;
  if (s->scan->count_bits(f->others, from, end) > 0) {
    const size_t bad = mst_fasta_bad_byte(f->data + f->at, to - f->at);
    if (bad < to - f->at) return fail_bad_byte(f->data[f->at + bad], s->at + bad, err);
  }
  count = s->scan->count_bits(f->residues, from, end);
  s->span.residues += count;
  if (s->span.begun > 0) s->span.tail_residues += count;
  else s->span.head_residues += count;
  s->state = f->data[to - 1] == '\n' ? MST_FASTA_LINE : MST_FASTA_SEQUENCE;
  advance(s, f, to);
  return MST_OK;
}

/* ---- places --------------------------------------------------------------------------------------------------- */

/* Masks for the next bytes, of which the first stands in a line of sequence or begins one. */
static void mark_batch(const fasta_scanner *s, feeding *f) {
  static const uint8_t bytes[4] = {'\n', '\r', '>', ';'};
  uint64_t returns[MST_SCAN_WORDS(BATCH)];
  uint64_t *const masks[4] = {f->lines, returns, f->events, f->others};
  uint64_t begins = s->state == MST_FASTA_LINE;
  size_t words, size;
  f->batch = f->at;
  f->batch_end = f->n - f->at > BATCH ? f->at + BATCH : f->n;
  size = f->batch_end - f->batch;
  words = MST_SCAN_WORDS(size);
  s->scan->mask4(f->data + f->batch, size, bytes, masks);
  s->scan->mask_range(f->data + f->batch, size, 0x21, 0x7e, f->residues);
  for (size_t i = 0; i < words; i++) {
    f->events[i] = (f->events[i] | f->others[i]) & (f->lines[i] << 1 | begins);
    begins = f->lines[i] >> 63;
    f->others[i] = ~(f->lines[i] | returns[i] | f->residues[i]);
  }
  f->others[words - 1] &= mst_mask_low((unsigned)(size - 64 * (words - 1)));
}

/* The first bit at or behind the current place, which lies in the batch, or the batch's end. */
static inline size_t next_bit(const feeding *f, const uint64_t *mask) {
  const size_t words = MST_SCAN_WORDS(f->batch_end - f->batch);
  size_t word = (f->at - f->batch) / 64;
  uint64_t bits = mask[word] & ~mst_mask_low((f->at - f->batch) % 64);
  while (bits == 0) {
    if (++word == words) return f->batch_end;
    bits = mask[word];
  }
  return f->batch + 64 * word + mst_mask_first(bits);
}

/* The first residue in [from, to) that nothing can be mistaken for: scanning may begin there. */
static size_t next_residue(const feeding *f, size_t from, size_t to) {
  for (; from < to; from++) {
    const uint8_t c = f->data[from];
    if (c > ' ' && c < 0x7f && c != '>' && c != ';') return from;
  }
  return to;
}

/* Where the wish asks to stop among the residues of [at, to); `to` when nowhere. */
static size_t stop_in_residues(const fasta_scanner *s, const feeding *f, const mst_scan_stop *stop, size_t to) {
  size_t safe = to, cut = to;
  if (stop->safe) safe = next_residue(f, f->at, to);
  if (s->residues && stop->offset != UINT64_MAX) {
    const uint64_t ahead = stop->offset > s->at ? stop->offset - s->at : 0;
    if (ahead < to - f->at) cut = next_residue(f, f->at + (size_t)ahead, to);
  }
  return safe < cut ? safe : cut;
}

static bool stop_at_record(const fasta_scanner *s, const mst_scan_stop *stop) {
  return stop->safe || s->records == stop->record || (stop->offset != UINT64_MAX && s->at >= stop->offset);
}

/* Lines of sequence up to the next header or comment or the batch's end. */
static mst_status feed_sequence(fasta_scanner *s, feeding *f, const mst_scan_stop *stop, bool *stopped,
                                mst_error *err) {
  mst_status status;
  size_t event, place;
  if (f->at >= f->batch_end) mark_batch(s, f);
  event = next_bit(f, f->events);
  place = stop_in_residues(s, f, stop, event);
  status = feed_residues(s, f, place, err);
  if (status != MST_OK || place < event) {
    *stopped = status == MST_OK;
    return status;
  }
  if (event == f->batch_end) return MST_OK;
  if (f->data[event] == ';') {
    s->state = MST_FASTA_COMMENT;
    advance(s, f, event + 1);
    return MST_OK;
  }
  *stopped = stop_at_record(s, stop);
  return *stopped ? MST_OK : begin_record(s, f, err);
}

/* '>' where the first record may begin; anything else there is left to feed_lead. */
static mst_status feed_first(fasta_scanner *s, feeding *f, const mst_scan_stop *stop, bool *stopped, mst_error *err) {
  if (f->data[f->at] != '>') return feed_lead(s, f, err);
  *stopped = stop_at_record(s, stop);
  return *stopped ? MST_OK : begin_record(s, f, err);
}

mst_status mst_fasta_scanner_feed(mst_scanner *base, const uint8_t *data, size_t n, const mst_scan_stop *stop,
                                  size_t *used, bool *stopped, mst_error *err) {
  static const mst_scan_stop never = {.record = UINT64_MAX, .offset = UINT64_MAX};
  fasta_scanner *s = (fasta_scanner *)base;
  mst_status status = MST_OK;
  feeding f;
  if (stop == NULL) stop = &never;
  /* Not the masks: clearing them would cost more than a short run. */
  f.data = data;
  f.n = n;
  f.at = f.batch = f.batch_end = 0;
  *stopped = false;
  while (f.at < n && !*stopped) switch (s->state) {
    case MST_FASTA_HEADER:
    case MST_FASTA_COMMENT:
    case MST_FASTA_LEAD_COMMENT: feed_line(s, &f); break;
    case MST_FASTA_LINE:
    case MST_FASTA_SEQUENCE: MST_TRY(feed_sequence(s, &f, stop, stopped, err)); break;
    case MST_FASTA_BEGIN:
    case MST_FASTA_LEAD: MST_TRY(feed_first(s, &f, stop, stopped, err)); break;
    default: MST_TRY(feed_lead(s, &f, err)); break;
    }
  *used = f.at;
done:
  return status;
}
