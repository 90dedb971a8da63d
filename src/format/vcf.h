/* format/vcf.h - VCF: the automaton's states, a data line's place on its contig, what a span says of its contigs, and
 * what the vcf_*.c files share.
 *
 * A record is a data line. Positions here are 1-based and closed; a line covers POS to POS + length of REF - 1, or to
 * INFO's END where that is farther (POS 0 counts as 1).
 *
 * Owns: nothing by itself. May be included by: vcf*.c and their tests. */
#ifndef MST_FORMAT_VCF_H
#define MST_FORMAT_VCF_H

#include "base/base.h"
#include "format/records.h"

/* Where the automaton stands between two bytes. The numbers are part of the partial encoding. */
typedef enum mst_vcf_state {
  MST_VCF_BEGIN,   /* the object's first byte               */
  MST_VCF_LINE,    /* at the beginning of a data line: safe */
  MST_VCF_IN_LINE, /* within one                            */
  MST_VCF_HEAD,    /* at the beginning of a header line     */
  MST_VCF_HASH,    /* behind its first '#'                  */
  MST_VCF_META,    /* within a line "##…"                   */
  MST_VCF_CHROM,   /* within the line "#CHROM…"             */
  MST_VCF_STATES
} mst_vcf_state;

enum { MST_VCF_FIXED = 8 }; /* columns that every line has */

/* ---- lines ----------------------------------------------------------------------------------------------------- */

typedef struct mst_vcf_line {
  const uint8_t *contig;
  size_t contig_size;
  uint64_t first, last;
} mst_vcf_line;
/* `tabs[k]`: offset in the line of tab k, 0 to 6, and of the seventh or the line's end. Returns NULL, or which rule the
 * line breaks. */
const char *mst_vcf_line_place(const uint8_t *line, const size_t tabs[MST_VCF_FIXED], mst_vcf_line *out);
/* The same for a line of n bytes (without its LF) whose tabs are not known. */
const char *mst_vcf_line_parse(const uint8_t *line, size_t n, mst_vcf_line *out);

/* ---- what a span says: vcf_span.c ------------------------------------------------------------------------------ */

/* Contigs kept for one span, and for the object; with more, none are. */
enum { MST_VCF_CONTIGS_MAX = 1024 };

typedef struct mst_vcf_contig {
  const uint8_t *name;
  size_t name_size;
  uint64_t records;
  uint64_t from, to;            /* where the first and the last line begin, from the span's beginning */
  uint64_t first_pos, last_pos; /* of these two lines                                                  */
  uint64_t first, last;         /* least and greatest position that any line covers                    */
} mst_vcf_contig;

/* The beginning of a line that a border cuts: all bytes up to its eighth tab, and the number of its tabs up to the
 * border. */
typedef struct mst_vcf_part {
  mst_buf text;
  uint64_t tabs;
} mst_vcf_part;

/* The extra of a span. Names are its own copies, in `names`. */
typedef struct mst_vcf_span {
  const mst_allocator *mem;
  uint32_t columns; /* that each line must have                                      */
  bool inside;      /* it begins within a line: `head` is what it has of that        */
  bool head_ends;   /* that line ends in it                                          */
  mst_vcf_part head;
  bool open;       /* a line that begins in it, at `open_at`, does not end in it    */
  bool open_known; /* that line counts already: all that matters of it was seen     */
  uint64_t open_at;
  mst_vcf_part tail; /* what it has of that line; no text when open_known             */
  char broken[96];   /* what is wrong with the line at `broken_at` that a border cut; "": nothing */
  uint64_t broken_at;
  bool sorted;             /* each contig in one run, positions never falling               */
  bool overflow;           /* too many contigs: none is told                                */
  mst_vcf_contig *contigs; /* in the order of their first lines                            */
  size_t n, capacity;
  size_t current; /* the contig of the last line                                   */
} mst_vcf_span;

void mst_vcf_span_init(mst_vcf_span *s, const mst_allocator *mem, uint32_t columns);
void mst_vcf_span_free(mst_vcf_span *s);
/* Back to an empty span, with its memory. */
void mst_vcf_span_clear(mst_vcf_span *s);
/* Counts a line that begins at `at`. */
mst_status mst_vcf_span_add(mst_vcf_span *s, const mst_vcf_line *line, uint64_t at, mst_error *err);
mst_status mst_vcf_span_encode(const mst_vcf_span *s, mst_buf *out, mst_error *err);
/* Into an initialised span; `in` is hostile. */
mst_status mst_vcf_span_decode(const mst_bytes *in, mst_vcf_span *s, mst_error *err);
/* The contig of that name, NULL when there is none. */
mst_vcf_contig *mst_vcf_span_find(const mst_vcf_span *s, const uint8_t *name, size_t size);

mst_status mst_vcf_join(const mst_bytes *left, uint64_t left_bytes, uint64_t left_records, const mst_bytes *right,
                        mst_buf *out, mst_error *err);
/* Index columns: contig, pos: of the span's first line; reach: the last position that the lines in front of the
 * checkpoint cover on that contig; regions: "name:first-last" of all the span's contigs, one a line, or "*" when they
 * are too many. */
extern const mst_field mst_vcf_columns[];
enum { MST_VCF_COLUMNS = 4 };
mst_status mst_vcf_put_columns(const mst_allocator *mem, const mst_bytes *before, uint64_t plain, uint64_t record,
                               const mst_bytes *span, mst_builder *const *columns, mst_error *err);
/* "sorted", and "contigs": [[name, records, offset of the first line, of the last], …] in the order of their first
 * lines. */
mst_status mst_vcf_final_facts(const mst_bytes *all, json_t *facts, mst_error *err);

/* ---- header: vcf_header.c -------------------------------------------------------------------------------------- */

mst_status mst_vcf_sniff(const mst_job *job, const uint8_t *head, size_t n, bool whole, json_t **dialect,
                         uint64_t *want, mst_error *err);

/* ---- regions: vcf_region.c, vcf_tabix.c ------------------------------------------------------------------------ */

mst_status mst_vcf_plan(const mst_job *job, const mst_plan_query *query, mst_machine **out, mst_error *err);
mst_status mst_vcf_read(const mst_job *job, const json_t *part, const mst_read_query *query, mst_machine **out,
                        mst_error *err);

/* ---- rows: vcf_rows.c ------------------------------------------------------------------------------------------ */

mst_status mst_vcf_rows_schema(const mst_allocator *mem, const json_t *dialect, const json_t *options,
                               struct ArrowSchema *out, mst_error *err);
mst_status mst_vcf_rows_open(const mst_job *job, const json_t *dialect, const json_t *options, uint64_t batch_rows,
                             void **out, mst_error *err);
mst_status mst_vcf_rows_feed(void *rows, const uint8_t *data, size_t n, bool last, mst_error *err);
mst_status mst_vcf_rows_take(void *rows, bool all, struct ArrowArray *out, mst_error *err);
void mst_vcf_rows_close(void *rows);

#endif
