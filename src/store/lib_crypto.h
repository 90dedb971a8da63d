/* store/lib_crypto.h - digests by OpenSSL's libcrypto, loaded on first use. Private to the store module. */
#ifndef MST_STORE_LIB_CRYPTO_H
#define MST_STORE_LIB_CRYPTO_H

#include <openssl/evp.h>

#include "base/base.h"

typedef struct mst_crypto {
  void *library;
  EVP_MD_CTX *(*ctx_new)(void);
  void (*ctx_free)(EVP_MD_CTX *ctx);
  int (*ctx_copy)(EVP_MD_CTX *out, const EVP_MD_CTX *in);
  int (*init)(EVP_MD_CTX *ctx, const EVP_MD *type, ENGINE *engine);
  int (*update)(EVP_MD_CTX *ctx, const void *data, size_t n);
  int (*final)(EVP_MD_CTX *ctx, unsigned char *out, unsigned *n);
  const EVP_MD *(*sha256)(void);
  const EVP_MD *(*sha1)(void);
  const EVP_MD *(*md5)(void);
} mst_crypto;

/* MST_E_UNSUPPORTED, naming the library, when it is not installed. It stays loaded until the process ends. */
mst_status mst_crypto_load(mst_crypto *out, mst_error *err);

enum { MST_SHA256_SIZE = 32, MST_SHA1_SIZE = 20, MST_MD5_SIZE = 16, MST_SHA256_BLOCK = 64 };

/* Contexts that are made once and used again for each message; for one thread at a time. */
typedef struct mst_digester {
  const mst_crypto *lib;
  EVP_MD_CTX *plain; /* SHA-256 */
  EVP_MD_CTX *inner; /* state behind key ^ ipad, never finished, only copied */
  EVP_MD_CTX *outer; /* state behind key ^ opad */
  EVP_MD_CTX *work;
  uint8_t key[MST_SHA256_SIZE];
  bool keyed;
} mst_digester;
mst_status mst_digester_open(mst_digester *d, const mst_crypto *lib, mst_error *err);
void mst_digester_close(mst_digester *d); /* a zeroed one is fine */

mst_status mst_sha256(mst_digester *d, const void *data, size_t n, uint8_t out[MST_SHA256_SIZE], mst_error *err);
/* Keys of the size of a digest are kept: the next message under the same key costs two block operations less. */
mst_status mst_hmac_sha256(mst_digester *d, const void *key, size_t n_key, const void *data, size_t n,
                           uint8_t out[MST_SHA256_SIZE], mst_error *err);

typedef enum mst_digest_kind { MST_DIGEST_MD5, MST_DIGEST_SHA1, MST_DIGEST_SHA256 } mst_digest_kind;
/* One message. MST_E_UNSUPPORTED where the machine's policy forbids the digest (FIPS and MD5). Gives the size in
 * `n_out`. */
mst_status mst_digest(const mst_crypto *lib, mst_digest_kind kind, const void *data, size_t n,
                      uint8_t out[MST_SHA256_SIZE], size_t *n_out, mst_error *err);

#endif
