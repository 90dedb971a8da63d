/* codec/inflate_loop.c - the symbols of a DEFLATE block: a fast loop where input and output have room to spare, and a careful
 * one, symbol by symbol, for the rest. Owns nothing. Calls nobody. */
#include <string.h>

#include "codec/inflate_state.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define HAVE_BMI2 1
#else
#define HAVE_BMI2 0
#endif

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

ALWAYS_INLINE uint64_t load64(const uint8_t *p) {
  uint64_t v;
  memcpy(&v, p, sizeof v);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  v = __builtin_bswap64(v);
#endif
  return v;
}

/* The `total` low bits of `bits` without the `code` lowest: the extra bits behind a code. */
ALWAYS_INLINE uint32_t extra_bits(uint64_t bits, uint64_t total, uint64_t code) {
  return (uint32_t)((bits & (((uint64_t)1 << (total & 63)) - 1)) >> (code & 63));
}

/* The length or distance of an entry whose code begins at the lowest bit. */
ALWAYS_INLINE uint32_t entry_value(uint32_t e, uint64_t bits) { return (e >> 16) + extra_bits(bits, e, e >> 8 & 0xf); }

static void track(mst_inflate *z, uint64_t back, uint32_t length) {
  inflate_reference *r = &z->references[z->n_references++];
  r->back = (uint16_t)(back - 1);
  r->size = (uint16_t)(length < back ? length : back);
}

/* Repeats the `distance` (2-15) bytes before `out`; writes up to 16 bytes more than `length`. */
static uint8_t *copy_near(uint8_t *out, uint32_t length, uint32_t distance) {
  uint8_t *const end = out + length;
  const uint8_t *const from = out - distance;
  /* Bytes repeat at every multiple of the distance; the first multiple of 16 or more can be copied from in wide steps. */
  const uint32_t wide = (15 / distance + 1) * distance;
  for (uint32_t i = 0; i < wide - distance; i++) out[i] = from[i];
  for (out += wide - distance; out < end; out += 16) memcpy(out, out - wide, 16);
  return end;
}

/* Copies `length` bytes from `distance` back; writes up to 32 bytes more. */
ALWAYS_INLINE uint8_t *copy_match(uint8_t *out, uint32_t length, uint32_t distance) {
  const uint8_t *from = out - distance;
  uint8_t *const end = out + length;
  if (UNLIKELY(distance < 16)) {
    if (distance > 1) return copy_near(out, length, distance);
    memset(out, *from, length);
    return end;
  }
  memcpy(out, from, 16);
  memcpy(out + 16, from + 16, 16);
  if (UNLIKELY(length > 32)) {
    do {
      out += 16;
      from += 16;
      memcpy(out, from, 16);
    } while (out + 16 < end);
  }
  return end;
}

ALWAYS_INLINE codes_end fast_loop(mst_inflate *z, inflate_input *input, uint8_t *out_end, bool tracking) {
  const uint64_t *const multi = z->tables.multi;
  const uint32_t *const litlen = z->tables.litlen;
  const uint32_t *const dist = z->tables.dist;
  const uint8_t *const in_end = input->end - INPUT_SLACK;
  const uint8_t *in = input->at;
  const uint8_t *const history = z->begin;
  const uint8_t *const tracked = tracking ? z->out - (z->plain - z->tracked) : NULL;
  uint8_t *out = z->out;
  codes_end end = CODES_FULL;
  uint64_t bits = (uint64_t)*in++ >> input->skip;
  uint32_t n = 8 - input->skip; /* only its low 6 bits count */

/* At least 56 bits afterwards. */
#define REFILL()                     \
  do {                               \
    bits |= load64(in) << (n & 63);  \
    in += 7 - (n >> 3 & 7);          \
    n |= 56;                         \
  } while (0)
#define DROP(entry)                  \
  do {                               \
    bits >>= (entry) & 63;           \
    n -= (uint32_t)(entry);          \
  } while (0)

  while (out < out_end && in < in_end) {
    REFILL();
    uint64_t m = multi[bits & (MULTI_ENTRIES - 1)];
    if (LIKELY((int64_t)m >= 0)) {
      const uint32_t literals = (uint32_t)(m >> 8);
      memcpy(out, &literals, 4);
      out += m >> 40 & 3;
      const uint32_t length = (uint8_t)(m >> 32);
      const uint32_t distance = (uint32_t)(m >> 48) + extra_bits(bits, m, m >> 42);
      DROP(m);
      if (UNLIKELY(distance > (size_t)(out - history))) {
        if (length == 0) continue;
        z->broken = "a distance that goes back beyond the first byte";
        end = CODES_BROKEN;
        break;
      }
      if (tracking && out - distance < tracked && length > 0) track(z, (uint64_t)(tracked - (out - distance)), length);
      out = copy_match(out, length, distance);
      continue;
    }
    uint32_t e = litlen[bits & ((1u << LITLEN_ROOT) - 1)];
    if ((e & ENTRY_SPECIAL) && (e & ENTRY_SUBTABLE)) {
      DROP(e);
      e = litlen[ENTRY_SUB_PLACE(e) + (bits & ENTRY_SUB_MASK(e))];
    }
    if (UNLIKELY(e & ENTRY_SPECIAL)) {
      if (e & ENTRY_END) {
        DROP(e);
        end = CODES_BLOCK_END;
      } else {
        z->broken = "a code that stands for nothing";
        end = CODES_BROKEN;
      }
      break;
    }
    if (e & ENTRY_LITERAL) {
      *out++ = (uint8_t)(e >> 16);
      DROP(e);
      continue;
    }
    /* One refill is enough: 15 bits of codes, 5 extra ones, and 28 of the distance. */
    const uint32_t length = entry_value(e, bits);
    DROP(e);
    e = dist[bits & ((1u << DIST_ROOT) - 1)];
    if (UNLIKELY(e & ENTRY_SPECIAL)) {
      if (e & ENTRY_SUBTABLE) {
        DROP(e);
        e = dist[ENTRY_SUB_PLACE(e) + (bits & ENTRY_SUB_MASK(e))];
      }
      if (e & ENTRY_SPECIAL) {
        z->broken = "a distance code that stands for nothing";
        end = CODES_BROKEN;
        break;
      }
    }
    const uint32_t distance = entry_value(e, bits);
    DROP(e);
    if (UNLIKELY(distance > (size_t)(out - history))) {
      z->broken = "a distance that goes back beyond the first byte";
      end = CODES_BROKEN;
      break;
    }
    if (tracking && out - distance < tracked) track(z, (uint64_t)(tracked - (out - distance)), length);
    out = copy_match(out, length, distance);
  }
#undef REFILL
#undef DROP
  /* Whole bytes go back; the rest of a byte is told by `skip`. */
  n &= 63;
  in -= n >> 3;
  n &= 7;
  if (n > 0) in--;
  input->at = in;
  input->skip = n > 0 ? 8 - n : 0;
  z->plain += (uint64_t)(out - z->out);
  z->out = out;
  return end;
}

typedef codes_end (*fast_loop_fn)(mst_inflate *z, inflate_input *input, uint8_t *out_end);

static codes_end fast_portable(mst_inflate *z, inflate_input *input, uint8_t *out_end) { return fast_loop(z, input, out_end, false); }
static codes_end fast_portable_tracking(mst_inflate *z, inflate_input *input, uint8_t *out_end) {
  return fast_loop(z, input, out_end, true);
}
#if HAVE_BMI2
__attribute__((target("bmi,bmi2"))) static codes_end fast_bmi2(mst_inflate *z, inflate_input *input, uint8_t *out_end) {
  return fast_loop(z, input, out_end, false);
}
__attribute__((target("bmi,bmi2"))) static codes_end fast_bmi2_tracking(mst_inflate *z, inflate_input *input, uint8_t *out_end) {
  return fast_loop(z, input, out_end, true);
}
#endif

static fast_loop_fn choose(const mst_inflate *z, bool tracking) {
#if HAVE_BMI2
  if (!z->portable) return tracking ? fast_bmi2_tracking : fast_bmi2;
#endif
  return tracking ? fast_portable_tracking : fast_portable;
}

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
static codes_end careful_match(mst_inflate *z, inflate_input *in, uint64_t bits, unsigned have, unsigned used, uint32_t length) {
  const uint64_t rest = bits >> used;
  uint32_t e = z->tables.dist[rest & ((1u << DIST_ROOT) - 1)];
  unsigned sub = 0;
  if ((e & ENTRY_SPECIAL) != 0 && (e & ENTRY_SUBTABLE) != 0) e = resolve(z->tables.dist, e, rest, &sub);
  used += sub + (e & ENTRY_BITS);
  if (used > have) return CODES_INPUT;
  if ((e & ENTRY_SPECIAL) != 0) {
    z->broken = "a distance code that stands for nothing";
    return CODES_BROKEN;
  }
  const uint32_t distance = entry_value(e, rest >> sub);
  if (distance > (size_t)(z->out - z->begin)) {
    z->broken = "a distance that goes back beyond the first byte";
    return CODES_BROKEN;
  }
  if (z->tracked != UINT64_MAX && z->plain - z->tracked < distance) track(z, distance - (z->plain - z->tracked), length);
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
    z->broken = "a code that stands for nothing";
    return CODES_BROKEN;
  }
  drop(in, used);
  if ((e & ENTRY_SPECIAL) != 0) return CODES_BLOCK_END;
  *z->out++ = (uint8_t)(e >> 16);
  z->plain++;
  return CODES_FULL;
}

codes_end mst_inflate_codes(mst_inflate *z, inflate_input *in, uint8_t *out_end) {
  while (z->out < out_end) {
    codes_end end = CODES_FULL;
    if ((size_t)(in->end - in->at) > INPUT_SLACK) {
      const bool tracking = z->tracked != UINT64_MAX && z->plain - z->tracked < MST_INFLATE_WINDOW;
      uint8_t *stop = out_end;
      if (tracking && (uint64_t)(out_end - z->out) > MST_INFLATE_WINDOW - (z->plain - z->tracked))
        stop = z->out + (MST_INFLATE_WINDOW - (z->plain - z->tracked));
      end = choose(z, tracking)(z, in, stop);
    }
    if (end == CODES_FULL && z->out < out_end) end = careful_symbol(z, in);
    if (end != CODES_FULL) return end;
  }
  return CODES_FULL;
}

bool mst_inflate_has_bmi2(void) {
#if HAVE_BMI2
  return __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("bmi");
#else
  return false;
#endif
}
