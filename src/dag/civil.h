/* dag/civil.h - dates of the proleptic Gregorian calendar as days since 1970-01-01, and ISO 8601
 * text. Pure; safe from any thread. */
#pragma once

#include "base/types.h"

struct mr_buf;

#define DAY_SECONDS 86400
#define SECOND_US ((int64_t)1000000)

struct civil {
	int32_t year;
	int32_t month, day;           /* from 1 */
	int32_t hour, minute, second; /* from 0 */
};

static inline int64_t floor_div(int64_t a, int64_t b)
{
	int64_t q = a / b;
	return q - (a % b != 0 && (a < 0) != (b < 0));
}

int64_t civil_days(int32_t year, int32_t month, int32_t day);
int64_t civil_seconds(const struct civil *at);
struct civil civil_from_seconds(int64_t seconds);
int32_t civil_month_days(int32_t year, int32_t month);
int32_t civil_weekday(int64_t days); /* 0 is Sunday */

/* "2026-01-01T00:00:00+00:00", with microseconds when there are any: as Python's isoformat. */
void civil_put_iso(struct mr_buf *out, int64_t us);
#define CIVIL_ISO_BYTES 40
const char *civil_iso(char out[CIVIL_ISO_BYTES], int64_t us);
struct tz;
/* A date, or a date and time, with or without a zone ("2026-01-01", "2026-01-01T02:30:00+02:00",
 * "2026-01-01 02:30"). Without one it is in `zone`; NULL is UTC. False when it is no time. */
bool civil_parse(mr_str text, const struct tz *zone, int64_t *us_out);
