/* dataset/stats.h - minimum, maximum and nulls of the columns of every file: written by commits in segments, read as a whole.
 *
 * May call: base, column, expr, codec, store, dataset's own headers. Private to the dataset module. */
#ifndef MST_DATASET_STATS_H
#define MST_DATASET_STATS_H

#include "dataset/state.h"
#include "dataset/write.h"

typedef struct mst_stats mst_stats;

/* Loaded once, kept with the snapshot; borrowed. `*out` is NULL when nothing is known. Damage is no error: what cannot be read is
 * unknown, and unknown is not pruned. */
mst_status mst_stats_load(mst_dataset *d, const mst_stats **out, mst_cancel *cancel, mst_error *err);
/* What is known of a column in partition i; false: nothing. Bounds are borrowed from the statistics; a bound that is not known, or that
 * does not fit the column's type, is absent in them. `field` is the column's field in the schema. */
bool mst_stats_bounds(const mst_stats *s, size_t partition, const struct ArrowSchema *field, mst_bounds *out);
/* Rows of partition i; false: not known. */
bool mst_stats_rows(const mst_stats *s, size_t partition, uint64_t *rows);

#endif
