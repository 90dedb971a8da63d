/* store/s3_request.c - makes the S3 request for the step that an operation stands at: URL, headers, signature.
 * Owns nothing; writes into the call. Calls sign.h, checksum.h, s3_xml.h, base. */
#include <stdio.h>

#include "store/checksum.h"
#include "store/s3.h"

enum { KEY_MAX = 4096, BUSY_PAUSE_US = 5000, CLOSE_PATIENCE = 10 };

/* The headers that are signed stand in the order of their names. */
typedef struct draft {
  mst_s3 *s;
  mst_call *c;
  const mst_s3_place *place;
  const char *method;
  size_t n_url; /* of the URL in c->lines, without its NUL */
  size_t query_at;
  mst_header headers[8];
  size_t n_headers;
  char sum[MST_SUM_TEXT_MAX], md5[MST_SUM_TEXT_MAX], hash[2 * MST_SHA256_SIZE + 1], date[20];
  const char *content_type;
  bool wants_md5, wants_sum;
} draft;

/* --- URLs --------------------------------------------------------------------------------------------------------- */

/* An empty element, "." or "..": names of folders to servers that keep objects in files. */
static bool has_odd_element(const char *key) {
  for (;;) {
    const size_t n = strcspn(key, "/");
    if ((n == 0 && key[n] == '/') || (n == 1 && key[0] == '.') || (n == 2 && key[0] == '.' && key[1] == '.'))
      return true;
    if (key[n] == '\0') return false;
    key += n + 1;
  }
}

/* AWS keeps every key as it is. Some other servers fold "a//b" into "a/b", where another object may lie; nothing in
 * their replies shows it, so that nothing is written or deleted there under such a name. */
static mst_status check_key(const draft *d, const char *key, mst_error *err) {
  const mst_op_kind kind = d->c->op->kind;
  const bool changes = kind == MST_OP_PUT || kind == MST_OP_DELETE || kind == MST_OP_UPLOAD_OPEN;
  size_t bad_at;
  const size_t n = strlen(key);
  if (n > KEY_MAX) return mst_fail(err, MST_E_ARGUMENT, "the key has %zu bytes; S3 takes 1024", n);
  if (!mst_utf8_valid(key, n, &bad_at))
    return mst_fail_at(err, MST_E_ARGUMENT, bad_at, "the key is not UTF-8, which S3 asks for");
  if (changes && !d->s->at_aws && has_odd_element(key))
    return mst_fail(
        err, MST_E_UNSUPPORTED,
        "the key has an empty element, \".\" or \"..\", which servers other than AWS may take for another key");
  return MST_OK;
}

static mst_status put_path(draft *d, const char *key, mst_error *err) {
  mst_buf *b = &d->c->lines;
  mst_status status = MST_OK;
  MST_TRY(mst_buf_put(b, d->place->base, d->place->n_base, err));
  MST_TRY(mst_buf_put_byte(b, '/', err));
  if (key != NULL) {
    MST_TRY(check_key(d, key, err));
    MST_TRY(mst_percent_encode(b, key, strlen(key), "/", err));
  }
  d->n_url = d->query_at = b->size;
done:
  return status;
}

/* Parameters must come in the order of their names. */
static mst_status put_parameter(draft *d, const char *name, const char *value, mst_error *err) {
  mst_buf *b = &d->c->lines;
  mst_status status = MST_OK;
  MST_TRY(mst_buf_put_byte(b, b->size == d->n_url && d->n_url == d->query_at ? '?' : '&', err));
  if (d->n_url == d->query_at) d->query_at = b->size;
  MST_TRY(mst_buf_put_text(b, name, err));
  MST_TRY(mst_buf_put_byte(b, '=', err));
  MST_TRY(mst_percent_encode(b, value, strlen(value), "", err));
  d->n_url = b->size;
done:
  return status;
}

static mst_status list_url(draft *d, mst_error *err) {
  const mst_op *op = d->c->op;
  char max[16];
  mst_status status = MST_OK;
  MST_TRY(put_path(d, NULL, err));
  if (op->token != NULL) MST_TRY(put_parameter(d, "continuation-token", op->token, err));
  if (op->delimiter != NULL) MST_TRY(put_parameter(d, "delimiter", op->delimiter, err));
  MST_TRY(put_parameter(d, "encoding-type", "url", err));
  MST_TRY(put_parameter(d, "list-type", "2", err));
  if (op->page_max > 0) {
    snprintf(max, sizeof max, "%u", (unsigned)mst_min_u64(op->page_max, 1000));
    MST_TRY(put_parameter(d, "max-keys", max, err));
  }
  if (*op->prefix != '\0') MST_TRY(put_parameter(d, "prefix", op->prefix, err));
  if (op->token == NULL && op->start_after != NULL) MST_TRY(put_parameter(d, "start-after", op->start_after, err));
done:
  return status;
}

/* --- bodies ------------------------------------------------------------------------------------------------------- */

static void give_body(draft *d, const void *data, size_t n) {
  d->c->x.request.body = data;
  d->c->x.request.n_body = n;
}

static mst_status delete_request(draft *d, mst_error *err) {
  mst_call *c = d->c;
  const mst_op *op = c->op;
  const size_t left = op->n_keys - c->done_keys;
  bool odd[MST_S3_BATCH_MAX];
  size_t n_odd;
  mst_status status = MST_OK;
  c->batch = 1;
  if (left > 1 && !atomic_load_explicit(&d->s->no_batch, memory_order_relaxed)) {
    const size_t n = mst_min_size(left, MST_S3_BATCH_MAX);
    mst_buf_clear(&c->body);
    for (size_t i = 0; i < n; i++) MST_TRY(check_key(d, op->keys[c->done_keys + i], err));
    MST_TRY(mst_s3_delete_print(op->keys + c->done_keys, n, odd, &n_odd, &c->body, err));
    /* A key that XML cannot carry goes alone; the batch ends before it. */
    for (c->batch = 0; c->batch < n && !odd[c->batch]; c->batch++) continue;
    if (c->batch > 1 && c->batch < n) {
      mst_buf_clear(&c->body);
      MST_TRY(mst_s3_delete_print(op->keys + c->done_keys, c->batch, odd, &n_odd, &c->body, err));
    }
    if (c->batch == 0) c->batch = 1;
  }
  if (c->batch == 1) {
    d->method = "DELETE";
    return put_path(d, op->keys[c->done_keys], err);
  }
  d->method = "POST";
  d->content_type = "application/xml";
  d->wants_md5 = true;
  give_body(d, c->body.data, c->body.size);
  MST_TRY(put_path(d, NULL, err));
  MST_TRY(put_parameter(d, "delete", "", err));
done:
  return status;
}

static mst_status close_request(draft *d, mst_error *err) {
  mst_call *c = d->c;
  mst_status status = MST_OK;
  mst_buf_clear(&c->body);
  MST_TRY(mst_s3_complete_print(c->op->part_tags, c->op->n_parts, &c->body, err));
  d->method = "POST";
  d->content_type = "application/xml";
  /* Putting the parts together may take a server minutes. */
  c->x.request.stall_us = c->x.config->stall_timeout_us * CLOSE_PATIENCE;
  give_body(d, c->body.data, c->body.size);
  MST_TRY(put_path(d, c->op->key, err));
  MST_TRY(put_parameter(d, "uploadId", c->op->upload, err));
done:
  return status;
}

static mst_status draft_request(draft *d, mst_error *err) {
  mst_call *c = d->c;
  const mst_op *op = c->op;
  char part[16];
  mst_status status = MST_OK;
  if (c->step != MST_STEP_MAIN) {
    d->method = c->step == MST_S3_STEP_CHECK ? "HEAD" : "GET";
    return put_path(d, op->key, err);
  }
  switch (op->kind) {
  case MST_OP_HEAD: d->method = "HEAD"; return put_path(d, op->key, err);
  case MST_OP_GET: d->method = "GET"; return put_path(d, op->key, err);
  case MST_OP_PUT:
    d->method = "PUT";
    d->content_type = "application/octet-stream";
    d->wants_sum = true;
    give_body(d, op->data, op->n_data);
    return put_path(d, op->key, err);
  case MST_OP_DELETE: return delete_request(d, err);
  case MST_OP_LIST: d->method = "GET"; return list_url(d, err);
  case MST_OP_UPLOAD_OPEN:
    d->method = "POST";
    d->content_type = "application/octet-stream";
    MST_TRY(put_path(d, op->key, err));
    return put_parameter(d, "uploads", "", err);
  case MST_OP_UPLOAD_PART:
    d->method = "PUT";
    d->content_type = "application/octet-stream";
    d->wants_md5 = d->s->unsigned_payload;
    give_body(d, op->data, op->n_data);
    snprintf(part, sizeof part, "%u", (unsigned)op->part);
    MST_TRY(put_path(d, op->key, err));
    MST_TRY(put_parameter(d, "partNumber", part, err));
    return put_parameter(d, "uploadId", op->upload, err);
  case MST_OP_UPLOAD_CLOSE: return close_request(d, err);
  case MST_OP_UPLOAD_ABORT:
    d->method = "DELETE";
    MST_TRY(put_path(d, op->key, err));
    return put_parameter(d, "uploadId", op->upload, err);
  case MST_OP_KINDS: break;
  }
  status = mst_fail(err, MST_E_INTERNAL, "an operation that nobody knows");
done:
  return status;
}

/* --- headers ------------------------------------------------------------------------------------------------------ */

static void sign_header(draft *d, const char *name, const char *value) {
  d->headers[d->n_headers++] = (mst_header){name, value};
}

static mst_status hash_payload(draft *d, mst_signer *signer, mst_error *err) {
  const mst_request *q = &d->c->x.request;
  uint8_t digest[MST_SHA256_SIZE];
  mst_status status = MST_OK;
  if (q->n_body == 0) memcpy(d->hash, MST_EMPTY_SHA256, sizeof d->hash);
  else if (d->s->unsigned_payload) snprintf(d->hash, sizeof d->hash, "UNSIGNED-PAYLOAD");
  else {
    MST_TRY(mst_sha256(&signer->digester, q->body, q->n_body, digest, err));
    mst_hex(digest, sizeof digest, d->hash);
  }
done:
  return status;
}

/* In the order of their names, signed or not. */
static mst_status amazon_headers(draft *d, mst_signer *signer, mst_error *err) {
  mst_call *c = d->c;
  mst_s3 *s = d->s;
  const mst_request *q = &c->x.request;
  const bool sums = s->sum != MST_SUM_NONE && !atomic_load_explicit(&s->no_checksum, memory_order_relaxed);
  mst_status status = MST_OK;
  if (d->wants_md5) {
    /* Without MD5 on this machine, the newer checksum takes its place. */
    if (mst_md5_make(signer->digester.lib, q->body, q->n_body, d->md5, NULL) == MST_OK)
      sign_header(d, "content-md5", d->md5);
    else d->wants_sum = true;
  }
  sign_header(d, "host", d->place->host);
  if (d->wants_sum && sums) {
    MST_TRY(mst_sum_make(signer->digester.lib, s->sum, q->body, q->n_body, d->sum, err));
    sign_header(d, mst_sum_header(s->sum), d->sum);
  }
  if (c->op->kind == MST_OP_GET && sums && mst_ranged_asks_whole(&c->range))
    sign_header(d, "x-amz-checksum-mode", "ENABLED");
  if (c->credentials != NULL) {
    MST_TRY(hash_payload(d, signer, err));
    mst_time_format_basic(d->c->env->now_us(d->c->env->self) + atomic_load_explicit(&s->skew_us, memory_order_relaxed),
                          d->date);
    sign_header(d, "x-amz-content-sha256", d->hash);
    sign_header(d, "x-amz-date", d->date);
  }
  if (s->requester_pays) sign_header(d, "x-amz-request-payer", "requester");
  if (c->credentials != NULL && c->credentials->token != NULL)
    sign_header(d, "x-amz-security-token", c->credentials->token);
done:
  return status;
}

/* The URL ends in c->lines, the Authorization header follows it. */
static mst_status put_authorization(draft *d, mst_signer *signer, mst_error *err) {
  mst_call *c = d->c;
  mst_status status = MST_OK;
  c->header_at[c->n_headers++] = c->lines.size;
  MST_TRY(mst_buf_put_text(&c->lines, "authorization: ", err));
  /* The signature reads the URL from the buffer that it is then appended to: all reading comes first. */
  const char *url = (const char *)c->lines.data;
  const mst_sign_input in = {.method = d->method,
                             .path = url + d->place->path_at,
                             .n_path = (d->query_at == d->n_url ? d->n_url : d->query_at - 1) - d->place->path_at,
                             .query = url + d->query_at,
                             .n_query = d->n_url - d->query_at,
                             .headers = d->headers,
                             .n_headers = d->n_headers,
                             .payload = d->hash,
                             .date = d->date,
                             .region = d->place->region,
                             .service = "s3"};
  MST_TRY(mst_sign(signer, c->credentials, &in, &c->lines, err));
  MST_TRY(mst_buf_put_byte(&c->lines, '\0', err));
done:
  return status;
}

static mst_status put_conditions(draft *d, mst_error *err) {
  mst_call *c = d->c;
  const mst_op *op = c->op;
  mst_status status = MST_OK;
  if (op->kind == MST_OP_GET) {
    char range[64];
    const char *etag = mst_ranged_condition(&c->range);
    if (mst_ranged_ask(&c->range, range)) MST_TRY(mst_call_header(c, "range", range, err));
    if (etag != NULL) MST_TRY(mst_call_header(c, "if-match", etag, err));
  } else if (op->kind == MST_OP_HEAD && c->step == MST_STEP_ONE_BYTE)
    MST_TRY(mst_call_header(c, "range", "bytes=0-0", err));
  else if (c->conditional && c->step == MST_STEP_MAIN) {
    if (op->put_mode == MST_PUT_CREATE) return mst_call_header(c, "if-none-match", "*", err);
    if (!mst_pin_etag_strong(op->pin))
      return mst_fail(err, MST_E_ARGUMENT, "a version can be replaced only where its ETag is known and strong");
    return mst_call_header(c, "if-match", op->pin->etag, err);
  }
done:
  return status;
}

static mst_status build(draft *d, mst_signer *signer, mst_error *err) {
  mst_call *c = d->c;
  mst_status status = MST_OK;
  MST_TRY(mst_buf_reserve(&c->lines, 2048, err));
  MST_TRY(draft_request(d, err));
  MST_TRY(amazon_headers(d, signer, err));
  MST_TRY(mst_buf_put_byte(&c->lines, '\0', err));
  if (c->credentials != NULL) MST_TRY(put_authorization(d, signer, err));
  for (size_t i = 0; i < d->n_headers; i++)
    if (strcmp(d->headers[i].name, "host") != 0)
      MST_TRY(mst_call_header(c, d->headers[i].name, d->headers[i].value, err));
  MST_TRY(put_conditions(d, err));
  if (d->content_type != NULL) {
    MST_TRY(mst_call_header(c, "content-type", d->content_type, err));
    MST_TRY(
        mst_call_header(c, "expect", "", err)); /* libcurl would ask first, and wait a second where nobody answers */
  } else MST_TRY(mst_call_header(c, "accept-encoding", "identity", err));
  mst_call_ready(c, d->method);
done:
  return status;
}

/* --- who signs ---------------------------------------------------------------------------------------------------- */

static mst_go find_credentials(mst_call *c, mst_s3 *s) {
  mst_credentials *fresh = NULL;
  mst_status status;
  if (s->identity == NULL) return MST_GO_SEND;
  switch (mst_identity_look(s->identity, &fresh, c->x.error)) {
  case MST_IDENTITY_READY:
    mst_credentials_unref(c->credentials);
    c->credentials = fresh;
    return MST_GO_SEND;
  case MST_IDENTITY_BUSY: c->x.resume_at_us = c->env->tick_us(c->env->self) + BUSY_PAUSE_US; return MST_GO_WAIT;
  case MST_IDENTITY_CLAIMED: return MST_GO_BLOCK;
  case MST_IDENTITY_FAILED: break;
  }
  status = c->x.error->status;
  return mst_call_end(c, status == MST_OK ? mst_fail(c->x.error, MST_E_DENIED, "no AWS credentials") : status);
}

mst_go mst_s3_request(mst_call *c, mst_signer *signer) {
  mst_s3 *s = c->store;
  draft d = {.s = s, .c = c, .place = atomic_load_explicit(&s->place, memory_order_acquire)};
  const mst_go go = find_credentials(c, s);
  mst_status status;
  if (go != MST_GO_SEND) return go;
  c->place = d.place;
  status = build(&d, signer, c->x.error);
  return status == MST_OK ? MST_GO_SEND : mst_call_end(c, status);
}
