/* store/sign.h - AWS Signature Version 4. Private to the store module. */
#ifndef MST_STORE_SIGN_H
#define MST_STORE_SIGN_H

#include "store/lib_crypto.h"

/* Who signs. Shared and immutable; the texts lie behind the struct in one allocation that is wiped when it ends. */
typedef struct mst_credentials {
  _Atomic uint32_t refs;
  const char *access_key;
  const char *secret_key;
  const char *token;  /* NULL: none */
  int64_t expires_us; /* 0: never */
  const char *source; /* for messages: "environment", "profile x" */
  size_t size;
  const mst_allocator *mem;
} mst_credentials;
mst_status mst_credentials_new(const mst_allocator *mem, const char *access_key, const char *secret_key,
                               const char *token, int64_t expires_us, const char *source, mst_credentials **out,
                               mst_error *err);
mst_credentials *mst_credentials_ref(mst_credentials *c); /* NULL is fine */
void mst_credentials_unref(mst_credentials *c);

/* For one thread at a time. Keeps the signing key of the day. */
typedef struct mst_signer {
  mst_digester digester;
  mst_buf scratch;
  mst_credentials *key_of; /* a reference: what `key` was made from */
  char key_scope[96];      /* date/region/service */
  uint8_t key[MST_SHA256_SIZE];
} mst_signer;
mst_status mst_signer_open(mst_signer *s, const mst_crypto *lib, const mst_allocator *mem, mst_error *err);
void mst_signer_close(mst_signer *s); /* a zeroed one is fine */

typedef struct mst_header {
  const char *name;  /* lower case */
  const char *value; /* without blanks around it */
} mst_header;

typedef struct mst_sign_input {
  const char *method;
  const char *path; /* as sent: percent-encoded once, begins with '/'; not NUL-terminated */
  size_t n_path;
  const char *query; /* as sent: names sorted, each "name=value"; not NUL-terminated either */
  size_t n_query;
  const mst_header *headers; /* those that are signed, sorted by name; "host" and "x-amz-date" are among them */
  size_t n_headers;
  const char *payload; /* hex SHA-256 of the body, or UNSIGNED-PAYLOAD */
  const char *date;    /* the value of x-amz-date: 20130524T000000Z */
  const char *region;
  const char *service;
} mst_sign_input;
/* Appends the value of the Authorization header. */
mst_status mst_sign(mst_signer *s, mst_credentials *c, const mst_sign_input *in, mst_buf *out, mst_error *err);

#define MST_EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

#endif
