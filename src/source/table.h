/* source/table.h - one Parquet file in a store: opened by its tail, pinned, read as an Arrow stream; and written as a
 * stream of batches, visible only when it is whole. The driver of the machines of src/parquet over fetch and store.
 *
 * Owns: pinned Parquet objects, readers and writers over them. May call: base, column, expr, store, fetch, parquet. */
#ifndef MST_SOURCE_TABLE_H
#define MST_SOURCE_TABLE_H

#include <meseta/arrow_abi.h>
#include <meseta/object.h>

#include "base/base.h"
#include "expr/expr.h"
#include "parquet/parquet.h"
#include "store/store.h"

/* ---- reading ------------------------------------------------------------------------------------------------- */

/* A pinned object and its checked footer; [shared], immutable. The public handle of meseta/parquet.h. */
typedef struct mst_parquet mst_table;

typedef struct mst_table_open_options {
  const mst_pin *pin;      /* the version that is meant, size included: then nothing else is looked at; NULL: what is there now */
  size_t tail;             /* bytes of the end to ask for first; 0: MST_PARQUET_TAIL. A footer beyond it costs one more request */
  uint32_t allow_unpinned; /* as in mst_source_options                                                                           */
} mst_table_open_options;
/* One request for the end of the file (no HEAD where the store has ranges from the end), a second one only for a large footer.
 * `options` may be NULL. Errors name the object. */
mst_status mst_table_open(mst_store *store, const char *key, const mst_table_open_options *options, mst_table **out,
                          mst_cancel *cancel, mst_error *err);
/* The same for a file that lies in memory; `name` is what errors call it. A reference to `bytes` is kept. */
mst_status mst_table_open_bytes(mst_context *ctx, const mst_bytes *bytes, const char *name, mst_table **out, mst_error *err);
mst_table *mst_table_ref(mst_table *t);
void mst_table_unref(mst_table *t);

mst_parquet_file *mst_table_file(const mst_table *t); /* borrowed */
const mst_pin *mst_table_pin(const mst_table *t);     /* borrowed; of bytes in memory: the size alone */
const char *mst_table_url(const mst_table *t);        /* borrowed; no secrets */
uint64_t mst_table_rows(const mst_table *t);
uint64_t mst_table_size(const mst_table *t); /* bytes of the file */
mst_status mst_table_schema(const mst_table *t, struct ArrowSchema *out, mst_error *err);

/* All borrowed for the call. Zero means default. */
typedef struct mst_table_read_options {
  const char *const *columns; /* names, nested ones as "a.b"; NULL: all, else exactly these, in this order                     */
  size_t n_columns;
  mst_where *where;           /* only rows that meet it, in order; a reference is kept; NULL: all                               */
  const mst_range *rows;      /* rows [offset, offset + length) of the file, rising and apart: only these; NULL: all            */
  size_t n_rows;              /* 0 with `rows` not NULL: none                                                                   */
  const mst_range *groups;    /* one run of row groups: only these; NULL: all                                                   */
  const uint64_t *limit;      /* at most this many rows; NULL: all                                                              */
  uint64_t batch_rows;        /* rows of a batch at most; 0: by size                                                            */
  uint64_t memory;            /* bytes; 0: the context's budget                                                                 */
  bool in_caller;             /* decode in the calling thread alone                                                             */
  bool verify;                /* hold everything that the file says of its values against them                                  */
} mst_table_read_options;
/* Batches in the file's order, in bounded memory. The stream holds its own references; `options` may be NULL. After a failed call
 * on it, mst_stream_error tells all. */
mst_status mst_table_read(mst_table *t, const mst_table_read_options *options, struct ArrowArrayStream *out, mst_cancel *cancel,
                          mst_error *err);
/* Reads everything once, decodes every page and holds against the values what the file says of them. MST_E_CORRUPT with the first
 * fault. `facts` (may be NULL) tells what was read. */
mst_status mst_table_verify(mst_table *t, mst_parquet_read_facts *facts, mst_cancel *cancel, mst_error *err);
/* Bytes of the file, pinned: for what reads parts of it directly. */
mst_status mst_table_get(mst_table *t, const mst_range *ranges, size_t n, mst_bytes *out, mst_cancel *cancel, mst_error *err);

/* ---- writing ------------------------------------------------------------------------------------------------- */

/* One Parquet file on its way into a store; [owned]. Nothing is visible before mst_table_writer_close. */
typedef struct mst_parquet_out mst_table_writer;

typedef struct mst_table_written {
  uint64_t size, rows, row_groups;
  char etag[168]; /* "" when the store tells none */
  mst_pin pin;    /* of the new object */
} mst_table_written;

/* `schema` is borrowed: "+s" with the columns as children. `parquet` may be NULL: all defaults; its `mem` is not looked at.
 * `mode`: MST_PUT_CREATE makes closing fail with MST_E_EXISTS where an object is already there. */
mst_status mst_table_writer_open(mst_store *store, const char *key, const struct ArrowSchema *schema,
                                 const mst_parquet_writer_options *parquet, mst_put_mode mode, mst_table_writer **out,
                                 mst_cancel *cancel, mst_error *err);
/* The same with the bytes handed to `write` in order instead of a store. */
mst_status mst_table_writer_open_into(mst_context *ctx, const struct ArrowSchema *schema, const mst_parquet_writer_options *parquet,
                                      mst_write_fn write, void *arg, mst_table_writer **out, mst_error *err);
/* Takes `batch` over, also on failure. It is checked against the schema first. */
mst_status mst_table_writer_put(mst_table_writer *w, struct ArrowArray *batch, mst_error *err);
/* All batches of a stream, which stays the caller's to release; its schema must be the one the writer was opened with. */
mst_status mst_table_writer_put_stream(mst_table_writer *w, struct ArrowArrayStream *stream, mst_error *err);
/* Ends the row group that is being filled, so that nothing waits in memory. */
mst_status mst_table_writer_flush(mst_table_writer *w, mst_error *err);
/* Key-value metadata of the footer; later values win. */
mst_status mst_table_writer_metadata(mst_table_writer *w, const char *key, const char *value, mst_error *err);
/* Writes the footer and makes the object visible. The writer must still be freed. */
mst_status mst_table_writer_close(mst_table_writer *w, mst_table_written *out, mst_error *err);
uint64_t mst_table_writer_size(const mst_table_writer *w); /* bytes handed out so far */
/* Without closing: leaves no trace. */
void mst_table_writer_free(mst_table_writer *w);

#endif
