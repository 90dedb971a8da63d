/* tests/base/test_scan.c - every set of byte kernels against a loop over single bytes: all lengths around a word, all
 * alignments, all byte values, long runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/scan.h"

enum { LONGEST = 40000 };

static uint64_t random_next(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

/* `kinds` distinct values, so that few kinds give many matches. */
static void fill(uint8_t *data, size_t n, unsigned kinds, uint64_t *seed) {
  for (size_t i = 0; i < n; i++) data[i] = (uint8_t)(random_next(seed) % kinds * (256 / kinds));
}

static void check_mask(const uint8_t *data, size_t n, uint8_t low, uint8_t high, const uint64_t *mask) {
  for (size_t i = 0; i < 64 * MST_SCAN_WORDS(n); i++) {
    const int want = i < n && data[i] >= low && data[i] <= high;
    if ((int)(mask[i / 64] >> (i % 64) & 1) != want) fail_msg("bit %zu of %zu for %u-%u", i, n, low, high);
  }
}

static void check_run(const mst_scan_kernels *k, const uint8_t *data, size_t n, const uint8_t bytes[4]) {
  static uint64_t m[4][MST_SCAN_WORDS(LONGEST)];
  uint64_t *const masks[4] = {m[0], m[1], m[2], m[3]};
  const uint8_t low = bytes[0] < bytes[1] ? bytes[0] : bytes[1], high = bytes[0] < bytes[1] ? bytes[1] : bytes[0];
  size_t equal = 0, within = 0;
  uint64_t found;
  k->mask(data, n, bytes[0], m[0]);
  check_mask(data, n, bytes[0], bytes[0], m[0]);
  k->mask2(data, n, bytes[1], bytes[2], m[0], m[1]);
  check_mask(data, n, bytes[1], bytes[1], m[0]);
  check_mask(data, n, bytes[2], bytes[2], m[1]);
  k->mask4(data, n, bytes, masks);
  for (int i = 0; i < 4; i++) check_mask(data, n, bytes[i], bytes[i], m[i]);
  k->mask_range(data, n, low, high, m[0]);
  check_mask(data, n, low, high, m[0]);
  for (size_t i = 0; i < n; i++) {
    if (data[i] == bytes[0] && (equal % 97 == 0 || n < 200))
      assert_int_equal(mst_scan_nth(k, data, n, bytes[0], equal, &found), i);
    equal += data[i] == bytes[0];
    within += data[i] >= low && data[i] <= high;
  }
  assert_int_equal(k->count(data, n, bytes[0]), equal);
  assert_int_equal(k->count_range(data, n, low, high), within);
  assert_int_equal(mst_scan_nth(k, data, n, bytes[0], equal, &found), n);
  assert_int_equal(found, equal);
}

static void test_counts_of_bits(void **state) {
  const char *const names[] = {"portable", mst_scan_best()->name};
  uint64_t seed = 3, mask[3];
  (void)state;
  for (int i = 0; i < 3; i++) mask[i] = random_next(&seed) & random_next(&seed);
  for (size_t from = 0; from <= 192; from++)
    for (size_t to = 0, want = 0; to <= 192; to++) {
      for (size_t s = 0; s < 2; s++) assert_int_equal(mst_scan_find(names[s])->count_bits(mask, from, to), want);
      if (to >= from && to < 192) want += mask[to / 64] >> (to % 64) & 1;
    }
}

static void check_kernels(const mst_scan_kernels *k) {
  uint64_t seed = 0x9e3779b97f4a7c15u;
  for (size_t n = 0; n < 300; n++) {
    /* A block of its own size, so that a sanitizer sees a read behind its end. */
    uint8_t *block = malloc(n + 1);
    assert_non_null(block);
    for (unsigned kinds = 1; kinds <= 256; kinds *= 4) {
      const unsigned step = 256 / kinds;
      const uint8_t bytes[4] = {0, (uint8_t)(step * (kinds - 1)), (uint8_t)(random_next(&seed) % 256), '\n'};
      fill(block + 1, n, kinds, &seed);
      check_run(k, block + 1, n, bytes);
    }
    free(block);
  }
}

static void test_every_kernel_set_agrees_with_a_loop(void **state) {
  (void)state;
  assert_non_null(mst_scan_find("portable"));
  check_kernels(mst_scan_find("portable"));
  check_kernels(mst_scan_best());
  assert_ptr_equal(mst_scan_find(mst_scan_best()->name), mst_scan_best());
  assert_null(mst_scan_find("none"));
}

static void test_every_pair_of_limits(void **state) {
  uint8_t all[256];
  uint64_t mask[4];
  (void)state;
  for (unsigned i = 0; i < 256; i++) all[i] = (uint8_t)(i * 167); /* odd factor: every value once */
  for (unsigned low = 0; low < 256; low++)
    for (unsigned high = low; high < 256; high++) {
      const char *const names[] = {"portable", mst_scan_best()->name};
      for (size_t s = 0; s < 2; s++) {
        const mst_scan_kernels *k = mst_scan_find(names[s]);
        assert_int_equal(k->count_range(all, sizeof all, (uint8_t)low, (uint8_t)high), high - low + 1);
        k->mask_range(all, sizeof all, (uint8_t)low, (uint8_t)high, mask);
        check_mask(all, sizeof all, (uint8_t)low, (uint8_t)high, mask);
      }
    }
}

static void test_long_runs(void **state) {
  uint8_t *data = malloc(LONGEST);
  uint64_t seed = 42;
  (void)state;
  assert_non_null(data);
  for (unsigned kinds = 1; kinds <= 64; kinds *= 8) {
    const uint8_t bytes[4] = {0, (uint8_t)(256 / kinds), '"', 0xff};
    fill(data, LONGEST, kinds, &seed);
    check_run(mst_scan_find("portable"), data, LONGEST, bytes);
    check_run(mst_scan_best(), data, LONGEST, bytes);
  }
  free(data);
}

static void test_parity_of_a_mask(void **state) {
  uint64_t seed = 7;
  (void)state;
  for (int round = 0; round < 1000; round++) {
    const uint64_t mask = random_next(&seed) & random_next(&seed), parity = mst_mask_parity(mask);
    unsigned inside = 0;
    for (unsigned j = 0; j < 64; j++) {
      inside ^= (unsigned)(mask >> j & 1);
      assert_int_equal(parity >> j & 1, inside);
    }
  }
  assert_true(mst_mask_low(0) == 0 && mst_mask_low(1) == 1 && mst_mask_low(64) == UINT64_MAX);
}

static void test_the_environment_asks_for_the_portable_set(void **state) {
  (void)state;
  setenv("MESETA_KERNELS", "portable", 1);
  assert_string_equal(mst_scan_best()->name, "portable");
  unsetenv("MESETA_KERNELS");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_kernel_set_agrees_with_a_loop),
                                     cmocka_unit_test(test_every_pair_of_limits),
                                     cmocka_unit_test(test_counts_of_bits),
                                     cmocka_unit_test(test_long_runs),
                                     cmocka_unit_test(test_parity_of_a_mask),
                                     cmocka_unit_test(test_the_environment_asks_for_the_portable_set)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
