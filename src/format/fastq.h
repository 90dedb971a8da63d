/* format/fastq.h - FASTQ: the automaton's states, what a piece says of the reads that its borders cut, and what the
 * fastq_*.c files share.
 *
 * A read is four lines: '@' and title, bases, '+' (and the title again, or nothing), as many qualities as bases. In the
 * multi-line dialect bases and qualities may run over several lines; nothing but the lengths then tells where a read
 * ends, so such an object is scanned from its beginning only. Blank lines may stand between reads.
 *
 * Owns: nothing by itself. May be included by: fastq*.c and their tests. */
#ifndef MST_FORMAT_FASTQ_H
#define MST_FORMAT_FASTQ_H

#include "format/records.h"

/* Where the automaton stands between two bytes. The numbers are part of the partial encoding. */
typedef enum mst_fastq_state {
  MST_FASTQ_BEGIN,            /* the object's first byte                     */
  MST_FASTQ_READ,             /* where a read may begin: safe in front of '@' */
  MST_FASTQ_TITLE,            /* behind '@'                                   */
  MST_FASTQ_BASES,            /* in a line of bases                           */
  MST_FASTQ_BASES_RETURN,     /* behind the carriage return that ends it      */
  MST_FASTQ_PLUS,             /* in front of '+'                              */
  MST_FASTQ_AGAIN,            /* behind '+'                                   */
  MST_FASTQ_QUALITIES,        /* in a line of qualities                       */
  MST_FASTQ_QUALITIES_RETURN, /* behind the carriage return that ends it      */
  MST_FASTQ_BLANK,            /* within a blank line between reads            */
  MST_FASTQ_STATES
} mst_fastq_state;

typedef struct mst_fastq_dialect {
  bool multi;       /* bases and qualities may take several lines             */
  bool interleaved; /* a record is two reads: the pairs of R1 and R2 in turns */
} mst_fastq_dialect;
/* From JSON that may have come from an index or slice; hostile. */
mst_status mst_fastq_dialect_read(const json_t *dialect, mst_fastq_dialect *out, mst_error *err);

/* ---- what a span of the object says of the reads that its borders cut ------------------------------------------- */

/* A text known by its size and sum only. */
typedef struct mst_fastq_text {
  uint64_t size;
  uint32_t crc;
} mst_fastq_text;

/* Bytes of one read: all of it, or what a span holds. Carriage returns count in no text. */
typedef struct mst_fastq_part {
  uint64_t bases, qualities;
  mst_fastq_text title, name, again; /* the title; its first word; what stands behind '+': nothing, or one of the two */
} mst_fastq_part;

/* Why a whole read is none, as text behind its name; NULL when nothing is wrong. `text` holds at least 160 bytes. */
const char *mst_fastq_fault(const mst_fastq_part *read, char text[160]);

/* The extra of a span. Offsets count from its beginning. */
typedef struct mst_fastq_span {
  uint64_t bases;      /* all                                                      */
  uint64_t begun;      /* reads that begin in it                                   */
  mst_fastq_part head; /* of the read that was open where the span begins           */
  mst_fastq_part tail; /* of the last read that begins in it                        */
  uint64_t tail_at;    /* where that begins                                        */
  bool faulty;         /* a read that spans cut turned out wrong when they were joined */
  mst_fastq_part fault;
  uint64_t fault_at, fault_read; /* its place and its number, counted in the span     */
} mst_fastq_span;
mst_status mst_fastq_span_decode(const mst_bytes *in, mst_fastq_span *out, mst_error *err);
mst_status mst_fastq_span_encode(const mst_fastq_span *s, mst_buf *out, mst_error *err);
/* Both as join and as carry: a span has a fixed size. */
mst_status mst_fastq_join(const mst_bytes *left, uint64_t left_bytes, uint64_t left_records, const mst_bytes *right,
                          mst_buf *out, mst_error *err);
mst_status mst_fastq_final_facts(const mst_bytes *all, json_t *facts, mst_error *err);

/* ---- scanner --------------------------------------------------------------------------------------------------- */

mst_status mst_fastq_scanner_open(const mst_allocator *mem, const json_t *dialect, unsigned state, const char *unit,
                                  mst_scanner **out, mst_error *err);
mst_status mst_fastq_scanner_feed(mst_scanner *s, const uint8_t *data, size_t n, const mst_scan_stop *stop,
                                  size_t *used, bool *stopped, mst_error *err);
mst_status mst_fastq_scanner_end(mst_scanner *s, mst_error *err);
unsigned mst_fastq_scanner_state(const mst_scanner *s);
uint64_t mst_fastq_scanner_records(const mst_scanner *s);
void mst_fastq_scanner_close(mst_scanner *s);
mst_status mst_fastq_scanner_take_extra(mst_scanner *s, mst_buf *out, mst_error *err);

/* ---- rows ------------------------------------------------------------------------------------------------------ */

mst_status mst_fastq_rows_schema(const mst_allocator *mem, const json_t *dialect, const json_t *options,
                                 struct ArrowSchema *out, mst_error *err);
mst_status mst_fastq_rows_open(const mst_job *job, const json_t *dialect, const json_t *options, uint64_t batch_rows,
                               void **out, mst_error *err);
mst_status mst_fastq_rows_feed(void *rows, const uint8_t *data, size_t n, bool last, mst_error *err);
mst_status mst_fastq_rows_take(void *rows, bool all, struct ArrowArray *out, mst_error *err);
void mst_fastq_rows_close(void *rows);

#endif
