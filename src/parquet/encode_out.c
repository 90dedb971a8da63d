/* parquet/encode_out.c - DELTA_BINARY_PACKED, DELTA_LENGTH_BYTE_ARRAY, DELTA_BYTE_ARRAY, BYTE_STREAM_SPLIT, RLE of
 * bools (parquet-format Encodings.md).
 *
 * Owns: nothing. May call: base, column. */
#include "parquet/encode_out.h"

#include "parquet/rle_out.h"

enum { BLOCK = 128, MINI = 32, MINIS = BLOCK / MINI };

/* ---- integers ------------------------------------------------------------------------------------------------ */

static void put_varint(mst_block *out, uint64_t v) {
  for (; v >= 0x80; v >>= 7) out->data[out->size++] = (uint8_t)(v | 0x80);
  out->data[out->size++] = (uint8_t)v;
}

static uint64_t zigzag(int64_t v) { return (uint64_t)v << 1 ^ (uint64_t)(v >> 63); }

/* 32 numbers of `width` bits, which end at a byte. */
static void pack_mini(mst_block *out, const uint64_t *v, unsigned width) {
  uint8_t *at = out->data + out->size;
  uint64_t bits = 0;
  unsigned have = 0, i;
  for (i = 0; i < MINI; i++) {
    bits |= v[i] << have;
    if (have + width >= 64) {
      mst_put_le64(at, bits);
      at += 8;
      bits = have > 0 ? v[i] >> (64 - have) : 0;
      have = have + width - 64;
      if (have == 0) bits = 0;
    } else {
      have += width;
    }
  }
  for (; have > 0; have -= 8, bits >>= 8) *at++ = (uint8_t)bits;
  out->size += 4 * (size_t)width;
}

/* Up to 128 deltas. Bits of a delta of 32-bit numbers fit 32 bits, because they wrap. */
static void put_block(mst_block *out, const uint64_t *deltas, size_t n, bool narrow) {
  int64_t least = INT64_MAX;
  uint64_t rest[BLOCK] = {0}, all;
  size_t i, m, used = (n + MINI - 1) / MINI;
  uint8_t *widths;
  for (i = 0; i < n; i++) least = (int64_t)deltas[i] < least ? (int64_t)deltas[i] : least;
  for (i = 0; i < n; i++) rest[i] = narrow ? (uint32_t)(deltas[i] - (uint64_t)least) : deltas[i] - (uint64_t)least;
  put_varint(out, zigzag(least));
  widths = out->data + out->size;
  out->size += MINIS;
  memset(widths, 0, MINIS);
  for (m = 0; m < used; m++) {
    for (all = 0, i = 0; i < MINI; i++) all |= rest[m * MINI + i];
    widths[m] = (uint8_t)(all == 0 ? 0 : 64 - __builtin_clzll(all));
    pack_mini(out, rest + m * MINI, widths[m]);
  }
}

/* Numbers of 4 or 8 bytes. */
static mst_status put_delta(const uint8_t *values, uint32_t width, size_t n, mst_block *out, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t deltas[BLOCK], before, v;
  size_t i = 0, k;
  bool narrow = width == 4;
  MST_TRY(mst_block_reserve(out, 64, err));
  before = n == 0 ? 0 : narrow ? (uint64_t)(int64_t)(int32_t)mst_le32(values) : mst_le64(values);
  put_varint(out, BLOCK);
  put_varint(out, MINIS);
  put_varint(out, n);
  put_varint(out, zigzag((int64_t)before));
  for (i = 1; i < n; i += k) {
    k = mst_min_size(n - i, BLOCK);
    for (size_t j = 0; j < k; j++) {
      v = narrow ? (uint64_t)(int64_t)(int32_t)mst_le32(values + 4 * (i + j)) : mst_le64(values + 8 * (i + j));
      deltas[j] = narrow ? (uint64_t)(int64_t)(int32_t)(uint32_t)(v - before) : v - before;
      before = v;
    }
    MST_TRY(mst_block_reserve(out, 32 + BLOCK * 8, err));
    put_block(out, deltas, k, narrow);
  }
done:
  return status;
}

/* ---- byte strings -------------------------------------------------------------------------------------------- */

static mst_status put_delta_lengths(const uint8_t *plain, size_t n, mst_block *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_block lengths;
  const uint8_t *at = plain;
  size_t i;
  uint32_t size;
  mst_block_init(&lengths, out->mem);
  MST_TRY(mst_block_reserve(&lengths, 4 * n, err));
  for (i = 0; i < n; i++, at += 4 + size) {
    size = mst_le32(at);
    MST_TRY(mst_block_put(&lengths, at, 4, err));
  }
  MST_TRY(put_delta(lengths.data, 4, n, out, err));
  MST_TRY(mst_block_reserve(out, (size_t)(at - plain), err));
  for (at = plain, i = 0; i < n; i++, at += 4 + size) {
    size = mst_le32(at);
    MST_TRY(mst_block_put(out, at + 4, size, err));
  }
done:
  mst_block_free(&lengths);
  return status;
}

static size_t common_prefix(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size) {
  size_t n = mst_min_size(a_size, b_size), i;
  for (i = 0; i < n && a[i] == b[i]; i++) {
  }
  return i;
}

/* What each value shares with the one before it, and the rest. `width` > 0: values of that length, without lengths. */
static mst_status put_delta_strings(const uint8_t *plain, uint32_t width, size_t n, mst_block *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_block prefixes, suffixes;
  const uint8_t *at = plain, *p, *last = plain;
  size_t i, size, last_size = 0;
  uint32_t prefix, rest;
  mst_block_init(&prefixes, out->mem);
  mst_block_init(&suffixes, out->mem);
  for (i = 0; i < n; i++, at = p + size) {
    p = width > 0 ? at : at + 4;
    size = width > 0 ? width : mst_le32(at);
    prefix = (uint32_t)common_prefix(p, size, last, last_size);
    rest = (uint32_t)size - prefix;
    MST_TRY(mst_block_put(&prefixes, &prefix, 4, err));
    MST_TRY(mst_block_put(&suffixes, &rest, 4, err));
    last = p;
    last_size = size;
  }
  MST_TRY(mst_block_reserve(&prefixes, 0, err));
  MST_TRY(mst_block_reserve(&suffixes, 0, err));
  MST_TRY(put_delta(prefixes.data, 4, n, out, err));
  MST_TRY(put_delta(suffixes.data, 4, n, out, err));
  for (at = plain, i = 0; i < n; i++, at = p + size) {
    p = width > 0 ? at : at + 4;
    size = width > 0 ? width : mst_le32(at);
    prefix = mst_le32(prefixes.data + 4 * i);
    MST_TRY(mst_block_put(out, p + prefix, size - prefix, err));
  }
done:
  mst_block_free(&prefixes);
  mst_block_free(&suffixes);
  return status;
}

/* ---- the others ---------------------------------------------------------------------------------------------- */

static mst_status put_split(const uint8_t *plain, uint32_t width, size_t n, mst_block *out, mst_error *err) {
  mst_status status = MST_OK;
  uint32_t b;
  size_t i, at, part;
  uint8_t *to;
  MST_TRY(mst_block_reserve(out, n * width, err));
  to = out->data + out->size;
  /* In pieces that stay in the first-level cache while each of their bytes is visited. */
  for (at = 0; at < n; at += part) {
    part = mst_min_size(n - at, 1024);
    for (b = 0; b < width; b++) {
      const uint8_t *from = plain + at * width + b;
      for (i = 0; i < part; i++) to[b * n + at + i] = from[i * width];
    }
  }
  out->size += n * width;
done:
  return status;
}

static mst_status put_rle_bools(const uint8_t *bits, size_t n, mst_block *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_block levels;
  size_t i, at = out->size;
  mst_block_init(&levels, out->mem);
  MST_TRY(mst_block_reserve(&levels, n, err));
  for (i = 0; i < n; i++) levels.data[i] = bits[i >> 3] >> (i & 7) & 1;
  MST_TRY(mst_block_put_zero(out, 4, err));
  MST_TRY(mst_rle_put_levels(out, levels.data, n, 1, err));
  mst_put_le32(out->data + at, (uint32_t)(out->size - at - 4));
done:
  mst_block_free(&levels);
  return status;
}

bool mst_pq_can_encode(mst_pq_encoding encoding, mst_pq_physical physical) {
  switch (encoding) {
  case MST_PQ_RLE: return physical == MST_PQ_BOOLEAN;
  case MST_PQ_DELTA_BINARY_PACKED: return physical == MST_PQ_INT32 || physical == MST_PQ_INT64;
  case MST_PQ_DELTA_LENGTH_BYTE_ARRAY: return physical == MST_PQ_BYTE_ARRAY;
  case MST_PQ_DELTA_BYTE_ARRAY: return physical == MST_PQ_BYTE_ARRAY || physical == MST_PQ_FIXED;
  case MST_PQ_BYTE_STREAM_SPLIT:
    return physical != MST_PQ_BOOLEAN && physical != MST_PQ_BYTE_ARRAY && physical != MST_PQ_INT96;
  default: return false;
  }
}

mst_status mst_pq_encode(mst_pq_encoding encoding, uint32_t width, const uint8_t *plain, size_t size, size_t n,
                         mst_block *out, mst_error *err) {
  switch (encoding) {
  case MST_PQ_RLE: return put_rle_bools(plain, n, out, err);
  case MST_PQ_DELTA_BINARY_PACKED: return put_delta(plain, width, n, out, err);
  case MST_PQ_DELTA_LENGTH_BYTE_ARRAY: return put_delta_lengths(plain, n, out, err);
  case MST_PQ_DELTA_BYTE_ARRAY: return put_delta_strings(plain, width, n, out, err);
  case MST_PQ_BYTE_STREAM_SPLIT: return put_split(plain, width, n, out, err);
  default: return mst_block_put(out, plain, size, err);
  }
}
