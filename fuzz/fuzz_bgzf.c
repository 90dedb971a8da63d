/* fuzz/fuzz_bgzf.c - BGZF objects and .gzi lists from outside: read in all ways alike, and in two pieces that together
 * are the whole wherever their extents meet. Byte 0: how; bytes 1 and 2: where the object is cut. */
#include "container_run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_pieces(const reading *whole, const uint8_t *data, size_t size, size_t cut) {
  mst_container_open open = {.verify = true, .end = cut};
  if (cut == 0 || cut >= size || !whole->whole || whole->n >= PLAIN_MAX) return;
  reading a = read_object(&mst_container_bgzf, data, size, size + 1, open);
  open.begin = cut;
  open.end = size;
  reading b = read_object(&mst_container_bgzf, data, size, 100, open);
  if (a.whole && b.whole && b.begin == a.end && b.end == size) {
    must(a.n + b.n == whole->n);
    if (a.n > 0) must(memcmp(a.plain, whole->plain, a.n) == 0);
    if (b.n > 0) must(memcmp(b.plain, whole->plain + a.n, b.n) == 0);
  }
  reading_free(&a);
  reading_free(&b);
}

static void check_list(const uint8_t *data, size_t size) {
  mst_gzi_entry *entries = NULL;
  size_t n;
  mst_buf out;
  if (mst_gzi_parse(NULL, data, size, &entries, &n, NULL) != MST_OK) return;
  mst_buf_init(&out, NULL, SIZE_MAX);
  must(mst_gzi_print(entries, n, &out, NULL) == MST_OK && out.size == size && memcmp(out.data, data, size) == 0);
  mst_buf_free(&out);
  mst_free(NULL, entries);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 3) return 0;
  check_list(data + 3, size - 3);
  reading r = read_in_all_ways(&mst_container_bgzf, data + 3, size - 3, data[0]);
  if ((data[0] & 1) == 0) check_pieces(&r, data + 3, size - 3, mst_le16(data + 1));
  reading_free(&r);
  return 0;
}
