/* codec/columns_time.c - ISO 8601 dates and times to numbers, and back.
 *
 * Proleptic Gregorian calendar, years 0000 to 9999 on the way in. A second of 60 (a leap
 * second) is the first of the next minute, as timegm has it.
 */
#include "codec/columns.h"

#include <stdio.h>

#define SECOND_US INT64_C(1000000)

/* Days since 1970-01-01. Counts from 1 March of the year -400, so that all terms are positive,
 * the leap day is the last of its year and a month's first day is linear in the month. */
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
	year += 400;
	if (month <= 2) {
		year--;
		month += 12;
	}
	return 365 * year + year / 4 - year / 100 + year / 400 + (153 * (month - 3) + 2) / 5 + day - 1 -
	       719468 - 146097;
}

/* Two digits, or something above 99. */
static inline unsigned two_digits(const char *p)
{
	unsigned tens = (unsigned char)p[0] - (unsigned)'0', ones = (unsigned char)p[1] - (unsigned)'0';
	return tens > 9 || ones > 9 ? 1000 : tens * 10 + ones;
}

/* "YYYY-MM-DD" at p, ten bytes. */
static bool date_at(const char *p, int64_t *days_out)
{
	static const uint8_t month_days[13] = {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	unsigned century = two_digits(p), rest = two_digits(p + 2);
	unsigned month = two_digits(p + 5), day = two_digits(p + 8);
	if (p[4] != '-' || p[7] != '-' || century > 99 || rest > 99 || month < 1 || month > 12)
		return false;
	unsigned year = century * 100 + rest;
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	if (day < 1 || day > month_days[month] || (month == 2 && day == 29 && !leap))
		return false;
	*days_out = days_of(year, month, day);
	return true;
}

bool parse_date_days(mr_str text, int32_t *days_out)
{
	int64_t days;
	if (text.len != 10 || !date_at(text.ptr, &days))
		return false;
	*days_out = (int32_t)days;
	return true;
}

/* ".123" or ",123456789" from *at on; moves *at past it. */
static bool take_fraction(const char **at, const char *end, int64_t *us_out)
{
	int64_t us = 0, worth = 100000;
	const char *p = *at + 1;
	for (; p < end && *p >= '0' && *p <= '9'; p++) {
		us += (*p - '0') * worth;
		worth /= 10;
	}
	size_t digits = (size_t)(p - *at) - 1;
	*at = p;
	*us_out = us;
	return digits >= 1 && digits <= 9;
}

/* What is left must be nothing, Z, +hh, +hhmm or +hh:mm. */
static bool zone_seconds(const char *p, size_t len, int64_t *out)
{
	*out = 0;
	if (len == 0 || (len == 1 && (*p == 'Z' || *p == 'z')))
		return true;
	if (*p != '+' && *p != '-')
		return false;
	unsigned hours, minutes = 0;
	if (len == 3 || len == 5 || len == 6)
		hours = two_digits(p + 1);
	else
		return false;
	if (len == 5)
		minutes = two_digits(p + 3);
	if (len == 6)
		minutes = p[3] == ':' ? two_digits(p + 4) : 1000;
	if (hours > 23 || minutes > 59)
		return false;
	*out = (int64_t)(hours * 3600 + minutes * 60) * (*p == '-' ? -1 : 1);
	return true;
}

bool parse_timestamp_us(mr_str text, int64_t *us_out)
{
	const char *p = text.ptr, *end = text.ptr + text.len;
	int64_t days, us = 0, zone = 0;
	if (text.len < 10 || !date_at(p, &days))
		return false;
	if (text.len == 10) {
		*us_out = days * 86400 * SECOND_US;
		return true;
	}
	if (text.len < 16 || (p[10] != 'T' && p[10] != 't' && p[10] != ' ') || p[13] != ':')
		return false;
	unsigned hours = two_digits(p + 11), minutes = two_digits(p + 14), seconds = 0;
	p += 16;
	if (end - p >= 3 && *p == ':') {
		seconds = two_digits(p + 1);
		p += 3;
		if (p < end && (*p == '.' || *p == ',') && !take_fraction(&p, end, &us))
			return false;
	}
	if (hours > 23 || minutes > 59 || seconds > 60 || !zone_seconds(p, (size_t)(end - p), &zone))
		return false;
	*us_out = (days * 86400 + hours * 3600 + minutes * 60 + seconds - zone) * SECOND_US + us;
	return true;
}

/* The inverse of days_of, by the same calendar that starts in March. */
static void civil_of(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	unsigned of_era = (unsigned)(days - era * 146097);
	unsigned year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	unsigned of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	unsigned from_march = (5 * of_year + 2) / 153;
	*day = of_year - (153 * from_march + 2) / 5 + 1;
	*month = from_march < 10 ? from_march + 3 : from_march - 9;
	*year = (int64_t)year_of_era + era * 400 + (*month <= 2);
}

void format_timestamp_ms(int64_t ms, char out[32])
{
	int64_t days = ms / 86400000, of_day = ms % 86400000, year;
	unsigned month, day;
	if (of_day < 0) {
		of_day += 86400000;
		days--;
	}
	civil_of(days, &year, &month, &day);
	/* Past year 9999 ISO 8601 wants a sign; the longest int64 then just fits. */
	const char *sign = year > 9999 ? "+" : "";
	snprintf(out, 32, "%s%0*lld-%02u-%02uT%02d:%02d:%02d.%03dZ", sign, year < 0 ? 5 : 4, (long long)year,
		 month, day, (int)(of_day / 3600000), (int)(of_day / 60000 % 60), (int)(of_day / 1000 % 60),
		 (int)(of_day % 1000));
}
