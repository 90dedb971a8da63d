/* tests/parquet/memory_file.h - A Parquet file in memory for tests: a sink that collects what a writer gives, and the reader driven over the bytes.
 */
#ifndef MST_TESTS_PARQUET_MEMORY_FILE_H
#define MST_TESTS_PARQUET_MEMORY_FILE_H

#include <stdlib.h>

#include "parquet/parquet.h"
#include "support/support.h"

static inline mst_status memory_put(void *self, mst_bytes *bytes, mst_error *err) {
  mst_status status = mst_buf_put(self, bytes->data, bytes->size, err);
  mst_bytes_release(bytes);
  return status;
}

static inline mst_parquet_sink memory_sink(mst_buf *b) { return (mst_parquet_sink){.self = b, .put = memory_put}; }

static inline mst_status memory_parse(const mst_allocator *mem, const uint8_t *data, size_t size,
                                      mst_parquet_file **out, mst_error *err) {
  uint64_t need;
  mst_status status = mst_parquet_file_parse(mem, data, size, size, out, &need, err);
  if (status == MST_OK) assert_non_null(*out);
  return status;
}

/* One step, with every need answered from `data`; out->release is NULL at the end. */
static inline mst_status memory_next(mst_parquet_reader *r, const uint8_t *data, size_t size, struct ArrowArray *out,
                                     mst_error *err) {
  mst_status status;
  mst_bytes *given = NULL;
  size_t n_given = 0, n_need, i;
  const mst_range *need;
  do {
    status = mst_parquet_reader_step(r, given, n_given, &need, &n_need, out, err);
    free(given);
    given = calloc(n_need + 1, sizeof *given);
    assert_non_null(given);
    for (i = 0; status == MST_OK && i < n_need; i++) {
      assert_true(need[i].offset <= size && need[i].length <= size - need[i].offset);
      given[i] = mst_bytes_borrow(data + need[i].offset, (size_t)need[i].length);
    }
    n_given = n_need;
  } while (status == MST_OK && n_need > 0);
  free(given);
  return status;
}

/* Reads everything and gives the number of rows. */
static inline mst_status memory_read_all(const mst_allocator *mem, const uint8_t *data, size_t size, uint64_t *rows,
                                         mst_error *err) {
  mst_status status = MST_OK;
  mst_parquet_file *f = NULL;
  mst_parquet_reader *r = NULL;
  struct ArrowSchema schema = {0};
  struct ArrowArray batch = {0};
  uint64_t bytes;
  *rows = 0;
  MST_TRY(memory_parse(mem, data, size, &f, err));
  MST_TRY(mst_parquet_reader_open(f, NULL, &r, err));
  MST_TRY(mst_parquet_reader_schema(r, &schema, err));
  for (;;) {
    MST_TRY(memory_next(r, data, size, &batch, err));
    if (batch.release == NULL) break;
    assert_int_equal(mst_array_check(&schema, &batch, &bytes, NULL), MST_OK);
    *rows += (uint64_t)batch.length;
    mst_array_release(&batch);
  }
done:
  mst_array_release(&batch);
  mst_schema_release(&schema);
  mst_parquet_reader_free(r);
  mst_parquet_file_unref(f);
  return status;
}

#endif
