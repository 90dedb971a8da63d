/* parquet/kernels.h - loops over values that are worth a set of instructions of their own: a portable set, and one for
 * AVX2.
 *
 * Owns: nothing; each set is a constant, and the best one is picked at run time. May call: base. */
#ifndef MST_PARQUET_KERNELS_H
#define MST_PARQUET_KERNELS_H

#include "base/base.h"

typedef struct mst_pq_kernels {
  const char *name; /* "avx2", "portable" */
  /* n values of `width` bits (1 … 32), least significant first, from the first bit of p on; n is a multiple of 8.
   * Nothing at or behind `end` is read. */
  void (*unpack)(const uint8_t *p, const uint8_t *end, unsigned width, uint32_t *out, size_t n);
  uint32_t (*max_u32)(const uint32_t *values, size_t n);
  /* How many bytes are at least `least`. */
  size_t (*count_u8)(const uint8_t *values, size_t n, uint8_t least);
  /* How many of the entries begin a slot: rep at most `rep` and def at least `def`. */
  size_t (*count_slots)(const uint8_t *reps, const uint8_t *defs, size_t n, uint8_t rep, uint8_t def);
  /* The same as bits: bit j of word i stands for entry 64 * i + j; bits behind n are zero. */
  void (*mask_slots)(const uint8_t *reps, const uint8_t *defs, size_t n, uint8_t rep, uint8_t def, uint64_t *mask);
  void (*range_i32)(const uint8_t *values, size_t n, int32_t range[2]);
  void (*range_u32)(const uint8_t *values, size_t n, uint32_t range[2]);
  void (*range_i64)(const uint8_t *values, size_t n, int64_t range[2]);
  void (*range_u64)(const uint8_t *values, size_t n, uint64_t range[2]);
  /* Of what is not NaN; infinity and minus infinity when there is nothing else. Gives the number of NaNs. */
  size_t (*range_f32)(const uint8_t *values, size_t n, float range[2]);
  size_t (*range_f64)(const uint8_t *values, size_t n, double range[2]);
} mst_pq_kernels;

/* The fastest set for this processor; MESETA_KERNELS=portable in the environment asks for the plain one. */
const mst_pq_kernels *mst_pq_kernels_best(void);
/* By name; NULL when this build or processor does not have it. */
const mst_pq_kernels *mst_pq_kernels_find(const char *name);

#endif
