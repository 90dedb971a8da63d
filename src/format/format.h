/* format/format.h - what a format is: machines that do no I/O. A machine is stepped; it answers "I need these bytes",
 * "I need these index rows", "here is something" or "done". One engine (src/source) fetches, caches, retries, pins and
 * writes indexes.
 *
 * Owns: the registry of built-in formats. May call: base, codec, column, expr, parquet. Never store, never fetch. */
#ifndef MST_FORMAT_FORMAT_H
#define MST_FORMAT_FORMAT_H

#include "base/base.h"
#include "column/column.h"

/* ---- machines ------------------------------------------------------------------------------------------------ */

#define MST_INDEX_GROUP_ROWS 512
/* The member number under which a machine asks for bytes of the index file (windows). */
#define MST_MEMBER_INDEX UINT32_MAX

typedef enum mst_step_kind {
  MST_STEP_NEED,   /* bytes: `need`                                                                     */
  MST_STEP_ROWS,   /* all rows of one row group of the index, all columns but `window` (plan only)     */
  MST_STEP_INPUT,  /* the next partial (collect only); `ended` says that there is none                  */
  MST_STEP_EMIT,   /* bytes: a partial (scan), content (read, export)                                   */
  MST_STEP_BATCH,  /* an Arrow batch: index rows (collect: MST_INDEX_GROUP_ROWS of them but for the last batch; each
                      becomes a row group of the index), records (read as Arrow)                        */
  MST_STEP_PART,   /* one slice (plan)                                                                  */
  MST_STEP_SCHEMA, /* the columns of the batches to come: first of all, from MST_FORMAT_OWN_SCHEMA       */
  MST_STEP_DONE,   /* nothing more; `facts` from inspect and collect                                    */
  MST_STEP_BUSY    /* nothing yet: the machine has worked for long (a few bytes may hold much), and lets the engine look
                      whether it is to go on                                                            */
} mst_step_kind;

/* Filled by a machine. What is moved to the engine is marked so; the rest is borrowed until the next step. */
typedef struct mst_step {
  mst_step_kind kind;
  bool some; /* NEED of one range: any non-empty prefix of it will do; the next need goes on behind it,
                so the engine reads ahead. Without `some` every range comes whole, in the order asked for. */
  const mst_range *need;
  size_t n_need;
  size_t row_group;          /* ROWS: 0 … job->n_groups - 1; its first row is job->group_first_row[row_group] */
  mst_bytes bytes;           /* EMIT: moved; may share memory with what was given                          */
  struct ArrowArray batch;   /* BATCH: moved                                                              */
  struct ArrowSchema schema; /* SCHEMA: moved                                                           */
  json_t *part;              /* PART: moved; a JSON object that `read` understands, at most 700 bytes as text */
  uint64_t part_records;     /* UINT64_MAX: unknown                                                        */
  uint64_t part_bytes;       /* plain bytes; UINT64_MAX: unknown                                           */
  json_t *facts;             /* DONE: moved; a JSON object                                                 */
} mst_step;

/* What the engine hands in. All borrowed for the call; a machine that keeps bytes takes a reference (mst_bytes_part).
 */
typedef struct mst_given {
  const mst_bytes *bytes; /* NEED: one for each range; INPUT: one partial                               */
  size_t n;
  bool ended;                       /* INPUT: no more partials                                                    */
  const struct ArrowSchema *schema; /* ROWS                                                             */
  const struct ArrowArray *rows;
} mst_given;

typedef struct mst_machine mst_machine; /* [owned] */
typedef struct mst_machine_ops {
  mst_status (*step)(mst_machine *m, const mst_given *given, mst_step *out, mst_error *err);
  void (*close)(mst_machine *m);
} mst_machine_ops;
struct mst_machine { /* embed as the first member */
  const mst_machine_ops *ops;
};
/* `given` is NULL for the first step and after EMIT, BATCH, PART, SCHEMA and BUSY. */
mst_status mst_machine_step(mst_machine *m, const mst_given *given, mst_step *out, mst_error *err);
void mst_machine_close(mst_machine *m); /* NULL is fine */

/* Plain bytes that a machine goes through in one step at most: some milliseconds. */
#define MST_STEP_BYTES ((uint64_t)8 << 20)

/* ---- jobs ---------------------------------------------------------------------------------------------------- */

typedef struct mst_member {
  const char *name; /* last part of the key, for messages            */
  uint64_t size;    /* bytes                                         */
  bool present;     /* companions may be missing                     */
  bool fresh;       /* not older than the object itself              */
} mst_member;

/* The setting of one machine; borrowed, must outlive it. */
struct mst_format;
typedef struct mst_job {
  const mst_allocator *mem;
  const struct mst_format *format;
  const char *name;          /* URL without secrets, for errors                                        */
  const mst_member *members; /* [0] is the object; then the format's companions, in its order          */
  size_t n_members;
  const json_t *options;             /* what the user asked for (dialect …), checked by the format; may be NULL */
  const json_t *facts;               /* what inspect found, or the index's facts; NULL while inspecting        */
  uint64_t spacing;                  /* plain bytes between checkpoints                                        */
  uint64_t memory;                   /* bytes that this machine may hold at once                               */
  uint64_t record_max;               /* one record may be this large at most                                   */
  uint64_t index_rows;               /* plan: how many rows the index has                                      */
  const uint64_t *group_first_row;   /* plan: directory of the index's row groups, from its footer:       */
  const int64_t *group_first_record; /*   first row, and that row's `record` and `plain`                  */
  const int64_t *group_first_plain;
  size_t n_groups;
  bool recover; /* scan and read what is whole; damage goes into the facts                */
} mst_job;

/* How a plan shares records out; zero or NULL means "not asked for". Same meaning as include/meseta/source.h. */
typedef struct mst_plan_query {
  uint64_t slices, slice_bytes, slice_records;
  const char *strategy;
  const char *region;
  const char *where;
  const json_t *options; /* bbox, window, … as a JSON object */
} mst_plan_query;

/* PLACE: no content; DONE's facts say what stands at the slice's first byte, where the format knows such a thing. */
typedef enum mst_read_as { MST_READ_RAW, MST_READ_ARROW, MST_READ_PLACE } mst_read_as;
typedef struct mst_read_query {
  mst_read_as as;
  bool header;           /* RAW: repeat the header                                                      */
  const json_t *options; /* info, genotypes, schema, columns … as a JSON object; may be NULL            */
  uint64_t batch_rows;   /* ARROW: rows a batch at most; 0: the format's own                            */
} mst_read_query;

/* ---- formats ------------------------------------------------------------------------------------------------- */

enum {
  MST_FORMAT_TEXT_LIKE = 1, /* also inside gzip, BGZF, zstd                                              */
  MST_FORMAT_NO_INDEX = 2,  /* has its own directory: plans with no index of ours                        */
  MST_FORMAT_OWN_SCHEMA = 4 /* what reads rows finds out their schema itself and gives it; no read_schema */
};

/* Fallible members fill `*out` with an opened machine. */
typedef struct mst_format {
  const char *name;  /* "fasta"                                                             */
  const char *title; /* one line for `meseta formats`                                       */
  uint32_t version;  /* of its index rows and slice parts                                   */
  uint32_t flags;
  const char *const *globs;       /* "*.fa", … NULL-ended; text-like ones also match with .gz .bgz .zst  */
  const char *const *companions;  /* patterns of the members behind [0]: "%.fai", … NULL-ended; may be NULL */
  const char *const *strategies;  /* names that plan knows, first = default; NULL-ended                  */
  const char *const *options;     /* names of the dialect options that it knows; NULL-ended              */
  const char *const *row_options; /* names of the options that reading as Arrow knows; NULL-ended; NULL: none */
  /* 0 = no … 100 = sure. `head` holds the first plain bytes of text-like objects, the first bytes of others. */
  int (*probe)(const char *name, uint64_t size, const uint8_t *head, size_t n);
  /* Looks at the beginning (and the end, and companions); DONE gives the facts: for text-like ones at least
   * "container", "pieces" (true when any piece can be scanned alone), "dialect" and, where needed, "header_bytes". */
  mst_status (*inspect)(const mst_job *job, mst_machine **out, mst_error *err);
  /* Scans bytes [begin, end) of the object alone: EMITs partials in order. [0, size) when "pieces" is false. The
   * machine may ask for bytes beyond `end` to finish what begins before it. */
  mst_status (*scan)(const mst_job *job, uint64_t begin, uint64_t end, mst_machine **out, mst_error *err);
  /* For formats without scan: reads all there is, holds every checksum and promise against it; DONE gives "records" and
   * "plain_bytes". */
  mst_status (*check)(const mst_job *job, mst_machine **out, mst_error *err);
  /* Two neighbouring partials become one; associative, so that any cut and any order of merging gives the same index.
   */
  mst_status (*merge)(const mst_job *job, const mst_bytes *left, const mst_bytes *right, mst_bytes *out,
                      mst_error *err);
  /* Takes the partials in order (INPUT), gives index rows (BATCH) as they become certain, and the final facts at DONE.
   */
  mst_status (*collect)(const mst_job *job, mst_machine **out, mst_error *err);
  mst_status (*index_schema)(const mst_job *job, struct ArrowSchema *out, mst_error *err);
  /* Index rows (or companions) and a query become parts. */
  mst_status (*plan)(const mst_job *job, const mst_plan_query *query, mst_machine **out, mst_error *err);
  /* One part becomes content. `part` is hostile. For ARROW the schema is known from facts and options alone. */
  mst_status (*read)(const mst_job *job, const json_t *part, const mst_read_query *query, mst_machine **out,
                     mst_error *err);
  mst_status (*read_schema)(const mst_job *job, const json_t *part, const mst_read_query *query,
                            struct ArrowSchema *out, mst_error *err);
  /* What read needs of the facts, small enough for a slice (at most 300 bytes as text); new reference. */
  mst_status (*slice_facts)(const mst_job *job, json_t **out, mst_error *err);
  /* Writes a companion in the field's own format ("fai", "gzi") by one pass; NULL when there is none. */
  mst_status (*export_companion)(const mst_job *job, const char *kind, mst_machine **out, mst_error *err);
} mst_format;

/* Built-in formats, NULL-ended, in a fixed order. */
const mst_format *const *mst_formats(void);
const mst_format *mst_format_find(const char *name); /* NULL when unknown */
/* The most certain format for an object by its name and first bytes (raw: the container is looked through). NULL when
 * none is likely; `*why` then says what was seen. A name ending decides between formats whose bytes fit equally. */
const mst_format *mst_format_detect(const mst_allocator *mem, const char *name, uint64_t size, const uint8_t *head,
                                    size_t n, const char **why);

#endif
