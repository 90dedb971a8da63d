/* tests/format/test_text.c - lines and words of plain text against a naive parser, on nasty inputs and on the shared
 * corpus. */
#include "format/exact.h"
#include "format/records.h"
#include "format/wrap.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

static void naive_lines(exact *e, const uint8_t *data, size_t n) {
  const size_t header = n >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
  *e = (exact){.plain = data, .size = n, .header = header};
  for (size_t i = header; i < n; i++)
    if (i == header || data[i - 1] == '\n') exact_add(e, i);
}

static void check_object(const char *name, const exact *e, const void *data, size_t n, uint64_t spacing, int rounds) {
  mst_error err = {0};
  drive d;
  drive_init(&d, NULL, &mst_format_text, name, data, n);
  d.spacing = spacing;
  exact_ok(drive_index(&d, NULL, 0, &err), &err);
  exact_check(&d, e);
  exact_check_cuts(&d, n, rounds);
  drive_free(&d);
}

static void check_text(const void *text, size_t n, uint64_t spacing) {
  exact e;
  naive_lines(&e, text, n);
  check_object("plain", &e, text, n, spacing, 10);
  exact_free(&e);
}

static void small_texts_are_exact(void **state) {
  static const char *const texts[] = {"",
                                      "\n",
                                      "\n\n\n",
                                      "a",
                                      "a\n",
                                      "a\nb",
                                      "\r\n",
                                      "\r\n\r\na\r\n",
                                      "a\rb\rc",
                                      "  ",
                                      "\xef\xbb\xbf",
                                      "\xef\xbb\xbf\n",
                                      "\xef\xbb\xbf"
                                      "a\nb\n",
                                      "\xef\xbb"
                                      "a\nb",
                                      "one\ntwo\nthree\n\n\nfour five\n six",
                                      "\xff\xfd\nb\n"};
  (void)state;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    for (uint64_t spacing = 1; spacing < 20; spacing += 3) check_text(texts[i], strlen(texts[i]), spacing);
}

static size_t make_text(uint64_t *seed, char *out, size_t max) {
  static const char alphabet[] = "ab \t\r\n\n\xc3\xa9";
  size_t n = (size_t)(exact_random(seed) % max);
  for (size_t i = 0; i < n; i++)
    out[i] = exact_random(seed) % 40 == 0 ? 'x' : alphabet[exact_random(seed) % (sizeof alphabet - 1)];
  return n;
}

static void random_texts_are_exact(void **state) {
  char text[700];
  uint64_t seed = 1;
  (void)state;
  for (int i = 0; i < exact_rounds(150); i++) check_text(text, make_text(&seed, text, sizeof text), 1 + exact_random(&seed) % 200);
}

/* Lines of many lengths, some longer than a span. */
static size_t make_lines(uint64_t *seed, char *out, size_t max) {
  size_t n = 0;
  while (n < max) {
    const size_t length = exact_random(seed) % 50 == 0 ? exact_random(seed) % 20000 : exact_random(seed) % 60;
    for (size_t i = 0; i < length && n < max; i++) out[n++] = "ACGT acgt"[exact_random(seed) % 9];
    if (n < max) out[n++] = '\n';
  }
  return n;
}

static void wrapped_texts_are_exact(void **state) {
  enum { MAX = 60000 };
  char *text = malloc(MAX);
  uint64_t seed = 2;
  (void)state;
  assert_non_null(text);
  for (int i = 0; i < exact_rounds(12); i++) {
    const size_t n = make_lines(&seed, text, exact_random(&seed) % MAX);
    exact e;
    naive_lines(&e, (uint8_t *)text, n);
    for (wrap_kind kind = 0; kind < WRAP_KINDS; kind++) {
      size_t size;
      uint8_t *data = wrap(kind, text, n, 300 + exact_random(&seed) % 3000, &size);
      check_object(wrap_name(kind), &e, data, size, 500 + exact_random(&seed) % 5000, 4);
      free(data);
    }
    exact_free(&e);
  }
  free(text);
}

/* ---- words ---------------------------------------------------------------------------------------------------------
 */

static bool is_blank(uint8_t c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

/* Slices joined are the object, and none but an empty one begins elsewhere than in front of a word. */
static void check_words(drive *d, const exact *e, const mst_plan_query *query) {
  drive_plan plan = {0};
  mst_error err = {0};
  mst_buf all;
  mst_buf_init(&all, NULL, SIZE_MAX / 2);
  exact_ok(drive_make_plan(d, query, &plan, &err), &err);
  if (query->slices > 0) assert_true(plan.n <= query->slices);
  for (size_t i = 0; i < plan.n; i++) {
    const size_t begin = all.size;
    exact_ok(drive_read(d, plan.parts[i].json, NULL, &all, &err), &err);
    assert_true(all.size <= e->size);
    if (begin < all.size && begin > e->header) assert_true(is_blank(e->plain[begin - 1]) && !is_blank(e->plain[begin]));
  }
  assert_int_equal(all.size, e->size);
  if (e->size > 0) assert_memory_equal(all.data, e->plain, e->size);
  mst_buf_free(&all);
  drive_plan_free(d, &plan);
}

static void check_words_of(const char *name, const exact *e, const void *data, size_t n, uint64_t spacing) {
  const uint64_t ns[] = {1, 2, 3, 7, 50};
  mst_error err = {0};
  drive d;
  drive_init(&d, NULL, &mst_format_text, name, data, n);
  d.spacing = spacing;
  exact_ok(drive_index(&d, NULL, 0, &err), &err);
  for (size_t i = 0; i < sizeof ns / sizeof *ns; i++) {
    check_words(&d, e, &(mst_plan_query){.slices = ns[i], .strategy = "words"});
    check_words(&d, e, &(mst_plan_query){.slice_bytes = e->size / ns[i] + 1, .strategy = "words"});
  }
  assert_int_equal(
      drive_make_plan(&d, &(mst_plan_query){.slice_records = 3, .strategy = "words"}, &(drive_plan){0}, &err),
      MST_E_ARGUMENT);
  drive_free(&d);
}

static void words_are_never_cut(void **state) {
  char text[3000];
  uint64_t seed = 3;
  (void)state;
  for (int i = 0; i < exact_rounds(60); i++) {
    const size_t n = make_text(&seed, text, sizeof text);
    exact e;
    naive_lines(&e, (uint8_t *)text, n);
    for (wrap_kind kind = 0; kind < WRAP_KINDS; kind++) {
      size_t size;
      uint8_t *data = wrap(kind, text, n, 100, &size);
      check_words_of(wrap_name(kind), &e, data, size, 1 + exact_random(&seed) % 400);
      free(data);
    }
    exact_free(&e);
  }
}

/* ---- Arrow ---------------------------------------------------------------------------------------------------------
 */

typedef struct joined {
  mst_buf text;
  uint64_t rows;
} joined;

static mst_status join_rows(void *arg, const struct ArrowSchema *schema, struct ArrowArray *batch, mst_error *err) {
  joined *j = arg;
  mst_view v;
  mst_status status = mst_batch_column(schema, batch, schema->children[0]->name, "U,Z", &v, err);
  for (int64_t i = 0; status == MST_OK && i < v.length; i++, j->rows++) {
    size_t n;
    const uint8_t *data = mst_view_bytes(&v, i, &n);
    status = mst_buf_put(&j->text, data, n, err);
    if (status == MST_OK) status = mst_buf_put_byte(&j->text, '|', err);
  }
  mst_array_release(batch);
  return status;
}

static void check_rows(const char *text, const char *unit, bool raw, uint64_t batch_rows, const char *expected) {
  json_t *options = raw ? json_pack("{s:b}", "raw", 1) : NULL;
  const mst_read_query query = {.as = MST_READ_ARROW, .options = options, .batch_rows = batch_rows};
  for (uint64_t n = 1; n < 6; n++) {
    drive d;
    drive_plan plan = {0};
    mst_error err = {0};
    joined j = {0};
    mst_buf_init(&j.text, NULL, SIZE_MAX / 2);
    drive_init(&d, NULL, &mst_format_text, "a.txt", text, strlen(text));
    d.spacing = 4;
    d.grain = n;
    exact_ok(drive_index(&d, NULL, 0, &err), &err);
    exact_ok(drive_make_plan(&d, &(mst_plan_query){.slices = n, .strategy = unit}, &plan, &err), &err);
    for (size_t i = 0; i < plan.n; i++)
      exact_ok(drive_read_arrow(&d, plan.parts[i].json, &query, join_rows, &j, &err), &err);
    assert_string_equal(mst_buf_text(&j.text), expected);
    mst_buf_free(&j.text);
    drive_plan_free(&d, &plan);
    drive_free(&d);
  }
  json_decref(options);
}

static void rows_are_lines_or_words(void **state) {
  (void)state;
  check_rows("one\ntwo\r\n\nthree", NULL, false, 0, "one|two||three|");
  check_rows("one\ntwo\r\n\nthree\n", "lines", false, 1, "one|two||three|");
  check_rows("\xef\xbb\xbfone\ntwo\n", NULL, false, 2, "one|two|");
  check_rows(" one  two\tthree\r\nfour\n\n five", "words", false, 3, "one|two|three|four|five|");
  check_rows("a\xff\nb\n", NULL, true, 0, "a\xff|b|");
  check_rows("", NULL, false, 0, "");
}

static void rows_name_what_is_no_text(void **state) {
  static const char text[] = "good\nb\xff"
                             "d\n";
  json_t *part = json_pack("{s:s}", "kind", "all");
  joined j = {0};
  drive d;
  mst_error err = {0};
  (void)state;
  mst_buf_init(&j.text, NULL, SIZE_MAX / 2);
  drive_init(&d, NULL, &mst_format_text, "a.txt", text, sizeof text - 1);
  exact_ok(drive_inspect(&d, &err), &err);
  assert_int_equal(drive_read_arrow(&d, part, NULL, join_rows, &j, &err), MST_E_CORRUPT);
  assert_non_null(strstr(err.message, "0xff"));
  assert_int_equal(err.offset, 6);
  mst_buf_free(&j.text);
  json_decref(part);
  drive_free(&d);
}

/* ---- beginnings ----------------------------------------------------------------------------------------------------
 */

static void wide_text_is_refused(void **state) {
  static const char *const texts[] = {"\xff\xfe"
                                      "a\0\n\0",
                                      "\xfe\xff\0a\0\n", "\0\0\xfe\xff\0\0\0a"};
  (void)state;
  for (size_t i = 0; i < 3; i++) {
    drive d;
    mst_error err = {0};
    drive_init(&d, NULL, &mst_format_text, "wide.txt", texts[i], 6);
    assert_int_equal(drive_inspect(&d, &err), MST_E_UNSUPPORTED);
    assert_string_equal(err.object, "wide.txt");
    drive_free(&d);
  }
}

static void names_and_bytes_tell_text(void **state) {
  static const uint8_t binary[] = {0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0};
  const char *why = NULL;
  (void)state;
  assert_ptr_equal(mst_format_detect(NULL, "s3://b/notes.txt", 5, (const uint8_t *)"a\nb\nc", 5, &why),
                   &mst_format_text);
  assert_ptr_equal(mst_format_detect(NULL, "s3://b/empty.txt", 0, NULL, 0, &why), &mst_format_text);
  assert_null(mst_format_detect(NULL, "s3://b/program", sizeof binary, binary, sizeof binary, &why));
  assert_non_null(why);
  for (wrap_kind kind = 0; kind < WRAP_KINDS; kind++) {
    size_t size;
    uint8_t *data = wrap(kind, "some plain words\nand more\n", 26, 7, &size);
    if (mst_format_detect(NULL, "notes.txt.gz", size, data, size, &why) != &mst_format_text)
      fail_msg("%s: %s", wrap_name(kind), why);
    free(data);
  }
}

/* ---- the shared corpus
 * ------------------------------------------------------------------------------------------------ */

static json_t *load_expected(const char *folder, const char *name) {
  char path[PATH_MAX], relative[200];
  snprintf(relative, sizeof relative, "corpus/slicing/%s/%s/expected.json", folder, name);
  if (!mst_test_shared(relative, path)) return NULL;
  json_t *expected = json_load_file(path, 0, NULL);
  assert_non_null(expected);
  return expected;
}

static void check_line(const json_t *expected, const uint8_t *line, size_t n, size_t i) {
  const json_t *text = json_array_get(json_object_get(expected, "records"), i);
  const json_t *hex = json_array_get(json_object_get(expected, "records_hex"), i);
  if (n > 0 && line[n - 1] == '\n') n--;
  if (n > 0 && line[n - 1] == '\r') n--;
  if (text != NULL) {
    assert_int_equal(json_string_length(text), n);
    assert_memory_equal(json_string_value(text), line, n);
  } else if (hex != NULL) {
    char *digits = malloc(2 * n + 1);
    assert_non_null(digits);
    mst_hex(line, n, digits);
    assert_string_equal(json_string_value(hex), digits);
    free(digits);
  }
}

static void check_case(const char *folder, const char *name, const char *file) {
  char path[PATH_MAX], relative[200];
  json_t *expected = load_expected(folder, name), *part = json_pack("{s:s}", "kind", "all");
  mst_error err = {0};
  size_t size;
  uint8_t *data;
  mst_buf plain;
  drive d;
  if (expected == NULL) skip();
  snprintf(relative, sizeof relative, "corpus/slicing/%s/%s/%s", folder, name, file);
  assert_true(mst_test_shared(relative, path));
  data = mst_test_read_file(path, &size);
  mst_buf_init(&plain, NULL, SIZE_MAX / 2);
  drive_init(&d, NULL, &mst_format_text, name, data, size);
  d.spacing = 3000;
  if (strcmp(json_string_value(json_object_get(expected, "status")), "reject") == 0) {
    assert_int_equal(drive_index(&d, NULL, 0, &err), MST_E_CORRUPT);
    assert_true(err.offset >= 0);
  } else {
    exact e;
    exact_ok(drive_index(&d, NULL, 0, &err), &err);
    exact_ok(drive_read(&d, part, NULL, &plain, &err), &err);
    naive_lines(&e, plain.data, plain.size);
    assert_int_equal(e.n, json_integer_value(json_object_get(expected, "n_records")));
    for (size_t i = 0; i < e.n; i++)
      check_line(expected, e.plain + e.starts[i], (i + 1 < e.n ? e.starts[i + 1] : e.size) - e.starts[i], i);
    exact_check(&d, &e);
    exact_check_cuts(&d, 5, 3);
    check_words(&d, &e, &(mst_plan_query){.slices = 7, .strategy = "words"});
    exact_free(&e);
  }
  drive_free(&d);
  mst_buf_free(&plain);
  free(data);
  json_decref(part);
  json_decref(expected);
}

static void corpus_texts_are_exact(void **state) {
  static const char *const names[] = {"blank-runs",       "crlf",           "empty",
                                      "invalid-utf8",     "long-word-late", "multi-script",
                                      "no-final-newline", "one-giant-word", "spaces-only"};
  (void)state;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) check_case("text", names[i], "input.txt");
}

static void corpus_gzip_texts_are_exact(void **state) {
  static const char *const names[] = {"bad-crc",
                                      "bgzf",
                                      "empty-member",
                                      "fields",
                                      "fixed-huffman",
                                      "full-flush",
                                      "long-match-over-index-point",
                                      "many-members",
                                      "member-cut-mid-line",
                                      "no-final-newline",
                                      "one-member",
                                      "small-window",
                                      "truncated"};
  (void)state;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) check_case("gztext", names[i], "input.gz");
}

/* ---- real files
 * ------------------------------------------------------------------------------------------------------ */

static json_t *expected_of(const char *path) {
  char name[PATH_MAX + 20];
  snprintf(name, sizeof name, "%s.expected.json", path);
  return json_load_file(name, 0, NULL);
}

static void check_text_file(const char *path, const json_t *expected) {
  const json_t *refused = json_object_get(expected, "refused");
  mst_error err = {0};
  exact e;
  drive d;
  size_t size;
  uint8_t *data = mst_test_read_file(path, &size);
  drive_init(&d, NULL, &mst_format_text, path, data, size);
  d.spacing = 20000;
  if (json_is_string(refused)) {
    assert_int_not_equal(drive_inspect(&d, &err), MST_OK);
  } else {
    naive_lines(&e, data, size);
    exact_ok(drive_index(&d, NULL, 0, &err), &err);
    assert_int_equal(e.n, json_integer_value(json_object_get(expected, "lines")));
    exact_check_plan(&d, &e, &(mst_plan_query){.slices = 7});
    exact_check_plan(&d, &e, &(mst_plan_query){.slices = 50});
    check_words(&d, &e, &(mst_plan_query){.slices = 7, .strategy = "words"});
    exact_check_cuts(&d, size, 2);
    exact_free(&e);
  }
  drive_free(&d);
  free(data);
}

/* By zlib, member after member. */
static uint8_t *naive_gunzip(const uint8_t *data, size_t size, size_t *n) {
  uint8_t *out = NULL;
  *n = 0;
  for (size_t at = 0; at < size && data[at] != 0;) {
    z_stream z = {.next_in = (Bytef *)(uintptr_t)(data + at), .avail_in = (uInt)(size - at)};
    int result = inflateInit2(&z, 31);
    while (result == Z_OK) {
      out = realloc(out, *n + 65536);
      assert_non_null(out);
      z.next_out = out + *n;
      z.avail_out = 65536;
      result = inflate(&z, Z_NO_FLUSH);
      *n += 65536 - z.avail_out;
    }
    assert_int_equal(result, Z_STREAM_END);
    at = size - z.avail_in;
    inflateEnd(&z);
  }
  return out;
}

static void check_gzip_file(const char *path, const json_t *expected) {
  const bool whole = json_is_null(json_object_get(expected, "refused"));
  mst_error err = {0};
  drive d;
  size_t size;
  uint8_t *data = mst_test_read_file(path, &size);
  drive_init(&d, NULL, &mst_format_text, path, data, size);
  d.spacing = 20000;
  mst_status status = drive_index(&d, NULL, 0, &err);
  if (whole && strstr(path, "without-eof-block") == NULL) {
    exact e;
    size_t n;
    uint8_t *plain = naive_gunzip(data, size, &n);
    exact_ok(status, &err);
    naive_lines(&e, plain, n);
    exact_check_plan(&d, &e, &(mst_plan_query){.slices = 7});
    exact_check_plan(&d, &e, &(mst_plan_query){.slices = 50});
    exact_check_cuts(&d, size, 2);
    exact_free(&e);
    free(plain);
  } else {
    if (status != MST_E_CORRUPT && status != MST_E_UNSUPPORTED) fail_msg("%s: %d", path, status);
    assert_string_equal(strrchr(err.object, '/'), strrchr(path, '/'));
    d.recover = true;
    if (drive_inspect(&d, &err) == MST_OK) (void)drive_index(&d, NULL, 0, &err);
  }
  drive_free(&d);
  free(data);
}

static int walk_file(const char *path, const struct stat *st, int kind, struct FTW *ftw) {
  json_t *expected = kind == FTW_F ? expected_of(path) : NULL;
  (void)st;
  (void)ftw;
  if (expected == NULL) return 0;
  if (strstr(path, "/files/gzip/") != NULL) check_gzip_file(path, expected);
  else check_text_file(path, expected);
  json_decref(expected);
  return 0;
}

static void real_files_are_exact(void **state) {
  char folder[PATH_MAX];
  (void)state;
  MST_TEST_NEED_SHARED("corpus/files/text", folder);
  assert_int_equal(nftw(folder, walk_file, 16, FTW_PHYS), 0);
  MST_TEST_NEED_SHARED("corpus/files/gzip", folder);
  assert_int_equal(nftw(folder, walk_file, 16, FTW_PHYS), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(small_texts_are_exact),   cmocka_unit_test(random_texts_are_exact),
      cmocka_unit_test(wrapped_texts_are_exact), cmocka_unit_test(words_are_never_cut),
      cmocka_unit_test(rows_are_lines_or_words), cmocka_unit_test(rows_name_what_is_no_text),
      cmocka_unit_test(wide_text_is_refused),    cmocka_unit_test(names_and_bytes_tell_text),
      cmocka_unit_test(corpus_texts_are_exact),  cmocka_unit_test(corpus_gzip_texts_are_exact),
      cmocka_unit_test(real_files_are_exact),
  };
  return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
