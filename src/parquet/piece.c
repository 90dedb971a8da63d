/* parquet/piece.c - puts the condition's columns and the others together.
 *
 * Owns: nothing. May call: base, codec, column, expr. */
#include "parquet/piece.h"

/* Unwanted rows between wanted ones that are cheaper to decode than to pass over. */
enum { GAP_MOST = 128 };

/* ---- choosing rows ------------------------------------------------------------------------------------------- */

/* Rows [from, from + n) of the bits, to the beginning of `out`. */
static void shift_bits(const uint64_t *bits, uint64_t from, uint64_t n, uint64_t *out) {
  uint64_t i, words = MST_BITS_WORDS(n), shift = from % 64, at = from / 64, last = (from + n - 1) / 64;
  for (i = 0; i < words; i++) {
    out[i] = bits[at + i] >> shift;
    if (shift > 0 && at + i + 1 <= last) out[i] |= bits[at + i + 1] << (64 - shift);
  }
  if (n % 64 != 0) out[words - 1] &= (UINT64_C(1) << (n % 64)) - 1;
}

/* Rows of `array` whose bit is set take its place. */
static mst_status keep_bits(const mst_allocator *mem, const struct ArrowSchema *schema, struct ArrowArray *array,
                            const uint64_t *bits, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArray kept = {0};
  size_t n = (size_t)array->length;
  if (mst_bits_count(bits, n) == n) return MST_OK;
  MST_TRY(mst_array_filter(mem, schema, array, bits, &kept, err));
  mst_array_release(array);
  *array = kept;
done:
  return status;
}

/* Rows [first, first + n) of `array` as a new one. */
static mst_status cut(const mst_allocator *mem, const struct ArrowSchema *schema, const struct ArrowArray *array,
                      uint64_t first, uint64_t n, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  int64_t *rows = mst_alloc_array(mem, (size_t)n + 1, sizeof *rows);
  uint64_t i;
  if (rows == NULL) return mst_fail_memory(err);
  for (i = 0; i < n; i++) rows[i] = (int64_t)(first + i);
  status = mst_array_gather(mem, schema, array, rows, (int64_t)n, out, err);
  mst_free(mem, rows);
  return status;
}

/* ---- from the condition to pieces ---------------------------------------------------------------------------- */

/* What the other columns will be read for: the wanted rows, and short gaps between them. */
typedef struct coarse {
  mst_pq_spans *out;
  uint64_t base;  /* rows of `out` before the piece */
  uint64_t last;  /* row behind the last one that was added */
  uint64_t *bits; /* of the piece's rows */
  bool gaps;
} coarse;

static mst_status add_rows(coarse *c, uint64_t first, uint64_t end, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t i;
  if (c->out->rows > c->base && first > c->last && first - c->last <= GAP_MOST) {
    MST_TRY(mst_pq_spans_add(c->out, c->last, first, err));
    c->gaps = true;
  }
  for (i = c->out->rows - c->base; i < c->out->rows - c->base + (end - first); i++)
    c->bits[i / 64] |= UINT64_C(1) << (i % 64);
  MST_TRY(mst_pq_spans_add(c->out, first, end, err));
  c->last = end;
done:
  return status;
}

/* The next run of set bits at or behind *at. */
static bool next_run(const uint64_t *bits, uint64_t n, uint64_t *at, uint64_t *first, uint64_t *end) {
  uint64_t i = *at;
  while (i < n && (bits[i / 64] >> (i % 64)) == 0) i = (i / 64 + 1) * 64;
  if (i >= n) return false;
  i += (uint64_t)__builtin_ctzll(bits[i / 64] >> (i % 64));
  *first = i;
  while (i < n && (~bits[i / 64] >> (i % 64)) == 0) i = (i / 64 + 1) * 64;
  if (i < n) i += (uint64_t)__builtin_ctzll(~bits[i / 64] >> (i % 64));
  *end = *at = mst_min_u64(i, n);
  return true;
}

static uint64_t count_runs(const uint64_t *bits, uint64_t n) {
  uint64_t runs = 0, before = 0, i;
  for (i = 0; i < MST_BITS_WORDS(n); i++) {
    runs += (uint64_t)__builtin_popcountll(bits[i] & ~(bits[i] << 1 | before));
    before = bits[i] >> 63;
  }
  return runs;
}

/* Walks the filter's spans: its selected rows [first, end) of this batch are rows of the row group. */
typedef struct walk {
  const mst_pq_spans *spans;
  size_t span;
  uint64_t row;   /* of the row group */
  uint64_t index; /* of the batch     */
} walk;

static mst_status walk_to(walk *w, uint64_t end, coarse *into, mst_error *err) {
  mst_status status = MST_OK;
  while (w->index < end) {
    const mst_pq_span *s = &w->spans->at[w->span];
    uint64_t n;
    if (w->row < s->first) w->row = s->first;
    n = mst_min_u64(end - w->index, s->end - w->row);
    if (into != NULL && n > 0) MST_TRY(add_rows(into, w->row, w->row + n, err));
    w->row += n;
    w->index += n;
    if (w->row == s->end) w->span++;
  }
done:
  return status;
}

/* The wanted rows of the batch, as rows of the row group that the rest has to read. */
static mst_status select_rows(mst_pq_job *job, const uint64_t *bits, uint64_t n, mst_pq_piece *piece, mst_error *err) {
  mst_status status = MST_OK;
  walk w = {.spans = &job->filter.spans, .span = job->filter_span, .row = job->filter_row};
  coarse c = {.out = &job->scan.spans, .base = job->scan.spans.rows};
  uint64_t most = piece->kept + count_runs(bits, n) * GAP_MOST, at = 0, first, end;
  /* Runs that cross spans are several: each crossing may bring a gap. */
  most += (uint64_t)(job->filter.spans.n - job->filter_span) * GAP_MOST;
  MST_TRY_ALLOC(c.bits = mst_alloc_zero(job->task->mem, MST_BITS_WORDS(most) + 1, sizeof *c.bits));
  while (next_run(bits, n, &at, &first, &end)) {
    MST_TRY(walk_to(&w, first, NULL, err));
    MST_TRY(walk_to(&w, end, &c, err));
  }
  piece->rows = c.out->rows - c.base;
  if (c.gaps) {
    piece->bits = c.bits;
    c.bits = NULL;
  }
done:
  mst_free(job->task->mem, c.bits);
  return status;
}

static mst_status pass_rows(mst_pq_job *job, uint64_t n, mst_error *err) {
  walk w = {.spans = &job->filter.spans, .span = job->filter_span, .row = job->filter_row};
  mst_status status = walk_to(&w, n, NULL, err);
  job->filter_span = w.span;
  job->filter_row = w.row;
  return status;
}

static void free_piece(mst_pq_job *job, mst_pq_piece *piece) {
  if (piece == NULL) return;
  mst_free(job->task->mem, piece->bits);
  mst_array_release(&piece->filter);
  mst_free(job->task->mem, piece);
}

void mst_pq_piece_drop(mst_pq_job *job) {
  mst_pq_piece *piece = job->pieces;
  job->pieces = piece->next;
  if (job->pieces == NULL) job->pieces_end = &job->pieces;
  free_piece(job, piece);
}

static void add_piece(mst_pq_job *job, mst_pq_piece *piece) {
  uint64_t row = mst_pq_row_bytes(&job->task->filter.columns.root) + 1;
  *job->pieces_end = piece;
  job->pieces_end = &piece->next;
  job->found += piece->kept;
  job->held += piece->kept * row + piece->rows / 8;
}

mst_status mst_pq_piece_take(mst_pq_job *job, mst_error *err) {
  mst_status status = MST_OK;
  const mst_pq_task *t = job->task;
  struct ArrowArray batch = {0};
  uint64_t *bits = NULL, n;
  mst_pq_piece *piece = NULL;
  MST_TRY(mst_pq_scan_give(&job->filter, &batch, err));
  n = (uint64_t)batch.length;
  MST_TRY_ALLOC(bits = mst_alloc_zero(t->mem, MST_BITS_WORDS(n) + 1, sizeof *bits));
  MST_TRY(mst_predicate_eval(t->filter.predicate, &batch, bits, err));
  MST_TRY_ALLOC(piece = mst_alloc_zero(t->mem, 1, sizeof *piece));
  piece->kept = mst_bits_count(bits, (size_t)n);
  if (piece->kept > 0) {
    MST_TRY(select_rows(job, bits, n, piece, err));
    MST_TRY(keep_bits(t->mem, &t->filter.schema, &batch, bits, err));
    piece->filter = batch;
    batch = (struct ArrowArray){0};
    add_piece(job, piece);
    piece = NULL;
  }
  MST_TRY(pass_rows(job, n, err));
done:
  free_piece(job, piece);
  mst_free(t->mem, bits);
  mst_array_release(&batch);
  return status;
}

/* ---- from pieces to batches ---------------------------------------------------------------------------------- */

/* Moves a child out of a batch of ours. */
static struct ArrowArray move_child(struct ArrowArray *batch, uint32_t i) {
  struct ArrowArray child = *batch->children[i];
  batch->children[i]->release = NULL;
  return child;
}

static mst_status combine(const mst_pq_task *t, struct ArrowArray *filter, struct ArrowArray *rest,
                          struct ArrowArray *out, mst_error *err) {
  mst_bytes no_validity = {0};
  mst_array_parts parts = {
      .length = filter->length, .buffers = &no_validity, .n_buffers = 1, .n_children = t->output.root.n_children};
  struct ArrowArray *children = mst_alloc_zero(t->mem, t->output.root.n_children + 1u, sizeof *children);
  mst_status status;
  uint32_t i;
  if (children == NULL) return mst_fail_memory(err);
  for (i = 0; i < t->output.root.n_children; i++)
    children[i] = move_child(t->origins[i].first ? filter : rest, t->origins[i].column);
  parts.children = children;
  status = mst_array_make(t->mem, &parts, out, err);
  mst_free(t->mem, children);
  return status;
}

/* `n` of the piece's rows came; the wanted ones among them, of the condition's columns and of the rest's. */
static mst_status take_rows(mst_pq_job *job, mst_pq_piece *piece, uint64_t n, struct ArrowArray *filter,
                            struct ArrowArray *rest, mst_error *err) {
  mst_status status = MST_OK;
  const mst_pq_task *t = job->task;
  uint64_t kept = n, *bits = NULL;
  if (piece->bits != NULL) {
    MST_TRY_ALLOC(bits = mst_alloc_array(t->mem, MST_BITS_WORDS(n) + 1, sizeof *bits));
    shift_bits(piece->bits, piece->given, n, bits);
    kept = mst_bits_count(bits, (size_t)n);
    if (rest->release != NULL) MST_TRY(keep_bits(t->mem, &t->rest_schema, rest, bits, err));
  }
  if (kept == piece->kept) {
    *filter = piece->filter;
    piece->filter = (struct ArrowArray){0};
  } else {
    MST_TRY(cut(t->mem, &t->filter.schema, &piece->filter, piece->kept_at, kept, filter, err));
  }
  piece->given += n;
  piece->kept_at += kept;
done:
  mst_free(t->mem, bits);
  return status;
}

/* At most what the limit leaves; copies the condition's columns and the rest before they are joined. */
static mst_status apply_limit(const mst_pq_task *t, struct ArrowArray *filter, struct ArrowArray *rest,
                              mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArray some = {0};
  if ((uint64_t)filter->length <= t->rows_left) return MST_OK;
  MST_TRY(cut(t->mem, &t->filter.schema, filter, 0, t->rows_left, &some, err));
  mst_array_release(filter);
  *filter = some;
  if (rest->release == NULL) return MST_OK;
  MST_TRY(cut(t->mem, &t->rest_schema, rest, 0, t->rows_left, &some, err));
  mst_array_release(rest);
  *rest = some;
done:
  return status;
}

mst_status mst_pq_piece_limit(mst_pq_task *t, struct ArrowArray *batch, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowSchema schema = {0};
  struct ArrowArray some = {0};
  if ((uint64_t)batch->length > t->rows_left) {
    status = mst_pq_file_schema(t->file, &t->output.root, &schema, err);
    if (status == MST_OK) status = cut(t->mem, &schema, batch, 0, t->rows_left, &some, err);
    mst_array_release(batch);
    *batch = some;
  }
  if (status == MST_OK) t->rows_left -= (uint64_t)batch->length;
  mst_schema_release(&schema);
  return status;
}

mst_status mst_pq_piece_give(mst_pq_job *job, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_piece *piece = job->pieces;
  struct ArrowArray filter = {0}, rest = {0};
  uint64_t n;
  if (piece == NULL) return MST_OK;
  n = piece->rows;
  if (job->task->rest.root.n_children > 0) {
    if (!mst_pq_scan_is_complete(&job->scan)) return MST_OK;
    MST_TRY(mst_pq_scan_give(&job->scan, &rest, err));
    n = (uint64_t)rest.length;
  }
  MST_TRY(take_rows(job, piece, n, &filter, &rest, err));
  if (filter.length > 0) {
    MST_TRY(apply_limit(job->task, &filter, &rest, err));
    MST_TRY(combine(job->task, &filter, &rest, out, err));
    job->task->rows_left -= (uint64_t)out->length;
  }
  if (piece->given == piece->rows) {
    job->found -= mst_min_u64(job->found, piece->kept);
    mst_pq_piece_drop(job);
    if (job->pieces == NULL) job->held = job->found = 0;
  }
done:
  mst_array_release(&filter);
  mst_array_release(&rest);
  return status;
}
