/* dataset/section.h - `metadata.meseta` of the document, as opening a dataset needs it: version, birth, authoritative
 * schema, digest.
 *
 * Owns: nothing. May call: base, dataset/document.h, dataset/key.h. Private to the dataset module. */
#ifndef MST_DATASET_SECTION_H
#define MST_DATASET_SECTION_H

#include "base/base.h"
#include "dataset/document.h"

#define MST_SECTION        "meseta" /* its name in the user's map */
#define MST_SECTION_FORMAT 1

/* What the document says of itself. All borrowed from it; zeroed when it says nothing. */
typedef struct mst_section {
  json_t *map;         /* NULL: the document has none */
  uint64_t version;    /* that it claims */
  const char *digest;  /* "" when absent */
  const char *schema;  /* key of the authoritative schema object; NULL: `_common_metadata` */
  const char *birth;   /* "" when absent */
  const char *history; /* "0" when absent */
  const char *tried;   /* the store where conditional writes were seen to hold; "" when absent */
  uint64_t oldest;     /* versions before this one were given up explicitly */
  bool dropped;        /* a tombstone: the dataset is being removed */
  bool behind;         /* `_common_metadata` may not be written yet */
  bool twin;           /* the msgpack twin may be there still */
} mst_section;
/* Hostile: MST_E_CORRUPT names the member; a format of the future is MST_E_UNSUPPORTED. Keys lie below
 * `<uuid>.meseta/`. */
mst_status mst_section_of(const mst_document *d, const char *uuid, mst_section *out, mst_error *err);
/* The version of a document: 1 without a section; what it claims when the digest fits; one more when somebody who does
 * not know of the section wrote since (`*external`). */
mst_status mst_section_version(const mst_document *d, const mst_section *s, uint64_t *version, bool *external,
                               mst_error *err);

/* How long versions are kept. */
typedef struct mst_keep {
  bool by_age;
  uint64_t versions; /* the newest so many, the head one of them; at least 1 */
  int64_t age_us;    /* since they were superseded */
} mst_keep;
/* "10" versions, "30s" "15m" "24h" "7d"; "0": none. MST_E_ARGUMENT. */
mst_status mst_keep_parse(const char *text, mst_keep *out, mst_error *err);

#endif
