/* dataset/key_set.c - see key_set.h. */
#include "dataset/key_set.h"

#include "dataset/conform.h"

enum { VALUES_MOST = 1000 };

/* What is known of one column's values. */
typedef struct key_column {
  struct ArrowSchema one; /* "+s" with this column */
  mst_grouper *grouper;   /* of distinct values, while they are few */
  struct ArrowArray values; /* these; release NULL: none yet */
  bool many, any_null, any_nan, has_bounds;
  struct ArrowArray low, high; /* one row each */
} key_column;

struct mst_key_set {
  mst_context *ctx;
  const mst_allocator *mem;
  struct ArrowSchema schema;
  int32_t *numbers; /* 0, 1, … */
  size_t n;
  key_column *columns;
  uint64_t memory, rows, bytes;
  struct ArrowArray *held; /* batches, while they are few */
  size_t n_held, room;
  mst_spool *spool; /* of all batches, once they are many */
  uint32_t passes, pass;
  mst_grouper *grouper; /* of the pass */
};

static void column_free(key_column *c) {
  mst_schema_release(&c->one);
  mst_grouper_free(c->grouper);
  mst_array_release(&c->values);
  mst_array_release(&c->low);
  mst_array_release(&c->high);
}

static void drop_held(mst_key_set *k) {
  for (size_t i = 0; i < k->n_held; i++) mst_array_release(&k->held[i]);
  k->n_held = 0;
}

void mst_key_set_free(mst_key_set *k) {
  if (k == NULL) return;
  for (size_t i = 0; k->columns != NULL && i < k->n; i++) column_free(&k->columns[i]);
  drop_held(k);
  mst_free(k->mem, k->held);
  mst_free(k->mem, k->columns);
  mst_free(k->mem, k->numbers);
  mst_spool_unref(k->spool);
  mst_grouper_free(k->grouper);
  mst_schema_release(&k->schema);
  mst_context *ctx = k->ctx;
  mst_free(k->mem, k);
  mst_context_unref(ctx);
}

mst_status mst_key_set_new(mst_context *ctx, const struct ArrowSchema *schema, uint64_t memory, mst_key_set **out, mst_error *err) {
  mst_status status = MST_OK;
  const mst_allocator *mem = mst_context_mem(ctx);
  mst_key_set *k = mst_alloc_zero(mem, 1, sizeof *k);
  if (k == NULL) return mst_fail_memory(err);
  k->ctx = mst_context_ref(ctx);
  k->mem = mem;
  k->memory = memory;
  k->n = (size_t)schema->n_children;
  MST_TRY(mst_schema_copy(mem, schema, &k->schema, err));
  MST_TRY_ALLOC(k->numbers = mst_alloc_zero(mem, k->n + 1, sizeof *k->numbers));
  MST_TRY_ALLOC(k->columns = mst_alloc_zero(mem, k->n + 1, sizeof *k->columns));
  for (size_t i = 0; i < k->n; i++) {
    const int32_t first = 0;
    k->numbers[i] = (int32_t)i;
    MST_TRY(mst_schema_node(mem, "+s", "", 0, 1, &k->columns[i].one, err));
    MST_TRY(mst_schema_copy(mem, schema->children[i], k->columns[i].one.children[0], err));
    MST_TRY(mst_grouper_new(mem, &k->columns[i].one, &first, 1, &k->columns[i].grouper, err));
  }
  *out = k;
  k = NULL;
done:
  mst_key_set_free(k);
  return status;
}

uint64_t mst_key_set_rows(const mst_key_set *k) { return k->rows; }
uint32_t mst_key_set_passes(const mst_key_set *k) { return k->passes; }

/* ---- what is known of the values -------------------------------------------------------------------------------- */

static mst_status keep_bound(mst_key_set *k, key_column *c, const struct ArrowArray *column, int64_t row, struct ArrowArray *bound,
                             mst_error *err) {
  struct ArrowArray one = {0};
  const mst_status status = mst_array_gather(k->mem, c->one.children[0], column, &row, 1, &one, err);
  if (status != MST_OK) return status;
  mst_array_release(bound);
  *bound = one;
  return MST_OK;
}

static mst_status learn_bounds(mst_key_set *k, key_column *c, const struct ArrowArray *column, mst_error *err) {
  mst_status status = MST_OK;
  const struct ArrowSchema *type = c->one.children[0];
  mst_scalar low, high;
  int64_t low_row = -1, high_row = -1;
  if (c->has_bounds) {
    MST_TRY(mst_scalar_at(type, &c->low, 0, &low, err));
    MST_TRY(mst_scalar_at(type, &c->high, 0, &high, err));
  }
  for (int64_t i = 0; i < column->length; i++) {
    mst_scalar v;
    MST_TRY(mst_scalar_at(type, column, i, &v, err));
    const bool nan = v.kind == MST_SCALAR_DOUBLE && v.as.f != v.as.f;
    c->any_null = c->any_null || v.kind == MST_SCALAR_NULL;
    c->any_nan = c->any_nan || nan;
    if (v.kind == MST_SCALAR_NULL || nan) continue;
    const bool first = !c->has_bounds && low_row < 0;
    if (first || mst_scalar_compare(&v, &low) < 0) {
      low = v;
      low_row = i;
    }
    if (first || mst_scalar_compare(&v, &high) > 0) {
      high = v;
      high_row = i;
    }
  }
  if (low_row >= 0) MST_TRY(keep_bound(k, c, column, low_row, &c->low, err));
  if (high_row >= 0) MST_TRY(keep_bound(k, c, column, high_row, &c->high, err));
  c->has_bounds = c->low.release != NULL;
done:
  return status;
}

static mst_status learn_values(mst_key_set *k, key_column *c, struct ArrowArray *column, mst_error *err) {
  mst_status status = MST_OK;
  const void *no_buffer[1] = {NULL};
  struct ArrowArray *columns[1] = {column}, fresh = {0}, joined = {0};
  const struct ArrowArray batch = {.length = column->length, .n_buffers = 1, .buffers = no_buffer, .n_children = 1, .children = columns};
  const int64_t *firsts = NULL;
  const uint32_t before = mst_grouper_count(c->grouper);
  uint32_t *ids = mst_alloc_array(k->mem, (size_t)column->length + 1, sizeof *ids);
  MST_TRY_ALLOC(ids);
  MST_TRY(mst_grouper_put(c->grouper, &batch, ids, &firsts, err));
  if (mst_grouper_count(c->grouper) > VALUES_MOST) {
    c->many = true;
    mst_grouper_free(c->grouper);
    c->grouper = NULL;
    mst_array_release(&c->values);
    goto done;
  }
  MST_TRY(mst_array_gather(k->mem, c->one.children[0], column, firsts, (int64_t)mst_grouper_count(c->grouper) - before, &fresh, err));
  if (c->values.release == NULL) {
    c->values = fresh;
    fresh.release = NULL;
    goto done;
  }
  const struct ArrowArray *both[2] = {&c->values, &fresh};
  MST_TRY(mst_array_concat(k->mem, c->one.children[0], both, 2, &joined, err));
  mst_array_release(&c->values);
  c->values = joined;
done:
  mst_array_release(&fresh);
  mst_free(k->mem, ids);
  return status;
}

static mst_status learn(mst_key_set *k, const struct ArrowArray *batch, mst_error *err) {
  mst_status status = MST_OK;
  for (size_t i = 0; i < k->n; i++) {
    key_column *c = &k->columns[i];
    MST_TRY(learn_bounds(k, c, batch->children[i], err));
    if (!c->many) MST_TRY(learn_values(k, c, batch->children[i], err));
  }
done:
  return status;
}

/* ---- gathering ------------------------------------------------------------------------------------------------- */

static mst_status spill(mst_key_set *k, mst_error *err) {
  mst_status status = mst_spool_new(k->ctx, &k->schema, &k->spool, err);
  for (size_t i = 0; status == MST_OK && i < k->n_held; i++) status = mst_spool_put(k->spool, &k->held[i], err);
  drop_held(k);
  return status;
}

mst_status mst_key_set_put(mst_key_set *k, struct ArrowArray *batch, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t bytes = 0;
  MST_TRY(mst_array_check(&k->schema, batch, &bytes, err));
  MST_TRY(learn(k, batch, err));
  k->rows += (uint64_t)batch->length;
  k->bytes += bytes;
  if (k->spool == NULL && k->bytes > k->memory) MST_TRY(spill(k, err));
  if (k->spool != NULL) return mst_spool_put(k->spool, batch, err);
  if (k->n_held == k->room) {
    const size_t room = k->room == 0 ? 64 : 2 * k->room;
    struct ArrowArray *grown = mst_resize(k->mem, k->held, room * sizeof *grown);
    MST_TRY_ALLOC(grown);
    k->held = grown;
    k->room = room;
  }
  k->held[k->n_held++] = *batch;
  return MST_OK;
done:
  mst_array_release(batch);
  return status;
}

mst_status mst_key_set_end(mst_key_set *k, mst_error *err) {
  k->passes = (uint32_t)mst_min_u64(k->bytes / mst_max_u64(k->memory, 1) + 1, 1 << 20);
  k->pass = UINT32_MAX;
  return k->spool != NULL ? mst_spool_end(k->spool, err) : MST_OK;
}

/* ---- passes ---------------------------------------------------------------------------------------------------- */

/* Bits of the rows whose keys belong to the pass. */
static mst_status rows_of_pass(const mst_key_set *k, const struct ArrowArray *batch, uint64_t *bits, mst_error *err) {
  mst_status status = MST_OK;
  const size_t n = (size_t)batch->length;
  uint64_t *hashes = mst_alloc_array(k->mem, n + 1, sizeof *hashes);
  MST_TRY_ALLOC(hashes);
  MST_TRY(mst_hash_rows(k->mem, &k->schema, batch, k->numbers, k->n, hashes, err));
  for (size_t i = 0; i < n; i++)
    if ((hashes[i] >> 8) % k->passes == k->pass) bits[i / 64] |= UINT64_C(1) << (i % 64);
done:
  mst_free(k->mem, hashes);
  return status;
}

static mst_status twice(const mst_key_set *k, const struct ArrowArray *batch, size_t row, mst_error *err) {
  mst_buf text;
  mst_buf_init(&text, k->mem, (size_t)1 << 20);
  const mst_status shown = mst_jsonl_put_rows(&k->schema, batch, (int64_t)row, 1, &text, NULL);
  if (shown == MST_OK && text.size > 0) text.data[text.size - 1] = '\0';
  const mst_status status = mst_fail(err, MST_E_ARGUMENT, "the new data hold the key %.300s twice; which row is meant to stay?",
                                     shown == MST_OK ? mst_buf_text(&text) : "of a row");
  mst_buf_free(&text);
  return status;
}

static mst_status add_keys(mst_key_set *k, const struct ArrowArray *batch, mst_error *err) {
  mst_status status = MST_OK;
  const size_t n = (size_t)batch->length;
  uint32_t expected = mst_grouper_count(k->grouper);
  uint32_t *ids = mst_alloc_array(k->mem, n + 1, sizeof *ids);
  MST_TRY_ALLOC(ids);
  MST_TRY(mst_grouper_put(k->grouper, batch, ids, NULL, err));
  for (size_t i = 0; i < n; i++)
    if (ids[i] != expected++) {
      status = twice(k, batch, i, err);
      goto done;
    }
done:
  mst_free(k->mem, ids);
  return status;
}

static mst_status add_keys_of_pass(mst_key_set *k, const struct ArrowArray *batch, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArray mine = {0};
  uint64_t *bits = NULL;
  if (k->passes == 1) return add_keys(k, batch, err);
  MST_TRY_ALLOC(bits = mst_alloc_zero(k->mem, MST_BITS_WORDS(batch->length) + 1, sizeof *bits));
  MST_TRY(rows_of_pass(k, batch, bits, err));
  MST_TRY(mst_array_filter(k->mem, &k->schema, batch, bits, &mine, err));
  MST_TRY(add_keys(k, &mine, err));
done:
  mst_array_release(&mine);
  mst_free(k->mem, bits);
  return status;
}

static mst_status add_spooled(mst_key_set *k, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArrayStream rows = {0};
  MST_TRY(mst_spool_read(k->spool, 0, &rows, cancel, err));
  for (;;) {
    struct ArrowArray batch = {0};
    MST_TRY(mst_stream_next(&rows, &batch, err));
    if (batch.release == NULL) break;
    status = add_keys_of_pass(k, &batch, err);
    mst_array_release(&batch);
    if (status != MST_OK) break;
  }
done:
  mst_stream_release(&rows);
  return status;
}

mst_status mst_key_set_pass(mst_key_set *k, uint32_t i, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  if (k->pass == i) return MST_OK;
  mst_grouper_free(k->grouper);
  k->grouper = NULL;
  k->pass = i;
  MST_TRY(mst_grouper_new(k->mem, &k->schema, k->numbers, k->n, &k->grouper, err));
  for (size_t b = 0; b < k->n_held; b++) MST_TRY(add_keys_of_pass(k, &k->held[b], err));
  if (k->spool != NULL) MST_TRY(add_spooled(k, cancel, err));
  if (k->passes == 1) drop_held(k); /* the keys are in the grouper for good */
done:
  if (status != MST_OK) k->pass = UINT32_MAX;
  return status;
}

mst_status mst_key_set_find(mst_key_set *k, const struct ArrowArray *batch, uint64_t *bits, mst_error *err) {
  mst_status status = MST_OK;
  const size_t n = (size_t)batch->length;
  uint32_t *ids = NULL;
  uint64_t *mine = NULL;
  int64_t *rows = NULL;
  struct ArrowArray some = {0};
  size_t found = n;
  MST_TRY_ALLOC(ids = mst_alloc_array(k->mem, n + 1, sizeof *ids));
  if (k->passes > 1) {
    MST_TRY_ALLOC(mine = mst_alloc_zero(k->mem, MST_BITS_WORDS(n) + 1, sizeof *mine));
    MST_TRY_ALLOC(rows = mst_alloc_array(k->mem, n + 1, sizeof *rows));
    MST_TRY(rows_of_pass(k, batch, mine, err));
    found = mst_bits_rows(mine, n, rows);
    MST_TRY(mst_array_filter(k->mem, &k->schema, batch, mine, &some, err));
  }
  MST_TRY(mst_grouper_find(k->grouper, k->passes > 1 ? &some : batch, ids, err));
  for (size_t i = 0; i < found; i++) {
    const size_t row = rows != NULL ? (size_t)rows[i] : i;
    if (ids[i] != UINT32_MAX) bits[row / 64] |= UINT64_C(1) << (row % 64);
  }
done:
  mst_array_release(&some);
  mst_free(k->mem, ids);
  mst_free(k->mem, mine);
  mst_free(k->mem, rows);
  return status;
}

/* ---- as a condition -------------------------------------------------------------------------------------------- */

/* The text of values that have no other literal lies in `text`, which must not grow in between: room is made first. */
static bool literal_of(const struct ArrowSchema *type, const struct ArrowArray *array, int64_t row, char *text, size_t room, mst_literal *out) {
  mst_type t;
  mst_scalar v;
  mst_buf shown;
  if (mst_type_parse(type->format, &t, NULL) != MST_OK || mst_scalar_at(type, array, row, &v, NULL) != MST_OK) return false;
  *out = (mst_literal){0};
  if (t.kind == MST_KIND_BOOL) {
    out->kind = MST_LITERAL_BOOL;
    out->as.b = v.as.i != 0;
  } else if (v.kind == MST_SCALAR_BYTES) {
    out->kind = t.kind == MST_KIND_TEXT ? MST_LITERAL_TEXT : MST_LITERAL_BYTES;
    out->as.text.data = (const char *)v.as.bytes.data;
    out->as.text.size = v.as.bytes.size;
  } else if (v.kind == MST_SCALAR_INT && mst_type_is_integer(&t)) {
    out->kind = MST_LITERAL_INT;
    out->as.i = v.as.i;
  } else if (v.kind == MST_SCALAR_UINT) {
    out->kind = MST_LITERAL_UINT;
    out->as.u = v.as.u;
  } else if (v.kind == MST_SCALAR_DOUBLE) {
    out->kind = MST_LITERAL_DOUBLE;
    out->as.f = v.as.f;
  } else {
    /* As JSON Lines shows it: {"name":"2026-01-01"}. */
    const void *no_buffer[1] = {NULL};
    struct ArrowSchema bare = *type, *fields[1] = {&bare};
    bare.name = "v";
    const struct ArrowSchema schema = {.format = "+s", .name = "", .n_children = 1, .children = fields};
    struct ArrowArray *columns[1] = {(struct ArrowArray *)array};
    const struct ArrowArray batch = {.length = array->length, .n_buffers = 1, .buffers = no_buffer, .n_children = 1, .children = columns};
    mst_buf_init(&shown, NULL, room);
    const bool ok = mst_jsonl_put_rows(&schema, &batch, row, 1, &shown, NULL) == MST_OK && shown.size > 9 && shown.size < room &&
                    shown.data[5] == '"';
    if (ok) {
      const size_t n = shown.size - 9; /* {"v":"…"} and the line end */
      memcpy(text, shown.data + 6, n);
      *out = (mst_literal){.kind = MST_LITERAL_TEXT, .as.text = {text, n}};
    }
    mst_buf_free(&shown);
    return ok;
  }
  return true;
}

enum { TEXT_ROOM = 128 };

/* column in (…); nulls and NaN are told apart. NULL when a value has no literal. */
static mst_status where_in(mst_key_set *k, const key_column *c, mst_where **out, mst_error *err) {
  mst_status status = MST_OK;
  const struct ArrowSchema *type = c->one.children[0];
  const size_t n = (size_t)c->values.length;
  size_t found = 0;
  mst_literal *literals = mst_alloc_zero(k->mem, n + 1, sizeof *literals);
  char *texts = mst_alloc(k->mem, (n + 1) * TEXT_ROOM);
  if (literals == NULL || texts == NULL) status = mst_fail_memory(err);
  *out = NULL;
  for (size_t i = 0; status == MST_OK && i < n; i++) {
    mst_scalar v;
    MST_TRY(mst_scalar_at(type, &c->values, (int64_t)i, &v, err));
    if (v.kind == MST_SCALAR_NULL || (v.kind == MST_SCALAR_DOUBLE && v.as.f != v.as.f)) continue;
    if (!literal_of(type, &c->values, (int64_t)i, texts + i * TEXT_ROOM, TEXT_ROOM, &literals[found++])) goto done;
  }
  if (status == MST_OK) status = mst_where_in(k->mem, type->name, literals, found, false, out, err);
done:
  mst_free(k->mem, literals);
  mst_free(k->mem, texts);
  return status;
}

static mst_status where_between(mst_key_set *k, const key_column *c, mst_where **out, mst_error *err) {
  mst_status status = MST_OK;
  const struct ArrowSchema *type = c->one.children[0];
  char texts[2][TEXT_ROOM];
  mst_literal low, high;
  mst_where *parts[2] = {NULL, NULL};
  *out = NULL;
  if (!c->has_bounds || !literal_of(type, &c->low, 0, texts[0], TEXT_ROOM, &low) || !literal_of(type, &c->high, 0, texts[1], TEXT_ROOM, &high))
    return MST_OK;
  MST_TRY(mst_where_compare(k->mem, type->name, MST_GE, &low, &parts[0], err));
  MST_TRY(mst_where_compare(k->mem, type->name, MST_LE, &high, &parts[1], err));
  MST_TRY(mst_where_and(k->mem, parts, 2, out, err));
done:
  mst_where_unref(parts[0]);
  mst_where_unref(parts[1]);
  return status;
}

/* Of one column: NULL where nothing is said. A name with a dot would be taken for a nested one. */
static mst_status where_of(mst_key_set *k, const key_column *c, mst_where **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_where *any[3] = {NULL, NULL, NULL}, *made = NULL;
  mst_predicate *p = NULL;
  const char *name = c->one.children[0]->name;
  size_t n = 0;
  *out = NULL;
  MST_TRY(!c->many && c->values.release != NULL ? where_in(k, c, &any[0], err) : where_between(k, c, &any[0], err));
  if (any[0] == NULL) goto done;
  n = 1;
  if (c->any_null) MST_TRY(mst_where_is_null(k->mem, name, false, &any[n++], err));
  if (c->any_nan) MST_TRY(mst_where_is_nan(k->mem, name, false, &any[n++], err));
  MST_TRY(mst_where_or(k->mem, any, n, &made, err));
  if (mst_predicate_bind(k->mem, made, &k->schema, &p, NULL) == MST_OK) {
    *out = made;
    made = NULL;
  }
done:
  mst_predicate_unref(p);
  mst_where_unref(made);
  for (size_t i = 0; i < 3; i++) mst_where_unref(any[i]);
  return status;
}

mst_status mst_key_set_where(mst_key_set *k, mst_where **out, mst_error *err) {
  mst_status status = MST_OK;
  size_t n = 0;
  mst_where **parts = mst_alloc_zero(k->mem, k->n + 1, sizeof *parts);
  MST_TRY_ALLOC(parts);
  for (size_t i = 0; i < k->n; i++) {
    MST_TRY(where_of(k, &k->columns[i], &parts[n], err));
    if (parts[n] != NULL) n++;
  }
  MST_TRY(n == 1 ? (*out = mst_where_ref(parts[0]), MST_OK) : mst_where_and(k->mem, parts, n, out, err));
done:
  for (size_t i = 0; parts != NULL && i < n; i++) mst_where_unref(parts[i]);
  mst_free(k->mem, parts);
  return status;
}
