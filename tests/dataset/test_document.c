/* tests/dataset/test_document.c - the main metadata: every golden document comes out byte for byte as it went in; edits; hostile
 * documents; memory that runs out. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataset/document.h"
#include "dataset/key.h"
#include "support/support.h"

static mst_document *parse(const char *text, mst_document_form form) {
  mst_document *d = NULL;
  mst_error err = {0};
  if (mst_document_parse(NULL, text, strlen(text), form, "doc", &d, &err) != MST_OK) fail_msg("%s", err.message);
  return d;
}

static char *print(const mst_document *d, mst_document_form form, size_t *n) {
  mst_buf out;
  mst_error err = {0};
  mst_buf_init(&out, NULL, SIZE_MAX / 2);
  if (mst_document_print(d, form, &out, &err) != MST_OK) fail_msg("%s", err.message);
  char *copy = malloc(out.size + 1);
  memcpy(copy, mst_buf_text(&out), out.size + 1);
  if (n != NULL) *n = out.size;
  mst_buf_free(&out);
  return copy;
}

static void each_golden(void (*look)(const char *path, mst_document_form form)) {
  char root[PATH_MAX], path[PATH_MAX * 2 + 600];
  int seen = 0;
  MST_TEST_NEED_SHARED("corpus/plateau-golden", root);
  DIR *cases = opendir(root);
  assert_non_null(cases);
  for (struct dirent *e; (e = readdir(cases)) != NULL;) {
    snprintf(path, sizeof path, "%s/%s/store", root, e->d_name);
    DIR *store = e->d_name[0] != '.' ? opendir(path) : NULL;
    for (struct dirent *f; store != NULL && (f = readdir(store)) != NULL;) {
      snprintf(path, sizeof path, "%s/%s/store/%s", root, e->d_name, f->d_name);
      const bool json = strstr(f->d_name, MST_KEY_JSON) != NULL, pack = strstr(f->d_name, MST_KEY_MSGPACK) != NULL;
      if (json || pack) look(path, json ? MST_DOCUMENT_JSON : MST_DOCUMENT_MSGPACK);
      seen += json || pack;
    }
    if (store != NULL) closedir(store);
  }
  closedir(cases);
  assert_true(seen >= 25);
}

static void same_bytes(const char *path, mst_document_form form) {
  size_t n, size;
  uint8_t *data = mst_test_read_file(path, &n);
  mst_document *d = NULL, *again = NULL;
  mst_error err = {0};
  if (mst_document_parse(NULL, data, n, form, path, &d, &err) != MST_OK) fail_msg("%s", err.message);
  char digest[33], other[33];
  assert_int_equal(mst_document_digest(d, digest, &err), MST_OK);
  char *text = print(d, MST_DOCUMENT_JSON, &size);
  if (form == MST_DOCUMENT_JSON) {
    assert_int_equal(size, n);
    assert_memory_equal(text, data, n);
  }
  char *packed = print(d, MST_DOCUMENT_MSGPACK, &size);
  assert_int_equal(mst_document_parse(NULL, packed, size, MST_DOCUMENT_MSGPACK, path, &again, &err), MST_OK);
  assert_int_equal(mst_document_digest(again, other, &err), MST_OK);
  assert_string_equal(digest, other);
  char *back = print(again, MST_DOCUMENT_JSON, NULL);
  assert_string_equal(text, back);
  free(back);
  free(packed);
  free(text);
  free(data);
  mst_document_unref(d);
  mst_document_unref(again);
}

static void golden_documents_keep_their_bytes(void **state) {
  (void)state;
  each_golden(same_bytes);
}

#define HEAD "{\"dataset_metadata_version\": 4, \"dataset_uuid\": \"u\", "

static void python_s_words(void **state) {
  (void)state;
  const char *text = HEAD "\"metadata\": {\"a\": 1e+20, \"b\": [0.1, -0.0, 5e-324, 123456789.125, 1e-07], \"c\": \"\\u00e9\\ud83d\\ude00\\u007f\\n\\\"\", "
                          "\"d\": {}, \"e\": [], \"f\": null, \"g\": true, \"h\": -9223372036854775808}, \"partitions\": {}, \"partition_keys\": []}";
  mst_document *d = parse(text, MST_DOCUMENT_JSON);
  char *out = print(d, MST_DOCUMENT_JSON, NULL);
  assert_string_equal(out, text);
  free(out);
  mst_document_unref(d);
}

static void edits(void **state) {
  (void)state;
  mst_error err = {0};
  mst_edit *e = NULL;
  mst_document *a = parse(HEAD "\"indices\": {\"x\": \"u/indices/x/1.parquet\"}, \"metadata\": {\"k\": 1}, \"partitions\": {"
                               "\"p=1/a\": {\"files\": {\"t\": \"u/t/p=1/a.parquet\"}}, "
                               "\"odd\": {\"files\": {\"t\": \"other/t/p=2/b.parquet\"}}, "
                               "\"none\": {\"files\": {}}}, \"partition_keys\": [\"p\"]}",
                          MST_DOCUMENT_JSON);
  mst_document *b = NULL;
  assert_int_equal(mst_document_partitions(a), 3);
  assert_string_equal(mst_document_path(a, 1), "p=2/b.parquet");
  assert_true(mst_document_file_own(a, 0));
  assert_false(mst_document_file_own(a, 1));
  assert_false(mst_document_has_file(a, 2));
  assert_true(mst_document_file_is(a, 0, "u/t/p=1/a.parquet"));
  assert_false(mst_document_file_is(a, 0, "u/t/p=1/b.parquet"));
  assert_true(mst_document_file_is(a, 1, "other/t/p=2/b.parquet"));
  assert_int_equal(mst_edit_open(NULL, a, NULL, NULL, &e, &err), MST_OK);
  assert_int_equal(mst_edit_add(e, "p=1/a", NULL, &err), MST_E_EXISTS);
  mst_edit_remove(e, 0);
  assert_int_equal(mst_edit_add(e, "p=1/a", NULL, &err), MST_OK);
  assert_int_equal(mst_edit_add(e, "p=1/a", NULL, &err), MST_E_EXISTS);
  assert_int_equal(mst_edit_add(e, "../a", NULL, &err), MST_E_ARGUMENT);
  assert_int_equal(mst_edit_index(e, "x", NULL, &err), MST_OK);
  assert_int_equal(mst_edit_index(e, "y", "u/indices/y/2.parquet", &err), MST_OK);
  assert_int_equal(mst_edit_metadata_set(e, "m", json_integer(7), &err), MST_OK);
  assert_int_equal(mst_edit_finish(e, &b, &err), MST_OK);
  mst_edit_free(e);
  char *text = print(b, MST_DOCUMENT_JSON, NULL);
  assert_string_equal(text, HEAD "\"indices\": {\"y\": \"u/indices/y/2.parquet\"}, \"metadata\": {\"k\": 1, \"m\": 7}, \"partitions\": {"
                                 "\"odd\": {\"files\": {\"t\": \"other/t/p=2/b.parquet\"}}, \"none\": {\"files\": {}}, "
                                 "\"p=1/a\": {\"files\": {\"t\": \"u/t/p=1/a.parquet\"}}}, \"partition_keys\": [\"p\"]}");
  assert_int_equal(mst_document_find(b, "none"), 1);
  assert_int_equal(mst_document_find(b, "nothing"), MST_DOCUMENT_NONE);
  free(text);
  mst_document_unref(a);
  mst_document_unref(b);
}

/* Partitions before the uuid, members that nobody knows, an order of one's own. */
static void any_order(void **state) {
  (void)state;
  mst_document *d = parse("{\"zzz\": [{}], \"partitions\": {\"k=1/a\": {\"metadata\": {\"x\": [1]}, \"files\": {\"t\": \"u/t/k=1/a.parquet\"}}},\n"
                          "\"dataset_uuid\": \"u\", \"dataset_metadata_version\": 4}",
                          MST_DOCUMENT_JSON);
  assert_int_equal(mst_document_partitions(d), 1);
  assert_string_equal(mst_document_table(d), "t");
  assert_int_equal(mst_document_n_keys(d), 1);
  assert_string_equal(mst_document_key(d, 0), "k");
  mst_document_unref(d);
}

typedef struct hostile {
  const char *text;
  mst_status status;
  const char *says;
} hostile;

#define PART(label, key) HEAD "\"partitions\": {\"" label "\": {\"files\": {\"t\": \"" key "\"}}}, \"partition_keys\": []}"
static const hostile hostiles[] = {
    {"", MST_E_CORRUPT, "too soon"},
    {"[]", MST_E_CORRUPT, "must be a map"},
    {"{}", MST_E_CORRUPT, "dataset_metadata_version"},
    {"{\"dataset_metadata_version\": 4}", MST_E_CORRUPT, "dataset_uuid"},
    {"{\"dataset_metadata_version\": 3, \"dataset_uuid\": \"u\"}", MST_E_UNSUPPORTED, "Minimal supported"},
    {"{\"dataset_metadata_version\": 5, \"dataset_uuid\": \"u\"}", MST_E_UNSUPPORTED, "Future metadata"},
    {"{\"dataset_metadata_version\": \"4\", \"dataset_uuid\": \"u\"}", MST_E_CORRUPT, "must be an integer"},
    {"{\"dataset_metadata_version\": 4, \"dataset_uuid\": \"a/../b\"}", MST_E_CORRUPT, "illegal character"},
    {"{\"dataset_metadata_version\": 4, \"dataset_uuid\": \"u\\n\"}", MST_E_CORRUPT, "illegal character"},
    {PART("../secret", "u/t/../secret.parquet"), MST_E_CORRUPT, "\"..\" leads out"},
    {PART("x", "../secret.parquet"), MST_E_CORRUPT, "\"..\" leads out"},
    {PART("x", "/etc/passwd"), MST_E_CORRUPT, "begins with '/'"},
    {PART("x", ""), MST_E_CORRUPT, "it is empty"},
    {PART("x\\u0000y", "u/t/x.parquet"), MST_E_CORRUPT, "NUL"},
    {PART("x", "u/t/x\\u0000.parquet"), MST_E_CORRUPT, "NUL"},
    {PART("", "u/t/x.parquet"), MST_E_CORRUPT, "without a label"},
    {HEAD "\"partitions\": {\"a\": {\"files\": {\"t\": \"u/t/a.parquet\", \"s\": \"u/s/a.parquet\"}}}}", MST_E_UNSUPPORTED, "more than one file"},
    {HEAD "\"partitions\": {\"a\": {\"files\": {\"..\": \"u/t/a.parquet\"}}}}", MST_E_CORRUPT, "name of a table"},
    {HEAD "\"partitions\": {\"a\": {}, \"a\": {}}}", MST_E_CORRUPT, "stands twice"},
    {HEAD "\"partitions\": {\"a\": {\"files\": [1]}}}", MST_E_CORRUPT, "must be a map"},
    {HEAD "\"partitions\": 7}", MST_E_CORRUPT, "must be a map"},
    {HEAD "\"indices\": {\"x\": 1}}", MST_E_CORRUPT, "must be a map"},
    {HEAD "\"indices\": {\"x\": \"../../x\"}}", MST_E_CORRUPT, "\"..\" leads out"},
    {HEAD "\"metadata\": []}", MST_E_CORRUPT, "must be a map"},
    {HEAD "\"metadata\": {\"x\": NaN}}", MST_E_CORRUPT, "not a JSON value"},
    {HEAD "\"metadata\": {\"x\": 1e999}}", MST_E_CORRUPT, "no double"},
    {HEAD "\"metadata\": {\"x\": \"\\ud800\"}}", MST_E_CORRUPT, "surrogate"},
    {HEAD "\"metadata\": {\"x\": \"\xff\"}}", MST_E_CORRUPT, "UTF-8"},
    {HEAD "\"partition_keys\": [\"a\", \"a\"]}", MST_E_CORRUPT, "stands twice"},
    {HEAD "\"partition_keys\": {}}", MST_E_CORRUPT, "must be a list"},
    {HEAD "\"metadata\": {}} x", MST_E_CORRUPT, "behind its end"},
    {HEAD "\"metadata\": {}", MST_E_CORRUPT, "too soon"},
};

static void hostile_documents_are_refused(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof hostiles / sizeof *hostiles; i++) {
    mst_document *d = NULL;
    mst_error err = {0};
    const mst_status status = mst_document_parse(NULL, hostiles[i].text, strlen(hostiles[i].text), MST_DOCUMENT_JSON, "the-key", &d, &err);
    if (status != hostiles[i].status || strstr(err.message, hostiles[i].says) == NULL || strstr(err.message, "the-key") == NULL)
      fail_msg("%s: %s: %s", hostiles[i].text, mst_status_name(status), err.message);
  }
}

static void deep_nesting_is_refused(void **state) {
  (void)state;
  char *text = malloc(400000);
  mst_document *d = NULL;
  mst_error err = {0};
  strcpy(text, HEAD "\"metadata\": {\"x\": ");
  memset(text + strlen(text), '[', 100000);
  text[strlen(HEAD "\"metadata\": {\"x\": ") + 100000] = '\0';
  assert_int_equal(mst_document_parse(NULL, text, strlen(text), MST_DOCUMENT_JSON, "k", &d, &err), MST_E_CORRUPT);
  assert_non_null(strstr(err.message, "nested deeper"));
  free(text);
}

/* Counts that promise more than there is. */
static void giant_counts_are_refused(void **state) {
  (void)state;
  static const uint8_t packs[][8] = {
      {0xdf, 0xff, 0xff, 0xff, 0xff}, {0xdd, 0xff, 0xff, 0xff, 0xff}, {0x81, 0xdb, 0xff, 0xff, 0xff, 0xf0}, {0x81, 0xc7, 1, 1}, {0x81, 0x01, 0x01}, {0x84, 0xa1},
  };
  for (size_t i = 0; i < sizeof packs / sizeof *packs; i++) {
    uint8_t frame[32] = {0x28, 0xb5, 0x2f, 0xfd, 0x20, 8, 0x41, 0, 0}; /* one raw block of 8 bytes */
    mst_document *d = NULL;
    mst_error err = {0};
    memcpy(frame + 9, packs[i], 8);
    assert_int_equal(mst_document_parse(NULL, frame, 17, MST_DOCUMENT_MSGPACK, "k", &d, &err), MST_E_CORRUPT);
    assert_null(d);
    assert_int_not_equal(mst_document_parse(NULL, frame, 16, MST_DOCUMENT_MSGPACK, "k", &d, &err), MST_OK);
  }
}

/* Cut anywhere, one byte changed anywhere: an answer, and never a crash. */
static void cut_and_changed(void **state) {
  (void)state;
  mst_document *d = parse(PART("p=1/a", "u/t/p=1/a.parquet"), MST_DOCUMENT_JSON), *other = NULL;
  for (int form = 0; form < 2; form++) {
    size_t n;
    char *text = print(d, (mst_document_form)form, &n);
    for (size_t cut = 0; cut < n; cut++) {
      char *part = malloc(cut + 1);
      memcpy(part, text, cut);
      assert_int_not_equal(mst_document_parse(NULL, part, cut, (mst_document_form)form, "k", &other, NULL), MST_OK);
      free(part);
    }
    for (size_t at = 0; at < n; at++) {
      text[at] ^= 0x10;
      if (mst_document_parse(NULL, text, n, (mst_document_form)form, "k", &other, NULL) == MST_OK) mst_document_unref(other);
      text[at] ^= 0x10;
    }
    free(text);
  }
  mst_document_unref(d);
}

static void many_partitions_take_little(void **state) {
  (void)state;
  const size_t n = 100000;
  mst_error err = {0};
  mst_test_allocator a;
  mst_edit *e = NULL;
  mst_document *d = NULL, *back = NULL;
  char label[200];
  mst_buf out;
  mst_test_allocator_init(&a, 0, false);
  assert_int_equal(mst_edit_open(&a.allocator, NULL, "uuid", "table", &e, &err), MST_OK);
  for (size_t i = 0; i < n; i++) {
    snprintf(label, sizeof label, "day=2024-01-%02zu/site=s%05zu/%032zx", i % 28 + 1, i, i);
    assert_int_equal(mst_edit_add(e, label, NULL, &err), MST_OK);
  }
  assert_int_equal(mst_edit_finish(e, &d, &err), MST_OK);
  mst_edit_free(e);
  mst_buf_init(&out, NULL, SIZE_MAX / 2);
  assert_int_equal(mst_document_print(d, MST_DOCUMENT_JSON, &out, &err), MST_OK);
  mst_document_unref(d);
  assert_int_equal(a.live_blocks, 0);
  mst_test_allocator_init(&a, 0, false);
  assert_int_equal(mst_document_parse(&a.allocator, out.data, out.size, MST_DOCUMENT_JSON, "k", &back, &err), MST_OK);
  assert_int_equal(mst_document_partitions(back), n);
  assert_string_equal(mst_document_label(back, n - 1), label);
  assert_int_equal(mst_document_find(back, label), n - 1);
  assert_true(a.peak_bytes < (16 << 20));
  mst_document_unref(back);
  assert_int_equal(a.live_blocks, 0);
  mst_buf_free(&out);
}

static void memory_runs_out(void **state) {
  (void)state;
  const char *text = HEAD "\"indices\": {\"x\": \"u/i/1\", \"y\": {\"1\": [\"a\"]}}, \"metadata\": {\"k\": [1, \"\\u00e9\"]}, \"partitions\": {"
                          "\"p=1/a\": {\"files\": {\"t\": \"u/t/p=1/a.parquet\"}}, \"odd\": {\"files\": {\"t\": \"other/t/p=2/b.parquet\"}}}}";
  for (int persistent = 0; persistent < 2; persistent++)
    for (long n = 1;; n++) {
      mst_test_allocator a;
      mst_document *d = NULL, *b = NULL;
      mst_edit *e = NULL;
      mst_buf out;
      mst_error err = {0};
      mst_test_allocator_init(&a, n, persistent != 0);
      mst_buf_init(&out, &a.allocator, SIZE_MAX / 2);
      mst_status status = mst_document_parse(&a.allocator, text, strlen(text), MST_DOCUMENT_JSON, "k", &d, &err);
      if (status == MST_OK) status = mst_edit_open(&a.allocator, d, NULL, NULL, &e, &err);
      if (status == MST_OK) status = mst_edit_add(e, "p=3/c", NULL, &err);
      if (status == MST_OK) status = mst_edit_index(e, "z", "u/i/2", &err);
      if (status == MST_OK) status = mst_edit_finish(e, &b, &err);
      if (status == MST_OK) status = mst_document_print(b, MST_DOCUMENT_MSGPACK, &out, &err);
      mst_buf_free(&out);
      mst_edit_free(e);
      mst_document_unref(d);
      mst_document_unref(b);
      assert_int_equal(a.live_blocks, 0);
      assert_int_equal(status, a.failed ? MST_E_NO_MEMORY : MST_OK);
      if (!a.failed) break;
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(golden_documents_keep_their_bytes),
      cmocka_unit_test(python_s_words),
      cmocka_unit_test(edits),
      cmocka_unit_test(any_order),
      cmocka_unit_test(hostile_documents_are_refused),
      cmocka_unit_test(deep_nesting_is_refused),
      cmocka_unit_test(giant_counts_are_refused),
      cmocka_unit_test(cut_and_changed),
      cmocka_unit_test(many_partitions_take_little),
      cmocka_unit_test(memory_runs_out),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
