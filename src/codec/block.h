/* codec/block.h - whole blocks in, whole blocks out, for formats that store the plain size beside the bytes.
 *
 * Owns: the reusable state of a coder. May call: base. */
#ifndef MST_CODEC_BLOCK_H
#define MST_CODEC_BLOCK_H

#include "base/base.h"

typedef enum mst_block_codec {
  MST_BLOCK_NONE,
  MST_BLOCK_SNAPPY,
  MST_BLOCK_GZIP, /* gzip members; unpacks zlib streams too */
  MST_BLOCK_ZSTD,
  MST_BLOCK_LZ4,        /* one raw LZ4 block */
  MST_BLOCK_LZ4_HADOOP, /* frames of Hadoop, LZ4 frames or one raw block, whichever the bytes are */
  MST_BLOCK_BROTLI
} mst_block_codec;

const char *mst_block_codec_name(mst_block_codec codec);

/* Keeps the contexts of the libraries between blocks; owned by one thread at a time. Zero-initialise with `mem`. */
typedef struct mst_block_coder {
  const mst_allocator *mem;
  void *zstd_in, *zstd_out;       /* contexts, made on first use */
  void *deflate_in, *deflate_out; /* contexts, made on first use */
  int deflate_level;
  void *table; /* match finder of snappy and lz4 */
} mst_block_coder;

void mst_block_coder_close(mst_block_coder *c);
/* Unpacks `in` into exactly `out_size` bytes; anything else is MST_E_CORRUPT. */
mst_status mst_block_unpack(mst_block_coder *c, mst_block_codec codec, const uint8_t *in, size_t in_size, uint8_t *out,
                            size_t out_size, mst_error *err);
/* false when `in` cannot unpack to `out_size` bytes, judged by its heads alone, so that memory for it can be trusted.
 */
bool mst_block_plausible(mst_block_codec codec, const uint8_t *in, size_t in_size, uint64_t out_size);
/* The most bytes that packing `n` can give. */
size_t mst_block_bound(mst_block_codec codec, size_t n);
/* Packs into `out`, which has room for mst_block_bound bytes. Level 0 is the codec's default; others are the codec's
 * own and are MST_E_ARGUMENT when it does not know them. */
mst_status mst_block_pack(mst_block_coder *c, mst_block_codec codec, int level, const uint8_t *in, size_t in_size,
                          uint8_t *out, size_t *out_size, mst_error *err);

#endif
