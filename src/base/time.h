/* base/time.h - UTC times as text and back, without locale or time zone state. */
#ifndef MST_BASE_TIME_H
#define MST_BASE_TIME_H

#include <meseta/status.h>

/* "2026-11-21T07:08:36Z" with an optional fraction and offset; also "20261121T070836Z". false when it is neither. */
bool mst_time_parse_iso(const char *text, int64_t *us);
/* "Sat, 21 Nov 2026 07:08:36 GMT" (RFC 9110 section 5.6.7). */
bool mst_time_parse_http(const char *text, int64_t *us);
void mst_time_format_iso(int64_t us, char out[32]);   /* 2026-11-21T07:08:36Z        */
void mst_time_format_basic(int64_t us, char out[20]); /* 20261121T070836Z, for SigV4 */
void mst_time_format_http(int64_t us, char out[32]);
/* Proleptic Gregorian calendar, any year. */
int64_t mst_days_from_civil(int64_t year, unsigned month, unsigned day);
void mst_civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day);

#endif
