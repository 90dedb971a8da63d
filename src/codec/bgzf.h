/* codec/bgzf.h - the blocks of BGZF (SAM specification 4.1): gzip members whose heads tell their size, each at most 64
 * KiB of plain bytes, so that a reader can begin at any of them. */
#ifndef MST_CODEC_BGZF_H
#define MST_CODEC_BGZF_H

#include "codec/inflate.h"

#define MST_BGZF_BLOCK_MAX 65536u /* compressed and plain */

typedef struct mst_bgzf_block {
  uint32_t size; /* the whole block                  */
  uint32_t head; /* where its DEFLATE data begins    */
} mst_bgzf_block;

/* Looks at the bytes of a block's beginning. `*want` is set to the number of bytes needed when `n` are too few to tell,
 * else to 0. A member that is no BGZF block is MST_E_UNSUPPORTED (err->offset counts from `data`). */
mst_status mst_bgzf_parse(const uint8_t *data, size_t n, mst_bgzf_block *out, size_t *want, mst_error *err);
/* Cheap and without a message: can a block begin here? With fewer than 18 bytes: what is there fits. */
bool mst_bgzf_may_begin(const uint8_t *data, size_t n);

/* The plain bytes of one whole block, CRC and length checked (when `verify`). They lie in `z` until its next use. */
mst_status mst_bgzf_inflate(mst_inflate *z, const uint8_t *data, const mst_bgzf_block *block, bool verify,
                            const uint8_t **plain, size_t *n, uint32_t *crc, mst_error *err);

/* Finds the first block that begins at or after data[from], where data may begin in the middle of a block. A place
 * counts when the blocks that follow from its size chain over 64 KiB or to the end of the data (`last`: which is the
 * object's), because the bytes of one block can hold another BGZF file, but not over the border of a block.
 * MST_BGZF_FOUND: *at. _MORE: more bytes are needed to decide (at most 192 KiB behind `from`). _NONE: none begins in
 * [from, from + 64 KiB) or to the end; *at is then where to go on. */
typedef enum mst_bgzf_search { MST_BGZF_FOUND, MST_BGZF_MORE, MST_BGZF_NONE } mst_bgzf_search;
mst_bgzf_search mst_bgzf_find(const uint8_t *data, size_t n, size_t from, bool last, size_t *at);

/* A .gzi: where each block but the first begins, in the object and in plain bytes. */
typedef struct mst_gzi_entry {
  uint64_t at, plain;
} mst_gzi_entry;
/* Hostile bytes; entries rise strictly in `at` and do not fall in `plain`. `*out` is freed with mst_free. */
mst_status mst_gzi_parse(const mst_allocator *mem, const uint8_t *data, size_t n, mst_gzi_entry **out, size_t *n_out,
                         mst_error *err);
mst_status mst_gzi_print(const mst_gzi_entry *entries, size_t n, mst_buf *out, mst_error *err);

#endif
