/* tests/format/test_fastq_slices.c - slices of FASTQ objects, plain and compressed, raw and as rows, against a naive
 * parser and the shared corpus; pairs; damage. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "format/exact.h"
#include "format/fastq.h"
#include "format/table.h"
#include "format/wrap.h"

/* ---- a naive parser --------------------------------------------------------------------------------------------- */

typedef struct fastq_read {
  char *title, *bases, *qualities;
} fastq_read;
typedef struct naive {
  exact e;
  fastq_read *items;
  size_t n;
} naive;

typedef struct lines {
  const uint8_t *data;
  size_t n, at;
} lines;

/* The next line without its end; false behind the last. */
static bool next_line(lines *l, const uint8_t **line, size_t *n) {
  size_t end = l->at;
  if (l->at >= l->n) return false;
  while (end < l->n && l->data[end] != '\n') end++;
  *line = l->data + l->at;
  *n = end - l->at;
  if (*n > 0 && (*line)[*n - 1] == '\r') --*n;
  l->at = end + 1;
  return true;
}

static void append(char **text, const uint8_t *more, size_t n) {
  const size_t size = *text == NULL ? 0 : strlen(*text);
  *text = realloc(*text, size + n + 1);
  assert_non_null(*text);
  memcpy(*text + size, more, n);
  (*text)[size + n] = '\0';
}

/* Reads of any number of lines, as Cock et al. 2010 have them. */
static void naive_parse(naive *p, const uint8_t *data, size_t n, bool multi) {
  lines l = {.data = data, .n = n};
  const uint8_t *line;
  size_t size;
  *p = (naive){.e = {.plain = data, .size = n}};
  for (;;) {
    const size_t start = l.at;
    fastq_read *r;
    if (!next_line(&l, &line, &size)) break;
    if (size == 0 || *line != '@') continue;
    exact_add(&p->e, start);
    p->items = realloc(p->items, (p->n + 1) * sizeof *p->items);
    assert_non_null(p->items);
    r = &p->items[p->n++];
    *r = (fastq_read){0};
    append(&r->title, line + 1, size - 1);
    append(&r->bases, line, 0);
    append(&r->qualities, line, 0);
    while (next_line(&l, &line, &size) && !(multi && size > 0 && *line == '+')) {
      append(&r->bases, line, size);
      if (!multi) break;
    }
    if (!multi) assert_true(next_line(&l, &line, &size) && *line == '+');
    while ((!multi || strlen(r->qualities) < strlen(r->bases)) && next_line(&l, &line, &size)) {
      append(&r->qualities, line, size);
      if (!multi) break;
    }
  }
}

static void naive_free(naive *p) {
  for (size_t i = 0; i < p->n; i++) {
    free(p->items[i].title);
    free(p->items[i].bases);
    free(p->items[i].qualities);
  }
  free(p->items);
  exact_free(&p->e);
}

/* Every second start, where records are pairs. */
static void pair_up(naive *p) {
  for (size_t i = 0; i < p->e.n / 2; i++) p->e.starts[i] = p->e.starts[2 * i];
  p->e.n /= 2;
}

/* ---- rows ------------------------------------------------------------------------------------------------------- */

/* The title is the name, and, with what blanks there are between, the description. */
static void check_title(const char *title, const char *name, const char *description) {
  const size_t n = strcspn(title + strspn(title, " \t"), " \t\v\f\r");
  title += strspn(title, " \t");
  assert_int_equal(strlen(name), n);
  assert_memory_equal(name, title, n);
  title += n;
  title += strspn(title, " \t\v\f\r");
  assert_memory_equal(description, title, strlen(description));
  assert_int_equal(strspn(title + strlen(description), " \t\v\f\r"), strlen(title + strlen(description)));
}

static void check_rows(drive *d, const naive *p, uint64_t n, uint64_t batch_rows) {
  const mst_plan_query query = {.slices = n};
  const mst_read_query arrow = {.as = MST_READ_ARROW, .batch_rows = batch_rows};
  drive_plan plan = {0};
  mst_error err = {0};
  table t;
  table_init(&t);
  exact_ok(drive_make_plan(d, &query, &plan, &err), &err);
  for (size_t i = 0; i < plan.n; i++) exact_ok(table_read(&t, d, plan.parts[i].json, &arrow, &err), &err);
  assert_int_equal(t.rows, p->n);
  if (batch_rows > 0) assert_true(t.batches * batch_rows >= t.rows);
  for (size_t i = 0; i < p->n; i++) {
    check_title(p->items[i].title, table_cell(&t, i, 0), table_cell(&t, i, 1));
    assert_string_equal(table_cell(&t, i, 2), p->items[i].bases);
    assert_string_equal(table_cell(&t, i, 3), p->items[i].qualities);
  }
  table_free(&t);
  drive_plan_free(d, &plan);
}

static void check_object(const char *name, const naive *p, const void *data, size_t n, uint64_t spacing,
                         json_t *options, int rounds) {
  mst_error err = {0};
  drive d;
  drive_init(&d, NULL, &mst_format_fastq, name, data, n);
  d.spacing = spacing;
  d.options = options;
  exact_ok(drive_index(&d, NULL, 0, &err), &err);
  exact_check(&d, &p->e);
  check_rows(&d, p, 1, 0);
  check_rows(&d, p, 3, 4);
  check_rows(&d, p, 50, 0);
  if (rounds > 0) exact_check_cuts(&d, n, rounds);
  drive_free(&d);
}

static void check_text(const void *text, size_t n, bool multi, json_t *options, size_t unit, uint64_t spacing,
                       int rounds) {
  naive p;
  naive_parse(&p, text, n, multi);
  if (json_is_true(json_object_get(options, "interleaved"))) pair_up(&p);
  for (wrap_kind kind = 0; kind < (unit > 0 ? WRAP_KINDS : WRAP_PLAIN + 1); kind++) {
    size_t size;
    uint8_t *data = wrap(kind, text, n, unit, &size);
    check_object(wrap_name(kind), &p, data, size, spacing, options, rounds);
    free(data);
  }
  naive_free(&p);
}

/* ---- generated input -------------------------------------------------------------------------------------------- */

typedef struct maker {
  uint8_t *text;
  size_t n, max;
  uint64_t seed;
} maker;

static void add(maker *m, const void *text, size_t n) {
  assert_true(n <= m->max - m->n);
  memcpy(m->text + m->n, text, n);
  m->n += n;
}

static void add_letters(maker *m, const char *letters, size_t n, size_t width, const char *end) {
  const size_t kinds = strlen(letters);
  for (size_t i = 0; i < n; i++) {
    if (i > 0 && i % width == 0) add(m, end, strlen(end));
    add(m, &letters[exact_random(&m->seed) % kinds], 1);
  }
  add(m, end, strlen(end));
}

static void add_read(maker *m, size_t longest, bool multi) {
  static const char *const titles[] = {"r/1", "SRR1.1 1 length=4", "", "@+", "a\tb c", "\xc3\xa9 x", "x y "};
  const char *title = titles[exact_random(&m->seed) % 7], *end = exact_random(&m->seed) % 6 == 0 ? "\r\n" : "\n";
  const size_t n = exact_random(&m->seed) % longest, width = multi ? 1 + exact_random(&m->seed) % 60 : SIZE_MAX;
  add(m, "@", 1);
  add(m, title, strlen(title));
  add(m, end, strlen(end));
  add_letters(m, "ACGTN", n, width, end);
  add(m, "+", 1);
  if (exact_random(&m->seed) % 3 == 0) add(m, title, strlen(title));
  add(m, end, strlen(end));
  add_letters(m, exact_random(&m->seed) % 3 == 0 ? "@+" : "@+IJ#!5", n, width, end);
  if (exact_random(&m->seed) % 20 == 0) add(m, "\n", 1);
}

static void make_object(maker *m, size_t target, size_t longest, bool multi) {
  m->n = 0;
  while (m->n < target) add_read(m, exact_random(&m->seed) % 30 == 0 ? longest : 1 + longest / 8, multi);
  if (m->n > 1 && exact_random(&m->seed) % 3 == 0 && m->text[m->n - 1] == '\n' && m->text[m->n - 2] > ' ') m->n--;
}

static maker new_maker(size_t max, uint64_t seed) {
  const maker m = {.text = malloc(max), .max = max, .seed = seed};
  assert_non_null(m.text);
  return m;
}

static void test_random_objects_are_exact(void **state) {
  maker m = new_maker(10000, 31);
  (void)state;
  for (int i = 0; i < exact_rounds(40); i++) {
    make_object(&m, exact_random(&m.seed) % 3000, 600, false);
    check_text(m.text, m.n, false, NULL, 0, 1 + exact_random(&m.seed) % 500, 4);
  }
  free(m.text);
}

static void test_random_compressed_objects_are_exact(void **state) {
  maker m = new_maker(100000, 32);
  (void)state;
  for (int i = 0; i < 3; i++) {
    make_object(&m, 30000 + exact_random(&m.seed) % 20000, 8000, false);
    check_text(m.text, m.n, false, NULL, 4000, 3000, 2);
  }
  free(m.text);
}

static void test_reads_of_more_lines_are_exact(void **state) {
  maker m = new_maker(100000, 33);
  json_t *options = json_pack("{s:s}", "lines", "multi");
  (void)state;
  for (int i = 0; i < exact_rounds(20); i++) {
    make_object(&m, exact_random(&m.seed) % 3000, 900, true);
    check_text(m.text, m.n, true, options, i % 10 == 0 ? 700 : 0, 300, 2);
  }
  json_decref(options);
  free(m.text);
}

static void test_pairs_stay_together(void **state) {
  maker m = new_maker(100000, 34);
  json_t *options = json_pack("{s:b}", "interleaved", 1);
  (void)state;
  for (int i = 0; i < exact_rounds(10); i++) {
    naive p, pairs;
    mst_error err = {0};
    size_t reads = 0;
    drive d;
    m.n = 0;
    for (reads = 0; reads < 2 * (1 + exact_random(&m.seed) % 40); reads += 2) {
      add_read(&m, 90, false);
      add_read(&m, 90, false);
    }
    naive_parse(&p, m.text, m.n, false);
    naive_parse(&pairs, m.text, m.n, false);
    pair_up(&pairs);
    drive_init(&d, NULL, &mst_format_fastq, "pairs.fq", m.text, m.n);
    d.spacing = 500;
    d.options = options;
    exact_ok(drive_index(&d, NULL, 0, &err), &err);
    exact_check(&d, &pairs.e);
    check_rows(&d, &p, 3, 0);
    drive_free(&d);
    naive_free(&p);
    naive_free(&pairs);
  }
  json_decref(options);
  free(m.text);
}

static void test_mates_are_cut_at_the_same_numbers(void **state) {
  maker a = new_maker(30000, 35), b = new_maker(30000, 36);
  const mst_plan_query query = {.slice_records = 7};
  drive_plan plans[2] = {{0}};
  drive d[2];
  mst_error err = {0};
  (void)state;
  for (int i = 0; i < 60; i++) {
    add_read(&a, 100, false);
    add_read(&b, 300, false);
  }
  for (int i = 0; i < 2; i++) {
    drive_init(&d[i], NULL, &mst_format_fastq, "r.fq", i == 0 ? a.text : b.text, i == 0 ? a.n : b.n);
    d[i].spacing = 1000;
    exact_ok(drive_index(&d[i], NULL, 0, &err), &err);
    exact_ok(drive_make_plan(&d[i], &query, &plans[i], &err), &err);
  }
  assert_int_equal(plans[0].n, 9);
  assert_int_equal(plans[1].n, 9);
  for (size_t i = 0; i < 9; i++) assert_int_equal(plans[0].parts[i].records, plans[1].parts[i].records);
  for (int i = 0; i < 2; i++) {
    drive_plan_free(&d[i], &plans[i]);
    drive_free(&d[i]);
  }
  free(a.text);
  free(b.text);
}

static void test_small_objects_are_exact(void **state) {
  static const char *const texts[] = {
      "", "\n", "@a\nA\n+\nI", "@\n\n+\n\n", "@a\nAC\n+a\nII\n@b\nG\n+\n@\n\n\n", "\n@a\nA\n+\nI\n"};
  (void)state;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    for (uint64_t spacing = 1; spacing < 20; spacing += 5)
      check_text(texts[i], strlen(texts[i]), false, NULL, 0, spacing, 4);
}

/* Wherever a read is damaged, an object indexed in pieces is refused as surely as one indexed at once, with a place. */
static void test_damage_is_refused_however_it_is_cut(void **state) {
  static const char *const wrong[] = {
      "@a\nACGT\n+\nIII\n@b\nAC\n+\nII\n", "@a\nAC\n+\nII\n@b x\nACGT\n+b y\nIIII\n@c\nA\n+\nI\n",
      "@a\nACGT\nIIII\n@b\nAC\n+\nII\n", "@a\nAC\n+\nII\n@b\nACGT\n+\nII", "@a\nAC\n+\nII\n@b\nA CT\n+\nIIII\n"};
  (void)state;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    const size_t n = strlen(wrong[i]);
    for (uint64_t cut = 0; cut < n; cut++) {
      mst_error err = {0};
      drive d;
      drive_init(&d, NULL, &mst_format_fastq, "wrong.fq", wrong[i], n);
      d.spacing = 10;
      const mst_status status = drive_index(&d, cut == 0 ? NULL : &cut, cut == 0 ? 0 : 1, &err);
      if (status != MST_E_CORRUPT) fail_msg("%s cut at %u: %s", wrong[i], (unsigned)cut, mst_status_name(status));
      if (err.offset < 0 || (size_t)err.offset > n)
        fail_msg("%s cut at %u: %s (no place)", wrong[i], (unsigned)cut, err.message);
      drive_free(&d);
    }
  }
}

/* Reading with no index judges what it reads. */
static void test_rows_judge_what_they_read(void **state) {
  static const char text[] = "@a\nAC\n+\nII\n@b\nACGT\n+\nIII\n";
  json_t *part = json_pack("{s:s}", "kind", "all");
  mst_error err = {0};
  table t;
  drive d;
  (void)state;
  table_init(&t);
  drive_init(&d, NULL, &mst_format_fastq, "a.fq", text, sizeof text - 1);
  exact_ok(drive_inspect(&d, &err), &err);
  assert_int_equal(table_read(&t, &d, part, NULL, &err), MST_E_CORRUPT);
  assert_non_null(strstr(err.message, "4 bases but 3 qualities"));
  assert_int_equal(err.offset, 11);
  table_free(&t);
  d.record_max = 3;
  assert_int_equal(table_read(&t, &d, part, NULL, &err), MST_E_CORRUPT);
  table_free(&t);
  drive_free(&d);
  json_decref(part);
}

static void test_memory_runs_out(void **state) {
  static const char text[] = "@a first\nACGTACGT\n+\nIIIIIIII\n@b\nAC\n+b\nII\n\n@c\nG\n+\n@\n";
  mst_error err = {0};
  drive d;
  (void)state;
  drive_init(&d, NULL, &mst_format_fastq, "a.fq", text, sizeof text - 1);
  d.spacing = 8;
  exact_ok(drive_index(&d, NULL, 0, &err), &err);
  exact_check_memory(&d);
  for (long n = 1;; n++) {
    json_t *part = json_pack("{s:s}", "kind", "all");
    mst_test_allocator a;
    mst_status status;
    table t;
    table_init(&t);
    mst_test_allocator_init(&a, n, false);
    d.mem = &a.allocator;
    status = table_read(&t, &d, part, NULL, &err);
    table_free(&t);
    json_decref(part);
    assert_int_equal(a.live_blocks, 0);
    if (!a.failed) {
      exact_ok(status, &err);
      break;
    }
    assert_int_equal(status, MST_E_NO_MEMORY);
  }
  d.mem = NULL;
  drive_free(&d);
}

/* ---- the shared corpus ------------------------------------------------------------------------------------------- */

static void check_against_expected(const naive *p, const json_t *records) {
  const json_t *record;
  size_t i;
  assert_int_equal(json_array_size(records), p->n);
  json_array_foreach(records, i, record) {
    assert_string_equal(p->items[i].title, json_string_value(json_array_get(record, 0)));
    assert_string_equal(p->items[i].bases, json_string_value(json_array_get(record, 1)));
    assert_string_equal(p->items[i].qualities, json_string_value(json_array_get(record, 2)));
  }
}

/* The plain bytes of an object, by reading it whole. */
static mst_status read_plain(const void *data, size_t n, mst_buf *out, mst_error *err) {
  json_t *part = json_pack("{s:s}", "kind", "all");
  drive d;
  mst_status status;
  drive_init(&d, NULL, &mst_format_fastq, "x.fq", data, n);
  status = drive_inspect(&d, err);
  if (status == MST_OK) status = drive_read(&d, part, NULL, out, err);
  drive_free(&d);
  json_decref(part);
  return status;
}

static void check_case(const char *name) {
  char relative[300], path[PATH_MAX];
  json_t *expected;
  uint8_t *data;
  size_t n;
  mst_error err = {0};
  mst_buf plain;
  drive d;
  mst_buf_init(&plain, NULL, SIZE_MAX / 2);
  snprintf(relative, sizeof relative, "corpus/slicing/fastq/%s/expected.json", name);
  assert_true(mst_test_shared(relative, path));
  expected = json_load_file(path, 0, NULL);
  assert_non_null(expected);
  snprintf(relative, sizeof relative, "corpus/slicing/fastq/%s/%s", name,
           json_string_value(json_object_get(expected, "input")));
  assert_true(mst_test_shared(relative, path));
  data = mst_test_read_file(path, &n);
  if (strcmp(json_string_value(json_object_get(expected, "status")), "reject") == 0) {
    drive_init(&d, NULL, &mst_format_fastq, name, data, n);
    assert_int_equal(drive_index(&d, NULL, 0, &err), MST_E_CORRUPT);
    assert_true(err.offset >= 0);
    drive_free(&d);
  } else {
    naive p;
    exact_ok(read_plain(data, n, &plain, &err), &err);
    naive_parse(&p, (const uint8_t *)mst_buf_text(&plain), plain.size, false);
    check_against_expected(&p, json_object_get(expected, "records"));
    check_object(name, &p, data, n, 1000, NULL, 1);
    naive_free(&p);
    if (plain.size < 20000) check_text(mst_buf_text(&plain), plain.size, false, NULL, 800, 900, 1);
  }
  mst_buf_free(&plain);
  free(data);
  json_decref(expected);
}

static void test_corpus_cases(void **state) {
  char path[PATH_MAX];
  struct dirent *entry;
  DIR *folder;
  (void)state;
  MST_TEST_NEED_SHARED("corpus/slicing/fastq", path);
  folder = opendir(path);
  assert_non_null(folder);
  while ((entry = readdir(folder)) != NULL)
    if (entry->d_name[0] != '.') check_case(entry->d_name);
  closedir(folder);
}

/* A real file has as many reads and bases as the field's own tool counts; all that lie in bad/ are refused. */
static void check_file(const char *path) {
  char expected_path[PATH_MAX];
  mst_error err = {0};
  json_t *expected;
  uint8_t *data;
  size_t n;
  drive d;
  mst_status status;
  if (strstr(path, ".json") != NULL || strstr(path, ".md") != NULL) return;
  if (snprintf(expected_path, sizeof expected_path, "%s.expected.json", path) >= PATH_MAX) return;
  expected = access(expected_path, R_OK) == 0 ? json_load_file(expected_path, 0, NULL) : NULL;
  data = mst_test_read_file(path, &n);
  drive_init(&d, NULL, &mst_format_fastq, path, data, n);
  d.spacing = 20000;
  status = drive_index(&d, NULL, 0, &err);
  if (strstr(path, "/bad/") != NULL) {
    if (status != MST_E_CORRUPT) fail_msg("%s: %s", path, mst_status_name(status));
  } else if (expected != NULL) {
    if (status != MST_OK) fail_msg("%s: %s", path, err.message);
    assert_int_equal(json_integer_value(json_object_get(d.facts, "records")),
                     json_integer_value(json_object_get(expected, "records")));
    assert_int_equal(json_integer_value(json_object_get(d.facts, "bases")),
                     json_integer_value(json_object_get(expected, "residues")));
    exact_check_cuts(&d, n, 1);
  }
  drive_free(&d);
  free(data);
  json_decref(expected);
}

static void walk(const char *path) {
  char inner[PATH_MAX];
  struct dirent *entry;
  DIR *folder = opendir(path);
  if (folder == NULL) {
    check_file(path);
    return;
  }
  while ((entry = readdir(folder)) != NULL)
    if (entry->d_name[0] != '.' && snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name) < PATH_MAX) walk(inner);
  closedir(folder);
}

static void test_corpus_files(void **state) {
  char path[PATH_MAX];
  (void)state;
  MST_TEST_NEED_SHARED("corpus/files/fastq", path);
  walk(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_small_objects_are_exact),
      cmocka_unit_test(test_random_objects_are_exact),
      cmocka_unit_test(test_random_compressed_objects_are_exact),
      cmocka_unit_test(test_reads_of_more_lines_are_exact),
      cmocka_unit_test(test_pairs_stay_together),
      cmocka_unit_test(test_mates_are_cut_at_the_same_numbers),
      cmocka_unit_test(test_damage_is_refused_however_it_is_cut),
      cmocka_unit_test(test_rows_judge_what_they_read),
      cmocka_unit_test(test_memory_runs_out),
      cmocka_unit_test(test_corpus_cases),
      cmocka_unit_test(test_corpus_files),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
