/* tests/parquet/test_bloom.c - Tests of split block Bloom filters: the hash against published values, no value that was added is ever missed,
 * the share of false finds, and headers. */
#include "parquet/bloom.h"
#include "support/support.h"

static void hashes_are_those_of_the_specification(void **state) {
  static const struct {
    const char *text;
    uint64_t hash;
  } known[] = {{"", 0xef46db3751d8e999u},
               {"a", 0xd24ec4f1a98c6e5bu},
               {"abc", 0x44bc2cf5ad770999u},
               {"The quick brown fox jumps over the lazy dog", 0x0b242d361fda71bcu}};
  size_t i;
  (void)state;
  for (i = 0; i < sizeof known / sizeof known[0]; i++)
    assert_true(mst_pq_hash64(known[i].text, strlen(known[i].text)) == known[i].hash);
}

static void what_was_added_is_found(void **state) {
  static const uint64_t counts[] = {1, 100, 20000};
  static const double shares[] = {0.1, 0.01, 0.001};
  size_t k, s;
  uint64_t i;
  (void)state;
  for (k = 0; k < 3; k++) {
    for (s = 0; s < 3; s++) {
      size_t size = mst_pq_bloom_size(counts[k], shares[s]), found = 0, tries = 100000;
      uint8_t *filter = mst_alloc_zero(NULL, size, 1);
      assert_non_null(filter);
      assert_true(size % 32 == 0 && (size & (size - 1)) == 0);
      for (i = 0; i < counts[k]; i++) mst_pq_bloom_add(filter, size, mst_pq_hash64(&i, sizeof i));
      for (i = 0; i < counts[k]; i++) assert_true(mst_pq_bloom_may_have(filter, size, mst_pq_hash64(&i, sizeof i)));
      for (i = counts[k]; i < counts[k] + tries; i++)
        found += mst_pq_bloom_may_have(filter, size, mst_pq_hash64(&i, sizeof i));
      assert_true((double)found <= 1.2 * shares[s] * (double)tries);
      mst_free(NULL, filter);
    }
  }
}

static void sizes_have_bounds(void **state) {
  (void)state;
  assert_int_equal(mst_pq_bloom_size(0, 0.01), 32);
  assert_int_equal(mst_pq_bloom_size(UINT64_MAX, 0.01), MST_PQ_BLOOM_MOST);
  assert_true(mst_pq_bloom_size(1000, 0.001) > mst_pq_bloom_size(1000, 0.1));
}

static void headers_come_back(void **state) {
  mst_buf b;
  size_t n, head, size;
  bool whole;
  mst_error err;
  (void)state;
  mst_buf_init(&b, NULL, 1000);
  assert_int_equal(mst_pq_bloom_put_head(&b, 4096, NULL), MST_OK);
  for (n = 0; n < b.size; n++) {
    assert_int_equal(mst_pq_bloom_head(b.data, n, &whole, &head, &size, NULL), MST_OK);
    assert_false(whole);
  }
  assert_int_equal(mst_pq_bloom_head(b.data, b.size, &whole, &head, &size, NULL), MST_OK);
  assert_true(whole);
  assert_int_equal(head, b.size);
  assert_int_equal(size, 4096);
  /* 33 bytes are no whole number of blocks. */
  mst_buf_clear(&b);
  assert_int_equal(mst_pq_bloom_put_head(&b, 33, NULL), MST_OK);
  assert_int_equal(mst_pq_bloom_head(b.data, b.size, &whole, &head, &size, &err), MST_E_CORRUPT);
  /* Another member of a union is another algorithm. */
  mst_buf_clear(&b);
  assert_int_equal(mst_pq_bloom_put_head(&b, 32, NULL), MST_OK);
  for (n = 0; b.data[n] != 0x1c; n++) {
  }
  b.data[n + 1] = 0x2c;
  assert_int_equal(mst_pq_bloom_head(b.data, b.size, &whole, &head, &size, &err), MST_E_UNSUPPORTED);
  mst_buf_free(&b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(hashes_are_those_of_the_specification),
      cmocka_unit_test(what_was_added_is_found),
      cmocka_unit_test(sizes_have_bounds),
      cmocka_unit_test(headers_come_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
