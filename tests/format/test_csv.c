/* tests/format/test_csv.c - rows of delimited text: the scanner against a naive reader, on nasty generated quoting and on the shared
 * corpus, cut anywhere; what is refused; the kernels against each other. */
#include "format/csv.h"

#include <stdio.h>
#include <stdlib.h>

#include "format/exact.h"
#include "format/naive_csv.h"
#include "format/scan_check.h"
#include "format/wrap.h"

typedef struct dialect {
  int delimiter, quote, escape; /* -1: none */
  bool header;
} dialect;

static json_t *dialect_json(const dialect *d, size_t lead, size_t header_bytes) {
  mst_csv_dialect csv = {.delimiter = (uint8_t)d->delimiter, .header = d->header, .lead = lead, .header_bytes = header_bytes};
  json_t *out = NULL;
  mst_error err = {0};
  csv.has_quote = d->quote >= 0;
  csv.quote = (uint8_t)(d->quote < 0 ? 0 : d->quote);
  csv.has_escape = d->escape >= 0;
  csv.escape = (uint8_t)(d->escape < 0 ? 0 : d->escape);
  exact_ok(mst_csv_dialect_write(&csv, &out, &err), &err);
  return out;
}

/* ---- the scanner against the naive reader --------------------------------------------------------------------- */

enum { STARTS_MAX = 8192 };

static void check_scan(const uint8_t *data, size_t n, const dialect *d, unsigned rounds, uint64_t *rng) {
  static uint64_t starts[STARTS_MAX];
  size_t lead = 0, found;
  naive_csv want;
  json_t *json;
  scan_case c = {.ops = &mst_records_csv};
  scan_result whole;
  while (d->header && lead < n && (data[lead] == '\n' || data[lead] == '\r')) lead++;
  naive_csv_read(data, n, 0, d->delimiter, d->quote, d->escape, &want);
  c.dialect = json = dialect_json(d, lead, d->header ? want.first_end : 0);
  scan_bytes(&c, 0, data, n, 0, true, &whole);
  if (want.unclosed) {
    assert_int_equal(whole.status, MST_E_CORRUPT);
    assert_true(whole.err.offset >= 0 && (size_t)whole.err.offset < n && data[whole.err.offset] == d->quote);
  } else {
    exact_ok(whole.status, &whole.err);
    assert_int_equal(whole.records, want.n_rows - (d->header && want.n_rows > 0 ? 1 : 0));
  }
  found = scan_starts(&c, data, n, starts, STARTS_MAX);
  assert_int_equal(found, want.n_rows - (d->header && want.n_rows > 0 ? 1 : 0));
  for (size_t i = 0; i < found; i++) assert_int_equal(starts[i], want.starts[i + (d->header ? 1 : 0)]);
  scan_check(&c, data, n, rounds, rng);
  json_decref(json);
  naive_csv_free(&want);
}

static const dialect dialects[] = {{',', '"', -1, true},  {',', '"', -1, false}, {';', '\'', -1, true}, {',', '"', '\\', false},
                                   {'\t', -1, -1, false}, {'|', -1, '\\', true}, {' ', '"', '\\', true}};

/* Bytes that mean something, in any order. */
static size_t make_noise(uint64_t *rng, const dialect *d, uint8_t *out, size_t max) {
  const size_t n = (size_t)(scan_random(rng) % max);
  const uint64_t calm = 1 + scan_random(rng) % 8; /* how much plain text there is */
  for (size_t i = 0; i < n; i++) {
    const int special[] = {d->delimiter, d->quote, d->quote, d->escape, '\n', '\r', ' ', 0};
    const int c = special[scan_random(rng) % 8];
    out[i] = (uint8_t)(c < 0 || scan_random(rng) % calm > 0 ? "abc\xc3\xa9 7"[scan_random(rng) % 7] : c);
  }
  return n;
}

static void nasty_noise_is_read_right(void **state) {
  uint64_t rng = 42;
  uint8_t data[1500];
  (void)state;
  for (int i = 0; i < exact_rounds(1500); i++) {
    const dialect *d = &dialects[scan_random(&rng) % (sizeof dialects / sizeof *dialects)];
    check_scan(data, make_noise(&rng, d, data, i % 3 == 0 ? sizeof data : 60), d, 3, &rng);
  }
}

/* Well-formed rows of every kind of cell. */
static size_t make_rows(uint64_t *rng, const dialect *d, uint8_t *out, size_t max) {
  static const char *const bare[] = {"", "1", "x\"y", "two words", "\xc3\xa9\xe6\x9d\xb1", "5\" disk", "-0.5e3"};
  static const char *const ends[] = {"\n", "\r\n", "\r", "\n\n", "\r\n\r\n"};
  size_t n = 0;
  const char *end = ends[scan_random(rng) % 5];
  while (n + 400 < max) {
    for (uint64_t cells = 1 + scan_random(rng) % 4; cells > 0; cells--) {
      if (d->quote >= 0 && scan_random(rng) % 3 == 0) {
        out[n++] = (uint8_t)d->quote;
        for (uint64_t k = scan_random(rng) % 30; k > 0; k--) {
          const int c = "ab,\n\r;x\t"[scan_random(rng) % 8];
          if (scan_random(rng) % 6 == 0) {
            out[n++] = (uint8_t)(d->escape >= 0 && scan_random(rng) % 2 == 0 ? d->escape : d->quote);
            out[n++] = (uint8_t)d->quote;
          } else {
            out[n++] = (uint8_t)c;
          }
        }
        out[n++] = (uint8_t)d->quote;
      } else {
        const char *text = bare[scan_random(rng) % 7];
        memcpy(out + n, text, strlen(text));
        n += strlen(text);
      }
      if (cells > 1) out[n++] = (uint8_t)d->delimiter;
    }
    memcpy(out + n, end, strlen(end));
    n += strlen(end);
  }
  return n;
}

static void rows_are_read_right(void **state) {
  uint64_t rng = 7;
  static uint8_t data[6000];
  (void)state;
  for (int i = 0; i < exact_rounds(60); i++) {
    const dialect *d = &dialects[scan_random(&rng) % (sizeof dialects / sizeof *dialects)];
    check_scan(data, make_rows(&rng, d, data, sizeof data), d, 4, &rng);
  }
}

/* ---- kernels -------------------------------------------------------------------------------------------------- */

static void kernels_agree(void **state) {
  const mst_scan_kernels *fast = mst_scan_best(), *plain = mst_scan_find("portable");
  uint64_t rng = 99, a[100], b[100];
  uint8_t data[4096];
  (void)state;
  for (int i = 0; i < exact_rounds(4000); i++) {
    const dialect *d = &dialects[scan_random(&rng) % (sizeof dialects / sizeof *dialects)];
    const size_t n = i % 2 == 0 ? make_noise(&rng, d, data, sizeof data) : make_rows(&rng, d, data, sizeof data);
    mst_scan_quoted x = {.quote = (uint8_t)d->quote, .delimiter = (uint8_t)d->delimiter, .escape = (uint8_t)d->escape,
                         .has_quote = d->quote >= 0, .has_escape = d->escape >= 0, .inside = scan_random(&rng) % 2 == 0};
    mst_scan_quoted y;
    uint64_t max = scan_random(&rng) % 50, from = 0, to = 0;
    x.opens = !x.inside && scan_random(&rng) % 2 == 0;
    x.fresh = x.opens && scan_random(&rng) % 2 == 0;
    y = x;
    assert_int_equal(fast->quoted_starts(data, n, &x, max, &from), plain->quoted_starts(data, n, &y, max, &to));
    assert_int_equal(from, to);
    assert_memory_equal(&x, &y, sizeof x);
    const size_t used = fast->quoted_ends(data, n, &x, a);
    assert_int_equal(used, plain->quoted_ends(data, n, &y, b));
    assert_memory_equal(a, b, used / 8);
    assert_memory_equal(&x, &y, sizeof x);
  }
}

/* Every sequence of lead and continuation bytes that can be right or wrong, at every place in a block. */
static void utf8_kernels_agree(void **state) {
  static const uint8_t bytes[] = {0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1,
                                  0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf8, 0xff};
  const mst_scan_kernels *fast = mst_scan_best();
  uint64_t rng = 5;
  uint8_t data[200];
  (void)state;
  for (int i = 0; i < exact_rounds(300000); i++) {
    const size_t n = 1 + scan_random(&rng) % (i % 4 == 0 ? sizeof data : 80), at = scan_random(&rng) % n;
    memset(data, 'a', n);
    for (size_t k = at; k < n && k < at + 5; k++) data[k] = bytes[scan_random(&rng) % sizeof bytes];
    assert_int_equal(fast->utf8(data, n), mst_utf8_valid(data, n, NULL));
  }
}

/* ---- whole objects -------------------------------------------------------------------------------------------- */

static void check_object(const char *name, const exact *e, const void *data, size_t n, uint64_t spacing, json_t *options,
                         int rounds) {
  mst_error err = {0};
  drive d;
  drive_init(&d, NULL, &mst_format_csv, name, data, n);
  d.spacing = spacing;
  d.options = options;
  exact_ok(drive_index(&d, NULL, 0, &err), &err);
  exact_check(&d, e);
  exact_check_cuts(&d, n + 1, rounds);
  drive_free(&d);
}

/* What the naive reader finds, with the header taken off. `lead`: byte order mark and the like. */
static void expect(exact *e, const uint8_t *data, size_t n, size_t lead, const dialect *d) {
  naive_csv csv;
  naive_csv_read(data, n, lead, d->delimiter, d->quote, d->escape, &csv);
  *e = (exact){.plain = data, .size = n, .header = d->header ? csv.first_end : lead};
  for (size_t i = d->header ? 1 : 0; i < csv.n_rows; i++) exact_add(e, csv.starts[i]);
  naive_csv_free(&csv);
}

static json_t *options_of(const dialect *d) {
  const char delimiter[2] = {(char)d->delimiter, 0}, quote[2] = {d->quote < 0 ? 0 : (char)d->quote, 0},
             escape[2] = {d->escape < 0 ? 0 : (char)d->escape, 0};
  return json_pack("{s:s, s:s, s:s, s:b}", "delimiter", delimiter, "quote", quote, "escape", escape, "header", d->header);
}

static void small_objects_are_exact(void **state) {
  static const char *const texts[] = {"a,b\n", "a,b\n1,2", "\n\na,b\n\n1,2\n\n\n3,4\n\n", "a,b\r\n1,\"x\r\ny\"\r\n2,z\r\n", "a\r1\r2\r",
                                      "\"a\nb\",c\n\"\"\"\",\"\n\"\n\"x\"y,2\n", "\xef\xbb\xbf" "a,b\n1,2\n", "1", "\n", "\r\n\r\n"};
  (void)state;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    for (int header = 0; header < 2; header++) {
      const dialect d = {',', '"', -1, header != 0};
      const size_t lead = texts[i][0] == '\xef' ? 3 : 0;
      json_t *options = options_of(&d);
      exact e;
      expect(&e, (const uint8_t *)texts[i], strlen(texts[i]), lead, &d);
      for (uint64_t spacing = 1; spacing < 12; spacing += 3)
        check_object("small.csv", &e, texts[i], strlen(texts[i]), spacing, options, 25);
      exact_free(&e);
      json_decref(options);
    }
}

static void an_empty_object_has_no_rows(void **state) {
  const exact e = {.plain = (const uint8_t *)""};
  (void)state;
  check_object("empty.csv", &e, "", 0, 10, NULL, 3);
}

/* A sep= line and a byte order mark are no rows, and are repeated with the header. */
static void lead_is_no_row(void **state) {
  static const char text[] = "\xef\xbb\xbfsep=;\r\na;b\r\n1;2\r\n3;\"x;y\"\r\n";
  const dialect d = {';', '"', -1, true}, bare = {';', '"', -1, false};
  json_t *no_header = json_pack("{s:b}", "header", 0);
  exact e;
  (void)state;
  expect(&e, (const uint8_t *)text, sizeof text - 1, 10, &d);
  for (uint64_t spacing = 1; spacing < 9; spacing++) check_object("lead.csv", &e, text, sizeof text - 1, spacing, NULL, 40);
  exact_free(&e);
  expect(&e, (const uint8_t *)text, sizeof text - 1, 10, &bare);
  check_object("lead.csv", &e, text, sizeof text - 1, 3, no_header, 40);
  exact_free(&e);
  json_decref(no_header);
}

/* A cell of `cell` bytes, then `rest`. */
static void check_long_row(size_t cell, const char *rest, json_t *options, mst_status status, uint64_t records,
                           size_t name_size) {
  const size_t n = cell + strlen(rest);
  uint8_t *data = malloc(n);
  mst_error err = {0};
  drive d;
  memset(data, 'a', cell);
  memcpy(data + cell, rest, strlen(rest));
  drive_init(&d, NULL, &mst_format_csv, "long.csv", data, n);
  d.options = options;
  d.spacing = 1 << 20;
  const mst_status got = drive_index(&d, NULL, 0, &err);
  if (got != status) fail_msg("%zu: %s: %s", cell, mst_status_name(got), err.message);
  if (got == MST_OK) {
    const json_t *made = json_object_get(d.facts, "dialect"), *names = json_object_get(made, "names");
    if (names == NULL) names = json_object_get(made, "long_names");
    assert_int_equal(json_integer_value(json_object_get(d.facts, "records")), records);
    assert_int_equal(json_array_size(names), 2);
    assert_int_equal(json_string_length(json_array_get(names, 0)), name_size);
    assert_string_equal(json_string_value(json_array_get(names, 1)), name_size == 8 ? "column_2" : "b");
  }
  drive_free(&d);
  free(data);
}

/* Sniffing sets no bound to a record: a row longer than what it looks at is one. */
static void long_first_rows_are_records(void **state) {
  json_t *header = json_pack("{s:b}", "header", 1);
  (void)state;
  check_long_row(2 << 20, ",b\n1,2\n", NULL, MST_OK, 2, 8);
  check_long_row(2 << 20, ",b\n1,2\n", header, MST_OK, 1, 64 << 10);
  check_long_row(70 << 20, ",b\n1,2\n", header, MST_E_LIMIT, 0, 0);
  json_decref(header);
}

static void random_objects_are_exact(void **state) {
  static uint8_t data[40000];
  uint64_t rng = 3;
  (void)state;
  for (int i = 0; i < exact_rounds(40); i++) {
    const dialect *d = &dialects[scan_random(&rng) % (sizeof dialects / sizeof *dialects)];
    const size_t n = make_rows(&rng, d, data, 2000 + scan_random(&rng) % (sizeof data - 2000));
    json_t *options = options_of(d);
    size_t size;
    uint8_t *wrapped = wrap((wrap_kind)(i % WRAP_KINDS), data, n, 3000, &size);
    exact e;
    expect(&e, data, n, 0, d);
    check_object("random.csv", &e, wrapped, size, 1 + scan_random(&rng) % 5000, options, 3);
    exact_free(&e);
    free(wrapped);
    json_decref(options);
  }
}

static void every_allocation_may_fail(void **state) {
  static const char text[] = "id,name\n1,\"a\nb\"\n2,c\n3,\"d \"\"e\"\"\"\n";
  mst_error err = {0};
  drive d;
  (void)state;
  drive_init(&d, NULL, &mst_format_csv, "memory.csv", text, sizeof text - 1);
  d.spacing = 8;
  exact_ok(drive_inspect(&d, &err), &err);
  exact_check_memory(&d);
  drive_free(&d);
}

/* Every prefix of a small object: rows as the naive reader has them, or an error where a quote is open. */
static void truncation_anywhere_is_clean(void **state) {
  static const char text[] = "a,b\r\n1,\"x\"\"\r\ny\"\r\n\r\n\"q\",z\r\n,\n";
  const dialect d = {',', '"', -1, true};
  json_t *options = options_of(&d);
  (void)state;
  for (size_t n = 0; n < sizeof text; n++) {
    mst_error err = {0};
    naive_csv want;
    drive v;
    naive_csv_read((const uint8_t *)text, n, 0, ',', '"', -1, &want);
    drive_init(&v, NULL, &mst_format_csv, "cut.csv", text, n);
    v.spacing = 7;
    v.options = options;
    const mst_status status = drive_index(&v, NULL, 0, &err);
    if (want.unclosed) {
      assert_int_equal(status, MST_E_CORRUPT);
      assert_int_equal(text[err.offset], '"');
    } else {
      exact_ok(status, &err);
      assert_int_equal(json_integer_value(json_object_get(v.facts, "records")), want.n_rows > 0 ? want.n_rows - 1 : 0);
    }
    drive_free(&v);
    naive_csv_free(&want);
  }
  json_decref(options);
}

/* ---- corpus --------------------------------------------------------------------------------------------------- */

static json_t *load_json(const char *path) {
  json_error_t e;
  json_t *j = json_load_file(path, 0, &e);
  if (j == NULL) fail_msg("%s: %s", path, e.text);
  return j;
}

/* Cells of the naive reader against those of the expected file: [header, then records]. */
static void check_cells(const naive_csv *csv, const json_t *expected, const char *what) {
  const json_t *records = json_object_get(expected, "records"), *header = json_object_get(expected, "header");
  const size_t skip = json_is_array(header) ? 1 : 0;
  size_t k = 0;
  assert_int_equal(csv->n_rows, json_array_size(records) + skip);
  for (size_t i = 0; i < csv->n_rows; i++) {
    const json_t *row = i < skip ? header : json_array_get(records, i - skip);
    for (size_t c = 0; c < json_array_size(row); c++, k++) {
      const json_t *cell = json_array_get(row, c);
      if (k >= csv->n_cells || csv->cells[k].row != i || csv->cells[k].size != json_string_length(cell) ||
          memcmp(csv->cells[k].text, json_string_value(cell), csv->cells[k].size) != 0)
        fail_msg("%s: row %zu, cell %zu differs", what, i, c);
    }
  }
}

static void slicing_corpus_is_exact(void **state) {
  static const char *const cases[] = {"bom-utf8", "crlf-no-final", "doubled-quotes", "empty", "empty-cells", "escaped-backslash",
                                      "giant-record", "header-only", "looks-like-rows-in-quotes", "one-column", "pipe",
                                      "quote-mid-cell", "quoted-newlines", "short-rows"};
  char folder[PATH_MAX];
  (void)state;
  MST_TEST_NEED_SHARED("corpus/slicing/csv", folder);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char path[PATH_MAX + 64];
    size_t n;
    snprintf(path, sizeof path, "%s/%s/expected.json", folder, cases[i]);
    json_t *expected = load_json(path), *given = json_object_get(expected, "dialect");
    snprintf(path, sizeof path, "%s/%s/input.csv", folder, cases[i]);
    uint8_t *data = mst_test_read_file(path, &n);
    const char *delimiter = json_string_value(json_object_get(given, "delimiter"));
    const char *escape = json_string_value(json_object_get(given, "escapechar"));
    const dialect d = {delimiter == NULL ? ',' : delimiter[0], '"', escape == NULL ? -1 : escape[0], n > 0};
    const size_t lead = n >= 3 && data[0] == 0xef ? 3 : 0;
    naive_csv csv;
    exact e;
    naive_csv_read(data, n, lead, d.delimiter, d.quote, d.escape, &csv);
    check_cells(&csv, expected, cases[i]);
    expect(&e, data, n, lead, &d);
    check_object(path, &e, data, n, 64, NULL, 4); /* the dialect is found */
    exact_free(&e);
    naive_csv_free(&csv);
    json_decref(expected);
    free(data);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nasty_noise_is_read_right),      cmocka_unit_test(rows_are_read_right),
      cmocka_unit_test(kernels_agree),                  cmocka_unit_test(utf8_kernels_agree),
      cmocka_unit_test(small_objects_are_exact),        cmocka_unit_test(an_empty_object_has_no_rows),
      cmocka_unit_test(lead_is_no_row),
      cmocka_unit_test(long_first_rows_are_records),                 cmocka_unit_test(random_objects_are_exact),
      cmocka_unit_test(every_allocation_may_fail),      cmocka_unit_test(truncation_anywhere_is_clean),
      cmocka_unit_test(slicing_corpus_is_exact),
  };
  return cmocka_run_group_tests_name("csv", tests, NULL, NULL);
}
