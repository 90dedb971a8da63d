/* dataset/lock.c - a lock made of plain objects, for stores without conditional writes.
 *
 * Who wants it puts a claim, `<uuid>.meseta/lock/<name>/<id>`, and lists all claims. Alone: the lock is held. Otherwise
 * the claim with the smallest name waits for the others, who take theirs back and come again later. Who holds the lock
 * has put the claim before anybody whose listing does not show it, so two never hold it at once, provided that a
 * listing shows what was put before it. A claim older than its expiry, by the store's clock, is that of a dead writer
 * and is removed.
 *
 * May call: base, store, dataset/key.h, dataset/ours.h. */
#include "dataset/key.h"
#include "dataset/ours.h"
#include "dataset/probe.h"

enum { NAME_MAX_BYTES = 100 };
static const int64_t EXPIRY_US = INT64_C(60) * 1000000, MARGIN_US = INT64_C(20) * 1000000, PAUSE_MAX_US = 1000000;

struct mst_lock {
  mst_store *store;
  const mst_allocator *mem;
  const mst_env *env;
  int64_t taken_tick;
  size_t n_prefix; /* bytes of the key up to the claim's id */
  mst_buf key;
};

typedef struct others {
  const mst_lock *lock;
  uint32_t n;     /* claims of others */
  bool smaller;   /* one of them stands before ours */
  bool seen;      /* ours is listed */
  int64_t own_us; /* when it was put, by the store's clock */
  mst_buf oldest; /* key of the oldest claim of others */
  int64_t oldest_us;
} others;

static mst_status see(void *arg, const mst_object_info *info, mst_error *err) {
  others *o = arg;
  const char *own = mst_buf_text(&o->lock->key);
  const int order = strcmp(info->key, own);
  if (order == 0) {
    o->seen = true;
    o->own_us = info->modified_us;
    return MST_OK;
  }
  o->n++;
  o->smaller = o->smaller || order < 0;
  if (o->oldest.size > 0 && info->modified_us >= o->oldest_us) return MST_OK;
  o->oldest_us = info->modified_us;
  mst_buf_clear(&o->oldest);
  return mst_buf_put_text(&o->oldest, info->key, err);
}

static mst_status remove_claim(mst_lock *l, const char *key, mst_error *err) {
  const char *keys[1] = {key};
  mst_op op = mst_op_make(MST_OP_DELETE, NULL);
  op.keys = keys;
  op.n_keys = 1;
  return mst_store_perform(l->store, &op, err);
}

static mst_status put_claim(mst_lock *l, mst_cancel *cancel, mst_error *err) {
  mst_status status = mst_put_object(l->store, mst_buf_text(&l->key), "", 0, MST_PUT_REPLACE, NULL, NULL, cancel, err);
  l->taken_tick = l->env->tick_us(l->env->self);
  return status;
}

/* `*held`: nobody else claims it. `*back`: ours gives way. */
static mst_status look_round(mst_lock *l, bool *held, bool *back, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  others o = {.lock = l};
  char prefix[MST_KEY_MAX];
  mst_buf_init(&o.oldest, l->mem, MST_KEY_MAX);
  memcpy(prefix, l->key.data, l->n_prefix);
  prefix[l->n_prefix] = '\0';
  MST_TRY(mst_list_run(l->store, prefix, NULL, see, &o, cancel, err));
  *held = o.n == 0 && o.seen;
  *back = o.smaller || !o.seen;
  if (o.n > 0 && o.seen && o.own_us > 0 && o.own_us - o.oldest_us > EXPIRY_US)
    MST_TRY(remove_claim(l, mst_buf_text(&o.oldest), err));
done:
  mst_buf_free(&o.oldest);
  return status;
}

static mst_status wait_some(mst_lock *l, int64_t limit, mst_cancel *cancel, mst_error *err) {
  int64_t us = (int64_t)(l->env->random(l->env->self) % (uint64_t)limit);
  for (; us > 0; us -= 20000) {
    mst_status status = mst_cancel_check(cancel, err);
    if (status != MST_OK) return status;
    l->env->sleep_us(l->env->self, us < 20000 ? us : 20000);
  }
  return mst_cancel_check(cancel, err);
}

static mst_status claim(mst_lock *l, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  bool held = false, back = false;
  int64_t limit = 10000;
  MST_TRY(put_claim(l, cancel, err));
  for (;;) {
    MST_TRY(look_round(l, &held, &back, cancel, err));
    if (held) return MST_OK;
    if (back) MST_TRY(remove_claim(l, mst_buf_text(&l->key), err));
    MST_TRY(wait_some(l, limit, cancel, err));
    if (limit < PAUSE_MAX_US) limit *= 2;
    /* a claim that waits must not grow old */
    if (back || l->env->tick_us(l->env->self) - l->taken_tick > MARGIN_US) MST_TRY(put_claim(l, cancel, err));
  }
done:
  return status;
}

static mst_status check_name(const char *name, mst_error *err) {
  size_t n = strlen(name);
  bool fine = n > 0 && n <= NAME_MAX_BYTES && name[0] != '.';
  for (size_t i = 0; fine && i < n; i++)
    fine = (name[i] >= 'a' && name[i] <= 'z') || (name[i] >= 'A' && name[i] <= 'Z') ||
           (name[i] >= '0' && name[i] <= '9') || strchr("-_.", name[i]) != NULL;
  return fine ? MST_OK
              : mst_fail(err, MST_E_ARGUMENT,
                         "the lock's name '%.120s' is not made of letters, digits, '-', '_' and '.'", name);
}

mst_status mst_lock_take(mst_store *store, const char *uuid, const char *name, mst_lock **out, mst_cancel *cancel,
                         mst_error *err) {
  char id[33];
  const mst_allocator *mem = mst_context_mem(mst_store_context(store));
  mst_status status = check_name(name, err);
  if (status != MST_OK) return status;
  mst_lock *l = mst_alloc_zero(mem, 1, sizeof *l);
  if (l == NULL) return mst_fail_memory(err);
  l->store = mst_store_ref(store);
  l->mem = mem;
  l->env = mst_context_env(mst_store_context(store));
  mst_buf_init(&l->key, mem, MST_KEY_MAX);
  mst_uuid_make(mst_store_context(store), id);
  MST_TRY(mst_buf_printf(&l->key, err, "%s%slock/%s/", uuid, MST_KEY_OURS, name));
  l->n_prefix = l->key.size;
  MST_TRY(mst_buf_put_text(&l->key, id, err));
  MST_TRY(mst_while(err, claim(l, cancel, err), "while waiting for the lock '%s'", name));
  *out = l;
  l = NULL;
done:
  mst_lock_give(l);
  return status;
}

mst_status mst_lock_check(mst_lock *l, mst_error *err) {
  if (l->env->tick_us(l->env->self) - l->taken_tick < EXPIRY_US - MARGIN_US) return MST_OK;
  return mst_fail(err, MST_E_TIMEOUT, "the lock may have lapsed: it was taken more than %lld s ago",
                  (long long)((EXPIRY_US - MARGIN_US) / 1000000));
}

void mst_lock_give(mst_lock *l) {
  mst_error ignored;
  if (l == NULL) return;
  if (l->key.size > l->n_prefix) (void)remove_claim(l, mst_buf_text(&l->key), &ignored);
  mst_buf_free(&l->key);
  mst_store_unref(l->store);
  mst_free(l->mem, l);
}
