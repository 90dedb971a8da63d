/* format/vcf.c - the scanner of VCF: header lines, then data lines, each with the header's number of columns and a POS
 * that is a number. What a line covers on its contig goes into the span's summary, so that a region is found through
 * the index.
 *
 * Owns: the scanner. May call: base, vcf_span.c, vcf_header.c, vcf_region.c, vcf_rows.c. */
#include "format/vcf.h"

/* ---- lines ----------------------------------------------------------------------------------------------------- */

/* The digits in [p, end); false when there are none, other bytes, or too many. */
static bool read_number(const uint8_t *p, const uint8_t *end, uint64_t *out) {
  uint64_t v = 0;
  if (p == end || end - p > 18) return false;
  for (; p < end; p++) {
    const unsigned digit = (unsigned)*p - '0';
    if (digit > 9) return false;
    v = v * 10 + digit;
  }
  *out = v;
  return true;
}

/* The value of INFO's END; 0 when there is none. */
static uint64_t find_end(const uint8_t *info, size_t n) {
  const uint8_t *const stop = info + n, *p = info;
  while ((p = memmem(p, (size_t)(stop - p), "END=", 4)) != NULL) {
    const uint8_t *end = p + 4;
    uint64_t value;
    if (p > info && p[-1] != ';') {
      p = end;
      continue;
    }
    while (end < stop && *end >= '0' && *end <= '9') end++;
    return (end == stop || *end == ';' || *end == '\r') && read_number(p + 4, end, &value) ? value : 0;
  }
  return 0;
}

const char *mst_vcf_line_place(const uint8_t *line, const size_t tabs[MST_VCF_FIXED], mst_vcf_line *out) {
  uint64_t pos, end;
  if (tabs[0] == 0) return "CHROM is empty";
  for (size_t i = 0; i < tabs[0]; i++)
    if (line[i] < 0x20) return "CHROM holds a control character";
  if (!read_number(line + tabs[0] + 1, line + tabs[1], &pos)) return "POS is not a number";
  out->contig = line;
  out->contig_size = tabs[0];
  out->first = pos > 0 ? pos : 1;
  out->last = out->first + mst_max_size(tabs[3] - tabs[2] - 1, 1) - 1;
  end = find_end(line + tabs[6] + 1, tabs[7] - tabs[6] - 1);
  if (end > out->last) out->last = end;
  return NULL;
}

const char *mst_vcf_line_parse(const uint8_t *line, size_t n, mst_vcf_line *out) {
  size_t tabs[MST_VCF_FIXED], k = 0, at = 0;
  for (; k < MST_VCF_FIXED; k++) {
    const uint8_t *tab = memchr(line + at, '\t', n - at);
    if (tab == NULL) break;
    tabs[k] = (size_t)(tab - line);
    at = tabs[k] + 1;
  }
  if (k + 1 < MST_VCF_FIXED) return "there are fewer than 8 tab-separated columns";
  if (k < MST_VCF_FIXED) tabs[k] = n;
  return mst_vcf_line_place(line, tabs, out);
}

/* ---- scanner --------------------------------------------------------------------------------------------------- */

typedef struct vcf_scanner {
  mst_scanner base;
  const mst_allocator *mem;
  const mst_scan_kernels *scan;
  mst_vcf_state state;
  uint32_t columns;
  uint64_t at;      /* of the bytes being fed, from the scanner's opening                */
  uint64_t span_at; /* where the span began whose summary is under way                   */
  uint64_t records;
  /* The line under way. */
  bool unknown; /* it began in front of the span                                     */
  bool counted; /* what matters of it was seen                                       */
  int64_t line; /* where it began, from the bytes being fed                          */
  uint64_t n_tabs;
  size_t tabs[MST_VCF_FIXED]; /* the first of them, from the line's beginning                 */
  mst_buf text;               /* its bytes in front of those being fed, while it does not count    */
  mst_vcf_span span;
} vcf_scanner;

static void begin_span(vcf_scanner *s) {
  mst_vcf_span_clear(&s->span);
  s->span_at = s->at;
  s->unknown = s->span.inside = s->state == MST_VCF_IN_LINE;
  s->counted = false;
  s->line = 0;
  s->n_tabs = 0;
  mst_buf_clear(&s->text);
}

static void vcf_close(mst_scanner *scanner) {
  vcf_scanner *s = (vcf_scanner *)scanner;
  if (s == NULL) return;
  mst_vcf_span_free(&s->span);
  mst_buf_free(&s->text);
  mst_free(s->mem, s);
}

static mst_status vcf_open(const mst_allocator *mem, const json_t *dialect, unsigned state, const char *unit,
                           mst_scanner **out, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t columns = 0;
  vcf_scanner *s;
  if (unit != NULL) return mst_fail(err, MST_E_ARGUMENT, "VCF has no strategy \"%s\"", unit);
  if (state >= MST_VCF_STATES) return mst_fail(err, MST_E_CORRUPT, "VCF has no state %u", state);
  status = mst_json_get_u64(dialect, "columns", "VCF dialect", &columns, err);
  if (status != MST_OK) return status;
  if (columns < MST_VCF_FIXED || columns > UINT32_MAX)
    return mst_fail(err, MST_E_CORRUPT, "\"columns\" of the VCF dialect is no number of columns");
  s = mst_alloc_zero(mem, 1, sizeof *s);
  if (s == NULL) return mst_fail_memory(err);
  s->base.ops = &mst_records_vcf;
  s->mem = mem;
  s->scan = mst_scan_best();
  s->state = (mst_vcf_state)state;
  s->columns = (uint32_t)columns;
  mst_vcf_span_init(&s->span, mem, s->columns);
  mst_buf_init(&s->text, mem, SIZE_MAX / 2);
  begin_span(s);
  *out = &s->base;
  return MST_OK;
}

/* Where the line under way began. */
static uint64_t line_at(const vcf_scanner *s) { return (uint64_t)((int64_t)s->at + s->line); }

static mst_status bad_line(const vcf_scanner *s, const char *why, mst_error *err) {
  return mst_fail_at(err, MST_E_CORRUPT, line_at(s), "the data line that begins here is broken: %s", why);
}

static mst_status bad_columns(const vcf_scanner *s, mst_error *err) {
  return mst_fail_at(err, MST_E_CORRUPT, line_at(s),
                     "the data line that begins here is broken: %llu tab-separated columns, the header has %u",
                     (unsigned long long)s->n_tabs + 1, s->columns);
}

/* All that matters of the line under way lies in front of data[end]: counts it, or keeps it when its beginning is not
 * known. */
static mst_status count_line(vcf_scanner *s, const uint8_t *data, size_t end, mst_error *err) {
  mst_status status = MST_OK;
  const size_t from = s->line < 0 ? 0 : (size_t)s->line;
  const uint8_t *line = data + from;
  mst_vcf_line place;
  const char *why;
  s->counted = true;
  if (s->line < 0 || s->unknown) {
    MST_TRY(mst_buf_put(&s->text, data + from, end - from, err));
    line = s->text.data;
  }
  if (s->unknown) {
    MST_TRY(mst_buf_put(&s->span.head.text, s->text.data, s->text.size, err));
  } else {
    if (s->n_tabs + 1 < MST_VCF_FIXED) return bad_columns(s, err);
    if (s->n_tabs + 1 == MST_VCF_FIXED) s->tabs[MST_VCF_FIXED - 1] = (size_t)((int64_t)end - s->line);
    why = mst_vcf_line_place(line, s->tabs, &place);
    if (why != NULL) return bad_line(s, why, err);
    MST_TRY(mst_vcf_span_add(&s->span, &place, line_at(s) - s->span_at, err));
  }
  mst_buf_clear(&s->text);
done:
  return status;
}

/* The line under way ends in front of data[end]. */
static mst_status end_line(vcf_scanner *s, const uint8_t *data, size_t end, mst_error *err) {
  mst_status status = MST_OK;
  if (!s->counted) MST_TRY(count_line(s, data, end, err));
  if (s->unknown) {
    s->span.head_ends = true;
    s->span.head.tabs = s->n_tabs;
  } else if (s->n_tabs + 1 != s->columns) {
    return bad_columns(s, err);
  }
  s->unknown = false;
  s->state = MST_VCF_LINE;
done:
  return status;
}

/* A line begins at data[i], unless a stop is wanted here. */
static mst_status begin_line(vcf_scanner *s, const uint8_t *data, size_t i, const mst_scan_stop *stop, bool *stopped,
                             mst_error *err) {
  const uint64_t at = s->at + i;
  if (data[i] == '\n' || data[i] == '\r')
    return mst_fail_at(err, MST_E_CORRUPT, at, "an empty line among the data lines");
  if (data[i] == '#') return mst_fail_at(err, MST_E_CORRUPT, at, "a header line behind the line #CHROM");
  if (stop != NULL && (stop->safe || s->records == stop->record || at >= stop->offset)) {
    *stopped = true;
    return MST_OK;
  }
  s->records++;
  s->line = (int64_t)i;
  s->n_tabs = 0;
  s->counted = false;
  s->state = MST_VCF_IN_LINE;
  return MST_OK;
}

/* Tabs of the line under way: bits [from, to) of the mask, which stands for data[base], data[base + 1], … */
static mst_status take_tabs(vcf_scanner *s, const uint8_t *data, size_t base, const uint64_t *mask, size_t from,
                            size_t to, mst_error *err) {
  while (!s->counted && from < to) {
    uint64_t word = mask[from / 64] & ~mst_mask_low(from % 64);
    for (; word != 0 && !s->counted; word = mst_mask_rest(word)) {
      const size_t at = (from & ~(size_t)63) + mst_mask_first(word);
      if (at >= to) return MST_OK;
      s->tabs[s->n_tabs++] = (size_t)((int64_t)(base + at) - s->line);
      if (s->n_tabs < MST_VCF_FIXED) continue;
      const mst_status status = count_line(s, data, base + at, err);
      if (status != MST_OK) return status;
      from = at + 1;
    }
    if (!s->counted) from = (from & ~(size_t)63) + 64;
  }
  if (s->counted) s->n_tabs += s->scan->count_bits(mask, from, to);
  return MST_OK;
}

/* Data lines in data[i, n), n - i at most MST_SCAN_BATCH; `*used` is where it stopped. */
static mst_status feed_lines(vcf_scanner *s, const uint8_t *data, size_t i, size_t n, const mst_scan_stop *stop,
                             size_t *used, bool *stopped, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t tabs[MST_SCAN_WORDS(MST_SCAN_BATCH)], ends[MST_SCAN_WORDS(MST_SCAN_BATCH)];
  size_t from = 0; /* of the line under way, from data[i] */
  *used = i;
  if (s->state == MST_VCF_LINE) MST_TRY(begin_line(s, data, i, stop, stopped, err));
  if (*stopped) return MST_OK;
  s->scan->mask2(data + i, n - i, '\t', '\n', tabs, ends);
  for (size_t w = 0; w < MST_SCAN_WORDS(n - i); w++) {
    for (uint64_t mask = ends[w]; mask != 0; mask = mst_mask_rest(mask)) {
      const size_t end = 64 * w + mst_mask_first(mask);
      MST_TRY(take_tabs(s, data, i, tabs, from, end, err));
      MST_TRY(end_line(s, data, i + end, err));
      from = end + 1;
      *used = i + from;
      if (*used == n) return MST_OK;
      MST_TRY(begin_line(s, data, *used, stop, stopped, err));
      if (*stopped) return MST_OK;
    }
  }
  MST_TRY(take_tabs(s, data, i, tabs, from, n - i, err));
  *used = n;
done:
  return status;
}

/* Header lines from data[*i] on. */
static mst_status feed_header(vcf_scanner *s, const uint8_t *data, size_t n, size_t *i, mst_error *err) {
  const uint8_t *end;
  while (*i < n && s->state != MST_VCF_LINE && s->state != MST_VCF_IN_LINE) {
    switch (s->state) {
    case MST_VCF_BEGIN:
    case MST_VCF_HEAD:
      if (data[*i] != '#')
        return mst_fail_at(err, MST_E_CORRUPT, s->at + *i, "a line that is no header line in front of the line #CHROM");
      s->state = MST_VCF_HASH;
      ++*i;
      break;
    case MST_VCF_HASH: s->state = data[*i] == '#' ? MST_VCF_META : MST_VCF_CHROM; break;
    default:
      end = memchr(data + *i, '\n', n - *i);
      *i = end == NULL ? n : (size_t)(end - data) + 1;
      if (end != NULL) s->state = s->state == MST_VCF_META ? MST_VCF_HEAD : MST_VCF_LINE;
      break;
    }
  }
  return MST_OK;
}

static mst_status vcf_feed(mst_scanner *scanner, const uint8_t *data, size_t n, const mst_scan_stop *stop, size_t *used,
                           bool *stopped, mst_error *err) {
  vcf_scanner *s = (vcf_scanner *)scanner;
  mst_status status = MST_OK;
  size_t i = 0;
  *stopped = false;
  MST_TRY(feed_header(s, data, n, &i, err));
  while (i < n && !*stopped)
    MST_TRY(feed_lines(s, data, i, i + mst_min_size(n - i, MST_SCAN_BATCH), stop, &i, stopped, err));
  if (s->state == MST_VCF_IN_LINE && !s->counted) {
    const size_t from = (size_t)(s->line < 0 ? 0 : s->line);
    MST_TRY(mst_buf_put(&s->text, data + from, i - from, err));
  }
  s->line -= (int64_t)i;
  s->at += i;
  *used = i;
done:
  return status;
}

static mst_status vcf_end(mst_scanner *scanner, mst_error *err) {
  vcf_scanner *s = (vcf_scanner *)scanner;
  switch (s->state) {
  case MST_VCF_LINE: return MST_OK;
  case MST_VCF_CHROM: return MST_OK; /* a header without a line end */
  case MST_VCF_IN_LINE: return end_line(s, (const uint8_t *)"", 0, err);
  default: return mst_fail_at(err, MST_E_CORRUPT, s->at, "the object ends in front of the line #CHROM");
  }
}

static unsigned vcf_state(const mst_scanner *scanner) { return ((const vcf_scanner *)scanner)->state; }

static uint64_t vcf_records(const mst_scanner *scanner) { return ((const vcf_scanner *)scanner)->records; }

static mst_status vcf_take_extra(mst_scanner *scanner, mst_buf *out, mst_error *err) {
  vcf_scanner *s = (vcf_scanner *)scanner;
  mst_vcf_span *span = &s->span;
  mst_status status = MST_OK;
  if (s->state == MST_VCF_IN_LINE && s->unknown) {
    span->head.tabs = s->n_tabs;
    if (!s->counted) MST_TRY(mst_buf_put(&span->head.text, s->text.data, s->text.size, err));
  } else if (s->state == MST_VCF_IN_LINE) {
    span->open = true;
    span->open_known = s->counted;
    span->open_at = line_at(s) - s->span_at;
    span->tail.tabs = s->n_tabs;
    if (!s->counted) MST_TRY(mst_buf_put(&span->tail.text, s->text.data, s->text.size, err));
  }
  MST_TRY(mst_vcf_span_encode(span, out, err));
  begin_span(s);
done:
  return status;
}

/* ---- format ---------------------------------------------------------------------------------------------------- */

static const char *const vcf_globs[] = {"*.vcf", "*.bcf", NULL}; /* BCF is then refused by its name */
static const char *const vcf_companions[] = {"%.tbi", "%.csi", NULL};
static const char *const vcf_strategies[] = {"records", NULL};
static const char *const vcf_options[] = {NULL};
static const char *const vcf_row_options[] = {"info", "genotypes", "columns", "samples", "misfit", NULL};

static int vcf_probe(const char *name, uint64_t size, const uint8_t *head, size_t n) {
  (void)name;
  (void)size;
  if (n >= 16 && memcmp(head, "##fileformat=VCF", 16) == 0) return 100;
  if (n >= 4 && memcmp(head, "BCF", 3) == 0 && head[3] <= 4) return 100;
  return 5; /* a fitting name makes it VCF, which then says what it misses */
}

const mst_format mst_format_vcf = {
    .name = "vcf",
    .title = "variant calls (VCF); a record is a data line",
    .version = 1,
    .flags = MST_FORMAT_TEXT_LIKE,
    .globs = vcf_globs,
    .companions = vcf_companions,
    .strategies = vcf_strategies,
    .options = vcf_options,
    .row_options = vcf_row_options,
    .probe = vcf_probe,
    .inspect = mst_records_inspect,
    .scan = mst_records_scan,
    .merge = mst_records_merge,
    .collect = mst_records_collect,
    .index_schema = mst_records_index_schema,
    .plan = mst_records_plan,
    .read = mst_records_read,
    .read_schema = mst_records_read_schema,
    .slice_facts = mst_records_slice_facts,
};

const mst_record_ops mst_records_vcf = {
    .format = &mst_format_vcf,
    .n_states = MST_VCF_STATES,
    .safe_state = MST_VCF_LINE,
    .sniff = mst_vcf_sniff,
    .open = vcf_open,
    .feed = vcf_feed,
    .end = vcf_end,
    .state = vcf_state,
    .records = vcf_records,
    .close = vcf_close,
    .take_extra = vcf_take_extra,
    .join_extra = mst_vcf_join,
    .carry_extra = mst_vcf_join,
    .columns = mst_vcf_columns,
    .n_columns = MST_VCF_COLUMNS,
    .put_columns = mst_vcf_put_columns,
    .final_facts = mst_vcf_final_facts,
    .plan_own = mst_vcf_plan,
    .read_own = mst_vcf_read,
    .rows_schema = mst_vcf_rows_schema,
    .rows_open = mst_vcf_rows_open,
    .rows_feed = mst_vcf_rows_feed,
    .rows_take = mst_vcf_rows_take,
    .rows_close = mst_vcf_rows_close,
};
