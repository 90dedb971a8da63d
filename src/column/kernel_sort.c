/* column/kernel_sort.c - row numbers in the order of keys, stable.
 *
 * Eight bytes of each key are sorted by their digits, lowest first, in passes that leave equal ones in order and skip
 * digits that all share; where these eight are equal and keys are longer, the rest is merged by comparison. Owns:
 * scratch memory while it runs. May call: base. */
#include "column/column.h"

typedef struct item {
  uint64_t head; /* eight bytes of the key, as a number */
  int64_t row;
} item;

/* One pass by one byte of the head. */
static void pass(const item *from, item *to, size_t n, unsigned shift, size_t counts[256]) {
  size_t at = 0;
  for (size_t k = 0; k < 256; k++) {
    const size_t count = counts[k];
    counts[k] = at;
    at += count;
  }
  for (size_t i = 0; i < n; i++) to[counts[from[i].head >> shift & 255]++] = from[i];
}

/* Sorted items are in *items; *spare is scratch; they may change places. */
static void radix_sort(item **items, item **spare, size_t n) {
  for (unsigned shift = 0; shift < 64; shift += 8) {
    size_t counts[256] = {0};
    item *swap = *items;
    for (size_t i = 0; i < n; i++) counts[(*items)[i].head >> shift & 255]++;
    if (n == 0 || counts[(*items)[0].head >> shift & 255] == n) continue;
    pass(*items, *spare, n, shift, counts);
    *items = *spare;
    *spare = swap;
  }
}

static bool after(const mst_row_keys *keys, const item *a, const item *b) {
  return mst_row_key_compare(keys, (size_t)a->row, keys, (size_t)b->row) > 0;
}

/* Stable merge sort from the bottom up; small runs by insertion. */
static void merge_sort(const mst_row_keys *keys, item *items, item *spare, size_t n) {
  enum { SMALL = 12 };
  item *from = items, *to = spare;
  for (size_t first = 0; first < n; first += SMALL) {
    const size_t end = mst_min_size(first + SMALL, n);
    for (size_t i = first + 1; i < end; i++) {
      const item moving = items[i];
      size_t k = i;
      for (; k > first && after(keys, &items[k - 1], &moving); k--) items[k] = items[k - 1];
      items[k] = moving;
    }
  }
  for (size_t width = SMALL; width < n; width *= 2) {
    item *swap = from;
    for (size_t first = 0; first < n; first += 2 * width) {
      size_t a = first, b = mst_min_size(first + width, n), at = first;
      const size_t a_end = b, b_end = mst_min_size(first + 2 * width, n);
      while (a < a_end && b < b_end) to[at++] = after(keys, &from[a], &from[b]) ? from[b++] : from[a++];
      while (a < a_end) to[at++] = from[a++];
      while (b < b_end) to[at++] = from[b++];
    }
    from = to;
    to = swap;
  }
  if (from != items) memcpy(items, from, n * sizeof *items);
}

/* Whether byte 0 is the same everywhere (no row, or every row, is null in the first key): then it tells nothing. */
static size_t useless_bytes(const mst_row_keys *keys) {
  size_t n;
  const uint8_t first = keys->n > 0 ? *mst_row_key(keys, 0, &n) : 0;
  for (size_t i = 1; i < keys->n; i++)
    if (*mst_row_key(keys, i, &n) != first) return 0;
  return 1;
}

static uint64_t head_of(const uint8_t *p, size_t n) {
  uint8_t bytes[8] = {0};
  if (n >= 8) return mst_be64(p);
  memcpy(bytes, p, n);
  return mst_be64(bytes);
}

/* Runs of equal heads are put in order by their whole keys. */
static void sort_tails(const mst_row_keys *keys, item *items, item *spare, size_t covered) {
  for (size_t first = 0, end; first < keys->n; first = end) {
    size_t n;
    bool longer = false;
    for (end = first; end < keys->n && items[end].head == items[first].head; end++) {
      mst_row_key(keys, (size_t)items[end].row, &n);
      longer = longer || n > covered;
    }
    if (longer && end - first > 1) merge_sort(keys, items + first, spare, end - first);
  }
}

mst_status mst_sort_rows(const mst_allocator *mem, const struct ArrowSchema *schema, const struct ArrowArray *batch,
                         const mst_sort_key *by, size_t n_by, int64_t *rows, mst_error *err) {
  mst_status status = MST_OK;
  mst_row_keys keys;
  item *items = NULL, *spare = NULL;
  size_t skip;
  const size_t n = (size_t)batch->length;
  mst_row_keys_init(&keys, mem);
  if (n_by == 0) {
    for (size_t i = 0; i < n; i++) rows[i] = (int64_t)i;
    return MST_OK;
  }
  MST_TRY(mst_row_keys_make(&keys, schema, batch, by, n_by, err));
  MST_TRY_ALLOC(items = mst_alloc_array(mem, n + 1, sizeof *items));
  MST_TRY_ALLOC(spare = mst_alloc_array(mem, n + 1, sizeof *spare));
  skip = useless_bytes(&keys);
  for (size_t i = 0; i < n; i++) {
    size_t size;
    const uint8_t *p = mst_row_key(&keys, i, &size);
    items[i] = (item){head_of(p + skip, size - skip), (int64_t)i};
  }
  radix_sort(&items, &spare, n);
  sort_tails(&keys, items, spare, skip + 8);
  for (size_t i = 0; i < n; i++) rows[i] = items[i].row;
done:
  mst_free(mem, items);
  mst_free(mem, spare);
  mst_row_keys_free(&keys);
  return status;
}
