/* format/parquet.c - Parquet files as sources: rows are records, the footer is the index, so plans need none of ours.
 * A slice is a run of rows, with a condition where the plan had one; read, it is a Parquet file of its own.
 *
 * Owns: the format's table of calls, and the footer until a machine ends. May call: base, column, expr, parquet. */
#include "format/parquet_format.h"

enum { FILE_LEAST = 12 }; /* magic, footer's size, magic */

/* ---- the footer ------------------------------------------------------------------------------------------------ */

static mst_status parse(mst_footer *f, const mst_bytes *tail, mst_error *err) {
  const uint64_t size = f->job->members[0].size;
  uint64_t need = 0;
  mst_status status = mst_parquet_file_parse(f->job->mem, tail->data, tail->size, size, &f->file, &need, err);
  if (status != MST_OK || f->file != NULL) return status;
  if (need <= tail->size) return mst_fail(err, MST_E_INTERNAL, "the footer asks for fewer bytes than it was given");
  if (need > mst_max_u64(f->job->record_max, MST_PARQUET_TAIL))
    return mst_fail(err, MST_E_LIMIT, "the footer of this Parquet file takes %llu bytes, more than a record may (%llu)",
                    (unsigned long long)need, (unsigned long long)f->job->record_max);
  f->need = (mst_range){.offset = size - need, .length = need};
  return MST_OK;
}

mst_status mst_footer_step(mst_footer *f, const mst_given *given, mst_step *out, mst_error *err) {
  const uint64_t size = f->job->members[0].size;
  if (f->file != NULL) return MST_OK;
  if (given != NULL && given->n == 1) {
    mst_status status = parse(f, &given->bytes[0], err);
    if (status != MST_OK || f->file != NULL) return status;
  } else {
    const bool hinted = f->hint >= FILE_LEAST && f->hint <= mst_max_u64(f->job->record_max, MST_PARQUET_TAIL);
    const uint64_t n = mst_min_u64(size, hinted ? f->hint : MST_PARQUET_TAIL);
    if (size < FILE_LEAST)
      return mst_fail(err, MST_E_CORRUPT, "not a Parquet file, or cut short: it has %llu bytes",
                      (unsigned long long)size);
    f->need = (mst_range){.offset = size - n, .length = n};
  }
  out->kind = MST_STEP_NEED;
  out->need = &f->need;
  out->n_need = 1;
  return MST_OK;
}

void mst_footer_free(mst_footer *f) {
  mst_parquet_file_unref(f->file);
  f->file = NULL;
}

bool mst_parquet_needs(const mst_range *need, size_t n_need, mst_step *out) {
  if (n_need == 0) return false;
  out->kind = MST_STEP_NEED;
  out->need = need;
  out->n_need = n_need;
  return true;
}

/* ---- inspect --------------------------------------------------------------------------------------------------- */

typedef struct inspector {
  mst_machine machine; /* first */
  mst_footer footer;
} inspector;

static mst_status facts_of(const mst_footer *f, json_t **out, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t plain = 0;
  json_t *facts = json_object();
  const size_t groups = mst_parquet_file_groups(f->file);
  for (size_t i = 0; i < groups; i++)
    if (!mst_add_u64(plain, mst_parquet_group_plain_bytes(f->file, i), &plain)) plain = UINT64_MAX;
  MST_TRY_ALLOC(facts);
  MST_TRY(mst_json_set_text(facts, "container", "plain", err));
  MST_TRY(mst_json_set_u64(facts, "records", mst_parquet_file_rows(f->file), err));
  MST_TRY(mst_json_set_u64(facts, "plain_bytes", mst_min_u64(plain, INT64_MAX), err));
  MST_TRY(mst_json_set_u64(facts, "row_groups", groups, err));
  *out = facts;
  facts = NULL;
done:
  json_decref(facts);
  return status;
}

static mst_status inspect_step(mst_machine *m, const mst_given *given, mst_step *out, mst_error *err) {
  inspector *p = (inspector *)m;
  mst_status status = mst_footer_step(&p->footer, given, out, err);
  if (status != MST_OK || p->footer.file == NULL) return status;
  out->kind = MST_STEP_DONE;
  return facts_of(&p->footer, &out->facts, err);
}

static void inspect_close(mst_machine *m) {
  inspector *p = (inspector *)m;
  mst_footer_free(&p->footer);
  mst_free(p->footer.job->mem, p);
}

static mst_status inspect(const mst_job *job, mst_machine **out, mst_error *err) {
  static const mst_machine_ops ops = {.step = inspect_step, .close = inspect_close};
  inspector *p = mst_alloc_zero(job->mem, 1, sizeof *p);
  if (p == NULL) return mst_fail_memory(err);
  p->machine.ops = &ops;
  p->footer.job = job;
  *out = &p->machine;
  return MST_OK;
}

/* ---- the format ------------------------------------------------------------------------------------------------ */

/* Encrypted footers begin otherwise; they are refused by name when they are opened. */
static int probe(const char *name, uint64_t size, const uint8_t *head, size_t n) {
  (void)name;
  if (n >= 4 && (memcmp(head, "PAR1", 4) == 0 || memcmp(head, "PARE", 4) == 0)) return size >= FILE_LEAST ? 100 : 50;
  return 0;
}

/* A part tells all that reading it needs. */
static mst_status slice_facts(const mst_job *job, json_t **out, mst_error *err) {
  (void)job;
  *out = json_object();
  return *out == NULL ? mst_fail_memory(err) : MST_OK;
}

static const char *const globs[] = {"*.parquet", "*.parq", "*.pq", NULL};
static const char *const strategies[] = {"rows", "row_groups", NULL};
static const char *const row_options[] = {"columns", NULL};

const mst_format mst_format_parquet = {
    .name = "parquet",
    .title = "Parquet files: rows, by their own footer and page indexes",
    .version = 1,
    .flags = MST_FORMAT_NO_INDEX | MST_FORMAT_OWN_SCHEMA,
    .globs = globs,
    .strategies = strategies,
    .row_options = row_options,
    .probe = probe,
    .inspect = inspect,
    .check = mst_parquet_check,
    .plan = mst_parquet_plan,
    .read = mst_parquet_read_part,
    .slice_facts = slice_facts,
};
