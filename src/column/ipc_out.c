/* column/ipc_out.c - Arrow IPC messages: the few flatbuffers tables that a stream needs are laid out by hand, back to
 * front as flatbuffers are (https://flatbuffers.dev/internals/; Schema.fbs and Message.fbs of the Arrow format, version
 * V5). */
#include "column/column.h"

#define FB_LIMIT   ((size_t)64 << 20)
#define FIELDS_MAX 16

/* ---- flatbuffers, growing downwards; positions count from the end ---- */

typedef struct fb {
  uint8_t *data;
  size_t room, used, align;
  uint32_t fields[FIELDS_MAX]; /* of the table being made: position of each field, 0 when absent */
  size_t n_fields, table;
  bool any; /* types that our streams do not carry are described too */
  int64_t dictionaries;
  mst_status status;
  mst_error *err;
} fb;

static uint8_t *fb_take(fb *b, size_t n) {
  if (b->status == MST_OK && (b->used + n > b->room || b->data == NULL)) {
    const size_t room = (b->used + n) * 2 + 256;
    uint8_t *grown = room > FB_LIMIT ? NULL : mst_alloc(NULL, room);
    if (grown == NULL) {
      b->status = mst_fail(b->err, MST_E_LIMIT, "a schema of more than %zu bytes", FB_LIMIT);
    } else {
      if (b->used > 0) memcpy(grown + room - b->used, b->data + b->room - b->used, b->used);
      mst_free(NULL, b->data);
      b->data = grown;
      b->room = room;
    }
  }
  if (b->status != MST_OK) return NULL;
  b->used += n;
  return b->data + b->room - b->used;
}

/* So that what is put next, behind `extra` bytes, begins at a multiple of `size`. */
static void fb_align(fb *b, size_t size, size_t extra) {
  if (size > b->align) b->align = size;
  const size_t pad = (size - (b->used + extra) % size) % size;
  uint8_t *p = fb_take(b, pad);
  if (p != NULL) memset(p, 0, pad);
}

static void fb_put(fb *b, uint64_t v, size_t size) {
  fb_align(b, size, 0);
  uint8_t *p = fb_take(b, size);
  for (size_t i = 0; p != NULL && i < size; i++) p[i] = (uint8_t)(v >> (8 * i));
}

static void fb_offset(fb *b, size_t to) {
  fb_align(b, 4, 0);
  fb_put(b, b->used + 4 - to, 4);
}

static void fb_begin(fb *b) {
  memset(b->fields, 0, sizeof b->fields);
  b->n_fields = 0;
  b->table = b->used;
}

static void fb_mark(fb *b, size_t field) {
  b->fields[field] = (uint32_t)b->used;
  if (field >= b->n_fields) b->n_fields = field + 1;
}

static void fb_field(fb *b, size_t field, uint64_t v, size_t size) {
  fb_put(b, v, size);
  fb_mark(b, field);
}

static void fb_field_offset(fb *b, size_t field, size_t to) {
  fb_offset(b, to);
  fb_mark(b, field);
}

/* The table's offset to its vtable, and the vtable in front of it. */
static size_t fb_end(fb *b) {
  fb_put(b, 0, 4);
  const size_t at = b->used;
  const size_t n = b->n_fields;
  fb_align(b, 2, 0);
  for (size_t i = n; i-- > 0;) fb_put(b, b->fields[i] == 0 ? 0 : at - b->fields[i], 2);
  fb_put(b, at - b->table, 2);
  fb_put(b, (n + 2) * 2, 2);
  if (b->status == MST_OK) mst_put_le32(b->data + b->room - at, (uint32_t)(b->used - at));
  return at;
}

static size_t fb_text(fb *b, const char *text, size_t n) {
  fb_align(b, 4, n + 1);
  uint8_t *p = fb_take(b, n + 1);
  if (p != NULL) {
    memcpy(p, text, n);
    p[n] = '\0';
  }
  fb_put(b, n, 4);
  return b->used;
}

static size_t fb_offsets(fb *b, const size_t *to, size_t n) {
  fb_align(b, 4, n * 4);
  for (size_t i = n; i-- > 0;) fb_offset(b, to[i]);
  fb_put(b, n, 4);
  return b->used;
}

/* ---- Schema.fbs ---- */

enum {
  T_NULL = 1,
  T_INT,
  T_FLOAT,
  T_BINARY,
  T_UTF8,
  T_BOOL,
  T_DECIMAL,
  T_DATE,
  T_TIME,
  T_TIMESTAMP,
  T_INTERVAL,
  T_LIST,
  T_STRUCT,
  T_UNION,
  T_FIXED_BINARY,
  T_FIXED_LIST,
  T_MAP,
  T_DURATION,
  T_LARGE_BINARY,
  T_LARGE_UTF8,
  T_LARGE_LIST,
  T_RUN_END,
  T_BINARY_VIEW,
  T_UTF8_VIEW,
  T_LIST_VIEW,
  T_LARGE_LIST_VIEW
};

static size_t type_empty(fb *b) {
  fb_begin(b);
  return fb_end(b);
}

static size_t type_int(fb *b, uint64_t bits, bool is_signed) {
  fb_begin(b);
  fb_field(b, 0, bits, 4);
  fb_field(b, 1, is_signed, 1);
  return fb_end(b);
}

static size_t type_short(fb *b, uint64_t v) {
  fb_begin(b);
  fb_field(b, 0, v, 2);
  return fb_end(b);
}

static size_t type_long(fb *b, uint64_t v) {
  fb_begin(b);
  fb_field(b, 0, v, 4);
  return fb_end(b);
}

static size_t type_timestamp(fb *b, const mst_type *t) {
  const size_t zone = t->zone[0] == '\0' ? 0 : fb_text(b, t->zone, strlen(t->zone));
  fb_begin(b);
  if (zone != 0) fb_field_offset(b, 1, zone);
  fb_field(b, 0, t->unit, 2);
  return fb_end(b);
}

static size_t type_time(fb *b, const mst_type *t, uint64_t bits) {
  fb_begin(b);
  fb_field(b, 1, bits, 4);
  fb_field(b, 0, t->unit, 2);
  return fb_end(b);
}

static size_t type_decimal(fb *b, const mst_type *t) {
  fb_begin(b);
  fb_field(b, 0, (uint32_t)t->precision, 4);
  fb_field(b, 1, (uint32_t)t->scale, 4);
  fb_field(b, 2, (uint64_t)t->width * 8, 4);
  return fb_end(b);
}

/* The number of the union member, 0 when the type has no place in our streams. */
static uint8_t put_type(fb *b, const struct ArrowSchema *field, const mst_type *t, size_t *at) {
  const bool large = t->layout == MST_LAYOUT_OFFSETS64 || t->layout == MST_LAYOUT_LIST64;
  if (b->any && (t->kind == MST_KIND_RUN_END || t->layout == MST_LAYOUT_VIEWS || t->layout == MST_LAYOUT_LISTVIEW32 ||
                 t->layout == MST_LAYOUT_LISTVIEW64)) {
    *at = type_empty(b);
    if (t->kind == MST_KIND_RUN_END) return T_RUN_END;
    if (t->layout == MST_LAYOUT_VIEWS) return t->kind == MST_KIND_TEXT ? T_UTF8_VIEW : T_BINARY_VIEW;
    return t->layout == MST_LAYOUT_LISTVIEW32 ? T_LIST_VIEW : T_LARGE_LIST_VIEW;
  }
  if (field->dictionary != NULL || t->layout == MST_LAYOUT_VIEWS || t->layout == MST_LAYOUT_LISTVIEW32 ||
      t->layout == MST_LAYOUT_LISTVIEW64)
    return 0;
  switch (t->kind) {
  case MST_KIND_NULL: *at = type_empty(b); return T_NULL;
  case MST_KIND_BOOL: *at = type_empty(b); return T_BOOL;
  case MST_KIND_INT8:
  case MST_KIND_INT16:
  case MST_KIND_INT32:
  case MST_KIND_INT64: *at = type_int(b, (uint64_t)t->width * 8, true); return T_INT;
  case MST_KIND_UINT8:
  case MST_KIND_UINT16:
  case MST_KIND_UINT32:
  case MST_KIND_UINT64: *at = type_int(b, (uint64_t)t->width * 8, false); return T_INT;
  case MST_KIND_HALF: *at = type_short(b, 0); return T_FLOAT;
  case MST_KIND_FLOAT: *at = type_short(b, 1); return T_FLOAT;
  case MST_KIND_DOUBLE: *at = type_short(b, 2); return T_FLOAT;
  case MST_KIND_DECIMAL: *at = type_decimal(b, t); return T_DECIMAL;
  case MST_KIND_DATE32: *at = type_short(b, 0); return T_DATE;
  case MST_KIND_DATE64: *at = type_short(b, 1); return T_DATE;
  case MST_KIND_TIME32: *at = type_time(b, t, 32); return T_TIME;
  case MST_KIND_TIME64: *at = type_time(b, t, 64); return T_TIME;
  case MST_KIND_TIMESTAMP: *at = type_timestamp(b, t); return T_TIMESTAMP;
  case MST_KIND_DURATION: *at = type_short(b, t->unit); return T_DURATION;
  case MST_KIND_MONTHS: *at = type_short(b, 0); return T_INTERVAL;
  case MST_KIND_DAYS_MS: *at = type_short(b, 1); return T_INTERVAL;
  case MST_KIND_MONTH_DAY_NANO: *at = type_short(b, 2); return T_INTERVAL;
  case MST_KIND_FIXED_BYTES: *at = type_long(b, t->width); return T_FIXED_BINARY;
  case MST_KIND_BYTES: *at = type_empty(b); return large ? T_LARGE_BINARY : T_BINARY;
  case MST_KIND_TEXT: *at = type_empty(b); return large ? T_LARGE_UTF8 : T_UTF8;
  case MST_KIND_LIST: *at = type_empty(b); return large ? T_LARGE_LIST : T_LIST;
  case MST_KIND_FIXED_LIST: *at = type_long(b, (uint32_t)t->size); return T_FIXED_LIST;
  case MST_KIND_STRUCT: *at = type_empty(b); return T_STRUCT;
  case MST_KIND_MAP:
    fb_begin(b);
    fb_field(b, 0, (field->flags & ARROW_FLAG_MAP_KEYS_SORTED) != 0, 1);
    *at = fb_end(b);
    return T_MAP;
  default: return 0;
  }
}

static size_t put_pairs(fb *b, const struct ArrowSchema *schema) {
  mst_metadata_pair pair;
  size_t n = 0, made[256];
  for (; n < 256 && mst_schema_pair(schema, n, &pair); n++) {
    const size_t key = fb_text(b, pair.key, pair.key_size), value = fb_text(b, pair.value, pair.value_size);
    fb_begin(b);
    fb_field_offset(b, 1, value);
    fb_field_offset(b, 0, key);
    made[n] = fb_end(b);
  }
  return n == 0 ? 0 : fb_offsets(b, made, n);
}

static size_t put_field(fb *b, const struct ArrowSchema *field);

static size_t put_children(fb *b, const struct ArrowSchema *parent) {
  const size_t n = (size_t)parent->n_children;
  size_t *made = mst_alloc_array(NULL, n == 0 ? 1 : n, sizeof *made);
  if (made == NULL) {
    b->status = mst_fail_memory(b->err);
    return 0;
  }
  for (size_t i = 0; i < n; i++) made[i] = put_field(b, parent->children[i]);
  const size_t at = fb_offsets(b, made, n);
  mst_free(NULL, made);
  return at;
}

/* DictionaryEncoding of an index field; 0 for others. */
static size_t put_dictionary(fb *b, const struct ArrowSchema *field, const struct ArrowSchema **values) {
  mst_type type;
  *values = field;
  if (field->dictionary == NULL || !b->any || b->status != MST_OK) return 0;
  b->status = mst_type_parse(field->format, &type, b->err);
  if (b->status != MST_OK) return 0;
  *values = field->dictionary;
  const size_t index = type_int(b, (uint64_t)type.width * 8, mst_type_is_signed(&type));
  fb_begin(b);
  fb_field(b, 0, (uint64_t)b->dictionaries++, 8);
  fb_field_offset(b, 1, index);
  fb_field(b, 2, (field->flags & ARROW_FLAG_DICTIONARY_ORDERED) != 0, 1);
  return fb_end(b);
}

static size_t put_field(fb *b, const struct ArrowSchema *node) {
  mst_type type;
  size_t type_at = 0;
  const struct ArrowSchema *field = node;
  const size_t dictionary = put_dictionary(b, node, &field);
  const char *name = node->name == NULL ? "" : node->name;
  if (b->status == MST_OK) b->status = mst_type_parse(field->format, &type, b->err);
  if (b->status != MST_OK) return 0;
  const size_t children = put_children(b, field), pairs = put_pairs(b, node);
  const uint8_t number = b->status == MST_OK ? put_type(b, field, &type, &type_at) : 1;
  if (number == 0)
    b->status = mst_fail(b->err, MST_E_UNSUPPORTED, "column \"%.80s\": the type %.40s is not written to Arrow IPC",
                         name, field->format);
  const size_t text = fb_text(b, name, strlen(name));
  fb_begin(b);
  fb_field_offset(b, 0, text);
  fb_field_offset(b, 3, type_at);
  if (dictionary != 0) fb_field_offset(b, 4, dictionary);
  fb_field_offset(b, 5, children);
  if (pairs != 0) fb_field_offset(b, 6, pairs);
  fb_field(b, 1, (node->flags & ARROW_FLAG_NULLABLE) != 0, 1);
  fb_field(b, 2, number, 1);
  return fb_end(b);
}

/* ---- Message.fbs ---- */

enum { MESSAGE_SCHEMA = 1, MESSAGE_BATCH = 3, VERSION_5 = 4 };

/* Wraps the header into a message and appends it, its size in front, padded to 8 bytes. */
static mst_status put_message(fb *b, uint8_t kind, size_t header, uint64_t body, mst_buf *out, mst_error *err) {
  fb_begin(b);
  fb_field(b, 3, body, 8);
  fb_field_offset(b, 2, header);
  fb_field(b, 0, VERSION_5, 2);
  fb_field(b, 1, kind, 1);
  const size_t root = fb_end(b);
  fb_align(b, b->align < 8 ? 8 : b->align, 4);
  fb_offset(b, root);
  if (b->status != MST_OK) return b->status;
  const size_t pad = (8 - b->used % 8) % 8;
  mst_status status = mst_buf_put_u32(out, UINT32_MAX, err);
  if (status == MST_OK) status = mst_buf_put_u32(out, (uint32_t)(b->used + pad), err);
  if (status == MST_OK) status = mst_buf_put(out, b->data + b->room - b->used, b->used, err);
  return status == MST_OK ? mst_buf_put(out, "\0\0\0\0\0\0\0", pad, err) : status;
}

static mst_status put_schema(const struct ArrowSchema *schema, bool any, mst_buf *out, mst_error *err) {
  fb b = {.any = any, .err = err};
  const size_t fields = put_children(&b, schema), pairs = put_pairs(&b, schema);
  fb_begin(&b);
  fb_field_offset(&b, 1, fields);
  if (pairs != 0) fb_field_offset(&b, 2, pairs);
  fb_field(&b, 0, 0, 2); /* little-endian */
  const size_t header = fb_end(&b);
  mst_status status = put_message(&b, MESSAGE_SCHEMA, header, 0, out, err);
  mst_free(NULL, b.data);
  return status;
}

mst_status mst_ipc_put_schema(const struct ArrowSchema *schema, mst_buf *out, mst_error *err) {
  return put_schema(schema, false, out, err);
}

mst_status mst_ipc_put_any_schema(const struct ArrowSchema *schema, mst_buf *out, mst_error *err) {
  return put_schema(schema, true, out, err);
}

/* ---- bodies ---- */

/* Nodes and buffers in the order of the fields, depth first; the body grows along. */
typedef struct body {
  mst_buf nodes, places, bytes;
} body;

static mst_status add_buffer(body *b, const void *data, size_t n, mst_error *err) {
  static const uint8_t zeros[8];
  mst_status status = mst_buf_put_u64(&b->places, b->bytes.size, err);
  if (status == MST_OK) status = mst_buf_put_u64(&b->places, n, err);
  if (status == MST_OK && n > 0) status = mst_buf_put(&b->bytes, data, n, err);
  return status == MST_OK ? mst_buf_put(&b->bytes, zeros, (8 - n % 8) % 8, err) : status;
}

/* Bits [offset, offset + n), moved to begin at a byte. */
static mst_status add_bits(body *b, const uint8_t *bits, int64_t offset, int64_t n, mst_error *err) {
  if (bits == NULL || n == 0) return add_buffer(b, NULL, 0, err);
  const size_t size = (size_t)(n + 7) / 8;
  if (offset % 8 == 0) return add_buffer(b, bits + offset / 8, size, err);
  uint8_t *moved = mst_alloc_zero(NULL, 1, size);
  if (moved == NULL) return mst_fail_memory(err);
  for (int64_t i = 0; i < n; i++)
    if ((bits[(offset + i) / 8] >> ((offset + i) % 8) & 1) != 0) moved[i / 8] |= (uint8_t)(1u << (i % 8));
  mst_status status = add_buffer(b, moved, size, err);
  mst_free(NULL, moved);
  return status;
}

static int64_t offset_at(const void *offsets, bool wide, int64_t i) {
  return wide ? ((const int64_t *)offsets)[i] : ((const int32_t *)offsets)[i];
}

/* Offsets that begin at 0; gives the first and the number of items that they span. */
static mst_status add_offsets(body *b, const void *offsets, bool wide, int64_t offset, int64_t n, int64_t *first,
                              int64_t *items, mst_error *err) {
  *first = *items = 0;
  if (offsets == NULL || n == 0) return add_buffer(b, "\0\0\0\0\0\0\0", wide ? 8 : 4, err);
  *first = offset_at(offsets, wide, offset);
  *items = offset_at(offsets, wide, offset + n) - *first;
  const size_t width = wide ? 8 : 4, size = (size_t)(n + 1) * width;
  if (*first == 0) return add_buffer(b, (const uint8_t *)offsets + (size_t)offset * width, size, err);
  uint8_t *moved = mst_alloc(NULL, size);
  if (moved == NULL) return mst_fail_memory(err);
  for (int64_t i = 0; i <= n; i++) {
    const int64_t v = offset_at(offsets, wide, offset + i) - *first;
    if (wide) mst_put_le64(moved + i * 8, (uint64_t)v);
    else mst_put_le32(moved + i * 4, (uint32_t)v);
  }
  mst_status status = add_buffer(b, moved, size, err);
  mst_free(NULL, moved);
  return status;
}

static int64_t count_nulls(const uint8_t *valid, int64_t offset, int64_t n) {
  int64_t nulls = 0;
  for (int64_t i = 0; valid != NULL && i < n; i++) nulls += (valid[(offset + i) / 8] >> ((offset + i) % 8) & 1) == 0;
  return nulls;
}

/* Rows [first, first + n) of a column, counted from the column's own offset. */
static mst_status add_column(body *b, const struct ArrowSchema *field, const struct ArrowArray *a, int64_t first,
                             int64_t n, mst_error *err) {
  mst_status status = MST_OK;
  mst_type t;
  int64_t from = 0, items = 0;
  MST_TRY(mst_type_parse(field->format, &t, err));
  const int64_t offset = a->offset + first;
  const uint8_t *valid = t.layout == MST_LAYOUT_NULL || a->n_buffers == 0 ? NULL : a->buffers[0];
  const bool wide = t.layout == MST_LAYOUT_OFFSETS64 || t.layout == MST_LAYOUT_LIST64;
  const int64_t nulls = t.layout == MST_LAYOUT_NULL ? n : a->null_count == 0 ? 0 : count_nulls(valid, offset, n);
  MST_TRY(mst_buf_put_u64(&b->nodes, (uint64_t)n, err));
  MST_TRY(mst_buf_put_u64(&b->nodes, (uint64_t)nulls, err));
  if (t.layout == MST_LAYOUT_NULL) goto done;
  MST_TRY(add_bits(b, nulls == 0 ? NULL : valid, offset, n, err));
  switch (t.layout) {
  case MST_LAYOUT_BITS: MST_TRY(add_bits(b, a->buffers[1], offset, n, err)); break;
  case MST_LAYOUT_FIXED:
    MST_TRY(add_buffer(b, n == 0 ? NULL : (const uint8_t *)a->buffers[1] + (size_t)offset * t.width,
                       (size_t)n * t.width, err));
    break;
  case MST_LAYOUT_OFFSETS32:
  case MST_LAYOUT_OFFSETS64:
    MST_TRY(add_offsets(b, a->buffers[1], wide, offset, n, &from, &items, err));
    MST_TRY(add_buffer(b, items == 0 ? NULL : (const uint8_t *)a->buffers[2] + from, (size_t)items, err));
    break;
  case MST_LAYOUT_LIST32:
  case MST_LAYOUT_LIST64:
    MST_TRY(add_offsets(b, a->buffers[1], wide, offset, n, &from, &items, err));
    MST_TRY(add_column(b, field->children[0], a->children[0], from, items, err));
    break;
  case MST_LAYOUT_FIXED_LIST:
    MST_TRY(add_column(b, field->children[0], a->children[0], offset * t.size, n * t.size, err));
    break;
  case MST_LAYOUT_STRUCT:
    for (int64_t i = 0; i < a->n_children; i++)
      MST_TRY(add_column(b, field->children[i], a->children[i], offset, n, err));
    break;
  default: status = mst_fail(err, MST_E_UNSUPPORTED, "the type %.40s is not written to Arrow IPC", field->format);
  }
done:
  return status;
}

/* A vector of 16-byte structs that are laid out already. */
static size_t put_structs(fb *b, const mst_buf *structs) {
  fb_align(b, 4, structs->size);
  fb_align(b, 8, structs->size);
  uint8_t *p = fb_take(b, structs->size);
  if (p != NULL && structs->size > 0) memcpy(p, structs->data, structs->size);
  fb_put(b, structs->size / 16, 4);
  return b->used;
}

mst_status mst_ipc_put_batch(const struct ArrowSchema *schema, const struct ArrowArray *batch, mst_buf *out,
                             mst_error *err) {
  mst_status status = MST_OK;
  body b;
  fb f = {.err = err};
  mst_buf_init(&b.nodes, NULL, FB_LIMIT);
  mst_buf_init(&b.places, NULL, FB_LIMIT);
  mst_buf_init(&b.bytes, NULL, SIZE_MAX / 2);
  for (int64_t i = 0; i < batch->n_children; i++)
    MST_TRY(add_column(&b, schema->children[i], batch->children[i], batch->offset, batch->length, err));
  const size_t buffers = put_structs(&f, &b.places), nodes = put_structs(&f, &b.nodes);
  fb_begin(&f);
  fb_field(&f, 0, (uint64_t)batch->length, 8);
  fb_field_offset(&f, 1, nodes);
  fb_field_offset(&f, 2, buffers);
  const size_t header = fb_end(&f);
  MST_TRY(put_message(&f, MESSAGE_BATCH, header, b.bytes.size, out, err));
  MST_TRY(mst_buf_put(out, b.bytes.data, b.bytes.size, err));
done:
  mst_free(NULL, f.data);
  mst_buf_free(&b.nodes);
  mst_buf_free(&b.places);
  mst_buf_free(&b.bytes);
  return status;
}

mst_status mst_ipc_put_end(mst_buf *out, mst_error *err) {
  mst_status status = mst_buf_put_u32(out, UINT32_MAX, err);
  return status == MST_OK ? mst_buf_put_u32(out, 0, err) : status;
}
