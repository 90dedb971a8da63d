/* tests/codec/test_gzip.c - gzip heads are read from input cut anywhere, and what breaks RFC 1952 is refused. */
#include "support/support.h"

#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"
#include "sample.h"

/* Feeds `chunk` bytes at a time; gives the status, and the number of bytes taken in `*used`. */
static mst_status feed(mst_gzip_head *h, const uint8_t *data, size_t n, size_t chunk, size_t *used, mst_error *err) {
  mst_status status = MST_OK;
  *h = (mst_gzip_head){0};
  *used = 0;
  while (status == MST_OK && !h->done && *used < n) {
    const uint8_t *in = data + *used;
    status = mst_gzip_head_feed(h, &in, in + mst_min_size(chunk, n - *used), err);
    *used = (size_t)(in - data);
  }
  return status;
}

static void all_fields_are_passed_over(void **state) {
  const sample_deflate how = {.level = 6};
  (void)state;
  for (unsigned flags = 0; flags < 32; flags++) {
    size_t n, used;
    uint8_t *member = sample_member((const uint8_t *)"x", 1, &how, flags, &n);
    const size_t expected = 10u + ((flags & 4) != 0 ? 9u : 0u) + ((flags & 8) != 0 ? 7u : 0u) +
                            ((flags & 16) != 0 ? 10u : 0u) + ((flags & 2) != 0 ? 2u : 0u);
    for (size_t chunk = 1; chunk < 30; chunk++) {
      mst_gzip_head h;
      mst_error err;
      assert_int_equal(feed(&h, member, n, chunk, &used, &err), MST_OK);
      assert_true(h.done);
      assert_int_equal(used, expected);
      assert_int_equal(h.size, expected);
      assert_int_equal(h.flags, flags);
      assert_int_equal(h.mtime, 0x04030201);
    }
    for (size_t k = 0; k < expected; k++) {
      mst_gzip_head h;
      assert_int_equal(feed(&h, member, k, k + 1, &used, NULL), MST_OK);
      assert_false(h.done);
    }
    free(member);
  }
}

static void an_empty_extra_field_is_one(void **state) {
  const uint8_t head[] = {0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 0, 0, 3, 0};
  mst_gzip_head h;
  size_t used;
  (void)state;
  for (size_t chunk = 1; chunk < 15; chunk++) {
    assert_int_equal(feed(&h, head, sizeof head, chunk, &used, NULL), MST_OK);
    assert_true(h.done);
    assert_int_equal(used, 12);
  }
}

static void broken_heads_are_refused_where_they_break(void **state) {
  static const struct {
    uint8_t head[4];
    int64_t offset;
    const char *rule;
  } cases[] = {
      {{'@', 'r', '1', ' '}, 0, "plain text"}, {{0x1f, 0x8c, 8, 0}, 0, "magic"},
      {{0x28, 0xb5, 0x2f, 0xfd}, 0, "zstd"},   {{0x1f, 0x8b, 9, 0}, 2, "method 9"},
      {{0x1f, 0x8b, 8, 0x20}, 3, "reserved"},  {{0x1f, 0x8b, 8, 0xff}, 3, "reserved"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    uint8_t head[12];
    mst_gzip_head h;
    mst_error err = {0};
    size_t used;
    memset(head, ' ', sizeof head);
    memcpy(head, cases[i].head, 4);
    assert_int_equal(feed(&h, head, sizeof head, 12, &used, &err), MST_E_CORRUPT);
    assert_non_null(strstr(err.message, cases[i].rule));
    assert_int_equal(err.offset, cases[i].offset);
    assert_int_equal(feed(&h, head, sizeof head, 1, &used, &err), MST_E_CORRUPT);
    assert_int_equal(err.offset, cases[i].offset);
  }
}

static void a_wrong_check_sum_of_the_head_is_refused(void **state) {
  const sample_deflate how = {.level = 6};
  size_t n, used;
  uint8_t *member = sample_member((const uint8_t *)"x", 1, &how, 31, &n);
  mst_gzip_head h;
  (void)state;
  for (size_t i = 4; i < 38; i++) {
    member[i] ^= 0x40;
    /* A changed length of a field moves its end: then the check sum is looked for elsewhere, or is not reached. */
    const mst_status status = feed(&h, member, n, 5, &used, NULL);
    assert_true(status == MST_E_CORRUPT || !h.done);
    member[i] ^= 0x40;
  }
  free(member);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_fields_are_passed_over),
      cmocka_unit_test(an_empty_extra_field_is_one),
      cmocka_unit_test(broken_heads_are_refused_where_they_break),
      cmocka_unit_test(a_wrong_check_sum_of_the_head_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
