/* codec/inflate_state.h - the decoder's insides, shared by inflate.c (blocks, input) and inflate_loop.c (symbols). */
#ifndef MST_CODEC_INFLATE_STATE_H
#define MST_CODEC_INFLATE_STATE_H

#include "codec/inflate.h"
#include "codec/inflate_tables.h"

#define RUN_BYTES    (256u * 1024)
#define BUFFER_BYTES (MST_INFLATE_WINDOW + RUN_BYTES)
/* Two matches that begin in the buffer may end behind it, and wide copies write a little farther. */
#define BUFFER_SLACK 1024u
/* The fast loop looks at most so far ahead in the input in one turn. */
#define INPUT_SLACK 32u
/* More than any block's head needs (3 + 14 + 19 * 3 + 320 * 14 bits). */
#define STASH_BYTES 2048u
/* In front of a tracked place lie 32768 bytes, and 32768 behind it may hold matches of 3 bytes that refer to them. */
#define REFERENCES_MAX (MST_INFLATE_WINDOW / 3 + 4)

typedef enum inflate_step { STEP_HEAD, STEP_STORED, STEP_CODES, STEP_END } inflate_step;

/* `size` bytes from `back` + 1 bytes before the tracked place on, as far as they lie before it. */
typedef struct inflate_reference {
  uint16_t back, size;
} inflate_reference;

/* Where decoding stands in the bytes at hand: the next bit is bit `skip` of *at. */
typedef struct inflate_input {
  const uint8_t *at, *end;
  unsigned skip;
} inflate_input;

struct mst_inflate {
  const mst_allocator *mem;
  inflate_step step;
  bool last;    /* the block at hand is the last one         */
  bool fixed;   /* the tables are those of the fixed codes   */
  bool stopped; /* the last run ended in front of this block */
  bool portable;
  unsigned skip;
  uint32_t stored_left;
  uint64_t consumed;  /* whole bytes in front of the one with the next bit, since begin */
  const char *broken; /* the rule that was broken; no way on       */
  uint64_t broken_at;
  uint8_t *begin; /* of the history in `buffer`                */
  uint8_t *out, *taken;
  uint64_t plain;   /* plain offset of `out`                     */
  uint64_t most;    /* decode no farther           */
  uint64_t tracked; /* plain offset; UINT64_MAX: nothing is tracked */
  size_t n_references;
  size_t n_stash;
  inflate_tables tables;
  inflate_reference references[REFERENCES_MAX];
  uint8_t stash[STASH_BYTES]; /* input that does not yet make a whole symbol or head */
  uint8_t buffer[BUFFER_BYTES + BUFFER_SLACK];
};

typedef enum codes_end { CODES_INPUT, CODES_FULL, CODES_BLOCK_END, CODES_BROKEN } codes_end;

/* Decodes symbols until the input has no whole one left, `out_end` is reached or the block ends. */
codes_end mst_inflate_codes(mst_inflate *z, inflate_input *in, uint8_t *out_end);
bool mst_inflate_has_avx2(void);

#endif
