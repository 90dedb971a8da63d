/* tests/parquet/test_corpus.c - Parquet files of many writers: the good ones are read and found good, also by parts;
 * the bad ones get an error that says what is wrong. What values come is compared by
 * tests/python/test_parquet_corpus.py. */
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#include "memory_file.h"

enum { FILE_MOST = 64 << 20, FILES_MOST = 1000 };

static const char corpus[] = "corpus/files/parquet";

/* ---- the folder ---------------------------------------------------------------------------------------------- */

typedef struct corpus_file {
  char path[PATH_MAX];
  bool bad;
} corpus_file;

typedef struct folder {
  corpus_file *files;
  size_t n;
} folder;

static bool ends_with(const char *text, const char *end) {
  size_t n = strlen(text), m = strlen(end);
  return n >= m && strcmp(text + n - m, end) == 0;
}

/* Every file beside which there is one of expected values. */
static void walk(const char *path, bool bad, folder *out) {
  static const char expected[] = ".expected.jsonl";
  DIR *dir = opendir(path);
  struct dirent *entry;
  assert_non_null(dir);
  while ((entry = readdir(dir)) != NULL) {
    char name[PATH_MAX];
    struct stat st;
    if (entry->d_name[0] == '.') continue;
    snprintf(name, sizeof name, "%.2000s/%.1000s", path, entry->d_name);
    if (stat(name, &st) == 0 && S_ISDIR(st.st_mode)) walk(name, bad || strcmp(entry->d_name, "bad") == 0, out);
    if (!ends_with(name, expected) || out->n == FILES_MOST) continue;
    name[strlen(name) - strlen(expected)] = '\0';
    memcpy(out->files[out->n].path, name, sizeof name);
    out->files[out->n++].bad = bad;
  }
  closedir(dir);
}

static uint8_t *load(const char *path, size_t *size) {
  FILE *f = fopen(path, "rb");
  uint8_t *data = malloc(FILE_MOST);
  assert_non_null(f);
  assert_non_null(data);
  *size = fread(data, 1, FILE_MOST, f);
  fclose(f);
  return data;
}

/* The first line of the expected values. */
static json_t *load_head(const char *path) {
  char name[PATH_MAX + 20];
  size_t size;
  uint8_t *text;
  const uint8_t *end;
  json_t *head;
  snprintf(name, sizeof name, "%s.expected.jsonl", path);
  text = load(name, &size);
  end = memchr(text, '\n', size);
  head = json_loadb((const char *)text, end != NULL ? (size_t)(end - text) : size, 0, NULL);
  free(text);
  assert_non_null(head);
  return head;
}

static const folder *files(void) {
  static folder all;
  char path[PATH_MAX];
  if (all.files != NULL) return &all;
  MST_TEST_NEED_SHARED(corpus, path);
  all.files = calloc(FILES_MOST, sizeof *all.files);
  assert_non_null(all.files);
  walk(path, false, &all);
  return &all;
}

/* ---- reading ------------------------------------------------------------------------------------------------- */

static mst_status read_file(const uint8_t *data, size_t size, const mst_parquet_read_options *o, uint64_t *rows,
                            mst_error *err) {
  mst_status status = MST_OK;
  mst_parquet_file *f = NULL;
  mst_parquet_reader *r = NULL;
  struct ArrowSchema schema = {0};
  struct ArrowArray batch = {0};
  uint64_t need, bytes;
  *rows = 0;
  MST_TRY(mst_parquet_file_parse(NULL, data, size, size, &f, &need, err));
  MST_TRY(mst_parquet_reader_open(f, o, &r, err));
  MST_TRY(mst_parquet_reader_schema(r, &schema, err));
  for (;;) {
    MST_TRY(memory_next(r, data, size, &batch, err));
    if (batch.release == NULL) break;
    assert_int_equal(mst_array_check(&schema, &batch, &bytes, NULL), MST_OK);
    *rows += (uint64_t)batch.length;
    mst_array_release(&batch);
  }
done:
  mst_schema_release(&schema);
  mst_parquet_reader_free(r);
  mst_parquet_file_unref(f);
  return status;
}

/* Files of which a page is damaged or a value cannot be held, which others do not notice, and what we say. */
static const char *known_fault(const char *path) {
  static const char *const known[][2] = {
      {"rle-dict-uncompressed-corrupt-checksum.parquet", "CRC-32"},
      {"bug4903.parquet", "beyond what its type can hold"}, /* INT96 of years that nanoseconds do not reach */
  };
  size_t i;
  for (i = 0; i < sizeof known / sizeof known[0]; i++)
    if (ends_with(path, known[i][0])) return known[i][1];
  return NULL;
}

static void good_files_are_read(void **state) {
  const folder *all = files();
  size_t i, n = 0;
  (void)state;
  for (i = 0; i < all->n; i++) {
    const char *path = all->files[i].path, *fault = known_fault(path);
    mst_error err = {0};
    uint64_t rows;
    size_t size;
    uint8_t *data;
    json_t *head;
    if (all->files[i].bad) continue;
    data = load(path, &size);
    head = load_head(path);
    if (fault != NULL) {
      assert_int_equal(read_file(data, size, NULL, &rows, &err), MST_E_CORRUPT);
      assert_non_null(strstr(err.message, fault));
    } else {
      if (read_file(data, size, NULL, &rows, &err) != MST_OK) fail_msg("%s: %s", path, err.message);
      assert_int_equal(rows, json_integer_value(json_object_get(head, "rows_read")));
    }
    json_decref(head);
    free(data);
    n++;
  }
  assert_true(n > 100);
}

/* The middle third of the rows, one batch after the other in little memory, is a third of the rows. */
static void parts_of_good_files_are_read(void **state) {
  const folder *all = files();
  size_t i;
  (void)state;
  for (i = 0; i < all->n; i++) {
    mst_parquet_read_options o = {.memory = 1, .batch_rows = 1000, .n_rows = 1};
    mst_range range = {0};
    mst_error err = {0};
    uint64_t rows, total;
    size_t size;
    uint8_t *data;
    if (all->files[i].bad || known_fault(all->files[i].path) != NULL) continue;
    data = load(all->files[i].path, &size);
    assert_int_equal(read_file(data, size, NULL, &total, &err), MST_OK);
    range.offset = total / 3;
    range.length = total / 3;
    o.rows = &range;
    if (read_file(data, size, &o, &rows, &err) != MST_OK) fail_msg("%s: %s", all->files[i].path, err.message);
    assert_int_equal(rows, range.length);
    free(data);
  }
}

static void good_files_are_found_good(void **state) {
  const folder *all = files();
  const mst_parquet_read_options o = {.verify = true};
  size_t i;
  (void)state;
  for (i = 0; i < all->n; i++) {
    const char *path = all->files[i].path;
    mst_error err = {0};
    uint64_t rows;
    size_t size;
    uint8_t *data;
    if (all->files[i].bad || known_fault(path) != NULL) continue;
    data = load(path, &size);
    if (ends_with(path, "bloom_filter_bad_length_range.parquet")) {
      assert_int_equal(read_file(data, size, &o, &rows, &err), MST_E_CORRUPT);
      assert_non_null(strstr(err.message, "Bloom filter"));
    } else if (read_file(data, size, &o, &rows, &err) != MST_OK) {
      fail_msg("%s: %s", path, err.message);
    }
    free(data);
  }
}

/* What is wrong with these shows only when they are verified, or not at all. */
static bool may_be_read(const char *path) {
  static const char *const readable[] = {
      "duckdb/corrupt_stats.parquet",
      "duckdb/invalid.parquet",
      "duckdb/invalid_utf8_dictionary.parquet",
      "duckdb/invalid_utf8_dlba.parquet",
      "parquet-go/empty.parquet",
      "parquet-testing/ARROW-GH-43605.parquet",
      "parquet-testing/large_string_map.brotli.parquet",
  };
  size_t i;
  for (i = 0; i < sizeof readable / sizeof readable[0]; i++)
    if (ends_with(path, readable[i])) return true;
  return false;
}

static void bad_files_are_refused(void **state) {
  const folder *all = files();
  size_t i, n = 0;
  (void)state;
  for (i = 0; i < all->n; i++) {
    const char *path = all->files[i].path;
    mst_error err = {0};
    mst_status status;
    uint64_t rows;
    size_t size;
    uint8_t *data;
    if (!all->files[i].bad || ends_with(path, "large_string_map.brotli.parquet")) continue;
    data = load(path, &size);
    status = read_file(data, size, NULL, &rows, &err);
    if (!may_be_read(path)) {
      if (status != MST_E_CORRUPT && status != MST_E_UNSUPPORTED)
        fail_msg("%s is read as %s", path, mst_status_name(status));
      if (strstr(path, "ncrypt") != NULL && strstr(err.message, "encrypted") == NULL)
        fail_msg("%s: %s", path, err.message);
    } else if (status != MST_OK) {
      fail_msg("%s: %s", path, err.message);
    }
    free(data);
    n++;
  }
  assert_true(n > 30);
}

static void damage_that_reading_does_not_see_is_found(void **state) {
  static const char *const names[][2] = {{"duckdb/corrupt_stats.parquet", "minimum|maximum"},
                                         {"duckdb/invalid_utf8_dlba.parquet", "UTF-8"},
                                         {"duckdb/invalid_utf8_dictionary.parquet", "UTF-8"}};
  const mst_parquet_read_options o = {.verify = true};
  size_t i;
  (void)state;
  for (i = 0; i < sizeof names / sizeof names[0]; i++) {
    char path[PATH_MAX], relative[200];
    mst_error err = {0};
    uint64_t rows;
    size_t size;
    uint8_t *data;
    snprintf(relative, sizeof relative, "%s/bad/%s", corpus, names[i][0]);
    MST_TEST_NEED_SHARED(relative, path);
    data = load(path, &size);
    assert_int_equal(read_file(data, size, &o, &rows, &err), MST_E_CORRUPT);
    assert_non_null(strstr(err.message, "column \""));
    assert_true(strstr(err.message, names[i][1]) != NULL || (i == 0 && strstr(err.message, "imum that") != NULL));
    free(data);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(good_files_are_read),
      cmocka_unit_test(parts_of_good_files_are_read),
      cmocka_unit_test(good_files_are_found_good),
      cmocka_unit_test(bad_files_are_refused),
      cmocka_unit_test(damage_that_reading_does_not_see_is_found),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
