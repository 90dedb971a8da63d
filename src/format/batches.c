/* format/batches.c - see batches.h. */
#include "format/batches.h"

void mst_batches_init(mst_batches *b, const mst_allocator *mem, mst_builder *const *columns, size_t n_columns,
                      uint64_t rows_max, size_t bytes_max) {
  *b = (mst_batches){
      .mem = mem, .columns = columns, .n_columns = n_columns, .rows_max = rows_max, .bytes_max = bytes_max};
}

void mst_batches_free(mst_batches *b) {
  for (size_t i = b->at; i < b->n; i++) mst_array_release(&b->ready[i]);
  mst_free(b->mem, b->ready);
  b->ready = NULL;
  b->at = b->n = b->room = 0;
}

size_t mst_batches_rows(const mst_batches *b) { return b->n_columns > 0 ? mst_builder_length(b->columns[0]) : 0; }

uint64_t mst_batches_room(const mst_batches *b) { return b->rows_max - mst_min_u64(b->rows_max, mst_batches_rows(b)); }

static mst_status seal_now(mst_batches *b, mst_error *err) {
  mst_status status = MST_OK;
  if (b->n == b->room) {
    const size_t room = b->room * 2 + 4;
    struct ArrowArray *more = mst_resize(b->mem, b->ready, room * sizeof *more);
    if (more == NULL) return mst_fail_memory(err);
    b->ready = more;
    b->room = room;
  }
  MST_TRY(mst_batch_take(b->mem, b->columns, b->n_columns, &b->ready[b->n], err));
  b->n++;
done:
  return status;
}

mst_status mst_batches_seal(mst_batches *b, mst_error *err) {
  size_t held = 0;
  for (size_t i = 0; i < b->n_columns; i++) held += mst_builder_bytes_held(b->columns[i]);
  return mst_batches_rows(b) >= b->rows_max || held >= b->bytes_max ? seal_now(b, err) : MST_OK;
}

mst_status mst_batches_take(mst_batches *b, bool all, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  *out = (struct ArrowArray){0};
  if (b->at == b->n && all && mst_batches_rows(b) > 0) MST_TRY(seal_now(b, err));
  if (b->at == b->n) return MST_OK;
  *out = b->ready[b->at++];
  if (b->at == b->n) b->at = b->n = 0;
done:
  return status;
}
