/* tests/format/naive_csv.h - delimited text read the slow way, one cell after the other: what the scanner and the rows of CSV are
 * compared with. Calls libc only. */
#ifndef MST_TESTS_FORMAT_NAIVE_CSV_H
#define MST_TESTS_FORMAT_NAIVE_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct naive_cell {
  size_t row;
  char *text; /* unquoted, `size` bytes */
  size_t size;
  bool bare;  /* it does not begin with a quote */
} naive_cell;

typedef struct naive_csv {
  size_t *starts; /* of the rows, the header among them */
  size_t n_rows;
  naive_cell *cells; /* row by row */
  size_t n_cells;
  size_t first_end;  /* behind the line end of the first row */
  bool unclosed;     /* it ends between quotes               */
} naive_csv;

/* `quote` and `escape` may be -1: none. Reads from `from` on. */
void naive_csv_read(const uint8_t *data, size_t n, size_t from, int delimiter, int quote, int escape, naive_csv *out);
void naive_csv_free(naive_csv *csv);

#endif
