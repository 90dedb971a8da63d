/* parquet/job.c - takes one row group from its footer entry to its last batch.
 *
 * Owns: mst_pq_job. May call: base, codec, column, expr. */
#include "parquet/job.h"

enum {
  INDEX_WORTH = 16 << 10,    /* chunks smaller than this are read whole                         */
  INDEX_SIZE_MAX = 64 << 20, /* larger page indexes are not worth looking at                    */
  ASK_LEAST = 64 << 10       /* bytes a column asks for at least when not all fit into memory   */
};

mst_status mst_pq_job_new(mst_pq_task *task, size_t group, mst_pq_spans *spans, mst_pq_job **out, mst_error *err) {
  mst_pq_job *job = mst_alloc_zero(task->mem, 1, sizeof *job);
  if (job == NULL) {
    mst_pq_spans_free(spans);
    return mst_fail_memory(err);
  }
  job->task = task;
  job->group = group;
  job->spans = *spans;
  job->scan.mem = task->mem;
  *spans = (mst_pq_spans){.mem = spans->mem};
  *out = job;
  return MST_OK;
}

void mst_pq_job_free(mst_pq_job *job) {
  uint32_t i;
  if (job == NULL) return;
  for (i = 0; i < job->n_slots; i++) mst_bytes_release(&job->slots[i].offset);
  mst_free(job->task->mem, job->slots);
  mst_pq_spans_free(&job->spans);
  mst_pq_scan_close(&job->scan);
  mst_free(job->task->mem, job);
}

/* ---- page indexes -------------------------------------------------------------------------------------------- */

static const mst_pq_chunk *chunk_of(const mst_pq_job *job, uint32_t leaf) {
  return &job->task->file->groups[job->group].chunks[leaf];
}

/* Whether an index lies in the file at all; one that does not is as good as none. */
static bool is_inside(const mst_parquet_file *f, int64_t at, int64_t size) {
  return at >= 4 && size > 0 && size <= INDEX_SIZE_MAX && (uint64_t)at < f->footer_at &&
         (uint64_t)size <= f->footer_at - (uint64_t)at;
}

static bool wants_offset_index(const mst_pq_job *job, uint32_t leaf) {
  const mst_pq_chunk *c = chunk_of(job, leaf);
  return c->packed_size > INDEX_WORTH && is_inside(job->task->file, c->offset_index_at, c->offset_index_size);
}

static mst_status plan_indexes(mst_pq_job *job, mst_error *err) {
  mst_status status = MST_OK;
  const mst_pq_projection *p = &job->task->output;
  uint32_t i;
  if (job->spans.rows == (uint64_t)job->task->file->groups[job->group].rows) return MST_OK;
  MST_TRY_ALLOC(job->slots = mst_alloc_zero(job->task->mem, p->n_leaves + 1u, sizeof *job->slots));
  for (i = 0; i < p->n_leaves; i++)
    if (wants_offset_index(job, p->leaves[i])) job->slots[job->n_slots++].leaf = p->leaves[i];
  for (i = 0; i < job->n_slots; i++) {
    const mst_pq_chunk *c = chunk_of(job, job->slots[i].leaf);
    mst_pq_file_bytes(job->task->file, (uint64_t)c->offset_index_at, (uint64_t)c->offset_index_size,
                      &job->slots[i].offset);
  }
done:
  return status;
}

static bool has_indexes(const mst_pq_job *job) {
  uint32_t i;
  for (i = 0; i < job->n_slots; i++)
    if (job->slots[i].offset.data == NULL) return false;
  return true;
}

static mst_status ask_indexes(mst_pq_job *job, mst_pq_needs *needs, mst_error *err) {
  mst_status status = MST_OK;
  uint32_t i;
  for (i = 0; i < job->n_slots; i++) {
    const mst_pq_chunk *c = chunk_of(job, job->slots[i].leaf);
    mst_range range = {.offset = (uint64_t)c->offset_index_at, .length = (uint64_t)c->offset_index_size};
    if (job->slots[i].offset.data == NULL)
      MST_TRY(mst_pq_needs_add(needs, range, (mst_pq_need_of){.slot = &job->slots[i].offset}, err));
  }
done:
  return status;
}

/* A broken offset index is as good as none: what the pages themselves say is enough. */
static mst_status use_index(mst_pq_job *job, uint32_t leaf, mst_error *err) {
  const mst_pq_column_in *c = &job->scan.columns[leaf];
  mst_pq_index_slot *slot = job->slots;
  uint32_t i;
  mst_status status;
  for (i = 0; i < job->n_slots && slot->leaf != c->leaf; i++) slot++;
  if (i == job->n_slots) return MST_OK;
  status =
      mst_pq_offset_index_parse(job->task->mem, slot->offset.data, slot->offset.size, c->at, c->end,
                                (uint64_t)job->task->file->groups[job->group].rows, &job->scan.lanes[leaf].index, NULL);
  return status == MST_E_NO_MEMORY ? mst_fail_memory(err) : MST_OK;
}

/* ---- states -------------------------------------------------------------------------------------------------- */

static mst_status begin_reading(mst_pq_job *job, mst_error *err) {
  mst_status status = MST_OK;
  uint32_t i;
  MST_TRY(mst_pq_scan_open(job->task->file, job->group, &job->task->output, &job->scan, err));
  for (i = 0; i < job->scan.n_open && job->n_slots > 0; i++) MST_TRY(use_index(job, i, err));
  mst_pq_spans_free(&job->scan.spans);
  job->scan.spans = job->spans;
  job->spans = (mst_pq_spans){.mem = job->task->mem};
  MST_TRY(mst_pq_scan_plan(&job->scan, err));
  job->state = MST_PQ_JOB_READ;
done:
  return status;
}

/* Batches of a row group are about equally large. */
static uint64_t next_target(uint64_t left, uint64_t most) {
  uint64_t batches = left / most + (left % most != 0);
  return batches > 0 ? left / batches + (left % batches != 0) : 0;
}

mst_status mst_pq_job_advance(mst_pq_job *job, mst_error *err) {
  mst_status status = MST_OK;
  if (job->state == MST_PQ_JOB_INDEX) {
    if (!job->asked) MST_TRY(plan_indexes(job, err));
    job->asked = true;
    if (has_indexes(job)) MST_TRY(begin_reading(job, err));
  }
  if (job->state == MST_PQ_JOB_READ && job->scan.target == 0) {
    job->scan.target = next_target(mst_pq_scan_left(&job->scan), job->task->batch_rows);
    if (job->scan.target == 0) job->state = MST_PQ_JOB_DONE;
  }
done:
  return status;
}

uint64_t mst_pq_job_unasked(const mst_pq_job *job) {
  uint64_t n = 0;
  uint32_t i;
  if (job->state == MST_PQ_JOB_READ) return mst_pq_scan_unasked(&job->scan);
  for (i = 0; i < job->n_slots; i++) n += (uint64_t)chunk_of(job, job->slots[i].leaf)->offset_index_size;
  return n;
}

mst_status mst_pq_job_ask(mst_pq_job *job, bool all, uint64_t memory, mst_pq_needs *needs, mst_error *err) {
  uint64_t each = mst_max_u64(ASK_LEAST, memory / (job->scan.n_open + 1u));
  if (job->state == MST_PQ_JOB_INDEX) return ask_indexes(job, needs, err);
  return job->state == MST_PQ_JOB_READ ? mst_pq_scan_ask(&job->scan, all, each, needs, err) : MST_OK;
}

mst_pq_scan *mst_pq_job_scan(mst_pq_job *job) { return job->state == MST_PQ_JOB_READ ? &job->scan : NULL; }

mst_status mst_pq_job_give(mst_pq_job *job, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  uint32_t i;
  *out = (struct ArrowArray){0};
  if (job->state != MST_PQ_JOB_READ) return MST_OK;
  MST_TRY(mst_pq_scan_status(&job->scan, err));
  if (mst_pq_scan_is_missing(&job->scan)) return MST_OK;
  for (i = 0; i < job->scan.n_open; i++)
    if (mst_pq_scan_can_work(&job->scan, i)) return MST_OK;
  MST_TRY(mst_pq_scan_give(&job->scan, out, err));
done:
  return status;
}
