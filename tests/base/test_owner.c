/* tests/base/test_owner.c - bytes live as long as their last reference, on whatever thread it goes. */
#include "support/support.h"

#include <pthread.h>
#include <string.h>

#include "base/base.h"

static void fresh_bytes_are_writable_and_freed_once(void **state) {
  mst_test_allocator a;
  mst_bytes b;
  uint8_t *writable;
  (void)state;
  mst_test_allocator_init(&a, 0, false);
  assert_int_equal(mst_bytes_new(&a.allocator, 10, &b, &writable, NULL), MST_OK);
  assert_ptr_equal(writable, b.data);
  assert_int_equal((uintptr_t)writable % _Alignof(max_align_t), 0);
  memset(writable, 'x', 10);
  mst_bytes_release(&b);
  assert_null(b.owner);
  mst_bytes_release(&b);
  mst_bytes_release(NULL);
  assert_int_equal(a.live_blocks, 0);
}

static void a_part_keeps_the_whole_alive(void **state) {
  mst_test_allocator a;
  mst_bytes whole, part, rest;
  (void)state;
  mst_test_allocator_init(&a, 0, false);
  assert_int_equal(mst_bytes_copy(&a.allocator, "0123456789", 10, &whole, NULL), MST_OK);
  part = mst_bytes_part(&whole, 3, 4);
  rest = mst_bytes_part(&whole, 10, 0);
  mst_bytes_release(&whole);
  assert_int_equal(part.size, 4);
  assert_memory_equal(part.data, "3456", 4);
  assert_int_equal(rest.size, 0);
  mst_bytes_release(&rest);
  assert_int_equal(a.live_blocks, 1);
  mst_bytes_release(&part);
  assert_int_equal(a.live_blocks, 0);
}

static void borrowed_and_empty_bytes_own_nothing(void **state) {
  mst_bytes b = mst_bytes_borrow("abc", 3), second = mst_bytes_share(&b), none = mst_bytes_share(NULL);
  const mst_bytes empty = {0};
  mst_bytes part = mst_bytes_part(&empty, 0, 0);
  (void)state;
  assert_null(second.owner);
  assert_int_equal(second.size, 3);
  assert_null(none.data);
  assert_null(part.data);
  mst_bytes_release(&b);
  mst_bytes_release(&second);
  mst_bytes_release(&part);
}

static void no_memory_is_told_and_a_huge_size_is_no_overflow(void **state) {
  mst_test_allocator a;
  mst_bytes b = {.size = 77};
  mst_error err;
  (void)state;
  mst_test_allocator_init(&a, 1, true);
  assert_int_equal(mst_bytes_copy(&a.allocator, "x", 1, &b, &err), MST_E_NO_MEMORY);
  assert_int_equal(err.status, MST_E_NO_MEMORY);
  assert_int_equal(b.size, 77);
  assert_int_equal(mst_bytes_copy(NULL, "x", SIZE_MAX, &b, &err), MST_E_NO_MEMORY);
}

static void *share_and_release(void *arg) {
  const mst_bytes *b = arg;
  for (int i = 0; i < 20000; i++) {
    mst_bytes mine = mst_bytes_share(b);
    assert_int_equal(mine.data[0], 'x');
    mst_bytes_release(&mine);
  }
  return NULL;
}

static void references_are_counted_across_threads(void **state) {
  mst_test_allocator a;
  mst_bytes b;
  pthread_t threads[4];
  (void)state;
  mst_test_allocator_init(&a, 0, false);
  assert_int_equal(mst_bytes_copy(&a.allocator, "x", 1, &b, NULL), MST_OK);
  for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, share_and_release, &b), 0);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  assert_int_equal(a.live_blocks, 1);
  mst_bytes_release(&b);
  assert_int_equal(a.live_blocks, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fresh_bytes_are_writable_and_freed_once),
      cmocka_unit_test(a_part_keeps_the_whole_alive),
      cmocka_unit_test(borrowed_and_empty_bytes_own_nothing),
      cmocka_unit_test(no_memory_is_told_and_a_huge_size_is_no_overflow),
      cmocka_unit_test(references_are_counted_across_threads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
