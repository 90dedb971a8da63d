/* store/loop.c - drives exchanges over one libcurl multi handle: begins them, gives libcurl what it needs, turns its
 * answers into outcomes, keeps timers, stalls, deadlines and cancellations.
 * Owns the multi handle and a few easy handles that are used again. Calls lib_curl, the exchanges' owners, base. */
#include "store/loop.h"

#include <stdio.h>

enum {
  SCAN_US = 20 * 1000, /* clocks and flags are looked at this often while something is under way */
  PATIENCE_MS = 50,
  HEADER_BYTES_MAX = 256 << 10,
  BUFFER_LARGE = 256 << 10, /* fewer system calls, and still within a processor's cache */
  STALL_FLOOR = 100         /* bytes a second, over the whole stall window */
};

struct mst_slot_easy {
  mst_slot_easy *next, *before;
  CURL *easy;
  mst_loop *loop;
  mst_exchange *x;         /* NULL: idle */
  mst_http_config *config; /* what the handle is set up for, a reference; NULL: nothing */
  const char *method;
  bool large;
  struct curl_slist lines[MST_HEADERS_MAX];
  char trouble[CURL_ERROR_SIZE];
};

/* --- what libcurl calls ------------------------------------------------------------------------------------------- */

static size_t on_header(char *line, size_t size, size_t n, void *arg) {
  mst_exchange *x = ((mst_slot_easy *)arg)->x;
  n *= size;
  x->header_bytes += (uint32_t)mst_min_size(n, HEADER_BYTES_MAX);
  if (x->header_bytes > HEADER_BYTES_MAX) return 0;
  mst_reply_line(&x->reply, line, n);
  return n;
}

static bool head_once(mst_exchange *x) {
  if (x->headed) return true;
  x->headed = true;
  x->cut = !x->ops->head(x);
  return !x->cut;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg) {
  mst_exchange *x = ((mst_slot_easy *)arg)->x;
  n *= size;
  if (!head_once(x)) return 0;
  x->cut = !x->ops->body(x, data, n);
  return x->cut ? 0 : n;
}

/* --- easy handles ------------------------------------------------------------------------------------------------- */

static void free_slot(mst_loop *l, mst_slot_easy *s) {
  if (s->easy != NULL) l->curl->easy_cleanup(s->easy);
  mst_http_config_unref(s->config);
  mst_free(l->mem, s);
}

static mst_slot_easy *new_slot(mst_loop *l) {
  mst_slot_easy *s = mst_alloc_zero(l->mem, 1, sizeof *s);
  if (s == NULL) return NULL;
  s->loop = l;
  s->easy = l->curl->easy_init();
  if (s->easy != NULL) return s;
  free_slot(l, s);
  return NULL;
}

static bool fits(const mst_slot_easy *s, const mst_exchange *x) {
  return s->config == x->config && s->large == x->request.large && mst_text_equal(s->method, x->request.method);
}

/* One that is set up alike is best, then the last one used. */
static mst_slot_easy *take_slot(mst_loop *l, const mst_exchange *x) {
  mst_slot_easy **at = &l->idle, *s;
  for (mst_slot_easy **p = &l->idle; *p != NULL; p = &(*p)->next)
    if (fits(*p, x)) {
      at = p;
      break;
    }
  s = *at;
  if (s == NULL) s = new_slot(l);
  else *at = s->next;
  if (s == NULL) return NULL;
  s->before = NULL;
  s->next = l->flying;
  if (l->flying != NULL) l->flying->before = s;
  l->flying = s;
  l->n_flying++;
  return s;
}

static void give_slot(mst_loop *l, mst_slot_easy *s) {
  if (s->before != NULL) s->before->next = s->next;
  else l->flying = s->next;
  if (s->next != NULL) s->next->before = s->before;
  l->n_flying--;
  s->x = NULL;
  s->next = l->idle;
  l->idle = s;
}

#define SET(option, value)     ok = ok && c->easy_setopt(s->easy, (option), (value)) == CURLE_OK
#define TRY_SET(option, value) (void)c->easy_setopt(s->easy, (option), (value)) /* older libraries know it not */

static long milliseconds(int64_t us) { return us <= 0 ? 0L : us < 1000 ? 1L : (long)(us / 1000); }

/* What does not change from one request of a store to the next. */
static bool set_up(const mst_curl *c, mst_slot_easy *s, mst_exchange *x) {
  const mst_http_config *f = x->config;
  const bool get = mst_text_equal(x->request.method, "GET"), head = mst_text_equal(x->request.method, "HEAD");
  const bool sends = mst_text_equal(x->request.method, "PUT") || mst_text_equal(x->request.method, "POST");
  bool ok = true;
  if (fits(s, x)) return true;
  c->easy_reset(s->easy);
  mst_http_config_unref(s->config);
  s->config = NULL;
  SET(CURLOPT_NOSIGNAL, 1L);
  SET(CURLOPT_ERRORBUFFER, s->trouble);
  SET(CURLOPT_PRIVATE, (void *)s);
  SET(CURLOPT_HEADERFUNCTION, on_header);
  SET(CURLOPT_HEADERDATA, (void *)s);
  SET(CURLOPT_WRITEFUNCTION, on_body);
  SET(CURLOPT_WRITEDATA, (void *)s);
  SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  SET(CURLOPT_PATH_AS_IS, 1L);
  SET(CURLOPT_TCP_KEEPALIVE, 1L);
  SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  SET(CURLOPT_USERAGENT, f->user_agent);
  SET(CURLOPT_CONNECTTIMEOUT_MS, milliseconds(f->connect_timeout_us));
  SET(CURLOPT_TIMEOUT_MS, milliseconds(f->attempt_timeout_us));
  SET(CURLOPT_SSL_VERIFYPEER, f->verify_tls ? 1L : 0L);
  SET(CURLOPT_SSL_VERIFYHOST, f->verify_tls ? 2L : 0L);
  if (f->ca_bundle != NULL) SET(CURLOPT_CAINFO, f->ca_bundle);
  if (x->request.large) TRY_SET(CURLOPT_BUFFERSIZE, (long)BUFFER_LARGE);
  TRY_SET((CURLoption)MST_CURLOPT_QUICK_EXIT, 1L);
  TRY_SET(CURLOPT_PROTOCOLS_STR, "http,https");
  if (head) SET(CURLOPT_NOBODY, 1L);
  else if (sends) SET(CURLOPT_POST, 1L);
  else SET(CURLOPT_HTTPGET, 1L);
  if (!get && !head) SET(CURLOPT_CUSTOMREQUEST, x->request.method);
  if (!ok) return false;
  s->config = mst_http_config_ref(x->config);
  s->method = x->request.method;
  s->large = x->request.large;
  return true;
}

static bool set_request(const mst_curl *c, mst_slot_easy *s, mst_exchange *x) {
  const mst_request *q = &x->request;
  const bool tls = mst_text_starts(q->url, "https:");
  const char *proxy = q->no_proxy ? NULL : tls ? x->config->proxy_https : x->config->proxy_http;
  bool ok = true;
  for (size_t i = 0; i < q->n_headers; i++)
    s->lines[i] = (struct curl_slist){.data = (char *)(uintptr_t)q->headers[i],
                                      .next = i + 1 < q->n_headers ? &s->lines[i + 1] : NULL};
  SET(CURLOPT_URL, q->url);
  SET(CURLOPT_HTTPHEADER, q->n_headers == 0 ? NULL : s->lines);
  /* "" keeps libcurl from looking into the environment itself. */
  SET(CURLOPT_PROXY, proxy == NULL ? "" : proxy);
  if (proxy != NULL && x->config->no_proxy != NULL) SET(CURLOPT_NOPROXY, x->config->no_proxy);
  SET(CURLOPT_FRESH_CONNECT, q->once ? 1L : 0L);
  if (s->method[0] == 'P') {
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->n_body);
    SET(CURLOPT_POSTFIELDS, q->n_body == 0 ? "" : q->body);
  }
  return ok;
}

/* --- the life of a request ---------------------------------------------------------------------------------------- */

static int64_t now(const mst_loop *l) { return l->env->tick_us(l->env->self); }

static void put_ready(mst_loop *l, mst_exchange *x) {
  x->next = NULL;
  if (l->ready == NULL) l->ready = x;
  else l->ready_last->next = x;
  l->ready_last = x;
}

static void end(mst_loop *l, mst_exchange *x) {
  x->next = l->ended;
  l->ended = x;
}

static void fail(mst_loop *l, mst_exchange *x, mst_status status, const char *text) {
  x->status = mst_fail(x->error, status, "%s", text);
  end(l, x);
}

static void settle(mst_loop *l, mst_exchange *x);

static void obey(mst_loop *l, mst_exchange *x, mst_go go) {
  switch (go) {
  case MST_GO_SEND:
  case MST_GO_AGAIN: put_ready(l, x); return;
  case MST_GO_WAIT:
    x->next = l->waiting;
    l->waiting = x;
    return;
  case MST_GO_BLOCK: mst_transport_block(l->transport, l, x); return;
  case MST_GO_END: end(l, x); return;
  }
}

static void settle(mst_loop *l, mst_exchange *x) { obey(l, x, x->ops->settle(x)); }

static void settle_as(mst_loop *l, mst_exchange *x, mst_outcome outcome, const char *trouble) {
  x->outcome = outcome;
  snprintf(x->trouble, sizeof x->trouble, "%s", trouble);
  settle(l, x);
}

static void send_request(mst_loop *l, mst_exchange *x) {
  const mst_curl *c = l->curl;
  mst_slot_easy *s = take_slot(l, x);
  mst_reply_begin(&x->reply);
  mst_free(l->mem, x->location);
  x->location = NULL;
  x->headed = x->cut = false;
  x->header_bytes = 0;
  x->trouble[0] = '\0';
  if (s == NULL) {
    fail(l, x, MST_E_NO_MEMORY, "out of memory");
    return;
  }
  s->x = x;
  s->trouble[0] = '\0';
  x->slot = s;
  if (!set_up(c, s, x) || !set_request(c, s, x)) {
    give_slot(l, s);
    settle_as(l, x, MST_OUTCOME_IMPOSSIBLE, "libcurl refuses the request");
    return;
  }
  x->sent_at_us = x->window_us = now(l);
  x->window_bytes = 0;
  x->requests++;
  if (c->multi_add_handle(l->multi, s->easy) == CURLM_OK) return;
  give_slot(l, s);
  settle_as(l, x, MST_OUTCOME_IMPOSSIBLE, "libcurl has no memory for the request");
}

static void begin(mst_loop *l, mst_exchange *x) {
  if (mst_exchange_stopped(x, l->env)) {
    settle_as(l, x, x->deadline_us != 0 && now(l) >= x->deadline_us ? MST_OUTCOME_DEADLINE : MST_OUTCOME_CANCELLED, "");
    return;
  }
  const mst_go go = x->ops->begin(x, &l->signer);
  if (go == MST_GO_SEND) send_request(l, x);
  else obey(l, x, go);
}

static mst_outcome judge(const mst_curl *c, const mst_slot_easy *s, CURLcode code) {
  long sent = 0;
  switch (code) {
  case CURLE_OK: return MST_OUTCOME_REPLY;
  case CURLE_OUT_OF_MEMORY:
  case CURLE_URL_MALFORMAT:
  case CURLE_UNSUPPORTED_PROTOCOL:
  case CURLE_PEER_FAILED_VERIFICATION:
  case CURLE_SSL_CACERT_BADFILE:
  case CURLE_SSL_CERTPROBLEM:
  case CURLE_SSL_CIPHER:
  case CURLE_BAD_FUNCTION_ARGUMENT:
  case CURLE_NOT_BUILT_IN: return MST_OUTCOME_IMPOSSIBLE;
  default: break;
  }
  if (c->easy_getinfo(s->easy, CURLINFO_REQUEST_SIZE, &sent) == CURLE_OK && sent == 0) return MST_OUTCOME_NOT_SENT;
  return code == CURLE_OPERATION_TIMEDOUT ? MST_OUTCOME_STALLED : MST_OUTCOME_BROKEN;
}

/* Takes the request from libcurl. A connection in the middle of a transfer is closed by that. */
static void land(mst_loop *l, mst_slot_easy *s) {
  l->curl->multi_remove_handle(l->multi, s->easy);
  s->x->slot = NULL;
  give_slot(l, s);
}

/* libcurl makes the URL whole. Without memory for it the redirect cannot be followed, which is said then. */
static void keep_location(mst_loop *l, mst_slot_easy *s) {
  char *url = NULL;
  if (l->curl->easy_getinfo(s->easy, CURLINFO_REDIRECT_URL, &url) == CURLE_OK && url != NULL)
    s->x->location = mst_text_copy(l->mem, url);
}

static void finish(mst_loop *l, mst_slot_easy *s, CURLcode code) {
  mst_exchange *x = s->x;
  mst_outcome outcome = judge(l->curl, s, code);
  const char *trouble = code == CURLE_OK ? "" : s->trouble[0] != '\0' ? s->trouble : l->curl->easy_strerror(code);
  if (outcome == MST_OUTCOME_REPLY) (void)head_once(x);
  if (x->reply.status >= 300 && x->reply.status < 400) keep_location(l, s);
  if (x->cut) outcome = MST_OUTCOME_CUT;
  else if (x->header_bytes > HEADER_BYTES_MAX) trouble = "the reply's headers are too long";
  snprintf(x->trouble, sizeof x->trouble, "%s", trouble);
  x->outcome = outcome;
  land(l, s);
  settle(l, x);
}

static void collect(mst_loop *l) {
  CURLMsg *message;
  int left;
  while ((message = l->curl->multi_info_read(l->multi, &left)) != NULL) {
    char *private = NULL;
    if (message->msg != CURLMSG_DONE) continue;
    if (l->curl->easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private) != CURLE_OK) continue;
    finish(l, (mst_slot_easy *)(void *)private, message->data.result);
  }
}

/* --- clocks and flags --------------------------------------------------------------------------------------------- */

bool mst_exchange_stopped(const mst_exchange *x, const mst_env *env) {
  for (; x != NULL; x = x->parent) {
    if (atomic_load_explicit(&x->cancel_asked, memory_order_acquire) || mst_cancelled(x->cancel)) return true;
    if (x->deadline_us != 0 && env->tick_us(env->self) >= x->deadline_us) return true;
  }
  return false;
}

static bool timed_out(const mst_exchange *x, int64_t at) {
  for (; x != NULL; x = x->parent)
    if (x->deadline_us != 0 && at >= x->deadline_us) return true;
  return false;
}

static uint64_t moved(const mst_curl *c, const mst_slot_easy *s) {
  curl_off_t down = 0, up = 0;
  (void)c->easy_getinfo(s->easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
  (void)c->easy_getinfo(s->easy, CURLINFO_SIZE_UPLOAD_T, &up);
  return (uint64_t)down + (uint64_t)up + s->x->header_bytes;
}

static bool stalled(mst_loop *l, mst_slot_easy *s, int64_t at) {
  mst_exchange *x = s->x;
  const int64_t limit = x->request.stall_us > 0 ? x->request.stall_us : x->config->stall_timeout_us;
  uint64_t bytes, floor;
  if (limit == 0 || at - x->window_us < limit) return false;
  bytes = moved(l->curl, s);
  floor = (uint64_t)(limit / 1000) * STALL_FLOOR / 1000;
  if (bytes - x->window_bytes < (floor == 0 ? 1 : floor)) return true;
  x->window_us = at;
  x->window_bytes = bytes;
  return false;
}

static void drop(mst_loop *l, mst_slot_easy *s, mst_outcome outcome, const char *trouble) {
  mst_exchange *x = s->x;
  land(l, s);
  settle_as(l, x, outcome, trouble);
}

static void scan_flying(mst_loop *l, int64_t at) {
  mst_slot_easy *after;
  for (mst_slot_easy *s = l->flying; s != NULL; s = after) {
    after = s->next;
    if (timed_out(s->x, at)) drop(l, s, MST_OUTCOME_DEADLINE, "");
    else if (mst_exchange_stopped(s->x, l->env)) drop(l, s, MST_OUTCOME_CANCELLED, "");
    else if (stalled(l, s, at)) drop(l, s, MST_OUTCOME_STALLED, "the transfer stalled");
  }
}

static void scan_waiting(mst_loop *l, int64_t at) {
  mst_exchange **p = &l->waiting;
  while (*p != NULL) {
    mst_exchange *x = *p;
    if (x->resume_at_us > at && !mst_exchange_stopped(x, l->env)) {
      p = &x->next;
      continue;
    }
    *p = x->next;
    put_ready(l, x);
  }
}

/* --- turning ------------------------------------------------------------------------------------------------------ */

void mst_loop_add(mst_loop *l, mst_exchange *x) { put_ready(l, x); }

static void begin_ready(mst_loop *l) {
  /* What must begin again goes to the end of the queue and waits for the next turn. */
  mst_exchange *x = l->ready;
  l->ready = NULL;
  while (x != NULL) {
    mst_exchange *after = x->next;
    if (l->n_flying >= l->flying_max) put_ready(l, x);
    else begin(l, x);
    x = after;
  }
}

void mst_loop_turn(mst_loop *l) {
  int64_t at;
  int running = 0;
  begin_ready(l);
  if (l->n_flying > 0) {
    l->curl->multi_perform(l->multi, &running);
    collect(l);
  }
  if (l->flying == NULL && l->waiting == NULL) return;
  at = now(l);
  if (l->waiting == NULL && at < l->next_scan_us && l->next_scan_us - at <= SCAN_US) return;
  l->next_scan_us = at + SCAN_US;
  scan_flying(l, at);
  scan_waiting(l, at);
}

int mst_loop_patience_ms(const mst_loop *l) {
  int64_t at, soonest = INT64_MAX;
  if (l->ended != NULL || (l->ready != NULL && l->n_flying < l->flying_max)) return 0;
  if (l->n_flying > 0) return PATIENCE_MS;
  if (l->waiting == NULL) return -1;
  at = now(l);
  for (const mst_exchange *x = l->waiting; x != NULL; x = x->next)
    soonest = x->resume_at_us < soonest ? x->resume_at_us : soonest;
  if (soonest <= at) return 0;
  return soonest - at > PATIENCE_MS * 1000 ? PATIENCE_MS : (int)((soonest - at + 999) / 1000);
}

void mst_loop_wait(mst_loop *l, int ms) {
  int ready;
  l->curl->multi_poll(l->multi, NULL, 0, ms, &ready);
}

mst_exchange *mst_loop_take_ended(mst_loop *l) {
  mst_exchange *x = l->ended;
  if (x != NULL) l->ended = x->next;
  return x;
}

/* --- opening and closing ------------------------------------------------------------------------------------------ */

mst_status mst_loop_open(mst_loop *l, mst_transport *t, const mst_curl *curl, const mst_crypto *crypto,
                         mst_context *ctx, uint32_t flying_max, mst_error *err) {
  mst_status status = MST_OK;
  *l = (mst_loop){
      .transport = t, .curl = curl, .env = mst_context_env(ctx), .mem = mst_context_mem(ctx), .flying_max = flying_max};
  MST_TRY(mst_signer_open(&l->signer, crypto, l->mem, err));
  MST_TRY_ALLOC(l->multi = curl->multi_init());
  (void)curl->multi_setopt(l->multi, CURLMOPT_MAXCONNECTS, (long)flying_max + 8);
  (void)curl->multi_setopt(l->multi, CURLMOPT_PIPELINING, 0L);
done:
  if (status != MST_OK) mst_loop_close(l);
  return status;
}

void mst_loop_close(mst_loop *l) {
  for (mst_slot_easy *s = l->idle, *after; s != NULL; s = after) {
    after = s->next;
    free_slot(l, s);
  }
  l->idle = NULL;
  if (l->multi != NULL) l->curl->multi_cleanup(l->multi);
  l->multi = NULL;
  mst_signer_close(&l->signer);
}
