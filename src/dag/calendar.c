#include "dag/calendar.h"

#include "base/mem.h"
#include "base/vec.h"
#include "dag/civil.h"

#include <stdlib.h>

#define CLOSED_DAYS_MAX 366
#define CHECKED_YEARS 130 /* from 1970; the week and the leap years repeat every 28 */

struct calendar {
	unsigned weekend;
	enum calendar_closed closed;
	MR_VEC(int64_t) holidays, workdays; /* sorted once sealed */
	uint32_t each_year[13];             /* holidays: bits by day of the month */
	uint32_t work_each_year[13];
};

struct calendar *calendar_new(unsigned weekend, enum calendar_closed closed)
{
	struct calendar *calendar = mr_calloc(1, sizeof *calendar);
	calendar->weekend = weekend;
	calendar->closed = closed;
	return calendar;
}

void calendar_free(struct calendar *calendar)
{
	if (!calendar)
		return;
	mr_vec_release(&calendar->holidays);
	mr_vec_release(&calendar->workdays);
	free(calendar);
}

void calendar_add_holiday(struct calendar *calendar, int32_t year, int32_t month, int32_t day)
{
	if (year == 0)
		calendar->each_year[month] |= 1u << day;
	else
		mr_vec_push(&calendar->holidays, civil_days(year, month, day));
}

void calendar_add_workday(struct calendar *calendar, int32_t year, int32_t month, int32_t day)
{
	if (year == 0)
		calendar->work_each_year[month] |= 1u << day;
	else
		mr_vec_push(&calendar->workdays, civil_days(year, month, day));
}

static int by_day(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static bool is_among(const int64_t *days, size_t count, int64_t day)
{
	return count && bsearch(&day, days, count, sizeof day, by_day);
}

bool calendar_is_open(const struct calendar *calendar, int64_t day)
{
	struct civil at = civil_from_seconds(day * DAY_SECONDS);
	uint32_t bit = 1u << at.day;
	if (is_among(calendar->workdays.items, calendar->workdays.len, day))
		return true;
	if (is_among(calendar->holidays.items, calendar->holidays.len, day))
		return false;
	if (calendar->work_each_year[at.month] & bit)
		return true;
	return !(calendar->each_year[at.month] & bit) && !(calendar->weekend >> civil_weekday(day) & 1);
}

int calendar_seal(struct calendar *calendar, struct mr_error *err)
{
	if (calendar->holidays.len)
		qsort(calendar->holidays.items, calendar->holidays.len, sizeof(int64_t), by_day);
	if (calendar->workdays.len)
		qsort(calendar->workdays.items, calendar->workdays.len, sizeof(int64_t), by_day);
	int64_t closed = 0, end = civil_days(1970 + CHECKED_YEARS, 1, 1);
	for (int64_t day = 0; day < end; day++) {
		closed = calendar_is_open(calendar, day) ? 0 : closed + 1;
		if (closed <= CLOSED_DAYS_MAX)
			continue;
		struct civil at = civil_from_seconds(day * DAY_SECONDS);
		return mr_fail(err, MR_ERR_INVALID,
			       "the calendar has no open day in the year before %04d-%02d-%02d", (int)at.year,
			       (int)at.month, (int)at.day);
	}
	return 0;
}

enum calendar_closed calendar_closed(const struct calendar *calendar)
{
	return calendar->closed;
}

int64_t calendar_day(const struct calendar *calendar, int64_t day)
{
	int step = calendar->closed == CALENDAR_PREVIOUS ? -1 : 1;
	if (calendar->closed == CALENDAR_SKIP)
		return calendar_is_open(calendar, day) ? day : CALENDAR_NO_DAY;
	while (!calendar_is_open(calendar, day))
		day += step;
	return day;
}

int64_t calendar_regular_from(const struct calendar *calendar)
{
	int64_t last = 0;
	if (calendar->holidays.len)
		last = mr_max_i64(last, calendar->holidays.items[calendar->holidays.len - 1] + 1);
	if (calendar->workdays.len)
		last = mr_max_i64(last, calendar->workdays.items[calendar->workdays.len - 1] + 1);
	return last;
}
