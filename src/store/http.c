/* store/http.c - the read-only HTTP(S) store: HEAD and ranged GET, redirects, basic and bearer authentication.
 * Owns the store's address and credentials. Calls call.h, options.h, url.h, base.
 *
 * A key is the rest of the URL as it was written, with its query: only what a URL cannot hold is encoded. Credentials
 * go to the host of the store's URL alone, never along with a redirect to another one, and not at all to a host that
 * only a slice names. */
#include <stdio.h>

#include "store/call.h"
#include "store/schemes.h"

enum { REDIRECTS_MAX = 10, URL_MAX = 32 << 10 };

typedef struct http_store {
  mst_context *ctx; /* borrowed: the handle around us holds it */
  const mst_allocator *mem;
  mst_http_config *config;
  mst_retry_policy policy;
  char *url;           /* "https://host:port" */
  char *authorization; /* "Basic …", "Bearer …"; NULL: none */
  char *secret;        /* what must not be seen, in clear */
  bool withheld;       /* credentials were given, but only a slice names the host */
  atomic_bool no_head;
} http_store;

/* --- requests ----------------------------------------------------------------------------------------------------- */

static bool is_hex(char c) { return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); }

static mst_status put_key(mst_buf *b, const char *key, mst_error *err) {
  static const char kept[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/?";
  mst_status status = MST_OK;
  for (; *key != '\0'; key++) {
    const size_t n = strspn(key, kept);
    MST_TRY(mst_buf_put(b, key, n, err));
    key += n;
    if (*key == '\0') break;
    if (*key == '%' && is_hex(key[1]) && is_hex(key[2])) MST_TRY(mst_buf_put_byte(b, '%', err));
    else MST_TRY(mst_percent_encode(b, key, 1, "", err));
  }
done:
  return status;
}

/* Scheme, host and port alike: a redirect that stays there keeps the credentials. */
static bool same_origin(const char *a, const char *b) {
  const char *begin = strstr(a, "://");
  const size_t n = begin == NULL ? 0 : (size_t)(begin - a) + 3 + strcspn(begin + 3, "/?#");
  return n > 0 && strncasecmp(a, b, n) == 0 && (b[n] == '\0' || strchr("/?#", b[n]) != NULL);
}

static mst_status build(mst_call *c, const http_store *s, mst_error *err) {
  const bool head = c->op->kind == MST_OP_HEAD && c->step == MST_STEP_MAIN;
  char range[64];
  mst_status status = MST_OK;
  if (c->redirected != NULL) MST_TRY(mst_buf_put_text(&c->lines, c->redirected, err));
  else {
    MST_TRY(mst_buf_put_text(&c->lines, s->url, err));
    MST_TRY(mst_buf_put_byte(&c->lines, '/', err));
    MST_TRY(put_key(&c->lines, c->op->key, err));
  }
  if (c->lines.size > URL_MAX) return mst_fail(err, MST_E_ARGUMENT, "the URL is longer than %d bytes", URL_MAX);
  MST_TRY(mst_buf_put_byte(&c->lines, '\0', err));
  if (s->authorization != NULL && (c->redirected == NULL || same_origin(s->url, c->redirected)))
    MST_TRY(mst_call_header(c, "authorization", s->authorization, err));
  MST_TRY(mst_call_header(c, "accept-encoding", "identity", err));
  if (c->op->kind == MST_OP_GET) {
    const char *etag = mst_ranged_condition(&c->range);
    if (mst_ranged_ask(&c->range, range)) MST_TRY(mst_call_header(c, "range", range, err));
    if (etag != NULL) MST_TRY(mst_call_header(c, "if-match", etag, err));
  } else if (!head) MST_TRY(mst_call_header(c, "range", "bytes=0-0", err));
  mst_call_ready(c, head ? "HEAD" : "GET");
done:
  return status;
}

static mst_go http_request(mst_call *c, mst_signer *signer) {
  const http_store *s = c->store;
  mst_status status;
  (void)signer;
  if (c->op->kind == MST_OP_HEAD && c->step == MST_STEP_MAIN && atomic_load_explicit(&s->no_head, memory_order_relaxed))
    c->step = MST_STEP_ONE_BYTE;
  status = build(c, s, c->x.error);
  return status == MST_OK ? MST_GO_SEND : mst_call_end(c, status);
}

/* --- replies ------------------------------------------------------------------------------------------------------ */

static bool is_redirect(int http) { return http == 301 || http == 302 || http == 303 || http == 307 || http == 308; }

/* Why a redirect is not followed; NULL when it can be. */
static const char *redirect_fault(const mst_call *c) {
  const http_store *s = c->store;
  const char *to = c->x.location, *from = c->redirected != NULL ? c->redirected : s->url;
  if (to == NULL) return "the redirect names no place to go";
  if (c->redirects >= REDIRECTS_MAX) return "there are too many redirects";
  if (!mst_text_starts(to, "https://") && !mst_text_starts(to, "http://"))
    return "the redirect leads to something that is not HTTP";
  if (mst_text_starts(from, "https:") && !mst_text_starts(to, "https:")) return "the redirect leads from https to http";
  if (strlen(to) > URL_MAX) return "the redirect's URL is too long";
  return NULL;
}

static bool follow(mst_call *c) {
  if (!is_redirect(c->x.reply.status) || redirect_fault(c) != NULL) return false;
  mst_free(c->mem, c->redirected);
  c->redirected = c->x.location;
  c->x.location = NULL;
  c->redirects++;
  c->adaptations = 0; /* redirects have a bound of their own */
  return true;
}

/* What was made for one GET (a presigned URL), or knows no HEAD, may still give a byte. */
static bool ask_otherwise(mst_call *c) {
  http_store *s = c->store;
  const int http = c->x.reply.status;
  if (c->op->kind != MST_OP_HEAD || c->step != MST_STEP_MAIN) return false;
  if (http != 400 && http != 403 && http != 405 && http != 501) return false;
  if (http == 405 || http == 501) atomic_store(&s->no_head, true);
  c->step = MST_STEP_ONE_BYTE;
  return true;
}

static bool http_adapt(mst_call *c) { return follow(c) || ask_otherwise(c); }

static mst_go http_accept(mst_call *c) {
  const mst_reply *r = &c->x.reply;
  char words[200];
  if (r->encoding[0] == '\0' || mst_encoding_is_own(c->op->key, r->encoding)) return mst_call_accept_head(c);
  /* Some compress what HEAD tells of and not what is asked by range. */
  if (c->step == MST_STEP_MAIN) return c->step = MST_STEP_ONE_BYTE, MST_GO_AGAIN;
  snprintf(words, sizeof words,
           "the server compresses the object on its way (Content-Encoding: %s) although it was asked not to",
           r->encoding);
  return mst_call_fail(c, MST_E_UNSUPPORTED, words, "");
}

static mst_status http_refuse(mst_call *c, const char **hint) {
  const http_store *s = c->store;
  const int http = c->x.reply.status;
  if (is_redirect(http)) return *hint = redirect_fault(c), MST_E_IO;
  switch (http) {
  case 401:
  case 403:
    if (s->withheld)
      *hint = "only the slice names this host, so no credentials were sent to it: give the option endpoint with its "
              "address to allow that";
    else if (s->authorization == NULL && http == 401) *hint = "no user and password were given";
    return MST_E_DENIED;
  case 407: return *hint = "the proxy wants a user and a password", MST_E_DENIED;
  case 404:
  case 410: return MST_E_NOT_FOUND;
  case 405:
  case 406:
  case 501: return MST_E_UNSUPPORTED;
  case 412: return *hint = "the object is not the version that was pinned", MST_E_CHANGED;
  default: return http >= 400 && http < 500 ? MST_E_ARGUMENT : MST_E_IO;
  }
}

static void blot(char *text, const char *secret) {
  const size_t n = secret == NULL ? 0 : strlen(secret);
  if (n < 4) return;
  for (char *p = text; (p = strstr(p, secret)) != NULL; p += n) memset(p, '*', n);
}

static void http_scrub(mst_call *c, char *text, size_t n) {
  const http_store *s = c->store;
  const char *blank = s->authorization == NULL ? NULL : strchr(s->authorization, ' '), *query = strchr(c->op->key, '?');
  (void)n;
  blot(text, blank == NULL ? NULL : blank + 1);
  blot(text, s->secret);
  if (query != NULL) blot(text, query + 1);
}

static void http_block(mst_call *c, mst_transport *t) {
  (void)c;
  (void)t;
}

static const mst_dialect http_dialect = {.request = http_request,
                                         .block = http_block,
                                         .adapt = http_adapt,
                                         .accept = http_accept,
                                         .refuse = http_refuse,
                                         .scrub = http_scrub};

/* --- the vtable --------------------------------------------------------------------------------------------------- */

static mst_caller caller_of(http_store *s) {
  return (mst_caller){.dialect = &http_dialect,
                      .store = s,
                      .url = s->url,
                      .ctx = s->ctx,
                      .config = s->config,
                      .policy = &s->policy,
                      .refuse_encoding = true};
}

static mst_status supported(const mst_op *op, mst_error *err) {
  if (op->kind == MST_OP_GET || op->kind == MST_OP_HEAD) return MST_OK;
  return mst_fail(err, MST_E_UNSUPPORTED, "%s: HTTP has no listings and this store only reads; name the object itself",
                  mst_op_name(op->kind));
}

static void http_start(void *self, mst_op *op) {
  const mst_caller caller = caller_of(self);
  const mst_status status = supported(op, &op->error);
  if (status == MST_OK) mst_call_start(&caller, op);
  else mst_op_done(op, status);
}

static mst_status http_run(void *self, mst_op *op, mst_error *err) {
  const mst_caller caller = caller_of(self);
  const mst_status status = supported(op, err);
  return status == MST_OK ? mst_call_run(&caller, op, err) : status;
}

static void http_cancel(void *self, mst_op *op) {
  const http_store *s = self;
  mst_call_cancel(s->ctx, op);
}

static void wipe(const mst_allocator *mem, char *text) {
  if (text != NULL) explicit_bzero(text, strlen(text));
  mst_free(mem, text);
}

static void http_close(void *self) {
  http_store *s = self;
  mst_http_config_unref(s->config);
  wipe(s->mem, s->authorization);
  wipe(s->mem, s->secret);
  mst_free(s->mem, s->url);
  mst_free(s->mem, s);
}

static const mst_store_ops http_ops = {.struct_size = sizeof(mst_store_ops),
                                       .name = "http",
                                       .flags = MST_STORE_READ_ONLY,
                                       .start = http_start,
                                       .run = http_run,
                                       .cancel = http_cancel,
                                       .close = http_close};

/* --- opening ------------------------------------------------------------------------------------------------------ */

static mst_status set_basic(http_store *s, const char *user, const char *password, mst_error *err) {
  mst_buf plain, line;
  mst_status status = MST_OK;
  mst_buf_init(&plain, s->mem, URL_MAX);
  mst_buf_init(&line, s->mem, URL_MAX * 2);
  MST_TRY(mst_buf_printf(&plain, err, "%s:%s", user, password));
  MST_TRY(mst_buf_put_text(&line, "Basic ", err));
  MST_TRY(mst_base64_encode(&line, plain.data, plain.size, err));
  MST_TRY_ALLOC(s->authorization = mst_text_copy(s->mem, mst_buf_text(&line)));
  MST_TRY_ALLOC(s->secret = mst_text_copy(s->mem, password));
done:
  if (plain.data != NULL) explicit_bzero(plain.data, plain.size);
  if (line.data != NULL) explicit_bzero(line.data, line.size);
  mst_buf_free(&plain);
  mst_buf_free(&line);
  return status;
}

/* "user:password", percent-encoded as it stood in the URL. */
static mst_status set_userinfo(http_store *s, const char *userinfo, mst_error *err) {
  const size_t n_user = strcspn(userinfo, ":");
  const char *password = userinfo[n_user] == ':' ? userinfo + n_user + 1 : "";
  mst_buf user, pass;
  mst_status status = MST_OK;
  mst_buf_init(&user, s->mem, URL_MAX);
  mst_buf_init(&pass, s->mem, URL_MAX);
  status = mst_percent_decode(&user, userinfo, n_user, NULL);
  if (status == MST_OK) status = mst_percent_decode(&pass, password, strlen(password), NULL);
  /* Their own words would show what they are about. */
  if (status != MST_OK) status = mst_fail(err, MST_E_ARGUMENT, "user and password in the URL are not percent-encoded");
  else status = set_basic(s, mst_buf_text(&user), mst_buf_text(&pass), err);
  if (pass.data != NULL) explicit_bzero(pass.data, pass.size);
  mst_buf_free(&user);
  mst_buf_free(&pass);
  return status;
}

static bool has_control(const char *text) {
  for (; *text != '\0'; text++)
    if ((unsigned char)*text < 0x20 || *text == 0x7F) return true;
  return false;
}

static mst_status set_authorization(http_store *s, const mst_url *url, const mst_settings *settings, mst_error *err) {
  const char *user = mst_settings_text(settings, MST_OPTION_USERNAME),
             *password = mst_settings_text(settings, MST_OPTION_PASSWORD);
  const char *bearer = mst_settings_text(settings, MST_OPTION_BEARER_TOKEN),
             *allowed = mst_settings_text(settings, MST_OPTION_ENDPOINT);
  const bool vouched =
      !mst_settings_of_slice(settings) ||
      (mst_settings_origin(settings, MST_OPTION_ENDPOINT) == MST_FROM_CALLER && same_origin(s->url, allowed));
  mst_status status = MST_OK;
  if (url->userinfo != NULL) status = set_userinfo(s, url->userinfo, err);
  else if (user == NULL && password == NULL && bearer == NULL) return MST_OK;
  else if (!vouched) s->withheld = true;
  else if (bearer != NULL) {
    mst_buf line;
    mst_buf_init(&line, s->mem, URL_MAX);
    MST_TRY(mst_buf_printf(&line, err, "Bearer %s", bearer));
    s->authorization = mst_text_copy(s->mem, mst_buf_text(&line));
    explicit_bzero(line.data, line.size);
    mst_buf_free(&line);
    if (s->authorization == NULL) status = mst_fail_memory(err);
  } else status = set_basic(s, user == NULL ? "" : user, password == NULL ? "" : password, err);
  if (status == MST_OK && s->authorization != NULL && has_control(s->authorization))
    status = mst_fail(err, MST_E_ARGUMENT, "credentials hold control characters");
done:
  return status;
}

static mst_status set_url(http_store *s, const mst_url *url, mst_error *err) {
  const char *scheme = url->scheme == MST_SCHEME_HTTPS ? "https" : "http";
  mst_buf text;
  mst_status status = MST_OK;
  mst_buf_init(&text, s->mem, URL_MAX);
  MST_TRY(mst_buf_printf(&text, err, "%s://%s", scheme, url->host));
  if (url->port != 0) MST_TRY(mst_buf_printf(&text, err, ":%u", (unsigned)url->port));
  MST_TRY_ALLOC(s->url = mst_text_copy(s->mem, mst_buf_text(&text)));
done:
  mst_buf_free(&text);
  return status;
}

mst_status mst_http_open(mst_context *ctx, const mst_url *url, const mst_settings *settings, mst_store **out,
                         mst_error *err) {
  const uint64_t attempts = mst_settings_u64(settings, MST_OPTION_MAX_ATTEMPTS);
  mst_status status = MST_OK;
  http_store *s = mst_alloc_zero(mst_context_mem(ctx), 1, sizeof *s);
  if (s == NULL) return mst_fail_memory(err);
  s->ctx = ctx;
  s->mem = mst_context_mem(ctx);
  s->policy = (mst_retry_policy)MST_RETRY_POLICY_INIT;
  s->policy.attempts_max = attempts < 1 ? 1 : (uint32_t)attempts;
  s->policy.total_us = mst_settings_us(settings, MST_OPTION_RETRY_TIMEOUT);
  MST_TRY(set_url(s, url, err));
  MST_TRY(set_authorization(s, url, settings, err));
  MST_TRY(mst_http_config_make(ctx, settings, NULL, &s->config, err));
  MST_TRY(mst_store_wrap(ctx, &http_ops, s, s->url, out, err));
  s = NULL;
done:
  if (s != NULL) http_close(s);
  return status;
}
