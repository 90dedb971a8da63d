/* tests/store/test_sign.c - SigV4 against published examples (the AWS test suite and the S3 reference) and against
 * values of an independent implementation; checksums against known ones. */
#include "support/support.h"

#include <string.h>

#include "store/checksum.h"
#include "store/sign.h"

static mst_crypto crypto;

static int load(void **state) {
  (void)state;
  return mst_crypto_load(&crypto, NULL) == MST_OK ? 0 : -1;
}

typedef struct example {
  const char *access, *secret, *date, *service, *method, *path, *query, *payload;
  mst_header headers[6];
  const char *names, *signature;
} example;

#define SUITE "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20150830T123600Z", "service"
#define GUIDE "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20130524T000000Z", "s3"
#define HOST \
  { "host", "example.amazonaws.com" }
#define DATE \
  { "x-amz-date", "20150830T123600Z" }

static const example examples[] = {
    {SUITE,
     "GET",
     "/",
     "",
     MST_EMPTY_SHA256,
     {HOST, DATE},
     "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {SUITE,
     "GET",
     "/",
     "Param1=value1&Param2=value2",
     MST_EMPTY_SHA256,
     {HOST, DATE},
     "host;x-amz-date",
     "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
    {SUITE,
     "GET",
     "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
     "",
     MST_EMPTY_SHA256,
     {HOST, DATE},
     "host;x-amz-date",
     "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
    {SUITE,
     "GET",
     "/%E1%88%B4",
     "",
     MST_EMPTY_SHA256,
     {HOST, DATE},
     "host;x-amz-date",
     "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
    {SUITE,
     "POST",
     "/",
     "",
     MST_EMPTY_SHA256,
     {HOST, DATE},
     "host;x-amz-date",
     "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
    {GUIDE,
     "GET",
     "/test.txt",
     "",
     MST_EMPTY_SHA256,
     {{"host", "examplebucket.s3.amazonaws.com"},
      {"range", "bytes=0-9"},
      {"x-amz-content-sha256", MST_EMPTY_SHA256},
      {"x-amz-date", "20130524T000000Z"}},
     "host;range;x-amz-content-sha256;x-amz-date",
     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
    {GUIDE,
     "PUT",
     "/test%24file.text",
     "",
     "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
     {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
      {"host", "examplebucket.s3.amazonaws.com"},
      {"x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"},
      {"x-amz-date", "20130524T000000Z"},
      {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
     "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
    {GUIDE,
     "GET",
     "/",
     "lifecycle=",
     MST_EMPTY_SHA256,
     {{"host", "examplebucket.s3.amazonaws.com"},
      {"x-amz-content-sha256", MST_EMPTY_SHA256},
      {"x-amz-date", "20130524T000000Z"}},
     "host;x-amz-content-sha256;x-amz-date",
     "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
    {GUIDE,
     "GET",
     "/",
     "max-keys=2&prefix=J",
     MST_EMPTY_SHA256,
     {{"host", "examplebucket.s3.amazonaws.com"},
      {"x-amz-content-sha256", MST_EMPTY_SHA256},
      {"x-amz-date", "20130524T000000Z"}},
     "host;x-amz-content-sha256;x-amz-date",
     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
};

static void sign_example(mst_signer *signer, const example *e, mst_credentials *c, char *out) {
  mst_sign_input in = {.method = e->method,
                       .path = e->path,
                       .n_path = strlen(e->path),
                       .query = e->query,
                       .n_query = strlen(e->query),
                       .headers = e->headers,
                       .payload = e->payload,
                       .date = e->date,
                       .region = "us-east-1",
                       .service = e->service};
  mst_buf text;
  while (in.n_headers < 6 && e->headers[in.n_headers].name != NULL) in.n_headers++;
  mst_buf_init(&text, NULL, 4096);
  assert_int_equal(mst_sign(signer, c, &in, &text, NULL), MST_OK);
  strcpy(out, mst_buf_text(&text));
  mst_buf_free(&text);
}

static void published_examples_hold(void **state) {
  mst_signer signer;
  (void)state;
  assert_int_equal(mst_signer_open(&signer, &crypto, NULL, NULL), MST_OK);
  for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
    const example *e = &examples[i];
    char text[1024], expected[1024];
    mst_credentials *c = NULL;
    assert_int_equal(mst_credentials_new(NULL, e->access, e->secret, NULL, 0, "test", &c, NULL), MST_OK);
    for (int again = 0; again < 2; again++) { /* the second time with the key of the day at hand */
      sign_example(&signer, e, c, text);
      snprintf(expected, sizeof expected,
               "AWS4-HMAC-SHA256 Credential=%s/%.8s/us-east-1/%s/aws4_request, SignedHeaders=%s, Signature=%s",
               e->access, e->date, e->service, e->names, e->signature);
      assert_string_equal(text, expected);
    }
    mst_credentials_unref(c);
  }
  mst_signer_close(&signer);
}

static void blanks_in_values_count_once(void **state) {
  /* get-header-value-trim of the AWS test suite, trimmed at both ends already. */
  const example e = {SUITE,
                     "GET",
                     "/",
                     "",
                     MST_EMPTY_SHA256,
                     {HOST, {"my-header1", "value1"}, {"my-header2", "\"a   b   c\""}, DATE},
                     "host;my-header1;my-header2;x-amz-date",
                     "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"};
  mst_signer signer;
  mst_credentials *c = NULL;
  char text[1024];
  (void)state;
  assert_int_equal(mst_signer_open(&signer, &crypto, NULL, NULL), MST_OK);
  assert_int_equal(mst_credentials_new(NULL, e.access, e.secret, NULL, 0, "test", &c, NULL), MST_OK);
  sign_example(&signer, &e, c, text);
  assert_non_null(strstr(text, e.signature));
  mst_credentials_unref(c);
  mst_signer_close(&signer);
}

static void keys_change_with_day_region_and_credentials(void **state) {
  example e = examples[0];
  mst_signer signer, fresh;
  mst_credentials *c[2] = {NULL, NULL};
  char one[1024], two[1024];
  (void)state;
  assert_int_equal(mst_signer_open(&signer, &crypto, NULL, NULL), MST_OK);
  assert_int_equal(mst_credentials_new(NULL, "A", "secret", NULL, 0, "test", &c[0], NULL), MST_OK);
  assert_int_equal(mst_credentials_new(NULL, "A", "other", NULL, 0, "test", &c[1], NULL), MST_OK);
  for (int i = 0; i < 8; i++) {
    e.date = i & 1 ? "20150831T000000Z" : "20150830T123600Z";
    e.service = i & 2 ? "sts" : "s3";
    sign_example(&signer, &e, c[i >> 2], one);
    assert_int_equal(mst_signer_open(&fresh, &crypto, NULL, NULL), MST_OK);
    sign_example(&fresh, &e, c[i >> 2], two);
    mst_signer_close(&fresh);
    assert_string_equal(one, two);
  }
  mst_credentials_unref(c[0]);
  mst_credentials_unref(c[1]);
  mst_signer_close(&signer);
}

static void hmac_of_any_key(void **state) {
  /* RFC 4231, cases 1, 2 and 6. */
  static const struct {
    const char *key, *data, *mac;
  } cases[] = {
      {"\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b", "Hi There",
       "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {"Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"}};
  mst_digester d;
  uint8_t mac[MST_SHA256_SIZE], long_key[131];
  char hex[65];
  (void)state;
  assert_int_equal(mst_digester_open(&d, &crypto, NULL), MST_OK);
  for (size_t i = 0; i < 2; i++) {
    assert_int_equal(
        mst_hmac_sha256(&d, cases[i].key, strlen(cases[i].key), cases[i].data, strlen(cases[i].data), mac, NULL),
        MST_OK);
    mst_hex(mac, sizeof mac, hex);
    assert_string_equal(hex, cases[i].mac);
  }
  memset(long_key, 0xaa, sizeof long_key);
  assert_int_equal(mst_hmac_sha256(&d, long_key, sizeof long_key,
                                   "Test Using Larger Than Block-Size Key - Hash Key First", 54, mac, NULL),
                   MST_OK);
  mst_hex(mac, sizeof mac, hex);
  assert_string_equal(hex, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  mst_digester_close(&d);
}

static void checksums_are_the_known_ones(void **state) {
  static const struct {
    mst_sum_kind kind;
    const char *sum;
  } of_digits[] = {{MST_SUM_CRC32, "y/Q5Jg=="},
                   {MST_SUM_CRC32C, "4waSgw=="},
                   {MST_SUM_CRC64NVME, "rosUhgp5mIg="},
                   {MST_SUM_SHA1, "98O8HYCOBHMq32eZZczDTKeuNEE="},
                   {MST_SUM_SHA256, "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="}};
  static const mst_sum_kind kinds[] = {MST_SUM_CRC32, MST_SUM_CRC32C, MST_SUM_CRC64NVME, MST_SUM_SHA1, MST_SUM_SHA256};
  char text[MST_SUM_TEXT_MAX];
  mst_error err = {0};
  (void)state;
  for (size_t i = 0; i < 5; i++) {
    assert_int_equal(mst_sum_make(&crypto, of_digits[i].kind, "123456789", 9, text, NULL), MST_OK);
    assert_string_equal(text, of_digits[i].sum);
  }
  for (size_t i = 0; i < 5; i++) {
    assert_int_equal(mst_sum_make(&crypto, kinds[i], "some data", 9, text, NULL), MST_OK);
    assert_int_equal(mst_sum_check(&crypto, kinds[i], text, "some data", 9, &err), MST_OK);
    assert_int_equal(mst_sum_check(&crypto, kinds[i], text, "some datA", 9, &err), MST_E_CORRUPT);
    assert_non_null(strstr(err.message, mst_sum_header(kinds[i])));
  }
}

static void crcs_do_not_depend_on_alignment(void **state) {
  uint8_t data[100];
  (void)state;
  for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i * 37);
  for (size_t n = 0; n < 70; n++) {
    uint32_t crc = UINT32_MAX;
    uint64_t wide = UINT64_MAX;
    for (size_t i = 0; i < n; i++) {
      crc ^= data[i + 3];
      wide ^= data[i + 3];
      for (int bit = 0; bit < 8; bit++) {
        crc = crc & 1 ? crc >> 1 ^ 0x82F63B78u : crc >> 1;
        wide = wide & 1 ? wide >> 1 ^ UINT64_C(0x9A6C9329AC4BC9B5) : wide >> 1;
      }
    }
    assert_int_equal(mst_crc32c(data + 3, n), (uint32_t)~crc);
    assert_true(mst_crc64nvme(data + 3, n) == ~wide);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(published_examples_hold),
      cmocka_unit_test(blanks_in_values_count_once),
      cmocka_unit_test(keys_change_with_day_region_and_credentials),
      cmocka_unit_test(hmac_of_any_key),
      cmocka_unit_test(checksums_are_the_known_ones),
      cmocka_unit_test(crcs_do_not_depend_on_alignment),
  };
  return cmocka_run_group_tests_name("sign", tests, load, NULL);
}
