/* fuzz/fuzz_parquet_file.c - whole Parquet files from outside: the footer is parsed and told, every column is read,
 * then some rows, those of a condition, and all of it verified; what comes out must be arrays that fit their schema. */
#include <stdlib.h>

#include "expr/expr.h"
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

/* Reads what the options ask for; gives the number of rows. */
static uint64_t read(mst_parquet_file *f, const mst_parquet_read_options *o, const uint8_t *data, size_t size) {
  mst_parquet_reader *r = NULL;
  struct ArrowSchema schema;
  struct ArrowArray batch = {0};
  uint64_t rows = 0, bytes;
  int steps;
  if (mst_parquet_reader_open(f, o, &r, NULL) != MST_OK) return 0;
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
  return rows;
}

/* A condition on the first column; NULL where it makes no sense. */
static mst_where *some_condition(mst_parquet_file *f, size_t seed) {
  const mst_literal literals[] = {{.kind = MST_LITERAL_INT, .as.i = 3},
                                  {.kind = MST_LITERAL_TEXT, .as.text = {"m", 1}},
                                  {.kind = MST_LITERAL_DOUBLE, .as.f = 0.5}};
  struct ArrowSchema schema;
  mst_where *w = NULL;
  if (mst_parquet_file_schema(f, &schema, NULL) != MST_OK) return NULL;
  if (schema.n_children > 0 && schema.children[0]->name[0] != '\0')
    mst_where_compare(NULL, schema.children[0]->name, (mst_compare_op)(seed % 6), &literals[seed / 6 % 3], &w, NULL);
  mst_schema_release(&schema);
  return w;
}

static void read_less(mst_parquet_file *f, const uint8_t *data, size_t size) {
  uint64_t all = mst_parquet_file_rows(f);
  const mst_range rows[2] = {{.offset = all / 7, .length = all / 9}, {.offset = all / 2, .length = all / 5}};
  mst_parquet_read_options some = {.rows = rows, .n_rows = 2, .limit = 1 + size % 50, .batch_rows = 7};
  mst_parquet_read_options met = {.where = some_condition(f, size), .memory = size % 3};
  const mst_parquet_read_options verify = {.verify = true};
  must(read(f, &some, data, size) <= some.limit);
  if (met.where != NULL) read(f, &met, data, size);
  mst_where_unref(met.where);
  must(read(f, &verify, data, size) == 0);
}

static void tell(mst_parquet_file *f) {
  json_t *facts = NULL;
  if (mst_parquet_describe(f, 20, &facts, NULL) == MST_OK) must(json_is_object(facts));
  json_decref(facts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mst_parquet_file *f = NULL;
  uint64_t need;
  if (mst_parquet_file_parse(NULL, data, size, size, &f, &need, NULL) != MST_OK) return 0;
  must(f != NULL);
  tell(f);
  read(f, NULL, data, size);
  /* A few bytes that claim very many rows take verification as long as they say. */
  if (mst_parquet_file_rows(f) < ROWS_MAX) read_less(f, data, size);
  mst_parquet_file_unref(f);
  return 0;
}
