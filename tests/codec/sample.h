/* tests/codec/sample.h - seeded plain bytes of many kinds, and raw DEFLATE streams of them with every kind of block.
 * Calls zlib. Memory is malloc's; the caller frees it. */
#ifndef MST_TESTS_CODEC_SAMPLE_H
#define MST_TESTS_CODEC_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sample_random {
  uint64_t state;
} sample_random;
uint64_t sample_next(sample_random *r);
static inline size_t sample_below(sample_random *r, size_t n) { return (size_t)(sample_next(r) % n); }

enum { SAMPLE_FASTQ, SAMPLE_TABLE, SAMPLE_RANDOM, SAMPLE_ZEROS, SAMPLE_FAR, SAMPLE_SKEWED, SAMPLE_KINDS };
/* `n` plain bytes. FAR: matches from as far back as DEFLATE reaches. SKEWED: codes of up to 15 bits. */
uint8_t *sample_plain(int kind, size_t n, uint64_t seed);

typedef struct sample_deflate {
  int level, strategy, window_bits, mem_level; /* zlib's; 0 for the last two: 15 and 8                 */
  int flush; /* Z_SYNC_FLUSH, Z_FULL_FLUSH, Z_BLOCK …, every `flush_every` plain bytes; 0: none */
  size_t flush_every;
} sample_deflate;
/* Raw DEFLATE. */
uint8_t *sample_compress(const uint8_t *plain, size_t n, const sample_deflate *how, size_t *n_out);
#define SAMPLE_WAYS 14
/* A few very different settings. */
extern const sample_deflate sample_ways[SAMPLE_WAYS];

/* A gzip member around raw DEFLATE data; `flags` as in RFC 1952 with made-up fields. */
uint8_t *sample_member(const uint8_t *plain, size_t n, const sample_deflate *how, unsigned flags, size_t *n_out);
/* A BGZF file of blocks of `block` plain bytes; with the end block when `ended`. `level` 0: stored. */
uint8_t *sample_bgzf(const uint8_t *plain, size_t n, size_t block, int level, bool ended, size_t *n_out);
/* Appends; *out is grown with realloc. */
void sample_append(uint8_t **out, size_t *n_out, const void *data, size_t n);

/* Streams written bit by bit. {0} to begin with. */
typedef struct sample_bits {
  uint8_t data[4096];
  size_t bits;
} sample_bits;
void sample_put(sample_bits *b, uint32_t value, unsigned n);     /* lowest bit first */
void sample_put_code(sample_bits *b, uint32_t code, unsigned n); /* highest bit first, as Huffman codes are */
static inline size_t sample_size(const sample_bits *b) { return (b->bits + 7) / 8; }

#endif
