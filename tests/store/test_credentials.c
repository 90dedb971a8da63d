/* tests/store/test_credentials.c - where keys come from: options, environment, profiles, roles, web identity,
 * containers, instances; that they are refreshed, and never told. The services are played by
 * tests/store/faulty_server.py. */
#include "store/faulty.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/profile.h"

/* --- files
 * ------------------------------------------------------------------------------------------------------------ */

static mst_status parse(mst_profiles *p, const char *config, const char *credentials, mst_error *err) {
  *p = (mst_profiles){.mem = NULL};
  *err = (mst_error){0};
  mst_status status = mst_profiles_parse(p, false, "config", config, strlen(config), err);
  if (status == MST_OK) status = mst_profiles_parse(p, true, "credentials", credentials, strlen(credentials), err);
  return status;
}

#define IN_PROFILE(p, section, key) mst_profiles_get(p, MST_SECTION_PROFILE, section, key)

static void files_are_read_as_the_tools_write_them(void **state) {
  static const char config[] =
      "\xEF\xBB\xBF# a comment\n; another\n\n[default]\nregion = eu-west-1 # here\noutput=json\n\n[profile \"with "
      "blank\"]\r\nregion=us-west-2\r\n"
      "[profile a]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile=default\ns3 =\n  addressing_style = "
      "path\n\tmax_concurrent_requests = 20\n"
      "services = mine\nregion=x=y\n[services mine]\ns3 =\n  endpoint_url = http://one\nsts =\n  endpoint_url = "
      "http://two\n"
      "[sso-session s]\nsso_region = us-east-1\n[plainname]\nregion = never\n[profile a]\noutput = text\n";
  static const char credentials[] = "[default]\naws_access_key_id = AKID\naws_secret_access_key = se#cr;et "
                                    "/+=\n[a]\naws_access_key_id=B\nREGION = from-credentials\n";
  mst_profiles p;
  mst_error err;
  (void)state;
  assert_int_equal(parse(&p, config, credentials, &err), MST_OK);
  assert_string_equal(IN_PROFILE(&p, "default", "region"), "eu-west-1");
  assert_string_equal(IN_PROFILE(&p, "with blank", "region"), "us-west-2");
  assert_string_equal(IN_PROFILE(&p, "default", "aws_secret_access_key"), "se#cr;et /+=");
  assert_string_equal(IN_PROFILE(&p, "a", "aws_access_key_id"), "B");
  assert_string_equal(IN_PROFILE(&p, "a", "region"), "from-credentials");
  assert_string_equal(IN_PROFILE(&p, "a", "output"), "text");
  assert_null(IN_PROFILE(&p, "a", "addressing_style"));
  assert_string_equal(mst_profiles_get_nested(&p, MST_SECTION_PROFILE, "a", "s3", "addressing_style"), "path");
  assert_string_equal(mst_profiles_get_nested(&p, MST_SECTION_SERVICES, "mine", "s3", "endpoint_url"), "http://one");
  assert_string_equal(mst_profiles_get_nested(&p, MST_SECTION_SERVICES, "mine", "sts", "endpoint_url"), "http://two");
  assert_string_equal(mst_profiles_get(&p, MST_SECTION_SSO_SESSION, "s", "sso_region"), "us-east-1");
  assert_false(mst_profiles_has(&p, MST_SECTION_PROFILE, "plainname"));
  assert_true(mst_profiles_has(&p, MST_SECTION_PROFILE, "a"));
  assert_null(IN_PROFILE(&p, "nobody", "region"));
  mst_profiles_free(&p);
}

static void broken_files_name_the_line_and_nothing_of_it(void **state) {
  static const struct {
    const char *text;
    const char *line;
  } cases[] = {{"[default\nx=1", "line 1"},
               {"aws_secret_access_key = topsecret\n", "line 1"},
               {"[default]\n\ntopsecret\n", "line 3"},
               {"[default]\n= topsecret\n", "line 2"},
               {"[default]\n  topsecret = 1\n", "line 2"}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    mst_profiles p;
    mst_error err;
    assert_int_equal(parse(&p, cases[i].text, "", &err), MST_E_ARGUMENT);
    SAYS(&err, "config", cases[i].line);
    assert_null(strstr(err.message, "topsecret"));
    mst_profiles_free(&p);
  }
}

/* --- a world with its own environment
 * ------------------------------------------------------------------------------------ */

enum { VARS_MAX = 16 };
static mst_pair vars[VARS_MAX];
static char folder[PATH_MAX], config_path[PATH_MAX + 32], credentials_path[PATH_MAX + 32], token_path[PATH_MAX + 32];

static const char *own_getenv(void *self, const char *name) {
  (void)self;
  for (size_t i = 0; i < VARS_MAX && vars[i].key != NULL; i++)
    if (strcmp(vars[i].key, name) == 0) return vars[i].value;
  return NULL;
}

static mst_context *world(void) {
  static const mst_env env = {.struct_size = sizeof(mst_env), .getenv = own_getenv};
  mst_context_options options = MST_CONTEXT_OPTIONS_INIT;
  mst_context *ctx = NULL;
  options.env = &env;
  assert_int_equal(mst_context_open(&options, &ctx, NULL), MST_OK);
  return ctx;
}

static void set_vars(const mst_pair *given) {
  size_t n = 0;
  memset(vars, 0, sizeof vars);
  vars[n++] = (mst_pair){"AWS_ENDPOINT_URL", faulty_url()};
  vars[n++] = (mst_pair){"AWS_EC2_METADATA_DISABLED", "true"};
  vars[n++] = (mst_pair){"AWS_CONFIG_FILE", config_path};
  vars[n++] = (mst_pair){"AWS_SHARED_CREDENTIALS_FILE", credentials_path};
  for (; given->key != NULL; given++) {
    size_t at = 0;
    while (at < n && strcmp(vars[at].key, given->key) != 0) at++;
    vars[at] = *given;
    if (at == n) n++;
  }
}
#define VARS(...) set_vars((const mst_pair[]){__VA_ARGS__{NULL, NULL}})

static void write_text(const char *path, const char *text) { mst_test_write_file(path, text, strlen(text)); }

static void files(const char *config, const char *credentials) {
  write_text(config_path, config);
  write_text(credentials_path, credentials);
}

/* One signed read in a context of its own; the log then tells who asked. */
static mst_status read_as(const mst_pair *options, mst_error *err) {
  mst_context *ctx = world();
  mst_store *s = NULL;
  uint8_t memory[10];
  mst_op op = mst_op_make(MST_OP_GET, "data-10");
  mst_pair all[8] = {{"retry_timeout", "5"}, {"max_attempts", "2"}, {"metadata_timeout", "500ms"}};
  size_t n = 3;
  for (; options != NULL && options->key != NULL; options++) all[n++] = *options;
  faulty_reset("");
  *err = (mst_error){0};
  mst_status status = mst_store_open_url(ctx, "s3://bkt", all, n, &s, err);
  op.size = sizeof memory;
  op.into = memory;
  if (status == MST_OK) status = mst_store_perform(s, &op, err);
  if (status != MST_OK) {
    if (err->status != status)
      fail_msg("%s, and the error says %s", mst_status_name(status), mst_status_name(err->status));
    assert_no_secret(err->message);
  }
  mst_store_unref(s);
  mst_context_unref(ctx);
  return status;
}

static unsigned reads_by(const char *access) {
  char part[64];
  (void)snprintf(part, sizeof part, "Credential=%s/", access);
  return faulty_count(part);
}

#define TESTKEYS \
  {"AWS_ACCESS_KEY_ID", "testkey"}, { "AWS_SECRET_ACCESS_KEY", "testsecret/with+odd=signs" }
static const char keys_of_default[] =
    "[default]\naws_access_key_id = testkey\naws_secret_access_key = testsecret/with+odd=signs\n";

/* --- plain keys
 * ------------------------------------------------------------------------------------------------------- */

static void keys_of_the_environment_work(void **state) {
  mst_error err;
  (void)state;
  files("", "");
  VARS(TESTKEYS, );
  assert_int_equal(read_as(NULL, &err), MST_OK);
  assert_int_equal(reads_by("testkey"), 1);
  VARS({"AWS_ACCESS_KEY_ID", "EC2KEY"}, {"AWS_SECRET_ACCESS_KEY", "ec2secret"}, {"AWS_SESSION_TOKEN", "ec2-token"}, );
  assert_int_equal(read_as(NULL, &err), MST_OK);
  VARS({"AWS_ACCESS_KEY_ID", "EC2KEY"}, {"AWS_SECRET_ACCESS_KEY", "ec2secret"}, );
  assert_int_equal(read_as(NULL, &err), MST_E_DENIED);
  VARS({"AWS_ACCESS_KEY_ID", "testkey"}, );
  assert_int_equal(read_as(NULL, &err), MST_E_ARGUMENT);
  SAYS(&err, "environment", "secret key is not");
}

static void options_win_and_do_not_mix(void **state) {
  static const mst_pair mine[] = {{"key", "testkey"}, {"secret", "testsecret/with+odd=signs"}, {NULL, NULL}};
  mst_error err;
  (void)state;
  files("", "");
  /* The environment's token belongs to the environment's keys. */
  VARS({"AWS_ACCESS_KEY_ID", "EC2KEY"}, {"AWS_SECRET_ACCESS_KEY", "wrong"}, {"AWS_SESSION_TOKEN", "ec2-token"},
       {"AWS_PROFILE", "missing"}, );
  assert_int_equal(read_as(mine, &err), MST_OK);
  assert_int_equal(reads_by("testkey"), 1);
  assert_int_equal(faulty_count("x-amz-security-token"), 0);
}

static void profiles_hold_keys(void **state) {
  static const mst_pair mine[] = {{"profile", "other"}, {NULL, NULL}};
  mst_error err;
  (void)state;
  files("[profile other]\nregion = eu-west-1\n",
        "[default]\naws_access_key_id = nobody\naws_secret_access_key = x\n"
        "[other]\naws_access_key_id = testkey\naws_secret_access_key = testsecret/with+odd=signs\n");
  VARS({"AWS_PROFILE", "other"}, );
  assert_int_equal(read_as(NULL, &err), MST_OK);
  assert_int_equal(faulty_count("/eu-west-1/s3/aws4_request"), 1);
  /* A profile that the caller names comes before the environment's keys. */
  VARS({"AWS_ACCESS_KEY_ID", "nobody"}, {"AWS_SECRET_ACCESS_KEY", "x"}, );
  assert_int_equal(read_as(mine, &err), MST_OK);
  VARS({"AWS_PROFILE", "missing"}, );
  assert_int_equal(read_as(NULL, &err), MST_E_ARGUMENT);
  SAYS(&err, "no profile \"missing\"");
  VARS({"HOME", "/nonexistent"}, );
  assert_int_equal(read_as(NULL, &err), MST_E_DENIED);
  SAYS(&err, "InvalidAccessKeyId");
}

static void without_any_keys_it_is_said(void **state) {
  static const mst_pair anonymous[] = {{"anon", "true"}, {NULL, NULL}};
  mst_error err;
  (void)state;
  files("", "");
  VARS({"HOME", "/nonexistent"}, );
  assert_int_equal(read_as(NULL, &err), MST_E_DENIED);
  SAYS(&err, "no AWS credentials", "anonymous=true");
  assert_int_equal(faulty_count("GET"), 0);
  files("[default\n", "nonsense");
  assert_int_equal(read_as(NULL, &err), MST_E_ARGUMENT);
  assert_int_equal(read_as(anonymous, &err), MST_E_DENIED);
  SAYS(&err, "Anonymous access is forbidden");
}

static void endpoints_come_from_profiles_too(void **state) {
  char config[400];
  mst_error err;
  (void)state;
  VARS(TESTKEYS, {"AWS_ENDPOINT_URL", NULL}, );
  (void)snprintf(
      config, sizeof config,
      "[default]\nendpoint_url = http://127.0.0.1:1\nservices = here\n[services here]\ns3 =\n  endpoint_url = %s\n",
      faulty_url());
  files(config, "");
  assert_int_equal(read_as(NULL, &err), MST_OK);
  VARS(TESTKEYS, {"AWS_ENDPOINT_URL", "http://127.0.0.1:1"}, {"AWS_ENDPOINT_URL_S3", faulty_url()}, );
  assert_int_equal(read_as(NULL, &err), MST_OK);
  /* With all of them switched off the address is AWS's own, which cannot be reached from here. */
  VARS(TESTKEYS, {"AWS_ENDPOINT_URL_S3", faulty_url()}, {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"},
       {"https_proxy", "http://127.0.0.1:1"}, );
  assert_int_equal(read_as(NULL, &err), MST_E_IO);
  assert_int_equal(faulty_count("GET"), 0);
}

/* --- roles
 * ------------------------------------------------------------------------------------------------------------ */

static void roles_of_profiles_are_assumed(void **state) {
  mst_error err;
  (void)state;
  files("[profile r]\nrole_arn = arn:aws:iam::1:role/good\nsource_profile = default\n[profile chain]\nrole_arn = "
        "arn:aws:iam::1:role/external\nsource_profile = r\n"
        "external_id = the-external-id\nrole_session_name = me\n[profile no]\nrole_arn = "
        "arn:aws:iam::1:role/forbidden\nsource_profile = default\n"
        "[profile circle]\nrole_arn = x\nsource_profile = circle2\n[profile circle2]\nrole_arn = x\nsource_profile = "
        "circle\n"
        "[profile env]\nrole_arn = arn:aws:iam::1:role/good\ncredential_source = Environment\n[profile mfa]\nrole_arn "
        "= x\nmfa_serial = 1\nsource_profile = default\n"
        "[profile process]\ncredential_process = /bin/true\n",
        keys_of_default);
  VARS({"AWS_PROFILE", "r"}, );
  assert_int_equal(read_as(NULL, &err), MST_OK);
  assert_int_equal(reads_by("ROLEKEY"), 1);
  assert_int_equal(faulty_count("\"method\": \"POST\", \"path\": \"/\""), 1);
  VARS({"AWS_PROFILE", "chain"}, );
  assert_int_equal(read_as(NULL, &err), MST_OK);
  assert_int_equal(faulty_count("\"method\": \"POST\", \"path\": \"/\""), 2);
  VARS({"AWS_PROFILE", "no"}, );
  assert_int_equal(read_as(NULL, &err), MST_E_DENIED);
  SAYS(&err, "AssumeRole arn:aws:iam::1:role/forbidden", "HTTP 403 AccessDenied", "sts-request");
  VARS({"AWS_PROFILE", "circle"}, );
  assert_int_equal(read_as(NULL, &err), MST_E_ARGUMENT);
  SAYS(&err, "circle");
  VARS({"AWS_PROFILE", "mfa"}, );
  assert_int_equal(read_as(NULL, &err), MST_E_UNSUPPORTED);
  VARS({"AWS_PROFILE", "process"}, );
  assert_int_equal(read_as(NULL, &err), MST_E_UNSUPPORTED);
  SAYS(&err, "credential_process");
  VARS({"AWS_PROFILE", "env"}, TESTKEYS, );
  assert_int_equal(read_as(NULL, &err), MST_OK);
}

static void roles_of_options_are_assumed(void **state) {
  static const mst_pair role[] = {
      {"role_arn", "arn:aws:iam::1:role/external"}, {"external_id", "the-external-id"}, {NULL, NULL}};
  mst_error err;
  (void)state;
  files("", "");
  VARS(TESTKEYS, );
  assert_int_equal(read_as(role, &err), MST_OK);
  assert_int_equal(reads_by("ROLEKEY"), 1);
}

static void tokens_of_web_identities_are_exchanged(void **state) {
  mst_error err;
  (void)state;
  files("", "");
  write_text(token_path, "web-identity-token\n");
  VARS({"AWS_WEB_IDENTITY_TOKEN_FILE", token_path}, {"AWS_ROLE_ARN", "arn:aws:iam::1:role/web"}, );
  assert_int_equal(read_as(NULL, &err), MST_OK);
  assert_int_equal(reads_by("WEBKEY"), 1);
  write_text(token_path, "another");
  assert_int_equal(read_as(NULL, &err), MST_E_DENIED);
  SAYS(&err, "AssumeRoleWithWebIdentity", "InvalidIdentityToken");
  VARS({"AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent/token"}, {"AWS_ROLE_ARN", "arn:aws:iam::1:role/web"}, );
  assert_int_equal(read_as(NULL, &err), MST_E_DENIED);
  SAYS(&err, "/nonexistent/token");
}

/* --- machines
 * --------------------------------------------------------------------------------------------------------- */

static void containers_have_keys(void **state) {
  char url[128], broken[128];
  mst_error err;
  (void)state;
  files("", "");
  (void)snprintf(url, sizeof url, "%s/creds/box", faulty_url());
  (void)snprintf(broken, sizeof broken, "%s/creds/broken", faulty_url());
  VARS({"AWS_CONTAINER_CREDENTIALS_FULL_URI", url}, {"AWS_CONTAINER_AUTHORIZATION_TOKEN", "box-authorization"}, );
  assert_int_equal(read_as(NULL, &err), MST_OK);
  assert_int_equal(reads_by("BOXKEY"), 1);
  write_text(token_path, "box-authorization");
  VARS({"AWS_CONTAINER_CREDENTIALS_FULL_URI", url}, {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token_path}, );
  assert_int_equal(read_as(NULL, &err), MST_OK);
  VARS({"AWS_CONTAINER_CREDENTIALS_FULL_URI", url}, {"AWS_CONTAINER_AUTHORIZATION_TOKEN", "wrong"}, );
  assert_int_equal(read_as(NULL, &err), MST_E_DENIED);
  VARS({"AWS_CONTAINER_CREDENTIALS_FULL_URI", broken}, );
  assert_int_equal(read_as(NULL, &err), MST_E_CORRUPT);
  VARS({"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.org/creds"}, );
  assert_int_equal(read_as(NULL, &err), MST_E_DENIED);
  SAYS(&err, "https, or http on this machine");
}

static void instances_have_keys(void **state) {
  mst_error err;
  (void)state;
  files("", "");
  VARS({"AWS_EC2_METADATA_DISABLED", "false"}, {"AWS_EC2_METADATA_SERVICE_ENDPOINT", faulty_url()}, );
  assert_int_equal(read_as(NULL, &err), MST_OK);
  assert_int_equal(reads_by("EC2KEY"), 1);
  VARS({"AWS_EC2_METADATA_DISABLED", "false"}, {"AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1"}, );
  assert_int_equal(read_as(NULL, &err), MST_E_DENIED);
  SAYS(&err, "no AWS credentials", "metadata service");
}

static void logins_of_single_sign_on_work(void **state) {
  static const char config[] = "[profile s]\nsso_session = mine\nsso_account_id = 123\nsso_role_name = a "
                               "role\n[sso-session mine]\nsso_region = eu-west-1\n"
                               "sso_start_url = https://example.awsapps.com/start\n";
  char path[PATH_MAX + 160], url[128];
  mst_error err;
  (void)state;
  files(config, "");
  (void)snprintf(url, sizeof url, "%s/creds/sso", faulty_url());
  VARS({"AWS_PROFILE", "s"}, {"HOME", folder}, {"AWS_ENDPOINT_URL_SSO", url}, );
  assert_int_equal(read_as(NULL, &err), MST_E_DENIED);
  SAYS(&err, "aws sso login");
  (void)snprintf(path, sizeof path, "mkdir -p %s/.aws/sso/cache", folder);
  assert_int_equal(system(path), 0);
  /* The name is the SHA-1 of "mine". */
  (void)snprintf(path, sizeof path, "%s/.aws/sso/cache/8034c43d15bb7ef42e2cc24255217acfc5f4b2f4.json", folder);
  write_text(path, "{\"accessToken\": \"sso-login-token\", \"expiresAt\": \"2099-01-01T00:00:00Z\"}");
  assert_int_equal(read_as(NULL, &err), MST_OK);
  assert_int_equal(reads_by("WEBKEY"), 1);
  write_text(path, "{\"accessToken\": \"sso-login-token\", \"expiresAt\": \"2020-01-01T00:00:00Z\"}");
  assert_int_equal(read_as(NULL, &err), MST_E_DENIED);
  SAYS(&err, "expired");
}

/* --- over time
 * -------------------------------------------------------------------------------------------------------- */

static mst_store *instance_store(mst_context *ctx) {
  static const mst_pair quick[] = {{"max_attempts", "3"}};
  mst_store *s = NULL;
  assert_int_equal(mst_store_open_url(ctx, "s3://bkt", quick, 1, &s, NULL), MST_OK);
  return s;
}

static void read_ten(mst_store *s) {
  faulty_read r = {.size = 10};
  if (faulty_get(s, "data-10", &r) != MST_OK) fail_msg("%s", r.err.message);
}

static void stores_of_a_context_share_what_was_fetched(void **state) {
  mst_context *ctx;
  (void)state;
  files("", "");
  VARS({"AWS_EC2_METADATA_DISABLED", "false"}, {"AWS_EC2_METADATA_SERVICE_ENDPOINT", faulty_url()}, );
  ctx = world();
  faulty_reset("");
  for (int i = 0; i < 5; i++) {
    mst_store *s = instance_store(ctx);
    read_ten(s);
    read_ten(s);
    mst_store_unref(s);
  }
  assert_int_equal(faulty_count("security-credentials/the-role"), 1);
  mst_context_unref(ctx);
}

static void keys_are_fetched_anew_before_they_expire(void **state) {
  mst_context *ctx;
  mst_store *s;
  (void)state;
  files("", "");
  VARS({"AWS_EC2_METADATA_DISABLED", "false"}, {"AWS_EC2_METADATA_SERVICE_ENDPOINT", faulty_url()}, );
  ctx = world();
  s = instance_store(ctx);
  faulty_reset("?lifetime=5");
  read_ten(s);
  read_ten(s);
  assert_int_equal(faulty_count("security-credentials/the-role"), 1);
  usleep(4400 * 1000);
  read_ten(s);
  assert_int_equal(faulty_count("security-credentials/the-role"), 2);
  faulty_reset("?lifetime=0"); /* what comes is expired already: it is tried, and not asked for without end */
  usleep(4400 * 1000);
  read_ten(s);
  assert_int_equal(faulty_count("security-credentials/the-role"), 1);
  mst_store_unref(s);
  mst_context_unref(ctx);
}

static void *read_in_thread(void *arg) {
  read_ten(arg);
  return NULL;
}

static void one_fetches_for_all(void **state) {
  mst_context *ctx;
  mst_store *s;
  pthread_t threads[12];
  (void)state;
  files("", "");
  VARS({"AWS_EC2_METADATA_DISABLED", "false"}, {"AWS_EC2_METADATA_SERVICE_ENDPOINT", faulty_url()}, );
  ctx = world();
  s = instance_store(ctx);
  faulty_reset("");
  for (size_t i = 0; i < 12; i++) pthread_create(&threads[i], NULL, read_in_thread, s);
  for (size_t i = 0; i < 12; i++) pthread_join(threads[i], NULL);
  assert_int_equal(faulty_count("security-credentials/the-role"), 1);
  mst_store_unref(s);
  mst_context_unref(ctx);
}

static void what_the_server_calls_expired_is_replaced(void **state) {
  mst_context *ctx;
  mst_store *s;
  faulty_read r = {.size = 10};
  (void)state;
  files("", "");
  VARS({"AWS_EC2_METADATA_DISABLED", "false"}, {"AWS_EC2_METADATA_SERVICE_ENDPOINT", faulty_url()}, );
  ctx = world();
  s = instance_store(ctx);
  faulty_reset("");
  assert_int_equal(faulty_get(s, "fault.expired.1/data-10", &r), MST_OK);
  assert_int_equal(faulty_count("security-credentials/the-role"), 2);
  mst_store_unref(s);
  mst_context_unref(ctx);
}

typedef struct crowd {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  unsigned left, good;
} crowd;

static void one_less(mst_op *op, mst_status status) {
  crowd *c = op->done_arg;
  pthread_mutex_lock(&c->lock);
  c->left--;
  c->good += status == MST_OK;
  pthread_cond_signal(&c->changed);
  pthread_mutex_unlock(&c->lock);
}

static void asynchronous_operations_wait_for_keys_together(void **state) {
  crowd c = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .left = 20};
  mst_context *ctx;
  mst_store *s;
  mst_op ops[20];
  uint8_t memory[20][10];
  (void)state;
  files("", "");
  VARS({"AWS_EC2_METADATA_DISABLED", "false"}, {"AWS_EC2_METADATA_SERVICE_ENDPOINT", faulty_url()}, );
  ctx = world();
  s = instance_store(ctx);
  faulty_reset("");
  for (size_t i = 0; i < 20; i++) {
    ops[i] = mst_op_make(MST_OP_GET, "data-10");
    ops[i].size = 10;
    ops[i].into = memory[i];
    ops[i].done = one_less;
    ops[i].done_arg = &c;
    mst_store_start(s, &ops[i]);
  }
  pthread_mutex_lock(&c.lock);
  while (c.left > 0) pthread_cond_wait(&c.changed, &c.lock);
  pthread_mutex_unlock(&c.lock);
  assert_int_equal(c.good, 20);
  assert_int_equal(faulty_count("security-credentials/the-role"), 1);
  mst_store_unref(s);
  mst_context_unref(ctx);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(files_are_read_as_the_tools_write_them),
      cmocka_unit_test(broken_files_name_the_line_and_nothing_of_it),
      cmocka_unit_test(keys_of_the_environment_work),
      cmocka_unit_test(options_win_and_do_not_mix),
      cmocka_unit_test(profiles_hold_keys),
      cmocka_unit_test(without_any_keys_it_is_said),
      cmocka_unit_test(endpoints_come_from_profiles_too),
      cmocka_unit_test(roles_of_profiles_are_assumed),
      cmocka_unit_test(roles_of_options_are_assumed),
      cmocka_unit_test(tokens_of_web_identities_are_exchanged),
      cmocka_unit_test(containers_have_keys),
      cmocka_unit_test(instances_have_keys),
      cmocka_unit_test(logins_of_single_sign_on_work),
      cmocka_unit_test(stores_of_a_context_share_what_was_fetched),
      cmocka_unit_test(keys_are_fetched_anew_before_they_expire),
      cmocka_unit_test(one_fetches_for_all),
      cmocka_unit_test(what_the_server_calls_expired_is_replaced),
      cmocka_unit_test(asynchronous_operations_wait_for_keys_together),
  };
  int failed;
  faulty_need();
  mst_test_folder(folder);
  (void)snprintf(config_path, sizeof config_path, "%s/config", folder);
  (void)snprintf(credentials_path, sizeof credentials_path, "%s/credentials", folder);
  (void)snprintf(token_path, sizeof token_path, "%s/token", folder);
  failed = cmocka_run_group_tests_name("credentials", tests, NULL, NULL);
  mst_test_folder_remove(folder);
  faulty_end();
  return failed;
}
