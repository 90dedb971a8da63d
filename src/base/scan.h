/* base/scan.h - looks for single bytes and ranges of bytes in long runs, 64 at a time: where they stand as bit masks,
 * how many there are. Every record format's scanner is built on these.
 *
 * Owns: nothing. Each set of kernels is a constant; the best one is picked at run time. */
#ifndef MST_BASE_SCAN_H
#define MST_BASE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that one mask word stands for. */
#define MST_SCAN_WORD 64
/* Mask words for n bytes. */
#define MST_SCAN_WORDS(n) (((n) + 63) / 64)
/* A good number of bytes to ask masks for at once: text and masks stay in the first-level cache. */
#define MST_SCAN_BATCH 8192

/* Delimited text with quotes, read up to some byte: what the next block must know of the bytes before it. */
typedef struct mst_scan_quoted {
  uint8_t quote, delimiter, escape;
  bool has_quote, has_escape; /* without one, its byte is text like any other                              */
  bool inside;                /* the next byte lies between quotes                                          */
  bool fresh;                 /* outside: the last byte was a line end, so that a record may start here     */
  bool opens;                 /* outside: the last byte was a delimiter, line end or closing quote, so that a quote here
                                 opens a cell or, behind a closing quote, stands for a quote                */
} mst_scan_quoted;

/* In a mask, bit j of word i stands for data[64 * i + j]; bits behind data[n - 1] are zero. No kernel reads behind n.
 */
typedef struct mst_scan_kernels {
  const char *name; /* "avx2", "portable" */
  void (*mask)(const uint8_t *data, size_t n, uint8_t byte, uint64_t *mask);
  void (*mask2)(const uint8_t *data, size_t n, uint8_t a, uint8_t b, uint64_t *mask_a, uint64_t *mask_b);
  void (*mask4)(const uint8_t *data, size_t n, const uint8_t bytes[4], uint64_t *const masks[4]);
  void (*mask_range)(const uint8_t *data, size_t n, uint8_t low, uint8_t high,
                     uint64_t *mask); /* low <= byte <= high */
  size_t (*count)(const uint8_t *data, size_t n, uint8_t byte);
  size_t (*count_range)(const uint8_t *data, size_t n, uint8_t low, uint8_t high);
  /* Bits [from, to) of a mask that are set. */
  size_t (*count_bits)(const uint64_t *mask, size_t from, size_t to);
  /* Whether all of it is valid UTF-8 (as mst_utf8_valid, which also says where it is not). */
  bool (*utf8)(const uint8_t *data, size_t n);
  /* Delimited text, in whole blocks of 64 bytes; both return the number of bytes used, and stop in front of the first
   * block that holds an escape or a quote where none is expected (within a bare cell), which only a look at each byte
   * can judge. Line ends are LF and CR; a record starts at a byte that is none, behind one, outside quotes. */
  /* Adds the number of records that start to `*starts`; also stops in front of a block that would take it beyond `max`.
   */
  size_t (*quoted_starts)(const uint8_t *data, size_t n, mst_scan_quoted *q, uint64_t max, uint64_t *starts);
  /* One mask word a block: the delimiters and line ends outside quotes, where cells end. */
  size_t (*quoted_ends)(const uint8_t *data, size_t n, mst_scan_quoted *q, uint64_t *ends);
} mst_scan_kernels;

/* The fastest set for this processor; MESETA_KERNELS=portable in the environment asks for the plain one. */
const mst_scan_kernels *mst_scan_best(void);
/* By name; NULL when this build or processor does not have it. */
const mst_scan_kernels *mst_scan_find(const char *name);

/* Index of the k-th (from 0) byte of this value; n when there are fewer, and then `*found` of them. `found` may be
 * NULL. */
size_t mst_scan_nth(const mst_scan_kernels *scan, const uint8_t *data, size_t n, uint8_t byte, uint64_t k,
                    uint64_t *found);

/* Position of the lowest bit; mask must not be 0. */
static inline unsigned mst_mask_first(uint64_t mask) { return (unsigned)__builtin_ctzll(mask); }
static inline unsigned mst_mask_count(uint64_t mask) { return (unsigned)__builtin_popcountll(mask); }
/* The mask without its lowest bit. */
static inline uint64_t mst_mask_rest(uint64_t mask) { return mask & (mask - 1); }
/* Bits [0, n), n from 0 to 64. */
static inline uint64_t mst_mask_low(unsigned n) { return n >= 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1; }
/* Bit j of the result: the parity of bits [0, j] of the mask; turns quotes into the bytes between them. */
static inline uint64_t mst_mask_parity(uint64_t mask) {
  mask ^= mask << 1;
  mask ^= mask << 2;
  mask ^= mask << 4;
  mask ^= mask << 8;
  mask ^= mask << 16;
  mask ^= mask << 32;
  return mask;
}

#endif
