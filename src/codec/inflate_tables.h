/* codec/inflate_tables.h - how Huffman codes become lookup tables; private to the inflate_*.c files.
 *
 * Entries are 32 bits. Bits 0-5 are always the number of bits to drop, so that a shift by the whole entry (modulo 64) works.
 *   literals   6-7 how many (1-3), 8-15 the first, 16-23 the second, 24-31 the third
 *   length     6-7 zero, 8-11 bits of the code alone (0-5 also counts the extra bits), 16-24 base length
 *   distance   as length, 16-30 base distance
 *   the rest   6-7 zero, 31 set: 30 a subtable (16-28 its place, 8-11 its size as a power of two), 29 end of block,
 *              none of them: no symbol has this code */
#ifndef MST_CODEC_INFLATE_TABLES_H
#define MST_CODEC_INFLATE_TABLES_H

#include <stdbool.h>
#include <stdint.h>

#define ENTRY_BITS 0x3fu
#define ENTRY_LITERALS 0xc0u
#define ENTRY_ONE_LITERAL 0x40u
#define ENTRY_SPECIAL 0x80000000u
#define ENTRY_SUBTABLE 0x40000000u
#define ENTRY_END 0x20000000u
#define ENTRY_NONE (ENTRY_SPECIAL | 1u)

#define CODE_BITS_MAX 15
#define LITLEN_ROOT 12u
#define DIST_ROOT 9u
#define PRECODE_ROOT 7u
#define LITLEN_SYMBOLS 288u
#define DIST_SYMBOLS 32u
#define PRECODE_SYMBOLS 19u
/* Roots, and at most one subtable of 2^(15-root) entries for every two long codes. */
#define LITLEN_ENTRIES ((1u << LITLEN_ROOT) + LITLEN_SYMBOLS / 2 * (1u << (CODE_BITS_MAX - LITLEN_ROOT)))
#define DIST_ENTRIES ((1u << DIST_ROOT) + DIST_SYMBOLS / 2 * (1u << (CODE_BITS_MAX - DIST_ROOT)))
#define PRECODE_ENTRIES (1u << PRECODE_ROOT)

/* NULL, or the rule that the lengths break. The root of the table is 2^root entries. */
const char *mst_inflate_build_litlen(uint32_t *table, const uint8_t *lengths, unsigned n);
const char *mst_inflate_build_dist(uint32_t *table, const uint8_t *lengths, unsigned n);
/* Entries: bits 0-5 length of the code, 8-15 the symbol. */
const char *mst_inflate_build_precode(uint32_t *table, const uint8_t lengths[PRECODE_SYMBOLS]);

#endif
