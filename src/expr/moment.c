/* expr/moment.c - dates, times, timestamps and durations in text, to the nanosecond.
 *
 * Owns: nothing. May call: base. */
#include "expr/node.h"

typedef struct reader {
  const char *at, *end;
} reader;

static bool more(const reader *r) { return r->at < r->end; }

static bool take(reader *r, char c) {
  if (!more(r) || *r->at != c) return false;
  r->at++;
  return true;
}

/* From `least` to `most` digits. */
static bool take_digits(reader *r, int least, int most, int64_t *out) {
  int n = 0;
  int64_t v = 0;
  for (; n < most && more(r) && *r->at >= '0' && *r->at <= '9'; n++) v = v * 10 + (*r->at++ - '0');
  *out = v;
  return n >= least;
}

static bool month_has(int64_t year, int64_t month, int64_t day) {
  static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1] + (month == 2 && leap);
}

/* Years of four to six digits, with a sign when there are more than four or they are before 0. */
static bool take_date(reader *r, int64_t *days) {
  int64_t year, month, day;
  const bool minus = take(r, '-');
  if (!minus) take(r, '+');
  if (!take_digits(r, 4, 6, &year) || !take(r, '-')) return false;
  if (!take_digits(r, 2, 2, &month) || !take(r, '-') || !take_digits(r, 2, 2, &day)) return false;
  if (minus) year = -year;
  if (!month_has(year, month, day)) return false;
  *days = mst_days_from_civil(year, (unsigned)month, (unsigned)day);
  return true;
}

static const int64_t nanos_per_second = 1000000000;

/* Behind a point: up to nine digits; more only when they are zero. */
static bool take_fraction(reader *r, int64_t *nanos) {
  int64_t v = 0;
  int n = 0;
  for (; more(r) && *r->at >= '0' && *r->at <= '9'; n++, r->at++) {
    if (n < 9) v = v * 10 + (*r->at - '0');
    else if (*r->at != '0') return false;
  }
  if (n == 0) return false;
  for (; n < 9; n++) v *= 10;
  *nanos = v;
  return true;
}

static bool take_time(reader *r, int64_t *nanos) {
  int64_t hour, minute, second = 0, fraction = 0;
  if (!take_digits(r, 2, 2, &hour) || !take(r, ':') || !take_digits(r, 2, 2, &minute)) return false;
  if (take(r, ':') && !take_digits(r, 2, 2, &second)) return false;
  if ((take(r, '.') || take(r, ',')) && !take_fraction(r, &fraction)) return false;
  if (hour > 23 || minute > 59 || second > 59) return false;
  *nanos = (hour * 3600 + minute * 60 + second) * nanos_per_second + fraction;
  return true;
}

/* "Z", "+01:00", "-0130", "+01" or nothing. */
static bool take_offset(reader *r, int64_t *seconds) {
  int64_t hours, minutes = 0;
  bool behind;
  *seconds = 0;
  if (!more(r) || take(r, 'Z') || take(r, 'z')) return true;
  behind = *r->at == '-';
  if (!take(r, '+') && !take(r, '-')) return false;
  if (!take_digits(r, 2, 2, &hours)) return false;
  if ((take(r, ':') || more(r)) && !take_digits(r, 2, 2, &minutes)) return false;
  if (hours > 23 || minutes > 59) return false;
  *seconds = (hours * 3600 + minutes * 60) * (behind ? -1 : 1);
  return true;
}

bool mst_parse_date(const char *text, size_t n, int64_t *days) {
  reader r = {text, text + n};
  return take_date(&r, days) && !more(&r);
}

bool mst_parse_time(const char *text, size_t n, int64_t *nanos) {
  reader r = {text, text + n};
  return take_time(&r, nanos) && !more(&r);
}

bool mst_parse_timestamp(const char *text, size_t n, mst_nanos *nanos) {
  reader r = {text, text + n};
  int64_t days, time = 0, offset = 0;
  if (!take_date(&r, &days)) return false;
  if (more(&r)) {
    if (!take(&r, 'T') && !take(&r, 't') && !take(&r, ' ')) return false;
    if (!take_time(&r, &time)) return false;
    take(&r, ' ');
    if (!take_offset(&r, &offset)) return false;
  }
  *nanos = ((mst_nanos)days * 86400 - offset) * nanos_per_second + time;
  return !more(&r);
}

/* The unit behind a number, in nanoseconds; 0 when there is none. */
static int64_t take_unit(reader *r) {
  static const struct {
    char name[3];
    int64_t nanos;
  } units[] = {{"ns", 1},          {"us", 1000},         {"ms", 1000000},      {"s", 1000000000},
               {"m", 60000000000}, {"h", 3600000000000}, {"d", 86400000000000}};
  for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
    const size_t n = strlen(units[i].name);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, units[i].name, n) != 0) continue;
    r->at += n;
    return units[i].nanos;
  }
  return 0;
}

bool mst_parse_duration(const char *text, size_t n, mst_nanos *nanos) {
  reader r = {text, text + n};
  const bool minus = take(&r, '-');
  mst_nanos sum = 0;
  bool any = false;
  while (take(&r, ' ')) continue;
  while (more(&r)) {
    int64_t whole, fraction = 0, unit;
    if (!take_digits(&r, 1, 18, &whole)) return false;
    if (take(&r, '.') && !take_fraction(&r, &fraction)) return false;
    while (take(&r, ' ')) continue;
    unit = take_unit(&r);
    if (unit == 0 || (mst_nanos)fraction * unit % nanos_per_second != 0) return false;
    sum += (mst_nanos)whole * unit + (mst_nanos)fraction * unit / nanos_per_second;
    if (sum > (mst_nanos)INT64_MAX * nanos_per_second) return false;
    any = true;
    while (take(&r, ' ')) continue;
  }
  *nanos = minus ? -sum : sum;
  return any;
}
