/* store/key_fetch.c - asks for credentials where a plan says: STS, container, instance metadata, single sign-on.
 * Owns nothing but what it gives. Calls call.h for its few requests, sign.h, s3_xml.h, base. Blocks.
 * No secret gets into an error: replies that hold credentials are never quoted, and they are wiped. */
#include <stdio.h>

#include "store/call.h"
#include "store/identity.h"

enum { TOKEN_MAX = 64 << 10, REPLY_MAX = 256 << 10 };

typedef struct fetcher {
  mst_transport *t;
  mst_http_config *config, *local;
  const mst_exchange *parent;
  const mst_allocator *mem;
  const mst_env *env;
} fetcher;

static void wipe_free(mst_buf *b) {
  if (b->data != NULL) explicit_bzero(b->data, b->size);
  mst_buf_free(b);
}

/* "AssumeRole: HTTP 403 AccessDenied: … (request id …)" */
static mst_status refused(const char *what, const mst_reply *reply, mst_buf *text, mst_error *err) {
  mst_s3_error said = {0};
  if (text->size > 0) (void)mst_s3_error_parse((char *)text->data, text->size, &said);
  const char *id = said.request_id[0] != '\0' ? said.request_id : reply->request_id;
  (void)mst_fail(err, MST_E_DENIED, "%s: HTTP %d%s%s%s%s%s%s%s", what, reply->status, said.code[0] != '\0' ? " " : "",
                 said.code, said.message[0] != '\0' ? ": " : "", said.message, id[0] != '\0' ? " (request id " : "", id,
                 id[0] != '\0' ? ")" : "");
  if (err != NULL) {
    err->http_status = (int16_t)reply->status;
    snprintf(err->request_id, sizeof err->request_id, "%.63s", id);
  }
  return MST_E_DENIED;
}

static mst_status read_token(const fetcher *f, const char *path, char **out, size_t *n, mst_error *err) {
  mst_status status = mst_file_read_small(f->mem, path, TOKEN_MAX, out, n, err);
  if (status == MST_E_NOT_FOUND) status = MST_E_DENIED;
  if (err != NULL) err->status = status;
  if (status != MST_OK) return mst_while(err, status, "reading the token for credentials");
  while (*n > 0 && ((*out)[*n - 1] == '\n' || (*out)[*n - 1] == '\r' || (*out)[*n - 1] == ' ')) (*out)[--*n] = '\0';
  for (size_t i = 0; i < *n; i++)
    if ((unsigned char)(*out)[i] <= ' ') {
      explicit_bzero(*out, *n);
      mst_free(f->mem, *out);
      *out = NULL;
      return mst_fail(err, MST_E_DENIED, "the token file %s holds blanks or control characters", path);
    }
  return MST_OK;
}

/* --- STS ---------------------------------------------------------------------------------------------------------- */

static mst_status put_field(mst_buf *b, const char *name, const char *value, mst_error *err) {
  mst_status status = MST_OK;
  if (value == NULL) return MST_OK;
  MST_TRY(mst_buf_printf(b, err, "%s%s=", b->size > 0 ? "&" : "", name));
  MST_TRY(mst_percent_encode(b, value, strlen(value), "", err));
done:
  return status;
}

/* scheme://host[:port][/path] of an endpoint. */
static bool split_url(const char *url, char host[256], const char **path) {
  const char *begin = strstr(url, "://"), *end;
  if (begin == NULL) return false;
  begin += 3;
  end = begin + strcspn(begin, "/?#");
  if (end == begin || end - begin >= 256 || memchr(begin, '@', (size_t)(end - begin)) != NULL) return false;
  memcpy(host, begin, (size_t)(end - begin));
  host[end - begin] = '\0';
  *path = *end == '/' ? end : "/";
  return true;
}

typedef struct sts_headers {
  char date[20], hash[2 * MST_SHA256_SIZE + 1];
  mst_buf authorization, token;
} sts_headers;

static mst_status sign_sts(const fetcher *f, const mst_key_plan *plan, mst_credentials *base, const char *host,
                           const char *path, const mst_buf *body, sts_headers *h, mst_error *err) {
  mst_signer signer = {0};
  uint8_t digest[MST_SHA256_SIZE];
  mst_header headers[4];
  size_t n = 0;
  mst_status status = MST_OK;
  MST_TRY(mst_signer_open(&signer, mst_transport_crypto(f->t), f->mem, err));
  MST_TRY(mst_sha256(&signer.digester, body->data, body->size, digest, err));
  mst_hex(digest, sizeof digest, h->hash);
  mst_time_format_basic(f->env->now_us(f->env->self), h->date);
  headers[n++] = (mst_header){"content-type", "application/x-www-form-urlencoded"};
  headers[n++] = (mst_header){"host", host};
  headers[n++] = (mst_header){"x-amz-date", h->date};
  if (base->token != NULL) headers[n++] = (mst_header){"x-amz-security-token", base->token};
  const mst_sign_input in = {.method = "POST",
                             .path = path,
                             .n_path = strlen(path),
                             .query = "",
                             .headers = headers,
                             .n_headers = n,
                             .payload = h->hash,
                             .date = h->date,
                             .region = plan->region,
                             .service = "sts"};
  MST_TRY(mst_buf_put_text(&h->authorization, "authorization: ", err));
  MST_TRY(mst_sign(&signer, base, &in, &h->authorization, err));
  if (base->token != NULL) MST_TRY(mst_buf_printf(&h->token, err, "x-amz-security-token: %s", base->token));
done:
  mst_signer_close(&signer);
  return status;
}

static mst_status take_sts(const fetcher *f, const mst_key_plan *plan, mst_buf *text, mst_credentials **out,
                           mst_error *err) {
  mst_sts_reply reply;
  int64_t expires_us;
  const mst_status status = mst_sts_parse((char *)text->data, text->size, &reply, err);
  if (status != MST_OK) return status;
  if (!mst_time_parse_iso(reply.expiration, &expires_us))
    return mst_fail(err, MST_E_CORRUPT, "the credentials' expiry is no time");
  return mst_credentials_new(f->mem, reply.access_key, reply.secret_key, reply.token, expires_us, plan->label, out,
                             err);
}

static mst_status ask_sts(const fetcher *f, const mst_key_plan *plan, mst_credentials *base, const char *web_token,
                          mst_credentials **out, mst_error *err) {
  const char *action = web_token != NULL ? "AssumeRoleWithWebIdentity" : "AssumeRole", *path;
  static const mst_retry_policy policy = {
      .attempts_max = 4, .base_us = 100 * 1000, .cap_us = 2000 * 1000, .total_us = 30 * 1000 * 1000};
  char host[256], date_line[48], what[200];
  mst_buf body, text;
  sts_headers h = {0};
  mst_reply reply;
  mst_status status = MST_OK;
  mst_simple in = {.method = "POST", .url = plan->sts_url, .config = f->config, .policy = &policy, .parent = f->parent};
  mst_buf_init(&body, f->mem, TOKEN_MAX * 4);
  mst_buf_init(&text, f->mem, REPLY_MAX);
  mst_buf_init(&h.authorization, f->mem, TOKEN_MAX);
  mst_buf_init(&h.token, f->mem, TOKEN_MAX);
  snprintf(what, sizeof what, "%s %.150s", action, plan->role_arn);
  if (!split_url(plan->sts_url, host, &path)) {
    status = mst_fail(err, MST_E_ARGUMENT, "the STS endpoint is no URL");
    goto done;
  }
  MST_TRY(put_field(&body, "Action", action, err));
  MST_TRY(put_field(&body, "DurationSeconds", plan->duration, err));
  MST_TRY(put_field(&body, "ExternalId", plan->external_id, err));
  MST_TRY(put_field(&body, "RoleArn", plan->role_arn, err));
  MST_TRY(put_field(&body, "RoleSessionName", plan->session_name, err));
  MST_TRY(put_field(&body, "Version", "2011-06-15", err));
  MST_TRY(put_field(&body, "WebIdentityToken", web_token, err));
  in.body = mst_buf_text(&body);
  in.headers[in.n_headers++] = "content-type: application/x-www-form-urlencoded";
  if (base != NULL) {
    MST_TRY(sign_sts(f, plan, base, host, path, &body, &h, err));
    snprintf(date_line, sizeof date_line, "x-amz-date: %s", h.date);
    in.headers[in.n_headers++] = date_line;
    in.headers[in.n_headers++] = mst_buf_text(&h.authorization);
    if (h.token.size > 0) in.headers[in.n_headers++] = mst_buf_text(&h.token);
  }
  MST_TRY(mst_call_simple(f->t, &in, &reply, &text, err));
  status = reply.status == 200 ? take_sts(f, plan, &text, out, err) : refused(what, &reply, &text, err);
done:
  wipe_free(&body);
  wipe_free(&text);
  wipe_free(&h.authorization);
  wipe_free(&h.token);
  return status == MST_OK || (err != NULL && mst_text_starts(err->message, what)) ? status
                                                                                  : mst_while(err, status, "%s", what);
}

static mst_status fetch_plan(const fetcher *f, const mst_key_plan *plan, mst_credentials **out, mst_error *err);

static mst_status assume_role(const fetcher *f, const mst_key_plan *plan, mst_credentials **out, mst_error *err) {
  mst_credentials *base = NULL;
  mst_status status = fetch_plan(f, plan->base, &base, err);
  if (status == MST_OK) status = ask_sts(f, plan, base, NULL, out, err);
  mst_credentials_unref(base);
  return status;
}

static mst_status assume_by_token(const fetcher *f, const mst_key_plan *plan, mst_credentials **out, mst_error *err) {
  char *token = NULL;
  size_t n = 0;
  mst_status status = read_token(f, plan->token_file, &token, &n, err);
  if (status == MST_OK) status = ask_sts(f, plan, NULL, token, out, err);
  if (token != NULL) explicit_bzero(token, n);
  mst_free(f->mem, token);
  return status;
}

/* --- machine-local services -----------------------------------------------------------------------------------------
 */

/* The JSON of containers and instances: AccessKeyId, SecretAccessKey, Token, Expiration. */
static mst_status take_json(const fetcher *f, const mst_key_plan *plan, const mst_buf *text, mst_credentials **out,
                            mst_error *err) {
  const char *what = plan->label, *access = NULL, *secret = NULL, *token = NULL, *expiration = NULL, *code = NULL;
  int64_t expires_us = 0;
  json_t *value = NULL;
  mst_status status = MST_OK;
  if (mst_json_parse(text->data, text->size, REPLY_MAX, what, &value, NULL) != MST_OK || !json_is_object(value)) {
    status = mst_fail(err, MST_E_CORRUPT, "credentials from %s: the reply is no JSON object", what);
    goto done;
  }
  MST_TRY(mst_json_get_text(value, "Code", what, &code, err));
  MST_TRY(mst_json_get_text(value, "AccessKeyId", what, &access, err));
  MST_TRY(mst_json_get_text(value, "SecretAccessKey", what, &secret, err));
  MST_TRY(mst_json_get_text(value, "Token", what, &token, err));
  MST_TRY(mst_json_get_text(value, "Expiration", what, &expiration, err));
  if (access == NULL || secret == NULL || (code != NULL && strcmp(code, "Success") != 0)) {
    status = mst_fail(err, MST_E_DENIED, "credentials from %s: the reply holds none (%.60s)", what,
                      code == NULL ? "no code" : code);
    goto done;
  }
  if (expiration != NULL && !mst_time_parse_iso(expiration, &expires_us)) {
    status = mst_fail(err, MST_E_CORRUPT, "credentials from %s: the expiry is no time", what);
    goto done;
  }
  status = mst_credentials_new(f->mem, access, secret, token, expires_us, what, out, err);
done:
  json_decref(value);
  return status;
}

/* Plain http only where the answer cannot come from another machine. */
static bool container_url_allowed(const char *url) {
  static const char *const hosts[] = {"127.0.0.1",     "localhost",      "[::1]",
                                      "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"};
  char host[256];
  const char *path;
  if (!split_url(url, host, &path)) return false;
  if (mst_text_starts(url, "https://")) return true;
  if (!mst_text_starts(url, "http://")) return false;
  for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
    const size_t n = strlen(hosts[i]);
    if (strncmp(host, hosts[i], n) == 0 && (host[n] == '\0' || host[n] == ':')) return true;
  }
  return false;
}

static mst_status from_container(const fetcher *f, const mst_key_plan *plan, mst_credentials **out, mst_error *err) {
  static const mst_retry_policy policy = {
      .attempts_max = 3, .base_us = 100 * 1000, .cap_us = 1000 * 1000, .total_us = 10 * 1000 * 1000};
  mst_simple in = {
      .method = "GET", .url = plan->url, .config = f->local, .policy = &policy, .parent = f->parent, .no_proxy = true};
  char *token = NULL;
  size_t n_token = 0;
  mst_buf line, text;
  mst_reply reply;
  mst_status status = MST_OK;
  mst_buf_init(&line, f->mem, TOKEN_MAX + 64);
  mst_buf_init(&text, f->mem, REPLY_MAX);
  if (!container_url_allowed(plan->url)) {
    status = mst_fail(err, MST_E_DENIED,
                      "the address of the container's credentials must be https, or http on this machine");
    goto done;
  }
  if (plan->token_file != NULL) MST_TRY(read_token(f, plan->token_file, &token, &n_token, err));
  if (token != NULL || plan->container_token != NULL) {
    MST_TRY(mst_buf_printf(&line, err, "authorization: %s", token != NULL ? token : plan->container_token));
    in.headers[in.n_headers++] = mst_buf_text(&line);
  }
  MST_TRY(mst_call_simple(f->t, &in, &reply, &text, err));
  status = reply.status == 200 ? take_json(f, plan, &text, out, err)
                               : refused("credentials from container", &reply, &text, err);
done:
  if (token != NULL) explicit_bzero(token, n_token);
  mst_free(f->mem, token);
  wipe_free(&line);
  wipe_free(&text);
  return status;
}

static mst_status metadata(const fetcher *f, const mst_key_plan *plan, const char *method, const char *path,
                           const char *header, mst_buf *text, mst_error *err) {
  const mst_retry_policy policy = {
      .attempts_max = plan->attempts, .base_us = 50 * 1000, .cap_us = 1000 * 1000, .total_us = 10 * 1000 * 1000};
  const size_t n = strlen(plan->url);
  char url[600];
  mst_reply reply;
  mst_status status;
  mst_simple in = {.method = method,
                   .url = url,
                   .headers = {header},
                   .n_headers = 1,
                   .config = f->local,
                   .policy = &policy,
                   .parent = f->parent,
                   .no_proxy = true};
  const int length =
      snprintf(url, sizeof url, "%.*s%s", (int)(n > 0 && plan->url[n - 1] == '/' ? n - 1 : n), plan->url, path);
  if (length < 0 || (size_t)length >= sizeof url)
    return mst_fail(err, MST_E_ARGUMENT, "the address of the metadata service is too long");
  mst_buf_clear(text);
  status = mst_call_simple(f->t, &in, &reply, text, err);
  if (status == MST_OK && reply.status != 200) status = refused("instance metadata", &reply, text, err);
  return status;
}

/* The role's name becomes part of a path. */
static bool role_name_ok(const mst_buf *text) {
  if (text->size == 0 || text->size > 128) return false;
  for (size_t i = 0; i < text->size; i++)
    if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+=,.@-_", text->data[i]) == NULL)
      return false;
  return true;
}

static mst_status from_instance(const fetcher *f, const mst_key_plan *plan, mst_credentials **out, mst_error *err) {
  static const char base[] = "/latest/meta-data/iam/security-credentials/";
  char path[256];
  mst_buf token, text;
  mst_status status = MST_OK;
  mst_buf_init(&token, f->mem, TOKEN_MAX);
  mst_buf_init(&text, f->mem, REPLY_MAX);
  status = metadata(f, plan, "PUT", "/latest/api/token", "x-aws-ec2-metadata-token-ttl-seconds: 21600", &text, err);
  if (status != MST_OK) {
    if (err != NULL && status != MST_E_CANCELLED) err->status = MST_E_DENIED;
    if (status != MST_E_CANCELLED)
      status = mst_while(
          err, MST_E_DENIED,
          "no AWS credentials: there are none in the storage options, the environment and the profile, no web "
          "identity or container is configured, and the instance's metadata service gives none (anonymous=true "
          "reads public buckets, AWS_EC2_METADATA_DISABLED=true spares the question)");
    goto done;
  }
  MST_TRY(mst_buf_put_text(&token, "x-aws-ec2-metadata-token: ", err));
  MST_TRY(mst_buf_put(&token, text.data, text.size, err));
  MST_TRY(metadata(f, plan, "GET", base, mst_buf_text(&token), &text, err));
  for (size_t i = 0; i < text.size; i++)
    if (text.data[i] == '\n' || text.data[i] == '\r') text.size = i;
  if (!role_name_ok(&text)) {
    status = mst_fail(err, MST_E_DENIED, "instance metadata: the instance has no role");
    goto done;
  }
  snprintf(path, sizeof path, "%s%.*s", base, (int)text.size, (const char *)text.data);
  MST_TRY(metadata(f, plan, "GET", path, mst_buf_text(&token), &text, err));
  status = take_json(f, plan, &text, out, err);
done:
  wipe_free(&token);
  wipe_free(&text);
  return status;
}

/* --- single sign-on -------------------------------------------------------------------------------------------------
 */

static mst_status sso_login(const fetcher *f, const mst_key_plan *plan, json_t **out, mst_error *err) {
  uint8_t digest[MST_SHA256_SIZE];
  char hex[2 * MST_SHA256_SIZE + 1], path[1024], *text = NULL;
  const char *expires = NULL;
  size_t n_digest, n = 0;
  int64_t expires_us = 0;
  json_t *value = NULL;
  mst_status status = MST_OK;
  MST_TRY(mst_digest(mst_transport_crypto(f->t), MST_DIGEST_SHA1, plan->sso_cache, strlen(plan->sso_cache), digest,
                     &n_digest, err));
  mst_hex(digest, n_digest, hex);
  snprintf(path, sizeof path, "%.900s/.aws/sso/cache/%s.json", plan->token_file, hex);
  if (mst_file_read_small(f->mem, path, TOKEN_MAX, &text, &n, NULL) != MST_OK ||
      mst_json_parse(text, n, TOKEN_MAX, "login", &value, NULL) != MST_OK) {
    status = mst_fail(err, MST_E_DENIED, "single sign-on: there is no login in ~/.aws/sso/cache; run `aws sso login`");
    goto done;
  }
  MST_TRY(mst_json_get_text(value, "expiresAt", "login", &expires, err));
  if (expires == NULL || !mst_time_parse_iso(expires, &expires_us) || expires_us <= f->env->now_us(f->env->self)) {
    status = mst_fail(err, MST_E_DENIED, "single sign-on: the login has expired; run `aws sso login`");
    goto done;
  }
  *out = value;
  value = NULL;
done:
  if (text != NULL) explicit_bzero(text, n);
  mst_free(f->mem, text);
  json_decref(value);
  return status;
}

static mst_status take_sso(const fetcher *f, const mst_key_plan *plan, const mst_buf *text, mst_credentials **out,
                           mst_error *err) {
  const char *access = NULL, *secret = NULL, *token = NULL;
  int64_t expires_ms = 0;
  json_t *value = NULL, *keys = NULL;
  mst_status status = MST_OK;
  MST_TRY(mst_json_parse(text->data, text->size, REPLY_MAX, "single sign-on", &value, err));
  MST_TRY(mst_json_get_object(value, "roleCredentials", "single sign-on", &keys, err));
  if (keys != NULL) {
    MST_TRY(mst_json_get_text(keys, "accessKeyId", "single sign-on", &access, err));
    MST_TRY(mst_json_get_text(keys, "secretAccessKey", "single sign-on", &secret, err));
    MST_TRY(mst_json_get_text(keys, "sessionToken", "single sign-on", &token, err));
    MST_TRY(mst_json_get_i64(keys, "expiration", "single sign-on", &expires_ms, err));
  }
  if (access == NULL || secret == NULL || expires_ms < 0 || expires_ms > INT64_MAX / 1000)
    status = mst_fail(err, MST_E_CORRUPT, "single sign-on: the reply holds no credentials");
  else status = mst_credentials_new(f->mem, access, secret, token, expires_ms * 1000, plan->label, out, err);
done:
  json_decref(value);
  return status;
}

static mst_status from_sso(const fetcher *f, const mst_key_plan *plan, mst_credentials **out, mst_error *err) {
  static const mst_retry_policy policy = {
      .attempts_max = 4, .base_us = 100 * 1000, .cap_us = 2000 * 1000, .total_us = 30 * 1000 * 1000};
  mst_simple in = {.method = "GET", .config = f->config, .policy = &policy, .parent = f->parent};
  const char *access_token = NULL;
  json_t *login = NULL;
  mst_buf url, line, text;
  mst_reply reply;
  mst_status status = MST_OK;
  mst_buf_init(&url, f->mem, TOKEN_MAX);
  mst_buf_init(&line, f->mem, TOKEN_MAX);
  mst_buf_init(&text, f->mem, REPLY_MAX);
  MST_TRY(sso_login(f, plan, &login, err));
  MST_TRY(mst_json_get_text(login, "accessToken", "login", &access_token, err));
  MST_TRY(mst_buf_printf(&url, err, "%s/federation/credentials?role_name=", plan->url));
  MST_TRY(mst_percent_encode(&url, plan->sso_role, strlen(plan->sso_role), "", err));
  MST_TRY(mst_buf_put_text(&url, "&account_id=", err));
  MST_TRY(mst_percent_encode(&url, plan->sso_account, strlen(plan->sso_account), "", err));
  MST_TRY(mst_buf_printf(&line, err, "x-amz-sso_bearer_token: %s", access_token == NULL ? "" : access_token));
  in.url = mst_buf_text(&url);
  in.headers[in.n_headers++] = mst_buf_text(&line);
  MST_TRY(mst_call_simple(f->t, &in, &reply, &text, err));
  status = reply.status == 200 ? take_sso(f, plan, &text, out, err) : refused("single sign-on", &reply, &text, err);
done:
  json_decref(login);
  mst_buf_free(&url);
  wipe_free(&line);
  wipe_free(&text);
  return status;
}

/* ------------------------------------------------------------------------------------------------------------------ */

static mst_status fetch_plan(const fetcher *f, const mst_key_plan *plan, mst_credentials **out, mst_error *err) {
  switch (plan->kind) {
  case MST_KEYS_STATIC:
    return mst_credentials_new(f->mem, plan->access_key, plan->secret_key, plan->token, 0, plan->label, out, err);
  case MST_KEYS_ROLE: return assume_role(f, plan, out, err);
  case MST_KEYS_WEB_IDENTITY: return assume_by_token(f, plan, out, err);
  case MST_KEYS_SSO: return from_sso(f, plan, out, err);
  case MST_KEYS_CONTAINER: return from_container(f, plan, out, err);
  case MST_KEYS_INSTANCE: return from_instance(f, plan, out, err);
  }
  return mst_fail(err, MST_E_INTERNAL, "a source of credentials that nobody knows");
}

mst_status mst_key_plan_fetch(const mst_key_plan *plan, mst_transport *t, mst_http_config *config,
                              mst_http_config *local, const mst_exchange *parent, mst_credentials **out,
                              mst_error *err) {
  mst_context *ctx = mst_transport_context(t);
  const fetcher f = {t, config, local, parent, mst_context_mem(ctx), mst_context_env(ctx)};
  return fetch_plan(&f, plan, out, err);
}
