/* dataset/commit.c - the conditional write and what follows on its answer: done, found by its id, rebased and tried
 * again, a conflict, or an outcome that cannot be known.
 *
 * No write is ever repeated blindly. After anything but success the head is read, and the commit's own id is looked for
 * in its log. May call: base, store, dataset's own headers. */
#include "dataset/commit_run.h"

#include "dataset/dataset.h"
#include "dataset/history.h"
#include "dataset/key.h"
#include "dataset/ours.h"
#include "dataset/schema.h"
#include "dataset/stats.h"

enum { LOSSES_MAX = 10000, UNCLEAR_MAX = 6, LOOKS_MAX = 6, TOMBSTONE_LOOKS = 5, PAUSE_STEP_US = 20000 };
static const int64_t PAUSE_FIRST_US = 4000, PAUSE_MAX_US = 2000000;

typedef enum verdict { WON, LOST, UNCLEAR, REFUSED } verdict;

/* ---- waiting -------------------------------------------------------------------------------------------------------
 */

static mst_status pause_us(const mst_run *r, int64_t us, mst_error *err) {
  const mst_env *env = mst_context_env(r->ctx);
  while (us > 0) {
    mst_status status = mst_cancel_check(r->cancel, err);
    if (status != MST_OK) return status;
    const int64_t step = us < PAUSE_STEP_US ? us : PAUSE_STEP_US;
    env->sleep_us(env->self, step);
    us -= step;
  }
  return mst_cancel_check(r->cancel, err);
}

static int64_t random_below(const mst_run *r, int64_t limit) {
  const mst_env *env = mst_context_env(r->ctx);
  return limit <= 0 ? 0 : (int64_t)(env->random(env->self) % (uint64_t)limit);
}

/* Who has just come waits up to some attempts' time; who has lost often goes at once: so the oldest gets through. */
static mst_status wait_after_loss(const mst_run *r, mst_error *err) {
  const int64_t attempt = r->attempt_us > PAUSE_FIRST_US ? r->attempt_us : PAUSE_FIRST_US;
  const uint32_t halvings = r->losses < 16 ? r->losses : 16;
  int64_t span = (attempt * 8) >> halvings;
  return pause_us(r, random_below(r, span < PAUSE_MAX_US ? span : PAUSE_MAX_US), err);
}

static mst_status wait_after_silence(const mst_run *r, uint32_t times, mst_error *err) {
  const int64_t span = PAUSE_FIRST_US << (times < 10 ? 2 * times : 20);
  return pause_us(r, random_below(r, span < PAUSE_MAX_US ? span : PAUSE_MAX_US), err);
}

/* ---- the head ------------------------------------------------------------------------------------------------------
 */

static void forget_head(mst_run *r) {
  mst_ds_unref(r->head);
  r->head = NULL;
  r->section = (mst_section){.digest = "", .birth = "", .history = "0", .tried = ""};
  r->external = false;
  r->repaired = false;
}

/* Takes `d` over. */
static mst_status stand_on(mst_run *r, mst_dataset *d, mst_error *err) {
  uint64_t version;
  forget_head(r);
  r->head = d;
  mst_status status = mst_section_of(d->document, r->uuid, &r->section, err);
  if (status == MST_OK) status = mst_section_version(d->document, &r->section, &version, &r->external, err);
  return status;
}

/* The head as it is now; a dataset that is dropped or gone leaves r->head NULL. */
static mst_status read_head(mst_run *r, mst_error *err) {
  mst_status status = MST_OK;
  mst_dataset *d = NULL;
  mst_dataset_options options = MST_DATASET_OPTIONS_INIT;
  options.plateau = r->plateau;
  options.lock = r->lock_name;
  status = r->base != NULL ? mst_ds_refresh(r->base, &d, r->cancel, err)
                           : mst_ds_open(r->store, r->uuid, &options, &d, r->cancel, err);
  if (status == MST_E_NOT_FOUND) {
    forget_head(r);
    return MST_OK;
  }
  return status == MST_OK ? stand_on(r, d, err) : status;
}

static mst_status read_head_patiently(mst_run *r, mst_error *err) {
  mst_status status = read_head(r, err);
  for (uint32_t i = 1; i < LOOKS_MAX && (status == MST_E_IO || status == MST_E_TIMEOUT || status == MST_E_CHANGED);
       i++) {
    mst_error waiting;
    if (wait_after_silence(r, i, &waiting) != MST_OK) break;
    status = read_head(r, err);
  }
  return status;
}

/* ---- the write -----------------------------------------------------------------------------------------------------
 */

static verdict judge(mst_status status) {
  switch (status) {
  case MST_OK: return WON;
  case MST_E_EXISTS:
  case MST_E_CONFLICT: return LOST;
  case MST_E_ARGUMENT:
  case MST_E_DENIED:
  case MST_E_UNSUPPORTED:
  case MST_E_LIMIT: return REFUSED;
  default: return UNCLEAR;
  }
}

/* Under a lock the comparison is ours to make. */
static mst_status check_unchanged(const mst_run *r, const char *key, mst_error *err) {
  mst_op op = mst_op_make(MST_OP_HEAD, key);
  op.cancel = r->cancel;
  mst_status status = mst_store_perform(r->store, &op, err);
  if (r->head == NULL) {
    if (status == MST_E_NOT_FOUND) return MST_OK;
    return status == MST_OK ? mst_fail(err, MST_E_EXISTS, "there is an object '%.200s' already", key) : status;
  }
  if (status == MST_E_NOT_FOUND) return mst_fail(err, MST_E_CONFLICT, "the object '%.200s' is gone", key);
  if (status == MST_OK && !mst_pin_same(&r->head->head, &op.info))
    status = mst_fail(err, MST_E_CONFLICT, "the object '%.200s' is another version now", key);
  return status;
}

static mst_status put_locked(mst_run *r, const char *key, mst_error *err) {
  mst_status status = MST_OK;
  mst_lock *lock = NULL;
  MST_TRY(mst_lock_take(r->store, r->uuid, r->lock_name, &lock, r->cancel, err));
  if (r->head == NULL || r->head->form == MST_DOCUMENT_JSON) MST_TRY(check_unchanged(r, key, err));
  MST_TRY(mst_lock_check(lock, err));
  status = mst_put_object(r->store, key, r->text.data, r->text.size, MST_PUT_REPLACE, NULL, &r->pin, r->cancel, err);
done:
  mst_lock_give(lock);
  return status;
}

static mst_status put_head(mst_run *r, mst_error *err) {
  mst_status status = MST_OK;
  const mst_pin *pin = NULL;
  mst_put_mode mode = MST_PUT_CREATE;
  mst_buf key;
  mst_buf_init(&key, r->mem, MST_KEY_MAX);
  MST_TRY(
      mst_key_head(&key, r->uuid, r->head == NULL && r->first != NULL && r->first->form == MST_DOCUMENT_MSGPACK, err));
  if (r->head != NULL && r->head->form == MST_DOCUMENT_JSON) {
    mode = MST_PUT_IF_MATCH;
    pin = &r->head->head;
  }
  if (r->lock_name != NULL) status = put_locked(r, mst_buf_text(&key), err);
  else
    status =
        mst_put_object(r->store, mst_buf_text(&key), r->text.data, r->text.size,
                       r->conditional ? mode : MST_PUT_REPLACE, r->conditional ? pin : NULL, &r->pin, r->cancel, err);
done:
  mst_buf_free(&key);
  return status;
}

/* ---- after a commit ------------------------------------------------------------------------------------------------
 */

static void put_common_after(mst_run *r) {
  mst_error why;
  mst_buf key;
  const char *table = mst_document_table(r->document);
  if (!r->behind || r->schema == NULL) return;
  if (table == NULL)
    table = r->first != NULL && r->first->table != NULL ? r->first->table : r->base != NULL ? r->base->table : "table";
  mst_buf_init(&key, r->mem, MST_KEY_MAX);
  /* when it fails, the head says so and the next writer repairs it */
  if (mst_key_common(&key, r->uuid, table, &why) == MST_OK)
    (void)mst_common_write(r->store, mst_buf_text(&key), r->schema, r->cancel, &why);
  mst_buf_free(&key);
}

/* The msgpack file is older than what was committed; readers prefer JSON. */
static void remove_twin(mst_run *r) {
  mst_error why;
  mst_buf key;
  if (!r->twin) return;
  mst_buf_init(&key, r->mem, MST_KEY_MAX);
  if (mst_key_head(&key, r->uuid, true, &why) == MST_OK) {
    const char *keys[1] = {mst_buf_text(&key)};
    mst_op op = mst_op_make(MST_OP_DELETE, NULL);
    op.keys = keys;
    op.n_keys = 1;
    op.cancel = r->cancel;
    (void)mst_store_perform(r->store, &op, &why);
  }
  mst_buf_free(&key);
}

static json_t *count_json(int64_t n) { return n < 0 ? json_null() : json_integer(n); }

static mst_status make_report(const mst_run *r, uint64_t version, json_t **out, mst_error *err) {
  int64_t added = 0, removed = 0;
  if (out == NULL) return MST_OK;
  if (r->change != NULL) {
    added = r->change->rows_added;
    removed = r->change->rows_removed;
  } else {
    for (size_t i = 0; i < r->first->files->n; i++) added += (int64_t)r->first->files->items[i].rows;
    removed = r->base != NULL ? -1 : 0;
  }
  json_t *report = json_pack("{s:I,s:o,s:o,s:I,s:I}", "version", (json_int_t)version, "rows_added", count_json(added),
                             "rows_removed", count_json(removed), "files_added", (json_int_t)r->n_added,
                             "files_removed", (json_int_t)r->n_removed);
  if (report == NULL) return mst_fail_memory(err);
  *out = report;
  return MST_OK;
}

/* The snapshot that was committed. */
static mst_status settle(mst_run *r, mst_dataset **out, mst_error *err) {
  mst_document_form form = r->first != NULL && r->head == NULL ? r->first->form : MST_DOCUMENT_JSON;
  put_common_after(r);
  remove_twin(r);
  if (r->base == NULL) {
    mst_status status = read_head_patiently(r, err);
    if (status == MST_OK && r->head == NULL)
      status = mst_fail(err, MST_E_NOT_FOUND, "the dataset '%s' was dropped right after it was created", r->uuid);
    if (status == MST_OK) *out = mst_ds_ref(r->head);
    return mst_while(err, status, "the dataset was created, but");
  }
  mst_status status = mst_state_of(r->base, r->document, form, &r->pin, r->version, r->schema, out, r->cancel, err);
  if (status != MST_OK) return status;
  if (r->schema_key != NULL) {
    mst_free((*out)->mem, (*out)->schema_key);
    (*out)->schema_key = mst_text_copy((*out)->mem, r->schema_key);
  }
  return MST_OK;
}

/* It was committed, by a write whose reply was lost: what the store has now is the snapshot. */
static mst_status settle_found(mst_run *r, mst_dataset **out) {
  put_common_after(r);
  remove_twin(r);
  *out = mst_ds_ref(r->head);
  return MST_OK;
}

/* ---- deciding ------------------------------------------------------------------------------------------------------
 */

static mst_status unknown(const mst_error *why, mst_error *err) {
  const mst_status status = why->status == MST_E_CANCELLED ? MST_E_CANCELLED : MST_E_IO;
  if (err == NULL) return status;
  *err = *why; /* with its object, HTTP status and request id */
  err->status = status;
  err->retryable = false;
  return mst_while(err, status, "the outcome of the commit is unknown");
}

/* Without a section there is no id: the very bytes tell. */
static mst_status same_bytes(mst_run *r, bool *same, mst_error *err) {
  mst_status status = MST_OK;
  mst_bytes now = {0};
  mst_buf key;
  mst_pin pin;
  mst_document_form form;
  *same = false;
  mst_buf_init(&key, r->mem, MST_KEY_MAX);
  status = mst_state_head(r->store, r->uuid, &now, &form, &key, &pin, r->cancel, err);
  if (status == MST_OK) *same = now.size == r->text.size && memcmp(now.data, r->text.data, now.size) == 0;
  mst_bytes_release(&now);
  mst_buf_free(&key);
  return status == MST_E_NOT_FOUND ? MST_OK : status;
}

/* Looks for this commit in what the store has now, which becomes r->head. `*version` not 0: it is there. `*sure`: when
 * it is not there, it did not happen. */
static mst_status look(mst_run *r, uint64_t *version, bool *sure, mst_error *err) {
  mst_status status = MST_OK;
  const uint64_t since = r->base == NULL ? 0 : r->base->version;
  bool same = false;
  *version = 0;
  *sure = true;
  if (!r->sectioned) MST_TRY(same_bytes(r, &same, err));
  MST_TRY(read_head_patiently(r, err));
  if (same && r->head != NULL) *version = r->head->version;
  if (!r->sectioned) return MST_OK;
  if (r->head == NULL) {
    *sure = r->base == NULL;
  } else if (r->section.map == NULL) {
    *sure = false;
  } else {
    MST_TRY(mst_log_find(r->store, r->uuid, &r->section, r->id, since, version, sure, r->cancel, err));
  }
done:
  return status;
}

static mst_status check_head(mst_run *r, mst_error *err) {
  if (r->head == NULL && r->base == NULL) return MST_OK;
  if (r->head == NULL)
    return mst_fail(err, MST_E_CONFLICT, "the dataset '%s' was dropped since version %llu, which this change began on",
                    r->uuid, (unsigned long long)r->base->version);
  if (r->base == NULL) return mst_fail(err, MST_E_EXISTS, "the dataset '%s' exists already", r->uuid);
  if (r->head->version == r->base->version && strcmp(r->head->head.etag, r->base->head.etag) == 0) return MST_OK;
  return mst_run_check(r, err);
}

/* A disk's refusal is no request that could still arrive: when it did not take effect by now, it never does. */
static bool ended_here(const mst_run *r, const mst_error *why) {
  return why->os_errno != 0 && r->unclear == 1 && (mst_store_flags(r->store) & MST_STORE_LOCAL) != 0;
}

/* One attempt. `*again`: it did not succeed, nothing collides, and it may be tried once more. */
static mst_status attempt(mst_run *r, mst_dataset **out, uint64_t *version, bool *again, mst_error *err) {
  mst_status status = MST_OK;
  mst_error why = {0};
  bool sure = true;
  const mst_env *env = mst_context_env(r->ctx);
  const int64_t began = env->tick_us(env->self);
  *again = false;
  MST_TRY(mst_run_build(r, err));
  verdict v = judge(put_head(r, &why));
  r->attempt_us = env->tick_us(env->self) - began;
  if (v == WON) {
    *version = r->version;
    return settle(r, out, err);
  }
  if (v == UNCLEAR) r->unclear++;
  if (v == LOST) r->losses++;
  if (v == REFUSED && r->unclear == 0) {
    if (err != NULL) *err = why;
    return why.status;
  }
  if (v == REFUSED) return unknown(&why, err);
  status = look(r, version, &sure, err);
  if (status != MST_OK) return r->unclear > 0 ? unknown(&why, err) : status;
  if (*version > 0) return settle_found(r, out);
  if (r->unclear > 0 && !sure) return unknown(&why, err);
  if (v == UNCLEAR && ended_here(r, &why)) {
    if (err != NULL) *err = why;
    return why.status;
  }
  MST_TRY(check_head(r, err));
  if (v == UNCLEAR && (r->unclear >= UNCLEAR_MAX || why.status == MST_E_CANCELLED)) return unknown(&why, err);
  if (r->losses >= LOSSES_MAX) {
    status =
        mst_fail(err, MST_E_CONFLICT, "other writers won %u times in a row; nothing was changed", (unsigned)r->losses);
    goto done;
  }
  if (v == LOST && r->head == NULL && r->losses >= TOMBSTONE_LOOKS) {
    status = mst_fail(err, MST_E_EXISTS,
                      "a dataset '%s' is being dropped, or was left half dropped: drop it again first", r->uuid);
    goto done;
  }
  *again = true;
  status = v == LOST && r->head != NULL ? wait_after_loss(r, err)
                                        : wait_after_silence(r, v == LOST ? r->losses : r->unclear, err);
done:
  return status;
}

static mst_status run(mst_run *r, mst_dataset **out, json_t **report, mst_error *err) {
  mst_status status = MST_OK;
  mst_dataset *d = NULL;
  json_t *told = NULL;
  uint64_t version = 0;
  bool again = true;
  while (again) MST_TRY(attempt(r, &d, &version, &again, err));
  MST_TRY(make_report(r, version, report != NULL ? &told : NULL, err));
  if (report != NULL) *report = told;
  *out = d;
  d = NULL;
done:
  mst_ds_unref(d);
  mst_run_clear(r);
  forget_head(r);
  mst_buf_free(&r->text);
  return status;
}

mst_status mst_commit_allowed(mst_store *store, const char *uuid, const char *lock, bool plateau,
                              const mst_document *document, mst_cancel *cancel, mst_error *err) {
  mst_section s = {.tried = ""};
  if (lock != NULL || plateau) return MST_OK;
  if ((mst_store_flags(store) & MST_STORE_NO_CONDITIONS) != 0)
    return mst_fail(err, MST_E_UNSUPPORTED,
                    "this store knows no conditional writes, so that several writers could not share it; name a lock "
                    "(lock=…) that all of "
                    "them use");
  mst_status status = document == NULL ? MST_OK : mst_section_of(document, uuid, &s, err);
  return status == MST_OK ? mst_probe_require(store, uuid, s.tried, cancel, err) : status;
}

/* Whether writes may rest on conditions here. */
static mst_status settle_mode(mst_run *r, mst_error *err) {
  if (r->lock_name != NULL) return MST_OK;
  mst_status status =
      mst_commit_allowed(r->store, r->uuid, NULL, false, r->base == NULL ? NULL : r->base->document, r->cancel, err);
  r->conditional = status == MST_OK;
  if (status == MST_E_UNSUPPORTED && r->plateau) return MST_OK;
  return status == MST_OK ? mst_probe_place(r->store, r->place, err) : status;
}

static void begin_run(mst_run *r, mst_context *ctx, mst_store *store, const char *uuid, const char *id,
                      mst_cancel *cancel) {
  *r = (mst_run){.ctx = ctx, .mem = mst_context_mem(ctx), .store = store, .uuid = uuid, .id = id, .cancel = cancel};
  mst_buf_init(&r->text, r->mem, MST_DOCUMENT_BYTES_MAX);
}

static bool does_nothing(const mst_change *c) {
  return c->n_files == 0 && c->n_gone == 0 && c->n_indices == 0 && c->metadata == NULL && c->kind != MST_CHANGE_ALONE &&
         (c->schema.release == NULL || mst_table_schema_same(&c->schema, &c->base->schema));
}

mst_status mst_ds_change_commit(mst_change *c, mst_dataset **out, json_t **report, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_run r;
  if (c->committed) return mst_fail(err, MST_E_ARGUMENT, "this change was committed already");
  begin_run(&r, c->ctx, c->base->store, c->base->uuid, c->id, cancel);
  r.change = c;
  r.base = c->base;
  r.plateau = c->base->plateau;
  r.lock_name = c->base->lock_name;
  if (does_nothing(c) && !r.plateau) {
    MST_TRY(make_report(&r, c->base->version, report, err));
    *out = mst_ds_ref(c->base);
    goto done;
  }
  MST_TRY(settle_mode(&r, err));
  MST_TRY(stand_on(&r, mst_ds_ref(c->base), err));
  MST_TRY(run(&r, out, report, err));
  c->committed = true;
done:
  forget_head(&r);
  mst_buf_free(&r.text);
  return status;
}

mst_status mst_commit_first(const mst_first_commit *c, mst_dataset **out, json_t **report, mst_cancel *cancel,
                            mst_error *err) {
  mst_status status = MST_OK;
  char id[33];
  mst_run r;
  mst_keep keep;
  if (c->history != NULL) MST_TRY(mst_keep_parse(c->history, &keep, err));
  mst_uuid_make(c->ctx, id);
  begin_run(&r, c->ctx, c->store, c->uuid, id, cancel);
  r.first = c;
  r.base = c->old;
  r.plateau = c->options != NULL && c->options->plateau != 0;
  r.lock_name = c->options != NULL ? c->options->lock : NULL;
  MST_TRY(settle_mode(&r, err));
  if (c->old != NULL) MST_TRY(stand_on(&r, mst_ds_ref(c->old), err));
  else r.section = (mst_section){.digest = "", .birth = "", .history = "0", .tried = ""};
  return run(&r, out, report, err);
done:
  return status;
}

/* ---- the rule of history -------------------------------------------------------------------------------------------
 */

static mst_status set_oldest(mst_run *r, uint64_t oldest, mst_error *err) {
  mst_status status = MST_OK;
  mst_edit *e = NULL;
  mst_document *document = NULL;
  json_t *section = json_copy(r->section.map);
  MST_TRY_ALLOC(section);
  mst_buf_clear(&r->text);
  MST_TRY(mst_json_set_u64(section, "oldest", oldest, err));
  MST_TRY(mst_edit_open(r->mem, r->head->document, NULL, NULL, &e, err));
  MST_TRY(mst_edit_metadata_set(e, MST_SECTION, json_incref(section), err));
  MST_TRY(mst_edit_finish(e, &document, err));
  MST_TRY(mst_document_print(document, MST_DOCUMENT_JSON, &r->text, err));
done:
  json_decref(section);
  mst_edit_free(e);
  mst_document_unref(document);
  return status;
}

/* Doing it twice is doing it once: so an unclear reply is answered by looking whether it is done. */
mst_status mst_commit_oldest(mst_dataset *d, uint64_t oldest, mst_dataset **out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_error why;
  mst_run r;
  begin_run(&r, d->ctx, d->store, d->uuid, "", cancel);
  r.base = d;
  r.plateau = d->plateau;
  r.lock_name = d->lock_name;
  MST_TRY(settle_mode(&r, err));
  for (uint32_t i = 0; i < LOSSES_MAX; i++) {
    MST_TRY(read_head_patiently(&r, err));
    if (r.head == NULL) {
      status = mst_fail(err, MST_E_NOT_FOUND, "the dataset '%s' was dropped", r.uuid);
      goto done;
    }
    if (r.section.map == NULL || r.section.oldest >= oldest) {
      *out = mst_ds_ref(r.head);
      goto done;
    }
    MST_TRY(set_oldest(&r, oldest, err));
    r.twin = r.head->form == MST_DOCUMENT_MSGPACK;
    verdict v = judge(put_head(&r, &why));
    if (v == WON) remove_twin(&r);
    if (v == REFUSED || (v == UNCLEAR && ++r.unclear >= UNCLEAR_MAX)) {
      if (err != NULL) *err = why;
      status = why.status;
      goto done;
    }
    if (v == LOST) r.losses++;
    if (v == LOST) MST_TRY(wait_after_loss(&r, err));
  }
  status = mst_fail(err, MST_E_CONFLICT, "other writers won every time");
done:
  forget_head(&r);
  mst_buf_free(&r.text);
  return status;
}
