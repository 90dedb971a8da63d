/* dataset/parts.c - see parts.h. A label is found by an open hash table of numbers; the labels themselves are the keys. */
#include "dataset/parts.h"

void mst_parts_init(mst_parts *p, const mst_allocator *mem) {
  *p = (mst_parts){.mem = mem};
  mst_block_init(&p->labels, mem);
  mst_block_init(&p->ends, mem);
  mst_block_init(&p->odd, mem);
  mst_block_init(&p->keys, mem);
}

void mst_parts_free(mst_parts *p) {
  mst_block_free(&p->labels);
  mst_block_free(&p->ends);
  mst_block_free(&p->odd);
  mst_block_free(&p->keys);
  mst_free(p->mem, p->slots);
  mst_parts_init(p, p->mem);
}

/* The slot that holds the label, or the free one where it belongs. */
static size_t slot_of(const mst_parts *p, const char *label, size_t n) {
  size_t at = (size_t)mst_hash_bytes(label, n, 0) & p->mask;
  for (;; at = (at + 1) & p->mask) {
    if (p->slots[at] == 0) return at;
    const char *other = mst_parts_label(p, p->slots[at] - 1);
    if (strncmp(other, label, n) == 0 && other[n] == '\0') return at;
  }
}

size_t mst_parts_find(const mst_parts *p, const char *label, size_t n) {
  if (p->n == 0) return SIZE_MAX;
  const uint32_t number = p->slots[slot_of(p, label, n)];
  return number == 0 ? SIZE_MAX : number - 1;
}

static mst_status grow_slots(mst_parts *p, mst_error *err) {
  if (p->slots != NULL && p->n + 1 <= (p->mask + 1) / 2) return MST_OK;
  const size_t count = p->slots == NULL ? 16 : (p->mask + 1) * 2;
  uint32_t *slots = mst_alloc_zero(p->mem, count, sizeof *slots);
  if (slots == NULL) return mst_fail_memory(err);
  mst_free(p->mem, p->slots);
  p->slots = slots;
  p->mask = count - 1;
  for (size_t i = 0; i < p->n; i++) {
    const char *label = mst_parts_label(p, i);
    p->slots[slot_of(p, label, strlen(label))] = (uint32_t)i + 1;
  }
  return MST_OK;
}

static mst_status put_odd(mst_parts *p, const char *key, size_t n_key, mst_error *err) {
  mst_status status = MST_OK;
  const mst_odd_part odd = {.number = p->n, .key = key == NULL ? MST_PART_NO_FILE : p->keys.size};
  if (key != NULL) {
    MST_TRY(mst_block_reserve(&p->keys, n_key + 1, err));
    MST_TRY(mst_block_put(&p->keys, key, n_key, err));
    MST_TRY(mst_block_put_zero(&p->keys, 1, err));
  }
  MST_TRY(mst_block_put(&p->odd, &odd, sizeof odd, err));
done:
  return status;
}

/* Room first, so that a failure leaves the set as it was. */
static mst_status put(mst_parts *p, const char *label, size_t n, bool odd, const char *key, size_t n_key, bool *fresh, mst_error *err) {
  mst_status status = MST_OK;
  if (p->n == MST_PARTS_MAX) return mst_fail(err, MST_E_LIMIT, "more than %zu partitions", MST_PARTS_MAX);
  MST_TRY(grow_slots(p, err));
  const size_t slot = slot_of(p, label, n);
  *fresh = p->slots[slot] == 0;
  if (!*fresh) return MST_OK;
  MST_TRY(mst_block_reserve(&p->labels, n + 1, err));
  MST_TRY(mst_block_reserve(&p->ends, sizeof(uint64_t), err));
  if (odd) MST_TRY(put_odd(p, key, n_key, err));
  const uint64_t begin = p->labels.size;
  MST_TRY(mst_block_put(&p->ends, &begin, sizeof begin, err));
  MST_TRY(mst_block_put(&p->labels, label, n, err));
  MST_TRY(mst_block_put_zero(&p->labels, 1, err));
  p->slots[slot] = (uint32_t)++p->n;
done:
  return status;
}

mst_status mst_parts_put(mst_parts *p, const char *label, size_t n, const char *key, size_t n_key, bool *fresh, mst_error *err) {
  return put(p, label, n, key != NULL, key, n_key, fresh, err);
}

mst_status mst_parts_put_without_file(mst_parts *p, const char *label, size_t n, bool *fresh, mst_error *err) {
  return put(p, label, n, true, NULL, 0, fresh, err);
}

const mst_odd_part *mst_parts_odd(const mst_parts *p, size_t i) {
  const mst_odd_part *odd = (const mst_odd_part *)(const void *)p->odd.data;
  size_t low = 0, high = p->odd.size / sizeof *odd;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (odd[middle].number < i) low = middle + 1;
    else high = middle;
  }
  return low < p->odd.size / sizeof *odd && odd[low].number == i ? &odd[low] : NULL;
}
