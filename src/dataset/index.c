/* dataset/index.c - secondary indices in memory: made from what a commit removes and adds; see index.h. Their files are index_file.c. */
#include <math.h>

#include "dataset/index.h"

#include "dataset/conform.h"
#include "dataset/index_inner.h"

mst_status mst_index_type_check(const struct ArrowSchema *field, mst_error *err) {
  mst_type type;
  if (strcmp(field->name, "partition") == 0)
    return mst_fail(err, MST_E_ARGUMENT, "a column named \"partition\" cannot be indexed: index files have a column of that name");
  mst_status status = mst_type_parse(field->format, &type, err);
  if (status != MST_OK) return status;
  if (mst_type_is_integer(&type)) return MST_OK;
  switch (type.kind) {
  case MST_KIND_BOOL:
  case MST_KIND_HALF:
  case MST_KIND_FLOAT:
  case MST_KIND_DOUBLE:
  case MST_KIND_TEXT:
  case MST_KIND_BYTES:
  case MST_KIND_DATE32:
  case MST_KIND_DATE64:
  case MST_KIND_TIMESTAMP: return MST_OK;
  default: return mst_fail(err, MST_E_UNSUPPORTED, "Cannot normalize index value: column \"%.100s\" of type \"%.40s\" cannot be indexed", field->name, field->format);
  }
}

mst_index *mst_index_ref(mst_index *x) {
  atomic_fetch_add_explicit(&x->refs, 1, memory_order_relaxed);
  return x;
}

void mst_index_unref(mst_index *x) {
  if (x == NULL || atomic_fetch_sub_explicit(&x->refs, 1, memory_order_acq_rel) != 1) return;
  mst_schema_release(&x->type);
  mst_array_release(&x->values);
  mst_free(x->mem, x->column);
  mst_free(x->mem, x->first);
  mst_free(x->mem, x->parts);
  mst_free(x->mem, x);
}

mst_status mst_index_new(const mst_allocator *mem, const char *column, const struct ArrowSchema *type, mst_index **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_index *x = mst_alloc_zero(mem, 1, sizeof *x);
  if (x == NULL) return mst_fail_memory(err);
  x->refs = 1;
  x->mem = mem;
  MST_TRY_ALLOC(x->column = mst_text_copy(mem, column));
  MST_TRY(mst_schema_node(mem, type->format, column, ARROW_FLAG_NULLABLE, 0, &x->type, err));
  *out = x;
  x = NULL;
done:
  mst_index_unref(x);
  return status;
}

static int compare_numbers(const void *a, const void *b) {
  const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return x < y ? -1 : x > y;
}

/* Counting sort: the pairs of one value side by side, each list ascending and without repeats. */
mst_status mst_index_fill(mst_index *x, const mst_index_pair *pairs, size_t n, size_t values, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t *next;
  MST_TRY_ALLOC(next = mst_alloc_zero(x->mem, values + 1, sizeof *next));
  MST_TRY_ALLOC(x->first = mst_alloc_zero(x->mem, values + 1, sizeof *x->first));
  MST_TRY_ALLOC(x->parts = mst_alloc_array(x->mem, n + 1, sizeof *x->parts));
  for (size_t i = 0; i < n; i++) next[pairs[i].value + 1]++;
  for (size_t i = 0; i < values; i++) next[i + 1] += next[i];
  uint64_t end = 0;
  for (size_t i = 0; i < n; i++) x->parts[next[pairs[i].value]++] = pairs[i].part;
  for (size_t i = 0, begin = 0; i < values; begin = next[i++]) {
    const size_t count = next[i] - begin;
    uint32_t *list = x->parts + begin;
    if (count > 1) qsort(list, count, sizeof *list, compare_numbers);
    for (size_t k = 0; k < count; k++) /* moves down, never past what is yet to be read */
      if (k == 0 || list[k] != x->parts[end - 1]) x->parts[end++] = list[k];
    x->first[i + 1] = end;
  }
  x->n = values;
done:
  mst_free(x->mem, next);
  return status;
}

/* ---- changes ---------------------------------------------------------------------------------------------------- */

typedef struct merger {
  const mst_allocator *mem;
  const struct ArrowSchema *type;
  struct ArrowSchema batch_schema; /* "+s" of it */
  mst_grouper *grouper;
  mst_block pairs, pieces; /* mst_index_pair; struct ArrowArray of values as they were first seen */
} merger;

static mst_status begin_merger(merger *m, mst_error *err) {
  mst_status status = MST_OK;
  const int32_t column = 0;
  mst_block_init(&m->pairs, m->mem);
  mst_block_init(&m->pieces, m->mem);
  MST_TRY(mst_schema_node(m->mem, "+s", "", 0, 1, &m->batch_schema, err));
  MST_TRY(mst_schema_copy(m->mem, m->type, m->batch_schema.children[0], err));
  MST_TRY(mst_grouper_new(m->mem, &m->batch_schema, &column, 1, &m->grouper, err));
done:
  return status;
}

static void end_merger(merger *m) {
  struct ArrowArray *pieces = (struct ArrowArray *)(void *)m->pieces.data;
  for (size_t i = 0; i < m->pieces.size / sizeof *pieces; i++) mst_array_release(&pieces[i]);
  mst_block_free(&m->pieces);
  mst_block_free(&m->pairs);
  mst_grouper_free(m->grouper);
  mst_schema_release(&m->batch_schema);
}

/* Numbers of the values; those that are new are kept. `values` is taken over, also on failure. */
static mst_status number_values(merger *m, struct ArrowArray *values, uint32_t *ids, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArray batch = {0}, piece = {0};
  const int64_t rows = values->length, *firsts = NULL;
  const uint32_t before = mst_grouper_count(m->grouper);
  MST_TRY(mst_batch_make(m->mem, values, 1, rows, &batch, err));
  MST_TRY(mst_grouper_put(m->grouper, &batch, ids, &firsts, err));
  const uint32_t fresh = mst_grouper_count(m->grouper) - before;
  if (fresh > 0) {
    MST_TRY(mst_array_gather(m->mem, m->type, batch.children[0], firsts, fresh, &piece, err));
    MST_TRY(mst_block_put(&m->pieces, &piece, sizeof piece, err));
    piece.release = NULL;
  }
done:
  mst_array_release(&piece);
  mst_array_release(&batch);
  return status;
}

static mst_status put_pair(merger *m, uint32_t value, size_t part, mst_error *err) {
  const mst_index_pair pair = {.value = value, .part = (uint32_t)part};
  return mst_block_put(&m->pairs, &pair, sizeof pair, err);
}

/* What stays of the old index. */
static mst_status merge_old(merger *m, const mst_index *old, const mst_document *from, const mst_document *to, bool *changed,
                            mst_error *err) {
  mst_status status = MST_OK;
  uint32_t *ids = NULL;
  size_t *moved = NULL;
  struct ArrowArray values = {0};
  const size_t parts = mst_document_partitions(from);
  MST_TRY_ALLOC(ids = mst_alloc_array(m->mem, old->n + 1, sizeof *ids));
  MST_TRY_ALLOC(moved = mst_alloc_array(m->mem, parts + 1, sizeof *moved));
  for (size_t i = 0; i < parts; i++) moved[i] = from == to ? i : mst_document_find(to, mst_document_label(from, i));
  MST_TRY(mst_array_copy(m->mem, &old->type, &old->values, &values, err));
  MST_TRY(number_values(m, &values, ids, err));
  for (size_t i = 0; i < old->n; i++)
    for (uint64_t k = old->first[i]; k < old->first[i + 1]; k++) {
      if (moved[old->parts[k]] == MST_DOCUMENT_NONE) *changed = true;
      else MST_TRY(put_pair(m, ids[i], moved[old->parts[k]], err));
    }
done:
  mst_array_release(&values);
  mst_free(m->mem, moved);
  mst_free(m->mem, ids);
  return status;
}

static mst_status drop_nan(const struct ArrowSchema *type, const struct ArrowArray *values, uint64_t *bits, mst_error *err) {
  mst_type t;
  mst_scalar v;
  mst_status status = mst_type_parse(type->format, &t, err);
  if (status != MST_OK || mst_type_scalar(&t) != MST_SCALAR_DOUBLE) return status;
  for (int64_t i = 0; i < values->length && status == MST_OK; i++) {
    status = mst_scalar_at(type, values, i, &v, err);
    if (status == MST_OK && v.kind == MST_SCALAR_DOUBLE && isnan(v.as.f)) bits[i / 64] &= ~(UINT64_C(1) << (i % 64));
  }
  return status;
}

mst_status mst_index_values(const mst_allocator *mem, const struct ArrowSchema *from, const struct ArrowArray *array,
                            const struct ArrowSchema *type, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArray copy = {0}, typed = {0};
  uint64_t *bits = NULL;
  MST_TRY(mst_array_copy(mem, from, array, &copy, err));
  MST_TRY(mst_array_cast(mem, from, &copy, type, &typed, err));
  MST_TRY_ALLOC(bits = mst_alloc_zero(mem, MST_BITS_WORDS(typed.length) + 1, sizeof *bits));
  MST_TRY(mst_array_valid(type, &typed, bits, err));
  MST_TRY(drop_nan(type, &typed, bits, err));
  MST_TRY(mst_array_filter(mem, type, &typed, bits, out, err));
done:
  mst_free(mem, bits);
  mst_array_release(&copy);
  mst_array_release(&typed);
  return status;
}

static mst_status merge_part(merger *m, const mst_index_part *part, const mst_document *to, bool *changed, mst_error *err) {
  mst_status status = MST_OK;
  uint32_t *ids = NULL;
  struct ArrowArray values = {0};
  const size_t number = mst_document_find(to, part->label);
  if (number == MST_DOCUMENT_NONE) return MST_OK;
  MST_TRY(mst_index_values(m->mem, part->type, part->values, m->type, &values, err));
  const int64_t n = values.length;
  MST_TRY_ALLOC(ids = mst_alloc_array(m->mem, (size_t)n + 1, sizeof *ids));
  MST_TRY(number_values(m, &values, ids, err));
  for (int64_t i = 0; i < n; i++) MST_TRY(put_pair(m, ids[i], number, err));
  if (n > 0) *changed = true;
done:
  mst_array_release(&values);
  mst_free(m->mem, ids);
  return status;
}

/* Values that no partition holds any more go. */
static mst_status drop_empty(mst_index *x, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArray kept = {0};
  int64_t *rows;
  size_t n = 0;
  MST_TRY_ALLOC(rows = mst_alloc_array(x->mem, x->n + 1, sizeof *rows));
  for (size_t i = 0; i < x->n; i++) {
    if (x->first[i] == x->first[i + 1]) continue;
    rows[n] = (int64_t)i;
    x->first[++n] = x->first[i + 1];
  }
  if (n < x->n) {
    MST_TRY(mst_array_gather(x->mem, &x->type, &x->values, rows, (int64_t)n, &kept, err));
    mst_array_release(&x->values);
    x->values = kept;
  }
  x->n = n;
done:
  mst_free(x->mem, rows);
  return status;
}

static mst_status finish_merger(merger *m, mst_index *x, mst_error *err) {
  mst_status status = MST_OK;
  const struct ArrowArray **pieces;
  const size_t n = m->pieces.size / sizeof(struct ArrowArray);
  MST_TRY_ALLOC(pieces = mst_alloc_array(m->mem, n + 1, sizeof *pieces));
  for (size_t i = 0; i < n; i++) pieces[i] = (const struct ArrowArray *)(const void *)m->pieces.data + i;
  MST_TRY(mst_array_concat(m->mem, m->type, pieces, n, &x->values, err));
  MST_TRY(mst_index_fill(x, (const mst_index_pair *)(const void *)m->pairs.data, m->pairs.size / sizeof(mst_index_pair),
                         mst_grouper_count(m->grouper), err));
  MST_TRY(drop_empty(x, err));
done:
  mst_free(m->mem, pieces);
  return status;
}

mst_status mst_index_apply(const mst_allocator *mem, const mst_index *old, const mst_document *from, const mst_document *to,
                           const char *column, const struct ArrowSchema *type, const mst_index_part *parts, size_t n,
                           mst_index **out, bool *changed, mst_error *err) {
  mst_status status = MST_OK;
  mst_index *x = NULL;
  bool differs = old == NULL;
  merger m = {.mem = mem};
  MST_TRY(mst_index_new(mem, column, type, &x, err));
  m.type = &x->type;
  MST_TRY(begin_merger(&m, err));
  if (old != NULL) MST_TRY(merge_old(&m, old, from, to, &differs, err));
  for (size_t i = 0; i < n; i++) MST_TRY(merge_part(&m, &parts[i], to, &differs, err));
  MST_TRY(finish_merger(&m, x, err));
  if (changed != NULL) *changed = differs;
  *out = x;
  x = NULL;
done:
  end_merger(&m);
  mst_index_unref(x);
  return status;
}
