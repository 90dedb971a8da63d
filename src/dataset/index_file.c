/* dataset/index_file.c - secondary indices as Parquet files, as members of old documents, and as streams; see index.h. */
#include "dataset/index.h"

#include "dataset/conform.h"
#include "dataset/index_inner.h"
#include "dataset/value.h"
#include "parquet/parquet.h"
#include "source/source.h"

#define GROUP_ROWS ((size_t)10000)

/* ---- in --------------------------------------------------------------------------------------------------------- */

typedef struct loader {
  mst_context *ctx;
  const mst_allocator *mem;
  const mst_document *d;
  mst_index *x;
  mst_block pairs, pieces; /* mst_index_pair; struct ArrowArray */
  size_t values;
  mst_buf label;
} loader;

static mst_status begin_loader(loader *l, const char *column, const struct ArrowSchema *type, mst_error *err) {
  mst_block_init(&l->pairs, l->mem);
  mst_block_init(&l->pieces, l->mem);
  mst_buf_init(&l->label, l->mem, SIZE_MAX / 2);
  return mst_index_new(l->mem, column, type, &l->x, err);
}

static void end_loader(loader *l) {
  struct ArrowArray *pieces = (struct ArrowArray *)(void *)l->pieces.data;
  for (size_t i = 0; i < l->pieces.size / sizeof *pieces; i++) mst_array_release(&pieces[i]);
  mst_block_free(&l->pieces);
  mst_block_free(&l->pairs);
  mst_buf_free(&l->label);
  mst_index_unref(l->x);
}

/* A label that the document does not have any more belongs to a file that nobody reads. */
static mst_status put_label(loader *l, const void *text, size_t n, mst_error *err) {
  mst_buf_clear(&l->label);
  mst_status status = mst_buf_put(&l->label, text, n, err);
  if (status != MST_OK) return status;
  const size_t part = mst_document_find(l->d, mst_buf_text(&l->label));
  const mst_index_pair pair = {.value = (uint32_t)l->values, .part = (uint32_t)part};
  return part == MST_DOCUMENT_NONE ? MST_OK : mst_block_put(&l->pairs, &pair, sizeof pair, err);
}

/* Takes the values of `rows` over as one more piece. `values` of type `from` is taken over, also on failure. */
static mst_status put_piece(loader *l, const struct ArrowSchema *from, struct ArrowArray *values, const int64_t *rows, size_t n,
                            mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArray typed = {0}, piece = {0};
  MST_TRY(mst_array_cast(l->mem, from, values, &l->x->type, &typed, err));
  MST_TRY(mst_array_gather(l->mem, &l->x->type, &typed, rows, (int64_t)n, &piece, err));
  MST_TRY(mst_block_put(&l->pieces, &piece, sizeof piece, err));
  piece.release = NULL;
done:
  mst_array_release(values);
  mst_array_release(&typed);
  mst_array_release(&piece);
  return status;
}

/* Columns 0 (values) and 1 (lists of labels) of a batch. */
static mst_status take_batch(loader *l, const struct ArrowSchema *schema, struct ArrowArray *batch, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArray values = {0};
  mst_view lists, labels;
  int64_t *rows = NULL;
  size_t n = 0, size, bad;
  uint64_t *valid = NULL;
  MST_TRY(mst_batch_column(schema, batch, "partition", "+l,+L", &lists, err));
  MST_TRY(mst_view_child(&lists, 0, "u,U", &labels, err));
  MST_TRY_ALLOC(rows = mst_alloc_array(l->mem, (size_t)batch->length + 1, sizeof *rows));
  MST_TRY_ALLOC(valid = mst_alloc_zero(l->mem, MST_BITS_WORDS(batch->length) + 1, sizeof *valid));
  mst_batch_move(batch, 0, &values);
  MST_TRY(mst_array_valid(schema->children[0], &values, valid, err));
  for (int64_t i = 0; i < batch->length; i++) {
    const size_t before = l->pairs.size;
    int64_t first = 0, count = 0;
    if (mst_bits_get(valid, (size_t)i) && !mst_view_null(&lists, i)) mst_view_list(&lists, i, &first, &count);
    for (int64_t k = first; k < first + count; k++) {
      const uint8_t *text = mst_view_null(&labels, k) ? NULL : mst_view_bytes(&labels, k, &size);
      if (text != NULL && mst_utf8_valid(text, size, &bad)) MST_TRY(put_label(l, text, size, err));
    }
    if (l->pairs.size == before) continue;
    rows[n++] = i;
    if (++l->values >= UINT32_MAX) MST_TRY(mst_fail(err, MST_E_LIMIT, "more values than an index may have"));
  }
  MST_TRY(put_piece(l, schema->children[0], &values, rows, n, err));
done:
  mst_array_release(&values);
  mst_free(l->mem, valid);
  mst_free(l->mem, rows);
  return status;
}

/* The column of values is called like the column, or is the one that is not the labels. */
static mst_status value_column(const struct ArrowSchema *schema, const char *column, const char **out, mst_error *err) {
  if (schema->n_children != 2) return mst_fail(err, MST_E_CORRUPT, "an index has two columns, found %lld", (long long)schema->n_children);
  const int labels = strcmp(schema->children[0]->name, "partition") == 0 ? 0 : 1;
  if (strcmp(schema->children[labels]->name, "partition") != 0 || strcmp(schema->children[1 - labels]->name, column) != 0)
    return mst_fail(err, MST_E_CORRUPT, "columns \"%.100s\" and \"%.100s\", not \"%.100s\" and \"partition\"", schema->children[0]->name,
                    schema->children[1]->name, column);
  *out = schema->children[1 - labels]->name;
  return MST_OK;
}

static mst_status load_file(loader *l, mst_store *store, const char *key, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_table *table = NULL;
  struct ArrowArrayStream stream = {0};
  struct ArrowSchema whole = {0}, schema = {0};
  struct ArrowArray batch = {0};
  const char *columns[2] = {NULL, "partition"};
  const mst_table_open_options open = {.allow_unpinned = 1};
  mst_table_read_options read = {.columns = columns, .n_columns = 2};
  MST_TRY(mst_table_open(store, key, &open, &table, cancel, err));
  MST_TRY(mst_table_schema(table, &whole, err));
  MST_TRY(value_column(&whole, l->x->column, &columns[0], err));
  MST_TRY(mst_table_read(table, &read, &stream, cancel, err));
  MST_TRY(mst_stream_schema(&stream, &schema, err));
  for (;;) {
    MST_TRY(mst_stream_next(&stream, &batch, err));
    if (batch.release == NULL) break;
    status = take_batch(l, &schema, &batch, err);
    mst_array_release(&batch);
    MST_TRY(status);
  }
done:
  mst_schema_release(&schema);
  mst_schema_release(&whole);
  mst_stream_release(&stream);
  mst_table_unref(table);
  return mst_while(err, status, "the index file %.200s", key);
}

/* {value: [labels]}, the values as text. */
static mst_status load_embedded(loader *l, const json_t *map, mst_error *err) {
  mst_status status = MST_OK;
  mst_builder *builder = NULL;
  struct ArrowArray values = {0};
  void *at = json_object_iter((json_t *)(uintptr_t)map);
  MST_TRY(mst_builder_from_schema(l->mem, &l->x->type, &builder, err));
  for (; at != NULL; at = json_object_iter_next((json_t *)(uintptr_t)map, at)) {
    const char *value = json_object_iter_key(at);
    const json_t *labels = json_object_iter_value(at);
    const size_t before = l->pairs.size;
    if (!json_is_array(labels)) MST_TRY(mst_fail(err, MST_E_CORRUPT, "the embedded index: the value \"%.100s\" has no list of labels", value));
    for (size_t i = 0; i < json_array_size(labels); i++) {
      const json_t *label = json_array_get(labels, i);
      if (!json_is_string(label)) MST_TRY(mst_fail(err, MST_E_CORRUPT, "the embedded index: a label that is no text"));
      MST_TRY(put_label(l, json_string_value(label), strlen(json_string_value(label)), err));
    }
    if (l->pairs.size == before) continue;
    MST_TRY(mst_value_from_text(&l->x->type, value, strlen(value), builder, err));
    l->values++;
  }
  MST_TRY(mst_builder_take(builder, &values, err));
  MST_TRY(mst_block_put(&l->pieces, &values, sizeof values, err));
  values.release = NULL;
done:
  mst_array_release(&values);
  mst_builder_free(builder);
  return status;
}

static mst_status finish_loader(loader *l, mst_error *err) {
  mst_status status = MST_OK;
  const struct ArrowArray **pieces;
  const size_t n = l->pieces.size / sizeof(struct ArrowArray);
  MST_TRY_ALLOC(pieces = mst_alloc_array(l->mem, n + 1, sizeof *pieces));
  for (size_t i = 0; i < n; i++) pieces[i] = (const struct ArrowArray *)(const void *)l->pieces.data + i;
  MST_TRY(mst_array_concat(l->mem, &l->x->type, pieces, n, &l->x->values, err));
  MST_TRY(mst_index_fill(l->x, (const mst_index_pair *)(const void *)l->pairs.data, l->pairs.size / sizeof(mst_index_pair), l->values, err));
done:
  mst_free(l->mem, pieces);
  return status;
}

mst_status mst_index_load(mst_context *ctx, mst_store *store, const mst_document *d, size_t i, const struct ArrowSchema *type,
                          mst_index **out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  loader l = {.ctx = ctx, .mem = mst_context_mem(ctx), .d = d};
  const char *key = mst_document_index_key(d, i), *column = mst_document_index_column(d, i);
  MST_TRY(begin_loader(&l, column, type, err));
  MST_TRY(mst_index_type_check(&l.x->type, err));
  MST_TRY(key != NULL ? load_file(&l, store, key, cancel, err) : load_embedded(&l, mst_document_index_embedded(d, i), err));
  MST_TRY(finish_loader(&l, err));
  *out = l.x;
  l.x = NULL;
done:
  end_loader(&l);
  return mst_while(err, status, "the index on column \"%.100s\"", column);
}

/* ---- out -------------------------------------------------------------------------------------------------------- */

/* Rows of an index as batches, in the order of `rows`. */
typedef struct giver {
  const mst_allocator *mem;
  mst_index *x;
  mst_document *d;
  int64_t *rows;
  size_t at;
  struct ArrowSchema schema;
} giver;

static mst_status giver_schema(const mst_allocator *mem, const mst_index *x, const char *name, struct ArrowSchema *out, mst_error *err) {
  mst_status status = mst_schema_node(mem, "+s", "", 0, 2, out, err);
  if (status != MST_OK) return status;
  MST_TRY(mst_schema_node(mem, x->type.format, name, ARROW_FLAG_NULLABLE, 0, out->children[0], err));
  MST_TRY(mst_schema_node(mem, "+l", "partition", ARROW_FLAG_NULLABLE, 1, out->children[1], err));
  MST_TRY(mst_schema_node(mem, "u", "element", ARROW_FLAG_NULLABLE, 0, out->children[1]->children[0], err));
done:
  if (status != MST_OK) mst_schema_release(out);
  return status;
}

static mst_status sort_values(const mst_allocator *mem, const mst_index *x, int64_t *rows, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowSchema schema = {0};
  struct ArrowArray copy = {0}, batch = {0};
  const mst_sort_key by = {.column = 0};
  MST_TRY(mst_schema_node(mem, "+s", "", 0, 1, &schema, err));
  MST_TRY(mst_schema_copy(mem, &x->type, schema.children[0], err));
  MST_TRY(mst_array_copy(mem, &x->type, &x->values, &copy, err));
  MST_TRY(mst_batch_make(mem, &copy, 1, (int64_t)x->n, &batch, err));
  MST_TRY(mst_sort_rows(mem, &schema, &batch, &by, 1, rows, err));
done:
  mst_array_release(&batch);
  mst_schema_release(&schema);
  return status;
}

static void close_giver(void *self) {
  giver *g = self;
  if (g == NULL) return;
  mst_index_unref(g->x);
  mst_document_unref(g->d);
  mst_schema_release(&g->schema);
  mst_free(g->mem, g->rows);
  mst_free(g->mem, g);
}

static mst_status open_giver(mst_index *x, mst_document *d, const char *name, giver **out, mst_error *err) {
  mst_status status = MST_OK;
  giver *g = mst_alloc_zero(x->mem, 1, sizeof *g);
  if (g == NULL) return mst_fail_memory(err);
  g->mem = x->mem;
  g->x = mst_index_ref(x);
  g->d = mst_document_ref(d);
  MST_TRY_ALLOC(g->rows = mst_alloc_array(x->mem, x->n + 1, sizeof *g->rows));
  MST_TRY(sort_values(x->mem, x, g->rows, err));
  MST_TRY(giver_schema(x->mem, x, name, &g->schema, err));
  *out = g;
  g = NULL;
done:
  close_giver(g);
  return status;
}

static mst_status put_lists(giver *g, mst_builder *lists, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  for (size_t i = 0; i < n && status == MST_OK; i++) {
    const int64_t row = g->rows[g->at + i];
    for (uint64_t k = g->x->first[row]; k < g->x->first[row + 1] && status == MST_OK; k++) {
      const char *label = mst_document_label(g->d, g->x->parts[k]);
      status = mst_builder_bytes(mst_builder_child(lists, 0), label, strlen(label), err);
    }
    if (status == MST_OK) status = mst_builder_close(lists, err);
  }
  return status;
}

/* Fewer rows where lists are long, so that a batch stays small. */
static size_t batch_rows(const giver *g) {
  size_t n = 0;
  uint64_t labels = 0;
  for (; g->at + n < g->x->n && n < GROUP_ROWS && (n == 0 || labels < 200000); n++) {
    const int64_t row = g->rows[g->at + n];
    labels += g->x->first[row + 1] - g->x->first[row];
  }
  return n;
}

static mst_status next_batch(void *self, struct ArrowArray *out, mst_error *err) {
  giver *g = self;
  mst_status status = MST_OK;
  mst_builder *lists = NULL;
  struct ArrowArray columns[2] = {{0}, {0}};
  const size_t n = batch_rows(g);
  out->release = NULL;
  if (n == 0) return MST_OK;
  MST_TRY(mst_array_gather(g->mem, &g->x->type, &g->x->values, g->rows + g->at, (int64_t)n, &columns[0], err));
  MST_TRY(mst_builder_from_schema(g->mem, g->schema.children[1], &lists, err));
  MST_TRY(put_lists(g, lists, n, err));
  MST_TRY(mst_builder_take(lists, &columns[1], err));
  MST_TRY(mst_batch_make(g->mem, columns, 2, (int64_t)n, out, err));
  g->at += n;
done:
  mst_builder_free(lists);
  mst_array_release(&columns[0]);
  mst_array_release(&columns[1]);
  return status;
}

mst_status mst_index_stream(mst_index *x, mst_document *d, struct ArrowArrayStream *out, mst_error *err) {
  giver *g = NULL;
  struct ArrowSchema schema = {0};
  mst_status status = open_giver(x, d, "value", &g, err);
  if (status != MST_OK) return status;
  status = mst_schema_copy(x->mem, &g->schema, &schema, err);
  if (status != MST_OK) {
    close_giver(g);
    return status;
  }
  const mst_stream_source source = {.self = g, .next = next_batch, .close = close_giver};
  return mst_stream_make(x->mem, &schema, &source, out, err);
}

mst_status mst_index_write(const mst_index *x, const mst_document *d, mst_store *store, const char *key, mst_cancel *cancel,
                           mst_error *err) {
  mst_status status = MST_OK;
  giver *g = NULL;
  mst_table_writer *writer = NULL;
  struct ArrowArray batch = {0};
  mst_table_written written;
  const mst_parquet_writer_options options = {.codec = MST_PARQUET_ZSTD, .row_group_rows = GROUP_ROWS};
  MST_TRY(open_giver((mst_index *)(uintptr_t)x, (mst_document *)(uintptr_t)d, x->column, &g, err));
  MST_TRY(mst_table_writer_open(store, key, &g->schema, &options, MST_PUT_REPLACE, &writer, cancel, err));
  for (;;) {
    MST_TRY(next_batch(g, &batch, err));
    if (batch.release == NULL) break;
    MST_TRY(mst_table_writer_put(writer, &batch, err));
  }
  MST_TRY(mst_table_writer_close(writer, &written, err));
done:
  mst_table_writer_free(writer);
  close_giver(g);
  return mst_while(err, status, "while writing the index on column \"%.100s\"", x->column);
}
