/* parquet/spans.c - sets of rows as rising intervals.
 *
 * Owns: nothing. May call: base. */
#include "parquet/spans.h"

void mst_pq_spans_free(mst_pq_spans *s) {
  mst_free(s->mem, s->at);
  *s = (mst_pq_spans){.mem = s->mem};
}

mst_status mst_pq_spans_add(mst_pq_spans *s, uint64_t first, uint64_t end, mst_error *err) {
  if (first >= end) return MST_OK;
  s->rows += end - first;
  if (s->n > 0 && s->at[s->n - 1].end == first) {
    s->at[s->n - 1].end = end;
    return MST_OK;
  }
  if (s->n == s->capacity) {
    size_t capacity = s->capacity == 0 ? 4 : 2 * s->capacity;
    mst_pq_span *grown = mst_resize(s->mem, s->at, capacity * sizeof *grown);
    if (grown == NULL) return mst_fail_memory(err);
    s->at = grown;
    s->capacity = capacity;
  }
  s->at[s->n++] = (mst_pq_span){first, end};
  return MST_OK;
}

mst_status mst_pq_spans_both(const mst_pq_spans *a, const mst_pq_spans *b, mst_pq_spans *out, mst_error *err) {
  mst_status status = MST_OK;
  size_t i = 0, k = 0;
  while (i < a->n && k < b->n) {
    MST_TRY(mst_pq_spans_add(out, mst_max_u64(a->at[i].first, b->at[k].first), mst_min_u64(a->at[i].end, b->at[k].end),
                             err));
    if (a->at[i].end <= b->at[k].end) {
      i++;
    } else {
      k++;
    }
  }
done:
  return status;
}

bool mst_pq_spans_touch(const mst_pq_spans *s, uint64_t first, uint64_t end, size_t *hint) {
  while (*hint < s->n && s->at[*hint].end <= first) ++*hint;
  return *hint < s->n && s->at[*hint].first < end;
}
