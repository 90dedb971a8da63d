/* tests/base/test_bits.c - checked arithmetic refuses what does not fit; unaligned access has the byte order it says.
 */
#include "support/support.h"

#include "base/base.h"

static void sums_that_do_not_fit_leave_the_output(void **state) {
  uint64_t wide = 7;
  size_t size = 7;
  (void)state;
  assert_false(mst_add_u64(UINT64_MAX, 1, &wide));
  assert_false(mst_mul_u64(UINT64_MAX / 2 + 1, 2, &wide));
  assert_false(mst_add_size(SIZE_MAX, 1, &size));
  assert_false(mst_mul_size(SIZE_MAX / 3 + 1, 3, &size));
  assert_int_equal(wide, 7);
  assert_int_equal(size, 7);
}

static void sums_at_the_edge_fit(void **state) {
  uint64_t wide;
  size_t size;
  (void)state;
  assert_true(mst_add_u64(UINT64_MAX - 1, 1, &wide));
  assert_true(wide == UINT64_MAX);
  assert_true(mst_mul_u64(UINT64_MAX / 3, 3, &wide));
  assert_true(wide == UINT64_MAX);
  assert_true(mst_add_size(SIZE_MAX, 0, &size));
  assert_true(size == SIZE_MAX);
  assert_true(mst_mul_size(0, SIZE_MAX, &size));
  assert_int_equal(size, 0);
}

static void bytes_are_read_in_their_order_at_any_address(void **state) {
  const uint8_t bytes[] = {0xFF, 0x01, 0x82, 0x03, 0x84, 0x05, 0x86, 0x07, 0x88, 0xFF};
  (void)state;
  assert_int_equal(mst_le16(bytes + 1), 0x8201);
  assert_int_equal(mst_le32(bytes + 1), 0x84038201u);
  assert_true(mst_le64(bytes + 1) == UINT64_C(0x8807860584038201));
  assert_int_equal(mst_be32(bytes + 1), 0x01820384u);
  assert_true(mst_be64(bytes + 1) == UINT64_C(0x0182038405860788));
}

static void what_is_put_is_read_back(void **state) {
  uint8_t room[9] = {0};
  (void)state;
  mst_put_le64(room + 1, UINT64_C(0xFEDCBA9876543210));
  assert_true(mst_le64(room + 1) == UINT64_C(0xFEDCBA9876543210));
  mst_put_le32(room + 1, 0x89ABCDEFu);
  assert_int_equal(mst_le32(room + 1), 0x89ABCDEFu);
  mst_put_le16(room + 1, 0xF00D);
  assert_int_equal(mst_le16(room + 1), 0xF00D);
  assert_int_equal(room[0], 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sums_that_do_not_fit_leave_the_output),
      cmocka_unit_test(sums_at_the_edge_fit),
      cmocka_unit_test(bytes_are_read_in_their_order_at_any_address),
      cmocka_unit_test(what_is_put_is_read_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
