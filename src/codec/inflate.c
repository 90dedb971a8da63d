/* codec/inflate.c - the DEFLATE decoder's outside: blocks, input cut anywhere, the buffer with its history, tracking.
 * Owns the decoder's memory. Calls codec/inflate_tables.h and the symbol loops of inflate_loop.c. */
#include "codec/inflate.h"

#include <string.h>

#include "codec/inflate_state.h"

/* ---- life ------------------------------------------------------------------------------------------------------ */

mst_status mst_inflate_new(const mst_allocator *mem, mst_inflate **out, mst_error *err) {
  mst_inflate *z = mst_alloc(mem, sizeof *z);
  if (z == NULL) return mst_fail_memory(err);
  z->mem = mem;
  z->portable = !mst_inflate_has_avx2();
  z->fixed = false;
  mst_inflate_begin(z, 0, NULL, 0);
  *out = z;
  return MST_OK;
}

void mst_inflate_free(mst_inflate *z) {
  if (z != NULL) mst_free(z->mem, z);
}

void mst_inflate_portable(mst_inflate *z) { z->portable = true; }

void mst_inflate_begin(mst_inflate *z, unsigned skip, const uint8_t *window, size_t n) {
  mst_assert(skip < 8 && n <= MST_INFLATE_WINDOW);
  z->step = STEP_HEAD;
  z->last = false;
  z->stopped = false;
  z->skip = skip;
  z->stored_left = 0;
  z->consumed = 0;
  z->broken = NULL;
  z->begin = z->buffer;
  if (n > 0) memcpy(z->buffer, window, n);
  z->out = z->taken = z->buffer + n;
  z->plain = 0;
  z->most = UINT64_MAX;
  z->tracked = UINT64_MAX;
  z->n_references = 0;
  z->n_stash = 0;
}

/* ---- block heads ----------------------------------------------------------------------------------------------- */

/* A cursor over bits that gives zeros behind the end; `at` then lies behind `end`. */
typedef struct bit_cursor {
  const uint8_t *base;
  size_t at, end; /* in bits */
} bit_cursor;

static uint32_t cursor_look(const bit_cursor *c) {
  const size_t byte = c->at >> 3, n = c->end >> 3;
  uint64_t v = 0;
  if (byte + 8 <= n) v = mst_le64(c->base + byte);
  else
    for (size_t i = 0; i < 5 && byte + i < n; i++) v |= (uint64_t)c->base[byte + i] << (8 * i);
  return (uint32_t)(v >> (c->at & 7));
}

static uint32_t cursor_take(bit_cursor *c, unsigned n) {
  const uint32_t v = cursor_look(c) & ((1u << n) - 1);
  c->at += n;
  return v;
}

static const uint8_t precode_order[PRECODE_SYMBOLS] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                       11, 4,  12, 3, 13, 2, 14, 1, 15};

/* The code lengths of a dynamic block. Stops early when the input ends; the caller sees that by c->at. */
static const char *read_lengths(bit_cursor *c, uint8_t *lengths, unsigned total) {
  uint32_t precode[PRECODE_ENTRIES];
  uint8_t precode_lengths[PRECODE_SYMBOLS] = {0};
  const unsigned n_precode = cursor_take(c, 4) + 4;
  for (unsigned i = 0; i < n_precode; i++) precode_lengths[precode_order[i]] = (uint8_t)cursor_take(c, 3);
  if (c->at > c->end) return NULL;
  const char *broken = mst_inflate_build_precode(precode, precode_lengths);
  if (broken != NULL) return broken;
  for (unsigned i = 0; i < total && c->at <= c->end;) {
    const uint32_t e = precode[cursor_look(c) & (PRECODE_ENTRIES - 1)];
    const unsigned symbol = e >> 16;
    uint8_t value = 0;
    unsigned repeat;
    c->at += e & ENTRY_BITS;
    if (symbol < 16) {
      lengths[i++] = (uint8_t)symbol;
      continue;
    }
    if (symbol == 16) {
      repeat = 3 + cursor_take(c, 2);
      if (c->at > c->end) break;
      if (i == 0) return "a repeated code length with none before it";
      value = lengths[i - 1];
    } else {
      repeat = symbol == 17 ? 3 + cursor_take(c, 3) : 11 + cursor_take(c, 7);
    }
    if (c->at > c->end) break;
    if (repeat > total - i) return "more code lengths than were announced";
    memset(lengths + i, value, repeat);
    i += repeat;
  }
  return NULL;
}

static const char *read_dynamic(mst_inflate *z, bit_cursor *c) {
  const unsigned n_litlen = cursor_take(c, 5) + 257;
  const unsigned n_dist = cursor_take(c, 5) + 1;
  uint8_t lengths[LITLEN_SYMBOLS + DIST_SYMBOLS];
  if (c->at > c->end) return NULL;
  if (n_litlen > 286) return "more than 286 literal and length codes";
  if (n_dist > 30) return "more than 30 distance codes";
  const char *broken = read_lengths(c, lengths, n_litlen + n_dist);
  if (broken != NULL || c->at > c->end) return broken;
  z->fixed = false;
  return mst_inflate_build(&z->tables, lengths, n_litlen, lengths + n_litlen, n_dist);
}

static void use_fixed(mst_inflate *z) {
  uint8_t litlen[LITLEN_SYMBOLS], dist[DIST_SYMBOLS];
  if (z->fixed) return;
  memset(litlen, 8, 144);
  memset(litlen + 144, 9, 112);
  memset(litlen + 256, 7, 24);
  memset(litlen + 280, 8, 8);
  memset(dist, 5, sizeof dist);
  (void)mst_inflate_build(&z->tables, litlen, LITLEN_SYMBOLS, dist, DIST_SYMBOLS);
  z->fixed = true;
}

/* Reads a block's head whole or not at all (CODES_INPUT); CODES_FULL means that it was read. */
static codes_end read_head(mst_inflate *z, inflate_input *in) {
  bit_cursor c = {.base = in->at, .at = in->skip, .end = (size_t)(in->end - in->at) * 8};
  const char *broken = NULL;
  const bool last = cursor_take(&c, 1) != 0;
  const uint32_t kind = cursor_take(&c, 2);
  inflate_step step = STEP_CODES;
  if (c.at > c.end) return CODES_INPUT;
  if (kind == 0) {
    c.at = (c.at + 7) & ~(size_t)7;
    const uint32_t length = cursor_take(&c, 16);
    const uint32_t check = cursor_take(&c, 16);
    if (c.at <= c.end && (length ^ check) != 0xffff) broken = "a stored block whose length does not fit its complement";
    z->stored_left = length;
    step = STEP_STORED;
  } else if (kind == 1) {
    use_fixed(z);
  } else if (kind == 2) {
    broken = read_dynamic(z, &c);
  } else {
    broken = "a block of the reserved kind 3";
  }
  if (broken != NULL) {
    z->broken = broken;
    return CODES_BROKEN;
  }
  if (c.at > c.end) return CODES_INPUT;
  in->at += c.at >> 3;
  in->skip = c.at & 7;
  z->last = last;
  z->step = step;
  return CODES_FULL;
}

static codes_end copy_stored(mst_inflate *z, inflate_input *in, const uint8_t *out_end) {
  size_t n = mst_min_size((size_t)(in->end - in->at), z->stored_left);
  if (z->out >= out_end) n = 0;
  else n = mst_min_size(n, (size_t)(out_end - z->out));
  if (n > 0) memcpy(z->out, in->at, n);
  in->at += n;
  z->out += n;
  z->plain += n;
  z->stored_left -= (uint32_t)n;
  if (z->stored_left == 0) return CODES_BLOCK_END;
  return z->out >= out_end ? CODES_FULL : CODES_INPUT;
}

/* ---- running --------------------------------------------------------------------------------------------------- */

/* Decodes from contiguous input; INPUT leaves what makes no whole symbol or head. */
static mst_inflate_state decode(mst_inflate *z, inflate_input *in, uint64_t stop_at) {
  uint8_t *const buffer_end = z->buffer + BUFFER_BYTES;
  for (;;) {
    const uint64_t left = z->most > z->plain ? z->most - z->plain : 0;
    uint8_t *const out_end = z->out < buffer_end && left < (uint64_t)(buffer_end - z->out) ? z->out + left : buffer_end;
    codes_end end;
    if (z->step == STEP_HEAD) {
      if (z->plain >= stop_at && !z->stopped) {
        z->stopped = true;
        return MST_INFLATE_BLOCK;
      }
      end = read_head(z, in);
      if (end == CODES_FULL) {
        z->stopped = false;
        continue;
      }
    } else if (z->step == STEP_STORED) {
      end = copy_stored(z, in, out_end);
    } else if (z->step == STEP_CODES) {
      end = mst_inflate_codes(z, in, out_end);
    } else {
      return MST_INFLATE_END;
    }
    if (end == CODES_INPUT || end == CODES_BROKEN) return MST_INFLATE_INPUT;
    if (end == CODES_FULL) return MST_INFLATE_FULL;
    z->step = z->last ? STEP_END : STEP_HEAD;
    if (z->last && in->skip > 0) {
      in->skip = 0;
      in->at++;
    }
  }
}

/* Decodes the kept bytes together with as many new ones as fit behind them. */
static mst_inflate_state decode_stash(mst_inflate *z, const uint8_t **in, const uint8_t *end, uint64_t stop_at) {
  const size_t room = mst_min_size(STASH_BYTES - z->n_stash, (size_t)(end - *in));
  if (room > 0) memcpy(z->stash + z->n_stash, *in, room);
  inflate_input input = {.at = z->stash, .end = z->stash + z->n_stash + room, .skip = z->skip};
  const mst_inflate_state state = decode(z, &input, stop_at);
  const size_t used = (size_t)(input.at - z->stash);
  z->consumed += used;
  z->skip = input.skip;
  if (used >= z->n_stash) {
    *in += used - z->n_stash;
    z->n_stash = 0;
  } else {
    size_t kept = z->n_stash;
    if (state == MST_INFLATE_INPUT) {
      kept += room;
      *in += room;
    }
    memmove(z->stash, z->stash + used, kept - used);
    z->n_stash = kept - used;
  }
  return state;
}

static mst_inflate_state decode_direct(mst_inflate *z, const uint8_t **in, const uint8_t *end, uint64_t stop_at) {
  inflate_input input = {.at = *in, .end = end, .skip = z->skip};
  const mst_inflate_state state = decode(z, &input, stop_at);
  z->consumed += (uint64_t)(input.at - *in);
  z->skip = input.skip;
  *in = input.at;
  if (state == MST_INFLATE_INPUT && z->broken == NULL) {
    z->n_stash = (size_t)(end - input.at);
    mst_assert(z->n_stash < STASH_BYTES / 2);
    if (z->n_stash > 0) memcpy(z->stash, input.at, z->n_stash);
    *in = end;
  }
  return state;
}

/* Makes room behind the history once everything in front of `out` was taken. */
static void slide(mst_inflate *z) {
  const size_t keep = mst_min_size((size_t)(z->out - z->begin), MST_INFLATE_WINDOW);
  if (z->out < z->buffer + BUFFER_BYTES || z->taken != z->out) return;
  memmove(z->buffer, z->out - keep, keep);
  z->begin = z->buffer;
  z->out = z->taken = z->buffer + keep;
}

static mst_status broken(mst_inflate *z, mst_error *err) {
  return mst_fail_at(err, MST_E_CORRUPT, z->consumed, "DEFLATE data with %s (byte %llu, bit %u of the stream)",
                     z->broken, (unsigned long long)z->consumed, z->skip);
}

mst_status mst_inflate_run(mst_inflate *z, const uint8_t **in, const uint8_t *end, uint64_t stop_at,
                           mst_inflate_state *state, mst_error *err) {
  if (z->broken != NULL) return broken(z, err);
  slide(z);
  do {
    *state = z->n_stash > 0 ? decode_stash(z, in, end, stop_at) : decode_direct(z, in, end, stop_at);
    if (z->broken != NULL) return broken(z, err);
  } while (*state == MST_INFLATE_INPUT && *in < end);
  return MST_OK;
}

/* ---- what came out --------------------------------------------------------------------------------------------- */

size_t mst_inflate_take(mst_inflate *z, const uint8_t **data) {
  const size_t n = (size_t)(z->out - z->taken);
  *data = z->taken;
  z->taken = z->out;
  return n;
}

void mst_inflate_until(mst_inflate *z, uint64_t plain) { z->most = plain; }

uint64_t mst_inflate_plain(const mst_inflate *z) { return z->plain; }
uint64_t mst_inflate_bit(const mst_inflate *z) { return z->consumed * 8 + z->skip; }

size_t mst_inflate_window(const mst_inflate *z, uint64_t plain, const uint8_t **window) {
  const uint64_t back = z->plain - plain;
  mst_assert(back <= (uint64_t)(z->out - z->begin));
  const uint8_t *const at = z->out - back;
  const size_t n = mst_min_size((size_t)(at - z->begin), MST_INFLATE_WINDOW);
  *window = at - n;
  return n;
}

void mst_inflate_track(mst_inflate *z) {
  z->tracked = z->plain;
  z->n_references = 0;
}

static void keep_masked(uint8_t *bytes, const uint8_t *masks, size_t n) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    uint64_t b, m;
    memcpy(&b, bytes + i, 8);
    memcpy(&m, masks + i, 8);
    b &= m;
    memcpy(bytes + i, &b, 8);
  }
  for (; i < n; i++) bytes[i] &= masks[i];
}

void mst_inflate_prune(const mst_inflate *z, uint8_t *window, size_t n) {
  uint8_t masks[MST_INFLATE_WINDOW] = {0}; /* the last one belongs to the byte before the tracked place */
  uint8_t *const end = masks + sizeof masks;
  const uint64_t behind = z->plain - z->tracked;
  mst_assert(z->tracked != UINT64_MAX && n <= MST_INFLATE_WINDOW);
  /* What is still to come may refer to all that is near enough. */
  if (behind < MST_INFLATE_WINDOW && z->step != STEP_END)
    memset(end - (MST_INFLATE_WINDOW - behind), 0xff, MST_INFLATE_WINDOW - (size_t)behind);
  for (size_t i = 0; i < z->n_references; i++) {
    const size_t back = z->references[i].back + 1u, size = mst_min_size(z->references[i].size, back);
    uint8_t *mask = end - back;
    if (size < 8) {
      for (size_t k = 0; k < size; k++) mask[k] = 0xff;
    } else {
      /* Eight at a time, the last ones twice. */
      for (size_t k = 0; k < size - 8; k += 8) memset(mask + k, 0xff, 8);
      memset(mask + size - 8, 0xff, 8);
    }
  }
  keep_masked(window, end - n, n);
}
