/* dataset/value.c - see value.h. Texts are Python's: what str() gives for a value, so that plateau finds its own keys again. */
#include <math.h>

#include "dataset/key.h"
#include "dataset/tokens.h"
#include "dataset/value.h"

mst_status mst_key_type_check(const struct ArrowSchema *field, mst_error *err) {
  mst_type type;
  mst_status status = mst_type_parse(field->dictionary != NULL ? field->dictionary->format : field->format, &type, err);
  if (status != MST_OK) return status;
  if (mst_type_is_integer(&type)) return MST_OK;
  switch (type.kind) {
  case MST_KIND_BOOL:
  case MST_KIND_HALF:
  case MST_KIND_FLOAT:
  case MST_KIND_DOUBLE:
  case MST_KIND_TEXT:
  case MST_KIND_BYTES:
  case MST_KIND_DATE32:
  case MST_KIND_DATE64:
  case MST_KIND_TIMESTAMP: return MST_OK;
  default: return mst_fail(err, MST_E_UNSUPPORTED, "column \"%.60s\" of type \"%.40s\" cannot be a partition key", field->name, field->format);
  }
}

/* ---- values as text ------------------------------------------------------------------------------------------- */

static int64_t floor_div(int64_t v, int64_t by) { return v / by - (v % by < 0); }
static int64_t per_second(mst_time_unit unit) {
  static const int64_t parts[] = {1, 1000, 1000000, 1000000000};
  return parts[unit];
}

static mst_status put_date(int64_t days, mst_buf *out, mst_error *err) {
  int64_t year;
  unsigned month, day;
  mst_civil_from_days(days, &year, &month, &day);
  return mst_buf_printf(out, err, "%04lld-%02u-%02u", (long long)year, month, day);
}

static mst_status put_timestamp(const mst_type *type, int64_t v, mst_buf *out, mst_error *err) {
  const int64_t parts = per_second(type->unit), seconds = floor_div(v, parts), ns = (v - seconds * parts) * (1000000000 / parts);
  const int64_t days = floor_div(seconds, 86400), rest = seconds - days * 86400;
  mst_status status = put_date(days, out, err);
  if (status == MST_OK) status = mst_buf_printf(out, err, " %02d:%02d:%02d", (int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60));
  if (status == MST_OK && ns % 1000 != 0) status = mst_buf_printf(out, err, ".%09d", (int)ns);
  else if (status == MST_OK && ns != 0) status = mst_buf_printf(out, err, ".%06d", (int)(ns / 1000));
  return status == MST_OK && type->zone[0] != '\0' ? mst_buf_put_text(out, "+00:00", err) : status;
}

static mst_status put_scalar(const mst_type *type, const mst_scalar *v, mst_buf *out, mst_error *err) {
  char text[40];
  if (v->kind == MST_SCALAR_BYTES) return mst_buf_put(out, v->as.bytes.data, v->as.bytes.size, err);
  if (v->kind == MST_SCALAR_DOUBLE) return mst_buf_put(out, text, mst_float_repr(v->as.f, text), err);
  if (v->kind == MST_SCALAR_UINT) return mst_buf_printf(out, err, "%llu", (unsigned long long)v->as.u);
  switch (type->kind) {
  case MST_KIND_BOOL: return mst_buf_put_text(out, v->as.i != 0 ? "True" : "False", err);
  case MST_KIND_DATE32: return put_date(v->as.i, out, err);
  case MST_KIND_DATE64: return put_date(floor_div(v->as.i, 86400000), out, err);
  case MST_KIND_TIMESTAMP: return put_timestamp(type, v->as.i, out, err);
  default: return mst_buf_printf(out, err, "%lld", (long long)v->as.i);
  }
}

mst_status mst_value_put_text(const struct ArrowSchema *field, const struct ArrowArray *array, int64_t row, mst_buf *out, mst_error *err) {
  mst_type type;
  mst_scalar v;
  mst_status status = mst_key_type_check(field, err);
  if (status == MST_OK) status = mst_type_parse(field->dictionary != NULL ? field->dictionary->format : field->format, &type, err);
  if (status == MST_OK) status = mst_scalar_at(field, array, row, &v, err);
  if (status != MST_OK) return status;
  if (v.kind == MST_SCALAR_NULL || (v.kind == MST_SCALAR_DOUBLE && isnan(v.as.f)))
    return mst_fail(err, MST_E_ARGUMENT, "the partition key \"%.60s\" is null in row %lld: partition keys cannot be null", field->name,
                    (long long)row);
  return put_scalar(&type, &v, out, err);
}

/* ---- text as values ------------------------------------------------------------------------------------------- */

static mst_status no_value(const struct ArrowSchema *field, const char *text, size_t n, mst_error *err) {
  return mst_fail(err, MST_E_CORRUPT, "\"%.*s\" is no value of partition key \"%.60s\" (type \"%.40s\")", (int)mst_min_size(n, 80), text,
                  field->name, field->format);
}

/* `count` digits that are not above `max`. */
static bool take_digits(const char **at, const char *end, int count, unsigned max, unsigned *out) {
  unsigned v = 0;
  for (int i = 0; i < count; i++, ++*at) {
    if (*at >= end || **at < '0' || **at > '9') return false;
    v = v * 10 + (unsigned)(**at - '0');
  }
  *out = v;
  return v <= max;
}

static bool take_mark(const char **at, const char *end, char mark) {
  if (*at >= end || **at != mark) return false;
  ++*at;
  return true;
}

static bool take_date(const char **at, const char *end, int64_t *days) {
  unsigned year, month, day, back_month, back_day;
  int64_t back_year;
  if (!take_digits(at, end, 4, 9999, &year) || !take_mark(at, end, '-') || !take_digits(at, end, 2, 12, &month) ||
      !take_mark(at, end, '-') || !take_digits(at, end, 2, 31, &day) || month == 0 || day == 0)
    return false;
  *days = mst_days_from_civil(year, month, day);
  mst_civil_from_days(*days, &back_year, &back_month, &back_day);
  return back_month == month && back_day == day; /* not so for the 30th of February */
}

/* [T or space]hh:mm[:ss[.fraction]], as ns of the day. */
static bool take_time(const char **at, const char *end, int64_t *ns) {
  unsigned hour, minute, second = 0;
  int64_t fraction = 0, weight = 1000000000;
  if (!take_mark(at, end, ' ') && !take_mark(at, end, 'T')) return false;
  if (!take_digits(at, end, 2, 23, &hour) || !take_mark(at, end, ':') || !take_digits(at, end, 2, 59, &minute)) return false;
  if (take_mark(at, end, ':') && !take_digits(at, end, 2, 59, &second)) return false;
  if (take_mark(at, end, '.'))
    for (; *at < end && **at >= '0' && **at <= '9'; ++*at) {
      weight /= 10;
      if (weight == 0) return false;
      fraction += (**at - '0') * weight;
    }
  *ns = ((int64_t)hour * 3600 + minute * 60 + second) * INT64_C(1000000000) + fraction;
  return true;
}

/* Z or ±hh:mm in seconds; nothing is UTC. */
static bool take_offset(const char **at, const char *end, int64_t *seconds) {
  unsigned hour, minute;
  *seconds = 0;
  if (*at == end || take_mark(at, end, 'Z')) return true;
  const int sign = take_mark(at, end, '-') ? -1 : take_mark(at, end, '+') ? 1 : 0;
  if (sign == 0 || !take_digits(at, end, 2, 23, &hour) || !take_mark(at, end, ':') || !take_digits(at, end, 2, 59, &minute)) return false;
  *seconds = sign * (int64_t)(hour * 3600 + minute * 60);
  return true;
}

static bool parse_timestamp(const mst_type *type, const char *text, size_t n, int64_t *out) {
  const char *at = text, *end = text + n;
  int64_t days, ns = 0, offset = 0, seconds;
  if (!take_date(&at, end, &days)) return false;
  if (at < end && (!take_time(&at, end, &ns) || !take_offset(&at, end, &offset))) return false;
  const int64_t parts = per_second(type->unit), step = 1000000000 / parts;
  if (at != end || ns % step != 0) return false;
  seconds = days * 86400 - offset + ns / 1000000000;
  return !__builtin_mul_overflow(seconds, parts, out) && !__builtin_add_overflow(*out, ns % 1000000000 / step, out);
}

static mst_status put_day(const struct ArrowSchema *field, const mst_type *type, const char *text, size_t n, mst_builder *out, mst_error *err) {
  const char *at = text;
  int64_t days;
  if (!take_date(&at, text + n, &days) || at != text + n) return no_value(field, text, n, err);
  return mst_builder_i64(out, type->kind == MST_KIND_DATE64 ? days * 86400000 : days, err);
}

static mst_status put_truth(const struct ArrowSchema *field, const char *text, size_t n, mst_builder *out, mst_error *err) {
  char word[8];
  snprintf(word, sizeof word, "%.*s", (int)mst_min_size(n, 7), text);
  if (n == 4 && mst_text_equal_nocase(word, "true")) return mst_builder_bool(out, true, err);
  if (n == 5 && mst_text_equal_nocase(word, "false")) return mst_builder_bool(out, false, err);
  return no_value(field, text, n, err);
}

mst_status mst_value_from_text(const struct ArrowSchema *field, const char *text, size_t n, mst_builder *out, mst_error *err) {
  mst_type type;
  int64_t i;
  uint64_t u;
  double f;
  size_t bad = 0;
  mst_status status = mst_type_parse(field->format, &type, err);
  if (status != MST_OK) return status;
  switch (type.kind) {
  case MST_KIND_BOOL: return put_truth(field, text, n, out, err);
  case MST_KIND_DATE32:
  case MST_KIND_DATE64: return put_day(field, &type, text, n, out, err);
  case MST_KIND_TIMESTAMP:
    return parse_timestamp(&type, text, n, &i) ? mst_builder_i64(out, i, err) : no_value(field, text, n, err);
  case MST_KIND_FLOAT:
  case MST_KIND_DOUBLE: return mst_number_f64(text, n, &f) ? mst_builder_f64(out, f, err) : no_value(field, text, n, err);
  case MST_KIND_TEXT:
    if (!mst_utf8_valid(text, n, &bad)) return no_value(field, text, n, err);
    return mst_builder_bytes(out, text, n, err);
  case MST_KIND_BYTES: return mst_builder_bytes(out, text, n, err);
  default: break;
  }
  if (!mst_type_is_integer(&type)) return mst_key_type_check(field, err);
  if (mst_number_i64(text, n, &i)) status = mst_builder_i64(out, i, err);
  else if (mst_number_u64(text, n, &u)) status = mst_builder_u64(out, u, err);
  else return no_value(field, text, n, err);
  return status == MST_E_ARGUMENT ? no_value(field, text, n, err) : status;
}

/* ---- the keys of all partitions ------------------------------------------------------------------------------- */

typedef struct key_columns {
  const mst_document *d;
  const struct ArrowSchema *schema; /* "+s" of the keys alone */
  mst_builder **builders;
  mst_buf text, name;
} key_columns;

/* Which key a part of a path is; usually they stand in order. */
static mst_status key_of(key_columns *k, const mst_key_part *part, size_t guess, size_t *out, mst_error *err) {
  mst_buf_clear(&k->name);
  mst_status status = mst_key_unquote(&k->name, part->column, part->n_column, err);
  if (status != MST_OK) return status;
  const char *name = mst_buf_text(&k->name);
  *out = guess < mst_document_n_keys(k->d) && strcmp(mst_document_key(k->d, guess), name) == 0 ? guess : mst_document_key_find(k->d, name);
  return MST_OK;
}

static mst_status put_path(key_columns *k, size_t row, const char *path, size_t *depth, mst_error *err) {
  mst_status status = MST_OK;
  mst_key_part part;
  size_t at = 0, key = 0, found = 0;
  *depth = 0;
  while (mst_label_next(path, &at, &part)) {
    MST_TRY(key_of(k, &part, *depth, &key, err));
    ++*depth;
    if (key == MST_DOCUMENT_NONE) continue;
    if (mst_builder_length(k->builders[key]) != row)
      MST_TRY(mst_fail(err, MST_E_CORRUPT, "the partition key \"%.60s\" has two values", mst_document_key(k->d, key)));
    mst_buf_clear(&k->text);
    MST_TRY(mst_key_unquote(&k->text, part.value, part.n_value, err));
    MST_TRY(mst_value_from_text(k->schema->children[key], mst_buf_text(&k->text), k->text.size, k->builders[key], err));
    found++;
  }
  if (found != mst_document_n_keys(k->d))
    MST_TRY(mst_fail(err, MST_E_CORRUPT, "%zu of %zu partition keys have a value", found, mst_document_n_keys(k->d)));
done:
  return mst_while(err, status, "partition \"%.200s\" of dataset %.60s", path, mst_document_uuid(k->d));
}

static mst_status fill_columns(key_columns *k, mst_error *err) {
  mst_status status = MST_OK;
  size_t depth = 0, first = 0;
  for (size_t i = 0; i < mst_document_partitions(k->d) && status == MST_OK; i++) {
    const char *path = mst_document_path(k->d, i);
    status = put_path(k, i, path, &depth, err);
    if (i == 0) first = depth;
    if (status == MST_OK && depth != first)
      status = mst_fail(err, MST_E_CORRUPT, "Unknown file structure encountered. Depth of filename indices is not equal: partition \"%.200s\"", path);
  }
  return status;
}

/* The fields of the keys. A key that the schema does not know, or knows only as null, is text. */
static mst_status key_schema(const mst_allocator *mem, const mst_document *d, const struct ArrowSchema *schema, struct ArrowSchema *out,
                             mst_error *err) {
  mst_status status = mst_schema_node(mem, "+s", "", 0, mst_document_n_keys(d), out, err);
  if (status != MST_OK) return status;
  for (size_t i = 0; i < mst_document_n_keys(d) && status == MST_OK; i++) {
    const char *name = mst_document_key(d, i);
    const struct ArrowSchema *field = NULL;
    for (int64_t c = 0; schema != NULL && schema->release != NULL && c < schema->n_children; c++)
      if (strcmp(schema->children[c]->name, name) == 0) field = schema->children[c];
    const char *format = field == NULL || strcmp(field->format, "n") == 0 ? "U" : field->format;
    status = mst_schema_node(mem, format, name, ARROW_FLAG_NULLABLE, 0, out->children[i], err);
    if (status == MST_OK) status = mst_key_type_check(out->children[i], err);
  }
  if (status != MST_OK) mst_schema_release(out);
  return status;
}

mst_status mst_values_of_labels(const mst_allocator *mem, const mst_document *d, const struct ArrowSchema *schema,
                                struct ArrowSchema *schema_out, struct ArrowArray *out, mst_error *err) {
  mst_status status = MST_OK;
  const size_t n = mst_document_n_keys(d);
  struct ArrowSchema own = {0};
  key_columns k = {.d = d, .schema = &own};
  mst_buf_init(&k.text, mem, SIZE_MAX / 2);
  mst_buf_init(&k.name, mem, SIZE_MAX / 2);
  MST_TRY(key_schema(mem, d, schema, &own, err));
  MST_TRY_ALLOC(k.builders = mst_alloc_zero(mem, n + 1, sizeof *k.builders));
  for (size_t i = 0; i < n; i++) MST_TRY(mst_builder_from_schema(mem, own.children[i], &k.builders[i], err));
  if (n > 0) MST_TRY(fill_columns(&k, err));
  MST_TRY(mst_batch_take(mem, k.builders, n, out, err));
  if (n == 0) out->length = (int64_t)mst_document_partitions(d);
  *schema_out = own;
  own.release = NULL;
done:
  for (size_t i = 0; k.builders != NULL && i < n; i++) mst_builder_free(k.builders[i]);
  mst_free(mem, k.builders);
  mst_buf_free(&k.text);
  mst_buf_free(&k.name);
  mst_schema_release(&own);
  return status;
}

/* ---- single values as JSON ------------------------------------------------------------------------------------ */

static json_t *tagged(const char *tag, const char *text) { return json_pack("{s:s, s:s}", "$", tag, "v", text); }

static json_t *json_bytes(const mst_type *type, const mst_scalar *v, char *hex) {
  size_t bad = 0;
  const char *text = (const char *)v->as.bytes.data;
  const size_t n = v->as.bytes.size;
  if (type->kind == MST_KIND_TEXT && mst_utf8_valid(text, n, &bad)) return json_stringn_nocheck(n > 0 ? text : "", n);
  if (n > 0) mst_hex(v->as.bytes.data, n, hex);
  hex[2 * n] = '\0';
  return tagged("bytes", hex);
}

mst_status mst_scalar_to_json(const struct ArrowSchema *field, const mst_scalar *value, json_t **out, mst_error *err) {
  mst_type type;
  char text[96], *hex = NULL;
  json_t *made = NULL;
  mst_status status = mst_type_parse(field->format, &type, err);
  if (status != MST_OK) return status;
  switch (value->kind) {
  case MST_SCALAR_NULL: made = json_null(); break;
  case MST_SCALAR_INT: made = type.kind == MST_KIND_BOOL ? json_boolean(value->as.i != 0) : json_integer(value->as.i); break;
  case MST_SCALAR_UINT:
    snprintf(text, sizeof text, "%llu", (unsigned long long)value->as.u);
    made = value->as.u <= INT64_MAX ? json_integer((int64_t)value->as.u) : tagged("uint", text);
    break;
  case MST_SCALAR_DOUBLE:
    mst_float_repr(value->as.f, text);
    made = isfinite(value->as.f) ? json_real(value->as.f) : tagged("float", text);
    break;
  case MST_SCALAR_WIDE:
    mst_wide_print(&value->as.wide, text);
    made = tagged("decimal", text);
    break;
  case MST_SCALAR_BYTES:
    hex = mst_alloc(NULL, 2 * value->as.bytes.size + 1);
    made = hex != NULL ? json_bytes(&type, value, hex) : NULL;
    mst_free(NULL, hex);
    break;
  }
  if (made == NULL) return mst_fail_memory(err);
  *out = made;
  return MST_OK;
}

static bool parse_wide(const char *text, mst_wide *out) {
  const bool negative = text[0] == '-';
  *out = mst_wide_from_i64(0);
  if (text[negative] == '\0') return false;
  for (const char *p = text + negative; *p != '\0'; p++)
    if (*p < '0' || *p > '9' || !mst_wide_push_digit(out, (unsigned)(*p - '0'))) return false;
  if (negative) *out = mst_wide_negate(out);
  return true;
}

/* {"$": tag, "v": text} */
static bool from_tagged(const json_t *value, mst_scalar_kind kind, mst_buf *scratch, mst_scalar *out, mst_error *err) {
  const char *tag = json_string_value(json_object_get(value, "$")), *text = json_string_value(json_object_get(value, "v"));
  const size_t n = text != NULL ? strlen(text) : 0;
  if (tag == NULL || text == NULL) return false;
  if (kind == MST_SCALAR_UINT) return strcmp(tag, "uint") == 0 && mst_number_u64(text, n, &out->as.u);
  if (kind == MST_SCALAR_DOUBLE) return strcmp(tag, "float") == 0 && mst_number_f64(text, n, &out->as.f);
  if (kind == MST_SCALAR_WIDE) return strcmp(tag, "decimal") == 0 && parse_wide(text, &out->as.wide);
  if (kind != MST_SCALAR_BYTES || strcmp(tag, "bytes") != 0 || n % 2 != 0) return false;
  mst_buf_clear(scratch);
  if (mst_buf_reserve(scratch, n / 2 + 1, err) != MST_OK || !mst_unhex(text, n, scratch->data)) return false;
  out->as.bytes.data = scratch->data;
  out->as.bytes.size = n / 2;
  return true;
}

mst_status mst_scalar_from_json(const struct ArrowSchema *field, const json_t *value, mst_buf *scratch, mst_scalar *out, mst_error *err) {
  mst_type type;
  mst_status status = mst_type_parse(field->format, &type, err);
  if (status != MST_OK) return status;
  bool fits = false;
  mst_scalar v = {.kind = mst_type_scalar(&type)};
  if (v.kind == MST_SCALAR_NULL || json_is_null(value)) {
    *out = mst_scalar_null();
    return json_is_null(value) ? MST_OK : mst_fail(err, MST_E_CORRUPT, "column \"%.60s\" has no single values", field->name);
  }
  if (json_is_object(value)) fits = from_tagged(value, v.kind, scratch, &v, err);
  else if (v.kind == MST_SCALAR_INT && type.kind == MST_KIND_BOOL) {
    fits = json_is_boolean(value);
    v.as.i = json_is_true(value);
  } else if (v.kind == MST_SCALAR_INT) {
    fits = json_is_integer(value);
    v.as.i = json_integer_value(value);
  } else if (v.kind == MST_SCALAR_UINT) {
    fits = json_is_integer(value) && json_integer_value(value) >= 0;
    v.as.u = (uint64_t)json_integer_value(value);
  } else if (v.kind == MST_SCALAR_DOUBLE) {
    fits = json_is_number(value);
    v.as.f = json_number_value(value);
  } else if (v.kind == MST_SCALAR_BYTES && json_is_string(value)) {
    fits = true;
    v.as.bytes.data = (const uint8_t *)json_string_value(value);
    v.as.bytes.size = json_string_length(value);
  }
  if (!fits) return mst_fail(err, MST_E_CORRUPT, "a value that column \"%.60s\" of type \"%.40s\" cannot have", field->name, field->format);
  *out = v;
  return MST_OK;
}
