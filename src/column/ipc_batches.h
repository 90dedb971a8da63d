/* column/ipc_batches.h - record batches out of Arrow IPC (Message.fbs), the streaming format and files alike: in a file
 * the messages of a stream lie behind eight bytes of magic. May call: base. */
#ifndef MST_COLUMN_IPC_BATCHES_H
#define MST_COLUMN_IPC_BATCHES_H

#include <meseta/arrow_abi.h>

#include "base/base.h"

/* Where the bytes come from, and how buffers are unpacked. */
typedef struct mst_ipc_source {
  void *self;
  /* The next `n` bytes, aligned to 8; fewer only where the source ends. `out` is the caller's. */
  mst_status (*read)(void *self, uint64_t n, mst_bytes *out, mst_error *err);
  /* Codec 0: LZ4 frames, 1: zstd. */
  mst_status (*unpack)(void *self, int codec, const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size,
                       mst_error *err);
  void (*close)(void *self);
  const char *name; /* for errors; lives as long as `self` */
} mst_ipc_source;
/* Reads the schema now and batches as they are asked for. `source` is taken over, also on failure. */
mst_status mst_ipc_stream(const mst_allocator *mem, const mst_ipc_source *source, struct ArrowArrayStream *out,
                          mst_error *err);

#endif
