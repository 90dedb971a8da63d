/* fuzz/fuzz_parquet_file.c - whole Parquet files from outside: the footer is parsed, every column is read, and what
 * comes out must be arrays that fit their schema. */
#include <stdlib.h>

#include "parquet/parquet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A few bytes may stand for very many nulls; nobody need wait for all of them. */
enum { ROWS_MAX = 200000, STEPS_MAX = 400 };

static void must(bool condition) {
  if (!condition) abort();
}

/* One step; the file's own bytes answer every need. */
static mst_status next(mst_parquet_reader *r, const uint8_t *data, size_t size, struct ArrowArray *out) {
  mst_status status;
  mst_bytes *given = NULL;
  size_t n_given = 0, n_need, i;
  const mst_range *need;
  do {
    status = mst_parquet_reader_step(r, given, n_given, &need, &n_need, out, NULL);
    free(given);
    given = calloc(n_need + 1, sizeof *given);
    must(given != NULL);
    for (i = 0; status == MST_OK && i < n_need; i++) {
      must(need[i].length > 0 && need[i].offset <= size && need[i].length <= size - need[i].offset);
      given[i] = mst_bytes_borrow(data + need[i].offset, (size_t)need[i].length);
    }
    n_given = n_need;
  } while (status == MST_OK && n_need > 0);
  free(given);
  return status;
}

static void read_all(mst_parquet_file *f, const uint8_t *data, size_t size) {
  mst_parquet_reader *r = NULL;
  struct ArrowSchema schema;
  struct ArrowArray batch = {0};
  uint64_t rows = 0, bytes;
  int steps;
  if (mst_parquet_reader_open(f, NULL, &r, NULL) != MST_OK) return;
  must(mst_parquet_reader_schema(r, &schema, NULL) == MST_OK);
  for (steps = 0;
       rows < ROWS_MAX && steps < STEPS_MAX && next(r, data, size, &batch) == MST_OK && batch.release != NULL;
       steps++) {
    must(batch.length > 0 && mst_array_check(&schema, &batch, &bytes, NULL) == MST_OK);
    rows += (uint64_t)batch.length;
    mst_array_release(&batch);
  }
  mst_schema_release(&schema);
  mst_parquet_reader_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mst_parquet_file *f = NULL;
  uint64_t need;
  if (mst_parquet_file_parse(NULL, data, size, size, &f, &need, NULL) != MST_OK) return 0;
  must(f != NULL);
  read_all(f, data, size);
  mst_parquet_file_unref(f);
  return 0;
}
