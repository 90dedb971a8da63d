/* codec/zstd.h - zstd frames (RFC 8878) one after the other, skippable frames, and the table of the seekable format. */
#ifndef MST_CODEC_ZSTD_H
#define MST_CODEC_ZSTD_H

#include "base/base.h"

#define MST_ZSTD_HEAD_MAX 18u
#define MST_ZSTD_UNKNOWN  UINT64_MAX

typedef struct mst_zstd_head {
  bool skippable;      /* then only `size` and `content` count              */
  uint32_t size;       /* of the head                                       */
  uint64_t content;    /* plain bytes, or MST_ZSTD_UNKNOWN; skippable: bytes that follow the head */
  uint64_t window;     /* bytes of history that decoding needs              */
  uint32_t dictionary; /* 0: none                                           */
  bool checksum;
} mst_zstd_head;

/* `*want` is set to the number of bytes needed when `n` are too few, else to 0. What is no frame is MST_E_CORRUPT, or
 * UNSUPPORTED (a dictionary, a format before zstd 0.8); err->offset counts from `data`. */
mst_status mst_zstd_parse(const uint8_t *data, size_t n, mst_zstd_head *out, size_t *want, mst_error *err);

/* Decodes the frames' content through libzstd, window and checksum included. [owned] */
typedef struct mst_zstd mst_zstd;
/* A frame whose window is larger than `window_max` is refused with MST_E_LIMIT. */
mst_status mst_zstd_new(const mst_allocator *mem, uint64_t window_max, mst_zstd **out, mst_error *err);
void mst_zstd_free(mst_zstd *z); /* NULL is fine */
/* Begins a frame whose head was parsed; its bytes, head included, are given to run. */
mst_status mst_zstd_begin(mst_zstd *z, const mst_zstd_head *head, mst_error *err);
/* Moves *in on and writes up to `room` bytes; `*ended`: the frame's last byte was read and everything is out. */
mst_status mst_zstd_run(mst_zstd *z, const uint8_t **in, const uint8_t *end, uint8_t *out, size_t room, size_t *n,
                        bool *ended, mst_error *err);

/* The seek table that ends an object of the seekable format: one entry a frame. */
typedef struct mst_zstd_seek {
  uint64_t at, plain; /* where the frame begins */
} mst_zstd_seek;
#define MST_ZSTD_SEEK_FOOTER 9u
/* The table's whole size (its skippable frame's head included) from the object's last 9 bytes; 0: there is none. */
uint64_t mst_zstd_seek_size(const uint8_t footer[MST_ZSTD_SEEK_FOOTER]);
/* `table`: that many bytes, hostile. `*out` has n_frames + 1 entries, the last one being where the frames end; freed
 * with mst_free. With `size`, the object's, the frames must fill it up to the table; MST_ZSTD_UNKNOWN: not looked at.
 */
mst_status mst_zstd_seek_parse(const mst_allocator *mem, const uint8_t *table, size_t n, uint64_t size,
                               mst_zstd_seek **out, size_t *n_frames, mst_error *err);

#endif
