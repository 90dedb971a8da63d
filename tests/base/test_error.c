/* tests/base/test_error.c - errors say what happened, in valid UTF-8, whatever was fed to them. */
#include "support/support.h"

#include <errno.h>
#include <string.h>

#include "base/base.h"

static bool is_utf8(const char *text) { return mst_utf8_valid(text, strlen(text), NULL); }

static void failing_fills_every_field_anew(void **state) {
  mst_error err;
  (void)state;
  memset(&err, 0xA5, sizeof err);
  assert_int_equal(mst_fail(&err, MST_E_CORRUPT, "%s is %d", "x", 7), MST_E_CORRUPT);
  assert_int_equal(err.status, MST_E_CORRUPT);
  assert_string_equal(err.message, "x is 7");
  assert_string_equal(err.object, "");
  assert_string_equal(err.request_id, "");
  assert_int_equal(err.offset, -1);
  assert_int_equal(err.http_status, 0);
  assert_int_equal(err.os_errno, 0);
  assert_false(err.retryable);
}

static void no_error_wanted_is_fine(void **state) {
  (void)state;
  assert_int_equal(mst_fail(NULL, MST_E_IO, "x"), MST_E_IO);
  assert_int_equal(mst_fail_at(NULL, MST_E_IO, 1, "x"), MST_E_IO);
  assert_int_equal(mst_fail_memory(NULL), MST_E_NO_MEMORY);
  assert_int_equal(mst_fail_errno(NULL, ENOENT, "x"), MST_E_NOT_FOUND);
  assert_int_equal(mst_while(NULL, MST_E_IO, "x"), MST_E_IO);
  assert_int_equal(mst_error_name(NULL, MST_E_IO, "x"), MST_E_IO);
  mst_error_clear(NULL);
}

static void success_passes_through_untouched(void **state) {
  mst_error err, before;
  (void)state;
  mst_fail(&err, MST_E_IO, "older");
  before = err;
  assert_int_equal(mst_while(&err, MST_OK, "doing"), MST_OK);
  assert_int_equal(mst_error_name(&err, MST_OK, "file:///x"), MST_OK);
  assert_memory_equal(&err, &before, sizeof err);
}

static void offsets_beyond_the_field_are_unknown(void **state) {
  mst_error err;
  (void)state;
  mst_fail_at(&err, MST_E_CORRUPT, 12345678901u, "x");
  assert_true(err.offset == 12345678901);
  mst_fail_at(&err, MST_E_CORRUPT, (uint64_t)INT64_MAX + 1, "x");
  assert_int_equal(err.offset, -1);
}

static void each_layer_adds_its_doing_in_front(void **state) {
  mst_error err;
  (void)state;
  mst_fail_at(&err, MST_E_DENIED, 9, "HTTP 403");
  mst_while(&err, MST_E_DENIED, "GET bytes %d-%d", 0, 99);
  assert_int_equal(mst_while(&err, MST_E_DENIED, "while reading slice 3"), MST_E_DENIED);
  assert_string_equal(err.message, "while reading slice 3: GET bytes 0-99: HTTP 403");
  assert_int_equal(err.offset, 9);
}

static void an_error_that_nobody_filled_gets_its_status(void **state) {
  mst_error err;
  (void)state;
  mst_fail(&err, MST_E_NOT_FOUND, "an older story");
  mst_while(&err, MST_E_IO, "reading");
  assert_int_equal(err.status, MST_E_IO);
  assert_string_equal(err.message, "reading: MST_E_IO");
}

static void the_first_name_of_the_object_stays(void **state) {
  mst_error err;
  (void)state;
  mst_fail(&err, MST_E_CORRUPT, "x");
  mst_error_name(&err, MST_E_CORRUPT, NULL);
  assert_string_equal(err.object, "");
  assert_int_equal(mst_error_name(&err, MST_E_CORRUPT, "s3://b/inner"), MST_E_CORRUPT);
  mst_error_name(&err, MST_E_CORRUPT, "s3://b/outer");
  assert_string_equal(err.object, "s3://b/inner");
}

static void a_long_name_loses_its_middle_and_no_half_character(void **state) {
  char url[2000];
  mst_error err;
  (void)state;
  for (size_t shift = 0; shift < 3; shift++) {
    size_t n = shift;
    memset(url, 'h', shift);
    while (n < 1500) {
      memcpy(url + n, "\xE2\x82\xAC", 3);
      n += 3;
    }
    memcpy(url + n, "tail", 5);
    mst_fail(&err, MST_E_CORRUPT, "x");
    mst_error_name(&err, MST_E_CORRUPT, url);
    assert_true(strlen(err.object) > sizeof err.object - 8);
    assert_true(strlen(err.object) < sizeof err.object);
    assert_true(is_utf8(err.object));
    assert_non_null(strstr(err.object, "\xE2\x80\xA6"));
    assert_memory_equal(err.object, url, 100);
    assert_true(mst_text_ends(err.object, "\xE2\x82\xACtail"));
  }
}

static void a_name_that_just_fits_is_whole(void **state) {
  char url[400];
  mst_error err;
  (void)state;
  for (size_t n = sizeof err.object - 2; n <= sizeof err.object; n++) {
    memset(url, 'u', n);
    url[n] = '\0';
    mst_fail(&err, MST_E_CORRUPT, "x");
    mst_error_name(&err, MST_E_CORRUPT, url);
    assert_int_equal(strcmp(err.object, url) == 0, n < sizeof err.object);
    assert_true(strlen(err.object) < sizeof err.object);
  }
}

/* Every cut position of a text of 1-, 2-, 3- and 4-byte characters. */
static void long_messages_end_at_a_character(void **state) {
  static const char *const letters[] = {"x", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x90\x8D"};
  char text[1200];
  mst_error err;
  (void)state;
  for (size_t width = 1; width <= 4; width++) {
    for (size_t shift = 0; shift < 4; shift++) {
      size_t n = shift;
      memset(text, 'a', shift);
      for (; n + width < sizeof text; n += width) memcpy(text + n, letters[width - 1], width);
      text[n] = '\0';
      mst_fail(&err, MST_E_CORRUPT, "%s", text);
      assert_true(is_utf8(err.message));
      assert_true(strlen(err.message) + width >= sizeof err.message - 1);
      assert_memory_equal(err.message, text, strlen(err.message));
      mst_while(&err, MST_E_CORRUPT, "while");
      assert_true(is_utf8(err.message));
      assert_true(strlen(err.message) + width >= sizeof err.message - 1);
    }
  }
}

static void a_long_doing_leaves_room_for_the_cause(void **state) {
  char text[1200];
  mst_error err;
  (void)state;
  memset(text, 'w', sizeof text - 1);
  text[sizeof text - 1] = '\0';
  mst_fail(&err, MST_E_IO, "the cause");
  mst_while(&err, MST_E_IO, "%s", text);
  assert_true(mst_text_ends(err.message, ": the cause"));
}

static void foreign_bytes_become_harmless(void **state) {
  mst_error err;
  (void)state;
  mst_fail(&err, MST_E_CORRUPT, "%s", "a\xFF\xC3x\xED\xA0\x80 \x1B[31m\x7F\tb\n");
  assert_string_equal(err.message, "a??x??? ?[31m?\tb\n");
  mst_error_name(&err, MST_E_CORRUPT, "file:///\x80\x01");
  assert_string_equal(err.object, "file:///??");
}

static void a_message_may_quote_the_error_it_replaces(void **state) {
  mst_error err;
  (void)state;
  mst_fail(&err, MST_E_IO, "inner");
  mst_fail(&err, MST_E_CORRUPT, "outer (%s)", err.message);
  assert_string_equal(err.message, "outer (inner)");
  mst_while(&err, MST_E_CORRUPT, "%s", err.message);
  assert_string_equal(err.message, "outer (inner): outer (inner)");
}

static void errno_decides_the_status(void **state) {
  static const struct {
    int os_errno;
    mst_status status;
    bool retryable;
  } cases[] = {
      {ENOENT, MST_E_NOT_FOUND, false}, {EEXIST, MST_E_EXISTS, false},
      {EACCES, MST_E_DENIED, false},    {ENOSPC, MST_E_IO, false},
      {EIO, MST_E_IO, false},           {ENOMEM, MST_E_NO_MEMORY, true},
      {ETIMEDOUT, MST_E_TIMEOUT, true}, {EOPNOTSUPP, MST_E_UNSUPPORTED, false},
      {EMFILE, MST_E_IO, true},
  };
  mst_error err;
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal(mst_fail_errno(&err, cases[i].os_errno, "open %s", "f"), cases[i].status);
    assert_int_equal(err.status, cases[i].status);
    assert_int_equal(err.os_errno, cases[i].os_errno);
    assert_int_equal(err.retryable, cases[i].retryable);
    assert_true(mst_text_starts(err.message, "open f: "));
  }
  mst_fail_errno(&err, ENOENT, "open f");
  assert_string_equal(err.message, "open f: No such file or directory");
}

static void every_status_has_its_own_name(void **state) {
  (void)state;
  assert_string_equal(mst_status_name(MST_OK), "MST_OK");
  for (int i = MST_E_INTERNAL; i <= 0; i++) {
    for (int k = MST_E_INTERNAL; k < i; k++)
      assert_string_not_equal(mst_status_name((mst_status)i), mst_status_name((mst_status)k));
    assert_string_not_equal(mst_status_name((mst_status)i), "MST_E_UNKNOWN");
  }
  assert_string_equal(mst_status_name((mst_status)99), "MST_E_UNKNOWN");
  assert_string_equal(mst_version(), MST_VERSION);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(failing_fills_every_field_anew),
      cmocka_unit_test(no_error_wanted_is_fine),
      cmocka_unit_test(success_passes_through_untouched),
      cmocka_unit_test(offsets_beyond_the_field_are_unknown),
      cmocka_unit_test(each_layer_adds_its_doing_in_front),
      cmocka_unit_test(an_error_that_nobody_filled_gets_its_status),
      cmocka_unit_test(the_first_name_of_the_object_stays),
      cmocka_unit_test(a_long_name_loses_its_middle_and_no_half_character),
      cmocka_unit_test(a_name_that_just_fits_is_whole),
      cmocka_unit_test(long_messages_end_at_a_character),
      cmocka_unit_test(a_long_doing_leaves_room_for_the_cause),
      cmocka_unit_test(foreign_bytes_become_harmless),
      cmocka_unit_test(a_message_may_quote_the_error_it_replaces),
      cmocka_unit_test(errno_decides_the_status),
      cmocka_unit_test(every_status_has_its_own_name),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
