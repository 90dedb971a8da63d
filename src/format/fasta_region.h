/* format/fasta_region.h - regions of FASTA objects: their text, what plan and read say to each other in a part, and the
 * content that comes of them: a header line and residues in lines of 60, as samtools faidx prints them, or one row.
 *
 * Owns: regions, content. May be included by: fasta_*.c and their tests. */
#ifndef MST_FORMAT_FASTA_REGION_H
#define MST_FORMAT_FASTA_REGION_H

#include "format/fasta.h"
#include "format/records_rows.h"
#include "format/texts.h"

/* From our index: {"kind": "region", "name", "from", "to", "head": part, "body": part, "residue": n}. `head` holds the
 * header and, without a "body", all that is wanted; n residues of the record lie in front of `body`. From a .fai:
 * {"kind": "fai", "name", "from", "to", "entry": [length, offset, bases, width], "head": [at, plain], "body": [at,
 * plain], "before": [at, plain]}: blocks that hold the bytes in front of the record's first residue, the region's first
 * residue, and the one in front of that; without them it is a plain object. */
#define MST_FASTA_KIND_REGION "region"
#define MST_FASTA_KIND_FAI    "fai"
#define MST_FASTA_TO_END      (UINT64_C(1) << 62)

/* One way to understand the text of a region: positions count from 1, both ends belong to it. */
typedef struct mst_fasta_reading {
  const char *name; /* in the region's text; not NUL-terminated */
  size_t size;
  uint64_t from, to;
  bool wrong; /* the positions make no sense */
} mst_fasta_reading;

/* A name may hold a colon, so a text may be a name, or a name and a range; the first that names a record counts. */
typedef struct mst_fasta_region {
  mst_fasta_reading readings[2];
  size_t n_readings;
} mst_fasta_region;

/* "name", "name:from-to", "name:from-", "name:from", "{name}", "{name}:…"; several divided by blanks. Digits may be
 * grouped by commas. They borrow the text. */
mst_status mst_fasta_regions_parse(const mst_allocator *mem, const char *text, mst_fasta_region **out, size_t *n,
                                   mst_error *err);
/* When no reading of a region names a record. */
mst_status mst_fasta_no_record(const mst_job *job, const mst_fasta_region *region, mst_error *err);

/* "kind", "name", "from", "to" and what people are told ("is"). */
mst_status mst_fasta_part_begin(const char *kind, const mst_fasta_reading *r, json_t **out, mst_error *err);

/* The same back from a part, which is hostile. A name that is too long for a part is known by size and hash. */
typedef struct mst_fasta_wanted {
  const char *name; /* NULL: by hash */
  uint64_t size, hash;
  uint64_t first, end; /* residues [first, end), from 0 */
} mst_fasta_wanted;
mst_status mst_fasta_wanted_of(const json_t *part, mst_fasta_wanted *out, mst_error *err);
bool mst_fasta_is_wanted(const mst_fasta_wanted *w, const uint8_t *name, size_t n);

/* ---- content --------------------------------------------------------------------------------------------------- */

typedef struct mst_fasta_content {
  const mst_job *job;
  bool raw;
  size_t column; /* residues in the line being written */
  uint64_t residues;
  mst_buf out;
  mst_texts name, description, sequence;
} mst_fasta_content;
void mst_fasta_content_init(mst_fasta_content *c, const mst_job *job, mst_read_as as);
void mst_fasta_content_free(mst_fasta_content *c);
/* The record's line behind '>'. */
mst_status mst_fasta_content_header(mst_fasta_content *c, const uint8_t *line, size_t n, mst_error *err);
/* Bytes of a line of sequence; those that are no residues are left out. */
mst_status mst_fasta_content_put(mst_fasta_content *c, const uint8_t *line, size_t n, mst_error *err);
/* Fills `out` when something is to go out; `last`: everything. */
mst_status mst_fasta_content_take(mst_fasta_content *c, bool last, mst_step *out, bool *gave, mst_error *err);

/* ---- machines -------------------------------------------------------------------------------------------------- */

mst_status mst_fasta_plan(const mst_job *job, const mst_plan_query *query, mst_machine **out, mst_error *err);
mst_status mst_fasta_read(const mst_job *job, const json_t *part, const mst_read_query *query, mst_machine **out,
                          mst_error *err);
/* By companions, with no index of ours. */
mst_status mst_fasta_fai_plan(const mst_job *job, const mst_setting *setting, const char *region, mst_machine **out,
                              mst_error *err);
mst_status mst_fasta_fai_read(const mst_job *job, const mst_setting *setting, const json_t *part,
                              const mst_read_query *query, mst_machine **out, mst_error *err);

/* Reads the header line of a record by a part that begins with it. */
typedef struct mst_fasta_header {
  mst_machine *inner;
  mst_buf line; /* behind '>', without the line end */
  bool begun, done;
} mst_fasta_header;
/* Takes bytes of content; returns how many of them belong to the header. */
mst_status mst_fasta_header_feed(mst_fasta_header *h, const mst_job *job, const uint8_t *data, size_t n, size_t *used,
                                 mst_error *err);

#endif
