/* tests/format/drive.h - an engine in memory: steps a format's machines over bytes, as src/source does over stores. For
 * tests and fuzzers of every format. Calls the format's interface, column and base only. */
#ifndef MST_TESTS_FORMAT_DRIVE_H
#define MST_TESTS_FORMAT_DRIVE_H

#include "format/format.h"

/* One row group of the index made, as a plan sees it: without `window`, with `window_at` and `window_size`. */
typedef struct drive_group {
  struct ArrowArray batch;  /* as collect gave it    */
  struct ArrowArray places; /* the two columns       */
  uint64_t first_row;
  int64_t first_record, first_plain;
} drive_group;

typedef struct drive {
  /* Set by the caller after drive_init. */
  const mst_allocator *mem;
  const mst_format *format;
  const char *name;
  const uint8_t *data; /* the object                                                          */
  uint64_t size;
  const mst_member *members;   /* with the companions behind [0]; NULL: the object alone              */
  const mst_bytes *companions; /* their bytes: companions[i] belongs to members[i + 1]               */
  size_t n_members;
  json_t *options; /* the user's; borrowed                                                */
  uint64_t spacing, memory, record_max;
  uint64_t grain; /* bytes that answer a `some` need; 0: all that are asked for           */
  bool recover;
  /* Made. */
  json_t *facts;             /* by drive_inspect, then by drive_collect                             */
  struct ArrowSchema schema; /* of the index                                                        */
  drive_group *groups;
  size_t n_groups;
  uint64_t rows;
  mst_buf windows; /* stands for the index file: window_at counts in it                   */
  /* Counted, over all machines since the last drive_count_anew. */
  uint64_t needs, bytes_given, bytes_index, row_groups;
} drive;

void drive_init(drive *d, const mst_allocator *mem, const mst_format *format, const char *name, const void *data,
                uint64_t size);
void drive_free(drive *d);
void drive_count_anew(drive *d);

typedef struct drive_list {
  mst_bytes *items;
  size_t n;
} drive_list;
void drive_list_free(drive *d, drive_list *list);

mst_status drive_inspect(drive *d, mst_error *err); /* sets d->facts */
/* Appends the partials of one piece. */
mst_status drive_scan(drive *d, uint64_t begin, uint64_t end, drive_list *partials, mst_error *err);
/* Replaces neighbours i and i + 1 of the list by one. */
mst_status drive_merge(drive *d, drive_list *partials, size_t i, mst_error *err);
mst_status drive_collect(drive *d, const drive_list *partials, mst_error *err);
/* Inspects when that was not done, scans the pieces between the borders (ascending, inside the object; none: one
 * piece), collects. */
mst_status drive_index(drive *d, const uint64_t *borders, size_t n, mst_error *err);
/* All index rows and facts as bytes, to compare indexes. */
mst_status drive_index_bytes(drive *d, mst_buf *out, mst_error *err);

typedef struct drive_part {
  json_t *json;
  uint64_t records, bytes;
} drive_part;
typedef struct drive_plan {
  drive_part *parts;
  size_t n;
} drive_plan;
mst_status drive_make_plan(drive *d, const mst_plan_query *query, drive_plan *out, mst_error *err);
void drive_plan_free(drive *d, drive_plan *plan);

/* Appends the content of a part, with the facts that a slice carries. `query` NULL: raw, without header. */
mst_status drive_read(drive *d, const json_t *part, const mst_read_query *query, mst_buf *out, mst_error *err);
/* Appends a companion in the field's own format. */
mst_status drive_export(drive *d, const char *kind, mst_buf *out, mst_error *err);
/* What stands at the part's first byte (MST_READ_PLACE); `*out` may stay NULL. */
mst_status drive_read_place(drive *d, const json_t *part, json_t **out, mst_error *err);
/* Calls `take` for each batch (it releases it). */
typedef mst_status (*drive_batch_fn)(void *arg, const struct ArrowSchema *schema, struct ArrowArray *batch,
                                     mst_error *err);
mst_status drive_read_arrow(drive *d, const json_t *part, const mst_read_query *query, drive_batch_fn take, void *arg,
                            mst_error *err);

#endif
