/* store/url.c - takes URLs apart without changing a byte of what names an object. May call: base. */
#include "store/url.h"

#include "store/store.h"

typedef struct scheme_name {
  const char *name;
  mst_scheme scheme;
} scheme_name;

/* The first of each kind is the one that we write. */
static const scheme_name scheme_names[] = {
    {"file", MST_SCHEME_FILE},   {"memory", MST_SCHEME_MEMORY}, {"s3", MST_SCHEME_S3},    {"s3a", MST_SCHEME_S3},
    {"http", MST_SCHEME_HTTP},   {"https", MST_SCHEME_HTTPS},   {"az", MST_SCHEME_AZURE}, {"abfs", MST_SCHEME_AZURE},
    {"abfss", MST_SCHEME_AZURE}, {"azure", MST_SCHEME_AZURE},   {"gs", MST_SCHEME_GCS},   {"gcs", MST_SCHEME_GCS},
};
enum { N_SCHEMES = sizeof scheme_names / sizeof scheme_names[0] };

const char *mst_scheme_name(mst_scheme scheme) {
  for (size_t i = 0; i < N_SCHEMES; i++)
    if (scheme_names[i].scheme == scheme) return scheme_names[i].name;
  return "?";
}

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Length of "scheme" in "scheme://…"; 0 when the text does not begin like that. */
static size_t scheme_length(const char *text) {
  size_t n = 0;
  if (!is_letter(text[0])) return 0;
  while (is_letter(text[n]) || is_digit(text[n]) || text[n] == '+' || text[n] == '-' || text[n] == '.') n++;
  return strncmp(text + n, "://", 3) == 0 ? n : 0;
}

static bool find_scheme(const char *text, size_t n, mst_scheme *out) {
  for (size_t i = 0; i < N_SCHEMES; i++) {
    const char *name = scheme_names[i].name;
    size_t at = 0;
    while (at < n && name[at] != '\0' &&
           (text[at] == name[at] || (is_letter(text[at]) && (text[at] | 0x20) == name[at])))
      at++;
    if (at == n && name[at] == '\0') {
      *out = scheme_names[i].scheme;
      return true;
    }
  }
  return false;
}

static bool is_http(mst_scheme scheme) { return scheme == MST_SCHEME_HTTP || scheme == MST_SCHEME_HTTPS; }

/* Cuts the middle out of a text that does not fit. */
static void cut_middle(const char *text, size_t length, char *out, size_t n) {
  if (n == 0) return;
  if (length < n) {
    memcpy(out, text, length);
    out[length] = '\0';
    return;
  }
  const char *dots = "…";
  size_t n_dots = strlen(dots);
  if (n <= n_dots + 2) {
    out[0] = '\0';
    return;
  }
  size_t room = n - 1 - n_dots;
  size_t head = room / 2;
  size_t tail = room - head;
  /* never inside a character: continuation bytes are 10xxxxxx */
  while (head > 0 && ((uint8_t)text[head] & 0xC0) == 0x80) head--;
  while (tail > 0 && ((uint8_t)text[length - tail] & 0xC0) == 0x80) tail--;
  memcpy(out, text, head);
  memcpy(out + head, dots, n_dots);
  memcpy(out + head + n_dots, text + length - tail, tail);
  out[head + n_dots + tail] = '\0';
}

/* Where the parts that may be secret lie in an absolute URL. */
static void find_secrets(const char *text, const char **authority, const char **at_sign, const char **query) {
  size_t n = scheme_length(text);
  mst_scheme scheme = MST_SCHEME_FILE;
  *authority = *at_sign = *query = NULL;
  if (n == 0 || (find_scheme(text, n, &scheme) && scheme == MST_SCHEME_FILE)) return;
  const char *begin = text + n + 3;
  bool known = find_scheme(text, n, &scheme);
  bool plain_keys = known && !is_http(scheme); /* '?' is part of a key */
  const char *end = begin + strcspn(begin, plain_keys ? "/" : "/?#");
  for (const char *c = begin; c < end; c++)
    if (*c == '@') *at_sign = c;
  *authority = begin;
  if (!plain_keys && strchr(end, '?') != NULL) *query = strchr(end, '?');
}

bool mst_url_has_secret(const char *url) {
  const char *authority, *at_sign, *query;
  find_secrets(url, &authority, &at_sign, &query);
  return at_sign != NULL || query != NULL;
}

char *mst_url_redact(const char *url, char *out, size_t n) {
  const char *authority, *at_sign, *query;
  find_secrets(url, &authority, &at_sign, &query);
  size_t length = query != NULL ? (size_t)(query - url) : strlen(url);
  if (at_sign == NULL) {
    cut_middle(url, length, out, n);
    return out;
  }
  size_t head = (size_t)(authority - url);
  if (head >= n) head = n > 0 ? n - 1 : 0;
  memcpy(out, url, head);
  cut_middle(at_sign + 1, length - (size_t)(at_sign + 1 - url), out + head, n - head);
  return out;
}

void mst_url_free(mst_url *u) {
  if (u == NULL) return;
  mst_free(u->mem, u->host);
  mst_free(u->mem, u->key);
  mst_free(u->mem, u->query);
  mst_free(u->mem, u->userinfo);
  *u = (mst_url){0};
}

static mst_status copy_part(mst_url *u, char **part, const char *text, size_t n, mst_error *err) {
  *part = mst_text_copy_n(u->mem, text, n);
  return *part != NULL ? MST_OK : mst_fail_memory(err);
}

static mst_status parse_file(const char *path, mst_url *u, mst_error *err) {
  mst_status status = MST_OK;
  if (path[0] != '/') {
    size_t n = strcspn(path, "/");
    if (n != 9 || strncmp(path, "localhost", 9) != 0 || path[n] != '/')
      return mst_fail(err, MST_E_ARGUMENT,
                      "file://%.*s names a host; write file:///absolute/path, or a relative path without file://",
                      (int)mst_min_size(n, 100), path);
    path += n;
  }
  MST_TRY(copy_part(u, &u->host, "", 0, err));
  MST_TRY(copy_part(u, &u->key, path, strlen(path), err));
done:
  return status;
}

/* An access-point ARN holds one '/', or a second ':' in its place. */
static size_t bucket_length(const char *text) {
  size_t n = strcspn(text, "/");
  if (strncmp(text, "arn:", 4) != 0) return n;
  static const char mark[] = ":accesspoint/";
  const char *at = strstr(text, mark);
  if (at == NULL || at > text + n) return n;
  size_t head = (size_t)(at - text) + sizeof mark - 1;
  return head + strcspn(text + head, "/");
}

static mst_status parse_bucket(const char *rest, mst_url *u, mst_error *err) {
  mst_status status = MST_OK;
  size_t n = bucket_length(rest);
  const char *scheme = mst_scheme_name(u->scheme);
  if (memchr(rest, '@', n) != NULL)
    return mst_fail(err, MST_E_ARGUMENT, "%s:// with '@': credentials do not belong in a URL; give them as options",
                    scheme);
  if (n == 0 && u->scheme != MST_SCHEME_MEMORY)
    return mst_fail(err, MST_E_ARGUMENT, "%s:// names no bucket; write %s://bucket/key", scheme, scheme);
  if (memchr(rest, '?', n) != NULL || memchr(rest, '#', n) != NULL)
    return mst_fail(err, MST_E_ARGUMENT, "%s://%.*s is not a bucket's name", scheme, (int)strcspn(rest, "?#"), rest);
  MST_TRY(copy_part(u, &u->host, rest, n, err));
  rest += n;
  if (*rest == '/') rest++;
  MST_TRY(copy_part(u, &u->key, rest, strlen(rest), err));
done:
  return status;
}

static mst_status parse_port(const char *text, size_t n, mst_url *u, mst_error *err) {
  uint32_t port = 0;
  if (n == 0) return MST_OK;
  for (size_t i = 0; i < n; i++) {
    if (!is_digit(text[i]) || port > 65535) port = 65536;
    else port = port * 10 + (uint32_t)(text[i] - '0');
  }
  if (port == 0 || port > 65535) return mst_fail(err, MST_E_ARGUMENT, "the URL's port is not a number from 1 to 65535");
  u->port = (uint16_t)port;
  return MST_OK;
}

static bool host_valid(const char *text, size_t n) {
  if (n == 0) return false;
  if (text[0] == '[') {
    if (text[n - 1] != ']' || n < 4) return false;
    for (size_t i = 1; i < n - 1; i++)
      if (strchr("0123456789abcdefABCDEF:.", text[i]) == NULL || text[i] == '\0') return false;
    return true;
  }
  for (size_t i = 0; i < n; i++)
    if (!is_letter(text[i]) && !is_digit(text[i]) && strchr("-._~", text[i]) == NULL && (uint8_t)text[i] < 0x80)
      return false;
  return true;
}

static mst_status parse_authority(const char *text, size_t n, mst_url *u, mst_error *err) {
  mst_status status = MST_OK;
  const char *end = text + n;
  for (const char *c = end; c-- > text;) {
    if (*c != '@') continue;
    MST_TRY(copy_part(u, &u->userinfo, text, (size_t)(c - text), err));
    text = c + 1;
    break;
  }
  const char *host_end = end;
  const char *colon = memrchr(text, ':', (size_t)(end - text));
  if (colon != NULL && memchr(colon, ']', (size_t)(end - colon)) == NULL) {
    MST_TRY(parse_port(colon + 1, (size_t)(end - colon) - 1, u, err));
    host_end = colon;
  }
  size_t n_host = (size_t)(host_end - text);
  if (!host_valid(text, n_host)) {
    status = mst_fail(err, MST_E_ARGUMENT, "the %s:// URL has no valid host", mst_scheme_name(u->scheme));
    goto done;
  }
  MST_TRY(copy_part(u, &u->host, text, n_host, err));
  for (char *c = u->host; *c != '\0'; c++)
    if (*c >= 'A' && *c <= 'Z') *c = (char)(*c | 0x20);
done:
  return status;
}

static mst_status parse_http(const char *rest, mst_url *u, mst_error *err) {
  mst_status status = MST_OK;
  if (strchr(rest, '#') != NULL)
    return mst_fail(err, MST_E_ARGUMENT,
                    "the %s:// URL has a fragment ('#'), which no server sees; write %%23 for a '#' in a name",
                    mst_scheme_name(u->scheme));
  for (const char *c = rest; *c != '\0'; c++)
    if ((uint8_t)*c < 0x20 || *c == 0x7F)
      return mst_fail(err, MST_E_ARGUMENT, "the %s:// URL holds a control character (byte %d)",
                      mst_scheme_name(u->scheme), (int)(uint8_t)*c);
  size_t n = strcspn(rest, "/?");
  MST_TRY(parse_authority(rest, n, u, err));
  const char *path = rest + n;
  if (*path == '/') path++;
  size_t n_path = strcspn(path, "?");
  MST_TRY(copy_part(u, &u->key, path, n_path, err));
  if (path[n_path] == '?') MST_TRY(copy_part(u, &u->query, path + n_path + 1, strlen(path + n_path + 1), err));
done:
  return status;
}

static mst_status parse_parts(const char *text, mst_url *u, mst_error *err) {
  size_t n = scheme_length(text);
  if (n == 0) {
    u->scheme = MST_SCHEME_FILE;
    if (strncmp(text, "file:/", 6) == 0) text += 5;
    mst_status status = copy_part(u, &u->host, "", 0, err);
    return status == MST_OK ? copy_part(u, &u->key, text, strlen(text), err) : status;
  }
  if (!find_scheme(text, n, &u->scheme)) {
    return mst_fail(err, MST_E_ARGUMENT, "no store is known for %.*s:// (known: file, memory, s3, http, https)",
                    (int)mst_min_size(n, 40), text);
  }
  const char *rest = text + n + 3;
  if (u->scheme == MST_SCHEME_FILE) return parse_file(rest, u, err);
  if (is_http(u->scheme)) return parse_http(rest, u, err);
  return parse_bucket(rest, u, err);
}

mst_status mst_url_parse(const mst_allocator *mem, const char *text, mst_url *out, mst_error *err) {
  mst_url u = {.mem = mem};
  if (text == NULL || text[0] == '\0') return mst_fail(err, MST_E_ARGUMENT, "the URL is empty");
  mst_status status = parse_parts(text, &u, err);
  if (status != MST_OK) {
    mst_url_free(&u);
    return status;
  }
  *out = u;
  return MST_OK;
}
