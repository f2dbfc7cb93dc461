/* cli/cmd_dag.c - millrace dag: the project's DAGs and their runs. */
#include "cli/command.h"

#include "cli/dag_verbs.h"
#include "conf/nearest.h"

#include <string.h>

static const struct arg_option options[] = {
    {"project", 'C', "FOLDER", "the project's folder (default: .)", false},
    {"format", 'o', "FORMAT", "list, runs: box, csv, tsv, json, jsonl, markdown", false},
    {"conf", 'c', "JSON", "trigger, test, backfill: the run's params, {\"country\": \"DE\"}", false},
    {"date", 'd', "TIME", "trigger, test: the logical date", false},
    {"run-id", 'r', "ID", "trigger: the run's name (default: manual__TIME)", false},
    {"wait", 'w', NULL, "trigger: until it has ended; exit code 1 when it failed", false},
    {"from", 0, "TIME", "backfill: the first date; next: the start date (default: now)", false},
    {"to", 0, "TIME", "backfill: the last date", false},
    {"max-active-runs", 0, "N", "backfill: runs at a time (default 10)", false},
    {"reprocess", 0, "WHICH", "backfill: runs there are: none (default), failed, completed", false},
    {"backwards", 0, NULL, "backfill: the last date first", false},
    {"dry-run", 0, NULL, "backfill: only show the dates", false},
    {"cron", 0, "EXPRESSION", "next: a schedule instead of a DAG: cron, @daily, …", false},
    {"timezone", 0, "ZONE", "next: of the expression (default: UTC)", false},
    {"timetable", 0, "KIND", "next: trigger (default) or interval", false},
    {"count", 'n', "N", "next: how many (default 5); runs: at most (default 25)", false},
};

static const struct {
	const char *verb;
	dag_verb_fn *run;
} verbs[] = {
    {"list", dag_list}, {"show", dag_show},   {"test", dag_test},       {"trigger", dag_trigger},
    {"runs", dag_runs}, {"pause", dag_pause}, {"unpause", dag_unpause}, {"backfill", dag_backfill},
    {"next", dag_next}, {"rule", dag_rule},
};

#define VERBS "list, show, test, trigger, runs, pause, unpause, backfill, next, rule"

const char *dag_named(const struct args *args, const char *verb, struct mr_error *err)
{
	const char *id = args_positional(args, 1);
	if (!id) {
		mr_fail(err, MR_ERR_INVALID, "which DAG?");
		mr_hint(err, "millrace dag %s DAG; 'millrace dag list' shows them", verb);
	}
	return id;
}

static int run_verb(const struct args *args, struct mr_error *err)
{
	const char *word = args_positional(args, 0) ? args_positional(args, 0) : "list";
	const char *names[MR_COUNT(verbs)];
	for (size_t i = 0; i < MR_COUNT(verbs); i++) {
		names[i] = verbs[i].verb;
		if (strcmp(word, verbs[i].verb) == 0)
			return verbs[i].run(args, err);
	}
	mr_fail(err, MR_ERR_INVALID, "millrace dag knows no '%s'", word);
	const char *near = conf_nearest(mr_str_from(word), names, MR_COUNT(names));
	return mr_hint(err, "%s%s", near ? "did you mean " : VERBS, near ? near : "");
}

int cmd_dag(int argc, char **argv)
{
	struct args args;
	int code;
	if (!command_args("dag", "list|show|test|trigger|runs|pause|unpause|backfill|next|rule [NAME …]",
			  options, MR_COUNT(options), ARG_POSITIONALS_MAX, argc, argv, &args, &code))
		return code;
	struct mr_error err;
	int rc = run_verb(&args, &err);
	return rc < 0 ? command_failed(&err) : rc > 0 ? EXIT_WORK_FAILED : EXIT_OK;
}
