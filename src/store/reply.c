/* store/reply.c - parses status lines and the headers that stores care for. Owns nothing; no allocation, every value is
 * bounded, what does not parse counts as absent or is marked wrong. Calls base. */
#include "store/reply.h"

#include <strings.h>

enum { HEADER_VALUE_MAX = 256 };

void mst_reply_begin(mst_reply *r) { memset(r, 0, sizeof *r); }

static void keep(char *out, size_t capacity, const char *value, size_t n) {
  if (n >= capacity) n = capacity - 1;
  memcpy(out, value, n);
  out[n] = '\0';
}

static bool parse_number(const char **at, const char *end, uint64_t *out) {
  const char *p = *at;
  uint64_t v = 0;
  for (; p < end && *p >= '0' && *p <= '9'; p++)
    if (!mst_mul_u64(v, 10, &v) || !mst_add_u64(v, (uint64_t)(*p - '0'), &v)) return false;
  if (p == *at) return false;
  *at = p;
  *out = v;
  return true;
}

/* "bytes 0-99/1234", "bytes 0-99/ *" (without the blank), "bytes * /1234" (likewise) */
static mst_content_range parse_range(mst_reply *r, const char *p, const char *end) {
  if (end - p < 6 || strncasecmp(p, "bytes", 5) != 0 || (p[5] != ' ' && p[5] != '=')) return MST_RANGE_WRONG;
  p += 6;
  if (end - p == 6 && memcmp(p, "0--1/0", 6) == 0) {
    /* What some servers say of the last bytes of an empty object. */
    r->range_total_known = true;
    return MST_RANGE_UNSATISFIED;
  }
  if (p < end && *p == '*') {
    if (end - ++p < 2 || *p++ != '/' || !parse_number(&p, end, &r->range_total) || p != end) return MST_RANGE_WRONG;
    r->range_total_known = true;
    return MST_RANGE_UNSATISFIED;
  }
  if (!parse_number(&p, end, &r->range_first) || p == end || *p++ != '-') return MST_RANGE_WRONG;
  if (!parse_number(&p, end, &r->range_last) || p == end || *p++ != '/') return MST_RANGE_WRONG;
  r->range_total_known = p == end || *p != '*';
  if (!r->range_total_known) p++;
  else if (!parse_number(&p, end, &r->range_total) || r->range_last >= r->range_total) return MST_RANGE_WRONG;
  return p == end && r->range_first <= r->range_last ? MST_RANGE_GIVEN : MST_RANGE_WRONG;
}

static void take_range(mst_reply *r, const char *value, size_t n) {
  /* Two that differ cannot both be believed. */
  r->range = r->range == MST_RANGE_ABSENT ? parse_range(r, value, value + n) : MST_RANGE_WRONG;
}

static void take_length(mst_reply *r, const char *value, size_t n) {
  const char *p = value;
  r->length_known = parse_number(&p, value + n, &r->length) && p == value + n;
}

static void take_time(int64_t *out, const char *value, size_t n) {
  char text[64];
  keep(text, sizeof text, value, n);
  if (!mst_time_parse_http(text, out)) *out = 0;
}

static void take_etag(mst_reply *r, const char *value, size_t n) {
  r->etag_cut = n >= sizeof r->etag;
  keep(r->etag, sizeof r->etag, value, r->etag_cut ? 0 : n);
}

/* Encodings change the bytes, so one that is not known whole counts as an encoding all the same. */
static void take_encoding(mst_reply *r, const char *value, size_t n) {
  if (n == 8 && strncasecmp(value, "identity", 8) == 0) n = 0;
  keep(r->encoding, sizeof r->encoding, value, n);
}

static void take_sum(mst_reply *r, mst_sum_kind kind, const char *value, size_t n) {
  if (r->sum != MST_SUM_NONE || n >= sizeof r->sum_value) return;
  r->sum = kind;
  keep(r->sum_value, sizeof r->sum_value, value, n);
  if (strchr(r->sum_value, '-') != NULL) r->sum_of_parts = true;
}

typedef enum field {
  FIELD_OTHER,
  FIELD_RANGE,
  FIELD_LENGTH,
  FIELD_ENCODING,
  FIELD_TYPE,
  FIELD_ETAG,
  FIELD_MODIFIED,
  FIELD_DATE,
  FIELD_RETRY,
  FIELD_REQUEST,
  FIELD_HOST_ID,
  FIELD_VERSION,
  FIELD_REGION,
  FIELD_SUM_TYPE,
  FIELD_CRC32,
  FIELD_CRC32C,
  FIELD_CRC64,
  FIELD_SHA1,
  FIELD_SHA256,
  FIELD_TRANSFER
} field;

static field find_field(const char *name, size_t n) {
  static const struct {
    const char *name;
    uint8_t n;
    field what;
  } fields[] = {
#define FIELD(text, what) {text, sizeof(text) - 1, what}
      FIELD("etag", FIELD_ETAG),
      FIELD("date", FIELD_DATE),
      FIELD("content-length", FIELD_LENGTH),
      FIELD("content-range", FIELD_RANGE),
      FIELD("content-encoding", FIELD_ENCODING),
      FIELD("content-type", FIELD_TYPE),
      FIELD("last-modified", FIELD_MODIFIED),
      FIELD("retry-after", FIELD_RETRY),
      FIELD("x-amz-request-id", FIELD_REQUEST),
      FIELD("x-request-id", FIELD_REQUEST),
      FIELD("x-amzn-requestid", FIELD_REQUEST),
      FIELD("x-amz-id-2", FIELD_HOST_ID),
      FIELD("x-amz-version-id", FIELD_VERSION),
      FIELD("x-amz-bucket-region", FIELD_REGION),
      FIELD("x-amz-checksum-type", FIELD_SUM_TYPE),
      FIELD("x-amz-checksum-crc32", FIELD_CRC32),
      FIELD("x-amz-checksum-crc32c", FIELD_CRC32C),
      FIELD("x-amz-checksum-crc64nvme", FIELD_CRC64),
      FIELD("x-amz-checksum-sha1", FIELD_SHA1),
      FIELD("x-amz-checksum-sha256", FIELD_SHA256),
      FIELD("transfer-encoding", FIELD_TRANSFER)};
#undef FIELD
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
    if (fields[i].n == n && (fields[i].name[0] ^ (name[0] | 0x20)) == 0 && strncasecmp(fields[i].name, name, n) == 0)
      return fields[i].what;
  return FIELD_OTHER;
}

static void take_field(mst_reply *r, field f, const char *value, size_t n) {
  switch (f) {
  case FIELD_OTHER: return;
  case FIELD_RANGE: take_range(r, value, n); return;
  case FIELD_LENGTH: take_length(r, value, n); return;
  case FIELD_ENCODING: take_encoding(r, value, n); return;
  case FIELD_TYPE: r->is_multipart = n >= 20 && strncasecmp(value, "multipart/byteranges", 20) == 0; return;
  case FIELD_ETAG: take_etag(r, value, n); return;
  case FIELD_MODIFIED: take_time(&r->modified_us, value, n); return;
  case FIELD_DATE: take_time(&r->date_us, value, n); return;
  case FIELD_RETRY: keep(r->retry_after, sizeof r->retry_after, value, n); return;
  case FIELD_REQUEST: keep(r->request_id, sizeof r->request_id, value, n); return;
  case FIELD_HOST_ID: keep(r->host_id, sizeof r->host_id, value, n); return;
  case FIELD_VERSION:
    if (n < sizeof r->version && !(n == 4 && memcmp(value, "null", 4) == 0))
      keep(r->version, sizeof r->version, value, n);
    return;
  case FIELD_REGION: keep(r->region, sizeof r->region, value, n); return;
  case FIELD_SUM_TYPE: r->sum_of_parts = r->sum_of_parts || (n == 9 && strncasecmp(value, "COMPOSITE", 9) == 0); return;
  case FIELD_CRC32: take_sum(r, MST_SUM_CRC32, value, n); return;
  case FIELD_CRC32C: take_sum(r, MST_SUM_CRC32C, value, n); return;
  case FIELD_CRC64: take_sum(r, MST_SUM_CRC64NVME, value, n); return;
  case FIELD_SHA1: take_sum(r, MST_SUM_SHA1, value, n); return;
  case FIELD_TRANSFER: r->chunked = n >= 7 && strncasecmp(value + n - 7, "chunked", 7) == 0; return;
  case FIELD_SHA256: take_sum(r, MST_SUM_SHA256, value, n); return;
  }
}

static bool take_status_line(mst_reply *r, const char *line, size_t n) {
  const char *p, *end = line + n;
  uint64_t status;
  if (n < 9 || memcmp(line, "HTTP/", 5) != 0) return false;
  p = memchr(line, ' ', n);
  mst_reply_begin(r);
  if (p == NULL) return true;
  p++;
  if (parse_number(&p, end, &status) && status >= 100 && status <= 999) r->status = (int)status;
  return true;
}

void mst_reply_line(mst_reply *r, const char *line, size_t n) {
  const char *colon, *value, *end;
  while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r' || line[n - 1] == ' ' || line[n - 1] == '\t')) n--;
  if (n == 0 || take_status_line(r, line, n)) return;
  colon = memchr(line, ':', n);
  if (colon == NULL || colon == line) return;
  end = line + n;
  for (value = colon + 1; value < end && (*value == ' ' || *value == '\t'); value++) continue;
  take_field(r, find_field(line, (size_t)(colon - line)), value, (size_t)(end - value));
}
