/* dataset/rows.c - see rows.h. */
#include "dataset/rows.h"

#include "dataset/dataset.h"
#include "dataset/stats.h"

enum { REWRITE_WIDTH = 4 };

void mst_touched_free(mst_touched_list *list) {
  mst_free(list->mem, list->items);
  *list = (mst_touched_list){.mem = list->mem};
}

int64_t mst_touched_rows(const mst_touched_list *list) {
  int64_t sum = 0;
  for (size_t i = 0; i < list->n; i++) {
    const uint64_t n = list->items[i].matched;
    if (n > (uint64_t)(INT64_MAX - sum)) return -1;
    sum += (int64_t)n;
  }
  return sum;
}

mst_status mst_data_columns(const mst_dataset *d, size_t **out, size_t *n, mst_error *err) {
  const size_t all = d->schema.release == NULL ? 0 : (size_t)d->schema.n_children;
  size_t *columns = mst_alloc_array(d->mem, all + 1, sizeof *columns), k = 0;
  if (columns == NULL) return mst_fail_memory(err);
  for (size_t i = 0; i < all; i++)
    if (mst_document_key_find(d->document, d->schema.children[i]->name) == MST_DOCUMENT_NONE) columns[k++] = i;
  *out = columns;
  *n = k;
  return MST_OK;
}

mst_status mst_label_prefix(const char *label, mst_buf *out, mst_error *err) {
  const char *last = strrchr(label, '/');
  const mst_status status = mst_buf_put(out, label, last == NULL ? 0 : (size_t)(last + 1 - label), err);
  if (status != MST_OK) return status;
  return mst_buf_reserve(out, 1, err);
}

/* ---- finding --------------------------------------------------------------------------------------------------- */

/* Rows of each candidate that meet the condition. */
static mst_status count_matches(mst_dataset *view, mst_predicate *p, const mst_scan_part *parts, size_t n, uint64_t *rows,
                                mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_scan *scan = NULL;
  const size_t none = 0;
  const mst_scan_options o = {.columns = &none, .parts = parts, .n_parts = n, .predicate = p};
  MST_TRY(mst_scan_open(view, &o, &scan, cancel, err));
  for (;;) {
    struct ArrowArray batch = {0};
    size_t item = 0;
    MST_TRY(mst_scan_next(scan, &batch, &item, err));
    if (batch.release == NULL) break;
    rows[item] += (uint64_t)batch.length;
    mst_array_release(&batch);
  }
done:
  mst_scan_close(scan);
  return status;
}

static uint64_t rows_known(const mst_stats *stats, size_t part) {
  uint64_t rows = UINT64_MAX;
  if (stats == NULL || !mst_stats_rows(stats, part, &rows)) return UINT64_MAX;
  return rows;
}

mst_status mst_rows_find(mst_dataset *view, mst_predicate *p, mst_touched_list *out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_candidates found = {.mem = view->mem};
  mst_touched_list list = {.mem = view->mem};
  mst_scan_part *parts = NULL;
  uint64_t *matched = NULL;
  const mst_stats *stats = NULL;
  size_t n = 0, k = 0;
  MST_TRY(mst_prune_partitions(view, p, NULL, 0, 0, &found, cancel, err));
  MST_TRY(mst_stats_load(view, &stats, cancel, err));
  MST_TRY_ALLOC(list.items = mst_alloc_array(view->mem, found.n + 1, sizeof *list.items));
  MST_TRY_ALLOC(parts = mst_alloc_zero(view->mem, found.n + 1, sizeof *parts));
  MST_TRY_ALLOC(matched = mst_alloc_zero(view->mem, found.n + 1, sizeof *matched));
  for (size_t i = 0; i < found.n; i++)
    if (!found.items[i].all) parts[n++] = (mst_scan_part){.part = found.items[i].part};
  if (n > 0) MST_TRY(count_matches(view, p, parts, n, matched, cancel, err));
  for (size_t i = 0; i < found.n; i++) {
    const uint64_t rows = rows_known(stats, found.items[i].part);
    mst_touched t = {.part = found.items[i].part, .whole = found.items[i].all, .matched = rows, .rows = rows};
    if (!t.whole) {
      t.matched = matched[k++];
      t.whole = t.matched == rows;
    }
    if (t.matched > 0) list.items[list.n++] = t;
  }
  *out = list;
  list.items = NULL;
done:
  mst_free(view->mem, parts);
  mst_free(view->mem, matched);
  mst_candidates_free(&found);
  mst_touched_free(&list);
  return status;
}

/* ---- writing anew ---------------------------------------------------------------------------------------------- */

typedef struct rewrite {
  mst_change *change;
  mst_dataset *view;
  const mst_touched_list *list;
  mst_rewrite_fn open;
  void *self;
  mst_cancel *cancel;
  mst_write_settings settings;
  uint64_t memory; /* of one task */
} rewrite;

typedef struct rewrite_task {
  rewrite *all;
  size_t i;
  mst_new_files files;
} rewrite_task;

static mst_status run_task(void *arg, mst_error *err) {
  mst_status status = MST_OK;
  rewrite_task *t = arg;
  const rewrite *r = t->all;
  struct ArrowArrayStream stream = {0};
  mst_write_settings s = r->settings;
  mst_buf prefix;
  mst_buf_init(&prefix, r->view->mem, MST_KEY_MAX + 1);
  MST_TRY(mst_label_prefix(mst_document_label(r->view->document, r->list->items[t->i].part), &prefix, err));
  s.prefix = mst_buf_text(&prefix);
  s.memory = r->memory;
  MST_TRY(r->open(r->self, t->i, r->memory, &stream, r->cancel, err));
  MST_TRY(mst_files_write(&s, &stream, &t->files, r->cancel, err));
done:
  mst_stream_release(&stream);
  mst_buf_free(&prefix);
  return status;
}

/* The files of items [first, first + n), written side by side and handed to the change in order. */
static mst_status write_some(rewrite *r, size_t first, size_t n, uint32_t width, mst_error *err) {
  mst_status status = MST_OK;
  mst_group *group = NULL;
  rewrite_task *tasks = mst_alloc_zero(r->view->mem, n + 1, sizeof *tasks);
  MST_TRY_ALLOC(tasks);
  for (size_t i = 0; i < n; i++) {
    tasks[i] = (rewrite_task){.all = r, .i = first + i};
    mst_new_files_init(&tasks[i].files, r->view->mem);
  }
  MST_TRY(mst_group_new(r->view->ctx, &group, err));
  mst_group_set_width(group, width);
  for (size_t i = 0; i < n; i++)
    if (!r->list->items[first + i].whole) MST_TRY(mst_group_add(group, run_task, &tasks[i], err));
  MST_TRY(mst_group_wait(group, r->cancel, err));
  for (size_t i = 0; i < n; i++) {
    if (!r->list->items[first + i].whole) MST_TRY(mst_change_add_files(r->change, &tasks[i].files, err));
    MST_TRY(mst_change_remove_label(r->change, mst_document_label(r->view->document, r->list->items[first + i].part), err));
  }
done:
  mst_group_free(group);
  for (size_t i = 0; tasks != NULL && i < n; i++) mst_new_files_free(&tasks[i].files);
  mst_free(r->view->mem, tasks);
  return status;
}

mst_status mst_rows_rewrite(mst_change *c, mst_dataset *view, const mst_touched_list *list, mst_rewrite_fn open, void *self,
                            mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  rewrite r = {.change = c, .view = mst_ds_ref(view), .list = list, .open = open, .self = self, .cancel = cancel};
  const uint32_t width = (uint32_t)mst_min_u64(mst_context_threads(view->ctx), REWRITE_WIDTH);
  const size_t chunk = 8 * (size_t)width;
  size_t rewritten = 0;
  MST_TRY(mst_change_settings(c, &r.settings, err));
  for (size_t i = 0; i < list->n; i++) rewritten += list->items[i].whole ? 0 : 1;
  r.memory = view->memory / 2 / mst_max_u64(mst_min_u64(width, rewritten), 1);
  for (size_t first = 0; first < list->n; first += chunk) {
    MST_TRY(mst_change_keep_alive(c, cancel, err));
    MST_TRY(write_some(&r, first, mst_min_size(chunk, list->n - first), width, err));
  }
done:
  mst_write_settings_free(c->base, &r.settings);
  mst_ds_unref(r.view);
  return status;
}
