/* column/column.h - Arrow-layout columns: schemas, arrays, builders, and the C data interface in and out.
 *
 * Owns: the memory of what it builds, until the consumer calls `release`. May call: base. */
#ifndef MST_COLUMN_COLUMN_H
#define MST_COLUMN_COLUMN_H

#include <meseta/arrow_abi.h>

#include "base/base.h"
#include "column/block.h"
#include "column/intern.h"
#include "column/ipc_batches.h"
#include "column/json_rows.h"
#include "column/kernel.h"
#include "column/out.h"
#include "column/scalar.h"
#include "column/type.h"
#include "column/wide.h"

/* ---- schemas ------------------------------------------------------------------------------------------------- */

/* One field of a flat or nested schema, for tables in code. `format` is the Arrow format string: "c" "C" "s" "S" "i"
 * "I" "l" "L" int8 … uint64; "f" "g" float, double; "b" bool; "u" "U" text, large text; "z" "Z" bytes, large bytes;
 * "tdD" date32, "tsu:" timestamp (us, no zone), "tsn:UTC" …; "+l" list with one child; "+s" struct with children. */
typedef struct mst_field {
  const char *name;
  const char *format;
  bool nullable;
  const struct mst_field *children; /* NULL for flat fields */
  size_t n_children;
} mst_field;

/* A "+s" schema with these fields, as record batches have. The result owns copies of everything. */
mst_status mst_schema_make(const mst_allocator *mem, const mst_field *fields, size_t n, struct ArrowSchema *out,
                           mst_error *err);
/* Deeper schemas are refused everywhere, so that walking one may recurse. */
#define MST_SCHEMA_DEPTH_MAX 64
mst_status mst_schema_copy(const mst_allocator *mem, const struct ArrowSchema *from, struct ArrowSchema *out,
                           mst_error *err);
/* One node with room for `n_children` (zeroed, to be filled by the caller through out->children[i]). */
mst_status mst_schema_node(const mst_allocator *mem, const char *format, const char *name, int64_t flags,
                           size_t n_children, struct ArrowSchema *out, mst_error *err);
/* Only for nodes that this module made: replaces the metadata (a copy; NULL removes it), or takes over `values` as the
 * dictionary of an index node. */
mst_status mst_schema_set_metadata(struct ArrowSchema *schema, const char *metadata, mst_error *err);
void mst_schema_set_dictionary(struct ArrowSchema *schema, struct ArrowSchema *values);
/* Metadata as pairs; texts are borrowed and not NUL-terminated. */
typedef struct mst_metadata_pair {
  const char *key;
  size_t key_size;
  const char *value;
  size_t value_size;
} mst_metadata_pair;
mst_status mst_schema_set_pairs(struct ArrowSchema *schema, const mst_metadata_pair *pairs, size_t n, mst_error *err);
bool mst_schema_pair(const struct ArrowSchema *schema, size_t i, mst_metadata_pair *out);
bool mst_schema_find_pair(const struct ArrowSchema *schema, const char *key, mst_metadata_pair *out);
/* Releases when there is something to release; fine on zeroed structs. */
void mst_schema_release(struct ArrowSchema *schema);
void mst_array_release(struct ArrowArray *array);
void mst_stream_release(struct ArrowArrayStream *stream);

/* ---- arrays -------------------------------------------------------------------------------------------------- */

/* An array out of its parts, all of which are taken over, also on failure. Buffers may share memory with other owners;
 * a buffer without data becomes a NULL pointer. `dictionary` may be NULL. */
typedef struct mst_array_parts {
  int64_t length;
  int64_t null_count;
  mst_bytes *buffers;
  size_t n_buffers;
  struct ArrowArray *children;
  size_t n_children;
  struct ArrowArray *dictionary;
} mst_array_parts;
mst_status mst_array_make(const mst_allocator *mem, const mst_array_parts *parts, struct ArrowArray *out,
                          mst_error *err);

/* Whether an array from outside fits its schema: counts, lengths, children, missing buffers. `*bytes` is about what its
 * values take. MST_E_ARGUMENT names the column. */
mst_status mst_array_check(const struct ArrowSchema *schema, const struct ArrowArray *array, uint64_t *bytes,
                           mst_error *err);

/* Rows of an array as a new one of the same type: rows[i] counts from 0 (the array's offset is added), below 0 makes row i
 * null. Unions and run-end encoded arrays are MST_E_UNSUPPORTED. */
mst_status mst_array_gather(const mst_allocator *mem, const struct ArrowSchema *schema, const struct ArrowArray *array,
                            const int64_t *rows, int64_t n, struct ArrowArray *out, mst_error *err);
mst_status mst_array_copy(const mst_allocator *mem, const struct ArrowSchema *schema, const struct ArrowArray *array,
                          struct ArrowArray *out, mst_error *err);
/* Without dictionaries and run-end encoding, at any depth: the schema, and an array of it, which is taken over, also on
 * failure. What is plain already is moved. */
bool mst_schema_is_plain(const struct ArrowSchema *schema);
mst_status mst_schema_plain(const mst_allocator *mem, const struct ArrowSchema *from, struct ArrowSchema *out,
                            mst_error *err);
mst_status mst_array_plain(const mst_allocator *mem, const struct ArrowSchema *schema, struct ArrowArray *array,
                           struct ArrowArray *out, mst_error *err);
/* Bytes of value `i` of a text or bytes array (`i` includes its offset), whatever the layout; maybe NULL when *n is 0. */
const uint8_t *mst_array_text(const mst_type *type, const struct ArrowArray *array, int64_t i, size_t *n);
/* One view of a view array: inline up to 12 bytes, else at byte `at` of data buffer `buffer`. */
void mst_view_put(uint8_t view[16], const uint8_t *p, size_t n, uint32_t buffer, uint32_t at);

/* ---- builders ------------------------------------------------------------------------------------------------ */

/* Grows one column of any field; [owned]. Appending a value of a kind that the format does not have is MST_E_INTERNAL.
 */
typedef struct mst_builder mst_builder;
mst_status mst_builder_new(const mst_allocator *mem, const mst_field *field, mst_builder **out, mst_error *err);
/* The same from a schema node (its children with it). */
mst_status mst_builder_from_schema(const mst_allocator *mem, const struct ArrowSchema *field, mst_builder **out,
                                   mst_error *err);
void mst_builder_free(mst_builder *b);
mst_status mst_builder_null(mst_builder *b, mst_error *err);
mst_status mst_builder_bool(mst_builder *b, bool v, mst_error *err);
mst_status mst_builder_i64(mst_builder *b, int64_t v, mst_error *err); /* every integer, date, time, timestamp width */
mst_status mst_builder_u64(mst_builder *b, uint64_t v, mst_error *err);
mst_status mst_builder_f64(mst_builder *b, double v, mst_error *err);                     /* "f" and "g" */
mst_status mst_builder_bytes(mst_builder *b, const void *data, size_t n, mst_error *err); /* text and bytes */
/* Bulk: n fixed-width values in the column's own layout, all valid. */
mst_status mst_builder_fixed(mst_builder *b, const void *values, size_t n, mst_error *err);
/* Bulk, with nulls: `valid` has one byte a value, 0 for null (whose value is ignored); NULL: all valid. `values` of a
 * bool column has one byte a value. */
mst_status mst_builder_values(mst_builder *b, const void *values, const uint8_t *valid, size_t n, mst_error *err);
/* Bulk: n byte strings; one with data == NULL is null. */
typedef struct mst_span {
  const void *data;
  size_t size;
} mst_span;
mst_status mst_builder_spans(mst_builder *b, const mst_span *items, size_t n, mst_error *err);
/* Bulk: n texts that lie one behind the other in `bytes`: text i ends at `ends[i]`. `valid` as above; a null's text counts for
 * nothing but should be empty. */
mst_status mst_builder_texts(mst_builder *b, const uint8_t *bytes, const uint32_t *ends, const uint8_t *valid, size_t n,
                             mst_error *err);
/* Bulk: n lists whose items are in the child already: item i ends at the child's length `ends[i]`. `valid` as above. */
mst_status mst_builder_lists(mst_builder *b, const uint64_t *ends, const uint8_t *valid, size_t n, mst_error *err);
/* Bulk: n struct rows, none of them null, whose values are in the children already. */
mst_status mst_builder_structs(mst_builder *b, size_t n, mst_error *err);
/* Lists: append the items to mst_builder_child(b, 0), then close the list. Structs: append to every child, then close.
 */
mst_builder *mst_builder_child(mst_builder *b, size_t i);
mst_status mst_builder_close(mst_builder *b, mst_error *err);
size_t mst_builder_length(const mst_builder *b);
size_t mst_builder_bytes_held(const mst_builder *b);
/* Moves what was built into `out` and leaves the builder empty, ready for the next batch. */
mst_status mst_builder_take(mst_builder *b, struct ArrowArray *out, mst_error *err);
/* A record batch ("+s") of the builders' columns, all of one length; empties them. */
mst_status mst_batch_take(const mst_allocator *mem, mst_builder *const *columns, size_t n, struct ArrowArray *out,
                          mst_error *err);

/* ---- reading arrays ------------------------------------------------------------------------------------------ */

/* Borrowed access to one column of a batch whose schema the caller has checked (mst_batch_column finds and checks). */
typedef struct mst_view {
  const struct ArrowSchema *schema;
  const struct ArrowArray *array;
  mst_type type;
  int64_t offset, length; /* row i lies at index offset + i of the buffers */
  const uint8_t *valid;   /* NULL: no nulls */
  const void *values;     /* fixed-width values, or bytes */
  const void *offsets;    /* int32 or int64 */
} mst_view;
/* The column called `name`; MST_E_CORRUPT when it is missing or its format is none of `formats` ("l" or "l,i"; NULL
 * allows any). */
mst_status mst_batch_column(const struct ArrowSchema *schema, const struct ArrowArray *batch, const char *name,
                            const char *formats, mst_view *out, mst_error *err);
/* A list's items (i = 0) or a struct's field i; rows of a struct's field are the struct's rows. */
mst_status mst_view_child(const mst_view *parent, size_t i, const char *formats, mst_view *out, mst_error *err);
bool mst_view_null(const mst_view *v, int64_t i);
int64_t mst_view_i64(const mst_view *v, int64_t i); /* any integer or temporal width */
double mst_view_f64(const mst_view *v, int64_t i);
const uint8_t *mst_view_bytes(const mst_view *v, int64_t i, size_t *n);
/* Lists: item range of row i within the child view. */
void mst_view_list(const mst_view *v, int64_t i, int64_t *first, int64_t *count);

/* ---- streams ------------------------------------------------------------------------------------------------- */

/* Makes an ArrowArrayStream out of a pull function. `next` gives a batch, or one with release == NULL at the end.
 * Errors keep their full mst_error, which mst_stream_error gives back to callers inside the library. */
typedef struct mst_stream_source {
  void *self;
  mst_status (*next)(void *self, struct ArrowArray *out, mst_error *err);
  void (*close)(void *self);
} mst_stream_source;
/* Takes `schema` and `source` over, also on failure. */
mst_status mst_stream_make(const mst_allocator *mem, struct ArrowSchema *schema, const mst_stream_source *source,
                           struct ArrowArrayStream *out, mst_error *err);
/* The error behind a failed call on a stream of ours, else NULL. */
const mst_error *mst_stream_error(const struct ArrowArrayStream *stream);
/* Pull from any stream, ours or foreign, with our errors. At the end out->release is NULL. */
mst_status mst_stream_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out, mst_error *err);
mst_status mst_stream_next(struct ArrowArrayStream *stream, struct ArrowArray *out, mst_error *err);

#endif
