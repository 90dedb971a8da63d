/* fuzz/fuzz_dataset_document.c - main metadata of datasets from outside. Byte 0: JSON, a zstd frame, or bare msgpack. What is taken
 * prints to what is taken again and means the same, in both forms; no file that may be deleted lies outside of the dataset. */
#include <stdlib.h>
#include <string.h>

#include "dataset/document.h"
#include "dataset/key.h"
#include "dataset/section.h"
#include "dataset/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
  if (!holds) abort();
}

/* One raw block as a zstd frame, so that mutations meet msgpack and not the codec. */
static mst_status parse_bare(const uint8_t *data, size_t size, mst_document **out) {
  const uint32_t block = (uint32_t)(size << 3 | 1);
  if (size > 60000) return MST_E_LIMIT;
  uint8_t *frame = malloc(size + 16);
  const uint8_t head[] = {0x28, 0xb5, 0x2f, 0xfd, 0xa0, (uint8_t)size, (uint8_t)(size >> 8), (uint8_t)(size >> 16), (uint8_t)(size >> 24),
                          (uint8_t)block, (uint8_t)(block >> 8), (uint8_t)(block >> 16)};
  memcpy(frame, head, sizeof head);
  memcpy(frame + sizeof head, data, size);
  const mst_status status = mst_document_parse(NULL, frame, sizeof head + size, MST_DOCUMENT_MSGPACK, "k", out, NULL);
  free(frame);
  return status;
}

static void print_again(const mst_document *d, mst_document_form form) {
  mst_buf text, again;
  mst_document *other = NULL;
  char a[33], b[33];
  mst_buf_init(&text, NULL, SIZE_MAX / 2);
  mst_buf_init(&again, NULL, SIZE_MAX / 2);
  must(mst_document_print(d, form, &text, NULL) == MST_OK);
  must(mst_document_parse(NULL, text.data, text.size, form, "k", &other, NULL) == MST_OK);
  must(mst_document_print(other, form, &again, NULL) == MST_OK);
  must(text.size == again.size && memcmp(text.data, again.data, text.size) == 0);
  must(mst_document_digest(d, a, NULL) == MST_OK && mst_document_digest(other, b, NULL) == MST_OK);
  must(strcmp(a, b) == 0);
  mst_document_unref(other);
  mst_buf_free(&text);
  mst_buf_free(&again);
}

static void look_at_files(const mst_document *d) {
  mst_buf key;
  const char *why;
  mst_buf_init(&key, NULL, SIZE_MAX / 2);
  for (size_t i = 0; i < mst_document_partitions(d); i++) {
    must(mst_document_find(d, mst_document_label(d, i)) == i);
    mst_buf_clear(&key);
    if (mst_document_file(d, i, &key, NULL) != MST_OK) continue;
    must(mst_key_is_safe(mst_buf_text(&key), key.size, &why));
    must(mst_document_file_is(d, i, mst_buf_text(&key)));
    must(mst_document_file_own(d, i) == mst_key_is_own(mst_buf_text(&key), mst_document_uuid(d)));
  }
  mst_buf_free(&key);
}

static void look_at_keys(const mst_document *d) {
  struct ArrowSchema schema = {0};
  struct ArrowArray batch = {0};
  if (mst_values_of_labels(NULL, d, NULL, &schema, &batch, NULL) != MST_OK) return;
  must(batch.length == (int64_t)mst_document_partitions(d));
  mst_array_release(&batch);
  mst_schema_release(&schema);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mst_document *d = NULL;
  mst_section section;
  if (size < 1) return 0;
  const int how = data[0] % 3;
  const mst_status status =
      how == 2 ? parse_bare(data + 1, size - 1, &d)
               : mst_document_parse(NULL, data + 1, size - 1, how == 0 ? MST_DOCUMENT_JSON : MST_DOCUMENT_MSGPACK, "k", &d, NULL);
  if (status != MST_OK) return 0;
  print_again(d, MST_DOCUMENT_JSON);
  print_again(d, MST_DOCUMENT_MSGPACK);
  look_at_files(d);
  look_at_keys(d);
  (void)mst_section_of(d, mst_document_uuid(d), &section, NULL);
  mst_document_unref(d);
  return 0;
}
