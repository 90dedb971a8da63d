/* codec/gzip.h - the head and trailer of gzip members (RFC 1952), read from input that is cut anywhere, in constant
 * memory. */
#ifndef MST_CODEC_GZIP_H
#define MST_CODEC_GZIP_H

#include "base/base.h"

enum { MST_GZIP_FTEXT = 1, MST_GZIP_FHCRC = 2, MST_GZIP_FEXTRA = 4, MST_GZIP_FNAME = 8, MST_GZIP_FCOMMENT = 16 };
#define MST_GZIP_TRAILER 8u

/* The reader of one head. {0} to begin with; fields are private until `done`. */
typedef struct mst_gzip_head {
  bool done;
  uint8_t flags; /* MST_GZIP_F…                                      */
  uint32_t mtime;
  uint64_t size; /* of the head, bytes; while reading: those taken   */
  uint8_t step;
  uint8_t n_kept;
  uint8_t kept[10];
  uint32_t left; /* bytes of FEXTRA to come                          */
  uint32_t crc;  /* of the head so far                               */
} mst_gzip_head;

/* Takes bytes from *in until the head is done or `end` is reached. A broken rule is MST_E_CORRUPT;
 * err->offset then counts from the head's first byte. */
mst_status mst_gzip_head_feed(mst_gzip_head *h, const uint8_t **in, const uint8_t *end, mst_error *err);
/* What an object that begins with these bytes looks like, for messages: "zstd data", "plain text" … */
const char *mst_gzip_looks_like(const uint8_t *head, size_t n);

#endif
