/* fuzz/fuzz_records.c - every record format over every container: the object is indexed in one piece and in several,
 * and sliced. Whatever the bytes are, both ways must agree, and slices joined must be the plain object. The first four
 * bytes choose format, spacing and cuts; the rest is the object. */
#include <stdint.h>
#include <stdlib.h>

#include "format/drive.h"
#include "format/records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const mst_format *choose_format(uint8_t byte) {
  const mst_format *const *all = mst_formats();
  const mst_format *text_like[16];
  size_t n = 0;
  for (; *all != NULL && n < 16; all++)
    if (((*all)->flags & MST_FORMAT_TEXT_LIKE) != 0) text_like[n++] = *all;
  return text_like[byte % n];
}

/* Slices joined are what reading all at once gives. */
static void check_slices(drive *d, uint64_t n) {
  drive_plan plan = {0};
  json_t *all = json_pack("{s:s}", "kind", "all");
  mst_buf whole, joined;
  mst_buf_init(&whole, NULL, 1 << 24);
  mst_buf_init(&joined, NULL, 1 << 24);
  const bool readable = drive_read(d, all, NULL, &whole, NULL) == MST_OK;
  mst_assert(drive_make_plan(d, &(mst_plan_query){.slices = n}, &plan, NULL) == MST_OK);
  mst_assert(plan.n <= n);
  for (size_t i = 0; i < plan.n; i++) mst_assert(drive_read(d, plan.parts[i].json, NULL, &joined, NULL) == MST_OK);
  mst_assert(readable && joined.size == whole.size);
  mst_assert(whole.size == 0 || memcmp(joined.data, whole.data, whole.size) == 0);
  drive_plan_free(d, &plan);
  json_decref(all);
  mst_buf_free(&whole);
  mst_buf_free(&joined);
}

static void check_cuts(drive *d, const uint8_t *choices) {
  const uint64_t a = 1 + choices[2] * (d->size - 1) / 256, b = a + choices[3] * (d->size - a) / 256;
  const uint64_t borders[] = {a, b};
  mst_buf first, other;
  mst_buf_init(&first, NULL, 1 << 24);
  mst_buf_init(&other, NULL, 1 << 24);
  mst_assert(drive_index_bytes(d, &first, NULL) == MST_OK);
  mst_assert(drive_inspect(d, NULL) == MST_OK);
  d->grain = choices[3] % 7;
  mst_assert(drive_index(d, borders, a < b && b < d->size ? 2 : a < d->size ? 1 : 0, NULL) == MST_OK);
  mst_assert(drive_index_bytes(d, &other, NULL) == MST_OK);
  mst_assert(first.size == other.size && memcmp(first.data, other.data, first.size) == 0);
  mst_buf_free(&first);
  mst_buf_free(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  drive d;
  if (size < 4 || size > 1 << 16) return 0;
  drive_init(&d, NULL, choose_format(data[0]), "fuzz", data + 4, size - 4);
  d.spacing = 1 + data[1];
  d.record_max = 1 << 20;
  if (drive_index(&d, NULL, 0, NULL) == MST_OK) {
    check_slices(&d, 1 + data[2] % 9);
    if (d.size > 1 && json_is_true(json_object_get(d.facts, "pieces"))) check_cuts(&d, data);
  } else {
    d.recover = true;
    if (drive_inspect(&d, NULL) == MST_OK) (void)drive_index(&d, NULL, 0, NULL);
  }
  drive_free(&d);
  return 0;
}
