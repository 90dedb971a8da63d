/* tests/store/test_retry.c - pauses between attempts, Retry-After, classes of answers, and what headers tell. */
#include "support/support.h"

#include <string.h>

#include "store/reply.h"
#include "store/retry.h"

static const mst_retry_policy policy = MST_RETRY_POLICY_INIT;

static void pauses_grow_and_are_spread(void **state) {
  (void)state;
  for (uint32_t attempt = 1; attempt < 100; attempt++) {
    int64_t ceiling = policy.cap_us, low = INT64_MAX, high = 0;
    if (attempt <= 7) ceiling = policy.base_us << (attempt - 1);
    if (ceiling > policy.cap_us) ceiling = policy.cap_us;
    for (uint64_t random = 0; random < 4000; random++) {
      const int64_t pause = mst_retry_pause(&policy, attempt, 0, random * 0x9E3779B97F4A7C15u);
      assert_true(pause >= 0 && pause <= ceiling);
      if (pause < low) low = pause;
      if (pause > high) high = pause;
    }
    assert_true(low < ceiling / 20);
    assert_true(high > ceiling - ceiling / 20);
  }
  assert_int_equal(mst_retry_pause(&policy, 1, 0, 0), 0);
  assert_int_equal(mst_retry_pause(&policy, 1, 0, (uint64_t)policy.base_us), policy.base_us);
}

static void the_servers_pause_is_kept(void **state) {
  (void)state;
  for (uint64_t random = 0; random < 1000; random += 7) {
    const int64_t pause = mst_retry_pause(&policy, 3, 5000000, random * 0x9E3779B97F4A7C15u);
    assert_true(pause >= 5000000 && pause <= 5500000);
  }
}

static void retry_after_is_seconds_or_a_date(void **state) {
  const int64_t now = INT64_C(1795245000) * 1000000; /* Sat, 21 Nov 2026 07:10:00 GMT */
  (void)state;
  assert_int_equal(mst_retry_after("0", now), 0);
  assert_int_equal(mst_retry_after("120", now), 120000000);
  assert_int_equal(mst_retry_after("99999999999999999999999", now), INT64_C(86400000000));
  assert_int_equal(mst_retry_after("Sat, 21 Nov 2026 07:10:10 GMT", now), 10000000);
  assert_int_equal(mst_retry_after("Sat, 21 Nov 2026 07:00:00 GMT", now), 0);
  assert_int_equal(mst_retry_after("Sat, 21 Nov 2099 07:00:00 GMT", now), INT64_C(86400000000));
  assert_int_equal(mst_retry_after("soon", now), -1);
  assert_int_equal(mst_retry_after("-1", now), -1);
  assert_int_equal(mst_retry_after("1.5", now), -1);
  assert_int_equal(mst_retry_after("", now), -1);
}

static void answers_have_classes(void **state) {
  static const struct {
    int http;
    const char *code;
    mst_reply_class class;
  } cases[] = {{200, "", MST_REPLY_FINE},
               {206, "", MST_REPLY_FINE},
               {301, "", MST_REPLY_REDIRECT},
               {307, "", MST_REPLY_REDIRECT},
               {304, "", MST_REPLY_REFUSED},
               {400, "", MST_REPLY_REFUSED},
               {400, "RequestTimeout", MST_REPLY_FAILED},
               {403, "AccessDenied", MST_REPLY_REFUSED},
               {404, "", MST_REPLY_REFUSED},
               {408, "", MST_REPLY_FAILED},
               {409, "", MST_REPLY_REFUSED},
               {412, "", MST_REPLY_REFUSED},
               {416, "", MST_REPLY_REFUSED},
               {429, "", MST_REPLY_THROTTLED},
               {500, "", MST_REPLY_FAILED},
               {501, "", MST_REPLY_REFUSED},
               {502, "", MST_REPLY_FAILED},
               {503, "", MST_REPLY_FAILED},
               {503, "SlowDown", MST_REPLY_THROTTLED},
               {503, "ServiceUnavailable", MST_REPLY_THROTTLED},
               {504, "", MST_REPLY_FAILED},
               {400, "Throttling", MST_REPLY_THROTTLED},
               {505, "", MST_REPLY_REFUSED}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    assert_int_equal(mst_reply_classify(cases[i].http, cases[i].code), cases[i].class);
}

/* --- headers
 * ---------------------------------------------------------------------------------------------------------- */

static mst_reply parse(const char *const *lines) {
  mst_reply r;
  mst_reply_begin(&r);
  for (; *lines != NULL; lines++) mst_reply_line(&r, *lines, strlen(*lines));
  return r;
}
#define PARSE(...) parse((const char *const[]){__VA_ARGS__, NULL})

static void facts_are_read_in_any_case(void **state) {
  mst_reply r =
      PARSE("HTTP/1.1 206 Partial Content\r\n", "ETAG: \"abc\"\r\n", "content-LENGTH:  10 \r\n",
            "Content-Range: bytes 5-14/100\r\n", "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n",
            "x-amz-request-id: R1\r\n", "X-Amz-Id-2: H1\r\n", "x-amz-version-id: v7\r\n",
            "x-amz-bucket-region: eu-west-1\r\n", "Retry-After: 3\r\n", "x-amz-checksum-crc32c: AAAAAA==\r\n", "\r\n");
  (void)state;
  assert_int_equal(r.status, 206);
  assert_string_equal(r.etag, "\"abc\"");
  assert_true(r.length_known);
  assert_int_equal(r.length, 10);
  assert_int_equal(r.range, MST_RANGE_GIVEN);
  assert_int_equal(r.range_first, 5);
  assert_int_equal(r.range_last, 14);
  assert_int_equal(r.range_total, 100);
  assert_int_equal(r.modified_us, INT64_C(1767225600000000));
  assert_string_equal(r.request_id, "R1");
  assert_string_equal(r.host_id, "H1");
  assert_string_equal(r.version, "v7");
  assert_string_equal(r.region, "eu-west-1");
  assert_string_equal(r.retry_after, "3");
  assert_int_equal(r.sum, MST_SUM_CRC32C);
}

static void interim_replies_are_forgotten(void **state) {
  mst_reply r = PARSE("HTTP/1.1 100 Continue", "ETag: \"old\"", "", "HTTP/1.1 200 OK", "Content-Length: 0");
  (void)state;
  assert_int_equal(r.status, 200);
  assert_string_equal(r.etag, "");
}

static void nonsense_is_marked_or_dropped(void **state) {
  static const char *const ranges[] = {"bytes 5-4/10",
                                       "bytes 0-10/10",
                                       "bytes 0-9/18446744073709551616",
                                       "bytes 0-9",
                                       "bytes -1-9/10",
                                       "bytes 0-9/10x",
                                       "lines 0-9/10",
                                       "bytes",
                                       "bytes ",
                                       "bytes a-b/c",
                                       "bytes 0-9/10, 20-29/30",
                                       "0-9/10"};
  mst_reply r;
  (void)state;
  for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
    char line[80] = "Content-Range: ";
    strcat(line, ranges[i]);
    r = PARSE("HTTP/1.1 206 x", line);
    assert_int_equal(r.range, MST_RANGE_WRONG);
  }
  r = PARSE("HTTP/1.1 206 x", "Content-Range: bytes 0-9/10", "Content-Range: bytes 1-9/10");
  assert_int_equal(r.range, MST_RANGE_WRONG);
  r = PARSE("HTTP/1.1 416 x", "Content-Range: bytes */10");
  assert_int_equal(r.range, MST_RANGE_UNSATISFIED);
  assert_int_equal(r.range_total, 10);
  r = PARSE("HTTP/1.1 206 x", "Content-Range: bytes 0-9/*");
  assert_int_equal(r.range, MST_RANGE_GIVEN);
  assert_false(r.range_total_known);
  r = PARSE("HTTP/1.1 200 x", "Content-Length: -1", "no colon", ": empty", "x", "Date: yesterday",
            "Content-Encoding: identity", "x-amz-version-id: null");
  assert_false(r.length_known);
  assert_int_equal(r.date_us, 0);
  assert_string_equal(r.encoding, "");
  assert_string_equal(r.version, "");
  r = PARSE("HTTP/1.1", "HTTP/banana", "HTTP/1.1 99999 x");
  assert_int_equal(r.status, 0);
}

static void long_values_are_cut_or_dropped(void **state) {
  char line[4000];
  mst_reply r;
  (void)state;
  memset(line, 'x', sizeof line - 1);
  line[sizeof line - 1] = '\0';
  memcpy(line, "etag: ", 6);
  r = PARSE("HTTP/1.1 200 OK", line);
  assert_string_equal(r.etag, ""); /* a part of an ETag would match what it should not */
  assert_true(r.etag_cut);
  memcpy(line, "x-amz-id-2: ", 12);
  r = PARSE("HTTP/1.1 200 OK", line);
  assert_int_equal(strlen(r.host_id), sizeof r.host_id - 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(pauses_grow_and_are_spread),       cmocka_unit_test(the_servers_pause_is_kept),
      cmocka_unit_test(retry_after_is_seconds_or_a_date), cmocka_unit_test(answers_have_classes),
      cmocka_unit_test(facts_are_read_in_any_case),       cmocka_unit_test(interim_replies_are_forgotten),
      cmocka_unit_test(nonsense_is_marked_or_dropped),    cmocka_unit_test(long_values_are_cut_or_dropped),
  };
  return cmocka_run_group_tests_name("retry", tests, NULL, NULL);
}
