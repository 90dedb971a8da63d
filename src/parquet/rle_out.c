/* parquet/rle_out.c - the writing half of the RLE / bit-packed hybrid (parquet-format Encodings.md).
 *
 * Values are looked at in groups of eight: groups that are all one value become runs, the others bit-packed groups.
 * Owns: nothing. May call: base, column. */
#include "parquet/rle_out.h"

/* A literal run of at most this many groups has a head of one byte, which is filled in when the run ends. */
enum { GROUPS_MAX = 63, RUN_GROUPS_LEAST = 2 };

/* Where writing stands; room for the worst case was reserved. */
typedef struct hybrid {
  uint8_t *at, *head;
  unsigned width, groups;
} hybrid;

static void end_literals(hybrid *h) {
  if (h->groups > 0) *h->head = (uint8_t)(h->groups << 1 | 1);
  h->groups = 0;
}

static void put_run(hybrid *h, uint32_t value, uint64_t n) {
  uint64_t head = n << 1;
  unsigned shift;
  end_literals(h);
  for (; head >= 0x80; head >>= 7) *h->at++ = (uint8_t)(head | 0x80);
  *h->at++ = (uint8_t)head;
  for (shift = 0; shift < h->width; shift += 8) *h->at++ = (uint8_t)(value >> shift);
}

static inline void begin_group(hybrid *h) {
  if (h->groups == GROUPS_MAX) end_literals(h);
  if (h->groups++ == 0) h->head = h->at++;
}

/* A whole page's worst case: groups of their own, heads, and one run at the end. */
static mst_status make_room(mst_block *out, size_t n, unsigned width, mst_error *err) {
  size_t groups = n / 8 + 1;
  return mst_block_reserve(out, groups * width + groups / GROUPS_MAX + 64 + groups, err);
}

/* ---- levels -------------------------------------------------------------------------------------------------- */

static inline uint64_t load64(const uint8_t *p) {
  uint64_t v;
  memcpy(&v, p, 8);
  return v;
}

static inline uint64_t eight_of(uint8_t v) { return v * UINT64_C(0x0101010101010101); }

static void put_level_group(hybrid *h, uint64_t v) {
  begin_group(h);
  if (h->width == 1) {
    *h->at++ = (uint8_t)(v * UINT64_C(0x0102040810204080) >> 56);
  } else {
    uint64_t bits = 0;
    unsigned i;
    for (i = 0; i < 8; i++) bits |= (v >> (8 * i) & 0xff) << (h->width * i);
    memcpy(h->at, &bits, 8);
    h->at += h->width;
  }
}

mst_status mst_rle_put_levels(mst_block *out, const uint8_t *levels, size_t n, unsigned width, mst_error *err) {
  mst_status status = MST_OK;
  hybrid h = {.width = width};
  size_t i = 0, run;
  uint64_t v = 0;
  MST_TRY(make_room(out, n, width, err));
  h.at = out->data + out->size;
  while (n - i >= 8) {
    v = load64(levels + i);
    if (v == eight_of(levels[i])) {
      for (run = 8; n - i - run >= 8 && load64(levels + i + run) == v;) run += 8;
      if (n - i - run < 8) /* the last few may belong to it as well */
        while (i + run < n && levels[i + run] == levels[i]) run++;
      if (run >= 8 * RUN_GROUPS_LEAST || i + run == n) {
        put_run(&h, levels[i], run);
        i += run;
        continue;
      }
    }
    put_level_group(&h, v);
    i += 8;
  }
  if (i < n) {
    v = 0;
    memcpy(&v, levels + i, n - i);
    put_level_group(&h, v);
  }
  end_literals(&h);
  out->size = (size_t)(h.at - out->data);
done:
  return status;
}

/* ---- indices ------------------------------------------------------------------------------------------------- */

static inline bool all_equal(const uint32_t *v) {
  return ((v[0] ^ v[1]) | (v[0] ^ v[2]) | (v[0] ^ v[3]) | (v[0] ^ v[4]) | (v[0] ^ v[5]) | (v[0] ^ v[6]) |
          (v[0] ^ v[7])) == 0;
}

static void put_index_group(hybrid *h, const uint32_t *v) {
  uint64_t bits = 0;
  unsigned have = 0, i;
  begin_group(h);
  for (i = 0; i < 8; i++) {
    bits |= (uint64_t)v[i] << have;
    have += h->width;
    if (have >= 32) {
      mst_put_le32(h->at, (uint32_t)bits);
      h->at += 4;
      bits >>= 32;
      have -= 32;
    }
  }
  for (; have > 0; have -= 8, bits >>= 8) *h->at++ = (uint8_t)bits; /* eight values end at a byte */
}

mst_status mst_rle_put_indices(mst_block *out, const uint32_t *indices, size_t n, unsigned width, mst_error *err) {
  mst_status status = MST_OK;
  hybrid h = {.width = width};
  size_t i = 0, run;
  uint32_t last[8] = {0};
  MST_TRY(make_room(out, n, width, err));
  h.at = out->data + out->size;
  while (n - i >= 8) {
    if (all_equal(indices + i)) {
      for (run = 8; i + run < n && indices[i + run] == indices[i];) run++;
      /* Behind a run the next group begins anywhere; only at the end may it be no multiple of eight. */
      if (run >= 8 * RUN_GROUPS_LEAST || i + run == n || width == 0) {
        put_run(&h, indices[i], run);
        i += run;
        continue;
      }
    }
    put_index_group(&h, indices + i);
    i += 8;
  }
  if (i < n) {
    memcpy(last, indices + i, (n - i) * sizeof *last);
    put_index_group(&h, last);
  }
  end_literals(&h);
  out->size = (size_t)(h.at - out->data);
done:
  return status;
}
