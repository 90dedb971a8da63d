/* format/fastq.c - the FASTQ format as the registry and the generic record machines know it: names, detection, dialect,
 * and the table of what the other fastq_*.c files do.
 *
 * Owns: the tables. May call: base, fastq*.c, the generic machines. */
#include "format/fastq.h"
#include "format/export.h"

/* ---- detection ------------------------------------------------------------------------------------------------ */

static size_t skip_blank_lines(const uint8_t *head, size_t n) {
  size_t at = 0;
  while (at < n && (head[at] == '\n' || head[at] == '\r' || head[at] == ' ' || head[at] == '\t')) at++;
  return at;
}

static size_t line_end(const uint8_t *head, size_t n, size_t at) {
  const uint8_t *lf = at < n ? memchr(head + at, '\n', n - at) : NULL;
  return lf == NULL ? n : (size_t)(lf - head);
}

/* Does the third line begin with '+', or some line before the next 64 KiB are over? */
static bool has_plus(const uint8_t *head, size_t n, size_t at) {
  for (at = line_end(head, n, at) + 1; at < n; at = line_end(head, n, at) + 1)
    if (head[at] == '+') return true;
  return false;
}

/* A name that fits counts for text of any kind, so that what is no FASTQ in a .fastq file is refused and not read as
 * text. */
static int probe(const char *name, uint64_t size, const uint8_t *head, size_t n) {
  const size_t at = skip_blank_lines(head, n);
  (void)name;
  if (n == 0) return size == 0 ? 5 : 0;
  if (at < n && head[at] == '@') return has_plus(head, n, at) ? 70 : 25;
  return memchr(head, 0, n) == NULL ? 3 : 0;
}

/* ---- dialect -------------------------------------------------------------------------------------------------- */

/* How many reads of the head this dialect explains; UINT64_MAX: all of it. */
static mst_status explained(const mst_allocator *mem, const json_t *dialect, const uint8_t *head, size_t n, bool whole,
                            uint64_t *out, mst_error *err) {
  mst_error trial = {0};
  mst_scanner *s = NULL;
  bool stopped;
  size_t used;
  mst_status status = MST_OK;
  MST_TRY(mst_fastq_scanner_open(mem, dialect, MST_FASTQ_BEGIN, NULL, &s, err));
  status = mst_fastq_scanner_feed(s, head, n, NULL, &used, &stopped, &trial);
  if (status == MST_OK && whole) status = mst_fastq_scanner_end(s, &trial);
  *out = status == MST_OK ? UINT64_MAX : mst_fastq_scanner_records(s);
  if (status == MST_E_CORRUPT) status = MST_OK;
  else if (status != MST_OK && err != NULL) *err = trial;
done:
  mst_fastq_scanner_close(s);
  return status;
}

static mst_status set_lines(json_t *dialect, bool multi, mst_error *err) {
  return multi ? mst_json_set_text(dialect, "lines", "multi", err) : mst_json_set_u64(dialect, "lines", 4, err);
}

/* Four lines unless only more lines explain what is there. */
static mst_status find_lines(const mst_allocator *mem, json_t *dialect, const uint8_t *head, size_t n, bool whole,
                             mst_error *err) {
  mst_status status = MST_OK;
  uint64_t four, multi;
  MST_TRY(set_lines(dialect, false, err));
  MST_TRY(explained(mem, dialect, head, n, whole, &four, err));
  if (four == UINT64_MAX) return MST_OK;
  MST_TRY(set_lines(dialect, true, err));
  MST_TRY(explained(mem, dialect, head, n, whole, &multi, err));
  if (multi <= four) MST_TRY(set_lines(dialect, false, err));
done:
  return status;
}

static mst_status sniff(const mst_job *job, const uint8_t *head, size_t n, bool whole, json_t **dialect, uint64_t *want,
                        mst_error *err) {
  mst_fastq_dialect asked = {0};
  mst_status status = MST_OK;
  json_t *j = NULL;
  (void)want;
  MST_TRY_ALLOC(j = json_object());
  if (job->options != NULL && mst_fastq_dialect_read(job->options, &asked, err) != MST_OK)
    return json_decref(j), mst_fail(err, MST_E_ARGUMENT,
                                    "the FASTQ option \"lines\" is 4 or \"multi\", "
                                    "\"interleaved\" is true or false");
  if (asked.interleaved) MST_TRY(mst_json_set(j, "interleaved", json_true(), err));
  if (json_object_get(job->options, "lines") != NULL) MST_TRY(set_lines(j, asked.multi, err));
  else MST_TRY(find_lines(job->mem, j, head, n, whole, err));
  MST_TRY(mst_fastq_dialect_read(j, &asked, err));
  if (asked.multi || asked.interleaved) MST_TRY(mst_json_set(j, "serial", json_true(), err));
  *dialect = j;
  j = NULL;
done:
  json_decref(j);
  return status;
}

/* ---- tables --------------------------------------------------------------------------------------------------- */

static const char *const globs[] = {"*.fq", "*.fastq", NULL};
static const char *const strategies[] = {"reads", NULL};
static const char *const options[] = {"lines", "interleaved", NULL};

const mst_format mst_format_fastq = {
    .name = "fastq",
    .title = "FASTQ: reads and qualities, four-line or multi-line",
    .version = 1,
    .flags = MST_FORMAT_TEXT_LIKE,
    .globs = globs,
    .strategies = strategies,
    .options = options,
    .probe = probe,
    .inspect = mst_records_inspect,
    .scan = mst_records_scan,
    .merge = mst_records_merge,
    .collect = mst_records_collect,
    .index_schema = mst_records_index_schema,
    .plan = mst_records_plan,
    .read = mst_records_read,
    .read_schema = mst_records_read_schema,
    .slice_facts = mst_records_slice_facts,
    .export_companion = mst_export_fai_or_gzi,
};

const mst_record_ops mst_records_fastq = {
    .format = &mst_format_fastq,
    .n_states = MST_FASTQ_STATES,
    .safe_state = MST_FASTQ_READ,
    .sniff = sniff,
    .open = mst_fastq_scanner_open,
    .feed = mst_fastq_scanner_feed,
    .end = mst_fastq_scanner_end,
    .state = mst_fastq_scanner_state,
    .records = mst_fastq_scanner_records,
    .close = mst_fastq_scanner_close,
    .take_extra = mst_fastq_scanner_take_extra,
    .join_extra = mst_fastq_join,
    .carry_extra = mst_fastq_join,
    .final_facts = mst_fastq_final_facts,
    .rows_schema = mst_fastq_rows_schema,
    .rows_open = mst_fastq_rows_open,
    .rows_feed = mst_fastq_rows_feed,
    .rows_take = mst_fastq_rows_take,
    .rows_close = mst_fastq_rows_close,
};
