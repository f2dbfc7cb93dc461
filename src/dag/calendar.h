/* dag/calendar.h - days on which a schedule may fire: a week with its days off, holidays by date or each
 * year, working days that are an exception to both.
 *
 * Days are counted since 1970-01-01 as in civil.h, in the schedule's time zone. Built once, then sealed:
 * immutable and safe from any thread.
 */
#pragma once

#include "base/error.h"
#include "base/types.h"

/* What becomes of a run that would fire on a closed day. */
enum calendar_closed {
	CALENDAR_SKIP,
	CALENDAR_NEXT,     /* it fires on the next open day, at the same time of day */
	CALENDAR_PREVIOUS, /* on the one before */
};

#define CALENDAR_NO_DAY INT64_MIN

struct calendar;

/* weekend: bit 0 is Sunday. */
struct calendar *calendar_new(unsigned weekend, enum calendar_closed closed);
void calendar_free(struct calendar *calendar); /* NULL is fine */
/* year 0: each year. Of a 29 February each year only the leap years'. */
void calendar_add_holiday(struct calendar *calendar, int32_t year, int32_t month, int32_t day);
void calendar_add_workday(struct calendar *calendar, int32_t year, int32_t month, int32_t day);
/* Nothing is added after it. MR_ERR_INVALID: it is closed for more than a year on end. */
MR_NODISCARD int calendar_seal(struct calendar *calendar, struct mr_error *err);

enum calendar_closed calendar_closed(const struct calendar *calendar);
bool calendar_is_open(const struct calendar *calendar, int64_t day);
/* The day on which a run of `day` fires; CALENDAR_NO_DAY: it does not. */
int64_t calendar_day(const struct calendar *calendar, int64_t day);
/* From here on nothing but the week and each year's holidays decides. */
int64_t calendar_regular_from(const struct calendar *calendar);
