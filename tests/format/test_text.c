/* tests/format/test_text.c - lines and words of plain text against a naive parser, on nasty inputs and on the shared corpus. */
#include "format/exact.h"
#include "format/records.h"

#include <stdio.h>
#include <stdlib.h>

static void naive_lines(exact *e, const uint8_t *data, size_t n) {
  const size_t header = n >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
  *e = (exact){.plain = data, .size = n, .header = header};
  for (size_t i = header; i < n; i++)
    if (i == header || data[i - 1] == '\n') exact_add(e, i);
}

static void check_text(const void *text, size_t n, uint64_t spacing) {
  mst_error err = {0};
  drive d;
  exact e;
  drive_init(&d, NULL, &mst_format_text, "a.txt", text, n);
  d.spacing = spacing;
  naive_lines(&e, text, n);
  exact_ok(drive_index(&d, NULL, 0, &err), &err);
  exact_check(&d, &e);
  exact_check_cuts(&d, n, 10);
  exact_check(&d, &e);
  exact_free(&e);
  drive_free(&d);
}

static void small_texts_are_exact(void **state) {
  static const char *const texts[] = {"", "\n", "\n\n\n", "a", "a\n", "a\nb", "\r\n", "\r\n\r\na\r\n", "a\rb\rc", "  ", "\xef\xbb\xbf", "\xef\xbb\xbf\n",
                                      "\xef\xbb\xbf" "a\nb\n", "\xef\xbb" "a\nb", "one\ntwo\nthree\n\n\nfour five\n six", "\xff\xfd\nb\n"};
  (void)state;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    for (uint64_t spacing = 1; spacing < 20; spacing += 3) check_text(texts[i], strlen(texts[i]), spacing);
}

static size_t make_text(uint64_t *seed, char *out, size_t max) {
  static const char alphabet[] = "ab \t\r\n\n\xc3\xa9";
  size_t n = (size_t)(exact_random(seed) % max);
  for (size_t i = 0; i < n; i++) out[i] = exact_random(seed) % 40 == 0 ? 'x' : alphabet[exact_random(seed) % (sizeof alphabet - 1)];
  return n;
}

static void random_texts_are_exact(void **state) {
  char text[700];
  uint64_t seed = 1;
  (void)state;
  for (int i = 0; i < 150; i++) check_text(text, make_text(&seed, text, sizeof text), 1 + exact_random(&seed) % 200);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(small_texts_are_exact),
      cmocka_unit_test(random_texts_are_exact),
  };
  return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
