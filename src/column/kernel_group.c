/* column/kernel_group.c - groups of equal rows, numbered as they are first seen; dictionary encoding.
 *
 * Owns: each group's key, as kernel_keys.c writes it. May call: base. */
#include "column/keys.h"

struct mst_grouper {
  mst_allocator mem_copy;
  const mst_allocator *mem;
  struct ArrowSchema schema;
  mst_sort_key *by;
  size_t n_by;
  mst_row_keys keys; /* of the batch at hand */
  mst_block known;   /* keys of the groups, one behind the other */
  mst_block ends;    /* uint64 */
  mst_block hashes;  /* uint64 */
  mst_block firsts;  /* int64: rows of the batch at hand that began a group */
  uint32_t *slots;   /* number + 1; 0: free */
  size_t mask;
  uint32_t n;
};

mst_status mst_grouper_new(const mst_allocator *mem, const struct ArrowSchema *schema, const int32_t *columns,
                           size_t n_columns, mst_grouper **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_grouper *g = mst_alloc_zero(mem, 1, sizeof *g);
  if (g == NULL) return mst_fail_memory(err);
  if (mem != NULL) {
    g->mem_copy = *mem;
    g->mem = &g->mem_copy;
  }
  mst_row_keys_init(&g->keys, g->mem);
  mst_block_init(&g->known, g->mem);
  mst_block_init(&g->ends, g->mem);
  mst_block_init(&g->hashes, g->mem);
  mst_block_init(&g->firsts, g->mem);
  MST_TRY(mst_schema_copy(g->mem, schema, &g->schema, err));
  MST_TRY_ALLOC(g->by = mst_alloc_zero(g->mem, n_columns + 1, sizeof *g->by));
  for (size_t k = 0; k < n_columns; k++) g->by[k].column = columns[k];
  g->n_by = n_columns;
  *out = g;
  g = NULL;
done:
  mst_grouper_free(g);
  return status;
}

void mst_grouper_free(mst_grouper *g) {
  mst_allocator copy;
  const mst_allocator *mem;
  if (g == NULL) return;
  copy = g->mem_copy;
  mem = g->mem != NULL ? &copy : NULL;
  mst_row_keys_free(&g->keys);
  mst_block_free(&g->known);
  mst_block_free(&g->ends);
  mst_block_free(&g->hashes);
  mst_block_free(&g->firsts);
  mst_schema_release(&g->schema);
  mst_free(mem, g->by);
  mst_free(mem, g->slots);
  mst_free(mem, g);
}

uint32_t mst_grouper_count(const mst_grouper *g) { return g->n; }

static const uint64_t *hashes_of(const mst_grouper *g) { return (const uint64_t *)(const void *)g->hashes.data; }

static mst_status grow(mst_grouper *g, mst_error *err) {
  const size_t slots = g->slots == NULL ? 64 : 2 * (g->mask + 1);
  uint32_t *fresh;
  if (g->n == UINT32_MAX - 1) return mst_fail(err, MST_E_LIMIT, "more than 2^32 groups of rows");
  fresh = mst_alloc_zero(g->mem, slots, sizeof *fresh);
  if (fresh == NULL) return mst_fail_memory(err);
  for (uint32_t i = 0; i < g->n; i++) {
    size_t at = hashes_of(g)[i] & (slots - 1);
    while (fresh[at] != 0) at = (at + 1) & (slots - 1);
    fresh[at] = i + 1;
  }
  mst_free(g->mem, g->slots);
  g->slots = fresh;
  g->mask = slots - 1;
  return MST_OK;
}

/* The slot of a key: its group's, or the free one where it belongs. */
static size_t find_slot(const mst_grouper *g, uint64_t hash, const uint8_t *key, size_t n) {
  const uint64_t *ends = (const uint64_t *)(const void *)g->ends.data;
  size_t at = hash & g->mask;
  for (; g->slots[at] != 0; at = (at + 1) & g->mask) {
    const uint32_t i = g->slots[at] - 1;
    const uint64_t begin = i > 0 ? ends[i - 1] : 0;
    if (hashes_of(g)[i] == hash && ends[i] - begin == n && memcmp(g->known.data + begin, key, n) == 0) break;
  }
  return at;
}

static mst_status add_group(mst_grouper *g, size_t slot, uint64_t hash, const uint8_t *key, size_t n, int64_t row,
                            mst_error *err) {
  mst_status status = MST_OK;
  uint64_t end;
  MST_TRY(mst_block_reserve(&g->ends, sizeof end, err));
  MST_TRY(mst_block_reserve(&g->hashes, sizeof hash, err));
  MST_TRY(mst_block_put(&g->firsts, &row, sizeof row, err));
  MST_TRY(mst_block_put(&g->known, key, n, err));
  end = g->known.size;
  MST_TRY(mst_block_put(&g->ends, &end, sizeof end, err));
  MST_TRY(mst_block_put(&g->hashes, &hash, sizeof hash, err));
  g->slots[slot] = ++g->n;
done:
  return status;
}

mst_status mst_grouper_put(mst_grouper *g, const struct ArrowArray *batch, uint32_t *ids, const int64_t **firsts,
                           mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(mst_row_keys_make(&g->keys, &g->schema, batch, g->by, g->n_by, err));
  g->firsts.size = 0;
  MST_TRY(mst_block_reserve(&g->firsts, sizeof(int64_t), err));
  for (size_t i = 0; i < g->keys.n; i++) {
    size_t n, slot;
    const uint8_t *key = mst_row_key(&g->keys, i, &n);
    const uint64_t hash = mst_hash_bytes(key, n, 0);
    if (g->slots == NULL || 2 * (size_t)g->n > g->mask) MST_TRY(grow(g, err));
    slot = find_slot(g, hash, key, n);
    if (g->slots[slot] == 0) MST_TRY(add_group(g, slot, hash, key, n, (int64_t)i, err));
    ids[i] = g->slots[slot] - 1;
  }
  if (firsts != NULL) *firsts = (const int64_t *)(const void *)g->firsts.data;
done:
  return status;
}

mst_status mst_grouper_find(mst_grouper *g, const struct ArrowArray *batch, uint32_t *ids, mst_error *err) {
  mst_status status = mst_row_keys_make(&g->keys, &g->schema, batch, g->by, g->n_by, err);
  if (status != MST_OK) return status;
  for (size_t i = 0; i < g->keys.n; i++) {
    size_t n;
    const uint8_t *key = mst_row_key(&g->keys, i, &n);
    ids[i] = g->slots == NULL ? UINT32_MAX : g->slots[find_slot(g, mst_hash_bytes(key, n, 0), key, n)] - 1;
  }
  return MST_OK;
}

/* ---- dictionaries
 * ---------------------------------------------------------------------------------------------------- */

mst_status mst_schema_dictionary(const mst_allocator *mem, const struct ArrowSchema *values, struct ArrowSchema *out,
                                 mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowSchema made = {0}, inner = {0};
  MST_TRY(mst_schema_node(mem, "i", values->name, values->flags & ARROW_FLAG_NULLABLE, 0, &made, err));
  MST_TRY(mst_schema_set_metadata(&made, values->metadata, err));
  MST_TRY(mst_schema_plain(mem, values, &inner, err));
  mst_schema_set_dictionary(&made, &inner);
  *out = made;
  made.release = NULL;
done:
  mst_schema_release(&made);
  mst_schema_release(&inner);
  return status;
}

/* Codes of the rows; null rows form a group too, which has no code. */
static mst_status put_codes(const struct ArrowArray *array, const uint64_t *valid, const uint32_t *ids,
                            const int64_t *firsts, uint32_t n_groups, mst_block *codes, int64_t *values,
                            int64_t *n_values, mst_error *err) {
  mst_status status = MST_OK;
  uint32_t null_group = UINT32_MAX;
  for (uint32_t k = 0; k < n_groups; k++) {
    if (mst_bits_get(valid, (size_t)firsts[k])) values[(*n_values)++] = firsts[k];
    else null_group = k;
  }
  if (*n_values > INT32_MAX) return mst_fail(err, MST_E_LIMIT, "more distinct values than int32 codes");
  MST_TRY(mst_block_grow(codes, (size_t)array->length * 4, err));
  for (int64_t i = 0; i < array->length; i++) {
    const int32_t code = ids[i] == null_group ? 0 : (int32_t)(ids[i] - (ids[i] > null_group));
    MST_TRY(mst_block_put(codes, &code, sizeof code, err));
  }
done:
  return status;
}

typedef struct encoding {
  const mst_allocator *mem;
  const struct ArrowSchema *schema;
  const struct ArrowArray *array; /* plain */
  mst_grouper *grouper;
  uint32_t *ids;
  uint64_t *valid;
  int64_t *values;
  mst_block codes, bitmap;
  struct ArrowArray dictionary;
} encoding;

static mst_status encode(encoding *e, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  const size_t n = (size_t)e->array->length;
  struct ArrowArray *column = (struct ArrowArray *)(uintptr_t)e->array;
  struct ArrowSchema *field = (struct ArrowSchema *)(uintptr_t)e->schema;
  const struct ArrowSchema top = {.format = "+s", .name = "", .n_children = 1, .children = &field};
  const struct ArrowArray batch = {.length = e->array->length, .n_children = 1, .children = &column};
  const int32_t zero = 0;
  const int64_t *firsts;
  int64_t n_values = 0;
  mst_bytes buffers[2] = {{0}};
  mst_array_parts parts = {.length = (int64_t)n, .buffers = buffers, .n_buffers = 2, .dictionary = &e->dictionary};
  MST_TRY_ALLOC(e->ids = mst_alloc_array(e->mem, n + 1, sizeof *e->ids));
  MST_TRY_ALLOC(e->valid = mst_alloc_array(e->mem, MST_BITS_WORDS(n) + 1, sizeof *e->valid));
  MST_TRY_ALLOC(e->values = mst_alloc_array(e->mem, n + 1, sizeof *e->values));
  MST_TRY(mst_array_valid(e->schema, e->array, e->valid, err));
  MST_TRY(mst_grouper_new(e->mem, &top, &zero, 1, &e->grouper, err));
  MST_TRY(mst_grouper_put(e->grouper, &batch, e->ids, &firsts, err));
  MST_TRY(put_codes(e->array, e->valid, e->ids, firsts, mst_grouper_count(e->grouper), &e->codes, e->values, &n_values,
                    err));
  MST_TRY(mst_array_gather(e->mem, e->schema, e->array, e->values, n_values, &e->dictionary, err));
  parts.null_count = (int64_t)(n - mst_bits_count(e->valid, n));
  if (parts.null_count > 0) {
    MST_TRY(mst_block_put_zero(&e->bitmap, (n + 7) / 8, err));
    mst_bits_store(e->valid, n, e->bitmap.data);
    mst_block_take(&e->bitmap, &buffers[0]);
  }
  mst_block_take(&e->codes, &buffers[1]);
  status = mst_array_make(e->mem, &parts, out, err);
done:
  return status;
}

mst_status mst_array_dictionary_encode(const mst_allocator *mem, const struct ArrowSchema *schema,
                                       const struct ArrowArray *array, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  encoding e = {.mem = mem, .schema = schema, .array = array};
  mst_block_init(&e.codes, mem);
  mst_block_init(&e.bitmap, mem);
  if (schema->dictionary != NULL || mst_text_equal(schema->format, "+r") || mst_text_equal(schema->format, "+s"))
    return mst_fail(err, MST_E_UNSUPPORTED, "column \"%.80s\" of Arrow format \"%.40s\" cannot be dictionary-encoded",
                    schema->name != NULL ? schema->name : "", schema->format);
  status = encode(&e, out, err);
  mst_grouper_free(e.grouper);
  mst_free(mem, e.ids);
  mst_free(mem, e.valid);
  mst_free(mem, e.values);
  mst_block_free(&e.codes);
  mst_block_free(&e.bitmap);
  if (status != MST_OK) mst_array_release(&e.dictionary);
  return status;
}
