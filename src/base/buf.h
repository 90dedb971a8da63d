/* base/buf.h - a growable buffer that carries its limit from birth, and a bounds-checked cursor over foreign bytes. */
#ifndef MST_BASE_BUF_H
#define MST_BASE_BUF_H

#include <stdarg.h>

#include <meseta/bytes.h>
#include <meseta/context.h>

/* Owned by one thread at a time. `data` is NUL-terminated one byte behind `size` once anything was appended. */
typedef struct mst_buf {
  uint8_t *data;
  size_t size;
  size_t capacity;
  size_t limit; /* growing beyond it is MST_E_LIMIT */
  const mst_allocator *mem;
} mst_buf;

void mst_buf_init(mst_buf *b, const mst_allocator *mem, size_t limit);
void mst_buf_free(mst_buf *b);                                        /* leaves an empty, usable buffer */
void mst_buf_clear(mst_buf *b);                                       /* keeps the memory */
mst_status mst_buf_reserve(mst_buf *b, size_t extra, mst_error *err); /* room for `extra` more bytes */
mst_status mst_buf_put(mst_buf *b, const void *data, size_t n, mst_error *err);
mst_status mst_buf_put_text(mst_buf *b, const char *text, mst_error *err);
mst_status mst_buf_put_byte(mst_buf *b, uint8_t byte, mst_error *err);
mst_status mst_buf_put_u32(mst_buf *b, uint32_t v, mst_error *err); /* little-endian */
mst_status mst_buf_put_u64(mst_buf *b, uint64_t v, mst_error *err); /* little-endian */
mst_status mst_buf_printf(mst_buf *b, mst_error *err, const char *format, ...) MST_PRINTF(3, 4);
/* "" instead of NULL for an empty buffer. */
const char *mst_buf_text(const mst_buf *b);
/* Moves the memory into refcounted bytes and leaves `b` empty. */
mst_status mst_buf_take(mst_buf *b, mst_bytes *out, mst_error *err);

/* A cursor over bytes that it does not own. A read past the end gives zero and sets `failed`; look at it once at the
 * end. */
typedef struct mst_cursor {
  const uint8_t *data;
  size_t size, at;
  bool failed;
} mst_cursor;
mst_cursor mst_cursor_over(const void *data, size_t size);
uint8_t mst_cursor_u8(mst_cursor *c);
uint16_t mst_cursor_u16(mst_cursor *c); /* all little-endian */
uint32_t mst_cursor_u32(mst_cursor *c);
uint64_t mst_cursor_u64(mst_cursor *c);
const uint8_t *mst_cursor_take(mst_cursor *c, size_t n); /* NULL when fewer are left */
size_t mst_cursor_left(const mst_cursor *c);

#endif
