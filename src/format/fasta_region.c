/* format/fasta_region.c - regions of FASTA objects as text, and planned by our index: hashes of names tell the span in
 * which a record begins, residue counts the spans that hold the region. Only when a hash fits more than one record is
 * the object looked at.
 *
 * Owns: the hits. May call: base, column, the generic machines. */
#include "format/fasta_region.h"

enum { REGIONS_MAX = 1000, HITS_EACH = 8, NAME_IN_PART = 160, POSITION_DIGITS = 19 };

/* ---- text ----------------------------------------------------------------------------------------------------- */

/* Digits, perhaps grouped by commas; `*none` when there are none. */
static bool read_number(const char **p, const char *end, uint64_t *out, bool *none) {
  const char *const begin = *p;
  uint64_t v = 0;
  for (; *p < end && ((**p >= '0' && **p <= '9') || (**p == ',' && *p > begin)); ++*p) {
    if (**p == ',') continue;
    v = v * 10 + (uint64_t)(**p - '0');
    if (v >= MST_FASTA_TO_END) return false;
  }
  *none = *p == begin;
  *out = v;
  return true;
}

/* "from-to", "from-", "-to", "from"; false when it is no range at all. */
static bool read_range(const char *p, const char *end, mst_fasta_reading *r) {
  bool no_from, no_to = true;
  r->from = 1;
  r->to = MST_FASTA_TO_END;
  if (!read_number(&p, end, &r->from, &no_from)) return false;
  if (no_from) r->from = 1;
  if (p < end && *p == '-') {
    p++;
    if (!read_number(&p, end, &r->to, &no_to)) return false;
    if (no_to) r->to = MST_FASTA_TO_END;
  }
  r->wrong = r->from == 0 || r->from > r->to;
  return p == end && !(no_from && no_to);
}

static mst_status parse_braces(const char *text, size_t n, mst_fasta_region *out, mst_error *err) {
  const char *brace = memchr(text, '}', n), *end = text + n;
  mst_fasta_reading *r = &out->readings[0];
  *r = (mst_fasta_reading){.name = text + 1, .from = 1, .to = MST_FASTA_TO_END};
  if (brace == NULL || (brace + 1 < end && (brace[1] != ':' || !read_range(brace + 2, end, r))))
    return mst_fail(err, MST_E_ARGUMENT, "region \"%.*s\" is not {name} or {name}:from-to", (int)mst_min_size(n, 200),
                    text);
  r->size = (size_t)(brace - r->name);
  out->n_readings = 1;
  return MST_OK;
}

static mst_status parse_one(const char *text, size_t n, mst_fasta_region *out, mst_error *err) {
  const char *colon = text + n;
  *out = (mst_fasta_region){.n_readings = 1};
  if (*text == '{') return parse_braces(text, n, out, err);
  out->readings[0] = (mst_fasta_reading){.name = text, .size = n, .from = 1, .to = MST_FASTA_TO_END};
  while (colon > text && colon[-1] != ':') colon--;
  if (colon > text + 1 && read_range(colon, text + n, &out->readings[1])) {
    out->readings[1].name = text;
    out->readings[1].size = (size_t)(colon - 1 - text);
    out->n_readings = 2;
  }
  return MST_OK;
}

mst_status mst_fasta_regions_parse(const mst_allocator *mem, const char *text, mst_fasta_region **out, size_t *n,
                                   mst_error *err) {
  const size_t most = mst_min_size(strlen(text) / 2 + 1, REGIONS_MAX);
  mst_fasta_region *regions = mst_alloc_array(mem, most, sizeof *regions);
  mst_status status = MST_OK;
  MST_TRY_ALLOC(regions);
  for (*n = 0;; ++*n) {
    const char *end;
    while (mst_fasta_blank((uint8_t)*text)) text++;
    if (*text == '\0') break;
    for (end = text; *end != '\0' && !mst_fasta_blank((uint8_t)*end);) end++;
    if (*n == REGIONS_MAX) MST_TRY(mst_fail(err, MST_E_LIMIT, "more than %d regions at once", REGIONS_MAX));
    MST_TRY(parse_one(text, (size_t)(end - text), &regions[*n], err));
    text = end;
  }
  if (*n == 0) MST_TRY(mst_fail(err, MST_E_ARGUMENT, "the region is empty: it is name, or name:from-to"));
  *out = regions;
  regions = NULL;
done:
  mst_free(mem, regions);
  return status;
}

mst_status mst_fasta_no_record(const mst_job *job, const mst_fasta_region *region, mst_error *err) {
  const mst_fasta_reading *whole = &region->readings[0], *r = &region->readings[region->n_readings - 1];
  if (r->wrong)
    return mst_fail(err, MST_E_ARGUMENT,
                    "region \"%.*s\": positions count from 1, and the first must not lie behind the last",
                    (int)mst_min_size(whole->size, 200), whole->name);
  return mst_fail(err, MST_E_NOT_FOUND, "%s has no record named \"%.*s\"", job->name, (int)mst_min_size(r->size, 200),
                  r->name);
}

/* ---- parts ---------------------------------------------------------------------------------------------------- */

/* What people are told of the slice: its record, the first residue (from 0), the region. */
static mst_status set_is(json_t *part, const mst_fasta_reading *r, mst_error *err) {
  json_t *is = json_object();
  mst_status status = MST_OK;
  MST_TRY_ALLOC(is);
  MST_TRY(mst_json_set(is, "record", json_stringn(r->name, r->size), err));
  MST_TRY(mst_json_set_u64(is, "offset", r->from - 1, err));
  return mst_json_set(part, "is", is, err);
done:
  json_decref(is);
  return status;
}

mst_status mst_fasta_part_begin(const char *kind, const mst_fasta_reading *r, json_t **out, mst_error *err) {
  const bool named = r->size <= NAME_IN_PART && mst_utf8_valid(r->name, r->size, NULL);
  mst_status status = MST_OK;
  json_t *part = json_object();
  MST_TRY_ALLOC(part);
  MST_TRY(mst_json_set_text(part, "kind", kind, err));
  MST_TRY(mst_json_set_u64(part, "from", r->from, err));
  if (r->to < MST_FASTA_TO_END) MST_TRY(mst_json_set_u64(part, "to", r->to, err));
  if (named) {
    MST_TRY(mst_json_set(part, "name", json_stringn(r->name, r->size), err));
    if (r->size <= NAME_IN_PART / 2) MST_TRY(set_is(part, r, err));
  } else {
    MST_TRY(mst_json_set_u64(part, "name_size", r->size, err));
    MST_TRY(mst_json_set_u64(part, "name_hash", mst_fasta_hash((const uint8_t *)r->name, r->size), err));
  }
  *out = part;
  part = NULL;
done:
  json_decref(part);
  return status;
}

mst_status mst_fasta_wanted_of(const json_t *part, mst_fasta_wanted *out, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t from = 0, to = MST_FASTA_TO_END;
  mst_fasta_wanted w = {.hash = UINT64_MAX};
  MST_TRY(mst_json_get_text(part, "name", "slice: part", &w.name, err));
  MST_TRY(mst_json_get_u64(part, "name_size", "slice: part", &w.size, err));
  MST_TRY(mst_json_get_u64(part, "name_hash", "slice: part", &w.hash, err));
  MST_TRY(mst_json_get_u64(part, "from", "slice: part", &from, err));
  MST_TRY(mst_json_get_u64(part, "to", "slice: part", &to, err));
  if (from == 0 || from > to || to > MST_FASTA_TO_END || (w.name == NULL && w.hash > UINT32_MAX))
    return mst_fail(err, MST_E_CORRUPT, "slice: part: no name, or positions that make no sense");
  w.first = from - 1;
  w.end = to;
  if (w.name != NULL) w.size = strlen(w.name);
  *out = w;
done:
  return status;
}

bool mst_fasta_is_wanted(const mst_fasta_wanted *w, const uint8_t *name, size_t n) {
  if (n != w->size) return false;
  return w->name != NULL ? memcmp(w->name, name, n) == 0 : mst_fasta_hash(name, n) == w->hash;
}

/* ---- plans by our index ---------------------------------------------------------------------------------------- */

/* A record whose name has the hash of a reading. */
typedef struct hit {
  size_t region, reading;
  uint64_t record;
  mst_row head, head_end, body, end; /* checkpoints: in front of its header and behind it; around the region */
  uint64_t residue;                  /* of the record in front of `body` */
  bool has_head_end, has_body, has_end;
} hit;

typedef struct planning {
  mst_machine machine;
  const mst_job *job;
  mst_setting setting;
  char *text;
  mst_fasta_region *regions;
  size_t n_regions, region;
  hit *hits;
  size_t n_hits;
  size_t group;
  mst_row last;    /* row, to see that rows rise */
  mst_hole *holes; /* of a recovered index */
  size_t n_holes;
  mst_row end;
  size_t verified; /* of the region's hits: number of those that were looked at */
  mst_fasta_header header;
} planning;

static uint64_t wanted_first(const planning *p, const hit *h) {
  return p->regions[h->region].readings[h->reading].from - 1;
}

static uint64_t wanted_end(const planning *p, const hit *h) { return p->regions[h->region].readings[h->reading].to; }

/* A record begins there in any case. */
static bool behind_hole(const planning *p, const mst_row *r) {
  for (size_t i = 0; i < p->n_holes; i++)
    if (p->holes[i].end == r->plain) return true;
  return false;
}

/* A row behind the one in which the hit's record begins. */
static void see_row(const planning *p, hit *h, const mst_row *r, uint64_t residue) {
  const bool inside = r->record == h->record + 1 && !behind_hole(p, r);
  if (!h->has_head_end) h->head_end = *r;
  h->has_head_end = true;
  if (h->has_end) return;
  if (inside && residue <= wanted_first(p, h)) {
    h->body = *r;
    h->residue = residue;
    h->has_body = true;
  } else if (!inside || residue >= wanted_end(p, h)) {
    h->end = *r;
    h->has_end = true;
  }
}

static mst_status add_hit(planning *p, size_t region, size_t reading, const mst_row *r, uint64_t record,
                          mst_error *err) {
  size_t same = 0;
  for (size_t i = 0; i < p->n_hits; i++) same += p->hits[i].region == region && p->hits[i].reading == reading;
  /* Copies of a name come in any number; the first counts. */
  if (same == HITS_EACH) return MST_OK;
  if ((p->n_hits & (p->n_hits + 1)) == 0) {
    hit *more = mst_resize(p->job->mem, p->hits, (2 * p->n_hits + 2) * sizeof *more);
    if (more == NULL) return mst_fail_memory(err);
    p->hits = more;
  }
  p->hits[p->n_hits++] = (hit){.region = region, .reading = reading, .record = record, .head = *r};
  return MST_OK;
}

static mst_status see_names(planning *p, const mst_row *r, const uint8_t *hashes, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  for (size_t g = 0; g < p->n_regions; g++)
    for (size_t k = 0; k < p->regions[g].n_readings; k++) {
      const mst_fasta_reading *reading = &p->regions[g].readings[k];
      const uint32_t hash = mst_fasta_hash((const uint8_t *)reading->name, reading->size);
      if (reading->wrong) continue;
      for (size_t i = 0; i < n; i++)
        if (mst_le32(hashes + 4 * i) == hash) MST_TRY(add_hit(p, g, k, r, r->record + i, err));
    }
done:
  return status;
}

static mst_status take_rows(planning *p, const mst_given *given, mst_error *err) {
  mst_status status = MST_OK;
  mst_view residues, names;
  mst_rows rows;
  MST_TRY(mst_rows_open(p->job, &p->setting, given, &rows, err));
  MST_TRY(mst_batch_column(given->schema, given->rows, "residue", "l", &residues, err));
  MST_TRY(mst_batch_column(given->schema, given->rows, "names", "z", &names, err));
  for (int64_t i = 0; i < rows.n; i++) {
    const uint64_t residue = mst_view_null(&residues, i) ? 0 : (uint64_t)mst_view_i64(&residues, i);
    const uint8_t *hashes;
    mst_row r;
    size_t n = 0;
    MST_TRY(mst_rows_get(&rows, i, &r, err));
    if (r.plain < p->last.plain || r.record < p->last.record || r.plain > p->end.plain || r.record > p->end.record)
      return mst_fail(err, MST_E_CORRUPT, "the index of %s is broken: rows out of order", p->job->name);
    p->last = r;
    if (mst_view_null(&names, i))
      return mst_fail(err, MST_E_UNSUPPORTED,
                      "the index of %s keeps no names: too many records begin within one span; use a .fai",
                      p->job->name);
    for (size_t k = 0; k < p->n_hits; k++) see_row(p, &p->hits[k], &r, residue);
    hashes = mst_view_bytes(&names, i, &n);
    MST_TRY(see_names(p, &r, hashes, n / 4, err));
  }
  p->group++;
done:
  return status;
}

/* ---- giving parts ---------------------------------------------------------------------------------------------- */

/* What lies behind damage is no more of the record. */
static void cut_at_hole(const planning *p, const mst_row *begin, mst_row *end) {
  for (size_t i = 0; i < p->n_holes; i++)
    if (p->holes[i].begin >= begin->plain && p->holes[i].end <= end->plain) {
      const mst_row behind = {.plain = p->holes[i].end, .at = end->at};
      *end = behind;
      mst_end_at_hole(p->job, &p->holes[i], 1, begin, end);
      return;
    }
}

static void end_hit(const planning *p, hit *h) {
  if (!h->has_head_end) h->head_end = p->end;
  if (!h->has_end) h->end = p->end;
  h->has_head_end = h->has_end = true;
  cut_at_hole(p, &h->head, &h->head_end);
  cut_at_hole(p, &h->head, &h->end);
}

/* The header, and all up to the region's end when that is as near. */
static mst_status head_part(const planning *p, const hit *h, json_t **out, mst_error *err) {
  mst_part part = mst_part_between(p->job, &p->setting, &h->head, h->has_body ? &h->head_end : &h->end);
  /* The object's beginning may be something else than a record. */
  part.search_first = !(h->head.starts && h->head.record == h->record && h->head.plain > 0);
  part.first = h->record;
  return mst_part_to_json(&part, out, err);
}

static mst_status body_part(const planning *p, const hit *h, json_t **out, mst_error *err) {
  const mst_part part = mst_part_between(p->job, &p->setting, &h->body, &h->end);
  return mst_part_to_json(&part, out, err);
}

static mst_status give_hit(planning *p, const hit *h, mst_step *out, mst_error *err) {
  const mst_fasta_reading *reading = &p->regions[h->region].readings[h->reading];
  mst_status status = MST_OK;
  json_t *part = NULL, *inner = NULL;
  MST_TRY(mst_fasta_part_begin(MST_FASTA_KIND_REGION, reading, &part, err));
  MST_TRY(head_part(p, h, &inner, err));
  MST_TRY(mst_json_set(part, "head", inner, err));
  if (h->has_body) {
    MST_TRY(body_part(p, h, &inner, err));
    MST_TRY(mst_json_set(part, "body", inner, err));
    MST_TRY(mst_json_set_u64(part, "residue", h->residue, err));
  }
  out->kind = MST_STEP_PART;
  out->part = part;
  out->part_records = 1;
  out->part_bytes = UINT64_MAX;
  p->region++;
  p->verified = 0;
  part = NULL;
done:
  json_decref(part);
  return status;
}

/* The region's hits: those of its first reading first. */
static hit *find_hit(const planning *p, size_t number, size_t *n) {
  hit *found = NULL;
  *n = 0;
  for (size_t k = 0; k < 2; k++)
    for (size_t i = 0; i < p->n_hits; i++)
      if (p->hits[i].region == p->region && p->hits[i].reading == k && (*n)++ == number) found = &p->hits[i];
  return found;
}

static void close_header(mst_fasta_header *h) {
  mst_machine_close(h->inner);
  h->inner = NULL;
  h->begun = h->done = false;
  mst_buf_clear(&h->line);
}

/* Reads the header of a hit, to tell records apart whose names have one hash. */
static mst_status open_header(planning *p, const hit *h, mst_error *err) {
  const mst_read_query raw = {.as = MST_READ_RAW};
  json_t *part = NULL;
  mst_status status = head_part(p, h, &part, err);
  if (status == MST_OK) status = mst_records_read(p->job, part, &raw, &p->header.inner, err);
  json_decref(part);
  return status;
}

/* Sets `*asks` when bytes are wanted first. */
static mst_status read_header(planning *p, const mst_given *given, mst_step *out, bool *asks, mst_error *err) {
  mst_status status = MST_OK;
  *asks = false;
  while (!p->header.done) {
    size_t used;
    MST_TRY(mst_machine_step(p->header.inner, given, out, err));
    given = NULL;
    *asks = out->kind == MST_STEP_NEED;
    if (*asks) return MST_OK;
    p->header.done = out->kind != MST_STEP_EMIT;
    if (p->header.done) break;
    status = mst_fasta_header_feed(&p->header, p->job, out->bytes.data, out->bytes.size, &used, err);
    mst_bytes_release(&out->bytes);
    if (status != MST_OK) return status;
  }
done:
  return status;
}

/* The part of the next region, or a wish for bytes. */
static mst_status next_part(planning *p, const mst_given *given, mst_step *out, mst_error *err) {
  const mst_fasta_region *region = &p->regions[p->region];
  mst_status status = MST_OK;
  for (;; p->verified++) {
    size_t n;
    hit *h = find_hit(p, p->verified, &n);
    const mst_fasta_reading *reading = h == NULL ? NULL : &region->readings[h->reading];
    mst_title title;
    bool asks;
    if (h == NULL) return mst_fasta_no_record(p->job, region, err);
    end_hit(p, h);
    if (n == 1) return give_hit(p, h, out, err);
    if (p->header.inner == NULL) MST_TRY(open_header(p, h, err));
    MST_TRY(read_header(p, given, out, &asks, err));
    given = NULL;
    if (asks) return MST_OK;
    title = mst_title_of((const uint8_t *)mst_buf_text(&p->header.line), p->header.line.size);
    if (title.name_size == reading->size && memcmp(title.name, reading->name, reading->size) == 0) {
      close_header(&p->header);
      return give_hit(p, h, out, err);
    }
    close_header(&p->header);
  }
done:
  return status;
}

static mst_status step_planning(planning *p, const mst_given *given, mst_step *out, mst_error *err) {
  mst_status status = MST_OK;
  if (given != NULL && p->group < p->job->n_groups) {
    MST_TRY(take_rows(p, given, err));
    given = NULL;
  }
  if (p->group < p->job->n_groups) {
    out->kind = MST_STEP_ROWS;
    out->row_group = p->group;
  } else if (p->region < p->n_regions) {
    MST_TRY(next_part(p, given, out, err));
  } else {
    out->kind = MST_STEP_DONE;
  }
done:
  return status;
}

static mst_status planning_step(mst_machine *m, const mst_given *given, mst_step *out, mst_error *err) {
  planning *p = (planning *)m;
  return mst_error_name(err, step_planning(p, given, out, err), p->job->name);
}

static void planning_close(mst_machine *m) {
  planning *p = (planning *)m;
  close_header(&p->header);
  mst_buf_free(&p->header.line);
  mst_free(p->job->mem, p->text);
  mst_free(p->job->mem, p->regions);
  mst_free(p->job->mem, p->hits);
  mst_free(p->job->mem, p->holes);
  mst_free(p->job->mem, p);
}

static mst_status check_query(const mst_plan_query *q, mst_error *err) {
  if (q->region == NULL || q->where != NULL || json_object_size(q->options) > 0)
    return mst_fail(err, MST_E_ARGUMENT, "FASTA is selected from by region=\"name:from-to\" only");
  if (q->strategy != NULL || q->slice_bytes > 0 || q->slice_records > 0)
    return mst_fail(err, MST_E_ARGUMENT,
                    "each region of FASTA is one slice: it has no strategy, size or number of records");
  return MST_OK;
}

mst_status mst_fasta_plan(const mst_job *job, const mst_plan_query *query, mst_machine **out, mst_error *err) {
  static const mst_machine_ops ops = {.step = planning_step, .close = planning_close};
  mst_status status = MST_OK;
  planning *p = NULL;
  mst_setting setting;
  MST_TRY(mst_setting_of(job, &setting, err));
  MST_TRY(check_query(query, err));
  if (json_object_get(job->facts, "records") == NULL) return mst_fasta_fai_plan(job, &setting, query->region, out, err);
  MST_TRY_ALLOC(p = mst_alloc_zero(job->mem, 1, sizeof *p));
  p->machine.ops = &ops;
  p->job = job;
  p->setting = setting;
  mst_buf_init(&p->header.line, job->mem, SIZE_MAX / 4);
  MST_TRY(mst_rows_end(job, &p->end, err));
  MST_TRY(mst_holes_get(job, p->end.plain, &p->holes, &p->n_holes, err));
  MST_TRY_ALLOC(p->text = mst_text_copy(job->mem, query->region));
  MST_TRY(mst_fasta_regions_parse(job->mem, p->text, &p->regions, &p->n_regions, err));
  if (query->slices > 0 && p->n_regions > query->slices)
    MST_TRY(mst_fail(err, MST_E_ARGUMENT, "%zu regions do not fit into %llu slices", p->n_regions,
                     (unsigned long long)query->slices));
  *out = &p->machine;
  p = NULL;
done:
  if (p != NULL) planning_close(&p->machine);
  return status;
}
