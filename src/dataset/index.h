/* dataset/index.h - a secondary index: the distinct values of a column and the partitions that hold them. Read from its Parquet file
 * (or from inside an old document), changed by what a commit removes and adds, written under a new key.
 *
 * Owns: indices, immutable and shared. Partitions are numbers of the document it was loaded for.
 * May call: base, column, parquet, source/table.h, store. Private to the dataset module. */
#ifndef MST_DATASET_INDEX_H
#define MST_DATASET_INDEX_H

#include "base/base.h"
#include "column/column.h"
#include "dataset/document.h"
#include "store/store.h"

/* [shared], immutable; all borrowed by readers. */
typedef struct mst_index {
  _Atomic uint32_t refs;
  const mst_allocator *mem;
  char *column;
  struct ArrowSchema type;  /* of the values, named like the column       */
  struct ArrowArray values; /* distinct, without nulls; any order          */
  size_t n;                 /* values                                      */
  uint64_t *first;          /* n + 1: value i holds parts[first[i] … first[i + 1]) */
  uint32_t *parts;          /* partition numbers, ascending for each value */
} mst_index;

/* What an index may be on: bool, integers, floats, text, bytes, date, timestamp. MST_E_UNSUPPORTED otherwise. */
mst_status mst_index_type_check(const struct ArrowSchema *field, mst_error *err);

/* Index number i of the document. `type` is the column's field in the dataset's schema; values come in this type (cast where the file
 * has another). Labels that the document does not have are left out, and values without a label. */
mst_status mst_index_load(mst_context *ctx, mst_store *store, const mst_document *d, size_t i, const struct ArrowSchema *type,
                          mst_index **out, mst_cancel *cancel, mst_error *err);
mst_index *mst_index_ref(mst_index *x);
void mst_index_unref(mst_index *x);

/* The values of one new partition. */
typedef struct mst_index_part {
  const char *label;
  const struct ArrowSchema *type; /* cast to the index's where it differs */
  const struct ArrowArray *values; /* nulls and repeats are fine */
} mst_index_part;
/* The index for the document `to`: `old` (NULL: none, `column` and `type` count) was loaded for `from`; labels that `to` lacks go, the
 * new parts come in. `*changed` (may be NULL): whether its contents differ. */
mst_status mst_index_apply(const mst_allocator *mem, const mst_index *old, const mst_document *from, const mst_document *to,
                           const char *column, const struct ArrowSchema *type, const mst_index_part *parts, size_t n,
                           mst_index **out, bool *changed, mst_error *err);
/* The values of an array that belong into an index of this type: cast, without nulls and NaN. */
mst_status mst_index_values(const mst_allocator *mem, const struct ArrowSchema *from, const struct ArrowArray *array,
                            const struct ArrowSchema *type, struct ArrowArray *out, mst_error *err);
/* The file: values and the labels of `d`, sorted by value, so that one value is found by the statistics of row groups. */
mst_status mst_index_write(const mst_index *x, const mst_document *d, mst_store *store, const char *key, mst_cancel *cancel,
                           mst_error *err);
/* Value, partition (list of labels), one row a value. */
mst_status mst_index_stream(mst_index *x, mst_document *d, struct ArrowArrayStream *out, mst_error *err);

#endif
