/* fuzz/fuzz_vcf.c - VCF: any cut of the scan gives the same index or is refused as the whole is, slices join to the object, regions give
 * the lines that overlap them, and rows with INFO and genotypes come out or are refused. The first four bytes choose cut, spacing,
 * slices and region; the rest is the object. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "format/drive.h"
#include "format/vcf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
  json_t *options = json_pack("{s:b, s:s}", "genotypes", 1, "misfit", "null");
  const mst_read_query rows = {.as = MST_READ_ARROW, .options = options};
  drive_plan plan = {0};
  mst_buf joined;
  mst_buf_init(&joined, NULL, SIZE_MAX / 4);
  mst_assert(drive_make_plan(d, &query, &plan, NULL) == MST_OK && plan.n <= n);
  for (size_t i = 0; i < plan.n; i++) {
    mst_assert(drive_read(d, plan.parts[i].json, NULL, &joined, NULL) == MST_OK);
    (void)drive_read_arrow(d, plan.parts[i].json, &rows, take, NULL, NULL);
    (void)drive_read_arrow(d, plan.parts[i].json, NULL, take, NULL, NULL);
  }
  mst_assert(joined.size == d->size && (joined.size == 0 || memcmp(joined.data, d->data, joined.size) == 0));
  json_decref(options);
  drive_plan_free(d, &plan);
  mst_buf_free(&joined);
}

/* Lines of the object that overlap [from, to] of the contig. */
static void filter(const drive *d, const char *contig, uint64_t from, uint64_t to, mst_buf *out) {
  for (size_t at = (size_t)json_integer_value(json_object_get(d->facts, "header_bytes")), end; at < d->size; at = end) {
    const uint8_t *lf = memchr(d->data + at, '\n', d->size - at);
    mst_vcf_line line;
    end = lf == NULL ? (size_t)d->size : (size_t)(lf - d->data) + 1;
    mst_assert(mst_vcf_line_parse(d->data + at, end - at - (lf != NULL), &line) == NULL);
    if (line.contig_size != strlen(contig) || memcmp(line.contig, contig, line.contig_size) != 0) continue;
    if (line.first <= to && line.last >= from) mst_assert(mst_buf_put(out, d->data + at, end - at, NULL) == MST_OK);
  }
}

static void check_region(drive *d, uint8_t byte) {
  const json_t *contigs = json_object_get(d->facts, "contigs");
  const char *contig = json_string_value(json_array_get(json_array_get(contigs, byte % mst_max_size(json_array_size(contigs), 1)), 0));
  const uint64_t from = 1 + byte * 3u, to = from + byte;
  char region[600];
  const mst_plan_query query = {.region = region};
  drive_plan plan = {0};
  mst_buf want, got;
  if (contig == NULL || strlen(contig) > 500 || strpbrk(contig, " \t\r\n}") != NULL) return;
  snprintf(region, sizeof region, "{%s}:%llu-%llu", contig, (unsigned long long)from, (unsigned long long)to);
  mst_buf_init(&want, NULL, SIZE_MAX / 4);
  mst_buf_init(&got, NULL, SIZE_MAX / 4);
  filter(d, contig, from, to, &want);
  mst_assert(drive_make_plan(d, &query, &plan, NULL) == MST_OK);
  for (size_t i = 0; i < plan.n; i++) mst_assert(drive_read(d, plan.parts[i].json, NULL, &got, NULL) == MST_OK);
  mst_assert(got.size == want.size && (got.size == 0 || memcmp(got.data, want.data, got.size) == 0));
  drive_plan_free(d, &plan);
  mst_buf_free(&want);
  mst_buf_free(&got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mst_status status;
  drive d;
  if (size < 5 || size > 1 << 14) return 0;
  drive_init(&d, NULL, &mst_format_vcf, "fuzz.vcf", data + 4, size - 4);
  d.spacing = 1 + data[1];
  status = drive_inspect(&d, NULL);
  if (status == MST_OK && strcmp(json_string_value(json_object_get(d.facts, "container")), "plain") == 0) {
    const uint64_t cut = 1 + (data[0] * 257u + data[2]) % (d.size - 1);
    status = drive_index(&d, NULL, 0, NULL);
    if (status == MST_OK) {
      check_cut(&d, cut);
      check_slices(&d, 1 + data[2] % 9);
      check_region(&d, data[3]);
    } else {
      mst_assert(drive_inspect(&d, NULL) == MST_OK && drive_index(&d, &cut, 1, NULL) != MST_OK);
    }
  }
  drive_free(&d);
  return 0;
}
