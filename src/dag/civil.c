#include "dag/civil.h"

#include "base/buf.h"
#include "dag/tz.h"

#include <stdio.h>

/* Years that begin in March put the leap day last, so that months have a formula; 400 of them
 * are one cycle of 146,097 days. 719,468 is the first of March of year 0 before 1970. */
int64_t civil_days(int32_t year, int32_t month, int32_t day)
{
	int64_t y = month <= 2 ? (int64_t)year - 1 : year;
	int64_t cycle = floor_div(y, 400);
	int64_t of_cycle = y - cycle * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return cycle * 146097 + of_cycle * 365 + of_cycle / 4 - of_cycle / 100 + of_year - 719468;
}

int64_t civil_seconds(const struct civil *at)
{
	return civil_days(at->year, at->month, at->day) * DAY_SECONDS + at->hour * 3600 + at->minute * 60 +
	       at->second;
}

struct civil civil_from_seconds(int64_t seconds)
{
	int64_t days = floor_div(seconds, DAY_SECONDS);
	int64_t rest = seconds - days * DAY_SECONDS;
	days += 719468;
	int64_t cycle = floor_div(days, 146097);
	int64_t of_cycle = days - cycle * 146097;
	int64_t year = (of_cycle - of_cycle / 1460 + of_cycle / 36524 - of_cycle / 146096) / 365;
	int64_t of_year = of_cycle - (365 * year + year / 4 - year / 100);
	int64_t march_month = (5 * of_year + 2) / 153;
	int32_t month = (int32_t)(march_month < 10 ? march_month + 3 : march_month - 9);
	return (struct civil){
	    .year = (int32_t)(year + cycle * 400 + (month <= 2)),
	    .month = month,
	    .day = (int32_t)(of_year - (153 * march_month + 2) / 5 + 1),
	    .hour = (int32_t)(rest / 3600),
	    .minute = (int32_t)(rest / 60 % 60),
	    .second = (int32_t)(rest % 60),
	};
}

int32_t civil_month_days(int32_t year, int32_t month)
{
	static const int8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	return days[month - 1] + (month == 2 && leap);
}

int32_t civil_weekday(int64_t days)
{
	int64_t w = (days + 4) % 7; /* 1970-01-01 was a Thursday */
	return (int32_t)(w < 0 ? w + 7 : w);
}

const char *civil_iso(char out[CIVIL_ISO_BYTES], int64_t us)
{
	int64_t seconds = floor_div(us, SECOND_US);
	int64_t fraction = us - seconds * SECOND_US;
	struct civil at = civil_from_seconds(seconds);
	char micros[12] = "";
	if (fraction)
		snprintf(micros, sizeof micros, ".%06d", (int)fraction);
	snprintf(out, CIVIL_ISO_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d%s+00:00", at.year, at.month, at.day,
		 at.hour, at.minute, at.second, micros);
	return out;
}

void civil_put_iso(struct mr_buf *out, int64_t us)
{
	char text[CIVIL_ISO_BYTES];
	mr_buf_cstr(out, civil_iso(text, us));
}

/* Exactly `digits` digits off the front. */
static bool take(mr_str *rest, int digits, int32_t *out)
{
	if (rest->len < (size_t)digits)
		return false;
	int32_t n = 0;
	for (int i = 0; i < digits; i++) {
		if (rest->ptr[i] < '0' || rest->ptr[i] > '9')
			return false;
		n = n * 10 + (rest->ptr[i] - '0');
	}
	*rest = mr_str_tail(*rest, (size_t)digits);
	*out = n;
	return true;
}

static bool take_char(mr_str *rest, const char *any_of)
{
	if (!rest->len || !strchr(any_of, rest->ptr[0]))
		return false;
	*rest = mr_str_tail(*rest, 1);
	return true;
}

static bool take_time(mr_str *rest, struct civil *at, int64_t *micros)
{
	if (!take(rest, 2, &at->hour) || !take_char(rest, ":") || !take(rest, 2, &at->minute))
		return false;
	if (take_char(rest, ":") && !take(rest, 2, &at->second))
		return false;
	if (take_char(rest, ".")) {
		int64_t scale = SECOND_US;
		int32_t digit;
		while (take(rest, 1, &digit))
			*micros += digit * (scale /= 10);
	}
	return at->hour < 24 && at->minute < 60 && at->second < 60;
}

/* "Z", "+02:00", "-0530", or nothing; *given tells. */
static bool take_offset(mr_str *rest, bool *given, int64_t *offset_s)
{
	*given = rest->len > 0;
	if (!rest->len)
		return true;
	if (take_char(rest, "Zz"))
		return rest->len == 0;
	int sign = rest->ptr[0] == '-' ? -1 : 1;
	int32_t hours, minutes = 0;
	if (!take_char(rest, "+-") || !take(rest, 2, &hours))
		return false;
	take_char(rest, ":");
	if (rest->len && !take(rest, 2, &minutes))
		return false;
	*offset_s = sign * (hours * 3600 + minutes * 60);
	return rest->len == 0 && hours < 24 && minutes < 60;
}

bool civil_parse(mr_str text, const struct tz *zone, int64_t *us_out)
{
	struct civil at = {0};
	int64_t micros = 0, offset_s = 0;
	bool zoned = false;
	if (!take(&text, 4, &at.year) || !take_char(&text, "-") || !take(&text, 2, &at.month) ||
	    !take_char(&text, "-") || !take(&text, 2, &at.day))
		return false;
	if (at.month < 1 || at.month > 12 || at.day < 1 || at.day > civil_month_days(at.year, at.month))
		return false;
	if (take_char(&text, "Tt ") && !take_time(&text, &at, &micros))
		return false;
	if (!take_offset(&text, &zoned, &offset_s))
		return false;
	int64_t local = civil_seconds(&at);
	int64_t seconds = zoned || !zone ? local - offset_s : tz_utc_s(zone, local);
	*us_out = seconds * SECOND_US + micros;
	return true;
}
