/* codec/block.c - one way to pack and unpack whole blocks with every codec.
 *
 * Owns: the contexts inside an mst_block_coder. May call: base, libzstd, libdeflate, libbrotli (loaded on first use).
 */
#include "codec/block.h"

#include <dlfcn.h>
#include <libdeflate.h>
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#include <zstd_errors.h>

#include "codec/snappy.h"

static const char *const codec_names[] = {"none", "snappy", "gzip", "zstd", "lz4", "lz4_hadoop", "brotli"};

const char *mst_block_codec_name(mst_block_codec codec) { return codec_names[codec]; }

void mst_block_coder_close(mst_block_coder *c) {
  if (c == NULL) return;
  ZSTD_freeDCtx(c->zstd_in);
  ZSTD_freeCCtx(c->zstd_out);
  if (c->deflate_in != NULL) libdeflate_free_decompressor(c->deflate_in);
  if (c->deflate_out != NULL) libdeflate_free_compressor(c->deflate_out);
  mst_free(c->mem, c->table);
  *c = (mst_block_coder){.mem = c->mem};
}

static mst_status broken(mst_block_codec codec, size_t in_size, size_t out_size, mst_error *err) {
  return mst_fail(err, MST_E_CORRUPT, "broken %s block: %zu bytes do not unpack to %zu", codec_names[codec], in_size,
                  out_size);
}

/* ---- zstd ---------------------------------------------------------------------------------------------------- */

static void *zstd_alloc(void *mem, size_t size) { return mst_alloc(mem, size); }
static void zstd_free(void *mem, void *block) { mst_free(mem, block); }

static ZSTD_customMem zstd_mem(const mst_block_coder *c) {
  ZSTD_customMem custom = {zstd_alloc, zstd_free, (void *)(uintptr_t)c->mem};
  return custom;
}

static mst_status unpack_zstd(mst_block_coder *c, const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size,
                              mst_error *err) {
  size_t n;
  if (c->zstd_in == NULL) c->zstd_in = ZSTD_createDCtx_advanced(zstd_mem(c));
  if (c->zstd_in == NULL) return mst_fail_memory(err);
  n = ZSTD_decompressDCtx(c->zstd_in, out, out_size, in, in_size);
  if (ZSTD_isError(n) && ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation) return mst_fail_memory(err);
  return ZSTD_isError(n) || n != out_size ? broken(MST_BLOCK_ZSTD, in_size, out_size, err) : MST_OK;
}

static mst_status pack_zstd(mst_block_coder *c, int level, const uint8_t *in, size_t in_size, uint8_t *out, size_t *n,
                            mst_error *err) {
  if (level == 0) level = 1;
  if (level < ZSTD_minCLevel() || level > ZSTD_maxCLevel())
    return mst_fail(err, MST_E_ARGUMENT, "zstd has levels %d to %d, not %d", ZSTD_minCLevel(), ZSTD_maxCLevel(), level);
  if (c->zstd_out == NULL) c->zstd_out = ZSTD_createCCtx_advanced(zstd_mem(c));
  if (c->zstd_out == NULL) return mst_fail_memory(err);
  *n = ZSTD_compressCCtx(c->zstd_out, out, ZSTD_compressBound(in_size), in, in_size, level);
  return ZSTD_isError(*n) ? mst_fail_memory(err) : MST_OK;
}

/* ---- gzip ---------------------------------------------------------------------------------------------------- */

static mst_status unpack_gzip(mst_block_coder *c, const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size,
                              mst_error *err) {
  size_t at = 0, done = 0, used, got;
  bool zlib = in_size >= 2 && (in[0] & 0x0f) == 8 && (in[0] << 8 | in[1]) % 31 == 0;
  if (c->deflate_in == NULL) c->deflate_in = libdeflate_alloc_decompressor();
  if (c->deflate_in == NULL) return mst_fail_memory(err);
  do {
    enum libdeflate_result r = zlib ? libdeflate_zlib_decompress_ex(c->deflate_in, in + at, in_size - at, out + done,
                                                                    out_size - done, &used, &got)
                                    : libdeflate_gzip_decompress_ex(c->deflate_in, in + at, in_size - at, out + done,
                                                                    out_size - done, &used, &got);
    if (r != LIBDEFLATE_SUCCESS) return broken(MST_BLOCK_GZIP, in_size, out_size, err);
    at += used;
    done += got;
  } while (at < in_size && !zlib);
  return done == out_size ? MST_OK : broken(MST_BLOCK_GZIP, in_size, out_size, err);
}

static mst_status pack_gzip(mst_block_coder *c, int level, const uint8_t *in, size_t in_size, uint8_t *out, size_t *n,
                            mst_error *err) {
  if (level == 0) level = 6;
  if (level < 1 || level > 12) return mst_fail(err, MST_E_ARGUMENT, "gzip has levels 1 to 12, not %d", level);
  if (c->deflate_out != NULL && c->deflate_level != level) {
    libdeflate_free_compressor(c->deflate_out);
    c->deflate_out = NULL;
  }
  if (c->deflate_out == NULL) c->deflate_out = libdeflate_alloc_compressor(level);
  if (c->deflate_out == NULL) return mst_fail_memory(err);
  c->deflate_level = level;
  *n = libdeflate_gzip_compress(c->deflate_out, in, in_size, out, libdeflate_gzip_compress_bound(NULL, in_size));
  return *n == 0 ? mst_fail(err, MST_E_INTERNAL, "gzip packed %zu bytes beyond its bound", in_size) : MST_OK;
}

/* ---- brotli -------------------------------------------------------------------------------------------------- */

/* From brotli/decode.h and brotli/encode.h, whose ABI is stable; loaded because few files need them. */
typedef int (*brotli_decompress_fn)(size_t in_size, const uint8_t *in, size_t *out_size, uint8_t *out);
typedef int (*brotli_compress_fn)(int quality, int window, int mode, size_t in_size, const uint8_t *in,
                                  size_t *out_size, uint8_t *out);

/* The library stays loaded; dlopen counts and is thread-safe. */
static void *load(const char *library, const char *symbol) {
  void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  return handle != NULL ? dlsym(handle, symbol) : NULL;
}

static mst_status unpack_brotli(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size, mst_error *err) {
  size_t n = out_size;
  void *symbol = load("libbrotlidec.so.1", "BrotliDecoderDecompress");
  brotli_decompress_fn decompress;
  if (symbol == NULL) return mst_fail(err, MST_E_UNSUPPORTED, "brotli needs libbrotlidec.so.1, which is not installed");
  memcpy(&decompress, &symbol, sizeof decompress);
  return decompress(in_size, in, &n, out) != 1 || n != out_size ? broken(MST_BLOCK_BROTLI, in_size, out_size, err)
                                                                : MST_OK;
}

static mst_status pack_brotli(int level, const uint8_t *in, size_t in_size, uint8_t *out, size_t *n, mst_error *err) {
  void *symbol = load("libbrotlienc.so.1", "BrotliEncoderCompress");
  brotli_compress_fn compress;
  if (symbol == NULL) return mst_fail(err, MST_E_UNSUPPORTED, "brotli needs libbrotlienc.so.1, which is not installed");
  memcpy(&compress, &symbol, sizeof compress);
  if (level == 0) level = 5;
  if (level < 0 || level > 11) return mst_fail(err, MST_E_ARGUMENT, "brotli has levels 1 to 11, not %d", level);
  *n = mst_block_bound(MST_BLOCK_BROTLI, in_size);
  return compress(level, 22, 0, in_size, in, n, out) != 1 ? mst_fail_memory(err) : MST_OK;
}

/* ---- lz4 as Hadoop frames it --------------------------------------------------------------------------------- */

/* Frames of (big-endian plain size, big-endian packed size, raw block). */
static bool unpack_hadoop(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size) {
  size_t at = 0, done = 0;
  while (at < in_size) {
    size_t plain, packed;
    if (in_size - at < 8) return false;
    plain = mst_be32(in + at);
    packed = mst_be32(in + at + 4);
    at += 8;
    if (packed > in_size - at || plain > out_size - done) return false;
    if (!mst_lz4_unpack(in + at, packed, out + done, plain)) return false;
    at += packed;
    done += plain;
  }
  return done == out_size;
}

/* The LZ4 frame format: descriptor, blocks of at most 4 MiB that may refer to earlier ones, checksums left unread. */
static bool unpack_lz4_frame(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size) {
  size_t at = 4, done = 0;
  uint8_t flags;
  if (in_size < 7 || mst_le32(in) != 0x184D2204u) return false;
  flags = in[4];
  at += 3u + ((flags & 8) != 0 ? 8u : 0u) + ((flags & 1) != 0 ? 4u : 0u);
  while (in_size >= 4 && at <= in_size - 4) {
    uint32_t head = mst_le32(in + at), size = head & 0x7fffffffu;
    size_t got;
    at += 4;
    if (head == 0) return done == out_size;
    if (size > in_size - at) return false;
    if ((head & 0x80000000u) != 0) {
      if (size > out_size - done) return false;
      memcpy(out + done, in + at, size);
      got = size;
    } else if (!mst_lz4_unpack_part(in + at, size, out, done, out_size, &got)) {
      return false;
    }
    done += got;
    at += size + ((flags & 16) != 0 ? 4u : 0u);
  }
  return false;
}

/* ---- the front door ------------------------------------------------------------------------------------------ */

mst_status mst_block_unpack(mst_block_coder *c, mst_block_codec codec, const uint8_t *in, size_t in_size, uint8_t *out,
                            size_t out_size, mst_error *err) {
  bool good = false;
  switch (codec) {
  case MST_BLOCK_NONE:
    good = in_size == out_size;
    if (good && in_size > 0) memcpy(out, in, in_size);
    break;
  case MST_BLOCK_SNAPPY: good = mst_snappy_unpack(in, in_size, out, out_size); break;
  case MST_BLOCK_LZ4: good = mst_lz4_unpack(in, in_size, out, out_size); break;
  case MST_BLOCK_LZ4_HADOOP:
    good = unpack_hadoop(in, in_size, out, out_size) || unpack_lz4_frame(in, in_size, out, out_size) ||
           mst_lz4_unpack(in, in_size, out, out_size);
    break;
  case MST_BLOCK_GZIP: return unpack_gzip(c, in, in_size, out, out_size, err);
  case MST_BLOCK_ZSTD: return unpack_zstd(c, in, in_size, out, out_size, err);
  case MST_BLOCK_BROTLI: return unpack_brotli(in, in_size, out, out_size, err);
  }
  return good ? MST_OK : broken(codec, in_size, out_size, err);
}

/* The densest that each format can be: a snappy copy is 3 bytes for 64, an LZ4 length byte stands for 255, DEFLATE has
 * two bits for 258; zstd's blocks can be counted. */
bool mst_block_plausible(mst_block_codec codec, const uint8_t *in, size_t in_size, uint64_t out_size) {
  uint64_t n = in_size;
  switch (codec) {
  case MST_BLOCK_NONE: return out_size == n;
  case MST_BLOCK_SNAPPY: return out_size <= 32 * n + 64;
  case MST_BLOCK_LZ4:
  case MST_BLOCK_LZ4_HADOOP: return out_size <= 256 * n + 64;
  case MST_BLOCK_GZIP: return out_size <= 1040 * n + 64;
  case MST_BLOCK_ZSTD: {
    unsigned long long most = ZSTD_decompressBound(in, in_size);
    return most != ZSTD_CONTENTSIZE_ERROR && out_size <= most;
  }
  case MST_BLOCK_BROTLI: return out_size <= ((n + 1) << 20);
  }
  return false;
}

size_t mst_block_bound(mst_block_codec codec, size_t n) {
  switch (codec) {
  case MST_BLOCK_NONE: return n;
  case MST_BLOCK_SNAPPY: return mst_snappy_bound(n);
  case MST_BLOCK_LZ4: return mst_lz4_bound(n);
  case MST_BLOCK_LZ4_HADOOP: return mst_lz4_bound(n) + 8;
  case MST_BLOCK_GZIP: return libdeflate_gzip_compress_bound(NULL, n);
  case MST_BLOCK_ZSTD: return ZSTD_compressBound(n);
  case MST_BLOCK_BROTLI: return n + n / 1024 + 1024;
  }
  return n;
}

static mst_status pack_fast(mst_block_coder *c, mst_block_codec codec, int level, const uint8_t *in, size_t in_size,
                            uint8_t *out, size_t *out_size, mst_error *err) {
  if (level != 0) return mst_fail(err, MST_E_ARGUMENT, "%s has no levels", codec_names[codec]);
  if (in_size > UINT32_MAX) return mst_fail(err, MST_E_LIMIT, "%s packs at most 4 GiB at once", codec_names[codec]);
  if (c->table == NULL) c->table = mst_alloc(c->mem, MST_MATCH_TABLE_SIZE);
  if (c->table == NULL) return mst_fail_memory(err);
  if (codec == MST_BLOCK_SNAPPY) {
    *out_size = mst_snappy_pack(in, in_size, out, c->table);
  } else if (codec == MST_BLOCK_LZ4) {
    *out_size = mst_lz4_pack(in, in_size, out, c->table);
  } else {
    size_t n = mst_lz4_pack(in, in_size, out + 8, c->table);
    uint32_t head[2] = {__builtin_bswap32((uint32_t)in_size), __builtin_bswap32((uint32_t)n)};
    memcpy(out, head, 8);
    *out_size = n + 8;
  }
  return MST_OK;
}

mst_status mst_block_pack(mst_block_coder *c, mst_block_codec codec, int level, const uint8_t *in, size_t in_size,
                          uint8_t *out, size_t *out_size, mst_error *err) {
  switch (codec) {
  case MST_BLOCK_NONE:
    if (in_size > 0) memcpy(out, in, in_size);
    *out_size = in_size;
    return MST_OK;
  case MST_BLOCK_GZIP: return pack_gzip(c, level, in, in_size, out, out_size, err);
  case MST_BLOCK_ZSTD: return pack_zstd(c, level, in, in_size, out, out_size, err);
  case MST_BLOCK_BROTLI: return pack_brotli(level, in, in_size, out, out_size, err);
  default: return pack_fast(c, codec, level, in, in_size, out, out_size, err);
  }
}
