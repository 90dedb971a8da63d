/* fuzz/fuzz_parquet_values.c - the values of one Parquet page in every encoding, and levels. Byte 0: encoding; 1:
 * physical type; 2: width; 3: how many at a time. */
#include <stdlib.h>

#include "parquet/values_in.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { VALUES_MAX = 20000 };

static void read_fixed(mst_values_in *v, size_t at_once) {
  mst_block scratch;
  const uint8_t *out;
  size_t total = 0;
  mst_block_init(&scratch, NULL);
  while (total < VALUES_MAX && mst_values_in_fixed(v, at_once, &scratch, &out, NULL) == MST_OK) {
    if (out[0] == 1 && out[at_once * v->width - 1] == 2) total++; /* so that every byte is looked at */
    total += at_once;
  }
  mst_block_free(&scratch);
}

static void read_bytes(mst_values_in *v, size_t at_once) {
  mst_block bytes, ends;
  size_t total = 0, got;
  mst_block_init(&bytes, NULL);
  mst_block_init(&ends, NULL);
  while (total < VALUES_MAX && bytes.size < (size_t)1 << 24) {
    if (mst_values_in_bytes(v, at_once, bytes.size + 1000, at_once % 2 == 0, &bytes, &ends, &got, NULL) != MST_OK ||
        got == 0)
      break;
    total += got;
  }
  mst_block_free(&bytes);
  mst_block_free(&ends);
}

static void read_bits(mst_values_in *v, size_t at_once) {
  static const uint8_t zero[VALUES_MAX / 8 + 64];
  uint8_t bits[sizeof zero];
  size_t at;
  memcpy(bits, zero, sizeof bits);
  for (at = 0; at + at_once < VALUES_MAX && mst_values_in_bools(v, bits, at, at_once);) at += at_once;
}

static void read_levels(const uint8_t *data, size_t size, unsigned width, size_t at_once) {
  mst_rle_in r;
  uint32_t wide[256];
  uint8_t narrow[256];
  size_t total;
  mst_rle_in_begin(&r, mst_pq_kernels_best(), data, size, width);
  for (total = 0; total < VALUES_MAX && mst_rle_in_u32(&r, wide, at_once); total += at_once) {
  }
  mst_rle_in_begin(&r, mst_pq_kernels_best(), data, size, width % 8);
  for (total = 0; total < VALUES_MAX && mst_rle_in_u8(&r, narrow, at_once); total += at_once) {
  }
  mst_bit_packed_begin(&r, mst_pq_kernels_best(), data, size, width % 8);
  for (total = 0; total < VALUES_MAX && mst_rle_in_u8(&r, narrow, at_once); total += at_once) {
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mst_values_in v;
  mst_pq_physical physical;
  uint32_t width, some[256];
  size_t at_once;
  if (size < 4) return 0;
  physical = (mst_pq_physical)(data[1] % 8);
  width = mst_pq_width(physical, 1u + data[2] % 40);
  at_once = 1u + data[3];
  mst_values_in_init(&v, NULL, mst_pq_kernels_best());
  if (mst_values_in_begin(&v, physical, width, data[0] % 10, data + 4, size - 4, VALUES_MAX, NULL) == MST_OK) {
    if (data[0] % 10 == MST_PQ_RLE_DICTIONARY || data[0] % 10 == MST_PQ_PLAIN_DICTIONARY) {
      for (size_t total = 0; total < VALUES_MAX && mst_values_in_indices(&v, some, at_once); total += at_once) {
      }
    } else if (physical == MST_PQ_BOOLEAN) {
      read_bits(&v, at_once);
    } else if (physical == MST_PQ_BYTE_ARRAY) {
      read_bytes(&v, at_once);
    } else {
      read_fixed(&v, at_once);
    }
  }
  mst_values_in_free(&v);
  read_levels(data + 4, size - 4, data[2] % 33, at_once);
  return 0;
}
