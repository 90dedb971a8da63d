/* format/records_part.c - parts as JSON: short enough for a slice, checked on the way in. Owns nothing between calls.
 * May call: base. */
#include "format/records_part.h"

enum { WINDOW_MAX = 64 << 10, UNIT_MAX = 32 };

static mst_status set_numbers(json_t *object, const char *key, const uint64_t *numbers, size_t n, mst_error *err) {
  json_t *array = json_array();
  bool ok = array != NULL;
  for (size_t i = 0; ok && i < n; i++) ok = json_array_append_new(array, json_integer((json_int_t)numbers[i])) == 0;
  if (!ok) {
    json_decref(array);
    return mst_fail_memory(err);
  }
  return mst_json_set(object, key, array, err);
}

static mst_status set_mark(json_t *object, const char *key, const mst_part_mark *m, mst_error *err) {
  const uint64_t numbers[] = {m->plain, m->at, m->crc};
  return set_numbers(object, key, numbers, 3, err);
}

mst_status mst_part_to_json(const mst_part *p, json_t **out, mst_error *err) {
  mst_status status = MST_OK;
  const uint64_t from[] = {p->record, p->plain, p->at, p->bits, p->skip};
  const uint64_t window[] = {p->window_at, p->window_size}, guess[] = {p->guess_first, p->guess_last};
  json_t *part = json_object();
  MST_TRY_ALLOC(part);
  MST_TRY(mst_json_set_text(part, "kind", p->kind == MST_PART_CUT ? MST_KIND_CUT : MST_KIND_RECORDS, err));
  if (p->kind == MST_PART_CUT) MST_TRY(mst_json_set_text(part, "unit", p->unit, err));
  if (p->place != NULL) MST_TRY(mst_json_set(part, "place", json_incref((json_t *)(uintptr_t)p->place), err));
  MST_TRY(set_numbers(part, "from", from, 5, err));
  if (p->has_window) MST_TRY(set_numbers(part, "window", window, 2, err));
  if (p->search_first) MST_TRY(mst_json_set_u64(part, "first", p->first, err));
  if (p->search_last) {
    MST_TRY(mst_json_set_u64(part, "last", p->last, err));
    MST_TRY(set_numbers(part, "guess", guess, 2, err));
    MST_TRY(set_mark(part, "mid", &p->mid, err));
  }
  MST_TRY(set_mark(part, "to", &p->to, err));
  *out = part;
  part = NULL;
done:
  json_decref(part);
  return status;
}

/* ---- in -------------------------------------------------------------------------------------------------------- */

static mst_status bad(const char *what, mst_error *err) {
  return mst_fail(err, MST_E_CORRUPT, "slice: part: %s", what);
}

/* Exactly n non-negative integers; `*found` false when the key is absent. */
static mst_status get_numbers(const json_t *object, const char *key, uint64_t *out, size_t n, bool *found,
                              mst_error *err) {
  json_t *array = NULL;
  mst_status status = mst_json_get_array(object, key, "slice: part", &array, err);
  if (status != MST_OK) return status;
  *found = array != NULL;
  if (array == NULL) return MST_OK;
  if (json_array_size(array) != n)
    return mst_fail(err, MST_E_CORRUPT, "slice: part: \"%s\" must hold %zu numbers", key, n);
  for (size_t i = 0; i < n; i++) {
    const json_t *value = json_array_get(array, i);
    if (!json_is_integer(value) || json_integer_value(value) < 0)
      return mst_fail(err, MST_E_CORRUPT, "slice: part: \"%s\" must hold numbers from 0 on", key);
    out[i] = (uint64_t)json_integer_value(value);
  }
  return MST_OK;
}

static mst_status get_mark(const json_t *object, const char *key, mst_part_mark *out, mst_error *err) {
  uint64_t numbers[3];
  bool found;
  const mst_status status = get_numbers(object, key, numbers, 3, &found, err);
  if (status != MST_OK) return status;
  if (!found || numbers[2] > UINT32_MAX)
    return mst_fail(err, MST_E_CORRUPT, "slice: part: \"%s\" is missing or wrong", key);
  *out = (mst_part_mark){.plain = numbers[0], .at = numbers[1], .crc = (uint32_t)numbers[2]};
  return MST_OK;
}

static mst_status get_guess(const json_t *json, mst_part *p, mst_error *err) {
  uint64_t guess[2] = {p->plain, p->mid.plain};
  bool found;
  const mst_status status = get_numbers(json, "guess", guess, 2, &found, err);
  p->guess_first = guess[0];
  p->guess_last = guess[1];
  return status;
}

static mst_status get_optional(const json_t *json, const char *key, uint64_t *out, bool *found, mst_error *err) {
  *found = json_object_get(json, key) != NULL;
  return mst_json_get_u64(json, key, "slice: part", out, err);
}

mst_status mst_part_kind_of(const json_t *json, mst_part_kind *out, mst_error *err) {
  const char *kind = NULL;
  mst_status status;
  if (!json_is_object(json)) return bad("must be an object", err);
  status = mst_json_get_text(json, "kind", "slice: part", &kind, err);
  if (status != MST_OK) return status;
  if (kind == NULL) return bad("has no kind", err);
  *out = mst_text_equal(kind, MST_KIND_ALL)       ? MST_PART_ALL
         : mst_text_equal(kind, MST_KIND_RECORDS) ? MST_PART_RECORDS
         : mst_text_equal(kind, MST_KIND_CUT)     ? MST_PART_CUT
                                                  : MST_PART_OWN;
  return MST_OK;
}

static mst_status get_from(const json_t *json, mst_part *p, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t from[5], window[2];
  bool found;
  MST_TRY(get_numbers(json, "from", from, 5, &found, err));
  if (!found || from[3] > 7) return bad("\"from\" is missing or wrong", err);
  p->record = from[0];
  p->plain = from[1];
  p->at = from[2];
  p->bits = (uint8_t)from[3];
  p->skip = from[4];
  MST_TRY(get_numbers(json, "window", window, 2, &p->has_window, err));
  if (p->has_window) {
    p->window_at = window[0];
    p->window_size = window[1];
  }
done:
  return status;
}

static mst_status check_part(const mst_part *p, uint64_t size, mst_error *err) {
  if (p->at > size || p->to.at > size || p->at > p->to.at) return bad("its bytes lie outside the object", err);
  if (p->skip > p->plain) return bad("its checkpoint lies in front of the object", err);
  if (p->plain > p->to.plain) return bad("it ends in front of its beginning", err);
  if (p->has_window && (p->window_size == 0 || p->window_size > WINDOW_MAX))
    return bad("its window has an impossible size", err);
  if (p->search_last && (p->mid.plain < p->plain || p->mid.plain > p->to.plain || p->mid.at > size))
    return bad("\"mid\" lies outside it", err);
  if (p->kind == MST_PART_RECORDS) {
    if (p->search_first && p->first < p->record) return bad("its first record lies in front of its checkpoint", err);
    if (p->search_last && p->last < (p->search_first ? p->first : p->record))
      return bad("its records run backwards", err);
  } else {
    if (p->search_first && p->first < p->plain) return bad("it begins in front of its checkpoint", err);
    if (p->search_last && p->last < (p->search_first ? p->first : p->plain)) return bad("it runs backwards", err);
  }
  return MST_OK;
}

mst_status mst_part_from_json(const json_t *json, uint64_t size, mst_part *out, mst_error *err) {
  mst_status status = MST_OK;
  *out = (mst_part){0};
  MST_TRY(mst_part_kind_of(json, &out->kind, err));
  if (out->kind == MST_PART_ALL) {
    out->to = (mst_part_mark){.plain = UINT64_MAX, .at = size};
    return MST_OK;
  }
  if (out->kind == MST_PART_CUT) {
    MST_TRY(mst_json_get_text(json, "unit", "slice: part", &out->unit, err));
    if (out->unit == NULL || strlen(out->unit) > UNIT_MAX) return bad("\"unit\" is missing or too long", err);
    out->place = json_object_get(json, "place");
  }
  MST_TRY(get_from(json, out, err));
  MST_TRY(get_optional(json, "first", &out->first, &out->search_first, err));
  MST_TRY(get_optional(json, "last", &out->last, &out->search_last, err));
  if (out->search_last) {
    MST_TRY(get_mark(json, "mid", &out->mid, err));
    MST_TRY(get_guess(json, out, err));
  }
  MST_TRY(get_mark(json, "to", &out->to, err));
  MST_TRY(check_part(out, size, err));
done:
  return status;
}
