/* store/store.c - the store handle, and how one operation is started, waited for, cancelled and completed.
 *
 * Owns: reference counts, the rules that hold for every store, and the way of stores that only block: their operations
 * run on the context's threads for blocking calls. May call: base. */
#include "store/wrapper.h"

#include <stdio.h>

struct mst_store {
  _Atomic uint32_t refs;
  mst_context *ctx;
  mst_store_ops ops;
  void *self;
  char *url;
};

/* ---- handles ----------------------------------------------------------------------------------------------------- */

mst_status mst_store_wrap(mst_context *ctx, const mst_store_ops *ops, void *self, const char *url, mst_store **out,
                          mst_error *err) {
  mst_status status = MST_OK;
  mst_store_ops mine = {0};
  mst_store *s = NULL;
  if (ops == NULL || url == NULL || out == NULL) return mst_fail(err, MST_E_ARGUMENT, "ops, url and out are needed");
  MST_TRY(mst_options_take(&mine, sizeof mine, ops, "mst_store_ops", err));
  if (mine.start == NULL && mine.run == NULL) return mst_fail(err, MST_E_ARGUMENT, "a store needs `start` or `run`");
  MST_TRY(mst_context_resolve(ctx, &ctx, err));
  s = mst_alloc_zero(mst_context_mem(ctx), 1, sizeof *s);
  MST_TRY_ALLOC(s);
  size_t n = strlen(url);
  while (n > 0 && url[n - 1] == '/' && !(n >= 3 && url[n - 2] == '/' && url[n - 3] == ':')) n--;
  s->url = mst_text_copy_n(mst_context_mem(ctx), url, n);
  MST_TRY_ALLOC(s->url);
  s->refs = 1;
  s->ctx = mst_context_ref(ctx);
  s->ops = mine;
  if (s->ops.name == NULL) s->ops.name = "store";
  s->self = self;
  *out = s;
  s = NULL;
done:
  mst_free(mst_context_mem(ctx), s);
  return status;
}

mst_store *mst_store_ref(mst_store *s) {
  if (s != NULL) atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
  return s;
}

void mst_store_unref(mst_store *s) {
  if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) return;
  if (s->ops.close != NULL) s->ops.close(s->self);
  mst_context *ctx = s->ctx;
  mst_free(mst_context_mem(ctx), s->url);
  mst_free(mst_context_mem(ctx), s);
  mst_context_unref(ctx);
}

mst_context *mst_store_context(const mst_store *s) { return s->ctx; }
const char *mst_store_url(const mst_store *s) { return s->url; }
const char *mst_store_kind(const mst_store *s) { return s->ops.name; }
uint32_t mst_store_flags(const mst_store *s) { return s->ops.flags; }
void *mst_store_self(const mst_store *s, const char *name) { return s->ops.name == name ? s->self : NULL; }

mst_status mst_store_sweep(mst_store *s, const char *prefix, int64_t before_us, uint64_t *n, mst_error *err) {
  uint64_t removed = 0;
  mst_status status = s->ops.sweep == NULL ? MST_OK : s->ops.sweep(s->self, prefix, before_us, &removed, err);
  if (status == MST_OK) *n = removed;
  return status;
}

static mst_status add_setting(void *arg, const char *name, const char *value, mst_error *err) {
  return mst_json_set_text(arg, name, value, err);
}

mst_status mst_store_visit_settings(const mst_store *s, mst_setting_fn add, void *arg, mst_error *err) {
  return s->ops.settings == NULL ? MST_OK : s->ops.settings(s->self, add, arg, err);
}

mst_status mst_store_settings(const mst_store *s, json_t **out, mst_error *err) {
  mst_status status = MST_OK;
  json_t *object = json_object();
  MST_TRY_ALLOC(object);
  MST_TRY(mst_store_visit_settings(s, add_setting, object, err));
  *out = object;
  object = NULL;
done:
  json_decref(object);
  return status;
}

char *mst_store_name_key(const mst_store *s, const char *key, char *out, size_t n) {
  char whole[2048];
  if (key == NULL) key = "";
  const char *sep = key[0] != '\0' && !mst_text_ends(s->url, "/") ? "/" : "";
  int length = snprintf(whole, sizeof whole, "%s%s%s", s->url, sep, key);
  if (length >= (int)sizeof whole) {
    /* what is cut here would have been cut below: keep the end, which tells objects apart */
    size_t n_url = strlen(s->url);
    if (n_url > 512) n_url = 512;
    (void)snprintf(whole, sizeof whole, "%.*s%s…%s", (int)n_url, s->url, sep, key + strlen(key) - 512);
  }
  return mst_url_redact(whole, out, n);
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

mst_op mst_op_make(mst_op_kind kind, const char *key) {
  return (mst_op){.struct_size = sizeof(mst_op), .kind = kind, .key = key, .prefix = ""};
}

const char *mst_op_name(mst_op_kind kind) {
  static const char *const names[MST_OP_KINDS] = {
      [MST_OP_HEAD] = "HEAD",
      [MST_OP_GET] = "GET",
      [MST_OP_PUT] = "PUT",
      [MST_OP_DELETE] = "DELETE",
      [MST_OP_LIST] = "LIST",
      [MST_OP_UPLOAD_OPEN] = "open upload",
      [MST_OP_UPLOAD_PART] = "upload part",
      [MST_OP_UPLOAD_CLOSE] = "close upload",
      [MST_OP_UPLOAD_ABORT] = "abort upload",
  };
  return kind > 0 && kind < MST_OP_KINDS ? names[kind] : "?";
}

mst_status mst_op_check(const mst_op *op, mst_error *err) {
  mst_status status = mst_cancel_check(op->cancel, err);
  if (status != MST_OK || op->deadline_us == 0) return status;
  const mst_env *env = mst_context_env(op->ctx);
  if (env->tick_us(env->self) < op->deadline_us) return MST_OK;
  return mst_fail(err, MST_E_TIMEOUT, "the deadline passed");
}

void mst_op_done(mst_op *op, mst_status status) {
  if (status != MST_OK && op->error.status != status) {
    if (op->error.message[0] == '\0') (void)mst_fail(&op->error, status, "%s failed", mst_op_name(op->kind));
    op->error.status = status;
  }
  op->done(op, status);
}

static bool writes(mst_op_kind kind) { return kind >= MST_OP_PUT && kind != MST_OP_LIST && kind < MST_OP_KINDS; }

static mst_status check_keys(const mst_op *op, mst_error *err) {
  if (op->kind == MST_OP_LIST) return MST_OK;
  if (op->kind != MST_OP_DELETE)
    return op->key != NULL && op->key[0] != '\0' ? MST_OK : mst_fail(err, MST_E_ARGUMENT, "the object's key is empty");
  for (size_t i = 0; i < op->n_keys; i++)
    if (op->keys[i] == NULL || op->keys[i][0] == '\0')
      return mst_fail(err, MST_E_ARGUMENT, "key %zu to delete is empty", i);
  return MST_OK;
}

/* What holds for every store, so that none has to look. */
static mst_status admit(const mst_store *s, mst_op *op) {
  mst_status status = MST_OK;
  mst_error *err = &op->error;
  mst_error_clear(err);
  op->ctx = s->ctx;
  op->got = 0;
  op->requests = 0;
  MST_TRY(check_keys(op, err));
  if (op->kind == MST_OP_GET && (op->size == 0 || (!op->from_end && op->offset > UINT64_MAX - op->size)))
    return mst_fail(err, MST_E_ARGUMENT, "a range of %llu bytes at %llu", (unsigned long long)op->size,
                    (unsigned long long)op->offset);
  if (writes(op->kind) && (s->ops.flags & MST_STORE_READ_ONLY) != 0)
    return mst_fail(err, MST_E_UNSUPPORTED, "%s: this store is read-only", mst_op_name(op->kind));
  if (op->put_mode != MST_PUT_REPLACE && (s->ops.flags & MST_STORE_NO_CONDITIONS) != 0)
    return mst_fail(err, MST_E_UNSUPPORTED, "%s: this store has no conditional writes", mst_op_name(op->kind));
  if (op->put_mode == MST_PUT_IF_MATCH && (op->pin == NULL || !mst_pin_known(op->pin)))
    return mst_fail(err, MST_E_ARGUMENT, "%s: no version is named that is to be replaced", mst_op_name(op->kind));
  MST_TRY(mst_op_check(op, err));
done:
  return status;
}

static void run_on_worker(void *arg) {
  mst_op *op = arg;
  mst_store *s = op->store_data;
  mst_status status = mst_op_check(op, &op->error);
  if (status == MST_OK) status = s->ops.run(s->self, op, &op->error);
  mst_op_done(op, status);
}

void mst_store_start(mst_store *s, mst_op *op) {
  /* An operation that completes at once may let go of the last other reference while `start` is still at work. */
  mst_store_ref(s);
  mst_status status = admit(s, op);
  if (status == MST_OK && s->ops.start != NULL) {
    s->ops.start(s->self, op);
  } else if (status == MST_OK) {
    op->store_data = s; /* whoever starts an operation holds the store until it is done */
    status = mst_pool_run_detached(s->ctx, run_on_worker, op, &op->error);
  }
  if (status != MST_OK) mst_op_done(op, status);
  mst_store_unref(s);
}

void mst_store_cancel(mst_store *s, mst_op *op) {
  if (s->ops.cancel != NULL) s->ops.cancel(s->self, op);
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

typedef struct waiter {
  pthread_mutex_t lock;
  pthread_cond_t ended;
  bool done;
  mst_status status;
} waiter;

static void wake(mst_op *op, mst_status status) {
  waiter *w = op->done_arg;
  pthread_mutex_lock(&w->lock);
  w->done = true;
  w->status = status;
  pthread_cond_signal(&w->ended);
  pthread_mutex_unlock(&w->lock);
}

static mst_status start_and_wait(mst_store *s, mst_op *op) {
  waiter w = {.status = MST_OK};
  bool asked = false;
  pthread_mutex_init(&w.lock, NULL);
  mst_cond_init(&w.ended);
  op->done = wake;
  op->done_arg = &w;
  s->ops.start(s->self, op);
  pthread_mutex_lock(&w.lock);
  while (!w.done) {
    if (op->cancel == NULL) pthread_cond_wait(&w.ended, &w.lock);
    else mst_cond_wait_short(&w.ended, &w.lock);
    if (w.done || asked || !mst_cancelled(op->cancel)) continue;
    asked = true;
    pthread_mutex_unlock(&w.lock);
    mst_store_cancel(s, op);
    pthread_mutex_lock(&w.lock);
  }
  pthread_mutex_unlock(&w.lock);
  pthread_cond_destroy(&w.ended);
  pthread_mutex_destroy(&w.lock);
  return w.status;
}

void mst_store_name_error(const mst_store *s, const mst_op *op, mst_error *err) {
  char name[sizeof err->object];
  if (err->object[0] != '\0') return;
  const char *key = op->kind == MST_OP_LIST                        ? op->prefix
                    : op->kind == MST_OP_DELETE && op->n_keys == 1 ? op->keys[0]
                                                                   : op->key;
  (void)mst_error_name(err, err->status, mst_store_name_key(s, key, name, sizeof name));
}

mst_status mst_store_perform(mst_store *s, mst_op *op, mst_error *err) {
  mst_status status = admit(s, op);
  if (status == MST_OK) status = s->ops.run != NULL ? s->ops.run(s->self, op, &op->error) : start_and_wait(s, op);
  if (status == MST_OK) return MST_OK;
  op->error.status = status;
  mst_store_name_error(s, op, &op->error);
  if (err != NULL) *err = op->error;
  return status;
}
