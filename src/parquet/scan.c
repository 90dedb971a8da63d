/* parquet/scan.c - drives the columns of a row group side by side.
 *
 * Owns: mst_pq_scan. May call: base, codec, column. */
#include "parquet/scan.h"

enum {
  BATCH_TEXT_MOST = 256 << 20,
  PAGE_USUAL = 1 << 20,
  ASK_LEAST = 64 << 10, /* bytes that a column asks for at least when not all fit into memory */
  COLUMNS_FEW = 64,
  DICTIONARY_SMALL = 16 << 10 /* not worth a request of its own */
};

/* ---- what is asked for --------------------------------------------------------------------------------------- */

mst_status mst_pq_needs_add(mst_pq_needs *needs, mst_range range, mst_pq_need_of of, mst_error *err) {
  mst_status status = MST_OK;
  if (needs->n == needs->capacity) {
    size_t capacity = needs->capacity == 0 ? 16 : 2 * needs->capacity;
    mst_range *ranges = mst_resize(needs->mem, needs->ranges, capacity * sizeof *ranges);
    mst_pq_need_of *ofs;
    if (ranges == NULL) return mst_fail_memory(err);
    needs->ranges = ranges;
    MST_TRY_ALLOC(ofs = mst_resize(needs->mem, needs->of, capacity * sizeof *ofs));
    needs->of = ofs;
    needs->capacity = capacity;
  }
  needs->ranges[needs->n] = range;
  needs->of[needs->n++] = of;
  needs->bytes += range.length;
done:
  return status;
}

void mst_pq_needs_free(mst_pq_needs *needs) {
  mst_free(needs->mem, needs->ranges);
  mst_free(needs->mem, needs->of);
  *needs = (mst_pq_needs){.mem = needs->mem};
}

/* ---- opening and closing ------------------------------------------------------------------------------------- */

static mst_status open_columns(mst_pq_scan *s, const mst_pq_field *field, bool top, mst_error *err) {
  mst_status status = MST_OK;
  uint32_t i;
  if (field->n_children == 0) {
    s->n_open = field->leaf + 1;
    return mst_pq_column_in_open(s->file, s->group, field, s->projection->leaves[field->leaf], !top,
                                 &s->columns[field->leaf], err);
  }
  for (i = 0; i < field->n_children; i++) MST_TRY(open_columns(s, &field->children[i], false, err));
done:
  return status;
}

mst_status mst_pq_scan_open(mst_parquet_file *f, size_t group, const mst_pq_projection *projection, mst_pq_scan *out,
                            mst_error *err) {
  mst_status status = MST_OK;
  const mst_pq_field *root = &projection->root;
  uint32_t i;
  *out = (mst_pq_scan){.file = f, .mem = f->mem, .projection = projection, .group = group, .spans.mem = f->mem};
  MST_TRY_ALLOC(out->columns = mst_alloc_zero(f->mem, projection->n_leaves + 1u, sizeof *out->columns));
  MST_TRY_ALLOC(out->lanes = mst_alloc_zero(f->mem, projection->n_leaves + 1u, sizeof *out->lanes));
  for (i = 0; i < root->n_children; i++)
    MST_TRY(open_columns(out, &root->children[i], root->children[i].n_children == 0, err));
done:
  return status;
}

void mst_pq_scan_close(mst_pq_scan *s) {
  uint32_t i;
  for (i = 0; i < s->n_open; i++) {
    mst_pq_column_in_close(&s->columns[i]);
    mst_pq_offset_index_free(s->mem, &s->lanes[i].index);
  }
  mst_free(s->mem, s->columns);
  mst_free(s->mem, s->lanes);
  mst_pq_spans_free(&s->spans);
  *s = (mst_pq_scan){.mem = s->mem};
}

/* ---- bytes --------------------------------------------------------------------------------------------------- */

/* Whether pages that are read will need the dictionary, as far as can be told: when most pages have no use for it, a
 * large one is left out until a page does. */
static bool needs_dictionary(const mst_pq_scan *s, const mst_pq_column_in *c, const mst_pq_lane *lane) {
  uint64_t size = lane->index.pages[0].at - c->at, rows = (uint64_t)s->file->groups[s->group].rows;
  uint32_t flags = c->chunk->flags;
  bool plain = (flags & MST_PQ_CHUNK_PAGES_TOLD) == 0 || (flags & MST_PQ_CHUNK_PAGES_PLAIN) != 0;
  return size <= DICTIONARY_SMALL || !plain || s->spans.rows > rows / 2;
}

/* The dictionary in front of all pages: with them, or when one asks for it. */
static mst_status plan_dictionary(mst_pq_scan *s, mst_pq_column_in *c, const mst_pq_lane *lane, mst_error *err) {
  uint64_t end = lane->index.pages[0].at;
  if (needs_dictionary(s, c, lane)) return mst_pq_bytes_in_add(&c->bytes, c->at, end, err);
  c->dictionary_at = (mst_pq_extent){c->at, end};
  c->at = end;
  return mst_pq_bytes_in_add(&c->dictionary_bytes, c->dictionary_at.at, end, err);
}

/* Pages that hold wanted rows. */
static mst_status plan_pages(mst_pq_scan *s, mst_pq_column_in *c, mst_pq_lane *lane, mst_error *err) {
  mst_status status = MST_OK;
  const mst_pq_offset_index *index = &lane->index;
  uint64_t rows = (uint64_t)s->file->groups[s->group].rows, last = s->spans.at[s->spans.n - 1].end;
  size_t hint = 0;
  if (c->offset_index == NULL) MST_TRY(plan_dictionary(s, c, lane, err));
  c->offset_index = index;
  for (; lane->page < index->n && index->pages[lane->page].first_row < last; lane->page++) {
    const mst_pq_page_place *p = &index->pages[lane->page];
    uint64_t end = lane->page + 1 < index->n ? p[1].first_row : rows;
    if (mst_pq_spans_touch(&s->spans, p->first_row, end, &hint))
      MST_TRY(mst_pq_bytes_in_add(&c->bytes, p->at, p->at + p->size, err));
    if (end > last) break; /* rows of it may be wanted yet */
  }
done:
  return status;
}

mst_status mst_pq_scan_plan(mst_pq_scan *s, mst_error *err) {
  mst_status status = MST_OK;
  uint32_t i;
  if (s->spans.n == 0) return MST_OK;
  for (i = 0; i < s->n_open; i++) {
    mst_pq_column_in *c = &s->columns[i];
    if (s->lanes[i].index.n > 0) {
      MST_TRY(plan_pages(s, c, &s->lanes[i], err));
    } else if (c->bytes.n_runs == 0) {
      MST_TRY(mst_pq_bytes_in_add(&c->bytes, c->at, c->end, err));
    }
  }
done:
  return status;
}

uint64_t mst_pq_scan_unasked(const mst_pq_scan *s) {
  uint64_t n = 0;
  uint32_t i;
  for (i = 0; i < s->n_open; i++) n += mst_pq_bytes_in_unasked(&s->columns[i].bytes);
  return n;
}

/* What a chunk of which only the first rows are wanted will take of its bytes, by a guess; all of it else. */
static uint64_t likely_end(const mst_pq_scan *s, const mst_pq_column_in *c, const mst_pq_lane *lane) {
  uint64_t rows = (uint64_t)s->file->groups[s->group].rows, last = s->spans.at[s->spans.n - 1].end;
  double share = (double)last / (double)(rows > 0 ? rows : 1);
  if (lane->index.n > 0 || share > 0.7) return c->end;
  return mst_min_u64(c->end,
                     (uint64_t)c->chunk->data_at + (uint64_t)((double)c->chunk->packed_size * share * 1.1) + 65536);
}

static mst_status beyond_index(const mst_pq_column_in *c, mst_error *err) {
  return mst_fail_at(err, MST_E_CORRUPT, c->at, "the page at byte %llu is longer than the offset index says",
                     (unsigned long long)c->at);
}

static mst_status ask_column(mst_pq_scan *s, uint32_t leaf, bool all, uint64_t each, mst_pq_needs *needs,
                             mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_column_in *c = &s->columns[leaf];
  uint64_t end = likely_end(s, c, &s->lanes[leaf]), held = mst_pq_bytes_in_held(&c->bytes, c->at);
  uint64_t room = all ? UINT64_MAX : held < each / 2 ? each : 0, least = c->misses_dictionary ? 0 : c->missing;
  mst_range range;
  if (c->missing > 0 && c->misses_dictionary) {
    if (!mst_pq_bytes_in_ask(&c->dictionary_bytes, UINT64_MAX, 0, &range)) return beyond_index(c, err);
    MST_TRY(mst_pq_needs_add(needs, range, (mst_pq_need_of){.column = c, .bytes = &c->dictionary_bytes}, err));
  }
  /* Asking in bits would cost more than it saves when most of a chunk is there already. */
  if (c->bytes.asked < end && end < c->end) room = mst_min_u64(room, end - mst_max_u64(c->bytes.asked, c->at));
  if (c->bytes.asked >= end && end < c->end) room = least > 0 ? mst_min_u64(room, each) : 0;
  while (mst_pq_bytes_in_ask(&c->bytes, room, least, &range)) {
    MST_TRY(mst_pq_needs_add(needs, range, (mst_pq_need_of){.column = c, .bytes = &c->bytes}, err));
    room = room > range.length ? room - range.length : 0;
  }
  if (c->bytes.asked < least) return beyond_index(c, err);
done:
  return status;
}

mst_status mst_pq_scan_ask(mst_pq_scan *s, bool all, uint64_t memory, mst_pq_needs *needs, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t each = mst_max_u64(ASK_LEAST, memory / (s->n_open + 1u)), most = needs->bytes + memory;
  uint32_t i;
  int turn;
  /* Those that cannot go on come first; of very many columns some have to wait. */
  for (turn = 0; turn < 2; turn++)
    for (i = 0; i < s->n_open && (all || needs->n == 0 || needs->bytes < most); i++)
      if ((s->columns[i].missing > 0) == (turn == 0)) MST_TRY(ask_column(s, i, all, each, needs, err));
done:
  return status;
}

bool mst_pq_scan_is_wide(const mst_pq_scan *s, uint64_t memory) {
  uint64_t open = 0, all = 0, size;
  uint32_t i;
  for (i = 0; i < s->n_open; i++) {
    const mst_pq_chunk *k = s->columns[i].chunk;
    size =
        mst_max_u64(k->plain_size > 0 ? (uint64_t)k->plain_size : 0, k->packed_size > 0 ? (uint64_t)k->packed_size : 0);
    open += mst_min_u64(size, PAGE_USUAL);
    if (!mst_add_u64(all, size, &all)) return false;
  }
  return s->n_open > COLUMNS_FEW && open > memory / 2 && all / 4 <= memory;
}

/* ---- decoding ------------------------------------------------------------------------------------------------ */

bool mst_pq_scan_can_work(const mst_pq_scan *s, uint32_t leaf) {
  const mst_pq_column_in *c = &s->columns[leaf];
  return c->out.rows < s->target && !s->lanes[leaf].is_short && c->missing == 0;
}

static mst_status read_spans(mst_pq_scan *s, mst_pq_column_in *c, mst_pq_lane *lane, mst_error *err) {
  mst_status status = MST_OK;
  while (c->out.rows < s->target) {
    const mst_pq_span *span = &s->spans.at[lane->span];
    uint64_t row = mst_pq_column_in_row(c), want;
    if (lane->span == s->spans.n) return mst_fail(err, MST_E_INTERNAL, "a batch is larger than the rows that are left");
    if (row >= span->end) {
      lane->span++;
    } else if (row < span->first) {
      MST_TRY(mst_pq_column_in_skip(c, span->first, err));
      if (c->missing > 0) return MST_OK;
    } else {
      want = c->out.rows + mst_min_u64(span->end - row, s->target - c->out.rows);
      MST_TRY(mst_pq_column_in_read(c, want, BATCH_TEXT_MOST, err));
      lane->is_short = c->missing == 0 && c->out.rows < want;
      if (c->missing > 0 || lane->is_short) return MST_OK;
    }
  }
done:
  return status;
}

void mst_pq_scan_work(mst_pq_scan *s, uint32_t leaf, mst_pq_tools *tools) {
  mst_pq_lane *lane = &s->lanes[leaf];
  mst_pq_column_in *c = &s->columns[leaf];
  mst_pq_column_in_use(c, tools);
  lane->error = (mst_error){.offset = -1};
  lane->status = read_spans(s, c, lane, &lane->error);
  if (lane->status == MST_OK && c->missing == 0 && !s->grows && s->spans.n > 0 &&
      mst_pq_column_in_row(c) >= s->spans.at[s->spans.n - 1].end)
    mst_pq_column_in_finish(c);
}

bool mst_pq_scan_is_missing(const mst_pq_scan *s) {
  uint32_t i;
  for (i = 0; i < s->n_open; i++)
    if (s->columns[i].missing > 0) return true;
  return false;
}

bool mst_pq_scan_is_complete(const mst_pq_scan *s) {
  uint32_t i;
  for (i = 0; i < s->n_open; i++)
    if (s->columns[i].missing > 0 || s->lanes[i].status != MST_OK || mst_pq_scan_can_work(s, i)) return false;
  return s->target > 0;
}

mst_status mst_pq_scan_status(const mst_pq_scan *s, mst_error *err) {
  uint32_t i;
  for (i = 0; i < s->n_open; i++) {
    if (s->lanes[i].status == MST_OK) continue;
    if (err != NULL) *err = s->lanes[i].error;
    return s->lanes[i].status;
  }
  return MST_OK;
}

/* ---- giving out ---------------------------------------------------------------------------------------------- */

/* Columns whose byte strings filled their share hold fewer rows than others: the fewest make the batch. */
static uint64_t fewest_rows(const mst_pq_scan *s) {
  uint64_t rows = s->target;
  uint32_t i;
  for (i = 0; i < s->n_open; i++) rows = mst_min_u64(rows, s->columns[i].out.rows);
  return rows;
}

static mst_status make_batch(mst_pq_scan *s, uint64_t rows, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  const mst_pq_field *root = &s->projection->root;
  mst_bytes no_validity = {0};
  mst_array_parts parts = {
      .length = (int64_t)rows, .buffers = &no_validity, .n_buffers = 1, .n_children = root->n_children};
  struct ArrowArray *children = NULL;
  uint32_t i, made = 0;
  MST_TRY_ALLOC(children = mst_alloc_zero(s->mem, root->n_children + 1u, sizeof *children));
  parts.children = children;
  for (; made < root->n_children; made++)
    MST_TRY(mst_pq_assemble(s->mem, &root->children[made], s->columns, rows, &children[made], err));
  status = mst_array_make(s->mem, &parts, out, err);
  made = 0;
done:
  for (i = 0; i < made; i++) mst_array_release(&children[i]);
  mst_free(s->mem, children);
  return status;
}

mst_status mst_pq_scan_give(mst_pq_scan *s, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t rows = fewest_rows(s);
  mst_pq_decoded *rests = NULL;
  uint32_t i, n = 0;
  MST_TRY_ALLOC(rests = mst_alloc_zero(s->mem, s->n_open + 1u, sizeof *rests));
  for (; n < s->n_open; n++) {
    mst_pq_column_in *c = &s->columns[n];
    mst_pq_decoded_init(&rests[n], s->mem);
    if (c->out.rows > rows) MST_TRY(mst_pq_column_in_split(c, rows, &rests[n], err));
  }
  MST_TRY(make_batch(s, rows, out, err));
  for (i = 0; i < s->n_open; i++) {
    mst_pq_decoded_follow(&rests[i], &s->columns[i].out);
    mst_pq_decoded_free(&s->columns[i].out);
    s->columns[i].out = rests[i];
    s->columns[i].rows_done += rows;
    s->lanes[i].is_short = false;
  }
  n = 0;
  s->given += rows;
  s->target = 0;
done:
  for (i = 0; i < n; i++) mst_pq_decoded_free(&rests[i]);
  mst_free(s->mem, rests);
  return status;
}
