/* parquet/delta_in.c - DELTA_BINARY_PACKED (parquet-format Encodings.md).
 *
 * Owns: nothing. May call: base. */
#include "parquet/delta_in.h"

enum { VALUES_A_BLOCK_MAX = 1 << 20 };

static bool take_varint(mst_delta_in *d, uint64_t *out) {
  uint64_t v = 0;
  unsigned shift;
  for (shift = 0; shift < 70; shift += 7) {
    uint8_t byte;
    if (d->at == d->end) return false;
    byte = *d->at++;
    if (shift < 64) v |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) {
      *out = v;
      return true;
    }
  }
  return false;
}

static uint64_t unzigzag(uint64_t v) { return v >> 1 ^ (0 - (v & 1)); }

bool mst_delta_in_begin(mst_delta_in *d, const uint8_t *data, size_t n, uint64_t most) {
  uint64_t block, minis, total, first;
  *d = (mst_delta_in){.at = data, .end = data + n};
  if (!take_varint(d, &block) || !take_varint(d, &minis) || !take_varint(d, &total) || !take_varint(d, &first))
    return false;
  if (block == 0 || block % 128 != 0 || block > VALUES_A_BLOCK_MAX || minis == 0 || block % minis != 0) return false;
  if ((block / minis) % 32 != 0 || total > most) return false;
  d->per_mini = block / minis;
  d->minis = (uint32_t)minis;
  d->mini = d->minis;
  d->left = total;
  d->last = unzigzag(first);
  d->first = true;
  return true;
}

/* Opens the next miniblock, and the next block where one ended. */
static bool next_mini(mst_delta_in *d) {
  uint64_t v, bytes;
  if (d->mini == d->minis) {
    if (!take_varint(d, &v) || (uint64_t)(d->end - d->at) < d->minis) return false;
    d->min_delta = unzigzag(v);
    d->widths = d->at;
    d->at += d->minis;
    d->mini = 0;
  }
  if (d->widths[d->mini] > 64) return false;
  bytes = d->per_mini / 8 * d->widths[d->mini];
  d->packed = d->at;
  d->bit = 0;
  d->mini_left = d->per_mini;
  /* The last miniblock may be cut behind the last value. */
  if (bytes > (uint64_t)(d->end - d->at)) {
    bytes = (uint64_t)(d->end - d->at);
    if (bytes * 8 < mst_min_u64(d->left, d->per_mini) * d->widths[d->mini]) return false;
  }
  d->at += bytes;
  d->mini++;
  return true;
}

static uint64_t load_part(const uint8_t *p, const uint8_t *end) {
  uint64_t v = 0;
  size_t n = end > p ? (size_t)(end - p) : 0;
  memcpy(&v, p, n < 8 ? n : 8);
  return v;
}

/* Value of `width` bits at bit `bit`, which may straddle nine bytes. */
static inline uint64_t unpack_one(const uint8_t *p, const uint8_t *end, uint64_t bit, unsigned width) {
  const uint8_t *at = p + (bit >> 3);
  unsigned shift = (unsigned)(bit & 7);
  uint64_t v = (end - at >= 8 ? mst_le64(at) : load_part(at, end)) >> shift;
  if (shift + width > 64) v |= (uint64_t)(end - at > 8 ? at[8] : 0) << (64 - shift);
  return width == 64 ? v : v & (((uint64_t)1 << width) - 1);
}

/* The next run of deltas within one miniblock, added up. */
static size_t take_deltas(mst_delta_in *d, int64_t *out, size_t n) {
  unsigned width = d->widths[d->mini - 1];
  uint64_t last = d->last, bit = d->bit;
  size_t i;
  if (n > d->mini_left) n = (size_t)d->mini_left;
  if (width == 0) {
    for (i = 0; i < n; i++) out[i] = (int64_t)(last += d->min_delta);
  } else {
    for (i = 0; i < n; i++, bit += width)
      out[i] = (int64_t)(last += d->min_delta + unpack_one(d->packed, d->at, bit, width));
  }
  d->last = last;
  d->bit = bit;
  d->mini_left -= n;
  d->left -= n;
  return n;
}

bool mst_delta_in_i64(mst_delta_in *d, int64_t *out, size_t n) {
  size_t k;
  if (n > d->left) return false;
  if (n > 0 && d->first) {
    *out++ = (int64_t)d->last;
    d->first = false;
    d->left--;
    n--;
  }
  while (n > 0) {
    if (d->mini_left == 0 && !next_mini(d)) return false;
    k = take_deltas(d, out, n);
    out += k;
    n -= k;
  }
  return true;
}

bool mst_delta_in_i32(mst_delta_in *d, int32_t *out, size_t n) {
  int64_t some[256];
  size_t i, k;
  for (; n > 0; n -= k, out += k) {
    k = mst_min_size(n, sizeof some / sizeof some[0]);
    if (!mst_delta_in_i64(d, some, k)) return false;
    for (i = 0; i < k; i++) out[i] = (int32_t)(uint32_t)(uint64_t)some[i]; /* 32-bit deltas wrap */
  }
  return true;
}

const uint8_t *mst_delta_in_end(const mst_delta_in *d) { return d->at; }
