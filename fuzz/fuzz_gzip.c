/* fuzz/fuzz_gzip.c - gzip objects from outside: read in all ways alike, and as by zlib where zlib reads them. Byte 0:
 * how. */
#include <zlib.h>

#include "container_run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every member by zlib, up to PLAIN_MAX; false when it refuses or bytes are left that are no zeros. */
static bool by_zlib(const uint8_t *data, size_t size, uint8_t *out, size_t *n) {
  z_stream z = {.next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)size, .next_out = out, .avail_out = PLAIN_MAX};
  int code;
  must(inflateInit2(&z, 31) == Z_OK);
  for (;;) {
    code = inflate(&z, Z_SYNC_FLUSH);
    if (code != Z_STREAM_END || z.avail_in == 0) break;
    if (*z.next_in == 0) {
      while (z.avail_in > 0 && *z.next_in == 0) z.next_in++, z.avail_in--;
      if (z.avail_in > 0) code = Z_DATA_ERROR;
      break;
    }
    if (inflateReset(&z) != Z_OK) break;
  }
  *n = (size_t)(z.next_out - out);
  (void)inflateEnd(&z);
  return code == Z_STREAM_END && z.avail_in == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static uint8_t plain[PLAIN_MAX];
  size_t n;
  if (size < 1) return 0;
  reading r = read_in_all_ways(&mst_container_gzip, data + 1, size - 1, data[0]);
  const bool theirs = by_zlib(data + 1, size - 1, plain, &n);
  if (n < PLAIN_MAX && r.n < PLAIN_MAX && (data[0] & 1) == 0) {
    must(r.whole == theirs);
    if (r.whole) must(r.n == n && (n == 0 || memcmp(r.plain, plain, n) == 0));
  }
  reading_free(&r);
  return 0;
}
