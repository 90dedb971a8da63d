/* tests/store/test_options.c - storage options in every spelling, who wins, what a slice may say; and the parts of
 * URLs. */
#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/options.h"
#include "store/store.h"
#include "store/url.h"

static mst_context *context_with(mst_test_env *env, const mst_pair *vars) {
  mst_context_options options = MST_CONTEXT_OPTIONS_INIT;
  mst_context *ctx = NULL;
  mst_test_env_init(env, 1, vars);
  options.env = &env->env;
  assert_int_equal(mst_context_open(&options, &ctx, NULL), MST_OK);
  return ctx;
}

static mst_status make(const mst_pair *vars, uint32_t stores, const mst_pair *config, size_t n, const char *slice,
                       mst_settings **out, mst_error *err) {
  mst_test_env env;
  mst_context *ctx = context_with(&env, vars);
  json_t *json = slice == NULL ? NULL : json_loads(slice, 0, NULL);
  mst_status status = mst_settings_make(ctx, stores, config, n, json, out, err);
  json_decref(json);
  mst_context_unref(ctx); /* settings made with malloc outlive it */
  return status;
}

#define PAIRS(...) (const mst_pair[]){__VA_ARGS__}, sizeof((const mst_pair[]){__VA_ARGS__}) / sizeof(mst_pair)

/* ---- the table --------------------------------------------------------------------------------------------------- */

static void no_spelling_means_two_things(void **state) {
  (void)state;
  for (int a = 0; a < MST_OPTIONS; a++) {
    const mst_option *x = mst_option_row((mst_option_id)a);
    assert_non_null(x->name);
    assert_non_null(x->doc);
    assert_true(x->stores != 0);
    assert_true((x->type == MST_TYPE_CHOICE) <= (x->choices != NULL));
    for (int b = 0; b < MST_OPTIONS; b++) {
      const mst_option *y = mst_option_row((mst_option_id)b);
      for (size_t i = 0; i < 12 && y->aliases[i] != NULL; i++) {
        assert_string_not_equal(x->name, y->aliases[i]);
        for (size_t j = 0; j < 12 && x->aliases[j] != NULL; j++)
          if (a != b || i != j) assert_string_not_equal(x->aliases[j], y->aliases[i]);
      }
      if (a != b) assert_string_not_equal(x->name, y->name);
    }
  }
}

static void the_table_describes_itself(void **state) {
  json_t *all = NULL;
  (void)state;
  assert_int_equal(mst_options_to_json(&all, NULL), MST_OK);
  assert_int_equal(json_array_size(all), MST_OPTIONS);
  for (size_t i = 0; i < json_array_size(all); i++) {
    json_t *o = json_array_get(all, i);
    assert_non_null(json_string_value(json_object_get(o, "name")));
    assert_non_null(json_string_value(json_object_get(o, "doc")));
    assert_true(json_is_array(json_object_get(o, "aliases")));
    assert_true(json_array_size(json_object_get(o, "stores")) > 0);
  }
  json_decref(all);
}

/* docs/stores/options.md is this text; MESETA_UPDATE_DOCS=1 writes it anew. */
static void print_row(FILE *out, const mst_option *o) {
  const char *stores = o->stores == MST_FOR_S3 ? "s3" : o->stores == MST_FOR_HTTP ? "http" : "s3, http";
  const char *tick = o->initial != NULL ? "`" : "";
  fprintf(out, "| `%s` | %s | %s%s%s |", o->name, stores, tick, o->initial != NULL ? o->initial : "–", tick);
  for (size_t i = 0; i < 6 && o->environment[i] != NULL; i++)
    fprintf(out, "%s`%s`", i > 0 ? ", " : " ", o->environment[i]);
  fprintf(out, " |");
  for (size_t i = 0; i < 12 && o->aliases[i] != NULL; i++) fprintf(out, "%s`%s`", i > 0 ? ", " : " ", o->aliases[i]);
  fprintf(out, " | %s%s |\n", o->doc, o->secret ? " (secret: never shown, written or put into a slice)" : "");
}

static char *print_page(void) {
  char *text = NULL;
  size_t n = 0;
  FILE *out = open_memstream(&text, &n);
  fprintf(
      out,
      "# Storage options\n\n"
      "Given as `storage_options={…}` in Python, and to `mst_store_open` and its like in C. Every spelling of a row\n"
      "means the same; a key that nobody knows, or one given twice, is an error. What is not given comes from the\n"
      "environment, the first variable that is set, and else is the default. `!` marks a spelling that means the\n"
      "opposite. One set of options serves all URLs of a call: what is for another kind of store has no effect.\n\n"
      "This page is printed from the table in `src/store/options.c`.\n\n"
      "| option | for | default | environment | other spellings | what it is |\n|---|---|---|---|---|---|\n");
  for (int id = 0; id < MST_OPTIONS; id++) print_row(out, mst_option_row((mst_option_id)id));
  fclose(out);
  return text;
}

static void the_documentation_is_the_table(void **state) {
  char path[PATH_MAX];
  size_t n = 0;
  char *page = print_page();
  (void)state;
  (void)snprintf(path, sizeof path, "%.4000s/docs/stores/options.md", mst_test_source_root());
  if (getenv("MESETA_UPDATE_DOCS") != NULL) mst_test_write_file(path, page, strlen(page));
  uint8_t *there = mst_test_read_file(path, &n);
  assert_string_equal((const char *)there, page);
  free(there);
  free(page);
}

/* ---- spellings --------------------------------------------------------------------------------------------------- */

static void both_worlds_spellings_are_understood(void **state) {
  mst_settings *s = NULL;
  (void)state;
  assert_int_equal(make(NULL, MST_FOR_S3,
                        PAIRS({"key", "K"}, {"secret", "S"}, {"token", "T"}, {"anon", "False"},
                              {"client_kwargs.endpoint_url", "http://e"}, {"client_kwargs.region_name", "eu"},
                              {"config_kwargs.s3.addressing_style", "virtual"}),
                        NULL, &s, NULL),
                   MST_OK);
  assert_string_equal(mst_settings_text(s, MST_OPTION_ACCESS_KEY_ID), "K");
  assert_string_equal(mst_settings_text(s, MST_OPTION_SECRET_ACCESS_KEY), "S");
  assert_string_equal(mst_settings_text(s, MST_OPTION_SESSION_TOKEN), "T");
  assert_string_equal(mst_settings_text(s, MST_OPTION_ENDPOINT), "http://e");
  assert_string_equal(mst_settings_text(s, MST_OPTION_REGION), "eu");
  assert_string_equal(mst_settings_text(s, MST_OPTION_ADDRESSING), "virtual");
  assert_false(mst_settings_bool(s, MST_OPTION_ANONYMOUS));
  assert_int_equal(mst_settings_origin(s, MST_OPTION_REGION), MST_FROM_CALLER);
  assert_int_equal(mst_settings_origin(s, MST_OPTION_USE_TLS), MST_FROM_DEFAULT);
  mst_settings_unref(s);
  assert_int_equal(make(NULL, MST_FOR_S3,
                        PAIRS({"AWS_ACCESS_KEY_ID", "K"}, {"aws_secret_access_key", "S"}, {"aws_session_token", "T"},
                              {"skip_signature", "true"}, {"aws_endpoint", "http://e"},
                              {"aws_virtual_hosted_style_request", "false"}, {"allow_invalid_certificates", "true"},
                              {"connect_timeout", "1500ms"}, {"timeout", "2m"}),
                        NULL, &s, NULL),
                   MST_OK);
  assert_string_equal(mst_settings_text(s, MST_OPTION_ACCESS_KEY_ID), "K");
  assert_string_equal(mst_settings_text(s, MST_OPTION_ADDRESSING), "path");
  assert_true(mst_settings_bool(s, MST_OPTION_ANONYMOUS));
  assert_false(mst_settings_bool(s, MST_OPTION_VERIFY_TLS));
  assert_int_equal(mst_settings_us(s, MST_OPTION_CONNECT_TIMEOUT), 1500000);
  assert_int_equal(mst_settings_us(s, MST_OPTION_TIMEOUT), 120000000);
  mst_settings_unref(s);
}

static void unknown_keys_suggest_the_nearest(void **state) {
  mst_settings *s = NULL;
  mst_error err;
  (void)state;
  assert_int_equal(make(NULL, MST_FOR_S3, PAIRS({"endpoint_ulr", "x"}), NULL, &s, &err), MST_E_ARGUMENT);
  assert_non_null(strstr(err.message, "'endpoint_ulr'"));
  assert_non_null(strstr(err.message, "did you mean 'endpoint_url'"));
  assert_int_equal(make(NULL, MST_FOR_S3, PAIRS({"zzzzzzzzzzzz", "x"}), NULL, &s, &err), MST_E_ARGUMENT);
  assert_null(strstr(err.message, "did you mean"));
  /* for memory and files, too: nobody's typing errors pass */
  assert_int_equal(make(NULL, MST_FOR_FILE, PAIRS({"regoin", "x"}), NULL, &s, &err), MST_E_ARGUMENT);
}

static void doubled_keys_are_refused(void **state) {
  mst_settings *s = NULL;
  mst_error err;
  (void)state;
  assert_int_equal(make(NULL, MST_FOR_S3, PAIRS({"region", "a"}, {"region", "a"}), NULL, &s, &err), MST_E_ARGUMENT);
  assert_int_equal(make(NULL, MST_FOR_S3, PAIRS({"key", "a"}, {"aws_access_key_id", "b"}), NULL, &s, &err),
                   MST_E_ARGUMENT);
  assert_non_null(strstr(err.message, "'aws_access_key_id'"));
  assert_non_null(strstr(err.message, "'key'"));
}

static void values_are_checked(void **state) {
  static const mst_pair bad[] = {{"anon", "maybe"},
                                 {"max_attempts", "many"},
                                 {"max_attempts", "-1"},
                                 {"timeout", "soon"},
                                 {"addressing", "sideways"},
                                 {"timeout", "1x"},
                                 {"timeout", ""},
                                 {"region", "a\nb"},
                                 {"max_attempts", "1000001"},
                                 {"key", NULL},
                                 {NULL, "x"}};
  mst_settings *s = NULL;
  mst_error err;
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_int_equal(make(NULL, MST_FOR_S3, &bad[i], 1, NULL, &s, &err), MST_E_ARGUMENT);
    assert_true(strlen(err.message) > 10);
  }
  assert_int_equal(make(NULL, MST_FOR_S3, PAIRS({"secret", "hidden\x01"}), NULL, &s, &err), MST_E_ARGUMENT);
  assert_null(strstr(err.message, "hidden"));
}

/* One set of options serves all URLs of a call. */
static void options_of_other_stores_pass(void **state) {
  mst_store *s = NULL;
  (void)state;
  assert_int_equal(mst_store_open_url(NULL, "memory://options", PAIRS({"region", "eu"}, {"key", "K"}), &s, NULL),
                   MST_OK);
  mst_store_unref(s);
}

/* ---- who wins ---------------------------------------------------------------------------------------------------- */

static void the_environment_fills_what_the_caller_left(void **state) {
  static const mst_pair vars[] = {{"AWS_ENDPOINT_URL", "http://general"},
                                  {"AWS_ENDPOINT_URL_S3", "http://s3"},
                                  {"AWS_DEFAULT_REGION", "d"},
                                  {"AWS_REQUEST_PAYER", "requester"},
                                  {"AWS_MAX_ATTEMPTS", "3"},
                                  {NULL, NULL}};
  static const mst_pair ignoring[] = {
      {"AWS_ENDPOINT_URL", "http://general"}, {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"}, {NULL, NULL}};
  static const mst_pair wrong[] = {{"AWS_MAX_ATTEMPTS", "x"}, {NULL, NULL}};
  mst_settings *s = NULL;
  mst_error err;
  (void)state;
  assert_int_equal(make(vars, MST_FOR_S3, PAIRS({"max_attempts", "5"}), NULL, &s, NULL), MST_OK);
  assert_string_equal(mst_settings_text(s, MST_OPTION_ENDPOINT), "http://s3"); /* the narrower name first */
  assert_int_equal(mst_settings_origin(s, MST_OPTION_ENDPOINT), MST_FROM_ENVIRONMENT);
  assert_string_equal(mst_settings_text(s, MST_OPTION_REGION), "d");
  assert_true(mst_settings_bool(s, MST_OPTION_REQUESTER_PAYS));
  assert_int_equal(mst_settings_u64(s, MST_OPTION_MAX_ATTEMPTS), 5);
  mst_settings_unref(s);
  assert_int_equal(make(vars, MST_FOR_HTTP, NULL, 0, NULL, &s, NULL), MST_OK);
  assert_null(mst_settings_text(s, MST_OPTION_ENDPOINT));
  mst_settings_unref(s);
  assert_int_equal(make(ignoring, MST_FOR_S3, NULL, 0, NULL, &s, NULL), MST_OK);
  assert_null(mst_settings_text(s, MST_OPTION_ENDPOINT));
  mst_settings_unref(s);
  assert_int_equal(make(ignoring, MST_FOR_S3, PAIRS({"endpoint", "http://mine"}), NULL, &s, NULL), MST_OK);
  assert_string_equal(mst_settings_text(s, MST_OPTION_ENDPOINT), "http://mine");
  mst_settings_unref(s);
  assert_int_equal(make(wrong, MST_FOR_S3, NULL, 0, NULL, &s, &err), MST_E_ARGUMENT);
  assert_non_null(strstr(err.message, "AWS_MAX_ATTEMPTS"));
}

static void a_slice_is_believed_little(void **state) {
  static const mst_pair vars[] = {{"AWS_ENDPOINT_URL_S3", "http://own:9000/"}, {NULL, NULL}};
  static const char foreign[] = "{\"endpoint\": \"http://evil\", \"region\": \"r\"}";
  mst_settings *s = NULL;
  mst_error err;
  (void)state;
  assert_int_equal(make(vars, MST_FOR_S3, NULL, 0, "{\"endpoint\": \"http://own:9000\"}", &s, NULL), MST_OK);
  assert_int_equal(mst_settings_origin(s, MST_OPTION_ENDPOINT), MST_FROM_ENVIRONMENT);
  mst_settings_unref(s);
  assert_int_equal(make(vars, MST_FOR_S3, NULL, 0, foreign, &s, NULL), MST_OK);
  assert_string_equal(mst_settings_text(s, MST_OPTION_ENDPOINT), "http://evil");
  assert_int_equal(mst_settings_origin(s, MST_OPTION_ENDPOINT), MST_FROM_SLICE);
  assert_int_equal(mst_settings_origin(s, MST_OPTION_REGION), MST_FROM_SLICE);
  mst_settings_unref(s);
  assert_int_equal(make(vars, MST_FOR_S3, PAIRS({"endpoint_url", "http://mine"}), foreign, &s, NULL), MST_OK);
  assert_string_equal(mst_settings_text(s, MST_OPTION_ENDPOINT), "http://mine");
  assert_int_equal(mst_settings_origin(s, MST_OPTION_ENDPOINT), MST_FROM_CALLER);
  mst_settings_unref(s);
  static const char *const bad[] = {"{\"key\": \"K\"}",          "{\"endpoint_url\": \"http://x\"}",
                                    "{\"ca_bundle\": \"/x\"}",   "{\"proxy\": \"http://x\"}",
                                    "{\"region\": 5}",           "[]",
                                    "{\"addressing\": \"odd\"}", "{\"region\": \"a\\u0001b\"}"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_int_equal(make(vars, MST_FOR_S3, NULL, 0, bad[i], &s, &err), MST_E_CORRUPT);
}

static void slices_open_no_secrets_and_no_relative_paths(void **state) {
  mst_location l;
  mst_error err;
  json_t *none = json_object();
  (void)state;
  assert_int_equal(mst_location_open_from_slice(NULL, "some/file", none, NULL, 0, &l, &err), MST_E_CORRUPT);
  assert_int_equal(mst_location_open_from_slice(NULL, "https://u:hunter2@h/x", none, NULL, 0, &l, &err), MST_E_CORRUPT);
  assert_null(strstr(err.message, "hunter2"));
  assert_int_equal(mst_location_open_from_slice(NULL, "https://h/x?sig=hunter2", none, NULL, 0, &l, &err),
                   MST_E_CORRUPT);
  assert_null(strstr(err.message, "hunter2"));
  assert_int_equal(mst_location_open_from_slice(NULL, "memory://m/k", none, NULL, 0, &l, &err), MST_OK);
  assert_string_equal(l.key, "k");
  mst_location_close(&l);
  json_decref(none);
}

/* ---- URLs -------------------------------------------------------------------------------------------------------- */

typedef struct url_case {
  const char *text;
  mst_scheme scheme;
  const char *host, *key, *query, *userinfo;
  unsigned port;
} url_case;

static void urls_are_taken_apart_and_nothing_is_changed(void **state) {
  static const url_case cases[] = {
      {"s3://bucket/a/b c%20+?x#y", MST_SCHEME_S3, "bucket", "a/b c%20+?x#y", NULL, NULL, 0},
      {"S3A://bucket", MST_SCHEME_S3, "bucket", "", NULL, NULL, 0},
      {"s3://bucket//a//", MST_SCHEME_S3, "bucket", "/a//", NULL, NULL, 0},
      {"s3://arn:aws:s3:eu-west-1:123:accesspoint/ap/k/l", MST_SCHEME_S3, "arn:aws:s3:eu-west-1:123:accesspoint/ap",
       "k/l", NULL, NULL, 0},
      {"memory://", MST_SCHEME_MEMORY, "", "", NULL, NULL, 0},
      {"memory://m/k", MST_SCHEME_MEMORY, "m", "k", NULL, NULL, 0},
      {"https://Host.Example:8443/a%20b/c?x=1&y=%2F", MST_SCHEME_HTTPS, "host.example", "a%20b/c", "x=1&y=%2F", NULL,
       8443},
      {"http://u:p%40w@h/", MST_SCHEME_HTTP, "h", "", NULL, "u:p%40w", 0},
      {"http://a@b@h", MST_SCHEME_HTTP, "h", "", NULL, "a@b", 0},
      {"http://[::1]:9/x", MST_SCHEME_HTTP, "[::1]", "x", NULL, NULL, 9},
      {"http://h?q", MST_SCHEME_HTTP, "h", "", "q", NULL, 0},
      {"file:///a/b%20c", MST_SCHEME_FILE, "", "/a/b%20c", NULL, NULL, 0},
      {"file://localhost/a", MST_SCHEME_FILE, "", "/a", NULL, NULL, 0},
      {"file:/a", MST_SCHEME_FILE, "", "/a", NULL, NULL, 0},
      {"a/b:c?d#e", MST_SCHEME_FILE, "", "a/b:c?d#e", NULL, NULL, 0},
      {"/a", MST_SCHEME_FILE, "", "/a", NULL, NULL, 0},
      {"az://c/k", MST_SCHEME_AZURE, "c", "k", NULL, NULL, 0},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const url_case *c = &cases[i];
    mst_url u;
    mst_error err = {0};
    mst_status status = mst_url_parse(NULL, c->text, &u, &err);
    if (status != MST_OK) print_message("%s: %s\n", c->text, err.message);
    assert_int_equal(status, MST_OK);
    assert_int_equal(u.scheme, c->scheme);
    assert_string_equal(u.host, c->host);
    assert_string_equal(u.key, c->key);
    assert_true(mst_text_equal(u.query, c->query));
    assert_true(mst_text_equal(u.userinfo, c->userinfo));
    assert_int_equal(u.port, c->port);
    mst_url_free(&u);
  }
}

static void wrong_urls_are_refused_and_keep_their_secrets(void **state) {
  static const char *const bad[] = {"",
                                    "s3://",
                                    "s3:///key",
                                    "s3://key:hunter2@bucket/x",
                                    "s3://bucket?hunter2/x",
                                    "ftp://u:hunter2@h/x",
                                    "http://",
                                    "http:///x",
                                    "http://u:hunter2@/x",
                                    "http://h:0/x?hunter2",
                                    "http://h:65536/",
                                    "http://h:8o/",
                                    "http://h/x#frag?hunter2",
                                    "http://h h/x",
                                    "http://[::1/x",
                                    "http://h/a\nb",
                                    "file://host/share/x"};
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    mst_url u;
    mst_error err = {0};
    if (mst_url_parse(NULL, bad[i], &u, &err) == MST_OK) print_message("taken: %s\n", bad[i]);
    assert_int_equal(mst_url_parse(NULL, bad[i], &u, &err), MST_E_ARGUMENT);
    assert_true(strlen(err.message) > 10);
    assert_null(strstr(err.message, "hunter2"));
  }
  mst_location l;
  mst_error err = {0};
  assert_int_equal(mst_location_open(NULL, "gs://b/k", NULL, 0, &l, &err), MST_E_UNSUPPORTED);
  assert_non_null(strstr(err.message, "gs://"));
}

static void urls_are_shown_without_secrets(void **state) {
  static const char *const cases[][2] = {
      {"https://u:hunter2@h/a?sig=hunter2", "https://h/a"},
      {"http://h/a?x", "http://h/a"},
      {"s3://bucket/a?b", "s3://bucket/a?b"},
      {"/plain/path?x", "/plain/path?x"},
      {"file:///a?b", "file:///a?b"},
      {"odd://u:hunter2@h/a?hunter2", "odd://h/a"},
  };
  char out[64];
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_string_equal(mst_url_redact(cases[i][0], out, sizeof out), cases[i][1]);
    assert_int_equal(mst_url_has_secret(cases[i][0]), strchr(cases[i][0], 'h') == cases[i][0] || cases[i][0][0] == 'o');
  }
  char longer[400] = "s3://bucket/";
  for (size_t n = strlen(longer); n + 3 < sizeof longer; n += 2) memcpy(longer + n, "\xC3\xA9", 3);
  for (size_t size = 0; size < sizeof out; size++) {
    mst_url_redact(longer, out, size);
    if (size > 0) assert_true(strlen(out) < size);
    size_t bad_at;
    if (size > 0) assert_true(mst_utf8_valid(out, strlen(out), &bad_at));
  }
}

static void each_allocation_fails_in_turn(void **state) {
  (void)state;
  for (long n = 1;; n++) {
    mst_test_allocator a;
    mst_context_options options = MST_CONTEXT_OPTIONS_INIT;
    mst_context *ctx = NULL;
    mst_location l = {0};
    mst_store *s = NULL;
    mst_status status = MST_OK;
    mst_error *err = NULL;
    mst_test_allocator_init(&a, n, false);
    options.allocator = &a.allocator;
    MST_TRY(mst_context_open(&options, &ctx, err));
    MST_TRY(mst_location_open(ctx, "dir/./x/*.txt", PAIRS({"region", "eu"}), &l, err));
    mst_location_close(&l);
    MST_TRY(mst_location_open(ctx, "memory://m/a/b", NULL, 0, &l, err));
    MST_TRY(mst_store_open_url(ctx, "memory://m/a/b", NULL, 0, &s, err));
  done:
    mst_location_close(&l);
    mst_store_unref(s);
    mst_context_unref(ctx);
    assert_int_equal(a.live_blocks, 0);
    assert_int_equal(status, a.failed ? MST_E_NO_MEMORY : MST_OK);
    if (!a.failed) break;
  }
}

int main(void) {
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test(no_spelling_means_two_things),
      cmocka_unit_test(the_table_describes_itself),
      cmocka_unit_test(the_documentation_is_the_table),
      cmocka_unit_test(both_worlds_spellings_are_understood),
      cmocka_unit_test(unknown_keys_suggest_the_nearest),
      cmocka_unit_test(doubled_keys_are_refused),
      cmocka_unit_test(values_are_checked),
      cmocka_unit_test(options_of_other_stores_pass),
      cmocka_unit_test(the_environment_fills_what_the_caller_left),
      cmocka_unit_test(a_slice_is_believed_little),
      cmocka_unit_test(slices_open_no_secrets_and_no_relative_paths),
      cmocka_unit_test(urls_are_taken_apart_and_nothing_is_changed),
      cmocka_unit_test(wrong_urls_are_refused_and_keep_their_secrets),
      cmocka_unit_test(urls_are_shown_without_secrets),
      cmocka_unit_test(each_allocation_fails_in_turn),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
