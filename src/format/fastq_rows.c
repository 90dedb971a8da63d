/* format/fastq_rows.c - reads as Arrow rows: name, description, sequence, quality. The scanner judges the bytes first,
 * so that damage is named in the same words everywhere; what it let pass is then only split.
 *
 * Owns: the columns being built, a scanner. May call: base, column, texts. */
#include "format/fastq.h"
#include "format/texts.h"

enum { BATCH_ROWS = 65536, BATCH_BYTES = 1 << 20, COLUMNS = 4, READ_BYTES_MIN = 6 };

/* The line at hand. */
typedef enum line { TITLE, BASES, AGAIN, QUALITIES } line;

typedef struct fastq_rows {
  const mst_job *job;
  mst_scanner *scanner;
  mst_fastq_dialect d;
  line line;
  bool begun; /* bytes of the line at hand have been seen */
  size_t bases;
  uint64_t batch_rows;
  mst_buf title; /* the first bytes of a title that was cut */
  mst_texts name, description, sequence, quality;
} fastq_rows;

static const mst_field fields[COLUMNS] = {
    {.name = "name", .format = "u"},
    {.name = "description", .format = "u"},
    {.name = "sequence", .format = "u"},
    {.name = "quality", .format = "u"},
};

mst_status mst_fastq_rows_schema(const mst_allocator *mem, const json_t *dialect, const json_t *options,
                                 struct ArrowSchema *out, mst_error *err) {
  (void)dialect, (void)options;
  return mst_schema_make(mem, fields, COLUMNS, out, err);
}

mst_status mst_fastq_rows_open(const mst_job *job, const json_t *dialect, const json_t *options, uint64_t batch_rows,
                               void **out, mst_error *err) {
  mst_status status = MST_OK;
  fastq_rows *r = mst_alloc_zero(job->mem, 1, sizeof *r);
  (void)options;
  MST_TRY_ALLOC(r);
  r->job = job;
  r->batch_rows = batch_rows > 0 ? batch_rows : BATCH_ROWS;
  mst_buf_init(&r->title, job->mem, SIZE_MAX / 4);
  mst_texts_init(&r->name, job->mem, false);
  mst_texts_init(&r->description, job->mem, false);
  mst_texts_init(&r->sequence, job->mem, false);
  mst_texts_init(&r->quality, job->mem, false);
  MST_TRY(mst_fastq_dialect_read(dialect, &r->d, err));
  MST_TRY(mst_fastq_scanner_open(job->mem, dialect, MST_FASTQ_READ, NULL, &r->scanner, err));
  *out = r;
  r = NULL;
done:
  mst_fastq_rows_close(r);
  return status;
}

void mst_fastq_rows_close(void *rows) {
  fastq_rows *r = rows;
  if (r == NULL) return;
  mst_fastq_scanner_close(r->scanner);
  mst_buf_free(&r->title);
  mst_texts_free(&r->name);
  mst_texts_free(&r->description);
  mst_texts_free(&r->sequence);
  mst_texts_free(&r->quality);
  mst_free(r->job->mem, r);
}

/* ---- one line at a time ----------------------------------------------------------------------------------------- */

static mst_status check_size(const fastq_rows *r, uint64_t size, mst_error *err) {
  if (size <= r->job->record_max || r->job->record_max == 0) return MST_OK;
  return mst_fail(err, MST_E_LIMIT, "a read of more than %llu bytes is beyond the limit of a record",
                  (unsigned long long)r->job->record_max);
}

static mst_status check_utf8(const uint8_t *title, size_t n, mst_error *err) {
  size_t at;
  if (mst_utf8_valid(title, n, &at)) return MST_OK;
  return mst_fail(err, MST_E_CORRUPT,
                  "the title \"@%.*s\" is not UTF-8 (its byte %zu is 0x%02x); read the slice as bytes",
                  (int)(n < 40 ? n : 40), (const char *)title, at, title[at]);
}

static mst_status end_title(fastq_rows *r, const uint8_t *text, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  const mst_title title = mst_title_of(text, n);
  MST_TRY(check_utf8(text, n, err));
  MST_TRY(mst_texts_put(&r->name, title.name, title.name_size, err));
  MST_TRY(mst_texts_end(&r->name, err));
  MST_TRY(mst_texts_put(&r->description, title.rest, title.rest_size, err));
  MST_TRY(mst_texts_end(&r->description, err));
  r->line = BASES;
done:
  return status;
}

/* Part of a title, without its '@'; blank lines between reads are passed over. */
static mst_status add_title(fastq_rows *r, const uint8_t *text, size_t n, bool ended, mst_error *err) {
  mst_status status = MST_OK;
  const bool read = r->begun ? r->title.size > 0 : n > 0 && *text == '@';
  if (!read) return MST_OK;
  MST_TRY(check_size(r, r->title.size + n, err));
  MST_TRY(mst_buf_put(&r->title, text, n, err));
  if (!ended) return MST_OK;
  MST_TRY(end_title(r, r->title.data + 1, r->title.size - 1, err));
  mst_buf_clear(&r->title);
done:
  return status;
}

static mst_status add_letters(fastq_rows *r, mst_texts *to, const uint8_t *text, size_t n, mst_error *err) {
  const mst_status status = check_size(r, mst_texts_open(to) + n, err);
  return status != MST_OK ? status : mst_texts_put(to, text, n > 0 && text[n - 1] == '\r' ? n - 1 : n, err);
}

static mst_status end_bases(fastq_rows *r, mst_error *err) {
  r->bases = mst_texts_open(&r->sequence);
  r->line = AGAIN;
  return mst_texts_end(&r->sequence, err);
}

/* All qualities are there, which a read without bases has at once in the multi-line dialect. */
static mst_status end_qualities(fastq_rows *r, mst_error *err) {
  if (r->d.multi && mst_texts_open(&r->quality) < r->bases) return MST_OK;
  r->line = TITLE;
  return mst_texts_end(&r->quality, err);
}

/* Bytes of the line at hand; `ended`: its line feed follows. */
static mst_status add_line(fastq_rows *r, const uint8_t *text, size_t n, bool ended, mst_error *err) {
  mst_status status = MST_OK;
  if (r->line == BASES && r->d.multi && !r->begun && n > 0 && *text == '+') MST_TRY(end_bases(r, err));
  if (r->line == TITLE) {
    MST_TRY(add_title(r, text, n, ended, err));
  } else if (r->line == BASES) {
    MST_TRY(add_letters(r, &r->sequence, text, n, err));
    if (ended && !r->d.multi) MST_TRY(end_bases(r, err));
  } else if (r->line == QUALITIES) {
    MST_TRY(add_letters(r, &r->quality, text, n, err));
    if (ended) MST_TRY(end_qualities(r, err));
  } else if (ended) {
    r->line = QUALITIES;
    if (r->d.multi && r->bases == 0) MST_TRY(end_qualities(r, err));
  }
  r->begun = !ended;
done:
  return status;
}

/* ---- many reads at a time --------------------------------------------------------------------------------------- */

static size_t without_return(const uint8_t *text, size_t n) { return n > 0 && text[n - 1] == '\r' ? n - 1 : n; }

static bool plain_ascii(const uint8_t *text, size_t n) {
  uint8_t all = 0;
  for (size_t i = 0; i < n; i++) all |= text[i];
  return all < 0x80;
}

/* One read of four lines that lies whole in data[0..n): its size, or 0 when it does not. */
static size_t add_read(fastq_rows *r, const uint8_t *data, size_t n) {
  const uint8_t *const end = data + n, *title = data + 1, *bases, *plus, *qualities, *next;
  size_t title_size, size;
  mst_title t;
  if (*data != '@' || (bases = memchr(title, '\n', n - 1)) == NULL) return 0;
  title_size = (size_t)(bases++ - title);
  if ((plus = memchr(bases, '\n', (size_t)(end - bases))) == NULL) return 0;
  size = without_return(bases, (size_t)(plus++ - bases));
  if (end - plus < 2) return 0;
  qualities = plus[1] == '\n' ? plus + 2 : memchr(plus, '\n', (size_t)(end - plus));
  if (qualities == NULL) return 0;
  if (plus[1] != '\n') qualities++;
  /* The scanner has seen that there are as many qualities as bases. */
  if ((size_t)(end - qualities) < size + 2) return 0;
  next = qualities + size;
  next += *next == '\r' ? 2 : 1;
  if (!plain_ascii(title, title_size)) return 0;
  t = mst_title_of(title, title_size);
  mst_texts_add(&r->name, t.name, t.name_size);
  mst_texts_add(&r->description, t.rest, t.rest_size);
  mst_texts_add(&r->sequence, bases, size);
  mst_texts_add(&r->quality, qualities, size);
  return (size_t)(next - data);
}

/* For what lies in n bytes and for the title that began in front of them. */
static mst_status make_room(fastq_rows *r, size_t n, mst_error *err) {
  mst_texts *const texts[COLUMNS] = {&r->name, &r->description, &r->sequence, &r->quality};
  mst_status status = MST_OK;
  for (size_t i = 0; i < COLUMNS; i++)
    MST_TRY(mst_texts_room(texts[i], n / READ_BYTES_MIN + 3, n + r->title.size, err));
done:
  return status;
}

static mst_status split(fastq_rows *r, const uint8_t *data, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  size_t at = 0;
  MST_TRY(make_room(r, n, err));
  while (at < n) {
    const uint8_t *lf;
    size_t end;
    if (r->line == TITLE && !r->begun && !r->d.multi) {
      const size_t used = add_read(r, data + at, n - at);
      at += used;
      if (used > 0) continue;
    }
    lf = memchr(data + at, '\n', n - at);
    end = lf == NULL ? n : (size_t)(lf - data);
    MST_TRY(add_line(r, data + at, end - at, lf != NULL, err));
    at = lf == NULL ? n : end + 1;
  }
done:
  return status;
}

mst_status mst_fastq_rows_feed(void *rows, const uint8_t *data, size_t n, bool last, mst_error *err) {
  fastq_rows *r = rows;
  mst_status status = MST_OK;
  bool stopped;
  size_t used;
  MST_TRY(mst_fastq_scanner_feed(r->scanner, data, n, NULL, &used, &stopped, err));
  MST_TRY(split(r, data, n, err));
  if (!last) return MST_OK;
  MST_TRY(mst_fastq_scanner_end(r->scanner, err));
  /* The last line had no line feed, or is missing where there is nothing to say. */
  if (r->line == AGAIN) MST_TRY(add_line(r, (const uint8_t *)"", 0, true, err));
  if (r->line == QUALITIES) MST_TRY(add_line(r, (const uint8_t *)"", 0, true, err));
done:
  return status;
}

mst_status mst_fastq_rows_take(void *rows, bool all, struct ArrowArray *out, mst_error *err) {
  fastq_rows *r = rows;
  mst_texts *const texts[COLUMNS] = {&r->name, &r->description, &r->sequence, &r->quality};
  struct ArrowArray columns[COLUMNS] = {{0}};
  const size_t n = (size_t)mst_min_u64(r->quality.n, r->batch_rows);
  mst_status status = MST_OK;
  out->release = NULL;
  if (n == 0) return MST_OK;
  if (!all && n < r->batch_rows && r->sequence.values.size + r->description.values.size < BATCH_BYTES) return MST_OK;
  for (size_t i = 0; i < COLUMNS; i++) MST_TRY(mst_texts_take(texts[i], n, &columns[i], err));
  return mst_texts_batch(r->job->mem, n, columns, COLUMNS, out, err);
done:
  for (size_t i = 0; i < COLUMNS; i++) mst_array_release(&columns[i]);
  return status;
}
