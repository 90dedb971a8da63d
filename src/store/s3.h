/* store/s3.h - the parts of the S3 store: its place, its requests, its replies. Private to s3*.c. */
#ifndef MST_STORE_S3_H
#define MST_STORE_S3_H

#include "store/call.h"
#include "store/identity.h"
#include "store/url.h"

/* Where requests go. Immutable; when another region is learnt a new one takes its place and the old one is kept, so
 * that nobody needs a lock to read. */
typedef struct mst_s3_place {
  struct mst_s3_place *older;
  char region[48];
  char host[320]; /* the Host header: name, and the port unless it is the scheme's own */
  char base[512]; /* "https://host:port/path/bucket", without '/' at its end */
  size_t n_base;
  size_t path_at; /* where the path begins in `base` (its end when there is none) */
} mst_s3_place;

typedef struct mst_s3 {
  mst_context *ctx; /* borrowed: the handle around us holds it */
  const mst_allocator *mem;
  const mst_env *env;
  mst_http_config *config;
  mst_retry_policy policy;
  mst_identity *identity; /* NULL: anonymous */
  char *bucket, *url;     /* url: "s3://bucket" */
  char *endpoint;         /* as settings tell it to others; NULL: AWS */
  char scheme[8];         /* "https" or "http" */
  char authority[280];    /* host[:port] of a foreign endpoint; "" at AWS */
  char base_path[160];    /* of a foreign endpoint; "" or "/path" */
  const char *addressing;
  mst_settings *settings; /* a reference */
  mst_sum_kind sum;
  bool at_aws, virtual_host, requester_pays, unsigned_payload;
  bool withheld;                                      /* anonymous only because nobody but a slice names the endpoint */
  char arn_region[48], arn_account[24], arn_name[64]; /* of an access point; arn_name "": none */
  _Atomic(mst_s3_place *) place;
  _Atomic int64_t skew_us; /* the server's clock minus ours */
  atomic_bool bucket_seen, no_checksum, no_batch;
} mst_s3;

/* Closing an upload again: is it there already? */
enum { MST_S3_STEP_CHECK = MST_STEP_OWN };
enum { MST_S3_BATCH_MAX = 1000 };

extern const mst_dialect mst_s3_dialect;

/* s3_place.c */
mst_status mst_s3_place_init(mst_s3 *s, const mst_url *url, const char *endpoint, const char *region, mst_error *err);
/* Moves to another region. false: that cannot be done, or is done already (*moved tells). */
bool mst_s3_move(mst_s3 *s, const char *region);
void mst_s3_place_free(mst_s3 *s);

/* s3_request.c */
mst_go mst_s3_request(mst_call *c, mst_signer *signer);

/* s3_reply.c */
bool mst_s3_adapt(mst_call *c);
mst_go mst_s3_accept(mst_call *c);
mst_status mst_s3_refuse(mst_call *c, const char **hint);

#endif
