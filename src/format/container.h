/* format/container.h - plain, gzip, BGZF and zstd as machines that turn an object's bytes into plain bytes, and know where
 * decoding can begin again. They feed any text-like record format; no record format knows what it was wrapped in. */
#ifndef MST_FORMAT_CONTAINER_H
#define MST_FORMAT_CONTAINER_H

#include "base/base.h"

/* A place where decoding can begin. For plain objects at == plain. */
typedef struct mst_restart {
  uint64_t at;        /* offset in the object of the first byte to feed                                    */
  uint64_t plain;     /* plain offset of the first byte that then comes out, relative to the opener's base  */
  uint8_t bits;       /* 0-7 low bits of byte `at` that are already used (gzip)                            */
  mst_bytes window;   /* gzip: pruned, compressed history; empty: none needed                              */
} mst_restart;
void mst_restart_clear(mst_restart *r);

/* A run of plain bytes. `data` is valid until the next call on the container. */
typedef struct mst_run {
  const uint8_t *data;
  size_t size;
  mst_bytes source;   /* the given bytes that `data` lies in (borrowed), when no copy was made; else empty */
  uint64_t plain;     /* plain offset of data[0] relative to where the container was opened                */
  uint64_t at;        /* compressed offset that belongs to data[0] when `restartable`, else of the last one */
  bool restartable;   /* decoding can begin at data[0]                                                     */
  bool mark;          /* a checkpoint is wanted at the first safe start at or after data[0]; implies restartable */
} mst_run;

typedef enum mst_container_state { MST_CONTAINER_RUN, MST_CONTAINER_INPUT, MST_CONTAINER_END } mst_container_state;

typedef struct mst_container mst_container; /* [owned] */

typedef struct mst_container_open {
  const mst_allocator *mem;
  const char *name;            /* of the object, for errors                                                 */
  uint64_t begin, end;         /* the piece of the object; a container with independent pieces begins at the first
                                  block that starts in [begin, end) and goes on to the end of the last such block  */
  uint64_t size;               /* of the whole object                                                       */
  const mst_restart *from;     /* begin decoding here (reading a slice); NULL: at `begin`                   */
  uint64_t plain_end;          /* with `from`: no plain byte beyond this is wanted (UINT64_MAX: to the end); lets the
                                  container stop early and skip verification that needs more                */
  uint64_t spacing;            /* plain bytes between marks (scanning); 0: no marks                         */
  bool verify;                 /* CRC and length of every member or frame that is decoded whole             */
  bool recover;                /* skip damage where the container allows it and note it                     */
} mst_container_open;

typedef struct mst_container_ops {
  const char *name;            /* "plain", "gzip", "bgzf", "zstd"                                           */
  bool pieces;                 /* pieces of the object can be decoded alone, with no window                 */
  /* 0-100, from the first bytes of an object. */
  int (*probe)(const uint8_t *head, size_t n);
  mst_status (*open)(const mst_container_open *options, mst_container **out, mst_error *err);
  /* Consecutive bytes of the object from begin (or from->at) on; borrowed until all runs of them have been taken.
   * `last` when these are the last of the object. */
  mst_status (*feed)(mst_container *c, const mst_bytes *input, bool last, mst_error *err);
  /* The next run, or INPUT when more bytes must be fed, or END. Bytes behind `end` are asked for as long as needed. */
  mst_status (*next)(mst_container *c, mst_container_state *state, mst_run *run, mst_error *err);
  /* Remembers the place at which the current run begins (it is restartable). A second capture replaces one that was not
   * kept. `keep` makes the latest capture permanent; `take` gives the kept one once what follows it was decoded far enough
   * to prune its window (or at the next keep, or at the end: then less pruned, never wrong). */
  mst_status (*capture)(mst_container *c, mst_error *err);
  void (*keep)(mst_container *c);
  mst_status (*take)(mst_container *c, mst_restart *out, mst_error *err);
  /* Adds what was found to the facts when END was reached: members, blocks, damage, missing end block … */
  mst_status (*facts)(mst_container *c, json_t *facts, mst_error *err);
  void (*close)(mst_container *c);
} mst_container_ops;
struct mst_container { /* embed as the first member */
  const mst_container_ops *ops;
};

extern const mst_container_ops mst_container_plain, mst_container_gzip, mst_container_bgzf, mst_container_zstd;
const mst_container_ops *mst_container_find(const char *name);
/* Never NULL: "plain" when nothing else fits. */
const mst_container_ops *mst_container_detect(const uint8_t *head, size_t n);
/* Decodes as many plain bytes as `head` (the first n bytes of an object) gives, at most `max`; for probing. Damage ends it. */
mst_status mst_container_peek(const mst_allocator *mem, const uint8_t *head, size_t n, size_t max, mst_buf *out, mst_error *err);

/* Compressed windows, as they stand in the index: see docs/specification/index.md. */
mst_status mst_window_pack(const mst_allocator *mem, const uint8_t *window, size_t n, mst_bytes *out, mst_error *err);
mst_status mst_window_unpack(const mst_allocator *mem, const uint8_t *packed, size_t n, uint8_t window[32768], size_t *size, mst_error *err);

#endif
