/* tests/format/test_fasta.c - FASTA: the scanner against a naive parser on nasty generated input, its rules under any
 * cutting, what is refused, names and their hashes, the dialect. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/fasta.h"
#include "scan_check.h"

#define TEXT(literal) (const uint8_t *)(literal), sizeof(literal) - 1

static json_t *no_dialect(void) {
  json_t *j = json_object();
  assert_non_null(j);
  return j;
}

/* ---- a naive parser --------------------------------------------------------------------------------------------- */

enum { RECORDS_MAX = 4096 };
typedef struct naive {
  size_t n;
  uint64_t start[RECORDS_MAX], residues[RECORDS_MAX];
  uint32_t hash[RECORDS_MAX];
  uint64_t total;
  bool refused;
} naive;

static uint32_t naive_hash(const uint8_t *line, size_t n) {
  uint32_t hash = 2166136261u;
  size_t i = 1, used = 0;
  while (i < n && strchr(" \t\r\v\f", line[i]) != NULL && line[i] != 0) i++;
  for (; i < n && (line[i] == 0 || strchr(" \t\r\v\f", line[i]) == NULL) && used < 255; i++, used++)
    hash = (hash ^ line[i]) * 16777619u;
  return hash;
}

static void naive_parse(const uint8_t *data, size_t n, naive *out) {
  memset(out, 0, sizeof *out);
  for (size_t at = 0, end; at < n; at = end + 1) {
    for (end = at; end < n && data[end] != '\n'; end++) {
    }
    if (data[at] == '>') {
      assert_true(out->n < RECORDS_MAX);
      out->start[out->n] = at;
      out->hash[out->n++] = naive_hash(data + at, end - at);
      continue;
    }
    if (end > at && data[at] == ';') continue;
    if (end > at && out->n == 0 && (data[at] == '#' || data[at] == '!')) continue;
    for (size_t i = at; i < end; i++) {
      const bool graph = data[i] > 32 && data[i] < 127, blank = data[i] == ' ' || (data[i] >= 9 && data[i] <= 13);
      if (data[i] == 0 || data[i] > 127) out->refused = true;
      if (!blank && out->n == 0) out->refused = true;
      if (graph && out->n > 0) {
        out->residues[out->n - 1]++;
        out->total++;
      }
    }
  }
}

/* ---- comparison ------------------------------------------------------------------------------------------------- */

static void check_against_naive(const uint8_t *data, size_t n, unsigned rounds, uint64_t *rng) {
  static naive want;
  static uint64_t starts[RECORDS_MAX];
  json_t *dialect = no_dialect();
  const scan_case records = {.ops = &mst_records_fasta, .dialect = dialect};
  const scan_case residues = {.ops = &mst_records_fasta, .dialect = dialect, .unit = "residues"};
  scan_result whole;
  naive_parse(data, n, &want);
  scan_bytes(&records, 0, data, n, 0, true, &whole);
  if (want.refused) {
    assert_int_equal(whole.status, MST_E_CORRUPT);
    assert_true(whole.err.offset >= 0 && (size_t)whole.err.offset < n);
    scan_check(&records, data, n, rounds, rng);
    json_decref(dialect);
    return;
  }
  if (whole.status != MST_OK) fail_msg("refused: %s", whole.err.message);
  assert_int_equal(whole.records, want.n);
  assert_int_equal(scan_starts(&records, data, n, starts, RECORDS_MAX), want.n);
  for (size_t i = 0; i < want.n; i++) assert_int_equal(starts[i], want.start[i]);
  if (!whole.no_extra) {
    const mst_bytes extra = mst_bytes_borrow(whole.extra, whole.extra_size);
    mst_fasta_span span;
    assert_int_equal(mst_fasta_span_decode(&extra, &span, NULL), MST_OK);
    assert_int_equal(span.residues, want.total);
    assert_int_equal(span.n_hashes, want.n);
    for (size_t i = 0; i < want.n; i++) assert_int_equal(mst_le32(span.hashes + 4 * i), want.hash[i]);
    if (want.n > 0) {
      assert_int_equal(span.last_header, want.start[want.n - 1]);
      assert_int_equal(span.tail_residues, want.residues[want.n - 1]);
    }
  }
  scan_check(&records, data, n, rounds, rng);
  scan_check(&residues, data, n, rounds / 4, rng);
  json_decref(dialect);
}

static size_t put(uint8_t *out, size_t at, size_t max, const char *text) {
  const size_t n = strlen(text);
  if (at + n > max) return at;
  memcpy(out + at, text, n);
  return at + n;
}

/* Lines of all that FASTA has seen, in any order; one in eight objects may hold bytes that are refused. */
static size_t nasty(uint8_t *out, size_t max, uint64_t *rng) {
  static const char *const headers[] = {
      ">", ">a", "> a", ">\ta b", ">name description > with ; marks", ">x\xc3\xa9y z", ">  ", ">a\rb", ">>", ">;a"};
  static const char *const lines[] = {"ACGT",     "A",           "",  "acgtnRYK*-.", "AC GT", "A>C;",
                                      ";comment", ";>no header", " ", "AC\t",        "MKV",   "~!#@"};
  static const char *const ends[] = {"\n", "\r\n", "\n\n", "\n", "\n"};
  static const char *const leads[] = {"", "", "", "\n", "\r\n", "; old\n", "# c\n", "! x\n\n", " \t\n"};
  const bool wrong = scan_random(rng) % 8 == 0;
  const size_t target = scan_random(rng) % max;
  size_t at = put(out, 0, max, leads[scan_random(rng) % 9]);
  at = put(out, at, max, headers[scan_random(rng) % 10]);
  at = put(out, at, max, "\n");
  while (at < target) {
    const uint64_t kind = scan_random(rng) % 16;
    if (kind < 4) at = put(out, at, max, headers[scan_random(rng) % 10]);
    else if (kind == 4 && at + 400 < max)
      for (uint64_t i = scan_random(rng) % 400; i > 0; i--) out[at++] = (uint8_t) "ACGTacgt"[scan_random(rng) % 8];
    else at = put(out, at, max, lines[scan_random(rng) % 12]);
    at = put(out, at, max, ends[scan_random(rng) % 5]);
    if (wrong && scan_random(rng) % 16 == 0 && at < max) out[at++] = (uint8_t)scan_random(rng);
  }
  if (scan_random(rng) % 3 == 0 && at > 0) at--;
  return at;
}

/* ---- tests ------------------------------------------------------------------------------------------------------ */

static void test_nasty_inputs_agree_with_a_naive_parser(void **state) {
  uint8_t *data = malloc(20000);
  uint64_t rng = 0x5eed;
  (void)state;
  assert_non_null(data);
  for (int i = 0; i < 300; i++) check_against_naive(data, nasty(data, i % 30 == 0 ? 20000 : 400, &rng), 8, &rng);
  free(data);
}

static void test_portable_kernels_agree(void **state) {
  setenv("MESETA_KERNELS", "portable", 1);
  test_nasty_inputs_agree_with_a_naive_parser(state);
  unsetenv("MESETA_KERNELS");
}

static void test_every_byte_of_a_small_object_may_be_its_end(void **state) {
  static const char text[] = "; old\n\n>one first\r\nACGT\r\nAC\r\n>  two\n;note\nGG\nG\n\n>\n>three>x;\nTT TT\n>four";
  uint64_t rng = 7;
  (void)state;
  for (size_t n = 0; n < sizeof text; n++) check_against_naive((const uint8_t *)text, n, 8, &rng);
}

static void test_long_headers_and_lines_cross_batches(void **state) {
  const size_t max = 200000;
  uint8_t *data = malloc(max);
  uint64_t rng = 3;
  (void)state;
  assert_non_null(data);
  for (size_t width = 8100; width < 8300; width += 33) {
    size_t at = 0;
    while (at + 3 * width + 10 < max) {
      data[at++] = '>';
      memset(data + at, 'n', width);
      at += width;
      data[at++] = '\n';
      memset(data + at, '>', 1);
      data[at++] = 'x';
      data[at++] = '\n';
      memset(data + at, 'A', width);
      at += width;
      data[at++] = '\n';
    }
    check_against_naive(data, at, 2, &rng);
  }
  free(data);
}

static mst_status scan_text(const uint8_t *text, size_t n, mst_error *err) {
  json_t *dialect = no_dialect();
  const scan_case c = {.ops = &mst_records_fasta, .dialect = dialect};
  scan_result r;
  scan_bytes(&c, 0, text, n, 0, true, &r);
  json_decref(dialect);
  *err = r.err;
  return r.status;
}

static void test_what_is_no_fasta_is_refused_with_place_and_reason(void **state) {
  mst_error err;
  (void)state;
  assert_int_equal(scan_text(TEXT("this is no fasta\nACGT\n"), &err), MST_E_CORRUPT);
  assert_int_equal(err.offset, 0);
  assert_non_null(strstr(err.message, "\"this is no fasta\""));
  assert_int_equal(scan_text(TEXT("\n\nACGT\n"), &err), MST_E_CORRUPT);
  assert_int_equal(err.offset, 2);
  assert_int_equal(scan_text(TEXT(" >a\nACGT\n"), &err), MST_E_CORRUPT);
  assert_int_equal(scan_text(TEXT(">a\nAC\0GT\n"), &err), MST_E_CORRUPT);
  assert_int_equal(err.offset, 5);
  assert_non_null(strstr(err.message, "0x00"));
  assert_int_equal(scan_text(TEXT(">a\nACGT\nAC\xc3\xa9\n"), &err), MST_E_CORRUPT);
  assert_int_equal(err.offset, 10);
  assert_int_equal(scan_text(TEXT(">a \xc3\xa9\nACGT\n"), &err), MST_OK);
  assert_int_equal(scan_text(TEXT(""), &err), MST_OK);
  assert_int_equal(scan_text(TEXT("\n\r\n \n"), &err), MST_OK);
}

static void test_cuts_fall_on_residues_only(void **state) {
  static const char text[] = ">a\nACGT\r\nAC\r\n\n;x\n>b\n>>\nG>T\n";
  /* for each offset the first place at or behind it where a residue stands that begins nothing, or a record */
  static const int cuts[] = {0,  3,  3,  3,  4,  5,  6,  9,  9,  9,  10, 17, 17, 17,
                             17, 17, 17, 17, 20, 20, 20, 23, 23, 23, 25, 25, -1, -1};
  json_t *dialect = no_dialect();
  const scan_case c = {.ops = &mst_records_fasta, .dialect = dialect, .unit = "residues"};
  (void)state;
  for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
    const size_t n = sizeof text - 1, want = cuts[i] < 0 ? n : (size_t)cuts[i];
    const size_t got = scan_cut(&c, (const uint8_t *)text, n, i);
    if (got != want) fail_msg("offset %zu: cut at %zu, not %zu", i, got, want);
  }
  json_decref(dialect);
}

static void test_dialect(void **state) {
  const mst_job job = {.name = "x.fa"};
  json_t *dialect = NULL;
  uint64_t want = 0, rng = 5;
  mst_error err;
  scan_result r;
  (void)state;
  assert_int_equal(mst_records_fasta.sniff(&job, TEXT("\xef\xbb\xbf>a\nACGT\n"), true, &dialect, &want, &err), MST_OK);
  const scan_case c = {.ops = &mst_records_fasta, .dialect = dialect};
  scan_check(&c, TEXT("\xef\xbb\xbf>a\nACGT\n>b\nC\n"), 50, &rng);
  scan_bytes(&c, 0, TEXT("\xef\xbb\xbf>a\nACGT\n"), 0, true, &r);
  assert_int_equal(r.status, MST_OK);
  assert_int_equal(r.records, 1);
  json_decref(dialect);
  assert_int_equal(mst_records_fasta.sniff(&job, TEXT(">a\rACGT\r>b\rAC\r"), true, &dialect, &want, &err),
                   MST_E_UNSUPPORTED);
  assert_non_null(strstr(err.message, "carriage returns"));
}

static void test_detection(void **state) {
  const struct {
    const char *head;
    int least, most;
  } cases[] = {{">a\nACGT", 60, 60},
               {"\n\n>a\n", 60, 60},
               {"; old\n>a\n", 60, 60},
               {"# c\n>a\n", 60, 60},
               {"text\n>a\n", 1, 9},
               {"@r\nA\n+\nI\n", 1, 9},
               {"", 5, 5}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const size_t n = strlen(cases[i].head);
    const int got = mst_format_fasta.probe("x", n, (const uint8_t *)cases[i].head, n);
    if (got < cases[i].least || got > cases[i].most) fail_msg("%s: %d", cases[i].head, got);
  }
}

static void test_hostile_summaries_are_refused(void **state) {
  json_t *dialect = no_dialect();
  const scan_case c = {.ops = &mst_records_fasta, .dialect = dialect};
  uint64_t rng = 11;
  scan_result r;
  (void)state;
  scan_bytes(&c, 0, TEXT(">a\nACGT\n>b\nAC\n"), 0, true, &r);
  for (size_t n = 1; n < r.extra_size; n++) {
    const mst_bytes cut = mst_bytes_borrow(r.extra, n);
    mst_fasta_span span;
    assert_int_equal(mst_fasta_span_decode(&cut, &span, NULL), MST_E_CORRUPT);
  }
  for (int i = 0; i < 2000; i++) {
    scan_result wrong = r;
    const mst_bytes bytes = mst_bytes_borrow(wrong.extra, wrong.extra_size);
    mst_buf out;
    mst_buf_init(&out, NULL, SIZE_MAX / 4);
    wrong.extra[scan_random(&rng) % wrong.extra_size] = (uint8_t)scan_random(&rng);
    (void)mst_fasta_join(&bytes, 16, 2, &bytes, &out, NULL);
    mst_buf_free(&out);
  }
  json_decref(dialect);
}

static void test_memory_runs_out(void **state) {
  json_t *dialect = no_dialect();
  (void)state;
  for (long n = 1;; n++) {
    mst_test_allocator a;
    mst_scanner *s = NULL;
    mst_buf extra;
    size_t used;
    bool stopped;
    mst_error err;
    mst_status status;
    mst_test_allocator_init(&a, n, false);
    mst_buf_init(&extra, &a.allocator, 1 << 20);
    status = mst_records_fasta.open(&a.allocator, dialect, 0, NULL, &s, &err);
    if (status == MST_OK) status = mst_records_fasta.feed(s, TEXT(">a\nAC\n>b\nGG\n"), NULL, &used, &stopped, &err);
    if (status == MST_OK) status = mst_records_fasta.take_extra(s, &extra, &err);
    if (s != NULL) mst_records_fasta.close(s);
    mst_buf_free(&extra);
    assert_int_equal(a.live_blocks, 0);
    if (!a.failed) break;
    assert_int_equal(status, MST_E_NO_MEMORY);
  }
  json_decref(dialect);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_nasty_inputs_agree_with_a_naive_parser),
      cmocka_unit_test(test_portable_kernels_agree),
      cmocka_unit_test(test_every_byte_of_a_small_object_may_be_its_end),
      cmocka_unit_test(test_long_headers_and_lines_cross_batches),
      cmocka_unit_test(test_what_is_no_fasta_is_refused_with_place_and_reason),
      cmocka_unit_test(test_cuts_fall_on_residues_only),
      cmocka_unit_test(test_dialect),
      cmocka_unit_test(test_detection),
      cmocka_unit_test(test_hostile_summaries_are_refused),
      cmocka_unit_test(test_memory_runs_out),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
