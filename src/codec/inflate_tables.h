/* codec/inflate_tables.h - how Huffman codes become lookup tables; private to the inflate_*.c files.
 *
 * One symbol at a time, 32 bits an entry: bits 0-5 bits to drop, with the extra bits; 8-11 bits of the code alone.
 *   literal    28 set; 16-23 the byte
 *   length     16-24 base length
 *   distance   16-30 base distance
 *   subtable   31 and 30 set; 16-28 its place, 8-11 its size as a power of two, 0-5 the bits of the root
 *   the rest   31 set; 29: end of block, else no symbol has this code
 *
 * Several symbols at once, 64 bits an entry: up to two literals, and a match behind at most one of them.
 *   0-7        bits to drop, with the extra bits of the distance
 *   8-23       the literals; 40-41 how many
 *   32-39      length; 0: no match, and the rest says a distance that does no harm
 *   42-45      bits in front of the extra bits of the distance; 48-62 base distance
 *   63         set: a length of which 32-39 and 0-7 tell all, but not its distance; or, with no length there, a symbol
 *              to be looked up by itself */
#ifndef MST_CODEC_INFLATE_TABLES_H
#define MST_CODEC_INFLATE_TABLES_H

#include <stdbool.h>
#include <stdint.h>

#define ENTRY_BITS         0x3fu
#define ENTRY_LITERAL      0x10000000u
#define ENTRY_SPECIAL      0x80000000u
#define ENTRY_SUBTABLE     0x40000000u
#define ENTRY_END          0x20000000u
#define ENTRY_NONE         (ENTRY_SPECIAL | 1u)
#define ENTRY_SUB_PLACE(e) ((e) >> 16 & 0x1fff)
#define ENTRY_SUB_MASK(e)  ((1u << ((e) >> 8 & 0xf)) - 1)

#define MULTI_ROOT    10u
#define MULTI_ENTRIES (1u << MULTI_ROOT)

#define CODE_BITS_MAX   15
#define LITLEN_ROOT     10u
#define DIST_ROOT       8u
#define PRECODE_ROOT    7u
#define LITLEN_SYMBOLS  288u
#define DIST_SYMBOLS    32u
#define PRECODE_SYMBOLS 19u
/* Roots, and at most one subtable of 2^(15-root) entries for every two long codes. */
#define LITLEN_ENTRIES  ((1u << LITLEN_ROOT) + LITLEN_SYMBOLS / 2 * (1u << (CODE_BITS_MAX - LITLEN_ROOT)))
#define DIST_ENTRIES    ((1u << DIST_ROOT) + DIST_SYMBOLS / 2 * (1u << (CODE_BITS_MAX - DIST_ROOT)))
#define PRECODE_ENTRIES (1u << PRECODE_ROOT)

typedef struct inflate_tables {
  uint64_t multi[MULTI_ENTRIES];
  uint32_t dist[DIST_ENTRIES];
  uint32_t litlen[LITLEN_ENTRIES];
} inflate_tables;

/* NULL, or the rule that the lengths break. */
const char *mst_inflate_build(inflate_tables *t, const uint8_t *litlen, unsigned n_litlen, const uint8_t *dist,
                              unsigned n_dist);
/* Entries: bits 0-5 length of the code, 16-23 the symbol. */
const char *mst_inflate_build_precode(uint32_t *table, const uint8_t lengths[PRECODE_SYMBOLS]);

#endif
