/* format/fasta_extract.c - a region of a FASTA record becomes content: its header line and its residues, or one row.
 * The generic reader gives the bytes between checkpoints, verified; here residues are counted in them.
 *
 * Owns: the inner reader, the content. May call: base, column, texts, the generic machines. */
#include "format/fasta_region.h"

enum { LINE_RESIDUES = 60, EMIT_BYTES = 256 << 10, COLUMNS = 3 };

/* ---- content --------------------------------------------------------------------------------------------------- */

void mst_fasta_content_init(mst_fasta_content *c, const mst_job *job, mst_read_as as) {
  *c = (mst_fasta_content){.job = job, .raw = as == MST_READ_RAW};
  mst_buf_init(&c->out, job->mem, SIZE_MAX / 4);
  mst_texts_init(&c->name, job->mem, false);
  mst_texts_init(&c->description, job->mem, false);
  mst_texts_init(&c->sequence, job->mem, true);
}

void mst_fasta_content_free(mst_fasta_content *c) {
  mst_buf_free(&c->out);
  mst_texts_free(&c->name);
  mst_texts_free(&c->description);
  mst_texts_free(&c->sequence);
}

mst_status mst_fasta_content_header(mst_fasta_content *c, const uint8_t *line, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  const mst_title title = mst_title_of(line, n);
  if (c->raw) {
    MST_TRY(mst_buf_put_byte(&c->out, '>', err));
    MST_TRY(mst_buf_put(&c->out, line, n, err));
    return mst_buf_put_byte(&c->out, '\n', err);
  }
  if (!mst_utf8_valid(line, n, NULL))
    return mst_fail(err, MST_E_CORRUPT, "the record's header is not UTF-8; read the slice as bytes");
  MST_TRY(mst_texts_put(&c->name, title.name, title.name_size, err));
  MST_TRY(mst_texts_end(&c->name, err));
  MST_TRY(mst_texts_put(&c->description, title.rest, title.rest_size, err));
  MST_TRY(mst_texts_end(&c->description, err));
done:
  return status;
}

/* Residues alone. */
static mst_status put_residues(mst_fasta_content *c, const uint8_t *residues, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  c->residues += n;
  if (!c->raw) {
    if (c->job->record_max > 0 && c->residues > c->job->record_max)
      return mst_fail(err, MST_E_LIMIT, "a sequence of more than %llu bytes is beyond the limit of a record",
                      (unsigned long long)c->job->record_max);
    return mst_texts_put(&c->sequence, residues, n, err);
  }
  while (n > 0) {
    const size_t part = mst_min_size(n, LINE_RESIDUES - c->column);
    MST_TRY(mst_buf_put(&c->out, residues, part, err));
    residues += part;
    n -= part;
    c->column += part;
    if (c->column < LINE_RESIDUES) break;
    MST_TRY(mst_buf_put_byte(&c->out, '\n', err));
    c->column = 0;
  }
done:
  return status;
}

static bool is_residue(uint8_t c) { return c > ' ' && c < 0x7f; }

mst_status mst_fasta_content_put(mst_fasta_content *c, const uint8_t *line, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  size_t at = 0;
  while (at < n) {
    const size_t begin = at;
    while (at < n && is_residue(line[at])) at++;
    MST_TRY(put_residues(c, line + begin, at - begin, err));
    while (at < n && !is_residue(line[at])) at++;
  }
done:
  return status;
}

static mst_status take_row(mst_fasta_content *c, struct ArrowArray *out, mst_error *err) {
  struct ArrowArray columns[COLUMNS] = {{0}};
  mst_status status = MST_OK;
  MST_TRY(mst_texts_end(&c->sequence, err));
  MST_TRY(mst_texts_take(&c->name, 1, &columns[0], err));
  MST_TRY(mst_texts_take(&c->description, 1, &columns[1], err));
  MST_TRY(mst_texts_take(&c->sequence, 1, &columns[2], err));
  return mst_texts_batch(c->job->mem, 1, columns, COLUMNS, out, err);
done:
  for (size_t i = 0; i < COLUMNS; i++) mst_array_release(&columns[i]);
  return status;
}

mst_status mst_fasta_content_take(mst_fasta_content *c, bool last, mst_step *out, bool *gave, mst_error *err) {
  mst_status status = MST_OK;
  *gave = c->raw ? last || c->out.size >= EMIT_BYTES : last && c->name.n > 0;
  if (!*gave) return MST_OK;
  if (!c->raw) {
    out->kind = MST_STEP_BATCH;
    return take_row(c, &out->batch, err);
  }
  if (last && c->column > 0) MST_TRY(mst_buf_put_byte(&c->out, '\n', err));
  c->column = last ? 0 : c->column;
  *gave = c->out.size > 0;
  if (!*gave) return MST_OK;
  out->kind = MST_STEP_EMIT;
  MST_TRY(mst_buf_take(&c->out, &out->bytes, err));
done:
  return status;
}

/* ---- header ---------------------------------------------------------------------------------------------------- */

mst_status mst_fasta_header_feed(mst_fasta_header *h, const mst_job *job, const uint8_t *data, size_t n, size_t *used,
                                 mst_error *err) {
  const uint8_t *lf;
  size_t at = 0, end;
  mst_status status;
  if (!h->begun && n > 0) {
    if (*data != '>') return mst_fail(err, MST_E_CORRUPT, "no record begins where the index says that one does");
    h->begun = true;
    at = 1;
  }
  lf = memchr(data + at, '\n', n - at);
  end = lf == NULL ? n : (size_t)(lf - data);
  if (job->record_max > 0 && h->line.size + (end - at) > job->record_max)
    return mst_fail(err, MST_E_LIMIT, "a header of more than %llu bytes is beyond the limit of a record",
                    (unsigned long long)job->record_max);
  status = mst_buf_put(&h->line, data + at, end - at, err);
  h->done = lf != NULL;
  if (h->done && h->line.size > 0 && h->line.data[h->line.size - 1] == '\r') h->line.size--;
  *used = lf == NULL ? n : end + 1;
  return status;
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

typedef enum where { AT_LINE, IN_LINE, IN_COMMENT, BEHIND } where;

typedef struct extracting {
  mst_machine machine;
  const mst_job *job;
  mst_setting setting;
  const mst_scan_kernels *scan;
  json_t *part;
  mst_fasta_wanted wanted;
  uint64_t body_residue;
  bool in_body; /* the inner reader gives the body, not the header's span */
  bool ended, only_place;
  mst_fasta_header header;
  where where;
  uint64_t residue; /* of the record, in front of the current place */
  mst_fasta_content content;
} extracting;

static mst_status open_inner(extracting *e, const char *key, mst_error *err) {
  static const mst_read_query raw = {.as = MST_READ_RAW};
  const json_t *part = json_object_get(e->part, key);
  mst_part_kind kind;
  const mst_status status = mst_part_kind_of(part, &kind, err);
  if (status != MST_OK) return status;
  if (kind != MST_PART_RECORDS) return mst_fail(err, MST_E_CORRUPT, "slice: part: \"%s\" is no part of records", key);
  mst_machine_close(e->header.inner);
  e->header.inner = NULL;
  return mst_records_read(e->job, part, &raw, &e->header.inner, err);
}

/* The header has been read: it must be the one that was asked for. */
static mst_status end_header(extracting *e, mst_error *err) {
  const mst_title title = mst_title_of((const uint8_t *)mst_buf_text(&e->header.line), e->header.line.size);
  if (!mst_fasta_is_wanted(&e->wanted, title.name, title.name_size))
    return mst_fail(err, MST_E_NOT_FOUND, "%s has no record named \"%.200s\"", e->job->name,
                    e->wanted.name != NULL ? e->wanted.name : "(a long name)");
  return mst_fasta_content_header(&e->content, (const uint8_t *)mst_buf_text(&e->header.line), e->header.line.size,
                                  err);
}

/* Part of a line of sequence; what of it is wanted goes out. */
static mst_status feed_residues(extracting *e, const uint8_t *line, size_t n, mst_error *err) {
  const uint64_t first = e->wanted.first, end = e->wanted.end;
  size_t from = 0, to = n, count = e->scan->count_range(line, n, 0x21, 0x7e);
  uint64_t at = e->residue;
  e->residue += count;
  if (e->residue <= first || at >= end) return MST_OK;
  if (at < first && count == n) from = (size_t)(first - at);
  for (; at < first && count < n; from++) at += is_residue(line[from]);
  if (e->residue > end && count == n) to = n - (size_t)(e->residue - end);
  for (uint64_t over = e->residue; over > end && count < n;) over -= is_residue(line[--to]);
  return mst_fasta_content_put(&e->content, line + from, to - from, err);
}

static mst_status feed_sequence(extracting *e, const uint8_t *data, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  size_t at = 0;
  while (at < n && e->where != BEHIND) {
    const uint8_t *lf = memchr(data + at, '\n', n - at);
    const size_t end = lf == NULL ? n : (size_t)(lf - data);
    if (e->where == AT_LINE && at < end) e->where = data[at] == '>' ? BEHIND : data[at] == ';' ? IN_COMMENT : IN_LINE;
    if (e->where == IN_LINE) MST_TRY(feed_residues(e, data + at, end - at, err));
    if (lf != NULL && e->where != BEHIND) e->where = AT_LINE;
    at = lf == NULL ? n : end + 1;
  }
done:
  return status;
}

static mst_status feed(extracting *e, const uint8_t *data, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  size_t used = 0;
  if (!e->header.done) {
    MST_TRY(mst_fasta_header_feed(&e->header, e->job, data, n, &used, err));
    if (!e->header.done) return MST_OK;
    MST_TRY(end_header(e, err));
  }
  if (e->in_body || json_object_get(e->part, "body") == NULL) return feed_sequence(e, data + used, n - used, err);
done:
  return status;
}

/* The inner reader has given all, or the header is all that was wanted of it. */
static mst_status next_inner(extracting *e, bool *more, mst_error *err) {
  mst_status status = MST_OK;
  *more = !e->in_body && json_object_get(e->part, "body") != NULL;
  if (!e->header.done) { /* a header that is the object's last line */
    if (!e->header.begun) return mst_fail(err, MST_E_CORRUPT, "no record begins where the index says that one does");
    e->header.done = true;
    MST_TRY(end_header(e, err));
  }
  if (!*more) return MST_OK;
  MST_TRY(open_inner(e, "body", err));
  e->in_body = true;
  e->residue = e->body_residue;
done:
  return status;
}

static mst_status give_place(const extracting *e, mst_step *out, mst_error *err) {
  const json_t *is = json_object_get(e->part, "is");
  out->kind = MST_STEP_DONE;
  out->facts = json_is_object(is) ? json_deep_copy(is) : json_object();
  return out->facts == NULL ? mst_fail_memory(err) : MST_OK;
}

static mst_status step_extracting(extracting *e, const mst_given *given, mst_step *out, mst_error *err) {
  mst_status status = MST_OK;
  bool gave, more;
  if (e->only_place) return give_place(e, out, err);
  if (e->header.inner == NULL && !e->ended) MST_TRY(open_inner(e, "head", err));
  while (!e->ended) {
    if (e->header.done && !e->in_body && json_object_get(e->part, "body") != NULL) MST_TRY(next_inner(e, &more, err));
    memset(out, 0, sizeof *out);
    MST_TRY(mst_machine_step(e->header.inner, given, out, err));
    given = NULL;
    if (out->kind == MST_STEP_NEED) return MST_OK;
    if (out->kind == MST_STEP_EMIT) {
      status = feed(e, out->bytes.data, out->bytes.size, err);
      mst_bytes_release(&out->bytes);
      if (status != MST_OK) return status;
      MST_TRY(mst_fasta_content_take(&e->content, false, out, &gave, err));
      if (gave) return MST_OK;
    } else {
      MST_TRY(next_inner(e, &more, err));
      e->ended = !more;
    }
  }
  memset(out, 0, sizeof *out);
  MST_TRY(mst_fasta_content_take(&e->content, true, out, &gave, err));
  if (!gave) out->kind = MST_STEP_DONE;
done:
  return status;
}

static mst_status extracting_step(mst_machine *m, const mst_given *given, mst_step *out, mst_error *err) {
  extracting *e = (extracting *)m;
  return mst_error_name(err, step_extracting(e, given, out, err), e->job->name);
}

static void extracting_close(mst_machine *m) {
  extracting *e = (extracting *)m;
  mst_machine_close(e->header.inner);
  mst_buf_free(&e->header.line);
  mst_fasta_content_free(&e->content);
  json_decref(e->part);
  mst_free(e->job->mem, e);
}

mst_status mst_fasta_read(const mst_job *job, const json_t *part, const mst_read_query *query, mst_machine **out,
                          mst_error *err) {
  static const mst_machine_ops ops = {.step = extracting_step, .close = extracting_close};
  const char *kind = json_string_value(json_object_get(part, "kind"));
  mst_status status = MST_OK;
  extracting *e = NULL;
  mst_setting setting;
  MST_TRY(mst_setting_of(job, &setting, err));
  if (mst_text_equal(kind, MST_FASTA_KIND_FAI)) return mst_fasta_fai_read(job, &setting, part, query, out, err);
  if (!mst_text_equal(kind, MST_FASTA_KIND_REGION))
    return mst_fail(err, MST_E_CORRUPT, "slice: part: a kind that FASTA does not have");
  MST_TRY_ALLOC(e = mst_alloc_zero(job->mem, 1, sizeof *e));
  e->machine.ops = &ops;
  e->job = job;
  e->setting = setting;
  e->scan = mst_scan_best();
  e->part = json_incref((json_t *)(uintptr_t)part);
  e->only_place = query->as == MST_READ_PLACE;
  mst_buf_init(&e->header.line, job->mem, SIZE_MAX / 4);
  mst_fasta_content_init(&e->content, job, query->as);
  MST_TRY(mst_fasta_wanted_of(part, &e->wanted, err));
  MST_TRY(mst_json_get_u64(part, "residue", "slice: part", &e->body_residue, err));
  *out = &e->machine;
  e = NULL;
done:
  if (e != NULL) extracting_close(&e->machine);
  return status;
}
