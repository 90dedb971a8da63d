/* parquet/rle_in.c - the reading half of the RLE / bit-packed hybrid (parquet-format Encodings.md).
 *
 * Owns: nothing. May call: base. */
#include "parquet/rle_in.h"

void mst_rle_in_begin(mst_rle_in *r, const mst_pq_kernels *kernels, const uint8_t *data, size_t n, unsigned width) {
  *r = (mst_rle_in){.kernels = kernels, .at = data, .end = data + n, .width = width};
}

void mst_bit_packed_begin(mst_rle_in *r, const mst_pq_kernels *kernels, const uint8_t *data, size_t n, unsigned width) {
  *r = (mst_rle_in){.kernels = kernels,
                    .at = data + n,
                    .end = data + n,
                    .width = width,
                    .packed = data,
                    .packed_end = data + n,
                    .literals = width > 0 ? (uint64_t)n * 8 / width : UINT64_MAX,
                    .most_first = true};
}

/* Opens the next run; false at the end and for broken ones. */
static bool next_run(mst_rle_in *r) {
  uint64_t head = 0, bytes;
  unsigned shift, i;
  for (shift = 0;; shift += 7) {
    if (r->at == r->end || shift > 63) return false;
    head |= (uint64_t)(*r->at & 0x7f) << shift;
    if ((*r->at++ & 0x80) == 0) break;
  }
  if ((head & 1) == 0) {
    bytes = (r->width + 7) / 8;
    if ((uint64_t)(r->end - r->at) < bytes) return false;
    r->repeats = head >> 1;
    r->value = 0;
    for (i = 0; i < bytes; i++) r->value |= (uint32_t)*r->at++ << (8 * i);
    return r->width == 32 || r->value >> r->width == 0;
  }
  if (head >> 1 > UINT32_MAX) return false;
  bytes = (head >> 1) * r->width;
  r->literals = (head >> 1) * 8;
  /* Some writers cut the padding of the last run. */
  if (bytes > (uint64_t)(r->end - r->at)) {
    bytes = (uint64_t)(r->end - r->at);
    r->literals = bytes * 8 / r->width;
  }
  r->packed = r->at;
  r->at += bytes;
  r->packed_end = r->at;
  r->bit = 0;
  return true;
}

static bool ready(mst_rle_in *r) {
  while (r->repeats == 0 && r->literals == 0)
    if (!next_run(r)) return false;
  return true;
}

static uint64_t load_part(const uint8_t *p, const uint8_t *end) {
  uint64_t v = 0;
  size_t n = end > p ? (size_t)(end - p) : 0;
  memcpy(&v, p, n < 8 ? n : 8);
  return v;
}

static uint32_t unpack_one(const mst_rle_in *r, uint64_t bit) {
  uint64_t v = load_part(r->packed + (bit >> 3), r->packed_end) >> (bit & 7);
  return (uint32_t)v & (r->width == 32 ? UINT32_MAX : (UINT32_C(1) << r->width) - 1);
}

/* Groups of eight begin at bytes; what comes before and behind them goes value by value. */
static void unpack(const mst_rle_in *r, uint32_t *out, size_t n) {
  uint64_t bit = r->bit;
  size_t i = 0, groups;
  if (r->width == 0) {
    memset(out, 0, n * sizeof *out);
    return;
  }
  for (; i < n && bit % (8 * r->width) != 0; i++, bit += r->width) out[i] = unpack_one(r, bit);
  groups = (n - i) & ~(size_t)7;
  if (groups > 0) r->kernels->unpack(r->packed + bit / 8, r->end, r->width, out + i, groups);
  for (i += groups, bit += groups * r->width; i < n; i++, bit += r->width) out[i] = unpack_one(r, bit);
}

/* The old encoding puts the most significant bit first. */
static uint32_t unpack_most_first(const mst_rle_in *r, uint64_t bit) {
  uint32_t v = 0;
  unsigned i;
  for (i = 0; i < r->width; i++, bit++) v = v << 1 | (uint32_t)(r->packed[bit >> 3] >> (7 - (bit & 7)) & 1);
  return v;
}

static void take_literals(mst_rle_in *r, uint32_t *out, size_t n) {
  size_t i;
  if (r->most_first) {
    for (i = 0; i < n; i++) out[i] = unpack_most_first(r, r->bit + i * r->width);
  } else {
    unpack(r, out, n);
  }
  r->bit += (uint64_t)n * r->width;
  r->literals -= n;
}

bool mst_rle_in_u32(mst_rle_in *r, uint32_t *out, size_t n) {
  size_t i, k;
  while (n > 0) {
    if (!ready(r)) return false;
    if (r->repeats > 0) {
      k = (size_t)mst_min_u64(n, r->repeats);
      for (i = 0; i < k; i++) out[i] = r->value;
      r->repeats -= k;
    } else {
      k = (size_t)mst_min_u64(n, r->literals);
      take_literals(r, out, k);
    }
    out += k;
    n -= k;
  }
  return true;
}

/* Levels of one or two bits, eight at a time: each ends up in a byte of its own. */
static size_t unpack_bytes(const mst_rle_in *r, uint8_t *out, size_t n) {
  const uint8_t *p = r->packed + r->bit / 8;
  size_t i = 0;
  uint64_t v;
  if (r->most_first || r->width == 0 || r->bit % (8 * r->width) != 0) return 0;
  for (; r->width == 1 && i + 8 <= n; i += 8, p++) {
    v = (*p * UINT64_C(0x0101010101010101)) & UINT64_C(0x8040201008040201);
    v = ((v + UINT64_C(0x7f7f7f7f7f7f7f7f)) >> 7) & UINT64_C(0x0101010101010101);
    memcpy(out + i, &v, 8);
  }
  for (; r->width == 2 && i + 8 <= n; i += 8, p += 2) {
    uint64_t b = mst_le16(p);
    v = (b & 0xff) | (b & 0xff00) << 24;
    v = (v | v << 6 | v << 12 | v << 18) & UINT64_C(0x0303030303030303);
    memcpy(out + i, &v, 8);
  }
  return i;
}

bool mst_rle_in_u8(mst_rle_in *r, uint8_t *out, size_t n) {
  uint32_t some[256];
  size_t i, k;
  while (n > 0) {
    if (!ready(r)) return false;
    if (r->repeats > 0) {
      k = (size_t)mst_min_u64(n, r->repeats);
      memset(out, (int)r->value, k);
      r->repeats -= k;
    } else {
      k = unpack_bytes(r, out, (size_t)mst_min_u64(n, r->literals));
      r->bit += (uint64_t)k * r->width;
      r->literals -= k;
      if (k == 0) {
        k = (size_t)mst_min_u64(mst_min_u64(n, r->literals), sizeof some / sizeof some[0]);
        if (!r->most_first && r->width > 0 && r->width <= 2) k = mst_min_size(k, 8);
        take_literals(r, some, k);
        for (i = 0; i < k; i++) out[i] = (uint8_t)some[i];
      }
    }
    out += k;
    n -= k;
  }
  return true;
}

void mst_set_bits(uint8_t *bits, size_t at, size_t n) {
  for (; n > 0 && (at & 7) != 0; n--, at++) bits[at >> 3] |= (uint8_t)(1u << (at & 7));
  memset(bits + (at >> 3), 0xff, n / 8);
  at += n & ~(size_t)7;
  for (n &= 7; n > 0; n--, at++) bits[at >> 3] |= (uint8_t)(1u << (at & 7));
}

/* Copies n bits and counts the ones; up to 56 at a time. */
static size_t copy_bits(uint8_t *to, size_t at, const mst_rle_in *r, size_t n) {
  size_t ones = 0, k;
  uint64_t bit = r->bit, v;
  while (n > 0) {
    k = 56 - (at & 7) < n ? 56 - (at & 7) : n;
    v = load_part(r->packed + (bit >> 3), r->packed_end) >> (bit & 7);
    if (k > 57 - (bit & 7)) k = 57 - (bit & 7);
    v &= ((uint64_t)1 << k) - 1;
    ones += (size_t)__builtin_popcountll(v);
    v <<= at & 7;
    for (uint8_t *p = to + (at >> 3); v != 0; v >>= 8) *p++ |= (uint8_t)v;
    at += k;
    bit += k;
    n -= k;
  }
  return ones;
}

bool mst_rle_in_bits(mst_rle_in *r, uint8_t *bits, size_t at, size_t n, size_t *ones) {
  size_t i, k;
  *ones = 0;
  while (n > 0) {
    if (!ready(r)) return false;
    if (r->repeats > 0) {
      k = (size_t)mst_min_u64(n, r->repeats);
      if (r->value != 0) {
        mst_set_bits(bits, at, k);
        *ones += k;
      }
      r->repeats -= k;
    } else {
      k = (size_t)mst_min_u64(n, r->literals);
      if (r->most_first) {
        for (i = 0; i < k; i++)
          if (unpack_most_first(r, r->bit + i) != 0) {
            mst_set_bits(bits, at + i, 1);
            ++*ones;
          }
      } else {
        *ones += copy_bits(bits, at, r, k);
      }
      r->bit += k;
      r->literals -= k;
    }
    at += k;
    n -= k;
  }
  return true;
}

size_t mst_rle_in_equal(mst_rle_in *r, size_t n, uint32_t *value) {
  size_t k;
  if (!ready(r) || r->repeats == 0) return 0;
  k = (size_t)mst_min_u64(n, r->repeats);
  r->repeats -= k;
  *value = r->value;
  return k;
}
