/* fetch/object.c - one object at one version: opening it in one request, and looking whether it is still that version.
 * May call: base, store. */
#include "fetch/inner.h"

#include <stdio.h>

/* ---- the handle -------------------------------------------------------------------------------------------------- */

/* What errors and slices may show: no HTTP query. */
static char *url_of(const mst_store *store, const char *key, const mst_allocator *mem) {
  size_t n = strlen(mst_store_url(store)) + strlen(key) + 2;
  char *whole = mst_alloc(mem, n);
  char *shown = mst_alloc(mem, n);
  if (whole != NULL && shown != NULL) {
    const char *url = mst_store_url(store);
    (void)snprintf(whole, n, "%s%s%s", url, mst_text_ends(url, "/") ? "" : "/", key);
    (void)mst_url_redact(whole, shown, n);
    mst_free(mem, whole);
    return shown;
  }
  mst_free(mem, whole);
  mst_free(mem, shown);
  return NULL;
}

static mst_status object_new(mst_store *store, const char *key, uint32_t flags, mst_object **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_context *ctx = mst_store_context(store);
  const mst_allocator *mem = mst_context_mem(ctx);
  mst_object *o = mst_alloc_zero(mem, 1, sizeof *o);
  if (o == NULL) return mst_fail_memory(err);
  o->refs = 1;
  o->store = mst_store_ref(store);
  o->ctx = ctx;
  o->flags = flags;
  o->key = mst_text_copy(mem, key);
  MST_TRY_ALLOC(o->key);
  o->url = url_of(store, key, mem);
  MST_TRY_ALLOC(o->url);
  *out = o;
  o = NULL;
done:
  mst_object_unref(o);
  return status;
}

mst_object *mst_object_ref(mst_object *o) {
  if (o != NULL) atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
  return o;
}

void mst_object_unref(mst_object *o) {
  if (o == NULL || atomic_fetch_sub_explicit(&o->refs, 1, memory_order_acq_rel) != 1) return;
  mst_store *store = o->store;
  const mst_allocator *mem = mst_context_mem(o->ctx);
  mst_free(mem, o->key);
  mst_free(mem, o->url);
  mst_free(mem, o);
  mst_store_unref(store); /* last: it holds the context, and with it the allocator */
}

const mst_pin *mst_object_pin(const mst_object *o) { return &o->pin; }
uint64_t mst_object_size(const mst_object *o) { return o->pin.size; }
const char *mst_object_key(const mst_object *o) { return o->key; }
const char *mst_object_url(const mst_object *o) { return o->url; }
mst_store *mst_object_store(const mst_object *o) { return o->store; }
const mst_pin *mst_object_condition(const mst_object *o) { return mst_pin_known(&o->pin) ? &o->pin : NULL; }
bool mst_object_is_local(const mst_object *o) { return (mst_store_flags(o->store) & MST_STORE_LOCAL) != 0; }

/* ---- one request and its reply ----------------------------------------------------------------------------------- */

mst_op mst_object_get(const mst_object *o, uint64_t offset, uint64_t size, uint8_t *into) {
  mst_op op = mst_op_make(MST_OP_GET, o->key);
  op.offset = offset;
  op.size = size;
  op.into = into;
  op.exact = true;
  op.pin = mst_object_condition(o);
  return op;
}

mst_status mst_object_judge(const mst_object *o, mst_op *op, mst_status status, mst_error *err) {
  mst_error *why = &op->error;
  if (status == MST_OK) status = mst_pin_check(&o->pin, &op->info, why);
  if (status == MST_OK && op->got != op->size)
    status = mst_fail_at(why, MST_E_IO, op->offset + op->got, "the reply holds %llu bytes of %llu",
                         (unsigned long long)op->got, (unsigned long long)op->size);
  if (status == MST_OK) return MST_OK;
  mst_store_name_error(o->store, op, why);
  if (status != MST_E_CANCELLED)
    (void)mst_while(why, status, "GET bytes %llu-%llu", (unsigned long long)op->offset,
                    (unsigned long long)(op->offset + op->size - 1));
  if (err != NULL) *err = *why;
  return status;
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static mst_status take_head(mst_object *o, mst_cancel *cancel, mst_error *err) {
  mst_op op = mst_op_make(MST_OP_HEAD, o->key);
  op.cancel = cancel;
  mst_status status = mst_store_perform(o->store, &op, err);
  if (status == MST_OK) o->pin = op.info;
  return status;
}

static mst_status check_pinned(const mst_object *o, mst_error *err) {
  if (mst_pin_known(&o->pin) || (o->flags & MST_OBJECT_UNPINNED) != 0) return MST_OK;
  (void)mst_fail(err, MST_E_UNSUPPORTED,
                 "the server tells neither a strong ETag nor a date, so that a change could not be noticed; "
                 "allow unpinned sources to read it all the same");
  return mst_error_name(err, MST_E_UNSUPPORTED, o->url);
}

/* One GET that brings the first or last bytes along. Where it tells only the size (an empty object, a range beyond the
 * end), or the store has no ranges from the end, HEAD tells the rest. */
static mst_status get_end(mst_object *o, bool from_end, size_t max, mst_bytes *out, mst_cancel *cancel,
                          mst_error *err) {
  mst_status status = MST_OK;
  mst_bytes all = {0};
  uint8_t *into = NULL;
  MST_TRY(mst_bytes_new(mst_context_mem(o->ctx), max, &all, &into, err));
  mst_op op = mst_op_make(MST_OP_GET, o->key);
  op.size = max;
  op.from_end = from_end;
  op.into = into;
  op.cancel = cancel;
  MST_TRY(mst_store_perform(o->store, &op, err));
  o->pin = op.info;
  if (op.got == 0 && (op.info.size > 0 || !mst_pin_known(&op.info))) MST_TRY(take_head(o, cancel, err));
  if (op.got != mst_min_u64(max, o->pin.size)) {
    status = mst_fail(err, op.got == 0 ? MST_E_CHANGED : MST_E_IO, "the reply holds %llu bytes of an object of %llu",
                      (unsigned long long)op.got, (unsigned long long)o->pin.size);
    (void)mst_error_name(err, status, o->url);
    goto done;
  }
  if (op.got > 0) *out = mst_bytes_part(&all, 0, (size_t)op.got);
done:
  mst_bytes_release(&all);
  return status;
}

/* For stores without ranges from the end. */
static mst_status get_tail_twice(mst_object *o, size_t max, mst_bytes *out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(take_head(o, cancel, err));
  uint64_t n = mst_min_u64(max, o->pin.size);
  mst_range range = {.offset = o->pin.size - n, .length = n};
  MST_TRY(mst_object_read(o, &range, 1, out, cancel, err));
done:
  return status;
}

mst_status mst_object_open(mst_store *store, const char *key, const mst_pin *pin, uint32_t flags, size_t head_max,
                           mst_bytes *head, mst_object **out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_object *o = NULL;
  mst_bytes first = {0};
  MST_TRY(object_new(store, key, flags, &o, err));
  if (pin != NULL) o->pin = *pin;
  else if (head_max > 0) MST_TRY(get_end(o, false, head_max, &first, cancel, err));
  else MST_TRY(take_head(o, cancel, err));
  MST_TRY(check_pinned(o, err));
  if (head != NULL) {
    *head = first;
    first = (mst_bytes){0};
  }
  *out = o;
  o = NULL;
done:
  mst_bytes_release(&first);
  mst_object_unref(o);
  return status;
}

mst_status mst_object_open_tail(mst_store *store, const char *key, uint32_t flags, size_t tail_max, mst_bytes *tail,
                                mst_object **out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_object *o = NULL;
  mst_bytes last = {0};
  MST_TRY(object_new(store, key, flags, &o, err));
  status = tail_max > 0 ? get_end(o, true, tail_max, &last, cancel, err) : take_head(o, cancel, err);
  if (status == MST_E_UNSUPPORTED) status = get_tail_twice(o, tail_max, &last, cancel, err);
  MST_TRY(status);
  MST_TRY(check_pinned(o, err));
  if (tail != NULL) {
    *tail = last;
    last = (mst_bytes){0};
  }
  *out = o;
  o = NULL;
done:
  mst_bytes_release(&last);
  mst_object_unref(o);
  return status;
}

mst_status mst_object_check(mst_object *o, mst_cancel *cancel, mst_error *err) {
  mst_op op = mst_op_make(MST_OP_HEAD, o->key);
  op.cancel = cancel;
  mst_status status = mst_store_perform(o->store, &op, err);
  if (status == MST_OK) status = mst_pin_check(&o->pin, &op.info, err);
  return status == MST_OK ? MST_OK : mst_error_name(err, status, o->url);
}
