/* dataset/write_out.c - the files of a stream's partitions: rows into them, closing them side by side. See write_inner.h. */
#include "dataset/key.h"
#include "dataset/write_inner.h"

#define WIDTH_REMOTE 16 /* files that are sent at once: what takes time is the way to the store */

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

mst_status mst_write_part_out(mst_write_run *w, mst_write_part *p, bool flush, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArray *waiting = (struct ArrowArray *)(void *)p->waiting.data;
  const size_t n = p->waiting.size / sizeof *waiting;
  for (size_t i = 0; i < n && status == MST_OK; i++) status = mst_write_part_put(w, p, &waiting[i], err);
  if (status != MST_OK) return status; /* what is left is released with the partition */
  p->waiting.size = 0;
  p->bytes = 0;
  if (flush && p->file != NULL) return mst_data_file_flush(p->file, err);
  return MST_OK;
}

/* ---- the end ------------------------------------------------------------------------------------------------------ */

typedef struct finisher {
  mst_write_run *w;
  _Atomic size_t next;
  _Atomic bool failed;
  pthread_mutex_t guard;
  size_t worst; /* of several failures the first partition's is told */
  mst_status status;
  mst_error error;
} finisher;

static mst_status finish_part(mst_write_run *w, mst_write_part *p, mst_error *err) {
  mst_status status = mst_cancel_check(w->cancel, err);
  struct ArrowArray none = {0};
  if (status == MST_OK) status = mst_write_part_out(w, p, false, err);
  if (status == MST_OK && p->file == NULL && p->done.n == 0 && w->s->plateau) {
    mst_builder *b = NULL; /* plateau keeps frames without rows */
    status = mst_builder_from_schema(w->mem, &w->frame->file, &b, err);
    if (status == MST_OK) status = mst_builder_take(b, &none, err);
    mst_builder_free(b);
    if (status == MST_OK) status = mst_write_part_put(w, p, &none, err);
  }
  return status == MST_OK && p->file != NULL ? close_file(p, err) : status;
}

static void *finish_some(void *arg) {
  finisher *f = arg;
  for (;;) {
    mst_error err = {0};
    const size_t i = atomic_fetch_add(&f->next, 1);
    if (i >= f->w->n_parts || atomic_load(&f->failed)) return NULL;
    const mst_status status = finish_part(f->w, &f->w->parts[i], &err);
    if (status == MST_OK) continue;
    pthread_mutex_lock(&f->guard);
    if (f->status == MST_OK || i < f->worst) {
      f->status = status;
      f->error = err;
      f->worst = i;
    }
    pthread_mutex_unlock(&f->guard);
    atomic_store(&f->failed, true);
  }
}

/* A context with one thread does everything in this one, in order. */
static size_t width_of(const mst_write_run *w) {
  const uint32_t threads = mst_context_threads(w->s->ctx);
  if (threads <= 1) return 1;
  const size_t width = (mst_store_flags(w->s->store) & MST_STORE_LOCAL) != 0 ? threads : WIDTH_REMOTE;
  return mst_min_size(width, w->n_parts);
}

static mst_status finish_all(mst_write_run *w, mst_error *err) {
  finisher f = {.w = w};
  pthread_t threads[64];
  size_t n = 0;
  const size_t width = mst_min_size(width_of(w), 64);
  pthread_mutex_init(&f.guard, NULL);
  while (n + 1 < width && pthread_create(&threads[n], NULL, finish_some, &f) == 0) n++;
  (void)finish_some(&f);
  for (size_t i = 0; i < n; i++) pthread_join(threads[i], NULL);
  pthread_mutex_destroy(&f.guard);
  if (f.status != MST_OK && err != NULL) *err = f.error;
  return f.status;
}

mst_status mst_write_finish(mst_write_run *w, mst_new_files *out, mst_error *err) {
  mst_status status = finish_all(w, err);
  for (size_t i = 0; i < w->n_parts && status == MST_OK; i++) {
    mst_new_files *done = &w->parts[i].done;
    for (size_t k = 0; k < done->n && status == MST_OK; k++) status = mst_new_files_put(out, &done->items[k], err);
  }
  return status;
}
