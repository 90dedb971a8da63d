/* tests/fetch/place.h - what the tests of fetch share: a context, an object in memory, and the stores around it. */
#ifndef MST_TESTS_FETCH_PLACE_H
#define MST_TESTS_FETCH_PLACE_H

#include "support/support.h"

#include "fetch/fetch.h"

typedef struct place {
  mst_context *ctx;
  mst_store *memory, *trace, *outer; /* outer over trace over memory */
} place;

/* A context of `memory` bytes (0: default) and `threads`, an empty memory store, and a trace over it. `outer` is the
 * trace. */
void place_open(place *p, uint64_t memory, uint32_t threads, uint32_t requests, const mst_allocator *allocator);
/* Puts latency outside, which makes it a far store. */
void place_far(place *p, uint64_t us_per_op, uint64_t ns_per_byte);
/* Puts a fault below the trace's successor: outside of all. */
void place_fault(place *p, uint64_t fail_at, bool persistent, mst_status with);
void place_close(place *p);
void place_put(place *p, const char *key, uint64_t size);
mst_trace_counts place_counts(const place *p);
/* true when `data` are the bytes from `offset` on. */
bool place_right(const uint8_t *data, size_t n, uint64_t offset);

#endif
