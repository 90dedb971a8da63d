/* fuzz/fuzz_partial.c - partials from other machines: merged with good neighbours on either side, and collected. The
 * head with its checksum is put right, so that what lies behind it is reached; the first byte chooses the place. */
#include <stdint.h>
#include <stdlib.h>

#include "codec/codec.h"
#include "format/drive.h"
#include "format/records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 16 };
static const char object[] = ">a first\nACGT\nAC\n>b\nGGGG\n>c third\nTTTTTTTT\nTT\n>d\nA\n>e\nCCCC\n>f\nGG\nGG\nG\n";

static void init(drive *d) {
  drive_init(d, NULL, mst_format_find("fasta") != NULL ? mst_format_find("fasta") : &mst_format_text, "object", object,
             sizeof object - 1);
  d->spacing = 8;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  drive d;
  drive_list list = {0};
  mst_bytes strange = {0};
  uint8_t *bytes;
  if (size < 1 || size > 1 << 16) return 0;
  const size_t which = data[0] % 3;
  init(&d);
  if (drive_inspect(&d, NULL) != MST_OK) abort();
  for (uint64_t i = 0; i < 3; i++)
    if (drive_scan(&d, i * 25, i < 2 ? (i + 1) * 25 : d.size, &list, NULL) != MST_OK) abort();
  if (mst_bytes_new(NULL, HEAD + size - 1, &strange, &bytes, NULL) != MST_OK) abort();
  memcpy(bytes, list.items[which].data, HEAD);
  memcpy(bytes + HEAD, data + 1, size - 1);
  mst_put_le32(bytes + 8, mst_crc32(0, bytes + 12, strange.size - 12));
  mst_bytes_release(&list.items[which]);
  list.items[which] = strange;
  drive copy;
  init(&copy);
  copy.facts = json_incref(d.facts);
  (void)drive_collect(&copy, &list, NULL);
  drive_free(&copy);
  if (drive_merge(&d, &list, which == 2 ? 1 : 0, NULL) == MST_OK && drive_merge(&d, &list, 0, NULL) == MST_OK)
    (void)drive_collect(&d, &list, NULL);
  drive_list_free(&d, &list);
  drive_free(&d);
  return 0;
}
