/* store/checksum.c - CRC-32, CRC-32C, CRC-64/NVME, SHA-1 and SHA-256 of whole bodies. Owns nothing. Calls libdeflate,
 * lib_crypto and base. */
#include "store/checksum.h"

#include <libdeflate.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* --- CRCs without help from the processor ---------------------------------------------------------------------------
 */

enum { SLICES = 8 };

/* table[k][b]: the CRC of byte b followed by k zero bytes. Small enough to be made for each body. */
static void make_tables(uint64_t table[SLICES][256], uint64_t polynomial) {
  for (uint32_t b = 0; b < 256; b++) {
    uint64_t crc = b;
    for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ polynomial : crc >> 1;
    table[0][b] = crc;
  }
  for (uint32_t b = 0; b < 256; b++)
    for (int k = 1; k < SLICES; k++) table[k][b] = table[k - 1][b] >> 8 ^ table[0][table[k - 1][b] & 255];
}

static uint64_t crc_by_table(const uint8_t *p, size_t n, uint64_t polynomial, uint64_t crc) {
  uint64_t table[SLICES][256];
  make_tables(table, polynomial);
  for (; n >= 8; n -= 8, p += 8) {
    const uint64_t v = crc ^ mst_le64(p);
    crc = 0;
    for (int k = 0; k < 8; k++) crc ^= table[7 - k][v >> 8 * k & 255];
  }
  for (; n > 0; n--, p++) crc = table[0][(crc ^ *p) & 255] ^ crc >> 8;
  return crc;
}

/* --- with it ------------------------------------------------------------------------------------------------------ */

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse(const uint8_t *p, size_t n, uint32_t crc) {
  uint64_t wide = crc;
  for (; n >= 8; n -= 8, p += 8) wide = _mm_crc32_u64(wide, mst_le64(p));
  crc = (uint32_t)wide;
  for (; n > 0; n--, p++) crc = _mm_crc32_u8(crc, *p);
  return crc;
}
#endif

uint32_t mst_crc32c(const void *data, size_t n) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return ~crc32c_sse(data, n, UINT32_MAX);
#endif
  return ~(uint32_t)crc_by_table(data, n, 0x82F63B78u, UINT32_MAX);
}

uint64_t mst_crc64nvme(const void *data, size_t n) {
  return ~crc_by_table(data, n, UINT64_C(0x9A6C9329AC4BC9B5), UINT64_MAX);
}

/* --- as text ------------------------------------------------------------------------------------------------------ */

static void base64(const uint8_t *data, size_t n, char *out) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (; n > 0; data += 3, out += 4) {
    const uint32_t v = (uint32_t)data[0] << 16 | (n > 1 ? (uint32_t)data[1] << 8 : 0) | (n > 2 ? data[2] : 0);
    out[0] = digits[v >> 18];
    out[1] = digits[v >> 12 & 63];
    out[2] = n > 1 ? digits[v >> 6 & 63] : '=';
    out[3] = n > 2 ? digits[v & 63] : '=';
    n -= mst_min_size(n, 3);
  }
  *out = '\0';
}

mst_status mst_sum_make(const mst_crypto *lib, mst_sum_kind kind, const void *data, size_t n,
                        char out[MST_SUM_TEXT_MAX], mst_error *err) {
  uint8_t digest[MST_SHA256_SIZE];
  size_t size = 0;
  uint64_t crc = 0;
  mst_status status = MST_OK;
  *out = '\0';
  switch (kind) {
  case MST_SUM_NONE: return MST_OK;
  case MST_SUM_CRC32: crc = libdeflate_crc32(0, data, n), size = 4; break;
  case MST_SUM_CRC32C: crc = mst_crc32c(data, n), size = 4; break;
  case MST_SUM_CRC64NVME: crc = mst_crc64nvme(data, n), size = 8; break;
  case MST_SUM_SHA1: MST_TRY(mst_digest(lib, MST_DIGEST_SHA1, data, n, digest, &size, err)); break;
  case MST_SUM_SHA256: MST_TRY(mst_digest(lib, MST_DIGEST_SHA256, data, n, digest, &size, err)); break;
  }
  if (kind <= MST_SUM_CRC64NVME)
    for (size_t i = 0; i < size; i++) digest[i] = (uint8_t)(crc >> 8 * (size - 1 - i));
  base64(digest, size, out);
done:
  return status;
}

mst_status mst_sum_check(const mst_crypto *lib, mst_sum_kind kind, const char *expected, const void *data, size_t n,
                         mst_error *err) {
  char found[MST_SUM_TEXT_MAX];
  const mst_status status = mst_sum_make(lib, kind, data, n, found, err);
  /* Where the machine's policy forbids the digest nothing can be compared. */
  if (status == MST_E_UNSUPPORTED) return MST_OK;
  if (status != MST_OK || strcmp(found, expected) == 0) return status;
  return mst_fail(err, MST_E_CORRUPT, "the bytes that came have the checksum %s and should have %s (%s)", found,
                  expected, mst_sum_header(kind));
}

const char *mst_sum_header(mst_sum_kind kind) {
  switch (kind) {
  case MST_SUM_NONE: break;
  case MST_SUM_CRC32: return "x-amz-checksum-crc32";
  case MST_SUM_CRC32C: return "x-amz-checksum-crc32c";
  case MST_SUM_CRC64NVME: return "x-amz-checksum-crc64nvme";
  case MST_SUM_SHA1: return "x-amz-checksum-sha1";
  case MST_SUM_SHA256: return "x-amz-checksum-sha256";
  }
  return "";
}

mst_status mst_md5_make(const mst_crypto *lib, const void *data, size_t n, char out[MST_SUM_TEXT_MAX], mst_error *err) {
  uint8_t digest[MST_SHA256_SIZE];
  size_t size;
  const mst_status status = mst_digest(lib, MST_DIGEST_MD5, data, n, digest, &size, err);
  if (status == MST_OK) base64(digest, size, out);
  return status;
}
