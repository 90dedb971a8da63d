/* parquet/bloom.c - split block Bloom filters and their hash.
 *
 * Owns: nothing. May call: base. */
#include "parquet/bloom.h"

#include <math.h>

#include "parquet/thrift.h"

/* ---- XXH64 (Yann Collet's xxHash specification), seed 0 ------------------------------------------------------- */

static const uint64_t P1 = 0x9e3779b185ebca87u, P2 = 0xc2b2ae3d27d4eb4fu, P3 = 0x165667b19e3779f9u,
                      P4 = 0x85ebca77c2b2ae63u, P5 = 0x27d4eb2f165667c5u;

static inline uint64_t rotate(uint64_t v, unsigned n) { return v << n | v >> (64 - n); }

static inline uint64_t mix(uint64_t lane, uint64_t v) { return rotate(lane + v * P2, 31) * P1; }

/* Four lanes over stripes of 32 bytes; `*at` moves behind them. */
static uint64_t stripes(const uint8_t **at, const uint8_t *end) {
  uint64_t lanes[4] = {P1 + P2, P2, 0, 0 - P1}, h;
  const uint8_t *p = *at;
  unsigned i;
  for (; end - p >= 32; p += 32)
    for (i = 0; i < 4; i++) lanes[i] = mix(lanes[i], mst_le64(p + 8 * i));
  h = rotate(lanes[0], 1) + rotate(lanes[1], 7) + rotate(lanes[2], 12) + rotate(lanes[3], 18);
  for (i = 0; i < 4; i++) h = (h ^ mix(0, lanes[i])) * P1 + P4;
  *at = p;
  return h;
}

uint64_t mst_pq_hash64(const void *data, size_t n) {
  const uint8_t *p = data, *end = p + n;
  uint64_t h = P5;
  if (n >= 32) h = stripes(&p, end);
  h += n;
  for (; end - p >= 8; p += 8) h = rotate(h ^ mix(0, mst_le64(p)), 27) * P1 + P4;
  for (; end - p >= 4; p += 4) h = rotate(h ^ mst_le32(p) * P1, 23) * P2 + P3;
  for (; p < end; p++) h = rotate(h ^ *p * P5, 11) * P1;
  h = (h ^ h >> 33) * P2;
  h = (h ^ h >> 29) * P3;
  return h ^ h >> 32;
}

/* ---- filters ------------------------------------------------------------------------------------------------- */

/* The share of false finds with `load` values a block on average. Blocks hold more or fewer, as Poisson says; a block
 * of k values has each of its 8 words' bits set with the chance 1 - (31/32)^k. */
static double false_share(double load) {
  double chance = exp(-load), share = 0, k, most = load + 8 * sqrt(load) + 16;
  for (k = 0; k < most; k++, chance *= load / k) share += chance * pow(1 - pow(31.0 / 32, k), 8);
  return share;
}

size_t mst_pq_bloom_size(uint64_t distinct, double share) {
  size_t size = MST_PQ_BLOOM_BLOCK;
  double load = (double)distinct;
  /* More than 64 values leave a block useless, whatever the share; and exp() must not run out of range. */
  for (; size < MST_PQ_BLOOM_MOST && (load > 64 || false_share(load) > share); load /= 2) size *= 2;
  return size;
}

static const uint32_t salts[8] = {0x47b6137bu, 0x44974d91u, 0x8824ad5bu, 0xa2b7289du,
                                  0x705495c7u, 0x2df1424bu, 0x9efc4947u, 0x5c6bfb31u};

static size_t block_of(size_t size, uint64_t hash) {
  return (size_t)((hash >> 32) * (uint64_t)(size / MST_PQ_BLOOM_BLOCK) >> 32) * MST_PQ_BLOOM_BLOCK;
}

void mst_pq_bloom_add(uint8_t *filter, size_t size, uint64_t hash) {
  uint8_t *block = filter + block_of(size, hash);
  unsigned i;
  for (i = 0; i < 8; i++, block += 4)
    mst_put_le32(block, mst_le32(block) | UINT32_C(1) << ((uint32_t)hash * salts[i] >> 27));
}

bool mst_pq_bloom_may_have(const uint8_t *filter, size_t size, uint64_t hash) {
  const uint8_t *block = filter + block_of(size, hash);
  unsigned i;
  for (i = 0; i < 8; i++, block += 4)
    if ((mst_le32(block) >> ((uint32_t)hash * salts[i] >> 27) & 1) == 0) return false;
  return true;
}

/* ---- headers ------------------------------------------------------------------------------------------------- */

mst_status mst_pq_bloom_put_head(mst_buf *out, size_t size, mst_error *err) {
  mst_status status = MST_OK;
  int16_t last = 0, id;
  MST_TRY(mst_thrift_put_i32(out, &last, 1, (int32_t)size, err));
  for (id = 2; id <= 4; id++) { /* the split block algorithm, XXHASH, UNCOMPRESSED: the first of their unions */
    int16_t inner = 0;
    MST_TRY(mst_thrift_put_struct(out, &last, id, err));
    MST_TRY(mst_thrift_put_struct(out, &inner, 1, err));
    MST_TRY(mst_thrift_put_stop(out, err));
    MST_TRY(mst_thrift_put_stop(out, err));
  }
  MST_TRY(mst_thrift_put_stop(out, err));
done:
  return status;
}

/* Which member of a union of empty structs is set; 0 for none. */
static int16_t union_member(mst_thrift *t, uint8_t type) {
  mst_thrift_field f = {0};
  int16_t member = 0;
  if (!mst_thrift_enter(t, type)) return 0;
  while (mst_thrift_next(t, &f)) {
    member = f.id;
    mst_thrift_skip(t, f.type);
  }
  mst_thrift_leave(t);
  return member;
}

mst_status mst_pq_bloom_head(const uint8_t *data, size_t n, bool *whole, size_t *head, size_t *size, mst_error *err) {
  mst_thrift t = mst_thrift_over(data, n);
  mst_thrift_field f = {0};
  int32_t bytes = 0;
  int16_t members[5] = {0};
  *whole = false;
  while (mst_thrift_next(&t, &f)) {
    if (f.id == 1) {
      bytes = mst_thrift_i32(&t, f.type);
    } else if (f.id >= 2 && f.id <= 4) {
      members[f.id] = union_member(&t, f.type);
    } else {
      mst_thrift_skip(&t, f.type);
    }
  }
  if (t.bad != NULL && t.bad_at >= n) return MST_OK;
  if (t.bad != NULL)
    return mst_fail(err, MST_E_CORRUPT, "broken Bloom filter header at its byte %zu: %s", t.bad_at, t.bad);
  if (members[2] != 1 || members[3] != 1 || members[4] != 1)
    return mst_fail(err, MST_E_UNSUPPORTED, "a Bloom filter of an unknown algorithm, hash or compression");
  if (bytes <= 0 || bytes % MST_PQ_BLOOM_BLOCK != 0)
    return mst_fail(err, MST_E_CORRUPT, "a Bloom filter of %d bytes, not of whole blocks of 32", bytes);
  *whole = true;
  *head = t.at;
  *size = (size_t)bytes;
  return MST_OK;
}
