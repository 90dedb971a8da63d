/* tests/format/wrap.h - plain bytes made into gzip, BGZF and zstd objects, in shapes that real writers produce. */
#ifndef MST_TESTS_FORMAT_WRAP_H
#define MST_TESTS_FORMAT_WRAP_H

#include <stddef.h>
#include <stdint.h>

typedef enum wrap_kind {
  WRAP_PLAIN,
  WRAP_GZIP,         /* one member                                        */
  WRAP_GZIP_SMALL,   /* one member of many small deflate blocks           */
  WRAP_GZIP_MEMBERS, /* several members, some empty                       */
  WRAP_GZIP_STORED,
  WRAP_BGZF,        /* blocks of several sizes, with the end block       */
  WRAP_ZSTD,        /* one frame                                         */
  WRAP_ZSTD_FRAMES, /* several frames                                    */
  WRAP_KINDS
} wrap_kind;

const char *wrap_name(wrap_kind kind);
/* The object's bytes, from malloc. `unit`: about the plain bytes of a member, block or frame (0: some default). */
uint8_t *wrap(wrap_kind kind, const void *plain, size_t n, size_t unit, size_t *size);

#endif
