/* format/container.h - plain, gzip, BGZF and zstd as machines that turn an object's bytes into plain bytes, and know
 * where decoding can begin again. They feed any text-like record format; no record format knows what wrapped it. */
#ifndef MST_FORMAT_CONTAINER_H
#define MST_FORMAT_CONTAINER_H

#include "base/base.h"

/* A place where decoding can begin. For plain objects at == plain. */
typedef struct mst_restart {
  uint64_t at;      /* offset in the object of the first byte to feed                                    */
  uint64_t plain;   /* plain offset of the first byte that then comes out                                */
  uint8_t bits;     /* 0-7 low bits of byte `at` that are already used (gzip)                            */
  mst_bytes window; /* gzip, inside a member: the packed window, never empty. Empty: a header begins at `at` */
} mst_restart;
void mst_restart_clear(mst_restart *r);

/* Plain offsets below count from where the container was opened: from->plain with `from`, else 0. So they are absolute
 * for whole objects and for slices, and relative to its first byte for a piece.
 *
 * A run of plain bytes, never empty. `data` is valid until the next call of feed, next or close. */
typedef struct mst_run {
  const uint8_t *data;
  size_t size;
  mst_bytes source; /* the given bytes that `data` lies in (borrowed), when no copy was made; else empty */
  uint64_t plain;   /* plain offset of data[0]                                                           */
  uint64_t at; /* offset in the object that belongs to data[0] when `restartable`; else how far decoding has come */
  bool restartable; /* decoding can begin at data[0]                                                     */
  bool mark;        /* a checkpoint is wanted at the first safe start at or after data[0]; implies restartable */
  bool gap;         /* `recover`: plain bytes are missing in front of data[0]; at the END: behind the last byte */
  bool has_crc;     /* the container needed the CRC-32 of data[0..size) itself: here it is. That of a tail  */
  uint32_t crc;     /* follows from it and from that of the head (mst_crc32_tail), with no second pass    */
} mst_run;

typedef enum mst_container_state { MST_CONTAINER_RUN, MST_CONTAINER_INPUT, MST_CONTAINER_END } mst_container_state;

typedef struct mst_container mst_container; /* [owned] */

typedef struct mst_container_open {
  const mst_allocator *mem;
  const char *name;        /* of the object, for errors                                                 */
  uint64_t begin, end;     /* the piece of the object; a container with independent pieces begins at the first
                              block that starts in [begin, end) and goes on to the end of the last such block  */
  uint64_t size;           /* of the whole object                                                       */
  const mst_restart *from; /* begin decoding here (reading a slice); NULL: at `begin`                   */
  uint64_t plain_end;      /* with `from`: no plain byte at or beyond this is wanted (UINT64_MAX: to the end); the
                              container then stops there and skips verification that needs more        */
  uint64_t spacing;        /* plain bytes between marks (scanning); 0: no marks                         */
  bool verify;             /* CRC and length of every member or frame that is decoded whole             */
  bool recover;            /* skip damage where the container allows it and note it                     */
  uint64_t memory;         /* this machine's share of the budget; 0: 16 MiB. A zstd frame's window may take twice that
                              and at least 8 MiB; a larger one is MST_E_LIMIT                           */
} mst_container_open;

typedef struct mst_container_ops {
  const char *name; /* "plain", "gzip", "bgzf", "zstd"                                           */
  bool pieces;      /* pieces of the object can be decoded alone, with no window                 */
  /* 0-100, from the first bytes of an object. */
  int (*probe)(const uint8_t *head, size_t n);
  mst_status (*open)(const mst_container_open *options, mst_container **out, mst_error *err);
  /* Consecutive bytes of the object from begin (or from->at) on, once `next` has asked for them (or at first); borrowed
   * until `next` asks again. `last` when these are the last of the object; they may be empty then. */
  mst_status (*feed)(mst_container *c, const mst_bytes *input, bool last, mst_error *err);
  /* The next run, or INPUT when more bytes must be fed, or END. Bytes behind `end` are asked for as long as needed.
   * Errors: err->offset is the offset in the object (absolute); the message tells the plain offset too. */
  mst_status (*next)(mst_container *c, mst_container_state *state, mst_run *run, mst_error *err);
  /* Remembers the place at which the current run begins (it is restartable). A second capture replaces one that was not
   * kept. `keep` makes the latest capture permanent; `take` gives the kept one, once: call it before the next `keep`,
   * as late as possible: the more was decoded since, the better its window is pruned (32 KiB are enough; with less it
   * is only larger). After a run with `mark` the container makes more runs restartable until `keep` is called. */
  mst_status (*capture)(mst_container *c, mst_error *err);
  void (*keep)(mst_container *c);
  mst_status (*take)(mst_container *c, mst_restart *out, mst_error *err);
  /* [*begin, *end) of the object is what has been decoded so far (begin: the first block of the piece; both UINT64_MAX
   * while none was found: the piece lies in a block of another one, or behind the last). The extents of neighbouring
   * pieces that ran to END meet; where they do not, a piece began in the wrong place or the object is damaged. */
  void (*extent)(const mst_container *c, uint64_t *begin, uint64_t *end);
  /* Adds what was found to the facts when END was reached: "members", "blocks", "frames", "restarts" (numbers),
   * "end_block" (true or false, from the last piece only), "damage" (array of {"at", "plain", "what"}; at most 64, the
   * rest are counted in "damage_more"). Facts of pieces are joined by adding numbers and appending arrays ("plain" of a
   * later piece's damage counts from its own beginning). */
  mst_status (*facts)(mst_container *c, json_t *facts, mst_error *err);
  void (*close)(mst_container *c); /* NULL is fine */
} mst_container_ops;
struct mst_container { /* embed as the first member */
  const mst_container_ops *ops;
};

/* Where marks stand (k = 1, 2, …): plain: k * spacing, absolute. gzip: the first deflate block boundary or member at or
 * after plain offset k * spacing. bgzf: the block that holds byte k * spacing / 4 of the object, so that pieces agree.
 * zstd: the first frame at or after plain offset k * spacing. The object's first byte is restartable but no mark. */
extern const mst_container_ops mst_container_plain, mst_container_gzip, mst_container_bgzf, mst_container_zstd;
const mst_container_ops *mst_container_find(const char *name);
/* Never NULL: "plain" when nothing else fits. */
const mst_container_ops *mst_container_detect(const uint8_t *head, size_t n);
/* Decodes as many plain bytes as `head` (the first n bytes of an object) gives, at most `max`; for probing. Damage ends
 * it. */
mst_status mst_container_peek(const mst_allocator *mem, const uint8_t *head, size_t n, size_t max, mst_buf *out,
                              mst_error *err);

/* Compressed windows, as they stand in the index: see docs/specification/window.md. Bytes that nothing refers to are
 * given as 0. */
mst_status mst_window_pack(const mst_allocator *mem, const uint8_t *window, size_t n, mst_bytes *out, mst_error *err);
mst_status mst_window_unpack(const mst_allocator *mem, const uint8_t *packed, size_t n, uint8_t window[32768],
                             size_t *size, mst_error *err);

#endif
