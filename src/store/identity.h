/* store/identity.h - who a store's requests are signed by: found once in the usual places, fetched when first needed,
 * fetched anew before it expires, by one caller at a time. Private to the store module.
 *
 * Order: keys given by the caller; a profile named by the caller; keys of the environment; the profile of the
 * environment or "default"; web identity; container; instance metadata. The first that is configured counts. A role
 * named by the caller is assumed with what was found. */
#ifndef MST_STORE_IDENTITY_H
#define MST_STORE_IDENTITY_H

#include "store/profile.h"
#include "store/transport.h"

/* Where credentials come from: a plan, made of texts alone. */
typedef enum mst_key_kind {
  MST_KEYS_STATIC,
  MST_KEYS_ROLE,         /* AssumeRole, signed by `base` */
  MST_KEYS_WEB_IDENTITY, /* AssumeRoleWithWebIdentity, by a token in a file */
  MST_KEYS_SSO,          /* a cached login */
  MST_KEYS_CONTAINER,    /* ECS, EKS */
  MST_KEYS_INSTANCE      /* EC2 metadata service, version 2 */
} mst_key_kind;

typedef struct mst_key_plan {
  mst_key_kind kind;
  struct mst_key_plan *base;
  char *label;                                 /* for messages */
  char *access_key, *secret_key, *token;       /* STATIC */
  char *role_arn, *session_name, *external_id; /* ROLE, WEB_IDENTITY */
  char *duration;                              /* seconds as text, or NULL */
  char *token_file;                            /* WEB_IDENTITY, CONTAINER */
  char *sts_url, *region;                      /* ROLE, WEB_IDENTITY; SSO: region */
  char *url;                                   /* CONTAINER, INSTANCE, SSO */
  char *container_token;
  char *sso_cache, *sso_account, *sso_role; /* SSO */
  uint32_t attempts;                        /* INSTANCE */
} mst_key_plan;
/* NULL in `out`: nothing is configured. `profile`: NULL or the name to use. */
mst_status mst_key_plan_make(mst_context *ctx, const mst_settings *settings, const mst_profiles *profiles,
                             const char *region, mst_key_plan **out, mst_error *err);
void mst_key_plan_free(const mst_allocator *mem, mst_key_plan *plan);
/* Asks whoever the plan says. Blocks. */
mst_status mst_key_plan_fetch(const mst_key_plan *plan, mst_transport *t, mst_http_config *config,
                              mst_http_config *local, const mst_exchange *parent, mst_credentials **out,
                              mst_error *err);

/* A region becomes part of hosts' names. */
bool mst_s3_region_valid(const char *region);
/* The profile in force: the caller's, the environment's, "default". */
const char *mst_profile_name(const mst_settings *settings);

/* [shared] */
typedef struct mst_identity mst_identity;
/* Stores of one context that are configured alike share one. */
mst_status mst_identity_open(mst_context *ctx, const mst_settings *settings, const mst_profiles *profiles,
                             const char *region, mst_http_config *config, mst_identity **out, mst_error *err);
void mst_identity_unref(mst_identity *id);

typedef enum mst_identity_state {
  MST_IDENTITY_READY,   /* *out is a reference */
  MST_IDENTITY_BUSY,    /* another caller fetches; look again soon */
  MST_IDENTITY_CLAIMED, /* the caller must call mst_identity_fetch, which may block */
  MST_IDENTITY_FAILED   /* fetching failed a moment ago; `err` says how */
} mst_identity_state;
mst_identity_state mst_identity_look(mst_identity *id, mst_credentials **out, mst_error *err);
void mst_identity_fetch(mst_identity *id, mst_transport *t, const mst_exchange *parent);
/* The server calls these expired or unknown. true: others will be fetched, so another attempt makes sense. */
bool mst_identity_reject(mst_identity *id, const mst_credentials *refused);

#endif
