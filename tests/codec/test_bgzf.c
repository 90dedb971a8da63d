/* tests/codec/test_bgzf.c - BGZF blocks are parsed, checked and found from anywhere, also where a block holds another
 * BGZF file; .gzi lists go round. */
#include "support/support.h"

#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"
#include "sample.h"

static void blocks_are_parsed_and_checked(void **state) {
  const size_t n_plain = 200000;
  uint8_t *plain = sample_plain(SAMPLE_FASTQ, n_plain, 1);
  size_t n, at = 0, got = 0, blocks = 0;
  uint8_t *file = sample_bgzf(plain, n_plain, 65280, 6, true, &n);
  mst_inflate *z = NULL;
  (void)state;
  assert_int_equal(mst_inflate_new(NULL, &z, NULL), MST_OK);
  while (at < n) {
    mst_bgzf_block block;
    const uint8_t *data;
    size_t want, k;
    uint32_t crc;
    for (size_t few = 0; few < 18; few++) {
      assert_int_equal(mst_bgzf_parse(file + at, few, &block, &want, NULL), MST_OK);
      assert_true(want > few);
    }
    assert_int_equal(mst_bgzf_parse(file + at, n - at, &block, &want, NULL), MST_OK);
    assert_int_equal(want, 0);
    assert_int_equal(mst_bgzf_inflate(z, file + at, &block, true, &data, &k, &crc, NULL), MST_OK);
    assert_memory_equal(data, plain + got, k);
    assert_int_equal(crc, mst_crc32(0, data, k));
    got += k;
    at += block.size;
    blocks++;
  }
  assert_int_equal(at, n);
  assert_int_equal(got, n_plain);
  assert_int_equal(blocks, 5);
  mst_inflate_free(z);
  free(plain);
  free(file);
}

static void a_changed_bit_never_passes(void **state) {
  uint8_t *plain = sample_plain(SAMPLE_TABLE, 3000, 1);
  size_t n;
  uint8_t *file = sample_bgzf(plain, 3000, 65280, 6, false, &n);
  mst_inflate *z = NULL;
  size_t n_passed = 0;
  (void)state;
  assert_int_equal(mst_inflate_new(NULL, &z, NULL), MST_OK);
  for (size_t bit = 0; bit < n * 8; bit++) {
    mst_bgzf_block block;
    const uint8_t *data;
    size_t want, k;
    uint32_t crc;
    mst_error err = {0};
    if (bit / 8 >= 4 && bit / 8 < 10) continue; /* time, extra flags and system are nobody's business */
    file[bit / 8] ^= (uint8_t)(1u << bit % 8);
    mst_status status = mst_bgzf_parse(file, n, &block, &want, &err);
    if (status == MST_OK && (want > 0 || block.size > n)) status = MST_E_CORRUPT;
    else if (status == MST_OK) status = mst_bgzf_inflate(z, file, &block, true, &data, &k, &crc, &err);
    /* A distance may point at the same text elsewhere, and the bits behind the last code stand for nothing. */
    if (status == MST_OK && k == 3000) assert_memory_equal(data, plain, k);
    else if (status != MST_E_UNSUPPORTED) assert_int_equal(status, MST_E_CORRUPT);
    n_passed += status == MST_OK;
    file[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  assert_true(n_passed < 20);
  mst_inflate_free(z);
  free(plain);
  free(file);
}

/* The first block at or after every place of a sample of places is the true one. */
static void expect_found(const uint8_t *file, size_t n, size_t step) {
  size_t next = 0;
  for (size_t from = 0; from < n; from += step) {
    mst_bgzf_block block;
    size_t want, at;
    while (next < from) {
      assert_int_equal(mst_bgzf_parse(file + next, n - next, &block, &want, NULL), MST_OK);
      next += block.size;
    }
    const mst_bgzf_search found = mst_bgzf_find(file, n, from, true, &at);
    if (next == n) {
      assert_int_equal(found, MST_BGZF_NONE);
      assert_int_equal(at, n);
    } else {
      assert_int_equal(found, MST_BGZF_FOUND);
      assert_int_equal(at, next);
    }
    /* With fewer bytes at hand: the same answer, or that more are needed. */
    for (size_t few = from; few < n; few += 1 + (n - from) / 7) {
      size_t where;
      const mst_bgzf_search part = mst_bgzf_find(file, few, from, false, &where);
      if (part == MST_BGZF_FOUND) assert_int_equal(where, at);
      assert_true(part != MST_BGZF_NONE || where <= at);
      if (few - from >= 3u * 65536) assert_int_not_equal(part, MST_BGZF_MORE);
    }
  }
}

static void the_first_block_is_found_from_anywhere(void **state) {
  uint8_t *plain = sample_plain(SAMPLE_FASTQ, 1200000, 1);
  size_t n;
  uint8_t *file = sample_bgzf(plain, 1200000, 65280, 6, true, &n);
  (void)state;
  expect_found(file, n, 997);
  free(file);
  file = sample_bgzf(plain, 60000, 100, 6, true, &n);
  expect_found(file, n, 61);
  free(file);
  free(plain);
}

static void a_bgzf_file_inside_stored_blocks_misleads_nobody(void **state) {
  uint8_t *plain = sample_plain(SAMPLE_FASTQ, 1000000, 1);
  static const size_t blocks[] = {65280, 700, 20};
  (void)state;
  for (size_t i = 0; i < 3; i++) {
    size_t n_inner, n;
    uint8_t *inner = sample_bgzf(plain, i < 2 ? 1000000 : 20000, blocks[i], 6, true, &n_inner);
    uint8_t *outer = sample_bgzf(inner, n_inner, 65280, 0, true, &n);
    expect_found(outer, n, 4999);
    free(inner);
    free(outer);
  }
  free(plain);
}

static void a_block_that_hides_its_size_among_other_fields(void **state) {
  /* Other subfields before BC, a BC of the wrong size, a field that runs over the end. */
  uint8_t head[40] = {0x1f, 0x8b, 8,   4,   0, 0, 0, 0,   0,   255, 16, 0,  'A', 'B',
                      0,    0,    'B', 'C', 1, 0, 7, 'B', 'C', 2,   0,  99, 0};
  mst_bgzf_block block;
  size_t want;
  (void)state;
  head[10] = 15;
  assert_int_equal(mst_bgzf_parse(head, 40, &block, &want, NULL), MST_OK);
  assert_int_equal(want, 0);
  assert_int_equal(block.size, 100);
  assert_int_equal(block.head, 27);
  head[10] = 14;
  assert_int_equal(mst_bgzf_parse(head, 40, &block, &want, NULL), MST_E_UNSUPPORTED);
  head[10] = 15;
  head[25] = 20; /* smaller than its own head */
  assert_int_equal(mst_bgzf_parse(head, 40, &block, &want, NULL), MST_E_CORRUPT);
}

static void lists_of_blocks_go_round(void **state) {
  const mst_gzi_entry entries[] = {{100, 65280}, {UINT64_C(1) << 40, 65280}, {(UINT64_C(1) << 40) + 1, UINT64_MAX}};
  mst_gzi_entry *read = NULL;
  size_t n;
  mst_buf b;
  (void)state;
  mst_buf_init(&b, NULL, 1000);
  assert_int_equal(mst_gzi_print(entries, 3, &b, NULL), MST_OK);
  assert_int_equal(b.size, 56);
  assert_int_equal(mst_gzi_parse(NULL, b.data, b.size, &read, &n, NULL), MST_OK);
  assert_int_equal(n, 3);
  assert_memory_equal(read, entries, sizeof entries);
  mst_free(NULL, read);
  for (size_t k = 0; k < b.size; k++) assert_int_equal(mst_gzi_parse(NULL, b.data, k, &read, &n, NULL), MST_E_CORRUPT);
  b.data[7] = 0x80; /* a count that no file could hold */
  assert_int_equal(mst_gzi_parse(NULL, b.data, b.size, &read, &n, NULL), MST_E_CORRUPT);
  b.data[7] = 0;
  mst_put_le64(b.data + 24, 100); /* not behind the first */
  assert_int_equal(mst_gzi_parse(NULL, b.data, b.size, &read, &n, NULL), MST_E_CORRUPT);
  mst_buf_free(&b);
}

static void bgzip_wrote_the_same_list(void **state) {
  char path[PATH_MAX];
  size_t n_file, n_list, n, at = 0;
  uint64_t plain = 0;
  (void)state;
  MST_TEST_NEED_SHARED("corpus/files/gzip/made/a-bgzip.gz.gzi", path);
  uint8_t *list = mst_test_read_file(path, &n_list);
  path[strlen(path) - 4] = 0;
  uint8_t *file = mst_test_read_file(path, &n_file);
  mst_gzi_entry *entries = NULL;
  assert_int_equal(mst_gzi_parse(NULL, list, n_list, &entries, &n, NULL), MST_OK);
  for (size_t i = 0; i <= n; i++) {
    mst_bgzf_block block;
    size_t want;
    if (i > 0) {
      assert_int_equal(entries[i - 1].at, at);
      assert_int_equal(entries[i - 1].plain, plain);
    }
    assert_int_equal(mst_bgzf_parse(file + at, n_file - at, &block, &want, NULL), MST_OK);
    at += block.size;
    plain += mst_le32(file + at - 4);
  }
  mst_free(NULL, entries);
  free(list);
  free(file);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(blocks_are_parsed_and_checked),
      cmocka_unit_test(a_changed_bit_never_passes),
      cmocka_unit_test(the_first_block_is_found_from_anywhere),
      cmocka_unit_test(a_bgzf_file_inside_stored_blocks_misleads_nobody),
      cmocka_unit_test(a_block_that_hides_its_size_among_other_fields),
      cmocka_unit_test(lists_of_blocks_go_round),
      cmocka_unit_test(bgzip_wrote_the_same_list),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
