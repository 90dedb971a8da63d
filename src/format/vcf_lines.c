/* format/vcf_lines.c - reads the lines of a region: runs of the object, by our index or between virtual offsets, and of
 * their lines those that overlap the region.
 *
 * Owns: the machines that read the runs, the line under way, what goes out next. May call: base, containers,
 * vcf_rows.c, the generic reader of records. */
#include "format/records_part.h"
#include "format/vcf_region.h"

enum { EMIT_BYTES = 256 << 10, BLOCK_BYTES = 64 << 10 };

/* ---- the bytes between two virtual offsets --------------------------------------------------------------------- */

typedef struct chunk {
  mst_machine machine;
  const mst_job *job;
  mst_container *container;
  uint64_t begin, end, left; /* left: plain bytes still wanted */
  uint64_t fed, bound;
  bool skipped; /* what lies in front of `begin` in its block */
  mst_bytes input;
  mst_range need;
} chunk;

static mst_status chunk_take(chunk *c, const mst_given *given, mst_error *err) {
  if (given->n != 1 || given->bytes[0].size == 0 || given->bytes[0].size > c->need.length)
    return mst_fail(err, MST_E_INTERNAL, "other bytes were given than asked for");
  mst_bytes_release(&c->input);
  c->input = mst_bytes_share(&given->bytes[0]);
  c->fed += c->input.size;
  return mst_container_bgzf.feed(c->container, &c->input, c->fed == c->job->members[0].size, err);
}

static mst_status chunk_ask(chunk *c, mst_step *out, mst_error *err) {
  const uint64_t size = c->job->members[0].size;
  if (c->fed >= c->bound) c->bound = mst_min_u64(size, c->fed + BLOCK_BYTES);
  if (c->fed >= c->bound)
    return mst_fail_at(err, MST_E_CORRUPT, size, "the object ends in front of what its companion promises");
  c->need = (mst_range){.offset = c->fed, .length = c->bound - c->fed};
  out->kind = MST_STEP_NEED;
  out->some = true;
  out->need = &c->need;
  out->n_need = 1;
  return MST_OK;
}

/* What of one block lies between the offsets. */
static mst_status chunk_give(chunk *c, const mst_run *run, mst_step *out, mst_error *err) {
  size_t from = 0, to = run->size;
  if (!c->skipped) {
    from = (size_t)(c->begin & 0xffff);
    if ((run->at != c->begin >> 16 && from > 0) || from > run->size) /* an empty block gives no run */
      return mst_fail_at(err, MST_E_CORRUPT, c->begin >> 16, "no BGZF block holds the place that the companion names");
    c->skipped = true;
  }
  if (run->at == c->end >> 16) to = mst_min_size(to, (size_t)(c->end & 0xffff));
  if (run->at > c->end >> 16) to = 0;
  if (to > from) to = from + (size_t)mst_min_u64(to - from, c->left);
  if (run->at >= c->end >> 16) c->left = 0;
  if (to <= from) return MST_OK;
  c->left -= mst_min_u64(c->left, to - from);
  out->kind = MST_STEP_EMIT;
  return mst_bytes_copy(c->job->mem, run->data + from, to - from, &out->bytes, err);
}

static mst_status chunk_step(mst_machine *m, const mst_given *given, mst_step *out, mst_error *err) {
  chunk *c = (chunk *)m;
  mst_status status = MST_OK;
  if (given != NULL) MST_TRY(chunk_take(c, given, err));
  while (c->left > 0) {
    mst_container_state state = MST_CONTAINER_INPUT;
    mst_run run;
    if (c->input.size > 0) MST_TRY(mst_container_bgzf.next(c->container, &state, &run, err));
    if (state == MST_CONTAINER_END) break;
    if (state == MST_CONTAINER_INPUT) return chunk_ask(c, out, err);
    MST_TRY(chunk_give(c, &run, out, err));
    if (out->kind == MST_STEP_EMIT) return MST_OK;
  }
  out->kind = MST_STEP_DONE;
done:
  return status;
}

static void chunk_close(mst_machine *m) {
  chunk *c = (chunk *)m;
  mst_container_bgzf.close(c->container);
  mst_bytes_release(&c->input);
  mst_free(c->job->mem, c);
}

mst_status mst_vcf_chunk_open(const mst_job *job, uint64_t begin, uint64_t end, uint64_t limit, mst_machine **out,
                              mst_error *err) {
  static const mst_machine_ops ops = {.step = chunk_step, .close = chunk_close};
  mst_status status = MST_OK;
  const uint64_t size = job->members[0].size;
  const mst_restart from = {.at = begin >> 16};
  const mst_container_open options = {.mem = job->mem,
                                      .name = job->name,
                                      .end = size,
                                      .size = size,
                                      .from = &from,
                                      .plain_end = UINT64_MAX,
                                      .verify = true};
  chunk *c = NULL;
  if (begin >> 16 >= size)
    return mst_fail(err, MST_E_CORRUPT, "the companion of %s names a place behind its end", job->name);
  MST_TRY_ALLOC(c = mst_alloc_zero(job->mem, 1, sizeof *c));
  c->machine.ops = &ops;
  c->job = job;
  c->begin = begin;
  c->end = end;
  c->left = limit;
  c->fed = begin >> 16;
  c->bound = limit == UINT64_MAX ? mst_min_u64(size, (mst_min_u64(end >> 16, size)) + BLOCK_BYTES)
                                 : mst_min_u64(size, limit / 2 + BLOCK_BYTES);
  MST_TRY(mst_container_bgzf.open(&options, &c->container, err));
  *out = &c->machine;
  c = NULL;
done:
  if (c != NULL) mst_free(job->mem, c);
  return status;
}

/* ---- lines ----------------------------------------------------------------------------------------------------- */

typedef struct lines {
  mst_machine machine;
  const mst_job *job;
  json_t *part;
  const char *contig;
  size_t contig_size;
  uint64_t from, to, starts;
  const json_t *runs; /* "parts" or "chunks"                       */
  bool by_chunks;
  size_t next; /* run to be opened                          */
  mst_machine *inner;
  bool raw, header, header_given;
  uint64_t header_bytes;
  bool passed;  /* a sorted object has no more such lines    */
  mst_buf line; /* what was given of the line under way      */
  mst_buf out;  /* lines that go out next                    */
  void *rows;
  bool rows_ended;
} lines;

/* Does the line overlap the region, and belong to this slice? */
static mst_status matches(lines *l, const uint8_t *line, size_t n, bool *out, mst_error *err) {
  mst_vcf_line place;
  const char *why;
  *out = false;
  if (n <= l->contig_size || line[l->contig_size] != '\t' || memcmp(line, l->contig, l->contig_size) != 0) {
    if (memchr(line, '\t', n) != NULL) return MST_OK;
    return mst_fail(err, MST_E_CORRUPT, "a data line of %s has no tab", l->job->name);
  }
  why = mst_vcf_line_parse(line, n - (line[n - 1] == '\n'), &place);
  if (why != NULL) return mst_fail(err, MST_E_CORRUPT, "a data line of %s is broken: %s", l->job->name, why);
  *out = place.first <= l->to && place.last >= l->from && place.first >= l->starts;
  if (place.first > l->to && l->by_chunks) l->passed = true;
  return MST_OK;
}

static mst_status give_line(lines *l, const uint8_t *line, size_t n, mst_error *err) {
  bool wanted;
  mst_status status;
  if (n == 0) return MST_OK;
  if (line[0] == '#') return l->raw && l->header ? mst_buf_put(&l->out, line, n, err) : MST_OK;
  status = matches(l, line, n, &wanted, err);
  if (status != MST_OK || !wanted) return status;
  return l->raw ? mst_buf_put(&l->out, line, n, err) : mst_records_vcf.rows_feed(l->rows, line, n, false, err);
}

static mst_status give_bytes(lines *l, const uint8_t *data, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  size_t at = 0;
  while (at < n && !l->passed) {
    const uint8_t *lf = memchr(data + at, '\n', n - at);
    const size_t end = lf == NULL ? n : (size_t)(lf - data) + 1;
    if (l->job->record_max > 0 && l->line.size + (end - at) > l->job->record_max)
      return mst_fail(err, MST_E_LIMIT, "a line of %s is longer than the limit of %llu bytes", l->job->name,
                      (unsigned long long)l->job->record_max);
    if (lf == NULL || l->line.size > 0) MST_TRY(mst_buf_put(&l->line, data + at, end - at, err));
    if (lf != NULL && l->line.size > 0) {
      MST_TRY(give_line(l, l->line.data, l->line.size, err));
      mst_buf_clear(&l->line);
    } else if (lf != NULL) {
      MST_TRY(give_line(l, data + at, end - at, err));
    }
    at = end;
  }
done:
  return status;
}

/* A run is over; only the object's last line may lack its line end. */
static mst_status end_run(lines *l, mst_error *err) {
  mst_status status = MST_OK;
  mst_machine_close(l->inner);
  l->inner = NULL;
  if (l->line.size > 0 && !l->passed) MST_TRY(give_line(l, l->line.data, l->line.size, err));
  mst_buf_clear(&l->line);
done:
  return status;
}

/* ---- runs ------------------------------------------------------------------------------------------------------ */

static mst_status bad_part(const char *what, mst_error *err) {
  return mst_fail(err, MST_E_CORRUPT, "slice: part: %s", what);
}

static mst_status open_chunk(lines *l, const json_t *run, mst_error *err) {
  const json_int_t begin = json_integer_value(json_array_get(run, 0)), end = json_integer_value(json_array_get(run, 1));
  if (json_array_size(run) != 2 || begin < 0 || end <= begin)
    return bad_part("\"chunks\" must hold pairs of rising offsets", err);
  return mst_vcf_chunk_open(l->job, (uint64_t)begin, (uint64_t)end, UINT64_MAX, &l->inner, err);
}

static mst_status open_records(lines *l, const json_t *run, mst_error *err) {
  const mst_read_query query = {.as = MST_READ_RAW, .header = l->raw && l->header && l->next == 1};
  mst_part_kind kind;
  mst_status status = mst_part_kind_of(run, &kind, err);
  if (status != MST_OK) return status;
  if (kind != MST_PART_RECORDS) return bad_part("\"parts\" must hold parts of records", err);
  return mst_records_read(l->job, run, &query, &l->inner, err);
}

/* false when there is none any more. */
static mst_status open_next(lines *l, bool *more, mst_error *err) {
  *more = true;
  if (l->by_chunks && l->raw && l->header && !l->header_given) {
    l->header_given = true;
    if (l->header_bytes > 0) return mst_vcf_chunk_open(l->job, 0, UINT64_MAX, l->header_bytes, &l->inner, err);
  }
  *more = l->next < json_array_size(l->runs) && !l->passed;
  if (!*more) return MST_OK;
  l->next++;
  return l->by_chunks ? open_chunk(l, json_array_get(l->runs, l->next - 1), err)
                      : open_records(l, json_array_get(l->runs, l->next - 1), err);
}

/* ---- the machine ----------------------------------------------------------------------------------------------- */

/* Sets `*gave` when something is to go out before more is read. */
static mst_status give_gathered(lines *l, bool all, mst_step *out, bool *gave, mst_error *err) {
  mst_status status = MST_OK;
  *gave = false;
  if (!l->raw) {
    status = mst_records_vcf.rows_take(l->rows, all, &out->batch, err);
    *gave = status == MST_OK && out->batch.release != NULL;
    out->kind = MST_STEP_BATCH;
  } else if (l->out.size > 0 && (all || l->out.size >= EMIT_BYTES)) {
    *gave = true;
    out->kind = MST_STEP_EMIT;
    status = mst_buf_take(&l->out, &out->bytes, err);
  }
  return status;
}

static mst_status finish(lines *l, mst_step *out, mst_error *err) {
  mst_status status = MST_OK;
  bool gave;
  if (!l->raw && !l->rows_ended) {
    l->rows_ended = true;
    MST_TRY(mst_records_vcf.rows_feed(l->rows, (const uint8_t *)"", 0, true, err));
  }
  MST_TRY(give_gathered(l, true, out, &gave, err));
  if (!gave) out->kind = MST_STEP_DONE;
done:
  return status;
}

static mst_status step_lines(lines *l, const mst_given *given, mst_step *out, mst_error *err) {
  mst_status status = MST_OK;
  for (;;) {
    mst_step inner;
    bool gave, more;
    MST_TRY(give_gathered(l, false, out, &gave, err));
    if (gave) return MST_OK;
    if (l->inner == NULL) {
      MST_TRY(open_next(l, &more, err));
      if (!more) return finish(l, out, err);
    }
    MST_TRY(mst_machine_step(l->inner, given, &inner, err));
    given = NULL;
    if (inner.kind == MST_STEP_NEED || inner.kind == MST_STEP_BUSY) {
      *out = inner;
      return MST_OK;
    }
    if (inner.kind == MST_STEP_EMIT) {
      status = give_bytes(l, inner.bytes.data, inner.bytes.size, err);
      mst_bytes_release(&inner.bytes);
      if (status != MST_OK) return status;
    }
    if (inner.kind == MST_STEP_DONE || l->passed) MST_TRY(end_run(l, err));
  }
done:
  return status;
}

static mst_status lines_step(mst_machine *m, const mst_given *given, mst_step *out, mst_error *err) {
  lines *l = (lines *)m;
  return mst_error_name(err, step_lines(l, given, out, err), l->job->name);
}

static void lines_close(mst_machine *m) {
  lines *l = (lines *)m;
  mst_machine_close(l->inner);
  if (l->rows != NULL) mst_records_vcf.rows_close(l->rows);
  mst_buf_free(&l->line);
  mst_buf_free(&l->out);
  json_decref(l->part);
  mst_free(l->job->mem, l);
}

static mst_status read_part(lines *l, mst_error *err) {
  mst_status status = MST_OK;
  const char *kind = NULL;
  json_t *runs = NULL;
  MST_TRY(mst_json_get_text(l->part, "kind", "slice: part", &kind, err));
  if (!mst_text_equal(kind, MST_VCF_KIND)) return bad_part("a kind that VCF does not have", err);
  MST_TRY(mst_json_get_text(l->part, "contig", "slice: part", &l->contig, err));
  if (l->contig == NULL || l->contig[0] == 0) return bad_part("\"contig\" is missing", err);
  l->contig_size = strlen(l->contig);
  l->to = MST_VCF_LAST;
  MST_TRY(mst_json_get_u64(l->part, "from", "slice: part", &l->from, err));
  MST_TRY(mst_json_get_u64(l->part, "to", "slice: part", &l->to, err));
  MST_TRY(mst_json_get_u64(l->part, "starts", "slice: part", &l->starts, err));
  MST_TRY(mst_json_get_array(l->part, "chunks", "slice: part", &runs, err));
  l->by_chunks = runs != NULL;
  if (runs == NULL) MST_TRY(mst_json_get_array(l->part, "parts", "slice: part", &runs, err));
  if (runs == NULL) return bad_part("says not where its lines lie", err);
  l->runs = runs;
done:
  return status;
}

mst_status mst_vcf_read(const mst_job *job, const json_t *part, const mst_read_query *query, mst_machine **out,
                        mst_error *err) {
  static const mst_machine_ops ops = {.step = lines_step, .close = lines_close};
  mst_status status = MST_OK;
  mst_setting setting;
  lines *l = NULL;
  MST_TRY(mst_setting_of(job, &setting, err));
  MST_TRY_ALLOC(l = mst_alloc_zero(job->mem, 1, sizeof *l));
  l->machine.ops = &ops;
  l->job = job;
  l->part = json_incref((json_t *)(uintptr_t)part);
  l->raw = query->as == MST_READ_RAW;
  l->header = query->header;
  mst_buf_init(&l->line, job->mem, SIZE_MAX / 2);
  mst_buf_init(&l->out, job->mem, SIZE_MAX / 2);
  MST_TRY(read_part(l, err));
  if (l->by_chunks && setting.container != &mst_container_bgzf) {
    status = bad_part("virtual offsets into an object that is no BGZF", err);
    goto done;
  }
  MST_TRY(mst_json_get_u64(setting.dialect, "header_bytes", "dialect", &l->header_bytes, err));
  if (!l->raw)
    MST_TRY(mst_records_vcf.rows_open(job, setting.dialect, query->options, query->batch_rows, &l->rows, err));
  *out = &l->machine;
  l = NULL;
done:
  if (l != NULL) lines_close(&l->machine);
  return status;
}
