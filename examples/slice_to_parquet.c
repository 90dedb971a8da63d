/* slice_to_parquet.c - read one slice, given as JSON on standard input, as columns, and write them as a Parquet file to standard output.
 *
 *     cc slice_to_parquet.c -o slice_to_parquet $(pkg-config --cflags --libs meseta)
 *     meseta slices calls.vcf.gz -n 4 | head -n 1 | ./slice_to_parquet > part.parquet */
#include <meseta/meseta.h>

#include <stdio.h>
#include <stdlib.h>

static mst_status put(void *arg, const void *data, size_t size, mst_error *err) {
  (void)err;
  return fwrite(data, 1, size, (FILE *)arg) == size ? MST_OK : MST_E_IO;
}

int main(void) {
  mst_error err = {0};
  mst_slice *slice = NULL;
  struct ArrowArrayStream stream = {0};
  static char text[65536];
  const size_t n = fread(text, 1, sizeof text, stdin);
  mst_status status = mst_slice_parse(NULL, text, n, NULL, 0, &slice, &err);
  if (status == MST_OK) status = mst_slice_stream(slice, NULL, &stream, NULL, &err);
  if (status == MST_OK) status = mst_stream_export(NULL, &stream, "parquet", put, stdout, NULL, &err);
  if (stream.release != NULL) stream.release(&stream);
  mst_slice_unref(slice);
  if (status != MST_OK) fprintf(stderr, "%s\n", err.message);
  return status == MST_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
