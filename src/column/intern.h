/* column/intern.h - numbers for distinct values, in the order in which they first came: the heart of dictionaries.
 *
 * Owns: copies of the values. May call: base. Included by column/column.h. */
#ifndef MST_COLUMN_INTERN_H
#define MST_COLUMN_INTERN_H

#include "column/block.h"

/* One thread at a time. Values are either byte strings, or numbers of 4 or 8 bytes; one intern holds one sort. */
typedef struct mst_intern {
  const mst_allocator *mem;
  uint32_t *slots; /* number + 1; 0: free */
  size_t mask;     /* slots - 1           */
  uint32_t n;
  mst_block keys;   /* of each byte string: 16 bytes that tell short ones apart, and its size */
  mst_block ends;   /* uint64 ends of the byte strings           */
  mst_block values; /* bytes one behind the other, or the numbers */
} mst_intern;

void mst_intern_init(mst_intern *in, const mst_allocator *mem);
void mst_intern_free(mst_intern *in);
void mst_intern_clear(mst_intern *in); /* keeps the memory */
/* The number of a value; in->n grows when it is new. */
mst_status mst_intern_bytes(mst_intern *in, const uint8_t *p, size_t n, uint32_t *out, mst_error *err);
/* Numbers of the byte strings between ends[i] and ends[i + 1] (`wide`: int64, else int32) of `bytes`. */
mst_status mst_intern_texts(mst_intern *in, const void *ends, bool wide, const uint8_t *bytes, size_t n, uint32_t *out,
                            mst_error *err);
/* Numbers of n values at once; stops before the first value that would make more than `most` distinct ones, with the
 * count of those done in `*done`. */
mst_status mst_intern_u32(mst_intern *in, const uint8_t *values, size_t n, uint32_t most, uint32_t *out, size_t *done,
                          mst_error *err);
mst_status mst_intern_u64(mst_intern *in, const uint8_t *values, size_t n, uint32_t most, uint32_t *out, size_t *done,
                          mst_error *err);
/* A byte string by its number. */
static inline const uint8_t *mst_intern_text(const mst_intern *in, uint32_t i, size_t *n) {
  const uint64_t *ends = (const uint64_t *)(const void *)in->ends.data;
  uint64_t begin = i > 0 ? ends[i - 1] : 0;
  *n = (size_t)(ends[i] - begin);
  return in->values.data + begin;
}

/* A 64-bit hash of bytes, the same on every machine. */
uint64_t mst_hash_bytes(const void *data, size_t n, uint64_t seed);

#endif
