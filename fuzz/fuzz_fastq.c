/* fuzz/fuzz_fastq.c - FASTQ of four lines and of more, single and in pairs: what the index takes, reading as rows
 * takes, whole and in slices, with as many rows as reads; what it refuses in one piece, it refuses in two. The first
 * three bytes choose dialect, spacing, slices and cut; the rest is the object. */
#include <stdint.h>
#include <stdlib.h>

#include "column/column.h"
#include "format/drive.h"
#include "format/records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct counted {
  uint64_t rows, bases;
} counted;

static mst_status take(void *arg, const struct ArrowSchema *schema, struct ArrowArray *batch, mst_error *err) {
  counted *c = arg;
  mst_view bases, qualities;
  mst_assert(mst_batch_column(schema, batch, "sequence", "u", &bases, err) == MST_OK);
  mst_assert(mst_batch_column(schema, batch, "quality", "u", &qualities, err) == MST_OK);
  for (int64_t i = 0; i < batch->length; i++, c->rows++) {
    size_t n, m;
    (void)mst_view_bytes(&bases, i, &n);
    (void)mst_view_bytes(&qualities, i, &m);
    mst_assert(n == m);
    c->bases += n;
  }
  mst_array_release(batch);
  return MST_OK;
}

static uint64_t fact(const drive *d, const char *key) {
  return (uint64_t)json_integer_value(json_object_get(d->facts, key));
}

static void check_rows(drive *d, uint64_t n, bool pairs) {
  json_t *part = json_pack("{s:s}", "kind", "all");
  drive_plan plan = {0};
  counted all = {0}, sliced = {0};
  mst_error err = {0};
  const mst_status status = drive_read_arrow(d, part, NULL, take, &all, &err);
  json_decref(part);
  /* Titles that are no UTF-8 have no rows. */
  if (status == MST_E_CORRUPT && strstr(err.message, "UTF-8") != NULL) return;
  mst_assert(status == MST_OK);
  mst_assert(all.rows == fact(d, "records") * (pairs ? 2 : 1) && all.bases == fact(d, "bases"));
  mst_assert(drive_make_plan(d, &(mst_plan_query){.slices = n}, &plan, NULL) == MST_OK);
  for (size_t i = 0; i < plan.n; i++)
    mst_assert(drive_read_arrow(d, plan.parts[i].json, NULL, take, &sliced, NULL) == MST_OK);
  mst_assert(sliced.rows == all.rows && sliced.bases == all.bases);
  drive_plan_free(d, &plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  json_t *options;
  mst_status status;
  drive d;
  if (size < 4 || size > 1 << 14) return 0;
  options = json_object();
  mst_assert(options != NULL);
  if ((data[0] & 1) != 0)
    json_object_set_new(options, "lines", (data[0] & 2) != 0 ? json_string("multi") : json_integer(4));
  if ((data[0] & 4) != 0) json_object_set_new(options, "interleaved", json_true());
  drive_init(&d, NULL, &mst_format_fastq, "fuzz", data + 3, size - 3);
  d.spacing = 1 + data[1];
  d.options = options;
  status = drive_index(&d, NULL, 0, NULL);
  if (status == MST_OK) check_rows(&d, 1 + data[2] % 11, (data[0] & 4) != 0);
  if (d.facts != NULL && json_is_true(json_object_get(d.facts, "pieces")) && d.size > 1) {
    const uint64_t cut = 1 + data[2] * (d.size - 1) / 256;
    mst_assert(drive_inspect(&d, NULL) == MST_OK);
    mst_assert((drive_index(&d, &cut, cut < d.size ? 1 : 0, NULL) == MST_OK) == (status == MST_OK));
  }
  json_decref(options);
  drive_free(&d);
  return 0;
}
