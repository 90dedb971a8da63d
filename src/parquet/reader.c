/* parquet/reader.c - the reading machine: row groups become batches; it asks for ranges and does no I/O.
 *
 * Owns: the columns it decodes. May call: base, codec, column. */
#include "parquet/assemble.h"

enum {
  BATCH_BYTES = 16 << 20,
  BATCH_ROWS_LEAST = 1024,
  BATCH_TEXT_MOST = 256 << 20,
  WINDOW_LEAST = 256 << 10,
  WINDOWS_TOTAL = 32 << 20
};

struct mst_parquet_reader {
  mst_parquet_file *file;
  const mst_allocator *mem;
  mst_pq_field root; /* the columns that are read; leaves are numbered from 0 here */
  void *blocks;      /* chain of what `root` points to */
  uint32_t *leaves;  /* column of the file of each leaf that is read */
  uint32_t n_leaves, leaves_capacity;
  mst_pq_column_in *columns;
  bool open; /* `columns` hold an open row group */
  size_t group, groups_end;
  uint64_t rows_left; /* of the open row group, not given out */
  uint64_t batch_rows;
  uint64_t target; /* rows of the batch that is being made */
  mst_block_coder coder;
  mst_range *need;
  uint32_t *need_of; /* which column each range is for; UINT32_MAX: the magic in front */
  size_t n_need;
  bool failed, magic_checked;
};

/* ---- what is read -------------------------------------------------------------------------------------------- */

typedef struct block {
  struct block *next;
  uint64_t align;
} block;

static void *keep(mst_parquet_reader *r, size_t count, size_t size) {
  block *b = mst_alloc_zero(r->mem, 1, sizeof *b + count * size);
  if (b == NULL) return NULL;
  b->next = r->blocks;
  r->blocks = b;
  return b + 1;
}

static mst_status add_leaf(mst_parquet_reader *r, mst_pq_field *leaf, mst_error *err) {
  if (r->n_leaves == r->leaves_capacity) {
    uint32_t capacity = r->leaves_capacity == 0 ? 16 : 2 * r->leaves_capacity;
    uint32_t *grown = mst_resize(r->mem, r->leaves, capacity * sizeof *grown);
    if (grown == NULL) return mst_fail_memory(err);
    r->leaves = grown;
    r->leaves_capacity = capacity;
  }
  r->leaves[r->n_leaves] = leaf->leaf;
  leaf->leaf = r->n_leaves++;
  return MST_OK;
}

/* A copy of `from` and all below it. */
static mst_status copy_field(mst_parquet_reader *r, const mst_pq_field *from, mst_pq_field *to, mst_error *err) {
  mst_status status = MST_OK;
  uint32_t i;
  *to = *from;
  if (from->n_children == 0) return add_leaf(r, to, err);
  MST_TRY_ALLOC(to->children = keep(r, from->n_children, sizeof *to->children));
  for (i = 0; i < from->n_children; i++) MST_TRY(copy_field(r, &from->children[i], &to->children[i], err));
done:
  return status;
}

static mst_status no_column(const mst_parquet_file *f, const char *name, mst_error *err) {
  const char *nearest = NULL, *names[64];
  uint32_t i, n = 0;
  for (i = 0; i < f->fields->n_children && n < 64; i++) names[n++] = f->fields->children[i].name;
  nearest = mst_text_nearest(name, names, n);
  if (nearest != NULL)
    return mst_fail(err, MST_E_NOT_FOUND, "the Parquet file has no column \"%s\" (did you mean \"%s\"?)", name,
                    nearest);
  return mst_fail(err, MST_E_NOT_FOUND, "the Parquet file has no column \"%s\"", name);
}

/* Marks of one byte for each field of a tree in preorder: which ones a list of names asks for. */
static size_t count_fields(const mst_pq_field *field) {
  size_t n = 1;
  uint32_t i;
  for (i = 0; i < field->n_children; i++) n += count_fields(&field->children[i]);
  return n;
}

static void mark_all(const mst_pq_field *field, uint8_t *marks) { memset(marks, 1, count_fields(field)); }

/* Follows "a.b.c" below `field`; lists and maps may be named or passed over. */
static bool mark_path(const mst_pq_field *field, const char *path, uint8_t *marks) {
  size_t at = 1, length;
  uint32_t i;
  for (i = 0; i < field->n_children; i++) {
    const mst_pq_field *child = &field->children[i];
    length = strlen(child->name);
    if (strcmp(child->name, path) == 0) {
      mark_all(child, marks + at);
      marks[0] = 1;
      return true;
    }
    if (strncmp(child->name, path, length) == 0 && path[length] == '.' &&
        mark_path(child, path + length + 1, marks + at)) {
      marks[0] = 1;
      return true;
    }
    at += count_fields(child);
  }
  if (field->kind == MST_KIND_LIST && field->n_children == 1 && mark_path(&field->children[0], path, marks + 1)) {
    marks[0] = 1;
    return true;
  }
  return false;
}

static mst_status copy_marked(mst_parquet_reader *r, const mst_pq_field *from, const uint8_t *marks, mst_pq_field *to,
                              mst_error *err) {
  mst_status status = MST_OK;
  size_t at = 1;
  uint32_t i;
  *to = *from;
  if (from->n_children == 0) return add_leaf(r, to, err);
  MST_TRY_ALLOC(to->children = keep(r, from->n_children, sizeof *to->children));
  to->n_children = 0;
  for (i = 0; i < from->n_children; i++) {
    /* A map stays a map only with both of its halves. */
    if (marks[at] != 0 || from->kind == MST_KIND_MAP)
      MST_TRY(marks[at] != 0 && from->kind != MST_KIND_MAP
                  ? copy_marked(r, &from->children[i], marks + at, &to->children[to->n_children++], err)
                  : copy_field(r, &from->children[i], &to->children[to->n_children++], err));
    at += count_fields(&from->children[i]);
  }
done:
  return status;
}

/* Top-level columns in the order of the names, each once. */
static mst_status choose(mst_parquet_reader *r, const char *const *names, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  const mst_pq_field *all = r->file->fields;
  uint8_t *marks = NULL;
  size_t *starts = NULL, k, at = 1;
  uint32_t i, *order = NULL;
  MST_TRY_ALLOC(marks = mst_alloc_zero(r->mem, count_fields(all), 1));
  MST_TRY_ALLOC(starts = mst_alloc_array(r->mem, all->n_children + (size_t)1, sizeof *starts));
  MST_TRY_ALLOC(order = mst_alloc_array(r->mem, all->n_children + (size_t)1, sizeof *order));
  MST_TRY_ALLOC(r->root.children = keep(r, all->n_children, sizeof *all->children));
  for (i = 0; i < all->n_children; at += count_fields(&all->children[i]), i++) starts[i] = at;
  for (k = 0; k < n; k++) {
    uint32_t before = r->root.n_children;
    if (!mark_path(all, names[k], marks)) {
      status = no_column(r->file, names[k], err);
      goto done;
    }
    for (i = 0; i < all->n_children; i++) {
      uint32_t j;
      for (j = 0; j < before && order[j] != i; j++) {
      }
      if (marks[starts[i]] != 0 && j == before && r->root.n_children == before) order[r->root.n_children++] = i;
    }
  }
  for (i = 0; i < r->root.n_children; i++)
    MST_TRY(copy_marked(r, &all->children[order[i]], marks + starts[order[i]], &r->root.children[i], err));
done:
  mst_free(r->mem, marks);
  mst_free(r->mem, starts);
  mst_free(r->mem, order);
  return status;
}

/* ---- opening and closing ------------------------------------------------------------------------------------- */

/* Bytes that a row takes in memory at least. */
static uint64_t row_bytes(const mst_pq_field *field) {
  uint64_t n = 0;
  uint32_t i;
  for (i = 0; i < field->n_children; i++) n += row_bytes(&field->children[i]);
  if (field->n_children == 0) n = field->conv == MST_PQ_CONV_BYTES ? 16 : field->width + 1;
  return n;
}

mst_status mst_parquet_reader_open(mst_parquet_file *f, const mst_parquet_read_options *options,
                                   mst_parquet_reader **out, mst_error *err) {
  static const mst_parquet_read_options everything = {0};
  mst_status status = MST_OK;
  mst_parquet_reader *r = NULL;
  uint32_t i;
  const mst_parquet_read_options *o = options != NULL ? options : &everything;
  const char *const *columns = o->columns;
  size_t n_columns = o->n_columns, first_group = o->first_group, groups = o->groups;
  if (first_group == 0 && groups == 0) groups = f->n_groups;
  if (o->where != NULL || o->n_rows > 0 || o->limit > 0)
    return mst_fail(err, MST_E_UNSUPPORTED, "conditions, rows and limits are not there yet");
  if (f->fields == NULL) {
    if (err != NULL) *err = f->fields_error;
    return f->fields_error.status;
  }
  if (first_group > f->n_groups || groups > f->n_groups - first_group)
    return mst_fail(err, MST_E_ARGUMENT, "row groups %zu to %zu of a Parquet file that has %zu", first_group,
                    first_group + groups, f->n_groups);
  MST_TRY_ALLOC(r = mst_alloc_zero(f->mem, 1, sizeof *r));
  r->file = mst_parquet_file_ref(f);
  r->mem = f->mem;
  r->coder.mem = f->mem;
  r->group = first_group;
  r->groups_end = first_group + groups;
  r->root = *f->fields;
  r->root.n_children = 0;
  if (columns != NULL) {
    MST_TRY(choose(r, columns, n_columns, err));
  } else {
    MST_TRY_ALLOC(r->root.children = keep(r, f->fields->n_children, sizeof *f->fields->children));
    for (i = 0; i < f->fields->n_children; i++)
      MST_TRY(copy_field(r, &f->fields->children[i], &r->root.children[i], err));
    r->root.n_children = f->fields->n_children;
  }
  MST_TRY_ALLOC(r->columns = mst_alloc_zero(r->mem, r->n_leaves + 1u, sizeof *r->columns));
  MST_TRY_ALLOC(r->need = mst_alloc_zero(r->mem, r->n_leaves + 2u, sizeof *r->need));
  MST_TRY_ALLOC(r->need_of = mst_alloc_zero(r->mem, r->n_leaves + 2u, sizeof *r->need_of));
  r->batch_rows = mst_max_u64(BATCH_BYTES / mst_max_u64(1, row_bytes(&r->root)), BATCH_ROWS_LEAST);
  if (o->batch_rows > 0) r->batch_rows = o->batch_rows;
  *out = r;
  r = NULL;
done:
  mst_parquet_reader_free(r);
  return status;
}

static void close_group(mst_parquet_reader *r) {
  uint32_t i;
  for (i = 0; r->open && i < r->n_leaves; i++) mst_pq_column_in_close(&r->columns[i]);
  r->open = false;
}

void mst_parquet_reader_free(mst_parquet_reader *r) {
  block *b, *next;
  mst_parquet_file *f;
  if (r == NULL) return;
  close_group(r);
  for (b = r->blocks; b != NULL; b = next) {
    next = b->next;
    mst_free(r->mem, b);
  }
  mst_free(r->mem, r->leaves);
  mst_free(r->mem, r->columns);
  mst_free(r->mem, r->need);
  mst_free(r->mem, r->need_of);
  mst_block_coder_close(&r->coder);
  f = r->file;
  mst_free(r->mem, r);
  mst_parquet_file_unref(f);
}

mst_status mst_parquet_reader_schema(const mst_parquet_reader *r, struct ArrowSchema *out, mst_error *err) {
  return mst_pq_file_schema(r->file, &r->root, out, err);
}

/* ---- row groups ---------------------------------------------------------------------------------------------- */

/* Opens the columns below `field` in the current row group. */
static mst_status open_columns(mst_parquet_reader *r, const mst_pq_field *field, bool top, uint64_t window,
                               mst_error *err) {
  mst_status status = MST_OK;
  uint32_t i;
  if (field->n_children == 0)
    return mst_pq_column_in_open(r->file, r->group, field, r->leaves[field->leaf], !top, window, &r->coder,
                                 &r->columns[field->leaf], err);
  for (i = 0; i < field->n_children; i++) MST_TRY(open_columns(r, &field->children[i], false, window, err));
done:
  return status;
}

static mst_status open_group(mst_parquet_reader *r, mst_error *err) {
  mst_status status = MST_OK;
  uint32_t i;
  uint64_t window = mst_max_u64(WINDOW_LEAST, WINDOWS_TOTAL / (r->n_leaves + 1u));
  memset(r->columns, 0, r->n_leaves * sizeof *r->columns);
  r->open = true;
  for (i = 0; i < r->root.n_children; i++)
    MST_TRY(open_columns(r, &r->root.children[i], r->root.children[i].n_children == 0, window, err));
  r->rows_left = (uint64_t)r->file->groups[r->group].rows;
  r->target = 0;
done:
  return status;
}

/* ---- steps --------------------------------------------------------------------------------------------------- */

static mst_status take_given(mst_parquet_reader *r, const mst_bytes *given, size_t n, mst_error *err) {
  size_t i;
  if (n != r->n_need) return mst_fail(err, MST_E_INTERNAL, "%zu ranges were asked for and %zu came", r->n_need, n);
  for (i = 0; i < n; i++) {
    if (given[i].size != r->need[i].length)
      return mst_fail_at(err, MST_E_CORRUPT, r->need[i].offset,
                         "the file ends early: %llu bytes at byte %llu were asked for, %zu came",
                         (unsigned long long)r->need[i].length, (unsigned long long)r->need[i].offset, given[i].size);
    if (r->need_of[i] != UINT32_MAX) {
      mst_pq_column_in_feed(&r->columns[r->need_of[i]], &given[i]);
    } else if (memcmp(given[i].data, "PAR1", 4) != 0) {
      return mst_fail_at(err, MST_E_CORRUPT, 0,
                         "not a Parquet file: it begins with %02x %02x %02x %02x, not with \"PAR1\"", given[i].data[0],
                         given[i].data[1], given[i].data[2], given[i].data[3]);
    }
  }
  r->n_need = 0;
  return MST_OK;
}

static void want(mst_parquet_reader *r, mst_range range, uint32_t column) {
  r->need[r->n_need] = range;
  r->need_of[r->n_need++] = column;
}

/* Decodes every column up to the target; collects what is missing. */
static mst_status decode(mst_parquet_reader *r, mst_error *err) {
  mst_status status = MST_OK;
  uint32_t i;
  for (i = 0; i < r->n_leaves; i++) {
    mst_pq_column_in *c = &r->columns[i];
    if (c->out.rows >= r->target && r->target > 0) continue;
    MST_TRY(mst_pq_column_in_read(c, r->target, BATCH_TEXT_MOST, err));
    if (c->need.length > 0) want(r, c->need, i);
  }
  /* The first bytes come along when the data behind them are read anyway. */
  if (r->n_need > 0 && !r->magic_checked && r->group == 0) want(r, (mst_range){.offset = 0, .length = 4}, UINT32_MAX);
  r->magic_checked = true;
done:
  return status;
}

/* Columns whose byte strings filled their share hold fewer rows than others: the fewest make the batch. */
static uint64_t fewest_rows(const mst_parquet_reader *r) {
  uint64_t rows = r->target;
  uint32_t i;
  for (i = 0; i < r->n_leaves; i++) rows = mst_min_u64(rows, r->columns[i].out.rows);
  return rows;
}

static mst_status make_batch(mst_parquet_reader *r, uint64_t rows, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_bytes no_validity = {0};
  mst_array_parts parts = {
      .length = (int64_t)rows, .buffers = &no_validity, .n_buffers = 1, .n_children = r->root.n_children};
  struct ArrowArray *children = NULL;
  uint32_t i, made = 0;
  MST_TRY_ALLOC(children = mst_alloc_zero(r->mem, r->root.n_children + 1u, sizeof *children));
  parts.children = children;
  for (; made < r->root.n_children; made++)
    MST_TRY(mst_pq_assemble(r->mem, &r->root.children[made], r->columns, rows, &children[made], err));
  status = mst_array_make(r->mem, &parts, out, err);
  made = 0;
done:
  for (i = 0; i < made; i++) mst_array_release(&children[i]);
  mst_free(r->mem, children);
  return status;
}

/* Gives out what every column has, and keeps what some have beyond it. */
static mst_status give_batch(mst_parquet_reader *r, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t rows = fewest_rows(r);
  mst_pq_decoded *rests = NULL;
  uint32_t i, n = 0;
  MST_TRY_ALLOC(rests = mst_alloc_zero(r->mem, r->n_leaves + 1u, sizeof *rests));
  for (; n < r->n_leaves; n++) {
    mst_pq_column_in *c = &r->columns[n];
    mst_pq_decoded_init(&rests[n], r->mem);
    if (c->out.rows > rows) MST_TRY(mst_pq_column_in_split(c, rows, &rests[n], err));
  }
  MST_TRY(make_batch(r, rows, out, err));
  for (i = 0; i < r->n_leaves; i++) {
    mst_pq_decoded_free(&r->columns[i].out);
    r->columns[i].out = rests[i];
    r->columns[i].rows_done += rows;
  }
  n = 0;
  r->rows_left -= rows;
  r->target = 0;
done:
  for (i = 0; i < n; i++) mst_pq_decoded_free(&rests[i]);
  mst_free(r->mem, rests);
  return status;
}

static mst_status step(mst_parquet_reader *r, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  while (r->group < r->groups_end) {
    if (!r->open && r->file->groups[r->group].rows > 0) MST_TRY(open_group(r, err));
    if (r->rows_left == 0) {
      close_group(r);
      r->group++;
      continue;
    }
    if (r->target == 0) r->target = mst_min_u64(r->rows_left, r->batch_rows);
    MST_TRY(decode(r, err));
    if (r->n_need > 0) return MST_OK;
    return give_batch(r, out, err);
  }
done:
  return status;
}

mst_status mst_parquet_reader_step(mst_parquet_reader *r, const mst_bytes *given, size_t n_given,
                                   const mst_range **need, size_t *n_need, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  *need = NULL;
  *n_need = 0;
  *out = (struct ArrowArray){0};
  if (r->failed) return mst_fail(err, MST_E_ARGUMENT, "this Parquet reader failed before");
  if (r->n_need > 0 || n_given > 0) MST_TRY(take_given(r, given, n_given, err));
  MST_TRY(step(r, out, err));
  *need = r->need;
  *n_need = r->n_need;
done:
  if (status != MST_OK) r->failed = true;
  return status;
}

size_t mst_parquet_reader_ahead(const mst_parquet_reader *r, const mst_range **ahead) {
  (void)r;
  *ahead = NULL;
  return 0;
}

mst_parquet_read_facts mst_parquet_reader_facts(const mst_parquet_reader *r) {
  (void)r;
  return (mst_parquet_read_facts){0};
}
