/* tests/column/cells.h - columns of random values, known to the test cell by cell, in every layout that Arrow has for
 * them. */
#ifndef MST_TESTS_COLUMN_CELLS_H
#define MST_TESTS_COLUMN_CELLS_H

#include "column/column.h"

enum { CELL_TEXT = 40 };

/* One value: `i` of integers, bools, temporal values (uint64: its bits), decimals (unscaled); `f` of floats; `s` of
 * text. */
typedef struct cell {
  bool null;
  int64_t i;
  double f;
  uint8_t s[CELL_TEXT];
  size_t n;
} cell;

typedef enum cell_style {
  CELLS_PLAIN,
  CELLS_CODED, /* dictionary-encoded */
  CELLS_RUNS   /* run-end encoded    */
} cell_style;

/* Xorshift, so that a run repeats. */
extern uint64_t cell_seed;
uint64_t cell_random(void);
uint64_t cell_below(uint64_t n);

/* A random value of a format, from a small set with the edges of the type in it. */
cell cell_any(const char *format, bool nullable);
/* Same value: nulls, NaNs and zeros of either sign are each the same. */
bool cell_same(const char *format, const cell *a, const cell *b);
/* The value of a row, whatever the layout. */
cell cell_at(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t i);

/* Fails the test on errors. The array has some cells in front of its offset. */
void cells_make(const char *name, const char *format, cell_style style, const cell *cells, size_t n,
                struct ArrowSchema *schema, struct ArrowArray *array);
/* A "+s" batch of n columns, which are taken over. */
void cells_batch(struct ArrowSchema *fields, struct ArrowArray *columns, size_t n, int64_t rows,
                 struct ArrowSchema *schema, struct ArrowArray *batch);
/* Bytes of a format's values: "vu" and "vz" are views. */
bool cells_are_views(const char *format);

#endif
