/* dataset/write_out.c - the files of a stream's partitions: rows into them, closing them side by side. See write_inner.h. */
#include "dataset/conform.h"
#include "dataset/key.h"
#include "dataset/write_inner.h"

enum {
  WIDTH_REMOTE = 16, /* files that are sent at once: what takes time is the way to the store */
  THREADS_MAX = 64,
  OPEN_FILES = 4 /* that stay open while rows come: each holds a part of an upload */
};

static mst_status close_file(mst_write_part *p, mst_error *err) {
  mst_new_file made;
  mst_status status = mst_data_file_close(p->file, &made, err);
  if (status == MST_OK) status = mst_new_files_put(&p->done, &made, err);
  mst_data_file_free(p->file);
  p->file = NULL;
  return status;
}

static mst_status open_file(mst_write_run *w, mst_write_part *p, mst_error *err) {
  if (p->named) mst_uuid_make(w->s->ctx, p->uuid); /* one more of the same partition */
  p->named = true;
  return mst_data_file_open(w->s, &w->frame->file, p->prefix, p->uuid, &p->file, w->cancel, err);
}

/* Rows [first, first + n) of a batch. */
static mst_status put_some(mst_write_run *w, mst_write_part *p, const struct ArrowArray *rows, int64_t first, int64_t n, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArray some = {0};
  int64_t *numbers;
  MST_TRY_ALLOC(numbers = mst_alloc_array(w->mem, (size_t)n + 1, sizeof *numbers));
  for (int64_t i = 0; i < n; i++) numbers[i] = first + i;
  status = mst_array_gather(w->mem, &w->frame->file, rows, numbers, n, &some, err);
  if (status == MST_OK) status = mst_data_file_put(p->file, &some, err);
  mst_free(w->mem, numbers);
done:
  return status;
}

mst_status mst_write_part_put(mst_write_run *w, mst_write_part *p, struct ArrowArray *rows, mst_error *err) {
  mst_status status = MST_OK;
  const int64_t n = rows->length, most = (int64_t)mst_min_u64(w->s->file_rows, INT64_MAX);
  for (int64_t first = 0; first < n || (n == 0 && p->file == NULL);) {
    if (p->file == NULL) MST_TRY(open_file(w, p, err));
    const int64_t room = most == 0 ? n : most - (int64_t)p->file->rows, count = n - first < room ? n - first : room;
    if (count == n) {
      MST_TRY(mst_data_file_put(p->file, rows, err));
      if (n == 0) break;
    } else MST_TRY(put_some(w, p, rows, first, count, err));
    first += count;
    if (most != 0 && (int64_t)p->file->rows >= most) MST_TRY(close_file(p, err));
  }
done:
  mst_array_release(rows);
  return status;
}

/* All that waits goes into the file. */
static mst_status part_out(mst_write_run *w, mst_write_part *p, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArray *waiting = (struct ArrowArray *)(void *)p->waiting.data;
  const size_t n = p->waiting.size / sizeof *waiting;
  for (size_t i = 0; i < n && status == MST_OK; i++) status = mst_write_part_put(w, p, &waiting[i], err);
  if (status != MST_OK) return status; /* what is left is released with the partition */
  mst_block_free(&p->waiting);
  return MST_OK;
}

/* ---- closing files side by side ------------------------------------------------------------------------------------ */

typedef struct closer {
  mst_write_run *w;
  mst_write_part **parts;
  size_t n;
  _Atomic size_t next;
  _Atomic bool failed;
  pthread_mutex_t guard;
  size_t worst; /* of several failures the first partition's is told */
  mst_status status;
  mst_error error;
} closer;

static mst_status close_part(mst_write_run *w, mst_write_part *p, mst_error *err) {
  mst_status status = mst_cancel_check(w->cancel, err);
  if (status == MST_OK) status = part_out(w, p, err);
  return status == MST_OK && p->file != NULL ? close_file(p, err) : status;
}

static void *close_some(void *arg) {
  closer *c = arg;
  for (;;) {
    mst_error err = {0};
    const size_t i = atomic_fetch_add(&c->next, 1);
    if (i >= c->n || atomic_load(&c->failed)) return NULL;
    const mst_status status = close_part(c->w, c->parts[i], &err);
    if (status == MST_OK) continue;
    pthread_mutex_lock(&c->guard);
    if (c->status == MST_OK || i < c->worst) {
      c->status = status;
      c->error = err;
      c->worst = i;
    }
    pthread_mutex_unlock(&c->guard);
    atomic_store(&c->failed, true);
  }
}

/* A context with one thread does everything in this one, in order. */
static size_t width_of(const mst_write_run *w, size_t n) {
  const uint32_t threads = mst_context_threads(w->s->ctx);
  if (threads <= 1) return 1;
  return mst_min_size((mst_store_flags(w->s->store) & MST_STORE_LOCAL) != 0 ? mst_min_size(threads, THREADS_MAX) : WIDTH_REMOTE, n);
}

static mst_status close_all(mst_write_run *w, mst_write_part **parts, size_t n, mst_error *err) {
  closer c = {.w = w, .parts = parts, .n = n};
  pthread_t threads[THREADS_MAX];
  size_t started = 0;
  const size_t width = width_of(w, n);
  pthread_mutex_init(&c.guard, NULL);
  while (started + 1 < width && pthread_create(&threads[started], NULL, close_some, &c) == 0) started++;
  (void)close_some(&c);
  for (size_t i = 0; i < started; i++) pthread_join(threads[i], NULL);
  pthread_mutex_destroy(&c.guard);
  for (size_t i = 0; i < n && c.status == MST_OK; i++) {
    w->waiting -= parts[i]->bytes;
    parts[i]->bytes = 0;
  }
  if (c.status != MST_OK && err != NULL) *err = c.error;
  return c.status;
}

/* ---- rows that memory has no room for ------------------------------------------------------------------------------- */

static mst_status open_spill(mst_write_run *w, mst_error *err) {
  mst_status status = MST_OK;
  const size_t n = (size_t)w->frame->file.n_children;
  const mst_sort_key by = {.column = 0};
  MST_TRY(mst_schema_node(w->mem, "+s", "", 0, n + 1, &w->spilled, err));
  MST_TRY(mst_schema_node(w->mem, "I", "", 0, 0, w->spilled.children[0], err));
  for (size_t i = 0; i < n; i++) MST_TRY(mst_schema_copy(w->mem, w->frame->file.children[i], w->spilled.children[i + 1], err));
  MST_TRY(mst_sorter_new(w->s->ctx, &w->spilled, &by, 1, w->waiting_max, &w->sorter, err));
done:
  return status;
}

/* `rows` of partition `number`; taken over, also on failure. */
static mst_status spill_rows(mst_write_run *w, uint32_t number, struct ArrowArray *rows, mst_error *err) {
  mst_status status = MST_OK;
  const size_t n = (size_t)w->frame->file.n_children;
  const int64_t length = rows->length;
  struct ArrowArray batch = {0}, *columns = NULL;
  mst_bytes numbers[2] = {{0}, {0}};
  uint8_t *into = NULL;
  MST_TRY_ALLOC(columns = mst_alloc_zero(w->mem, n + 1, sizeof *columns));
  MST_TRY(mst_bytes_new(w->mem, (size_t)length * 4, &numbers[1], &into, err));
  for (int64_t i = 0; i < length; i++) mst_put_le32(into + 4 * i, number);
  const mst_array_parts parts = {.length = length, .buffers = numbers, .n_buffers = 2};
  MST_TRY(mst_array_make(w->mem, &parts, &columns[0], err));
  for (size_t i = 0; i < n; i++) mst_batch_move(rows, i, &columns[i + 1]);
  MST_TRY(mst_batch_make(w->mem, columns, n + 1, length, &batch, err));
  MST_TRY(mst_sorter_put(w->sorter, &batch, err));
done:
  mst_bytes_release(&numbers[1]);
  for (size_t i = 0; columns != NULL && i <= n; i++) mst_array_release(&columns[i]);
  mst_free(w->mem, columns);
  mst_array_release(rows);
  return status;
}

static mst_status spill_all(mst_write_run *w, mst_error *err) {
  mst_status status = MST_OK;
  if (w->sorter == NULL) status = open_spill(w, err);
  for (size_t i = 0; i < w->n_parts && status == MST_OK; i++) {
    mst_write_part *p = &w->parts[i];
    struct ArrowArray *waiting = (struct ArrowArray *)(void *)p->waiting.data;
    const size_t n = p->waiting.size / sizeof *waiting;
    for (size_t k = 0; k < n && status == MST_OK; k++) status = spill_rows(w, (uint32_t)i, &waiting[k], err);
    if (status != MST_OK) break;
    w->waiting -= p->bytes;
    p->bytes = 0;
    mst_block_free(&p->waiting);
  }
  return status;
}

/* Partitions with rows that wait or a file that is open: the cold ones first in `list`; returns how many these are. */
static size_t sort_by_warmth(mst_write_run *w, mst_write_part **list, size_t *n) {
  size_t cold = 0, all = 0;
  for (int warm = 0; warm < 2; warm++)
    for (size_t i = 0; i < w->n_parts; i++) {
      mst_write_part *p = &w->parts[i];
      if ((p->bytes == 0 && p->file == NULL) || (p->turn == w->turn) != (warm == 1)) continue;
      list[all++] = p;
      cold += warm == 0;
    }
  *n = all;
  return cold;
}

mst_status mst_write_make_room(mst_write_run *w, mst_error *err) {
  mst_status status = MST_OK;
  mst_write_part **list = NULL;
  size_t n = 0;
  if (w->sorter != NULL || w->reopened > w->n_parts) return spill_all(w, err);
  MST_TRY_ALLOC(list = mst_alloc_array(w->mem, w->n_parts + 1, sizeof *list));
  const size_t cold = sort_by_warmth(w, list, &n);
  for (size_t i = 0; i < cold; i++) w->reopened += list[i]->done.n > 0;
  MST_TRY(close_all(w, list, cold, err));
  if (w->waiting <= w->waiting_max / 2) goto done;
  if (n - cold > OPEN_FILES) {
    status = spill_all(w, err);
    goto done;
  }
  for (size_t i = cold; i < n; i++) {
    MST_TRY(part_out(w, list[i], err));
    w->waiting -= list[i]->bytes;
    list[i]->bytes = 0;
    if (list[i]->file != NULL) MST_TRY(mst_data_file_flush(list[i]->file, err));
  }
done:
  mst_free(w->mem, list);
  return status;
}

/* ---- the end -------------------------------------------------------------------------------------------------------- */

/* A run of rows of one partition, out of the temporary file. */
static mst_status take_run(mst_write_run *w, const struct ArrowArray *rows, uint32_t number, int64_t first, int64_t n, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArray some = {0};
  int64_t *numbers;
  MST_TRY_ALLOC(numbers = mst_alloc_array(w->mem, (size_t)n + 1, sizeof *numbers));
  for (int64_t i = 0; i < n; i++) numbers[i] = first + i;
  status = mst_array_gather(w->mem, &w->frame->file, rows, numbers, n, &some, err);
  if (status == MST_OK) status = mst_write_wait(w, &w->parts[number], &some, err);
  mst_free(w->mem, numbers);
done:
  return status;
}

static mst_status take_spilled(mst_write_run *w, struct ArrowArray *batch, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArray rows = {0}, *columns = NULL;
  mst_view numbers;
  const size_t n = (size_t)w->frame->file.n_children;
  MST_TRY(mst_batch_column(&w->spilled, batch, "", "I", &numbers, err));
  MST_TRY_ALLOC(columns = mst_alloc_zero(w->mem, n + 1, sizeof *columns));
  for (size_t i = 0; i < n; i++) mst_batch_move(batch, i + 1, &columns[i]);
  MST_TRY(mst_batch_make(w->mem, columns, n, batch->length, &rows, err));
  for (int64_t first = 0, end; first < batch->length; first = end) {
    const int64_t number = mst_view_i64(&numbers, first);
    w->turn++; /* what came before this run is complete */
    for (end = first + 1; end < batch->length && mst_view_i64(&numbers, end) == number;) end++;
    MST_TRY(take_run(w, &rows, (uint32_t)number, first, end - first, err));
  }
  if (w->waiting > w->waiting_max) MST_TRY(mst_write_make_room(w, err));
done:
  mst_free(w->mem, columns);
  mst_array_release(&rows);
  mst_array_release(batch);
  return status;
}

/* Rows come back partition by partition, so that files are complete one after the other. */
static mst_status unspill(mst_write_run *w, mst_error *err) {
  mst_status status = spill_all(w, err);
  struct ArrowArrayStream stream = {0};
  mst_sorter *sorter = w->sorter;
  if (status != MST_OK) return status;
  w->sorter = NULL;
  w->reopened = 0;
  MST_TRY(mst_sorter_stream(sorter, &stream, w->cancel, err));
  for (;;) {
    struct ArrowArray batch = {0};
    MST_TRY(mst_cancel_check(w->cancel, err));
    MST_TRY(mst_stream_next(&stream, &batch, err));
    if (batch.release == NULL) break;
    MST_TRY(take_spilled(w, &batch, err));
  }
done:
  mst_stream_release(&stream);
  return status;
}

/* plateau keeps frames without rows. */
static mst_status keep_empty(mst_write_run *w, mst_error *err) {
  struct ArrowArray none = {0};
  mst_builder *b = NULL;
  mst_status status = mst_builder_from_schema(w->mem, &w->frame->file, &b, err);
  if (status == MST_OK) status = mst_builder_take(b, &none, err);
  mst_builder_free(b);
  return status == MST_OK ? mst_write_part_put(w, &w->parts[0], &none, err) : status;
}

mst_status mst_write_finish(mst_write_run *w, mst_new_files *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_write_part **list = NULL;
  if (w->sorter != NULL) MST_TRY(unspill(w, err));
  mst_assert(w->sorter == NULL);
  if (w->s->plateau && w->frame->n_heads == 0 && w->parts[0].file == NULL && w->parts[0].done.n == 0) MST_TRY(keep_empty(w, err));
  MST_TRY_ALLOC(list = mst_alloc_array(w->mem, w->n_parts + 1, sizeof *list));
  for (size_t i = 0; i < w->n_parts; i++) list[i] = &w->parts[i];
  MST_TRY(close_all(w, list, w->n_parts, err));
  for (size_t i = 0; i < w->n_parts; i++) {
    mst_new_files *done = &w->parts[i].done;
    for (size_t k = 0; k < done->n; k++) MST_TRY(mst_new_files_put(out, &done->items[k], err));
  }
done:
  mst_free(w->mem, list);
  return status;
}
