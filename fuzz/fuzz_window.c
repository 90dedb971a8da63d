/* fuzz/fuzz_window.c - packed windows from an index that may be hostile; and what is packed comes out again. */
#include <stdlib.h>
#include <string.h>

#include "format/container.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static uint8_t window[32768], again[32768];
  const uint8_t *plain = data;
  mst_bytes packed = {0};
  size_t n = size, n_again;
  mst_error err = {0};
  const mst_status status = mst_window_unpack(NULL, data, size, window, &n, &err);
  if (status == MST_OK) plain = window;
  else if (status != MST_E_CORRUPT || err.message[0] == '\0') abort();
  else n = mst_min_size(size, 32768);
  if (n > 32768) abort();
  if (mst_window_pack(NULL, plain, n, &packed, NULL) != MST_OK) abort();
  if (mst_window_unpack(NULL, packed.data, packed.size, again, &n_again, NULL) != MST_OK) abort();
  if (n_again != n || memcmp(again, plain, n) != 0) abort();
  mst_bytes_release(&packed);
  return 0;
}
