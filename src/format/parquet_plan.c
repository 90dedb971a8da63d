/* format/parquet_plan.c - slices of a Parquet file from its footer, and from page indexes where there is a condition:
 * runs of rows, balanced by plain bytes, on the borders of row groups where these lie near.
 *
 * Owns: the borders until they are given out. May call: base, expr, parquet. */
#include "format/parquet_format.h"

enum {
  SLICE_BYTES_DEFAULT = 64 << 20,
  NEAR = 8 /* a border of a row group this part of a slice away is taken instead */
};
#define SLICES_MAX ((uint64_t)10 * 1000 * 1000)

typedef struct plan {
  mst_machine machine; /* first */
  const mst_job *job;
  mst_footer footer;
  mst_where *where;
  char *where_text;
  bool by_groups;
  uint64_t slices, slice_bytes, slice_records;
  mst_parquet_sift *sift; /* while it is asked */
  mst_range *runs;        /* of rows that may match, rising and apart */
  size_t n_runs;
  uint64_t rows;      /* in all of them                                    */
  uint64_t *group_at; /* rows of `runs` before each row group, and all     */
  double *weight_at;  /* plain bytes of these                              */
  size_t n_groups;
  uint64_t given, n_parts, part; /* rows that were given out; parts and the next one */
  uint64_t tail;                 /* bytes at the end that a reader needs            */
  bool prepared;
} plan;

/* ---- what is shared out ----------------------------------------------------------------------------------------- */

static mst_status keep_runs(plan *p, const mst_range *runs, size_t n, mst_error *err) {
  p->runs = mst_alloc_array(p->job->mem, n + 1, sizeof *p->runs);
  if (p->runs == NULL) return mst_fail_memory(err);
  if (n > 0) memcpy(p->runs, runs, n * sizeof *runs);
  p->n_runs = n;
  for (size_t i = 0; i < n; i++) p->rows += runs[i].length;
  return MST_OK;
}

/* How many rows that may match lie in front of each row group, and about how many bytes they make. */
static mst_status measure(plan *p, mst_error *err) {
  mst_status status = MST_OK;
  const mst_parquet_file *f = p->footer.file;
  uint64_t row = 0, kept = 0;
  double weight = 0;
  size_t run = 0;
  p->n_groups = mst_parquet_file_groups(f);
  MST_TRY_ALLOC(p->group_at = mst_alloc_array(p->job->mem, p->n_groups + 1, sizeof *p->group_at));
  MST_TRY_ALLOC(p->weight_at = mst_alloc_array(p->job->mem, p->n_groups + 1, sizeof *p->weight_at));
  for (size_t g = 0; g < p->n_groups; g++) {
    const uint64_t rows = mst_parquet_group_rows(f, g), end = row + rows;
    uint64_t here = 0;
    p->group_at[g] = kept;
    p->weight_at[g] = weight;
    for (; run < p->n_runs && p->runs[run].offset < end; run++) {
      const uint64_t from = mst_max_u64(p->runs[run].offset, row),
                     to = mst_min_u64(p->runs[run].offset + p->runs[run].length, end);
      here += to > from ? to - from : 0;
      if (p->runs[run].offset + p->runs[run].length > end) break;
    }
    if (rows > 0)
      weight += (double)mst_parquet_group_plain_bytes(f, g) * ((double)here / (double)rows) + 1e-9 * (double)here;
    kept += here;
    row = end;
  }
  p->group_at[p->n_groups] = kept;
  p->weight_at[p->n_groups] = weight;
done:
  return status;
}

static size_t find_group(const plan *p, uint64_t kept) {
  size_t low = 0, high = p->n_groups;
  while (high - low > 1) {
    const size_t middle = low + (high - low) / 2;
    if (p->group_at[middle] <= kept) low = middle;
    else high = middle;
  }
  return low;
}

/* The number of kept rows that make this weight. */
static uint64_t rows_of_weight(const plan *p, double weight) {
  size_t low = 0, high = p->n_groups;
  while (high - low > 1) {
    const size_t middle = low + (high - low) / 2;
    if (p->weight_at[middle] <= weight) low = middle;
    else high = middle;
  }
  const double span = p->weight_at[low + 1] - p->weight_at[low];
  const uint64_t rows = p->group_at[low + 1] - p->group_at[low];
  const double part = span > 0 ? (weight - p->weight_at[low]) / span : 0;
  return mst_min_u64(p->group_at[low] + (uint64_t)(part * (double)rows + 0.5), p->rows);
}

static double weight_of_rows(const plan *p, uint64_t kept) {
  if (kept >= p->rows) return p->weight_at[p->n_groups];
  const size_t g = find_group(p, kept);
  const uint64_t rows = p->group_at[g + 1] - p->group_at[g];
  return p->weight_at[g] +
         (rows == 0 ? 0 : (p->weight_at[g + 1] - p->weight_at[g]) * ((double)(kept - p->group_at[g]) / (double)rows));
}

/* ---- borders ---------------------------------------------------------------------------------------------------- */

/* A border between row groups costs no page twice. */
static uint64_t snap(const plan *p, uint64_t kept, uint64_t reach) {
  if (p->n_groups == 0 || kept >= p->rows) return kept;
  const size_t g = find_group(p, kept);
  const uint64_t below = p->group_at[g], above = p->group_at[g + 1];
  if (p->by_groups) return kept - below <= above - kept ? below : above;
  if (kept - below <= reach && kept - below <= above - kept) return below;
  return above - kept <= reach ? above : kept;
}

/* Where part i begins, in kept rows. */
static uint64_t border(const plan *p, uint64_t i) {
  if (i == 0) return 0;
  if (i >= p->n_parts) return p->rows;
  if (p->slice_records > 0) return mst_min_u64(p->rows, i * p->slice_records);
  if (p->by_groups && p->slices == 0 && p->slice_bytes == 0) return p->group_at[i];
  const double all = p->weight_at[p->n_groups];
  const uint64_t ideal = rows_of_weight(p, all * ((double)i / (double)p->n_parts));
  return snap(p, ideal, p->rows / p->n_parts / NEAR);
}

static mst_status count_parts(plan *p, mst_error *err) {
  const double all = p->weight_at[p->n_groups];
  if (p->slice_records > 0) {
    p->n_parts = p->rows / p->slice_records + (p->rows % p->slice_records != 0);
  } else if (p->slices > 0) {
    p->n_parts = mst_min_u64(p->slices, p->rows);
  } else if (p->by_groups && p->slice_bytes == 0) {
    p->n_parts = p->n_groups;
  } else {
    const double size = (double)(p->slice_bytes > 0 ? p->slice_bytes : SLICE_BYTES_DEFAULT);
    const double parts = all / size;
    p->n_parts = mst_min_u64(parts > 1e18 ? UINT64_MAX : (uint64_t)parts + (parts > (double)(uint64_t)parts), p->rows);
    if (p->n_parts == 0 && p->rows > 0) p->n_parts = 1;
  }
  if (p->n_parts > SLICES_MAX)
    return mst_fail(err, MST_E_LIMIT, "more than %llu slices", (unsigned long long)SLICES_MAX);
  return MST_OK;
}

/* ---- parts ------------------------------------------------------------------------------------------------------ */

/* The row of the file that is kept row number `kept`; `behind`: the place behind the last kept row before it. */
static uint64_t file_row(const plan *p, uint64_t kept, bool behind) {
  uint64_t at = 0;
  for (size_t i = 0; i < p->n_runs; i++) {
    const uint64_t n = p->runs[i].length;
    if (kept < at + n || (behind && kept == at + n)) return p->runs[i].offset + (kept - at);
    at += n;
  }
  return p->n_runs == 0 ? 0 : p->runs[p->n_runs - 1].offset + p->runs[p->n_runs - 1].length;
}

static mst_status give_part(plan *p, uint64_t begin, uint64_t end, mst_step *out, mst_error *err) {
  mst_status status = MST_OK;
  const uint64_t first = file_row(p, begin, false), last = file_row(p, end, true);
  const double bytes = weight_of_rows(p, end) - weight_of_rows(p, begin);
  json_t *part =
      json_pack("{s:[I, I], s:I}", "rows", (json_int_t)first, (json_int_t)(last - first), "tail", (json_int_t)p->tail);
  MST_TRY_ALLOC(part);
  if (p->where_text != NULL) MST_TRY(mst_json_set_text(part, "where", p->where_text, err));
  out->kind = MST_STEP_PART;
  out->part = part;
  out->part_records = p->where == NULL ? end - begin : UINT64_MAX;
  out->part_bytes = p->where == NULL ? (uint64_t)(bytes + 0.5) : UINT64_MAX;
  part = NULL;
done:
  json_decref(part);
  return status;
}

static mst_status sift(plan *p, const mst_given *given, mst_step *out, bool *waits, mst_error *err) {
  mst_status status = MST_OK;
  const mst_range *need = NULL, *runs = NULL;
  const mst_range all = {.offset = 0, .length = mst_parquet_file_rows(p->footer.file)};
  size_t n_need = 0, n_runs = 0;
  if (p->where == NULL) return keep_runs(p, &all, all.length > 0, err);
  const bool fresh = p->sift == NULL;
  if (fresh) MST_TRY(mst_parquet_sift_open(p->footer.file, p->where, &p->sift, err));
  MST_TRY(mst_parquet_sift_step(p->sift, fresh ? NULL : given->bytes, fresh ? 0 : given->n, &need, &n_need, &runs,
                                &n_runs, err));
  *waits = mst_parquet_needs(need, n_need, out);
  if (!*waits) MST_TRY(keep_runs(p, runs, n_runs, err));
done:
  return status;
}

static mst_status plan_step(mst_machine *m, const mst_given *given, mst_step *out, mst_error *err) {
  mst_status status = MST_OK;
  plan *p = (plan *)m;
  bool waits = false;
  if (p->footer.file == NULL) {
    MST_TRY(mst_footer_step(&p->footer, given, out, err));
    if (p->footer.file == NULL) return MST_OK;
  }
  if (!p->prepared) {
    MST_TRY(sift(p, given, out, &waits, err));
    if (waits) return MST_OK;
    MST_TRY(measure(p, err));
    MST_TRY(count_parts(p, err));
    p->tail = mst_parquet_file_tail(p->footer.file);
    p->prepared = true;
  }
  while (p->part < p->n_parts) {
    const uint64_t begin = p->given, end = mst_max_u64(begin, border(p, ++p->part));
    p->given = end;
    if (end > begin) return give_part(p, begin, end, out, err);
  }
  out->kind = MST_STEP_DONE;
done:
  return status;
}

static void plan_close(mst_machine *m) {
  plan *p = (plan *)m;
  const mst_allocator *mem = p->job->mem;
  mst_parquet_sift_free(p->sift);
  mst_footer_free(&p->footer);
  mst_where_unref(p->where);
  mst_free(mem, p->where_text);
  mst_free(mem, p->runs);
  mst_free(mem, p->group_at);
  mst_free(mem, p->weight_at);
  mst_free(mem, p);
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

static mst_status take_query(plan *p, const mst_plan_query *q, mst_error *err) {
  const int asked = (q->slices > 0) + (q->slice_bytes > 0) + (q->slice_records > 0);
  p->by_groups = mst_text_equal(q->strategy, "row_groups");
  if (q->strategy != NULL && !p->by_groups && !mst_text_equal(q->strategy, "rows"))
    return mst_fail(err, MST_E_ARGUMENT, "parquet has no strategy \"%.40s\"; it has \"rows\" and \"row_groups\"",
                    q->strategy);
  if (q->region != NULL || json_object_size(q->options) > 0)
    return mst_fail(err, MST_E_ARGUMENT,
                    "parquet knows no regions or further options; ask for rows by a condition (where)");
  if (asked > 1)
    return mst_fail(err, MST_E_ARGUMENT, "ask for slices by number, by size or by records, not for more than one");
  if (p->by_groups && q->slice_records > 0)
    return mst_fail(err, MST_E_ARGUMENT, "the strategy \"row_groups\" does not count records");
  p->slices = q->slices;
  p->slice_bytes = q->slice_bytes;
  p->slice_records = q->slice_records;
  return MST_OK;
}

static mst_status take_where(plan *p, const char *text, mst_error *err) {
  mst_status status = MST_OK;
  mst_buf canonical;
  mst_buf_init(&canonical, p->job->mem, MST_WHERE_TEXT_MAX);
  MST_TRY(mst_where_parse_any(p->job->mem, text, strlen(text), &p->where, err));
  MST_TRY(mst_where_text(p->where, &canonical, err));
  MST_TRY_ALLOC(p->where_text = mst_text_copy(p->job->mem, mst_buf_text(&canonical)));
done:
  mst_buf_free(&canonical);
  return status;
}

mst_status mst_parquet_plan(const mst_job *job, const mst_plan_query *query, mst_machine **out, mst_error *err) {
  static const mst_machine_ops ops = {.step = plan_step, .close = plan_close};
  mst_status status = MST_OK;
  plan *p = mst_alloc_zero(job->mem, 1, sizeof *p);
  if (p == NULL) return mst_fail_memory(err);
  p->machine.ops = &ops;
  p->job = p->footer.job = job;
  MST_TRY(take_query(p, query, err));
  if (query->where != NULL) MST_TRY(take_where(p, query->where, err));
  *out = &p->machine;
  p = NULL;
done:
  if (p != NULL) plan_close(&p->machine);
  return status;
}
