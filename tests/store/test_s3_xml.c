/* tests/store/test_s3_xml.c - the XML scanner and S3's documents: what servers write, and what hostile ones do. */
#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/s3_xml.h"
#include "store/xml.h"

/* A copy of exactly its size, so that a sanitizer sees a read behind the end. */
static char *copy_of(const char *text, size_t *n) {
  *n = strlen(text);
  char *copy = malloc(*n == 0 ? 1 : *n);
  memcpy(copy, text, *n);
  return copy;
}

static void tokens_of(const char *text, char *out, size_t n_out) {
  size_t n;
  char *copy = copy_of(text, &n);
  mst_xml x = mst_xml_over(copy, n);
  out[0] = '\0';
  for (;;) {
    const mst_xml_kind kind = mst_xml_next(&x);
    char piece[200];
    const char *form = kind == MST_XML_OPEN ? "<%.*s>" : kind == MST_XML_CLOSE ? "</%.*s>" : "%.*s";
    if (kind == MST_XML_END || kind == MST_XML_WRONG) {
      strncat(out, kind == MST_XML_END ? "." : "!", n_out - strlen(out) - 1);
      break;
    }
    snprintf(piece, sizeof piece, form, (int)x.n_token, x.token);
    strncat(out, piece, n_out - strlen(out) - 1);
  }
  free(copy);
}

static void tokens_are_what_is_written(void **state) {
  static const struct {
    const char *text, *tokens;
  } cases[] = {
      {"<a>b</a>", "<a>b</a>."},
      {"\xEF\xBB\xBF<?xml version=\"1.0\"?>\n<a x='>' y=\"/>\"><b/>t</a>\n", "<a><b></b>t</a>."},
      {"<s:a xmlns:s='u'><s:b>1</s:b></s:a>", "<a><b>1</b></a>."},
      {"<a>&lt;&gt;&amp;&quot;&apos;&#65;&#x42;&#x20AC;&#128512;</a>", "<a><>&\"'AB\xE2\x82\xAC\xF0\x9F\x98\x80</a>."},
      {"<a><!-- <b> -->x<![CDATA[<&>]]></a>", "<a>x<&></a>."},
      {"<a>&#x1;</a>", "<a>\x01</a>."},
      {"", "."},
      {"<a>", "<a>!"},
      {"<a></a></a>", "<a></a>!"},
      {"text", "!"},
      {"<a>&nosuch;</a>", "<a>!"},
      {"<a>&#0;</a>", "<a>!"},
      {"<a>&#xD800;</a>", "<a>!"},
      {"<a>&#x110000;</a>", "<a>!"},
      {"<a>&#99999999999;</a>", "<a>!"},
      {"<a>&amp</a>", "<a>!"},
      {"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "!"},
      {"<a", "!"},
      {"<>", "!"},
      {"</a>", "!"},
      {"<a><!-- ", "<a>!"},
      {"<a><![CDATA[x", "<a>!"},
      {"<a></", "<a>!"},
      {"<a x=\"", "!"},
  };
  char out[400];
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    tokens_of(cases[i].text, out, sizeof out);
    assert_string_equal(out, cases[i].tokens);
  }
}

static void depth_is_bounded(void **state) {
  char text[400] = "", out[800];
  (void)state;
  for (int i = 0; i < 40; i++) strcat(text, "<a>");
  tokens_of(text, out, sizeof out);
  assert_int_equal(out[strlen(out) - 1], '!');
}

static void text_comes_in_one_piece(void **state) {
  static const struct {
    const char *text, *value;
  } cases[] = {{"<r><k>plain</k></r>", "plain"},
               {"<r><k/></r>", ""},
               {"<r><k></k></r>", ""},
               {"<r><k>a<!-- x -->b<![CDATA[&c]]>d&amp;e</k></r>", "ab&cd&e"},
               {"<r><k> blank </k></r>", " blank "},
               {"<r><k>a<x>inner</x>b</k></r>", "ab"}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t n, n_value;
    char *copy = copy_of(cases[i].text, &n);
    const char *value;
    mst_xml x = mst_xml_over(copy, n);
    assert_int_equal(mst_xml_next(&x), MST_XML_OPEN);
    assert_int_equal(mst_xml_next(&x), MST_XML_OPEN);
    assert_true(mst_xml_text(&x, &value, &n_value));
    assert_int_equal(n_value, strlen(cases[i].value));
    assert_memory_equal(value, cases[i].value, n_value);
    assert_int_equal(mst_xml_next(&x), MST_XML_CLOSE);
    assert_int_equal(mst_xml_next(&x), MST_XML_END);
    free(copy);
  }
}

static void what_xml_needs_is_escaped(void **state) {
  mst_buf out;
  bool fit;
  (void)state;
  mst_buf_init(&out, NULL, 1000);
  assert_int_equal(mst_xml_escape(&out, "a<b>&\"'\r\n\t\xC3\xA9", &fit, NULL), MST_OK);
  assert_true(fit);
  assert_string_equal(mst_buf_text(&out), "a&lt;b&gt;&amp;\"'&#13;&#10;&#9;\xC3\xA9");
  assert_int_equal(mst_xml_escape(&out, "a\x01", &fit, NULL), MST_OK);
  assert_false(fit);
  assert_int_equal(mst_xml_escape(&out, "\xEF\xBF\xBF", &fit, NULL), MST_OK);
  assert_false(fit);
  mst_buf_free(&out);
}

/* --- documents
 * -------------------------------------------------------------------------------------------------------- */

static void errors_give_their_facts(void **state) {
  mst_s3_error e;
  size_t n;
  char *copy = copy_of(
      "<?xml version=\"1.0\"?>\n<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region is "
      "&apos;wrong&apos;</Message><Region>eu-west-1</Region>"
      "<RequestId>R</RequestId><HostId>H</HostId><Endpoint>b.s3.x</Endpoint><Deep><Code>no</Code></Deep></Error>",
      &n);
  (void)state;
  assert_true(mst_s3_error_parse(copy, n, &e));
  assert_string_equal(e.code, "AuthorizationHeaderMalformed");
  assert_string_equal(e.message, "the region is 'wrong'");
  assert_string_equal(e.region, "eu-west-1");
  assert_string_equal(e.request_id, "R");
  assert_string_equal(e.host_id, "H");
  assert_string_equal(e.endpoint, "b.s3.x");
  free(copy);
  copy = copy_of("<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code></Error><RequestId>S</RequestId></"
                 "ErrorResponse>",
                 &n);
  assert_true(mst_s3_error_parse(copy, n, &e));
  assert_string_equal(e.code, "AccessDenied");
  free(copy);
  copy = copy_of("<html><body><Error><Code>x</Code></Error></body></html>", &n);
  assert_false(mst_s3_error_parse(copy, n, &e));
  free(copy);
  copy = copy_of("<Error><Code>SlowDown</Code><Mess", &n); /* cut: what came is still of use */
  assert_true(mst_s3_error_parse(copy, n, &e));
  assert_string_equal(e.code, "SlowDown");
  free(copy);
}

static mst_status parse_list(const char *body, const char *prefix, const char *token, mst_page *page, mst_error *err) {
  char text[4000];
  size_t n;
  snprintf(text, sizeof text,
           "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">%s</ListBucketResult>", body);
  char *copy = copy_of(text, &n);
  mst_page_init(page, NULL);
  *err = (mst_error){0};
  const mst_status status = mst_s3_list_parse(copy, n, prefix, token, page, NULL, err);
  free(copy);
  return status;
}

static void listings_give_entries_in_order(void **state) {
  mst_page page;
  mst_error err;
  (void)state;
  assert_int_equal(
      parse_list("<Name>b</Name><Prefix>p/</Prefix><IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b=</"
                 "NextContinuationToken>"
                 "<Contents><Key>p/a</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified><ETag>&quot;e&quot;</"
                 "ETag><Size>17</Size><Owner><ID>x</ID></Owner></Contents>"
                 "<Contents><Key>p/z</Key><LastModified>2026-01-02T03:04:05Z</LastModified><Size>18446744073709551615</"
                 "Size></Contents>"
                 "<CommonPrefixes><Prefix>p/m/</Prefix></CommonPrefixes>",
                 "p/", NULL, &page, &err),
      MST_OK);
  assert_int_equal(page.n, 3);
  assert_string_equal(page.next, "a&b=");
  assert_string_equal(page.entries[0].key, "p/a");
  assert_string_equal(page.entries[0].etag, "\"e\"");
  assert_int_equal(page.entries[0].size, 17);
  assert_int_equal(page.entries[0].modified_ns, INT64_C(1767323045678000000));
  assert_string_equal(page.entries[1].key, "p/m/");
  assert_true(page.entries[1].is_prefix);
  assert_string_equal(page.entries[2].key, "p/z");
  assert_int_equal(page.entries[2].modified_ns, INT64_C(1767323045000000000));
  assert_true(page.entries[2].size == UINT64_MAX);
  mst_page_free(&page);
}

static void encoded_keys_are_decoded_only_when_said(void **state) {
  mst_page page;
  mst_error err;
  (void)state;
  assert_int_equal(parse_list("<Contents><Key>a%20b+c</Key><Size>1</Size></Contents>", "", NULL, &page, &err), MST_OK);
  assert_string_equal(page.entries[0].key, "a%20b+c");
  mst_page_free(&page);
  assert_int_equal(
      parse_list("<Contents><Key>a%20b+c%2Bd%25%01</Key><Size>1</Size></Contents><EncodingType>url</EncodingType>", "",
                 NULL, &page, &err),
      MST_OK);
  assert_string_equal(page.entries[0].key, "a b c+d%\x01");
  mst_page_free(&page);
}

static void hostile_listings_are_errors(void **state) {
  static const char *const bad[] = {
      "<IsTruncated>true</IsTruncated>",
      "<IsTruncated>true</IsTruncated><NextContinuationToken>same</NextContinuationToken>",
      "<Contents><Size>1</Size></Contents>",
      "<Contents><Key>p/a</Key><Size>-1</Size></Contents>",
      "<Contents><Key>p/a</Key><Size>18446744073709551616</Size></Contents>",
      "<Contents><Key>q/a</Key><Size>1</Size></Contents>",
      "<EncodingType>url</EncodingType><Contents><Key>p/%</Key></Contents>",
      "<EncodingType>url</EncodingType><Contents><Key>p/%zz</Key></Contents>",
      "<EncodingType>url</EncodingType><Contents><Key>p/%00</Key></Contents>",
      "<Contents><Key>p/a</Key>",
      "<CommonPrefixes></CommonPrefixes>",
  };
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    mst_page page;
    mst_error err;
    assert_int_equal(parse_list(bad[i], "p/", "same", &page, &err), MST_E_CORRUPT);
    assert_non_null(strstr(err.message, "listing"));
    mst_page_free(&page);
  }
}

static void values_come_or_the_error_inside(void **state) {
  const char *value;
  mst_s3_error failed;
  mst_error err = {0};
  size_t n;
  char *copy = copy_of(
      "<InitiateMultipartUploadResult><Bucket>b</Bucket><UploadId>a&amp;b</UploadId></InitiateMultipartUploadResult>",
      &n);
  (void)state;
  assert_int_equal(mst_s3_value_parse(copy, n, "InitiateMultipartUploadResult", "UploadId", &value, &failed, &err),
                   MST_OK);
  assert_string_equal(value, "a&b");
  free(copy);
  copy = copy_of("  \n<Error><Code>InternalError</Code><Message>m</Message></Error>", &n);
  assert_int_equal(mst_s3_value_parse(copy, n, "CompleteMultipartUploadResult", "ETag", &value, &failed, &err),
                   MST_E_IO);
  assert_string_equal(failed.code, "InternalError");
  free(copy);
  copy = copy_of("<Other/>", &n);
  assert_int_equal(mst_s3_value_parse(copy, n, "CompleteMultipartUploadResult", "ETag", &value, &failed, &err),
                   MST_E_CORRUPT);
  free(copy);
}

static void deletions_name_what_is_left(void **state) {
  mst_s3_undeleted left;
  mst_error err = {0};
  size_t n;
  char *copy =
      copy_of("<DeleteResult><Error><Key>gone</Key><Code>NoSuchKey</Code></Error><Deleted><Key>x</Key></"
              "Deleted><Error><Key>a&amp;b</Key><Code>AccessDenied</Code>"
              "<Message>no</Message></Error><Error><Key>c</Key><Code>InternalError</Code></Error></DeleteResult>",
              &n);
  (void)state;
  assert_int_equal(mst_s3_delete_parse(copy, n, &left, &err), MST_OK);
  assert_int_equal(left.n, 2);
  assert_string_equal(left.key, "a&b");
  assert_string_equal(left.error.code, "AccessDenied");
  free(copy);
}

static void bodies_hold_what_was_asked(void **state) {
  const char *keys[] = {"a&b", "odd\x02", "c"}, *tags[] = {"\"x\"", "\"y\""};
  bool odd[3];
  size_t n_odd;
  mst_buf out;
  (void)state;
  mst_buf_init(&out, NULL, 10000);
  assert_int_equal(mst_s3_delete_print(keys, 3, odd, &n_odd, &out, NULL), MST_OK);
  assert_int_equal(n_odd, 1);
  assert_true(!odd[0] && odd[1] && !odd[2]);
  assert_non_null(
      strstr(mst_buf_text(&out), "<Object><Key>a&amp;b</Key></Object><Object><Key>c</Key></Object></Delete>"));
  mst_buf_clear(&out);
  assert_int_equal(mst_s3_complete_print(tags, 2, &out, NULL), MST_OK);
  assert_non_null(strstr(mst_buf_text(&out),
                         "<Part><PartNumber>2</PartNumber><ETag>\"y\"</ETag></Part></CompleteMultipartUpload>"));
  mst_buf_free(&out);
}

/* Every beginning of a sound document is an error or an answer, never a crash. */
static void documents_cut_anywhere_are_survived(void **state) {
  static const char whole[] = "<?xml "
                              "version=\"1.0\"?><ListBucketResult><IsTruncated>true</"
                              "IsTruncated><NextContinuationToken>t</NextContinuationToken>"
                              "<Contents><Key>a&#x41;b</Key><Size>1</Size><ETag><![CDATA[\"x\"]]></ETag></"
                              "Contents><!-- c --><EncodingType>url</EncodingType></ListBucketResult>";
  (void)state;
  for (size_t n = 0; n < sizeof whole - 1; n++) {
    char *copy = malloc(n == 0 ? 1 : n);
    mst_page page;
    mst_s3_error e;
    mst_sts_reply sts;
    mst_page_init(&page, NULL);
    memcpy(copy, whole, n);
    assert_int_not_equal(mst_s3_list_parse(copy, n, "", NULL, &page, NULL, NULL), MST_OK);
    memcpy(copy, whole, n);
    (void)mst_s3_error_parse(copy, n, &e);
    memcpy(copy, whole, n);
    (void)mst_sts_parse(copy, n, &sts, NULL);
    mst_page_free(&page);
    free(copy);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tokens_are_what_is_written),
      cmocka_unit_test(depth_is_bounded),
      cmocka_unit_test(text_comes_in_one_piece),
      cmocka_unit_test(what_xml_needs_is_escaped),
      cmocka_unit_test(errors_give_their_facts),
      cmocka_unit_test(listings_give_entries_in_order),
      cmocka_unit_test(encoded_keys_are_decoded_only_when_said),
      cmocka_unit_test(hostile_listings_are_errors),
      cmocka_unit_test(values_come_or_the_error_inside),
      cmocka_unit_test(deletions_name_what_is_left),
      cmocka_unit_test(bodies_hold_what_was_asked),
      cmocka_unit_test(documents_cut_anywhere_are_survived),
  };
  return cmocka_run_group_tests_name("s3_xml", tests, NULL, NULL);
}
