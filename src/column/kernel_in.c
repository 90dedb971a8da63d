/* column/kernel_in.c - membership of values in a set, and NaN.
 *
 * A set is its values, sorted, and a table of their hashes. Few numbers are compared one by one instead: that is
 * quicker. Owns: the sets it makes. May call: base. */
#include <math.h>
#include <stdlib.h>

#include "column/column.h"

struct mst_in_set {
  mst_allocator mem;
  bool own_mem;
  mst_scalar_kind kind;
  mst_scalar *values;
  size_t n;
  uint32_t *slots; /* number + 1; 0: free */
  size_t mask;
  uint64_t *dense; /* of whole numbers that lie near each other: bit v - values[0] */
};

enum { FEW = 6 };

static int order_scalars(const void *a, const void *b) { return mst_scalar_compare(a, b); }

static uint64_t hash_scalar(const mst_scalar *v) {
  double f;
  switch (v->kind) {
  case MST_SCALAR_DOUBLE:
    f = v->as.f == 0 ? 0 : v->as.f; /* both zeros */
    return mst_hash_bytes(&f, sizeof f, 0);
  case MST_SCALAR_WIDE: return mst_hash_bytes(&v->as.wide, sizeof v->as.wide, 0);
  case MST_SCALAR_BYTES: return mst_hash_bytes(v->as.bytes.data, v->as.bytes.size, 0);
  default: return mst_hash_bytes(&v->as.i, sizeof v->as.i, 0);
  }
}

static mst_status fill_slots(mst_in_set *set, mst_error *err) {
  size_t slots = 16;
  if (set->n >= UINT32_MAX / 4) return mst_fail(err, MST_E_LIMIT, "a list of more than 2^30 values");
  while (slots < 2 * set->n) slots *= 2;
  set->slots = mst_alloc_zero(set->own_mem ? &set->mem : NULL, slots, sizeof *set->slots);
  if (set->slots == NULL) return mst_fail_memory(err);
  set->mask = slots - 1;
  for (size_t i = 0; i < set->n; i++) {
    size_t at = hash_scalar(&set->values[i]) & set->mask;
    while (set->slots[at] != 0) at = (at + 1) & set->mask;
    set->slots[at] = (uint32_t)i + 1;
  }
  return MST_OK;
}

/* Whole numbers within a range that is not much larger than the set. */
static mst_status fill_dense(mst_in_set *set, mst_error *err) {
  enum { RANGE_MAX = 1 << 17 };
  uint64_t range;
  if (set->n == 0 || set->kind != MST_SCALAR_INT) return MST_OK;
  range = (uint64_t)set->values[set->n - 1].as.i - (uint64_t)set->values[0].as.i;
  if (range >= RANGE_MAX) return MST_OK;
  set->dense = mst_alloc_zero(set->own_mem ? &set->mem : NULL, (size_t)range / 64 + 1, sizeof *set->dense);
  if (set->dense == NULL) return mst_fail_memory(err);
  for (size_t i = 0; i < set->n; i++) {
    const uint64_t at = (uint64_t)set->values[i].as.i - (uint64_t)set->values[0].as.i;
    set->dense[at / 64] |= UINT64_C(1) << (at % 64);
  }
  return MST_OK;
}

mst_status mst_in_set_new(const mst_allocator *mem, const mst_scalar *values, size_t n, mst_in_set **out,
                          mst_error *err) {
  mst_status status = MST_OK;
  mst_in_set *set = mst_alloc_zero(mem, 1, sizeof *set);
  size_t kept = 0;
  if (set == NULL) return mst_fail_memory(err);
  if (mem != NULL) set->mem = *mem;
  set->own_mem = mem != NULL;
  MST_TRY_ALLOC(set->values = mst_alloc_array(mem, n + 1, sizeof *set->values));
  for (size_t i = 0; i < n; i++) {
    if (values[i].kind == MST_SCALAR_NULL) continue;
    if (values[i].kind == MST_SCALAR_DOUBLE && isnan(values[i].as.f)) continue;
    set->kind = values[i].kind;
    set->values[set->n++] = values[i];
  }
  if (set->n > 0) qsort(set->values, set->n, sizeof *set->values, order_scalars);
  for (size_t i = 0; i < set->n; i++)
    if (i == 0 || mst_scalar_compare(&set->values[i], &set->values[kept - 1]) != 0)
      set->values[kept++] = set->values[i];
  set->n = kept;
  MST_TRY(fill_slots(set, err));
  MST_TRY(fill_dense(set, err));
  *out = set;
  set = NULL;
done:
  mst_in_set_free(set);
  return status;
}

void mst_in_set_free(mst_in_set *set) {
  mst_allocator copy;
  const mst_allocator *mem;
  if (set == NULL) return;
  copy = set->mem;
  mem = set->own_mem ? &copy : NULL;
  mst_free(mem, set->values);
  mst_free(mem, set->slots);
  mst_free(mem, set->dense);
  mst_free(mem, set);
}

const mst_scalar *mst_in_set_values(const mst_in_set *set, size_t *n) {
  *n = set->n;
  return set->values;
}

bool mst_in_set_has(const mst_in_set *set, const mst_scalar *value) {
  if (value->kind != set->kind || set->n == 0) return false;
  for (size_t at = hash_scalar(value) & set->mask; set->slots[at] != 0; at = (at + 1) & set->mask)
    if (mst_scalar_equal(&set->values[set->slots[at] - 1], value)) return true;
  return false;
}

/* ---- columns ------------------------------------------------------------------------------------------------- */

/* One comparison a value, joined by "or". */
static mst_status few_values(const struct ArrowSchema *schema, const struct ArrowArray *array, const mst_in_set *set,
                             const uint64_t *among, uint64_t *bits, mst_error *err) {
  enum { PIECE = 4096 };
  mst_status status = MST_OK;
  uint64_t one[PIECE / 64];
  struct ArrowArray part = *array;
  for (int64_t at = 0; at < array->length; at += PIECE) {
    part.offset = array->offset + at;
    part.length = array->length - at < PIECE ? array->length - at : PIECE;
    mst_bits_fill(bits + at / 64, (size_t)part.length, false);
    for (size_t k = 0; k < set->n; k++) {
      MST_TRY(
          mst_array_compare(schema, &part, MST_EQ, &set->values[k], among != NULL ? among + at / 64 : NULL, one, err));
      mst_bits_or(bits + at / 64, one, (size_t)part.length);
    }
  }
done:
  return status;
}

/* The value of a row that is not null. */
static mst_scalar value_at(const mst_type *type, const struct ArrowArray *array, int64_t i) {
  size_t n;
  const uint8_t *p;
  if (type->layout == MST_LAYOUT_FIXED)
    return mst_scalar_load(type, (const uint8_t *)array->buffers[1] + (size_t)(array->offset + i) * type->width);
  p = mst_array_text(type, array, array->offset + i, &n);
  return mst_scalar_bytes(p, n);
}

/* Whole numbers of up to eight bytes, by the bits of the range or by a hash that costs two multiplications. */
#define IN_INTEGERS(type)                                                                                     \
  do {                                                                                                        \
    const type *values = (const type *)array->buffers[1] + array->offset;                                     \
    for (size_t i = 0; i < MST_BITS_WORDS(n); i++) {                                                          \
      const size_t rows = mst_min_size(64, n - 64 * i);                                                       \
      uint64_t word = 0;                                                                                      \
      for (size_t k = 0; k < rows; k++) word |= (uint64_t)has_integer(set, (int64_t)values[64 * i + k]) << k; \
      bits[i] &= word;                                                                                        \
    }                                                                                                         \
    return true;                                                                                              \
  } while (0)

static inline bool has_integer(const mst_in_set *set, int64_t v) {
  const int64_t least = set->values[0].as.i, most = set->values[set->n - 1].as.i;
  if (v < least || v > most) return false;
  if (set->dense != NULL) {
    const uint64_t at = (uint64_t)v - (uint64_t)least;
    return (set->dense[at / 64] >> (at % 64) & 1) != 0;
  }
  for (size_t at = mst_hash_bytes(&v, sizeof v, 0) & set->mask; set->slots[at] != 0; at = (at + 1) & set->mask)
    if (set->values[set->slots[at] - 1].as.i == v) return true;
  return false;
}

/* Leaves in `bits` those that are in the set; false when the type is none of these. */
static bool in_integers(const mst_type *type, const struct ArrowArray *array, const mst_in_set *set, size_t n,
                        uint64_t *bits) {
  if (mst_type_scalar(type) != MST_SCALAR_INT || type->layout != MST_LAYOUT_FIXED) return false;
  switch (type->width) {
  case 1:
    if (mst_type_is_signed(type)) IN_INTEGERS(int8_t);
    IN_INTEGERS(uint8_t);
  case 2:
    if (mst_type_is_signed(type)) IN_INTEGERS(int16_t);
    IN_INTEGERS(uint16_t);
  case 4:
    if (mst_type_is_signed(type)) IN_INTEGERS(int32_t);
    IN_INTEGERS(uint32_t);
  default: IN_INTEGERS(int64_t);
  }
}

mst_status mst_array_in(const struct ArrowSchema *schema, const struct ArrowArray *array, const mst_in_set *set,
                        const uint64_t *among, uint64_t *bits, mst_error *err) {
  mst_status status = MST_OK;
  const size_t n = (size_t)array->length;
  mst_type type;
  mst_scalar_kind kind;
  MST_TRY(mst_type_parse(schema->format, &type, err));
  kind = mst_type_scalar(&type);
  if (schema->dictionary != NULL || (kind == MST_SCALAR_NULL && type.kind != MST_KIND_NULL))
    return mst_fail(err, MST_E_UNSUPPORTED, "column \"%.80s\" of Arrow format \"%.40s\" has no single values",
                    schema->name != NULL ? schema->name : "", schema->format);
  if (set->n == 0 || kind == MST_SCALAR_NULL) {
    mst_bits_fill(bits, n, false);
    return MST_OK;
  }
  if (set->kind != kind) return mst_fail(err, MST_E_INTERNAL, "a list of values of another type than their column's");
  if (type.layout == MST_LAYOUT_BITS || (set->n <= FEW && kind != MST_SCALAR_WIDE))
    return few_values(schema, array, set, among, bits, err);
  MST_TRY(mst_array_valid(schema, array, bits, err));
  if (among != NULL) mst_bits_and(bits, among, n);
  if (in_integers(&type, array, set, n, bits)) return MST_OK;
  for (size_t i = 0; i < MST_BITS_WORDS(n); i++) {
    uint64_t word = 0;
    for (uint64_t rest = bits[i]; rest != 0; rest = mst_mask_rest(rest)) {
      const unsigned k = mst_mask_first(rest);
      const mst_scalar v = value_at(&type, array, (int64_t)(64 * i + k));
      word |= (uint64_t)mst_in_set_has(set, &v) << k;
    }
    bits[i] = word;
  }
done:
  return status;
}

mst_status mst_array_nan(const struct ArrowSchema *schema, const struct ArrowArray *array, uint64_t *bits,
                         mst_error *err) {
  enum { PIECE = 4096 };
  mst_status status = MST_OK;
  const size_t n = (size_t)array->length;
  const mst_compare_kernels *kernels = mst_compare_kernels_best();
  mst_type type;
  MST_TRY(mst_type_parse(schema->format, &type, err));
  mst_bits_fill(bits, n, false);
  if (schema->dictionary != NULL || mst_type_scalar(&type) != MST_SCALAR_DOUBLE || n == 0) return MST_OK;
  /* Nothing but NaN is neither at most nor above infinity. */
  if (type.kind == MST_KIND_DOUBLE)
    kernels->f64((const double *)array->buffers[1] + array->offset, n, MST_LE, (double)INFINITY, bits);
  else if (type.kind == MST_KIND_FLOAT)
    kernels->f32((const float *)array->buffers[1] + array->offset, n, MST_LE, INFINITY, bits);
  else
    for (size_t i = 0; i < n; i++) {
      const uint16_t h = ((const uint16_t *)array->buffers[1])[array->offset + (int64_t)i];
      bits[i / 64] |= (uint64_t)((h & 0x7fff) <= 0x7c00) << (i % 64);
    }
  mst_bits_not(bits, n);
  for (size_t i = 0; i < n; i += PIECE) {
    uint64_t valid[PIECE / 64];
    struct ArrowArray part = *array;
    part.offset += (int64_t)i;
    part.length = (int64_t)mst_min_size(PIECE, n - i);
    MST_TRY(mst_array_valid(schema, &part, valid, err));
    mst_bits_and(bits + i / 64, valid, (size_t)part.length);
  }
done:
  return status;
}
