/* tests/format/test_fastq.c - FASTQ: the scanner against a naive parser on generated input, its rules under any
 * cutting, every kind of damage, the dialect. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/fastq.h"
#include "scan_check.h"

#define TEXT(literal) (const uint8_t *)(literal), sizeof(literal) - 1
#define ROOM          40000

/* ---- made input ---------------------------------------------------------------------------------------------------
 */

enum { READS_MAX = 4096 };
typedef struct made {
  uint8_t text[ROOM];
  size_t size, n;
  uint64_t start[READS_MAX], bases;
} made;

static void add(made *m, const char *text, size_t n) {
  memcpy(m->text + m->size, text, n);
  m->size += n;
}
static void add_text(made *m, const char *text) { add(m, text, strlen(text)); }

/* One line, or several when `multi`; no line of a multi-line read begins with '+', '@' or '>' by chance but qualities.
 */
static void add_letters(made *m, size_t n, const char *letters, bool multi, const char *end, uint64_t *rng) {
  const size_t kinds = strlen(letters), width = multi ? 1 + scan_random(rng) % 40 : SIZE_MAX;
  for (size_t i = 0; i < n; i++) {
    if (i > 0 && i % width == 0) add_text(m, end);
    add(m, &letters[scan_random(rng) % kinds], 1);
  }
  if (!multi || n > 0) add_text(m, end);
}

static void add_read(made *m, bool multi, uint64_t *rng) {
  static const char *const titles[] = {"r1",   "r 1:N:0",         "",         "@x",       "+",
                                       "a\tb", "read/1 length=4", "\xc3\xa9", "a b c d e"};
  static const size_t lengths[] = {0, 1, 2, 3, 4, 30, 63, 64, 65, 150};
  const char *end = scan_random(rng) % 8 == 0 ? "\r\n" : "\n", *title = titles[scan_random(rng) % 9];
  const size_t n = scan_random(rng) % 50 == 0 ? scan_random(rng) % 2000 : lengths[scan_random(rng) % 10];
  m->start[m->n++] = m->size;
  m->bases += n;
  add_text(m, "@");
  add_text(m, title);
  add_text(m, end);
  add_letters(m, n, "ACGTN.acgt", multi, end, rng);
  add_text(m, "+");
  if (scan_random(rng) % 3 == 0) add_text(m, title);
  add_text(m, end);
  /* Qualities look like everything else. */
  add_letters(m, n, scan_random(rng) % 2 == 0 ? "@+I" : "!\"#@+>IJ~A", multi, end, rng);
  if (scan_random(rng) % 16 == 0) add_text(m, scan_random(rng) % 2 == 0 ? "\n" : " \r\n\t\n");
}

static void make(made *m, size_t target, bool multi, uint64_t *rng) {
  m->size = m->n = 0;
  m->bases = 0;
  if (scan_random(rng) % 8 == 0) add_text(m, "\n");
  while (m->size < target && m->n < READS_MAX - 1 && m->size + 6000 < ROOM) add_read(m, multi, rng);
  if (m->size > 0 && m->text[m->size - 1] == '\n' && scan_random(rng) % 4 == 0 && m->size > m->start[m->n - 1] + 6)
    m->size -= m->size > 1 && m->text[m->size - 2] == '\r' ? 2 : 1;
}

static json_t *dialect_of(bool multi, bool interleaved) {
  json_t *j = json_object();
  assert_non_null(j);
  json_object_set_new(j, "lines", multi ? json_string("multi") : json_integer(4));
  if (interleaved) json_object_set_new(j, "interleaved", json_true());
  return j;
}

/* How a read that pieces cut is summed up depends on where they do; what comes of it must not. */
static bool same_extra(const mst_bytes *a, const mst_bytes *b) {
  json_t *x = json_object(), *y = json_object();
  const mst_status left = mst_fastq_final_facts(a, x, NULL), right = mst_fastq_final_facts(b, y, NULL);
  const bool same = left == right && json_equal(x, y);
  json_decref(x);
  json_decref(y);
  return same;
}

static void check_made(const made *m, const json_t *dialect, unsigned rounds, uint64_t *rng) {
  static uint64_t starts[READS_MAX];
  const scan_case c = {.ops = &mst_records_fastq, .dialect = dialect, .same_extra = same_extra};
  const bool pairs = json_is_true(json_object_get(dialect, "interleaved"));
  const size_t step = pairs ? 2 : 1;
  scan_result r;
  scan_bytes(&c, 0, m->text, m->size, 0, true, &r);
  if (r.status != MST_OK) fail_msg("refused: %s\n%.*s", r.err.message, (int)m->size, (const char *)m->text);
  assert_int_equal(r.records, m->n / step);
  assert_int_equal(scan_starts(&c, m->text, m->size, starts, READS_MAX), m->n / step);
  for (size_t i = 0; i < m->n / step; i++) assert_int_equal(starts[i], m->start[i * step]);
  const mst_bytes extra = mst_bytes_borrow(r.extra, r.extra_size);
  json_t *facts = json_object();
  assert_int_equal(mst_fastq_final_facts(&extra, facts, NULL), MST_OK);
  assert_int_equal(json_integer_value(json_object_get(facts, "bases")), m->bases);
  json_decref(facts);
  if (!mst_text_equal(json_string_value(json_object_get(dialect, "lines")), "multi") && !pairs)
    scan_check(&c, m->text, m->size, rounds, rng);
  else
    for (size_t chunk = 1; chunk < 40; chunk += 3) {
      scan_result other;
      scan_bytes(&c, 0, m->text, m->size, chunk, true, &other);
      assert_int_equal(other.status, MST_OK);
      assert_int_equal(other.records, r.records);
    }
}

/* ---- tests --------------------------------------------------------------------------------------------------------
 */

static void run_made(bool multi, bool interleaved, int rounds) {
  static made m;
  json_t *dialect = dialect_of(multi, interleaved);
  uint64_t rng = multi ? 0xabc : 0xdef;
  for (int i = 0; i < rounds; i++) {
    make(&m, i % 20 == 0 ? 30000 : 500, multi, &rng);
    if (interleaved && m.n % 2 != 0) add_read(&m, multi, &rng);
    if (interleaved && m.text[m.start[m.n - 1] - 1] != '\n') continue; /* the last newline had been taken away */
    check_made(&m, dialect, 10, &rng);
  }
  json_decref(dialect);
}

static void test_four_lines(void **state) {
  (void)state;
  run_made(false, false, 300);
}

static void test_more_lines(void **state) {
  (void)state;
  run_made(true, false, 200);
}

static void test_pairs_are_never_parted(void **state) {
  (void)state;
  run_made(false, true, 100);
}

static void test_portable_kernels_agree(void **state) {
  (void)state;
  setenv("MESETA_KERNELS", "portable", 1);
  run_made(false, false, 60);
  run_made(true, false, 60);
  unsetenv("MESETA_KERNELS");
}

/* A read that pieces cut is as well checked as one that lies in one piece: the same verdict from any three cuts. */
static void check_verdict(const json_t *dialect, const uint8_t *text, size_t n, mst_status want, const char *reason) {
  const scan_case c = {.ops = &mst_records_fastq, .dialect = dialect, .same_extra = same_extra};
  scan_result r;
  for (size_t chunk = 0; chunk < 4; chunk++) {
    scan_bytes(&c, 0, text, n, chunk, true, &r);
    if (r.status != want) fail_msg("%s: %s %s", (const char *)text, mst_status_name(r.status), r.err.message);
    if (want != MST_OK && strstr(r.err.message, reason) == NULL) fail_msg("%s: %s", (const char *)text, r.err.message);
  }
  if (!mst_text_equal(json_string_value(json_object_get(dialect, "lines")), "4") && json_object_get(dialect, "serial"))
    return;
  for (size_t a = 0; a <= n; a++)
    for (size_t b = a; b <= n; b += 3) {
      const size_t cuts[2] = {a, b};
      scan_pieces(&c, text, n, cuts, 2, b % 2 == 0, &r);
      if (r.status == MST_OK) {
        const mst_bytes extra = mst_bytes_borrow(r.extra, r.extra_size);
        json_t *facts = json_object();
        r.status = mst_fastq_final_facts(&extra, facts, &r.err);
        json_decref(facts);
      }
      if (r.status != want)
        fail_msg("cut at %zu and %zu: %s %s\n%s", a, b, mst_status_name(r.status), r.err.message, (const char *)text);
      if (want != MST_OK) assert_true(r.err.offset >= 0 && (size_t)r.err.offset <= n);
    }
}

static void test_damage_is_named(void **state) {
  static const struct {
    const char *text, *reason;
  } wrong[] = {
      {"@a\nACGT\n+\nIII\n@b\nAC\n+\nII\n", "read 0 (\"a\") has 4 bases but 3 qualities"},
      {"@a\nACG\n+\nIIII\n@b\nAC\n+\nII\n", "has 3 bases but 4 qualities"},
      {"@a\nAC\n+\nII\n@b x\nACGT\n+b y\nIIII\n", "read 1 (\"b\") has another title behind '+'"},
      {"@a\nAC\n+\nII\n@b x\nACGT\n+c\nIIII\n@c\nA\n+\nI\n", "has another title behind '+' (1 bytes)"},
      {"@a\nACGT\nIIII\n@b\nAC\n+\nII\n", "where its '+' must stand"},
      {"ACGT\n", "a read must begin with '@'"},
      {"@a\nAC\n+\nII\nxx\n", "a read must begin with '@'"},
      {"@a\nA GT\n+\nIIII\n", "byte 0x20 among its bases"},
      {"@a\nACGT\n+\nI\vII\n", "byte 0x0b among its qualities"},
      {"@a\nACGT\n+\nI\x1bII\n", "byte 0x1b among its qualities"},
      {"@a\nAC\rT\n+\nIIII\n", "carriage return without a line feed"},
      {"@a", "cut off in its title"},
      {"@a\nAC\n+\nII\n@b\n", "read 1 (\"b\") is cut off in its bases"},
      {"@a\nACGT", "cut off in its bases"},
      {"@a\nACGT\n", "cut off in front of its '+'"},
      {"@a\nACGT\n+", "has 4 bases but 0 qualities where the object ends"},
      {"@a b\n\n+b", "another title"},
      {"@ab c\nA\n+ab \nI\n", "another title"},
      {"@ab c\nA\n+a\nI\n", "another title"},
      {"@a\nACGT\n+\n", "has 4 bases but 0 qualities where the object ends"},
      {"@a\nACGT\n+\nIII", "has 4 bases but 3 qualities where the object ends"},
      {"@a\nAC\n+\nII\n\n@b\nA\n+\nII\n", "read 1"},
  };
  json_t *dialect = dialect_of(false, false);
  (void)state;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    check_verdict(dialect, (const uint8_t *)wrong[i].text, strlen(wrong[i].text), MST_E_CORRUPT, wrong[i].reason);
  json_decref(dialect);
}

static void test_what_must_be_read(void **state) {
  static const char *const right[] = {
      "",
      "\n\r\n",
      "@a\n\n+\n\n@b\n\n+b\n\n",
      "@a\r\nAC\r\n+a\r\nII\r\n\r\n",
      "@\nA\n+\n@\n@\nA\n+\n+\n@\nA\n+\n@",
      "@a b\tc\nACGT\n+a b\tc\n@+@+\n\n\n \n",
      "@@a\n+ACG\n+\n@III\n",
      "@a b c\nAC\n+a\nII\n@a b c\nAC\n+a b c\nII\n@\tx\nA\n+\tx\nI\n",
      "@a\n\n+",
      "@a\n\n+a\n",
  };
  json_t *dialect = dialect_of(false, false);
  (void)state;
  for (size_t i = 0; i < sizeof right / sizeof *right; i++)
    check_verdict(dialect, (const uint8_t *)right[i], strlen(right[i]), MST_OK, "");
  json_decref(dialect);
}

static void test_damage_in_more_lines_is_named(void **state) {
  static const struct {
    const char *text, *reason;
  } wrong[] = {
      {"@a\nAC\nGT\n+\nII\nIII\n", "has 4 bases but 5 qualities"},
      {"@a\nAC\nGT\n+\nII\nI", "has 4 bases but 3 qualities where the object ends"},
      {"@a\nAC\nGT\n@b\nAC\n+\nII\n", "'@' where its '+' must stand"},
      {"@a\nAC\nGT\n+x\nII\nII\n", "another title"},
  };
  json_t *dialect = dialect_of(true, false);
  (void)state;
  json_object_set_new(dialect, "serial", json_true());
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    check_verdict(dialect, (const uint8_t *)wrong[i].text, strlen(wrong[i].text), MST_E_CORRUPT, wrong[i].reason);
  json_decref(dialect);
}

static void test_a_read_without_mate_is_named(void **state) {
  json_t *dialect = dialect_of(false, true);
  (void)state;
  json_object_set_new(dialect, "serial", json_true());
  check_verdict(dialect, TEXT("@a/1\nA\n+\nI\n@a/2\nA\n+\nI\n@b/1\nA\n+\nI\n"), MST_E_CORRUPT, "no mate");
  json_decref(dialect);
}

/* Every state in which a piece may begin, on text that fits one: the scan either goes on as the whole did or refuses;
 * it never crashes and never says more reads than there are '@'. */
static void test_pieces_begun_in_the_wrong_state(void **state) {
  static made m;
  json_t *dialect = dialect_of(false, false);
  const scan_case c = {.ops = &mst_records_fastq, .dialect = dialect, .same_extra = same_extra};
  uint64_t rng = 99;
  (void)state;
  for (int i = 0; i < 50; i++) {
    make(&m, 600, false, &rng);
    for (unsigned s = 1; s < MST_FASTQ_STATES; s++) {
      const size_t begin = scan_random(&rng) % m.size;
      scan_result r;
      scan_bytes(&c, s, m.text + begin, m.size - begin, scan_random(&rng) % 10, true, &r);
      if (r.status != MST_OK) assert_int_equal(r.status, MST_E_CORRUPT);
    }
  }
  json_decref(dialect);
}

static void check_dialect(const char *options, const uint8_t *head, size_t n, bool whole, const char *want) {
  json_t *given = options == NULL ? NULL : json_loads(options, 0, NULL), *got = NULL;
  const mst_job job = {.name = "x.fq", .options = given};
  uint64_t more = 0;
  mst_error err = {0};
  const mst_status status = mst_records_fastq.sniff(&job, head, n, whole, &got, &more, &err);
  if (want == NULL) {
    assert_int_equal(status, MST_E_ARGUMENT);
  } else {
    char *text;
    if (status != MST_OK) fail_msg("%s", err.message);
    text = json_dumps(got, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text, want);
    free(text);
  }
  json_decref(got);
  json_decref(given);
}

static void test_dialect(void **state) {
  (void)state;
  check_dialect(NULL, TEXT("@a\nAC\n+\nII\n"), true, "{\"lines\":4}");
  check_dialect(NULL, TEXT("@a\nAC\nGT\n+\nII\nII\n"), true, "{\"lines\":\"multi\",\"serial\":true}");
  check_dialect(NULL, TEXT("@a\nAC\n+\nII\n@b\nAC\nGT\n+\nII\nI"), false, "{\"lines\":\"multi\",\"serial\":true}");
  check_dialect(NULL, TEXT("@a\nACGT\nIIII\n@b\nAC\n+\nII\n"), true, "{\"lines\":4}");
  check_dialect(NULL, TEXT("@a\nACGT\n+\nIII"), true, "{\"lines\":4}");
  check_dialect(NULL, TEXT(""), true, "{\"lines\":4}");
  check_dialect("{\"lines\":\"multi\"}", TEXT("@a\nAC\n+\nII\n"), true, "{\"lines\":\"multi\",\"serial\":true}");
  check_dialect("{\"lines\":\"4\"}", TEXT("@a\nAC\nGT\n+\nII\nII\n"), true, "{\"lines\":4}");
  check_dialect("{\"interleaved\":true}", TEXT("@a\nAC\n+\nII\n"), true,
                "{\"interleaved\":true,\"lines\":4,\"serial\":true}");
  check_dialect("{\"lines\":5}", TEXT("@a\nAC\n+\nII\n"), true, NULL);
  check_dialect("{\"interleaved\":3}", TEXT("@a\nAC\n+\nII\n"), true, NULL);
}

static void test_hostile_summaries_are_refused(void **state) {
  json_t *dialect = dialect_of(false, false);
  const scan_case c = {.ops = &mst_records_fastq, .dialect = dialect, .same_extra = same_extra};
  scan_result r;
  (void)state;
  scan_bytes(&c, MST_FASTQ_BASES, TEXT("AC\n+\nII\n@a\nAC\n+\nII\n"), 0, true, &r);
  assert_int_equal(r.status, MST_OK);
  for (size_t n = 1; n < r.extra_size; n++) {
    const mst_bytes cut = mst_bytes_borrow(r.extra, n);
    mst_fastq_span span;
    assert_int_equal(mst_fastq_span_decode(&cut, &span, NULL), MST_E_CORRUPT);
  }
  json_decref(dialect);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_four_lines),
      cmocka_unit_test(test_more_lines),
      cmocka_unit_test(test_pairs_are_never_parted),
      cmocka_unit_test(test_portable_kernels_agree),
      cmocka_unit_test(test_damage_is_named),
      cmocka_unit_test(test_what_must_be_read),
      cmocka_unit_test(test_damage_in_more_lines_is_named),
      cmocka_unit_test(test_a_read_without_mate_is_named),
      cmocka_unit_test(test_pieces_begun_in_the_wrong_state),
      cmocka_unit_test(test_dialect),
      cmocka_unit_test(test_hostile_summaries_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
