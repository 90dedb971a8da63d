/* store/pin.c - versions of objects: what tells one from another, and their JSON form in slices and indexes.
 * May call: base. */
#include "store/store.h"

static bool is_weak(const char *etag) { return etag[0] == 'W' && etag[1] == '/'; }

bool mst_pin_etag_strong(const mst_pin *pin) { return pin->etag[0] != '\0' && !is_weak(pin->etag); }

bool mst_pin_known(const mst_pin *pin) {
  return mst_pin_etag_strong(pin) || pin->version[0] != '\0' || pin->modified_ns != 0 || pin->inode != 0;
}

/* -1: not comparable, 0: different, 1: same. */
static int compare_texts(const char *a, const char *b) { return a[0] == '\0' || b[0] == '\0' ? -1 : strcmp(a, b) == 0; }

static int compare_etags(const char *a, const char *b) {
  return compare_texts(a + (is_weak(a) ? 2 : 0), b + (is_weak(b) ? 2 : 0));
}

static int compare_numbers(uint64_t a, uint64_t b) { return a == 0 || b == 0 ? -1 : a == b; }

typedef struct comparison {
  int size, etag, version, modified, inode;
} comparison;

static comparison compare(const mst_pin *a, const mst_pin *b) {
  comparison c = {.size = a->size == b->size,
                  .etag = compare_etags(a->etag, b->etag),
                  .version = compare_texts(a->version, b->version),
                  .modified = compare_numbers((uint64_t)a->modified_ns, (uint64_t)b->modified_ns),
                  .inode = compare_numbers(a->inode, b->inode)};
  /* Mirrors of one object agree on its strong ETag and not always on its date. */
  if (c.etag == 1 && mst_pin_etag_strong(a) && mst_pin_etag_strong(b)) c.modified = -1;
  return c;
}

bool mst_pin_same(const mst_pin *expected, const mst_pin *seen) {
  comparison c = compare(expected, seen);
  return c.size != 0 && c.etag != 0 && c.version != 0 && c.modified != 0 && c.inode != 0;
}

mst_status mst_pin_check(const mst_pin *expected, const mst_pin *seen, mst_error *err) {
  comparison c = compare(expected, seen);
  if (c.size == 0)
    return mst_fail(err, MST_E_CHANGED, "the object changed: its size was %llu and is now %llu",
                    (unsigned long long)expected->size, (unsigned long long)seen->size);
  if (c.inode == 0) return mst_fail(err, MST_E_CHANGED, "the object changed: it is another file of the same name");
  if (c.version == 0)
    return mst_fail(err, MST_E_CHANGED, "the object changed: its version was %s and is now %s", expected->version,
                    seen->version);
  if (c.etag == 0)
    return mst_fail(err, MST_E_CHANGED, "the object changed: its ETag was %s and is now %s", expected->etag,
                    seen->etag);
  if (c.modified == 0) return mst_fail(err, MST_E_CHANGED, "the object changed: it was modified since");
  if (c.etag < 0 && c.version < 0 && c.modified < 0 && c.inode < 0 && mst_pin_known(expected))
    return mst_fail(err, MST_E_CHANGED,
                    "the reply does not tell the object's version, so that it cannot be compared with %s",
                    expected->etag[0] != '\0' ? expected->etag : "the one that was pinned");
  return MST_OK;
}

/* A file's ETag is made from its other facts and is left out. */
mst_status mst_pin_to_json(const mst_pin *pin, json_t **out, mst_error *err) {
  mst_status status = MST_OK;
  json_t *object = json_object();
  MST_TRY_ALLOC(object);
  MST_TRY(mst_json_set_u64(object, "size", pin->size, err));
  if (pin->inode != 0) MST_TRY(mst_json_set_u64(object, "inode", pin->inode, err));
  else if (pin->etag[0] != '\0') MST_TRY(mst_json_set_text(object, "etag", pin->etag, err));
  if (pin->version[0] != '\0') MST_TRY(mst_json_set_text(object, "version", pin->version, err));
  if (pin->modified_ns != 0) MST_TRY(mst_json_set(object, "modified_ns", json_integer(pin->modified_ns), err));
  *out = object;
  object = NULL;
done:
  json_decref(object);
  return status;
}

static mst_status take_text(const json_t *object, const char *key, const char *what, char *out, size_t n,
                            mst_error *err) {
  const char *text = NULL;
  mst_status status = mst_json_get_text(object, key, what, &text, err);
  if (status != MST_OK || text == NULL) return status;
  if (strlen(text) >= n) return mst_fail(err, MST_E_CORRUPT, "%s: %s is longer than %zu bytes", what, key, n - 1);
  for (const char *c = text; *c != '\0'; c++)
    if ((uint8_t)*c < 0x20 || *c == 0x7F)
      return mst_fail(err, MST_E_CORRUPT, "%s: %s holds a control character", what, key);
  memcpy(out, text, strlen(text) + 1);
  return MST_OK;
}

mst_status mst_pin_from_json(const json_t *value, const char *what, mst_pin *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_pin pin = {0};
  uint64_t size = UINT64_MAX;
  if (!json_is_object(value)) return mst_fail(err, MST_E_CORRUPT, "%s: the pin is not an object", what);
  MST_TRY(mst_json_get_u64(value, "size", what, &size, err));
  if (size == UINT64_MAX) return mst_fail(err, MST_E_CORRUPT, "%s: the pin has no size", what);
  pin.size = size;
  MST_TRY(mst_json_get_u64(value, "inode", what, &pin.inode, err));
  MST_TRY(mst_json_get_i64(value, "modified_ns", what, &pin.modified_ns, err));
  MST_TRY(take_text(value, "etag", what, pin.etag, sizeof pin.etag, err));
  MST_TRY(take_text(value, "version", what, pin.version, sizeof pin.version, err));
  *out = pin;
done:
  return status;
}
