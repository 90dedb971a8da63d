/* store/xml.c - the bounded XML scanner. Owns nothing, allocates nothing but what mst_xml_escape appends. Calls base.
 */
#include "store/xml.h"

enum { DEPTH_MAX = 32, NAME_MAX_BYTES = 256 };

mst_xml mst_xml_over(char *text, size_t n) {
  mst_xml x = {.begin = text, .at = text, .end = text + n};
  if (n >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) x.at += 3;
  return x;
}

static mst_xml_kind wrong(mst_xml *x, const char *rule) {
  x->wrong = rule;
  x->end = x->at; /* nothing more is read */
  return MST_XML_WRONG;
}

static size_t left(const mst_xml *x) { return (size_t)(x->end - x->at); }

static bool starts(const mst_xml *x, const char *text) {
  const size_t n = strlen(text);
  return left(x) >= n && memcmp(x->at, text, n) == 0;
}

static bool pass(mst_xml *x, const char *terminator) {
  char *found = memmem(x->at, left(x), terminator, strlen(terminator));
  if (found == NULL) return false;
  x->at = found + strlen(terminator);
  return true;
}

static bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

/* --- character references ----------------------------------------------------------------------------------------- */

static char *put_utf8(char *out, uint32_t c) {
  if (c < 0x80) *out++ = (char)c;
  else if (c < 0x800) {
    *out++ = (char)(0xC0 | c >> 6);
    *out++ = (char)(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    *out++ = (char)(0xE0 | c >> 12);
    *out++ = (char)(0x80 | (c >> 6 & 0x3F));
    *out++ = (char)(0x80 | (c & 0x3F));
  } else {
    *out++ = (char)(0xF0 | c >> 18);
    *out++ = (char)(0x80 | (c >> 12 & 0x3F));
    *out++ = (char)(0x80 | (c >> 6 & 0x3F));
    *out++ = (char)(0x80 | (c & 0x3F));
  }
  return out;
}

/* "#65;" or "#x41;". Control characters are taken: S3 writes keys that hold them so, against the letter of XML 1.0. */
static bool parse_number(const char *p, const char *end, uint32_t *out) {
  const bool hex = p < end && (*p == 'x' || *p == 'X');
  uint32_t v = 0;
  if (hex) p++;
  if (p == end || end - p > 8) return false;
  for (; p < end; p++) {
    uint32_t digit;
    if (*p >= '0' && *p <= '9') digit = (uint32_t)(*p - '0');
    else if (hex && (*p | 0x20) >= 'a' && (*p | 0x20) <= 'f') digit = (uint32_t)((*p | 0x20) - 'a') + 10;
    else return false;
    v = v * (hex ? 16 : 10) + digit;
    if (v > 0x10FFFF) return false;
  }
  *out = v;
  return v != 0 && (v < 0xD800 || v > 0xDFFF);
}

static bool entity(const char *p, const char *end, uint32_t *out) {
  static const struct {
    const char *name;
    char c;
  } named[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
  if (p < end && *p == '#') return parse_number(p + 1, end, out);
  for (size_t i = 0; i < sizeof named / sizeof *named; i++)
    if (strlen(named[i].name) == (size_t)(end - p) && memcmp(named[i].name, p, (size_t)(end - p)) == 0) {
      *out = (uint32_t)named[i].c;
      return true;
    }
  return false;
}

/* Decodes [text, end) in place, which never grows it; NULL when a reference is not one. Gives the new end. */
static char *decode(char *text, char *end) {
  char *in = memchr(text, '&', (size_t)(end - text)), *out = in;
  if (in == NULL) return end;
  while (in < end) {
    char *semicolon;
    uint32_t c;
    if (*in != '&') {
      *out++ = *in++;
      continue;
    }
    semicolon = memchr(in, ';', mst_min_size((size_t)(end - in), 12));
    if (semicolon == NULL || !entity(in + 1, semicolon, &c)) return NULL;
    out = put_utf8(out, c);
    in = semicolon + 1;
  }
  return out;
}

/* --- tokens ------------------------------------------------------------------------------------------------------- */

static void take_name(mst_xml *x, char *from, char *to) {
  const char *colon = memchr(from, ':', (size_t)(to - from));
  x->token = colon == NULL ? from : colon + 1;
  x->n_token = (size_t)(to - x->token);
}

/* The '>' that ends a tag, quoted attribute values passed over; NULL when there is none. */
static char *tag_end(mst_xml *x) {
  char *p = memchr(x->at, '>', left(x));
  char quote = '\0';
  if (p == NULL) return NULL;
  if (memchr(x->at, '"', (size_t)(p - x->at)) == NULL && memchr(x->at, '\'', (size_t)(p - x->at)) == NULL) return p;
  for (p = x->at; p < x->end; p++) {
    if (quote != '\0') quote = *p == quote ? '\0' : quote;
    else if (*p == '"' || *p == '\'') quote = *p;
    else if (*p == '>') return p;
  }
  return NULL;
}

static mst_xml_kind open_tag(mst_xml *x) {
  char *close, *name, *name_end;
  x->at++;
  close = tag_end(x);
  if (close == NULL) return wrong(x, "a tag does not end");
  name = name_end = x->at;
  while (name_end < close && !is_blank(*name_end) && *name_end != '/') name_end++;
  if (name_end == name || name_end - name > NAME_MAX_BYTES) return wrong(x, "a tag has no sound name");
  if (++x->depth > DEPTH_MAX) return wrong(x, "elements are nested too deeply");
  x->close_next = close[-1] == '/';
  x->at = close + 1;
  take_name(x, name, name_end);
  return MST_XML_OPEN;
}

static mst_xml_kind close_tag(mst_xml *x) {
  char *name = x->at + 2, *close = memchr(x->at, '>', left(x)), *name_end = close;
  if (close == NULL || close <= name) return wrong(x, "a tag does not end");
  if (x->depth == 0) return wrong(x, "an element ends that never began");
  while (name_end > name && is_blank(name_end[-1])) name_end--;
  x->depth--;
  x->at = close + 1;
  take_name(x, name, name_end);
  return MST_XML_CLOSE;
}

static mst_xml_kind text(mst_xml *x, char *from, char *to, bool raw) {
  char *decoded = raw ? to : decode(from, to);
  if (decoded == NULL) return wrong(x, "an entity is unknown");
  x->token = from;
  x->n_token = (size_t)(decoded - from);
  return MST_XML_TEXT;
}

static mst_xml_kind markup(mst_xml *x, bool *again) {
  char *from;
  *again = true;
  if (starts(x, "<!--")) return pass(x, "-->") ? MST_XML_TEXT : wrong(x, "a comment does not end");
  if (starts(x, "<?")) return pass(x, "?>") ? MST_XML_TEXT : wrong(x, "an instruction does not end");
  *again = false;
  if (starts(x, "<![CDATA[")) {
    if (x->depth == 0) return wrong(x, "text stands outside of the document");
    from = x->at + 9;
    x->at = from;
    if (!pass(x, "]]>")) return wrong(x, "a CDATA section does not end");
    return text(x, from, x->at - 3, true);
  }
  if (starts(x, "<!")) return wrong(x, "a document type is not allowed");
  return starts(x, "</") ? close_tag(x) : open_tag(x);
}

mst_xml_kind mst_xml_next(mst_xml *x) {
  if (x->wrong != NULL) return MST_XML_WRONG;
  if (x->close_next) {
    x->close_next = false;
    x->depth--;
    return MST_XML_CLOSE;
  }
  while (x->at < x->end) {
    char *from = x->at, *to;
    bool blank = true, again = false;
    if (*from == '<') {
      const mst_xml_kind kind = markup(x, &again);
      if (kind == MST_XML_WRONG || !again) return kind;
      continue;
    }
    to = memchr(from, '<', left(x));
    if (to == NULL) to = x->end;
    x->at = to;
    for (const char *p = from; p < to && blank; p++) blank = is_blank(*p);
    if (blank) continue;
    if (x->depth == 0) return wrong(x, "text stands outside of the document");
    return text(x, from, to, false);
  }
  return x->depth == 0 ? MST_XML_END : wrong(x, "it ends within an element");
}

bool mst_xml_is(const mst_xml *x, const char *name) {
  return strlen(name) == x->n_token && memcmp(name, x->token, x->n_token) == 0;
}

/* The plain case, one run of text and the end tag, without going through tokens. */
static bool quick_text(mst_xml *x, const char **out, size_t *n) {
  char *lt = x->close_next ? NULL : memchr(x->at, '<', left(x)), *gt, *decoded;
  if (lt == NULL || x->end - lt < 4 || lt[1] != '/') return false;
  gt = memchr(lt, '>', (size_t)(x->end - lt));
  decoded = gt == NULL ? NULL : decode(x->at, lt);
  if (decoded == NULL) return false;
  *out = x->at;
  *n = (size_t)(decoded - x->at);
  x->at = gt + 1;
  x->depth--;
  return true;
}

bool mst_xml_text(mst_xml *x, const char **out, size_t *n) {
  const uint32_t outside = x->depth - 1;
  char *joined = NULL;
  if (quick_text(x, out, n)) return true;
  *out = "";
  *n = 0;
  for (;;) {
    const mst_xml_kind kind = mst_xml_next(x);
    if (kind == MST_XML_WRONG || kind == MST_XML_END) return false;
    if (kind == MST_XML_CLOSE && x->depth == outside) return true;
    if (kind != MST_XML_TEXT || x->depth != outside + 1) continue;
    if (joined == NULL) {
      joined = x->begin + (x->token - x->begin);
      *out = joined;
    } else memmove(joined + *n, x->token, x->n_token); /* pieces around comments and CDATA move together */
    *n += x->n_token;
  }
}

bool mst_xml_skip(mst_xml *x) {
  const char *ignored;
  size_t n;
  return mst_xml_text(x, &ignored, &n);
}

mst_status mst_xml_fail(const mst_xml *x, const char *what, mst_error *err) {
  return mst_fail(err, MST_E_CORRUPT, "%s: not sound XML at byte %zu: %s", what, (size_t)(x->at - x->begin),
                  x->wrong == NULL ? "an element is missing" : x->wrong);
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* U+FFFE and U+FFFF. */
static bool is_beyond(const char *text) {
  return (unsigned char)text[0] == 0xEF && (unsigned char)text[1] == 0xBF && (unsigned char)text[2] >= 0xBE;
}

mst_status mst_xml_escape(mst_buf *out, const char *in, bool *fit, mst_error *err) {
  mst_status status = MST_OK;
  *fit = true;
  for (; *in != '\0'; in++) {
    const unsigned char c = (unsigned char)*in;
    if (c == '&') MST_TRY(mst_buf_put_text(out, "&amp;", err));
    else if (c == '<') MST_TRY(mst_buf_put_text(out, "&lt;", err));
    else if (c == '>') MST_TRY(mst_buf_put_text(out, "&gt;", err));
    else if (c == '\r' || c == '\n' || c == '\t')
      MST_TRY(mst_buf_printf(out, err, "&#%u;", c)); /* else they become blanks */
    else if (c < 0x20 || is_beyond(in)) *fit = false;
    else MST_TRY(mst_buf_put_byte(out, c, err));
  }
done:
  return status;
}
