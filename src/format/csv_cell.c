/* format/csv_cell.c - one cell: its text without quotes, the types that it fits, and its value in each.
 *
 * Owns: nothing. May call: base. */
#include "base/base.h"
#include "format/csv.h"

/* ---- quotes --------------------------------------------------------------------------------------------------- */

mst_status mst_csv_unquote(const mst_csv_dialect *d, mst_csv_cell cell, mst_buf *out, mst_error *err) {
  mst_csv_state state = MST_CSV_FIELD, before;
  uint8_t classes[256];
  mst_status status = mst_buf_reserve(out, cell.size, err);
  mst_csv_classes(d, classes);
  for (size_t i = 0; i < cell.size && status == MST_OK; i++) {
    const uint8_t class = classes[cell.data[i]];
    before = state;
    state = (mst_csv_state)mst_csv_next[before][class];
    if (state == MST_CSV_ESCAPE || state == MST_CSV_QUOTED_ESCAPE || state == MST_CSV_QUOTE) continue;
    if (before == MST_CSV_FIELD && state == MST_CSV_QUOTED) continue;
    status = mst_buf_put_byte(out, cell.data[i], err);
  }
  return status;
}

bool mst_csv_plain_text(const mst_csv_dialect *d, mst_csv_cell cell, mst_csv_cell *text) {
  *text = cell;
  if (d->has_escape && memchr(cell.data, d->escape, cell.size) != NULL) return false;
  if (!d->has_quote || cell.size == 0 || cell.data[0] != d->quote) return true;
  if (cell.size < 2 || cell.data[cell.size - 1] != d->quote) return false;
  text->data++;
  text->size -= 2;
  return memchr(text->data, d->quote, text->size) == NULL;
}

/* ---- values --------------------------------------------------------------------------------------------------- */

bool mst_csv_null_word(const char *text, size_t n) {
  static const char *const words[] = {"NA", "N/A", "#N/A", "NULL", "null", "None", "n/a"};
  if (n < 2 || n > 4 || text[0] < '#' || text[0] > 'n') return false;
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
    if (strlen(words[i]) == n && memcmp(text, words[i], n) == 0) return true;
  return false;
}

bool mst_csv_read_bool(const char *text, size_t n, bool *out) {
  uint32_t word;
  if (n != 4 && n != 5) return false;
  word = mst_le32(text) | 0x20202020;
  *out = n == 4;
  return n == 4 ? word == 0x65757274 /* "true" */ : word == 0x736c6166 /* "fals" */ && (text[4] | 0x20) == 'e';
}

/* Two digits, at most `max`. */
static bool two(const char *p, unsigned max, unsigned *out) {
  const unsigned tens = (unsigned)(unsigned char)(p[0] - '0'), ones = (unsigned)(unsigned char)(p[1] - '0');
  if (tens > 9 || ones > 9) return false;
  *out = tens * 10 + ones;
  return *out <= max;
}

bool mst_csv_read_date(const char *text, size_t n, int32_t *days) {
  static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  unsigned century, rest, month, day, year;
  if (n != 10 || text[4] != '-' || text[7] != '-' || !two(text, 99, &century) || !two(text + 2, 99, &rest) ||
      !two(text + 5, 12, &month) || !two(text + 8, 31, &day) || month == 0 || day == 0)
    return false;
  year = century * 100 + rest;
  if (year == 0) return false; /* the formula below has no year -1 */
  if (day > lengths[month - 1] && !(month == 2 && day == 29 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)))
    return false;
  /* Years begin in March, so that the leap day is the last; 719468 days lie between 0000-03-01 and 1970-01-01. */
  if (month > 2) month -= 3;
  else month += 9, year--;
  *days = (int32_t)(365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1) - 719468;
  return true;
}

/* "Z", "+01", "+0130" or "-01:30" up to the end. */
static bool read_zone(const char *text, size_t n, int64_t *seconds) {
  unsigned hours, minutes = 0;
  *seconds = 0;
  if (n == 1) return text[0] == 'Z' || text[0] == 'z';
  if ((n != 3 && n != 5 && n != 6) || (text[0] != '+' && text[0] != '-') || (n == 6 && text[3] != ':')) return false;
  if (!two(text + 1, 23, &hours) || (n > 3 && !two(text + n - 2, 59, &minutes))) return false;
  *seconds = (int64_t)(hours * 3600 + minutes * 60);
  if (text[0] == '-') *seconds = -*seconds;
  return true;
}

/* ".123" from `*i` on, if there. */
static bool read_fraction(const char *text, size_t n, size_t *i, int64_t *us) {
  int64_t unit = 100000;
  size_t at = *i;
  *us = 0;
  if (at == n || text[at] != '.') return true;
  for (at++; at < n && (unsigned char)(text[at] - '0') <= 9; at++) {
    if (unit == 0 && text[at] != '0') return false;
    *us += (text[at] - '0') * unit;
    unit /= 10;
  }
  if (at == *i + 1) return false;
  *i = at;
  return true;
}

bool mst_csv_read_timestamp(const char *text, size_t n, bool utc, int64_t *us) {
  unsigned hour, minute, second = 0;
  int64_t fraction, zone = 0;
  int32_t days;
  size_t i = 16;
  if (n == 10 && !utc && mst_csv_read_date(text, n, &days)) {
    *us = (int64_t)days * 86400000000;
    return true;
  }
  if (n < 16 || (text[10] != 'T' && text[10] != ' ') || text[13] != ':' || !mst_csv_read_date(text, 10, &days) ||
      !two(text + 11, 23, &hour) || !two(text + 14, 59, &minute))
    return false;
  if (n >= 19 && text[16] == ':') {
    if (!two(text + 17, 59, &second)) return false;
    i = 19;
    if (!read_fraction(text, n, &i, &fraction)) return false;
  } else {
    fraction = 0;
  }
  if (utc ? !read_zone(text + i, n - i, &zone) : i != n) return false;
  *us = ((int64_t)days * 86400 + (int64_t)(hour * 3600 + minute * 60 + second) - zone) * 1000000 + fraction;
  return true;
}

/* ---- inference ------------------------------------------------------------------------------------------------ */

/* 007 and the like are names made of digits: as numbers they would lose their zeros. */
static bool padded(const char *text, size_t n) {
  const size_t sign = n > 0 && (text[0] == '-' || text[0] == '+');
  return n > sign + 1 && text[sign] == '0' && (unsigned char)(text[sign + 1] - '0') <= 9;
}

unsigned mst_csv_fits(const char *text, size_t n) {
  int64_t whole;
  double real;
  bool truth;
  int32_t days;
  if (n == 0 || mst_csv_null_word(text, n)) return MST_CSV_FITS_ALL;
  if (mst_csv_read_bool(text, n, &truth)) return MST_CSV_FITS_BOOL;
  if (mst_csv_read_date(text, n, &days)) return MST_CSV_FITS_DATE | MST_CSV_FITS_TIMESTAMP;
  if (mst_csv_read_timestamp(text, n, false, &whole)) return MST_CSV_FITS_TIMESTAMP;
  if (mst_csv_read_timestamp(text, n, true, &whole)) return MST_CSV_FITS_TIMESTAMP_UTC;
  if (padded(text, n)) return 0;
  if (mst_number_i64(text, n, &whole)) return MST_CSV_FITS_INT64 | MST_CSV_FITS_DOUBLE;
  /* An integer that does not fit would lose digits as a double. */
  if (!mst_number_f64(text, n, &real)) return 0;
  for (size_t i = 0; i < n; i++)
    if ((unsigned char)(text[i] - '0') > 9 && text[i] != '-' && text[i] != '+') return MST_CSV_FITS_DOUBLE;
  return 0;
}

mst_csv_type mst_csv_type_of(unsigned fits) {
  if ((fits & MST_CSV_FITS_INT64) != 0) return MST_CSV_INT64;
  if ((fits & MST_CSV_FITS_DOUBLE) != 0) return MST_CSV_DOUBLE;
  if ((fits & MST_CSV_FITS_BOOL) != 0) return MST_CSV_BOOL;
  if ((fits & MST_CSV_FITS_DATE) != 0) return MST_CSV_DATE;
  if ((fits & MST_CSV_FITS_TIMESTAMP) != 0) return MST_CSV_TIMESTAMP;
  if ((fits & MST_CSV_FITS_TIMESTAMP_UTC) != 0) return MST_CSV_TIMESTAMP_UTC;
  return MST_CSV_TEXT;
}

/* ---- names of types --------------------------------------------------------------------------------------------- */

mst_status mst_csv_type_by_name(const char *name, mst_csv_type *out, mst_error *err) {
  static const struct {
    const char *name;
    mst_csv_type type;
  } names[] = {
      {"int64", MST_CSV_INT64},        {"int", MST_CSV_INT64},
      {"integer", MST_CSV_INT64},      {"double", MST_CSV_DOUBLE},
      {"float64", MST_CSV_DOUBLE},     {"float", MST_CSV_DOUBLE},
      {"number", MST_CSV_DOUBLE},      {"bool", MST_CSV_BOOL},
      {"boolean", MST_CSV_BOOL},       {"date", MST_CSV_DATE},
      {"date32", MST_CSV_DATE},        {"timestamp", MST_CSV_TIMESTAMP},
      {"datetime", MST_CSV_TIMESTAMP}, {"timestamp_utc", MST_CSV_TIMESTAMP_UTC},
      {"text", MST_CSV_TEXT},          {"string", MST_CSV_TEXT},
      {"utf8", MST_CSV_TEXT},          {"bytes", MST_CSV_BYTES},
      {"binary", MST_CSV_BYTES},
  };
  for (size_t i = 0; name != NULL && i < sizeof names / sizeof names[0]; i++) {
    if (!mst_text_equal_nocase(name, names[i].name)) continue;
    *out = names[i].type;
    return MST_OK;
  }
  return mst_fail(err, MST_E_ARGUMENT,
                  "CSV columns are int64, double, bool, date, timestamp, timestamp_utc, text or bytes, not \"%s\"",
                  name != NULL ? name : "?");
}
