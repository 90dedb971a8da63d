/* tests/base/test_alloc.c - the allocator calls, with malloc and with an allocator that counts and fails. */
#include "support/support.h"

#include <string.h>

#include "base/base.h"

static void sizes_that_overflow_are_refused_before_the_allocator(void **state) {
  mst_test_allocator a;
  (void)state;
  mst_test_allocator_init(&a, 0, false);
  assert_null(mst_alloc_array(&a.allocator, SIZE_MAX / 2, 3));
  assert_null(mst_alloc_zero(&a.allocator, SIZE_MAX, 2));
  assert_null(mst_alloc_zero(NULL, SIZE_MAX, 2));
  assert_null(mst_text_copy_n(&a.allocator, "", SIZE_MAX));
  assert_int_equal(a.calls, 0);
}

static void nothing_is_a_valid_block(void **state) {
  mst_test_allocator a;
  const mst_allocator *allocators[2] = {NULL, &a.allocator};
  (void)state;
  mst_test_allocator_init(&a, 0, false);
  for (int i = 0; i < 2; i++) {
    void *none = mst_alloc(allocators[i], 0), *zero = mst_alloc_zero(allocators[i], 0, 8);
    assert_non_null(none);
    assert_non_null(zero);
    zero = mst_resize(allocators[i], zero, 0);
    assert_non_null(zero);
    mst_free(allocators[i], none);
    mst_free(allocators[i], zero);
    mst_free(allocators[i], NULL);
  }
  assert_int_equal(a.live_blocks, 0);
}

static void zeroed_blocks_are_zero(void **state) {
  static const uint8_t zeros[300];
  mst_test_allocator a;
  uint8_t *block;
  (void)state;
  mst_test_allocator_init(&a, 0, false);
  block = mst_alloc_zero(&a.allocator, 100, 3);
  assert_memory_equal(block, zeros, 300);
  mst_free(&a.allocator, block);
}

static void a_failed_growth_keeps_the_old_block(void **state) {
  mst_test_allocator a;
  char *text;
  (void)state;
  mst_test_allocator_init(&a, 2, false);
  text = mst_text_copy(&a.allocator, "kept");
  assert_null(mst_resize(&a.allocator, text, 4096));
  assert_string_equal(text, "kept");
  assert_int_equal(a.live_blocks, 1);
  mst_free(&a.allocator, text);
  assert_int_equal(a.live_blocks, 0);
  assert_int_equal(a.live_bytes, 0);
}

static void copies_end_with_a_nul(void **state) {
  char *text = mst_text_copy_n(NULL, "a\0bcd", 4);
  (void)state;
  assert_memory_equal(text, "a\0bc\0", 5);
  mst_free(NULL, text);
}

static void the_failing_allocator_fails_where_it_was_told(void **state) {
  mst_test_allocator a;
  (void)state;
  for (int persistent = 0; persistent < 2; persistent++) {
    void *blocks[4];
    mst_test_allocator_init(&a, 2, persistent);
    for (int i = 0; i < 4; i++) blocks[i] = mst_alloc(&a.allocator, 8);
    assert_non_null(blocks[0]);
    assert_null(blocks[1]);
    assert_int_equal(blocks[2] == NULL, persistent);
    assert_int_equal(blocks[3] == NULL, persistent);
    assert_true(a.failed);
    for (int i = 0; i < 4; i++) mst_free(&a.allocator, blocks[i]);
    assert_int_equal(a.live_blocks, 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sizes_that_overflow_are_refused_before_the_allocator),
      cmocka_unit_test(nothing_is_a_valid_block),
      cmocka_unit_test(zeroed_blocks_are_zero),
      cmocka_unit_test(a_failed_growth_keeps_the_old_block),
      cmocka_unit_test(copies_end_with_a_nul),
      cmocka_unit_test(the_failing_allocator_fails_where_it_was_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
