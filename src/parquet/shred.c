/* parquet/shred.c - the Dremel levels of Arrow rows.
 *
 * Owns: nothing beyond an mst_shred. May call: base, column. */
#include "parquet/shred.h"

void mst_shred_init(mst_shred *s, const mst_allocator *mem) {
  *s = (mst_shred){.mem = mem};
  mst_block_init(&s->def, mem);
  mst_block_init(&s->rep, mem);
}

void mst_shred_clear(mst_shred *s) {
  s->def.size = s->rep.size = 0;
  s->n_runs = s->run_floor = 0;
  s->values = s->levels = 0;
}

void mst_shred_free(mst_shred *s) {
  mst_free(s->mem, s->runs);
  mst_block_free(&s->def);
  mst_block_free(&s->rep);
  mst_shred_init(s, s->mem);
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
  if (s->n_runs > s->run_floor && s->runs[s->n_runs - 1].first + s->runs[s->n_runs - 1].count == first) {
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

static mst_status put_bytes(mst_block *b, uint8_t value, int64_t count, mst_error *err) {
  mst_status status = mst_block_reserve(b, (size_t)count, err);
  if (status != MST_OK) return status;
  memset(b->data + b->size, value, (size_t)count);
  b->size += (size_t)count;
  return MST_OK;
}

/* `count` entries of one definition level; the first has repetition level `rep`, the others `rest`. */
static mst_status put_levels(mst_shred *s, const mst_pq_leaf *leaf, uint8_t def, int64_t count, uint8_t rep,
                             uint8_t rest, mst_error *err) {
  mst_status status = MST_OK;
  s->levels += count;
  if (leaf->max_def > 0) MST_TRY(put_bytes(&s->def, def, count, err));
  if (leaf->max_rep > 0) {
    MST_TRY(put_bytes(&s->rep, rest, count, err));
    s->rep.data[s->rep.size - (size_t)count] = rep;
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

static mst_status bad_range(int64_t i, int64_t item, int64_t n, const struct ArrowArray *items, mst_error *err) {
  return mst_fail(err, MST_E_ARGUMENT, "row %lld of a list points at items %lld to %lld of %lld", (long long)i,
                  (long long)item, (long long)(item + n), (long long)items->length);
}

static mst_status walk_lists(mst_shred *s, const mst_pq_leaf *leaf, uint32_t k, const struct ArrowArray *array,
                             int64_t first, int64_t count, uint8_t rep, uint8_t rest, mst_error *err) {
  mst_status status = MST_OK;
  const mst_pq_step *step = &leaf->steps[k];
  const struct ArrowArray *items = array->children[0];
  int64_t i, item, n;
  for (i = first; i < first + count; i++) {
    list_range(step, array, array->offset + i, &item, &n);
    if (item < 0 || n < 0 || item > items->length - n) return bad_range(i, item, n, items, err);
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

/* Lists of leaf values among which there is no null: most of what lists are. Short ones are written eight levels at
 * once. */
static mst_status walk_leaf_lists(mst_shred *s, const mst_pq_leaf *leaf, uint32_t k, const struct ArrowArray *array,
                                  int64_t first, int64_t count, uint8_t rep, uint8_t rest, mst_error *err) {
  mst_status status = MST_OK;
  const mst_pq_step *step = &leaf->steps[k];
  const struct ArrowArray *items = array->children[0];
  uint64_t def = leaf->max_def * UINT64_C(0x0101010101010101), inner = step->rep * UINT64_C(0x0101010101010101);
  int64_t i, item, n, run_first = -1, run_end = -1;
  for (i = first; i < first + count; i++, rep = rest) {
    list_range(step, array, array->offset + i, &item, &n);
    if (item < 0 || n < 0 || item > items->length - n) return bad_range(i, item, n, items, err);
    MST_TRY(mst_block_reserve(&s->def, (size_t)n + 8, err));
    MST_TRY(mst_block_reserve(&s->rep, (size_t)n + 8, err));
    if (n <= 8) {
      memcpy(s->def.data + s->def.size, &def, 8);
      memcpy(s->rep.data + s->rep.size, &inner, 8);
    } else {
      memset(s->def.data + s->def.size, leaf->max_def, (size_t)n);
      memset(s->rep.data + s->rep.size, step->rep, (size_t)n);
    }
    if (n == 0) s->def.data[s->def.size] = step->def;
    s->rep.data[s->rep.size] = rep;
    s->def.size += (size_t)(n + (n == 0));
    s->rep.size += (size_t)(n + (n == 0));
    s->levels += n + (n == 0);
    if (item != run_end && n > 0) {
      if (run_end > run_first) MST_TRY(add_run(s, items->offset + run_first, run_end - run_first, err));
      run_first = item;
      run_end = item;
    }
    run_end += n;
  }
  if (run_end > run_first) MST_TRY(add_run(s, items->offset + run_first, run_end - run_first, err));
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
  default:
    if (leaf->steps[k + 1].kind == MST_PQ_STEP_LEAF && leaf->map != MST_PQ_MAP_NOTHING &&
        validity(array->children[0]) == NULL) {
      MST_TRY(walk_leaf_lists(s, leaf, k, array, first, count, rep, rest, err));
    } else {
      MST_TRY(walk_lists(s, leaf, k, array, first, count, rep, rest, err));
    }
    break;
  }
done:
  return status;
}

/* The levels of a flat column are its validity, a byte for each bit. */
static mst_status walk_flat(mst_shred *s, const uint8_t *valid, int64_t at, int64_t count, mst_error *err) {
  mst_status status = MST_OK;
  int64_t i = at, end = at + count, next;
  uint8_t *to;
  uint64_t v;
  MST_TRY(mst_block_reserve(&s->def, (size_t)count, err));
  to = s->def.data + s->def.size;
  for (; i < end && ((i & 7) != 0 || end - i < 8); i++) *to++ = bit(valid, i);
  for (; end - i >= 8; i += 8, to += 8) {
    v = (valid[i >> 3] * UINT64_C(0x0101010101010101)) & UINT64_C(0x8040201008040201);
    v = ((v + UINT64_C(0x7f7f7f7f7f7f7f7f)) >> 7) & UINT64_C(0x0101010101010101);
    memcpy(to, &v, 8);
  }
  for (; i < end; i++) *to++ = bit(valid, i);
  s->def.size += (size_t)count;
  s->levels += count;
  for (i = at; i < end; i = next) {
    next = stretch(valid, i, end);
    if (bit(valid, i)) MST_TRY(add_run(s, i, next - i, err));
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
  if (leaf->n_steps == 1 && step->nullable) return walk_flat(s, valid, array->offset + first, count, err);
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
  s->run_floor = s->n_runs;
  return count > 0 ? walk(s, leaf, 0, column, first, count, 0, 0, err) : MST_OK;
}
