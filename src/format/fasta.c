/* format/fasta.c - the FASTA format as the registry and the generic record machines know it: names, detection, dialect,
 * and the table of what the other fasta_*.c files do.
 *
 * Owns: the tables. May call: base, fasta*.c, the generic machines. */
#include "format/export.h"
#include "format/fasta_region.h"

/* ---- detection ------------------------------------------------------------------------------------------------ */

static bool has_bom(const uint8_t *head, size_t n) { return n >= 3 && memcmp(head, "\xef\xbb\xbf", 3) == 0; }

/* Offset of the first '>' that begins a line with nothing but blank lines and comments in front; n when there is none.
 */
static size_t first_header(const uint8_t *head, size_t n) {
  size_t at = has_bom(head, n) ? 3 : 0;
  while (at < n) {
    const uint8_t *lf = memchr(head + at, '\n', n - at);
    const size_t end = lf == NULL ? n : (size_t)(lf - head);
    if (head[at] == '>') return at;
    if (strchr(";#!", head[at]) == NULL)
      for (size_t i = at; i < end; i++)
        if (!mst_fasta_blank(head[i])) return n;
    at = end + 1;
  }
  return n;
}

/* A name that fits counts for text of any kind, so that what is no FASTA in a .fa file is refused and not read as text.
 */
static int probe(const char *name, uint64_t size, const uint8_t *head, size_t n) {
  (void)name;
  if (n == 0) return size == 0 ? 5 : 0;
  if (first_header(head, n) < n) return 60;
  return memchr(head, 0, n) == NULL ? 3 : 0;
}

/* ---- dialect -------------------------------------------------------------------------------------------------- */

static bool only_lone_returns(const uint8_t *text, size_t n) {
  const uint8_t *cr = memchr(text, '\r', n);
  return cr != NULL && cr + 1 < text + n && memchr(text, '\n', n) == NULL;
}

static mst_status sniff(const mst_job *job, const uint8_t *head, size_t n, bool whole, json_t **dialect, uint64_t *want,
                        mst_error *err) {
  const size_t header = first_header(head, n);
  mst_status status = MST_OK;
  json_t *j = NULL;
  (void)job, (void)whole, (void)want;
  if (header < n && only_lone_returns(head + header, n - header))
    return mst_fail_at(err, MST_E_UNSUPPORTED, header,
                       "the lines of this FASTA object end in lone carriage returns; write them as line feeds");
  MST_TRY_ALLOC(j = json_object());
  if (has_bom(head, n)) MST_TRY(mst_json_set(j, "bom", json_true(), err));
  *dialect = j;
  j = NULL;
done:
  json_decref(j);
  return status;
}

/* ---- tables --------------------------------------------------------------------------------------------------- */

static const char *const globs[] = {"*.fa", "*.fasta", "*.fna", "*.faa", "*.ffn", "*.frn", "*.fas", "*.fsa", NULL};
static const char *const companions[] = {"%.fai", "%.gzi", NULL};
static const char *const strategies[] = {"records", "residues", NULL};
static const char *const options[] = {NULL};
static const char *const units[] = {"residues", NULL};

const mst_format mst_format_fasta = {
    .name = "fasta",
    .title = "FASTA: sequences by record, by residues, by region",
    .version = 1,
    .flags = MST_FORMAT_TEXT_LIKE,
    .globs = globs,
    .companions = companions,
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

const mst_record_ops mst_records_fasta = {
    .format = &mst_format_fasta,
    .n_states = MST_FASTA_STATES,
    .safe_state = MST_FASTA_LINE,
    .units = units,
    .safe_cuts = true,
    .sniff = sniff,
    .open = mst_fasta_scanner_open,
    .feed = mst_fasta_scanner_feed,
    .end = mst_fasta_scanner_end,
    .state = mst_fasta_scanner_state,
    .records = mst_fasta_scanner_records,
    .close = mst_fasta_scanner_close,
    .take_extra = mst_fasta_scanner_take_extra,
    .join_extra = mst_fasta_join,
    .carry_extra = mst_fasta_carry,
    .columns = mst_fasta_columns,
    .n_columns = MST_FASTA_COLUMNS,
    .put_columns = mst_fasta_put_columns,
    .final_facts = mst_fasta_final_facts,
    .plan_own = mst_fasta_plan,
    .read_own = mst_fasta_read,
    .row_place = mst_fasta_row_place,
    .rows_schema = mst_fasta_rows_schema,
    .rows_open = mst_fasta_rows_open,
    .rows_skip = mst_fasta_rows_skip,
    .rows_place = mst_fasta_rows_place,
    .rows_feed = mst_fasta_rows_feed,
    .rows_take = mst_fasta_rows_take,
    .rows_close = mst_fasta_rows_close,
};
