/* dataset/data_file.c - see data_file.h. */
#include "dataset/data_file.h"

#include "dataset/key.h"
#include "dataset/schema.h"

static mst_status open_keeper(mst_data_file *f, const char *column, mst_value_keeper *k, mst_error *err) {
  mst_status status = MST_OK;
  const int32_t first = 0;
  mst_block_init(&k->pieces, f->mem);
  k->column = mst_table_schema_find(f->schema, column);
  if (k->column < 0) return mst_fail(err, MST_E_ARGUMENT, "the data lacks the indexed column \"%.100s\"", column);
  MST_TRY(mst_schema_node(f->mem, "+s", "", 0, 1, &k->batch, err));
  MST_TRY(mst_schema_copy(f->mem, f->schema->children[k->column], k->batch.children[0], err));
  if (strcmp(k->batch.children[0]->format, "n") == 0) return MST_OK; /* nothing to keep */
  MST_TRY(mst_index_type_check(k->batch.children[0], err));
  MST_TRY(mst_grouper_new(f->mem, &k->batch, &first, 1, &k->grouper, err));
done:
  return status;
}

static mst_status open_writer(mst_data_file *f, mst_error *err) {
  const mst_write_settings *s = f->s;
  mst_parquet_writer_options o = {.mem = f->mem, .codec = s->codec, .row_group_rows = s->row_group_rows};
  const uint64_t memory = s->memory != 0 ? s->memory : mst_context_memory_max(s->ctx);
  o.row_group_bytes = mst_max_u64(mst_min_u64((uint64_t)64 << 20, memory / 4), (uint64_t)1 << 20);
  if (s->plateau) o.row_group_bytes = UINT64_MAX / 4;
  if (s->codec == MST_PARQUET_ZSTD) o.level = 1; /* encoded values leave little for higher ones, which take twice the time */
  return mst_table_writer_open(s->store, f->key, f->schema, &o, MST_PUT_REPLACE, &f->writer, f->cancel, err);
}

mst_status mst_data_file_open(const mst_write_settings *s, const struct ArrowSchema *schema, const char *prefix, const char *uuid,
                              mst_data_file **out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  const mst_allocator *mem = mst_context_mem(s->ctx);
  mst_buf text;
  mst_data_file *f = NULL;
  mst_buf_init(&text, mem, MST_KEY_MAX);
  MST_TRY_ALLOC(f = mst_alloc_zero(mem, 1, sizeof *f));
  f->s = s;
  f->mem = mem;
  f->schema = schema;
  f->cancel = cancel;
  MST_TRY(mst_buf_printf(&text, err, "%s%s", prefix, uuid));
  MST_TRY_ALLOC(f->label = mst_text_copy(mem, mst_buf_text(&text)));
  mst_buf_clear(&text);
  MST_TRY(mst_key_file(&text, s->uuid, s->table, f->label, err));
  MST_TRY_ALLOC(f->key = mst_text_copy(mem, mst_buf_text(&text)));
  MST_TRY_ALLOC(f->keepers = mst_alloc_zero(mem, s->n_indices + 1, sizeof *f->keepers));
  for (size_t i = 0; i < s->n_indices; i++) MST_TRY(open_keeper(f, s->indices[i], &f->keepers[f->n_keepers++], err));
  if (!s->plateau) {
    MST_TRY_ALLOC(f->bounders = mst_alloc_zero(mem, (size_t)schema->n_children + 1, sizeof *f->bounders));
    for (int64_t i = 0; i < schema->n_children; i++) MST_TRY(mst_bounder_init(&f->bounders[f->n_bounders++], mem, schema->children[i], err));
  }
  MST_TRY(open_writer(f, err));
  *out = f;
  f = NULL;
done:
  mst_buf_free(&text);
  mst_data_file_free(f);
  return status;
}

void mst_data_file_free(mst_data_file *f) {
  if (f == NULL) return;
  for (size_t i = 0; i < f->n_bounders; i++) mst_bounder_free(&f->bounders[i]);
  for (size_t i = 0; i < f->n_keepers; i++) {
    mst_value_keeper *k = &f->keepers[i];
    struct ArrowArray *pieces = (struct ArrowArray *)(void *)k->pieces.data;
    for (size_t p = 0; p < k->pieces.size / sizeof *pieces; p++) mst_array_release(&pieces[p]);
    mst_block_free(&k->pieces);
    mst_grouper_free(k->grouper);
    mst_schema_release(&k->batch);
  }
  mst_table_writer_free(f->writer);
  mst_free(f->mem, f->bounders);
  mst_free(f->mem, f->keepers);
  mst_free(f->mem, f->label);
  mst_free(f->mem, f->key);
  mst_free(f->mem, f);
}

static mst_status keep_values(mst_data_file *f, mst_value_keeper *k, struct ArrowArray *column, mst_error *err) {
  mst_status status = MST_OK;
  const void *no_buffer[1] = {NULL};
  struct ArrowArray piece = {0};
  struct ArrowArray batch = {.length = column->length, .n_buffers = 1, .n_children = 1, .buffers = no_buffer, .children = &column};
  const int64_t *firsts = NULL;
  uint32_t *ids = NULL;
  if (k->grouper == NULL || column->length == 0) return MST_OK;
  const uint32_t before = mst_grouper_count(k->grouper);
  MST_TRY_ALLOC(ids = mst_alloc_array(f->mem, (size_t)column->length, sizeof *ids));
  MST_TRY(mst_grouper_put(k->grouper, &batch, ids, &firsts, err));
  const uint32_t fresh = mst_grouper_count(k->grouper) - before;
  if (fresh > 0) {
    MST_TRY(mst_array_gather(f->mem, k->batch.children[0], column, firsts, fresh, &piece, err));
    MST_TRY(mst_block_put(&k->pieces, &piece, sizeof piece, err));
    piece.release = NULL;
  }
done:
  mst_array_release(&piece);
  mst_free(f->mem, ids);
  return status;
}

mst_status mst_data_file_put(mst_data_file *f, struct ArrowArray *batch, mst_error *err) {
  mst_status status = MST_OK;
  for (size_t i = 0; i < f->n_bounders; i++) MST_TRY(mst_bounder_put(&f->bounders[i], batch->children[i], err));
  for (size_t i = 0; i < f->n_keepers; i++) MST_TRY(keep_values(f, &f->keepers[i], batch->children[f->keepers[i].column], err));
  f->rows += (uint64_t)batch->length;
  return mst_table_writer_put(f->writer, batch, err);
done:
  mst_array_release(batch);
  return status;
}

mst_status mst_data_file_flush(mst_data_file *f, mst_error *err) { return mst_table_writer_flush(f->writer, err); }

/* ---- what is told ------------------------------------------------------------------------------------------------- */

static mst_status own_bytes(const mst_allocator *mem, mst_scalar *v, uint8_t **owned, mst_error *err) {
  if (v->kind != MST_SCALAR_BYTES) return MST_OK;
  *owned = mst_alloc(mem, v->as.bytes.size + 1);
  if (*owned == NULL) return mst_fail_memory(err);
  if (v->as.bytes.size > 0) memcpy(*owned, v->as.bytes.data, v->as.bytes.size);
  v->as.bytes.data = *owned;
  return MST_OK;
}

static mst_status tell_stats(mst_data_file *f, mst_new_file *out, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY_ALLOC(out->stats = mst_alloc_zero(f->mem, f->n_bounders + 1, sizeof *out->stats));
  for (size_t i = 0; i < f->n_bounders; i++) {
    mst_file_stat *stat = &out->stats[out->n_stats++];
    mst_bounder_tell(&f->bounders[i], &stat->bounds);
    if (!stat->bounds.has_min) stat->bounds.min = mst_scalar_null();
    if (!stat->bounds.has_max) stat->bounds.max = mst_scalar_null();
    MST_TRY_ALLOC(stat->column = mst_text_copy(f->mem, f->schema->children[i]->name));
    MST_TRY(own_bytes(f->mem, &stat->bounds.min, &stat->low, err));
    MST_TRY(own_bytes(f->mem, &stat->bounds.max, &stat->high, err));
  }
done:
  return status;
}

static mst_status tell_values(mst_data_file *f, const mst_value_keeper *k, mst_file_values *out, mst_error *err) {
  mst_status status = MST_OK;
  const struct ArrowSchema *type = k->batch.children[0];
  const struct ArrowArray **pieces = NULL;
  struct ArrowArray all = {0};
  const size_t n = k->pieces.size / sizeof(struct ArrowArray);
  MST_TRY_ALLOC(out->column = mst_text_copy(f->mem, type->name));
  MST_TRY(mst_schema_copy(f->mem, type, &out->type, err));
  MST_TRY_ALLOC(pieces = mst_alloc_array(f->mem, n + 1, sizeof *pieces));
  for (size_t i = 0; i < n; i++) pieces[i] = (const struct ArrowArray *)(const void *)k->pieces.data + i;
  MST_TRY(mst_array_concat(f->mem, type, pieces, n, &all, err));
  MST_TRY(mst_index_values(f->mem, type, &all, type, &out->values, err));
done:
  mst_array_release(&all);
  mst_free(f->mem, pieces);
  return status;
}

mst_status mst_data_file_close(mst_data_file *f, mst_new_file *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_table_written written = {0};
  mst_new_file made = {.rows = f->rows};
  MST_TRY_ALLOC(made.label = mst_text_copy(f->mem, f->label));
  MST_TRY_ALLOC(made.key = mst_text_copy(f->mem, f->key));
  MST_TRY(tell_stats(f, &made, err));
  MST_TRY_ALLOC(made.indexed = mst_alloc_zero(f->mem, f->n_keepers + 1, sizeof *made.indexed));
  for (size_t i = 0; i < f->n_keepers; i++) MST_TRY(tell_values(f, &f->keepers[i], &made.indexed[made.n_indexed++], err));
  MST_TRY(mst_table_writer_close(f->writer, &written, err));
  made.bytes = written.size;
  *out = made;
  made = (mst_new_file){0};
done:
  mst_new_file_end(f->mem, &made);
  return status;
}
