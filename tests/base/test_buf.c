/* tests/base/test_buf.c - buffers keep their limit and their bytes through every failure; cursors never read past. */
#include "support/support.h"

#include <string.h>

#include "base/base.h"

static void what_was_appended_is_there_and_ends_with_a_nul(void **state) {
  mst_buf b;
  (void)state;
  mst_buf_init(&b, NULL, 1000);
  assert_string_equal(mst_buf_text(&b), "");
  assert_int_equal(mst_buf_put_text(&b, "ab", NULL), MST_OK);
  assert_int_equal(mst_buf_put_byte(&b, 'c', NULL), MST_OK);
  assert_int_equal(mst_buf_printf(&b, NULL, "-%d-%s", 42, "x"), MST_OK);
  assert_string_equal(mst_buf_text(&b), "abc-42-x");
  assert_int_equal(b.size, 8);
  mst_buf_clear(&b);
  assert_string_equal(mst_buf_text(&b), "");
  assert_int_equal(mst_buf_put_u32(&b, 0x04030201u, NULL), MST_OK);
  assert_int_equal(mst_buf_put_u64(&b, UINT64_C(0x0C0B0A0908070605), NULL), MST_OK);
  assert_memory_equal(b.data, "\1\2\3\4\5\6\7\10\11\12\13\14", 13);
  mst_buf_free(&b);
  assert_int_equal(mst_buf_put_text(&b, "again", NULL), MST_OK);
  mst_buf_free(&b);
  mst_buf_free(NULL);
}

static void the_limit_holds_to_the_byte(void **state) {
  mst_buf b;
  mst_error err;
  (void)state;
  mst_buf_init(&b, NULL, 100);
  for (int i = 0; i < 100; i++) assert_int_equal(mst_buf_put_byte(&b, (uint8_t)i, &err), MST_OK);
  assert_int_equal(mst_buf_put_byte(&b, 0, &err), MST_E_LIMIT);
  assert_int_equal(mst_buf_printf(&b, &err, "x"), MST_E_LIMIT);
  assert_int_equal(mst_buf_reserve(&b, SIZE_MAX, &err), MST_E_LIMIT);
  assert_int_equal(b.size, 100);
  assert_int_equal(b.data[99], 99);
  assert_int_equal(mst_buf_put(&b, "", 0, &err), MST_OK);
  mst_buf_free(&b);
  mst_buf_init(&b, NULL, 0);
  assert_int_equal(mst_buf_put_byte(&b, 0, &err), MST_E_LIMIT);
  assert_int_equal(mst_buf_put(&b, NULL, 0, &err), MST_OK);
  mst_buf_free(&b);
}

static void growing_costs_few_allocations(void **state) {
  mst_test_allocator a;
  mst_buf b;
  (void)state;
  mst_test_allocator_init(&a, 0, false);
  mst_buf_init(&b, &a.allocator, 1 << 20);
  for (int i = 0; i < 1 << 20; i++) mst_buf_put_byte(&b, 1, NULL);
  assert_true(a.calls < 30);
  assert_true(a.peak_bytes <= (1 << 20) + 1);
  mst_buf_free(&b);
  assert_int_equal(a.live_blocks, 0);
}

static void taken_bytes_outlive_the_buffer(void **state) {
  mst_test_allocator a;
  mst_buf b;
  mst_bytes bytes, second;
  (void)state;
  mst_test_allocator_init(&a, 0, false);
  mst_buf_init(&b, &a.allocator, 100000);
  assert_int_equal(mst_buf_take(&b, &bytes, NULL), MST_OK);
  assert_int_equal(bytes.size, 0);
  mst_bytes_release(&bytes);
  assert_int_equal(mst_buf_reserve(&b, 90000, NULL), MST_OK);
  assert_int_equal(mst_buf_put_text(&b, "hello", NULL), MST_OK);
  assert_int_equal(mst_buf_take(&b, &bytes, NULL), MST_OK);
  assert_int_equal(b.size, 0);
  assert_true(a.live_bytes < 1000);
  second = mst_bytes_share(&bytes);
  mst_bytes_release(&bytes);
  assert_null(bytes.data);
  mst_buf_free(&b);
  assert_int_equal(second.size, 5);
  assert_memory_equal(second.data, "hello", 5);
  mst_bytes_release(&second);
  assert_int_equal(a.live_blocks, 0);
}

static mst_status use_a_buffer(mst_test_allocator *a) {
  mst_error error, *err = &error;
  mst_status status = MST_OK;
  mst_bytes bytes = {0};
  mst_buf b;
  mst_buf_init(&b, &a->allocator, 100000);
  MST_TRY(mst_buf_put_text(&b, "start", err));
  for (int i = 0; i < 500; i++) MST_TRY(mst_buf_printf(&b, err, "%d,", i));
  MST_TRY(mst_buf_take(&b, &bytes, err));
  assert_memory_equal(bytes.data, "start0,1,2,", 11);
done:
  if (status != MST_OK) {
    assert_int_equal(error.status, MST_E_NO_MEMORY);
    if (b.size > 0) assert_memory_equal(b.data, "start0,1,2,", mst_min_size(b.size, 11));
  }
  mst_bytes_release(&bytes);
  mst_buf_free(&b);
  return status;
}

static void every_allocation_may_fail(void **state) {
  mst_test_allocator a;
  (void)state;
  for (int persistent = 0; persistent < 2; persistent++) {
    for (long n = 1;; n++) {
      mst_status status;
      mst_test_allocator_init(&a, n, persistent);
      status = use_a_buffer(&a);
      assert_int_equal(a.live_blocks, 0);
      assert_int_equal(status, a.failed ? MST_E_NO_MEMORY : MST_OK);
      if (!a.failed) break;
    }
  }
}

static void a_cursor_reads_to_its_end_and_no_further(void **state) {
  const uint8_t bytes[] = {1, 2, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 9};
  mst_cursor c = mst_cursor_over(bytes, sizeof bytes);
  (void)state;
  assert_int_equal(mst_cursor_u8(&c), 1);
  assert_int_equal(mst_cursor_u16(&c), 2);
  assert_int_equal(mst_cursor_u32(&c), 3);
  assert_int_equal(mst_cursor_u64(&c), 4);
  assert_int_equal(mst_cursor_left(&c), 1);
  assert_int_equal(mst_cursor_u8(&c), 9);
  assert_false(c.failed);
  assert_non_null(mst_cursor_take(&c, 0));
  assert_int_equal(mst_cursor_u8(&c), 0);
  assert_true(c.failed);
}

static void a_failed_cursor_stays_failed(void **state) {
  const uint8_t bytes[] = {1, 2, 3};
  mst_cursor c = mst_cursor_over(bytes, sizeof bytes);
  (void)state;
  assert_int_equal(mst_cursor_u32(&c), 0);
  assert_true(c.failed);
  assert_int_equal(mst_cursor_u8(&c), 0);
  assert_int_equal(mst_cursor_left(&c), 0);
  c = mst_cursor_over(bytes, sizeof bytes);
  assert_null(mst_cursor_take(&c, SIZE_MAX));
  c = mst_cursor_over(NULL, 0);
  assert_non_null(mst_cursor_take(&c, 0));
  assert_null(mst_cursor_take(&c, 1));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_was_appended_is_there_and_ends_with_a_nul),
      cmocka_unit_test(the_limit_holds_to_the_byte),
      cmocka_unit_test(growing_costs_few_allocations),
      cmocka_unit_test(taken_bytes_outlive_the_buffer),
      cmocka_unit_test(every_allocation_may_fail),
      cmocka_unit_test(a_cursor_reads_to_its_end_and_no_further),
      cmocka_unit_test(a_failed_cursor_stays_failed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
