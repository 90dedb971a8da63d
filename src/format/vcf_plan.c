/* format/vcf_plan.c - regions become slices: by the rows of our index where there is one, else by a fresh .tbi or .csi.
 * A region that holds much is cut where its weight is halved, and so on; a line that begins in front of a cut belongs
 * to the slice before.
 *
 * Owns: the rows that touch the region, the companion. May call: base, column, codec, containers. */
#include <limits.h>

#include "codec/codec.h"
#include "format/records_rows.h"
#include "format/vcf_region.h"

enum {
  SLICE_BYTES = 64 << 20,  /* plain bytes of a slice when nothing is asked for     */
  PACKED_BYTES = 16 << 20, /* the same in bytes of a BGZF object                   */
  PLAIN_COMPANION_MAX = 256 << 20,
  PART_MAX = 700, /* characters of a part                                 */
  RUNS_MAX = 8,
  BGZF_BLOCK_SLACK = 64 << 10,
  SLACK = 4 << 10
};

/* ---- what is planned -------------------------------------------------------------------------------------------- */

/* A checkpoint. */
typedef struct row {
  uint64_t record, plain, at, skip, window_at, window_size;
  uint32_t crc;
  uint8_t bits;
} row;

/* A span that holds lines of the contig, or may do so. */
typedef struct hit {
  row begin, end;
  uint64_t first, last; /* what its lines cover                                    */
  uint64_t pos;         /* where its first line begins on the contig; 0: not known */
} hit;

typedef struct planning {
  mst_machine machine;
  const mst_job *job;
  mst_setting setting;
  uint64_t n_slices, slice_bytes;
  bool overlap, sorted;
  mst_vcf_region *regions;
  size_t n_regions, region;
  json_t *ready; /* parts of the region at hand, from `given` on */
  size_t given;
  /* Our index. */
  size_t group, last_group;
  bool asked;
  hit *hits;
  size_t n_hits, hit_room;
  mst_hole *holes; /* of a recovered index */
  size_t n_holes;
  bool open, past; /* the last hit has no end yet; no further row can hold lines of the region */
  /* A companion. */
  uint32_t member;
  mst_container *container;
  uint64_t fed;
  mst_range need;
  mst_buf companion;
  mst_tabix *tabix;
} planning;

static const json_t *dialect_of(const planning *p) { return p->setting.dialect; }

/* ---- contigs ---------------------------------------------------------------------------------------------------- */

static bool same_name(const json_t *value, const char *name, size_t size) {
  return json_is_string(value) && json_string_length(value) == size &&
         memcmp(json_string_value(value), name, size) == 0;
}

static const json_t *indexed_contig(const planning *p, const char *name, size_t size) {
  const json_t *contigs = json_object_get(p->job->facts, "contigs");
  for (size_t i = 0; i < json_array_size(contigs); i++)
    if (same_name(json_array_get(json_array_get(contigs, i), 0), name, size)) return json_array_get(contigs, i);
  return NULL;
}

static size_t companion_contig(const planning *p, const char *name, size_t size) {
  for (size_t i = 0; p->tabix != NULL && i < mst_tabix_contigs(p->tabix); i++)
    if (strlen(mst_tabix_contig(p->tabix, i)) == size && memcmp(mst_tabix_contig(p->tabix, i), name, size) == 0)
      return i;
  return SIZE_MAX;
}

static bool is_known(const void *arg, const char *name, size_t size) {
  const planning *p = arg;
  const json_t *declared = json_object_get(dialect_of(p), "long_contigs");
  if (size == 0) return false;
  if (indexed_contig(p, name, size) != NULL || companion_contig(p, name, size) != SIZE_MAX) return true;
  for (size_t i = 0; i < json_array_size(declared); i++)
    if (same_name(json_array_get(declared, i), name, size)) return true;
  return false;
}

/* ---- parts ------------------------------------------------------------------------------------------------------ */

static mst_status begin_part(const planning *p, uint64_t first, uint64_t last, bool inner, json_t **out,
                             mst_error *err) {
  const mst_vcf_region *r = &p->regions[p->region];
  mst_status status = MST_OK;
  json_t *part = json_object(), *is;
  mst_buf text;
  mst_buf_init(&text, p->job->mem, SIZE_MAX / 2);
  MST_TRY_ALLOC(part);
  MST_TRY(mst_json_set_text(part, "kind", MST_VCF_KIND, err));
  MST_TRY(mst_json_set_text(part, "contig", r->contig, err));
  MST_TRY(mst_json_set_u64(part, "from", first, err));
  if (last < MST_VCF_LAST) MST_TRY(mst_json_set_u64(part, "to", last, err));
  if (inner && !p->overlap) MST_TRY(mst_json_set_u64(part, "starts", first, err));
  MST_TRY(mst_buf_printf(&text, err, "%s:%llu-", r->contig, (unsigned long long)first));
  if (last < MST_VCF_LAST) MST_TRY(mst_buf_printf(&text, err, "%llu", (unsigned long long)last));
  MST_TRY_ALLOC(is = json_object());
  if (text.size > 100) json_decref(is);
  else MST_TRY(mst_json_set(part, "is", is, err));
  if (text.size <= 100) MST_TRY(mst_json_set_text(is, "region", mst_buf_text(&text), err));
  *out = part;
  part = NULL;
done:
  mst_buf_free(&text);
  json_decref(part);
  return status;
}

static mst_status part_fits(const planning *p, const json_t *part, bool *out, mst_error *err) {
  mst_buf text;
  mst_status status;
  mst_buf_init(&text, p->job->mem, SIZE_MAX / 2);
  status = mst_json_print(part, &text, err);
  *out = text.size <= PART_MAX;
  mst_buf_free(&text);
  return status;
}

/* Two neighbouring runs of bytes, given as rising borders, become one where the gap between them is least. */
static size_t least_gap(const mst_tabix_chunk *runs, size_t n) {
  size_t best = 1;
  for (size_t i = 2; i < n; i++)
    if (runs[i].begin - runs[i - 1].end < runs[best].begin - runs[best - 1].end) best = i;
  return best;
}

static void join_run(mst_tabix_chunk *runs, size_t *n, size_t i) {
  runs[i - 1].end = mst_max_u64(runs[i - 1].end, runs[i].end);
  memmove(runs + i, runs + i + 1, (*n - i - 1) * sizeof *runs);
  --*n;
}

/* ---- parts by our index ----------------------------------------------------------------------------------------- */

static uint64_t scale(uint64_t a, uint64_t b, uint64_t c) { return (uint64_t)((unsigned __int128)a * b / c); }

/* About how many of the object's bytes must be read to decode up to row r. */
static uint64_t bytes_up_to(const planning *p, const row *r) {
  const uint64_t size = p->job->members[0].size;
  uint64_t bytes = 0, more;
  if (r->skip == 0) return r->at;
  if (p->setting.container == &mst_container_bgzf) return mst_min_u64(size - 1, r->at + BGZF_BLOCK_SLACK);
  (void)mst_json_get_u64(p->job->facts, "plain_bytes", "facts", &bytes, NULL);
  more = mst_min_u64(scale(r->skip, size, mst_max_u64(bytes, 1)), size);
  return mst_min_u64(size - 1, r->at + more + more / 4 + SLACK);
}

static mst_status add_records(const planning *p, const row *from, const row *to, json_t *runs, mst_error *err) {
  const mst_part part = {.kind = MST_PART_RECORDS,
                         .record = from->record,
                         .plain = from->plain,
                         .at = from->at,
                         .skip = from->skip,
                         .bits = from->bits,
                         .has_window = from->window_size > 0,
                         .window_at = from->window_at,
                         .window_size = from->window_size,
                         .to = {.plain = to->plain,
                                .at = bytes_up_to(p, to),
                                .crc = mst_crc32_tail(to->crc, from->crc, to->plain - from->plain)}};
  json_t *run = NULL;
  const mst_status status = mst_part_to_json(&part, &run, err);
  if (status != MST_OK) return status;
  return json_array_append_new(runs, run) == 0 ? MST_OK : mst_fail_memory(err);
}

static bool touches(const hit *h, uint64_t first, uint64_t last) { return h->first <= last && h->last >= first; }

/* Runs of hits that touch [first, last], as numbers of hits: [begin, end). */
static mst_status runs_of_hits(const planning *p, uint64_t first, uint64_t last, mst_tabix_chunk **out, size_t *n,
                               mst_error *err) {
  mst_tabix_chunk *runs = mst_alloc_array(p->job->mem, p->n_hits + 1, sizeof *runs);
  if (runs == NULL) return mst_fail_memory(err);
  *n = 0;
  for (size_t i = 0; i < p->n_hits; i++) {
    if (!touches(&p->hits[i], first, last)) continue;
    if (*n > 0 && runs[*n - 1].end == i && p->hits[i].begin.plain == p->hits[i - 1].end.plain) runs[*n - 1].end++;
    else runs[(*n)++] = (mst_tabix_chunk){i, i + 1};
  }
  *out = runs;
  return MST_OK;
}

static bool over_hole(const planning *p, const mst_tabix_chunk *a, const mst_tabix_chunk *b) {
  const uint64_t from = p->hits[a->end - 1].end.plain, to = p->hits[b->begin].begin.plain;
  for (size_t i = 0; i < p->n_holes; i++)
    if (p->holes[i].begin < to && p->holes[i].end > from) return true;
  return false;
}

/* Joins the two neighbours with the least gap; damage between them stays between them. */
static mst_status join_hits(const planning *p, mst_tabix_chunk *runs, size_t *n, mst_error *err) {
  size_t best = 0;
  for (size_t i = 1; i < *n; i++)
    if (!over_hole(p, &runs[i - 1], &runs[i]) &&
        (best == 0 || runs[i].begin - runs[i - 1].end < runs[best].begin - runs[best - 1].end))
      best = i;
  if (best == 0)
    return mst_fail(err, MST_E_LIMIT, "too many damaged places for one slice of %s: ask for a smaller region",
                    p->job->name);
  join_run(runs, n, best);
  return MST_OK;
}

static mst_status give_indexed(planning *p, uint64_t first, uint64_t last, bool inner, mst_error *err) {
  mst_status status = MST_OK;
  mst_tabix_chunk *runs = NULL;
  json_t *part = NULL, *list;
  size_t n = 0;
  bool fits = false;
  MST_TRY(runs_of_hits(p, first, last, &runs, &n, err));
  while (n > RUNS_MAX) MST_TRY(join_hits(p, runs, &n, err));
  while (n > 0 && !fits) {
    json_decref(part);
    part = NULL;
    MST_TRY(begin_part(p, first, last, inner, &part, err));
    MST_TRY_ALLOC(list = json_array());
    MST_TRY(mst_json_set(part, "parts", list, err));
    for (size_t i = 0; i < n; i++)
      MST_TRY(add_records(p, &p->hits[runs[i].begin].begin, &p->hits[runs[i].end - 1].end, list, err));
    MST_TRY(part_fits(p, part, &fits, err));
    if (n == 1) break;
    if (!fits) MST_TRY(join_hits(p, runs, &n, err));
  }
  if (part != NULL && json_array_append(p->ready, part) != 0) status = mst_fail_memory(err);
done:
  mst_free(p->job->mem, runs);
  json_decref(part);
  return status;
}

/* ---- parts by a companion --------------------------------------------------------------------------------------- */

static mst_status add_chunk(json_t *list, const mst_tabix_chunk *chunk, mst_error *err) {
  json_t *pair = json_pack("[I, I]", (json_int_t)chunk->begin, (json_int_t)chunk->end);
  if (pair == NULL || json_array_append_new(list, pair) != 0) return mst_fail_memory(err);
  return MST_OK;
}

/* What a companion says of places is believed only where it can be true. */
static mst_status check_chunks(const planning *p, const mst_tabix_chunk *chunks, size_t n, mst_error *err) {
  for (size_t i = 0; i < n; i++)
    if (chunks[i].end > INT64_MAX || chunks[i].begin >> 16 >= p->job->members[0].size ||
        chunks[i].end >> 16 > p->job->members[0].size)
      return mst_fail(err, MST_E_CORRUPT, "%s names a place behind the end of %s", p->job->members[p->member].name,
                      p->job->name);
  return MST_OK;
}

static mst_status give_companion(planning *p, size_t contig, uint64_t first, uint64_t last, bool inner,
                                 mst_error *err) {
  mst_status status = MST_OK;
  mst_tabix_chunk *chunks = NULL;
  json_t *part = NULL, *list;
  size_t n = 0;
  bool fits = false;
  MST_TRY(mst_tabix_find(p->tabix, contig, first, last, &chunks, &n, err));
  MST_TRY(check_chunks(p, chunks, n, err));
  while (n > RUNS_MAX) join_run(chunks, &n, least_gap(chunks, n));
  while (n > 0 && !fits) {
    json_decref(part);
    part = NULL;
    MST_TRY(begin_part(p, first, last, inner, &part, err));
    MST_TRY_ALLOC(list = json_array());
    MST_TRY(mst_json_set(part, "chunks", list, err));
    for (size_t i = 0; i < n; i++) MST_TRY(add_chunk(list, &chunks[i], err));
    MST_TRY(part_fits(p, part, &fits, err));
    if (n == 1) break;
    if (!fits) join_run(chunks, &n, least_gap(chunks, n));
  }
  if (part != NULL && json_array_append(p->ready, part) != 0) status = mst_fail_memory(err);
done:
  mst_free(p->job->mem, chunks);
  json_decref(part);
  return status;
}

/* ---- cutting a region ------------------------------------------------------------------------------------------- */

static mst_status give_cut(planning *p, size_t contig, const mst_vcf_weight *marks, size_t n_marks, uint64_t per_slice,
                           mst_error *err) {
  const mst_vcf_region *r = &p->regions[p->region];
  const uint64_t total = n_marks > 0 ? marks[n_marks - 1].weight - marks[0].weight : 0;
  uint64_t n = p->n_slices > 0 ? p->n_slices : total / per_slice + 1;
  mst_status status = MST_OK;
  uint64_t *begins = NULL, first = r->first;
  size_t cuts;
  if (p->n_regions > 1 && p->n_slices > 0) n = 1;
  n = mst_min_u64(n, 100000);
  MST_TRY_ALLOC(begins = mst_alloc_array(p->job->mem, (size_t)n + 1, sizeof *begins));
  cuts = mst_vcf_cut(marks, n_marks, n, begins);
  for (size_t i = 0; i <= cuts; i++) {
    const uint64_t last = i < cuts ? begins[i] - 1 : r->last;
    MST_TRY(p->tabix != NULL ? give_companion(p, contig, first, last, i > 0, err)
                             : give_indexed(p, first, last, i > 0, err));
    first = last + 1;
  }
done:
  mst_free(p->job->mem, begins);
  return status;
}

/* Weights along the contig: where spans begin, as far as positions and offsets rise together. */
static mst_status cut_indexed(planning *p, mst_error *err) {
  const mst_vcf_region *r = &p->regions[p->region];
  mst_status status = MST_OK;
  uint64_t least = UINT64_MAX, most = 0, total = 0;
  mst_vcf_weight *marks = NULL;
  size_t n = 0;
  for (size_t i = 0; i < p->n_hits; i++) {
    least = mst_min_u64(least, p->hits[i].first);
    most = mst_max_u64(most, p->hits[i].last);
  }
  MST_TRY_ALLOC(marks = mst_alloc_array(p->job->mem, p->n_hits + 2, sizeof *marks));
  marks[n++] = (mst_vcf_weight){mst_max_u64(r->first, least), 0};
  for (size_t i = 0; i < p->n_hits; i++) {
    const hit *h = &p->hits[i];
    if (p->sorted && h->pos > marks[n - 1].position && h->pos <= r->last && total > 0)
      marks[n++] = (mst_vcf_weight){h->pos, total};
    total += h->end.plain - h->begin.plain;
  }
  most = mst_min_u64(r->last, most);
  if (most < MST_VCF_LAST && most + 1 > marks[n - 1].position) marks[n++] = (mst_vcf_weight){most + 1, total};
  MST_TRY(give_cut(p, 0, marks, n, p->slice_bytes > 0 ? p->slice_bytes : SLICE_BYTES, err));
done:
  mst_free(p->job->mem, marks);
  return status;
}

static mst_status cut_companion(planning *p, size_t contig, mst_error *err) {
  const mst_vcf_region *r = &p->regions[p->region];
  mst_status status = MST_OK;
  mst_tabix_chunk *chunks = NULL;
  mst_tabix_mark *found = NULL;
  mst_vcf_weight *marks = NULL;
  size_t n_chunks = 0, n_found = 0, n = 0;
  MST_TRY(mst_tabix_find(p->tabix, contig, r->first, r->last, &chunks, &n_chunks, err));
  if (n_chunks == 0) goto done;
  MST_TRY(mst_tabix_marks(p->tabix, contig, r->first, r->last, &found, &n_found, err));
  MST_TRY_ALLOC(marks = mst_alloc_array(p->job->mem, n_found + 2, sizeof *marks));
  marks[n++] = (mst_vcf_weight){r->first, chunks[0].begin >> 16};
  for (size_t i = 0; i < n_found; i++)
    if (found[i].position > marks[n - 1].position && found[i].offset >> 16 > marks[n - 1].weight)
      marks[n++] = (mst_vcf_weight){found[i].position, found[i].offset >> 16};
  if (r->last < MST_VCF_LAST)
    marks[n] = (mst_vcf_weight){r->last + 1, mst_max_u64(chunks[n_chunks - 1].end >> 16, marks[n - 1].weight + 1)};
  else /* to the end of the contig: about one window behind the last mark */
    marks[n] = (mst_vcf_weight){marks[n - 1].position + 16384,
                                mst_max_u64(chunks[n_chunks - 1].end >> 16, marks[n - 1].weight + 1)};
  n++;
  MST_TRY(give_cut(p, contig, marks, n, p->slice_bytes > 0 ? p->slice_bytes / 4 + 1 : PACKED_BYTES, err));
done:
  mst_free(p->job->mem, chunks);
  mst_free(p->job->mem, found);
  mst_free(p->job->mem, marks);
  return status;
}

/* ---- rows of our index ------------------------------------------------------------------------------------------ */

typedef struct views {
  mst_view record, plain, at, bits, skip, crc, window_at, window_size, contig, pos, regions;
} views;

static mst_status open_views(const planning *p, const mst_given *given, views *v, mst_error *err) {
  const struct ArrowSchema *s = given->schema;
  const struct ArrowArray *a = given->rows;
  mst_status status = MST_OK;
  MST_TRY(mst_batch_column(s, a, "record", "l", &v->record, err));
  MST_TRY(mst_batch_column(s, a, "plain", "l", &v->plain, err));
  MST_TRY(mst_batch_column(s, a, "at", "l", &v->at, err));
  MST_TRY(mst_batch_column(s, a, "bits", "c", &v->bits, err));
  MST_TRY(mst_batch_column(s, a, "skip", "l", &v->skip, err));
  MST_TRY(mst_batch_column(s, a, "crc", "l", &v->crc, err));
  MST_TRY(mst_batch_column(s, a, "contig", "u,U", &v->contig, err));
  MST_TRY(mst_batch_column(s, a, "pos", "l", &v->pos, err));
  MST_TRY(mst_batch_column(s, a, "regions", "u,U", &v->regions, err));
  if (!p->setting.windows) return MST_OK;
  MST_TRY(mst_batch_column(s, a, "window_at", "l", &v->window_at, err));
  MST_TRY(mst_batch_column(s, a, "window_size", "l", &v->window_size, err));
done:
  return status;
}

static mst_status bad_index(const planning *p, const char *what, mst_error *err) {
  return mst_fail(err, MST_E_CORRUPT, "the index of %s is broken: %s", p->job->name, what);
}

static mst_status read_row(const planning *p, const views *v, int64_t i, row *out, mst_error *err) {
  const int64_t numbers[] = {mst_view_i64(&v->record, i), mst_view_i64(&v->plain, i), mst_view_i64(&v->at, i),
                             mst_view_i64(&v->bits, i),   mst_view_i64(&v->skip, i),  mst_view_i64(&v->crc, i)};
  for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
    if (numbers[k] < 0) return bad_index(p, "a negative number", err);
  *out = (row){.record = (uint64_t)numbers[0],
               .plain = (uint64_t)numbers[1],
               .at = (uint64_t)numbers[2],
               .bits = (uint8_t)numbers[3],
               .skip = (uint64_t)numbers[4],
               .crc = (uint32_t)numbers[5]};
  if (p->setting.windows) {
    out->window_at = (uint64_t)mst_view_i64(&v->window_at, i);
    out->window_size = (uint64_t)mst_view_i64(&v->window_size, i);
  }
  if (out->at > p->job->members[0].size || out->skip > out->plain || out->bits > 7)
    return bad_index(p, "an impossible place", err);
  return MST_OK;
}

/* "name:first-last" of one of the lines of `text`; false when the contig is not among them. "*": any contig, any place.
 */
static bool read_regions(const char *text, size_t n, const char *contig, uint64_t *first, uint64_t *last) {
  const size_t size = strlen(contig);
  const char *const end = text + n;
  if (n == 1 && text[0] == '*') {
    *first = 1;
    *last = UINT64_MAX;
    return true;
  }
  for (const char *p = text; p < end;) {
    const char *lf = memchr(p, '\n', (size_t)(end - p)), *stop = lf == NULL ? end : lf;
    if ((size_t)(stop - p) > size && p[size] == ':' && memcmp(p, contig, size) == 0) {
      const char *from = p + size + 1, *dash = memchr(from, '-', (size_t)(stop - from));
      if (dash != NULL && mst_parse_u64(from, (size_t)(dash - from), "position", first, NULL) == MST_OK &&
          mst_parse_u64(dash + 1, (size_t)(stop - dash - 1), "position", last, NULL) == MST_OK)
        return true;
    }
    p = stop + 1;
  }
  return false;
}

static mst_status open_hit(planning *p, const hit *h, mst_error *err) {
  if (p->n_hits == p->hit_room) {
    const size_t room = p->hit_room * 2 + 16;
    hit *more = mst_resize(p->job->mem, p->hits, room * sizeof *more);
    if (more == NULL) return mst_fail_memory(err);
    p->hits = more;
    p->hit_room = room;
  }
  p->hits[p->n_hits++] = *h;
  p->open = true;
  return MST_OK;
}

/* The last span ends at the next row, or where damage begins in front of that; nothing may be left of it. */
static mst_status close_hit(planning *p, const row *r, mst_error *err) {
  hit *h = p->open ? &p->hits[p->n_hits - 1] : NULL;
  p->open = false;
  if (h == NULL) return MST_OK;
  if (r->plain <= h->begin.plain) return bad_index(p, "rows out of order", err);
  h->end = *r;
  for (size_t i = 0; i < p->n_holes; i++) {
    const mst_hole *hole = &p->holes[i];
    if (hole->begin < h->begin.plain || hole->end != r->plain) continue;
    h->end = (row){.record = hole->record,
                   .plain = hole->begin,
                   .at = mst_min_u64(r->at, p->job->members[0].size - 1),
                   .crc = hole->crc};
    p->n_hits -= hole->begin == h->begin.plain;
    break;
  }
  return MST_OK;
}

static mst_status take_row(planning *p, const views *v, int64_t i, mst_error *err) {
  const mst_vcf_region *r = &p->regions[p->region];
  mst_status status = MST_OK;
  hit h = {.pos = 0};
  size_t n = 0, n_contig = 0;
  const char *text = mst_view_null(&v->regions, i) ? "" : (const char *)mst_view_bytes(&v->regions, i, &n);
  const char *contig = mst_view_null(&v->contig, i) ? "" : (const char *)mst_view_bytes(&v->contig, i, &n_contig);
  const bool here = n_contig == strlen(r->contig) && memcmp(contig, r->contig, n_contig) == 0;
  MST_TRY(read_row(p, v, i, &h.begin, err));
  MST_TRY(close_hit(p, &h.begin, err));
  if (here && !mst_view_null(&v->pos, i)) h.pos = (uint64_t)mst_view_i64(&v->pos, i);
  if (p->sorted && here && h.pos > r->last) p->past = true;
  if (p->past || !read_regions(text, n, r->contig, &h.first, &h.last) || !touches(&h, r->first, r->last)) return MST_OK;
  MST_TRY(open_hit(p, &h, err));
done:
  return status;
}

static mst_status take_rows(planning *p, const mst_given *given, mst_error *err) {
  mst_status status = MST_OK;
  views v = {0};
  if (given->rows == NULL || given->schema == NULL)
    return mst_fail(err, MST_E_INTERNAL, "index rows were asked for and not given");
  MST_TRY(open_views(p, given, &v, err));
  for (int64_t i = 0; i < given->rows->length && (!p->past || p->open); i++) MST_TRY(take_row(p, &v, i, err));
  p->group++;
done:
  return status;
}

/* The end of the object closes the last span. */
static mst_status close_last(planning *p, mst_error *err) {
  mst_status status = MST_OK;
  mst_row last;
  MST_TRY(mst_rows_end(p->job, &last, err));
  const row end = {.record = last.record, .plain = last.plain, .at = last.at, .crc = last.crc};
  MST_TRY(close_hit(p, &end, err));
done:
  return status;
}

static size_t group_of(const planning *p, uint64_t plain) {
  size_t low = 0, high = p->job->n_groups;
  while (high - low > 1) {
    const size_t middle = low + (high - low) / 2;
    if ((uint64_t)p->job->group_first_plain[middle] <= plain) low = middle;
    else high = middle;
  }
  return low;
}

/* The row groups that can hold lines of the region's contig. */
static void begin_indexed(planning *p) {
  const char *contig = p->regions[p->region].contig;
  const json_t *row_of = indexed_contig(p, contig, strlen(contig)), *listed = json_object_get(p->job->facts, "contigs");
  p->group = 0;
  p->last_group = p->job->n_groups;
  if (row_of != NULL) {
    p->group = group_of(p, (uint64_t)json_integer_value(json_array_get(row_of, 2)));
    p->last_group = group_of(p, (uint64_t)json_integer_value(json_array_get(row_of, 3))) + 1;
  } else if (listed != NULL) {
    p->last_group = 0; /* no line names it */
  }
  p->n_hits = 0;
  p->open = p->past = false;
}

/* ---- the companion ---------------------------------------------------------------------------------------------- */

static mst_status ask_companion(planning *p, mst_step *out, mst_error *err) {
  const uint64_t size = p->job->members[p->member].size;
  if (p->fed == size) return mst_fail(err, MST_E_CORRUPT, "%s is cut short", p->job->members[p->member].name);
  p->need = (mst_range){.offset = p->fed, .length = mst_min_u64(size - p->fed, 1 << 20), .member = p->member};
  out->kind = MST_STEP_NEED;
  out->some = true;
  out->need = &p->need;
  out->n_need = 1;
  return MST_OK;
}

/* Decodes what was given; `*whole` when that was all. */
static mst_status take_companion(planning *p, const mst_given *given, bool *whole, mst_error *err) {
  const mst_member *m = &p->job->members[p->member];
  mst_status status = MST_OK;
  if (given->n != 1 || given->bytes[0].size == 0 || given->bytes[0].size > p->need.length)
    return mst_fail(err, MST_E_INTERNAL, "other bytes were given than asked for");
  if (p->container == NULL) {
    const mst_container_open options = {
        .mem = p->job->mem, .name = m->name, .end = m->size, .size = m->size, .plain_end = UINT64_MAX, .verify = true};
    MST_TRY(mst_container_bgzf.open(&options, &p->container, err));
  }
  p->fed += given->bytes[0].size;
  MST_TRY(mst_container_bgzf.feed(p->container, &given->bytes[0], p->fed == m->size, err));
  for (;;) {
    mst_container_state state;
    mst_run run;
    MST_TRY(mst_container_bgzf.next(p->container, &state, &run, err));
    *whole = state == MST_CONTAINER_END;
    if (state != MST_CONTAINER_RUN) return MST_OK;
    MST_TRY(mst_buf_put(&p->companion, run.data, run.size, err));
  }
done:
  return mst_while(err, status, "while reading %s", m->name);
}

/* ---- the machine ------------------------------------------------------------------------------------------------ */

static mst_status parse_regions(planning *p, const char *text, mst_error *err) {
  mst_status status = mst_vcf_regions_parse(p->job->mem, text, is_known, p, &p->regions, &p->n_regions, err);
  if (status == MST_OK && p->n_slices > 0 && p->n_slices < p->n_regions)
    return mst_fail(err, MST_E_ARGUMENT, "%zu regions are %zu slices at least", p->n_regions, p->n_regions);
  return status;
}

static mst_status region_by_companion(planning *p, mst_error *err) {
  const char *contig = p->regions[p->region].contig;
  const size_t i = companion_contig(p, contig, strlen(contig));
  return i == SIZE_MAX ? MST_OK : cut_companion(p, i, err);
}

/* Fills `ready` with the parts of the next region; `*asks` when rows are needed first. */
static mst_status plan_region(planning *p, mst_step *out, bool *asks, mst_error *err) {
  mst_status status = MST_OK;
  *asks = false;
  json_array_clear(p->ready);
  p->given = 0;
  if (p->tabix != NULL) {
    MST_TRY(region_by_companion(p, err));
  } else {
    if (!p->asked) begin_indexed(p);
    p->asked = true;
    if ((p->group < p->last_group && !p->past) || (p->open && p->group < p->job->n_groups)) {
      *asks = true;
      out->kind = MST_STEP_ROWS;
      out->row_group = p->group;
      return MST_OK;
    }
    if (p->open) MST_TRY(close_last(p, err));
    if (p->n_hits > 0) MST_TRY(cut_indexed(p, err));
    p->asked = false;
  }
  p->region++;
done:
  return status;
}

static mst_status step_planning(planning *p, const mst_given *given, mst_step *out, mst_error *err) {
  mst_status status = MST_OK;
  bool asks, whole = false;
  if (given != NULL && p->asked) MST_TRY(take_rows(p, given, err));
  if (p->member > 0 && p->tabix == NULL) {
    if (given != NULL) MST_TRY(take_companion(p, given, &whole, err));
    if (!whole) return ask_companion(p, out, err);
    MST_TRY(mst_tabix_open(p->job->mem, p->companion.data, p->companion.size, &p->tabix, err));
    MST_TRY(parse_regions(p, (const char *)json_string_value(json_array_get(p->ready, 0)), err));
    json_array_clear(p->ready);
  }
  while (p->given == json_array_size(p->ready)) {
    if (p->region == p->n_regions) {
      out->kind = MST_STEP_DONE;
      return MST_OK;
    }
    MST_TRY(plan_region(p, out, &asks, err));
    if (asks) return MST_OK;
  }
  out->kind = MST_STEP_PART;
  out->part = json_incref(json_array_get(p->ready, p->given++));
  out->part_records = out->part_bytes = UINT64_MAX;
done:
  return status;
}

static mst_status planning_step(mst_machine *m, const mst_given *given, mst_step *out, mst_error *err) {
  planning *p = (planning *)m;
  return mst_error_name(err, step_planning(p, given, out, err), p->job->name);
}

static void planning_close(mst_machine *m) {
  planning *p = (planning *)m;
  mst_vcf_regions_free(p->job->mem, p->regions, p->n_regions);
  json_decref(p->ready);
  mst_free(p->job->mem, p->hits);
  mst_free(p->job->mem, p->holes);
  if (p->container != NULL) mst_container_bgzf.close(p->container);
  mst_tabix_close(p->tabix);
  mst_buf_free(&p->companion);
  mst_free(p->job->mem, p);
}

static mst_status read_query(planning *p, const mst_plan_query *q, mst_error *err) {
  mst_status status = MST_OK;
  const char *key;
  json_t *value;
  if (q->region == NULL) return mst_fail(err, MST_E_ARGUMENT, "VCF knows regions, no conditions");
  if (q->where != NULL) return mst_fail(err, MST_E_ARGUMENT, "VCF knows no conditions");
  if (q->slice_records > 0)
    return mst_fail(err, MST_E_ARGUMENT, "slices of a region are asked for by number or size, not by records");
  if (q->slices > 0 && q->slice_bytes > 0)
    return mst_fail(err, MST_E_ARGUMENT, "ask for slices by number or by size, not for both");
  p->n_slices = q->slices;
  p->slice_bytes = q->slice_bytes;
  json_object_foreach((json_t *)(uintptr_t)q->options, key, value) {
    if (strcmp(key, "overlap") != 0)
      return mst_fail(err, MST_E_ARGUMENT, "VCF regions have no option \"%.40s\"; they have \"overlap\"", key);
  }
  if (q->options != NULL) MST_TRY(mst_json_get_bool(q->options, "overlap", "plan options", &p->overlap, err));
  MST_TRY(mst_json_get_bool(p->job->facts, "sorted", "facts", &p->sorted, err));
done:
  return status;
}

/* The first fresh companion; 0 when there is none. */
static uint32_t fresh_companion(const mst_job *job) {
  for (uint32_t i = 1; i < job->n_members; i++)
    if (job->members[i].present && job->members[i].fresh) return i;
  return 0;
}

mst_status mst_vcf_plan(const mst_job *job, const mst_plan_query *query, mst_machine **out, mst_error *err) {
  static const mst_machine_ops ops = {.step = planning_step, .close = planning_close};
  mst_status status = MST_OK;
  planning *p = NULL;
  MST_TRY_ALLOC(p = mst_alloc_zero(job->mem, 1, sizeof *p));
  p->machine.ops = &ops;
  p->job = job;
  mst_buf_init(&p->companion, job->mem, PLAIN_COMPANION_MAX);
  MST_TRY_ALLOC(p->ready = json_array());
  MST_TRY(mst_setting_of(job, &p->setting, err));
  MST_TRY(read_query(p, query, err));
  if (json_object_get(job->facts, "plain_bytes") == NULL) { /* no index of ours */
    p->member = p->setting.container == &mst_container_bgzf ? fresh_companion(job) : 0;
    if (p->member == 0) {
      status =
          mst_fail(err, MST_E_NOT_FOUND,
                   "%s has neither an index nor a fresh .tbi or .csi of a BGZF object; make one with: meseta index %s",
                   job->name, job->name);
      goto done;
    }
    /* The region is parsed once the companion has named its contigs. */
    if (json_array_append_new(p->ready, json_string(query->region)) != 0) {
      status = mst_fail(err, MST_E_ARGUMENT, "the region is not valid UTF-8");
      goto done;
    }
  } else {
    mst_row end;
    MST_TRY(mst_rows_end(job, &end, err));
    MST_TRY(mst_holes_get(job, end.plain, &p->holes, &p->n_holes, err));
    MST_TRY(parse_regions(p, query->region, err));
  }
  *out = &p->machine;
  p = NULL;
done:
  if (p != NULL) planning_close(&p->machine);
  return status;
}
