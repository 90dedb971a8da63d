/* dataset/state.c - snapshots: opening, the facts they carry, and what is loaded on demand; see state.h and dataset.h. */
#include "dataset/dataset.h"

#include "dataset/implicit.h"
#include "dataset/schema.h"
#include "dataset/section.h"
#include "dataset/state.h"
#include "dataset/value.h"

/* ---- making a snapshot ------------------------------------------------------------------------------------------ */

static mst_status new_state(mst_store *store, const char *uuid, mst_dataset **out, mst_error *err) {
  mst_context *ctx = mst_store_context(store);
  const mst_allocator *mem = mst_context_mem(ctx);
  mst_dataset *d = mst_alloc_zero(mem, 1, sizeof *d);
  if (d == NULL) return mst_fail_memory(err);
  d->refs = 1;
  d->mem = mem;
  d->ctx = mst_context_ref(ctx);
  d->store = mst_store_ref(store);
  d->memory = mst_context_memory_max(ctx);
  d->version = 1;
  pthread_mutex_init(&d->guard, NULL);
  d->uuid = mst_text_copy(mem, uuid);
  if (d->uuid == NULL) {
    mst_ds_unref(d);
    return mst_fail_memory(err);
  }
  *out = d;
  return MST_OK;
}

mst_dataset *mst_ds_ref(mst_dataset *d) {
  atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
  return d;
}

void mst_ds_unref(mst_dataset *d) {
  if (d == NULL || atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) != 1) return;
  const mst_allocator *mem = d->mem;
  mst_context *ctx = d->ctx;
  if (d->statistics_free != NULL && d->statistics != NULL) d->statistics_free(d, d->statistics);
  for (size_t i = 0; d->indices != NULL && i < mst_document_n_indices(d->document); i++) mst_index_unref(d->indices[i]);
  mst_free(mem, d->indices);
  mst_array_release(&d->keys);
  mst_schema_release(&d->keys_schema);
  mst_schema_release(&d->schema);
  mst_document_unref(d->document);
  pthread_mutex_destroy(&d->guard);
  mst_free(mem, d->uuid);
  mst_free(mem, d->lock_name);
  mst_free(mem, d->head_key);
  mst_free(mem, d->table);
  mst_free(mem, d->schema_key);
  mst_store_unref(d->store);
  mst_free(mem, d);
  mst_context_unref(ctx);
}

static mst_status take_options(mst_dataset *d, const mst_dataset_options *o, mst_error *err) {
  if (o->memory != 0) d->memory = o->memory;
  d->plateau = o->plateau != 0;
  if (o->lock == NULL) return MST_OK;
  d->lock_name = mst_text_copy(d->mem, o->lock);
  return d->lock_name != NULL ? MST_OK : mst_fail_memory(err);
}

static mst_status try_schema(mst_dataset *d, const char *key, mst_cancel *cancel, mst_error *err) {
  mst_status status = mst_common_read(d->store, key, &d->schema, cancel, err);
  if (status != MST_OK) return status;
  d->schema_key = mst_text_copy(d->mem, key);
  return d->schema_key != NULL ? MST_OK : mst_fail_memory(err);
}

/* The one that the head names; `_common_metadata` when it names none, or was written by somebody who does not know of it. */
static mst_status load_schema(mst_dataset *d, const char *named, mst_cancel *cancel, mst_error *err) {
  mst_buf key;
  mst_buf_init(&key, d->mem, SIZE_MAX / 2);
  mst_status status = named != NULL ? try_schema(d, named, cancel, err) : MST_E_NOT_FOUND;
  if (status == MST_E_NOT_FOUND && named == NULL) {
    status = mst_key_common(&key, d->uuid, d->table, err);
    if (status == MST_OK) status = try_schema(d, mst_buf_text(&key), cancel, err);
    if (status == MST_E_NOT_FOUND && mst_document_partitions(d->document) == 0) {
      mst_error_clear(err); /* a header without data */
      status = MST_OK;
    }
  }
  mst_buf_free(&key);
  return status;
}

/* A key without a schema has one all the same: the texts of the labels. */
static mst_status check_schema(const mst_dataset *d, mst_error *err) {
  if (d->schema.release == NULL) return MST_OK;
  for (size_t i = 0; i < mst_document_n_keys(d->document); i++)
    if (mst_table_schema_find(&d->schema, mst_document_key(d->document, i)) < 0)
      return mst_fail(err, MST_E_CORRUPT, "dataset %.60s: the partition key \"%.100s\" is no column of the schema in %.200s", d->uuid,
                      mst_document_key(d->document, i), d->schema_key != NULL ? d->schema_key : "its head");
  return MST_OK;
}

/* What is not in the document itself: listed partitions, the table's name, the version, the schema. */
static mst_status complete(mst_dataset *d, const struct ArrowSchema *schema, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_section section;
  mst_document *listed = NULL;
  bool external = false;
  uint64_t version = 1;
  MST_TRY(mst_section_of(d->document, d->uuid, &section, err));
  if (section.dropped) MST_TRY(mst_fail(err, MST_E_NOT_FOUND, "dataset %.60s was dropped; dropping it again removes what is left", d->uuid));
  MST_TRY(mst_section_version(d->document, &section, &version, &external, err));
  if (!d->past) d->version = version;
  /* Its names are the document's, which may be replaced. */
  char *named = section.schema != NULL && !external ? mst_text_copy(d->mem, section.schema) : NULL;
  if (!mst_document_explicit(d->document)) {
    status = mst_implicit_partitions(d->store, d->document, &listed, cancel, err);
    if (status == MST_OK) {
      mst_document_unref(d->document);
      d->document = listed;
      d->implicit = true;
    }
  }
  if (status == MST_OK && mst_document_table(d->document) != NULL) d->table = mst_text_copy(d->mem, mst_document_table(d->document));
  else if (status == MST_OK) status = mst_implicit_table(d->store, d->uuid, d->mem, &d->table, cancel, err);
  if (status == MST_OK && d->table == NULL) d->table = mst_text_copy(d->mem, "table");
  if (status == MST_OK && d->table == NULL) status = mst_fail_memory(err);
  if (status == MST_OK && schema != NULL) status = mst_schema_copy(d->mem, schema, &d->schema, err);
  else if (status == MST_OK) status = load_schema(d, named, cancel, err);
  mst_free(d->mem, named);
  MST_TRY(status);
  MST_TRY(check_schema(d, err));
  MST_TRY_ALLOC(d->indices = mst_alloc_zero(d->mem, mst_document_n_indices(d->document) + 1, sizeof *d->indices));
done:
  return status;
}

/* The document may carry another uuid than it was found under; the one inside counts for all keys. */
static mst_status take_uuid(mst_dataset *d, mst_error *err) {
  const char *inside = mst_document_uuid(d->document);
  if (strcmp(inside, d->uuid) == 0) return MST_OK;
  char *copy = mst_text_copy(d->mem, inside);
  if (copy == NULL) return mst_fail_memory(err);
  mst_free(d->mem, d->uuid);
  d->uuid = copy;
  d->foreign = true;
  return MST_OK;
}

mst_status mst_ds_open(mst_store *store, const char *uuid, const mst_dataset_options *options, mst_dataset **out, mst_cancel *cancel,
                       mst_error *err) {
  mst_status status = MST_OK;
  mst_dataset *d = NULL;
  mst_bytes bytes = {0};
  mst_buf key;
  mst_buf_init(&key, mst_context_mem(mst_store_context(store)), SIZE_MAX / 2);
  MST_TRY(mst_uuid_check(uuid, err));
  MST_TRY(new_state(store, uuid, &d, err));
  MST_TRY(take_options(d, options, err));
  MST_TRY(mst_state_head(store, uuid, &bytes, &d->form, &key, &d->head, cancel, err));
  MST_TRY_ALLOC(d->head_key = mst_text_copy(d->mem, mst_buf_text(&key)));
  MST_TRY(mst_document_parse(d->mem, bytes.data, bytes.size, d->form, d->head_key, &d->document, err));
  mst_bytes_release(&bytes);
  MST_TRY(take_uuid(d, err));
  MST_TRY(complete(d, NULL, cancel, err));
  *out = d;
  d = NULL;
done:
  mst_bytes_release(&bytes);
  mst_buf_free(&key);
  mst_ds_unref(d);
  return mst_while(err, status, "dataset %.60s", uuid);
}

mst_status mst_state_of(mst_dataset *like, mst_document *document, mst_document_form form, const mst_pin *head, uint64_t version,
                        const struct ArrowSchema *schema, mst_dataset **out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_dataset *d = NULL;
  mst_buf key;
  mst_buf_init(&key, like->mem, SIZE_MAX / 2);
  const mst_dataset_options options = {.memory = like->memory, .plateau = like->plateau, .lock = like->lock_name};
  MST_TRY(new_state(like->store, like->uuid, &d, err));
  MST_TRY(take_options(d, &options, err));
  MST_TRY(mst_key_head(&key, like->uuid, form == MST_DOCUMENT_MSGPACK, err));
  MST_TRY_ALLOC(d->head_key = mst_text_copy(d->mem, mst_buf_text(&key)));
  d->form = form;
  d->past = head == NULL;
  if (head != NULL) d->head = *head;
  d->document = mst_document_ref(document);
  MST_TRY(complete(d, schema, cancel, err));
  d->version = version;
  *out = d;
  d = NULL;
done:
  mst_buf_free(&key);
  mst_ds_unref(d);
  return status;
}

mst_status mst_ds_refresh(mst_dataset *d, mst_dataset **out, mst_cancel *cancel, mst_error *err) {
  const mst_dataset_options options = {.memory = d->memory, .plateau = d->plateau, .lock = d->lock_name};
  return mst_ds_open(d->store, d->uuid, &options, out, cancel, err);
}

mst_status mst_ds_locate(mst_context *ctx, const char *url, const mst_dataset_options *options, mst_store **store, char **uuid,
                         mst_error *err) {
  mst_status status = MST_OK;
  mst_location at = {0};
  const mst_allocator *mem = mst_context_mem(ctx);
  char *key = NULL, shown[320];
  MST_TRY(mst_location_open(ctx, url, options->config, options->n_config, &at, err));
  MST_TRY_ALLOC(key = mst_text_copy(mem, at.key != NULL ? at.key : ""));
  size_t n = strlen(key);
  while (n > 0 && key[n - 1] == '/') key[--n] = '\0';
  if (n == 0)
    MST_TRY(mst_fail(err, MST_E_ARGUMENT, "%.200s names a store, not a dataset: a dataset's URL ends with its uuid", mst_url_redact(url, shown, sizeof shown)));
  char *slash = strrchr(key, '/');
  MST_TRY_ALLOC(*uuid = mst_text_copy(mem, slash != NULL ? slash + 1 : key));
  if (slash != NULL) slash[1] = '\0';
  status = slash != NULL ? mst_store_below(at.store, key, store, err) : MST_OK;
  if (slash == NULL) *store = mst_store_ref(at.store);
  if (status != MST_OK) mst_free(mem, *uuid);
done:
  mst_free(mem, key);
  mst_location_close(&at);
  return status;
}

/* ---- facts ------------------------------------------------------------------------------------------------------ */

const char *mst_ds_uuid(const mst_dataset *d) { return d->uuid; }
const char *mst_ds_table(const mst_dataset *d) { return d->table; }
uint64_t mst_ds_version(const mst_dataset *d) { return d->version; }
size_t mst_ds_partition_count(const mst_dataset *d) { return mst_document_partitions(d->document); }

mst_status mst_ds_schema(mst_dataset *d, struct ArrowSchema *out, mst_error *err) {
  if (d->schema.release != NULL) return mst_schema_copy(d->mem, &d->schema, out, err);
  const struct ArrowSchema *keys;
  const struct ArrowArray *batch;
  mst_status status = mst_state_keys(d, &keys, &batch, err);
  return status == MST_OK ? mst_schema_copy(d->mem, keys, out, err) : status;
}

static mst_status has_object(mst_store *store, const char *key, bool *out, mst_cancel *cancel, mst_error *err) {
  mst_op op = mst_op_make(MST_OP_HEAD, key);
  op.cancel = cancel;
  mst_status status = mst_store_perform(store, &op, err);
  *out = status == MST_OK;
  if (status != MST_E_NOT_FOUND) return status;
  mst_error_clear(err);
  return MST_OK;
}

/* A tombstone is small and is looked into; a real document need not be read. */
static mst_status is_tombstone(mst_store *store, const char *key, const char *uuid, bool *out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_document *d = NULL;
  mst_bytes bytes = {0};
  mst_section section;
  *out = false;
  status = mst_state_get(store, key, (size_t)1 << 16, &bytes, NULL, cancel, err);
  if (status == MST_OK) status = mst_document_parse(NULL, bytes.data, bytes.size, MST_DOCUMENT_JSON, key, &d, err);
  if (status == MST_OK) status = mst_section_of(d, uuid, &section, err);
  if (status == MST_OK) *out = section.dropped;
  if (status == MST_E_NOT_FOUND) *out = true;
  if (status == MST_E_LIMIT || status == MST_E_CORRUPT || status == MST_E_UNSUPPORTED || status == MST_E_NOT_FOUND) {
    mst_error_clear(err);
    status = MST_OK;
  }
  mst_document_unref(d);
  mst_bytes_release(&bytes);
  return status;
}

mst_status mst_ds_exists(mst_store *store, const char *uuid, bool *out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  bool found = false, dropped = false;
  mst_buf key;
  mst_buf_init(&key, mst_context_mem(mst_store_context(store)), SIZE_MAX / 2);
  MST_TRY(mst_uuid_check(uuid, err));
  MST_TRY(mst_key_head(&key, uuid, false, err));
  MST_TRY(has_object(store, mst_buf_text(&key), &found, cancel, err));
  if (found) MST_TRY(is_tombstone(store, mst_buf_text(&key), uuid, &dropped, cancel, err));
  if (!found) {
    mst_buf_clear(&key);
    MST_TRY(mst_key_head(&key, uuid, true, err));
    MST_TRY(has_object(store, mst_buf_text(&key), &found, cancel, err));
  }
  *out = found && !dropped;
done:
  mst_buf_free(&key);
  return status;
}

/* ---- on demand -------------------------------------------------------------------------------------------------- */

mst_status mst_state_keys(mst_dataset *d, const struct ArrowSchema **schema, const struct ArrowArray **batch, mst_error *err) {
  mst_status status = MST_OK;
  pthread_mutex_lock(&d->guard);
  if (d->keys.release == NULL)
    status = mst_values_of_labels(d->mem, d->document, &d->schema, &d->keys_schema, &d->keys, err);
  pthread_mutex_unlock(&d->guard);
  if (status != MST_OK) return status;
  *schema = &d->keys_schema;
  *batch = &d->keys;
  return MST_OK;
}

mst_status mst_state_field(const mst_dataset *d, const char *column, const struct ArrowSchema **out, mst_error *err) {
  mst_status status = MST_OK;
  const int64_t n = d->schema.release != NULL ? d->schema.n_children : 0;
  const char **names;
  for (int64_t i = 0; i < n; i++)
    if (strcmp(d->schema.children[i]->name, column) == 0) {
      *out = d->schema.children[i];
      return MST_OK;
    }
  MST_TRY_ALLOC(names = mst_alloc_array(d->mem, (size_t)n + 1, sizeof *names));
  for (int64_t i = 0; i < n; i++) names[i] = d->schema.children[i]->name;
  const char *near = mst_text_nearest(column, names, (size_t)n);
  status = mst_fail(err, MST_E_NOT_FOUND, "dataset %.60s has no column \"%.100s\"%s%.100s%s", d->uuid, column,
                    near != NULL ? "; did you mean \"" : "", near != NULL ? near : "", near != NULL ? "\"?" : "");
  mst_free(d->mem, names);
done:
  return status;
}

mst_status mst_state_index(mst_dataset *d, const char *column, const mst_index **out, mst_cancel *cancel, mst_error *err) {
  mst_index *loaded = NULL;
  const struct ArrowSchema *field;
  const size_t i = mst_document_index_find(d->document, column);
  if (i == MST_DOCUMENT_NONE) return mst_fail(err, MST_E_NOT_FOUND, "dataset %.60s has no index on column \"%.100s\"", d->uuid, column);
  pthread_mutex_lock(&d->guard);
  *out = d->indices[i];
  pthread_mutex_unlock(&d->guard);
  if (*out != NULL) return MST_OK;
  mst_status status = mst_state_field(d, column, &field, err);
  if (status == MST_OK) status = mst_index_load(d->ctx, d->store, d->document, i, field, &loaded, cancel, err);
  if (status != MST_OK) return status;
  pthread_mutex_lock(&d->guard);
  if (d->indices[i] == NULL) {
    d->indices[i] = loaded;
    loaded = NULL;
  }
  *out = d->indices[i];
  pthread_mutex_unlock(&d->guard);
  mst_index_unref(loaded);
  return MST_OK;
}

mst_status mst_ds_index(mst_dataset *d, const char *column, struct ArrowArrayStream *out, mst_cancel *cancel, mst_error *err) {
  const mst_index *index;
  mst_status status = mst_state_index(d, column, &index, cancel, err);
  if (status != MST_OK) return status;
  return mst_index_stream((mst_index *)(uintptr_t)index, d->document, out, err);
}
