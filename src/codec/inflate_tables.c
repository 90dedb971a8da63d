/* codec/inflate_tables.c - builds the decoding tables of one DEFLATE block from its code lengths, which may be hostile.
 * Owns nothing. Calls nobody. */
#include "codec/inflate_tables.h"

#include <string.h>

static const uint16_t length_base[29] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                         31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
static const uint8_t length_extra[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                         2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
static const uint16_t dist_base[30] = {1,    2,    3,    4,    5,    7,    9,    13,    17,    25,
                                       33,   49,   65,   97,   129,  193,  257,  385,   513,   769,
                                       1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};

/* The symbols in the order of their codes, and how many codes of each length there are. */
typedef struct code_plan {
  uint16_t count[CODE_BITS_MAX + 1];
  uint16_t sorted[LITLEN_SYMBOLS];
  unsigned used; /* symbols with a code             */
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

/* A symbol's entry: what it says beside its code's length, which is added to both counts of bits. */
#define CODE_BIT 0x101u

static void fill_table(uint32_t *table, unsigned root, const code_plan *plan, const uint32_t *symbols) {
  const uint16_t *next = plan->sorted;
  uint32_t code = 0, sub_prefix = UINT32_MAX;
  uint32_t sub_at = 0, sub_size = 0, sub_end = 1u << root;
  unsigned bits = plan->shortest < root && plan->shortest > 0 ? plan->shortest : root;

  for (uint32_t i = 0; i < 1u << bits; i++) table[i] = ENTRY_NONE;
  /* The table of codes up to `bits` bits, twice in a row, is that of codes up to one bit more. */
  for (;; bits++) {
    for (unsigned k = bits <= root ? plan->count[bits] : 0; k > 0; k--, next++) {
      table[code] = symbols[*next] + bits * CODE_BIT;
      code = next_code(code, bits);
    }
    if (bits >= root) break;
    memcpy(table + (1u << bits), table, sizeof *table << bits);
  }
  for (bits = root + 1; bits <= plan->longest; bits++) {
    for (unsigned k = plan->count[bits]; k > 0; k--, next++) {
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
        table[sub_at + i] = symbols[*next] + (bits - root) * CODE_BIT;
      code = next_code(code, bits);
    }
  }
}

/* ---- several symbols at once ----------------------------------------------------------------------------------- */

#define MULTI_BIT     (((uint64_t)1 << 42) + 1) /* one bit of code more, in both counts            */
#define MULTI_ALONE   ((uint64_t)64 << 48)      /* no match: a distance that does no harm          */
#define MULTI_LITERAL ((uint64_t)1 << 40)
#define MULTI_NONE    ((uint64_t)0x80003c0000000000) /* 15 bits of code, so that it joins with nothing  */
#define MULTI_CODE(e) ((e) >> 42 & 15)

/* Distances as they stand behind a length: bits of the code and base; none where the code is longer than a root. */
static void prepare_distances(uint64_t *parts, const uint32_t *dist) {
  for (uint32_t i = 0; i < 1u << DIST_ROOT; i++) {
    const uint64_t e = dist[i];
    const uint64_t part = (e >> 16) << 48 | (e >> 8 & 15) << 42 | (e & ENTRY_BITS);
    parts[i] = (e & ENTRY_SPECIAL) != 0 ? MULTI_NONE : part;
  }
}

/* A match of `length` whose code and extra bits are the `bits` bits of `prefix`, with every distance behind it. */
static void fill_matches(uint64_t *multi, uint32_t prefix, unsigned bits, uint64_t length, const uint64_t *parts) {
  const unsigned room = MULTI_ROOT - bits;
  for (uint32_t i = 0; i < 1u << room; i++) {
    const uint64_t part = parts[i & ((1u << DIST_ROOT) - 1)];
    multi[prefix | i << bits] =
        MULTI_CODE(part) <= room ? part + bits * MULTI_BIT + (length << 32) : MULTI_NONE | length << 32 | bits;
  }
}

/* Everything that can stand behind literal `byte`, whose code is `code`: `behind` holds what stands there by itself. */
static void fill_literals(uint64_t *multi, uint32_t code, unsigned bits, uint32_t byte, const uint64_t *behind) {
  const unsigned room = MULTI_ROOT - bits;
  const uint64_t literal = bits * MULTI_BIT + MULTI_LITERAL + ((uint64_t)byte << 8);
  for (uint32_t i = 0; i < 1u << room; i++) {
    const uint64_t e = behind[i];
    const uint64_t joined = (e & ~(uint64_t)0xff00) + ((e & 0xff00) << 8) + literal;
    multi[code | i << bits] = MULTI_CODE(e) <= room ? joined : MULTI_ALONE + literal;
  }
}

static void fill_multi(uint64_t *multi, const code_plan *plan, const uint32_t *dist) {
  uint64_t parts[1u << DIST_ROOT], behind[MULTI_ENTRIES];
  const uint16_t *next = plan->sorted;
  uint32_t code = 0;
  prepare_distances(parts, dist);
  for (uint32_t i = 0; i < MULTI_ENTRIES; i++) multi[i] = MULTI_NONE;
  for (unsigned bits = 1; bits <= MULTI_ROOT; bits++)
    for (unsigned k = plan->count[bits]; k > 0; k--, next++) {
      const unsigned symbol = *next, extra = symbol > 256 && symbol < 286 ? length_extra[symbol - 257] : 0;
      if (symbol < 256)
        for (uint32_t i = code; i < MULTI_ENTRIES; i += 1u << bits)
          multi[i] = MULTI_ALONE + bits * MULTI_BIT + MULTI_LITERAL + (symbol << 8);
      /* 256 and more do not fit into the entry's length. */
      else if (symbol > 256 && symbol < 284 && bits + extra <= MULTI_ROOT)
        for (uint32_t x = 0; x < 1u << extra; x++)
          fill_matches(multi, code | x << bits, bits + extra, length_base[symbol - 257] + x, parts);
      code = next_code(code, bits);
    }
  memcpy(behind, multi, sizeof behind);
  code = 0;
  next = plan->sorted;
  for (unsigned bits = 1; bits < MULTI_ROOT; bits++)
    for (unsigned k = plan->count[bits]; k > 0; k--, next++) {
      if (*next < 256) fill_literals(multi, code, bits, *next, behind);
      code = next_code(code, bits);
    }
}

/* ---- whole blocks ---------------------------------------------------------------------------------------------- */

const char *mst_inflate_build(inflate_tables *t, const uint8_t *litlen, unsigned n_litlen, const uint8_t *dist,
                              unsigned n_dist) {
  uint32_t symbols[LITLEN_SYMBOLS];
  code_plan plan;
  const char *broken;
  if (n_litlen <= 256 || litlen[256] == 0) return "no code for the end of the block";
  broken = plan_code(&plan, dist, n_dist);
  if (broken != NULL) return broken;
  for (uint32_t i = 0; i < 30; i++) symbols[i] = (uint32_t)dist_base[i] << 16 | (i < 4 ? 0 : (i - 2) / 2);
  symbols[30] = symbols[31] = ENTRY_SPECIAL;
  fill_table(t->dist, DIST_ROOT, &plan, symbols);
  broken = plan_code(&plan, litlen, n_litlen);
  if (broken != NULL) return broken;
  for (uint32_t i = 0; i < 256; i++) symbols[i] = ENTRY_LITERAL | i << 16;
  symbols[256] = ENTRY_SPECIAL | ENTRY_END;
  for (uint32_t i = 0; i < 29; i++) symbols[257 + i] = (uint32_t)length_base[i] << 16 | length_extra[i];
  symbols[286] = symbols[287] = ENTRY_SPECIAL;
  fill_table(t->litlen, LITLEN_ROOT, &plan, symbols);
  fill_multi(t->multi, &plan, t->dist);
  return NULL;
}

const char *mst_inflate_build_precode(uint32_t *table, const uint8_t lengths[PRECODE_SYMBOLS]) {
  uint32_t symbols[PRECODE_SYMBOLS];
  code_plan plan;
  const char *broken = plan_code(&plan, lengths, PRECODE_SYMBOLS);
  if (broken != NULL) return broken;
  if (plan.used < 2) return "an incomplete set of codes";
  for (uint32_t i = 0; i < PRECODE_SYMBOLS; i++) symbols[i] = i << 16;
  fill_table(table, PRECODE_ROOT, &plan, symbols);
  return NULL;
}
