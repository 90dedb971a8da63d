/* expr/lex.h - a condition's text cut into words, names, texts, numbers and signs.
 *
 * Owns: nothing; it works on a copy of the text that it may change. May call: base. Private to expr. */
#ifndef MST_EXPR_LEX_H
#define MST_EXPR_LEX_H

#include "base/base.h"

typedef enum token_kind {
  TOKEN_END,
  TOKEN_WORD,   /* a bare name or keyword: one part of a dotted name */
  TOKEN_QUOTED, /* "a name", without its quotes                      */
  TOKEN_TEXT,   /* 'text', without its quotes                        */
  TOKEN_NUMBER, /* without a sign                                    */
  TOKEN_SIGN    /* = == != <> < <= > >= ( ) , . + -                  */
} token_kind;

typedef struct token {
  token_kind kind;
  const char *data;
  size_t size;
  size_t at; /* where it begins in the text */
} token;

typedef struct lexer {
  char *text; /* quoted tokens are unescaped in place */
  size_t size;
  size_t next;
} lexer;

/* MST_E_ARGUMENT with the place for what is no token. */
mst_status mst_lex(lexer *lex, token *out, mst_error *err);
bool mst_token_is(const token *t, const char *sign);      /* of TOKEN_SIGN                  */
bool mst_token_is_word(const token *t, const char *word); /* of TOKEN_WORD, whatever its case */

#endif
