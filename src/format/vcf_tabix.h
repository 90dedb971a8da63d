/* format/vcf_tabix.h - .tbi and .csi: which runs of a BGZF object hold the lines of a region. Both are hostile.
 *
 * Owns: what it read. May be included by: vcf_*.c, fuzzers, tests. */
#ifndef MST_FORMAT_VCF_TABIX_H
#define MST_FORMAT_VCF_TABIX_H

#include "base/base.h"

/* Virtual offsets: block's offset << 16 | offset in its plain bytes. */
typedef struct mst_tabix_chunk {
  uint64_t begin, end;
} mst_tabix_chunk;

/* A position and the virtual offset from which on the lines lie that reach it or beyond. */
typedef struct mst_tabix_mark {
  uint64_t position, offset;
} mst_tabix_mark;

typedef struct mst_tabix mst_tabix; /* [owned] */

/* From the decompressed bytes of a .tbi or .csi, which must outlive it. All of it is walked over once and checked. */
mst_status mst_tabix_open(const mst_allocator *mem, const uint8_t *data, size_t n, mst_tabix **out, mst_error *err);
void mst_tabix_close(mst_tabix *t);
size_t mst_tabix_contigs(const mst_tabix *t);
/* Borrowed, NUL-terminated. */
const char *mst_tabix_contig(const mst_tabix *t, size_t i);
/* Chunks that hold all lines which overlap [first, last] (1-based, closed) of contig i, in order, none overlapping
 * another.
 * `*out` is freed with mst_free. */
mst_status mst_tabix_find(const mst_tabix *t, size_t i, uint64_t first, uint64_t last, mst_tabix_chunk **out, size_t *n,
                          mst_error *err);
/* Marks within [first, last], positions and offsets rising: where a region may be cut into parts of known weight. */
mst_status mst_tabix_marks(const mst_tabix *t, size_t i, uint64_t first, uint64_t last, mst_tabix_mark **out, size_t *n,
                           mst_error *err);

#endif
