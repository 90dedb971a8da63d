/* store/s3_place.c - from bucket, endpoint and region to host and path: AWS and foreign endpoints, path and
 * virtual-host style, access points. Owns the places of a store. Calls base. No request is made. */
#include <stdio.h>

#include "store/s3.h"

/* A region becomes part of a host's name, and may come from a slice or a server. */
bool mst_s3_region_valid(const char *region) {
  const size_t n = strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-");
  return n > 0 && n < 40 && region[n] == '\0' && region[0] != '-' && region[n - 1] != '-';
}

/* Can the bucket's name stand in a host's name? One with dots fits no wildcard certificate. */
static bool host_name_ok(const char *bucket) {
  const size_t n = strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789-");
  return n >= 3 && n <= 63 && bucket[n] == '\0' && bucket[0] != '-' && bucket[n - 1] != '-';
}

static const char *dns_suffix(const char *region) {
  if (mst_text_starts(region, "cn-")) return "amazonaws.com.cn";
  if (mst_text_starts(region, "us-iso-")) return "c2s.ic.gov";
  if (mst_text_starts(region, "us-isob-")) return "sc2s.sgov.gov";
  return "amazonaws.com";
}

static bool is_aws_host(const char *authority) {
  const size_t n = strcspn(authority, ":");
  static const char *const suffixes[] = {".amazonaws.com", ".amazonaws.com.cn"};
  for (size_t i = 0; i < 2; i++) {
    const size_t m = strlen(suffixes[i]);
    if (n > m && memcmp(authority + n - m, suffixes[i], m) == 0) return true;
  }
  return false;
}

/* --- endpoints ---------------------------------------------------------------------------------------------------- */

static mst_status take_authority(mst_s3 *s, const char *from, size_t n, mst_error *err) {
  const char *standard = mst_text_equal(s->scheme, "https") ? ":443" : ":80";
  const size_t m = strlen(standard);
  if (n == 0 || n >= sizeof s->authority) return mst_fail(err, MST_E_ARGUMENT, "the endpoint names no host");
  for (size_t i = 0; i < n; i++) {
    const char c = from[i];
    if ((unsigned char)c <= ' ' || (unsigned char)c >= 0x7F || strchr("@\\\"<>^`{|}", c) != NULL)
      return mst_fail(err, MST_E_ARGUMENT,
                      c == '@' ? "the endpoint holds credentials: give them as options"
                               : "the endpoint's host has a character that hosts cannot have");
    s->authority[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
  }
  s->authority[n] = '\0';
  /* As libcurl will write the Host header that is signed. */
  if (n > m && strcmp(s->authority + n - m, standard) == 0) s->authority[n - m] = '\0';
  return MST_OK;
}

static mst_status take_endpoint(mst_s3 *s, const char *endpoint, mst_error *err) {
  const char *at = endpoint, *colon = strstr(endpoint, "://");
  const bool tls = mst_settings_bool(s->settings, MST_OPTION_USE_TLS);
  mst_status status = MST_OK;
  size_t n;
  snprintf(s->scheme, sizeof s->scheme, "%s", tls ? "https" : "http");
  if (colon != NULL) {
    n = (size_t)(colon - endpoint);
    if (n == 5 && strncasecmp(endpoint, "https", 5) == 0) snprintf(s->scheme, sizeof s->scheme, "https");
    else if (n == 4 && strncasecmp(endpoint, "http", 4) == 0) snprintf(s->scheme, sizeof s->scheme, "http");
    else return mst_fail(err, MST_E_ARGUMENT, "the endpoint must begin with https:// or http://");
    at = colon + 3;
  }
  n = strcspn(at, "/?#");
  MST_TRY(take_authority(s, at, n, err));
  at += n;
  if (strpbrk(at, "?#") != NULL)
    return mst_fail(err, MST_E_ARGUMENT, "the endpoint must not have a query or a fragment");
  n = strlen(at);
  while (n > 0 && at[n - 1] == '/') n--;
  if (n >= sizeof s->base_path) return mst_fail(err, MST_E_ARGUMENT, "the endpoint's path is too long");
  memcpy(s->base_path, at, n);
  s->base_path[n] = '\0';
  s->at_aws = is_aws_host(s->authority);
done:
  return status;
}

/* --- access points ------------------------------------------------------------------------------------------------ */

/* arn:aws:s3:us-west-2:123456789012:accesspoint/name */
static mst_status take_arn(mst_s3 *s, const char *arn, mst_error *err) {
  char partition[24], service[24], kind[24];
  int end = 0;
  const int n = sscanf(arn, "arn:%23[^:]:%23[^:]:%40[^:]:%16[0-9]:%23[^:/]%*1[:/]%60[a-z0-9-]%n", partition, service,
                       s->arn_region, s->arn_account, kind, s->arn_name, &end);
  if (mst_text_starts(arn, "arn:aws:s3::"))
    return mst_fail(err, MST_E_UNSUPPORTED,
                    "multi-region access points need another kind of signature, which this build does not make");
  if (n != 6 || arn[end] != '\0' || strcmp(kind, "accesspoint") != 0 || strcmp(service, "s3") != 0 ||
      !mst_s3_region_valid(s->arn_region))
    return mst_fail(err, MST_E_ARGUMENT, "\"%s\" is not the ARN of an S3 access point", arn);
  if (!s->at_aws)
    return mst_fail(err, MST_E_UNSUPPORTED, "access points exist at AWS only, not at the endpoint %s", s->authority);
  return MST_OK;
}

/* --- places ------------------------------------------------------------------------------------------------------- */

static mst_status fill_place(const mst_s3 *s, mst_s3_place *p, const char *region, mst_error *err) {
  char authority[300];
  mst_buf path;
  mst_status status = MST_OK;
  int n;
  mst_buf_init(&path, s->mem, 2048);
  if (!mst_s3_region_valid(region)) return mst_fail(err, MST_E_ARGUMENT, "\"%.60s\" is not a region's name", region);
  snprintf(p->region, sizeof p->region, "%s", region);
  if (s->authority[0] != '\0') snprintf(authority, sizeof authority, "%s", s->authority);
  else if (s->arn_name[0] != '\0')
    snprintf(authority, sizeof authority, "%s-%s.s3-accesspoint.%s.%s", s->arn_name, s->arn_account, region,
             dns_suffix(region));
  else snprintf(authority, sizeof authority, "s3.%s.%s", region, dns_suffix(region));
  MST_TRY(mst_buf_put_text(&path, s->base_path, err));
  if (s->arn_name[0] != '\0') snprintf(p->host, sizeof p->host, "%.300s", authority);
  else if (s->virtual_host) snprintf(p->host, sizeof p->host, "%.63s.%.250s", s->bucket, authority);
  else {
    snprintf(p->host, sizeof p->host, "%.300s", authority);
    MST_TRY(mst_buf_put_byte(&path, '/', err));
    MST_TRY(mst_percent_encode(&path, s->bucket, strlen(s->bucket), "", err));
  }
  p->path_at = strlen(s->scheme) + 3 + strlen(p->host);
  n = snprintf(p->base, sizeof p->base, "%s://%s%s", s->scheme, p->host, mst_buf_text(&path));
  if (n < 0 || (size_t)n >= sizeof p->base)
    status = mst_fail(err, MST_E_ARGUMENT, "endpoint and bucket are too long together");
  p->n_base = (size_t)n;
done:
  mst_buf_free(&path);
  return status;
}

static mst_status choose_style(mst_s3 *s, mst_error *err) {
  const bool fits = host_name_ok(s->bucket);
  if (mst_text_equal(s->addressing, "path")) return MST_OK;
  if (mst_text_equal(s->addressing, "virtual")) {
    if (!fits && s->arn_name[0] == '\0')
      return mst_fail(err, MST_E_ARGUMENT, "bucket \"%.80s\" cannot be part of a host's name: use addressing=path",
                      s->bucket);
    s->virtual_host = true;
  } else s->virtual_host = s->at_aws && fits;
  return MST_OK;
}

mst_status mst_s3_place_init(mst_s3 *s, const mst_url *url, const char *endpoint, const char *region, mst_error *err) {
  mst_s3_place *p = NULL;
  mst_status status = MST_OK;
  s->at_aws = true;
  snprintf(s->scheme, sizeof s->scheme, "%s", mst_settings_bool(s->settings, MST_OPTION_USE_TLS) ? "https" : "http");
  if (endpoint != NULL) MST_TRY(take_endpoint(s, endpoint, err));
  if (mst_text_equal(s->scheme, "http") && !mst_settings_bool(s->settings, MST_OPTION_ALLOW_HTTP))
    return mst_fail(err, MST_E_ARGUMENT, "the endpoint is http:// and allow_http is false");
  if (mst_text_starts(url->host, "arn:")) MST_TRY(take_arn(s, url->host, err));
  if (s->arn_name[0] != '\0') region = s->arn_region;
  MST_TRY(choose_style(s, err));
  MST_TRY_ALLOC(p = mst_alloc_zero(s->mem, 1, sizeof *p));
  MST_TRY(fill_place(s, p, region, err));
  atomic_store(&s->place, p);
  p = NULL;
done:
  mst_free(s->mem, p);
  return status;
}

bool mst_s3_move(mst_s3 *s, const char *region) {
  mst_s3_place *now = atomic_load_explicit(&s->place, memory_order_acquire), *p;
  uint32_t moves = 0;
  if (!mst_s3_region_valid(region) || strcmp(now->region, region) == 0 || s->arn_name[0] != '\0') return false;
  for (const mst_s3_place *old = now; old != NULL; old = old->older) moves++;
  if (moves > 16) return false; /* a server that sends us in circles */
  p = mst_alloc_zero(s->mem, 1, sizeof *p);
  if (p == NULL) return false;
  if (s->at_aws && s->authority[0] != '\0') {
    /* A regional address was given and the bucket lies elsewhere: the standard one of that region. */
    mst_s3 standard = {.mem = s->mem, .bucket = s->bucket, .virtual_host = s->virtual_host};
    memcpy(standard.scheme, s->scheme, sizeof standard.scheme);
    if (fill_place(&standard, p, region, NULL) != MST_OK) goto failed;
  } else if (fill_place(s, p, region, NULL) != MST_OK) goto failed;
  p->older = now;
  if (atomic_compare_exchange_strong(&s->place, &now, p)) return true;
  /* Somebody else was faster, most likely with the same region. */
  mst_free(s->mem, p);
  return true;
failed:
  mst_free(s->mem, p);
  return false;
}

void mst_s3_place_free(mst_s3 *s) {
  for (mst_s3_place *p = atomic_load(&s->place), *older; p != NULL; p = older) {
    older = p->older;
    mst_free(s->mem, p);
  }
}
