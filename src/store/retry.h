/* store/retry.h - which answers are worth another try, and how long to wait before it. Private to the store module. */
#ifndef MST_STORE_RETRY_H
#define MST_STORE_RETRY_H

#include "base/base.h"

typedef struct mst_retry_policy {
  uint32_t attempts_max; /* requests in all that may fail; 1: no retry */
  int64_t base_us;       /* the first pause lies between 0 and this, each further one up to twice it */
  int64_t cap_us;        /* but no more than this */
  int64_t total_us;      /* no pause may end later than this after the operation began; 0: any time */
} mst_retry_policy;
#define MST_RETRY_POLICY_INIT \
  { .attempts_max = 8, .base_us = 100 * 1000, .cap_us = 10 * 1000 * 1000, .total_us = 180 * 1000 * 1000 }

/* The pause before attempt `attempt` + 1, where `attempt` requests (from 1) have failed: full jitter, and never less
 * than the server asked for (`retry_after_us`, 0 when it did not). */
int64_t mst_retry_pause(const mst_retry_policy *p, uint32_t attempt, int64_t retry_after_us, uint64_t random);

/* The value of Retry-After: seconds or a date. -1 when it is neither; what is absurd is cut to a day. */
int64_t mst_retry_after(const char *value, int64_t now_us);

typedef enum mst_reply_class {
  MST_REPLY_FINE,      /* 2xx */
  MST_REPLY_REDIRECT,  /* 3xx with a place to go */
  MST_REPLY_REFUSED,   /* the request was understood and turned down: the same again is useless */
  MST_REPLY_THROTTLED, /* turned down unread because of load: surely without effect */
  MST_REPLY_FAILED     /* the server failed, perhaps after it had acted */
} mst_reply_class;
/* `code`: the error code in the body, "" when there is none. */
mst_reply_class mst_reply_classify(int http_status, const char *code);

#endif
