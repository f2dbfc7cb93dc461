/* tests/unit/dag/test_calendar.c - calendars: the days they close, and what that does to a schedule, beside a
 * list of all fire times made by hand. */
#include "test.h"

#include "dag/calendar.h"
#include "dag/civil.h"
#include "dag/dag.h"
#include "dag/timetable.h"
#include "env/env.h"

#define RUNS_MAX 3000

static int64_t at(const char *text)
{
	int64_t us;
	if (!civil_parse(mr_str_from(text), NULL, &us))
		test_fail(__FILE__, __LINE__, "%s is no time", text);
	return us;
}

static struct timetable *cron(const char *text, const char *zone_name, bool interval)
{
	struct mr_error err;
	struct tz *zone;
	struct timetable *out;
	CHECK_OK(tz_load(env_linux()->disk, mr_str_from(zone_name), &zone, &err), err);
	CHECK_OK(timetable_parse(mr_str_from(text), zone, interval, &out, &err), err);
	return out;
}

TEST(calendar_says_which_days_are_open)
{
	struct mr_error err;
	struct calendar *c = calendar_new(1u << 0 | 1u << 6, CALENDAR_NEXT);
	calendar_add_holiday(c, 2026, 12, 24); /* a Thursday */
	calendar_add_holiday(c, 0, 12, 25);
	calendar_add_workday(c, 2026, 12, 26); /* a Saturday */
	CHECK_OK(calendar_seal(c, &err), err);
	CHECK(calendar_is_open(c, civil_days(2026, 12, 23)));
	CHECK(!calendar_is_open(c, civil_days(2026, 12, 24)));
	CHECK(!calendar_is_open(c, civil_days(2026, 12, 25)) &&
	      !calendar_is_open(c, civil_days(2027, 12, 25)));
	CHECK(calendar_is_open(c, civil_days(2026, 12, 26)) &&
	      !calendar_is_open(c, civil_days(2026, 12, 27)));
	CHECK(calendar_is_open(c, civil_days(2027, 12, 24)));
	CHECK_INT(calendar_day(c, civil_days(2026, 12, 24)), civil_days(2026, 12, 26));
	CHECK_INT(calendar_day(c, civil_days(2026, 12, 27)), civil_days(2026, 12, 28));
	calendar_free(c);
	c = calendar_new(0x7f, CALENDAR_SKIP);
	calendar_add_workday(c, 2026, 1, 1);
	CHECK_INT(calendar_seal(c, &err), MR_ERR_INVALID);
	calendar_free(c);
}

/* ---- beside a list ---- */

struct world {
	unsigned weekend;
	enum calendar_closed closed;
	int64_t holidays[12];
	size_t count;
	uint32_t new_year; /* closed each year, 1 January */
};

static bool is_open(const struct world *w, int64_t day)
{
	struct civil c = civil_from_seconds(day * DAY_SECONDS);
	for (size_t i = 0; i < w->count; i++)
		if (w->holidays[i] == day)
			return false;
	return !(w->new_year && c.month == 1 && c.day == 1) && !(w->weekend >> civil_weekday(day) & 1);
}

static struct world make_world(struct mr_rng *rng)
{
	struct world w = {.weekend = (unsigned)rng_below(rng, 127),
			  .closed = (enum calendar_closed)rng_below(rng, 3)};
	w.count = rng_below(rng, 12);
	w.new_year = rng_below(rng, 2);
	for (size_t i = 0; i < w.count; i++)
		w.holidays[i] = civil_days(2026, 1, 1) + (int64_t)rng_below(rng, 90);
	return w;
}

static struct calendar *calendar_of(const struct world *w)
{
	struct mr_error err;
	struct calendar *c = calendar_new(w->weekend, w->closed);
	for (size_t i = 0; i < w->count; i++) {
		struct civil day = civil_from_seconds(w->holidays[i] * DAY_SECONDS);
		calendar_add_holiday(c, day.year, day.month, day.day);
	}
	if (w->new_year)
		calendar_add_holiday(c, 0, 1, 1);
	CHECK_OK(calendar_seal(c, &err), err);
	return c;
}

/* The fire times without a calendar, each moved or left out, in order and once each. */
static size_t by_hand(const struct world *w, const char *text, int64_t from, int64_t to, int64_t *out)
{
	static struct timetable_run runs[RUNS_MAX];
	struct timetable *plain = cron(text, "UTC", false);
	int64_t slack = 40 * DAY_SECONDS * SECOND_US;
	size_t n = timetable_backfill(plain, from - slack, to + slack, at("2100-01-01"), runs, RUNS_MAX),
	       count = 0;
	CHECK(n < RUNS_MAX);
	for (size_t i = 0; i < n; i++) {
		int64_t us = runs[i].run_after_us, day = floor_div(us, DAY_SECONDS * SECOND_US), to_day = day;
		if (w->closed == CALENDAR_SKIP && !is_open(w, day))
			continue;
		while (!is_open(w, to_day))
			to_day += w->closed == CALENDAR_NEXT ? 1 : -1;
		us += (to_day - day) * DAY_SECONDS * SECOND_US;
		size_t place = count; /* moved times of a day may come in another order */
		while (place > 0 && out[place - 1] > us)
			place--;
		if (us < from || us > to || (place > 0 && out[place - 1] == us))
			continue;
		memmove(out + place + 1, out + place, (count - place) * sizeof *out);
		out[place] = us;
		count++;
	}
	timetable_free(plain);
	return count;
}

TEST(timetable_fires_on_open_days_only)
{
	static const char *const texts[] = {"0 18 * * *", "30 9,17 * * *", "0 8 1 * *",
					    "0 6 * * 1",  "0 */8 * * *",   "15 12 13 * 5"};
	static struct timetable_run runs[RUNS_MAX];
	static int64_t want[RUNS_MAX];
	struct mr_error err;
	struct mr_rng rng;
	int64_t from = at("2026-01-02"), to = at("2026-04-20");
	rng_seed(&rng, 11);
	for (int round = 0; round < test_rounds(600); round++) {
		struct world w = make_world(&rng);
		const char *text = texts[rng_below(&rng, MR_COUNT(texts))];
		struct timetable *t = cron(text, "UTC", false);
		int rc = timetable_set_calendar(t, calendar_of(&w), &err);
		if (rc < 0) { /* Mondays only, and those are closed */
			CHECK(w.closed == CALENDAR_SKIP);
			timetable_free(t);
			continue;
		}
		size_t n = by_hand(&w, text, from, to, want);
		size_t got = timetable_backfill(t, from, to, at("2100-01-01"), runs, RUNS_MAX);
		CHECK_INT(got, n);
		for (size_t i = 0; i < n; i++)
			CHECK_INT(runs[i].run_after_us, want[i]);
		timetable_free(t);
	}
}

/* Friday's run covers what came since Thursday's, Monday's the weekend. */
TEST(timetable_intervals_reach_over_closed_days)
{
	struct mr_error err;
	struct timetable_run runs[8];
	struct calendar *c = calendar_new(1u << 0 | 1u << 6, CALENDAR_SKIP);
	CHECK_OK(calendar_seal(c, &err), err);
	struct timetable *t = cron("0 6 * * *", "Europe/Berlin", true);
	CHECK_OK(timetable_set_calendar(t, c, &err), err);
	size_t n = timetable_backfill(t, at("2026-03-26T00:00Z"), at("2026-03-30T23:00Z"), at("2026-05-01"),
				      runs, 8);
	CHECK_INT(n, 3); /* the clocks change on Sunday the 29th */
	CHECK_INT(runs[1].interval.start_us, at("2026-03-27T05:00Z"));
	CHECK_INT(runs[1].interval.end_us, at("2026-03-30T04:00Z"));
	CHECK_INT(runs[2].interval.start_us, at("2026-03-30T04:00Z"));
	timetable_free(t);
}

TEST(timetable_refuses_a_calendar_that_is_never_open)
{
	struct mr_error err;
	struct calendar *c = calendar_new(0, CALENDAR_SKIP);
	calendar_add_holiday(c, 0, 12, 25);
	CHECK_OK(calendar_seal(c, &err), err);
	struct timetable *t = cron("0 0 25 12 *", "UTC", false);
	CHECK_INT(timetable_set_calendar(t, c, &err), MR_ERR_INVALID);
	CHECK_STR(mr_str_from(err.message), "the calendar is closed whenever '0 0 25 12 *' fires");
	timetable_free(t);
}

TEST(timetable_of_events_as_airflow)
{
	int64_t events[] = {at("2026-03-01T10:00Z"), at("2026-01-01T10:00Z"), at("2026-02-01T10:00Z")};
	struct mr_error err;
	struct tz *zone;
	struct timetable_run run;
	CHECK_OK(tz_load(env_linux()->disk, MR_STR("UTC"), &zone, &err), err);
	struct timetable *t = timetable_events(events, 3, true, zone);
	struct timetable_window all = {NO_TIME, NO_TIME, true}, late = {NO_TIME, NO_TIME, false};
	CHECK(timetable_next(t, NULL, &all, at("2026-02-10"), &run));
	CHECK_INT(run.logical_date_us, at("2026-01-01T10:00Z"));
	CHECK(timetable_next(t, &run.interval, &late, at("2026-02-10"), &run)); /* what is missed is missed */
	CHECK_INT(run.run_after_us, at("2026-03-01T10:00Z"));
	CHECK(!timetable_next(t, &run.interval, &all, at("2026-02-10"), &run));
	CHECK_INT(timetable_manual(t, at("2026-02-10")).start_us, at("2026-02-01T10:00Z"));
	CHECK_INT(timetable_manual(t, at("2020-02-10")).end_us, at("2026-01-01T10:00Z"));
	timetable_free(t);
}
