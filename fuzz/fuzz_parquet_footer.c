/* fuzz/fuzz_parquet_footer.c - the metadata of a Parquet file from outside: parsed, asked for everything it knows, and
 * its schema made. Memory must stay within a fixed factor of the input. */
#include <stdlib.h>
#include <string.h>

#include "parquet/parquet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Counts what is held; the bound is generous beside the few kilobytes that every file costs. */
typedef struct counting {
  mst_allocator allocator;
  size_t held, peak;
} counting;

static void *resize(void *self, void *old, size_t size) {
  counting *c = self;
  size_t *block = old != NULL ? (size_t *)old - 2 : NULL;
  size_t before = block != NULL ? *block : 0;
  c->held -= before;
  if (size == 0) {
    free(block);
    return NULL;
  }
  block = realloc(block, size + 16);
  if (block == NULL) abort();
  *block = size;
  c->held += size;
  c->peak = c->held > c->peak ? c->held : c->peak;
  return block + 2;
}

static void ask(const mst_parquet_file *f) {
  struct ArrowSchema schema = {0};
  int64_t low, high;
  size_t g;
  for (g = 0; g < mst_parquet_file_groups(f); g++) {
    mst_parquet_group_rows(f, g);
    mst_parquet_group_bounds_i64(f, g, "a", &low, &high);
  }
  mst_parquet_file_metadata(f, "key", NULL);
  if (mst_parquet_file_schema(f, &schema, NULL) == MST_OK) mst_schema_release(&schema);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  counting c = {.allocator = {.struct_size = sizeof(mst_allocator), .self = &c, .resize = resize}};
  mst_parquet_file *f = NULL;
  uint64_t need;
  uint8_t *file = malloc(size + 12);
  if (file == NULL) return 0;
  memcpy(file, "PAR1", 4);
  if (size > 0) memcpy(file + 4, data, size);
  mst_put_le32(file + 4 + size, (uint32_t)size);
  memcpy(file + 8 + size, "PAR1", 4);
  if (mst_parquet_file_parse(&c.allocator, file, size + 12, size + 12, &f, &need, NULL) == MST_OK) ask(f);
  mst_parquet_file_unref(f);
  if (c.held != 0 || c.peak > 65536 + 256 * size) abort();
  free(file);
  return 0;
}
