/* The executors behind dag/executor.h: tries of real DAG files through the keeper and the engine; what
 * they report, what their logs hold, and what a dead keeper or a dead server means to them. */
#include "test.h"
#include "task_bed.h"

#include "base/vec.h"
#include "dag/civil.h"
#include "env/disk_linux.h"
#include "task/context.h"
#include "task/procfs.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static const char dags[] =
    "t:\n"
    "  schedule: null\n"
    "  tasks:\n"
    "    list: {operator: BashOperator, bash_command: 'echo [1,2]', xcom: json}\n"
    "    hello: {operator: airflow.providers.standard.operators.bash.BashOperator, bash_command: 'echo {{ ds "
    "}} {{ "
    "params.country }} {{ dag_run.conf.fast }} {{ ti.xcom_pull(task_ids=\"list\")[1] }} "
    "$AIRFLOW_CTX_TASK_ID'}\n"
    "    fails: {operator: BashOperator, bash_command: 'echo no; exit 3'}\n"
    "    skips: {operator: BashOperator, bash_command: 'exit 99'}\n"
    "    bad_json: {operator: BashOperator, bash_command: 'echo {', xcom: json}\n"
    "    file: {operator: BashOperator, bash_command: 'echo \"{\\\"a\\\": 1}\" > $MILLRACE_XCOM; echo "
    "other'}\n"
    "    quiet: {operator: BashOperator, bash_command: 'echo x', do_xcom_push: false}\n"
    "    slow: {operator: BashOperator, bash_command: 'sleep 60', execution_timeout: 0.3}\n"
    "    sleeps: {operator: BashOperator, bash_command: 'sleep 60'}\n"
    "    env: {operator: BashOperator, bash_command: 'echo $A-$HOME', env: {A: '{{ ds }}'}}\n"
    "    secret: {operator: BashOperator, bash_command: 'echo {{ conn.db.password }} {{ var.value.api_token "
    "}}; exit 1'}\n"
    "    missing: {operator: BashOperator, bash_command: 'echo {{ var.value.nothing }}'}\n"
    "    mapped: {operator: BashOperator, partial: {bash_command: 'echo got $PART'}, expand: {env: [{PART: "
    "x}, "
    "{PART: y}]}}\n"
    "    py: {operator: PythonOperator, python_callable: jobs.add, op_args: [2], op_kwargs: {b: '{{ "
    "params.country }}'}}\n"
    "    py_skip: {operator: PythonOperator, python_callable: jobs.skip}\n"
    "    py_fail: {operator: PythonOperator, python_callable: jobs.fail}\n"
    "    py_bug: {operator: PythonOperator, python_callable: jobs.bug}\n"
    "    py_branch: {operator: BranchPythonOperator, python_callable: jobs.branch}\n"
    "    py_file: {operator: PythonOperator, python_file: script.py, op_args: ['{{ ds }}']}\n"
    "    branch: {operator: BranchOperator, follow: '{{ \"hello\" if params.country == \"US\" else \"py\" "
    "}}'}\n"
    "    branch2: {operator: BranchOperator, follow: \"{{ ['hello', 'py'] }}\"}\n"
    "    branch3: {operator: BranchOperator, follow: nowhere}\n"
    "    stop: {operator: ShortCircuitOperator, condition: '{{ params.country == \"CA\" }}'}\n"
    "    there: {operator: FileSensor, filepath: '/etc/host*'}\n"
    "    absent: {operator: FileSensor, filepath: '/no/such/{{ ds }}', poke_interval: 5}\n"
    "    past: {operator: DateTimeSensor, target_time: '{{ data_interval_end }}'}\n"
    "    future: {operator: TimeDeltaSensor, delta: 3000d}\n"
    "    no_sql: {operator: SQLExecuteQueryOperator, sql: SELECT 1}\n"
    "    no_host: {operator: HttpOperator, endpoint: /x}\n";

static const char jobs[] = "class AirflowSkipException(Exception): pass\n"
			   "class AirflowFailException(Exception): pass\n"
			   "def add(a, b, ds): return {'sum': str(a) + b, 'ds': ds}\n"
			   "def skip(): raise AirflowSkipException('not today')\n"
			   "def fail(): raise AirflowFailException('never')\n"
			   "def bug(): raise ValueError('what')\n"
			   "def branch(**context): return [context['task_id'], 'hello']\n";

TEST(executor_runs_what_dag_files_say)
{
	static const struct {
		const char *task, *end;
	} cases[] = {
	    {"list", "finished success return_value=[1,2]"},
	    {"hello", "finished success return_value=\"2026-01-01 US True b.parquet hello\""},
	    {"fails", "finished failed reason=exit code 3"},
	    {"skips", "finished skipped reason=exit code 99"},
	    {"file", "finished success return_value={\"a\": 1}\n"},
	    {"quiet", "finished success"},
	    {"slow", "finished failed reason=timed out after 0.3 s"},
	    {"env", "finished success return_value=\"2026-01-01-\""},
	    {"missing",
	     "finished failed reason=argument 'bash_command': line 1, column 19: 'nothing' is undefined"},
	    {"py", "finished success return_value={\"sum\": \"2US\", \"ds\": \"2026-01-01\"}"},
	    {"py_skip", "finished skipped reason=skipped: not today"},
	    {"py_fail", "finished failed for good reason=jobs.AirflowFailException: never"},
	    {"py_bug", "finished failed reason=ValueError: what"},
	    {"py_branch",
	     "finished success return_value=[\"py_branch\", \"hello\"] follow=1 ->py_branch ->hello"},
	    {"py_file", "finished success"},
	    {"branch", "finished success follow=1 ->hello"},
	    {"branch2", "finished success follow=1 ->hello ->py"},
	    {"branch3", "finished failed reason=the branch names 'nowhere', which is no task of this DAG"},
	    {"stop", "finished success return_value=false follow=3"},
	    {"there", "finished success"},
	    {"absent", "deferred"},
	    {"past", "finished success"},
	    {"future", "deferred"},
	    {"no_sql", "finished failed reason=there is no SQL engine here"},
	    {"no_host", "finished failed reason=where '/x' is, is not said"},
	};
	struct task_bed bed;
	struct mr_error err;
	task_bed_open(&bed, dags);
	CHECK_OK(
	    disk_replace_file(disk_linux(), test_path("%s/jobs.py", bed.folder), mr_str_from(jobs), &err),
	    err);
	CHECK_OK(disk_replace_file(disk_linux(), test_path("%s/script.py", bed.folder),
				   MR_STR("import sys; print('script', sys.argv[1], context['run_id'])"),
				   &err),
		 err);
	for (size_t i = 0; i < MR_COUNT(cases); i++) {
		const char *end = task_bed_run(&bed, cases[i].task, NULL);
		mr_str want = mr_str_from(cases[i].end);
		want.len -= want.ptr[want.len - 1] == '\n';
		if (!mr_str_eq(mr_str_from(end), want))
			test_fail(__FILE__, __LINE__, "%s: %s, expected %s", cases[i].task, end,
				  cases[i].end);
	}
	check_has(task_bed_log(&bed, "py_file", -1), "script 2026-01-01 manual__2026\n");
	check_has(task_bed_log(&bed, "fails", -1),
		  "INFO - Running command: ['bash', '-c', echo no; exit 3]\nno\n");
	check_has(task_bed_log(&bed, "fails", -1), "ERROR - failed: exit code 3");
	check_has(task_bed_log(&bed, "py_bug", -1), "Traceback");
	check_has(mr_str_from(task_bed_run(&bed, "bad_json", NULL)),
		  "failed reason=the last line of the output is no JSON");
	CHECK_STR(mr_str_from(task_bed_run(&bed, "mapped", "{\"env\": {\"PART\": \"y\"}}")),
		  "finished success return_value=\"got y\"");
	check_has(task_bed_log(&bed, "mapped", 0), "got y\n");
	task_bed_close(&bed);
}

TEST(executor_masks_secrets_wherever_they_show)
{
	struct task_bed bed;
	struct mr_error err;
	task_bed_open(&bed, dags);
	mr_str uri = MR_STR("postgres://me:hunter2secret@db:5432/x"), token = MR_STR("tok-123456");
	CHECK_OK(vault_set_connection(bed.services.vault, MR_STR("db"), &uri, &err), err);
	CHECK_OK(vault_set_variable(bed.services.vault, MR_STR("api_token"), &token, &err), err);
	CHECK_STR(mr_str_from(task_bed_run(&bed, "secret", NULL)), "finished failed reason=exit code 1");
	mr_str log = task_bed_log(&bed, "secret", -1);
	check_has(log, "echo *** ***; exit 1");
	check_has(log, "\n*** ***\n");
	CHECK(!memmem(log.ptr, log.len, "hunter2", 7) && !memmem(log.ptr, log.len, "tok-", 4));
	task_bed_close(&bed);
}

TEST(executor_stops_tries)
{
	struct task_bed bed;
	task_bed_open(&bed, dags);
	struct dag_try *try = task_bed_try(&bed, "sleeps", NULL);
	task_bed_submit(&bed, try);
	task_bed_submit(&bed, try); /* known: nothing */
	for (int i = 0; i < 500 && bed.pid == 0; i++)
		usleep(10000);
	bed.process->ops->cancel(bed.process, try->id, DAG_CANCEL_CLEARED);
	bed.process->ops->cancel(bed.process, "no such", DAG_CANCEL_CLEARED);
	CHECK_STR(mr_str_from(task_bed_wait(&bed, try->id)), "finished failed reason=stopped");
	dag_try_unref(try);
	task_bed_close(&bed);
}

/* The server is gone while tasks run: the next one asks, and is told. */
TEST(executor_reattaches_after_a_restart)
{
	struct task_bed bed;
	struct mr_error err;
	task_bed_open(
	    &bed,
	    "t: {schedule: null, tasks: {a: {operator: BashOperator, bash_command: 'sleep 0.3; echo done'}, "
	    "b: {operator: BashOperator, bash_command: 'sleep 1.5; echo later'}, "
	    "marked: {operator: BashOperator, bash_command: 'sleep 1000'}, "
	    "c: {operator: FileSensor, filepath: /x}}}");
	struct dag_try *a = task_bed_try(&bed, "a", NULL), *b = task_bed_try(&bed, "b", NULL),
		       *never = task_bed_try(&bed, "a", NULL);
	struct dag_try *sensor = task_bed_try(&bed, "c", NULL);
	struct dag_try *marked = task_bed_try(&bed, "marked", NULL);
	task_bed_submit(&bed, marked);
	for (int i = 0; i < 500 && bed.pid == 0; i++)
		usleep(10000);
	pid_t marked_pid = (pid_t)bed.pid;
	task_bed_submit(&bed, a);
	task_bed_submit(&bed, b);
	for (int i = 0; i < 500 && !strstr(mr_buf_view(&bed.heard).ptr, test_path("%s started", b->id)); i++)
		usleep(10000);
	task_bed_stop(&bed);
	usleep(600000);
	mr_buf_clear(&bed.heard);
	task_bed_start(&bed);
	struct dag_try *const processes[] = {a, b, never}, *const steps[] = {sensor};
	CHECK_OK(bed.process->ops->reattach(bed.process, processes, 3, &err), err);
	CHECK_OK(bed.engine->ops->reattach(bed.engine, steps, 1, &err), err);
	CHECK_STR(mr_str_from(task_bed_wait(&bed, a->id)), "finished success return_value=\"done\"");
	CHECK_STR(mr_str_from(task_bed_wait(&bed, never->id)), "lost reason=the keeper knows nothing of it");
	CHECK_STR(mr_str_from(task_bed_wait(&bed, b->id)), "finished success return_value=\"later\"");
	CHECK_STR(mr_str_from(task_bed_wait(&bed, sensor->id)), "lost reason=the server ended while it ran");
	for (int i = 0; i < 500 && kill(marked_pid, 0) == 0; i++) /* nobody asked after it */
		usleep(10000);
	CHECK(kill(marked_pid, 0) != 0);
	struct dag_try *const all[] = {a, b, never, sensor, marked};
	for (size_t i = 0; i < MR_COUNT(all); i++)
		dag_try_unref(all[i]);
	task_bed_close(&bed);
}

TEST(executor_loses_tries_with_their_keeper_and_goes_on)
{
	struct task_bed bed;
	task_bed_open(&bed, dags);
	struct dag_try *try = task_bed_try(&bed, "sleeps", NULL);
	task_bed_submit(&bed, try);
	for (int i = 0; i < 500 && bed.pid == 0; i++)
		usleep(10000);
	pid_t leader = (pid_t)bed.pid;
	char line[512];
	FILE *stat = fopen(test_path("/proc/%d/stat", leader), "r");
	CHECK(stat && fgets(line, sizeof line, stat));
	fclose(stat);
	int64_t before = clock_mono_us(env_linux()->clock);
	kill((pid_t)strtol(strrchr(line, ')') + 3, NULL, 10), SIGKILL); /* its parent is the keeper */
	CHECK_STR(mr_str_from(task_bed_wait(&bed, try->id)), "lost reason=its keeper died");
	CHECK(clock_mono_us(env_linux()->clock) - before < 1000000);
	char id[37];
	CHECK(!procfs_task_id(leader, id));
	for (int i = 0; i < 20; i++) { /* lost until another keeper is there */
		const char *end = task_bed_run(&bed, "quiet", NULL);
		if (strcmp(end, "finished success") == 0)
			break;
		CHECK(i < 19);
		usleep(100000);
	}
	dag_try_unref(try);
	task_bed_close(&bed);
}

TEST(templates_of_dag_files_are_checked_when_they_load)
{
	static const struct {
		const char *task, *where, *message, *hint;
	} cases[] = {
	    {"{operator: BashOperator, bash_command: 'echo {{ dss }}'}",
	     "dags/x.yml:1:", "line 1, column 9: 'dss' is not defined", "did you mean 'ds'?"},
	    {"{operator: BashOperator, bash_command: 'echo {{ ds | upperr }}'}",
	     "dags/x.yml:1:", "line 1, column 14: unknown filter 'upperr'", "did you mean 'upper'?"},
	    {"{operator: BashOperator, bash_command: '{% if ds %}x'}",
	     "dags/x.yml:1:", "line 1, column 13: missing {% endif %}", ""},
	    {"{operator: BashOperator, bash_command: x, env: {A: '{{ ti.xcom_pul() }}'}}", "dags/x.yml:1:",
	     "line 1, column 7: 'xcom_pul' is not defined in ti", "did you mean 'xcom_pull'?"},
	};
	for (size_t i = 0; i < MR_COUNT(cases); i++) {
		struct dag_load_options options = {.disk = disk_linux(),
						   .check_template = task_check_template};
		struct dag_set set = {0};
		char *text = test_path("t: {schedule: null, tasks: {a: %s}}", cases[i].task);
		dag_load_text(&options, "dags/x.yml", mr_str_from(text), &set);
		dag_set_finish(&options, &set);
		CHECK_INT(set.faults.len, 1);
		CHECK_STR(mr_str_from(set.faults.items[0].error.message), cases[i].message);
		CHECK_STR(mr_str_from(set.faults.items[0].error.hint), cases[i].hint);
		CHECK(strncmp(set.faults.items[0].error.where, cases[i].where, strlen(cases[i].where)) == 0);
		dag_set_release(&set);
	}
}
