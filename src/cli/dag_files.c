/* cli/dag_files.c - dag show, next, rule: what files, schedules and trigger rules mean. No server is asked.
 */
#include "cli/command.h"
#include "cli/dag_verbs.h"

#include "base/mem.h"
#include "conf/nearest.h"
#include "dag/civil.h"
#include "dag/dag.h"
#include "dag/load.h"
#include "dag/state.h"
#include "dag/timetable.h"
#include "env/env.h"
#include "task/airflow.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- the project's DAGs ---- */

static int load_project(const struct args *args, struct dag_set *set, struct mr_error *err)
{
	const char *project = args_get(args, "project") ? args_get(args, "project") : ".";
	struct airflow_cache airflow = {0};
	struct dag_load_options load_options = {
	    .disk = env_linux()->disk, .read_scripts = airflow_read, .scripts_arg = &airflow};
	char *folder = mr_asprintf("%s/dags", project);
	memset(set, 0, sizeof *set);
	int rc = dag_load_folder(&load_options, folder, set, err);
	if (rc == 0)
		dag_set_finish(&load_options, set);
	airflow_cache_release(&airflow);
	free(folder);
	return rc;
}

static int find_dag(const struct dag_set *set, const char *id, struct dag **out, struct mr_error *err)
{
	*out = dag_set_find(set, mr_str_from(id));
	if (*out)
		return 0;
	for (size_t i = 0; i < set->faults.len; i++) {
		if (strcmp(set->faults.items[i].dag_id, id) == 0) {
			*err = set->faults.items[i].error;
			return err->code;
		}
	}
	const char **names = mr_calloc(set->dags.len + 1, sizeof *names);
	for (size_t i = 0; i < set->dags.len; i++)
		names[i] = set->dags.items[i]->id.ptr;
	const char *near = conf_nearest(mr_str_from(id), names, set->dags.len);
	mr_fail(err, MR_ERR_NOT_FOUND, "no DAG is called '%s'", id);
	for (size_t i = 0; !near && i < set->faults.len; i++)
		if (!set->faults.items[i].dag_id[0]) {
			free(names);
			mr_hint(err, "unless it is in what cannot be read: %s",
				set->faults.items[i].error.message);
			return MR_ERR_NOT_FOUND;
		}
	mr_hint(err, near ? "did you mean '%s'?" : "'millrace dag list' shows them%s", near ? near : "");
	free(names);
	return MR_ERR_NOT_FOUND;
}

static void put_schedule(const struct dag *dag)
{
	mr_str text = timetable_text(dag->timetable);
	printf("%.*s", MR_FMT(dag->assets ? MR_STR("assets") : text.len ? text : MR_STR("by hand")));
}

static void put_task(const struct dag *dag, const struct dag_task *task)
{
	printf("  %.*s\t%s", MR_FMT(task->id), task->operator->name);
	if (task->trigger_rule != RULE_ALL_SUCCESS)
		printf("\t%s", trigger_rule_name(task->trigger_rule));
	if (dag_task_mapped(task))
		printf("\tmapped");
	for (size_t i = 0; i < task->upstream.count; i++)
		printf("%s%.*s", i ? ", " : "\tafter ", MR_FMT(dag->tasks[task->upstream.items[i]].id));
	printf("\n");
}

int dag_show(const struct args *args, struct mr_error *err)
{
	const char *id = args_positional(args, 1);
	struct dag_set set;
	struct dag *dag;
	if (!id) {
		mr_fail(err, MR_ERR_INVALID, "which DAG?");
		return mr_hint(err, "millrace dag show DAG");
	}
	int rc = load_project(args, &set, err);
	if (rc == 0)
		rc = find_dag(&set, id, &dag, err);
	if (rc == 0) {
		printf("%.*s\tversion %s\t%s ", MR_FMT(dag->id), dag->version,
		       timetable_class(dag->timetable));
		put_schedule(dag);
		printf("\n");
		for (size_t i = 0; i < dag->task_count; i++)
			put_task(dag, &dag->tasks[dag->order[i]]);
	}
	dag_set_release(&set);
	return rc;
}

/* ---- next ---- */

static int parse_kind(const struct args *args, bool *interval, struct mr_error *err)
{
	const char *kind = args_get(args, "timetable");
	*interval = kind && strcmp(kind, "interval") == 0;
	if (!kind || *interval || strcmp(kind, "trigger") == 0)
		return 0;
	mr_fail(err, MR_ERR_INVALID, "--timetable knows no '%s'", kind);
	return mr_hint(err,
		       "trigger: a run is for the moment it fires; interval: for the time since the last");
}

static int cron_timetable(const struct args *args, struct timetable **out, struct mr_error *err)
{
	const char *cron = args_get(args, "cron");
	const char *zone_name = args_get(args, "timezone") ? args_get(args, "timezone") : "UTC";
	bool interval;
	struct tz *zone;
	int rc = parse_kind(args, &interval, err);
	if (rc == 0)
		rc = tz_load(env_linux()->disk, mr_str_from(zone_name), &zone, err);
	if (rc < 0)
		return rc;
	rc = timetable_parse(mr_str_from(cron), zone, interval, out, err);
	return rc;
}

static int parse_from(const struct args *args, const struct timetable *timetable, int64_t *from_us,
		      struct mr_error *err)
{
	const char *text = args_get(args, "from");
	*from_us = clock_wall_us(env_linux()->clock);
	if (!text || civil_parse(mr_str_from(text), timetable_zone(timetable), from_us))
		return 0;
	mr_fail(err, MR_ERR_INVALID, "--from '%s' is no time", text);
	return mr_hint(err, "2026-01-01, 2026-01-01T02:30 or 2026-01-01T02:30:00+02:00");
}

static void print_runs(const struct timetable *timetable, int64_t from_us, int64_t count)
{
	struct timetable_window window = {.earliest_us = from_us, .latest_us = NO_TIME, .catchup = true};
	struct timetable_run run;
	struct data_interval last;
	char logical[CIVIL_ISO_BYTES], end[CIVIL_ISO_BYTES], after[CIVIL_ISO_BYTES];
	printf("logical_date\tdata_interval_end\trun_after\n");
	for (int64_t i = 0; i < count && timetable_next(timetable, i ? &last : NULL, &window, from_us, &run);
	     i++) {
		printf("%s\t%s\t%s\n", civil_iso(logical, run.logical_date_us),
		       civil_iso(end, run.interval.end_us), civil_iso(after, run.run_after_us));
		last = run.interval;
	}
}

static int print_next(const struct args *args, const struct timetable *timetable, struct mr_error *err)
{
	int64_t count, from_us;
	int rc = args_int(args, "count", 5, 1, 100000, &count, err);
	if (rc == 0)
		rc = parse_from(args, timetable, &from_us, err);
	if (rc == 0)
		print_runs(timetable, from_us, count);
	return rc;
}

int dag_next(const struct args *args, struct mr_error *err)
{
	struct timetable *timetable = NULL;
	struct dag_set set = {0};
	struct dag *dag;
	const char *id = args_positional(args, 1);
	int rc = 0;
	if (args_get(args, "cron")) {
		rc = cron_timetable(args, &timetable, err);
		if (rc == 0)
			rc = print_next(args, timetable, err);
	} else if (id) {
		rc = load_project(args, &set, err);
		if (rc == 0)
			rc = find_dag(&set, id, &dag, err);
		if (rc == 0)
			rc = print_next(args, dag->timetable, err);
	} else {
		mr_fail(err, MR_ERR_INVALID, "the next runs of what?");
		rc = mr_hint(err, "millrace dag next DAG, or --cron '0 2 * * *' --from 2026-01-01");
	}
	timetable_free(timetable);
	dag_set_release(&set);
	return rc;
}

/* ---- rule ---- */

static int unknown_state(const char *word, struct mr_error *err)
{
	const char *names[TASK_STATES];
	for (size_t i = 0; i < TASK_STATES; i++)
		names[i] = task_state_name((enum task_state)i);
	mr_fail(err, MR_ERR_INVALID, "no task state is called '%s'", word);
	const char *near = conf_nearest(mr_str_from(word), names, TASK_STATES);
	return mr_hint(err, near ? "did you mean %s?" : "success, failed, skipped, running, …%s",
		       near ? near : "");
}

/* "success", or "setup:success" for an upstream that is a setup task. */
static int count_state(const char *word, struct upstream_counts *up, struct mr_error *err)
{
	mr_str name = mr_str_from(word);
	bool setup = mr_str_starts(name, MR_STR("setup:"));
	enum task_state state;
	if (!task_state_parse(setup ? mr_str_tail(name, strlen("setup:")) : name, &state))
		return unknown_state(word, err);
	up->total++;
	up->success += state == TASK_SUCCESS;
	up->skipped += state == TASK_SKIPPED;
	up->failed += state == TASK_FAILED;
	up->upstream_failed += state == TASK_UPSTREAM_FAILED;
	up->removed += state == TASK_REMOVED;
	up->setup_total += setup;
	up->setup_success += setup && state == TASK_SUCCESS;
	up->setup_skipped += setup && state == TASK_SKIPPED;
	return 0;
}

int dag_rule(const struct args *args, struct mr_error *err)
{
	const char *name = args_positional(args, 1);
	enum trigger_rule rule;
	struct upstream_counts up = {0};
	if (!name || !trigger_rule_parse(mr_str_from(name), &rule)) {
		const char *near = name ? trigger_rule_nearest(mr_str_from(name)) : NULL;
		mr_fail(err, MR_ERR_INVALID,
			name ? "no trigger rule is called '%s'" : "which trigger rule?%s", name ? name : "");
		return mr_hint(err, "%s%s",
			       near ? "did you mean " : "millrace dag rule all_success success skipped",
			       near ? near : "");
	}
	for (size_t i = 2; i < args->positional_count; i++) {
		int rc = count_state(args_positional(args, i), &up, err);
		if (rc < 0)
			return rc;
	}
	printf("%s\n", rule_verdict_name(trigger_rule_verdict(rule, &up, -1)));
	return 0;
}
