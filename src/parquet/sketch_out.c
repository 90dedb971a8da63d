/* parquet/sketch_out.c - level histograms, sizes of text, and Bloom filters of a column chunk.
 *
 * Owns: nothing. May call: base, column. */
#include "parquet/sketch_out.h"

#include <math.h>

#include "parquet/bloom.h"

/* ---- sizes --------------------------------------------------------------------------------------------------- */

size_t mst_pq_histogram_size(const mst_pq_leaf *leaf) {
  return leaf->max_rep > 0 || leaf->max_def > 1 ? (size_t)leaf->max_rep + leaf->max_def + 2 : 0;
}

static void count_levels(const mst_pq_kernels *kernels, const mst_block *levels, uint64_t n, uint8_t max,
                         uint64_t *counts) {
  uint64_t at_least = n;
  unsigned level;
  for (level = 0; level < max; level++) {
    uint64_t above = kernels->count_u8(levels->data, levels->size, (uint8_t)(level + 1));
    counts[level] = at_least - above;
    at_least = above;
  }
  counts[max] = at_least;
}

mst_status mst_pq_put_histogram(const mst_pq_leaf *leaf, const mst_pq_kernels *kernels, const mst_shred *levels,
                                mst_block *out, mst_error *err) {
  mst_status status = MST_OK;
  size_t size = mst_pq_histogram_size(leaf);
  uint64_t *counts;
  if (size == 0) return MST_OK;
  MST_TRY(mst_block_put_zero(out, size * sizeof *counts, err));
  counts = (uint64_t *)(void *)(out->data + out->size) - size;
  count_levels(kernels, &levels->rep, (uint64_t)levels->levels, leaf->max_rep, counts);
  count_levels(kernels, &levels->def, (uint64_t)levels->levels, leaf->max_def, counts + leaf->max_rep + 1);
done:
  return status;
}

uint64_t mst_pq_text_size(const mst_pq_leaf *leaf, const struct ArrowArray *array, const mst_pq_run *runs,
                          size_t n_runs) {
  uint64_t total = 0;
  size_t k;
  int64_t i;
  for (k = 0; k < n_runs; k++) {
    int64_t first = runs[k].first, end = first + runs[k].count;
    if (leaf->type.layout == MST_LAYOUT_OFFSETS32) {
      const int32_t *offsets = array->buffers[1];
      total += (uint64_t)(offsets[end] - offsets[first]);
    } else if (leaf->type.layout == MST_LAYOUT_OFFSETS64) {
      const int64_t *offsets = array->buffers[1];
      total += (uint64_t)(offsets[end] - offsets[first]);
    } else {
      for (i = first; i < end; i++) total += mst_le32((const uint8_t *)array->buffers[1] + 16 * i);
    }
  }
  return total;
}

/* ---- Bloom filters ------------------------------------------------------------------------------------------- */

mst_status mst_pq_put_hashes(uint32_t width, const uint8_t *plain, size_t n, mst_block *hashes, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t *to;
  size_t i, size = width;
  MST_TRY(mst_block_reserve(hashes, n * sizeof *to, err));
  to = (uint64_t *)(void *)(hashes->data + hashes->size);
  for (i = 0; i < n; i++, plain += size) {
    if (width == 0) {
      size = mst_le32(plain);
      plain += 4;
    }
    to[i] = mst_pq_hash64(plain, size);
  }
  hashes->size += n * sizeof *to;
done:
  return status;
}

/* How many of the hashes differ, about: the share of a bitmap's bits that they leave unset tells. */
static mst_status count_distinct(const uint64_t *hashes, size_t n, const mst_allocator *mem, uint64_t *out,
                                 mst_error *err) {
  mst_status status = MST_OK;
  mst_block bitmap;
  size_t bits = 1024, i, unset = 0;
  mst_block_init(&bitmap, mem);
  while (bits < 4 * n) bits *= 2;
  MST_TRY(mst_block_put_zero(&bitmap, bits / 8, err));
  for (i = 0; i < n; i++) {
    size_t bit = (size_t)(hashes[i] ^ hashes[i] >> 32) & (bits - 1);
    bitmap.data[bit >> 3] |= (uint8_t)(1u << (bit & 7));
  }
  for (i = 0; i < bits / 8; i++) unset += 8 - (size_t)__builtin_popcount(bitmap.data[i]);
  *out = (uint64_t)ceil(-(double)bits * log((double)unset / (double)bits));
done:
  mst_block_free(&bitmap);
  return status;
}

mst_status mst_pq_bloom_make(const mst_block *hashes, double share, mst_block *out, mst_error *err) {
  mst_status status = MST_OK;
  const uint64_t *h = (const uint64_t *)(const void *)hashes->data;
  size_t n = hashes->size / sizeof *h, i, size, head;
  uint64_t distinct;
  mst_buf b;
  mst_buf_init(&b, out->mem, 4096);
  if (n == 0) return MST_OK;
  MST_TRY(count_distinct(h, n, out->mem, &distinct, err));
  size = mst_pq_bloom_size(distinct, share);
  MST_TRY(mst_pq_bloom_put_head(&b, size, err));
  head = b.size;
  MST_TRY(mst_block_put(out, b.data, head, err));
  MST_TRY(mst_block_put_zero(out, size, err));
  for (i = 0; i < n; i++) mst_pq_bloom_add(out->data + head, size, h[i]);
done:
  mst_buf_free(&b);
  return status;
}
