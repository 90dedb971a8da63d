/* tests/expr/test_where.c - conditions as text and as lists: what they mean, what they print, what is refused and how;
 * and literals against columns of every type. */
#include <stdlib.h>
#include <string.h>

#include "column/cells.h"
#include "expr/expr.h"
#include "support/support.h"

/* What `text` prints, or the error's message; to be freed. */
static char *canonical(const char *text, mst_status *status, int64_t *offset) {
  mst_error err = {0};
  mst_where *w = NULL;
  mst_buf out;
  char *copy;
  mst_buf_init(&out, NULL, 1 << 20);
  *status = mst_where_parse_any(NULL, text, strlen(text), &w, &err);
  *offset = err.offset;
  if (*status == MST_OK) assert_int_equal(mst_where_text(w, &out, NULL), MST_OK);
  copy = strdup(*status == MST_OK ? mst_buf_text(&out) : err.message);
  mst_where_unref(w);
  mst_buf_free(&out);
  return copy;
}

static void texts(void **state) {
  static const char *const cases[][2] = {
      {"a=1", "a == 1"},
      {"a = 1 AND b <> 'it''s' Or NOT (c IN (1,2, NULL) )", "a == 1 and b != 'it''s' or not c in (1, 2, null)"},
      {"(a = 1 or b = 2) and c = 3", "(a == 1 or b == 2) and c == 3"},
      {"a = 1 or b = 2 and c = 3", "a == 1 or b == 2 and c == 3"},
      {"a=1 and (b=2 and c=3)", "a == 1 and b == 2 and c == 3"},
      {"not (a = 1 or b = 2)", "not (a == 1 or b == 2)"},
      {"not a = 1 and b = 2", "not a == 1 and b == 2"},
      {"x between 1 and - 2.5e3", "x >= 1 and x <= -2.5e3"},
      {"x not between 1 and 2 and y = 3", "not (x >= 1 and x <= 2) and y == 3"},
      {"a.b.\"c d\" is not null", "\"a.b.c d\" is not null"},
      {"\"Order\" = .5", "Order == .5"},
      {"\"or\" = 5.", "\"or\" == 5."},
      {"\"a\"\"b\" = 1", "\"a\"\"b\" == 1"},
      {"s not like 'a\\%_%' escape '\\'", "s not like 'a\\%_%' escape '\\'"},
      {"s like 'x\xc3\xa4_' escape '\xc3\xa4'", "s like 'x\xc3\xa4_' escape '\xc3\xa4'"},
      {"date > date '2024-02-29'", "date > date '2024-02-29'"},
      {"t >= timestamptz '2024-02-29T12:00:00+01:00'", "t >= timestamp '2024-02-29T12:00:00+01:00'"},
      {"t < time '12:30'", "t < time '12:30'"},
      {"t < interval '1d 2.5h'", "t < duration '1d 2.5h'"},
      {"b = x'0AFF'", "b == x'0aff'"},
      {"5 <= x", "x >= 5"},
      {"'a' <> x", "x != 'a'"},
      {"flag and not other", "flag == true and not other == true"},
      {"flag is not true or other is false", "flag != true or other == false"},
      {"a = null or b != null", "a is null or b is not null"},
      {"a is distinct from 3", "a != 3"},
      {"a is not distinct from null", "a is null"},
      {"a is nan", "a is nan"},
      {"a in (float '-inf', -1)", "a in (float '-inf', -1)"},
      {"true or false", "true or false"},
      {"gr\xc3\xbc\xc3\x9f"
       "e = 'x'",
       "\"gr\xc3\xbc\xc3\x9f"
       "e\" == 'x'"},
      {"[[[\"a\",\"==\",1],[\"b\",\"in\",[1,null,\"x\"]]],[[\"c\",\"!=\",null]]]",
       "a == 1 and b in (1, null, 'x') or c is not null"},
      {"[[[\"a b\",\"not in\",[0.1,1e300,true]]]]", "\"a b\" not in (0.1, 1e+300, true)"},
      {"[[[\"d\",\"is distinct from\",{\"type\":\"date\",\"value\":\"2026-01-01\"}]]]", "d != date '2026-01-01'"},
      {"[[[\"d\",\"==\",{\"type\":\"decimal\",\"value\":\"12345678901234567890.5\"}]]]", "d == 12345678901234567890.5"},
      {"[[[\"d\",\"<\",{\"type\":\"binary\",\"value\":\"00Ff\"}]]]", "d < x'00ff'"},
      {"[[[\"d\",\"==\",{\"type\":\"float\",\"value\":\"nan\"}]]]", "d is null or d is nan"},
      {"[[[\"d\",\"!=\",{\"type\":\"float\",\"value\":\"NaN\"}]]]", "not (d is null or d is nan)"},
      {"[[[\"d\",\"<\",{\"type\":\"float\",\"value\":\"inf\"}]]]", "d < float 'inf'"},
      {"[[[\"e\",\"not in\",[1,{\"type\":\"float\",\"value\":\"nan\"}]]]]", "not (e in (1) or e is null or e is nan)"},
      {"[[[\"e\",\"in\",[]]]]", "false"},
      {"[[[\"e\",\"not in\",[]]]]", "true"},
      {"[[[\"e\",\"like\",\"a%\"]]]", "e like 'a%'"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    mst_status status;
    int64_t offset;
    char *got = canonical(cases[i][0], &status, &offset), *again;
    if (status != MST_OK) fail_msg("%s: %s", cases[i][0], got);
    assert_string_equal(got, cases[i][1]);
    again = canonical(got, &status, &offset);
    assert_string_equal(again, got);
    free(got);
    free(again);
  }
}

static void refusals(void **state) {
  static const struct {
    const char *text, *part;
    int64_t offset;
  } cases[] = {
      {"", "is empty", -1},
      {"  ", "is empty", -1},
      {"a = ", "ends where a value", 4},
      {"a = b", "found the name \"b\"; text is written as 'b'", 4},
      {"(a=1", "ends where \"and\", \"or\" or \")\"", 4},
      {"a=1)", "found \")\"", 3},
      {"a == 'x", "is not closed by '", 5},
      {"\"a = 1", "is not closed by \"", 0},
      {"a in ()", "expected a value at character 7", 6},
      {"a in (1,)", "expected a value", 8},
      {"a in 1", "\"(\" behind \"in\"", 5},
      {"a not 1", "behind \"not\"", 6},
      {"a is 1", "\"null\"", 5},
      {"1abc = 2", "needs \"quotes\"", 0},
      {"a ~ 2", "unexpected \"~\"", 2},
      {"1 < x < 3", "do not chain", 6},
      {"1 < 2", "expected a column", 4},
      {"a < null", "only == and != know null", -1},
      {"x = date '2026-02-29'", "is no date", 9},
      {"x = date '2026-1-1'", "is no date", 9},
      {"x = timestamp '2026-01-01 25:00'", "is no timestamp", 14},
      {"x = time '12:60'", "is no time", 9},
      {"x = duration '5'", "is no duration", 13},
      {"x = x'0g'", "hexadecimal", 5},
      {"x like y", "a 'pattern'", 7},
      {"x like 'y' escape 'ab'", "one 'character'", 18},
      {"x like 'y\\' escape '\\'", "ends with its escape", -1},
      {"and", "expected a column", 0},
      {"a = 1 b", "\"and\", \"or\" or the end", 6},
      {"a = '\xff'", "is no UTF-8", 5},
      {"a. = 1", "expected a column", 3},
      {"[]", "empty predicates", -1},
      {"[[]]", "conjunction 0 is empty", -1},
      {"[[[\"a\",\"==\",1]],[]]", "conjunction 1 is empty", -1},
      {"[[\"a\",\"==\",1]]", "conjunction 0 is not a list", -1},
      {"[1]", "conjunction 0 is a number", -1},
      {"[[[\"a\",\"==\"]]]", "clause 0", -1},
      {"[[[1,\"==\",1]]]", "clause 0", -1},
      {"[[[\"a\",\"==\",[1]]]]", "compared with a list", -1},
      {"[[[\"a\",\"in\",3]]]", "needs a list, found a number", -1},
      {"[[[\"a\",\"~\",3]]]", "no operator \"~\"", -1},
      {"[[[\"a\",\"like\",3]]]", "\"like\" needs a text", -1},
      {"[[[\"a\",\"==\",{\"type\":\"day\",\"value\":\"x\"}]]]", "no type \"day\"", -1},
      {"[[[\"a\",\"==\",{\"type\":\"date\",\"value\":\"x\"}]]]", "\"x\" is no value of type date", -1},
      {"[[[\"a\",\"==\",{\"value\":\"x\"}]]]", "which must be", -1},
      {"[[[\"\",\"==\",1]]]", "name is empty", -1},
      {"[[[\"a\",\"==\",1", "not valid JSON", 13},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    mst_status status;
    int64_t offset;
    char *got = canonical(cases[i].text, &status, &offset);
    if (status != MST_E_ARGUMENT) fail_msg("%s: status %d, %s", cases[i].text, status, got);
    if (strstr(got, cases[i].part) == NULL) fail_msg("%s: %s", cases[i].text, got);
    if (offset != cases[i].offset) fail_msg("%s: offset %lld: %s", cases[i].text, (long long)offset, got);
    free(got);
  }
}

/* Hostile sizes: refused in time, and without running out of stack. */
static void limits(void **state) {
  enum { MANY = 300000 };
  char *text = malloc(8 * MANY + 16);
  mst_where *w = NULL;
  mst_error err;
  (void)state;
  memset(text, '(', MANY);
  assert_int_equal(mst_where_parse(NULL, text, MANY, &w, &err), MST_E_LIMIT);
  for (int i = 0; i < MANY; i++) memcpy(text + 4 * i, "not ", 4);
  assert_int_equal(mst_where_parse(NULL, text, 4 * MANY, &w, &err), MST_E_LIMIT);
  for (int i = 0; i < MANY; i++) memcpy(text + 7 * i, i == 0 ? "a=1    " : "or a=1 ", 7);
  assert_int_equal(mst_where_parse(NULL, text, 7 * MANY, &w, &err), MST_E_LIMIT);
  assert_int_equal(mst_where_parse(NULL, text, 7 * 1000, &w, &err), MST_OK); /* a long chain is flat */
  mst_where_unref(w);
  memset(text, '[', MANY);
  assert_int_not_equal(mst_where_parse_any(NULL, text, MANY, &w, &err), MST_OK);
  assert_int_equal(mst_where_parse(NULL, text, MST_WHERE_TEXT_MAX + 1, &w, &err), MST_E_LIMIT);
  free(text);
}

/* A condition shared with itself again and again stays small in memory, but not in nodes. */
static void shared_parts(void **state) {
  const mst_literal one = {.kind = MST_LITERAL_INT, .as.i = 1};
  mst_where *w = NULL, *next = NULL;
  mst_status status = MST_OK;
  int rounds = 0;
  (void)state;
  assert_int_equal(mst_where_compare(NULL, "a", MST_EQ, &one, &w, NULL), MST_OK);
  for (; rounds < 200; rounds++) {
    mst_where *parts[2] = {w, w};
    status = rounds % 2 == 0 ? mst_where_and(NULL, parts, 2, &next, NULL) : mst_where_or(NULL, parts, 2, &next, NULL);
    if (status != MST_OK) break;
    mst_where_unref(w);
    w = next;
  }
  assert_int_equal(status, MST_E_LIMIT);
  assert_in_range(rounds, 10, 30);
  mst_where_unref(w);
}

static void names_of(void **state) {
  static const char text[] = "b = 1 and (a.x in (2) or not b is null) and \"c d\" like 'x'";
  mst_where *w = NULL, *const * parts;
  const char **names;
  size_t n;
  (void)state;
  assert_int_equal(mst_where_parse(NULL, text, strlen(text), &w, NULL), MST_OK);
  assert_int_equal(mst_where_columns(w, NULL, &names, &n, NULL), MST_OK);
  assert_int_equal(n, 3);
  assert_string_equal(names[0], "b");
  assert_string_equal(names[1], "a.x");
  assert_string_equal(names[2], "c d");
  assert_int_equal(mst_where_conjuncts(w, &parts), 3);
  assert_int_equal(mst_where_conjuncts(parts[0], &parts), 0);
  mst_free(NULL, names);
  mst_where_unref(w);
}

/* ---- binding
 * ---------------------------------------------------------------------------------------------------------- */

/* How many of the rows match; the message where binding fails. */
static long count_matches(const char *format, const cell *cells, size_t n, const char *text, mst_error *err) {
  struct ArrowSchema field, schema;
  struct ArrowArray column, batch;
  uint64_t bits[4] = {0};
  mst_where *w = NULL;
  mst_predicate *p = NULL;
  long count = -1;
  cells_make("v", format, CELLS_PLAIN, cells, n, &field, &column);
  cells_batch(&field, &column, 1, (int64_t)n, &schema, &batch);
  assert_int_equal(mst_where_parse_any(NULL, text, strlen(text), &w, err), MST_OK);
  if (mst_predicate_bind(NULL, w, &schema, &p, err) == MST_OK) {
    assert_int_equal(mst_predicate_eval(p, &batch, bits, err), MST_OK);
    count = (long)mst_bits_count(bits, n);
  }
  mst_predicate_unref(p);
  mst_where_unref(w);
  mst_array_release(&batch);
  mst_schema_release(&schema);
  return count;
}

/* Three rows: 0, 1, null. What a condition keeps of them. */
static void literals(void **state) {
  static const struct {
    const char *format, *text;
    long count;
  } cases[] = {
      {"c", "v < 1000", 2},
      {"c", "v > -1000", 2},
      {"c", "v = 1000", 0},
      {"c", "v != 1000", 3},
      {"c", "v < 0.5", 1},
      {"c", "v >= 0.5", 1},
      {"c", "v = 1.000", 1},
      {"c", "v = 10e-1", 1},
      {"c", "v = '1'", 1},
      {"c", "v < 1e99999999999", 2},
      {"c", "v > -1e99999999999", 2},
      {"c", "v > 1e-99999999999", 1},
      {"c", "v < 123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890", 2},
      {"c", "v < float 'inf'", 2},
      {"c", "v >= float '-inf'", 2},
      {"c", "v < float 'nan'", 0},
      {"c", "v != float 'nan'", 3},
      {"C", "v >= 0", 2},
      {"C", "v > -0.5", 2},
      {"C", "v in (-1, 0, 256)", 1},
      {"C", "v not in (-1, 0, 256)", 2},
      {"L", "v < 18446744073709551616", 2},
      {"L", "v <= 18446744073709551615", 2},
      {"l", "v > -9223372036854775809", 2},
      {"l", "v < -9223372036854775808", 0},
      {"b", "v", 1},
      {"b", "not v", 2},
      {"b", "v = false", 1},
      {"b", "v < true", 1},
      {"b", "v = 'true'", 1},
      {"tdD", "v = '1970-01-02'", 1},
      {"tdD", "v > '1970-01-01 12:00'", 1},
      {"tdD", "v = '1970-01-01 12:00'", 0},
      {"tdD", "v < '-0001-12-31'", 0},
      {"tdD", "v < date '+12345-01-01'", 2},
      {"tdm", "v = '1970-01-01 00:00:00.001'", 1},
      {"tss:", "v >= '1970-01-01T00:00:00.000000001'", 1},
      {"tss:UTC", "v = '1970-01-01T01:00:01+01:00'", 1},
      {"tsn:", "v = '1970-01-01T00:00:00.000000001Z'", 1},
      {"tsn:", "v < '9999-12-31'", 2},
      {"tsn:", "v > '0001-01-01'", 2},
      {"tts", "v = '00:00:01'", 1},
      {"ttn", "v = time '00:00:00.000000001'", 1},
      {"tDs", "v = '1s'", 1},
      {"tDs", "v > '999ms'", 1},
      {"tDn", "v = '0.001us'", 1},
      {"tDs", "v = 1", 1},
      {"d:5,2", "v = 0.01", 1},
      {"d:5,2", "v < 0.005", 1},
      {"d:5,2", "v = 0.005", 0},
      {"d:5,-1", "v = 10", 1},
      {"d:5,-1", "v > 5", 1},
      {"n", "v = 1", 0},
      {"n", "v != 1", 3},
      {"n", "v is null", 3},
      {"n", "v in (null)", 3},
      {"n", "v like 'a'", 0},
  };
  const cell rows[3] = {{.i = 0}, {.i = 1}, {.null = true}};
  mst_error err = {0};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const cell nulls[3] = {{.null = true}, {.null = true}, {.null = true}};
    const long got = count_matches(cases[i].format, cases[i].format[0] == 'n' ? nulls : rows, 3, cases[i].text, &err);
    if (got != cases[i].count) fail_msg("%s: %s: %ld rows (%s)", cases[i].format, cases[i].text, got, err.message);
  }
}

/* A number with a point takes the column's type; whole numbers do not. */
static void floats(void **state) {
  const cell tenth[2] = {{.f = 0.1}, {.f = (double)0.1f}}, whole[2] = {{.f = 16777216}, {.f = 16777217}};
  const cell most[1] = {{.f = 3.4028234663852886e38}};
  mst_error err = {0};
  (void)state;
  assert_int_equal(count_matches("g", tenth, 2, "v = 0.1", &err), 1);
  assert_int_equal(count_matches("f", tenth, 2, "v = 0.1", &err), 2);
  assert_int_equal(count_matches("f", tenth, 2, "[[[\"v\",\"==\",0.1]]]", &err), 2);
  assert_int_equal(count_matches("f", tenth, 2, "v < 0.1", &err), 0);
  assert_int_equal(count_matches("f", whole, 2, "v = 16777217", &err), 0);
  assert_int_equal(count_matches("f", whole, 2, "v < 16777217", &err), 2);
  assert_int_equal(count_matches("g", whole, 2, "v < 16777217", &err), 1);
  assert_int_equal(count_matches("f", most, 1, "v = 3.4028235e38", &err), 1);
  assert_int_equal(count_matches("f", most, 1, "v < 1e39", &err), 1);
  assert_int_equal(count_matches("g", most, 1, "v < 1e400", &err), 1);
  assert_int_equal(count_matches("g", most, 1, "v > -1e400", &err), 1);
}

static void misfits(void **state) {
  static const struct {
    const char *format, *text, *part;
  } cases[] = {
      {"i", "v = 'abc'", "column \"v\" is int32, which does not compare with 'abc'"},
      {"i", "v = true", "int32, which does not compare with true"},
      {"i", "v = date '2020-01-01'", "int32"},
      {"b", "v = 1", "write true or false"},
      {"u", "v = 5", "text is written 'in quotes'"},
      {"u", "v = true", "text"},
      {"tdD", "v = 5", "write 'YYYY-MM-DD"},
      {"tdD", "v = '2020-02-30'", "write 'YYYY-MM-DD"},
      {"tsu:UTC", "v = 'now'", "timestamp[us, UTC]"},
      {"ttu", "v = '2020-01-01'", "HH:MM"},
      {"tDs", "v = '12:00'", "column's unit"},
      {"d:5,2", "v = 'x'", "decimal(5, 2)"},
      {"i", "v like 'x'", "\"like\" needs text"},
      {"tin", "v = 'x'", "only \"is null\""},
      {"i", "w = 1", "there is no column \"w\""},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const cell none[1] = {{.null = true}};
    mst_error err = {0};
    assert_int_equal(count_matches(cases[i].format, none, 1, cases[i].text, &err), -1);
    assert_int_equal(err.status, MST_E_ARGUMENT);
    if (strstr(err.message, cases[i].part) == NULL) fail_msg("%s: %s", cases[i].text, err.message);
  }
}

/* Names with dots: whole names come first, then fields of structs; nested columns know null only. */
static void paths(void **state) {
  static const mst_field inner[] = {{"x", "l", true, NULL, 0}, {"y.z", "l", true, NULL, 0}};
  static const mst_field items[] = {{"item", "l", true, NULL, 0}};
  const mst_field fields[] = {{"a.x", "u", true, NULL, 0},
                              {"a", "+s", true, inner, 2},
                              {"l", "+l", true, items, 1},
                              {"twice", "i", true, NULL, 0},
                              {"twice", "i", true, NULL, 0}};
  static const struct {
    const char *text;
    int depth, first, second;
  } cases[] = {{"a.x = 'text'", 1, 0, 0}, {"a.y.z = 1", 2, 1, 1}, {"a is null", 1, 1, 0},  {"l is not null", 1, 2, 0},
               {"l = 1", 0, 0, 0},        {"a = 1", 0, 0, 0},     {"l.item = 1", 0, 0, 0}, {"twice = 1", 0, 0, 0},
               {"a.q = 1", 0, 0, 0},      {"twic = 1", 0, 0, 0}};
  struct ArrowSchema schema;
  (void)state;
  assert_int_equal(mst_schema_make(NULL, fields, 5, &schema, NULL), MST_OK);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    mst_where *w = NULL;
    mst_predicate *p = NULL;
    size_t n;
    const mst_predicate_column *c;
    mst_error err;
    assert_int_equal(mst_where_parse(NULL, cases[i].text, strlen(cases[i].text), &w, NULL), MST_OK);
    assert_int_equal(mst_predicate_bind(NULL, w, &schema, &p, &err), cases[i].depth > 0 ? MST_OK : MST_E_ARGUMENT);
    if (strncmp(cases[i].text, "twic ", 5) == 0) assert_non_null(strstr(err.message, "did you mean \"twice\""));
    if (cases[i].depth > 0) {
      c = mst_predicate_columns(p, &n);
      assert_int_equal(n, 1);
      assert_int_equal(c->depth, cases[i].depth);
      assert_int_equal(c->path[0], cases[i].first);
      if (c->depth > 1) assert_int_equal(c->path[1], cases[i].second);
    }
    mst_predicate_unref(p);
    mst_where_unref(w);
  }
  mst_schema_release(&schema);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(texts),        cmocka_unit_test(refusals), cmocka_unit_test(limits),
      cmocka_unit_test(shared_parts), cmocka_unit_test(names_of), cmocka_unit_test(literals),
      cmocka_unit_test(floats),       cmocka_unit_test(misfits),  cmocka_unit_test(paths),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
