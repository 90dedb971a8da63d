/* store/url.h - the parts of a store's or object's URL. Nothing is percent-decoded and nothing is normalised: what the
 * user wrote is what the store gets. Private to the store module. */
#ifndef MST_STORE_URL_H
#define MST_STORE_URL_H

#include "base/base.h"

typedef enum mst_scheme {
  MST_SCHEME_FILE,   /* file:, and plain paths                       */
  MST_SCHEME_MEMORY, /* memory:                                      */
  MST_SCHEME_S3,     /* s3:, s3a:                                    */
  MST_SCHEME_HTTP,   /* http:                                        */
  MST_SCHEME_HTTPS,  /* https:                                       */
  MST_SCHEME_AZURE,  /* az:, abfs:, abfss:, azure: - known, not supported */
  MST_SCHEME_GCS     /* gs:, gcs: - known, not supported             */
} mst_scheme;

typedef struct mst_url {
  mst_scheme scheme;
  uint16_t port;  /* HTTP only; 0: the scheme's own                                                      */
  char *host;     /* S3: bucket or access-point ARN; memory: name; HTTP: host in lower case, IPv6 in []; file: "" */
  char *key;      /* S3, memory: key; HTTP: path without its first '/'; file: path in the file system; "" when none */
  char *query;    /* HTTP only: what stands behind '?', may be a secret; NULL when none                  */
  char *userinfo; /* HTTP only: what stands before '@', a secret; NULL when none                         */
  const mst_allocator *mem;
} mst_url;

/* Errors never show userinfo or query. S3 URLs with userinfo, HTTP URLs with a fragment, file URLs with a foreign host,
 * and schemes that nobody knows are MST_E_ARGUMENT. */
mst_status mst_url_parse(const mst_allocator *mem, const char *text, mst_url *out, mst_error *err);
void mst_url_free(mst_url *u);
/* "s3", "https" and so on; never NULL. */
const char *mst_scheme_name(mst_scheme scheme);

#endif
