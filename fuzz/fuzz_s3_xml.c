/* fuzz/fuzz_s3_xml.c - what an S3 or STS server answers. The first byte chooses the document; a listing that is taken
 * has keys that begin as asked, in order, and goes on only with another token. */
#include <stdlib.h>
#include <string.h>

#include "store/s3_xml.h"
#include "store/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool condition) {
  if (!condition) abort();
}

static void try_list(char *text, size_t n) {
  mst_page page;
  mst_error err = {.message = ""};
  mst_page_init(&page, NULL);
  if (mst_s3_list_parse(text, n, "p", "token", &page, NULL, &err) == MST_OK) {
    for (size_t i = 0; i < page.n; i++) {
      expect(page.entries[i].key[0] == 'p');
      expect(i == 0 || strcmp(page.entries[i - 1].key, page.entries[i].key) <= 0);
    }
    expect(page.next == NULL || strcmp(page.next, "token") != 0);
  } else expect(err.message[0] != '\0');
  mst_page_free(&page);
}

static void try_tokens(char *text, size_t n) {
  mst_xml x = mst_xml_over(text, n);
  for (;;) {
    const mst_xml_kind kind = mst_xml_next(&x);
    if (kind == MST_XML_END || kind == MST_XML_WRONG) break;
    expect(x.token >= text && x.token + x.n_token <= text + n);
  }
  expect(mst_xml_next(&x) == (x.wrong != NULL ? MST_XML_WRONG : MST_XML_END));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const size_t n = size > 0 ? size - 1 : 0;
  const char *value;
  mst_s3_error error;
  mst_s3_undeleted left;
  mst_sts_reply keys;
  if (size == 0) return 0;
  char *text = malloc(n > 0 ? n : 1);
  memcpy(text, data + 1, n);
  switch (data[0] % 6) {
  case 0: try_list(text, n); break;
  case 1: (void)mst_s3_error_parse(text, n, &error); break;
  case 2: (void)mst_s3_value_parse(text, n, "CompleteMultipartUploadResult", "ETag", &value, &error, NULL); break;
  case 3: (void)mst_s3_delete_parse(text, n, &left, NULL); break;
  case 4: (void)mst_sts_parse(text, n, &keys, NULL); break;
  default: try_tokens(text, n); break;
  }
  free(text);
  return 0;
}
