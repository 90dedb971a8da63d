/* fuzz/fuzz_profile.c - AWS configuration and credentials files: taken or refused by line, and no word of them in the
 * error. */
#include <stdlib.h>
#include <string.h>

#include "store/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const bool credentials = size > 0 && (data[0] & 1) != 0;
  mst_profiles p = {.mem = NULL};
  mst_error err = {.message = ""};
  if (size == 0) return 0;
  if (mst_profiles_parse(&p, credentials, "file", (const char *)data + 1, size - 1, &err) != MST_OK) {
    if (err.message[0] == '\0' || strlen(err.message) > 120) abort();
  } else {
    for (size_t i = 0; i < p.n; i++) {
      const mst_profile_entry *e = &p.entries[i];
      if (!mst_profiles_has(&p, e->kind, e->section)) abort();
      if (e->key[0] != '\0' && e->value[0] != '\0' &&
          mst_profiles_get_nested(&p, e->kind, e->section, e->parent, e->key) == NULL)
        abort();
    }
  }
  mst_profiles_free(&p);
  return 0;
}
