/* count_records.c - index a file once, cut it into slices, read each and count its lines.
 *
 *     cc count_records.c -o count_records $(pkg-config --cflags --libs meseta)
 *     ./count_records reads.fastq.gz 8 */
#include <meseta/meseta.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const mst_error *err) {
  fprintf(stderr, "%s\n", err->message);
  return EXIT_FAILURE;
}

static uint64_t count_lines(const mst_bytes *text) {
  uint64_t n = 0;
  const uint8_t *at = text->data, *end = text->data + text->size;
  while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
    n++;
    at++;
  }
  return n;
}

int main(int argc, char **argv) {
  mst_error err;
  mst_source *source = NULL;
  mst_plan *plan = NULL;
  mst_query query = MST_QUERY_INIT;
  mst_status status;
  if (argc < 2) {
    fprintf(stderr, "usage: %s URL [SLICES]\n", argv[0]);
    return 2;
  }
  query.slices = argc > 2 ? strtoull(argv[2], NULL, 10) : 4;
  status = mst_source_open(NULL, argv[1], NULL, &source, NULL, &err);
  if (status == MST_OK) status = mst_source_index(source, NULL, NULL, NULL, &err);
  if (status == MST_OK) status = mst_source_plan(source, &query, &plan, NULL, &err);
  for (size_t i = 0; status == MST_OK && i < mst_plan_get_count(plan); i++) {
    mst_slice *slice = mst_plan_take(plan, i);
    mst_bytes text = {0};
    status = mst_slice_read(slice, NULL, &text, NULL, &err);
    if (status == MST_OK) printf("slice %zu: %llu lines\n", i + 1, (unsigned long long)count_lines(&text));
    mst_bytes_release(&text);
    mst_slice_unref(slice);
  }
  mst_plan_unref(plan);
  mst_source_unref(source);
  return status == MST_OK ? EXIT_SUCCESS : fail(&err);
}
