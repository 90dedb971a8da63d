/* store/xml.h - a bounded scanner for the XML that object stores answer with. Hostile input. Private to the store
 * module.
 *
 * It reads one document in memory and writes into it: text is decoded in place. It knows elements, text, CDATA,
 * comments and the five named entities; attributes are passed over; a document type (and with it every entity bomb) is
 * refused. */
#ifndef MST_STORE_XML_H
#define MST_STORE_XML_H

#include "base/base.h"

typedef enum mst_xml_kind { MST_XML_OPEN, MST_XML_CLOSE, MST_XML_TEXT, MST_XML_END, MST_XML_WRONG } mst_xml_kind;

typedef struct mst_xml {
  char *begin, *at, *end;
  uint32_t depth;    /* of open elements, after the token that was given */
  bool close_next;   /* the element that was opened is an empty one */
  const char *token; /* OPEN, CLOSE: name without its prefix; TEXT: decoded, not NUL-terminated */
  size_t n_token;
  const char *wrong; /* WRONG: the rule that is broken */
} mst_xml;

mst_xml mst_xml_over(char *text, size_t n);
/* Text of only blanks is passed over. CLOSE is given for empty elements too. That names match is not checked: depth is.
 */
mst_xml_kind mst_xml_next(mst_xml *x);
bool mst_xml_is(const mst_xml *x, const char *name); /* compares the token of an OPEN or CLOSE */
/* After OPEN: the text of this element as one piece, up to its end; elements inside are passed over. false: WRONG. */
bool mst_xml_text(mst_xml *x, const char **text, size_t *n);
/* After OPEN: passes the element over. */
bool mst_xml_skip(mst_xml *x);
mst_status mst_xml_fail(const mst_xml *x, const char *what, mst_error *err);

/* `in` with what XML needs escaped. false in `*fit`: it holds a character that XML 1.0 cannot carry. */
mst_status mst_xml_escape(mst_buf *out, const char *in, bool *fit, mst_error *err);

#endif
