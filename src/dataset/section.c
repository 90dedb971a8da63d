/* dataset/section.c - what `metadata.meseta` says, checked before it is believed. */
#include "dataset/section.h"

#include "dataset/key.h"

static const char what[] = "metadata.meseta";

/* A key of an object of ours. */
static mst_status get_key(const json_t *map, const char *name, const char *uuid, const char **out, mst_error *err) {
  const char *why = "";
  mst_status status = mst_json_get_text(map, name, what, out, err);
  if (status != MST_OK || *out == NULL) return status;
  size_t n = strlen(uuid);
  if (!mst_key_is_safe(*out, strlen(*out), &why))
    return mst_fail(err, MST_E_CORRUPT, "%s: the key '%.200s' of '%s' %s", what, *out, name, why);
  if (strncmp(*out, uuid, n) != 0 || !mst_text_starts(*out + n, MST_KEY_OURS))
    return mst_fail(err, MST_E_CORRUPT, "%s: the key '%.200s' of '%s' lies outside of '%s%s'", what, *out, name, uuid,
                    MST_KEY_OURS);
  return MST_OK;
}

mst_status mst_section_of(const mst_document *d, const char *uuid, mst_section *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_section s = {.digest = "", .birth = "", .history = "0", .tried = ""};
  uint64_t format = 0;
  s.map = json_object_get(mst_document_metadata(d), MST_SECTION);
  if (s.map != NULL && !json_is_object(s.map)) s.map = NULL; /* a user's own member of this name */
  if (s.map == NULL || json_object_get(s.map, "format") == NULL) {
    s.map = NULL;
    *out = s;
    return MST_OK;
  }
  MST_TRY(mst_json_get_u64(s.map, "format", what, &format, err));
  if (format != MST_SECTION_FORMAT)
    return mst_fail(err, MST_E_UNSUPPORTED, "%s has format %llu; this library knows format %d", what,
                    (unsigned long long)format, MST_SECTION_FORMAT);
  MST_TRY(mst_json_get_u64(s.map, "version", what, &s.version, err));
  MST_TRY(mst_json_get_text(s.map, "digest", what, &s.digest, err));
  MST_TRY(mst_json_get_text(s.map, "birth", what, &s.birth, err));
  MST_TRY(mst_json_get_text(s.map, "history", what, &s.history, err));
  MST_TRY(mst_json_get_text(s.map, "tried", what, &s.tried, err));
  MST_TRY(mst_json_get_u64(s.map, "oldest", what, &s.oldest, err));
  MST_TRY(mst_json_get_bool(s.map, "dropped", what, &s.dropped, err));
  MST_TRY(mst_json_get_bool(s.map, "behind", what, &s.behind, err));
  MST_TRY(mst_json_get_bool(s.map, "twin", what, &s.twin, err));
  MST_TRY(get_key(s.map, "schema", uuid, &s.schema, err));
  if (s.version == 0 || s.version > (uint64_t)INT64_MAX - 1)
    return mst_fail(err, MST_E_CORRUPT, "%s: 'version' is %llu", what, (unsigned long long)s.version);
  *out = s;
done:
  return status;
}

mst_status mst_section_version(const mst_document *d, const mst_section *s, uint64_t *version, bool *external,
                               mst_error *err) {
  char digest[33];
  *external = false;
  if (s->map == NULL) {
    *version = 1;
    return MST_OK;
  }
  mst_status status = mst_document_digest(d, digest, err);
  if (status != MST_OK) return status;
  *external = strcmp(digest, s->digest) != 0;
  *version = s->version + (*external ? 1 : 0);
  return MST_OK;
}

mst_status mst_keep_parse(const char *text, mst_keep *out, mst_error *err) {
  static const struct {
    char letter;
    int64_t seconds;
  } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
  size_t n = strspn(text, "0123456789");
  uint64_t number = 0;
  if (n == 0 || n > 12 || !mst_number_u64(text, n, &number)) goto wrong;
  if (text[n] == '\0') {
    *out = (mst_keep){.versions = number == 0 ? 1 : number};
    return MST_OK;
  }
  for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
    if (text[n] != units[i].letter || text[n + 1] != '\0') continue;
    if (number > (uint64_t)(INT64_MAX / 1000000 / units[i].seconds)) goto wrong;
    *out = (mst_keep){.by_age = number > 0, .versions = 1, .age_us = (int64_t)number * units[i].seconds * 1000000};
    return MST_OK;
  }
wrong:
  return mst_fail(err, MST_E_ARGUMENT,
                  "history '%.60s' is neither a number of versions nor an age like 30s, 15m, 24h or 7d", text);
}
