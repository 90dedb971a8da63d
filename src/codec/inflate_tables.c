/* codec/inflate_tables.c - builds the decoding tables of one DEFLATE block from its code lengths, which may be hostile.
 * Owns nothing. Calls nobody. */
#include "codec/inflate_tables.h"

#include <string.h>

static const uint16_t length_base[29] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                         31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
static const uint8_t length_extra[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
static const uint16_t dist_base[30] = {1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,   65,    97,    129,
                                       193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};

/* The symbols in the order of their codes, and how many codes of each length there are. */
typedef struct code_plan {
  uint16_t count[CODE_BITS_MAX + 1];
  uint16_t sorted[LITLEN_SYMBOLS];
  unsigned used;       /* symbols with a code             */
  unsigned shortest, longest;
} code_plan;

/* NULL for a complete code, for none at all and for a single code of one bit, as zlib takes them. */
static const char *plan_code(code_plan *plan, const uint8_t *lengths, unsigned n) {
  uint16_t next[CODE_BITS_MAX + 2] = {0};
  int left = 1;
  memset(plan->count, 0, sizeof plan->count);
  for (unsigned i = 0; i < n; i++) plan->count[lengths[i]]++;
  plan->used = n - plan->count[0];
  plan->count[0] = 0;
  plan->shortest = plan->longest = 0;
  for (unsigned bits = 1; bits <= CODE_BITS_MAX; bits++) {
    if (plan->count[bits] != 0) {
      plan->longest = bits;
      if (plan->shortest == 0) plan->shortest = bits;
    }
    left = 2 * left - plan->count[bits];
    if (left < 0) return "more codes than their lengths allow";
    next[bits + 1] = (uint16_t)(next[bits] + plan->count[bits]);
  }
  if (left > 0 && plan->longest > 1) return "an incomplete set of codes";
  for (unsigned i = 0; i < n; i++)
    if (lengths[i] != 0) plan->sorted[next[lengths[i]]++] = (uint16_t)i;
  return NULL;
}

/* The code behind `code`, both with their first bit lowest; 0 behind the last. */
static uint32_t next_code(uint32_t code, unsigned bits) {
  const uint32_t zeros = ~code & ((1u << bits) - 1);
  if (zeros == 0) return 0;
  const uint32_t bit = 1u << (31 - __builtin_clz(zeros));
  return (code & (bit - 1)) | bit;
}

/* The size of the subtable that begins with a code of `bits` bits: as many more as it takes to be full. */
static unsigned subtable_bits(const code_plan *plan, unsigned bits, unsigned left_of_length, unsigned root) {
  unsigned size = bits - root;
  unsigned filled = left_of_length;
  while (filled < 1u << size && root + size < plan->longest) {
    size++;
    filled = 2 * filled + plan->count[root + size];
  }
  return size;
}

/* `entries`: what a symbol's entry holds beside its code's length, which is added times `step` (of symbols from
 * `first_stepped` on; else once). */
static void fill_table(uint32_t *table, unsigned root, const code_plan *plan, const uint32_t *entries, unsigned first_stepped) {
  const uint16_t *symbol = plan->sorted;
  uint32_t code = 0, sub_prefix = UINT32_MAX;
  uint32_t sub_at = 0, sub_size = 0, sub_end = 1u << root;
  unsigned bits = plan->shortest < root && plan->shortest > 0 ? plan->shortest : root;

  for (uint32_t i = 0; i < 1u << bits; i++) table[i] = ENTRY_NONE;
  /* The table of codes up to `bits` bits, twice in a row, is that of codes up to one bit more. */
  for (;; bits++) {
    for (unsigned k = bits <= root ? plan->count[bits] : 0; k > 0; k--, symbol++) {
      table[code] = entries[*symbol] + bits * (*symbol >= first_stepped ? 0x101u : 1u);
      code = next_code(code, bits);
    }
    if (bits >= root) break;
    memcpy(table + (1u << bits), table, sizeof *table << bits);
  }
  for (bits = root + 1; bits <= plan->longest; bits++) {
    for (unsigned k = plan->count[bits]; k > 0; k--, symbol++) {
      const uint32_t prefix = code & ((1u << root) - 1);
      if (prefix != sub_prefix) {
        const unsigned size = subtable_bits(plan, bits, k, root);
        sub_prefix = prefix;
        sub_at = sub_end;
        sub_size = 1u << size;
        sub_end += sub_size;
        table[prefix] = ENTRY_SPECIAL | ENTRY_SUBTABLE | sub_at << 16 | size << 8 | root;
      }
      for (uint32_t i = code >> root; i < sub_size; i += 1u << (bits - root))
        table[sub_at + i] = entries[*symbol] + (bits - root) * (*symbol >= first_stepped ? 0x101u : 1u);
      code = next_code(code, bits);
    }
  }
}

/* Joins up to three literals whose codes fit into one index. Going down, every shorter index is still single. */
static void join_literals(uint32_t *table) {
  for (uint32_t i = 1u << LITLEN_ROOT; i-- > 0;) {
    const uint32_t a = table[i];
    if ((a & ENTRY_LITERALS) == 0) continue;
    uint32_t bits = a & ENTRY_BITS;
    const uint32_t b = table[i >> bits];
    if ((b & ENTRY_LITERALS) == 0 || bits + (b & ENTRY_BITS) > LITLEN_ROOT) continue;
    bits += b & ENTRY_BITS;
    uint32_t joined = bits | 2u << 6 | (a & 0xff00) | (b & 0xff00) << 8;
    const uint32_t c = table[i >> bits];
    if ((c & ENTRY_LITERALS) != 0 && bits + (c & ENTRY_BITS) <= LITLEN_ROOT)
      joined = (bits + (c & ENTRY_BITS)) | 3u << 6 | (joined & 0xffff00) | (c & 0xff00) << 16;
    table[i] = joined;
  }
}

const char *mst_inflate_build_litlen(uint32_t *table, const uint8_t *lengths, unsigned n) {
  uint32_t entries[LITLEN_SYMBOLS];
  code_plan plan;
  const char *broken;
  if (n <= 256 || lengths[256] == 0) return "no code for the end of the block";
  broken = plan_code(&plan, lengths, n);
  if (broken != NULL) return broken;
  for (uint32_t i = 0; i < 256; i++) entries[i] = ENTRY_ONE_LITERAL | i << 8;
  entries[256] = ENTRY_SPECIAL | ENTRY_END;
  for (uint32_t i = 0; i < 29; i++) entries[257 + i] = (uint32_t)length_base[i] << 16 | length_extra[i];
  entries[286] = entries[287] = ENTRY_SPECIAL;
  fill_table(table, LITLEN_ROOT, &plan, entries, 256);
  join_literals(table);
  return NULL;
}

const char *mst_inflate_build_dist(uint32_t *table, const uint8_t *lengths, unsigned n) {
  uint32_t entries[DIST_SYMBOLS];
  code_plan plan;
  const char *broken = plan_code(&plan, lengths, n);
  if (broken != NULL) return broken;
  for (uint32_t i = 0; i < 30; i++) entries[i] = (uint32_t)dist_base[i] << 16 | (i < 4 ? 0 : (i - 2) / 2);
  entries[30] = entries[31] = ENTRY_SPECIAL;
  fill_table(table, DIST_ROOT, &plan, entries, 0);
  return NULL;
}

const char *mst_inflate_build_precode(uint32_t *table, const uint8_t lengths[PRECODE_SYMBOLS]) {
  uint32_t entries[PRECODE_SYMBOLS];
  code_plan plan;
  const char *broken = plan_code(&plan, lengths, PRECODE_SYMBOLS);
  if (broken != NULL) return broken;
  if (plan.used < 2) return "an incomplete set of codes";
  for (uint32_t i = 0; i < PRECODE_SYMBOLS; i++) entries[i] = i << 8;
  fill_table(table, PRECODE_ROOT, &plan, entries, PRECODE_SYMBOLS);
  return NULL;
}
