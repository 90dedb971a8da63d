/* dataset/key.h - the names of objects: what a uuid may be, quoting, the keys of a dataset's files, and what a hostile key may not.
 *
 * Owns: nothing. May call: base. Private to the dataset module. */
#ifndef MST_DATASET_KEY_H
#define MST_DATASET_KEY_H

#include "base/base.h"

#define MST_KEY_MAX ((size_t)4096) /* bytes of a key */

#define MST_KEY_JSON    ".by-dataset-metadata.json"
#define MST_KEY_MSGPACK ".by-dataset-metadata.msgpack.zstd"
#define MST_KEY_COMMON  "_common_metadata"
#define MST_KEY_INDEX   ".by-dataset-index.parquet"
#define MST_KEY_OURS    ".meseta/" /* <uuid>.meseta/… holds additions of ours */

/* [a-zA-Z0-9+_-]+ */
mst_status mst_uuid_check(const char *uuid, mst_error *err);
/* 32 lower-case hex digits and a NUL, by the context's randomness. */
void mst_uuid_make(mst_context *ctx, char out[33]);
/* A table is one part of a key. */
mst_status mst_table_name_check(const char *table, mst_error *err);

/* Percent-encodes all but A-Z a-z 0-9 - . _ ~ ('/' too: plateau would cut the value there). */
mst_status mst_key_quote(mst_buf *out, const char *text, size_t n, mst_error *err);
/* %XX → byte; what is no escape stays. */
mst_status mst_key_unquote(mst_buf *out, const char *text, size_t n, mst_error *err);

/* A key that a document names: not empty, no ".." or "." or empty part, no leading '/', no NUL, not too long. */
bool mst_key_is_safe(const char *key, size_t n, const char **why);
/* Belongs to the dataset: begins with "<uuid>/" or "<uuid>.". */
bool mst_key_is_own(const char *key, const char *uuid);
/* Safe, and below "<uuid>/", "<uuid>.meseta/" or one of the main files: what may ever be deleted for this dataset. */
bool mst_key_is_deletable(const char *key, const char *uuid);

/* Each appends a whole key and a NUL that does not count. */
mst_status mst_key_head(mst_buf *out, const char *uuid, bool msgpack, mst_error *err);
mst_status mst_key_common(mst_buf *out, const char *uuid, const char *table, mst_error *err);
mst_status mst_key_file(mst_buf *out, const char *uuid, const char *table, const char *label, mst_error *err);
/* By the time `us`; ISO 8601 with microseconds and +00:00, quoted. */
mst_status mst_key_index(mst_buf *out, const char *uuid, const char *column, int64_t us, mst_error *err);

/* The "column=value" parts of a label or a whole key, still quoted, borrowed. Parts without exactly one '=' are passed over. */
typedef struct mst_key_part {
  const char *column, *value;
  size_t n_column, n_value;
} mst_key_part;
/* The next one at or behind *at, which moves on; false at the end. The last part (the file's name) is none. */
bool mst_label_next(const char *label, size_t *at, mst_key_part *out);
size_t mst_label_depth(const char *label); /* how many there are */

#endif
