/* store/call.h - one store operation over HTTP, from its first request to its completion: retries, resumed bodies,
 * errors with all their facts. What differs between S3 and plain HTTP is a dialect. Private to the store module. */
#ifndef MST_STORE_CALL_H
#define MST_STORE_CALL_H

#include "store/range.h"
#include "store/retry.h"
#include "store/s3_xml.h"
#include "store/transport.h"

typedef struct mst_call mst_call;

typedef enum mst_step {
  MST_STEP_MAIN,
  MST_STEP_ONE_BYTE, /* HEAD that told too little: a GET of one byte tells the size, and failures have words */
  MST_STEP_OWN       /* the dialect's own from here on */
} mst_step;

typedef struct mst_dialect {
  /* Makes c->x.request for the step that the call stands at; its texts go into c->lines. */
  mst_go (*request)(mst_call *c, mst_signer *signer);
  void (*block)(mst_call *c, mst_transport *t);
  /* A reply that is no success; c->said holds what its body tells. true: something was learnt (a region, the clock,
   * fresh keys, another address), and the request is to be made anew. */
  bool (*adapt)(mst_call *c);
  /* A success of anything but a GET; the body is c->text. May set another step and say MST_GO_AGAIN. */
  mst_go (*accept)(mst_call *c);
  void (*succeeded)(mst_call *c); /* any success; may be NULL */
  /* The status of a refusal, and words to add to its message ("" for none). */
  mst_status (*refuse)(mst_call *c, const char **hint);
  /* Takes out of a message whatever must not be seen. */
  void (*scrub)(mst_call *c, char *text, size_t n);
} mst_dialect;

struct mst_call {
  mst_exchange x; /* first: an exchange is its call */
  const mst_dialect *dialect;
  void *store;
  mst_op *op;
  mst_context *ctx;
  const mst_env *env;
  const mst_allocator *mem;
  const mst_retry_policy *policy;
  bool conditional;   /* a write that must not be repeated after an unclear reply */
  bool unclear;       /* an earlier attempt may have been carried out */
  bool failed_inside; /* `head` or `body` gave up: x.status says how, and whether to try again */
  uint32_t failures, stalls, adaptations, resumptions; /* a stall has cost patience: it counts twice */
  int64_t began_us;
  int step;         /* mst_step or one of the dialect's own */
  size_t done_keys; /* DELETE: of op->keys */
  size_t batch;     /* … in the request under way */
  mst_ranged range;
  mst_buf lines; /* the request's texts, each with a NUL: the URL, then headers */
  size_t header_at[MST_HEADERS_MAX];
  size_t n_headers;
  mst_buf body; /* a request body made by us */
  mst_buf text; /* the reply's body, unless it goes to the operation's own memory */
  mst_s3_error said;
  mst_credentials *credentials; /* that signed the request, a reference */
  const void *place;            /* the dialect's own: where the request went */
  const char *url;              /* of the store, for errors: no secret in it */
  char *redirected;             /* the URL to ask instead of the dialect's own; NULL: none */
  uint32_t redirects;
};

/* `start` and `run` of a store. The call ends by mst_op_done, or by its status. */
typedef struct mst_caller {
  const mst_dialect *dialect;
  void *store;
  const char *url; /* of the store, for errors: no secret in it */
  mst_context *ctx;
  mst_http_config *config;
  const mst_retry_policy *policy;
  bool refuse_encoding; /* see mst_ranged */
} mst_caller;
void mst_call_start(const mst_caller *caller, mst_op *op);
mst_status mst_call_run(const mst_caller *caller, mst_op *op, mst_error *err);
void mst_call_cancel(mst_context *ctx, mst_op *op);

/* For dialects, in `request`: c->lines begins with the URL; then one call for each header; then mst_call_ready. */
mst_status mst_call_header(mst_call *c, const char *name, const char *value, mst_error *err);
void mst_call_ready(mst_call *c, const char *method);
/* A success of HEAD or of the question for one byte that stands in for it: fills the operation's info. */
mst_go mst_call_accept_head(mst_call *c);
/* Ends the call with a status; c->x.error is filled. */
mst_go mst_call_end(mst_call *c, mst_status status);
/* Ends it with an error that says what was tried, `words`, the reply's ids, and `hint` ("" for none). */
mst_go mst_call_fail(mst_call *c, mst_status status, const char *words, const char *hint);
/* The reply says that the server failed, perhaps after it had acted: another attempt where that is safe. */
mst_go mst_call_failed_there(mst_call *c, const char *words);
/* "GET bytes 0-99", "PUT", "LIST": what the operation does, for messages. */
const char *mst_call_what(const mst_call *c, char out[96]);

/* One request of the library's own (for credentials): the reply's body in `text`, whatever its status. Retries what is
 * worth it. `lines`: "Name: value". */
typedef struct mst_simple {
  const char *method, *url;
  const char *headers[MST_HEADERS_MAX];
  size_t n_headers;
  const char *body;
  mst_http_config *config;
  const mst_retry_policy *policy;
  const mst_exchange *parent;
  bool no_proxy;
} mst_simple;
mst_status mst_call_simple(mst_transport *t, const mst_simple *in, mst_reply *reply, mst_buf *text, mst_error *err);

#endif
