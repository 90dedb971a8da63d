/* store/options.h - the one table of storage options and the settings made from it: what the caller gave, what a slice
 * brought along, what the environment says, else the default. Private to the store module.
 *
 * Adding an option: one id here, one row in options.c, and the store that asks for it. */
#ifndef MST_STORE_OPTIONS_H
#define MST_STORE_OPTIONS_H

#include "base/base.h"

typedef enum mst_option_id {
  /* where the service is */
  MST_OPTION_ENDPOINT,
  MST_OPTION_REGION,
  MST_OPTION_ADDRESSING,       /* auto, path, virtual                                                     */
  MST_OPTION_USE_TLS,          /* scheme of endpoints that are not written out                            */
  MST_OPTION_ALLOW_HTTP,       /* false: an http:// endpoint is refused                                   */
  MST_OPTION_IGNORE_ENDPOINTS, /* AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: only an endpoint from the caller counts */
  MST_OPTION_REQUESTER_PAYS,
  /* who is asking: S3 */
  MST_OPTION_ANONYMOUS,
  MST_OPTION_ACCESS_KEY_ID, /* the three go together: look at the origin before mixing them            */
  MST_OPTION_SECRET_ACCESS_KEY,
  MST_OPTION_SESSION_TOKEN,
  MST_OPTION_PROFILE,
  MST_OPTION_CONFIG_FILE,
  MST_OPTION_CREDENTIALS_FILE,
  MST_OPTION_ROLE_ARN,
  MST_OPTION_ROLE_SESSION_NAME,
  MST_OPTION_ROLE_EXTERNAL_ID,
  MST_OPTION_WEB_IDENTITY_TOKEN_FILE,
  MST_OPTION_STS_ENDPOINT,
  MST_OPTION_CONTAINER_RELATIVE_URI,
  MST_OPTION_CONTAINER_FULL_URI,
  MST_OPTION_CONTAINER_TOKEN,
  MST_OPTION_CONTAINER_TOKEN_FILE,
  MST_OPTION_METADATA_ENDPOINT,
  MST_OPTION_METADATA_DISABLED,
  MST_OPTION_METADATA_TIMEOUT,
  MST_OPTION_METADATA_ATTEMPTS,
  /* who is asking: HTTP */
  MST_OPTION_USERNAME,
  MST_OPTION_PASSWORD,
  MST_OPTION_BEARER_TOKEN,
  /* how requests are made */
  MST_OPTION_CHECKSUM, /* none, crc32c, crc32, sha256                                             */
  MST_OPTION_UNSIGNED_PAYLOAD,
  MST_OPTION_MAX_ATTEMPTS,
  MST_OPTION_RETRY_TIMEOUT, /* seconds over all attempts                                               */
  MST_OPTION_CONNECT_TIMEOUT,
  MST_OPTION_STALL_TIMEOUT, /* seconds without a byte                                                  */
  MST_OPTION_TIMEOUT,       /* seconds for one attempt; 0: none                                        */
  MST_OPTION_PROXY,
  MST_OPTION_NO_PROXY,
  MST_OPTION_CA_BUNDLE,
  MST_OPTION_VERIFY_TLS,
  MST_OPTION_USER_AGENT,
  MST_OPTIONS
} mst_option_id;

typedef enum mst_option_type {
  MST_TYPE_TEXT,
  MST_TYPE_BOOL, /* true false 1 0 yes no on off, any case */
  MST_TYPE_COUNT,
  MST_TYPE_SIZE,    /* "8MiB"                                 */
  MST_TYPE_SECONDS, /* "30", "1.5", "30s", "500ms", "5m"      */
  MST_TYPE_CHOICE   /* one of `choices`                       */
} mst_option_type;

/* Stores that an option is for. */
enum { MST_FOR_S3 = 1, MST_FOR_HTTP = 2, MST_FOR_FILE = 4, MST_FOR_MEMORY = 8 };

typedef struct mst_option {
  const char *name; /* our own spelling                                                                    */
  const char *doc;
  const char *initial;        /* default as text; NULL: unset                                              */
  const char *choices;        /* CHOICE: "auto path=false virtual=true": word, and a synonym behind '='    */
  const char *environment[6]; /* names in order, the first one set counts; NULL ends                       */
  const char *aliases[12];    /* other spellings; a leading '!' means the opposite (BOOL); NULL ends       */
  mst_option_type type;
  uint32_t stores;
  bool secret; /* never shown, and wiped when it is forgotten                                              */
} mst_option;
/* The row of an option, by id. */
const mst_option *mst_option_row(mst_option_id id);

/* Who set a value. The order is that of strength. */
typedef enum mst_origin {
  MST_FROM_DEFAULT,
  MST_FROM_ENVIRONMENT,
  MST_FROM_SLICE, /* hostile: see mst_settings_make                                                       */
  MST_FROM_CALLER
} mst_origin;

/* [shared]; immutable. Every value was checked against its type. */
typedef struct mst_settings mst_settings;

/* `stores` (MST_FOR_…) says whose environment variables are looked at. An unknown key is MST_E_ARGUMENT with the
 * nearest one, and so are a key given twice (in whichever spelling) and a value of the wrong type. Options of other
 * kinds of stores are accepted and have no effect, because one set of options serves all URLs of a call.
 *
 * `slice` (may be NULL) is the settings object of a slice, from mst_store_settings of another process: only the options
 * that another process needs (endpoint, region, addressing, requester_pays, anonymous) are taken from it, anything else is
 * MST_E_CORRUPT. What the caller or the environment set to the same value keeps that origin. An endpoint whose origin
 * is MST_FROM_SLICE must never be sent a credential; only the profile's own endpoint, which this module does not know,
 * may lift that. */
mst_status mst_settings_make(mst_context *ctx, uint32_t stores, const mst_pair *config, size_t n_config,
                             const json_t *slice, mst_settings **out, mst_error *err);
mst_settings *mst_settings_ref(const mst_settings *s);
void mst_settings_unref(mst_settings *s);

const char *mst_settings_text(const mst_settings *s, mst_option_id id); /* NULL when unset; CHOICE: the word itself */
bool mst_settings_bool(const mst_settings *s, mst_option_id id);        /* false when unset                         */
uint64_t mst_settings_u64(const mst_settings *s, mst_option_id id);     /* COUNT, SIZE; 0 when unset                */
int64_t mst_settings_us(const mst_settings *s, mst_option_id id);       /* SECONDS, in microseconds; 0 when unset   */
mst_origin mst_settings_origin(const mst_settings *s, mst_option_id id);
/* The URL that they are for came with a slice: nobody here has vouched for its host. */
bool mst_settings_of_slice(const mst_settings *s);

#endif
