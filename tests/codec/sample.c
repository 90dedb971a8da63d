/* tests/codec/sample.c - see sample.h. */
#include "sample.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static void must(bool ok) {
  if (!ok) abort();
}

uint64_t sample_next(sample_random *r) {
  r->state += 0x9e3779b97f4a7c15u;
  uint64_t z = r->state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static void fill_fastq(uint8_t *out, size_t n, sample_random *r) {
  static uint8_t genome[20000];
  size_t column = 0, line = 0, from = 0;
  for (size_t i = 0; i < sizeof genome; i++) genome[i] = (uint8_t) "ACGT"[sample_below(r, 4)];
  for (size_t i = 0; i < n; i++, column++) {
    const size_t length = line % 4 == 0 ? 30 : line % 4 == 2 ? 1 : 100;
    if (column == length) {
      out[i] = '\n';
      column = (size_t)-1;
      line++;
      from = sample_below(r, sizeof genome - 200);
    } else if (line % 4 == 0) {
      out[i] = column == 0 ? '@' : (uint8_t) "A00427:118:HKWGT:1:0123456789"[column % 20 + sample_below(r, 9)];
    } else if (line % 4 == 1) {
      out[i] = genome[from + column];
    } else if (line % 4 == 2) {
      out[i] = '+';
    } else {
      out[i] = (uint8_t)('I' - sample_below(r, 3) * sample_below(r, 12));
    }
  }
}

static void fill_table(uint8_t *out, size_t n, sample_random *r) {
  size_t i = 0;
  while (i < n) {
    char row[64];
    const uint64_t v = sample_next(r);
    size_t k = 0;
    for (unsigned d = 0; d < 6 + v % 12; d++) row[k++] = (char)('0' + (v >> (d * 3)) % 10);
    row[k++] = v % 7 == 0 ? '\n' : ',';
    if (v % 5 == 0) {
      memcpy(row + k, "\"quoted, text\"", 14);
      k += 14;
    }
    for (size_t j = 0; j < k && i < n; j++) out[i++] = (uint8_t)row[j];
  }
}

/* Copies from up to 32768 back, of every length that DEFLATE has, between some random bytes. */
static void fill_far(uint8_t *out, size_t n, sample_random *r) {
  size_t i = 0;
  while (i < n) {
    const size_t back = sample_below(r, 4) == 0 ? 1 + sample_below(r, 300) : 32768 - sample_below(r, 300);
    size_t length = 3 + sample_below(r, 256);
    if (i < back || sample_below(r, 3) == 0) {
      for (length = 1 + sample_below(r, 5); length > 0 && i < n; length--) out[i++] = (uint8_t)sample_next(r);
      continue;
    }
    for (; length > 0 && i < n; length--, i++) out[i] = out[i - back];
  }
}

static void fill_skewed(uint8_t *out, size_t n, sample_random *r) {
  for (size_t i = 0; i < n; i++) {
    const uint64_t v = sample_next(r) | 0x8000000000u;
    out[i] = (uint8_t)(__builtin_ctzll(v) * 6 + (int)(v >> 63));
  }
}

uint8_t *sample_plain(int kind, size_t n, uint64_t seed) {
  sample_random r = {.state = seed};
  uint8_t *out = malloc(n + 1);
  must(out != NULL);
  if (kind == SAMPLE_FASTQ) fill_fastq(out, n, &r);
  else if (kind == SAMPLE_TABLE) fill_table(out, n, &r);
  else if (kind == SAMPLE_FAR) fill_far(out, n, &r);
  else if (kind == SAMPLE_SKEWED) fill_skewed(out, n, &r);
  else if (kind == SAMPLE_ZEROS) memset(out, 0, n);
  else
    for (size_t i = 0; i < n; i++) out[i] = (uint8_t)sample_next(&r);
  return out;
}

const sample_deflate sample_ways[SAMPLE_WAYS] = {
    {.level = 0},
    {.level = 1},
    {.level = 6},
    {.level = 9},
    {.level = 6, .strategy = Z_FIXED},
    {.level = 6, .strategy = Z_HUFFMAN_ONLY},
    {.level = 6, .strategy = Z_RLE},
    {.level = 9, .window_bits = 9},
    {.level = 6, .mem_level = 1},
    {.level = 6, .flush = Z_SYNC_FLUSH, .flush_every = 1000},
    {.level = 6, .flush = Z_FULL_FLUSH, .flush_every = 9000},
    {.level = 6, .flush = Z_PARTIAL_FLUSH, .flush_every = 333},
    {.level = 3, .flush = Z_BLOCK, .flush_every = 50},
    {.level = 9, .mem_level = 9},
};

uint8_t *sample_compress(const uint8_t *plain, size_t n, const sample_deflate *how, size_t *n_out) {
  z_stream z = {0};
  const size_t room = n + n / 2 + 4096 + (how->flush_every > 0 ? n / how->flush_every * 16 : 0);
  const size_t step = how->flush_every > 0 ? how->flush_every : n + 1;
  uint8_t *out = malloc(room);
  size_t at = 0;
  must(out != NULL);
  must(deflateInit2(&z, how->level, Z_DEFLATED, -(how->window_bits > 0 ? how->window_bits : 15),
                    how->mem_level > 0 ? how->mem_level : 8, how->strategy) == Z_OK);
  z.next_out = out;
  z.avail_out = (uInt)room;
  do {
    const size_t k = n - at < step ? n - at : step;
    z.next_in = (Bytef *)(uintptr_t)(plain + at);
    z.avail_in = (uInt)k;
    at += k;
    const int code = deflate(&z, at == n ? Z_FINISH : how->flush);
    must(code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR);
  } while (at < n);
  *n_out = room - z.avail_out;
  (void)deflateEnd(&z);
  return out;
}

void sample_append(uint8_t **out, size_t *n_out, const void *data, size_t n) {
  uint8_t *grown = realloc(*out, *n_out + n + 1);
  must(grown != NULL);
  if (n > 0) memcpy(grown + *n_out, data, n);
  *out = grown;
  *n_out += n;
}

static void append_u16(uint8_t **out, size_t *n_out, size_t v) {
  const uint8_t b[2] = {(uint8_t)v, (uint8_t)(v >> 8)};
  sample_append(out, n_out, b, 2);
}

static void append_u32(uint8_t **out, size_t *n_out, size_t v) {
  append_u16(out, n_out, v & 0xffff);
  append_u16(out, n_out, v >> 16 & 0xffff);
}

static void append_trailer(uint8_t **out, size_t *n_out, const uint8_t *plain, size_t n) {
  append_u32(out, n_out, crc32(0, plain, (uInt)n));
  append_u32(out, n_out, n);
}

uint8_t *sample_member(const uint8_t *plain, size_t n, const sample_deflate *how, unsigned flags, size_t *n_out) {
  const uint8_t head[10] = {0x1f, 0x8b, 8, (uint8_t)flags, 1, 2, 3, 4, 0, 255};
  uint8_t *out = NULL;
  size_t n_deflate;
  uint8_t *deflated = sample_compress(plain, n, how, &n_deflate);
  *n_out = 0;
  sample_append(&out, n_out, head, sizeof head);
  if ((flags & 4) != 0) {
    append_u16(&out, n_out, 7);
    sample_append(&out, n_out, "XX\3\0abc", 7);
  }
  if ((flags & 8) != 0) sample_append(&out, n_out, "a name", 7);
  if ((flags & 16) != 0) sample_append(&out, n_out, "a\ncomment", 10);
  if ((flags & 2) != 0) append_u16(&out, n_out, crc32(0, out, (uInt)*n_out) & 0xffff);
  sample_append(&out, n_out, deflated, n_deflate);
  append_trailer(&out, n_out, plain, n);
  free(deflated);
  return out;
}

static void append_block(uint8_t **out, size_t *n_out, const uint8_t *plain, size_t n, int level) {
  static const uint8_t head[16] = {0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 6, 0, 'B', 'C', 2, 0};
  const sample_deflate how = {.level = level};
  size_t n_deflate;
  uint8_t *deflated = sample_compress(plain, n, &how, &n_deflate);
  must(n_deflate + 26 <= 65536);
  sample_append(out, n_out, head, sizeof head);
  append_u16(out, n_out, n_deflate + 26 - 1);
  sample_append(out, n_out, deflated, n_deflate);
  append_trailer(out, n_out, plain, n);
  free(deflated);
}

uint8_t *sample_bgzf(const uint8_t *plain, size_t n, size_t block, int level, bool ended, size_t *n_out) {
  uint8_t *out = NULL;
  *n_out = 0;
  for (size_t at = 0; at < n; at += block)
    append_block(&out, n_out, plain + at, n - at < block ? n - at : block, level);
  if (ended) append_block(&out, n_out, plain, 0, 6);
  if (out == NULL) sample_append(&out, n_out, "", 0);
  return out;
}

void sample_put(sample_bits *b, uint32_t value, unsigned n) {
  must(b->bits + n <= sizeof b->data * 8);
  for (unsigned i = 0; i < n; i++, b->bits++)
    if ((value >> i & 1) != 0) b->data[b->bits / 8] |= (uint8_t)(1u << b->bits % 8);
}

void sample_put_code(sample_bits *b, uint32_t code, unsigned n) {
  while (n-- > 0) sample_put(b, code >> n & 1, 1);
}
