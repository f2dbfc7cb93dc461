/* tests/unit/dag/test_load.c - DAG files: what loads, and what every mistake says. */
#include "test.h"

#include "base/buf.h"
#include "base/mem.h"
#include "codec/json.h"
#include "dag/asset.h"
#include "dag/civil.h"
#include "dag/load.h"
#include "dag/timetable.h"
#include "env/env.h"

#include <stdlib.h>

static struct dag_set load(const char *text)
{
	struct dag_load_options options = {.disk = env_linux()->disk};
	struct dag_set set = {0};
	dag_load_text(&options, "dags/x.yml", mr_str_from(text), &set);
	dag_set_finish(&options, &set);
	return set;
}

static struct dag *only(const struct dag_set *set)
{
	if (set->faults.len)
		test_fail(__FILE__, __LINE__, "%s: %s", set->faults.items[0].error.where,
			  set->faults.items[0].error.message);
	CHECK_INT(set->dags.len, 1);
	return set->dags.items[0];
}

static mr_str argument(const struct dag_task *task, const char *name)
{
	for (size_t i = 0; i < task->argument_count; i++)
		if (mr_str_is(task->arguments[i].name, name))
			return task->arguments[i].json;
	return MR_STR("(none)");
}

TEST(load_reads_a_dag_factory_file)
{
	struct mr_buf text = {0};
	struct mr_error err;
	CHECK_OK(disk_read_file(env_linux()->disk, TEST_GOLDEN "/dag/dagfactory.yml", 1 << 20, &text, &err),
		 err);
	struct dag_set set = load(text.ptr);
	mr_buf_release(&text);
	for (size_t i = 0; i < set.faults.len; i++)
		test_fail(__FILE__, __LINE__, "%s: %s", set.faults.items[i].error.where,
			  set.faults.items[i].error.message);
	CHECK_INT(set.dags.len, 4);
	struct dag *daily = dag_set_find(&set, MR_STR("reads_daily"));
	CHECK_INT(daily->task_count, 6);
	CHECK_INT(daily->dagrun_timeout_us, INT64_C(6) * 3600 * SECOND_US);
	CHECK_STR(daily->params_json, "{\"country\":\"US\"}");
	const struct dag_task *vacuum = dag_task_find(daily, MR_STR("vacuum"));
	CHECK_STR(vacuum->id, "maintain.inner.vacuum");
	CHECK_INT(vacuum->retries, 2);
	CHECK(vacuum->retry_exponential_backoff == 2);
	CHECK_INT(vacuum->max_retry_delay_us, 3600 * SECOND_US);
	const struct dag_task *load_task = dag_task_find(daily, MR_STR("load"));
	CHECK(dag_task_mapped(load_task));
	CHECK_STR(daily->tasks[load_task->expand[0].task].id, "list_parts");
	CHECK_STR(argument(load_task, "op_kwargs"), "{\"table\":\"reads\"}");
	const struct dag_task *report = dag_task_find(daily, MR_STR("after.report"));
	CHECK_INT(report->upstream.count, 1); /* the leaf of maintain is vacuum */
	CHECK_STR(daily->tasks[report->upstream.items[0]].name, "vacuum");
	CHECK_STR(argument(dag_task_find(daily, MR_STR("choose")), "op_kwargs"),
		  "{\"parts\":{\"__xcom__\":\"list_parts\"}}");
	CHECK_INT(timetable_kind(daily->timetable), TIMETABLE_CRON_TRIGGER);
	struct dag *interval = dag_set_find(&set, MR_STR("reads_interval"));
	CHECK_INT(timetable_kind(interval->timetable), TIMETABLE_CRON_INTERVAL);
	CHECK_STR(tz_name(timetable_zone(interval->timetable)), "Europe/Berlin");
	CHECK_INT(dag_set_find(&set, MR_STR("reads_report"))->assets->kind, ASSET_ALL);
	CHECK_INT(dag_set_find(&set, MR_STR("reads_or_users"))->assets->kind, ASSET_ANY);
	dag_set_release(&set);
}

TEST(load_takes_defaults_from_the_nearest)
{
	struct dag_set set =
	    load("default:\n"
		 "  catchup: true\n"
		 "  default_args: {owner: data, start_date: 2026-01-01, retries: 2, retry_delay: 5m}\n"
		 "d:\n"
		 "  schedule: '0 2 * * *'\n"
		 "  timetable: interval\n"
		 "  default_args: {retries: 3}\n"
		 "  tasks:\n"
		 "    a: {operator: BashOperator, bash_command: x}\n"
		 "    b: {operator: airflow.providers.standard.operators.bash.BashOperator,\n"
		 "        bash_command: y, retries: 0, dependencies: [a], pool_slots: 2}\n");
	struct dag *dag = only(&set);
	CHECK(dag->catchup);
	CHECK_INT(dag->tasks[0].retries, 3);
	CHECK_INT(dag->tasks[1].retries, 0);
	CHECK_INT(dag->tasks[1].retry_delay_us, 300 * SECOND_US);
	CHECK_STR(dag->tasks[1].owner, "data");
	CHECK_INT(dag->tasks[0].total_weight, 2);
	CHECK_INT(dag->start_date_us, civil_days(2026, 1, 1) * DAY_SECONDS * SECOND_US);
	dag_set_release(&set);
}

TEST(load_version_follows_the_text)
{
	struct dag_set a = load("d: {tasks: {a: {operator: EmptyOperator}}}");
	struct dag_set b = load("# a note\nd:\n  tasks:\n    a: {operator: EmptyOperator}\n");
	struct dag_set c = load("d: {tasks: {a: {operator: EmptyOperator, retries: 1}}}");
	CHECK_STR(mr_str_from(only(&a)->version), only(&b)->version);
	CHECK(strcmp(only(&a)->version, only(&c)->version) != 0);
	dag_set_release(&a);
	dag_set_release(&b);
	dag_set_release(&c);
}

struct fault {
	const char *text, *where, *message, *hint;
};

static void check_fault(const struct fault *want)
{
	struct dag_set set = load(want->text);
	if (set.faults.len != 1)
		test_fail(__FILE__, __LINE__, "%zu faults in:\n%s", set.faults.len, want->text);
	const struct mr_error *err = &set.faults.items[0].error;
	if (!strstr(err->message, want->message) || !strstr(err->hint, want->hint) ||
	    !strstr(err->where, want->where) || !strstr(err->where, "dags/x.yml"))
		test_fail(__FILE__, __LINE__, "'%s' at '%s' (hint '%s') for:\n%s", err->message, err->where,
			  err->hint, want->text);
	CHECK_INT(set.dags.len, 0);
	dag_set_release(&set);
}

/* Every mistake names its place and, where there is one, the nearest name. */
TEST(load_says_what_is_wrong_and_where)
{
#define TASKS "  tasks: {a: {operator: EmptyOperator}}\n"
	static const struct fault cases[] = {
	    {"d:\n  shedule: '@daily'\n" TASKS, "2:3", "unknown key 'shedule'", "schedule"},
	    {"d:\n  schedule: '61 * * * *'\n" TASKS, "2:13", "'61' is no minute", ""},
	    {"d:\n  schedule: '0 0 31 2 *'\n" TASKS, "2:13", "never fires", ""},
	    {"d:\n  schedule: '@daily'\n  calendar: {weekend: [sat, sonntag]}\n" TASKS, "3:23",
	     "'sonntag' is no day of the week", ""},
	    {"d:\n  schedule: '@daily'\n  calendar: {holidays: [02-30]}\n" TASKS, "3:25", "expected a day",
	     "12-24"},
	    {"d:\n  schedule: '@daily'\n  calendar: {holiday: [02-20]}\n" TASKS, "3:14",
	     "unknown key 'holiday'", "holidays"},
	    {"d:\n  schedule: '@daily'\n  calendar: {on_closed: later}\n" TASKS, "3:25", "unknown on_closed",
	     "previous"},
	    {"d:\n  schedule: 1d\n  calendar: {}\n" TASKS, "3:13", "needs a schedule of days", "0 18"},
	    {"d:\n  timezone: Europe/Berlni\n" TASKS, "2:13", "unknown time zone", ""},
	    {"d:\n  start_date: 2026-02-30\n" TASKS, "2:15", "expected a date", ""},
	    {"d:\n  max_active_runs: 0\n" TASKS, "2:20", "a whole number from 1", ""},
	    {"d:\n  catchup: maybe\n" TASKS, "2:12", "true or false", ""},
	    {"d:\n  params: {n: {default: x, type: integer}}\n  schedule: '@daily'\n" TASKS, "2:11",
	     "param /n", ""},
	    {"d:\n  description: x\n", "1:1", "has no tasks", ""},
	    {"d:\n  tasks:\n    a: {operator: BashOperater, bash_command: x}\n", "3:19", "unknown operator",
	     "BashOperator"},
	    {"d:\n  tasks:\n    a: {operator: BashOperator, bash_comand: x}\n", "3:33",
	     "takes no 'bash_comand'", "bash_command"},
	    {"d:\n  tasks:\n    a: {operator: BashOperator}\n", "3:5", "needs 'bash_command'", ""},
	    {"d:\n  tasks:\n    a: {bash_command: x}\n", "3:5", "has no operator", ""},
	    {"d:\n  tasks:\n    a: {operator: EmptyOperator, trigger_rule: all_sucess}\n", "3:48",
	     "unknown trigger rule", "all_success"},
	    {"d:\n  tasks:\n    extract: {operator: EmptyOperator}\n    b: {operator: EmptyOperator, "
	     "dependencies: [extrct]}\n",
	     "4:49", "no task or group is called 'extrct'", "extract"},
	    {"d:\n  tasks:\n    a: {operator: EmptyOperator, dependencies: [c]}\n    b: {operator: "
	     "EmptyOperator, "
	     "dependencies: [a]}\n    c: {operator: EmptyOperator, dependencies: [b]}\n",
	     "", "round in a circle", ""},
	    {"d:\n  tasks:\n    a: {operator: EmptyOperator, dependencies: [a]}\n", "3:49",
	     "comes after itself", ""},
	    {"d:\n  tasks:\n    a: {operator: EmptyOperator, pool: engin}\npools: {engine: 4}\n", "3:1",
	     "no pool is called 'engin'", "engine"},
	    {"d:\n  tasks:\n    a: {operator: EmptyOperator, task_group_name: g}\n", "3:51", "no task group",
	     ""},
	    {"d:\n  tasks:\n    a: {operator: EmptyOperator, retry_delay: soon}\n", "3:47",
	     "expected a duration", ""},
	    {"d:\n  default_args: {retrys: 2}\n" TASKS, "2:18", "unknown key 'retrys'", "retries"},
	    {"d:\n  schedule: ['delta://a & ']\n" TASKS, "2:14", "a URI is missing", ""},
	    {"d: [1]\n", "1:4", "not a mapping", ""},
	    {"- d\n", "1:1", "a mapping of DAG ids", ""},
	};
	for (size_t i = 0; i < MR_COUNT(cases); i++)
		check_fault(&cases[i]);
}

TEST(load_knows_executors)
{
	static const struct fault cases[] = {
	    {"d:\n  tasks:\n    a: {operator: BashOperator, bash_command: x, executor: locl}\n", "3:1",
	     "no executor is called 'locl'", "local"},
	    {"d:\n  default_args: {executor: celery}\n  tasks:\n    a: {operator: EmptyOperator}\n", "4:1",
	     "no executor is called 'celery'", "process"},
	    {"d:\n  tasks:\n    a: {operator: SQLExecuteQueryOperator, sql: SELECT 1, executor: slurm}\n",
	     "3:1", "executor 'slurm' does not run SQLExecuteQueryOperator", "local"},
	    {"d:\n  tasks:\n    a: {operator: BashOperator, bash_command: x, executor_config: 4}\n", "3:67",
	     "executor_config is a mapping", ""},
	    {"d:\n  tasks:\n    a: {operator: BashOperator, bash_command: x, executor: engine}\n", "3:1",
	     "executor 'engine' does not run BashOperator", "local"},
	};
	for (size_t i = 0; i < MR_COUNT(cases); i++)
		check_fault(&cases[i]);
}

TEST(load_goes_on_after_a_fault)
{
	struct dag_set set = load("bad: {schedule: nonsense, tasks: {a: {operator: EmptyOperator}}}\n"
				  "good: {tasks: {a: {operator: EmptyOperator}}}\n");
	CHECK_INT(set.faults.len, 1);
	CHECK_STR(mr_str_from(set.faults.items[0].dag_id), "bad");
	CHECK_INT(set.dags.len, 1);
	dag_set_release(&set);
}

static bool has_uri(void *arg, mr_str uri)
{
	return memmem(arg, strlen(arg), uri.ptr, uri.len) != NULL;
}

TEST(asset_conditions_are_met)
{
	struct arena arena = {0};
	struct asset_condition *c;
	struct mr_error err;
	CHECK_OK(asset_parse(&arena, MR_STR("x://a & (x://b | x://c)"), &c, &err), err);
	CHECK(!asset_condition_met(c, has_uri, (char *)(uintptr_t) "x://a"));
	CHECK(asset_condition_met(c, has_uri, (char *)(uintptr_t) "x://a x://c"));
	CHECK(!asset_condition_met(c, has_uri, (char *)(uintptr_t) "x://b x://c"));
	CHECK_INT(asset_parse(&arena, MR_STR("(x://a"), &c, &err), MR_ERR_INVALID);
	CHECK_INT(asset_parse(&arena, MR_STR("x://a x://b"), &c, &err), MR_ERR_INVALID);
	arena_release(&arena);
}

/* Damaged files are refused or load; they never hurt. */
TEST(load_survives_hostile_text)
{
	struct mr_buf text = {0};
	struct mr_error err;
	CHECK_OK(disk_read_file(env_linux()->disk, TEST_GOLDEN "/dag/dagfactory.yml", 1 << 20, &text, &err),
		 err);
	struct mr_rng rng;
	rng_seed(&rng, 5);
	for (int i = 0; i < test_rounds(300); i++) {
		char *copy = mr_strndup(mr_buf_view(&text));
		for (uint64_t n = 1 + rng_below(&rng, 6); n > 0; n--)
			copy[rng_below(&rng, text.len)] =
			    (char)(rng_below(&rng, 2) ? "{}[]:,'\"-+&* \n"[rng_below(&rng, 14)]
						      : (char)(32 + rng_below(&rng, 95)));
		struct dag_set set = load(copy);
		dag_set_release(&set);
		free(copy);
	}
	mr_buf_release(&text);
}

static int fake_scripts(void *arg, const char *folder, char *const *files, size_t count, struct mr_buf *lines,
			struct mr_error *err)
{
	int *asked = arg;
	(void)folder;
	*asked += (int)count;
	if (!strstr(files[0], "etl.py"))
		return mr_fail(err, MR_ERR_INVALID, "not the file that has DAGs");
	mr_buf_printf(lines,
		      "{\"file\": \"%s\", \"dags\": {\"etl\": {\"schedule\": null, \"tasks\": "
		      "{\"a\": {\"operator\": \"EmptyOperator\"}, \"g.b\": {\"operator\": "
		      "\"AirflowOperator\", \"dag_file\": \"/x.py\", \"dependencies\": [\"a\"], "
		      "\"expand\": {\"item1\": \"+a\"}}}}}, \"faults\": [{\"dag_id\": \"other\", "
		      "\"line\": 7, \"message\": \"uses a thing\"}]}\n",
		      files[0]);
	return 0;
}

static int no_airflow(void *arg, const char *folder, char *const *files, size_t count, struct mr_buf *lines,
		      struct mr_error *err)
{
	(void)arg, (void)folder, (void)files, (void)count, (void)lines;
	return mr_fail(err, MR_ERR_UNSUPPORTED, "no Airflow here");
}

static void put_file(const char *folder, const char *name, const char *text)
{
	struct mr_error err;
	char *path = mr_asprintf("%s/%s", folder, name);
	CHECK_OK(disk_replace_file(env_linux()->disk, path, mr_str_from(text), &err), err);
	free(path);
}

TEST(load_scripts_become_dags_and_faults_and_others_go_on)
{
	struct mr_error err;
	int asked = 0;
	const char *folder = test_folder();
	struct dag_load_options options = {
	    .disk = env_linux()->disk, .read_scripts = fake_scripts, .scripts_arg = &asked};
	put_file(folder, "etl.py", "from airflow.sdk import dag\n");
	put_file(folder, "helper.py", "print('neither word')\n");
	put_file(folder, "y.yml", "plain: {schedule: null, tasks: {t: {operator: EmptyOperator}}}\n");
	struct dag_set set = {0};
	CHECK_OK(dag_load_folder(&options, folder, &set, &err), err);
	dag_set_finish(&options, &set);
	CHECK_INT(asked, 1);
	CHECK_INT(set.dags.len, 2);
	CHECK_INT(set.faults.len, 1);
	CHECK(strcmp(set.faults.items[0].dag_id, "other") == 0);
	CHECK(strstr(set.faults.items[0].error.where, "etl.py:7:1"));
	struct dag *dag = dag_set_find(&set, MR_STR("etl"));
	CHECK(dag && dag_task_find(dag, MR_STR("g.b")) && dag_task_mapped(dag_task_find(dag, MR_STR("g.b"))));
	dag_set_release(&set);

	options.read_scripts = no_airflow;
	memset(&set, 0, sizeof set);
	CHECK_OK(dag_load_folder(&options, folder, &set, &err), err);
	dag_set_finish(&options, &set);
	CHECK_INT(set.dags.len, 1);
	CHECK_INT(set.faults.len, 1);
	CHECK(strcmp(set.faults.items[0].error.message, "no Airflow here") == 0);
	dag_set_release(&set);
}
