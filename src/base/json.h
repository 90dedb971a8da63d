/* base/json.h - JSON by jansson, with limits on the way in and our errors on the way out.
 * Callers use jansson's own calls (json_object_get, json_integer …) on the values; references are jansson's. */
#ifndef MST_BASE_JSON_H
#define MST_BASE_JSON_H

#include <jansson.h>

#include "base/buf.h"

/* Hostile text: at most `size_max` bytes, no duplicate keys, valid UTF-8, depth bounded. `what` names it in errors. */
mst_status mst_json_parse(const void *text, size_t size, size_t size_max, const char *what, json_t **out,
                          mst_error *err);
/* Compact, keys sorted, so that equal values give equal bytes. */
mst_status mst_json_print(const json_t *value, mst_buf *out, mst_error *err);
/* Typed access; absent or null leaves `*out` as it is. A wrong type is MST_E_CORRUPT naming `what` and the key. */
mst_status mst_json_get_u64(const json_t *object, const char *key, const char *what, uint64_t *out, mst_error *err);
mst_status mst_json_get_i64(const json_t *object, const char *key, const char *what, int64_t *out, mst_error *err);
mst_status mst_json_get_bool(const json_t *object, const char *key, const char *what, bool *out, mst_error *err);
mst_status mst_json_get_text(const json_t *object, const char *key, const char *what, const char **out, mst_error *err);
mst_status mst_json_get_object(const json_t *object, const char *key, const char *what, json_t **out,
                               mst_error *err); /* borrowed */
mst_status mst_json_get_array(const json_t *object, const char *key, const char *what, json_t **out,
                              mst_error *err); /* borrowed */
/* Sets a key; steals nothing: takes over `value` (may be NULL: no memory). */
mst_status mst_json_set(json_t *object, const char *key, json_t *value, mst_error *err);
mst_status mst_json_set_u64(json_t *object, const char *key, uint64_t value, mst_error *err); /* up to INT64_MAX */
mst_status mst_json_set_text(json_t *object, const char *key, const char *value, mst_error *err);

#endif
