/* parquet/reader.c - the reading machine: row groups become batches; it asks for ranges and does no I/O.
 *
 * Owns: the row groups that are being read. May call: base, codec, column, expr. */
#include "parquet/crew.h"
#include "parquet/job.h"
#include "parquet/verify.h"

enum {
  BATCH_BYTES = 16 << 20,
  BATCH_ROWS_LEAST = 1024,
  BATCH_BYTES_MOST = 256 << 20, /* ... but not of rows as large as that */
  COLUMN_BYTES = 2 << 10,       /* what an open column takes without its pages */
  MEMORY_USUAL = 64 << 20,
  JOBS_MOST = 64,
  MAGIC_NEAR = 64 << 10 /* the magic is looked at when bytes as near to it are read anyway */
};

struct mst_parquet_reader {
  mst_pq_task task;
  mst_pq_crew crew;
  mst_range *rows; /* of the file; NULL: all */
  size_t n_rows, rows_at;
  size_t group, groups_end;
  uint64_t group_row;      /* first row of row group `group` in the file */
  uint64_t rows_unplanned; /* that the limit leaves for row groups that are not begun; without a condition */
  mst_pq_job *first, **end;
  size_t n_jobs, decoding_most;
  mst_pq_needs needs;
  mst_bytes magic;
  mst_pq_verify *verify; /* NULL: rows are read */
  bool magic_checked, failed;
};

/* ---- opening and closing ------------------------------------------------------------------------------------- */

static mst_status take_rows(mst_parquet_reader *r, const mst_parquet_read_options *o, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t end = 0;
  size_t i;
  if (o->rows == NULL) return MST_OK;
  for (i = 0; i < o->n_rows; i++) {
    if (o->rows[i].offset < end) return mst_fail(err, MST_E_ARGUMENT, "ranges of rows must rise and lie apart");
    if (!mst_add_u64(o->rows[i].offset, o->rows[i].length, &end) || end > (uint64_t)r->task.file->rows)
      return mst_fail(err, MST_E_ARGUMENT, "rows from %llu on, %llu of them, of a file that has %lld",
                      (unsigned long long)o->rows[i].offset, (unsigned long long)o->rows[i].length,
                      (long long)r->task.file->rows);
  }
  MST_TRY_ALLOC(r->rows = mst_alloc_array(r->task.mem, o->n_rows + 1, sizeof *r->rows));
  if (o->n_rows > 0) memcpy(r->rows, o->rows, o->n_rows * sizeof *r->rows);
  r->n_rows = o->n_rows;
done:
  return status;
}

static mst_status take_groups(mst_parquet_reader *r, const mst_parquet_read_options *o, mst_error *err) {
  const mst_parquet_file *f = r->task.file;
  size_t groups = o->first_group == 0 && o->groups == 0 ? f->n_groups : o->groups, i;
  if (o->first_group > f->n_groups || groups > f->n_groups - o->first_group)
    return mst_fail(err, MST_E_ARGUMENT, "row groups %zu to %zu of a Parquet file that has %zu", o->first_group,
                    o->first_group + groups, f->n_groups);
  r->group = o->first_group;
  r->groups_end = o->first_group + groups;
  for (i = 0; i < r->group; i++) r->group_row += (uint64_t)f->groups[i].rows;
  return MST_OK;
}

/* How many rows make a batch, how many threads decode, and how many row groups they may be at. */
static mst_status take_sizes(mst_parquet_reader *r, const mst_parquet_read_options *o, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t row = mst_max_u64(1, mst_pq_row_bytes(&r->task.output.root));
  r->task.memory = o->memory > 0 ? o->memory : o->ctx != NULL ? mst_context_memory_max(o->ctx) : MEMORY_USUAL;
  r->task.batch_rows = o->batch_rows;
  r->task.rows_asked = o->batch_rows > 0;
  if (o->batch_rows == 0)
    r->task.batch_rows = mst_max_u64(mst_min_u64(BATCH_BYTES, r->task.memory / 4) / row,
                                     mst_max_u64(1, mst_min_u64(BATCH_ROWS_LEAST, BATCH_BYTES_MOST / row)));
  r->task.rows_left = o->limit > 0 ? o->limit : UINT64_MAX;
  r->rows_unplanned = o->where == NULL ? r->task.rows_left : UINT64_MAX;
  MST_TRY(mst_pq_crew_open(r->task.mem, o->ctx, &r->crew, err));
  r->task.tools = &r->crew.tools[0];
  r->decoding_most =
      (size_t)mst_min_u64(r->crew.threads, 1 + r->task.memory / 2 / mst_max_u64(1, r->task.batch_rows * row));
done:
  return status;
}

static mst_status take_where(mst_parquet_reader *r, const mst_parquet_read_options *o, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_task *t = &r->task;
  MST_TRY(mst_pq_filter_make(t->file, o->where, &t->filter, err));
  MST_TRY_ALLOC(t->origins = mst_alloc_zero(t->mem, t->output.root.n_children + 1u, sizeof *t->origins));
  MST_TRY(mst_pq_project_rest(&t->output, &t->filter.columns, &t->rest, t->origins, err));
  MST_TRY(mst_pq_file_schema(t->file, &t->rest.root, &t->rest_schema, err));
done:
  return status;
}

mst_status mst_parquet_reader_open(mst_parquet_file *f, const mst_parquet_read_options *options,
                                   mst_parquet_reader **out, mst_error *err) {
  static const mst_parquet_read_options everything = {0};
  mst_status status = MST_OK;
  const mst_parquet_read_options *o = options != NULL ? options : &everything;
  mst_parquet_reader *r = NULL;
  if (f->fields == NULL) {
    if (err != NULL) *err = f->fields_error;
    return f->fields_error.status;
  }
  MST_TRY_ALLOC(r = mst_alloc_zero(f->mem, 1, sizeof *r));
  r->task.file = mst_parquet_file_ref(f);
  r->task.mem = r->task.output.mem = r->needs.mem = f->mem;
  r->task.filter.columns.mem = r->task.rest.mem = f->mem;
  r->task.pruning = !o->no_pruning;
  r->crew.mem = f->mem;
  r->end = &r->first;
  MST_TRY(take_groups(r, o, err));
  MST_TRY(take_rows(r, o, err));
  MST_TRY(mst_pq_project(f, o->columns, o->n_columns, &r->task.output, err));
  if (o->where != NULL) MST_TRY(take_where(r, o, err));
  MST_TRY(take_sizes(r, o, err));
  if (o->verify) MST_TRY(mst_pq_verify_open(f, r->group, r->groups_end - r->group, r->task.memory, &r->verify, err));
  *out = r;
  r = NULL;
done:
  mst_parquet_reader_free(r);
  return status;
}

static void drop_job(mst_parquet_reader *r) {
  mst_pq_job *job = r->first;
  r->first = job->next;
  if (r->first == NULL) r->end = &r->first;
  r->n_jobs--;
  mst_pq_job_free(job);
}

void mst_parquet_reader_free(mst_parquet_reader *r) {
  mst_parquet_file *f;
  if (r == NULL) return;
  while (r->first != NULL) drop_job(r);
  mst_pq_crew_close(&r->crew);
  mst_pq_verify_free(r->verify);
  mst_free(r->task.mem, r->rows);
  mst_pq_projection_free(&r->task.output);
  mst_pq_filter_free(&r->task.filter);
  mst_pq_projection_free(&r->task.rest);
  mst_schema_release(&r->task.rest_schema);
  mst_free(r->task.mem, r->task.origins);
  mst_pq_needs_free(&r->needs);
  mst_bytes_release(&r->magic);
  f = r->task.file;
  mst_free(r->task.mem, r);
  mst_parquet_file_unref(f);
}

mst_status mst_parquet_reader_schema(const mst_parquet_reader *r, struct ArrowSchema *out, mst_error *err) {
  return mst_pq_file_schema(r->task.file, &r->task.output.root, out, err);
}

mst_parquet_read_facts mst_parquet_reader_facts(const mst_parquet_reader *r) { return r->task.facts; }

/* ---- row groups ---------------------------------------------------------------------------------------------- */

/* The wanted rows of the next row group. */
static mst_status wanted_rows(mst_parquet_reader *r, uint64_t rows, mst_pq_spans *out, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t from = r->group_row, end = from + rows;
  if (r->rows == NULL) {
    MST_TRY(mst_pq_spans_add(out, 0, mst_min_u64(rows, r->rows_unplanned), err));
    r->rows_unplanned -= out->rows;
    return MST_OK;
  }
  while (r->rows_at < r->n_rows && r->rows[r->rows_at].offset < end) {
    const mst_range *w = &r->rows[r->rows_at];
    uint64_t first = mst_max_u64(w->offset, from) - from, last = mst_min_u64(w->offset + w->length, end) - from;
    if (w->offset + w->length > from) {
      last = mst_min_u64(last, first + mst_min_u64(r->rows_unplanned, rows));
      MST_TRY(mst_pq_spans_add(out, first, last, err));
      if (last > first) r->rows_unplanned -= last - first;
    }
    if (w->offset + w->length > end) break;
    r->rows_at++;
  }
done:
  return status;
}

/* Begins the next row group of which something is wanted. */
static mst_status begin_group(mst_parquet_reader *r, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t rows = (uint64_t)r->task.file->groups[r->group].rows;
  mst_prune decided = MST_PRUNE_SOME;
  mst_pq_spans spans = {.mem = r->task.mem};
  mst_pq_job *job;
  MST_TRY(wanted_rows(r, rows, &spans, err));
  r->group++;
  r->group_row += rows;
  if (spans.rows == 0) return MST_OK;
  if (r->task.filter.predicate != NULL && r->task.pruning)
    decided = mst_pq_prune_group(r->task.file, &r->task.filter, r->group - 1);
  if (decided == MST_PRUNE_NONE) {
    r->task.facts.groups_pruned++;
    r->task.facts.rows_pruned += spans.rows;
    goto done;
  }
  MST_TRY(mst_pq_job_new(&r->task, r->group - 1, r->task.filter.predicate != NULL && decided != MST_PRUNE_ALL, &spans,
                         &job, err));
  *r->end = job;
  r->end = &job->next;
  r->n_jobs++;
  r->task.facts.groups++;
done:
  mst_pq_spans_free(&spans);
  return status;
}

/* What reading the row group `group` takes of the file, at most. */
static uint64_t group_bytes(const mst_parquet_reader *r, size_t group) {
  const mst_pq_chunk *chunks = r->task.file->groups[group].chunks;
  uint64_t n = (uint64_t)r->task.output.n_leaves * COLUMN_BYTES;
  uint32_t i;
  for (i = 0; i < r->task.output.n_leaves; i++) {
    int64_t size = chunks[r->task.output.leaves[i]].packed_size;
    if (size > 0 && !mst_add_u64(n, (uint64_t)size, &n)) return UINT64_MAX;
  }
  return n;
}

/* Small row groups are asked for together; large ones one by one. */
static mst_status begin_groups(mst_parquet_reader *r, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t bytes = 0, more;
  const mst_pq_job *job;
  for (job = r->first; job != NULL; job = job->next)
    if (!mst_add_u64(bytes, group_bytes(r, job->group), &bytes)) bytes = UINT64_MAX;
  while (r->group < r->groups_end && r->rows_unplanned > 0 && r->task.rows_left > 0 && r->n_jobs < JOBS_MOST) {
    more = group_bytes(r, r->group);
    if (r->n_jobs > 0 && (!mst_add_u64(bytes, more, &more) || more > r->task.memory / 2)) break;
    MST_TRY(begin_group(r, err));
    if (r->n_jobs > 0) bytes = more;
  }
done:
  return status;
}

/* ---- bytes --------------------------------------------------------------------------------------------------- */

static mst_status check_magic(const mst_bytes *b, mst_error *err) {
  if (memcmp(b->data, "PAR1", 4) == 0) return MST_OK;
  return mst_fail_at(err, MST_E_CORRUPT, 0, "not a Parquet file: it begins with %02x %02x %02x %02x, not with \"PAR1\"",
                     b->data[0], b->data[1], b->data[2], b->data[3]);
}

static mst_status take_given(mst_parquet_reader *r, const mst_bytes *given, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  size_t i;
  if (n != r->needs.n) return mst_fail(err, MST_E_INTERNAL, "%zu ranges were asked for and %zu came", r->needs.n, n);
  for (i = 0; i < n; i++) {
    const mst_range *range = &r->needs.ranges[i];
    mst_pq_need_of of = r->needs.of[i];
    if (given[i].size != range->length)
      return mst_fail_at(err, MST_E_CORRUPT, range->offset,
                         "the file ends early: %llu bytes at byte %llu were asked for, %zu came",
                         (unsigned long long)range->length, (unsigned long long)range->offset, given[i].size);
    if (of.slot != NULL) {
      mst_bytes_release(of.slot);
      *of.slot = mst_bytes_share(&given[i]);
    } else {
      MST_TRY(mst_pq_bytes_in_put(of.bytes, range->offset, &given[i], err));
      of.column->missing = 0;
    }
  }
  r->needs.n = 0;
  r->needs.bytes = 0;
  if (r->magic.size == 4) MST_TRY(check_magic(&r->magic, err));
  mst_bytes_release(&r->magic);
done:
  return status;
}

/* The first bytes come along when the data right behind them are read anyway. */
static mst_status ask_magic(mst_parquet_reader *r, mst_error *err) {
  const mst_range magic = {.offset = 0, .length = 4};
  size_t i;
  for (i = 0; i < r->needs.n && !r->magic_checked; i++) {
    if (r->needs.ranges[i].offset > MAGIC_NEAR) continue;
    r->magic_checked = true;
    return mst_pq_needs_add(&r->needs, magic, (mst_pq_need_of){.slot = &r->magic}, err);
  }
  return MST_OK;
}

static mst_status ask(mst_parquet_reader *r, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t memory = r->task.memory / 2;
  mst_pq_job *job;
  for (job = r->first; job != NULL; job = job->next) {
    uint64_t unasked = mst_pq_job_unasked(job), room = memory > r->needs.bytes ? memory - r->needs.bytes : 0;
    if (job != r->first && unasked > room) break;
    MST_TRY(mst_pq_job_ask(job, unasked <= room, memory, &r->needs, err));
  }
  if (r->needs.n == 0) status = mst_fail(err, MST_E_INTERNAL, "a Parquet reader has nothing to do and nothing to ask");
done:
  return status;
}

/* ---- decoding ------------------------------------------------------------------------------------------------ */

static void work(void *self, uint32_t leaf, mst_pq_tools *tools) { mst_pq_scan_work(self, leaf, tools); }

/* Works on what can be worked on; `*some` tells whether there was any. */
static mst_status decode(mst_parquet_reader *r, bool *some, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_job *job;
  size_t k;
  uint32_t leaf;
  for (k = 0, job = r->first; job != NULL && k < r->decoding_most; job = job->next, k++) {
    mst_pq_scan *scan = mst_pq_job_scan(job);
    for (leaf = 0; scan != NULL && leaf < scan->n_open; leaf++)
      if (scan->lanes[leaf].status == MST_OK && mst_pq_scan_can_work(scan, leaf))
        MST_TRY(mst_pq_crew_add(&r->crew, (mst_pq_work){.run = work, .self = scan, .part = leaf}, err));
  }
  *some = r->crew.n > 0;
  MST_TRY(mst_pq_crew_run(&r->crew, err));
done:
  return status;
}

/* ---- steps --------------------------------------------------------------------------------------------------- */

static mst_status step(mst_parquet_reader *r, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_pq_job *job;
  bool some;
  for (;;) {
    MST_TRY(begin_groups(r, err));
    if (r->first == NULL) return MST_OK;
    for (job = r->first; job != NULL; job = job->next) mst_pq_job_advance(job);
    if (r->first->state == MST_PQ_JOB_DONE || r->task.rows_left == 0) {
      drop_job(r);
      continue;
    }
    MST_TRY(mst_pq_job_give(r->first, out, err));
    if (out->release != NULL) break;
    if (mst_pq_job_scan(r->first) != NULL && mst_pq_job_scan(r->first)->target == 0) continue;
    MST_TRY(decode(r, &some, err));
    if (some) continue;
    MST_TRY(ask(r, err));
    return MST_OK;
  }
  r->task.facts.rows += (uint64_t)out->length;
done:
  return status;
}

mst_status mst_parquet_reader_step(mst_parquet_reader *r, const mst_bytes *given, size_t n_given,
                                   const mst_range **need, size_t *n_need, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  *need = NULL;
  *n_need = 0;
  *out = (struct ArrowArray){0};
  if (r->failed) return mst_fail(err, MST_E_ARGUMENT, "this Parquet reader failed before");
  if (r->needs.n > 0 || n_given > 0) MST_TRY(take_given(r, given, n_given, err));
  MST_TRY(r->verify != NULL ? mst_pq_verify_step(r->verify, &r->crew, &r->needs, &r->task.facts, err)
                            : step(r, out, err));
  if (r->needs.n > 0) MST_TRY(ask_magic(r, err));
  r->task.facts.bytes += r->needs.bytes;
  r->task.facts.requests += r->needs.n > 0;
  *need = r->needs.ranges;
  *n_need = r->needs.n;
done:
  if (status != MST_OK) r->failed = true;
  return status;
}
