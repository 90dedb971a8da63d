/* parquet/delta_in.h - reads DELTA_BINARY_PACKED integers, the ground of all DELTA encodings.
 *
 * Owns: nothing; a reader borrows the page. May call: base. */
#ifndef MST_PARQUET_DELTA_IN_H
#define MST_PARQUET_DELTA_IN_H

#include "base/base.h"

typedef struct mst_delta_in {
  const uint8_t *at, *end;
  const uint8_t *widths; /* of the open block's miniblocks   */
  uint64_t left;         /* values still to come             */
  uint64_t per_mini;     /* values in a miniblock            */
  uint32_t minis, mini;  /* in a block; the open one         */
  uint64_t mini_left;    /* deltas left in the open miniblock */
  const uint8_t *packed;
  uint64_t bit;
  uint64_t last, min_delta; /* unsigned, because deltas wrap    */
  bool first;               /* `last` is the next value         */
} mst_delta_in;

/* Reads the header; false when it is broken or promises more than `most` values. */
bool mst_delta_in_begin(mst_delta_in *d, const uint8_t *data, size_t n, uint64_t most);
/* The next n values; false when there are not so many or a block is broken. */
bool mst_delta_in_i64(mst_delta_in *d, int64_t *out, size_t n);
bool mst_delta_in_i32(mst_delta_in *d, int32_t *out, size_t n);
/* Where the bytes behind the last miniblock begin; only when all values were read. */
const uint8_t *mst_delta_in_end(const mst_delta_in *d);

#endif
