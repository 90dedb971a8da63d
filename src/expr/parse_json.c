/* expr/parse_json.c - conditions from the list form: [[[column, operator, value], …], …], an "or" of "and"s.
 *
 * Owns: nothing once it is done. May call: base, column. */
#include <math.h>

#include "expr/node.h"

typedef struct list_reader {
  const mst_allocator *mem;
  mst_buf texts; /* of numbers and bytes that JSON does not hold as such; never grows while literals point into it */
  const char *column;
  mst_error *err;
} list_reader;

typedef enum list_op { LIST_COMPARE, LIST_IN, LIST_NOT_IN, LIST_LIKE, LIST_NOT_LIKE } list_op;

static const struct {
  const char *text;
  list_op op;
  mst_compare_op compare;
} operators[] = {
    {"==", LIST_COMPARE, MST_EQ},
    {"=", LIST_COMPARE, MST_EQ},
    {"!=", LIST_COMPARE, MST_NE},
    {"<>", LIST_COMPARE, MST_NE},
    {"<", LIST_COMPARE, MST_LT},
    {"<=", LIST_COMPARE, MST_LE},
    {">", LIST_COMPARE, MST_GT},
    {">=", LIST_COMPARE, MST_GE},
    {"is distinct from", LIST_COMPARE, MST_NE},
    {"is not distinct from", LIST_COMPARE, MST_EQ},
    {"is", LIST_COMPARE, MST_EQ},
    {"is not", LIST_COMPARE, MST_NE},
    {"in", LIST_IN, MST_EQ},
    {"not in", LIST_NOT_IN, MST_EQ},
    {"like", LIST_LIKE, MST_EQ},
    {"not like", LIST_NOT_LIKE, MST_EQ},
};

static const struct {
  const char *name;
  mst_literal_kind kind;
} types[] = {
    {"date", MST_LITERAL_DATE},    {"timestamp", MST_LITERAL_TIMESTAMP}, {"timestamptz", MST_LITERAL_TIMESTAMP},
    {"time", MST_LITERAL_TIME},    {"duration", MST_LITERAL_DURATION},   {"decimal", MST_LITERAL_NUMBER},
    {"binary", MST_LITERAL_BYTES}, {"float", MST_LITERAL_DOUBLE},
};

static const char *json_name(const json_t *value) {
  switch (json_typeof(value)) {
  case JSON_OBJECT: return "an object";
  case JSON_ARRAY: return "a list";
  case JSON_STRING: return "a text";
  case JSON_NULL: return "null";
  case JSON_TRUE:
  case JSON_FALSE: return "a boolean";
  default: return "a number";
  }
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static bool put_hex_bytes(const char *text, size_t n, uint8_t *out) { return n % 2 == 0 && mst_unhex(text, n, out); }

/* {"type": T, "value": text} */
static mst_status read_typed(list_reader *r, const json_t *object, mst_literal *out) {
  const char *type = json_string_value(json_object_get(object, "type"));
  const json_t *value = json_object_get(object, "value");
  const char *text = json_string_value(value);
  size_t n = json_string_length(value), i = 0;
  uint8_t *room = r->texts.data + r->texts.size;
  const size_t count = sizeof types / sizeof types[0];
  if (type == NULL || value == NULL || json_object_size(object) != 2)
    return mst_fail(r->err, MST_E_ARGUMENT,
                    "condition: a value of column \"%.80s\" is an object, which must be {\"type\": …, \"value\": …}",
                    r->column);
  while (i < count && strcmp(types[i].name, type) != 0) i++;
  if (i == count)
    return mst_fail(r->err, MST_E_ARGUMENT, "condition: column \"%.80s\": there is no type \"%.40s\" of values",
                    r->column, type);
  *out = (mst_literal){.kind = types[i].kind, .as.text = {text, n}};
  if (text != NULL && out->kind == MST_LITERAL_BYTES && put_hex_bytes(text, n, room)) {
    out->as.text.data = (const char *)room;
    out->as.text.size = n / 2;
    r->texts.size += n / 2;
    return MST_OK;
  }
  if (text != NULL && out->kind == MST_LITERAL_DOUBLE && mst_number_f64(text, n, &out->as.f)) return MST_OK;
  if (text != NULL && out->kind != MST_LITERAL_BYTES && out->kind != MST_LITERAL_DOUBLE && mst_literal_is_sound(out))
    return MST_OK;
  return mst_fail(r->err, MST_E_ARGUMENT, "condition: column \"%.80s\": %s%.60s%s is no value of type %s", r->column,
                  text != NULL ? "\"" : "", text != NULL ? text : json_name(value), text != NULL ? "\"" : "", type);
}

static mst_status read_value(list_reader *r, const json_t *value, mst_literal *out) {
  switch (json_typeof(value)) {
  case JSON_NULL: *out = (mst_literal){.kind = MST_LITERAL_NULL}; return MST_OK;
  case JSON_TRUE:
  case JSON_FALSE: *out = (mst_literal){.kind = MST_LITERAL_BOOL, .as.b = json_is_true(value)}; return MST_OK;
  case JSON_INTEGER: *out = (mst_literal){.kind = MST_LITERAL_INT, .as.i = json_integer_value(value)}; return MST_OK;
  case JSON_REAL: *out = (mst_literal){.kind = MST_LITERAL_DOUBLE, .as.f = json_real_value(value)}; return MST_OK;
  case JSON_STRING:
    *out = (mst_literal){.kind = MST_LITERAL_TEXT, .as.text = {json_string_value(value), json_string_length(value)}};
    return MST_OK;
  case JSON_OBJECT: return read_typed(r, value, out);
  case JSON_ARRAY: break;
  }
  return mst_fail(r->err, MST_E_ARGUMENT,
                  "condition: column \"%.80s\" is compared with a list; only \"in\" and \"not in\" take lists",
                  r->column);
}

static bool is_nan(const mst_literal *l) { return l->kind == MST_LITERAL_DOUBLE && isnan(l->as.f); }

/* ---- conditions ---------------------------------------------------------------------------------------------------
 */

/* NaN stands for a missing value, whatever the column's type: pandas knows no other null in many of them. */
static mst_status list_missing(list_reader *r, bool negated, mst_where **out) {
  mst_status status = MST_OK;
  mst_where *parts[2] = {NULL, NULL}, *either = NULL;
  MST_TRY(mst_where_is_null(r->mem, r->column, false, &parts[0], r->err));
  MST_TRY(mst_where_is_nan(r->mem, r->column, false, &parts[1], r->err));
  MST_TRY(mst_where_or(r->mem, parts, 2, &either, r->err));
  if (negated) status = mst_where_not(r->mem, either, out, r->err);
  else *out = mst_where_ref(either);
done:
  mst_where_unref(parts[0]);
  mst_where_unref(parts[1]);
  mst_where_unref(either);
  return status;
}

static mst_status list_compare(list_reader *r, mst_compare_op op, const json_t *value, mst_where **out) {
  mst_literal literal;
  mst_status status = read_value(r, value, &literal);
  if (status != MST_OK) return status;
  if (is_nan(&literal) && (op == MST_EQ || op == MST_NE)) return list_missing(r, op == MST_NE, out);
  return mst_where_compare(r->mem, r->column, op, &literal, out, r->err);
}

/* NaN in the list is a test of its own. */
static mst_status list_in(list_reader *r, bool negated, const json_t *list, mst_where **out) {
  mst_status status = MST_OK;
  mst_block values;
  mst_literal literal;
  mst_where *parts[2] = {NULL, NULL}, *either = NULL;
  bool nan = false;
  mst_block_init(&values, r->mem);
  if (!json_is_array(list))
    return mst_fail(r->err, MST_E_ARGUMENT, "condition: column \"%.80s\": \"in\" needs a list, found %s", r->column,
                    json_name(list));
  for (size_t i = 0; i < json_array_size(list); i++) {
    MST_TRY(read_value(r, json_array_get(list, i), &literal));
    if (is_nan(&literal)) nan = true;
    else MST_TRY(mst_block_put(&values, &literal, sizeof literal, r->err));
  }
  MST_TRY(mst_where_in(r->mem, r->column, (const mst_literal *)(const void *)values.data, values.size / sizeof literal,
                       negated && !nan, &parts[0], r->err));
  if (nan) {
    MST_TRY(list_missing(r, false, &parts[1]));
    MST_TRY(mst_where_or(r->mem, parts, 2, &either, r->err));
    if (negated) MST_TRY(mst_where_not(r->mem, either, out, r->err));
    else *out = mst_where_ref(either);
  } else {
    *out = mst_where_ref(parts[0]);
  }
done:
  mst_where_unref(parts[0]);
  mst_where_unref(parts[1]);
  mst_where_unref(either);
  mst_block_free(&values);
  return status;
}

static mst_status list_clause(list_reader *r, const json_t *clause, size_t number, mst_where **out) {
  const json_t *value = json_array_get(clause, 2);
  const char *op = json_string_value(json_array_get(clause, 1));
  const size_t count = sizeof operators / sizeof operators[0];
  size_t i = 0;
  r->column = json_string_value(json_array_get(clause, 0));
  if (json_array_size(clause) != 3 || r->column == NULL || op == NULL)
    return mst_fail(r->err, MST_E_ARGUMENT, "condition: clause %zu is not a list of column, operator and value",
                    number);
  while (i < count && !mst_text_equal_nocase(operators[i].text, op)) i++;
  if (i == count)
    return mst_fail(r->err, MST_E_ARGUMENT, "condition: column \"%.80s\": there is no operator \"%.40s\"", r->column,
                    op);
  switch (operators[i].op) {
  case LIST_IN:
  case LIST_NOT_IN: return list_in(r, operators[i].op == LIST_NOT_IN, value, out);
  case LIST_LIKE:
  case LIST_NOT_LIKE:
    if (!json_is_string(value))
      return mst_fail(r->err, MST_E_ARGUMENT, "condition: column \"%.80s\": \"like\" needs a text", r->column);
    return mst_where_like(r->mem, r->column, json_string_value(value), json_string_length(value), 0,
                          operators[i].op == LIST_NOT_LIKE, out, r->err);
  case LIST_COMPARE: break;
  }
  return list_compare(r, operators[i].compare, value, out);
}

typedef mst_status (*read_part)(list_reader *r, const json_t *value, size_t number, mst_where **out);

/* Every item of a list, joined. */
static mst_status read_all(list_reader *r, const json_t *list, read_part read, bool both, mst_where **out) {
  mst_status status = MST_OK;
  const size_t n = json_array_size(list);
  mst_where **parts = NULL;
  size_t made = 0;
  mst_error *err = r->err;
  MST_TRY_ALLOC(parts = mst_alloc_array(r->mem, n, sizeof(mst_where *)));
  for (; made < n; made++) MST_TRY(read(r, json_array_get(list, made), made, &parts[made]));
  status = both ? mst_where_and(r->mem, parts, n, out, err) : mst_where_or(r->mem, parts, n, out, err);
done:
  for (size_t i = 0; i < made; i++) mst_where_unref(parts[i]);
  mst_free(r->mem, parts);
  return status;
}

static mst_status list_conjunction(list_reader *r, const json_t *list, size_t number, mst_where **out) {
  if (!json_is_array(list))
    return mst_fail(r->err, MST_E_ARGUMENT, "condition: conjunction %zu is %s, not a list of clauses", number,
                    json_name(list));
  if (json_array_size(list) == 0)
    return mst_fail(r->err, MST_E_ARGUMENT, "condition: conjunction %zu is empty", number);
  if (!json_is_array(json_array_get(list, 0)))
    return mst_fail(r->err, MST_E_ARGUMENT, "condition: conjunction %zu is not a list of [column, operator, value]",
                    number);
  return read_all(r, list, list_clause, true, out);
}

mst_status mst_where_parse_json(const mst_allocator *mem, const char *json, size_t size, mst_where **out,
                                mst_error *err) {
  mst_status status = MST_OK;
  list_reader r = {.mem = mem, .err = err};
  json_t *value = NULL;
  mst_buf_init(&r.texts, mem, MST_WHERE_TEXT_MAX);
  status = mst_json_parse(json, size, MST_WHERE_TEXT_MAX, "condition", &value, err);
  if (status == MST_E_CORRUPT) { /* here it is an argument */
    status = MST_E_ARGUMENT;
    if (err != NULL) err->status = status;
  }
  if (status != MST_OK) return status;
  MST_TRY(mst_buf_reserve(&r.texts, size, err));
  if (json_is_string(value)) {
    status = mst_where_parse(mem, json_string_value(value), json_string_length(value), out, err);
  } else if (!json_is_array(value)) {
    status = mst_fail(err, MST_E_ARGUMENT, "condition: expected a list of lists of [column, operator, value], found %s",
                      json_name(value));
  } else if (json_array_size(value) == 0) {
    status = mst_fail(err, MST_E_ARGUMENT, "condition: empty predicates: the list has no conjunction");
  } else {
    status = read_all(&r, value, list_conjunction, false, out);
  }
done:
  json_decref(value);
  mst_buf_free(&r.texts);
  return status;
}

mst_status mst_where_parse_any(const mst_allocator *mem, const char *text, size_t size, mst_where **out,
                               mst_error *err) {
  size_t i = 0;
  while (i < size && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r')) i++;
  if (i < size && text[i] == '[') return mst_where_parse_json(mem, text, size, out, err);
  return mst_where_parse(mem, text, size, out, err);
}
