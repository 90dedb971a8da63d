/* parquet/thrift.c - the Thrift compact protocol.
 *
 * Owns: nothing. May call: base. */
#include "parquet/thrift.h"

enum { DEPTH_MAX = 32 };

mst_thrift mst_thrift_over(const void *data, size_t size) { return (mst_thrift){.data = data, .size = size}; }

void mst_thrift_fail(mst_thrift *t, const char *what) {
  if (t->bad == NULL) {
    t->bad = what;
    t->bad_at = t->at;
  }
  t->at = t->size;
}

static uint8_t take_byte(mst_thrift *t) {
  if (t->at < t->size) return t->data[t->at++];
  mst_thrift_fail(t, "it ends early");
  return 0;
}

uint64_t mst_thrift_varint_any(mst_thrift *t) {
  uint64_t v = 0;
  unsigned shift;
  for (shift = 0; shift < 70; shift += 7) {
    uint8_t byte = take_byte(t);
    if (shift == 63 && byte > 1) break;
    v |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) return v;
  }
  mst_thrift_fail(t, "an integer is longer than 64 bits");
  return 0;
}

static int64_t take_zigzag(mst_thrift *t) {
  uint64_t v = mst_thrift_varint(t);
  return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

bool mst_thrift_next_any(mst_thrift *t, mst_thrift_field *f) {
  uint8_t head;
  int64_t id;
  if (t->bad != NULL) return false;
  head = take_byte(t);
  if ((head & 15) == 0) {
    if (head != 0) mst_thrift_fail(t, "a field has type 0");
    return false;
  }
  id = (head >> 4) != 0 ? f->id + (head >> 4) : take_zigzag(t);
  if (id < INT16_MIN || id > INT16_MAX) {
    mst_thrift_fail(t, "a field's number is out of range");
    return false;
  }
  f->id = (int16_t)id;
  f->type = head & 15;
  return t->bad == NULL;
}

int64_t mst_thrift_int_any(mst_thrift *t, uint8_t type) {
  if (type >= MST_THRIFT_I16 && type <= MST_THRIFT_I64) return take_zigzag(t);
  if (type == MST_THRIFT_BYTE) return (int8_t)take_byte(t);
  mst_thrift_fail(t, "a field that must be an integer is none");
  return 0;
}

int32_t mst_thrift_i32(mst_thrift *t, uint8_t type) {
  int64_t v = mst_thrift_int(t, type);
  if (v >= INT32_MIN && v <= INT32_MAX) return (int32_t)v;
  mst_thrift_fail(t, "a 32-bit integer is out of range");
  return 0;
}

bool mst_thrift_bool(mst_thrift *t, uint8_t type) {
  if (type != MST_THRIFT_TRUE && type != MST_THRIFT_FALSE) mst_thrift_fail(t, "a field that must be a bool is none");
  return type == MST_THRIFT_TRUE;
}

bool mst_thrift_element_bool(mst_thrift *t) { return take_byte(t) == MST_THRIFT_TRUE; }

const uint8_t *mst_thrift_binary(mst_thrift *t, uint8_t type, size_t *n) {
  uint64_t size;
  const uint8_t *data;
  *n = 0;
  if (type != MST_THRIFT_BINARY) {
    mst_thrift_fail(t, "a field that must be bytes is none");
    return NULL;
  }
  size = mst_thrift_varint(t);
  if (size > t->size - t->at) {
    mst_thrift_fail(t, "a byte string is longer than what is left");
    return NULL;
  }
  data = t->data + t->at;
  t->at += (size_t)size;
  *n = (size_t)size;
  return data;
}

static size_t take_list_head(mst_thrift *t, size_t least, uint8_t *element) {
  uint8_t head = take_byte(t);
  uint64_t n = head >> 4;
  *element = head & 15;
  if (n == 15) n = mst_thrift_varint(t);
  if (n > (t->size - t->at) / least) {
    mst_thrift_fail(t, "a list is longer than what is left");
    return 0;
  }
  return (size_t)n;
}

size_t mst_thrift_list(mst_thrift *t, uint8_t type, size_t least, uint8_t *element) {
  *element = 0;
  if (type != MST_THRIFT_LIST && type != MST_THRIFT_SET) {
    mst_thrift_fail(t, "a field that must be a list is none");
    return 0;
  }
  return take_list_head(t, least, element);
}

bool mst_thrift_enter(mst_thrift *t, uint8_t type) {
  if (type != MST_THRIFT_STRUCT) mst_thrift_fail(t, "a field that must be a struct is none");
  if (t->depth >= DEPTH_MAX) mst_thrift_fail(t, "structs nest too deep");
  t->depth++;
  return t->bad == NULL;
}

void mst_thrift_leave(mst_thrift *t) { t->depth--; }

static void skip_struct(mst_thrift *t) {
  mst_thrift_field f = {0};
  if (mst_thrift_enter(t, MST_THRIFT_STRUCT))
    while (mst_thrift_next(t, &f)) mst_thrift_skip(t, f.type);
  mst_thrift_leave(t);
}

static void skip_elements(mst_thrift *t, uint8_t type, uint64_t n) {
  uint64_t i;
  t->depth++;
  if (t->depth > DEPTH_MAX) mst_thrift_fail(t, "lists nest too deep");
  for (i = 0; i < n && t->bad == NULL; i++) {
    if (type == MST_THRIFT_TRUE || type == MST_THRIFT_FALSE) {
      take_byte(t);
    } else {
      mst_thrift_skip(t, type);
    }
  }
  t->depth--;
}

static void skip_map(mst_thrift *t) {
  uint64_t n = mst_thrift_varint(t), i;
  uint8_t types;
  if (n == 0) return;
  types = take_byte(t);
  for (i = 0; i < n && t->bad == NULL; i++) {
    skip_elements(t, types >> 4, 1);
    skip_elements(t, types & 15, 1);
  }
}

static void skip_bytes(mst_thrift *t, uint64_t n) {
  if (n > t->size - t->at) {
    mst_thrift_fail(t, "it ends early");
  } else {
    t->at += (size_t)n;
  }
}

void mst_thrift_skip_any(mst_thrift *t, uint8_t type) {
  uint8_t element;
  size_t n;
  switch (type) {
  case MST_THRIFT_TRUE:
  case MST_THRIFT_FALSE: break;
  case MST_THRIFT_BYTE: take_byte(t); break;
  case MST_THRIFT_I16:
  case MST_THRIFT_I32:
  case MST_THRIFT_I64: mst_thrift_varint(t); break;
  case MST_THRIFT_DOUBLE: skip_bytes(t, 8); break;
  case MST_THRIFT_UUID: skip_bytes(t, 16); break;
  case MST_THRIFT_BINARY: mst_thrift_binary(t, type, &n); break;
  case MST_THRIFT_LIST:
  case MST_THRIFT_SET:
    n = take_list_head(t, 1, &element);
    skip_elements(t, element, n);
    break;
  case MST_THRIFT_MAP: skip_map(t); break;
  case MST_THRIFT_STRUCT: skip_struct(t); break;
  default: mst_thrift_fail(t, "a field has an unknown type");
  }
}

/* ---- writing ------------------------------------------------------------------------------------------------- */

mst_status mst_thrift_put_varint(mst_buf *b, uint64_t v, mst_error *err) {
  uint8_t bytes[10];
  size_t n = 0;
  for (; v >= 0x80; v >>= 7) bytes[n++] = (uint8_t)(v | 0x80);
  bytes[n++] = (uint8_t)v;
  return mst_buf_put(b, bytes, n, err);
}

mst_status mst_thrift_put_element_int(mst_buf *b, int64_t v, mst_error *err) {
  return mst_thrift_put_varint(b, (uint64_t)v << 1 ^ (uint64_t)(v >> 63), err);
}

mst_status mst_thrift_put_element_binary(mst_buf *b, const void *data, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(mst_thrift_put_varint(b, n, err));
  MST_TRY(mst_buf_put(b, data, n, err));
done:
  return status;
}

mst_status mst_thrift_put_field(mst_buf *b, int16_t *last, int16_t id, mst_thrift_type type, mst_error *err) {
  mst_status status = MST_OK;
  int step = id - *last;
  mst_assert(step > 0);
  if (step < 16) {
    MST_TRY(mst_buf_put_byte(b, (uint8_t)(step << 4 | (int)type), err));
  } else {
    MST_TRY(mst_buf_put_byte(b, (uint8_t)type, err));
    MST_TRY(mst_thrift_put_element_int(b, id, err));
  }
  *last = id;
done:
  return status;
}

static mst_status put_int(mst_buf *b, int16_t *last, int16_t id, mst_thrift_type type, int64_t v, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(mst_thrift_put_field(b, last, id, type, err));
  MST_TRY(mst_thrift_put_element_int(b, v, err));
done:
  return status;
}

mst_status mst_thrift_put_i32(mst_buf *b, int16_t *last, int16_t id, int32_t v, mst_error *err) {
  return put_int(b, last, id, MST_THRIFT_I32, v, err);
}

mst_status mst_thrift_put_i64(mst_buf *b, int16_t *last, int16_t id, int64_t v, mst_error *err) {
  return put_int(b, last, id, MST_THRIFT_I64, v, err);
}

mst_status mst_thrift_put_i16(mst_buf *b, int16_t *last, int16_t id, int16_t v, mst_error *err) {
  return put_int(b, last, id, MST_THRIFT_I16, v, err);
}

mst_status mst_thrift_put_byte(mst_buf *b, int16_t *last, int16_t id, int8_t v, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(mst_thrift_put_field(b, last, id, MST_THRIFT_BYTE, err));
  MST_TRY(mst_buf_put_byte(b, (uint8_t)v, err));
done:
  return status;
}

mst_status mst_thrift_put_bool(mst_buf *b, int16_t *last, int16_t id, bool v, mst_error *err) {
  return mst_thrift_put_field(b, last, id, v ? MST_THRIFT_TRUE : MST_THRIFT_FALSE, err);
}

mst_status mst_thrift_put_binary(mst_buf *b, int16_t *last, int16_t id, const void *data, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(mst_thrift_put_field(b, last, id, MST_THRIFT_BINARY, err));
  MST_TRY(mst_thrift_put_element_binary(b, data, n, err));
done:
  return status;
}

mst_status mst_thrift_put_struct(mst_buf *b, int16_t *last, int16_t id, mst_error *err) {
  return mst_thrift_put_field(b, last, id, MST_THRIFT_STRUCT, err);
}

mst_status mst_thrift_put_list(mst_buf *b, int16_t *last, int16_t id, mst_thrift_type element, size_t n,
                               mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(mst_thrift_put_field(b, last, id, MST_THRIFT_LIST, err));
  if (n < 15) return mst_buf_put_byte(b, (uint8_t)(n << 4 | element), err);
  MST_TRY(mst_buf_put_byte(b, (uint8_t)(0xf0 | element), err));
  MST_TRY(mst_thrift_put_varint(b, n, err));
done:
  return status;
}

mst_status mst_thrift_put_stop(mst_buf *b, mst_error *err) { return mst_buf_put_byte(b, 0, err); }
