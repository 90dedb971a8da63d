/* tests/source/kit.h - what the tests of sources share: nasty small objects in memory stores behind wrappers, indexed, planned, read
 * and compared. Calls support, store, source. */
#ifndef MST_TESTS_SOURCE_KIT_H
#define MST_TESTS_SOURCE_KIT_H

#include "source/source.h"
#include "support/support.h"

/* A memory store of its own in a fresh context (the caller releases both). `allocator` may be NULL. */
typedef struct kit {
  mst_context *ctx;
  mst_store *store;
} kit;
mst_status kit_open(kit *k, const mst_allocator *allocator, uint32_t threads, mst_error *err);
void kit_close(kit *k);

/* `n` FASTQ reads, seeded; malloc'ed, NUL-terminated. */
char *kit_reads(unsigned n, unsigned seed, size_t *size);
char *kit_gzip(const char *text, size_t n, size_t *size);
void kit_put(mst_store *store, const char *key, const void *data, size_t n);

/* Opens, indexes and plans `key`, reads all slices and joins them. The first failure's status. */
typedef struct kit_job {
  const char *key, *format;
  uint64_t slices, spacing, piece_bytes;
  uint32_t threads;
  bool indexed; /* an index is there already: not made */
} kit_job;
mst_status kit_run(mst_store *store, const kit_job *job, mst_buf *joined, size_t *n_slices, mst_error *err);

#endif
