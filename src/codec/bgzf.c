/* codec/bgzf.c - parses, inflates and finds BGZF blocks, and reads and writes .gzi lists. Owns nothing.
 * Calls codec/inflate.h and codec/crc.h. */
#include "codec/bgzf.h"

#include "codec/crc.h"
#include "codec/gzip.h"

#define FIXED_HEAD 12u /* up to and with XLEN */

bool mst_bgzf_may_begin(const uint8_t *data, size_t n) {
  static const uint8_t magic[4] = {0x1f, 0x8b, 8, MST_GZIP_FEXTRA};
  return memcmp(data, magic, mst_min_size(n, 4)) == 0;
}

/* BSIZE from the extra fields; false when there is none. */
static bool find_size(const uint8_t *extra, size_t n, uint32_t *size) {
  while (n >= 4) {
    const size_t field = mst_le16(extra + 2);
    if (field > n - 4) return false;
    if (extra[0] == 'B' && extra[1] == 'C' && field == 2) {
      *size = mst_le16(extra + 4) + 1u;
      return true;
    }
    extra += 4 + field;
    n -= 4 + field;
  }
  return false;
}

mst_status mst_bgzf_parse(const uint8_t *data, size_t n, mst_bgzf_block *out, size_t *want, mst_error *err) {
  *want = 0;
  if (!mst_bgzf_may_begin(data, n)) {
    mst_gzip_head plain = {0};
    const uint8_t *in = data;
    const mst_status status = mst_gzip_head_feed(&plain, &in, data + mst_min_size(n, 10), err);
    if (status != MST_OK) return status;
    return mst_fail_at(err, MST_E_UNSUPPORTED, 0, "a gzip member that is no BGZF block (flags %02x)",
                       n > 3 ? data[3] : 0);
  }
  if (n < FIXED_HEAD) {
    *want = FIXED_HEAD;
    return MST_OK;
  }
  const size_t extra = mst_le16(data + 10);
  if (n - FIXED_HEAD < extra) {
    *want = FIXED_HEAD + extra;
    return MST_OK;
  }
  out->head = (uint32_t)(FIXED_HEAD + extra);
  if (!find_size(data + FIXED_HEAD, extra, &out->size))
    return mst_fail_at(err, MST_E_UNSUPPORTED, FIXED_HEAD, "a gzip member that is no BGZF block (no BC field)");
  if (out->size < out->head + 1 + MST_GZIP_TRAILER)
    return mst_fail_at(err, MST_E_CORRUPT, FIXED_HEAD, "a BGZF block whose size %u is less than its head needs",
                       out->size);
  return MST_OK;
}

mst_status mst_bgzf_inflate(mst_inflate *z, const uint8_t *data, const mst_bgzf_block *block, bool verify,
                            const uint8_t **plain, size_t *n, uint32_t *crc, mst_error *err) {
  const uint8_t *in = data + block->head;
  const uint8_t *const trailer = data + block->size - MST_GZIP_TRAILER;
  mst_inflate_state state;
  mst_inflate_begin(z, 0, NULL, 0);
  const mst_status status = mst_inflate_run(z, &in, trailer, UINT64_MAX, &state, err);
  if (status != MST_OK) {
    if (err != NULL) err->offset += block->head;
    return status;
  }
  *n = mst_inflate_take(z, plain);
  if (state != MST_INFLATE_END || in != trailer || *n > MST_BGZF_BLOCK_MAX)
    return mst_fail_at(err, MST_E_CORRUPT, (uint64_t)(in - data), "a BGZF block whose DEFLATE data %s",
                       state == MST_INFLATE_INPUT                  ? "is not whole"
                       : state == MST_INFLATE_END && in != trailer ? "ends before its size says"
                                                                   : "gives more than 64 KiB");
  if (!verify) return MST_OK;
  *crc = mst_crc32(0, *plain, *n);
  if (*crc != mst_le32(trailer))
    return mst_fail_at(err, MST_E_CORRUPT, block->size - 8, "the block's CRC-32 is %08x, its plain bytes give %08x",
                       mst_le32(trailer), *crc);
  if (*n != mst_le32(trailer + 4))
    return mst_fail_at(err, MST_E_CORRUPT, block->size - 4, "the block's length is %u, its plain bytes are %zu",
                       mst_le32(trailer + 4), *n);
  return MST_OK;
}

/* ---- finding --------------------------------------------------------------------------------------------------- */

typedef enum chain { CHAIN_BROKEN, CHAIN_HOLDS, CHAIN_MORE } chain;

static chain follow(const uint8_t *data, size_t n, size_t at, bool last) {
  const size_t begin = at;
  while (at - begin < MST_BGZF_BLOCK_MAX) {
    mst_bgzf_block block;
    size_t want;
    if (at == n && last) return CHAIN_HOLDS;
    if (at >= n) return last ? CHAIN_BROKEN : CHAIN_MORE;
    const mst_status status = mst_bgzf_parse(data + at, n - at, &block, &want, NULL);
    /* Behind blocks an ordinary member of gzip may stand. */
    if (status == MST_E_UNSUPPORTED && at > begin) return CHAIN_HOLDS;
    if (status != MST_OK) return CHAIN_BROKEN;
    if (want > 0) return last ? CHAIN_BROKEN : CHAIN_MORE;
    at += block.size;
  }
  return CHAIN_HOLDS;
}

mst_bgzf_search mst_bgzf_find(const uint8_t *data, size_t n, size_t from, bool last, size_t *at) {
  const size_t end = mst_min_size(n, from + MST_BGZF_BLOCK_MAX);
  for (size_t i = from; i < end; i++) {
    const uint8_t *next = memchr(data + i, 0x1f, end - i);
    if (next == NULL) break;
    i = (size_t)(next - data);
    if (!mst_bgzf_may_begin(next, n - i)) continue;
    const chain c = follow(data, n, i, last);
    if (c == CHAIN_BROKEN) continue;
    *at = i;
    return c == CHAIN_HOLDS ? MST_BGZF_FOUND : MST_BGZF_MORE;
  }
  *at = end;
  return end < from + MST_BGZF_BLOCK_MAX && !last ? MST_BGZF_MORE : MST_BGZF_NONE;
}

/* ---- .gzi ------------------------------------------------------------------------------------------------------ */

mst_status mst_gzi_parse(const mst_allocator *mem, const uint8_t *data, size_t n, mst_gzi_entry **out, size_t *n_out,
                         mst_error *err) {
  if (n < 8) return mst_fail_at(err, MST_E_CORRUPT, n, "a .gzi of %zu bytes has no room for its count", n);
  const uint64_t count = mst_le64(data);
  if (count != (n - 8) / 16 || (n - 8) % 16 != 0)
    return mst_fail_at(err, MST_E_CORRUPT, 0, "a .gzi that announces %llu entries has %zu bytes of them",
                       (unsigned long long)count, n - 8);
  mst_gzi_entry *entries = mst_alloc_array(mem, (size_t)count, sizeof *entries);
  mst_gzi_entry before = {0};
  if (entries == NULL) return mst_fail_memory(err);
  for (size_t i = 0; i < count; i++) {
    entries[i] = (mst_gzi_entry){.at = mst_le64(data + 8 + 16 * i), .plain = mst_le64(data + 16 + 16 * i)};
    if (entries[i].at <= before.at || entries[i].plain < before.plain) {
      mst_free(mem, entries);
      return mst_fail_at(err, MST_E_CORRUPT, 8 + 16 * i, "a .gzi whose entry %zu does not lie behind the one before",
                         i);
    }
    before = entries[i];
  }
  *out = entries;
  *n_out = (size_t)count;
  return MST_OK;
}

mst_status mst_gzi_print(const mst_gzi_entry *entries, size_t n, mst_buf *out, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(mst_buf_put_u64(out, n, err));
  for (size_t i = 0; i < n; i++) {
    MST_TRY(mst_buf_put_u64(out, entries[i].at, err));
    MST_TRY(mst_buf_put_u64(out, entries[i].plain, err));
  }
done:
  return status;
}
