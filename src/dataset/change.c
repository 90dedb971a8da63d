/* dataset/change.c - gathers what a commit will do: files that come, partitions that go, metadata, schema, and what it
 * was judged by.
 *
 * May call: base, column, store, dataset's own headers. */
#include "dataset/change.h"

#include "dataset/commit.h"
#include "dataset/dataset.h"
#include "dataset/schema.h"
#include "dataset/section.h"
#include "dataset/stats.h"

enum { FRAGMENT_VALUES_MAX = 16 << 10 };
static const int64_t ALIVE_EVERY_US = INT64_C(3600) * 1000000; /* well below the age at which files are collected */

/* ---- opening and dropping ------------------------------------------------------------------------------------------
 */

mst_status mst_ds_change_open(mst_dataset *d, mst_change **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_change *c = mst_alloc_zero(d->mem, 1, sizeof *c);
  if (c == NULL) return mst_fail_memory(err);
  const mst_env *env = mst_context_env(d->ctx);
  c->mem = d->mem;
  c->ctx = mst_context_ref(d->ctx);
  c->base = mst_ds_ref(d);
  c->started_us = env->now_us(env->self);
  c->alive_tick = env->tick_us(env->self);
  mst_uuid_make(d->ctx, c->id);
  if (d->past) {
    status = mst_fail(err, MST_E_ARGUMENT,
                      "version %llu of the dataset '%s' lies in the past: it can be restored, not changed",
                      (unsigned long long)d->version, d->uuid);
    goto done;
  }
  if (d->foreign) {
    status = mst_fail(err, MST_E_ARGUMENT,
                      "this dataset's document names another dataset, '%s': it can be read, not changed", d->uuid);
    goto done;
  }
  MST_TRY_ALLOC(c->gone = mst_alloc_zero(d->mem, mst_document_partitions(d->document) / 64 + 1, sizeof *c->gone));
  *out = c;
  c = NULL;
done:
  mst_ds_change_free(c);
  return status;
}

void mst_ds_change_free(mst_change *c) {
  if (c == NULL) return;
  for (size_t i = 0; i < c->n_depends; i++)
    if (c->depends[i].free != NULL) c->depends[i].free(c->depends[i].self);
  for (size_t i = 0; i < c->n_lists; i++) {
    mst_new_files_free(c->lists[i]);
    mst_free(c->mem, c->lists[i]);
  }
  for (size_t i = 0; i < c->n_indices; i++) {
    mst_free(c->mem, c->indices[i].column);
    mst_index_unref(c->indices[i].built);
  }
  mst_free(c->mem, c->depends);
  mst_free(c->mem, c->lists);
  mst_free(c->mem, c->files);
  mst_free(c->mem, c->indices);
  mst_free(c->mem, c->gone);
  mst_free(c->mem, c->whole_schema_key);
  mst_schema_release(&c->schema);
  json_decref(c->metadata);
  mst_document_unref(c->whole);
  mst_ds_unref(c->view);
  mst_ds_unref(c->base);
  mst_context *ctx = c->ctx;
  mst_free(c->mem, c);
  mst_context_unref(ctx);
}

/* ---- bookkeeping ---------------------------------------------------------------------------------------------------
 */

mst_status mst_change_check(const mst_change *c, mst_error *err) {
  if (c->committed) return mst_fail(err, MST_E_ARGUMENT, "this change was committed; begin a new one");
  if (c->kind == MST_CHANGE_ALONE)
    return mst_fail(err, MST_E_ARGUMENT, "restore stands alone: nothing else may be in its change");
  return MST_OK;
}

static void view_is_old(mst_change *c) {
  mst_ds_unref(c->view);
  c->view = NULL;
}

/* Room for one more item of `size` bytes. */
static mst_status grow(const mst_allocator *mem, void **items, size_t n, size_t *room, size_t size, mst_error *err) {
  if (n < *room) return MST_OK;
  size_t more = *room == 0 ? 8 : *room * 2, bytes;
  void *grown = mst_mul_size(more, size, &bytes) ? mst_resize(mem, *items, bytes) : NULL;
  if (grown == NULL) return mst_fail_memory(err);
  *items = grown;
  *room = more;
  return MST_OK;
}

void mst_change_did(mst_change *c, const char *operation) {
  const char *name = c->operation[0] == '\0' || strcmp(c->operation, operation) == 0 ? operation : "change";
  size_t n = mst_min_size(strlen(name), sizeof c->operation - 1);
  memcpy(c->operation, name, n);
  c->operation[n] = '\0';
}

static void count_into(int64_t *sum, int64_t more) {
  if (*sum < 0 || more < 0 || __builtin_add_overflow(*sum, more, sum)) *sum = -1;
}

void mst_change_count(mst_change *c, int64_t added, int64_t removed) {
  count_into(&c->rows_added, added);
  count_into(&c->rows_removed, removed);
}

const struct ArrowSchema *mst_change_schema_now(const mst_change *c) {
  return c->schema.release != NULL ? &c->schema : &c->base->schema;
}

mst_status mst_change_settings(mst_change *c, mst_write_settings *out, mst_error *err) {
  mst_status status = mst_write_settings_of(c->base, out, err);
  if (status == MST_OK && c->schema.release != NULL) out->schema = &c->schema;
  return status;
}

mst_status mst_change_keep_alive(mst_change *c, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  const mst_env *env = mst_context_env(c->ctx);
  int64_t now = env->tick_us(env->self);
  if (now - c->alive_tick < ALIVE_EVERY_US || c->base->plateau) return MST_OK;
  mst_buf key, text;
  mst_buf_init(&key, c->mem, MST_KEY_MAX);
  mst_buf_init(&text, c->mem, 256);
  MST_TRY(mst_buf_printf(&key, err, "%s%swriters/%s", c->base->uuid, MST_KEY_OURS, c->id));
  MST_TRY(mst_buf_printf(&text, err, "{\"started\":%lld}", (long long)c->started_us));
  mst_op op = mst_op_make(MST_OP_PUT, mst_buf_text(&key));
  op.data = text.data;
  op.n_data = text.size;
  op.put_mode = MST_PUT_REPLACE;
  op.cancel = cancel;
  MST_TRY(mst_store_perform(c->base->store, &op, err));
  c->alive_tick = now;
done:
  mst_buf_free(&key);
  mst_buf_free(&text);
  return status;
}

/* ---- files that come -----------------------------------------------------------------------------------------------
 */

static void take_schema(mst_change *c, mst_new_files *list) {
  if (list->schema.release == NULL) return;
  const struct ArrowSchema *now = mst_change_schema_now(c);
  if (now->release != NULL && mst_table_schema_same(now, &list->schema)) return;
  mst_schema_release(&c->schema);
  c->schema = list->schema;
  list->schema.release = NULL;
}

mst_status mst_change_add_files(mst_change *c, mst_new_files *list, mst_error *err) {
  mst_status status = MST_OK;
  mst_new_files *own = NULL;
  MST_TRY(mst_change_check(c, err));
  if (list->n == 0) {
    take_schema(c, list);
    goto done;
  }
  while (c->files_room - c->n_files < list->n) {
    size_t room = c->files_room;
    MST_TRY(grow(c->mem, (void **)&c->files, room, &room, sizeof(mst_new_file *), err));
    c->files_room = room;
  }
  MST_TRY(grow(c->mem, (void **)&c->lists, c->n_lists, &c->lists_room, sizeof(mst_new_files *), err));
  MST_TRY_ALLOC(own = mst_alloc(c->mem, sizeof *own));
  take_schema(c, list);
  *own = *list;
  mst_new_files_init(list, list->mem);
  c->lists[c->n_lists++] = own;
  for (size_t i = 0; i < own->n; i++) c->files[c->n_files++] = &own->items[i];
  view_is_old(c);
done:
  return status;
}

/* Nothing lost by an unknown number: rows of files always tell. */
static int64_t rows_of(const mst_new_files *list) {
  int64_t sum = 0;
  for (size_t i = 0; i < list->n; i++) count_into(&sum, (int64_t)mst_min_u64(list->items[i].rows, INT64_MAX));
  return sum;
}

mst_status mst_ds_change_append(mst_change *c, struct ArrowArrayStream *stream, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_write_settings settings = {0};
  mst_new_files list;
  mst_new_files_init(&list, c->mem);
  MST_TRY(mst_change_check(c, err));
  MST_TRY(mst_commit_allowed(c->base->store, c->base->uuid, c->base->lock_name, c->base->plateau, c->base->document,
                             cancel, err));
  MST_TRY(mst_change_keep_alive(c, cancel, err));
  MST_TRY(mst_change_settings(c, &settings, err));
  MST_TRY(mst_files_write(&settings, stream, &list, cancel, err));
  int64_t rows = rows_of(&list);
  MST_TRY(mst_change_add_files(c, &list, err));
  mst_change_count(c, rows, 0);
  mst_change_did(c, "append");
done:
  mst_stream_release(stream);
  mst_write_settings_free(c->base, &settings);
  mst_new_files_free(&list);
  return status;
}

/* ---- fragments -----------------------------------------------------------------------------------------------------
 */

mst_status mst_ds_change_write(mst_change *c, struct ArrowArrayStream *stream, json_t **fragment, mst_cancel *cancel,
                               mst_error *err) {
  mst_status status = MST_OK;
  mst_write_settings settings = {0};
  mst_new_files list;
  json_t *value = NULL;
  mst_new_files_init(&list, c->mem);
  MST_TRY(mst_change_check(c, err));
  MST_TRY(mst_change_settings(c, &settings, err));
  MST_TRY(mst_files_write(&settings, stream, &list, cancel, err));
  MST_TRY(mst_new_files_to_json(&list, FRAGMENT_VALUES_MAX, &value, err));
  *fragment = value;
  value = NULL;
done:
  mst_stream_release(stream);
  json_decref(value);
  mst_write_settings_free(c->base, &settings);
  mst_new_files_free(&list);
  return status;
}

static mst_status check_new(const mst_change *c, const mst_new_files *list, mst_error *err) {
  mst_status status = MST_OK;
  json_t *known = json_object();
  MST_TRY_ALLOC(known);
  for (size_t i = 0; i < c->n_files + list->n; i++) {
    const char *label = i < c->n_files ? c->files[i]->label : list->items[i - c->n_files].label;
    if (json_object_get(known, label) != NULL) {
      status = mst_fail(err, MST_E_ARGUMENT, "the fragment of '%.200s' was added already", label);
      goto done;
    }
    if (json_object_set_new(known, label, json_true()) != 0) {
      status = mst_fail_memory(err);
      goto done;
    }
    if (mst_document_find(c->base->document, label) == MST_DOCUMENT_NONE) continue;
    status = mst_fail(err, MST_E_ARGUMENT, "the fragment of '%.200s' is part of the dataset already", label);
    goto done;
  }
done:
  json_decref(known);
  return status;
}

mst_status mst_ds_change_add(mst_change *c, const char *fragment_json, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  json_t *value = NULL;
  mst_new_files list;
  struct ArrowSchema united = {0};
  mst_new_files_init(&list, c->mem);
  MST_TRY(mst_change_check(c, err));
  MST_TRY(mst_change_keep_alive(c, cancel, err));
  MST_TRY(mst_json_parse(fragment_json, strlen(fragment_json), (size_t)256 << 20, "fragment", &value, err));
  MST_TRY(mst_new_files_from_json(value, c->base, &list, err));
  MST_TRY(check_new(c, &list, err));
  const struct ArrowSchema *now = mst_change_schema_now(c);
  if (list.schema.release != NULL && now->release != NULL) {
    MST_TRY(mst_table_schema_unite(c->mem, now, &list.schema, c->base->uuid, "fragment", &united, err));
    mst_schema_release(&list.schema);
    list.schema = united;
    united.release = NULL;
  }
  int64_t rows = rows_of(&list);
  MST_TRY(mst_change_add_files(c, &list, err));
  mst_change_count(c, rows, 0);
  mst_change_did(c, "append");
done:
  mst_schema_release(&united);
  json_decref(value);
  mst_new_files_free(&list);
  return status;
}

/* ---- partitions that go --------------------------------------------------------------------------------------------
 */

static bool is_gone(const mst_change *c, size_t i) { return (c->gone[i / 64] >> (i % 64) & 1) != 0; }

mst_status mst_change_remove_label(mst_change *c, const char *label, mst_error *err) {
  mst_status status = mst_change_check(c, err);
  if (status != MST_OK) return status;
  for (size_t i = 0; i < c->n_files; i++) {
    if (strcmp(c->files[i]->label, label) != 0) continue;
    for (c->n_files--; i < c->n_files; i++) c->files[i] = c->files[i + 1];
    view_is_old(c);
    return MST_OK;
  }
  size_t at = mst_document_find(c->base->document, label);
  if (at == MST_DOCUMENT_NONE)
    return mst_fail(err, MST_E_NOT_FOUND, "the dataset '%s' has no partition '%.200s'", c->base->uuid, label);
  if (is_gone(c, at)) return MST_OK;
  c->gone[at / 64] |= UINT64_C(1) << (at % 64);
  c->n_gone++;
  view_is_old(c);
  return MST_OK;
}

/* Rows that a removal takes away; -1 when that is not known. */
static mst_status rows_to_go(mst_change *c, const char *label, const mst_stats **stats, int64_t *rows,
                             mst_cancel *cancel, mst_error *err) {
  uint64_t n = 0;
  *rows = 0;
  for (size_t i = 0; i < c->n_files; i++) {
    if (strcmp(c->files[i]->label, label) != 0) continue;
    *rows = (int64_t)mst_min_u64(c->files[i]->rows, INT64_MAX);
    return MST_OK;
  }
  const size_t at = mst_document_find(c->base->document, label);
  if (at == MST_DOCUMENT_NONE || is_gone(c, at)) return MST_OK;
  if (*stats == NULL) {
    mst_status status = mst_stats_load(c->base, stats, cancel, err);
    if (status != MST_OK) return status;
  }
  *rows = mst_stats_rows(*stats, at, &n) && n <= INT64_MAX ? (int64_t)n : -1;
  return MST_OK;
}

mst_status mst_ds_change_remove_labels(mst_change *c, const char *const *labels, size_t n, mst_cancel *cancel,
                                       mst_error *err) {
  mst_status status = MST_OK;
  const mst_stats *stats = NULL;
  int64_t sum = 0, rows;
  for (size_t i = 0; i < n; i++) {
    MST_TRY(rows_to_go(c, labels[i], &stats, &rows, cancel, err));
    MST_TRY(mst_change_remove_label(c, labels[i], err));
    count_into(&sum, rows);
  }
  mst_change_count(c, 0, sum);
  mst_change_did(c, "remove");
done:
  return status;
}

/* ---- metadata, schema, indices -------------------------------------------------------------------------------------
 */

mst_status mst_ds_change_metadata(mst_change *c, const char *metadata_json, mst_error *err) {
  mst_status status = MST_OK;
  json_t *map = NULL;
  MST_TRY(mst_change_check(c, err));
  MST_TRY(mst_json_parse(metadata_json, strlen(metadata_json), (size_t)64 << 20, "metadata", &map, err));
  if (!json_is_object(map)) {
    status = mst_fail(err, MST_E_ARGUMENT, "metadata must be a JSON object");
    goto done;
  }
  if (json_object_get(map, MST_SECTION) != NULL) {
    status = mst_fail(err, MST_E_ARGUMENT, "the metadata member '" MST_SECTION "' is the library's own");
    goto done;
  }
  if (c->metadata == NULL) MST_TRY_ALLOC(c->metadata = json_object());
  if (json_object_update(c->metadata, map) != 0) {
    status = mst_fail_memory(err);
    goto done;
  }
  mst_change_did(c, "metadata");
done:
  json_decref(map);
  return status;
}

static mst_status partition_keys(const mst_document *d, const mst_allocator *mem, const char ***out, mst_error *err) {
  size_t n = mst_document_n_keys(d);
  const char **keys = mst_alloc_array(mem, n + 1, sizeof *keys);
  if (keys == NULL) return mst_fail_memory(err);
  for (size_t i = 0; i < n; i++) keys[i] = mst_document_key(d, i);
  *out = keys;
  return MST_OK;
}

mst_status mst_ds_change_schema(mst_change *c, const struct ArrowSchema *schema, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowSchema grown = {0};
  const char **keys = NULL;
  MST_TRY(mst_change_check(c, err));
  MST_TRY(partition_keys(c->base->document, c->mem, &keys, err));
  MST_TRY(mst_table_schema_evolve(c->mem, mst_change_schema_now(c), schema, keys,
                                  mst_document_n_keys(c->base->document), &grown, err));
  mst_schema_release(&c->schema);
  c->schema = grown;
  grown.release = NULL;
  c->evolves = true;
  view_is_old(c);
  mst_change_did(c, "schema");
done:
  mst_schema_release(&grown);
  mst_free(c->mem, keys);
  return status;
}

/* ---- the view ------------------------------------------------------------------------------------------------------
 */

static mst_status view_document(mst_change *c, mst_document **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_edit *e = NULL;
  mst_document *base = c->base->document;
  MST_TRY(mst_edit_open(c->mem, base, NULL, NULL, &e, err));
  for (size_t i = 0; i < mst_document_partitions(base); i++)
    if (is_gone(c, i)) mst_edit_remove(e, i);
  for (size_t i = 0; i < c->n_files; i++) MST_TRY(mst_edit_add(e, c->files[i]->label, c->files[i]->key, err));
  for (size_t i = 0; i < mst_document_n_indices(base); i++)
    MST_TRY(mst_edit_index(e, mst_document_index_column(base, i), NULL, err));
  MST_TRY(mst_edit_finish(e, out, err));
done:
  mst_edit_free(e);
  return status;
}

mst_status mst_change_view(mst_change *c, mst_dataset **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_document *document = NULL;
  mst_pin none = {0};
  if (c->view == NULL && c->n_gone == 0 && c->n_files == 0 && c->schema.release == NULL) {
    *out = c->base;
    return MST_OK;
  }
  if (c->view == NULL) {
    MST_TRY(view_document(c, &document, err));
    MST_TRY(mst_state_of(c->base, document, c->base->form, &none, c->base->version, mst_change_schema_now(c), &c->view,
                         NULL, err));
  }
  *out = c->view;
done:
  mst_document_unref(document);
  return status;
}

/* ---- dependencies --------------------------------------------------------------------------------------------------
 */

mst_status mst_change_depend(mst_change *c, const mst_dependency *d, mst_error *err) {
  mst_status status = grow(c->mem, (void **)&c->depends, c->n_depends, &c->depends_room, sizeof *c->depends, err);
  if (status == MST_OK) c->depends[c->n_depends++] = *d;
  else if (d->free != NULL) d->free(d->self);
  return status;
}

typedef struct on_where {
  const mst_allocator *mem;
  char text[]; /* of the condition */
} on_where;

static void on_where_free(void *self) {
  on_where *w = self;
  if (w != NULL) mst_free(w->mem, w);
}

static mst_status one_matches(const on_where *w, mst_dataset *head, const char *label, bool *hit, mst_cancel *cancel,
                              mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArrayStream rows = {0};
  struct ArrowArray batch = {0};
  mst_dataset_read_options options = MST_DATASET_READ_OPTIONS_INIT;
  const char *none[1] = {NULL};
  options.columns = none;
  options.where = w->text;
  options.labels = &label;
  options.n_labels = 1;
  options.limit = 1;
  options.has_limit = 1;
  *hit = false;
  MST_TRY(mst_ds_read(head, &options, &rows, cancel, err));
  do {
    mst_array_release(&batch);
    MST_TRY(mst_stream_next(&rows, &batch, err));
    *hit = *hit || (batch.release != NULL && batch.length > 0);
  } while (batch.release != NULL && !*hit);
done:
  mst_array_release(&batch);
  mst_stream_release(&rows);
  return status;
}

static mst_status on_where_match(void *self, mst_dataset *head, const char *const *labels, size_t n, size_t *hit,
                                 mst_cancel *cancel, mst_error *err) {
  bool found = false;
  size_t i = 0;
  for (; i < n && !found; i++) {
    mst_status status = one_matches(self, head, labels[i], &found, cancel, err);
    if (status != MST_OK) return status;
  }
  *hit = found ? i - 1 : n;
  return MST_OK;
}

mst_status mst_change_depend_where(mst_change *c, const char *what, const char *where, mst_error *err) {
  size_t n = where == NULL ? 0 : strlen(where);
  on_where *w = mst_alloc(c->mem, sizeof *w + n + 1);
  if (w == NULL) return mst_fail_memory(err);
  w->mem = c->mem;
  if (n > 0) memcpy(w->text, where, n);
  w->text[n] = '\0';
  return mst_change_depend(c, &(mst_dependency){what, w, on_where_match, on_where_free}, err);
}
