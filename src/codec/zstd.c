/* codec/zstd.c - parses zstd frame heads and seek tables, and decodes frames by libzstd. Owns the decoding context,
 * whose memory comes from the caller's allocator. Calls libzstd. */
#define ZSTD_STATIC_LINKING_ONLY
#include "codec/zstd.h"

#include <zstd.h>
#include <zstd_errors.h>

#define FRAME_MAGIC      0xfd2fb528u
#define SKIPPABLE_MAGIC  0x184d2a50u
#define SEEKABLE_MAGIC   0x8f92eab1u
#define SEEK_TABLE_MAGIC 0x184d2a5eu

/* ---- frame heads ----------------------------------------------------------------------------------------------- */

static mst_status parse_magic(const uint8_t *data, size_t n, mst_error *err) {
  const uint8_t frame[4] = {0x28, 0xb5, 0x2f, 0xfd};
  const uint8_t skippable[4] = {0x50, 0x2a, 0x4d, 0x18};
  const size_t k = mst_min_size(n, 4);
  if (memcmp(data, frame, k) == 0) return MST_OK;
  if (k == 0 || ((data[0] & 0xf0) == 0x50 && memcmp(data + 1, skippable + 1, k - 1) == 0)) return MST_OK;
  if (memcmp(data + 1, frame + 1, k - 1) == 0 && data[0] >= 0x1e && data[0] < 0x28)
    return k < 4 ? MST_OK : mst_fail_at(err, MST_E_UNSUPPORTED, 0, "a frame of a zstd format before 0.8");
  return mst_fail_at(err, MST_E_CORRUPT, 0, "no zstd frame magic (28 b5 2f fd) but %02x %02x %02x %02x", data[0],
                     k > 1 ? data[1] : 0, k > 2 ? data[2] : 0, k > 3 ? data[3] : 0);
}

static uint64_t little_endian(const uint8_t *p, size_t n) {
  uint64_t v = 0;
  for (size_t i = 0; i < n; i++) v |= (uint64_t)p[i] << (8 * i);
  return v;
}

mst_status mst_zstd_parse(const uint8_t *data, size_t n, mst_zstd_head *out, size_t *want, mst_error *err) {
  static const uint8_t dictionary_size[4] = {0, 1, 2, 4};
  static const uint8_t content_size[4] = {0, 2, 4, 8};
  const mst_status status = parse_magic(data, n, err);
  *want = 0;
  if (status != MST_OK) return status;
  *want = 8;
  if (n >= 4 && mst_le32(data) != FRAME_MAGIC) {
    if (n < 8) return MST_OK;
    *want = 0;
    *out = (mst_zstd_head){.skippable = true, .size = 8, .content = mst_le32(data + 4)};
    return MST_OK;
  }
  *want = 5;
  if (n < 5) return MST_OK;
  const uint8_t descriptor = data[4];
  const bool single = (descriptor & 0x20) != 0;
  const size_t n_dictionary = dictionary_size[descriptor & 3];
  const size_t n_content = descriptor >> 6 == 0 && single ? 1 : content_size[descriptor >> 6];
  const size_t size = (single ? 5u : 6u) + n_dictionary + n_content;
  if ((descriptor & 8) != 0)
    return mst_fail_at(err, MST_E_CORRUPT, 4, "the reserved bit of a zstd frame's head is set");
  *want = size;
  if (n < size) return MST_OK;
  *want = 0;
  *out = (mst_zstd_head){.size = (uint32_t)size, .content = MST_ZSTD_UNKNOWN, .checksum = (descriptor & 4) != 0};
  out->dictionary = (uint32_t)little_endian(data + (single ? 5 : 6), n_dictionary);
  if (n_content > 0) out->content = little_endian(data + size - n_content, n_content) + (n_content == 2 ? 256 : 0);
  if (single) out->window = out->content;
  else out->window = ((uint64_t)1 << (10 + (data[5] >> 3))) / 8 * (8 + (data[5] & 7));
  if (out->dictionary != 0)
    return mst_fail_at(err, MST_E_UNSUPPORTED, 0, "a zstd frame that needs the dictionary with id %u", out->dictionary);
  return MST_OK;
}

/* ---- decoding -------------------------------------------------------------------------------------------------- */

struct mst_zstd {
  const mst_allocator *mem;
  uint64_t window_max;
  ZSTD_DCtx *context;
};

static void *allocate(void *mem, size_t size) { return mst_alloc(mem, size); }
static void release(void *mem, void *block) { mst_free(mem, block); }

mst_status mst_zstd_new(const mst_allocator *mem, uint64_t window_max, mst_zstd **out, mst_error *err) {
  mst_zstd *z = mst_alloc_zero(mem, 1, sizeof *z);
  if (z == NULL) return mst_fail_memory(err);
  z->mem = mem;
  z->window_max = window_max;
  /* libzstd hands `opaque` back as it is; the allocator is never written to. */
  z->context = ZSTD_createDCtx_advanced((ZSTD_customMem){allocate, release, (void *)(uintptr_t)mem});
  if (z->context == NULL) {
    mst_zstd_free(z);
    return mst_fail_memory(err);
  }
  (void)ZSTD_DCtx_setParameter(z->context, ZSTD_d_windowLogMax, sizeof(size_t) == 8 ? 31 : 30);
  *out = z;
  return MST_OK;
}

void mst_zstd_free(mst_zstd *z) {
  if (z == NULL) return;
  ZSTD_freeDCtx(z->context);
  mst_free(z->mem, z);
}

mst_status mst_zstd_begin(mst_zstd *z, const mst_zstd_head *head, mst_error *err) {
  char needs[24], limit[24];
  if (head->window > z->window_max)
    return mst_fail_at(err, MST_E_LIMIT, 0, "a zstd frame that needs a window of %s; the memory budget allows %s",
                       mst_format_size(head->window, needs), mst_format_size(z->window_max, limit));
  (void)ZSTD_DCtx_reset(z->context, ZSTD_reset_session_only);
  return MST_OK;
}

mst_status mst_zstd_run(mst_zstd *z, const uint8_t **in, const uint8_t *end, uint8_t *out, size_t room, size_t *n,
                        bool *ended, mst_error *err) {
  ZSTD_inBuffer input = {.src = *in, .size = (size_t)(end - *in)};
  ZSTD_outBuffer output = {.dst = out, .size = room};
  const size_t left = ZSTD_decompressStream(z->context, &output, &input);
  *in += input.pos;
  *n = output.pos;
  *ended = left == 0;
  if (!ZSTD_isError(left)) return MST_OK;
  if (ZSTD_getErrorCode(left) == ZSTD_error_memory_allocation) return mst_fail_memory(err);
  return mst_fail_at(err, MST_E_CORRUPT, input.pos, "zstd data that libzstd refuses: %s", ZSTD_getErrorName(left));
}

/* ---- seek tables ----------------------------------------------------------------------------------------------- */

static size_t seek_entry_size(uint8_t descriptor) { return (descriptor & 0x80) != 0 ? 12 : 8; }

uint64_t mst_zstd_seek_size(const uint8_t footer[MST_ZSTD_SEEK_FOOTER]) {
  if (mst_le32(footer + 5) != SEEKABLE_MAGIC || (footer[4] & 0x7c) != 0) return 0;
  return 8 + (uint64_t)mst_le32(footer) * seek_entry_size(footer[4]) + MST_ZSTD_SEEK_FOOTER;
}

mst_status mst_zstd_seek_parse(const mst_allocator *mem, const uint8_t *table, size_t n, uint64_t size,
                               mst_zstd_seek **out, size_t *n_frames, mst_error *err) {
  if (n < 8 + MST_ZSTD_SEEK_FOOTER || n > size || mst_zstd_seek_size(table + n - MST_ZSTD_SEEK_FOOTER) != n)
    return mst_fail_at(err, MST_E_CORRUPT, 0, "a zstd seek table whose size is not what its count gives");
  if (mst_le32(table) != SEEK_TABLE_MAGIC || mst_le32(table + 4) != n - 8)
    return mst_fail_at(err, MST_E_CORRUPT, 0, "a zstd seek table whose skippable frame does not fit it");
  const uint8_t *footer = table + n - MST_ZSTD_SEEK_FOOTER;
  const size_t count = mst_le32(footer), entry = seek_entry_size(footer[4]);
  mst_zstd_seek *seeks = mst_alloc_array(mem, count + 1, sizeof *seeks);
  if (seeks == NULL) return mst_fail_memory(err);
  /* Sums of 2^32 numbers of 32 bits do not overflow. */
  seeks[0] = (mst_zstd_seek){0};
  for (size_t i = 0; i < count; i++) {
    const uint8_t *p = table + 8 + i * entry;
    seeks[i + 1] = (mst_zstd_seek){.at = seeks[i].at + mst_le32(p), .plain = seeks[i].plain + mst_le32(p + 4)};
  }
  if (size != MST_ZSTD_UNKNOWN && seeks[count].at != size - n) {
    const uint64_t filled = seeks[count].at;
    mst_free(mem, seeks);
    return mst_fail_at(err, MST_E_CORRUPT, size - n,
                       "a zstd seek table whose frames fill %llu bytes where %llu lie before it",
                       (unsigned long long)filled, (unsigned long long)(size - n));
  }
  *out = seeks;
  *n_frames = count;
  return MST_OK;
}
