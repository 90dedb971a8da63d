/* column/intern.c - an open-addressing table from values to their numbers.
 *
 * Owns: the table and copies of the values. May call: base. */
#include "column/intern.h"

enum { SLOTS_FIRST = 256 };

void mst_intern_init(mst_intern *in, const mst_allocator *mem) {
  *in = (mst_intern){.mem = mem};
  mst_block_init(&in->keys, mem);
  mst_block_init(&in->ends, mem);
  mst_block_init(&in->values, mem);
}

void mst_intern_free(mst_intern *in) {
  mst_free(in->mem, in->slots);
  mst_block_free(&in->keys);
  mst_block_free(&in->ends);
  mst_block_free(&in->values);
  mst_intern_init(in, in->mem);
}

void mst_intern_clear(mst_intern *in) {
  if (in->slots != NULL) memset(in->slots, 0, (in->mask + 1) * sizeof *in->slots);
  in->n = 0;
  in->keys.size = in->ends.size = in->values.size = 0;
}

/* ---- hashing ------------------------------------------------------------------------------------------------- */

__extension__ typedef unsigned __int128 u128;

/* The high and low half of a 128-bit product, folded: two multiplications mix 16 bytes well. */
static inline uint64_t fold(uint64_t a, uint64_t b) {
  u128 p = (u128)a * b;
  return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static inline uint64_t load64(const uint8_t *p) {
  uint64_t v;
  memcpy(&v, p, 8);
  return v;
}

/* Up to 8 bytes without reading beyond them. */
static inline uint64_t load_short(const uint8_t *p, size_t n) {
  uint32_t low, high;
  if (n >= 4) {
    memcpy(&low, p, 4);
    memcpy(&high, p + n - 4, 4);
    return (uint64_t)high << 32 | low;
  }
  if (n == 0) return 0;
  return (uint64_t)p[0] << 16 | (uint64_t)p[n >> 1] << 8 | p[n - 1];
}

static const uint64_t SALT_A = 0x9e3779b97f4a7c15u, SALT_B = 0xd6e8feb86659fd93u;

uint64_t mst_hash_bytes(const void *data, size_t n, uint64_t seed) {
  const uint8_t *p = data;
  uint64_t h = seed ^ fold(n + SALT_A, SALT_B);
  for (; n > 16; n -= 16, p += 16) h = fold(load64(p) ^ SALT_A, load64(p + 8) ^ h);
  if (n > 8) return fold(load64(p) ^ SALT_B, load64(p + n - 8) ^ h);
  return fold(load_short(p, n) ^ SALT_B, h ^ SALT_A);
}

static inline uint64_t hash_number(uint64_t v) { return fold(v ^ SALT_A, SALT_B); }

/* ---- the table ----------------------------------------------------------------------------------------------- */

/* Strings of up to 16 bytes are known by these alone; of longer ones `a` is a hash of all bytes. */
typedef struct text_key {
  uint64_t a, b;
  uint64_t size;
} text_key;

static inline text_key key_of(const uint8_t *p, size_t n) {
  if (n <= 8) return (text_key){load_short(p, n), 0, n};
  if (n <= 16) return (text_key){load64(p), load64(p + n - 8), n};
  return (text_key){mst_hash_bytes(p, n, 0), load64(p), n};
}

static inline uint64_t hash_key(const text_key *k) { return fold(k->a ^ SALT_A, k->b ^ SALT_B ^ k->size); }

static inline const text_key *keys_of(const mst_intern *in) { return (const text_key *)(const void *)in->keys.data; }

static uint64_t hash_of(const mst_intern *in, uint32_t i, size_t width) {
  const uint8_t *p = in->values.data + (size_t)i * width;
  if (width == 4) return hash_number(mst_le32(p));
  if (width == 8) return hash_number(mst_le64(p));
  return hash_key(&keys_of(in)[i]);
}

/* Room for one more; at most half of the slots are used. `width` 0: byte strings. */
static mst_status grow(mst_intern *in, size_t width, mst_error *err) {
  size_t slots = in->slots == NULL ? SLOTS_FIRST : 2 * (in->mask + 1), at;
  uint32_t *fresh, i;
  if (in->n == UINT32_MAX - 1) return mst_fail(err, MST_E_LIMIT, "more than 2^32 distinct values");
  fresh = mst_alloc_zero(in->mem, slots, sizeof *fresh);
  if (fresh == NULL) return mst_fail_memory(err);
  for (i = 0; i < in->n; i++) {
    for (at = hash_of(in, i, width) & (slots - 1); fresh[at] != 0;) at = (at + 1) & (slots - 1);
    fresh[at] = i + 1;
  }
  mst_free(in->mem, in->slots);
  in->slots = fresh;
  in->mask = slots - 1;
  return MST_OK;
}

static inline bool is_full(const mst_intern *in) { return in->slots == NULL || 2 * (size_t)in->n > in->mask; }

static mst_status add_text(mst_intern *in, const uint8_t *p, size_t n, const text_key *key, size_t slot,
                           mst_error *err) {
  mst_status status = MST_OK;
  uint64_t end;
  MST_TRY(mst_block_put(&in->values, p, n, err));
  end = in->values.size;
  MST_TRY(mst_block_put(&in->ends, &end, sizeof end, err));
  MST_TRY(mst_block_put(&in->keys, key, sizeof *key, err));
  in->slots[slot] = ++in->n;
done:
  return status;
}

static inline mst_status intern_text(mst_intern *in, const uint8_t *p, size_t n, uint32_t *out, mst_error *err) {
  mst_status status = MST_OK;
  text_key key = key_of(p, n);
  size_t at, size;
  if (is_full(in)) MST_TRY(grow(in, 0, err));
  for (at = hash_key(&key) & in->mask; in->slots[at] != 0; at = (at + 1) & in->mask) {
    uint32_t i = in->slots[at] - 1;
    const text_key *known = &keys_of(in)[i];
    if (known->a != key.a || known->b != key.b || known->size != n) continue;
    if (n > 16 && memcmp(mst_intern_text(in, i, &size), p, n) != 0) continue;
    *out = i;
    return MST_OK;
  }
  MST_TRY(add_text(in, p, n, &key, at, err));
  *out = in->n - 1;
done:
  return status;
}

mst_status mst_intern_bytes(mst_intern *in, const uint8_t *p, size_t n, uint32_t *out, mst_error *err) {
  return intern_text(in, p, n, out, err);
}

mst_status mst_intern_texts(mst_intern *in, const void *ends, bool wide, const uint8_t *bytes, size_t n, uint32_t *out,
                            mst_error *err) {
  mst_status status = MST_OK;
  const int32_t *narrow_ends = ends;
  const int64_t *wide_ends = ends;
  static const uint8_t none[1];
  size_t i;
  if (bytes == NULL) bytes = none;
  for (i = 0; i < n; i++) {
    int64_t first = wide ? wide_ends[i] : narrow_ends[i], end = wide ? wide_ends[i + 1] : narrow_ends[i + 1];
    MST_TRY(intern_text(in, bytes + first, (size_t)(end - first), &out[i], err));
  }
done:
  return status;
}

#define INTERN_NUMBERS(name, type)                                                                                 \
  mst_status name(mst_intern *in, const uint8_t *values, size_t n, uint32_t most, uint32_t *out, size_t *done_out, \
                  mst_error *err) {                                                                                \
    mst_status status = MST_OK;                                                                                    \
    size_t i, at;                                                                                                  \
    for (i = 0; i < n; i++) {                                                                                      \
      const type *known = (const type *)(const void *)in->values.data;                                             \
      type v;                                                                                                      \
      memcpy(&v, values + i * sizeof v, sizeof v);                                                                 \
      if (is_full(in)) {                                                                                           \
        MST_TRY(grow(in, sizeof v, err));                                                                          \
      }                                                                                                            \
      for (at = hash_number(v) & in->mask; in->slots[at] != 0 && known[in->slots[at] - 1] != v;)                   \
        at = (at + 1) & in->mask;                                                                                  \
      if (in->slots[at] == 0) {                                                                                    \
        if (in->n >= most) break;                                                                                  \
        MST_TRY(mst_block_put(&in->values, &v, sizeof v, err));                                                    \
        in->slots[at] = ++in->n;                                                                                   \
      }                                                                                                            \
      out[i] = in->slots[at] - 1;                                                                                  \
    }                                                                                                              \
    *done_out = i;                                                                                                 \
  done:                                                                                                            \
    return status;                                                                                                 \
  }
INTERN_NUMBERS(mst_intern_u32, uint32_t)
INTERN_NUMBERS(mst_intern_u64, uint64_t)
