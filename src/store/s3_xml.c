/* store/s3_xml.c - S3's and STS's documents: errors, listings, uploads, deletions, credentials. Owns nothing but what
 * it adds to a page or a buffer. Calls xml.h, the pages of store.h and base. */
#include "store/s3_xml.h"

#include <stdio.h>
#include <stdlib.h>

#include "store/xml.h"

enum { LIST_ENTRIES_MAX = 100 * 1000 };

/* --- errors ------------------------------------------------------------------------------------------------------- */

static void keep(char *out, size_t capacity, const char *text, size_t n) {
  while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' ')) n--;
  if (n >= capacity) n = capacity - 1;
  memcpy(out, text, n);
  out[n] = '\0';
}

/* The children of an <Error>, up to its end. `key`: room for the key that it is about, NULL when that is known. */
static bool error_children(mst_xml *x, mst_s3_error *out, char *key, size_t key_capacity) {
  const uint32_t outside = x->depth - 1;
  for (;;) {
    struct {
      const char *name;
      char *text;
      size_t capacity;
    } * to, wanted[] = {{"Code", out->code, sizeof out->code},
                        {"Message", out->message, sizeof out->message},
                        {"RequestId", out->request_id, sizeof out->request_id},
                        {"HostId", out->host_id, sizeof out->host_id},
                        {"Region", out->region, sizeof out->region},
                        {"Endpoint", out->endpoint, sizeof out->endpoint},
                        {"Key", key, key_capacity}};
    const mst_xml_kind kind = mst_xml_next(x);
    const char *text;
    size_t n;
    if (kind == MST_XML_CLOSE && x->depth == outside) return true;
    if (kind == MST_XML_WRONG || kind == MST_XML_END) return false;
    if (kind != MST_XML_OPEN) continue;
    to = NULL;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted && to == NULL; i++)
      if (wanted[i].text != NULL && mst_xml_is(x, wanted[i].name)) to = &wanted[i];
    if (!mst_xml_text(x, &text, &n)) return false;
    if (to != NULL) keep(to->text, to->capacity, text, n);
  }
}

bool mst_s3_error_parse(char *text, size_t n, mst_s3_error *out) {
  mst_xml x = mst_xml_over(text, n);
  mst_xml_kind kind;
  *out = (mst_s3_error){0};
  /* STS wraps it: <ErrorResponse><Error>…</Error><RequestId> */
  while ((kind = mst_xml_next(&x)) == MST_XML_OPEN && x.depth <= 2 && !mst_xml_is(&x, "Error"))
    if (!mst_xml_is(&x, "ErrorResponse") && !mst_xml_is(&x, "Errors")) return false;
  if (kind != MST_XML_OPEN) return false;
  if (!error_children(&x, out, NULL, 0)) return out->code[0] != '\0';
  while (out->request_id[0] == '\0' && ((kind = mst_xml_next(&x)) == MST_XML_OPEN || kind == MST_XML_TEXT)) {
    const bool is_id = kind == MST_XML_OPEN && mst_xml_is(&x, "RequestId");
    const char *id;
    size_t n_id;
    if (kind == MST_XML_OPEN && mst_xml_text(&x, &id, &n_id) && is_id)
      keep(out->request_id, sizeof out->request_id, id, n_id);
  }
  return out->code[0] != '\0';
}

/* --- listings ----------------------------------------------------------------------------------------------------- */

typedef struct item {
  const char *key;
  size_t n_key;
  uint64_t size;
  int64_t modified_us;
  const char *etag;
  size_t n_etag;
  bool is_prefix;
} item;

typedef struct listing {
  item *items;
  size_t n, capacity;
  const char *next;
  size_t n_next;
  bool truncated, url_encoded, unordered;
  const mst_allocator *mem;
} listing;

static mst_status add_item(listing *l, const item *i, mst_error *err) {
  if (l->n == LIST_ENTRIES_MAX)
    return mst_fail(err, MST_E_LIMIT, "a page of the listing has over %d entries", LIST_ENTRIES_MAX);
  if (l->n == l->capacity) {
    const size_t capacity = l->capacity == 0 ? 256 : l->capacity * 2;
    item *items = mst_resize(l->mem, l->items, capacity * sizeof *items);
    if (items == NULL) return mst_fail_memory(err);
    l->items = items;
    l->capacity = capacity;
  }
  l->items[l->n++] = *i;
  return MST_OK;
}

static int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* encoding-type=url: like a form, '+' is a blank. In place. */
static bool url_decode(const char *text, size_t *n, char *begin) {
  char *out = begin + (text - begin);
  size_t kept = 0;
  for (size_t i = 0; i < *n; i++) {
    char c = text[i];
    if (c == '%') {
      const int high = i + 2 < *n ? hex_value(text[i + 1]) : -1, low = i + 2 < *n ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0 || (high | low) == 0) return false;
      c = (char)(high << 4 | low);
      i += 2;
    } else if (c == '+') c = ' ';
    out[kept++] = c;
  }
  *n = kept;
  return true;
}

static bool parse_digits(const char *text, size_t n, uint64_t *out) {
  uint64_t v = 0;
  if (n == 0) return false;
  for (size_t i = 0; i < n; i++)
    if (text[i] < '0' || text[i] > '9' || !mst_mul_u64(v, 10, &v) || !mst_add_u64(v, (uint64_t)(text[i] - '0'), &v))
      return false;
  *out = v;
  return true;
}

static uint32_t two_digits(const char *p) { return (uint32_t)(p[0] - '0') * 10 + (uint32_t)(p[1] - '0'); }

/* "2026-01-01T00:00:00.000Z" is what every server writes; whatever else goes the slow way. 0 when it is no time. */
static int64_t parse_time(const char *text, size_t n) {
  static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ";
  char copy[48];
  int64_t us;
  bool plain = n == sizeof shape - 1;
  for (size_t i = 0; i < n && plain; i++)
    plain = shape[i] == 'd' ? text[i] >= '0' && text[i] <= '9' : text[i] == shape[i];
  if (plain) {
    const int64_t days =
        mst_days_from_civil(two_digits(text) * 100 + two_digits(text + 2), two_digits(text + 5), two_digits(text + 8));
    const uint32_t s = two_digits(text + 11) * 3600 + two_digits(text + 14) * 60 + two_digits(text + 17);
    return (days * 86400 + s) * 1000000 + (int64_t)(two_digits(text + 20) * 10 + (uint32_t)(text[22] - '0')) * 1000;
  }
  if (n >= sizeof copy) return 0;
  memcpy(copy, text, n);
  copy[n] = '\0';
  return mst_time_parse_iso(copy, &us) ? us : 0;
}

static int64_t nanoseconds(int64_t us) {
  int64_t ns;
  return __builtin_mul_overflow(us, (int64_t)1000, &ns) ? 0 : ns; /* a year that they cannot tell is as good as none */
}

/* The children of a <Contents> or <CommonPrefixes>, up to its end. false: WRONG. */
static bool item_children(mst_xml *x, item *i) {
  const uint32_t outside = x->depth - 1;
  for (;;) {
    const mst_xml_kind kind = mst_xml_next(x);
    const char *text, *name;
    size_t n, n_name;
    if (kind == MST_XML_CLOSE && x->depth == outside) return true;
    if (kind == MST_XML_WRONG || kind == MST_XML_END) return false;
    if (kind != MST_XML_OPEN) continue;
    name = x->token;
    n_name = x->n_token;
    if (!mst_xml_text(x, &text, &n)) return false;
    if ((n_name == 3 && memcmp(name, "Key", 3) == 0) || (n_name == 6 && memcmp(name, "Prefix", 6) == 0))
      i->key = text, i->n_key = n;
    else if (n_name == 4 && memcmp(name, "Size", 4) == 0) {
      if (!parse_digits(text, n, &i->size)) return x->wrong = "a size is no number", false;
    } else if (n_name == 4 && memcmp(name, "ETag", 4) == 0) i->etag = text, i->n_etag = n;
    else if (n_name == 12 && memcmp(name, "LastModified", 12) == 0) i->modified_us = parse_time(text, n);
  }
}

static mst_status take_item(mst_xml *x, listing *l, bool is_prefix, mst_error *err) {
  item i = {.is_prefix = is_prefix, .etag = ""};
  if (!item_children(x, &i)) return mst_xml_fail(x, "listing", err);
  if (i.key == NULL) return mst_fail(err, MST_E_CORRUPT, "listing: an entry has no key");
  return add_item(l, &i, err);
}

static mst_status take_fact(mst_xml *x, listing *l, mst_error *err) {
  const char *name = x->token, *text;
  const size_t n_name = x->n_token;
  size_t n;
  if (!mst_xml_text(x, &text, &n)) return mst_xml_fail(x, "listing", err);
  if (n_name == 11 && memcmp(name, "IsTruncated", 11) == 0) l->truncated = n == 4 && memcmp(text, "true", 4) == 0;
  else if (n_name == 21 && memcmp(name, "NextContinuationToken", 21) == 0) l->next = text, l->n_next = n;
  else if (n_name == 12 && memcmp(name, "EncodingType", 12) == 0)
    l->url_encoded = n == 3 && memcmp(text, "url", 3) == 0;
  return MST_OK;
}

static mst_status parse_listing(mst_xml *x, listing *l, mst_error *err) {
  mst_status status = MST_OK;
  if (mst_xml_next(x) != MST_XML_OPEN || !mst_xml_is(x, "ListBucketResult"))
    return mst_fail(err, MST_E_CORRUPT, "listing: the reply is no ListBucketResult");
  for (;;) {
    const mst_xml_kind kind = mst_xml_next(x);
    if (kind == MST_XML_CLOSE) return MST_OK;
    if (kind == MST_XML_TEXT) continue;
    if (kind != MST_XML_OPEN) return mst_xml_fail(x, "listing", err);
    if (mst_xml_is(x, "Contents")) status = take_item(x, l, false, err);
    else if (mst_xml_is(x, "CommonPrefixes")) status = take_item(x, l, true, err);
    else status = take_fact(x, l, err);
    if (status != MST_OK) return status;
  }
}

static int compare_keys(const void *a, const void *b) {
  const item *i = a, *j = b;
  const int order = memcmp(i->key, j->key, mst_min_size(i->n_key, j->n_key));
  return order != 0 ? order : (i->n_key > j->n_key) - (i->n_key < j->n_key);
}

static mst_status check_keys(listing *l, char *text, const char *prefix, mst_error *err) {
  const size_t n_prefix = strlen(prefix);
  for (size_t k = 0; k < l->n; k++) {
    item *i = &l->items[k];
    if (l->url_encoded && !url_decode(i->key, &i->n_key, text))
      return mst_fail(err, MST_E_CORRUPT, "listing: key %zu of the page is not URL-encoded although the reply says so",
                      k);
    if (memchr(i->key, '\0', i->n_key) != NULL)
      return mst_fail(err, MST_E_CORRUPT, "listing: key %zu of the page holds a NUL", k);
    if (i->n_key < n_prefix || memcmp(i->key, prefix, n_prefix) != 0)
      return mst_fail(err, MST_E_CORRUPT, "listing: key \"%.*s\" does not begin with \"%.200s\"",
                      (int)mst_min_size(i->n_key, 200), i->key, prefix);
    if (k > 0 && !l->unordered) l->unordered = compare_keys(i - 1, i) > 0;
  }
  return MST_OK;
}

static mst_status fill_page(listing *l, mst_page *page, mst_error *err) {
  char etag[168];
  mst_status status = MST_OK;
  /* Common prefixes stand behind the keys, and a few servers have an order of their own. */
  if (l->unordered) qsort(l->items, l->n, sizeof *l->items, compare_keys);
  for (size_t k = 0; k < l->n; k++) {
    const item *i = &l->items[k];
    const size_t n = i->n_etag < sizeof etag ? i->n_etag : 0;
    memcpy(etag, i->etag, n);
    etag[n] = '\0';
    MST_TRY(mst_page_add(page, i->key, i->n_key, i->size, nanoseconds(i->modified_us), etag, i->is_prefix, err));
  }
done:
  return status;
}

mst_status mst_s3_list_parse(char *text, size_t n, const char *prefix, const char *token, mst_page *page,
                             const mst_allocator *mem, mst_error *err) {
  mst_xml x = mst_xml_over(text, n);
  listing l = {.mem = mem};
  char *next = NULL;
  mst_status status = MST_OK;
  MST_TRY(parse_listing(&x, &l, err));
  MST_TRY(check_keys(&l, text, prefix, err));
  if (l.truncated) {
    if (l.n_next == 0) {
      status = mst_fail(err, MST_E_CORRUPT, "listing: it is cut, but names no token to go on with");
      goto done;
    }
    MST_TRY_ALLOC(next = mst_text_copy_n(mem, l.next, l.n_next));
    if (token != NULL && strcmp(next, token) == 0) {
      status = mst_fail(err, MST_E_CORRUPT, "listing: the server gives the same page again and again");
      goto done;
    }
  }
  MST_TRY(fill_page(&l, page, err));
  MST_TRY(mst_page_end(page, next, err));
done:
  mst_free(mem, l.items);
  mst_free(mem, next);
  return status;
}

/* --- uploads ------------------------------------------------------------------------------------------------------ */

static mst_status fail_inside(mst_xml *x, mst_s3_error *failed, mst_error *err) {
  *failed = (mst_s3_error){0};
  error_children(x, failed, NULL, 0);
  return mst_fail(err, MST_E_IO, "the reply began as success and ended as %s: %s",
                  failed->code[0] == '\0' ? "an error" : failed->code, failed->message);
}

mst_status mst_s3_value_parse(char *text, size_t n, const char *root, const char *child, const char **value,
                              mst_s3_error *failed, mst_error *err) {
  mst_xml x = mst_xml_over(text, n);
  const char *found;
  size_t n_found;
  *value = "";
  if (mst_xml_next(&x) != MST_XML_OPEN) return mst_fail(err, MST_E_CORRUPT, "the reply is no %s", root);
  if (mst_xml_is(&x, "Error")) return fail_inside(&x, failed, err);
  if (!mst_xml_is(&x, root)) return mst_fail(err, MST_E_CORRUPT, "the reply is no %s", root);
  for (;;) {
    const mst_xml_kind kind = mst_xml_next(&x);
    bool wanted;
    if (kind == MST_XML_CLOSE) return MST_OK;
    if (kind == MST_XML_TEXT) continue;
    if (kind != MST_XML_OPEN) return mst_xml_fail(&x, root, err);
    wanted = mst_xml_is(&x, child);
    if (!mst_xml_text(&x, &found, &n_found)) return mst_xml_fail(&x, root, err);
    if (!wanted || n_found == 0) continue;
    /* What stands behind it was read already. */
    text[(size_t)(found - text) + n_found] = '\0';
    *value = found;
  }
}

mst_status mst_s3_complete_print(const char *const *part_tags, size_t n, mst_buf *out, mst_error *err) {
  bool fit;
  mst_status status = MST_OK;
  MST_TRY(mst_buf_put_text(out, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">", err));
  for (size_t i = 0; i < n; i++) {
    MST_TRY(mst_buf_printf(out, err, "<Part><PartNumber>%zu</PartNumber><ETag>", i + 1));
    MST_TRY(mst_xml_escape(out, part_tags[i], &fit, err));
    MST_TRY(mst_buf_put_text(out, "</ETag></Part>", err));
  }
  MST_TRY(mst_buf_put_text(out, "</CompleteMultipartUpload>", err));
done:
  return status;
}

/* --- deletions ---------------------------------------------------------------------------------------------------- */

mst_status mst_s3_delete_print(const char *const *keys, size_t n, bool *odd, size_t *n_odd, mst_buf *out,
                               mst_error *err) {
  mst_status status = MST_OK;
  *n_odd = 0;
  MST_TRY(mst_buf_put_text(out, "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>", err));
  for (size_t i = 0; i < n; i++) {
    const size_t before = out->size;
    bool fit;
    MST_TRY(mst_buf_put_text(out, "<Object><Key>", err));
    MST_TRY(mst_xml_escape(out, keys[i], &fit, err));
    MST_TRY(mst_buf_put_text(out, "</Key></Object>", err));
    odd[i] = !fit;
    if (fit) continue;
    (*n_odd)++;
    out->size = before;
  }
  MST_TRY(mst_buf_put_text(out, "</Delete>", err));
done:
  return status;
}

static mst_status take_undeleted(mst_xml *x, mst_s3_undeleted *out, mst_error *err) {
  mst_s3_error error = {0};
  char key[sizeof out->key] = "";
  if (!error_children(x, &error, key, sizeof key)) return mst_xml_fail(x, "DeleteResult", err);
  if (strcmp(error.code, "NoSuchKey") == 0 || out->n++ > 0) return MST_OK;
  out->error = error;
  memcpy(out->key, key, sizeof key);
  return MST_OK;
}

mst_status mst_s3_delete_parse(char *text, size_t n, mst_s3_undeleted *out, mst_error *err) {
  mst_xml x = mst_xml_over(text, n);
  mst_status status = MST_OK;
  *out = (mst_s3_undeleted){0};
  if (mst_xml_next(&x) != MST_XML_OPEN) return mst_fail(err, MST_E_CORRUPT, "the reply is no DeleteResult");
  if (mst_xml_is(&x, "Error")) return fail_inside(&x, &out->error, err);
  if (!mst_xml_is(&x, "DeleteResult")) return mst_fail(err, MST_E_CORRUPT, "the reply is no DeleteResult");
  while (status == MST_OK) {
    const mst_xml_kind kind = mst_xml_next(&x);
    if (kind == MST_XML_CLOSE) return MST_OK;
    if (kind == MST_XML_TEXT) continue;
    if (kind != MST_XML_OPEN) return mst_xml_fail(&x, "DeleteResult", err);
    if (mst_xml_is(&x, "Error")) status = take_undeleted(&x, out, err);
    else if (!mst_xml_skip(&x)) status = mst_xml_fail(&x, "DeleteResult", err);
  }
  return status;
}

/* --- STS ---------------------------------------------------------------------------------------------------------- */

mst_status mst_sts_parse(char *text, size_t n, mst_sts_reply *out, mst_error *err) {
  mst_xml x = mst_xml_over(text, n);
  bool inside = false;
  *out = (mst_sts_reply){"", "", "", ""};
  for (;;) {
    struct {
      const char *name;
      const char **value;
    } wanted[] = {{"AccessKeyId", &out->access_key},
                  {"SecretAccessKey", &out->secret_key},
                  {"SessionToken", &out->token},
                  {"Expiration", &out->expiration}};
    const mst_xml_kind kind = mst_xml_next(&x);
    const char **to = NULL, *value;
    size_t n_value;
    if (kind == MST_XML_WRONG) return mst_xml_fail(&x, "credentials", err);
    if (kind == MST_XML_END || (kind == MST_XML_CLOSE && mst_xml_is(&x, "Credentials"))) break;
    if (kind != MST_XML_OPEN) continue;
    inside = inside || mst_xml_is(&x, "Credentials");
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted && inside; i++)
      if (mst_xml_is(&x, wanted[i].name)) to = wanted[i].value;
    if (to == NULL) continue;
    if (!mst_xml_text(&x, &value, &n_value)) return mst_xml_fail(&x, "credentials", err);
    if (n_value == 0) continue;
    text[(size_t)(value - text) + n_value] = '\0';
    *to = value;
  }
  if (*out->access_key == '\0' || *out->secret_key == '\0')
    return mst_fail(err, MST_E_CORRUPT, "the reply holds no credentials");
  return MST_OK;
}
