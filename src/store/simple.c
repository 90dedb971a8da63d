/* store/simple.c - one request of the library's own: for credentials. Text out, text in, with retries.
 * Owns nothing. Calls transport.h, retry.h, base. */
#include <stdio.h>

#include "store/call.h"

typedef struct simple {
  mst_exchange x; /* first */
  const mst_simple *in;
  mst_buf *text;
  const mst_env *env;
  uint32_t failures;
  int64_t began_us;
} simple;

static simple *of(mst_exchange *x) { return (simple *)(void *)x; }

static mst_go simple_begin(mst_exchange *x, mst_signer *signer) {
  simple *s = of(x);
  (void)signer;
  mst_buf_clear(s->text);
  x->request = (mst_request){
      .method = s->in->method, .url = s->in->url, .n_headers = s->in->n_headers, .no_proxy = s->in->no_proxy};
  memcpy(x->request.headers, s->in->headers, sizeof x->request.headers);
  if (s->in->body != NULL) {
    x->request.body = s->in->body;
    x->request.n_body = strlen(s->in->body);
  }
  return MST_GO_SEND;
}

static bool simple_head(mst_exchange *x) {
  mst_buf_clear(of(x)->text);
  return true;
}

static bool simple_body(mst_exchange *x, const void *data, size_t n) {
  x->status = mst_buf_put(of(x)->text, data, n, x->error);
  return x->status == MST_OK;
}

static mst_go end(mst_exchange *x, mst_status status) {
  x->status = status;
  return MST_GO_END;
}

static mst_go again(mst_exchange *x, mst_status status, const char *words) {
  simple *s = of(x);
  const mst_retry_policy *policy = s->in->policy;
  const int64_t now = s->env->tick_us(s->env->self);
  const int64_t asked =
      x->reply.retry_after[0] == '\0' ? 0 : mst_retry_after(x->reply.retry_after, s->env->now_us(s->env->self));
  int64_t pause;
  s->failures++;
  pause = mst_retry_pause(policy, s->failures, asked > 0 ? asked : 0, s->env->random(s->env->self));
  if (s->failures >= policy->attempts_max || now + pause - s->began_us > policy->total_us) {
    /* A reply is the caller's to read, whatever it says. */
    if (x->outcome == MST_OUTCOME_REPLY) return end(x, MST_OK);
    return end(x, mst_fail(x->error, status, "%s", words));
  }
  x->resume_at_us = now + pause;
  return MST_GO_WAIT;
}

static mst_go simple_settle(mst_exchange *x) {
  char words[320];
  snprintf(words, sizeof words, "%s", x->trouble);
  switch (x->outcome) {
  case MST_OUTCOME_REPLY:
    switch (mst_reply_classify(x->reply.status, "")) {
    case MST_REPLY_THROTTLED:
    case MST_REPLY_FAILED: return again(x, MST_E_IO, "");
    default: return end(x, MST_OK);
    }
  case MST_OUTCOME_CUT: return end(x, x->status);
  case MST_OUTCOME_NOT_SENT:
  case MST_OUTCOME_BROKEN: return again(x, MST_E_IO, words);
  case MST_OUTCOME_STALLED: return again(x, MST_E_TIMEOUT, words);
  case MST_OUTCOME_IMPOSSIBLE: return end(x, mst_fail(x->error, MST_E_IO, "%s", words));
  case MST_OUTCOME_CANCELLED: return end(x, mst_fail(x->error, MST_E_CANCELLED, "cancelled on request"));
  case MST_OUTCOME_DEADLINE: return end(x, mst_fail(x->error, MST_E_TIMEOUT, "the deadline passed"));
  }
  return end(x, mst_fail(x->error, MST_E_INTERNAL, "an outcome that nobody knows"));
}

static const mst_exchange_ops simple_ops = {
    .begin = simple_begin, .head = simple_head, .body = simple_body, .settle = simple_settle};

mst_status mst_call_simple(mst_transport *t, const mst_simple *in, mst_reply *reply, mst_buf *text, mst_error *err) {
  mst_error why = {.status = MST_OK};
  const mst_env *env = mst_context_env(mst_transport_context(t));
  simple s = {.in = in, .text = text, .env = env, .began_us = env->tick_us(env->self)};
  mst_status status;
  s.x.ops = &simple_ops;
  s.x.config = in->config;
  s.x.parent = in->parent;
  s.x.error = err != NULL ? err : &why;
  status = mst_transport_run(t, &s.x);
  mst_free(mst_context_mem(mst_transport_context(t)), s.x.location);
  *reply = s.x.reply;
  return status;
}
