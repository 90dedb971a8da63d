/* parquet/tools.h - what a thread that decodes keeps from column to column.
 *
 * Owns: codec contexts, and memory for what goes out. May call: base, codec, column. */
#ifndef MST_PARQUET_TOOLS_H
#define MST_PARQUET_TOOLS_H

#include "codec/codec.h"
#include "column/column.h"

typedef struct mst_pq_tools {
  mst_block_coder coder;
  mst_block_pool pool;
} mst_pq_tools;

static inline void mst_pq_tools_init(mst_pq_tools *t, const mst_allocator *mem) {
  *t = (mst_pq_tools){.coder.mem = mem, .pool.mem = mem};
}

static inline void mst_pq_tools_close(mst_pq_tools *t) {
  mst_block_coder_close(&t->coder);
  mst_block_pool_close(&t->pool);
}

#endif
