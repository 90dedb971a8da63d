/* tests/source/test_source_faults.c - index, plan and read with every allocation and every store operation failing in turn, once and
 * for good: a clean error or the right content, nothing leaked, nothing half-written. */
#include <stdlib.h>
#include <string.h>

#include <meseta/meseta.h>

#include "source/kit.h"
#include "store/store.h"

static char *plain;
static void *object;
static size_t n_plain, n_object;

static int set_up(void **state) {
  (void)state;
  plain = kit_reads(60, 9, &n_plain);
  object = kit_gzip(plain, n_plain, &n_object);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  free(plain);
  free(object);
  return 0;
}

static const kit_job job = {.key = "r.fastq.gz", .slices = 3, .spacing = 2048, .threads = 1};

/* One run with the n-th allocation refused. true while there is more to fail. */
static bool run_with_allocator(long n, bool persistent) {
  mst_test_allocator a;
  mst_error err;
  kit k;
  mst_buf joined;
  mst_test_allocator_init(&a, 0, persistent);
  mst_buf_init(&joined, NULL, SIZE_MAX / 2);
  assert_int_equal(kit_open(&k, &a.allocator, 1, &err), MST_OK);
  kit_put(k.store, job.key, object, n_object);
  a.fail_at = atomic_load(&a.calls) + n;
  mst_status status = kit_run(k.store, &job, &joined, NULL, &err);
  const bool failed = atomic_load(&a.failed);
  a.fail_at = 0;
  if (status == MST_OK) {
    assert_int_equal(joined.size, n_plain);
    assert_memory_equal(joined.data, plain, n_plain);
  } else {
    assert_true(failed);
    if (status != MST_E_NO_MEMORY) fail_msg("allocation %ld: %s: %s", n, mst_status_name(status), err.message);
  }
  mst_store_delete(k.store, (const char *const[]){"r.fastq.gz", "r.fastq.gz.meseta"}, 2, NULL, &err);
  kit_close(&k);
  mst_buf_free(&joined);
  assert_int_equal(atomic_load(&a.live_blocks), 0);
  return failed;
}

static void test_every_allocation_fails_once(void **state) {
  (void)state;
  for (long n = 1; run_with_allocator(n, false); n++) {
  }
}

static void test_every_allocation_fails_for_good(void **state) {
  (void)state;
  for (long n = 1; run_with_allocator(n, true); n += 1 + n / 50) {
  }
}

static bool run_with_store(uint64_t n, bool persistent, mst_status with) {
  mst_error err;
  kit k;
  mst_store *faulty = NULL;
  mst_buf joined;
  mst_object_info info;
  char etag[168];
  mst_buf_init(&joined, NULL, SIZE_MAX / 2);
  assert_int_equal(kit_open(&k, NULL, 1, &err), MST_OK);
  kit_put(k.store, job.key, object, n_object);
  assert_int_equal(mst_store_fault(k.store, n, persistent, with, &faulty, &err), MST_OK);
  mst_status status = kit_run(faulty, &job, &joined, NULL, &err);
  const bool failed = mst_store_fault_seen(faulty) >= n;
  if (status == MST_OK) {
    assert_int_equal(joined.size, n_plain);
    assert_memory_equal(joined.data, plain, n_plain);
  } else {
    assert_true(failed);
    assert_int_equal(status, with);
    assert_true(err.message[0] != '\0');
    /* An index is there whole or not at all. */
    if (mst_store_head(k.store, "r.fastq.gz.meseta", &info, etag, NULL, &err) == MST_OK) {
      kit_job again = job;
      again.indexed = true;
      assert_int_equal(kit_run(k.store, &again, &joined, NULL, &err), MST_OK);
      assert_memory_equal(joined.data, plain, n_plain);
    }
  }
  mst_store_unref(faulty);
  mst_buf_free(&joined);
  kit_close(&k);
  return failed;
}

static void test_every_operation_fails(void **state) {
  (void)state;
  static const mst_status with[] = {MST_E_IO, MST_E_DENIED, MST_E_TIMEOUT, MST_E_CHANGED};
  for (size_t w = 0; w < sizeof with / sizeof *with; w++)
    for (int persistent = 0; persistent < 2; persistent++)
      for (uint64_t n = 1; run_with_store(n, persistent != 0, with[w]); n++) {
      }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_operation_fails),
      cmocka_unit_test(test_every_allocation_fails_once),
      cmocka_unit_test(test_every_allocation_fails_for_good),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
