/* base/bits.h - checked arithmetic on sizes from input, and unaligned little- and big-endian access. */
#ifndef MST_BASE_BITS_H
#define MST_BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* true when the result fits; `*out` is untouched otherwise. */
static inline bool mst_add_u64(uint64_t a, uint64_t b, uint64_t *out) {
  uint64_t r;
  if (__builtin_add_overflow(a, b, &r)) return false;
  *out = r;
  return true;
}
static inline bool mst_mul_u64(uint64_t a, uint64_t b, uint64_t *out) {
  uint64_t r;
  if (__builtin_mul_overflow(a, b, &r)) return false;
  *out = r;
  return true;
}
static inline bool mst_add_size(size_t a, size_t b, size_t *out) {
  size_t r;
  if (__builtin_add_overflow(a, b, &r)) return false;
  *out = r;
  return true;
}
static inline bool mst_mul_size(size_t a, size_t b, size_t *out) {
  size_t r;
  if (__builtin_mul_overflow(a, b, &r)) return false;
  *out = r;
  return true;
}
static inline uint64_t mst_min_u64(uint64_t a, uint64_t b) { return a < b ? a : b; }
static inline uint64_t mst_max_u64(uint64_t a, uint64_t b) { return a > b ? a : b; }
static inline size_t mst_min_size(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t mst_max_size(size_t a, size_t b) { return a > b ? a : b; }

static inline uint16_t mst_le16(const void *p) {
  const uint8_t *b = p;
  return (uint16_t)(b[0] | b[1] << 8);
}
static inline uint32_t mst_le32(const void *p) {
  const uint8_t *b = p;
  return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}
static inline uint64_t mst_le64(const void *p) {
  return (uint64_t)mst_le32(p) | (uint64_t)mst_le32((const uint8_t *)p + 4) << 32;
}
static inline uint32_t mst_be32(const void *p) { return __builtin_bswap32(mst_le32(p)); }
static inline uint64_t mst_be64(const void *p) { return __builtin_bswap64(mst_le64(p)); }
static inline void mst_put_le16(void *p, uint16_t v) {
  uint8_t *b = p;
  b[0] = (uint8_t)v;
  b[1] = (uint8_t)(v >> 8);
}
static inline void mst_put_le32(void *p, uint32_t v) {
  mst_put_le16(p, (uint16_t)v);
  mst_put_le16((uint8_t *)p + 2, (uint16_t)(v >> 16));
}
static inline void mst_put_le64(void *p, uint64_t v) {
  mst_put_le32(p, (uint32_t)v);
  mst_put_le32((uint8_t *)p + 4, (uint32_t)(v >> 32));
}

#endif
