/* store/s3.c - the S3 store: opening it from a URL and settings, its vtable.
 * Owns the store's settings, credentials and place. Calls the other s3_*.c, call.h, identity.h, profile.h, base.
 *
 * Credentials go to AWS, or to an endpoint that this process's own options, environment or profile name; to one that
 * only a slice names, requests go unsigned. */
#include "store/s3.h"

#include <stdio.h>

#include "store/schemes.h"

/* --- secrets ------------------------------------------------------------------------------------------------------ */

static void blot(char *text, const char *secret) {
  const size_t n = secret == NULL ? 0 : strlen(secret);
  if (n < 4) return;
  for (char *p = text; (p = strstr(p, secret)) != NULL; p += n) memset(p, '*', n);
}

/* A server may send back what it was sent. */
static void s3_scrub(mst_call *c, char *text, size_t n) {
  const mst_s3 *s = c->store;
  (void)n;
  if (c->credentials != NULL) {
    blot(text, c->credentials->secret_key);
    blot(text, c->credentials->token);
  }
  blot(text, mst_settings_text(s->settings, MST_OPTION_SECRET_ACCESS_KEY));
  blot(text, mst_settings_text(s->settings, MST_OPTION_SESSION_TOKEN));
  for (size_t i = 0; i < c->n_headers; i++) {
    const char *line = (const char *)c->lines.data + c->header_at[i], *signature = strstr(line, "Signature=");
    if (mst_text_starts(line, "authorization: ") && signature != NULL) blot(text, signature + 10);
  }
}

static void s3_block(mst_call *c, mst_transport *t) {
  const mst_s3 *s = c->store;
  mst_identity_fetch(s->identity, t, &c->x);
}

static void s3_succeeded(mst_call *c) {
  mst_s3 *s = c->store;
  atomic_store_explicit(&s->bucket_seen, true, memory_order_relaxed);
}

const mst_dialect mst_s3_dialect = {.request = mst_s3_request,
                                    .block = s3_block,
                                    .adapt = mst_s3_adapt,
                                    .accept = mst_s3_accept,
                                    .succeeded = s3_succeeded,
                                    .refuse = mst_s3_refuse,
                                    .scrub = s3_scrub};

/* --- the vtable --------------------------------------------------------------------------------------------------- */

static mst_caller caller_of(mst_s3 *s) {
  return (mst_caller){
      .dialect = &mst_s3_dialect, .store = s, .url = s->url, .ctx = s->ctx, .config = s->config, .policy = &s->policy};
}

static void s3_start(void *self, mst_op *op) {
  const mst_caller caller = caller_of(self);
  mst_call_start(&caller, op);
}

static mst_status s3_run(void *self, mst_op *op, mst_error *err) {
  const mst_caller caller = caller_of(self);
  return mst_call_run(&caller, op, err);
}

static void s3_cancel(void *self, mst_op *op) {
  const mst_s3 *s = self;
  mst_call_cancel(s->ctx, op);
}

static mst_status s3_settings(void *self,
                              mst_status (*add)(void *arg, const char *name, const char *value, mst_error *err),
                              void *arg, mst_error *err) {
  const mst_s3 *s = self;
  const mst_s3_place *place = atomic_load_explicit(&s->place, memory_order_acquire);
  mst_status status = MST_OK;
  if (s->endpoint != NULL) MST_TRY(add(arg, "endpoint", s->endpoint, err));
  MST_TRY(add(arg, "region", place->region, err));
  if (!mst_text_equal(s->addressing, "auto")) MST_TRY(add(arg, "addressing", s->addressing, err));
  if (s->requester_pays) MST_TRY(add(arg, "requester_pays", "true", err));
  if (mst_settings_bool(s->settings, MST_OPTION_ANONYMOUS)) MST_TRY(add(arg, "anonymous", "true", err));
done:
  return status;
}

static void s3_close(void *self) {
  mst_s3 *s = self;
  mst_s3_place_free(s);
  mst_identity_unref(s->identity);
  mst_http_config_unref(s->config);
  mst_settings_unref(s->settings);
  mst_free(s->mem, s->bucket);
  mst_free(s->mem, s->url);
  mst_free(s->mem, s->endpoint);
  mst_free(s->mem, s);
}

static const mst_store_ops s3_ops = {.struct_size = sizeof(mst_store_ops),
                                     .name = "s3",
                                     .start = s3_start,
                                     .run = s3_run,
                                     .cancel = s3_cancel,
                                     .settings = s3_settings,
                                     .close = s3_close};

/* --- opening ------------------------------------------------------------------------------------------------------ */

typedef struct opener {
  mst_context *ctx;
  const mst_settings *settings;
  mst_profiles profiles;
  const char *profile;
} opener;

static mst_status home_path(const opener *o, const char *name, char out[1024]) {
  const char *home = mst_context_getenv(o->ctx, "HOME");
  const int n = home == NULL ? -1 : snprintf(out, 1024, "%s/.aws/%s", home, name);
  return n < 0 || n >= 1024 ? MST_E_NOT_FOUND : MST_OK;
}

static mst_status load_profiles(opener *o, bool anonymous, mst_error *err) {
  char config[1024], credentials[1024];
  const char *config_file = mst_settings_text(o->settings, MST_OPTION_CONFIG_FILE),
             *credentials_file = mst_settings_text(o->settings, MST_OPTION_CREDENTIALS_FILE);
  mst_status status;
  if (config_file == NULL && home_path(o, "config", config) == MST_OK) config_file = config;
  if (credentials_file == NULL && home_path(o, "credentials", credentials) == MST_OK) credentials_file = credentials;
  status =
      mst_profiles_load(mst_context_mem(o->ctx), config_file, anonymous ? NULL : credentials_file, &o->profiles, err);
  /* Who asks for no credentials must not stumble over broken files of credentials. */
  return anonymous && status != MST_E_NO_MEMORY ? MST_OK : status;
}

static const char *in_profile(const opener *o, const char *key) {
  return mst_profiles_get(&o->profiles, MST_SECTION_PROFILE, o->profile, key);
}

static const char *profile_endpoint(const opener *o) {
  const char *services = in_profile(o, "services"), *ignore = in_profile(o, "ignore_configured_endpoint_urls"),
             *url = NULL;
  if (mst_settings_bool(o->settings, MST_OPTION_IGNORE_ENDPOINTS) ||
      (ignore != NULL && mst_text_equal_nocase(ignore, "true")))
    return NULL;
  if (services != NULL)
    url = mst_profiles_get_nested(&o->profiles, MST_SECTION_SERVICES, services, "s3", "endpoint_url");
  return url != NULL ? url : in_profile(o, "endpoint_url");
}

static bool same_endpoint(const char *a, const char *b) {
  size_t n = strlen(a), m = strlen(b);
  while (n > 0 && a[n - 1] == '/') n--;
  while (m > 0 && b[m - 1] == '/') m--;
  return n == m && strncasecmp(a, b, n) == 0;
}

/* The one rule that keeps secrets from strangers: a slice may say where to go, never whom to trust. */
static const char *choose_endpoint(const opener *o, bool *withheld) {
  const char *endpoint = mst_settings_text(o->settings, MST_OPTION_ENDPOINT), *own = profile_endpoint(o);
  *withheld = false;
  if (endpoint == NULL) return own;
  if (mst_settings_origin(o->settings, MST_OPTION_ENDPOINT) == MST_FROM_SLICE)
    *withheld = own == NULL || !same_endpoint(own, endpoint);
  return endpoint;
}

static const char *choose_region(const opener *o) {
  const char *region = mst_settings_text(o->settings, MST_OPTION_REGION);
  if (region == NULL) region = in_profile(o, "region");
  return region == NULL ? "us-east-1" : region;
}

/* One of the option's words, whoever chose it. */
static const char *choose_addressing(const opener *o) {
  const char *style = mst_profiles_get_nested(&o->profiles, MST_SECTION_PROFILE, o->profile, "s3", "addressing_style");
  if (mst_settings_origin(o->settings, MST_OPTION_ADDRESSING) != MST_FROM_DEFAULT || style == NULL)
    return mst_settings_text(o->settings, MST_OPTION_ADDRESSING);
  return mst_text_equal_nocase(style, "path") ? "path" : mst_text_equal_nocase(style, "virtual") ? "virtual" : "auto";
}

static mst_sum_kind choose_sum(const mst_settings *settings) {
  const char *name = mst_settings_text(settings, MST_OPTION_CHECKSUM);
  if (mst_text_equal(name, "crc32c")) return MST_SUM_CRC32C;
  if (mst_text_equal(name, "crc32")) return MST_SUM_CRC32;
  if (mst_text_equal(name, "sha256")) return MST_SUM_SHA256;
  return MST_SUM_NONE;
}

static mst_status open_identity(mst_s3 *s, const opener *o, const char *region, bool anonymous, mst_error *err) {
  /* The keys of a slice's region are asked for in our own. */
  const char *own =
      mst_settings_origin(o->settings, MST_OPTION_REGION) == MST_FROM_SLICE ? in_profile(o, "region") : region;
  if (anonymous || s->withheld) return MST_OK;
  if (own == NULL) own = "us-east-1";
  if (!mst_s3_region_valid(own)) return mst_fail(err, MST_E_ARGUMENT, "\"%.60s\" is not a region's name", own);
  return mst_identity_open(o->ctx, o->settings, &o->profiles, own, s->config, &s->identity, err);
}

static void set_policy(mst_s3 *s) {
  const uint64_t attempts = mst_settings_u64(s->settings, MST_OPTION_MAX_ATTEMPTS);
  s->policy = (mst_retry_policy)MST_RETRY_POLICY_INIT;
  s->policy.attempts_max = attempts < 1 ? 1 : (uint32_t)attempts;
  s->policy.total_us = mst_settings_us(s->settings, MST_OPTION_RETRY_TIMEOUT);
}

static mst_status fill(mst_s3 *s, const opener *o, const mst_url *url, bool anonymous, mst_error *err) {
  const char *endpoint = choose_endpoint(o, &s->withheld), *region = choose_region(o);
  char store_url[400];
  mst_status status = MST_OK;
  set_policy(s);
  MST_TRY_ALLOC(s->bucket = mst_text_copy(s->mem, url->host));
  snprintf(store_url, sizeof store_url, "s3://%.380s", url->host);
  MST_TRY_ALLOC(s->url = mst_text_copy(s->mem, store_url));
  if (endpoint != NULL) MST_TRY_ALLOC(s->endpoint = mst_text_copy(s->mem, endpoint));
  s->addressing = choose_addressing(o);
  s->requester_pays = mst_settings_bool(s->settings, MST_OPTION_REQUESTER_PAYS);
  s->unsigned_payload = mst_settings_bool(s->settings, MST_OPTION_UNSIGNED_PAYLOAD);
  s->sum = choose_sum(s->settings);
  MST_TRY(mst_s3_place_init(s, url, endpoint, region, err));
  MST_TRY(mst_http_config_make(o->ctx, s->settings, in_profile(o, "ca_bundle"), &s->config, err));
  MST_TRY(open_identity(s, o, region, anonymous, err));
done:
  return status;
}

mst_status mst_s3_open(mst_context *ctx, const mst_url *url, const mst_settings *settings, mst_store **out,
                       mst_error *err) {
  const bool anonymous = mst_settings_bool(settings, MST_OPTION_ANONYMOUS);
  opener o = {
      .ctx = ctx, .settings = settings, .profile = mst_profile_name(settings), .profiles.mem = mst_context_mem(ctx)};
  mst_status status = MST_OK;
  mst_s3 *s = mst_alloc_zero(mst_context_mem(ctx), 1, sizeof *s);
  if (s == NULL) return mst_fail_memory(err);
  s->ctx = ctx;
  s->mem = mst_context_mem(ctx);
  s->env = mst_context_env(ctx);
  s->settings = mst_settings_ref(settings);
  MST_TRY(load_profiles(&o, anonymous, err));
  MST_TRY(fill(s, &o, url, anonymous, err));
  MST_TRY(mst_store_wrap(ctx, &s3_ops, s, s->url, out, err));
  s = NULL;
done:
  if (s != NULL) s3_close(s);
  mst_profiles_free(&o.profiles);
  return status == MST_OK ? MST_OK : mst_while(err, status, "opening s3://%.200s", url->host);
}
