/* dataset/compact.c - many small files of the same partition keys become few large ones, sorted where that is asked for. Rows are moved,
 * none is changed; whole files go, so that it collides only with those who remove the same files.
 *
 * Sizes come from one listing of the table's folder. Without sorting, neighbours in partition order are joined up to the target; with it,
 * all files of the same keys are sorted together, in bounded memory, and cut at the target. May call: base, column, expr, store, dataset's
 * own headers. */
#include "dataset/dataset.h"
#include "dataset/rows.h"
#include "dataset/spool.h"

#define TARGET_DEFAULT ((uint64_t)128 << 20)
enum { COMPACT_WIDTH = 2 };

typedef struct sized_part {
  size_t part;
  uint64_t bytes;
  uint32_t keys; /* number of its combination of partition keys */
} sized_part;

/* Files that become one, or with sorting one after the other. */
typedef struct bin {
  size_t first, n; /* of the parts */
  uint64_t bytes;
  mst_new_files files;
} bin;

typedef struct compaction {
  mst_change *change;
  mst_dataset *view;
  const mst_allocator *mem;
  mst_cancel *cancel;
  uint64_t target, memory;
  size_t *columns, n_columns;
  mst_sort_key *by;
  size_t n_by;
  sized_part *parts;
  size_t n_parts;
  bin *bins;
  size_t n_bins;
  mst_write_settings settings;
} compaction;

/* ---- sizes ----------------------------------------------------------------------------------------------------- */

typedef struct sizes {
  const mst_document *document;
  uint64_t *bytes; /* of each partition; UINT64_MAX: not seen */
  const char *prefix;
  const mst_allocator *mem;
} sizes;

static mst_status note_size(void *arg, const mst_object_info *info, mst_error *err) {
  const sizes *s = arg;
  const size_t skip = strlen(s->prefix), n = strlen(info->key), ending = strlen(".parquet");
  if (info->is_prefix || n <= skip + ending || !mst_text_ends(info->key, ".parquet")) return MST_OK;
  char *label = mst_text_copy_n(s->mem, info->key + skip, n - skip - ending);
  if (label == NULL) return mst_fail_memory(err);
  const size_t part = mst_document_find(s->document, label);
  if (part != MST_DOCUMENT_NONE && mst_document_file_is(s->document, part, info->key)) s->bytes[part] = info->size;
  mst_free(s->mem, label);
  return MST_OK;
}

static mst_status list_sizes(compaction *c, uint64_t *bytes, mst_error *err) {
  mst_status status = MST_OK;
  mst_buf prefix;
  mst_buf_init(&prefix, c->mem, MST_KEY_MAX + 1);
  MST_TRY(mst_buf_printf(&prefix, err, "%s/%s/", c->view->uuid, c->view->table));
  sizes s = {.document = c->view->document, .bytes = bytes, .prefix = mst_buf_text(&prefix), .mem = c->mem};
  MST_TRY(mst_list_run(c->view->store, s.prefix, NULL, note_size, &s, c->cancel, err));
done:
  mst_buf_free(&prefix);
  return status;
}

static mst_status number_keys(compaction *c, uint32_t *numbers, mst_error *err) {
  mst_status status = MST_OK;
  const struct ArrowSchema *schema = NULL;
  const struct ArrowArray *keys = NULL;
  mst_grouper *grouper = NULL;
  int32_t columns[64];
  MST_TRY(mst_state_keys(c->view, &schema, &keys, err));
  if (schema->n_children == 0) goto done;
  if (schema->n_children > 64) {
    status = mst_fail(err, MST_E_LIMIT, "%lld partition keys are more than compaction takes", (long long)schema->n_children);
    goto done;
  }
  for (int32_t i = 0; i < (int32_t)schema->n_children; i++) columns[i] = i;
  MST_TRY(mst_grouper_new(c->mem, schema, columns, (size_t)schema->n_children, &grouper, err));
  MST_TRY(mst_grouper_put(grouper, keys, numbers, NULL, err));
done:
  mst_grouper_free(grouper);
  return status;
}

static int compare_parts(const void *a, const void *b) {
  const sized_part *p = a, *q = b;
  if (p->keys != q->keys) return p->keys < q->keys ? -1 : 1;
  return p->part < q->part ? -1 : p->part > q->part;
}

/* The candidates with their sizes, those of the same keys beside each other. */
static mst_status find_parts(compaction *c, const mst_candidates *found, mst_error *err) {
  mst_status status = MST_OK;
  const size_t all = mst_document_partitions(c->view->document);
  uint64_t *bytes = NULL;
  uint32_t *keys = NULL;
  MST_TRY_ALLOC(bytes = mst_alloc_array(c->mem, all + 1, sizeof *bytes));
  MST_TRY_ALLOC(keys = mst_alloc_zero(c->mem, all + 1, sizeof *keys));
  MST_TRY_ALLOC(c->parts = mst_alloc_array(c->mem, found->n + 1, sizeof *c->parts));
  for (size_t i = 0; i < all; i++) bytes[i] = UINT64_MAX;
  MST_TRY(list_sizes(c, bytes, err));
  MST_TRY(number_keys(c, keys, err));
  for (size_t i = 0; i < found->n; i++) {
    const size_t part = found->items[i].part;
    if (bytes[part] == UINT64_MAX) {
      mst_table *table = NULL;
      MST_TRY(mst_part_table(c->view, part, 0, &table, c->cancel, err));
      bytes[part] = mst_table_size(table);
      mst_table_unref(table);
    }
    c->parts[c->n_parts++] = (sized_part){.part = part, .bytes = bytes[part], .keys = keys[part]};
  }
  qsort(c->parts, c->n_parts, sizeof *c->parts, compare_parts);
done:
  mst_free(c->mem, bytes);
  mst_free(c->mem, keys);
  return status;
}

/* ---- what is joined -------------------------------------------------------------------------------------------- */

static void add_bin(compaction *c, size_t first, size_t n, uint64_t bytes) {
  if (n < 2 && c->n_by == 0) return;
  bin *b = &c->bins[c->n_bins++];
  *b = (bin){.first = first, .n = n, .bytes = bytes};
  mst_new_files_init(&b->files, c->mem);
}

static mst_status choose_bins(compaction *c, mst_error *err) {
  c->bins = mst_alloc_zero(c->mem, c->n_parts + 1, sizeof *c->bins);
  if (c->bins == NULL) return mst_fail_memory(err);
  size_t first = 0;
  uint64_t bytes = 0;
  for (size_t i = 0; i < c->n_parts; i++) {
    const bool other = i > first && c->parts[i].keys != c->parts[first].keys;
    const bool full = c->n_by == 0 && i > first && (bytes >= c->target || c->parts[i].bytes > c->target - bytes);
    if (other || full) {
      add_bin(c, first, i - first, bytes);
      first = i;
      bytes = 0;
    }
    bytes += c->parts[i].bytes;
  }
  if (c->n_parts > first) add_bin(c, first, c->n_parts - first, bytes);
  return MST_OK;
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

static mst_status open_rows(const compaction *c, const bin *b, uint64_t memory, struct ArrowArrayStream *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_scan *scan = NULL;
  mst_scan_part *parts = mst_alloc_zero(c->mem, b->n + 1, sizeof *parts);
  MST_TRY_ALLOC(parts);
  for (size_t i = 0; i < b->n; i++) parts[i] = (mst_scan_part){.part = c->parts[b->first + i].part, .all = true};
  const mst_scan_options o = {.columns = c->columns, .n_columns = c->n_columns, .parts = parts, .n_parts = b->n, .memory = memory};
  const mst_rows_options shown = {.columns = c->columns, .n_columns = c->n_columns};
  MST_TRY(mst_scan_open(c->view, &o, &scan, c->cancel, err));
  MST_TRY(mst_rows_stream(c->view, scan, &shown, out, err));
done:
  mst_free(c->mem, parts);
  return status;
}

/* All rows of `rows` (taken over, also on failure), sorted; how many there are in `*n`. */
static mst_status sort_rows(const compaction *c, uint64_t memory, struct ArrowArrayStream *rows, uint64_t *n, struct ArrowArrayStream *out,
                            mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowSchema schema = {0};
  mst_sorter *sorter = NULL;
  MST_TRY(mst_stream_schema(rows, &schema, err));
  MST_TRY(mst_sorter_new(c->view->ctx, &schema, c->by, c->n_by, memory, &sorter, err));
  for (;;) {
    struct ArrowArray batch = {0};
    MST_TRY(mst_stream_next(rows, &batch, err));
    if (batch.release == NULL) break;
    *n += (uint64_t)batch.length;
    MST_TRY(mst_sorter_put(sorter, &batch, err));
  }
  mst_stream_release(rows); /* its memory is free for the merge */
  status = mst_sorter_stream(sorter, out, c->cancel, err);
  sorter = NULL;
done:
  mst_stream_release(rows);
  mst_sorter_free(sorter);
  mst_schema_release(&schema);
  return status;
}

typedef struct bin_task {
  const compaction *c;
  bin *bin;
} bin_task;

static mst_status write_bin(void *arg, mst_error *err) {
  mst_status status = MST_OK;
  const bin_task *t = arg;
  const compaction *c = t->c;
  struct ArrowArrayStream rows = {0}, sorted = {0};
  mst_write_settings s = c->settings;
  uint64_t n = 0;
  mst_buf prefix;
  mst_buf_init(&prefix, c->mem, MST_KEY_MAX + 1);
  MST_TRY(mst_label_prefix(mst_document_label(c->view->document, c->parts[t->bin->first].part), &prefix, err));
  s.prefix = mst_buf_text(&prefix);
  const uint64_t share = c->n_by > 0 ? c->memory / 4 : c->memory / 2; /* runs that are merged take memory, too */
  s.memory = share;
  MST_TRY(open_rows(c, t->bin, share, &rows, err));
  if (c->n_by > 0) {
    MST_TRY(sort_rows(c, c->memory / 2, &rows, &n, &sorted, err));
    s.file_rows = t->bin->bytes <= c->target ? 0 : (uint64_t)((double)n * ((double)c->target / (double)t->bin->bytes)) + 1;
    MST_TRY(mst_files_write(&s, &sorted, &t->bin->files, c->cancel, err));
  } else MST_TRY(mst_files_write(&s, &rows, &t->bin->files, c->cancel, err));
done:
  mst_stream_release(&rows);
  mst_stream_release(&sorted);
  mst_buf_free(&prefix);
  return status;
}

static mst_status write_bins(compaction *c, size_t first, size_t n, uint32_t width, mst_error *err) {
  mst_status status = MST_OK;
  mst_group *group = NULL;
  bin_task tasks[8 * COMPACT_WIDTH];
  MST_TRY(mst_group_new(c->view->ctx, &group, err));
  mst_group_set_width(group, width);
  for (size_t i = 0; i < n; i++) {
    tasks[i] = (bin_task){.c = c, .bin = &c->bins[first + i]};
    MST_TRY(mst_group_add(group, write_bin, &tasks[i], err));
  }
  MST_TRY(mst_group_wait(group, c->cancel, err));
  for (size_t i = 0; i < n; i++) {
    const bin *b = &c->bins[first + i];
    for (size_t k = 0; k < b->n; k++)
      MST_TRY(mst_change_remove_label(c->change, mst_document_label(c->view->document, c->parts[b->first + k].part), err));
    MST_TRY(mst_change_add_files(c->change, &c->bins[first + i].files, err));
  }
done:
  mst_group_free(group);
  return status;
}

static mst_status write_all(compaction *c, mst_error *err) {
  mst_status status = MST_OK;
  const uint32_t width = (uint32_t)mst_max_u64(mst_min_u64(mst_min_u64(mst_context_threads(c->view->ctx), COMPACT_WIDTH), c->n_bins), 1);
  const size_t chunk = (size_t)8 * width;
  c->memory = c->view->memory / width;
  MST_TRY(mst_change_settings(c->change, &c->settings, err));
  for (size_t first = 0; first < c->n_bins; first += chunk) {
    MST_TRY(mst_change_keep_alive(c->change, c->cancel, err));
    MST_TRY(write_bins(c, first, mst_min_size(chunk, c->n_bins - first), width, err));
  }
done:
  return status;
}

/* ---- the call -------------------------------------------------------------------------------------------------- */

/* Sorting happens among rows of the same partition keys: a key in `sort_by` says nothing. */
static mst_status choose_order(compaction *c, const char *const *sort_by, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  size_t *numbers = NULL;
  MST_TRY_ALLOC(numbers = mst_alloc_array(c->mem, n + 1, sizeof *numbers));
  MST_TRY_ALLOC(c->by = mst_alloc_zero(c->mem, n + 1, sizeof *c->by));
  MST_TRY(mst_columns_find(c->view, sort_by, n, numbers, err));
  for (size_t i = 0; i < n; i++)
    for (size_t k = 0; k < c->n_columns; k++)
      if (c->columns[k] == numbers[i]) c->by[c->n_by++] = (mst_sort_key){.column = (int32_t)k};
done:
  mst_free(c->mem, numbers);
  return status;
}

static void end(compaction *c) {
  for (size_t i = 0; i < c->n_bins; i++) mst_new_files_free(&c->bins[i].files);
  mst_free(c->mem, c->bins);
  mst_free(c->mem, c->parts);
  mst_free(c->mem, c->columns);
  mst_free(c->mem, c->by);
  mst_write_settings_free(c->change->base, &c->settings);
  mst_ds_unref(c->view);
}

mst_status mst_ds_change_compact(mst_change *change, const char *where, uint64_t target_bytes, const char *const *sort_by, size_t n,
                                 mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  compaction c = {.change = change, .mem = change->mem, .cancel = cancel, .target = target_bytes != 0 ? target_bytes : TARGET_DEFAULT};
  mst_where *w = NULL;
  mst_predicate *p = NULL;
  mst_candidates found = {.mem = change->mem};
  MST_TRY(mst_change_view(change, &c.view, err));
  mst_ds_ref(c.view);
  MST_TRY(mst_condition_of(c.view, where, &w, &p, err));
  MST_TRY(mst_prune_partitions(c.view, p, NULL, 0, 0, &found, cancel, err));
  MST_TRY(mst_data_columns(c.view, &c.columns, &c.n_columns, err));
  MST_TRY(choose_order(&c, sort_by, n, err));
  MST_TRY(find_parts(&c, &found, err));
  MST_TRY(choose_bins(&c, err));
  if (c.n_bins > 0) MST_TRY(write_all(&c, err));
  mst_change_count(change, 0, 0);
  mst_change_did(change, "compact");
done:
  mst_candidates_free(&found);
  mst_predicate_unref(p);
  mst_where_unref(w);
  end(&c);
  return status == MST_OK ? MST_OK : mst_while(err, status, "while compacting files");
}
