/* fuzz/fuzz_where.c - conditions from outside, as text and as lists: what is taken prints to text that is taken again
 * and prints the same, and what binds to a schema evaluates. */
#include <stdlib.h>
#include <string.h>

#include "expr/expr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const mst_field inner_fields[] = {{"d", "g", true, NULL, 0}};
static const mst_field fields[] = {
    {"i", "l", true, NULL, 0},          {"c", "c", true, NULL, 0},     {"f", "f", true, NULL, 0},
    {"t", "u", true, NULL, 0},          {"b", "z", true, NULL, 0},     {"day", "tdD", true, NULL, 0},
    {"at", "tsu:UTC", true, NULL, 0},   {"n", "d:9,2", true, NULL, 0}, {"flag", "b", true, NULL, 0},
    {"s", "+s", true, inner_fields, 1}, {"q", "tDs", true, NULL, 0},   {"h", "e", true, NULL, 0},
};

enum { FIELDS = sizeof fields / sizeof fields[0], ROWS = 70 };

/* Zeros and nulls, which every layout here allows. */
static void make_node(const struct ArrowSchema *schema, struct ArrowArray *out) {
  static const uint8_t zeros[16 * (ROWS + 1)], valid[16] = {0x55, 0xff, 0, 0x0f};
  mst_bytes buffers[3] = {mst_bytes_borrow(valid, sizeof valid), mst_bytes_borrow(zeros, sizeof zeros),
                          mst_bytes_borrow(zeros, sizeof zeros)};
  struct ArrowArray children[FIELDS];
  mst_type type;
  mst_array_parts parts = {.length = ROWS, .null_count = -1, .buffers = buffers, .children = children};
  if (mst_type_parse(schema->format, &type, NULL) != MST_OK) abort();
  parts.n_buffers = (size_t)mst_type_buffers(&type);
  parts.n_children = (size_t)schema->n_children;
  for (size_t i = 0; i < parts.n_children; i++) make_node(schema->children[i], &children[i]);
  if (mst_array_make(NULL, &parts, out, NULL) != MST_OK) abort();
}

static void no_bounds(void *self, size_t column, mst_bounds *out) {
  (void)self;
  (void)column;
  (void)out;
}

static void try_predicate(mst_where *w) {
  struct ArrowSchema schema;
  struct ArrowArray batch;
  mst_predicate *p = NULL;
  mst_error err;
  uint64_t bits[MST_BITS_WORDS(ROWS)];
  mst_prune verdict;
  size_t count = 0;
  if (mst_schema_make(NULL, fields, FIELDS, &schema, NULL) != MST_OK) abort();
  if (mst_predicate_bind(NULL, w, &schema, &p, &err) == MST_OK) {
    make_node(&schema, &batch);
    if (mst_predicate_eval(p, &batch, bits, &err) != MST_OK) abort();
    count = mst_bits_count(bits, ROWS);
    verdict = mst_predicate_prune(p, ROWS, no_bounds, NULL);
    if ((verdict == MST_PRUNE_NONE && count > 0) || (verdict == MST_PRUNE_ALL && count < ROWS)) abort();
    mst_array_release(&batch);
  } else if (err.message[0] == '\0') {
    abort();
  }
  mst_predicate_unref(p);
  mst_schema_release(&schema);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mst_where *w = NULL, *again = NULL;
  mst_buf once, twice;
  mst_error err;
  if (mst_where_parse_any(NULL, (const char *)data, size, &w, &err) != MST_OK) {
    if (err.message[0] == '\0') abort();
    return 0;
  }
  mst_buf_init(&once, NULL, 1 << 24);
  mst_buf_init(&twice, NULL, 1 << 24);
  if (mst_where_text(w, &once, NULL) != MST_OK) abort();
  if (mst_where_parse(NULL, mst_buf_text(&once), once.size, &again, &err) != MST_OK) abort();
  if (mst_where_text(again, &twice, NULL) != MST_OK) abort();
  if (once.size != twice.size || memcmp(once.data, twice.data, once.size) != 0) abort();
  try_predicate(w);
  mst_where_unref(w);
  mst_where_unref(again);
  mst_buf_free(&once);
  mst_buf_free(&twice);
  return 0;
}
