/* store/options.c - the table of storage options; parsing, checking, "did you mean", and its own description all read
 * it. May call: base. */
#include "store/options.h"

#include "store/store.h"

enum { FOR_WEB = MST_FOR_S3 | MST_FOR_HTTP };

/* clang-format off */
static const mst_option table[MST_OPTIONS] = {
    [MST_OPTION_ENDPOINT] =
        {.name = "endpoint",
         .type = MST_TYPE_TEXT,
         .stores = MST_FOR_S3,
         .environment = {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"},
         .aliases = {"endpoint_url", "aws_endpoint", "aws_endpoint_url", "aws_endpoint_url_s3",
                     "client_kwargs.endpoint_url", "endpoint_override"},
         .doc = "URL of the S3 service; unset: AWS, by region"},
    [MST_OPTION_REGION] =
        {.name = "region",
         .type = MST_TYPE_TEXT,
         .stores = MST_FOR_S3,
         .environment = {"AWS_REGION", "AWS_DEFAULT_REGION"},
         .aliases = {"region_name", "aws_region", "default_region", "aws_default_region", "client_kwargs.region_name"},
         .doc = "region that requests are signed for; unset: the profile's, else asked from the bucket"},
    [MST_OPTION_ADDRESSING] =
        {.name = "addressing",
         .type = MST_TYPE_CHOICE,
         .stores = MST_FOR_S3,
         .initial = "auto",
         .choices = "auto path virtual path=false virtual=true",
         .aliases = {"addressing_style", "config_kwargs.s3.addressing_style", "virtual_hosted_style_request",
                     "aws_virtual_hosted_style_request"},
         .doc = "where the bucket's name goes: into the host (virtual) or the path; auto: virtual at AWS, path elsewhere"},
    [MST_OPTION_USE_TLS] =
        {.name = "use_tls",
         .type = MST_TYPE_BOOL,
         .stores = MST_FOR_S3,
         .initial = "true",
         .aliases = {"use_ssl", "client_kwargs.use_ssl"},
         .doc = "https for an endpoint that is not written out as a URL"},
    [MST_OPTION_ALLOW_HTTP] =
        {.name = "allow_http",
         .type = MST_TYPE_BOOL,
         .stores = MST_FOR_S3,
         .initial = "true",
         .aliases = {"aws_allow_http", "client_options.allow_http"},
         .doc = "whether an endpoint may be http://"},
    [MST_OPTION_IGNORE_ENDPOINTS] =
        {.name = "ignore_configured_endpoint_urls",
         .type = MST_TYPE_BOOL,
         .stores = MST_FOR_S3,
         .initial = "false",
         .environment = {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"},
         .doc = "endpoints from the environment and from configuration files do not count"},
    [MST_OPTION_REQUESTER_PAYS] =
        {.name = "requester_pays",
         .type = MST_TYPE_BOOL,
         .stores = MST_FOR_S3,
         .initial = "false",
         .choices = "requester=true",
         .environment = {"AWS_REQUEST_PAYER"},
         .aliases = {"request_payer", "aws_request_payer", "aws_requester_pays"},
         .doc = "the requester pays for transfers"},

    [MST_OPTION_ANONYMOUS] =
        {.name = "anonymous",
         .type = MST_TYPE_BOOL,
         .stores = MST_FOR_S3,
         .initial = "false",
         .environment = {"AWS_SKIP_SIGNATURE", "AWS_NO_SIGN_REQUEST"},
         .aliases = {"anon", "skip_signature", "aws_skip_signature", "no_sign_request", "aws_no_sign_request"},
         .doc = "requests are not signed"},
    [MST_OPTION_ACCESS_KEY_ID] =
        {.name = "access_key_id",
         .type = MST_TYPE_TEXT,
         .stores = MST_FOR_S3,
         .environment = {"AWS_ACCESS_KEY_ID"},
         .aliases = {"key", "access_key", "aws_access_key_id", "client_kwargs.aws_access_key_id"},
         .doc = "access key; goes together with secret_access_key"},
    [MST_OPTION_SECRET_ACCESS_KEY] =
        {.name = "secret_access_key",
         .type = MST_TYPE_TEXT,
         .stores = MST_FOR_S3,
         .secret = true,
         .environment = {"AWS_SECRET_ACCESS_KEY"},
         .aliases = {"secret", "secret_key", "aws_secret_access_key", "client_kwargs.aws_secret_access_key"},
         .doc = "secret of the access key"},
    [MST_OPTION_SESSION_TOKEN] =
        {.name = "session_token",
         .type = MST_TYPE_TEXT,
         .stores = MST_FOR_S3,
         .secret = true,
         .environment = {"AWS_SESSION_TOKEN"},
         .aliases = {"token", "aws_session_token", "aws_token", "client_kwargs.aws_session_token"},
         .doc = "session token of temporary keys"},
    [MST_OPTION_PROFILE] =
        {.name = "profile",
         .type = MST_TYPE_TEXT,
         .stores = MST_FOR_S3,
         .environment = {"AWS_PROFILE", "AWS_DEFAULT_PROFILE"},
         .aliases = {"aws_profile", "profile_name"},
         .doc = "profile in the configuration and credentials files; unset: default"},
    [MST_OPTION_CONFIG_FILE] =
        {.name = "config_file",
         .type = MST_TYPE_TEXT,
         .stores = MST_FOR_S3,
         .environment = {"AWS_CONFIG_FILE"},
         .aliases = {"aws_config_file"},
         .doc = "configuration file; unset: ~/.aws/config"},
    [MST_OPTION_CREDENTIALS_FILE] =
        {.name = "credentials_file",
         .type = MST_TYPE_TEXT,
         .stores = MST_FOR_S3,
         .environment = {"AWS_SHARED_CREDENTIALS_FILE"},
         .aliases = {"shared_credentials_file", "aws_shared_credentials_file"},
         .doc = "credentials file; unset: ~/.aws/credentials"},
    [MST_OPTION_ROLE_ARN] =
        {.name = "role_arn",
         .type = MST_TYPE_TEXT,
         .stores = MST_FOR_S3,
         .environment = {"AWS_ROLE_ARN"},
         .aliases = {"aws_role_arn"},
         .doc = "role to assume"},
    [MST_OPTION_ROLE_SESSION_NAME] =
        {.name = "role_session_name",
         .type = MST_TYPE_TEXT,
         .stores = MST_FOR_S3,
         .initial = "meseta",
         .environment = {"AWS_ROLE_SESSION_NAME"},
         .aliases = {"aws_role_session_name"},
         .doc = "name of the session of an assumed role"},
    [MST_OPTION_ROLE_EXTERNAL_ID] =
        {.name = "role_external_id",
         .type = MST_TYPE_TEXT,
         .stores = MST_FOR_S3,
         .aliases = {"external_id", "aws_external_id"},
         .doc = "external id that the role's owner asks for"},
    [MST_OPTION_WEB_IDENTITY_TOKEN_FILE] =
        {.name = "web_identity_token_file",
         .type = MST_TYPE_TEXT,
         .stores = MST_FOR_S3,
         .environment = {"AWS_WEB_IDENTITY_TOKEN_FILE"},
         .aliases = {"aws_web_identity_token_file"},
         .doc = "file with the token that a role is assumed by"},
    [MST_OPTION_STS_ENDPOINT] =
        {.name = "sts_endpoint",
         .type = MST_TYPE_TEXT,
         .stores = MST_FOR_S3,
         .environment = {"AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"},
         .aliases = {"aws_sts_endpoint", "aws_endpoint_url_sts"},
         .doc = "URL of the service that gives temporary keys; unset: AWS, by region"},
    [MST_OPTION_CONTAINER_RELATIVE_URI] =
        {.name = "container_credentials_relative_uri",
         .type = MST_TYPE_TEXT,
         .stores = MST_FOR_S3,
         .environment = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"},
         .aliases = {"aws_container_credentials_relative_uri"},
         .doc = "path at the container's credentials address"},
    [MST_OPTION_CONTAINER_FULL_URI] =
        {.name = "container_credentials_full_uri",
         .type = MST_TYPE_TEXT,
         .stores = MST_FOR_S3,
         .environment = {"AWS_CONTAINER_CREDENTIALS_FULL_URI"},
         .aliases = {"aws_container_credentials_full_uri"},
         .doc = "address that gives a container its credentials"},
    [MST_OPTION_CONTAINER_TOKEN] =
        {.name = "container_authorization_token",
         .type = MST_TYPE_TEXT,
         .stores = MST_FOR_S3,
         .secret = true,
         .environment = {"AWS_CONTAINER_AUTHORIZATION_TOKEN"},
         .aliases = {"aws_container_authorization_token"},
         .doc = "token sent to the container's credentials address"},
    [MST_OPTION_CONTAINER_TOKEN_FILE] =
        {.name = "container_authorization_token_file",
         .type = MST_TYPE_TEXT,
         .stores = MST_FOR_S3,
         .environment = {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"},
         .aliases = {"aws_container_authorization_token_file"},
         .doc = "file with that token, read anew each time"},
    [MST_OPTION_METADATA_ENDPOINT] =
        {.name = "metadata_endpoint",
         .type = MST_TYPE_TEXT,
         .stores = MST_FOR_S3,
         .initial = "http://169.254.169.254",
         .environment = {"AWS_EC2_METADATA_SERVICE_ENDPOINT"},
         .aliases = {"aws_metadata_endpoint"},
         .doc = "address of the instance's metadata service"},
    [MST_OPTION_METADATA_DISABLED] =
        {.name = "metadata_disabled",
         .type = MST_TYPE_BOOL,
         .stores = MST_FOR_S3,
         .initial = "false",
         .environment = {"AWS_EC2_METADATA_DISABLED"},
         .aliases = {"aws_ec2_metadata_disabled"},
         .doc = "the instance's metadata service is not asked"},
    [MST_OPTION_METADATA_TIMEOUT] =
        {.name = "metadata_timeout",
         .type = MST_TYPE_SECONDS,
         .stores = MST_FOR_S3,
         .initial = "1",
         .environment = {"AWS_METADATA_SERVICE_TIMEOUT"},
         .aliases = {"aws_metadata_service_timeout"},
         .doc = "seconds to wait for the metadata service"},
    [MST_OPTION_METADATA_ATTEMPTS] =
        {.name = "metadata_attempts",
         .type = MST_TYPE_COUNT,
         .stores = MST_FOR_S3,
         .initial = "1",
         .environment = {"AWS_METADATA_SERVICE_NUM_ATTEMPTS"},
         .aliases = {"aws_metadata_service_num_attempts"},
         .doc = "attempts to reach the metadata service"},

    [MST_OPTION_USERNAME] =
        {.name = "username",
         .type = MST_TYPE_TEXT,
         .stores = MST_FOR_HTTP,
         .aliases = {"user", "http_user"},
         .doc = "user name, sent by basic authentication"},
    [MST_OPTION_PASSWORD] =
        {.name = "password",
         .type = MST_TYPE_TEXT,
         .stores = MST_FOR_HTTP,
         .secret = true,
         .aliases = {"http_password"},
         .doc = "password of that user"},
    [MST_OPTION_BEARER_TOKEN] =
        {.name = "bearer_token",
         .type = MST_TYPE_TEXT,
         .stores = MST_FOR_HTTP,
         .secret = true,
         .aliases = {"http_bearer_token"},
         .doc = "token sent as 'Authorization: Bearer'"},

    [MST_OPTION_CHECKSUM] =
        {.name = "checksum",
         .type = MST_TYPE_CHOICE,
         .stores = MST_FOR_S3,
         .initial = "crc32c",
         .choices = "none crc32c crc32 sha256",
         .aliases = {"checksum_algorithm", "aws_checksum_algorithm"},
         .doc = "checksum sent along with what is written"},
    [MST_OPTION_UNSIGNED_PAYLOAD] =
        {.name = "unsigned_payload",
         .type = MST_TYPE_BOOL,
         .stores = MST_FOR_S3,
         .initial = "false",
         .aliases = {"aws_unsigned_payload"},
         .doc = "the body of a request is not part of its signature"},
    [MST_OPTION_MAX_ATTEMPTS] =
        {.name = "max_attempts",
         .type = MST_TYPE_COUNT,
         .stores = FOR_WEB,
         .initial = "8",
         .environment = {"AWS_MAX_ATTEMPTS"},
         .aliases = {"aws_max_attempts", "config_kwargs.retries.max_attempts",
                     "config_kwargs.retries.total_max_attempts"},
         .doc = "attempts of one request, the first included"},
    [MST_OPTION_RETRY_TIMEOUT] =
        {.name = "retry_timeout",
         .type = MST_TYPE_SECONDS,
         .stores = FOR_WEB,
         .initial = "180",
         .aliases = {"retry_config.retry_timeout"},
         .doc = "seconds after which a request is not tried again"},
    [MST_OPTION_CONNECT_TIMEOUT] =
        {.name = "connect_timeout",
         .type = MST_TYPE_SECONDS,
         .stores = FOR_WEB,
         .initial = "10",
         .aliases = {"client_options.connect_timeout", "config_kwargs.connect_timeout"},
         .doc = "seconds to reach a server"},
    [MST_OPTION_STALL_TIMEOUT] =
        {.name = "stall_timeout",
         .type = MST_TYPE_SECONDS,
         .stores = FOR_WEB,
         .initial = "20",
         .aliases = {"read_timeout", "config_kwargs.read_timeout"},
         .doc = "seconds without a byte after which a transfer is given up and tried again"},
    [MST_OPTION_TIMEOUT] =
        {.name = "timeout",
         .type = MST_TYPE_SECONDS,
         .stores = FOR_WEB,
         .initial = "0",
         .aliases = {"request_timeout", "client_options.timeout"},
         .doc = "seconds for one attempt as a whole; 0: no limit but stall_timeout"},
    [MST_OPTION_PROXY] =
        {.name = "proxy",
         .type = MST_TYPE_TEXT,
         .stores = FOR_WEB,
         .secret = true,
         .aliases = {"proxy_url", "aws_proxy_url", "client_options.proxy_url"},
         .doc = "proxy's URL; unset: HTTPS_PROXY, http_proxy, ALL_PROXY as curl reads them"},
    [MST_OPTION_NO_PROXY] =
        {.name = "no_proxy",
         .type = MST_TYPE_TEXT,
         .stores = FOR_WEB,
         .environment = {"NO_PROXY", "no_proxy"},
         .aliases = {"proxy_excludes"},
         .doc = "hosts that are reached without the proxy, with commas between"},
    [MST_OPTION_CA_BUNDLE] =
        {.name = "ca_bundle",
         .type = MST_TYPE_TEXT,
         .stores = FOR_WEB,
         .environment = {"AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"},
         .aliases = {"ca_certificate", "aws_ca_bundle"},
         .doc = "file of certificates to trust; unset: the system's"},
    [MST_OPTION_VERIFY_TLS] =
        {.name = "verify_tls",
         .type = MST_TYPE_BOOL,
         .stores = FOR_WEB,
         .initial = "true",
         .aliases = {"verify", "client_kwargs.verify", "!allow_invalid_certificates", "!aws_allow_invalid_certificates",
                     "!client_options.allow_invalid_certificates"},
         .doc = "servers must show a certificate that is trusted"},
    [MST_OPTION_USER_AGENT] =
        {.name = "user_agent",
         .type = MST_TYPE_TEXT,
         .stores = FOR_WEB,
         .aliases = {"aws_user_agent", "client_options.user_agent"},
         .doc = "what requests say who they come from; unset: meseta/VERSION"},
};
/* clang-format on */

const mst_option *mst_option_row(mst_option_id id) { return &table[id]; }

/* ---- settings ---------------------------------------------------------------------------------------------------- */

typedef struct value {
  char *text;      /* NULL: unset */
  uint64_t number; /* COUNT, SIZE, SECONDS in us, BOOL */
  mst_origin origin;
} value;

struct mst_settings {
  _Atomic uint32_t refs;
  const mst_allocator *mem;
  bool of_slice;
  value values[MST_OPTIONS];
};

/* What set a value, for errors. */
typedef struct source {
  mst_origin origin;
  const char *name; /* the key or variable as the user wrote it */
  bool inverted;
} source;

static mst_status wrong_value(const source *from, const char *expected, mst_error *err) {
  return mst_fail(err, from->origin == MST_FROM_SLICE ? MST_E_CORRUPT : MST_E_ARGUMENT, "%s %s: expected %s",
                  from->origin == MST_FROM_ENVIRONMENT ? "environment variable" : "storage option", from->name,
                  expected);
}

/* The canonical form of a word in "auto path=false": itself, or what stands before "=word". */
static bool find_choice(const char *choices, const char *text, const char **word, size_t *n_word) {
  size_t n = strlen(text);
  for (const char *c = choices; *c != '\0';) {
    size_t length = strcspn(c, " ");
    const char *equals = memchr(c, '=', length);
    const char *spelling = equals != NULL ? equals + 1 : c;
    size_t n_spelling = (size_t)(c + length - spelling);
    if (n_spelling == n && strncasecmp(spelling, text, n) == 0) {
      *word = c;
      *n_word = equals != NULL ? (size_t)(equals - c) : length;
      return true;
    }
    c += length;
    while (*c == ' ') c++;
  }
  return false;
}

static bool parse_bool(const mst_option *row, const char *text, bool *out) {
  static const char *const yes[] = {"true", "1", "yes", "on"};
  static const char *const no[] = {"false", "0", "no", "off"};
  for (size_t i = 0; i < 4; i++) {
    if (mst_text_equal_nocase(text, yes[i])) return *out = true, true;
    if (mst_text_equal_nocase(text, no[i])) return *out = false, true;
  }
  if (row->choices == NULL) return false;
  /* a word that stands for true: "requester=true" */
  size_t n = strcspn(row->choices, "=");
  if (strlen(text) != n || strncasecmp(text, row->choices, n) != 0) return false;
  *out = true;
  return true;
}

static bool parse_seconds(const char *text, uint64_t *us) {
  static const struct {
    const char *unit;
    uint64_t us;
  } units[] = {{"", 1000000}, {"s", 1000000}, {"ms", 1000}, {"m", 60000000}, {"min", 60000000}, {"h", 3600000000}};
  uint64_t whole = 0;
  uint64_t fraction = 0;
  uint64_t scale = 1;
  const char *c = text;
  for (; *c >= '0' && *c <= '9'; c++) {
    if (whole > 100000000) return false;
    whole = whole * 10 + (uint64_t)(*c - '0');
  }
  if (c == text) return false;
  if (*c == '.') {
    for (c++; *c >= '0' && *c <= '9'; c++) {
      if (scale == 1000000) continue;
      fraction = fraction * 10 + (uint64_t)(*c - '0');
      scale *= 10;
    }
  }
  while (*c == ' ') c++;
  for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
    if (!mst_text_equal_nocase(c, units[i].unit)) continue;
    *us = whole * units[i].us + fraction * units[i].us / scale;
    return true;
  }
  return false;
}

/* Checks `text` against the row's type. `*word`, `*n_word`: what is kept of it. */
static mst_status parse_value(const mst_option *row, const char *text, const source *from, value *v, const char **word,
                              size_t *n_word, mst_error *err) {
  bool truth = false;
  char expected[160];
  size_t n_choices;
  *word = text;
  *n_word = strlen(text);
  switch (row->type) {
  case MST_TYPE_TEXT:
    for (const char *c = text; *c != '\0'; c++)
      if ((uint8_t)*c < 0x20 || *c == 0x7F) return wrong_value(from, "text without control characters", err);
    break;
  case MST_TYPE_BOOL:
    if (!parse_bool(row, text, &truth)) return wrong_value(from, "true or false", err);
    v->number = truth != from->inverted;
    break;
  case MST_TYPE_COUNT:
    if (mst_parse_u64(text, *n_word, from->name, &v->number, NULL) != MST_OK || v->number > 1000000)
      return wrong_value(from, "a whole number up to 1000000", err);
    break;
  case MST_TYPE_SIZE:
    if (mst_parse_size(text, from->name, &v->number, NULL) != MST_OK)
      return wrong_value(from, "a size such as 8MiB", err);
    break;
  case MST_TYPE_SECONDS:
    if (!parse_seconds(text, &v->number)) return wrong_value(from, "seconds, or a time such as 500ms, 30s, 5m", err);
    break;
  case MST_TYPE_CHOICE:
    if (!find_choice(row->choices, text, word, n_word)) {
      /* the words themselves come first, their synonyms behind them */
      n_choices = strcspn(row->choices, "=");
      while (row->choices[n_choices] != '\0' && n_choices > 0 && row->choices[n_choices] != ' ') n_choices--;
      (void)snprintf(expected, sizeof expected, "one of: %.*s", (int)n_choices, row->choices);
      return wrong_value(from, expected, err);
    }
    break;
  }
  v->origin = from->origin;
  return MST_OK;
}

static mst_status set_value(mst_settings *s, mst_option_id id, const char *text, const source *from, mst_error *err) {
  value v = {0};
  const char *word;
  size_t n_word;
  mst_status status = parse_value(&table[id], text, from, &v, &word, &n_word, err);
  if (status != MST_OK) return status;
  v.text = mst_text_copy_n(s->mem, word, n_word);
  if (v.text == NULL) return mst_fail_memory(err);
  mst_free(s->mem, s->values[id].text);
  s->values[id] = v;
  return MST_OK;
}

static bool row_has_key(const mst_option *row, const char *key, bool *inverted) {
  *inverted = false;
  if (mst_text_equal_nocase(row->name, key)) return true;
  for (size_t i = 0; i < sizeof row->aliases / sizeof row->aliases[0] && row->aliases[i] != NULL; i++) {
    *inverted = row->aliases[i][0] == '!';
    if (mst_text_equal_nocase(row->aliases[i] + *inverted, key)) return true;
  }
  return false;
}

static mst_status unknown_key(const char *key, mst_error *err) {
  const char *words[MST_OPTIONS * 13];
  size_t n = 0;
  for (size_t i = 0; i < MST_OPTIONS; i++) {
    words[n++] = table[i].name;
    for (size_t j = 0; j < 12 && table[i].aliases[j] != NULL; j++)
      words[n++] = table[i].aliases[j] + (table[i].aliases[j][0] == '!');
  }
  const char *nearest = mst_text_nearest(key, words, n);
  if (nearest == NULL) return mst_fail(err, MST_E_ARGUMENT, "unknown storage option '%.100s'", key);
  return mst_fail(err, MST_E_ARGUMENT, "unknown storage option '%.100s'; did you mean '%s'?", key, nearest);
}

static mst_status take_caller(mst_settings *s, const mst_pair *config, size_t n_config, mst_error *err) {
  const char *given[MST_OPTIONS] = {0};
  for (size_t i = 0; i < n_config; i++) {
    source from = {.origin = MST_FROM_CALLER, .name = config[i].key};
    size_t id = 0;
    if (config[i].key == NULL || config[i].value == NULL)
      return mst_fail(err, MST_E_ARGUMENT, "storage option %zu has no %s", i, config[i].key == NULL ? "key" : "value");
    while (id < MST_OPTIONS && !row_has_key(&table[id], config[i].key, &from.inverted)) id++;
    if (id == MST_OPTIONS) return unknown_key(config[i].key, err);
    if (given[id] != NULL)
      return mst_fail(err, MST_E_ARGUMENT, "storage option '%.60s' is given twice: also as '%.60s'", config[i].key,
                      given[id]);
    given[id] = config[i].key;
    mst_status status = set_value(s, (mst_option_id)id, config[i].value, &from, err);
    if (status != MST_OK) return status;
  }
  return MST_OK;
}

static mst_status take_environment(mst_settings *s, mst_context *ctx, uint32_t stores, mst_error *err) {
  for (size_t id = 0; id < MST_OPTIONS; id++) {
    const mst_option *row = &table[id];
    if ((row->stores & stores) == 0 || s->values[id].origin == MST_FROM_CALLER) continue;
    for (size_t j = 0; j < 6 && row->environment[j] != NULL; j++) {
      const char *text = mst_context_getenv(ctx, row->environment[j]);
      if (text == NULL) continue;
      source from = {.origin = MST_FROM_ENVIRONMENT, .name = row->environment[j]};
      mst_status status = set_value(s, (mst_option_id)id, text, &from, err);
      if (status != MST_OK) return status;
      break;
    }
  }
  return MST_OK;
}

static void forget(mst_settings *s, mst_option_id id) {
  mst_free(s->mem, s->values[id].text);
  s->values[id] = (value){0};
}

/* "http://host/" and "HTTP://host" are one endpoint; other texts are compared as they are. */
static bool same_value(mst_option_id id, const value *have, const char *text) {
  if (have->text == NULL) return false;
  if (id != MST_OPTION_ENDPOINT) return mst_text_equal(have->text, text);
  size_t a = strlen(have->text);
  size_t b = strlen(text);
  while (a > 0 && have->text[a - 1] == '/') a--;
  while (b > 0 && text[b - 1] == '/') b--;
  return a == b && strncasecmp(have->text, text, a) == 0;
}

static mst_status take_slice(mst_settings *s, const json_t *slice, mst_error *err) {
  static const mst_option_id portable[] = {MST_OPTION_ENDPOINT, MST_OPTION_REGION, MST_OPTION_ADDRESSING,
                                           MST_OPTION_REQUESTER_PAYS, MST_OPTION_ANONYMOUS};
  enum { N = sizeof portable / sizeof *portable };
  const char *key;
  json_t *v;
  if (!json_is_object(slice)) return mst_fail(err, MST_E_CORRUPT, "the slice's store settings are not an object");
  json_object_foreach((json_t *)(uintptr_t)slice, key, v) {
    size_t i = 0;
    while (i < N && strcmp(table[portable[i]].name, key) != 0) i++;
    if (i == N || !json_is_string(v) || json_string_length(v) > 300)
      return mst_fail(err, MST_E_CORRUPT, "the slice's store settings hold '%.60s', which %s", key,
                      i == N ? "a slice may not set" : "is not a short text");
    mst_option_id id = portable[i];
    const char *text = json_string_value(v);
    /* a slice may ask for less than our signature, never for it */
    if (id == MST_OPTION_ANONYMOUS && strcmp(text, "true") != 0)
      return mst_fail(err, MST_E_CORRUPT, "the slice's store settings hold 'anonymous', which can only be true");
    source from = {.origin = MST_FROM_SLICE, .name = key};
    if (s->values[id].origin == MST_FROM_CALLER || same_value(id, &s->values[id], text)) continue;
    mst_status status = set_value(s, id, text, &from, err);
    if (status != MST_OK) return status;
  }
  return MST_OK;
}

static mst_status take_defaults(mst_settings *s, mst_error *err) {
  for (size_t id = 0; id < MST_OPTIONS; id++) {
    source from = {.origin = MST_FROM_DEFAULT, .name = table[id].name};
    if (s->values[id].text != NULL || table[id].initial == NULL) continue;
    mst_status status = set_value(s, (mst_option_id)id, table[id].initial, &from, err);
    if (status != MST_OK) return status;
  }
  return MST_OK;
}

mst_status mst_settings_make(mst_context *ctx, uint32_t stores, const mst_pair *config, size_t n_config,
                             const json_t *slice, mst_settings **out, mst_error *err) {
  mst_status status = MST_OK;
  const mst_allocator *mem = mst_context_mem(ctx);
  mst_settings *s = mst_alloc_zero(mem, 1, sizeof *s);
  MST_TRY_ALLOC(s);
  s->refs = 1;
  s->mem = mem;
  MST_TRY(take_caller(s, config, n_config, err));
  MST_TRY(take_environment(s, ctx, stores, err));
  if (s->values[MST_OPTION_IGNORE_ENDPOINTS].number != 0) {
    if (s->values[MST_OPTION_ENDPOINT].origin == MST_FROM_ENVIRONMENT) forget(s, MST_OPTION_ENDPOINT);
    if (s->values[MST_OPTION_STS_ENDPOINT].origin == MST_FROM_ENVIRONMENT) forget(s, MST_OPTION_STS_ENDPOINT);
  }
  s->of_slice = slice != NULL;
  if (slice != NULL) MST_TRY(take_slice(s, slice, err));
  MST_TRY(take_defaults(s, err));
  *out = s;
  s = NULL;
done:
  mst_settings_unref(s);
  return status;
}

mst_settings *mst_settings_ref(const mst_settings *s) {
  mst_settings *mine = (mst_settings *)(uintptr_t)s;
  if (mine != NULL) atomic_fetch_add_explicit(&mine->refs, 1, memory_order_relaxed);
  return mine;
}

void mst_settings_unref(mst_settings *s) {
  if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) return;
  for (size_t id = 0; id < MST_OPTIONS; id++) {
    char *text = s->values[id].text;
    if (text != NULL && table[id].secret) explicit_bzero(text, strlen(text));
    mst_free(s->mem, text);
  }
  mst_free(s->mem, s);
}

const char *mst_settings_text(const mst_settings *s, mst_option_id id) { return s->values[id].text; }
bool mst_settings_bool(const mst_settings *s, mst_option_id id) { return s->values[id].number != 0; }
uint64_t mst_settings_u64(const mst_settings *s, mst_option_id id) { return s->values[id].number; }
int64_t mst_settings_us(const mst_settings *s, mst_option_id id) { return (int64_t)s->values[id].number; }
bool mst_settings_of_slice(const mst_settings *s) { return s->of_slice; }
mst_origin mst_settings_origin(const mst_settings *s, mst_option_id id) { return s->values[id].origin; }

/* ---- the table's description ------------------------------------------------------------------------------------- */

static mst_status texts_to_json(const char *const *texts, size_t n, json_t **out, mst_error *err) {
  json_t *array = json_array();
  if (array == NULL) return mst_fail_memory(err);
  for (size_t i = 0; i < n && texts[i] != NULL; i++) {
    if (json_array_append_new(array, json_string(texts[i] + (texts[i][0] == '!'))) != 0) {
      json_decref(array);
      return mst_fail_memory(err);
    }
  }
  *out = array;
  return MST_OK;
}

static mst_status row_to_json(const mst_option *row, json_t *object, mst_error *err) {
  static const char *const types[] = {"text", "boolean", "count", "size", "seconds", "choice"};
  static const char *const stores[] = {"s3", "http", "file", "memory"};
  const char *used[5] = {0};
  size_t n_used = 0;
  mst_status status = MST_OK;
  json_t *list = NULL;
  for (size_t i = 0; i < 4; i++)
    if ((row->stores & (1u << i)) != 0) used[n_used++] = stores[i];
  MST_TRY(mst_json_set_text(object, "name", row->name, err));
  MST_TRY(mst_json_set_text(object, "type", types[row->type], err));
  MST_TRY(mst_json_set_text(object, "doc", row->doc, err));
  MST_TRY(mst_json_set(object, "default", row->initial != NULL ? json_string(row->initial) : json_null(), err));
  MST_TRY(mst_json_set(object, "secret", json_boolean(row->secret), err));
  if (row->type == MST_TYPE_CHOICE) MST_TRY(mst_json_set_text(object, "choices", row->choices, err));
  MST_TRY(texts_to_json(used, n_used, &list, err));
  MST_TRY(mst_json_set(object, "stores", list, err));
  MST_TRY(texts_to_json(row->environment, 6, &list, err));
  MST_TRY(mst_json_set(object, "environment", list, err));
  MST_TRY(texts_to_json(row->aliases, 12, &list, err));
  MST_TRY(mst_json_set(object, "aliases", list, err));
done:
  return status;
}

mst_status mst_options_to_json(json_t **out, mst_error *err) {
  mst_status status = MST_OK;
  json_t *array = json_array();
  MST_TRY_ALLOC(array);
  for (size_t id = 0; id < MST_OPTIONS; id++) {
    json_t *object = json_object();
    MST_TRY_ALLOC(object);
    if (json_array_append_new(array, object) != 0) {
      status = mst_fail_memory(err);
      goto done;
    }
    MST_TRY(row_to_json(&table[id], object, err));
  }
  *out = array;
  array = NULL;
done:
  json_decref(array);
  return status;
}
