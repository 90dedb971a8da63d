/* base/time.c - times as text by hand: libc's calls read the locale and the time zone. Owns nothing. Calls libc only.
 */
#include "base/time.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char day_names[] = "SunMonTueWedThuFriSat";
static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

static const int64_t us_per_second = 1000000, seconds_per_day = 86400;

/* Years begin in March here, so that the leap day is the last of its year and every 400 years look the same. */
int64_t mst_days_from_civil(int64_t year, unsigned month, unsigned day) {
  const int64_t y = year - (month <= 2);
  const int64_t era = (y >= 0 ? y : y - 399) / 400;
  const int64_t year_of_era = y - era * 400;
  const int64_t day_of_year = (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + (int64_t)day - 1;
  return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

void mst_civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day) {
  const int64_t z = days + 719468;
  const int64_t era = (z >= 0 ? z : z - 146096) / 146097;
  const int64_t day_of_era = z - era * 146097;
  const int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t shifted = (5 * day_of_year + 2) / 153;
  *day = (unsigned)(day_of_year - (153 * shifted + 2) / 5 + 1);
  *month = (unsigned)(shifted < 10 ? shifted + 3 : shifted - 9);
  *year = year_of_era + era * 400 + (*month <= 2);
}

typedef struct civil {
  int64_t year;
  unsigned month, day, hour, minute, second;
  int64_t us;
} civil;

static unsigned days_in_month(int64_t year, unsigned month) {
  static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return days[month - 1] + (month == 2 && leap ? 1u : 0u);
}

static bool civil_to_us(const civil *c, int64_t *us) {
  if (c->month < 1 || c->month > 12 || c->day < 1 || c->day > days_in_month(c->year, c->month)) return false;
  /* 60 is a leap second; it counts as the first of the next minute. */
  if (c->hour > 23 || c->minute > 59 || c->second > 60) return false;
  *us = (mst_days_from_civil(c->year, c->month, c->day) * seconds_per_day + (int64_t)c->hour * 3600 +
         (int64_t)c->minute * 60 + c->second) *
            us_per_second +
        c->us;
  return true;
}

static bool take_digits(const char **at, int count, unsigned *out) {
  unsigned value = 0;
  for (int i = 0; i < count; i++) {
    const char c = (*at)[i];
    if (c < '0' || c > '9') return false;
    value = value * 10 + (unsigned)(c - '0');
  }
  *at += count;
  *out = value;
  return true;
}

static bool take_char(const char **at, char c) {
  if (**at != c) return false;
  (*at)++;
  return true;
}

static bool take_year(const char **at, int64_t *year) {
  unsigned value;
  if (!take_digits(at, 4, &value)) return false;
  *year = value;
  return true;
}

/* Digits beyond microseconds are read and dropped. */
static bool take_fraction(const char **at, int64_t *us) {
  int64_t value = 0, unit = us_per_second;
  unsigned digit;
  if (!take_char(at, '.') && !take_char(at, ',')) return true;
  if (**at < '0' || **at > '9') return false;
  while (take_digits(at, 1, &digit)) {
    unit /= 10;
    value += (int64_t)digit * unit;
  }
  *us = value;
  return true;
}

/* "Z", "+01:00", "-0130" or nothing, which means UTC; to be subtracted. */
static bool take_zone(const char **at, int64_t *offset_us) {
  unsigned hours, minutes = 0;
  const bool behind = **at == '-';
  if (**at == '\0') return true;
  if (take_char(at, 'Z') || take_char(at, 'z')) return **at == '\0';
  if (!take_char(at, '+') && !take_char(at, '-')) return false;
  if (!take_digits(at, 2, &hours) || hours > 23) return false;
  if (take_char(at, ':') || **at != '\0') {
    if (!take_digits(at, 2, &minutes) || minutes > 59) return false;
  }
  *offset_us = ((int64_t)hours * 3600 + (int64_t)minutes * 60) * us_per_second * (behind ? -1 : 1);
  return **at == '\0';
}

bool mst_time_parse_iso(const char *text, int64_t *us) {
  civil c = {0};
  int64_t offset = 0, value;
  const char *at = text;
  bool dashed;
  if (!take_year(&at, &c.year)) return false;
  dashed = take_char(&at, '-');
  if (!take_digits(&at, 2, &c.month) || (dashed && !take_char(&at, '-')) || !take_digits(&at, 2, &c.day)) return false;
  if (!take_char(&at, 'T') && !take_char(&at, 't') && !(dashed && take_char(&at, ' '))) return false;
  if (!take_digits(&at, 2, &c.hour) || (dashed && !take_char(&at, ':')) || !take_digits(&at, 2, &c.minute) ||
      (dashed && !take_char(&at, ':')) || !take_digits(&at, 2, &c.second))
    return false;
  if (!take_fraction(&at, &c.us) || !take_zone(&at, &offset) || !civil_to_us(&c, &value)) return false;
  *us = value - offset;
  return true;
}

static bool take_month_name(const char **at, unsigned *month) {
  for (unsigned i = 0; i < 12; i++) {
    if (strncmp(*at, month_names + 3 * (size_t)i, 3) != 0) continue;
    *at += 3;
    *month = i + 1;
    return true;
  }
  return false;
}

static bool take_clock(const char **at, civil *c) {
  return take_digits(at, 2, &c->hour) && take_char(at, ':') && take_digits(at, 2, &c->minute) && take_char(at, ':') &&
         take_digits(at, 2, &c->second);
}

/* "21 Nov 2026 07:08:36 GMT", behind the day's name and comma. */
static bool parse_imf(const char *at, civil *c) {
  return take_digits(&at, 2, &c->day) && take_char(&at, ' ') && take_month_name(&at, &c->month) &&
         take_char(&at, ' ') && take_year(&at, &c->year) && take_char(&at, ' ') && take_clock(&at, c) &&
         strcmp(at, " GMT") == 0;
}

/* "21-Nov-26 07:08:36 GMT", the form of RFC 850; a two-digit year is read as 1970 to 2069. */
static bool parse_rfc850(const char *at, civil *c) {
  unsigned year;
  if (!take_digits(&at, 2, &c->day) || !take_char(&at, '-') || !take_month_name(&at, &c->month) ||
      !take_char(&at, '-') || !take_digits(&at, 2, &year) || !take_char(&at, ' ') || !take_clock(&at, c))
    return false;
  c->year = year < 70 ? 2000 + (int64_t)year : 1900 + (int64_t)year;
  return strcmp(at, " GMT") == 0;
}

/* "Nov 21 07:08:36 2026", the form of asctime, where the day may be padded with a space. */
static bool parse_asctime(const char *at, civil *c) {
  if (!take_month_name(&at, &c->month) || !take_char(&at, ' ')) return false;
  if (take_char(&at, ' ') ? !take_digits(&at, 1, &c->day) : !take_digits(&at, 2, &c->day)) return false;
  return take_char(&at, ' ') && take_clock(&at, c) && take_char(&at, ' ') && take_year(&at, &c->year) && *at == '\0';
}

bool mst_time_parse_http(const char *text, int64_t *us) {
  const char *space = strchr(text, ' ');
  civil c = {0};
  bool known = false;
  if (space == NULL || space == text) return false;
  if (space[-1] != ',') known = space - text == 3 && parse_asctime(space + 1, &c);
  else known = parse_imf(space + 1, &c) || parse_rfc850(space + 1, &c);
  return known && civil_to_us(&c, us);
}

static civil civil_of_us(int64_t us, unsigned *weekday) {
  const int64_t us_per_day = seconds_per_day * us_per_second;
  int64_t days = us / us_per_day, rest = us % us_per_day;
  civil c = {0};
  if (rest < 0) {
    rest += us_per_day;
    days--;
  }
  mst_civil_from_days(days, &c.year, &c.month, &c.day);
  c.us = rest % us_per_second;
  rest /= us_per_second;
  c.hour = (unsigned)(rest / 3600);
  c.minute = (unsigned)(rest / 60 % 60);
  c.second = (unsigned)(rest % 60);
  *weekday = (unsigned)(((days + 4) % 7 + 7) % 7);
  return c;
}

void mst_time_format_iso(int64_t us, char out[32]) {
  unsigned weekday;
  const civil c = civil_of_us(us, &weekday);
  snprintf(out, 32, "%04" PRId64 "-%02u-%02uT%02u:%02u:%02uZ", c.year, c.month % 100, c.day % 100, c.hour % 100,
           c.minute % 100, c.second % 100);
}

void mst_time_format_basic(int64_t us, char out[20]) {
  unsigned weekday;
  const civil c = civil_of_us(us, &weekday);
  snprintf(out, 20, "%04" PRId64 "%02u%02uT%02u%02u%02uZ", c.year % 1000000, c.month % 100, c.day % 100, c.hour % 100,
           c.minute % 100, c.second % 100);
}

void mst_time_format_http(int64_t us, char out[32]) {
  unsigned weekday;
  const civil c = civil_of_us(us, &weekday);
  snprintf(out, 32, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT", day_names + 3 * (size_t)weekday, c.day % 100,
           month_names + 3 * (size_t)(c.month - 1), (unsigned)c.year % 10000, c.hour % 100, c.minute % 100,
           c.second % 100);
}
