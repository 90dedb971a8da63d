/* expr/eval.c - the truth of a predicate for each row of a batch, 64 rows a word.
 *
 * Each test knows among which rows its answer matters, so that dear ones are spared the rows that cheap ones decided.
 * Owns: scratch memory while it runs. May call: base, column. */
#include "expr/bound.h"

/* A column of the batch as the tests see it. */
typedef struct column_rows {
  bool ready;
  struct ArrowArray array;          /* shifted to the batch's rows; borrows all but what `made` owns */
  struct ArrowArray made;           /* values that were looked up                                    */
  const struct ArrowSchema *values; /* of array, or of its dictionary                       */
  bool coded;                       /* tests run on the dictionary, once                             */
  uint64_t *valid;                  /* rows that neither are null nor lie in a null struct; NULL: all */
} column_rows;

typedef struct evaluation {
  const mst_predicate *p;
  const mst_allocator *mem;
  const struct ArrowArray *batch;
  size_t n;
  column_rows *columns;
  mst_error *err;
} evaluation;

/* ---- columns --------------------------------------------------------------------------------------------------------
 */

static uint64_t *new_bits(const evaluation *e, size_t n) {
  return mst_alloc_array(e->mem, MST_BITS_WORDS(n) + 1, sizeof(uint64_t));
}

static mst_status bad_batch(const evaluation *e, uint32_t column) {
  return mst_fail(e->err, MST_E_ARGUMENT,
                  "a batch does not fit the schema that the condition was bound to: column \"%.80s\"",
                  e->p->columns[column].name);
}

/* Takes the rows away that are null in `array`. */
static mst_status and_valid(evaluation *e, column_rows *c, const struct ArrowArray *array) {
  const uint8_t *bitmap = array->null_count != 0 && array->n_buffers > 0 ? array->buffers[0] : NULL;
  mst_error *err = e->err;
  mst_status status = MST_OK;
  uint64_t *more = NULL;
  if (bitmap == NULL) return MST_OK;
  MST_TRY_ALLOC(more = new_bits(e, e->n));
  mst_bits_load(bitmap, array->offset, e->n, more);
  if (c->valid != NULL) {
    mst_bits_and(c->valid, more, e->n);
    mst_free(e->mem, more);
  } else {
    c->valid = more;
  }
done:
  return status;
}

/* Through structs down to the column; rows of the batch are rows of what comes out. */
static mst_status walk_path(evaluation *e, uint32_t number, column_rows *c) {
  const mst_predicate_column *column = &e->p->columns[number];
  struct ArrowArray at = *e->batch;
  mst_status status = MST_OK;
  for (size_t k = 0; k < column->depth; k++) {
    const struct ArrowArray *child;
    if (column->path[k] >= at.n_children) return bad_batch(e, number);
    if (k > 0) MST_TRY(and_valid(e, c, &at));
    child = at.children[column->path[k]];
    if (child->length < at.offset + (int64_t)e->n) return bad_batch(e, number);
    const int64_t offset = child->offset + at.offset;
    at = *child;
    at.offset = offset;
    at.length = (int64_t)e->n;
  }
  if (at.null_count > 0) at.null_count = -1; /* it was counted over other rows */
  c->array = at;
done:
  return status;
}

/* Rows of the values that stand behind the rows of a dictionary-encoded or run-end encoded array; -1 for null. */
static mst_status rows_behind(evaluation *e, uint32_t number, const struct ArrowSchema *schema,
                              const struct ArrowArray *array, int64_t *rows) {
  const bool runs = schema->dictionary == NULL;
  const struct ArrowArray *values = runs ? array->children[1] : array->dictionary;
  const struct ArrowArray *ends = runs ? array->children[0] : array;
  const struct ArrowSchema *ints = runs ? schema->children[0] : schema;
  mst_type type;
  mst_status status = mst_type_parse(ints->format, &type, e->err);
  int64_t run = 0;
  if (status != MST_OK) return status;
  if (!mst_type_is_integer(&type)) return bad_batch(e, number);
  for (size_t i = 0; i < e->n; i++) {
    const uint8_t *p = ends->buffers[1];
    const int64_t at = array->offset + (int64_t)i;
    if (runs) {
      while (run < ends->length && mst_scalar_load(&type, p + (size_t)(ends->offset + run) * type.width).as.i <= at)
        run++;
      rows[i] = run;
    } else {
      const bool valid = array->null_count == 0 || array->buffers[0] == NULL ||
                         (((const uint8_t *)array->buffers[0])[at >> 3] >> (at & 7) & 1) != 0;
      rows[i] = valid ? mst_scalar_load(&type, p + (size_t)at * type.width).as.i : -1;
      if (!valid) continue;
    }
    if (rows[i] < 0 || rows[i] >= values->length)
      return mst_fail(e->err, MST_E_ARGUMENT, "column \"%.80s\" points outside of its values",
                      e->p->columns[number].name);
  }
  return MST_OK;
}

/* Values instead of codes or runs, at most once around each. */
static mst_status look_up(evaluation *e, uint32_t number, const struct ArrowSchema *schema, column_rows *c) {
  mst_status status = MST_OK;
  mst_error *err = e->err;
  const bool runs = schema->dictionary == NULL;
  const struct ArrowSchema *inner = runs ? schema->children[1] : schema->dictionary;
  const struct ArrowArray *values = runs ? c->array.children[1] : c->array.dictionary;
  struct ArrowArray made = {0};
  int64_t *rows = NULL;
  MST_TRY_ALLOC(rows = mst_alloc_array(e->mem, e->n + 1, sizeof *rows));
  MST_TRY(rows_behind(e, number, schema, &c->array, rows));
  MST_TRY(mst_array_gather(e->mem, inner, values, rows, (int64_t)e->n, &made, err));
  mst_array_release(&c->made);
  c->made = made;
  c->array = made;
  c->values = inner;
done:
  mst_free(e->mem, rows);
  return status;
}

static mst_status prepare_column(evaluation *e, uint32_t number) {
  column_rows *c = &e->columns[number];
  mst_status status = MST_OK;
  if (c->ready) return MST_OK;
  c->values = &e->p->inner[number].field;
  MST_TRY(walk_path(e, number, c));
  if (c->array.n_children != c->values->n_children || (c->values->dictionary != NULL) != (c->array.dictionary != NULL))
    return bad_batch(e, number);
  while (mst_text_equal(c->values->format, "+r")) MST_TRY(look_up(e, number, c->values, c));
  if (c->values->dictionary != NULL) {
    const struct ArrowSchema *inner = c->values->dictionary;
    c->coded = (size_t)c->array.dictionary->length <= e->n && inner->dictionary == NULL &&
               !mst_text_equal(inner->format, "+r");
    while (!c->coded && (c->values->dictionary != NULL || mst_text_equal(c->values->format, "+r")))
      MST_TRY(look_up(e, number, c->values, c));
  }
  if (mst_text_equal(c->values->format, "n") && !c->coded) {
    mst_error *err = e->err;
    if (c->valid == NULL) MST_TRY_ALLOC(c->valid = new_bits(e, e->n));
    mst_bits_fill(c->valid, e->n, false);
  } else {
    MST_TRY(and_valid(e, c, &c->array));
  }
  c->ready = true;
done:
  return status;
}

/* ---- tests of one column
 * --------------------------------------------------------------------------------------------- */

static mst_status test_array(const bound *b, const struct ArrowSchema *schema, const struct ArrowArray *array,
                             const uint64_t *among, uint64_t *bits, mst_error *err) {
  mst_status status = MST_OK;
  switch (b->kind) {
  case BOUND_COMPARE: return mst_array_compare(schema, array, b->op, &b->scalar, among, bits, err);
  case BOUND_IN: return mst_array_in(schema, array, b->set, among, bits, err);
  case BOUND_LIKE: return mst_array_like(schema, array, b->like, among, bits, err);
  case BOUND_NAN: return mst_array_nan(schema, array, bits, err);
  case BOUND_NULL:
    status = mst_array_valid(schema, array, bits, err);
    if (status == MST_OK) mst_bits_not(bits, (size_t)array->length);
    return status;
  default: return mst_fail(err, MST_E_INTERNAL, "a condition's test of no known kind");
  }
}

/* The truth of each value of a dictionary, spread over the rows. Rows that are null are left 0. */
static mst_status spread(evaluation *e, uint32_t number, const uint64_t *truth, uint64_t *bits) {
  const column_rows *c = &e->columns[number];
  const uint64_t n_values = (uint64_t)c->array.dictionary->length;
  mst_type type;
  mst_status status = mst_type_parse(c->values->format, &type, e->err);
  uint64_t out_of_range = 0;
  if (status != MST_OK) return status;
  if (!mst_type_is_integer(&type) || (e->n > 0 && c->array.buffers[1] == NULL)) return bad_batch(e, number);
#define SPREAD(ctype)                                                                          \
  do {                                                                                         \
    const ctype *codes = (const ctype *)c->array.buffers[1] + c->array.offset;                 \
    for (size_t i = 0; i < MST_BITS_WORDS(e->n); i++) {                                        \
      const size_t most = mst_min_size(64, e->n - 64 * i);                                     \
      const uint64_t valid = c->valid != NULL ? c->valid[i] : UINT64_MAX;                      \
      uint64_t word = 0;                                                                       \
      for (size_t k = 0; k < most; k++) {                                                      \
        const bool here = (valid >> k & 1) != 0;                                               \
        const uint64_t code = here ? (uint64_t)codes[64 * i + k] : 0;                          \
        const bool good = code < n_values;                                                     \
        out_of_range |= here && !good;                                                         \
        word |= (uint64_t)(here && good && mst_bits_get(truth, good ? (size_t)code : 0)) << k; \
      }                                                                                        \
      bits[i] = word;                                                                          \
    }                                                                                          \
  } while (0)
  switch (type.width) {
  case 1:
    if (type.kind == MST_KIND_INT8) SPREAD(int8_t);
    else SPREAD(uint8_t);
    break;
  case 2:
    if (type.kind == MST_KIND_INT16) SPREAD(int16_t);
    else SPREAD(uint16_t);
    break;
  case 4:
    if (type.kind == MST_KIND_INT32) SPREAD(int32_t);
    else SPREAD(uint32_t);
    break;
  default: SPREAD(int64_t); break;
  }
#undef SPREAD
  if (out_of_range != 0)
    return mst_fail(e->err, MST_E_ARGUMENT, "column \"%.80s\" points outside of its dictionary",
                    e->p->columns[number].name);
  return MST_OK;
}

static mst_status test_coded(evaluation *e, const bound *b, uint64_t *bits) {
  const column_rows *c = &e->columns[b->column];
  const struct ArrowArray *dictionary = c->array.dictionary;
  mst_error *err = e->err;
  mst_status status = MST_OK;
  uint64_t *truth = NULL;
  MST_TRY_ALLOC(truth = new_bits(e, (size_t)dictionary->length));
  truth[0] = 0;
  MST_TRY(test_array(b, c->values->dictionary, dictionary, NULL, truth, err));
  status = spread(e, b->column, truth, bits);
done:
  mst_free(e->mem, truth);
  return status;
}

/* Null rows count as the test says: `nulls` of "in", and "is null" itself. */
static mst_status find_nulls(evaluation *e, const bound *b, uint64_t *bits) {
  const column_rows *c = &e->columns[b->column];
  bound null_test = {.kind = BOUND_NULL, .column = b->column};
  mst_status status = MST_OK;
  mst_bits_fill(bits, e->n, false);
  if (c->coded) MST_TRY(test_coded(e, &null_test, bits)); /* nulls among the dictionary's values */
  if (c->valid == NULL) return MST_OK;
  for (size_t i = 0; i < MST_BITS_WORDS(e->n); i++)
    bits[i] |= ~c->valid[i] & mst_mask_low((unsigned)mst_min_size(64, e->n - 64 * i));
done:
  return status;
}

static mst_status test_column(evaluation *e, const bound *b, const uint64_t *among, uint64_t *bits) {
  column_rows *c = &e->columns[b->column];
  mst_error *err = e->err;
  mst_status status = MST_OK;
  uint64_t *nulls = NULL;
  MST_TRY(prepare_column(e, b->column));
  if (b->kind == BOUND_NULL) return find_nulls(e, b, bits);
  if (c->coded) MST_TRY(test_coded(e, b, bits));
  else MST_TRY(test_array(b, c->values, &c->array, among, bits, err));
  if (c->valid != NULL) mst_bits_and(bits, c->valid, e->n);
  if (b->kind == BOUND_IN && b->nulls) {
    MST_TRY_ALLOC(nulls = new_bits(e, e->n));
    MST_TRY(find_nulls(e, b, nulls));
    mst_bits_or(bits, nulls, e->n);
  }
done:
  mst_free(e->mem, nulls);
  return status;
}

/* ---- connectives
 * ------------------------------------------------------------------------------------------------------ */

static mst_status test(evaluation *e, const bound *b, const uint64_t *among, uint64_t *bits);

static bool any(const uint64_t *bits, size_t n) {
  uint64_t all = 0;
  for (size_t i = 0; i < MST_BITS_WORDS(n); i++) all |= bits[i];
  return all != 0;
}

/* `open` holds the rows that are undecided yet: true so far for "and", false so far for "or". */
static mst_status test_parts(evaluation *e, const bound *b, const uint64_t *among, uint64_t *bits) {
  const bool both = b->kind == BOUND_AND;
  mst_error *err = e->err;
  mst_status status = MST_OK;
  uint64_t *open = NULL, *part = NULL;
  const size_t words = MST_BITS_WORDS(e->n);
  MST_TRY_ALLOC(open = new_bits(e, e->n));
  MST_TRY_ALLOC(part = new_bits(e, e->n));
  if (among != NULL) memcpy(open, among, words * sizeof *open);
  else mst_bits_fill(open, e->n, true);
  for (size_t k = 0; k < b->n_parts && any(open, e->n); k++) {
    MST_TRY(test(e, &b->parts[k], k == 0 ? among : open, part));
    if (both) mst_bits_and(open, part, e->n);
    else mst_bits_and_not(open, part, e->n);
  }
  /* What is still open was true of every part of an "and", of none of an "or". */
  for (size_t i = 0; i < words; i++) bits[i] = both ? open[i] : (among != NULL ? among[i] : UINT64_MAX) & ~open[i];
  if (!both && words > 0) bits[words - 1] &= mst_mask_low((unsigned)(e->n - 64 * (words - 1)));
done:
  mst_free(e->mem, open);
  mst_free(e->mem, part);
  return status;
}

/* Bits of rows that are not among `among` mean nothing. */
static mst_status test(evaluation *e, const bound *b, const uint64_t *among, uint64_t *bits) {
  mst_status status = MST_OK;
  switch (b->kind) {
  case BOUND_FALSE: mst_bits_fill(bits, e->n, false); break;
  case BOUND_AND:
  case BOUND_OR: MST_TRY(test_parts(e, b, among, bits)); break;
  default: MST_TRY(test_column(e, b, among, bits)); break;
  }
  if (b->negated) mst_bits_not(bits, e->n);
done:
  return status;
}

mst_status mst_predicate_eval(const mst_predicate *p, const struct ArrowArray *batch, uint64_t *bits, mst_error *err) {
  mst_status status = MST_OK;
  evaluation e = {.p = p, .mem = mst_predicate_mem(p), .batch = batch, .err = err};
  if (batch->length < 0 || batch->offset < 0) return mst_fail(err, MST_E_ARGUMENT, "a batch of negative length");
  e.n = (size_t)batch->length;
  if (e.n == 0) return MST_OK;
  MST_TRY_ALLOC(e.columns = mst_alloc_zero(e.mem, p->n_columns + 1, sizeof *e.columns));
  status = test(&e, &p->nodes[0], NULL, bits);
done:
  for (size_t i = 0; e.columns != NULL && i < p->n_columns; i++) {
    mst_array_release(&e.columns[i].made);
    mst_free(e.mem, e.columns[i].valid);
  }
  mst_free(e.mem, e.columns);
  return status;
}
