/* store/s3_reply.c - reads S3's replies: what a success says, what a refusal teaches, which status it becomes.
 * Owns nothing. Calls s3_xml.h, checksum.h, base. */
#include <stdio.h>
#include <stdlib.h>

#include "store/checksum.h"
#include "store/s3.h"

static const int64_t skew_noticed_us = 4 * 60 * 1000000LL; /* servers refuse from about 15 minutes on */
static const int64_t skew_worth_us = 60 * 1000000LL;

static bool said(const mst_call *c, const char *code) { return strcmp(c->said.code, code) == 0; }

static bool said_any(const mst_call *c, const char *const *codes) {
  for (; *codes != NULL; codes++)
    if (said(c, *codes)) return true;
  return false;
}

/* --- what refusals teach --------------------------------------------------------------------------------------------
 */

/* "bucket.s3.eu-west-1.amazonaws.com", "bucket.s3-eu-west-1.amazonaws.com" */
static bool region_of_endpoint(const char *endpoint, char out[48]) {
  const char *end = strstr(endpoint, ".amazonaws.com"), *begin = NULL;
  for (const char *p = endpoint; end != NULL && (p = strstr(p, "s3")) != NULL && p < end; p++)
    if ((p == endpoint || p[-1] == '.') && (p[2] == '.' || p[2] == '-')) begin = p + 3;
  if (begin == NULL || begin >= end || end - begin >= 48) return false;
  memcpy(out, begin, (size_t)(end - begin));
  out[end - begin] = '\0';
  return true;
}

static bool learn_region(mst_call *c, mst_s3 *s) {
  const mst_s3_place *used = c->place, *now = atomic_load_explicit(&s->place, memory_order_acquire);
  const int http = c->x.reply.status;
  char region[48] = "";
  if (http != 301 && http != 302 && http != 307 && http != 308 && http != 400 && http != 403) return false;
  if (now != used) return strcmp(now->region, used->region) != 0; /* another operation has learnt it meanwhile */
  if (c->x.reply.region[0] != '\0') snprintf(region, sizeof region, "%s", c->x.reply.region);
  else if (c->said.region[0] != '\0' &&
           (said(c, "AuthorizationHeaderMalformed") || said(c, "PermanentRedirect") || said(c, "InvalidRegion")))
    snprintf(region, sizeof region, "%s", c->said.region);
  else if (http < 400 && !region_of_endpoint(c->said.endpoint, region)) return false;
  if (region[0] == '\0' || !mst_s3_move(s, region)) return false;
  mst_log(c->ctx, MST_LOG_INFO, "store", "bucket %s lies in region %s", s->bucket, region);
  return true;
}

static bool learn_clock(mst_call *c, mst_s3 *s) {
  const int64_t now = c->env->now_us(c->env->self), used = atomic_load(&s->skew_us), skew = c->x.reply.date_us - now;
  if (c->credentials == NULL || c->x.reply.date_us == 0) return false;
  if (!said(c, "RequestTimeTooSkewed") && !(c->x.reply.status == 403 && llabs(skew) > skew_noticed_us)) return false;
  if (llabs(skew - used) < skew_worth_us) return false;
  atomic_store(&s->skew_us, skew);
  mst_log(c->ctx, MST_LOG_WARNING, "store",
          "this machine's clock differs from the server's by %lld s; signing with the server's",
          (long long)(-skew / 1000000));
  return true;
}

static bool learn_keys(mst_call *c, mst_s3 *s) {
  static const char *const codes[] = {"ExpiredToken",         "ExpiredTokenException", "InvalidToken",
                                      "TokenRefreshRequired", "InvalidAccessKeyId",    NULL};
  return c->credentials != NULL && said_any(c, codes) && mst_identity_reject(s->identity, c->credentials);
}

/* Older servers refuse what they do not know. */
static bool learn_limits(mst_call *c, mst_s3 *s) {
  static const char *const unknown[] = {
      "NotImplemented", "InvalidArgument", "InvalidRequest", "MethodNotAllowed", "XAmzContentChecksumMismatch", NULL};
  const int http = c->x.reply.status;
  if (http != 501 && http != 405 && http != 400) return false;
  if (http == 400 && !said_any(c, unknown)) return false;
  if (c->op->kind == MST_OP_PUT && s->sum != MST_SUM_NONE && !atomic_load(&s->no_checksum))
    return atomic_store(&s->no_checksum, true), true;
  if (c->op->kind == MST_OP_DELETE && c->batch > 1 && http != 400 && !atomic_load(&s->no_batch))
    return atomic_store(&s->no_batch, true), true;
  return false;
}

/* A HEAD has no words for its failure, a GET of one byte has. */
static bool ask_why(mst_call *c, mst_s3 *s) {
  const int http = c->x.reply.status;
  if (c->op->kind != MST_OP_HEAD || c->step != MST_STEP_MAIN) return false;
  if (http != 400 && http != 403 && http != 405 && http != 501 && !(http == 404 && !atomic_load(&s->bucket_seen)))
    return false;
  c->step = MST_STEP_ONE_BYTE;
  return true;
}

/* The upload is gone after a first try whose answer was lost: was it put together then? */
static bool look_again(mst_call *c) {
  if (c->op->kind != MST_OP_UPLOAD_CLOSE || c->step != MST_STEP_MAIN || !c->unclear || !said(c, "NoSuchUpload"))
    return false;
  c->step = MST_S3_STEP_CHECK;
  return true;
}

bool mst_s3_adapt(mst_call *c) {
  mst_s3 *s = c->store;
  return learn_region(c, s) || learn_clock(c, s) || learn_keys(c, s) || learn_limits(c, s) || ask_why(c, s) ||
         look_again(c);
}

/* --- refusals -------------------------------------------------------------------------------------------------------
 */

static const char *denied_hint(const mst_call *c) {
  const mst_s3 *s = c->store;
  if (s->withheld)
    return "only the slice names this endpoint, so no credentials were sent to it: set AWS_ENDPOINT_URL_S3 or the "
           "option endpoint to the same address to allow that";
  if (s->identity == NULL) return "the request was not signed (anonymous)";
  if (said(c, "RequestTimeTooSkewed")) return "this machine's clock is wrong";
  if (said(c, "AccessDenied") && (c->op->kind == MST_OP_GET || c->op->kind == MST_OP_HEAD))
    return "S3 says so of keys that do not exist, too, to those who may not list the bucket";
  return "";
}

static mst_status refuse_precondition(const mst_call *c, const char **hint) {
  if (!c->conditional) return *hint = "the object is not the version that was pinned", MST_E_CHANGED;
  if (c->op->put_mode == MST_PUT_CREATE) return *hint = "the object exists", MST_E_EXISTS;
  return *hint = "the object is not the version to be replaced", MST_E_CONFLICT;
}

static mst_status refuse_conflict(const mst_call *c, const char **hint) {
  static const char *const shapes[] = {"ObjectParentIsFile", "ExistingObjectIsDirectory", "ParentIsNotDirectory",
                                       "XMinioParentIsObject", NULL};
  if (!said_any(c, shapes)) return MST_E_CONFLICT;
  return *hint = "this server keeps objects in files and cannot have one of this name", MST_E_UNSUPPORTED;
}

static mst_status refuse_missing(mst_call *c, const char **hint) {
  mst_s3 *s = c->store;
  if (said(c, "NoSuchBucket")) return *hint = "the bucket does not exist", MST_E_NOT_FOUND;
  if (said(c, "NoSuchUpload")) {
    if (c->op->kind == MST_OP_UPLOAD_ABORT) return MST_OK;
    return *hint = "the upload was ended by someone else, or has expired", MST_E_NOT_FOUND;
  }
  if (said(c, "NoSuchKey")) atomic_store(&s->bucket_seen, true);
  if (c->conditional) return *hint = "the object to be replaced is gone", MST_E_CONFLICT;
  if (c->op->kind == MST_OP_DELETE || c->op->kind == MST_OP_UPLOAD_ABORT) return MST_OK;
  if (c->op->kind == MST_OP_PUT && c->said.code[0] == '\0')
    return *hint = "the server has no place for such a key", MST_E_UNSUPPORTED;
  *hint = c->op->kind == MST_OP_LIST || c->op->kind == MST_OP_UPLOAD_OPEN ? "" : "the bucket has no such object";
  return MST_E_NOT_FOUND;
}

static mst_status refuse_bad(const mst_call *c, const char **hint) {
  static const char *const keys[] = {"ExpiredToken",
                                     "InvalidToken",
                                     "AuthorizationHeaderMalformed",
                                     "InvalidAccessKeyId",
                                     "AuthorizationQueryParametersError",
                                     "MissingSecurityHeader",
                                     NULL};
  static const char *const broken[] = {
      "BadDigest", "InvalidDigest", "IncompleteBody", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", NULL};
  if (said_any(c, keys)) return *hint = denied_hint(c), MST_E_DENIED;
  if (said_any(c, broken)) return *hint = "what arrived is not what was sent", MST_E_IO;
  return MST_E_ARGUMENT;
}

mst_status mst_s3_refuse(mst_call *c, const char **hint) {
  const int http = c->x.reply.status;
  switch (http) {
  case 301:
  case 302:
  case 303:
  case 307:
  case 308: return *hint = "the server sends us elsewhere, which is not followed with signed requests", MST_E_IO;
  case 400: return refuse_bad(c, hint);
  case 401:
  case 403: return *hint = denied_hint(c), MST_E_DENIED;
  case 407: return *hint = "the proxy wants a user and a password", MST_E_DENIED;
  case 404: return refuse_missing(c, hint);
  case 405:
  case 501: return MST_E_UNSUPPORTED;
  case 409: return refuse_conflict(c, hint);
  case 412: return refuse_precondition(c, hint);
  case 413: return MST_E_LIMIT;
  default: return MST_E_IO;
  }
}

/* --- successes ------------------------------------------------------------------------------------------------------
 */

static char *text_of(mst_call *c) { return c->text.size == 0 ? (char *)(uintptr_t) "" : (char *)c->text.data; }

static mst_go fail_parse(mst_call *c, const mst_error *why) { return mst_call_fail(c, why->status, why->message, ""); }

static mst_go accept_put(mst_call *c) {
  mst_pin_of_reply(&c->x.reply, c->op->n_data, &c->op->info);
  c->op->info.modified_ns = 0;
  return mst_call_end(c, MST_OK);
}

static mst_go fail_undeleted(mst_call *c, const mst_s3_undeleted *left) {
  char words[700];
  const bool denied = strcmp(left->error.code, "AccessDenied") == 0;
  snprintf(words, sizeof words, "%zu of %zu keys were not deleted, the first is \"%.300s\": %s: %s", left->n, c->batch,
           left->key, left->error.code, left->error.message);
  if (mst_reply_classify(400, left->error.code) != MST_REPLY_REFUSED) return mst_call_failed_there(c, words);
  return mst_call_fail(c, denied ? MST_E_DENIED : MST_E_IO, words, "");
}

static mst_go accept_delete(mst_call *c) {
  mst_error why = {.status = MST_OK};
  if (c->batch > 1) {
    mst_s3_undeleted left;
    if (mst_s3_delete_parse(text_of(c), c->text.size, &left, &why) != MST_OK) return fail_parse(c, &why);
    if (left.n > 0) return fail_undeleted(c, &left);
  }
  c->done_keys += c->batch;
  return c->done_keys < c->op->n_keys ? MST_GO_AGAIN : mst_call_end(c, MST_OK);
}

static mst_go accept_list(mst_call *c) {
  mst_error why = {.status = MST_OK};
  const mst_op *op = c->op;
  if (mst_s3_list_parse(text_of(c), c->text.size, op->prefix, op->token, op->page, c->mem, &why) != MST_OK)
    return fail_parse(c, &why);
  return mst_call_end(c, MST_OK);
}

static mst_go accept_upload(mst_call *c) {
  mst_error why = {.status = MST_OK};
  const char *id;
  if (mst_s3_value_parse(text_of(c), c->text.size, "InitiateMultipartUploadResult", "UploadId", &id, &c->said, &why) !=
      MST_OK)
    return fail_parse(c, &why);
  if (*id == '\0' || strlen(id) >= sizeof c->op->upload_id)
    return mst_call_fail(c, MST_E_CORRUPT, "the upload's id is missing or too long", "");
  memcpy(c->op->upload_id, id, strlen(id) + 1);
  return mst_call_end(c, MST_OK);
}

static mst_go accept_part(mst_call *c) {
  if (c->x.reply.etag[0] == '\0') return mst_call_fail(c, MST_E_CORRUPT, "the server gives the part no ETag", "");
  memcpy(c->op->part_tag, c->x.reply.etag, sizeof c->op->part_tag);
  return mst_call_end(c, MST_OK);
}

/* The ETag of an object made of parts is the MD5 of their MD5s and their number. */
static bool is_made_of_parts(const mst_call *c, const mst_reply *r) {
  const mst_op *op = c->op;
  uint8_t digest[MST_SHA256_SIZE];
  char hex[2 * MST_SHA256_SIZE + 1], expected[80];
  size_t n = 0;
  mst_transport *t;
  mst_buf all;
  bool same = r->length_known && r->length == op->size && mst_transport_get(c->ctx, &t, NULL) == MST_OK;
  mst_buf_init(&all, c->mem, op->n_parts * MST_MD5_SIZE);
  for (size_t i = 0; i < op->n_parts && same; i++) {
    const char *tag = op->part_tags[i] + (op->part_tags[i][0] == '"');
    uint8_t part[MST_MD5_SIZE];
    same = strlen(tag) >= 2 * MST_MD5_SIZE && mst_unhex(tag, 2 * MST_MD5_SIZE, part) &&
           mst_buf_put(&all, part, sizeof part, NULL) == MST_OK;
  }
  same = same && mst_digest(mst_transport_crypto(t), MST_DIGEST_MD5, all.data, all.size, digest, &n, NULL) == MST_OK;
  mst_buf_free(&all);
  if (!same) return false;
  mst_hex(digest, n, hex);
  snprintf(expected, sizeof expected, "%s-%zu", hex, op->n_parts);
  return strncmp(r->etag + (r->etag[0] == '"'), expected, strlen(expected)) == 0;
}

static mst_go accept_close(mst_call *c) {
  mst_error why = {.status = MST_OK};
  const char *etag;
  mst_status status;
  if (c->step == MST_S3_STEP_CHECK) {
    if (!is_made_of_parts(c, &c->x.reply))
      return mst_call_fail(c, MST_E_IO,
                           "the upload is gone after a first try whose answer was lost, and the object is another", "");
    mst_pin_of_reply(&c->x.reply, c->op->size, &c->op->info);
    return mst_call_end(c, MST_OK);
  }
  status = mst_s3_value_parse(text_of(c), c->text.size, "CompleteMultipartUploadResult", "ETag", &etag, &c->said, &why);
  if (status == MST_E_IO) {
    /* Success was begun and failure reported: it stands in the reply's body what it is. */
    if (said(c, "PreconditionFailed") || said(c, "ConditionalRequestConflict")) {
      const char *hint;
      return mst_call_fail(c, refuse_precondition(c, &hint), why.message, "");
    }
    return mst_reply_classify(500, c->said.code) == MST_REPLY_FAILED ? mst_call_failed_there(c, why.message)
                                                                     : fail_parse(c, &why);
  }
  if (status != MST_OK)
    return c->conditional
               ? mst_call_fail(c, status, why.message, "the outcome is unknown: the write may have been carried out")
               : fail_parse(c, &why);
  mst_pin_of_reply(&c->x.reply, c->op->size, &c->op->info);
  c->op->info.modified_ns = 0;
  snprintf(c->op->info.etag, sizeof c->op->info.etag, "%s", strlen(etag) < sizeof c->op->info.etag ? etag : "");
  return mst_call_end(c, MST_OK);
}

mst_go mst_s3_accept(mst_call *c) {
  switch (c->op->kind) {
  case MST_OP_HEAD: return mst_call_accept_head(c);
  case MST_OP_PUT: return accept_put(c);
  case MST_OP_DELETE: return accept_delete(c);
  case MST_OP_LIST: return accept_list(c);
  case MST_OP_UPLOAD_OPEN: return accept_upload(c);
  case MST_OP_UPLOAD_PART: return accept_part(c);
  case MST_OP_UPLOAD_CLOSE: return accept_close(c);
  case MST_OP_UPLOAD_ABORT: return mst_call_end(c, MST_OK);
  case MST_OP_GET:
  case MST_OP_KINDS: break;
  }
  return mst_call_end(c, mst_fail(c->x.error, MST_E_INTERNAL, "an operation that nobody knows"));
}
