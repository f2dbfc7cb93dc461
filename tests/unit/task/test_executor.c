/* The executors behind dag/executor.h: tries of real DAG files through the keeper and the engine; what
 * they report, what their logs hold, and what a dead keeper or a dead server means to them. */
#include "test.h"

#include "base/vec.h"
#include "dag/civil.h"
#include "dag/load.h"
#include "env/disk_linux.h"
#include "task/context.h"
#include "task/procfs.h"
#include "task/task.h"
#include "task/task_log.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct bed { /* a scheduler's ear that keeps what it hears */
	struct dag_sink sink;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct mr_buf heard; /* a line a report */
	struct task_services services;
	struct dag_executor *process, *engine;
	struct dag_set set;
	char *folder;
	int64_t pid;
	int next_id;
};

static void on_report(struct dag_sink *sink, const struct dag_report *report)
{
	static const char *const kinds[] = {"started", "finished", "deferred", "lost"};
	static const char *const outcomes[] = {"success", "failed", "failed for good", "skipped"};
	struct bed *bed = MR_CONTAINER_OF(sink, struct bed, sink);
	pthread_mutex_lock(&bed->lock);
	mr_buf_printf(&bed->heard, "%s %s", report->id, kinds[report->kind]);
	if (report->kind == DAG_REPORT_STARTED)
		bed->pid = report->pid;
	if (report->kind == DAG_REPORT_FINISHED)
		mr_buf_printf(&bed->heard, " %s", outcomes[report->outcome]);
	if (report->reason.len)
		mr_buf_printf(&bed->heard, " reason=%.*s", MR_FMT(report->reason));
	for (size_t i = 0; i < report->xcom_count; i++)
		mr_buf_printf(&bed->heard, " %.*s=%.*s", MR_FMT(report->xcoms[i].key),
			      MR_FMT(report->xcoms[i].json));
	if (report->follow != DAG_FOLLOW_ALL)
		mr_buf_printf(&bed->heard, " follow=%d", (int)report->follow);
	for (size_t i = 0; i < report->follow_count; i++)
		mr_buf_printf(&bed->heard, " ->%.*s", MR_FMT(report->follow_ids[i]));
	mr_buf_char(&bed->heard, '\n');
	pthread_cond_broadcast(&bed->more);
	pthread_mutex_unlock(&bed->lock);
}

static void on_event(struct dag_sink *sink, mr_str event, mr_str payload)
{
	(void)sink;
	(void)event;
	(void)payload;
}

static int xcom_get(struct dag_sink *sink, const struct dag_try *try, mr_str task_id, int32_t map_index,
		    mr_str key, struct mr_buf *out, struct mr_error *err)
{
	if (!mr_str_is(task_id, "list") || !mr_str_is(key, "return_value"))
		return 1;
	mr_buf_cstr(out, "[\"a.parquet\", \"b.parquet\"]");
	return 0;
}

static const struct dag_sink_ops sink_ops = {on_report, on_event, xcom_get};

static const char *program(void)
{
	static char path[4200];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 32);
	CHECK(n > 0);
	path[n] = 0;
	for (int i = 0; i < 2; i++)
		*strrchr(path, '/') = 0;
	memcpy(path + strlen(path), "/millrace", 10);
	return path;
}

static void bed_start(struct bed *bed)
{
	struct mr_error err;
	CHECK_OK(process_executor_new(&bed->services, 8, &bed->process, &err), err);
	CHECK_OK(engine_executor_new(&bed->services, 8, 2, &bed->engine, &err), err);
}

static void bed_stop(struct bed *bed)
{
	bed->process->ops->free(bed->process);
	bed->engine->ops->free(bed->engine);
}

static void bed_open(struct bed *bed, const char *dags)
{
	struct mr_error err;
	*bed = (struct bed){.sink.ops = &sink_ops, .folder = mr_strdup(test_folder())};
	pthread_mutex_init(&bed->lock, NULL);
	pthread_cond_init(&bed->more, NULL);
	setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
	char *folder = test_path("%s/dag", bed->folder);
	bed->services = (struct task_services){
	    .env = env_linux(),
	    .folder = folder,
	    .logs = test_path("%s/logs", bed->folder),
	    .dags_folder = bed->folder,
	    .hostname = "here",
	    .keeper_program = program(),
	    .sink = &bed->sink,
	};
	CHECK_OK(vault_open(env_linux(), folder, &bed->services.vault, &err), err);
	struct dag_load_options options = {.disk = disk_linux(), .check_template = task_check_template};
	dag_load_text(&options, "dags/x.yml", mr_str_from(dags), &bed->set);
	dag_set_finish(&options, &bed->set);
	for (size_t i = 0; i < bed->set.faults.len; i++)
		test_fail(__FILE__, __LINE__, "%s %s", bed->set.faults.items[i].error.where,
			  bed->set.faults.items[i].error.message);
	bed_start(bed);
}

static void bed_close(struct bed *bed)
{
	bed_stop(bed);
	vault_free(bed->services.vault);
	dag_set_release(&bed->set);
	mr_buf_release(&bed->heard);
	free(bed->folder);
	pthread_mutex_destroy(&bed->lock);
	pthread_cond_destroy(&bed->more);
}

static struct dag_try *make_try(struct bed *bed, const char *task_id, const char *map_json)
{
	struct arena arena;
	arena_init(&arena, 1024);
	struct dag_try *try = arena_calloc(&arena, 1, sizeof *try);
	try->arena = arena;
	atomic_init(&try->refs, 1);
	snprintf(try->id, sizeof try->id, "00000000-0000-4000-8000-%012d", ++bed->next_id);
	try->dag = dag_ref(bed->set.dags.items[0]);
	try->task = dag_task_find(try->dag, mr_str_from(task_id));
	CHECK(try->task != NULL);
	try->run = (struct dag_run_context){
	    .run_id = MR_STR("manual__2026"),
	    .run_type = MR_STR("manual"),
	    .logical_date_us = INT64_C(1767225600000000), /* 2026-01-01 */
	    .data_interval_start_us = INT64_C(1767225600000000),
	    .data_interval_end_us = INT64_C(1767312000000000),
	    .run_after_us = INT64_C(1767312000000000),
	    .start_date_us = INT64_C(1767312000000000),
	    .conf_json = MR_STR("{\"fast\": true}"),
	    .params_json = MR_STR("{\"country\": \"US\"}"),
	    .asset_events_json = MR_STR("{}"),
	};
	try->map_index = map_json ? 0 : -1;
	try->map_json = mr_str_from(map_json ? map_json : "");
	try->try_number = 1;
	try->first_start_us = clock_wall_us(env_linux()->clock);
	try->deadline_us = NO_TIME;
	try->previous_success_us = NO_TIME;
	return try;
}

/* The last line about this try, once it is no "started". */
static const char *wait_end(struct bed *bed, const char *id)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20;
	pthread_mutex_lock(&bed->lock);
	for (;;) {
		mr_str rest = mr_buf_view(&bed->heard);
		for (const char *nl; rest.len && (nl = memchr(rest.ptr, '\n', rest.len)) != NULL;) {
			mr_str line = mr_str_n(rest.ptr, (size_t)(nl - rest.ptr));
			if (mr_str_starts(line, mr_str_from(id)) &&
			    !strstr(test_path("%.*s", MR_FMT(line)), " started")) {
				pthread_mutex_unlock(&bed->lock);
				return test_path("%.*s", MR_FMT(mr_str_tail(line, 37)));
			}
			rest = mr_str_tail(rest, line.len + 1);
		}
		if (pthread_cond_timedwait(&bed->more, &bed->lock, &until) != 0) {
			pthread_mutex_unlock(&bed->lock);
			test_fail(__FILE__, __LINE__, "no end of %s; heard:\n%s", id,
				  mr_buf_view(&bed->heard).ptr);
		}
	}
}

static struct dag_executor *executor_of(struct bed *bed, const struct dag_try *try)
{
	return try->task->operator->place == OPERATOR_PROCESS ? bed->process : bed->engine;
}

static void submit(struct bed *bed, struct dag_try *try)
{
	struct mr_error err;
	struct dag_executor *executor = executor_of(bed, try);
	CHECK_OK(executor->ops->submit(executor, try, &err), err);
}

static const char *run(struct bed *bed, const char *task_id, const char *map_json)
{
	struct dag_try *try = make_try(bed, task_id, map_json);
	submit(bed, try);
	const char *end = wait_end(bed, test_path("%s", try->id));
	dag_try_unref(try);
	return end;
}

static mr_str log_of(struct bed *bed, const char *task_id, int map_index)
{
	struct mr_buf path = {0}, text = {0};
	struct mr_error err;
	task_log_path(bed->services.logs, bed->set.dags.items[0]->id, MR_STR("manual__2026"),
		      mr_str_from(task_id), map_index, 1, &path);
	CHECK_OK(task_log_read(path.ptr, 0, 1 << 16, &text, &err), err);
	mr_str copy = mr_str_from(test_path("%s", mr_buf_view(&text).ptr));
	mr_buf_release(&path);
	mr_buf_release(&text);
	return copy;
}

static void check_has(mr_str text, const char *what)
{
	if (!text.len || !memmem(text.ptr, text.len, what, strlen(what)))
		test_fail(__FILE__, __LINE__, "no '%s' in: %.*s", what, MR_FMT(text));
}

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
	struct bed bed;
	struct mr_error err;
	bed_open(&bed, dags);
	CHECK_OK(
	    disk_replace_file(disk_linux(), test_path("%s/jobs.py", bed.folder), mr_str_from(jobs), &err),
	    err);
	CHECK_OK(disk_replace_file(disk_linux(), test_path("%s/script.py", bed.folder),
				   MR_STR("import sys; print('script', sys.argv[1], context['run_id'])"),
				   &err),
		 err);
	for (size_t i = 0; i < MR_COUNT(cases); i++) {
		const char *end = run(&bed, cases[i].task, NULL);
		mr_str want = mr_str_from(cases[i].end);
		want.len -= want.ptr[want.len - 1] == '\n';
		if (!mr_str_eq(mr_str_from(end), want))
			test_fail(__FILE__, __LINE__, "%s: %s, expected %s", cases[i].task, end,
				  cases[i].end);
	}
	check_has(log_of(&bed, "py_file", -1), "script 2026-01-01 manual__2026\n");
	check_has(log_of(&bed, "fails", -1), "INFO - Running command: ['bash', '-c', echo no; exit 3]\nno\n");
	check_has(log_of(&bed, "fails", -1), "ERROR - failed: exit code 3");
	check_has(log_of(&bed, "py_bug", -1), "Traceback");
	check_has(mr_str_from(run(&bed, "bad_json", NULL)),
		  "failed reason=the last line of the output is no JSON");
	CHECK_STR(mr_str_from(run(&bed, "mapped", "{\"env\": {\"PART\": \"y\"}}")),
		  "finished success return_value=\"got y\"");
	check_has(log_of(&bed, "mapped", 0), "got y\n");
	bed_close(&bed);
}

TEST(executor_masks_secrets_wherever_they_show)
{
	struct bed bed;
	struct mr_error err;
	bed_open(&bed, dags);
	mr_str uri = MR_STR("postgres://me:hunter2secret@db:5432/x"), token = MR_STR("tok-123456");
	CHECK_OK(vault_set_connection(bed.services.vault, MR_STR("db"), &uri, &err), err);
	CHECK_OK(vault_set_variable(bed.services.vault, MR_STR("api_token"), &token, &err), err);
	CHECK_STR(mr_str_from(run(&bed, "secret", NULL)), "finished failed reason=exit code 1");
	mr_str log = log_of(&bed, "secret", -1);
	check_has(log, "echo *** ***; exit 1");
	check_has(log, "\n*** ***\n");
	CHECK(!memmem(log.ptr, log.len, "hunter2", 7) && !memmem(log.ptr, log.len, "tok-", 4));
	bed_close(&bed);
}

TEST(executor_stops_tries)
{
	struct bed bed;
	bed_open(&bed, dags);
	struct dag_try *try = make_try(&bed, "sleeps", NULL);
	submit(&bed, try);
	submit(&bed, try); /* known: nothing */
	for (int i = 0; i < 500 && bed.pid == 0; i++)
		usleep(10000);
	bed.process->ops->cancel(bed.process, try->id, DAG_CANCEL_CLEARED);
	bed.process->ops->cancel(bed.process, "no such", DAG_CANCEL_CLEARED);
	CHECK_STR(mr_str_from(wait_end(&bed, try->id)), "finished failed reason=stopped");
	dag_try_unref(try);
	bed_close(&bed);
}

/* The server is gone while tasks run: the next one asks, and is told. */
TEST(executor_reattaches_after_a_restart)
{
	struct bed bed;
	struct mr_error err;
	bed_open(
	    &bed,
	    "t: {schedule: null, tasks: {a: {operator: BashOperator, bash_command: 'sleep 0.3; echo done'}, "
	    "b: {operator: BashOperator, bash_command: 'sleep 1.5; echo later'}, "
	    "c: {operator: FileSensor, filepath: /x}}}");
	struct dag_try *a = make_try(&bed, "a", NULL), *b = make_try(&bed, "b", NULL),
		       *never = make_try(&bed, "a", NULL);
	struct dag_try *sensor = make_try(&bed, "c", NULL);
	submit(&bed, a);
	submit(&bed, b);
	for (int i = 0; i < 500 && !strstr(mr_buf_view(&bed.heard).ptr, test_path("%s started", b->id)); i++)
		usleep(10000);
	bed_stop(&bed);
	usleep(600000);
	mr_buf_clear(&bed.heard);
	bed_start(&bed);
	struct dag_try *const processes[] = {a, b, never}, *const steps[] = {sensor};
	CHECK_OK(bed.process->ops->reattach(bed.process, processes, 3, &err), err);
	CHECK_OK(bed.engine->ops->reattach(bed.engine, steps, 1, &err), err);
	CHECK_STR(mr_str_from(wait_end(&bed, a->id)), "finished success return_value=\"done\"");
	CHECK_STR(mr_str_from(wait_end(&bed, never->id)), "lost reason=the keeper knows nothing of it");
	CHECK_STR(mr_str_from(wait_end(&bed, b->id)), "finished success return_value=\"later\"");
	CHECK_STR(mr_str_from(wait_end(&bed, sensor->id)), "lost reason=the server ended while it ran");
	struct dag_try *const all[] = {a, b, never, sensor};
	for (size_t i = 0; i < MR_COUNT(all); i++)
		dag_try_unref(all[i]);
	bed_close(&bed);
}

TEST(executor_loses_tries_with_their_keeper_and_goes_on)
{
	struct bed bed;
	bed_open(&bed, dags);
	struct dag_try *try = make_try(&bed, "sleeps", NULL);
	submit(&bed, try);
	for (int i = 0; i < 500 && bed.pid == 0; i++)
		usleep(10000);
	pid_t leader = (pid_t)bed.pid;
	char line[512];
	FILE *stat = fopen(test_path("/proc/%d/stat", leader), "r");
	CHECK(stat && fgets(line, sizeof line, stat));
	fclose(stat);
	int64_t before = clock_mono_us(env_linux()->clock);
	kill((pid_t)strtol(strrchr(line, ')') + 3, NULL, 10), SIGKILL); /* its parent is the keeper */
	CHECK_STR(mr_str_from(wait_end(&bed, try->id)), "lost reason=its keeper died");
	CHECK(clock_mono_us(env_linux()->clock) - before < 1000000);
	char id[37];
	CHECK(!procfs_task_id(leader, id));
	for (int i = 0; i < 20; i++) { /* lost until another keeper is there */
		const char *end = run(&bed, "quiet", NULL);
		if (strcmp(end, "finished success") == 0)
			break;
		CHECK(i < 19);
		usleep(100000);
	}
	dag_try_unref(try);
	bed_close(&bed);
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
