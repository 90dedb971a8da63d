/* column/kernel_sort.c - row numbers in the order of keys, stable.
 *
 * What all keys begin with is skipped; the eight bytes behind it are sorted as numbers, by digits, lowest first,
 * without a look at the keys; rows that are equal in these are sorted by what follows, in the same way. Owns: scratch
 * memory while it runs. May call: base. */
#include "column/column.h"

typedef struct item {
  uint64_t head; /* eight bytes of the key, as a number */
  int64_t row;
} item;

/* By digits of the head, lowest first; digits that all share are skipped. */
static void radix_sort(item *items, item *spare, size_t n) {
  size_t counts[8][256];
  item *from = items, *to = spare;
  memset(counts, 0, sizeof counts);
  for (size_t i = 0; i < n; i++)
    for (unsigned k = 0; k < 8; k++) counts[k][items[i].head >> (8 * k) & 255]++;
  for (unsigned k = 0; k < 8; k++) {
    size_t *count = counts[k], at = 0;
    item *swap = from;
    if (count[from[0].head >> (8 * k) & 255] == n) continue;
    for (size_t v = 0; v < 256; v++) {
      const size_t here = count[v];
      count[v] = at;
      at += here;
    }
    for (size_t i = 0; i < n; i++) to[count[from[i].head >> (8 * k) & 255]++] = from[i];
    from = to;
    to = swap;
  }
  if (from != items) memcpy(items, from, n * sizeof *items);
}

static void insertion_sort(item *items, size_t n) {
  for (size_t i = 1; i < n; i++) {
    const item moving = items[i];
    size_t k = i;
    for (; k > 0 && items[k - 1].head > moving.head; k--) items[k] = items[k - 1];
    items[k] = moving;
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

static uint64_t head_of(const uint8_t *p, size_t n) {
  uint8_t bytes[8] = {0};
  if (n >= 8) return mst_be64(p);
  memcpy(bytes, p, n);
  return mst_be64(bytes);
}

static size_t common_bytes(const uint8_t *a, const uint8_t *b, size_t n) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const uint64_t differ = mst_le64(a + i) ^ mst_le64(b + i);
    if (differ != 0) return i + mst_mask_first(differ) / 8;
  }
  while (i < n && a[i] == b[i]) i++;
  return i;
}

/* Bytes that all keys of a range begin with; true when a key goes on behind them. */
static bool skip_common(const mst_row_keys *keys, const item *items, size_t n, size_t *common) {
  size_t size, least;
  const uint8_t *first = mst_row_key(keys, (size_t)items[0].row, &least);
  bool longer = false;
  for (size_t i = 1; i < n; i++) {
    const uint8_t *key = mst_row_key(keys, (size_t)items[i].row, &size);
    least = common_bytes(first, key, mst_min_size(size, least));
    longer = longer || size > least;
  }
  mst_row_key(keys, (size_t)items[0].row, &size);
  *common = least;
  return longer || size > least;
}

/* Beyond a few levels rows are merged by comparison, so that no keys make it nest deep. */
static void sort_range(const mst_row_keys *keys, item *items, item *spare, size_t n, int depth) {
  enum { DEPTH_MAX = 16, FEW = 40 };
  size_t skip, size;
  if (n < 2 || !skip_common(keys, items, n, &skip)) return;
  if (depth > DEPTH_MAX) {
    merge_sort(keys, items, spare, n);
    return;
  }
  for (size_t i = 0; i < n; i++) {
    const uint8_t *key = mst_row_key(keys, (size_t)items[i].row, &size);
    items[i].head = head_of(key + skip, size - skip);
  }
  if (n <= FEW) insertion_sort(items, n);
  else radix_sort(items, spare, n);
  for (size_t first = 0, end; first < n; first = end) {
    for (end = first + 1; end < n && items[end].head == items[first].head; end++) continue;
    if (end - first > 1) sort_range(keys, items + first, spare, end - first, depth + 1);
  }
}

mst_status mst_sort_rows(const mst_allocator *mem, const struct ArrowSchema *schema, const struct ArrowArray *batch,
                         const mst_sort_key *by, size_t n_by, int64_t *rows, mst_error *err) {
  mst_status status = MST_OK;
  mst_row_keys keys;
  item *items = NULL, *spare = NULL;
  const size_t n = (size_t)batch->length;
  mst_row_keys_init(&keys, mem);
  if (n_by == 0) {
    for (size_t i = 0; i < n; i++) rows[i] = (int64_t)i;
    return MST_OK;
  }
  MST_TRY(mst_row_keys_make(&keys, schema, batch, by, n_by, err));
  MST_TRY_ALLOC(items = mst_alloc_array(mem, n + 1, sizeof *items));
  MST_TRY_ALLOC(spare = mst_alloc_array(mem, n + 1, sizeof *spare));
  mst_expect_whole(items, n * sizeof *items);
  mst_expect_whole(spare, n * sizeof *spare);
  for (size_t i = 0; i < n; i++) items[i] = (item){.row = (int64_t)i};
  sort_range(&keys, items, spare, n, 0);
  for (size_t i = 0; i < n; i++) rows[i] = items[i].row;
done:
  mst_free(mem, items);
  mst_free(mem, spare);
  mst_row_keys_free(&keys);
  return status;
}
