/* tests/base/test_options.c - option structs of older and newer callers. */
#include "support/support.h"

#include <string.h>

#include "base/base.h"

typedef struct options_1 {
  size_t struct_size;
  uint64_t a;
} options_1;
typedef struct options_2 {
  size_t struct_size;
  uint64_t a, b;
} options_2;

static void none_means_all_defaults(void **state) {
  options_2 mine;
  (void)state;
  memset(&mine, 0xA5, sizeof mine);
  assert_int_equal(mst_options_take(&mine, sizeof mine, NULL, "o", NULL), MST_OK);
  assert_int_equal(mine.struct_size, sizeof mine);
  assert_int_equal(mine.a, 0);
  assert_int_equal(mine.b, 0);
}

static void an_older_caller_leaves_the_rest_at_its_default(void **state) {
  const options_1 theirs = {.struct_size = sizeof theirs, .a = 5};
  options_2 mine = {.b = 9};
  (void)state;
  assert_int_equal(mst_options_take(&mine, sizeof mine, &theirs, "o", NULL), MST_OK);
  assert_int_equal(mine.struct_size, sizeof mine);
  assert_int_equal(mine.a, 5);
  assert_int_equal(mine.b, 0);
}

static void a_newer_caller_is_refused_only_for_a_wish_unknown_here(void **state) {
  options_2 theirs = {.struct_size = sizeof theirs, .a = 5};
  struct {
    options_1 mine;
    uint64_t guard;
  } room = {.guard = 3};
  mst_error err;
  (void)state;
  assert_int_equal(mst_options_take(&room.mine, sizeof room.mine, &theirs, "o", &err), MST_OK);
  assert_int_equal(room.mine.a, 5);
  theirs.b = 1;
  assert_int_equal(mst_options_take(&room.mine, sizeof room.mine, &theirs, "o", &err), MST_E_UNSUPPORTED);
  assert_int_equal(room.guard, 3);
}

static void a_struct_without_its_size_is_a_mistake(void **state) {
  const options_1 theirs = {.a = 1};
  options_1 mine;
  mst_error err;
  (void)state;
  assert_int_equal(mst_options_take(&mine, sizeof mine, &theirs, "mst_things", &err), MST_E_ARGUMENT);
  assert_non_null(strstr(err.message, "mst_things"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(none_means_all_defaults),
      cmocka_unit_test(an_older_caller_leaves_the_rest_at_its_default),
      cmocka_unit_test(a_newer_caller_is_refused_only_for_a_wish_unknown_here),
      cmocka_unit_test(a_struct_without_its_size_is_a_mistake),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
