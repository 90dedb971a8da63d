/* column/kernel.h - computing on whole columns: comparing, choosing, joining, converting, sorting, grouping.
 *
 * Every kernel takes arrays as Arrow has them (offsets, nulls, any valid layout) and leaves them as they were unless it
 * says "taken over". Outputs are written on MST_OK only. Bits of rows are words of 64: bit j of word i is row 64 * i +
 * j, bits behind the last row are 0, as in base/scan.h.
 *
 * Owns: nothing but what it is handed. May call: base. Included by column/column.h. */
#ifndef MST_COLUMN_KERNEL_H
#define MST_COLUMN_KERNEL_H

#include "column/block.h"
#include "column/intern.h"
#include "column/scalar.h"

/* ---- bits of rows (kernel_bits.c) ------------------------------------------------------------------------------ */

/* Words of 64 rows that n rows take. */
#define MST_BITS_WORDS(n) (((size_t)(n) + 63) / 64)

static inline bool mst_bits_get(const uint64_t *bits, size_t i) { return (bits[i / 64] >> (i % 64) & 1) != 0; }
void mst_bits_fill(uint64_t *bits, size_t n, bool value);
void mst_bits_and(uint64_t *bits, const uint64_t *with, size_t n); /* in place; all for n rows */
void mst_bits_or(uint64_t *bits, const uint64_t *with, size_t n);
void mst_bits_and_not(uint64_t *bits, const uint64_t *with, size_t n);
void mst_bits_not(uint64_t *bits, size_t n);
size_t mst_bits_count(const uint64_t *bits, size_t n);
/* Arrow's bitmap from bit `offset` on; NULL: all set. */
void mst_bits_load(const uint8_t *bitmap, int64_t offset, size_t n, uint64_t *bits);
/* The other way, into (n + 7) / 8 bytes. */
void mst_bits_store(const uint64_t *bits, size_t n, uint8_t *bitmap);
/* Numbers of the rows that are set, in order, at most mst_bits_count of them; returns how many. */
size_t mst_bits_rows(const uint64_t *bits, size_t n, int64_t *rows);

/* ---- comparing (kernel_compare.c) ------------------------------------------------------------------------------ */

typedef enum mst_compare_op { MST_EQ, MST_NE, MST_LT, MST_LE, MST_GT, MST_GE } mst_compare_op;

/* Loops over fixed-width values, compiled for several instruction sets. Floats compare as IEEE says (NaN: only MST_NE
 * is true). `values` is aligned to its width. */
typedef struct mst_compare_kernels {
  const char *name; /* "avx2", "portable" */
  void (*i8)(const int8_t *values, size_t n, mst_compare_op op, int8_t with, uint64_t *bits);
  void (*u8)(const uint8_t *values, size_t n, mst_compare_op op, uint8_t with, uint64_t *bits);
  void (*i16)(const int16_t *values, size_t n, mst_compare_op op, int16_t with, uint64_t *bits);
  void (*u16)(const uint16_t *values, size_t n, mst_compare_op op, uint16_t with, uint64_t *bits);
  void (*i32)(const int32_t *values, size_t n, mst_compare_op op, int32_t with, uint64_t *bits);
  void (*u32)(const uint32_t *values, size_t n, mst_compare_op op, uint32_t with, uint64_t *bits);
  void (*i64)(const int64_t *values, size_t n, mst_compare_op op, int64_t with, uint64_t *bits);
  void (*u64)(const uint64_t *values, size_t n, mst_compare_op op, uint64_t with, uint64_t *bits);
  void (*f32)(const float *values, size_t n, mst_compare_op op, float with, uint64_t *bits);
  void (*f64)(const double *values, size_t n, mst_compare_op op, double with, uint64_t *bits);
} mst_compare_kernels;
/* The fastest set for this processor, the plain one where mst_scan_best is plain. */
const mst_compare_kernels *mst_compare_kernels_best(void);
/* By name; NULL when this build or processor does not have it. */
const mst_compare_kernels *mst_compare_kernels_find(const char *name);

/* The tests below leave dictionary-encoded and run-end encoded columns to the caller (MST_E_UNSUPPORTED). Rows that are
 * null give 0. `among`: only these rows are looked at, the others give 0; NULL: all. */

/* Whether each value compares so with a scalar of the column's type (mst_type_scalar); null rows give 0 also for
 * MST_NE. Only MST_EQ and MST_NE for types without an order. */
mst_status mst_array_compare(const struct ArrowSchema *schema, const struct ArrowArray *array, mst_compare_op op,
                             const mst_scalar *with, const uint64_t *among, uint64_t *bits, mst_error *err);
/* Distinct values, sorted, that rows are looked up in; [shared] once made. Bytes are borrowed. */
typedef struct mst_in_set mst_in_set;
/* All n of one kind; null and NaN are left out, since nothing equals them. */
mst_status mst_in_set_new(const mst_allocator *mem, const mst_scalar *values, size_t n, mst_in_set **out,
                          mst_error *err);
void mst_in_set_free(mst_in_set *set);
const mst_scalar *mst_in_set_values(const mst_in_set *set, size_t *n);
bool mst_in_set_has(const mst_in_set *set, const mst_scalar *value);
/* Whether each value is one of the set's, which are scalars of the column's type. */
mst_status mst_array_in(const struct ArrowSchema *schema, const struct ArrowArray *array, const mst_in_set *set,
                        const uint64_t *among, uint64_t *bits, mst_error *err);
/* SQL's LIKE: `%` any characters, `_` one (a code point of text, a byte of other bytes); [shared] once made. */
typedef struct mst_like mst_like;
/* `escape`: one code point behind which a character stands for itself, 0: there is none. One at the pattern's end is
 * MST_E_ARGUMENT. */
mst_status mst_like_new(const mst_allocator *mem, const char *pattern, size_t size, uint32_t escape, mst_like **out,
                        mst_error *err);
void mst_like_free(mst_like *like);
bool mst_like_match(const mst_like *like, bool text, const uint8_t *p, size_t n);
/* What every match begins with; `*whole`: such values match whatever follows, `*exact`: only the value itself matches.
 */
const uint8_t *mst_like_prefix(const mst_like *like, size_t *n, bool *whole, bool *exact);
/* Text and bytes of every layout. */
mst_status mst_array_like(const struct ArrowSchema *schema, const struct ArrowArray *array, const mst_like *like,
                          const uint64_t *among, uint64_t *bits, mst_error *err);
/* Whether each value is NaN; never for columns that are not floats. */
mst_status mst_array_nan(const struct ArrowSchema *schema, const struct ArrowArray *array, uint64_t *bits,
                         mst_error *err);
/* The bits of rows that are not null. */
mst_status mst_array_valid(const struct ArrowSchema *schema, const struct ArrowArray *array, uint64_t *bits,
                           mst_error *err);

/* ---- choosing and joining (kernel_filter.c, kernel_concat.c; by number: mst_array_gather) ------------------------ */

/* The rows that are set, as a new array of the same type. All types that mst_array_gather takes. */
mst_status mst_array_filter(const mst_allocator *mem, const struct ArrowSchema *schema, const struct ArrowArray *array,
                            const uint64_t *bits, struct ArrowArray *out, mst_error *err);
/* n arrays of one type, one behind the other. Dictionaries that differ are united, in order of first appearance. n may
 * be 0. Unions and run-end encoded arrays are MST_E_UNSUPPORTED. */
mst_status mst_array_concat(const mst_allocator *mem, const struct ArrowSchema *schema,
                            const struct ArrowArray *const *arrays, size_t n, struct ArrowArray *out, mst_error *err);

/* ---- converting (kernel_cast.c) -------------------------------------------------------------------------------- */

/* Whether mst_array_cast knows this pair of types. */
bool mst_schema_can_cast(const struct ArrowSchema *from, const struct ArrowSchema *to);
/* `array` of type `from` as type `to`; it is taken over, also on failure, and moved where the types are the same. Every
 * value keeps its meaning or the cast fails, MST_E_ARGUMENT naming column, row and value: integers, bool → integers,
 * floats, decimals, exactly (a double holds not every int64); floats → wider floats exactly, narrower ones rounded,
 * integers and decimals exactly; decimals → decimals, integers exactly, floats rounded; dates, times, timestamps,
 * durations → other units exactly (date → timestamp: midnight); timestamps to another zone: the same instant; text,
 * bytes of every layout → each other (to text: valid UTF-8); numbers, bool, dates, timestamps → text, as JSON Lines
 * shows them; dictionary-encoded, run-end encoded → their values; null → anything; structs, lists, maps: their items
 * (structs by name; a field that is missing becomes null). */
mst_status mst_array_cast(const mst_allocator *mem, const struct ArrowSchema *from, struct ArrowArray *array,
                          const struct ArrowSchema *to, struct ArrowArray *out, mst_error *err);

/* n rows of any type but unions and run ends, all of them null. */
mst_status mst_array_nulls(const mst_allocator *mem, const struct ArrowSchema *schema, int64_t n,
                           struct ArrowArray *out, mst_error *err);

/* ---- keys of rows: order, equality, hash (kernel_keys.c, kernel_sort.c, kernel_group.c) -------------------------- */

typedef struct mst_sort_key {
  int32_t column; /* field number of the batch */
  bool descending;
  bool nulls_first; /* in either direction       */
} mst_sort_key;

/* Each row's key columns as a byte string, so that memcmp (the shorter one first where one begins with the other, which
 * does not happen among rows of one set of keys) orders the strings as the keys ask, and equal strings are equal keys.
 * NaN stands behind all numbers, all NaN are one; -0.0 is 0.0. Valid across batches of one schema: what merges compare.
 * Nested columns other than structs are MST_E_UNSUPPORTED. */
typedef struct mst_row_keys {
  mst_block bytes;
  mst_block ends; /* uint64: string i is bytes[ends[i], ends[i + 1]); one more than there are rows */
  size_t n;
} mst_row_keys;
void mst_row_keys_init(mst_row_keys *keys, const mst_allocator *mem);
void mst_row_keys_free(mst_row_keys *keys);
/* Replaces what `keys` held by the strings of this batch's rows. */
mst_status mst_row_keys_make(mst_row_keys *keys, const struct ArrowSchema *schema, const struct ArrowArray *batch,
                             const mst_sort_key *by, size_t n_by, mst_error *err);
static inline const uint8_t *mst_row_key(const mst_row_keys *keys, size_t i, size_t *n) {
  const uint64_t *ends = (const uint64_t *)(const void *)keys->ends.data;
  *n = (size_t)(ends[i + 1] - ends[i]);
  return keys->bytes.data + ends[i];
}
/* Below, at or above 0: the comparator of sorts and merges. */
int mst_row_key_compare(const mst_row_keys *a, size_t i, const mst_row_keys *b, size_t j);

/* Row numbers in order, stable; `rows` has batch->length places. For mst_array_gather. */
mst_status mst_sort_rows(const mst_allocator *mem, const struct ArrowSchema *schema, const struct ArrowArray *batch,
                         const mst_sort_key *by, size_t n_by, int64_t *rows, mst_error *err);

/* A hash of each row's columns, the same on every machine and in every release: equal keys (as above) have equal
 * hashes, also of columns that differ only in layout (text and large text, int32 and int64, dictionary-encoded or not).
 * h = 0; for each column: h = mst_hash_bytes(value, seed h), where the value is: null: no byte with seed h + 1;
 * integers and temporals: int64, little-endian; uint64 above INT64_MAX: its 8 bytes; floats: the double's 8 bytes, NaN
 * as 0x7ff8000000000000, zero positive; decimals: 32 bytes little-endian; bool: one byte; text, bytes: themselves. */
mst_status mst_hash_rows(const mst_allocator *mem, const struct ArrowSchema *schema, const struct ArrowArray *batch,
                         const int32_t *columns, size_t n_columns, uint64_t *hashes, mst_error *err);

/* Bit i: row i differs from row i - 1 in one of the columns (NaN equals NaN, null equals null); row 0 is set. */
mst_status mst_row_changes(const mst_allocator *mem, const struct ArrowSchema *schema, const struct ArrowArray *batch,
                           const int32_t *columns, size_t n_columns, uint64_t *bits, mst_error *err);

/* Groups of equal rows over any number of batches, numbered from 0 as they are first seen. [owned], one thread at a
 * time. */
typedef struct mst_grouper mst_grouper;
mst_status mst_grouper_new(const mst_allocator *mem, const struct ArrowSchema *schema, const int32_t *columns,
                           size_t n_columns, mst_grouper **out, mst_error *err);
void mst_grouper_free(mst_grouper *g);
/* ids[i]: the group of row i. Groups that are new with this batch are those from the count before the call to the count
 * after; their first rows here, in order, are at `*firsts`, which is the grouper's until the next call (NULL allowed).
 */
mst_status mst_grouper_put(mst_grouper *g, const struct ArrowArray *batch, uint32_t *ids, const int64_t **firsts,
                           mst_error *err);
uint32_t mst_grouper_count(const mst_grouper *g);
/* The group of an equal row, if there was one: ids[i], UINT32_MAX where there was none. */
mst_status mst_grouper_find(mst_grouper *g, const struct ArrowArray *batch, uint32_t *ids, mst_error *err);

/* Distinct values in order of first appearance and their numbers: `out` has int32 indices and `array`'s nulls, its
 * dictionary none. The schema to go with it: mst_schema_dictionary. Nested types are MST_E_UNSUPPORTED. */
mst_status mst_array_dictionary_encode(const mst_allocator *mem, const struct ArrowSchema *schema,
                                       const struct ArrowArray *array, struct ArrowArray *out, mst_error *err);
mst_status mst_schema_dictionary(const mst_allocator *mem, const struct ArrowSchema *values, struct ArrowSchema *out,
                                 mst_error *err);

#endif
