/* column/column.h - Arrow-layout columns: schemas, arrays, builders, and the C data interface in and out.
 *
 * Owns: the memory of what it builds, until the consumer calls `release`. May call: base. */
#ifndef MST_COLUMN_COLUMN_H
#define MST_COLUMN_COLUMN_H

#include <meseta/arrow_abi.h>

#include "base/base.h"

/* ---- schemas ------------------------------------------------------------------------------------------------- */

/* One field of a flat or nested schema, for tables in code. `format` is the Arrow format string: "c" "C" "s" "S" "i" "I"
 * "l" "L" int8 … uint64; "f" "g" float, double; "b" bool; "u" "U" text, large text; "z" "Z" bytes, large bytes;
 * "tdD" date32, "tsu:" timestamp (us, no zone), "tsn:UTC" …; "+l" list with one child; "+s" struct with children. */
typedef struct mst_field {
  const char *name;
  const char *format;
  bool nullable;
  const struct mst_field *children; /* NULL for flat fields */
  size_t n_children;
} mst_field;

/* A "+s" schema with these fields, as record batches have. The result owns copies of everything. */
mst_status mst_schema_make(const mst_allocator *mem, const mst_field *fields, size_t n, struct ArrowSchema *out, mst_error *err);
mst_status mst_schema_copy(const mst_allocator *mem, const struct ArrowSchema *from, struct ArrowSchema *out, mst_error *err);
/* Releases when there is something to release; fine on zeroed structs. */
void mst_schema_release(struct ArrowSchema *schema);
void mst_array_release(struct ArrowArray *array);
void mst_stream_release(struct ArrowArrayStream *stream);

/* ---- builders ------------------------------------------------------------------------------------------------ */

/* Grows one column of any field; [owned]. Appending a value of a kind that the format does not have is MST_E_INTERNAL. */
typedef struct mst_builder mst_builder;
mst_status mst_builder_new(const mst_allocator *mem, const mst_field *field, mst_builder **out, mst_error *err);
/* The same from a schema node (its children with it). */
mst_status mst_builder_from_schema(const mst_allocator *mem, const struct ArrowSchema *field, mst_builder **out, mst_error *err);
void mst_builder_free(mst_builder *b);
mst_status mst_builder_null(mst_builder *b, mst_error *err);
mst_status mst_builder_bool(mst_builder *b, bool v, mst_error *err);
mst_status mst_builder_i64(mst_builder *b, int64_t v, mst_error *err);  /* every integer, date, time, timestamp width */
mst_status mst_builder_u64(mst_builder *b, uint64_t v, mst_error *err);
mst_status mst_builder_f64(mst_builder *b, double v, mst_error *err);   /* "f" and "g" */
mst_status mst_builder_bytes(mst_builder *b, const void *data, size_t n, mst_error *err); /* text and bytes */
/* Bulk: n fixed-width values in the column's own layout, all valid. */
mst_status mst_builder_fixed(mst_builder *b, const void *values, size_t n, mst_error *err);
/* Lists: append the items to mst_builder_child(b, 0), then close the list. Structs: append to every child, then close. */
mst_builder *mst_builder_child(mst_builder *b, size_t i);
mst_status mst_builder_close(mst_builder *b, mst_error *err);
size_t mst_builder_length(const mst_builder *b);
size_t mst_builder_bytes_held(const mst_builder *b);
/* Moves what was built into `out` and leaves the builder empty, ready for the next batch. */
mst_status mst_builder_take(mst_builder *b, struct ArrowArray *out, mst_error *err);
/* A record batch ("+s") of the builders' columns, all of one length; empties them. */
mst_status mst_batch_take(const mst_allocator *mem, mst_builder *const *columns, size_t n, struct ArrowArray *out, mst_error *err);

/* ---- reading arrays ------------------------------------------------------------------------------------------ */

/* Borrowed access to one column of a batch whose schema the caller has checked (mst_batch_column finds and checks). */
typedef struct mst_view {
  const struct ArrowArray *array;
  const char *format;
  int64_t offset, length;
  const uint8_t *valid; /* NULL: no nulls */
  const void *values;   /* fixed-width values, or bytes */
  const void *offsets;  /* int32 or int64 */
} mst_view;
/* The column called `name`; MST_E_CORRUPT when it is missing or its format is none of `formats` ("l" or "l,i"). */
mst_status mst_batch_column(const struct ArrowSchema *schema, const struct ArrowArray *batch, const char *name, const char *formats, mst_view *out, mst_error *err);
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
mst_status mst_stream_make(const mst_allocator *mem, struct ArrowSchema *schema, const mst_stream_source *source, struct ArrowArrayStream *out, mst_error *err);
/* The error behind a failed call on a stream of ours, else NULL. */
const mst_error *mst_stream_error(const struct ArrowArrayStream *stream);

#endif
