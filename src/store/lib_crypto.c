/* store/lib_crypto.c - finds libcrypto at run time; SHA-256 and HMAC with contexts that are used again.
 * Owns the digest contexts. Calls dlopen and base. */
#include "store/lib_crypto.h"

#include <dlfcn.h>

typedef struct symbol {
  const char *name;
  size_t at; /* of the pointer in mst_crypto */
} symbol;

static const symbol symbols[] = {
    {"EVP_MD_CTX_new", offsetof(mst_crypto, ctx_new)},
    {"EVP_MD_CTX_free", offsetof(mst_crypto, ctx_free)},
    {"EVP_MD_CTX_copy_ex", offsetof(mst_crypto, ctx_copy)},
    {"EVP_DigestInit_ex", offsetof(mst_crypto, init)},
    {"EVP_DigestUpdate", offsetof(mst_crypto, update)},
    {"EVP_DigestFinal_ex", offsetof(mst_crypto, final)},
    {"EVP_sha256", offsetof(mst_crypto, sha256)},
    {"EVP_sha1", offsetof(mst_crypto, sha1)},
    {"EVP_md5", offsetof(mst_crypto, md5)},
};

static const char *const sonames[] = {"libcrypto.so.3", "libcrypto.so.1.1", "libcrypto.so"};

/* When the process ends, the I/O thread may be in the middle of a transfer: nothing may be taken apart underneath it.
 */
static void keep_until_the_end(void *library) {
  enum { NO_ATEXIT = 0x00080000 };
  int (*init)(uint64_t options, const void *settings);
  void *at = dlsym(library, "OPENSSL_init_crypto");
  if (at == NULL) return;
  memcpy(&init, &at, sizeof at);
  (void)init(NO_ATEXIT, NULL);
}

mst_status mst_crypto_load(mst_crypto *out, mst_error *err) {
  mst_crypto c = {0};
  for (size_t i = 0; i < sizeof sonames / sizeof *sonames && c.library == NULL; i++)
    c.library = dlopen(sonames[i], RTLD_LAZY | RTLD_LOCAL);
  if (c.library == NULL)
    return mst_fail(err, MST_E_UNSUPPORTED, "signed requests need OpenSSL, which is not installed (no %s)", sonames[0]);
  for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
    void *at = dlsym(c.library, symbols[i].name);
    if (at == NULL) return mst_fail(err, MST_E_UNSUPPORTED, "libcrypto is too old: it has no %s", symbols[i].name);
    memcpy((char *)&c + symbols[i].at, &at, sizeof at);
  }
  keep_until_the_end(c.library);
  *out = c;
  return MST_OK;
}

static mst_status failed(mst_error *err) { return mst_fail(err, MST_E_INTERNAL, "libcrypto failed to make a SHA-256"); }

mst_status mst_digester_open(mst_digester *d, const mst_crypto *lib, mst_error *err) {
  *d = (mst_digester){.lib = lib};
  d->plain = lib->ctx_new();
  d->inner = lib->ctx_new();
  d->outer = lib->ctx_new();
  d->work = lib->ctx_new();
  if (d->plain == NULL || d->inner == NULL || d->outer == NULL || d->work == NULL) {
    mst_digester_close(d);
    return mst_fail_memory(err);
  }
  /* Chosen once: later calls with NULL start the same digest anew, without looking the algorithm up. */
  if (lib->init(d->plain, lib->sha256(), NULL) == 1 && lib->init(d->inner, lib->sha256(), NULL) == 1 &&
      lib->init(d->outer, lib->sha256(), NULL) == 1)
    return MST_OK;
  mst_digester_close(d);
  return failed(err);
}

void mst_digester_close(mst_digester *d) {
  if (d->lib == NULL) return;
  d->lib->ctx_free(d->plain);
  d->lib->ctx_free(d->inner);
  d->lib->ctx_free(d->outer);
  d->lib->ctx_free(d->work);
  explicit_bzero(d, sizeof *d);
}

mst_status mst_sha256(mst_digester *d, const void *data, size_t n, uint8_t out[MST_SHA256_SIZE], mst_error *err) {
  unsigned size = MST_SHA256_SIZE;
  if (d->lib->init(d->plain, NULL, NULL) != 1 || d->lib->update(d->plain, data, n) != 1 ||
      d->lib->final(d->plain, out, &size) != 1)
    return failed(err);
  return MST_OK;
}

static bool begin_with_key(const mst_crypto *lib, EVP_MD_CTX *ctx, const uint8_t block[MST_SHA256_BLOCK], uint8_t pad) {
  uint8_t padded[MST_SHA256_BLOCK];
  bool ok;
  for (size_t i = 0; i < sizeof padded; i++) padded[i] = block[i] ^ pad;
  ok = lib->init(ctx, NULL, NULL) == 1 && lib->update(ctx, padded, sizeof padded) == 1;
  explicit_bzero(padded, sizeof padded);
  return ok;
}

static mst_status set_key(mst_digester *d, const void *key, size_t n_key, mst_error *err) {
  uint8_t block[MST_SHA256_BLOCK] = {0};
  mst_status status = MST_OK;
  d->keyed = false;
  if (n_key > sizeof block) MST_TRY(mst_sha256(d, key, n_key, block, err));
  else memcpy(block, key, n_key);
  if (!begin_with_key(d->lib, d->inner, block, 0x36) || !begin_with_key(d->lib, d->outer, block, 0x5c))
    status = failed(err);
  if (status == MST_OK && n_key == sizeof d->key) {
    memcpy(d->key, key, n_key);
    d->keyed = true;
  }
done:
  explicit_bzero(block, sizeof block);
  return status;
}

mst_status mst_hmac_sha256(mst_digester *d, const void *key, size_t n_key, const void *data, size_t n,
                           uint8_t out[MST_SHA256_SIZE], mst_error *err) {
  const mst_crypto *lib = d->lib;
  uint8_t digest[MST_SHA256_SIZE];
  unsigned size = MST_SHA256_SIZE;
  mst_status status = MST_OK;
  if (!d->keyed || n_key != sizeof d->key || memcmp(d->key, key, n_key) != 0) MST_TRY(set_key(d, key, n_key, err));
  if (lib->ctx_copy(d->work, d->inner) != 1 || lib->update(d->work, data, n) != 1 ||
      lib->final(d->work, digest, &size) != 1 || lib->ctx_copy(d->work, d->outer) != 1 ||
      lib->update(d->work, digest, sizeof digest) != 1 || lib->final(d->work, out, &size) != 1)
    status = failed(err);
done:
  return status;
}

mst_status mst_digest(const mst_crypto *lib, mst_digest_kind kind, const void *data, size_t n,
                      uint8_t out[MST_SHA256_SIZE], size_t *n_out, mst_error *err) {
  const EVP_MD *type = kind == MST_DIGEST_MD5 ? lib->md5() : kind == MST_DIGEST_SHA1 ? lib->sha1() : lib->sha256();
  EVP_MD_CTX *ctx = lib->ctx_new();
  unsigned size = 0;
  bool ok;
  if (ctx == NULL) return mst_fail_memory(err);
  ok = type != NULL && lib->init(ctx, type, NULL) == 1 && lib->update(ctx, data, n) == 1 &&
       lib->final(ctx, out, &size) == 1;
  lib->ctx_free(ctx);
  if (!ok) return mst_fail(err, MST_E_UNSUPPORTED, "this machine's libcrypto refuses the digest that was asked for");
  *n_out = size;
  return MST_OK;
}
