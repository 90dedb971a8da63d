/* fuzz/fuzz_json.c - JSON from outside: what is taken prints to text that is taken again and prints the same. */
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  json_t *value = NULL, *again = NULL;
  mst_buf first, second;
  mst_error err;
  if (mst_json_parse(data, size, 1 << 16, "input", &value, &err) != MST_OK) {
    if (err.message[0] == '\0') abort();
    return 0;
  }
  mst_buf_init(&first, NULL, 1 << 20);
  mst_buf_init(&second, NULL, 1 << 20);
  if (mst_json_print(value, &first, NULL) != MST_OK) abort();
  if (mst_json_parse(first.data, first.size, 1 << 20, "output", &again, &err) != MST_OK) abort();
  if (mst_json_print(again, &second, NULL) != MST_OK) abort();
  if (first.size != second.size || memcmp(first.data, second.data, first.size) != 0) abort();
  json_decref(value);
  json_decref(again);
  mst_buf_free(&first);
  mst_buf_free(&second);
  return 0;
}
