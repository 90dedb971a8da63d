/* fuzz/fuzz_arrow_ipc.c - Arrow IPC files and streams from outside: whatever comes through must be a valid array. */
#include <stdlib.h>
#include <string.h>

#include "column/column.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct input {
  const uint8_t *data;
  size_t left;
} input;

static mst_status take(void *self, uint64_t n, mst_bytes *out, mst_error *err) {
  input *in = self;
  uint8_t *into = NULL;
  const size_t size = n < in->left ? (size_t)n : in->left;
  *out = (mst_bytes){0};
  if (size == 0) return MST_OK;
  const mst_status status = mst_bytes_new(NULL, size, out, &into, err);
  if (status != MST_OK) return status;
  memcpy(into, in->data, size);
  in->data += size;
  in->left -= size;
  return MST_OK;
}

/* Codecs have targets of their own: here a buffer unpacks into its first bytes, again and again. */
static mst_status unpack(void *self, int codec, const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size,
                         mst_error *err) {
  (void)self, (void)codec, (void)err;
  for (size_t i = 0; i < out_size; i++) out[i] = in_size == 0 ? 0 : in[i % in_size];
  return MST_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  input in = {data, size};
  const mst_ipc_source source = {.self = &in, .read = take, .unpack = unpack, .name = "fuzz"};
  struct ArrowArrayStream stream;
  struct ArrowSchema schema;
  if (mst_ipc_stream(NULL, &source, &stream, NULL) != MST_OK) return 0;
  if (stream.get_schema(&stream, &schema) != 0) abort();
  for (;;) {
    struct ArrowArray batch;
    uint64_t bytes;
    if (stream.get_next(&stream, &batch) != 0 || batch.release == NULL) break;
    if (mst_array_check(&schema, &batch, &bytes, NULL) != MST_OK) abort();
    batch.release(&batch);
  }
  schema.release(&schema);
  stream.release(&stream);
  return 0;
}
