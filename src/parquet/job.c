/* parquet/job.c - takes one row group from its footer entry to its last batch.
 *
 * Owns: mst_pq_job. May call: base, codec, column, expr. */
#include "parquet/job.h"

#include "parquet/bloom.h"
#include "parquet/piece.h"

enum {
  INDEX_WORTH = 16 << 10,      /* chunks smaller than this are read whole                       */
  INDEX_SIZE_MAX = 64 << 20,   /* larger page indexes are not worth looking at                  */
  BLOOM_HEAD = 64,             /* bytes that hold a Bloom filter's header                       */
  DICTIONARY_MOST = 256 << 10, /* larger dictionaries are not looked through */
  DICTIONARY_SHARE = 8,        /* a dictionary may take this part of its chunk's bytes */
  BLOOM_SHARE = 4              /* a filter may cost this part of the bytes that it could save   */
};

mst_status mst_pq_job_new(mst_pq_task *task, size_t group, bool filtered, mst_pq_spans *spans, mst_pq_job **out,
                          mst_error *err) {
  mst_pq_job *job = mst_alloc_zero(task->mem, 1, sizeof *job);
  if (job == NULL) {
    mst_pq_spans_free(spans);
    return mst_fail_memory(err);
  }
  job->task = task;
  job->group = group;
  job->filtered = filtered;
  job->spans = *spans;
  job->scan.mem = job->filter.mem = job->wanted.mem = task->mem;
  job->scan.spans.mem = task->mem;
  job->pieces_end = &job->pieces;
  *spans = (mst_pq_spans){.mem = spans->mem};
  *out = job;
  return MST_OK;
}

void mst_pq_job_free(mst_pq_job *job) {
  size_t i;
  if (job == NULL) return;
  for (i = 0; i < job->n_slots; i++) mst_bytes_release(&job->slots[i].offset);
  for (i = 0; job->facts != NULL && i < job->task->filter.n; i++) {
    mst_bytes_release(&job->facts[i].offset);
    mst_bytes_release(&job->facts[i].column);
    mst_bytes_release(&job->facts[i].bloom);
    mst_bytes_release(&job->facts[i].dictionary);
  }
  mst_free(job->task->mem, job->slots);
  mst_free(job->task->mem, job->facts);
  mst_pq_needs_free(&job->wanted);
  mst_pq_spans_free(&job->spans);
  for (i = 0; i < job->scan.n_open; i++) job->task->facts.pages += job->scan.columns[i].pages;
  for (i = 0; i < job->filter.n_open; i++) job->task->facts.pages += job->filter.columns[i].pages;
  mst_pq_scan_close(&job->scan);
  mst_pq_scan_close(&job->filter);
  while (job->pieces != NULL) mst_pq_piece_drop(job);
  mst_free(job->task->mem, job);
}

/* ---- page indexes and Bloom filters -------------------------------------------------------------------------- */

static const mst_pq_chunk *chunk_of(const mst_pq_job *job, uint32_t leaf) {
  return &job->task->file->groups[job->group].chunks[leaf];
}

/* Whether bytes lie in front of the footer at all; an index that does not is as good as none. */
static bool is_inside(const mst_parquet_file *f, int64_t at, int64_t size) {
  return at >= 4 && size > 0 && size <= INDEX_SIZE_MAX && (uint64_t)at < f->footer_at &&
         (uint64_t)size <= f->footer_at - (uint64_t)at;
}

/* Bytes that came along with the footer are taken from there. */
static mst_status want(mst_pq_job *job, int64_t at, int64_t size, mst_bytes *slot, mst_error *err) {
  const mst_range range = {.offset = (uint64_t)at, .length = (uint64_t)size};
  if (!is_inside(job->task->file, at, size)) return MST_OK;
  if (mst_pq_file_bytes(job->task->file, range.offset, range.length, slot)) return MST_OK;
  return mst_pq_needs_add(&job->wanted, range, (mst_pq_need_of){.slot = slot}, err);
}

/* Small chunks are read whole, unless their index costs nothing. */
static bool wants_offset_index(const mst_pq_job *job, uint32_t leaf) {
  const mst_parquet_file *f = job->task->file;
  const mst_pq_chunk *c = chunk_of(job, leaf);
  mst_bytes here;
  return is_inside(f, c->offset_index_at, c->offset_index_size) &&
         (c->packed_size > INDEX_WORTH ||
          mst_pq_file_bytes(f, (uint64_t)c->offset_index_at, (uint64_t)c->offset_index_size, &here));
}

static void add_slots(mst_pq_job *job, const mst_pq_projection *p) {
  uint32_t i, k;
  for (i = 0; i < p->n_leaves; i++) {
    for (k = 0; k < job->n_slots && job->slots[k].leaf != p->leaves[i]; k++) {
      if (p == &job->task->output) k = job->n_slots - 1; /* its leaves are met once */
    }
    if (k == job->n_slots && wants_offset_index(job, p->leaves[i])) job->slots[job->n_slots++].leaf = p->leaves[i];
  }
}

static mst_status want_offsets(mst_pq_job *job, mst_error *err) {
  mst_status status = MST_OK;
  const mst_pq_task *t = job->task;
  uint32_t i;
  size_t most = (size_t)t->output.n_leaves + (job->filtered ? t->filter.columns.n_leaves : 0u) + 1;
  if (!job->filtered && job->spans.rows == (uint64_t)t->file->groups[job->group].rows) return MST_OK;
  MST_TRY_ALLOC(job->slots = mst_alloc_zero(t->mem, most, sizeof *job->slots));
  add_slots(job, &t->output);
  if (job->filtered) add_slots(job, &t->filter.columns);
  for (i = 0; i < job->n_slots; i++) {
    const mst_pq_chunk *c = chunk_of(job, job->slots[i].leaf);
    MST_TRY(want(job, c->offset_index_at, c->offset_index_size, &job->slots[i].offset, err));
  }
done:
  return status;
}

/* Bytes of the column chunks that are read when nothing is ruled out. */
static uint64_t group_bytes(const mst_pq_job *job) {
  const mst_pq_projection *p = &job->task->output;
  uint64_t n = 0;
  uint32_t i;
  for (i = 0; i < p->n_leaves; i++) {
    int64_t size = chunk_of(job, p->leaves[i])->packed_size;
    if (size > 0 && n < UINT64_MAX / 2) n += (uint64_t)size;
  }
  return n;
}

/* A filter whose size the footer does not tell is asked for its header first. */
static mst_status want_bloom(mst_pq_job *job, size_t column, uint64_t saves, mst_error *err) {
  const mst_parquet_file *f = job->task->file;
  const mst_pq_chunk *c = chunk_of(job, job->task->filter.bounded[column].leaf);
  int64_t size = c->bloom_size > 0 ? c->bloom_size : BLOOM_HEAD;
  if (c->bloom_at < 4 || (uint64_t)c->bloom_at >= f->footer_at) return MST_OK;
  if ((uint64_t)size > saves / BLOOM_SHARE || !mst_pq_filter_asks_equality(&job->task->filter, column)) return MST_OK;
  if (c->bloom_size <= 0) size = (int64_t)mst_min_u64((uint64_t)size, f->footer_at - (uint64_t)c->bloom_at);
  return want(job, c->bloom_at, size, &job->facts[column].bloom, err);
}

/* The dictionary tells which values occur when all pages use it. */
static mst_status want_dictionary(mst_pq_job *job, size_t column, mst_error *err) {
  const mst_pq_chunk *c = chunk_of(job, job->task->filter.bounded[column].leaf);
  int64_t size = c->data_at - c->dictionary_at;
  bool only = (c->flags & (MST_PQ_CHUNK_PAGES_TOLD | MST_PQ_CHUNK_PAGES_PLAIN)) == MST_PQ_CHUNK_PAGES_TOLD;
  if (!only || (c->flags & MST_PQ_CHUNK_ENCRYPTED) != 0 || c->dictionary_at < 4 || size <= 0) return MST_OK;
  if (size > DICTIONARY_MOST || size > c->packed_size / DICTIONARY_SHARE) return MST_OK;
  if (c->bloom_at > 0 || !mst_pq_filter_asks_equality(&job->task->filter, column)) return MST_OK;
  return want(job, c->dictionary_at, size, &job->facts[column].dictionary, err);
}

static mst_status want_facts(mst_pq_job *job, mst_error *err) {
  mst_status status = MST_OK;
  const mst_pq_filter *filter = &job->task->filter;
  uint64_t saves = group_bytes(job);
  size_t i;
  if (!job->filtered || !job->task->pruning) return MST_OK;
  MST_TRY_ALLOC(job->facts = mst_alloc_zero(job->task->mem, filter->n + 1, sizeof *job->facts));
  for (i = 0; i < filter->n; i++) {
    const mst_pq_chunk *c;
    if (filter->bounded[i].field == NULL) continue;
    c = chunk_of(job, filter->bounded[i].leaf);
    MST_TRY(want_bloom(job, i, saves, err));
    MST_TRY(want_dictionary(job, i, err));
    if (!wants_offset_index(job, filter->bounded[i].leaf)) continue;
    MST_TRY(want(job, c->column_index_at, c->column_index_size, &job->facts[i].column, err));
  }
done:
  return status;
}

/* Offset indexes are asked for once, for what is read and for what the condition asks. */
static void share_offsets(mst_pq_job *job) {
  size_t i;
  uint32_t k;
  for (i = 0; job->facts != NULL && i < job->task->filter.n; i++) {
    const mst_pq_bounded *b = &job->task->filter.bounded[i];
    for (k = 0; b->field != NULL && job->facts[i].offset.data == NULL && k < job->n_slots; k++)
      if (job->slots[k].leaf == b->leaf) job->facts[i].offset = mst_bytes_share(&job->slots[k].offset);
  }
}

/* The rest of filters of which only the header is here; `*more` when there are such. */
static mst_status want_more_bloom(mst_pq_job *job, bool *more, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t saves = group_bytes(job);
  size_t i, head, size;
  bool whole;
  *more = false;
  for (i = 0; job->facts != NULL && i < job->task->filter.n; i++) {
    mst_bytes *bloom = &job->facts[i].bloom;
    const mst_pq_chunk *c;
    if (bloom->data == NULL || mst_pq_bloom_head(bloom->data, bloom->size, &whole, &head, &size, NULL) != MST_OK ||
        !whole || bloom->size >= head + size)
      continue;
    c = chunk_of(job, job->task->filter.bounded[i].leaf);
    mst_bytes_release(bloom);
    if (c->bloom_size > 0 || head + size > saves / BLOOM_SHARE) continue;
    MST_TRY(want(job, c->bloom_at, (int64_t)(head + size), bloom, err));
    *more = true;
  }
done:
  return status;
}

static bool is_here(const mst_pq_job *job) {
  size_t i;
  for (i = 0; i < job->wanted.n; i++)
    if (job->wanted.of[i].slot->data == NULL) return false;
  return true;
}

/* A broken offset index is as good as none: what the pages themselves say is enough. */
static mst_status use_index(mst_pq_job *job, mst_pq_scan *scan, uint32_t leaf, mst_error *err) {
  const mst_pq_column_in *c = &scan->columns[leaf];
  mst_pq_index_slot *slot = job->slots;
  uint32_t i;
  mst_status status;
  for (i = 0; i < job->n_slots && slot->leaf != c->leaf; i++) slot++;
  if (i == job->n_slots || slot->offset.data == NULL) return MST_OK;
  status =
      mst_pq_offset_index_parse(job->task->mem, slot->offset.data, slot->offset.size, c->at, c->end,
                                (uint64_t)job->task->file->groups[job->group].rows, &scan->lanes[leaf].index, NULL);
  return status == MST_E_NO_MEMORY ? mst_fail_memory(err) : MST_OK;
}

/* ---- states -------------------------------------------------------------------------------------------------- */

static mst_status open_scan(mst_pq_job *job, const mst_pq_projection *projection, mst_pq_scan *scan, mst_error *err) {
  mst_status status = MST_OK;
  uint32_t i;
  MST_TRY(mst_pq_scan_open(job->task->file, job->group, projection, scan, err));
  for (i = 0; i < scan->n_open && job->n_slots > 0; i++) MST_TRY(use_index(job, scan, i, err));
done:
  return status;
}

static mst_status begin(mst_pq_job *job, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(want_offsets(job, err));
  MST_TRY(want_facts(job, err));
  job->state = MST_PQ_JOB_INDEX;
done:
  return status;
}

/* The rows that are left begin to be read. */
static mst_status begin_reading(mst_pq_job *job, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_scan *scan = job->filtered ? &job->filter : &job->scan;
  MST_TRY(open_scan(job, job->filtered ? &job->task->filter.columns : &job->task->output, scan, err));
  mst_pq_spans_free(&scan->spans);
  scan->spans = job->spans;
  job->spans = (mst_pq_spans){.mem = job->task->mem};
  MST_TRY(mst_pq_scan_plan(scan, err));
  job->at_once = !job->filtered && !job->task->rows_asked && mst_pq_scan_is_wide(scan, job->task->memory);
  job->state = job->filtered ? MST_PQ_JOB_FILTER : MST_PQ_JOB_READ;
done:
  return status;
}

/* Dictionaries that are here already are not asked for again. */
static mst_status use_dictionaries(mst_pq_job *job, mst_error *err) {
  mst_status status = MST_OK;
  const mst_pq_filter *filter = &job->task->filter;
  size_t i;
  uint32_t k;
  for (i = 0; job->facts != NULL && i < filter->n; i++) {
    const mst_bytes *page = &job->facts[i].dictionary;
    for (k = 0; page->data != NULL && k < job->filter.n_open; k++) {
      mst_pq_column_in *c = &job->filter.columns[k];
      if (c->leaf != filter->bounded[i].leaf || c->bytes.n_runs == 0 || c->bytes.runs[0].at != c->at) continue;
      if (c->bytes.runs[0].end < c->at + page->size || c->bytes.asked > 0) continue;
      MST_TRY(mst_pq_bytes_in_put(&c->bytes, c->at, page, err));
      c->bytes.asked = c->at + page->size;
    }
  }
done:
  return status;
}

/* All indexes and filters are here: some rows may be ruled out. */
static mst_status use_facts(mst_pq_job *job, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_task *t = job->task;
  mst_pq_spans left = {.mem = t->mem};
  uint64_t before = job->spans.rows;
  mst_prune decided = MST_PRUNE_SOME;
  bool more;
  MST_TRY(want_more_bloom(job, &more, err));
  if (more && !is_here(job)) return MST_OK;
  share_offsets(job);
  if (job->facts != NULL) {
    MST_TRY(mst_pq_prune_dictionaries(t->file, &t->filter, job->group, job->facts, t->tools, &decided, err));
    if (decided == MST_PRUNE_SOME) decided = mst_pq_prune_bloom(t->file, &t->filter, job->facts);
    if (decided == MST_PRUNE_NONE) {
      mst_pq_spans_free(&job->spans);
    } else {
      MST_TRY(mst_pq_prune_pages(t->file, &t->filter, job->group, job->facts, &job->spans, &left, err));
      mst_pq_spans_free(&job->spans);
      job->spans = left;
      left = (mst_pq_spans){.mem = t->mem};
    }
    t->facts.rows_pruned += before - job->spans.rows;
    if (job->spans.rows == 0) t->facts.groups_pruned++;
  }
  if (job->spans.rows == 0) {
    job->state = MST_PQ_JOB_DONE;
  } else {
    MST_TRY(begin_reading(job, err));
    if (job->filtered) MST_TRY(use_dictionaries(job, err));
  }
done:
  mst_pq_spans_free(&left);
  return status;
}

/* Batches of a row group are about equally large. */
static uint64_t next_target(uint64_t left, uint64_t most) {
  uint64_t batches = left / most + (left % most != 0);
  return batches > 0 ? left / batches + (left % batches != 0) : 0;
}

/* Enough rows were found for once: their other columns are read. */
static mst_status end_filtering(mst_pq_job *job, mst_error *err) {
  mst_status status = MST_OK;
  job->state = MST_PQ_JOB_READ;
  if (job->pieces == NULL || job->task->rest.root.n_children == 0) return MST_OK;
  if (job->scan.columns == NULL) {
    mst_pq_spans spans = job->scan.spans;
    job->scan.spans = (mst_pq_spans){.mem = job->task->mem};
    status = open_scan(job, &job->task->rest, &job->scan, err);
    mst_pq_spans_free(&job->scan.spans);
    job->scan.spans = spans;
    job->scan.grows = true;
  }
  if (status == MST_OK) status = mst_pq_scan_plan(&job->scan, err);
  return status;
}

static mst_status filter(mst_pq_job *job, mst_error *err) {
  mst_status status = MST_OK;
  if (job->filter.target > 0) {
    if (!mst_pq_scan_is_complete(&job->filter)) return MST_OK;
    MST_TRY(mst_pq_piece_take(job, err));
  }
  if (mst_pq_scan_left(&job->filter) == 0 || job->held > job->task->memory / 4 || job->found >= job->task->rows_left)
    return end_filtering(job, err);
  job->filter.target = next_target(mst_pq_scan_left(&job->filter), job->task->batch_rows);
done:
  return status;
}

/* The next batch of the rest, or of all when there is no condition. */
static void read_on(mst_pq_job *job) {
  uint64_t left = job->filtered ? 0 : mst_pq_scan_left(&job->scan);
  if (job->scan.target > 0) return;
  if (!job->filtered) {
    job->scan.target = job->at_once ? left : next_target(left, job->task->batch_rows);
    if (left == 0) job->state = MST_PQ_JOB_DONE;
  } else if (job->pieces == NULL) {
    job->state = mst_pq_scan_left(&job->filter) > 0 ? MST_PQ_JOB_FILTER : MST_PQ_JOB_DONE;
  } else if (job->task->rest.root.n_children > 0) {
    job->scan.target = job->pieces->rows - job->pieces->given;
  }
}

static mst_status advance(mst_pq_job *job, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_job_state before;
  uint64_t given;
  do {
    before = job->state;
    given = job->filter.given;
    if (job->state == MST_PQ_JOB_NEW) MST_TRY(begin(job, err));
    if (job->state == MST_PQ_JOB_INDEX && is_here(job)) MST_TRY(use_facts(job, err));
    if (job->state == MST_PQ_JOB_FILTER) MST_TRY(filter(job, err));
    if (job->state == MST_PQ_JOB_READ) read_on(job);
  } while (job->state != before || job->filter.given != given);
done:
  return status;
}

void mst_pq_job_advance(mst_pq_job *job) {
  mst_error error = {.offset = -1};
  mst_status status = advance(job, &error);
  if (status == MST_OK) return;
  job->error = error;
  job->error.status = status;
  job->state = MST_PQ_JOB_FAILED;
}

uint64_t mst_pq_job_unasked(const mst_pq_job *job) {
  if (job->state == MST_PQ_JOB_INDEX) return job->wanted.bytes;
  if (job->state == MST_PQ_JOB_FILTER) return mst_pq_scan_unasked(&job->filter);
  return job->state == MST_PQ_JOB_READ ? mst_pq_scan_unasked(&job->scan) : 0;
}

mst_status mst_pq_job_ask(mst_pq_job *job, bool all, uint64_t memory, mst_pq_needs *needs, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_scan *scan = mst_pq_job_scan(job);
  size_t i;
  for (i = 0; job->state == MST_PQ_JOB_INDEX && i < job->wanted.n; i++)
    if (job->wanted.of[i].slot->data == NULL)
      MST_TRY(mst_pq_needs_add(needs, job->wanted.ranges[i], job->wanted.of[i], err));
  if (scan != NULL) status = mst_pq_scan_ask(scan, all, memory, needs, err);
done:
  return status;
}

mst_pq_scan *mst_pq_job_scan(mst_pq_job *job) {
  return job->state == MST_PQ_JOB_FILTER ? &job->filter : job->state == MST_PQ_JOB_READ ? &job->scan : NULL;
}

mst_status mst_pq_job_give(mst_pq_job *job, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_scan *scan = mst_pq_job_scan(job);
  *out = (struct ArrowArray){0};
  if (job->state == MST_PQ_JOB_FAILED) {
    if (err != NULL) *err = job->error;
    return job->error.status;
  }
  if (scan == NULL) return MST_OK;
  MST_TRY(mst_pq_scan_status(scan, err));
  if (job->state != MST_PQ_JOB_READ) return MST_OK;
  if (job->filtered) return mst_pq_piece_give(job, out, err);
  if (!mst_pq_scan_is_complete(scan)) return MST_OK;
  MST_TRY(mst_pq_scan_give(scan, out, err));
  status = mst_pq_piece_limit(job->task, out, err);
done:
  return status;
}
