/* parquet/bytes_in.c - keeps the bytes of a column chunk from their coming until their pages are decoded.
 *
 * Owns: mst_pq_bytes_in. May call: base, column. */
#include "parquet/bytes_in.h"

void mst_pq_bytes_in_init(mst_pq_bytes_in *b, const mst_allocator *mem) {
  *b = (mst_pq_bytes_in){.mem = mem};
  mst_block_init(&b->joined, mem);
}

void mst_pq_bytes_in_free(mst_pq_bytes_in *b) {
  size_t i;
  for (i = 0; i < b->n_held; i++) mst_bytes_release(&b->held[i].bytes);
  mst_free(b->mem, b->held);
  mst_free(b->mem, b->runs);
  mst_block_free(&b->joined);
  *b = (mst_pq_bytes_in){.mem = b->mem, .joined = b->joined};
}

mst_status mst_pq_bytes_in_add(mst_pq_bytes_in *b, uint64_t at, uint64_t end, mst_error *err) {
  if (at >= end) return MST_OK;
  if (b->n_runs > 0 && at <= b->runs[b->n_runs - 1].end) {
    b->runs[b->n_runs - 1].end = mst_max_u64(end, b->runs[b->n_runs - 1].end);
    return MST_OK;
  }
  if (b->n_runs == b->runs_capacity) {
    size_t capacity = b->runs_capacity == 0 ? 1 : 2 * b->runs_capacity;
    mst_pq_extent *grown = mst_resize(b->mem, b->runs, capacity * sizeof *grown);
    if (grown == NULL) return mst_fail_memory(err);
    b->runs = grown;
    b->runs_capacity = capacity;
  }
  b->runs[b->n_runs++] = (mst_pq_extent){at, end};
  return MST_OK;
}

bool mst_pq_bytes_in_ask(mst_pq_bytes_in *b, uint64_t most, uint64_t least_end, mst_range *out) {
  size_t i;
  for (i = 0; i < b->n_runs; i++) {
    const mst_pq_extent *r = &b->runs[i];
    uint64_t at = mst_max_u64(r->at, b->asked), end;
    if (at >= r->end || (most == 0 && at >= least_end)) continue;
    end = most >= r->end - at ? r->end : mst_min_u64(r->end, mst_max_u64(at + most, least_end));
    *out = (mst_range){.offset = at, .length = end - at};
    b->asked = end;
    return true;
  }
  return false;
}

uint64_t mst_pq_bytes_in_unasked(const mst_pq_bytes_in *b) {
  uint64_t n = 0;
  size_t i;
  for (i = 0; i < b->n_runs; i++)
    if (b->runs[i].end > b->asked) n += b->runs[i].end - mst_max_u64(b->runs[i].at, b->asked);
  return n;
}

uint64_t mst_pq_bytes_in_held(const mst_pq_bytes_in *b, uint64_t at) {
  uint64_t n = 0;
  size_t i;
  for (i = 0; i < b->n_runs && b->runs[i].at < b->asked; i++) {
    uint64_t from = mst_max_u64(b->runs[i].at, at), end = mst_min_u64(b->runs[i].end, b->asked);
    if (end > from) n += end - from;
  }
  return n;
}

mst_status mst_pq_bytes_in_put(mst_pq_bytes_in *b, uint64_t at, const mst_bytes *bytes, mst_error *err) {
  if (b->n_held == b->held_capacity) {
    size_t capacity = b->held_capacity == 0 ? 2 : 2 * b->held_capacity;
    mst_pq_segment *grown = mst_resize(b->mem, b->held, capacity * sizeof *grown);
    if (grown == NULL) return mst_fail_memory(err);
    b->held = grown;
    b->held_capacity = capacity;
  }
  b->held[b->n_held++] = (mst_pq_segment){at, mst_bytes_share(bytes)};
  return MST_OK;
}

/* Lets go of what lies before `at`. */
static void drop(mst_pq_bytes_in *b, uint64_t at) {
  size_t i, n = 0;
  while (n < b->n_held && b->held[n].at + b->held[n].bytes.size <= at) n++;
  if (n == 0) return;
  for (i = 0; i < n; i++) mst_bytes_release(&b->held[i].bytes);
  b->n_held -= n;
  memmove(b->held, b->held + n, b->n_held * sizeof *b->held);
}

/* How many bytes from `at` on are here without a gap. */
static uint64_t reach(const mst_pq_bytes_in *b, uint64_t at) {
  uint64_t end = at;
  size_t i;
  for (i = 0; i < b->n_held && b->held[i].at <= end; i++) end = b->held[i].at + b->held[i].bytes.size;
  return end - at;
}

mst_status mst_pq_bytes_in_look(mst_pq_bytes_in *b, uint64_t at, uint64_t want, const uint8_t **out, size_t *n,
                                mst_error *err) {
  mst_status status = MST_OK;
  uint64_t here, left;
  size_t i;
  drop(b, at);
  *out = NULL;
  *n = 0;
  if (b->n_held == 0 || b->held[0].at > at) return MST_OK;
  *n = (size_t)(b->held[0].at + b->held[0].bytes.size - at);
  *out = b->held[0].bytes.data + (at - b->held[0].at);
  here = mst_min_u64(reach(b, at), want);
  if (*n >= want || here <= *n) return MST_OK;
  b->joined.size = 0;
  MST_TRY(mst_block_reserve(&b->joined, (size_t)here, err));
  for (left = here, i = 0; left > 0; i++) {
    uint64_t skip = i == 0 ? at - b->held[0].at : 0, part = mst_min_u64(b->held[i].bytes.size - skip, left);
    memcpy(b->joined.data + b->joined.size, b->held[i].bytes.data + skip, (size_t)part);
    b->joined.size += (size_t)part;
    left -= part;
  }
  *out = b->joined.data;
  *n = (size_t)here;
done:
  return status;
}
