/* tests/base/test_text.c - text as bytes: UTF-8, globs, sizes, encodings, near words. */
#include "support/support.h"

#include <string.h>

#include "base/base.h"

/* The plain definition, to compare with: decodes one character from its bytes, or says that there is none. */
static size_t plain_length(const uint8_t *p, size_t n) {
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  const size_t length = p[0] < 0x80             ? 1
                        : (p[0] & 0xE0) == 0xC0 ? 2
                        : (p[0] & 0xF0) == 0xE0 ? 3
                        : (p[0] & 0xF8) == 0xF0 ? 4
                                                : 0;
  uint32_t c = length == 1 ? p[0] : length == 2 ? p[0] & 0x1Fu : length == 3 ? p[0] & 0x0Fu : p[0] & 0x07u;
  if (length == 0 || length > n) return 0;
  for (size_t i = 1; i < length; i++) {
    if ((p[i] & 0xC0) != 0x80) return 0;
    c = c << 6 | (p[i] & 0x3Fu);
  }
  if (c < least[length] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) return 0;
  return length;
}

static void utf8_agrees_with_its_definition_on_all_short_texts(void **state) {
  (void)state;
  for (uint32_t v = 0; v < 1u << 24; v += 1) {
    const uint8_t bytes[4] = {(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v, 0x80};
    size_t at = 0, bad = 99;
    /* Only what is not ASCII throughout is worth the time. */
    if ((v & 0x800000) == 0) v |= 0x800000;
    for (size_t length; at < 4 && (length = plain_length(bytes + at, 4 - at)) > 0;) at += length;
    if (mst_utf8_valid(bytes, 4, &bad) != (at == 4) || (at < 4 && bad != at)) fail_msg("%06x", (unsigned)v);
  }
}

static void utf8_faults_are_found_at_every_place_of_a_long_text(void **state) {
  char text[67];
  size_t bad;
  (void)state;
  for (size_t at = 0; at < sizeof text; at++) {
    memset(text, 'x', sizeof text);
    assert_true(mst_utf8_valid(text, sizeof text, &bad));
    text[at] = '\xFF';
    assert_false(mst_utf8_valid(text, sizeof text, &bad));
    assert_int_equal(bad, at);
    assert_true(mst_utf8_valid(text, at, NULL));
    assert_false(mst_utf8_valid(text, at + 1, NULL));
  }
  assert_true(mst_utf8_valid(NULL, 0, NULL));
}

static void comparisons_know_null_and_ascii_case(void **state) {
  (void)state;
  assert_true(mst_text_equal(NULL, NULL));
  assert_false(mst_text_equal(NULL, ""));
  assert_true(mst_text_equal("a", "a"));
  assert_true(mst_text_equal_nocase("X-Amz-ID", "x-amz-id"));
  assert_false(mst_text_equal_nocase("\xC3\x89", "\xC3\xA9"));
  assert_false(mst_text_equal_nocase("abc", "ab"));
  assert_false(mst_text_equal_nocase("ab", NULL));
  assert_true(mst_text_starts("abc", "ab"));
  assert_false(mst_text_starts("ab", "abc"));
  assert_true(mst_text_ends("a.gz", ".gz"));
  assert_false(mst_text_ends("gz", ".gz"));
  assert_true(mst_text_ends_nocase("A.VCF.GZ", ".vcf.gz"));
  assert_true(mst_text_ends("x", ""));
}

static void globs_match_as_shells_do(void **state) {
  static const struct {
    const char *pattern, *text;
    bool matches;
  } cases[] = {
      {"", "", true},
      {"", "a", false},
      {"*", "", true},
      {"*", "abc", true},
      {"*", "a/b", false},
      {"**", "a/b/c", true},
      {"**", "", true},
      {"a*c", "abbbc", true},
      {"a*c", "abbb", false},
      {"*.fq.gz", "x.fq.gz", true},
      {"*.fq.gz", "d/x.fq.gz", false},
      {"d/*.gz", "d/x.gz", true},
      {"d/*.gz", "d/e/x.gz", false},
      {"d/**/x", "d/x", true},
      {"d/**/x", "d/e/f/x", true},
      {"d/**/x", "d/ex", false},
      {"d/**/x", "dx", false},
      {"**/x", "x", true},
      {"**/x", "a/b/x", true},
      {"**/x", "a/bx", false},
      {"d/**", "d/a/b", true},
      {"a**b", "a/x/b", true},
      {"a**b", "ab", true},
      {"?", "a", true},
      {"?", "/", false},
      {"?", "", false},
      {"?", "\xE2\x82\xAC", true},
      {"[abc]", "b", true},
      {"[abc]", "d", false},
      {"[a-c]x", "bx", true},
      {"[!a-c]", "d", true},
      {"[^a-c]", "b", false},
      {"[!a]", "/", false},
      {"[]]", "]", true},
      {"[]-a]", "a", true},
      {"[a-]", "-", true},
      {"[", "[", true},
      {"[a", "[a", true},
      {"[a", "a", false},
      {"[\\]]", "]", true},
      {"\\*", "*", true},
      {"\\*", "a", false},
      {"\\", "\\", true},
      {"[\xC3\xA0-\xC3\xBF]", "\xC3\xA9", true},
      {"*a*b*c*", "xxaxxbxxcxx", true},
      {"*a*b*c*", "xxcxxbxxaxx", false},
      {"*/a*b", "x/ab", true},
      {"**/a*/b", "x/a/y/aa/b", true},
      {"**/*.gz", "x.gz", true},
      {"**/*.gz", "a/b/x.gz", true},
      {"*/*", "a/b", true},
      {"*/*", "a/b/c", false},
      {"a/**/b/**/c", "a/b/c", true},
      {"a/**/b/**/c", "a/x/b/y/z/c", true},
      {"a/**/b/**/c", "a/x/y/c", false},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    if (mst_glob_match(cases[i].pattern, cases[i].text) != cases[i].matches)
      fail_msg("%s against %s", cases[i].pattern, cases[i].text);
}

/* A definition that tries everything, for short texts of few letters. */
static bool plain_glob(const char *start, const char *p, const char *t) {
  if (*p == '\0') return *t == '\0';
  if (p[0] == '*' && p[1] == '*') {
    const bool segments = (p == start || p[-1] == '/') && p[2] == '/';
    const char *rest = segments ? p + 3 : p + 2;
    if (plain_glob(start, rest, t)) return true;
    for (; *t != '\0'; t++)
      if ((!segments || *t == '/') && plain_glob(start, rest, t + 1)) return true;
    return false;
  }
  if (*p == '*') {
    for (;; t++) {
      if (plain_glob(start, p + 1, t)) return true;
      if (*t == '\0' || *t == '/') return false;
    }
  }
  if (*t == '\0') return false;
  return (*p == '?' ? *t != '/' : *p == *t) && plain_glob(start, p + 1, t + 1);
}

static void globs_agree_with_trying_everything(void **state) {
  static const char letters[] = "ab/*?";
  mst_test_env e;
  (void)state;
  mst_test_env_init(&e, 1, NULL);
  for (int round = 0; round < 300000; round++) {
    char pattern[10], text[10];
    uint64_t r = e.env.random(e.env.self);
    const size_t n = r % 9, m = (r >> 8) % 9;
    r >>= 16;
    for (size_t i = 0; i < n; i++, r /= 5) pattern[i] = letters[r % 5];
    r = e.env.random(e.env.self);
    for (size_t i = 0; i < m; i++, r /= 3) text[i] = letters[r % 3];
    pattern[n] = text[m] = '\0';
    /* Three stars in a row mean what two mean; the definition above does not know that. */
    if (strstr(pattern, "***") != NULL) continue;
    if (mst_glob_match(pattern, text) != plain_glob(pattern, pattern, text)) fail_msg("%s against %s", pattern, text);
  }
}

static void a_hostile_glob_ends_soon(void **state) {
  char text[2001], pattern[201];
  (void)state;
  memset(text, 'a', 2000);
  text[2000] = '\0';
  for (size_t i = 0; i < 200; i += 2) memcpy(pattern + i, "*a", 2);
  memcpy(pattern + 198, "*b", 3);
  assert_false(mst_glob_match(pattern, text));
}

static void sizes_are_read_exactly(void **state) {
  static const struct {
    const char *text;
    uint64_t size;
  } cases[] = {
      {"0", 0},
      {"17", 17},
      {"17B", 17},
      {"100k", 100000},
      {"100kB", 100000},
      {"64MiB", 64 << 20},
      {"64 MiB", 64 << 20},
      {"1.5G", 1500000000},
      {"1.5GiB", 1610612736},
      {"2T", 2000000000000},
      {"0.5Ti", 549755813888},
      {"1Ki", 1024},
      {"1KI", 1024},
      {"3m", 3000000},
      {"0.001k", 1},
      {"1.123456789T", 1123456789000},
      {"18446744073709551615", UINT64_MAX},
      {"16777215Ti", 18446742974197923840u},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    uint64_t size = 99;
    assert_int_equal(mst_parse_size(cases[i].text, "n", &size, NULL), MST_OK);
    if (size != cases[i].size) fail_msg("%s: %llu", cases[i].text, (unsigned long long)size);
  }
}

static void what_is_no_size_is_refused_by_name(void **state) {
  static const char *const cases[] = {
      "",           "k",     "-1",  "+1",   " 1",    "1 ",   "1.5", "1.5B",
      "1x",         "1KiBs", "1e3", "0x10", "1..5k", "1,5k", "NaN", "18446744073709551616",
      "20000000Ti", "1iB"};
  mst_error err;
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    uint64_t size = 99;
    if (mst_parse_size(cases[i], "--memory", &size, &err) != MST_E_ARGUMENT) fail_msg("\"%s\" was taken", cases[i]);
    assert_int_equal(size, 99);
    assert_true(mst_text_starts(err.message, "--memory: "));
  }
}

static void whole_numbers_are_read_to_their_limit(void **state) {
  uint64_t v = 5;
  (void)state;
  assert_int_equal(mst_parse_u64("18446744073709551615x", 20, "n", &v, NULL), MST_OK);
  assert_true(v == UINT64_MAX);
  v = 5;
  assert_int_equal(mst_parse_u64("18446744073709551616", 20, "n", &v, NULL), MST_E_ARGUMENT);
  assert_int_equal(mst_parse_u64("99999999999999999999999", 23, "n", &v, NULL), MST_E_ARGUMENT);
  assert_int_equal(mst_parse_u64("12a", 3, "n", &v, NULL), MST_E_ARGUMENT);
  assert_int_equal(mst_parse_u64("", 0, "n", &v, NULL), MST_E_ARGUMENT);
  assert_int_equal(v, 5);
}

static void sizes_are_written_for_people(void **state) {
  static const struct {
    uint64_t size;
    const char *text;
  } cases[] = {{0, "0 B"},
               {1023, "1023 B"},
               {1024, "1.0 KiB"},
               {1536, "1.5 KiB"},
               {1048524, "1023.9 KiB"},
               {1048575, "1.0 MiB"},
               {1288490188, "1.2 GiB"},
               {UINT64_MAX, "16.0 EiB"}};
  char out[24];
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    assert_string_equal(mst_format_size(cases[i].size, out), cases[i].text);
}

static void percent_encoding_comes_back(void **state) {
  mst_buf there, back;
  char all[256];
  (void)state;
  for (int i = 0; i < 256; i++) all[i] = (char)i;
  mst_buf_init(&there, NULL, 1000);
  mst_buf_init(&back, NULL, 1000);
  assert_int_equal(mst_percent_encode(&there, all, 256, "/", NULL), MST_OK);
  assert_int_equal(mst_percent_decode(&back, (char *)there.data, there.size, NULL), MST_OK);
  assert_int_equal(back.size, 256);
  assert_memory_equal(back.data, all, 256);
  assert_non_null(strstr(mst_buf_text(&there), "%20%21%22%23"));
  assert_non_null(strstr(mst_buf_text(&there), "-./0123"));
  mst_buf_clear(&there);
  assert_int_equal(mst_percent_encode(&there, "a b/\xC3\xA9+~", 8, NULL, NULL), MST_OK);
  assert_string_equal(mst_buf_text(&there), "a%20b%2F%C3%A9%2B~");
  mst_buf_free(&there);
  mst_buf_free(&back);
}

static void wrong_escapes_are_refused(void **state) {
  static const char *const cases[] = {"%", "a%", "a%2", "%2g", "%g2", "%%20", "% 20"};
  mst_error err;
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    mst_buf b;
    mst_buf_init(&b, NULL, 1000);
    assert_int_equal(mst_percent_decode(&b, cases[i], strlen(cases[i]), &err), MST_E_ARGUMENT);
    mst_buf_free(&b);
  }
}

static void hex_comes_back(void **state) {
  const uint8_t bytes[] = {0x00, 0x9F, 0xFF, 0x5A};
  char text[9];
  uint8_t back[4];
  (void)state;
  mst_hex(bytes, 4, text);
  assert_string_equal(text, "009fff5a");
  assert_true(mst_unhex("009FFf5a", 8, back));
  assert_memory_equal(back, bytes, 4);
  assert_false(mst_unhex("0", 1, back));
  assert_false(mst_unhex("0g", 2, back));
  assert_true(mst_unhex("", 0, back));
}

static void base64_agrees_with_rfc_4648(void **state) {
  static const char *const cases[][2] = {{"", ""},
                                         {"f", "Zg=="},
                                         {"fo", "Zm8="},
                                         {"foo", "Zm9v"},
                                         {"foob", "Zm9vYg=="},
                                         {"fooba", "Zm9vYmE="},
                                         {"foobar", "Zm9vYmFy"},
                                         {"\xFB\xFF\xBF", "+/+/"}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    mst_buf b;
    mst_buf_init(&b, NULL, 1000);
    assert_int_equal(mst_base64_encode(&b, (const uint8_t *)cases[i][0], strlen(cases[i][0]), NULL), MST_OK);
    assert_string_equal(mst_buf_text(&b), cases[i][1]);
    mst_buf_clear(&b);
    assert_int_equal(mst_base64_decode(&b, cases[i][1], strlen(cases[i][1]), NULL), MST_OK);
    assert_string_equal(mst_buf_text(&b), cases[i][0]);
    mst_buf_free(&b);
  }
}

static void broken_base64_is_refused(void **state) {
  static const char *const cases[] = {"Z",      "Zg",   "Zg=",  "Zh==", "Zm9=", "Z===",     "====", "Zg==Zg==",
                                      "Zm9v\n", "Zm 9", "Zm-_", "=Zg=", "Z=g=", "Zm8=Zm8=", "Zm9vZ"};
  mst_error err;
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    mst_buf b;
    mst_buf_init(&b, NULL, 1000);
    if (mst_base64_decode(&b, cases[i], strlen(cases[i]), &err) != MST_E_CORRUPT) fail_msg("%s", cases[i]);
    mst_buf_free(&b);
  }
}

static void encoders_keep_the_limit(void **state) {
  mst_buf b;
  (void)state;
  mst_buf_init(&b, NULL, 7);
  assert_int_equal(mst_base64_encode(&b, (const uint8_t *)"foobar", 6, NULL), MST_E_LIMIT);
  mst_buf_clear(&b);
  assert_int_equal(mst_percent_encode(&b, "\1\2\3", 3, NULL, NULL), MST_E_LIMIT);
  mst_buf_clear(&b);
  assert_int_equal(mst_percent_decode(&b, "12345678", 8, NULL), MST_E_LIMIT);
  mst_buf_free(&b);
}

static void the_nearest_word_is_suggested_when_it_is_near(void **state) {
  static const char *const keys[] = {"endpoint", "region", "anonymous", "virtual_host", "token", NULL};
  const size_t n = sizeof keys / sizeof *keys;
  char monster[500];
  (void)state;
  assert_string_equal(mst_text_nearest("endpont", keys, n), "endpoint");
  assert_string_equal(mst_text_nearest("Reigon", keys, n), "region");
  assert_string_equal(mst_text_nearest("anonymus", keys, n), "anonymous");
  assert_string_equal(mst_text_nearest("virtualhost", keys, n), "virtual_host");
  assert_string_equal(mst_text_nearest("token", keys, n), "token");
  assert_null(mst_text_nearest("colour", keys, n));
  assert_null(mst_text_nearest("", keys, n));
  memset(monster, 'e', sizeof monster - 1);
  monster[sizeof monster - 1] = '\0';
  assert_null(mst_text_nearest(monster, keys, n));
  assert_null(mst_text_nearest("x", NULL, 0));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(utf8_agrees_with_its_definition_on_all_short_texts),
      cmocka_unit_test(utf8_faults_are_found_at_every_place_of_a_long_text),
      cmocka_unit_test(comparisons_know_null_and_ascii_case),
      cmocka_unit_test(globs_match_as_shells_do),
      cmocka_unit_test(globs_agree_with_trying_everything),
      cmocka_unit_test(a_hostile_glob_ends_soon),
      cmocka_unit_test(sizes_are_read_exactly),
      cmocka_unit_test(what_is_no_size_is_refused_by_name),
      cmocka_unit_test(whole_numbers_are_read_to_their_limit),
      cmocka_unit_test(sizes_are_written_for_people),
      cmocka_unit_test(percent_encoding_comes_back),
      cmocka_unit_test(wrong_escapes_are_refused),
      cmocka_unit_test(hex_comes_back),
      cmocka_unit_test(base64_agrees_with_rfc_4648),
      cmocka_unit_test(broken_base64_is_refused),
      cmocka_unit_test(encoders_keep_the_limit),
      cmocka_unit_test(the_nearest_word_is_suggested_when_it_is_near),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
