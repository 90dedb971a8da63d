/* dataset/write_inner.h - one stream on its way into files. Private to write*.c. */
#ifndef MST_DATASET_WRITE_INNER_H
#define MST_DATASET_WRITE_INNER_H

#include "dataset/data_file.h"
#include "dataset/frame.h"
#include "dataset/spool.h"
#include "dataset/write.h"

/* A partition of the stream: rows that wait, and the file that is being written. */
typedef struct mst_write_part {
  char *prefix;
  char uuid[33];
  mst_block waiting; /* struct ArrowArray */
  uint64_t bytes;    /* of these          */
  int64_t place;     /* scratch           */
  uint64_t turn;     /* when rows came last */
  mst_data_file *file;
  bool named;         /* the uuid has been used for a file */
  mst_new_files done; /* closed ones                       */
} mst_write_part;

typedef struct mst_write_run {
  const mst_write_settings *s;
  const mst_allocator *mem;
  mst_cancel *cancel;
  mst_frame *frame;
  struct ArrowSchema heads; /* "+s" of keys and bucket */
  mst_grouper *grouper;
  char (*bucket_uuids)[33];
  char origin[33];
  mst_write_part *parts;
  uint32_t *touched; /* scratch, one a partition; 0 between batches */
  size_t n_parts, parts_room;
  uint64_t waiting, waiting_max;
  uint64_t turn;   /* batches so far                                                     */
  size_t reopened; /* partitions that rows came for after their file was closed          */
  bool borrowed;   /* the batch at hand is not ours to keep                              */
  mst_sorter *sorter;         /* rows that memory has no room for, by partition; NULL: none  */
  struct ArrowSchema spilled; /* of these: the partition's number, the file's columns        */
} mst_write_run;

/* Rows wait for their partition's file; taken over, also on failure. */
mst_status mst_write_wait(mst_write_run *w, mst_write_part *p, struct ArrowArray *rows, mst_error *err);
/* Rows straight into the partition's file; taken over, also on failure. */
mst_status mst_write_part_put(mst_write_run *w, mst_write_part *p, struct ArrowArray *rows, mst_error *err);
/* Frees memory when more waits than may. Partitions that the last batch had no rows for are probably complete: their files are written
 * and closed. A few others go on in files that stay open; many go to a temporary file. */
mst_status mst_write_make_room(mst_write_run *w, mst_error *err);
/* All rows that are not in files yet into theirs, all files closed and appended to `out` in the order of the partitions' first rows. */
mst_status mst_write_finish(mst_write_run *w, mst_new_files *out, mst_error *err);

#endif
