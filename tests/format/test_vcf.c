/* tests/format/test_vcf.c - VCF: the scanner and its summaries against a naive reader, cut anywhere; regions by our index and by
 * companions against a naive filter and what tabix says; headers and lines that are refused. */
#include "format/vcf.h"

#include <stdio.h>
#include <stdlib.h>

#include "format/exact.h"
#include "format/scan_check.h"
#include "format/vcf_region.h"
#include "format/wrap.h"

#define TEXT(literal) (const uint8_t *)(literal), sizeof(literal) - 1

/* ---- a naive reader -------------------------------------------------------------------------------------------- */

typedef struct naive_line {
  size_t at, size; /* without its line end */
  char contig[64];
  uint64_t first, last;
} naive_line;

typedef struct naive {
  naive_line *lines;
  size_t n, header;
} naive;

static void naive_read(const uint8_t *data, size_t n, naive *out) {
  *out = (naive){.lines = calloc(n + 1, sizeof *out->lines)};
  for (size_t at = 0, end; at < n; at = end + 1) {
    char *copy, *field, *rest, *column[8];
    naive_line *line = &out->lines[out->n];
    for (end = at; end < n && data[end] != '\n'; end++) {
    }
    if (data[at] == '#') {
      out->header = end < n ? end + 1 : n;
      continue;
    }
    copy = strndup((const char *)data + at, end - at);
    if (copy[0] != 0 && copy[strlen(copy) - 1] == '\r') copy[strlen(copy) - 1] = 0;
    rest = copy;
    for (int k = 0; k < 8; k++) column[k] = strsep(&rest, "\t");
    *line = (naive_line){.at = at, .size = end - at, .first = strtoull(column[1], NULL, 10)};
    snprintf(line->contig, sizeof line->contig, "%s", column[0]);
    if (line->first == 0) line->first = 1;
    line->last = line->first + strlen(column[3]) - 1;
    while ((field = strsep(&column[7], ";")) != NULL)
      if (strncmp(field, "END=", 4) == 0 && strtoull(field + 4, NULL, 10) > line->last) line->last = strtoull(field + 4, NULL, 10);
    out->n++;
    free(copy);
  }
}

static void naive_free(naive *v) {
  free(v->lines);
  *v = (naive){0};
}

/* ---- making objects -------------------------------------------------------------------------------------------- */

static const char header_text[] = "##fileformat=VCFv4.2\n##INFO=<ID=END,Number=1,Type=Integer,Description=\"End, or = not\">\n"
                                  "##INFO=<ID=DP,Number=1,Type=Integer,Description=\"d\">\n##contig=<ID=chr1,length=9000000>\n"
                                  "##contig=<ID=HLA*01:02>\n##contig=<ID=empty>\n##contig=<ID=chr1:5-10>\n"
                                  "##FORMAT=<ID=GT,Number=1,Type=String,Description=\"g\">\n";
static const char columns_text[] = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO";

typedef struct making {
  char *text;
  size_t n, room;
} making;

static void say(making *m, const char *format, ...) {
  va_list args;
  if (m->room - m->n < 4096) m->text = realloc(m->text, m->room = m->room * 2 + 8192);
  va_start(args, format);
  m->n += (size_t)vsnprintf(m->text + m->n, 4096, format, args);
  va_end(args);
}

static making make_vcf(uint64_t *rng, size_t lines, bool sorted, bool samples, const char *end) {
  static const char *const contigs[] = {"chr1", "chr2", "HLA*01:02", "HLA*01:02:5", "chrX", "x"};
  static const char *const infos[] = {".", "DP=3", "DP=7;END=%llu", "END=%llu", "CIEND=99999999;DP=1", "XEND=99999999;END=%llu;FLAG", "END=."};
  making m = {0};
  uint64_t pos = 0;
  say(&m, "%s%s%s\n", header_text, columns_text, samples ? "\tFORMAT\tS1\tS2" : "");
  for (size_t i = 0; i < lines; i++) {
    const size_t contig = sorted ? i * 6 / lines : scan_random(rng) % 6;
    char info[128];
    if (i > 0 && sorted && contig != (i - 1) * 6 / lines) pos = 0;
    pos = sorted ? pos + scan_random(rng) % 90 : scan_random(rng) % 5000;
    snprintf(info, sizeof info, infos[scan_random(rng) % 7], (unsigned long long)(pos + scan_random(rng) % (scan_random(rng) % 20 == 0 ? 4000 : 60)));
    say(&m, "%s\t%llu\t%s\t%.*s\tA%s\t.\tPASS\t%s%s", contigs[contig], (unsigned long long)pos, i % 3 == 0 ? "rs1" : ".",
        (int)(1 + scan_random(rng) % (i % 17 == 0 ? 30 : 3)), "ACGTACGTACGTACGTACGTACGTACGTAC", i % 4 == 0 ? ",<DEL>" : "", info,
        samples ? "\tGT\t0/1\t1|1" : "");
    if (i + 1 < lines || end[0] != '-') say(&m, "%s", end[0] == '-' ? end + 1 : end);
  }
  return m;
}

/* ---- the scanner ----------------------------------------------------------------------------------------------- */

static json_t *dialect_of(const uint8_t *data, size_t n) {
  const mst_job job = {.name = "test.vcf"};
  json_t *dialect = NULL;
  uint64_t want = 0;
  mst_error err = {0};
  exact_ok(mst_vcf_sniff(&job, data, n, true, &dialect, &want, &err), &err);
  return dialect;
}

/* The summary of all lines, contig by contig. */
static void check_summary(const scan_case *c, const uint8_t *data, size_t n, const naive *want) {
  scan_result whole;
  mst_vcf_span s;
  mst_error err = {0};
  bool sorted = true;
  scan_bytes(c, 0, data, n, 0, true, &whole);
  exact_ok(whole.status, &whole.err);
  assert_int_equal(whole.records, want->n);
  if (whole.no_extra) return;
  mst_vcf_span_init(&s, NULL, 0);
  const mst_bytes extra = mst_bytes_borrow(whole.extra, whole.extra_size);
  exact_ok(mst_vcf_span_decode(&extra, &s, &err), &err);
  for (size_t i = 0; i < s.n; i++) {
    const mst_vcf_contig *got = &s.contigs[i];
    uint64_t records = 0, first = UINT64_MAX, last = 0, from = UINT64_MAX, to = 0;
    for (size_t k = 0; k < want->n; k++) {
      const naive_line *line = &want->lines[k];
      if (strlen(line->contig) != got->name_size || memcmp(line->contig, got->name, got->name_size) != 0) continue;
      records++;
      if (from == UINT64_MAX) from = line->at;
      if (k > 0 && records > 1 && (strcmp(want->lines[k - 1].contig, line->contig) != 0 || want->lines[k - 1].first > line->first)) sorted = false;
      to = line->at;
      first = mst_min_u64(first, line->first);
      last = mst_max_u64(last, line->last);
    }
    assert_int_equal(got->records, records);
    assert_int_equal(got->first, first);
    assert_int_equal(got->last, last);
    assert_int_equal(got->from, from);
    assert_int_equal(got->to, to);
  }
  assert_int_equal(s.sorted, sorted);
  assert_false(s.open || s.inside);
  mst_vcf_span_free(&s);
}

static void lines_are_read_right(void **state) {
  static const char *const ends[] = {"\n", "\r\n", "-\n", "-\r\n"};
  uint64_t rng = 11;
  (void)state;
  for (int i = 0; i < exact_rounds(80); i++) {
    making m = make_vcf(&rng, 1 + scan_random(&rng) % 40, i % 3 != 0, i % 2 == 0, ends[i % 4]);
    json_t *dialect = dialect_of((const uint8_t *)m.text, m.n);
    const scan_case c = {.ops = &mst_records_vcf, .dialect = dialect};
    naive want;
    naive_read((const uint8_t *)m.text, m.n, &want);
    assert_int_equal(json_integer_value(json_object_get(dialect, "header_bytes")), want.header);
    check_summary(&c, (const uint8_t *)m.text, m.n, &want);
    scan_check(&c, (const uint8_t *)m.text, m.n, 12, &rng);
    naive_free(&want);
    json_decref(dialect);
    free(m.text);
  }
}

/* Lines that are wrong, in the scan at once and in pieces. */
static void broken_lines_are_refused(void **state) {
  static const struct {
    const char *lines;
    int64_t at; /* of the broken line, behind the header */
  } cases[] = {
      {"chr1\t5\t.\tA\tT\t.\t.\t.\nchr1\tx\t.\tA\tT\t.\t.\t.\n", 19}, {"chr1\t5\t.\tA\tT\t.\t.\n", 0}, {"chr1\t5\t.\tA\tT\t.\t.\t.\t.\n", 0},
      {"chr1\t5\t.\tA\n", 0}, {"chr1\t5\t.\tA\tT\t.\t.\t.\n##late\n", 19}, {"\nchr1\t5\t.\tA\tT\t.\t.\t.\n", 0}, {"chr1\t5\t.\tA\tT\t.\t.\t.\n\r\n", 19},
      {"\t5\t.\tA\tT\t.\t.\t.\n", 0}, {"chr1\t\t.\tA\tT\t.\t.\t.\n", 0}, {"chr1\t-5\t.\tA\tT\t.\t.\t.\n", 0}, {"chr1\t5\t.\tA\tT\t.\t.", 0},
      {"chr1\t5555555555555555555\t.\tA\tT\t.\t.\t.\n", 0},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    making m = {0};
    say(&m, "%s%s\n", header_text, columns_text);
    const size_t header = m.n;
    say(&m, "%s", cases[i].lines);
    for (uint64_t cut = 0; cut < m.n; cut++) {
      mst_error err = {0};
      drive d;
      drive_init(&d, NULL, &mst_format_vcf, "broken.vcf", m.text, m.n);
      assert_int_equal(drive_index(&d, &cut, cut > 0 ? 1 : 0, &err), MST_E_CORRUPT);
      if (cut == 0) assert_int_equal(err.offset, (int64_t)header + cases[i].at);
      assert_non_null(strstr(err.object[0] != 0 ? err.object : err.message, "broken.vcf"));
      drive_free(&d);
    }
    free(m.text);
  }
}

static void headers_that_are_none_are_refused(void **state) {
  static const struct {
    const char *text;
    size_t n;
    const char *says;
  } cases[] = {
      {"", sizeof("") - 1, "##fileformat"},
      {"1\t5\t.\tA\tT\t.\t.\t.\n", sizeof("1\t5\t.\tA\tT\t.\t.\t.\n") - 1, "##fileformat"},
      {"##source=x\n#CHROM\tPOS\n", sizeof("##source=x\n#CHROM\tPOS\n") - 1, "##fileformat"},
      {"##fileformat=VCFv4.2\n", sizeof("##fileformat=VCFv4.2\n") - 1, "#CHROM"},
      {"##fileformat=VCFv4.2\nchr1\t5\t.\tA\tT\t.\t.\t.\n", sizeof("##fileformat=VCFv4.2\nchr1\t5\t.\tA\tT\t.\t.\t.\n") - 1, "no header line"},
      {"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\n", sizeof("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\n") - 1, "does not name"},
      {"##fileformat=VCFv4.2\n#CHROM POS ID REF ALT QUAL FILTER INFO\n", sizeof("##fileformat=VCFv4.2\n#CHROM POS ID REF ALT QUAL FILTER INFO\n") - 1, "does not name"},
      {"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tS1\n", sizeof("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tS1\n") - 1, "FORMAT"},
      {"BCF\2\2\0\0\0\0", sizeof("BCF\2\2\0\0\0\0") - 1, "bcftools view"},
      {"PK\3\4xx", sizeof("PK\3\4xx") - 1, "zip"},
      {"\xfd" "7zXZ\0", sizeof("\xfd" "7zXZ\0") - 1, "xz"},
      {"BZh91AY", sizeof("BZh91AY") - 1, "bzip2"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    mst_error err = {0};
    drive d;
    drive_init(&d, NULL, &mst_format_vcf, "none.vcf", cases[i].text, cases[i].n);
    const mst_status status = drive_inspect(&d, &err);
    assert_true(status == MST_E_CORRUPT || status == MST_E_UNSUPPORTED);
    if (strstr(err.message, cases[i].says) == NULL) fail_msg("case %zu: %s", i, err.message);
    drive_free(&d);
  }
}

static void a_header_is_taken_apart(void **state) {
  static const char text[] = "##fileformat=VCFv4.2\r\n##INFO=<Number=A,ID=AF,Type=Float,Description=\"a, \\\"b\\\", ID=no>\">\r\n##INFO=<ID=AF,Number=1,Type=String>\r\n"
                             "##FORMAT=<ID=AD,Number=R,Type=Integer,Description=\"x\">\r\n##contig=<ID=chr1,length=5>\r\n##contig=<length=5>\r\n##other=a=b<c>\r\n"
                             "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts 1\ts2\r\n";
  json_t *dialect = dialect_of(TEXT(text));
  json_t *want = json_pack("{s:i, s:i, s:[[s, s, s]], s:[[s, s, s]], s:[s], s:[s, s]}", "columns", 11, "header_bytes", (int)sizeof text - 1,
                           "long_info", "AF", "A", "Float", "long_format", "AD", "R", "Integer", "long_contigs", "chr1", "long_samples", "s 1", "s2");
  (void)state;
  assert_true(json_equal(dialect, want));
  json_decref(dialect);
  json_decref(want);
}

/* ---- whole objects --------------------------------------------------------------------------------------------- */

static void expect(exact *e, const naive *want, const void *data, size_t n) {
  *e = (exact){.plain = data, .size = n, .header = want->header};
  for (size_t i = 0; i < want->n; i++) exact_add(e, want->lines[i].at);
}

/* All lines that overlap [from, to], in order. */
static void naive_region(const naive *v, const uint8_t *data, const char *contig, uint64_t from, uint64_t to, mst_buf *out) {
  mst_buf_clear(out);
  for (size_t i = 0; i < v->n; i++) {
    const naive_line *l = &v->lines[i];
    if (strcmp(l->contig, contig) != 0 || l->first > to || l->last < from) continue;
    exact_ok(mst_buf_put(out, data + l->at, l->size + (data[l->at + l->size] == '\n'), NULL), NULL);
  }
}

static void read_region(drive *d, const mst_plan_query *query, const mst_read_query *read, mst_buf *out, size_t *slices) {
  drive_plan plan = {0};
  mst_error err = {0};
  mst_buf_clear(out);
  exact_ok(drive_make_plan(d, query, &plan, &err), &err);
  *slices = plan.n;
  for (size_t i = 0; i < plan.n; i++) {
    char *text = json_dumps(plan.parts[i].json, JSON_COMPACT);
    assert_true(strlen(text) <= 700);
    free(text);
    exact_ok(drive_read(d, plan.parts[i].json, read, out, &err), &err);
  }
  drive_plan_free(d, &plan);
}

static int by_value(const void *a, const void *b) { return *(const uint8_t *)a - *(const uint8_t *)b; }

/* Enough to tell sets of lines apart here. */
static void sort_bytes(mst_buf *b) {
  if (b->size > 0) qsort(b->data, b->size, 1, by_value);
}

static void check_region(drive *d, const naive *v, const uint8_t *data, size_t n, const char *contig, uint64_t from, uint64_t to, uint64_t slices) {
  const mst_read_query with_header = {.as = MST_READ_RAW, .header = true};
  mst_buf want, got;
  char region[128];
  size_t made;
  mst_plan_query query = {.region = region, .slices = slices};
  mst_buf_init(&want, NULL, SIZE_MAX / 2);
  mst_buf_init(&got, NULL, SIZE_MAX / 2);
  (void)n;
  snprintf(region, sizeof region, "{%s}:%llu-%llu", contig, (unsigned long long)from, (unsigned long long)to);
  naive_region(v, data, contig, from, to, &want);
  read_region(d, &query, NULL, &got, &made);
  if (slices > 1 && !json_is_true(json_object_get(d->facts, "sorted"))) { /* slices are by position, so in another order */
    sort_bytes(&want);
    sort_bytes(&got);
  }
  if (got.size != want.size || (want.size > 0 && memcmp(got.data, want.data, got.size) != 0))
    fail_msg("%s of %s in %llu slices (%zu made): %zu bytes, not %zu", region, d->name, (unsigned long long)slices, made, got.size, want.size);
  assert_true(slices == 0 || made <= slices);
  if (slices == 0 && made > 0) {
    read_region(d, &query, &with_header, &got, &made);
    assert_int_equal(got.size, v->header * made + want.size);
    assert_memory_equal(got.data, data, v->header);
    if (made == 1 && want.size > 0) assert_memory_equal(got.data + v->header, want.data, want.size);
  }
  mst_buf_free(&want);
  mst_buf_free(&got);
}

static void check_regions(drive *d, const naive *v, const uint8_t *data, size_t n, uint64_t *rng, int rounds) {
  static const char *const contigs[] = {"chr1", "chr2", "HLA*01:02", "HLA*01:02:5", "chrX", "x"};
  for (int i = 0; i < rounds; i++) {
    const char *contig = contigs[scan_random(rng) % 6];
    const uint64_t from = 1 + scan_random(rng) % 6000, to = from + scan_random(rng) % (i % 3 == 0 ? 6000 : 100);
    bool known = false;
    for (size_t k = 0; k < v->n; k++) known |= strcmp(v->lines[k].contig, contig) == 0;
    if (known) check_region(d, v, data, n, contig, from, to, scan_random(rng) % 5);
  }
}

static void objects_and_regions_are_exact(void **state) {
  uint64_t rng = 77;
  (void)state;
  for (int i = 0; i < 32; i++) {
    making m = make_vcf(&rng, 1 + scan_random(&rng) % 400, i % 4 != 0, i % 3 == 0, i % 5 == 0 ? "-\n" : "\n");
    size_t size;
    uint8_t *wrapped = wrap((wrap_kind)(i % WRAP_KINDS), m.text, m.n, 2000, &size);
    mst_error err = {0};
    naive want;
    exact e;
    drive d;
    naive_read((const uint8_t *)m.text, m.n, &want);
    expect(&e, &want, m.text, m.n);
    drive_init(&d, NULL, &mst_format_vcf, wrap_name((wrap_kind)(i % WRAP_KINDS)), wrapped, size);
    d.spacing = 1 + scan_random(&rng) % 3000;
    exact_ok(drive_index(&d, NULL, 0, &err), &err);
    exact_check(&d, &e);
    check_regions(&d, &want, (const uint8_t *)m.text, m.n, &rng, 30);
    exact_check_cuts(&d, scan_random(&rng), 6);
    drive_free(&d);
    exact_free(&e);
    naive_free(&want);
    free(wrapped);
    free(m.text);
  }
}

static mst_status plan_region(drive *d, const char *region, size_t *n, mst_error *err) {
  const mst_plan_query query = {.region = region};
  drive_plan plan = {0};
  const mst_status status = drive_make_plan(d, &query, &plan, err);
  *n = plan.n;
  drive_plan_free(d, &plan);
  return status;
}

static void region_texts_are_understood(void **state) {
  static const struct {
    const char *text;
    mst_status status;
    size_t slices;
  } cases[] = {
      {"chr1", MST_OK, 1}, {"chr1:1-100", MST_OK, 1}, {"chr1:1,000-2,000", MST_OK, 0}, {"chr1:5", MST_OK, 1}, {"chr1:5-", MST_OK, 1},
      {"HLA*01:02", MST_OK, 1}, {"HLA*01:02:1-50", MST_OK, 1}, {"{HLA*01:02}:1-50", MST_OK, 1}, {"{chr1}", MST_OK, 1}, {"empty", MST_OK, 0},
      {"empty:1-5", MST_OK, 0}, {"chr1:1-9 HLA*01:02 chr1:30-40", MST_OK, 3}, {"chr9", MST_E_NOT_FOUND, 0}, {"chr9:1-5", MST_E_NOT_FOUND, 0},
      {"chr1:5-10", MST_E_ARGUMENT, 0}, {"{chr1}:5-10", MST_OK, 1}, {"{chr1:5-10}", MST_OK, 0}, {"chr1:0-10", MST_E_ARGUMENT, 0},
      {"chr1:10-5", MST_E_ARGUMENT, 0}, {"", MST_E_ARGUMENT, 0}, {"  ", MST_E_ARGUMENT, 0}, {"chr1:a-b", MST_E_NOT_FOUND, 0},
      {"chr1:99999999999999999999", MST_E_NOT_FOUND, 0}, {"{chr1", MST_E_ARGUMENT, 0}, {"{chr1}x", MST_E_ARGUMENT, 0},
  };
  making m = {0};
  mst_error err = {0};
  drive d;
  (void)state;
  say(&m, "%s%s\nchr1\t5\t.\tACGTACGTACGTACGTACGTACGTACGTACGTACGTACGTACGT\tT\t.\t.\t.\nHLA*01:02\t7\t.\tA\tC\t.\t.\tEND=40\n", header_text, columns_text);
  drive_init(&d, NULL, &mst_format_vcf, "texts.vcf", m.text, m.n);
  d.spacing = 20;
  exact_ok(drive_index(&d, NULL, 0, &err), &err);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t n = 0;
    const mst_status status = plan_region(&d, cases[i].text, &n, &err);
    if (status != cases[i].status || n != cases[i].slices)
      fail_msg("\"%s\": %s, %zu slices; %s", cases[i].text, mst_status_name(status), n, status != MST_OK ? err.message : "");
  }
  drive_free(&d);
  free(m.text);
}

/* A line that reaches over a cut belongs to the slice in which it begins, or on request to all that it reaches. */
static void spanning_lines_belong_to_where_they_begin(void **state) {
  json_t *overlap = json_pack("{s:b}", "overlap", 1);
  making m = {0};
  mst_error err = {0};
  mst_buf out;
  size_t once = 0, slices;
  drive d;
  (void)state;
  mst_buf_init(&out, NULL, SIZE_MAX / 2);
  say(&m, "%s%s\n", header_text, columns_text);
  for (int i = 1; i <= 50; i++) say(&m, "chr1\t%d\t.\tA\t<DEL>\t.\t.\tEND=%d\n", i * 100, i * 100 + 400);
  drive_init(&d, NULL, &mst_format_vcf, "spanning.vcf", m.text, m.n);
  d.spacing = 64;
  exact_ok(drive_index(&d, NULL, 0, &err), &err);
  for (uint64_t n = 1; n < 8; n++) {
    const mst_plan_query apart = {.region = "{chr1}:450-4200", .slices = n}, together = {.region = "{chr1}:450-4200", .slices = n, .options = overlap};
    read_region(&d, &apart, NULL, &out, &slices);
    if (n == 1) once = out.size;
    assert_int_equal(slices, n);
    assert_int_equal(out.size, once);
    read_region(&d, &together, NULL, &out, &slices);
    if (n > 1) assert_true(out.size > once);
  }
  mst_buf_free(&out);
  drive_free(&d);
  json_decref(overlap);
  free(m.text);
}

static void every_allocation_may_fail(void **state) {
  uint64_t rng = 5;
  making m = make_vcf(&rng, 8, true, true, "\n");
  mst_error err = {0};
  drive d;
  (void)state;
  drive_init(&d, NULL, &mst_format_vcf, "memory.vcf", m.text, m.n);
  d.spacing = 100;
  exact_ok(drive_inspect(&d, &err), &err);
  exact_check_memory(&d);
  drive_free(&d);
  free(m.text);
}

/* Every prefix of a small object: whole lines and an error for what is cut, but where the cut leaves a whole line. */
static void truncation_anywhere_is_clean(void **state) {
  uint64_t rng = 9;
  making m = make_vcf(&rng, 4, true, true, "\n");
  (void)state;
  for (size_t n = 0; n < m.n; n++) {
    mst_error err = {0};
    drive d;
    drive_init(&d, NULL, &mst_format_vcf, "cut.vcf", m.text, n);
    d.spacing = 50;
    const mst_status status = drive_index(&d, NULL, 0, &err);
    if (status == MST_OK) {
      size_t tabs = 0, records = 0, begin = n;
      for (size_t i = 1; i < n; i++) records += m.text[i - 1] == '\n' && m.text[i] != '#';
      while (begin > 0 && (m.text[begin - 1] != '\n' || begin == n)) begin--;
      for (size_t i = begin; i < n; i++) tabs += m.text[i] == '\t';
      if (m.text[begin] != '#') assert_int_equal(tabs, 10); /* a line that lacks columns was refused */
      assert_int_equal(json_integer_value(json_object_get(d.facts, "records")), records);
    } else {
      assert_true(status == MST_E_CORRUPT);
    }
    drive_free(&d);
  }
  free(m.text);
}

/* ---- corpus ---------------------------------------------------------------------------------------------------- */

static json_t *load_json(const char *path) {
  json_error_t e;
  json_t *j = json_load_file(path, 0, &e);
  if (j == NULL) fail_msg("%s: %s", path, e.text);
  return j;
}

/* The lines of `records`, one a line. */
static bool same_lines(const mst_buf *got, const json_t *records) {
  size_t at = 0;
  for (size_t i = 0; i < json_array_size(records); i++) {
    const json_t *line = json_array_get(records, i);
    const size_t n = json_string_length(line);
    if (got->size - at < n || memcmp(got->data + at, json_string_value(line), n) != 0) return false;
    at += n;
    if (at < got->size && got->data[at] == '\r') at++;
    if (at < got->size && got->data[at] == '\n') at++;
  }
  return at == got->size;
}

static void check_queries(drive *d, const json_t *expected, const char *what) {
  const json_t *queries = json_object_get(expected, "queries");
  mst_buf got;
  size_t slices;
  mst_buf_init(&got, NULL, SIZE_MAX / 2);
  for (size_t i = 0; i < json_array_size(queries); i++) {
    const json_t *q = json_array_get(queries, i);
    for (uint64_t n = 0; n < 4; n++) {
      const mst_plan_query query = {.region = json_string_value(json_object_get(q, "region")), .slices = n};
      read_region(d, &query, NULL, &got, &slices);
      if (!same_lines(&got, json_object_get(q, "records"))) fail_msg("%s, %s in %llu: other lines", what, query.region, (unsigned long long)n);
    }
  }
  mst_buf_free(&got);
}

static void check_case(const char *folder, const char *name) {
  char path[PATH_MAX + 64];
  size_t n, n_companion = 0;
  mst_error err = {0};
  mst_buf plain;
  drive d;
  uint8_t *companion = NULL;
  json_t *all = json_pack("{s:s}", "kind", "all");
  mst_buf_init(&plain, NULL, SIZE_MAX / 2);
  snprintf(path, sizeof path, "%s/%s/expected.json", folder, name);
  json_t *expected = load_json(path);
  const char *input = json_string_value(json_object_get(expected, "input"));
  snprintf(path, sizeof path, "%s/%s/%s", folder, name, input);
  uint8_t *data = mst_test_read_file(path, &n);
  drive_init(&d, NULL, &mst_format_vcf, input, data, n);
  d.spacing = 512;
  if (strcmp(json_string_value(json_object_get(expected, "status")), "reject") == 0) {
    assert_int_equal(drive_inspect(&d, &err), MST_E_CORRUPT);
  } else {
    naive want;
    exact e;
    exact_ok(drive_inspect(&d, &err), &err);
    if (json_object_get(expected, "index") != NULL) {
      snprintf(path, sizeof path, "%s/%s/%s", folder, name, json_string_value(json_object_get(expected, "index")));
      companion = mst_test_read_file(path, &n_companion);
      const mst_member members[] = {{.name = input, .size = n, .present = true, .fresh = true}, {.name = "input.vcf.gz.tbi", .size = n_companion, .present = true, .fresh = true}, {.name = "input.vcf.gz.csi"}};
      const mst_bytes bytes[] = {mst_bytes_borrow(companion, n_companion), {0}};
      d.members = members;
      d.companions = bytes;
      d.n_members = 3;
      check_queries(&d, expected, "by the companion");
      d.members = NULL;
      d.companions = NULL;
      d.n_members = 0;
    }
    exact_ok(drive_index(&d, NULL, 0, &err), &err);
    exact_ok(drive_read(&d, all, NULL, &plain, &err), &err);
    naive_read(plain.data, plain.size, &want);
    assert_int_equal(want.n, json_array_size(json_object_get(expected, "records")));
    expect(&e, &want, plain.data, plain.size);
    exact_check(&d, &e);
    exact_check_cuts(&d, n, 3);
    check_queries(&d, expected, name);
    exact_free(&e);
    naive_free(&want);
  }
  mst_buf_free(&plain);
  drive_free(&d);
  json_decref(expected);
  json_decref(all);
  free(data);
  free(companion);
}

static void slicing_corpus_is_exact(void **state) {
  static const char *const cases[] = {"bgzf-no-index", "bgzf-tbi", "colon-in-contig", "crlf", "header-only", "long-rows", "no-fileformat",
                                      "no-final-newline", "no-header-at-all", "samples", "tiny-rows", "utf8"};
  char folder[PATH_MAX];
  (void)state;
  MST_TEST_NEED_SHARED("corpus/slicing/vcf", folder);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_case(folder, cases[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lines_are_read_right),
      cmocka_unit_test(broken_lines_are_refused),
      cmocka_unit_test(headers_that_are_none_are_refused),
      cmocka_unit_test(a_header_is_taken_apart),
      cmocka_unit_test(objects_and_regions_are_exact),
      cmocka_unit_test(region_texts_are_understood),
      cmocka_unit_test(spanning_lines_belong_to_where_they_begin),
      cmocka_unit_test(every_allocation_may_fail),
      cmocka_unit_test(truncation_anywhere_is_clean),
      cmocka_unit_test(slicing_corpus_is_exact),
  };
  return cmocka_run_group_tests_name("vcf", tests, NULL, NULL);
}
