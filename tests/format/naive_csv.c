/* tests/format/naive_csv.c - see naive_csv.h. */
#include "format/naive_csv.h"

#include <stdlib.h>
#include <string.h>

typedef struct reader {
  const uint8_t *data;
  size_t n, at;
  int delimiter, quote, escape;
  char *text;
  size_t size;
} reader;

static bool line_end(uint8_t c) { return c == '\n' || c == '\r'; }

static void keep(reader *r) { r->text[r->size++] = (char)r->data[r->at++]; }

/* false when the end comes before the closing quote. */
static bool read_quoted(reader *r) {
  r->at++;
  while (r->at < r->n) {
    if (r->data[r->at] == r->escape) {
      r->at++;
      if (r->at == r->n) return false;
      keep(r);
    } else if (r->data[r->at] != r->quote) {
      keep(r);
    } else if (r->at + 1 < r->n && r->data[r->at + 1] == r->quote) {
      r->at++;
      keep(r);
    } else {
      r->at++;
      if (r->at < r->n && r->data[r->at] == r->escape) keep(r); /* behind a closing quote it is text */
      return true;
    }
  }
  return false;
}

static void read_bare(reader *r) {
  while (r->at < r->n && r->data[r->at] != r->delimiter && !line_end(r->data[r->at])) {
    if (r->data[r->at] == r->escape) {
      r->at++;
      if (r->at < r->n) keep(r);
    } else {
      keep(r);
    }
  }
}

static void add_cell(naive_csv *out, const reader *r, bool bare) {
  out->cells = realloc(out->cells, (out->n_cells + 1) * sizeof *out->cells);
  naive_cell *c = &out->cells[out->n_cells++];
  *c = (naive_cell){.row = out->n_rows - 1, .text = malloc(r->size + 1), .size = r->size, .bare = bare};
  memcpy(c->text, r->text, r->size);
  c->text[r->size] = 0;
}

static void read_row(reader *r, naive_csv *out) {
  out->starts = realloc(out->starts, (out->n_rows + 1) * sizeof *out->starts);
  out->starts[out->n_rows++] = r->at;
  for (;;) {
    const bool bare = r->at == r->n || r->data[r->at] != r->quote;
    r->size = 0;
    if (!bare && !read_quoted(r)) out->unclosed = true;
    read_bare(r);
    add_cell(out, r, bare);
    if (r->at == r->n || r->data[r->at] != r->delimiter) break;
    r->at++;
  }
  if (r->at < r->n) r->at += r->data[r->at] == '\r' && r->at + 1 < r->n && r->data[r->at + 1] == '\n' ? 2 : 1;
  if (out->n_rows == 1) out->first_end = r->at;
}

void naive_csv_read(const uint8_t *data, size_t n, size_t from, int delimiter, int quote, int escape, naive_csv *out) {
  reader r = {.data = data, .n = n, .at = from, .delimiter = delimiter, .quote = quote, .escape = escape};
  r.text = malloc(n + 1);
  *out = (naive_csv){0};
  while (r.at < n) {
    if (line_end(data[r.at])) r.at++;
    else read_row(&r, out);
  }
  free(r.text);
}

void naive_csv_free(naive_csv *csv) {
  for (size_t i = 0; i < csv->n_cells; i++) free(csv->cells[i].text);
  free(csv->cells);
  free(csv->starts);
  *csv = (naive_csv){0};
}
