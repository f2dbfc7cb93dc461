/* dag/cron.h - cron expressions as Airflow reads them (croniter's dialect).
 *
 *   minute hour day-of-month month day-of-week [second]
 *
 * Lists, ranges (also wrapping: 22-3, fri-mon), steps (also 10/5: from 10 on), names of months and
 * days, `?`, L (last day), 15W (the weekday nearest), fri#2, L5 (the last Friday), and @hourly,
 * @daily, @midnight, @weekly, @monthly, @quarterly, @yearly, @annually. Days of month and week both
 * given: either is enough; beside a # or W the other field is not looked at. An equal range (1-1) is the
 * whole cycle.
 *
 * Works on wall-clock seconds without a zone; timetable.h adds zones. Pure; safe from any thread.
 */
#pragma once

#include "base/error.h"
#include "base/types.h"

enum { CRON_NTH_LAST = 6 };

struct cron {
	uint64_t seconds, minutes;
	uint32_t hours, days; /* days: bit 1 is the first */
	uint32_t months;      /* bit 1 is January */
	uint32_t weekdays;    /* bit 0 is Sunday */
	uint32_t nth[7];      /* by weekday: bit n is its nth in the month, CRON_NTH_LAST its last */
	bool has_nth;
	bool last_day;
	int32_t nearest_weekday; /* of 15W; 0: none */
	bool any_day, any_weekday;
	bool every_hour;
	bool by_second; /* six fields */
};

/* MR_ERR_INVALID names the field and what it takes; an expression that never fires is one too. */
MR_NODISCARD int cron_parse(mr_str text, struct cron *out, struct mr_error *err);

/* The first time after / the last time before `local_us` (wall clock, microseconds), in seconds.
 * False when there is none within 50 years. */
bool cron_next(const struct cron *cron, int64_t local_us, int64_t *local_s_out);
bool cron_prev(const struct cron *cron, int64_t local_us, int64_t *local_s_out);
