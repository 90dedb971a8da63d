/* source/index_write.c - see index_write.h. The windows stand in the first column, uncompressed, and two further
 * columns say where in the file each one lies, so that a slice can name the very bytes of its window. May call store
 * and parquet. */
#include "source/index_write.h"

struct mst_index_writer {
  mst_source *source;
  const mst_allocator *mem;
  mst_upload *upload;
  const mst_parquet_sink *keep;
  mst_parquet_writer *parquet;
  int window, n_columns; /* `window` is -1 when the format has none */
  uint64_t rows;
};

static mst_status put_bytes(void *self, mst_bytes *bytes, mst_error *err) {
  mst_index_writer *w = self;
  if (w->keep != NULL) return w->keep->put(w->keep->self, bytes, err);
  mst_status status = mst_upload_write(w->upload, bytes->data, bytes->size, err);
  mst_bytes_release(bytes);
  return status;
}

static int find_column(const struct ArrowSchema *schema, const char *name) {
  for (int64_t i = 0; i < schema->n_children; i++)
    if (mst_text_equal(schema->children[i]->name, name)) return (int)i;
  return -1;
}

/* The format's columns and, behind a window column, where its values lie. The children stay the format's. */
static mst_status open_parquet(mst_index_writer *w, const struct ArrowSchema *schema, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowSchema extra = {0}, joined = *schema;
  struct ArrowSchema *children[66];
  const mst_field places[] = {{.name = "window_at", .format = "l"}, {.name = "window_size", .format = "l"}};
  const mst_parquet_column_options window = {
      .name = "window", .codec = MST_PARQUET_NONE, .codec_set = true, .plain = true, .no_statistics = true};
  const mst_parquet_writer_options options = {
      .mem = w->mem, .codec = MST_PARQUET_ZSTD, .columns = &window, .n_columns = w->window < 0 ? 0 : 1};
  const mst_parquet_sink sink = {.self = w, .put = put_bytes};
  if (schema->n_children > 64) return mst_fail(err, MST_E_INTERNAL, "too many index columns");
  for (int64_t i = 0; i < schema->n_children; i++) children[i] = schema->children[i];
  w->n_columns = (int)schema->n_children;
  if (w->window >= 0) {
    MST_TRY(mst_schema_make(w->mem, places, 2, &extra, err));
    children[w->n_columns] = extra.children[0];
    children[w->n_columns + 1] = extra.children[1];
    joined.n_children += 2;
  }
  joined.children = children;
  MST_TRY(mst_parquet_writer_open(&joined, &options, &sink, &w->parquet, err));
done:
  mst_schema_release(&extra);
  return status;
}

mst_status mst_index_writer_open(mst_source *s, const struct ArrowSchema *schema, const mst_parquet_sink *keep,
                                 mst_index_writer **out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_index_writer *w = mst_alloc_zero(s->mem, 1, sizeof *w);
  if (w == NULL) return mst_fail_memory(err);
  w->source = s;
  w->mem = s->mem;
  w->keep = keep;
  w->window = find_column(schema, "window");
  if (w->window > 0) {
    status = mst_fail(err, MST_E_INTERNAL, "the window is not the first index column");
    goto done;
  }
  if (keep == NULL) MST_TRY(mst_upload_begin(s->index_at.store, s->index_at.key, cancel, &w->upload, err));
  MST_TRY(open_parquet(w, schema, err));
  *out = w;
  w = NULL;
done:
  mst_index_writer_free(w);
  return status;
}

/* A batch of the format's columns with the two places behind; its parts stay alive until it is released. */
typedef struct joined_batch {
  const mst_allocator *mem;
  struct ArrowArray parts[3];
  struct ArrowArray *children[66];
  const void *buffers[1];
} joined_batch;

static void release_joined(struct ArrowArray *a) {
  joined_batch *j = a->private_data;
  for (int i = 0; i < 3; i++) mst_array_release(&j->parts[i]);
  mst_free(j->mem, j);
  a->release = NULL;
}

static mst_status zeros(const mst_allocator *mem, size_t rows, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_builder *b = NULL;
  const mst_field field = {.name = "place", .format = "l"};
  MST_TRY(mst_builder_new(mem, &field, &b, err));
  for (size_t i = 0; i < rows; i++) MST_TRY(mst_builder_i64(b, 0, err));
  MST_TRY(mst_builder_take(b, out, err));
done:
  mst_builder_free(b);
  return status;
}

static mst_status join_places(mst_index_writer *w, struct ArrowArray *batch, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  joined_batch *j = mst_alloc_zero(w->mem, 1, sizeof *j);
  if (j == NULL) {
    mst_array_release(batch);
    return mst_fail_memory(err);
  }
  const int64_t rows = batch->length, n = batch->n_children;
  j->mem = w->mem;
  j->parts[0] = *batch;
  batch->release = NULL;
  *out = (struct ArrowArray){.length = rows,
                             .n_buffers = 1,
                             .n_children = n + 2,
                             .buffers = j->buffers,
                             .children = j->children,
                             .release = release_joined,
                             .private_data = j};
  MST_TRY(zeros(w->mem, (size_t)rows, &j->parts[1], err));
  MST_TRY(zeros(w->mem, (size_t)rows, &j->parts[2], err));
  for (int64_t i = 0; i < n; i++) j->children[i] = j->parts[0].children[i];
  j->children[n] = &j->parts[1];
  j->children[n + 1] = &j->parts[2];
done:
  if (status != MST_OK) release_joined(out);
  return status;
}

/* The batch is ours and fresh, so its buffers may be written until the writer encodes them. */
typedef struct places {
  int64_t *at, *size;
  size_t rows;
} places;

static mst_status fill_places(void *arg, const uint64_t *positions, size_t rows, mst_error *err) {
  places *p = arg;
  if (rows != p->rows) return mst_fail(err, MST_E_INTERNAL, "positions of %zu windows for %zu rows", rows, p->rows);
  for (size_t i = 0; i < rows; i++) {
    p->at[i] = (int64_t)positions[2 * i];
    p->size[i] = (int64_t)positions[2 * i + 1];
  }
  return MST_OK;
}

mst_status mst_index_writer_put(mst_index_writer *w, struct ArrowArray *batch, mst_error *err) {
  const int64_t rows = batch->length;
  mst_status status = MST_OK;
  if (batch->n_children != w->n_columns) {
    mst_array_release(batch);
    return mst_fail(err, MST_E_INTERNAL, "index rows of %d columns, not %d", (int)batch->n_children, w->n_columns);
  }
  w->rows += (uint64_t)rows;
  if (w->window < 0) {
    status = mst_parquet_writer_put(w->parquet, batch, err);
    return status == MST_OK ? mst_parquet_writer_flush(w->parquet, err) : status;
  }
  struct ArrowArray joined = {0};
  status = join_places(w, batch, &joined, err);
  if (status != MST_OK) return status;
  places p = {.rows = (size_t)rows};
  p.at = (int64_t *)(uintptr_t)joined.children[w->n_columns]->buffers[1];
  p.size = (int64_t *)(uintptr_t)joined.children[w->n_columns + 1]->buffers[1];
  return mst_parquet_writer_put_group(w->parquet, &joined, w->window, fill_places, &p, err);
}

static mst_status put_json(mst_index_writer *w, const char *key, const json_t *value, mst_error *err) {
  mst_buf text;
  mst_buf_init(&text, w->mem, (size_t)64 << 20);
  mst_status status = mst_json_print(value, &text, err);
  if (status == MST_OK) status = mst_parquet_writer_metadata(w->parquet, key, mst_buf_text(&text), err);
  mst_buf_free(&text);
  return status;
}

mst_status mst_index_writer_close(mst_index_writer *w, const json_t *facts, mst_error *err) {
  mst_status status = MST_OK;
  json_t *pins = NULL, *options = NULL;
  char version[16];
  snprintf(version, sizeof version, "%u", (unsigned)w->source->format->version);
  MST_TRY(mst_pin_to_json(mst_object_pin(w->source->object), &pins, err));
  MST_TRY(mst_parquet_writer_metadata(w->parquet, "meseta.format", w->source->format->name, err));
  MST_TRY(mst_parquet_writer_metadata(w->parquet, "meseta.version", version, err));
  MST_TRY(put_json(w, "meseta.pins", pins, err));
  MST_TRY(put_json(w, "meseta.facts", facts, err));
  MST_TRY_ALLOC(options = w->source->dialect != NULL ? json_incref(w->source->dialect) : json_object());
  MST_TRY(put_json(w, "meseta.options", options, err));
  MST_TRY(mst_parquet_writer_close(w->parquet, err));
  if (w->upload != NULL) MST_TRY(mst_upload_finish(w->upload, MST_PUT_REPLACE, NULL, NULL, err));
done:
  json_decref(pins);
  json_decref(options);
  return status;
}

uint64_t mst_index_writer_size(const mst_index_writer *w) { return mst_parquet_writer_size(w->parquet); }
uint64_t mst_index_writer_rows(const mst_index_writer *w) { return w->rows; }

void mst_index_writer_free(mst_index_writer *w) {
  if (w == NULL) return;
  mst_parquet_writer_free(w->parquet);
  mst_upload_end(w->upload);
  mst_free(w->mem, w);
}
