/* parquet/shred.c - the Dremel levels of Arrow rows.
 *
 * Owns: nothing beyond an mst_shred. May call: base, column. */
#include "parquet/shred.h"

void mst_shred_free(mst_shred *s) {
  mst_free(s->mem, s->runs);
  s->runs = NULL;
  s->n_runs = s->runs_capacity = 0;
}

const struct ArrowArray *mst_shred_leaf(const mst_pq_leaf *leaf, const struct ArrowArray *column) {
  uint32_t i;
  for (i = 0; i + 1 < leaf->n_steps; i++) column = column->children[leaf->steps[i].child];
  return column;
}

static const uint8_t *validity(const struct ArrowArray *array) {
  return array->null_count == 0 || array->n_buffers == 0 ? NULL : array->buffers[0];
}

static bool bit(const uint8_t *bits, int64_t i) { return (bits[i >> 3] >> (i & 7) & 1) != 0; }

/* The end of the stretch of equal bits that begins at `i`, at most `end`. */
static int64_t stretch(const uint8_t *bits, int64_t i, int64_t end) {
  bool value = bit(bits, i);
  uint8_t whole = value ? 0xff : 0;
  while (i < end) {
    unsigned rest = (unsigned)(uint8_t)((bits[i >> 3] ^ whole) >> (i & 7));
    int64_t same = rest != 0 ? __builtin_ctz(rest) : 8 - (i & 7);
    i += same;
    if (rest != 0) break;
  }
  return i < end ? i : end;
}

static mst_status add_run(mst_shred *s, int64_t first, int64_t count, mst_error *err) {
  s->values += count;
  if (s->n_runs > 0 && s->runs[s->n_runs - 1].first + s->runs[s->n_runs - 1].count == first) {
    s->runs[s->n_runs - 1].count += count;
    return MST_OK;
  }
  if (s->n_runs == s->runs_capacity) {
    size_t capacity = s->runs_capacity == 0 ? 64 : 2 * s->runs_capacity;
    mst_pq_run *grown = mst_resize(s->mem, s->runs, capacity * sizeof *grown);
    if (grown == NULL) return mst_fail_memory(err);
    s->runs = grown;
    s->runs_capacity = capacity;
  }
  s->runs[s->n_runs++] = (mst_pq_run){first, count};
  return MST_OK;
}

/* `count` entries of one definition level; the first has repetition level `rep`, the others `rest`. */
static mst_status put_levels(mst_shred *s, const mst_pq_leaf *leaf, uint8_t def, int64_t count, uint8_t rep,
                             uint8_t rest, mst_error *err) {
  mst_status status = MST_OK;
  s->levels += count;
  if (leaf->max_def > 0) MST_TRY(mst_rle_out_run(&s->def, def, (uint64_t)count, err));
  if (leaf->max_rep > 0) {
    MST_TRY(mst_rle_out_put(&s->rep, rep, err));
    MST_TRY(mst_rle_out_run(&s->rep, rest, (uint64_t)count - 1, err));
  }
done:
  return status;
}

static mst_status walk(mst_shred *s, const mst_pq_leaf *leaf, uint32_t k, const struct ArrowArray *array, int64_t first,
                       int64_t count, uint8_t rep, uint8_t rest, mst_error *err);

/* Item range of the list at `i` (offset included). */
static void list_range(const mst_pq_step *step, const struct ArrowArray *array, int64_t i, int64_t *first,
                       int64_t *count) {
  const void *offsets = array->n_buffers > 1 ? array->buffers[1] : NULL;
  switch (step->layout) {
  case MST_LAYOUT_LIST32:
    *first = ((const int32_t *)offsets)[i];
    *count = ((const int32_t *)offsets)[i + 1] - *first;
    break;
  case MST_LAYOUT_LIST64:
    *first = ((const int64_t *)offsets)[i];
    *count = ((const int64_t *)offsets)[i + 1] - *first;
    break;
  case MST_LAYOUT_LISTVIEW32:
    *first = ((const int32_t *)offsets)[i];
    *count = ((const int32_t *)array->buffers[2])[i];
    break;
  case MST_LAYOUT_LISTVIEW64:
    *first = ((const int64_t *)offsets)[i];
    *count = ((const int64_t *)array->buffers[2])[i];
    break;
  default:
    *first = i * step->size;
    *count = step->size;
    break;
  }
}

static mst_status walk_lists(mst_shred *s, const mst_pq_leaf *leaf, uint32_t k, const struct ArrowArray *array,
                             int64_t first, int64_t count, uint8_t rep, uint8_t rest, mst_error *err) {
  mst_status status = MST_OK;
  const mst_pq_step *step = &leaf->steps[k];
  const struct ArrowArray *items = array->children[0];
  int64_t i, item, n;
  for (i = first; i < first + count; i++) {
    list_range(step, array, array->offset + i, &item, &n);
    if (item < 0 || n < 0 || item > items->length - n)
      return mst_fail(err, MST_E_ARGUMENT, "row %lld of a list points at items %lld to %lld of %lld", (long long)i,
                      (long long)item, (long long)(item + n), (long long)items->length);
    if (n == 0) {
      MST_TRY(put_levels(s, leaf, step->def, 1, rep, rest, err));
    } else {
      MST_TRY(walk(s, leaf, k + 1, items, item, n, rep, step->rep, err));
    }
    rep = rest;
  }
done:
  return status;
}

static mst_status walk_present(mst_shred *s, const mst_pq_leaf *leaf, uint32_t k, const struct ArrowArray *array,
                               int64_t first, int64_t count, uint8_t rep, uint8_t rest, mst_error *err) {
  mst_status status = MST_OK;
  const mst_pq_step *step = &leaf->steps[k];
  switch (step->kind) {
  case MST_PQ_STEP_LEAF:
    MST_TRY(put_levels(s, leaf, step->def, count, rep, rest, err));
    MST_TRY(add_run(s, array->offset + first, count, err));
    break;
  case MST_PQ_STEP_STRUCT:
    MST_TRY(walk(s, leaf, k + 1, array->children[step->child], array->offset + first, count, rep, rest, err));
    break;
  default: MST_TRY(walk_lists(s, leaf, k, array, first, count, rep, rest, err)); break;
  }
done:
  return status;
}

static mst_status walk(mst_shred *s, const mst_pq_leaf *leaf, uint32_t k, const struct ArrowArray *array, int64_t first,
                       int64_t count, uint8_t rep, uint8_t rest, mst_error *err) {
  mst_status status = MST_OK;
  const mst_pq_step *step = &leaf->steps[k];
  const uint8_t *valid = validity(array);
  int64_t i = first, end = first + count;
  if (first < 0 || first > array->length - count)
    return mst_fail(err, MST_E_ARGUMENT, "an Arrow array of %lld values is asked for values %lld to %lld",
                    (long long)array->length, (long long)first, (long long)end);
  if (leaf->map == MST_PQ_MAP_NOTHING && step->kind == MST_PQ_STEP_LEAF)
    return put_levels(s, leaf, (uint8_t)(step->def - 1), count, rep, rest, err);
  if (valid == NULL) return walk_present(s, leaf, k, array, first, count, rep, rest, err);
  while (i < end) {
    int64_t next = stretch(valid, array->offset + i, array->offset + end) - array->offset;
    if (bit(valid, array->offset + i)) {
      MST_TRY(walk_present(s, leaf, k, array, i, next - i, rep, rest, err));
    } else if (step->nullable) {
      MST_TRY(put_levels(s, leaf, (uint8_t)(step->def - 1), next - i, rep, rest, err));
    } else {
      return mst_fail(err, MST_E_ARGUMENT, "column \"%s\" must not be null and row %lld of a batch is",
                      leaf->path[leaf->n_path - 1], (long long)i);
    }
    rep = rest;
    i = next;
  }
done:
  return status;
}

mst_status mst_shred_rows(mst_shred *s, const mst_pq_leaf *leaf, const struct ArrowArray *column, int64_t first,
                          int64_t count, mst_error *err) {
  return count > 0 ? walk(s, leaf, 0, column, first, count, 0, 0, err) : MST_OK;
}
