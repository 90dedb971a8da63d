/* parquet/rle_out.c - the writing half of the RLE / bit-packed hybrid (parquet-format Encodings.md).
 *
 * Owns: nothing. May call: base, column. */
#include "parquet/rle_out.h"

enum { GROUPS_MAX = 63 }; /* so that a literal run's head is one byte, which is filled in when the run ends */

void mst_rle_out_begin(mst_rle_out *r, mst_block *out, unsigned width) {
  *r = (mst_rle_out){.out = out, .width = width};
}

static void end_literals(mst_rle_out *r) {
  if (r->groups > 0) r->out->data[r->head_at] = (uint8_t)(r->groups << 1 | 1);
  r->groups = 0;
}

static mst_status put_group(mst_rle_out *r, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t bits = 0;
  unsigned have = 0, i;
  uint8_t *to;
  MST_TRY(mst_block_reserve(r->out, 1 + r->width, err));
  if (r->groups == 0) r->head_at = r->out->size++;
  to = r->out->data + r->out->size;
  for (i = 0; i < 8; i++) {
    bits |= (uint64_t)r->pending[i] << have;
    for (have += r->width; have >= 8; have -= 8, bits >>= 8) *to++ = (uint8_t)bits;
  }
  r->out->size += r->width;
  r->n_pending = 0;
  if (++r->groups == GROUPS_MAX) end_literals(r);
done:
  return status;
}

static mst_status put_repeats(mst_rle_out *r, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t head = r->repeats << 1;
  uint8_t bytes[16];
  size_t n = 0;
  unsigned shift;
  end_literals(r);
  for (; head >= 0x80; head >>= 7) bytes[n++] = (uint8_t)(head | 0x80);
  bytes[n++] = (uint8_t)head;
  for (shift = 0; shift < r->width; shift += 8) bytes[n++] = (uint8_t)(r->value >> shift);
  MST_TRY(mst_block_put(r->out, bytes, n, err));
  r->repeats = 0;
  r->n_pending = 0;
done:
  return status;
}

mst_status mst_rle_out_put(mst_rle_out *r, uint32_t v, mst_error *err) {
  mst_status status = MST_OK;
  if (v == r->value && r->repeats > 0) {
    r->repeats++;
    if (r->repeats > 8) return MST_OK;
    /* Eight in a row that fill the pending group wholly stay out of the literal run. */
    if (r->repeats == 8 && r->n_pending == 7) {
      r->n_pending = 0;
      return MST_OK;
    }
  } else {
    if (r->repeats >= 8) MST_TRY(put_repeats(r, err));
    r->value = v;
    r->repeats = 1;
  }
  r->pending[r->n_pending++] = v;
  if (r->n_pending == 8) {
    MST_TRY(put_group(r, err));
    r->repeats = 0;
  }
done:
  return status;
}

mst_status mst_rle_out_run(mst_rle_out *r, uint32_t v, uint64_t n, mst_error *err) {
  mst_status status = MST_OK;
  while (n > 0) {
    if (r->repeats >= 8 && r->value == v) {
      r->repeats += n;
      return MST_OK;
    }
    MST_TRY(mst_rle_out_put(r, v, err));
    n--;
  }
done:
  return status;
}

mst_status mst_rle_out_bits(mst_rle_out *r, const uint8_t *bits, int64_t at, int64_t n, uint32_t base, mst_error *err) {
  mst_status status = MST_OK;
  int64_t i = at, end = at + n;
  while (i < end) {
    if ((i & 7) == 0 && end - i >= 8 && (bits[i >> 3] == 0xff || bits[i >> 3] == 0)) {
      MST_TRY(mst_rle_out_run(r, base + (bits[i >> 3] & 1), 8, err));
      i += 8;
      continue;
    }
    MST_TRY(mst_rle_out_put(r, base + (bits[i >> 3] >> (i & 7) & 1), err));
    i++;
  }
done:
  return status;
}

mst_status mst_rle_out_end(mst_rle_out *r, mst_error *err) {
  mst_status status = MST_OK;
  if (r->repeats > 0 && (r->repeats >= 8 || r->repeats == r->n_pending)) {
    /* The last value alone is pending: one run says it shorter than a padded group. */
    MST_TRY(put_repeats(r, err));
  } else if (r->n_pending > 0) {
    while (r->n_pending < 8) r->pending[r->n_pending++] = 0;
    MST_TRY(put_group(r, err));
  }
  end_literals(r);
done:
  return status;
}
