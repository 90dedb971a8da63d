/* format/export_fai.c - the .fai of a FASTA or FASTQ object, exactly as samtools makes it: the same lines for what it
 * takes, a refusal with its reason for what it refuses. It counts lines by their bytes, ends a sequence at a blank or a
 * shorter line, drops records without lines and copies of names.
 *
 * Owns: the pump, the names seen (as 64-bit hashes), the text. May call: base, containers, pump. */
#include "format/export.h"
#include "format/pump.h"
#include "format/records_piece.h"

enum { EMIT_BYTES = 256 << 10, HEADER_MAX = 1 << 20, NAMES_FIRST = 1024 };

typedef enum state { OUT_READ, IN_SEQUENCE, SEQUENCE_END, IN_QUALITY } state;
typedef enum line_kind { LINE_NONE, LINE_HEADER, LINE_COUNTED, LINE_PLUS, LINE_RETURN } line_kind;

/* Hashes of names; 0 stands for an empty place. */
typedef struct names {
  uint64_t *places;
  size_t n, room; /* room: a power of two */
} names;

typedef struct exporting {
  mst_machine machine;
  const mst_job *job;
  const mst_scan_kernels *scan;
  mst_setting setting;
  mst_pump pump;
  bool ended;
  mst_buf out;
  names names;
  state state;
  char format; /* '>', '@', or 0: not known yet */
  bool done;   /* a record waits to be written  */
  line_kind kind;
  mst_buf header;                  /* the record's line behind its mark                */
  mst_buf next;                    /* that of the next record, as far as it was seen    */
  uint64_t line;                   /* number, from 1                                   */
  uint64_t bytes, graph;           /* of the line at hand                              */
  uint64_t at;                     /* plain offset                                     */
  uint64_t sequence, quality;      /* residues and qualities of the record             */
  uint64_t line_bytes, line_graph; /* of its first line; bytes with one for its end */
  uint64_t sequence_at, quality_at;
} exporting;

/* ---- names ----------------------------------------------------------------------------------------------------- */

static uint64_t hash_name(const uint8_t *name, size_t n) {
  uint64_t h = UINT64_C(14695981039346656037);
  for (size_t i = 0; i < n; i++) h = (h ^ name[i]) * UINT64_C(1099511628211);
  h ^= h >> 32;
  h *= UINT64_C(0x9e3779b97f4a7c15);
  h ^= h >> 29;
  return h == 0 ? 1 : h;
}

static uint64_t *find_place(const names *s, uint64_t hash) {
  size_t i = (size_t)hash & (s->room - 1);
  while (s->places[i] != 0 && s->places[i] != hash) i = (i + 1) & (s->room - 1);
  return &s->places[i];
}

static mst_status grow_names(exporting *x, mst_error *err) {
  names more = {.n = x->names.n, .room = x->names.room == 0 ? NAMES_FIRST : 2 * x->names.room};
  if (x->job->memory > 0 && more.room * sizeof *more.places > x->job->memory)
    return mst_fail(err, MST_E_LIMIT, "%zu names do not fit into a memory budget of %llu bytes", x->names.n,
                    (unsigned long long)x->job->memory);
  more.places = mst_alloc_zero(x->job->mem, more.room, sizeof *more.places);
  if (more.places == NULL) return mst_fail_memory(err);
  for (size_t i = 0; i < x->names.room; i++)
    if (x->names.places[i] != 0) *find_place(&more, x->names.places[i]) = x->names.places[i];
  mst_free(x->job->mem, x->names.places);
  x->names = more;
  return MST_OK;
}

/* `*is_new` false for a name that was there. */
static mst_status add_name(exporting *x, const uint8_t *name, size_t n, bool *is_new, mst_error *err) {
  const uint64_t hash = hash_name(name, n);
  uint64_t *place;
  mst_status status = MST_OK;
  if (2 * (x->names.n + 1) > x->names.room) status = grow_names(x, err);
  if (status != MST_OK) return status;
  place = find_place(&x->names, hash);
  *is_new = *place == 0;
  *place = hash;
  x->names.n += *is_new;
  return MST_OK;
}

/* ---- lines ------------------------------------------------------------------------------------------------------ */

static bool blank(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* The name of a header's line, without leading blanks. */
static void name_of(const mst_buf *header, const uint8_t **name, size_t *n) {
  const uint8_t *p = (const uint8_t *)mst_buf_text(header), *end = p + header->size;
  while (p < end && blank(*p)) p++;
  *name = p;
  while (p < end && !blank(*p)) p++;
  *n = (size_t)(p - *name);
}

static mst_status refuse(const exporting *x, mst_error *err, const char *format, ...) MST_PRINTF(3, 4);
static mst_status refuse(const exporting *x, mst_error *err, const char *format, ...) {
  const uint8_t *name;
  char what[200];
  va_list args;
  size_t n;
  va_start(args, format);
  vsnprintf(what, sizeof what, format, args);
  va_end(args);
  name_of(&x->header, &name, &n);
  return mst_fail_at(err, MST_E_UNSUPPORTED, x->at, "samtools does not index this object: %s in '%.*s' at line %llu",
                     what, (int)mst_min_size(n, 100), (const char *)name, (unsigned long long)x->line);
}

static mst_status write_record(exporting *x, mst_error *err) {
  mst_status status = MST_OK;
  const uint8_t *name;
  bool is_new;
  size_t n;
  x->done = false;
  name_of(&x->header, &name, &n);
  n = strnlen((const char *)name, n);
  MST_TRY(add_name(x, name, n, &is_new, err));
  if (!is_new) return MST_OK;
  MST_TRY(mst_buf_put(&x->out, name, n, err));
  MST_TRY(mst_buf_printf(&x->out, err, "\t%llu\t%llu\t%lu\t%lu", (unsigned long long)x->sequence,
                         (unsigned long long)x->sequence_at, (unsigned long)(uint32_t)x->line_graph,
                         (unsigned long)(uint32_t)x->line_bytes));
  if (x->format == '@') MST_TRY(mst_buf_printf(&x->out, err, "\t%llu", (unsigned long long)x->quality_at));
  MST_TRY(mst_buf_put_byte(&x->out, '\n', err));
done:
  return status;
}

static mst_status begin_record(exporting *x, uint8_t c, mst_error *err) {
  if (x->format != 0 && x->format != (char)c)
    return refuse(x, err, "found '%c' in a FAST%c object", c, x->format == '>' ? 'A' : 'Q');
  x->format = (char)c;
  x->kind = LINE_HEADER;
  mst_buf_clear(&x->next);
  return MST_OK;
}

/* What the first byte of a line makes of it. */
static mst_status begin_line(exporting *x, uint8_t c, mst_error *err) {
  x->bytes = x->graph = 0;
  x->kind = LINE_COUNTED;
  switch (x->state) {
  case OUT_READ:
    if (c == '>' || c == '@') return begin_record(x, c, err);
    x->kind = LINE_RETURN;
    return c == '\r' ? MST_OK
                     : refuse(x, err, "format error, unexpected %s%c%s", c > ' ' && c < 0x7f ? "\"" : "character ",
                              c > ' ' && c < 0x7f ? c : '?', c > ' ' && c < 0x7f ? "\"" : "");
  case IN_SEQUENCE:
    if (x->format == '>' && c == '>') return begin_record(x, c, err);
    if (x->format == '@' && c == '+') x->kind = LINE_PLUS;
    x->done = x->done || x->format == '>';
    return MST_OK;
  case SEQUENCE_END:
    x->kind = LINE_PLUS;
    return c == '+' ? MST_OK : refuse(x, err, "format error, expecting '+', got byte 0x%02x", c);
  default: return c == '@' && x->done ? begin_record(x, c, err) : MST_OK;
  }
}

static mst_status blank_line(exporting *x, mst_error *err) {
  if (x->state == SEQUENCE_END) return refuse(x, err, "format error, expecting '+', got an empty line");
  if (x->state == IN_SEQUENCE && x->format == '@')
    return refuse(x, err, "inlined empty line is not allowed in sequence");
  if (x->state == IN_QUALITY && !x->done) return refuse(x, err, "inlined empty line is not allowed in quality");
  x->state = OUT_READ;
  x->line++;
  return MST_OK;
}

/* `ended`: by a line feed, not by the object's end. */
static mst_status end_header(exporting *x, bool ended, mst_error *err) {
  mst_status status = MST_OK;
  mst_buf swap;
  if (!ended && x->next.size == 0) return MST_OK; /* a lone mark at the very end is not looked at */
  if (x->done) MST_TRY(write_record(x, err));
  swap = x->header;
  x->header = x->next;
  x->next = swap;
  if (!ended) return refuse(x, err, "the last entry has no sequence");
  x->state = IN_SEQUENCE;
  x->sequence = x->quality = x->line_bytes = x->line_graph = 0;
  x->sequence_at = x->at + 1;
  x->line++;
done:
  return status;
}

static mst_status end_sequence_line(exporting *x, mst_error *err) {
  const uint64_t bytes = x->bytes + 1;
  x->sequence += x->graph;
  if (x->line_bytes == 0) {
    x->line_bytes = bytes;
    x->line_graph = x->graph;
  } else if (x->line_bytes > bytes) {
    x->state = x->format == '>' ? OUT_READ : SEQUENCE_END;
  } else if (x->line_bytes < bytes) {
    return refuse(x, err, "different line length in sequence");
  }
  x->line++;
  return MST_OK;
}

static mst_status end_quality_line(exporting *x, mst_error *err) {
  const uint64_t bytes = x->bytes + 1;
  x->quality += x->graph;
  if (x->line_bytes < bytes) return refuse(x, err, "quality line length too long");
  if (x->quality > x->sequence) return refuse(x, err, "quality length longer than sequence");
  if (x->quality == x->sequence) x->done = true;
  else if (x->line_bytes > bytes) return refuse(x, err, "quality line length too short");
  x->line++;
  return MST_OK;
}

static mst_status end_line(exporting *x, bool ended, mst_error *err) {
  const line_kind kind = x->kind;
  x->kind = LINE_NONE;
  switch (kind) {
  case LINE_HEADER: return end_header(x, ended, err);
  case LINE_PLUS:
    x->state = IN_QUALITY;
    x->quality_at = x->at + (ended ? 1 : 0);
    x->line++;
    return MST_OK;
  case LINE_RETURN:
    if (!ended || x->bytes != 1) return refuse(x, err, "format error, carriage return not followed by new line");
    x->line++;
    return MST_OK;
  default: return x->state == IN_QUALITY ? end_quality_line(x, err) : end_sequence_line(x, err);
  }
}

/* Bytes of the line at hand. */
static mst_status add_bytes(exporting *x, const uint8_t *text, size_t n, mst_error *err) {
  x->at += n;
  x->bytes += n;
  if (x->kind == LINE_COUNTED) x->graph += x->scan->count_range(text, n, 0x21, 0x7e);
  if (x->kind != LINE_HEADER) return MST_OK;
  if (x->next.size + n > HEADER_MAX) return mst_fail_at(err, MST_E_LIMIT, x->at, "a header of more than 1 MiB");
  return mst_buf_put(&x->next, text, n, err);
}

static mst_status feed(exporting *x, const uint8_t *data, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  size_t at = 0;
  while (at < n) {
    const uint8_t *lf = memchr(data + at, '\n', n - at);
    const size_t end = lf == NULL ? n : (size_t)(lf - data);
    if (x->kind == LINE_NONE && at == end) {
      MST_TRY(blank_line(x, err));
    } else {
      const bool begins = x->kind == LINE_NONE;
      if (begins) MST_TRY(begin_line(x, data[at], err));
      if (begins && x->kind == LINE_HEADER) { /* without its mark */
        at++;
        x->at++;
      }
      MST_TRY(add_bytes(x, data + at, end - at, err));
      if (lf != NULL) MST_TRY(end_line(x, true, err));
    }
    if (lf != NULL) x->at++;
    at = lf == NULL ? n : end + 1;
  }
done:
  return status;
}

static mst_status end_object(exporting *x, mst_error *err) {
  mst_status status = MST_OK;
  x->ended = true;
  if (x->kind != LINE_NONE) MST_TRY(end_line(x, false, err));
  if (!x->done) return refuse(x, err, "the object is truncated");
  MST_TRY(write_record(x, err));
done:
  return status;
}

/* ---- machine ---------------------------------------------------------------------------------------------------- */

static mst_status step_exporting(exporting *x, const mst_given *given, mst_step *out, mst_error *err) {
  mst_status status = MST_OK;
  const uint64_t size = x->job->members[0].size;
  if (size == 0) return refuse(x, err, "it is empty");
  if (x->pump.container == NULL && !x->ended)
    MST_TRY(mst_pump_open(&x->pump, x->job, x->setting.container, 0, 0, 0, UINT64_MAX, err));
  while (!x->ended && x->out.size < EMIT_BYTES) {
    const uint8_t *data;
    uint64_t plain;
    bool asks;
    size_t n;
    MST_TRY(mst_pump_next(&x->pump, given, out, &data, &n, &plain, &asks, err));
    given = NULL;
    if (asks) return MST_OK;
    MST_TRY(n > 0 ? feed(x, data, n, err) : end_object(x, err));
  }
  out->kind = MST_STEP_DONE;
  if (x->out.size == 0) return MST_OK;
  out->kind = MST_STEP_EMIT;
  MST_TRY(mst_buf_take(&x->out, &out->bytes, err));
done:
  return status;
}

static mst_status exporting_step(mst_machine *m, const mst_given *given, mst_step *out, mst_error *err) {
  exporting *x = (exporting *)m;
  return mst_error_name(err, step_exporting(x, given, out, err), x->job->name);
}

static void exporting_close(mst_machine *m) {
  exporting *x = (exporting *)m;
  mst_pump_close(&x->pump);
  mst_buf_free(&x->out);
  mst_buf_free(&x->header);
  mst_buf_free(&x->next);
  mst_free(x->job->mem, x->names.places);
  mst_free(x->job->mem, x);
}

mst_status mst_export_fai(const mst_job *job, mst_machine **out, mst_error *err) {
  static const mst_machine_ops ops = {.step = exporting_step, .close = exporting_close};
  mst_setting setting;
  const mst_status status = mst_setting_of(job, &setting, err);
  exporting *x;
  if (status != MST_OK) return status;
  if (setting.container != &mst_container_plain && setting.container != &mst_container_bgzf)
    return mst_fail(err, MST_E_UNSUPPORTED, "samtools indexes plain and BGZF objects only, and %s is neither",
                    job->name);
  x = mst_alloc_zero(job->mem, 1, sizeof *x);
  if (x == NULL) return mst_fail_memory(err);
  x->machine.ops = &ops;
  x->job = job;
  x->scan = mst_scan_best();
  x->setting = setting;
  x->line = 1;
  mst_buf_init(&x->out, job->mem, SIZE_MAX / 4);
  mst_buf_init(&x->header, job->mem, HEADER_MAX);
  mst_buf_init(&x->next, job->mem, HEADER_MAX);
  *out = &x->machine;
  return MST_OK;
}

mst_status mst_export_fai_or_gzi(const mst_job *job, const char *kind, mst_machine **out, mst_error *err) {
  if (mst_text_equal(kind, "fai")) return mst_export_fai(job, out, err);
  if (mst_text_equal(kind, "gzi")) return mst_export_gzi(job, out, err);
  return mst_fail(err, MST_E_ARGUMENT, "%s has the companions \"fai\" and \"gzi\", not \"%.20s\"", job->format->name,
                  kind);
}
