/* base/text.h - bytes as text: UTF-8, comparison without locale, sizes, percent- and hex-encoding, base64. */
#ifndef MST_BASE_TEXT_H
#define MST_BASE_TEXT_H

#include "base/buf.h"

/* true when all n bytes are valid UTF-8 (no surrogates, no overlong forms); `*bad_at` = first wrong byte otherwise. */
bool mst_utf8_valid(const void *data, size_t n, size_t *bad_at);
/* Appends the bytes as valid UTF-8: each wrong byte becomes U+FFFD. */
mst_status mst_utf8_put(mst_buf *out, const void *data, size_t n, mst_error *err);
bool mst_text_equal(const char *a, const char *b);        /* NULL equals NULL only */
bool mst_text_equal_nocase(const char *a, const char *b); /* ASCII letters only    */
bool mst_text_starts(const char *text, const char *prefix);
bool mst_text_ends(const char *text, const char *suffix);
bool mst_text_ends_nocase(const char *text, const char *suffix);
/* Shell-like: * ? [..]; `*` does not match '/', `**` does. */
bool mst_glob_match(const char *pattern, const char *text);
/* "64MiB", "1.5G", "100k", "17": k M G T are powers of 1000, Ki Mi Gi Ti of 1024, an ending B is allowed. */
mst_status mst_parse_size(const char *text, const char *what, uint64_t *out, mst_error *err);
mst_status mst_parse_u64(const char *text, size_t n, const char *what, uint64_t *out, mst_error *err);
/* "1.2 GiB" into a buffer of at least 24 bytes; returns it. */
char *mst_format_size(uint64_t bytes, char out[24]);
/* RFC 3986; keeps unreserved characters and those in `keep`. */
mst_status mst_percent_encode(mst_buf *out, const char *text, size_t n, const char *keep, mst_error *err);
/* A wrong escape is MST_E_ARGUMENT. */
mst_status mst_percent_decode(mst_buf *out, const char *text, size_t n, mst_error *err);
void mst_hex(const uint8_t *data, size_t n, char *out);   /* 2 * n lower-case digits and a NUL */
bool mst_unhex(const char *text, size_t n, uint8_t *out); /* n digits, even */
mst_status mst_base64_encode(mst_buf *out, const uint8_t *data, size_t n, mst_error *err);
mst_status mst_base64_decode(mst_buf *out, const char *text, size_t n, mst_error *err);
/* The candidate nearest to `word` by edit distance, NULL when none is near; for "did you mean". */
const char *mst_text_nearest(const char *word, const char *const *candidates, size_t n);

#endif
