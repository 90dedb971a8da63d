/* format/records_rows.h - index rows as plans of a record format's own read them, and parts that begin and end at
 * checkpoints. Private to src/format. */
#ifndef MST_FORMAT_RECORDS_ROWS_H
#define MST_FORMAT_RECORDS_ROWS_H

#include "format/records_part.h"

/* One index row. */
typedef struct mst_row {
  uint64_t record, plain, at, skip;
  uint64_t window_at, window_size; /* size 0: none */
  uint32_t crc;
  uint8_t bits;
  bool starts;
} mst_row;

/* The rows of one row group. Borrowed from what was given. */
typedef struct mst_rows {
  const mst_job *job;
  mst_view record, plain, at, bits, skip, starts, crc, window_at, window_size;
  int64_t n;
  bool windows;
} mst_rows;
mst_status mst_rows_open(const mst_job *job, const mst_setting *setting, const mst_given *given, mst_rows *out,
                         mst_error *err);
/* An index is input like any other: MST_E_CORRUPT for a row that cannot be. */
mst_status mst_rows_get(const mst_rows *rows, int64_t i, mst_row *out, mst_error *err);
/* Damaged bytes, which no slice goes over, of a recovered index; in order. What is whole goes on with record `record`
 * at plain offset `end`. */
typedef struct mst_hole {
  uint64_t record, begin, end;
  uint32_t crc; /* of the whole bytes in front of it */
} mst_hole;
/* `*out` is NULL when there are none; freed with mst_free. Inside plain bytes [0, bytes). */
mst_status mst_holes_get(const mst_job *job, uint64_t bytes, mst_hole **out, size_t *n, mst_error *err);
/* The span between two neighbouring rows ends where damage begins. */
void mst_end_at_hole(const mst_job *job, const mst_hole *holes, size_t n, const mst_row *in_front, mst_row *behind);

/* The object's end, as a row; of a damaged object that of its last whole byte. MST_E_NOT_FOUND when the job has no
 * index. */
mst_status mst_rows_end(const mst_job *job, mst_row *out, mst_error *err);

/* The records part from checkpoint `from` to checkpoint `to`; a caller may set search_first. */
mst_part mst_part_between(const mst_job *job, const mst_setting *setting, const mst_row *from, const mst_row *to);

#endif
