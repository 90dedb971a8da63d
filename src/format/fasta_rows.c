/* format/fasta_rows.c - FASTA records as Arrow rows: name, description, sequence; in slices that are cut inside
 * sequences also the offset of the row's first residue in its record, the first row being the rest of a record that
 * began in front.
 *
 * Owns: the columns being built, the header at hand. May call: base, column, texts. */
#include "format/fasta.h"
#include "format/texts.h"

enum { BATCH_ROWS = 32768, BATCH_BYTES = 1 << 20, COLUMNS = 4 };

typedef struct fasta_rows {
  const mst_job *job;
  const mst_scan_kernels *scan;
  mst_fasta_state state;
  bool cut;              /* a slice by residues: with offsets                                          */
  bool skipping;         /* bytes in front of the slice: only what they say of the open record counts */
  bool own;              /* the open record\'s header lies in the slice */
  bool named, described; /* what is known of the open record                                  */
  uint64_t residue;      /* its residues in front of the current place                        */
  mst_buf header;        /* what is known of the line behind '>'                              */
  bool open;             /* a row has begun: its texts are open                               */
  int64_t row_offset;    /* its                                                               */
  uint64_t batch_rows;
  mst_texts name, description, sequence;
  mst_buf offset;
  json_t *place; /* the first row's record and offset */
} fasta_rows;

static const mst_field fields[COLUMNS] = {
    {.name = "name", .format = "u"},
    {.name = "description", .format = "u"},
    {.name = "sequence", .format = "U"},
    {.name = "offset", .format = "l"},
};

static bool is_cut(const json_t *options) {
  return mst_text_equal(json_string_value(json_object_get(options, "unit")), "residues");
}

mst_status mst_fasta_rows_schema(const mst_allocator *mem, const json_t *dialect, const json_t *options,
                                 struct ArrowSchema *out, mst_error *err) {
  const bool cut = is_cut(options);
  mst_field columns[COLUMNS];
  (void)dialect;
  memcpy(columns, fields, sizeof columns);
  /* What stands in the header of a record that began in front of the slice, its name apart, is not known. */
  columns[0].nullable = columns[1].nullable = cut;
  return mst_schema_make(mem, columns, cut ? COLUMNS : COLUMNS - 1, out, err);
}

/* Where a cut slice's scan begins: in the middle of a record, if its place says so. Hostile. */
static mst_status read_place(fasta_rows *r, const json_t *place, mst_error *err) {
  mst_status status = MST_OK;
  const char *name = NULL;
  if (place == NULL) return MST_OK;
  MST_TRY(mst_json_get_u64(place, "residue", "slice: part: place", &r->residue, err));
  MST_TRY(mst_json_get_text(place, "record", "slice: part: place", &name, err));
  r->named = name != NULL;
  if (name != NULL) MST_TRY(mst_buf_put_text(&r->header, name, err));
  r->state = MST_FASTA_LINE;
done:
  return status;
}

mst_status mst_fasta_rows_open(const mst_job *job, const json_t *dialect, const json_t *options, uint64_t batch_rows,
                               void **out, mst_error *err) {
  mst_status status = MST_OK;
  fasta_rows *r = mst_alloc_zero(job->mem, 1, sizeof *r);
  (void)dialect;
  MST_TRY_ALLOC(r);
  r->job = job;
  r->scan = mst_scan_best();
  r->cut = is_cut(options);
  r->batch_rows = batch_rows > 0 ? batch_rows : BATCH_ROWS;
  mst_buf_init(&r->header, job->mem, SIZE_MAX / 4);
  mst_texts_init(&r->name, job->mem, false);
  mst_texts_init(&r->description, job->mem, false);
  mst_texts_init(&r->sequence, job->mem, true);
  mst_buf_init(&r->offset, job->mem, SIZE_MAX / 4);
  if (r->cut) MST_TRY(read_place(r, json_object_get(options, "place"), err));
  *out = r;
  r = NULL;
done:
  mst_fasta_rows_close(r);
  return status;
}

void mst_fasta_rows_close(void *rows) {
  fasta_rows *r = rows;
  if (r == NULL) return;
  mst_buf_free(&r->header);
  mst_texts_free(&r->name);
  mst_texts_free(&r->description);
  mst_texts_free(&r->sequence);
  mst_buf_free(&r->offset);
  json_decref(r->place);
  mst_free(r->job->mem, r);
}

/* ---- rows ----------------------------------------------------------------------------------------------------- */

static mst_status check_size(const fasta_rows *r, uint64_t size, const char *what, mst_error *err) {
  if (size <= r->job->record_max || r->job->record_max == 0) return MST_OK;
  return mst_fail(err, MST_E_LIMIT, "a %s of more than %llu bytes is beyond the limit of a record", what,
                  (unsigned long long)r->job->record_max);
}

static mst_status check_utf8(const mst_buf *header, mst_error *err) {
  size_t at;
  if (mst_utf8_valid(header->data, header->size, &at)) return MST_OK;
  return mst_fail(err, MST_E_CORRUPT,
                  "the header \">%.40s\" is not UTF-8 (its byte %zu is 0x%02x); read the slice as bytes",
                  mst_buf_text(header), at, header->data[at]);
}

static mst_status note_place(fasta_rows *r, const mst_title *title, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY_ALLOC(r->place = json_object());
  MST_TRY(mst_json_set_u64(r->place, "offset", r->residue, err));
  if (!r->named) return MST_OK;
  MST_TRY(mst_json_set(r->place, "record", json_stringn((const char *)title->name, title->name_size), err));
done:
  return status;
}

/* A record's header has ended, or a slice begins within a record. */
static mst_status begin_row(fasta_rows *r, mst_error *err) {
  mst_status status = MST_OK;
  const mst_title title = mst_title_of((const uint8_t *)mst_buf_text(&r->header), r->header.size);
  MST_TRY(check_utf8(&r->header, err));
  MST_TRY(mst_texts_put(&r->name, title.name, title.name_size, err));
  MST_TRY(mst_texts_put(&r->description, title.rest, title.rest_size, err));
  if (r->place == NULL) MST_TRY(note_place(r, &title, err));
  r->row_offset = (int64_t)r->residue;
  r->open = true;
done:
  return status;
}

static mst_status end_row(fasta_rows *r, mst_error *err) {
  mst_status status = MST_OK;
  if (!r->open) return MST_OK;
  r->open = false;
  /* Only the first row of a slice can lack a name. */
  if (!r->named) r->name.first_null = true;
  if (!r->described) r->description.first_null = true;
  MST_TRY(mst_texts_end(&r->name, err));
  MST_TRY(mst_texts_end(&r->description, err));
  MST_TRY(mst_texts_end(&r->sequence, err));
  if (r->cut) MST_TRY(mst_buf_put(&r->offset, &r->row_offset, sizeof r->row_offset, err));
done:
  return status;
}

static mst_status add_residues(fasta_rows *r, const uint8_t *line, size_t n, mst_error *err) {
  const size_t count = r->scan->count_range(line, n, 0x21, 0x7e);
  mst_status status = MST_OK;
  const size_t bad = count == n ? n : mst_fasta_bad_byte(line, n);
  if (bad < n)
    return mst_fail(err, MST_E_CORRUPT, "byte 0x%02x in a sequence: residues are printable ASCII, so this is no FASTA",
                    line[bad]);
  if (!r->skipping && count > 0 && !r->open) MST_TRY(begin_row(r, err));
  r->residue += count;
  if (r->skipping || count == 0) return MST_OK;
  MST_TRY(check_size(r, mst_texts_open(&r->sequence) + count, "sequence", err));
  if (count == n) return mst_texts_put(&r->sequence, line, n, err);
  MST_TRY(mst_buf_reserve(&r->sequence.values, count, err));
  for (size_t i = 0; i < n; i++)
    if (line[i] > ' ' && line[i] < 0x7f) r->sequence.values.data[r->sequence.values.size++] = line[i];
done:
  return status;
}

/* ---- lines ---------------------------------------------------------------------------------------------------- */

static mst_status end_header(fasta_rows *r, mst_error *err) {
  r->state = MST_FASTA_LINE;
  r->residue = 0;
  r->named = r->described = true;
  return r->own ? begin_row(r, err) : MST_OK;
}

/* The first byte of a line decides what it is; a '>' itself is used up. */
static mst_status begin_line(fasta_rows *r, const uint8_t *byte, size_t *used, mst_error *err) {
  const bool lead = r->state == MST_FASTA_BEGIN || r->state == MST_FASTA_LEAD;
  const uint8_t c = *byte;
  *used = 0;
  if (c == '>') {
    *used = 1;
    mst_buf_clear(&r->header);
    r->state = MST_FASTA_HEADER;
    r->own = !r->skipping;
    return end_row(r, err);
  }
  if (c == ';') r->state = lead ? MST_FASTA_LEAD_COMMENT : MST_FASTA_COMMENT;
  else if (lead)
    r->state = r->state == MST_FASTA_BEGIN && c == 0xef     ? MST_FASTA_BOM
               : c == '#' || c == '!' || mst_fasta_blank(c) ? MST_FASTA_LEAD_COMMENT
                                                            : MST_FASTA_SEQUENCE;
  else r->state = MST_FASTA_SEQUENCE;
  if (lead && r->state == MST_FASTA_SEQUENCE)
    return mst_fail(err, MST_E_CORRUPT, "byte 0x%02x in front of the first '>': not FASTA", c);
  return MST_OK;
}

/* Bytes of one line: all that is left of it when `ended` (without its line feed). */
static mst_status add_line(fasta_rows *r, const uint8_t *text, size_t n, bool ended, mst_error *err) {
  mst_status status = MST_OK;
  switch (r->state) {
  case MST_FASTA_HEADER:
    MST_TRY(check_size(r, r->header.size + n, "header", err));
    MST_TRY(mst_buf_put(&r->header, text, n, err));
    if (ended) MST_TRY(end_header(r, err));
    break;
  case MST_FASTA_SEQUENCE:
    MST_TRY(add_residues(r, text, n, err));
    if (ended) r->state = MST_FASTA_LINE;
    break;
  case MST_FASTA_LEAD_COMMENT:
    if (ended) r->state = MST_FASTA_LEAD;
    break;
  default:
    if (ended) r->state = MST_FASTA_LINE;
    break;
  }
done:
  return status;
}

static bool at_line(const fasta_rows *r) {
  return r->state == MST_FASTA_BEGIN || r->state == MST_FASTA_LEAD || r->state == MST_FASTA_LINE;
}

static mst_status feed(fasta_rows *r, const uint8_t *data, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  size_t at = 0;
  while (at < n) {
    const uint8_t *lf;
    size_t used, end;
    if (r->state == MST_FASTA_BOM) { /* its other two bytes; the scanner has looked at them */
      if (data[at++] == 0xbf) r->state = MST_FASTA_LEAD;
      continue;
    }
    if (at_line(r)) {
      MST_TRY(begin_line(r, data + at, &used, err));
      at += used;
      if (r->state == MST_FASTA_BOM) at++;
      if (at == n || r->state == MST_FASTA_BOM) continue;
    }
    lf = memchr(data + at, '\n', n - at);
    end = lf == NULL ? n : (size_t)(lf - data);
    MST_TRY(add_line(r, data + at, end - at, lf != NULL, err));
    at = lf == NULL ? n : end + 1;
  }
done:
  return status;
}

mst_status mst_fasta_rows_skip(void *rows, const uint8_t *data, size_t n, mst_error *err) {
  fasta_rows *r = rows;
  mst_status status;
  r->skipping = true;
  status = feed(r, data, n, err);
  r->skipping = false;
  return status;
}

mst_status mst_fasta_rows_feed(void *rows, const uint8_t *data, size_t n, bool last, mst_error *err) {
  fasta_rows *r = rows;
  mst_status status = MST_OK;
  MST_TRY(feed(r, data, n, err));
  if (!last) return MST_OK;
  if (r->state == MST_FASTA_HEADER) MST_TRY(end_header(r, err));
  MST_TRY(end_row(r, err));
done:
  return status;
}

mst_status mst_fasta_rows_place(void *rows, json_t **out, mst_error *err) {
  (void)err;
  *out = json_incref(((fasta_rows *)rows)->place);
  return MST_OK;
}

static mst_status take_offsets(fasta_rows *r, size_t n, struct ArrowArray *out, mst_error *err) {
  const size_t size = n * sizeof(int64_t);
  mst_bytes buffers[2] = {{0}};
  const mst_array_parts parts = {.length = (int64_t)n, .buffers = buffers, .n_buffers = 2};
  const mst_status status = mst_bytes_copy(r->job->mem, r->offset.data, size, &buffers[1], err);
  if (status != MST_OK) return status;
  memmove(r->offset.data, r->offset.data + size, r->offset.size - size);
  r->offset.size -= size;
  return mst_array_make(r->job->mem, &parts, out, err);
}

mst_status mst_fasta_rows_take(void *rows, bool all, struct ArrowArray *out, mst_error *err) {
  fasta_rows *r = rows;
  struct ArrowArray columns[COLUMNS] = {{0}};
  const size_t n = (size_t)mst_min_u64(r->sequence.n, r->batch_rows);
  mst_status status = MST_OK;
  out->release = NULL;
  if (n == 0) return MST_OK;
  if (!all && n < r->batch_rows && r->sequence.values.size + r->description.values.size < BATCH_BYTES) return MST_OK;
  MST_TRY(mst_texts_take(&r->name, n, &columns[0], err));
  MST_TRY(mst_texts_take(&r->description, n, &columns[1], err));
  MST_TRY(mst_texts_take(&r->sequence, n, &columns[2], err));
  if (r->cut) MST_TRY(take_offsets(r, n, &columns[3], err));
  return mst_texts_batch(r->job->mem, n, columns, r->cut ? COLUMNS : COLUMNS - 1, out, err);
done:
  for (size_t i = 0; i < COLUMNS; i++) mst_array_release(&columns[i]);
  return status;
}
