/* tests/expr/test_predicate.c - predicates against an interpreter that looks at one row at a time: random conditions
 * over random columns of every layout; pruning, probing, sets of values and partial evaluation are never wrong. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "column/cells.h"
#include "expr/expr.h"
#include "support/support.h"

enum { COLUMNS_MAX = 4, ROWS_MAX = 150, NODES = 64 };

/* ---- the naive side
 * -------------------------------------------------------------------------------------------------- */

typedef struct test_column {
  const char *format;
  char name[24]; /* "s.a" within a struct */
  cell cells[ROWS_MAX];
} test_column;

typedef enum naive_kind { N_COMPARE, N_IN, N_NULL, N_NAN, N_LIKE, N_AND, N_OR, N_NOT, N_CONSTANT } naive_kind;

/* A number literal is `tenths` / 1000 of one, so that it may lie between two values of a column. */
typedef struct naive_value {
  bool null, nan;
  int64_t thousandths;
  cell text;
} naive_value;

typedef struct naive {
  naive_kind kind;
  int column;
  mst_compare_op op;
  bool negated;
  naive_value values[8];
  int n_values;
  char pattern[16];
  struct naive *parts[3];
  int n_parts;
} naive;

static naive pool[NODES];
static int pool_used;

static mst_scalar_kind class_of(const char *format) {
  mst_type type;
  assert_int_equal(mst_type_parse(format, &type, NULL), MST_OK);
  return mst_type_scalar(&type);
}

/* Below, at or above 0; 2 when nothing compares. */
static int naive_order(const char *format, const cell *c, const naive_value *v) {
  __int128 mine, other = v->thousandths;
  if (v->nan) return 2;
  switch (class_of(format)) {
  case MST_SCALAR_DOUBLE:
    if (isnan(c->f)) return 2;
    if (isinf(c->f)) return c->f > 0 ? 1 : -1;
    mine = (__int128)(c->f * 1000);
    break;
  case MST_SCALAR_BYTES: {
    const size_t n = c->n < v->text.n ? c->n : v->text.n;
    const int order = memcmp(c->s, v->text.s, n);
    return order != 0 ? (order > 0) - (order < 0) : (c->n > v->text.n) - (c->n < v->text.n);
  }
  case MST_SCALAR_WIDE: mine = (__int128)c->i * 10; break; /* scale 2 */
  case MST_SCALAR_UINT: mine = (__int128)(uint64_t)c->i * 1000; break;
  default: mine = (__int128)c->i * 1000;
  }
  return (mine > other) - (mine < other);
}

static bool naive_like(bool text, const char *p, const uint8_t *s, size_t n) {
  if (*p == '\0') return n == 0;
  if (*p == '%') {
    for (size_t k = 0; k <= n; k++)
      if (naive_like(text, p + 1, s + k, n - k)) return true;
    return false;
  }
  if (n == 0) return false;
  if (*p == '_') {
    size_t k = 1;
    while (text && k < n && (s[k] & 0xc0) == 0x80) k++;
    return naive_like(text, p + 1, s + k, n - k);
  }
  return (uint8_t)*p == s[0] && naive_like(text, p + 1, s + 1, n - 1);
}

static bool naive_holds(mst_compare_op op, int order) {
  if (order == 2) return op == MST_NE;
  switch (op) {
  case MST_EQ: return order == 0;
  case MST_NE: return order != 0;
  case MST_LT: return order < 0;
  case MST_LE: return order <= 0;
  case MST_GT: return order > 0;
  case MST_GE: return order >= 0;
  }
  return false;
}

static bool naive_in(const char *format, const cell *c, const naive *q) {
  for (int k = 0; k < q->n_values; k++) {
    if (q->values[k].null ? c->null : !c->null && naive_order(format, c, &q->values[k]) == 0) return true;
  }
  return false;
}

static bool naive_test(const test_column *columns, const naive *q, int64_t row) {
  const test_column *column = &columns[q->column];
  const cell *c = &column->cells[row];
  bool truth = false;
  switch (q->kind) {
  case N_CONSTANT: truth = true; break;
  case N_COMPARE:
    truth = c->null ? q->op == MST_NE : naive_holds(q->op, naive_order(column->format, c, &q->values[0]));
    break;
  case N_IN: truth = naive_in(column->format, c, q); break;
  case N_NULL: truth = c->null; break;
  case N_NAN: truth = !c->null && isnan(c->f); break;
  case N_LIKE: truth = !c->null && naive_like(strpbrk(column->format, "uU") != NULL, q->pattern, c->s, c->n); break;
  case N_NOT: truth = !naive_test(columns, q->parts[0], row); break;
  case N_AND:
  case N_OR:
    truth = q->kind == N_AND;
    for (int k = 0; k < q->n_parts; k++) {
      const bool part = naive_test(columns, q->parts[k], row);
      truth = q->kind == N_AND ? truth && part : truth || part;
    }
  }
  return truth != q->negated;
}

/* ---- random conditions ----------------------------------------------------------------------------------------------
 */

static bool is_text(const char *format) { return strpbrk(format, "uUzZ") != NULL && format[0] != 't'; }
static bool is_moment(const char *format) { return format[0] == 't'; }

/* Only what can be written: whole nanoseconds, times within a day, years of few digits. */
static naive_value moment_value(const char *format, naive_value v) {
  if (v.thousandths > 10000000) v.thousandths = 10000000;
  if (v.thousandths < -700000000) v.thousandths = -700000000;
  if (format[1] == 't' && v.thousandths < 0) v.thousandths = 0;
  if (format[2] == 'n') v.thousandths -= v.thousandths % 1000;
  return v;
}

/* Often one that occurs, so that bounds and literals meet. */
static naive_value any_value(const test_column *column, size_t rows, bool nullable) {
  const char *format = column->format;
  cell c = rows > 0 && cell_below(2) == 0 ? column->cells[cell_below(rows)] : cell_any(format, false);
  if (c.null) c = cell_any(format, false);
  naive_value v = {.text = c};
  const uint64_t k = cell_below(12);
  if (nullable && k == 0) v.null = true;
  switch (class_of(format)) {
  case MST_SCALAR_DOUBLE:
    if (!isfinite(c.f)) v.thousandths = (int64_t)cell_below(9) * 250;
    else v.thousandths = (int64_t)(c.f * 1000);
    if (k == 1) v.thousandths = 16777217000; /* no float */
    if (k == 2) v.nan = true;
    break;
  case MST_SCALAR_WIDE: v.thousandths = c.i % 1000 * 10 + (k < 3 ? 5 : 0); break;
  case MST_SCALAR_BYTES: break;
  default:
    v.thousandths = c.i > 1000000000000 || c.i < -1000000000000 ? 1000 * (int64_t)cell_below(300) : c.i * 1000;
    if (format[0] != 'b' && k < 3) v.thousandths += 500;
    if (format[0] != 'b' && k == 3) v.thousandths = -1000000000000000;
    if (format[0] != 'b' && k == 4) v.thousandths = 1000000000000000;
    if (format[0] == 't') v = moment_value(format, v);
  }
  return v;
}

static naive *any_leaf(const test_column *columns, int n_columns, size_t rows) {
  static const char *const patterns[] = {"%",   "a%", "%b",   "_b%", "a",    "",
                                         "%b%", "__", "ab%_", "_",   "%a_%", "z\xc3\xa4%"};
  naive *q = &pool[pool_used++];
  *q = (naive){.column = (int)cell_below((uint64_t)n_columns), .negated = cell_below(3) == 0};
  const char *format = columns[q->column].format;
  switch (cell_below(8)) {
  case 0: q->kind = N_NULL; break;
  case 1:
    q->kind = class_of(format) == MST_SCALAR_DOUBLE ? N_NAN : is_text(format) ? N_LIKE : N_NULL;
    strcpy(q->pattern, patterns[cell_below(sizeof patterns / sizeof patterns[0])]);
    break;
  case 2:
  case 3:
    q->kind = N_IN;
    q->n_values = 1 + (int)cell_below(8);
    for (int k = 0; k < q->n_values; k++) q->values[k] = any_value(&columns[q->column], rows, true);
    break;
  case 4:
    if (cell_below(4) == 0) {
      q->kind = N_CONSTANT;
      break;
    } /* fall through */
  default:
    q->kind = N_COMPARE;
    q->op = (mst_compare_op)cell_below(6);
    q->values[0] = any_value(&columns[q->column], rows, false);
    q->negated = false;
  }
  return q;
}

static naive *any_condition(const test_column *columns, int n_columns, size_t rows, int depth) {
  naive *q;
  if (depth == 0 || cell_below(4) == 0) return any_leaf(columns, n_columns, rows);
  q = &pool[pool_used++];
  *q = (naive){.kind = cell_below(5) == 0 ? N_NOT : cell_below(2) == 0 ? N_AND : N_OR};
  q->n_parts = q->kind == N_NOT ? 1 : 2 + (int)cell_below(2);
  for (int k = 0; k < q->n_parts; k++) q->parts[k] = any_condition(columns, n_columns, rows, depth - 1);
  return q;
}

/* ---- as text
 * ---------------------------------------------------------------------------------------------------------- */

static void put_number(mst_buf *out, const char *format, int64_t thousandths) {
  const int64_t whole = llabs((long long)thousandths);
  mst_buf_printf(out, NULL, "%s%lld", thousandths < 0 ? "-" : "", (long long)(whole / 1000));
  if (whole % 1000 != 0) mst_buf_printf(out, NULL, ".%03lld", (long long)(whole % 1000));
  else if (cell_below(8) == 0 && class_of(format) != MST_SCALAR_DOUBLE) mst_buf_put_text(out, "e0", NULL);
}

/* thousandths of the column's unit after 1970 (or midnight). */
static void put_moment(mst_buf *out, const char *format, int64_t thousandths) {
  static const int64_t unit_nanos[128] = {['s'] = 1000000000, ['m'] = 1000000, ['u'] = 1000, ['n'] = 1};
  char unit = format[2];
  __int128 nanos;
  int64_t days, seconds, year, fraction;
  unsigned month, day;
  if (unit == 'D') nanos = (__int128)thousandths * 86400 * 1000000;
  else nanos = (__int128)thousandths * unit_nanos[(unsigned char)(strcmp(format, "tdm") == 0 ? 'm' : unit)] / 1000;
  if (format[1] == 'D') {
    mst_buf_printf(out, NULL, "'%s%lldns'", nanos < 0 ? "-" : "", (long long)(nanos < 0 ? -nanos : nanos));
    return;
  }
  seconds = (int64_t)(nanos / 1000000000);
  fraction = (int64_t)(nanos % 1000000000);
  if (fraction < 0) {
    fraction += 1000000000;
    seconds--;
  }
  days = seconds / 86400 - (seconds % 86400 < 0);
  seconds -= days * 86400;
  mst_buf_put_text(out, "'", NULL);
  if (format[1] != 't') {
    mst_civil_from_days(days, &year, &month, &day);
    mst_buf_printf(out, NULL, "%04lld-%02u-%02u ", (long long)year, month, day);
  }
  mst_buf_printf(out, NULL, "%02d:%02d:%02d.%09lld'", (int)(seconds / 3600), (int)(seconds / 60 % 60),
                 (int)(seconds % 60), (long long)fraction);
}

static void put_value(mst_buf *out, const char *format, const naive_value *v) {
  if (v->null) {
    mst_buf_put_text(out, "null", NULL);
  } else if (v->nan) {
    mst_buf_put_text(out, "float 'nan'", NULL);
  } else if (class_of(format) == MST_SCALAR_BYTES) {
    mst_buf_put_byte(out, '\'', NULL);
    mst_buf_put(out, v->text.s, v->text.n, NULL);
    mst_buf_put_byte(out, '\'', NULL);
  } else if (format[0] == 'b') {
    mst_buf_put_text(out, v->thousandths != 0 ? "true" : "false", NULL);
  } else if (is_moment(format)) {
    put_moment(out, format, v->thousandths);
  } else {
    put_number(out, format, v->thousandths);
  }
}

static void put_condition(mst_buf *out, const test_column *columns, const naive *q) {
  static const char *const signs[] = {" = ", " <> ", "<", " <= ", " > ", ">="};
  const test_column *column = &columns[q->column];
  switch (q->kind) {
  case N_CONSTANT: mst_buf_put_text(out, q->negated ? "false" : "true", NULL); return;
  case N_NOT: mst_buf_put_text(out, "not ", NULL); /* fall through */
  case N_AND:
  case N_OR:
    mst_buf_put_text(out, "(", NULL);
    for (int k = 0; k < q->n_parts; k++) {
      if (k > 0) mst_buf_put_text(out, q->kind == N_AND ? " and " : " or ", NULL);
      put_condition(out, columns, q->parts[k]);
    }
    mst_buf_put_text(out, ")", NULL);
    return;
  default: break;
  }
  mst_buf_put_text(out, column->name, NULL);
  if (q->kind == N_NULL) mst_buf_put_text(out, q->negated ? " is not null" : " is null", NULL);
  if (q->kind == N_NAN) mst_buf_put_text(out, q->negated ? " is not nan" : " is nan", NULL);
  if (q->kind == N_LIKE) mst_buf_printf(out, NULL, " %slike '%s'", q->negated ? "not " : "", q->pattern);
  if (q->kind == N_COMPARE) {
    mst_buf_put_text(out, signs[q->op], NULL);
    put_value(out, column->format, &q->values[0]);
  }
  if (q->kind != N_IN) return;
  mst_buf_put_text(out, q->negated ? " not in (" : " in (", NULL);
  for (int k = 0; k < q->n_values; k++) {
    if (k > 0) mst_buf_put_text(out, ", ", NULL);
    put_value(out, column->format, &q->values[k]);
  }
  mst_buf_put_text(out, ")", NULL);
}

/* ---- a table and a condition
 * ------------------------------------------------------------------------------------------ */

typedef struct scene {
  test_column columns[COLUMNS_MAX];
  int n_columns;
  size_t rows;
  struct ArrowSchema schema;
  struct ArrowArray batch;
  naive *condition;
  mst_buf text;
  mst_where *where;
  mst_predicate *predicate;
} scene;

static const char *const formats[] = {"c",   "s",   "i",     "l",        "C",         "S",      "I",
                                      "L",   "e",   "f",     "g",        "b",         "u",      "U",
                                      "vu",  "z",   "vz",    "w:2",      "tdD",       "tdm",    "tts",
                                      "ttm", "ttu", "ttn",   "tss:",     "tsm:UTC",   "tsu:",   "tsn:Europe/Madrid",
                                      "tDs", "tDn", "d:9,2", "d:9,2,32", "d:15,2,64", "d:38,2", "d:70,2,256",
                                      "n"};

/* Columns at the top, or in a struct "s" some of whose rows are null, which makes its fields null. */
static void make_table(scene *s) {
  struct ArrowSchema fields[COLUMNS_MAX];
  struct ArrowArray arrays[COLUMNS_MAX];
  const bool nested = cell_below(4) == 0;
  s->n_columns = 1 + (int)cell_below(COLUMNS_MAX);
  s->rows = cell_below(8) == 0 ? cell_below(3) : cell_below(ROWS_MAX);
  for (int k = 0; k < s->n_columns; k++) {
    test_column *column = &s->columns[k];
    const bool nullable = cell_below(2) == 0;
    const size_t distinct = cell_below(2) == 0 ? 1 + cell_below(4) : ROWS_MAX; /* few: bounds are close */
    column->format = formats[cell_below(sizeof formats / sizeof formats[0])];
    snprintf(column->name, sizeof column->name, nested ? "s.c%d" : "c%d", k);
    for (size_t i = 0; i < s->rows; i++)
      column->cells[i] = i >= distinct ? column->cells[cell_below(distinct)] : cell_any(column->format, nullable);
    cells_make(column->name + (nested ? 2 : 0), column->format, (cell_style)cell_below(3), column->cells, s->rows,
               &fields[k], &arrays[k]);
  }
  cells_batch(fields, arrays, (size_t)s->n_columns, (int64_t)s->rows, &s->schema, &s->batch);
  if (nested) {
    struct ArrowSchema inner = s->schema;
    struct ArrowArray inner_array = s->batch;
    struct ArrowSchema named;
    uint8_t *bits = calloc(ROWS_MAX / 8 + 1, 1);
    assert_int_equal(mst_schema_node(NULL, "+s", "s", ARROW_FLAG_NULLABLE, (size_t)s->n_columns, &named, NULL), MST_OK);
    for (int k = 0; k < s->n_columns; k++)
      assert_int_equal(mst_schema_copy(NULL, inner.children[k], named.children[k], NULL), MST_OK);
    for (size_t i = 0; i < s->rows; i++) {
      const bool valid = cell_below(4) > 0;
      bits[i / 8] |= (uint8_t)(valid << (i % 8));
      for (int k = 0; !valid && k < s->n_columns; k++) s->columns[k].cells[i] = (cell){.null = true};
    }
    inner_array.buffers[0] = bits; /* freed by the test below */
    inner_array.null_count = -1;
    mst_schema_release(&inner);
    cells_batch(&named, &inner_array, 1, (int64_t)s->rows, &s->schema, &s->batch);
  }
}

static void make_condition(scene *s) {
  mst_error err;
  pool_used = 0;
  s->condition = any_condition(s->columns, s->n_columns, s->rows, (int)cell_below(4));
  mst_buf_init(&s->text, NULL, 1 << 20);
  put_condition(&s->text, s->columns, s->condition);
  if (mst_where_parse(NULL, mst_buf_text(&s->text), s->text.size, &s->where, &err) != MST_OK)
    fail_msg("%s: %s", mst_buf_text(&s->text), err.message);
  if (mst_predicate_bind(NULL, s->where, &s->schema, &s->predicate, &err) != MST_OK)
    fail_msg("%s: %s", mst_buf_text(&s->text), err.message);
}

static void free_scene(scene *s) {
  struct ArrowArray *first =
      s->batch.n_children == 1 && mst_text_equal(s->schema.children[0]->format, "+s") ? s->batch.children[0] : NULL;
  void *bits = first != NULL ? (void *)(uintptr_t)first->buffers[0] : NULL;
  mst_predicate_unref(s->predicate);
  mst_where_unref(s->where);
  mst_buf_free(&s->text);
  mst_array_release(&s->batch);
  mst_schema_release(&s->schema);
  free(bits);
}

/* ---- checks
 * ------------------------------------------------------------------------------------------------------------- */

static void eval(const scene *s, const mst_predicate *p, uint64_t bits[MST_BITS_WORDS(ROWS_MAX)]) {
  mst_error err;
  if (mst_predicate_eval(p, &s->batch, bits, &err) != MST_OK) fail_msg("%s: %s", mst_buf_text(&s->text), err.message);
  if (s->rows % 64 != 0) assert_int_equal(bits[s->rows / 64] >> (s->rows % 64), 0);
}

static void check_rows(const scene *s, const mst_predicate *p) {
  uint64_t bits[MST_BITS_WORDS(ROWS_MAX)] = {0};
  eval(s, p, bits);
  for (size_t i = 0; i < s->rows; i++)
    if (mst_bits_get(bits, i) != naive_test(s->columns, s->condition, (int64_t)i))
      fail_msg("row %zu of %zu: %s", i, s->rows, mst_buf_text(&s->text));
}

/* The canonical text means the same and is its own canonical text. */
static void check_text(const scene *s) {
  mst_buf once, twice;
  mst_where *again = NULL;
  mst_predicate *p = NULL;
  mst_buf_init(&once, NULL, 1 << 20);
  mst_buf_init(&twice, NULL, 1 << 20);
  assert_int_equal(mst_where_text(s->where, &once, NULL), MST_OK);
  if (mst_where_parse(NULL, mst_buf_text(&once), once.size, &again, NULL) != MST_OK)
    fail_msg("%s", mst_buf_text(&once));
  assert_int_equal(mst_where_text(again, &twice, NULL), MST_OK);
  assert_string_equal(mst_buf_text(&once), mst_buf_text(&twice));
  assert_int_equal(mst_predicate_bind(NULL, again, &s->schema, &p, NULL), MST_OK);
  check_rows(s, p);
  mst_predicate_unref(p);
  mst_where_unref(again);
  mst_buf_free(&once);
  mst_buf_free(&twice);
}

static int column_of(const scene *s, const char *name) {
  for (int k = 0; k < s->n_columns; k++)
    if (strcmp(s->columns[k].name, name) == 0) return k;
  fail();
  return 0;
}

static mst_scalar scalar_of(const char *format, const cell *c) {
  if (c->null) return mst_scalar_null();
  switch (class_of(format)) {
  case MST_SCALAR_DOUBLE: return mst_scalar_double(c->f);
  case MST_SCALAR_BYTES: return mst_scalar_bytes(c->s, c->n);
  case MST_SCALAR_WIDE: return (mst_scalar){.kind = MST_SCALAR_WIDE, .as.wide = mst_wide_from_i64(c->i)};
  case MST_SCALAR_UINT: return mst_scalar_uint((uint64_t)c->i);
  default: return mst_scalar_int(c->i);
  }
}

/* True bounds, some of them left out, widened, or cut to a prefix. */
static void honest_bounds(void *self, size_t column, mst_bounds *out) {
  const scene *s = self;
  size_t n_columns;
  const char *name = mst_predicate_columns(s->predicate, &n_columns)[column].name;
  const test_column *t = &s->columns[column_of(s, name)];
  bool nan = false;
  for (size_t i = 0; i < s->rows; i++) {
    const mst_scalar v = scalar_of(t->format, &t->cells[i]);
    if (t->cells[i].null) {
      out->nulls++;
      continue;
    }
    if (v.kind == MST_SCALAR_DOUBLE && isnan(v.as.f)) {
      nan = true;
      continue;
    }
    if (!out->has_min || mst_scalar_compare(&v, &out->min) < 0) out->min = v;
    if (!out->has_max || mst_scalar_compare(&v, &out->max) > 0) out->max = v;
    out->has_min = out->has_max = true;
  }
  out->has_nulls = cell_below(4) > 0;
  out->nan_free = !nan && cell_below(4) > 0;
  if (cell_below(6) == 0) out->has_min = false;
  if (cell_below(6) == 0) out->has_max = false;
  if (cell_below(5) == 0 && out->has_min && out->min.kind == MST_SCALAR_INT && out->min.as.i > INT64_MIN)
    out->min.as.i--;
  if (cell_below(5) == 0 && out->has_min && out->min.kind == MST_SCALAR_BYTES && out->min.as.bytes.size > 0)
    out->min.as.bytes.size--;
  if (cell_below(5) == 0 && out->has_max && out->max.kind == MST_SCALAR_DOUBLE) out->max.as.f += 1;
}

static long pruned_none, pruned_all;

static void check_prune(scene *s) {
  const mst_prune verdict = mst_predicate_prune(s->predicate, s->rows, honest_bounds, s);
  if (s->rows == 0) assert_int_equal(verdict, MST_PRUNE_NONE);
  for (size_t i = 0; i < s->rows; i++) {
    const bool truth = naive_test(s->columns, s->condition, (int64_t)i);
    if ((verdict == MST_PRUNE_NONE && truth) || (verdict == MST_PRUNE_ALL && !truth))
      fail_msg("pruned wrongly (%d) at row %zu: %s", verdict, i, mst_buf_text(&s->text));
  }
  pruned_none += s->rows > 0 && verdict == MST_PRUNE_NONE;
  pruned_all += verdict == MST_PRUNE_ALL;
}

static bool honest_probe(void *self, size_t column, const mst_scalar *value) {
  const scene *s = self;
  size_t n;
  const test_column *t = &s->columns[column_of(s, mst_predicate_columns(s->predicate, &n)[column].name)];
  for (size_t i = 0; i < s->rows; i++) {
    const mst_scalar v = scalar_of(t->format, &t->cells[i]);
    if (v.kind == MST_SCALAR_DOUBLE && signbit(v.as.f) != signbit(value->as.f))
      continue; /* by its bits, as hashes see it */
    if (mst_scalar_equal(&v, value)) return true;
  }
  return cell_below(20) == 0;
}

static long probed_none;

static void check_probe(scene *s) {
  const mst_prune verdict = mst_predicate_probe(s->predicate, honest_probe, s);
  assert_int_not_equal(verdict, MST_PRUNE_ALL);
  for (size_t i = 0; verdict == MST_PRUNE_NONE && i < s->rows; i++)
    if (naive_test(s->columns, s->condition, (int64_t)i)) fail_msg("probed wrongly: %s", mst_buf_text(&s->text));
  probed_none += verdict == MST_PRUNE_NONE;
}

static long value_sets;

static void check_values(const scene *s) {
  size_t n_columns;
  const mst_predicate_column *columns = mst_predicate_columns(s->predicate, &n_columns);
  for (size_t k = 0; k < n_columns; k++) {
    const test_column *t = &s->columns[column_of(s, columns[k].name)];
    mst_value_set set;
    assert_int_equal(mst_predicate_values(s->predicate, k, &set, NULL), MST_OK);
    value_sets += !set.any;
    for (size_t i = 0; i < s->rows; i++) {
      const mst_scalar v = scalar_of(t->format, &t->cells[i]);
      bool found = set.any;
      if (!naive_test(s->columns, s->condition, (int64_t)i)) continue;
      if (v.kind == MST_SCALAR_NULL) found = set.nulls;
      else if (v.kind == MST_SCALAR_DOUBLE && isnan(v.as.f)) found = set.any || set.nans;
      for (size_t j = 0; j < set.n; j++) found = found || mst_scalar_equal(&set.values[j], &v);
      if (!found) fail_msg("a row matches beside the values of %s: %s", t->name, mst_buf_text(&s->text));
    }
    for (size_t j = 1; j < set.n; j++) assert_true(mst_scalar_compare(&set.values[j - 1], &set.values[j]) <= 0);
    mst_value_set_free(&set);
  }
}

static long reduced;

/* Row by row, with some of its values known. */
static void check_reduce(const scene *s) {
  size_t n_columns;
  const mst_predicate_column *columns = mst_predicate_columns(s->predicate, &n_columns);
  uint64_t bits[MST_BITS_WORDS(ROWS_MAX)] = {0};
  for (size_t i = 0; i < s->rows && i < 12; i++) {
    const bool truth = naive_test(s->columns, s->condition, (int64_t)i);
    const mst_scalar *known[COLUMNS_MAX] = {NULL};
    mst_scalar values[COLUMNS_MAX];
    mst_prune verdict;
    mst_where *left = NULL;
    mst_predicate *p = NULL;
    bool constant;
    for (size_t k = 0; k < n_columns; k++) {
      const test_column *t = &s->columns[column_of(s, columns[k].name)];
      values[k] = scalar_of(t->format, &t->cells[i]);
      if (cell_below(2) == 0) known[k] = &values[k];
    }
    assert_int_equal(mst_predicate_reduce(s->predicate, known, &verdict, &left, NULL), MST_OK);
    if (verdict != MST_PRUNE_SOME) {
      assert_true(mst_where_is_constant(left, &constant));
      if (constant != truth || (verdict == MST_PRUNE_ALL) != truth)
        fail_msg("reduced wrongly: %s", mst_buf_text(&s->text));
      reduced++;
    } else {
      assert_int_equal(mst_predicate_bind(NULL, left, &s->schema, &p, NULL), MST_OK);
      eval(s, p, bits);
      if (mst_bits_get(bits, i) != truth) fail_msg("row %zu: what is left is wrong: %s", i, mst_buf_text(&s->text));
    }
    mst_predicate_unref(p);
    mst_where_unref(left);
  }
}

static void random_conditions(void **state) {
  (void)state;
  for (int round = 0; round < 6000; round++) {
    scene s = {.n_columns = 0};
    make_table(&s);
    make_condition(&s);
    check_rows(&s, s.predicate);
    check_text(&s);
    check_prune(&s);
    check_probe(&s);
    check_values(&s);
    check_reduce(&s);
    free_scene(&s);
  }
  /* Silence would be sound as well. */
  assert_true(pruned_none > 100 && pruned_all > 100 && probed_none > 100 && value_sets > 100 && reduced > 1000);
}

static void random_conditions_plain(void **state) {
  setenv("MESETA_KERNELS", "portable", 1);
  random_conditions(state);
  unsetenv("MESETA_KERNELS");
}

/* ---- bounds of texts, all of them
 * ---------------------------------------------------------------------------------------- */

enum { WORDS = 31 }; /* over a and b, of up to four letters */

typedef struct word_bounds {
  mst_scalar words[WORDS]; /* sorted */
  int min, max;
} word_bounds;

static void tell_words(void *self, size_t column, mst_bounds *out) {
  const word_bounds *w = self;
  (void)column;
  *out = (mst_bounds){
      .has_min = true, .has_max = true, .min = w->words[w->min], .max = w->words[w->max], .has_nulls = true};
}

static int order_words(const void *a, const void *b) { return mst_scalar_compare(a, b); }

/* Which words match, one row each. */
static void match_words(const word_bounds *w, const mst_predicate *p, uint64_t *bits) {
  const mst_field field = {"v", "u", true, NULL, 0};
  struct ArrowArray batch;
  mst_builder *b = NULL;
  assert_int_equal(mst_builder_new(NULL, &field, &b, NULL), MST_OK);
  for (int i = 0; i < WORDS; i++) mst_builder_bytes(b, w->words[i].as.bytes.data, w->words[i].as.bytes.size, NULL);
  assert_int_equal(mst_batch_take(NULL, &b, 1, &batch, NULL), MST_OK);
  assert_int_equal(mst_predicate_eval(p, &batch, bits, NULL), MST_OK);
  mst_array_release(&batch);
  mst_builder_free(b);
}

static void text_bounds(void **state) {
  static const char *const conditions[] = {"v like 'a%'",
                                           "v like 'ab%'",
                                           "v like 'ba'",
                                           "v like '%'",
                                           "v like '%b'",
                                           "v like 'a_'",
                                           "v like 'b%a'",
                                           "v like ''",
                                           "not v like 'b%'",
                                           "v < 'ab'",
                                           "v <= 'ab'",
                                           "v > 'ab'",
                                           "v >= 'ab'",
                                           "v = 'ab'",
                                           "v != 'ab'",
                                           "v in ('a', 'ba', 'zz')",
                                           "v not in ('', 'bbbb')",
                                           "v between 'ab' and 'ba'",
                                           "v > 'a' and v < 'b'",
                                           "v < 'a' or v > 'b'",
                                           "v is null",
                                           "v is not null",
                                           "v = 'c'",
                                           "v != 'c'"};
  static const mst_field field = {"v", "u", true, NULL, 0};
  uint8_t letters[WORDS][4];
  word_bounds w = {.min = 0};
  struct ArrowSchema schema;
  int n = 0;
  (void)state;
  for (size_t size = 0; size <= 4; size++) {
    for (unsigned k = 0; k < 1u << size; k++, n++) {
      for (size_t i = 0; i < size; i++) letters[n][i] = (uint8_t)('a' + (k >> i & 1));
      w.words[n] = mst_scalar_bytes(letters[n], size);
    }
  }
  qsort(w.words, WORDS, sizeof w.words[0], order_words);
  assert_int_equal(mst_schema_make(NULL, &field, 1, &schema, NULL), MST_OK);
  for (size_t k = 0; k < sizeof conditions / sizeof conditions[0]; k++) {
    mst_where *where = NULL;
    mst_predicate *p = NULL;
    uint64_t bits;
    long decided = 0;
    assert_int_equal(mst_where_parse(NULL, conditions[k], strlen(conditions[k]), &where, NULL), MST_OK);
    assert_int_equal(mst_predicate_bind(NULL, where, &schema, &p, NULL), MST_OK);
    match_words(&w, p, &bits);
    for (w.min = 0; w.min < WORDS; w.min++) {
      for (w.max = w.min; w.max < WORDS; w.max++) {
        const unsigned count = (unsigned)(w.max - w.min + 1);
        const uint64_t within = bits >> w.min & mst_mask_low(count);
        const mst_prune verdict = mst_predicate_prune(p, count, tell_words, &w);
        if (verdict == MST_PRUNE_NONE && within != 0)
          fail_msg("%s: words %d to %d are ruled out", conditions[k], w.min, w.max);
        if (verdict == MST_PRUNE_ALL && within != mst_mask_low(count))
          fail_msg("%s: words %d to %d are let in", conditions[k], w.min, w.max);
        decided += verdict != MST_PRUNE_SOME;
      }
    }
    if (strcmp(conditions[k], "v like '%b'") != 0) assert_true(decided > 0);
    mst_predicate_unref(p);
    mst_where_unref(where);
  }
  mst_schema_release(&schema);
}

/* ---- allocation faults
 * -------------------------------------------------------------------------------------------------- */

static mst_status all_of_it(const mst_allocator *mem, const scene *s, uint64_t *bits, mst_error *err) {
  mst_status status = MST_OK;
  mst_where *w = NULL, *left = NULL;
  mst_predicate *p = NULL;
  mst_value_set set = {0};
  const mst_scalar *known[COLUMNS_MAX] = {NULL};
  const mst_scalar null = mst_scalar_null();
  mst_prune verdict;
  size_t n;
  MST_TRY(mst_where_parse(mem, mst_buf_text(&s->text), s->text.size, &w, err));
  MST_TRY(mst_predicate_bind(mem, w, &s->schema, &p, err));
  MST_TRY(mst_predicate_eval(p, &s->batch, bits, err));
  mst_predicate_columns(p, &n);
  if (n > 0) {
    known[0] = &null;
    MST_TRY(mst_predicate_values(p, 0, &set, err));
  }
  status = mst_predicate_reduce(p, known, &verdict, &left, err);
done:
  mst_value_set_free(&set);
  mst_where_unref(left);
  mst_predicate_unref(p);
  mst_where_unref(w);
  return status;
}

static void every_allocation_fails(void **state) {
  (void)state;
  for (int round = 0; round < 60; round++) {
    scene s = {.n_columns = 0};
    make_table(&s);
    make_condition(&s);
    for (int persistent = 0; persistent < 2; persistent++) {
      for (long n = 1;; n++) {
        mst_test_allocator a;
        uint64_t bits[MST_BITS_WORDS(ROWS_MAX)] = {0};
        mst_error err;
        mst_status status;
        mst_test_allocator_init(&a, n, persistent != 0);
        status = all_of_it(&a.allocator, &s, bits, &err);
        assert_int_equal(a.live_blocks, 0);
        if (!a.failed) {
          assert_int_equal(status, MST_OK);
          break;
        }
        assert_int_equal(status, MST_E_NO_MEMORY);
      }
    }
    free_scene(&s);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(random_conditions),
      cmocka_unit_test(random_conditions_plain),
      cmocka_unit_test(text_bounds),
      cmocka_unit_test(every_allocation_fails),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
