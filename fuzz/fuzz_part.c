/* fuzz/fuzz_part.c - parts of slices from anywhere: read as bytes and as rows, over a plain object and one of gzip with
 * windows. Nothing is read outside the object, and what comes out is no more than the plain object holds. The first
 * byte chooses object and way. */
#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

#include "format/drive.h"
#include "format/records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PLAIN = 6000 };
static uint8_t plain[PLAIN], packed[2 * PLAIN];
static size_t packed_size;
static drive drives[2];

static void pack(void) {
  z_stream z = {0};
  if (deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK) abort();
  z.next_out = packed;
  z.avail_out = sizeof packed;
  for (size_t at = 0; at < PLAIN; at += 500) {
    z.next_in = plain + at;
    z.avail_in = 500;
    if (deflate(&z, at + 500 == PLAIN ? Z_FINISH : Z_BLOCK) == Z_STREAM_ERROR) abort();
  }
  packed_size = z.total_out;
  deflateEnd(&z);
}

static void make(void) {
  uint32_t x = 1;
  for (size_t i = 0; i < PLAIN; i++) {
    x = x * 1664525 + 1013904223;
    plain[i] = x >> 24 < 12 ? '\n' : x >> 24 < 50 ? ' ' : (uint8_t)('a' + (x >> 24) % 9);
  }
  pack();
  drive_init(&drives[0], NULL, &mst_format_text, "plain", plain, PLAIN);
  drive_init(&drives[1], NULL, &mst_format_text, "gzip", packed, packed_size);
  for (int i = 0; i < 2; i++) {
    drives[i].spacing = 700;
    if (drive_index(&drives[i], NULL, 0, NULL) != MST_OK) abort();
  }
}

static mst_status drop(void *arg, const struct ArrowSchema *schema, struct ArrowArray *batch, mst_error *err) {
  (void)arg;
  (void)schema;
  (void)err;
  mst_array_release(batch);
  return MST_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  json_t *part = NULL;
  mst_buf out;
  if (drives[0].data == NULL) make();
  if (size < 1 || mst_json_parse(data + 1, size - 1, 4096, "part", &part, NULL) != MST_OK) return 0;
  drive *d = &drives[data[0] & 1];
  const mst_read_query raw = {.as = MST_READ_RAW, .header = (data[0] & 4) != 0};
  mst_buf_init(&out, NULL, 1 << 20);
  d->grain = data[0] >> 4;
  d->recover = (data[0] & 8) != 0;
  if ((data[0] & 2) != 0) (void)drive_read_arrow(d, part, NULL, drop, NULL, NULL);
  else if (drive_read(d, part, &raw, &out, NULL) == MST_OK) mst_assert(out.size <= PLAIN);
  mst_buf_free(&out);
  json_decref(part);
  return 0;
}
