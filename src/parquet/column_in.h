/* parquet/column_in.h - decodes one leaf column of one row group, as many rows at a time as are asked for.
 *
 * Owns: what it decoded until it is taken. May call: base, codec, column. */
#ifndef MST_PARQUET_COLUMN_IN_H
#define MST_PARQUET_COLUMN_IN_H

#include "parquet/bytes_in.h"
#include "parquet/fields.h"
#include "parquet/page.h"
#include "parquet/page_index.h"
#include "parquet/tools.h"
#include "parquet/values_in.h"

/* Entries of the dictionary in Arrow's layout. */
typedef struct mst_pq_dictionary {
  bool loaded;
  uint32_t n;
  mst_block values; /* fixed width, or bytes           */
  mst_block ends;   /* byte strings: n + 1 offsets, uint32 */
  uint32_t longest; /* byte string                     */
} mst_pq_dictionary;

/* What is ready for the batch that is being made. */
typedef struct mst_pq_decoded {
  mst_block values; /* fixed width, bits, or bytes                        */
  mst_block ends;   /* byte strings: ends of the values, behind a leading 0 */
  mst_block valid;  /* bits; only when `has_valid`                        */
  bool has_valid;
  int64_t slots, nulls;
  mst_block def, rep; /* nested columns: a byte for each level             */
  uint64_t rows;
} mst_pq_decoded;

typedef struct mst_pq_column_in {
  mst_parquet_file *file; /* borrowed */
  const mst_allocator *mem;
  const mst_pq_field *field;
  const mst_pq_node *node;
  const mst_pq_chunk *chunk;
  size_t group;
  uint32_t leaf; /* column of the file; field->leaf numbers those that are read */
  uint32_t stored_width;
  bool nested; /* max_rep > 0, or levels are needed for what encloses it */
  mst_block_codec codec;
  mst_pq_tools *tools; /* borrowed; of the thread that works on it */
  const mst_pq_kernels *kernels;
  /* bytes */
  uint64_t at, end; /* of the next page, of the chunk */
  mst_pq_bytes_in bytes;
  mst_pq_bytes_in dictionary_bytes;        /* of a dictionary that is only read when a page needs it */
  mst_pq_extent dictionary_at;             /* where that one lies; empty: the dictionary comes with the pages */
  uint64_t missing;                        /* not 0: bytes below this one must be here before it can go on */
  bool misses_dictionary;                  /* ... of `dictionary_bytes`, not of `bytes` */
  const mst_pq_offset_index *offset_index; /* borrowed; NULL: pages are met one after the other */
  /* the open page */
  uint64_t page_at;
  mst_block page;
  uint32_t levels_left;
  bool has_dictionary_values;
  mst_rle_in def, rep;
  mst_values_in values;
  mst_pq_dictionary dictionary;
  mst_block scratch;
  /* levels of nested columns, decoded ahead */
  uint8_t *def_ahead, *rep_ahead;
  size_t ahead_at, ahead_n;
  uint64_t rows_done; /* of earlier batches */
  uint64_t rows_skipped;
  bool page_begins;               /* no level of the open page was looked at */
  uint64_t skip_to;               /* rows below this one are not wanted: whole pages of them are passed over */
  uint64_t pages;                 /* data pages decoded */
  uint64_t levels_met, plain_met; /* of all pages met: values and nulls; bytes before compression */
  mst_pq_decoded out;
} mst_pq_column_in;

/* Which bytes will be read is for the caller to add to `out->bytes`. `tools` must be given before reading. */
mst_status mst_pq_column_in_open(mst_parquet_file *f, size_t group, const mst_pq_field *field, uint32_t leaf,
                                 bool nested, mst_pq_column_in *out, mst_error *err);
/* Until the next call it is worked on with these. */
void mst_pq_column_in_use(mst_pq_column_in *c, mst_pq_tools *tools);
void mst_pq_column_in_close(mst_pq_column_in *c);
/* Nothing more will be read: gives back all memory but what was decoded. */
void mst_pq_column_in_finish(mst_pq_column_in *c);
/* Decodes until `c->out` has `rows` rows, or about `bytes_most` bytes of byte strings. When bytes are missing,
 * `c->missing` is not 0; call again with the same numbers when they are in `c->bytes`. */
mst_status mst_pq_column_in_read(mst_pq_column_in *c, uint64_t rows, uint64_t bytes_most, mst_error *err);
/* Passes over rows up to `row` of the row group, without reading pages that hold nothing else. */
mst_status mst_pq_column_in_skip(mst_pq_column_in *c, uint64_t row, mst_error *err);
/* Loads the dictionary whose page lies at the beginning of the chunk and is here; `c->dictionary` has it then. */
mst_status mst_pq_column_in_dictionary(mst_pq_column_in *c, mst_error *err);
/* The row of the row group that is read next. */
static inline uint64_t mst_pq_column_in_row(const mst_pq_column_in *c) {
  return c->rows_done + c->rows_skipped + c->out.rows;
}
void mst_pq_decoded_init(mst_pq_decoded *d, const mst_allocator *mem);
void mst_pq_decoded_free(mst_pq_decoded *d);
/* `rest` takes the place of `before`, all of which was taken: blocks begin as large as those were. */
void mst_pq_decoded_follow(mst_pq_decoded *rest, mst_pq_decoded *before);
/* Moves the rows behind the first `rows` of `c->out` into `rest`, which must be freed also on failure. */
mst_status mst_pq_column_in_split(mst_pq_column_in *c, uint64_t rows, mst_pq_decoded *rest, mst_error *err);

#endif
