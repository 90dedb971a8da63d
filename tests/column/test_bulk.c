/* tests/column/test_bulk.c - columns that grow by runs are those that grow value by value, at every length and mixture of nulls. */
#include <stdlib.h>
#include <string.h>

#include "column/column.h"
#include "support/support.h"

static uint64_t rng = 7;

static uint64_t next_random(void) {
  rng ^= rng << 13;
  rng ^= rng >> 7;
  rng ^= rng << 17;
  return rng;
}

static mst_builder *make(const char *format, const mst_field *children, size_t n) {
  const mst_field field = {.name = "v", .format = format, .nullable = true, .children = children, .n_children = n};
  mst_builder *b = NULL;
  assert_int_equal(mst_builder_new(NULL, &field, &b, NULL), MST_OK);
  return b;
}

/* Both builders give the same array, buffer by buffer. */
static void check_array(const struct ArrowArray *a, const struct ArrowArray *b, size_t width, bool bits) {
  assert_int_equal(a->length, b->length);
  assert_int_equal(a->null_count, b->null_count);
  assert_int_equal(a->n_buffers, b->n_buffers);
  assert_int_equal(a->buffers[0] == NULL, b->buffers[0] == NULL);
  for (int64_t i = 0; i < a->length; i++) {
    if (a->buffers[0] != NULL)
      assert_int_equal(((const uint8_t *)a->buffers[0])[i / 8] >> (i % 8) & 1, ((const uint8_t *)b->buffers[0])[i / 8] >> (i % 8) & 1);
    if (a->buffers[0] != NULL && (((const uint8_t *)a->buffers[0])[i / 8] >> (i % 8) & 1) == 0) continue;
    if (bits) assert_int_equal(((const uint8_t *)a->buffers[1])[i / 8] >> (i % 8) & 1, ((const uint8_t *)b->buffers[1])[i / 8] >> (i % 8) & 1);
    else if (a->n_buffers == 2) assert_memory_equal((const uint8_t *)a->buffers[1] + width * (size_t)i, (const uint8_t *)b->buffers[1] + width * (size_t)i, width);
  }
  if (a->n_buffers == 3 && a->length > 0) {
    assert_memory_equal(a->buffers[1], b->buffers[1], width * (size_t)(a->length + 1));
    const int64_t end = width == 4 ? ((const int32_t *)a->buffers[1])[a->length] : ((const int64_t *)a->buffers[1])[a->length];
    if (end > 0) assert_memory_equal(a->buffers[2], b->buffers[2], (size_t)end);
  }
}

static void take_both(mst_builder *one, mst_builder *runs, size_t width, bool bits) {
  struct ArrowArray a, b;
  assert_int_equal(mst_builder_take(one, &a, NULL), MST_OK);
  assert_int_equal(mst_builder_take(runs, &b, NULL), MST_OK);
  check_array(&a, &b, width, bits);
  mst_array_release(&a);
  mst_array_release(&b);
}

enum { RUN_MAX = 70 };

static void runs_of_values(void **state) {
  static const struct {
    const char *format;
    size_t width;
  } kinds[] = {{"l", 8}, {"i", 4}, {"g", 8}, {"b", 0}};
  (void)state;
  for (int round = 0; round < 400; round++) {
    const int kind = round % 4;
    mst_builder *one = make(kinds[kind].format, NULL, 0), *runs = make(kinds[kind].format, NULL, 0);
    for (uint64_t parts = 1 + next_random() % 5; parts > 0; parts--) {
      const size_t n = next_random() % RUN_MAX;
      int64_t whole[RUN_MAX];
      int32_t narrow[RUN_MAX];
      double real[RUN_MAX];
      uint8_t truth[RUN_MAX], valid[RUN_MAX];
      const bool all = next_random() % 3 == 0;
      for (size_t i = 0; i < n; i++) {
        valid[i] = (uint8_t)(all || next_random() % 4 > 0 ? 1 + next_random() % 255 : 0);
        whole[i] = valid[i] != 0 ? (int64_t)next_random() : 0;
        narrow[i] = (int32_t)whole[i];
        real[i] = (double)whole[i];
        truth[i] = (uint8_t)(valid[i] != 0 && whole[i] % 2 != 0);
        const mst_status status = valid[i] == 0 ? mst_builder_null(one, NULL)
                                  : kind == 3   ? mst_builder_bool(one, truth[i] != 0, NULL)
                                  : kind == 2   ? mst_builder_f64(one, real[i], NULL)
                                                : mst_builder_i64(one, kind == 1 ? narrow[i] : whole[i], NULL);
        assert_int_equal(status, MST_OK);
      }
      const void *values[] = {whole, narrow, real, truth};
      assert_int_equal(mst_builder_values(runs, values[kind], all ? NULL : valid, n, NULL), MST_OK);
    }
    take_both(one, runs, kinds[kind].width, kind == 3);
    mst_builder_free(one);
    mst_builder_free(runs);
  }
}

static void runs_of_texts(void **state) {
  (void)state;
  for (int round = 0; round < 400; round++) {
    const char *format = round % 2 == 0 ? "u" : "U";
    mst_builder *one = make(format, NULL, 0), *spans = make(format, NULL, 0), *again = make(format, NULL, 0), *packed = make(format, NULL, 0);
    for (uint64_t parts = 1 + next_random() % 4; parts > 0; parts--) {
      const size_t n = next_random() % RUN_MAX;
      static const char text[] = "abcdefghijklmnopqrstuvwxyz0123456789";
      mst_span items[RUN_MAX];
      uint8_t bytes[RUN_MAX * 40], valid[RUN_MAX];
      uint32_t ends[RUN_MAX], size = 0;
      const bool all = next_random() % 3 == 0;
      for (size_t i = 0; i < n; i++) {
        valid[i] = all || next_random() % 4 > 0;
        items[i] = (mst_span){valid[i] ? text + next_random() % 8 : NULL, valid[i] ? next_random() % 28 : 0};
        if (valid[i]) memcpy(bytes + size, items[i].data, items[i].size);
        size += (uint32_t)items[i].size;
        ends[i] = size;
        for (int k = 0; k < 2; k++)
          assert_int_equal(valid[i] ? mst_builder_bytes(k == 0 ? one : again, items[i].data, items[i].size, NULL) : mst_builder_null(k == 0 ? one : again, NULL), MST_OK);
      }
      assert_int_equal(mst_builder_spans(spans, items, n, NULL), MST_OK);
      assert_int_equal(mst_builder_texts(packed, bytes, ends, all ? NULL : valid, n, NULL), MST_OK);
    }
    take_both(one, spans, round % 2 == 0 ? 4 : 8, false);
    take_both(again, packed, round % 2 == 0 ? 4 : 8, false);
    mst_builder_free(one);
    mst_builder_free(again);
    mst_builder_free(spans);
    mst_builder_free(packed);
  }
}

static void runs_of_lists_in_structs(void **state) {
  static const mst_field item = {.name = "item", .format = "l", .nullable = true}, list = {.name = "l", .format = "+l", .nullable = true, .children = &item, .n_children = 1};
  (void)state;
  for (int round = 0; round < 200; round++) {
    mst_builder *one = make("+s", &list, 1), *runs = make("+s", &list, 1);
    struct ArrowArray a, b;
    for (uint64_t parts = 1 + next_random() % 4; parts > 0; parts--) {
      const size_t n = next_random() % RUN_MAX;
      mst_builder *lists = mst_builder_child(one, 0), *run_lists = mst_builder_child(runs, 0);
      uint64_t ends[RUN_MAX], end = mst_builder_length(mst_builder_child(run_lists, 0));
      uint8_t valid[RUN_MAX];
      for (size_t i = 0; i < n; i++) {
        valid[i] = next_random() % 3 > 0;
        for (uint64_t k = valid[i] ? next_random() % 4 : 0; k > 0; k--, end++) {
          const int64_t v = (int64_t)next_random();
          assert_int_equal(mst_builder_i64(mst_builder_child(lists, 0), v, NULL), MST_OK);
          assert_int_equal(mst_builder_values(mst_builder_child(run_lists, 0), &v, NULL, 1, NULL), MST_OK);
        }
        ends[i] = end;
        assert_int_equal(valid[i] ? mst_builder_close(lists, NULL) : mst_builder_null(lists, NULL), MST_OK);
        assert_int_equal(mst_builder_close(one, NULL), MST_OK);
      }
      if (n > 0) assert_int_equal(mst_builder_structs(runs, n, NULL), MST_E_INTERNAL); /* the list is not there yet */
      assert_int_equal(mst_builder_lists(run_lists, ends, valid, n, NULL), MST_OK);
      assert_int_equal(mst_builder_structs(runs, n, NULL), MST_OK);
    }
    assert_int_equal(mst_builder_take(one, &a, NULL), MST_OK);
    assert_int_equal(mst_builder_take(runs, &b, NULL), MST_OK);
    assert_int_equal(a.length, b.length);
    const struct ArrowArray *x = a.children[0], *y = b.children[0];
    assert_int_equal(x->length, y->length);
    assert_int_equal(x->null_count, y->null_count);
    if (x->length > 0) assert_memory_equal(x->buffers[1], y->buffers[1], 4 * (size_t)(x->length + 1));
    check_array(x->children[0], y->children[0], 8, false);
    mst_array_release(&a);
    mst_array_release(&b);
    mst_builder_free(one);
    mst_builder_free(runs);
  }
}

static void runs_of_the_wrong_kind_are_refused(void **state) {
  mst_builder *text = make("u", NULL, 0), *whole = make("l", NULL, 0);
  const int64_t v = 1;
  const mst_span s = {"a", 1};
  const uint32_t end = 1;
  const uint64_t ends = 1;
  (void)state;
  assert_int_equal(mst_builder_values(text, &v, NULL, 1, NULL), MST_E_INTERNAL);
  assert_int_equal(mst_builder_spans(whole, &s, 1, NULL), MST_E_INTERNAL);
  assert_int_equal(mst_builder_texts(whole, (const uint8_t *)"a", &end, NULL, 1, NULL), MST_E_INTERNAL);
  assert_int_equal(mst_builder_lists(whole, &ends, NULL, 1, NULL), MST_E_INTERNAL);
  assert_int_equal(mst_builder_structs(whole, 1, NULL), MST_E_INTERNAL);
  mst_builder_free(text);
  mst_builder_free(whole);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(runs_of_values),
      cmocka_unit_test(runs_of_texts),
      cmocka_unit_test(runs_of_lists_in_structs),
      cmocka_unit_test(runs_of_the_wrong_kind_are_refused),
  };
  return cmocka_run_group_tests_name("bulk", tests, NULL, NULL);
}
