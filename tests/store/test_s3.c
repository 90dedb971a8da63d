/* tests/store/test_s3.c - the S3 store against a server that checks signatures and fails on command: refusals and their
 * words, writes whose answer is lost, regions, clocks, checksums, hostile listings. */
#include "store/faulty.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static mst_store *store; /* s3://bkt */

static mst_status get(mst_store *s, const char *key, uint64_t offset, uint64_t size, faulty_read *r) {
  *r = (faulty_read){.offset = offset, .size = size};
  return faulty_get(s, key, r);
}

static mst_status put_mode(mst_store *s, const char *key, const char *text, mst_put_mode mode, const mst_pin *pin,
                           mst_op *out, mst_error *err) {
  mst_op op = mst_op_make(MST_OP_PUT, key);
  op.data = (const uint8_t *)text;
  op.n_data = strlen(text);
  op.put_mode = mode;
  op.pin = pin;
  *err = (mst_error){0};
  const mst_status status = mst_store_perform(s, &op, err);
  if (out != NULL) *out = op;
  if (status != MST_OK) assert_no_secret(err->message);
  return status;
}

static mst_status put(const char *key, const char *text, mst_error *err) {
  return put_mode(store, key, text, MST_PUT_REPLACE, NULL, NULL, err);
}

/* The text of a small object; "" when there is none. */
static const char *text_of(const char *key) {
  static char text[256];
  mst_op op = mst_op_make(MST_OP_GET, key);
  memset(text, 0, sizeof text);
  op.size = sizeof text - 1;
  op.into = (uint8_t *)text;
  return mst_store_perform(store, &op, NULL) == MST_OK ? text : "";
}

static mst_status list(mst_store *s, const char *prefix, uint32_t page_max, mst_page *page, mst_error *err) {
  mst_op op = mst_op_make(MST_OP_LIST, NULL);
  op.prefix = prefix;
  op.page = page;
  op.page_max = page_max;
  mst_page_init(page, NULL);
  *err = (mst_error){0};
  return mst_store_perform(s, &op, err);
}

/* --- reading
 * ---------------------------------------------------------------------------------------------------------- */

static void signed_reads_work(void **state) {
  faulty_read r;
  mst_pin pin;
  mst_error err = {0};
  (void)state;
  assert_int_equal(get(store, "a key/with +odd%20 ünï/data-1000", 100, 100, &r), MST_OK);
  assert_int_equal(r.got, 100);
  assert_int_equal(faulty_head(store, "data-1000", &pin, &err), MST_OK);
  r = (faulty_read){.offset = 0, .size = 10, .pin = &pin};
  faulty_reset("");
  assert_int_equal(faulty_get(store, "data-1000", &r), MST_OK);
  assert_int_equal(faulty_count("\"if-match\""), 1);
  assert_int_equal(faulty_count("\"accept-encoding\": \"identity\""), 1);
}

static void refusals_say_what_happened(void **state) {
  faulty_read r;
  mst_pin pin;
  mst_error err = {0};
  mst_store *elsewhere = faulty_s3("nobucket", NULL);
  (void)state;
  assert_int_equal(get(store, "missing", 0, 5, &r), MST_E_NOT_FOUND);
  SAYS(&r.err, "GET bytes 0-4", "HTTP 404 NoSuchKey", "REQ0123456789", "HOST/ID+abc=", "s3://bkt/missing",
       "no such object");
  assert_int_equal(r.err.http_status, 404);
  assert_string_equal(r.err.request_id, "REQ0123456789");
  assert_int_equal(get(elsewhere, "data-5", 0, 5, &r), MST_E_NOT_FOUND);
  SAYS(&r.err, "NoSuchBucket", "s3://nobucket/data-5", "the bucket does not exist");
  assert_int_equal(faulty_head(elsewhere, "data-5", &pin, &err), MST_E_NOT_FOUND);
  SAYS(&err, "HEAD", "NoSuchBucket");
  assert_int_equal(get(store, "fault.denied/data-5", 0, 5, &r), MST_E_DENIED);
  SAYS(&r.err, "HTTP 403 AccessDenied");
  assert_int_equal(faulty_head(store, "fault.denied/data-5", &pin, &err), MST_E_DENIED);
  SAYS(&err, "HTTP 403 AccessDenied");
  assert_no_secret(err.message);
  assert_int_equal(get(store, "fault.elsewhere/data-5", 0, 5, &r), MST_E_IO);
  SAYS(&r.err, "HTTP 307", "not followed");
  assert_int_equal(faulty_head(store, "missing", &pin, &err), MST_E_NOT_FOUND);
  mst_store_unref(elsewhere);
}

static void signatures_go_to_no_other_host(void **state) {
  faulty_read r;
  char part[64];
  (void)state;
  faulty_reset("");
  (void)get(store, "fault.elsewhere/data-5", 0, 5, &r);
  (void)snprintf(part, sizeof part, "\"port\": %s,", strrchr(getenv("FAULTY_OTHER"), ':') + 1);
  assert_int_equal(faulty_count(part), 0);
}

static void trouble_passes(void **state) {
  faulty_read r;
  (void)state;
  assert_int_equal(get(store, "fault.busy.3/data-50", 0, 50, &r), MST_OK);
  assert_int_equal(r.requests, 4);
  assert_int_equal(get(store, "fault.broken.2/data-50", 0, 50, &r), MST_OK);
  assert_int_equal(get(store, "fault.silent.2/data-50", 0, 50, &r), MST_OK);
  assert_int_equal(get(store, "fault.cut.1/data-500000", 0, 500000, &r), MST_OK);
  assert_int_equal(get(store, "fault.patience.1/data-50", 0, 50, &r), MST_OK);
  assert_true(r.seconds >= 1 && r.seconds < 6);
  assert_int_equal(get(store, "fault.busy/data-50", 0, 50, &r), MST_E_IO);
  SAYS(&r.err, "HTTP 503 SlowDown", "after 4 attempts");
  assert_true(r.err.retryable);
}

static void heads_that_are_refused_are_asked_otherwise(void **state) {
  mst_pin pin;
  mst_error err = {0};
  (void)state;
  assert_int_equal(faulty_head(store, "fault.nohead/data-50", &pin, &err), MST_OK);
  assert_int_equal(pin.size, 50);
  assert_int_equal(faulty_head(store, "fault.nohead/data-0", &pin, &err), MST_OK);
  assert_int_equal(pin.size, 0);
}

static void damaged_bodies_are_fetched_again(void **state) {
  faulty_read r;
  (void)state;
  assert_int_equal(get(store, "fault.sums/data-5000", 0, 5000, &r), MST_OK);
  assert_int_equal(r.requests, 1);
  assert_int_equal(get(store, "fault.flipbit.1/data-5000", 0, 9000, &r), MST_OK);
  assert_int_equal(r.requests, 2);
  assert_int_equal(get(store, "fault.flipbit/data-5000", 0, 5000, &r), MST_E_CORRUPT);
  SAYS(&r.err, "x-amz-checksum-crc32");
  assert_int_equal(get(store, "fault.sums/data-5000", 0, 5000, &r), MST_OK);
  const mst_pin pin = r.info;
  faulty_reset("");
  r = (faulty_read){.size = 100, .pin = &pin};
  assert_int_equal(faulty_get(store, "fault.sums/data-5000", &r), MST_OK);
  assert_int_equal(faulty_count("x-amz-checksum-mode"), 0);
}

/* --- regions, clocks, keys -------------------------------------------------------------------------------------------
 */

static void the_region_is_found_and_remembered(void **state) {
  mst_store *far = faulty_s3("faraway", NULL);
  faulty_read r;
  mst_pin pin;
  mst_error err = {0};
  json_t *settings = NULL;
  (void)state;
  assert_int_equal(get(far, "data-9", 0, 9, &r), MST_OK);
  assert_int_equal(r.requests, 2);
  assert_int_equal(get(far, "data-9", 0, 9, &r), MST_OK);
  assert_int_equal(r.requests, 1);
  assert_int_equal(mst_store_settings(far, &settings, NULL), MST_OK);
  assert_string_equal(json_string_value(json_object_get(settings, "region")), "eu-west-9");
  assert_string_equal(json_string_value(json_object_get(settings, "endpoint")), faulty_url());
  assert_int_equal(json_object_size(settings), 2);
  json_decref(settings);
  mst_store_unref(far);
  far = faulty_s3("faraway", NULL);
  assert_int_equal(faulty_head(far, "data-9", &pin, &err), MST_OK);
  mst_store_unref(far);
}

static void a_wrong_clock_is_allowed_for(void **state) {
  mst_store *later = faulty_s3("later", NULL);
  faulty_read r;
  (void)state;
  assert_int_equal(get(later, "data-9", 0, 9, &r), MST_OK);
  assert_int_equal(r.requests, 2);
  assert_int_equal(get(later, "data-9", 0, 9, &r), MST_OK);
  assert_int_equal(r.requests, 1);
  mst_store_unref(later);
}

static void wrong_keys_are_refused_clearly(void **state) {
  static const mst_pair wrong_secret[] = {
      {"access_key_id", "testkey"}, {"secret_access_key", "testsecretx"}, {NULL, NULL}};
  static const mst_pair unknown[] = {{"access_key_id", "nobody"}, {"secret_access_key", "testsecretx"}, {NULL, NULL}};
  mst_store *s = faulty_s3("bkt", wrong_secret);
  faulty_read r;
  (void)state;
  assert_int_equal(get(s, "data-9", 0, 9, &r), MST_E_DENIED);
  SAYS(&r.err, "SignatureDoesNotMatch");
  mst_store_unref(s);
  s = faulty_s3("bkt", unknown);
  assert_int_equal(get(s, "data-9", 0, 9, &r), MST_E_DENIED);
  SAYS(&r.err, "InvalidAccessKeyId");
  mst_store_unref(s);
  assert_int_equal(get(store, "fault.expired/data-9", 0, 9, &r), MST_E_DENIED);
  SAYS(&r.err, "ExpiredToken");
}

static void anonymous_wins_over_all(void **state) {
  const mst_pair options[] = {{"anon", "true"},
                              {"endpoint", faulty_url()},
                              {"access_key_id", "testkey"},
                              {"secret_access_key", "testsecretx"},
                              {"profile", "nothing"},
                              {NULL, NULL}};
  mst_store *s = faulty_open("s3://anon", options);
  mst_store *closed = faulty_open("s3://bkt", options);
  faulty_read r;
  (void)state;
  assert_int_equal(get(s, "data-9", 0, 9, &r), MST_OK);
  assert_int_equal(get(closed, "data-9", 0, 9, &r), MST_E_DENIED);
  SAYS(&r.err, "not signed (anonymous)");
  json_t *settings = NULL;
  mst_location l;
  mst_error err = {0};
  assert_int_equal(mst_store_settings(s, &settings, NULL), MST_OK);
  assert_string_equal(json_string_value(json_object_get(settings, "anonymous")), "true");
  assert_int_equal(mst_location_open_from_slice(faulty_context(), "s3://anon/data-9", settings, NULL, 0, &l, &err),
                   MST_OK);
  assert_int_equal(get(l.store, l.key, 0, 9, &r), MST_OK);
  mst_location_close(&l);
  json_object_set_new(settings, "anonymous", json_string("false"));
  assert_int_equal(mst_location_open_from_slice(faulty_context(), "s3://anon/data-9", settings, NULL, 0, &l, &err),
                   MST_E_CORRUPT);
  json_decref(settings);
  mst_store_unref(s);
  mst_store_unref(closed);
}

static void the_requester_pays_when_told(void **state) {
  static const mst_pair pays[] = {{"requester_pays", "true"}, {NULL, NULL}};
  mst_store *s = faulty_s3("bkt", pays);
  faulty_read r;
  (void)state;
  faulty_reset("");
  assert_int_equal(get(s, "data-9", 0, 9, &r), MST_OK);
  assert_int_equal(faulty_count("\"x-amz-request-payer\": \"requester\""), 1);
  mst_store_unref(s);
}

/* --- endpoints of slices
 * ---------------------------------------------------------------------------------------------- */

static void only_our_own_endpoints_get_signatures(void **state) {
  const mst_pair keys[] = {
      {"access_key_id", "testkey"}, {"secret_access_key", "testsecret/with+odd=signs"}, {"endpoint", faulty_url()}};
  json_t *settings = json_pack("{s:s, s:s}", "endpoint", faulty_url(), "region", "us-east-1");
  mst_location l;
  mst_error err = {0};
  faulty_read r;
  (void)state;
  faulty_reset("");
  assert_int_equal(mst_location_open_from_slice(faulty_context(), "s3://bkt/data-9", settings, keys, 2, &l, &err),
                   MST_OK);
  assert_int_equal(get(l.store, l.key, 0, 9, &r), MST_E_DENIED);
  SAYS(&r.err, "only the slice names this endpoint");
  assert_int_equal(faulty_count("authorization"), 0);
  assert_int_equal(faulty_count("x-amz-security-token"), 0);
  mst_location_close(&l);
  /* Where it is public, it can be read all the same. */
  assert_int_equal(mst_location_open_from_slice(faulty_context(), "s3://anon/data-9", settings, keys, 2, &l, &err),
                   MST_OK);
  assert_int_equal(get(l.store, l.key, 0, 9, &r), MST_OK);
  mst_location_close(&l);
  assert_int_equal(mst_location_open_from_slice(faulty_context(), "s3://bkt/data-9", settings, keys, 3, &l, &err),
                   MST_OK);
  assert_int_equal(get(l.store, l.key, 0, 9, &r), MST_OK);
  mst_location_close(&l);
  json_decref(settings);
}

static void addresses_that_are_none_are_refused(void **state) {
  static const char *const endpoints[] = {"ftp://host",       "http://",      "http://user:testsecret@host",
                                          "http://host/?x=1", "http://ho st", "https://host#x"};
  static const char *const regions[] = {"evil.com/", "us_east", "-x", "UPPER", "a b", "x@y"};
  mst_store *s = NULL;
  mst_error err = {0};
  (void)state;
  for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++) {
    const mst_pair options[] = {{"endpoint", endpoints[i]}, {"anon", "true"}, {NULL, NULL}};
    assert_int_equal(faulty_open_status("s3://bkt", options, &s, &err), MST_E_ARGUMENT);
    assert_no_secret(err.message);
  }
  for (size_t i = 0; i < sizeof regions / sizeof *regions; i++) {
    const mst_pair options[] = {{"region", regions[i]}, {"anon", "true"}, {NULL, NULL}};
    assert_int_equal(faulty_open_status("s3://bkt", options, &s, &err), MST_E_ARGUMENT);
    SAYS(&err, "region");
  }
}

/* --- writing
 * ---------------------------------------------------------------------------------------------------------- */

static void unconditional_writes_are_repeated(void **state) {
  mst_error err;
  (void)state;
  faulty_reset("");
  assert_int_equal(put("fault.busy.2/w", "one", &err), MST_OK);
  assert_int_equal(put("fault.broken.2/w", "two", &err), MST_OK);
  assert_int_equal(put("fault.lost.1/w", "three", &err), MST_OK);
  assert_string_equal(text_of("fault.lost.1/w"), "three");
  assert_int_equal(put("fault.nochecksum/w", "four", &err), MST_OK);
  assert_string_equal(text_of("fault.nochecksum/w"), "four");
}

static void conditional_writes_are_sent_once(void **state) {
  static const char *const keys[] = {"fault.lost/c", "fault.late500/c", "fault.silent/c2"};
  mst_error err;
  mst_op op;
  (void)state;
  for (size_t i = 0; i < 3; i++) {
    char part[96];
    faulty_reset("");
    assert_int_equal(put_mode(store, keys[i], "mine", MST_PUT_CREATE, NULL, &op, &err), MST_E_IO);
    SAYS(&err, "unknown", "PUT");
    assert_false(err.retryable);
    assert_int_equal(op.requests, 1);
    (void)snprintf(part, sizeof part, "\"method\": \"PUT\", \"path\": \"/bkt/%s\"", keys[i]);
    assert_int_equal(faulty_count(part), 1);
  }
  /* A clear refusal before anything was done may be repeated. */
  assert_int_equal(put_mode(store, "fault.busy.2/c", "mine", MST_PUT_CREATE, NULL, &op, &err), MST_OK);
  assert_int_equal(op.requests, 3);
}

static void conditional_writes_tell_who_won(void **state) {
  mst_error err;
  mst_op first, second;
  (void)state;
  faulty_reset("");
  assert_int_equal(put_mode(store, "c", "one", MST_PUT_CREATE, NULL, &first, &err), MST_OK);
  assert_int_equal(put_mode(store, "c", "two", MST_PUT_CREATE, NULL, NULL, &err), MST_E_EXISTS);
  SAYS(&err, "HTTP 412", "s3://bkt/c");
  assert_int_equal(put_mode(store, "c", "two", MST_PUT_IF_MATCH, &first.info, &second, &err), MST_OK);
  assert_int_equal(put_mode(store, "c", "three", MST_PUT_IF_MATCH, &first.info, NULL, &err), MST_E_CONFLICT);
  assert_int_equal(put_mode(store, "gone", "three", MST_PUT_IF_MATCH, &first.info, NULL, &err), MST_E_CONFLICT);
  SAYS(&err, "gone");
  assert_int_equal(put_mode(store, "fault.conflict/c", "three", MST_PUT_CREATE, NULL, NULL, &err), MST_E_CONFLICT);
  assert_string_equal(text_of("c"), "two");
}

static void fresh_connections_carry_conditional_writes(void **state) {
  mst_error err;
  faulty_read r;
  mst_op op;
  (void)state;
  faulty_reset("");
  /* A connection that is kept alive breaks under a write: nothing may be sent again behind our back. */
  assert_int_equal(get(store, "data-9", 0, 9, &r), MST_OK);
  assert_int_equal(put_mode(store, "fault.silent/never", "x", MST_PUT_CREATE, NULL, &op, &err), MST_E_IO);
  assert_int_equal(faulty_count("/bkt/fault.silent/never"), 1);
}

static void keys_that_servers_fold_are_not_written(void **state) {
  static const char *const keys[] = {"a//b", "/a", "a/./b", "../a", "a/..", "."};
  mst_error err;
  (void)state;
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    assert_int_equal(put(keys[i], "x", &err), MST_E_UNSUPPORTED);
    SAYS(&err, "element");
  }
  assert_int_equal(put("\xff", "x", &err), MST_E_ARGUMENT);
  SAYS(&err, "UTF-8");
}

/* --- deleting
 * --------------------------------------------------------------------------------------------------------- */

static mst_status delete_all(const char *const *keys, size_t n, mst_op *out, mst_error *err) {
  mst_op op = mst_op_make(MST_OP_DELETE, NULL);
  op.keys = keys;
  op.n_keys = n;
  *err = (mst_error){0};
  const mst_status status = mst_store_perform(store, &op, err);
  if (out != NULL) *out = op;
  return status;
}

static void many_are_deleted_in_batches(void **state) {
  enum { N = 2300 };
  static char names[N][24];
  const char *keys[N];
  mst_error err;
  mst_op op;
  (void)state;
  for (size_t i = 0; i < N; i++) {
    (void)snprintf(names[i], sizeof names[i], "d/%zu&<%zu>", i, i);
    keys[i] = names[i];
  }
  faulty_reset("");
  assert_int_equal(put(keys[7], "x", &err), MST_OK);
  assert_int_equal(put(keys[2100], "x", &err), MST_OK);
  assert_int_equal(delete_all(keys, N, &op, &err), MST_OK);
  assert_int_equal(op.requests, 3);
  assert_string_equal(text_of(keys[7]), "");
  assert_string_equal(text_of(keys[2100]), "");
  assert_int_equal(faulty_count("content-md5"), 3);
}

static void keys_that_xml_cannot_carry_go_alone(void **state) {
  const char *keys[] = {"one", "two\x01", "three", "four"};
  mst_error err;
  mst_op op;
  (void)state;
  for (size_t i = 0; i < 4; i++) assert_int_equal(put(keys[i], "x", &err), MST_OK);
  assert_int_equal(delete_all(keys, 4, &op, &err), MST_OK);
  for (size_t i = 0; i < 4; i++) assert_string_equal(text_of(keys[i]), "");
}

static void what_was_not_deleted_is_named(void **state) {
  const char *keys[] = {"one", "fault.keep/this & that", "fault.keep/other"},
             *nobatch[] = {"fault.nobatch/1", "fault.nobatch/2"};
  mst_error err;
  mst_op op;
  (void)state;
  assert_int_equal(delete_all(keys, 3, NULL, &err), MST_E_DENIED);
  SAYS(&err, "2 of 3 keys", "fault.keep/this & that", "AccessDenied");
  assert_int_equal(put(nobatch[1], "x", &err), MST_OK);
  assert_int_equal(delete_all(nobatch, 2, &op, &err), MST_OK);
  assert_int_equal(op.requests, 3);
  assert_string_equal(text_of(nobatch[1]), "");
}

/* --- listing
 * ---------------------------------------------------------------------------------------------------------- */

static void listings_come_in_pages(void **state) {
  mst_page page;
  mst_error err;
  char key[40];
  (void)state;
  faulty_reset("");
  for (int i = 0; i < 5; i++) {
    (void)snprintf(key, sizeof key, "l/%d +%%&<é\x02", i);
    assert_int_equal(put(key, "x", &err), MST_OK);
  }
  assert_int_equal(list(store, "l/", 3, &page, &err), MST_OK);
  assert_int_equal(page.n, 3);
  assert_string_equal(page.entries[2].key, "l/2 +%&<é\x02");
  assert_int_equal(page.entries[2].size, 1);
  assert_non_null(page.next);
  mst_page_free(&page);
}

static void hostile_listings_are_refused(void **state) {
  static const char *const names[] = {"doctype", "deep", "cut",     "foreign", "size",
                                      "notoken", "html", "nothing", "nul",     "entity"};
  (void)state;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char prefix[40];
    mst_page page;
    mst_error err;
    (void)snprintf(prefix, sizeof prefix, "fault.%s/", names[i]);
    assert_int_equal(list(store, prefix, 0, &page, &err), MST_E_CORRUPT);
    SAYS(&err, "LIST", "s3://bkt/fault.");
    mst_page_free(&page);
  }
}

static mst_status ignore_entry(void *arg, const mst_object_info *info, mst_error *err) {
  (void)arg;
  (void)info;
  (void)err;
  return MST_OK;
}

static void listings_that_go_in_circles_end(void **state) {
  mst_error err = {0};
  (void)state;
  assert_int_equal(mst_list_run(store, "fault.circle/", NULL, ignore_entry, NULL, NULL, &err), MST_E_CORRUPT);
}

/* --- uploads
 * ---------------------------------------------------------------------------------------------------------- */

static mst_status upload(const char *key, mst_put_mode mode, mst_op *close_op, mst_error *err) {
  mst_op open = mst_op_make(MST_OP_UPLOAD_OPEN, key), close = mst_op_make(MST_OP_UPLOAD_CLOSE, key), parts[3];
  const char *tags[3];
  *err = (mst_error){0};
  assert_int_equal(mst_store_perform(store, &open, err), MST_OK);
  for (uint32_t i = 0; i < 3; i++) {
    parts[i] = mst_op_make(MST_OP_UPLOAD_PART, key);
    parts[i].upload = open.upload_id;
    parts[i].part = i + 1;
    parts[i].data = (const uint8_t *)"part";
    parts[i].n_data = 4;
    assert_int_equal(mst_store_perform(store, &parts[i], err), MST_OK);
    tags[i] = parts[i].part_tag;
  }
  close.upload = open.upload_id;
  close.part_tags = tags;
  close.n_parts = 3;
  close.size = 12;
  close.put_mode = mode;
  const mst_status status = mst_store_perform(store, &close, err);
  if (close_op != NULL) *close_op = close;
  return status;
}

static void parts_become_objects_whatever_is_lost(void **state) {
  mst_error err;
  mst_op op;
  (void)state;
  faulty_reset("");
  assert_int_equal(upload("u", MST_PUT_REPLACE, &op, &err), MST_OK);
  assert_string_equal(text_of("u"), "partpartpart");
  assert_non_null(strstr(op.info.etag, "-3\""));
  assert_int_equal(upload("fault.lostclose.1/u", MST_PUT_REPLACE, &op, &err), MST_OK);
  assert_string_equal(text_of("fault.lostclose.1/u"), "partpartpart");
  assert_int_equal(upload("fault.inside.1/u", MST_PUT_REPLACE, &op, &err), MST_OK);
  assert_int_equal(upload("u", MST_PUT_CREATE, &op, &err), MST_E_EXISTS);
  assert_int_equal(upload("fault.lostclose.1/create", MST_PUT_CREATE, &op, &err), MST_E_IO);
  SAYS(&err, "unknown");
  assert_int_equal(op.requests, 1);
}

static void aborting_what_is_gone_is_no_error(void **state) {
  mst_op op = mst_op_make(MST_OP_UPLOAD_ABORT, "u");
  mst_error err = {0};
  (void)state;
  op.upload = "nothing";
  assert_int_equal(mst_store_perform(store, &op, &err), MST_OK);
}

/* --- time
 * ------------------------------------------------------------------------------------------------------------- */

/* Pauses belong to the context's clock: where that is a test's, they take no time. */
static void pauses_pass_in_virtual_time(void **state) {
  const mst_pair vars[] = {{"AWS_ACCESS_KEY_ID", "testkey"},
                           {"AWS_SECRET_ACCESS_KEY", "testsecret/with+odd=signs"},
                           {"AWS_ENDPOINT_URL", faulty_url()},
                           {"AWS_MAX_ATTEMPTS", "12"},
                           {NULL, NULL}};
  int64_t slept[2];
  faulty_read r;
  (void)state;
  for (int run = 0; run < 2; run++) {
    mst_context_options options = MST_CONTEXT_OPTIONS_INIT;
    mst_context *ctx = NULL;
    mst_store *s = NULL;
    mst_test_env world;
    mst_test_env_init(&world, 7, vars);
    options.env = &world.env;
    options.cpu_threads = 1;
    assert_int_equal(mst_context_open(&options, &ctx, NULL), MST_OK);
    assert_int_equal(mst_store_open_url(ctx, "s3://later", NULL, 0, &s, NULL), MST_OK);
    faulty_reset("");
    assert_int_equal(get(s, "fault.busy.11/data-9", 0, 9, &r), MST_OK);
    assert_true(r.seconds < 10);
    slept[run] = world.slept;
    mst_store_unref(s);
    mst_context_unref(ctx);
  }
  assert_true(slept[0] > 5000000);
  assert_true(slept[0] == slept[1]); /* the same seed, the same run */
}

/* --- memory
 * ----------------------------------------------------------------------------------------------------------- */

static mst_status work_once(const mst_test_allocator *a) {
  const mst_pair options[] = {{"endpoint", faulty_url()},
                              {"access_key_id", "testkey"},
                              {"secret_access_key", "testsecret/with+odd=signs"},
                              {"max_attempts", "2"}};
  const char *keys[] = {"memory/a", "memory/b"};
  mst_context_options made = MST_CONTEXT_OPTIONS_INIT;
  mst_context *ctx = NULL;
  mst_store *s = NULL;
  mst_page page;
  mst_op op = mst_op_make(MST_OP_PUT, keys[0]);
  made.allocator = &a->allocator;
  mst_status status = mst_context_open(&made, &ctx, NULL);
  if (status != MST_OK) return status;
  mst_page_init(&page, mst_context_mem(ctx));
  status = mst_store_open_url(ctx, "s3://bkt", options, 4, &s, NULL);
  op.data = (const uint8_t *)"x";
  op.n_data = 1;
  if (status == MST_OK) status = mst_store_perform(s, &op, NULL);
  op = mst_op_make(MST_OP_LIST, NULL);
  op.prefix = "memory/";
  op.page = &page;
  if (status == MST_OK) status = mst_store_perform(s, &op, NULL);
  op = mst_op_make(MST_OP_DELETE, NULL);
  op.keys = keys;
  op.n_keys = 2;
  if (status == MST_OK) status = mst_store_perform(s, &op, NULL);
  mst_page_free(&page);
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
      const mst_status status = work_once(&a);
      assert_int_equal(a.live_blocks, 0);
      if (!a.failed) {
        assert_int_equal(status, MST_OK);
        break;
      }
      if (status != MST_E_NO_MEMORY && status != MST_OK) fail_msg("allocation %ld: %s", n, mst_status_name(status));
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(signed_reads_work),
      cmocka_unit_test(refusals_say_what_happened),
      cmocka_unit_test(signatures_go_to_no_other_host),
      cmocka_unit_test(trouble_passes),
      cmocka_unit_test(heads_that_are_refused_are_asked_otherwise),
      cmocka_unit_test(damaged_bodies_are_fetched_again),
      cmocka_unit_test(the_region_is_found_and_remembered),
      cmocka_unit_test(a_wrong_clock_is_allowed_for),
      cmocka_unit_test(wrong_keys_are_refused_clearly),
      cmocka_unit_test(anonymous_wins_over_all),
      cmocka_unit_test(the_requester_pays_when_told),
      cmocka_unit_test(only_our_own_endpoints_get_signatures),
      cmocka_unit_test(addresses_that_are_none_are_refused),
      cmocka_unit_test(unconditional_writes_are_repeated),
      cmocka_unit_test(conditional_writes_are_sent_once),
      cmocka_unit_test(conditional_writes_tell_who_won),
      cmocka_unit_test(fresh_connections_carry_conditional_writes),
      cmocka_unit_test(keys_that_servers_fold_are_not_written),
      cmocka_unit_test(many_are_deleted_in_batches),
      cmocka_unit_test(keys_that_xml_cannot_carry_go_alone),
      cmocka_unit_test(what_was_not_deleted_is_named),
      cmocka_unit_test(listings_come_in_pages),
      cmocka_unit_test(hostile_listings_are_refused),
      cmocka_unit_test(listings_that_go_in_circles_end),
      cmocka_unit_test(parts_become_objects_whatever_is_lost),
      cmocka_unit_test(aborting_what_is_gone_is_no_error),
      cmocka_unit_test(pauses_pass_in_virtual_time),
      cmocka_unit_test(every_failing_allocation_is_survived),
  };
  int failed;
  faulty_need();
  store = faulty_s3("bkt", NULL);
  failed = cmocka_run_group_tests_name("s3", tests, NULL, NULL);
  mst_store_unref(store);
  faulty_end();
  return failed;
}
