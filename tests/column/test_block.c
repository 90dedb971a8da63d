/* tests/column/test_block.c - Tests of blocks: by themselves and cut from a pool's slabs, they keep their bytes as they grow, move and are
 * handed over, and all memory comes back whatever is released first. */
#include "column/block.h"
#include "support/support.h"

enum { BLOCKS = 40 };

static void fill(mst_block *b, size_t n, uint8_t seed) {
  size_t i;
  assert_int_equal(mst_block_reserve(b, n, NULL), MST_OK);
  for (i = 0; i < n; i++) b->data[b->size + i] = (uint8_t)(seed + (b->size + i) * 7);
  b->size += n;
}

static void check(const uint8_t *data, size_t n, uint8_t seed) {
  size_t i;
  for (i = 0; i < n; i++)
    if (data[i] != (uint8_t)(seed + i * 7)) fail_msg("byte %zu of %zu differs", i, n);
}

/* Many blocks grow in turn by uneven amounts; some are dropped, the others taken, and the pool ends before them. */
static void grow_and_take(const mst_allocator *mem, bool pooled, bool pool_first) {
  mst_block_pool pool = {.mem = mem};
  mst_block blocks[BLOCKS];
  mst_bytes taken[BLOCKS];
  size_t sizes[BLOCKS] = {0}, i, round;
  for (i = 0; i < BLOCKS; i++) {
    mst_block_init(&blocks[i], mem);
    if (pooled) blocks[i].pool = &pool;
  }
  for (round = 0; round < 12; round++) {
    for (i = 0; i < BLOCKS; i++) {
      size_t n = (i * 7919 + round * 104729) % 30011 + (i % 5 == 0 ? 40000 : 0);
      fill(&blocks[i], n, (uint8_t)i);
      sizes[i] += n;
      if (i % 3 == 0) mst_block_trim(&blocks[i]);
      if (i % 7 == 3) assert_int_equal(mst_block_shrink(&blocks[i], NULL), MST_OK);
      if (i % 11 == 4 && round == 5) {
        mst_block_free(&blocks[i]);
        sizes[i] = 0;
      }
    }
  }
  for (i = 0; i < BLOCKS; i++) {
    check(blocks[i].data, sizes[i], (uint8_t)i);
    assert_int_equal(blocks[i].size, sizes[i]);
    mst_block_take(&blocks[i], &taken[i]);
    assert_int_equal(taken[i].size, sizes[i]);
    assert_int_equal((uintptr_t)taken[i].data % 16, 0);
  }
  if (pool_first) mst_block_pool_close(&pool);
  for (i = 0; i < BLOCKS; i++) {
    size_t k = i * 17 % BLOCKS;
    check(taken[k].data, sizes[k], (uint8_t)k);
    mst_bytes_release(&taken[k]);
  }
  mst_block_pool_close(&pool);
}

static void blocks_keep_their_bytes(void **state) {
  mst_test_allocator a;
  int i;
  (void)state;
  for (i = 0; i < 4; i++) {
    mst_test_allocator_init(&a, 0, false);
    grow_and_take(&a.allocator, (i & 1) != 0, (i & 2) != 0);
    assert_int_equal(a.live_blocks, 0);
    grow_and_take(NULL, (i & 1) != 0, (i & 2) != 0);
  }
}

static void the_last_block_grows_in_place(void **state) {
  mst_block_pool pool = {0};
  mst_block b, c;
  const uint8_t *at;
  (void)state;
  mst_block_init(&b, NULL);
  mst_block_init(&c, NULL);
  b.pool = c.pool = &pool;
  fill(&b, 100000, 1);
  at = b.data;
  fill(&b, 300000, 1);
  assert_ptr_equal(b.data, at);
  fill(&c, 50000, 2);
  fill(&b, 300000, 1); /* no longer the last */
  assert_ptr_not_equal(b.data, at);
  check(b.data, b.size, 1);
  check(c.data, c.size, 2);
  /* What is trimmed is cut again. */
  at = b.data + b.size;
  mst_block_trim(&b);
  mst_block_free(&c);
  fill(&c, 40000, 3);
  assert_true(c.data >= at && c.data < at + 200);
  check(b.data, b.size, 1);
  mst_block_free(&b);
  mst_block_free(&c);
  mst_block_pool_close(&pool);
}

static void small_blocks_take_no_slab(void **state) {
  mst_block_pool pool = {0};
  mst_block b;
  (void)state;
  mst_block_init(&b, NULL);
  b.pool = &pool;
  fill(&b, 1000, 9);
  assert_null(pool.open);
  fill(&b, 90000, 9); /* moves into one */
  assert_non_null(pool.open);
  check(b.data, b.size, 9);
  b.pool = NULL; /* and out of it */
  fill(&b, 90000, 9);
  check(b.data, b.size, 9);
  mst_block_free(&b);
  mst_block_pool_close(&pool);
}

static mst_status fill_some(const mst_allocator *mem, mst_error *err) {
  mst_status status = MST_OK;
  mst_block_pool pool = {.mem = mem};
  mst_block b[3];
  size_t i, round;
  for (i = 0; i < 3; i++) {
    mst_block_init(&b[i], mem);
    b[i].pool = &pool;
  }
  for (round = 0; round < 40; round++)
    for (i = 0; i < 3; i++) MST_TRY(mst_block_put_zero(&b[i], 20000 * (i + 1), err));
done:
  for (i = 0; i < 3; i++) mst_block_free(&b[i]);
  mst_block_pool_close(&pool);
  return status;
}

static void every_allocation_may_fail(void **state) {
  mst_test_allocator a;
  mst_status status;
  long n;
  (void)state;
  for (n = 1;; n++) {
    mst_test_allocator_init(&a, n, n % 2 == 0);
    status = fill_some(&a.allocator, NULL);
    assert_int_equal(a.live_blocks, 0);
    if (!a.failed) break;
    assert_int_equal(status, MST_E_NO_MEMORY);
  }
  assert_int_equal(status, MST_OK);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(blocks_keep_their_bytes),
      cmocka_unit_test(the_last_block_grows_in_place),
      cmocka_unit_test(small_blocks_take_no_slab),
      cmocka_unit_test(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
