/* fetch/plan.c - which ranges are read together. Pure: ranges in, extents out.
 *
 * Bytes between two ranges are read through when that costs less than one more request. A request that finds a free
 * place costs about as much as 32 KiB of transfer, or an eighth of what is wanted around the gap; requests that would
 * have to wait for a place cost a round trip each, and then gaps of up to 1 MiB are cheaper. May call: base. */
#include <stdlib.h>

#include "fetch/inner.h"

enum { GAP_FREE = 32 << 10, GAP_MOST = 1 << 20, GAP_LOCAL = 4 << 10 };

mst_plan_rule mst_plan_rule_for(const mst_object *o) {
  bool local = mst_object_is_local(o);
  return (mst_plan_rule){.gap_max = local ? GAP_LOCAL : GAP_MOST,
                         .extent_max = mst_piece_max(o),
                         .requests = local ? SIZE_MAX : mst_context_requests_max(o->ctx)};
}

static int by_offset(const void *a, const void *b, void *arg) {
  const mst_range *ranges = arg;
  const mst_range *x = &ranges[*(const size_t *)a];
  const mst_range *y = &ranges[*(const size_t *)b];
  if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
  return x->length < y->length ? -1 : x->length > y->length;
}

static void sort(mst_plan *p, const mst_range *ranges) {
  bool sorted = true;
  for (size_t i = 1; i < p->n_order && sorted; i++)
    sorted = ranges[p->order[i - 1]].offset <= ranges[p->order[i]].offset;
  if (!sorted) qsort_r(p->order, p->n_order, sizeof *p->order, by_offset, (void *)(uintptr_t)ranges);
}

static bool belongs(const mst_extent *e, const mst_range *r, const mst_plan_rule *rule, uint64_t gap_free) {
  if (r->offset < e->end) return true;
  uint64_t gap = r->offset - e->end;
  uint64_t allowed = mst_max_u64(gap_free, (e->end - e->begin + r->length) / 8);
  return gap <= mst_min_u64(allowed, rule->gap_max) && r->offset + r->length - e->begin <= rule->extent_max;
}

static void draw_together(mst_plan *p, const mst_range *ranges, const mst_plan_rule *rule, uint64_t gap_free) {
  p->n_extents = 0;
  for (size_t i = 0; i < p->n_order; i++) {
    const mst_range *r = &ranges[p->order[i]];
    mst_extent *last = p->n_extents == 0 ? NULL : &p->extents[p->n_extents - 1];
    if (last != NULL && belongs(last, r, rule, gap_free)) {
      last->end = mst_max_u64(last->end, r->offset + r->length);
      last->n++;
    } else {
      p->extents[p->n_extents++] = (mst_extent){.begin = r->offset, .end = r->offset + r->length, .first = i, .n = 1};
    }
  }
}

mst_status mst_plan_make(const mst_allocator *mem, const mst_range *ranges, size_t n, const mst_plan_rule *rule,
                         mst_plan *out, mst_error *err) {
  mst_plan p = {.order = mst_alloc_array(mem, n, sizeof *p.order),
                .extents = mst_alloc_array(mem, n, sizeof *p.extents)};
  if (p.order == NULL || p.extents == NULL) {
    mst_plan_free(mem, &p);
    return mst_fail_memory(err);
  }
  for (size_t i = 0; i < n; i++)
    if (ranges[i].length > 0) p.order[p.n_order++] = i;
  sort(&p, ranges);
  uint64_t gap_free = mst_min_u64(GAP_FREE, rule->gap_max);
  draw_together(&p, ranges, rule, gap_free);
  while (p.n_extents > rule->requests && gap_free < rule->gap_max) {
    gap_free = mst_min_u64(gap_free * 2, rule->gap_max);
    draw_together(&p, ranges, rule, gap_free);
  }
  *out = p;
  return MST_OK;
}

void mst_plan_free(const mst_allocator *mem, mst_plan *p) {
  mst_free(mem, p->order);
  mst_free(mem, p->extents);
  *p = (mst_plan){0};
}
