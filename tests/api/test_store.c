/* tests/api/test_store.c - the public calls of meseta/store.h over a folder and memory: large objects, listings,
 * uploads. */
#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <meseta/store.h>

enum { LARGE = (20 << 20) + 11 };

static uint8_t *pattern(size_t n) {
  uint8_t *data = malloc(n);
  for (size_t i = 0; i < n; i++) data[i] = (uint8_t)(i * 31 >> 5);
  return data;
}

static void assert_reads(mst_store *s, uint64_t offset, uint64_t size, const uint8_t *data, size_t expected) {
  mst_bytes b = {0};
  mst_error err;
  mst_status status = mst_store_get(s, "large", offset, size, &b, NULL, &err);
  if (status != MST_OK) print_message("%s\n", err.message);
  assert_int_equal(status, MST_OK);
  assert_int_equal(b.size, expected);
  assert_true(expected == 0 || memcmp(b.data, data + offset, expected) == 0);
  mst_bytes_release(&b);
}

static mst_status gather(void *arg, const mst_object_info *info, mst_error *err) {
  char *to = (char *)arg + strlen(arg);
  (void)err;
  (void)sprintf(to, "%s%s ", info->key, info->is_prefix ? "*" : "");
  assert_true(info->is_prefix || info->modified_us > 1600000000000000);
  return MST_OK;
}

static void use(const char *url) {
  mst_store *s = NULL;
  char keys[200] = "", etag[168], newer[168];
  uint8_t *data = pattern(LARGE);
  mst_object_info info;
  mst_upload *u = NULL;
  assert_int_equal(mst_store_open(NULL, url, NULL, 0, &s, NULL), MST_OK);
  assert_int_equal(mst_store_put(s, "large", data, LARGE, MST_PUT_CREATE, NULL, etag, NULL, NULL), MST_OK);
  assert_reads(s, 0, UINT64_MAX, data, LARGE);
  assert_reads(s, 5, UINT64_MAX, data, LARGE - 5);
  assert_reads(s, 7, 12 << 20, data, 12 << 20);
  assert_reads(s, 7, 100, data, 100);
  assert_reads(s, LARGE - 3, 100, data, 3);
  assert_reads(s, LARGE, 100, data, 0);
  assert_reads(s, LARGE + 100, UINT64_MAX, data, 0);
  assert_reads(s, 3, 0, data, 0);
  assert_int_equal(mst_store_head(s, "large", &info, newer, NULL, NULL), MST_OK);
  assert_int_equal(info.size, LARGE);
  assert_string_equal(info.etag, etag);
  /* the same once more, as a stream, over this version only */
  assert_int_equal(mst_upload_open(s, "large", &u, NULL, NULL), MST_OK);
  for (size_t at = 0; at < LARGE; at += 999999)
    assert_int_equal(mst_upload_put(u, data + at, LARGE - at < 999999 ? LARGE - at : 999999, NULL), MST_OK);
  assert_int_equal(mst_upload_close(u, MST_PUT_IF_MATCH, etag, newer, NULL), MST_OK);
  mst_upload_free(u);
  assert_string_not_equal(etag, newer);
  assert_reads(s, 0, UINT64_MAX, data, LARGE);
  assert_int_equal(mst_upload_open(s, "large", &u, NULL, NULL), MST_OK);
  assert_int_equal(mst_upload_put(u, data, LARGE, NULL), MST_OK);
  assert_int_equal(mst_upload_close(u, MST_PUT_IF_MATCH, etag, newer, NULL), MST_E_CONFLICT);
  mst_upload_free(u);
  assert_int_equal(mst_store_put(s, "d/x", "1", 1, MST_PUT_REPLACE, NULL, NULL, NULL, NULL), MST_OK);
  assert_int_equal(mst_store_list(s, "", "/", gather, keys, NULL, NULL), MST_OK);
  assert_string_equal(keys, "d/* large ");
  keys[0] = '\0';
  assert_int_equal(mst_store_list(s, NULL, NULL, gather, keys, NULL, NULL), MST_OK);
  assert_string_equal(keys, "d/x large ");
  const char *all[] = {"large", "d/x"};
  assert_int_equal(mst_store_delete(s, all, 2, NULL, NULL), MST_OK);
  keys[0] = '\0';
  assert_int_equal(mst_store_list(s, NULL, "/", gather, keys, NULL, NULL), MST_OK);
  assert_string_equal(keys, "");
  free(data);
  mst_store_unref(s);
}

static void objects_go_in_and_out_of_a_folder(void **state) {
  char folder[PATH_MAX];
  (void)state;
  mst_test_folder(folder);
  use(folder);
  mst_test_folder_remove(folder);
}

static void objects_go_in_and_out_of_memory(void **state) {
  (void)state;
  use("memory://api");
  use("memory://api/below/a/prefix");
}

int main(void) {
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test(objects_go_in_and_out_of_a_folder),
      cmocka_unit_test(objects_go_in_and_out_of_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
