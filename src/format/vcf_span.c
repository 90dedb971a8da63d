/* format/vcf_span.c - what a span of a VCF object says of its contigs: which ones its lines name, how far they reach,
 * whether they are in order; how spans are joined, and what of them the index keeps. A line that a border cuts is put
 * together again when the spans on both sides are joined, and judged then. What is wrong with it is only said in the
 * end, because spans are also joined on the guess that a piece begins in another state than it does.
 *
 * Owns: spans. May call: base, column. */
#include "format/vcf.h"

#include <stdio.h>

/* ---- memory ---------------------------------------------------------------------------------------------------- */

void mst_vcf_span_init(mst_vcf_span *s, const mst_allocator *mem, uint32_t columns) {
  *s = (mst_vcf_span){.mem = mem, .columns = columns, .sorted = true};
  mst_buf_init(&s->head.text, mem, SIZE_MAX / 2);
  mst_buf_init(&s->tail.text, mem, SIZE_MAX / 2);
}

static void drop_contigs(mst_vcf_span *s) {
  for (size_t i = 0; i < s->n; i++) mst_free(s->mem, (uint8_t *)(uintptr_t)s->contigs[i].name);
  s->n = s->current = 0;
}

void mst_vcf_span_free(mst_vcf_span *s) {
  drop_contigs(s);
  mst_free(s->mem, s->contigs);
  mst_buf_free(&s->head.text);
  mst_buf_free(&s->tail.text);
  s->contigs = NULL;
  s->capacity = 0;
}

void mst_vcf_span_clear(mst_vcf_span *s) {
  drop_contigs(s);
  mst_buf_clear(&s->head.text);
  mst_buf_clear(&s->tail.text);
  s->head.tabs = s->tail.tabs = s->open_at = s->broken_at = 0;
  s->broken[0] = 0;
  s->inside = s->head_ends = s->open = s->open_known = s->overflow = false;
  s->sorted = true;
}

/* ---- contigs --------------------------------------------------------------------------------------------------- */

static bool has_name(const mst_vcf_contig *c, const uint8_t *name, size_t size) {
  return c->name_size == size && memcmp(c->name, name, size) == 0;
}

mst_vcf_contig *mst_vcf_span_find(const mst_vcf_span *s, const uint8_t *name, size_t size) {
  for (size_t i = s->n; i-- > 0;)
    if (has_name(&s->contigs[i], name, size)) return &s->contigs[i];
  return NULL;
}

static void overflow(mst_vcf_span *s) {
  drop_contigs(s);
  s->overflow = true;
  s->sorted = false;
}

/* Appends a contig with a copy of its name. */
static mst_status add_contig(mst_vcf_span *s, const mst_vcf_contig *contig, mst_error *err) {
  uint8_t *name;
  if (s->n == MST_VCF_CONTIGS_MAX) {
    overflow(s);
    return MST_OK;
  }
  if (s->n == s->capacity) {
    const size_t room = s->capacity * 2 + 4;
    mst_vcf_contig *more = mst_resize(s->mem, s->contigs, room * sizeof *more);
    if (more == NULL) return mst_fail_memory(err);
    s->contigs = more;
    s->capacity = room;
  }
  name = mst_alloc(s->mem, contig->name_size);
  if (name == NULL) return mst_fail_memory(err);
  memcpy(name, contig->name, contig->name_size);
  s->current = s->n++;
  s->contigs[s->current] = *contig;
  s->contigs[s->current].name = name;
  return MST_OK;
}

/* Takes over what a run of lines behind all others says of one contig. */
static mst_status add_run(mst_vcf_span *s, const mst_vcf_contig *run, mst_error *err) {
  mst_vcf_contig *c = s->n > 0 ? &s->contigs[s->current] : NULL;
  if (s->overflow) return MST_OK;
  if (c == NULL || !has_name(c, run->name, run->name_size)) {
    c = mst_vcf_span_find(s, run->name, run->name_size);
    if (c == NULL) return add_contig(s, run, err);
    s->sorted = false; /* the contig was left, and now comes again */
    s->current = (size_t)(c - s->contigs);
  }
  if (run->first_pos < c->last_pos) s->sorted = false;
  c->records += run->records;
  c->to = run->to;
  c->last_pos = run->last_pos;
  c->first = mst_min_u64(c->first, run->first);
  c->last = mst_max_u64(c->last, run->last);
  return MST_OK;
}

mst_status mst_vcf_span_add(mst_vcf_span *s, const mst_vcf_line *line, uint64_t at, mst_error *err) {
  const mst_vcf_contig run = {.name = line->contig,
                              .name_size = line->contig_size,
                              .records = 1,
                              .from = at,
                              .to = at,
                              .first_pos = line->first,
                              .last_pos = line->first,
                              .first = line->first,
                              .last = line->last};
  return add_run(s, &run, err);
}

/* ---- encoding -------------------------------------------------------------------------------------------------- */

enum { INSIDE = 1, HEAD_ENDS = 2, OPEN = 4, OPEN_KNOWN = 8, SORTED = 16, OVERFLOW = 32, BROKEN = 64, FLAGS_ALL = 127 };

static mst_status put_part(const mst_vcf_part *p, mst_buf *out, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(mst_buf_put_u64(out, p->tabs, err));
  MST_TRY(mst_buf_put_u64(out, p->text.size, err));
  MST_TRY(mst_buf_put(out, p->text.data, p->text.size, err));
done:
  return status;
}

static mst_status get_part(mst_cursor *c, mst_vcf_part *p, mst_error *err) {
  uint64_t size;
  const uint8_t *text;
  p->tabs = mst_cursor_u64(c);
  size = mst_cursor_u64(c);
  if (size > mst_cursor_left(c)) c->failed = true;
  if (c->failed || size == 0) return MST_OK;
  text = mst_cursor_take(c, (size_t)size);
  return mst_buf_put(&p->text, text, (size_t)size, err);
}

mst_status mst_vcf_span_encode(const mst_vcf_span *s, mst_buf *out, mst_error *err) {
  mst_status status = MST_OK;
  const uint8_t flags = (uint8_t)((s->inside ? INSIDE : 0) | (s->head_ends ? HEAD_ENDS : 0) | (s->open ? OPEN : 0) |
                                  (s->open_known ? OPEN_KNOWN : 0) | (s->sorted ? SORTED : 0) |
                                  (s->overflow ? OVERFLOW : 0) | (s->broken[0] != 0 ? BROKEN : 0));
  MST_TRY(mst_buf_put_byte(out, flags, err));
  MST_TRY(mst_buf_put_u32(out, s->columns, err));
  if (s->broken[0] != 0) {
    MST_TRY(mst_buf_put_u64(out, s->broken_at, err));
    MST_TRY(mst_buf_put(out, s->broken, sizeof s->broken, err));
  }
  if (s->inside) MST_TRY(put_part(&s->head, out, err));
  if (s->open) MST_TRY(mst_buf_put_u64(out, s->open_at, err));
  if (s->open) MST_TRY(put_part(&s->tail, out, err));
  MST_TRY(mst_buf_put_u32(out, (uint32_t)s->n, err));
  MST_TRY(mst_buf_put_u32(out, (uint32_t)s->current, err));
  for (size_t i = 0; i < s->n; i++) {
    const mst_vcf_contig *c = &s->contigs[i];
    const uint64_t numbers[] = {c->records, c->from, c->to, c->first_pos, c->last_pos, c->first, c->last};
    MST_TRY(mst_buf_put_u32(out, (uint32_t)c->name_size, err));
    MST_TRY(mst_buf_put(out, c->name, c->name_size, err));
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) MST_TRY(mst_buf_put_u64(out, numbers[k], err));
  }
done:
  return status;
}

static mst_status get_contig(mst_cursor *c, mst_vcf_span *s, mst_error *err) {
  mst_vcf_contig contig = {0};
  uint64_t *const numbers[] = {&contig.records,  &contig.from,  &contig.to,  &contig.first_pos,
                               &contig.last_pos, &contig.first, &contig.last};
  contig.name_size = mst_cursor_u32(c);
  contig.name = contig.name_size <= mst_cursor_left(c) ? mst_cursor_take(c, contig.name_size) : NULL;
  for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) *numbers[k] = mst_cursor_u64(c);
  if (contig.name == NULL || contig.name_size == 0) c->failed = true;
  return c->failed ? MST_OK : add_contig(s, &contig, err);
}

mst_status mst_vcf_span_decode(const mst_bytes *in, mst_vcf_span *s, mst_error *err) {
  mst_status status = MST_OK;
  mst_cursor c = mst_cursor_over(in->data, in->size);
  uint32_t n, current;
  uint8_t flags;
  mst_vcf_span_clear(s);
  if (in->size == 0) return MST_OK;
  flags = mst_cursor_u8(&c);
  s->columns = mst_cursor_u32(&c);
  s->inside = (flags & INSIDE) != 0;
  s->head_ends = (flags & HEAD_ENDS) != 0;
  s->open = (flags & OPEN) != 0;
  s->open_known = (flags & OPEN_KNOWN) != 0;
  if ((flags & BROKEN) != 0) {
    const uint8_t *text;
    s->broken_at = mst_cursor_u64(&c);
    text = mst_cursor_take(&c, sizeof s->broken);
    if (text != NULL) memcpy(s->broken, text, sizeof s->broken - 1);
  }
  if (s->inside) MST_TRY(get_part(&c, &s->head, err));
  if (s->open) s->open_at = mst_cursor_u64(&c);
  if (s->open) MST_TRY(get_part(&c, &s->tail, err));
  n = mst_cursor_u32(&c);
  current = mst_cursor_u32(&c);
  if (n > MST_VCF_CONTIGS_MAX || current >= mst_max_u64(n, 1)) c.failed = true;
  for (uint32_t i = 0; i < n && !c.failed; i++) MST_TRY(get_contig(&c, s, err));
  s->sorted = (flags & SORTED) != 0;
  s->overflow = (flags & OVERFLOW) != 0;
  s->current = current;
  if (c.failed || mst_cursor_left(&c) != 0 || flags > FLAGS_ALL || (s->overflow && n > 0) ||
      (s->open && s->inside && !s->head_ends))
    return mst_fail(err, MST_E_CORRUPT, "a partial index of a VCF object has a malformed summary of %zu bytes",
                    in->size);
done:
  return status;
}

/* ---- joining --------------------------------------------------------------------------------------------------- */

/* `left` goes on with `right`: bytes are only added up to the eighth tab. */
static mst_status lengthen(mst_vcf_part *left, const mst_vcf_part *right, mst_error *err) {
  mst_status status = MST_OK;
  const uint8_t *text = right->text.data;
  size_t n = right->text.size;
  uint64_t tabs = left->tabs;
  if (tabs < MST_VCF_FIXED) {
    size_t end = 0;
    for (; end < n && tabs < MST_VCF_FIXED; end++) tabs += text[end] == '\t';
    if (tabs == MST_VCF_FIXED) end--; /* not the tab itself */
    MST_TRY(mst_buf_put(&left->text, text, end, err));
  }
  left->tabs += right->tabs;
done:
  return status;
}

/* The first broken line counts. */
static void set_broken(mst_vcf_span *s, uint64_t at, const char *why) {
  if (s->broken[0] != 0) return;
  memset(s->broken, 0, sizeof s->broken);
  snprintf(s->broken, sizeof s->broken, "%s", why);
  s->broken_at = at;
}

static void set_columns(mst_vcf_span *s, uint64_t tabs) {
  char why[sizeof s->broken];
  snprintf(why, sizeof why, "%llu tab-separated columns, the header has %u", (unsigned long long)tabs + 1, s->columns);
  set_broken(s, s->open_at, why);
}

/* Enough of the line that the border cuts is known: it counts. */
static mst_status count_open(mst_vcf_span *l, mst_error *err) {
  mst_status status = MST_OK;
  mst_vcf_line line;
  const char *why = mst_vcf_line_parse(l->tail.text.data, l->tail.text.size, &line);
  l->open_known = true;
  if (l->tail.tabs + 1 < MST_VCF_FIXED) set_columns(l, l->tail.tabs);
  else if (why != NULL) set_broken(l, l->open_at, why);
  else MST_TRY(mst_vcf_span_add(l, &line, l->open_at, err));
  mst_buf_clear(&l->tail.text);
done:
  return status;
}

/* The line that the border cuts goes on into `r`, and perhaps ends there. */
static mst_status close_line(mst_vcf_span *l, const mst_vcf_span *r, mst_error *err) {
  mst_status status = MST_OK;
  if (l->open_known) l->tail.tabs += r->head.tabs;
  else MST_TRY(lengthen(&l->tail, &r->head, err));
  if (!l->open_known && (r->head_ends || l->tail.tabs >= MST_VCF_FIXED)) MST_TRY(count_open(l, err));
  if (!r->head_ends) return MST_OK;
  if (l->tail.tabs + 1 != l->columns) set_columns(l, l->tail.tabs);
  l->open = l->open_known = false;
  l->tail.tabs = 0;
done:
  return status;
}

/* The object ends: so does the line that is still open, when its last bytes lay in a piece of their own. */
static mst_status end_object(mst_vcf_span *s, mst_error *err) {
  mst_status status = MST_OK;
  if (!s->open) return MST_OK;
  if (!s->open_known) MST_TRY(count_open(s, err));
  if (s->tail.tabs + 1 != s->columns) set_columns(s, s->tail.tabs);
  s->open = s->open_known = false;
done:
  return status;
}

static mst_status join_spans(mst_vcf_span *l, uint64_t left_bytes, const mst_vcf_span *r, mst_error *err) {
  mst_status status = MST_OK;
  const bool through = l->inside && !l->head_ends; /* l lies within one line */
  if (r->inside && through) {
    MST_TRY(lengthen(&l->head, &r->head, err));
    l->head_ends = r->head_ends;
  } else if (r->inside) {
    MST_TRY(close_line(l, r, err));
  }
  if (r->broken[0] != 0) set_broken(l, left_bytes + r->broken_at, r->broken);
  if (r->overflow) overflow(l);
  for (size_t i = 0; i < r->n; i++) {
    mst_vcf_contig run = r->contigs[i];
    run.from += left_bytes;
    run.to += left_bytes;
    MST_TRY(add_run(l, &run, err));
  }
  l->sorted = l->sorted && r->sorted;
  if (r->n > 0 && !l->overflow)
    l->current =
        (size_t)(mst_vcf_span_find(l, r->contigs[r->current].name, r->contigs[r->current].name_size) - l->contigs);
  if (!r->open) goto done;
  l->open = true;
  l->open_known = r->open_known;
  l->open_at = left_bytes + r->open_at;
  MST_TRY(lengthen(&l->tail, &r->tail, err));
done:
  return status;
}

mst_status mst_vcf_join(const mst_bytes *left, uint64_t left_bytes, uint64_t left_records, const mst_bytes *right,
                        mst_buf *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_vcf_span l, r;
  (void)left_records;
  /* Nothing at all on one side: a piece in which no byte was decoded. */
  if (left->size == 0) return mst_buf_put(out, right->data, right->size, err);
  if (right->size == 0) return mst_buf_put(out, left->data, left->size, err);
  mst_vcf_span_init(&l, out->mem, 0);
  mst_vcf_span_init(&r, out->mem, 0);
  MST_TRY(mst_vcf_span_decode(left, &l, err));
  MST_TRY(mst_vcf_span_decode(right, &r, err));
  MST_TRY(join_spans(&l, left_bytes, &r, err));
  MST_TRY(mst_vcf_span_encode(&l, out, err));
done:
  mst_vcf_span_free(&l);
  mst_vcf_span_free(&r);
  return status;
}

/* ---- what the index keeps -------------------------------------------------------------------------------------- */

const mst_field mst_vcf_columns[MST_VCF_COLUMNS] = {
    {.name = "contig", .format = "u", .nullable = true},
    {.name = "pos", .format = "l", .nullable = true},
    {.name = "reach", .format = "l", .nullable = true},
    {.name = "regions", .format = "u", .nullable = true},
};

static mst_status put_regions(const mst_vcf_span *s, mst_builder *column, mst_error *err) {
  mst_status status = MST_OK;
  mst_buf text;
  mst_buf_init(&text, s->mem, SIZE_MAX / 2);
  for (size_t i = 0; i < s->n; i++) {
    const mst_vcf_contig *c = &s->contigs[i];
    if (i > 0) MST_TRY(mst_buf_put_byte(&text, '\n', err));
    MST_TRY(mst_buf_put(&text, c->name, c->name_size, err));
    MST_TRY(mst_buf_printf(&text, err, ":%llu-%llu", (unsigned long long)c->first, (unsigned long long)c->last));
  }
  if (s->overflow) MST_TRY(mst_buf_put_byte(&text, '*', err));
  MST_TRY(mst_builder_bytes(column, mst_buf_text(&text), text.size, err));
done:
  mst_buf_free(&text);
  return status;
}

static bool all_utf8(const mst_vcf_span *s) {
  for (size_t i = 0; i < s->n; i++)
    if (!mst_utf8_valid(s->contigs[i].name, s->contigs[i].name_size, NULL)) return false;
  return true;
}

mst_status mst_vcf_put_columns(const mst_allocator *mem, const mst_bytes *before, uint64_t plain, uint64_t record,
                               const mst_bytes *span, mst_builder *const *columns, mst_error *err) {
  mst_status status = MST_OK;
  mst_vcf_span b, s;
  const mst_vcf_contig *reach = NULL;
  (void)plain;
  (void)record;
  mst_vcf_span_init(&b, mem, 0);
  mst_vcf_span_init(&s, mem, 0);
  MST_TRY(mst_vcf_span_decode(before, &b, err));
  MST_TRY(mst_vcf_span_decode(span, &s, err));
  MST_TRY(end_object(&s, err));
  if (!all_utf8(&s)) overflow(&s); /* index columns are text: such a span is always read */
  if (s.n == 0) {
    for (size_t i = 0; i < 3; i++) MST_TRY(mst_builder_null(columns[i], err));
  } else {
    reach = mst_vcf_span_find(&b, s.contigs[0].name, s.contigs[0].name_size);
    MST_TRY(mst_builder_bytes(columns[0], s.contigs[0].name, s.contigs[0].name_size, err));
    MST_TRY(mst_builder_i64(columns[1], (int64_t)s.contigs[0].first_pos, err));
    if (b.overflow) MST_TRY(mst_builder_null(columns[2], err));
    else MST_TRY(mst_builder_i64(columns[2], reach == NULL ? 0 : (int64_t)reach->last, err));
  }
  MST_TRY(put_regions(&s, columns[3], err));
done:
  mst_vcf_span_free(&b);
  mst_vcf_span_free(&s);
  return status;
}

mst_status mst_vcf_final_facts(const mst_bytes *all, json_t *facts, mst_error *err) {
  mst_status status = MST_OK;
  json_t *contigs = NULL, *row;
  mst_vcf_span s;
  mst_vcf_span_init(&s, NULL, 0);
  MST_TRY(mst_vcf_span_decode(all, &s, err));
  MST_TRY(end_object(&s, err));
  if (s.broken[0] != 0) {
    status = mst_fail_at(err, MST_E_CORRUPT, s.broken_at, "the data line that begins here is broken: %s", s.broken);
    goto done;
  }
  MST_TRY(mst_json_set(facts, "sorted", json_boolean(s.sorted), err));
  if (s.overflow || !all_utf8(&s)) goto done;
  MST_TRY_ALLOC(contigs = json_array());
  for (size_t i = 0; i < s.n; i++) {
    const mst_vcf_contig *c = &s.contigs[i];
    row = json_pack("[s%, I, I, I]", (const char *)c->name, c->name_size, (json_int_t)c->records, (json_int_t)c->from,
                    (json_int_t)c->to);
    if (row == NULL || json_array_append_new(contigs, row) != 0) {
      status = mst_fail_memory(err);
      goto done;
    }
  }
  MST_TRY(mst_json_set(facts, "contigs", json_incref(contigs), err));
done:
  json_decref(contigs);
  mst_vcf_span_free(&s);
  return status;
}
