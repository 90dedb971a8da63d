/* fuzz/fuzz_csv.c - delimited text: the rows that the scanner finds are those of a naive reader, any cut of the scan gives the same
 * index, slices join to the object, and rows come out or are refused. The first four bytes choose dialect, cut, spacing and slices;
 * the rest is the object. */
#include <stdint.h>
#include <stdlib.h>

#include "format/csv.h"
#include "format/drive.h"
#include "format/naive_csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
  int delimiter, quote, escape;
} dialects[] = {{',', '"', -1}, {';', '\'', -1}, {',', '"', '\\'}, {'\t', -1, -1}, {'|', -1, '\\'}};

/* Given dialects are also read by the naive reader; NULL: the dialect is found. */
static json_t *choose(uint8_t byte) {
  const unsigned i = byte / 3 % 6;
  if (i == 5) return NULL;
  const char delimiter[2] = {(char)dialects[i].delimiter, 0}, quote[2] = {dialects[i].quote < 0 ? 0 : (char)dialects[i].quote, 0},
             escape[2] = {dialects[i].escape < 0 ? 0 : (char)dialects[i].escape, 0};
  return json_pack("{s:s, s:s, s:s, s:b}", "delimiter", delimiter, "quote", quote, "escape", escape, "header", byte % 3 == 0);
}

static void check_naive(const drive *d, const uint8_t *data, size_t size, uint8_t byte, mst_status status) {
  const unsigned i = byte / 3 % 6;
  const bool lead = size >= 2 && (data[0] == 0xef || data[0] == 0xff || data[0] == 0xfe || (data[0] | 0x20) == 's' || memchr(data, 0, size) != NULL);
  naive_csv csv;
  if (i == 5 || lead) return; /* marks in front are the scanner's own business */
  naive_csv_read(data, size, 0, dialects[i].delimiter, dialects[i].quote, dialects[i].escape, &csv);
  mst_assert(csv.unclosed == (status != MST_OK));
  if (status == MST_OK) {
    const size_t header = byte % 3 == 0 && csv.n_rows > 0 ? 1 : 0;
    mst_assert((uint64_t)json_integer_value(json_object_get(d->facts, "records")) == csv.n_rows - header);
  }
  naive_csv_free(&csv);
}

static void check_cut(drive *d, uint64_t cut) {
  mst_buf first, other;
  mst_buf_init(&first, NULL, SIZE_MAX / 4);
  mst_buf_init(&other, NULL, SIZE_MAX / 4);
  mst_assert(drive_index_bytes(d, &first, NULL) == MST_OK);
  mst_assert(drive_inspect(d, NULL) == MST_OK && drive_index(d, &cut, 1, NULL) == MST_OK);
  mst_assert(drive_index_bytes(d, &other, NULL) == MST_OK);
  mst_assert(first.size == other.size && memcmp(first.data, other.data, first.size) == 0);
  mst_buf_free(&first);
  mst_buf_free(&other);
}

static mst_status take(void *arg, const struct ArrowSchema *schema, struct ArrowArray *batch, mst_error *err) {
  (void)arg;
  (void)schema;
  (void)err;
  mst_array_release(batch);
  return MST_OK;
}

static void check_slices(drive *d, uint64_t n) {
  const mst_plan_query query = {.slices = n};
  drive_plan plan = {0};
  mst_buf joined;
  mst_buf_init(&joined, NULL, SIZE_MAX / 4);
  mst_assert(drive_make_plan(d, &query, &plan, NULL) == MST_OK && plan.n <= n);
  for (size_t i = 0; i < plan.n; i++) {
    mst_assert(drive_read(d, plan.parts[i].json, NULL, &joined, NULL) == MST_OK);
    (void)drive_read_arrow(d, plan.parts[i].json, NULL, take, NULL, NULL); /* cells may misfit */
  }
  mst_assert(joined.size == d->size && (joined.size == 0 || memcmp(joined.data, d->data, joined.size) == 0));
  drive_plan_free(d, &plan);
  mst_buf_free(&joined);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  json_t *options;
  mst_status status;
  drive d;
  if (size < 5 || size > 1 << 14) return 0;
  options = choose(data[0]);
  drive_init(&d, NULL, &mst_format_csv, "fuzz.csv", data + 4, size - 4);
  d.spacing = 1 + data[1];
  d.options = options;
  status = drive_inspect(&d, NULL);
  if (status == MST_OK && strcmp(json_string_value(json_object_get(d.facts, "container")), "plain") == 0) {
    status = drive_index(&d, NULL, 0, NULL);
    check_naive(&d, data + 4, size - 4, data[0], status);
    if (status == MST_OK) {
      if (d.size > 1) check_cut(&d, 1 + (data[2] * 257u + data[3]) % (d.size - 1));
      check_slices(&d, 1 + data[3] % 9);
    }
  }
  drive_free(&d);
  json_decref(options);
  return 0;
}
