/* tests/unit/dag/test_airflow.c - the scheduler's semantics against answers of Airflow's own code:
 * golden/dag/airflow_cases.tsv, or the file that MR_DAG_CASES names. tests/interop/airflow_cases.py
 * writes them and says what the columns are. */
#include "test.h"

#include "base/buf.h"
#include "base/vec.h"
#include "dag/civil.h"
#include "dag/dag.h"
#include "dag/retry.h"
#include "dag/timetable.h"
#include "dag/trigger_rule.h"
#include "env/env.h"

#include <stdlib.h>

#define COLUMNS 16
#define RUNS 400

struct cases {
	char *column[COLUMNS];
	size_t count;
	struct mr_buf says;
	size_t wrong, asked;
};

static int64_t time_of(const char *text)
{
	return strcmp(text, "-") == 0 ? NO_TIME : strtoll(text, NULL, 10) * SECOND_US;
}

static struct timetable *timetable(char *const *column)
{
	struct mr_error err;
	struct tz *zone;
	struct timetable *out;
	CHECK_OK(tz_load(env_linux()->disk, mr_str_from(column[1]), &zone, &err), err);
	CHECK_OK(
	    timetable_parse(mr_str_from(column[0]), zone, strcmp(column[2], "interval") == 0, &out, &err),
	    err);
	return out;
}

static void put_seconds(struct mr_buf *out, const char *before, int64_t us)
{
	mr_buf_printf(out, "%s%lld", before, (long long)(us / SECOND_US));
}

static void say_next(struct cases *c)
{
	struct timetable *t = timetable(c->column + 1);
	struct data_interval last = {time_of(c->column[6]), time_of(c->column[7])};
	struct timetable_window window = {time_of(c->column[5]), NO_TIME, *c->column[4] == '1'};
	struct timetable_run run;
	if (timetable_next(t, last.end_us == NO_TIME ? NULL : &last, &window, time_of(c->column[8]), &run)) {
		put_seconds(&c->says, "", run.logical_date_us);
		put_seconds(&c->says, "\t", run.interval.start_us);
		put_seconds(&c->says, "\t", run.interval.end_us);
		put_seconds(&c->says, "\t", run.run_after_us);
	} else {
		mr_buf_cstr(&c->says, "none");
	}
	timetable_free(t);
}

static void say_backfill(struct cases *c)
{
	static struct timetable_run runs[RUNS];
	struct timetable *t = timetable(c->column + 1);
	size_t n = timetable_backfill(t, time_of(c->column[4]), time_of(c->column[5]), time_of(c->column[6]),
				      runs, RUNS);
	for (size_t i = 0; i < n && i < RUNS; i++)
		put_seconds(&c->says, i ? "," : "", runs[i].logical_date_us);
	if (!n)
		mr_buf_char(&c->says, '-');
	timetable_free(t);
}

static void say_rule(struct cases *c)
{
	struct upstream_counts up = {0};
	enum trigger_rule rule;
	CHECK(trigger_rule_parse(mr_str_from(c->column[1]), &rule));
	for (const char *s = c->column[2]; *s; s++) {
		char letter = (char)(*s | 32);
		bool setup = *s >= 'A' && *s <= 'Z';
		up.total++;
		up.success += letter == 's';
		up.skipped += letter == 'k';
		up.failed += letter == 'f';
		up.upstream_failed += letter == 'u';
		up.removed += letter == 'r';
		up.setup_total += setup;
		up.setup_success += setup && letter == 's';
		up.setup_skipped += setup && letter == 'k';
	}
	mr_buf_cstr(&c->says, rule_verdict_name(trigger_rule_verdict(rule, &up, -1)));
}

static void say_retry(struct cases *c)
{
	struct dag_task task = {.id = mr_str_from(c->column[2]),
				.retry_delay_us = (int64_t)(strtod(c->column[5], NULL) * 1e6),
				.retry_exponential_backoff = strtod(c->column[6], NULL),
				.max_retry_delay_us = strtoll(c->column[7], NULL, 10) * SECOND_US};
	int64_t us = retry_wait_us(mr_str_from(c->column[1]), &task, time_of(c->column[3]),
				   (int32_t)strtol(c->column[4], NULL, 10));
	mr_buf_printf(&c->says, "%g", (double)us / 1e6);
}

static const struct {
	const char *kind;
	size_t asked; /* columns before the answer */
	void (*say)(struct cases *);
} kinds[] = {
    {"next", 9, say_next}, {"backfill", 7, say_backfill}, {"rule", 3, say_rule}, {"retry", 8, say_retry}};

static void ask(struct cases *c, char *line)
{
	struct mr_buf whole = {0};
	mr_buf_cstr(&whole, line);
	c->count = 0;
	for (char *save, *word = strtok_r(line, "\t", &save); word && c->count < COLUMNS;
	     word = strtok_r(NULL, "\t", &save))
		c->column[c->count++] = word;
	for (size_t k = 0; c->count && k < MR_COUNT(kinds); k++) {
		if (strcmp(c->column[0], kinds[k].kind) != 0 || c->count <= kinds[k].asked)
			continue;
		const char *answer = whole.ptr + (c->column[kinds[k].asked] - line);
		mr_buf_clear(&c->says);
		kinds[k].say(c);
		c->asked++;
		if (strcmp(mr_buf_view(&c->says).ptr, answer) == 0)
			continue;
		c->wrong++;
		fprintf(stderr, "%s\n  ours: %s\n", whole.ptr, mr_buf_view(&c->says).ptr);
	}
	mr_buf_release(&whole);
}

TEST(airflow_says_the_same)
{
	struct mr_buf text = {0};
	struct mr_error err;
	struct cases cases = {0};
	const char *given = getenv("MR_DAG_CASES");
	const char *path = given ? given : TEST_GOLDEN "/dag/airflow_cases.tsv";
	CHECK_OK(disk_read_file(env_linux()->disk, path, 64 << 20, &text, &err), err);
	for (char *save, *line = strtok_r(text.ptr, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		ask(&cases, line);
	if (given)
		printf("%zu cases, %zu differ\n", cases.asked, cases.wrong);
	CHECK(cases.asked > 100);
	CHECK_INT(cases.wrong, 0);
	mr_buf_release(&cases.says);
	mr_buf_release(&text);
}
