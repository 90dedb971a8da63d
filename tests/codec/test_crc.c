/* tests/codec/test_crc.c - CRC-32 agrees with zlib, and its arithmetic with CRCs computed over the bytes. */
#include "support/support.h"

#include <stdlib.h>
#include <zlib.h>

#include "codec/codec.h"
#include "sample.h"

static void it_is_the_crc_of_gzip(void **state) {
  uint8_t *data = sample_plain(SAMPLE_RANDOM, 5000, 1);
  (void)state;
  assert_int_equal(mst_crc32(0, "123456789", 9), 0xcbf43926);
  assert_int_equal(mst_crc32(0, NULL, 0), 0);
  for (size_t n = 0; n < 5000; n += 1 + n / 3) assert_int_equal(mst_crc32(7, data, n), crc32(7, data, (uInt)n));
  free(data);
}

static void parts_combine_and_come_apart(void **state) {
  uint8_t *data = sample_plain(SAMPLE_TABLE, 100000, 2);
  sample_random r = {.state = 3};
  (void)state;
  for (int i = 0; i < 300; i++) {
    const size_t n = sample_below(&r, 100001), cut = sample_below(&r, n + 1);
    const uint32_t whole = mst_crc32(0, data, n), a = mst_crc32(0, data, cut), b = mst_crc32(0, data + cut, n - cut);
    assert_int_equal(mst_crc32_combine(a, b, n - cut), whole);
    assert_int_equal(mst_crc32_tail(whole, a, n - cut), b);
  }
  free(data);
}

static void lengths_beyond_32_bits_combine_as_in_zlib(void **state) {
  const uint64_t lengths[] = {0, 1, 255, UINT64_C(1) << 31, (UINT64_C(1) << 32) + 5, UINT64_C(1) << 40, INT64_MAX};
  (void)state;
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
    assert_int_equal(mst_crc32_combine(0x12345678, 0x9abcdef0, lengths[i]),
                     crc32_combine64(0x12345678, 0x9abcdef0, (z_off64_t)lengths[i]));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_is_the_crc_of_gzip),
      cmocka_unit_test(parts_combine_and_come_apart),
      cmocka_unit_test(lengths_beyond_32_bits_combine_as_in_zlib),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
