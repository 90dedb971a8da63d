/* column/json_rows.c - see json_rows.h. Owns: shapes. May call: base. */
#include "column/column.h"

#define MEMBERS_MAX 100000u
#define DEPTH_MAX 32

typedef enum shape_kind { SHAPE_NULL, SHAPE_BOOL, SHAPE_INT, SHAPE_DOUBLE, SHAPE_TEXT, SHAPE_LIST, SHAPE_STRUCT } shape_kind;

/* Members of structs and items of lists are children. */
struct mst_json_shape {
  const mst_allocator *mem;
  char *name;
  shape_kind kind;
  mst_json_shape *children;
  size_t n, room;
};

static const char *const kind_names[] = {"null", "true or false", "a whole number", "a number", "text", "a list", "an object"};

static void clear(mst_json_shape *s) {
  for (size_t i = 0; i < s->n; i++) clear(&s->children[i]);
  mst_free(s->mem, s->children);
  mst_free(s->mem, s->name);
}

mst_status mst_json_shape_new(const mst_allocator *mem, mst_json_shape **out, mst_error *err) {
  mst_json_shape *s = mst_alloc_zero(mem, 1, sizeof *s);
  if (s == NULL) return mst_fail_memory(err);
  s->mem = mem;
  s->kind = SHAPE_STRUCT;
  *out = s;
  return MST_OK;
}

void mst_json_shape_free(mst_json_shape *s) {
  if (s == NULL) return;
  const mst_allocator *mem = s->mem;
  clear(s);
  mst_free(mem, s);
}

static mst_status add_child(mst_json_shape *s, const char *name, mst_json_shape **out, mst_error *err) {
  if (s->n >= MEMBERS_MAX) return mst_fail(err, MST_E_LIMIT, "objects of more than %u members", MEMBERS_MAX);
  if (s->n == s->room) {
    const size_t room = s->room == 0 ? 8 : 2 * s->room;
    mst_json_shape *grown = mst_alloc_array(s->mem, room, sizeof *grown);
    if (grown == NULL) return mst_fail_memory(err);
    if (s->n > 0) memcpy(grown, s->children, s->n * sizeof *grown);
    mst_free(s->mem, s->children);
    s->children = grown;
    s->room = room;
  }
  const size_t size = strlen(name) + 1;
  char *copy = mst_alloc(s->mem, size);
  if (copy == NULL) return mst_fail_memory(err);
  memcpy(copy, name, size);
  s->children[s->n] = (mst_json_shape){.mem = s->mem, .name = copy, .kind = SHAPE_NULL};
  *out = &s->children[s->n++];
  return MST_OK;
}

/* Objects of one kind have their members in one order: `hint` is where the last one was found. */
static mst_json_shape *find_child(const mst_json_shape *s, const char *name, size_t *hint) {
  for (size_t i = 0; i < s->n; i++) {
    const size_t at = (*hint + i) % s->n;
    if (strcmp(s->children[at].name, name) != 0) continue;
    *hint = at + 1;
    return &s->children[at];
  }
  return NULL;
}

static shape_kind kind_of(const json_t *v) {
  switch (json_typeof(v)) {
  case JSON_TRUE:
  case JSON_FALSE: return SHAPE_BOOL;
  case JSON_INTEGER: return SHAPE_INT;
  case JSON_REAL: return SHAPE_DOUBLE;
  case JSON_STRING: return SHAPE_TEXT;
  case JSON_ARRAY: return SHAPE_LIST;
  case JSON_OBJECT: return SHAPE_STRUCT;
  default: return SHAPE_NULL;
  }
}

static mst_status see(mst_json_shape *s, const json_t *v, int depth, mst_error *err);

static mst_status see_inside(mst_json_shape *s, const json_t *v, int depth, mst_error *err) {
  mst_status status = MST_OK;
  mst_json_shape *child = NULL;
  const char *name;
  json_t *value;
  size_t i, hint = 0;
  if (depth > DEPTH_MAX) return mst_fail(err, MST_E_LIMIT, "values are nested more than %d deep", DEPTH_MAX);
  if (s->kind == SHAPE_LIST) {
    if (s->n == 0) MST_TRY(add_child(s, "element", &child, err));
    json_array_foreach(v, i, value) MST_TRY(see(&s->children[0], value, depth + 1, err));
  } else {
    json_object_foreach((json_t *)(uintptr_t)v, name, value) {
      child = find_child(s, name, &hint);
      if (child == NULL) MST_TRY(add_child(s, name, &child, err));
      MST_TRY(see(child, value, depth + 1, err));
    }
  }
done:
  return status;
}

static mst_status see(mst_json_shape *s, const json_t *v, int depth, mst_error *err) {
  const shape_kind kind = kind_of(v);
  if (kind == SHAPE_NULL) return MST_OK;
  if (s->kind == SHAPE_NULL) s->kind = kind;
  if (s->kind == SHAPE_INT && kind == SHAPE_DOUBLE) s->kind = SHAPE_DOUBLE;
  if (s->kind != kind && !(s->kind == SHAPE_DOUBLE && kind == SHAPE_INT))
    return mst_fail(err, MST_E_CORRUPT, "\"%.200s\" is %s here and %s elsewhere", s->name == NULL ? "" : s->name, kind_names[kind],
                    kind_names[s->kind]);
  return kind == SHAPE_LIST || kind == SHAPE_STRUCT ? see_inside(s, v, depth, err) : MST_OK;
}

mst_status mst_json_shape_see(mst_json_shape *s, const json_t *object, mst_error *err) {
  if (!json_is_object(object)) return mst_fail(err, MST_E_CORRUPT, "this is %s, not an object", kind_names[kind_of(object)]);
  return see_inside(s, object, 0, err);
}

/* ---- schema ------------------------------------------------------------------------------------------------------ */

static mst_status tell(const mst_json_shape *s, struct ArrowSchema *out, mst_error *err) {
  static const char *const formats[] = {"n", "b", "l", "g", "u", "+l", "+s"};
  mst_status status = mst_schema_node(s->mem, formats[s->kind], s->name == NULL ? "" : s->name, s->name == NULL ? 0 : ARROW_FLAG_NULLABLE,
                                      s->n, out, err);
  for (size_t i = 0; status == MST_OK && i < s->n; i++) status = tell(&s->children[i], out->children[i], err);
  if (status != MST_OK) mst_schema_release(out);
  return status;
}

mst_status mst_json_shape_schema(const mst_json_shape *s, struct ArrowSchema *out, mst_error *err) { return tell(s, out, err); }

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static mst_status put(mst_builder *b, const struct ArrowSchema *field, const json_t *v, mst_error *err);

static mst_status put_list(mst_builder *b, const struct ArrowSchema *field, const json_t *v, mst_error *err) {
  mst_status status = MST_OK;
  size_t i;
  json_t *item;
  json_array_foreach(v, i, item) MST_TRY(put(mst_builder_child(b, 0), field->children[0], item, err));
  MST_TRY(mst_builder_close(b, err));
done:
  return status;
}

static mst_status put_struct(mst_builder *b, const struct ArrowSchema *field, const json_t *v, mst_error *err) {
  mst_status status = MST_OK;
  for (int64_t i = 0; i < field->n_children; i++)
    MST_TRY(put(mst_builder_child(b, (size_t)i), field->children[i], json_object_get(v, field->children[i]->name), err));
  MST_TRY(mst_builder_close(b, err));
done:
  return status;
}

static mst_status misfit(const struct ArrowSchema *field, const json_t *v, mst_error *err) {
  return mst_fail(err, MST_E_CORRUPT, "\"%.200s\": \"%.100s\" is no %s", field->name, json_string_value(v),
                  field->format[1] == 'd' ? "date such as 2026-11-21" : "time such as 2026-11-21T07:08:36Z");
}

static bool two_digits(const char *p, unsigned *out) {
  *out = (unsigned)(p[0] - '0') * 10 + (unsigned)(p[1] - '0');
  return p[0] >= '0' && p[0] <= '9' && p[1] >= '0' && p[1] <= '9';
}

/* "2026-11-21" */
static bool read_date(const char *text, size_t n, int64_t *days) {
  unsigned century, year, month, day;
  if (n != 10 || text[4] != '-' || text[7] != '-' || !two_digits(text, &century) || !two_digits(text + 2, &year) ||
      !two_digits(text + 5, &month) || !two_digits(text + 8, &day) || month < 1 || month > 12 || day < 1 || day > 31)
    return false;
  *days = mst_days_from_civil((int64_t)(century * 100 + year), month, day);
  return true;
}

/* Dates and timestamps are text in JSON. */
static mst_status put_time(mst_builder *b, const struct ArrowSchema *field, const json_t *v, mst_error *err) {
  const char *text = json_string_value(v);
  const size_t n = json_string_length(v);
  char zoned[64];
  int64_t at;
  if (field->format[1] == 'd') return read_date(text, n, &at) ? mst_builder_i64(b, at, err) : misfit(field, v, err);
  const bool zone = n > 0 && (text[n - 1] == 'Z' || (n > 6 && (text[n - 6] == '+' || text[n - 6] == '-') && text[n - 3] == ':'));
  if (n + 2 > sizeof zoned) return misfit(field, v, err);
  (void)snprintf(zoned, sizeof zoned, "%s%s", text, zone ? "" : n == 10 ? "T00:00:00Z" : "Z");
  if (n > 10 && zoned[10] == ' ') zoned[10] = 'T';
  if (!mst_time_parse_iso(zoned, &at)) return misfit(field, v, err);
  switch (field->format[2]) {
  case 's': at /= 1000000; break;
  case 'm': at /= 1000; break;
  case 'n':
    if (at > INT64_MAX / 1000 || at < INT64_MIN / 1000) return misfit(field, v, err);
    at *= 1000;
    break;
  default: break;
  }
  return mst_builder_i64(b, at, err);
}

static mst_status put(mst_builder *b, const struct ArrowSchema *field, const json_t *v, mst_error *err) {
  if (v == NULL || json_is_null(v)) return mst_builder_null(b, err);
  switch (field->format[0]) {
  case 't': return put_time(b, field, v, err);
  case 'b': return mst_builder_bool(b, json_is_true(v), err);
  case 'l': return mst_builder_i64(b, json_integer_value(v), err);
  case 'g': return mst_builder_f64(b, json_number_value(v), err);
  case 'u': return mst_builder_bytes(b, json_string_value(v), json_string_length(v), err);
  case '+': return field->format[1] == 'l' ? put_list(b, field, v, err) : put_struct(b, field, v, err);
  default: return mst_builder_null(b, err);
  }
}

mst_status mst_json_put_row(mst_builder *const *columns, const struct ArrowSchema *schema, const json_t *object, mst_error *err) {
  mst_status status = MST_OK;
  for (int64_t i = 0; i < schema->n_children; i++)
    MST_TRY(put(columns[i], schema->children[i], json_object_get(object, schema->children[i]->name), err));
done:
  return status;
}
