/* format/fasta.h - FASTA: the automaton's states, what a span says of its records, and what the fasta_*.c files share.
 *
 * A record begins at '>' at the object's beginning or behind a line feed. Residues are the printable ASCII bytes of its
 * other lines; blanks there are none, a line that begins with ';' is a comment.
 *
 * Owns: nothing by itself. May be included by: fasta*.c and their tests. */
#ifndef MST_FORMAT_FASTA_H
#define MST_FORMAT_FASTA_H

#include "format/records.h"

/* Where the automaton stands between two bytes. The numbers are part of the partial encoding. */
typedef enum mst_fasta_state {
  MST_FASTA_BEGIN,        /* the object's first byte                                       */
  MST_FASTA_LINE,         /* at the beginning of a line, or at a residue that begins nothing: safe */
  MST_FASTA_HEADER,       /* behind '>'                                                    */
  MST_FASTA_SEQUENCE,     /* within a line of residues                                     */
  MST_FASTA_COMMENT,      /* behind ';'                                                    */
  MST_FASTA_LEAD,         /* at the beginning of a line in front of the first record       */
  MST_FASTA_LEAD_BLANK,   /* within a blank line there                                     */
  MST_FASTA_LEAD_COMMENT, /* within a comment there                                        */
  MST_FASTA_BOM,          /* within a byte order mark                                      */
  MST_FASTA_STATES
} mst_fasta_state;

/* ---- what a span of the object says of its records ------------------------------------------------------------- */

/* A name is what stands between the header's leading blanks and the next blank; its hash is FNV-1a (32 bits) of at most
 * its first 255 bytes, as the index documents it. */
enum { MST_FASTA_NAME_KEPT = 255 };
uint32_t mst_fasta_hash(const uint8_t *name, size_t n);
static inline bool mst_fasta_blank(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

typedef enum mst_fasta_phase { MST_FASTA_NAME_BEFORE, MST_FASTA_NAME_IN, MST_FASTA_NAME_DONE } mst_fasta_phase;

/* How far the name of a header has been seen, or with which bytes a name that began in front goes on. */
typedef struct mst_fasta_name {
  mst_fasta_phase phase;
  bool blank; /* going on: a blank came first */
  uint8_t size;
  uint8_t text[MST_FASTA_NAME_KEPT];
} mst_fasta_name;
/* More bytes of the header's line, without its line end. */
void mst_fasta_name_feed(mst_fasta_name *name, const uint8_t *data, size_t n);

/* The extra of a span. Offsets count from its beginning. */
typedef struct mst_fasta_span {
  uint64_t residues;      /* all                                                       */
  uint64_t begun;         /* records that begin in it                                  */
  uint64_t head_residues; /* in front of the first of them                             */
  mst_fasta_name head;    /* what the name of the record that was open goes on with     */
  uint64_t last_header;   /* of the last record that begins in it, when there is one   */
  uint64_t tail_residues; /* of that record                                            */
  mst_fasta_name tail;
  const uint8_t *hashes; /* of the names that begin in it, little-endian; borrowed    */
  uint64_t n_hashes;     /* all, or the last one only (carried), or none: too many    */
} mst_fasta_span;
/* Names kept for one span; with more it keeps none. */
enum { MST_FASTA_NAMES_MAX = 1 << 20 };
mst_status mst_fasta_span_decode(const mst_bytes *in, mst_fasta_span *out, mst_error *err);
mst_status mst_fasta_span_encode(const mst_fasta_span *s, mst_buf *out, mst_error *err);

mst_status mst_fasta_join(const mst_bytes *left, uint64_t left_bytes, uint64_t left_records, const mst_bytes *right,
                          mst_buf *out, mst_error *err);
mst_status mst_fasta_carry(const mst_bytes *left, uint64_t left_bytes, uint64_t left_records, const mst_bytes *right,
                           mst_buf *out, mst_error *err);
extern const mst_field mst_fasta_columns[];
enum { MST_FASTA_COLUMNS = 4 };
mst_status mst_fasta_put_columns(const mst_allocator *mem, const mst_bytes *before, uint64_t plain, uint64_t record,
                                 const mst_bytes *span, mst_builder *const *columns, mst_error *err);
mst_status mst_fasta_final_facts(const mst_bytes *all, json_t *facts, mst_error *err);
/* {"residue": 1234, "record": "chr1"}: the record that is open at a checkpoint; without "record" when it has no short
 * name. */
mst_status mst_fasta_row_place(const struct ArrowSchema *schema, const struct ArrowArray *rows, int64_t i, json_t **out,
                               mst_error *err);

/* ---- scanner --------------------------------------------------------------------------------------------------- */

mst_status mst_fasta_scanner_open(const mst_allocator *mem, const json_t *dialect, unsigned state, const char *unit,
                                  mst_scanner **out, mst_error *err);
mst_status mst_fasta_scanner_feed(mst_scanner *s, const uint8_t *data, size_t n, const mst_scan_stop *stop,
                                  size_t *used, bool *stopped, mst_error *err);
mst_status mst_fasta_scanner_end(mst_scanner *s, mst_error *err);
unsigned mst_fasta_scanner_state(const mst_scanner *s);
uint64_t mst_fasta_scanner_records(const mst_scanner *s);
void mst_fasta_scanner_close(mst_scanner *s);
mst_status mst_fasta_scanner_take_extra(mst_scanner *s, mst_buf *out, mst_error *err);

/* ---- rows ------------------------------------------------------------------------------------------------------ */

mst_status mst_fasta_rows_schema(const mst_allocator *mem, const json_t *dialect, const json_t *options,
                                 struct ArrowSchema *out, mst_error *err);
mst_status mst_fasta_rows_open(const mst_job *job, const json_t *dialect, const json_t *options, uint64_t batch_rows,
                               void **out, mst_error *err);
mst_status mst_fasta_rows_skip(void *rows, const uint8_t *data, size_t n, mst_error *err);
mst_status mst_fasta_rows_place(void *rows, json_t **out, mst_error *err);
mst_status mst_fasta_rows_feed(void *rows, const uint8_t *data, size_t n, bool last, mst_error *err);
mst_status mst_fasta_rows_take(void *rows, bool all, struct ArrowArray *out, mst_error *err);
void mst_fasta_rows_close(void *rows);

/* First byte of [data, data + n) that may not stand in a line of residues; n when there is none. */
size_t mst_fasta_bad_byte(const uint8_t *data, size_t n);

#endif
