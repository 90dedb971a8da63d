/* dataset/data_file.h - one data file on its way into the store, and what is told of it afterwards: bounds of its columns, values of
 * the indexed ones.
 *
 * Owns: the file until it is closed. May call: base, column, expr, source/table.h. Private to write*.c of the dataset module. */
#ifndef MST_DATASET_DATA_FILE_H
#define MST_DATASET_DATA_FILE_H

#include "dataset/bounds.h"
#include "dataset/write.h"
#include "source/source.h"

/* The distinct values of an indexed column so far. */
typedef struct mst_value_keeper {
  int64_t column; /* of the file */
  struct ArrowSchema batch; /* "+s" of that column alone */
  mst_grouper *grouper;
  mst_block pieces; /* struct ArrowArray */
} mst_value_keeper;

/* [owned], one thread at a time. */
typedef struct mst_data_file {
  const mst_write_settings *s;
  const mst_allocator *mem;
  const struct ArrowSchema *schema; /* of the file; borrowed */
  mst_table_writer *writer;
  char *label, *key;
  mst_bounder *bounders; /* one a column; NULL: none are kept */
  mst_value_keeper *keepers;
  size_t n_bounders, n_keepers;
  uint64_t rows;
  mst_cancel *cancel;
} mst_data_file;

/* `prefix` is "" or ends with '/'; the file's name is `uuid`. */
mst_status mst_data_file_open(const mst_write_settings *s, const struct ArrowSchema *schema, const char *prefix, const char *uuid,
                              mst_data_file **out, mst_cancel *cancel, mst_error *err);
/* `batch` has no offset and columns of its own length; it is taken over, also on failure. */
mst_status mst_data_file_put(mst_data_file *f, struct ArrowArray *batch, mst_error *err);
/* What was put leaves the memory as a row group. */
mst_status mst_data_file_flush(mst_data_file *f, mst_error *err);
/* Makes it visible. */
mst_status mst_data_file_close(mst_data_file *f, mst_new_file *out, mst_error *err);
void mst_data_file_free(mst_data_file *f);

#endif
