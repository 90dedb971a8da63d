/* format/records_part.h - the parts that plans give and reads take, and their form in a slice. Private to the generic
 * record machinery. See docs/specification/slice.md. */
#ifndef MST_FORMAT_RECORDS_PART_H
#define MST_FORMAT_RECORDS_PART_H

#include "format/records_piece.h"

#define MST_KIND_ALL     "all"
#define MST_KIND_RECORDS "records"
#define MST_KIND_CUT     "cut"

typedef enum mst_part_kind { MST_PART_ALL, MST_PART_RECORDS, MST_PART_CUT, MST_PART_OWN } mst_part_kind;

/* A place in front of which the CRC of the plain bytes from `from` on is known. */
typedef struct mst_part_mark {
  uint64_t plain, at; /* at: about as many of the object's bytes must be read to decode up to `plain` */
  uint32_t crc;
} mst_part_mark;

typedef struct mst_part {
  mst_part_kind kind;
  const char *unit;       /* CUT; borrowed                                                             */
  const json_t *place;    /* CUT: what rows must know of the checkpoint; borrowed, may be NULL          */
  uint64_t record, plain; /* the checkpoint to begin at: records in front of it, its plain offset       */
  uint64_t at, skip;      /* where decoding begins for it, and the plain bytes to drop                  */
  uint8_t bits;
  bool has_window;
  uint64_t window_at, window_size; /* in the index                                                       */
  /* Begin and end: a record number (RECORDS) or a plain offset from which on the next unit counts (CUT); where they are
   * not searched the slice begins at the checkpoint, and ends at `to`. */
  bool search_first, search_last;
  uint64_t first, last;
  mst_part_mark mid;                /* searched end: the last checkpoint in front of it                            */
  mst_part_mark to;                 /* the end of the last span that is touched; the object's end when at == size  */
  uint64_t guess_first, guess_last; /* about where a searched end lies                                  */
} mst_part;

/* The kind alone; MST_PART_OWN for kinds that the record format knows. */
mst_status mst_part_kind_of(const json_t *json, mst_part_kind *out, mst_error *err);
mst_status mst_part_to_json(const mst_part *p, json_t **out, mst_error *err);
/* `json` is hostile; `size` is the object's. */
mst_status mst_part_from_json(const json_t *json, uint64_t size, mst_part *out, mst_error *err);

#endif
