/* store/s3_xml.h - what S3 and STS say in XML, and what S3 is told in it. Private to the store module.
 * Parsers take the reply's text by a writable pointer: they decode in place, and their results point into it. */
#ifndef MST_STORE_S3_XML_H
#define MST_STORE_S3_XML_H

#include "store/store.h"

typedef struct mst_s3_error {
  char code[72]; /* "" when the text is no error document */
  char message[256];
  char request_id[64];
  char host_id[112];
  char region[48];
  char endpoint[160];
} mst_s3_error;
/* Takes what it can: an error about an error helps nobody. true when a code was found. */
bool mst_s3_error_parse(char *text, size_t n, mst_s3_error *out);

/* ListBucketResult → entries in the order of their keys, and the page's end. Keys that do not begin with `prefix`, a
 * token that stands still and a page that goes on without a token are MST_E_CORRUPT. */
mst_status mst_s3_list_parse(char *text, size_t n, const char *prefix, const char *token, mst_page *page,
                             const mst_allocator *mem, mst_error *err);

/* The text of one child of the root element, NUL-terminated, "" when it is not there: UploadId, ETag. The root must be
 * `root`; an <Error> there is MST_E_IO (S3 may answer 200 and fail later) with its facts in `failed`. */
mst_status mst_s3_value_parse(char *text, size_t n, const char *root, const char *child, const char **value,
                              mst_s3_error *failed, mst_error *err);

/* DeleteResult: the number of keys that were not deleted, and the first one's key and facts. */
typedef struct mst_s3_undeleted {
  size_t n;
  char key[1100];
  mst_s3_error error;
} mst_s3_undeleted;
mst_status mst_s3_delete_parse(char *text, size_t n, mst_s3_undeleted *out, mst_error *err);
/* Body of DeleteObjects for keys[0 … n): those that XML cannot carry are left out and marked in odd[0 … n). */
mst_status mst_s3_delete_print(const char *const *keys, size_t n, bool *odd, size_t *n_odd, mst_buf *out,
                               mst_error *err);
mst_status mst_s3_complete_print(const char *const *part_tags, size_t n, mst_buf *out, mst_error *err);

/* Credentials of an AssumeRole…Response, as they stand there. */
typedef struct mst_sts_reply {
  const char *access_key, *secret_key, *token, *expiration;
} mst_sts_reply;
mst_status mst_sts_parse(char *text, size_t n, mst_sts_reply *out, mst_error *err);

#endif
