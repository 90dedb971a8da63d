/* codec/inflate_fast.h - the fast loop over symbols, for input and output with room to spare. A template:
 * inflate_loop.c includes it once for each kind of processor, with FAST_NAME and FAST_TARGET (and FAST_AVX2) set. */

#define FAST_INLINE static inline __attribute__((always_inline)) FAST_TARGET

/* `n` bits of `v` from bit `at` on. */
#ifdef FAST_AVX2
#define FIELD(v, at, n) _bextr_u64((v), (at), (n))
#else
#define FIELD(v, at, n) ((v) >> (at) & (((uint64_t)1 << (n)) - 1))
#endif

/* The extra bits behind a code: the `total` low bits of `bits` (told by 8 bits) without the `code` lowest (by 6). */
FAST_INLINE uint64_t FAST_NAME(extra)(uint64_t bits, uint64_t total, uint64_t code) {
#ifdef FAST_AVX2
  return _bzhi_u64(bits, (unsigned)total) >> (code & 63);
#else
  return (bits & (((uint64_t)1 << (total & 63)) - 1)) >> (code & 63);
#endif
}

FAST_INLINE void FAST_NAME(copy32)(uint8_t *out, const uint8_t *from) {
#ifdef FAST_AVX2
  _mm256_storeu_si256((__m256i *)(void *)out, _mm256_loadu_si256((const __m256i *)(const void *)from));
#else
  memcpy(out, from, 16);
  memcpy(out + 16, from + 16, 16);
#endif
}

/* Copies `length` bytes from `distance` back; writes up to 32 bytes more. */
FAST_INLINE uint8_t *FAST_NAME(copy_match)(uint8_t *out, uint64_t length, uint64_t distance) {
  const uint8_t *from = out - distance;
  uint8_t *const end = out + length;
  if (UNLIKELY(distance < 32)) return copy_near(out, length, distance);
  FAST_NAME(copy32)(out, from);
  if (UNLIKELY(length > 32)) {
    do {
      out += 32;
      from += 32;
      FAST_NAME(copy32)(out, from);
    } while (out + 32 < end);
  }
  return end;
}

/* At least 56 bits afterwards. */
FAST_INLINE void FAST_NAME(refill)(fast_state *s) {
  s->bits |= load64(s->in) << (s->n & 63);
  s->in += 7;
  s->in -= FIELD(s->n, 3, 3);
  s->n |= 56;
}

FAST_INLINE void FAST_NAME(drop)(fast_state *s, uint64_t entry) {
  s->bits >>= entry & 63;
  s->n -= entry;
}

/* The match that was just decoded; false when it goes back too far. */
FAST_INLINE bool FAST_NAME(match)(mst_inflate *z, fast_state *s, uint64_t length, uint64_t distance, unsigned how) {
  if ((how & YOUNG) && UNLIKELY(distance > (uint64_t)(s->out - z->begin))) return length == 0;
  if (how & TRACKING) {
    /* Written whether or not it counts: most matches do at first, few at the end, and none can be foreseen. */
    const uint64_t since = (uint64_t)(s->out - s->tracked);
    s->reference->back = (uint16_t)(distance - since - 1);
    s->reference->size = (uint16_t)length;
    s->reference += (distance > since) & (length > 0);
  }
  s->out = FAST_NAME(copy_match)(s->out, length, distance);
  return true;
}

/* A whole entry of the table of several symbols. */
FAST_INLINE bool FAST_NAME(multi)(mst_inflate *z, fast_state *s, uint64_t m, unsigned how) {
  const uint32_t literals = little_endian((uint32_t)(m >> 8));
  const uint64_t distance = (m >> 48) + FAST_NAME(extra)(s->bits, m, m >> 42);
  memcpy(s->out, &literals, 4);
  s->out += FIELD(m, 40, 2);
  FAST_NAME(drop)(s, m);
  return FAST_NAME(match)(z, s, FIELD(m, 32, 8), distance, how);
}

FAST_INLINE uint64_t FAST_NAME(value)(uint32_t e, uint64_t bits) {
  return (e >> 16) + FAST_NAME(extra)(bits, e & ENTRY_BITS, e >> 8 & 0xf);
}

/* The distance behind a length that was just decoded, and the match; 28 bits are there for it. */
FAST_INLINE codes_end FAST_NAME(distance)(mst_inflate *z, fast_state *s, uint64_t length, unsigned how) {
  const inflate_tables *t = &z->tables;
  uint32_t e = t->dist[s->bits & ((1u << DIST_ROOT) - 1)];
  if (UNLIKELY(e & ENTRY_SPECIAL)) {
    if (e & ENTRY_SUBTABLE) {
      FAST_NAME(drop)(s, e);
      e = t->dist[ENTRY_SUB_PLACE(e) + (s->bits & ENTRY_SUB_MASK(e))];
    }
    if (e & ENTRY_SPECIAL) {
      z->broken = no_distance;
      return CODES_BROKEN;
    }
  }
  const uint64_t distance = FAST_NAME(value)(e, s->bits);
  FAST_NAME(drop)(s, e);
  if (FAST_NAME(match)(z, s, length, distance, how)) return CODES_FULL;
  z->broken = too_far;
  return CODES_BROKEN;
}

/* What entry `m` could not tell, symbol by symbol; 56 bits are there and enough: 20 of a length, 28 of a distance. */
FAST_INLINE codes_end FAST_NAME(single)(mst_inflate *z, fast_state *s, uint64_t m, unsigned how) {
  const inflate_tables *t = &z->tables;
  const uint64_t length = FIELD(m, 32, 8);
  if (LIKELY(length > 0)) {
    FAST_NAME(drop)(s, m);
    return FAST_NAME(distance)(z, s, length, how);
  }
  uint32_t e = t->litlen[s->bits & ((1u << LITLEN_ROOT) - 1)];
  if ((e & ENTRY_SPECIAL) && (e & ENTRY_SUBTABLE)) {
    FAST_NAME(drop)(s, e);
    e = t->litlen[ENTRY_SUB_PLACE(e) + (s->bits & ENTRY_SUB_MASK(e))];
  }
  const uint64_t value = FAST_NAME(value)(e, s->bits);
  if (UNLIKELY(e & ENTRY_SPECIAL)) {
    if (!(e & ENTRY_END)) z->broken = no_symbol;
    else FAST_NAME(drop)(s, e);
    return e & ENTRY_END ? CODES_BLOCK_END : CODES_BROKEN;
  }
  FAST_NAME(drop)(s, e);
  if (!(e & ENTRY_LITERAL)) return FAST_NAME(distance)(z, s, value, how);
  *s->out++ = (uint8_t)value;
  return CODES_FULL;
}

/* What one turn writes at most (two entries of 2 literals and 255 bytes), and how far it moves on in the input. */
#define TURN_OUT 514u
#define TURN_IN  14u

FAST_INLINE codes_end FAST_NAME(turns)(mst_inflate *z, fast_state *s, const uint8_t *in_end, uint8_t *out_end,
                                       unsigned how) {
  const uint64_t *const multi = z->tables.multi;
  while (s->out < out_end && s->in < in_end) {
    /* Looking at both ends every time would cost two branches a turn. */
    size_t left = mst_min_size((size_t)(out_end - s->out) / TURN_OUT, (size_t)(in_end - s->in) / TURN_IN) + 1;
    do {
      FAST_NAME(refill)(s);
      uint64_t m = multi[s->bits & (MULTI_ENTRIES - 1)];
      if (LIKELY((int64_t)m >= 0)) {
        if (!FAST_NAME(multi)(z, s, m, how)) goto far;
        /* An entry takes at most MULTI_ROOT + 13 bits, so that there are enough for another one. */
        m = multi[s->bits & (MULTI_ENTRIES - 1)];
        if (LIKELY((int64_t)m >= 0)) {
          if (!FAST_NAME(multi)(z, s, m, how)) goto far;
          continue;
        }
        FAST_NAME(refill)(s);
      }
      const codes_end end = FAST_NAME(single)(z, s, m, how);
      if (UNLIKELY(end != CODES_FULL)) return end;
    } while (--left > 0);
  }
  return CODES_FULL;
far:
  z->broken = too_far;
  return CODES_BROKEN;
}

FAST_INLINE codes_end FAST_NAME(fast_loop)(mst_inflate *z, inflate_input *input, uint8_t *out_end, unsigned how) {
  fast_state s = {.in = input->at + 1,
                  .out = z->out,
                  .bits = (uint64_t)*input->at >> input->skip,
                  .n = 8 - input->skip,
                  .tracked = how & TRACKING ? z->out - (z->plain - z->tracked) : NULL,
                  .reference = z->references + z->n_references};
  const codes_end end = FAST_NAME(turns)(z, &s, input->end - INPUT_SLACK, out_end, how);
  /* Whole bytes go back; the rest of a byte is told by `skip`. */
  s.n &= 63;
  s.in -= s.n >> 3;
  s.n &= 7;
  if (s.n > 0) s.in--;
  input->at = s.in;
  input->skip = s.n > 0 ? 8 - (unsigned)s.n : 0;
  z->plain += (uint64_t)(s.out - z->out);
  z->out = s.out;
  z->n_references = (size_t)(s.reference - z->references);
  return end;
}

FAST_TARGET static codes_end FAST_NAME(plain_loop)(mst_inflate *z, inflate_input *input, uint8_t *out_end) {
  return FAST_NAME(fast_loop)(z, input, out_end, 0);
}
FAST_TARGET static codes_end FAST_NAME(young_loop)(mst_inflate *z, inflate_input *input, uint8_t *out_end) {
  return FAST_NAME(fast_loop)(z, input, out_end, YOUNG);
}
FAST_TARGET static codes_end FAST_NAME(tracking_loop)(mst_inflate *z, inflate_input *input, uint8_t *out_end) {
  return FAST_NAME(fast_loop)(z, input, out_end, YOUNG | TRACKING);
}

#undef FAST_INLINE
#undef FIELD
#undef TURN_OUT
#undef TURN_IN
