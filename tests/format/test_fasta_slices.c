/* tests/format/test_fasta_slices.c - slices of FASTA objects, plain and compressed, by records and by residues, raw and
 * as rows, against a naive parser and the shared corpus. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "format/exact.h"
#include "format/fasta.h"
#include "format/table.h"
#include "format/wrap.h"

/* ---- a naive parser --------------------------------------------------------------------------------------------- */

typedef struct sequence {
  char *name, *description, *residues;
  size_t size;
} sequence;
typedef struct naive {
  exact e;
  sequence *items;
  size_t n;
} naive;

static char *copy_text(const uint8_t *text, size_t n) {
  char *out = malloc(n + 1);
  assert_non_null(out);
  memcpy(out, text, n);
  out[n] = '\0';
  return out;
}

static bool blank(uint8_t c) { return c == ' ' || (c >= 9 && c <= 13); }

static void add_header(naive *p, const uint8_t *line, size_t n) {
  size_t begin = 0, end;
  sequence *s;
  while (n > 0 && blank(line[n - 1])) n--;
  while (begin < n && blank(line[begin])) begin++;
  for (end = begin; end < n && !blank(line[end]); end++) {
  }
  p->items = realloc(p->items, (p->n + 1) * sizeof *p->items);
  assert_non_null(p->items);
  s = &p->items[p->n++];
  *s = (sequence){.name = copy_text(line + begin, end - begin), .residues = copy_text(line, 0)};
  while (end < n && blank(line[end])) end++;
  s->description = copy_text(line + end, n - end);
}

static void naive_parse(naive *p, const uint8_t *data, size_t n) {
  *p = (naive){.e = {.plain = data, .size = n}};
  for (size_t at = 0, end; at < n; at = end + 1) {
    for (end = at; end < n && data[end] != '\n'; end++) {
    }
    if (data[at] == '>') {
      exact_add(&p->e, at);
      add_header(p, data + at + 1, end - at - 1);
    } else if (p->n > 0 && data[at] != ';') {
      sequence *s = &p->items[p->n - 1];
      s->residues = realloc(s->residues, s->size + (end - at) + 1);
      assert_non_null(s->residues);
      for (size_t i = at; i < end; i++)
        if (data[i] > 32 && data[i] < 127) s->residues[s->size++] = (char)data[i];
      s->residues[s->size] = '\0';
    }
  }
}

static void naive_free(naive *p) {
  for (size_t i = 0; i < p->n; i++) {
    free(p->items[i].name);
    free(p->items[i].description);
    free(p->items[i].residues);
  }
  free(p->items);
  exact_free(&p->e);
}

/* ---- rows ------------------------------------------------------------------------------------------------------- */

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
    assert_int_equal(t.columns, 3);
    assert_string_equal(table_cell(&t, i, 0), p->items[i].name);
    assert_string_equal(table_cell(&t, i, 1), p->items[i].description);
    assert_int_equal(table_size(&t, i, 2), p->items[i].size);
    assert_string_equal(table_cell(&t, i, 2), p->items[i].residues);
  }
  table_free(&t);
  drive_plan_free(d, &plan);
}

/* The place of a slice is where its first row begins. */
static void check_place(drive *d, const json_t *part, const table *t, size_t row) {
  mst_error err = {0};
  json_t *place = NULL;
  exact_ok(drive_read_place(d, part, &place, &err), &err);
  if (row == t->rows) {
    assert_null(place);
    return;
  }
  assert_non_null(place);
  assert_int_equal(json_integer_value(json_object_get(place, "offset")), strtoll(table_cell(t, row, 3), NULL, 10));
  if (table_cell(t, row, 0) == NULL) assert_null(json_object_get(place, "record"));
  else assert_string_equal(json_string_value(json_object_get(place, "record")), table_cell(t, row, 0));
  json_decref(place);
}

/* Rows of cut slices: each goes on where the one before it ended, or begins the next record. */
static void check_cut_rows(const naive *p, const table *t) {
  size_t item = 0, done = 0, row = 0;
  for (; row < t->rows; row++) {
    const size_t offset = (size_t)strtoull(table_cell(t, row, 3), NULL, 10);
    /* A slice may end behind a header; the next row then begins at the record's first residue. */
    if (row > 0 && item < p->n && offset == 0 && (done > 0 || p->items[item].size == 0)) {
      assert_int_equal(done, p->items[item].size);
      item++;
      done = 0;
    }
    if (item >= p->n || offset != done)
      fail_msg("row %zu: offset %zu of record %zu, not %zu of %zu\n%s", row, offset, item, done, p->n,
               (const char *)p->e.plain);
    if (strlen(p->items[item].name) <= 200) assert_string_equal(table_cell(t, row, 0), p->items[item].name);
    if (table_cell(t, row, 1) != NULL) assert_string_equal(table_cell(t, row, 1), p->items[item].description);
    assert_true(done + table_size(t, row, 2) <= p->items[item].size);
    assert_memory_equal(table_cell(t, row, 2), p->items[item].residues + done, table_size(t, row, 2));
    done += table_size(t, row, 2);
  }
  if (p->n > 0) assert_true(item + 1 == p->n && done == p->items[item].size);
}

/* Slices by residues, joined, are the object; they are at most n and of about one size. */
static void check_residues(drive *d, const naive *p, uint64_t n) {
  const mst_plan_query query = {.slices = n, .strategy = "residues"};
  const mst_read_query arrow = {.as = MST_READ_ARROW};
  drive_plan plan = {0};
  mst_error err = {0};
  mst_buf all;
  table t;
  table_init(&t);
  mst_buf_init(&all, NULL, SIZE_MAX / 2);
  exact_ok(drive_make_plan(d, &query, &plan, &err), &err);
  assert_true(plan.n <= n);
  for (size_t i = 0; i < plan.n; i++) {
    const size_t row = t.rows;
    char *text = json_dumps(plan.parts[i].json, JSON_COMPACT);
    assert_true(strlen(text) <= 700);
    free(text);
    exact_ok(drive_read(d, plan.parts[i].json, NULL, &all, &err), &err);
    exact_ok(table_read(&t, d, plan.parts[i].json, &arrow, &err), &err);
    check_place(d, plan.parts[i].json, &t, row);
  }
  assert_int_equal(all.size, p->e.size);
  if (p->e.size > 0) assert_memory_equal(all.data, p->e.plain, all.size);
  check_cut_rows(p, &t);
  mst_buf_free(&all);
  table_free(&t);
  drive_plan_free(d, &plan);
}

/* ---- objects ---------------------------------------------------------------------------------------------------- */

static void check_object(const char *name, const naive *p, const void *data, size_t n, uint64_t spacing, int rounds) {
  static const uint64_t ns[] = {1, 2, 3, 7, 50};
  mst_error err = {0};
  drive d;
  drive_init(&d, NULL, &mst_format_fasta, name, data, n);
  d.spacing = spacing;
  exact_ok(drive_index(&d, NULL, 0, &err), &err);
  exact_check(&d, &p->e);
  for (size_t i = 0; i < sizeof ns / sizeof *ns; i++) {
    check_rows(&d, p, ns[i], i == 2 ? 5 : 0);
    check_residues(&d, p, ns[i]);
  }
  if (rounds > 0) exact_check_cuts(&d, n, rounds);
  drive_free(&d);
}

static void check_text(const void *text, size_t n, uint64_t spacing, int rounds) {
  naive p;
  naive_parse(&p, text, n);
  check_object("plain.fa", &p, text, n, spacing, rounds);
  naive_free(&p);
}

static void check_wrapped(const void *text, size_t n, size_t unit, uint64_t spacing, int rounds) {
  naive p;
  naive_parse(&p, text, n);
  for (wrap_kind kind = 0; kind < WRAP_KINDS; kind++) {
    size_t size;
    uint8_t *data = wrap(kind, text, n, unit, &size);
    check_object(wrap_name(kind), &p, data, size, spacing, rounds);
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
  if (n > m->max - m->n) n = m->max - m->n;
  memcpy(m->text + m->n, text, n);
  m->n += n;
}

static void add_sequence(maker *m, size_t residues, size_t width, const char *end) {
  for (size_t i = 0; i < residues; i++) {
    if (i > 0 && i % width == 0) add(m, end, strlen(end));
    add(m, &"ACGTNacgt*-RY>;"[exact_random(&m->seed) % (i % width == 0 ? 13 : 15)], 1);
  }
  add(m, end, strlen(end));
}

/* Records of 0 residues to `longest`, of all layouts. */
static void make_object(maker *m, size_t longest) {
  static const char *const extras[] = {"", "", "", "\n", " \t\n", ";note\n", "\r\n"};
  const size_t target = exact_random(&m->seed) % m->max;
  m->n = 0;
  if (exact_random(&m->seed) % 6 == 0) add(m, "; old\n\n", 7);
  while (m->n < target) {
    const char *end = exact_random(&m->seed) % 4 == 0 ? "\r\n" : "\n", *extra = extras[exact_random(&m->seed) % 7];
    char header[600];
    size_t size =
        (size_t)snprintf(header, sizeof header, ">%s%s%u%s%s", exact_random(&m->seed) % 9 == 0 ? " " : "",
                         exact_random(&m->seed) % 5 == 0 ? "dup" : "r:", (unsigned)(exact_random(&m->seed) % 50),
                         exact_random(&m->seed) % 2 == 0 ? "" : " some > \xc3\xa9 ; text", end);
    if (exact_random(&m->seed) % 12 == 0) { /* a name longer than what the index tells */
      memset(header + 1, 'n', 300);
      size = 301 + (size_t)snprintf(header + 301, 20, " d%s", end);
    }
    add(m, header, size);
    if (exact_random(&m->seed) % 5 != 0)
      add_sequence(m, exact_random(&m->seed) % (exact_random(&m->seed) % 8 == 0 ? longest : 100),
                   exact_random(&m->seed) % 3 == 0 ? SIZE_MAX : 1 + exact_random(&m->seed) % 70, end);
    add(m, extra, strlen(extra));
  }
  if (m->n > 0 && m->text[m->n - 1] == '\n' && exact_random(&m->seed) % 3 == 0) m->n--;
}

static void test_random_objects_are_exact(void **state) {
  maker m = {.text = malloc(3000), .max = 3000, .seed = 17};
  (void)state;
  assert_non_null(m.text);
  for (int i = 0; i < exact_rounds(60); i++) {
    make_object(&m, 1500);
    check_text(m.text, m.n, 1 + exact_random(&m.seed) % 400, 4);
  }
  free(m.text);
}

static void test_random_compressed_objects_are_exact(void **state) {
  maker m = {.text = malloc(60000), .max = 60000, .seed = 5};
  (void)state;
  assert_non_null(m.text);
  for (int i = 0; i < 3; i++) {
    make_object(&m, 20000);
    check_wrapped(m.text, m.n, 3000, 2000 + exact_random(&m.seed) % 4000, 2);
  }
  free(m.text);
}

static void test_one_giant_line(void **state) {
  const size_t n = 200000;
  maker m = {.text = malloc(n), .max = n, .seed = 8};
  (void)state;
  assert_non_null(m.text);
  add(&m, ">giant one\n", 11);
  add_sequence(&m, n - 20, SIZE_MAX, "\n");
  check_wrapped(m.text, m.n, 20000, 10000, 1);
  free(m.text);
}

static void test_small_objects_are_exact(void **state) {
  static const char *const texts[] = {
      "", "\n", ">", ">a", ">a\n", ">\n>\n>", ">a\nA", "; c\n>a\nAC\n", ">a\n\n\n\nA\n\n", "# only a comment\n"};
  (void)state;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    for (uint64_t spacing = 1; spacing < 20; spacing += 5) check_text(texts[i], strlen(texts[i]), spacing, 4);
}

/* A span that was marked for its end tells no lies about names that pieces cut. */
static void test_memory_runs_out(void **state) {
  static const char text[] = ">a first\nACGTACGT\nAC\n>b\nGGGG\n\n>c third\nTTTTTTTTTTTTTTTT\nTT\n";
  mst_error err = {0};
  drive d;
  (void)state;
  drive_init(&d, NULL, &mst_format_fasta, "a.fa", text, sizeof text - 1);
  d.spacing = 8;
  exact_ok(drive_index(&d, NULL, 0, &err), &err);
  exact_check_memory(&d);
  for (int persistent = 0; persistent < 2; persistent++)
    for (long n = 1;; n++) {
      const mst_plan_query query = {.slices = 4, .strategy = "residues"};
      mst_test_allocator a;
      mst_status status;
      drive_plan plan = {0};
      table t;
      table_init(&t);
      mst_test_allocator_init(&a, n, persistent != 0);
      d.mem = &a.allocator;
      status = drive_make_plan(&d, &query, &plan, &err);
      for (size_t i = 0; i < plan.n && status == MST_OK; i++) {
        json_t *place = NULL;
        status = drive_read_place(&d, plan.parts[i].json, &place, &err);
        json_decref(place);
        if (status == MST_OK) status = table_read(&t, &d, plan.parts[i].json, NULL, &err);
      }
      table_free(&t);
      drive_plan_free(&d, &plan);
      assert_int_equal(a.live_blocks, 0);
      if (!a.failed) {
        exact_ok(status, &err);
        break;
      }
      if (status != MST_E_NO_MEMORY && status != MST_OK) fail_msg("allocation %ld: %s", n, err.message);
    }
  d.mem = NULL;
  drive_free(&d);
}

static void test_damage_is_seen(void **state) {
  maker m = {.text = malloc(5000), .max = 5000, .seed = 23};
  mst_error err = {0};
  drive d;
  (void)state;
  assert_non_null(m.text);
  make_object(&m, 3000);
  drive_init(&d, NULL, &mst_format_fasta, "a.fa", m.text, m.n);
  d.spacing = 300;
  exact_ok(drive_index(&d, NULL, 0, &err), &err);
  for (size_t at = 0; at < m.n; at += 13) exact_check_damage(&d, m.text, at, 5);
  drive_free(&d);
  free(m.text);
}

static void test_limits(void **state) {
  maker m = {.text = malloc(9000), .max = 9000, .seed = 2};
  json_t *part = json_pack("{s:s}", "kind", "all");
  mst_error err = {0};
  table t;
  drive d;
  (void)state;
  assert_non_null(m.text);
  add(&m, ">a\n", 3);
  add_sequence(&m, 8000, 60, "\n");
  drive_init(&d, NULL, &mst_format_fasta, "a.fa", m.text, m.n);
  exact_ok(drive_inspect(&d, &err), &err);
  d.record_max = 7000;
  table_init(&t);
  assert_int_equal(table_read(&t, &d, part, NULL, &err), MST_E_LIMIT);
  table_free(&t);
  drive_free(&d);
  drive_init(&d, NULL, &mst_format_fasta, "a.fa", ">a \xff\nACGT\n", 9);
  exact_ok(drive_inspect(&d, &err), &err);
  assert_int_equal(table_read(&t, &d, part, NULL, &err), MST_E_CORRUPT);
  assert_non_null(strstr(err.message, "not UTF-8"));
  table_free(&t);
  drive_free(&d);
  json_decref(part);
  free(m.text);
}

/* ---- the shared corpus ------------------------------------------------------------------------------------------- */

static json_t *load_json(const char *path) {
  json_t *j = json_load_file(path, 0, NULL);
  if (j == NULL) fail_msg("%s is no JSON", path);
  return j;
}

static void check_against_expected(const naive *p, const json_t *records) {
  const json_t *record;
  size_t i;
  assert_int_equal(json_array_size(records), p->n);
  json_array_foreach(records, i, record) {
    assert_string_equal(p->items[i].name, json_string_value(json_array_get(record, 0)));
    assert_string_equal(p->items[i].description, json_string_value(json_array_get(record, 1)));
    assert_string_equal(p->items[i].residues, json_string_value(json_array_get(record, 2)));
  }
}

static void check_case(const char *folder, const char *name) {
  char relative[300], path[PATH_MAX];
  mst_error err = {0};
  json_t *expected;
  uint8_t *data;
  size_t n;
  snprintf(relative, sizeof relative, "%s/%s/expected.json", folder, name);
  assert_true(mst_test_shared(relative, path));
  expected = load_json(path);
  snprintf(relative, sizeof relative, "%s/%s/%s", folder, name, json_string_value(json_object_get(expected, "input")));
  assert_true(mst_test_shared(relative, path));
  data = mst_test_read_file(path, &n);
  if (strcmp(json_string_value(json_object_get(expected, "status")), "reject") == 0) {
    drive d;
    drive_init(&d, NULL, &mst_format_fasta, name, data, n);
    assert_int_equal(drive_index(&d, NULL, 0, &err), MST_E_CORRUPT);
    assert_true(err.offset >= 0 && strstr(err.message, "'>'") != NULL);
    drive_free(&d);
  } else {
    naive p;
    naive_parse(&p, data, n);
    check_against_expected(&p, json_object_get(expected, "records"));
    naive_free(&p);
    check_text(data, n, 1 << 20, 1);
    check_wrapped(data, n, 500, 700, 1);
  }
  free(data);
  json_decref(expected);
}

static void test_corpus_cases(void **state) {
  char path[PATH_MAX];
  struct dirent *entry;
  DIR *folder;
  (void)state;
  MST_TEST_NEED_SHARED("corpus/slicing/fasta", path);
  folder = opendir(path);
  assert_non_null(folder);
  while ((entry = readdir(folder)) != NULL)
    if (entry->d_name[0] != '.') check_case("corpus/slicing/fasta", entry->d_name);
  closedir(folder);
}

/* A real file: as many records and residues as the field's own tool counts; refused only where it is no FASTA at all.
 */
static void check_file(const char *path) {
  char expected_path[PATH_MAX];
  mst_error err = {0};
  json_t *expected, *plain_bytes;
  uint8_t *data;
  size_t n;
  drive d;
  mst_status status;
  if (snprintf(expected_path, sizeof expected_path, "%s.expected.json", path) >= PATH_MAX ||
      access(expected_path, R_OK) != 0)
    return;
  expected = load_json(expected_path);
  data = mst_test_read_file(path, &n);
  drive_init(&d, NULL, &mst_format_fasta, path, data, n);
  d.spacing = 4000;
  status = drive_index(&d, NULL, 0, &err);
  if (strstr(path, "a-binary") != NULL || strstr(path, "a-no-head") != NULL) {
    assert_int_equal(status, MST_E_CORRUPT);
  } else {
    if (status != MST_OK) fail_msg("%s: %s", path, err.message);
    assert_int_equal(json_integer_value(json_object_get(d.facts, "records")),
                     json_integer_value(json_object_get(expected, "records")));
    plain_bytes = json_object_get(expected, "plain_bytes");
    assert_int_equal(json_integer_value(json_object_get(d.facts, "plain_bytes")),
                     plain_bytes != NULL ? json_integer_value(plain_bytes) : (json_int_t)n);
    if (plain_bytes == NULL && n < 100000) check_text(data, n, 3000, 1);
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
  MST_TEST_NEED_SHARED("corpus/files/fasta", path);
  walk(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_small_objects_are_exact),
      cmocka_unit_test(test_random_objects_are_exact),
      cmocka_unit_test(test_random_compressed_objects_are_exact),
      cmocka_unit_test(test_one_giant_line),
      cmocka_unit_test(test_memory_runs_out),
      cmocka_unit_test(test_damage_is_seen),
      cmocka_unit_test(test_limits),
      cmocka_unit_test(test_corpus_cases),
      cmocka_unit_test(test_corpus_files),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
