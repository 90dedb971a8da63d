/* column/type.c - parses Arrow format strings.
 *
 * Owns: nothing. May call: base. */
#include "column/type.h"

#include <stdlib.h>

typedef struct simple_format {
  const char *format;
  mst_kind kind;
  mst_layout layout;
  uint32_t width;
  mst_time_unit unit;
} simple_format;

static const simple_format simple_formats[] = {
    {"n", MST_KIND_NULL, MST_LAYOUT_NULL, 0, 0},
    {"b", MST_KIND_BOOL, MST_LAYOUT_BITS, 0, 0},
    {"c", MST_KIND_INT8, MST_LAYOUT_FIXED, 1, 0},
    {"s", MST_KIND_INT16, MST_LAYOUT_FIXED, 2, 0},
    {"i", MST_KIND_INT32, MST_LAYOUT_FIXED, 4, 0},
    {"l", MST_KIND_INT64, MST_LAYOUT_FIXED, 8, 0},
    {"C", MST_KIND_UINT8, MST_LAYOUT_FIXED, 1, 0},
    {"S", MST_KIND_UINT16, MST_LAYOUT_FIXED, 2, 0},
    {"I", MST_KIND_UINT32, MST_LAYOUT_FIXED, 4, 0},
    {"L", MST_KIND_UINT64, MST_LAYOUT_FIXED, 8, 0},
    {"e", MST_KIND_HALF, MST_LAYOUT_FIXED, 2, 0},
    {"f", MST_KIND_FLOAT, MST_LAYOUT_FIXED, 4, 0},
    {"g", MST_KIND_DOUBLE, MST_LAYOUT_FIXED, 8, 0},
    {"z", MST_KIND_BYTES, MST_LAYOUT_OFFSETS32, 0, 0},
    {"Z", MST_KIND_BYTES, MST_LAYOUT_OFFSETS64, 0, 0},
    {"vz", MST_KIND_BYTES, MST_LAYOUT_VIEWS, 0, 0},
    {"u", MST_KIND_TEXT, MST_LAYOUT_OFFSETS32, 0, 0},
    {"U", MST_KIND_TEXT, MST_LAYOUT_OFFSETS64, 0, 0},
    {"vu", MST_KIND_TEXT, MST_LAYOUT_VIEWS, 0, 0},
    {"tdD", MST_KIND_DATE32, MST_LAYOUT_FIXED, 4, 0},
    {"tdm", MST_KIND_DATE64, MST_LAYOUT_FIXED, 8, 0},
    {"tts", MST_KIND_TIME32, MST_LAYOUT_FIXED, 4, MST_UNIT_S},
    {"ttm", MST_KIND_TIME32, MST_LAYOUT_FIXED, 4, MST_UNIT_MS},
    {"ttu", MST_KIND_TIME64, MST_LAYOUT_FIXED, 8, MST_UNIT_US},
    {"ttn", MST_KIND_TIME64, MST_LAYOUT_FIXED, 8, MST_UNIT_NS},
    {"tDs", MST_KIND_DURATION, MST_LAYOUT_FIXED, 8, MST_UNIT_S},
    {"tDm", MST_KIND_DURATION, MST_LAYOUT_FIXED, 8, MST_UNIT_MS},
    {"tDu", MST_KIND_DURATION, MST_LAYOUT_FIXED, 8, MST_UNIT_US},
    {"tDn", MST_KIND_DURATION, MST_LAYOUT_FIXED, 8, MST_UNIT_NS},
    {"tiM", MST_KIND_MONTHS, MST_LAYOUT_FIXED, 4, 0},
    {"tiD", MST_KIND_DAYS_MS, MST_LAYOUT_FIXED, 8, 0},
    {"tin", MST_KIND_MONTH_DAY_NANO, MST_LAYOUT_FIXED, 16, 0},
    {"+l", MST_KIND_LIST, MST_LAYOUT_LIST32, 0, 0},
    {"+L", MST_KIND_LIST, MST_LAYOUT_LIST64, 0, 0},
    {"+vl", MST_KIND_LIST, MST_LAYOUT_LISTVIEW32, 0, 0},
    {"+vL", MST_KIND_LIST, MST_LAYOUT_LISTVIEW64, 0, 0},
    {"+m", MST_KIND_MAP, MST_LAYOUT_LIST32, 0, 0},
    {"+s", MST_KIND_STRUCT, MST_LAYOUT_STRUCT, 0, 0},
    {"+r", MST_KIND_RUN_END, MST_LAYOUT_RUN_END, 0, 0},
};

static bool parse_int(const char **at, int32_t *out) {
  char *end;
  long v;
  if (**at != '-' && (**at < '0' || **at > '9')) return false;
  v = strtol(*at, &end, 10);
  if (end == *at || v < INT32_MIN || v > INT32_MAX) return false;
  *at = end;
  *out = (int32_t)v;
  return true;
}

/* "10,2" or "10,2,64" */
static bool parse_decimal(const char *at, mst_type *out) {
  int32_t bits = 128;
  if (!parse_int(&at, &out->precision) || *at++ != ',' || !parse_int(&at, &out->scale)) return false;
  if (*at == ',') {
    at++;
    if (!parse_int(&at, &bits)) return false;
  }
  if (*at != '\0' || out->precision < 1 || (bits != 32 && bits != 64 && bits != 128 && bits != 256)) return false;
  out->kind = MST_KIND_DECIMAL;
  out->layout = MST_LAYOUT_FIXED;
  out->width = (uint32_t)bits / 8;
  return true;
}

static bool parse_timestamp(const char *format, mst_type *out) {
  static const char units[] = "smun";
  const char *unit = format[2] != '\0' ? strchr(units, format[2]) : NULL;
  if (unit == NULL || format[3] != ':') return false;
  out->kind = MST_KIND_TIMESTAMP;
  out->layout = MST_LAYOUT_FIXED;
  out->width = 8;
  out->unit = (mst_time_unit)(unit - units);
  out->zone = format + 4;
  return true;
}

static bool parse_parametric(const char *format, mst_type *out) {
  const char *at;
  int32_t n = 0;
  if (mst_text_starts(format, "d:")) return parse_decimal(format + 2, out);
  if (mst_text_starts(format, "ts")) return parse_timestamp(format, out);
  if (mst_text_starts(format, "w:")) {
    at = format + 2;
    if (!parse_int(&at, &n) || *at != '\0' || n < 0) return false;
    out->kind = MST_KIND_FIXED_BYTES;
    out->layout = MST_LAYOUT_FIXED;
    out->width = (uint32_t)n;
    return true;
  }
  if (mst_text_starts(format, "+w:")) {
    at = format + 3;
    if (!parse_int(&at, &n) || *at != '\0' || n < 0) return false;
    out->kind = MST_KIND_FIXED_LIST;
    out->layout = MST_LAYOUT_FIXED_LIST;
    out->size = n;
    return true;
  }
  if (mst_text_starts(format, "+ud:") || mst_text_starts(format, "+us:")) {
    out->kind = MST_KIND_UNION;
    out->layout = format[2] == 'd' ? MST_LAYOUT_DENSE : MST_LAYOUT_SPARSE;
    out->ids = format + 4;
    return true;
  }
  return false;
}

mst_status mst_type_parse(const char *format, mst_type *out, mst_error *err) {
  size_t i;
  mst_type type = {.zone = "", .ids = ""};
  if (format == NULL) return mst_fail(err, MST_E_ARGUMENT, "Arrow schema without a format string");
  for (i = 0; i < sizeof simple_formats / sizeof simple_formats[0]; i++) {
    const simple_format *s = &simple_formats[i];
    if (strcmp(s->format, format) != 0) continue;
    type.kind = s->kind;
    type.layout = s->layout;
    type.width = s->width;
    type.unit = s->unit;
    *out = type;
    return MST_OK;
  }
  if (!parse_parametric(format, &type))
    return mst_fail(err, MST_E_UNSUPPORTED, "unknown Arrow format string \"%.60s\"", format);
  *out = type;
  return MST_OK;
}

int64_t mst_type_buffers(const mst_type *type) {
  switch (type->layout) {
  case MST_LAYOUT_NULL:
  case MST_LAYOUT_RUN_END: return 0;
  case MST_LAYOUT_FIXED_LIST:
  case MST_LAYOUT_STRUCT:
  case MST_LAYOUT_SPARSE: return 1;
  case MST_LAYOUT_BITS:
  case MST_LAYOUT_FIXED:
  case MST_LAYOUT_LIST32:
  case MST_LAYOUT_LIST64:
  case MST_LAYOUT_DENSE: return 2;
  case MST_LAYOUT_OFFSETS32:
  case MST_LAYOUT_OFFSETS64:
  case MST_LAYOUT_VIEWS:
  case MST_LAYOUT_LISTVIEW32:
  case MST_LAYOUT_LISTVIEW64: return 3;
  }
  return 0;
}

int64_t mst_type_children(const mst_type *type) {
  switch (type->kind) {
  case MST_KIND_LIST:
  case MST_KIND_FIXED_LIST:
  case MST_KIND_MAP: return 1;
  case MST_KIND_RUN_END: return 2;
  case MST_KIND_STRUCT:
  case MST_KIND_UNION: return -1;
  default: return 0;
  }
}

bool mst_type_is_integer(const mst_type *type) { return type->kind >= MST_KIND_INT8 && type->kind <= MST_KIND_UINT64; }

bool mst_type_is_temporal(const mst_type *type) {
  return type->kind >= MST_KIND_DATE32 && type->kind <= MST_KIND_DURATION;
}

bool mst_type_is_signed(const mst_type *type) {
  return (type->kind >= MST_KIND_INT8 && type->kind <= MST_KIND_INT64) || mst_type_is_temporal(type);
}
