/* format/csv.h - delimited text: the dialect, the automaton's states, cells and their types; what the csv_*.c files
 * share.
 *
 * Owns: nothing by itself. May be included by: csv*.c and their tests. */
#ifndef MST_FORMAT_CSV_H
#define MST_FORMAT_CSV_H

#include "base/base.h"
#include "format/records.h"

/* Where the automaton stands between two bytes. The numbers are part of the partial encoding. */
typedef enum mst_csv_state {
  MST_CSV_BEGIN,         /* the object's first byte                                                     */
  MST_CSV_RECORD,        /* outside any record: the next byte that is no line end begins one            */
  MST_CSV_FIELD,         /* behind a delimiter: a cell begins                                           */
  MST_CSV_BARE,          /* in a cell without quotes, or behind the quotes of one                       */
  MST_CSV_QUOTED,        /* between quotes                                                              */
  MST_CSV_QUOTE,         /* behind a quote between quotes: the end of the cell, or half of a doubled one */
  MST_CSV_ESCAPE,        /* behind an escape in a bare cell                                             */
  MST_CSV_QUOTED_ESCAPE, /* behind an escape between quotes                                             */
  MST_CSV_LEAD,          /* in front of the header: rest of a byte order mark, blank lines              */
  MST_CSV_SEP,           /* in the line "sep=;" in front of everything                                  */
  MST_CSV_STATES
} mst_csv_state;

typedef struct mst_csv_dialect {
  uint8_t delimiter, quote, escape;
  bool has_quote, has_escape;
  bool header;           /* the first row names the columns and is no record                            */
  bool bom, sep;         /* what the object begins with                                                 */
  uint64_t lead;         /* bytes in front of the first row: byte order mark, "sep=" line, blank lines  */
  uint64_t header_bytes; /* up to the end of the header's line                                          */
} mst_csv_dialect;

/* From the JSON that mst_csv_sniff made and that may have come from an index or slice since; hostile. */
mst_status mst_csv_dialect_read(const json_t *dialect, mst_csv_dialect *out, mst_error *err);
/* The JSON of a dialect, without names and types. */
mst_status mst_csv_dialect_write(const mst_csv_dialect *d, json_t **out, mst_error *err);

/* Bytes by what they mean to the automaton. */
enum { MST_CSV_OTHER, MST_CSV_DELIMITER, MST_CSV_QUOTE_MARK, MST_CSV_ESCAPE_MARK, MST_CSV_LINE, MST_CSV_CLASSES };
extern const uint8_t mst_csv_next[MST_CSV_STATES][MST_CSV_CLASSES];
void mst_csv_classes(const mst_csv_dialect *d, uint8_t classes[256]);

/* The kernels' view of a state of the automaton, and back from the last byte used. Not for the escape states. */
mst_scan_quoted mst_csv_kernel_state(const mst_csv_dialect *d, mst_csv_state state);
mst_csv_state mst_csv_state_behind(const mst_csv_dialect *d, const mst_scan_quoted *q, uint8_t last);

/* ---- cells: csv_cell.c ---------------------------------------------------------------------------------------- */

/* What a column's cells are. The letters stand in the dialect's "types". */
typedef enum mst_csv_type {
  MST_CSV_INT64 = 'l',
  MST_CSV_DOUBLE = 'g',
  MST_CSV_BOOL = 'b',
  MST_CSV_DATE = 'D',
  MST_CSV_TIMESTAMP = 't',     /* microseconds, no zone        */
  MST_CSV_TIMESTAMP_UTC = 'T', /* microseconds, each cell with a zone */
  MST_CSV_TEXT = 'u',
  MST_CSV_BYTES = 'z'
} mst_csv_type;

/* One cell as it stands in the file: quotes and escapes are still in it. */
typedef struct mst_csv_cell {
  const uint8_t *data;
  size_t size;
} mst_csv_cell;

/* What the cell says; the automaton's own reading of quotes and escapes. Appended to `out`. */
mst_status mst_csv_unquote(const mst_csv_dialect *d, mst_csv_cell cell, mst_buf *out, mst_error *err);
/* The same without a copy for cells whose text stands in one piece: bare ones, and those with only the outer quotes. */
bool mst_csv_plain_text(const mst_csv_dialect *d, mst_csv_cell cell, mst_csv_cell *text);

/* One bit for each type that could be the cell's; 0: text only. Empty cells and null marks give all bits. */
enum {
  MST_CSV_FITS_INT64 = 1,
  MST_CSV_FITS_DOUBLE = 2,
  MST_CSV_FITS_BOOL = 4,
  MST_CSV_FITS_DATE = 8,
  MST_CSV_FITS_TIMESTAMP = 16,
  MST_CSV_FITS_TIMESTAMP_UTC = 32,
  MST_CSV_FITS_ALL = 63
};
unsigned mst_csv_fits(const char *text, size_t n);
mst_csv_type mst_csv_type_of(unsigned fits); /* the narrowest */
/* "int64", "double", "bool", "date", "timestamp", "timestamp_utc", "text", "bytes", and what else they are called. */
mst_status mst_csv_type_by_name(const char *name, mst_csv_type *out, mst_error *err);
/* In a column that is not text these words stand for null: NA, N/A, #N/A, NULL, null, None, n/a. */
bool mst_csv_null_word(const char *text, size_t n);
bool mst_csv_read_bool(const char *text, size_t n, bool *out);     /* true, false, in any case */
bool mst_csv_read_date(const char *text, size_t n, int32_t *days); /* 2024-02-28 */
/* 2024-02-28[T ]12:34[:56[.123456]], `utc`: with Z or an offset behind it. Digits beyond microseconds must be 0. */
bool mst_csv_read_timestamp(const char *text, size_t n, bool utc, int64_t *us);

/* csv_sniff.c */
mst_status mst_csv_sniff(const mst_job *job, const uint8_t *head, size_t n, bool whole, json_t **dialect,
                         uint64_t *want, mst_error *err);

/* csv_rows.c */
mst_status mst_csv_rows_schema(const mst_allocator *mem, const json_t *dialect, const json_t *options,
                               struct ArrowSchema *out, mst_error *err);
mst_status mst_csv_rows_open(const mst_job *job, const json_t *dialect, const json_t *options, uint64_t batch_rows,
                             void **out, mst_error *err);
mst_status mst_csv_rows_feed(void *rows, const uint8_t *data, size_t n, bool last, mst_error *err);
mst_status mst_csv_rows_take(void *rows, bool all, struct ArrowArray *out, mst_error *err);
void mst_csv_rows_close(void *rows);

#endif
