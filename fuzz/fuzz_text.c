/* fuzz/fuzz_text.c - sizes, globs, times and encodings of base/text.h and base/time.h: whatever they take must come
 * back the same, and what they refuse must leave an error. The first byte chooses the parser. */
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool condition) {
  if (!condition) abort();
}

static void try_base64(const char *text, size_t n) {
  mst_buf there, back;
  mst_buf_init(&there, NULL, SIZE_MAX);
  mst_buf_init(&back, NULL, SIZE_MAX);
  expect(mst_base64_encode(&there, (const uint8_t *)text, n, NULL) == MST_OK);
  expect(mst_base64_decode(&back, mst_buf_text(&there), there.size, NULL) == MST_OK);
  expect(back.size == n && (n == 0 || memcmp(back.data, text, n) == 0));
  /* A value has one spelling. */
  mst_buf_clear(&there);
  mst_buf_clear(&back);
  if (mst_base64_decode(&there, text, n, NULL) == MST_OK) {
    expect(mst_base64_encode(&back, there.data, there.size, NULL) == MST_OK);
    expect(back.size == n && (n == 0 || memcmp(back.data, text, n) == 0));
  }
  mst_buf_free(&there);
  mst_buf_free(&back);
}

static void try_percent(const char *text, size_t n) {
  mst_buf there, back;
  mst_buf_init(&there, NULL, SIZE_MAX);
  mst_buf_init(&back, NULL, SIZE_MAX);
  expect(mst_percent_encode(&there, text, n, "/", NULL) == MST_OK);
  expect(mst_percent_decode(&back, mst_buf_text(&there), there.size, NULL) == MST_OK);
  expect(back.size == n && (n == 0 || memcmp(back.data, text, n) == 0));
  mst_buf_clear(&there);
  mst_percent_decode(&there, text, n, NULL);
  mst_buf_free(&there);
  mst_buf_free(&back);
}

static void try_time(const char *text) {
  char again[32];
  int64_t us, back = 0;
  if (mst_time_parse_http(text, &us)) {
    mst_time_format_http(us, again);
    expect(mst_time_parse_http(again, &back) && back == us);
  }
  if (mst_time_parse_iso(text, &us) && us >= INT64_C(-62167219200000000) && us < INT64_C(253402300800000000)) {
    mst_time_format_iso(us, again);
    expect(mst_time_parse_iso(again, &back) && us - back >= 0 && us - back < 1000000);
  }
}

static void try_glob(char *text, size_t n) {
  char *word = memchr(text, '\n', n);
  if (n > 300) return;
  mst_glob_match(text, text);
  if (word == NULL) return;
  *word = '\0';
  mst_glob_match(text, word + 1);
}

static void try_message(const char *text, size_t n) {
  mst_error err;
  mst_fail(&err, MST_E_CORRUPT, "%s", text);
  mst_error_name(&err, MST_E_CORRUPT, text);
  mst_while(&err, MST_E_CORRUPT, "%s", text);
  expect(mst_utf8_valid(err.message, strlen(err.message), NULL));
  expect(mst_utf8_valid(err.object, strlen(err.object), NULL));
  mst_utf8_valid(text, n, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const words[] = {"endpoint", "region", "anonymous"};
  uint64_t number;
  char *text;
  if (size == 0) return 0;
  text = mst_text_copy_n(NULL, (const char *)data + 1, size - 1);
  if (text == NULL) return 0;
  switch (data[0] % 6) {
  case 0: try_base64(text, size - 1); break;
  case 1: try_percent(text, size - 1); break;
  case 2: try_time(text); break;
  case 3: try_glob(text, size - 1); break;
  case 4: try_message(text, size - 1); break;
  default: mst_parse_size(text, "size", &number, NULL); mst_text_nearest(text, words, 3);
  }
  mst_free(NULL, text);
  return 0;
}
