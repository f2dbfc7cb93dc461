/* dag/timetable.h - when a DAG's next run is due, and which stretch of data it is for: Airflow's
 * timetables as pure functions of the last run, the DAG's dates and the time now.
 *
 * trigger   (a bare cron string, a bare duration) a run is for the moment it fires: logical date =
 *           data interval start = end = fire time
 * interval  (`timetable: interval`; Airflow 2's way) a run fires at its interval's end; the logical
 *           date is the start
 *
 * Times are microseconds since 1970, UTC; NO_TIME (dag.h) is "none". Immutable; safe from any thread.
 */
#pragma once

#include "base/error.h"
#include "base/types.h"
#include "dag/cron.h"
#include "dag/tz.h"

enum timetable_kind {
	TIMETABLE_NEVER, /* null: by hand, or by assets */
	TIMETABLE_ONCE,
	TIMETABLE_CONTINUOUS, /* the next when the last has ended */
	TIMETABLE_CRON_TRIGGER,
	TIMETABLE_CRON_INTERVAL,
	TIMETABLE_DELTA_TRIGGER,
	TIMETABLE_DELTA_INTERVAL,
	TIMETABLE_EVENTS, /* at listed times */
};

struct calendar;
struct timetable;

struct data_interval {
	int64_t start_us, end_us;
};

struct timetable_window { /* from the DAG's keys; both ends inclusive */
	int64_t earliest_us, latest_us;
	bool catchup;
};

struct timetable_run {
	int64_t logical_date_us;
	struct data_interval interval;
	int64_t run_after_us;
};

/* "@once", "@continuous", null ("None"), a preset, or cron; `interval` picks the interval kinds. The
 * zone becomes the timetable's, also on failure. */
MR_NODISCARD int timetable_parse(mr_str text, struct tz *zone, bool interval, struct timetable **out,
				 struct mr_error *err);
struct timetable *timetable_never(struct tz *zone);
/* A run each delta_us > 0. */
struct timetable *timetable_delta(int64_t delta_us, struct tz *zone, bool interval);
/* CronTriggerTimetable's `interval`: how far the data interval reaches back from the fire time. */
void timetable_set_reach(struct timetable *timetable, int64_t reach_us);
/* One more cron expression of a MultipleCronTriggerTimetable. */
MR_NODISCARD int timetable_add_cron(struct timetable *timetable, mr_str text, struct mr_error *err);
/* Fire on the calendar's open days only; an interval then reaches from one such time to the next, so no data
 * is left out. Takes the calendar (sealed), also on failure: MR_ERR_INVALID when this is no cron, or never
 * fires so. */
MR_NODISCARD int timetable_set_calendar(struct timetable *timetable, struct calendar *calendar,
					struct mr_error *err);
/* EventsTimetable: a run for each of the times, which are copied and sorted. `restricted`: a run by hand is
 * for the last of them. */
struct timetable *timetable_events(const int64_t *times_us, size_t count, bool restricted, struct tz *zone);
void timetable_free(struct timetable *timetable); /* NULL is fine */

enum timetable_kind timetable_kind(const struct timetable *timetable);
const struct tz *timetable_zone(const struct timetable *timetable);
mr_str timetable_text(const struct timetable *timetable);      /* as written: "0 2 * * *"; several: "a, b" */
int64_t timetable_delta_us(const struct timetable *timetable); /* of a DELTA kind; else 0 */
int64_t timetable_reach_us(const struct timetable *timetable);
bool timetable_has_calendar(const struct timetable *timetable);
size_t timetable_event_times(const struct timetable *timetable, const int64_t **times_us); /* of EVENTS */
bool timetable_is_restricted(const struct timetable *timetable);
const char *timetable_class(const struct timetable *timetable); /* "CronTriggerTimetable" */

/* The next run after `last` (NULL: there was none). False when there is none. */
bool timetable_next(const struct timetable *timetable, const struct data_interval *last,
		    const struct timetable_window *window, int64_t now_us, struct timetable_run *out);
/* The data interval of a run that a person starts. */
struct data_interval timetable_manual(const struct timetable *timetable, int64_t run_after_us);

/* The runs of a backfill: logical dates from..to, both inclusive, whose interval has ended before
 * now; at most `max`. Returns how many there are in all. */
size_t timetable_backfill(const struct timetable *timetable, int64_t from_us, int64_t to_us, int64_t now_us,
			  struct timetable_run *out, size_t max);
