/* tests/store/faulty.c - see faulty.h. */
#include "store/faulty.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static mst_context *context;

const char *faulty_url(void) { return getenv("FAULTY"); }

void faulty_need(void) {
  if (faulty_url() != NULL) return;
  print_message("skipped: run below tests/store/faulty_server.py\n");
  exit(77);
}

mst_context *faulty_context(void) {
  if (context == NULL) assert_int_equal(mst_context_open(NULL, &context, NULL), MST_OK);
  return context;
}

void faulty_end(void) {
  mst_context_unref(context);
  context = NULL;
}

static bool given(const mst_pair *options, size_t n, const char *key) {
  for (size_t i = 0; i < n; i++)
    if (strcmp(options[i].key, key) == 0) return true;
  return false;
}

mst_status faulty_open_status(const char *url, const mst_pair *options, mst_store **out, mst_error *err) {
  static const mst_pair usual[] = {
      {"stall_timeout", "1500ms"}, {"connect_timeout", "5"}, {"retry_timeout", "20"}, {"max_attempts", "4"}};
  mst_pair all[24];
  size_t n = 0;
  for (; options != NULL && options[n].key != NULL; n++) all[n] = options[n];
  const size_t own = n;
  for (size_t i = 0; i < 4; i++)
    if (!given(options, own, usual[i].key)) all[n++] = usual[i];
  return mst_store_open_url(faulty_context(), url, all, n, out, err);
}

mst_store *faulty_open(const char *url, const mst_pair *options) {
  mst_store *s = NULL;
  mst_error err = {0};
  if (faulty_open_status(url, options, &s, &err) != MST_OK) print_message("%s: %s\n", url, err.message);
  assert_non_null(s);
  return s;
}

mst_store *faulty_s3(const char *bucket, const mst_pair *more) {
  static const mst_pair keys[] = {
      {"access_key_id", "testkey"}, {"secret_access_key", "testsecret/with+odd=signs"}, {"region", "us-east-1"}};
  mst_pair all[16];
  char url[128];
  size_t n = 0;
  for (; more != NULL && more[n].key != NULL; n++) all[n] = more[n];
  const size_t own = n;
  if (!given(all, own, "endpoint")) all[n++] = (mst_pair){"endpoint", faulty_url()};
  if (!given(all, own, "anonymous") && !given(all, own, "access_key_id") && !given(all, own, "profile"))
    for (size_t i = 0; i < 3; i++) all[n++] = keys[i];
  all[n] = (mst_pair){NULL, NULL};
  (void)snprintf(url, sizeof url, "s3://%s", bucket);
  return faulty_open(url, all);
}

mst_store *faulty_http(const mst_pair *more) {
  char url[128];
  (void)snprintf(url, sizeof url, "%s/http", faulty_url());
  return faulty_open(url, more);
}

/* --- the server's own pages --------------------------------------------------------------------------------------- */

static char *fetch_text(const char *key) {
  mst_store *s = faulty_open(faulty_url(), NULL);
  mst_op op = mst_op_make(MST_OP_GET, key);
  mst_error err = {0};
  char *text = calloc(1, 4 << 20);
  op.size = (4 << 20) - 1;
  op.into = (uint8_t *)text;
  assert_int_equal(mst_store_perform(s, &op, &err), MST_OK);
  mst_store_unref(s);
  return text;
}

void faulty_reset(const char *query) {
  char key[64];
  (void)snprintf(key, sizeof key, "_reset%s", query);
  free(fetch_text(key));
}

char *faulty_log(void) { return fetch_text("_log"); }

unsigned faulty_count(const char *part) {
  char *log = faulty_log(), *save = NULL;
  unsigned n = 0;
  for (char *line = strtok_r(log, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
    n += strstr(line, part) != NULL;
  free(log);
  return n;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

uint8_t faulty_byte(uint64_t i) { return (uint8_t)((i * 2654435761u) >> 13 & 255); }

static double seconds_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

mst_status faulty_get(mst_store *s, const char *key, faulty_read *r) {
  mst_op op = mst_op_make(MST_OP_GET, key);
  uint8_t *into = malloc((size_t)r->size + 16);
  mst_status status;
  const double began = seconds_now();
  memset(into, 0xA5, (size_t)r->size + 16);
  op.offset = r->offset;
  op.size = r->size;
  op.from_end = r->from_end;
  op.exact = r->exact;
  op.into = into;
  op.pin = r->pin;
  op.cancel = r->cancel;
  op.deadline_us = r->deadline_us;
  r->err = (mst_error){0};
  status = mst_store_perform(s, &op, &r->err);
  r->seconds = seconds_now() - began;
  r->got = op.got;
  r->requests = op.requests;
  r->info = op.info;
  for (size_t i = 0; i < 16; i++) assert_int_equal(into[r->size + i], 0xA5);
  if (status == MST_OK) {
    const uint64_t first = r->from_end ? op.info.size - op.got : r->offset;
    for (uint64_t i = 0; i < op.got; i++)
      if (into[i] != faulty_byte(first + i)) fail_msg("%s: byte %llu is wrong", key, (unsigned long long)(first + i));
  } else {
    assert_int_equal(r->err.status, status);
    assert_no_secret(r->err.message);
    char shown[200];
    (void)snprintf(shown, sizeof shown, "%.*s", (int)strcspn(key, "?"), key); /* a query may be a secret */
    assert_non_null(strstr(r->err.object, shown));
  }
  free(into);
  return status;
}

mst_status faulty_head(mst_store *s, const char *key, mst_pin *out, mst_error *err) {
  mst_op op = mst_op_make(MST_OP_HEAD, key);
  const mst_status status = mst_store_perform(s, &op, err);
  *out = op.info;
  return status;
}

/* --- words -------------------------------------------------------------------------------------------------------- */

void assert_no_secret(const char *text) {
  static const char *const secrets[] = {"testsecret", "Signature=",  "role-token", "web-token", "box-token",
                                        "ec2-token",  "rolesecret",  "websecret",  "boxsecret", "ec2secret",
                                        "pass:word",  "pass%3Aword", "dXNlcj",     "sesame",    "the-bearer-token"};
  for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
    if (strstr(text, secrets[i]) != NULL && !(i == 1 && strstr(text, "Signature=*") != NULL))
      fail_msg("\"%s\" holds %s", text, secrets[i]);
}

void assert_says(const mst_error *err, const char *const *words) {
  for (; *words != NULL; words++)
    if (strstr(err->message, *words) == NULL && strstr(err->object, *words) == NULL)
      fail_msg("\"%s\" [%s] does not say \"%s\"", err->message, err->object, *words);
}
