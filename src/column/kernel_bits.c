/* column/kernel_bits.c - bits of rows: logic, counting, Arrow's bitmaps in and out, row numbers.
 *
 * Owns: nothing. May call: base. */
#include "column/kernel.h"

/* Bits of the last word that stand for rows. */
static uint64_t last_mask(size_t n) { return n % 64 == 0 ? UINT64_MAX : mst_mask_low((unsigned)(n % 64)); }

void mst_bits_fill(uint64_t *bits, size_t n, bool value) {
  const size_t words = MST_BITS_WORDS(n);
  if (words == 0) return;
  memset(bits, value ? 0xff : 0, words * sizeof *bits);
  bits[words - 1] &= last_mask(n);
}

void mst_bits_and(uint64_t *bits, const uint64_t *with, size_t n) {
  for (size_t i = 0; i < MST_BITS_WORDS(n); i++) bits[i] &= with[i];
}

void mst_bits_or(uint64_t *bits, const uint64_t *with, size_t n) {
  for (size_t i = 0; i < MST_BITS_WORDS(n); i++) bits[i] |= with[i];
}

void mst_bits_and_not(uint64_t *bits, const uint64_t *with, size_t n) {
  for (size_t i = 0; i < MST_BITS_WORDS(n); i++) bits[i] &= ~with[i];
}

void mst_bits_not(uint64_t *bits, size_t n) {
  const size_t words = MST_BITS_WORDS(n);
  for (size_t i = 0; i < words; i++) bits[i] = ~bits[i];
  if (words > 0) bits[words - 1] &= last_mask(n);
}

size_t mst_bits_count(const uint64_t *bits, size_t n) { return mst_scan_best()->count_bits(bits, 0, n); }

/* Up to 64 bits from bit `at` of a bitmap on, without a read behind the byte that holds the last one. */
static uint64_t load_tail(const uint8_t *p, unsigned shift, size_t n) {
  const size_t bytes = (shift + n + 7) / 8;
  uint64_t low = 0;
  uint8_t parts[9] = {0};
  memcpy(parts, p, bytes);
  low = mst_le64(parts) >> shift;
  if (shift > 0) low |= (uint64_t)parts[8] << (64 - shift);
  return low & mst_mask_low((unsigned)n);
}

void mst_bits_load(const uint8_t *bitmap, int64_t offset, size_t n, uint64_t *bits) {
  const unsigned shift = (unsigned)(offset & 7);
  const uint8_t *p;
  size_t i = 0;
  if (bitmap == NULL) {
    mst_bits_fill(bits, n, true);
    return;
  }
  p = bitmap + (offset >> 3);
  if (shift == 0) {
    for (; 64 * (i + 1) <= n; i++) bits[i] = mst_le64(p + 8 * i);
  } else {
    for (; 64 * (i + 1) <= n; i++) bits[i] = mst_le64(p + 8 * i) >> shift | (uint64_t)p[8 * i + 8] << (64 - shift);
  }
  if (64 * i < n) bits[i] = load_tail(p + 8 * i, shift, n - 64 * i);
}

void mst_bits_store(const uint64_t *bits, size_t n, uint8_t *bitmap) {
  size_t i = 0, k;
  for (; 64 * (i + 1) <= n; i++) mst_put_le64(bitmap + 8 * i, bits[i]);
  for (k = 64 * i; k < n; k += 8) bitmap[k / 8] = (uint8_t)(bits[i] >> (k % 64));
}

size_t mst_bits_rows(const uint64_t *bits, size_t n, int64_t *rows) {
  size_t made = 0;
  for (size_t i = 0; i < MST_BITS_WORDS(n); i++) {
    const int64_t base = (int64_t)(64 * i);
    uint64_t word = bits[i];
    if (word == UINT64_MAX) {
      for (int64_t k = 0; k < 64; k++) rows[made++] = base + k;
      continue;
    }
    for (; word != 0; word = mst_mask_rest(word)) rows[made++] = base + mst_mask_first(word);
  }
  return made;
}
