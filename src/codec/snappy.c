/* codec/snappy.c - Snappy and LZ4 blocks: byte-aligned LZ77 with a hash table of the last place of each four bytes.
 *
 * Owns: nothing. May call: base. */
#include "codec/snappy.h"

#include <string.h>

#include "base/base.h"

/* ---- copying ------------------------------------------------------------------------------------------------- */

/* All is read before any is written: the areas may overlap. */
static inline void copy8(uint8_t *to, const uint8_t *from) {
  uint8_t all[8];
  memcpy(all, from, sizeof all);
  memcpy(to, all, sizeof all);
}

static inline void copy16(uint8_t *to, const uint8_t *from) {
  uint8_t all[16];
  memcpy(all, from, sizeof all);
  memcpy(to, all, sizeof all);
}

/* Copies `n` bytes in steps of 16; reads and writes up to 15 bytes more. The areas do not overlap. */
static inline void copy_wild(uint8_t *to, const uint8_t *from, size_t n) {
  size_t i = 0;
  do {
    copy16(to + i, from + i);
    i += 16;
  } while (i < n);
}

/* A match of `n` bytes `offset` bytes back; `room` bytes may be written at `to`. */
static inline void copy_match(uint8_t *to, size_t offset, size_t n, size_t room) {
  const uint8_t *from = to - offset;
  size_t i;
  if (offset >= 16 && room >= n + 16) {
    copy_wild(to, from, n);
    return;
  }
  if (offset >= 8 && room >= n + 8) {
    for (i = 0; i < n; i += 8) copy8(to + i, from + i);
    return;
  }
  if (offset < 8 && room >= n + 16 && n > 8) {
    /* Spread the pattern over eight bytes, then step by the largest multiple of it that fits there. */
    uint8_t pattern[16];
    size_t step = offset == 0 ? 8 : 8 - 8 % offset;
    for (i = 0; i < 16; i++) pattern[i] = from[i % (offset == 0 ? 1 : offset)];
    for (i = 0; i < n; i += step) copy8(to + i, pattern);
    return;
  }
  for (i = 0; i < n; i++) to[i] = from[i];
}

/* ---- match finding ------------------------------------------------------------------------------------------- */

enum { TABLE_BITS = 14 };

static inline uint32_t load32(const uint8_t *p) {
  uint32_t v;
  memcpy(&v, p, 4);
  return v;
}

static inline uint64_t load64(const uint8_t *p) {
  uint64_t v;
  memcpy(&v, p, 8);
  return v;
}

static inline uint32_t hash4(uint32_t v) { return v * 0x1e35a7bdu >> (32 - TABLE_BITS); }

/* How many bytes of `a` and `b` (which lies behind) agree, up to `end`. */
static inline size_t match_length(const uint8_t *a, const uint8_t *b, const uint8_t *end) {
  const uint8_t *start = b;
  while ((size_t)(end - b) >= 8) {
    uint64_t x = load64(a) ^ load64(b);
    if (x != 0) return (size_t)(b - start) + (size_t)__builtin_ctzll(x) / 8;
    a += 8;
    b += 8;
  }
  while (b < end && *a == *b) {
    a++;
    b++;
  }
  return (size_t)(b - start);
}

/* A match of four or five bytes saves one or two and costs the reader as much as a long one. Texts of few letters are
 * full of them and hardly shrink: short matches are taken while windows of the input shrink well, and tried again now
 * and then where they did not. */
enum { SHORT_MATCH = 6, WINDOW = 16 << 10, WINDOWS_WITHOUT = 15 };

typedef struct shorts {
  const uint8_t *end; /* of the window of the input        */
  uint8_t *least;     /* where output must end to be a gain */
  bool without;
} shorts;

static void next_window(shorts *s, const uint8_t *in, uint8_t *out) {
  s->without = !s->without && s->end != NULL && out > s->least;
  s->end = in + WINDOW * (s->without ? WINDOWS_WITHOUT : 1);
  s->least = out + WINDOW - WINDOW / 5;
}

/* `in` is where the match begins, `out` where output stands once the literals before it are out. */
static inline bool worth_it(shorts *s, size_t length, const uint8_t *in, uint8_t *out) {
  if (in >= s->end) next_window(s, in, out);
  return length >= SHORT_MATCH || !s->without;
}

/* ---- snappy -------------------------------------------------------------------------------------------------- */

static bool snappy_size(const uint8_t *in, size_t n, size_t *at, uint64_t *size) {
  int shift;
  *size = 0;
  for (shift = 0; shift < 35; shift += 7) {
    if (*at >= n) return false;
    *size |= (uint64_t)(in[*at] & 0x7f) << shift;
    if ((in[(*at)++] & 0x80) == 0) return *size <= UINT32_MAX;
  }
  return false;
}

/* What a tag says: bytes it gives (0: more must be looked at), bytes it takes, and how the offset comes about. */
typedef struct snappy_tag {
  uint8_t length, taken;
  uint8_t nearest; /* the smallest offset at which a copy in steps of 16 does not read what it has yet to write */
  uint16_t mask, high;
} snappy_tag;

#define KIND(t) ((t)&3)
#define TAG_LENGTH(t) \
  (KIND(t) == 1 ? ((t) >> 2 & 7) + 4 : KIND(t) == 3 || (KIND(t) == 0 && (t) >= 60 << 2) ? 0 : ((t) >> 2) + 1)
#define TAG(t)                                                                   \
  {                                                                              \
    .length = TAG_LENGTH(t), .nearest = TAG_LENGTH(t) < 16 ? TAG_LENGTH(t) : 16, \
    .taken = (uint8_t)(KIND(t) == 0 ? 2 + ((t) >> 2) : KIND(t) + 1),             \
    .mask = KIND(t) == 1   ? 0xff                                                \
            : KIND(t) == 2 ? 0xffff                                              \
                           : 0,                                                  \
    .high = KIND(t) == 1 ? (uint16_t)((t) >> 5 << 8) : 0,                        \
  }
#define TAGS4(t)  TAG(t), TAG((t) + 1), TAG((t) + 2), TAG((t) + 3)
#define TAGS16(t) TAGS4(t), TAGS4((t) + 4), TAGS4((t) + 8), TAGS4((t) + 12)
#define TAGS64(t) TAGS16(t), TAGS16((t) + 16), TAGS16((t) + 32), TAGS16((t) + 48)
static const snappy_tag snappy_tags[256] = {TAGS64(0), TAGS64(64), TAGS64(128), TAGS64(192)};

enum { MOST_AT_ONCE = 64 };

/* While input and output have room to spare: literals and copies of up to 64 bytes alike, without telling them apart by
 * a branch, because which one comes next cannot be predicted. Stops before the first element that is anything else. */
static void snappy_stretch(const uint8_t *in, size_t in_size, size_t *at, uint8_t *out, size_t out_size, size_t *done) {
  const uint8_t *from = in + *at, *from_end = in + (in_size > MOST_AT_ONCE + 1 ? in_size - MOST_AT_ONCE - 1 : 0);
  uint8_t *to = out + *done, *to_end = out + (out_size > MOST_AT_ONCE ? out_size - MOST_AT_ONCE : 0);
  while (from < from_end && to < to_end) {
    uint8_t byte = *from;
    snappy_tag tag = snappy_tags[byte];
    size_t offset = (mst_le16(from + 1) & tag.mask) + (size_t)tag.high;
    bool literal = (byte & 3) == 0;
    const uint8_t *source = literal ? from + 1 : to - offset;
    bool plain = literal | ((offset >= tag.nearest) & (offset <= (size_t)(to - out)));
    if (tag.length == 0 || !plain) break;
    copy16(to, source);
    if (tag.length > 16) {
      copy16(to + 16, source + 16);
      copy16(to + 32, source + 32);
      copy16(to + 48, source + 48);
    }
    from += tag.taken;
    to += tag.length;
  }
  *at = (size_t)(from - in);
  *done = (size_t)(to - out);
}

bool mst_snappy_unpack(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size) {
  size_t at = 0, done = 0, length, offset, extra;
  uint64_t size;
  uint8_t tag;
  if (!snappy_size(in, in_size, &at, &size) || size != out_size) return false;
  for (;;) {
    snappy_stretch(in, in_size, &at, out, out_size, &done);
    if (at == in_size) break;
    tag = in[at++];
    if ((tag & 3) == 0) {
      length = (size_t)(tag >> 2) + 1;
      if (length > 60) {
        extra = length - 60;
        if (in_size - at < extra) return false;
        for (length = 0; extra-- > 0;) length |= (size_t)in[at + extra] << (8 * extra);
        at += (size_t)(tag >> 2) - 59;
        length++;
      }
      if (length > in_size - at || length > out_size - done) return false;
      memcpy(out + done, in + at, length);
      at += length;
      done += length;
      continue;
    }
    if ((tag & 3) == 1) {
      if (at >= in_size) return false;
      length = (size_t)(tag >> 2 & 7) + 4;
      offset = (size_t)(tag >> 5) << 8 | in[at++];
    } else {
      extra = (tag & 3) == 2 ? 2 : 4;
      if (in_size - at < extra) return false;
      length = (size_t)(tag >> 2) + 1;
      offset = extra == 2 ? mst_le16(in + at) : mst_le32(in + at);
      at += extra;
    }
    if (offset == 0 || offset > done || length > out_size - done) return false;
    copy_match(out + done, offset, length, out_size - done);
    done += length;
  }
  return done == out_size;
}

size_t mst_snappy_bound(size_t n) { return 32 + n + n / 6; }

static uint8_t *snappy_literal(uint8_t *to, const uint8_t *from, size_t n) {
  size_t v = n - 1;
  if (n == 0) return to;
  if (v < 60) {
    *to++ = (uint8_t)(v << 2);
  } else {
    uint8_t *tag = to++;
    size_t bytes = 0;
    for (; v > 0; v >>= 8, bytes++) *to++ = (uint8_t)v;
    *tag = (uint8_t)((59 + bytes) << 2);
  }
  memcpy(to, from, n);
  return to + n;
}

static uint8_t *snappy_copy(uint8_t *to, size_t offset, size_t length) {
  while (length >= 68) {
    *to++ = 63 << 2 | 2;
    mst_put_le16(to, (uint16_t)offset);
    to += 2;
    length -= 64;
  }
  if (length > 64) {
    *to++ = 59 << 2 | 2;
    mst_put_le16(to, (uint16_t)offset);
    to += 2;
    length -= 60;
  }
  if (length >= 12 || offset >= 2048) {
    *to++ = (uint8_t)((length - 1) << 2 | 2);
    mst_put_le16(to, (uint16_t)offset);
    return to + 2;
  }
  *to++ = (uint8_t)((length - 4) << 2 | (offset >> 8) << 5 | 1);
  *to++ = (uint8_t)offset;
  return to;
}

/* One block of at most 64 KiB, which keeps offsets in 16 bits. */
static uint8_t *snappy_block(const uint8_t *in, size_t n, uint8_t *to, uint16_t *table, shorts *s) {
  size_t at = 1, literal = 0, misses = 32;
  memset(table, 0, sizeof(uint16_t) << TABLE_BITS);
  while (n >= 16 && at < n - 15) {
    uint32_t word = load32(in + at), h = hash4(word);
    size_t candidate = table[h], length;
    table[h] = (uint16_t)at;
    if (load32(in + candidate) != word || candidate >= at) {
      at += misses++ >> 5;
      continue;
    }
    length = 4 + match_length(in + candidate + 4, in + at + 4, in + n);
    /* Three bytes for four, and a new literal's head, are no gain at all. */
    if ((length < 5 && at - candidate >= 2048 && at > literal) || !worth_it(s, length, in + at, to + (at - literal))) {
      at += misses++ >> 5;
      continue;
    }
    to = snappy_literal(to, in + literal, at - literal);
    to = snappy_copy(to, at - candidate, length);
    at += length;
    literal = at;
    misses = 32;
    if (at < n - 15) table[hash4(load32(in + at - 1))] = (uint16_t)(at - 1);
  }
  return snappy_literal(to, in + literal, n - literal);
}

size_t mst_snappy_pack(const uint8_t *in, size_t n, uint8_t *out, void *table) {
  uint8_t *to = out;
  size_t v = n, at, part;
  shorts s = {0};
  for (; v >= 0x80; v >>= 7) *to++ = (uint8_t)(v | 0x80);
  *to++ = (uint8_t)v;
  for (at = 0; at < n; at += part) {
    part = mst_min_size(n - at, 65536);
    to = snappy_block(in + at, part, to, table, &s);
  }
  return (size_t)(to - out);
}

/* ---- lz4 ----------------------------------------------------------------------------------------------------- */

/* Lengths of 15 and more continue in bytes of 255. */
/* While input and output have room to spare: sequences of fewer than 15 literals and a match of fewer than 19 bytes
 * that does not overlap itself within a step. Stops before the first one that is anything else. */
static void lz4_stretch(const uint8_t *in, size_t in_size, size_t *at, uint8_t *out, size_t out_size, size_t *done) {
  const uint8_t *from = in + *at, *from_end = in + (in_size > 32 ? in_size - 32 : 0);
  uint8_t *to = out + *done, *to_end = out + (out_size > 64 ? out_size - 64 : 0);
  while (from < from_end && to < to_end) {
    unsigned token = *from, literals = token >> 4, length = token & 15;
    size_t offset = mst_le16(from + 1 + literals);
    uint8_t *match = to + literals;
    if (literals == 15 || length == 15 || offset > (size_t)(match - out)) break;
    if (offset < 16 && offset < length + 4) break;
    copy16(to, from + 1);
    copy16(match, match - offset);
    memcpy(match + 16, match - offset + 16, 2);
    from += 3 + literals;
    to = match + length + 4;
  }
  *at = (size_t)(from - in);
  *done = (size_t)(to - out);
}

static inline bool lz4_length(const uint8_t *in, size_t n, size_t *at, size_t *length) {
  uint8_t byte;
  do {
    if (*at >= n) return false;
    byte = in[(*at)++];
    *length += byte;
  } while (byte == 255);
  return true;
}

bool mst_lz4_unpack_part(const uint8_t *in, size_t in_size, uint8_t *out, size_t done, size_t out_size, size_t *got) {
  size_t at = 0, start = done, length, offset;
  if (in_size == 0) {
    *got = 0;
    return true;
  }
  for (;;) {
    uint8_t token;
    lz4_stretch(in, in_size, &at, out, out_size, &done);
    if (at >= in_size) return false;
    token = in[at++];
    length = token >> 4;
    if (length < 15 && in_size - at >= 16 && out_size - done >= 16) {
      copy16(out + done, in + at);
    } else {
      if (length == 15 && !lz4_length(in, in_size, &at, &length)) return false;
      if (length > in_size - at || length > out_size - done) return false;
      if (length > 0) memcpy(out + done, in + at, length);
    }
    at += length;
    done += length;
    if (at == in_size) break; /* the last sequence is literals only */
    if (in_size - at < 2) return false;
    offset = mst_le16(in + at);
    at += 2;
    length = token & 15;
    if (length == 15 && !lz4_length(in, in_size, &at, &length)) return false;
    length += 4;
    if (offset == 0 || offset > done || length > out_size - done) return false;
    copy_match(out + done, offset, length, out_size - done);
    done += length;
  }
  *got = done - start;
  return true;
}

bool mst_lz4_unpack(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size) {
  size_t got;
  return mst_lz4_unpack_part(in, in_size, out, 0, out_size, &got) && got == out_size;
}

size_t mst_lz4_bound(size_t n) { return n + n / 255 + 16; }

static uint8_t *lz4_put_length(uint8_t *to, size_t rest) {
  for (; rest >= 255; rest -= 255) *to++ = 255;
  *to++ = (uint8_t)rest;
  return to;
}

/* A sequence; offset 0 marks the last one, which has no match. */
static uint8_t *lz4_sequence(uint8_t *to, const uint8_t *literal, size_t n, size_t offset, size_t length) {
  uint8_t *token = to++;
  *token = (uint8_t)(mst_min_size(n, 15) << 4);
  if (n >= 15) to = lz4_put_length(to, n - 15);
  if (n > 0) memcpy(to, literal, n);
  to += n;
  if (offset == 0) return to;
  mst_put_le16(to, (uint16_t)offset);
  to += 2;
  *token = (uint8_t)(*token | mst_min_size(length - 4, 15));
  if (length - 4 >= 15) to = lz4_put_length(to, length - 4 - 15);
  return to;
}

size_t mst_lz4_pack(const uint8_t *in, size_t n, uint8_t *out, void *scratch) {
  uint32_t *table = scratch;
  uint8_t *to = out;
  size_t at = 1, literal = 0, misses = 64;
  shorts s = {0};
  memset(table, 0, sizeof(uint32_t) << TABLE_BITS);
  /* The format wants the last match to begin 12 bytes before the end and the last 5 bytes to be literals. */
  while (n >= 13 && at < n - 12) {
    uint32_t word = load32(in + at), h = hash4(word);
    size_t candidate = table[h], length, back;
    table[h] = (uint32_t)at;
    if (candidate >= at || at - candidate > 65535 || load32(in + candidate) != word) {
      at += misses++ >> 6;
      continue;
    }
    for (back = 0; at - back > literal && candidate > back && in[at - back - 1] == in[candidate - back - 1];) back++;
    length = back + 4 + match_length(in + candidate + 4, in + at + 4, in + n - 5);
    if (!worth_it(&s, length, in + at, to + (at - literal))) {
      at += misses++ >> 6;
      continue;
    }
    at -= back;
    candidate -= back;
    to = lz4_sequence(to, in + literal, at - literal, at - candidate, length);
    at += length;
    literal = at;
    misses = 64;
    if (at < n - 12) table[hash4(load32(in + at - 2))] = (uint32_t)(at - 2);
  }
  return (size_t)(lz4_sequence(to, in + literal, n - literal, 0, 0) - out);
}
