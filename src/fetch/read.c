/* fetch/read.c - ranges of an object into memory: planned, split into pieces, gathered, and handed out as parts of what
 * was read, without a copy. May call: base, store. */
#include "fetch/inner.h"

static mst_status check_range(const mst_object *o, uint64_t offset, uint64_t length, mst_error *err) {
  if (offset <= o->pin.size && length <= o->pin.size - offset) return MST_OK;
  mst_status status =
      mst_fail_at(err, MST_E_CORRUPT, offset, "%llu bytes at %llu lie beyond the end of the object (%llu bytes)",
                  (unsigned long long)length, (unsigned long long)offset, (unsigned long long)o->pin.size);
  return mst_error_name(err, status, o->url);
}

/* Equal pieces, so that none is a small rest. */
static size_t count_pieces(uint64_t size, size_t piece_max) {
  return (size_t)(size / piece_max + (size % piece_max != 0));
}

static size_t cut(uint64_t offset, uint64_t size, uint8_t *into, size_t piece_max, mst_piece *out) {
  size_t n = count_pieces(size, piece_max);
  uint64_t at = 0;
  for (size_t i = 0; i < n; i++) {
    uint64_t end = size / n * (i + 1) + mst_min_u64(i + 1, size % n);
    out[i] = (mst_piece){.offset = offset + at, .size = (size_t)(end - at), .into = into + at};
    at = end;
  }
  return n;
}

mst_status mst_object_read_into(mst_object *o, uint64_t offset, uint64_t size, uint8_t *into, mst_cancel *cancel,
                                mst_error *err) {
  mst_status status = check_range(o, offset, size, err);
  if (status != MST_OK || size == 0) return status;
  size_t piece_max = mst_piece_max(o);
  if (size <= piece_max) {
    mst_piece one = {.offset = offset, .size = (size_t)size, .into = into};
    return mst_gather(o, &one, 1, cancel, err);
  }
  const mst_allocator *mem = mst_context_mem(o->ctx);
  mst_piece *pieces = mst_alloc_array(mem, count_pieces(size, piece_max), sizeof *pieces);
  if (pieces == NULL) return mst_fail_memory(err);
  size_t n = cut(offset, size, into, piece_max, pieces);
  status = mst_gather(o, pieces, n, cancel, err);
  mst_free(mem, pieces);
  return status;
}

static mst_status read_lone(mst_object *o, const mst_range *r, mst_bytes *out, mst_cancel *cancel, mst_error *err) {
  mst_bytes all = {0};
  uint8_t *into = NULL;
  if (r->length == 0) {
    *out = all;
    return MST_OK;
  }
  if (r->length > SIZE_MAX) return mst_fail_memory(err);
  mst_status status = mst_bytes_new(mst_context_mem(o->ctx), (size_t)r->length, &all, &into, err);
  if (status == MST_OK) status = mst_object_read_into(o, r->offset, r->length, into, cancel, err);
  if (status == MST_OK) *out = all;
  else mst_bytes_release(&all);
  return status;
}

/* One buffer an extent. */
static mst_status make_buffers(const mst_object *o, const mst_plan *plan, mst_bytes *buffers, mst_piece *pieces,
                               size_t *n_pieces, mst_error *err) {
  size_t piece_max = mst_piece_max(o);
  *n_pieces = 0;
  for (size_t i = 0; i < plan->n_extents; i++) {
    const mst_extent *e = &plan->extents[i];
    uint8_t *into = NULL;
    if (e->end - e->begin > SIZE_MAX) return mst_fail_memory(err);
    mst_status status = mst_bytes_new(mst_context_mem(o->ctx), (size_t)(e->end - e->begin), &buffers[i], &into, err);
    if (status != MST_OK) return status;
    *n_pieces += cut(e->begin, e->end - e->begin, into, piece_max, pieces + *n_pieces);
  }
  return MST_OK;
}

static void hand_out(const mst_plan *plan, const mst_range *ranges, size_t n, const mst_bytes *buffers,
                     mst_bytes *out) {
  for (size_t i = 0; i < n; i++) out[i] = (mst_bytes){0};
  for (size_t i = 0; i < plan->n_extents; i++) {
    const mst_extent *e = &plan->extents[i];
    for (size_t j = e->first; j < e->first + e->n; j++) {
      const mst_range *r = &ranges[plan->order[j]];
      out[plan->order[j]] = mst_bytes_part(&buffers[i], (size_t)(r->offset - e->begin), (size_t)r->length);
    }
  }
}

mst_status mst_object_read(mst_object *o, const mst_range *ranges, size_t n, mst_bytes *out, mst_cancel *cancel,
                           mst_error *err) {
  mst_status status = MST_OK;
  const mst_allocator *mem = mst_context_mem(o->ctx);
  mst_plan plan = {0};
  mst_bytes *buffers = NULL;
  mst_piece *pieces = NULL;
  size_t n_pieces = 0;
  mst_plan_rule rule = mst_plan_rule_for(o);
  for (size_t i = 0; i < n; i++) MST_TRY(check_range(o, ranges[i].offset, ranges[i].length, err));
  if (n == 1) return read_lone(o, ranges, out, cancel, err);
  MST_TRY(mst_plan_make(mem, ranges, n, &rule, &plan, err));
  for (size_t i = 0; i < plan.n_extents; i++)
    n_pieces += count_pieces(plan.extents[i].end - plan.extents[i].begin, mst_piece_max(o));
  buffers = mst_alloc_zero(mem, plan.n_extents, sizeof *buffers);
  MST_TRY_ALLOC(buffers);
  pieces = mst_alloc_array(mem, n_pieces, sizeof *pieces);
  MST_TRY_ALLOC(pieces);
  MST_TRY(make_buffers(o, &plan, buffers, pieces, &n_pieces, err));
  MST_TRY(mst_gather(o, pieces, n_pieces, cancel, err));
  hand_out(&plan, ranges, n, buffers, out);
done:
  for (size_t i = 0; buffers != NULL && i < plan.n_extents; i++) mst_bytes_release(&buffers[i]);
  mst_free(mem, buffers);
  mst_free(mem, pieces);
  mst_plan_free(mem, &plan);
  return status;
}
