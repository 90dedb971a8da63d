/* store/call.c - what happens between a request and an operation's completion: classes of outcomes, retries, pauses,
 * bodies that go on where they broke, and the words of errors. Owns calls and their buffers. Calls transport.h,
 * range.h, retry.h, s3_xml.h (for the errors of S3 and STS), base. */
#include "store/call.h"

#include <stdio.h>

#include "store/checksum.h"

enum {
  ERROR_TEXT_MAX = 64 << 10,
  REPLY_TEXT_MAX = 32 << 20,
  LINES_MAX = 64 << 10,
  ADAPTATIONS_MAX = 4,
  UNREACHED_MAX = 5,   /* attempts to reach a server that is not there */
  PROGRESS = 64 << 10, /* a reply that brought this much before it broke is no failed attempt */
  RESUMPTIONS_MAX = 4096,
  LARGE_REPLY = 128 << 10
};

typedef unsigned long long ull;

static mst_call *of(mst_exchange *x) { return (mst_call *)(void *)x; }
static int64_t tick(const mst_call *c) { return c->env->tick_us(c->env->self); }
static bool is_get(const mst_call *c) { return c->op->kind == MST_OP_GET; }

/* --- words -------------------------------------------------------------------------------------------------------- */

const char *mst_call_what(const mst_call *c, char out[96]) {
  const mst_op *op = c->op;
  if (op->kind == MST_OP_GET && op->from_end) snprintf(out, 96, "GET last %llu bytes", (ull)op->size);
  else if (op->kind == MST_OP_GET)
    snprintf(out, 96, "GET bytes %llu-%llu", (ull)op->offset, (ull)(op->offset + op->size - 1));
  else if (op->kind == MST_OP_DELETE && op->n_keys > 1) snprintf(out, 96, "DELETE of %zu keys", op->n_keys);
  else if (op->kind == MST_OP_UPLOAD_PART) snprintf(out, 96, "upload part %u", (unsigned)op->part);
  else snprintf(out, 96, "%s", mst_op_name(op->kind));
  return out;
}

/* The object's URL, without what may be secret in it. */
static const char *name(const mst_call *c, char out[sizeof((mst_error *)0)->object]) {
  const mst_op *op = c->op;
  const char *key = op->kind == MST_OP_LIST     ? op->prefix
                    : op->kind == MST_OP_DELETE ? (op->n_keys == 1 ? op->keys[0] : "")
                                                : op->key;
  char whole[2048];
  snprintf(whole, sizeof whole, "%.600s/%.1400s", c->url, key);
  return mst_url_redact(whole, out, sizeof((mst_error *)0)->object);
}

/* "GET bytes 0-99: HTTP 403 AccessDenied: Access Denied (request id …, host id …)" and the facts beside it. */
static mst_status describe(mst_call *c, mst_status status, bool retryable, const char *middle, const char *hint) {
  mst_error *err = c->x.error;
  const mst_reply *reply = &c->x.reply;
  const char *request_id = reply->request_id[0] != '\0' ? reply->request_id : c->said.request_id;
  const char *host_id = reply->host_id[0] != '\0' ? reply->host_id : c->said.host_id;
  char what[96], ids[224] = "", attempts[48] = "", object[sizeof err->object];
  if (request_id[0] != '\0' && host_id[0] != '\0')
    snprintf(ids, sizeof ids, " (request id %s, host id %s)", request_id, host_id);
  else if (request_id[0] != '\0') snprintf(ids, sizeof ids, " (request id %s)", request_id);
  if (c->failures > 1) snprintf(attempts, sizeof attempts, " (after %u attempts)", (unsigned)c->failures);
  (void)mst_fail(err, status, "%s: %s%s%s%s%s", mst_call_what(c, what), middle, ids, attempts,
                 hint[0] != '\0' ? "; " : "", hint);
  err->retryable = retryable;
  err->http_status = (int16_t)reply->status;
  snprintf(err->request_id, sizeof err->request_id, "%.63s", request_id);
  if (is_get(c) && !c->op->from_end) err->offset = (int64_t)(c->op->offset & INT64_MAX);
  c->dialect->scrub(c, err->message, sizeof err->message);
  c->dialect->scrub(c, err->request_id, sizeof err->request_id);
  return mst_error_name(err, status, name(c, object));
}

static const char *reply_words(const mst_call *c, char *out, size_t n) {
  const mst_s3_error *said = &c->said;
  if (said->code[0] != '\0' && said->message[0] != '\0')
    snprintf(out, n, "HTTP %d %s: %s", c->x.reply.status, said->code, said->message);
  else if (said->code[0] != '\0') snprintf(out, n, "HTTP %d %s", c->x.reply.status, said->code);
  else snprintf(out, n, "HTTP %d", c->x.reply.status);
  return out;
}

mst_go mst_call_end(mst_call *c, mst_status status) {
  c->x.status = status;
  return MST_GO_END;
}

/* --- retries ------------------------------------------------------------------------------------------------------ */

static mst_go give_up(mst_call *c, mst_status status, bool retryable, const char *words, const char *hint) {
  return mst_call_end(c, describe(c, status, retryable, words, hint));
}

/* After an attempt that failed as `words` say: another one after a pause, or the end. */
static mst_go retry(mst_call *c, mst_status status, uint32_t attempts_max, const char *words) {
  const int64_t asked =
      c->x.reply.retry_after[0] == '\0' ? 0 : mst_retry_after(c->x.reply.retry_after, c->env->now_us(c->env->self));
  int64_t pause, now = tick(c);
  char what[96];
  c->failures++;
  if (is_get(c)) mst_ranged_break(&c->range);
  if (c->failures + c->stalls >= attempts_max) return give_up(c, status, true, words, "");
  pause = mst_retry_pause(c->policy, c->failures, asked > 0 ? asked : 0, c->env->random(c->env->self));
  if (c->policy->total_us > 0 && now + pause - c->began_us > c->policy->total_us)
    return give_up(c, status, true, words,
                   asked > 0 ? "the server asks for a longer pause than is allowed"
                             : "no time is left for another attempt");
  if (c->x.deadline_us != 0 && now + pause >= c->x.deadline_us)
    return give_up(c, MST_E_TIMEOUT, true, words, "the deadline leaves no time for another attempt");
  mst_log(c->ctx, MST_LOG_DEBUG, "store", "%s: attempt %u failed, the next one in %lld ms", mst_call_what(c, what),
          (unsigned)c->failures, (long long)(pause / 1000));
  c->x.resume_at_us = now + pause;
  return MST_GO_WAIT;
}

/* The server may or may not have acted. */
static mst_go after_unclear(mst_call *c, mst_status status, const char *words) {
  c->unclear = true;
  if (c->conditional)
    return give_up(c, status, false, words, "the outcome is unknown: the write may have been carried out");
  return retry(c, status, c->policy->attempts_max, words);
}

/* Whether what came is worth a request of its own, and can be gone on with: then that was no failed attempt. */
static bool goes_on(mst_call *c, uint64_t worth) {
  if (!is_get(c) || c->range.gained < worth || c->resumptions >= RESUMPTIONS_MAX) return false;
  c->resumptions++;
  mst_ranged_break(&c->range);
  return c->range.have > 0;
}

static mst_go after_break(mst_call *c) {
  const bool stalled = c->x.outcome == MST_OUTCOME_STALLED;
  char words[400];
  if (is_get(c) && c->range.have > 0)
    snprintf(words, sizeof words, "%s after %llu bytes: %s", stalled ? "the transfer stalled" : "the connection broke",
             (ull)c->range.have, c->x.trouble);
  else snprintf(words, sizeof words, "%s: %s", stalled ? "no answer" : "the connection broke", c->x.trouble);
  if (goes_on(c, PROGRESS)) return MST_GO_AGAIN;
  if (stalled) c->stalls++;
  return after_unclear(c, stalled ? MST_E_TIMEOUT : MST_E_IO, words);
}

mst_go mst_call_fail(mst_call *c, mst_status status, const char *words, const char *hint) {
  return give_up(c, status, false, words, hint);
}
mst_go mst_call_failed_there(mst_call *c, const char *words) { return after_unclear(c, MST_E_IO, words); }

/* --- replies ------------------------------------------------------------------------------------------------------ */

static mst_go after_bad_reply(mst_call *c) {
  const mst_reply_class class = mst_reply_classify(c->x.reply.status, c->said.code);
  char words[420];
  const char *hint = "";
  mst_status status;
  reply_words(c, words, sizeof words);
  if (c->adaptations < ADAPTATIONS_MAX && c->dialect->adapt(c)) {
    c->adaptations++;
    return MST_GO_AGAIN;
  }
  if (class == MST_REPLY_THROTTLED) return retry(c, MST_E_IO, c->policy->attempts_max, words);
  if (class == MST_REPLY_FAILED) return after_unclear(c, MST_E_IO, words);
  status = c->dialect->refuse(c, &hint);
  if (status == MST_OK) return mst_call_end(c, MST_OK);
  return give_up(c, status, false, words, hint);
}

static mst_status check_sum(mst_call *c, mst_error *err) {
  const mst_reply *reply = &c->x.reply;
  if (reply->sum == MST_SUM_NONE || reply->sum_of_parts || c->range.first != 0 || c->range.have != c->range.seen.size)
    return MST_OK;
  mst_transport *t;
  const mst_status status = mst_transport_get(c->ctx, &t, err);
  if (status != MST_OK) return status;
  return mst_sum_check(mst_transport_crypto(t), reply->sum, reply->sum_value, c->op->into, (size_t)c->range.have, err);
}

static mst_go finish_get(mst_call *c) {
  mst_error why = {.status = MST_OK};
  mst_status status = check_sum(c, &why);
  if (status == MST_E_CORRUPT) {
    /* The bytes that came are not those that were stored; perhaps the next ones are. */
    mst_ranged_restart(&c->range);
    return retry(c, status, c->policy->attempts_max, why.message);
  }
  status = mst_ranged_finish(&c->range, &why);
  if (status == MST_OK) return mst_call_end(c, MST_OK);
  return give_up(c, status, status == MST_E_IO, why.message, "");
}

static mst_go after_unsatisfied(mst_call *c) {
  mst_error why = {.status = MST_OK};
  bool again = false;
  const mst_status status = mst_ranged_unsatisfied(&c->range, &c->x.reply, &again, &why);
  if (status == MST_E_IO) return retry(c, status, c->policy->attempts_max, why.message);
  if (status != MST_OK) return give_up(c, status, false, why.message, "");
  return again ? MST_GO_AGAIN : finish_get(c);
}

static mst_go after_get(mst_call *c) {
  if (c->x.reply.status != 200 && c->x.reply.status != 206) return after_bad_reply(c);
  if (mst_ranged_end(&c->range) == MST_RANGED_DONE) return finish_get(c);
  /* A server may give less than was asked for; what it gives must be something. */
  if (goes_on(c, 1)) return MST_GO_AGAIN;
  return retry(c, MST_E_IO, c->policy->attempts_max, "the reply is shorter than its headers say");
}

mst_go mst_call_accept_head(mst_call *c) {
  const mst_reply *r = &c->x.reply;
  const bool part = c->step == MST_STEP_ONE_BYTE && r->status == 206;
  if (part && r->range == MST_RANGE_GIVEN && r->range_total_known) {
    mst_pin_of_reply(r, r->range_total, &c->op->info);
    return mst_call_end(c, MST_OK);
  }
  if (part || !r->length_known) {
    if (c->step == MST_STEP_MAIN) return c->step = MST_STEP_ONE_BYTE, MST_GO_AGAIN;
    return mst_call_fail(c, MST_E_UNSUPPORTED, "the server does not tell the object's size", "");
  }
  mst_pin_of_reply(r, r->length, &c->op->info);
  return mst_call_end(c, MST_OK);
}

static bool has_text(const mst_call *c) { return c->text.size > 0; }

static mst_go after_reply(mst_call *c) {
  const int http = c->x.reply.status;
  c->said = (mst_s3_error){0};
  if (http >= 200 && http < 300 && c->dialect->succeeded != NULL) c->dialect->succeeded(c);
  if (http >= 200 && http < 300) return is_get(c) && c->step == MST_STEP_MAIN ? after_get(c) : c->dialect->accept(c);
  if (http == 416 && is_get(c)) return after_unsatisfied(c);
  if (http == 416 && c->op->kind == MST_OP_HEAD && c->step == MST_STEP_ONE_BYTE) {
    /* HEAD told nothing, and there is no byte to be had: an empty object. */
    mst_pin_of_reply(&c->x.reply, 0, &c->op->info);
    return mst_call_end(c, MST_OK);
  }
  if (has_text(c)) (void)mst_s3_error_parse((char *)c->text.data, c->text.size, &c->said);
  return after_bad_reply(c);
}

/* `head` or `body` wanted no more. */
static mst_go after_cut(mst_call *c) {
  mst_error *err = c->x.error;
  const mst_status status = c->x.status;
  if (!c->failed_inside) return is_get(c) ? finish_get(c) : c->dialect->accept(c);
  char words[sizeof err->message];
  memcpy(words, err->message, sizeof words);
  c->x.status = MST_OK;
  if (status == MST_E_IO) return retry(c, status, c->policy->attempts_max, words);
  if (status == MST_E_CHANGED && c->op->pin == NULL) {
    mst_ranged_restart(&c->range);
    return retry(c, status, c->policy->attempts_max, words);
  }
  return give_up(c, status, false, words, "");
}

static mst_go impossible(mst_call *c) {
  char words[300];
  snprintf(words, sizeof words, "%s", c->x.trouble);
  return give_up(c, MST_E_IO, false, words, "");
}

static mst_go call_settle(mst_exchange *x) {
  mst_call *c = of(x);
  char words[300];
  c->op->requests = x->requests;
  switch (x->outcome) {
  case MST_OUTCOME_REPLY: return after_reply(c);
  case MST_OUTCOME_CUT: return after_cut(c);
  case MST_OUTCOME_NOT_SENT:
    snprintf(words, sizeof words, "no connection: %s", x->trouble);
    return retry(c, MST_E_IO, (uint32_t)mst_min_u64(c->policy->attempts_max, UNREACHED_MAX), words);
  case MST_OUTCOME_BROKEN:
  case MST_OUTCOME_STALLED: return after_break(c);
  case MST_OUTCOME_IMPOSSIBLE: return impossible(c);
  case MST_OUTCOME_CANCELLED:
    return give_up(c, MST_E_CANCELLED, false, "cancelled on request",
                   c->conditional && x->requests > 0 ? "the outcome is unknown" : "");
  case MST_OUTCOME_DEADLINE:
    return give_up(c, MST_E_TIMEOUT, true, "the deadline passed",
                   c->conditional && x->requests > 0 ? "the outcome is unknown" : "");
  }
  return give_up(c, MST_E_INTERNAL, false, "an outcome that nobody knows", "");
}

/* --- bodies ------------------------------------------------------------------------------------------------------- */

static bool fail_inside(mst_call *c, mst_status status) {
  c->x.status = status;
  c->failed_inside = status != MST_OK;
  return status == MST_OK;
}

static bool to_range(const mst_call *c) {
  return is_get(c) && c->step == MST_STEP_MAIN && (c->x.reply.status == 200 || c->x.reply.status == 206);
}

static bool call_head(mst_exchange *x) {
  mst_call *c = of(x);
  mst_buf_clear(&c->text);
  /* A question for facts that was answered with the whole object. */
  if (c->op->kind == MST_OP_HEAD) return x->reply.status != 200 || x->request.method[0] == 'H';
  if (!to_range(c)) return true;
  if (!fail_inside(c, mst_ranged_head(&c->range, &x->reply, x->error))) return false;
  return !c->range.enough || c->range.body_left == 0;
}

static bool call_body(mst_exchange *x, const void *data, size_t n) {
  mst_call *c = of(x);
  if (to_range(c)) {
    if (mst_ranged_take(&c->range, data, n)) return true;
    if (!c->range.overlong) return false;
    return fail_inside(c, mst_fail(x->error, MST_E_IO, "the reply has more bytes than its headers say"));
  }
  if (x->reply.status < 200 || x->reply.status >= 300) {
    /* Of an error's words the beginning is enough. */
    const size_t room = ERROR_TEXT_MAX - mst_min_size(c->text.size, ERROR_TEXT_MAX);
    return fail_inside(c, mst_buf_put(&c->text, data, mst_min_size(n, room), x->error));
  }
  return fail_inside(c, mst_buf_put(&c->text, data, n, x->error));
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

mst_status mst_call_header(mst_call *c, const char *name, const char *value, mst_error *err) {
  mst_status status = MST_OK;
  if (c->n_headers == MST_HEADERS_MAX) return mst_fail(err, MST_E_INTERNAL, "a request has too many headers");
  c->header_at[c->n_headers++] = c->lines.size;
  MST_TRY(mst_buf_put_text(&c->lines, name, err));
  MST_TRY(mst_buf_put_text(&c->lines, *value == '\0' ? ":" : ": ", err));
  MST_TRY(mst_buf_put(&c->lines, value, strlen(value) + 1, err));
done:
  return status;
}

void mst_call_ready(mst_call *c, const char *method) {
  mst_request *q = &c->x.request;
  q->method = method;
  q->url = (const char *)c->lines.data;
  q->n_headers = c->n_headers;
  for (size_t i = 0; i < c->n_headers; i++) q->headers[i] = (const char *)c->lines.data + c->header_at[i];
}

static bool expects_much(const mst_op *op) {
  return op->kind == MST_OP_GET ? op->size > LARGE_REPLY
                                : op->kind == MST_OP_LIST && (op->page_max == 0 || op->page_max > 300);
}

static mst_go call_begin(mst_exchange *x, mst_signer *signer) {
  mst_call *c = of(x);
  mst_go go;
  mst_buf_clear(&c->lines);
  mst_buf_clear(&c->text);
  c->n_headers = 0;
  c->failed_inside = false;
  x->request =
      (mst_request){.once = c->conditional || c->op->kind == MST_OP_UPLOAD_CLOSE, .large = expects_much(c->op)};
  go = c->dialect->request(c, signer);
  return go;
}

static void call_block(mst_exchange *x, mst_transport *t) {
  mst_call *c = of(x);
  c->dialect->block(c, t);
}

/* --- the operation's life ----------------------------------------------------------------------------------------- */

static void close_call(mst_call *c) {
  mst_buf_free(&c->lines);
  mst_buf_free(&c->body);
  mst_buf_free(&c->text);
  mst_free(c->mem, c->redirected);
  mst_free(c->mem, c->x.location);
  mst_credentials_unref(c->credentials);
}

static void call_end(mst_exchange *x) {
  mst_call *c = of(x);
  mst_op *op = c->op;
  const mst_status status = x->status;
  op->requests = x->requests;
  close_call(c);
  mst_free(c->mem, c);
  mst_op_done(op, status);
}

static const mst_exchange_ops call_ops = {.begin = call_begin,
                                          .block = call_block,
                                          .head = call_head,
                                          .body = call_body,
                                          .settle = call_settle,
                                          .end = call_end};

static void open_call(mst_call *c, const mst_caller *from, mst_op *op) {
  memset(c, 0, sizeof *c);
  c->dialect = from->dialect;
  c->store = from->store;
  c->url = from->url;
  c->ctx = from->ctx;
  c->env = mst_context_env(from->ctx);
  c->mem = mst_context_mem(from->ctx);
  c->policy = from->policy;
  c->op = op;
  c->began_us = tick(c);
  c->conditional = op->put_mode != MST_PUT_REPLACE && (op->kind == MST_OP_PUT || op->kind == MST_OP_UPLOAD_CLOSE);
  mst_buf_init(&c->lines, c->mem, LINES_MAX);
  mst_buf_init(&c->body, c->mem, REPLY_TEXT_MAX);
  mst_buf_init(&c->text, c->mem, REPLY_TEXT_MAX);
  if (op->kind == MST_OP_GET) mst_ranged_begin(&c->range, op, from->refuse_encoding);
  c->x.ops = &call_ops;
  c->x.config = from->config;
  c->x.cancel = op->cancel;
  c->x.deadline_us = op->deadline_us;
  c->x.tag = op;
  c->x.error = &op->error;
}

/* What a started operation carries: not the call itself, which may be gone when a cancel comes late. */
static void *this_generation(void) { return (void *)(uintptr_t)(mst_fork_generation() + 1); }

void mst_call_start(const mst_caller *caller, mst_op *op) {
  mst_transport *t;
  mst_status status = mst_transport_get(caller->ctx, &t, &op->error);
  mst_call *c = NULL;
  if (status == MST_OK) {
    c = mst_alloc(mst_context_mem(caller->ctx), sizeof *c);
    if (c == NULL) status = mst_fail_memory(&op->error);
  }
  if (status != MST_OK) {
    mst_op_done(op, status);
    return;
  }
  open_call(c, caller, op);
  op->store_data = this_generation();
  mst_transport_start(t, &c->x);
}

mst_status mst_call_run(const mst_caller *caller, mst_op *op, mst_error *err) {
  mst_transport *t;
  mst_call c;
  mst_status status = mst_transport_get(caller->ctx, &t, err);
  if (status != MST_OK) return status;
  open_call(&c, caller, op);
  c.x.error = err;
  status = mst_transport_run(t, &c.x);
  op->requests = c.x.requests;
  close_call(&c);
  return status;
}

void mst_call_cancel(mst_context *ctx, mst_op *op) {
  mst_transport *t;
  /* In a child after fork() nobody works for the parent's operations any more: they end here. */
  if (op->store_data != NULL && op->store_data != this_generation()) {
    op->store_data = NULL;
    mst_op_done(op, mst_fail(&op->error, MST_E_CANCELLED,
                             "cancelled: the operation was under way when the process was forked"));
    return;
  }
  if (mst_transport_get(ctx, &t, NULL) == MST_OK) mst_transport_cancel(t, op);
}
