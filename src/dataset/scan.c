/* dataset/scan.c - rows of many partitions, read side by side: how many at a time, and with how much memory each. See read.h.
 *
 * Requests of files far away overlap; files at hand are decoded on as many cores as there are. A single file is left to its own reader,
 * which decodes its row groups side by side. May call: base, store, dataset's own headers. */
#include "dataset/dataset.h"
#include "dataset/read.h"

enum { WIDTH_REMOTE = 16 };
#define ITEM_LEAST ((uint64_t)4 << 20) /* memory that reading one file should have */

struct mst_scan {
  mst_dataset *d;
  const mst_allocator *mem;
  size_t *columns;
  size_t n_columns;
  mst_scan_part *parts;
  mst_predicate *predicate;
  bool has_limit;
  uint64_t limit;
  mst_part_options item; /* what items have in common */
  mst_lanes *lanes;
};

static mst_status open_item(void *self, size_t i, struct ArrowArrayStream *out, mst_cancel *cancel, mst_error *err) {
  mst_scan *s = self;
  mst_part_options o = s->item;
  o.all = s->parts[i].all;
  if (s->parts[i].some_rows) o.rows = &s->parts[i].rows;
  return mst_part_open(s->d, s->parts[i].part, &o, out, cancel, err);
}

static uint32_t width_of(const mst_scan *s, const mst_scan_options *o, uint64_t memory) {
  const uint32_t threads = mst_context_threads(s->d->ctx);
  const bool local = (mst_store_flags(s->d->store) & MST_STORE_LOCAL) != 0;
  if (threads == 1 || o->few_rows) return 1;
  const uint64_t fit = mst_max_u64(memory / 2 / ITEM_LEAST, 1);
  return (uint32_t)mst_min_u64(mst_min_u64(local ? threads : mst_max_u64(threads, WIDTH_REMOTE), fit), o->n_parts);
}

mst_status mst_scan_open(mst_dataset *d, const mst_scan_options *options, mst_scan **out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  const uint64_t memory = options->memory != 0 ? options->memory : d->memory;
  mst_scan *s = mst_alloc_zero(d->mem, 1, sizeof *s);
  if (s == NULL) return mst_fail_memory(err);
  s->d = mst_ds_ref(d);
  s->mem = d->mem;
  MST_TRY_ALLOC(s->parts = mst_alloc_array(d->mem, options->n_parts + 1, sizeof *s->parts));
  if (options->n_parts > 0) memcpy(s->parts, options->parts, options->n_parts * sizeof *s->parts);
  if (options->columns != NULL) {
    MST_TRY_ALLOC(s->columns = mst_alloc_array(d->mem, options->n_columns + 1, sizeof *s->columns));
    if (options->n_columns > 0) memcpy(s->columns, options->columns, options->n_columns * sizeof *s->columns);
    s->n_columns = options->n_columns;
  }
  if (options->predicate != NULL) s->predicate = mst_predicate_ref(options->predicate);
  s->has_limit = options->limit != NULL;
  if (s->has_limit) s->limit = *options->limit;
  const uint32_t width = width_of(s, options, memory);
  s->item = (mst_part_options){.columns = s->columns, .n_columns = s->n_columns, .predicate = s->predicate, .no_pushdown = options->no_pushdown,
                               .limit = s->has_limit ? &s->limit : NULL, .batch_rows = options->batch_rows,
                               .memory = width > 1 ? memory / 2 / width : memory / 2, .in_caller = width >= mst_context_threads(d->ctx)};
  const mst_lanes_options lanes = {.items = options->n_parts, .width = width, .memory = memory / 4, .self = s, .open = open_item};
  MST_TRY(mst_lanes_open(d->ctx, &lanes, &s->lanes, cancel, err));
  *out = s;
  s = NULL;
done:
  mst_scan_close(s);
  return status;
}

mst_status mst_scan_next(mst_scan *s, struct ArrowArray *out, size_t *item, mst_error *err) {
  return mst_lanes_next(s->lanes, out, item, err);
}

void mst_scan_close(mst_scan *s) {
  if (s == NULL) return;
  mst_lanes_close(s->lanes);
  mst_predicate_unref(s->predicate);
  mst_free(s->mem, s->columns);
  mst_free(s->mem, s->parts);
  mst_dataset *d = s->d;
  mst_free(s->mem, s);
  mst_ds_unref(d);
}
