/* column/ipc_batches.c - see ipc_batches.h. Bytes are hostile: every length and offset is checked against what is
 * there, so that what leaves here is an array that may be read without looking twice.
 *
 * Owns: the reader behind a stream. May call: base. */
#include "column/column.h"
#include "column/ipc_fb.h"

#define METADATA_MAX ((uint64_t)1 << 28)
#define BODY_MAX     ((uint64_t)1 << 36)
#define DICTIONARIES 4096u

enum { HEADER_SCHEMA = 1, HEADER_DICTIONARY = 2, HEADER_BATCH = 3 };

/* The values of one dictionary id, as far as they have come. */
typedef struct dictionary {
  int64_t id;
  const struct ArrowSchema *type; /* of the values; within the reader's schema */
  struct ArrowArray values;       /* shared with each batch by copying         */
} dictionary;

typedef struct reader {
  const mst_allocator *mem;
  mst_ipc_source source;
  struct ArrowSchema schema;
  dictionary *dictionaries;
  size_t n_dictionaries;
  uint64_t at; /* bytes read so far */
  bool ended;
} reader;

/* One batch on its way out of its message. */
typedef struct unpacking {
  reader *r;
  fb b;
  mst_bytes body;
  size_t nodes_at, n_nodes, node;
  size_t buffers_at, n_buffers, buffer;
  int codec;  /* -1: none */
  size_t ids; /* dictionary-encoded fields met so far */
} unpacking;

static mst_status bad(const reader *r, mst_error *err, const char *what) {
  return mst_fail_at(err, MST_E_CORRUPT, r->at, "%s: Arrow IPC: %s", r->source.name, what);
}

/* ---- buffers ------------------------------------------------------------------------------------------------------
 */

static mst_status unpack_buffer(unpacking *u, mst_bytes *packed, mst_bytes *out, mst_error *err) {
  mst_status status = MST_OK;
  uint8_t *to = NULL;
  mst_bytes made = {0};
  if (packed->size < 8) {
    status = packed->size == 0 ? MST_OK : bad(u->r, err, "a compressed buffer of fewer than 8 bytes");
    goto done;
  }
  const int64_t size = (int64_t)mst_le64(packed->data);
  if (size == -1) {
    *out = mst_bytes_part(packed, 8, packed->size - 8);
    goto done;
  }
  if (size < 0 || (uint64_t)size > (uint64_t)packed->size * 4096 + 65536) {
    status = bad(u->r, err, "a buffer that unpacks to more than its bytes can hold");
    goto done;
  }
  MST_TRY(mst_bytes_new(u->r->mem, (size_t)size, &made, &to, err));
  if (size > 0)
    MST_TRY(
        u->r->source.unpack(u->r->source.self, u->codec, packed->data + 8, packed->size - 8, to, (size_t)size, err));
  *out = made;
  made = (mst_bytes){0};
done:
  mst_bytes_release(&made);
  mst_bytes_release(packed);
  return status;
}

/* The next buffer; at least `least` bytes where the array has rows. */
static mst_status take_buffer(unpacking *u, uint64_t least, mst_bytes *out, mst_error *err) {
  *out = (mst_bytes){0};
  if (u->buffer >= u->n_buffers) return bad(u->r, err, "a batch has fewer buffers than its schema needs");
  const uint8_t *said = u->b.data + u->buffers_at + 16 * u->buffer++;
  const int64_t offset = (int64_t)mst_le64(said), size = (int64_t)mst_le64(said + 8);
  if (offset < 0 || size < 0 || (uint64_t)offset > u->body.size || (uint64_t)size > u->body.size - (uint64_t)offset)
    return bad(u->r, err, "a buffer lies outside its message");
  if (offset % 8 != 0) return bad(u->r, err, "a buffer is not aligned");
  mst_bytes packed = mst_bytes_part(&u->body, (size_t)offset, (size_t)size);
  const mst_status status = u->codec < 0 ? (*out = packed, MST_OK) : unpack_buffer(u, &packed, out, err);
  if (status != MST_OK) return status;
  if (out->size >= least) return MST_OK;
  mst_bytes_release(out);
  return bad(u->r, err, "a buffer is shorter than its rows");
}

/* Offsets of texts and lists rise and end within `last` (UINT64_MAX: any). `*end` is the last one. */
static mst_status check_offsets(const reader *r, const mst_bytes *offsets, int64_t length, unsigned width,
                                uint64_t *end, mst_error *err) {
  int64_t before = 0;
  for (int64_t i = 0; i <= length; i++) {
    const uint8_t *p = offsets->data + (size_t)i * width;
    const int64_t at = width == 4 ? (int32_t)mst_le32(p) : (int64_t)mst_le64(p);
    if (at < before) return bad(r, err, "offsets that fall");
    before = at;
  }
  *end = (uint64_t)before;
  return MST_OK;
}

/* An empty array may come without its one offset. */
static mst_status take_offsets(unpacking *u, int64_t length, unsigned width, mst_bytes *out, uint64_t *end,
                               mst_error *err) {
  uint8_t *zero = NULL;
  *end = 0;
  mst_status status = take_buffer(u, length == 0 ? 0 : ((uint64_t)length + 1) * width, out, err);
  if (status != MST_OK) return status;
  if (out->size >= width) return check_offsets(u->r, out, length, width, end, err);
  mst_bytes_release(out);
  status = mst_bytes_new(u->r->mem, width, out, &zero, err);
  if (status == MST_OK) memset(zero, 0, width);
  return status;
}

/* ---- arrays -------------------------------------------------------------------------------------------------------
 */

static mst_status build(unpacking *u, const struct ArrowSchema *field, int depth, struct ArrowArray *out,
                        mst_error *err);

static mst_status take_node(unpacking *u, int64_t *length, int64_t *nulls, mst_error *err) {
  if (u->node >= u->n_nodes) return bad(u->r, err, "a batch has fewer columns than its schema");
  const uint8_t *said = u->b.data + u->nodes_at + 16 * u->node++;
  *length = (int64_t)mst_le64(said);
  *nulls = (int64_t)mst_le64(said + 8);
  if (*length < 0 || *nulls < 0 || *nulls > *length || *length > INT64_MAX / 64)
    return bad(u->r, err, "a column of an impossible length");
  return MST_OK;
}

/* Buffers behind the first, which says what is null. */
static mst_status take_values(unpacking *u, const mst_type *type, int64_t length, mst_bytes buffers[3], size_t *n,
                              uint64_t *items, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t end = 0;
  const uint64_t rows = (uint64_t)length;
  switch (type->layout) {
  case MST_LAYOUT_BITS: MST_TRY(take_buffer(u, (rows + 7) / 8, &buffers[1], err)); break;
  case MST_LAYOUT_FIXED: MST_TRY(take_buffer(u, rows * type->width, &buffers[1], err)); break;
  case MST_LAYOUT_OFFSETS32:
  case MST_LAYOUT_OFFSETS64:
    MST_TRY(take_offsets(u, length, type->layout == MST_LAYOUT_OFFSETS32 ? 4 : 8, &buffers[1], &end, err));
    MST_TRY(take_buffer(u, end, &buffers[2], err));
    break;
  case MST_LAYOUT_LIST32: MST_TRY(take_offsets(u, length, 4, &buffers[1], items, err)); break;
  case MST_LAYOUT_LIST64: MST_TRY(take_offsets(u, length, 8, &buffers[1], items, err)); break;
  case MST_LAYOUT_FIXED_LIST: *items = rows * (uint64_t)type->size; break;
  case MST_LAYOUT_STRUCT: *items = rows; break;
  default:
    status = mst_fail(err, MST_E_UNSUPPORTED,
                      "%s: Arrow IPC: columns of this kind (views, unions, run ends) are not read", u->r->source.name);
    goto done;
  }
  *n = type->layout == MST_LAYOUT_OFFSETS32 || type->layout == MST_LAYOUT_OFFSETS64 ? 3
       : type->layout == MST_LAYOUT_FIXED_LIST || type->layout == MST_LAYOUT_STRUCT ? 1
                                                                                    : 2;
done:
  return status;
}

static mst_status build_children(unpacking *u, const struct ArrowSchema *field, int depth, uint64_t items,
                                 struct ArrowArray **out, mst_error *err) {
  mst_status status = MST_OK;
  const size_t n = (size_t)field->n_children;
  if (n == 0) return MST_OK;
  MST_TRY_ALLOC(*out = mst_alloc_zero(u->r->mem, n, sizeof **out));
  for (size_t i = 0; i < n; i++) {
    MST_TRY(build(u, field->children[i], depth + 1, &(*out)[i], err));
    if ((uint64_t)(*out)[i].length < items)
      MST_TRY(bad(u->r, err, "a nested column is shorter than the one that holds it"));
  }
done:
  return status;
}

static mst_status dictionary_of(unpacking *u, struct ArrowArray *out, mst_error *err) {
  const dictionary *d = u->ids < u->r->n_dictionaries ? &u->r->dictionaries[u->ids] : NULL;
  u->ids++;
  if (d == NULL || d->values.release == NULL) return bad(u->r, err, "a column's dictionary has not come");
  return mst_array_copy(u->r->mem, d->type, &d->values, out, err);
}

/* Indices must lie within the dictionary. */
static mst_status check_indices(const reader *r, const mst_type *type, const struct ArrowArray *a, int64_t values,
                                mst_error *err) {
  const uint8_t *valid = a->buffers[0], *p = a->buffers[1];
  for (int64_t i = 0; i < a->length; i++) {
    uint64_t at = 0;
    if (valid != NULL && (valid[i / 8] >> (i % 8) & 1) == 0) continue;
    for (unsigned k = 0; k < type->width; k++) at |= (uint64_t)p[(size_t)i * type->width + k] << (8 * k);
    if (at >= (uint64_t)values) return bad(r, err, "an index beyond its dictionary");
  }
  return MST_OK;
}

static mst_status build(unpacking *u, const struct ArrowSchema *field, int depth, struct ArrowArray *out,
                        mst_error *err) {
  mst_status status = MST_OK;
  mst_type type;
  mst_bytes buffers[3] = {{0}};
  struct ArrowArray *children = NULL, values = {0};
  int64_t length = 0, nulls = 0;
  size_t n = 0;
  uint64_t items = 0;
  mst_array_parts parts = {0};
  bool handed = false;
  if (depth > MST_SCHEMA_DEPTH_MAX) return bad(u->r, err, "columns are nested too deep");
  MST_TRY(mst_type_parse(field->format, &type, err));
  MST_TRY(take_node(u, &length, &nulls, err));
  if (type.layout != MST_LAYOUT_NULL) {
    MST_TRY(take_buffer(u, nulls == 0 ? 0 : ((uint64_t)length + 7) / 8, &buffers[0], err));
    if (nulls == 0) mst_bytes_release(&buffers[0]);
    if (nulls == 0) buffers[0] = (mst_bytes){0};
    MST_TRY(take_values(u, &type, length, buffers, &n, &items, err));
  } else {
    nulls = length;
  }
  if (field->dictionary != NULL) MST_TRY(dictionary_of(u, &values, err));
  else MST_TRY(build_children(u, field, depth, items, &children, err));
  parts = (mst_array_parts){.length = length,
                            .null_count = nulls,
                            .buffers = buffers,
                            .n_buffers = n,
                            .children = children,
                            .n_children = children == NULL ? 0 : (size_t)field->n_children,
                            .dictionary = values.release == NULL ? NULL : &values};
  handed = true;
  MST_TRY(mst_array_make(u->r->mem, &parts, out, err));
  if (field->dictionary != NULL) status = check_indices(u->r, &type, out, out->dictionary->length, err);
  if (status != MST_OK) mst_array_release(out);
done:
  for (size_t i = 0; !handed && i < 3; i++) mst_bytes_release(&buffers[i]);
  for (size_t i = 0; !handed && children != NULL && i < (size_t)field->n_children; i++) mst_array_release(&children[i]);
  if (!handed) mst_array_release(&values);
  mst_free(u->r->mem, children);
  return status;
}

/* ---- messages -----------------------------------------------------------------------------------------------------
 */

static mst_status read_exactly(reader *r, uint64_t n, mst_bytes *out, mst_error *err) {
  const mst_status status = r->source.read(r->source.self, n, out, err);
  if (status != MST_OK) return status;
  r->at += out->size;
  if (out->size == n) return MST_OK;
  mst_bytes_release(out);
  return bad(r, err, "it is cut off");
}

/* The metadata of the next message; empty at the end. */
static mst_status next_message(reader *r, mst_bytes *out, mst_error *err) {
  mst_bytes prefix = {0};
  *out = (mst_bytes){0};
  mst_status status = r->source.read(r->source.self, 8, &prefix, err);
  if (status == MST_OK && r->at == 0 && prefix.size == 8 &&
      memcmp(prefix.data, "ARROW1\0", 8) == 0) { /* a file, not a stream */
    r->at = 8;
    mst_bytes_release(&prefix);
    status = r->source.read(r->source.self, 8, &prefix, err);
  }
  if (status != MST_OK) return status;
  r->at += prefix.size;
  uint64_t size = 0;
  const bool none = prefix.size == 0;
  if (prefix.size >= 8 && mst_le32(prefix.data) == UINT32_MAX) size = mst_le32(prefix.data + 4);
  else if (!none && !(prefix.size >= 4 && mst_le32(prefix.data) == 0)) status = bad(r, err, "no message begins here");
  mst_bytes_release(&prefix);
  if (status != MST_OK || size == 0) return status; /* a stream may end without its mark */
  if (size > METADATA_MAX) return bad(r, err, "a message with too much metadata");
  return read_exactly(r, size, out, err);
}

/* The batch in table `t`, of columns `fields`. */
static mst_status begin(unpacking *u, const fb_table *t, mst_error *err) {
  fb_table packed;
  if (!fb_vector(&u->b, t, 1, 16, &u->nodes_at, &u->n_nodes) ||
      !fb_vector(&u->b, t, 2, 16, &u->buffers_at, &u->n_buffers))
    return bad(u->r, err, "a batch whose columns lie outside");
  u->codec = -1;
  if (fb_subtable(&u->b, t, 3, &packed)) u->codec = (int)fb_number(&u->b, &packed, 0, 1, 0);
  return u->codec > 1 ? mst_fail(err, MST_E_UNSUPPORTED, "%s: Arrow IPC: compression %d is not known",
                                 u->r->source.name, u->codec)
                      : MST_OK;
}

static mst_status take_batch(unpacking *u, const fb_table *t, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  reader *r = u->r;
  const size_t n = (size_t)r->schema.n_children;
  struct ArrowArray *columns = NULL;
  bool handed = false;
  const int64_t length = fb_number(&u->b, t, 0, 8, 0);
  MST_TRY(begin(u, t, err));
  if (length < 0) MST_TRY(bad(r, err, "a batch of an impossible length"));
  MST_TRY_ALLOC(columns = mst_alloc_zero(r->mem, n + 1, sizeof *columns));
  for (size_t i = 0; i < n; i++) {
    MST_TRY(build(u, r->schema.children[i], 0, &columns[i], err));
    if (columns[i].length != length) MST_TRY(bad(r, err, "a column of another length than its batch"));
  }
  mst_bytes none = {0};
  const mst_array_parts parts = {
      .length = length, .buffers = &none, .n_buffers = 1, .children = columns, .n_children = n};
  handed = true;
  MST_TRY(mst_array_make(r->mem, &parts, out, err));
done:
  for (size_t i = 0; !handed && columns != NULL && i < n; i++) mst_array_release(&columns[i]);
  mst_free(r->mem, columns);
  return status;
}

static mst_status take_dictionary(unpacking *u, const fb_table *t, mst_error *err) {
  mst_status status = MST_OK;
  fb_table batch;
  struct ArrowArray made = {0};
  const int64_t id = fb_number(&u->b, t, 0, 8, 0);
  if (fb_number(&u->b, t, 2, 1, 0) != 0)
    return mst_fail(err, MST_E_UNSUPPORTED, "%s: Arrow IPC: dictionaries that grow are not read", u->r->source.name);
  if (!fb_subtable(&u->b, t, 1, &batch)) return bad(u->r, err, "a dictionary without values");
  for (size_t i = 0; i < u->r->n_dictionaries; i++) {
    dictionary *d = &u->r->dictionaries[i];
    if (d->id != id) continue;
    MST_TRY(begin(u, &batch, err));
    u->node = u->buffer = 0;
    MST_TRY(build(u, d->type, 0, &made, err));
    mst_array_release(&d->values);
    d->values = made;
    made = (struct ArrowArray){0};
  }
done:
  mst_array_release(&made);
  return status;
}

static mst_status next_batch(void *self, struct ArrowArray *out, mst_error *err) {
  reader *r = self;
  mst_status status = MST_OK;
  mst_bytes metadata = {0};
  *out = (struct ArrowArray){0};
  while (!r->ended && out->release == NULL) {
    unpacking u = {.r = r};
    fb_table message, header;
    MST_TRY(next_message(r, &metadata, err));
    if (metadata.size == 0) r->ended = true;
    if (r->ended) break;
    u.b = (fb){.data = metadata.data, .size = metadata.size, .mem = r->mem, .err = err};
    if (metadata.size < 8 || !fb_table_at(&u.b, mst_le32(metadata.data), &message) ||
        !fb_subtable(&u.b, &message, 2, &header))
      MST_TRY(bad(r, err, "a message whose head lies outside"));
    const int64_t kind = fb_number(&u.b, &message, 1, 1, 0), body = fb_number(&u.b, &message, 3, 8, 0);
    if (body < 0 || (uint64_t)body > BODY_MAX) MST_TRY(bad(r, err, "a message of an impossible size"));
    if (body > 0) MST_TRY(read_exactly(r, (uint64_t)body, &u.body, err));
    if (kind == HEADER_BATCH) status = take_batch(&u, &header, out, err);
    else if (kind == HEADER_DICTIONARY) status = take_dictionary(&u, &header, err);
    else status = bad(r, err, "a message that is neither rows nor a dictionary");
    mst_bytes_release(&u.body);
    mst_bytes_release(&metadata);
    metadata = (mst_bytes){0};
    if (status != MST_OK) goto done;
  }
done:
  mst_bytes_release(&metadata);
  return status;
}

static void close_reader(void *self) {
  reader *r = self;
  if (r == NULL) return;
  if (r->source.close != NULL) r->source.close(r->source.self);
  for (size_t i = 0; i < r->n_dictionaries; i++) mst_array_release(&r->dictionaries[i].values);
  mst_free(r->mem, r->dictionaries);
  mst_schema_release(&r->schema);
  mst_free(r->mem, r);
}

/* ---- schema -------------------------------------------------------------------------------------------------------
 */

/* Ids of dictionary-encoded fields, in the order in which batches are unpacked. */
static mst_status collect_ids(reader *r, const fb *b, const fb_table *fields_of, unsigned slot,
                              const struct ArrowSchema *schema, int depth, mst_error *err) {
  mst_status status = MST_OK;
  size_t at, n;
  if (depth > MST_SCHEMA_DEPTH_MAX || !fb_vector(b, fields_of, slot, 4, &at, &n) || n != (size_t)schema->n_children)
    return bad(r, err, "a schema that does not hold together");
  for (size_t i = 0; i < n; i++) {
    fb_table field, encoding;
    const struct ArrowSchema *child = schema->children[i];
    if (!fb_table_at(b, fb_follow(b, at + 4 * i), &field)) MST_TRY(bad(r, err, "a field that lies outside"));
    if (child->dictionary == NULL) {
      MST_TRY(collect_ids(r, b, &field, 5, child, depth + 1, err));
      continue;
    }
    if (r->n_dictionaries == DICTIONARIES || !fb_subtable(b, &field, 4, &encoding))
      MST_TRY(bad(r, err, "too many dictionaries"));
    r->dictionaries[r->n_dictionaries++] =
        (dictionary){.id = fb_number(b, &encoding, 0, 8, 0), .type = child->dictionary};
  }
done:
  return status;
}

static mst_status read_schema(reader *r, mst_error *err) {
  mst_status status = MST_OK;
  mst_bytes metadata = {0};
  fb_table message, schema;
  uint8_t *framed = NULL;
  MST_TRY(next_message(r, &metadata, err));
  if (metadata.size < 8) MST_TRY(bad(r, err, "it has no schema"));
  MST_TRY_ALLOC(framed = mst_alloc(r->mem, metadata.size + 8));
  memset(framed, 0xff, 4);
  framed[4] = (uint8_t)metadata.size;
  framed[5] = (uint8_t)(metadata.size >> 8);
  framed[6] = (uint8_t)(metadata.size >> 16);
  framed[7] = (uint8_t)(metadata.size >> 24);
  memcpy(framed + 8, metadata.data, metadata.size);
  MST_TRY(mst_ipc_get_schema(r->mem, framed, metadata.size + 8, &r->schema, err));
  const fb b = {.data = metadata.data, .size = metadata.size, .mem = r->mem, .err = err};
  MST_TRY_ALLOC(r->dictionaries = mst_alloc_zero(r->mem, DICTIONARIES, sizeof *r->dictionaries));
  if (!fb_table_at(&b, mst_le32(metadata.data), &message) || !fb_subtable(&b, &message, 2, &schema))
    MST_TRY(bad(r, err, "a schema that lies outside"));
  MST_TRY(collect_ids(r, &b, &schema, 1, &r->schema, 0, err));
done:
  mst_free(r->mem, framed);
  mst_bytes_release(&metadata);
  return status;
}

mst_status mst_ipc_stream(const mst_allocator *mem, const mst_ipc_source *source, struct ArrowArrayStream *out,
                          mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowSchema copy = {0};
  reader *r = mst_alloc_zero(mem, 1, sizeof *r);
  if (r == NULL) {
    if (source->close != NULL) source->close(source->self);
    return mst_fail_memory(err);
  }
  r->mem = mem;
  r->source = *source;
  MST_TRY(read_schema(r, err));
  MST_TRY(mst_schema_copy(mem, &r->schema, &copy, err));
  const mst_stream_source stream = {.self = r, .next = next_batch, .close = close_reader};
  r = NULL;
  MST_TRY(mst_stream_make(mem, &copy, &stream, out, err));
done:
  close_reader(r);
  return status;
}
