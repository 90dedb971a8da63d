/* dataset/write.c - rows of one stream into the files of their partitions; see write.h.
 *
 * Rows wait in memory, each with its partition, and files are written at the end or when memory runs short, several at a time. */
#include "dataset/write.h"

#include "dataset/conform.h"
#include "dataset/data_file.h"
#include "dataset/frame.h"
#include "dataset/key.h"
#include "dataset/schema.h"
#include "dataset/spool.h"
#include "dataset/value.h"
#include "dataset/write_inner.h"

mst_status mst_write_settings_of(mst_dataset *d, mst_write_settings *out, mst_error *err) {
  mst_status status = MST_OK;
  const char **keys = NULL, **indices = NULL;
  const size_t n_keys = mst_document_n_keys(d->document), n_indices = mst_document_n_indices(d->document);
  MST_TRY_ALLOC(keys = mst_alloc_zero(d->mem, n_keys + 1, sizeof *keys));
  MST_TRY_ALLOC(indices = mst_alloc_zero(d->mem, n_indices + 1, sizeof *indices));
  for (size_t i = 0; i < n_keys; i++) keys[i] = mst_document_key(d->document, i);
  for (size_t i = 0; i < n_indices; i++) indices[i] = mst_document_index_column(d->document, i);
  *out = (mst_write_settings){.store = d->store, .ctx = d->ctx, .uuid = d->uuid, .table = d->table, .schema = &d->schema, .keys = keys,
                              .n_keys = n_keys, .indices = indices, .n_indices = n_indices, .memory = d->memory, .plateau = d->plateau,
                              .codec = d->plateau ? MST_PARQUET_SNAPPY : MST_PARQUET_ZSTD};
  return MST_OK;
done:
  mst_free(d->mem, keys);
  mst_free(d->mem, indices);
  return status;
}

void mst_write_settings_free(mst_dataset *d, mst_write_settings *s) {
  mst_free(d->mem, (void *)(uintptr_t)s->keys);
  mst_free(d->mem, (void *)(uintptr_t)s->indices);
  s->keys = s->indices = NULL;
}

/* ---- partitions of a stream --------------------------------------------------------------------------------------- */

static void end_part(const mst_allocator *mem, mst_write_part *p) {
  struct ArrowArray *waiting = (struct ArrowArray *)(void *)p->waiting.data;
  for (size_t i = 0; i < p->waiting.size / sizeof *waiting; i++) mst_array_release(&waiting[i]);
  mst_block_free(&p->waiting);
  mst_data_file_free(p->file);
  mst_new_files_free(&p->done);
  mst_free(mem, p->prefix);
}

static void end_writer(mst_write_run *w) {
  for (size_t i = 0; i < w->n_parts; i++) end_part(w->mem, &w->parts[i]);
  mst_free(w->mem, w->parts);
  mst_free(w->mem, w->touched);
  mst_free(w->mem, w->bucket_uuids);
  mst_grouper_free(w->grouper);
  mst_sorter_free(w->sorter);
  mst_schema_release(&w->spilled);
  mst_schema_release(&w->heads);
  mst_frame_free(w->frame);
}

/* The grouper looks at keys and bucket alone. */
static mst_status begin_grouper(mst_write_run *w, mst_error *err) {
  mst_status status = MST_OK;
  int32_t *columns = NULL;
  const size_t n = w->frame->n_heads;
  MST_TRY(mst_schema_node(w->mem, "+s", "", 0, n, &w->heads, err));
  for (size_t i = 0; i < n; i++) MST_TRY(mst_schema_copy(w->mem, w->frame->mixed.children[i], w->heads.children[i], err));
  MST_TRY_ALLOC(columns = mst_alloc_array(w->mem, n + 1, sizeof *columns));
  for (size_t i = 0; i < n; i++) columns[i] = (int32_t)i;
  MST_TRY(mst_grouper_new(w->mem, &w->heads, columns, n, &w->grouper, err));
done:
  mst_free(w->mem, columns);
  return status;
}

/* One uuid for the stream; of buckets, one each, for their files may share a partition. */
static mst_status choose_uuids(mst_write_run *w, mst_error *err) {
  mst_status status = MST_OK;
  const size_t n = w->frame->buckets ? w->s->buckets : 1;
  MST_TRY_ALLOC(w->bucket_uuids = mst_alloc_array(w->mem, n, sizeof *w->bucket_uuids));
  for (size_t i = 0; i < n; i++) mst_uuid_make(w->s->ctx, w->bucket_uuids[i]);
done:
  return status;
}

static mst_status add_part(mst_write_run *w, char *prefix, const char *uuid, mst_error *err) {
  if (w->n_parts == w->parts_room) {
    const size_t room = w->parts_room == 0 ? 16 : 2 * w->parts_room;
    mst_write_part *parts = mst_resize(w->mem, w->parts, room * sizeof *parts);
    if (parts != NULL) w->parts = parts;
    uint32_t *touched = parts != NULL ? mst_resize(w->mem, w->touched, room * sizeof *touched) : NULL;
    if (touched == NULL) {
      mst_free(w->mem, prefix);
      return mst_fail_memory(err);
    }
    w->touched = touched;
    w->parts_room = room;
  }
  mst_write_part *p = &w->parts[w->n_parts];
  *p = (mst_write_part){.prefix = prefix};
  mst_block_init(&p->waiting, w->mem);
  mst_new_files_init(&p->done, w->mem);
  snprintf(p->uuid, sizeof p->uuid, "%s", uuid);
  w->touched[w->n_parts++] = 0;
  return MST_OK;
}

/* The quoted "key=value/" parts of a row. */
static mst_status make_prefix(mst_write_run *w, const struct ArrowArray *batch, int64_t row, char **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_buf path, value;
  mst_buf_init(&path, w->mem, MST_KEY_MAX);
  mst_buf_init(&value, w->mem, MST_KEY_MAX);
  for (size_t i = 0; i < w->frame->n_heads - w->frame->buckets; i++) {
    const struct ArrowSchema *field = w->heads.children[i];
    mst_buf_clear(&value);
    MST_TRY(mst_value_put_text(field, batch->children[i], row, &value, err));
    MST_TRY(mst_key_quote(&path, field->name, strlen(field->name), err));
    MST_TRY(mst_buf_put_byte(&path, '=', err));
    MST_TRY(mst_key_quote(&path, mst_buf_text(&value), value.size, err));
    MST_TRY(mst_buf_put_byte(&path, '/', err));
  }
  MST_TRY_ALLOC(*out = mst_text_copy(w->mem, mst_buf_text(&path)));
done:
  mst_buf_free(&value);
  mst_buf_free(&path);
  return status;
}

static mst_status add_parts(mst_write_run *w, const struct ArrowArray *batch, const int64_t *firsts, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  for (size_t i = 0; i < n && status == MST_OK; i++) {
    mst_scalar bucket = mst_scalar_int(0);
    char *prefix = NULL;
    if (w->frame->buckets) {
      const size_t at = w->frame->n_heads - 1;
      status = mst_scalar_at(w->heads.children[at], batch->children[at], firsts[i], &bucket, err);
    }
    if (status == MST_OK) status = make_prefix(w, batch, firsts[i], &prefix, err);
    if (status == MST_OK) status = add_part(w, prefix, w->bucket_uuids[bucket.as.i], err);
  }
  return status;
}

/* ---- rows into partitions ----------------------------------------------------------------------------------------- */

mst_status mst_write_wait(mst_write_run *w, mst_write_part *p, struct ArrowArray *rows, mst_error *err) {
  uint64_t bytes = 0;
  mst_status status = mst_array_check(&w->frame->file, rows, &bytes, err);
  if (status == MST_OK) status = mst_block_put(&p->waiting, rows, sizeof *rows, err);
  if (status != MST_OK) mst_array_release(rows);
  else {
    rows->release = NULL;
    bytes += 256;
    p->bytes += bytes;
    p->turn = w->turn;
    w->waiting += bytes;
  }
  return status;
}

/* Moves the file's columns out of a mixed batch. */
static mst_status file_batch(mst_write_run *w, struct ArrowArray *mixed, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  const size_t n = (size_t)w->frame->file.n_children;
  struct ArrowArray *columns;
  MST_TRY_ALLOC(columns = mst_alloc_zero(w->mem, n + 1, sizeof *columns));
  for (size_t i = 0; i < n; i++) mst_batch_move(mixed, w->frame->n_heads + i, &columns[i]);
  status = mst_batch_make(w->mem, columns, n, mixed->length, out, err);
  mst_free(w->mem, columns);
done:
  return status;
}

/* Row numbers by partition: counts, then places. */
static mst_status spread(mst_write_run *w, struct ArrowArray *rows, const uint32_t *ids, mst_error *err) {
  mst_status status = MST_OK;
  const int64_t n = rows->length;
  int64_t *order = NULL;
  uint32_t *seen = NULL;
  size_t n_seen = 0;
  int64_t begin = 0;
  MST_TRY_ALLOC(order = mst_alloc_array(w->mem, (size_t)n + 1, sizeof *order));
  MST_TRY_ALLOC(seen = mst_alloc_array(w->mem, mst_min_size((size_t)n, w->n_parts) + 1, sizeof *seen));
  for (int64_t i = 0; i < n; i++)
    if (w->touched[ids[i]]++ == 0) seen[n_seen++] = ids[i];
  if (n_seen == 1 && !w->borrowed) {
    w->touched[seen[0]] = 0;
    status = mst_write_wait(w, &w->parts[seen[0]], rows, err);
    goto done;
  }
  for (size_t k = 0; k < n_seen; k++) {
    w->parts[seen[k]].place = begin;
    begin += w->touched[seen[k]];
  }
  for (int64_t i = 0; i < n; i++) order[w->parts[ids[i]].place++] = i;
  for (size_t k = 0; k < n_seen; k++) {
    struct ArrowArray some = {0};
    mst_write_part *p = &w->parts[seen[k]];
    const int64_t count = w->touched[seen[k]];
    w->touched[seen[k]] = 0;
    if (status == MST_OK) status = mst_array_gather(w->mem, &w->frame->file, rows, order + p->place - count, count, &some, err);
    if (status == MST_OK) status = mst_write_wait(w, p, &some, err);
  }
done:
  mst_free(w->mem, seen);
  mst_free(w->mem, order);
  return status;
}

/* Without keys and buckets there is one partition, and nothing need wait. */
static mst_status take_all(mst_write_run *w, struct ArrowArray *mixed, mst_error *err) {
  struct ArrowArray rows = {0};
  mst_status status = file_batch(w, mixed, &rows, err);
  if (status == MST_OK) status = mst_write_part_put(w, &w->parts[0], &rows, err);
  mst_array_release(&rows);
  return status;
}

/* A mixed batch; the caller releases what is left of it. */
static mst_status take_mixed(mst_write_run *w, struct ArrowArray *mixed, mst_error *err) {
  mst_status status = MST_OK;
  uint32_t *ids = NULL;
  const int64_t *firsts = NULL;
  struct ArrowArray rows = {0};
  const struct ArrowArray heads = {.length = mixed->length, .n_buffers = 1, .n_children = (int64_t)w->frame->n_heads,
                                   .buffers = mixed->buffers, .children = mixed->children};
  if (mixed->length == 0) return MST_OK;
  if (w->frame->n_heads == 0) return take_all(w, mixed, err);
  const uint32_t before = mst_grouper_count(w->grouper);
  MST_TRY_ALLOC(ids = mst_alloc_array(w->mem, (size_t)mixed->length, sizeof *ids));
  MST_TRY(mst_grouper_put(w->grouper, &heads, ids, &firsts, err));
  MST_TRY(add_parts(w, &heads, firsts, mst_grouper_count(w->grouper) - before, err));
  MST_TRY(file_batch(w, mixed, &rows, err));
  w->turn++;
  MST_TRY(spread(w, &rows, ids, err));
  if (w->waiting > w->waiting_max) MST_TRY(mst_write_make_room(w, err));
done:
  mst_array_release(&rows);
  mst_free(w->mem, ids);
  return status;
}

/* ---- the stream --------------------------------------------------------------------------------------------------- */

static mst_status find_sort_keys(const mst_write_run *w, mst_sort_key *by, size_t *n, mst_error *err) {
  *n = 0;
  for (size_t i = 0; i < w->frame->n_heads; i++) by[(*n)++] = (mst_sort_key){.column = (int32_t)i};
  for (size_t i = 0; i < w->s->n_sort_by; i++) {
    const int64_t at = mst_table_schema_find(&w->frame->mixed, w->s->sort_by[i]);
    if (at < 0) return mst_fail(err, MST_E_ARGUMENT, "the data has no column \"%.100s\" to sort by", w->s->sort_by[i]);
    by[(*n)++] = (mst_sort_key){.column = (int32_t)at};
  }
  return MST_OK;
}

/* All rows of the stream into the sorter, and out of it in order. */
static mst_status take_sorted(mst_write_run *w, mst_sorter *sorter, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArrayStream sorted = {0};
  struct ArrowArray mixed = {0};
  MST_TRY(mst_sorter_stream(sorter, &sorted, w->cancel, err));
  for (;;) {
    MST_TRY(mst_cancel_check(w->cancel, err));
    MST_TRY(mst_stream_next(&sorted, &mixed, err));
    if (mixed.release == NULL) break;
    status = take_mixed(w, &mixed, err);
    mst_array_release(&mixed);
    MST_TRY(status);
  }
done:
  mst_stream_release(&sorted);
  return status;
}

static mst_status open_sorter(mst_write_run *w, mst_sorter **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_sort_key *by = NULL;
  size_t n = 0;
  if (w->s->n_sort_by == 0) return MST_OK;
  MST_TRY_ALLOC(by = mst_alloc_array(w->mem, w->frame->n_heads + w->s->n_sort_by + 1, sizeof *by));
  MST_TRY(find_sort_keys(w, by, &n, err));
  MST_TRY(mst_sorter_new(w->s->ctx, &w->frame->mixed, by, n, w->waiting_max, out, err));
done:
  mst_free(w->mem, by);
  return status;
}

/* A batch as it came; taken over, also on failure. */
static mst_status take_batch(mst_write_run *w, struct ArrowArray *batch, mst_sorter *sorter, mst_error *err) {
  struct ArrowArray mixed = {0}, copy = {0};
  mst_status status = mst_frame_take(w->frame, batch, &mixed, err);
  if (status == MST_OK && sorter == NULL) status = take_mixed(w, &mixed, err);
  else if (status == MST_OK && !w->borrowed) status = mst_sorter_put(sorter, &mixed, err);
  else if (status == MST_OK) {
    status = mst_array_copy(w->mem, &w->frame->mixed, &mixed, &copy, err);
    if (status == MST_OK) status = mst_sorter_put(sorter, &copy, err);
  }
  mst_array_release(&mixed);
  return status;
}

static void release_nothing(struct ArrowArray *array) { array->release = NULL; }

/* Rows [first, first + n) of a batch without a copy; `columns` is scratch. */
static struct ArrowArray look_at_rows(const struct ArrowArray *batch, int64_t first, int64_t n, struct ArrowArray *columns,
                                      struct ArrowArray **pointers) {
  for (int64_t i = 0; i < batch->n_children; i++) {
    columns[i] = *batch->children[i];
    columns[i].offset += batch->offset + first;
    columns[i].length = n;
    if (columns[i].null_count != 0) columns[i].null_count = -1;
    columns[i].release = release_nothing;
    pointers[i] = &columns[i];
  }
  struct ArrowArray view = *batch;
  view.offset = 0;
  view.length = n;
  view.children = pointers;
  view.release = release_nothing;
  return view;
}

/* A huge batch is taken in pieces, so that what is copied of it stays small; taken over, also on failure. */
static mst_status take_pieces(mst_write_run *w, struct ArrowArray *batch, mst_sorter *sorter, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArray *columns = NULL, **pointers = NULL;
  const size_t n = (size_t)batch->n_children;
  uint64_t bytes = 0;
  MST_TRY(mst_array_check(&w->frame->in, batch, &bytes, err));
  if (w->frame->n_heads == 0 && sorter == NULL) return take_batch(w, batch, NULL, err);
  const uint64_t each = bytes / ((uint64_t)batch->length + 1) + 1;
  const int64_t rows = (int64_t)mst_max_u64(1024, w->waiting_max / 8 / each);
  if (batch->length <= 2 * rows) return take_batch(w, batch, sorter, err);
  MST_TRY_ALLOC(columns = mst_alloc_array(w->mem, n + 1, sizeof *columns));
  MST_TRY_ALLOC(pointers = mst_alloc_array(w->mem, n + 1, sizeof *pointers));
  w->borrowed = true;
  for (int64_t first = 0; first < batch->length; first += rows) {
    struct ArrowArray view = look_at_rows(batch, first, batch->length - first < rows ? batch->length - first : rows, columns, pointers);
    MST_TRY(mst_cancel_check(w->cancel, err));
    MST_TRY(take_batch(w, &view, sorter, err));
  }
done:
  w->borrowed = false;
  mst_free(w->mem, columns);
  mst_free(w->mem, pointers);
  mst_array_release(batch);
  return status;
}

static mst_status take_stream(mst_write_run *w, struct ArrowArrayStream *stream, mst_error *err) {
  mst_status status = MST_OK;
  mst_sorter *sorter = NULL;
  struct ArrowArray batch = {0};
  MST_TRY(open_sorter(w, &sorter, err));
  for (;;) {
    MST_TRY(mst_cancel_check(w->cancel, err));
    MST_TRY(mst_stream_next(stream, &batch, err));
    if (batch.release == NULL) break;
    MST_TRY(take_pieces(w, &batch, sorter, err));
  }
  if (sorter != NULL) {
    status = take_sorted(w, sorter, err);
    sorter = NULL;
  }
done:
  mst_sorter_free(sorter);
  return status;
}

static mst_status begin_run(mst_write_run *w, struct ArrowArrayStream *stream, const struct ArrowSchema *so_far, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowSchema in = {0};
  char origin[300], *prefix;
  mst_uuid_make(w->s->ctx, w->origin);
  snprintf(origin, sizeof origin, "%.200s/%s", w->s->table, w->origin);
  MST_TRY(mst_stream_schema(stream, &in, err));
  MST_TRY(mst_frame_open(w->s, &in, so_far, origin, &w->frame, err));
  MST_TRY(choose_uuids(w, err));
  if (w->frame->n_heads > 0) return begin_grouper(w, err);
  MST_TRY_ALLOC(prefix = mst_text_copy(w->mem, w->s->prefix != NULL ? w->s->prefix : ""));
  MST_TRY(add_part(w, prefix, w->bucket_uuids[0], err));
done:
  return status;
}

mst_status mst_files_write(const mst_write_settings *s, struct ArrowArrayStream *stream, mst_new_files *out, mst_cancel *cancel,
                           mst_error *err) {
  mst_status status = MST_OK;
  const uint64_t memory = s->memory != 0 ? s->memory : mst_context_memory_max(s->ctx);
  mst_write_run w = {.s = s, .mem = mst_context_mem(s->ctx), .cancel = cancel, .waiting_max = memory / 2};
  MST_TRY(begin_run(&w, stream, out->schema.release != NULL ? &out->schema : NULL, err));
  MST_TRY(take_stream(&w, stream, err));
  MST_TRY(mst_write_finish(&w, out, err));
  mst_schema_release(&out->schema);
  out->schema = w.frame->table;
  w.frame->table.release = NULL;
done:
  end_writer(&w);
  mst_stream_release(stream);
  return status;
}
