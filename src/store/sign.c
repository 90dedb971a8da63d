/* store/sign.c - AWS Signature Version 4: canonical request, text to sign, signing key, Authorization value.
 * Owns credentials values and the signer's cached key. Calls lib_crypto and base; makes no request, reads no clock. */
#include "store/sign.h"

#include <stdio.h>
#include <string.h>

enum { SCRATCH_MAX = 1 << 20, DATE_SIZE = 8 };

/* --- credentials -------------------------------------------------------------------------------------------------- */

static char *append(char **at, const char *text) {
  const size_t n = strlen(text) + 1;
  char *begin = *at;
  memcpy(begin, text, n);
  *at += n;
  return begin;
}

mst_status mst_credentials_new(const mst_allocator *mem, const char *access_key, const char *secret_key,
                               const char *token, int64_t expires_us, const char *source, mst_credentials **out,
                               mst_error *err) {
  const char *texts[] = {access_key, secret_key, token == NULL ? "" : token, source};
  size_t size = sizeof(mst_credentials);
  mst_credentials *c;
  char *at;
  for (size_t i = 0; i < 4; i++) size += strlen(texts[i]) + 1;
  c = mst_alloc_zero(mem, 1, size);
  if (c == NULL) return mst_fail_memory(err);
  at = (char *)(c + 1);
  atomic_init(&c->refs, 1);
  c->access_key = append(&at, access_key);
  c->secret_key = append(&at, secret_key);
  c->token = token == NULL || *token == '\0' ? NULL : append(&at, token);
  c->source = append(&at, source);
  c->expires_us = expires_us;
  c->size = size;
  c->mem = mem;
  *out = c;
  return MST_OK;
}

mst_credentials *mst_credentials_ref(mst_credentials *c) {
  if (c != NULL) atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
  return c;
}

void mst_credentials_unref(mst_credentials *c) {
  const mst_allocator *mem;
  if (c == NULL || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1) return;
  mem = c->mem;
  explicit_bzero(c, c->size);
  mst_free(mem, c);
}

/* --- signing ------------------------------------------------------------------------------------------------------ */

mst_status mst_signer_open(mst_signer *s, const mst_crypto *lib, const mst_allocator *mem, mst_error *err) {
  memset(s, 0, sizeof *s);
  mst_buf_init(&s->scratch, mem, SCRATCH_MAX);
  return mst_digester_open(&s->digester, lib, err);
}

void mst_signer_close(mst_signer *s) {
  mst_digester_close(&s->digester);
  mst_buf_free(&s->scratch);
  mst_credentials_unref(s->key_of);
  explicit_bzero(s->key, sizeof s->key);
  s->key_of = NULL;
}

/* The key changes with the day, so it is made once a day and not for each request. `scope` begins with the date. */
static mst_status make_key(mst_signer *s, mst_credentials *c, const mst_sign_input *in, const char *scope,
                           mst_error *err) {
  mst_digester *d = &s->digester;
  uint8_t key[MST_SHA256_SIZE];
  mst_status status = MST_OK;
  if (s->key_of == c && strcmp(s->key_scope, scope) == 0) return MST_OK;
  mst_credentials_unref(s->key_of);
  s->key_of = NULL;
  mst_buf_clear(&s->scratch);
  MST_TRY(mst_buf_put_text(&s->scratch, "AWS4", err));
  MST_TRY(mst_buf_put_text(&s->scratch, c->secret_key, err));
  MST_TRY(mst_hmac_sha256(d, s->scratch.data, s->scratch.size, in->date, DATE_SIZE, key, err));
  explicit_bzero(s->scratch.data, s->scratch.size);
  MST_TRY(mst_hmac_sha256(d, key, sizeof key, in->region, strlen(in->region), key, err));
  MST_TRY(mst_hmac_sha256(d, key, sizeof key, in->service, strlen(in->service), key, err));
  MST_TRY(mst_hmac_sha256(d, key, sizeof key, "aws4_request", 12, s->key, err));
  snprintf(s->key_scope, sizeof s->key_scope, "%s", scope);
  s->key_of = mst_credentials_ref(c);
done:
  explicit_bzero(key, sizeof key);
  return status;
}

static mst_status put_header_names(mst_buf *b, const mst_sign_input *in, mst_error *err) {
  mst_status status = MST_OK;
  for (size_t i = 0; i < in->n_headers; i++) {
    if (i > 0) MST_TRY(mst_buf_put_byte(b, ';', err));
    MST_TRY(mst_buf_put_text(b, in->headers[i].name, err));
  }
done:
  return status;
}

/* Runs of blanks count as one. */
static mst_status put_header_value(mst_buf *b, const char *value, mst_error *err) {
  const char *blanks = strstr(value, "  ");
  mst_status status = MST_OK;
  while (blanks != NULL) {
    MST_TRY(mst_buf_put(b, value, (size_t)(blanks - value) + 1, err));
    value = blanks + strspn(blanks, " ");
    blanks = strstr(value, "  ");
  }
  status = mst_buf_put_text(b, value, err);
done:
  return status;
}

static mst_status put_line(mst_buf *b, const char *text, mst_error *err) {
  const mst_status status = mst_buf_put_text(b, text, err);
  return status == MST_OK ? mst_buf_put_byte(b, '\n', err) : status;
}

static mst_status hash_request(mst_signer *s, const mst_sign_input *in, char hex[2 * MST_SHA256_SIZE + 1],
                               mst_error *err) {
  mst_buf *b = &s->scratch;
  uint8_t digest[MST_SHA256_SIZE];
  mst_status status = MST_OK;
  mst_buf_clear(b);
  MST_TRY(put_line(b, in->method, err));
  MST_TRY(mst_buf_put(b, in->path, in->n_path, err));
  MST_TRY(mst_buf_put_byte(b, '\n', err));
  MST_TRY(mst_buf_put(b, in->query, in->n_query, err));
  MST_TRY(mst_buf_put_byte(b, '\n', err));
  for (size_t i = 0; i < in->n_headers; i++) {
    MST_TRY(mst_buf_put_text(b, in->headers[i].name, err));
    MST_TRY(mst_buf_put_byte(b, ':', err));
    MST_TRY(put_header_value(b, in->headers[i].value, err));
    MST_TRY(mst_buf_put_byte(b, '\n', err));
  }
  MST_TRY(mst_buf_put_byte(b, '\n', err));
  MST_TRY(put_header_names(b, in, err));
  MST_TRY(mst_buf_put_byte(b, '\n', err));
  MST_TRY(mst_buf_put_text(b, in->payload, err));
  MST_TRY(mst_sha256(&s->digester, b->data, b->size, digest, err));
  mst_hex(digest, sizeof digest, hex);
done:
  return status;
}

mst_status mst_sign(mst_signer *s, mst_credentials *c, const mst_sign_input *in, mst_buf *out, mst_error *err) {
  char scope[sizeof s->key_scope], text[256], hex[2 * MST_SHA256_SIZE + 1];
  uint8_t signature[MST_SHA256_SIZE];
  mst_status status = MST_OK;
  int n;
  n = snprintf(scope, sizeof scope, "%.8s/%s/%s", in->date, in->region, in->service);
  if (n < 0 || (size_t)n >= sizeof scope) return mst_fail(err, MST_E_ARGUMENT, "region \"%s\" is too long", in->region);
  MST_TRY(hash_request(s, in, hex, err));
  n = snprintf(text, sizeof text, "AWS4-HMAC-SHA256\n%s\n%s/aws4_request\n%s", in->date, scope, hex);
  MST_TRY(make_key(s, c, in, scope, err));
  MST_TRY(mst_hmac_sha256(&s->digester, s->key, sizeof s->key, text, (size_t)n, signature, err));
  mst_hex(signature, sizeof signature, hex);
  MST_TRY(mst_buf_put_text(out, "AWS4-HMAC-SHA256 Credential=", err));
  MST_TRY(mst_buf_put_text(out, c->access_key, err));
  MST_TRY(mst_buf_put_byte(out, '/', err));
  MST_TRY(mst_buf_put_text(out, scope, err));
  MST_TRY(mst_buf_put_text(out, "/aws4_request, SignedHeaders=", err));
  MST_TRY(put_header_names(out, in, err));
  MST_TRY(mst_buf_put_text(out, ", Signature=", err));
  MST_TRY(mst_buf_put_text(out, hex, err));
done:
  return status;
}
