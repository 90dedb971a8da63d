/* expr/print.c - conditions as canonical text, which parses to the same.
 *
 * Owns: nothing. May call: base, column. */
#include <math.h>

#include "expr/node.h"

/* Text between quotes, inner ones doubled. */
static mst_status put_quoted(mst_buf *out, char quote, const char *text, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(mst_buf_put_byte(out, (uint8_t)quote, err));
  for (size_t i = 0; i < n; i++) {
    if (text[i] == quote) MST_TRY(mst_buf_put_byte(out, (uint8_t)quote, err));
    MST_TRY(mst_buf_put_byte(out, (uint8_t)text[i], err));
  }
  status = mst_buf_put_byte(out, (uint8_t)quote, err);
done:
  return status;
}

/* Every name is quoted but those that cannot be taken for a keyword, now or later. */
static bool is_plain_name(const char *name) {
  static const char *const words[] = {"and",    "or",   "not", "in",   "between",  "is",   "like",
                                      "escape", "null", "nan", "true", "distinct", "from", "false"};
  if (!((*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') || *name == '_')) return false;
  for (const char *p = name; *p != '\0'; p++)
    if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || *p == '_' || (*p >= '0' && *p <= '9'))) return false;
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
    if (mst_text_equal_nocase(words[i], name)) return false;
  return true;
}

static mst_status put_name(mst_buf *out, const char *name, mst_error *err) {
  if (is_plain_name(name)) return mst_buf_put_text(out, name, err);
  return put_quoted(out, '"', name, strlen(name), err);
}

static mst_status put_hex(mst_buf *out, const mst_literal *l, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(mst_buf_put_text(out, "x'", err));
  for (size_t i = 0; i < l->as.text.size; i++)
    MST_TRY(mst_buf_printf(out, err, "%02x", (unsigned)(uint8_t)l->as.text.data[i]));
  status = mst_buf_put_text(out, "'", err);
done:
  return status;
}

static mst_status put_typed(mst_buf *out, const char *type, const mst_literal *l, mst_error *err) {
  mst_status status = mst_buf_put_text(out, type, err);
  return status == MST_OK ? put_quoted(out, '\'', l->as.text.data, l->as.text.size, err) : status;
}

static mst_status put_literal(mst_buf *out, const mst_literal *l, mst_error *err) {
  switch (l->kind) {
  case MST_LITERAL_NULL: return mst_buf_put_text(out, "null", err);
  case MST_LITERAL_BOOL: return mst_buf_put_text(out, l->as.b ? "true" : "false", err);
  case MST_LITERAL_NUMBER: return mst_buf_put(out, l->as.text.data, l->as.text.size, err);
  case MST_LITERAL_TEXT: return put_quoted(out, '\'', l->as.text.data, l->as.text.size, err);
  case MST_LITERAL_BYTES: return put_hex(out, l, err);
  case MST_LITERAL_DATE: return put_typed(out, "date ", l, err);
  case MST_LITERAL_TIME: return put_typed(out, "time ", l, err);
  case MST_LITERAL_TIMESTAMP: return put_typed(out, "timestamp ", l, err);
  case MST_LITERAL_DURATION: return put_typed(out, "duration ", l, err);
  default:
    return mst_buf_put_text(out, isnan(l->as.f) ? "float 'nan'" : l->as.f > 0 ? "float 'inf'" : "float '-inf'", err);
  }
}

static mst_status put_list(const mst_where *w, mst_buf *out, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(mst_buf_put_text(out, w->negated ? " not in (" : " in (", err));
  for (size_t i = 0; i < w->n_literals; i++) {
    if (i > 0) MST_TRY(mst_buf_put_text(out, ", ", err));
    MST_TRY(put_literal(out, &w->literals[i], err));
  }
  status = mst_buf_put_text(out, ")", err);
done:
  return status;
}

static mst_status put_like(const mst_where *w, mst_buf *out, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(mst_buf_put_text(out, w->negated ? " not like " : " like ", err));
  MST_TRY(put_literal(out, &w->literals[0], err));
  if (w->escape != 0) {
    const uint32_t c = w->escape;
    char text[5] = {0};
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1;) text[i] = (char)(0x80 | (c >> (6 * (n - 1 - i)) & 63));
    text[0] = (char)(n == 1 ? c : (0xf00u >> n & 0xff) | c >> (6 * (n - 1)));
    MST_TRY(mst_buf_put_text(out, " escape ", err));
    MST_TRY(put_quoted(out, '\'', text, n, err));
  }
done:
  return status;
}

static mst_status put_node(const mst_where *w, mst_buf *out, mst_error *err);

/* What binds looser stands in parentheses. */
static mst_status put_parts(const mst_where *w, mst_buf *out, mst_error *err) {
  mst_status status = MST_OK;
  if (w->kind == WHERE_NOT) MST_TRY(mst_buf_put_text(out, "not ", err));
  for (size_t i = 0; i < w->n_parts; i++) {
    const where_kind kind = w->parts[i]->kind;
    const bool closed = kind == WHERE_OR || (kind == WHERE_AND && w->kind != WHERE_OR);
    if (i > 0) MST_TRY(mst_buf_put_text(out, w->kind == WHERE_AND ? " and " : " or ", err));
    if (closed) MST_TRY(mst_buf_put_text(out, "(", err));
    MST_TRY(put_node(w->parts[i], out, err));
    if (closed) MST_TRY(mst_buf_put_text(out, ")", err));
  }
done:
  return status;
}

static mst_status put_node(const mst_where *w, mst_buf *out, mst_error *err) {
  static const char *const signs[] = {" == ", " != ", " < ", " <= ", " > ", " >= "};
  mst_status status = MST_OK;
  /* An empty list has no text of its own: nothing is in it. */
  if (w->kind == WHERE_IN && w->n_literals == 0) return mst_buf_put_text(out, w->negated ? "true" : "false", err);
  if (w->column != NULL) MST_TRY(put_name(out, w->column, err));
  switch (w->kind) {
  case WHERE_CONSTANT: MST_TRY(mst_buf_put_text(out, w->value ? "true" : "false", err)); break;
  case WHERE_COMPARE:
    MST_TRY(mst_buf_put_text(out, signs[w->op], err));
    MST_TRY(put_literal(out, &w->literals[0], err));
    break;
  case WHERE_IN: MST_TRY(put_list(w, out, err)); break;
  case WHERE_NULL: MST_TRY(mst_buf_put_text(out, w->negated ? " is not null" : " is null", err)); break;
  case WHERE_NAN: MST_TRY(mst_buf_put_text(out, w->negated ? " is not nan" : " is nan", err)); break;
  case WHERE_LIKE: MST_TRY(put_like(w, out, err)); break;
  case WHERE_AND:
  case WHERE_OR:
  case WHERE_NOT: MST_TRY(put_parts(w, out, err)); break;
  }
done:
  return status;
}

mst_status mst_where_text(const mst_where *w, mst_buf *out, mst_error *err) { return put_node(w, out, err); }
