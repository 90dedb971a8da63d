/* dataset/stats.h - minimum, maximum and nulls of the columns of every file: written by commits, the newest ones inside
 * `metadata.meseta`, older ones in segments (Parquet, one row a file); read as a whole.
 *
 * May call: base, column, expr, store, source/table.h, dataset's own headers. Private to the dataset module. */
#ifndef MST_DATASET_STATS_H
#define MST_DATASET_STATS_H

#include "dataset/section.h"
#include "dataset/state.h"
#include "dataset/write.h"

typedef struct mst_stats mst_stats;

/* Loaded once, kept with the snapshot; borrowed. `*out` is NULL when nothing is known. Damage is no error: what cannot
 * be read is unknown, and unknown is not pruned. */
mst_status mst_stats_load(mst_dataset *d, const mst_stats **out, mst_cancel *cancel, mst_error *err);
/* What is known of a column in partition i; false: nothing. Bounds are borrowed from the statistics; a bound that is
 * not known, or that does not fit the column's type, is absent in them. `field` is the column's field in the schema. */
bool mst_stats_bounds(const mst_stats *s, size_t partition, const struct ArrowSchema *field, mst_bounds *out);
/* Rows of partition i; false: not known. */
bool mst_stats_rows(const mst_stats *s, size_t partition, uint64_t *rows);

/* What a commit adds to the statistics of its section: those of its files, and what of the older ones is due to be
 * moved into a segment. */
typedef struct mst_stats_commit {
  mst_context *ctx;
  mst_store *store;
  const char *uuid;
  const struct ArrowSchema *schema; /* the table's; NULL: nothing is recorded */
  const mst_document *document;     /* the new one; what it does not name is forgotten when segments are merged */
  const mst_new_file *const *files;
  size_t n_files;
} mst_stats_commit;
mst_status mst_stats_push(json_t *section, const mst_stats_commit *c, mst_cancel *cancel, mst_error *err);

#endif
