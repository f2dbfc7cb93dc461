/* tests/unit/dag/test_schedule.c - dates, zones, cron, timetables, retry delays. */
#include "test.h"

#include "base/buf.h"
#include "dag/civil.h"
#include "dag/cron.h"
#include "dag/dag.h"
#include "dag/retry.h"
#include "dag/timetable.h"
#include "env/env.h"

#include <stdlib.h>

static int64_t at(const char *text)
{
	int64_t us;
	if (!civil_parse(mr_str_from(text), NULL, &us))
		test_fail(__FILE__, __LINE__, "%s is no time", text);
	return us;
}

static struct timetable *timetable(const char *text, const char *zone_name, bool interval)
{
	struct mr_error err;
	struct tz *zone;
	struct timetable *out;
	CHECK_OK(tz_load(env_linux()->disk, mr_str_from(zone_name), &zone, &err), err);
	CHECK_OK(timetable_parse(mr_str_from(text), zone, interval, &out, &err), err);
	return out;
}

TEST(civil_dates_go_both_ways)
{
	struct mr_rng rng;
	rng_seed(&rng, 7);
	for (int i = 0; i < test_rounds(20000); i++) {
		int64_t s = (int64_t)rng_below(&rng, UINT64_C(400000000000)) - 100000000000;
		struct civil c = civil_from_seconds(s);
		CHECK_INT(civil_seconds(&c), s);
		CHECK(c.day <= civil_month_days(c.year, c.month));
	}
	CHECK_INT(civil_days(1970, 1, 1), 0);
	CHECK_INT(civil_days(2000, 3, 1), 11017);
	CHECK_INT(at("2026-01-01T00:00:00+02:00"), (INT64_C(1767225600) - 7200) * SECOND_US);
	int64_t us;
	CHECK(!civil_parse(MR_STR("2026-02-29"), NULL, &us));
	CHECK(!civil_parse(MR_STR("2026-02-28x"), NULL, &us));
}

/* Berlin 2026: clocks go forward on March 29 at 02:00 and back on October 25 at 03:00. */
TEST(tz_knows_gaps_and_folds)
{
	struct mr_error err;
	struct tz *tz;
	CHECK_OK(tz_load(env_linux()->disk, MR_STR("Europe/Berlin"), &tz, &err), err);
	int64_t us;
	CHECK(civil_parse(MR_STR("2026-03-29T02:30:00"), tz, &us));
	CHECK_INT(us, at("2026-03-29T01:30:00Z")); /* 03:30 local */
	CHECK(civil_parse(MR_STR("2026-10-25T02:30:00"), tz, &us));
	CHECK_INT(us, at("2026-10-25T01:30:00Z")); /* the second 02:30 */
	CHECK_INT(tz_offset_s(tz, at("2026-07-01") / SECOND_US), 7200);
	CHECK_INT(tz_offset_s(tz, at("2150-07-01") / SECOND_US), 7200); /* by the rule */
	CHECK_INT(tz_offset_s(tz, at("2150-12-01") / SECOND_US), 3600);
	tz_free(tz);
	CHECK_INT(tz_load(env_linux()->disk, MR_STR("../../etc/passwd"), &tz, &err), MR_ERR_NOT_FOUND);
	CHECK_INT(tz_load(env_linux()->disk, MR_STR("Europe/Berlni"), &tz, &err), MR_ERR_NOT_FOUND);
}

TEST(tz_refuses_damaged_files)
{
	struct mr_error err;
	struct mr_buf file = {0};
	CHECK_OK(
	    disk_read_file(env_linux()->disk, "/usr/share/zoneinfo/America/New_York", 1 << 20, &file, &err),
	    err);
	struct mr_rng rng;
	rng_seed(&rng, 3);
	for (int i = 0; i < test_rounds(3000); i++) {
		char *copy = mr_strndup(mr_buf_view(&file));
		size_t len = rng_below(&rng, 4) ? file.len : rng_below(&rng, file.len);
		copy[rng_below(&rng, file.len)] ^= (char)(1 << rng_below(&rng, 8));
		struct tz *tz;
		if (tz_parse(MR_STR("x"), mr_str_n(copy, len), &tz, &err) == 0) {
			tz_utc_s(tz, 1700000000);
			tz_free(tz);
		}
		free(copy);
	}
	mr_buf_release(&file);
}

TEST(cron_refuses_nonsense)
{
	static const char *const wrong[] = {"",
					    "* * * *",
					    "60 * * * *",
					    "* 24 * * *",
					    "* * 0 * *",
					    "* * * 13 *",
					    "* * * * 8",
					    "*/0 * * * *",
					    "a * * * *",
					    "1,,2 * * * *",
					    "1-99 * * * *",
					    "0 0 30 2 *",
					    "* * * * fri#6",
					    "0 0 1,15W * *",
					    "1, * * * *",
					    "* * * * * * *",
					    "? * * * *",
					    "-1 * * * *",
					    "@fortnightly"};
	struct cron cron;
	struct mr_error err;
	for (size_t i = 0; i < MR_COUNT(wrong); i++) {
		err.message[0] = 0;
		if (cron_parse(mr_str_from(wrong[i]), &cron, &err) >= 0)
			test_fail(__FILE__, __LINE__, "'%s' was accepted", wrong[i]);
		CHECK(err.message[0]);
	}
}

/* What next finds, prev finds again, and nothing lies between. */
TEST(cron_next_and_prev_agree)
{
	static const char *const exprs[] = {
	    "*/7 * * * *",   "0 2 * * *",  "30 4 1,15 * fri", "0 0 L * *",   "0 9 * * mon#2", "0 12 * * L5",
	    "15 22-3 * * *", "0 0 29 2 *", "* * * * * */20",  "0 8 15W * *", "5 4 * 11-2 0",  "0 0 * * 5-7"};
	struct mr_rng rng;
	struct mr_error err;
	rng_seed(&rng, 11);
	for (int i = 0; i < test_rounds(2000); i++) {
		struct cron cron;
		const char *text = exprs[rng_below(&rng, MR_COUNT(exprs))];
		CHECK_OK(cron_parse(mr_str_from(text), &cron, &err), err);
		int64_t from = (int64_t)(1500000000 + rng_below(&rng, 800000000)) * SECOND_US, next, prev,
			again;
		CHECK(cron_next(&cron, from, &next));
		CHECK(next * SECOND_US > from);
		CHECK(cron_prev(&cron, next * SECOND_US, &prev));
		CHECK(prev * SECOND_US <= from);
		CHECK(cron_next(&cron, prev * SECOND_US, &again));
		CHECK_INT(again, next);
	}
}

static void check_next(const struct timetable *t, const char *last, const char *earliest, bool catchup,
		       const char *now, const char *want_logical, const char *want_after)
{
	struct data_interval interval = {last ? at(last) : 0, last ? at(last) : 0};
	struct timetable_window window = {earliest ? at(earliest) : NO_TIME, NO_TIME, catchup};
	struct timetable_run run;
	CHECK(timetable_next(t, last ? &interval : NULL, &window, at(now), &run));
	CHECK_INT(run.logical_date_us, at(want_logical));
	CHECK_INT(run.run_after_us, at(want_after));
}

TEST(timetable_trigger_is_for_the_moment)
{
	struct timetable *t = timetable("0 2 * * *", "UTC", false);
	check_next(t, NULL, "2026-01-01", true, "2026-01-10", "2026-01-01T02:00Z", "2026-01-01T02:00Z");
	check_next(t, "2026-01-01T02:00Z", "2026-01-01", true, "2026-01-10", "2026-01-02T02:00Z",
		   "2026-01-02T02:00Z");
	/* Without catchup the latest past one, at once. */
	check_next(t, "2026-01-01T02:00Z", "2026-01-01", false, "2026-01-10", "2026-01-09T02:00Z",
		   "2026-01-09T02:00Z");
	timetable_free(t);
}

TEST(timetable_interval_fires_at_its_end)
{
	struct timetable *t = timetable("0 2 * * *", "UTC", true);
	check_next(t, NULL, "2026-01-01", true, "2026-01-10", "2026-01-01T02:00Z", "2026-01-02T02:00Z");
	check_next(t, NULL, "2026-01-01", false, "2026-01-10", "2026-01-08T02:00Z", "2026-01-09T02:00Z");
	struct data_interval manual = timetable_manual(t, at("2026-01-10T12:00Z"));
	CHECK_INT(manual.start_us, at("2026-01-09T02:00Z"));
	CHECK_INT(manual.end_us, at("2026-01-10T02:00Z"));
	timetable_free(t);
}

/* Daily at 02:30 in Berlin: once a day whatever the clocks do. */
TEST(timetable_daily_survives_both_clock_changes)
{
	struct timetable *t = timetable("30 2 * * *", "Europe/Berlin", false);
	struct timetable_run runs[400];
	size_t n =
	    timetable_backfill(t, at("2026-01-01"), at("2026-12-31T23:00Z"), at("2027-01-02"), runs, 400);
	CHECK_INT(n, 365);
	for (size_t i = 1; i < n; i++) {
		int64_t hours = (runs[i].run_after_us - runs[i - 1].run_after_us) / SECOND_US / 3600;
		CHECK(hours >= 23 && hours <= 25);
	}
	timetable_free(t);
}

/* Hourly: every hour of real time, through the fold. */
TEST(timetable_hourly_runs_through_the_fold)
{
	struct timetable *t = timetable("30 * * * *", "Europe/Berlin", false);
	struct timetable_run runs[50];
	size_t n = timetable_backfill(t, at("2026-10-24T22:00Z"), at("2026-10-25T21:59Z"), at("2027-01-01"),
				      runs, 50);
	CHECK_INT(n, 24);
	timetable_free(t);
}

/* Values from Airflow 3's own next_retry_datetime. */
TEST(retry_waits_as_airflow)
{
	struct dag_task task = {.id = MR_STR("t"), .retry_delay_us = 10 * SECOND_US};
	int64_t date = at("2026-01-01");
	CHECK_INT(retry_wait_us(MR_STR("d"), &task, date, 3), 10 * SECOND_US);
	task.retry_exponential_backoff = 2;
	int64_t wait = retry_wait_us(MR_STR("d"), &task, date, 3);
	CHECK(wait >= 40 * SECOND_US && wait < 80 * SECOND_US);
	CHECK_INT(retry_wait_us(MR_STR("d"), &task, date, 60), INT64_C(86400) * SECOND_US);
	task.max_retry_delay_us = 15 * SECOND_US;
	CHECK_INT(retry_wait_us(MR_STR("d"), &task, date, 3), 15 * SECOND_US);
}
