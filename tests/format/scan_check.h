/* tests/format/scan_check.h - rules that the scanner of every record format must hold, whatever the bytes: cutting what
 * is fed, cutting the object into pieces and beginning at safe starts change nothing. Calls src/format. */
#ifndef MST_TESTS_SCAN_CHECK_H
#define MST_TESTS_SCAN_CHECK_H

#include "format/records.h"
#include "support/support.h"

typedef struct scan_case {
  const mst_record_ops *ops;
  const json_t *dialect;
  const char *unit; /* NULL: records */
  /* Whether two extras of the same bytes mean the same; NULL: when they are the same. */
  bool (*same_extra)(const mst_bytes *a, const mst_bytes *b);
} scan_case;

/* What a scan from a state to the end of some bytes gives. */
typedef struct scan_result {
  mst_status status;
  mst_error err;
  unsigned state;
  uint64_t records;
  uint8_t extra[4096];
  size_t extra_size;
  bool no_extra; /* larger than the room for it */
} scan_result;

/* Scans data[0, n) fed in runs of `chunk` bytes (0: at once); `last`: the object ends there. */
void scan_bytes(const scan_case *c, unsigned state, const uint8_t *data, size_t n, size_t chunk, bool last,
                scan_result *out);
/* The same bytes in pieces with borders at `cuts` (rising), each begun in the state in which the one before it ended,
 * extras joined from the left when `from_left`, else from the right. */
void scan_pieces(const scan_case *c, const uint8_t *data, size_t n, const size_t *cuts, size_t n_cuts, bool from_left,
                 scan_result *out);
/* Every rule at once, with `rounds` random cuts; `rng` is any number but 0. The test fails where one does not hold. */
void scan_check(const scan_case *c, const uint8_t *data, size_t n, unsigned rounds, uint64_t *rng);
/* Where the records begin, by asking the scanner for each; returns how many (at most `max`). */
size_t scan_starts(const scan_case *c, const uint8_t *data, size_t n, uint64_t *starts, size_t max);
/* Asks the scanner for the first place to cut at or behind `offset`; n when there is none. */
size_t scan_cut(const scan_case *c, const uint8_t *data, size_t n, uint64_t offset);

uint64_t scan_random(uint64_t *rng);

#endif
