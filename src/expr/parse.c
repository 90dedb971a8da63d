/* expr/parse.c - conditions from SQL-like text, by recursive descent:
 *
 *   either    := both ("or" both)*
 *   both      := single ("and" single)*
 *   single    := "not" single | "(" either ")" | test
 *   test      := column op value | value op column | column ["not"] "in" "(" value, … ")"
 *              | column ["not"] "between" value "and" value | column ["not"] "like" 'pattern' ["escape" 'c']
 *              | column "is" ["not"] ("null" | "nan" | "true" | "false" | "distinct" "from" value)
 *              | column | "true" | "false"
 *
 * Owns: nothing once it is done. May call: base, column. */
#include "expr/lex.h"
#include "expr/node.h"

typedef struct parser {
  const mst_allocator *mem;
  lexer lex;
  token now;
  int depth;
  size_t nodes;
  mst_buf name; /* of the column that is being tested */
  mst_error *err;
} parser;

static mst_status parse_either(parser *p, mst_where **out);

/* ---- tokens ------------------------------------------------------------------------------------------------------ */

static mst_status step(parser *p) { return mst_lex(&p->lex, &p->now, p->err); }

static mst_status expected(const parser *p, const char *what) {
  if (p->now.kind == TOKEN_END)
    return mst_fail_at(p->err, MST_E_ARGUMENT, p->now.at, "condition: ends where %s was expected", what);
  return mst_fail_at(p->err, MST_E_ARGUMENT, p->now.at, "condition: expected %s at character %zu, found %s%.*s%s", what,
                     p->now.at + 1, p->now.kind == TOKEN_TEXT ? "'" : "\"", (int)mst_min_size(p->now.size, 60),
                     p->now.data, p->now.kind == TOKEN_TEXT ? "'" : "\"");
}

/* Goes on when the token is this word (or sign); says whether it was. */
static mst_status accept_word(parser *p, const char *word, bool *was) {
  *was = mst_token_is_word(&p->now, word);
  return *was ? step(p) : MST_OK;
}

static mst_status need_word(parser *p, const char *word, const char *what) {
  return mst_token_is_word(&p->now, word) ? step(p) : expected(p, what);
}

static mst_status need_sign(parser *p, const char *sign, const char *what) {
  return mst_token_is(&p->now, sign) ? step(p) : expected(p, what);
}

static bool is_keyword(const token *t) {
  static const char *const words[] = {"and",  "or",     "not",  "in",   "between", "is",
                                      "like", "escape", "null", "true", "false"};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
    if (mst_token_is_word(t, words[i])) return true;
  return false;
}

static bool take_operator(const token *t, mst_compare_op *op) {
  static const struct {
    const char *sign;
    mst_compare_op op;
  } operators[] = {{"=", MST_EQ}, {"==", MST_EQ}, {"!=", MST_NE}, {"<>", MST_NE},
                   {"<", MST_LT}, {"<=", MST_LE}, {">", MST_GT},  {">=", MST_GE}};
  for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
    if (!mst_token_is(t, operators[i].sign)) continue;
    *op = operators[i].op;
    return true;
  }
  return false;
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

/* The word in front of a text: date '2026-01-31'. */
static bool typed_kind(const token *t, mst_literal_kind *kind) {
  static const struct {
    const char *word;
    mst_literal_kind kind;
  } types[] = {{"date", MST_LITERAL_DATE},
               {"time", MST_LITERAL_TIME},
               {"timestamp", MST_LITERAL_TIMESTAMP},
               {"timestamptz", MST_LITERAL_TIMESTAMP},
               {"duration", MST_LITERAL_DURATION},
               {"interval", MST_LITERAL_DURATION},
               {"decimal", MST_LITERAL_NUMBER},
               {"float", MST_LITERAL_DOUBLE},
               {"x", MST_LITERAL_BYTES},
               {"binary", MST_LITERAL_BYTES}};
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    if (!mst_token_is_word(t, types[i].word)) continue;
    *kind = types[i].kind;
    return true;
  }
  return false;
}

/* The next token is a text: then the word in front of it is a type. Looks ahead without moving. */
static bool text_follows(const parser *p) {
  size_t at = p->lex.next;
  while (at < p->lex.size && (p->lex.text[at] == ' ' || p->lex.text[at] == '\t' || p->lex.text[at] == '\n')) at++;
  return at < p->lex.size && p->lex.text[at] == '\'';
}

static mst_status typed_text(parser *p, mst_literal_kind kind, mst_literal *out) {
  const token word = p->now;
  mst_status status = step(p);
  char *text;
  if (status != MST_OK) return status;
  *out = (mst_literal){.kind = kind, .as.text = {p->now.data, p->now.size}};
  if (kind == MST_LITERAL_BYTES) {
    text = p->lex.text + (p->now.data - p->lex.text);
    if (p->now.size % 2 != 0 || !mst_unhex(text, p->now.size, (uint8_t *)text))
      return expected(p, "hexadecimal digits");
    out->as.text.size /= 2;
  } else if (kind == MST_LITERAL_DOUBLE) {
    if (!mst_number_f64(p->now.data, p->now.size, &out->as.f)) return expected(p, "a number, nan or inf");
  }
  if (!mst_literal_is_sound(out))
    return mst_fail_at(p->err, MST_E_ARGUMENT, p->now.at, "condition: '%.*s' at character %zu is no %.*s",
                       (int)mst_min_size(p->now.size, 60), p->now.data, p->now.at + 1, (int)word.size, word.data);
  return step(p);
}

/* A number and its sign become one text: the sign moves up to the digits. */
static mst_status parse_number(parser *p, mst_literal *out) {
  bool minus = false;
  mst_status status = MST_OK;
  while (mst_token_is(&p->now, "-") || mst_token_is(&p->now, "+")) {
    minus = minus != mst_token_is(&p->now, "-");
    MST_TRY(step(p));
  }
  if (p->now.kind != TOKEN_NUMBER) return expected(p, "a number");
  *out = (mst_literal){.kind = MST_LITERAL_NUMBER, .as.text = {p->now.data, p->now.size}};
  if (minus) {
    p->lex.text[p->now.at - 1] = '-'; /* a sign or a space was there */
    out->as.text.data--;
    out->as.text.size++;
  }
  status = step(p);
done:
  return status;
}

static bool begins_value(const parser *p) {
  mst_literal_kind kind;
  const token *t = &p->now;
  if (t->kind == TOKEN_TEXT || t->kind == TOKEN_NUMBER || mst_token_is(t, "-") || mst_token_is(t, "+")) return true;
  if (mst_token_is_word(t, "true") || mst_token_is_word(t, "false") || mst_token_is_word(t, "null")) return true;
  return typed_kind(t, &kind) && text_follows(p);
}

static mst_status parse_value(parser *p, mst_literal *out) {
  mst_literal_kind kind = MST_LITERAL_NULL;
  const token t = p->now;
  if (t.kind == TOKEN_NUMBER || mst_token_is(&t, "-") || mst_token_is(&t, "+")) return parse_number(p, out);
  if (t.kind == TOKEN_TEXT) {
    *out = (mst_literal){.kind = MST_LITERAL_TEXT, .as.text = {t.data, t.size}};
    return step(p);
  }
  if (mst_token_is_word(&t, "true") || mst_token_is_word(&t, "false")) {
    *out = (mst_literal){.kind = MST_LITERAL_BOOL, .as.b = mst_token_is_word(&t, "true")};
    return step(p);
  }
  if (mst_token_is_word(&t, "null")) {
    *out = (mst_literal){.kind = MST_LITERAL_NULL};
    return step(p);
  }
  if (typed_kind(&t, &kind) && text_follows(p)) return typed_text(p, kind, out);
  if ((t.kind == TOKEN_WORD && !is_keyword(&t)) || t.kind == TOKEN_QUOTED)
    return mst_fail_at(
        p->err, MST_E_ARGUMENT, t.at,
        "condition: expected a value at character %zu, found the name \"%.*s\"; text is written as '%.*s'", t.at + 1,
        (int)mst_min_size(t.size, 60), t.data, (int)mst_min_size(t.size, 60), t.data);
  return expected(p, "a value");
}

/* ---- tests of one column ------------------------------------------------------------------------------------------
 */

/* a.b."c d" into p->name. */
static mst_status parse_name(parser *p) {
  mst_status status = MST_OK;
  mst_buf_clear(&p->name);
  for (;;) {
    if (p->now.kind != TOKEN_QUOTED && p->now.kind != TOKEN_WORD) return expected(p, "a column");
    if (p->name.size == 0 && is_keyword(&p->now)) return expected(p, "a column");
    if (p->now.size == 0 || memchr(p->now.data, '\0', p->now.size) != NULL) return expected(p, "a column's name");
    MST_TRY(mst_buf_put(&p->name, p->now.data, p->now.size, p->err));
    MST_TRY(step(p));
    if (!mst_token_is(&p->now, ".")) return MST_OK;
    MST_TRY(mst_buf_put_byte(&p->name, '.', p->err));
    MST_TRY(step(p));
  }
done:
  return status;
}

static mst_status parse_in(parser *p, bool negated, mst_where **out) {
  mst_status status = MST_OK;
  mst_block values;
  mst_literal value;
  mst_block_init(&values, p->mem);
  MST_TRY(need_sign(p, "(", "\"(\" behind \"in\""));
  for (;;) {
    MST_TRY(parse_value(p, &value));
    MST_TRY(mst_block_put(&values, &value, sizeof value, p->err));
    if (!mst_token_is(&p->now, ",")) break;
    MST_TRY(step(p));
  }
  MST_TRY(need_sign(p, ")", "\",\" or \")\""));
  MST_TRY(mst_where_in(p->mem, mst_buf_text(&p->name), (const mst_literal *)(const void *)values.data,
                       values.size / sizeof value, negated, out, p->err));
done:
  mst_block_free(&values);
  return status;
}

/* "not between" is the complement of the whole, so that it keeps nulls. */
static mst_status parse_between(parser *p, bool negated, mst_where **out) {
  mst_status status = MST_OK;
  mst_literal low, high;
  mst_where *parts[2] = {NULL, NULL}, *both = NULL;
  const char *name = mst_buf_text(&p->name);
  MST_TRY(parse_value(p, &low));
  MST_TRY(need_word(p, "and", "\"and\" of \"between\""));
  MST_TRY(parse_value(p, &high));
  MST_TRY(mst_where_compare(p->mem, name, MST_GE, &low, &parts[0], p->err));
  MST_TRY(mst_where_compare(p->mem, name, MST_LE, &high, &parts[1], p->err));
  MST_TRY(mst_where_and(p->mem, parts, 2, &both, p->err));
  if (negated) MST_TRY(mst_where_not(p->mem, both, out, p->err));
  else *out = mst_where_ref(both);
done:
  mst_where_unref(parts[0]);
  mst_where_unref(parts[1]);
  mst_where_unref(both);
  return status;
}

/* The one character of an escape text; 0 when it is not one. */
static uint32_t one_character(const char *text, size_t n) {
  const uint8_t *p = (const uint8_t *)text;
  uint32_t code;
  size_t want;
  if (n == 0) return 0;
  if (p[0] < 0x80) return n == 1 ? p[0] : 0;
  want = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
  if (n != want) return 0;
  code = p[0] & (0x7fu >> want);
  for (size_t i = 1; i < n; i++) code = code << 6 | (p[i] & 63u);
  return code;
}

static mst_status parse_like(parser *p, bool negated, mst_where **out) {
  mst_status status = MST_OK;
  const token pattern = p->now;
  uint32_t escape = 0;
  bool has_escape;
  if (pattern.kind != TOKEN_TEXT) return expected(p, "a 'pattern'");
  MST_TRY(step(p));
  MST_TRY(accept_word(p, "escape", &has_escape));
  if (has_escape) {
    if (p->now.kind == TOKEN_TEXT) escape = one_character(p->now.data, p->now.size);
    if (escape == 0) return expected(p, "one 'character'");
    MST_TRY(step(p));
  }
  MST_TRY(mst_where_like(p->mem, mst_buf_text(&p->name), pattern.data, pattern.size, escape, negated, out, p->err));
done:
  return status;
}

static mst_status compare_bool(parser *p, bool value, bool negated, mst_where **out) {
  const mst_literal literal = {.kind = MST_LITERAL_BOOL, .as.b = value};
  return mst_where_compare(p->mem, mst_buf_text(&p->name), negated ? MST_NE : MST_EQ, &literal, out, p->err);
}

static mst_status parse_is(parser *p, mst_where **out) {
  mst_status status = MST_OK;
  const char *name = mst_buf_text(&p->name);
  mst_literal value;
  bool negated, was;
  MST_TRY(accept_word(p, "not", &negated));
  MST_TRY(accept_word(p, "null", &was));
  if (was) return mst_where_is_null(p->mem, name, negated, out, p->err);
  MST_TRY(accept_word(p, "nan", &was));
  if (was) return mst_where_is_nan(p->mem, name, negated, out, p->err);
  MST_TRY(accept_word(p, "true", &was));
  if (was) return compare_bool(p, true, negated, out);
  MST_TRY(accept_word(p, "false", &was));
  if (was) return compare_bool(p, false, negated, out);
  MST_TRY(accept_word(p, "distinct", &was));
  if (!was) return expected(p, "\"null\", \"nan\", \"true\", \"false\" or \"distinct from\"");
  MST_TRY(need_word(p, "from", "\"from\""));
  MST_TRY(parse_value(p, &value));
  status = mst_where_compare(p->mem, name, negated ? MST_EQ : MST_NE, &value, out, p->err);
done:
  return status;
}

static mst_status parse_column_test(parser *p, mst_where **out) {
  mst_status status = MST_OK;
  mst_compare_op op;
  mst_literal value;
  bool negated, was;
  MST_TRY(parse_name(p));
  if (take_operator(&p->now, &op)) {
    MST_TRY(step(p));
    MST_TRY(parse_value(p, &value));
    return mst_where_compare(p->mem, mst_buf_text(&p->name), op, &value, out, p->err);
  }
  MST_TRY(accept_word(p, "is", &was));
  if (was) return parse_is(p, out);
  MST_TRY(accept_word(p, "not", &negated));
  MST_TRY(accept_word(p, "in", &was));
  if (was) return parse_in(p, negated, out);
  MST_TRY(accept_word(p, "between", &was));
  if (was) return parse_between(p, negated, out);
  MST_TRY(accept_word(p, "like", &was));
  if (was) return parse_like(p, negated, out);
  if (negated) return expected(p, "\"in\", \"between\" or \"like\" behind \"not\"");
  return compare_bool(p, true, false, out);
done:
  return status;
}

/* 5 < x */
static mst_status parse_value_test(parser *p, mst_where **out) {
  static const mst_compare_op turned[] = {MST_EQ, MST_NE, MST_GT, MST_GE, MST_LT, MST_LE};
  mst_status status = MST_OK;
  mst_literal value;
  mst_compare_op op;
  MST_TRY(parse_value(p, &value));
  if (!take_operator(&p->now, &op)) {
    if (value.kind == MST_LITERAL_BOOL) return mst_where_constant(p->mem, value.as.b, out, p->err);
    return expected(p, "a comparison");
  }
  MST_TRY(step(p));
  MST_TRY(parse_name(p));
  status = mst_where_compare(p->mem, mst_buf_text(&p->name), turned[op], &value, out, p->err);
done:
  return status;
}

/* ---- connectives ---------------------------------------------------------------------------------------------------
 */

static mst_status parse_single(parser *p, mst_where **out) {
  mst_status status = MST_OK;
  mst_where *part = NULL;
  bool negated = false, was;
  if (++p->depth > MST_WHERE_DEPTH_MAX)
    return mst_fail_at(p->err, MST_E_LIMIT, p->now.at, "condition: nests deeper than %d", MST_WHERE_DEPTH_MAX);
  MST_TRY(accept_word(p, "not", &negated));
  if (negated) {
    MST_TRY(parse_single(p, &part));
    MST_TRY(mst_where_not(p->mem, part, out, p->err));
  } else if (mst_token_is(&p->now, "(")) {
    MST_TRY(step(p));
    MST_TRY(parse_either(p, &part));
    MST_TRY(need_sign(p, ")", "\"and\", \"or\" or \")\""));
    *out = part;
    part = NULL;
  } else {
    if (++p->nodes > MST_WHERE_NODES_MAX)
      return mst_fail_at(p->err, MST_E_LIMIT, p->now.at, "condition: more than %d comparisons", MST_WHERE_NODES_MAX);
    was = begins_value(p);
    MST_TRY(was ? parse_value_test(p, out) : parse_column_test(p, out));
  }
  p->depth--;
done:
  mst_where_unref(part);
  return status;
}

/* Parts joined by one word. */
static mst_status parse_chain(parser *p, const char *word, mst_where **out) {
  const bool both = strcmp(word, "and") == 0;
  mst_status status = MST_OK;
  mst_block parts;
  mst_where *part = NULL;
  mst_where **list;
  bool another;
  mst_block_init(&parts, p->mem);
  do {
    MST_TRY(both ? parse_single(p, &part) : parse_chain(p, "and", &part));
    status = mst_block_put(&parts, &part, sizeof part, p->err);
    if (status != MST_OK) mst_where_unref(part);
    if (status != MST_OK) goto done;
    MST_TRY(accept_word(p, word, &another));
  } while (another);
  list = (mst_where **)(void *)parts.data;
  status = both ? mst_where_and(p->mem, list, parts.size / sizeof part, out, p->err)
                : mst_where_or(p->mem, list, parts.size / sizeof part, out, p->err);
done:
  list = (mst_where **)(void *)parts.data;
  for (size_t i = 0; i < parts.size / sizeof part; i++) mst_where_unref(list[i]);
  mst_block_free(&parts);
  return status;
}

static mst_status parse_either(parser *p, mst_where **out) { return parse_chain(p, "or", out); }

/* Something behind the condition that looks like its continuation gets a hint. */
static mst_status left_over(const parser *p) {
  mst_compare_op op;
  if (take_operator(&p->now, &op)) return expected(p, "\"and\", \"or\" or the end (comparisons do not chain)");
  return expected(p, "\"and\", \"or\" or the end");
}

static mst_status check_text(const char *text, size_t size, mst_error *err) {
  size_t bad = 0;
  if (size > MST_WHERE_TEXT_MAX)
    return mst_fail(err, MST_E_LIMIT, "condition: %zu bytes, at most %zu are read", size, MST_WHERE_TEXT_MAX);
  if (!mst_utf8_valid(text, size, &bad))
    return mst_fail_at(err, MST_E_ARGUMENT, bad, "condition: byte %zu is no UTF-8", bad + 1);
  return MST_OK;
}

mst_status mst_where_parse(const mst_allocator *mem, const char *text, size_t size, mst_where **out, mst_error *err) {
  mst_status status = MST_OK;
  parser p = {.mem = mem, .err = err};
  mst_where *made = NULL;
  mst_buf_init(&p.name, mem, MST_WHERE_TEXT_MAX);
  MST_TRY(check_text(text, size, err));
  MST_TRY_ALLOC(p.lex.text = mst_text_copy_n(mem, text, size));
  p.lex.size = size;
  MST_TRY(step(&p));
  if (p.now.kind == TOKEN_END) {
    status = mst_fail(err, MST_E_ARGUMENT, "condition: is empty");
    goto done;
  }
  MST_TRY(parse_either(&p, &made));
  if (p.now.kind != TOKEN_END) {
    status = left_over(&p);
    goto done;
  }
  *out = made;
  made = NULL;
done:
  mst_where_unref(made);
  mst_buf_free(&p.name);
  mst_free(mem, p.lex.text);
  return status;
}
