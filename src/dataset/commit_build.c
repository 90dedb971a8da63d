/* dataset/commit_build.c - one attempt: the change rebased over the head, as a document with all objects that it names
 * put before it. May call: base, column, store, dataset's own headers. */
#include "dataset/commit_run.h"

#include "dataset/dataset.h"
#include "dataset/history.h"
#include "dataset/index.h"
#include "dataset/key.h"
#include "dataset/ours.h"
#include "dataset/schema.h"
#include "dataset/stats.h"

enum { FIRST_LABELS_MAX = 512 }; /* of a dataset's first version before a checkpoint tells them */

void mst_run_clear(mst_run *r) {
  mst_document_unref(r->document);
  mst_free(r->mem, r->schema_key);
  mst_free(r->mem, (void *)(uintptr_t)r->added);
  mst_free(r->mem, (void *)(uintptr_t)r->removed);
  mst_buf_clear(&r->text);
  r->document = NULL;
  r->schema_key = NULL;
  r->added = r->removed = NULL;
  r->n_added = r->n_removed = 0;
}

static size_t file_count(const mst_run *r) { return r->change != NULL ? r->change->n_files : r->first->files->n; }

static const mst_new_file *file_of(const mst_run *r, size_t i) {
  return r->change != NULL ? r->change->files[i] : &r->first->files->items[i];
}

/* ---- partitions and metadata ---------------------------------------------------------------------------------------
 */

static mst_status add_files(mst_run *r, mst_edit *e, mst_error *err) {
  mst_status status = MST_OK;
  size_t n = file_count(r);
  MST_TRY_ALLOC(r->added = mst_alloc_array(r->mem, n + 1, sizeof *r->added));
  for (size_t i = 0; i < n; i++) {
    const mst_new_file *f = file_of(r, i);
    status = mst_edit_add(e, f->label, NULL, err);
    if (status == MST_E_EXISTS)
      status = mst_fail(err, MST_E_CONFLICT, "the file '%.200s' is part of the dataset already", f->label);
    if (status != MST_OK) goto done;
    r->added[r->n_added++] = f->label;
  }
done:
  return status;
}

static mst_status remove_gone(mst_run *r, mst_edit *e, mst_error *err) {
  const mst_change *c = r->change;
  const mst_document *base = r->base->document;
  r->removed = mst_alloc_array(r->mem, c->n_gone + 1, sizeof *r->removed);
  if (r->removed == NULL) return mst_fail_memory(err);
  for (size_t i = 0; i < mst_document_partitions(base); i++) {
    if ((c->gone[i / 64] >> (i % 64) & 1) == 0) continue;
    const char *label = mst_document_label(base, i);
    size_t at = r->head == r->base ? i : mst_document_find(r->head->document, label);
    if (at == MST_DOCUMENT_NONE)
      return mst_fail(err, MST_E_CONFLICT, "the partition '%.200s' was removed by another commit", label);
    mst_edit_remove(e, at);
    r->removed[r->n_removed++] = label;
  }
  return MST_OK;
}

static mst_status merge_metadata(const json_t *members, mst_edit *e, mst_error *err) {
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)members, key, value) {
    mst_status status = mst_edit_metadata_set(e, key, json_incref(value), err);
    if (status != MST_OK) return status;
  }
  return MST_OK;
}

static mst_status edit_change(mst_run *r, mst_edit **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_edit *e = NULL;
  const mst_change *c = r->change;
  r->whole = c->kind == MST_CHANGE_ALONE;
  MST_TRY(mst_edit_open(r->mem, r->whole ? c->whole : r->head->document, NULL, NULL, &e, err));
  if (!r->whole) {
    MST_TRY(remove_gone(r, e, err));
    MST_TRY(add_files(r, e, err));
  }
  if (c->metadata != NULL) MST_TRY(merge_metadata(c->metadata, e, err));
  *out = e;
  e = NULL;
done:
  mst_edit_free(e);
  return status;
}

static mst_status edit_first(mst_run *r, mst_edit **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_edit *e = NULL;
  const mst_first_commit *c = r->first;
  MST_TRY(mst_edit_open(r->mem, NULL, c->uuid, c->table, &e, err));
  for (size_t i = 0; i < c->n_keys; i++) MST_TRY(mst_edit_partition_key(e, c->keys[i], err));
  MST_TRY(add_files(r, e, err));
  MST_TRY(mst_edit_metadata(e, c->metadata, err));
  r->whole = r->head != NULL || r->n_added > FIRST_LABELS_MAX;
  *out = e;
  e = NULL;
done:
  mst_edit_free(e);
  return status;
}

/* What a replaced document took away: for the counts of the log. */
static void count_whole(mst_run *r) {
  if (!r->whole || r->head == NULL) return;
  const mst_document *from = r->head->document, *to = r->document;
  size_t kept = 0;
  for (size_t i = 0; i < mst_document_partitions(to); i++)
    kept += mst_document_find(from, mst_document_label(to, i)) != MST_DOCUMENT_NONE;
  r->n_added = mst_document_partitions(to) - kept;
  r->n_removed = mst_document_partitions(from) - kept;
}

/* ---- schema --------------------------------------------------------------------------------------------------------
 */

static bool same_schema(const struct ArrowSchema *a, const struct ArrowSchema *b) {
  if (a == NULL || a->release == NULL || b == NULL || b->release == NULL)
    return (a == NULL || a->release == NULL) == (b == NULL || b->release == NULL);
  return mst_table_schema_same(a, b);
}

/* Which schema the new head has: mine when I changed it, else the head's. */
static const struct ArrowSchema *choose_schema(const mst_run *r) {
  if (r->first != NULL) return r->first->schema;
  if (r->whole) return &r->change->schema;
  if (r->change->schema.release != NULL && !same_schema(&r->change->schema, &r->base->schema))
    return &r->change->schema;
  return &r->head->schema;
}

static mst_status put_schema(mst_run *r, mst_error *err) {
  mst_status status = MST_OK;
  mst_bytes file = {0};
  mst_buf key;
  mst_buf_init(&key, r->mem, MST_KEY_MAX);
  MST_TRY(mst_common_make(r->ctx, r->schema, &file, err));
  MST_TRY(mst_ours_put(r->store, r->uuid, "schema", file.data, file.size, &key, r->cancel, err));
  MST_TRY_ALLOC(r->schema_key = mst_text_copy(r->mem, mst_buf_text(&key)));
done:
  mst_bytes_release(&file);
  mst_buf_free(&key);
  return status;
}

static mst_status put_common(mst_run *r, const struct ArrowSchema *schema, mst_put_mode mode, mst_error *err) {
  mst_status status = MST_OK;
  mst_bytes file = {0};
  mst_buf key;
  const char *table = mst_document_table(r->document);
  if (table == NULL)
    table = r->first != NULL && r->first->table != NULL ? r->first->table : r->base != NULL ? r->base->table : "table";
  mst_buf_init(&key, r->mem, MST_KEY_MAX);
  MST_TRY(mst_common_make(r->ctx, schema, &file, err));
  MST_TRY(mst_key_common(&key, r->uuid, table, err));
  MST_TRY(mst_put_object(r->store, mst_buf_text(&key), file.data, file.size, mode, NULL, NULL, r->cancel, err));
done:
  mst_bytes_release(&file);
  mst_buf_free(&key);
  return status;
}

/* `_common_metadata` where it may be put before the commit: nobody else can have written another one of use. */
static mst_status put_common_before(mst_run *r, bool grown, mst_error *err) {
  mst_error why;
  mst_status status;
  r->behind = false;
  if (r->schema == NULL || r->schema->release == NULL) return MST_OK;
  if (!r->sectioned) return r->first != NULL || grown ? put_common(r, r->schema, MST_PUT_REPLACE, err) : MST_OK;
  if (r->head == NULL) {
    status = put_common(r, r->schema, r->conditional ? MST_PUT_CREATE : MST_PUT_REPLACE, &why);
    r->behind = status != MST_OK;
    return MST_OK;
  }
  if (grown) {
    r->behind = true;
  } else if (r->section.behind && !r->repaired) {
    r->repaired = put_common(r, r->schema, MST_PUT_REPLACE, &why) == MST_OK;
    r->behind = !r->repaired;
  } else {
    r->behind = r->section.behind && !r->repaired;
  }
  return MST_OK;
}

static mst_status settle_schema(mst_run *r, mst_error *err) {
  mst_status status = MST_OK;
  const struct ArrowSchema *was = r->head == NULL ? NULL : &r->head->schema;
  r->schema = choose_schema(r);
  if (r->schema != NULL && r->schema->release == NULL) r->schema = NULL;
  const bool grown = !same_schema(r->schema, was);
  if (r->sectioned && r->schema != NULL) {
    const char *known = r->whole && r->change != NULL && r->change->whole_schema_key != NULL
                            ? r->change->whole_schema_key
                        : !grown && !r->external ? r->section.schema
                                                 : NULL;
    if (known != NULL) MST_TRY_ALLOC(r->schema_key = mst_text_copy(r->mem, known));
    else MST_TRY(put_schema(r, err));
  }
  MST_TRY(put_common_before(r, grown, err));
done:
  return status;
}

/* ---- indices -------------------------------------------------------------------------------------------------------
 */

/* Values of partitions that an index does not know yet. */
typedef struct parts {
  const mst_allocator *mem;
  mst_index_part *items;
  struct ArrowArray *owned; /* arrays that were read for it; same places as items where they were */
  struct ArrowSchema *types;
  size_t n, room;
} parts;

static void parts_free(parts *p) {
  for (size_t i = 0; i < p->n; i++) {
    mst_array_release(&p->owned[i]);
    mst_schema_release(&p->types[i]);
  }
  mst_free(p->mem, p->items);
  mst_free(p->mem, p->owned);
  mst_free(p->mem, p->types);
}

static mst_status parts_room(parts *p, mst_error *err) {
  if (p->n < p->room) return MST_OK;
  size_t room = p->room == 0 ? 8 : p->room * 2;
  void *items = mst_resize(p->mem, p->items, room * sizeof *p->items);
  if (items != NULL) p->items = items;
  void *owned = mst_resize(p->mem, p->owned, room * sizeof *p->owned);
  if (owned != NULL) p->owned = owned;
  void *types = mst_resize(p->mem, p->types, room * sizeof *p->types);
  if (types != NULL) p->types = types;
  if (items == NULL || owned == NULL || types == NULL) return mst_fail_memory(err);
  p->room = room;
  return MST_OK;
}

/* Takes `type` and `values` over when they are given as owned (may be NULL: the part's are borrowed). */
static mst_status parts_add(parts *p, const char *label, const struct ArrowSchema *type,
                            const struct ArrowArray *values, struct ArrowSchema *own_type,
                            struct ArrowArray *own_values, mst_error *err) {
  mst_status status = parts_room(p, err);
  if (status != MST_OK) return status;
  p->owned[p->n] = own_values != NULL ? *own_values : (struct ArrowArray){0};
  p->types[p->n] = own_type != NULL ? *own_type : (struct ArrowSchema){0};
  if (own_values != NULL) own_values->release = NULL;
  if (own_type != NULL) own_type->release = NULL;
  p->items[p->n] = (mst_index_part){.label = label, .type = type, .values = values};
  p->n++;
  return MST_OK;
}

/* The items' pointers into owned arrays, once no more are added. */
static void parts_settle(parts *p) {
  for (size_t i = 0; i < p->n; i++) {
    if (p->owned[i].release == NULL) continue;
    p->items[i].type = p->types[i].children[0];
    p->items[i].values = p->owned[i].children[0];
  }
}

/* Reads a column of one partition of a snapshot. */
static mst_status parts_read(parts *p, mst_dataset *d, const char *label, const char *column, mst_cancel *cancel,
                             mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArrayStream rows = {0};
  struct ArrowSchema type = {0};
  struct ArrowArray batch = {0};
  mst_dataset_read_options options = MST_DATASET_READ_OPTIONS_INIT;
  options.columns = &column;
  options.n_columns = 1;
  options.labels = &label;
  options.n_labels = 1;
  MST_TRY(mst_ds_read(d, &options, &rows, cancel, err));
  for (;;) {
    MST_TRY(mst_stream_next(&rows, &batch, err));
    if (batch.release == NULL) break;
    MST_TRY(mst_stream_schema(&rows, &type, err));
    MST_TRY(parts_add(p, label, NULL, NULL, &type, &batch, err));
  }
done:
  mst_schema_release(&type);
  mst_array_release(&batch);
  mst_stream_release(&rows);
  return status;
}

static const mst_file_values *values_of(const mst_new_file *f, const char *column) {
  for (size_t i = 0; i < f->n_indexed; i++)
    if (strcmp(f->indexed[i].column, column) == 0) return f->indexed[i].values.release != NULL ? &f->indexed[i] : NULL;
  return NULL;
}

/* The values of this commit's own files. */
static mst_status own_parts(mst_run *r, const char *column, parts *p, mst_error *err) {
  mst_status status = MST_OK;
  mst_dataset *view = NULL;
  for (size_t i = 0; i < file_count(r); i++) {
    const mst_new_file *f = file_of(r, i);
    const mst_file_values *v = values_of(f, column);
    if (v != NULL) {
      MST_TRY(parts_add(p, f->label, &v->type, &v->values, NULL, NULL, err));
      continue;
    }
    if (r->change == NULL)
      return mst_fail(err, MST_E_INTERNAL, "the new file '%.200s' brings no values for the index of '%.100s'", f->label,
                      column);
    if (view == NULL) MST_TRY(mst_change_view(r->change, &view, err));
    MST_TRY(parts_read(p, view, f->label, column, r->cancel, err));
  }
done:
  return status;
}

/* Those of files that others added since the base: an index that was built over the base does not know them. */
static mst_status others_parts(mst_run *r, const char *column, parts *p, mst_error *err) {
  mst_status status = MST_OK;
  const mst_document *head = r->head->document;
  if (r->head == r->base) return MST_OK;
  for (size_t i = 0; i < mst_document_partitions(head); i++) {
    const char *label = mst_document_label(head, i);
    if (mst_document_find(r->base->document, label) != MST_DOCUMENT_NONE) continue;
    MST_TRY(parts_read(p, r->head, label, column, r->cancel, err));
  }
done:
  return status;
}

/* Microseconds do not make a key unique among many writers: a random part does. */
static mst_status index_key(mst_run *r, const char *column, mst_buf *key, mst_error *err) {
  const mst_env *env = mst_context_env(r->ctx);
  const size_t ending = strlen(MST_KEY_INDEX);
  mst_status status = mst_key_index(key, r->uuid, column, env->now_us(env->self), err);
  if (status != MST_OK || !r->sectioned || key->size < ending) return status;
  key->size -= ending;
  return mst_buf_printf(key, err, "-%016llx%s", (unsigned long long)env->random(env->self), MST_KEY_INDEX);
}

static mst_status index_one(mst_run *r, mst_edit *e, const char *column, const mst_index *old, const mst_document *from,
                            bool fresh, mst_error *err) {
  mst_status status = MST_OK;
  parts p = {.mem = r->mem};
  mst_index *index = NULL;
  bool changed = false;
  mst_buf key;
  mst_buf_init(&key, r->mem, MST_KEY_MAX);
  int64_t at = r->schema == NULL ? -1 : mst_table_schema_find(r->schema, column);
  if (at < 0) {
    status = mst_fail(err, MST_E_NOT_FOUND, "the index is on '%.200s', which is no column", column);
    goto done;
  }
  MST_TRY(own_parts(r, column, &p, err));
  if (fresh && r->change != NULL) MST_TRY(others_parts(r, column, &p, err));
  parts_settle(&p);
  MST_TRY(mst_index_apply(r->mem, old, from, r->document, column, r->schema->children[at], p.items, p.n, &index,
                          &changed, err));
  if (!changed && !fresh) goto done;
  MST_TRY(index_key(r, column, &key, err));
  MST_TRY(mst_index_write(index, r->document, r->store, mst_buf_text(&key), r->cancel, err));
  MST_TRY(mst_edit_index(e, column, mst_buf_text(&key), err));
done:
  mst_index_unref(index);
  mst_buf_free(&key);
  parts_free(&p);
  return status;
}

static const mst_change_index *asked(const mst_run *r, const char *column) {
  for (size_t i = 0; r->change != NULL && i < r->change->n_indices; i++)
    if (strcmp(r->change->indices[i].column, column) == 0) return &r->change->indices[i];
  return NULL;
}

/* The head's indices, by what this commit removes and adds. */
static mst_status carry_indices(mst_run *r, mst_edit *e, mst_error *err) {
  mst_status status = MST_OK;
  const mst_document *head = r->head->document;
  for (size_t i = 0; i < mst_document_n_indices(head); i++) {
    const char *column = mst_document_index_column(head, i);
    const mst_change_index *a = asked(r, column);
    if (a != NULL) {
      /* built anew, or dropped */
      MST_TRY(a->built != NULL ? index_one(r, e, column, a->built, r->base->document, true, err)
                               : mst_edit_index(e, column, NULL, err));
      continue;
    }
    if (r->n_added == 0 && r->n_removed == 0 && mst_document_index_key(head, i) != NULL) continue;
    const mst_index *old = NULL;
    MST_TRY(mst_state_index(r->head, column, &old, r->cancel, err));
    MST_TRY(index_one(r, e, column, old, head, mst_document_index_key(head, i) == NULL, err));
  }
done:
  return status;
}

static mst_status build_indices(mst_run *r, mst_edit *e, mst_error *err) {
  mst_status status = MST_OK;
  for (size_t i = 0; i < r->change->n_indices; i++) {
    const mst_change_index *a = &r->change->indices[i];
    if (a->built == NULL || mst_document_index_find(r->head->document, a->column) != MST_DOCUMENT_NONE) continue;
    MST_TRY(index_one(r, e, a->column, a->built, r->base->document, true, err));
  }
done:
  return status;
}

static mst_status settle_indices(mst_run *r, mst_edit *e, mst_error *err) {
  mst_status status = MST_OK;
  if (r->first != NULL) {
    for (size_t i = 0; i < r->first->n_indices; i++)
      MST_TRY(index_one(r, e, r->first->indices[i], NULL, r->document, true, err));
  } else if (!r->whole) {
    MST_TRY(carry_indices(r, e, err));
    MST_TRY(build_indices(r, e, err));
  }
done:
  return status;
}

/* ---- the section ---------------------------------------------------------------------------------------------------
 */

static mst_status begin_section(mst_run *r, json_t **out, mst_error *err) {
  mst_status status = MST_OK;
  char birth[33];
  json_t *s = r->section.map != NULL ? json_deep_copy(r->section.map) : json_object();
  if (s == NULL) return mst_fail_memory(err);
  const char *history = r->first != NULL         ? (r->first->history != NULL ? r->first->history
                                                    : r->section.map != NULL  ? NULL
                                                                              : "7d")
                        : r->section.map == NULL ? "7d"
                                                 : NULL;
  if (r->section.birth == NULL || r->section.birth[0] == '\0') {
    mst_uuid_make(r->ctx, birth);
    MST_TRY(mst_json_set_text(s, "birth", birth, err));
  }
  MST_TRY(mst_json_set_u64(s, "format", MST_SECTION_FORMAT, err));
  MST_TRY(mst_json_set_u64(s, "version", r->version, err));
  if (history != NULL) MST_TRY(mst_json_set_text(s, "history", history, err));
  if (r->schema_key != NULL) MST_TRY(mst_json_set_text(s, "schema", r->schema_key, err));
  else (void)json_object_del(s, "schema");
  if (r->conditional && r->place[0] != '\0') MST_TRY(mst_json_set_text(s, "tried", r->place, err));
  else (void)json_object_del(s, "tried");
  if (r->behind) MST_TRY(mst_json_set(s, "behind", json_true(), err));
  else (void)json_object_del(s, "behind");
  if (r->twin) MST_TRY(mst_json_set(s, "twin", json_true(), err));
  else (void)json_object_del(s, "twin");
  *out = s;
  s = NULL;
done:
  json_decref(s);
  return status;
}

/* The state below, when somebody made it who keeps no log. */
static mst_status log_foreign(mst_run *r, json_t *section, int64_t now_us, mst_error *err) {
  if (r->head == NULL || (r->section.map != NULL && !r->external)) return MST_OK;
  const char *history = json_string_value(json_object_get(section, "history"));
  const bool kept = history != NULL && strcmp(history, "0") != 0;
  int64_t time = r->head->head.modified_ns / 1000;
  return mst_log_push_foreign(section, r->store, r->mem, r->uuid, r->head->document,
                              r->external ? NULL : r->section.schema, r->version - 1,
                              time > 0 && time < now_us ? time : now_us, kept, r->cancel, err);
}

static int64_t rows_in_files(const mst_run *r) {
  uint64_t sum = 0;
  for (size_t i = 0; i < file_count(r); i++)
    if (!mst_add_u64(sum, file_of(r, i)->rows, &sum)) return -1;
  return sum > INT64_MAX ? -1 : (int64_t)sum;
}

static mst_status push_log(mst_run *r, json_t *section, int64_t now_us, mst_error *err) {
  const mst_change *c = r->change;
  const char *operation = c == NULL                 ? (r->head == NULL ? "create" : "overwrite")
                          : c->operation[0] != '\0' ? c->operation
                                                    : "change";
  mst_log_commit entry = {
      .store = r->store,
      .mem = r->mem,
      .uuid = r->uuid,
      .from = r->head == NULL ? NULL : r->head->document,
      .to = r->document,
      .from_schema = r->head == NULL || r->external ? NULL : r->section.schema,
      .to_schema = r->schema_key,
      .id = r->id,
      .operation = operation,
      .added = r->added,
      .removed = r->removed,
      .n_added = r->n_added,
      .n_removed = r->n_removed,
      .whole = r->whole,
      .rows_added = c != NULL ? c->rows_added : rows_in_files(r),
      .rows_removed = c != NULL         ? c->rows_removed
                      : r->head != NULL ? -1
                                        : 0,
      .version = r->version,
      .now_us = now_us,
      .document_bytes = mst_document_bytes_held(r->document),
  };
  return mst_log_push(section, &entry, r->cancel, err);
}

static mst_status push_statistics(mst_run *r, json_t *section, mst_error *err) {
  mst_status status = MST_OK;
  const mst_new_file **files = mst_alloc_array(r->mem, file_count(r) + 1, sizeof *files);
  if (files == NULL) return mst_fail_memory(err);
  for (size_t i = 0; i < file_count(r); i++) files[i] = file_of(r, i);
  const mst_stats_commit c = {.ctx = r->ctx,
                              .store = r->store,
                              .uuid = r->uuid,
                              .schema = r->schema,
                              .document = r->document,
                              .files = files,
                              .n_files = r->whole && r->change != NULL ? 0 : file_count(r)};
  status = mst_stats_push(section, &c, r->cancel, err);
  mst_free(r->mem, (void *)(uintptr_t)files);
  return status;
}

static mst_status make_section(mst_run *r, mst_edit *e, mst_error *err) {
  mst_status status = MST_OK;
  json_t *section = NULL;
  char digest[33];
  const mst_env *env = mst_context_env(r->ctx);
  const int64_t now_us = env->now_us(env->self);
  MST_TRY(begin_section(r, &section, err));
  MST_TRY(log_foreign(r, section, now_us, err));
  MST_TRY(push_log(r, section, now_us, err));
  MST_TRY(push_statistics(r, section, err));
  MST_TRY(mst_document_digest(r->document, digest, err));
  MST_TRY(mst_json_set_text(section, "digest", digest, err));
  MST_TRY(mst_edit_metadata_set(e, MST_SECTION, json_incref(section), err));
done:
  json_decref(section);
  return status;
}

/* ---- all of it -----------------------------------------------------------------------------------------------------
 */

static mst_status finish_edit(mst_run *r, mst_edit *e, mst_error *err) {
  mst_document *document = NULL;
  mst_status status = mst_edit_finish(e, &document, err);
  if (status != MST_OK) return status;
  mst_document_unref(r->document);
  r->document = document;
  return MST_OK;
}

mst_status mst_run_build(mst_run *r, mst_error *err) {
  mst_status status = MST_OK;
  mst_edit *e = NULL;
  mst_run_clear(r);
  r->sectioned = !r->plateau || r->section.map != NULL;
  r->version = r->head == NULL ? 1 : r->head->version + 1;
  r->twin = r->head != NULL && (r->head->form == MST_DOCUMENT_MSGPACK || r->section.twin);
  MST_TRY(r->change != NULL ? edit_change(r, &e, err) : edit_first(r, &e, err));
  MST_TRY(mst_edit_metadata_set(e, MST_SECTION, NULL, err));
  MST_TRY(finish_edit(r, e, err));
  count_whole(r);
  MST_TRY(settle_schema(r, err));
  MST_TRY(settle_indices(r, e, err));
  MST_TRY(finish_edit(r, e, err));
  if (r->sectioned) {
    MST_TRY(make_section(r, e, err));
    MST_TRY(finish_edit(r, e, err));
  }
  MST_TRY(mst_document_print(r->document, r->first != NULL && r->head == NULL ? r->first->form : MST_DOCUMENT_JSON,
                             &r->text, err));
done:
  mst_edit_free(e);
  return status;
}
