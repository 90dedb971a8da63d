/* tests/format/test_text.c - lines and words of plain text against a naive parser, on nasty inputs and on the shared corpus. */
#include "format/exact.h"
#include "format/records.h"
#include "format/wrap.h"

#include <stdio.h>
#include <stdlib.h>

static void naive_lines(exact *e, const uint8_t *data, size_t n) {
  const size_t header = n >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
  *e = (exact){.plain = data, .size = n, .header = header};
  for (size_t i = header; i < n; i++)
    if (i == header || data[i - 1] == '\n') exact_add(e, i);
}

static void check_object(const char *name, const exact *e, const void *data, size_t n, uint64_t spacing, int rounds) {
  mst_error err = {0};
  drive d;
  drive_init(&d, NULL, &mst_format_text, name, data, n);
  d.spacing = spacing;
  exact_ok(drive_index(&d, NULL, 0, &err), &err);
  exact_check(&d, e);
  exact_check_cuts(&d, n, rounds);
  drive_free(&d);
}

static void check_text(const void *text, size_t n, uint64_t spacing) {
  exact e;
  naive_lines(&e, text, n);
  check_object("plain", &e, text, n, spacing, 10);
  exact_free(&e);
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

/* Lines of many lengths, some longer than a span. */
static size_t make_lines(uint64_t *seed, char *out, size_t max) {
  size_t n = 0;
  while (n < max) {
    const size_t length = exact_random(seed) % 50 == 0 ? exact_random(seed) % 20000 : exact_random(seed) % 60;
    for (size_t i = 0; i < length && n < max; i++) out[n++] = "ACGT acgt"[exact_random(seed) % 9];
    if (n < max) out[n++] = '\n';
  }
  return n;
}

static void wrapped_texts_are_exact(void **state) {
  enum { MAX = 60000 };
  char *text = malloc(MAX);
  uint64_t seed = 2;
  (void)state;
  assert_non_null(text);
  for (int i = 0; i < 12; i++) {
    const size_t n = make_lines(&seed, text, exact_random(&seed) % MAX);
    exact e;
    naive_lines(&e, (uint8_t *)text, n);
    for (wrap_kind kind = 0; kind < WRAP_KINDS; kind++) {
      size_t size;
      uint8_t *data = wrap(kind, text, n, 300 + exact_random(&seed) % 3000, &size);
      check_object(wrap_name(kind), &e, data, size, 500 + exact_random(&seed) % 5000, 4);
      free(data);
    }
    exact_free(&e);
  }
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(small_texts_are_exact),
      cmocka_unit_test(random_texts_are_exact),
      cmocka_unit_test(wrapped_texts_are_exact),
  };
  return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
