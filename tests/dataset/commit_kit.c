/* dataset/commit_kit.c - see commit_kit.h. */
#include "commit_kit.h"

#include <stdio.h>
#include <stdlib.h>

#include "dataset/key.h"

void kit_open(kit *k, uint64_t seed) {
  static atomic_uint number;
  char name[64];
  *k = (kit){0};
  mst_test_env_init(&k->env, seed, NULL);
  mst_context_options options = MST_CONTEXT_OPTIONS_INIT;
  options.cpu_threads = 1;
  options.env = &k->env.env;
  assert_int_equal(mst_context_open(&options, &k->ctx, &k->err), MST_OK);
  (void)snprintf(name, sizeof name, "kit-%u", atomic_fetch_add(&number, 1));
  k->store = kit_memory_store(k, name);
}

mst_store *kit_memory_store(kit *k, const char *name) {
  char url[128];
  mst_store *store = NULL;
  (void)snprintf(url, sizeof url, "memory://%s", name);
  assert_int_equal(mst_store_open_url(k->ctx, url, NULL, 0, &store, &k->err), MST_OK);
  return store;
}

void kit_set_store(kit *k, mst_store *store) {
  mst_store_unref(k->store);
  k->store = store;
}

void kit_close(kit *k) {
  mst_store_unref(k->store);
  mst_context_unref(k->ctx);
}

/* ---- files ---------------------------------------------------------------------------------------------------------
 */

static const mst_field column = {.name = "v", .format = "l", .nullable = true};

static void table_schema(kit *k, struct ArrowSchema *out) { OK(mst_schema_make(NULL, &column, 1, out, &k->err)); }

mst_status kit_try_file(kit *k, mst_new_files *list, const char *label) {
  mst_buf key;
  mst_buf_init(&key, NULL, SIZE_MAX);
  mst_status status = mst_key_file(&key, KIT_UUID, "table", label, &k->err);
  if (status == MST_OK)
    status = mst_put_object(k->store, mst_buf_text(&key), "x", 1, MST_PUT_REPLACE, NULL, NULL, NULL, &k->err);
  mst_new_file file = {.label = mst_text_copy(list->mem, label), .key = mst_text_copy(list->mem, mst_buf_text(&key))};
  if (status == MST_OK) status = mst_new_files_put(list, &file, &k->err);
  else mst_new_file_end(list->mem, &file);
  mst_buf_free(&key);
  return status;
}

void kit_add_file(kit *k, mst_new_files *list, const char *label) { OK(kit_try_file(k, list, label)); }

/* ---- datasets ------------------------------------------------------------------------------------------------------
 */

mst_status kit_create(kit *k, const char *const *labels, size_t n, const char *history, mst_dataset **out) {
  mst_new_files files;
  struct ArrowSchema schema;
  mst_new_files_init(&files, NULL);
  for (size_t i = 0; i < n; i++) kit_add_file(k, &files, labels[i]);
  table_schema(k, &schema);
  json_t *metadata = json_pack("{s:s}", "creation_time", "2026-11-21T00:00:00+00:00");
  mst_first_commit c = {.ctx = k->ctx,
                        .store = k->store,
                        .uuid = KIT_UUID,
                        .table = "table",
                        .files = &files,
                        .schema = &schema,
                        .metadata = metadata,
                        .history = history};
  mst_status status = mst_commit_first(&c, out, NULL, NULL, &k->err);
  json_decref(metadata);
  mst_schema_release(&schema);
  mst_new_files_free(&files);
  return status;
}

mst_change *kit_change(kit *k, mst_dataset *d, const char *add, const char *remove) {
  mst_change *c = NULL;
  mst_new_files files;
  OK(mst_ds_change_open(d, &c, &k->err));
  if (remove != NULL) OK(mst_ds_change_remove_labels(c, &remove, 1, NULL, &k->err));
  if (add == NULL) return c;
  mst_new_files_init(&files, NULL);
  kit_add_file(k, &files, add);
  OK(mst_change_add_files(c, &files, &k->err));
  mst_change_did(c, "append");
  mst_change_count(c, 0, 0);
  mst_new_files_free(&files);
  return c;
}

mst_status kit_commit(kit *k, mst_change *c, mst_dataset **out) {
  mst_status status = mst_ds_change_commit(c, out, NULL, NULL, &k->err);
  mst_ds_change_free(c);
  return status;
}

mst_dataset *kit_append(kit *k, mst_dataset *d, const char *add) {
  mst_dataset *after = NULL;
  OK(kit_commit(k, kit_change(k, d, add, NULL), &after));
  mst_ds_unref(d);
  return after;
}

mst_dataset *kit_open_dataset(kit *k) {
  mst_dataset *d = NULL;
  mst_dataset_options options = MST_DATASET_OPTIONS_INIT;
  OK(mst_ds_open(k->store, KIT_UUID, &options, &d, NULL, &k->err));
  return d;
}

bool kit_has(const mst_dataset *d, const char *label) {
  return mst_document_find(d->document, label) != MST_DOCUMENT_NONE;
}

static mst_status count(void *arg, const mst_object_info *info, mst_error *err) {
  (void)info;
  (void)err;
  ++*(size_t *)arg;
  return MST_OK;
}

size_t kit_count(kit *k, const char *prefix) {
  size_t n = 0;
  OK(mst_list_run(k->store, prefix, NULL, count, &n, NULL, &k->err));
  return n;
}

bool kit_has_object(kit *k, const char *key) {
  mst_op op = mst_op_make(MST_OP_HEAD, key);
  return mst_store_perform(k->store, &op, NULL) == MST_OK;
}

json_t *kit_log(kit *k, mst_dataset *d) {
  json_t *log = NULL;
  OK(mst_ds_log(d, &log, NULL, &k->err));
  return log;
}

/* ---- a store with faults -------------------------------------------------------------------------------------------
 */

typedef struct faulty {
  mst_store *inner;
  kit_faults faults;
} faulty;

static mst_status faulty_run(void *self, mst_op *op, mst_error *err) {
  faulty *f = self;
  const kit_fate fate = f->faults.decide(f->faults.self, op);
  if (fate == KIT_LOSE_REQUEST) return mst_fail(err, MST_E_IO, "the connection broke before the request was sent");
  mst_op inner = *op;
  inner.done = NULL;
  mst_status status = mst_store_perform(f->inner, &inner, err);
  if (f->faults.after != NULL) f->faults.after(f->faults.self, op, fate);
  if (fate == KIT_LOSE_REPLY) return mst_fail(err, MST_E_IO, "the connection broke before the reply came");
  op->got = inner.got;
  op->info = inner.info;
  op->requests = inner.requests;
  memcpy(op->upload_id, inner.upload_id, sizeof op->upload_id);
  memcpy(op->part_tag, inner.part_tag, sizeof op->part_tag);
  return status;
}

static void faulty_close(void *self) {
  faulty *f = self;
  mst_store_unref(f->inner);
  free(f);
}

mst_store *kit_faulty(kit *k, mst_store *inner, const kit_faults *faults) {
  faulty *f = calloc(1, sizeof *f);
  mst_store *out = NULL;
  assert_non_null(f);
  f->inner = mst_store_ref(inner);
  f->faults = *faults;
  mst_store_ops ops = {
      .struct_size = sizeof ops, .name = "faulty", .flags = MST_STORE_LOCAL, .run = faulty_run, .close = faulty_close};
  OK(mst_store_wrap(k->ctx, &ops, f, mst_store_url(inner), &out, &k->err));
  return out;
}
