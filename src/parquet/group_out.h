/* parquet/group_out.h - a row group on its way out: its columns are encoded on the threads of a context, and handed out
 * in order by the thread that writes.
 *
 * Owns: the encoded columns until they are taken, and a share in the batches they are made of. May call: base, codec,
 * column. */
#ifndef MST_PARQUET_GROUP_OUT_H
#define MST_PARQUET_GROUP_OUT_H

#include "parquet/column_out.h"

/* A batch that several row groups may be made of. Shared by the thread that writes alone. */
typedef struct mst_pq_batch {
  const mst_allocator *mem;
  struct ArrowArray array;
  uint32_t users;
} mst_pq_batch;

/* Takes `array` over. */
mst_status mst_pq_batch_new(const mst_allocator *mem, struct ArrowArray *array, mst_pq_batch **out, mst_error *err);
void mst_pq_batch_drop(mst_pq_batch *b); /* NULL is fine */

/* Rows [first, first + count) of a batch. */
typedef struct mst_pq_rows {
  mst_pq_batch *batch;
  int64_t first, count;
} mst_pq_rows;

/* The threads that encode, and what each of them keeps. */
typedef struct mst_pq_encoders mst_pq_encoders;
/* NULL when the context has no threads to lend. */
mst_status mst_pq_encoders_open(const mst_allocator *mem, mst_context *ctx, mst_pq_encoders **out, mst_error *err);
void mst_pq_encoders_close(mst_pq_encoders *e); /* waits for what runs; groups must be freed later */

typedef struct mst_pq_group_out mst_pq_group_out;
/* Begins to encode. `shape` must outlive it; `configs` are copied. */
mst_status mst_pq_group_out_begin(mst_pq_encoders *e, const mst_pq_shape *shape, const mst_pq_column_config *configs,
                                  const mst_pq_rows *rows, size_t n, mst_pq_group_out **out, mst_error *err);
uint64_t mst_pq_group_out_rows(const mst_pq_group_out *g);
/* Waits for a leaf, helping with others meanwhile. The chunk stays the group's; `config` tells what was found out. */
mst_status mst_pq_group_out_leaf(mst_pq_group_out *g, uint32_t leaf, mst_pq_chunk_out **out,
                                 const mst_pq_column_config **config, mst_error *err);
void mst_pq_group_out_free(mst_pq_group_out *g); /* none of its leaves may be at work */

#endif
