/* store/profile.h - the AWS configuration and credentials files: sections, keys, nested keys. Private to the store
 * module. */
#ifndef MST_STORE_PROFILE_H
#define MST_STORE_PROFILE_H

#include "base/base.h"

typedef enum mst_section_kind {
  MST_SECTION_PROFILE,
  MST_SECTION_SSO_SESSION,
  MST_SECTION_SERVICES,
  MST_SECTION_OTHER
} mst_section_kind;

typedef struct mst_profile_entry {
  mst_section_kind kind;
  bool from_credentials;                /* these come before the configuration file's */
  char *section, *parent, *key, *value; /* parent: "" but for nested keys; all in one text */
} mst_profile_entry;

typedef struct mst_profiles {
  const mst_allocator *mem;
  mst_profile_entry *entries;
  size_t n, capacity;
  char *texts[2];
  size_t text_sizes[2];
} mst_profiles;

/* Reads both files; one that is not there is empty. A line that is none of the grammar's is MST_E_ARGUMENT with its
 * number: guessing could pick the wrong keys. Their content is secret: no line is ever shown. */
mst_status mst_profiles_load(const mst_allocator *mem, const char *config_file, const char *credentials_file,
                             mst_profiles *out, mst_error *err);
/* The same from texts; `name` is for errors. */
mst_status mst_profiles_parse(mst_profiles *p, bool credentials, const char *name, const char *text, size_t n,
                              mst_error *err);
void mst_profiles_free(mst_profiles *p); /* wiped */

bool mst_profiles_has(const mst_profiles *p, mst_section_kind kind, const char *section);
/* NULL when it is not there. */
const char *mst_profiles_get(const mst_profiles *p, mst_section_kind kind, const char *section, const char *key);
const char *mst_profiles_get_nested(const mst_profiles *p, mst_section_kind kind, const char *section,
                                    const char *parent, const char *key);

/* A small file as text with a NUL behind it. MST_E_NOT_FOUND when it is not there. The caller wipes and frees it. */
mst_status mst_file_read_small(const mst_allocator *mem, const char *path, size_t size_max, char **text, size_t *n,
                               mst_error *err);

#endif
