/* store/retry.c - retry arithmetic: exponential backoff with full jitter, Retry-After, classes of answers.
 * Owns nothing; pure functions over base. */
#include "store/retry.h"

enum { DAY_S = 24 * 60 * 60, SECOND_US = 1000 * 1000 };

int64_t mst_retry_pause(const mst_retry_policy *p, uint32_t attempt, int64_t retry_after_us, uint64_t random) {
  const uint32_t doublings = attempt == 0 ? 0 : attempt - 1;
  int64_t ceiling = p->cap_us, pause;
  if (doublings < 32 && p->base_us <= (p->cap_us >> doublings)) ceiling = p->base_us << doublings;
  pause = ceiling <= 0 ? 0 : (int64_t)(random % ((uint64_t)ceiling + 1));
  if (retry_after_us <= 0) return pause;
  /* All who were told the same moment come back spread over a tenth of it. */
  return retry_after_us + (int64_t)(random % ((uint64_t)retry_after_us / 10 + 1));
}

int64_t mst_retry_after(const char *value, int64_t now_us) {
  const size_t digits = strspn(value, "0123456789");
  uint64_t seconds;
  int64_t at_us;
  if (digits > 0 && value[digits] == '\0') {
    if (mst_parse_u64(value, digits, "Retry-After", &seconds, NULL) != MST_OK || seconds > DAY_S) seconds = DAY_S;
    return (int64_t)seconds * SECOND_US;
  }
  if (!mst_time_parse_http(value, &at_us)) return -1;
  if (at_us <= now_us) return 0;
  if (at_us - now_us > (int64_t)DAY_S * SECOND_US) return (int64_t)DAY_S * SECOND_US;
  return at_us - now_us;
}

static bool is_throttle_code(const char *code) {
  static const char *const codes[] = {"SlowDown",
                                      "SlowDownRead",
                                      "SlowDownWrite",
                                      "Throttling",
                                      "ThrottlingException",
                                      "ThrottledException",
                                      "RequestThrottled",
                                      "RequestThrottledException",
                                      "RequestLimitExceeded",
                                      "BandwidthLimitExceeded",
                                      "TooManyRequests",
                                      "TooManyRequestsException",
                                      "ServiceUnavailable",
                                      "EC2ThrottledException",
                                      "ProvisionedThroughputExceededException"};
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
    if (mst_text_equal(code, codes[i])) return true;
  return false;
}

mst_reply_class mst_reply_classify(int http_status, const char *code) {
  if (http_status >= 200 && http_status < 300) return MST_REPLY_FINE;
  if (http_status == 429 || is_throttle_code(code)) return MST_REPLY_THROTTLED;
  if (mst_text_equal(code, "RequestTimeout") || mst_text_equal(code, "InternalError")) return MST_REPLY_FAILED;
  switch (http_status) {
  case 301:
  case 302:
  case 303:
  case 307:
  case 308: return MST_REPLY_REDIRECT;
  case 408:
  case 425:
  case 500:
  case 502:
  case 503:
  case 504:
  case 509:
  case 520: /* the fronts of some providers: unknown error, web server down, timed out … */
  case 521:
  case 522:
  case 523:
  case 524: return MST_REPLY_FAILED;
  default: return MST_REPLY_REFUSED;
  }
}
