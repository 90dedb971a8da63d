/* format/vcf_tabix.c - reads .tbi (SAM specification, tabix) and .csi: bins of positions, each with the chunks of the
 * object that hold its lines, and the least offset for each window or bin.
 *
 * Owns: a directory of the contigs; the bytes are the caller's. May call: base. */
#include "format/vcf_tabix.h"

#include <stdlib.h>

enum { TBI_SHIFT = 14, TBI_DEPTH = 5, PRESET_VCF = 2 };
/* A position has at most this many bits; more would be no position. */
#define POSITION_BITS 48

struct mst_tabix {
  const mst_allocator *mem;
  const uint8_t *data;
  size_t size;
  bool csi;
  unsigned shift, depth;
  size_t n;
  const char **names;
  size_t *at; /* where each contig's bins are told */
};

void mst_tabix_close(mst_tabix *t) {
  if (t == NULL) return;
  mst_free(t->mem, t->names);
  mst_free(t->mem, t->at);
  mst_free(t->mem, t);
}

size_t mst_tabix_contigs(const mst_tabix *t) { return t->n; }

const char *mst_tabix_contig(const mst_tabix *t, size_t i) { return t->names[i]; }

static mst_status broken(const mst_tabix *t, const char *what, size_t at, mst_error *err) {
  return mst_fail_at(err, MST_E_CORRUPT, at, "the .%s is broken: %s (at byte %zu of its plain bytes)",
                     t->csi ? "csi" : "tbi", what, at);
}

/* ---- bins ------------------------------------------------------------------------------------------------------ */

typedef struct bin {
  uint32_t number;
  uint64_t least; /* CSI: no line of its positions lies in front of this offset */
  uint32_t n_chunks;
  const uint8_t *chunks;
} bin;

/* Steps over one bin. */
static bool next_bin(const mst_tabix *t, mst_cursor *c, bin *out) {
  out->number = mst_cursor_u32(c);
  out->least = t->csi ? mst_cursor_u64(c) : 0;
  out->n_chunks = mst_cursor_u32(c);
  if (out->n_chunks > mst_cursor_left(c) / 16) c->failed = true;
  if (c->failed) return false;
  out->chunks = mst_cursor_take(c, (size_t)out->n_chunks * 16);
  return !c->failed;
}

/* The number of the first bin of a level; level 0 has one. */
static uint64_t level_begin(unsigned level) { return ((UINT64_C(1) << 3 * level) - 1) / 7; }

/* The positions [*from, *to), counted from 0, of a bin; false for the one that holds counts, and numbers that are none.
 */
static bool bin_positions(const mst_tabix *t, uint32_t number, uint64_t *from, uint64_t *to) {
  for (unsigned level = 0; level <= t->depth; level++) {
    const unsigned bits = t->shift + 3 * (t->depth - level);
    if (number >= level_begin(level + 1)) continue;
    *from = (number - level_begin(level)) << bits;
    *to = *from + (UINT64_C(1) << bits);
    return true;
  }
  return false;
}

/* ---- opening --------------------------------------------------------------------------------------------------- */

static bool skip_contig(const mst_tabix *t, mst_cursor *c) {
  const uint32_t bins = mst_cursor_u32(c);
  uint32_t windows;
  bin b;
  if (bins > mst_cursor_left(c) / (t->csi ? 16 : 8)) return false;
  for (uint32_t i = 0; i < bins; i++)
    if (!next_bin(t, c, &b)) return false;
  if (t->csi) return !c->failed;
  windows = mst_cursor_u32(c);
  if (c->failed || windows > mst_cursor_left(c) / 8) return false;
  return windows == 0 || mst_cursor_take(c, (size_t)windows * 8) != NULL;
}

static mst_status read_names(mst_tabix *t, const char *names, size_t size, uint32_t n, mst_error *err) {
  mst_status status = MST_OK;
  const char *p = names;
  MST_TRY_ALLOC(t->names = mst_alloc_zero(t->mem, (size_t)n + 1, sizeof *t->names));
  for (t->n = 0; t->n < n; t->n++) {
    const char *end = (size_t)(p - names) < size ? memchr(p, 0, size - (size_t)(p - names)) : NULL;
    if (end == NULL) return broken(t, "it has fewer names than contigs", 0, err);
    t->names[t->n] = p;
    p = end + 1;
  }
done:
  return status;
}

/* format, columns, meta character, skip, names: the head of a .tbi, the "aux" bytes of a .csi. */
static mst_status read_preset(mst_tabix *t, mst_cursor *c, const char **names, uint32_t *size, mst_error *err) {
  const uint32_t format = mst_cursor_u32(c);
  const uint8_t *text;
  for (int i = 0; i < 5; i++) (void)mst_cursor_u32(c);
  *size = mst_cursor_u32(c);
  if (c->failed || *size > mst_cursor_left(c)) return broken(t, "its head is cut short", c->at, err);
  if ((format & 0xffff) != PRESET_VCF) return broken(t, "it was not made for VCF", c->at, err);
  text = mst_cursor_take(c, *size);
  *names = text != NULL ? (const char *)text : "";
  return MST_OK;
}

static mst_status read_tbi(mst_tabix *t, mst_cursor *c, const char **names, uint32_t *size, uint32_t *n,
                           mst_error *err) {
  *n = mst_cursor_u32(c);
  t->shift = TBI_SHIFT;
  t->depth = TBI_DEPTH;
  return read_preset(t, c, names, size, err);
}

static mst_status read_csi(mst_tabix *t, mst_cursor *c, const char **names, uint32_t *size, uint32_t *n,
                           mst_error *err) {
  const uint32_t shift = mst_cursor_u32(c), depth = mst_cursor_u32(c), aux = mst_cursor_u32(c);
  mst_cursor inner;
  mst_status status;
  if (c->failed || shift > POSITION_BITS || depth > 10 || shift + 3 * depth > POSITION_BITS)
    return broken(t, "its bins have an impossible size", c->at, err);
  if (aux > mst_cursor_left(c) || aux < 28) return broken(t, "it does not name its contigs", c->at, err);
  t->shift = shift;
  t->depth = depth;
  inner = mst_cursor_over(mst_cursor_take(c, aux), aux);
  status = read_preset(t, &inner, names, size, err);
  *n = mst_cursor_u32(c);
  return status;
}

mst_status mst_tabix_open(const mst_allocator *mem, const uint8_t *data, size_t n, mst_tabix **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_cursor c = mst_cursor_over(data, n);
  const uint8_t *magic = mst_cursor_take(&c, 4);
  const char *names = "";
  uint32_t contigs = 0, size = 0;
  mst_tabix *t = mst_alloc_zero(mem, 1, sizeof *t);
  MST_TRY_ALLOC(t);
  t->mem = mem;
  t->data = data;
  t->size = n;
  t->csi = magic != NULL && memcmp(magic, "CSI\1", 4) == 0;
  if (!t->csi && (magic == NULL || memcmp(magic, "TBI\1", 4) != 0)) {
    status = mst_fail_at(err, MST_E_CORRUPT, 0, "this is no .tbi or .csi: it does not begin with TBI\\1 or CSI\\1");
    goto done;
  }
  MST_TRY(t->csi ? read_csi(t, &c, &names, &size, &contigs, err) : read_tbi(t, &c, &names, &size, &contigs, err));
  if (c.failed || contigs > mst_cursor_left(&c) / (t->csi ? 4 : 8)) {
    status = broken(t, "it promises more contigs than it holds", c.at, err);
    goto done;
  }
  MST_TRY(read_names(t, names, size, contigs, err));
  MST_TRY_ALLOC(t->at = mst_alloc_zero(mem, t->n + 1, sizeof *t->at));
  for (size_t i = 0; i < t->n; i++) {
    t->at[i] = c.at;
    if (skip_contig(t, &c)) continue;
    status = broken(t, "its bins are cut short", c.at, err);
    goto done;
  }
  *out = t;
  t = NULL;
done:
  mst_tabix_close(t);
  return status;
}

/* ---- finding --------------------------------------------------------------------------------------------------- */

typedef struct chunk_list {
  const mst_allocator *mem;
  mst_tabix_chunk *items;
  size_t n, room;
} chunk_list;

static mst_status add_chunk(chunk_list *l, mst_tabix_chunk chunk, mst_error *err) {
  if (l->n == l->room) {
    const size_t room = l->room * 2 + 8;
    mst_tabix_chunk *more = mst_resize(l->mem, l->items, room * sizeof *more);
    if (more == NULL) return mst_fail_memory(err);
    l->items = more;
    l->room = room;
  }
  l->items[l->n++] = chunk;
  return MST_OK;
}

static int by_begin(const void *a, const void *b) {
  const mst_tabix_chunk *x = a, *y = b;
  return x->begin < y->begin ? -1 : x->begin > y->begin;
}

/* Chunks that touch, or lie in one block, become one. */
static void merge_chunks(chunk_list *l) {
  size_t kept = 0;
  if (l->n == 0) return;
  qsort(l->items, l->n, sizeof *l->items, by_begin);
  for (size_t i = 1; i < l->n; i++) {
    mst_tabix_chunk *last = &l->items[kept];
    if (l->items[i].begin >> 16 <= last->end >> 16) last->end = mst_max_u64(last->end, l->items[i].end);
    else l->items[++kept] = l->items[i];
  }
  l->n = kept + 1;
}

static mst_cursor contig_cursor(const mst_tabix *t, size_t i) {
  mst_cursor c = mst_cursor_over(t->data, t->size);
  c.at = t->at[i];
  return c;
}

/* TBI: the least offset of lines that reach the window of `first`. The cursor stands behind the bins. */
static uint64_t least_of_window(mst_cursor *c, uint64_t first) {
  const uint32_t n = mst_cursor_u32(c);
  const uint8_t *windows = n > 0 ? mst_cursor_take(c, (size_t)n * 8) : NULL;
  uint64_t window = first >> TBI_SHIFT;
  if (windows == NULL) return 0;
  if (window >= n) window = n - 1;
  return mst_le64(windows + 8 * window);
}

mst_status mst_tabix_find(const mst_tabix *t, size_t i, uint64_t first, uint64_t last, mst_tabix_chunk **out, size_t *n,
                          mst_error *err) {
  mst_status status = MST_OK;
  mst_cursor c = contig_cursor(t, i);
  const uint32_t bins = mst_cursor_u32(&c);
  chunk_list found = {.mem = t->mem};
  uint64_t least = 0, from, to;
  size_t kept = 0;
  bin b;
  first--; /* from here on [first, last) counts from 0 */
  for (uint32_t k = 0; k < bins && next_bin(t, &c, &b); k++) {
    if (!bin_positions(t, b.number, &from, &to) || from >= last || to <= first) continue;
    if (from <= first) least = mst_max_u64(least, b.least);
    for (uint32_t j = 0; j < b.n_chunks; j++) {
      const mst_tabix_chunk chunk = {mst_le64(b.chunks + 16 * j), mst_le64(b.chunks + 16 * j + 8)};
      if (chunk.begin < chunk.end) MST_TRY(add_chunk(&found, chunk, err));
    }
  }
  if (!t->csi) least = least_of_window(&c, first);
  for (size_t k = 0; k < found.n; k++) {
    if (found.items[k].end <= least) continue;
    found.items[kept] = found.items[k];
    found.items[kept].begin = mst_max_u64(found.items[kept].begin, least);
    kept++;
  }
  found.n = kept;
  merge_chunks(&found);
  *out = found.items;
  *n = found.n;
  found.items = NULL;
done:
  mst_free(t->mem, found.items);
  return status;
}

/* ---- marks ----------------------------------------------------------------------------------------------------- */

typedef struct mark_list {
  const mst_allocator *mem;
  mst_tabix_mark *items;
  size_t n, room;
} mark_list;

static mst_status add_mark(mark_list *l, uint64_t position, uint64_t offset, mst_error *err) {
  if (l->n == l->room) {
    const size_t room = l->room * 2 + 64;
    mst_tabix_mark *more = mst_resize(l->mem, l->items, room * sizeof *more);
    if (more == NULL) return mst_fail_memory(err);
    l->items = more;
    l->room = room;
  }
  l->items[l->n++] = (mst_tabix_mark){position, offset};
  return MST_OK;
}

static int by_position(const void *a, const void *b) {
  const mst_tabix_mark *x = a, *y = b;
  return x->position < y->position ? -1 : x->position > y->position;
}

static void keep_rising(mark_list *l) {
  size_t kept = 0;
  if (l->n == 0) return;
  qsort(l->items, l->n, sizeof *l->items, by_position);
  for (size_t i = 1; i < l->n; i++)
    if (l->items[i].position > l->items[kept].position && l->items[i].offset > l->items[kept].offset)
      l->items[++kept] = l->items[i];
  l->n = kept + 1;
}

mst_status mst_tabix_marks(const mst_tabix *t, size_t i, uint64_t first, uint64_t last, mst_tabix_mark **out, size_t *n,
                           mst_error *err) {
  mst_status status = MST_OK;
  mst_cursor c = contig_cursor(t, i);
  const uint32_t bins = mst_cursor_u32(&c);
  mark_list found = {.mem = t->mem};
  uint64_t from, to;
  bin b;
  for (uint32_t k = 0; k < bins && next_bin(t, &c, &b); k++) {
    if (!t->csi || !bin_positions(t, b.number, &from, &to) || to - from != UINT64_C(1) << t->shift) continue;
    if (from >= first && from < last) MST_TRY(add_mark(&found, from + 1, b.least, err));
  }
  if (!t->csi) {
    const uint32_t windows = mst_cursor_u32(&c);
    const uint8_t *offsets = windows > 0 ? mst_cursor_take(&c, (size_t)windows * 8) : NULL;
    for (uint64_t w = first >> TBI_SHIFT; offsets != NULL && w < windows && w <= last >> TBI_SHIFT; w++) {
      const uint64_t position = (w << TBI_SHIFT) + 1;
      if (position > first && position <= last) MST_TRY(add_mark(&found, position, mst_le64(offsets + 8 * w), err));
    }
  }
  keep_rising(&found);
  *out = found.items;
  *n = found.n;
  found.items = NULL;
done:
  mst_free(t->mem, found.items);
  return status;
}
