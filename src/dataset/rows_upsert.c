/* dataset/rows_upsert.c - new rows replace the rows that have the same key, and the others are added.
 *
 * The new rows are written to files as they come, their keys kept aside; then the files that may hold such keys are asked for them, and
 * those that do are written anew without these rows. May call: base, column, expr, dataset's own headers. */
#include "dataset/conform.h"
#include "dataset/dataset.h"
#include "dataset/key_set.h"
#include "dataset/rows.h"

/* Rows of a file that are replaced. */
typedef struct replaced {
  size_t part;
  mst_block bits; /* words of 64 rows, as far as the file was read */
  uint64_t rows;
} replaced;

typedef struct upsert {
  mst_change *change;
  mst_dataset *view;
  const mst_allocator *mem;
  const char *const *on;
  size_t n_on;
  size_t *numbers;           /* of `on` in the table's schema; NULL: it has none yet */
  struct ArrowSchema schema; /* "+s" of the key columns in the table's types */
  mst_key_set *keys;
  replaced *files; /* candidates */
  size_t n_files;
  mst_touched_list list;     /* those that hold keys */
  size_t *columns, n_columns; /* of data files */
} upsert;

/* ---- the keys of the new rows ------------------------------------------------------------------------------------ */

/* A stream that passes on what it is given, and puts the keys aside. */
typedef struct tee {
  upsert *u;
  const mst_allocator *mem;
  struct ArrowArrayStream rows;
  struct ArrowSchema schema; /* of the rows */
  mst_conform *conform;      /* to the key columns */
  size_t *from;              /* which column of the rows each column is that `conform` wants */
  size_t n_from;
} tee;

static void close_tee(void *self) {
  tee *t = self;
  if (t == NULL) return;
  mst_stream_release(&t->rows);
  mst_schema_release(&t->schema);
  mst_conform_free(t->conform);
  mst_free(t->mem, t->from);
  mst_free(t->mem, t);
}

static mst_status put_keys(tee *t, const struct ArrowArray *batch, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArray *columns = NULL, picked = {0}, keys = {0};
  MST_TRY_ALLOC(columns = mst_alloc_zero(t->mem, t->n_from + 1, sizeof *columns));
  for (size_t i = 0; i < t->n_from; i++) {
    struct ArrowArray view = *batch->children[t->from[i]];
    view.offset += batch->offset;
    view.length = batch->length;
    if (view.null_count != 0) view.null_count = -1;
    MST_TRY(mst_array_copy(t->mem, t->schema.children[t->from[i]], &view, &columns[i], err));
  }
  MST_TRY(mst_batch_make(t->mem, columns, t->n_from, batch->length, &picked, err));
  MST_TRY(mst_conform_apply(t->conform, &picked, &keys, err));
  MST_TRY(mst_key_set_put(t->u->keys, &keys, err));
done:
  for (size_t i = 0; columns != NULL && i < t->n_from; i++) mst_array_release(&columns[i]);
  mst_free(t->mem, columns);
  return status;
}

static mst_status next_of_tee(void *self, struct ArrowArray *out, mst_error *err) {
  tee *t = self;
  *out = (struct ArrowArray){0};
  mst_status status = mst_stream_next(&t->rows, out, err);
  if (status != MST_OK || out->release == NULL) return status;
  status = put_keys(t, out, err);
  if (status != MST_OK) mst_array_release(out);
  return status;
}

static mst_status find_key_columns(tee *t, mst_error *err) {
  mst_status status = MST_OK;
  upsert *u = t->u;
  mst_conform_field *fields = NULL;
  const char *const *names = NULL;
  MST_TRY_ALLOC(fields = mst_alloc_zero(t->mem, u->n_on + 1, sizeof *fields));
  for (size_t i = 0; i < u->n_on; i++) {
    if (mst_schema_find(&t->schema, u->on[i]) < 0) {
      status = mst_fail(err, MST_E_ARGUMENT, "the new data lack the key column \"%s\"", u->on[i]);
      goto done;
    }
    fields[i].type = u->schema.children[i];
  }
  MST_TRY(mst_conform_new(t->mem, &t->schema, fields, u->n_on, &t->conform, err));
  names = mst_conform_columns(t->conform, &t->n_from);
  MST_TRY_ALLOC(t->from = mst_alloc_zero(t->mem, t->n_from + 1, sizeof *t->from));
  for (size_t i = 0; i < t->n_from; i++) t->from[i] = (size_t)mst_schema_find(&t->schema, names[i]);
done:
  mst_free(t->mem, fields);
  return status;
}

/* The types of the keys: the table's, or the new data's own where there is no table yet. */
static mst_status choose_keys(upsert *u, const struct ArrowSchema *rows, mst_error *err) {
  mst_status status = MST_OK;
  const bool fresh = u->view->schema.release == NULL;
  MST_TRY_ALLOC(u->numbers = mst_alloc_zero(u->mem, u->n_on + 1, sizeof *u->numbers));
  if (!fresh) MST_TRY(mst_columns_find(u->view, u->on, u->n_on, u->numbers, err));
  MST_TRY(mst_schema_node(u->mem, "+s", "", 0, u->n_on, &u->schema, err));
  for (size_t i = 0; i < u->n_on; i++) {
    const int64_t at = fresh ? mst_schema_find(rows, u->on[i]) : (int64_t)u->numbers[i];
    if (at < 0) {
      status = mst_fail(err, MST_E_ARGUMENT, "the new data lack the key column \"%s\"", u->on[i]);
      goto done;
    }
    MST_TRY(mst_schema_plain(u->mem, (fresh ? rows : &u->view->schema)->children[at], u->schema.children[i], err));
  }
  MST_TRY(mst_key_set_new(u->view->ctx, &u->schema, u->view->memory / 4, &u->keys, err));
done:
  return status;
}

/* Takes `rows` over, also on failure. */
static mst_status open_tee(upsert *u, struct ArrowArrayStream *rows, struct ArrowArrayStream *out, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowSchema schema = {0};
  tee *t = mst_alloc_zero(u->mem, 1, sizeof *t);
  if (t == NULL) {
    mst_stream_release(rows);
    return mst_fail_memory(err);
  }
  *t = (tee){.u = u, .mem = u->mem, .rows = *rows};
  rows->release = NULL;
  MST_TRY(mst_stream_schema(&t->rows, &t->schema, err));
  MST_TRY(mst_stream_schema(&t->rows, &schema, err));
  MST_TRY(choose_keys(u, &t->schema, err));
  MST_TRY(find_key_columns(t, err));
  const mst_stream_source source = {.self = t, .next = next_of_tee, .close = close_tee};
  t = NULL;
  MST_TRY(mst_stream_make(u->mem, &schema, &source, out, err));
done:
  close_tee(t);
  mst_schema_release(&schema);
  return status;
}

/* ---- which rows are replaced -------------------------------------------------------------------------------------- */

static mst_status find_candidates(upsert *u, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_where *where = NULL;
  mst_predicate *p = NULL;
  mst_candidates found = {.mem = u->mem};
  if (u->view->schema.release == NULL || mst_key_set_rows(u->keys) == 0) return MST_OK;
  MST_TRY(mst_key_set_where(u->keys, &where, err));
  MST_TRY(mst_predicate_bind(u->mem, where, &u->view->schema, &p, err));
  MST_TRY(mst_prune_partitions(u->view, p, NULL, 0, 0, &found, cancel, err));
  MST_TRY_ALLOC(u->files = mst_alloc_zero(u->mem, found.n + 1, sizeof *u->files));
  for (; u->n_files < found.n; u->n_files++) {
    u->files[u->n_files].part = found.items[u->n_files].part;
    mst_block_init(&u->files[u->n_files].bits, u->mem);
  }
done:
  mst_candidates_free(&found);
  mst_predicate_unref(p);
  mst_where_unref(where);
  return status;
}

/* Sets bits of rows [at, at + n) from those of a batch; the words are there already. */
static void put_bits(uint64_t *into, uint64_t at, const uint64_t *bits, size_t n) {
  const unsigned shift = (unsigned)(at % 64);
  uint64_t *word = into + at / 64;
  for (size_t i = 0; i < MST_BITS_WORDS(n); i++) {
    word[i] |= bits[i] << shift;
    if (shift != 0) word[i + 1] |= bits[i] >> (64 - shift);
  }
}

static mst_status ask_batch(upsert *u, replaced *f, uint64_t at, const struct ArrowArray *batch, mst_error *err) {
  mst_status status = MST_OK;
  const size_t n = (size_t)batch->length;
  const size_t wanted = (MST_BITS_WORDS(at + n) + 1) * sizeof(uint64_t);
  uint64_t *bits = mst_alloc_zero(u->mem, MST_BITS_WORDS(n) + 1, sizeof *bits);
  MST_TRY_ALLOC(bits);
  if (f->bits.size < wanted) MST_TRY(mst_block_put_zero(&f->bits, wanted - f->bits.size, err));
  MST_TRY(mst_key_set_find(u->keys, batch, bits, err));
  put_bits((uint64_t *)(void *)f->bits.data, at, bits, n);
  if (f->rows < at + n) f->rows = at + n;
done:
  mst_free(u->mem, bits);
  return status;
}

/* All candidates are asked for the keys of one pass. */
static mst_status ask_files(upsert *u, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_scan *scan = NULL;
  size_t last = SIZE_MAX;
  uint64_t at = 0;
  mst_scan_part *parts = mst_alloc_zero(u->mem, u->n_files + 1, sizeof *parts);
  MST_TRY_ALLOC(parts);
  for (size_t i = 0; i < u->n_files; i++) parts[i] = (mst_scan_part){.part = u->files[i].part, .all = true};
  const mst_scan_options o = {.columns = u->numbers, .n_columns = u->n_on, .parts = parts, .n_parts = u->n_files, .memory = u->view->memory / 2};
  MST_TRY(mst_scan_open(u->view, &o, &scan, cancel, err));
  for (;;) {
    struct ArrowArray batch = {0};
    size_t item = 0;
    MST_TRY(mst_scan_next(scan, &batch, &item, err));
    if (batch.release == NULL) break;
    at = item == last ? at : 0;
    last = item;
    status = ask_batch(u, &u->files[item], at, &batch, err);
    at += (uint64_t)batch.length;
    mst_array_release(&batch);
    if (status != MST_OK) break;
  }
done:
  mst_scan_close(scan);
  mst_free(u->mem, parts);
  return status;
}

static mst_status find_rows(upsert *u, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(find_candidates(u, cancel, err));
  for (uint32_t i = 0; i < mst_key_set_passes(u->keys); i++) {
    MST_TRY(mst_change_keep_alive(u->change, cancel, err));
    MST_TRY(mst_key_set_pass(u->keys, i, cancel, err));
    if (u->n_files > 0) MST_TRY(ask_files(u, cancel, err));
  }
  MST_TRY_ALLOC(u->list.items = mst_alloc_array(u->mem, u->n_files + 1, sizeof *u->list.items));
  for (size_t i = 0; i < u->n_files; i++) {
    const replaced f = u->files[i];
    const size_t n = f.rows == 0 ? 0 : mst_bits_count((const uint64_t *)(const void *)f.bits.data, (size_t)f.rows);
    if (n == 0) {
      mst_block_free(&u->files[i].bits);
      continue;
    }
    u->files[u->list.n] = f; /* files[i] belongs to list.items[i] from now on */
    if (u->list.n != i) mst_block_init(&u->files[i].bits, u->mem);
    u->list.items[u->list.n++] = (mst_touched){.part = f.part, .whole = n == f.rows, .matched = n, .rows = f.rows};
  }
done:
  return status;
}

/* ---- files without them ------------------------------------------------------------------------------------------- */

typedef struct rest {
  const upsert *u;
  struct ArrowArrayStream rows;
  struct ArrowSchema schema;
  const replaced *file;
  uint64_t at;
} rest;

static void close_rest(void *self) {
  rest *r = self;
  if (r == NULL) return;
  mst_stream_release(&r->rows);
  mst_schema_release(&r->schema);
  mst_free(r->u->mem, r);
}

/* Bits of rows [at, at + n) that are not replaced. */
static mst_status bits_kept(const rest *r, size_t n, uint64_t *bits, mst_error *err) {
  const uint64_t *gone = (const uint64_t *)(const void *)r->file->bits.data;
  if (r->at + n > r->file->rows) return mst_fail(err, MST_E_CHANGED, "the file has more rows than when it was asked for keys");
  for (size_t i = 0; i < n; i++)
    if (!mst_bits_get(gone, (size_t)r->at + i)) bits[i / 64] |= UINT64_C(1) << (i % 64);
  return MST_OK;
}

static mst_status next_of_rest(void *self, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  rest *r = self;
  struct ArrowArray batch = {0};
  uint64_t *bits = NULL;
  *out = batch;
  MST_TRY(mst_stream_next(&r->rows, &batch, err));
  if (batch.release == NULL) return MST_OK;
  MST_TRY_ALLOC(bits = mst_alloc_zero(r->u->mem, MST_BITS_WORDS(batch.length) + 1, sizeof *bits));
  MST_TRY(bits_kept(r, (size_t)batch.length, bits, err));
  MST_TRY(mst_array_filter(r->u->mem, &r->schema, &batch, bits, out, err));
  r->at += (uint64_t)batch.length;
done:
  mst_free(r->u->mem, bits);
  mst_array_release(&batch);
  return status;
}

static mst_status open_rest(void *self, size_t i, uint64_t memory, struct ArrowArrayStream *out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  const upsert *u = self;
  struct ArrowSchema schema = {0};
  const mst_part_options o = {.columns = u->columns, .n_columns = u->n_columns, .all = true, .memory = memory / 2, .in_caller = true};
  rest *r = mst_alloc_zero(u->mem, 1, sizeof *r);
  if (r == NULL) return mst_fail_memory(err);
  r->u = u;
  r->file = &u->files[i];
  MST_TRY(mst_part_open(u->view, u->list.items[i].part, &o, &r->rows, cancel, err));
  MST_TRY(mst_stream_schema(&r->rows, &r->schema, err));
  MST_TRY(mst_stream_schema(&r->rows, &schema, err));
  const mst_stream_source source = {.self = r, .next = next_of_rest, .close = close_rest};
  r = NULL;
  MST_TRY(mst_stream_make(u->mem, &schema, &source, out, err));
done:
  close_rest(r);
  mst_schema_release(&schema);
  return status;
}

/* ---- what the change was judged by -------------------------------------------------------------------------------- */

typedef struct judged_by {
  const mst_allocator *mem;
  mst_key_set *keys;
  struct ArrowSchema schema;
} judged_by;

static void free_judged_by(void *self) {
  judged_by *j = self;
  mst_key_set_free(j->keys);
  mst_schema_release(&j->schema);
  mst_free(j->mem, j);
}

/* Whether a partition holds one of the keys: its rows are asked when all keys are at hand, else it is taken for granted. */
static mst_status holds_key(judged_by *j, mst_dataset *head, size_t part, bool *out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArrayStream rows = {0};
  size_t *numbers = NULL;
  const size_t n = (size_t)j->schema.n_children;
  *out = true;
  if (mst_key_set_passes(j->keys) > 1) return MST_OK;
  MST_TRY_ALLOC(numbers = mst_alloc_zero(j->mem, n + 1, sizeof *numbers));
  for (size_t i = 0; i < n; i++) {
    const int64_t at = mst_schema_find(&head->schema, j->schema.children[i]->name);
    if (at < 0 || !mst_text_equal(head->schema.children[at]->format, j->schema.children[i]->format)) goto done;
    numbers[i] = (size_t)at;
  }
  const mst_part_options o = {.columns = numbers, .n_columns = n, .all = true};
  MST_TRY(mst_part_open(head, part, &o, &rows, cancel, err));
  for (*out = false; !*out;) {
    struct ArrowArray batch = {0};
    MST_TRY(mst_stream_next(&rows, &batch, err));
    if (batch.release == NULL) break;
    const size_t length = (size_t)batch.length;
    uint64_t *bits = mst_alloc_zero(j->mem, MST_BITS_WORDS(length) + 1, sizeof *bits);
    status = bits == NULL ? mst_fail_memory(err) : mst_key_set_find(j->keys, &batch, bits, err);
    if (status == MST_OK) *out = mst_bits_count(bits, length) > 0;
    mst_free(j->mem, bits);
    mst_array_release(&batch);
    if (status != MST_OK) break;
  }
done:
  mst_stream_release(&rows);
  mst_free(j->mem, numbers);
  return status;
}

static mst_status match_keys(void *self, mst_dataset *head, const char *const *labels, size_t n, size_t *hit, mst_cancel *cancel,
                             mst_error *err) {
  mst_status status = MST_OK;
  judged_by *j = self;
  mst_where *where = NULL;
  mst_predicate *p = NULL;
  mst_candidates found = {.mem = j->mem};
  *hit = n;
  if (mst_key_set_rows(j->keys) == 0) return MST_OK;
  MST_TRY(mst_key_set_where(j->keys, &where, err));
  if (mst_predicate_bind(j->mem, where, &head->schema, &p, NULL) != MST_OK) {
    *hit = 0; /* the columns are others now: nothing can be said */
    goto done;
  }
  for (size_t i = 0; i < n && *hit == n; i++) {
    bool holds = false;
    mst_candidates_free(&found);
    MST_TRY(mst_prune_partitions(head, p, &labels[i], 1, MST_LOOK_AT_NO_INDEX, &found, cancel, err));
    if (found.n > 0) MST_TRY(holds_key(j, head, found.items[0].part, &holds, cancel, err));
    if (holds) *hit = i;
  }
done:
  mst_candidates_free(&found);
  mst_predicate_unref(p);
  mst_where_unref(where);
  return status;
}

/* The keys stay with the change. */
static mst_status depend(upsert *u, mst_error *err) {
  judged_by *j = mst_alloc_zero(u->mem, 1, sizeof *j);
  if (j == NULL) return mst_fail_memory(err);
  *j = (judged_by){.mem = u->mem, .keys = u->keys, .schema = u->schema};
  u->keys = NULL;
  u->schema.release = NULL;
  const mst_dependency d = {.what = "the keys of upsert", .self = j, .match = match_keys, .free = free_judged_by};
  return mst_change_depend(u->change, &d, err);
}

/* ---- the call -------------------------------------------------------------------------------------------------- */

static void end(upsert *u) {
  for (size_t i = 0; i < u->n_files; i++) mst_block_free(&u->files[i].bits);
  mst_free(u->mem, u->files);
  mst_free(u->mem, u->numbers);
  mst_free(u->mem, u->columns);
  mst_touched_free(&u->list);
  mst_key_set_free(u->keys);
  mst_schema_release(&u->schema);
  mst_ds_unref(u->view);
}

static mst_status run(upsert *u, struct ArrowArrayStream *stream, mst_new_files *files, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_write_settings settings = {0};
  struct ArrowArrayStream rows = {0};
  MST_TRY(mst_change_settings(u->change, &settings, err));
  settings.memory = u->view->memory / 2;
  MST_TRY(open_tee(u, stream, &rows, err));
  MST_TRY(mst_files_write(&settings, &rows, files, cancel, err));
  MST_TRY(mst_key_set_end(u->keys, err));
  MST_TRY(find_rows(u, cancel, err));
  const int64_t added = (int64_t)mst_key_set_rows(u->keys), removed = mst_touched_rows(&u->list);
  MST_TRY(depend(u, err));
  MST_TRY(mst_data_columns(u->view, &u->columns, &u->n_columns, err));
  if (u->list.n > 0) MST_TRY(mst_rows_rewrite(u->change, u->view, &u->list, open_rest, u, cancel, err));
  MST_TRY(mst_change_add_files(u->change, files, err));
  mst_change_count(u->change, added, removed);
done:
  mst_write_settings_free(u->change->base, &settings);
  return status;
}

mst_status mst_ds_change_upsert(mst_change *c, struct ArrowArrayStream *stream, const char *const *on, size_t n, mst_cancel *cancel,
                                mst_error *err) {
  mst_status status = MST_OK;
  upsert u = {.change = c, .mem = c->mem, .on = on, .n_on = n, .list.mem = c->mem};
  mst_new_files files;
  mst_new_files_init(&files, c->mem);
  if (n == 0) {
    status = mst_fail(err, MST_E_ARGUMENT, "upsert needs the columns that are the key");
    goto done;
  }
  MST_TRY(mst_change_view(c, &u.view, err));
  mst_ds_ref(u.view);
  MST_TRY(run(&u, stream, &files, cancel, err));
  mst_change_did(c, "upsert");
done:
  mst_stream_release(stream);
  mst_new_files_free(&files);
  end(&u);
  return status == MST_OK ? MST_OK : mst_while(err, status, "while upserting rows");
}
