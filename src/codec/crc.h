/* codec/crc.h - CRC-32 (the one of gzip, zlib and PNG) of bytes, and of bytes known only by their CRC and length. */
#ifndef MST_CODEC_CRC_H
#define MST_CODEC_CRC_H

#include <stddef.h>
#include <stdint.h>

/* `crc` is that of what came before; 0 at the beginning. */
uint32_t mst_crc32(uint32_t crc, const void *data, size_t n);
/* The CRC of A ++ B from those of A and B. */
uint32_t mst_crc32_combine(uint32_t a, uint32_t b, uint64_t b_size);
/* The CRC of B from those of A ++ B and A. */
uint32_t mst_crc32_tail(uint32_t whole, uint32_t a, uint64_t b_size);

#endif
