/* codec/inflate.h - a raw DEFLATE decoder (RFC 1951) for streams that are entered again in the middle.
 *
 * It takes input cut anywhere, stops at block boundaries when asked, begins at any bit with any window, and notes which
 * bytes of a window the text behind a boundary refers to. The plain bytes lie in its own buffer and are handed out
 * without a copy.
 *
 * Owns: the buffer and the tables (about 400 KiB). One thread at a time. */
#ifndef MST_CODEC_INFLATE_H
#define MST_CODEC_INFLATE_H

#include "base/base.h"

#define MST_INFLATE_WINDOW 32768u

typedef enum mst_inflate_state {
  MST_INFLATE_INPUT, /* all input was taken in; more is needed                                     */
  MST_INFLATE_FULL,  /* the buffer is full: take what is there and call again                      */
  MST_INFLATE_BLOCK, /* in front of a block, at or after the plain offset where a stop was wished  */
  MST_INFLATE_END    /* behind the last block; the input stands at the next whole byte             */
} mst_inflate_state;

typedef struct mst_inflate mst_inflate; /* [owned] */

mst_status mst_inflate_new(const mst_allocator *mem, mst_inflate **out, mst_error *err);
void mst_inflate_free(mst_inflate *z); /* NULL is fine */

/* A block begins at bit `skip` (0-7) of the first byte that will be given. `window`: the plain bytes before it, `n` of
 * them (at most 32768); matches that reach farther back are refused. */
void mst_inflate_begin(mst_inflate *z, unsigned skip, const uint8_t *window, size_t n);

/* Decodes until one of the states is reached. `*in` is moved on: to `end` for INPUT, else to the byte that holds the
 * next bit. With `stop_at` (counted as mst_inflate_plain) it stops in front of the first block there or behind;
 * UINT64_MAX: never. A call that finds itself in front of a block where the call before stopped goes on. Broken data is
 * MST_E_CORRUPT; err->offset is then the byte, counted from the first one given. It stays broken. */
mst_status mst_inflate_run(mst_inflate *z, const uint8_t **in, const uint8_t *end, uint64_t stop_at,
                           mst_inflate_state *state, mst_error *err);

/* No more is wanted than up to plain offset `plain`: there, or a match behind it, run stops with FULL. */
void mst_inflate_until(mst_inflate *z, uint64_t plain);

/* The plain bytes that were not taken yet; valid until the next run or begin. */
size_t mst_inflate_take(mst_inflate *z, const uint8_t **data);
uint64_t mst_inflate_plain(const mst_inflate *z); /* plain bytes since begin */
uint64_t mst_inflate_bit(const mst_inflate *z);   /* position of the next bit since the first byte's bit 0 */

/* The history in front of plain offset `plain` (since begin), up to 32768 bytes of it. `plain` must be no farther back
 * than what the last take gave or would give. Valid until the next run or begin. */
size_t mst_inflate_window(const mst_inflate *z, uint64_t plain, const uint8_t **window);

/* From here on note which bytes in front of this position are referred to; replaces an earlier tracking. */
void mst_inflate_track(mst_inflate *z);
/* Sets the bytes of `window` (the `n` in front of the tracked position) to 0 that nothing behind it can refer to, by
 * what was decoded so far; final once 32768 bytes were. */
void mst_inflate_prune(const mst_inflate *z, uint8_t *window, size_t n);

/* For tests: never use instructions that not every processor has. */
void mst_inflate_portable(mst_inflate *z);

#endif
