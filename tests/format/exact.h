/* tests/format/exact.h - the promise that slices are exact, as checks that every record format's tests use: for any
 * plan, the slices joined are the plain object, each begins where a record begins, and each record lies in one of them.
 */
#ifndef MST_TESTS_FORMAT_EXACT_H
#define MST_TESTS_FORMAT_EXACT_H

#include "format/drive.h"
#include "support/support.h"

/* What an independent parser found. */
typedef struct exact {
  const uint8_t *plain; /* the decompressed object         */
  size_t size;
  uint64_t *starts; /* where each record begins in it  */
  size_t n;
  size_t header; /* bytes of the header             */
} exact;

void exact_add(exact *e, uint64_t start);
void exact_free(exact *e);

/* How often something random is repeated: less with sanitizers, which make each round many times slower. */
#if defined(__SANITIZE_ADDRESS__)
static inline int exact_rounds(int n) { return n < 4 ? 1 : n / 4; }
#else
static inline int exact_rounds(int n) { return n; }
#endif

/* Seeded, the same everywhere. */
uint64_t exact_random(uint64_t *state);

/* Fails the test with the error's text unless it is MST_OK. */
void exact_ok(mst_status status, const mst_error *err);
/* Facts, and plans by number (1, 2, 3, 7, 50, more than records), by records and by size, raw and with the header. */
void exact_check(drive *d, const exact *e);
/* One plan. */
void exact_check_plan(drive *d, const exact *e, const mst_plan_query *query);
/* Makes the index again with the object cut at random into pieces, given in grains of random size, partials merged in
 * random order or not: it must be the same, byte for byte. */
void exact_check_cuts(drive *d, uint64_t seed, int rounds);
/* Every allocation of inspect, scan, merge, collect, plan and read fails in turn. */
void exact_check_memory(drive *d);
/* Reads all slices of a plan of n while the object is damaged at byte `at`: an error, or the bytes as they were. */
void exact_check_damage(drive *d, uint8_t *data, uint64_t at, uint64_t n);

#endif
