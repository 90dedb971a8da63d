/* store/profile.c - reads the INI dialect of AWS tools. Owns the texts of the files, which hold secrets and are wiped.
 * Calls libc's file functions and base. */
#include "store/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_SIZE_MAX = 1 << 20, ENTRIES_MAX = 20000 };

/* --- files -------------------------------------------------------------------------------------------------------- */

mst_status mst_file_read_small(const mst_allocator *mem, const char *path, size_t size_max, char **text, size_t *n,
                               mst_error *err) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  char *room = NULL;
  size_t have = 0, capacity = 4096;
  mst_status status = MST_OK;
  if (fd < 0) return mst_fail_errno(err, errno, "opening %s", path);
  MST_TRY_ALLOC(room = mst_alloc(mem, capacity + 1));
  for (;;) {
    const ssize_t got = read(fd, room + have, capacity - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      status = mst_fail_errno(err, errno, "reading %s", path);
      goto done;
    }
    if (got == 0) break;
    have += (size_t)got;
    if (have < capacity) continue;
    if (capacity >= size_max) {
      status = mst_fail(err, MST_E_LIMIT, "%s is larger than %zu bytes", path, size_max);
      goto done;
    }
    char *larger = mst_alloc(mem, capacity * 2 + 1);
    if (larger != NULL) memcpy(larger, room, have);
    explicit_bzero(room, have);
    mst_free(mem, room);
    MST_TRY_ALLOC(room = larger);
    capacity *= 2;
  }
  room[have] = '\0';
  *text = room;
  *n = have;
  room = NULL;
done:
  if (room != NULL) explicit_bzero(room, have);
  mst_free(mem, room);
  close(fd);
  return status;
}

/* --- lines -------------------------------------------------------------------------------------------------------- */

typedef struct reader {
  mst_profiles *p;
  bool credentials;
  const char *name;
  uint32_t line;
  mst_section_kind kind;
  char *section; /* NULL: none has begun */
  char *parent;  /* the key that nested keys would belong to */
} reader;

static bool blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

static char *trim(char *text) {
  char *end;
  while (blank(*text)) text++;
  end = text + strlen(text);
  while (end > text && blank(end[-1])) end--;
  *end = '\0';
  return text;
}

static mst_status wrong(const reader *r, const char *rule, mst_error *err) {
  return mst_fail(err, MST_E_ARGUMENT, "%s line %u: %s", r->name, (unsigned)r->line, rule);
}

static mst_status add(reader *r, char *parent, char *key, char *value, mst_error *err) {
  mst_profiles *p = r->p;
  if (p->n == ENTRIES_MAX) return wrong(r, "there are too many keys", err);
  if (p->n == p->capacity) {
    const size_t capacity = p->capacity == 0 ? 64 : p->capacity * 2;
    mst_profile_entry *entries = mst_resize(p->mem, p->entries, capacity * sizeof *entries);
    if (entries == NULL) return mst_fail_memory(err);
    p->entries = entries;
    p->capacity = capacity;
  }
  p->entries[p->n++] = (mst_profile_entry){r->kind, r->credentials, r->section, parent, key, value};
  return MST_OK;
}

static char *unquote(char *text) {
  const size_t n = strlen(text);
  if (n >= 2 && (*text == '"' || *text == '\'') && text[n - 1] == *text) {
    text[n - 1] = '\0';
    return text + 1;
  }
  return text;
}

/* "[default]", "[profile x]", "[sso-session x]", "[services x]"; in the credentials file plain names. */
static mst_status begin_section(reader *r, char *line, mst_error *err) {
  static const struct {
    const char *word;
    mst_section_kind kind;
  } kinds[] = {
      {"profile", MST_SECTION_PROFILE}, {"sso-session", MST_SECTION_SSO_SESSION}, {"services", MST_SECTION_SERVICES}};
  char *close = strchr(line, ']'), *name;
  if (close == NULL) return wrong(r, "a section's name does not end", err);
  *close = '\0';
  name = trim(line + 1);
  r->kind = r->credentials || strcmp(name, "default") == 0 ? MST_SECTION_PROFILE : MST_SECTION_OTHER;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !r->credentials; i++) {
    const size_t n = strlen(kinds[i].word);
    if (strncmp(name, kinds[i].word, n) != 0 || !blank(name[n])) continue;
    r->kind = kinds[i].kind;
    name = trim(name + n);
    break;
  }
  r->section = unquote(name);
  r->parent = NULL;
  return add(r, "", "", "", err);
}

/* A comment behind a value begins with a blank and its sign. */
static void cut_comment(char *value) {
  for (char *p = value; *p != '\0'; p++)
    if (blank(*p) && (p[1] == '#' || p[1] == ';')) {
      *p = '\0';
      return;
    }
}

static mst_status take_line(reader *r, char *line, mst_error *err) {
  const bool nested = blank(*line);
  char *content = trim(line), *equals, *key, *value;
  if (*content == '\0' || *content == '#' || *content == ';') return MST_OK;
  if (*content == '[' && !nested) return begin_section(r, content, err);
  if (r->section == NULL) return wrong(r, "a key stands before the first section", err);
  equals = strchr(content, '=');
  if (nested && r->parent == NULL)
    return equals == NULL ? MST_OK : wrong(r, "an indented key belongs to no other", err);
  if (equals == NULL) return nested ? MST_OK : wrong(r, "neither a section nor a key with its value", err);
  *equals = '\0';
  key = trim(content);
  value = equals + 1;
  if (!r->credentials) cut_comment(value);
  value = trim(value);
  if (*key == '\0') return wrong(r, "a key has no name", err);
  if (nested) return add(r, r->parent, key, value, err);
  r->parent = key;
  return add(r, "", key, value, err);
}

mst_status mst_profiles_parse(mst_profiles *p, bool credentials, const char *name, const char *text, size_t n,
                              mst_error *err) {
  reader r = {.p = p, .credentials = credentials, .name = name};
  char *copy, *line;
  mst_status status = MST_OK;
  if (memchr(text, '\0', n) != NULL) return mst_fail(err, MST_E_ARGUMENT, "%s is no text", name);
  copy = mst_text_copy_n(p->mem, text, n);
  if (copy == NULL) return mst_fail_memory(err);
  if (p->texts[credentials] != NULL) explicit_bzero(p->texts[credentials], p->text_sizes[credentials]);
  mst_free(p->mem, p->texts[credentials]);
  p->texts[credentials] = copy;
  p->text_sizes[credentials] = n;
  if (n >= 3 && memcmp(copy, "\xEF\xBB\xBF", 3) == 0) copy += 3;
  for (line = copy; line != NULL && status == MST_OK;) {
    char *newline = strchr(line, '\n'), *next = newline == NULL ? NULL : newline + 1;
    if (newline != NULL) *newline = '\0';
    r.line++;
    status = take_line(&r, line, err);
    line = next;
  }
  return status;
}

static mst_status load(mst_profiles *p, bool credentials, const char *path, mst_error *err) {
  char *text = NULL;
  size_t n = 0;
  mst_error why = {.status = MST_OK};
  mst_status status;
  if (path == NULL) return MST_OK;
  status = mst_file_read_small(p->mem, path, FILE_SIZE_MAX, &text, &n, &why);
  /* A home that this process may not look into is as good as an empty one. */
  if (status == MST_E_NOT_FOUND || status == MST_E_DENIED) return MST_OK;
  if (status != MST_OK) {
    if (err != NULL) *err = why;
    return status;
  }
  status = mst_profiles_parse(p, credentials, path, text, n, err);
  explicit_bzero(text, n);
  mst_free(p->mem, text);
  return status;
}

mst_status mst_profiles_load(const mst_allocator *mem, const char *config_file, const char *credentials_file,
                             mst_profiles *out, mst_error *err) {
  mst_status status = MST_OK;
  *out = (mst_profiles){.mem = mem};
  MST_TRY(load(out, false, config_file, err));
  MST_TRY(load(out, true, credentials_file, err));
done:
  if (status != MST_OK) mst_profiles_free(out);
  return status;
}

void mst_profiles_free(mst_profiles *p) {
  for (int i = 0; i < 2; i++) {
    if (p->texts[i] != NULL) explicit_bzero(p->texts[i], p->text_sizes[i]);
    mst_free(p->mem, p->texts[i]);
  }
  mst_free(p->mem, p->entries);
  *p = (mst_profiles){.mem = p->mem};
}

/* --- looking up --------------------------------------------------------------------------------------------------- */

bool mst_profiles_has(const mst_profiles *p, mst_section_kind kind, const char *section) {
  for (size_t i = 0; i < p->n; i++)
    if (p->entries[i].kind == kind && strcmp(p->entries[i].section, section) == 0) return true;
  return false;
}

const char *mst_profiles_get_nested(const mst_profiles *p, mst_section_kind kind, const char *section,
                                    const char *parent, const char *key) {
  const char *found = NULL;
  bool from_credentials = false;
  /* A later line replaces an earlier one of the same file. */
  for (size_t i = 0; i < p->n; i++) {
    const mst_profile_entry *e = &p->entries[i];
    if (e->kind != kind || e->key[0] == '\0' || strcmp(e->section, section) != 0 || strcmp(e->parent, parent) != 0)
      continue;
    if (!mst_text_equal_nocase(e->key, key) || e->value[0] == '\0' || (from_credentials && !e->from_credentials))
      continue;
    found = e->value;
    from_credentials = e->from_credentials;
  }
  return found;
}

const char *mst_profiles_get(const mst_profiles *p, mst_section_kind kind, const char *section, const char *key) {
  return mst_profiles_get_nested(p, kind, section, "", key);
}
