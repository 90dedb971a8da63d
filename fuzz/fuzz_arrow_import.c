/* fuzz/fuzz_arrow_import.c - Arrow from outside: a schema message, and arrays whose counts and missing buffers come
 * from the input. What the check lets pass is copied and written as Parquet. */
#include <stdlib.h>
#include <string.h>

#include "parquet/parquet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROWS_MAX = 100, NODES_MAX = 200 };

/* Numbers out of the input's end. */
typedef struct dice {
  const uint8_t *data;
  size_t size, at;
  int nodes;
} dice;

static unsigned roll(dice *d, unsigned sides) { return d->at < d->size ? d->data[d->at++] % sides : 0; }

static mst_status put_nowhere(void *self, mst_bytes *bytes, mst_error *err) {
  (void)self;
  (void)err;
  mst_bytes_release(bytes);
  return MST_OK;
}

/* Zeros are honest values of every layout: no offset leads anywhere. */
static mst_status make_array(const struct ArrowSchema *schema, dice *d, int64_t rows, struct ArrowArray *out) {
  static const uint8_t zeros[(ROWS_MAX + 8) * 8 * 40];
  mst_status status = MST_OK;
  mst_type type;
  mst_bytes buffers[4] = {{0}};
  struct ArrowArray *children = NULL, dictionary = {0};
  mst_array_parts parts = {.length = rows, .buffers = buffers, .null_count = roll(d, 3) == 0 ? -1 : 0};
  mst_error *err = NULL;
  size_t i, made = 0;
  MST_TRY(mst_type_parse(schema->format, &type, err));
  if (type.width > 300 || type.size > 8 || d->nodes++ > NODES_MAX) return MST_E_LIMIT;
  parts.n_buffers = (size_t)mst_type_buffers(&type);
  if (roll(d, 40) == 1) parts.n_buffers = roll(d, 4);
  for (i = 0; i < parts.n_buffers; i++)
    if (roll(d, 30) != 1) buffers[i] = mst_bytes_borrow(zeros, sizeof zeros);
  MST_TRY_ALLOC(children = calloc((size_t)schema->n_children + 1, sizeof *children));
  for (; made < (size_t)schema->n_children; made++)
    MST_TRY(make_array(schema->children[made], d, roll(d, 20) == 1 ? roll(d, ROWS_MAX) : rows, &children[made]));
  if (schema->dictionary != NULL && roll(d, 10) != 1) {
    MST_TRY(make_array(schema->dictionary, d, roll(d, 3), &dictionary));
    parts.dictionary = &dictionary;
  }
  parts.n_children = made;
  parts.children = children;
  made = 0;
  status = mst_array_make(NULL, &parts, out, err);
  if (status == MST_OK && roll(d, 20) == 1) out->length = (int64_t)roll(d, 250) - 2;
  if (status == MST_OK && roll(d, 20) == 1) out->offset = (int64_t)roll(d, 5) - 2;
done:
  for (i = 0; i < made; i++) mst_array_release(&children[i]);
  mst_array_release(parts.dictionary == NULL ? &dictionary : NULL);
  free(children);
  return status;
}

static void try_arrays(const struct ArrowSchema *schema, dice *d) {
  mst_parquet_writer *w = NULL;
  mst_parquet_sink sink = {.put = put_nowhere};
  mst_parquet_writer_options options = {.codec = MST_PARQUET_SNAPPY};
  struct ArrowArray batch = {0}, copy = {0};
  uint64_t bytes;
  if (make_array(schema, d, roll(d, ROWS_MAX), &batch) != MST_OK) return;
  if (mst_array_check(schema, &batch, &bytes, NULL) == MST_OK) {
    if (mst_array_copy(NULL, schema, &batch, &copy, NULL) == MST_OK) {
      if (mst_array_check(schema, &copy, &bytes, NULL) != MST_OK) abort();
      mst_array_release(&copy);
    }
  }
  if (mst_parquet_writer_open(schema, &options, &sink, &w, NULL) == MST_OK &&
      mst_parquet_writer_put(w, &batch, NULL) == MST_OK)
    mst_parquet_writer_close(w, NULL);
  mst_array_release(&batch);
  mst_parquet_writer_free(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct ArrowSchema schema, copy;
  mst_buf again;
  dice d = {.data = data, .size = size, .at = size / 2};
  if (mst_ipc_get_schema(NULL, data, size, &schema, NULL) != MST_OK) return 0;
  if (mst_schema_copy(NULL, &schema, &copy, NULL) == MST_OK) mst_schema_release(&copy);
  mst_buf_init(&again, NULL, (size_t)64 << 20);
  if (mst_ipc_put_any_schema(&schema, &again, NULL) == MST_OK) {
    if (mst_ipc_get_schema(NULL, again.data, again.size, &copy, NULL) != MST_OK) abort();
    mst_schema_release(&copy);
  }
  mst_buf_free(&again);
  try_arrays(&schema, &d);
  mst_schema_release(&schema);
  return 0;
}
