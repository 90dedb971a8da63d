/* store/identity.c - keeps one set of credentials fresh for all stores that are configured alike.
 * Owns identities, their locks and the context's list of them. Calls the key plan, sign.h, base. */
#include "store/identity.h"

enum { SHARED_MAX = 64 };
/* Before the end, but never more than a part of the life: one caller fetches and the others go on with what there is;
 * then nobody goes on with it. */
static const int64_t early_max_us = 5 * 60 * 1000000LL, late_max_us = 30 * 1000000LL;
enum { EARLY_PART = 4, LATE_PART = 10 };
static const int64_t failure_holds_us = 5 * 1000000LL;
static const int64_t fetch_holds_us =
    1000000LL; /* what has just come is not asked for again, however soon it expires */

struct mst_identity {
  _Atomic uint32_t refs;
  mst_context *ctx; /* borrowed: stores hold it */
  const mst_allocator *mem;
  const mst_env *env;
  mst_key_plan *plan;
  mst_http_config *config, *local;
  _Atomic uint64_t generation; /* of the lock: a child after fork() cannot know who held it */
  pthread_mutex_t lock;
  mst_credentials *now; /* NULL: none yet */
  bool fetching, failed;
  int64_t failed_at_us, fetched_at_us, life_us;
  mst_error failure;
  struct mst_identity *next; /* in the shared list */
};

typedef struct shared {
  const mst_allocator *mem;
  pthread_mutex_t lock;
  mst_identity *first;
  uint32_t n;
} shared;

/* --- the lock ----------------------------------------------------------------------------------------------------- */

static void lock(mst_identity *id) {
  uint64_t seen = atomic_load_explicit(&id->generation, memory_order_acquire);
  const uint64_t now = mst_fork_generation();
  /* The first thread of a child makes it anew; it begins with one thread, so that nobody races for it before. */
  if (seen != now && atomic_compare_exchange_strong(&id->generation, &seen, now)) {
    pthread_mutex_init(&id->lock, NULL);
    id->fetching = false;
  }
  pthread_mutex_lock(&id->lock);
}

static void unlock(mst_identity *id) { pthread_mutex_unlock(&id->lock); }

/* --- looking and fetching ----------------------------------------------------------------------------------------- */

static int64_t now_us(const mst_identity *id) { return id->env->now_us(id->env->self); }
static int64_t tick_us(const mst_identity *id) { return id->env->tick_us(id->env->self); }

static int64_t part_of(int64_t life, int64_t part, int64_t max) { return life / part < max ? life / part : max; }

static mst_identity_state look_locked(mst_identity *id, mst_credentials **out, mst_error *err) {
  const mst_credentials *c = id->now;
  const int64_t left = c == NULL ? 0 : c->expires_us == 0 ? INT64_MAX : c->expires_us - now_us(id), tick = tick_us(id);
  const bool failed_lately = id->failed && tick - id->failed_at_us < failure_holds_us;
  const bool fresh = c != NULL && tick - id->fetched_at_us < fetch_holds_us;
  const bool spare = left > part_of(id->life_us, LATE_PART, late_max_us) && (id->fetching || failed_lately);
  if (c != NULL && (fresh || spare || left > part_of(id->life_us, EARLY_PART, early_max_us))) {
    *out = mst_credentials_ref(id->now);
    return MST_IDENTITY_READY;
  }
  if (failed_lately) {
    if (err != NULL) *err = id->failure;
    return MST_IDENTITY_FAILED;
  }
  if (id->fetching) return MST_IDENTITY_BUSY;
  id->fetching = true;
  return MST_IDENTITY_CLAIMED;
}

mst_identity_state mst_identity_look(mst_identity *id, mst_credentials **out, mst_error *err) {
  mst_identity_state state;
  lock(id);
  state = look_locked(id, out, err);
  unlock(id);
  return state;
}

static mst_status fetch(mst_identity *id, mst_transport *t, const mst_exchange *parent, mst_credentials **out,
                        mst_error *err) {
  if (id->plan == NULL)
    return mst_fail(
        err, MST_E_DENIED,
        "no AWS credentials: there are none in the storage options, the environment and the profile, and no web "
        "identity, container or instance metadata is configured (anonymous=true reads public buckets)");
  return mst_key_plan_fetch(id->plan, t, id->config, id->local, parent, out, err);
}

void mst_identity_fetch(mst_identity *id, mst_transport *t, const mst_exchange *parent) {
  mst_credentials *fresh = NULL, *old = NULL;
  mst_error why = {.status = MST_OK};
  const mst_status status = fetch(id, t, parent, &fresh, &why);
  lock(id);
  id->fetching = false;
  if (status == MST_OK) {
    old = id->now;
    id->now = fresh;
    id->failed = false;
    id->fetched_at_us = tick_us(id);
    id->life_us = fresh->expires_us == 0 ? INT64_MAX : fresh->expires_us - now_us(id);
    if (id->life_us < 0) id->life_us = 0;
  } else if (status != MST_E_CANCELLED) {
    /* That one caller lost patience says nothing about the others. */
    id->failed = true;
    id->failed_at_us = tick_us(id);
    id->failure = why;
  }
  unlock(id);
  mst_credentials_unref(old);
}

bool mst_identity_reject(mst_identity *id, const mst_credentials *refused) {
  mst_credentials *old = NULL;
  if (id->plan == NULL || id->plan->kind == MST_KEYS_STATIC) return false;
  lock(id);
  if (id->now == refused) {
    old = id->now;
    id->now = NULL;
  }
  unlock(id);
  mst_credentials_unref(old);
  return true;
}

/* --- making and sharing ------------------------------------------------------------------------------------------- */

static void free_identity(mst_identity *id) {
  mst_key_plan_free(id->mem, id->plan);
  mst_http_config_unref(id->config);
  mst_http_config_unref(id->local);
  mst_credentials_unref(id->now);
  pthread_mutex_destroy(&id->lock);
  mst_free(id->mem, id);
}

void mst_identity_unref(mst_identity *id) {
  if (id != NULL && atomic_fetch_sub_explicit(&id->refs, 1, memory_order_acq_rel) == 1) free_identity(id);
}

static bool plans_equal(const mst_key_plan *a, const mst_key_plan *b) {
  for (; a != NULL && b != NULL; a = a->base, b = b->base) {
    const char *const left[] = {a->access_key,  a->secret_key,      a->token,      a->role_arn,    a->session_name,
                                a->external_id, a->duration,        a->token_file, a->sts_url,     a->region,
                                a->url,         a->container_token, a->sso_cache,  a->sso_account, a->sso_role};
    const char *const right[] = {b->access_key,  b->secret_key,      b->token,      b->role_arn,    b->session_name,
                                 b->external_id, b->duration,        b->token_file, b->sts_url,     b->region,
                                 b->url,         b->container_token, b->sso_cache,  b->sso_account, b->sso_role};
    if (a->kind != b->kind || a->attempts != b->attempts) return false;
    for (size_t i = 0; i < sizeof left / sizeof *left; i++)
      if (!mst_text_equal(left[i], right[i])) return false;
  }
  return a == b;
}

static bool configs_equal(const mst_http_config *a, const mst_http_config *b) {
  return mst_text_equal(a->proxy_http, b->proxy_http) && mst_text_equal(a->proxy_https, b->proxy_https) &&
         mst_text_equal(a->no_proxy, b->no_proxy) && mst_text_equal(a->ca_bundle, b->ca_bundle) &&
         a->verify_tls == b->verify_tls;
}

static void drop_shared(void *value) {
  shared *s = value;
  while (s->first != NULL) {
    mst_identity *id = s->first;
    s->first = id->next;
    mst_identity_unref(id);
  }
  pthread_mutex_destroy(&s->lock);
  mst_free(s->mem, s);
}

static void *make_shared(mst_context *ctx, mst_error *err) {
  shared *s = mst_alloc_zero(mst_context_mem(ctx), 1, sizeof *s);
  if (s == NULL) {
    (void)mst_fail_memory(err);
    return NULL;
  }
  s->mem = mst_context_mem(ctx);
  pthread_mutex_init(&s->lock, NULL);
  return s;
}

static mst_status make(mst_context *ctx, mst_key_plan *plan, mst_http_config *config, const mst_settings *settings,
                       mst_identity **out, mst_error *err) {
  const mst_allocator *mem = mst_context_mem(ctx);
  const int64_t patience = mst_settings_us(settings, MST_OPTION_METADATA_TIMEOUT);
  mst_status status = MST_OK;
  mst_identity *id = mst_alloc_zero(mem, 1, sizeof *id);
  if (id == NULL) return mst_fail_memory(err);
  atomic_init(&id->refs, 1);
  atomic_init(&id->generation, mst_fork_generation());
  pthread_mutex_init(&id->lock, NULL);
  id->ctx = ctx;
  id->mem = mem;
  id->env = mst_context_env(ctx);
  MST_TRY(mst_http_config_make(ctx, settings, NULL, &id->local, err));
  id->local->connect_timeout_us = id->local->stall_timeout_us = id->local->attempt_timeout_us = patience;
  if (plan != NULL && plan->kind == MST_KEYS_STATIC)
    MST_TRY(mst_credentials_new(mem, plan->access_key, plan->secret_key, plan->token, 0, plan->label, &id->now, err));
  id->config = mst_http_config_ref(config);
  id->plan = plan;
  *out = id;
  id = NULL;
done:
  if (id != NULL) free_identity(id);
  return status;
}

mst_status mst_identity_open(mst_context *ctx, const mst_settings *settings, const mst_profiles *profiles,
                             const char *region, mst_http_config *config, mst_identity **out, mst_error *err) {
  mst_key_plan *plan = NULL;
  mst_identity *found = NULL;
  mst_status status = MST_OK;
  shared *s = mst_context_slot(ctx, MST_SLOT_CREDENTIALS, make_shared, drop_shared, err);
  if (s == NULL) return MST_E_NO_MEMORY;
  MST_TRY(mst_key_plan_make(ctx, settings, profiles, region, &plan, err));
  pthread_mutex_lock(&s->lock);
  for (found = s->first; found != NULL; found = found->next)
    if (plans_equal(found->plan, plan) && configs_equal(found->config, config)) break;
  if (found == NULL) {
    status = make(ctx, plan, config, settings, &found, err);
    if (status == MST_OK) plan = NULL;
    if (status == MST_OK && s->n < SHARED_MAX) {
      s->n++;
      atomic_fetch_add_explicit(&found->refs, 1, memory_order_relaxed);
      found->next = s->first;
      s->first = found;
    }
  } else atomic_fetch_add_explicit(&found->refs, 1, memory_order_relaxed);
  pthread_mutex_unlock(&s->lock);
  if (status == MST_OK) *out = found;
done:
  mst_key_plan_free(mst_context_mem(ctx), plan);
  return status;
}
