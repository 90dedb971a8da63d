/* dataset/drop.c - removes a dataset: the head becomes a tombstone, by a conditional write that every writer meets;
 * then the msgpack twin goes, then all else below the dataset's prefixes, and the tombstone last. What is interrupted
 * is taken up by dropping again.
 *
 * Deletions carry no condition, for some servers ignore it: whoever ends a drop looks at the tombstone once more right
 * before deleting it, and leaves one alone that another has taken over. May call: base, store, dataset's own headers.
 */
#include "dataset/commit_run.h"

#include "dataset/dataset.h"
#include "dataset/gc.h"
#include "dataset/key.h"
#include "dataset/ours.h"

enum { TRIES_MAX = 1000 };

typedef struct drop {
  mst_store *store;
  const mst_allocator *mem;
  const char *uuid;
  const char *lock_name;
  mst_cancel *cancel;
  bool conditional;
  char id[33];
  char tried[17];     /* what the document says of its store */
  mst_buf head, twin; /* keys */
  json_t *keys;       /* what goes, besides these two */
  bool has_head, has_twin;
  bool had_head;  /* before anything was done */
  bool of_others; /* the document says that it belongs to another dataset */
  mst_pin pin;    /* of the head, or of our tombstone */
  bool tombstone; /* the head is one */
} drop;

/* ---- looking -------------------------------------------------------------------------------------------------------
 */

static mst_status has(drop *d, const char *key, bool *out, mst_error *err) {
  mst_op op = mst_op_make(MST_OP_HEAD, key);
  op.cancel = d->cancel;
  mst_status status = mst_store_perform(d->store, &op, err);
  *out = status == MST_OK;
  if (status != MST_E_NOT_FOUND) return status;
  mst_error_clear(err);
  return MST_OK;
}

/* The head as it is; a document that cannot be read is dropped all the same. */
static mst_status look(drop *d, bool *ours, mst_error *err) {
  mst_status status = MST_OK;
  mst_bytes bytes = {0};
  mst_document *doc = NULL;
  mst_section s;
  *ours = false;
  d->has_head = d->tombstone = d->of_others = false;
  status = mst_state_get(d->store, mst_buf_text(&d->head), MST_DOCUMENT_BYTES_MAX, &bytes, &d->pin, d->cancel, err);
  if (status == MST_E_NOT_FOUND) {
    mst_error_clear(err);
    return MST_OK;
  }
  if (status != MST_OK) return status;
  d->has_head = true;
  if (mst_document_parse(d->mem, bytes.data, bytes.size, MST_DOCUMENT_JSON, mst_buf_text(&d->head), &doc, NULL) ==
      MST_OK) {
    d->of_others = strcmp(mst_document_uuid(doc), d->uuid) != 0;
    const bool has_section = mst_section_of(doc, d->uuid, &s, NULL) == MST_OK;
    if (has_section && strlen(s.tried) < sizeof d->tried) memcpy(d->tried, s.tried, strlen(s.tried) + 1);
    if (has_section && s.dropped) {
      d->tombstone = true;
      *ours = strcmp(s.digest, d->id) == 0;
    }
  }
  mst_document_unref(doc);
  mst_bytes_release(&bytes);
  return MST_OK;
}

static mst_status note(void *arg, const mst_object_info *info, mst_error *err) {
  drop *d = arg;
  if (!mst_key_is_deletable(info->key, d->uuid)) return MST_OK;
  if (strcmp(info->key, mst_buf_text(&d->head)) == 0 || strcmp(info->key, mst_buf_text(&d->twin)) == 0) return MST_OK;
  return json_array_append_new(d->keys, json_string(info->key)) == 0 ? MST_OK : mst_fail_memory(err);
}

static mst_status list_below(drop *d, const char *ending, mst_error *err) {
  mst_buf prefix;
  mst_buf_init(&prefix, d->mem, SIZE_MAX);
  mst_status status = mst_buf_printf(&prefix, err, "%s%s", d->uuid, ending);
  if (status == MST_OK) status = mst_list_run(d->store, mst_buf_text(&prefix), NULL, note, d, d->cancel, err);
  mst_buf_free(&prefix);
  return status;
}

/* Legacy indices lie beside the head. */
static mst_status note_legacy(void *arg, const mst_object_info *info, mst_error *err) {
  drop *d = arg;
  if (!mst_text_ends(info->key, MST_KEY_INDEX) || info->is_prefix) return MST_OK;
  return json_array_append_new(d->keys, json_string(info->key)) == 0 ? MST_OK : mst_fail_memory(err);
}

static mst_status list_all(drop *d, mst_error *err) {
  mst_status status = MST_OK;
  mst_buf prefix;
  mst_buf_init(&prefix, d->mem, SIZE_MAX);
  (void)json_array_clear(d->keys);
  MST_TRY(list_below(d, "/", err));
  MST_TRY(list_below(d, MST_KEY_OURS, err));
  MST_TRY(mst_buf_printf(&prefix, err, "%s.", d->uuid));
  MST_TRY(mst_list_run(d->store, mst_buf_text(&prefix), "/", note_legacy, d, d->cancel, err));
done:
  mst_buf_free(&prefix);
  return status;
}

/* ---- the tombstone -------------------------------------------------------------------------------------------------
 */

static mst_status tombstone_text(drop *d, mst_buf *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_edit *e = NULL;
  mst_document *doc = NULL;
  json_t *map = json_pack("{s:{s:i,s:I,s:s,s:b}}", MST_SECTION, "format", MST_SECTION_FORMAT, "version", (json_int_t)1,
                          "digest", d->id, "dropped", 1);
  MST_TRY_ALLOC(map);
  MST_TRY(mst_edit_open(d->mem, NULL, d->uuid, "table", &e, err));
  MST_TRY(mst_edit_metadata(e, map, err));
  MST_TRY(mst_edit_finish(e, &doc, err));
  MST_TRY(mst_document_print(doc, MST_DOCUMENT_JSON, out, err));
done:
  json_decref(map);
  mst_edit_free(e);
  mst_document_unref(doc);
  return status;
}

static mst_status put_tombstone(drop *d, const mst_buf *text, mst_error *err) {
  mst_status status = MST_OK;
  mst_lock *lock = NULL;
  const mst_put_mode mode = !d->conditional ? MST_PUT_REPLACE : d->has_head ? MST_PUT_IF_MATCH : MST_PUT_CREATE;
  if (d->lock_name != NULL) MST_TRY(mst_lock_take(d->store, d->uuid, d->lock_name, &lock, d->cancel, err));
  status = mst_put_object(d->store, mst_buf_text(&d->head), text->data, text->size, mode, d->has_head ? &d->pin : NULL,
                          &d->pin, d->cancel, err);
done:
  mst_lock_give(lock);
  return status;
}

static bool worth_another(mst_status status) {
  return status == MST_E_EXISTS || status == MST_E_CONFLICT || status == MST_E_IO || status == MST_E_TIMEOUT ||
         status == MST_E_CHANGED;
}

/* Until the head is a tombstone of our own. A commit that comes before it is dropped with the rest. */
static mst_status bury(drop *d, mst_error *err) {
  mst_status status = MST_OK;
  bool ours = false;
  uint32_t failed = 0;
  mst_buf text;
  mst_buf_init(&text, d->mem, SIZE_MAX);
  MST_TRY(tombstone_text(d, &text, err));
  for (uint32_t i = 0; i < TRIES_MAX; i++) {
    status = put_tombstone(d, &text, err);
    if (status == MST_OK) goto done;
    if (!worth_another(status) || (status != MST_E_EXISTS && status != MST_E_CONFLICT && ++failed > 6)) goto done;
    mst_error why = err != NULL ? *err : (mst_error){0};
    MST_TRY(look(d, &ours, err));
    if (ours) goto done;
    MST_TRY(has(d, mst_buf_text(&d->twin), &d->has_twin, err));
    if (!d->has_head && !d->has_twin) {
      /* another has dropped it meanwhile */
      if (err != NULL) *err = why;
      status = mst_fail(err, MST_E_NOT_FOUND, "the dataset '%s' was dropped meanwhile", d->uuid);
      goto done;
    }
  }
  status = mst_fail(err, MST_E_CONFLICT, "other writers won every time");
done:
  mst_buf_free(&text);
  return status;
}

/* ---- removing ------------------------------------------------------------------------------------------------------
 */

static mst_status delete_one(drop *d, const char *key, mst_error *err) {
  json_t *keys = json_pack("[s]", key);
  if (keys == NULL) return mst_fail_memory(err);
  mst_status status = mst_keys_delete(d->store, keys, d->cancel, err);
  json_decref(keys);
  return status;
}

static mst_status remove_all(drop *d, mst_error *err) {
  mst_status status = MST_OK;
  bool ours = false;
  MST_TRY(delete_one(d, mst_buf_text(&d->twin), err));
  MST_TRY(list_all(d, err));
  MST_TRY(mst_keys_delete(d->store, d->keys, d->cancel, err));
  MST_TRY(mst_keys_clear(d->store, d->uuid, INT64_MAX, err));
  MST_TRY(look(d, &ours, err));
  if (ours) MST_TRY(delete_one(d, mst_buf_text(&d->head), err));
done:
  return status;
}

static mst_status tell(drop *d, json_t **keys, mst_error *err) {
  if (d->has_twin && json_array_insert_new(d->keys, 0, json_string(mst_buf_text(&d->twin))) != 0)
    return mst_fail_memory(err);
  if (d->had_head && json_array_append_new(d->keys, json_string(mst_buf_text(&d->head))) != 0)
    return mst_fail_memory(err);
  *keys = json_incref(d->keys);
  return MST_OK;
}

static mst_status settle_mode(drop *d, bool plateau, mst_error *err) {
  d->conditional = d->lock_name == NULL;
  if (!d->conditional) return MST_OK;
  mst_status status = mst_probe_require(d->store, d->uuid, d->tried, d->cancel, err);
  if (status != MST_E_UNSUPPORTED || !plateau) return status;
  d->conditional = false;
  mst_error_clear(err);
  return MST_OK;
}

mst_status mst_ds_drop(mst_store *store, const char *uuid, const mst_dataset_options *options, bool dry_run,
                       json_t **keys, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  bool ours = false;
  drop d = {.store = store, .mem = mst_context_mem(mst_store_context(store)), .uuid = uuid, .cancel = cancel};
  d.lock_name = options != NULL ? options->lock : NULL;
  mst_buf_init(&d.head, d.mem, SIZE_MAX);
  mst_buf_init(&d.twin, d.mem, SIZE_MAX);
  mst_uuid_make(mst_store_context(store), d.id);
  MST_TRY(mst_uuid_check(uuid, err));
  MST_TRY_ALLOC(d.keys = json_array());
  MST_TRY(mst_key_head(&d.head, uuid, false, err));
  MST_TRY(mst_key_head(&d.twin, uuid, true, err));
  MST_TRY(look(&d, &ours, err));
  d.had_head = d.has_head;
  MST_TRY(has(&d, mst_buf_text(&d.twin), &d.has_twin, err));
  if (!d.has_head && !d.has_twin) {
    status = mst_fail(err, MST_E_NOT_FOUND, "the dataset '%s' does not exist: tried %s and %s", uuid,
                      mst_buf_text(&d.head), mst_buf_text(&d.twin));
    goto done;
  }
  if (d.of_others) {
    status = mst_fail(err, MST_E_ARGUMENT, "the document of '%s' names another dataset: it is not dropped", uuid);
    goto done;
  }
  if (dry_run) {
    MST_TRY(list_all(&d, err));
    status = tell(&d, keys, err);
    goto done;
  }
  MST_TRY(settle_mode(&d, options != NULL && options->plateau != 0, err));
  MST_TRY(bury(&d, err));
  MST_TRY(remove_all(&d, err));
  status = tell(&d, keys, err);
done:
  json_decref(d.keys);
  mst_buf_free(&d.head);
  mst_buf_free(&d.twin);
  return status;
}
