/* tests/format/test_export.c - .fai and .gzi as samtools and bgzip write them: what they take, to the byte, and what
 * they refuse. The answers were made with samtools 1.16; where it is installed, it is asked about generated objects,
 * too. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "format/exact.h"
#include "format/records.h"
#include "format/wrap.h"

static mst_status export_it(const mst_format *format, const void *data, size_t n, const char *kind, uint64_t grain,
                            mst_buf *out, mst_error *err) {
  mst_status status;
  drive d;
  drive_init(&d, NULL, format, "x", data, n);
  d.grain = grain;
  status = drive_inspect(&d, err);
  if (status == MST_OK) status = drive_export(&d, kind, out, err);
  drive_free(&d);
  return status;
}

/* `want` NULL: refused, for `reason`. */
static void check_fai(const mst_format *format, const char *text, const char *want, const char *reason) {
  for (uint64_t grain = 0; grain < 3; grain++) {
    mst_error err = {0};
    mst_buf out;
    mst_buf_init(&out, NULL, SIZE_MAX / 2);
    const mst_status status = export_it(format, text, strlen(text), "fai", grain, &out, &err);
    if (want == NULL) {
      if (status != MST_E_UNSUPPORTED || strstr(err.message, reason) == NULL)
        fail_msg("%s: %s %s", text, mst_status_name(status), err.message);
    } else {
      if (status != MST_OK) fail_msg("%s: %s", text, err.message);
      assert_string_equal(mst_buf_text(&out), want);
    }
    mst_buf_free(&out);
  }
}

static void test_fasta(void **state) {
  const mst_format *f = &mst_format_fasta;
  (void)state;
  check_fai(f, ">a x\nACGT\nAC\n>b\nGG\n", "a\t6\t5\t4\t5\nb\t2\t16\t2\t3\n", "");
  check_fai(f, ">a\r\nACGT\r\nAC\r\n", "a\t6\t4\t4\t6\n", "");
  check_fai(f, ">a\nACGT", "a\t4\t3\t4\t5\n", "");
  check_fai(f, "\n\n>  a\nAC\n\n\n>b\nA\n\n", "a\t2\t7\t2\t3\nb\t1\t15\t1\t2\n", "");
  check_fai(f, ">a\n>b\nAC\n", "b\t2\t6\t2\t3\n", "");
  check_fai(f, ">a\nAC\n>a\nGG\n>b\nT\n", "a\t2\t3\t2\t3\nb\t1\t15\t1\t2\n", "");
  check_fai(f, ">a\nAC\n>", "a\t2\t3\t2\t3\n", "");
  check_fai(f, ">\nAC\n", "\t2\t2\t2\t3\n", "");
  check_fai(f, ">a\nA C\nGT\n", "a\t4\t3\t2\t4\n", "");
  check_fai(f, "", NULL, "empty");
  check_fai(f, ">a\nAC\nGGG\n", NULL, "different line length in sequence in 'a' at line 3");
  check_fai(f, ">a\nACG\nGG\nGGG\n", NULL, "unexpected \"G\" in 'a' at line 4");
  check_fai(f, ">a\nAC\n>b", NULL, "no sequence in 'b' at line 3");
  check_fai(f, ">a\n", NULL, "truncated");
  check_fai(f, "; x\n>a\nAC\n", NULL, "unexpected \";\"");
}

static void test_fastq(void **state) {
  const mst_format *f = &mst_format_fastq;
  (void)state;
  check_fai(f, "@a x\nACGT\n+\nIIII\n@b\nG\n+b\nI\n", "a\t4\t5\t4\t5\t12\nb\t1\t20\t1\t2\t25\n", "");
  check_fai(f, "@a\nACGT\nAC\n+\nIIII\nII\n", "a\t6\t3\t4\t5\t13\n", "");
  check_fai(f, "@a\r\nAC\r\n+\r\nII\r\n", "a\t2\t4\t2\t4\t11\n", "");
  check_fai(f, "@a\nAC\n+\nII", "a\t2\t3\t2\t3\t8\n", "");
  check_fai(f, "@a\n\n+\n\n", NULL, "inlined empty line is not allowed in sequence");
  check_fai(f, "@a\nAC\n+\nIII\n", NULL, "quality line length too long");
  check_fai(f, "@a\nACG\n+\nII\n", NULL, "quality line length too short");
}

static void test_containers(void **state) {
  static const char text[] = ">a\nACGTACGT\nACGTACGT\nAC\n>b\nGGGGGGGG\n";
  (void)state;
  for (wrap_kind kind = 0; kind < WRAP_KINDS; kind++) {
    const bool fine = kind == WRAP_PLAIN || kind == WRAP_BGZF;
    mst_error err = {0};
    mst_buf out;
    size_t size;
    uint8_t *data = wrap(kind, text, sizeof text - 1, 9, &size);
    mst_buf_init(&out, NULL, SIZE_MAX / 2);
    assert_int_equal(export_it(&mst_format_fasta, data, size, "fai", 3, &out, &err), fine ? MST_OK : MST_E_UNSUPPORTED);
    if (fine) assert_string_equal(mst_buf_text(&out), "a\t18\t3\t8\t9\nb\t8\t27\t8\t9\n");
    mst_buf_clear(&out);
    assert_int_equal(export_it(&mst_format_fasta, data, size, "gzi", 5, &out, &err),
                     kind == WRAP_BGZF ? MST_OK : MST_E_UNSUPPORTED);
    assert_int_equal(export_it(&mst_format_fasta, data, size, "tbi", 0, &out, &err), MST_E_ARGUMENT);
    mst_buf_free(&out);
    free(data);
  }
}

static void test_damaged_blocks(void **state) {
  static const char text[] = ">a\nACGTACGT\nACGTACGT\nAC\n>b\nGGGGGGGG\n";
  size_t size;
  uint8_t *data = wrap(WRAP_BGZF, text, sizeof text - 1, 9, &size);
  (void)state;
  for (size_t n = 1; n < size; n++) {
    mst_error err = {0};
    mst_buf out;
    mst_buf_init(&out, NULL, SIZE_MAX / 2);
    const mst_status status = export_it(&mst_format_fasta, data, n, "gzi", 0, &out, &err);
    /* Cut between two blocks it is a shorter object; the cut itself is not this pass's to judge. */
    if (status != MST_OK && status != MST_E_CORRUPT && status != MST_E_UNSUPPORTED)
      fail_msg("%zu: %s %s", n, mst_status_name(status), err.message);
    mst_buf_free(&out);
  }
  free(data);
}

static void test_memory_runs_out(void **state) {
  char *text = malloc(60000);
  size_t n = 0;
  mst_error err = {0};
  drive d;
  (void)state;
  for (int i = 0; i < 2000; i++) n += (size_t)sprintf(text + n, ">r%d\nAC\n", i);
  drive_init(&d, NULL, &mst_format_fasta, "x", text, n);
  exact_ok(drive_inspect(&d, &err), &err);
  for (long k = 1;; k++) {
    mst_test_allocator a;
    mst_status status;
    mst_buf out;
    mst_buf_init(&out, NULL, SIZE_MAX / 2);
    mst_test_allocator_init(&a, k, false);
    d.mem = &a.allocator;
    status = drive_export(&d, "fai", &out, &err);
    mst_buf_free(&out);
    assert_int_equal(a.live_blocks, 0);
    if (!a.failed) {
      exact_ok(status, &err);
      break;
    }
    assert_int_equal(status, MST_E_NO_MEMORY);
  }
  d.mem = NULL;
  d.memory = 4000;
  mst_buf out;
  mst_buf_init(&out, NULL, SIZE_MAX / 2);
  assert_int_equal(drive_export(&d, "fai", &out, &err), MST_E_LIMIT);
  mst_buf_free(&out);
  drive_free(&d);
  free(text);
}

/* ---- samtools and bgzip themselves ---------------------------------------------------------------------------------
 */

static bool have_tools(void) {
  return system("samtools --version >/dev/null 2>&1") == 0 && system("bgzip --version >/dev/null 2>&1") == 0;
}

static void check_against_samtools(const mst_format *format, const char *folder, const void *data, size_t n,
                                   bool packed) {
  char path[PATH_MAX], command[2 * PATH_MAX + 100], companion[PATH_MAX + 8];
  mst_error err = {0};
  mst_buf out;
  const bool fastq = format == &mst_format_fastq;
  mst_buf_init(&out, NULL, SIZE_MAX / 2);
  snprintf(path, sizeof path, "%s/x.%s%s", folder, fastq ? "fq" : "fa", packed ? ".gz" : "");
  snprintf(companion, sizeof companion, "%s.fai", path);
  mst_test_write_file(path, data, n);
  (void)unlink(companion);
  snprintf(command, sizeof command, "samtools %s %s >/dev/null 2>&1", fastq ? "fqidx" : "faidx", path);
  const bool taken = system(command) == 0 && access(companion, R_OK) == 0;
  const mst_status status = export_it(format, data, n, "fai", 0, &out, &err);
  if (taken != (status == MST_OK))
    fail_msg("samtools %s it, but: %s %s\n%.*s", taken ? "takes" : "refuses", mst_status_name(status), err.message,
             packed ? 0 : (int)n, (const char *)data);
  if (taken) {
    size_t size;
    uint8_t *want = mst_test_read_file(companion, &size);
    assert_int_equal(out.size, size);
    assert_memory_equal(out.data, want, size);
    free(want);
  }
  mst_buf_clear(&out);
  if (packed && n > 100) {
    size_t size;
    snprintf(command, sizeof command, "bgzip -r %s >/dev/null 2>&1", path);
    snprintf(companion, sizeof companion, "%s.gzi", path);
    assert_int_equal(system(command), 0);
    uint8_t *want = mst_test_read_file(companion, &size);
    exact_ok(export_it(format, data, n, "gzi", 0, &out, &err), &err);
    assert_int_equal(out.size, size);
    assert_memory_equal(out.data, want, size);
    free(want);
  }
  mst_buf_free(&out);
}

static size_t make_lines(char *out, size_t max, bool fastq, uint64_t *rng) {
  static const char *const fasta_lines[] = {">a\n",   ">b x\n", "> c\n", ">\n",      "ACGT\n",  "ACGT\n",
                                            "ACGT\n", "AC\n",   "\n",    "ACGT\r\n", "AC GT\n", "ACGTA\n",
                                            "\r\n",   ">d\r\n", ">a\n",  ">e",       "AC"};
  static const char *const fastq_lines[] = {"@a\n",   "@b x\n",  "ACGT\n", "ACGT\n", "+\n", "+\n",
                                            "IIII\n", "IIII\n",  "AC\n",   "II\n",   "\n",  "+a\n",
                                            "@@@@\n", "IIIII\n", "@c\r\n", "+",      "II"};
  const uint64_t lines = 1 + exact_random(rng) % 12;
  size_t n = 0;
  for (uint64_t i = 0; i < lines && n + 20 < max; i++) {
    /* Mostly as it should be. */
    const char *line =
        fastq ? fastq_lines[exact_random(rng) % 3 == 0 ? exact_random(rng) % 17 : 2 * (i % 4)]
              : fasta_lines[exact_random(rng) % 3 == 0 ? exact_random(rng) % 17 : (i % 4 == 0 ? i / 4 % 3 : 4)];
    if (fastq && exact_random(rng) % 3 != 0) line = fastq_lines[(i % 4) == 0 ? i / 4 % 2 : 2 * (i % 4)];
    n += (size_t)snprintf(out + n, max - n, "%s", line);
  }
  return n;
}

static void test_generated_objects_against_samtools(void **state) {
  char folder[PATH_MAX], text[400];
  uint64_t rng = 11;
  (void)state;
  if (!have_tools()) {
    print_message("samtools and bgzip are not installed\n");
    skip();
  }
  mst_test_folder(folder);
  for (int i = 0; i < 250; i++) {
    const bool fastq = i % 2 == 1;
    const size_t n = make_lines(text, sizeof text, fastq, &rng);
    check_against_samtools(fastq ? &mst_format_fastq : &mst_format_fasta, folder, text, n, false);
    if (i % 10 == 0) {
      size_t size;
      uint8_t *packed = wrap(WRAP_BGZF, text, n, 20, &size);
      check_against_samtools(fastq ? &mst_format_fastq : &mst_format_fasta, folder, packed, size, true);
      free(packed);
    }
  }
  mst_test_folder_remove(folder);
}

/* ---- the shared corpus ------------------------------------------------------------------------------------------- */

static void check_case(const char *name) {
  char relative[300], path[PATH_MAX];
  const json_t *rows, *row, *value;
  json_t *expected;
  mst_error err = {0};
  mst_buf want, out;
  uint8_t *data;
  size_t n, i, k;
  mst_buf_init(&want, NULL, SIZE_MAX / 2);
  mst_buf_init(&out, NULL, SIZE_MAX / 2);
  snprintf(relative, sizeof relative, "corpus/slicing/fasta/%s/expected.json", name);
  assert_true(mst_test_shared(relative, path));
  expected = json_load_file(path, 0, NULL);
  assert_non_null(expected);
  snprintf(relative, sizeof relative, "corpus/slicing/fasta/%s/%s", name,
           json_string_value(json_object_get(expected, "input")));
  assert_true(mst_test_shared(relative, path));
  data = mst_test_read_file(path, &n);
  rows = json_object_get(expected, "fai");
  json_array_foreach(rows, i, row) {
    json_array_foreach(row, k, value)
        assert_int_equal(mst_buf_printf(&want, NULL, "%s%s", k > 0 ? "\t" : "", json_string_value(value)), MST_OK);
    assert_int_equal(mst_buf_put_byte(&want, '\n', NULL), MST_OK);
  }
  if (rows != NULL) {
    exact_ok(export_it(&mst_format_fasta, data, n, "fai", 0, &out, &err), &err);
    assert_string_equal(mst_buf_text(&out), mst_buf_text(&want));
  } else {
    assert_int_equal(export_it(&mst_format_fasta, data, n, "fai", 0, &out, &err), MST_E_UNSUPPORTED);
  }
  mst_buf_free(&want);
  mst_buf_free(&out);
  free(data);
  json_decref(expected);
}

static void test_corpus(void **state) {
  char path[PATH_MAX];
  struct dirent *entry;
  DIR *folder;
  (void)state;
  MST_TEST_NEED_SHARED("corpus/slicing/fasta", path);
  folder = opendir(path);
  assert_non_null(folder);
  while ((entry = readdir(folder)) != NULL)
    if (entry->d_name[0] != '.') check_case(entry->d_name);
  closedir(folder);
}

/* Companions that lie beside real files. */
static void check_file(const char *path, const char *kind) {
  char companion[PATH_MAX];
  mst_error err = {0};
  uint8_t *data, *want;
  size_t n, size;
  mst_buf out;
  if (snprintf(companion, sizeof companion, "%s.%s", path, kind) >= PATH_MAX || access(companion, R_OK) != 0) return;
  data = mst_test_read_file(path, &n);
  want = mst_test_read_file(companion, &size);
  mst_buf_init(&out, NULL, SIZE_MAX / 2);
  exact_ok(export_it(&mst_format_fasta, data, n, kind, 0, &out, &err), &err);
  if (out.size != size || memcmp(mst_buf_text(&out), want, size) != 0) fail_msg("%s.%s differs", path, kind);
  mst_buf_free(&out);
  free(data);
  free(want);
}

static void walk(const char *path) {
  char inner[PATH_MAX];
  struct dirent *entry;
  DIR *folder = opendir(path);
  if (folder == NULL) {
    check_file(path, "fai");
    check_file(path, "gzi");
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
      cmocka_unit_test(test_fasta),           cmocka_unit_test(test_fastq),
      cmocka_unit_test(test_containers),      cmocka_unit_test(test_damaged_blocks),
      cmocka_unit_test(test_memory_runs_out), cmocka_unit_test(test_generated_objects_against_samtools),
      cmocka_unit_test(test_corpus),          cmocka_unit_test(test_corpus_files),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
