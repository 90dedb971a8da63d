/* fuzz/fuzz_fai.c - a .fai from anybody beside a FASTA object from anybody: what it gives must be what our index gives,
 * or an error; and the .fai that we write must give it. The first two bytes are the .fai's size; then it and the object
 * follow. */
#include <stdint.h>
#include <stdlib.h>

#include "format/drive.h"
#include "format/records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes of one region, by our index or by a .fai (when not NULL). */
static mst_status read_region(const uint8_t *object, size_t size, const mst_bytes *fai, const char *region,
                              mst_buf *out) {
  const mst_plan_query query = {.region = region};
  const mst_member members[2] = {
      {.name = "fuzz", .size = size, .present = true, .fresh = true},
      {.name = "fuzz.fai", .size = fai == NULL ? 0 : fai->size, .present = true, .fresh = true}};
  drive_plan plan = {0};
  mst_status status;
  drive d;
  drive_init(&d, NULL, &mst_format_fasta, "fuzz", object, size);
  d.spacing = 16;
  if (fai != NULL) {
    d.members = members;
    d.companions = fai;
    d.n_members = 2;
  }
  status = fai == NULL ? drive_index(&d, NULL, 0, NULL) : drive_inspect(&d, NULL);
  if (status == MST_OK) status = drive_make_plan(&d, &query, &plan, NULL);
  if (status == MST_OK) status = drive_read(&d, plan.parts[0].json, NULL, out, NULL);
  drive_plan_free(&d, &plan);
  drive_free(&d);
  return status;
}

/* How many headers have this name. */
static size_t count_name(const uint8_t *object, size_t size, const char *name, size_t n) {
  size_t count = 0;
  bool line = true;
  for (size_t i = 0; i < size; i++) {
    size_t at = i + 1;
    if (line && object[i] == '>') {
      while (at < size && object[at] != '\n' && (object[at] == ' ' || (object[at] >= 9 && object[at] <= 13))) at++;
      if (size - at >= n && memcmp(object + at, name, n) == 0)
        count += at + n == size || object[at + n] == ' ' || (object[at + n] >= 9 && object[at + n] <= 13);
    }
    line = object[i] == '\n';
  }
  return count;
}

/* The first record of the .fai, from its first residue on: where the .fai is believed, both ways agree (behind bytes
 * that are not read it may lie unseen). `must`: it has to be believed. */
static void compare(const uint8_t *object, size_t size, const mst_bytes *fai, const char *range, bool must) {
  const uint8_t *end = fai->size == 0 ? NULL : memchr(fai->data, '\t', fai->size);
  char region[100];
  mst_buf by_fai, by_index;
  mst_status status;
  if (end == NULL || end == fai->data || end - fai->data > 60) return;
  for (const uint8_t *p = fai->data; p < end; p++)
    if (*p <= ' ' || *p > '~' || *p == '{' || *p == ':') return;
  snprintf(region, sizeof region, "%.*s%s", (int)(end - fai->data), (const char *)fai->data, range);
  mst_buf_init(&by_fai, NULL, SIZE_MAX / 4);
  mst_buf_init(&by_index, NULL, SIZE_MAX / 4);
  status = read_region(object, size, fai, region, &by_fai);
  if (count_name(object, size, (const char *)fai->data, (size_t)(end - fai->data)) == 1 &&
      read_region(object, size, NULL, region, &by_index) == MST_OK) {
    mst_assert(status == MST_OK || !must);
    if (status == MST_OK)
      mst_assert(by_fai.size == by_index.size && memcmp(by_fai.data, by_index.data, by_fai.size) == 0);
  }
  mst_buf_free(&by_fai);
  mst_buf_free(&by_index);
}

/* What samtools takes and what we call residues differ where blanks, comments or control bytes stand in a sequence, and
 * its names end at a NUL. */
static bool plain_fasta(const uint8_t *object, size_t size) {
  bool header = false, line = true;
  for (size_t i = 0; i < size; i++) {
    if (line) header = object[i] == '>';
    if ((line && object[i] == ';') || object[i] == 0) return false;
    line = object[i] == '\n';
    if (!header && !line && (object[i] <= ' ' || object[i] > '~')) return false;
  }
  return true;
}

static void check_export(const uint8_t *object, size_t size) {
  mst_buf text;
  drive d;
  drive_init(&d, NULL, &mst_format_fasta, "fuzz", object, size);
  mst_buf_init(&text, NULL, SIZE_MAX / 4);
  if (drive_inspect(&d, NULL) == MST_OK && drive_export(&d, "fai", &text, NULL) == MST_OK &&
      plain_fasta(object, size)) {
    const mst_bytes lent = mst_bytes_borrow(text.data, text.size);
    compare(object, size, &lent, "", true);
    compare(object, size, &lent, ":2-5", true);
  }
  mst_buf_free(&text);
  drive_free(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  size_t n;
  mst_bytes fai;
  if (size < 3 || size > 1 << 13) return 0;
  n = mst_le16(data) % (size - 2);
  fai = mst_bytes_borrow(data + 2, n);
  compare(data + 2 + n, size - 2 - n, &fai, "", false);
  compare(data + 2 + n, size - 2 - n, &fai, ":1-7", false);
  check_export(data + 2 + n, size - 2 - n);
  return 0;
}
