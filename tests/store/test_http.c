/* tests/store/test_http.c - the HTTP store, and with it transport, retries and ranges, against a server that truncates,
 * stalls, lies, redirects and asks for passwords. */
#include "store/faulty.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static mst_store *store;

static mst_status get(const char *key, uint64_t offset, uint64_t size, faulty_read *r) {
  *r = (faulty_read){.offset = offset, .size = size};
  return faulty_get(store, key, r);
}

static mst_status get_pinned(const char *key, uint64_t offset, uint64_t size, const mst_pin *pin, faulty_read *r) {
  *r = (faulty_read){.offset = offset, .size = size, .pin = pin};
  return faulty_get(store, key, r);
}

/* --- what works -----------------------------------------------------------------------------------------------------
 */

static void ranges_come_as_asked(void **state) {
  faulty_read r;
  (void)state;
  assert_int_equal(get("ok/data-1000", 0, 1000, &r), MST_OK);
  assert_int_equal(r.got, 1000);
  assert_int_equal(r.info.size, 1000);
  assert_true(r.info.etag[0] == '"');
  assert_true(r.info.modified_ns > 0);
  assert_int_equal(r.requests, 1);
  assert_int_equal(get("ok/data-1000", 990, 50, &r), MST_OK);
  assert_int_equal(r.got, 10);
  assert_int_equal(get("ok/data-1000", 1000, 50, &r), MST_OK);
  assert_int_equal(r.got, 0);
  assert_int_equal(r.info.size, 1000);
  assert_int_equal(get("ok/data-1000", 5000, 1, &r), MST_OK);
  assert_int_equal(r.got, 0);
  assert_int_equal(get("ok/data-0", 0, 1, &r), MST_OK);
  assert_int_equal(r.got, 0);
  assert_int_equal(get("ok/data-0", 7, 1, &r), MST_OK);
  assert_int_equal(r.got, 0);
  assert_true(r.info.etag[0] == '"');
  assert_int_equal(get("fault.untold/data-0", 7, 1, &r), MST_OK);
  assert_int_equal(get("fault.untold/data-100", 200, 1, &r), MST_OK);
  assert_int_equal(r.got, 0);
  assert_int_equal(r.info.size, 100);
}

static void suffixes_come_as_asked(void **state) {
  static const uint64_t sizes[] = {1, 10, 999, 1000, 1001, 4000};
  (void)state;
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    faulty_read r = {.size = sizes[i], .from_end = true};
    assert_int_equal(faulty_get(store, "ok/data-1000", &r), MST_OK);
    assert_int_equal(r.got, sizes[i] < 1000 ? sizes[i] : 1000);
    assert_int_equal(faulty_get(store, "fault.norange/data-1000", &r), MST_OK);
    assert_int_equal(r.got, sizes[i] < 1000 ? sizes[i] : 1000);
    assert_int_equal(faulty_get(store, "ok/data-0", &r), MST_OK);
    assert_int_equal(r.got, 0);
  }
}

static void heads_tell_the_version(void **state) {
  mst_pin pin;
  mst_error err = {0};
  (void)state;
  assert_int_equal(faulty_head(store, "ok/data-77", &pin, &err), MST_OK);
  assert_int_equal(pin.size, 77);
  assert_true(mst_pin_etag_strong(&pin));
  assert_int_equal(faulty_head(store, "fault.nolength/data-77", &pin, &err), MST_OK);
  assert_int_equal(pin.size, 77);
  assert_int_equal(faulty_head(store, "fault.nolength/data-0", &pin, &err), MST_OK);
  assert_int_equal(pin.size, 0);
  assert_int_equal(faulty_head(store, "nothing", &pin, &err), MST_E_NOT_FOUND);
  SAYS(&err, "HEAD", "HTTP 404", "/http/nothing", "REQ0123456789");
}

static void keys_are_urls_as_written(void **state) {
  static const char *const keys[] = {"a b/data-5",  "a%20b/data-5", "ü/data-5",   "x//data-5",  "x/./data-5",
                                     "x/../data-5", "a+b/data-5",   "50%/data-5", "h#h/data-5", "q\"<>`/data-5"};
  static const char *const paths[] = {"/http/a%20b/data-5",        "/http/a%20b/data-5", "/http/%C3%BC/data-5",
                                      "/http/x//data-5",           "/http/x/./data-5",   "/http/x/../data-5",
                                      "/http/a+b/data-5",          "/http/50%25/data-5", "/http/h%23h/data-5",
                                      "/http/q%22%3C%3E%60/data-5"};
  (void)state;
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    char part[128];
    faulty_read r = {.size = 5};
    faulty_reset("");
    assert_int_equal(faulty_get(store, keys[i], &r), MST_OK);
    (void)snprintf(part, sizeof part, "\"path\": \"%s\"", paths[i]);
    assert_int_equal(faulty_count(part), 1);
  }
}

static void it_only_reads(void **state) {
  mst_op op = mst_op_make(MST_OP_LIST, NULL);
  mst_page page;
  mst_error err = {0};
  (void)state;
  mst_page_init(&page, NULL);
  op.page = &page;
  op.prefix = "x";
  assert_int_equal(mst_store_perform(store, &op, &err), MST_E_UNSUPPORTED);
  SAYS(&err, "no listings");
  mst_page_free(&page);
  op = mst_op_make(MST_OP_PUT, "x");
  assert_int_equal(mst_store_perform(store, &op, &err), MST_E_UNSUPPORTED);
}

/* --- breaks
 * ----------------------------------------------------------------------------------------------------------- */

static void broken_bodies_go_on_at_their_byte(void **state) {
  faulty_read r;
  (void)state;
  faulty_reset("");
  assert_int_equal(get("fault.cut.1/data-300000", 0, 300000, &r), MST_OK);
  assert_int_equal(r.got, 300000);
  assert_int_equal(r.requests, 2);
  assert_int_equal(faulty_count("\"range\": \"bytes=150000-299999\""), 1);
  assert_int_equal(faulty_count("\"if-match\""), 1);
  assert_int_equal(get("fault.reset.2/data-300001", 7, 250000, &r), MST_OK);
  assert_int_equal(r.got, 250000);
  assert_int_equal(get("fault.cutchunks/data-300001", 0, 1000, &r), MST_E_IO);
  SAYS(&r.err, "GET bytes 0-999", "connection broke", "data-300001");
}

static void progress_is_not_counted_as_failure(void **state) {
  faulty_read r;
  (void)state;
  assert_int_equal(get("fault.cutall/data-2000000", 0, 2000000, &r), MST_OK);
  assert_int_equal(r.got, 2000000);
  assert_in_range(r.requests, 15, 30);
}

/* Without a version to compare, nothing is joined to what came before: each attempt is for the whole range. */
static void nothing_is_joined_blindly(void **state) {
  faulty_read r;
  (void)state;
  assert_int_equal(get("fault.cutbare/data-300000", 0, 300000, &r), MST_E_IO);
  assert_int_equal(r.requests, 4);
  assert_int_equal(get("fault.cutbare/data-300000", 0, 90000, &r), MST_OK);
  assert_int_equal(get("fault.shortbare/data-300000", 0, 90000, &r), MST_E_IO);
  assert_int_equal(r.requests, 4);
}

static void suffix_and_whole_reads_resume_too(void **state) {
  faulty_read r = {.size = 200000, .from_end = true};
  (void)state;
  assert_int_equal(faulty_get(store, "fault.cut.1/x/data-300002", &r), MST_OK);
  assert_int_equal(r.got, 200000);
  assert_int_equal(get("fault.short/data-5000", 100, 4500, &r), MST_OK);
  assert_int_equal(r.got, 4500);
}

static void endless_trouble_ends(void **state) {
  faulty_read r;
  (void)state;
  assert_int_equal(get("fault.cut/data-1000", 0, 1000, &r), MST_E_IO);
  SAYS(&r.err, "after 4 attempts", "connection broke after");
  assert_true(r.err.retryable);
  assert_int_equal(r.requests, 4);
}

static void stalls_are_noticed(void **state) {
  faulty_read r;
  (void)state;
  assert_int_equal(get("fault.stall.1/data-200000", 0, 200000, &r), MST_OK);
  assert_true(r.seconds < 5);
  assert_int_equal(get("fault.stall/data-2000", 0, 2000, &r), MST_E_TIMEOUT);
  SAYS(&r.err, "stalled");
  assert_true(r.seconds < 12);
  assert_int_equal(get("fault.hang/data-2000", 0, 2000, &r), MST_E_TIMEOUT);
  SAYS(&r.err, "no answer");
  /* Bytes, but too few of them. */
  assert_int_equal(get("fault.drip.1/data-2000", 0, 2000, &r), MST_OK);
}

static void deadlines_hold(void **state) {
  const mst_env *env = mst_context_env(faulty_context());
  faulty_read r = {.size = 100, .deadline_us = env->tick_us(env->self) + 300 * 1000};
  (void)state;
  assert_int_equal(faulty_get(store, "fault.hang/data-100", &r), MST_E_TIMEOUT);
  SAYS(&r.err, "deadline");
  assert_true(r.seconds > 0.25 && r.seconds < 0.9);
}

static void *cancel_later(void *arg) {
  usleep(200 * 1000);
  mst_cancel_request(arg);
  return NULL;
}

static void cancelled_reads_return_at_once(void **state) {
  mst_cancel *cancel = mst_cancel_new(faulty_context());
  faulty_read r = {.size = 100, .cancel = cancel};
  pthread_t thread;
  (void)state;
  pthread_create(&thread, NULL, cancel_later, cancel);
  assert_int_equal(faulty_get(store, "fault.hang/data-100", &r), MST_E_CANCELLED);
  assert_true(r.seconds > 0.19 && r.seconds < 0.45);
  pthread_join(thread, NULL);
  mst_cancel_unref(cancel);
}

static void nobody_there_is_said_soon(void **state) {
  mst_store *nobody = faulty_open("http://127.0.0.1:1", NULL);
  faulty_read r = {.size = 5};
  (void)state;
  assert_int_equal(faulty_get(nobody, "x", &r), MST_E_IO);
  SAYS(&r.err, "no connection", "127.0.0.1");
  assert_true(r.err.retryable);
  assert_true(r.seconds < 8);
  mst_store_unref(nobody);
}

/* --- lies
 * --------------------------------------------------------------------------------------------------------------- */

static void ignored_ranges_are_read_through_or_refused(void **state) {
  faulty_read r;
  (void)state;
  assert_int_equal(get("fault.norange/data-500000", 0, 1000, &r), MST_OK);
  assert_int_equal(get("fault.norange/data-500000", 400000, 1000, &r), MST_OK);
  assert_int_equal(r.got, 1000);
  assert_int_equal(get("fault.norange/data-500000", 499999, 1000, &r), MST_OK);
  assert_int_equal(r.got, 1);
  assert_int_equal(get("fault.norange/data-500000", 600000, 1000, &r), MST_OK);
  assert_int_equal(r.got, 0);
  assert_int_equal(get("fault.chunked/data-500000", 100, 1000000, &r), MST_OK);
  assert_int_equal(r.got, 499900);
  assert_int_equal(r.info.size, 500000);
  assert_int_equal(get("fault.norange/data-40000000", 30000000, 1000, &r), MST_E_UNSUPPORTED);
  SAYS(&r.err, "ignores ranges");
  assert_int_equal(get("fault.endless/data-1000", 0, 1000, &r), MST_E_UNSUPPORTED);
  SAYS(&r.err, "cut reply");
}

static void wrong_content_ranges_are_not_believed(void **state) {
  static const char *const always[] = {"fault.liefirst/data-1000", "fault.norangeline/data-1000",
                                       "fault.garbledrange/data-1000", "fault.longer/data-1000"};
  static const char *const once[] = {"fault.liefirst.1/data-1000", "fault.norangeline.1/data-1000",
                                     "fault.garbledrange.1/data-1000"};
  faulty_read r;
  (void)state;
  for (size_t i = 0; i < 4; i++) {
    assert_int_equal(get(always[i], 10, 20, &r), MST_E_IO);
    SAYS(&r.err, "GET bytes 10-29");
  }
  for (size_t i = 0; i < 3; i++) assert_int_equal(get(once[i], 10, 20, &r), MST_OK);
}

static void another_version_is_refused(void **state) {
  mst_pin pin;
  mst_error err = {0};
  faulty_read r;
  (void)state;
  assert_int_equal(faulty_head(store, "fault.flip/data-1000", &pin, &err), MST_OK);
  assert_int_equal(get_pinned("fault.flip/data-1000", 0, 10, &pin, &r), MST_E_CHANGED);
  SAYS(&r.err, "ETag", "data-1000");
  assert_int_equal(faulty_head(store, "fault.grow/data-1000", &pin, &err), MST_OK);
  assert_int_equal(get_pinned("fault.grow/data-1000", 0, 10, &pin, &r), MST_E_CHANGED);
  assert_int_equal(faulty_head(store, "fault.drop/data-1000", &pin, &err), MST_OK);
  assert_int_equal(get_pinned("fault.drop/data-1000", 0, 10, &pin, &r), MST_E_CHANGED);
  assert_int_equal(faulty_head(store, "fault.lietotal/data-1000", &pin, &err), MST_OK);
  assert_int_equal(get_pinned("fault.lietotal/data-1000", 0, 10, &pin, &r), MST_E_CHANGED);
  assert_int_equal(faulty_head(store, "ok/data-1000", &pin, &err), MST_OK);
  pin.etag[1] ^= 1;
  assert_int_equal(get_pinned("ok/data-1000", 0, 10, &pin, &r), MST_E_CHANGED);
  assert_int_equal(r.err.http_status, 412);
}

static void without_an_etag_the_date_must_do(void **state) {
  mst_pin pin;
  mst_error err = {0};
  faulty_read r;
  (void)state;
  assert_int_equal(faulty_head(store, "fault.facts/data-1000", &pin, &err), MST_OK);
  assert_string_equal(pin.etag, "");
  assert_true(mst_pin_known(&pin));
  assert_int_equal(get_pinned("fault.facts/data-1000", 100, 10, &pin, &r), MST_OK);
  pin.modified_ns -= 1000000000;
  assert_int_equal(get_pinned("fault.facts/data-1000", 100, 10, &pin, &r), MST_E_CHANGED);
  assert_int_equal(faulty_head(store, "fault.weak/data-1000", &pin, &err), MST_OK);
  faulty_reset("");
  assert_int_equal(get_pinned("fault.weak/data-1000", 100, 10, &pin, &r), MST_OK);
  assert_int_equal(faulty_count("if-match"), 0);
  assert_int_equal(faulty_head(store, "fault.noetag/data-1000", &pin, &err), MST_OK);
  assert_false(mst_pin_known(&pin));
}

static void what_changes_between_two_halves_is_not_mixed(void **state) {
  faulty_read r;
  (void)state;
  /* Every reply has another ETag: what was begun cannot be gone on with. */
  assert_int_equal(get("fault.flip/data-100000", 0, 100000, &r), MST_OK);
  assert_int_equal(r.requests, 1);
}

static void compressed_bodies_are_refused(void **state) {
  mst_pin pin;
  mst_error err = {0};
  faulty_read r;
  (void)state;
  assert_int_equal(get("fault.gzip/data-1000", 0, 10, &r), MST_E_UNSUPPORTED);
  SAYS(&r.err, "Content-Encoding: gzip");
  assert_int_equal(faulty_head(store, "fault.gzip/data-1000", &pin, &err), MST_E_UNSUPPORTED);
  assert_int_equal(get("fault.gzip/data-1000?x.gz", 0, 10, &r), MST_E_UNSUPPORTED);
}

/* --- redirects
 * -------------------------------------------------------------------------------------------------------- */

static void redirects_are_followed_within_bounds(void **state) {
  static const mst_pair login[] = {{"username", "user"}, {"password", "pass:word%"}, {NULL, NULL}};
  faulty_read r;
  (void)state;
  assert_int_equal(get("fault.redirect/data-1000", 5, 10, &r), MST_OK);
  assert_int_equal(r.requests, 2);
  assert_int_equal(get("fault.elsewhere/data-1000", 5, 10, &r), MST_OK);
  assert_int_equal(get("fault.loop/data-1000", 5, 10, &r), MST_E_IO);
  SAYS(&r.err, "too many redirects");
  assert_int_equal(get("fault.toftp/data-1000", 5, 10, &r), MST_E_IO);
  SAYS(&r.err, "not HTTP");
  assert_int_equal(get("fault.nowhere/data-1000", 5, 10, &r), MST_E_IO);
  SAYS(&r.err, "names no place");
  mst_store *mine = faulty_http(login);
  faulty_reset("");
  r = (faulty_read){.size = 5};
  assert_int_equal(faulty_get(mine, "fault.elsewhere/data-1000", &r), MST_OK);
  assert_int_equal(faulty_get(mine, "fault.redirect/data-1000", &r), MST_OK);
  /* First host: asked, redirected within, redirected away; second host: without a word about who asks. */
  assert_int_equal(faulty_count("dXNlcjpwYXNzOndvcmQl"), 3);
  assert_int_equal(faulty_count("\"path\": \"/http/plain/data-1000\""), 2);
  mst_store_unref(mine);
}

/* --- who asks
 * ----------------------------------------------------------------------------------------------------------- */

static void passwords_open_and_stay_unseen(void **state) {
  static const mst_pair login[] = {{"username", "user"}, {"password", "pass:word%"}, {NULL, NULL}};
  static const mst_pair bearer[] = {{"bearer_token", "the-bearer-token"}, {NULL, NULL}};
  char url[160];
  faulty_read r = {.size = 5};
  (void)state;
  assert_int_equal(faulty_get(store, "fault.secret/data-10", &r), MST_E_DENIED);
  SAYS(&r.err, "HTTP 401", "no user and password");
  mst_store *mine = faulty_http(login);
  assert_int_equal(faulty_get(mine, "fault.secret/data-10", &r), MST_OK);
  mst_store_unref(mine);
  mine = faulty_http(bearer);
  assert_int_equal(faulty_get(mine, "fault.bearer/data-10", &r), MST_OK);
  assert_int_equal(faulty_get(mine, "fault.secret/data-10", &r), MST_E_DENIED);
  mst_store_unref(mine);
  (void)snprintf(url, sizeof url, "http://user:pass%%3Aword%%25@%s/http", faulty_url() + 7);
  mine = faulty_open(url, NULL);
  assert_no_secret(mst_store_url(mine));
  assert_int_equal(faulty_get(mine, "fault.secret/data-10", &r), MST_OK);
  assert_int_equal(faulty_get(mine, "fault.bearer/data-10", &r), MST_E_DENIED);
  mst_store_unref(mine);
}

static void presigned_urls_work_and_stay_unseen(void **state) {
  mst_pin pin;
  mst_error err = {0};
  (void)state;
  assert_int_equal(faulty_head(store, "fault.presigned/data-10?signature=sesame", &pin, &err), MST_OK);
  assert_int_equal(pin.size, 10);
  assert_int_equal(faulty_head(store, "fault.presigned/data-10?signature=seesame", &pin, &err), MST_E_DENIED);
  assert_null(strstr(err.message, "seesame"));
  assert_null(strstr(err.object, "seesame"));
}

static void a_slices_host_gets_no_password(void **state) {
  char url[160];
  const mst_pair login[] = {{"username", "user"}, {"password", "pass:word%"}},
                 vouched[] = {{"username", "user"}, {"password", "pass:word%"}, {"endpoint", faulty_url()}};
  mst_location l;
  mst_error err = {0};
  faulty_read r = {.size = 5};
  (void)state;
  (void)snprintf(url, sizeof url, "%s/http/fault.secret/data-10", faulty_url());
  faulty_reset("");
  assert_int_equal(mst_location_open_from_slice(faulty_context(), url, NULL, login, 2, &l, &err), MST_OK);
  assert_int_equal(faulty_get(l.store, l.key, &r), MST_E_DENIED);
  SAYS(&r.err, "only the slice names");
  assert_int_equal(faulty_count("authorization"), 0);
  mst_location_close(&l);
  assert_int_equal(mst_location_open_from_slice(faulty_context(), url, NULL, vouched, 3, &l, &err), MST_OK);
  assert_int_equal(faulty_get(l.store, l.key, &r), MST_OK);
  mst_location_close(&l);
}

/* Whatever comes, it is the right bytes or an error: faulty_get compares them. */
static void chaos_gives_right_bytes_or_an_error(void **state) {
  static const mst_pair patient[] = {{"max_attempts", "9"}, {NULL, NULL}};
  mst_store *s = faulty_http(patient);
  unsigned good = 0, bad = 0;
  (void)state;
  for (unsigned i = 0; i < 150; i++) {
    char key[64];
    mst_pin pin;
    mst_error err = {0};
    faulty_read r = {
        .offset = i * 1237 % 90000, .size = 1 + i * 7919 % 30000, .from_end = i % 5 == 0, .exact = i % 3 == 0};
    (void)snprintf(key, sizeof key, "fault.chaos/%u/data-100000", i);
    assert_int_equal(faulty_head(s, key, &pin, &err), MST_OK);
    if (i % 2 == 0) r.pin = &pin;
    if (faulty_get(s, key, &r) == MST_OK) good++;
    else bad++;
    if (r.pin != NULL && r.err.status == MST_OK) assert_int_equal(r.info.size, 100000);
  }
  assert_true(good > 75);
  assert_true(good + bad == 150);
  mst_store_unref(s);
}

/* --- many at once, and after fork()
 * ----------------------------------------------------------------------------------- */

typedef struct crowd {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  unsigned left, good, cancelled;
} crowd;

static void one_less(mst_op *op, mst_status status) {
  crowd *c = op->done_arg;
  pthread_mutex_lock(&c->lock);
  c->left--;
  c->good += status == MST_OK;
  c->cancelled += status == MST_E_CANCELLED;
  pthread_cond_signal(&c->changed);
  pthread_mutex_unlock(&c->lock);
}

enum { MANY = 120, PIECE = 3000 };

static void many_at_once_all_come(void **state) {
  crowd c = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .left = MANY};
  mst_op *ops = calloc(MANY, sizeof *ops);
  uint8_t *memory = calloc(MANY, PIECE);
  (void)state;
  for (unsigned i = 0; i < MANY; i++) {
    ops[i] = mst_op_make(MST_OP_GET, i % 10 == 3 ? "fault.cut.5/many/data-400000" : "ok/data-400000");
    ops[i].offset = i * PIECE;
    ops[i].size = PIECE;
    ops[i].into = memory + (size_t)i * PIECE;
    ops[i].done = one_less;
    ops[i].done_arg = &c;
    mst_store_start(store, &ops[i]);
  }
  pthread_mutex_lock(&c.lock);
  while (c.left > 0) pthread_cond_wait(&c.changed, &c.lock);
  pthread_mutex_unlock(&c.lock);
  assert_int_equal(c.good, MANY);
  for (uint64_t i = 0; i < (uint64_t)MANY * PIECE; i++) assert_int_equal(memory[i], faulty_byte(i));
  free(memory);
  free(ops);
}

static void asynchronous_reads_can_be_cancelled(void **state) {
  crowd c = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .left = 1};
  uint8_t memory[100];
  mst_op op = mst_op_make(MST_OP_GET, "fault.hang/data-100");
  (void)state;
  op.size = sizeof memory;
  op.into = memory;
  op.done = one_less;
  op.done_arg = &c;
  mst_store_start(store, &op);
  usleep(50 * 1000);
  mst_store_cancel(store, &op);
  pthread_mutex_lock(&c.lock);
  while (c.left > 0) pthread_cond_wait(&c.changed, &c.lock);
  pthread_mutex_unlock(&c.lock);
  assert_int_equal(c.cancelled, 1);
}

static int child_reads(mst_op *in_flight, const crowd *c) {
  faulty_read r = {.size = 1000};
  if (faulty_get(store, "ok/data-1000", &r) != MST_OK || r.got != 1000) return 1;
  /* What the parent had under way ends here when it is asked to. */
  mst_store_cancel(store, in_flight);
  if (c->left != 0 || c->cancelled != 1) return 2;
  return 0;
}

static void children_of_fork_begin_anew(void **state) {
  crowd c = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .left = 1};
  uint8_t memory[300000];
  mst_op op = mst_op_make(MST_OP_GET, "fault.stall.1/fork/data-300000");
  faulty_read r = {.size = 1000};
  int status;
  (void)state;
  assert_int_equal(faulty_get(store, "ok/data-1000", &r), MST_OK);
  op.size = sizeof memory;
  op.into = memory;
  op.done = one_less;
  op.done_arg = &c;
  mst_store_start(store, &op);
  usleep(50 * 1000);
  const pid_t child = fork();
  if (child == 0) _exit(child_reads(&op, &c));
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
  /* The parent's own goes on as if nothing had been. */
  pthread_mutex_lock(&c.lock);
  while (c.left > 0) pthread_cond_wait(&c.changed, &c.lock);
  pthread_mutex_unlock(&c.lock);
  assert_int_equal(c.good, 1);
  assert_int_equal(faulty_get(store, "ok/data-1000", &r), MST_OK);
}

static mst_store *kept;

static void drop_last(mst_op *op, mst_status status) {
  one_less(op, status);
  mst_store_unref(kept);
}

/* The completion holds the last reference to the store, and that the last to the context. */
static void a_context_may_end_in_a_completion(void **state) {
  crowd *c = calloc(1, sizeof *c);
  uint8_t *memory = malloc(100);
  mst_op *op = malloc(sizeof *op);
  mst_context *ctx = NULL;
  char url[128];
  (void)state;
  pthread_mutex_init(&c->lock, NULL);
  pthread_cond_init(&c->changed, NULL);
  c->left = 1;
  assert_int_equal(mst_context_open(NULL, &ctx, NULL), MST_OK);
  (void)snprintf(url, sizeof url, "%s/http", faulty_url());
  assert_int_equal(mst_store_open_url(ctx, url, NULL, 0, &kept, NULL), MST_OK);
  mst_context_unref(ctx);
  *op = mst_op_make(MST_OP_GET, "ok/data-100");
  op->size = 100;
  op->into = memory;
  op->done = drop_last;
  op->done_arg = c;
  mst_store_start(kept, op);
  pthread_mutex_lock(&c->lock);
  while (c->left > 0) pthread_cond_wait(&c->changed, &c->lock);
  pthread_mutex_unlock(&c->lock);
  assert_int_equal(c->good, 1);
  usleep(100 * 1000);
  free(c);
  free(op);
  free(memory);
}

/* --- memory
 * ----------------------------------------------------------------------------------------------------------- */

static mst_status read_once(const mst_test_allocator *a) {
  mst_context_options options = MST_CONTEXT_OPTIONS_INIT;
  mst_context *ctx = NULL;
  mst_store *s = NULL;
  uint8_t memory[1000];
  char url[128];
  mst_op op = mst_op_make(MST_OP_GET, "ok/data-1000");
  options.allocator = &a->allocator;
  (void)snprintf(url, sizeof url, "%s/http", faulty_url());
  mst_status status = mst_context_open(&options, &ctx, NULL);
  if (status != MST_OK) return status;
  status = mst_store_open_url(ctx, url, NULL, 0, &s, NULL);
  op.size = sizeof memory;
  op.into = memory;
  if (status == MST_OK) status = mst_store_perform(s, &op, NULL);
  mst_store_unref(s);
  mst_context_unref(ctx);
  return status;
}

static void every_failing_allocation_is_survived(void **state) {
  (void)state;
  for (int persistent = 0; persistent < 2; persistent++)
    for (long n = 1;; n++) {
      mst_test_allocator a;
      mst_test_allocator_init(&a, n, persistent != 0);
      const mst_status status = read_once(&a);
      assert_int_equal(a.live_blocks, 0);
      if (!a.failed) {
        assert_int_equal(status, MST_OK);
        break;
      }
      assert_true(status == MST_E_NO_MEMORY || status == MST_OK);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ranges_come_as_asked),
      cmocka_unit_test(suffixes_come_as_asked),
      cmocka_unit_test(heads_tell_the_version),
      cmocka_unit_test(keys_are_urls_as_written),
      cmocka_unit_test(it_only_reads),
      cmocka_unit_test(broken_bodies_go_on_at_their_byte),
      cmocka_unit_test(progress_is_not_counted_as_failure),
      cmocka_unit_test(nothing_is_joined_blindly),
      cmocka_unit_test(suffix_and_whole_reads_resume_too),
      cmocka_unit_test(endless_trouble_ends),
      cmocka_unit_test(stalls_are_noticed),
      cmocka_unit_test(deadlines_hold),
      cmocka_unit_test(cancelled_reads_return_at_once),
      cmocka_unit_test(nobody_there_is_said_soon),
      cmocka_unit_test(ignored_ranges_are_read_through_or_refused),
      cmocka_unit_test(wrong_content_ranges_are_not_believed),
      cmocka_unit_test(another_version_is_refused),
      cmocka_unit_test(without_an_etag_the_date_must_do),
      cmocka_unit_test(what_changes_between_two_halves_is_not_mixed),
      cmocka_unit_test(compressed_bodies_are_refused),
      cmocka_unit_test(redirects_are_followed_within_bounds),
      cmocka_unit_test(passwords_open_and_stay_unseen),
      cmocka_unit_test(presigned_urls_work_and_stay_unseen),
      cmocka_unit_test(a_slices_host_gets_no_password),
      cmocka_unit_test(chaos_gives_right_bytes_or_an_error),
      cmocka_unit_test(many_at_once_all_come),
      cmocka_unit_test(asynchronous_reads_can_be_cancelled),
      cmocka_unit_test(children_of_fork_begin_anew),
      cmocka_unit_test(a_context_may_end_in_a_completion),
      cmocka_unit_test(every_failing_allocation_is_survived),
  };
  int failed;
  faulty_need();
  store = faulty_http(NULL);
  failed = cmocka_run_group_tests_name("http", tests, NULL, NULL);
  mst_store_unref(store);
  faulty_end();
  return failed;
}
