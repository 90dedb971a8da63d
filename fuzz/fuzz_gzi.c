/* fuzz/fuzz_gzi.c - a .gzi from anybody beside a BGZF object: a region read by it is right, or an error. The .gzi that
 * we write for what is given as an object is what its blocks say, or an error. The first byte chooses which of the two.
 */
#include <stdint.h>
#include <stdlib.h>

#include "codec/codec.h"
#include "format/drive.h"
#include "format/records.h"
#include "format/wrap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RESIDUES = 600, WIDTH = 50, BLOCK = 64 };

/* One record of numbered lines, so that any shift shows. */
static size_t make_text(char *text, char *residues) {
  size_t n = (size_t)sprintf(text, ">chr\n");
  for (size_t i = 0; i < RESIDUES; i++) {
    residues[i] = "ACGTRYKM"[(i * 2654435761u >> 13) % 8];
    text[n++] = residues[i];
    if (i % WIDTH == WIDTH - 1) text[n++] = '\n';
  }
  return n;
}

static void read_by(const uint8_t *gzi, size_t gzi_size) {
  static const char fai[] = "chr\t600\t5\t50\t51\n";
  const mst_plan_query query = {.region = "chr:301-420"};
  char text[2 * RESIDUES], residues[RESIDUES];
  size_t packed_size, n = make_text(text, residues), at = 0;
  uint8_t *packed = wrap(WRAP_BGZF, text, n, BLOCK, &packed_size);
  const mst_member members[3] = {{.name = "x.fa.gz", .size = packed_size, .present = true, .fresh = true},
                                 {.name = "x.fa.gz.fai", .size = sizeof fai - 1, .present = true, .fresh = true},
                                 {.name = "x.fa.gz.gzi", .size = gzi_size, .present = true, .fresh = true}};
  const mst_bytes companions[2] = {mst_bytes_borrow(fai, sizeof fai - 1), mst_bytes_borrow(gzi, gzi_size)};
  drive_plan plan = {0};
  mst_buf out;
  drive d;
  mst_buf_init(&out, NULL, SIZE_MAX / 4);
  drive_init(&d, NULL, &mst_format_fasta, "x.fa.gz", packed, packed_size);
  d.members = members;
  d.companions = companions;
  d.n_members = 3;
  mst_assert(drive_inspect(&d, NULL) == MST_OK);
  if (drive_make_plan(&d, &query, &plan, NULL) == MST_OK &&
      drive_read(&d, plan.parts[0].json, NULL, &out, NULL) == MST_OK)
    for (size_t i = 5; i < out.size; i++)
      if (out.data[i] != '\n') mst_assert(at < 120 && out.data[i] == (uint8_t)residues[300 + at++]);
  drive_plan_free(&d, &plan);
  drive_free(&d);
  mst_buf_free(&out);
  free(packed);
}

static void write_for(const uint8_t *object, size_t size) {
  mst_gzi_entry *entries = NULL;
  mst_buf out;
  size_t n;
  drive d;
  mst_buf_init(&out, NULL, SIZE_MAX / 4);
  drive_init(&d, NULL, &mst_format_fasta, "x", object, size);
  if (drive_inspect(&d, NULL) == MST_OK && drive_export(&d, "gzi", &out, NULL) == MST_OK) {
    mst_assert(mst_gzi_parse(NULL, out.data, out.size, &entries, &n, NULL) == MST_OK);
    for (size_t i = 0; i < n; i++) mst_assert(entries[i].at < size);
    mst_free(NULL, entries);
  }
  drive_free(&d);
  mst_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2 || size > 1 << 14) return 0;
  if (data[0] % 2 == 0) read_by(data + 1, size - 1);
  else write_for(data + 1, size - 1);
  return 0;
}
