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

ALWAYS_INLINE void store_literals(uint8_t *out, uint32_t entry) {
  const uint32_t v = entry >> 8;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  const uint32_t swapped = __builtin_bswap32(v);
  memcpy(out, &swapped, sizeof swapped);
#else
  memcpy(out, &v, sizeof v);
#endif
}

/* The value of a length or distance whose entry was read from the low bits of `bits`. */
ALWAYS_INLINE uint32_t entry_value(uint32_t entry, uint64_t bits) {
  const uint64_t mask = ((uint64_t)1 << (entry & ENTRY_BITS)) - 1;
  return (entry >> 16) + (uint32_t)((bits & mask) >> (entry >> 8 & 0xf));
}

static void track(mst_inflate *z, uint64_t back, uint32_t length) {
  inflate_reference *r = &z->references[z->n_references++];
  r->back = (uint16_t)(back - 1);
  r->size = (uint16_t)(length < back ? length : back);
}

/* Copies `length` bytes from `distance` back; writes up to 16 bytes more. */
ALWAYS_INLINE uint8_t *copy_match(uint8_t *out, uint32_t length, uint32_t distance) {
  const uint8_t *from = out - distance;
  uint8_t *const end = out + length;
  if (LIKELY(distance >= 16)) {
    do {
      memcpy(out, from, 16);
      out += 16;
      from += 16;
    } while (out < end);
  } else if (distance == 1) {
    memset(out, *from, length);
  } else {
    while (out < end) *out++ = *from++;
  }
  return end;
}

ALWAYS_INLINE codes_end fast_loop(mst_inflate *z, inflate_input *input, uint8_t *out_end, bool tracking) {
  const uint32_t *const litlen = z->litlen;
  const uint32_t *const dist = z->dist;
  const uint8_t *const in_end = input->end - INPUT_SLACK;
  const uint8_t *in = input->at;
  const uint8_t *const history = z->begin;
  const uint8_t *const tracked = tracking ? z->out - (z->plain - z->tracked) : NULL;
  uint8_t *out = z->out;
  codes_end end = CODES_FULL;
  uint64_t bits = (uint64_t)*in++ >> input->skip;
  uint32_t n = 8 - input->skip; /* only its low 6 bits count */
  uint32_t e;

/* At least 56 bits afterwards. */
#define REFILL()                        \
  do {                                  \
    bits |= load64(in) << (n & 63);     \
    in += 7 - (n >> 3 & 7);             \
    n |= 56;                            \
  } while (0)
#define DROP(entry)                     \
  do {                                  \
    bits >>= (entry) & 63;              \
    n -= (entry);                       \
  } while (0)

  while (out < out_end && in < in_end) {
    REFILL();
    e = litlen[bits & ((1u << LITLEN_ROOT) - 1)];
    if (e & ENTRY_LITERALS) {
      store_literals(out, e);
      out += e >> 6 & 3;
      DROP(e);
      e = litlen[bits & ((1u << LITLEN_ROOT) - 1)];
      if (e & ENTRY_LITERALS) {
        store_literals(out, e);
        out += e >> 6 & 3;
        DROP(e);
        e = litlen[bits & ((1u << LITLEN_ROOT) - 1)];
        if (e & ENTRY_LITERALS) {
          store_literals(out, e);
          out += e >> 6 & 3;
          DROP(e);
          continue;
        }
      }
    }
    /* 56 - 2 * 12 = 32 bits are left: enough for any length. */
    if (UNLIKELY(e & ENTRY_SPECIAL)) {
      if (e & ENTRY_SUBTABLE) {
        DROP(e);
        e = litlen[(e >> 16 & 0x1fff) + (bits & ((1u << (e >> 8 & 0xf)) - 1))];
        if (e & ENTRY_LITERALS) {
          *out++ = (uint8_t)(e >> 8);
          DROP(e);
          continue;
        }
      }
      if (e & ENTRY_SPECIAL) {
        if (e & ENTRY_END) {
          DROP(e);
          end = CODES_BLOCK_END;
        } else {
          z->broken = "a code that stands for nothing";
          end = CODES_BROKEN;
        }
        break;
      }
    }
    const uint32_t length = entry_value(e, bits);
    DROP(e);
    REFILL();
    e = dist[bits & ((1u << DIST_ROOT) - 1)];
    if (UNLIKELY(e & ENTRY_SPECIAL)) {
      if (e & ENTRY_SUBTABLE) {
        DROP(e);
        e = dist[(e >> 16 & 0x1fff) + (bits & ((1u << (e >> 8 & 0xf)) - 1))];
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
  if ((e & ENTRY_LITERALS) != 0 || (e & (ENTRY_SPECIAL | ENTRY_SUBTABLE)) != (ENTRY_SPECIAL | ENTRY_SUBTABLE)) return e;
  *used = e & ENTRY_BITS;
  return table[(e >> 16 & 0x1fff) + (bits >> *used & ((1u << (e >> 8 & 0xf)) - 1))];
}

/* One literal or one match, all of it or nothing; CODES_FULL means "go on". */
static codes_end careful_symbol(mst_inflate *z, inflate_input *in) {
  unsigned have, used = 0;
  uint64_t bits = look(in, &have);
  uint32_t e = resolve(z->litlen, z->litlen[bits & ((1u << LITLEN_ROOT) - 1)], bits, &used);
  if ((e & ENTRY_LITERALS) != 0) {
    const uint8_t byte = (uint8_t)(e >> 8);
    if (z->lengths[byte] > have) return CODES_INPUT;
    drop(in, z->lengths[byte]);
    *z->out++ = byte;
    z->plain++;
    return CODES_FULL;
  }
  const uint32_t length = (e & ENTRY_SPECIAL) != 0 ? 0 : entry_value(e, bits >> used);
  used += e & ENTRY_BITS;
  if (used > have) return CODES_INPUT;
  if ((e & ENTRY_SPECIAL) != 0) {
    if ((e & ENTRY_END) == 0) {
      z->broken = "a code that stands for nothing";
      return CODES_BROKEN;
    }
    drop(in, used);
    return CODES_BLOCK_END;
  }
  unsigned dist_used = 0;
  const uint64_t rest = bits >> used;
  e = resolve(z->dist, z->dist[rest & ((1u << DIST_ROOT) - 1)], rest, &dist_used);
  if ((e & ENTRY_SPECIAL) != 0) {
    if (used + dist_used + (e & ENTRY_BITS) > have) return CODES_INPUT;
    z->broken = "a distance code that stands for nothing";
    return CODES_BROKEN;
  }
  const uint32_t distance = entry_value(e, rest >> dist_used);
  used += dist_used + (e & ENTRY_BITS);
  if (used > have) return CODES_INPUT;
  if (distance > (size_t)(z->out - z->begin)) {
    z->broken = "a distance that goes back beyond the first byte";
    return CODES_BROKEN;
  }
  if (z->tracked != UINT64_MAX && z->plain - z->tracked < distance)
    track(z, distance - (z->plain - z->tracked), length);
  drop(in, used);
  for (uint32_t i = 0; i < length; i++) z->out[i] = (z->out - distance)[i];
  z->out += length;
  z->plain += length;
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
