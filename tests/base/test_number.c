/* tests/base/test_number.c - numbers in text: doubles to the last bit as libc rounds them, integers to their limits, what is none. */
#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "support/support.h"

static uint64_t next_random(uint64_t *rng) {
  *rng ^= *rng << 13;
  *rng ^= *rng >> 7;
  *rng ^= *rng << 17;
  return *rng;
}

static void check_double(const char *text) {
  const double want = strtod(text, NULL);
  double got = 0;
  if (!mst_number_f64(text, strlen(text), &got)) fail_msg("%s is refused", text);
  if (memcmp(&want, &got, sizeof got) != 0) fail_msg("%s gives %a, not %a", text, got, want);
}

static double double_of(uint64_t bits) {
  double v;
  memcpy(&v, &bits, sizeof v);
  return v;
}

static void doubles_round_as_libc_does(void **state) {
  uint64_t rng = 12345;
  char text[1200];
  (void)state;
  for (int i = 0; i < 200000; i++) {
    const uint64_t bits = next_random(&rng);
    const double v = double_of(bits);
    if (v != v) continue;
    switch (i % 6) {
    case 0: snprintf(text, sizeof text, "%.17g", v); break;
    case 1: snprintf(text, sizeof text, "%.*e", (int)(next_random(&rng) % 40), v); break;
    case 2: snprintf(text, sizeof text, "%llu.%llue%d", (unsigned long long)(bits >> next_random(&rng) % 64), (unsigned long long)bits, (int)(next_random(&rng) % 700) - 350); break;
    case 3: snprintf(text, sizeof text, "%.*f", (int)(next_random(&rng) % 30), (double)(int64_t)bits / 1e9); break;
    case 4: snprintf(text, sizeof text, "%lld.%03llu", (long long)(int32_t)bits, (unsigned long long)(bits >> 40) % 1000); break;
    default: snprintf(text, sizeof text, "%.800g", v); break;
    }
    check_double(text);
  }
}

/* Exactly between two doubles, a digit more, a digit less: where only all digits decide. */
static void the_middle_is_found(void **state) {
  uint64_t rng = 99;
  char text[1400];
  (void)state;
  for (int i = 0; i < 3000; i++) {
    const uint64_t bits = i % 2 == 0 ? next_random(&rng) % 100000 : (next_random(&rng) & 0x000fffffffffffff) | (uint64_t)(1023 - 60 + next_random(&rng) % 120) << 52;
    const long double middle = ((long double)double_of(bits) + (long double)double_of(bits + 1)) / 2;
    const int n = snprintf(text, 1300, "%.1150Lf", middle);
    check_double(text);
    text[n] = '1';
    text[n + 1] = 0;
    check_double(text);
    text[n - 1 - (int)(next_random(&rng) % 20)] = '0';
    check_double(text);
  }
}

static void limits_and_words(void **state) {
  static const char *const texts[] = {"0", "-0", "0.0e999999999999", "1.", ".5", "+.5e+1", "1e308", "1.7976931348623157e308", "1.7976931348623159e308", "1e309", "-1e400", "4.9e-324",
                                      "2.4703282292062327e-324", "2.4703282292062328e-324", "2.2250738585072011e-308", "2.2250738585072014e-308", "1e-400", "9007199254740993",
                                      "9007199254740992.5", "18446744073709551616", "00000000000000000000000000000000000001", "0.00000000000000000000000000000000000000000000001e47",
                                      "inf", "-Infinity", "+INF", "123456789012345678901234567890e-10", "5e-324", "0.1", "1e22", "1e23", "8.5e22"};
  static const char *const none[] = {"", "-", "+", ".", "-.", "e5", "1e", "1e+", "1.2.3", "0x10", "1 ", " 1", "1e5.0", "--1", "infin", "infinityx", "nanx", "1_000", "1,5", "1d5"};
  double v;
  (void)state;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) check_double(texts[i]);
  for (size_t i = 0; i < sizeof none / sizeof *none; i++)
    if (mst_number_f64(none[i], strlen(none[i]), &v)) fail_msg("\"%s\" is taken", none[i]);
  assert_true(mst_number_f64("NaN", 3, &v) && v != v);
  assert_true(mst_number_f64("-nan", 4, &v) && v != v);
}

static void integers_have_limits(void **state) {
  static const char *const texts[] = {"0", "-0", "+7", "9223372036854775807", "-9223372036854775808", "000000000000000000000000000000012", "12345678", "123456789012", "-1234567890123"};
  static const char *const none[] = {"", "-", "+", "9223372036854775808", "-9223372036854775809", "99999999999999999999999", "1.0", "12a", "1234567x", "12345678x", "1234567812345678x", "1e3", " 1", "1 "};
  int64_t v, w;
  uint64_t u;
  (void)state;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    assert_true(mst_number_i64(texts[i], strlen(texts[i]), &v) && v == strtoll(texts[i], NULL, 10));
    assert_true(mst_number_i64_inline(texts[i], strlen(texts[i]), &w) && w == v);
  }
  for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
    assert_false(mst_number_i64(none[i], strlen(none[i]), &v));
    assert_false(mst_number_i64_inline(none[i], strlen(none[i]), &v));
  }
  assert_true(mst_number_u64("18446744073709551615", 20, &u) && u == UINT64_MAX);
  assert_false(mst_number_u64("18446744073709551616", 20, &u));
  assert_false(mst_number_u64("-1", 2, &u));
}

static void words_of_digits(void **state) {
  char text[16];
  uint64_t v;
  (void)state;
  for (uint64_t i = 0; i < 9999999; i += 1 + i / 7) {
    const int n = snprintf(text, sizeof text, "%llu:zzzzzzz", (unsigned long long)i) - 8;
    assert_true(mst_number_short(text, (size_t)n, &v) && v == i);
    if (n < 7) assert_false(mst_number_short(text, (size_t)n + 1, &v));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(doubles_round_as_libc_does), cmocka_unit_test(the_middle_is_found), cmocka_unit_test(limits_and_words),
      cmocka_unit_test(integers_have_limits),       cmocka_unit_test(words_of_digits),
  };
  return cmocka_run_group_tests_name("number", tests, NULL, NULL);
}
