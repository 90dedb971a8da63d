/* codec/snappy.h - the Snappy block format (google/snappy format_description.txt) and raw LZ4 blocks
 * (lz4_Block_format.md). Both are a few hundred lines, so that no library has to be installed for them. */
#ifndef MST_CODEC_SNAPPY_H
#define MST_CODEC_SNAPPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for the match finder of either packer. */
#define MST_MATCH_TABLE_SIZE ((size_t)1 << 16)

/* false when the block is broken or does not hold exactly `out_size` bytes. */
bool mst_snappy_unpack(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size);
size_t mst_snappy_bound(size_t n);
/* `table` is scratch of MST_MATCH_TABLE_SIZE bytes; `n` is below 2^32. */
size_t mst_snappy_pack(const uint8_t *in, size_t n, uint8_t *out, void *table);

bool mst_lz4_unpack(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size);
/* One block of a chain: writes behind out[0 … done), which matches may reach back into. */
bool mst_lz4_unpack_part(const uint8_t *in, size_t in_size, uint8_t *out, size_t done, size_t out_size, size_t *got);
size_t mst_lz4_bound(size_t n);
size_t mst_lz4_pack(const uint8_t *in, size_t n, uint8_t *out, void *table);

#endif
