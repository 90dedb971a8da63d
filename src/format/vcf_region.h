/* format/vcf_region.h - regions of VCF objects: their text, how they are cut, and what plan and read say to each other
 * in a part.
 *
 * A part is {"kind": "region", "contig", "from", "to"} (1-based, closed), "starts" (lines that begin in front of it
 * belong to another slice), and where the lines lie: "parts" (parts of kind "records", from our index) or "chunks"
 * ([[begin, end], …], virtual offsets from a companion).
 *
 * Owns: regions. May be included by: vcf_*.c and their tests. */
#ifndef MST_FORMAT_VCF_REGION_H
#define MST_FORMAT_VCF_REGION_H

#include "format/vcf.h"
#include "format/vcf_tabix.h"

#define MST_VCF_KIND "region"
/* Beyond this no position is. */
#define MST_VCF_LAST (UINT64_C(1) << 48)

typedef struct mst_vcf_region {
  char *contig; /* owned                             */
  uint64_t first, last;
} mst_vcf_region;

/* Is a contig of this name known? */
typedef bool (*mst_vcf_known_fn)(const void *arg, const char *name, size_t size);
/* "name", "name:from", "name:from-to", "{name}:from-to", several of them divided by blanks; digits may be grouped by
 * commas. A name may hold colons: what is known decides, and a text that can be read in two ways is MST_E_ARGUMENT.
 * MST_E_NOT_FOUND when no reading names a known contig. Freed with mst_vcf_regions_free. */
mst_status mst_vcf_regions_parse(const mst_allocator *mem, const char *text, mst_vcf_known_fn known, const void *arg,
                                 mst_vcf_region **out, size_t *n, mst_error *err);
void mst_vcf_regions_free(const mst_allocator *mem, mst_vcf_region *regions, size_t n);

/* A position, and how much lies in front of it. */
typedef struct mst_vcf_weight {
  uint64_t position, weight;
} mst_vcf_weight;
/* Where to begin parts 1 … n - 1 of about equal weight: positions that rise strictly behind marks[0].position; writes
 * at most n - 1 and returns how many. Marks rise in both; between two of them lines are taken to be spread evenly. */
size_t mst_vcf_cut(const mst_vcf_weight *marks, size_t n_marks, uint64_t n, uint64_t *begins);

/* The plain bytes between two virtual offsets, at most `limit` of them (UINT64_MAX: all), as a machine that emits them.
 */
mst_status mst_vcf_chunk_open(const mst_job *job, uint64_t begin, uint64_t end, uint64_t limit, mst_machine **out,
                              mst_error *err);

#endif
