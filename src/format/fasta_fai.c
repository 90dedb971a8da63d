/* format/fasta_fai.c - regions of FASTA objects by the companions that samtools makes, with no index of ours: a .fai
 * says where each record's residues lie, for BGZF a .gzi where each block does. Both are believed only as far as the
 * object agrees: the header in front must name the record, and residues and line ends must stand exactly where the .fai
 * puts them.
 *
 * Owns: what was found in the companions, the pump. May call: base, containers, pump. */
#include "format/fasta_region.h"
#include "format/pump.h"

enum {
  FAI = 1,
  GZI = 2,                   /* members                                                                     */
  LINE_MAX_BYTES = 64 << 10, /* of a .fai                                                                   */
  HEADER_BYTES = 64 << 10,   /* that may stand in front of a record's first residue                         */
  COMPANION_BYTES = 1 << 20, /* asked for at a time                                                         */
  BEHIND_BYTES = 64          /* looked at behind a record's last residue                                    */
};
#define OFFSET_MAX (UINT64_C(1) << 60)

/* One line of a .fai: residue i stands at offset + i / bases * width + i % bases. */
typedef struct entry {
  uint64_t length, offset, bases, width;
} entry;

static uint64_t place_of(const entry *e, uint64_t residue) {
  return e->bases == 0 ? e->offset : e->offset + residue / e->bases * e->width + residue % e->bases;
}

/* Where reading the residues [first, end) begins: behind the record's last residue when they are none. */
static uint64_t begin_of(const entry *e, uint64_t first, uint64_t end) {
  if (first < end) return place_of(e, first);
  return e->length == 0 ? e->offset : place_of(e, e->length - 1) + 1;
}

/* Bounded, so that no arithmetic on it goes wrong: hostile. */
static bool entry_fits(const entry *e) {
  const uint64_t lines = e->bases == 0 ? 0 : e->length / e->bases;
  uint64_t bytes;
  if (e->length > OFFSET_MAX || e->offset > OFFSET_MAX || (e->length > 0 && e->bases == 0) || e->width < e->bases)
    return false;
  if (e->length > e->bases && (e->width - e->bases < 1 || e->width - e->bases > 2)) return false;
  return mst_mul_u64(lines, e->width, &bytes) && bytes <= OFFSET_MAX;
}

/* ---- planning --------------------------------------------------------------------------------------------------- */

/* What was found for one region. */
typedef struct found {
  entry entries[2]; /* by reading */
  bool has[2];
  size_t reading;
  uint64_t first, end;      /* residues, clipped to the record                  */
  uint64_t at[2], plain[2]; /* blocks that hold the header's and the body's beginning */
  uint64_t target[2];       /* plain bytes that they must hold                  */
  uint64_t before[2];       /* the block in front of the body's, at and plain */
} found;

typedef enum phase { READ_FAI, READ_GZI, GIVE } phase;

typedef struct planning {
  mst_machine machine;
  const mst_job *job;
  mst_setting setting;
  char *text;
  mst_fasta_region *regions;
  found *found;
  size_t n_regions, region;
  phase phase;
  uint64_t read; /* bytes of the companion at hand */
  mst_range need;
  mst_buf rest; /* a line or entry that is not whole yet */
  uint64_t line, entries, last_at, last_plain;
} planning;

static mst_status bad_fai(const planning *p, const char *what, mst_error *err) {
  return mst_fail(err, MST_E_CORRUPT, "%s, line %llu: %s; make it again with: samtools faidx",
                  p->job->members[FAI].name, (unsigned long long)p->line, what);
}

static bool read_number(const uint8_t **at, const uint8_t *end, uint64_t *out) {
  uint64_t v = 0;
  const uint8_t *p = *at, *begin;
  while (p < end && mst_fasta_blank(*p)) p++;
  for (begin = p; p < end && *p >= '0' && *p <= '9'; p++)
    if (!mst_mul_u64(v, 10, &v) || !mst_add_u64(v, *p - '0', &v)) return false;
  *at = p;
  *out = v;
  return p > begin;
}

static mst_status take_line(planning *p, const uint8_t *line, size_t n, mst_error *err) {
  const uint8_t *const end = line + n, *at = line;
  size_t size;
  uint64_t more;
  entry e;
  p->line++;
  while (at < end && !mst_fasta_blank(*at)) at++;
  size = (size_t)(at - line);
  if (!read_number(&at, end, &e.length) || !read_number(&at, end, &e.offset) || !read_number(&at, end, &e.bases) ||
      !read_number(&at, end, &e.width))
    return bad_fai(p, "not a name and four numbers", err);
  if (read_number(&at, end, &more)) return bad_fai(p, "five numbers: this is the index of a FASTQ object", err);
  while (at < end && mst_fasta_blank(*at)) at++;
  if (at < end) return bad_fai(p, "not a name and four numbers", err);
  for (size_t g = 0; g < p->n_regions; g++)
    for (size_t k = 0; k < p->regions[g].n_readings; k++) {
      const mst_fasta_reading *r = &p->regions[g].readings[k];
      if (p->found[g].has[k] || r->size != size || memcmp(r->name, line, size) != 0) continue;
      if (!entry_fits(&e)) return bad_fai(p, "numbers that make no sense", err);
      p->found[g].entries[k] = e;
      p->found[g].has[k] = true;
    }
  return MST_OK;
}

static mst_status take_fai(planning *p, const uint8_t *data, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  while (n > 0) {
    const uint8_t *lf = memchr(data, '\n', n);
    const size_t used = lf == NULL ? n : (size_t)(lf - data) + 1;
    if (p->rest.size + used > LINE_MAX_BYTES) return bad_fai(p, "a line of more than 64 KiB", err);
    MST_TRY(mst_buf_put(&p->rest, data, lf == NULL ? used : used - 1, err));
    data += used;
    n -= used;
    if (lf == NULL) break;
    MST_TRY(take_line(p, p->rest.data, p->rest.size, err));
    mst_buf_clear(&p->rest);
  }
done:
  return status;
}

/* The .fai has been read: which reading of each region is a record, and which bytes hold it. */
static mst_status end_fai(planning *p, mst_error *err) {
  if (p->rest.size > 0) {
    const mst_status status = take_line(p, p->rest.data, p->rest.size, err);
    if (status != MST_OK) return status;
    mst_buf_clear(&p->rest);
  }
  for (size_t g = 0; g < p->n_regions; g++) {
    found *f = &p->found[g];
    const mst_fasta_reading *r;
    const entry *e;
    f->reading = f->has[0] ? 0 : 1;
    r = &p->regions[g].readings[f->reading];
    if (!f->has[f->reading] || r->wrong) return mst_fasta_no_record(p->job, &p->regions[g], err);
    e = &f->entries[f->reading];
    f->end = mst_min_u64(r->to, e->length);
    f->first = mst_min_u64(r->from - 1, f->end);
    f->target[0] = e->offset - mst_min_u64(e->offset, HEADER_BYTES);
    f->target[1] = begin_of(e, f->first, f->end);
  }
  p->phase = p->setting.container == &mst_container_plain ? GIVE : READ_GZI;
  p->read = 0;
  return MST_OK;
}

static mst_status bad_gzi(const planning *p, const char *what, mst_error *err) {
  return mst_fail(err, MST_E_CORRUPT, "%s: %s; make it again with: bgzip -r", p->job->members[GZI].name, what);
}

/* Blocks rise in both offsets; the last one that begins at or in front of a target holds it. */
static mst_status take_block(planning *p, uint64_t at, uint64_t plain, mst_error *err) {
  if (at <= p->last_at || plain < p->last_plain || at >= p->job->members[0].size)
    return bad_gzi(p, "its blocks are out of order or outside the object", err);
  p->last_at = at;
  p->last_plain = plain;
  for (size_t g = 0; g < p->n_regions; g++)
    for (size_t k = 0; k < 2; k++)
      if (plain <= p->found[g].target[k]) {
        if (k == 1) p->found[g].before[0] = p->found[g].at[k];
        if (k == 1) p->found[g].before[1] = p->found[g].plain[k];
        p->found[g].at[k] = at;
        p->found[g].plain[k] = plain;
      }
  return MST_OK;
}

static mst_status take_gzi(planning *p, const uint8_t *data, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  const size_t head = p->entries == UINT64_MAX ? 8 : 0;
  size_t at = 0;
  MST_TRY(mst_buf_put(&p->rest, data, n, err));
  if (head > 0 && p->rest.size < head) return MST_OK;
  if (head > 0) {
    p->entries = mst_le64(p->rest.data);
    if (p->entries != (p->job->members[GZI].size - 8) / 16 || p->job->members[GZI].size % 16 != 8)
      return bad_gzi(p, "its size is not that of the blocks that it promises", err);
    at = head;
  }
  for (; p->rest.size - at >= 16; at += 16)
    MST_TRY(take_block(p, mst_le64(p->rest.data + at), mst_le64(p->rest.data + at + 8), err));
  memmove(p->rest.data, p->rest.data + at, p->rest.size - at);
  p->rest.size -= at;
done:
  return status;
}

static mst_status set_pair(json_t *part, const char *key, uint64_t a, uint64_t b, mst_error *err) {
  return mst_json_set(part, key, json_pack("[I,I]", (json_int_t)a, (json_int_t)b), err);
}

static mst_status give_region(planning *p, mst_step *out, mst_error *err) {
  const found *f = &p->found[p->region];
  const entry *e = &f->entries[f->reading];
  mst_fasta_reading r = p->regions[p->region].readings[f->reading];
  mst_status status = MST_OK;
  json_t *part = NULL;
  if (r.to >= e->length) r.to = mst_max_u64(e->length, r.from);
  MST_TRY(mst_fasta_part_begin(MST_FASTA_KIND_FAI, &r, &part, err));
  MST_TRY(mst_json_set(
      part, "entry",
      json_pack("[I,I,I,I]", (json_int_t)e->length, (json_int_t)e->offset, (json_int_t)e->bases, (json_int_t)e->width),
      err));
  if (p->setting.container != &mst_container_plain) {
    MST_TRY(set_pair(part, "head", f->at[0], f->plain[0], err));
    MST_TRY(set_pair(part, "body", f->at[1], f->plain[1], err));
    MST_TRY(set_pair(part, "before", f->before[0], f->before[1], err));
  }
  out->kind = MST_STEP_PART;
  out->part = part;
  out->part_records = 1;
  out->part_bytes = UINT64_MAX;
  p->region++;
  part = NULL;
done:
  json_decref(part);
  return status;
}

static void ask_companion(planning *p, uint32_t member, mst_step *out) {
  p->need = (mst_range){.offset = p->read,
                        .length = mst_min_u64(p->job->members[member].size - p->read, COMPANION_BYTES),
                        .member = member};
  out->kind = MST_STEP_NEED;
  out->some = true;
  out->need = &p->need;
  out->n_need = 1;
}

static mst_status take_given(planning *p, const mst_given *given, mst_error *err) {
  const mst_bytes *b = given->n == 1 ? &given->bytes[0] : NULL;
  if (b == NULL || b->size == 0 || b->size > p->need.length)
    return mst_fail(err, MST_E_INTERNAL, "other bytes were given than asked for");
  p->read += b->size;
  return p->phase == READ_FAI ? take_fai(p, b->data, b->size, err) : take_gzi(p, b->data, b->size, err);
}

static mst_status step_planning(planning *p, const mst_given *given, mst_step *out, mst_error *err) {
  mst_status status = MST_OK;
  if (given != NULL) MST_TRY(take_given(p, given, err));
  if (p->phase == READ_FAI && p->read == p->job->members[FAI].size) MST_TRY(end_fai(p, err));
  if (p->phase == READ_GZI && p->read == p->job->members[GZI].size) {
    if (p->entries == UINT64_MAX) return bad_gzi(p, "it is shorter than its head", err);
    p->phase = GIVE;
  }
  if (p->phase != GIVE) ask_companion(p, p->phase == READ_FAI ? FAI : GZI, out);
  else if (p->region < p->n_regions) MST_TRY(give_region(p, out, err));
  else out->kind = MST_STEP_DONE;
done:
  return status;
}

static mst_status planning_step(mst_machine *m, const mst_given *given, mst_step *out, mst_error *err) {
  planning *p = (planning *)m;
  return mst_error_name(err, step_planning(p, given, out, err), p->job->name);
}

static void planning_close(mst_machine *m) {
  planning *p = (planning *)m;
  mst_buf_free(&p->rest);
  mst_free(p->job->mem, p->text);
  mst_free(p->job->mem, p->regions);
  mst_free(p->job->mem, p->found);
  mst_free(p->job->mem, p);
}

/* Is a companion there, and no older than the object? */
static mst_status check_companion(const mst_job *job, size_t member, mst_error *err) {
  const char *what = member == FAI ? ".fai" : ".gzi";
  if (job->n_members <= member || !job->members[member].present)
    return mst_fail(err, MST_E_NOT_FOUND, "%s has no index, and no %s beside it; make one with: meseta index %s",
                    job->name, what, job->name);
  if (!job->members[member].fresh)
    return mst_fail(err, MST_E_NOT_FOUND,
                    "%s has no index, and its %s is older than it; make one with: meseta index %s", job->name, what,
                    job->name);
  return MST_OK;
}

static mst_status check_companions(const mst_job *job, const mst_setting *setting, mst_error *err) {
  mst_status status = check_companion(job, FAI, err);
  if (status != MST_OK || setting->container == &mst_container_plain) return status;
  if (setting->container != &mst_container_bgzf)
    return mst_fail(err, MST_E_UNSUPPORTED,
                    "a .fai finds regions in plain and BGZF objects only; make an index with: meseta index %s",
                    job->name);
  return check_companion(job, GZI, err);
}

mst_status mst_fasta_fai_plan(const mst_job *job, const mst_setting *setting, const char *region, mst_machine **out,
                              mst_error *err) {
  static const mst_machine_ops ops = {.step = planning_step, .close = planning_close};
  mst_status status = MST_OK;
  planning *p = NULL;
  MST_TRY(check_companions(job, setting, err));
  MST_TRY_ALLOC(p = mst_alloc_zero(job->mem, 1, sizeof *p));
  p->machine.ops = &ops;
  p->job = job;
  p->setting = *setting;
  p->entries = UINT64_MAX;
  mst_buf_init(&p->rest, job->mem, COMPANION_BYTES + LINE_MAX_BYTES);
  MST_TRY_ALLOC(p->text = mst_text_copy(job->mem, region));
  MST_TRY(mst_fasta_regions_parse(job->mem, p->text, &p->regions, &p->n_regions, err));
  MST_TRY_ALLOC(p->found = mst_alloc_zero(job->mem, p->n_regions, sizeof *p->found));
  *out = &p->machine;
  p = NULL;
done:
  if (p != NULL) planning_close(&p->machine);
  return status;
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

typedef struct reading {
  mst_machine machine;
  const mst_job *job;
  const mst_container_ops *container;
  const mst_scan_kernels *scan;
  json_t *part;
  mst_fasta_wanted wanted;
  entry entry;
  uint64_t at[2], plain[2]; /* where decoding begins for the header and for the body */
  uint64_t before[2];       /* a block in front of the latter, which shows that it begins where the .gzi says */
  mst_pump pump;
  bool in_body, only_place, ended;
  mst_buf front;    /* the bytes in front of the first residue */
  uint64_t residue; /* the next one */
  uint64_t next;    /* plain offset of the next byte */
  uint8_t behind[BEHIND_BYTES];
  size_t n_behind;
  mst_fasta_content content;
} reading;

static mst_status unfit(uint64_t at, const char *what, mst_error *err) {
  return mst_fail_at(err, MST_E_CORRUPT, at, "its .fai does not fit the object: at plain byte %llu %s; make it again",
                     (unsigned long long)at, what);
}

static uint64_t body_begin(const reading *r) { return begin_of(&r->entry, r->wanted.first, r->wanted.end); }

/* Behind the last residue that is wanted, and some bytes more where the record must end there. */
static uint64_t body_end(const reading *r) {
  const uint64_t end = begin_of(&r->entry, r->entry.length, r->entry.length);
  return r->wanted.end == r->entry.length ? end + BEHIND_BYTES : place_of(&r->entry, r->wanted.end - 1) + 1;
}

/* Nothing in a body shows where it lies, so that of BGZF is decoded from one block earlier on. */
static mst_status open_body(reading *r, mst_error *err) {
  mst_status status;
  if (r->container == &mst_container_plain)
    return mst_pump_open(&r->pump, r->job, r->container, body_begin(r), body_begin(r), body_begin(r), body_end(r), err);
  status = mst_pump_open(&r->pump, r->job, r->container, r->before[0], r->before[1], body_begin(r), body_end(r), err);
  if (status == MST_OK) mst_pump_check(&r->pump, r->at[1], r->plain[1]);
  return status;
}

static mst_status open_front(reading *r, mst_error *err) {
  const uint64_t first = r->entry.offset - mst_min_u64(r->entry.offset, HEADER_BYTES);
  const bool plain = r->container == &mst_container_plain;
  return mst_pump_open(&r->pump, r->job, r->container, plain ? first : r->at[0], plain ? first : r->plain[0], first,
                       r->entry.offset, err);
}

/* The bytes in front of the first residue are there: the last line of them must be the record's header. */
static mst_status end_front(reading *r, mst_error *err) {
  const uint8_t *text = (const uint8_t *)mst_buf_text(&r->front);
  size_t n = r->front.size, begin;
  mst_title title;
  if (r->entry.offset > HEADER_BYTES ? n < HEADER_BYTES : n < r->entry.offset)
    return unfit(r->entry.offset, "the object has ended already", err);
  /* A record without residues may be the last line, without its end. */
  if (n > 0 && text[n - 1] == '\n') n--;
  else if (r->entry.length > 0) return unfit(r->entry.offset, "no line of residues begins", err);
  if (n > 0 && text[n - 1] == '\r') n--;
  for (begin = n; begin > 0 && text[begin - 1] != '\n';) begin--;
  if (begin == 0 && r->entry.offset > HEADER_BYTES)
    return mst_fail(err, MST_E_LIMIT, "a header of more than %d bytes: regions of this record need an index",
                    HEADER_BYTES);
  if (begin == n || text[begin] != '>') return unfit(r->entry.offset, "no header stands in front of the residues", err);
  title = mst_title_of(text + begin + 1, n - begin - 1);
  if (!mst_fasta_is_wanted(&r->wanted, title.name, title.name_size))
    return unfit(r->entry.offset, "the residues of another record begin", err);
  r->in_body = true;
  r->residue = r->wanted.first;
  r->next = body_begin(r);
  return mst_fasta_content_header(&r->content, text + begin + 1, n - begin - 1, err);
}

/* Residues up to the end of the line or of the region. */
static mst_status feed_residues(reading *r, const uint8_t *data, size_t n, size_t *used, mst_error *err) {
  const uint64_t column = r->residue % r->entry.bases;
  const uint64_t want = mst_min_u64(r->entry.bases - column, r->wanted.end - r->residue);
  const size_t part = (size_t)mst_min_u64(want, n);
  if (column == 0 && (*data == '>' || *data == ';')) return unfit(r->next, "no residue stands", err);
  if (r->scan->count_range(data, part, 0x21, 0x7e) != part) return unfit(r->next, "not only residues stand", err);
  r->residue += part;
  *used = part;
  return mst_fasta_content_put(&r->content, data, part, err);
}

/* Between two lines: exactly the bytes that the .fai says. */
static mst_status feed_line_end(reading *r, const uint8_t *data, mst_error *err) {
  const uint64_t place = place_of(&r->entry, r->residue);
  const bool last = r->next + 1 == place;
  if (*data != (last ? '\n' : '\r')) return unfit(r->next, "a line does not end", err);
  return MST_OK;
}

static mst_status feed_body(reading *r, const uint8_t *data, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  while (n > 0) {
    size_t used = 1;
    if (r->residue == r->wanted.end) {
      if (r->n_behind < BEHIND_BYTES) r->behind[r->n_behind++] = *data;
    } else if (r->next < place_of(&r->entry, r->residue)) {
      MST_TRY(feed_line_end(r, data, err));
    } else {
      MST_TRY(feed_residues(r, data, n, &used, err));
    }
    data += used;
    n -= used;
    r->next += used;
  }
done:
  return status;
}

/* Behind a record's last line: blank lines and comments, then the next record or the end, as far as bytes were read. */
static bool ends_here(const uint8_t *b, size_t n) {
  bool line = true;
  for (size_t at = 0; at < n; at++) {
    const uint8_t *lf = NULL;
    if (line && b[at] == ';') {
      lf = memchr(b + at, '\n', n - at);
      if (lf == NULL) return true;
      at = (size_t)(lf - b);
    }
    if (!mst_fasta_blank(b[at])) return line && b[at] == '>';
    line = b[at] == '\n';
  }
  return true;
}

/* All is there; where the region ends with the record, the record must end. One of no residues ends where its header
 * does. */
static mst_status end_body(reading *r, mst_error *err) {
  const uint8_t *b = r->behind;
  size_t n = r->n_behind, at = 0;
  r->ended = true;
  if (r->residue < r->wanted.end) return unfit(r->next, "the object has ended already", err);
  if (r->entry.length > 0 && at < n && b[at] == '\r') at++;
  if (r->entry.length > 0 && at < n && b[at++] != '\n') return unfit(r->next - n, "the record goes on", err);
  return ends_here(b + at, n - at) ? MST_OK : unfit(r->next - n, "the record goes on", err);
}

static mst_status step_reading(reading *r, const mst_given *given, mst_step *out, mst_error *err) {
  mst_status status = MST_OK;
  bool gave, asks;
  if (r->only_place) {
    const json_t *is = json_object_get(r->part, "is");
    out->kind = MST_STEP_DONE;
    out->facts = json_is_object(is) ? json_deep_copy(is) : json_object();
    return out->facts == NULL ? mst_fail_memory(err) : MST_OK;
  }
  while (!r->ended) {
    const uint8_t *data;
    uint64_t plain;
    size_t n;
    if (r->pump.container == NULL) MST_TRY(r->in_body ? open_body(r, err) : open_front(r, err));
    MST_TRY(mst_pump_next(&r->pump, given, out, &data, &n, &plain, &asks, err));
    given = NULL;
    if (asks) return MST_OK;
    if (n > 0 && !r->in_body) {
      MST_TRY(mst_buf_put(&r->front, data, n, err));
    } else if (n > 0) {
      MST_TRY(feed_body(r, data, n, err));
      MST_TRY(mst_fasta_content_take(&r->content, false, out, &gave, err));
      if (gave) return MST_OK;
    } else if (!r->in_body) {
      MST_TRY(end_front(r, err));
      mst_pump_close(&r->pump);
    } else {
      MST_TRY(end_body(r, err));
    }
  }
  MST_TRY(mst_fasta_content_take(&r->content, true, out, &gave, err));
  if (!gave) out->kind = MST_STEP_DONE;
done:
  return status;
}

static mst_status reading_step(mst_machine *m, const mst_given *given, mst_step *out, mst_error *err) {
  reading *r = (reading *)m;
  return mst_error_name(err, step_reading(r, given, out, err), r->job->name);
}

static void reading_close(mst_machine *m) {
  reading *r = (reading *)m;
  mst_pump_close(&r->pump);
  mst_buf_free(&r->front);
  mst_fasta_content_free(&r->content);
  json_decref(r->part);
  mst_free(r->job->mem, r);
}

/* Exactly n numbers from 0 on. */
static mst_status get_numbers(const json_t *part, const char *key, uint64_t *out, size_t n, mst_error *err) {
  const json_t *array = json_object_get(part, key);
  if (json_array_size(array) != n)
    return mst_fail(err, MST_E_CORRUPT, "slice: part: \"%s\" must hold %zu numbers", key, n);
  for (size_t i = 0; i < n; i++) {
    const json_t *value = json_array_get(array, i);
    if (!json_is_integer(value) || json_integer_value(value) < 0)
      return mst_fail(err, MST_E_CORRUPT, "slice: part: \"%s\" must hold numbers from 0 on", key);
    out[i] = (uint64_t)json_integer_value(value);
  }
  return MST_OK;
}

static mst_status read_part(reading *r, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t numbers[4], pair[2];
  MST_TRY(mst_fasta_wanted_of(r->part, &r->wanted, err));
  MST_TRY(get_numbers(r->part, "entry", numbers, 4, err));
  r->entry = (entry){.length = numbers[0], .offset = numbers[1], .bases = numbers[2], .width = numbers[3]};
  if (!entry_fits(&r->entry)) return mst_fail(err, MST_E_CORRUPT, "slice: part: \"entry\" makes no sense");
  r->wanted.end = mst_min_u64(r->wanted.end, r->entry.length);
  r->wanted.first = mst_min_u64(r->wanted.first, r->wanted.end);
  if (r->container == &mst_container_plain) return MST_OK;
  for (size_t i = 0; i < 2; i++) {
    MST_TRY(get_numbers(r->part, i == 0 ? "head" : "body", pair, 2, err));
    r->at[i] = pair[0];
    r->plain[i] = pair[1];
  }
  MST_TRY(get_numbers(r->part, "before", r->before, 2, err));
  if (r->before[0] > r->at[1] || r->before[1] > r->plain[1] || r->plain[1] > body_begin(r))
    return mst_fail(err, MST_E_CORRUPT, "slice: part: blocks out of order");
done:
  return status;
}

mst_status mst_fasta_fai_read(const mst_job *job, const mst_setting *setting, const json_t *part,
                              const mst_read_query *query, mst_machine **out, mst_error *err) {
  static const mst_machine_ops ops = {.step = reading_step, .close = reading_close};
  mst_status status = MST_OK;
  reading *r = NULL;
  if (setting->container != &mst_container_plain && setting->container != &mst_container_bgzf)
    return mst_fail(err, MST_E_CORRUPT, "slice: part: a place by .fai in an object that is neither plain nor BGZF");
  MST_TRY_ALLOC(r = mst_alloc_zero(job->mem, 1, sizeof *r));
  r->machine.ops = &ops;
  r->job = job;
  r->container = setting->container;
  r->scan = mst_scan_best();
  r->part = json_incref((json_t *)(uintptr_t)part);
  r->only_place = query->as == MST_READ_PLACE;
  mst_buf_init(&r->front, job->mem, HEADER_BYTES);
  mst_fasta_content_init(&r->content, job, query->as);
  MST_TRY(read_part(r, err));
  *out = &r->machine;
  r = NULL;
done:
  if (r != NULL) reading_close(&r->machine);
  return status;
}
