/* expr/lex.c - see lex.h.
 *
 * Owns: nothing. May call: base. */
#include "expr/lex.h"

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool begins_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || ((unsigned char)c & 0x80) != 0;
}

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }

bool mst_token_is(const token *t, const char *sign) {
  return t->kind == TOKEN_SIGN && strlen(sign) == t->size && memcmp(t->data, sign, t->size) == 0;
}

bool mst_token_is_word(const token *t, const char *word) {
  if (t->kind != TOKEN_WORD || strlen(word) != t->size) return false;
  for (size_t i = 0; i < t->size; i++) {
    const char c = t->data[i] >= 'A' && t->data[i] <= 'Z' ? (char)(t->data[i] + 32) : t->data[i];
    if (c != word[i]) return false;
  }
  return true;
}

/* Between quotes, where a doubled quote stands for one. */
static mst_status lex_quoted(lexer *lex, char quote, token *t, mst_error *err) {
  size_t from = lex->next + 1, to = from;
  t->data = lex->text + to;
  for (;; from++) {
    if (from >= lex->size)
      return mst_fail_at(err, MST_E_ARGUMENT, t->at,
                         "condition: the %s that begins at character %zu is not closed by %c",
                         quote == '\'' ? "text" : "name", t->at + 1, quote);
    if (lex->text[from] == quote) {
      if (from + 1 >= lex->size || lex->text[from + 1] != quote) break;
      from++;
    }
    lex->text[to++] = lex->text[from];
  }
  t->size = (size_t)(lex->text + to - t->data);
  lex->next = from + 1;
  return MST_OK;
}

static void lex_number(lexer *lex, token *t) {
  size_t i = lex->next;
  while (i < lex->size && is_digit(lex->text[i])) i++;
  if (i < lex->size && lex->text[i] == '.')
    for (i++; i < lex->size && is_digit(lex->text[i]);) i++;
  if (i < lex->size && (lex->text[i] == 'e' || lex->text[i] == 'E')) {
    size_t k = i + 1;
    if (k < lex->size && (lex->text[k] == '+' || lex->text[k] == '-')) k++;
    if (k < lex->size && is_digit(lex->text[k])) {
      while (k < lex->size && is_digit(lex->text[k])) k++;
      i = k;
    }
  }
  t->kind = TOKEN_NUMBER;
  t->size = i - lex->next;
  lex->next = i;
}

static mst_status lex_sign(lexer *lex, token *t, mst_error *err) {
  static const char *const signs[] = {"==", "!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", ",", ".", "+", "-"};
  for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
    const size_t n = strlen(signs[i]);
    if (lex->size - lex->next < n || memcmp(lex->text + lex->next, signs[i], n) != 0) continue;
    t->kind = TOKEN_SIGN;
    t->size = n;
    lex->next += n;
    return MST_OK;
  }
  return mst_fail_at(err, MST_E_ARGUMENT, t->at, "condition: unexpected \"%c\" at character %zu", lex->text[t->at],
                     t->at + 1);
}

mst_status mst_lex(lexer *lex, token *out, mst_error *err) {
  char c, following;
  while (lex->next < lex->size && is_space(lex->text[lex->next])) lex->next++;
  *out = (token){.kind = TOKEN_END, .data = lex->text + lex->next, .at = lex->next};
  if (lex->next >= lex->size) return MST_OK;
  c = lex->text[lex->next];
  following = lex->next + 1 < lex->size ? lex->text[lex->next + 1] : '\0';
  if (c == '\'' || c == '"') {
    out->kind = c == '"' ? TOKEN_QUOTED : TOKEN_TEXT;
    return lex_quoted(lex, c, out, err);
  }
  if (is_digit(c) || (c == '.' && is_digit(following))) {
    lex_number(lex, out);
    if (lex->next < lex->size && begins_word(lex->text[lex->next]))
      return mst_fail_at(
          err, MST_E_ARGUMENT, out->at,
          "condition: \"%.*s…\" at character %zu is no number; a name that begins with a digit needs \"quotes\"",
          (int)mst_min_size(out->size + 1, 40), out->data, out->at + 1);
    return MST_OK;
  }
  if (!begins_word(c)) return lex_sign(lex, out, err);
  out->kind = TOKEN_WORD;
  while (lex->next < lex->size &&
         (begins_word(lex->text[lex->next]) || is_digit(lex->text[lex->next]) || lex->text[lex->next] == '$'))
    lex->next++;
  out->size = (size_t)(lex->text + lex->next - out->data);
  return MST_OK;
}
