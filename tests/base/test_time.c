/* tests/base/test_time.c - times as text agree with the calendar, for every day that matters and some that do not. */
#include "support/support.h"

#include <string.h>
#include <time.h>

#include "base/base.h"

static const int64_t moment = INT64_C(1795244916000000); /* 2026-11-21T07:08:36Z, a Saturday */

static void days_agree_with_the_c_library(void **state) {
  (void)state;
  for (int64_t day = -800000; day < 800000; day += 7) {
    const time_t seconds = (time_t)(day * 86400);
    struct tm tm;
    int64_t year;
    unsigned month, in_month;
    assert_non_null(gmtime_r(&seconds, &tm));
    mst_civil_from_days(day, &year, &month, &in_month);
    assert_int_equal(year, tm.tm_year + 1900);
    assert_int_equal(month, tm.tm_mon + 1);
    assert_int_equal(in_month, tm.tm_mday);
    assert_int_equal(mst_days_from_civil(year, month, in_month), day);
  }
}

static void iso_times_are_read(void **state) {
  static const struct {
    const char *text;
    int64_t add;
  } cases[] = {
      {"2026-11-21T07:08:36Z", 0},
      {"20261121T070836Z", 0},
      {"2026-11-21T07:08:36", 0},
      {"2026-11-21 07:08:36Z", 0},
      {"2026-11-21t07:08:36z", 0},
      {"2026-11-21T07:08:36.5Z", 500000},
      {"2026-11-21T07:08:36.123456789Z", 123456},
      {"2026-11-21T08:08:36+01:00", 0},
      {"2026-11-21T01:38:36-0530", 0},
      {"2026-11-21T08:08:36+01", 0},
      {"2026-11-21T07:08:36,000001Z", 1},
      {"2026-11-20T23:08:36.25-08:00", 250000},
      {"2026-11-21T07:07:60Z", -36000000},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int64_t us = 0;
    if (!mst_time_parse_iso(cases[i].text, &us) || us != moment + cases[i].add)
      fail_msg("%s: %lld", cases[i].text, (long long)us);
  }
}

static void what_is_no_iso_time_is_refused(void **state) {
  static const char *const cases[] = {
      "",
      "2026",
      "2026-11-21",
      "2026-11-21T07:08Z",
      "2026-13-21T07:08:36Z",
      "2026-00-21T07:08:36Z",
      "2026-02-29T07:08:36Z",
      "2026-11-31T07:08:36Z",
      "2026-11-21T24:08:36Z",
      "2026-11-21T07:60:36Z",
      "2026-11-21T07:08:61Z",
      "2026-11-21T07:08:36.Z",
      "2026-11-21T07:08:36Zx",
      "2026-11-21T07:08:36+1:00",
      "2026-11-21T07:08:36+24:00",
      "2026-1121T07:08:36Z",
      "202611-21T07:08:36Z",
      "20261121 070836Z",
      "2026-11-21T07:0836Z",
      "-2026-11-21T07:08:36Z",
      "2026-11-21T07:08:36+01:00:00",
      "1900-02-29T00:00:00Z",
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int64_t us = 5;
    if (mst_time_parse_iso(cases[i], &us)) fail_msg("%s was taken", cases[i]);
    assert_int_equal(us, 5);
  }
}

static void http_times_are_read_in_all_three_forms(void **state) {
  int64_t us = 0;
  (void)state;
  assert_true(mst_time_parse_http("Sat, 21 Nov 2026 07:08:36 GMT", &us));
  assert_true(us == moment);
  us = 0;
  assert_true(mst_time_parse_http("Saturday, 21-Nov-26 07:08:36 GMT", &us));
  assert_true(us == moment);
  us = 0;
  assert_true(mst_time_parse_http("Sat Nov 21 07:08:36 2026", &us));
  assert_true(us == moment);
  assert_true(mst_time_parse_http("Sun Nov  6 08:49:37 1994", &us));
  assert_true(us == INT64_C(784111777000000));
  assert_true(mst_time_parse_http("Sunday, 06-Nov-94 08:49:37 GMT", &us));
  assert_true(us == INT64_C(784111777000000));
}

static void what_is_no_http_time_is_refused(void **state) {
  static const char *const cases[] = {
      "",
      " ",
      "Sat,",
      "Sat, 21 Nov 2026",
      "Sat, 21 Nov 2026 07:08:36",
      "Sat, 21 Nov 2026 07:08:36 PST",
      "Sat, 31 Nov 2026 07:08:36 GMT",
      "Sat, 21 Nox 2026 07:08:36 GMT",
      "Sat, 21 Nov 2026 25:08:36 GMT",
      "Sat, 21 Nov 2026 07:08:36 GMT ",
      "Sat Nov 21 07:08:36 2026 GMT",
      "21 Nov 2026 07:08:36 GMT",
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int64_t us;
    if (mst_time_parse_http(cases[i], &us)) fail_msg("%s was taken", cases[i]);
  }
}

static void times_are_written(void **state) {
  char iso[32], basic[20], http[32];
  (void)state;
  mst_time_format_iso(moment + 999999, iso);
  mst_time_format_basic(moment, basic);
  mst_time_format_http(moment, http);
  assert_string_equal(iso, "2026-11-21T07:08:36Z");
  assert_string_equal(basic, "20261121T070836Z");
  assert_string_equal(http, "Sat, 21 Nov 2026 07:08:36 GMT");
  mst_time_format_iso(-1, iso);
  mst_time_format_http(-1, http);
  assert_string_equal(iso, "1969-12-31T23:59:59Z");
  assert_string_equal(http, "Wed, 31 Dec 1969 23:59:59 GMT");
}

static void every_time_fits_its_room(void **state) {
  static const int64_t extremes[] = {INT64_MIN, INT64_MAX, INT64_MIN / 2, 0};
  char text[32];
  (void)state;
  for (size_t i = 0; i < sizeof extremes / sizeof *extremes; i++) {
    mst_time_format_iso(extremes[i], text);
    assert_int_equal(text[strlen(text) - 1], 'Z');
    mst_time_format_basic(extremes[i], text);
    assert_int_equal(text[strlen(text) - 1], 'Z');
    mst_time_format_http(extremes[i], text);
    assert_true(mst_text_ends(text, " GMT"));
  }
}

static void what_is_written_is_read_back(void **state) {
  mst_test_env e;
  (void)state;
  mst_test_env_init(&e, 3, NULL);
  for (int i = 0; i < 20000; i++) {
    /* Seconds of the years 0 to 9999. */
    const int64_t us = ((int64_t)(e.env.random(e.env.self) % 315569520000u) - 62167219200) * 1000000;
    char text[32];
    int64_t back = 1;
    mst_time_format_iso(us, text);
    assert_true(mst_time_parse_iso(text, &back) && back == us);
    mst_time_format_basic(us, text);
    assert_true(mst_time_parse_iso(text, &back) && back == us);
    mst_time_format_http(us, text);
    assert_true(mst_time_parse_http(text, &back) && back == us);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(days_agree_with_the_c_library),   cmocka_unit_test(iso_times_are_read),
      cmocka_unit_test(what_is_no_iso_time_is_refused),  cmocka_unit_test(http_times_are_read_in_all_three_forms),
      cmocka_unit_test(what_is_no_http_time_is_refused), cmocka_unit_test(times_are_written),
      cmocka_unit_test(every_time_fits_its_room),        cmocka_unit_test(what_is_written_is_read_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
