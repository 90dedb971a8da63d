/* codec/inflate_loop.c - the symbols of a DEFLATE block: a fast loop where input and output have room to spare, and a
 * careful one, symbol by symbol, for the rest. Owns nothing. Calls nobody. */
#include <string.h>

#include "codec/inflate_state.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define HAVE_AVX2 1
#else
#define HAVE_AVX2 0
#endif

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define LIKELY(x)     __builtin_expect(!!(x), 1)
#define UNLIKELY(x)   __builtin_expect(!!(x), 0)

ALWAYS_INLINE uint64_t load64(const uint8_t *p) {
  uint64_t v;
  memcpy(&v, p, sizeof v);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  v = __builtin_bswap64(v);
#endif
  return v;
}

/* The value whose bytes in memory are those of `v` from the lowest on. */
ALWAYS_INLINE uint32_t little_endian(uint32_t v) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  v = __builtin_bswap32(v);
#endif
  return v;
}

/* The `total` low bits of `bits` without the `code` lowest: the extra bits behind a code. */
ALWAYS_INLINE uint32_t extra_bits(uint64_t bits, uint64_t total, uint64_t code) {
  return (uint32_t)((bits & (((uint64_t)1 << (total & 63)) - 1)) >> (code & 63));
}

/* The length or distance of an entry whose code begins at the lowest bit. */
ALWAYS_INLINE uint32_t entry_value(uint32_t e, uint64_t bits) { return (e >> 16) + extra_bits(bits, e, e >> 8 & 0xf); }

/* Repeats the `distance` (1-31) bytes before `out`; writes up to 32 bytes more than `length`. The bytes were stored a
 * moment ago, in pieces: looking at them one by one is faster than a wide load that has to wait for all of these
 * stores. */
static uint8_t *copy_near(uint8_t *out, uint64_t length, uint64_t distance) {
  uint8_t *const end = out + length;
  const uint8_t *const from = out - distance;
  if (distance == 1) {
    memset(out, *from, length);
    return end;
  }
  /* Bytes repeat at every multiple of the distance: from the first multiple of 16 or more on in wide steps. */
  const uint64_t step = distance >= 16 ? distance : (15 / distance + 1) * distance;
  for (uint64_t i = 0; i < step - distance; i++) out[i] = from[i];
  for (out += step - distance; out < end; out += 16) memcpy(out, out - step, 16);
  return end;
}

static const char no_symbol[] = "a code that stands for nothing";
static const char no_distance[] = "a distance code that stands for nothing";
static const char too_far[] = "a distance that goes back beyond the first byte";

/* The decoder's state in registers. */
typedef struct fast_state {
  const uint8_t *in;
  uint8_t *out;
  uint64_t bits;
  uint64_t n; /* bits in `bits`; only its low 6 bits count. Above them `bits` holds what is in front of `in`, too */
  const uint8_t *tracked;       /* the tracked place                    */
  inflate_reference *reference; /* where the next one is noted          */
} fast_state;

/* What one loop may take for granted. */
enum {
  TRACKING = 1, /* note what is referred to                                            */
  YOUNG = 2     /* there are fewer than 32768 bytes of history: distances may be wrong */
};

#define FAST_NAME(name) name##_portable
#define FAST_TARGET
#include "codec/inflate_fast.h"

#if HAVE_AVX2
#undef FAST_NAME
#undef FAST_TARGET
#define FAST_NAME(name) name##_avx2
#define FAST_TARGET     __attribute__((target("avx2,bmi,bmi2")))
#define FAST_AVX2       1
#include "codec/inflate_fast.h"
#endif

typedef codes_end (*fast_loop_fn)(mst_inflate *z, inflate_input *input, uint8_t *out_end);

static fast_loop_fn choose(const mst_inflate *z, bool tracking, bool young) {
#if HAVE_AVX2
  if (!z->portable) return tracking ? tracking_loop_avx2 : young ? young_loop_avx2 : plain_loop_avx2;
#endif
  (void)z;
  return tracking ? tracking_loop_portable : young ? young_loop_portable : plain_loop_portable;
}

bool mst_inflate_has_avx2(void) {
#if HAVE_AVX2
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
#else
  return false;
#endif
}

/* ---- careful --------------------------------------------------------------------------------------------------- */

/* Up to 57 bits at the input's place, zeros behind its end; how many are real is told in `*have`. */
static uint64_t look(const inflate_input *in, unsigned *have) {
  const size_t left = (size_t)(in->end - in->at);
  uint64_t v = 0;
  *have = 0;
  if (left == 0) return 0;
  if (left >= 8) v = load64(in->at);
  else
    for (size_t i = 0; i < left; i++) v |= (uint64_t)in->at[i] << (8 * i);
  *have = (unsigned)(left >= 8 ? 64 : left * 8) - in->skip;
  return v >> in->skip;
}

static void drop(inflate_input *in, unsigned bits) {
  in->skip += bits;
  in->at += in->skip >> 3;
  in->skip &= 7;
}

/* The entry behind a root entry that names a subtable; `*used` grows by the bits of the root. */
static uint32_t resolve(const uint32_t *table, uint32_t e, uint64_t bits, unsigned *used) {
  *used = e & ENTRY_BITS;
  return table[ENTRY_SUB_PLACE(e) + (bits >> *used & ENTRY_SUB_MASK(e))];
}

/* The distance of a match of `length` bytes whose code was the first `used` bits; then the match. */
static codes_end careful_match(mst_inflate *z, inflate_input *in, uint64_t bits, unsigned have, unsigned used,
                               uint32_t length) {
  const uint64_t rest = bits >> used;
  uint32_t e = z->tables.dist[rest & ((1u << DIST_ROOT) - 1)];
  unsigned sub = 0;
  if ((e & ENTRY_SPECIAL) != 0 && (e & ENTRY_SUBTABLE) != 0) e = resolve(z->tables.dist, e, rest, &sub);
  used += sub + (e & ENTRY_BITS);
  if (used > have) return CODES_INPUT;
  if ((e & ENTRY_SPECIAL) != 0) {
    z->broken = no_distance;
    return CODES_BROKEN;
  }
  const uint32_t distance = entry_value(e, rest >> sub);
  if (distance > (size_t)(z->out - z->begin)) {
    z->broken = too_far;
    return CODES_BROKEN;
  }
  if (z->tracked != UINT64_MAX && z->plain - z->tracked < distance)
    z->references[z->n_references++] =
        (inflate_reference){.back = (uint16_t)(distance - (z->plain - z->tracked) - 1), .size = (uint16_t)length};
  drop(in, used);
  for (uint32_t i = 0; i < length; i++) z->out[i] = (z->out - distance)[i];
  z->out += length;
  z->plain += length;
  return CODES_FULL;
}

/* One literal or one match, all of it or nothing; CODES_FULL means "go on". */
static codes_end careful_symbol(mst_inflate *z, inflate_input *in) {
  unsigned have, used = 0;
  const uint64_t bits = look(in, &have);
  uint32_t e = z->tables.litlen[bits & ((1u << LITLEN_ROOT) - 1)];
  if ((e & ENTRY_SPECIAL) != 0 && (e & ENTRY_SUBTABLE) != 0) e = resolve(z->tables.litlen, e, bits, &used);
  const uint32_t value = entry_value(e, bits >> used);
  used += e & ENTRY_BITS;
  if (used > have) return CODES_INPUT;
  if ((e & ENTRY_SPECIAL) == 0 && (e & ENTRY_LITERAL) == 0) return careful_match(z, in, bits, have, used, value);
  if ((e & ENTRY_SPECIAL) != 0 && (e & ENTRY_END) == 0) {
    z->broken = no_symbol;
    return CODES_BROKEN;
  }
  drop(in, used);
  if ((e & ENTRY_SPECIAL) != 0) return CODES_BLOCK_END;
  *z->out++ = (uint8_t)(e >> 16);
  z->plain++;
  return CODES_FULL;
}

/* Through the fast loop that fits, up to `out_end` or to where another one fits. */
static codes_end fast(mst_inflate *z, inflate_input *in, uint8_t *out_end) {
  const uint64_t since = z->tracked == UINT64_MAX ? UINT64_MAX : z->plain - z->tracked;
  const size_t history = (size_t)(z->out - z->begin), room = (size_t)(out_end - z->out);
  const bool tracking = since < MST_INFLATE_WINDOW, young = history < MST_INFLATE_WINDOW;
  size_t most = room;
  if (young) most = mst_min_size(most, MST_INFLATE_WINDOW - history);
  if (tracking) most = mst_min_size(most, (size_t)(MST_INFLATE_WINDOW - since));
  return choose(z, tracking, young)(z, in, z->out + most);
}

codes_end mst_inflate_codes(mst_inflate *z, inflate_input *in, uint8_t *out_end) {
  while (z->out < out_end) {
    codes_end end = CODES_FULL;
    if ((size_t)(in->end - in->at) > INPUT_SLACK + 8) end = fast(z, in, out_end);
    else end = careful_symbol(z, in);
    if (end != CODES_FULL) return end;
  }
  return CODES_FULL;
}
