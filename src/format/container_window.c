/* format/container_window.c - windows as they stand in an index: the bytes that are referred to, packed.
 * Owns nothing. Calls libzstd through its simple calls; layout: docs/specification/window.md. */
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include "format/container_impl.h"

#define WINDOW_MAX   32768u
#define WINDOW_ZSTD  1u /* version byte: u16 size, then one zstd frame of that many plain bytes */
#define WINDOW_HEAD  3u
#define WINDOW_LEVEL 1

static void *allocate(void *mem, size_t size) { return mst_alloc(mem, size); }
static void release(void *mem, void *block) { mst_free(mem, block); }
static ZSTD_customMem memory_of(const mst_allocator *mem) {
  return (ZSTD_customMem){allocate, release, (void *)(uintptr_t)mem};
}

mst_status mst_window_pack(const mst_allocator *mem, const uint8_t *window, size_t n, mst_bytes *out, mst_error *err) {
  uint8_t packed[WINDOW_HEAD + ZSTD_COMPRESSBOUND(WINDOW_MAX)];
  size_t size = 0;
  mst_assert(n <= WINDOW_MAX);
  packed[0] = WINDOW_ZSTD;
  mst_put_le16(packed + 1, (uint16_t)n);
  if (n > 0) {
    ZSTD_CCtx *context = ZSTD_createCCtx_advanced(memory_of(mem));
    if (context == NULL) return mst_fail_memory(err);
    size = ZSTD_compressCCtx(context, packed + WINDOW_HEAD, sizeof packed - WINDOW_HEAD, window, n, WINDOW_LEVEL);
    ZSTD_freeCCtx(context);
    if (ZSTD_isError(size)) return mst_fail_memory(err);
  }
  return mst_bytes_copy(mem, packed, WINDOW_HEAD + size, out, err);
}

mst_status mst_window_unpack(const mst_allocator *mem, const uint8_t *packed, size_t n, uint8_t window[32768],
                             size_t *size, mst_error *err) {
  if (n < WINDOW_HEAD || packed[0] != WINDOW_ZSTD)
    return mst_fail(err, MST_E_CORRUPT, "a packed window of %zu bytes with version %u (known: 1)", n,
                    n > 0 ? packed[0] : 0);
  const size_t plain = mst_le16(packed + 1);
  if (plain > WINDOW_MAX)
    return mst_fail(err, MST_E_CORRUPT, "a packed window of %zu plain bytes (at most 32768)", plain);
  if (plain > 0) {
    ZSTD_DCtx *context = ZSTD_createDCtx_advanced(memory_of(mem));
    if (context == NULL) return mst_fail_memory(err);
    const size_t got = ZSTD_decompressDCtx(context, window, WINDOW_MAX, packed + WINDOW_HEAD, n - WINDOW_HEAD);
    ZSTD_freeDCtx(context);
    if (ZSTD_isError(got))
      return mst_fail(err, MST_E_CORRUPT, "a packed window that libzstd refuses: %s", ZSTD_getErrorName(got));
    if (got != plain)
      return mst_fail(err, MST_E_CORRUPT, "a packed window of %zu bytes where %zu were announced", got, plain);
  } else if (n != WINDOW_HEAD) {
    return mst_fail(err, MST_E_CORRUPT, "a packed window that is empty has %zu bytes behind its head", n - WINDOW_HEAD);
  }
  *size = plain;
  return MST_OK;
}
