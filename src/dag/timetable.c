#include "dag/timetable.h"

#include "base/mem.h"
#include "base/vec.h"
#include "dag/calendar.h"
#include "dag/civil.h"
#include "dag/dag.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define CRONS_MAX 64
#define FIRST_RUN_SLACK_US (5 * 60 * SECOND_US)
#define FIRES_WITHIN_DAYS (40 * 366) /* 29 February on an open day may take 28 years, or 40 around 2100 */

struct timetable {
	enum timetable_kind kind;
	struct tz *zone;
	char *text;
	MR_VEC(struct cron) crons; /* more than one only of a trigger timetable */
	int64_t delta_us;
	int64_t reach_us;
	struct calendar *calendar; /* NULL: every day is open */
	MR_VEC(int64_t) events;    /* sorted */
	bool restricted;
};

/* One line of fire times: a cron expression in its zone, or a fixed distance. */
struct beat {
	const struct timetable *timetable;
	const struct cron *cron; /* NULL: the distance */
};

/* Local and UTC differ by more than an offset where clocks change. An expression that covers every
 * hour goes on in real time; else the wall clock decides. */
static int64_t settle(const struct beat *beat, int64_t from_us, int64_t found_local_s, int64_t from_local_us)
{
	if (beat->cron->every_hour)
		return from_us + (found_local_s * SECOND_US - from_local_us);
	return tz_utc_s(beat->timetable->zone, found_local_s) * SECOND_US;
}

static int64_t local_us(const struct beat *beat, int64_t us)
{
	return us + tz_offset_s(beat->timetable->zone, floor_div(us, SECOND_US)) * SECOND_US;
}

static int64_t cron_after(const struct beat *beat, int64_t us)
{
	int64_t from = local_us(beat, us), found = 0;
	/* cron_parse refuses what never fires; beyond the calendar there is no next either. */
	MR_ASSERT(cron_next(beat->cron, from, &found));
	return settle(beat, us, found, from);
}

static int64_t cron_before(const struct beat *beat, int64_t us)
{
	int64_t from = local_us(beat, us), found = 0;
	MR_ASSERT(cron_prev(beat->cron, from, &found));
	return settle(beat, us, found, from);
}

/* ---- calendars ---- */

static int64_t local_day(const struct beat *beat, int64_t us)
{
	return floor_div(local_us(beat, us), DAY_SECONDS * SECOND_US);
}

/* When what the expression says for `us` happens; NO_TIME: it does not. Never sooner for a later `us`. */
static int64_t happens(const struct beat *beat, int64_t us)
{
	int64_t day = local_day(beat, us), to = calendar_day(beat->timetable->calendar, day);
	if (to == CALENDAR_NO_DAY)
		return NO_TIME;
	int64_t local_s = floor_div(local_us(beat, us), SECOND_US) + (to - day) * DAY_SECONDS;
	return to == day ? us : tz_utc_s(beat->timetable->zone, local_s) * SECOND_US;
}

/* The last moment before the next day, or the first of this one: nothing happens between `us` and that. */
static int64_t past_day(const struct beat *beat, int64_t us, bool forward)
{
	int64_t midnight_s = (local_day(beat, us) + forward) * DAY_SECONDS;
	int64_t at = tz_utc_s(beat->timetable->zone, midnight_s) * SECOND_US;
	return forward ? mr_max_i64(us, at - SECOND_US) : mr_min_i64(us, at);
}

static int64_t open_after(const struct beat *beat, int64_t us)
{
	int64_t at, from = us;
	if (calendar_closed(beat->timetable->calendar) ==
	    CALENDAR_NEXT) /* some were put off until after us */
		do
			from = cron_before(beat, from);
		while (happens(beat, from) > us);
	for (;;) {
		from = cron_after(beat, from);
		at = happens(beat, from);
		if (at != NO_TIME && at > us)
			return at;
		if (at == NO_TIME)
			from = past_day(beat, from, true);
	}
}

static int64_t open_before(const struct beat *beat, int64_t us)
{
	int64_t at, from = us;
	if (calendar_closed(beat->timetable->calendar) == CALENDAR_PREVIOUS) /* some were brought forward */
		do
			from = cron_after(beat, from);
		while (happens(beat, from) < us);
	for (;;) {
		from = cron_before(beat, from);
		at = happens(beat, from);
		if (at != NO_TIME && at < us)
			return at;
		if (at == NO_TIME)
			from = past_day(beat, from, false);
	}
}

static int64_t next_after(const struct beat *beat, int64_t us)
{
	if (!beat->cron)
		return us + beat->timetable->delta_us;
	return beat->timetable->calendar ? open_after(beat, us) : cron_after(beat, us);
}

static int64_t prev_before(const struct beat *beat, int64_t us)
{
	if (!beat->cron)
		return us - beat->timetable->delta_us;
	return beat->timetable->calendar ? open_before(beat, us) : cron_before(beat, us);
}

static int64_t align_next(const struct beat *beat, int64_t us)
{
	if (!beat->cron)
		return us;
	int64_t next = next_after(beat, us);
	return prev_before(beat, next) != us ? next : us;
}

static int64_t align_prev(const struct beat *beat, int64_t us)
{
	if (!beat->cron)
		return us;
	int64_t prev = prev_before(beat, us);
	return next_after(beat, prev) != us ? prev : us;
}

/* Without a start date, the run just past counts only when it is no more than five minutes (or a
 * tenth of the gap) ago. */
static int64_t first_run(const struct beat *beat, int64_t now_us)
{
	if (!beat->cron)
		return now_us;
	int64_t past = align_prev(beat, now_us), next = align_next(beat, now_us);
	int64_t slack = mr_max_i64((next - past) / 10, FIRST_RUN_SLACK_US);
	return now_us - past <= slack ? past : next;
}

static bool exact(int64_t at_us, int64_t reach_us, const struct timetable_window *window,
		  struct timetable_run *out)
{
	if (window->latest_us != NO_TIME && window->latest_us < at_us)
		return false;
	*out = (struct timetable_run){at_us - reach_us, {at_us - reach_us, at_us}, at_us};
	return true;
}

static bool trigger_next(const struct beat *beat, const struct data_interval *last,
			 const struct timetable_window *window, int64_t now_us, struct timetable_run *out)
{
	int64_t at;
	bool bounded = window->earliest_us != NO_TIME;
	if (window->catchup) {
		if (last)
			at = next_after(beat, last->end_us);
		else
			at = bounded ? align_next(beat, window->earliest_us) : first_run(beat, now_us);
	} else {
		at = align_prev(beat, now_us);
		if (last)
			at = mr_max_i64(at, next_after(beat, last->end_us));
		else if (!bounded)
			at = mr_max_i64(at, first_run(beat, now_us));
		if (bounded)
			at = mr_max_i64(at, align_next(beat, window->earliest_us));
	}
	return exact(at, beat->timetable->reach_us, window, out);
}

/* Where the latest complete interval starts. */
static int64_t latest_complete(const struct beat *beat, int64_t earliest_us, int64_t now_us)
{
	int64_t start;
	if (beat->cron) {
		int64_t last = prev_before(beat, now_us);
		start = next_after(beat, last) == now_us ? last : prev_before(beat, last);
	} else {
		int64_t delta = beat->timetable->delta_us;
		start = floor_div(now_us, delta) * delta - delta;
	}
	if (earliest_us == NO_TIME)
		return start;
	return mr_max_i64(start, beat->cron ? align_next(beat, earliest_us) : earliest_us);
}

static bool interval_next(const struct beat *beat, const struct data_interval *last,
			  const struct timetable_window *window, int64_t now_us, struct timetable_run *out)
{
	int64_t earliest = window->earliest_us, start;
	if (!window->catchup)
		earliest = latest_complete(beat, earliest, now_us);
	else if (earliest != NO_TIME)
		earliest = align_next(beat, earliest);
	if (!last) {
		if (earliest == NO_TIME)
			return false;
		start = earliest;
	} else {
		start = mr_max_i64(align_prev(beat, last->end_us), earliest);
		if (start <= last->start_us) /* the schedule became coarser */
			start = next_after(beat, start);
	}
	if (window->latest_us != NO_TIME && start > window->latest_us)
		return false;
	int64_t end = next_after(beat, start);
	*out = (struct timetable_run){start, {start, end}, end};
	return true;
}

static bool once_next(const struct data_interval *last, const struct timetable_window *window, int64_t now_us,
		      struct timetable_run *out)
{
	return !last && exact(window->earliest_us == NO_TIME ? now_us : window->earliest_us, 0, window, out);
}

static bool continuous_next(const struct data_interval *last, const struct timetable_window *window,
			    int64_t now_us, struct timetable_run *out)
{
	int64_t start = window->earliest_us == NO_TIME ? now_us : window->earliest_us;
	int64_t end = mr_max_i64(start, now_us);
	if (last && last->end_us > now_us) {
		end = start + (last->end_us - last->start_us);
	} else if (last) {
		start = last->end_us;
		end = now_us;
	}
	if (window->latest_us != NO_TIME && end > window->latest_us)
		return false;
	*out = (struct timetable_run){start, {start, end}, end};
	return true;
}

static bool events_next(const struct timetable *timetable, const struct data_interval *last,
			const struct timetable_window *window, int64_t now_us, struct timetable_run *out)
{
	int64_t earliest = window->catchup ? window->earliest_us : mr_max_i64(now_us, window->earliest_us);
	for (size_t i = 0; i < timetable->events.len; i++) {
		int64_t at = timetable->events.items[i];
		if (at >= earliest && (!last || at > last->end_us))
			return exact(at, 0, window, out);
	}
	return false;
}

/* Of several expressions, the one that is due next; with catchup off and several overdue, the
 * latest of these. */
static bool better(const struct timetable_run *a, const struct timetable_run *b, bool catchup, int64_t now_us)
{
	if (catchup)
		return a->logical_date_us < b->logical_date_us;
	bool a_past = a->logical_date_us <= now_us, b_past = b->logical_date_us <= now_us;
	if (a_past != b_past)
		return a_past;
	return a_past ? a->logical_date_us > b->logical_date_us : a->logical_date_us < b->logical_date_us;
}

static bool crons_next(const struct timetable *timetable, const struct data_interval *last,
		       const struct timetable_window *window, int64_t now_us, struct timetable_run *out)
{
	bool any = false;
	struct timetable_run best = {0};
	for (size_t i = 0; i < timetable->crons.len; i++) {
		struct beat beat = {timetable, &timetable->crons.items[i]};
		struct timetable_run run;
		if (trigger_next(&beat, last, window, now_us, &run) &&
		    (!any || better(&run, &best, window->catchup, now_us))) {
			best = run;
			any = true;
		}
	}
	if (any)
		*out = best;
	return any;
}

bool timetable_next(const struct timetable *timetable, const struct data_interval *last,
		    const struct timetable_window *window, int64_t now_us, struct timetable_run *out)
{
	struct beat beat = {timetable, timetable->crons.len ? timetable->crons.items : NULL};
	switch (timetable->kind) {
	case TIMETABLE_NEVER:
		return false;
	case TIMETABLE_ONCE:
		return once_next(last, window, now_us, out);
	case TIMETABLE_CONTINUOUS:
		return continuous_next(last, window, now_us, out);
	case TIMETABLE_CRON_TRIGGER:
		return crons_next(timetable, last, window, now_us, out);
	case TIMETABLE_DELTA_TRIGGER:
		return trigger_next(&beat, last, window, now_us, out);
	case TIMETABLE_CRON_INTERVAL:
	case TIMETABLE_DELTA_INTERVAL:
		return interval_next(&beat, last, window, now_us, out);
	case TIMETABLE_EVENTS:
		return events_next(timetable, last, window, now_us, out);
	}
	return false;
}

/* The last event that is over, or the first of all. */
static int64_t recent_event(const struct timetable *timetable, int64_t us)
{
	int64_t at = timetable->events.items[0];
	for (size_t i = 1; i < timetable->events.len && timetable->events.items[i] <= us; i++)
		at = timetable->events.items[i];
	return at;
}

struct data_interval timetable_manual(const struct timetable *timetable, int64_t run_after_us)
{
	struct beat beat = {timetable, timetable->crons.len ? timetable->crons.items : NULL};
	if (timetable->kind == TIMETABLE_CRON_INTERVAL) {
		int64_t end = align_prev(&beat, run_after_us);
		return (struct data_interval){prev_before(&beat, end), end};
	}
	if (timetable->restricted && timetable->events.len) {
		int64_t at = recent_event(timetable, run_after_us);
		return (struct data_interval){at, at};
	}
	int64_t reach =
	    timetable->kind == TIMETABLE_DELTA_INTERVAL ? timetable->delta_us : timetable->reach_us;
	return (struct data_interval){run_after_us - reach, run_after_us};
}

size_t timetable_backfill(const struct timetable *timetable, int64_t from_us, int64_t to_us, int64_t now_us,
			  struct timetable_run *out, size_t max)
{
	struct timetable_window window = {from_us, to_us, .catchup = true};
	struct timetable_run run;
	struct data_interval last;
	size_t count = 0;
	if (timetable->kind == TIMETABLE_CONTINUOUS)
		return 0;
	for (bool first = true; timetable_next(timetable, first ? NULL : &last, &window, now_us, &run);
	     first = false) {
		last = run.interval;
		if (run.interval.end_us >= now_us)
			break;
		if (count < max)
			out[count] = run;
		count++;
	}
	return count;
}

static struct timetable *timetable_new(enum timetable_kind kind, struct tz *zone, mr_str text)
{
	struct timetable *timetable = mr_calloc(1, sizeof *timetable);
	timetable->kind = kind;
	timetable->zone = zone;
	timetable->text = mr_strndup(text);
	return timetable;
}

struct timetable *timetable_never(struct tz *zone)
{
	return timetable_new(TIMETABLE_NEVER, zone, MR_STR(""));
}

struct timetable *timetable_delta(int64_t delta_us, struct tz *zone, bool interval)
{
	char text[32];
	snprintf(text, sizeof text, "%lldd %02d:%02d:%02d", (long long)(delta_us / SECOND_US / DAY_SECONDS),
		 (int)(delta_us / SECOND_US / 3600 % 24), (int)(delta_us / SECOND_US / 60 % 60),
		 (int)(delta_us / SECOND_US % 60));
	MR_ASSERT(delta_us > 0);
	struct timetable *timetable = timetable_new(
	    interval ? TIMETABLE_DELTA_INTERVAL : TIMETABLE_DELTA_TRIGGER, zone, mr_str_from(text));
	timetable->delta_us = delta_us;
	return timetable;
}

void timetable_set_reach(struct timetable *timetable, int64_t reach_us)
{
	timetable->reach_us = reach_us;
}

/* Once listed dates are behind, the same days come again and again: who fires then, fires for ever. */
static int check_fires(const struct beat *beat, struct mr_error *err)
{
	int64_t day = mr_max_i64(civil_days(2024, 1, 1), calendar_regular_from(beat->timetable->calendar));
	int64_t us = day * DAY_SECONDS * SECOND_US;
	int64_t end = us + (int64_t)FIRES_WITHIN_DAYS * DAY_SECONDS * SECOND_US;
	while ((us = cron_after(beat, us)) < end) {
		if (happens(beat, us) != NO_TIME)
			return 0;
		us = past_day(beat, us, true);
	}
	return mr_fail(err, MR_ERR_INVALID, "the calendar is closed whenever '%s' fires",
		       beat->timetable->text);
}

int timetable_set_calendar(struct timetable *timetable, struct calendar *calendar, struct mr_error *err)
{
	timetable->calendar = calendar;
	if (!timetable->crons.len) {
		mr_fail(err, MR_ERR_INVALID, "a calendar needs a schedule of days: a cron expression");
		return mr_hint(err, "schedule: \"0 18 * * *\"");
	}
	int rc = 0;
	for (size_t i = 0; i < timetable->crons.len && rc == 0; i++) {
		struct beat beat = {timetable, &timetable->crons.items[i]};
		rc = check_fires(&beat, err);
	}
	return rc;
}

static int by_time(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

struct timetable *timetable_events(const int64_t *times_us, size_t count, bool restricted, struct tz *zone)
{
	char text[32];
	snprintf(text, sizeof text, "%zu events", count);
	struct timetable *timetable = timetable_new(TIMETABLE_EVENTS, zone, mr_str_from(text));
	for (size_t i = 0; i < count; i++)
		mr_vec_push(&timetable->events, times_us[i]);
	if (count)
		qsort(timetable->events.items, count, sizeof(int64_t), by_time);
	timetable->restricted = restricted;
	return timetable;
}

int timetable_add_cron(struct timetable *timetable, mr_str text, struct mr_error *err)
{
	struct cron cron;
	if (timetable->crons.len == CRONS_MAX)
		return mr_fail(err, MR_ERR_LIMIT, "more than %d cron expressions in one timetable",
			       CRONS_MAX);
	int rc = cron_parse(text, &cron, err);
	if (rc == 0)
		mr_vec_push(&timetable->crons, cron);
	if (rc == 0 && timetable->crons.len > 1) {
		char *first = timetable->text;
		timetable->text = mr_asprintf("%s, %.*s", first, MR_FMT(text));
		free(first);
	}
	return rc;
}

int timetable_parse(mr_str text, struct tz *zone, bool interval, struct timetable **out, struct mr_error *err)
{
	static const struct {
		const char *word;
		enum timetable_kind kind;
	} words[] = {
	    {"@once", TIMETABLE_ONCE},
	    {"@continuous", TIMETABLE_CONTINUOUS},
	    {"None", TIMETABLE_NEVER},
	    {"@none", TIMETABLE_NEVER},
	};
	for (size_t i = 0; i < MR_COUNT(words); i++) {
		if (mr_str_is(text, words[i].word)) {
			*out = timetable_new(words[i].kind, zone, text);
			return 0;
		}
	}
	struct timetable *timetable =
	    timetable_new(interval ? TIMETABLE_CRON_INTERVAL : TIMETABLE_CRON_TRIGGER, zone, text);
	int rc = timetable_add_cron(timetable, text, err);
	if (rc == 0)
		*out = timetable;
	else
		timetable_free(timetable);
	return rc;
}

void timetable_free(struct timetable *timetable)
{
	if (!timetable)
		return;
	tz_free(timetable->zone);
	mr_vec_release(&timetable->crons);
	mr_vec_release(&timetable->events);
	calendar_free(timetable->calendar);
	free(timetable->text);
	free(timetable);
}

enum timetable_kind timetable_kind(const struct timetable *timetable)
{
	return timetable->kind;
}

const struct tz *timetable_zone(const struct timetable *timetable)
{
	return timetable->zone;
}

mr_str timetable_text(const struct timetable *timetable)
{
	return mr_str_from(timetable->text);
}

int64_t timetable_delta_us(const struct timetable *timetable)
{
	return timetable->delta_us;
}

int64_t timetable_reach_us(const struct timetable *timetable)
{
	return timetable->reach_us;
}

bool timetable_has_calendar(const struct timetable *timetable)
{
	return timetable->calendar;
}

size_t timetable_event_times(const struct timetable *timetable, const int64_t **times_us)
{
	*times_us = timetable->events.items;
	return timetable->events.len;
}

bool timetable_is_restricted(const struct timetable *timetable)
{
	return timetable->restricted;
}

const char *timetable_class(const struct timetable *timetable)
{
	static const char *const classes[] = {
	    [TIMETABLE_NEVER] = "NullTimetable",
	    [TIMETABLE_ONCE] = "OnceTimetable",
	    [TIMETABLE_CONTINUOUS] = "ContinuousTimetable",
	    [TIMETABLE_CRON_TRIGGER] = "CronTriggerTimetable",
	    [TIMETABLE_CRON_INTERVAL] = "CronDataIntervalTimetable",
	    [TIMETABLE_DELTA_TRIGGER] = "DeltaTriggerTimetable",
	    [TIMETABLE_DELTA_INTERVAL] = "DeltaDataIntervalTimetable",
	    [TIMETABLE_EVENTS] = "EventsTimetable",
	};
	return classes[timetable->kind];
}
