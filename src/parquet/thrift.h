/* parquet/thrift.h - the Thrift compact protocol, decoded in place and written by hand.
 *
 * Owns: nothing. May call: base. */
#ifndef MST_PARQUET_THRIFT_H
#define MST_PARQUET_THRIFT_H

#include "base/base.h"

typedef enum mst_thrift_type {
  MST_THRIFT_TRUE = 1,
  MST_THRIFT_FALSE = 2,
  MST_THRIFT_BYTE = 3,
  MST_THRIFT_I16 = 4,
  MST_THRIFT_I32 = 5,
  MST_THRIFT_I64 = 6,
  MST_THRIFT_DOUBLE = 7,
  MST_THRIFT_BINARY = 8,
  MST_THRIFT_LIST = 9,
  MST_THRIFT_SET = 10,
  MST_THRIFT_MAP = 11,
  MST_THRIFT_STRUCT = 12,
  MST_THRIFT_UUID = 13
} mst_thrift_type;

/* ---- reading ------------------------------------------------------------------------------------------------- */

/* A cursor whose first mistake sticks: later reads give zeros, and `bad` says what was wrong at `bad_at`. */
typedef struct mst_thrift {
  const uint8_t *data;
  size_t size, at;
  const char *bad; /* NULL: fine so far; else "a field of the wrong type" and so on */
  size_t bad_at;
  int depth;
} mst_thrift;

typedef struct mst_thrift_field {
  int16_t id;
  uint8_t type;
} mst_thrift_field;

mst_thrift mst_thrift_over(const void *data, size_t size);
void mst_thrift_fail(mst_thrift *t, const char *what);
/* What the inline calls below leave to them: all but the commonest bytes. */
bool mst_thrift_next_any(mst_thrift *t, mst_thrift_field *f);
void mst_thrift_skip_any(mst_thrift *t, uint8_t type);
int64_t mst_thrift_int_any(mst_thrift *t, uint8_t type);
uint64_t mst_thrift_varint_any(mst_thrift *t);

static inline uint64_t mst_thrift_varint(mst_thrift *t) {
  const uint8_t *p = t->data + t->at;
  if (t->size - t->at >= 3) {
    if (p[0] < 0x80) return t->at += 1, p[0];
    if (p[1] < 0x80) return t->at += 2, (p[0] & 0x7fu) | (uint64_t)p[1] << 7;
    if (p[2] < 0x80) return t->at += 3, (p[0] & 0x7fu) | (uint64_t)(p[1] & 0x7fu) << 7 | (uint64_t)p[2] << 14;
  }
  return mst_thrift_varint_any(t);
}

/* Structs: begin with a zeroed field, then `while (mst_thrift_next(t, &f))`, and read or skip each field's value. */
static inline bool mst_thrift_next(mst_thrift *t, mst_thrift_field *f) {
  uint8_t head = t->at < t->size ? t->data[t->at] : 0; /* a mistake has moved `at` to the end */
  if ((head & 15) == 0 || head >> 4 == 0 || f->id > INT16_MAX - 15) return mst_thrift_next_any(t, f);
  t->at++;
  f->id = (int16_t)(f->id + (head >> 4));
  f->type = head & 15;
  return true;
}

static inline int64_t mst_thrift_int(mst_thrift *t, uint8_t type) { /* any integer width */
  uint64_t v;
  if (type < MST_THRIFT_I16 || type > MST_THRIFT_I64) return mst_thrift_int_any(t, type);
  v = mst_thrift_varint(t);
  return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

static inline void mst_thrift_skip(mst_thrift *t, uint8_t type) {
  uint64_t n;
  if (type == MST_THRIFT_TRUE || type == MST_THRIFT_FALSE) return;
  if (type >= MST_THRIFT_I16 && type <= MST_THRIFT_I64) {
    mst_thrift_varint(t);
  } else if (type == MST_THRIFT_BINARY) {
    n = mst_thrift_varint(t);
    if (n > t->size - t->at) {
      mst_thrift_fail(t, "a byte string is longer than what is left");
    } else {
      t->at += (size_t)n;
    }
  } else {
    mst_thrift_skip_any(t, type);
  }
}

int32_t mst_thrift_i32(mst_thrift *t, uint8_t type); /* a mistake when the value needs more */
bool mst_thrift_bool(mst_thrift *t, uint8_t type);
/* Bytes in place. */
const uint8_t *mst_thrift_binary(mst_thrift *t, uint8_t type, size_t *n);
/* Number of elements that follow; each takes at least `least` bytes of what is left, else it is a mistake (and 0).
 * Elements of `*element` type. */
size_t mst_thrift_list(mst_thrift *t, uint8_t type, size_t least, uint8_t *element);
/* Elements of lists carry bools as bytes. */
bool mst_thrift_element_bool(mst_thrift *t);
/* Entering and leaving a struct, so that hostile nesting ends; false is a mistake already noted. */
bool mst_thrift_enter(mst_thrift *t, uint8_t type);
void mst_thrift_leave(mst_thrift *t);

/* ---- writing ------------------------------------------------------------------------------------------------- */

/* Fields must be written in rising order; `last` remembers the one before, per struct. Structs inside structs are
 * entered with a fresh `last` of their own and ended with mst_thrift_put_stop. */
mst_status mst_thrift_put_field(mst_buf *b, int16_t *last, int16_t id, mst_thrift_type type, mst_error *err);
mst_status mst_thrift_put_varint(mst_buf *b, uint64_t v, mst_error *err);
mst_status mst_thrift_put_i32(mst_buf *b, int16_t *last, int16_t id, int32_t v, mst_error *err);
mst_status mst_thrift_put_i64(mst_buf *b, int16_t *last, int16_t id, int64_t v, mst_error *err);
mst_status mst_thrift_put_i16(mst_buf *b, int16_t *last, int16_t id, int16_t v, mst_error *err);
mst_status mst_thrift_put_byte(mst_buf *b, int16_t *last, int16_t id, int8_t v, mst_error *err);
mst_status mst_thrift_put_bool(mst_buf *b, int16_t *last, int16_t id, bool v, mst_error *err);
mst_status mst_thrift_put_binary(mst_buf *b, int16_t *last, int16_t id, const void *data, size_t n, mst_error *err);
mst_status mst_thrift_put_struct(mst_buf *b, int16_t *last, int16_t id, mst_error *err);
mst_status mst_thrift_put_list(mst_buf *b, int16_t *last, int16_t id, mst_thrift_type element, size_t n,
                               mst_error *err);
mst_status mst_thrift_put_stop(mst_buf *b, mst_error *err);
/* Values without a field head, as list elements are. */
mst_status mst_thrift_put_element_int(mst_buf *b, int64_t v, mst_error *err);
mst_status mst_thrift_put_element_binary(mst_buf *b, const void *data, size_t n, mst_error *err);

#endif
