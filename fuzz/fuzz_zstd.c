/* fuzz/fuzz_zstd.c - zstd objects and seek tables from outside: read in all ways alike. Byte 0: how. */
#include "container_run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_table(const uint8_t *data, size_t size) {
  mst_zstd_seek *seeks = NULL;
  size_t n;
  if (size < MST_ZSTD_SEEK_FOOTER) return;
  const uint64_t table = mst_zstd_seek_size(data + size - MST_ZSTD_SEEK_FOOTER);
  if (table == 0 || table > size) return;
  if (mst_zstd_seek_parse(NULL, data + size - table, (size_t)table, size, &seeks, &n, NULL) != MST_OK) return;
  for (size_t i = 0; i < n; i++) must(seeks[i].at <= seeks[i + 1].at && seeks[i].plain <= seeks[i + 1].plain);
  must(seeks[n].at == size - table);
  mst_free(NULL, seeks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 1) return 0;
  check_table(data + 1, size - 1);
  reading r = read_in_all_ways(&mst_container_zstd, data + 1, size - 1, data[0]);
  reading_free(&r);
  return 0;
}
