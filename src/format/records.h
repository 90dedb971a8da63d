/* format/records.h - what a text-like record format brings (text, csv, fasta, fastq, vcf); everything else about
 * scanning, merging, indexing, planning and reading is written once, in format/records_*.c, over containers.
 *
 * A record format is a small automaton over plain bytes. A piece of the object may be scanned without knowing in which
 * state it begins; the automaton is then run once for every possible state (there are few), and neighbouring pieces are
 * joined by picking the run whose start state is the other's end state. Serial, threaded and distributed indexing agree
 * by construction.
 *
 * Words: a *safe start* is a position where scanning and reading can begin with the state in `safe_state`; a *record
 * start* is the first byte of a record. Records are counted where they start. */
#ifndef MST_FORMAT_RECORDS_H
#define MST_FORMAT_RECORDS_H

#include "format/container.h"
#include "format/format.h"

#define MST_STATES_MAX 10

typedef struct mst_scanner mst_scanner; /* [owned]; each record format's own */
struct mst_record_ops;
struct mst_scanner { /* embed as the first member */
  const struct mst_record_ops *ops;
};

/* Where to stop; whichever comes first. A scanner stops in front of a byte that it was given: it never reports a stop
 * with
 * `*used == n`, because whether something begins there is not known before its first byte is seen. Fed again from where
 * it stopped, with the same wish, it stops at once (so the wish must be dropped to go on). */
typedef struct mst_scan_stop {
  bool safe;       /* at the first safe start at or after the position where feeding begins                */
  uint64_t record; /* at the start of record number `record`, counted from the scanner's opening; UINT64_MAX: no */
  uint64_t offset; /* at the first place at or after this offset (from the scanner's opening) where the strategy's
                      unit may be cut (a word's start, a residue); UINT64_MAX: no                          */
} mst_scan_stop;

typedef struct mst_record_ops {
  const mst_format *format; /* name, version, globs, …                                                */
  unsigned n_states;        /* possible states at any byte; state 0 = the object's beginning, only there. At most
                               MST_STATES_MAX. A state is all that later feeding depends on: a scanner opened in it must
                               go on exactly as one that came to it (what else must be known is `extra`)           */
  unsigned safe_state;      /* the state in which scanning begins at a checkpoint                     */
  const char *const *units; /* strategies with a unit of their own ("words"), NULL-ended; may be NULL. The format's
                               first strategy is by records; one that is neither is answered by plan_own */
  bool safe_cuts;           /* at a checkpoint any of those units may be cut                           */

  /* The dialect from the first plain bytes (`whole`: they are all there are) and the user's options. Sets `*want` to
   * the number of plain bytes needed when these are too few (a long header). The dialect is a JSON object, small (≤ 250
   * bytes) but for keys that begin with "long_", which stay in the index's facts only. Must hold "header_bytes" where a
   * header exists: what is repeated in front of a slice on request, never part of a record, not fed to `rows_feed` (a
   * BOM belongs to it). "serial": true says that pieces of this object cannot be scanned alone. */
  mst_status (*sniff)(const mst_job *job, const uint8_t *head, size_t n, bool whole, json_t **dialect, uint64_t *want,
                      mst_error *err);

  /* A scanner in state `state`. `unit`: NULL for records, or a strategy's name with a unit of its own ("words",
   * "residues").
   * `*out` stays NULL (and MST_OK) when this dialect never comes into that state: it is then not tried. */
  mst_status (*open)(const mst_allocator *mem, const json_t *dialect, unsigned state, const char *unit,
                     mst_scanner **out, mst_error *err);
  /* Takes consecutive plain bytes; returns the number used in `*used`: n, or fewer when it stopped at `stop`, which is
   * then in front of data[*used]. `*stopped` tells. A broken rule is MST_E_CORRUPT with err->offset counted from the
   * scanner's opening. */
  mst_status (*feed)(mst_scanner *s, const uint8_t *data, size_t n, const mst_scan_stop *stop, size_t *used,
                     bool *stopped, mst_error *err);
  /* Called where the object ends: is what was begun whole? */
  mst_status (*end)(mst_scanner *s, mst_error *err);
  unsigned (*state)(const mst_scanner *s);   /* the state at the current position                         */
  uint64_t (*records)(const mst_scanner *s); /* records that started before the current position          */
  void (*close)(mst_scanner *s);

  /* What a format wants to know of each span beyond records, bytes and CRC: a monoid of byte strings. NULL when
   * nothing. `take_extra` appends the summary since the last take (offsets in it count from that place) and begins
   * anew. */
  mst_status (*take_extra)(mst_scanner *s, mst_buf *out, mst_error *err);
  /* left ++ right, where left spans `left_bytes` and holds `left_records`. Associative. */
  mst_status (*join_extra)(const mst_bytes *left, uint64_t left_bytes, uint64_t left_records, const mst_bytes *right,
                           mst_buf *out, mst_error *err);
  /* The same where only what a later checkpoint must know of everything before it is kept (bounded size). */
  mst_status (*carry_extra)(const mst_bytes *left, uint64_t left_bytes, uint64_t left_records, const mst_bytes *right,
                            mst_buf *out, mst_error *err);
  /* Extra columns of the index, behind the common ones, and their values for one checkpoint: `before` = carry of
   * everything in front of it (counted from the object's beginning), `span` = the extra of the span that begins here.
   */
  const mst_field *columns;
  size_t n_columns;
  mst_status (*put_columns)(const mst_allocator *mem, const mst_bytes *before, uint64_t plain, uint64_t record,
                            const mst_bytes *span, mst_builder *const *columns, mst_error *err);
  /* Facts of the whole object from the carry over all of it (may be NULL). */
  mst_status (*final_facts)(const mst_bytes *all, json_t *facts, mst_error *err);

  /* Region and other selections of the format's own: machines that answer `plan` (a query with a region, a condition,
   * options or a strategy of the format's own) and `read` for parts which the generic code does not know (part["kind"]
   * other than "all", "records" and "cut"). NULL when there are none. `read_own` also gets the schema question: see
   * mst_records_read_schema. */
  mst_status (*plan_own)(const mst_job *job, const mst_plan_query *query, mst_machine **out, mst_error *err);
  mst_status (*read_own)(const mst_job *job, const json_t *part, const mst_read_query *query, mst_machine **out,
                         mst_error *err);

  /* Records to Arrow. `rows_feed` takes plain bytes of whole records in order (any cut; `last` at the end, perhaps with
   * n = 0), without the header, and adds to the builders inside; `rows_take` gives a batch when enough rows (or all, at
   * the end) are there, and is asked again until it gives none. A record larger than job->record_max is MST_E_LIMIT.
   * The offset in errors of `rows_feed` counts from the first byte that was fed (-1: unknown). In a slice of a unit of
   * its own `options` says so: {"unit": "words"}. NULL when the format has no Arrow form. */
  mst_status (*rows_schema)(const mst_allocator *mem, const json_t *dialect, const json_t *options,
                            struct ArrowSchema *out, mst_error *err);
  mst_status (*rows_open)(const mst_job *job, const json_t *dialect, const json_t *options, uint64_t batch_rows,
                          void **out, mst_error *err);
  mst_status (*rows_feed)(void *rows, const uint8_t *data, size_t n, bool last, mst_error *err);
  /* For units that cut records: what rows must know to begin at a checkpoint, from row i of a row group of the index,
   * as a small JSON object (or NULL). Plans put it into a part as "place", and rows_open gets it as options["place"].
   */
  mst_status (*row_place)(const struct ArrowSchema *schema, const struct ArrowArray *rows, int64_t i, json_t **out,
                          mst_error *err);
  /* The bytes from that checkpoint to the slice's first, which rows see first. All three may be NULL. */
  mst_status (*rows_skip)(void *rows, const uint8_t *data, size_t n, mst_error *err);
  /* Where the slice begins, once enough was fed ({"record": "chr1", "offset": 1200}); NULL before. */
  mst_status (*rows_place)(void *rows, json_t **out, mst_error *err);
  mst_status (*rows_take)(void *rows, bool all, struct ArrowArray *out,
                          mst_error *err); /* out->release == NULL: none yet */
  void (*rows_close)(void *rows);
} mst_record_ops;

/* Index columns of every text-like format, in this order; the format's own follow:
 *   window  bytes   what decoding from here needs (gzip), else null
 *   record  int64   records that begin in front of the checkpoint, so the number of the first that begins at or behind
 * it plain   int64   plain offset of the checkpoint, a safe start (the first row: 0, the object's beginning) at int64
 * offset in the object of the first byte to feed; bits int8: low bits of it that are used already skip    int64   plain
 * bytes to drop from there to the checkpoint starts  bool    a record starts right at the checkpoint (not so inside a
 * long FASTA sequence) crc     int64   CRC-32 of the plain object from its beginning to the checkpoint */

/* The generic machines, which the mst_format of each record format names as its members (they find the record format
 * through job->format): format/records_scan.c, records_collect.c, records_plan.c, records_read.c. */
mst_status mst_records_inspect(const mst_job *job, mst_machine **out, mst_error *err);
mst_status mst_records_scan(const mst_job *job, uint64_t begin, uint64_t end, mst_machine **out, mst_error *err);
mst_status mst_records_merge(const mst_job *job, const mst_bytes *left, const mst_bytes *right, mst_bytes *out,
                             mst_error *err);
mst_status mst_records_collect(const mst_job *job, mst_machine **out, mst_error *err);
mst_status mst_records_index_schema(const mst_job *job, struct ArrowSchema *out, mst_error *err);
mst_status mst_records_plan(const mst_job *job, const mst_plan_query *query, mst_machine **out, mst_error *err);
mst_status mst_records_read(const mst_job *job, const json_t *part, const mst_read_query *query, mst_machine **out,
                            mst_error *err);
mst_status mst_records_read_schema(const mst_job *job, const json_t *part, const mst_read_query *query,
                                   struct ArrowSchema *out, mst_error *err);
mst_status mst_records_slice_facts(const mst_job *job, json_t **out, mst_error *err);

extern const mst_format mst_format_text, mst_format_csv, mst_format_fasta, mst_format_fastq, mst_format_vcf;
extern const mst_record_ops mst_records_text, mst_records_csv, mst_records_fasta, mst_records_fastq, mst_records_vcf;
const mst_record_ops *mst_record_ops_find(const char *name);

#endif
