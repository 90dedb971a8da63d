/* store/key_plan.c - finds out where credentials are to come from: options, environment, profiles. Makes no request.
 * Owns the plan's texts, which are wiped. Calls options.h, profile.h, base. */
#include <stdio.h>

#include "store/identity.h"

enum { PROFILE_DEPTH_MAX = 8 };

typedef struct planner {
  mst_context *ctx;
  const mst_allocator *mem;
  const mst_settings *settings;
  const mst_profiles *profiles;
  const char *region;
} planner;

/* --- the plan's memory -------------------------------------------------------------------------------------------- */

static void wipe(const mst_allocator *mem, char *text) {
  if (text == NULL) return;
  explicit_bzero(text, strlen(text));
  mst_free(mem, text);
}

void mst_key_plan_free(const mst_allocator *mem, mst_key_plan *plan) {
  while (plan != NULL) {
    mst_key_plan *base = plan->base;
    char *texts[] = {plan->label,           plan->access_key,   plan->secret_key,  plan->token,
                     plan->role_arn,        plan->session_name, plan->external_id, plan->duration,
                     plan->token_file,      plan->sts_url,      plan->region,      plan->url,
                     plan->container_token, plan->sso_cache,    plan->sso_account, plan->sso_role};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) wipe(mem, texts[i]);
    mst_free(mem, plan);
    plan = base;
  }
}

static mst_key_plan *new_plan(const planner *p, mst_key_kind kind, const char *label) {
  mst_key_plan *plan = mst_alloc_zero(p->mem, 1, sizeof *plan);
  if (plan == NULL) return NULL;
  plan->kind = kind;
  plan->label = mst_text_copy(p->mem, label);
  if (plan->label != NULL) return plan;
  mst_free(p->mem, plan);
  return NULL;
}

static mst_status set(planner *p, char **field, const char *text, mst_error *err) {
  if (text == NULL) return MST_OK;
  *field = mst_text_copy(p->mem, text);
  return *field == NULL ? mst_fail_memory(err) : MST_OK;
}

static const char *option(const planner *p, mst_option_id id) { return mst_settings_text(p->settings, id); }
static const char *in_profile(const planner *p, const char *profile, const char *key) {
  return mst_profiles_get(p->profiles, MST_SECTION_PROFILE, profile, key);
}

const char *mst_profile_name(const mst_settings *settings) {
  const char *name = mst_settings_text(settings, MST_OPTION_PROFILE);
  return name == NULL ? "default" : name;
}

/* --- static keys -------------------------------------------------------------------------------------------------- */

static mst_status static_keys(planner *p, const char *label, const char *access, const char *secret, const char *token,
                              mst_key_plan **out, mst_error *err) {
  mst_status status = MST_OK;
  if (access == NULL || secret == NULL)
    return mst_fail(err, MST_E_ARGUMENT, "%s: %s is set and %s is not", label,
                    access != NULL ? "the access key" : "the secret key",
                    access != NULL ? "the secret key" : "the access key");
  MST_TRY_ALLOC(*out = new_plan(p, MST_KEYS_STATIC, label));
  MST_TRY(set(p, &(*out)->access_key, access, err));
  MST_TRY(set(p, &(*out)->secret_key, secret, err));
  MST_TRY(set(p, &(*out)->token, token, err));
done:
  return status;
}

/* Keys of different origin do not belong together. */
static const char *option_from(const planner *p, mst_option_id id, mst_origin origin) {
  return mst_settings_origin(p->settings, id) == origin ? option(p, id) : NULL;
}

static bool has_keys_from(const planner *p, mst_origin origin) {
  return option_from(p, MST_OPTION_ACCESS_KEY_ID, origin) != NULL ||
         option_from(p, MST_OPTION_SECRET_ACCESS_KEY, origin) != NULL;
}

static mst_status keys_from(planner *p, mst_origin origin, mst_key_plan **out, mst_error *err) {
  return static_keys(p, origin == MST_FROM_CALLER ? "storage options" : "environment",
                     option_from(p, MST_OPTION_ACCESS_KEY_ID, origin),
                     option_from(p, MST_OPTION_SECRET_ACCESS_KEY, origin),
                     option_from(p, MST_OPTION_SESSION_TOKEN, origin), out, err);
}

/* --- machines ----------------------------------------------------------------------------------------------------- */

static mst_status web_identity(planner *p, const char *role, const char *token_file, const char *session,
                               mst_key_plan **out, mst_error *err);

static mst_status container(planner *p, mst_key_plan **out, mst_error *err) {
  const char *relative = option(p, MST_OPTION_CONTAINER_RELATIVE_URI), *full = option(p, MST_OPTION_CONTAINER_FULL_URI);
  char url[1024];
  mst_status status = MST_OK;
  int n = relative != NULL
              ? snprintf(url, sizeof url, "http://169.254.170.2%s%s", *relative == '/' ? "" : "/", relative)
              : snprintf(url, sizeof url, "%s", full);
  if (n < 0 || (size_t)n >= sizeof url)
    return mst_fail(err, MST_E_ARGUMENT, "the address of the container's credentials is too long");
  MST_TRY_ALLOC(*out = new_plan(p, MST_KEYS_CONTAINER, "container"));
  MST_TRY(set(p, &(*out)->url, url, err));
  MST_TRY(set(p, &(*out)->container_token, option(p, MST_OPTION_CONTAINER_TOKEN), err));
  MST_TRY(set(p, &(*out)->token_file, option(p, MST_OPTION_CONTAINER_TOKEN_FILE), err));
done:
  return status;
}

static bool has_container(const planner *p) {
  return option(p, MST_OPTION_CONTAINER_RELATIVE_URI) != NULL || option(p, MST_OPTION_CONTAINER_FULL_URI) != NULL;
}

static mst_status instance(planner *p, mst_key_plan **out, mst_error *err) {
  const uint64_t attempts = mst_settings_u64(p->settings, MST_OPTION_METADATA_ATTEMPTS);
  mst_status status = MST_OK;
  MST_TRY_ALLOC(*out = new_plan(p, MST_KEYS_INSTANCE, "instance metadata"));
  MST_TRY(set(p, &(*out)->url, option(p, MST_OPTION_METADATA_ENDPOINT), err));
  (*out)->attempts = attempts < 1 ? 1 : attempts > 10 ? 10 : (uint32_t)attempts;
done:
  return status;
}

/* --- roles -------------------------------------------------------------------------------------------------------- */

static mst_status set_sts(planner *p, mst_key_plan *plan, const char *role, const char *session, mst_error *err) {
  const char *endpoint = option(p, MST_OPTION_STS_ENDPOINT);
  const char *services = mst_profiles_get(p->profiles, MST_SECTION_PROFILE, mst_profile_name(p->settings), "services");
  const bool ignore = mst_settings_bool(p->settings, MST_OPTION_IGNORE_ENDPOINTS);
  char url[160];
  mst_status status = MST_OK;
  if (endpoint == NULL && services != NULL && !ignore)
    endpoint = mst_profiles_get_nested(p->profiles, MST_SECTION_SERVICES, services, "sts", "endpoint_url");
  if (endpoint == NULL) {
    snprintf(url, sizeof url, "https://sts.%s.amazonaws.com%s", p->region,
             mst_text_starts(p->region, "cn-") ? ".cn" : "");
    endpoint = url;
  }
  MST_TRY(set(p, &plan->sts_url, endpoint, err));
  MST_TRY(set(p, &plan->region, p->region, err));
  MST_TRY(set(p, &plan->role_arn, role, err));
  MST_TRY(set(p, &plan->session_name, session != NULL ? session : option(p, MST_OPTION_ROLE_SESSION_NAME), err));
done:
  return status;
}

static mst_status web_identity(planner *p, const char *role, const char *token_file, const char *session,
                               mst_key_plan **out, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY_ALLOC(*out = new_plan(p, MST_KEYS_WEB_IDENTITY, "web identity"));
  MST_TRY(set(p, &(*out)->token_file, token_file, err));
  MST_TRY(set_sts(p, *out, role, session, err));
done:
  return status;
}

static mst_status from_profile(planner *p, const char *profile, uint32_t depth, mst_key_plan **out, mst_error *err);

static mst_status named_source(planner *p, const char *source, mst_key_plan **out, mst_error *err) {
  if (mst_text_equal(source, "Environment")) {
    if (has_keys_from(p, MST_FROM_ENVIRONMENT)) return keys_from(p, MST_FROM_ENVIRONMENT, out, err);
    return mst_fail(err, MST_E_DENIED, "credential_source = Environment, but the environment holds no keys");
  }
  if (mst_text_equal(source, "Ec2InstanceMetadata")) return instance(p, out, err);
  if (mst_text_equal(source, "EcsContainer")) {
    if (has_container(p)) return container(p, out, err);
    return mst_fail(err, MST_E_DENIED,
                    "credential_source = EcsContainer, but no container's credentials are configured");
  }
  return mst_fail(err, MST_E_ARGUMENT,
                  "credential_source = %s is none of Environment, Ec2InstanceMetadata, EcsContainer", source);
}

static mst_status role_of_profile(planner *p, const char *profile, const char *role, uint32_t depth, mst_key_plan **out,
                                  mst_error *err) {
  const char *token_file = in_profile(p, profile, "web_identity_token_file"),
             *session = in_profile(p, profile, "role_session_name");
  const char *source = in_profile(p, profile, "source_profile"), *kind = in_profile(p, profile, "credential_source");
  char label[160];
  mst_status status = MST_OK;
  if (token_file != NULL) return web_identity(p, role, token_file, session, out, err);
  if (in_profile(p, profile, "mfa_serial") != NULL)
    return mst_fail(err, MST_E_UNSUPPORTED,
                    "profile \"%s\" asks for a code of an MFA device, which a library cannot ask for", profile);
  if ((source == NULL) == (kind == NULL))
    return mst_fail(err, MST_E_ARGUMENT,
                    "profile \"%s\" has a role_arn and needs one of source_profile and credential_source", profile);
  snprintf(label, sizeof label, "role of profile %.120s", profile);
  MST_TRY_ALLOC(*out = new_plan(p, MST_KEYS_ROLE, label));
  MST_TRY(set_sts(p, *out, role, session, err));
  MST_TRY(set(p, &(*out)->external_id, in_profile(p, profile, "external_id"), err));
  MST_TRY(set(p, &(*out)->duration, in_profile(p, profile, "duration_seconds"), err));
  if (kind != NULL) MST_TRY(named_source(p, kind, &(*out)->base, err));
  else if (strcmp(source, profile) == 0)
    MST_TRY(static_keys(p, "profile", in_profile(p, profile, "aws_access_key_id"),
                        in_profile(p, profile, "aws_secret_access_key"), in_profile(p, profile, "aws_session_token"),
                        &(*out)->base, err));
  else MST_TRY(from_profile(p, source, depth + 1, &(*out)->base, err));
  if ((*out)->base == NULL)
    status = mst_fail(err, MST_E_DENIED, "profile \"%s\", the source of profile \"%s\", holds no credentials", source,
                      profile);
done:
  return status;
}

/* --- single sign-on -------------------------------------------------------------------------------------------------
 */

static mst_status sso_of_profile(planner *p, const char *profile, const char *session, mst_key_plan **out,
                                 mst_error *err) {
  const char *start = in_profile(p, profile, "sso_start_url"), *region = in_profile(p, profile, "sso_region");
  const char *account = in_profile(p, profile, "sso_account_id"), *role = in_profile(p, profile, "sso_role_name");
  const char *home = mst_context_getenv(p->ctx, "HOME"), *own = mst_context_getenv(p->ctx, "AWS_ENDPOINT_URL_SSO");
  char url[160];
  mst_status status = MST_OK;
  if (session != NULL) {
    region = mst_profiles_get(p->profiles, MST_SECTION_SSO_SESSION, session, "sso_region");
    start = mst_profiles_get(p->profiles, MST_SECTION_SSO_SESSION, session, "sso_start_url");
  }
  if (start == NULL || region == NULL || account == NULL || role == NULL || home == NULL)
    return mst_fail(
        err, MST_E_ARGUMENT,
        "profile \"%s\" uses single sign-on and lacks sso_start_url, sso_region, sso_account_id or sso_role_name",
        profile);
  if (!mst_s3_region_valid(region))
    return mst_fail(err, MST_E_ARGUMENT, "profile \"%s\": sso_region is not a region's name", profile);
  if (own != NULL) snprintf(url, sizeof url, "%.150s", own);
  else snprintf(url, sizeof url, "https://portal.sso.%s.amazonaws.com", region);
  MST_TRY_ALLOC(*out = new_plan(p, MST_KEYS_SSO, "single sign-on"));
  MST_TRY(set(p, &(*out)->url, url, err));
  MST_TRY(set(p, &(*out)->region, region, err));
  MST_TRY(set(p, &(*out)->sso_account, account, err));
  MST_TRY(set(p, &(*out)->sso_role, role, err));
  /* The login's file is named by the digest of this. */
  MST_TRY(set(p, &(*out)->sso_cache, session != NULL ? session : start, err));
  MST_TRY(set(p, &(*out)->token_file, home, err));
done:
  return status;
}

/* --- profiles ----------------------------------------------------------------------------------------------------- */

static mst_status from_profile(planner *p, const char *profile, uint32_t depth, mst_key_plan **out, mst_error *err) {
  const char *role = in_profile(p, profile, "role_arn"), *session = in_profile(p, profile, "sso_session");
  const char *access = in_profile(p, profile, "aws_access_key_id"),
             *secret = in_profile(p, profile, "aws_secret_access_key");
  char label[160];
  if (depth > PROFILE_DEPTH_MAX)
    return mst_fail(err, MST_E_ARGUMENT, "profile \"%s\": source_profile leads in a circle or too far", profile);
  if (depth > 0 && !mst_profiles_has(p->profiles, MST_SECTION_PROFILE, profile))
    return mst_fail(err, MST_E_ARGUMENT, "there is no profile \"%s\", which another names as its source_profile",
                    profile);
  if (role != NULL && (depth == 0 || access == NULL)) return role_of_profile(p, profile, role, depth, out, err);
  snprintf(label, sizeof label, "profile %.120s", profile);
  if (access != NULL || secret != NULL)
    return static_keys(p, label, access, secret, in_profile(p, profile, "aws_session_token"), out, err);
  if (session != NULL || in_profile(p, profile, "sso_start_url") != NULL)
    return sso_of_profile(p, profile, session, out, err);
  if (in_profile(p, profile, "credential_process") != NULL)
    return mst_fail(err, MST_E_UNSUPPORTED,
                    "profile \"%s\" asks for credential_process: a library does not run programs; put keys into the "
                    "environment instead",
                    profile);
  return MST_OK;
}

static mst_status check_profile(planner *p, mst_error *err) {
  const char *profile = mst_profile_name(p->settings);
  if (mst_settings_origin(p->settings, MST_OPTION_PROFILE) == MST_FROM_DEFAULT ||
      mst_profiles_has(p->profiles, MST_SECTION_PROFILE, profile))
    return MST_OK;
  return mst_fail(err, MST_E_ARGUMENT, "there is no profile \"%s\" in the AWS configuration or credentials file",
                  profile);
}

static mst_status find(planner *p, mst_key_plan **out, mst_error *err) {
  const char *profile = mst_profile_name(p->settings), *token_file = option(p, MST_OPTION_WEB_IDENTITY_TOKEN_FILE),
             *role = option(p, MST_OPTION_ROLE_ARN);
  const bool profile_first = mst_settings_origin(p->settings, MST_OPTION_PROFILE) == MST_FROM_CALLER;
  mst_status status = MST_OK;
  if (has_keys_from(p, MST_FROM_CALLER)) return keys_from(p, MST_FROM_CALLER, out, err);
  if (has_keys_from(p, MST_FROM_ENVIRONMENT) && !profile_first) return keys_from(p, MST_FROM_ENVIRONMENT, out, err);
  MST_TRY(check_profile(p, err));
  MST_TRY(from_profile(p, profile, 0, out, err));
  if (*out != NULL) return MST_OK;
  if (token_file != NULL && role != NULL)
    return web_identity(p, role, token_file, option(p, MST_OPTION_ROLE_SESSION_NAME), out, err);
  if (has_container(p)) return container(p, out, err);
  if (!mst_settings_bool(p->settings, MST_OPTION_METADATA_DISABLED)) return instance(p, out, err);
done:
  return status;
}

/* A role that the caller names, beside the keys to assume it with. */
static mst_status wrap_in_role(planner *p, mst_key_plan **plan, mst_error *err) {
  const char *role = option_from(p, MST_OPTION_ROLE_ARN, MST_FROM_CALLER);
  mst_key_plan *outer = NULL;
  mst_status status = MST_OK;
  if (role == NULL || *plan == NULL || (*plan)->kind == MST_KEYS_WEB_IDENTITY) return MST_OK;
  MST_TRY_ALLOC(outer = new_plan(p, MST_KEYS_ROLE, "role of the storage options"));
  MST_TRY(set_sts(p, outer, role, option(p, MST_OPTION_ROLE_SESSION_NAME), err));
  MST_TRY(set(p, &outer->external_id, option(p, MST_OPTION_ROLE_EXTERNAL_ID), err));
  outer->base = *plan;
  *plan = outer;
  outer = NULL;
done:
  mst_key_plan_free(p->mem, outer);
  return status;
}

mst_status mst_key_plan_make(mst_context *ctx, const mst_settings *settings, const mst_profiles *profiles,
                             const char *region, mst_key_plan **out, mst_error *err) {
  planner p = {ctx, mst_context_mem(ctx), settings, profiles, region};
  mst_key_plan *plan = NULL;
  mst_status status = find(&p, &plan, err);
  if (status == MST_OK) status = wrap_in_role(&p, &plan, err);
  if (status == MST_OK) *out = plan;
  else mst_key_plan_free(p.mem, plan);
  return status;
}
