/* store/transport.c - the context's one transport: the I/O thread, the loops that blocking callers drive themselves,
 * the list of what is under way, and the settings of requests. Owns the thread, the loops and the tables of libcurl and
 * libcrypto. Calls loop.h, lib_curl, lib_crypto, base.
 *
 * A child after fork() gets a transport of its own by its context; the parent's, with its connections, is left alone.
 */
#include "store/transport.h"

#include <signal.h>
#include <time.h>

#include "store/loop.h"

enum { LANES_IDLE_MAX = 8 };

/* A loop for one blocking caller at a time; its connections are kept for the next one. */
typedef struct lane {
  mst_loop loop;
  struct lane *next;
} lane;

struct mst_transport {
  mst_context *ctx; /* borrowed: it owns us */
  const mst_allocator *mem;
  mst_curl curl;
  mst_crypto crypto;
  uint64_t generation;
  pthread_mutex_t lock;
  pthread_cond_t quiet; /* no blocker is left */
  mst_exchange *inbox, *inbox_last;
  mst_exchange *live; /* every exchange under way, of all loops */
  lane *lanes;
  uint32_t n_lanes, n_blockers;
  bool threaded, stop;
  bool guard_pipe; /* this libcurl may raise SIGPIPE in the thread that it runs in */
  pthread_t thread;
  mst_loop io;
  bool *gone; /* on the I/O thread's stack: set when the transport ended underneath it */
};

/* --- configuration of requests ------------------------------------------------------------------------------------ */

static mst_status copy_text(const mst_allocator *mem, const char *text, char **out, mst_error *err) {
  if (text == NULL || *text == '\0') return MST_OK;
  *out = mst_text_copy(mem, text);
  return *out == NULL ? mst_fail_memory(err) : MST_OK;
}

/* As curl does it: http_proxy counts in lower case only, because a CGI program's HTTP_PROXY comes from its client. */
static const char *environment_proxy(mst_context *ctx, bool tls) {
  static const char *const for_http[] = {"http_proxy", "ALL_PROXY", "all_proxy"};
  static const char *const for_https[] = {"https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"};
  const char *const *names = tls ? for_https : for_http;
  const size_t n = tls ? sizeof for_https / sizeof *for_https : sizeof for_http / sizeof *for_http;
  for (size_t i = 0; i < n; i++) {
    const char *value = mst_context_getenv(ctx, names[i]);
    if (value != NULL) return value;
  }
  return NULL;
}

mst_status mst_http_config_make(mst_context *ctx, const mst_settings *settings, const char *ca_bundle,
                                mst_http_config **out, mst_error *err) {
  const mst_allocator *mem = mst_context_mem(ctx);
  const char *proxy = mst_settings_text(settings, MST_OPTION_PROXY),
             *agent = mst_settings_text(settings, MST_OPTION_USER_AGENT);
  const char *bundle = mst_settings_text(settings, MST_OPTION_CA_BUNDLE);
  mst_status status = MST_OK;
  mst_http_config *c = mst_alloc_zero(mem, 1, sizeof *c);
  if (c == NULL) return mst_fail_memory(err);
  atomic_init(&c->refs, 1);
  c->mem = mem;
  c->connect_timeout_us = mst_settings_us(settings, MST_OPTION_CONNECT_TIMEOUT);
  c->stall_timeout_us = mst_settings_us(settings, MST_OPTION_STALL_TIMEOUT);
  c->attempt_timeout_us = mst_settings_us(settings, MST_OPTION_TIMEOUT);
  c->verify_tls = mst_settings_bool(settings, MST_OPTION_VERIFY_TLS);
  MST_TRY(copy_text(mem, proxy != NULL ? proxy : environment_proxy(ctx, false), &c->proxy_http, err));
  MST_TRY(copy_text(mem, proxy != NULL ? proxy : environment_proxy(ctx, true), &c->proxy_https, err));
  MST_TRY(copy_text(mem, mst_settings_text(settings, MST_OPTION_NO_PROXY), &c->no_proxy, err));
  MST_TRY(copy_text(mem, bundle != NULL ? bundle : ca_bundle, &c->ca_bundle, err));
  MST_TRY(copy_text(mem, agent != NULL ? agent : "meseta/" MST_VERSION, &c->user_agent, err));
  *out = c;
  c = NULL;
done:
  mst_http_config_unref(c);
  return status;
}

mst_http_config *mst_http_config_ref(mst_http_config *c) {
  atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
  return c;
}

void mst_http_config_unref(mst_http_config *c) {
  const mst_allocator *mem;
  if (c == NULL || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1) return;
  mem = c->mem;
  mst_free(mem, c->proxy_http);
  mst_free(mem, c->proxy_https);
  mst_free(mem, c->no_proxy);
  mst_free(mem, c->ca_bundle);
  mst_free(mem, c->user_agent);
  mst_free(mem, c);
}

/* --- what is under way -------------------------------------------------------------------------------------------- */

/* All with the lock held. */
static void link_live(mst_transport *t, mst_exchange *x) {
  x->live_before = NULL;
  x->live_after = t->live;
  if (t->live != NULL) t->live->live_before = x;
  t->live = x;
}

static void unlink_live(mst_transport *t, mst_exchange *x) {
  if (x->live_before != NULL) x->live_before->live_after = x->live_after;
  else t->live = x->live_after;
  if (x->live_after != NULL) x->live_after->live_before = x->live_before;
}

static bool put_inbox(mst_transport *t, mst_exchange *x) {
  const bool was_empty = t->inbox == NULL;
  x->next = NULL;
  if (was_empty) t->inbox = x;
  else t->inbox_last->next = x;
  t->inbox_last = x;
  return was_empty;
}

static mst_exchange *take_inbox(mst_transport *t) {
  mst_exchange *x;
  pthread_mutex_lock(&t->lock);
  x = t->inbox;
  t->inbox = NULL;
  pthread_mutex_unlock(&t->lock);
  return x;
}

static void reset(mst_transport *t, mst_exchange *x) {
  x->generation = t->generation;
  x->requests = 0;
  x->status = MST_OK;
  x->slot = NULL;
  x->resume_at_us = 0;
}

void mst_transport_cancel(mst_transport *t, const void *tag) {
  bool found = false;
  pthread_mutex_lock(&t->lock);
  for (mst_exchange *x = t->live; x != NULL; x = x->live_after)
    if (x->tag == tag) {
      atomic_store_explicit(&x->cancel_asked, true, memory_order_release);
      found = true;
    }
  if (found && t->threaded) t->curl.multi_wakeup(t->io.multi);
  pthread_mutex_unlock(&t->lock);
}

/* --- the I/O thread ----------------------------------------------------------------------------------------------- */

/* Hands back what has ended. true: the transport ended with the last of it. */
static bool deliver(mst_transport *t, const bool *gone) {
  mst_exchange *x;
  while (!*gone && (x = mst_loop_take_ended(&t->io)) != NULL) {
    pthread_mutex_lock(&t->lock);
    unlink_live(t, x);
    pthread_mutex_unlock(&t->lock);
    x->ops->end(x);
  }
  return *gone;
}

static void *io_thread(void *arg) {
  mst_transport *t = arg;
  bool gone = false;
  t->gone = &gone;
  for (;;) {
    int ms;
    for (mst_exchange *x = take_inbox(t), *after; x != NULL; x = after) {
      after = x->next;
      mst_loop_add(&t->io, x);
    }
    mst_loop_turn(&t->io);
    if (deliver(t, &gone)) return NULL;
    ms = mst_loop_patience_ms(&t->io);
    pthread_mutex_lock(&t->lock);
    if (t->stop && t->live == NULL) {
      pthread_mutex_unlock(&t->lock);
      return NULL;
    }
    if (t->inbox != NULL) ms = 0;
    pthread_mutex_unlock(&t->lock);
    if (ms != 0) mst_loop_wait(&t->io, ms < 0 ? 60 * 1000 : ms);
  }
}

static mst_status begin_thread(mst_transport *t, mst_error *err) {
  sigset_t all, before;
  int failed;
  if (t->threaded) return MST_OK;
  if (t->io.multi == NULL) {
    const mst_status status =
        mst_loop_open(&t->io, t, &t->curl, &t->crypto, t->ctx, mst_context_requests_max(t->ctx), err);
    if (status != MST_OK) return status;
  }
  /* Signals are for the program's own threads. */
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  failed = pthread_create(&t->thread, NULL, io_thread, t);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (failed != 0) return mst_fail_errno(err, failed, "starting the I/O thread");
  t->threaded = true;
  return MST_OK;
}

void mst_transport_start(mst_transport *t, mst_exchange *x) {
  mst_status status;
  bool wake = false;
  reset(t, x);
  pthread_mutex_lock(&t->lock);
  status = begin_thread(t, x->error);
  if (status == MST_OK) {
    link_live(t, x);
    wake = put_inbox(t, x);
    /* Under the lock, because afterwards the exchange may end, and with it the last reason to keep the transport. */
    if (wake) t->curl.multi_wakeup(t->io.multi);
  }
  pthread_mutex_unlock(&t->lock);
  if (status == MST_OK) return;
  x->status = status;
  x->ops->end(x);
}

/* --- blocking work for exchanges ---------------------------------------------------------------------------------- */

typedef struct blocker {
  mst_transport *transport;
  mst_exchange *x;
} blocker;

static void *block_thread(void *arg) {
  blocker b = *(blocker *)arg;
  mst_transport *t = b.transport;
  mst_free(t->mem, arg);
  b.x->ops->block(b.x, t);
  pthread_mutex_lock(&t->lock);
  if (put_inbox(t, b.x)) t->curl.multi_wakeup(t->io.multi);
  if (--t->n_blockers == 0) pthread_cond_broadcast(&t->quiet);
  pthread_mutex_unlock(&t->lock);
  return NULL;
}

static bool spawn_blocker(mst_transport *t, mst_exchange *x) {
  blocker *b = mst_alloc(t->mem, sizeof *b);
  pthread_attr_t detached;
  pthread_t thread;
  bool ok;
  if (b == NULL) return false;
  *b = (blocker){t, x};
  pthread_mutex_lock(&t->lock);
  t->n_blockers++;
  pthread_mutex_unlock(&t->lock);
  pthread_attr_init(&detached);
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  ok = pthread_create(&thread, &detached, block_thread, b) == 0; /* with all signals blocked, as its creator */
  pthread_attr_destroy(&detached);
  if (ok) return true;
  pthread_mutex_lock(&t->lock);
  t->n_blockers--;
  pthread_mutex_unlock(&t->lock);
  mst_free(t->mem, b);
  return false;
}

void mst_transport_block(mst_transport *t, mst_loop *l, mst_exchange *x) {
  /* A caller's own thread may block, and so may any other when there is no memory for a thread. */
  if (l == &t->io && spawn_blocker(t, x)) return;
  x->ops->block(x, t);
  mst_loop_add(l, x);
}

/* --- callers that drive their own exchange --------------------------------------------------------------------------
 */

static lane *take_lane(mst_transport *t, mst_error *err) {
  lane *n;
  pthread_mutex_lock(&t->lock);
  n = t->lanes;
  if (n != NULL) {
    t->lanes = n->next;
    t->n_lanes--;
  }
  pthread_mutex_unlock(&t->lock);
  if (n != NULL) return n;
  n = mst_alloc_zero(t->mem, 1, sizeof *n);
  if (n == NULL) {
    (void)mst_fail_memory(err);
    return NULL;
  }
  if (mst_loop_open(&n->loop, t, &t->curl, &t->crypto, t->ctx, 1, err) == MST_OK) return n;
  mst_free(t->mem, n);
  return NULL;
}

static void free_lane(mst_transport *t, lane *n) {
  mst_loop_close(&n->loop);
  mst_free(t->mem, n);
}

static void give_lane(mst_transport *t, mst_exchange *x, lane *n) {
  bool kept;
  pthread_mutex_lock(&t->lock);
  unlink_live(t, x);
  kept = t->n_lanes < LANES_IDLE_MAX;
  if (kept) {
    n->next = t->lanes;
    t->lanes = n;
    t->n_lanes++;
  }
  pthread_mutex_unlock(&t->lock);
  if (!kept) free_lane(t, n);
}

static void drive(mst_loop *l) {
  for (;;) {
    int ms;
    mst_loop_turn(l);
    if (mst_loop_take_ended(l) != NULL) return;
    ms = mst_loop_patience_ms(l);
    if (ms == 0) continue;
    /* Pauses between attempts belong to the context's clock, which a test may turn itself. */
    if (l->n_flying > 0) mst_loop_wait(l, ms);
    else l->env->sleep_us(l->env->self, ms < 0 ? 1000 : (int64_t)ms * 1000);
  }
}

/* The caller's thread and its signals are not ours: a SIGPIPE that comes of our writing is taken away again. */
static void drive_guarded(mst_loop *l) {
  const struct timespec none = {0};
  sigset_t pipe, before, pending;
  bool was_pending;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  was_pending = sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
  pthread_sigmask(SIG_BLOCK, &pipe, &before);
  drive(l);
  while (!was_pending && sigtimedwait(&pipe, NULL, &none) == SIGPIPE) continue;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

mst_status mst_transport_run(mst_transport *t, mst_exchange *x) {
  lane *n = take_lane(t, x->error);
  reset(t, x);
  if (n == NULL) return x->status = MST_E_NO_MEMORY;
  pthread_mutex_lock(&t->lock);
  link_live(t, x);
  pthread_mutex_unlock(&t->lock);
  mst_loop_add(&n->loop, x);
  if (t->guard_pipe) drive_guarded(&n->loop);
  else drive(&n->loop);
  give_lane(t, x, n);
  return x->status;
}

/* --- making and ending -------------------------------------------------------------------------------------------- */

static void free_transport(mst_transport *t) {
  while (t->lanes != NULL) {
    lane *n = t->lanes;
    t->lanes = n->next;
    free_lane(t, n);
  }
  if (t->io.multi != NULL) mst_loop_close(&t->io);
  pthread_cond_destroy(&t->quiet);
  pthread_mutex_destroy(&t->lock);
  mst_free(t->mem, t);
}

static void drop_transport(void *value) {
  mst_transport *t = value;
  bool threaded;
  pthread_mutex_lock(&t->lock);
  while (t->n_blockers > 0) pthread_cond_wait(&t->quiet, &t->lock);
  t->stop = true;
  threaded = t->threaded;
  if (threaded) t->curl.multi_wakeup(t->io.multi);
  pthread_mutex_unlock(&t->lock);
  if (threaded && pthread_equal(t->thread, pthread_self())) {
    /* The last reference went in a completion: the thread cannot wait for itself, but it touches nothing any more. */
    *t->gone = true;
    pthread_detach(t->thread);
  } else if (threaded) pthread_join(t->thread, NULL);
  free_transport(t);
}

static void *make_transport(mst_context *ctx, mst_error *err) {
  const mst_allocator *mem = mst_context_mem(ctx);
  mst_transport *t = mst_alloc_zero(mem, 1, sizeof *t);
  if (t == NULL) {
    (void)mst_fail_memory(err);
    return NULL;
  }
  t->ctx = ctx;
  t->mem = mem;
  t->generation = mst_fork_generation();
  /* libcrypto first: how it ends must be said before libcurl begins to use it. */
  if (mst_crypto_load(&t->crypto, err) != MST_OK || mst_curl_load(&t->curl, err) != MST_OK) {
    mst_free(mem, t);
    return NULL;
  }
  /* From 7.87 on it writes to TLS connections without the signal, too. */
  t->guard_pipe = t->curl.version_info(CURLVERSION_NOW)->version_num < 0x075700;
  pthread_mutex_init(&t->lock, NULL);
  pthread_cond_init(&t->quiet, NULL);
  return t;
}

mst_status mst_transport_get(mst_context *ctx, mst_transport **out, mst_error *err) {
  mst_error why = {.status = MST_OK};
  mst_transport *t = mst_context_slot(ctx, MST_SLOT_TRANSPORT, make_transport, drop_transport, &why);
  if (t != NULL) {
    *out = t;
    return MST_OK;
  }
  if (err != NULL) *err = why;
  return mst_not_ok(why.status);
}

const mst_crypto *mst_transport_crypto(const mst_transport *t) { return &t->crypto; }
mst_context *mst_transport_context(const mst_transport *t) { return t->ctx; }
